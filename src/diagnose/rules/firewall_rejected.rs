//! firewall-rejected: a box on the way refused the connection and said so with ICMP.
//!
//! # What it means
//!
//! Instead of an answer from the server, an ICMP error came back that quotes the client's packet and says that policy forbids it
//! (administratively prohibited), or a reject from an address that is not the server's. The sender of the ICMP message is the box that
//! decided; the verdict names its address. The server never saw the connection. Fault `proxy`, in the wide sense of any box between;
//! impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Linux: `No route to host` (errno 113, `EHOSTUNREACH`) for administratively prohibited, `Connection refused` (111) for a
//!   port-unreachable reject. Both texts mislead.
//! - Client, Java: `java.net.NoRouteToHostException: No route to host`; Go `connect: no route to host`; Node `EHOSTUNREACH`; Python
//!   `OSError: [Errno 113] No route to host`.
//! - Client, curl: `curl: (7) Failed to connect to host port 443: No route to host`, newer `Couldn't connect to server`, as git; OpenSSL
//!   1.1.1 `connect:errno=113`; GnuTLS, wget `No route to host`; rustls programs `No route to host (os error 113)`; .NET
//!   `No route to host (host:443)`.
//! - Chrome: `ERR_ADDRESS_UNREACHABLE`; Firefox `Unable to connect` (`NS_ERROR_CONNECTION_REFUSED`), as if it were refused.
//! - Proxy in the client's place: nginx `connect() failed (113: No route to host) while connecting to upstream`, usually 502; Apache
//!   `(113)No route to host: AH00957` with 503; HAProxy `SC` with 503.
//! - Server: nothing. Mid-session, Linux endpoints go on retransmitting in spite of the message and end in a timeout.
//!
//! # Why it happens
//!
//! - A firewall rule with reject instead of drop: firewalld's default (`icmp-host-prohibited`, often on the *server host itself*), iptables
//!   `REJECT` (default port unreachable), nftables `reject`, a router's access list (code 13).
//! - A service that was opened on the host but not in firewalld: `firewall-cmd --add-service=https` forgotten.
//! - Kubernetes: a Service without endpoints is rejected by kube-proxy.
//! - A policy of a company network or a cloud that does not let this source out to this port.
//!
//! # What to do
//!
//! - **Client**: note the address of the ICMP sender and take the question to its owner; do not search the server.
//! - **Server** (when the sender is the server's own address): `firewall-cmd --list-all`, then
//!   `firewall-cmd --permanent --add-service=https && firewall-cmd --reload`; `nft list ruleset`.
//! - **Proxy / load balancer**: Kubernetes: `kubectl get endpointslices`; the pods behind the Service are not ready.
//! - **Network**: a rule for the pair, port 443, in both directions; ask for the deny log at the frame's time.
//! - Verify: `tcpdump -ni any 'icmp[icmptype] == icmp-unreach'`; filter
//!   `icmp.type == 3 && (icmp.code == 9 || icmp.code == 10 || icmp.code == 13)`, IPv6 `icmpv6.type == 1 && icmpv6.code == 1`.
//!
//! # How sure
//!
//! - The strongest proof there is of a box: an ICMP message with codes 9, 10 or 13 that quotes this very connection, and an address to ask.
//!   IPv6: type 1, code 1, 5 or 6.
//! - A port-unreachable from the server's *own* address may be the host's firewall; then the owner of the host must act.
//! - Not proof: ICMP can be forged by anybody who saw the packet; a message that quotes nothing of this connection is not used.
//! - Looks alike: `unreachable` (routing, not policy), `connection-refused` (a RST).
//! - What decides: the deny log of the box named.
//!
//! # References
//!
//! - RFC 792; RFC 1812 section 5.2.7.1 (codes 9, 10, 13); RFC 4443 section 3.1 (ICMPv6 codes).
//! - RFC 9293 section 3.9.2.2 (how TCP treats ICMP). firewalld and nftables documentation: reject.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "firewall-rejected",
    group: Group::Connecting,
    summary: "an ICMP error says that a firewall forbids it",
    usual_fault: "proxy",
    endings: &[Ending::Stall, Ending::NoConnection],
    phases: Phase::ALL,
    source: include_str!("firewall_rejected.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (quoted, error) = session.icmp.iter().find(|(_, error)| common::prohibits(error.kind) || common::rejects_port(error.kind))?;
    if !matches!(session.ending, Ending::NoConnection | Ending::Stall) {
        return None;
    }
    let target = session.ends[quoted.peer()].ip;
    let own = error.from == target;
    let prohibited = common::prohibits(error.kind);
    if own && !prohibited {
        // The host itself says "port unreachable" to TCP: its own firewall rejects. Whose rule that is cannot be seen.
        return Some(
            Reading::new(
                Fault::Undetermined,
                Confidence::Likely,
                Impact::SessionFailed,
                format!("rejected by a firewall in the name of {target}: ICMP port unreachable"),
            )
            .cite(tell::saw(error.at, *quoted, format!("ICMP type {} code {} from {}", error.kind.typ, error.kind.code, error.from)))
            .or(
                Fault::Server,
                "firewall-rejected",
                "a rule of the server's own firewall",
                "nft list ruleset (or iptables -S) on the server",
            )
            .or(Fault::Proxy, "firewall-rejected", "a router answering in its name", tell::capture_at(session, Side::Server))
            .advise(format!("Look at the firewall rules on {target}, then at those of the routers before it.")),
        );
    }
    Some(
        Reading::new(
            Fault::Proxy,
            if own { Confidence::Likely } else { Confidence::Certain },
            Impact::SessionFailed,
            format!("a firewall at {} rejected it: {}", error.from, common::icmp_name(error.kind)),
        )
        .cite(tell::saw(error.at, *quoted, format!("{} from {}", common::icmp_name(error.kind), error.from)))
        .rule_out(Fault::Client, "its packets were rejected on the way")
        .advise(format!(
            "Ask whoever runs the firewall at {} for a rule that allows {} to {}.",
            error.from, session.ends.client.ip, session.ends.server
        ))
        .advise("Applications say \"No route to host\" (EHOSTUNREACH) or \"Connection refused\" for this, which misleads."),
    )
}
