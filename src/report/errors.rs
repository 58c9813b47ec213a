//! From an application's error message to what can have been on the wire, and from a session to what its applications logged.

mod browsers;
mod dotnet;
mod elsewhere;
mod libraries;
mod messages;
mod servers;
mod services;
mod wires;

use std::collections::BTreeSet;

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
    CutRecord,
    NotifiedInBody,
    FinAtEnd,
    WroteAfterClose,
    Stalled,
    BadServerCertificate,
    CertificateExpired,
    CertificateUntrusted,
    CertificateName,
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

impl Wire {
    /// What programs say of it that do not tell it from its like.
    fn general(self) -> Option<Self> {
        match self {
            Self::CertificateExpired | Self::CertificateUntrusted | Self::CertificateName => Some(Self::BadServerCertificate),
            Self::CutRecord => Some(Self::FinInBody),
            _ => None,
        }
    }
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

/// How many messages a report names.
const LOGGED: usize = 12;

/// A message that can mean more things than this says little.
const VAGUE: usize = 4;

/// Shortest text that is looked for inside known messages, in characters.
const SHORTEST: usize = 5;

/// The messages of programs that speak whatever protocol, as reports name them.
fn usual() -> impl Iterator<Item = &'static Message> {
    messages::ALL.iter().chain(libraries::ALL).chain(browsers::ALL).chain(dotnet::ALL).chain(servers::ALL)
}

/// Every message known, the measured ones first.
fn all() -> impl Iterator<Item = &'static Message> {
    usual().chain(services::ALL).chain(elsewhere::ALL)
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
    // What means many things frames what says more, such as the exception around an exception.
    found.sort_by_key(|&(length, message)| (message.wires.len() > VAGUE, std::cmp::Reverse(length)));
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

/// What programs log where a session may have ended by one cause.
#[derive(Clone, Debug, Default)]
pub struct OfCause {
    /// What happened on the wire, where the cause is the likeliest for it, and the messages that mean it above all.
    pub likely: Vec<(&'static str, Vec<&'static Message>)>,
    /// What else happened on the wire where it was this cause, each with the cause that it is most often.
    pub seldom: Vec<(&'static str, Vec<&'static str>)>,
}

/// What programs log where a session may have ended by the cause `slug`.
pub fn of_cause(slug: &str) -> OfCause {
    let mut found: Vec<(Wire, Vec<&'static Message>)> = Vec::new();
    for message in all() {
        let Some(wire) = message.wires.first() else { continue };
        match found.iter_mut().find(|(known, _)| known == wire) {
            Some((_, messages)) => messages.push(message),
            None => found.push((*wire, vec![message])),
        }
    }
    let mut out = OfCause::default();
    for (wire, messages) in found {
        let Meaning { what, causes, .. } = wire.meaning();
        match causes.split_first() {
            Some(((likeliest, _), _)) if *likeliest == slug => out.likely.push((what, messages)),
            Some(((likeliest, _), rest)) if rest.iter().any(|(cause, _)| *cause == slug) => {
                match out.seldom.iter_mut().find(|(known, _)| known == likeliest) {
                    Some((_, events)) => events.push(what),
                    None => out.seldom.push((*likeliest, vec![what])),
                }
            }
            _ => {}
        }
    }
    out
}

/// The known messages most like an unknown `text`, best first: those that share most words with it.
pub fn nearest(text: &str) -> Vec<&'static Message> {
    // Each word once: a text with many articles is like no other for them.
    let words = |text: &str| {
        let words: BTreeSet<String> =
            plain(text).split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_owned).collect();
        words.into_iter().collect::<Vec<_>>()
    };
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
    let number = ["alert number ", "alert [", "alert '", "alert code ", "alert("].iter().find_map(|lead| {
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
        41..=44 | 46 => &[Wire::BadServerCertificate, Wire::ClientCertificateBad],
        45 => &[Wire::CertificateExpired, Wire::ClientCertificateBad],
        48 => &[Wire::CertificateUntrusted, Wire::ClientCertificateBad],
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
    let place = |message: &Message, wire: Wire| message.wires.iter().position(|&known| known == wire);
    let mut found: Vec<(usize, &'static Message)> = usual()
        .filter(|message| message.by == side && message.stack != "many programs")
        .filter_map(|message| {
            // Who says only that the certificate is bad, or that the end came, comes after those who say more.
            let general = || place(message, wire.general()?).map(|place| place + 1);
            Some((place(message, wire).or_else(general)?, message))
        })
        .collect();
    // Messages that mean nothing else first; one a program.
    found.sort_by_key(|&(place, _)| place);
    let mut programs: Vec<&str> = Vec::new();
    found.retain(|(_, message)| {
        let new = !programs.contains(&program(message.stack));
        if new {
            programs.push(program(message.stack));
        }
        new
    });
    let messages: Vec<&'static Message> = found.into_iter().map(|(_, message)| message).take(LOGGED).collect();
    (!messages.is_empty()).then_some((side, messages))
}

/// What a stack is built on, where several stacks are one program's.
fn program(stack: &str) -> &str {
    match stack {
        "OpenSSL 1.1.1" => stack,
        "wget" | "git (GnuTLS)" => "GnuTLS",
        _ if stack.starts_with("Rust") => "rustls",
        _ => stack.split([' ', ',']).next().unwrap_or(stack),
    }
}

/// Causes that say more than the ending does: who noticed, and what it looked like to them.
const BY_CAUSE: [(&str, Side, Wire); 14] = [
    ("server-not-tls", Side::Client, Wire::NotTls),
    ("client-not-tls", Side::Server, Wire::ClientNotTls),
    ("certificate-expired", Side::Client, Wire::CertificateExpired),
    ("certificate-untrusted", Side::Client, Wire::CertificateUntrusted),
    ("certificate-rejected", Side::Client, Wire::BadServerCertificate),
    ("tls-interception", Side::Client, Wire::CertificateUntrusted),
    ("client-certificate-required", Side::Client, Wire::WroteAfterClose),
    ("protocol-version-mismatch", Side::Client, Wire::NoCommonVersion),
    ("cipher-mismatch", Side::Client, Wire::NoCommonCipher),
    ("proxy-authentication-required", Side::Client, Wire::ProxyAuthentication),
    ("proxy-refused-tunnel", Side::Client, Wire::ProxyRefused),
    ("proxy-upstream-failed", Side::Client, Wire::ProxyUpstream),
    ("keepalive-race", Side::Client, Wire::FinBeforeAnswer),
    ("server-truncated-record", Side::Client, Wire::CutRecord),
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
mod tests;
