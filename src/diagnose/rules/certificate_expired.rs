//! certificate-expired: the client left because the server's certificate is expired or not yet valid.
//!
//! # What it means
//!
//! The client ended the handshake after the server's certificate, and the certificate is outside its dates at the time of the capture, or
//! the client's alert says `certificate_expired` (45). The client hung up, rightly: fault `server`, the owner of the certificate. The other
//! reading is always given: the verifier's clock may be wrong. In TLS 1.2, or with keys, the dates are read and quoted. Impact: the session
//! failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed`, caused by
//!   `CertificateExpiredException: NotAfter: ...`.
//! - Client, OpenSSL, Python: `certificate verify failed: certificate has expired` (verify error 10), `[SSL: CERTIFICATE_VERIFY_FAILED]`;
//!   OpenSSL 1.1.1 `error:1416F086`.
//! - Client, curl: `curl: (60) SSL certificate problem: certificate has expired`. A curl that *received* alert 45 says exit 60 as well.
//! - Client, Go: `tls: failed to verify certificate: x509: certificate has expired or is not yet valid`; Node `CERT_HAS_EXPIRED`; rustls
//!   `invalid peer certificate: certificate expired: verification time ... but certificate is not valid after ...` (older: `Expired`).
//! - Client, GnuTLS: `The certificate chain uses expired certificate`; wget `The certificate of 'host' has expired.`; libpq (PostgreSQL)
//!   and redis-cli only `certificate verify failed`.
//! - Client, git (GnuTLS): `server certificate verification failed. CAfile`. .NET:
//!   `The remote certificate is invalid because of errors in the certificate chain: NotTimeValid`, .NET Core 3.1 only
//!   `The remote certificate is invalid according to the validation procedure.`; Chrome `ERR_CERT_DATE_INVALID`; Firefox
//!   `SEC_ERROR_EXPIRED_CERTIFICATE`.
//! - Server: `sslv3 alert certificate expired` (newer OpenSSL `ssl/tls alert certificate expired`; 1.1.1 `error:14094415`;
//!   `SSL alert number 45`), Java `Received fatal alert: certificate_expired`, Go `remote error: tls: expired certificate`; often only a
//!   generic alert (Go clients always send 42, Java 46) or `unexpected eof while reading`.
//! - Server's log of that alert: nginx (info) `SSL_do_handshake() failed`, Apache (info) `AH02008: SSL library error 1 in handshake`,
//!   HAProxy `SSL handshake failure`, PostgreSQL `could not accept SSL connection`, Redis `Error accepting a client connection`.
//! - Apache as the client of a backend: `AH02276: Certificate Verification: Error (10): certificate has expired` (info),
//!   `AH00898: Error during SSL Handshake with remote server`; its own client gets a 500. nginx
//!   `upstream SSL certificate verify error: (10:certificate has expired) while SSL handshaking to upstream` with 502; HAProxy `SC` with
//!   503.
//!
//! # Why it happens
//!
//! - Renewal failed or was never automated; ACME challenge blocked (port 80, DNS, CAA).
//! - Renewed on disk, not loaded: the process was not reloaded, or one node of several still serves the old file.
//! - An *intermediate* expired, or the server still sends the old one next to a new leaf.
//! - The verifier's clock: devices without battery, virtual machines after suspend, containers on a wrong host. Then `not yet valid` is
//!   typical.
//! - An old trust store whose root has expired (Let's Encrypt DST Root X3 in 2021 on old OpenSSL and Android).
//!
//! # What to do
//!
//! - **Client**: check the clock first: `date -u`, `timedatectl`, `chronyc tracking`. Update the trust store (`ca-certificates`, JDK
//!   `cacerts`). Do not switch verification off.
//! - **Server**: renew and *reload*: `certbot renew && nginx -s reload`, `systemctl reload haproxy`, Java keystores need a restart or a
//!   reloading TrustManager; send the full chain. Watch: `openssl x509 -noout -enddate -in cert.pem`, `openssl x509 -checkend 1209600` in a
//!   daily job.
//! - **Proxy / load balancer**: every node and every listener: renewed at the origin does not mean renewed at the load balancer, CDN or
//!   IPv6 listener.
//! - **Network**: an inspecting proxy re-signs with dates of its own; see `tls-interception`.
//! - Verify: `openssl s_client -connect host:443 -servername host -showcerts </dev/null | openssl x509 -noout -dates -issuer -subject`,
//!   once per address: `curl --resolve host:443:203.0.113.8 -v https://host/`. Filter: `tls.alert_message.desc == 45`; the dates are in
//!   `x509af.utcTime`.
//!
//! # How sure
//!
//! - Proof: the certificate in clear (TLS 1.2 or earlier, or keys) with `notAfter` before the frame's time, and the client's alert or FIN
//!   right after it.
//! - The dates of the certificates above it that the server sends along count as well: an expired intermediate fails a valid certificate.
//! - In TLS 1.3 without keys the certificate is sealed. An alert 45 in clear (OpenSSL clients send it so even in TLS 1.3) is enough; a
//!   sealed alert or a silent FIN is `certificate-rejected` or `client-closed-in-handshake`.
//! - An expired certificate in a session that nevertheless works is not reported as its end: some clients do not verify.
//! - Caps: the frame's clock is the capturing machine's; a wrong one would accuse wrongly, so look at other dates in the capture.
//! - What decides: the certificate as served now, and the client's clock.
//!
//! # References
//!
//! - RFC 5280 section 4.1.2.5 (validity); RFC 8446 sections 4.4.2.4 and 6.2.
//! - OpenSSL `openssl-x509(1)`, `openssl-verify(1)`. ACME: RFC 8555.

use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "certificate-expired",
    group: Group::Handshake,
    summary: "the server's certificate is past its date (or the client's clock is wrong)",
    usual_fault: "server",
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst, Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("certificate_expired.rs"),
    yields_to: &["server-not-tls", "client-not-tls", "tls-interception"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let rejection = common::certificate_rejection(session)?;
    (rejection.why == common::Objection::Expired).then(|| rejection.reading(RULE.slug))
}
