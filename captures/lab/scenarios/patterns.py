"""What only several sessions show together, and what only looks like it."""
import itertools
import socket
import time

import net
from lab import T, answer, fetch, leave, request, scenario, staggered
from scenarios.boxes import greet_at_length
from scenarios.timers import CLEAN, EST, ask_again, forget

HANDSHAKE = dict(phase="client_hello")


@scenario("middlebox-idle-timeout", also="three-times", ext="pcapng", needs=["nginx"], patterns=[("lost-after-silence", (0, 1, 2), ["proxy"])])
def three_times(lab):
    lab.nginx()
    forget(lab, "r2")
    ask_again(lab)
    return [
        T("middlebox-idle-timeout", "rst", "proxy", (False, False), fault=["proxy"], never=["client", "server", "network"], by_also=["nobody", "server", "client"], note=f"a firewall on the router next to the server forgets idle connections after 3 s; its RST comes over one hop fewer than the server's packets, which alone says nothing. Session {n} of three with the same silence: that does", **EST)
        for n in (1, 2, 3)
    ]


@scenario("middlebox-idle-timeout", also="restarts", ext="pcapng", needs=["nginx"])
def restarts(lab):
    socks = []
    with lab.tap(tail=1.0):
        for silence in (2.4, 3.4, 4.6):
            child = lab.nginx()
            tls = lab.client(version="1.3")
            lab.ask(tls)
            time.sleep(silence - 1)
            # The host loses its power: nothing of its end gets out
            lab.net.nft("s", "table inet dead { chain o { type filter hook output priority 0;\n drop\n }\n}\n")
            lab.net.kill(child)
            time.sleep(0.4)
            net.sh("ip", "netns", "exec", net.ns("s"), "ss", "-K", "sport", "=", ":443", check=False)
            time.sleep(0.1)
            net.sh("ip", "netns", "exec", net.ns("s"), "nft", "flush", "ruleset")
            time.sleep(0.5)
            lab.ask(tls)
            socks.append(tls)
            time.sleep(0.3)
    for sock in socks:
        sock.close()
    return [
        T(["middlebox-idle-timeout", "injected-reset", "unexplained"], "rst", "server", (False, False), fault=["undetermined", "server"], never=["client", "proxy", "network"], by_also=["nobody", "client"], note=f"the server's host loses its power in a silence and comes back without the connection: its kernel answers the next request with a RST. {what} silence: the second and third after others, so no timer", **EST)
        for what in ("A first", "A second, longer", "A third, longer")
    ]


@scenario("middlebox-idle-timeout", also="silent-three-times", needs=["nginx"], patterns=[("lost-after-silence", (0, 1, 2), ["proxy"])])
def silent_three_times(lab):
    lab.nginx()
    forget(lab, "r1", "drop")
    socks = []
    with lab.tap(tail=0.2):
        for _ in range(3):
            tls = lab.client(version="1.3")
            lab.ask(tls)
            time.sleep(5)
            tls.sendall(request("/small"))
            socks.append(tls)
            time.sleep(0.5)
        time.sleep(9)
    for sock in socks:
        sock.close()
    return [
        T(["middlebox-idle-timeout", "path-black-hole"], "stall", "nobody", (False, False), fault=["proxy"], never=["client", "server"], by_also=["client", "proxy"], tested="middlebox-idle-timeout", note=f"a firewall forgot the connection after 3 s of silence and drops what it does not know; session {n} of three that found no answer after the same silence", **EST)
        for n in (1, 2, 3)
    ]


@scenario("server-idle-timeout", also="three-times", needs=["nginx"], patterns=[("closed-after-silence", (0, 1, 2), ["none"])])
def closed_three_times(lab):
    lab.nginx(extra="keepalive_timeout 2s;")

    def one():
        tls = lab.client(version="1.3")
        lab.ask(tls)
        lab.wait(tls)
        time.sleep(0.05)
        tls.close()

    with lab.tap():
        for thread in staggered(0.5, one, [()] * 3):
            thread.join()
    return [T(["server-idle-timeout", "clean-close"], "close_notify", "server", (False, True), tested="server-idle-timeout", note="nginx, keepalive_timeout 2 s: close_notify and FIN after the same silence each time", **CLEAN) for _ in range(3)]


