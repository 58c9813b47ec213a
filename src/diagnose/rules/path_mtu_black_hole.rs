//! path-mtu-black-hole: only full-size packets get lost: the path carries less than the endpoints believe.
//!
//! # What it means
//!
//! Small packets pass in both directions, full-size ones never arrive: they are sent again and again, at the same size, and no ICMP message
//! tells the sender to use smaller ones. Some link on the way (VPN, PPPoE, tunnel, cloud overlay) has a smaller MTU, and the message that
//! should say so is not sent or filtered. TLS meets it first, because certificates and large ClientHellos fill packets. Fault `network`;
//! impact: the session failed or stalled.
//!
//! # How it looks in applications
//!
//! - Client, certificate side lost: a hang after the ClientHello: Java `SocketTimeoutException: Read timed out`, curl
//!   `curl: (28) SSL connection timeout`, Python `The handshake operation timed out`, Go `net/http: TLS handshake timeout`, Chrome
//!   `ERR_TIMED_OUT`, Firefox `The connection has timed out`, .NET `The request was canceled due to the configured HttpClient.Timeout`,
//!   reqwest (rustls) `operation timed out`, wget (GnuTLS) `Unable to establish SSL connection.`; Node a `timeout` event; OpenSSL 3 and
//!   OpenSSL 1.1.1 s_client and git wait without a word.
//! - Client, large ClientHello lost (post-quantum key share): the same hang; sites with small answers and older clients work.
//! - Client, uploads: small requests work, large ones hang: `curl: (28) Operation timed out`, `write: connection timed out`, Java
//!   `Read timed out`.
//! - Server: nothing for minutes; then `SSL_do_handshake() failed (110: Connection timed out)`, Go `TLS handshake error ... i/o timeout`,
//!   HAProxy `cD` or `Timeout during SSL handshake`; Apache (info) `AH01382: Request handshake read timeout`; nginx (info)
//!   `client timed out (110: Connection timed out) while SSL handshaking`.
//! - `ssh` to the same network hangs at key exchange; `ping` works.
//!
//! # Why it happens
//!
//! - A VPN (IPsec, WireGuard, OpenVPN) or PPPoE (MTU 1492), GRE, VXLAN or cloud interconnect reduces the MTU; typical limits 1280 to 1492.
//! - A firewall drops ICMP "fragmentation needed" (type 3 code 4) or ICMPv6 "packet too big" (type 2).
//! - MSS clamping missing or only in one direction; jumbo frames (9000) on one side of a router only; Docker or Kubernetes overlays with
//!   1500 inside.
//! - Anycast and load balancers: the ICMP message goes to another node than the one that holds the connection.
//!
//! # What to do
//!
//! - **Network** (first): clamp the MSS at the tunnel:
//!   `iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`, nftables
//!   `tcp flags syn tcp option maxseg size set rt mtu`, Cisco `ip tcp adjust-mss 1360`; let ICMP 3/4 and ICMPv6 type 2 pass (RFC 4890).
//! - **Server**: Linux finds it out by itself: `sysctl -w net.ipv4.tcp_mtu_probing=1` (2 = always); or a route with
//!   `ip route change ... advmss 1360`; smaller chains (ECDSA, no needless intermediates, no root).
//! - **Client**: interface MTU: `ip link set dev tun0 mtu 1380`; WireGuard `MTU = 1380`; Docker `"mtu": 1400`. To see whether the large
//!   hello is the reason: curl `--curves X25519`.
//! - **Proxy / load balancer**: the same sysctl; HAProxy `bind ... mss 1360`, nginx has none (use the route).
//! - Verify: `ping -M do -s 1472 host` (IPv4, 1500 in all) against `-s 1372`, `tracepath host`; filter
//!   `tcp.analysis.retransmission && tcp.len > 1300`, `icmp.type == 3 && icmp.code == 4`, `icmpv6.type == 2`, `tcp.options.mss_val`.
//!
//! # How sure
//!
//! - Strong evidence: three or more retransmissions of full-size segments never acknowledged, smaller segments of the same connection
//!   acknowledged (even selectively, behind the hole), no ICMP seen.
//! - On the client's side of the loss only the symptom is seen: the small last piece of the server's flight arrives, the client
//!   acknowledges nothing but that piece (SACK), then silence.
//! - Not this cause: a hole in a stream of which segments of full size came by.
//! - Looks alike: `path-black-hole` (small packets are lost too), `large-client-hello-dropped` (the *small* second segment is lost), random
//!   loss (it recovers).
//! - If an ICMP 3/4 is seen and the sender then uses smaller segments, everything works as designed: no finding.
//! - What decides: a capture at the other end, which shows which sizes arrive; the ping test.
//!
//! # References
//!
//! - RFC 1191, RFC 8201 (path MTU discovery); RFC 4821 and RFC 8899 (probing without ICMP); RFC 2923 section 2.1 (black hole); RFC 4890.
//! - Linux kernel documentation, ip-sysctl: `tcp_mtu_probing`, `tcp_base_mss`.

use crate::base::{GapReason, Side};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "path-mtu-black-hole",
    group: Group::Handshake,
    summary: "only full-size segments are lost; small ones pass",
    usual_fault: "network",
    endings: &[Ending::Stall],
    phases: Phase::ALL,
    source: include_str!("path_mtu_black_hole.rs"),
    yields_to: &["firewall-rejected", "unreachable", "zero-window-stall", "large-client-hello-dropped"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.ending != Ending::Stall {
        return None;
    }
    let big = |side: Side| {
        let facts = session.side(side);
        let full = facts.unanswered.is_some_and(|lost| lost.only_full_size && lost.retransmissions >= 3 && lost.passed_smaller);
        // Seen from behind the bottleneck: what is missing never came, and what was small did.
        let hole = !facts.full_size_seen && facts.gaps.iter().any(|(_, len, why)| *why == GapReason::PathLoss && *len >= 1_200);
        (full || hole).then_some((side, full))
    };
    let (side, full) = [Side::Client, Side::Server].into_iter().find_map(big)?;
    let at = session.side(side).unanswered.map(|lost| lost.since).or(session.side(side).last_packet)?;
    let summary = if full {
        format!(
            "full-size segments of the {side} are lost again and again while its small ones pass: a link with a smaller MTU, and no ICMP that says so"
        )
    } else {
        format!("the {side}'s full-size segments never arrived while a small one behind them did: a link with a smaller MTU swallows them")
    };
    Some(
        Reading::new(Fault::Network, if full { Confidence::Likely } else { Confidence::Possible }, Impact::SessionFailed, summary)
            .cite(tell::saw(at, side, if full { "first transmission of a full-size segment that never gets through" } else { "what arrived behind the missing bytes" }))
            .rule_out(Fault::from(side), "it was sending, and went on trying")
            .advise("Find the MTU: ping -M do -s 1472 to the other end, and smaller until it passes.")
            .advise("Let routers send ICMP \"fragmentation needed\" through, clamp the MSS on the tunnel (nft: tcp option maxseg size set rt mtu), or set net.ipv4.tcp_mtu_probing=1."),
    )
}
