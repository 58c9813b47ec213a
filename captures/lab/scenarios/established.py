"""Sessions that were up and ended badly."""
import socket
import ssl
import time

import net
from lab import T, answer, fetch, leave, read_answer, request, reset, scenario
from scenarios.clean import bio_server
from scenarios.handshake import polite

CLEAN = dict(phase="established", fault="none")
SERVER = dict(phase="established", fault=["server"], never=["client", "proxy", "network"])
CLIENT = dict(phase="established", fault=["client"], never=["server", "proxy", "network"])


@scenario("server-closed-without-close-notify")
def bare_server_fin(lab):
    def handler(sock):
        tls = lab.context(version="1.3").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"z" * 6000, length=20000))
        time.sleep(0.1)
        tls.close()  # the handler died: Python closes without close_notify

    lab.serve(handler)
    with lab.tap():
        lab.curl("https://api.example.com/report")
    return [T("server-closed-without-close-notify", "fin", "server", (True, False), note="a Python server whose handler fails after 6000 of 20000 promised bytes: bare FIN on a record boundary; with the keys Content-Length proves the loss", ending_also=[], **SERVER)]


@scenario("server-closed-without-close-notify", near=True, needs=["nginx", "node"])
def bare_server_fin_near(lab):
    lab.nginx()
    with lab.tap():
        lab.node("const s=require('tls').connect({host:'api.example.com',port:443,servername:'api.example.com',minVersion:'TLSv1.3'},()=>s.write('GET /small HTTP/1.1\\r\\nHost: api.example.com\\r\\n\\r\\n'));s.on('data',()=>setTimeout(()=>s.end(),200));s.on('error',e=>console.log(e.code))")
    return [T("clean-close", "close_notify", "client", (True, False), note="Node says close_notify, nginx closes with a bare FIN and no close_notify of its own: an answer to the client's close", **CLEAN)]


# A server that stops in mid-answer in the ways of HTTP/2 and HTTP/1.1, and once only after a whole answer.
CUTS = """const fs=require('fs'),pki=process.env.PKI;
const s=require('http2').createSecureServer({key:fs.readFileSync(pki+'/server.key'),cert:fs.readFileSync(pki+'/server.crt'),allowHTTP1:true});
let socket;s.on('secureConnection',t=>{socket=t});
s.on('request',(q,r)=>{
 const end=()=>setTimeout(()=>socket.destroy(),250),body='x'.repeat(5000);
 if(q.url==='/length'){r.writeHead(200,{'content-length':20000});r.write(body);end()}
 else if(q.url==='/endless'){r.writeHead(200,{'content-type':'text/event-stream'});r.write('data: 1\\n\\n');end()}
 else if(q.url==='/none'){q.socket.write('HTTP/1.0 200 OK\\r\\n\\r\\n'+body);end()}
 else if(q.url==='/whole'){r.writeHead(200,{'content-length':5000});r.end(body);end()}
 else{r.writeHead(200);r.write(body);end()}
});s.listen(443);
"""
ASK = "const c=require('http2').connect('https://api.example.com');c.on('error',()=>0);c.on('close',()=>process.exit());c.request({':path':'/whole'}).resume().end()"


@scenario("server-closed-without-close-notify", also="protocols", needs=["node"])
def bare_server_fin_protocols(lab):
    lab.node(CUTS, where="s", background=True, ready=443)
    with lab.tap():
        for path, version in (("length", "--http2"), ("open", "--http2"), ("chunks", "--http1.1"), ("none", "--http1.1"), ("endless", "--http1.1")):
            lab.curl(f"https://api.example.com/{path}", version)
        lab.node(ASK)
    own = "server-closed-without-close-notify"
    none = dict(phase="established", fault=["none", "server"], never=["client", "proxy", "network"])
    return [
        T(own, "fin", "server", (False, False), note="a Node server ends its sockets without close_notify: HTTP/2, after 5000 of 20000 bytes that content-length promises", **SERVER),
        T(own, "fin", "server", (False, False), note="HTTP/2, no length, 5000 bytes and no END_STREAM", **SERVER),
        T(own, "fin", "server", (True, False), note="HTTP/1.1, one chunk of 5000 bytes and no last chunk", **SERVER),
        T(own, "fin", "server", (True, False), note="HTTP/1.0, no length: only the close ends the body, and it was not announced", **SERVER),
        T(own, "fin", "server", (True, False), phase="established", fault=["server", "none", "undetermined"], never=["client", "proxy", "network"], note="HTTP/1.1, a stream of events, which has no end of its own"),
        T(own, "fin", "server", (True, False), note="HTTP/2, a whole answer, then the same bare FIN: nothing is lost, which only the keys tell", **none),
    ]


