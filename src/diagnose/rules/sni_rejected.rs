//! sni-rejected: the server does not serve the name the client asked for.
//!
//! # What it means
//!
//! The server answered the ClientHello with `unrecognized_name` (112): it has no configuration for the name in SNI, or demands a name and
//! got none. Either the client asks for a wrong name (URL, DNS, IP address), or the server lost the name from its configuration: fault
//! `undetermined`, and `client` when no name was sent at all. The name asked for is shown. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Received fatal alert: unrecognized_name`; Java 7 even for a *warning* alert:
//!   `handshake alert: unrecognized_name`.
//! - Client, OpenSSL 3, Python: `tlsv1 unrecognized name` (`error:0A000458`, 1.1.1 `error:14094458`; `SSL alert number 112`),
//!   `[SSL: TLSV1_UNRECOGNIZED_NAME]`; curl code 35 with the same text.
//! - Client, Go: `remote error: tls: unrecognized name`; rustls `received fatal alert: UnrecognisedName`; GnuTLS, wget
//!   `Received alert [112]: The server name sent was not recognized`, git `gnutls_handshake() failed:` with the same words; .NET on Linux
//!   OpenSSL's words, innermost; Node `ERR_SSL_TLSV1_UNRECOGNIZED_NAME`.
//! - Chrome `ERR_SSL_UNRECOGNIZED_NAME_ALERT`; Firefox `SSL_ERROR_UNRECOGNIZED_NAME_ALERT`.
//! - Server: nginx with `ssl_reject_handshake` logs only at level info (`callback failed`); HAProxy `SSL handshake failure`; OpenSSL 1.1.1
//!   `error:1422E0EA`; gnutls-serv `The SNI host name not recognised.` Apache never rejects a name: it shows its first certificate.
//! - CDN edges often say 40 (`handshake_failure`) for an unknown name; that is told as `cipher-mismatch` or `handshake-rejected` with this
//!   reading beside it.
//!
//! # Why it happens
//!
//! - The service is called by IP address, by an internal alias or by an old name; the Host header is right, SNI is not.
//! - DNS moved before the new server knew the name; the certificate for the name failed to load.
//! - A reverse proxy that sends no SNI or the upstream group's name: nginx sends none to upstreams unless told to.
//! - A client without SNI: very old Java and Android, `-Djsse.enableSNIExtension=false`, `openssl s_client -noservername`.
//! - Encrypted Client Hello with an outer name the server does not know.
//!
//! # What to do
//!
//! - **Client**: use the name in the certificate; curl `--connect-to` or `--resolve host:443:203.0.113.7` instead of an IP in the URL;
//!   Java: no IP address, no `-Djsse.enableSNIExtension=false`.
//! - **Server**: nginx `server_name host;` in a `listen 443 ssl` block; a catch-all with `ssl_reject_handshake on;` (1.19.4) is what sends
//!   112; HAProxy `strict-sni` on the bind line and a certificate for the name in `crt`; Tomcat `SSLHostConfig hostName`,
//!   `defaultSSLHostConfigName`; IIS binding with "Require Server Name Indication".
//! - **Proxy / load balancer**: nginx `proxy_ssl_server_name on; proxy_ssl_name host;`, HAProxy `server ... ssl sni req.hdr(host)`,
//!   `check-sni host`; Apache `ProxyPreserveHost`.
//! - **Network**: DNS: does the name point to this server at all: `dig +short host`.
//! - Verify: `openssl s_client -connect 203.0.113.7:443 -servername host`, then with the name you believe to be right. Filter:
//!   `tls.alert_message.desc == 112`, the name in `tls.handshake.extensions_server_name`.
//!
//! # How sure
//!
//! - Certain: the alert in clear and the name sent (or none).
//! - A *warning* of 112 (level 1, old Java, Tomcat and Apache) is harmless when the handshake goes on; only the fatal one is this cause.
//! - Not decidable: who is right about the name.
//! - Looks alike: a server that answers unknown names by closing (`server-closed-in-handshake`), by a RST (`server-reset-in-handshake`,
//!   often a name filter of a firewall), or with a default certificate (`certificate-rejected`).
//! - What decides: the same server asked for a name it surely has.
//!
//! # References
//!
//! - RFC 6066 section 3 (server name indication); RFC 8446 section 6.2.
//! - nginx `ssl_reject_handshake`, `proxy_ssl_server_name`; HAProxy `strict-sni`, `sni`.

use crate::base::{Side, printable};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::AlertDescription;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "sni-rejected",
    group: Group::Handshake,
    summary: "the server does not serve the name asked for: alert 112",
    usual_fault: "undetermined or client",
    endings: &[Ending::FatalAlert],
    phases: &[Phase::Connecting, Phase::Tunneling, Phase::ClientHello, Phase::Handshake],
    source: include_str!("sni_rejected.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (side, alert, at) = session.root_alert()?;
    if side != Side::Server || alert.description != AlertDescription::UNRECOGNIZED_NAME || session.phase == Phase::Established {
        return None;
    }
    let name = session.sni().map_or("no name at all".to_owned(), |name| printable(&name, 80));
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!("the server does not serve the name the client asked for ({name}): {}", tell::alert(alert)),
        )
        .cite(tell::client_hello(session))
        .cite(tell::saw(at, Side::Server, tell::alert(alert)))
        .rule_out(Fault::Network, "both sides spoke and were heard")
        .or(
            Fault::Client,
            "sni-rejected",
            "it asks for the wrong name, or for none (an IP address, an old client)",
            "compare the URL with the names the server serves",
        )
        .or(
            Fault::Server,
            "sni-rejected",
            "the name should be served here and is not configured",
            "the server's virtual hosts (nginx server_name, HAProxy crt-list)",
        )
        .advise(format!("Compare the name {name} with the server's virtual hosts, and with what its DNS entry points to.")),
    )
}
