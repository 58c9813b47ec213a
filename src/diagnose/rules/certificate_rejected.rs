//! certificate-rejected: the client refused the server's certificate for another or an unnamed reason.
//!
//! # What it means
//!
//! The client ended the handshake at the server's certificate, by an alert that concerns certificates or by leaving right after it, and
//! neither dates nor issuer explain it in what can be read: wrong host name, wrong usage, revoked, weak, or a reason not shown. Fault
//! `server`, the owner of the certificate, with the client's trust settings as the second reading; without anything readable it stays
//! likely or possible. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `No subject alternative DNS name matching host found`, `No name matching host found`,
//!   `Certificates do not conform to algorithm constraints`.
//! - Client, OpenSSL 1.1.1: `verify error:num=62:Hostname mismatch`. OpenSSL, Python:
//!   `Hostname mismatch, certificate is not valid for 'host'`, `ee key too small`, `ca md too weak`, `unsuitable certificate purpose`,
//!   `certificate revoked`.
//! - Client, curl: `curl: (60) SSL: no alternative certificate subject name matches target host name`.
//! - Client, Go: `x509: certificate is valid for a.example, not b.example`, `x509: certificate relies on legacy Common Name field`; Node
//!   `ERR_TLS_CERT_ALTNAME_INVALID`; rustls
//!   `invalid peer certificate: certificate not valid for name "a.example"; certificate is only valid for ...`.
//! - Client, GnuTLS: `The name in the certificate does not match the expected`; wget
//!   `The certificate's owner does not match hostname`; libpq (PostgreSQL)
//!   `server certificate for "a.example" does not match host name "b.example"`; MariaDB
//!   `ERROR 2026 (HY000): TLS/SSL error: Validation of SSL server certificate failed` (it leaves after the handshake, with a bare FIN).
//! - Client, git (GnuTLS): `SSL: certificate subject name (a.example) does not match target host name 'b.example'`. .NET:
//!   `The remote certificate is invalid according to the validation procedure: RemoteCertificateNameMismatch`; Chrome
//!   `ERR_CERT_COMMON_NAME_INVALID`, `ERR_CERT_REVOKED`; Firefox `SSL_ERROR_BAD_CERT_DOMAIN`.
//! - Server: `sslv3 alert bad certificate` (42; newer OpenSSL `ssl/tls alert bad certificate`; 1.1.1 `error:14094412`),
//!   `certificate unknown` (46), `certificate revoked` (44), `unsupported certificate` (43); Java
//!   `Received fatal alert: certificate_unknown`; Go `remote error: tls: bad certificate`; often only `unexpected eof while reading` or
//!   `EOF`.
//! - Server's log of that alert: nginx (info) `SSL_do_handshake() failed`, Apache (info) `AH02008: SSL library error 1 in handshake`,
//!   HAProxy `SSL handshake failure`, PostgreSQL `could not accept SSL connection`, Redis `Error accepting a client connection`.
//! - Apache as the client of a backend: `AH02411: SSL Proxy: Peer certificate does not match for hostname` (info), `AH00898`; nginx
//!   `upstream SSL certificate does not match "api.example.com"`; HAProxy `SC` with 503.
//!
//! # Why it happens
//!
//! - The name: called by IP address, by a short or an old name, by a name that is not in subjectAltName; or no SNI was sent and the default
//!   certificate came.
//! - Pinning: the app expects a certain key, and the certificate was renewed (or an inspecting proxy stands between).
//! - Wrong usage: a client certificate as server certificate (no `serverAuth`), a CA certificate used as the server's own (rustls:
//!   `CaUsedAsEndEntity`).
//! - Weak by today's rules: SHA-1, 1024 bit RSA, common name only, life time above 398 days (Apple, and falling further).
//! - Revoked, or OCSP must-staple without a staple (alert 113).
//!
//! # What to do
//!
//! - **Client**: call the name that is in the certificate; make the library send SNI (Java: not an IP address in the URL, no
//!   `-Djsse.enableSNIExtension=false`); review pins. `openssl s_client -verify_hostname` mirrors the check.
//! - **Server**: order the certificate with every name in use; `openssl x509 -noout -ext subjectAltName,extendedKeyUsage -in cert.pem`.
//!   nginx and Apache: the right `server_name` / `ServerName` so that SNI selects it.
//! - **Proxy / load balancer**: backends called by IP: nginx `proxy_ssl_name host; proxy_ssl_server_name on;`, HAProxy
//!   `sni str(host) verifyhost host`.
//! - **Network**: compare the certificate seen here with the one seen from outside (`tls-interception`).
//! - Verify: `openssl s_client -connect 203.0.113.7:443 -servername host -verify_hostname host -verify_return_error </dev/null`. Filter:
//!   `tls.alert_message.desc in {42, 43, 44, 46}`.
//!
//! # How sure
//!
//! - Certain: who left, and at which message. With the certificate in clear, a name that does not fit the SNI is a direct observation.
//! - Alert 44 says that the issuer has revoked it: fault `server`. An alert of another meaning (Perl's `internal_error`) counts where the
//!   certificate in clear shows what is wrong.
//! - TLS 1.3 without keys: an alert-sized record of the client before its Finished is a rejection of the certificate with high probability;
//!   its number is not readable.
//! - Looks alike: `probe` (the handshake was finished), `client-closed-in-handshake` (no alert; user abort or race possible).
//! - curl and `s_client` check the name *after* the handshake; curl then says a clean goodbye. Such a session looks complete and empty.
//! - What decides: the client's own log, or a key log.
//!
//! # References
//!
//! - RFC 9525 (service names in TLS); RFC 5280; RFC 8446 sections 4.4.2.4 and 6.2; RFC 7633 (must-staple).
//! - CA/Browser Forum Baseline Requirements (life times).

use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "certificate-rejected",
    group: Group::Handshake,
    summary: "the client left over the server's certificate for another reason: its name, its use, a revocation",
    usual_fault: "server or the client's trust store",
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst, Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("certificate_rejected.rs"),
    yields_to: &["server-not-tls", "client-not-tls", "tls-interception"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let rejection = common::certificate_rejection(session)?;
    (rejection.why == common::Objection::Other).then(|| rejection.reading(RULE.slug))
}
