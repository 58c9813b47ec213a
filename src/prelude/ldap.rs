//! LDAP's StartTLS (RFC 4511 section 4.14): an extended request among others, and its answer.

use super::dialog::{Take, Turn};
use super::story::{Outcome, Refusal, State};
use super::wire::{head, lossy};
use crate::base::Side;

/// Messages of the client after which nobody waits for its StartTLS any more. Some bind without a name or read the server's root first.
const MESSAGES: u16 = 32;
/// The longest extended request or response that is looked at whole.
const WHOLE: usize = 1024;
/// The name of the StartTLS operation.
const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

const UNBIND: u8 = 0x42;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;

/// A client and a server.
#[derive(Default)]
pub(super) struct Ldap {
    messages: u16,
    /// The message that asked: at most four bytes of its number.
    asked: Option<Vec<u8>>,
}

impl Ldap {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        // Anything but a sequence is no LDAP (or no longer).
        if turn.bytes.first() != Some(&0x30) {
            return Take::Over;
        }
        let Some(message) = Message::read(head(turn.bytes, WHOLE)) else { return Take::More };
        let extended = matches!(message.operation, EXTENDED_REQUEST | EXTENDED_RESPONSE);
        if extended && turn.bytes.len() < message.len.min(WHOLE) {
            return Take::More;
        }
        match (turn.side, message.operation) {
            (Side::Client, operation) => {
                self.messages += 1;
                let refused = matches!(turn.talk.state, State::Refused { .. });
                if self.messages > MESSAGES || refused && !matches!(operation, EXTENDED_REQUEST | UNBIND) {
                    return Take::Over;
                }
                if operation == EXTENDED_REQUEST && message.body.windows(STARTTLS.len()).any(|w| w == STARTTLS) {
                    turn.talk.ask(turn.at);
                    self.asked = Some(message.id.to_vec());
                }
            }
            (Side::Server, EXTENDED_RESPONSE) => {
                if let Some((code, text)) = result(message.body) {
                    let code_text = if text.is_empty() { format!("result {code}") } else { format!("result {code}: {text}") };
                    if self.asked.as_deref() == Some(message.id) {
                        self.asked = None;
                        let outcome = if code == 0 { Outcome::Accepted } else { Outcome::Refused(Refusal::NoTls) };
                        turn.talk.answer(turn.at, Some(code), code_text.as_bytes(), outcome);
                    } else {
                        turn.talk.reply(turn.at, Some(code), code_text.as_bytes());
                    }
                }
            }
            (Side::Server, _) => {}
        }
        Take::Took(message.len)
    }
}

/// The outside of an LDAP message (RFC 4511 section 4.1.1).
struct Message<'a> {
    /// Its whole length.
    len: usize,
    id: &'a [u8],
    operation: u8,
    /// What is there of the operation's content.
    body: &'a [u8],
}

impl Message<'_> {
    fn read(bytes: &[u8]) -> Option<Message<'_>> {
        let (len, inside) = element(bytes)?;
        let (id_len, id) = element(inside)?;
        let operation = inside.get(id_len..)?;
        // The operation's length may end before the bytes that show it do: only its tag is needed.
        let body = element(operation).map_or(&[][..], |(_, body)| body);
        Some(Message { len, id: head(id, 4), operation: *operation.first()?, body })
    }
}

/// The whole length of the BER element that begins `bytes`, and what is there of its content.
fn element(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let first = *bytes.get(1)?;
    let long = if first < 0x80 { 0 } else { usize::from(first & 0x7f).min(4) };
    let mut len = usize::from(first);
    if first >= 0x80 {
        len = bytes.get(2..2 + long)?.iter().fold(0, |len, b| (len << 8) | usize::from(*b));
    }
    let content = bytes.get(2 + long..)?;
    Some((len.saturating_add(2 + long), head(content, len)))
}

/// The result code and the diagnostic message of a response (RFC 4511 section 4.1.9).
fn result(body: &[u8]) -> Option<(u32, String)> {
    let (len, code) = element(body)?;
    let code = code.iter().take(4).fold(0, |code, b| (code << 8) | u32::from(*b));
    let (matched, _) = element(body.get(len..)?)?;
    let (_, text) = element(body.get(len + matched..)?)?;
    Some((code, lossy(text, 100)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{C, CH, S, SH, hear, play};
    use super::*;

    // ldapsearch -ZZ against slapd
    const ASK: &[u8] = b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037";
    const YES: &[u8] = b"0\x0c\x02\x01\x01x\x07\n\x01\x00\x04\x00\x04\x00";

    #[test]
    fn starttls_granted_and_refused() {
        let heard = hear(&[(C, ASK), (S, YES), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(ASK.len()), Some(YES.len())));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("ldap-starttls", State::Accepted));

        let no: &[u8] = b"0*\x02\x01\x01x%\n\x01\x02\x04\x00\x04\x1eunsupported extended operation";
        let heard = hear(&[(C, ASK), (S, no), (C, b"0\x0c\x02\x01\x02`\x07\x02\x01\x03\x04\x00\x80\x00")]);
        assert_eq!(heard.talk().state, State::Refused { why: Refusal::NoTls, code: Some(2) });
        assert_eq!(heard.answers(), [(Some(2), "result 2: unsupported extended operation")]);
        assert!(heard.talk().in_clear && heard.not_tls[C]);
        let left = hear(&[(C, ASK), (S, no), (C, b"0\x05\x02\x01\x04B\x00")]);
        assert!(!left.talk().in_clear && !left.not_tls[C]);
    }

    #[test]
    fn asked_after_an_anonymous_bind() {
        // As Java's JNDI does; lengths in Active Directory's long form.
        let bind: &[u8] = b"0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\x00\x80\x00";
        let bound: &[u8] = b"0\x84\x00\x00\x00\x10\x02\x01\x01a\x84\x00\x00\x00\x07\n\x01\x00\x04\x00\x04\x00";
        let ask: &[u8] = b"0\x1d\x02\x01\x02w\x18\x80\x161.3.6.1.4.1.1466.20037";
        let yes: &[u8] = b"0\x84\x00\x00\x00\x28\x02\x01\x02x\x84\x00\x00\x00\x1f\n\x01\x00\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20037";
        let heard = hear(&[(C, bind), (S, bound), (C, ask), (S, yes), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(bind.len() + ask.len()), Some(bound.len() + yes.len())));
        assert_eq!(heard.answers(), [(Some(0), "result 0")]);
    }

    #[test]
    fn another_messages_answer_is_no_answer() {
        let heard = hear(&[(C, ASK), (S, b"0\x0c\x02\x01\x07x\x07\n\x01\x00\x04\x00\x04\x00")]);
        assert_eq!(heard.talk().state, State::Asked);
        let whoami = hear(&[(C, b"0\x1e\x02\x01\x01w\x19\x80\x171.3.6.1.4.1.4203.1.11.3")]);
        assert_eq!(whoami.talk().state, State::Spoken);
    }

    #[test]
    fn plain_work_ends_it_in_time() {
        let search: &[u8] =
            b"0+\x02\x01\x02c&\x04\x06dc=lab\n\x01\x02\n\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectclass0\x00";
        let few = hear(&[(C, search), (C, search)]);
        assert!(!few.not_tls[C]);
        let many = play(&[(C, search); 40]);
        assert!(many.not_tls[C]);
        assert_eq!(many.talk().state, State::Spoken);
    }
}
