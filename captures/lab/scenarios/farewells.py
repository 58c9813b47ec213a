"""Farewells of programs that were met late, what crosses them on the wire, and what only looks like one."""
import os
import ssl
import struct
import time

from lab import SCRATCH, T, answer, half_close, leave, read_answer, request, reset, scenario

EST = dict(phase="established")
CLEAN = dict(phase="established", fault="none")


def apache(lab, conf, modules, where="s", ready=443):
    """Apache with these modules beside the usual ones; its TLS keys are not logged."""
    loaded = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in ("mpm_event", "authz_core", "ssl", "socache_shmcb", "dir", *modules))
    with open(f"{SCRATCH}/apache.conf", "w") as out:
        out.write(f"ServerRoot {SCRATCH}\nServerName api.example.com\nPidFile {SCRATCH}/apache.pid\nErrorLog {SCRATCH}/apache.err\nDefaultRuntimeDir {SCRATCH}\n{loaded}User www-data\nGroup www-data\n{conf}\n")
    return lab.net.start(where, "apache2", "-X", "-f", f"{SCRATCH}/apache.conf", ready=ready)


def apache_h2(lab):
    """Apache that speaks HTTP/2 and serves what nginx serves elsewhere."""
    apache(lab, f"Listen 443\nProtocols h2 http/1.1\nDocumentRoot {SCRATCH}/www\n<Directory {SCRATCH}/www>\nRequire all granted\n</Directory>\n<VirtualHost *:443>\nSSLEngine on\nSSLCertificateFile {lab.pki}/server.crt\nSSLCertificateKeyFile {lab.pki}/server.key\n</VirtualHost>", ("http2",))


def served(lab, version="1.3", port=443):
    """A server that answers each request shortly, until the client leaves."""

    def handler(sock):
        tls = lab.context(version=version).wrap_socket(sock, server_side=True)
        while tls.recv(8192):
            tls.sendall(answer(b"ok"))
        leave(tls)

    lab.serve(handler, port=port)


@scenario("parallel-attempt", also="serial", near=True)
def serial(lab):
    served(lab, "1.2")
    with lab.tap():
        tls = lab.client(version="1.2")
        tls.sendall(request())
        read_answer(tls)
        half_close(tls)
        lab.drain(tls)
        tls.close()
        sock = lab.connect()
        back, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = lab.context(server=False, version="1.2", keylog=False).wrap_bio(back, out, server_hostname="api.example.com")
        try:
            hello.do_handshake()
        except ssl.SSLWantReadError:
            sock.sendall(out.read())
        time.sleep(0.1)
        sock.recv(16384)
        sock.close()
    return [
        T("clean-close", "close_notify", "client", (True, True), note="a short exchange, well ended", **CLEAN),
        T(["client-closed-in-handshake", "certificate-rejected", "certificate-untrusted"], "fin", "client", (False, False), "handshake", ["undetermined", "client", "server"], ["proxy", "network"], note="the next connection of the same client, begun when the first was over: it leaves after the server's certificate, without an alert. No race was lost"),
    ]


@scenario("proxy-refused-tunnel", also="serial", ext="pcapng", needs=["apache2", "nginx"])
def refused_serially(lab):
    lab.nginx()
    apache(lab, 'Listen 3128\n<VirtualHost *:3128>\nProxyRequests On\nAllowCONNECT 443\n<Proxy *>\nRequire all granted\n</Proxy>\n<Proxy "shop.example.com:443">\nRequire all denied\n</Proxy>\n</VirtualHost>', ("proxy", "proxy_http", "proxy_connect"), "p", 3128)
    with lab.tap():
        for url in ("https://api.example.com/small", "https://shop.example.com/", "https://api.example.com:9443/"):
            lab.curl(url, "-x", "http://proxy.example.com:3128")
    no = dict(phase="tunneling", fault=["proxy"], never=["server", "network", "client"])
    return [T("clean-close", "close_notify", "client", (True, False), tested="clean-close", note="a tunnel through Apache, in which all is well", **CLEAN)] + [
        T("proxy-refused-tunnel", "rst", "proxy", (False, False), by_also=["client"], ending_also=["fin"], note=f"within 300 ms of it {what}: 403, and curl leaves with the page that came along unread", **no)
        for what in ("a tunnel to a host that the rules forbid", "one to a port that they do not allow")
    ]


