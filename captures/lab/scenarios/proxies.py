"""Before TLS: CONNECT, STARTTLS; and boxes that speak TLS or carry it."""
import time

import net
from lab import SCRATCH, T, scenario
from scenarios.handshake import slowly_closed

CLEAN = dict(phase="established", fault="none")
PROXY = ("-x", "http://proxy.example.com:3128")


def squid(lab, rules):
    """Squid on the proxy host."""
    path = f"{SCRATCH}/squid.conf"
    with open(path, "w") as out:
        out.write(
            f"http_port 3128\npid_filename {SCRATCH}/squid.pid\ncache_log /dev/null\naccess_log none\ncache deny all\ncoredump_dir {SCRATCH}\nnetdb_filename none\npinger_enable off\n"
            f"shutdown_lifetime 1 seconds\nvisible_hostname proxy.example.com\nhosts_file /etc/netns/{net.ns('p')}/hosts\ndns_v4_first on\nconnect_timeout 5 seconds\n{rules}\n"
        )
    return lab.net.start("p", "squid", "-N", "-f", path, ready=3128)


@scenario("proxy-refused-tunnel", ext="pcapng", needs=["squid"])
def refused_tunnel(lab):
    squid(lab, "acl bad dstdomain shop.example.com\nhttp_access deny bad\nhttp_access allow all")
    with lab.tap():
        lab.curl("https://shop.example.com/", *PROXY)
        time.sleep(0.2)
        lab.java("url", "https://shop.example.com/", options=("-Dhttps.proxyHost=proxy.example.com", "-Dhttps.proxyPort=3128"))
    fault = dict(phase="tunneling", fault=["proxy"], never=["server", "network"])
    return [
        T("proxy-refused-tunnel", "fin", "proxy", (False, False), by_also=["client", "server"], ending_also=["rst"], note=f"{who}: squid's rules forbid the host, CONNECT is answered 403", **fault)
        for who in ("curl", "Java HttpsURLConnection")
    ]


@scenario("proxy-refused-tunnel", near=True, ext="pcapng", needs=["squid", "nginx"])
def refused_tunnel_near(lab):
    squid(lab, "http_access allow all")
    lab.nginx(servers="server { listen 443 ssl default_server; ssl_reject_handshake on; } server { listen 443 ssl; server_name www.example.com; CERT }")
    with lab.tap():
        lab.curl("https://api.example.com/", *PROXY)
    return [T("sni-rejected", "fatal_alert", "server", (False, False), "client_hello", ["undetermined", "client", "server"], ["proxy", "network"], note="squid opens the tunnel (200); the server inside it refuses the name with alert 112: the proxy did its part")]


@scenario("proxy-authentication-required", needs=["squid"])
def auth(lab):
    squid(lab, "auth_param basic program /usr/lib/squid/basic_fake_auth\nacl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all")
    with lab.tap():
        lab.curl("https://api.example.com/", *PROXY)
        time.sleep(0.2)
        lab.node("const h=require('http').request({host:'proxy.example.com',port:3128,method:'CONNECT',path:'api.example.com:443',agent:false});h.on('connect',(r,s)=>{console.log(r.statusCode);s.end()});h.end()")
    return [T("proxy-authentication-required", "fin", "proxy", (False, False), "tunneling", ["client", "proxy"], ["server", "network"], by_also=["client", "server"], ending_also=["rst"], note=f"{who} has no credentials for squid: CONNECT is answered 407, and that was that") for who in ("curl", "Node")]


@scenario("proxy-authentication-required", near=True, needs=["squid", "nginx"])
def auth_near(lab):
    squid(lab, "auth_param basic program /usr/lib/squid/basic_fake_auth\nacl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all")
    lab.nginx()
    with lab.tap():
        lab.curl("https://api.example.com/small", *PROXY, "--proxy-anyauth", "--proxy-user", "robot:secret")
    return [T("clean-close", "close_notify", "client", (True, False), by_also=["proxy"], note="curl asks without credentials first (407), then with them on the same connection (200): the normal course", **CLEAN)]


