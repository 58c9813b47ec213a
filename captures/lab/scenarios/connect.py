"""Connections that never came up."""
import time

from lab import T, fetch, read_answer, request, reset, scenario

NEVER = dict(phase="connecting")
CLEAN = dict(phase="established", fault="none")


@scenario("connection-refused", needs=["nginx"])
def refused(lab):
    lab.nginx()
    with lab.tap():
        lab.curl("https://api.example.com/small")
        time.sleep(0.2)
        lab.curl("https://api.example.com:9443/")
    return [
        T("clean-close", "close_notify", "client", (True, False), note="a good session with the same host, to compare with", tested="clean-close", **CLEAN),
        T("connection-refused", "no_connection", "server", (False, False), fault=["undetermined", "server"], never=["client", "network"], by_also=["proxy"], note="nothing listens on 9443: the host's kernel answers the SYN with RST (TTL as in the session before)", **NEVER),
    ]


@scenario("connection-refused", near=True)
def refused_near(lab):
    def handler(sock):
        time.sleep(0.02)
        reset(sock)

    lab.serve(handler)
    with lab.tap():
        lab.curl("https://api.example.com/")
    return [
        T("server-reset-in-handshake", "rst", "server", (False, False), "client_hello", ["server", "undetermined"], ["client", "network"], phase_also=["connecting"], note="the connection came up (SYN-ACK) and was reset by the application right after accept(): not refused"),
    ]


@scenario("connection-timeout", needs=["nginx"])
def timeout(lab):
    lab.nginx()
    lab.net.forward("r2", "tcp dport 443 ip daddr 10.30.0.2 tcp flags syn drop")
    with lab.tap():
        lab.curl("https://api.example.com/", "--connect-timeout", "8")
    return [
        T("connection-timeout", "no_connection", "nobody", (False, False), fault=["undetermined"], never=["client", "server", "network", "proxy"], by_also=["client", "proxy", "network"], ending_also=["stall"], note="a router drops the SYN without a word; curl gives up after 8 s. From here a dead host or a full queue looks the same", **NEVER),
    ]


@scenario("connection-timeout", near=True, needs=["nginx"])
def timeout_near(lab):
    import net

    lab.nginx()
    count = []

    def lose_two(way, frame):
        t = net.Tcp(frame)
        if t.ok and t.syn and way == "up" and len(count) < 2:
            count.append(1)
            return []
        return None

    lab.net.bridge.hook = lose_two
    with lab.tap():
        lab.curl("https://api.example.com/small")
    return [T("clean-close", "close_notify", "client", (True, False), note="two SYNs are lost, the third is answered and all goes well", **CLEAN)]


@scenario("firewall-rejected", ext="pcapng")
def firewall(lab):
    lab.net.forward("r1", "tcp dport 443 reject with icmp admin-prohibited")
    with lab.tap():
        lab.curl("https://api.example.com/", "--connect-timeout", "5")
    return [
        T("firewall-rejected", "no_connection", "proxy", (False, False), fault=["proxy"], never=["client", "server", "network"], by_also=["nobody"], note="the router 10.20.0.1 (nftables reject) answers with ICMP administratively prohibited", **NEVER),
    ]


@scenario("firewall-rejected", near=True, ext="pcapng", needs=["nginx"])
def firewall_near(lab):
    import net

    lab.nginx()
    net.ip("r2", "link", "set", "s0", "mtu", "1400")
    try:
        with lab.tap():
            tls = lab.client(version="1.3")
            fetch(tls, "/small", more="Cookie: " + "c" * 5000 + "\r\n")
            tls.setblocking(False)
            try:
                tls.unwrap()
            except OSError:
                pass
            time.sleep(0.2)
            tls.close()
    finally:
        net.ip("r2", "link", "set", "s0", "mtu", "1500")
        net.sh("ip", "netns", "exec", net.ns("c"), "ip", "route", "flush", "cache")
    return [T("clean-close", "close_notify", "client", (True, False), note="ICMP fragmentation needed from a router, smaller segments follow: path MTU discovery at work, no firewall", **CLEAN)]


@scenario("unreachable")
def unreachable(lab):
    with lab.tap():
        lab.curl("https://down.example.com/", "--connect-timeout", "8")
    time.sleep(3.5)  # the ARP for the last SYN fails later: that error must not stray into the next capture
    return [
        T("unreachable", "no_connection", "nobody", (False, False), fault=["network", "undetermined"], never=["client", "proxy"], note="no host has the address 10.30.0.19: the last router's ARP fails and it answers ICMP host unreachable", **NEVER),
    ]


@scenario("unreachable", near=True, needs=["nginx"])
def unreachable_near(lab):
    import net

    lab.nginx()
    with lab.tap():
        tls = lab.client(version="1.2")
        fetch(tls, "/small")
        net.ip("r1", "route", "replace", "unreachable", "10.30.0.0/24")
        tls.sendall(request("/small"))
        time.sleep(0.5)
        net.ip("r1", "route", "replace", "10.30.0.0/24", "via", "10.21.0.2")
        read_answer(tls)
        tls.setblocking(False)
        try:
            tls.unwrap()
        except OSError:
            pass
        time.sleep(0.2)
        tls.close()
    return [T("clean-close", "close_notify", "client", (True, False), note="a route flaps in mid-session: ICMP host unreachable to two packets, then the retransmission gets through and the session ends well", **CLEAN)]
