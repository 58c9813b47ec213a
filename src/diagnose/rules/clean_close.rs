//! clean-close: a close_notify came first, and nothing its receiver still owed was cut off.
//!
//! # What it means
//!
//! One side sent a close_notify alert, the polite goodbye of TLS, and nothing that the other side still owed was cut off by what followed.
//! Who sent it first is who ended the session, and that is no fault. RSTs seen afterwards are kernels tidying up sockets that are already
//! closed; they are told as reactions, never as the end. Not flagged; fault `none`, impact `none`.
//!
//! With keys it can turn out that a server said goodbye in the middle of its own HTTP answer (100 of 1000 bytes). The end of TLS was as
//! clean as without that, and the answer was not: fault `server`, impact `data_lost`, and the summary says so.
//!
//! # How it looks in applications
//!
//! - No program reports it as an error. Java `read()` returns -1, Python `recv()` returns `b''`, Go `io.EOF`, Node `'end'`, curl exit code
//!   0.
//! - OpenSSL 3 and OpenSSL 1.1.1: `SSL_read` ends with `SSL_ERROR_ZERO_RETURN`, the good kind of end (pyOpenSSL `ZeroReturnError`). No
//!   `unexpected eof while reading`, no `read:errno=0`.
//! - GnuTLS: `Peer has closed the GnuTLS connection`; rustls reads 0 bytes; .NET, Apache, nginx and HAProxy: nothing.
//! - The side that goes on writing after the peer's goodbye: `Broken pipe`, `EPIPE`, `write: broken pipe`, sometimes
//!   `Connection reset by peer`. Python: `unwrap()` raises `BrokenPipeError`.
//! - Java before 11: `javax.net.ssl.SSLException: Inbound closed before receiving peer's close_notify: possible truncation attack?`, and
//!   Java 11 to 15 `closing inbound before receiving peer's close_notify` (JDK-8253368): raised by the order in which the local program
//!   closes, not by the wire.
//! - Where the application said less than it had announced: curl `transfer closed with 95000 bytes remaining to read`, wget
//!   `Connection closed at byte 5000.`, hyper (rustls) `end of file before message length reached`, .NET `The response ended prematurely.`,
//!   Apache `AH01110`; Firefox shows the half page and no error.
//! - Packet lists show red RST lines although nobody lost a byte.
//!
//! # Why it happens
//!
//! - A response with `Connection: close`, the end of the program, or an orderly shutdown.
//! - Cut short behind a proper goodbye: a proxy whose upstream broke off, a handler that failed and whose framework closed politely.
//! - An idle timer of a server that says goodbye: nginx, Apache and HAProxy in HTTP mode send close_notify and FIN.
//! - The RST after it: the server closed its socket completely, the client politely answers with its own close_notify, and the server's
//!   kernel has nobody to give it to. Very common with nginx, Go, rustls, GnuTLS and Java servers. Two RSTs whose sequence numbers differ
//!   by one stand before and after the FIN; that is normal too.
//! - A client that closes while the server's close_notify lies unread sends RST+ACK instead of FIN, as RFC 1122 asks (seen with curl and
//!   Go).
//! - Java with TLS 1.3 says goodbye in two records, `user_canceled` (90) and close_notify, each 35 bytes long when encrypted.
//!
//! # What to do
//!
//! - **Client**: nothing to repair. Treat `EPIPE` or a reset on a pooled connection that was closed cleanly as "connect again".
//! - **Client, Java**: a program that hangs after the move to TLS 1.3 because it waits for the other half to close wants
//!   `-Djdk.tls.acknowledgeCloseNotify=true` (the duplex close of TLS 1.2).
//! - **Server**: nothing. Who dislikes the RSTs shuts down only the write side and reads until the client's FIN before `close()` (Apache's
//!   lingering close does so; in OpenSSL, `SSL_shutdown()` until it returns 1).
//! - **Proxy / load balancer**: do not raise alarms on bare RST counters; these endings count there too.
//! - **Network**: nothing.
//! - Verify: `openssl s_client -connect host:443 -quiet -ign_eof` ends without an error line. In Wireshark `tls.record.content_type == 21`
//!   shows the alert up to TLS 1.2; with a key log `tls.alert_message.desc == 0` does in every version.
//!
//! # How sure
//!
//! - Proof: the alert read in clear or decrypted (`sent`). Otherwise `likely`: the side's last record before its FIN has exactly the length
//!   of one alert (TLS 1.3: 19 bytes, 11 with CCM_8, 35 with Java).
//! - Looks alike: a fatal alert has the same length, and an alert-sized record after the peer's bare FIN may be a fatal `decode_error`;
//!   then close_notify is `unknown`, not `likely`.
//! - Not this cause: a close_notify settles only its sender's direction. An answer cut in mid-record after the client's half-close is a
//!   truncation.
//! - Nor does it say that all was answered: a server that takes leave politely and owes the answer to the only request leaves the fault
//!   `undetermined`; with keys, `server`.
//! - A server that takes leave as soon as the handshake is over, before it can have read a request, leaves the fault `undetermined`; a client
//!   that does so without a request is `likely`, not certain, to have wanted none: some reject a certificate like this.
//! - In TLS 1.3 without keys, two bytes of application data look like an alert; protocols with two-byte messages (MQTT, WebSocket) stay
//!   `unknown`.
//! - What decides: a key log (`--keylog FILE`) turns `likely` into `sent` or `absent`.
//!
//! # References
//!
//! - RFC 8446 section 6.1 (closure alerts, half-close); RFC 5246 section 7.2.1 (duplex close).
//! - RFC 9293 sections 3.5.2 and 3.6 (reset generation, closing); RFC 1122 section 4.2.2.13; RFC 2525 section 2.17 (RST on close with
//!   unread data).
//! - JSSE Reference Guide: `jdk.tls.acknowledgeCloseNotify`. OpenSSL manual: `SSL_shutdown(3)`.

