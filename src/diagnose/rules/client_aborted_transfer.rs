//! client-aborted-transfer: the client hung up while the server's data was still coming.
//!
//! # What it means
//!
//! The client closed both ways or sent a RST while the server was still sending: part of the answer was on its way, or lay unread in the
//! client's kernel. The server did nothing wrong; its write failed because the reader left. Whether a user pressed stop, a timeout fired or
//! a program crashed is not on the wire, and the verdict says so. Fault `client` means only that the client's side ended it.
//!
//! # How it looks in applications
//!
//! - Server, nginx (info): `client prematurely closed connection (104: Connection reset by peer) while sending response to client`,
//!   `writev() failed (104: Connection reset by peer) while sending to client`, or status 499 for a request without an answer yet.
//! - Server, HAProxy: termination state `CD`; `CH` when it left before the headers. A short body that already lay in the kernel logs
//!   `----`.
//! - Server, Go: `write: connection reset by peer` or `write: broken pipe`; Node `ECONNRESET`; Java `SocketException: Connection reset`,
//!   `Broken pipe`.
//! - Server, Tomcat: `ClientAbortException`; Apache: `X` in the access log's `%X` (aborted before the answer was complete), at level info
//!   `(104)Connection reset by peer: AH01993: SSL output filter write failed.`; stunnel `Connection reset by peer`.
//! - Server, rustls: `Broken pipe (os error 32)`; .NET `Unable to write data to the transport connection: Connection reset by peer`;
//!   OpenSSL 1.1.1: pyOpenSSL `SysCallError: (104, 'ECONNRESET')`, Node 16 `aborted`; GnuTLS `Error in the push function.` (often).
//! - Client (a browser such as Chrome or Firefox says nothing): whatever made it leave: `curl: (28) Operation timed out`,
//!   `curl: (23) Failed writing body`, Go `context canceled`, Python `TimeoutError`, a cancelled download, or nothing.
//!
//! # Why it happens
//!
//! - A user or a calling program cancelled: browser navigation, stop button, video seek, `head -c`.
//! - A total-time limit of the client: curl `--max-time`, Go `http.Client.Timeout`, .NET `HttpClient.Timeout` (100 s).
//! - The client read as much as it wanted and closed: range probes, a type sniffer, HEAD-like checks done with GET.
//! - The client ran out of disk or memory, was killed or crashed: its kernel then sends RST+ACK because unread data is lost (a kill with
//!   nothing unread is a FIN).
//! - Antivirus or a download limiter on the client's own machine.
//!
//! # What to do
//!
//! - **Client**: look at its log at that second. If it is a limit: curl `--max-time`, Go `http.Client.Timeout` (covers the body too),
//!   Python `requests` `timeout=`, Java `HttpRequest.timeout()`. For large bodies prefer a stall limit (curl
//!   `--speed-limit 1000 --speed-time 30`).
//! - **Server**: make answers resumable (`Accept-Ranges`, `ETag`), smaller or faster; do not count 499 as server errors. nginx
//!   `proxy_ignore_client_abort on` lets the backend finish.
//! - **Proxy / load balancer**: check that its client-side limit is not the real actor when the "client" is a proxy's address: HAProxy
//!   `timeout client`, Envoy `stream_idle_timeout`.
//! - **Network**: compare throughput over the last seconds; a crawl explains an impatient client (retransmissions:
//!   `tcp.analysis.retransmission`).
//! - Verify: repeat with `curl -v -o /dev/null https://host/path`; if it completes, the client's limit or its user is the cause.
//!
//! # How sure
//!
//! - Proof: data of the server beyond what the client had acknowledged when it sent its RST or full close, or an active RST (ACK flag, live
//!   window, timestamps kept), which a kernel sends when it closes over unread data.
//! - Looks alike: a half-close: the client's FIN, then it still acknowledges new data. That is not an abort. A bare FIN after a complete
//!   answer is `client-closed-without-close-notify`; a RST because only a session ticket or WINDOW_UPDATE lay unread is harmless.
//! - A close_notify before the abort changes its manners, not what was cut off. A client that had waited two seconds for the rest of a record
//!   did not abort: `client-gave-up-waiting`.
//! - A RST with no ACK flag and window 0 is a kernel's reply and says nothing of an abort; a RST that does not fit the client is
//!   `injected-reset`.
//! - Never decidable here: user, timeout or bug. "Client" is the TCP endpoint at that address, which may be a forward proxy or NAT.
//! - What decides: the client's log; a capture on the client's own host.
//!
//! # References
//!
//! - RFC 9293 section 3.5.2; RFC 1122 section 4.2.2.13; RFC 2525 section 2.17.
//! - HAProxy configuration manual, section 8.5 (session state at disconnection). nginx: status 499, `proxy_ignore_client_abort`.