@scenario("proxy-upstream-failed", needs=["squid", "go"])
def upstream(lab):
    squid(lab, "http_access allow all")
    with lab.tap():
        lab.curl("https://api.example.com:9443/", *PROXY)
        time.sleep(0.2)
        lab.net.run("c", f"{SCRATCH}/peer", "get", "-ca", lab.ca, "-url", "https://down.example.com/", env={"HTTPS_PROXY": "http://proxy.example.com:3128"})
    fault = dict(phase="tunneling", fault=["undetermined", "server", "network", "proxy"], never=["client"])
    return [
        T("proxy-upstream-failed", "fin", "proxy", (False, False), by_also=["client", "server"], ending_also=["rst"], note="squid cannot reach the server (port closed) and answers CONNECT with 503: the messenger", **fault),
        T("proxy-upstream-failed", "fin", "proxy", (False, False), by_also=["client", "server"], ending_also=["rst"], note="Go client; no such host behind the proxy: 503 after its attempt to connect failed", **fault),
    ]


@scenario("proxy-upstream-failed", near=True, needs=["squid", "nginx"])
def upstream_near(lab):
    squid(lab, "http_access allow all")
    lab.nginx(servers=f"server {{ listen 443 ssl; ssl_certificate {lab.pki}/expired.crt; ssl_certificate_key {lab.pki}/expired.key; }}")
    with lab.tap():
        lab.curl("https://api.example.com/small", *PROXY, "--tls-max", "1.2")
    return [T(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], note="the tunnel stands (200); inside it the server shows an expired certificate and curl says alert 45")]


@scenario("starttls-refused", needs=["postgres"])
def starttls(lab):
    postgres(lab, "off")

    def smtp(sock):
        sock.sendall(b"220 mail.example.com ESMTP\r\n")
        for reply in (b"250-mail.example.com\r\n250-PIPELINING\r\n250 STARTTLS\r\n", b"454 4.7.0 TLS not available due to local problem\r\n", b"221 2.0.0 Bye\r\n"):
            if not sock.recv(4096):
                break
            sock.sendall(reply)

    lab.serve(smtp, port=25)
    with lab.tap():
        lab.say(lab.net.run("c", "psql", "host=db.example.com user=app dbname=app sslmode=require connect_timeout=5", "-c", "select 1"))
        time.sleep(0.2)
        lab.say(lab.curl("smtp://mail.example.com", "--ssl-reqd", "--mail-from", "a@example.com", "--mail-rcpt", "b@example.com", "-T", "/etc/hostname"))
    fault = dict(phase="tunneling", fault=["server", "undetermined"], never=["proxy", "network"], phase_also=["connecting"])
    return [
        T("starttls-refused", "fin", "client", (False, False), by_also=["server"], note="psql sslmode=require asks for TLS, PostgreSQL (ssl=off) says N, psql leaves", **fault),
        T("starttls-refused", "fin", "client", (False, False), by_also=["server"], note="curl, SMTP: STARTTLS is offered and then answered 454", **fault),
    ]


def postgres(lab, ssl, *settings, cert="server", rule="host all all 0.0.0.0/0 trust"):
    """PostgreSQL with a fresh database, as its own user; the administrator comes from 127.0.0.1."""
    home = f"{SCRATCH}-pg"
    net.sh("rm", "-rf", home)
    net.sh("install", "-d", "-o", "postgres", "-m", "700", home)
    net.sh("runuser", "-u", "postgres", "--", "initdb", "-D", f"{home}/data", "-A", "trust", "--no-sync")
    net.sh("install", "-o", "postgres", "-m", "600", f"{lab.pki}/{cert}.crt", f"{home}/data/server.crt")
    net.sh("install", "-o", "postgres", "-m", "600", f"{lab.pki}/{cert}.key", f"{home}/data/server.key")
    net.sh("install", "-o", "postgres", "-m", "600", lab.ca, f"{home}/data/ca.crt")
    with open(f"{home}/data/pg_hba.conf", "w") as out:
        out.write(f"host all all 127.0.0.1/32 trust\n{rule}\n")
    child = lab.net.start("s", "runuser", "-u", "postgres", "--", "postgres", "-D", f"{home}/data", "-c", "listen_addresses=*", "-c", f"unix_socket_directories={home}", "-c", f"ssl={ssl}", *[word for setting in settings for word in ("-c", setting)], ready=5432)
    end = time.time() + 10
    while time.time() < end and "accepting" not in net.sh("ip", "netns", "exec", net.ns("s"), "pg_isready", "-h", "127.0.0.1", check=False):
        time.sleep(0.2)
    return child


@scenario("starttls-refused", near=True, needs=["postgres"])
def starttls_near(lab):
    postgres(lab, "on")
    with lab.tap():
        lab.say(lab.net.run("c", "psql", f"host=db.example.com user=postgres dbname=postgres sslmode=verify-full sslrootcert={lab.ca} ssl_max_protocol_version=TLSv1.2 connect_timeout=5", "-c", "select 1"))
    return [T("clean-close", "close_notify", "client", (None, None), by_also=["server"], ending_also=["fin"], note="PostgreSQL says S to the SSLRequest, TLS 1.2 follows in the same stream, psql ends with an encrypted alert", **CLEAN)]


