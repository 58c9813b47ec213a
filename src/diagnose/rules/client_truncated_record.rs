//! client-truncated-record: the client's stream ended in the middle of a TLS record: an upload was cut, proven.
//!
//! # What it means
//!
//! The client closed or reset its side before a TLS record it had begun was complete: a request or an upload stops in the middle, and the
//! server cannot read the last record. Loss in the capture and on the path is excluded first. The client's side hung up: fault `client`,
//! unless the server had stopped reading (`zero-window-stall`) or the RST does not fit the client. Impact: `data_lost` in the direction to
//! the server.
//!
//! # How it looks in applications
//!
//! - Server, OpenSSL 3: `unexpected eof while reading`; OpenSSL 1.1.1: pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`; GnuTLS
//!   `Error decoding the received TLS packet.`; rustls `peer closed connection without sending TLS close_notify`; .NET
//!   `Received an unexpected EOF or 0 bytes from the transport stream.`; nginx `client prematurely closed connection`,
//!   `recv() failed (104: Connection reset by peer) while reading client request body`, status 400 or 499.
//! - Server, HAProxy: state `CD` or `CR`, status 400; Apache: request body errors, status 400 or 408; at level info
//!   `(70014)End of file found: AH01992: SSL library error 6 reading data`.
//! - Server, Go: `unexpected EOF`; Java `java.io.EOFException`, Tomcat `ClientAbortException: java.io.EOFException`, Spring
//!   `MissingServletRequestPartException` or `MultipartException`.
//! - Server, Node: `aborted`, `ECONNRESET`; Python frameworks `ClientDisconnect`, `IncompleteRead`; Kestrel
//!   `Unexpected end of request content`.
//! - Client: a cancelled upload, a time limit, a crash: `curl: (28) Operation timed out`, Go `context deadline exceeded`, or nothing, as a
//!   browser (Chrome, Firefox) whose page was left.
//!
//! # Why it happens
//!
//! - A user or program cancelled an upload; a mobile app went into the background.
//! - The client's total time limit is too short for the size and the line: curl `--max-time`, Go `http.Client.Timeout`, .NET
//!   `HttpClient.Timeout` 100 s.
//! - The process crashed, was killed, or called `exit()` with data in its own buffers.
//! - The server had already answered (413, 401) and closed; a client then stops in mid-record: see who closed first.
//! - The client's network changed (Wi-Fi to mobile) and its stack reset the old connection.
//!
//! # What to do
//!
//! - **Client**: resumable or chunked uploads (tus, S3 multipart, `Content-Range`); limits by progress, not by total time (curl
//!   `--speed-limit 1000 --speed-time 30`); on exit `SSL_shutdown()` and wait for the answer before `close()`.
//! - **Client**: `Expect: 100-continue` for large bodies, so that a refusal comes before the body.
//! - **Server**: reject incomplete requests as a whole; do not log them as your own failure; nginx `client_body_timeout` (60 s between two
//!   reads), Go `http.Server.ReadTimeout` wide enough for uploads.
//! - **Proxy / load balancer**: a forward proxy or gateway in the client's place: its limits on request bodies (`proxy_request_buffering`,
//!   HAProxy `timeout client`, AWS API Gateway 29 s).
//! - **Network**: only if the RST does not fit the client: `injected-reset`.
//! - Verify: repeat with `curl -v --data-binary @bigfile https://host/upload`. In Wireshark: the client's last `tls.record.length` against
//!   the bytes that follow.
//!
//! # How sure
//!
//! - Proof: the record's header promises more than the client's stream has, with no hole in the capture and nothing retransmitted later.
//! - The ACK number on the client's closing packet tells what it had seen: if it covers a close of the server, the client only reacted.
//! - A server that speaks while the client is sending may have told it to stop (413, 401, a redirect): a cut within a second of that is
//!   `undetermined`.
//! - Capped by holes, snap length and one-direction captures; then it is not called proven.
//! - Never decidable: user, limit or crash. "Client" may be a proxy or NAT at that address.
//! - What decides: the client's log; a capture on the client.
//!
//! # References
//!
//! - RFC 8446 sections 5.1 and 6.1; RFC 9112 section 8; RFC 9110 section 10.1.1 (Expect).
//! - HAProxy configuration manual, section 8.5; nginx `client_body_timeout`.