@scenario("server-truncated-record", needs=["nginx", "java"])
def server_truncates(lab):
    lab.serve(lambda sock: bio_server(lab, sock, "1.2", cut=(6000, 2000, "fin")), port=8443)
    with lab.tap(tail=0.8):
        lab.curl("https://api.example.com:8443/report", "--tls-max", "1.2")
        time.sleep(0.2)
        lab.serve(lambda sock: bio_server(lab, sock, "1.3", cut=(0, 5000, "fin")), port=9443)
        lab.java("url", "https://api.example.com:9443/report")
    note = "the server's FIN comes in the middle of a TLS record: bytes the server meant to send are missing, no key needed"
    return [
        T("server-truncated-record", "fin", "server", (True, False), note="TLS 1.2, curl: " + note, **SERVER),
        T("server-truncated-record", "fin", "server", (True, False), note="TLS 1.3, Java HttpsURLConnection: " + note, **SERVER),
        T("server-truncated-record", "fin", "server", (True, False), note="the same again: Java tries once more by itself", **SERVER),
    ]


@scenario("server-truncated-record", near=True)
def server_truncates_near(lab):
    lab.serve(lambda sock: bio_server(lab, sock, "1.2", cut=(6000, 1000000, "fin"), claim=40000))
    with lab.tap():
        lab.curl("https://api.example.com/report", "--tls-max", "1.2")
    return [T("server-closed-without-close-notify", "fin", "server", (True, False), note="the same server, but its FIN falls exactly on a record boundary (20 of 40 kB promised, which only the keys tell): no record is cut", **SERVER)]