@scenario("tls-interception", ext="pcapng", needs=["go", "java"])
def interception(lab):
    lab.net.start("s", f"{SCRATCH}/peer", "serve", "-addr", "10.30.0.2:443", "-cert", f"{lab.pki}/inspect.pem", "-max", "1.2", ready=443)
    lab.net.start("s", f"{SCRATCH}/peer", "serve", "-addr", "10.30.0.11:443", "-cert", f"{lab.pki}/inspect2.pem", "-max", "1.2", ready=443)
    time.sleep(0.3)
    with lab.tap():
        lab.java("url", "https://api.example.com/")
        time.sleep(0.2)
        lab.curl("https://www.example.org/", "--resolve", "www.example.org:443:10.30.0.11")
    fault = dict(phase="handshake", fault=["proxy", "client"], never=["server", "network"])
    return [
        T(["tls-interception", "certificate-untrusted"], "fatal_alert", "client", (False, False), note="TLS 1.2, Java: the certificate for api.example.com is signed by an inspection product's root (Zscaler) that Java's store lacks", **fault),
        T(["tls-interception", "certificate-untrusted"], "fatal_alert", "client", (False, False), note="curl, another domain (www.example.org) with the same issuer", **fault),
    ]


@scenario("tls-interception", near=True, ext="pcapng", needs=["go"])
def interception_near(lab):
    lab.goserve("-max", "1.2", cert="corp")
    with lab.tap():
        lab.goget("https://git.corp.example/")
    return [T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server", "client", "undetermined"], ["proxy", "network"], note="TLS 1.2: git.corp.example has a certificate of the company's own root, which this Go client does not have: a private CA alone is no interception")]


@scenario("backend-down-behind-proxy", ext="pcapng", needs=["haproxy", "java"])
def backend_down(lab):
    lab.haproxy("defaults\n mode tcp\n timeout client 10s\n timeout server 10s\n timeout connect 2s\n retries 3\nfrontend f\n bind :443\n default_backend b\nbackend b\n server one 10.30.0.2:9443\n")
    with lab.tap():
        lab.java("socket", "https://api.example.com/small")
    return [T(["backend-down-behind-proxy", "server-closed-in-handshake"], "fin", "server", (False, False), "client_hello", ["undetermined", "server", "proxy"], ["client", "network"], by_also=["proxy"], note="haproxy in TCP mode, its backend's port is closed: the ClientHello is acknowledged, three tries a second apart, then FIN without a byte. Java: SSL peer shut down incorrectly")]


@scenario("backend-down-behind-proxy", near=True, ext="pcapng", needs=["go"])
def backend_down_near(lab):
    lab.serve(lambda sock: slowly_closed(sock, 0.37))
    with lab.tap():
        lab.goget("https://api.example.com/small")
    return [T("server-closed-in-handshake", "fin", "server", (False, False), "client_hello", ["server", "undetermined"], ["client", "network"], note="the server reads the ClientHello and closes 0.37 s later: no pause of a load balancer's retries")]


@scenario("proxy-tunnel-cut", needs=["squid", "go"])
def tunnel_cut(lab):
    child = squid(lab, "http_access allow all")
    lab.goserve("-keys", lab.keys)
    with lab.tap(tail=0.8):
        curl = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--cacert", lab.ca, *PROXY, "--http1.1", "https://api.example.com/stream")
        time.sleep(1.0)
        lab.net.kill(child)
        curl.wait(10)
    return [T(["proxy-tunnel-cut", "server-closed-without-close-notify"], "fin", "proxy", (True, False), "established", ["proxy", "undetermined"], ["client", "server", "network"], by_also=["server"], ending_also=["rst"], note="squid is killed in the middle of a download through its tunnel: its kernel closes the client's connection, the server inside never said a word of goodbye")]


@scenario("proxy-tunnel-cut", near=True, needs=["squid", "nginx"])
def tunnel_cut_near(lab):
    squid(lab, "http_access allow all")
    lab.nginx()
    with lab.tap():
        lab.curl("https://api.example.com/medium", *PROXY, "--ignore-content-length", "-H", "Connection: close")
    return [T("clean-close", "close_notify", "server", (True, True), by_also=["client", "proxy"], note="through the tunnel the server says close_notify when the answer is complete; the proxy's FIN only passes the end on", **CLEAN)]
