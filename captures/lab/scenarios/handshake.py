"""Handshakes that fail."""
import ssl
import time

from lab import SCRATCH, T, answer, reset, scenario

CLEAN = dict(phase="established", fault="none")
NODE_GET = "require('https').get(process.argv[2],{agent:false},r=>r.resume()).on('error',e=>console.log(e.code))"


def both(phase="client_hello", **more):
    """An incompatibility: the wire does not say which side should change."""
    return dict(cn=(False, False), phase=phase, fault=["undetermined", "client", "server"], never=["proxy", "network"], **more)


@scenario("protocol-version-mismatch", needs=["nginx"])
def version(lab):
    lab.nginx(extra="ssl_protocols TLSv1.3;")
    with lab.tap():
        lab.curl("https://api.example.com/", "--tls-max", "1.2")
    return [T("protocol-version-mismatch", "fatal_alert", "server", note="nginx serves TLS 1.3 only, curl offers TLS 1.2 at most: alert 70 in clear", **both())]


@scenario("protocol-version-mismatch", near=True)
def version_near(lab):
    lab.net.start("s", "openssl", "s_server", "-accept", "443", "-cert", f"{lab.pki}/server.crt", "-key", f"{lab.pki}/server.key", "-www", ready=443)
    with lab.tap():
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.2:443", "-servername", "api.example.com", "-no_tls1_3", "-fallback_scsv", feed=b"")
    return [T("handshake-rejected", "fatal_alert", "server", note="the client retries with TLS 1.2 and TLS_FALLBACK_SCSV although both speak 1.3: alert 86 inappropriate_fallback; versions do overlap, what failed was an attempt before this one", **both())]


@scenario("cipher-mismatch", ext="pcapng", needs=["node"])
def cipher(lab):
    lab.node("require('https').createServer({key:require('fs').readFileSync(process.env.PKI+'/rsa.key'),cert:require('fs').readFileSync(process.env.PKI+'/rsa.crt'),maxVersion:'TLSv1.2',ciphers:'ECDHE-RSA-AES256-GCM-SHA384'},(q,r)=>r.end('hi')).listen(443)", where="s", background=True, ready=443)
    with lab.tap():
        lab.curl("https://api.example.com/", "--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")
    return [T(["cipher-mismatch", "handshake-rejected"], "fatal_alert", "server", note="TLS 1.2: Node allows only AES-256-GCM, curl offers only AES-128-GCM: alert 40 to the ClientHello", **both())]


@scenario("cipher-mismatch", near=True, ext="pcapng", needs=["go"])
def cipher_near(lab):
    lab.goserve("-need", "-max", "1.2")
    with lab.tap():
        lab.curl("https://api.example.com/", "--tls-max", "1.2")
    return [T("client-certificate-required", "fatal_alert", "server", (False, False), "handshake", ["client"], ["proxy", "network"], note="a fatal alert (42 from Go 1.19, 40 from others) comes too, but after an empty client Certificate: not about ciphers")]


@scenario("certificate-expired", needs=["nginx", "java"])
def expired(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/expired.crt; ssl_certificate_key {lab.pki}/expired.key; }}")
    with lab.tap():
        try:
            lab.client(version="1.3")
        except OSError as error:
            lab.say(error)
        time.sleep(0.2)
        lab.java("socket", "https://api.example.com/small", "TLSv1.2")
    return [
        T(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], note="Python over TLS 1.3: alert 45 certificate_expired, sent in clear as OpenSSL 3.0 does; the certificate ended on 2025-01-01"),
        T(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], note="Java 17 over TLS 1.2: the alert's name varies, the certificate in clear has expired"),
    ]


@scenario("certificate-expired", near=True, needs=["nginx"])
def expired_near(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/expired.crt; ssl_certificate_key {lab.pki}/expired.key; }}")
    with lab.tap():
        lab.curl("https://api.example.com/small", "-k", "--tls-max", "1.2")
    return [T("clean-close", "close_notify", "client", (True, False), note="an expired certificate, in clear, but the client (curl -k) does not mind: the session works and ends well", **CLEAN)]


