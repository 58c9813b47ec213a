//! keepalive-race: an idle connection's close crossed a new request on the wire.
//!
//! # What it means
//!
//! The server closed an idle connection, as it may, in the same moment in which the client sent the next request on it. The client did not
//! know: its request does not acknowledge the server's FIN. The server's kernel answered the request with a RST. Neither side is wrong, the
//! two idle timers are: fault `none`. The request was not processed by that socket, so a client may send it again.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.SocketException: Connection reset`, `java.net.SocketException: Unexpected end of file from server`; Apache
//!   HttpClient `NoHttpResponseException: The target server failed to respond`; `HttpClient`:
//!   `IOException: HTTP/1.1 header parser received no bytes`.
//! - Client, Node: `ECONNRESET`, `socket hang up`; Python: `ConnectionResetError`,
//!   `http.client.RemoteDisconnected: Remote end closed connection without response`, urllib3 `Connection aborted.`.
//! - Client, Go: `http: server closed idle connection`, `EOF`, `connection reset by peer` (idempotent requests are retried silently); curl
//!   retries by itself (`Connection died, retrying a fresh connect`).
//! - Client, reqwest (rustls): `connection closed before message completed`, after a bare FIN
//!   `peer closed connection without sending TLS close_notify`, with a RST `Connection reset by peer (os error 104)`; ureq
//!   `Peer disconnected`; wget (GnuTLS) `No data received.`, with a RST `Read error (Error in the pull function.) in headers.`; OpenSSL
//!   1.1.1 `read:errno=0`, with a RST `read:errno=104`.
//! - Client, .NET: nothing after a FIN, it retries; after a RST
//!   `Unable to read data from the transport connection: Connection reset by peer`. Firefox retries in every case.
//! - Proxy in the client's place: nginx `upstream prematurely closed connection while reading response header from upstream` with status
//!   502; AWS ALB 502; HAProxy state `SH` with 502; Apache
//!   `(70014)End of file found: AH01102: error reading status line from remote server` with 502, seldom: most often it retries; Envoy
//!   `upstream connect error or disconnect/reset before headers`.
//! - Server: nothing. The request is in no access log.
//!
//! # Why it happens
//!
//! - The server's idle timer is shorter than, or equal to, the client's or the proxy's pool timer. Typical pairs: Node behind an AWS ALB
//!   (5 s against 60 s), gunicorn (2 s) or uvicorn (5 s) behind nginx, Tomcat (20 s) or Kestrel (130 s) behind a pool with a longer one.
//! - Low traffic: the gap between two requests comes near the timer just often enough to give "one error in ten thousand".
//! - A deployment that drains idle connections.
//!
//! # What to do
//!
//! - **Client / pool**: idle timer shorter than the server's. Go `http.Transport.IdleConnTimeout` (default 90 s); Java
//!   `-Djdk.httpclient.keepalive.timeout=` in seconds, `-Dhttp.keepAlive.time.server=`; Apache HttpClient `evictIdleConnections`,
//!   `setValidateAfterInactivity`; Node `new https.Agent({ keepAlive: true, timeout: ... })`. Retry idempotent requests once on a new
//!   connection.
//! - **Server**: idle timer longer than that of whoever is in front: nginx `keepalive_timeout 75s`, Apache `KeepAliveTimeout`, Node
//!   `server.keepAliveTimeout = 65000` (and `headersTimeout` above it), gunicorn `--keep-alive`, uvicorn `--timeout-keep-alive`.
//! - **Proxy / load balancer**: order the timers: the client's pool shortest, then the proxy, the server longest. AWS ALB 60 s wants a
//!   target above it; nginx `upstream { keepalive_timeout 60s; }`; HAProxy `http-reuse safe`, `retry-on conn-failure empty-response`.
//! - **Network**: nothing.
//! - Verify: the idle gap before the FIN is the same in every failing session. Measure the server's timer: send a request in
//!   `openssl s_client -connect host:443 -crlf -quiet`, wait, and note when it ends.
//!
//! # How sure
//!
//! - Proof: the server's FIN (or close_notify), then a request whose ACK number does not cover it, then a RST without ACK flag whose
//!   sequence number is the ACK of that request.
//! - Looks alike: a request that *does* acknowledge the FIN means the client wrote on a connection it knew to be closed: a client's bug. A
//!   RST with no earlier FIN is `middlebox-idle-timeout` or `server-reset`.
//! - Not this cause: a server that closes right after its answer, while the client goes on sending (an upload refused early): it had not been
//!   idle.
//! - What the capture cannot tell: whether the application repeated the request; look for it on the next connection.
//! - Caps: near the client, the FIN may be seen after the request and near the server before it; the ACK number decides, not the order of
//!   frames.
//! - What decides: nothing further is needed; compare the two configured timers.
//!
//! # References
//!
//! - RFC 9112 sections 9.3.1 (retrying requests), 9.5 and 9.6; RFC 9110 section 9.2.2 (idempotent methods).
//! - Node.js documentation: `server.keepAliveTimeout`, `keepAliveTimeoutBuffer`. HAProxy configuration manual: `retry-on`. nginx:
//!   `ngx_http_upstream_module`.

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "keepalive-race",
    group: Group::Harmless,
    summary: "an idle connection's close crossed a new request on the wire",
    usual_fault: "none",
    endings: &[Ending::CloseNotify, Ending::Fin],
    phases: &[Phase::Established],
    source: include_str!("keepalive_race.rs"),
    yields_to: &["server-truncated-record", "capture-incomplete"],
    check,
};

/// A server that closes sooner after its last answer did not wait for another request: it cut off what the client was still sending.
const IDLE: Span = Span::from_millis(500);

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let root = session.root().filter(|root| session.phase == Phase::Established && root.side == Some(Side::Server))?;
    if !matches!(session.ending, Ending::Fin | Ending::CloseNotify) || !session.crossed_by_request() {
        return None;
    }
    // The server had answered all it had, and had been idle: it closed because nothing was going on.
    let (client, server) = (session.side(Side::Client), session.side(Side::Server));
    let request = client.last_app?;
    let idle = server.last_app.is_some_and(|answered| root.at.time.since(answered.time) >= IDLE);
    if !idle || client.app_records < 2 || server.cut_record.is_some() {
        return None;
    }
    Some(
        Reading::new(
            Fault::None,
            Confidence::Likely,
            Impact::SessionFailed,
            "the server closed the idle connection while the client's next request was already under way: neither could know",
        )
        .cite(tell::saw(request, Side::Client, "the request that crossed the close"))
        .cite(tell::inferred(root.at, Side::Server, "its acknowledgement number does not cover that request"))
        .rule_out(Fault::Server, "it had answered everything it had received")
        .rule_out(Fault::Client, "its request left before it could see the close")
        .advise("Let the client's pool drop idle connections sooner than the server does (Go IdleConnTimeout, Apache HttpClient evictIdleConnections, Node agent keepAliveMsecs).")
        .advise("Retry idempotent requests once on a fresh connection."),
    )
}
