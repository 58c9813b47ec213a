"""Boxes and paths that lose or forge packets; sessions judged together with their siblings."""
import socket
import time

import net
from lab import T, answer, fetch, leave, request, reset, scenario, staggered

EST = dict(phase="established")
CLEAN = dict(phase="established", fault="none")


@scenario("parallel-attempt", ext="pcapng", needs=["nginx"])
def parallel(lab):
    lab.nginx(servers="server { listen 443 ssl; listen [::]:443 ssl; CERT }")

    def slow_six(way, frame):
        if frame[12:14] == b"\x86\xdd" and frame[20] == 6:
            return [(0.6, frame)]
        return None

    net.sh("ip", "netns", "exec", net.ns("c"), "ping", "-6", "-c1", "-W2", "fd00:30::2", check=False)
    lab.net.bridge.hook = slow_six
    with lab.tap(tail=2.0):
        lab.curl("https://six.example.com/small")
        lab.net.bridge.hook = None
        time.sleep(1.5)
        # What a browser does: two connections at once, one of them only in case
        spare = lab.client(version="1.3")
        time.sleep(0.05)
        used = lab.client(version="1.3")
        fetch(used, "/small")
        spare.close()
        time.sleep(0.1)
        leave(used)
    return [
        T("parallel-attempt", "no_connection", "client", (False, False), "connecting", ["none"], ending_also=["rst"], by_also=["nobody"], note="Happy Eyeballs: curl tries IPv6 first, gets no answer in 200 ms, tries IPv4 as well and drops the first when the second is up; the late SYN-ACK meets a RST"),
        T("clean-close", "close_notify", "client", (True, False), note="the IPv4 sibling that won", tested="clean-close", **CLEAN),
        T(["parallel-attempt", "probe"], "rst", "client", (False, False), note="a second connection opened in case and closed unused (its session tickets unread, hence the RST) while its sibling did the work", ending_also=["fin"], **CLEAN),
        T("clean-close", "close_notify", "client", (True, False), note="the sibling that did the work", tested="clean-close", **CLEAN),
    ]


