"""The laboratory's network: namespaces, two routers, a bridge that can misbehave, and tcpdump.

    client --- r1 === bridge === r2 --- server          proxy hangs off r1
    10.20.0.2  .1   (delay, faults)  .1   10.30.0.2      10.22.0.2

A packet crosses two routers, so what an endpoint sends arrives with TTL 62, what r2 sends with 63 and what r1 sends with 64.
The bridge copies frames between the routers in user space; it delays each one and a scenario may hang a hook into it.
"""
import ctypes
import heapq
import os
import selectors
import signal
import socket
import struct
import subprocess
import threading
import time

PREFIX = "who-"
HOSTS = {
    "10.30.0.2": "api.example.com www.example.com",
    "10.30.0.11": "shop.example.com",
    "10.30.0.12": "pay.example.com",
    "10.30.0.13": "files.example.com",
    "10.30.0.14": "db.example.com",
    "10.30.0.15": "mail.example.com",
    "10.30.0.16": "old.example.com",
    "10.30.0.17": "login.example.com",
    "10.30.0.18": "git.corp.example",
    "10.30.0.19": "down.example.com",
    "10.22.0.2": "proxy.example.com",
}
C, S, P = "10.20.0.2", "10.30.0.2", "10.22.0.2"
_libc = ctypes.CDLL(None, use_errno=True)


def sh(*args, check=True, quiet=True):
    """Runs a command and returns its output."""
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if quiet else None, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(args)}: {done.stdout}")
    return done.stdout


def ns(name):
    """The full name of a namespace."""
    return PREFIX + name


def ip(name, *args, check=True):
    """`ip` in a namespace."""
    return sh("ip", "-n", ns(name), *args, check=check)


