"""captures/office.pcapng: what a newcomer's first capture may look like, many sessions in one tcpdump run."""
import subprocess
import time

from lab import SCRATCH, T, answer, fetch, reset, scenario
from scenarios.clean import bio_server
from scenarios.proxies import squid
from scenarios.timers import NODE_SERVER

CLEAN = dict(phase="established", fault="none")


@scenario("office", ext="pcapng", name="office", needs=["nginx", "haproxy", "node", "go", "java", "wget", "squid"])
def office(lab):
    k = lab.pki
    lab.nginx(
        servers="server { listen 10.30.0.2:443 ssl; server_name www.example.com api.example.com; CERT location /huge { limit_rate 12k; } }"
        f"server {{ listen 10.30.0.16:443 ssl; ssl_certificate {k}/expired.crt; ssl_certificate_key {k}/expired.key; }}"
        f"server {{ listen 10.30.0.16:8443 ssl; CERT ssl_protocols TLSv1.3; }}"
        f"server {{ listen 10.30.0.18:443 ssl; ssl_certificate {k}/corp.crt; ssl_certificate_key {k}/corp.key; }}"
    )
    lab.haproxy("defaults\n mode tcp\n timeout client 10s\n timeout server 10s\n timeout connect 2s\nfrontend f\n bind 10.30.0.12:443\n tcp-request inspect-delay 2s\n tcp-request content reject unless { req.ssl_sni -i www.example.com }\n")
    lab.node(NODE_SERVER.replace("s.listen(+(process.argv[3]||443))", "s.listen(443,'10.30.0.11')"), where="s", background=True)
    lab.net.start("s", f"{SCRATCH}/peer", "serve", "-addr", "10.30.0.17:443", "-cert", f"{k}/server.pem", "-ca", lab.ca, "-need", "-keys", lab.keys)
    squid(lab, "acl bad dstdomain files.example.com\nhttp_access deny bad\nhttp_access allow all")
    lab.serve(lambda sock: bio_server(lab, sock, "1.3", cut=(6000, 3000, "fin")), address="10.30.0.13")

    def resets(sock):
        tls = lab.context(version="1.2").wrap_socket(sock, server_side=True)
        tls.recv(4096)
        tls.sendall(answer(b"r" * 5000, length=30000))
        time.sleep(0.2)
        reset(tls)

    lab.serve(resets, address="10.30.0.13", port=8443)
    lab.serve(lambda sock: time.sleep(30), address="10.30.0.15", port=465)
    time.sleep(1.5)
    later = []

    def start(*args):
        later.append(lab.net.start("c", *args, env={"SSLKEYLOGFILE": lab.keys}))

    curl = ["curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca]
    with lab.tap(tail=0.5):
        lab.curl("https://www.example.com/medium")  # 0
        time.sleep(0.3)
        idle = lab.client("shop.example.com", address="10.30.0.11", version="1.3")  # 1, ends at 6 s
        fetch(idle, "/", "shop.example.com")
        time.sleep(0.2)
        start(*curl, "-m", "5", "https://mail.example.com:465/")  # 2, ends at 5 s
        time.sleep(0.4)
        tls = lab.client("api.example.com")  # 3
        for _ in range(3):
            fetch(tls, "/small")
            time.sleep(0.1)
        tls.close()
        lab.java("url", "https://www.example.com/small")  # 4
        time.sleep(0.1)
        lab.java("url", "https://pay.example.com/cart")  # 5
        time.sleep(0.2)
        lab.curl("https://old.example.com/", "--tls-max", "1.2")  # 6
        time.sleep(0.1)
        lab.curl("https://files.example.com/report")  # 7
        time.sleep(0.2)
        lab.net.run("c", "wget", "-q", "-t", "1", "-O", "/dev/null", f"--ca-certificate={lab.ca}", "https://api.example.com/small")  # 8
        time.sleep(0.1)
        lab.curl("https://db.example.com:8443/")  # 9
        time.sleep(0.2)
        lab.curl("https://files.example.com:8443/archive")  # 10
        time.sleep(0.1)
        lab.node("require('https').get('https://git.corp.example/',{agent:false},r=>r.resume()).on('error',e=>console.log(e.code))")  # 11
        time.sleep(0.1)
        child = lab.net.start("c", *curl, "--tls-max", "1.2", "--limit-rate", "4k", "https://www.example.com/huge", env={"SSLKEYLOGFILE": lab.keys})  # 12
        time.sleep(1.6)
        lab.net.kill(child)
        time.sleep(0.2)
        lab.goget("https://old.example.com:8443/", "-max", "1.2")  # 13
        time.sleep(0.1)
        lab.connect("10.30.0.11", 443).close()  # 14
        time.sleep(0.1)
        lab.curl("https://files.example.com/", "-x", "http://proxy.example.com:3128")  # 15
        time.sleep(0.1)
        lab.curl("https://login.example.com/")  # 16
        time.sleep(0.1)
        lab.goget("https://api.example.com/small")  # 17
        time.sleep(0.1)
        lab.curl("https://www.example.com/small", "--ignore-content-length", "-H", "Connection: close")  # 18
        lab.wait(idle)
        for child in later:
            child.wait(10)
        time.sleep(0.3)
    idle.close()
    subprocess.run(["editcap", "-F", "pcapng", "--capture-comment", "A few minutes in a small office, taken at a desk: some sessions are fine and some are not. Made in the laboratory of this repository (captures/lab).", lab.raw, lab.raw + ".c"], check=True, capture_output=True)
    import os

    os.replace(lab.raw + ".c", lab.raw)

    def t(cause, *rest, **more):
        return T(cause, *rest, tested=cause if isinstance(cause, str) else cause[0], **more)

    server = dict(fault=["server"], never=["client", "proxy", "network"])
    return [
        t("clean-close", "close_notify", "client", (True, False), note="curl takes a page from www.example.com (nginx): all well", **CLEAN),
        t("server-idle-timeout", "fin", "server", (False, False), note="Python keeps a connection to shop.example.com (Node 20) idle; Node closes it with a bare FIN after 6.0 s", **CLEAN),
        t(["server-unresponsive", "client-gave-up-waiting"], "fin", "client", (False, False), "client_hello", ending_also=["stall"], by_also=["server"], note="mail.example.com:465 accepts the connection, acknowledges the ClientHello and says nothing; curl gives up after 5 s", **server),
        t("client-closed-without-close-notify", "fin", "client", (False, False), note="Python, three requests to api.example.com, then a bare FIN as browsers do", **CLEAN),
        t("client-closed-without-close-notify", "fin", "client", (False, False), note="Java HttpsURLConnection, a good answer, then the JVM exits with a bare FIN (no keys: its alerts, if any, stay encrypted)", **CLEAN),
        t("server-closed-in-handshake", "fin", "server", (False, False), "client_hello", ["server", "undetermined"], ["client", "network"], by_also=["proxy"], note="Java to pay.example.com: haproxy does not know the name and closes after the ClientHello. SSL peer shut down incorrectly"),
        t(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], note="old.example.com over TLS 1.2: its certificate ended on 2025-01-01, curl says alert 45"),
        t("server-truncated-record", "fin", "server", (True, False), "established", note="files.example.com closes in the middle of a record of its answer", **server),
        t("client-closed-without-close-notify", "fin", "client", (False, False), note="wget, a good answer, bare FIN (no keys)", **CLEAN),
        t("connection-refused", "no_connection", "server", (False, False), "connecting", ["undetermined", "server"], ["client", "network"], by_also=["proxy"], note="db.example.com:8443: nothing listens there"),
        t("server-reset", "rst", "server", (False, False), "established", note="files.example.com:8443 resets after 5000 of 30000 bytes", **server),
        t(["client-closed-in-handshake", "certificate-untrusted", "certificate-rejected"], "fin", "client", (False, False), "handshake", ["undetermined", "server", "client"], ["proxy", "network"], phase_also=["established"], note="Node does not know the company's root that signed git.corp.example and leaves with a bare FIN"),
        t(["client-aborted-transfer", "client-reset"], "rst", "client", (False, False), "established", ["client", "none"], ["server", "proxy", "network"], note="curl is killed in the middle of a large download"),
        t("protocol-version-mismatch", "fatal_alert", "server", (False, False), "client_hello", ["undetermined", "client", "server"], ["proxy", "network"], note="old.example.com:8443 wants TLS 1.3, this Go client is set to 1.2: alert 70"),
        t("probe", "fin", "client", (False, False), "connecting", "none", note="a health check of shop.example.com: TCP connect and close", phase_also=["client_hello"]),
        t("proxy-refused-tunnel", "fin", "proxy", (False, False), "tunneling", ["proxy"], ["server", "network"], by_also=["client", "server"], ending_also=["rst"], note="the company's squid forbids files.example.com: CONNECT answered 403"),
        t("client-certificate-required", "fatal_alert", "server", (False, False), "established", ["client"], ["proxy", "network"], phase_also=["handshake"], ending_also=["rst"], note="login.example.com asks for a client certificate, curl has none"),
        t("clean-close", "close_notify", "client", (True, False), note="Go, api.example.com: all well", **CLEAN),
        t("clean-close", "close_notify", "server", (True, True), note="curl, Connection: close: nginx says goodbye first; the RST for curl's late close_notify is harmless", **CLEAN),
    ]
