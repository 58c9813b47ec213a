"""Endings that hurt nobody, and captures without an end."""
import subprocess
import time

from lab import SCRATCH, T, answer, fetch, half_close, request, reset, scenario

CLEAN = dict(phase="established", fault="none")


@scenario("clean-close", ext="pcapng", needs=["nginx"])
def clean_close(lab):
    lab.nginx()
    with lab.tap():
        lab.curl("https://api.example.com/medium", "--tlsv1.3")
        time.sleep(0.3)
        lab.curl("https://api.example.com/small", "--tls-max", "1.2", "--ignore-content-length", "-H", "Connection: close")
    return [
        T("clean-close", "close_notify", "client", (True, False), note="curl takes 20 kB over TLS 1.3 and leaves with close_notify; nginx closes with a bare FIN, as it always does after the client's close_notify", **CLEAN),
        T("clean-close", "close_notify", "server", (True, True), note="TLS 1.2, Connection: close: nginx says close_notify first; a RST for the client's late close_notify, if any, is the kernel tidying up", **CLEAN),
    ]


@scenario("clean-close", near=True, ext="pcapng")
def clean_close_near(lab):
    lab.serve(lambda sock: bio_server(lab, sock, "1.3", cut=(9000, 3000, "rst-after-close_notify")))
    with lab.tap():
        tls = lab.client(version="1.3")
        tls.sendall(request("/report"))
        time.sleep(0.1)
        half_close(tls)
        while True:
            try:
                if not tls.recv(65536):
                    break
            except OSError:
                break
        time.sleep(0.5)
        tls.close()
    return [
        T(["server-truncated-record", "server-reset"], "rst", "server", (True, False), "established", "server", ending_also=["close_notify"], by_also=["client"], note="the client half-closes with close_notify after its request and goes on reading; the server, in the middle of a 20 kB answer, resets inside a record: data was lost, nothing clean about it"),
    ]


def bio_server(lab, sock, version, cut, claim=None):
    """An OpenSSL server over memory buffers, so that a record can be cut: sends `whole` bytes of the answer, waits for the client's next
    record, then `part` bytes of the next record, and resets or closes."""
    import ssl

    whole, part, how = cut
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = lab.context(version=version).wrap_bio(incoming, outgoing, server_side=True)

    def pump(call, *args):
        while True:
            try:
                value = call(*args)
                if outgoing.pending:
                    sock.sendall(outgoing.read())
                return value
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    sock.sendall(outgoing.read())
                data = sock.recv(65536)
                if not data:
                    raise OSError("peer closed")
                incoming.write(data)

    pump(tls.do_handshake)
    pump(tls.read, 4096)
    raw = answer(b"x" * 20000, length=claim)
    if whole:
        pump(tls.write, raw[:whole])
    if how == "rst-after-close_notify":
        sock.recv(4096)
    tls.write(raw[whole:])
    sock.sendall(outgoing.read()[:part])
    time.sleep(0.2)
    if how.startswith("rst"):
        reset(sock)
    else:
        sock.close()


@scenario("client-closed-without-close-notify", needs=["nginx", "wget"])
def bare_client_fin(lab):
    lab.nginx()
    with lab.tap():
        lab.say(lab.net.run("c", "wget", "-q", "-O", "/dev/null", f"--ca-certificate={lab.ca}", "https://api.example.com/medium"))
        time.sleep(0.3)
        tls = lab.client(version="1.2")
        for _ in range(2):
            fetch(tls, "/small")
        time.sleep(0.2)
        tls.close()
    note = "complete answer, then the client's bare FIN; nginx closes too"
    return [
        T("client-closed-without-close-notify", "fin", "client", (False, False), note="wget (GnuTLS), TLS 1.3, no keys: " + note, **CLEAN),
        T("client-closed-without-close-notify", "fin", "client", (False, False), note="Python, TLS 1.2: " + note, **CLEAN),
    ]


@scenario("client-closed-without-close-notify", near=True, needs=["go"])
def bare_client_fin_near(lab):
    lab.goserve("-max", "1.2")
    with lab.tap(tail=0.6):
        child = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca, "--http1.1", "https://api.example.com/stream", env={"SSLKEYLOGFILE": lab.keys})
        time.sleep(0.9)
        lab.net.kill(child)
    return [
        T(["client-aborted-transfer", "client-reset"], "fin", "client", (False, False), "established", ["client", "none"], ["server", "proxy", "network"], ending_also=["rst"], note="curl killed in the middle of a download (Go server, TLS 1.2): its kernel sends a bare FIN, or a RST if a byte was unread, while data is still coming, and RSTs for what arrives after that"),
    ]


@scenario("client-aborted-transfer", needs=["nginx"])
def client_aborts(lab):
    lab.nginx(extra="location /huge { limit_rate 14k; }")
    with lab.tap(tail=1.0):
        child = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca, "--tlsv1.3", "--limit-rate", "3k", "https://api.example.com/huge", env={"SSLKEYLOGFILE": lab.keys})
        time.sleep(2.0)
        lab.net.kill(child)
    return [
        T(["client-aborted-transfer", "client-reset"], "rst", "client", (False, False), "established", ["client", "none"], ["server", "proxy", "network"], note="curl killed with unread data of a 4 MB download: an active RST, the server had done nothing wrong"),
    ]


