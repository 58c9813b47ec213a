//! starttls-refused: the plain-text protocol said no, or closed, before TLS could begin.
//!
//! # What it means
//!
//! The client spoke a plain-text protocol and asked to switch to TLS (STARTTLS, STLS, AUTH TLS, SSLRequest, ExtendedRequest), and the
//! server declined, did not offer it, or closed before a ClientHello. TLS never began. The server's side answered: fault `server`, with one
//! exception worth a look: a mail-inspecting firewall that strips the offer. Impact: the session failed, or went on in clear, which is
//! worse.
//!
//! # How it looks in applications
//!
//! - SMTP client: `454 4.7.0 TLS not available due to local problem`, `502 Command not implemented`,
//!   `530 Must issue a STARTTLS command first`; Postfix `TLS is required, but was not offered by host`; Exim
//!   `TLS session is required, but the server did not offer TLS support`.
//! - Java mail: `STARTTLS is required but host does not support STARTTLS`; Python
//!   `smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server.`; Go `smtp: server doesn't support STARTTLS`; Node's
//!   nodemailer: not measured; curl `curl: (64) STARTTLS not supported.` (SMTP), `STARTTLS not available.` (IMAP),
//!   `STARTTLS denied, code 454`; OpenSSL s_client (3 and 1.1.1) `Didn't find STARTTLS in server response, trying anyway...`, then, as
//!   after a 454, `wrong version number`; gnutls-cli waits on without a word; Rust's lettre, .NET's MailKit: not measured. Browsers such as
//!   Firefox and Chrome, Apache, HAProxy and nginx towards its upstreams have no STARTTLS.
//! - IMAP, POP3: `BAD`, `NO STARTTLS`, `-ERR`; Thunderbird: server does not support the selected security.
//! - PostgreSQL: `server does not support SSL, but SSL was required`; JDBC `The server does not support SSL.`
//! - MySQL: `SSL connection error: SSL is required but the server doesn't support it` (2026), MariaDB
//!   `TLS/SSL error: SSL is required, but the server does not support it`; FTP `534`, `500 AUTH not understood`; LDAP
//!   `Protocol error (2)`, `unsupported extended operation`; XMPP no `starttls` feature.
//! - Server: Postfix `cannot get RSA private key from file ...: disabling TLS support`; often
//!   `TLS library problem`, `cannot load certificate`, `TLS engine unavailable`.
//!
//! # Why it happens
//!
//! - The server has no certificate, or could not load it (rights after a renewal, expired key file): it then answers 454, or offers no
//!   STARTTLS at all.
//! - TLS switched off for that service or that port, or only for other client networks.
//! - A wrong port: implicit TLS (465, 993, 995, 636) spoken on a STARTTLS port or the other way round.
//! - A firewall that rewrites: Cisco ASA / PIX `inspect esmtp` turns `250-STARTTLS` into `250-XXXXXXXA`; on port 25 some providers strip it
//!   too.
//! - PostgreSQL `ssl = off`; MySQL without `ssl_cert`, `require_secure_transport` mismatch.
//!
//! # What to do
//!
//! - **Client**: choose the fitting mode and port (587 or 143 with STARTTLS, 465 or 993 with TLS); keep *requiring* TLS
//!   (`sslmode=verify-full`, Postfix `smtp_tls_security_level = encrypt`), never fall back to clear text.
//! - **Server**: Postfix `smtpd_tls_cert_file`, `smtpd_tls_key_file`, `smtpd_tls_security_level = may`; Dovecot `ssl = required`,
//!   `ssl_cert`; PostgreSQL `ssl = on`, `ssl_cert_file`; MySQL `ssl_cert`, `ssl_key`; vsftpd `ssl_enable=YES`; OpenLDAP
//!   `olcTLSCertificateFile`. Reload and read the log.
//! - **Proxy / load balancer**: HAProxy and nginx `stream` pass STARTTLS through in TCP mode; TLS-ending listeners do not speak it. nginx
//!   `mail` has `starttls on`.
//! - **Network**: Cisco `policy-map ... no inspect esmtp` or `allow-tls`; providers filter port 25, ask them.
//! - Verify: `openssl s_client -starttls smtp -connect host:587` (also `imap`, `pop3`, `ftp`, `ldap`, `postgres`, `mysql`, `xmpp`, `nntp`,
//!   `sieve`); `telnet host 25`, `EHLO me`, look for `STARTTLS` or `XXXXXXXA`. Filter: `smtp || imap || pop || pgsql || mysql || ldap`.
//!
//! # How sure
//!
//! - Certain: the dialogue is plain text and quoted, escaped.
//! - A list without STARTTLS does not say why; `XXXXXXXA` in it is the mark of a rewriting firewall and shifts the fault to `proxy`.
//! - A server that says nothing in that protocol at all, where the client speaks first (PostgreSQL, LDAP), may not speak it: `undetermined`.
//! - Looks alike: `server-not-tls` (the client began with a ClientHello at once), a server that closes because of too many connections
//!   (421).
//! - A session that went on in clear text is no TLS session any more and ends as the plain protocol does.
//! - What decides: the server's log; the same dialogue from inside the server's network.
//!
//! # References
//!
//! - RFC 3207 (SMTP), RFC 9051 and RFC 2595 (IMAP, POP3), RFC 4217 (FTP), RFC 4511 section 4.14 (LDAP), RFC 6120 section 5 (XMPP), RFC 4642
//!   (NNTP).
//! - RFC 8314 (implicit TLS for mail); RFC 7457 sections 2.1 and 2.2 (stripping). PostgreSQL protocol: SSL session encryption; MySQL
//!   protocol: SSLRequest.

