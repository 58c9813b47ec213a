//! server-idle-timeout: the server closed after a silence with nothing outstanding.
//!
//! # What it means
//!
//! Nothing was outstanding, both sides were silent for a while, and then the server closed: an idle timer. It may do so at any time, and a
//! client must expect it: fault `none`. If the close came without a close_notify it is flagged and the verdict says so; nothing was lost.
//! Harm begins only where the client sends its next request into the closing connection (`keepalive-race`). The length of the silence is
//! given, with the timers known to have it.
//!
//! # How it looks in applications
//!
//! - Client: usually nothing; a pool notices and drops the connection. Read loops see the end of the stream: -1, `b''`, `EOF`, `'end'`.
//! - Client, after a bare FIN: OpenSSL 3 `unexpected eof while reading`; OpenSSL 1.1.1 `read:errno=0`, pyOpenSSL
//!   `SysCallError: (-1, 'Unexpected EOF')`; rustls `peer closed connection without sending TLS close_notify`; GnuTLS
//!   `The TLS connection was non-properly terminated.`; Python with `suppress_ragged_eofs=False` `SSLEOFError`.
//! - Client, at its next request: Apache HttpClient `NoHttpResponseException`, Node `socket hang up`, Python `RemoteDisconnected`, Java
//!   `Unexpected end of file from server`, Go `http: server closed idle connection`.
//! - Firefox, .NET, reqwest and ureq (rustls), Apache, nginx and HAProxy as proxies, and often Chrome, take a new connection for the next
//!   request and say nothing.
//! - Database and queue clients: `Connection is closed`,
//!   `The last packet successfully received from the server was 28,801,234 milliseconds ago` (MySQL `wait_timeout` 28800 s),
//!   `missed heartbeats`; libpq `FATAL:  terminating connection due to idle-session timeout`,
//!   `SSL connection has been closed unexpectedly`; MariaDB `ERROR 2006 (HY000): Server has gone away` (after `wait_timeout` it resets the
//!   connection: `server-reset`).
//! - Mail clients: `421 4.4.2 mail.example Error: timeout exceeded` (Postfix), `* BYE` (IMAP).
//! - Server: nothing, or at debug level: HAProxy `cD`, IIS `Timer_ConnectionIdle`, Apache nothing, nginx (debug) only.
//!
//! # Why it happens
//!
//! - 2 s gunicorn; 5 s Apache `KeepAliveTimeout`, Node (5 s, on the wire 6.0 s in recent 20.x because of a 1 s buffer; 65 s in the newest
//!   releases), uvicorn; 10 s HAProxy in common configurations.
//! - 20 s Tomcat (stock `server.xml`); 30 s Jetty; 50 s or 60 s HAProxy `timeout client` in common configurations; 60 s AWS ALB and Classic
//!   ELB.
//! - 65 s or 75 s nginx (`keepalive_timeout`: stock file, built-in default); 65 s OCI load balancer; 90 s Azure Front Door; 120 s IIS /
//!   HTTP.sys, Squid towards clients; 130 s Kestrel.
//! - 240 s Azure Application Gateway; 300 s F5 TCP profile; 350 s AWS NLB TLS listener; 400 s Cloudflare; 600 s nginx `stream`, 610 s
//!   Google external load balancers; 3600 s Envoy; 43200 s stunnel. Go servers have none by default.
//! - A FIN without close_notify at such a time, from a server that otherwise sends one, points to a TCP-mode proxy in front (HAProxy
//!   `mode tcp`, nginx `stream`): it cannot make a close_notify. Node's https server sends a bare FIN by itself.
//!
//! # What to do
//!
//! - **Client**: who waits longer must change: pool timer below the server's. Go `http.Transport.IdleConnTimeout` 90 s; Java
//!   `-Djdk.httpclient.keepalive.timeout=` (seconds), `-Dhttp.keepAlive.time.server=`; Apache HttpClient `setConnectionTimeToLive`,
//!   `evictIdleConnections`; .NET `SocketsHttpHandler.PooledConnectionIdleTimeout`; Node agent `timeout`; HikariCP `maxLifetime`,
//!   `keepaliveTime`.
//! - **Client**, long sessions: application heartbeats below the timer: WebSocket ping, gRPC `keepalive_time`, MQTT keep-alive, AMQP
//!   heartbeat, SSH `ServerAliveInterval`.
//! - **Server**: longer, if clients suffer: nginx `keepalive_timeout 75s`, Apache `KeepAliveTimeout 65`, Node
//!   `server.keepAliveTimeout = 65000`, Tomcat `keepAliveTimeout`, Jetty `idleTimeout`, Kestrel `KeepAliveTimeout`, IIS connection
//!   time-out. Behind a load balancer always longer than *its* timer.
//! - **Proxy / load balancer**: HAProxy `timeout http-keep-alive`, `timeout client`, `timeout tunnel 1h`; AWS ALB
//!   `idle_timeout.timeout_seconds`; nginx stream `proxy_timeout 10m`; Envoy `idle_timeout`.
//! - **Network**: TCP keep-alives do not reset an application's timer; they only help against boxes.
//! - **Server**, databases and mail: PostgreSQL `idle_session_timeout`, MariaDB and MySQL `wait_timeout`, Redis `timeout`, Postfix
//!   `smtpd_timeout`.
//! - Verify: send one request in `openssl s_client -connect host:443 -crlf -quiet`, wait, and note the seconds until it ends. Filter:
//!   `tcp.flags.fin == 1`, column `tcp.time_delta`.
//!
//! # How sure
//!
//! - Signs: a silence, nothing outstanding, the server's close first; a match with a known timer (within 1 s or 1 %) or the same gap in
//!   three or more sessions makes it likely.
//! - A last word (421, `FATAL`, an error) before the close is taken for what it is in SMTP, IMAP, POP3, FTP, PostgreSQL and MySQL after
//!   STARTTLS or its like, and so is a single short record where HTTP/2 is offered (GOAWAY); elsewhere it may be the end of an answer, and
//!   the cause is then `clean-close`.
//! - A match only suggests an owner: 60, 300 and 3600 s have many.
//! - Looks alike: `middlebox-idle-timeout` (a RST or silence to the *next* packet, the server never closed),
//!   `server-closed-without-close-notify` (something was owed), `keepalive-race` (a request crossed).
//! - A connection on which the client never said a word (opened in advance, forgotten) and which the server closes is one too: `possible`, for
//!   what the client said may have been lost before the point of capture.
//! - Without keys, "nothing outstanding" is read from the rhythm of requests and answers; server push or long polling may mislead it.
//! - What decides: the configured timer of the server and of the proxy in front.
//!
//! # References
//!
//! - RFC 9112 sections 9.3 and 9.5; RFC 9113 section 9.1.
//! - nginx `keepalive_timeout`; Apache `KeepAliveTimeout`; HAProxy `timeout http-keep-alive`; Node.js `server.keepAliveTimeout`; AWS: NLB
//!   and ALB idle timeout.
//! - Cloudflare: connection limits; Google Cloud: load balancing request distribution; Envoy FAQ: timeouts.