@scenario("client-closed-without-close-notify", also="goaway", needs=["apache2"])
def goaway_after(lab):
    apache_h2(lab)
    with lab.tap():
        lab.curl("https://api.example.com/medium", "--http2")
    return [T("client-closed-without-close-notify", "fin", "client", (False, True), note="HTTP/2: curl has its answer whole and closes bare; Apache's GOAWAY and close_notify come a round trip later, and curl's kernel resets them: nothing was aborted", **CLEAN)]


@scenario("client-closed-without-close-notify", also="goaway", near=True, needs=["apache2"])
def goaway_near(lab):
    apache_h2(lab)
    with lab.tap():
        child = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--http2", "--limit-rate", "20k", "--cacert", lab.ca, "https://api.example.com/big", env={"SSLKEYLOGFILE": lab.keys})
        time.sleep(1.5)
        lab.net.kill(child)
    return [T(["client-aborted-transfer", "client-reset"], "rst", "client", (False, False), fault=["client"], never=["server", "proxy", "network"], ending_also=["fin"], note="the same, but curl is killed in the middle of the answer", **EST)]


def late(lab, pause):
    """A server whose second answer takes so long, whether or not somebody still waits for it."""

    def handler(sock):
        tls = lab.context().wrap_socket(sock, server_side=True)
        for wait in (0, pause):
            tls.recv(8192)
            time.sleep(wait)
            tls.sendall(answer(b"a" * 800))
        time.sleep(0.1)
        tls.close()

    lab.serve(handler)


def impatient(lab, version):
    """Asks twice, and has two seconds for the second answer."""
    tls = lab.client(version=version)
    tls.sendall(request())
    read_answer(tls)
    tls.sendall(request("/slow"))
    tls.settimeout(2)
    try:
        read_answer(tls)
    except OSError as error:
        lab.say(error)
    tls.close()


@scenario("client-gave-up-waiting", also="late-answer", where="s")
def late_answer(lab):
    late(lab, 3.5)
    with lab.tap(tail=2):
        impatient(lab, "1.2")
        impatient(lab, "1.3")
    return [T("client-gave-up-waiting", "fin", "client", (False, False), fault=["server"], never=["client", "proxy", "network"], note=f"TLS {version}: the client gives its second request 2 s, and closes; the answer, whole, comes 1.5 s after that", **EST) for version in ("1.2", "1.3")]


