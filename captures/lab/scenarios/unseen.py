"""Endings that were met outside the lab first, and misread: each is here as small as it could be made."""
import os
import socket
import ssl
import subprocess
import time

import net
from lab import T, answer, fetch, half_close, leave, request, reset, scenario
from net import Tcp

EST = dict(phase="established")
CLEAN = dict(phase="established", fault="none")


def openssl(where, *args):
    """Runs openssl among the lab's keys."""
    done = subprocess.run(["openssl", *args], cwd=where, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def expired_intermediate(where):
    """A valid certificate under an intermediate one that has expired; both in between.pem."""
    with open(f"{where}/between.cnf", "w") as out:
        out.write(open(f"{where}/ca.cnf").read() + "[between]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n")
    with open(f"{where}/leaf.ext", "w") as out:
        out.write("basicConstraints=CA:FALSE\nsubjectAltName=DNS:api.example.com\n")
    for name, subject in (("between", "/O=Example Lab/CN=Example Lab Issuing CA"), ("below", "/CN=api.example.com")):
        openssl(where, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
        openssl(where, "req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
    openssl(where, "ca", "-batch", "-notext", "-config", "between.cnf", "-extensions", "between", "-cert", "ca.crt", "-keyfile", "ca.key", "-startdate", "20240101000000Z", "-enddate", "20250601000000Z", "-in", "between.csr", "-out", "between.crt")
    openssl(where, "x509", "-req", "-in", "below.csr", "-CA", "between.crt", "-CAkey", "between.key", "-CAcreateserial", "-days", "3000", "-extfile", "leaf.ext", "-out", "below.crt")
    with open(f"{where}/between.pem", "w") as out:
        out.write("".join(open(f"{where}/{part}").read() for part in ("below.crt", "between.crt", "below.key")))


def with_pem(lab, name):
    """nginx with that certificate."""
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/{name}; ssl_certificate_key {lab.pki}/{name}; }}")


@scenario("certificate-expired", also="intermediate", needs=["nginx"])
def intermediate(lab):
    expired_intermediate(lab.pki)
    with_pem(lab, "between.pem")
    with lab.tap():
        lab.curl("https://api.example.com/small", "--tls-max", "1.2")
    return [T("certificate-expired", "fatal_alert", "client", (False, False), "handshake", "server", note="the server's own certificate is valid; the intermediate one that it sends along, in clear, has expired")]


@scenario("certificate-rejected", also="words", needs=["nginx", "perl"])
def other_words(lab):
    with open(f"{lab.pki}/crl.cnf", "w") as out:
        out.write(open(f"{lab.pki}/ca.cnf").read().replace("[p]", "default_crl_days=3000\n[p]"))
    index = open(f"{lab.pki}/ca.index").read()
    for more in (("-revoke", "rsa.crt"), ("-gencrl", "-out", "crl.pem")):
        openssl(lab.pki, "ca", "-config", "crl.cnf", "-cert", "ca.crt", "-keyfile", "ca.key", *more)
    with open(f"{lab.pki}/ca.index", "w") as out:
        out.write(index)
    pem = lambda name: f"ssl_certificate {lab.pki}/{name}; ssl_certificate_key {lab.pki}/{name};"
    lab.nginx(servers=f"server {{ listen 443 ssl; {pem('rsa.pem')} }} server {{ listen 8443 ssl; {pem('wrong.pem')} }}")
    with lab.tap():
        lab.curl("https://api.example.com/small", "--tls-max", "1.2", "--crlfile", f"{lab.pki}/crl.pem")
        lab.say(lab.net.run("c", "perl", "-MIO::Socket::SSL", "-e", f"IO::Socket::SSL->new(PeerAddr => 'api.example.com:8443', SSL_version => 'TLSv1_2', SSL_ca_file => '{lab.ca}') or print $SSL_ERROR"))
    return [
        T("certificate-rejected", "fatal_alert", "client", (False, False), "handshake", "server", note="the certificate has been revoked, and the client has the list that says so: alert 44"),
        T("certificate-rejected", "fatal_alert", "client", (False, False), "handshake", ["server", "client", "undetermined"], note="Perl checks the name in a callback: its refusal of a certificate for another name, in clear, is alert 80 internal_error"),
    ]


@scenario("server-idle-timeout", also="silent-client")
def silent_client(lab):
    def handler(sock):
        sock.settimeout(2.0)
        try:
            lab.context(keylog=False).wrap_socket(sock, server_side=True)
        except TimeoutError:
            sock.close()

    lab.serve(handler)
    with lab.tap():
        sock = lab.connect()
        sock.recv(100)
        sock.close()
        time.sleep(0.1)
        sock = lab.connect()
        out = ssl.MemoryBIO()
        try:
            lab.context(server=False, keylog=False).wrap_bio(ssl.MemoryBIO(), out, server_hostname="api.example.com").do_handshake()
        except ssl.SSLWantReadError:
            pass
        sock.sendall(out.read()[:180])
        sock.recv(100)
        sock.close()
    return [
        T("server-idle-timeout", "fin", "server", (None, None), "connecting", ["none", "undetermined"], note="a connection made in advance, as browsers do, and never used: the server closes it after 2 s"),
        T("server-closed-in-handshake", "fin", "server", (None, None), "client_hello", ["undetermined", "client", "none"], ending_also=["rst"], tested="server-closed-in-handshake", note="the client sends the first 180 bytes of a ClientHello and not the rest: the server closes after 2 s, having waited for it"),
    ]


@scenario("path-black-hole", also="answer-lost")
def answer_lost(lab):
    lab.serve(lambda sock: lab.context(version="1.2", keylog=False).wrap_socket(sock, server_side=True))
    lab.net.bridge.hook = lambda way, frame: [] if way == "down" and Tcp(frame).ok and Tcp(frame).len > 0 else None
    with lab.tap(tail=0.6):
        lab.curl("https://api.example.com/", "--max-time", "4", "--tls-max", "1.2")
    return [T("path-black-hole", "stall", "client", (False, False), "client_hello", ["network", "undetermined"], ["client", "server"], ending_also=["fin"], note="every segment of the server with data is lost, its bare ACKs pass: their sequence numbers tell that it had answered")]


@scenario("path-mtu-black-hole", also="one-lost", near=True)
def one_lost(lab):
    state = {}

    def hook(way, frame):
        tcp = Tcp(frame)
        if way == "down" and tcp.ok and tcp.len >= 1400:
            state.setdefault("seen", []).append(tcp.seq)
            if len(set(state["seen"])) >= 4:
                state.setdefault("lost", tcp.seq)
        return [] if way == "down" and tcp.ok and tcp.len > 0 and tcp.seq == state.get("lost") else None

    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"m" * 7000))
        time.sleep(5)

    lab.serve(handler)
    lab.net.bridge.hook = hook
    with lab.tap(tail=0.6):
        lab.curl("https://api.example.com/", "--max-time", "4")
    return [T(["path-black-hole", "client-gave-up-waiting", "client-aborted-transfer", "capture-incomplete"], "stall", "client", (True, False), "established", ["network", "undetermined"], ["client", "server"], ending_also=["close_notify", "fin", "rst"], note="one full-size segment is lost, and lost again with every retransmission, while others as large get through: no narrow link")]


