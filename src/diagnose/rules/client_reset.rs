//! client-reset: the client reset an established session that was not finished.
//!
//! # What it means
//!
//! The client sent a RST of its own making, with no close_notify, while an exchange was not complete. Its kernel does so when a program
//! closes a socket with unread data, or closes it hard on purpose. The server could do nothing: fault `client`; `none` when what it had
//! asked for is known to be complete, or when all that lay unread was a session ticket or a WINDOW_UPDATE. Impact: what the server still
//! sent is lost.
//!
//! # How it looks in applications
//!
//! - Server, nginx: `recv() failed (104: Connection reset by peer) while reading client request`,
//!   `writev() failed (104: Connection reset by peer) while sending to client`,
//!   `closed keepalive connection (104: Connection reset by peer)`; status 499.
//! - Server, HAProxy: `CD`, `CH`, `CR`; Apache `%X` = `X`, (info) `(104)Connection reset by peer: AH01991: SSL input filter read failed.`
//! - Server, Go: `read: connection reset by peer`, `write: broken pipe`; Node `ECONNRESET`; Java
//!   `java.net.SocketException: Connection reset`, Tomcat `ClientAbortException`; stunnel `Connection reset by peer`.
//! - Server, .NET: `Unable to read data from the transport connection: Connection reset by peer`, on Windows
//!   `An existing connection was forcibly closed by the remote host`, Kestrel `The client has disconnected`.
//! - Server, OpenSSL 3 and OpenSSL 1.1.1: errno 104, pyOpenSSL `SysCallError: (104, 'ECONNRESET')`; GnuTLS `Error in the pull function.`;
//!   rustls `Connection reset by peer (os error 104)`; Python `ConnectionResetError`.
//! - Client (curl, Chrome, Firefox or any other): a cancelled call, a limit, a crash, or nothing.
//!
//! # Why it happens
//!
//! - A request was cancelled: browser navigation, superseded search, `context` cancelled, thread interrupted.
//! - A time limit of the client or of the proxy in its place.
//! - A pool that closes connections hard; resets in place of closes are seen with .NET and WinHTTP.
//! - A program that crashed, was killed, or exits without reading to the end (`head`, health checks that read the status line only).
//! - Endpoint security, parental control, or a battery saver on the client's machine.
//!
//! # What to do
//!
//! - **Client**: its log and limits at that second: curl `--max-time`, Go `http.Client.Timeout`, Python `timeout=`, Java
//!   `HttpRequest.timeout`, .NET `HttpClient.Timeout`. Read answers to their end, or cancel on HTTP/2 (RST_STREAM) and keep the connection.
//! - **Server**: do not page anybody: count these apart. Stop working for clients that left: Go `r.Context()`, nginx
//!   `proxy_ignore_client_abort off`, HAProxy `option abortonclose`.
//! - **Server**: if *all* clients leave at the same age of the request, the server is too slow: fix that.
//! - **Proxy / load balancer**: if the client's address is a proxy's: its `timeout server`, `proxy_read_timeout`, retry and hedging
//!   settings.
//! - **Network**: if the RST does not fit the client's other packets: `injected-reset`.
//! - Verify: filter `tcp.flags.reset == 1`, TTL, IP ID, window and timestamps against the client's data packets; histogram of the request's
//!   age at the RST.
//!
//! # How sure
//!
//! - Who: an active RST (ACK flag, live window, timestamps) that fits the client: likely to certain. Why: never on the wire.
//! - Harmless look-alikes: RST after the server's close_notify (`clean-close`), after the client's own FIN when a late alert arrives
//!   (`client-closed-without-close-notify`), after unread session tickets without any request (`probe`).
//! - A bare reply RST from a client that never closed says that its socket vanished (reboot, NAT, a forged RST seen only by it):
//!   `undetermined`.
//! - While the server's data was streaming, `client-aborted-transfer` is the better name and is used.
//! - What decides: the client's log, or a capture on the client.
//!
//! # References
//!
//! - RFC 9293 sections 3.5.2 and 3.5.3; RFC 1122 section 4.2.2.13; RFC 2525 section 2.17.
//! - HAProxy configuration manual: section 8.5, `option abortonclose`; nginx status 499.

use crate::base::Side;
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-reset",
    group: Group::Established,
    summary: "the client aborted the connection while an exchange was, or may have been, incomplete",
    usual_fault: "client; none if known complete",
    endings: &[Ending::Rst],
    phases: &[Phase::Established],
    source: include_str!("client_reset.rs"),
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
    let rst = session.root_rst(Side::Client).filter(|_| session.phase == Phase::Established)?;
    if !rst.fits_sender() || rst.after_own_close {
        return None;
    }
    let owed = session.outstanding();
    if !owed && session.side(Side::Server).app_records > 0 {
        return Some(
            Reading::new(
                Fault::None,
                Confidence::Likely,
                Impact::None,
                if session.exchange_complete() || session.exchange_state().is_none() {
                    "the client reset the connection after all it had asked for was answered: it closed with something unread, such as a session ticket".to_owned()
                } else {
                    format!("the client reset the connection{}", exchange::aside(session))
                },
            )
            .cite(tell::last_data(session, Side::Server))
            .rule_out(Fault::Server, "it had answered and had not closed")
            .advise("Nothing, unless the client reports an error: then ask why it closed."),
        );
    }
    let mut reading = Reading::new(
        Fault::Client,
        Confidence::Likely,
        if owed { Impact::SessionFailed } else { Impact::TruncationPossible },
        if owed {
            "the client aborted the connection with a reset while its own request was unanswered".to_owned()
        } else {
            format!(
                "the client aborted the connection with a reset, {} after the last data",
                session.after_last_data(rst.at).map_or("right".to_owned(), tell::span)
            )
        },
    )
    .cite(tell::last_data(session, Side::Client))
    .cite(tell::last_data(session, Side::Server))
    .rule_out(Fault::Server, "it had not closed");
    if rst.peer_unacked > 0 {
        reading = reading.cite(tell::inferred(
            rst.at,
            Side::Client,
            format!("{} of the server's data were not acknowledged by it", tell::bytes(rst.peer_unacked)),
        ));
    }
    reading = reading.advise(format!(
        "Look into the log of the client ({}) at {}: a crash, a kill, a limit or a deadline.",
        session.ends.client,
        tell::clock(rst.at)
    ));
    Some(common::unless_forged(reading, session, rst))
}
