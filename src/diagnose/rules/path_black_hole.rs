//! path-black-hole: packets are sent again and again and nothing at all comes back.
//!
//! # What it means
//!
//! One side retransmits the same data with growing pauses, and from one moment on nothing of the other side is seen. The path may have died
//! in either direction, the other host may be gone, or a firewall may have begun to drop: from one place these are the same picture, so the
//! fault is `undetermined`. If the other side is still heard (its own data, its retransmissions) but does not receive, one direction of the
//! path is dead, and the fault is `network`. Impact: the session stalled and failed.
//!
//! # How it looks in applications
//!
//! - Sending side, after minutes: Java `java.net.SocketException: Connection timed out (Write failed)`, `Read timed out`; Go
//!   `write: connection timed out`, `i/o timeout`; Python `TimeoutError: [Errno 110] Connection timed out`; Node `ETIMEDOUT`; rustls
//!   `Connection timed out (os error 110)`; OpenSSL 3 and OpenSSL 1.1.1 `read:errno=110`, pyOpenSSL `SysCallError: (110, 'ETIMEDOUT')`;
//!   GnuTLS `Error in the pull function.`, as for a RST.
//! - curl: `curl: (28) Operation timed out after 30001 milliseconds`, `curl: (56) Recv failure: Connection timed out`.
//! - .NET: `Unable to read data from the transport connection: Connection timed out`, on Windows
//!   `A connection attempt failed because the connected party did not properly respond` (10060); Chrome `ERR_TIMED_OUT`,
//!   `ERR_NETWORK_CHANGED`; Firefox `The connection has timed out` (not measured).
//! - Server: nginx `recv() failed (110: Connection timed out)`, HAProxy `cD` or `sD`, Apache as a proxy
//!   `(70007)The timeout specified has expired: AH01102`; often sessions that stay "established" for hours.
//! - A waiting reader without keep-alive notices nothing, for ever.
//!
//! # Why it happens
//!
//! - A link, tunnel, VPN or Wi-Fi went away; a roaming client changed its address.
//! - The other host lost power, panicked or was live-migrated; a VM or container was frozen.
//! - A firewall or NAT lost its state (failover, reload, idle expiry) and drops silently; asymmetric routes after a change.
//! - A routing or ECMP change sent the flow through a box that does not know it.
//! - Lossy lines over a longer time (then small things still come back now and then).
//!
//! # What to do
//!
//! - **Client and Server**: find dead peers in time: `TCP_USER_TIMEOUT`, keep-alive below 60 s (`net.ipv4.tcp_keepalive_time`, `_intvl`,
//!   `_probes`, or per socket), `net.ipv4.tcp_retries2=8` (about 100 s instead of 15, about 15 min); HTTP/2 PING (gRPC `keepalive_time`);
//!   limits on reads in every client.
//! - **Proxy / load balancer**: HAProxy `option clitcpka`, `option srvtcpka`, `timeout client-fin`; nginx `proxy_socket_keepalive on`,
//!   `listen ... so_keepalive=60s:10s:6`; state synchronisation between firewall nodes.
//! - **Network**: what happened at that second: link and route changes, firewall failover, VPN re-key; `mtr -T -P 443 host` in *both*
//!   directions.
//! - **Network**: Linux routers: `nf_conntrack_tcp_be_liberal`, `conntrack -S` (invalid, drop), asymmetric paths and `rp_filter`.
//! - Verify: capture at both ends at the same time: `tcpdump -ni any -w side.pcap 'host 203.0.113.7 and tcp port 443'`. Filter:
//!   `tcp.analysis.retransmission && tcp.stream eq N`, `tcp.analysis.rto`.
//!
//! # How sure
//!
//! - Proof of the stall: three or more retransmissions of the same byte with doubling pauses (Linux 0.2, 0.4, 0.8, 1.7 s ...) and no
//!   progress in the acknowledgements.
//! - Proof without one: a bare ACK carries the number of the next byte its sender will send. Where that is beyond what ever came by, and the
//!   receiver never acknowledged it, what lies between was sent and lost: fault `network`.
//! - Unanswered keep-alive probes, and the RST with which their sender's kernel then gives up, are the same picture in a silence.
//! - Not decidable from one place: forward path, return path, dead peer, silent firewall.
//! - If the silence began after an idle gap that fits a timer, `middlebox-idle-timeout` is given as an alternative. If only large segments
//!   are lost: `path-mtu-black-hole`. If the peer still acknowledges: `server-unresponsive` or `zero-window-stall`.
//! - `still-open`: the capture must go on for three retransmission times or 2 s, whichever is longer, after the last packet.
//! - What decides: the capture at the other end: do the packets arrive there, does it answer?
//!
//! # References
//!
//! - RFC 9293 sections 3.8.1, 3.8.3 and 3.8.4; RFC 6298; RFC 5482 (user timeout).
//! - Linux kernel documentation, ip-sysctl: `tcp_retries2`, `tcp_keepalive_time`; nf_conntrack-sysctl.

