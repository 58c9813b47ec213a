"""Endings met less often: several rules have something to say, and one of them would be wrong."""
import os
import subprocess
import time

import net
from lab import ALL, SCRATCH, T, answer, fetch, half_close, leave, request, reset, scenario
from scenarios.clean import bio_server
from scenarios.proxies import PROXY, squid

EST = dict(phase="established")
CLEAN = dict(phase="established", fault="none")


def paced(lab, version, total):
    """A server that sends its answer in small pieces."""

    def handler(sock):
        tls = lab.context(version=version).wrap_socket(sock, server_side=True)
        tls.recv(8192)
        raw = answer(b"s" * total)
        for at in range(0, len(raw), 1500):
            tls.sendall(raw[at : at + 1500])
            time.sleep(0.04)

    lab.serve(handler)


@scenario("keepalive-race", also="upload", near=True, ext="pcapng")
def early_answer(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(16000)
        tls.sendall(answer(b"no\n", more="Connection: close\r\n"))
        half_close(tls)
        tls.close()

    lab.serve(handler)
    lab.net.bridge.delay = 0.04  # far enough for the client to send on before it hears
    with lab.tap():
        tls = lab.client(version="1.3")
        try:
            tls.sendall(b"PUT /upload HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 900000\r\n\r\n")
            for _ in range(3):
                tls.sendall(b"u" * 2500)
                time.sleep(0.015)
        except OSError as error:
            lab.say(error)
        lab.drain(tls)
        tls.close()
    return [T(["clean-close", "server-reset"], "close_notify", "server", (False, True), "established", ["none", "server", "undetermined"], ["client", "proxy", "network"], ending_also=["rst"], note="the server answers an upload early, says close_notify and closes while the rest is still coming: RSTs, but no idle connection and no race")]


@scenario("client-truncated-record", also="refused", needs=["nginx"])
def refused_upload(lab):
    lab.nginx(extra="client_max_body_size 1k;")
    net.sh("ip", "netns", "exec", net.ns("c"), "sysctl", "-qw", "net.ipv4.tcp_wmem=4096 16384 24000")
    with open(f"{SCRATCH}/upload", "wb") as out:
        out.write(b"u" * 300000)
    with lab.tap(tail=1.0):
        lab.curl("https://api.example.com/upload", "--http1.1", "--data-binary", f"@{SCRATCH}/upload", "-H", "Expect:")
    net.sh("ip", "netns", "exec", net.ns("c"), "sysctl", "-qw", "net.ipv4.tcp_wmem=4096 16384 4194304")
    return [T(["client-truncated-record", "clean-close", "client-aborted-transfer"], "fin", "client", (False, False), "established", ["undetermined", "none"], ["client", "proxy", "network"], by_also=["server"], ending_also=["rst", "close_notify"], note="nginx refuses the upload with 413 while it is coming; curl stops in the middle of a record, as it should: nothing crashed at the client")]


@scenario("server-not-tls", also="proxy-header", needs=["nginx"])
def proxy_header(lab):
    lab.nginx()
    with lab.tap():
        sock = lab.connect()
        sock.sendall(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 192, 0, 2, 8, 0xD9, 3, 1, 187]))
        time.sleep(0.005)
        try:
            lab.context(server=False, version="1.3", keylog=False).wrap_socket(sock, server_hostname="api.example.com")
        except OSError as error:
            lab.say(error)
        sock.close()
    return [T("server-not-tls", "fin", "server", (False, False), "client_hello", ["undetermined", "client", "proxy"], ["server", "network"], by_also=["client"], ending_also=["rst", "fatal_alert"], phase_also=["tunneling", "connecting"], note="a PROXY header (version 2) before the ClientHello, to an nginx that does not expect one: HTTP 400 in clear, and a close")]