@scenario("certificate-untrusted", needs=["java", "go"])
def untrusted(lab):
    lab.goserve("-keys", lab.keys, cert="untrusted")
    with lab.tap():
        lab.java("socket", "https://api.example.com/small")
        time.sleep(0.2)
        lab.net.run("c", f"{SCRATCH}/peer", "get", "-ca", lab.ca, "-keys", lab.keys, "-max", "1.2", "-url", "https://api.example.com/small")
    fault = dict(fault=["server", "client", "undetermined"], never=["network"])
    return [
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", note="Java 17 over TLS 1.3, encrypted alert 46 (keys from the Go server): the issuer, Somebody Else Root, is not in the client's store", **fault),
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", note="Go over TLS 1.2: alert 42 (Go's only word for it) in clear, and the certificate with its unknown issuer", **fault),
    ]


@scenario("certificate-untrusted", near=True, needs=["nginx"])
def untrusted_near(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/corp.crt; ssl_certificate_key {lab.pki}/corp.key; }}")
    with lab.tap():
        out = lab.net.run("c", "curl", "-sS", "-o", "/dev/null", "--cacert", f"{lab.pki}/otherca.crt", "--tls-max", "1.2", "https://git.corp.example/small", env={"SSLKEYLOGFILE": lab.keys})
        lab.say(out)
    return [T("clean-close", "close_notify", "client", (True, False), note="a private root signs git.corp.example and the client trusts it: nothing to reject", **CLEAN)]


@scenario("certificate-rejected", needs=["nginx", "go"])
def rejected(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/wrong.crt; ssl_certificate_key {lab.pki}/wrong.key; }}")
    with lab.tap():
        lab.goget("https://api.example.com/small", "-max", "1.2")
        time.sleep(0.2)
        lab.goget("https://api.example.com/small")
    fault = dict(fault=["server", "client", "undetermined"], never=["proxy", "network"])
    return [
        T("certificate-rejected", "fatal_alert", "client", (False, False), "handshake", note="Go over TLS 1.2: alert 42; the certificate in clear is for internal.example.net, the client asked for api.example.com", **fault),
        T("certificate-rejected", "fatal_alert", "client", (False, False), "handshake", note="Go over TLS 1.3: the same, the alert encrypted", **fault),
    ]


def stop_after(lab, read, how, version="1.2", wait=0.15):
    """A client over memory buffers that sends its ClientHello, reads (or not) what comes, and then is gone as a killed process is."""
    sock = lab.connect()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = lab.context(server=False, version=version).wrap_bio(incoming, outgoing, server_hostname="api.example.com")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    sock.sendall(outgoing.read())
    time.sleep(wait)
    if read:
        sock.recv(65536)
    if how == "rst":
        reset(sock)
    else:
        sock.close()


@scenario("certificate-rejected", near=True, needs=["nginx"])
def rejected_near(lab):
    lab.nginx()
    with lab.tap():
        stop_after(lab, True, "fin")
    return [
        T("client-closed-in-handshake", "fin", "client", (False, False), "handshake", ["undetermined", "client"], ["server", "proxy", "network"], note="TLS 1.2: the client's process ends after the server's flight; the certificate in clear is valid and fits the name, nobody rejected it"),
    ]


@scenario("client-certificate-required", needs=["go", "java"])
def mtls(lab):
    lab.goserve("-need", "-keys", lab.keys)
    with lab.tap():
        lab.curl("https://api.example.com/")
        time.sleep(0.2)
        lab.java("socket", "https://api.example.com/", "TLSv1.2")
    fault = dict(fault=["client"], never=["proxy", "network"])
    return [
        T("client-certificate-required", "fatal_alert", "server", (False, False), "established", phase_also=["handshake"], ending_also=["rst"], note="TLS 1.3: curl has no certificate and sends an empty list (25 bytes); Go answers with an encrypted fatal alert", **fault),
        T("client-certificate-required", "fatal_alert", "server", (False, False), "handshake", ending_also=["rst"], note="TLS 1.2, Java: empty Certificate in clear, then Go's alert", **fault),
    ]


