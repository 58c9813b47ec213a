//! fatal-alert: a fatal alert ended an established session.
//!
//! # What it means
//!
//! After a complete handshake one side sent a fatal alert as the first closing act. The alert is quoted verbatim: who sent it, number and
//! name, or "sealed" without keys. The sender is the one who noticed trouble, not necessarily the one who made it: fault `undetermined`. An
//! alert that merely answers the other side's FIN is a reaction and is not this cause. Impact: the session failed at that point.
//!
//! # How it looks in applications
//!
//! - Receiver, Java: `javax.net.ssl.SSLException: Received fatal alert: bad_record_mac` (or another name); 10 becomes
//!   `SSLProtocolException`.
//! - Receiver, OpenSSL, Python, curl, Node: `sslv3 alert bad record mac` (newer `ssl/tls alert bad record mac`),
//!   `tlsv1 alert internal error`, `tlsv1 alert decode error`, `sslv3 alert unexpected message`, `tlsv1 alert no renegotiation`,
//!   `tlsv13 alert certificate required`, each with `SSL alert number N`.
//! - Receiver, Go: `remote error: tls: bad record MAC`, `remote error: tls: internal error`, `local error: tls: bad record MAC` (own
//!   finding); rustls `received fatal alert: BadRecordMac`; GnuTLS `A TLS fatal alert has been received.` and
//!   `Received alert [20]: Bad record MAC`, git `GnuTLS recv error (-12)`; OpenSSL 1.1.1
//!   `error:140943FC:SSL routines:ssl3_read_bytes:sslv3 alert bad record mac`.
//! - Receiver, .NET: `The decryption operation failed`, below it OpenSSL's words; on Windows
//!   `The message received was unexpected or badly formatted`, Schannel 36887 with the number; Chrome `ERR_SSL_PROTOCOL_ERROR`,
//!   `ERR_BAD_SSL_CLIENT_AUTH_CERT`; Firefox `SSL_ERROR_BAD_MAC_ALERT`, `SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT`; Apache (info)
//!   `AH01992: SSL library error 1 reading data`, then the alert.
//! - Proxy in the receiver's place: nginx `SSL_read() failed (SSL: ... sslv3 alert bad record mac:SSL alert number 20)` with 502; HAProxy
//!   `SH`.
//! - Sender: its own log has the reason: OpenSSL `decryption failed or bad record mac`, `unexpected message`,
//!   `unexpected eof while reading`; Java `Tag mismatch`.
//!
//! # Why it happens
//!
//! - 116, 42, 46, 48 from the server soon after the handshake: TLS 1.3 reports client certificates late; see `client-certificate-required`
//!   and `client-certificate-rejected`.
//! - 20 `bad_record_mac`: bytes changed on the way or in memory, a bug in a box or a stack (see `record-corruption`).
//! - 10 `unexpected_message`: two threads using one TLS object without a lock, a renegotiation or KeyUpdate that the peer does not support,
//!   plain bytes inside the stream.
//! - 80 `internal_error`: failure inside the sender: out of memory, a callback that threw, HSM lost.
//! - 50 `decode_error`: mostly OpenSSL 3's answer to a FIN without close_notify; then the FIN is the end.
//! - 100 `no_renegotiation` in TLS 1.2 is a warning; some clients end on it (IIS and Apache with client certificates per path).
//! - 90 `user_canceled` with close_notify: Java's normal close.
//!
//! # What to do
//!
//! - **Sender's side** (named in the verdict): read its log at that second; nginx `error_log ... info`, Java `-Djavax.net.debug=ssl`,
//!   OpenSSL programs at debug level.
//! - **Client**: one TLS object, one thread at a time for reading and one for writing; update the library; try without KeyUpdate-sensitive
//!   boxes, with TLS 1.2 (`-tls1_2`).
//! - **Server**: per-path client certificates need renegotiation or TLS 1.3 post-handshake authentication: ask for the certificate in the
//!   handshake instead (IIS `clientcertnegotiation=enable` with `netsh http add sslcert`; Apache `SSLVerifyClient` at server level).
//! - **Proxy / load balancer**: bypass it once; boxes that split or rewrite records show as 20, 22 or 50.
//! - **Network**: for `bad_record_mac`: offloads and checksums (see `record-corruption`).
//! - Verify: filter `tls.alert_message`, with a key log also in TLS 1.3; `SSLKEYLOGFILE=/tmp/keys curl ...`, then `--keylog /tmp/keys`.
//!
//! # How sure
//!
//! - Certain: an alert read in clear or decrypted, as first closing act. Sealed: its place and length make it likely that it is one;
//!   whether fatal and which number stays unknown without keys.
//! - An alert-sized record followed by the sender's FIN after application data is far more often a close_notify; only other signs
//!   (mid-stream place, no earlier close) make it this cause.
//! - Looks alike: `clean-close`; a reaction to a bare FIN (its ACK number covers the FIN).
//! - Not decidable: who made the error that the alert complains of.
//! - What decides: a key log, the sender's log.
//!
//! # References
//!
//! - RFC 8446 sections 6, 6.2 and 4.6; RFC 5246 sections 7.2.2 and 7.4.1.1. IANA registry "TLS Alerts".
//! - OpenSSL `SSL_alert_desc_string(3)`; Microsoft: Schannel event 36887; RFC 9850 (key log file).

use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "fatal-alert",
    group: Group::Established,
    summary: "a fatal alert in established traffic, told verbatim",
    usual_fault: "undetermined",
    endings: &[Ending::FatalAlert],
    phases: &[Phase::Established],
    source: include_str!("fatal_alert.rs"),
    yields_to: &[
        "record-corruption",
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "client-certificate-required",
        "client-certificate-rejected",
        "server-not-tls",
        "client-not-tls",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    if session.phase != Phase::Established {
        return None;
    }
    let (side, at, what) = match (session.root_alert(), session.root_sealed_fatal()) {
        (Some((side, alert, at)), _) => (side, at, tell::alert(alert)),
        // In place of a first answer it belongs to the handshake.
        (None, Some((side, at))) if session.side(side).app_records > 0 => {
            (side, at, "an encrypted alert that is not a close_notify, for one follows it".to_owned())
        }
        _ => return None,
    };
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("the {side} ended the established session with {what}"),
        )
        .cite(tell::saw(at, side, what))
        .or(Fault::from(side), "fatal-alert", "its own software or configuration", format!("the {side}'s log at {}", tell::clock(at)))
        .or(
            Fault::from(side.peer()),
            "fatal-alert",
            "it sent what the other could not accept",
            format!("the {side}'s log at {}", tell::clock(at)),
        )
        .advise(format!(
            "Look into the log of the {side} ({}) at {}: it knows why it sent the alert.",
            session.ends[side],
            tell::clock(at)
        )),
    )
}
