//! cipher-mismatch: no common cipher suite, key exchange group or signature algorithm.
//!
//! # What it means
//!
//! The ClientHello was refused with `handshake_failure` (40) or `insufficient_security` (71) before the server chose anything: the two
//! lists of cipher suites, groups or signature algorithms do not meet, or the server's only key does not fit them. Both offers are listed.
//! The wire says "incompatible" and not who is right, so the fault is `undetermined`; retired offers are named. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure` (or `insufficient_security`).
//! - Client, OpenSSL 3: `sslv3 alert handshake failure` (`error:0A000410`, `SSL alert number 40`); from 3.2 on
//!   `ssl/tls alert handshake failure`; OpenSSL 1.1.1 `error:14094410`. The prefix `sslv3` is the alert's age, not the version in use.
//!   curl: code 35.
//! - Client, Python: `[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure`; Node `ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE`.
//! - Client, Go: `remote error: tls: handshake failure`; rustls `received fatal alert: HandshakeFailure`; GnuTLS, wget
//!   `Received alert [40]: Handshake failed`, git `gnutls_handshake() failed: Handshake failed`.
//! - Client, .NET on Linux: `SSL Handshake failed with OpenSSL error - SSL_ERROR_SSL`, below it OpenSSL's words; on Windows
//!   `they do not possess a common algorithm`; Chrome `ERR_SSL_VERSION_OR_CIPHER_MISMATCH`; Firefox `SSL_ERROR_NO_CYPHER_OVERLAP`.
//! - Server, OpenSSL: `no shared cipher`, for groups `no suitable key share`, for signatures `no suitable signature algorithm`; HAProxy
//!   `SSL handshake failure`; nginx (info)
//!   `SSL_do_handshake() failed (SSL: error:0A0000C1:SSL routines::no shared cipher) while SSL handshaking`; Apache (info) `AH02008`, then
//!   `no shared cipher -- Too restrictive SSLCipherSuite or using DSA server certificate?`; OpenSSL 1.1.1 `error:1417A0C1`,
//!   `error:141F7065`.
//! - Server, Go: `tls: no cipher suite supported by both client and server`; Java `no cipher suites in common`; rustls
//!   `peer is incompatible: NoKxGroupsInCommon`; gnutls-serv `No supported cipher suites have been found.`; Windows: event 36874 of
//!   Schannel.
//!
//! # Why it happens
//!
//! - An old client that offers only RC4, 3DES, CBC or static RSA suites to a server with forward secrecy only.
//! - A server with an ECDSA certificate and a client that knows RSA suites only (or the other way round).
//! - No common group: server with `ssl_ecdh_curve secp521r1`, or FIPS mode on one side (no X25519, no ChaCha20).
//! - A Java server without a usable private key: an empty keystore or a wrong alias also reads `no cipher suites in common`.
//! - Suites pinned in configuration: `https.cipherSuites`, `ssl_ciphers`, `jdk.tls.disabledAlgorithms`, crypto policies of RHEL, IIS Crypto
//!   templates.
//! - Go 1.22 and later no longer offer RSA key exchange; OpenSSL 3 security level 2 refuses SHA-1 signatures and short keys.
//!
//! # What to do
//!
//! - **Client**: update; remove pinned lists. Java: look at `jdk.tls.disabledAlgorithms` and `-Djdk.tls.client.cipherSuites`,
//!   `-Djdk.tls.namedGroups`; Go `GODEBUG=tlsrsakex=1` as a loan; OpenSSL `-cipher 'DEFAULT@SECLEVEL=1'` to test.
//! - **Server**: nginx `ssl_ciphers`, `ssl_ecdh_curve auto`, both an RSA and an ECDSA certificate (two `ssl_certificate` lines); Apache
//!   `SSLCipherSuite`; Java: keystore has a key entry under the alias; Windows `Get-TlsCipherSuite`.
//! - **Proxy / load balancer**: HAProxy `ssl-default-bind-ciphers`, `ssl-default-bind-ciphersuites`; AWS listener security policy.
//! - **Network**: an inspecting box has a list of its own; see whether the failure disappears past it.
//! - Verify: `openssl s_client -connect host:443 -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256`, `-ciphersuites TLS_AES_128_GCM_SHA256`,
//!   `-groups P-256`, `nmap --script ssl-enum-ciphers -p 443 host`. Filter: `tls.alert_message.desc == 40`, the offer in
//!   `tls.handshake.ciphersuite`.
//!
//! # How sure
//!
//! - Certain: the alert and the client's offer. The server's list is not on the wire; only what it chose for others shows it.
//! - Alert 40 is used for many things: GnuTLS sends it for versions, OpenSSL and Go for a missing client certificate in TLS 1.2, Java for a
//!   connection closed before the ClientHello. The place in the handshake decides; only a refusal of the hello itself is this cause.
//! - Looks alike: `protocol-version-mismatch`, `sni-rejected` (some servers answer 40 to an unknown name), `client-certificate-required`.
//! - What decides: the server's log (`no shared cipher`), or a second client that succeeds.
//!
//! # References
//!
//! - RFC 8446 sections 4.1.1, 4.2.3, 4.2.7 and 6.2; RFC 9325 (recommended suites); RFC 7525 before it.
//! - OpenSSL `openssl-ciphers(1)`; JSSE Reference Guide; Go release notes 1.22; Microsoft: Schannel events.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::AlertDescription;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "cipher-mismatch",
    group: Group::Handshake,
    summary: "no cipher suite, group or signature algorithm in common: alert 40 or 71 at the hello",
    usual_fault: "undetermined",
    endings: &[Ending::FatalAlert],
    phases: &[Phase::ClientHello],
    source: include_str!("cipher_mismatch.rs"),
    yields_to: &[
        "server-not-tls",
        "client-not-tls",
        "client-certificate-required",
        "client-certificate-rejected",
        "protocol-version-mismatch",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (side, alert, at) = session.root_alert()?;
    let fits = matches!(alert.description, AlertDescription::HANDSHAKE_FAILURE | AlertDescription::INSUFFICIENT_SECURITY);
    if !fits || side != Side::Server || session.phase != Phase::ClientHello || session.tls.client_hello.is_none() {
        return None;
    }
    let hello = session.tls.client_hello.as_ref()?;
    Some(
        Reading::new(
            Fault::Undetermined,
            Confidence::Possible,
            Impact::SessionFailed,
            format!(
                "client and server have nothing in common: {} suites and {} were offered, the server answered {}",
                hello.suites().len(),
                common::offered_versions(session),
                tell::alert(alert)
            ),
        )
        .cite(tell::client_hello(session))
        .cite(tell::saw(at, Side::Server, tell::alert(alert)))
        .rule_out(Fault::Network, "both sides spoke and were heard")
        .or(
            Fault::Client,
            "cipher-mismatch",
            "its offer lacks what the server wants (suite, group, signature algorithm; with GnuTLS also the version)",
            "the server's error log names what was missing",
        )
        .or(
            Fault::Server,
            "cipher-mismatch",
            "its certificate or configuration fits no common offer (an ECDSA key for RSA suites, a narrow cipher list)",
            "the server's error log: no shared cipher, no suitable key share",
        )
        .advise(format!("Look into the server's error log at {}: it says what was missing.", tell::clock(at)))
        .advise(format!("Try suites by hand: openssl s_client -connect {} -tls1_2 -cipher ALL.", session.ends.server)),
    )
}
