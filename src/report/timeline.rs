//! The timeline of a session as lines: frames, times from its start, silences, and what was left out.

use crate::base::{At, GapReason, Side, Span, Time};
use crate::decode::IcmpKind;
use crate::report::Context;
use crate::report::text::{count, grouped, width};
use crate::report::time::lasting;
use crate::session::{Event, RstKind, Session, What};
use crate::tls::{Alert, AlertDescription, AlertLevel, HandshakeType};

/// From here on a pause is told as a silence.
pub(super) const SILENCE: Span = Span::from_secs(1);

/// The events of `session`, one line each.
pub(crate) fn lines(session: &Session, context: &Context) -> Vec<String> {
    let rows: Vec<(String, String)> = session.timeline.iter().map(|event| (since(event.at.time, session), frames(event))).collect();
    let time_size = rows.iter().map(|(time, _)| width(time)).max().unwrap_or(0);
    let frame_size = rows.iter().map(|(_, frames)| width(frames)).max().unwrap_or(0);
    let mut out = Vec::new();
    let mut heard: Option<At> = None;
    let head = session.timeline.head().len();
    for (place, (event, (time, frames))) in session.timeline.iter().zip(rows).enumerate() {
        let indent = " ".repeat(time_size + 2);
        if place == head && session.timeline.left_out() > 0 {
            out.push(format!("{indent}… {} left out …", count(session.timeline.left_out(), "event", "events")));
        }
        if let Some(heard) = heard {
            let pause = event.at.time.since(heard.time);
            if pause >= SILENCE {
                out.push(format!("{indent}… {} of silence …", lasting(pause)));
            }
            if heard.file != event.at.file {
                out.push(format!("{indent}… from here on in {} …", crate::report::text::shown(context.file(event.at))));
            }
        }
        let sender = if event.way == session.client_way { Side::Client } else { Side::Server };
        out.push(format!("{time:>time_size$}  {frames:>frame_size$}  {}  {}", sender.name(), what(&event.what)));
        heard = Some(heard.map_or(event.until, |heard| if heard.time > event.until.time { heard } else { event.until }));
    }
    if session.timeline.iter().next().is_some() {
        let pause = session.capture_end.since(session.last.time);
        if pause >= SILENCE {
            let indent = " ".repeat(time_size + 2);
            out.push(format!("{indent}… nothing more of it until the capture ends {} later", lasting(pause)));
        }
    }
    out
}

