//! client-closed-without-close-notify: the client closed with a bare FIN after everything it asked for was answered.
//!
//! # What it means
//!
//! The client closed TCP without a close_notify, at a moment when nothing was outstanding: what it had asked for was answered, and it had
//! acknowledged the answers. The wire is impolite, nobody was hurt. It is flagged, because no goodbye announced the FIN, with fault `none`:
//! this is how browsers and most HTTP libraries close. The server's alert and the client's RST that often follow are reactions to the FIN.
//!
//! # How it looks in applications
//!
//! - Client: nothing at all, whether curl, Chrome, Firefox or a pool.
//! - Server on OpenSSL 3: `unexpected eof while reading` (`error:0A000126`), Python
//!   `ssl.SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol`, stunnel the same text. Such a server
//!   also answers with a fatal `decode_error` (50).
//! - Server on OpenSSL 1.1.1: `SSL_ERROR_SYSCALL` with `errno 0`, usually swallowed; pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`.
//! - Go, Node, Java and .NET servers: nothing, or a quiet end of stream; most answer with their own close_notify. rustls
//!   `peer closed connection without sending TLS close_notify`; gnutls-serv `The TLS connection was non-properly terminated.`
//! - nginx (level info): `client 10.0.0.12 closed keepalive connection`. HAProxy: a normal log line; Apache (info)
//!   `(70014)End of file found: AH01992: SSL library error 6 reading data`.
//! - Windows: Schannel 36887 or 36888 entries may appear for the alert that follows.
//!
//! # Why it happens
//!
//! - Browsers: Chromium never sends close_notify; it drops idle connections with a bare FIN.
//! - Python `close()`, `http.client`, `urllib`, process exit; wget; Node `socket.destroy()`.
//! - Java's HTTP clients at exit of the JVM; connection pools that evict idle sockets.
//! - .NET `HttpClient` and `SslStream.Dispose()`, which send none (only `SslStream.ShutdownAsync()` does).
//! - rustls dropped without `send_close_notify()`.
//!
//! # What to do
//!
//! - **Client**: nothing needed for HTTP, where Content-Length, chunks or END_STREAM say that the answer is complete. For protocols without
//!   such an end mark, close politely: Python `sock.unwrap()`, Node `socket.end()`, Java `SSLSocket.close()`, OpenSSL `SSL_shutdown()`,
//!   .NET `ShutdownAsync()`, rustls `send_close_notify()`.
//! - **Server**: keep the error out of the alarms. OpenSSL 3 takes `SSL_OP_IGNORE_UNEXPECTED_EOF` (Python 3.10 and later:
//!   `ctx.options |= ssl.OP_IGNORE_UNEXPECTED_EOF`) where the protocol carries its own lengths.
//! - **Proxy / load balancer**: log it as a normal end; HAProxy `option dontlognull` and nginx `error_log ... warn` keep the log quiet.
//! - **Network**: nothing. The RST that closes such a session is the client's kernel answering a late alert.
//! - Verify: `tcp.flags.fin == 1 || tcp.flags.reset == 1 || tls.alert_message` on the stream; the first of them is the client's FIN.
//!
//! # How sure
//!
//! - Proof of who: the client's FIN is the first closing act; the server's alert acknowledges a byte count that includes that FIN, so it
//!   came after it.
//! - Complete or not: without keys, completeness is read from the rhythm of requests and answers. With keys, Content-Length and the like
//!   are read, and the impact becomes `none` instead of `unknown`.
//! - Looks alike: `client-aborted-transfer` (data was still coming), a half-close whose sender goes on acknowledging, `probe` (no
//!   application data), and a certificate the client did not like (no answer before the FIN).
//! - Caps: a hole in the client's last bytes may hide a close_notify.
//! - What decides: a key log, or the client's own log.
//!
//! # References
//!
//! - RFC 9112 section 9.8 (incomplete close); RFC 8446 section 6.1.
//! - OpenSSL 3.0 migration guide and `SSL_CTX_set_options(3)`, `SSL_OP_IGNORE_UNEXPECTED_EOF`.
//! - dotnet/runtime issue 44660 (SslStream sends no close_notify on Dispose).

