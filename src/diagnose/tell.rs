//! Facts in words: what rules say of acts, times and frames.

use crate::base::{At, Side, Span};
use crate::diagnose::verdict::{Citation, Fact, Text};
use crate::session::{Act, ActKind, CloseNotify, RstKind, SealedReading, Session};
use crate::tls::{Alert, AlertDescription};

/// `60.0 s`, `340 ms`, `80 µs`.
pub fn span(span: Span) -> String {
    let nanos = span.nanos();
    match nanos.unsigned_abs() {
        0..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", nanos / 1_000_000),
        1_000_000_000..100_000_000_000 => format!("{:.1} s", span.secs()),
        _ => format!("{:.0} s", span.secs()),
    }
}

/// `1 byte`, `812 bytes`.
pub fn bytes(count: u64) -> String {
    plural(count, "byte")
}

/// `1 record`, `3 records`.
pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `a fatal alert handshake_failure (40)`.
pub fn alert(alert: Alert) -> String {
    if alert.description == AlertDescription::CLOSE_NOTIFY { "a close_notify".to_owned() } else { format!("a {alert} alert") }
}

/// What an act was: `FIN with no close_notify before it`.
pub fn act(act: &Act, session: &Session) -> Text {
    let announced = act.side.is_some_and(|side| session.announced(side));
    match &act.what {
        ActKind::Alert(of) => format!("{}, in clear", alert(*of)).into(),
        ActKind::SealedAlert { len, reading: SealedReading::CloseNotify } => {
            sealed(*len, " that can only be a close_notify by its length and place")
        }
        ActKind::SealedAlert { len, reading: SealedReading::Fatal } => {
            sealed(*len, " that can only be a fatal alert by its length and place")
        }
        ActKind::SealedAlert { len, reading: SealedReading::Unclear } => {
            sealed(*len, ", the length of an alert; what it says cannot be known without the keys")
        }
        ActKind::Fin if !session.tls.seen => "FIN".into(),
        ActKind::Fin if announced => "FIN after its close_notify".into(),
        ActKind::Fin if act.side.is_some_and(|side| session.close_notify[side] == CloseNotify::Unknown) => {
            "FIN; whether a close_notify came before it cannot be told".into()
        }
        ActKind::Fin => "FIN with no close_notify before it".into(),
        ActKind::Rst(rst) => match rst.kind {
            RstKind::Refusal => "RST in answer to the SYN".into(),
            RstKind::Active => format!("RST with ACK and a window of {}: sent by the owner of a living socket", rst.window).into(),
            RstKind::Reply if rst.after_own_close => "RST in answer to a segment that came after its own close".into(),
            RstKind::Reply => "RST without ACK: in answer to a segment for which there is no socket (any more)".into(),
        },
        ActKind::Icmp { from, kind } => format!("ICMP type {} code {} from {from}", kind.typ, kind.code).into(),
        ActKind::Unanswered { retransmissions } => {
            format!("sent {} and never answered", plural(u64::from(*retransmissions), "time")).into()
        }
    }
}

/// A record of which only the length is known. (Of most sessions it is said, so it is put together without a formatter.)
fn sealed(len: u16, what: &str) -> Text {
    ["an encrypted record of ", itoa::Buffer::new().format(len), " bytes", what].concat().into()
}

/// A frame that shows something.
pub fn saw(at: At, from: Side, what: impl Into<Text>) -> Option<Citation> {
    Some(Citation { at, from: Some(from), session: None, fact: Fact::Saw, what: what.into() })
}

/// A frame from which something follows.
pub fn inferred(at: At, from: Side, what: impl Into<Text>) -> Option<Citation> {
    Some(Citation { at, from: Some(from), session: None, fact: Fact::Inferred, what: what.into() })
}

/// Bytes that should be there.
pub fn missing(at: At, from: Side, bytes: u64, what: impl Into<Text>) -> Option<Citation> {
    Some(Citation { at, from: Some(from), session: None, fact: Fact::Missing(bytes), what: what.into() })
}

/// The client's ClientHello, cited.
pub fn client_hello(session: &Session) -> Option<Citation> {
    let name = session.sni().map_or(String::new(), |name| format!(" for {name}"));
    saw(session.tls.client_hello_at?, Side::Client, format!("ClientHello{name}"))
}

/// The last application data of a side, cited.
pub fn last_data(session: &Session, side: Side) -> Option<Citation> {
    saw(session.side(side).last_app?, side, format!("last application data from the {side}"))
}

/// A capture at the other end, to be taken at the same time.
pub fn capture_at(session: &Session, side: Side) -> String {
    let (here, there) = (session.ends[side.peer()], session.ends[Side::Server]);
    let host = if side == Side::Server { here.ip } else { there.ip };
    format!("capture at the {side} at the same time: tcpdump -i any -s 0 -w {side}.pcap 'host {host} and tcp port {} or icmp'", there.port)
}

/// The filter that shows a session, for logs of the time: `14:03:02`.
pub fn clock(at: At) -> String {
    let secs = at.time.nanos().div_euclid(1_000_000_000);
    let day = secs.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02} UTC", day / 3_600, day / 60 % 60, day % 60)
}
