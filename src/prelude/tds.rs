//! TDS 7.x (MS-TDS section 2.2.6.5): PRELOGIN packets, then a TLS handshake inside packets of the same type, then bare TLS.
//! TDS 8 is TLS from the first byte and never comes here.

use super::dialog::{Take, Turn};
use super::plain::starts_tls;
use super::story::{Outcome, Refusal, State};
use super::wire::{be16, head};
use crate::base::Side;

/// The packet types that carry PRELOGIN and TLS: PRELOGIN itself, and the server's tabular result.
const PRELOGIN: u8 = 0x12;
const RESULT: u8 = 0x04;
/// Bytes of a packet's header.
const HEADER: usize = 8;
/// As much of a PRELOGIN as is looked at.
const WHOLE: usize = 512;

/// The ENCRYPTION option's values.
const ENCRYPT_OFF: u8 = 0;
const ENCRYPT_NOT_SUPPORTED: u8 = 2;

/// A client and a server.
#[derive(Default)]
pub(super) struct Tds {
    /// What the client wants.
    wanted: Option<u8>,
}

impl Tds {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        let first = turn.bytes.first().copied().unwrap_or_default();
        if (0x14..=0x17).contains(&first) && turn.talk.state != State::Spoken {
            return match starts_tls(turn.bytes) {
                None => Take::More,
                Some(true) => Take::Tls,
                Some(false) => Take::Over,
            };
        }
        if !(first == PRELOGIN || first == RESULT && turn.side == Side::Server) {
            return Take::Over;
        }
        self.packet(turn).unwrap_or(Take::More)
    }

    fn packet(&mut self, turn: Turn) -> Option<Take> {
        let len = usize::from(be16(turn.bytes, 2)?);
        let payload = *turn.bytes.get(HEADER)?;
        if len <= HEADER {
            return Some(Take::Over);
        }
        // A PRELOGIN begins with an option's number (0 to 8) or its end mark, a record with its type; what a record left over, with anything.
        let wraps = turn.talk.state == State::Accepted || (turn.talk.state == State::Asked && (0x14..=0x17).contains(&payload));
        if wraps {
            return Some(Take::Wrapped { header: HEADER, len: len - HEADER });
        }
        let options = turn.bytes.get(HEADER..len.min(WHOLE))?;
        let encryption = encryption(options);
        let talk = turn.talk;
        match turn.side {
            Side::Client => {
                self.wanted = encryption;
                if encryption != Some(ENCRYPT_NOT_SUPPORTED) {
                    talk.ask(turn.at);
                }
            }
            Side::Server => {
                let refused = encryption.is_none_or(|e| e == ENCRYPT_NOT_SUPPORTED);
                talk.offered = Some(!refused);
                talk.login_only = self.wanted == Some(ENCRYPT_OFF) && encryption == Some(ENCRYPT_OFF);
                if talk.state == State::Asked {
                    let outcome = if refused { Outcome::Refused(Refusal::NoTls) } else { Outcome::Accepted };
                    talk.answer(turn.at, encryption.map(u32::from), name(encryption), outcome);
                }
            }
        }
        Some(Take::Took(len))
    }
}

/// The ENCRYPTION option of a PRELOGIN, without the bit that speaks of client certificates.
fn encryption(options: &[u8]) -> Option<u8> {
    let token = options.chunks_exact(5).take_while(|option| option.first() != Some(&0xff)).find(|option| option.first() == Some(&1))?;
    options.get(usize::from(be16(token, 1)?)).map(|value| value & 0x7f)
}

