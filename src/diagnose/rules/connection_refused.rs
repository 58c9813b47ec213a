//! connection-refused: the SYN was answered with a RST: nobody listens there, or a firewall rejects.
//!
//! # What it means
//!
//! The client's SYN was answered at once with RST+ACK: TCP never came up, and TLS had no chance to begin. Either no program listens on that
//! port, or a firewall on the way (or on the host itself) rejects the connection with a packet that looks the same. The host or something
//! in front of it is alive and the route works. Fault `undetermined`, or `server` when the RST fits the server's other packets; impact: the
//! session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.ConnectException: Connection refused`; Python `ConnectionRefusedError: [Errno 111] Connection refused`;
//!   OpenSSL 1.1.1 `connect:errno=111`; GnuTLS, wget `Connection refused`, git `Couldn't connect to server`.
//! - Client, curl: `curl: (7) Failed to connect to host port 443 after 12 ms: Couldn't connect to server`, older `Connection refused`.
//! - Client, Go: `dial tcp 203.0.113.7:443: connect: connection refused`; Node `connect ECONNREFUSED 203.0.113.7:443`; rustls programs
//!   `Connection refused (os error 111)`.
//! - Client, .NET: `Connection refused (host:443)`, on Windows `No connection could be made because the target machine actively refused it`
//!   (10061); Chrome `ERR_CONNECTION_REFUSED`; Firefox `Unable to connect` (`NS_ERROR_CONNECTION_REFUSED`).
//! - Proxy in the client's place: nginx `connect() failed (111: Connection refused) while connecting to upstream` with 502; HAProxy `SC`
//!   with 503; Apache `(111)Connection refused: AH00957: attempt to connect to 10.0.0.9:443 failed` with 503.
//! - Server: nothing; the program never saw it.
//!
//! # Why it happens
//!
//! - The service is down, still starting, or has crashed; a deployment is in progress.
//! - It listens elsewhere: on 127.0.0.1 only, on another port, on IPv4 only, in another network namespace or container.
//! - A load balancer without a healthy target (some refuse, some drop).
//! - A firewall rule that rejects: `iptables ... -j REJECT --reject-with tcp-reset`, nftables `reject with tcp reset`, a FortiGate or Palo
//!   Alto policy set to reset.
//! - DNS points to an old or wrong address.
//!
//! # What to do
//!
//! - **Client**: check the name, the address and the port: `getent ahosts host`, `curl -v https://host/`, then retry with back-off.
//! - **Server**: is anybody listening, and on which address: `ss -ltnp 'sport = :443'`; `systemctl status`, the service's log; container
//!   port mapping; `nft list ruleset` for local rejects.
//! - **Proxy / load balancer**: state of the pool: HAProxy `show servers state`, nginx `error.log`, the cloud console's target health.
//!   Health checks that reach TLS (`check-ssl`) take a dead target out before users meet it.
//! - **Network**: ask for the firewall's deny log for that address pair and second.
//! - Verify: `openssl s_client -connect host:443` from the client's network and from the server itself (`-connect 127.0.0.1:443`). Filter:
//!   `tcp.flags.reset == 1 && tcp.seq == 1 && tcp.ack == 1`.
//!
//! # How sure
//!
//! - Certain: the refusal itself (a RST whose ACK number is the SYN's sequence number plus one).
//! - Not certain: who sent it. Its TTL and its delay, compared with SYN-ACKs of other connections to the same host, may decide: the same
//!   TTL and round-trip time speak for the host, a higher TTL or a much shorter delay for a box nearer to the capture.
//! - Looks alike: `connection-timeout` (silence), `firewall-rejected` (ICMP), `server-process-died` (an established session ended, then
//!   refusals begin).
//! - The same port served other connections, over as many hops: then the host itself refuses, and the fault is the server's.
//! - A refusal on one address of several is only an attempt; look at the siblings (`parallel-attempt`).
//! - What decides: a capture on the server at the same time. If the SYN arrives there and the RST leaves there, it is the host; if the SYN
//!   never arrives, it is a box.
//!
//! # References
//!
//! - RFC 9293 sections 3.5.2 and 3.10.7.1 (reset for a connection that does not exist).
//! - nftables wiki: reject statement; iptables-extensions(8): REJECT.