use crate::base::{Side, Span};
use crate::diagnose::exchange;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Act, CloseNotify, Ending, Phase, Session};
use crate::tls::RECORD_HEADER;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "clean-close",
    group: Group::Harmless,
    summary: "a close_notify came first, and nothing its receiver still owed was cut off",
    usual_fault: "none; server if keys show that it cut its own answer short",
    endings: &[Ending::CloseNotify],
    phases: &[Phase::Established],
    source: include_str!("clean_close.rs"),
    yields_to: &[
        "server-truncated-record",
        "client-truncated-record",
        "client-aborted-transfer",
        "client-gave-up-waiting",
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "zero-window-stall",
        "keepalive-race",
        "server-idle-timeout",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.ending != Ending::CloseNotify || session.phase != Phase::Established {
        return None;
    }
    let root = session.root()?;
    let closer = root.side?;
    if let Some(cut) = session.cut_response().filter(|_| closer == Side::Server) {
        // TLS ended as it should, and HTTP did not: a truncation by the server itself, not by anybody between.
        let what = format!("the server said close_notify in the middle of its own answer: {}", exchange::cut_words(session, cut));
        return Some(
            Reading::new(Fault::Server, Confidence::Likely, Impact::DataLost, what)
                .rule_out(Fault::Network, "a close_notify cannot be made by anybody who has not the keys")
                .advise(format!(
                    "Look into the server's log at {}: an upstream that broke off, a limit, a crash of a handler.",
                    tell::clock(root.at)
                ))
                .advise("Treat what the application got as incomplete."),
        );
    }
    if closer == Side::Server && common::asked_in_vain(session) {
        return Some(unanswered(session));
    }
    if closer == Side::Server && never_served(session, root) {
        return Some(turned_away(session, root));
    }
    // Whoever looks at the certificate after the handshake, and does not like it, leaves like this.
    let empty = closer == Side::Client && session.side(Side::Client).app_records == 0;
    let mut reading = Reading::new(
        Fault::None,
        if session.close_notify[closer] == CloseNotify::Sent && !empty { Confidence::Certain } else { Confidence::Likely },
        Impact::None,
        match closer {
            Side::Client => "the client said close_notify before it closed; what followed is tidying up",
            Side::Server => "the server said close_notify before it closed; what followed is tidying up",
        },
    );
    // It closed while the other side was sending: that went unread.
    if closer == Side::Server && session.crossed_by_request() {
        reading.impact = Impact::Unknown;
        reading.summary =
            "the server said close_notify before it closed, while the client was still sending: what came after it was not read".into();
    }
    if empty {
        reading.summary =
            "the client said close_notify right after the handshake, without having asked for anything: a check, or a spare connection"
                .into();
        reading = reading.or(
            Fault::Undetermined,
            "certificate-rejected",
            "curl, git and others on GnuTLS look at the certificate after the handshake, and take leave like this if they reject it",
            "the client's log",
        );
    }
    if session.close_notify[closer] == CloseNotify::Likely {
        reading = reading.advise("Give the key log of either end to read the alert instead of inferring it from its length and place.");
    }
    Some(reading)
}

