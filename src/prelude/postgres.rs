//! PostgreSQL's SSLRequest and GSSENCRequest ("Message Flow" in its manual): eight bytes, and one letter in answer.

use super::dialog::{Take, Turn};
use super::story::{Outcome, Refusal, Talk};
use super::wire::{be16, be32, head};
use crate::base::{At, Side};

/// SSLRequest's number, 1234.5679.
const SSL_REQUEST: u32 = (1234 << 16) | 5679;
/// GSSENCRequest's number, 1234.5680.
const GSSENC_REQUEST: u32 = (1234 << 16) | 5680;
/// As much of an error as is looked at.
const ERROR: usize = 512;

/// A client and a server before the startup message.
#[derive(Default)]
pub(super) struct Postgres {
    /// The latest request was for GSSAPI encryption.
    wants_gss: bool,
}

impl Postgres {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        match turn.side {
            Side::Client => {
                let Some(number) = be32(turn.bytes, 4) else { return Take::More };
                match number {
                    SSL_REQUEST => turn.talk.ask(turn.at),
                    GSSENC_REQUEST => {}
                    // A startup message: it goes on in the clear.
                    _ => return Take::Over,
                }
                self.wants_gss = number == GSSENC_REQUEST;
                Take::Took(8)
            }
            Side::Server => match turn.bytes.first() {
                Some(b'S') if !self.wants_gss => {
                    turn.talk.answer(turn.at, None, b"S", Outcome::Accepted);
                    Take::Took(1)
                }
                Some(b'N') if self.wants_gss => Take::Took(1),
                Some(b'N') => {
                    turn.talk.answer(turn.at, None, b"N", Outcome::Refused(Refusal::NoTls));
                    Take::Took(1)
                }
                Some(b'E') => error(turn.bytes, turn.at, turn.talk),
                // GSSAPI encryption, or nothing known.
                _ => Take::Over,
            },
        }
    }
}

/// An ErrorResponse, or the bare text of servers older than protocol 3 (and of a failed fork).
fn error(bytes: &[u8], at: At, talk: &mut Talk) -> Take {
    let Some(len) = be16(bytes, 1) else { return Take::More };
    let refused = Outcome::Refused(Refusal::Other);
    if len != 0 {
        let seen = head(bytes, ERROR);
        let Some(end) = seen.iter().position(|b| *b == 0).or((seen.len() >= ERROR).then_some(ERROR)) else { return Take::More };
        talk.answer(at, None, head(seen, end), refused);
        return Take::Over;
    }
    let Some(len) = be32(bytes, 1) else { return Take::More };
    let whole = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(1).min(ERROR);
    let Some(fields) = bytes.get(5..whole.max(5)) else { return Take::More };
    let mut text = Vec::new();
    for kind in [b'S', b'C', b'M'] {
        let field = fields.split(|b| *b == 0).find(|field| field.first() == Some(&kind)).and_then(|field| field.get(1..));
        if let Some(field) = field {
            if !text.is_empty() {
                text.push(b' ');
            }
            text.extend_from_slice(field);
        }
    }
    talk.answer(at, None, &text, refused);
    Take::Over
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::tests::{C, CH, S, SH, hear};
    use super::*;

    // psql against PostgreSQL 15
    const SSL: &[u8] = b"\x00\x00\x00\x08\x04\xd2\x16/";
    const GSS: &[u8] = b"\x00\x00\x00\x08\x04\xd2\x160";
    const STARTUP: &[u8] = b"\x00\x00\x00)\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00";

    #[test]
    fn yes_is_followed_by_tls() {
        let heard = hear(&[(C, SSL), (S, b"S"), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(8), Some(1)));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("postgresql", State::Accepted));
    }

    #[test]
    fn no_is_a_refusal_whether_or_not_the_client_goes_on() {
        let refused = State::Refused { why: Refusal::NoTls, code: None };
        let left = hear(&[(C, SSL), (S, b"N")]);
        assert_eq!((left.talk().state, left.not_tls[C]), (refused, false));
        let stayed = hear(&[(C, SSL), (S, b"N"), (C, STARTUP), (S, b"R\x00\x00\x00\x08\x00\x00\x00\x00")]);
        assert_eq!(stayed.talk().state, refused);
        assert!(stayed.not_tls[C] && stayed.not_tls[S]);
        assert!(stayed.talk().in_clear && !left.talk().in_clear);
    }

    #[test]
    fn gssapi_refused_is_not_tls_refused() {
        let heard = hear(&[(C, GSS), (S, b"N"), (C, SSL), (S, b"S"), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(16), Some(2)));
        assert_eq!(heard.answers(), [(None, "S")]);
        assert_eq!(hear(&[(C, GSS), (S, b"N")]).talk().state, State::Spoken);
        assert!(hear(&[(C, GSS), (S, b"G")]).not_tls[S]);
    }

    #[test]
    fn errors_are_told() {
        let new = b"E\x00\x00\x00\x42SFATAL\x00VFATAL\x00C53300\x00Msorry, too many clients already\x00Fproc.c\x00L\x00\x00\x00";
        let heard = hear(&[(C, SSL), (S, new)]);
        assert_eq!(heard.answers(), [(None, "FATAL 53300 sorry, too many clients already")]);
        assert_eq!(heard.talk().state, State::Refused { why: Refusal::Other, code: None });
        let old = hear(&[(C, SSL), (S, b"Ecould not fork new process for connection\n\x00")]);
        assert_eq!(old.answers(), [(None, "Ecould not fork new process for connection\n")]);
    }

    #[test]
    fn a_startup_message_asks_for_nothing() {
        let heard = hear(&[(C, STARTUP)]);
        assert_eq!((heard.talk().state, heard.not_tls[C]), (State::Spoken, true));
        assert_eq!(heard.story.first_line(C), None);
        assert!(hear(&[(C, b"\x00\x00\x00\x08\x04\xd3\x16/")]).story.talks.is_empty());
    }
}
