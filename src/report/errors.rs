//! From an application's error message to what can have been on the wire, and from a session to what its applications logged.

mod elsewhere;
mod messages;
mod services;
mod wires;

use crate::base::Side;
use crate::diagnose::Verdict;
use crate::session::{ActKind, ClosedBy, Ending, Phase, RstKind, Session};
use crate::tls::AlertDescription;

pub use wires::Meaning;

/// What can have happened on the wire when an application failed. [`Wire::meaning`] says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each one's words are in `wires`, next to its causes")]
pub enum Wire {
    Refused,
    NoRoute,
    SynUnanswered,
    FinInHandshake,
    RstInHandshake,
    SilentInHandshake,
    NotTls,
    FinBeforeAnswer,
    NotifiedBeforeAnswer,
    RstAfterHandshake,
    FinInBody,
    FinAtEnd,
    WroteAfterClose,
    Stalled,
    BadServerCertificate,
    ClientCertificateMissing,
    ClientCertificateBad,
    ProxyAuthentication,
    ProxyRefused,
    ProxyUpstream,
    BadRecord,
    ClientNotTls,
    ClientLeftInHandshake,
    ClientLeft,
    NoCommonVersion,
    NoCommonCipher,
    UnknownName,
    NoCommonProtocol,
    StarttlsRefused,
    Intercepted,
    PeerFatal,
}

/// A message as a program logs it.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Whose log it stands in, as a rule.
    pub by: Side,
    /// The program or library.
    pub stack: &'static str,
    /// Its words; `…` for a part that varies.
    pub text: &'static str,
    /// What can have been on the wire, likeliest first.
    pub wires: &'static [Wire],
    /// What else to know of it; may be empty.
    pub note: &'static str,
}

/// What a text can mean.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The known messages it is, or is a part of, best first.
    pub messages: Vec<&'static Message>,
    /// The alert it names.
    pub alert: Option<AlertDescription>,
    /// What can have been on the wire, likeliest first, each once.
    pub wires: Vec<Wire>,
}

/// How many known messages an answer names.
const MESSAGES: usize = 6;

/// Shortest text that is looked for inside known messages, in characters.
const SHORTEST: usize = 5;

/// Every message known, the measured ones first.
fn all() -> impl Iterator<Item = &'static Message> {
    messages::ALL.iter().chain(services::ALL).chain(elsewhere::ALL)
}

