//! Which domains each key answers for: a box that opens TLS on the way makes up its certificates with one key for all.

use std::net::IpAddr;

use crate::diagnose::beside::{Elsewhere, SharedKey};
use crate::diagnose::company::bounded::Bounded;
use crate::session::Session;
use crate::tls::{Certificate, NameMatch, name_matches};

/// Keys remembered, and domains of each.
const KEYS: usize = 2_048;
const DOMAINS: usize = 8;
/// Two domains may well be one owner's. So many, each at an address of its own, are not.
const UNRELATED: usize = 3;

/// Top-level domains under which everybody registers, beside those of countries. (Names under others may be somebody's private ones.)
const GENERIC: [&str; 20] = [
    "com", "net", "org", "info", "biz", "edu", "gov", "mil", "int", "app", "dev", "cloud", "online", "shop", "site", "store", "tech",
    "xyz", "bank", "news",
];
/// Second levels under which some countries register.
const SECOND: [&str; 12] = ["co", "com", "org", "net", "ac", "gov", "gob", "gouv", "edu", "or", "ne", "go"];
/// Names set aside for examples (RFC 2606 section 3): every test has them.
const EXAMPLE: &str = "example";

/// A domain for which a key answered.
#[derive(Debug)]
struct Shown {
    owner: Box<str>,
    server: IpAddr,
    certificate: [u8; 32],
    at: Elsewhere,
}

/// The memory of keys.
#[derive(Debug)]
pub(super) struct Keys {
    known: Bounded<[u8; 32], Vec<Shown>>,
}

/// The key in the certificate of a session's server, if that can be one that a box on the way made up.
pub(super) fn key(session: &Session) -> Option<[u8; 32]> {
    own(session).map(|(leaf, _)| leaf.key.sha256)
}

/// The server's certificate, for the public name that was asked for, and issued neither by a public CA nor by itself; and that name.
fn own(session: &Session) -> Option<(&Certificate, String)> {
    let leaf = session.tls.certificates.as_deref()?.leaf.as_deref()?;
    // Behind a proxy every server has the proxy's address, and may be one and the same.
    if !leaf.readable || leaf.self_signed || leaf.publicly_issued || session.tunnel().is_some() {
        return None;
    }
    let name = session.sni()?.to_ascii_lowercase();
    (owner(&name).is_some() && name_matches(leaf, &name) == NameMatch::Matches).then_some((leaf, name))
}

/// The part of a name that its owner registered, without what it was registered under: `shop.example.co.uk` and `example.de` are the same
/// owner's. `None` where nobody can have registered it.
fn owner(name: &str) -> Option<&str> {
    let mut labels = name.rsplit('.');
    let top = labels.next()?;
    let country = top.len() == 2 && top.bytes().all(|byte| byte.is_ascii_lowercase());
    if !country && !GENERIC.contains(&top) {
        return None;
    }
    let second = labels.next()?;
    let owner = if country && SECOND.contains(&second) { labels.next()? } else { second };
    (!owner.is_empty() && owner != EXAMPLE).then_some(owner)
}

impl Keys {
    pub(super) fn new() -> Keys {
        Keys { known: Bounded::new(KEYS) }
    }

    /// Notes for whom a session's server showed which key. The key, if that may change what is said of others that showed it.
    pub(super) fn learn(&mut self, session: &Session) -> Option<[u8; 32]> {
        let (leaf, name) = own(session)?;
        let owner = owner(&name)?;
        let (key, server) = (leaf.key.sha256, session.ends.server.ip);
        let shown = self.known.of(&key);
        // The same certificate is the same server's, wherever it stands, and of one that has several names one counts.
        let known = |other: &Shown| *other.owner == *owner || other.server == server || other.certificate == leaf.sha256;
        if shown.len() >= DOMAINS || shown.iter().any(known) {
            return None;
        }
        let at = Elsewhere { at: session.tls.certificate_at?, session: session.tcp_stream };
        shown.push(Shown { owner: owner.into(), server, certificate: leaf.sha256, at });
        (shown.len() == UNRELATED).then_some(key)
    }

    /// That the key a session's server showed answers for domains that have nothing to do with each other.
    pub(super) fn shared(&self, session: &Session) -> Option<SharedKey> {
        let (leaf, name) = own(session)?;
        let owner = owner(&name)?;
        let shown = self.known.get(&leaf.key.sha256).filter(|shown| shown.len() >= UNRELATED)?;
        let others = shown.iter().filter(|other| *other.owner != *owner);
        Some(SharedKey { others: others.map(|other| other.at).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::tls::PublicKey;

    /// A session with a server at `203.0.113.<host>`, whose certificate is for the name that was asked for.
    fn session(name: &str, host: u8, change: impl FnOnce(&mut Certificate)) -> Session {
        let mut leaf = Certificate {
            readable: true,
            dns_names: [Box::from(name)].into(),
            key: PublicKey { sha256: [7; 32], ..PublicKey::default() },
            sha256: [host; 32],
            ..Certificate::default()
        };
        change(&mut leaf);
        let mut session = sample::distrusted(host.into(), name, leaf);
        session.ends.server.ip = IpAddr::from([203, 0, 113, host]);
        session
    }

    fn told(sessions: &[Session]) -> (Vec<bool>, usize) {
        let mut keys = Keys::new();
        let news = sessions.iter().map(|session| keys.learn(session).is_some()).collect();
        let others = sessions.last().and_then(|last| keys.shared(last)).map_or(0, |shared| shared.others.len());
        (news, others)
    }

    #[test]
    fn one_key_for_three_owners_is_a_box_on_the_way() {
        let three = |last: Session| told(&[session("www.kite.com", 1, |_| {}), session("www.lark.net", 2, |_| {}), last]);
        assert_eq!(three(session("wren.co.uk", 3, |_| {})), (vec![false, false, true], 2));
        let silent = (vec![false; 3], 0);
        assert_eq!(three(session("kite.de", 3, |_| {})), silent, "the same owner elsewhere");
        assert_eq!(three(session("wren.org", 2, |_| {})), silent, "the same server");
        assert_eq!(three(session("wren.org", 3, |leaf| leaf.sha256 = [1; 32])), silent, "the same certificate");
        assert_eq!(three(session("wren.org", 3, |leaf| leaf.key.sha256 = [8; 32])), silent, "a key of its own");
        assert_eq!(three(session("wren.org", 3, |leaf| leaf.publicly_issued = true)), silent, "a hoster with a public CA");
        assert_eq!(three(session("wren.org", 3, |leaf| leaf.self_signed = true)), silent, "its own issuer");
        assert_eq!(three(session("wren.org", 3, |leaf| leaf.dns_names = [].into())), silent, "not for this name");
        assert_eq!(three(session("www.example.org", 3, |_| {})), silent, "a test's name");
        assert_eq!(three(session("wren.internal", 3, |_| {})), silent, "a private name");
    }

    #[test]
    fn owners_are_told_from_what_they_registered_under() {
        for (name, expected) in [
            ("www.kite-shop.com", Some("kite-shop")),
            ("kite-shop.co.uk", Some("kite-shop")),
            ("de.kite-shop.de", Some("kite-shop")),
            ("a.b.cloudfront.net", Some("cloudfront")),
            ("api.example.com", None),
            ("www.example.org", None),
            ("git.corp", None),
            ("git.kite.internal", None),
            ("db.kite.lan", None),
            ("localhost", None),
            ("com", None),
            ("co.uk", None),
            ("10.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(owner(name), expected, "{name}");
        }
    }
}
