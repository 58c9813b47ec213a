//! What nginx, HAProxy, Apache and stunnel log, as servers and as the clients of what stands behind them. Measured, except where a note
//! says otherwise.

use super::{Message, Wire};
use crate::base::Side::{self, Client, Server};
use Wire::{
    BadRecord, CertificateExpired, CertificateName, CertificateUntrusted, ClientCertificateBad, ClientCertificateMissing, ClientLeft,
    ClientLeftInHandshake, ClientNotTls, FinAtEnd, FinBeforeAnswer, FinInBody, FinInHandshake, NoCommonCipher, NoCommonProtocol,
    NoCommonVersion, NotTls, NotifiedBeforeAnswer, NotifiedInBody, Refused, RstAfterHandshake, RstInHandshake, SilentInHandshake, Stalled,
    SynUnanswered, UnknownName,
};

const fn m(by: Side, stack: &'static str, text: &'static str, wires: &'static [Wire], note: &'static str) -> Message {
    Message { by, stack, text, wires, note }
}

/// A server's message that needs no note.
const fn s(stack: &'static str, text: &'static str, wires: &'static [Wire]) -> Message {
    m(Server, stack, text, wires, "")
}

/// nginx as the client of its upstream.
const NGINX: &str = "nginx is the client here: capture between nginx and the upstream";
/// Apache as the client of its backend (2.4).
const APACHE: &str = "Apache is the client here: capture between Apache and the backend";
/// Apache logs the reason only at that level.
const APACHE_INFO: &str = "Apache is the client here; the reason stands in the lines before it, at LogLevel ssl:info";

