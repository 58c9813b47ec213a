"""rustls at both ends, and what it does when things go wrong."""
import time

from lab import SCRATCH, T, scenario

CLEAN = dict(phase="established", fault="none")
SERVER = dict(phase="established", fault=["server"], never=["client", "proxy", "network"])


def get(lab, version, how="polite", name="api.example.com", port=443, path="/small", ca=None):
    """The rustls client: one request, and an end in that way."""
    lab.say("rustls:", lab.net.run("c", f"{SCRATCH}/rustls-peer", "get", name, str(port), path, ca or lab.ca, version, how, env={"SSLKEYLOGFILE": lab.keys}))
    time.sleep(0.2)


def serve(lab, version, port=443, root=None):
    """The rustls server; with a root it demands client certificates."""
    return lab.net.start("s", f"{SCRATCH}/rustls-peer", "serve", str(port), f"{lab.pki}/server.pem", version, *([root] if root else []), env={"SSLKEYLOGFILE": lab.keys}, ready=port)


@scenario("clean-close", also="rustls", needs=["rustls-peer", "nginx"])
def polite(lab):
    lab.nginx()
    serve(lab, "1.2", port=8443)
    serve(lab, "1.3", port=9443)
    with lab.tap():
        get(lab, "1.3")
        lab.curl("https://api.example.com:8443/")
        lab.curl("https://api.example.com:9443/")
        get(lab, "1.2", "drop")
        get(lab, "1.3", "drop", port=9443, path="/")
    return [
        T("clean-close", "close_notify", "client", (True, False), note="a rustls client over TLS 1.3 calls send_close_notify(); nginx closes bare, as it always does after that", **CLEAN),
        T("clean-close", "close_notify", "client", (True, True), note="curl and a rustls server, TLS 1.2", **CLEAN),
        T("clean-close", "close_notify", "client", (True, True), note="curl and a rustls server, TLS 1.3", **CLEAN),
        T("client-closed-without-close-notify", "fin", "client", (False, False), tested="client-closed-without-close-notify", note="TLS 1.2: a rustls client drops its stream after a whole answer: a bare FIN, and nginx closes too", **CLEAN),
        T("client-closed-without-close-notify", "fin", "client", (False, False), tested="client-closed-without-close-notify", note="TLS 1.3: the same at a rustls server, which reports an unexpected end and closes bare too", **CLEAN),
    ]


@scenario("server-closed-without-close-notify", also="rustls", needs=["rustls-peer"])
def dropped(lab):
    serve(lab, "1.3")
    serve(lab, "1.2", port=8443)
    with lab.tap():
        get(lab, "1.3", path="/fail")
        lab.curl("https://api.example.com:8443/fail")
    note = "a rustls server's handler returns an error after 5000 of 12000 promised bytes and so drops the stream, which says no close_notify"
    return [
        T("server-closed-without-close-notify", "fin", "server", (False, False), note=f"TLS 1.3, rustls client (peer closed connection without sending TLS close_notify): {note}", **SERVER),
        T("server-closed-without-close-notify", "fin", "server", (True, False), note=f"TLS 1.2, curl: {note}", **SERVER),
    ]


@scenario("certificate-rejected", also="rustls", needs=["rustls-peer", "nginx"])
def rejected(lab):
    lab.nginx(servers="".join(f"server {{ listen {port} ssl; ssl_certificate {lab.pki}/{name}.crt; ssl_certificate_key {lab.pki}/{name}.key; }}\n" for port, name in ((443, "untrusted"), (8443, "expired"), (9443, "wrong"))))
    with lab.tap():
        for version in ("1.2", "1.3"):
            for port in (443, 8443, 9443):
                get(lab, version, port=port)
    told = []
    for version in ("1.2, alert in clear", "1.3, alert encrypted"):
        for causes, fault, what in (
            (["certificate-untrusted", "certificate-rejected"], ["server", "client", "undetermined"], "UnknownIssuer, alert 48: the client has another root"),
            (["certificate-expired", "certificate-rejected"], ["server", "undetermined"], "certificate expired, alert 45"),
            (["certificate-rejected"], ["server", "client", "undetermined"], "certificate not valid for name, alert 42"),
        ):
            told.append(T(causes, "fatal_alert", "client", (False, False), "handshake", fault, ["proxy", "network"], tested=causes[0], note=f"rustls client, TLS {version}: {what}"))
    return told


@scenario("client-certificate-required", also="rustls", needs=["rustls-peer"])
def mtls(lab):
    serve(lab, "1.3", root=lab.ca)
    serve(lab, "1.2", port=8443, root=lab.ca)
    with lab.tap():
        lab.curl("https://api.example.com/")
        get(lab, "1.3", path="/")
        get(lab, "1.2", port=8443, path="/")
    fault = dict(fault=["client"], never=["proxy", "network"], ending_also=["rst"])
    return [
        T("client-certificate-required", "fatal_alert", "server", (False, False), "established", phase_also=["handshake"], note="TLS 1.3: a rustls server wants a certificate, curl has none: alert 116", **fault),
        T("client-certificate-required", "fatal_alert", "server", (False, False), "established", phase_also=["handshake"], note="TLS 1.3: the same with a rustls client, which sends its empty Certificate and its Finished in one record", **fault),
        T("client-certificate-required", "fatal_alert", "server", (False, False), "handshake", note="TLS 1.2: the same, in clear", **fault),
    ]


@scenario("server-not-tls", also="rustls", needs=["rustls-peer", "nginx"])
def not_tls(lab):
    lab.nginx(servers="server { listen 443; }")
    with lab.tap():
        get(lab, "1.3")
    return [
        T("server-not-tls", "fatal_alert", "client", (False, False), "client_hello", ["undetermined", "server", "client"], ["proxy", "network"], by_also=["server"], ending_also=["fin"], note="rustls meets plain HTTP: nginx answers 400 in clear and closes, rustls reports a corrupt message")
    ]