use crate::app::Cut;
use crate::base::{Side, Span};
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Act, ActKind, Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-aborted-transfer",
    group: Group::Harmless,
    summary: "the client hung up while the server's data was still coming",
    usual_fault: "client",
    // Those that have a root event, which may be the client's.
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst, Ending::FatalAlert, Ending::Stall],
    phases: &[Phase::Established],
    source: include_str!("client_aborted_transfer.rs"),
    yields_to: &[
        "client-truncated-record",
        "server-truncated-record",
        "server-not-tls",
        "injected-reset",
        "zero-window-stall",
        "capture-incomplete",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.phase != Phase::Established || session.root_side() != Some(Side::Client) {
        return None;
    }
    let server = session.side(Side::Server);
    let root = session.root()?;
    // A client that asked for nothing had nothing to abort.
    let asked = session.side(Side::Client).app_records > 0 || server.app_bytes > 32_768;
    if server.app_records == 0 || !asked || session.stopped_reading(Side::Server).is_some() || common::starved(session).is_some() {
        return None;
    }
    if session.exchange_complete() {
        return None;
    }
    if let Some(cut) = session.cut_response() {
        return cut_short(session, cut, root);
    }
    // What it had acknowledged had come before, wherever it was captured.
    let heard = session.side(Side::Client).fin.map(|fin| fin.knew).max(root.knew);
    let had = heard.is_some_and(|knew| knew >= server.last_app_end);
    // What of the server's data its sender had not yet taken when it closed, and what still came afterwards.
    let (after, unread) = match &root.what {
        ActKind::Rst(rst) if rst.fits_sender() => {
            let recent = rst.after_peer.is_some_and(|span| span < RECENT) || rst.peer_unacked > 0;
            let more = if had { 0 } else { server.app_records.saturating_sub(rst.peer_app_records) };
            let midway = server.cut_record.is_some() || more > 0;
            if !(midway || (recent && asked_for_more(session))) {
                return None;
            }
            (more, rst.peer_unacked)
        }
        ActKind::Fin | ActKind::SealedAlert { .. } | ActKind::Alert(_) => {
            // It took leave politely and then reset, or its kernel answered with resets what came after its FIN.
            let reset = session.closing.companions.iter().find_map(|act| match &act.what {
                ActKind::Rst(rst) => Some(rst),
                _ => None,
            })?;
            let fin = session.side(Side::Client).fin;
            let (known, unread) = match fin {
                Some(fin) => (fin.peer_app_records, server.bytes.saturating_sub(fin.peer_sent.max(fin.knew))),
                None if reset.fits_sender() => (reset.peer_app_records, reset.peer_unacked),
                None => return None,
            };
            let more = if had { 0 } else { server.app_records.saturating_sub(known) };
            // It read on for a while, with the server's data still coming when it reset.
            let coming =
                fin.is_none() && reset.after_peer.is_some_and(|span| span < RECENT) && server.last_app.is_some_and(|last| last > root.at);
            let open = server.fin.is_none() && !session.announced(Side::Server);
            // What came only long after the client had gone was not still coming then: it was owed nothing, or had waited in vain.
            if server.pause.is_some_and(|(before, after)| before < root.at && after.time.since(root.at.time) > LATE) {
                return None;
            }
            let midway = server.cut_record.is_some_and(|cut| cut.at < root.at || cut.have > 0) || (coming && open);
            // A word or two that crossed the close is no transfer: a GOAWAY, a pong, an event.
            if !midway && fin.is_some() && unread <= LAST_WORDS {
                return None;
            }
            if more == 0 && !midway {
                return None;
            }
            (more, unread)
        }
        _ => return None,
    };
    let mut reading = Reading::new(
        Fault::Client,
        Confidence::Likely,
        Impact::Unknown,
        format!("the client hung up while the server was still sending: {} had come", tell::bytes(server.bytes)),
    )
    .cite(tell::last_data(session, Side::Server));
    if let Some(cut) = server.cut_record {
        reading = reading.cite(tell::inferred(
            cut.at,
            Side::Server,
            format!("a record of {} of which {} were there when the client left", tell::bytes(u64::from(cut.need)), cut.have),
        ));
    }
    if after > 0 || unread > 0 {
        reading = reading.cite(tell::inferred(
            root.at,
            Side::Client,
            format!("the server's data was still coming: {} not yet acknowledged", tell::bytes(unread)),
        ));
    }
    Some(
        reading
            .rule_out(Fault::Server, "it was sending when the client closed")
            .rule_out(Fault::Network, "both directions worked up to the close")
            .advise("Ask at the client: a user who pressed stop, a timeout, a size limit, or a bug; the wire cannot tell which.")
            .advise("Compare the client's read timeout with how long the transfer took."),
    )
}