fn name(encryption: Option<u8>) -> &'static [u8] {
    match encryption {
        Some(0) => b"encryption of the login only",
        Some(1) => b"encryption on",
        Some(2) => b"encryption not supported",
        Some(3) => b"encryption required",
        Some(_) => b"unassigned encryption value",
        None => head(b"no encryption option", 32),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{C, S, SH, hear};
    use super::*;

    // python-tds and FreeTDS against a server of MS-TDS's PRELOGIN
    pub(crate) const ASK: &[u8] =
        b"\x12\x01\x00:\x00\x00\x00\x00\x00\x00\x1a\x00\x06\x01\x00 \x00\x01\x02\x00!\x00\x0c\x03\x00-\x00\x04\x04\x001\x00\x01\xff\
        \x01\x00\x00\x00\x00\x00\x01MSSQLServer\x00\x00\x00\x00\x00\x00";
    const ASK_OFF: &[u8] =
        b"\x12\x01\x00:\x00\x00\x00\x00\x00\x00\x1a\x00\x06\x01\x00 \x00\x01\x02\x00!\x00\x0c\x03\x00-\x00\x04\x04\x001\x00\x01\xff\
        \x09\x00\x00\x00\x00\x00\x00MSSQLServer\x00\x96\x36\x00\x00\x00";
    pub(crate) const ON: &[u8] = b"\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x10\x00\x10G\x00\x00\x01";
    const OFF: &[u8] = b"\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x10\x00\x10G\x00\x00\x00";
    const NONE: &[u8] = b"\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x10\x00\x10G\x00\x00\x02";

    /// `tls` in a TDS packet.
    fn wrap(tls: &[u8]) -> Vec<u8> {
        let len = u16::try_from(tls.len() + 8).unwrap().to_be_bytes();
        [&[0x12, 1, len[0], len[1], 0, 0, 0, 0], tls].concat()
    }

    #[test]
    fn the_handshake_is_unwrapped() {
        // Records need not end where packets do; after the handshake they come bare.
        let hello: &[u8] = b"\x16\x03\x01\x00\x08\x01\x00\x00\x04abcd";
        let flight: &[u8] = b"\x16\x03\x03\x00\x06\x02\x00\x00\x02ab\x16\x03\x03\x00\x05\x0e\x00\x00\x01x";
        let (flight1, flight2) = flight.split_at(18);
        let finished: &[u8] = b"\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x03abc";
        let login: &[u8] = b"\x17\x03\x03\x00\x04wxyz";
        let heard = hear(&[
            (C, ASK),
            (S, ON),
            (C, &wrap(hello)),
            (S, &[wrap(flight1), wrap(flight2)].concat()),
            (C, &wrap(finished)),
            (S, &wrap(finished)),
            (C, login),
            (S, login),
        ]);
        assert_eq!(heard.handed_on[C], [hello, finished, login].concat());
        assert_eq!(heard.handed_on[S], [flight, finished, login].concat());
        assert_eq!(heard.starts(), (Some(ASK.len() + 21 + 22), Some(ON.len() + 26 + 11 + 22)));
        let talk = heard.talk();
        assert_eq!((talk.protocol.name(), talk.state, talk.login_only), ("tds", State::Accepted, false));
        assert_eq!(heard.answers(), [(Some(1), "encryption on")]);
        assert!(heard.done);
    }

    #[test]
    fn tls_for_the_login_only_is_said_so() {
        let heard = hear(&[(C, ASK_OFF), (S, OFF)]);
        assert!(heard.talk().login_only);
        assert_eq!(heard.talk().state, State::Accepted);
        assert!(!hear(&[(C, ASK), (S, OFF)]).talk().login_only);
    }

    #[test]
    fn a_server_without_encryption_refuses() {
        let heard = hear(&[(C, ASK), (S, NONE)]);
        assert_eq!(heard.talk().state, State::Refused { why: Refusal::NoTls, code: Some(2) });
        assert_eq!(heard.talk().offered, Some(false));
        let login = hear(&[(C, ASK_OFF), (S, NONE), (C, b"\x10\x01\x00\xbf\x00\x00\x00\x00\xb7\x00\x00\x00")]);
        assert!(login.not_tls[C] && login.story.first_line(C).is_none());
    }

    #[test]
    fn near_misses() {
        assert!(hear(&[(C, b"\x12\x01\x00\x3a\x00\x00\x00\x00\x07\x00")]).story.talks.is_empty());
        assert!(hear(&[(C, b"\x12\x07\x00\x3a\x00\x00\x00\x00\x00\x00")]).story.talks.is_empty());
        // Bare TLS is believed only once it was asked for.
        assert_eq!(hear(&[(S, SH)]).starts().1, Some(0));
    }
}
