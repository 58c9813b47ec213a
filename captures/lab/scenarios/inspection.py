"""Boxes that open TLS: mitmproxy as a proxy that is configured, sslsplit on the way."""
import time

import net
from lab import SCRATCH, T, scenario
from pki import STRANGERS

CLEAN = dict(phase="established", fault="none")
REJECTED = dict(fault=["proxy", "client", "undetermined"], never=["server", "network"])
PROXY = ("-x", "http://proxy.example.com:8080")


def mitmproxy(lab):
    """mitmproxy on the proxy host, with a root of its own making; returns the program and that root."""
    home = f"{SCRATCH}/mitmproxy"
    net.sh("rm", "-rf", home)
    child = lab.net.start("p", "mitmdump", "--listen-port", "8080", "--set", f"confdir={home}", "--set", f"ssl_verify_upstream_trusted_ca={lab.ca}", env={"MITMPROXY_SSLKEYLOGFILE": lab.keys}, ready=8080)
    return child, f"{home}/mitmproxy-ca-cert.pem"


def sslsplit(lab):
    """sslsplit on the near router, with the company's root; everything to port 443 goes through it."""
    lab.net.nft("r1", "table ip nat { chain p { type nat hook prerouting priority -100;\n iifname c0 tcp dport 443 redirect to :8443\n }\n}\n")
    return lab.net.start("r1", "sslsplit", "-D", "-u", "root", "-M", lab.keys, "-k", f"{lab.pki}/officeca.key", "-c", f"{lab.pki}/officeca.crt", "ssl", "10.20.0.1", "8443", ready=8443)


