//! Which sessions are meant: by address, name, time and fault. Selecting never changes a session's number.

use std::net::IpAddr;
use std::str::FromStr;

use crate::base::{Endpoint, Time};
use crate::cli::args::Selectors;
use crate::diagnose::{Fault, Verdict};
use crate::report::sni;
use crate::report::time::Clock;
use crate::session::Session;

/// `IP` or `IP:PORT`, with or without brackets around IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    ip: IpAddr,
    port: Option<u16>,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            return Ok(Address { ip, port: None });
        }
        let socket: std::net::SocketAddr = text.parse().map_err(|_| format!("'{text}' is no IP or IP:PORT"))?;
        Ok(Address { ip: socket.ip(), port: Some(socket.port()) })
    }
}

impl Address {
    fn is(self, end: Endpoint) -> bool {
        self.ip == end.ip && self.port.is_none_or(|port| port == end.port)
    }
}

/// A server: by address, or by the name that the client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Address(Address),
    /// In lower case.
    Name(String, Option<u16>),
    /// Every name below this one, in lower case, with its leading dot: `*.example.com`.
    Below(String, Option<u16>),
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Server, String> {
        if let Ok(address) = text.parse() {
            return Ok(Server::Address(address));
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| format!("'{text}': '{port}' is no port"))?)),
            None => (text, None),
        };
        let name = name.trim_end_matches('.').to_lowercase();
        match name.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') && rest.len() > 1 => Ok(Server::Below(rest.to_owned(), port)),
            None if !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/') => Ok(Server::Name(name, port)),
            _ => Err(format!("'{text}' is no IP, IP:PORT, name or *.name")),
        }
    }
}

impl Server {
    fn is(&self, session: &Session) -> bool {
        let asked = sni(session).map(|asked| asked.trim_end_matches('.').to_lowercase());
        let (port, fits) = match self {
            Server::Address(address) => return address.is(session.ends.server),
            Server::Name(name, port) => (port, asked.is_some_and(|asked| asked == *name)),
            Server::Below(suffix, port) => (port, asked.is_some_and(|asked| asked.ends_with(suffix))),
        };
        fits && port.is_none_or(|port| port == session.ends.server.port)
    }
}

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    ip: IpAddr,
    bits: u8,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let error = || format!("'{text}' is no address range; write 10.0.0.0/8 or 2001:db8::/32");
        let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let ip: IpAddr = ip.parse().map_err(|_| error())?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse::<u8>().map_err(|_| error()))?;
        if bits > most { Err(error()) } else { Ok(Cidr { ip, bits }) }
    }
}

impl Cidr {
    fn contains(self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// The selection of one run, its times resolved.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    client: Option<Address>,
    server: Option<Server>,
    ignore: Vec<Cidr>,
    only: Vec<Fault>,
    from: Option<Time>,
    to: Option<Time>,
    /// The time of interest: sessions alive then, or else the nearest.
    pub(crate) at: Option<Time>,
}

impl Selection {
    /// The selection that `selectors` mean in a capture that starts at `start`.
    pub(crate) fn new(selectors: &Selectors, start: Time, clock: &Clock) -> Result<Selection, String> {
        let resolve = |when: Option<crate::cli::times::When>, name: &str| match when {
            Some(when) => when.resolve(start, clock).map(Some).ok_or_else(|| format!("--{name}: no such time in the calendar")),
            None => Ok(None),
        };
        Ok(Selection {
            client: selectors.parties.client,
            server: selectors.parties.server.clone(),
            ignore: selectors.parties.ignore.clone(),
            only: selectors.parties.only.iter().map(|only| only.0).collect(),
            from: resolve(selectors.from, "from")?,
            to: resolve(selectors.to, "to")?,
            at: resolve(selectors.at, "at")?,
        })
    }

    /// Whether the session fits, [`Selection::at`] left aside.
    pub(crate) fn fits(&self, session: &Session, verdict: &Verdict) -> bool {
        let ends = session.ends;
        self.client.is_none_or(|client| client.is(ends.client))
            && self.server.as_ref().is_none_or(|server| server.is(session))
            && !self.ignore.iter().any(|range| range.contains(ends.client.ip) || range.contains(ends.server.ip))
            && (self.only.is_empty() || self.only.contains(&verdict.fault))
            && self.from.is_none_or(|from| session.last.time >= from)
            && self.to.is_none_or(|to| session.first.time <= to)
    }
}

/// How far `at` is from the session's life: zero while it is alive.
pub(crate) fn distance(session: &Session, at: Time) -> i64 {
    let before = session.first.time.since(at).nanos();
    let after = at.since(session.last.time).nanos();
    before.max(after).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn fits(arguments: &[&str], sample: &(Session, Verdict)) -> bool {
        let selectors = crate::cli::args::selectors(arguments).unwrap();
        Selection::new(&selectors, sample::START, &Clock::utc()).unwrap().fits(&sample.0, &sample.1)
    }

    #[test]
    fn selects_by_every_means() {
        let session = sample::idle_timeout();
        for (arguments, expected) in [
            (&[][..], true),
            (&["--client", "10.0.0.12"], true),
            (&["--client", "10.0.0.12:51544"], true),
            (&["--client", "10.0.0.12:51545"], false),
            (&["--client", "10.0.0.1"], false),
            (&["--server", "203.0.113.7:443"], true),
            (&["--server", "203.0.113.7:8443"], false),
            (&["--server", "API.example.com"], true),
            (&["--server", "api.example.com:443"], true),
            (&["--server", "api.example.com:444"], false),
            (&["--server", "example.com"], false),
            (&["--server", "*.example.com"], true),
            (&["--server", "*.ample.com"], false),
            (&["--ignore", "192.168.0.0/16", "--ignore", "10.0.0.0/29"], true),
            (&["--ignore", "10.0.0.8/29"], false),
            (&["--ignore", "203.0.113.7"], false),
            (&["--ignore", "0.0.0.0/0"], false),
            (&["--ignore", "::/0"], true),
            (&["--only", "server,none"], true),
            (&["--only", "server"], false),
            (&["--from", "14:04:02"], true),
            (&["--from", "14:04:03"], false),
            (&["--to", "14:03:03"], true),
            (&["--to", "14:03:02"], false),
        ] {
            assert_eq!(fits(arguments, &session), expected, "{arguments:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["10.0.0.0/33", "::/129", "10.0.0/8", "x/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        for text in ["10.0.0.1:99999", "host", ""] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        for text in ["", "*", "*.", "a*b c", "name:port"] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
        assert_eq!("[2001:db8::1]:443".parse::<Address>().unwrap(), Address { ip: "2001:db8::1".parse().unwrap(), port: Some(443) });
        assert_eq!("[::1]".parse::<Address>().unwrap(), Address { ip: "::1".parse().unwrap(), port: None });
    }

    #[test]
    fn distance_is_zero_while_alive() {
        let (session, _) = sample::idle_timeout();
        assert_eq!(distance(&session, sample::at(0, 30_000).time), 0);
        assert_eq!(distance(&session, sample::at(0, -5).time), 5_000_000);
        assert_eq!(distance(&session, sample::at(0, 60_025).time), 4_000_000);
    }
}