@scenario("client-closed-without-close-notify", also="late-words")
def late_words(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"x" * 50))
        time.sleep(3)
        tls.sendall(b"are you still there?")
        tls.close()

    lab.serve(handler)
    with lab.tap(tail=3.4):
        tls = lab.client(version="1.2")
        fetch(tls)
        time.sleep(0.2)
        tls.close()
    return [T("client-closed-without-close-notify", "fin", "client", (False, False), note="the client has its answer and closes; three seconds later the server says something more, and the client's kernel answers with RST: nothing was aborted", **CLEAN)]


@scenario("clean-close", also="joined", needs=["nginx"])
def joined(lab):
    lab.nginx()
    opened = []
    for version in ("1.2", "1.3"):
        tls = lab.client(version=version)
        fetch(tls, "/small")
        opened.append(tls)
    time.sleep(0.2)
    with lab.tap():
        for tls in opened:
            fetch(tls, "/small")
            leave(tls)
    os.remove(lab.keys)  # what they open began before the capture
    return [T("clean-close", "close_notify", "client", (None, None), unreadable=True, note=f"the capture begins before the last request of a session in TLS {version}; the client says close_notify and closes", **CLEAN) for version in ("1.2", "1.3")]


@scenario("server-idle-timeout", also="ping")
def ping(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(100)
        tls.sendall(b"\x20\x02\0\0")
        tls.recv(100)
        tls.sendall(b"\xd0\0")
        time.sleep(3)
        tls.close()

    lab.serve(handler, port=8883)
    with lab.tap():
        tls = lab.client(version="1.3", port=8883)
        tls.sendall(b"\x10\x10\0\4MQTT\4\2\0\2\0\4demo")
        tls.recv(100)
        time.sleep(0.5)
        tls.sendall(b"\xc0\0")
        tls.recv(100)
        lab.drain(tls)
        tls.close()
    return [T("server-idle-timeout", "fin", "server", (False, False), "established", ["none", "undetermined"], note="MQTT: a ping of two bytes and its answer, each as long as an alert; the server closes bare, 3 s later")]


@scenario("clean-close", also="unanswered")
def unanswered(lab):
    def handler(sock):
        ctx = lab.context(version="1.3")
        ctx.num_tickets = 0
        tls = ctx.wrap_socket(sock, server_side=True)
        tls.settimeout(2.0)
        try:
            tls.recv(8192)
            time.sleep(2.5)
        except TimeoutError:
            pass
        half_close(tls)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        lab.drain(tls)
        tls.close()
        lab.curl("https://api.example.com/slow", "--http1.1")
    return [
        T(["clean-close", "server-idle-timeout", "probe"], "close_notify", "server", (False, True), note="handshake and silence: the server says close_notify after 2 s, its first record behind the handshake, and no alert about it", **CLEAN),
        T("clean-close", "close_notify", "server", (True, True), "established", ["server", "undetermined"], ["client", "proxy", "network"], note="a request that the server reads and, after 2.5 s, does not answer: it takes leave properly"),
    ]


@scenario("injected-reset", also="both-sides")
def both_sides(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n")
        for _ in range(40):
            tls.sendall(b"d" * 200)
            time.sleep(0.02)

    state = {"count": 0}

    def hook(way, frame):
        tcp = Tcp(frame)
        if not tcp.ok or tcp.syn:
            return None
        if way == "up":
            state["up"] = frame
        elif tcp.len > 100:
            state["count"] += 1
            if state["count"] == 12:
                lab.net.bridge.send("up", net.forge(state["up"], 0x04, tcp.ack, 0, ttl=250))
                lab.net.bridge.send("down", net.forge(frame, 0x04, tcp.seq + tcp.len, 0, ttl=250))
        return None

    lab.serve(handler)
    lab.net.bridge.hook = hook
    with lab.tap():
        tls = lab.client()
        tls.sendall(request("/feed"))
        lab.drain(tls)
        tls.close()
    return [T(["injected-reset"], "rst", "proxy", (False, False), "established", ["proxy", "undetermined"], ["client", "server", "network"], by_also=["server"], note="a box resets both sides at once; the client's kernel ignores the RST that came too early, the server's believes its own and answers what follows with genuine RSTs")]


@scenario("backend-down-behind-proxy", also="reset")
def backend_reset(lab):
    def handler(sock):
        time.sleep(2.0)  # as long as a proxy tries to connect to its backend; the hello stays unread

    lab.serve(handler)
    with lab.tap():
        sock = lab.connect()
        time.sleep(0.4)
        try:
            lab.context(server=False, keylog=False).wrap_socket(sock, server_hostname="api.example.com")
        except OSError as error:
            lab.say(error)
        sock.close()
    return [T(["backend-down-behind-proxy", "server-reset-in-handshake"], "rst", "server", (None, None), "client_hello", ["undetermined", "server", "proxy"], note="two seconds after the connection came up, and with the hello unread, a RST: a proxy in TCP mode gives its backend a round time, counted from the connection")]


@scenario("protocol-version-mismatch", also="ssl3", needs=["nginx", "haproxy"])
def ssl3(lab):
    lab.nginx()
    with lab.tap():
        lab.haproxy("defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n  timeout check 1s\nbackend b\n  option ssl-hello-chk\n  server a 10.30.0.2:443 check inter 60s\nlisten x\n  bind :9998\n", where="c", ready=9998)
        time.sleep(1.5)
    return [T("protocol-version-mismatch", "fatal_alert", "server", (None, None), "client_hello", ["undetermined", "client", "none"], ["server", "proxy", "network"], note="haproxy's old ssl-hello-chk asks in SSL 3.0 only; OpenSSL 3 answers with alert 40, which is also its word for having no suite in common")]


@scenario("server-closed-without-close-notify", also="pause")
def pause(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"y" * 40))
        time.sleep(0.9)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        tls.sendall(request())
        lab.drain(tls)
        tls.close()
    return [T("server-closed-without-close-notify", "fin", "server", (False, False), "established", ["none", "undetermined"], note="a short answer, complete, and 0.9 s later the server's bare FIN: too soon for most timers, and too late for the middle of an answer")]


def probing(sock):
    """The kernel asks after a second of silence, twice, whether the other side is still there."""
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def long_poll(lab, seconds):
    """A server that has its second answer only after so long."""

    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"ok"))
        tls.recv(8192)
        time.sleep(seconds)
        tls.sendall(answer(b"here it is"))
        leave(tls)

    lab.serve(handler)


