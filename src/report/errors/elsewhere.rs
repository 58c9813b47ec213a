//! Messages of more programs: from their sources, documentation and users' reports, not measured. They lead from a text to the wire, and
//! never into a report.

use super::{Message, Wire};
use crate::base::Side::{self, Client, Server};
use Wire::{
    BadRecord, BadServerCertificate, CertificateName, CertificateUntrusted, ClientCertificateMissing, ClientLeftInHandshake, ClientNotTls,
    FinAtEnd, FinBeforeAnswer, FinInBody, FinInHandshake, NoCommonCipher, NoCommonProtocol, NoCommonVersion, NoRoute, NotTls,
    NotifiedBeforeAnswer, PeerFatal, ProxyAuthentication, ProxyRefused, ProxyUpstream, Refused, RstAfterHandshake, RstInHandshake,
    SilentInHandshake, Stalled, SynUnanswered, WroteAfterClose,
};

const fn m(by: Side, stack: &'static str, text: &'static str, wires: &'static [Wire], note: &'static str) -> Message {
    Message { by, stack, text, wires, note }
}

/// A message that needs no note but how it is known.
const fn c(stack: &'static str, text: &'static str, wires: &'static [Wire]) -> Message {
    m(Client, stack, text, wires, "not measured")
}

/// The connection ended between a request and the first byte of its answer.
const UNANSWERED: &[Wire] = &[FinBeforeAnswer, NotifiedBeforeAnswer, RstAfterHandshake];
/// One text for whatever fails in a handshake.
const HANDSHAKE: &[Wire] = &[FinInHandshake, RstInHandshake, BadServerCertificate, NoCommonVersion, NoCommonCipher, NotTls];
const MORE: &str = "what stands beside it, or in the cause below it, tells which; not measured";