@scenario("client-certificate-required", near=True, needs=["nginx"])
def mtls_near(lab):
    lab.nginx(extra=f"ssl_verify_client optional; ssl_client_certificate {lab.ca};")
    with lab.tap():
        lab.curl("https://api.example.com/small")
        time.sleep(0.2)
        lab.curl("https://api.example.com/small", "--tls-max", "1.2")
    return [T("clean-close", "close_notify", "client", (True, False), note=f"TLS {v}: the server asks for a certificate, the client has none, and that is allowed", **CLEAN) for v in ("1.3", "1.2")]


@scenario("client-certificate-rejected", ext="pcapng")
def mtls_rejected(lab):
    lab.net.start("s", "openssl", "s_server", "-accept", "443", "-cert", f"{lab.pki}/server.crt", "-key", f"{lab.pki}/server.key", "-www", "-Verify", "1", "-verify_return_error", "-CAfile", lab.ca, ready=443)
    with lab.tap():
        mine = ["--cert", f"{lab.pki}/clientother.crt", "--key", f"{lab.pki}/clientother.key"]
        lab.curl("https://api.example.com/", *mine)
        time.sleep(0.2)
        lab.curl("https://api.example.com/", "--tls-max", "1.2", *mine)
    fault = dict(fault=["client", "undetermined", "server"], never=["proxy", "network"])
    return [
        T(["client-certificate-rejected"], "fatal_alert", "server", (False, False), "established", phase_also=["handshake"], ending_also=["rst"], note="TLS 1.3: the client's certificate has an issuer the server does not know: encrypted alert 48", **fault),
        T(["client-certificate-rejected"], "fatal_alert", "server", (False, False), "handshake", note="TLS 1.2: the same, alert 48 in clear", **fault),
    ]


@scenario("client-certificate-rejected", near=True, ext="pcapng", needs=["nginx"])
def mtls_rejected_near(lab):
    lab.nginx(extra=f"ssl_verify_client on; ssl_client_certificate {lab.ca};")
    with lab.tap():
        lab.curl("https://api.example.com/small", "--cert", f"{lab.pki}/clientother.crt", "--key", f"{lab.pki}/clientother.key")
    return [T("clean-close", "close_notify", "server", (True, True), by_also=["client"], note="nginx does not reject inside TLS: it finishes the handshake, answers HTTP 400 and closes with close_notify", **CLEAN)]


@scenario("sni-rejected", needs=["nginx", "haproxy"])
def sni(lab):
    lab.nginx(servers="server { listen 443 ssl default_server; ssl_reject_handshake on; } server { listen 443 ssl; server_name www.example.com; CERT }")
    lab.haproxy(f"defaults\n mode http\n timeout client 10s\n timeout server 10s\n timeout connect 5s\nfrontend f\n bind :8443 ssl crt {lab.pki}/corp.pem strict-sni\n http-request return status 200\n", ready=8443)
    with lab.tap():
        lab.curl("https://api.example.com/")
        time.sleep(0.2)
        lab.curl("https://api.example.com:8443/", "--tls-max", "1.2")
    fault = dict(fault=["undetermined", "client", "server"], never=["proxy", "network"])
    return [
        T("sni-rejected", "fatal_alert", "server", (False, False), "client_hello", note="nginx ssl_reject_handshake: alert 112 to a name it does not serve", **fault),
        T("sni-rejected", "fatal_alert", "server", (False, False), "client_hello", note="haproxy strict-sni, TLS 1.2: alert 112", **fault),
    ]


