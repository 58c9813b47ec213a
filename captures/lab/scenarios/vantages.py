"""The same kinds of trouble from other places, damaged captures, and clean endings of many stacks."""
import socket
import time

import net
from lab import ALL, SCRATCH, T, answer, fetch, request, scenario
from scenarios.timers import NODE_SERVER

EST = dict(phase="established")
CLEAN = dict(phase="established", fault="none")


@scenario("clean-close", also="stacks", ext="pcapng", needs=["nginx", "haproxy", "go", "node", "java", "apache2", "gnutls-serv", "gnutls-cli", "stunnel4"])
def stacks(lab):
    k = lab.pki
    lab.nginx()
    lab.haproxy(f"defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind :8443 ssl crt {k}/server.pem\n http-request return status 200 content-type text/plain string hello\n", ready=8443)
    lab.goserve("-keys", lab.keys, port=8444)
    lab.node(NODE_SERVER, "5000", "8445", where="s", background=True, ready=8445)
    with open(f"{SCRATCH}/apache.conf", "w") as out:
        modules = "".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n" for m in ("mpm_event", "authz_core", "ssl", "socache_shmcb", "dir"))
        out.write(f"ServerRoot {SCRATCH}\nServerName api.example.com\nPidFile {SCRATCH}/apache.pid\nErrorLog {SCRATCH}/apache.err\nDefaultRuntimeDir {SCRATCH}\n{modules}Listen 8446\nUser www-data\nGroup www-data\nDocumentRoot {SCRATCH}/www\n<Directory {SCRATCH}/www>\nRequire all granted\n</Directory>\n<VirtualHost *:8446>\nSSLEngine on\nSSLCertificateFile {k}/server.crt\nSSLCertificateKeyFile {k}/server.key\n</VirtualHost>\n")
    lab.net.start("s", "apache2", "-X", "-f", f"{SCRATCH}/apache.conf", ready=8446)
    lab.net.start("s", "gnutls-serv", "--http", "--port", "8447", "--x509certfile", f"{k}/server.crt", "--x509keyfile", f"{k}/server.key", ready=8447)
    with open(f"{SCRATCH}/stunnel.conf", "w") as out:
        out.write(f"foreground = yes\npid =\n[a]\naccept = 8448\nconnect = 8449\ncert = {k}/server.pem\n")
    lab.net.start("s", "stunnel4", f"{SCRATCH}/stunnel.conf", ready=8448)

    def plain(sock):
        sock.recv(4096)
        sock.sendall(answer(b"through stunnel\n", more="Connection: close\r\n"))

    lab.serve(plain, port=8449)
    close = ("--ignore-content-length", "-H", "Connection: close")
    with lab.tap():
        lab.java("socket", "https://api.example.com:8443/small", "TLSv1.2")
        for port, more in ((8443, close), (8444, ("--tls-max", "1.2")), (8445, close), (8446, close), (8446, ("--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA")), (8447, ("--ignore-content-length",)), (8448, ("--ignore-content-length",)), (8448, ("--ignore-content-length", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305"))):
            time.sleep(0.1)
            lab.curl(f"https://api.example.com:{port}/small", *more)
        time.sleep(0.1)
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.2:443", "-servername", "api.example.com", "-keylogfile", lab.keys, "-quiet", "-no_ign_eof", feed=request("/small"))
        time.sleep(0.1)
        lab.goget("https://api.example.com:8446/small")
        time.sleep(0.1)
        lab.java("socket", "https://api.example.com:8444/")

    def t(by, cn, note, also=()):
        return T("clean-close", "close_notify", by, cn, note=note, by_also=also, **CLEAN)

    return [
        T("clean-close", "close_notify", "client", (None, None), note="Java SSLSocket.close() over TLS 1.2 to haproxy (no keys: an encrypted alert, then FIN)", by_also=["server"], **CLEAN),
        t("server", (True, True), "haproxy, Connection: close, curl"),
        t("client", (True, True), "Go server, TLS 1.2, curl closes", ["server"]),
        t("server", (True, True), "Node server, Connection: close, curl"),
        t("server", (True, True), "Apache, Connection: close, curl"),
        t("client", (True, True), "Apache, TLS 1.2 with AES-CBC and SHA-1, curl closes", ["server"]),
        t("server", (True, True), "gnutls-serv closes after its page"),
        t("server", (True, True), "stunnel, TLS 1.3: the server behind it closed, stunnel says close_notify"),
        t("server", (True, True), "stunnel, TLS 1.2 with ChaCha20"),
        t("client", (True, False), "openssl s_client to nginx, input at its end"),
        t("client", (True, True), "Go client to Apache", ["server"]),
        t("client", (True, True), "Java SSLSocket over TLS 1.3 to a Go server: user_canceled and close_notify, each in a padded record of 35 bytes", ["server"]),
    ]


@scenario("clean-close", also="router", where="r1", needs=["nginx"])
def router_any(lab):
    lab.nginx()
    with lab.tap(dev="any"):
        lab.curl("https://api.example.com/small", "--tlsv1.3")
    return [T("clean-close", "close_notify", "client", (True, False), note="taken on the router with tcpdump -i any: every packet is in the capture twice, before and after forwarding, with TTLs one apart (cooked capture, SLL2)", **CLEAN)]


@scenario("connection-timeout", also="server-side", where="s")
def queue_full(lab):
    def listen():
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", 443))
        sock.listen(0)  # and never accept
        return sock

    lab.servers.append(net.inside("s", listen))
    with lab.tap():
        first = lab.connect()
        time.sleep(0.3)
        lab.curl("https://api.example.com/", "--connect-timeout", "6")
        first.close()
    return [
        T("probe", "fin", "client", (False, False), "connecting", ["none", "undetermined"], ALL, note="fills the listen queue: the kernel accepts it, no byte is ever sent", tested="probe", ending_also=["rst"]),
        T("connection-timeout", "no_connection", "nobody", (False, False), "connecting", ["server", "undetermined"], ["client", "proxy", "network"], by_also=["client", "server"], ending_also=["stall"], note="seen at the server: the SYNs arrive and the kernel does not answer them, because the application does not accept and the listen queue is full"),
    ]


@scenario("injected-reset", also="server-side", where="s", ext="pcapng", needs=["nginx"])
def injected_at_server(lab):
    lab.nginx()
    state = {}

    def inject(way, frame):
        t = net.Tcp(frame)
        if t.ok and way == "down":
            state["down"] = frame
        elif t.ok and t.len and t.payload[:1] == b"\x17" and state.get("armed"):
            state["armed"] = False
            lab.net.bridge.send("down", net.forge(state["down"], 0x14, t.ack, t.seq + t.len, ttl=113, window=229))
        return None

    with lab.tap(tail=0.8):
        lab.net.bridge.hook = inject
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        time.sleep(0.2)
        state["armed"] = True
        tls.sendall(request("/medium"))
        lab.wait(tls)
        time.sleep(0.2)
        tls.close()
    return [T(["injected-reset", "client-reset"], "rst", "proxy", (False, False), fault=["undetermined", "proxy"], never=["client", "server"], by_also=["client", "nobody"], note="a box sent the client a forged RST, which is not in this capture; what arrives here are genuine RSTs of the client's kernel (reply-type, no FIN before) to the server's answer: the client is a victim, and from here that can only be guessed", **EST)]


@scenario("path-mtu-black-hole", also="server-side", where="s", needs=["nginx"])
def pmtu_at_server(lab):
    chain = f"{SCRATCH}/chain.pem"
    with open(chain, "w") as out:
        for name in ("rsa.crt", "ca.crt", "otherca.crt", "inspectca.crt", "client.crt"):
            out.write(open(f"{lab.pki}/{name}").read())
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {chain}; ssl_certificate_key {lab.pki}/rsa.key; }}")
    lab.net.forward("r2", "oifname m0 meta length > 1400 drop")
    with lab.tap():
        lab.curl("https://api.example.com/small", "-m", "12", "--tls-max", "1.2")
    return [T(["path-mtu-black-hole", "path-black-hole"], "stall", "client", (False, False), "handshake", ["network", "proxy", "undetermined"], ["client", "server"], by_also=["nobody", "proxy"], ending_also=["fin"], note="seen at the server: of its flight only the small last segment gets through (SACK), the full-size ones are sent again with back-off; curl gives up after 12 s")]


@scenario("middlebox-idle-timeout", also="silent", needs=["nginx"])
def box_idle_silent(lab):
    lab.nginx()
    lab.net.nft("r1", "table ip lab { chain f { type filter hook forward priority 0;\n ct state established accept\n tcp flags & (syn|ack) == syn accept\n meta l4proto tcp drop\n }\n}\n")
    for key, value in (("tcp_timeout_established", 3), ("tcp_loose", 0)):
        net.sh("ip", "netns", "exec", net.ns("r1"), "sysctl", "-qw", f"net.netfilter.nf_conntrack_{key}={value}")
    with lab.tap(tail=0.2):
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        time.sleep(5)
        tls.sendall(request("/small"))
        time.sleep(9)
    tls.close()
    return [T(["path-black-hole", "middlebox-idle-timeout"], "stall", "nobody", (False, False), fault=["undetermined", "network", "proxy"], never=["client", "server"], by_also=["client", "proxy"], tested="path-black-hole", note="a firewall forgot the connection after 3 s of silence and drops what it does not know: the next request is sent again and again, nothing comes back. Seen once, this may be any dead path", **EST)]


@scenario("capture-incomplete", also="one-way", needs=["nginx"])
def one_way(lab):
    lab.nginx()
    with lab.tap(expr="src host 10.30.0.2"):
        lab.curl("https://api.example.com/medium", "--tlsv1.3")
    return [T(["capture-incomplete", "clean-close"], "unseen", "client", (None, None), fault=["none", "undetermined"], never=ALL, ending_also=["fin", "close_notify", "open"], by_also=["server", "nobody"], phase_also=["handshake"], unreadable=True, note="only the server's packets were captured; the client's close_notify, which came first, is not there, only nginx's bare FIN", **EST)]


@scenario("capture-incomplete", also="snaplen", needs=["nginx"])
def snaplen(lab):
    lab.nginx()
    with lab.tap(args=("-s", "96")):
        lab.curl("https://api.example.com/medium", "--tlsv1.3")
    return [T(["clean-close", "capture-incomplete"], "close_notify", "client", (None, None), fault=["none", "undetermined"], never=ALL, ending_also=["fin", "unseen"], by_also=["server"], phase_also=["client_hello", "handshake", "connecting"], unreadable=True, tested="capture-incomplete", note="tcpdump -s 96: the packets are cut, record boundaries are lost after the first long record; the session was fine", **EST)]


@scenario("server-truncated-record", also="killed", ext="pcapng", needs=["nginx"])
def killed(lab):
    child = lab.nginx(servers="server { listen 443 ssl sndbuf=16k; CERT ssl_buffer_size 16k; sendfile off; }", main="master_process off;")
    for name, key in (("s", "tcp_wmem"), ("c", "tcp_rmem")):
        net.sh("ip", "netns", "exec", net.ns(name), "sysctl", "-qw", f"net.ipv4.{key}=4096 16384 24000")
    with lab.tap(tail=1.0):
        curl = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca, "--tls-max", "1.2", "--limit-rate", "16k", "https://api.example.com/huge", env={"SSLKEYLOGFILE": lab.keys})
        time.sleep(1.0)
        lab.net.kill(child)
        try:
            curl.wait(25)
        except Exception:
            lab.net.kill(curl)
    for name, key, value in (("s", "tcp_wmem", "4096 16384 4194304"), ("c", "tcp_rmem", "4096 131072 6291456")):
        net.sh("ip", "netns", "exec", net.ns(name), "sysctl", "-qw", f"net.ipv4.{key}={value}")
    return [T(["server-truncated-record", "server-process-died"], "fin", "server", (True, False), fault=["server"], never=["client", "proxy", "network"], ending_also=["rst"], note="nginx is killed (kill -9) in the middle of a download: what its socket held still arrives and ends inside a record", **EST)]