@scenario("path-black-hole", also="probes")
def probes(lab):
    long_poll(lab, 9)
    with lab.tap(tail=0.6):
        tls = lab.client(version="1.3")
        fetch(tls)
        probing(tls)
        time.sleep(0.2)
        lab.net.bridge.hook = lambda way, frame: [] if Tcp(frame).ok else None
        lab.drain(tls)
        tls.close()
    return [T(["path-black-hole", "middlebox-idle-timeout"], "stall", "client", (False, False), "established", ["undetermined", "network"], ["client", "server"], by_also=["nobody"], ending_also=["rst"], note="the path dies in a silence; the client's kernel sends two keep-alive probes, hears nothing and gives up with a RST: nobody reset a healthy connection")]


@scenario("path-black-hole", also="probes", near=True)
def probes_near(lab):
    long_poll(lab, 3.4)
    with lab.tap(tail=0.6):
        tls = lab.client(version="1.3")
        fetch(tls)
        probing(tls)
        tls.sendall(request("/poll"))
        lab.drain(tls)
        tls.close()
    return [T("clean-close", "close_notify", "server", (False, True), by_also=["client"], note="the same probes are answered, and then the request is", **CLEAN)]


@scenario("injected-reset", also="route-change", near=True)
def route_change(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n")
        for _ in range(16):
            tls.sendall(b"d" * 200)
            time.sleep(0.02)
        reset(tls)

    state = {"count": 0}

    def hook(way, frame):
        if way != "down" or not Tcp(frame).ok:
            return None
        state["count"] += 1
        if state["count"] <= 14:
            return None
        longer = bytearray(frame)
        longer[22] -= 3
        return [(0.0, net.fix_tcp(bytes(longer)))]

    lab.serve(handler)
    lab.net.bridge.hook = hook
    with lab.tap():
        tls = lab.client(version="1.3")
        tls.sendall(request("/feed"))
        lab.drain(tls)
        tls.close()
    return [T("server-reset", "rst", "server", (False, False), "established", "server", note="the server's packets take a longer way from the middle on (TTL 3 lower); when it resets, its RST has the TTL of its newest packets, and not that of most")]