@scenario("sni-rejected", near=True)
def sni_near(lab):
    lab.net.start("s", "openssl", "s_server", "-accept", "443", "-cert", f"{lab.pki}/server.crt", "-key", f"{lab.pki}/server.key", "-servername", "www.example.com", "-cert2", f"{lab.pki}/rsa.crt", "-key2", f"{lab.pki}/rsa.key", "-tls1_2", "-quiet", ready=443, pipe=True)
    with lab.tap():
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.2:443", "-servername", "api.example.com", "-keylogfile", lab.keys, feed=b"hello\nQ\n")
    return [T("clean-close", "close_notify", "client", (True, True), note="s_server sends unrecognized_name (112) as a warning, TLS 1.2, and goes on: the session works", **CLEAN)]


@scenario("alpn-mismatch", needs=["go"])
def alpn(lab):
    lab.goserve("-alpn", "mqtt")
    with lab.tap():
        lab.curl("https://api.example.com/", "--http1.1")
        time.sleep(0.2)
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.2:443", "-servername", "api.example.com", "-alpn", "xmpp-client", "-tls1_2", feed=b"")
    fault = dict(fault=["undetermined", "client", "server"], never=["proxy", "network"])
    return [
        T(["alpn-mismatch", "handshake-rejected"], "fatal_alert", "server", (False, False), "handshake", phase_also=["client_hello"], note="a Go server that speaks only mqtt, a curl that offers http/1.1: alert 120, encrypted, after the ServerHello", **fault),
        T("alpn-mismatch", "fatal_alert", "server", (False, False), "client_hello", note="the same with TLS 1.2 and the name xmpp-client", **fault),
    ]


@scenario("alpn-mismatch", near=True)
def alpn_near(lab):
    lab.serve(lambda sock: polite(lab, sock))
    with lab.tap():
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.2:443", "-servername", "api.example.com", "-alpn", "mqtt", "-quiet", "-no_ign_eof", feed=b"GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
    return [T("clean-close", "close_notify", "client", (True, True), by_also=["server"], note="the server does not know ALPN and ignores the client's offer; the session works", **CLEAN)]


def polite(lab, sock, version=None, body=b"ok\n"):
    """One request, one answer, close_notify both ways."""
    tls = lab.context(version=version).wrap_socket(sock, server_side=True)
    tls.settimeout(5)
    if tls.recv(4096):
        tls.sendall(answer(body))
    try:
        tls.unwrap()
    except OSError:
        pass
    tls.close()


@scenario("handshake-rejected")
def hs_rejected(lab):
    def refuse(tls, name, ctx):
        return ssl.ALERT_DESCRIPTION_ACCESS_DENIED

    def handler(sock):
        ctx = lab.context()
        ctx.sni_callback = refuse
        ctx.wrap_socket(sock, server_side=True)

    lab.serve(handler)
    with lab.tap():
        lab.curl("https://api.example.com/")
    return [T("handshake-rejected", "fatal_alert", "server", note="the server's name callback refuses with alert 49 access_denied", **both())]


@scenario("handshake-rejected", near=True, needs=["nginx", "java"])
def hs_rejected_near(lab):
    import signal

    child = lab.nginx(main="master_process off;")
    lab.net.kill(child, signal.SIGSTOP)
    with lab.tap():
        lab.java("socket", "https://api.example.com/small", timeout=4000)
    return [
        T(["server-unresponsive", "client-gave-up-waiting"], "close_notify", "client", (True, False), "client_hello", ["server"], ["client", "proxy", "network"], ending_also=["stall", "fin", "fatal_alert"], by_also=["server"], note="nginx is stopped (SIGSTOP): the ClientHello is acknowledged and never answered. Java gives up after 4 s with user_canceled (90), close_notify and FIN in clear: alerts, but nobody rejected a handshake"),
    ]