@scenario("parallel-attempt", near=True, ext="pcapng", needs=["nginx"])
def parallel_near(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        path = tls.recv(4096).split()[1]
        if path == b"/one":
            tls.sendall(answer(b"w" * 3000, length=9000))
            time.sleep(0.2)
            reset(tls)
            return
        tls.sendall(answer(b"fine\n"))
        lab.wait(tls)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        one = lab.client(version="1.3")
        two = lab.client(version="1.3")
        one.sendall(request("/one"))
        fetch(two, "/two")
        lab.drain(one)
        leave(two)
        one.close()
    return [
        T("server-reset", "rst", "server", (False, False), fault=["server"], never=["client", "proxy", "network"], note="two connections at once, both in use; the server resets this one in the middle of an answer: not a spare that lost a race", **EST),
        T("clean-close", "close_notify", "client", (True, False), note="its sibling, served well", **CLEAN),
    ]


@scenario("path-mtu-black-hole", needs=["nginx"])
def pmtu(lab):
    lab.nginx()
    lab.net.forward("r2", "iifname m0 meta length > 1400 drop")
    with lab.tap(tail=0.5):
        tls = lab.client(version="1.3", timeout=5)
        fetch(tls, "/small")
        time.sleep(0.2)
        tls.sendall(b"POST /small HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 6000\r\n\r\n" + b"p" * 6000)
        tls.settimeout(14)
        lab.wait(tls)
    tls.close()
    return [T(["path-mtu-black-hole", "path-black-hole"], "stall", "nobody", (False, False), fault=["network", "undetermined"], never=["client", "server"], by_also=["client", "server", "proxy"], note="a router silently drops packets over 1400 bytes; handshake and small request pass, of an upload only the small last segment arrives (SACK), the full-size ones are sent again and again", **EST)]


@scenario("path-mtu-black-hole", near=True, needs=["nginx"])
def pmtu_near(lab):
    lab.nginx()
    with lab.tap(tail=0.5):
        tls = lab.client(version="1.3", timeout=5)
        tls.sendall(b"POST /small HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 6000\r\n\r\n" + b"p" * 6000)
        time.sleep(0.3)
        lab.net.bridge.hook = lambda way, frame: []
        tls.sendall(b"POST /small HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 6000\r\n\r\n" + b"p" * 6000)
        time.sleep(13)
    tls.close()
    return [T("path-black-hole", "stall", "nobody", (False, False), fault=["undetermined", "network"], never=["client", "server", "proxy"], by_also=["client", "server"], note="full-size segments got through a moment before; then nothing does, large or small: a dead path, not one that is too narrow", **EST)]


def long_hello(lab):
    """A ClientHello of two segments: a long list of ALPN names stands in for a post-quantum key share."""
    ctx = lab.context(server=False, version="1.3")
    ctx.set_alpn_protocols(["http/1.1"] + [f"application-protocol-{n:03d}" for n in range(52)])
    return ctx


def greet_at_length(lab, timeout):
    """A connection whose ClientHello of two segments may fail; its socket, still open."""
    sock = lab.connect(timeout=timeout)
    try:
        long_hello(lab).wrap_socket(sock, server_hostname="api.example.com")
    except OSError as error:
        lab.say(error)
    return sock


@scenario("large-client-hello-dropped", ext="pcapng", needs=["nginx"])
def large_hello(lab):
    lab.nginx()

    def eat_second(way, frame):
        t = net.Tcp(frame)
        if t.ok and way == "up" and t.len and t.payload[:1] != b"\x16" and t.len < 700:
            return []
        return None

    with lab.tap(tail=0.5):
        lab.curl("https://api.example.com/small")
        time.sleep(0.2)
        lab.net.bridge.hook = eat_second
        sock = greet_at_length(lab, timeout=12)
    sock.close()
    return [
        T("clean-close", "close_notify", "client", (True, False), note="a ClientHello of one segment to the same server first: fine", tested="clean-close", **CLEAN),
        T(["large-client-hello-dropped", "path-black-hole"], "stall", "client", (False, False), "client_hello", ["proxy", "network", "undetermined"], ["client", "server"], by_also=["nobody", "proxy"], ending_also=["fin", "rst"], note="a box cannot cope with a ClientHello of two segments: the first is acknowledged, the second, small one never gets through"),
    ]


@scenario("large-client-hello-dropped", near=True, ext="pcapng", needs=["nginx"])
def large_hello_near(lab):
    lab.nginx()
    lost = []

    def lose_once(way, frame):
        t = net.Tcp(frame)
        if t.ok and way == "up" and t.len and t.payload[:1] != b"\x16" and not lost:
            lost.append(1)
            return []
        return None

    with lab.tap():
        lab.net.bridge.hook = lose_once
        ctx = long_hello(lab)
        tls = lab.client(ctx=ctx)
        fetch(tls, "/small")
        leave(tls)
    return [T("clean-close", "close_notify", "client", (True, False), note="a ClientHello of two segments; the second is lost once, sent again, and the session goes on as usual", **CLEAN)]


@scenario("server-process-died", needs=["go"], patterns=[("ended-together", (0, 1, 2), ["server"])])
def died(lab):
    child = lab.goserve("-keys", lab.keys)
    got = []

    def stream(version):
        tls = lab.client(version=version)
        tls.sendall(request("/stream"))
        lab.drain(tls)
        got.append(tls)

    with lab.tap():
        threads = staggered(0.3, stream, [("1.3",), ("1.2",)])
        idle = lab.client(version="1.3")
        fetch(idle, "/")
        time.sleep(0.3)
        lab.net.kill(child)
        for thread in threads:
            thread.join()
        time.sleep(0.3)
        for tls in got + [idle]:
            tls.close()
        lab.curl("https://api.example.com/")
    fault = dict(fault=["server"], never=["client", "proxy", "network"], phase="established")
    return [
        T(["server-process-died", "server-closed-without-close-notify", "server-reset"], "fin", "server", (False, False), ending_also=["rst"], note="TLS 1.3, in the middle of a download: the Go server is killed (kill -9), its kernel sends a bare FIN", **fault),
        T(["server-process-died", "server-closed-without-close-notify", "server-reset"], "fin", "server", (False, False), ending_also=["rst"], note="TLS 1.2, another download, the same moment", **fault),
        T(["server-process-died", "server-closed-without-close-notify"], "fin", "server", (False, False), "established", ["server", "none"], ["client", "proxy", "network"], note="an idle connection, the same moment"),
        T(["connection-refused", "server-process-died"], "no_connection", "server", (False, False), "connecting", ["server", "undetermined"], ["client", "network"], tested="connection-refused", by_also=["proxy"], note="a new connection right after: refused, nobody listens any more"),
    ]


@scenario("server-process-died", near=True, needs=["nginx"])
def died_near(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        path = tls.recv(4096).split()[1]
        if path == b"/crash":
            tls.sendall(answer(b"w" * 3000, length=9000))
            time.sleep(0.1)
            tls.close()
            return
        tls.sendall(answer(b"fine\n"))
        lab.wait(tls)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        other = lab.client(version="1.3")
        tls = lab.client(version="1.3")
        tls.sendall(request("/crash"))
        while tls.recv(65536):
            pass
        tls.close()
        time.sleep(0.1)
        for sock in (other, lab.client(version="1.3")):
            fetch(sock, "/fine")
            leave(sock)
    return [
        T("clean-close", "close_notify", "client", (True, False), note="open all the while and served after the trouble", **CLEAN),
        T("server-closed-without-close-notify", "fin", "server", (False, False), fault=["server"], never=["client", "proxy", "network"], note="one handler fails in the middle of its answer; the server's other sessions and new connections are fine: the process lives", **EST),
        T("clean-close", "close_notify", "client", (True, False), note="a new connection right after, fine", **CLEAN),
    ]


@scenario("injected-reset", ext="pcapng", needs=["nginx"])
def injected(lab):
    lab.nginx()
    state = {}

    def inject(way, frame):
        t = net.Tcp(frame)
        if not t.ok or t.dport != 443 and t.sport != 443:
            return None
        if way == "down":
            state["down"] = frame
            if state.get("fired") == "hold":
                return [(0.09, frame)]
        elif t.len and t.payload[:1] == b"\x17" and state.get("armed") and not state.get("fired"):
            state["fired"] = True
            # active-looking (RST with ACK and a window) in the server's name, but without the flow's timestamps and with another TTL
            lab.net.bridge.send("down", net.forge(state["down"], 0x14, t.ack, t.seq + t.len, ttl=113, ident=0x3039, window=229))
        return None

    def lost(way, frame):
        t = net.Tcp(frame)
        if t.ok and way == "up" and t.len and t.payload[:1] == b"\x17" and not state.get("late"):
            state["late"] = True
            # the same box, too late: its sequence number is one the client has long passed
            lab.net.bridge.send("down", net.forge(state["down"], 0x04, t.ack - 900, 0, ttl=113, ident=0x3040, window=229), after=0.002)
        return inject(way, frame) if way == "down" else None

    with lab.tap(tail=0.8):
        lab.net.bridge.hook = inject
        for version in ("1.3", "1.2"):
            state.clear()
            tls = lab.client(version=version)
            fetch(tls, "/small")
            time.sleep(0.2)
            state["armed"] = True
            tls.sendall(request("/medium"))
            lab.wait(tls)
            time.sleep(0.2)
            tls.close()
        state.clear()
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        lab.net.bridge.hook = lost
        time.sleep(0.1)
        fetch(tls, "/small")
        leave(tls, 0.2)
    fault = dict(fault=["proxy"], never=["client", "server", "network"])
    return [
        T("injected-reset", "rst", "proxy", (False, False), by_also=["server"], note=f"TLS {v}: a box between the routers sees the second request and sends the client a RST in the server's name (TTL 113, the server's packets have 62; no timestamps; answered before a round trip could be over); the server's answer comes after it", **fault, **EST)
        for v in ("1.3", "1.2")
    ] + [T("clean-close", "close_notify", "client", (True, False), note="the box's RST misses the window, the client's kernel ignores it and both go on: no end at all", tested="clean-close", **CLEAN)]


@scenario("injected-reset", near=True, ext="pcapng")
def injected_near(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"x" * 5000, length=20000))
        time.sleep(0.2)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls.sendall(request("/report"))
        tls.recv(65536)
        time.sleep(0.3)
        try:
            for _ in range(3):
                tls.sendall(request("/more"))
        except OSError as error:
            lab.say(error)
        time.sleep(0.3)
        tls.close()
    return [T("server-closed-without-close-notify", "fin", "server", (False, False), fault=["server"], never=["client", "proxy", "network"], note="three RSTs without timestamps, window 0, IP ID 0: forged? No: the server had closed (its FIN is there), they are its kernel's answers to three late requests, TTL and sequence fit", **EST)]
