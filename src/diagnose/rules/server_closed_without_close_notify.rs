//! server-closed-without-close-notify: the server closed with a bare FIN while an answer was, or may have been, owed.
//!
//! # What it means
//!
//! In an established session the server closed TCP on a record boundary, without a close_notify, while something was owed: a request
//! without its answer, or a transfer whose end cannot be seen. Without the goodbye the client cannot tell "that was all" from "somebody cut
//! it here". The server's side hung up: fault `server`; `none` when the answer is known to be complete (keys and Content-Length). Impact:
//! `truncation_possible`, or none when complete.
//!
//! # How it looks in applications
//!
//! - Client, OpenSSL 3: `unexpected eof while reading` (`error:0A000126`); OpenSSL 1.1.1 `SSL_ERROR_SYSCALL` with `errno 0` (s_client
//!   `read:errno=0`, pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`).
//! - Client, curl: `curl: (52) Empty reply from server`, `curl: (18) transfer closed with 900 bytes remaining to read`; newer curl on
//!   close-delimited bodies `curl: (56) OpenSSL SSL_read: SSL_ERROR_SYSCALL, errno 0`.
//! - Client, Java: `SSLSocket` reads -1, *silently*; `HttpsURLConnection` `java.net.SocketException: Unexpected end of file from server`,
//!   or a short body without any error; `HttpClient` `java.io.IOException: HTTP/1.1 header parser received no bytes`,
//!   `fixed content-length: 1000, bytes received: 100`.
//! - Client, Python: `recv()` returns `b''` (`suppress_ragged_eofs`),
//!   `http.client.RemoteDisconnected: Remote end closed connection without response`, `IncompleteRead(100 bytes read, 900 more expected)`.
//! - Client, Go: `EOF`, for bodies `unexpected EOF`; Node `ECONNRESET`, `socket hang up`, `aborted`; rustls
//!   `peer closed connection without sending TLS close_notify`.
//! - Client, GnuTLS, wget: `The TLS connection was non-properly terminated.` (exit 4), git `GnuTLS recv error (-110)`; Chrome
//!   `ERR_EMPTY_RESPONSE`, `ERR_CONTENT_LENGTH_MISMATCH`; Firefox before the answer `Secure Connection Failed` without a code, in the
//!   answer nothing: the page just ends (`NS_ERROR_NET_PARTIAL_TRANSFER` in the developer tools).
//! - Client, libpq (PostgreSQL): `SSL SYSCALL error: EOF detected`, `connection to server was lost`; MariaDB
//!   `ERROR 2026 (HY000): TLS/SSL error: unexpected eof while reading`; redis-cli `Error: Server closed the connection`; .NET
//!   `The response ended prematurely. (ResponseEnded)`.
//! - PHP: `SSL: Connection reset by peer`, `file_get_contents(): SSL operation failed with code 1 ... unexpected eof while reading`.
//! - Proxy in the client's place: nginx `upstream prematurely closed connection while reading response header from upstream` (502); HAProxy
//!   `SH`, `SD`; Apache `(70014)End of file found: AH01102: error reading status line from remote server` (502), in the body
//!   `AH01110: error reading response`.
//! - Server: its own error just before, if any.
//!
//! # Why it happens
//!
//! - Habit of the stack: Python `http.server` and Node at its idle limit close without close_notify; IIS and appliances often do.
//! - The worker died or was killed; without unread data the kernel sends a FIN, not a RST (a crash, `SIGKILL`, out of memory, a PHP-FPM or
//!   gunicorn worker over its limit).
//! - A request or total time limit in the server: gunicorn `--timeout` 30 s, `proxy_read_timeout`, Tomcat, servlet filters.
//! - A TCP-mode proxy in front (HAProxy, nginx `stream`, L4 load balancer) that ends the tunnel: it cannot make a close_notify, so a FIN
//!   without one, from a server that usually sends one, points to it (`timeout client`, `timeout server`).
//! - A protocol that ends bodies by closing (HTTP/1.0, no Content-Length) on a server without a TLS goodbye.
//! - Reload or scale-down without draining.
//!
//! # What to do
//!
//! - **Client**: trust lengths, not the close: check Content-Length, chunks, END_STREAM; repeat idempotent requests. Where the protocol has
//!   its own end marks and only the exception hurts: OpenSSL `SSL_OP_IGNORE_UNEXPECTED_EOF`, Python
//!   `ctx.options |= ssl.OP_IGNORE_UNEXPECTED_EOF`. Where silence hurts: Java `-Dcom.sun.net.ssl.requireCloseNotify=true`.
//! - **Server**: close politely: `SSL_shutdown()` before `close()`; Node `socket.end()`, not `destroy()`; send Content-Length or chunks;
//!   look for the crash: `journalctl -u service`, `dmesg | grep -i 'killed process'`, core dumps.
//! - **Server**: limits: nginx `send_timeout` (60 s), `proxy_read_timeout` (60 s), gunicorn `--timeout`, Apache `Timeout`; graceful stop
//!   (`nginx -s quit`, `worker_shutdown_timeout`, Kubernetes `preStop` and `terminationGracePeriodSeconds`).
//! - **Proxy / load balancer**: HAProxy `timeout server`, `timeout tunnel 1h`, `hard-stop-after`; AWS NLB and ALB deregistration delay.
//! - **Network**: nothing; a box seldom makes a FIN.
//! - Verify: `openssl s_client -connect host:443 -servername host -quiet -ign_eof`, send a request: an `unexpected eof` line shows the
//!   habit. Filter: `tcp.flags.fin == 1 || tls.record.content_type == 21`.
//!
//! # How sure
//!
//! - Certain: the server's FIN came first, every byte of its stream up to it was seen, and no record of alert length stands at its end.
//! - With a key log of HTTP/1, HTTP/2 or WebSocket: whether the answer was whole is read, not guessed. "100 of 1000 bytes" is `data_lost`
//!   and the server's; a whole answer is nobody's fault, and costs nothing.
//! - Half a second after the last data, with nothing outstanding, a complete answer is as likely as a cut one: `undetermined`. So it is
//!   where a short answer to the only request of a connection, in HTTP, and the FIN come in one breath (Connection: close), where what was
//!   said last in HTTP/2 is short (a GOAWAY, or the end of an answer), and where the capture lacks a part of what was said.
//! - A FIN on a record boundary proves nothing about completeness. Only keys (Content-Length, END_STREAM) decide it; a record cut in the
//!   middle is `server-truncated-record`.
//! - Looks alike: `server-idle-timeout` (nothing outstanding, after a silence), `client-closed-without-close-notify` (the client's FIN was
//!   first), `proxy-tunnel-cut`, `server-process-died` (refusals follow).
//! - "Server" is the TLS endpoint or a pass-through box at that address.
//! - What decides: a key log, the server's log, a capture behind the proxy.
//!
//! # References
//!
//! - RFC 8446 section 6.1 (no close_notify: do not assume that all data was received); RFC 9112 sections 6.3, 8 and 9.8.
//! - OpenSSL 3.0 migration guide; php-src issue 8369; HAProxy configuration manual, section 8.5.