def inside(name, work):
    """Calls work() in a thread that lives in the namespace; sockets made there stay there."""
    result = {}

    def run():
        with open(f"/run/netns/{ns(name)}") as where:
            if _libc.setns(where.fileno(), 0x40000000):
                result["error"] = OSError(ctypes.get_errno(), "setns")
                return
        try:
            result["value"] = work()
        except BaseException as error:  # handed to the caller below
            result["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "error" in result:
        raise result["error"]
    return result.get("value")


class Bridge:
    """Copies frames between the two routers. hook(way, frame) -> list of (extra delay, frame), or None for as it is.

    way is "up" (from the client's side) or "down"."""

    def __init__(self):
        self.delay = 0.006
        self.hook = None
        self.stop = False
        self.socks = {}
        for way, name in (("up", "b1"), ("down", "b2")):
            self.socks[way] = inside("m", lambda name=name: self._open(name))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _open(name):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((name, 0))
        sock.setblocking(False)
        return sock

    def send(self, way, frame, after=0.0):
        """Puts a frame on the wire in that direction: for forged packets."""
        heapq.heappush(self.queue, (time.monotonic() + after, self.count, way, frame))
        self.count += 1

    def _run(self):
        self.queue, self.count = [], 0
        out = {"up": self.socks["down"], "down": self.socks["up"]}
        sel = selectors.DefaultSelector()
        for way, sock in self.socks.items():
            sel.register(sock, selectors.EVENT_READ, way)
        while not self.stop:
            wait = 0.05
            if self.queue:
                wait = max(0.0, min(wait, self.queue[0][0] - time.monotonic()))
            for key, _ in sel.select(wait):
                while True:
                    try:
                        frame, address = key.fileobj.recvfrom(70000)
                    except BlockingIOError:
                        break
                    if address[2] == socket.PACKET_OUTGOING:
                        continue
                    copies = None
                    if self.hook:
                        copies = self.hook(key.data, frame)
                    for extra, copy in [(0.0, frame)] if copies is None else copies:
                        self.send(key.data, copy, self.delay + extra)
            now = time.monotonic()
            while self.queue and self.queue[0][0] <= now:
                _, _, way, frame = heapq.heappop(self.queue)
                try:
                    out[way].send(frame)
                except OSError:
                    pass

    def close(self):
        self.stop = True
        self.thread.join()
        for sock in self.socks.values():
            sock.close()


class Tcp:
    """The headers of an Ethernet frame with IPv4 and TCP in it."""

    def __init__(self, frame):
        self.ok = len(frame) >= 54 and frame[12:14] == b"\x08\x00" and frame[23] == 6
        if not self.ok:
            return
        ihl = (frame[14] & 15) * 4
        total = struct.unpack("!H", frame[16:18])[0]
        self.t = 14 + ihl
        self.src, self.dst = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
        self.sport, self.dport, self.seq, self.ack = struct.unpack("!HHII", frame[self.t : self.t + 12])
        self.off = (frame[self.t + 12] >> 4) * 4
        self.flags = frame[self.t + 13]
        self.win = struct.unpack("!H", frame[self.t + 14 : self.t + 16])[0]
        self.data = self.t + self.off
        self.len = total - ihl - self.off
        self.payload = frame[self.data : self.data + self.len]

    syn = property(lambda self: self.ok and self.flags & 2)
    fin = property(lambda self: self.ok and self.flags & 1)
    rst = property(lambda self: self.ok and self.flags & 4)


def checksum(data):
    """The Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def fix_tcp(frame):
    """The frame with right IP and TCP checksums."""
    frame = bytearray(frame)
    ihl = (frame[14] & 15) * 4
    total = struct.unpack("!H", frame[16:18])[0]
    frame[24:26] = b"\0\0"
    frame[24:26] = struct.pack("!H", checksum(bytes(frame[14 : 14 + ihl])))
    t = 14 + ihl
    frame[t + 16 : t + 18] = b"\0\0"
    segment = bytes(frame[t : 14 + total])
    pseudo = bytes(frame[26:34]) + struct.pack("!BBH", 0, 6, len(segment))
    frame[t + 16 : t + 18] = struct.pack("!H", checksum(pseudo + segment))
    return bytes(frame)


def forge(like, flags, seq, ack, ttl=64, ident=0, window=0):
    """A bare TCP segment with the addresses of another frame (same direction), as an injecting box makes it: no options."""
    t = Tcp(like)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, ident, 0x4000, ttl, 6, 0, socket.inet_aton(t.src), socket.inet_aton(t.dst))
    tcp = struct.pack("!HHIIBBHHH", t.sport, t.dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, window, 0, 0)
    return fix_tcp(like[:14] + head + tcp)


class Net:
    """The namespaces. A new one for each scenario is not needed: reset() takes back what a scenario changed."""

    NAMES = ("c", "r1", "m", "r2", "s", "p")

    def __init__(self, scratch):
        self.scratch = scratch
        self.down(quiet=True)
        for name in self.NAMES:
            sh("ip", "netns", "add", ns(name))
            ip(name, "link", "set", "lo", "up")
        os.makedirs("/etc/netns", exist_ok=True)
        for name in ("c", "s", "p"):
            os.makedirs(f"/etc/netns/{ns(name)}", exist_ok=True)
            with open(f"/etc/netns/{ns(name)}/hosts", "w") as out:
                out.write("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for a, n in HOSTS.items()))
                out.write("fd00:30::2 six.example.com\n10.30.0.2 six.example.com\n")
        for a, ia, b, ib in (("c", "eth0", "r1", "c0"), ("r1", "m0", "m", "b1"), ("m", "b2", "r2", "m0"), ("r2", "s0", "s", "eth0"), ("r1", "p0", "p", "eth0")):
            sh("ip", "-n", ns(a), "link", "add", ia, "type", "veth", "peer", "name", ib, "netns", ns(b))
            for name, dev in ((a, ia), (b, ib)):
                sh("ip", "netns", "exec", ns(name), "sysctl", "-qw", f"net.ipv6.conf.{dev}.disable_ipv6={1 if name == 'm' else 0}", f"net.ipv6.conf.{dev}.accept_dad=0", f"net.ipv6.conf.{dev}.router_solicitations=0", check=False)
                ip(name, "link", "set", dev, "up")
                sh("ip", "netns", "exec", ns(name), "ethtool", "-K", dev, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off")
        for name, dev, addresses in (
            ("c", "eth0", ["10.20.0.2/24", "fd00:20::2/64"]),
            ("r1", "c0", ["10.20.0.1/24", "fd00:20::1/64"]),
            ("r1", "m0", ["10.21.0.1/24", "fd00:21::1/64"]),
            ("r1", "p0", ["10.22.0.1/24"]),
            ("p", "eth0", ["10.22.0.2/24"]),
            ("r2", "m0", ["10.21.0.2/24", "fd00:21::2/64"]),
            ("r2", "s0", ["10.30.0.1/24", "fd00:30::1/64"]),
            ("s", "eth0", ["10.30.0.2/24", "fd00:30::2/64"] + [f"10.30.0.{n}/24" for n in range(11, 19)]),
        ):
            for address in addresses:
                six = ["nodad"] if ":" in address else []
                ip(name, "addr", "add", address, "dev", dev, *six)
        ip("c", "route", "add", "default", "via", "10.20.0.1")
        ip("c", "-6", "route", "add", "default", "via", "fd00:20::1", check=False)
        ip("p", "route", "add", "default", "via", "10.22.0.1")
        ip("s", "route", "add", "default", "via", "10.30.0.1")
        ip("s", "-6", "route", "add", "default", "via", "fd00:30::1", check=False)
        ip("r1", "route", "add", "10.30.0.0/24", "via", "10.21.0.2")
        ip("r1", "-6", "route", "add", "fd00:30::/64", "via", "fd00:21::2", check=False)
        ip("r2", "route", "add", "default", "via", "10.21.0.1")
        ip("r2", "-6", "route", "add", "default", "via", "fd00:21::1", check=False)
        for name in ("r1", "r2"):
            sh("ip", "netns", "exec", ns(name), "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0")
        self.bridge = Bridge()
        self.children = []
        for host in (S, P):
            sh("ip", "netns", "exec", ns("c"), "ping", "-c1", "-W3", host, check=False)

    def nft(self, name, rules):
        """Loads nftables rules in a namespace."""
        done = subprocess.run(["ip", "netns", "exec", ns(name), "nft", "-f", "-"], input=rules, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def forward(self, name, *rules):
        """One filter chain on the forwarding path of a router."""
        self.nft(name, "table inet lab { chain f { type filter hook forward priority 0;\n" + "\n".join(rules) + "\n}\n}\n")

    def run(self, name, *args, timeout=60, env=None, feed=None):
        """Runs a program to its end in a namespace; returns its output."""
        full = dict(os.environ, **(env or {}))
        try:
            done = subprocess.run(["ip", "netns", "exec", ns(name), *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=None if feed is not None else subprocess.DEVNULL, input=feed, timeout=timeout, env=full, cwd=self.scratch)
            return done.stdout.decode("utf-8", "replace")
        except subprocess.TimeoutExpired as late:
            return (late.stdout or b"").decode("utf-8", "replace") + "\n(timed out)"

    def start(self, name, *args, env=None, ready=None, pipe=False):
        """Starts a program in a namespace; waits until its port listens."""
        full = dict(os.environ, **(env or {}))
        log = open(f"{self.scratch}/{os.path.basename(args[0])}.log", "ab")
        child = subprocess.Popen(["ip", "netns", "exec", ns(name), *args], stdout=log, stderr=log, stdin=subprocess.PIPE if pipe else subprocess.DEVNULL, env=full, cwd=self.scratch, start_new_session=True)
        self.children.append(child)
        if ready:
            self.wait_port(name, ready)
        return child

    def wait_port(self, name, port, seconds=20):
        """Waits until something listens on the TCP port."""
        end = time.time() + seconds
        while time.time() < end:
            if f":{port} " in sh("ip", "netns", "exec", ns(name), "ss", "-ltn"):
                return
            time.sleep(0.05)
        raise RuntimeError(f"nothing listens on {name}:{port}")

    def kill(self, child, sig=signal.SIGKILL):
        """Sends a signal to a program and all it started."""
        try:
            os.killpg(child.pid, sig)
        except ProcessLookupError:
            pass
        if sig == signal.SIGKILL:
            child.wait()

    def reset(self):
        """Back to a healthy network without programs."""
        for child in self.children:
            if child.poll() is None:
                self.kill(child, signal.SIGCONT)
                self.kill(child)
        self.children = []
        # What made a session of its own, as Postfix does, is still there
        for name in ("c", "s", "p", "r1"):
            for pid in sh("ip", "netns", "pids", ns(name), check=False).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except (ProcessLookupError, ValueError):
                    pass
        self.bridge.hook, self.bridge.delay = None, 0.006
        for name in ("c", "r1", "r2", "s", "p"):
            sh("ip", "netns", "exec", ns(name), "nft", "flush", "ruleset", check=False)
            sh("ip", "netns", "exec", ns(name), "ip", "tcp_metrics", "flush", check=False)

    def busy(self):
        """True if a socket of the last scenario still lives in a kernel: its packets would stray into the next capture."""
        for name in ("c", "s", "p"):
            for line in sh("ip", "netns", "exec", ns(name), "ss", "-Htan").splitlines():
                if line.split()[0] not in ("TIME-WAIT", "LISTEN"):
                    return True
        return False

    def down(self, quiet=False):
        """Removes everything."""
        if not quiet:
            self.reset()
            self.bridge.close()
        for name in self.NAMES:
            sh("ip", "netns", "del", ns(name), check=False)
            sh("rm", "-rf", f"/etc/netns/{ns(name)}", check=False)


class Tap:
    """tcpdump in a namespace for the length of a `with`."""

    def __init__(self, net, where, path, dev="eth0", expr="tcp or icmp or icmp6", tail=0.4, args=()):
        self.net, self.where, self.path, self.dev, self.expr, self.tail, self.args = net, where, path, dev, expr, tail, args

    def __enter__(self):
        self.child = subprocess.Popen(["ip", "netns", "exec", ns(self.where), "tcpdump", "-Z", "root", "-U", "--immediate-mode", "-i", self.dev, "-w", self.path, *self.args, self.expr], stderr=subprocess.PIPE, start_new_session=True)
        while b"listening" not in (line := self.child.stderr.readline()):
            if not line:
                raise RuntimeError("tcpdump did not start")
        return self

    def stop(self):
        if self.child.poll() is None:
            time.sleep(self.tail)
            self.child.send_signal(signal.SIGINT)
            self.child.wait()

    def __exit__(self, *_):
        self.stop()
