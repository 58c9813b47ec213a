//! protocol-version-mismatch: the two sides have no TLS version in common.
//!
//! # What it means
//!
//! One side refused the other's TLS versions, as a rule with the alert `protocol_version` (70) right after the ClientHello. Both offers are
//! listed. "Incompatible" is all the wire proves, so the fault is `undetermined`; a side that offers nothing newer than TLS 1.1 is named,
//! because those versions are retired (RFC 8996). Impact: the session failed, and will fail again until one side is changed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Received fatal alert: protocol_version`; when the server chose an old one:
//!   `The server selected protocol version TLS10 is not accepted by client preferences`.
//! - Client, OpenSSL 3: `tlsv1 alert protocol version` (`error:0A00042E`, `SSL alert number 70`), OpenSSL 1.1.1 `error:1409442E`; own
//!   refusal: `unsupported protocol` (`error:0A000102`). curl: the same text with code 35.
//! - Client, Python: `[SSL: TLSV1_ALERT_PROTOCOL_VERSION]`; Node `ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION` (Node 16: `ECONNRESET`,
//!   `Client network socket disconnected before secure TLS connection was established`).
//! - Client, Go: `remote error: tls: protocol version not supported`; rustls `received fatal alert: ProtocolVersion`; GnuTLS, wget
//!   `Received alert [70]: Error in protocol version`, git `gnutls_handshake() failed: Error in protocol version`.
//! - Client, .NET on Linux: `tlsv1 alert protocol version` in the innermost exception; on Windows
//!   `The client and server cannot communicate, because they do not possess a common algorithm`; Chrome
//!   `ERR_SSL_VERSION_OR_CIPHER_MISMATCH`; Firefox `SSL_ERROR_PROTOCOL_VERSION_ALERT`, for its own refusal `SSL_ERROR_UNSUPPORTED_VERSION`
//!   (not measured).
//! - Client, Java, before any packet: `No appropriate protocol (protocol is disabled or cipher suites are inappropriate)` (then there is no
//!   ClientHello in the capture).
//! - Server: nginx, HAProxy (`SSL handshake failure`) and other OpenSSL programs `unsupported protocol` (1.1.1 `error:14209102`), Apache
//!   (info) after `AH02008`; rustls `peer is incompatible: SupportedVersionsExtensionRequired` or `Tls12NotOfferedOrEnabled`; Go
//!   `tls: client offered only unsupported versions: [302 301]`; Java `Client requested protocol TLSv1.1 is not enabled`; Windows Schannel
//!   event 36888 (generated) or 36887 (received) with alert 70.
//! - Server on GnuTLS: `No supported cipher suites have been found.`, for TLS 1.1
//!   `A packet with illegal or unsupported version was received.`; it answers with `handshake_failure` (40) instead of 70.
//!
//! # Why it happens
//!
//! - An old client against a hardened server: Java 7 (TLS 1.0 by default), .NET Framework before 4.6, Android 4, old appliances, printers,
//!   scanners.
//! - An old server against a new client: JDK updates since April 2021 (8u291, 11.0.11, 16) disable TLS 1.0 and 1.1 in
//!   `jdk.tls.disabledAlgorithms`; OpenSSL 3 on Debian, Ubuntu and RHEL demands TLS 1.2.
//! - A server set to TLS 1.3 only, and a client that ends at TLS 1.2.
//! - Versions pinned in code or configuration years ago: `https.protocols=TLSv1`, `SSLContext.getInstance("TLSv1")`,
//!   `ssl_protocols TLSv1;`.
//! - Not a version question at all: Chromium sends alert 70 when the answer is not TLS (`server-not-tls`).
//!
//! # What to do
//!
//! - **Client**: Java `-Djdk.tls.client.protocols=TLSv1.2,TLSv1.3`, for `HttpsURLConnection` `-Dhttps.protocols=TLSv1.2,TLSv1.3`; .NET
//!   Framework: registry `SchUseStrongCrypto` and `SystemDefaultTlsVersions` = 1; Go `tls.Config.MinVersion`, Python `ctx.minimum_version`.
//!   For one old server only: Node `--tls-min-v1.0`, OpenSSL `MinProtocol = TLSv1` in `openssl.cnf` (with security level 0), as a loan with
//!   an end date.
//! - **Server**: nginx `ssl_protocols TLSv1.2 TLSv1.3;` (the default since 1.27.3), Apache `SSLProtocol -all +TLSv1.2 +TLSv1.3`, Tomcat
//!   `protocols="TLSv1.2+TLSv1.3"`, Java `-Djdk.tls.server.protocols=...`; Windows `SCHANNEL\Protocols\TLS 1.2\Server` with `Enabled`=1.
//! - **Proxy / load balancer**: HAProxy `ssl-default-bind-options ssl-min-ver TLSv1.2`; AWS: security policy of the listener; towards
//!   backends nginx `proxy_ssl_protocols`.
//! - **Network**: an inspecting firewall negotiates on its own account; check its allowed versions too.
//! - Verify: `openssl s_client -connect host:443 -servername host -tls1_2` and `-tls1_3`; filter `tls.alert_message.desc == 70`; the
//!   client's offer is in `tls.handshake.extensions.supported_version`.
//!
//! # How sure
//!
//! - Certain: the alert, who sent it, and what the ClientHello offered. A plaintext alert before ServerHello cannot be misread.
//! - OpenSSL 3 answers an offer of nothing newer than TLS 1.1 with alert 40 or 80: very likely the versions, and nobody is named.
//! - Not decidable: which side *should* change; only a retired offer decides it.
//! - Looks alike: `cipher-mismatch` (40), version intolerance (an old server or box that closes or resets on a new ClientHello:
//!   `server-closed-in-handshake`), and `inappropriate_fallback` (86), where the interesting failure is the connection *before*.
//! - What decides: a neighbouring connection of another client that succeeds with the same server, and its version.
//!
//! # References
//!
//! - RFC 8446 sections 4.2.1 and 6.2; RFC 8996 (TLS 1.0 and 1.1 deprecated); RFC 9325; RFC 7507 (fallback SCSV).
//! - nginx `ssl_protocols`; Apache `SSLProtocol`; JSSE Reference Guide; Microsoft: TLS registry settings.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::{AlertDescription, Version};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "protocol-version-mismatch",
    group: Group::Handshake,
    summary: "no TLS version in common: alert 70 at the hello",
    usual_fault: "undetermined",
    endings: &[Ending::FatalAlert],
    phases: &[Phase::Connecting, Phase::Tunneling, Phase::ClientHello, Phase::Handshake],
    source: include_str!("protocol_version_mismatch.rs"),
    yields_to: &["server-not-tls", "client-not-tls"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (side, alert, at) = session.root_alert()?;
    let newest = session.tls.client_hello.as_ref().map(|hello| hello.highest_version());
    let said = alert.description == AlertDescription::PROTOCOL_VERSION;
    // OpenSSL 3 has no word for versions that it does not even know of (SSL 3.0) or may not use (TLS 1.1 at security level 1).
    let meant = matches!(alert.description, AlertDescription::HANDSHAKE_FAILURE | AlertDescription::INTERNAL_ERROR)
        && side == Side::Server
        && session.phase == Phase::ClientHello
        && newest.is_some_and(|version| version < Version::TLS12);
    if session.phase == Phase::Established || !(said || meant) || session.side(Side::Server).plain.is_some() {
        return None;
    }
    let offered = common::offered_versions(session);
    let chosen = session.tls.version;
    let summary = match side {
        Side::Server if !said => {
            format!("very likely no TLS version in common: the client offered only {offered}, the server answered {}", tell::alert(alert))
        }
        Side::Server => format!("no TLS version in common: the client offered {offered}, the server answered {}", tell::alert(alert)),
        Side::Client => format!(
            "no TLS version in common: the server chose {}, the client answered {}",
            chosen.map_or("none".to_owned(), |version| version.to_string()),
            tell::alert(alert)
        ),
    };
    // Nothing newer than TLS 1.1 (deprecated by RFC 8996) names the side that is out of date.
    let outdated = match side {
        Side::Server => newest.filter(|version| said && *version < Version::TLS12).map(|_| Side::Client),
        Side::Client => chosen.filter(|version| *version < Version::TLS12).map(|_| Side::Server),
    };
    let reading = Reading::new(
        outdated.map_or(Fault::Undetermined, Fault::from),
        if outdated.is_some() { Confidence::Likely } else { Confidence::Possible },
        Impact::SessionFailed,
        summary,
    )
    .cite(tell::client_hello(session))
    .cite(tell::saw(at, side, tell::alert(alert)))
    .rule_out(Fault::Network, "both sides spoke and were heard");
    Some(match outdated {
        Some(side) => reading.advise(format!("Update the {side}: it offers nothing newer than TLS 1.1, which RFC 8996 retires.")),
        None => reading
            .or(Fault::Client, "protocol-version-mismatch", "it does not offer what the server wants", "compare both configurations")
            .or(Fault::Server, "protocol-version-mismatch", "it does not allow what the client offers", "compare both configurations")
            .advise(format!("See what the server allows: openssl s_client -connect {} -tls1_2 (and -tls1_3).", session.ends.server))
            .advise("Java: -Djdk.tls.client.protocols; nginx: ssl_protocols; HAProxy: ssl-min-ver; OpenSSL: MinProtocol in openssl.cnf."),
    })
}
