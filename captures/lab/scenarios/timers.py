"""Idle timers, races with them, waiting, and windows that close."""
import socket
import threading
import time

import net
from lab import T, answer, fetch, leave, read_answer, request, reset, scenario, staggered

EST = dict(phase="established")
CLEAN = dict(phase="established", fault="none")
NODE_SERVER = (
    "const f=require('fs'),p=process.env.PKI;const s=require('https').createServer({key:f.readFileSync(p+'/server.key'),cert:f.readFileSync(p+'/server.crt')},"
    "(q,r)=>r.end('hello from node'));if(process.argv[2])s.keepAliveTimeout=+process.argv[2];s.listen(+(process.argv[3]||443))"
)


def race(lab, port, version):
    """A keep-alive connection whose next request sets out when the server's close is on its way."""
    crossing = threading.Event()
    armed = []

    def hook(way, frame):
        t = net.Tcp(frame)
        if armed and t.ok and way == "down" and t.sport == port:
            crossing.set()
            return [(0.15, frame)]  # a slow moment on the way to the client, in order
        return None

    tls = lab.client(version=version, port=port)
    fetch(tls, "/small")
    time.sleep(0.3)
    armed.append(True)
    lab.net.bridge.hook = hook
    crossing.wait(20)
    tls.sendall(request("/small"))
    lab.wait(tls)
    time.sleep(0.5)
    lab.net.bridge.hook = None
    tls.close()


@scenario("keepalive-race", ext="pcapng", needs=["nginx", "node"])
def keepalive_race(lab):
    lab.nginx(extra="keepalive_timeout 2s;")
    lab.node(NODE_SERVER, "1000", "8443", where="s", background=True, ready=8443)
    with lab.tap():
        race(lab, 443, "1.3")
        time.sleep(0.2)
        race(lab, 8443, "1.2")
    return [
        T(["keepalive-race", "server-idle-timeout"], "close_notify", "server", (False, True), note="nginx closes the idle connection after 2 s (close_notify, FIN); the client's next request is already under way and meets a RST", **CLEAN),
        T(["keepalive-race", "server-idle-timeout"], "fin", "server", (False, False), note="the same with Node 20 and TLS 1.2: the close is a bare FIN", ending_also=["close_notify"], **CLEAN),
    ]


@scenario("keepalive-race", near=True, ext="pcapng")
def keepalive_race_near(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"first\n"))
        tls.recv(4096)
        time.sleep(0.25)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        fetch(tls, "/first")
        time.sleep(2)
        tls.sendall(request("/second"))
        lab.wait(tls)
        time.sleep(0.2)
        tls.close()
    return [T("server-closed-without-close-notify", "fin", "server", (False, False), fault=["server"], never=["client", "proxy", "network"], note="after 2 s of silence the server gets the second request, reads it (its FIN acknowledges it) and closes without an answer: no race, it knew", **EST)]


@scenario("server-idle-timeout", needs=["node", "nginx"])
def idle(lab):
    lab.node(NODE_SERVER, where="s", background=True, ready=443)
    lab.nginx(servers="server { listen 8443 ssl; CERT keepalive_timeout 3s; }", ready=8443)

    def one(port, version):
        tls = lab.client(version=version, port=port)
        fetch(tls, "/small")
        lab.wait(tls)
        time.sleep(0.05)
        tls.close()

    with lab.tap():
        for thread in staggered(0.4, one, [(443, "1.3"), (443, "1.2"), (8443, "1.3")]):
            thread.join()
    return [
        T(["server-idle-timeout"], "fin", "server", (False, False), note="Node 20, TLS 1.3: 6.0 s after its answer (keepAliveTimeout 5 s and its buffer of 1 s) a bare FIN on the idle connection", **CLEAN),
        T(["server-idle-timeout"], "fin", "server", (False, False), note="the same over TLS 1.2", **CLEAN),
        T(["server-idle-timeout", "clean-close"], "close_notify", "server", (False, True), note="nginx, keepalive_timeout 3 s: close_notify and FIN on the idle connection", **CLEAN),
    ]


@scenario("server-idle-timeout", near=True)
def idle_near(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"first\n"))
        tls.recv(4096)
        time.sleep(5)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.2")
        fetch(tls, "/first")
        time.sleep(0.5)
        tls.sendall(request("/second"))
        lab.wait(tls)
        time.sleep(0.2)
        tls.close()
    return [T("server-closed-without-close-notify", "fin", "server", (False, False), fault=["server"], never=["client", "proxy", "network"], note="5.0 s of silence and a bare FIN, but a request was waiting for its answer: not an idle connection", **EST)]


def forget(lab, router="r1", treats="reject with tcp reset"):
    """A stateful firewall on the router that forgets established connections after 3 s, and treats so what it does not know."""
    lab.net.nft(
        router,
        f"table ip lab {{ chain f {{ type filter hook forward priority 0;\n ct state established accept\n tcp flags & (syn|ack) == syn accept\n meta l4proto tcp {treats}\n }}\n}}\n",
    )
    for key, value in (("tcp_timeout_established", 3), ("tcp_loose", 0)):
        net.sh("ip", "netns", "exec", net.ns(router), "sysctl", "-qw", f"net.netfilter.nf_conntrack_{key}={value}")


