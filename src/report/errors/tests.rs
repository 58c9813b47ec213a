//! The tests of what messages lead to, with lines as people paste them.

use super::*;
use crate::diagnose::rules;
use crate::report::sample;

#[test]
fn every_cause_named_is_in_the_registry() {
    for wire in all_wires() {
        let meaning = wire.meaning();
        assert!(!meaning.causes.is_empty() && !meaning.look.is_empty());
        for (slug, why) in meaning.causes {
            assert!(rules::ALL.iter().any(|rule| rule.slug == *slug), "{wire:?}: no cause {slug}");
            assert!(!why.is_empty() && !why.ends_with('.'), "{slug}: {why}");
        }
    }
}

#[test]
fn causes_with_messages_of_their_own_exist_and_have_some() {
    for (cause, side, wire) in BY_CAUSE {
        assert!(rules::find(cause).is_some(), "{cause}");
        assert!(usual().any(|message| message.by == side && message.wires.contains(&wire)), "{cause}");
    }
}

/// All that some message, alert or session leads to.
fn all_wires() -> Vec<Wire> {
    let mut all: Vec<Wire> = super::all().flat_map(|message| message.wires).copied().collect();
    all.extend((0..=255).flat_map(|number| alert_wires(AlertDescription(number))));
    all
}

#[test]
fn no_message_is_listed_twice_or_leads_nowhere() {
    for (place, message) in all().enumerate() {
        assert!(!message.wires.is_empty(), "{}", message.text);
        let again = all().skip(place + 1).any(|other| other.stack == message.stack && other.text == message.text);
        assert!(!again, "{}: {}", message.stack, message.text);
        assert!(explain(message.text).wires.contains(message.wires.first().unwrap()), "{} does not find itself", message.text);
    }
}

fn first(text: &str) -> Wire {
    *explain(text).wires.first().unwrap_or_else(|| panic!("nothing known of {text:?}"))
}

#[test]
fn knows_the_messages_people_arrive_with() {
    for (text, wire) in [
        ("SSL peer shut down incorrectly", Wire::FinInHandshake),
        ("error:0A000126:SSL routines::unexpected eof while reading", Wire::FinInHandshake),
        ("Connection reset by peer", Wire::RstAfterHandshake),
        ("Error: read ECONNRESET", Wire::RstAfterHandshake),
        ("ECONNRESET", Wire::FinInHandshake),
        ("Error: socket hang up", Wire::FinBeforeAnswer),
        ("Remote host terminated the handshake", Wire::FinInHandshake),
        ("javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure", Wire::NoCommonCipher),
        ("sslv3 alert handshake failure:SSL alert number 40", Wire::NoCommonCipher),
        ("remote error: tls: handshake failure", Wire::NoCommonCipher),
        ("received fatal alert: CertificateRequired", Wire::ClientCertificateMissing),
        ("tlsv13 alert certificate required", Wire::ClientCertificateMissing),
        ("wrong version number", Wire::NotTls),
        ("EOF occurred in violation of protocol (_ssl.c:1007)", Wire::FinInHandshake),
        ("OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to api.example.com:443", Wire::FinInHandshake),
        ("PR_END_OF_FILE_ERROR", Wire::FinInHandshake),
        ("org.apache.http.NoHttpResponseException: api.example.com:443 failed to respond", Wire::FinBeforeAnswer),
        ("javax.net.ssl.SSLException: Connection reset", Wire::RstAfterHandshake),
        ("io.netty.handler.ssl.NotSslRecordException: not an SSL/TLS record: 485454502f", Wire::NotTls),
        ("curl: (7) Failed to connect to 10.0.0.1 port 443 after 3 ms: Couldn't connect to server", Wire::Refused),
        ("curl: (56) Received HTTP code 407 from proxy after CONNECT", Wire::ProxyAuthentication),
        ("curl: (56) Received HTTP code 503 from proxy after CONNECT", Wire::ProxyRefused),
        ("psql: error: server closed the connection unexpectedly", Wire::FinBeforeAnswer),
        ("ERROR 2013 (HY000): Lost connection to MySQL server at 'reading authorization packet', system error: 0", Wire::FinInHandshake),
        ("smtpd: SSL_accept error from unknown[192.0.2.1]: lost connection", Wire::ClientLeftInHandshake),
        ("net::ERR_CONNECTION_CLOSED", Wire::FinInHandshake),
        ("certificate has expired", Wire::CertificateExpired),
        ("write: broken pipe", Wire::WroteAfterClose),
        ("upstream prematurely closed connection while reading response header from upstream", Wire::FinBeforeAnswer),
        ("peer closed connection without sending TLS close_notify: https://docs.rs/rustls", Wire::FinBeforeAnswer),
        ("Unsupported or unrecognized SSL message", Wire::NotTls),
        ("curl: (64) STARTTLS denied, code 454", Wire::StarttlsRefused),
        ("failed: server does not support SSL, but SSL was required", Wire::StarttlsRefused),
        ("ERROR 2026 (HY000): TLS/SSL error: SSL is required, but the server does not support it", Wire::StarttlsRefused),
        ("ERROR 2006 (HY000) at line 2: Server has gone away", Wire::RstAfterHandshake),
        ("SSL SYSCALL error: EOF detected", Wire::FinBeforeAnswer),
        ("The client does not trust the proxy's certificate for api.example.com (OpenSSL Error)", Wire::Intercepted),
        ("421 4.4.2 mail.example.com Error: timeout exceeded", Wire::NotifiedBeforeAnswer),
        ("An existing connection was forcibly closed by the remote host.", Wire::RstAfterHandshake),
        ("Client network socket disconnected before secure TLS connection was established", Wire::FinInHandshake),
        ("_ssl.c:989: The handshake operation timed out", Wire::SilentInHandshake),
        ("handshake timed out", Wire::SilentInHandshake),
        ("remote error: tls: unknown certificate authority", Wire::CertificateUntrusted),
        ("No subject alternative DNS name matching x.example found.", Wire::CertificateName),
    ] {
        assert_eq!(first(text), wire, "{text}");
    }
}