@scenario("server-closed-in-handshake", needs=["haproxy", "java"])
def closed_in_hs(lab):
    lab.haproxy("defaults\n mode tcp\n timeout client 10s\n timeout server 10s\n timeout connect 2s\nfrontend f\n bind :443\n tcp-request inspect-delay 2s\n tcp-request content reject unless { req.ssl_sni -i www.example.com }\n")
    with lab.tap():
        lab.java("url", "https://api.example.com/small")
        time.sleep(0.2)
        lab.curl("https://api.example.com/small", "--tls-max", "1.2")
    fault = dict(fault=["server", "undetermined"], never=["client", "network"])
    return [
        T("server-closed-in-handshake", "fin", "server", (False, False), "client_hello", by_also=["proxy"], note="haproxy routes by SNI and closes on a name it does not know: a FIN to the ClientHello, no alert. Java says: SSL peer shut down incorrectly", **fault),
        T("server-closed-in-handshake", "fin", "server", (False, False), "client_hello", by_also=["proxy"], note="the same with curl, TLS 1.2", **fault),
    ]


@scenario("server-closed-in-handshake", near=True, needs=["haproxy"])
def closed_in_hs_near(lab):
    lab.haproxy("defaults\n mode tcp\n timeout client 10s\n timeout server 10s\n timeout connect 2s\n retries 3\nfrontend f\n bind :443\n default_backend b\nbackend b\n server one 10.30.0.2:9443\n")
    with lab.tap():
        lab.curl("https://api.example.com/small")
    return [
        T("backend-down-behind-proxy", "fin", "server", (False, False), "client_hello", ["undetermined", "server", "proxy"], ["client", "network"], by_also=["proxy"], note="haproxy in TCP mode, its backend refuses: ClientHello acknowledged, three tries one second apart, then a FIN without a byte: the box's backend is down (not the server that hung up by itself)"),
    ]


@scenario("server-reset-in-handshake", needs=["go"])
def reset_in_hs(lab):
    def handler(sock):
        sock.recv(100)  # a few bytes, as a filter reads them, and away
        time.sleep(0.02)
        sock.close()

    lab.serve(handler)
    with lab.tap():
        lab.goget("https://api.example.com/small")
        time.sleep(0.2)
        lab.curl("https://api.example.com/small", "--tls-max", "1.2")
    fault = dict(fault=["server", "undetermined"], never=["client", "network"])
    return [T("server-reset-in-handshake", "rst", "server", (False, False), "client_hello", note=f"{who}: the application closes with most of the ClientHello unread, its kernel resets (RST with ACK, timestamps and window)", **fault) for who in ("Go client", "curl, TLS 1.2")]


@scenario("server-reset-in-handshake", near=True, needs=["nginx"])
def reset_in_hs_near(lab):
    lab.nginx()
    lab.net.forward("r1", "ip daddr 10.30.0.2 tcp dport 443 @ih,0,8 22 reject with tcp reset")
    with lab.tap():
        lab.net.nft("r1", "flush ruleset")
        lab.curl("https://api.example.com/small")
        time.sleep(0.2)
        lab.net.forward("r1", "ip daddr 10.30.0.2 tcp dport 443 @ih,0,8 22 reject with tcp reset")
        lab.curl("https://api.example.com/small")
        time.sleep(1.5)
    return [
        T("clean-close", "close_notify", "client", (True, False), note="a good session with the same server first", tested="clean-close", **CLEAN),
        T("injected-reset", "rst", "proxy", (False, False), "client_hello", ["proxy", "undetermined"], ["client", "server", "network"], by_also=["server", "nobody"], note="a firewall on the first router rejects the ClientHello with a RST in the server's name: reply-type, TTL 64 where the server's packets have 62, quicker than any round trip"),
    ]


@scenario("client-closed-in-handshake", needs=["nginx", "node"])
def client_closed_in_hs(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; CERT }} server {{ listen 8443 ssl; ssl_certificate {lab.pki}/untrusted.crt; ssl_certificate_key {lab.pki}/untrusted.key; }}")
    with lab.tap():
        stop_after(lab, True, "fin", version="1.3")
        time.sleep(0.2)
        lab.node(NODE_GET, "https://api.example.com:8443/small")
    return [
        T("client-closed-in-handshake", "fin", "client", (False, False), "handshake", ["undetermined", "client"], ["server", "proxy", "network"], note="TLS 1.3: the client reads the server's flight and is gone without a word; why, the wire does not say (here: the process ended)"),
        T(["client-closed-in-handshake", "certificate-untrusted", "certificate-rejected"], "fin", "client", (False, False), "handshake", ["undetermined", "server", "client"], ["proxy", "network"], phase_also=["established"], note="TLS 1.3: Node does not trust the issuer and leaves with a bare FIN, no alert; the certificate is encrypted"),
    ]