@scenario("client-gave-up-waiting", also="late-answer", where="s", near=True)
def late_answer_near(lab):
    late(lab, 1.6)
    with lab.tap(tail=2):
        impatient(lab, "1.2")
        impatient(lab, "1.3")
    return [T("client-closed-without-close-notify", "fin", "client", (False, False), note=f"TLS {version}: the answer comes just in time, and then the client closes", **CLEAN) for version in ("1.2", "1.3")]


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2 (RFC 9113 section 4.1)."""
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def h2_server(lab, before, after):
    """HTTP/2 by hand: SETTINGS, and two more writes, 2.4 s apart; then a bare FIN."""

    def handler(sock):
        ctx = lab.context(version="1.3")
        ctx.set_alpn_protocols(["h2"])
        tls = ctx.wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(frame(4, 0, 0) + frame(4, 1, 0))
        tls.recv(8192)
        if before:
            tls.sendall(before)
        time.sleep(2.4)
        tls.sendall(after)
        tls.close()

    lab.serve(handler)


def h2_client(lab):
    """Asks for / and reads to the end."""
    ctx = lab.context(server=False, version="1.3")
    ctx.set_alpn_protocols(["h2"])
    tls = lab.client(ctx=ctx)
    tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, b"\x82\x87\x84\x41\x0fapi.example.com"))
    tls.recv(8192)
    tls.sendall(frame(4, 1, 0))
    lab.drain(tls)
    tls.close()


OK = frame(1, 5, 1, b"\x88")  # HEADERS: 200, and nothing more


@scenario("server-idle-timeout", also="goaway")
def goaway(lab):
    h2_server(lab, OK, frame(7, 0, 0, struct.pack("!II", 1, 0) + b"max_idle"))
    with lab.tap():
        h2_client(lab)
    return [T("server-idle-timeout", "fin", "server", (False, False), "established", ["none", "undetermined"], note="HTTP/2: an answer, 2.4 s of silence, a GOAWAY that says max_idle, and in one breath with it a bare FIN, as gRPC's servers do it")]


@scenario("server-idle-timeout", also="goaway", near=True)
def goaway_no_idling(lab):
    h2_server(lab, b"", OK)
    with lab.tap():
        h2_client(lab)
    return [T(["server-closed-without-close-notify"], "fin", "server", (False, False), "established", ["none", "undetermined"], note="the same lengths and times, but what comes after 2.4 s is the answer itself, and the FIN with it")]


@scenario("server-closed-without-close-notify", also="brief")
def brief(lab):
    def handler(sock):
        tls = lab.context().wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"", 30, "Connection: close\r\n"))
        tls.sendall(b"h" * 30)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        for version in ("1.2", "1.3"):
            lab.curl("https://api.example.com/", "--http1.1", "--tls-max", version)
    return [T("server-closed-without-close-notify", "fin", "server", (True, False), "established", ["none", "undetermined"], note=f"TLS {version}: a short answer, whole, and the FIN in one breath with it, as gunicorn and other small servers do it") for version in ("1.2", "1.3")]


@scenario("zero-window-stall", also="leaves", needs=["nginx"])
def stopped_and_left(lab):
    lab.nginx()
    with lab.tap():
        tls = lab.client(version="1.3")
        tls.sendall(request("/huge"))
        tls.recv(1000)
        time.sleep(3.2)
        reset(tls)
    return [T(["zero-window-stall", "client-aborted-transfer", "client-reset"], "rst", "client", (False, False), fault=["client"], never=["server", "proxy", "network"], note="the client does not read its download for 3 s, and then resets: the server had not given up on it", **EST)]


@scenario("starttls-refused", also="wrong-port", needs=["nginx"])
def wrong_port(lab):
    lab.nginx()

    def deaf(sock):
        sock.recv(100)

    lab.serve(deaf, port=8443)
    with lab.tap():
        for port in (443, 8443):
            sock = lab.connect(port=port)
            sock.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
            lab.drain(sock)
            sock.close()
    asked = dict(phase="tunneling", fault=["undetermined", "client"], never=["server", "network", "proxy"])
    return [
        T("starttls-refused", "fin", "server", (None, None), note="a client asks for TLS as PostgreSQL does, on nginx's port: HTTP/1.1 400 in clear", **asked),
        T("starttls-refused", "fin", "server", (None, None), note="the same on a port where whatever listens closes without a word", **asked),
    ]


@scenario("clean-close", also="turned-away")
def turned_away(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        half_close(tls)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        time.sleep(0.003)
        try:
            tls.sendall(request())
            lab.drain(tls)
        except OSError as error:
            lab.say(error)
        tls.close()
    return [T("clean-close", "close_notify", "server", (False, True), "established", ["undetermined", "server"], ["client", "network", "proxy"], note="the server says close_notify as soon as the handshake is over, as a TLS terminator does whose backend is down; the client's request crosses it")]


@scenario("record-corruption", also="plain-text")
def plain_text(lab):
    def handler(sock):
        tls = lab.context().wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"ok"))
        time.sleep(1.2)
        os.write(tls.fileno(), b"421 api.example.com: SMTP command timeout - closing connection\r\n")
        time.sleep(0.1)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        for version in ("1.2", "1.3"):
            tls = lab.client(version=version)
            tls.sendall(request())
            read_answer(tls)
            lab.drain(tls)
            tls.close()
    return [T("record-corruption", "fatal_alert", "client", (False, False), fault=["undetermined", "server"], never=["client", "network", "proxy"], by_also=["server"], note=f"TLS {version}: the server's last word is plain text in the middle of TLS, as Exim and vsftpd say it when they give up; the client answers with a fatal alert, as long as a close_notify", **EST) for version in ("1.2", "1.3")]


def unused(lab, pause):
    """A server that closes what says nothing for so long."""

    def handler(sock):
        time.sleep(pause)
        sock.close()

    lab.serve(handler)
    with lab.tap(expr="tcp[tcpflags] != tcp-ack"):
        for _ in range(2):
            sock = lab.connect()
            lab.drain(sock)
            sock.close()


@scenario("server-idle-timeout", also="no-acks")
def no_acks(lab):
    unused(lab, 2.2)
    return [T("server-idle-timeout", "fin", "server", (None, None), "connecting", ["none", "undetermined"], note="a connection made in advance and closed by the server after 2.2 s, in a capture without bare ACKs (dropped, or filtered out): nothing but the SYNs shows when it came up") for _ in range(2)]


@scenario("server-idle-timeout", also="no-acks", near=True)
def no_acks_near(lab):
    unused(lab, 0.1)
    return [T(["server-closed-in-handshake", "probe"], "fin", "server", (None, None), "connecting", ["server", "undetermined"], note="the same, but the server closes after 0.1 s: no client is as slow as that") for _ in range(2)]