@scenario("server-idle-timeout", also="three-silences", needs=[])
def three_silences(lab):
    waits = iter((2.2, 3.1, 4.3))

    def handler(sock):
        wait = next(waits)
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"an answer\n"))
        time.sleep(wait)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        for _ in range(3):
            tls = lab.client(version="1.3")
            lab.ask(tls)
            lab.wait(tls)
            tls.close()
            time.sleep(0.1)
    return [T("server-idle-timeout", "fin", "server", (False, False), note="a server that closes idle connections bare, each after another silence: no timer repeats", **CLEAN) for _ in range(3)]


@scenario("server-process-died", also="restarted", needs=["go"], patterns=[("ended-together", (0, 1, 2), ["server"])])
def restarted(lab):
    child = lab.goserve("-keys", lab.keys)

    def stream():
        tls = lab.client(version="1.3")
        try:
            tls.sendall(request("/stream"))
            while tls.recv(65536):
                pass
        except OSError as error:
            lab.say(error)
        got.append(tls)

    got = []
    with lab.tap():
        threads = staggered(0.2, stream, [()] * 3)
        time.sleep(0.4)
        lab.net.kill(child)
        for thread in threads:
            thread.join()
        time.sleep(0.3)
        for tls in got:
            tls.close()
        lab.curl("https://api.example.com/")
        lab.goserve("-keys", lab.keys)
        tls = lab.client(version="1.3")
        lab.ask(tls, "/")
        leave(tls)
    died = dict(fault=["server"], never=["client", "proxy", "network"], phase="established")
    return [
        T(["server-process-died", "server-closed-without-close-notify", "server-reset"], "fin", "server", (False, False), ending_also=["rst"], tested="server-process-died", note=f"download {n} of three: the Go server is killed, its kernel sends bare FINs", **died)
        for n in (1, 2, 3)
    ] + [
        T(["connection-refused", "server-process-died"], "no_connection", "server", (False, False), "connecting", ["server", "undetermined"], ["client", "network"], tested="connection-refused", by_also=["proxy"], note="a new connection is refused: nobody listens"),
        T("clean-close", "close_notify", "client", (True, True), tested="clean-close", note="the server is back: served", **CLEAN),
    ]


@scenario("server-process-died", also="stopped", near=True, needs=["nginx"])
def stopped(lab):
    lab.nginx()
    with lab.tap():
        socks = []
        for _ in range(3):
            tls = lab.client(version="1.3")
            lab.ask(tls)
            socks.append(tls)
            time.sleep(0.1)
        net.sh("ip", "netns", "exec", net.ns("s"), "nginx", "-c", f"{lab.net.scratch}/nginx.conf", "-s", "quit")
        time.sleep(0.4)
        for tls in socks:
            tls.close()
        lab.curl("https://api.example.com/small")
    return [T("clean-close", "close_notify", "server", (False, True), note="nginx is told to quit: it says close_notify on its idle connections and closes them", **CLEAN) for _ in range(3)] + [
        T("connection-refused", "no_connection", "server", (False, False), "connecting", ["server", "undetermined"], ["client", "network"], by_also=["proxy"], note="and refuses new ones: stopped, and nothing broke"),
    ]


def both_sizes(lab, times):
    """A ClientHello of one segment and one of two, by turns."""
    for _ in range(times):
        lab.curl("https://api.example.com/small", "--tlsv1.3")
        greet_at_length(lab, timeout=8).close()
        time.sleep(0.1)