#[test]
fn letter_case_and_line_breaks_do_not_matter() {
    assert_eq!(first("ssl PEER shut\n   down incorrectly"), Wire::FinInHandshake);
}

#[test]
fn what_says_more_wins() {
    let answer = explain("SSL_ERROR_SYSCALL, errno 0");
    assert_eq!(answer.messages.len(), 1, "{:?}", answer.messages);
    assert!(!answer.wires.contains(&Wire::RstInHandshake), "errno 0 is no RST");
}

#[test]
fn an_alert_is_found_by_its_longest_name() {
    assert_eq!(alert_in("received fatal alert: certificate_unknown"), Some(AlertDescription(46)));
    assert_eq!(alert_in("remote error: tls: unknown certificate authority"), Some(AlertDescription(48)));
    assert_eq!(alert_in("ssl alert number 80"), Some(AlertDescription(80)));
    assert_eq!(alert_in("handshake_failure"), None, "not said to be an alert");
}

#[test]
fn the_unknown_is_called_unknown() {
    assert!(explain("the printer is on fire").wires.is_empty());
    assert!(nearest("the printer is on fire").is_empty());
    assert!(explain("conn").wires.is_empty(), "too short to mean anything");
    assert_eq!(nearest("peer shut donw incorrectly SSL").first().map(|message| message.text), Some("SSL peer shut down incorrectly"));
}

#[test]
fn a_session_tells_what_its_applications_logged() {
    let (session, verdict) = sample::refused_hello(3, 0);
    let (side, messages) = logged(&session, &verdict).unwrap();
    assert_eq!(side, Side::Client);
    assert!(messages.iter().any(|message| message.text == "SSL peer shut down incorrectly"));
    assert!(messages.iter().all(|message| message.wires.contains(&Wire::FinInHandshake)));
    let (session, verdict) = sample::clean(4);
    assert!(logged(&session, &verdict).is_none());
}