@scenario("client-gave-up-waiting", also="first-request", needs=["go", "java"])
def first_request(lab):
    def handler(sock):
        tls = lab.context().wrap_socket(sock, server_side=True)
        tls.recv(4096)
        time.sleep(30)

    lab.serve(handler)
    with lab.tap(tail=0.6):
        lab.goget("https://api.example.com/slow", "-timeout", "3s")
        time.sleep(0.2)
        lab.java("url", "https://api.example.com/slow", "TLSv1.2", 2000)
    fault = dict(fault=["server"], never=["client", "proxy", "network"], by_also=["server"], ending_also=["fin", "stall"])
    return [
        T("client-gave-up-waiting", "close_notify", "client", (True, False), note="Go, a limit of 3 s on the whole exchange: the first request is acknowledged and never answered; the client takes leave with close_notify", **fault, **EST),
        T("client-gave-up-waiting", "close_notify", "client", (True, False), note="Java, a read timeout of 2 s, TLS 1.2: the same", **fault, **EST),
    ]


@scenario("client-gave-up-waiting", also="one-way", near=True)
def one_way_sender(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        while tls.recv(4096):
            pass

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.3")
        for n in range(4):
            tls.sendall(f"<14>1 2026-11-21T10:00:0{n}Z host app - - - line {n}\n".encode())
            time.sleep(0.3)
        time.sleep(4.7)
        leave(tls)
    return [T("clean-close", "close_notify", "client", (True, False), note="a sender of log lines that uses port 443 to get through firewalls: never an answer, and a polite close 5 s after the last line", **CLEAN)]


@scenario("client-gave-up-waiting", also="upload", near=True)
def interrupted_upload(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        lab.drain(tls)
        tls.close()

    lab.serve(handler)
    with open(f"{SCRATCH}/upload", "wb") as out:
        out.write(b"u" * 300000)
    with lab.tap(tail=0.6):
        lab.net.run("c", "timeout", "-s", "INT", "2.05", "curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca, "--limit-rate", "10k", "-T", f"{SCRATCH}/upload", "https://api.example.com/upload", env={"SSLKEYLOGFILE": lab.keys})
    return [T(["client-aborted-transfer", "client-truncated-record", "client-reset", "client-closed-without-close-notify", "clean-close"], "fin", "client", (False, False), "established", ["client", "none", "undetermined"], ["server", "proxy", "network"], ending_also=["rst", "close_notify"], note="curl is interrupted two seconds into an upload at 10 kB a second: nobody was waiting for an answer")]


@scenario("client-gave-up-waiting", also="half-answer")
def half_answer(lab):
    def handler(sock):
        def hang(*_):
            time.sleep(20)

        bio_server(lab, Held(sock, hang), "1.3", cut=(3000, 2000, "fin"))

    lab.serve(handler)
    with lab.tap(tail=0.5):
        lab.curl("https://api.example.com/report", "--max-time", "5")
    return [T(["client-gave-up-waiting", "path-black-hole", "server-unresponsive"], "close_notify", "client", (True, False), "established", ["undetermined", "server"], ["client", "proxy", "network"], by_also=["server"], ending_also=["stall", "fin", "rst"], note="the server hangs in the middle of a record of its answer; curl gives up after 5 s with close_notify: polite, and yet nothing like a clean end")]


class Held:
    """A socket whose close is held back: what a process that hangs looks like."""

    def __init__(self, sock, hang):
        self.sock, self.hang = sock, hang

    def sendall(self, data):
        self.sock.sendall(data)

    def recv(self, size):
        return self.sock.recv(size)

    def close(self):
        self.hang()
        self.sock.close()


@scenario("client-aborted-transfer", also="polite")
def polite_abort(lab):
    paced(lab, "1.3", 60000)
    with lab.tap(tail=0.6):
        tls = lab.client(version="1.3")
        tls.sendall(request("/report"))
        tls.recv(3000)
        time.sleep(0.3)
        half_close(tls)
        time.sleep(0.2)
        reset(tls)
    return [T(["client-aborted-transfer"], "close_notify", "client", (True, False), "established", ["client", "none"], ["server", "proxy", "network"], ending_also=["rst"], note="the client says close_notify in the middle of a download and resets a moment later: it announced its end, and still cut off what it had asked for")]


@scenario("client-aborted-transfer", also="hole", needs=["nginx"])
def abort_with_hole(lab):
    lab.nginx(extra="location /huge { limit_rate 10k; }")
    first, second = f"{SCRATCH}/part1.pcap", f"{SCRATCH}/part2.pcap"
    tap = lab.tap(path=first)
    with tap:
        tls = lab.client(version="1.2")
        tls.sendall(request("/huge"))
        end = time.time() + 1.2
        while time.time() < end:
            tls.recv(65536)
        tap.stop()
    end = time.time() + 1.2
    while time.time() < end:
        tls.recv(65536)
    with lab.tap(path=second, tail=0.8):
        tls.close()
    subprocess.run(["mergecap", "-w", lab.raw, "-F", "pcap", first, second], check=True)
    return [T(["client-aborted-transfer", "client-reset", "capture-incomplete", "client-closed-without-close-notify"], "fin", "client", (None, None), "established", ["client", "none", "undetermined"], ["server", "proxy", "network"], ending_also=["rst"], unreadable=True, note="tcpdump missed a second of a download; then the client closes: its FIN acknowledges what the capture lacks, which makes it no half-close")]


@scenario("certificate-rejected", also="polite", needs=["nginx"])
def polite_rejection(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/wrong.crt; ssl_certificate_key {lab.pki}/wrong.key; }}")
    with lab.tap():
        lab.curl("https://api.example.com/small", "--tls-max", "1.2")
    return [T(["certificate-rejected"], "close_notify", "client", (True, False), "established", ["undetermined", "server", "client"], ["proxy", "network"], phase_also=["handshake"], ending_also=["fatal_alert"], note="curl finds after the handshake that the certificate (in clear) does not stand for the name, and takes leave with a close_notify: no alert says why")]


@scenario("proxy-tunnel-cut", also="server-died", needs=["squid", "go"])
def tunnel_server_died(lab):
    squid(lab, "http_access allow all")
    child = lab.goserve("-keys", lab.keys)
    with lab.tap(tail=0.8):
        curl = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca, *PROXY, "--http1.1", "https://api.example.com/stream")
        time.sleep(0.6)
        lab.net.kill(child)
        curl.wait(10)
    return [T(["proxy-tunnel-cut", "server-closed-without-close-notify"], "fin", "server", (True, False), "established", ["undetermined", "server"], ["client", "proxy", "network"], by_also=["proxy"], ending_also=["rst"], note="the server behind the tunnel is killed in the middle of a download, and squid passes its bare FIN on: the proxy did nothing")]


@scenario("capture-incomplete", also="tail", needs=["nginx"])
def lost_tail(lab):
    lab.nginx()
    # What a capture that loses packets at the end looks like: the client's close_notify (24 bytes) and FIN are not in it.
    with lab.tap(expr="not (src host 10.20.0.2 and (ip[2:2] = 76 or tcp[13] & 1 != 0))"):
        lab.curl("https://api.example.com/medium", "--tlsv1.3")
    return [T(["capture-incomplete", "clean-close"], "unseen", "client", (None, None), "established", ["undetermined", "none"], ALL, ending_also=["fin", "close_notify"], by_also=["server", "nobody"], unreadable=True, note="the client's last packets, close_notify and FIN, were not captured; nginx's bare FIN acknowledges them: an answer to something unseen")]


@scenario("server-reset", also="mid-stream")
def reset_mid_stream(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(8192)
        tls.sendall(answer(b"first"))
        tls.recv(8192)
        for _ in range(12):
            tls.sendall(b"s" * 1500)
            time.sleep(0.04)
        reset(tls)

    lab.serve(handler)
    tls = lab.client(version="1.3")
    fetch(tls, "/first")
    time.sleep(0.1)
    with lab.tap():
        tls.sendall(request("/report"))
        lab.drain(tls)
        tls.close()
    if os.path.exists(lab.keys):
        os.remove(lab.keys)
    return [T("server-reset", "rst", "server", (None, False), "established", ["server"], ["client", "proxy", "network"], unreadable=True, note="the capture begins between two requests; the server's reset in the middle of its second answer is all there")]
