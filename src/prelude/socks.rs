//! SOCKS 4, 4a and 5 (RFC 1928, RFC 1929).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::dialog::{Take, Turn};
use super::story::{Outcome, Refusal, Talk};
use super::wire::{be16, lossy};
use crate::base::{At, Endpoint, Side};

/// SOCKS 4 or 4a: one request, one reply.
#[derive(Default)]
pub(super) struct Socks4 {
    asked: bool,
}

impl Socks4 {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        match turn.side {
            Side::Client if self.asked => Take::Over,
            Side::Client => self.request(turn).unwrap_or(Take::More),
            Side::Server => reply4(turn).unwrap_or(Take::More),
        }
    }

    fn request(&mut self, turn: Turn) -> Option<Take> {
        let bytes = turn.bytes;
        let port = be16(bytes, 2)?;
        let address: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
        let user = until_nul(bytes.get(8..)?)?;
        let mut len = 8 + user.len() + 1;
        if address.starts_with(&[0, 0, 0]) && address != [0; 4] {
            // 4a: the name follows, for the proxy to resolve.
            let name = until_nul(bytes.get(len..)?)?;
            turn.talk.aim(format!("{}:{port}", lossy(name, 255)).as_bytes());
            len += name.len() + 1;
        } else {
            aim(turn.talk, Ipv4Addr::from(address).into(), port);
        }
        turn.talk.ask(turn.at);
        self.asked = true;
        Some(Take::Took(len))
    }
}

fn reply4(turn: Turn) -> Option<Take> {
    let code = *turn.bytes.get(1)?;
    if *turn.bytes.first()? != 0 {
        return Some(Take::Over);
    }
    let (text, outcome) = match code {
        90 => ("granted", Outcome::Accepted),
        91 => ("rejected or failed", Outcome::Refused(Refusal::Other)),
        92 => ("the proxy cannot reach the client's identd", Outcome::Refused(Refusal::Authentication)),
        93 => ("the client's identd names another user", Outcome::Refused(Refusal::Authentication)),
        _ => ("unassigned code", Outcome::Refused(Refusal::Other)),
    };
    if code == 90 {
        turn.bytes.get(7)?;
    }
    turn.talk.answer(turn.at, Some(u32::from(code)), text.as_bytes(), outcome);
    Some(if code == 90 { Take::Open(8) } else { Take::Over })
}

fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|b| *b == 0)?)
}

fn aim(talk: &mut Talk, ip: std::net::IpAddr, port: u16) {
    talk.aim(Endpoint { ip, port }.to_string().as_bytes());
}

/// SOCKS 5: methods, perhaps a user name and password, then request and reply.
#[derive(Default)]
pub(super) struct Socks5 {
    greeted: bool,
    requested: bool,
    method: Option<u8>,
    authenticated: bool,
}

/// "No acceptable methods" (RFC 1928 section 3).
const NO_METHOD: u8 = 0xff;
/// User name and password (RFC 1929).
const PASSWORD: u8 = 2;

