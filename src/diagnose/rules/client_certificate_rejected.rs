//! client-certificate-rejected: the server refused the certificate that the client presented.
//!
//! # What it means
//!
//! The client sent a certificate and the server answered with an alert, or closed, right after the client's Finished. The server's trust
//! settings do not accept this certificate: unknown issuer, expired, revoked, wrong usage, or its signature did not verify. Fault `client`,
//! as the holder of the certificate; the second reading is always the server's list of trusted CAs. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, OpenSSL 3: `tlsv1 alert unknown ca` (48), `sslv3 alert bad certificate` (42), `sslv3 alert certificate unknown` (46),
//!   `sslv3 alert certificate expired` (45), `tlsv1 alert decrypt error` (51); newer OpenSSL writes `ssl/tls alert ...` for
//!   `sslv3 alert ...`. In TLS 1.3 only at the first read. OpenSSL 1.1.1 `error:14094418` for 48.
//! - Client, Java: `java.net.SocketException: Broken pipe`, `java.io.IOException: Error writing to server`, or
//!   `Received fatal alert: bad_certificate`, `unknown_ca`, `certificate_unknown`.
//! - Client, curl: `curl: (56) OpenSSL SSL_read: ... alert unknown ca, errno 0`; `curl: (55)` when it was still writing.
//! - Client, Go: `remote error: tls: unknown certificate authority`, `remote error: tls: bad certificate`; Node
//!   `ERR_SSL_TLSV1_ALERT_UNKNOWN_CA`; rustls `received fatal alert: UnknownCA`; Python `[SSL: TLSV1_ALERT_UNKNOWN_CA]`.
//! - Client, GnuTLS: `Received alert [48]: CA is unknown`; git `Send failure: Broken pipe`; wget in TLS 1.3
//!   `The specified session has been invalidated for some reason.`; .NET `Decrypt failed with OpenSSL error - SSL_ERROR_SSL`, below it the
//!   alert. Chrome `ERR_BAD_SSL_CLIENT_AUTH_CERT`; Firefox `SSL_ERROR_UNKNOWN_CA_ALERT` (not measured).
//! - Server, HAProxy: `SSL client certificate not trusted`. OpenSSL (stunnel): `certificate verify failed` (1.1.1 `error:1417C086`); Apache
//!   (info) `AH02276: Certificate Verification: Error (20)`; gnutls-serv `Error in handshake: Error in the certificate.`; rustls
//!   `invalid peer certificate: UnknownIssuer`; .NET
//!   `The remote certificate is invalid because of errors in the certificate chain: PartialChain`; Go
//!   `tls: failed to verify certificate: x509: certificate signed by unknown authority`; Java `PKIX path building failed`.
//! - nginx keeps the session and answers `400 The SSL certificate error` inside TLS, log
//!   `client SSL certificate verify error: (18:self-signed certificate)`.
//!
//! # Why it happens
//!
//! - The server does not know the issuing CA, or the client does not send the intermediate.
//! - The client's certificate has expired; certificates of services and devices are renewed less carefully than those of web sites.
//! - Extended key usage lacks `clientAuth` (public CAs have begun to drop it from server certificates), or a server certificate is used.
//! - Revocation: CRL not reachable or out of date at the server (HAProxy `crl-file`, nginx `ssl_crl`: an expired CRL rejects everybody).
//! - The private key does not belong to the certificate, or a smart card signs wrongly: then `decrypt_error` (51).
//!
//! # What to do
//!
//! - **Client**: `openssl x509 -in client.pem -noout -subject -issuer -dates -ext extendedKeyUsage`; send the chain (leaf first); check
//!   that key and certificate belong together (`openssl pkey -in client.key -pubout` against `openssl x509 -pubkey -noout`).
//! - **Server**: trust the issuing CA: nginx `ssl_client_certificate`, `ssl_verify_depth 2`; Apache `SSLCACertificateFile`,
//!   `SSLVerifyDepth`; HAProxy `ca-file`, `crt-ignore-err` for known exceptions; renew the CRL.
//! - **Proxy / load balancer**: where it verifies, the CA list must be *there*; AWS ALB trust stores, API gateways.
//! - **Network**: nothing.
//! - Verify: `openssl verify -CAfile server-trusted-cas.pem -untrusted intermediate.pem -purpose sslclient client.pem`; then
//!   `openssl s_client -connect host:443 -cert client.pem -key client.key -cert_chain chain.pem`. Filter:
//!   `tls.alert_message.desc in {42, 43, 44, 45, 46, 48, 49, 51}`.
//!
//! # How sure
//!
//! - Proof: a client Certificate that is not empty, then the server's alert as the first closing act. In clear or with keys the alert names
//!   the reason; without keys in TLS 1.3 it is an alert-sized record of the server right after the client's Finished, with no ticket and no
//!   data before it: likely.
//! - The number is a habit: untrusted issuer is 48 from OpenSSL, Go and rustls, 46 from Java.
//! - Not decidable: whether certificate or CA list is wrong.
//! - Looks alike: `client-certificate-required` (empty list), refusals by the application (403 inside TLS).
//! - What decides: the server's log; the client's certificate in clear (TLS 1.2) or with keys.
//!
//! # References
//!
//! - RFC 8446 sections 4.4.2, 4.4.3 and 6.2; RFC 5280 sections 4.2.1.12 and 6.
//! - OpenSSL `openssl-verify(1)`; nginx `ssl_client_certificate`, `ssl_crl`; HAProxy `crt-ignore-err`, `crl-file`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-certificate-rejected",
    group: Group::Handshake,
    summary: "the server did not accept the client's certificate",
    usual_fault: "client",
    endings: &[Ending::Fin, Ending::Rst, Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("client_certificate_rejected.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let answer = common::server_objection(session)?;
    let (at, _) = session.tls.client_certificate.filter(|(_, present)| *present)?;
    Some(
        Reading::new(
            Fault::Client,
            Confidence::Likely,
            Impact::SessionFailed,
            format!("the server did not accept the client's certificate: {}", answer.what),
        )
        .cite(match session.tls.certificate_request {
            Some(_) => tell::saw(at, Side::Client, "Certificate"),
            None => tell::inferred(at, Side::Client, "a record of the length of a Certificate message"),
        })
        .cite(tell::saw(answer.at, Side::Server, answer.what))
        .rule_out(Fault::Network, "both sides spoke and were heard")
        .or(Fault::Server, "client-certificate-rejected", "its list of client CAs is incomplete", "the server's error log")
        .advise(format!(
            "Look into the server's error log at {}: it names the reason (unknown CA, expired, purpose).",
            tell::clock(answer.at)
        ))
        .advise("Check the client's certificate against the server's CA file: openssl verify -purpose sslclient -CAfile CA CERT."),
    )
}
