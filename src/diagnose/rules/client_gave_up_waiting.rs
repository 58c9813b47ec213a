//! client-gave-up-waiting: the client closed after a round time in which its request got no answer.
//!
//! # What it means
//!
//! The client sent a request, the server's kernel acknowledged it, and no answer came; after a round number of seconds the client closed.
//! The client hung up, but only because nobody answered: fault `server`, the TCP endpoint at that address, which may be a proxy waiting for
//! its backend. The session must have shown a rhythm of requests and answers, or be HTTP by the names the client offers (ALPN), or one
//! message to port 443, so that "unanswered" means something; without the rhythm it is only `possible`. An answer that stopped in the
//! middle of a record is told here too, with fault `undetermined`: the server, the path or a box may have held the rest back. Impact: the
//! request failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.SocketTimeoutException: Read timed out`; `HttpClient` `java.net.http.HttpTimeoutException: request timed out`,
//!   `HttpConnectTimeoutException: HTTP connect timed out`.
//! - Client, curl: `curl: (28) Operation timed out after 30001 milliseconds with 0 bytes received`; Python
//!   `TimeoutError: The read operation timed out`, requests `ReadTimeout: Read timed out. (read timeout=30)`.
//! - Client, Go: `context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
//!   `net/http: timeout awaiting response headers`; Node `ESOCKETTIMEDOUT`, undici `HeadersTimeoutError`; rustls programs the framework's
//!   own text: reqwest `operation timed out`, ureq `timeout: global`.
//! - Client, wget (GnuTLS): `Read error (Connection timed out) in headers.`; OpenSSL 1.1.1 and OpenSSL 3 have no limit of their own: the
//!   program that uses them says it; Firefox `The connection has timed out`.
//! - Client, .NET: `TaskCanceledException: The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing.`;
//!   Chrome `ERR_TIMED_OUT`; gRPC `DEADLINE_EXCEEDED`.
//! - Proxy in the client's place: nginx `upstream timed out (110: Connection timed out) while reading response header from upstream` (504);
//!   HAProxy `sH` (504); AWS ALB 504; Apache
//!   `(70007)The timeout specified has expired: AH01102: error reading status line from remote server` (502).
//! - Server: an unfinished request, a `broken pipe` when it answers at last, nginx 499.
//!
//! # Why it happens
//!
//! - A slow request: database, lock, remote call, cold start, a report over too much data.
//! - All workers busy: the request waits in a queue that nobody reads.
//! - Limits in the wrong order: the caller's limit below the callee's (client 30 s, application 60 s).
//! - A proxy behind that address waits for a dead backend.
//! - The request was incomplete: the client believes that it sent all, the server waits for the rest (wrong Content-Length).
//!
//! # What to do
//!
//! - **Client**: set limits knowingly: connect, first byte, total: curl `--connect-timeout`, `--max-time`; Java `HttpRequest.timeout`,
//!   `sun.net.client.defaultReadTimeout`; Go `ResponseHeaderTimeout`; Python `timeout=(5, 60)`. Repeat only what is idempotent.
//! - **Server**: find the slow request at that second: access log with duration (`$request_time`, `$upstream_response_time`; Apache `%D`),
//!   thread dump, slow query log; answer long work with 202 and a job, or stream a heartbeat.
//! - **Server**: own limits below the callers' (statement timeouts, gunicorn `--timeout`, Tomcat async timeout), so that the log names the
//!   culprit.
//! - **Proxy / load balancer**: increasing order towards the client: nginx `proxy_read_timeout` (60 s), HAProxy `timeout server`, AWS ALB
//!   idle 60 s, Azure 230 s, Cloudflare origin read 120 s (524), API Gateway 29 s.
//! - **Network**: nothing; the acknowledgement proves that the request arrived.
//! - Verify: `curl -sS -o /dev/null -w '%{time_connect} %{time_starttransfer} %{time_total}\n' https://host/path`. Filter:
//!   `tcp.stream eq N && tcp.len > 0`, column `tcp.time_delta`.
//!
//! # How sure
//!
//! - Signs: request acknowledged, silence of a round length (10, 15, 30, 60, 100, 120 s), the client's close as first closing act; the same
//!   length in several sessions makes it likely.
//! - An ACK proves that the kernel has it, not that the application read it.
//! - Not this cause: one-way senders (syslog over TLS, log shippers), where no answer is ever expected; long polling that ends on schedule.
//! - Looks alike: `client-aborted-transfer` (the answer was coming), `path-black-hole` (the request was never acknowledged),
//!   `server-unresponsive` (later acknowledgements, no rhythm needed).
//! - What decides: the server's access log with durations; a capture behind the proxy.
//!
//! # References
//!
//! - RFC 9110 sections 9.2.2 and 15.6.5; RFC 9112 section 9.5.
//! - HAProxy configuration manual: section 8.5 (`sH`, `CH`); nginx `proxy_read_timeout`; AWS: ALB timeouts.