@scenario("client-truncated-record")
def client_truncates(lab):
    def handler(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.settimeout(8)
        tls.recv(2000)
        time.sleep(0.5)
        # Reads what the kernel has, up to the cut: OpenSSL then reports an unexpected end.
        while tls.recv(2000):
            pass

    lab.serve(handler)
    with lab.tap(tail=2):
        tls = lab.client(version="1.2")
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        tls.sendall(b"PUT /upload HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 160000\r\n\r\n")
        tls.setblocking(False)
        try:
            while True:
                tls.send(b"u" * 16000)
        except ssl.SSLWantWriteError:
            pass
        time.sleep(0.1)
        tls.close()
    return [T(["client-truncated-record"], "fin", "client", (False, False), note="an upload in records of 16 kB, the last of which the client's socket buffer takes in part; the client closes: its kernel sends what it has, which ends inside the record, and FIN", ending_also=["rst"], **CLIENT)]


@scenario("client-truncated-record", near=True)
def client_truncates_near(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.settimeout(8)
        got = 0
        while piece := tls.recv(65536):
            got += len(piece)
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.2")
        tls.sendall(b"PUT /upload HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 40000\r\n\r\n")
        for _ in range(3):
            tls.sendall(b"u" * 4000)
            time.sleep(0.1)
        time.sleep(0.3)
        tls.close()
    return [
        T(["client-aborted-transfer", "client-closed-without-close-notify"], "fin", "client", (False, False), "established", ["client", "none", "undetermined"], ["server", "proxy", "network"], note="the client leaves after 12 of 40 kB of its upload with a bare FIN, but every record is whole: without keys nobody can tell it was not done"),
    ]


@scenario("server-reset", ext="pcapng", needs=["node", "java"])
def server_reset(lab):
    lab.node(
        "const t=require('tls'),f=require('fs');t.createServer({key:f.readFileSync(process.env.PKI+'/server.key'),cert:f.readFileSync(process.env.PKI+'/server.crt')},s=>{s.on('error',()=>{});s.on('data',()=>{"
        "s.write('HTTP/1.1 200 OK\\r\\nContent-Length: 30000\\r\\n\\r\\n'+'a'.repeat(8000));setTimeout(()=>s.resetAndDestroy?s._parent?s._parent.resetAndDestroy():s.resetAndDestroy():0,150)})}).listen(443)",
        where="s",
        background=True,
        ready=443,
    )

    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        time.sleep(0.3)
        reset(tls)

    lab.serve(handler, port=8443)
    with lab.tap():
        lab.java("httpclient", "https://api.example.com/report")
        time.sleep(0.2)
        lab.curl("https://api.example.com:8443/report")
    return [
        T("server-reset", "rst", "server", (False, False), note="Node resets (resetAndDestroy) after 8000 of 30000 bytes, between two records", **SERVER),
        T("server-reset", "rst", "server", (False, False), note="a Python server, TLS 1.2, resets (SO_LINGER 0) 0.3 s after the request, without answering", **SERVER),
    ]


@scenario("server-reset", near=True, ext="pcapng", needs=["nginx", "go"])
def server_reset_near(lab):
    lab.nginx()
    lab.goserve(port=8443)
    with lab.tap():
        lab.curl("https://api.example.com/small", "--ignore-content-length", "-H", "Connection: close")
        time.sleep(0.3)
        lab.curl("https://api.example.com:8443/", "--ignore-content-length", "-H", "Connection: close", "--http1.1", "--tls-max", "1.2")
    return [T("clean-close", "close_notify", "server", (True, True), note=f"{who}: Connection: close; the server says close_notify and FIN, and its kernel answers the client's late close_notify with RST", **CLEAN) for who in ("nginx, TLS 1.3", "Go, TLS 1.2")]


@scenario("client-reset", needs=["nginx"])
def client_reset(lab):
    lab.serve(lambda sock: (slow(lab, sock)))
    with lab.tap(tail=0.6):
        tls = lab.client(version="1.3")
        tls.sendall(request("/slow"))
        time.sleep(0.75)
        reset(tls)
        time.sleep(0.3)
        tls = lab.client(version="1.2")
        tls.sendall(b"POST /orders HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 9000\r\n\r\n" + b"o" * 3000)
        time.sleep(0.4)
        reset(tls)
    return [
        T("client-reset", "rst", "client", (False, False), note="TLS 1.3: the client resets (SO_LINGER 0) 0.75 s after its request, before any answer", **CLIENT),
        T("client-reset", "rst", "client", (False, False), note="TLS 1.2: the client resets after a third of its request's body", **CLIENT),
    ]


def slow(lab, sock):
    """A server that takes its time with the answer."""
    tls = lab.context().wrap_socket(sock, server_side=True)
    tls.recv(4096)
    time.sleep(5)
    tls.sendall(answer(b"late"))


@scenario("client-reset", near=True)
def client_reset_near(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"all of it\n", more="Connection: close\r\n"))
        tls.unwrap()
        tls.close()

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.2")
        tls.sendall(request("/"))
        tls.recv(4096)
        time.sleep(0.3)
        tls.close()
    return [T("clean-close", "close_notify", "server", (False, True), note="the server's answer and close_notify are there; the client closes with the close_notify unread, so its kernel resets: the exchange was over", **CLEAN)]


@scenario("path-black-hole", ext="pcapng", where="s")
def black_hole(lab):
    lab.serve(lambda sock: polite_late(lab, sock))
    with lab.tap(tail=0.2):
        tls = lab.client(version="1.3", timeout=3)
        tls.sendall(request("/small"))
        time.sleep(0.3)
        lab.net.bridge.hook = lambda way, frame: []
        time.sleep(13)
    return [
        T("path-black-hole", "stall", "nobody", (False, False), "established", ["undetermined", "network"], ["client", "server", "proxy"], by_also=["client", "server"], note="seen at the server: the path goes dead; its answer is sent again with back-off for over ten seconds and never acknowledged"),
    ]


def polite_late(lab, sock):
    tls = lab.context().wrap_socket(sock, server_side=True)
    tls.recv(4096)
    time.sleep(1)
    tls.sendall(answer(b"k" * 3000))
    time.sleep(60)


@scenario("path-black-hole", near=True, ext="pcapng", needs=["nginx"])
def black_hole_near(lab):
    lab.nginx()
    with lab.tap():
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        lab.net.bridge.hook = lambda way, frame: []
        tls.sendall(request("/small"))
        time.sleep(3.2)
        lab.net.bridge.hook = None
        read_answer(tls)
        leave(tls, 0.2)
    return [T("clean-close", "close_notify", "client", (True, False), note="the path is dead for 3.2 s, then a retransmission gets through, and the session goes on to a good end", **CLEAN)]


@scenario("fatal-alert", needs=["go"])
def fatal_alert(lab):
    lab.goserve("-max", "1.2")
    with lab.tap():
        lab.say(lab.net.run("c", "sh", "-c", f"(sleep 0.5; printf 'GET / HTTP/1.1\\nHost: a\\n\\n'; sleep 0.5; echo R; sleep 1) | openssl s_client -connect 10.30.0.2:443 -servername api.example.com -crlf -keylogfile {lab.keys}"))
    return [T(["fatal-alert"], "fatal_alert", "server", (False, True), "established", ["undetermined", "client", "server"], ["proxy", "network"], note="TLS 1.2: after an answered request the client asks for renegotiation (s_client R); the Go server refuses with a fatal alert 10 and, as Go does, a close_notify behind it", ending_also=["close_notify"])]


@scenario("fatal-alert", near=True)
def fatal_alert_near(lab):
    def handler(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"all\n"))
        tls.recv(4096)  # OpenSSL 3 answers a bare FIN with alert 50

    lab.serve(handler)
    with lab.tap():
        tls = lab.client(version="1.2")
        fetch(tls, "/")
        time.sleep(0.2)
        tls.close()
    return [T("client-closed-without-close-notify", "fin", "client", (False, False), note="the client's bare FIN after a complete answer comes first; the OpenSSL 3 server's fatal decode_error (50) and the client kernel's RST only answer it", **CLEAN)]


