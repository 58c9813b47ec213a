//! What .NET and Schannel log. .NET Core 3.1 and .NET 10 on Linux (HttpClient, SslStream) are measured; what only Windows says is not, and
//! its notes say so.

use super::{Message, Wire};
use crate::base::Side::{self, Client, Server};
use Wire::{
    BadRecord, BadServerCertificate, CertificateExpired, CertificateName, CertificateUntrusted, ClientCertificateBad,
    ClientCertificateMissing, ClientLeft, ClientLeftInHandshake, ClientNotTls, CutRecord, FinBeforeAnswer, FinInBody, FinInHandshake,
    NoCommonCipher, NoCommonProtocol, NoCommonVersion, NoRoute, NotTls, NotifiedBeforeAnswer, NotifiedInBody, PeerFatal,
    ProxyAuthentication, ProxyRefused, ProxyUpstream, Refused, RstAfterHandshake, RstInHandshake, SilentInHandshake, Stalled,
    SynUnanswered, UnknownName,
};

const fn m(by: Side, stack: &'static str, text: &'static str, wires: &'static [Wire], note: &'static str) -> Message {
    Message { by, stack, text, wires, note }
}

/// A client's message that needs no note.
const fn c(stack: &'static str, text: &'static str, wires: &'static [Wire]) -> Message {
    m(Client, stack, text, wires, "")
}

/// A message that only Windows has.
const fn w(by: Side, stack: &'static str, text: &'static str, wires: &'static [Wire]) -> Message {
    m(by, stack, text, wires, "Windows; not measured")
}

/// One text for whatever OpenSSL reports of an alert in the handshake.
const ALERTED: &[Wire] = &[NoCommonCipher, NoCommonVersion, ClientCertificateMissing, UnknownName, NoCommonProtocol, PeerFatal];

