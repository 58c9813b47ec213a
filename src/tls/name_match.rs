//! Does a certificate stand for a host? (RFC 9525, and RFC 6125 where stacks still follow it.)

use std::net::IpAddr;

use super::Certificate;

/// What comparing a host with a certificate's names comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameMatch {
    /// An alternative name stands for the host.
    Matches,
    /// Only the common name does, and there is no alternative name of that kind. OpenSSL and Java accept it; browsers, Go and rustls
    /// do not (RFC 9525 section 2).
    CommonNameOnly,
    /// No name does.
    Differs,
    /// Cannot be said: names are missing or unreadable, or stacks differ on such a wildcard.
    Unknown,
}

/// Whether `cert` stands for `host`: a DNS name as a server_name extension has it, or an IP address (IPv6 also in brackets).
pub fn name_matches(cert: &Certificate, host: &str) -> NameMatch {
    if !cert.readable || host.is_empty() || !host.is_ascii() {
        return NameMatch::Unknown;
    }
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host).parse::<IpAddr>();
    let found = match address {
        Ok(address) => by_address(cert, address),
        Err(_) => by_name(cert, host),
    };
    if found == NameMatch::Differs && cert.names_incomplete { NameMatch::Unknown } else { found }
}

fn by_address(cert: &Certificate, address: IpAddr) -> NameMatch {
    if cert.ip_addresses.contains(&address) {
        return NameMatch::Matches;
    }
    let in_common_name = cert.common_name.as_deref().and_then(|cn| cn.parse().ok()) == Some(address);
    if in_common_name && cert.ip_addresses.is_empty() { NameMatch::CommonNameOnly } else { NameMatch::Differs }
}

fn by_name(cert: &Certificate, host: &str) -> NameMatch {
    let mut best = NameMatch::Differs;
    for name in &cert.dns_names {
        match covers(name, host) {
            NameMatch::Matches => return NameMatch::Matches,
            NameMatch::Unknown => best = NameMatch::Unknown,
            _ => {}
        }
    }
    if cert.dns_names.is_empty() && cert.common_name.as_deref().is_some_and(|cn| covers(cn, host) == NameMatch::Matches) {
        best = NameMatch::CommonNameOnly;
    }
    best
}

/// Whether a presented name covers a host name. Never [`NameMatch::CommonNameOnly`].
fn covers(presented: &str, host: &str) -> NameMatch {
    let presented = presented.strip_suffix('.').unwrap_or(presented);
    let host = host.strip_suffix('.').unwrap_or(host);
    let settled = |matches: bool| if matches { NameMatch::Matches } else { NameMatch::Differs };
    let Some((pattern, domain)) = presented.split_once('.').filter(|(label, _)| label.contains('*')) else {
        return settled(presented.eq_ignore_ascii_case(host));
    };
    let Some((label, rest)) = host.split_once('.') else { return NameMatch::Differs };
    if label.is_empty() || !domain.eq_ignore_ascii_case(rest) {
        return NameMatch::Differs;
    }
    if pattern == "*" && domain.contains('.') {
        return NameMatch::Matches;
    }
    // `*.com`, and `w*.example.com`, which RFC 6125 section 6.4.3 left to the stack and RFC 9525 section 6.3 forbids.
    let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
    let (label, before, after) = (label.to_ascii_lowercase(), before.to_ascii_lowercase(), after.to_ascii_lowercase());
    let could = label.len() >= before.len() + after.len() && label.starts_with(&before) && label.ends_with(&after);
    if could { NameMatch::Unknown } else { NameMatch::Differs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cert(dns: &[&str], ip: &[&str], cn: Option<&str>) -> Certificate {
        Certificate {
            readable: true,
            dns_names: dns.iter().map(|n| Box::from(*n)).collect(),
            ip_addresses: ip.iter().map(|n| n.parse().unwrap()).collect(),
            common_name: cn.map(Box::from),
            ..Certificate::default()
        }
    }

    #[test]
    fn names_match_whole_and_without_case() {
        let c = cert(&["www.example.com", "Example.com"], &[], None);
        for host in ["www.example.com", "WWW.EXAMPLE.COM", "example.com", "example.com."] {
            assert_eq!(name_matches(&c, host), NameMatch::Matches, "{host}");
        }
        for host in ["api.example.com", "www.example.com.evil.test", "ww.example.com", "com", "localhost"] {
            assert_eq!(name_matches(&c, host), NameMatch::Differs, "{host}");
        }
    }

    #[test]
    fn a_wildcard_is_one_label_and_the_first() {
        let c = cert(&["*.example.com"], &[], None);
        assert_eq!(name_matches(&c, "www.example.com"), NameMatch::Matches);
        for host in ["example.com", "a.b.example.com", ".example.com", "www.example.org"] {
            assert_eq!(name_matches(&c, host), NameMatch::Differs, "{host}");
        }
        assert_eq!(name_matches(&cert(&["www.*.com"], &[], None), "www.example.com"), NameMatch::Differs);
        assert_eq!(name_matches(&cert(&["*"], &[], None), "localhost"), NameMatch::Differs);
    }

    #[test]
    fn wildcards_that_stacks_differ_on_are_not_judged() {
        assert_eq!(name_matches(&cert(&["*.com"], &[], None), "example.com"), NameMatch::Unknown);
        assert_eq!(name_matches(&cert(&["w*.example.com"], &[], None), "WWW.example.com"), NameMatch::Unknown);
        assert_eq!(name_matches(&cert(&["w*.example.com"], &[], None), "api.example.com"), NameMatch::Differs);
    }

    #[test]
    fn the_common_name_counts_only_without_alternative_names() {
        assert_eq!(name_matches(&cert(&[], &[], Some("old.example.com")), "old.example.com"), NameMatch::CommonNameOnly);
        assert_eq!(name_matches(&cert(&["new.example.com"], &[], Some("old.example.com")), "old.example.com"), NameMatch::Differs);
        assert_eq!(name_matches(&cert(&[], &["192.0.2.1"], Some("old.example.com")), "old.example.com"), NameMatch::CommonNameOnly);
        assert_eq!(name_matches(&cert(&[], &[], Some("192.0.2.1")), "192.0.2.1"), NameMatch::CommonNameOnly);
    }

    #[test]
    fn addresses_match_addresses_only() {
        let c = cert(&["192.0.2.1", "*.0.2.9"], &["192.0.2.7", "2001:db8::1"], None);
        assert_eq!(name_matches(&c, "192.0.2.7"), NameMatch::Matches);
        assert_eq!(name_matches(&c, "[2001:db8:0::1]"), NameMatch::Matches);
        assert_eq!(name_matches(&c, "192.0.2.1"), NameMatch::Differs);
        assert_eq!(name_matches(&c, "192.0.2.9"), NameMatch::Differs);
    }

    #[test]
    fn what_was_not_read_is_not_called_missing() {
        let mut c = cert(&["www.example.com"], &[], None);
        c.names_incomplete = true;
        assert_eq!(name_matches(&c, "www.example.com"), NameMatch::Matches);
        assert_eq!(name_matches(&c, "api.example.com"), NameMatch::Unknown);
        assert_eq!(name_matches(&Certificate::default(), "www.example.com"), NameMatch::Unknown);
        assert_eq!(name_matches(&cert(&["x.test"], &[], None), "b\u{fffd}.test"), NameMatch::Unknown);
    }
}
