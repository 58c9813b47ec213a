//! proxy-tunnel-cut: the forward proxy ended the tunnel, no goodbye came from the server inside.
//!
//! # What it means
//!
//! A tunnel through a forward proxy (CONNECT or SOCKS) was up, TLS ran inside it, and then the proxy's side closed or reset while no
//! close_notify of the server had come through. A proxy only copies bytes and can make no close_notify: either it cut the tunnel by a limit
//! of its own, or it handed on a bare close of the server beyond. Seen from here the two look the same: fault `undetermined`, with the proxy
//! and the server as candidates; `none` on an idle tunnel. Impact: truncation possible.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake` (cause `SSL peer shut down incorrectly`)
//!   when it is cut in the handshake; later `java.net.SocketException: Connection reset` or a silent end of stream.
//! - Client, OpenSSL 3: `unexpected eof while reading`; OpenSSL 1.1.1 `write:errno=0`, with a RST `write:errno=104`; curl:
//!   `curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to proxy:3128`, `curl: (56) Proxy CONNECT aborted` (cut before its
//!   answer), `curl: (18)`, `curl: (56)`.
//! - Client, Python: `SSLEOFError`, `RemoteDisconnected`, `IncompleteRead`; Go `EOF`, `unexpected EOF`; Node `socket hang up`,
//!   `ECONNRESET`; rustls `peer closed connection without sending TLS close_notify`, in the handshake `tls handshake eof`.
//! - Client, GnuTLS, wget, git: `The TLS connection was non-properly terminated.`; .NET
//!   `Received an unexpected EOF or 0 bytes from the transport stream.`, with a RST `Connection reset by peer`, cut before the proxy's
//!   answer `The response ended prematurely.`
//! - Firefox `PR_END_OF_FILE_ERROR`, with a RST `PR_CONNECT_RESET_ERROR`. Chrome `ERR_CONNECTION_CLOSED`, `ERR_CONNECTION_RESET`,
//!   `ERR_EMPTY_RESPONSE`; long streams: WebSocket close code 1006, `ERR_INCOMPLETE_CHUNKED_ENCODING`.
//! - Proxy: Squid `TCP_TUNNEL/200` with duration and bytes, `TCP_TUNNEL_ABORTED`; HAProxy state `cD`, `sD`; nginx and Apache as tunnels:
//!   only their access logs (often); Zscaler and others only in their tunnel logs.
//! - Server: a bare close by the client, or still open.
//!
//! # Why it happens
//!
//! - Idle limit of the proxy for tunnels: Squid `read_timeout` 15 minutes and `client_lifetime` 1 day, HAProxy `timeout tunnel` (else
//!   `timeout client`), Apache `ProxyTimeout`, Envoy `idle_timeout` 1 h, cloud proxies 60 s to 10 min.
//! - A limit on age or volume; a policy that looks at SNI *after* having answered 200, and cuts then.
//! - The server beyond closed bare, or reset; the proxy turns a RST there into a FIN here.
//! - Restart or failover of the proxy; a dead server found only after the 200 (some proxies answer before they connect).
//!
//! # What to do
//!
//! - **Client**: heartbeats below the limit (WebSocket ping, gRPC `keepalive_time`, HTTP/2 PING); reconnect; avoid the proxy for internal
//!   or long-lived targets (`NO_PROXY`).
//! - **Proxy**: tunnel limits: Squid `read_timeout`, `client_lifetime`, `half_closed_clients`; HAProxy `timeout tunnel 1h`,
//!   `timeout client-fin 30s`; Apache `ProxyTimeout 600`; then compare duration and bytes in its log with the capture.
//! - **Server**: check whether it closed first: its log, its idle timer.
//! - **Network**: firewalls between proxy and server have idle timers of their own (`middlebox-idle-timeout` on that leg).
//! - Verify: `openssl s_client -proxy proxy:3128 -connect host:443 -servername host`, idle, against the same without `-proxy`: only one of
//!   them cut tells the leg. Filter: `http.request.method == "CONNECT" || socks`, then `tcp.flags.fin == 1 || tcp.flags.reset == 1`.
//!
//! # How sure
//!
//! - Certain: the tunnel, its target, and that the proxy's side closed first without a TLS goodbye coming through.
//! - Not decidable from the client's side: proxy or server. A round duration, the same in several sessions to *different* servers, makes
//!   the proxy likely; different ends at one server point to the server.
//! - Looks alike: `proxy-upstream-failed` and `proxy-refused-tunnel` (no 200), `server-idle-timeout` (a close_notify came through the
//!   tunnel).
//! - A capture beyond the proxy, or its log with durations, settles it.
//! - What decides: a capture on the proxy's outer side at the same time.
//!
//! # References
//!
//! - RFC 9110 section 9.3.6 (CONNECT: the proxy closes when either side does); RFC 1928.
//! - Squid: `read_timeout`, `client_lifetime`, `half_closed_clients`; HAProxy: `timeout tunnel`; Apache: `ProxyTimeout`.

use crate::base::{Side, Span};
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "proxy-tunnel-cut",
    group: Group::BeforeTls,
    summary: "a tunnel was ended by the proxy with no close_notify from the server inside it",
    usual_fault: "undetermined",
    endings: &[Ending::Fin, Ending::Rst],
    phases: &[Phase::ClientHello, Phase::Handshake, Phase::Established],
    source: include_str!("proxy_tunnel_cut.rs"),
    yields_to: &["capture-incomplete"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let story = session.tunnel()?;
    let root = session.root().filter(|root| root.side == Some(Side::Server))?;
    if !matches!(session.ending, Ending::Fin | Ending::Rst) || session.phase < Phase::ClientHello || session.announced(Side::Server) {
        return None;
    }
    let quiet = session.silence_before(root.at).unwrap_or(Span::ZERO);
    let cut_response = session.cut_response();
    let idle = session.phase == Phase::Established
        && (quiet >= Span::from_millis(1_800) || session.exchange_complete())
        && !session.outstanding()
        && cut_response.is_none();
    let cut = session.side(Side::Server).cut_record.is_some_and(|cut| cut.proven);
    // The proxy passes the server's bare close on just as it ends a tunnel itself: from this side of it they look the same.
    let fault = if idle && !cut { Fault::None } else { Fault::Undetermined };
    let reading = Reading::new(
        fault,
        Confidence::Possible,
        if cut {
            Impact::DataLost
        } else if idle {
            Impact::None
        } else {
            Impact::SessionFailed
        },
        format!(
            "the tunnel to {} was cut {}: no close_notify of the server came through it",
            common::target(story),
            if idle && session.exchange_complete() {
                format!("when nothing was outstanding{}", exchange::aside(session))
            } else if idle {
                format!("after {} of silence", tell::span(quiet))
            } else if cut {
                "in the middle of a record".to_owned()
            } else if let Some(cut) = cut_response {
                format!("in the middle of an answer ({})", exchange::cut_words(session, cut))
            } else {
                "by the proxy's close".to_owned()
            }
        ),
    )
    .cite(tell::last_data(session, Side::Server))
    .rule_out(Fault::Client, "it had not closed")
    .or(
        Fault::Server,
        "server-closed-without-close-notify",
        "the server inside closed without a close_notify, and the proxy passed its FIN on",
        "the proxy's log, and a capture behind it",
    )
    .or(Fault::Proxy, "proxy-tunnel-cut", "the proxy ended the tunnel (a timeout, a limit, a restart)", "the proxy's log");
    Some(reading.advise(format!(
        "Look into the log of the proxy {} at {}: who closed the tunnel, and after how long?",
        session.ends.server,
        tell::clock(root.at)
    )))
}