/// Seconds from the session's first packet, as Wireshark's "seconds since first frame".
pub(super) fn since(time: Time, session: &Session) -> String {
    let span = time.since(session.first.time).nanos();
    let sign = if span < 0 { "-" } else { "" };
    let micros = span.unsigned_abs() / 1_000;
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// `3312`, or `2915–2988` for a run.
pub(super) fn frames(event: &Event) -> String {
    if event.until.frame == event.at.frame || event.until.file != event.at.file {
        event.at.frame.to_string()
    } else {
        format!("{}–{}", event.at.frame, event.until.frame)
    }
}

/// What happened, in words.
pub(super) fn what(what: &What) -> String {
    match *what {
        What::Syn(times) => repeated("SYN", times),
        What::SynAck => "SYN, ACK".to_owned(),
        What::Plain(bytes) => format!("{} that are not TLS", size(bytes)),
        What::Handshake(typ) => HandshakeType(typ).to_string(),
        What::HelloRetryRequest => "HelloRetryRequest".to_owned(),
        What::ChangeCipherSpec => "ChangeCipherSpec".to_owned(),
        What::SealedHandshake(records, bytes) | What::SealedFlight(records, bytes) => {
            format!("encrypted handshake, {}", sealed(records, bytes))
        }
        What::EarlyData(records, bytes) => format!("0-RTT data, {}", sealed(records, bytes)),
        What::Data(records, bytes) => format!("application data, {}", sealed(records, bytes)),
        What::Alert(level, description) => {
            format!("alert: {}", Alert { level: AlertLevel(level), description: AlertDescription(description) })
        }
        What::OpenedHandshake(typ) => format!("{} (decrypted)", HandshakeType(typ)),
        What::OpenedAlert(level, description) => {
            format!("alert: {} (decrypted)", Alert { level: AlertLevel(level), description: AlertDescription(description) })
        }
        What::SealedAlert(len) => format!("encrypted record of {len} bytes: an alert, or as long as one"),
        What::Broken => "a record header that cannot be".to_owned(),
        What::Gap(bytes, why) => format!("{} missing: {}", size(bytes), gap(why)),
        What::Retransmission(segments, bytes) => format!("{} sent again, {}", count(segments.into(), "segment", "segments"), size(bytes)),
        What::KeepAlive(probes) => count(probes.into(), "keep-alive probe", "keep-alive probes"),
        What::ZeroWindow(times) => repeated("its receive window is full", times),
        What::BadChecksum(segments) => {
            format!("{}; their receiver drops them", count(segments.into(), "wrong checksum", "wrong checksums"))
        }
        What::Fin(times) => repeated("FIN", times),
        What::Rst(kind, times) => repeated(rst(kind), times),
        What::Icmp(kind) => format!("ICMP error about a segment of this way: {}", icmp(kind)),
    }
}

fn repeated(what: &str, times: u32) -> String {
    if times > 1 { format!("{what}, {} times", grouped(times.into())) } else { what.to_owned() }
}

fn sealed(records: u32, bytes: u64) -> String {
    format!("{}, {}", count(records.into(), "record", "records"), size(bytes))
}

fn size(bytes: u64) -> String {
    count(bytes, "byte", "bytes")
}

fn rst(kind: RstKind) -> &'static str {
    match kind {
        RstKind::Active => "RST, from a socket that was aborted",
        RstKind::Reply => "RST, from where there is no socket (any more)",
        RstKind::Refusal => "RST: the SYN is refused",
    }
}

fn gap(why: GapReason) -> &'static str {
    match why {
        GapReason::CaptureLoss => "the capture missed them, their receiver did not",
        GapReason::SnapLength => "cut by the snap length",
        GapReason::PathLoss => "lost on the path",
        GapReason::Limit => "given up at a limit of this program",
    }
}

/// The meaning of an ICMP error's type and code (RFC 792, RFC 1812 section 5.2.7, RFC 4443).
pub(crate) fn icmp(kind: IcmpKind) -> String {
    let name = match (kind.v6, kind.typ, kind.code) {
        (false, 3, 0) | (true, 1, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) => "fragmentation needed",
        (true, 2, _) => "packet too big",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 5 | 6) => "rejected by policy",
        (false, 11, _) | (true, 3, _) => "time exceeded",
        _ => return format!("ICMP{} type {} code {}", if kind.v6 { "v6" } else { "" }, kind.typ, kind.code),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Way;
    use crate::report::sample;
    use crate::session::Timeline;

    #[test]
    fn tells_direction_frames_and_silence() {
        let (session, _) = sample::idle_timeout();
        let lines = lines(&session, &sample::context());
        assert_eq!(lines[0], " 0.000000       2901  client  SYN");
        assert_eq!(lines[7], " 0.045000  2915–2988  server  application data, 26 records, 37,000 bytes");
        assert_eq!(lines[8], "           … 60.0 s of silence …");
        assert_eq!(lines[9], "60.020000       3312  server  FIN");
    }

    #[test]
    fn counts_what_was_left_out_where_it_was() {
        let (mut session, _) = sample::idle_timeout();
        let mut timeline = Timeline::default();
        for frame in 1..=10 {
            let at = sample::at(frame, i64::from(frame));
            timeline.push(Event { at, until: at, way: Way::AtoB, what: What::ChangeCipherSpec }, 2, 3);
        }
        session.timeline = timeline;
        session.capture_end = session.last.time;
        let lines = lines(&session, &sample::context());
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[2].trim(), "… 5 events left out …");
        assert!(lines[3].contains(" 8 "));
    }
}