@scenario("client-closed-in-handshake", near=True, needs=["nginx", "java"])
def client_closed_in_hs_near(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/expired.crt; ssl_certificate_key {lab.pki}/expired.key; }}")
    with lab.tap():
        lab.java("httpclient", "https://api.example.com/small", "TLSv1.2")
    return [
        T(["certificate-expired", "certificate-rejected"], "fin", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], ending_also=["fatal_alert"], note="TLS 1.2, Java HttpClient: it leaves right after a certificate that, readable in the capture, has expired"),
    ]


@scenario("client-reset-in-handshake", needs=["nginx"])
def client_reset_in_hs(lab):
    lab.nginx()
    with lab.tap():
        stop_after(lab, False, "close", version="1.3")
        time.sleep(0.3)
        stop_after(lab, False, "rst", version="1.2", wait=0.001)
    return [
        T("client-reset-in-handshake", "rst", "client", (False, False), "handshake", ["undetermined", "client"], ["server", "proxy", "network"], note="TLS 1.3: the client's process ends with the server's flight unread: an active RST"),
        T("client-reset-in-handshake", "rst", "client", (False, False), "client_hello", ["client", "undetermined"], ["server", "proxy", "network"], note="TLS 1.2: the client resets (SO_LINGER 0) before the server's flight arrives", phase_also=["handshake"]),
    ]


@scenario("client-reset-in-handshake", near=True, needs=["nginx"])
def client_reset_in_hs_near(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/untrusted.crt; ssl_certificate_key {lab.pki}/untrusted.key; }}")
    with lab.tap():
        try:
            lab.client(version="1.3")
        except OSError as error:
            lab.say(error)
    return [
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server", "client", "undetermined"], ["proxy", "network"], note="Python over TLS 1.3: alert 48 unknown_ca in clear, then a RST because part of the flight was unread: the alert is the event, the RST its echo"),
    ]


@scenario("server-unresponsive", needs=["nginx"])
def unresponsive(lab):
    import signal

    child = lab.nginx(main="master_process off;")
    lab.net.kill(child, signal.SIGSTOP)
    with lab.tap():
        lab.curl("https://api.example.com/small", "-m", "6")
    return [
        T(["server-unresponsive", "client-gave-up-waiting"], "fin", "client", (False, False), "client_hello", ["server"], ["client", "proxy", "network"], ending_also=["stall"], by_also=["server"], note="nginx is stopped (SIGSTOP), its kernel acknowledges the ClientHello and, later, curl's FIN; not a byte came back in 6 s"),
    ]


@scenario("server-unresponsive", near=True, needs=["nginx"])
def unresponsive_near(lab):
    import net

    lab.nginx()

    def eat(way, frame):
        t = net.Tcp(frame)
        return [] if t.ok and t.len else None

    lab.net.bridge.hook = eat
    with lab.tap():
        lab.curl("https://api.example.com/small", "-m", "6")
    return [
        T(["path-black-hole", "client-closed-in-handshake"], "stall", "client", (False, False), "client_hello", ["undetermined", "network", "proxy"], ["client", "server"], ending_also=["fin"], by_also=["nobody", "proxy"], note="a box lets the TCP handshake through and drops every segment with data: the ClientHello is never acknowledged, however often it is sent; the server never saw it"),
    ]


def slowly_closed(sock, wait):
    """Reads the ClientHello and closes after a while."""
    sock.recv(65536)
    time.sleep(wait)
    sock.close()