/// Lines as programs write them, with their times, addresses, paths and numbers, and what must stand first.
#[test]
fn knows_whole_lines_with_times_paths_and_addresses_in_them() {
    for (text, wire) in [
        // OpenSSL 1.1.1: s_client, s_server, pyOpenSSL, Node 16.
        ("139863816014720:error:1408F10B:SSL routines:ssl3_get_record:wrong version number:ssl/record/ssl3_record.c:331:", Wire::NotTls),
        ("140114883376960:error:1408F09C:SSL routines:ssl3_get_record:http request:ssl/record/ssl3_record.c:321:", Wire::ClientNotTls),
        (
            "140338680348928:error:1408F09C:SSL routines:ssl3_get_record:http request:../deps/openssl/openssl/ssl/record/ssl3_record.c:322:",
            Wire::ClientNotTls,
        ),
        ("CONNECTED(00000003)\nwrite:errno=0\n---\nno peer certificate available", Wire::FinInHandshake),
        (
            "verify error:num=20:unable to get local issuer certificate\n140565015899008:error:1416F086:SSL routines:\
             tls_process_server_certificate:certificate verify failed:ssl/statem/statem_clnt.c:1919:",
            Wire::CertificateUntrusted,
        ),
        (
            "140324338703232:error:14094460:SSL routines:ssl3_read_bytes:reason(1120):ssl/record/rec_layer_s3.c:1562:SSL alert number 120",
            Wire::NoCommonProtocol,
        ),
        (
            "Traceback (most recent call last):\n  File \"/srv/app/fetch.py\", line 12, in <module>\nOpenSSL.SSL.SysCallError: (-1, 'Unexpected EOF')",
            Wire::FinInHandshake,
        ),
        // GnuTLS: gnutls-cli, gnutls-serv, wget, git.
        (
            "fatal: unable to access 'https://git.example.com/team/app.git/': gnutls_handshake() failed: The TLS connection was \
             non-properly terminated.",
            Wire::FinInHandshake,
        ),
        ("fatal: unable to access 'https://git.example.com/a.git/': gnutls_handshake() failed: Handshake failed", Wire::NoCommonCipher),
        ("error: RPC failed; curl 56 GnuTLS recv error (-110): The TLS connection was non-properly terminated.", Wire::FinBeforeAnswer),
        (
            "2026-11-21 19:19:09 (795 MB/s) - Read error at byte 5000/100000 (Error decoding the received TLS packet.). Giving up.",
            Wire::CutRecord,
        ),
        ("HTTP request sent, awaiting response... Read error (Error in the pull function.) in headers.", Wire::RstAfterHandshake),
        ("GnuTLS: Error in the pull function.\nUnable to establish SSL connection.", Wire::RstInHandshake),
        ("GnuTLS: received alert [112]: The server name sent was not recognized", Wire::UnknownName),
        (
            "* Received alert '45': Certificate is expired.\nError in handshake: A TLS fatal alert has been received.",
            Wire::CertificateExpired,
        ),
        ("*** Fatal error: Error in the pull function.\n*** Server has terminated the connection abnormally.", Wire::RstAfterHandshake),
        // rustls: reqwest, ureq.
        ("error sending request for url (https://api.example.com:443/v1): client error (Connect): tls handshake eof", Wire::FinInHandshake),
        (
            "error sending request for url (https://api.example.com/): client error (Connect): Connection reset by peer (os error 104)",
            Wire::RstInHandshake,
        ),
        (
            "client error (Connect): invalid peer certificate: certificate expired: verification time 1795288830 (UNIX), but certificate \
             is not valid after 1735689600 (59599230 seconds ago)",
            Wire::CertificateExpired,
        ),
        ("io: CONNECT proxy failed: proxy server responded 407/407", Wire::ProxyAuthentication),
        // .NET.
        (
            "System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.\n ---> \
             System.Security.Authentication.AuthenticationException: The remote certificate is invalid because of errors in the \
             certificate chain: PartialChain\n   at System.Net.Security.SslStream.SendAuthResetSignal(ReadOnlySpan`1 alert)",
            Wire::CertificateUntrusted,
        ),
        (
            "System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.\n ---> \
             System.Security.Authentication.AuthenticationException: Cannot determine the frame size or a corrupted frame was received.",
            Wire::NotTls,
        ),
        (
            "System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.\n ---> \
             System.IO.IOException: Unable to read data from the transport connection: Connection reset by peer.",
            Wire::RstInHandshake,
        ),
        (
            "System.Net.Http.HttpRequestException: An error occurred while sending the request.\n ---> System.Net.Http.HttpIOException: \
             The response ended prematurely. (ResponseEnded)",
            Wire::FinBeforeAnswer,
        ),
        ("System.Net.Http.HttpRequestException: No route to host (api.example.com:443)", Wire::NoRoute),
        // Firefox.
        ("about:neterror?e=netTimeout&u=https%3A//api.example.com%3A20006/&c=UTF-8&captivePortalState=unknown", Wire::SynUnanswered),
        ("Error Code: SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT", Wire::ClientCertificateMissing),
        // nginx and HAProxy, as servers and as proxies.
        (
            "2026/11/21 20:21:13 [error] 28525#28525: *1 SSL_do_handshake() failed (SSL: error:0A00042E:SSL routines::tlsv1 alert \
             protocol version:SSL alert number 70) while SSL handshaking to upstream, client: 127.0.0.1, server: , request: \"GET / \
             HTTP/1.1\", upstream: \"https://10.77.0.1:443/\"",
            Wire::NoCommonVersion,
        ),
        (
            "2026/11/21 20:24:01 [error] 28525#28525: *90 peer closed connection in SSL handshake (104: Connection reset by peer) while SSL \
             handshaking to upstream, client: 127.0.0.1",
            Wire::RstInHandshake,
        ),
        (
            "2026/11/21 20:24:01 [info] 28525#28525: *91 SSL_do_handshake() failed (SSL: error:0A0000C1:SSL routines::no shared cipher) \
             while SSL handshaking, client: 10.77.0.1, server: 0.0.0.0:8143",
            Wire::NoCommonCipher,
        ),
        (
            "Nov 21 20:21:13 haproxy[28606]: 127.0.0.1:54522 [21/Nov/2026:20:21:13.520] f b1/s1 0/0/2/44/46 502 209 - - SH-- 1/1/0/0/0 0/0 \
             \"GET / HTTP/1.1\"",
            Wire::FinBeforeAnswer,
        ),
        (
            "haproxy[28606]: 127.0.0.1:54522 [21/Nov/2026:20:21:13.520] f b1/s1 0/0/2/-1/5046 504 198 - - sH-- 1/1/0/0/0 0/0 \"GET / \
             HTTP/1.1\"",
            Wire::Stalled,
        ),
        (
            "haproxy[28606]: 10.77.0.1:40112 [21/Nov/2026:20:24:13.5] f8243/1: SSL client certificate not trusted",
            Wire::ClientCertificateBad,
        ),
        // Apache, as a server and as a proxy.
        (
            "[Sat Nov 21 19:26:38.1 2026] [ssl:info] [pid 14281:tid 14412] (70014)End of file found: [client 10.77.0.1:49148] AH02006: SSL \
             handshake stopped: connection was closed\n[Sat Nov 21 19:26:38.1 2026] [ssl:info] [pid 14281:tid 14412] [client \
             10.77.0.1:49148] AH01998: Connection closed to child 23 with abortive shutdown (server api.example.com:443)",
            Wire::ClientLeftInHandshake,
        ),
        (
            "[ssl:info] [client 10.77.0.1:59808] AH02008: SSL library error 1 in handshake (server api.example.com:8444)\n[ssl:info] SSL \
             Library Error: error:0A000102:SSL routines::unsupported protocol\n[ssl:info] [client 10.77.0.1:59808] AH01998: Connection \
             closed to child 135 with abortive shutdown (server api.example.com:8444)",
            Wire::NoCommonVersion,
        ),
        (
            "[ssl:info] [pid 9] [client 10.77.0.1:4] AH02276: Certificate Verification: Error (20): unable to get local issuer \
             certificate [subject: CN=robot-8 / issuer: CN=Somebody Else Root]",
            Wire::ClientCertificateBad,
        ),
        (
            "[ssl:info] [pid 9] [remote 10.77.0.1:443] AH02276: Certificate Verification: Error (20): unable to get local issuer \
             certificate [subject: CN=api.example.com / issuer: CN=Somebody Else Root]",
            Wire::CertificateUntrusted,
        ),
        (
            "[Sat Nov 21 19:22:50.6 2026] [proxy_http:error] [pid 14281:tid 14405] (70014)End of file found: [client 127.0.0.1:49674] \
             AH01102: error reading status line from remote server api.example.com:443",
            Wire::FinBeforeAnswer,
        ),
        (
            "[proxy:error] [pid 14282] (111)Connection refused: AH00957: https: attempt to connect to 10.77.0.1:443 (api.example.com:443) \
             failed",
            Wire::Refused,
        ),
    ] {
        assert_eq!(first(text), wire, "{text}");
    }
}

#[test]
fn what_frames_another_message_comes_after_it() {
    let answer = explain("The SSL connection could not be established, see inner exception. The remote certificate is invalid");
    assert_eq!(answer.messages.first().map(|message| message.text), Some("The remote certificate is invalid"));
    assert!(answer.messages.len() > 1, "the frame is named, too");
}

#[test]
fn a_page_has_the_messages_of_its_own_cause_and_points_to_those_of_others() {
    let texts = |slug| {
        let own = of_cause(slug).likely.into_iter().flat_map(|(_, messages)| messages);
        own.map(|message| message.text).collect::<Vec<_>>()
    };
    assert!(texts("certificate-expired").contains(&"SEC_ERROR_EXPIRED_CERTIFICATE"));
    assert!(!texts("certificate-expired").contains(&"SEC_ERROR_UNKNOWN_ISSUER"));
    assert!(texts("certificate-untrusted").contains(&"SEC_ERROR_UNKNOWN_ISSUER"));
    let seldom = of_cause("middlebox-idle-timeout").seldom;
    assert!(seldom.iter().any(|(cause, _)| *cause == "server-reset"), "{seldom:?}");
    assert!(of_cause("still-open").likely.is_empty() && of_cause("still-open").seldom.is_empty());
}
