//! XMPP's STARTTLS (RFC 6120 section 5), read tag by tag.

use super::dialog::{Take, Turn};
use super::story::{Outcome, Refusal, State};
use super::wire::begins;
use crate::base::Side;

/// Tags of one side after which nobody waits for TLS any more.
const TAGS: u16 = 256;

/// Two sides of a stream of XML.
#[derive(Default)]
pub(super) struct Xmpp {
    tags: u16,
}

impl Xmpp {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        let Some(end) = turn.bytes.iter().position(|b| *b == b'>') else { return Take::More };
        // What stands before the tag is text or white space.
        let whole = turn.bytes.get(..=end).unwrap_or_default();
        let tag = whole.iter().rposition(|b| *b == b'<').and_then(|start| whole.get(start..)).unwrap_or_default();
        self.tags += 1;
        let is = |name: &[u8]| begins(tag, name);
        let (at, talk) = (turn.at, turn.talk);
        match turn.side {
            Side::Client => {
                if is(b"<starttls") {
                    talk.ask(at);
                } else if is(b"<auth") || is(b"<iq") || is(b"<message") || is(b"<presence") || is(b"<db:") {
                    return Take::Over;
                }
            }
            Side::Server => {
                if is(b"<starttls") {
                    talk.offered = Some(true);
                } else if is(b"</stream:features") && talk.offered.is_none() {
                    talk.offered = Some(false);
                } else if is(b"<proceed") {
                    talk.answer(at, None, tag, Outcome::Accepted);
                } else if is(b"<failure") && talk.state == State::Asked {
                    talk.answer(at, None, tag, Outcome::Refused(Refusal::NoTls));
                } else if is(b"<failure") || is(b"<stream:error") {
                    talk.reply(at, None, tag);
                }
            }
        }
        if self.tags > TAGS { Take::Over } else { Take::Took(end + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{C, CH, S, SH, hear};
    use super::*;

    // openssl s_client -starttls xmpp against Prosody
    const OPEN: &[u8] =
        b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' to='lab.test' version='1.0'>";
    const FEATURES: &[u8] = b"<?xml version='1.0'?><stream:stream version='1.0' id='982ef191'><stream:features>\
        <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
    const ASK: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

    #[test]
    fn proceeds_to_tls() {
        let proceed: &[u8] = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        let heard = hear(&[(C, OPEN), (S, FEATURES), (C, ASK), (S, proceed), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(OPEN.len() + ASK.len()), Some(FEATURES.len() + proceed.len())));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("xmpp-starttls", State::Accepted));
        assert_eq!(heard.talk().offered, Some(true));
    }

    #[test]
    fn fails_or_goes_without() {
        let heard = hear(&[(C, OPEN), (S, FEATURES), (C, ASK), (S, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")]);
        assert_eq!(heard.talk().state, State::Refused { why: Refusal::NoTls, code: None });
        let features: &[u8] = b"<?xml version='1.0'?><stream:stream version='1.0'><stream:features><mechanisms/></stream:features>";
        let plain = hear(&[(C, OPEN), (S, features), (C, b"<auth mechanism='PLAIN'>AGJvYg==</auth>")]);
        assert_eq!((plain.talk().state, plain.talk().offered), (State::Spoken, Some(false)));
        assert!(plain.not_tls[C]);
    }
}