@scenario("tls-interception", also="mitmproxy", ext="pcapng", needs=["mitmdump", "nginx", "java"])
def refused(lab):
    lab.nginx()
    mitmproxy(lab)
    with lab.tap():
        lab.curl("https://api.example.com/small", *PROXY, "--tls-max", "1.2")
        time.sleep(0.2)
        lab.curl("https://api.example.com/small", *PROXY)
        time.sleep(0.2)
        lab.java("url", "https://api.example.com/small", options=("-Dhttps.proxyHost=proxy.example.com", "-Dhttps.proxyPort=8080"))
    return [
        T(["tls-interception", "certificate-untrusted"], "fatal_alert", "client", (False, False), "handshake", note="TLS 1.2, curl: mitmproxy makes up a certificate for api.example.com, its root is not in curl's store: alert 48", **REJECTED),
        T(["tls-interception", "certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", note="TLS 1.3, curl: the same", **REJECTED),
        T(["tls-interception", "certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", note="TLS 1.3, Java: the same, with an encrypted alert 46", **REJECTED),
    ]


@scenario("tls-interception", also="mitmproxy", near=True, ext="pcapng", needs=["mitmdump", "nginx", "go"])
def accepted(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl; CERT }} server {{ listen 9443 ssl; ssl_certificate {lab.pki}/expired.crt; ssl_certificate_key {lab.pki}/expired.key; }}")
    lab.goserve("-keys", lab.keys, port=8443)
    _, root = mitmproxy(lab)
    with lab.tap(tail=0.8):
        lab.curl("https://api.example.com/small", *PROXY, "--cacert", root)
        time.sleep(0.2)
        lab.curl("https://api.example.com:9443/small", *PROXY, "--cacert", root, "--tls-max", "1.2", "--http1.1")
        time.sleep(0.2)
        lab.curl("https://api.example.com:8443/panic", *PROXY, "--cacert", root, "--tls-max", "1.2", "--http1.1")
    return [
        T("clean-close", "close_notify", "client", (True, False), note="the client knows mitmproxy's root, and is served through it", **CLEAN),
        T("clean-close", "close_notify", "client", (True, False), note="the server's certificate has expired: mitmproxy does not trust it and says so in an answer of its own (502), inside TLS", **CLEAN),
        T("clean-close", "close_notify", "client", (True, False), note="the server aborts its answer: mitmproxy answers 502 in its place", **CLEAN),
    ]


@scenario("proxy-tunnel-cut", also="mitmproxy", needs=["mitmdump", "go"])
def killed(lab):
    lab.goserve("-keys", lab.keys)
    child, root = mitmproxy(lab)
    with lab.tap(tail=0.8):
        curl = lab.net.start("c", "curl", "-sS", "-o", "/dev/null", "--cacert", root, *PROXY, "--http1.1", "https://api.example.com/stream", env={"SSLKEYLOGFILE": lab.keys})
        time.sleep(4.0)
        lab.net.kill(child)
        curl.wait(10)
    return [
        T(["proxy-tunnel-cut", "server-closed-without-close-notify", "client-gave-up-waiting", "server-unresponsive"], "fin", "proxy", (True, False), "established", ["proxy", "undetermined"], ["client", "server", "network"], by_also=["server"], ending_also=["rst"], note="mitmproxy, which holds an answer back until it is whole, is killed while it waits for the rest")
    ]


@scenario("tls-interception", also="sslsplit", ext="pcapng", needs=["sslsplit", "nginx", "java"])
def split(lab):
    lab.nginx(servers=f"server {{ listen 443 ssl default_server; CERT }} server {{ listen 443 ssl; server_name www.example.org; ssl_certificate {lab.pki}/public.crt; ssl_certificate_key {lab.pki}/public.key; }}")
    sslsplit(lab)
    with lab.tap():
        lab.curl("https://api.example.com/small", "--tls-max", "1.2")
        time.sleep(0.2)
        lab.curl("https://www.example.org/small", "--resolve", "www.example.org:443:10.30.0.11", "--tls-max", "1.2")
        time.sleep(0.2)
        lab.curl("https://bank.example.net/small", "--resolve", "bank.example.net:443:10.30.0.12", "--tls-max", "1.2")
        time.sleep(0.2)
        lab.curl("https://api.example.com/small")
        time.sleep(0.2)
        lab.java("socket", "https://api.example.com/small", "TLSv1.2")
    causes = ["tls-interception", "certificate-untrusted"]
    hidden = [*causes, "certificate-rejected"]
    return [
        T(causes, "fatal_alert", "client", (False, False), "handshake", note="TLS 1.2, curl to api.example.com: sslsplit on the near router makes up a certificate, signed by a root of the office that curl does not have: alert 48", **REJECTED),
        T(causes, "fatal_alert", "client", (False, False), "handshake", note="the same for www.example.org at another address", **REJECTED),
        T(causes, "fatal_alert", "client", (False, False), "handshake", note="and for bank.example.net: one private issuer for domains that have nothing to do with each other", **REJECTED),
        T(hidden, "fatal_alert", "client", (False, False), "handshake", note="TLS 1.3, curl: the same, the certificate encrypted", **REJECTED),
        T(causes, "fatal_alert", "client", (False, False), "handshake", note="TLS 1.2, Java: the same, alert 46", **REJECTED),
    ]


@scenario("tls-interception", also="sslsplit", near=True, ext="pcapng", needs=["sslsplit", "nginx"])
def split_accepted(lab):
    child = lab.nginx()
    sslsplit(lab)
    with lab.tap():
        root = ("--cacert", f"{lab.pki}/officeca.crt")
        lab.curl("https://api.example.com/small", *root)
        time.sleep(0.2)
        lab.curl("https://api.example.com/medium", *root, "--tls-max", "1.2")
        time.sleep(0.2)
        lab.net.kill(child)
        lab.curl("https://api.example.com/small", *root)
    return [
        T("clean-close", "close_notify", "client", (True, True), by_also=["server", "proxy"], note="the client has the office's root and is served through sslsplit, TLS 1.3", **CLEAN),
        T("clean-close", "close_notify", "client", (True, True), by_also=["server", "proxy"], note="the same with TLS 1.2", **CLEAN),
        T(["server-closed-in-handshake", "backend-down-behind-proxy", "server-reset-in-handshake"], "fin", "proxy", (False, False), "client_hello", ["undetermined", "server", "proxy"], ["client", "network"], by_also=["server"], ending_also=["rst"], note="the server behind it is down: sslsplit, which had accepted in its name, closes after the ClientHello without a byte"),
    ]


def strangers(lab, certificates, port=443):
    """A server at an address of its own for each of the domains, with that certificate."""
    place = zip(("10.30.0.11", "10.30.0.12", "10.30.0.13"), certificates)
    return "".join(f"server {{ listen {address}:{port} ssl; ssl_certificate {lab.pki}/{name}.crt; ssl_certificate_key {lab.pki}/{name}.key; }} " for address, name in place)


def visit(lab, *args, port=443):
    """One request to each of them."""
    for address, domain in zip(("10.30.0.11", "10.30.0.12", "10.30.0.13"), STRANGERS.values()):
        lab.curl(f"https://www.{domain}:{port}/small", "--resolve", f"www.{domain}:{port}:{address}", "--tls-max", "1.2", *args)
        time.sleep(0.2)


@scenario("tls-interception", also="one-key", needs=["sslsplit", "nginx"])
def one_key(lab):
    lab.nginx(servers=strangers(lab, STRANGERS))
    sslsplit(lab)
    with lab.tap():
        visit(lab)
        visit(lab, "--cacert", f"{lab.pki}/officeca.crt")
    return [
        T("tls-interception", "fatal_alert", "client", (False, False), "handshake", note=f"sslsplit makes up a certificate for www.{domain}, signed by a root that curl does not have, with the key that it uses for all: the same for {len(STRANGERS)} domains that have nothing to do with each other", **REJECTED)
        for domain in STRANGERS.values()
    ] + [
        T("clean-close", "close_notify", "client", (True, True), by_also=["server", "proxy"], tested="clean-close", note=f"www.{domain}, from a client that knows that root: served through the box", **CLEAN)
        for domain in STRANGERS.values()
    ]


@scenario("tls-interception", also="one-key", near=True, needs=["nginx"])
def own_ca(lab):
    own = [f"own-{name}" for name in STRANGERS]
    lab.nginx(servers=strangers(lab, own) + strangers(lab, ["all"] * 3, 8443))
    with lab.tap():
        visit(lab)
        visit(lab, port=8443)
    untrusted = dict(fault=["server", "client", "undetermined"], never=["proxy", "network"])
    return [
        T("certificate-untrusted", "fatal_alert", "client", (False, False), "handshake", note=f"www.{domain} itself, with a certificate of a CA that curl does not know; so are those of the other two, each with a key of its own: a company's CA", **untrusted)
        for domain in STRANGERS.values()
    ] + [
        T("certificate-untrusted", "fatal_alert", "client", (False, False), "handshake", note=f"www.{domain} on another port: one certificate for all three domains, and so one key", **untrusted)
        for domain in STRANGERS.values()
    ]
