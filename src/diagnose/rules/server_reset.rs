//! server-reset: the server reset an established session that was not finished.
//!
//! # What it means
//!
//! The server sent a RST of its own making (an *active* one: ACK flag, live window, its usual options), with no close_notify before it,
//! while an exchange was not complete. A reset throws away what was still in its buffers and tells the client nothing. Fault `server`, the
//! TCP endpoint at that address; `none` when the exchange is known to be complete. Impact: the answer is lost or may be truncated.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.SocketException: Connection reset`; `HttpClient`
//!   `java.io.IOException: HTTP/1.1 header parser received no bytes`, cause `Connection reset`.
//! - Client, OpenSSL 3 and OpenSSL 1.1.1: `read:errno=104`, `SSL_ERROR_SYSCALL`; curl: `curl: (56) Recv failure: Connection reset by peer`,
//!   `curl: (56) OpenSSL SSL_read: Connection reset by peer, errno 104`.
//! - Client, Python 3.10 and later: `recv()` returns `b''`, as if the end were clean; `http.client.RemoteDisconnected`, `IncompleteRead`;
//!   `requests.exceptions.ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))`.
//! - Client, Go: `read tcp 10.0.0.12:51544->203.0.113.7:443: read: connection reset by peer`; Node `read ECONNRESET`, `aborted`; rustls
//!   `Connection reset by peer (os error 104)`; GnuTLS, wget `Error in the pull function.`, git `Recv failure: Connection reset by peer`;
//!   pyOpenSSL `SysCallError: (104, 'ECONNRESET')`.
//! - Client, .NET: `Unable to read data from the transport connection: Connection reset by peer`, on Windows
//!   `An existing connection was forcibly closed by the remote host` (10054); Chrome `ERR_CONNECTION_RESET`; Firefox
//!   `PR_CONNECT_RESET_ERROR`, in the answer `Secure Connection Failed` without a code.
//! - Proxy in the client's place: nginx `recv() failed (104: Connection reset by peer) while reading response header from upstream` (502),
//!   over TLS often `upstream prematurely closed connection`, as for a FIN; HAProxy `SH`, `SD`; Apache
//!   `(104)Connection reset by peer: AH01102: error reading status line from remote server` (502), in the body `AH01110`.
//! - Server: crash or limit messages, if any; a `kill -9` leaves none.
//!
//! # Why it happens
//!
//! - The server closed its socket while request bytes lay unread: it answered early (413, 401, 400) and did not drain, it crashed, or a
//!   worker was killed in the middle of a request.
//! - Application limits enforced by hard close: `SO_LINGER` 0, nginx `reset_timedout_connection on`, connection limits, DoS protection.
//! - Idle handling of IIS, F5 (TCP profile: 300 s, RST by default) and other load balancers that reset instead of closing.
//! - TCP keep-alive or `TCP_USER_TIMEOUT` of the server decided that the client is dead (a RST+ACK after unanswered probes).
//! - The service was stopped or restarted: listeners closed with connections not yet accepted.
//!
//! # What to do
//!
//! - **Client**: repeat idempotent requests on a new connection; use `Expect: 100-continue` for large uploads.
//! - **Server**: log at that second; drain the request before an early error answer (nginx `lingering_close`, Apache does); graceful
//!   restart; memory limits (`dmesg | grep -i oom`, container exit 137); upload limits raised or announced (nginx `client_max_body_size`).
//! - **Server, IIS**: `%SystemRoot%\System32\LogFiles\HTTPERR` gives the reason (`Timer_ConnectionIdle`,
//!   `Connection_Abandoned_By_ReqQueue`, `AppOffline`).
//! - **Proxy / load balancer**: F5 `tmsh modify sys db tm.rstcause.log value enable`, TCP profile "Reset On Timeout"; HAProxy
//!   `option nolinger` off; check idle and request limits.
//! - **Network**: nothing, when the RST fits the server; otherwise see `injected-reset`.
//! - Verify: filter `tcp.flags.reset == 1`; columns `ip.ttl`, `ip.id`, `tcp.window_size_value`, `tcp.options.timestamp.tsval` must continue
//!   those of the server's data packets.
//!
//! # How sure
//!
//! - Who: a RST with ACK flag, the last advertised window, timestamps kept and IP ID in sequence is the server's own kernel closing a live
//!   socket: likely to certain.
//! - Why: never on the wire. Crash, limit and intent look the same.
//! - A RST without ACK flag, window 0, IP ID 0, sequence number = the ACK of the packet it answers, is a kernel's *reply* for a socket that
//!   is gone. After a FIN of the server it is harmless; without one it is `undetermined`, never "the server reset".
//! - Looks alike: `middlebox-idle-timeout` (after a silence), `injected-reset` (does not fit, or data follows), `keepalive-race`.
//! - What decides: a capture on the server: did that RST leave there?
//!
//! # References
//!
//! - RFC 9293 sections 3.5.2, 3.5.3 and 3.10; RFC 1122 section 4.2.2.13; RFC 2525 section 2.17; RFC 9112 section 9.6 (lingering close).
//! - Microsoft: error logging in HTTP APIs (HTTPERR). F5: RST cause logging. nginx `reset_timedout_connection`.

