//! MySQL and MariaDB: the server's greeting, then the client's SSLRequest (or its login in the clear).

use super::dialog::{Take, Turn};
use super::story::{Outcome, Refusal, Talk};
use super::wire::{le16, le32};
use crate::base::{At, Side};

/// CLIENT_SSL among the capabilities.
const CLIENT_SSL: u16 = 0x0800;
/// As much of a greeting or an error as is looked at.
const WHOLE: usize = 512;

/// A client and a server.
#[derive(Default)]
pub(super) struct Mysql {
    greeted: bool,
    asked: bool,
}

impl Mysql {
    /// The length of a server's packet may look like a record's header; a login that long there is not.
    pub(super) fn is_between(&self, side: Side) -> bool {
        side == Side::Client || self.asked
    }

    pub(super) fn take(&mut self, turn: Turn) -> Take {
        // The server has no word for yes: both go on with TLS at once. What comes here instead is a no.
        if self.asked {
            return if turn.side == Side::Server { refusal(turn).unwrap_or(Take::More) } else { Take::Over };
        }
        let take = match turn.side {
            Side::Server => self.greeting(turn.bytes, turn.at, turn.talk),
            Side::Client => self.login(turn.bytes, turn.at, turn.talk),
        };
        take.unwrap_or(Take::More)
    }

    fn greeting(&mut self, bytes: &[u8], at: At, talk: &mut Talk) -> Option<Take> {
        let len = 4 + usize::try_from(le32(bytes, 0)? & 0x00ff_ffff).unwrap_or(usize::MAX);
        let whole = bytes.get(..len.min(WHOLE))?;
        if let Some((code, text)) = error(whole) {
            talk.reply(at, Some(code), text);
            return Some(Take::Over);
        }
        if self.greeted {
            return Some(Take::Over);
        }
        self.greeted = true;
        // Version text, connection id, 8 bytes of challenge, a filler, then the capabilities' lower half.
        let version = whole.get(5..).and_then(|text| text.iter().position(|b| *b == 0));
        talk.offered = version.and_then(|end| le16(whole, 5 + end + 1 + 13)).map(|flags| flags & CLIENT_SSL != 0);
        Some(Take::Took(len))
    }

    fn login(&mut self, bytes: &[u8], at: At, talk: &mut Talk) -> Option<Take> {
        let len = usize::try_from(le32(bytes, 0)? & 0x00ff_ffff).unwrap_or(usize::MAX);
        let flags = le16(bytes, 4)?;
        // An SSLRequest is a login cut off before the user name (or, before 4.1, before anything).
        if flags & CLIENT_SSL == 0 || !matches!(len, 5 | 32) {
            return Some(Take::Over);
        }
        bytes.get(3 + len)?;
        talk.ask(at);
        self.asked = true;
        Some(Take::Took(4 + len))
    }
}

/// What the server says in the clear to an SSLRequest: an error.
fn refusal(turn: Turn) -> Option<Take> {
    let len = 4 + usize::try_from(le32(turn.bytes, 0)? & 0x00ff_ffff).unwrap_or(usize::MAX);
    if let Some((code, text)) = error(turn.bytes.get(..len.min(WHOLE))?) {
        turn.talk.answer(turn.at, Some(code), text, Outcome::Refused(Refusal::Other));
    }
    Some(Take::Over)
}

/// Code and text of an error packet; the SQL state before the text is left out.
fn error(packet: &[u8]) -> Option<(u32, &[u8])> {
    if packet.get(4) != Some(&0xff) {
        return None;
    }
    let text = packet.get(7..)?;
    let text = text.strip_prefix(b"#").and_then(|rest| rest.get(5..)).unwrap_or(text);
    le16(packet, 5).map(|code| (u32::from(code), text))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{C, CH, S, SH, hear};
    use super::super::{PlainProtocol, State};

    // mariadb 10.11, client and server
    pub(crate) const GREETING: &[u8] =
        b"d\x00\x00\x00\n5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x03\x00\x00\x00B\"~{l-8s\x00\xfe\xff\x08\x02\x00\
        \xff\x81\x15\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00ZI@Cm!Uj5h-C\x00mysql_native_password\x00";
    pub(crate) const SSL_REQUEST: &[u8] =
        b" \x00\x00\x01\x84\xaa\xbf\x00\x00\x00\x10\x00!\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
        \x00\x00\x00\x00\x00\x1d\x00\x00\x00";

    #[test]
    fn an_ssl_request_is_followed_by_tls() {
        let heard = hear(&[(S, GREETING), (C, SSL_REQUEST), (C, CH), (S, SH)]);
        assert_eq!(heard.starts(), (Some(36), Some(104)));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("mysql", State::Accepted));
        assert_eq!((heard.talk().offered, heard.story.client), (Some(true), Some(C)));
        assert_eq!(hear(&[(S, GREETING), (C, SSL_REQUEST), (C, CH)]).talk().state, State::Asked);
    }

    #[test]
    fn a_login_in_the_clear_asks_for_nothing() {
        // The server does not offer it, so the client logs in at once.
        let greeting = GREETING.iter().enumerate().map(|(i, b)| if i == 52 { b & !8 } else { *b }).collect::<Vec<_>>();
        assert_eq!(GREETING[52], 0xff);
        let login: &[u8] = b"\xb9\x00\x00\x01\x84\xa2\xbf\x00\x00\x00\x10\x00!\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        let heard = hear(&[(S, &greeting), (C, login)]);
        assert_eq!((heard.talk().state, heard.talk().offered), (State::Spoken, Some(false)));
        assert!(heard.not_tls[C]);
    }

    #[test]
    fn errors_are_told() {
        let blocked: &[u8] = b"\x26\x00\x00\x00\xff\x6a\x04Host '192.0.2.1' is not allowed here";
        let heard = hear(&[(S, blocked)]);
        assert_eq!(heard.talk().last_reply.as_ref().unwrap().code, Some(1130));
        assert_eq!(heard.story.first_line(S).as_deref(), Some("Host '192.0.2.1' is not allowed here"));
        let refused = hear(&[(S, GREETING), (C, SSL_REQUEST), (S, b"\x13\x00\x00\x02\xff\x15\x04#08S01No TLS for you")]);
        assert_eq!(refused.answers(), [(Some(1045), "No TLS for")], "as long as the packet says");
    }

    #[test]
    fn a_tls_client_at_a_mysql_server() {
        // 16 03 01 01 .. could be the header of a login: of 66 326 bytes.
        let hello = b"\x16\x03\x01\x01\x24\x01\x00\x01\x20\x03\x03";
        let heard = hear(&[(S, GREETING), (C, hello), (S, b"\x10\x00\x00\x02\xff\x13\x04Bad handshake")]);
        assert_eq!(heard.starts(), (Some(0), None));
        assert_eq!((heard.talk().state, heard.not_tls[S]), (State::Spoken, true));
        assert_eq!(heard.story.plain(S), Some(PlainProtocol::Mysql));
        assert_eq!(heard.story.first_line(S).as_deref(), Some("5.5.5-10.11.19-MariaDB-0+deb12u1"));
    }
}