use crate::app::{Cut, Missing, State};
use crate::base::{At, Side, Span};
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::{Protocol, Story};
use crate::session::{Ending, Phase, Session};
use crate::tls::ContentType;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-closed-without-close-notify",
    group: Group::Harmless,
    summary: "the client closed with a bare FIN after everything it asked for was answered",
    usual_fault: "none",
    endings: &[Ending::Fin],
    phases: &[Phase::Established],
    source: include_str!("client_closed_without_close_notify.rs"),
    yields_to: &[
        "client-aborted-transfer",
        "client-truncated-record",
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "server-not-tls",
        "capture-incomplete",
        "client-gave-up-waiting",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let root = session.bare_fin(Side::Client).filter(|_| session.phase == Phase::Established)?;
    let client = session.side(Side::Client);
    if client.app_records == 0 {
        return None;
    }
    if let Some(State::Cut(cut)) = session.exchange_state()
        && cut.from == Side::Client
        && cut.missing == Missing::Bytes
    {
        return Some(cut_short(session, cut, root.at));
    }
    if quit(session, root.at) {
        return Some(took_leave(session, root.at));
    }
    if session.outstanding() {
        return Some(unanswered(session));
    }
    Some(
        Reading::new(
            Fault::None,
            Confidence::Likely,
            Impact::None,
            if session.exchange_complete() || session.exchange_state().is_none() {
                "the client closed with a bare FIN, after all it had asked for was answered: browsers, Python, wget and pooled connections do so".to_owned()
            } else {
                format!("the client closed with a bare FIN{}", exchange::aside(session))
            },
        )
        .cite(tell::last_data(session, Side::Server))
        .cite(tell::inferred(root.at, Side::Client, "nothing was outstanding: the server spoke last"))
        .rule_out(Fault::Server, "it had answered and had not closed")
        .rule_out(Fault::Network, "both directions worked up to the close")
        .advise("Nothing: a client may close like this once it has its answer (RFC 9112 section 9.8).")
        .advise("If the server logs this as an error, let the client call its library's TLS shutdown before it closes the socket."),
    )
}

/// Keys show that the request was not whole.
fn cut_short(session: &Session, cut: &Cut, close: At) -> Box<Reading> {
    let left = cut.need.map_or(0, |need| need.saturating_sub(cut.have));
    Reading::new(
        Fault::Client,
        Confidence::Certain,
        Impact::DataLost,
        format!("the client closed with a bare FIN in the middle of its own request: {}", exchange::cut_words(session, cut)),
    )
    .cite(tell::missing(close, Side::Client, left, "the rest of the request, never sent").filter(|_| left > 0))
    .rule_out(Fault::Server, "it had not closed, and could not answer what had not ended")
    .rule_out(Fault::Network, "every byte before the FIN arrived here in sequence: nothing of the request was lost on the way")
    .advise(format!("Look into the log of the client ({}) at {}: a crash, a kill, a timeout.", session.ends.client, tell::clock(close)))
    .advise("Let the server treat what it got as incomplete.")
}

/// A MySQL client's last message is as long as its COM_QUIT, and the FIN comes with it: it wants no answer, and gets none.
fn quit(session: &Session, close: At) -> bool {
    let mysql = session.prelude.as_deref().and_then(Story::talk).is_some_and(|talk| talk.protocol == Protocol::Mysql);
    let last = session.side(Side::Client).last_record.filter(|record| mysql && record.typ == ContentType::APPLICATION_DATA.0);
    last.is_some_and(|record| QUIT.contains(&record.len) && close.time.since(record.at.time) < AT_ONCE)
}

/// Five bytes in a record of TLS 1.3, of TLS 1.2 with AES-GCM or CCM, and with ChaCha20.
const QUIT: [u16; 3] = [22, 29, 21];
/// Whoever asks something waits longer than this for the answer.
const AT_ONCE: Span = Span::from_millis(100);

fn took_leave(session: &Session, close: At) -> Box<Reading> {
    Reading::new(
        Fault::None,
        Confidence::Likely,
        Impact::None,
        "the MySQL client took leave in its own protocol (COM_QUIT) and closed with a bare FIN: its library says no close_notify",
    )
    .cite(tell::last_data(session, Side::Client))
    .cite(tell::inferred(close, Side::Client, "its last message is as long as a COM_QUIT, which wants no answer"))
    .rule_out(Fault::Server, "it had not closed")
    .rule_out(Fault::Network, "both directions worked up to the close")
    .advise("Nothing: the server has read the COM_QUIT, and knows that the session is over.")
}

/// The client spoke last: it wanted no answer, or would not wait for it.
fn unanswered(session: &Session) -> Box<Reading> {
    Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::Unknown,
        "the client closed with a bare FIN while what it had sent last was unanswered: a timeout, a user, or a message that wants no answer",
    )
    .cite(tell::last_data(session, Side::Client))
    .rule_out(Fault::Network, "both directions worked up to the close")
    .or(Fault::Client, "client-aborted-transfer", "it gave up in the middle of what it was doing", "the client's own log")
    .or(
        Fault::Server,
        "client-gave-up-waiting",
        "the server took longer than the client would wait",
        "the client's timeout, and the server's log",
    )
    .or(Fault::None, "client-closed-without-close-notify", "the protocol needs no answer to it", "what the application speaks")
    .advise("Ask at the client what ended it, and look into the server's log for the last request.")
}