def flip(lab, way, at, repair):
    """Flips a byte in the at-th large TLS segment going that way."""
    seen = []

    def hook(direction, frame):
        t = net.Tcp(frame)
        if t.ok and direction == way and t.len > 600 and t.payload[0] == 23:
            seen.append(t.seq)
            if len(seen) == at:
                bad = bytearray(frame)
                bad[t.data + 200] ^= 0x40
                return [(0.0, net.fix_tcp(bytes(bad)) if repair else bytes(bad))]
        return None

    lab.net.bridge.hook = hook


@scenario("record-corruption", needs=["nginx"])
def corruption(lab):
    lab.nginx()
    with lab.tap():
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        flip(lab, "down", 1, True)
        tls.sendall(request("/small"))
        try:
            read_answer(tls)
        except OSError as error:
            lab.say(error)
        time.sleep(0.2)
        tls.close()
    return [T(["record-corruption", "fatal-alert"], "fatal_alert", "client", (False, False), "established", ["undetermined", "network", "proxy"], ["client", "server"], by_also=["proxy"], note="a box flips one bit of an encrypted record and repairs the TCP checksum; the client's decryption fails: alert 20 bad_record_mac, encrypted (readable with the keys)")]


@scenario("record-corruption", near=True, needs=["nginx"])
def corruption_near(lab):
    lab.nginx()
    with lab.tap():
        tls = lab.client(version="1.3")
        fetch(tls, "/small")
        flip(lab, "down", 1, False)
        fetch(tls, "/small")
        lab.net.bridge.hook = None
        leave(tls, 0.2)
    return [T("clean-close", "close_notify", "client", (True, False), note="a bit flips on the way and the TCP checksum shows it: the kernel drops the segment, the retransmission is whole, nothing happens to TLS", **CLEAN)]