use crate::base::{Side, Span};
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-reset",
    group: Group::Established,
    summary: "the server aborted the connection while an exchange was, or may have been, incomplete",
    usual_fault: "server; none if known complete",
    endings: &[Ending::Rst],
    phases: &[Phase::Established],
    source: include_str!("server_reset.rs"),
    yields_to: &[
        "server-truncated-record",
        "client-truncated-record",
        "client-aborted-transfer",
        "probe",
        "injected-reset",
        "zero-window-stall",
        "server-process-died",
        "proxy-tunnel-cut",
        "server-not-tls",
        "client-not-tls",
        "middlebox-idle-timeout",
        "capture-incomplete",
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "client-certificate-required",
        "client-certificate-rejected",
        "keepalive-race",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let rst = session.root_rst(Side::Server).filter(|_| session.phase == Phase::Established)?;
    if !rst.fits_sender() || rst.after_own_close {
        return None;
    }
    if session.exchange_complete() {
        return Some(
            Reading::new(
                Fault::None,
                Confidence::Likely,
                Impact::None,
                format!("the server reset the connection when nothing was outstanding{}", exchange::aside(session)),
            )
            .cite(tell::last_data(session, Side::Server))
            .rule_out(Fault::Client, "it had not closed, and waited for nothing")
            .advise("Nothing is lost. To silence the client's error, let the server close politely: TLS shutdown, then close.")
            .advise(
                "If the client's application misses a part of the answer all the same, the reset overtook it in the client's own buffers.",
            ),
        );
    }
    let owed = session.outstanding();
    let cut = session.cut_response();
    let quiet = session.silence_before(rst.at);
    let idle = quiet.is_some_and(|quiet| quiet >= Span::from_millis(1_800)) && !owed && cut.is_none();
    if idle {
        // An endpoint resets an idle connection only if its application aborts it; a box with an idle timer does so as a matter of course.
        let reading = Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::Unknown,
            format!(
                "a reset in the server's name came after {} of silence with nothing outstanding",
                quiet.map_or(String::new(), tell::span)
            ),
        )
        .cite(tell::last_data(session, Side::Server))
        .or(Fault::Server, "server-reset", "its application aborted the connection", "the server's log");
        let reading = if rst.from_here {
            reading.rule_out(Fault::Proxy, "the RST was captured as it left the server's host")
        } else {
            reading.or(
                Fault::Proxy,
                "middlebox-idle-timeout",
                "a load balancer or firewall with an idle timer that resets both ends",
                tell::capture_at(session, Side::Server),
            )
        };
        return Some(reading.advise("See whether other sessions end after the same silence: a timer then, on a box or on the server."));
    }
    let mut reading = Reading::new(
        Fault::Server,
        Confidence::Likely,
        if owed { Impact::SessionFailed } else { Impact::TruncationPossible },
        if owed {
            "the server aborted the connection with a reset while the request was unanswered".to_owned()
        } else if let Some(cut) = cut {
            format!("the server aborted the connection with a reset in the middle of its answer: {}", exchange::cut_words(session, cut))
        } else {
            format!(
                "the server aborted the connection with a reset, {} after the last data",
                session.after_last_data(rst.at).map_or("right".to_owned(), tell::span)
            )
        },
    )
    .cite(tell::last_data(session, Side::Client))
    .cite(tell::last_data(session, Side::Server))
    .rule_out(Fault::Client, "it had not closed");
    if rst.peer_unacked > 0 {
        reading = reading.cite(tell::inferred(
            rst.at,
            Side::Server,
            format!("{} of the client's data were not acknowledged by it", tell::bytes(rst.peer_unacked)),
        ));
    }
    reading = reading.advise(format!(
        "Look into the log of the server ({}) at {}: a crash, a kill, a limit or a deadline.",
        session.ends.server,
        tell::clock(rst.at)
    ));
    Some(common::unless_forged(reading, session, rst))
}