use crate::app::Cut;
use crate::base::{At, Side, Span};
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-closed-without-close-notify",
    group: Group::Established,
    summary: "the server closed with a bare FIN while something was, or may have been, owed",
    usual_fault: "server; none if known complete",
    endings: &[Ending::Fin],
    phases: &[Phase::Established],
    source: include_str!("server_closed_without_close_notify.rs"),
    yields_to: &[
        "server-idle-timeout",
        "server-truncated-record",
        "zero-window-stall",
        "proxy-tunnel-cut",
        "capture-incomplete",
        "client-certificate-required",
        "client-certificate-rejected",
        "server-process-died",
        "keepalive-race",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let root = session.bare_fin(Side::Server).filter(|_| session.phase == Phase::Established)?;
    let owed = session.outstanding();
    if session.exchange_complete() {
        return Some(complete(session));
    }
    if let Some(cut) = session.cut_response() {
        return Some(cut_short(session, cut, root.at));
    }
    let known = session.exchange_state().is_some();
    let (summary, confidence) = if owed {
        ("the server closed with a bare FIN while the client's last request was unanswered".to_owned(), Confidence::Likely)
    } else if known {
        (format!("the server closed with a bare FIN{}", exchange::aside(session)), Confidence::Likely)
    } else {
        (
            format!(
                "the server closed with a bare FIN, {} after the last data; whether its answer was complete cannot be known without keys",
                session.after_last_data(root.at).map_or("right".to_owned(), tell::span)
            ),
            Confidence::Possible,
        )
    };
    // After a pause that its sending did not have, an answer that was all there is as likely.
    // Data that was captured after the FIN was sent before it: then the pause is not known.
    let server = session.side(Side::Server);
    let overtaken = [server.last_app, server.last_data].into_iter().flatten().any(|last| last.frame > root.at.frame);
    let paused = !overtaken && session.after_last_data(root.at).is_some_and(|quiet| quiet >= PAUSE);
    // So is a short last word in HTTP/2, whatever the client had said last: a GOAWAY, or the end of an answer.
    let farewell = server.last_data.is_some_and(|last| common::goaway(session, last));
    // So is a FIN in one breath with a short answer in HTTP, to the only request: as HTTP/1.0 and Connection: close have it.
    let at_once = server.last_data.is_some_and(|last| root.at.time.since(last.time) < AT_ONCE);
    let brief = at_once && common::asked_in_http(session) && server.app_bytes < BRIEF;
    // What the capture lost may have been any of these.
    let holed = Side::BOTH.into_iter().any(|side| !session.side(side).gaps.is_empty());
    let open = !owed && !known && (paused || farewell || brief || holed);
    let fault = if open { Fault::Undetermined } else { Fault::Server };
    let mut reading = Reading::new(fault, confidence, if owed { Impact::SessionFailed } else { Impact::TruncationPossible }, summary)
        .cite(tell::last_data(session, Side::Client))
        .cite(tell::last_data(session, Side::Server))
        .rule_out(Fault::Client, "it had not closed")
        .rule_out(Fault::Network, "a FIN in sequence came from the server's address");
    if open {
        reading = reading.or(
            Fault::Server,
            "server-closed-without-close-notify",
            "it stopped in the middle of an answer",
            "the server's log, or a key log (SSLKEYLOGFILE) of either end",
        );
    }
    if !known {
        reading = reading.or(
            Fault::None,
            "server-closed-without-close-notify",
            "the answer was complete and only the close_notify is missing",
            "a key log (SSLKEYLOGFILE) of either end, or the application's own record of the exchange",
        );
    }
    Some(
        reading
            .advise(format!("Look into the server's log at {}: did it crash, restart, or hit a limit?", tell::clock(root.at)))
            .advise("Let the server call its library's TLS shutdown (SSL_shutdown) before it closes the socket."),
    )
}

