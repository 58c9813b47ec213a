//! unreachable: a router reported that the address cannot be reached.
//!
//! # What it means
//!
//! A router, or the client's own host, answered with an ICMP error: network or host unreachable, or time to live exceeded. There is no
//! working path to that address at this moment; nobody refused anything. Fault `network`, because that is where somebody must act, although
//! a host that is switched off looks the same from its last router. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Linux: `No route to host` (113, `EHOSTUNREACH`), `Network is unreachable` (101, `ENETUNREACH`).
//! - Client, Java: `java.net.NoRouteToHostException: No route to host`, `java.net.ConnectException: Network is unreachable`; Python
//!   `OSError: [Errno 101] Network is unreachable`.
//! - Client, curl: `curl: (7) Failed to connect to host port 443: No route to host`; Go `connect: network is unreachable`; Node
//!   `ENETUNREACH`, `EHOSTUNREACH`.
//! - Client, .NET: `No route to host (host:443)`, `Network is unreachable (host:443)`, on Windows
//!   `A socket operation was attempted to an unreachable network` (10051), `... unreachable host` (10065); rustls programs
//!   `No route to host (os error 113)`, `Network is unreachable (os error 101)`.
//! - Client, OpenSSL 3 and OpenSSL 1.1.1: `connect:errno=113`, `connect:errno=101`; GnuTLS, wget `No route to host`, git
//!   `Couldn't connect to server`.
//! - Chrome: `ERR_ADDRESS_UNREACHABLE`, `ERR_INTERNET_DISCONNECTED`; Firefox `Unable to connect` (`NS_ERROR_CONNECTION_REFUSED`).
//! - Proxy in the client's place: nginx `connect() failed (113: No route to host) while connecting to upstream`; HAProxy `SC`,
//!   `Layer4 connection problem`; Apache `(113)No route to host: AH00957`, `(101)Network is unreachable: AH00957`, both with 503.
//! - Server: nothing.
//!
//! # Why it happens
//!
//! - The host is off or its address is gone: the last router gets no ARP or neighbour answer and says host unreachable (about 3 s after the
//!   SYN).
//! - IPv6 is published in DNS but not routed here: the client's own host says network unreachable and falls back to IPv4.
//! - A VPN or a link is down, a route was withdrawn, a VPC peering or route-table entry is missing.
//! - A routing loop: TTL exceeded comes from a router on the way, again and again.
//!
//! # What to do
//!
//! - **Client**: `ip route get 203.0.113.7`, `ip -6 route`; VPN state. For a missing IPv6 route compare `curl -4` and `curl -6`.
//! - **Server**: is the address configured and up: `ip addr`; a VIP may sit on the other node (keepalived, cluster).
//! - **Proxy / load balancer**: take dead targets out by health check; remove stale addresses from DNS.
//! - **Network**: routes and neighbour tables on the router that sent the ICMP message (its address is in the evidence);
//!   `mtr -T -P 443 host`.
//! - Verify: filter `icmp.type == 3 && (icmp.code == 0 || icmp.code == 1)`, `icmp.type == 11`, IPv6 `icmpv6.type == 1 || icmpv6.type == 3`.
//!
//! # How sure
//!
//! - Certain: which router said what about which packet.
//! - Not certain: whether the host is down or the network is; code 1 (host unreachable) mostly means no answer to ARP on the last link.
//! - ICMP errors are soft errors for an established connection: if data flows again, they were not the end, and the tool does not take them
//!   for one.
//! - Looks alike: `firewall-rejected` (policy codes 9, 10, 13), `connection-timeout` (no message at all, perhaps because ICMP is filtered).
//! - What decides: the router named in the evidence; a ping from that router to the host.
//!
//! # References
//!
//! - RFC 792; RFC 1812 section 5.2.7; RFC 4443 sections 3.1 and 3.3; RFC 9293 section 3.9.2.2 (soft errors).

use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "unreachable",
    group: Group::Connecting,
    summary: "an ICMP error says that the network or host cannot be reached",
    usual_fault: "network",
    endings: &[Ending::Stall, Ending::NoConnection],
    phases: Phase::ALL,
    source: include_str!("unreachable.rs"),
    yields_to: &["firewall-rejected"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (quoted, error) = session.icmp.iter().find(|(_, error)| common::unreachable(error.kind))?;
    if !matches!(session.ending, Ending::NoConnection | Ending::Stall) {
        return None;
    }
    Some(
        Reading::new(
            Fault::Network,
            Confidence::Likely,
            Impact::SessionFailed,
            format!("{} cannot be reached: {} from {}", session.ends[quoted.peer()].ip, common::icmp_name(error.kind), error.from),
        )
        .cite(tell::saw(error.at, *quoted, format!("{} from {}", common::icmp_name(error.kind), error.from)))
        .or(
            Fault::Server,
            "unreachable",
            "a host that is switched off is unreachable too",
            format!("ping and arping {} from its own subnet", session.ends.server.ip),
        )
        .advise(format!("Check routing and the last hop at {}: does it resolve the next hop (ip neigh), is the link up?", error.from)),
    )
}