/// Keys show that the response was not whole when the client closed.
fn cut_short(session: &Session, cut: &Cut, root: &Act) -> Option<Box<Reading>> {
    // Who only stopped sending may still have waited for the rest.
    let reset = |act: &Act| act.side == Some(Side::Client) && matches!(act.what, ActKind::Rst(_));
    let reset = reset(root) || session.closing.companions.iter().any(reset);
    let waited_on = session.side(Side::Client).fin.is_none_or(|fin| fin.acknowledged_after > 0);
    if waited_on && !reset {
        return None;
    }
    let quiet = root.at.time.since(cut.at.time);
    let words = exchange::cut_words(session, cut);
    let reading = if quiet < STALLED {
        Reading::new(
            Fault::Client,
            Confidence::Likely,
            Impact::Unknown,
            format!("the client hung up while the server was still sending: {words}"),
        )
        .rule_out(Fault::Server, "it was sending when the client closed")
    } else {
        let what = format!("the client hung up when nothing more of the answer had come for {}: {words}", tell::span(quiet));
        Reading::new(Fault::Undetermined, Confidence::Possible, Impact::Unknown, what)
            .or(Fault::Server, "client-gave-up-waiting", "the server stopped in mid-answer", "the server's log")
            .or(Fault::Client, "client-aborted-transfer", "it no longer wanted the answer", "the client's own log")
    };
    Some(
        reading
            .cite(tell::last_data(session, Side::Server))
            .rule_out(Fault::Network, "both directions worked up to the close")
            .advise("Ask at the client: a user who pressed stop, a timeout, a size limit, or a bug; the wire cannot tell which.")
            .advise("Compare the client's read timeout with how long the transfer took."),
    )
}

/// A server that was silent this long in mid-answer was not just sending.
const STALLED: Span = Span::from_millis(1_800);

/// Data that comes so long after the close was not under way when it was made.
const LATE: Span = Span::from_millis(1_000);

/// So many bytes behind the client's FIN are a last word or two: a GOAWAY, a close frame, the answer to a ping, and a close_notify.
const LAST_WORDS: u64 = 200;

/// Server data this close before the close was still under way.
const RECENT: Span = Span::from_millis(50);

/// The server was in the middle of an answer that is longer than a few records: a short one that was complete looks different.
fn asked_for_more(session: &Session) -> bool {
    session.side(Side::Server).app_bytes > 32_768 && !session.outstanding()
}