/// Whoever writes its answer and closes has the FIN behind it sooner than this; a crash comes when it likes.
const AT_ONCE: Span = Span::from_millis(5);

/// Bytes of an answer that is written at once. (Two session tickets of TLS 1.3 count among them.)
const BRIEF: u64 = 2_048;

/// So long nothing came before the close that it does not look like the middle of an answer.
const PAUSE: Span = Span::from_millis(500);

/// Keys show that nothing was cut off.
fn complete(session: &Session) -> Box<Reading> {
    Reading::new(
        Fault::None,
        Confidence::Certain,
        Impact::None,
        format!(
            "the server closed with a bare FIN when nothing was outstanding{}: only the close_notify is missing",
            exchange::aside(session)
        ),
    )
    .cite(tell::last_data(session, Side::Server))
    .rule_out(Fault::Client, "it had not closed, and waited for nothing")
    .rule_out(Fault::Network, "a FIN in sequence came from the server's address")
    .advise(
        "Nothing is lost. To silence the client's error, let the server call its library's TLS shutdown (SSL_shutdown) before it closes.",
    )
}

/// Keys show that the response was not whole.
fn cut_short(session: &Session, cut: &Cut, close: At) -> Box<Reading> {
    let left = cut.need.map_or(0, |need| need.saturating_sub(cut.have));
    Reading::new(
        Fault::Server,
        Confidence::Certain,
        Impact::DataLost,
        format!("the server closed with a bare FIN in the middle of its answer: {}", exchange::cut_words(session, cut)),
    )
    .cite(tell::last_data(session, Side::Client))
    .cite(tell::missing(close, Side::Server, left, "the rest of the response, never sent").filter(|_| left > 0))
    .rule_out(Fault::Client, "it had not closed")
    .rule_out(Fault::Network, "every byte before the FIN arrived here in sequence: nothing of the response was lost on the way")
    .advise(format!("Look into the server's log at {}: did it crash, restart, or hit a limit in mid-answer?", tell::clock(close)))
    .advise("Treat what the application got as incomplete.")
}
