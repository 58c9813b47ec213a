//! What an application's message can have been on the wire, and which causes look like that. Measured with the stacks that
//! [`messages`](super::messages) names.

use super::Wire;

/// One thing that can have happened on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// What happened, as a clause: `the server closed during the handshake`.
    pub what: &'static str,
    /// The causes that look like this, likeliest first, and why each.
    pub causes: &'static [(&'static str, &'static str)],
    /// What to look at in the capture.
    pub look: &'static str,
}

impl Wire {
    /// What it means.
    pub fn meaning(self) -> Meaning {
        match self {
            Wire::Refused => Meaning {
                what: "the SYN was answered with a RST: TCP never came up",
                causes: &[
                    ("connection-refused", "nothing listens on that port, or a firewall rejects in the host's name"),
                    ("firewall-rejected", "an ICMP error of a firewall is reported the same way"),
                    ("server-process-died", "sessions of that server broke off just before: its process has ended"),
                ],
                look: "the RST's TTL and delay against other connections of the same host; the port in the client's settings",
            },
            Wire::NoRoute => Meaning {
                what: "an ICMP error came back: unreachable, or prohibited",
                causes: &[
                    ("firewall-rejected", "an administratively prohibited error names the firewall by its source address"),
                    ("unreachable", "a router has no way there, or the host does not answer on its own network"),
                ],
                look: "the ICMP error's source address, type and code",
            },
            Wire::SynUnanswered => Meaning {
                what: "the SYNs were not answered at all",
                causes: &[
                    ("connection-timeout", "a firewall drops them, the host is down, or its queue of new connections is full"),
                    ("unreachable", "an ICMP error came back that the system did not pass on"),
                ],
                look: "whether other connections to that host come up; a capture at the server tells whether the SYNs arrive",
            },
            Wire::FinInHandshake => Meaning {
                what: "the server closed (FIN) during the handshake and sent no alert",
                causes: &[
                    ("server-closed-in-handshake", "the usual reading: whatever accepts TLS there gave up on the ClientHello"),
                    ("backend-down-behind-proxy", "a load balancer accepted, found no backend, and closed after a round pause"),
                    ("proxy-tunnel-cut", "the connection went through a proxy, and the proxy ended the tunnel"),
                    ("server-unresponsive", "it closed only after a long silence"),
                ],
                look: "the last thing the server sent before its FIN, and how long after the ClientHello it came",
            },
            Wire::RstInHandshake => Meaning {
                what: "the connection was reset during the handshake",
                causes: &[
                    ("server-reset-in-handshake", "the server aborted: a crash, a limit, a filter on its host"),
                    ("injected-reset", "a box between reset it in the server's name"),
                    ("large-client-hello-dropped", "only hellos of two segments (post-quantum key shares) are reset"),
                    ("server-closed-in-handshake", "it closed first, and its RST answers what the client sent afterwards"),
                ],
                look: "the RST's TTL, IP ID and timestamps against the server's other packets; whether a FIN came before it",
            },
            Wire::SilentInHandshake => Meaning {
                what: "the handshake got no answer until the client gave up",
                causes: &[
                    ("server-unresponsive", "the ClientHello was acknowledged, and the application behind never answered"),
                    ("path-mtu-black-hole", "only full-size segments are lost: a smaller MTU on the way and no ICMP"),
                    ("large-client-hello-dropped", "the second segment of a large ClientHello never gets through"),
                    ("path-black-hole", "nothing gets through any more"),
                    ("client-gave-up-waiting", "the same seen from the one that left: look at who kept it waiting"),
                ],
                look: "whether the ClientHello was acknowledged, and which segments were sent again",
            },
            Wire::NotTls => Meaning {
                what: "the answer to the ClientHello was not TLS",
                causes: &[
                    ("server-not-tls", "plain HTTP, SSH, SMTP or the like listens there: wrong port, or TLS is off"),
                    ("proxy-refused-tunnel", "a proxy answered in plain text"),
                    ("starttls-refused", "the protocol wants STARTTLS first"),
                    ("record-corruption", "it was TLS until a record header came that cannot be"),
                ],
                look: "the first bytes the server sent: they are readable",
            },
            Wire::FinBeforeAnswer => Meaning {
                what: "after the handshake the server closed (FIN) without close_notify and without an answer",
                causes: &[
                    (
                        "server-closed-without-close-notify",
                        "it closed while a request was open, or its process died: kernels close with a FIN for it",
                    ),
                    ("server-process-died", "other sessions ended in the same moment, or new connections were refused right after"),
                    ("keepalive-race", "a pooled connection: its idle close crossed the new request"),
                    ("server-idle-timeout", "a timer closed an idle connection, and the client noticed at its next use"),
                    ("server-truncated-record", "the FIN came in the middle of a record"),
                    ("client-certificate-rejected", "TLS 1.3 servers judge the client's certificate after the client's handshake is done"),
                ],
                look: "how long the connection was idle before, and whether the FIN acknowledges the request",
            },
            Wire::NotifiedBeforeAnswer => Meaning {
                what: "the server closed properly (close_notify, FIN) without an answer",
                causes: &[
                    ("keepalive-race", "a pooled connection: its idle close crossed the new request"),
                    ("server-idle-timeout", "a timer closed an idle connection"),
                    ("clean-close", "TLS ended as it should; why there was no answer only the application knows"),
                ],
                look: "how long the connection was idle before, and whether the FIN acknowledges the request",
            },
            Wire::RstAfterHandshake => Meaning {
                what: "an established session was reset",
                causes: &[
                    ("server-reset", "the server aborted, closed with the request unread, or its process is gone"),
                    ("server-process-died", "new connections were refused right after: its process has ended"),
                    ("keepalive-race", "the server had closed the idle connection, and its RST answers the new request"),
                    ("middlebox-idle-timeout", "a firewall or load balancer forgot the idle connection and resets what comes"),
                    ("injected-reset", "a box between reset it in an endpoint's name"),
                    ("client-reset", "in a server's log: the client aborted"),
                    ("client-aborted-transfer", "in a server's log: the client left during a download"),
                ],
                look: "whether the RST answers a segment (no ACK flag), how long it was quiet before, and the RST's TTL",
            },
            Wire::FinInBody => Meaning {
                what: "the server closed in the middle of an answer",
                causes: &[
                    ("server-truncated-record", "the FIN came in the middle of a record: data was lost, proven"),
                    (
                        "server-closed-without-close-notify",
                        "the FIN came between two records, with no close_notify: a crash, a kill, a limit",
                    ),
                    ("server-process-died", "and all its sessions ended so, or new connections were refused right after"),
                    ("zero-window-stall", "the client had stopped reading, and the server gave up"),
                    ("clean-close", "with a close_notify: TLS is sound, the application sent less than it announced"),
                ],
                look: "the server's last record: complete or cut, a close_notify or not",
            },
            Wire::CutRecord => Meaning {
                what: "the connection ended (FIN) in the middle of a record",
                causes: &[
                    ("server-truncated-record", "in an answer: data was lost, proven"),
                    ("client-truncated-record", "in a server's log: in the middle of what the client sent"),
                    ("server-closed-in-handshake", "in the middle of the server's handshake messages"),
                    ("client-closed-in-handshake", "in a server's log: in the middle of the ClientHello"),
                ],
                look: "the length in the header of the last record against the bytes that follow it",
            },
            Wire::NotifiedInBody => Meaning {
                what: "the server said goodbye (close_notify) in the middle of its answer",
                causes: &[
                    ("clean-close", "TLS ended as it should; the application behind sent less than it had announced"),
                    ("server-closed-without-close-notify", "the same words for a bare FIN, in programs that do not tell them apart"),
                ],
                look: "the server's last record before its FIN: one as short as an alert is the close_notify",
            },
            Wire::FinAtEnd => Meaning {
                what: "the peer closed (FIN) without close_notify although nothing was outstanding",
                causes: &[
                    ("server-idle-timeout", "after a silence; many servers close idle connections bare"),
                    ("server-closed-without-close-notify", "at the end of an answer that ends with the connection: it may be truncated"),
                    (
                        "client-closed-without-close-notify",
                        "in a server's log: browsers, Python, wget and Java pools always close like this",
                    ),
                ],
                look: "what was outstanding: after a complete exchange it is harmless, and OpenSSL 3 reports it all the same",
            },
            Wire::WroteAfterClose => Meaning {
                what: "the application wrote to a connection that the peer had closed or reset before",
                causes: &[
                    ("keepalive-race", "a pooled connection was closed while idle"),
                    ("client-certificate-required", "TLS 1.3: the server refused the client certificate while the client already wrote"),
                    ("client-certificate-rejected", "the same for a certificate that it did not accept"),
                    ("server-closed-without-close-notify", "the server closed while the request was still being sent"),
                    ("server-closed-in-handshake", "during the handshake"),
                    ("client-aborted-transfer", "in a server's log: the client left during a download"),
                ],
                look: "the peer's close that comes before the failed write: an alert-sized record there is the true reason",
            },
            Wire::Stalled => Meaning {
                what: "an established session got no answer any more",
                causes: &[
                    ("server-unresponsive", "the request was acknowledged, the application never answered"),
                    ("middlebox-idle-timeout", "after a pause: a box between forgot the connection and drops it silently"),
                    ("path-black-hole", "segments are sent again and again, and nothing comes back"),
                    ("zero-window-stall", "the other side stopped reading"),
                    ("client-gave-up-waiting", "the same seen from the one that left"),
                ],
                look: "whether the request was acknowledged: acknowledged is the application, not acknowledged is the path",
            },
            Wire::BadServerCertificate => Meaning {
                what: "the client did not accept the server's certificate",
                causes: &[
                    ("certificate-expired", "it is out of date, or a clock is wrong"),
                    (
                        "certificate-untrusted",
                        "an intermediate certificate is missing, it is self-signed, or its authority is unknown to the client",
                    ),
                    ("certificate-rejected", "another reason, most often the name"),
                    ("tls-interception", "an inspecting proxy shows a certificate of its own"),
                    ("client-closed-in-handshake", "some clients leave without an alert (Node, Java's HttpClient)"),
                ],
                look: "up to TLS 1.2 the certificate is readable in the capture; in TLS 1.3 it takes the keys",
            },
            Wire::CertificateExpired => Meaning {
                what: "the client found the server's certificate out of date",
                causes: &[
                    ("certificate-expired", "it is past its date or before its first one, or the client's clock is wrong"),
                    ("client-closed-in-handshake", "some clients leave without an alert (Node, Java's HttpClient)"),
                ],
                look: "up to TLS 1.2 the certificate's dates are readable in the capture; in TLS 1.3 it takes the keys",
            },
            Wire::CertificateUntrusted => Meaning {
                what: "the client does not know who issued the server's certificate",
                causes: &[
                    (
                        "certificate-untrusted",
                        "an intermediate certificate is missing, it is self-signed, or its authority is unknown to the client",
                    ),
                    ("tls-interception", "an inspecting proxy shows a certificate of its own"),
                    ("client-closed-in-handshake", "some clients leave without an alert (Node, Java's HttpClient)"),
                ],
                look: "up to TLS 1.2 the certificate's issuer is readable in the capture; in TLS 1.3 it takes the keys",
            },
            Wire::CertificateName => Meaning {
                what: "the server's certificate is for another name than the one asked for",
                causes: &[
                    ("certificate-rejected", "the name asked for is not in it: wrong host, or the server's default certificate"),
                    ("client-closed-in-handshake", "some clients leave without an alert (Node, Java's HttpClient)"),
                ],
                look: "the server name in the ClientHello, and up to TLS 1.2 the names in the certificate",
            },
            Wire::ClientCertificateMissing => Meaning {
                what: "the server wants a client certificate and got none",
                causes: &[("client-certificate-required", "the client answered with an empty certificate list")],
                look: "the client's Certificate message: 3 bytes long up to TLS 1.2, a record of 25 bytes in TLS 1.3",
            },
            Wire::ClientCertificateBad => Meaning {
                what: "the server did not accept the client's certificate",
                causes: &[
                    ("client-certificate-rejected", "its authority, its dates or its purpose do not suit the server"),
                    ("client-certificate-required", "some stacks use the same words for a missing one"),
                ],
                look: "the server's alert right after the client's Finished",
            },
            Wire::ProxyAuthentication => Meaning {
                what: "the proxy wants a login (407)",
                causes: &[("proxy-authentication-required", "no later CONNECT of the client succeeds either")],
                look: "whether a second CONNECT with credentials follows: then the 407 is only the first step of the login",
            },
            Wire::ProxyRefused => Meaning {
                what: "the proxy refused the tunnel",
                causes: &[
                    ("proxy-refused-tunnel", "its policy forbids the target"),
                    ("proxy-authentication-required", "it wants a login first"),
                    ("proxy-upstream-failed", "it could not reach the target"),
                ],
                look: "the proxy's answer: it is plain text",
            },
            Wire::ProxyUpstream => Meaning {
                what: "the proxy could not reach the target (502, 503, 504)",
                causes: &[("proxy-upstream-failed", "the proxy is the messenger: the trouble lies beyond it")],
                look: "the proxy's log at that second, and a capture beyond the proxy",
            },
            Wire::BadRecord => Meaning {
                what: "a record could not be decrypted or made no sense",
                causes: &[
                    ("record-corruption", "bytes changed on the way, a bug, or a box that rewrites the stream"),
                    ("server-not-tls", "plain text in the middle of TLS"),
                    ("fatal-alert", "the peer says so with an alert"),
                ],
                look: "wrong checksums, segments sent twice with other content, and the record headers around it",
            },
            Wire::ClientNotTls => Meaning {
                what: "the client did not speak TLS to a TLS port",
                causes: &[
                    ("client-not-tls", "http:// instead of https://, a health check, a scanner"),
                    ("probe", "a check that only connects"),
                ],
                look: "the first bytes the client sent: they are readable",
            },
            Wire::ClientLeftInHandshake => Meaning {
                what: "the client closed before the handshake was complete",
                causes: &[
                    ("probe", "it connected and closed without a byte: a health check, a scan"),
                    ("parallel-attempt", "a spare connection: the client opened several and used another one"),
                    ("client-closed-in-handshake", "it closed without an alert; right after the certificate it probably did not accept it"),
                    ("certificate-untrusted", "it does not trust the server's certificate, and said so in an alert or not at all"),
                    ("client-reset-in-handshake", "it reset"),
                    ("client-gave-up-waiting", "it waited too long for the server's answer"),
                ],
                look: "the last thing the server had sent when the client left: nothing, its certificate, or all",
            },
            Wire::ClientLeft => Meaning {
                what: "the client closed or reset an established session",
                causes: &[
                    ("client-closed-without-close-notify", "after a complete exchange: the norm, and harmless"),
                    ("client-aborted-transfer", "during a download: a user, a timeout or a bug, the capture cannot tell"),
                    ("client-reset", "it reset while an exchange was open"),
                    ("client-truncated-record", "it left in the middle of a record"),
                    ("client-gave-up-waiting", "it was kept waiting for an answer"),
                ],
                look: "what the server still owed at that moment",
            },
            Wire::NoCommonVersion => Meaning {
                what: "client and server have no TLS version in common",
                causes: &[
                    ("protocol-version-mismatch", "one of them is outdated, or is configured too strictly"),
                    ("server-not-tls", "some clients use the same words when the answer is not TLS"),
                ],
                look: "the versions in the ClientHello, and those that other clients use with that server",
            },
            Wire::NoCommonCipher => Meaning {
                what: "client and server agree on no cipher suite, group or signature algorithm",
                causes: &[
                    ("cipher-mismatch", "the lists do not meet"),
                    ("protocol-version-mismatch", "some stacks use the same alert for it"),
                    ("client-certificate-required", "up to TLS 1.2 OpenSSL and Go answer a missing client certificate with the same alert"),
                    ("sni-rejected", "some servers answer an unknown name with it"),
                    ("handshake-rejected", "any other reason"),
                ],
                look: "the message that the alert answers, and the lists in the ClientHello",
            },
            Wire::UnknownName => Meaning {
                what: "the server does not serve the name asked for",
                causes: &[("sni-rejected", "wrong name or DNS at the client, or a missing virtual host at the server")],
                look: "the server name in the ClientHello",
            },
            Wire::NoCommonProtocol => Meaning {
                what: "client and server have no application protocol in common (ALPN)",
                causes: &[("alpn-mismatch", "the server knows none of the protocols the client offers")],
                look: "the protocols in the ClientHello",
            },
            Wire::StarttlsRefused => Meaning {
                what: "the server did not switch to TLS when asked, or does not offer it",
                causes: &[
                    ("starttls-refused", "TLS is switched off there, its key cannot be read, or a box took the offer out"),
                    ("server-not-tls", "the client spoke TLS all the same"),
                ],
                look: "the conversation before TLS: it is readable; a client that is not offered TLS and leaves has said nothing of it",
            },
            Wire::Intercepted => Meaning {
                what: "a proxy that opens TLS showed a certificate of its own, and the client did not accept it",
                causes: &[
                    ("tls-interception", "the proxy's root is not in the store that this client uses"),
                    ("certificate-untrusted", "the same, where the certificate's issuer does not name a known product"),
                ],
                look: "up to TLS 1.2 the certificate's issuer is readable in the capture; in TLS 1.3 it takes the keys",
            },
            Wire::PeerFatal => Meaning {
                what: "the peer gave up with a fatal alert",
                causes: &[
                    ("handshake-rejected", "in the handshake: read the alert's name, and which message it answers"),
                    ("fatal-alert", "in an established session"),
                    ("record-corruption", "bad_record_mac, decrypt_error, decode_error: damage, a bug or a box"),
                ],
                look: "the alert and the last message of the other side before it; OpenSSL sends decode_error when the other side closed first",
            },
        }
    }
}