def ask_again(lab):
    """Three sessions, each with a request, silence and another request."""
    socks = []
    with lab.tap(tail=1.0):
        for version in ("1.3", "1.2", "1.3"):
            tls = lab.client(version=version)
            lab.ask(tls)
            time.sleep(5.0)
            lab.ask(tls)
            socks.append(tls)
            time.sleep(0.2)
    for sock in socks:
        sock.close()


@scenario("middlebox-idle-timeout", ext="pcapng", needs=["nginx"], patterns=[("lost-after-silence", (0, 1, 2), ["proxy"])])
def box_idle(lab):
    lab.nginx()
    forget(lab)
    ask_again(lab)
    return [
        T("middlebox-idle-timeout", "rst", "proxy", (False, False), fault=["proxy", "undetermined"], never=["client", "server", "network"], by_also=["nobody", "server"], note=f"a firewall on the first router forgets idle connections after 3 s; the request sent after 5 s meets its RST (reply-type, TTL 64, the server's packets have 62); session {n} of three with the same gap", **EST)
        for n in (1, 2, 3)
    ]


@scenario("middlebox-idle-timeout", near=True, ext="pcapng", needs=["node"])
def box_idle_near(lab):
    lab.node(NODE_SERVER, "1000", where="s", background=True, ready=443)
    with lab.tap():
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        time.sleep(4)
        tls.sendall(request("/small"))
        lab.wait(tls)
        time.sleep(0.3)
        tls.close()
    return [T(["server-idle-timeout", "keepalive-race"], "fin", "server", (False, False), note="silence, then a request that meets a reply-type RST; but the server's own FIN (Node's timer) is there before it, with the right TTL", **CLEAN)]


@scenario("client-gave-up-waiting")
def gave_up(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        for body in (b"one\n", b"two\n"):
            tls.recv(4096)
            tls.sendall(answer(body))
        tls.recv(4096)
        time.sleep(30)

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        for path in ("/one", "/two"):
            fetch(tls, path)
            time.sleep(0.1)
        tls.sendall(request("/three"))
        tls.settimeout(5)
        lab.wait(tls)
        tls.close()
    return [T(["client-gave-up-waiting", "server-unresponsive"], "fin", "client", (False, False), fault=["server"], never=["client", "proxy", "network"], by_also=["server"], ending_also=["stall"], note="two requests answered at once, the third acknowledged by the server's kernel and never answered; the client's read timeout of 5 s ends it", **EST)]


@scenario("client-gave-up-waiting", near=True)
def gave_up_near(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        while tls.recv(4096):
            pass

    lab.serve(handler, port=6514)
    with lab.tap():
        tls = lab.client(version="1.3", port=6514)
        for n in range(4):
            tls.sendall(f"93 <14>1 2026-11-21T10:00:0{n}Z host app - - - line {n}\n".encode())
            time.sleep(0.3)
        time.sleep(5)
        leave(tls)
    return [T("clean-close", "close_notify", "client", (True, False), note="a syslog sender: four lines, never an answer, because syslog has none; 5 s later it closes politely", **CLEAN)]


@scenario("zero-window-stall")
def zero_window(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(1000)
        time.sleep(40)  # alive, but it reads no more

    listening = lab.serve(handler)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    with lab.tap(tail=0.2):
        tls = lab.client(version="1.2", timeout=9)
        try:
            tls.sendall(b"PUT /upload HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3000000\r\n\r\n")
            while True:
                tls.sendall(b"u" * 4000)
        except OSError as error:
            lab.say(error)
        reset(tls)
    return [T("zero-window-stall", "rst", "client", (False, False), fault=["server"], never=["client", "proxy", "network"], ending_also=["stall"], by_also=["server", "nobody"], note="the server stops reading an upload; its window goes to zero and every probe is answered with zero again; after 9 s of that the client gives up with a RST", **EST)]


@scenario("zero-window-stall", near=True)
def zero_window_near(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(1000)
        time.sleep(2.5)
        got = 0
        while got < 40000:
            got += len(tls.recv(65536))
        tls.sendall(answer(b"got it\n"))
        try:
            tls.recv(10)
        except OSError:
            pass
        tls.close()

    listening = lab.serve(handler)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    with lab.tap():
        tls = lab.client(version="1.2")
        tls.sendall(b"PUT /upload HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 40000\r\n\r\n")
        for _ in range(10):
            tls.sendall(b"u" * 4000)
        read_answer(tls)
        leave(tls)
    return [T("clean-close", "close_notify", "client", (True, False), note="the server's window is zero for 2.5 s, then it reads on, answers, and the client closes politely: slow, not stuck", **CLEAN)]
