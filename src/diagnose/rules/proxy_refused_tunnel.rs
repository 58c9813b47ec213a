//! proxy-refused-tunnel: the forward proxy refused to open the tunnel to the server.
//!
//! # What it means
//!
//! The client asked a forward proxy for a tunnel (HTTP CONNECT, or SOCKS) and the proxy said no: 403, 405, or a SOCKS "not allowed by
//! ruleset". No TLS began and the server was never contacted. The proxy decided, by its policy: fault `proxy`. Its answer, code and reason,
//! is quoted. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.io.IOException: Unable to tunnel through proxy. Proxy returns "HTTP/1.1 403 Forbidden"`; SOCKS
//!   `java.net.SocketException: SOCKS: Connection not allowed by ruleset`.
//! - Client, curl: `curl: (56) CONNECT tunnel failed, response 403`, older `Received HTTP code 403 from proxy after CONNECT`; SOCKS
//!   `curl: (97) Can't complete SOCKS5 connection to host. (2)`.
//! - Client, Python: `OSError: Tunnel connection failed: 403 Forbidden`, requests `ProxyError('Cannot connect to proxy.', ...)`.
//! - Client, Go: only the reason phrase: `Forbidden`; Node (agents) `tunneling socket could not be established, statusCode=403`; git
//!   `CONNECT tunnel failed, response 403`.
//! - Client, GnuTLS's wget: `Proxy tunneling failed: Forbidden`; rustls programs `tunnel error: unsuccessful` (reqwest),
//!   `proxy server responded 403` (ureq); OpenSSL 1.1.1 s_client `HTTP CONNECT failed: 403 Forbidden`; .NET
//!   `The proxy tunnel request to proxy 'http://proxy:3128/' failed with status code '403'`; Chrome `ERR_TUNNEL_CONNECTION_FAILED`; Firefox
//!   `The proxy server is refusing connections` (`NS_ERROR_PROXY_FORBIDDEN`).
//! - Proxy: Squid `TCP_DENIED/403`; Apache status 403 or 405 for CONNECT in its access log; Zscaler and others show a block page that no
//!   client displays for CONNECT. nginx and HAProxy themselves never go through a CONNECT proxy.
//! - Server: nothing.
//!
//! # Why it happens
//!
//! - URL or category policy: the host is blocked or not on the allow list.
//! - The port is not allowed for CONNECT: Squid's `SSL_ports` has 443 only; 8443, 5671, 22 and so on are denied.
//! - The client's address, group or time of day has no right to go out.
//! - The thing asked is no CONNECT proxy: a web server answers 405 or 400; or the wrong proxy port.
//! - The name does not resolve at the proxy, or resolves to a forbidden address (to be told by the code: then often 503).
//!
//! # What to do
//!
//! - **Client**: is the proxy right for this host: `HTTPS_PROXY`, `NO_PROXY`, PAC file, Java `-Dhttps.proxyHost`, `-Dhttp.nonProxyHosts`.
//!   Internal hosts belong into `NO_PROXY`.
//! - **Proxy**: allow host and port: Squid `acl SSL_ports port 443 8443`, `http_access allow CONNECT SSL_ports` *above* the deny lines;
//!   Apache `AllowCONNECT 443 8443`; cloud proxies: URL category or an exemption.
//! - **Server**: nothing.
//! - **Network**: a server that must not use the proxy needs a direct route and a firewall rule.
//! - Ask the proxy's owner with time, client address and CONNECT line from the evidence.
//! - Verify: `curl -v -x http://proxy:3128 https://host/`, `openssl s_client -proxy proxy:3128 -connect host:443`. Filter:
//!   `http.request.method == "CONNECT" || http.response.code == 403`; SOCKS `socks.results != 0`.
//!
//! # How sure
//!
//! - Certain: the refusal is plain text and quoted.
//! - Fault `proxy` means the box must be configured or asked; whether its policy is *meant* to refuse is for its owner to say.
//! - Looks alike: 407 (`proxy-authentication-required`), 502 to 504 (`proxy-upstream-failed`), 200 and then a cut (`proxy-tunnel-cut`).
//! - A client that gave up before the answer came is not a refusal.
//! - What decides: nothing further; the proxy's log names the rule.
//!
//! # References
//!
//! - RFC 9110 sections 9.3.6 (CONNECT) and 15.5.4; RFC 1928 section 6 (SOCKS5 replies).
//! - Squid `http_access`, `acl ... port`; Apache `AllowCONNECT`; OpenSSL `openssl-s_client(1)` `-proxy`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::Refusal;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "proxy-refused-tunnel",
    group: Group::BeforeTls,
    summary: "the proxy said no to the tunnel, or closed instead of answering",
    usual_fault: "proxy",
    endings: Ending::ALL,
    phases: &[Phase::Tunneling],
    source: include_str!("proxy_refused_tunnel.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let story = session.tunnel()?;
    if session.phase != Phase::Tunneling {
        return None;
    }
    match common::refused(session, story) {
        Some(refusal) if !matches!(refusal.why, Refusal::Authentication | Refusal::Upstream) => Some(
            Reading::new(
                Fault::Proxy,
                Confidence::Likely,
                Impact::SessionFailed,
                format!("the proxy refused the tunnel to {}: {}", common::target(story), refusal.line),
            )
            .cite(tell::saw(refusal.at, Side::Server, format!("the proxy's answer: {}", refusal.line)))
            .rule_out(Fault::Network, "the proxy answered")
            .advise(format!(
                "Ask whoever runs the proxy {} why {} is refused (policy, blocked category, port not allowed).",
                session.ends.server,
                common::target(story)
            ))
            .advise(format!("Look into the proxy's access log at {}.", tell::clock(refusal.at))),
        ),
        None if session.root_side() == Some(Side::Server) => Some(
            Reading::new(
                Fault::Proxy,
                Confidence::Likely,
                Impact::SessionFailed,
                format!("the proxy closed instead of answering the request for a tunnel to {}", common::target(story)),
            )
            .advise(format!("Look into the log of the proxy {}.", session.ends.server)),
        ),
        _ => None,
    }
}