@scenario("client-aborted-transfer", near=True)
def client_aborts_near(lab):
    import socket

    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        raw = answer(b"y" * 24000)
        for at in range(0, len(raw), 4000):
            tls.sendall(raw[at : at + 4000])
            time.sleep(0.25)
        tls.setblocking(False)
        try:
            tls.unwrap()
        except OSError:
            pass
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.2")
        tls.sendall(request("/report"))
        time.sleep(0.1)
        socket.socket.shutdown(tls, socket.SHUT_WR)  # TCP half-close under TLS
        got = b""
        while piece := tls.recv(65536):
            got += piece
        lab.say(f"read {len(got)}")
        tls.close()
    return [
        T("clean-close", "close_notify", "server", (False, True), "established", "none", ending_also=["fin"], by_also=["client"], note="the client half-closes TCP after its request and goes on acknowledging until the answer of 24 kB is whole; the server ends with close_notify and FIN"),
    ]


@scenario("probe", ext="pcapng", needs=["nginx", "haproxy"])
def probe(lab):
    lab.nginx(servers="server { listen 443 ssl; CERT } server { listen 8443 ssl; CERT ssl_protocols TLSv1.2; }")
    with lab.tap():
        lab.connect().close()
        time.sleep(0.3)
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.2:443", "-servername", "api.example.com", "-CAfile", lab.ca, "-keylogfile", lab.keys, feed=b"")
        time.sleep(0.3)
        tls = lab.client()
        time.sleep(0.2)
        tls.close()
        time.sleep(0.3)
        tls = lab.client(port=8443)
        tls.close()
    return [
        T("probe", "fin", "client", (False, False), "connecting", "none", phase_also=["client_hello"], note="a TCP health check: connect and close, not a byte"),
        T(["probe", "clean-close"], "close_notify", "client", (True, False), note="openssl s_client </dev/null over TLS 1.3: handshake, close_notify, no application data (nginx may reset, or not, for the tickets' sake)", **CLEAN),
        T("probe", "rst", "client", (False, False), note="Python over TLS 1.3: handshake and close(); the unread session tickets make it a RST", **CLEAN),
        T("probe", "fin", "client", (False, False), note="Python over TLS 1.2: handshake and close(), a bare FIN", **CLEAN),
    ]


@scenario("probe", near=True, needs=["node"])
def probe_near(lab):
    lab.net.start("s", "openssl", "s_server", "-accept", "443", "-cert", f"{lab.pki}/expired.crt", "-key", f"{lab.pki}/expired.key", "-www", "-tls1_2", ready=443)
    with lab.tap():
        lab.node("require('https').get('https://api.example.com/',{agent:false},r=>r.resume()).on('error',e=>console.log(e.code))")
    return [
        T(["certificate-expired", "client-closed-without-close-notify", "client-closed-in-handshake"], "fin", "client", (False, False), "established", ["server", "undetermined"], ["proxy", "network"], phase_also=["handshake"], note="TLS 1.2: Node finishes the handshake, looks at the certificate (expired on 2025-01-01, readable in the capture) and leaves with a bare FIN, no byte of data: a rejection, not a probe"),
    ]


@scenario("still-open", needs=["nginx"])
def still_open(lab):
    lab.nginx()
    tap = lab.tap()
    with tap:
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        time.sleep(1.0)
        tap.stop()
        tls.close()
    return [
        T("still-open", "open", "nobody", (False, False), "established", ["none", "undetermined"], ALL_SIDES, note="request and answer, then idle; the capture was stopped while the connection was up"),
    ]


ALL_SIDES = ["client", "server", "proxy", "network"]


@scenario("still-open", near=True, needs=["nginx"])
def still_open_near(lab):
    lab.nginx()
    tap = lab.tap()
    with tap:
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        time.sleep(0.3)
        lab.net.bridge.hook = lambda way, frame: []
        tls.sendall(request("/small"))
        time.sleep(14)
        tap.stop()
        tls.close()
    return [
        T("path-black-hole", "stall", "nobody", (False, False), "established", ["undetermined", "network"], ["client", "server", "proxy"], by_also=["client", "server"], note="the path goes dead in both directions; the client sends its second request again and again with back-off and nothing comes back: a stall, although no close is in the capture"),
    ]


@scenario("capture-incomplete", ext="pcapng", needs=["nginx"])
def capture_incomplete(lab):
    lab.nginx(extra="location /big { limit_rate 100k; } keepalive_timeout 1s;")
    first, second = f"{SCRATCH}/part1.pcap", f"{SCRATCH}/part2.pcap"
    tap = lab.tap(path=first)
    with tap:
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        time.sleep(0.2)
        tap.stop()
    fetch(tls, "/medium")
    tls.settimeout(5)
    tls.recv(100)  # nginx's close_notify and FIN, unseen
    time.sleep(0.3)
    with lab.tap(path=second):
        tls.sendall(b"late")  # the kernel at the server answers with RST
        time.sleep(0.3)
        tls.close()
    subprocess.run(["mergecap", "-w", lab.raw, first, second], check=True)
    return [
        T("capture-incomplete", "unseen", "server", (False, False), "established", ["undetermined", "none"], ALL_SIDES, ending_also=["rst", "close_notify"], by_also=["nobody", "client"], note="tcpdump was off while nginx answered and closed after its keep-alive timer; only the client's late data and the RST it got are there: the root event is missing"),
    ]


@scenario("capture-incomplete", near=True, needs=["nginx"])
def capture_incomplete_near(lab):
    lab.nginx()
    lost = set()

    def lossy(way, frame):
        import net

        t = net.Tcp(frame)
        if t.ok and t.len and way == "down":
            key = t.seq
            if key not in lost and len(lost) < 40 and hash(key) % 3 == 0:
                lost.add(key)
                return []
        return None

    lab.net.bridge.hook = lossy
    with lab.tap():
        lab.curl("https://api.example.com/medium", "--tlsv1.3")
    return [
        T("clean-close", "close_notify", "client", (True, False), note="a third of the server's segments were lost before the tap and sent again: every hole is filled, nothing is missing from the capture", **CLEAN),
    ]
