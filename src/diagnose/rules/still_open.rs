//! still-open: the session had not ended when the capture did.
//!
//! # What it means
//!
//! No end of this session is in the capture, and none is missing: it was still running, or idle, when the capture stopped. A stall needs
//! longer evidence than that: as long as the capture ends within three retransmission times, or 2 s, after the session's last packet, or
//! inside an idle period, the session is open. Fault `none`, not flagged; nothing is claimed about what came later.
//!
//! # How it looks in applications
//!
//! - No program reports it at the time of the capture, on either end. Pools and browsers keep idle connections for minutes; WebSocket, gRPC
//!   streams, MQTT and database sessions stay for hours.
//! - If an application did report an error, its moment lies after the end of the capture, or in another connection.
//! - `ss -tnp state established` on either end lists the session, if it is still there.
//! - A reader that waits for ever for a dead peer also "looks open" in an application: no message at all.
//!
//! # Why it happens
//!
//! - The capture was stopped, or its ring buffer was cut, before the interesting moment.
//! - The error of the ticket belongs to another connection: a retry, another address, another proxy.
//! - Long-lived sessions in a short capture; idle pooled connections.
//! - A session that died silently on one side; on this side there was nothing to send yet.
//!
//! # What to do
//!
//! - **Client and Server**: capture longer, and stop only after the application has logged its error; note the exact time and the local
//!   port in the application's log (Java: `Socket.getLocalPort()`).
//! - **Client and Server**: a ring buffer keeps the last hours on disk:
//!   `tcpdump -ni any -s 0 -C 100 -W 50 -w ring.pcap 'host 203.0.113.7 and tcp port 443'`, or `dumpcap -b filesize:100000 -b files:50`.
//! - **Proxy / load balancer**: capture on both of its sides at once; the session you miss may end there.
//! - **Network**: mirror ports often drop; look at the counters before trusting an absence.
//! - Several files of one ring are given together: `whohungup read ring.pcap*`; they are read in order of time.
//! - Verify: `capinfos -a -e file.pcap` prints first and last packet time; compare with the time of the error. Filter: `tcp.stream eq N`.
//!
//! # How sure
//!
//! - Certain as far as the capture goes: nothing closed, nothing was left unanswered for long enough.
//! - Only possible where something was never acknowledged and, for 8 s, not sent again: no sender waits so long, so that the capture missed
//!   what came next.
//! - Just before the end of the file a retransmission may already run; with fewer than three of them no stall is called.
//! - Looks alike: `capture-incomplete` (the end happened but was not recorded), `path-black-hole` (a stall seen for long enough).
//! - A keep-alive that was answered proves that the peer was alive at that moment.
//! - What decides: a longer capture.
//!
//! # References
//!
//! - RFC 9293 sections 3.8.1 and 3.8.4; RFC 6298.
//! - `tcpdump(1)`, `dumpcap(1)`, `capinfos(1)`.

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Cap, Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "still-open",
    group: Group::Harmless,
    summary: "no end in the capture: the session was still running when it stopped",
    usual_fault: "none",
    endings: &[Ending::Open],
    phases: Phase::ALL,
    source: include_str!("still_open.rs"),
    yields_to: &["capture-incomplete"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.ending != Ending::Open {
        return None;
    }
    let idle = session.capture_end.since(session.last.time);
    let unacked = Side::BOTH.iter().map(|side| session.side(*side).unacked).sum::<u64>();
    // Its sender would have sent it again: what came next went by unseen.
    let missed = unacked > 0 && idle >= RESENT && !session.capped(Cap::OneDirection);
    let summary = if missed {
        format!(
            "its end is not in this capture: of {} never acknowledged nothing was sent again in {}",
            tell::bytes(unacked),
            tell::span(idle)
        )
    } else if idle.nanos() > 0 {
        format!("still open when the capture ended, {} after its last packet", tell::span(idle))
    } else {
        "still open when the capture ended with its last packet".to_owned()
    };
    let confidence = if missed { Confidence::Possible } else { Confidence::Certain };
    Some(
        Reading::new(Fault::None, confidence, Impact::Unknown, summary)
            .cite(tell::saw(session.last, session.last_from(), "the last packet of the session in this capture"))
            .advise("If it failed later, capture for longer."),
    )
}

/// No sender waits so long before it repeats what was not acknowledged (RFC 6298 section 5: a second or less, doubled each time; after three
/// repetitions the session is stalled, not open).
const RESENT: Span = Span::from_secs(8);