impl Socks5 {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        let take = match turn.side {
            Side::Client => self.client(turn),
            Side::Server => self.server(turn),
        };
        take.unwrap_or(Take::More)
    }

    // A client may send all of this at once, without waiting for the answers: the first byte tells the messages apart.
    fn client(&mut self, turn: Turn) -> Option<Take> {
        let bytes = turn.bytes;
        Some(match *bytes.first()? {
            5 if !self.greeted => {
                let len = 2 + usize::from(*bytes.get(1)?);
                self.greeted = true;
                Take::Took(len)
            }
            1 if !self.requested => {
                let user = usize::from(*bytes.get(1)?);
                Take::Took(3 + user + usize::from(*bytes.get(2 + user)?))
            }
            5 if !self.requested => {
                let len = request5(bytes, turn.at, turn.talk)?;
                self.requested = true;
                Take::Took(len)
            }
            _ => Take::Over,
        })
    }

    fn server(&mut self, turn: Turn) -> Option<Take> {
        let (version, code) = (*turn.bytes.first()?, *turn.bytes.get(1)?);
        if self.method.is_none() {
            self.method = Some(code);
            return Some(match (version, code) {
                (5, NO_METHOD) => refuse(turn, code, "no acceptable authentication method", Refusal::Authentication),
                // With GSSAPI (1) and private methods the rest may be sealed: nothing to read.
                (5, 0 | PASSWORD) => Take::Took(2),
                _ => Take::Over,
            });
        }
        if self.method == Some(PASSWORD) && !self.authenticated {
            self.authenticated = true;
            let fine = version == 1 && code == 0;
            return Some(if fine { Take::Took(2) } else { refuse(turn, code, "user name or password rejected", Refusal::Authentication) });
        }
        if version != 5 {
            return Some(Take::Over);
        }
        if code != 0 {
            let (text, why) = reply5(code);
            return Some(refuse(turn, code, text, why));
        }
        let len = match *turn.bytes.get(3)? {
            1 => 10,
            4 => 22,
            3 => 7 + usize::from(*turn.bytes.get(4)?),
            _ => return Some(Take::Over),
        };
        turn.bytes.get(len - 1)?;
        turn.talk.answer(turn.at, Some(0), b"succeeded", Outcome::Accepted);
        Some(Take::Open(len))
    }
}

fn request5(bytes: &[u8], at: At, talk: &mut Talk) -> Option<usize> {
    let address = bytes.get(4..)?;
    let len = match *bytes.get(3)? {
        1 => {
            let ip: [u8; 4] = *address.first_chunk()?;
            aim(talk, Ipv4Addr::from(ip).into(), be16(bytes, 8)?);
            10
        }
        4 => {
            let ip: [u8; 16] = *address.first_chunk()?;
            aim(talk, Ipv6Addr::from(ip).into(), be16(bytes, 20)?);
            22
        }
        _ => {
            let name_len = usize::from(*address.first()?);
            let name = address.get(1..=name_len)?;
            talk.aim(format!("{}:{}", lossy(name, 255), be16(bytes, 5 + name_len)?).as_bytes());
            7 + name_len
        }
    };
    talk.ask(at);
    Some(len)
}

fn refuse(turn: Turn, code: u8, text: &str, why: Refusal) -> Take {
    turn.talk.answer(turn.at, Some(u32::from(code)), text.as_bytes(), Outcome::Refused(why));
    Take::Over
}