/// The messages, by program.
pub(super) static ALL: &[Message] = &[
    m(Client, "nginx", "upstream prematurely closed connection", &[FinBeforeAnswer, NotifiedBeforeAnswer, FinInBody], NGINX),
    m(
        Client,
        "nginx",
        "recv() failed (104: Connection reset by peer) while reading response header from upstream",
        &[RstAfterHandshake],
        NGINX,
    ),
    m(Client, "nginx", "peer closed connection in SSL handshake … while SSL handshaking to upstream", &[FinInHandshake], NGINX),
    m(Client, "nginx", "upstream timed out", &[Stalled, SynUnanswered, SilentInHandshake], NGINX),
    s("nginx", "client closed connection while SSL handshaking", &[ClientLeftInHandshake]),
    s("nginx", "peer closed connection in SSL handshake", &[ClientLeftInHandshake]),
    m(
        Server,
        "nginx",
        "client sent no required SSL certificate",
        &[ClientCertificateMissing],
        "nginx completes the handshake and answers 400 inside TLS",
    ),
    s("nginx", "client sent plain HTTP request to HTTPS port", &[ClientNotTls]),
    s("nginx", "The plain HTTP request was sent to HTTPS port", &[ClientNotTls]),
    s("nginx", "closed keepalive connection (104: Connection reset by peer)", &[ClientLeft]),
    s("nginx", "writev() failed (104: Connection reset by peer)", &[ClientLeft]),
    m(Server, "nginx", "client prematurely closed connection", &[ClientLeft], "not measured"),
    m(Server, "HAProxy", "Connection closed during SSL handshake", &[ClientLeftInHandshake], "most often a health check"),
    m(
        Server,
        "HAProxy",
        "SSL handshake failure",
        &[ClientLeftInHandshake, NoCommonVersion, NoCommonCipher, ClientNotTls],
        "one text for everything that can fail in a handshake",
    ),
    m(Server, "HAProxy", "Timeout during SSL handshake", &[ClientLeftInHandshake], "not measured"),
    // Apache 2.4.71 on OpenSSL 3.0. Its own lines about clients are of level info.
    m(Server, "Apache", "SSL handshake stopped: connection was closed", &[ClientLeftInHandshake], "AH02006, a FIN; level info"),
    m(
        Server,
        "Apache",
        "[client … AH01998: Connection closed to child",
        &[ClientLeftInHandshake],
        "alone, without a line before it, a RST in the handshake; level info",
    ),
    m(Server, "Apache", "SSL handshake failed: HTTP spoken on HTTPS port", &[ClientNotTls], "AH01996; Apache answers 400 in plain text"),
    m(
        Server,
        "Apache",
        "SSL library error 1 in handshake",
        &[NoCommonVersion, NoCommonCipher, ClientNotTls, ClientCertificateMissing, ClientCertificateBad, ClientLeftInHandshake],
        "AH02008; the line 'SSL Library Error' after it is OpenSSL's",
    ),
    m(Server, "Apache", "SSL library error 1 in handshake … unsupported protocol", &[NoCommonVersion], "AH02008; level info"),
    m(
        Server,
        "Apache",
        "SSL library error 1 in handshake … no suitable signature algorithm",
        &[NoCommonVersion, NoCommonCipher],
        "AH02008; a hello of TLS 1.1; level info",
    ),
    m(Server, "Apache", "SSL library error 1 in handshake … wrong version number", &[ClientNotTls], "AH02008; level info"),
    m(
        Server,
        "Apache",
        "no shared cipher -- Too restrictive SSLCipherSuite or using DSA server certificate?",
        &[NoCommonCipher],
        "after AH02008",
    ),
    m(
        Server,
        "Apache",
        "peer did not return a certificate -- No CAs known to server for verification?",
        &[ClientCertificateMissing],
        "after AH02008",
    ),
    m(
        Client,
        "Apache",
        "Certificate Verification: Error (20): unable to get local issuer certificate",
        &[CertificateUntrusted, ClientCertificateBad],
        "AH02276; the proxy does not accept its backend's certificate, or the server its client's",
    ),
    m(
        Client,
        "Apache",
        "[remote … Certificate Verification: Error (20): unable to get local issuer certificate",
        &[CertificateUntrusted],
        "AH02276; Apache is the client here",
    ),
    m(
        Server,
        "Apache",
        "[client … Certificate Verification: Error (20): unable to get local issuer certificate",
        &[ClientCertificateBad],
        "AH02276",
    ),
    m(
        Client,
        "Apache",
        "Certificate Verification: Error (10): certificate has expired",
        &[CertificateExpired, ClientCertificateBad],
        "AH02276; the proxy does not accept its backend's certificate, or the server its client's",
    ),
    m(
        Client,
        "Apache",
        "Certificate Verification: Error (18): self-signed certificate",
        &[CertificateUntrusted, ClientCertificateBad],
        "AH02276; the proxy does not accept its backend's certificate, or the server its client's",
    ),
    m(
        Client,
        "Apache",
        "SSL Proxy: Peer certificate does not match for hostname",
        &[CertificateName],
        "AH02411; Apache is the client here",
    ),
    m(Server, "Apache", "SSL library error 6 reading data", &[ClientLeft, FinInBody], "AH01992, a FIN without close_notify; level info"),
    m(
        Server,
        "Apache",
        "SSL library error 1 reading data",
        &[BadRecord, FinInBody, FinBeforeAnswer, FinAtEnd, ClientLeft],
        "AH01992; the line 'SSL Library Error' after it is OpenSSL's; level info",
    ),
    m(
        Client,
        "Apache",
        "SSL library error 1 reading data … unexpected eof while reading",
        &[FinInBody, FinBeforeAnswer, FinAtEnd],
        "AH01992; a backend's bare FIN; level info",
    ),
    m(
        Server,
        "Apache",
        "SSL library error 1 reading data … wrong version number",
        &[BadRecord, ClientNotTls],
        "AH01992; plain text in the middle of TLS; level info",
    ),
    m(Server, "Apache", "SSL library error 1 reading data … decryption failed or bad record mac", &[BadRecord], "AH01992; level info"),
    m(
        Server,
        "Apache",
        "(104)Connection reset by peer: [client … AH01991: SSL input filter read failed",
        &[ClientLeft],
        "a RST; level info",
    ),
    m(
        Client,
        "Apache",
        "(104)Connection reset by peer: [remote … AH01991: SSL input filter read failed",
        &[RstAfterHandshake],
        "Apache is the client here; level info",
    ),
    m(
        Server,
        "Apache",
        "AH01993: SSL output filter write failed",
        &[ClientLeft],
        "the client left during a download, with a FIN or with a RST; level info",
    ),
    m(Server, "Apache", "Request handshake read timeout", &[ClientLeftInHandshake], "AH01382, RequestReadTimeout handshake="),
    m(
        Server,
        "Apache",
        "Request header read timeout",
        &[ClientLeft],
        "AH01382, RequestReadTimeout header=: the handshake was done, and nothing was asked",
    ),
    m(
        Client,
        "Apache",
        "Error during SSL Handshake with remote server",
        &[FinInHandshake, RstInHandshake, SilentInHandshake, NotTls, NoCommonCipher, NoCommonVersion, UnknownName, NoCommonProtocol],
        APACHE_INFO,
    ),
    m(
        Client,
        "Apache",
        "(70014)End of file found: … error reading status line from remote server",
        &[FinBeforeAnswer, NotifiedBeforeAnswer, ClientCertificateMissing],
        APACHE,
    ),
    m(Client, "Apache", "(104)Connection reset by peer: … error reading status line from remote server", &[RstAfterHandshake], APACHE),
    m(Client, "Apache", "(70007)The timeout specified has expired: … error reading status line from remote server", &[Stalled], APACHE),
    m(
        Client,
        "Apache",
        "(70008)Partial results are valid but processing is incomplete: … AH01110: error reading response",
        &[FinInBody, NotifiedInBody],
        APACHE,
    ),
    m(Client, "Apache", "(104)Connection reset by peer: … AH01110: error reading response", &[RstAfterHandshake], APACHE),
    m(Client, "Apache", "(70007)The timeout specified has expired: … AH01110: error reading response", &[Stalled], APACHE),
    m(Client, "Apache", "Internal error (specific information not available): … AH01110: error reading response", &[BadRecord], APACHE),
    m(
        Client,
        "Apache",
        "(104)Connection reset by peer: … AH01084: pass request body failed",
        &[RstAfterHandshake],
        "Apache is the client here: a RST right after the handshake",
    ),
    m(
        Client,
        "Apache",
        "downstream server wanted client certificate but none are configured",
        &[ClientCertificateMissing],
        "AH02268; Apache is the client here",
    ),
    m(Client, "Apache", "(111)Connection refused: AH00957: … attempt to connect to … failed", &[Refused], APACHE),
    m(Client, "Apache", "(113)No route to host: AH00957: … attempt to connect to … failed", &[Wire::NoRoute], APACHE),
    m(Client, "Apache", "(101)Network is unreachable: AH00957: … attempt to connect to … failed", &[Wire::NoRoute], APACHE),
    m(Client, "Apache", "(70007)The timeout specified has expired: AH00957: … attempt to connect to … failed", &[SynUnanswered], APACHE),
    m(Server, "stunnel", "SSL_accept: unexpected eof while reading", &[ClientLeftInHandshake], ""),
    m(Server, "stunnel", "Connection reset: … byte(s) sent to TLS", &[ClientLeft], ""),
];
