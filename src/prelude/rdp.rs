//! RDP's security negotiation inside the X.224 connection request and confirm (MS-RDPBCGR sections 2.2.1.1 and 2.2.1.2).

use super::dialog::{Take, Turn};
use super::story::{Outcome, Refusal};
use super::wire::{be16, le32};
use crate::base::Side;

/// The longest connection request or confirm believed.
const WHOLE: usize = 512;
/// Where the X.224 header ends and a cookie or a negotiation structure may begin.
const BODY: usize = 11;

/// A client and a server; both messages are whole in themselves.
pub(super) struct Rdp;

impl Rdp {
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        let Some(len) = be16(turn.bytes, 2).map(usize::from) else { return Take::More };
        if turn.bytes.first() != Some(&3) || !(BODY..=WHOLE).contains(&len) {
            return Take::Over;
        }
        // Anything but a request or its confirmation is data: standard RDP security has begun.
        let Some(kind) = turn.bytes.get(5) else { return Take::More };
        if !matches!((turn.side, kind), (Side::Client, 0xe0) | (Side::Server, 0xd0)) {
            return Take::Over;
        }
        let Some(packet) = turn.bytes.get(..len) else { return Take::More };
        let negotiation = negotiation(packet);
        let talk = turn.talk;
        if turn.side == Side::Client {
            if matches!(negotiation, Some((1, protocols)) if protocols != 0) {
                talk.ask(turn.at);
            }
            return Take::Took(len);
        }
        let (code, text, outcome) = match negotiation {
            Some((2, 0)) => (Some(0), "standard RDP security selected", Outcome::Refused(Refusal::NoTls)),
            Some((2, protocol)) => (Some(protocol), selected(protocol), Outcome::Accepted),
            Some((3, code)) => (Some(code), failure(code), Outcome::Refused(Refusal::NoTls)),
            _ => (None, "no negotiation", Outcome::Refused(Refusal::NoTls)),
        };
        if talk.asked == 0 {
            talk.reply(turn.at, code, text.as_bytes());
        } else {
            talk.answer(turn.at, code, text.as_bytes(), outcome);
        }
        Take::Took(len)
    }
}

/// Type and value of the negotiation structure: behind the cookie line, where there is one.
fn negotiation(packet: &[u8]) -> Option<(u8, u32)> {
    let body = packet.get(BODY..)?;
    let structure = match body.windows(2).position(|w| w == b"\r\n") {
        Some(end) if !matches!(body.first(), Some(1..=3)) => body.get(end + 2..)?,
        _ => body,
    };
    let kind = *structure.first()?;
    Some((kind, le32(structure, 4)?))
}

fn selected(protocol: u32) -> &'static str {
    match protocol {
        1 => "TLS selected",
        2 => "CredSSP over TLS selected",
        4 => "RDSTLS selected",
        8 => "CredSSP over TLS with early user authorization selected",
        16 => "Entra ID authentication over TLS selected",
        _ => "unassigned protocol selected",
    }
}

fn failure(code: u32) -> &'static str {
    match code {
        1 => "SSL_REQUIRED_BY_SERVER",
        2 => "SSL_NOT_ALLOWED_BY_SERVER",
        3 => "SSL_CERT_NOT_ON_SERVER",
        4 => "INCONSISTENT_FLAGS",
        5 => "HYBRID_REQUIRED_BY_SERVER",
        6 => "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
        _ => "unassigned failure code",
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::tests::{C, CH, S, SH, hear};
    use super::*;

    // xfreerdp against xrdp
    const ASK: &[u8] = b"\x03\x00\x00)$\xe0\x00\x00\x00\x00\x00Cookie: mstshash=bob\r\n\x01\x00\x08\x00\x03\x00\x00\x00";
    const TLS: &[u8] = b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x124\x00\x02\x01\x08\x00\x01\x00\x00\x00";
    const RDP: &[u8] = b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x124\x00\x02\x01\x08\x00\x00\x00\x00\x00";
    const MCS: &[u8] = b"\x03\x00\x01\xd3\x02\xf0\x80\x7fe\x82\x01\xc7";

    #[test]
    fn tls_selected() {
        let heard = hear(&[(C, ASK), (S, TLS), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(ASK.len()), Some(TLS.len())));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("rdp", State::Accepted));
        assert_eq!(heard.answers(), [(Some(1), "TLS selected")]);
    }

    #[test]
    fn standard_security_or_a_failure_is_a_refusal() {
        let heard = hear(&[(C, ASK), (S, RDP), (C, MCS)]);
        assert_eq!(heard.talk().state, State::Refused { why: Refusal::NoTls, code: Some(0) });
        assert!(heard.not_tls[C] && heard.done);
        let failed = hear(&[(C, ASK), (S, b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x124\x00\x03\x00\x08\x00\x05\x00\x00\x00")]);
        assert_eq!(failed.answers(), [(Some(5), "HYBRID_REQUIRED_BY_SERVER")]);
        let old = hear(&[(C, ASK), (S, b"\x03\x00\x00\x0b\x06\xd0\x00\x00\x124\x00")]);
        assert_eq!(old.answers(), [(None, "no negotiation")]);
    }

    #[test]
    fn a_client_that_asks_for_nothing() {
        let heard = hear(&[
            (C, b"\x03\x00\x00!\x1c\xe0\x00\x00\x00\x00\x00Cookie: mstshash=bob\r\n"),
            (S, b"\x03\x00\x00\x0b\x06\xd0\x00\x00\x124\x00"),
            (C, MCS),
        ]);
        assert_eq!((heard.talk().state, heard.talk().asked), (State::Spoken, 0));
        assert!(heard.not_tls[C]);
        assert!(hear(&[(C, b"\x03\x00\x00\x13\x0e\xd0\x00\x00")]).story.talks.is_empty(), "a confirm is no request");
    }
}
