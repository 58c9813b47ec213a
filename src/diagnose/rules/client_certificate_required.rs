//! client-certificate-required: the server demands a client certificate and the client sent none.
//!
//! # What it means
//!
//! The server asked for a client certificate, the client answered with an empty list, and the server refused with an alert or closed right
//! after it. The server did what it is configured to do; what is missing is a certificate at the client: fault `client`. An empty list
//! alone is no failure: with optional client certificates the session goes on. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, OpenSSL 3: `tlsv13 alert certificate required` (`SSL alert number 116`), in TLS 1.2 `sslv3 alert handshake failure` (newer
//!   OpenSSL `ssl/tls alert handshake failure`, 40) or `bad certificate` (42). OpenSSL 1.1.1 `error:1409445C`, `error:14094410`.
//! - Client, curl: `curl: (56) OpenSSL SSL_read: ... tlsv13 alert certificate required, errno 0`,
//!   `curl: (55) getpeername() failed with errno 107`; exit 98 in builds that know it.
//! - Client, Java: `java.net.SocketException: Broken pipe`, `java.io.IOException: Error writing to server`, sometimes
//!   `Received fatal alert: certificate_required` or `bad_certificate`. The alert is often lost.
//! - Client, Python: at the first `recv()`, not in the handshake: `[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]`; Node
//!   `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`.
//! - Client, Go: at the first `Read`: `remote error: tls: certificate required`; rustls `received fatal alert: CertificateRequired`.
//! - Client, redis-cli (Redis wants a certificate by default, `tls-auth-clients yes`): `Error: Server closed the connection` or
//!   `Error: Connection reset by peer`; never the alert's name.
//! - Client, GnuTLS: `Received alert [116]: Certificate is required`, up to TLS 1.2 `[40]: Handshake failed`; git up to TLS 1.2
//!   `Send failure: Broken pipe`; .NET `Decrypt failed with OpenSSL error - SSL_ERROR_SSL`, below it the alert; Apache as the client of a
//!   backend `AH02268: Proxy client certificate callback: downstream server wanted client certificate but none are configured`.
//! - Chrome `ERR_BAD_SSL_CLIENT_AUTH_CERT`; Firefox `SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT`, up to TLS 1.2
//!   `SSL_ERROR_HANDSHAKE_FAILURE_ALERT`.
//! - Server: OpenSSL `peer did not return a certificate`, Go `tls: client didn't provide a certificate`, Java
//!   `Empty client certificate chain`; rustls `peer sent no certificates`; gnutls-serv `Certificate is required.`; .NET
//!   `RemoteCertificateNotAvailable`; Apache (info) `peer did not return a certificate -- No CAs known to server for verification?`;
//!   HAProxy `SSL handshake failure`; Redis `Error accepting a client connection` with OpenSSL's words.
//! - nginx does *not* fail the handshake: it sends `400 No required SSL certificate was sent` inside TLS and logs
//!   `client sent no required SSL certificate`; such a session ends cleanly. So does one with PostgreSQL (`clientcert=verify-ca`): `FATAL`
//!   28000 `connection requires a valid client certificate`, inside TLS.
//!
//! # Why it happens
//!
//! - No key store configured in the client, or the wrong profile, environment or path; a container without the mounted secret.
//! - The client has a certificate but it does not match what the server asks for: the CA list in CertificateRequest, the key type or the
//!   signature algorithms; libraries then send an empty list silently.
//! - The private key is missing or locked (smart card, HSM, password), so that the certificate cannot be used.
//! - mTLS was switched on at the server, and this client was not told; or the wrong virtual host (mTLS applies to another name).
//! - A TLS-inspecting proxy in between: it cannot present the client's certificate.
//!
//! # What to do
//!
//! - **Client**: Java `-Djavax.net.ssl.keyStore=client.p12 -Djavax.net.ssl.keyStorePassword=... -Djavax.net.ssl.keyStoreType=PKCS12`; curl
//!   `--cert client.pem --key client.key`; Python `ctx.load_cert_chain()`; Go `tls.Config.Certificates`; Node `key`, `cert`. Send the
//!   intermediates too.
//! - **Client, Java**: `-Djavax.net.debug=ssl:handshake` shows whether a key was chosen (`No X.509 certificate for client authentication`).
//! - **Server**: nginx `ssl_verify_client on` (or `optional`), `ssl_client_certificate ca.pem` names the accepted CAs; Apache
//!   `SSLVerifyClient require`, `SSLCACertificateFile`; HAProxy `bind ... verify required ca-file ca.pem`; IIS: SSL settings Accept instead
//!   of Require if it is optional.
//! - **Proxy / load balancer**: ends TLS before the server? Then the proxy needs the client's certificate or must pass it on; exempt mTLS
//!   destinations from inspection.
//! - **Network**: nothing.
//! - Verify: `openssl s_client -connect host:443 -servername host </dev/null` prints `Acceptable client certificate CA names`; repeat with
//!   `-cert client.pem -key client.key`. Filter: `tls.alert_message.desc == 116`, TLS 1.2 `tls.handshake.type == 13`.
//!
//! # How sure
//!
//! - Proof without keys: the client's record of exactly 25 bytes (TLS 1.3; 41 with Java) before its Finished, or in TLS 1.2 a Certificate
//!   message of length 3; then the server's alert or close.
//! - In TLS 1.3 the client already believes in success and may have sent its request; the server's RST over that unread request is a
//!   consequence.
//! - Looks alike: `client-certificate-rejected` (a certificate was sent), an application that answers 401 or 403 inside TLS (a clean
//!   session).
//! - Caps: coalesced records (rustls puts Certificate and Finished into one) make the inference `likely`, not `certain`.
//! - What decides: the server's log line, or a key log.
//!
//! # References
//!
//! - RFC 8446 sections 4.3.2, 4.4.2 and 6.2 (alert 116); RFC 5246 sections 7.4.4 and 7.4.6.
//! - nginx `ssl_verify_client`; Apache `SSLVerifyClient`; HAProxy `verify`; JSSE Reference Guide.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::AlertDescription;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-certificate-required",
    group: Group::Handshake,
    summary: "the server wants a client certificate and got none",
    usual_fault: "client",
    endings: &[Ending::Fin, Ending::Rst, Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("client_certificate_required.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let answer = common::server_objection(session)?;
    let required = answer.alert.is_some_and(|alert| alert.description == AlertDescription::CERTIFICATE_REQUIRED);
    let empty = session.tls.client_certificate.filter(|(_, present)| !present);
    if !required && empty.is_none() {
        return None;
    }
    // An empty list alone is optional client authentication; only an objection right after it says that it was not.
    if empty.is_none() && session.phase == Phase::ClientHello {
        return None;
    }
    let mut reading = Reading::new(
        Fault::Client,
        if required { Confidence::Certain } else { Confidence::Likely },
        Impact::SessionFailed,
        format!("the server wants a client certificate, the client has none for it: {}", answer.what),
    );
    if let Some(at) = session.tls.certificate_request {
        reading = reading.cite(tell::saw(at, Side::Server, "CertificateRequest"));
    }
    if let Some((at, _)) = empty {
        reading = reading.cite(match session.tls.certificate_request {
            Some(_) => tell::saw(at, Side::Client, "Certificate with an empty list"),
            None => tell::inferred(at, Side::Client, "a record of the length of an empty Certificate message"),
        });
    }
    Some(
        reading
            .cite(tell::saw(answer.at, Side::Server, answer.what))
            .rule_out(Fault::Network, "both sides spoke and were heard")
            .advise("Give the client a certificate that the server's CA issued (curl --cert/--key, Java javax.net.ssl.keyStore, Python load_cert_chain).")
            .advise("A client that has one sends none when its issuer is not in the server's list of acceptable CAs: compare the two."),
    )
}
