//! alpn-mismatch: the two sides have no application protocol (ALPN) in common.
//!
//! # What it means
//!
//! The client offered application protocols in its ClientHello (h2, http/1.1, grpc-exp, postgresql, mqtt ...) and the server accepts none
//! of them: alert `no_application_protocol` (120). Version, cipher suites and certificate were not the trouble. Which side should change is
//! not on the wire: fault `undetermined`. The client's list is shown. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Received fatal alert: no_application_protocol`.
//! - Client, OpenSSL 3, Python: `tlsv1 alert no application protocol` (`error:0A000460`; `SSL alert number 120`); curl code 35. OpenSSL
//!   1.1.1 has no words for it: `error:14094460:SSL routines:ssl3_read_bytes:reason(1120)`.
//! - Client, Go: `remote error: tls: no application protocol`; Node `ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL`; rustls
//!   `received fatal alert: NoApplicationProtocol`.
//! - Client, GnuTLS, wget: `Received alert [120]: No supported application protocol could be negotiated`, git `gnutls_handshake() failed:`
//!   with the same words.
//! - Client, .NET on Linux: OpenSSL's words in the innermost of four exceptions; Chrome `ERR_SSL_PROTOCOL_ERROR`; Firefox
//!   `SSL_ERROR_NEXT_PROTOCOL_NO_PROTOCOL`.
//! - gRPC: `UNAVAILABLE: io exception` or, with grpc-go 1.67 and later, `credentials: cannot check peer: missing selected ALPN property`
//!   (the server chose nothing; no alert then).
//! - Server: Go `tls: client requested unsupported application protocols`; Java `No matching application layer protocol values`; nginx
//!   (info) and HAProxy `SSL handshake failure`; gnutls-serv `No common application protocol could be negotiated.`; rustls
//!   `peer doesn't support any known protocol`. Apache goes on without the protocol and logs nothing.
//!
//! # Why it happens
//!
//! - A gRPC or HTTP/2-only client (`h2` alone) meets an HTTP/1.1 server, or an HTTP/1.1-only client meets an HTTP/2-only port.
//! - A load balancer or listener without `h2`, while the backend has it.
//! - HTTP/1.1 clients towards a port that serves another protocol by ALPN: ACME `acme-tls/1`, `postgresql`, `imap`, a mesh's own names.
//! - Strictness: some servers (nginx, Go, Java, Node) refuse, others ignore ALPN and go on; after an upgrade the strict ones appear to
//!   break old clients.
//!
//! # What to do
//!
//! - **Client**: offer both: Java `SSLParameters.setApplicationProtocols`, Go `tls.Config.NextProtos`, Node `ALPNProtocols`; curl
//!   `--http1.1`, `--http2`, `--no-alpn`. For gRPC speak to the port that has `h2`.
//! - **Server**: nginx `http2 on;` (1.25.1 and later; earlier `listen 443 ssl http2`), Apache `Protocols h2 http/1.1`, Tomcat
//!   `UpgradeProtocol`, Node `http2.createSecureServer({ allowHTTP1: true })`.
//! - **Proxy / load balancer**: HAProxy `bind ... alpn h2,http/1.1`, on the server line `alpn h2` or `proto h2`; AWS NLB TLS listener: ALPN
//!   policy; AWS ALB target group protocol version.
//! - **Network**: a DNS HTTPS record with an `alpn` list the server does not honour misleads browsers.
//! - Verify: `openssl s_client -connect host:443 -servername host -alpn h2,http/1.1 </dev/null | grep ALPN`. Filter:
//!   `tls.alert_message.desc == 120`, the offer in `tls.handshake.extensions_alpn_str`.
//!
//! # How sure
//!
//! - Certain: alert 120 and the client's list; nothing else uses this number.
//! - Not decidable: the server's list (it is never sent when it refuses), and who should change.
//! - Looks alike: a server that accepts the handshake, chooses no protocol, and then closes when the first bytes do not fit:
//!   `server-closed-without-close-notify`.
//! - In TLS 1.3 the alert still comes in clear, before ServerHello, from most stacks; a sealed one is `handshake-rejected`.
//! - What decides: the server's configuration.
//!
//! # References
//!
//! - RFC 7301 section 3.2; RFC 9113 section 3.2 (h2); RFC 8737 (acme-tls/1).
//! - nginx `http2`; HAProxy `alpn`; Go `crypto/tls` `Config.NextProtos`.

use crate::base::{Side, printable};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::AlertDescription;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "alpn-mismatch",
    group: Group::Handshake,
    summary: "no application protocol in common: alert 120",
    usual_fault: "undetermined or client",
    endings: &[Ending::FatalAlert],
    phases: &[Phase::Connecting, Phase::Tunneling, Phase::ClientHello, Phase::Handshake],
    source: include_str!("alpn_mismatch.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (side, alert, at) = session.root_alert()?;
    if side != Side::Server || alert.description != AlertDescription::NO_APPLICATION_PROTOCOL || session.phase == Phase::Established {
        return None;
    }
    let offered = session
        .tls
        .client_hello
        .as_ref()
        .map(|hello| hello.alpn_names().map(|name| printable(&name, 40)).collect::<Vec<_>>().join(", "))
        .filter(|alpn| !alpn.is_empty());
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("no application protocol in common: the client offered {}", offered.unwrap_or_else(|| "none".to_owned())),
        )
        .cite(tell::client_hello(session))
        .cite(tell::saw(at, Side::Server, tell::alert(alert)))
        .rule_out(Fault::Network, "both sides spoke and were heard")
        .or(
            Fault::Client,
            "alpn-mismatch",
            "it offers only protocols the server does not speak",
            "compare the offer with the server's list",
        )
        .or(Fault::Server, "alpn-mismatch", "its list lacks a protocol it should speak", "nginx: http2 on; HAProxy: alpn h2,http/1.1")
        .advise("Compare the client's ALPN offer with the server's list."),
    )
}