use crate::base::{At, GapReason, Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-gave-up-waiting",
    group: Group::Established,
    summary: "the client closed after a round number of seconds without an answer",
    usual_fault: "server",
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst],
    phases: &[Phase::Established],
    source: include_str!("client_gave_up_waiting.rs"),
    yields_to: &["zero-window-stall", "capture-incomplete", "client-aborted-transfer", "client-truncated-record"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let root = session.root().filter(|root| session.phase == Phase::Established && root.side == Some(Side::Client))?;
    if let Some((last, waited)) = common::starved(session)
        && matches!(session.ending, Ending::Fin | Ending::CloseNotify | Ending::Rst)
    {
        return Some(half_an_answer(session, last, waited));
    }
    if !matches!(session.ending, Ending::Fin | Ending::CloseNotify | Ending::Rst) || !session.outstanding() {
        return None;
    }
    let (client, server) = (session.side(Side::Client), session.side(Side::Server));
    let asked = client.at_close.last?;
    // What the client acknowledged and the capture lacks may have been the answer; what the server acknowledged, a later request.
    if [server, client].iter().any(|side| side.gaps.iter().any(|(at, _, why)| *why == GapReason::CaptureLoss && *at >= asked)) {
        return None;
    }
    let waited = root.at.time.since(asked.time);
    // A timer, and a protocol in which requests are answered: it had answered before, or is HTTP by its name.
    let rhythm = client.turns > 1 && server.at_close.last_answer.is_some();
    let http = common::asked_in_http(session) && waited >= PATIENCE;
    // A limit on the whole exchange runs from the beginning.
    let round = is_round(waited) || (http && is_round(session.silence_since_open(root.at)));
    if !round || !(rhythm || http) || client.unanswered.is_some_and(|lost| lost.since < root.at) {
        return None;
    }
    // Where the handshake went unseen, the tickets behind it look like answers.
    let joined = common::joined_later(session);
    let fault = if joined { Fault::Undetermined } else { Fault::Server };
    let mut reading = Reading::new(
        fault,
        if rhythm { Confidence::Likely } else { Confidence::Possible },
        Impact::SessionFailed,
        format!(
            "the client gave up after {} without an answer to its last request, which the server's host had acknowledged",
            tell::span(waited)
        ),
    )
    .cite(tell::saw(asked, Side::Client, "the request that was never answered"))
    .cite(tell::inferred(root.at, Side::Client, format!("{} later, a round number: a timer", tell::span(waited))))
    .rule_out(Fault::Network, "the request was acknowledged");
    if joined {
        let (waits, tells) = ("it did not answer in time", "it says what nobody answers, a log or a measurement, and was done");
        reading = reading.or(Fault::Server, "client-gave-up-waiting", waits, "the server's log at that time").or(
            Fault::None,
            "client-gave-up-waiting",
            tells,
            "a capture from the connection's beginning",
        );
    }
    Some(
        reading
            .or(
                Fault::Client,
                "client-gave-up-waiting",
                "its timeout is shorter than the answer may take",
                "how long the server worked on that request, by its log",
            )
            .or(Fault::Proxy, "client-gave-up-waiting", "a load balancer at the server's address whose backend hangs", "its log")
            .advise(format!(
                "Look into the log of {} for the request at {}: how long did it take?",
                session.ends.server,
                tell::clock(asked)
            ))
            .advise("If it may take that long, raise the client's read timeout; otherwise find what the server waited for."),
    )
}

/// The answer stopped in the middle of a record: whoever held it back is not to be seen from here.
fn half_an_answer(session: &Session, last: At, waited: Span) -> Box<Reading> {
    Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::DataLost,
        format!("the client gave up {} after the server's answer had stopped in the middle of a record", tell::span(waited)),
    )
    .cite(tell::saw(last, Side::Server, "the last part of the record that came"))
    .rule_out(Fault::Client, "it was reading, and had waited")
    .or(Fault::Network, "path-black-hole", "the path lost what followed, again and again", tell::capture_at(session, Side::Server))
    .or(Fault::Proxy, "injected-reset", "a box ended the connection towards the server only", tell::capture_at(session, Side::Server))
    .or(Fault::Server, "client-gave-up-waiting", "it stopped sending (a hang, a stopped process)", "its log")
    .advise(format!("Look into the log of {} for what it was sending at {}.", session.ends.server, tell::clock(last)))
}

/// No timer is shorter.
const PATIENCE: Span = Span::from_millis(1_900);

/// As a timer has it: two seconds or more, and no odd part.
fn is_round(waited: Span) -> bool {
    waited >= PATIENCE && (waited.secs() - waited.secs().round()).abs() <= 0.15
}