/// What `text`, a line or a whole stack trace, can mean. An empty answer: it is not known.
pub fn explain(text: &str) -> Answer {
    let text = plain(text);
    let mut found: Vec<(usize, &'static Message)> =
        all().filter_map(|message| Some((fits(&plain(message.text), &text)?, message))).collect();
    if found.is_empty() && text.chars().count() >= SHORTEST {
        found = all().filter(|message| plain(message.text).contains(&text)).map(|message| (text.len(), message)).collect();
    }
    // A message that another one contains says less than that one.
    let texts: Vec<String> = found.iter().map(|(_, message)| plain(message.text)).collect();
    found.retain(|(_, message)| {
        let own = plain(message.text);
        !texts.iter().any(|other| *other != own && fits(&own, other).is_some())
    });
    found.sort_by_key(|&(length, _)| std::cmp::Reverse(length));
    let alert = alert_in(&text);
    let mut wires: Vec<Wire> = Vec::new();
    let alert_wires = alert.map(alert_wires).unwrap_or_default();
    for &wire in alert_wires.iter().chain(found.iter().flat_map(|(_, message)| message.wires)) {
        if !wires.contains(&wire) {
            wires.push(wire);
        }
    }
    Answer { messages: found.into_iter().map(|(_, message)| message).take(MESSAGES).collect(), alert, wires }
}

/// What programs log where a session may have ended by the cause `slug`: what happened on the wire, and the messages that mean it above all.
pub fn of_cause(slug: &str) -> Vec<(&'static str, Vec<&'static Message>)> {
    let mut found: Vec<(Wire, Vec<&'static Message>)> = Vec::new();
    for message in all() {
        let concerns = |wire: &&Wire| wire.meaning().causes.iter().any(|(cause, _)| *cause == slug);
        let Some(wire) = message.wires.first().filter(concerns) else { continue };
        match found.iter_mut().find(|(known, _)| known == wire) {
            Some((_, messages)) => messages.push(message),
            None => found.push((*wire, vec![message])),
        }
    }
    found.into_iter().map(|(wire, messages)| (wire.meaning().what, messages)).collect()
}

/// The known messages most like an unknown `text`, best first: those that share most words with it.
pub fn nearest(text: &str) -> Vec<&'static Message> {
    let words =
        |text: &str| plain(text).split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_owned).collect::<Vec<_>>();
    let length = |words: &[String]| words.iter().map(String::len).sum::<usize>();
    let asked = words(text);
    let mut scored: Vec<(usize, &'static Message)> = Vec::new();
    for message in all() {
        let known = words(message.text);
        let shared = known.iter().filter(|word| asked.iter().any(|asked| alike(asked, word))).map(String::len).sum::<usize>();
        // Half of the shorter of the two must be in the other, and more than one small word.
        let shorter = length(&known).min(length(&asked));
        if shared * 2 >= shorter && shared > 5 {
            scored.push((shared, message));
        }
    }
    scored.sort_by_key(|&(shared, _)| std::cmp::Reverse(shared));
    scored.into_iter().map(|(_, message)| message).take(3).collect()
}

/// Equal, or misspelt by a letter or two.
fn alike(a: &str, b: &str) -> bool {
    a == b || (a.len() > 4 && strsim::damerau_levenshtein(a, b) <= a.len() / 4)
}

/// Lower case, one space between words.
fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the parts of `pattern` between its `…` stand in `text` in order: how many bytes of them.
fn fits(pattern: &str, text: &str) -> Option<usize> {
    let mut rest = text;
    let mut length = 0;
    for part in pattern.split('…').map(str::trim).filter(|part| !part.is_empty()) {
        let (_, after) = rest.split_once(part)?;
        rest = after;
        length += part.len();
    }
    Some(length).filter(|&length| length > 0)
}

/// The alert that a text names: by number (`alert number 40`), or by any spelling of its name in a text about alerts.
fn alert_in(text: &str) -> Option<AlertDescription> {
    if !text.contains("alert") && !text.contains("remote error: tls") {
        return None;
    }
    let number = ["alert number ", "alert [", "alert code ", "alert("].iter().find_map(|lead| {
        let (_, after) = text.split_once(lead)?;
        let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    if let Some(number) = number {
        return Some(AlertDescription(number));
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    let squeezed = letters(text);
    let names = (0..=u8::MAX).map(AlertDescription).filter_map(|alert| Some((letters(alert.name()?), alert)));
    // Go's words for three of them.
    let words = [("unknowncertificateauthority", 48), ("unknowncertificate", 46), ("protocolversionnotsupported", 70)];
    let words = words.into_iter().map(|(name, number)| (name.to_owned(), AlertDescription(number)));
    // The longest name wins: "certificate unknown" is no "unknown certificate authority".
    names.chain(words).filter(|(name, _)| squeezed.contains(name.as_str())).max_by_key(|(name, _)| name.len()).map(|(_, alert)| alert)
}

/// What a received alert can mean (RFC 8446 section 6.2, and what stacks send: their choice of alert is a habit).
fn alert_wires(alert: AlertDescription) -> &'static [Wire] {
    match alert.0 {
        0 => &[Wire::FinInHandshake],
        10 | 22 => &[Wire::NotTls, Wire::ClientNotTls, Wire::PeerFatal],
        20 | 21 | 51 => &[Wire::BadRecord],
        40 | 71 => &[Wire::NoCommonCipher, Wire::NoCommonVersion],
        41..=46 | 48 => &[Wire::BadServerCertificate, Wire::ClientCertificateBad],
        49 => &[Wire::ClientCertificateBad],
        50 => &[Wire::FinInHandshake, Wire::NotTls, Wire::ClientLeftInHandshake, Wire::BadRecord],
        70 | 86 => &[Wire::NoCommonVersion, Wire::NotTls],
        112 => &[Wire::UnknownName],
        116 => &[Wire::ClientCertificateMissing],
        120 => &[Wire::NoCommonProtocol],
        _ => &[Wire::PeerFatal],
    }
}

/// What the applications of a session will have logged: whose log, and stack by stack the words.
pub fn logged(session: &Session, verdict: &Verdict) -> Option<(Side, Vec<&'static Message>)> {
    let (side, wire) = seen_by(session, verdict)?;
    let mut found: Vec<(usize, &'static Message)> = messages::ALL
        .iter()
        .filter(|message| message.by == side && message.stack != "many programs")
        .filter_map(|message| Some((message.wires.iter().position(|&w| w == wire)?, message)))
        .collect();
    // Messages that mean nothing else first; one a stack.
    found.sort_by_key(|&(place, _)| place);
    let mut stacks: Vec<&str> = Vec::new();
    found.retain(|(_, message)| {
        let new = !stacks.contains(&message.stack);
        if new {
            stacks.push(message.stack);
        }
        new
    });
    let messages: Vec<&'static Message> = found.into_iter().map(|(_, message)| message).take(10).collect();
    (!messages.is_empty()).then_some((side, messages))
}

/// Causes that say more than the ending does: who noticed, and what it looked like to them.
const BY_CAUSE: [(&str, Side, Wire); 14] = [
    ("server-not-tls", Side::Client, Wire::NotTls),
    ("client-not-tls", Side::Server, Wire::ClientNotTls),
    ("certificate-expired", Side::Client, Wire::BadServerCertificate),
    ("certificate-untrusted", Side::Client, Wire::BadServerCertificate),
    ("certificate-rejected", Side::Client, Wire::BadServerCertificate),
    ("tls-interception", Side::Client, Wire::BadServerCertificate),
    ("client-certificate-required", Side::Client, Wire::WroteAfterClose),
    ("protocol-version-mismatch", Side::Client, Wire::NoCommonVersion),
    ("cipher-mismatch", Side::Client, Wire::NoCommonCipher),
    ("proxy-authentication-required", Side::Client, Wire::ProxyAuthentication),
    ("proxy-refused-tunnel", Side::Client, Wire::ProxyRefused),
    ("proxy-upstream-failed", Side::Client, Wire::ProxyUpstream),
    ("keepalive-race", Side::Client, Wire::FinBeforeAnswer),
    ("server-truncated-record", Side::Client, Wire::FinInBody),
];

/// Who noticed, and what it looked like to them.
fn seen_by(session: &Session, verdict: &Verdict) -> Option<(Side, Wire)> {
    let client = |wire| Some((Side::Client, wire));
    let server = |wire| Some((Side::Server, wire));
    if let Some((_, side, wire)) = BY_CAUSE.iter().find(|(cause, ..)| *cause == verdict.cause) {
        return Some((*side, *wire));
    }
    let established = session.phase == Phase::Established;
    match (verdict.ending, verdict.closed_by) {
        (Ending::NoConnection, _) => client(match session.closing.root.as_ref().map(|root| &root.what) {
            Some(ActKind::Rst(rst)) if rst.kind == RstKind::Refusal => Wire::Refused,
            Some(ActKind::Icmp { .. }) => Wire::NoRoute,
            _ => Wire::SynUnanswered,
        }),
        (Ending::Stall, _) => client(if established { Wire::Stalled } else { Wire::SilentInHandshake }),
        (Ending::Fin | Ending::Rst, ClosedBy::Client) => server(if established { Wire::ClientLeft } else { Wire::ClientLeftInHandshake }),
        (Ending::Fin, ClosedBy::Server | ClosedBy::Proxy) => client(match session.sides.server.app_records {
            _ if !established => Wire::FinInHandshake,
            0 => Wire::FinBeforeAnswer,
            _ if session.sides.server.cut_record.is_some() => Wire::FinInBody,
            _ => Wire::FinAtEnd,
        }),
        (Ending::Rst, ClosedBy::Server | ClosedBy::Proxy | ClosedBy::Unknown) => {
            client(if established { Wire::RstAfterHandshake } else { Wire::RstInHandshake })
        }
        (Ending::FatalAlert, ClosedBy::Server | ClosedBy::Proxy) => client(Wire::PeerFatal),
        (Ending::FatalAlert, ClosedBy::Client) => server(Wire::PeerFatal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::rules;
    use crate::report::sample;

    #[test]
    fn every_cause_named_is_in_the_registry() {
        for wire in all_wires() {
            let meaning = wire.meaning();
            assert!(!meaning.causes.is_empty() && !meaning.look.is_empty());
            for (slug, why) in meaning.causes {
                assert!(rules::ALL.iter().any(|rule| rule.slug == *slug), "{wire:?}: no cause {slug}");
                assert!(!why.is_empty() && !why.ends_with('.'), "{slug}: {why}");
            }
        }
    }

    #[test]
    fn causes_with_messages_of_their_own_exist_and_have_some() {
        for (cause, side, wire) in BY_CAUSE {
            assert!(rules::find(cause).is_some(), "{cause}");
            assert!(messages::ALL.iter().any(|message| message.by == side && message.wires.contains(&wire)), "{cause}");
        }
    }

    /// All that some message, alert or session leads to.
    fn all_wires() -> Vec<Wire> {
        let mut all: Vec<Wire> = super::all().flat_map(|message| message.wires).copied().collect();
        all.extend((0..=255).flat_map(|number| alert_wires(AlertDescription(number))));
        all
    }

    #[test]
    fn no_message_is_listed_twice_or_leads_nowhere() {
        for (place, message) in all().enumerate() {
            assert!(!message.wires.is_empty(), "{}", message.text);
            let again = all().skip(place + 1).any(|other| other.stack == message.stack && other.text == message.text);
            assert!(!again, "{}: {}", message.stack, message.text);
            assert!(explain(message.text).wires.contains(message.wires.first().unwrap()), "{} does not find itself", message.text);
        }
    }

    fn first(text: &str) -> Wire {
        *explain(text).wires.first().unwrap_or_else(|| panic!("nothing known of {text:?}"))
    }

    #[test]
    fn knows_the_messages_people_arrive_with() {
        for (text, wire) in [
            ("SSL peer shut down incorrectly", Wire::FinInHandshake),
            ("error:0A000126:SSL routines::unexpected eof while reading", Wire::FinInHandshake),
            ("Connection reset by peer", Wire::RstAfterHandshake),
            ("Error: read ECONNRESET", Wire::RstAfterHandshake),
            ("ECONNRESET", Wire::FinInHandshake),
            ("Error: socket hang up", Wire::FinBeforeAnswer),
            ("Remote host terminated the handshake", Wire::FinInHandshake),
            ("javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure", Wire::NoCommonCipher),
            ("sslv3 alert handshake failure:SSL alert number 40", Wire::NoCommonCipher),
            ("remote error: tls: handshake failure", Wire::NoCommonCipher),
            ("received fatal alert: CertificateRequired", Wire::ClientCertificateMissing),
            ("tlsv13 alert certificate required", Wire::ClientCertificateMissing),
            ("wrong version number", Wire::NotTls),
            ("EOF occurred in violation of protocol (_ssl.c:1007)", Wire::FinInHandshake),
            ("OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to api.example.com:443", Wire::FinInHandshake),
            ("PR_END_OF_FILE_ERROR", Wire::FinInHandshake),
            ("org.apache.http.NoHttpResponseException: api.example.com:443 failed to respond", Wire::FinBeforeAnswer),
            ("javax.net.ssl.SSLException: Connection reset", Wire::RstAfterHandshake),
            ("io.netty.handler.ssl.NotSslRecordException: not an SSL/TLS record: 485454502f", Wire::NotTls),
            ("curl: (7) Failed to connect to 10.0.0.1 port 443 after 3 ms: Couldn't connect to server", Wire::Refused),
            ("curl: (56) Received HTTP code 407 from proxy after CONNECT", Wire::ProxyAuthentication),
            ("curl: (56) Received HTTP code 503 from proxy after CONNECT", Wire::ProxyRefused),
            ("psql: error: server closed the connection unexpectedly", Wire::FinBeforeAnswer),
            (
                "ERROR 2013 (HY000): Lost connection to MySQL server at 'reading authorization packet', system error: 0",
                Wire::FinInHandshake,
            ),
            ("smtpd: SSL_accept error from unknown[192.0.2.1]: lost connection", Wire::ClientLeftInHandshake),
            ("net::ERR_CONNECTION_CLOSED", Wire::FinInHandshake),
            ("certificate has expired", Wire::BadServerCertificate),
            ("write: broken pipe", Wire::WroteAfterClose),
            ("upstream prematurely closed connection while reading response header from upstream", Wire::FinBeforeAnswer),
            ("peer closed connection without sending TLS close_notify: https://docs.rs/rustls", Wire::FinBeforeAnswer),
            ("Unsupported or unrecognized SSL message", Wire::NotTls),
            ("curl: (64) STARTTLS denied, code 454", Wire::StarttlsRefused),
            ("failed: server does not support SSL, but SSL was required", Wire::StarttlsRefused),
            ("ERROR 2026 (HY000): TLS/SSL error: SSL is required, but the server does not support it", Wire::StarttlsRefused),
            ("ERROR 2006 (HY000) at line 2: Server has gone away", Wire::RstAfterHandshake),
            ("SSL SYSCALL error: EOF detected", Wire::FinBeforeAnswer),
            ("The client does not trust the proxy's certificate for api.example.com (OpenSSL Error)", Wire::Intercepted),
            ("421 4.4.2 mail.example.com Error: timeout exceeded", Wire::NotifiedBeforeAnswer),
            ("An existing connection was forcibly closed by the remote host.", Wire::RstAfterHandshake),
            ("Client network socket disconnected before secure TLS connection was established", Wire::FinInHandshake),
            ("_ssl.c:989: The handshake operation timed out", Wire::SilentInHandshake),
            ("handshake timed out", Wire::SilentInHandshake),
            ("remote error: tls: unknown certificate authority", Wire::BadServerCertificate),
            ("No subject alternative DNS name matching x.example found.", Wire::BadServerCertificate),
        ] {
            assert_eq!(first(text), wire, "{text}");
        }
    }

    #[test]
    fn letter_case_and_line_breaks_do_not_matter() {
        assert_eq!(first("ssl PEER shut\n   down incorrectly"), Wire::FinInHandshake);
    }

    #[test]
    fn what_says_more_wins() {
        let answer = explain("SSL_ERROR_SYSCALL, errno 0");
        assert_eq!(answer.messages.len(), 1, "{:?}", answer.messages);
        assert!(!answer.wires.contains(&Wire::RstInHandshake), "errno 0 is no RST");
    }

    #[test]
    fn an_alert_is_found_by_its_longest_name() {
        assert_eq!(alert_in("received fatal alert: certificate_unknown"), Some(AlertDescription(46)));
        assert_eq!(alert_in("remote error: tls: unknown certificate authority"), Some(AlertDescription(48)));
        assert_eq!(alert_in("ssl alert number 80"), Some(AlertDescription(80)));
        assert_eq!(alert_in("handshake_failure"), None, "not said to be an alert");
    }

    #[test]
    fn the_unknown_is_called_unknown() {
        assert!(explain("the printer is on fire").wires.is_empty());
        assert!(nearest("the printer is on fire").is_empty());
        assert!(explain("conn").wires.is_empty(), "too short to mean anything");
        assert_eq!(nearest("peer shut donw incorrectly SSL").first().map(|message| message.text), Some("SSL peer shut down incorrectly"));
    }

    #[test]
    fn a_session_tells_what_its_applications_logged() {
        let (session, verdict) = sample::refused_hello(3, 0);
        let (side, messages) = logged(&session, &verdict).unwrap();
        assert_eq!(side, Side::Client);
        assert!(messages.iter().any(|message| message.text == "SSL peer shut down incorrectly"));
        assert!(messages.iter().all(|message| message.wires.contains(&Wire::FinInHandshake)));
        let (session, verdict) = sample::clean(4);
        assert!(logged(&session, &verdict).is_none());
    }
}