use crate::base::{At, Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-truncated-record",
    group: Group::Established,
    summary: "the client ended the connection in the middle of a record: data was lost, proven",
    usual_fault: "client",
    endings: &[Ending::Fin, Ending::Rst],
    phases: Phase::ALL,
    source: include_str!("client_truncated_record.rs"),
    yields_to: &[
        "client-not-tls",
        "server-not-tls",
        "injected-reset",
        "zero-window-stall",
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "capture-incomplete",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let cut = session.side(Side::Client).cut_record.filter(|cut| cut.proven && (cut.have > 0 || cut.need > 0))?;
    if session.root_side() != Some(Side::Client) || !matches!(session.ending, Ending::Fin | Ending::Rst) {
        return None;
    }
    if session.root_rst(Side::Client).is_some_and(|rst| !rst.fits_sender()) || session.side(Side::Server).window_closed {
        return None;
    }
    let root = session.root()?;
    let how = if session.ending == Ending::Rst { "reset" } else { "closed" };
    let left = cut.need.saturating_sub(cut.have);
    let sent = format!("{} of {} were sent", cut.have, tell::bytes(u64::from(cut.need)));
    if let Some(answered) = answered_early(session, root.at) {
        return Some(stopped(session, root.at, answered, format!("the client {how} the connection in the middle of a record ({sent})")));
    }
    Some(
        Reading::new(
            Fault::Client,
            Confidence::Certain,
            Impact::DataLost,
            format!("the client {how} the connection in the middle of a record: {sent}"),
        )
        .cite(tell::saw(cut.at, Side::Client, format!("the record begins: {} announced", tell::bytes(u64::from(cut.need)))))
        .cite(tell::missing(root.at, Side::Client, u64::from(left), "the rest of the record, never sent"))
        .rule_out(Fault::Server, "it had not closed")
        .rule_out(Fault::Network, "every byte before the close arrived here in sequence: nothing of the record was lost on the way")
        .advise(format!(
            "Look into the log of the client ({}) at {}: a crash, a kill, a deadline or a full disk in mid-answer.",
            session.ends.client,
            tell::clock(root.at)
        ))
        .advise("Treat what the application got as incomplete."),
    )
}

/// An answer this shortly before the client's close may be the reason for it.
const SOON: Span = Span::from_secs(1);

/// The server spoke while the client was sending, and the client broke off right after it.
fn answered_early(session: &Session, close: At) -> Option<At> {
    let (began, answered) = (session.side(Side::Client).first_app?, session.side(Side::Server).last_app?);
    (answered > began && answered < close && close.time.since(answered.time) < SOON).then_some(answered)
}

/// A client need not send on what the server has already answered: 413, 401, a redirect (RFC 9110 section 10.1.1, RFC 9112 section 9.5).
fn stopped(session: &Session, close: At, answered: At, what: String) -> Box<Reading> {
    Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::Unknown,
        format!(
            "{what}, {} after the server had spoken: an early answer may have told it to stop",
            tell::span(close.time.since(answered.time))
        ),
    )
    .cite(tell::saw(answered, Side::Server, "the server's last application data, while the client was sending"))
    .rule_out(Fault::Network, "every byte before the close arrived here in sequence: nothing of the record was lost on the way")
    .or(
        Fault::Server,
        "client-truncated-record",
        "it refused the upload before it was complete (413, 401, 403, a redirect), and the client stopped",
        "the key log, or the status in the log of the server",
    )
    .or(
        Fault::Client,
        "client-truncated-record",
        "it crashed, was killed or had a deadline in the middle of its upload",
        "the client's log",
    )
    .advise(format!("Look into the log of the server ({}) at {}: what did it answer?", session.ends.server, tell::clock(answered)))
    .advise("Let large uploads ask first (Expect: 100-continue), so that a refusal comes before the body.")
}