/// The messages, by stack.
pub(super) static ALL: &[Message] = &[
    // Java and what is built on it.
    m(Client, "Java", "Connection reset", &[RstAfterHandshake, RstInHandshake], "inside an SSLException, too; not measured"),
    c("Java", "Connection or outbound has closed", &[WroteAfterClose]),
    c("Java", "Tag mismatch", &[BadRecord]),
    c("Java", "No subject alternative names present", &[CertificateName]),
    c("Java", "No name matching … found", &[CertificateName]),
    c("Apache HttpClient", "failed to respond", UNANSWERED),
    c("Apache HttpClient", "Premature end of Content-Length delimited message body", &[FinInBody]),
    c("Apache HttpClient", "Premature end of chunk coded message body", &[FinInBody]),
    c("OkHttp", "unexpected end of stream", UNANSWERED),
    c("OkHttp", "\\n not found: limit=0", UNANSWERED),
    c("Android", "Trust anchor for certification path not found", &[CertificateUntrusted]),
    c("Android", "SSLHandshakeException: connection closed", &[FinInHandshake, RstInHandshake]),
    c("Netty", "not an SSL/TLS record", &[NotTls, ClientNotTls]),
    c("Netty", "SSLEngine closed already", &[WroteAfterClose, FinInHandshake]),
    c("Reactor Netty", "Connection prematurely closed BEFORE response", UNANSWERED),
    c("Reactor Netty", "Connection prematurely closed DURING response", &[FinInBody]),
    m(Client, "Kafka", "SSL handshake failed", HANDSHAKE, MORE),
    // gRPC.
    c("gRPC", "connection closed before server preface received", &[FinBeforeAnswer, NotifiedBeforeAnswer, ClientNotTls, NoCommonProtocol]),
    c("gRPC", "error reading server preface", &[FinBeforeAnswer, NotifiedBeforeAnswer, NoCommonProtocol, NotTls]),
    c("gRPC", "missing selected ALPN property", &[NoCommonProtocol]),
    c("gRPC", "transport is closing", UNANSWERED),
    // curl, git, wget.
    m(
        Client,
        "curl (7)",
        "Failed to connect to … Couldn't connect to server",
        &[Refused, SynUnanswered, NoRoute],
        "the reason stands there with -v",
    ),
    c("curl (35)", "SSL connect error", HANDSHAKE),
    c("curl (35)", "schannel: failed to receive handshake", &[FinInHandshake, RstInHandshake]),
    c("curl (56)", "schannel: server closed abruptly (missing close_notify)", &[FinAtEnd, FinInBody]),
    c("curl (56)", "Received HTTP code 407 from proxy after CONNECT", &[ProxyAuthentication]),
    c("curl (56)", "Received HTTP code … from proxy after CONNECT", &[ProxyRefused, ProxyUpstream]),
    m(Client, "curl, git", "Connection was reset", &[RstAfterHandshake, RstInHandshake], "on Windows; not measured"),
    m(Client, "git", "the remote end hung up unexpectedly", &[FinInBody, FinBeforeAnswer, RstAfterHandshake], MORE),
    m(Client, "git", "early EOF", &[FinInBody, RstAfterHandshake], MORE),
    // Databases.
    c("PostgreSQL", "server closed the connection unexpectedly", &[FinBeforeAnswer, FinInBody, FinAtEnd, RstAfterHandshake]),
    c("MySQL", "Lost connection to … at 'reading authorization packet'", &[FinInHandshake, RstInHandshake, SilentInHandshake]),
    c("MySQL", "Lost connection to … during query", &[FinBeforeAnswer, FinInBody, RstAfterHandshake, Stalled]),
    c("MySQL", "server has gone away", &[WroteAfterClose, FinBeforeAnswer]),
    c("Redis", "Server closed the connection", UNANSWERED),
    c("MongoDB", "MongoServerSelectionError: connection … closed", &[FinInHandshake, FinBeforeAnswer]),
    m(Client, "OpenLDAP", "Can't contact LDAP server", &[Refused, SynUnanswered, FinInHandshake, BadServerCertificate], MORE),
    m(Client, "OpenLDAP", "ldap_start_tls: Connect error", &[BadServerCertificate, FinInHandshake], MORE),
    // Python, Ruby, PHP, Node.
    c("Python", "Hostname mismatch, certificate is not valid for", &[CertificateName]),
    c("Python", "Server disconnected", UNANSWERED),
    c("Python", "record layer failure", &[BadRecord, NotTls]),
    c("Ruby", "SSL_connect returned=5 errno=0", &[FinInHandshake]),
    c("Ruby", "Connection reset by peer - SSL_connect", &[RstInHandshake]),
    c("Ruby", "end of file reached", &[FinBeforeAnswer, NotifiedBeforeAnswer, FinAtEnd]),
    c("Ruby", "execution expired", &[SynUnanswered, SilentInHandshake, Stalled]),
    c("PHP", "SSL: Connection reset by peer", &[RstInHandshake, RstAfterHandshake]),
    m(Client, "PHP", "Failed to enable crypto", HANDSHAKE, MORE),
    c("Node", "unable to verify the first certificate", &[CertificateUntrusted]),
    c("Node", "SELF_SIGNED_CERT_IN_CHAIN", &[CertificateUntrusted]),
    c("Node", "Hostname/IP does not match certificate's altnames", &[CertificateName]),
    c("Node", "other side closed", UNANSWERED),
    // Windows and Apple.
    m(Client, "Apple", "The network connection was lost", UNANSWERED, "NSURLErrorDomain -1005; not measured"),
    m(Client, "Apple", "a secure connection to the server cannot be made", HANDSHAKE, "NSURLErrorDomain -1200; not measured"),
    m(Client, "Apple", "The certificate for this server is invalid", &[BadServerCertificate], "NSURLErrorDomain -1202; not measured"),
    // Browsers.
    c("Chrome", "ERR_SSL_CLIENT_AUTH_CERT_NEEDED", &[ClientCertificateMissing]),
    c("Chrome", "ERR_INCOMPLETE_CHUNKED_ENCODING", &[FinInBody]),
    c("Chrome", "ERR_CONNECTION_ABORTED", &[WroteAfterClose, RstAfterHandshake]),
    // Libraries.
    m(Client, "OpenSSL", "SSL_ERROR_ZERO_RETURN", &[NotifiedBeforeAnswer], "a close_notify came; not measured"),
    // Servers and proxies.
    m(Client, "Envoy", "reset reason: connection termination", UNANSWERED, "Envoy is the client here; not measured"),
    m(
        Client,
        "Envoy",
        "reset reason: connection failure",
        &[Refused, SynUnanswered, FinInHandshake, RstInHandshake, BadServerCertificate],
        "Envoy is the client here; not measured",
    ),
    m(Client, "Envoy", "reset reason: connection timeout", &[SynUnanswered, SilentInHandshake], "Envoy is the client here; not measured"),
    c("Postfix", "SSL_connect error to", HANDSHAKE),
    m(Server, "Postfix", "SSL_accept error from", &[ClientLeftInHandshake, PeerFatal, NoCommonVersion, NoCommonCipher], MORE),
    m(Server, "Dovecot", "Disconnected: TLS handshaking", &[ClientLeftInHandshake, PeerFatal, NoCommonVersion], MORE),
];