/// The server took leave as soon as the handshake was over, and the client's first request crossed its goodbye.
fn never_served(session: &Session, root: &Act) -> bool {
    let client = session.side(Side::Client);
    let at_once = client.first_app.is_some_and(|asked| root.at.time.since(asked.time) < AT_ONCE);
    let asked = client.app_bytes + RECORD_HEADER * u64::from(client.app_records);
    let unread = root.knew.is_some_and(|knew| knew + asked <= client.last_app_end);
    session.crossed_by_request() && unread && at_once
}

/// An idle connection is not closed so soon after it came up.
const AT_ONCE: Span = Span::from_secs(1);

fn turned_away(session: &Session, root: &Act) -> Box<Reading> {
    Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::SessionFailed,
        "the server said close_notify as soon as the handshake was over: the client's first request had not reached it",
    )
    .cite(tell::last_data(session, Side::Client))
    .cite(tell::inferred(root.at, Side::Server, "its goodbye does not acknowledge the request"))
    .rule_out(Fault::Client, "it had not closed, and was waiting")
    .rule_out(Fault::Network, "a close_notify cannot be made by anybody who has not the keys")
    .or(
        Fault::Server,
        "clean-close",
        "what it serves was not there (a TLS terminator whose backend is down), or it was stopping",
        "the log of the terminator at the server's address",
    )
    .or(Fault::None, "clean-close", "it was stopping or reloading: the client tries again, and is served", "the next connections")
    .advise(format!("Look into the log of {} at {}: was its backend reachable?", session.ends.server, tell::clock(root.at)))
}

/// The server took leave properly and owed an answer: what it had said was whole, what it was asked it had not said.
fn unanswered(session: &Session) -> Box<Reading> {
    let known = session.exchange_state().is_some();
    let doubt = if known { "" } else { ", as far as can be told without keys" };
    let reading = Reading::new(
        if known { Fault::Server } else { Fault::Undetermined },
        if known { Confidence::Likely } else { Confidence::Possible },
        if known { Impact::SessionFailed } else { Impact::Unknown },
        format!("the server said close_notify before it closed, and had not answered the client's last request{doubt}"),
    )
    .cite(tell::last_data(session, Side::Client))
    .rule_out(Fault::Client, "it had not closed, and was waiting")
    .rule_out(Fault::Network, "the server had acknowledged the request, and its goodbye came through");
    let reading = if known {
        reading
    } else {
        reading
            .or(
                Fault::Server,
                "clean-close",
                "a limit of its own ended the exchange before the answer was ready (Go: WriteTimeout; an upstream that took too long)",
                "the server's log, or a key log (SSLKEYLOGFILE) of either end",
            )
            .or(Fault::None, "clean-close", "what the client had sent last needed no answer", "what the application speaks")
    };
    reading.advise("Look into the server's log for the client's last request: was it answered, refused, or given up?")
}
