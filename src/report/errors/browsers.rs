//! What Chrome and Firefox show. Measured, except where a note says otherwise: Chromium, and Firefox 153 ESR, whose error page names the code
//! below "Advanced" or "Error Code".

use super::{Message, Wire};
use crate::base::Side::Client;
use Wire::{
    BadRecord, CertificateExpired, CertificateName, CertificateUntrusted, ClientCertificateBad, ClientCertificateMissing, FinBeforeAnswer,
    FinInBody, FinInHandshake, NoCommonCipher, NoCommonProtocol, NoCommonVersion, NoRoute, NotTls, NotifiedBeforeAnswer, NotifiedInBody,
    PeerFatal, ProxyAuthentication, ProxyRefused, ProxyUpstream, Refused, RstAfterHandshake, RstInHandshake, SilentInHandshake, Stalled,
    SynUnanswered, UnknownName,
};

const fn m(stack: &'static str, text: &'static str, wires: &'static [Wire], note: &'static str) -> Message {
    Message { by: Client, stack, text, wires, note }
}

/// A message that needs no note.
const fn c(stack: &'static str, text: &'static str, wires: &'static [Wire]) -> Message {
    m(stack, text, wires, "")
}

/// The messages.
pub(super) static ALL: &[Message] = &[
    c("Chrome", "ERR_CONNECTION_CLOSED", &[FinInHandshake]),
    c("Chrome", "ERR_CONNECTION_RESET", &[RstInHandshake, RstAfterHandshake]),
    c("Chrome", "ERR_CONNECTION_REFUSED", &[Refused]),
    c("Chrome", "ERR_CONNECTION_TIMED_OUT", &[SynUnanswered, SilentInHandshake]),
    c("Chrome", "ERR_TIMED_OUT", &[Stalled, SilentInHandshake]),
    c("Chrome", "ERR_EMPTY_RESPONSE", &[FinBeforeAnswer, NotifiedBeforeAnswer]),
    c("Chrome", "ERR_CONTENT_LENGTH_MISMATCH", &[FinInBody]),
    c("Chrome", "ERR_SSL_PROTOCOL_ERROR", &[NotTls, PeerFatal, BadRecord]),
    c("Chrome", "ERR_SSL_VERSION_OR_CIPHER_MISMATCH", &[NoCommonCipher, NoCommonVersion]),
    c("Chrome", "ERR_BAD_SSL_CLIENT_AUTH_CERT", &[ClientCertificateMissing, ClientCertificateBad]),
    c("Chrome", "ERR_SSL_UNRECOGNIZED_NAME_ALERT", &[UnknownName]),
    c("Chrome", "ERR_CERT_AUTHORITY_INVALID", &[CertificateUntrusted]),
    c("Chrome", "ERR_CERT_DATE_INVALID", &[CertificateExpired]),
    c("Chrome", "ERR_CERT_COMMON_NAME_INVALID", &[CertificateName]),
    m("Chrome", "ERR_TUNNEL_CONNECTION_FAILED", &[ProxyRefused, ProxyUpstream], "not measured"),
    c("Firefox", "PR_END_OF_FILE_ERROR", &[FinInHandshake, NotTls]),
    c("Firefox", "PR_CONNECT_RESET_ERROR", &[RstInHandshake, RstAfterHandshake]),
    m(
        "Firefox",
        "The page you are trying to view cannot be shown because the authenticity of the received data could not be verified",
        &[FinBeforeAnswer, NotifiedBeforeAnswer, RstAfterHandshake, RstInHandshake, FinInHandshake],
        "without a code below it: the connection ended between the handshake and the answer, or was reset within the answer",
    ),
    c(
        "Firefox",
        "The connection to the server was reset while the page was loading",
        &[RstAfterHandshake, RstInHandshake, FinBeforeAnswer],
    ),
    m(
        "Firefox",
        "NS_ERROR_NET_RESET",
        &[RstAfterHandshake, RstInHandshake, FinBeforeAnswer, NotifiedBeforeAnswer, FinInHandshake],
        "developer tools; a FIN has it, too",
    ),
    m("Firefox", "NS_ERROR_NET_PARTIAL_TRANSFER", &[FinInBody, NotifiedInBody], "developer tools; the page shows what came, and no error"),
    c("Firefox", "SSL_ERROR_RX_RECORD_TOO_LONG", &[NotTls, BadRecord]),
    m("Firefox", "SSL_ERROR_NO_CYPHER_OVERLAP", &[NoCommonCipher, NoCommonVersion], "any handshake_failure that answers the ClientHello"),
    m(
        "Firefox",
        "SSL_ERROR_HANDSHAKE_FAILURE_ALERT",
        &[ClientCertificateMissing, NoCommonCipher],
        "a handshake_failure later than that: up to TLS 1.2 a missing client certificate",
    ),
    c("Firefox", "SSL_ERROR_PROTOCOL_VERSION_ALERT", &[NoCommonVersion]),
    m("Firefox", "SSL_ERROR_UNSUPPORTED_VERSION", &[NoCommonVersion], "not measured"),
    c("Firefox", "SSL_ERROR_UNRECOGNIZED_NAME_ALERT", &[UnknownName]),
    c("Firefox", "SSL_ERROR_NEXT_PROTOCOL_NO_PROTOCOL", &[NoCommonProtocol]),
    c("Firefox", "SSL_ERROR_INTERNAL_ERROR_ALERT", &[PeerFatal]),
    c("Firefox", "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT", &[ClientCertificateMissing]),
    c("Firefox", "SSL_ERROR_BAD_MAC_READ", &[BadRecord]),
    m("Firefox", "SSL_ERROR_BAD_MAC_ALERT", &[BadRecord], "the server found the damage"),
    m(
        "Firefox",
        "NS_ERROR_CONNECTION_REFUSED",
        &[Refused, NoRoute],
        "developer tools; the page says 'Unable to connect', as for an ICMP error",
    ),
    c("Firefox", "about:neterror?e=connectionFailure", &[Refused, NoRoute, ProxyUpstream]),
    m(
        "Firefox",
        "NS_ERROR_NET_TIMEOUT",
        &[SynUnanswered, SilentInHandshake],
        "developer tools; the page says 'The connection has timed out'",
    ),
    c("Firefox", "about:neterror?e=netTimeout", &[SynUnanswered, SilentInHandshake, ProxyUpstream]),
    m("Firefox", "NS_ERROR_PROXY_FORBIDDEN", &[ProxyRefused], "developer tools; a 403"),
    c("Firefox", "about:neterror?e=proxyConnectFailure", &[ProxyRefused]),
    m("Firefox", "The proxy server is refusing connections", &[ProxyRefused, ProxyAuthentication], "a 403"),
    m("Firefox", "NS_ERROR_PROXY_BAD_GATEWAY", &[ProxyUpstream], "developer tools; a 502; the page says 'Unable to connect'"),
    m(
        "Firefox",
        "NS_ERROR_PROXY_GATEWAY_TIMEOUT",
        &[ProxyUpstream],
        "developer tools; a 504; the page says 'The connection has timed out'",
    ),
    m(
        "Firefox",
        "NS_ERROR_PROXY_CONNECTION_REFUSED",
        &[ProxyAuthentication, ProxyRefused],
        "developer tools; the login that a 407 asks for was dismissed",
    ),
    c("Firefox", "SEC_ERROR_EXPIRED_CERTIFICATE", &[CertificateExpired]),
    m("Firefox", "SEC_ERROR_UNKNOWN_ISSUER", &[CertificateUntrusted], "also an inspecting proxy's"),
    c("Firefox", "MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT", &[CertificateUntrusted]),
    c("Firefox", "SSL_ERROR_BAD_CERT_DOMAIN", &[CertificateName]),
];