use crate::base::{At, Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::{Protocol, Story};
use crate::session::{ActKind, Ending, Phase, Rst, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-idle-timeout",
    group: Group::Established,
    summary: "the server closed after a silence with nothing outstanding",
    usual_fault: "none",
    endings: Ending::ALL,
    phases: &[Phase::Connecting, Phase::Established],
    source: include_str!("server_idle_timeout.rs"),
    yields_to: &[
        "server-truncated-record",
        "client-truncated-record",
        "client-aborted-transfer",
        "zero-window-stall",
        "proxy-tunnel-cut",
        "capture-incomplete",
        "keepalive-race",
        "server-process-died",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.phase == Phase::Connecting {
        return never_spoken(session);
    }
    let root = session.root().filter(|root| session.phase == Phase::Established && root.side == Some(Side::Server))?;
    let said = match session.ending {
        Ending::Fin if root.what == ActKind::Fin => false,
        Ending::CloseNotify => true,
        _ => return None,
    };
    // What ends the silence may be an answer, with the close right behind it.
    let answered = session.side(Side::Server).last_app.is_some_and(|last| root.at.time.since(last.time) < IDLE);
    let last_word = last_word(session, root.at);
    let quiet = match last_word {
        Some((before, after)) => after.time.since(before.time),
        None => session.silence_before(root.at).filter(|_| !answered)?,
    };
    let idle = quiet >= IDLE && session.round_trip().is_none_or(|rtt| quiet.nanos() > rtt.nanos().saturating_mul(4));
    if !idle
        || session.outstanding()
        || session.cut_response().is_some()
        || session.side(Side::Server).app_records == 0
        || session.side(Side::Client).swallowed()
    {
        return None;
    }
    let how = match (said, last_word) {
        (true, None) => "politely, with a close_notify,",
        (true, Some(_)) => "politely, with a last word and a close_notify,",
        (false, None) => "with a bare FIN",
        (false, Some(_)) => "with a last word and a bare FIN",
    };
    let mut reading = Reading::new(
        Fault::None,
        Confidence::Likely,
        Impact::None,
        format!("the server closed {how} after {} of silence with nothing outstanding", tell::span(quiet)),
    )
    .cite(match last_word {
        Some((before, _)) => tell::saw(before, Side::Server, "its last data before the silence"),
        None => tell::last_data(session, Side::Server),
    })
    .cite(last_word.and_then(|(_, after)| tell::saw(after, Side::Server, "its last word, which nobody had asked for")))
    .cite(tell::inferred(root.at, Side::Server, format!("{} after the last data of either side", tell::span(quiet))))
    .rule_out(Fault::Client, "it had not closed, and waited for nothing");
    if !said {
        reading = reading.or(
            Fault::Proxy,
            "middlebox-idle-timeout",
            "a proxy in TCP mode with an idle timer closes like this: it cannot say close_notify for the server",
            tell::capture_at(session, Side::Server),
        );
    }
    Some(
        reading
            .advise("Let the client give up idle connections sooner than the server does, or send something in between.")
            .advise("If an error was reported, the client had tried to use the connection again: retry once on a fresh one."),
    )
}

/// What the server said unasked at the end of a silence, with its close right behind: from when to when it had been silent. Mail servers and
/// databases say why they close (`421`, `FATAL 57P05`). Elsewhere this may be the rest of an answer that took long; in their protocols an
/// answer is not interrupted for so long, and the question is known to have been answered before the silence.
fn last_word(session: &Session, close: At) -> Option<(At, At)> {
    let (server, client) = (session.side(Side::Server), session.side(Side::Client));
    let conversation = || session.prelude.as_deref().and_then(Story::talk).is_some_and(|talk| CONVERSATIONS.contains(&talk.protocol));
    let (before, after) = server.pause.filter(|(_, after)| conversation() || common::goaway(session, *after))?;
    let unasked = client.last_data_before(close).is_some_and(|asked| asked < before);
    let at_once = after <= close && close.time.since(after.time) < AT_ONCE;
    (unasked && at_once && after.time.since(before.time) >= IDLE).then_some((before, after))
}

/// Protocols in which the client asks and the server answers, in turns.
const CONVERSATIONS: [Protocol; 6] = [Protocol::Smtp, Protocol::Imap, Protocol::Pop3, Protocol::Ftp, Protocol::Postgres, Protocol::Mysql];
/// The close comes with the last word.
const AT_ONCE: Span = Span::from_millis(200);

/// A connection on which the client never said a word: opened in advance, or forgotten.
fn never_spoken(session: &Session) -> Option<Box<Reading>> {
    let root = session.root().filter(|root| root.side == Some(Side::Server))?;
    let up = session.up_before(root.at)?;
    let closed = root.what == ActKind::Fin || session.root_rst(Side::Server).is_some_and(Rst::fits_sender);
    let (client, server) = (session.side(Side::Client), session.side(Side::Server));
    let waited = session.silence_since_open(root.at);
    // What the client sent may have been lost on its way here: its later packets then tell how much.
    if !closed || client.bytes > 0 || server.bytes > 0 || client.swallowed() || session.prelude.is_some() || waited < IDLE {
        return None;
    }
    Some(
        Reading::new(
            Fault::None,
            Confidence::Possible,
            Impact::None,
            format!("the server closed a connection on which the client had not said a word for {}", tell::span(waited)),
        )
        .cite(tell::inferred(up, Side::Client, "the connection is up"))
        .cite(tell::inferred(root.at, Side::Server, format!("{} later, and not a byte from either side", tell::span(waited))))
        .rule_out(Fault::Server, "it was owed a ClientHello, and waited for it")
        .or(
            Fault::Network,
            "path-black-hole",
            "the path swallows what the client sends, if this was not captured at the client",
            tell::capture_at(session, Side::Client),
        )
        .advise(
            "Nothing, if the client opens connections in advance (browsers, pools): they cost a socket each, until such a timer ends them.",
        )
        .advise("If the client did speak, capture at the client: what it sent is not here."),
    )
}

/// Shorter pauses are part of an exchange.
const IDLE: Span = Span::from_millis(1_800);
