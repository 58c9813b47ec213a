//! backend-down-behind-proxy: accepted, a round pause, then a close without one TLS byte: a proxy found no backend.
//!
//! # What it means
//!
//! The connection was accepted and the ClientHello acknowledged, then came a pause of a round number of seconds and a FIN, without one byte
//! of TLS (or a RST, where the proxy had left the hello unread). That is how a TCP-mode proxy behaves that takes the client first and cannot
//! reach its backend: HAProxy tries again once a second, three times by default, so 3 s; nginx waits for `proxy_connect_timeout`. Fault `undetermined`, with the server (its backend is down) and the proxy (its configuration) as
//! the two readings. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake`, cause
//!   `java.io.EOFException: SSL peer shut down incorrectly`, three seconds after the connect.
//! - Client, OpenSSL 3: `unexpected eof while reading`; OpenSSL 1.1.1 `write:errno=0`, pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`;
//!   curl: `curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to host:443`.
//! - Client, Python: `ssl.SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol`; Go `EOF`; Node
//!   `Client network socket disconnected before secure TLS connection was established`.
//! - Client, rustls: `tls handshake eof`, `unexpected end of file`; GnuTLS, wget, git `The TLS connection was non-properly terminated.`;
//!   .NET `Received an unexpected EOF or 0 bytes from the transport stream.`; Chrome `ERR_CONNECTION_CLOSED`; Firefox
//!   `PR_END_OF_FILE_ERROR`.
//! - Proxy: HAProxy state `SC` (refused) or `sC` (connect timeout) with `<NOSRV>` or the server's name and retries, and
//!   `backend app has no server available!`; nginx stream `connect() failed (111: Connection refused) while connecting to upstream`. Apache
//!   as a proxy speaks HTTP and answers 503 instead: `AH00957: https: attempt to connect to 10.0.0.9:443 failed`.
//! - Server: nothing; it is down, or was never asked.
//!
//! # Why it happens
//!
//! - HAProxy in `mode tcp` with a dead backend that refuses: `retries 3`, one second between tries: 3.0 s.
//! - HAProxy with a backend that drops: `timeout connect` times (retries + 1), with a common 5 s about 20 s.
//! - nginx `stream` with a dead upstream: `proxy_connect_timeout` 60 s for drops, at once for refusals.
//! - A backend pool in which health checks are missing or look only at another port.
//! - A cloud L4 load balancer or Kubernetes NodePort whose target went away a moment before the health check noticed.
//!
//! # What to do
//!
//! - **Client**: retry with back-off; nothing to change.
//! - **Server** (backend): start it; see why it stopped: `systemctl status`, `journalctl`, container restarts, listening address
//!   (`ss -ltnp`).
//! - **Proxy / load balancer**: let health checks take a dead backend out, at TLS level: HAProxy
//!   `server app1 10.0.0.5:443 check check-ssl verify none inter 2s fall 3 rise 2`, `option httpchk GET /healthz`, `option redispatch`, two
//!   or more servers. With all of them marked down, clients fail at once instead of after the pause. nginx `max_fails=1 fail_timeout=10s`.
//! - **Proxy / load balancer**: raise an alarm on `has no server available` and on states `SC`, `sC`, instead of leaving it to users.
//! - **Network**: the path proxy to backend: firewall, security group, DNS name resolved only at start (HAProxy `resolvers`).
//! - Verify: on the proxy: `echo "show servers state" | socat stdio /run/haproxy/admin.sock`, `curl -vk https://10.0.0.5:443/`. Filter:
//!   `tcp.flags.fin == 1` and the time since the ClientHello.
//!
//! # How sure
//!
//! - Signs: the hello was acknowledged, no TLS byte came, the close came n × 1 s (or a known connect limit) later, counted
//!   from the hello or from the connection; the same pause in several
//!   sessions makes it likely.
//! - The capture before the proxy cannot show the backend. Another program that closes after a round read limit (no hello received by the
//!   application, for example) looks the same: hence `undetermined`.
//! - Looks alike: `server-closed-in-handshake` (at once, or after an odd time), `server-unresponsive` (nobody closes but the client).
//! - What decides: the proxy's log line at that second; a capture between proxy and backend shows SYN and RST once a second.
//!
//! # References
//!
//! - HAProxy configuration manual: `retries` (turn-around timer of one second), `timeout connect`, `option redispatch`, `check-ssl`,
//!   section 8.5.
//! - nginx `ngx_stream_proxy_module`: `proxy_connect_timeout`.

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Rst, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "backend-down-behind-proxy",
    group: Group::Handshake,
    summary: "the ClientHello was acknowledged, then after a round pause came a close without a byte of TLS",
    usual_fault: "undetermined",
    endings: &[Ending::Fin, Ending::Rst],
    phases: &[Phase::ClientHello],
    source: include_str!("backend_down_behind_proxy.rs"),
    yields_to: &["server-not-tls", "client-not-tls", "proxy-tunnel-cut"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let closed = session.bare_fin(Side::Server).is_some() || session.root_rst(Side::Server).is_some_and(Rst::fits_sender);
    let root = session.root().filter(|_| closed && session.phase == Phase::ClientHello)?;
    if session.side(Side::Server).bytes > 0 {
        return None;
    }
    // Load balancers retry their backend at intervals of whole seconds (HAProxy: retries x 1 s), or give it so many (nginx:
    // proxy_connect_timeout), before they give the client up: from the hello on, or from the connection.
    let round = |waited: &Span| {
        let whole = waited.secs().round();
        (1.0..=60.0).contains(&whole) && (waited.secs() - whole).abs() <= 0.1
    };
    let waited = [common::since_hello(session, root.at)?, session.silence_since_open(root.at)].into_iter().find(round)?;
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("the server's address accepted the ClientHello, kept the client waiting for {} and closed without a byte: like a load balancer without a backend", tell::span(waited)),
        )
        .cite(tell::client_hello(session))
        .rule_out(Fault::Client, "it was waiting for an answer")
        .rule_out(Fault::Network, "acknowledgements and the FIN came back from the server's address")
        .or(Fault::Server, "server-closed-in-handshake", "the backend, or the server itself, does not answer", "the load balancer's log: HAProxy writes SC when the connection to the server failed")
        .or(Fault::Proxy, "backend-down-behind-proxy", "the load balancer points to a backend that is gone", "the load balancer's configuration and health checks")
        .advise(format!("Ask whether {} is a load balancer, and look into its log at {}.", session.ends.server, tell::clock(root.at))),
    )
}