@scenario("large-client-hello-dropped", also="reset", ext="pcapng", needs=["nginx"], patterns=[("large-hellos", (1, 3, 5), ["undetermined", "proxy"])])
def large_reset(lab):
    lab.nginx()
    # A filter that reads a hello in one packet only, and resets what else comes where it expects one
    lab.net.forward("r2", "iifname m0 tcp dport 443 meta length > 60 @th,256,8 != { 0x14, 0x15, 0x16, 0x17 } reject with tcp reset")
    with lab.tap(tail=0.5):
        both_sizes(lab, 3)
    return [
        truth
        for _ in range(3)
        for truth in (
            T("clean-close", "close_notify", "client", (True, False), tested="clean-close", note="a ClientHello of one segment: fine", **CLEAN),
            T("large-client-hello-dropped", "rst", "proxy", (False, False), "client_hello", ["proxy"], ["client", "server", "network"], by_also=["server", "nobody"], tested="large-client-hello-dropped", note="one of two segments: a filter on the far router lets the first pass and answers the second with a RST in the server's name (reply-type, one hop nearer)"),
        )
    ]


@scenario("large-client-hello-dropped", also="all-reset", near=True, ext="pcapng", needs=["nginx"])
def all_reset(lab):
    lab.nginx()
    lab.net.forward("r2", "iifname m0 tcp dport 443 meta length > 60 @th,256,8 == 0x16 reject with tcp reset")
    with lab.tap(tail=0.5):
        both_sizes(lab, 2)
    return [
        T(["injected-reset", "server-reset-in-handshake"], "rst", "proxy", (False, False), "client_hello", ["proxy", "undetermined"], ["client", "server", "network"], by_also=["server", "nobody"], note=f"a filter resets every ClientHello: this one of {size}; its size is not what matters")
        for _ in range(2)
        for size in ("one segment", "two segments")
    ]


def picky(lab, refuses):
    """A server that closes on hellos that refuses(first bytes) and serves the others."""

    def handler(sock):
        hello = sock.recv(4096, socket.MSG_PEEK)
        if refuses(hello):
            sock.recv(4096)
            sock.close()
            return
        tls = lab.context().wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"fine\n"))
        lab.wait(tls)
        tls.close()

    return handler


@scenario("server-closed-in-handshake", also="one-version", ext="pcapng", patterns=[("one-version", (0, 2, 4), ["undetermined"])])
def one_version(lab):
    # supported_versions with TLS 1.3 in it: an old front end that cannot stand it
    lab.serve(picky(lab, lambda hello: b"\x00\x2b\x00\x03\x02\x03\x04" in hello or b"\x00\x2b\x00\x05\x04\x03\x04" in hello))
    with lab.tap():
        for version in ("1.3", "1.2") * 3:
            try:
                tls = lab.client(version=version)
            except OSError as error:
                lab.say(error)
                continue
            lab.ask(tls)
            leave(tls)
            time.sleep(0.05)
    return [
        truth
        for _ in range(3)
        for truth in (
            T("server-closed-in-handshake", "fin", "server", (False, False), fault=["server", "undetermined"], never=["client", "network"], tested="server-closed-in-handshake", note="a front end that cannot stand TLS 1.3 closes on a ClientHello that offers it", **HANDSHAKE),
            T("clean-close", "close_notify", "client", (True, False), tested="clean-close", note="one that offers TLS 1.2 only is served", **CLEAN),
        )
    ]


@scenario("server-closed-in-handshake", also="one-address", ext="pcapng", patterns=[("one-address", (0, 2, 4), ["undetermined"])])
def one_address(lab):
    lab.serve(picky(lab, lambda hello: True), address="10.30.0.12")
    lab.serve(picky(lab, lambda hello: False), address="10.30.0.13")
    with lab.tap():
        for address in ("10.30.0.12", "10.30.0.13") * 3:
            try:
                tls = lab.client(version="1.3", address=address)
            except OSError as error:
                lab.say(error)
                continue
            lab.ask(tls)
            leave(tls)
            time.sleep(0.05)
    return [
        truth
        for _ in range(3)
        for truth in (
            T("server-closed-in-handshake", "fin", "server", (False, False), fault=["server", "undetermined"], never=["client", "network"], tested="server-closed-in-handshake", note="one of the two addresses of api.example.com closes on every ClientHello", **HANDSHAKE),
            T("clean-close", "close_notify", "client", (True, False), tested="clean-close", note="the other one serves", **CLEAN),
        )
    ]