/// The messages.
pub(super) static ALL: &[Message] = &[
    m(
        Client,
        ".NET",
        "Received an unexpected EOF or 0 bytes from the transport stream",
        &[FinInHandshake, CutRecord, ClientLeftInHandshake, ClientLeft],
        "in an answer the FIN cut a record in two",
    ),
    m(Client, ".NET", "Authentication failed because the remote party has closed the transport stream", &[FinInHandshake], ".NET Core 3.1"),
    c(
        ".NET",
        "Unable to read data from the transport connection: Connection reset by peer",
        &[RstAfterHandshake, RstInHandshake, ClientLeft, ClientLeftInHandshake],
    ),
    m(
        Client,
        ".NET",
        "The SSL connection could not be established, see inner exception",
        &[FinInHandshake, RstInHandshake, BadServerCertificate, NoCommonVersion, NoCommonCipher, NotTls],
        "the inner exception tells which",
    ),
    c(".NET", "The SSL connection could not be established, see inner exception. … Connection reset by peer", &[RstInHandshake]),
    m(
        Client,
        ".NET",
        "Unable to write data to the transport connection: Connection reset by peer",
        &[RstAfterHandshake, ClientLeft],
        "in a server's log the client left during a download",
    ),
    m(
        Client,
        ".NET",
        "Error while copying content to a stream. … Received an unexpected EOF or 0 bytes from the transport stream",
        &[CutRecord],
        "the FIN cut a record in two",
    ),
    c(".NET", "Cannot determine the frame size or a corrupted frame was received", &[NotTls, ClientNotTls, BadRecord]),
    m(Client, ".NET", "The handshake failed due to an unexpected packet format", &[NotTls, ClientNotTls], ".NET Core 3.1"),
    m(
        Client,
        ".NET",
        "SSL Handshake failed with OpenSSL error - SSL_ERROR_SSL",
        ALERTED,
        "the innermost exception holds OpenSSL's words for the alert",
    ),
    m(
        Client,
        ".NET",
        "Decrypt failed with OpenSSL error - SSL_ERROR_SSL",
        &[BadRecord, ClientCertificateMissing, ClientCertificateBad, PeerFatal],
        "the innermost exception tells damage from an alert",
    ),
    c(".NET", "The response ended prematurely", &[FinBeforeAnswer, NotifiedBeforeAnswer, FinInBody, NotifiedInBody]),
    c(".NET", "Error while copying content to a stream. … The response ended prematurely", &[FinInBody, NotifiedInBody]),
    m(
        Client,
        ".NET",
        "The remote certificate is invalid",
        &[BadServerCertificate, ClientCertificateBad],
        ".NET Core 3.1 says no more; in a server's log it is the client's certificate",
    ),
    c(
        ".NET",
        "The remote certificate is invalid because of errors in the certificate chain: NotTimeValid",
        &[CertificateExpired, ClientCertificateBad],
    ),
    c(
        ".NET",
        "The remote certificate is invalid because of errors in the certificate chain: PartialChain",
        &[CertificateUntrusted, ClientCertificateBad],
    ),
    m(
        Client,
        ".NET",
        "The remote certificate is invalid because of errors in the certificate chain: UntrustedRoot",
        &[CertificateUntrusted, ClientCertificateBad],
        "self-signed",
    ),
    c(".NET", "The remote certificate is invalid according to the validation procedure: RemoteCertificateNameMismatch", &[CertificateName]),
    m(
        Server,
        ".NET",
        "The remote certificate is invalid according to the validation procedure: RemoteCertificateNotAvailable",
        &[ClientCertificateMissing],
        "",
    ),
    m(
        Client,
        ".NET",
        "The request was canceled due to the configured HttpClient.Timeout of … seconds elapsing",
        &[Stalled, SilentInHandshake, SynUnanswered],
        "one text for whatever takes too long",
    ),
    m(
        Client,
        ".NET",
        "CanceledException: The operation was canceled",
        &[Stalled, SilentInHandshake, SynUnanswered],
        ".NET Core 3.1, for whatever takes too long; also where the program itself gave up",
    ),
    c(".NET", "The proxy tunnel request to proxy … failed with status code '407'", &[ProxyAuthentication]),
    m(
        Client,
        ".NET",
        "The proxy tunnel request to proxy … failed with status code …",
        &[ProxyRefused, ProxyUpstream],
        ".NET Core 3.1 hands the proxy's answer to the application as the server's",
    ),
    c(".NET", "Unable to read data from the transport connection: Connection timed out", &[Stalled, SilentInHandshake]),
    c(".NET", "HttpRequestException: Connection timed out", &[SynUnanswered]),
    c(".NET", "HttpRequestException: Connection refused", &[Refused]),
    m(Client, ".NET", "HttpRequestException: No route to host", &[NoRoute], "also for an administratively prohibited SYN"),
    c(".NET", "HttpRequestException: Network is unreachable", &[NoRoute]),
    m(
        Client,
        ".NET",
        "An existing connection was forcibly closed by the remote host",
        &[RstAfterHandshake, RstInHandshake],
        "Windows: WSAECONNRESET, 10054; not measured",
    ),
    w(Client, ".NET", "Authentication failed because the remote party sent a TLS alert: …", &[PeerFatal]),
    m(
        Client,
        ".NET Framework",
        "The underlying connection was closed: An unexpected error occurred on a send",
        &[FinInHandshake, RstInHandshake, NoCommonVersion],
        "not measured",
    ),
    m(
        Client,
        ".NET Framework",
        "The underlying connection was closed: A connection that was expected to be kept alive was closed by the server",
        &[FinBeforeAnswer, NotifiedBeforeAnswer],
        "not measured",
    ),
    m(
        Client,
        ".NET Framework",
        "Could not establish trust relationship for the SSL/TLS secure channel",
        &[BadServerCertificate],
        "not measured",
    ),
    w(
        Client,
        "Schannel",
        "The client and server cannot communicate, because they do not possess a common algorithm",
        &[NoCommonCipher, NoCommonVersion],
    ),
    w(Client, "Schannel", "The message received was unexpected or badly formatted", &[NotTls, PeerFatal]),
    w(Client, "Schannel", "SEC_E_UNTRUSTED_ROOT", &[CertificateUntrusted]),
    m(
        Server,
        "Schannel",
        "A fatal alert was received from the remote endpoint",
        &[PeerFatal],
        "event 36887, with the alert's number; not measured",
    ),
    m(
        Server,
        "Schannel",
        "A fatal alert was generated and sent to the remote endpoint",
        &[PeerFatal],
        "event 36888: this machine sent it; not measured",
    ),
];
