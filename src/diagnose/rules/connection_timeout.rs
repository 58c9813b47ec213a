//! connection-timeout: the SYN was repeated and nothing ever answered.
//!
//! # What it means
//!
//! The client sent its SYN several times, with growing pauses, and got no answer of any kind: no SYN-ACK, no RST, no ICMP. A firewall that
//! drops silently, a host that is down, a wrong route and a full listen queue all look exactly like this from the client's side, so the
//! fault is `undetermined`. Captured at the server (SYNs arrive, no SYN-ACK leaves) the fault is `server`, unless the host
//! captured on only passes them on. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.SocketTimeoutException: Connect timed out`, `java.net.ConnectException: Connection timed out`; `HttpClient`:
//!   `HttpConnectTimeoutException: HTTP connect timed out`.
//! - Client, curl: `curl: (28) Connection timed out after 10001 milliseconds`,
//!   `curl: (28) Failed to connect to host port 443 after 131000 ms: Couldn't connect to server`.
//! - Client, Python: `TimeoutError: timed out`, `[Errno 110] Connection timed out`; Go `dial tcp 203.0.113.7:443: i/o timeout`,
//!   `connect: connection timed out`; Node `connect ETIMEDOUT`.
//! - Client, OpenSSL 3 and OpenSSL 1.1.1 `connect:errno=110`; rustls programs `Connection timed out (os error 110)`, reqwest
//!   `operation timed out`, ureq `timeout: connect`; GnuTLS, wget `Connection timed out`, git `Couldn't connect to server`.
//! - Client, .NET: `Connection timed out (host:443)`, with a limit
//!   `The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing`, on Windows
//!   `A connection attempt failed because the connected party did not properly respond after a period of time` (10060); Chrome
//!   `ERR_CONNECTION_TIMED_OUT`; Firefox `The connection has timed out` (`NS_ERROR_NET_TIMEOUT`).
//! - Proxy in the client's place: nginx `upstream timed out (110: Connection timed out) while connecting to upstream` with 504; HAProxy
//!   `sC` with 503; Apache `(70007)The timeout specified has expired: AH00957` with 503.
//! - Server: nothing at all.
//!
//! # Why it happens
//!
//! - A firewall or a cloud security group that drops: the most common reason, above all for one source network only.
//! - Wrong or stale address (DNS, a moved VIP), host down, a route that does not come back.
//! - A listen queue that overflows: Linux drops the SYN then; `nstat -az TcpExtListenOverflows TcpExtListenDrops` counts.
//! - SYN flood protection or a connection limit of a firewall; source ports exhausted at a NAT gateway.
//! - A NAT or load balancer that still remembers the old connection with these ports.
//!
//! # What to do
//!
//! - **Client**: set a connect timeout on purpose: curl `--connect-timeout 5`, Java `HttpClient.Builder.connectTimeout`, Go
//!   `net.Dialer.Timeout`. Linux alone gives up after about 130 s (`net.ipv4.tcp_syn_retries` = 6).
//! - **Server**: queue: `ss -ltn` (Recv-Q at Send-Q means full), then raise the program's backlog, `net.core.somaxconn` (4096) and
//!   `net.ipv4.tcp_max_syn_backlog`; local firewall: `nft list ruleset`, `iptables -L -v -n`.
//! - **Proxy / load balancer**: HAProxy `timeout connect 5s`, `retries 3`, `option redispatch`; nginx `proxy_connect_timeout` (60 s);
//!   health checks for the target.
//! - **Network**: rules and logs for client, server and port, in both directions; `tcptraceroute host 443` or `traceroute -T -p 443 host`
//!   shows the last hop that answers.
//! - Verify: `tcpdump -ni any 'tcp port 443 and tcp[tcpflags] & tcp-syn != 0'` on both ends at the same time. Filter:
//!   `tcp.flags.syn == 1 && tcp.analysis.retransmission`.
//!
//! # How sure
//!
//! - Certain: at least one repeated SYN and nothing back, in a capture that goes on long enough. Linux repeats after 1, 2, 4 s; newer
//!   kernels 1, 1, 1, 1 s first.
//! - Never decidable from the client: firewall, dead host and overflow are one and the same silence. Other connections to the same host at
//!   the same time help: if they work, the host is alive.
//! - Looks alike: `still-open` (the capture ended too soon after the SYN), `unreachable` and `firewall-rejected` (an ICMP message did
//!   come).
//! - Caps: one direction only. A capture that misses the server's side shows silence where there was an answer.
//! - What decides: the capture at the server. SYN arrives, nothing leaves: the host. SYN never arrives: the network or a firewall.
//!
//! # References
//!
//! - RFC 9293 section 3.8.3 (connection failures); RFC 6298 (retransmission timer).
//! - Linux kernel documentation, ip-sysctl: `tcp_syn_retries`, `tcp_syn_linear_timeouts`, `somaxconn`, `tcp_max_syn_backlog`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "connection-timeout",
    group: Group::Connecting,
    summary: "the SYN was never answered",
    usual_fault: "undetermined",
    endings: &[Ending::NoConnection],
    phases: Phase::ALL,
    source: include_str!("connection_timeout.rs"),
    yields_to: &["firewall-rejected", "unreachable"],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    if session.ending != Ending::NoConnection || common::refusal(session).is_some() {
        return None;
    }
    let syn = session.opening.syn?;
    let last = session.opening.last_syn?;
    let half_open = session.opening.syn_ack;
    // At a router that is not where it was going.
    let here = context.server_here;
    let arrived = session.side(Side::Client).local == Some(false) && half_open.is_none() && here != Some(false);
    let count = tell::plural(u64::from(session.opening.syns), "time");
    let summary = match half_open {
        Some(_) => "the server's SYN-ACK was never acknowledged".to_owned(),
        None => format!("the connection never came up: the SYN was sent {count} and never answered"),
    };
    let mut reading = Reading::new(
        if arrived { Fault::Server } else { Fault::Undetermined },
        if arrived && here == Some(true) { Confidence::Likely } else { Confidence::Possible },
        Impact::SessionFailed,
        summary,
    )
    .cite(tell::saw(syn, Side::Client, "SYN"))
    .cite((last != syn).then_some(()).and_then(|()| tell::saw(last, Side::Client, format!("the last of {} SYNs", session.opening.syns))));
    if let Some(at) = half_open {
        reading = reading.cite(tell::saw(at, Side::Server, "SYN with ACK"));
    }
    if arrived {
        let reading = reading.advise(
            "On this host: nstat -az TcpExtListenDrops TcpExtListenOverflows, and the local firewall's rules; a full listen queue drops SYNs silently.",
        );
        let address = session.ends.server.ip;
        return Some(if here == Some(true) {
            reading.rule_out(Fault::Network, "the SYN reached the host on which this was captured")
        } else {
            reading.or(
                Fault::Proxy,
                "connection-timeout",
                "the host on which this was captured only passes packets on, and its firewall drops the SYN",
                format!("whether {address} is an address of that host: ip address"),
            )
        });
    }
    Some(
        reading
            .or(Fault::Proxy, "connection-timeout", "a firewall that drops", tell::capture_at(session, Side::Server))
            .or(Fault::Server, "connection-timeout", "the host is down, or its listen queue is full", tell::capture_at(session, Side::Server))
            .or(Fault::Network, "connection-timeout", "the SYN or its answer is lost on the way", tell::capture_at(session, Side::Server))
            .advise("Capture at the server at the same time: a SYN that does not arrive was dropped on the way, one that arrives is the host's.")
            .advise(tell::capture_at(session, Side::Server)),
    )
}
