//! proxy-upstream-failed: the proxy accepted the request for a tunnel but could not reach the server.
//!
//! # What it means
//!
//! The forward proxy answered CONNECT with 502, 503 or 504 (or a SOCKS "host unreachable", "connection refused" and so on). The proxy is
//! only the messenger: the trouble lies beyond it, in name resolution, the network or the server, and none of that is in this capture.
//! Fault `undetermined`. The proxy's answer is quoted; its header fields often name the real error. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.io.IOException: Unable to tunnel through proxy. Proxy returns "HTTP/1.1 503 Service Unavailable"`; SOCKS
//!   `java.net.SocketException: SOCKS: Host unreachable`, `SOCKS: Connection refused`.
//! - Client, curl: `curl: (56) CONNECT tunnel failed, response 503`, `curl: (97) Can't complete SOCKS5 connection to host. (4)`.
//! - Client, Python: `OSError: Tunnel connection failed: 502 Bad Gateway`; Go `Bad Gateway`, `Service Unavailable`, `Gateway Timeout`;
//!   SOCKS `socks connect tcp ...: unknown error host unreachable`.
//! - Client, Node: `tunneling socket could not be established, statusCode=503`; wget `Proxy tunneling failed: Bad Gateway`; Chrome
//!   `ERR_TUNNEL_CONNECTION_FAILED`.
//! - Client, Firefox: for a 502 `Unable to connect` (`NS_ERROR_PROXY_BAD_GATEWAY`), for a 504 `The connection has timed out`
//!   (`NS_ERROR_PROXY_GATEWAY_TIMEOUT`), for a 503 `Unable to connect` (`NS_ERROR_CONNECTION_REFUSED`).
//! - Client, rustls programs: `tunnel error: unsuccessful` (reqwest), `proxy server responded 502` (ureq); GnuTLS's git
//!   `CONNECT tunnel failed, response 502`; OpenSSL 3 and OpenSSL 1.1.1 s_client `HTTP CONNECT failed: 502 Bad Gateway`; .NET
//!   `failed with status code '502'`.
//! - Proxy: Squid `TCP_TUNNEL/503` and `X-Squid-Error: ERR_CONNECT_FAIL 111` or `ERR_DNS_FAIL` in its answer; Apache status 502 or 503 for
//!   CONNECT; HAProxy `SC` with 503, nginx `connect() failed (111: Connection refused) while connecting to upstream` with 502.
//! - Server: nothing, if it was not reached.
//!
//! # Why it happens
//!
//! - The name does not resolve at the proxy: a typing error, an internal name asked of an external proxy, split DNS.
//! - The server refuses or does not answer the proxy's address: down, firewall allow list without the proxy.
//! - The proxy has no route: a new server network, IPv6 preferred without IPv6 connectivity.
//! - The proxy's limits: connect timeout (Squid `connect_timeout` 1 minute), parent proxy (`cache_peer`) down, source ports exhausted.
//!
//! # What to do
//!
//! - **Client**: check the name in the CONNECT line; internal hosts into `NO_PROXY`.
//! - **Proxy**: reproduce *on the proxy*: `getent ahosts host`, `curl -v https://host/`, `nc -vz host 443`; Squid `cache.log`, IPv4 and
//!   IPv6 preference, `connect_timeout`, `forward_timeout`; parent state.
//! - **Server**: does it accept the proxy's outgoing address: allow lists, geo filters, rate limits.
//! - **Network**: firewall log for proxy to server at that second.
//! - Verify: `openssl s_client -proxy proxy:3128 -connect host:443`; compare with another target through the same proxy. Filter:
//!   `http.response.code in {502, 503, 504}`, `socks.results`.
//!
//! # How sure
//!
//! - Certain: the proxy's answer and how long it took. At once: refused or not resolved; after a round time: no answer from the server.
//! - SOCKS5 codes say more: 3 network unreachable, 4 host unreachable, 5 connection refused, 6 TTL expired; 1 says nothing.
//! - Some proxies use 502 or 503 for their own refusals; the reason phrase and body are shown, escaped.
//! - Looks alike: `proxy-refused-tunnel` (policy), `proxy-tunnel-cut` (200 first).
//! - What decides: the proxy's log, or a capture on the proxy's outer side.
//!
//! # References
//!
//! - RFC 9110 sections 9.3.6 and 15.6.3 to 15.6.5; RFC 1928 section 6; RFC 9209 (Proxy-Status).
//! - Squid: `connect_timeout`, `forward_timeout`, `X-Squid-Error`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::Refusal;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "proxy-upstream-failed",
    group: Group::BeforeTls,
    summary: "the proxy could not reach the target: it is the messenger",
    usual_fault: "undetermined",
    endings: Ending::ALL,
    phases: &[Phase::Tunneling],
    source: include_str!("proxy_upstream_failed.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let story = session.tunnel()?;
    if session.phase != Phase::Tunneling {
        return None;
    }
    let refusal = common::refused(session, story).filter(|refusal| refusal.why == Refusal::Upstream)?;
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Likely,
            Impact::SessionFailed,
            format!("the proxy could not reach {}: {}", common::target(story), refusal.line),
        )
        .cite(tell::saw(refusal.at, Side::Server, format!("the proxy's answer: {}", refusal.line)))
        .rule_out(Fault::Client, "its request was understood")
        .or(Fault::Server, "proxy-upstream-failed", "the target is down or refuses the proxy", "the same request from the proxy's host")
        .or(
            Fault::Network,
            "proxy-upstream-failed",
            "the path from the proxy to the target is broken, or the name does not resolve there",
            "the same request from the proxy's host",
        )
        .advise(format!("On the proxy's host: resolve and connect to {} by hand.", common::target(story)))
        .advise(format!("Look into the proxy's log at {}.", tell::clock(refusal.at))),
    )
}
