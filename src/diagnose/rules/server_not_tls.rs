//! server-not-tls: the ClientHello was answered in plain text: the server does not speak TLS there.
//!
//! # What it means
//!
//! The client sent a ClientHello and got back something that is not TLS: an HTTP response, an SSH or SMTP greeting, a database's hello. The
//! first line is shown, escaped. The fact is certain; whether the client used the wrong port or the listener forgot to enable TLS cannot be
//! seen, so the fault is `undetermined`. The client's alert or RST after it is a reaction, and no TLS disagreement. Impact: the session
//! failed.
//!
//! # How it looks in applications
//!
//! - Client, OpenSSL 3, Python, Node: `wrong version number` (`error:0A00010B`, `[SSL: WRONG_VERSION_NUMBER]`,
//!   `ERR_SSL_WRONG_VERSION_NUMBER`, `write EPROTO`); OpenSSL 1.1.1 `error:1408F10B:SSL routines:ssl3_get_record:wrong version number`.
//! - Client, curl: `curl: (35) error:0A00010B:SSL routines::wrong version number`.
//! - Client, Java: `javax.net.ssl.SSLException: Unsupported or unrecognized SSL message`; `HttpClient` and older Java
//!   `Unrecognized SSL message, plaintext connection?`.
//! - Client, Go: `tls: first record does not look like a TLS handshake`, `http: server gave HTTP response to HTTPS client`.
//! - Client, rustls: `received corrupt message of type InvalidContentType`; GnuTLS, wget, git `An unexpected TLS packet was received.`
//! - Client, .NET: `Cannot determine the frame size or a corrupted frame was received`, Core 3.1
//!   `The handshake failed due to an unexpected packet format`; Chrome `ERR_SSL_PROTOCOL_ERROR`; Firefox `SSL_ERROR_RX_RECORD_TOO_LONG`,
//!   for a short greeting such as SSH's `PR_END_OF_FILE_ERROR`.
//! - Proxy in the client's place: nginx `SSL_do_handshake() failed (SSL: ... wrong version number) while SSL handshaking to upstream` with
//!   502; HAProxy `SC` with 503; Apache `AH00898: Error during SSL Handshake with remote server`, at level info `wrong version number`
//!   before it.
//! - Server: `400 Bad Request` for a request line of binary rubbish (`\x16\x03\x01...` in the access log),
//!   `Bad protocol version identification` from sshd.
//!
//! # Why it happens
//!
//! - `https://` (or `wss://`, `ldaps://`, `smtps`) with the port of the plain service: 80, 8080, 389, 25, 3306, 5432.
//! - The listener has no TLS: nginx `listen 443;` without `ssl`, Apache port 443 without `SSLEngine on`, HAProxy `bind :443` without
//!   `ssl crt`.
//! - The protocol starts TLS later: SMTP 25 and 587, IMAP 143, POP3 110, LDAP 389, FTP 21, PostgreSQL, MySQL want STARTTLS or their own
//!   request first.
//! - TLS ends at the load balancer and the client now talks to the backend's plain port; or a default virtual host answers `400`.
//! - A captive portal or a proxy answers in the server's place with an HTTP page.
//!
//! # What to do
//!
//! - **Client**: check URL scheme and port; use the service's TLS port (443, 465, 636, 993, 995, 5671, 8883) or its STARTTLS option
//!   (JavaMail `mail.smtp.starttls.enable=true`, `mail.smtp.ssl.enable=false` on 587).
//! - **Server**: nginx `listen 443 ssl;`, Apache `SSLEngine on` in the `<VirtualHost *:443>`, HAProxy
//!   `bind :443 ssl crt /etc/haproxy/site.pem`; `nginx -T | grep listen` shows what is really loaded.
//! - **Proxy / load balancer**: TLS on the backend side exactly where the backend speaks it: HAProxy
//!   `server app 10.0.0.5:8443 ssl verify required`, nginx `proxy_pass https://...` only to TLS ports; AWS target group protocol HTTP
//!   against HTTPS.
//! - **Network**: a plain answer from a server known to speak TLS points to a captive portal or transparent proxy on the way.
//! - Verify: `openssl s_client -connect host:443` prints `wrong version number`; `printf 'GET / HTTP/1.0\r\n\r\n' | nc host 443` shows the
//!   plain answer; with STARTTLS: `openssl s_client -starttls smtp -connect host:587`.
//!
//! # How sure
//!
//! - Certain: the bytes that came back. They are quoted with their frame.
//! - Not decidable: whether URL or listener is wrong, and whether the endpoint itself or a transparent box wrote those bytes (compare TTL
//!   and round-trip time with the SYN-ACK).
//! - Looks alike: a server that greets first (SMTP, SSH, MySQL) sends its banner *before* it reads the ClientHello; that is told too.
//! - A PROXY header (HAProxy `send-proxy`) before the ClientHello, to a server that expects none, is answered as a bad request: the two
//!   ends disagree about the header, and the verdict says so.
//! - Consequences not to be misread: Chromium answers with alert 70, Firefox with 22, Java with 10 or 80, rustls with 50; others with FIN
//!   or RST.
//! - What decides: the server's listener configuration; a capture on the server when a box is suspected.
//!
//! # References
//!
//! - RFC 8446 section 5.1 (record layer); RFC 8314 (TLS ports for mail).
//! - nginx documentation: `listen ... ssl`. Apache mod_ssl: `SSLEngine`. HAProxy: `bind ... ssl`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::{Protocol, State};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-not-tls",
    group: Group::Handshake,
    summary: "the answer to the ClientHello is not TLS",
    usual_fault: "undetermined",
    endings: Ending::ALL,
    phases: Phase::ALL,
    source: include_str!("server_not_tls.rs"),
    yields_to: &["starttls-refused"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let server = session.side(Side::Server);
    let (plain, at) = (server.plain.as_ref()?, server.plain_at?);
    let talks = || session.prelude.as_deref().into_iter().flat_map(|story| &story.talks);
    // A PROXY header is not answered: it asks for nothing, and a server that does not know it takes it for a bad request.
    let header = talks().any(|talk| talk.protocol == Protocol::ProxyProtocol);
    let asked = talks().any(|talk| talk.state != State::Spoken && talk.protocol != Protocol::ProxyProtocol);
    if session.tls.client_hello_at.is_none() || server.records > 0 || asked {
        return None;
    }
    let what = common::plain(plain);
    let reading = Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::SessionFailed,
        format!(
            "the server's answer to {} is not TLS but {what}",
            if header { "the PROXY header and the ClientHello" } else { "the ClientHello" }
        ),
    )
    .cite(tell::client_hello(session))
    .cite(tell::saw(at, Side::Server, what))
    .rule_out(Fault::Network, "both sides spoke and were heard");
    if header {
        return Some(
            reading
                .or(
                    Fault::Client,
                    "server-not-tls",
                    "it (a load balancer) sends a PROXY header that this server does not expect",
                    "its settings (HAProxy: send-proxy)",
                )
                .or(
                    Fault::Server,
                    "server-not-tls",
                    "it should accept the PROXY header and does not",
                    "the server's listener (nginx: listen 443 ssl proxy_protocol)",
                )
                .advise("Switch the PROXY protocol on, or off, at both ends."),
        );
    }
    Some(
        reading
            .or(
                Fault::Client,
                "server-not-tls",
                "it uses the wrong port, or https where http is spoken",
                "compare the URL with the server's listeners",
            )
            .or(
                Fault::Server,
                "server-not-tls",
                "TLS should be on for this port and is not",
                "the server's listener (nginx: listen 443 ssl)",
            )
            .advise(format!(
                "See what listens at {}: curl -v http://{}/ shows whether it speaks plain HTTP.",
                session.ends.server, session.ends.server
            )),
    )
}