def two_machines(lab, refuses):
    """Two machines behind one address: the far router hands every second connection to one of its own, a hop nearer to the client. Says whether each attempt succeeded."""
    for where, refused in (("s", refuses[0]), ("r2", refuses[1])):
        lab.serve(picky(lab, lambda hello, refused=refused: next(refused)), where=where)
    lab.net.nft("r2", "table ip lab { chain p { type nat hook prerouting priority -100;\n iifname m0 tcp dport 443 numgen inc mod 2 == 1 redirect to :443\n }\n}\n")
    for _ in range(8):
        try:
            tls = lab.client(version="1.3")
        except OSError as error:
            lab.say(error)
            continue
        lab.ask(tls)
        leave(tls)
        time.sleep(0.05)


@scenario("server-closed-in-handshake", also="one-distance", ext="pcapng", patterns=[("one-distance", (1, 3, 5, 7), ["undetermined"])])
def one_distance(lab):
    with lab.tap():
        two_machines(lab, (itertools.repeat(False), itertools.repeat(True)))
    return [
        truth
        for _ in range(4)
        for truth in (
            T("clean-close", "close_notify", "client", (True, False), tested="clean-close", note="one of two machines behind the address, two hops away (TTL 62): served", **CLEAN),
            T("server-closed-in-handshake", "fin", "server", (False, False), fault=["server", "undetermined"], never=["client", "network"], tested="server-closed-in-handshake", note="the other one, a hop nearer (TTL 63), closes on every ClientHello", **HANDSHAKE),
        )
    ]


@scenario("server-closed-in-handshake", also="any-distance", ext="pcapng")
def any_distance(lab):
    with lab.tap():
        two_machines(lab, (itertools.cycle((False, True)), itertools.cycle((True, False))))
    good = T("clean-close", "close_notify", "client", (True, False), tested="clean-close", note="one of two machines behind the address serves this one", **CLEAN)
    bad = T("server-closed-in-handshake", "fin", "server", (False, False), fault=["server", "undetermined"], never=["client", "network"], tested="server-closed-in-handshake", note="closed after the ClientHello: both machines do that now and then, and their distances say nothing", **HANDSHAKE)
    return [dict(truth) for truth in (good, bad, bad, good) * 2]


@scenario("injected-reset", also="reload", ext="pcapng", patterns=[("ended-together", (0, 1, 2), ["undetermined", "proxy"])])
def reload(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        while tls.recv(4096):
            tls.sendall(answer(b"an answer\n"))

    def stream(address):
        tls = lab.client(version="1.3", address=address)
        got.append(tls)
        try:
            while True:
                fetch(tls, "/small")
                time.sleep(0.03)
        except (OSError, IndexError) as error:
            lab.say(error)

    got = []
    addresses = ("10.30.0.11", "10.30.0.12", "10.30.0.13")
    for address in addresses:
        lab.serve(handler, address=address)
    with lab.tap(tail=0.5):
        threads = staggered(0.2, stream, [(address,) for address in addresses])
        time.sleep(0.6)
        lab.net.nft("r1", "table ip lab { chain f { type filter hook forward priority 0;\n tcp flags & (syn|rst) == 0 reject with tcp reset\n }\n}\n")
        for thread in threads:
            thread.join(20)
    for tls in got:
        tls.close()
    return [
        T(["injected-reset", "server-reset"], "rst", "proxy", (False, False), fault=["proxy", "undetermined"], never=["client", "server", "network"], by_also=["server", "nobody"], tested="injected-reset", note=f"a firewall on the near router is reloaded and rejects what it no longer knows: connection {n} of three to three servers, reset in the same moment", **EST)
        for n in (1, 2, 3)
    ]
