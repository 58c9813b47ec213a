//! certificate-untrusted: the client does not trust the issuer of the server's certificate.
//!
//! # What it means
//!
//! The client ended the handshake after the server's certificate because it could build no chain to a root that it trusts: self-signed,
//! private CA, or a missing intermediate. The client hung up because of what the server sent: fault `server`; the second reading, a trust
//! store of the client that lacks the CA, is always told with it. Where the chain can be read (TLS 1.2, or keys), the verdict says which of
//! the two it is more likely to be. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `javax.net.ssl.SSLHandshakeException: PKIX path building failed`,
//!   `SunCertPathBuilderException: unable to find valid certification path to requested target`.
//! - Client, OpenSSL, Python: `certificate verify failed: unable to get local issuer certificate` (20), `self-signed certificate` (18),
//!   `self-signed certificate in certificate chain` (19), `unable to verify the first certificate` (21).
//! - Client, curl: `curl: (60) SSL certificate problem: unable to get local issuer certificate`.
//! - Client, Node: `UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `DEPTH_ZERO_SELF_SIGNED_CERT`, `SELF_SIGNED_CERT_IN_CHAIN`; Go
//!   `x509: certificate signed by unknown authority`.
//! - Client, rustls: `invalid peer certificate: UnknownIssuer`, for a self-signed one `Other(OtherError(CaUsedAsEndEntity))`; GnuTLS
//!   `The certificate issuer is unknown`, wget `The certificate of 'host' doesn't have a known issuer.` (exit 5); .NET
//!   `The remote certificate is invalid because of errors in the certificate chain: PartialChain`, for a self-signed one `UntrustedRoot`.
//! - Client, git (GnuTLS): `server certificate verification failed. CAfile`. Chrome `ERR_CERT_AUTHORITY_INVALID`; Firefox
//!   `SEC_ERROR_UNKNOWN_ISSUER`, `MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT`.
//! - Client, libpq (PostgreSQL): `SSL error: certificate verify failed`; redis-cli `SSL_connect failed: certificate verify failed` (and
//!   tries once more by itself).
//! - Server: `tlsv1 alert unknown ca` (`SSL alert number 48`; OpenSSL 1.1.1 `error:14094418`), `sslv3 alert certificate unknown` (46),
//!   `sslv3 alert bad certificate` (42), newer OpenSSL `ssl/tls alert bad certificate`; Go
//!   `remote error: tls: unknown certificate authority`; Java `Received fatal alert: unknown_ca` or `certificate_unknown`.
//! - Server's log of that alert: nginx (info) `SSL_do_handshake() failed`, Apache (info) `AH02008: SSL library error 1 in handshake`,
//!   HAProxy `SSL handshake failure`, PostgreSQL `could not accept SSL connection`, Redis `Error accepting a client connection`.
//! - Server on GnuTLS: `Received alert '48': CA is unknown.`; for an OpenSSL client with TLS 1.3 `Decryption has failed.`, because that
//!   alert comes in the clear. rustls `received fatal alert: UnknownCA`; .NET `tlsv1 alert unknown ca`, innermost.
//! - Apache as the client of a backend: `AH02276: Certificate Verification: Error (20): unable to get local issuer certificate` (info),
//!   `AH00898`; nginx `upstream SSL certificate verify error: (21:unable to verify the first certificate)`, or
//!   `(18:self-signed certificate)`; HAProxy `SC` with 503.
//!
//! # Why it happens
//!
//! - The server sends its leaf without the intermediate. Browsers fetch or remember it, Java, Python, curl and Go do not: "works in the
//!   browser" is the typical ticket.
//! - A private or company CA that is not in this client's store (a new container image, a JDK of its own, a Python with `certifi`).
//! - A self-signed certificate, often the appliance's or the ingress controller's default
//!   (`Kubernetes Ingress Controller Fake Certificate`).
//! - TLS inspection whose CA is not installed on this machine: see `tls-interception`.
//! - A new public root not yet known to an old JDK, Android or Windows without root updates.
//!
//! # What to do
//!
//! - **Client**: add the CA to the store this program really uses: Java `keytool -importcert -cacerts -alias corp -file ca.pem` or
//!   `-Djavax.net.ssl.trustStore=`; Windows and Java `-Djavax.net.ssl.trustStoreType=Windows-ROOT`; Python `SSL_CERT_FILE`,
//!   `REQUESTS_CA_BUNDLE`; Node `NODE_EXTRA_CA_CERTS`; curl `--cacert`; Debian `update-ca-certificates`, RHEL `update-ca-trust`. Never
//!   `verify=False`.
//! - **Server**: serve leaf plus intermediates: nginx `ssl_certificate fullchain.pem`, Apache `SSLCertificateFile` with the chain in it,
//!   HAProxy one PEM with chain and key; IIS: intermediates in the machine's store.
//! - **Proxy / load balancer**: towards backends: HAProxy `server ... ssl verify required ca-file /etc/haproxy/ca.pem`, nginx
//!   `proxy_ssl_trusted_certificate`.
//! - **Network**: where an inspecting box signs, roll its CA out or exempt the destination.
//! - Verify: `openssl s_client -connect host:443 -servername host -showcerts </dev/null` and read `Verify return code`: 20 or 21 is a
//!   missing link, 18 or 19 a private root. Filter: `tls.alert_message.desc == 48`.
//!
//! # How sure
//!
//! - Proof: the chain in clear and the client's alert 48, 46 or 42, or its FIN, right after it. Alert 48 in clear alone names the cause in
//!   TLS 1.3 too.
//! - Alert numbers are habits: for this one cause OpenSSL sends 48, Java 46, rustls 46 or 48, Go and GnuTLS 42; Node and Java's
//!   `HttpClient` send none.
//! - Not decidable from here: whether the CA *ought* to be trusted. A self-signed leaf or a chain without its intermediate points to the
//!   server, a complete private chain to the client's store.
//! - Looks alike: `certificate-expired`, `certificate-rejected` (name, usage, revocation), `client-closed-in-handshake` without an alert.
//! - What decides: the `openssl s_client` line above from the client's machine; a key log for TLS 1.3.
//!
//! # References
//!
//! - RFC 5280 section 6 (path validation); RFC 8446 sections 4.4.2 and 6.2.
//! - OpenSSL `X509_STORE_CTX_get_error(3)` (verify codes); JSSE Reference Guide (trust stores).

use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "certificate-untrusted",
    group: Group::Handshake,
    summary: "the client does not trust who issued the server's certificate",
    usual_fault: "server or the client's trust store",
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst, Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("certificate_untrusted.rs"),
    yields_to: &["server-not-tls", "client-not-tls", "tls-interception"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let rejection = common::certificate_rejection(session)?;
    (rejection.why == common::Objection::Untrusted).then(|| rejection.reading(RULE.slug))
}
