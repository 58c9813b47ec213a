//! server-unresponsive: the server's kernel went on acknowledging, its application never answered.
//!
//! # What it means
//!
//! The ClientHello (or a request) was acknowledged, and later packets of the client were acknowledged too, so the path works in both
//! directions and the host is alive; but not one byte of answer came until somebody gave up. The application behind the socket hangs: fault
//! `server`, the TCP endpoint at that address, which may be a load balancer that waits for its backend. Who finally closed (mostly the
//! client) is not to blame. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.SocketTimeoutException: Read timed out`; `HttpClient`: `HttpConnectTimeoutException: HTTP connect timed out`
//!   or `HttpTimeoutException: request timed out`.
//! - Client, curl: `curl: (28) Connection timed out after 30001 milliseconds`, `curl: (28) SSL connection timeout`,
//!   `Operation timed out after 30000 milliseconds with 0 bytes received`.
//! - Client, Python: `TimeoutError: _ssl.c:989: The handshake operation timed out`, `The read operation timed out`.
//! - Client, Go: `net/http: TLS handshake timeout`, `i/o timeout`, `context deadline exceeded`; Node only a `timeout` event; Chrome
//!   `ERR_TIMED_OUT`; Firefox `The connection has timed out` (in the handshake; for an answer it waits 300 seconds).
//! - Client, .NET: `The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing`; reqwest (rustls)
//!   `operation timed out`, ureq `timeout: global`, a blocking rustls socket `Resource temporarily unavailable (os error 11)`; wget
//!   (GnuTLS) `Read error (Connection timed out) in headers.`, in the handshake only `Unable to establish SSL connection.`
//! - Client, OpenSSL 3 and OpenSSL 1.1.1 s_client, gnutls-cli, git: no word; they wait for ever.
//! - Proxy in the client's place: nginx `upstream timed out (110: Connection timed out) while SSL handshaking to upstream` with 504;
//!   HAProxy `sH` with 504; Apache `(70007)The timeout specified has expired: AH01102: error reading status line from remote server` with
//!   502, in the handshake `AH00898` with 500.
//! - Server: nothing before the close; then `unexpected eof while reading`, `EOF` or a broken pipe.
//!
//! # Why it happens
//!
//! - All workers or threads are busy or blocked: database locks, exhausted pools, a garbage collection pause, a deadlock. The kernel
//!   accepts, nobody calls `accept()` or `read()`.
//! - The process is stopped (`SIGSTOP`, debugger, frozen container) or swapping.
//! - TLS itself waits: an HSM or key server, OCSP or CRL fetch, DNS lookup of the client, entropy on small devices.
//! - A load balancer that accepts at once and waits for a backend that does not answer.
//! - Handshakes done in a single thread behind a slow client.
//! - The server speaks no TLS and waits for the end of what it takes for a command: Redis without TLS never answers a ClientHello, and
//!   redis-cli waits for ever.
//!
//! # What to do
//!
//! - **Client**: limits and retries with back-off and jitter, so that a hang does not become a flood; shorter connect limits than request
//!   limits.
//! - **Server**: take the state while it hangs: `jstack PID` (Java), `kill -QUIT PID` (a Go program prints its stacks and ends),
//!   `py-spy dump --pid PID`, `gdb -p`, `ss -ltn` (Recv-Q of the listener grows), `vmstat 1`. Then enlarge or unblock: Tomcat `maxThreads`,
//!   `acceptCount`; gunicorn `--workers`, `--timeout`; reverse lookups off (`HostnameLookups Off`).
//! - **Server**: liveness checks that go through the application, not only TCP.
//! - **Proxy / load balancer**: HAProxy `timeout server`, `timeout queue`, `maxconn` on the server line; nginx `proxy_read_timeout`,
//!   `max_fails` / `fail_timeout`; `option httpchk` with `timeout check`.
//! - **Network**: nothing; the acknowledgements prove that it carries packets.
//! - Verify: `time openssl s_client -connect host:443 -servername host </dev/null` hangs after `CONNECTED`. Filter:
//!   `tcp.analysis.keep_alive_ack || tcp.len > 0`.
//!
//! # How sure
//!
//! - Proof: an acknowledgement from the server *after* the silence began (of a keep-alive, a later segment or the client's FIN), and no
//!   payload.
//! - Without a later acknowledgement the path may have died instead: that is a stall, `undetermined` (`path-black-hole`).
//! - Such an ACK also tells how much its sender had sent: if that is more than came by, it did answer, and the answer was lost
//!   (`path-black-hole`).
//! - An ACK proves that the kernel received, not that the application read.
//! - Looks alike: `client-gave-up-waiting` (the same in an established session with a rhythm of requests), `path-mtu-black-hole` (the
//!   answer is retransmitted and lost), `backend-down-behind-proxy` (a FIN after a round pause).
//! - What decides: a thread dump; on load balancers the backend's own capture.
//!
//! # References
//!
//! - RFC 9293 sections 3.8.4 and 3.8.6; RFC 1122 section 4.2.3.6 (keep-alives).
//! - HAProxy configuration manual: `timeout server`, `timeout queue`; nginx `proxy_read_timeout`.

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-unresponsive",
    group: Group::Handshake,
    summary: "what the client sent was acknowledged and never answered: the application hangs, the network works",
    usual_fault: "server",
    endings: &[Ending::Stall],
    phases: Phase::ALL,
    source: include_str!("server_unresponsive.rs"),
    yields_to: &["client-not-tls", "zero-window-stall", "path-mtu-black-hole", "starttls-refused"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (client, server) = (session.side(Side::Client), session.side(Side::Server));
    // Its answer was lost on the way: its later packets say that there was one.
    if session.ending != Ending::Stall || client.bytes == 0 || client.unanswered.is_some() || server.swallowed() {
        return None;
    }
    if session.root().is_none() {
        return (server.bytes == 0 && session.tls.client_hello_at.is_some()).then(|| waiting(session));
    }
    let asked = session.tls.client_hello_at.or(client.first_data)?;
    let gave_up = session.root().filter(|root| root.side == Some(Side::Client))?;
    // Acknowledging still at the end: the host and the path were alive all the time.
    let answered = server.first_data.is_some_and(|answer| answer < gave_up.at);
    let later = server.last_packet.filter(|last| last.time.since(asked.time) > LATER)?;
    // What the client acknowledged it had got, whether this capture has it or not.
    let heard = session.prelude.is_none() && gave_up.knew.is_some_and(|knew| knew > 0);
    if answered || heard {
        return None;
    }
    let waited = gave_up.at.time.since(asked.time);
    // Behind a tunnel's proxy it may be the proxy, or what it waits for.
    let direct = session.tunnel().is_none();
    Some(
        Reading::new(
            if direct { Fault::Server } else { Fault::Undetermined },
            if direct { Confidence::Likely } else { Confidence::Possible },
            Impact::SessionFailed,
            format!(
                "the server's host acknowledged the {} and its application never answered; the client gave up after {}",
                if session.phase == Phase::Tunneling { "request" } else { "ClientHello" },
                tell::span(waited)
            ),
        )
        .cite(tell::saw(asked, Side::Client, "what was never answered"))
        .cite(tell::saw(later, Side::Server, "still acknowledging: the path and the server's kernel work"))
        .rule_out(Fault::Network, "acknowledgements came back until the end")
        .rule_out(Fault::Client, "it waited, then gave up")
        .or(
            Fault::Proxy,
            "backend-down-behind-proxy",
            "a load balancer at this address whose backend does not answer looks the same",
            "the load balancer's log",
        )
        .advise(format!(
            "On the server {}: is the process stuck (all workers busy, a full accept queue: ss -ltn shows Recv-Q)?",
            session.ends.server
        )),
    )
}

/// The capture ended while the client was still waiting.
fn waiting(session: &Session) -> Box<Reading> {
    let waited = common::since_hello(session, session.last).unwrap_or(Span::ZERO).max(session.capture_end.since(session.last.time));
    Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::SessionFailed,
        format!("the ClientHello was acknowledged and not answered for {} when the capture ended", tell::span(waited)),
    )
    .cite(tell::client_hello(session))
    .or(
        Fault::Server,
        "server-unresponsive",
        "its application hangs",
        "a longer capture: later acknowledgements show that the host is alive",
    )
    .or(Fault::Network, "path-black-hole", "the path has broken since", tell::capture_at(session, Side::Server))
    .advise("Capture for longer, until the client gives up.")
}

/// An acknowledgement this long after the question is no longer the acknowledgement of the question.
const LATER: Span = Span::from_millis(500);