/// RFC 1928 section 6.
fn reply5(code: u8) -> (&'static str, Refusal) {
    match code {
        1 => ("general SOCKS server failure", Refusal::Other),
        2 => ("connection not allowed by ruleset", Refusal::Policy),
        3 => ("network unreachable", Refusal::Upstream),
        4 => ("host unreachable", Refusal::Upstream),
        5 => ("connection refused", Refusal::Upstream),
        6 => ("TTL expired", Refusal::Upstream),
        7 => ("command not supported", Refusal::Other),
        8 => ("address type not supported", Refusal::Other),
        _ => ("unassigned code", Refusal::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::tests::{C, CH, S, SH, hear};
    use super::*;

    #[test]
    fn version_5_by_address_and_by_name() {
        // curl --socks5 and --socks5-hostname against Dante
        let by_name: &[u8] = b"\x05\x01\x00\x03\tlocalhosts\x03";
        let by_ip: &[u8] = b"\x05\x01\x00\x01\x7f\x00\x00\x01s\x03";
        let by_ip6: &[u8] = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
        for (ask, target) in [(by_ip, "127.0.0.1:29443"), (by_name, "localhost:29443"), (by_ip6, "[2001:db8::1]:443")] {
            let yes: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x9b\x03";
            let heard = hear(&[(C, b"\x05\x02\x00\x01"), (S, b"\x05\x00"), (C, ask), (S, yes), (C, CH), (S, SH)]);
            assert_eq!(heard.starts(), (Some(4 + ask.len()), Some(12)));
            assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("socks5", State::Accepted));
            assert_eq!((heard.story.target(), heard.story.client), (Some(target), Some(C)));
        }
    }

    #[test]
    fn version_5_with_a_password() {
        // curl against pproxy
        let ask: &[u8] = b"\x05\x01\x00\x01\x7f\x00\x00\x01s\x04";
        let open = [(C, &b"\x05\x03\x00\x01\x02"[..]), (S, b"\x05\x02"), (C, b"\x01\x01u\x01p")];
        let heard =
            hear(&[&open[..], &[(S, b"\x01\x00"), (C, ask), (S, b"\x05\x00\x00\x01\x7f\x00\x00\x01s\x04"), (C, CH), (S, SH)]].concat());
        assert_eq!(heard.starts(), (Some(20), Some(14)));
        let refused = hear(&[&open[..], &[(S, b"\x01\x01")]].concat());
        assert_eq!(refused.talk().state, State::Refused { why: Refusal::Authentication, code: Some(1) });
        assert!(refused.not_tls[S]);
        assert_eq!(refused.story.first_line(C), None, "the password is not shown");
    }

    #[test]
    fn version_5_refusals() {
        let none = hear(&[(C, b"\x05\x01\x00"), (S, b"\x05\xff")]);
        assert_eq!(none.talk().state, State::Refused { why: Refusal::Authentication, code: Some(255) });
        assert_eq!(none.talk().attempts[0].asked, None);
        for (code, why, text) in [
            (2, Refusal::Policy, "connection not allowed by ruleset"),
            (4, Refusal::Upstream, "host unreachable"),
            (5, Refusal::Upstream, "connection refused"),
            (7, Refusal::Other, "command not supported"),
        ] {
            let no = [5, code, 0, 1, 127, 0, 0, 9, 1, 187];
            let heard = hear(&[(C, b"\x05\x01\x00"), (S, b"\x05\x00"), (C, b"\x05\x01\x00\x01\x7f\x00\x00\x09\x01\xbb"), (S, &no)]);
            assert_eq!(heard.talk().state, State::Refused { why, code: Some(u32::from(code)) });
            assert_eq!(heard.answers(), [(Some(u32::from(code)), text)]);
            assert_eq!(heard.story.target(), Some("127.0.0.9:443"));
        }
    }

    #[test]
    fn all_at_once_is_understood() {
        let heard = hear(&[
            (C, &[b"\x05\x01\x00\x05\x01\x00\x03\x01a\x01\xbb", CH].concat()),
            (S, &[b"\x05\x00\x05\x00\x00\x03\x01a\x01\xbb", SH].concat()),
        ]);
        assert_eq!(heard.starts(), (Some(11), Some(10)));
    }

    #[test]
    fn version_4_and_4a() {
        let heard = hear(&[(C, b"\x04\x01s\x03\x7f\x00\x00\x01\x00"), (S, b"\x00Z\x99\xdf\x7f\x00\x00\x01"), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(9), Some(8)));
        assert_eq!((heard.talk().protocol.name(), heard.story.target()), ("socks4", Some("127.0.0.1:29443")));
        let refused = hear(&[(C, b"\x04\x01s\x03\x00\x00\x00\x01\x00localhost\x00"), (S, b"\x00[s\x03\x00\x00\x00\x01")]);
        assert_eq!(refused.story.target(), Some("localhost:29443"));
        assert_eq!(refused.talk().state, State::Refused { why: Refusal::Other, code: Some(91) });
    }

    #[test]
    fn near_misses_are_binary() {
        for bytes in [&b"\x05\x00\x01\x02"[..], b"\x05\x02\x40\x41", b"\x04\x05abcdefghi\x00", b"\x04\x01\x00\x50\x01\x02\x03\x04\x01\x00"]
        {
            let heard = hear(&[(C, bytes)]);
            assert!(heard.story.talks.is_empty() && heard.not_tls[C], "{}", bytes.escape_ascii());
        }
    }
}