use crate::base::{At, Side, Span};
use crate::diagnose::beside::Served;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Rst, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "connection-refused",
    group: Group::Connecting,
    summary: "the SYN was answered with a RST: nothing listens there, or a firewall says so",
    usual_fault: "undetermined or server",
    endings: &[Ending::NoConnection],
    phases: Phase::ALL,
    source: include_str!("connection_refused.rs"),
    yields_to: &["firewall-rejected", "unreachable"],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    let rst = common::refusal(session)?;
    let syn = session.opening.syn?;
    let took = rst.at.time.since(session.opening.last_syn.unwrap_or(syn).time);
    if let Some(served) = context.beside.served.as_deref().filter(|served| served.ttl == rst.ttl) {
        return Some(gone(session, rst, syn, took, served));
    }
    if rst.from_here {
        return Some(refused_here(session, rst, syn));
    }
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("the connection was refused: a RST answered the SYN after {}", tell::span(took)),
        )
        .cite(tell::saw(syn, Side::Client, "SYN"))
        .cite(tell::saw(rst.at, Side::Server, format!("RST in answer to the SYN, TTL {}", rst.ttl)))
        .rule_out(Fault::Client, "it asked, and was refused")
        .or(
            Fault::Server,
            "connection-refused",
            "nothing listens on that port: the service is down, or listens on another address",
            format!("on the server: ss -ltn 'sport = :{}'", session.ends.server.port),
        )
        .or(Fault::Proxy, "firewall-rejected", "a firewall that rejects with a RST looks the same", tell::capture_at(session, Side::Server))
        .advise(format!(
            "Look whether the service runs and listens: ss -ltn 'sport = :{}' on {}.",
            session.ends.server.port, session.ends.server.ip
        ))
        .advise("Compare the RST's TTL and delay with those of a connection to the same host that works: a nearer sender is a firewall."),
    )
}

/// Captured on the server's host, as it left: that host refuses.
fn refused_here(session: &Session, rst: &Rst, syn: At) -> Box<Reading> {
    Reading::new(
        Fault::Server,
        Confidence::Likely,
        Impact::SessionFailed,
        "the connection was refused by the server's own host: nothing listens there, or its own firewall says so",
    )
    .cite(tell::saw(syn, Side::Client, "SYN"))
    .cite(tell::saw(rst.at, Side::Server, format!("RST in answer to the SYN, TTL {}", rst.ttl)))
    .rule_out(Fault::Client, "it asked, and was refused")
    .rule_out(Fault::Proxy, "the RST was captured as it left the server's host")
    .advise(format!(
        "Look whether the service runs and listens: ss -ltn 'sport = :{}' on {}.",
        session.ends.server.port, session.ends.server.ip
    ))
}

/// The same port served other connections, over as many hops as the refusal came: it is the host that refuses.
fn gone(session: &Session, rst: &Rst, syn: At, took: Span, served: &Served) -> Box<Reading> {
    let when = if served.spoke.at < rst.at { "until" } else { "at" };
    Reading::new(
        Fault::Server,
        Confidence::Likely,
        Impact::SessionFailed,
        format!(
            "the connection was refused after {}: nothing listened on that port, although it served {} {when} {}",
            tell::span(took),
            served.spoke.name(),
            tell::clock(served.spoke.at)
        ),
    )
    .cite(tell::saw(syn, Side::Client, "SYN"))
    .cite(tell::saw(rst.at, Side::Server, format!("RST in answer to the SYN, TTL {}", rst.ttl)))
    .cite(served.spoke.saw(Side::Server, format!("the same port serves another session, with the same TTL {}", served.ttl)))
    .rule_out(Fault::Client, "it asked where others were served")
    .rule_out(Fault::Network, "the answer came back over as many hops as the server's other packets")
    .or(
        Fault::Proxy,
        "firewall-rejected",
        "a rule on the server's host that began to reject, or a box as far away as the server, looks the same",
        tell::capture_at(session, Side::Server),
    )
    .advise(format!(
        "Look why the service stopped at {}: its own log, journalctl, a deployment; and whether it listens again: ss -ltn 'sport = :{}' on {}.",
        tell::clock(rst.at),
        session.ends.server.port,
        session.ends.server.ip
    ))
}