@scenario("server-not-tls", needs=["nginx", "go", "node"])
def server_not_tls(lab):
    lab.nginx(servers="server { listen 80; }", ready=80)
    lab.serve(lambda sock: (sock.sendall(b"220 mail.example.com ESMTP Postfix\r\n"), sock.recv(4096), time.sleep(0.1), sock.sendall(b"500 5.5.2 Error: bad syntax\r\n"), time.sleep(0.5)), port=25)
    with lab.tap():
        lab.goget("https://api.example.com:80/")
        time.sleep(0.2)
        lab.curl("https://mail.example.com:25/")
    fault = dict(fault=["undetermined", "client", "server"], never=["proxy", "network"])
    return [
        T("server-not-tls", "fin", "client", (False, False), "client_hello", by_also=["server"], ending_also=["rst", "fatal_alert"], note="https:// to a port where nginx speaks plain HTTP: HTTP/1.1 400 in answer to the ClientHello", **fault),
        T("server-not-tls", "fin", "client", (False, False), "client_hello", by_also=["server"], ending_also=["rst", "fatal_alert"], phase_also=["tunneling"], note="https:// to an SMTP server: its banner 220 meets the ClientHello", **fault),
    ]


@scenario("server-not-tls", near=True)
def server_not_tls_near(lab):
    def smtp(sock):
        sock.sendall(b"220 mail.example.com ESMTP\r\n")
        for reply in (b"250-mail.example.com\r\n250 STARTTLS\r\n", b"220 2.0.0 Ready to start TLS\r\n"):
            sock.recv(4096)
            sock.sendall(reply)
        tls = lab.context().wrap_socket(sock, server_side=True)
        tls.settimeout(5)
        while line := tls.recv(4096):
            tls.sendall(b"250 ok\r\n" if not line.lower().startswith(b"quit") else b"221 bye\r\n")
            if line.lower().startswith(b"quit"):
                break
        try:
            tls.unwrap()
        except OSError:
            pass
        tls.close()

    lab.serve(smtp, port=25)
    with lab.tap():
        lab.net.run("c", "sh", "-c", f"(sleep 0.5; printf 'EHLO x\\n'; sleep 0.3; printf 'QUIT\\n'; sleep 0.5) | openssl s_client -connect 10.30.0.15:25 -servername mail.example.com -starttls smtp -crlf -quiet -keylogfile {lab.keys}")
    return [T("clean-close", "close_notify", "server", (True, True), by_also=["client"], note="SMTP speaks first and in clear, then STARTTLS, then TLS: as it should be", **CLEAN)]


@scenario("client-not-tls", needs=["nginx", "java"])
def client_not_tls(lab):
    lab.nginx()
    lab.haproxy(f"defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\nfrontend f\n bind :8443 ssl crt {lab.pki}/server.pem\n http-request return status 200\n", ready=8443)
    with lab.tap():
        lab.curl("http://api.example.com:443/small", "-H", "Connection: close")
        time.sleep(0.2)
        lab.curl("http://api.example.com:8443/small")
    fault = dict(fault=["client", "undetermined"], never=["proxy", "network"])
    return [
        T("client-not-tls", "fin", "server", (False, False), "connecting", by_also=["client"], phase_also=["client_hello", "tunneling"], note="http:// to a TLS port: nginx answers 400 in clear (The plain HTTP request was sent to HTTPS port)", **fault),
        T("client-not-tls", "fin", "server", (False, False), "connecting", by_also=["client"], phase_also=["client_hello", "tunneling"], ending_also=["rst", "fatal_alert"], note="http:// to a TLS port of haproxy: closed without a word", **fault),
    ]


@scenario("client-not-tls", near=True)
def client_not_tls_near(lab):
    lab.serve(lambda sock: polite(lab, sock))

    def proxy(sock):
        head = sock.recv(4096)
        host = head.split()[1].split(b":")[0]
        out = lab.connect("10.30.0.2", 443, where="p")
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        lab.say(host)
        relay(sock, out)

    lab.serve(proxy, port=3128, where="p")
    with lab.tap():
        lab.curl("https://api.example.com/", "-x", "http://proxy.example.com:3128")
    return [T("clean-close", "close_notify", "client", (True, True), by_also=["server"], note="the stream begins with a plain HTTP CONNECT, answered 200, and then goes on in TLS: a proxy at work", **CLEAN)]


def relay(a, b):
    """Copies bytes both ways, and each end's close to the other."""
    import threading

    def one(source, target):
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    thread = threading.Thread(target=one, args=(b, a))
    thread.start()
    one(a, b)
    thread.join()
    b.close()