use crate::base::{GapReason, Side};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "path-black-hole",
    group: Group::Established,
    summary: "one side went on repeating itself and nothing came back",
    usual_fault: "undetermined or network",
    endings: &[Ending::Stall],
    phases: Phase::ALL,
    source: include_str!("path_black_hole.rs"),
    yields_to: &[
        "firewall-rejected",
        "unreachable",
        "server-unresponsive",
        "zero-window-stall",
        "path-mtu-black-hole",
        "large-client-hello-dropped",
        "middlebox-idle-timeout",
        "connection-timeout",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.ending != Ending::Stall {
        return None;
    }
    if let Some(reading) = never_arrived(session).or_else(|| unheard(session)) {
        return Some(reading);
    }
    let (side, lost) = [Side::Client, Side::Server].into_iter().find_map(|side| Some((side, session.side(side).unanswered?)))?;
    let took = lost.until.time.since(lost.since.time);
    let peer = side.peer();
    // The peer's own packets still came, and kept repeating: its direction works, the other does not.
    let other_works = lost.peer_heard.filter(|_| session.side(peer).unanswered.is_some());
    let mut reading = Reading::new(
        if other_works.is_some() { Fault::Network } else { Fault::Undetermined },
        if other_works.is_some() { Confidence::Likely } else { Confidence::Possible },
        Impact::SessionFailed,
        format!(
            "the {side}'s data went unanswered: sent again {} over {}, {}",
            tell::plural(u64::from(lost.retransmissions), "time"),
            tell::span(took),
            if other_works.is_some() { format!("while the {peer}'s packets still arrived") } else { "and nothing came back".to_owned() }
        ),
    )
    .cite(tell::saw(lost.since, side, "first transmission of what was never acknowledged"))
    .cite(tell::saw(lost.until, side, format!("last of {}", tell::plural(u64::from(lost.retransmissions), "retransmission"))))
    .cite(tell::missing(lost.until, peer, session.side(side).unacked, "acknowledgement never seen"));
    if let Some(heard) = other_works {
        reading = reading.cite(tell::saw(heard, peer, "still sending: this direction of the path works"));
    }
    reading = reading.rule_out(Fault::from(side), "it was sending, and went on trying");
    if other_works.is_none() {
        reading = silenced_by(reading, session, peer, "its host is down");
    }
    Some(
        reading
            .advise(format!("Capture at the {peer} at the same time: packets that do not arrive are lost on the way."))
            .advise(tell::capture_at(session, peer)),
    )
}

/// What one side sent never came by, nor did its receiver ever have it, and nothing of it was sent again where this capture could see it: its
/// sender's own sequence numbers tell that it was sent.
fn never_arrived(session: &Session) -> Option<Box<Reading>> {
    let unanswered = |side: Side| session.side(side).unanswered.is_some();
    if unanswered(Side::Client) || unanswered(Side::Server) {
        return None;
    }
    // What a side that closed had said last may be its answer to the close.
    let lost = |side: &Side| session.side(*side).swallowed() && session.side(*side).fin.is_none() && session.root_side() != Some(*side);
    let side = [Side::Server, Side::Client].into_iter().find(lost)?;
    let facts = session.side(side);
    let bytes = facts.gaps.iter().filter(|(_, _, why)| *why == GapReason::PathLoss).map(|(_, len, _)| len).sum();
    let last = facts.last_packet?;
    let what = if facts.bytes == 0 { "what the" } else { "the rest of what the" };
    Some(
        Reading::new(
            Fault::Network,
            Confidence::Likely,
            Impact::SessionFailed,
            format!(
                "{what} {side} sent never arrived: {} were lost on the way, while its bare acknowledgements came through",
                tell::bytes(bytes)
            ),
        )
        .cite(tell::missing(last, side, bytes, "sent, by its sender's sequence numbers; never acknowledged by its receiver"))
        .cite(tell::saw(last, side, "a packet of its sender that did come"))
        .rule_out(Fault::from(side), "it had sent it")
        .rule_out(Fault::from(side.peer()), "it was there to receive it, and acknowledged nothing")
        .or(Fault::Proxy, "path-black-hole", "a box that drops segments with data, or by their content", tell::capture_at(session, side))
        .advise(tell::capture_at(session, side)),
    )
}

/// One side's kernel asked in a silence whether the other one is still there, and heard nothing.
fn unheard(session: &Session) -> Option<Box<Reading>> {
    let sides = [Side::Client, Side::Server];
    if sides.iter().any(|side| session.side(*side).unanswered.is_some()) {
        return None;
    }
    let (side, (first, last, count)) = sides.into_iter().find_map(|side| Some((side, session.side(side).unheard_probes?)))?;
    let peer = side.peer();
    let reading = Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::Unknown,
        format!(
            "{} of the {side} went unanswered over {}: the {peer} or the path to it was gone, in a silence",
            tell::plural(u64::from(count), "keep-alive probe"),
            tell::span(last.time.since(first.time))
        ),
    )
    .cite(tell::saw(first, side, "the first probe that nothing answered"))
    .cite(tell::saw(last, side, "the last one"))
    .rule_out(Fault::from(side), "it only asked whether the other one was still there");
    Some(silenced_by(reading, session, peer, "its host is down, asleep, or has another address").advise(tell::capture_at(session, peer)))
}

/// What else it can be that nothing comes of `peer` any more; `gone` says how it itself can be the cause.
fn silenced_by(reading: Box<Reading>, session: &Session, peer: Side, gone: &'static str) -> Box<Reading> {
    let look = || tell::capture_at(session, peer);
    reading
        .or(Fault::Network, "path-black-hole", "the path loses what is sent, or the answers", look())
        .or(Fault::Proxy, "middlebox-idle-timeout", "a firewall or NAT that forgot the connection and drops silently", look())
        .or(Fault::from(peer), "path-black-hole", gone, look())
}