use crate::base::{At, Side};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::State;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "starttls-refused",
    group: Group::BeforeTls,
    summary: "the plain-text protocol said no to TLS, or closed, before the ClientHello",
    usual_fault: "server",
    endings: Ending::ALL,
    phases: &[Phase::Tunneling, Phase::ClientHello],
    source: include_str!("starttls_refused.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let story = session.prelude.as_deref().filter(|_| session.tunnel().is_none())?;
    let talk = story.talk()?;
    // Some clients send their ClientHello although the answer was no.
    let defied = session.phase == Phase::ClientHello && matches!(talk.state, State::Refused { .. });
    if session.phase != Phase::Tunneling && !defied {
        return None;
    }
    let refusal = common::refused(session, story);
    if talk.in_clear {
        return Some(went_on(refusal.map_or("the server would not".to_owned(), |refusal| refusal.line)));
    }
    if refusal.is_none() && session.root_side() != Some(Side::Server) {
        return None;
    }
    if refusal.is_none() && session.side(Side::Client).first_data.is_some_and(|asked| spoke_first(session, asked)) {
        return Some(another_protocol(session, talk.protocol.name()));
    }
    let said = refusal.as_ref().map_or("closed without an answer".to_owned(), |refusal| format!("said {}", refusal.line));
    let mut reading = Reading::new(
        Fault::Server,
        Confidence::Likely,
        Impact::SessionFailed,
        format!("the server would not switch to TLS ({}): it {said}", talk.protocol.name()),
    );
    if let Some(refusal) = refusal {
        reading = reading.cite(tell::saw(refusal.at, Side::Server, refusal.line));
    }
    Some(
        reading
            .rule_out(Fault::Network, "both directions worked")
            .advise("Switch TLS on in the server's configuration (certificate and key readable, STARTTLS enabled for this listener)."),
    )
}

/// The client spoke first, and nothing the server said shows that it speaks that protocol.
fn spoke_first(session: &Session, asked: At) -> bool {
    session.side(Side::Server).first_data.is_none_or(|answer| answer > asked)
}

/// What the client asked for TLS in is perhaps not what that port speaks: the wrong port, as likely as a server that would not.
fn another_protocol(session: &Session, protocol: &str) -> Box<Reading> {
    let server = session.side(Side::Server);
    let answer = server.plain.as_deref().filter(|plain| !plain.is_empty()).map(common::plain);
    let said = answer.as_ref().map_or("it closed without an answer".to_owned(), |answer| format!("it said {answer}"));
    Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::SessionFailed,
        format!("the server did not answer as {protocol} when the client asked for TLS in it: {said}"),
    )
    .cite(tell::last_data(session, Side::Client))
    .cite(server.plain_at.zip(answer).and_then(|(at, answer)| tell::saw(at, Side::Server, answer)))
    .rule_out(Fault::Network, "both directions worked")
    .or(
        Fault::Client,
        "starttls-refused",
        format!("it speaks {protocol} to a port where something else is spoken"),
        format!("what listens at {}", session.ends.server),
    )
    .or(Fault::Server, "starttls-refused", "it is one, and failed before it could answer", "the server's log")
    .advise(format!("Check the port that the client is configured for: does {} speak {protocol}?", session.ends.server))
}

/// The client took the no for an answer and went on without TLS, as `sslmode=prefer` does: nothing failed, but nothing is encrypted.
fn went_on(said: String) -> Box<Reading> {
    Reading::new(
        Fault::None,
        Confidence::Likely,
        Impact::None,
        format!("the server would not switch to TLS ({said}), and the client went on in the clear"),
    )
    .advise("If the connection must be encrypted, let the client insist on it (PostgreSQL: sslmode=verify-full) and switch TLS on at the server.")
}
