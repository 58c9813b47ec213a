//! handshake-rejected: a fatal alert ended the handshake for a reason that has no page of its own.
//!
//! # What it means
//!
//! One side ended the handshake with a fatal alert that fits none of the specific causes. The verdict quotes it verbatim: its number, who
//! sent it, and after which message. An alert's sender is the one who noticed something, not necessarily the one who caused it: fault
//! `undetermined`. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Received fatal alert: internal_error` (or another name); 10 becomes
//!   `SSLProtocolException`; 20, 22, 80 and 86 `SSLException`; 90 reads `Received fatal close_notify alert`; close_notify itself
//!   `Received close_notify during handshake`.
//! - Client, OpenSSL, Python, curl: `tlsv1 alert internal error` (80), `sslv3 alert unexpected message` (10),
//!   `sslv3 alert illegal parameter` (47), `tlsv1 alert decode error` (50), `tlsv1 alert decrypt error` (51), `tlsv1 alert access denied`
//!   (49), with `SSL alert number N`; newer OpenSSL `ssl/tls alert ...` for `sslv3 alert ...`. The error code is `0A0003E8` plus the number
//!   (in hex).
//! - Client, Go: `remote error: tls: internal error`, `tls: illegal parameter`, `tls: error decrypting message`; rustls
//!   `received fatal alert: InternalError`; GnuTLS, wget `Received alert [80]: Internal error`, git
//!   `gnutls_handshake() failed: Internal error`; Node `ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR`.
//! - OpenSSL 1.1.1: `error:14094438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error` (`140943E8` plus the number, in hex); .NET on
//!   Linux `SSL Handshake failed with OpenSSL error - SSL_ERROR_SSL`, below it OpenSSL's words; Windows
//!   `The message received was unexpected or badly formatted`, Schannel 36887 (received) and 36888 (generated) with the number.
//! - Chrome `ERR_SSL_PROTOCOL_ERROR`; Firefox `SSL_ERROR_INTERNAL_ERROR_ALERT`, `SSL_ERROR_DECODE_ERROR_ALERT`.
//! - Proxy in the client's place: nginx
//!   `SSL_do_handshake() failed (SSL: ... tlsv1 alert internal error:SSL alert number 80) while SSL handshaking to upstream` with 502;
//!   HAProxy `SC` with 503; Apache `AH00898: Error during SSL Handshake with remote server`, at level info the alert.
//! - The sender's own log has the reason in words; the receiver's has only the number.
//!
//! # Why it happens
//!
//! - 80 `internal_error`: the sender's trouble: unreadable key, HSM or keystore failure, out of memory, no certificate for that name at
//!   some CDNs, a bug.
//! - 50 `decode_error`: a malformed or cut message; OpenSSL 3 also sends it when the *other side closed first*; then it is only a reaction
//!   and another cause is reported.
//! - 47 `illegal_parameter`, 109, 110: one stack breaks a rule the other insists on; seen with post-quantum, resumption or
//!   HelloRetryRequest bugs and with boxes that rewrite the hello.
//! - 51 `decrypt_error`, 20 `bad_record_mac`: Finished, signature or PSK binder does not verify: changed on the way, wrong key, HSM signing
//!   RSA-PSS wrongly.
//! - 10 `unexpected_message`: bytes out of order or not TLS; GnuTLS sends it for a closed connection.
//! - 86 `inappropriate_fallback`: the client came back with a lower version after a failure: look at the connection *before*.
//! - 49 `access_denied`, 115 `unknown_psk_identity`, 121 `ech_required`: policy, PSK configuration, stale ECH keys. 90 `user_canceled`:
//!   somebody closed (Java on timeout).
//!
//! # What to do
//!
//! - **Sender's side** (named in the verdict): read its log at that second: Java `-Djavax.net.debug=ssl:handshake`, nginx
//!   `error_log ... info`, HAProxy `log-format` with `%[ssl_fc_err_str]`, Windows `EventLogging` = 7 under `SCHANNEL`.
//! - **Client**: try a second stack (`openssl s_client`, `curl`, browser): if one passes, compare the ClientHellos. Try `-tls1_2`, without
//!   session tickets (`-no_ticket`), with classic groups (`-groups X25519:P-256`).
//! - **Server**: check key and certificate: `openssl pkey -check`, file rights after renewal, HSM session; update the TLS library.
//! - **Proxy / load balancer**: bypass it once; a box that rewrites hellos shows as 47, 50 or 51 on one path only.
//! - **Network**: only with corruption (`bad_record_mac`) and when other paths work.
//! - Verify: filter `tls.alert_message.level == 2`, with `tls.alert_message.desc`;
//!   `openssl s_client -connect host:443 -servername host -state -msg`.
//!
//! # How sure
//!
//! - Certain: the alert read in clear or decrypted, its sender and place.
//! - `likely`: a sealed record of alert length in place of the rest of a flight; its number is unknown without keys.
//! - In TLS 1.3 the level byte means nothing: every alert but 0 and 90 is fatal.
//! - Looks alike: an alert that answers a FIN is a reaction: its ACK number covers the FIN.
//! - What decides: the sender's log, or a key log.
//!
//! # References
//!
//! - RFC 8446 section 6 (alert protocol) and 6.2; RFC 5246 section 7.2.2; RFC 7507; RFC 9849 (ECH).
//! - IANA registry "TLS Alerts". HAProxy configuration manual: `ssl_fc_err_str`.

use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "handshake-rejected",
    group: Group::Handshake,
    summary: "another fatal alert in the handshake, told verbatim",
    usual_fault: "undetermined",
    endings: &[Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("handshake_rejected.rs"),
    yields_to: &[
        "protocol-version-mismatch",
        "cipher-mismatch",
        "certificate-expired",
        "certificate-untrusted",
        "certificate-rejected",
        "client-certificate-required",
        "client-certificate-rejected",
        "sni-rejected",
        "alpn-mismatch",
        "server-not-tls",
        "client-not-tls",
        "record-corruption",
        "tls-interception",
        "starttls-refused",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.ending != Ending::FatalAlert {
        return None;
    }
    let (side, at, what) = match (session.root_alert(), session.root_sealed_fatal()) {
        (Some((side, alert, at)), _) => (side, at, tell::alert(alert)),
        (None, Some((side, at))) => (side, at, "an encrypted fatal alert".to_owned()),
        _ => return None,
    };
    let unfinished = session.phase != Phase::Established;
    // An encrypted alert in place of the server's first answer is the end of its handshake, whatever phase that makes it.
    let instead = session.root_sealed_fatal().is_some_and(|(side, _)| session.side(side).app_records == 0);
    if !unfinished && !instead {
        return None;
    }
    let after = common::last_step(session, at);
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("the {side} ended the handshake with {what}, {after}"),
        )
        .cite(tell::client_hello(session))
        .cite(tell::saw(at, side, what))
        .rule_out(Fault::Network, "both sides spoke and were heard")
        .or(
            Fault::from(side),
            "handshake-rejected",
            "its own configuration or software",
            format!("the {side}'s log at {}", tell::clock(at)),
        )
        .or(
            Fault::from(side.peer()),
            "handshake-rejected",
            "it sent what the other could not accept",
            format!("the {side}'s log at {}", tell::clock(at)),
        )
        .advise(format!("Look into the log of the {side} ({}) at {}: it knows why it sent the alert.", session.ends[side], tell::clock(at)))
        .advise("Give the key log of either end if the alert is encrypted."),
    )
}
