#!/usr/bin/env python3
"""Rebuilds captures/: every scenario makes one capture and says what is true in it. See run.sh."""
import fcntl
import gc
import glob
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
CAPTURES = os.path.dirname(HERE)
SCRATCH = "/tmp/whohungup-lab"
sys.path.insert(0, HERE)

import check  # noqa: E402
import net  # noqa: E402
import pki  # noqa: E402

SCENARIOS = []
ALL = ["client", "server", "proxy", "network"]


def scenario(cause, near=False, ext="pcap", needs=(), name=None, where="c", also=None, patterns=()):
    """Marks a function as the maker of captures/<cause>[--<also>][--near-miss].<ext>.

    patterns: what its sessions show together: (kind, streams, acceptable faults) each; nothing else may be found.
    """

    def mark(make):
        title = name or cause + (f"--{also}" if also else "") + ("--near-miss" if near else "")
        SCENARIOS.append({"cause": cause, "near": near, "ext": ext, "needs": needs, "name": title, "make": make, "where": where, "patterns": patterns})
        return make

    return mark


def T(cause, ending, by, cn, phase, fault, never=None, note="", ending_also=(), by_also=(), phase_also=(), vantage=None, tested=None, near_of=None, unreadable=False):
    """The truth of one session. Lists are best answer first. Whom a verdict must not name is, unless said, whoever is not in fault."""
    fault = [fault] if isinstance(fault, str) else list(fault)
    truth = {
        "ending": ending,
        "ending_also": list(ending_also),
        "closed_by": by,
        "closed_by_also": list(by_also),
        "close_notify": {"client": cn[0], "server": cn[1]},
        "phase": phase,
        "phase_also": list(phase_also),
        "fault": fault,
        "never_blame": [side for side in ALL if side not in fault] if never is None else list(never),
        "cause": [cause] if isinstance(cause, str) else list(cause),
        "note": note,
        "_vantage": vantage,
        "_tested": tested,
        "_near_of": near_of,
    }
    if unreadable:  # the capture is damaged on purpose: tshark cannot confirm what is in it
        truth["unreadable"] = True
    return truth


class Lab:
    """What a scenario may use."""

    def __init__(self):
        self.net = net.Net(SCRATCH)
        self.pki = f"{SCRATCH}/pki"
        self.ca = f"{self.pki}/ca.crt"
        self.servers = []
        self.log = []

    # Captures

    def begin(self, item):
        self.item = item
        self.raw = f"{SCRATCH}/out.{item['ext']}"
        self.keys = f"{SCRATCH}/out.keys"
        for path in (self.raw, self.keys):
            if os.path.exists(path):
                os.remove(path)
        self.log = []

    def tap(self, where=None, path=None, **more):
        """tcpdump for the length of a `with`, at the scenario's vantage."""
        return net.Tap(self.net, where or self.item["where"], path or self.raw, **more)

    def say(self, *words):
        """Notes what a program printed, shown with -v."""
        self.log.append(" ".join(str(w).strip() for w in words))

    # Programs

    def curl(self, url, *args, env=None):
        out = self.net.run("c", "curl", "-sS", "-o", "/dev/null", "--cacert", self.ca, *args, url, env={"SSLKEYLOGFILE": self.keys, **(env or {})})
        self.say("curl:", out)
        return out

    def java(self, mode, url, version="-", timeout=20000, ca=None, options=()):
        out = self.net.run("c", "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *options, "-cp", SCRATCH, "Peer", mode, ca or self.ca, url, version, str(timeout))
        self.say("java:", out)
        return out

    def goget(self, url, *args):
        out = self.net.run("c", f"{SCRATCH}/peer", "get", "-ca", self.ca, "-keys", self.keys, "-url", url, *args)
        self.say("go:", out)
        return out

    def goserve(self, *args, cert="server", port=443):
        return self.net.start("s", f"{SCRATCH}/peer", "serve", "-addr", f":{port}", "-cert", f"{self.pki}/{cert}.pem", "-ca", self.ca, *args, ready=port)

    def node(self, code, *args, where="c", background=False, ready=None):
        path = f"{SCRATCH}/node-{abs(hash(code))}.js"
        with open(path, "w") as out:
            out.write(code)
        command = ["node", f"--tls-keylog={self.keys}", path, *args]
        env = {"NODE_EXTRA_CA_CERTS": self.ca, "PKI": self.pki}
        if background:
            return self.net.start(where, *command, env=env, ready=ready)
        out = self.net.run(where, *command, env=env)
        self.say("node:", out)
        return out

    def nginx(self, servers=None, extra="", main="", ready=443):
        """nginx with the given server blocks; without any, one that serves small and large files."""
        web = f"{SCRATCH}/www"
        cert = f"ssl_certificate {self.pki}/server.crt; ssl_certificate_key {self.pki}/server.key;"
        text = servers or "server { listen 443 ssl; %s %s }" % (cert, extra)
        conf = f"""daemon off; pid {SCRATCH}/nginx.pid; error_log {SCRATCH}/nginx.err info; worker_processes 1; user root; {main}
events {{}}
http {{ access_log off; root {web}; ssl_protocols TLSv1.2 TLSv1.3; client_body_temp_path {SCRATCH}/nb; proxy_temp_path {SCRATCH}/np; fastcgi_temp_path {SCRATCH}/nf; uwsgi_temp_path {SCRATCH}/nu; scgi_temp_path {SCRATCH}/ns;
{text.replace("CERT", cert)} }}
"""
        path = f"{SCRATCH}/nginx.conf"
        with open(path, "w") as out:
            out.write(conf)
        return self.net.start("s", "nginx", "-c", path, ready=ready)

    def haproxy(self, text, where="s", ready=443):
        path = f"{SCRATCH}/haproxy.cfg"
        with open(path, "w") as out:
            out.write("global\n  maxconn 100\n" + text)
        return self.net.start(where, "haproxy", "-db", "-f", path, ready=ready)

    # Scripted ends: a real OpenSSL, through Python's ssl module, and the kernel's own close

    def context(self, server=True, cert="server", version=None, keylog=True, verify=True):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        if server:
            ctx.load_cert_chain(f"{self.pki}/{cert}.pem")
        else:
            ctx.load_verify_locations(self.ca)
            if not verify:
                ctx.check_hostname = False
                ctx.verify_mode = ssl.CERT_NONE
        if version:
            ctx.minimum_version = ctx.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        if keylog:
            ctx.keylog_filename = self.keys
        return ctx

    def serve(self, handler, port=443, address="0.0.0.0", where="s", backlog=16):
        """Accepts connections in a namespace and gives each to handler(socket) in a thread."""

        def listen():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address, port))
            sock.listen(backlog)
            return sock

        sock = net.inside(where, listen)
        self.servers.append(sock)

        def one(conn):
            try:
                handler(conn)
            except (OSError, ssl.SSLError, ValueError) as error:
                self.say("server:", repr(error))
            finally:
                try:
                    conn.close()
                except OSError:
                    pass

        def loop():
            while True:
                try:
                    conn, _ = sock.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(conn,), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()
        return sock

    def connect(self, address="10.30.0.2", port=443, where="c", timeout=20):
        """A TCP connection made in a namespace."""

        def dial():
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            sock.settimeout(timeout)
            sock.connect((address, port))
            return sock

        return net.inside(where, dial)

    def client(self, name="api.example.com", version=None, ctx=None, timeout=20, address="10.30.0.2", port=443, where="c"):
        """A TLS connection made by Python."""
        ctx = ctx or self.context(server=False, version=version)
        return ctx.wrap_socket(self.connect(address, port, where, timeout), server_hostname=name)

    def ask(self, tls, path="/small"):
        """One request that may fail."""
        try:
            fetch(tls, path)
        except (OSError, IndexError) as error:
            self.say(error)

    def wait(self, tls):
        """Waits for what the other side does next: some data, or its end."""
        try:
            tls.recv(100)
        except OSError as error:
            self.say(error)

    def drain(self, tls):
        """Reads to the end, whatever it is."""
        try:
            while tls.recv(65536):
                pass
        except OSError as error:
            self.say(error)

    def end(self):
        for sock in self.servers:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        self.servers = []
        self.net.reset()
        gc.collect()
        if self.net.busy():
            self.net.down()
            self.net = net.Net(SCRATCH)


def reset(sock):
    """Closes with a RST, whatever is unread."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(tls):
    """Sends close_notify and goes on reading: what a half-close is in TLS 1.3. Python only has the duplex unwrap(), so it is asked without waiting."""
    tls.setblocking(False)
    try:
        tls.unwrap()
    except OSError:
        pass
    tls.setblocking(True)


def leave(tls, after=0.1):
    """Says close_notify, gives the other side a moment and closes."""
    half_close(tls)
    time.sleep(after)
    tls.close()


def request(path="/", host="api.example.com", more=""):
    """An HTTP/1.1 request."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


def answer(body, length=None, more=""):
    """An HTTP/1.1 answer; length overrides what Content-Length claims."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body


def read_answer(sock):
    """Reads one answer with Content-Length, whole or until the end."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(65536)
        if not piece:
            return got
        got += piece
    head, body = got.split(b"\r\n\r\n", 1)
    want = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < want:
        piece = sock.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def fetch(tls, *args, **more):
    """One request, and its answer."""
    tls.sendall(request(*args, **more))
    return read_answer(tls)


def staggered(apart, target, arguments):
    """Threads that do so with each of these arguments, started one after the other."""
    threads = []
    for args in arguments:
        threads.append(threading.Thread(target=target, args=args))
        threads[-1].start()
        time.sleep(apart)
    return threads


def streams(path):
    """(client, server) of each TCP stream, in tshark's order; the side with the lower port is the server."""
    out = subprocess.run(
        ["tshark", "-r", path, "-Y", "tcp and not icmp and not icmpv6", "-T", "fields", "-E", "occurrence=f", "-e", "tcp.stream", "-e", "ip.src", "-e", "ipv6.src", "-e", "tcp.srcport", "-e", "ip.dst", "-e", "ipv6.dst", "-e", "tcp.dstport", "-e", "tcp.flags"],
        capture_output=True,
        text=True,
    ).stdout
    seen = {}
    for line in out.splitlines():
        number, s4, s6, sport, d4, d6, dport, flags = line.split("\t")
        if int(number) in seen:
            continue
        source = f"[{s6}]:{sport}" if s6 else f"{s4}:{sport}"
        target = f"[{d6}]:{dport}" if d6 else f"{d4}:{dport}"
        seen[int(number)] = (source, target) if int(sport) > int(dport) else (target, source)
    return seen


def hellos(path):
    """The ClientHello's random of each TCP stream, in hex."""
    out = subprocess.run(["tshark", "-r", path, *check.DECODE, "-Y", "tls.handshake.type == 1", "-T", "fields", "-E", "occurrence=f", "-e", "tcp.stream", "-e", "tls.handshake.random"], capture_output=True, text=True).stdout
    found = {}
    for line in out.splitlines():
        number, value = line.split("\t")
        found.setdefault(int(number), value.replace(":", "").lower())
    return found


def build(lab, item, verbose):
    """Makes one capture and returns its truth lines. What is wrong in it, or contradicts its truth, leaves the one there is in its place."""
    lab.begin(item)
    try:
        told = item["make"](lab)
    finally:
        lab.end()
    if verbose:
        for line in lab.log:
            print("      ", line[:300])
    name = f"{item['name']}.{item['ext']}"
    if item["ext"] == "pcapng":
        with open(lab.raw, "rb") as made:
            old = made.read(4) != b"\x0a\x0d\x0d\x0a"
        if old:
            subprocess.run(["editcap", "-F", "pcapng", lab.raw, lab.raw + ".ng"], check=True, capture_output=True)
            os.replace(lab.raw + ".ng", lab.raw)
    keylog = None
    if os.path.exists(lab.keys) and os.path.getsize(lab.keys):
        keylog = f"{item['name']}.keys"
        secrets = sorted(set(l for l in open(lab.keys).read().splitlines() if l and not l.startswith("#")))
        with open(lab.keys, "w") as out:
            out.write("\n".join(secrets) + "\n")
    found = streams(lab.raw)
    if len(found) != len(told):
        raise RuntimeError(f"{len(found)} streams, {len(told)} truths: {found}")
    lines = []
    randoms = hellos(lab.raw) if keylog else {}
    opened = open(lab.keys).read().lower() if keylog else ""
    for number, truth in enumerate(told):
        if truth is None:
            continue
        line = {
            "file": name,
            "keylog": keylog if randoms.get(number, "-") in opened else None,
            "cause_tested": truth.pop("_tested") or (None if item["near"] else item["cause"]),
            "near_miss_of": truth.pop("_near_of") or (item["cause"] if item["near"] else None),
            "vantage": truth.pop("_vantage") or {"c": "client", "s": "server", "p": "proxy", "r1": "router"}[item["where"]],
            "stream": number,
            "client": found[number][0],
            "server": found[number][1],
        }
        line.update(truth)
        lines.append(line)
    seen = check.events(lab.raw, keylog and lab.keys)
    wrong = [f"#{line['stream']}: {sentence}" for line in lines for sentence in check.judge(line, seen[line["stream"]])]
    if wrong:
        raise RuntimeError("tshark contradicts its truth: " + "; ".join(wrong))
    shutil.copyfile(lab.raw, os.path.join(CAPTURES, name))
    keys = os.path.join(CAPTURES, f"{item['name']}.keys")
    if keylog:
        shutil.copyfile(lab.keys, keys)
    elif os.path.exists(keys):
        os.remove(keys)
    return lines


def merge(new, files):
    """Puts new truth lines in truth.jsonl in the place of the old ones of these files."""
    path = os.path.join(CAPTURES, "truth.jsonl")
    old = [json.loads(l) for l in open(path)] if os.path.exists(path) else []
    keep = [l for l in old if l["file"] not in files] + new
    order = {f"{s['name']}.{s['ext']}": n for n, s in enumerate(SCENARIOS)}
    keep = [l for l in keep if l["file"] in order]
    keep.sort(key=lambda l: (order[l["file"]], l["stream"]))
    with open(path, "w") as out:
        for line in keep:
            out.write(json.dumps(line) + "\n")


def merge_patterns():
    """Writes patterns.jsonl: what the sessions of a capture show together."""
    with open(os.path.join(CAPTURES, "patterns.jsonl"), "w") as out:
        for item in SCENARIOS:
            for kind, streams, fault in item["patterns"]:
                out.write(json.dumps({"file": f"{item['name']}.{item['ext']}", "kind": kind, "streams": list(streams), "fault": list(fault)}) + "\n")


def readme():
    """Writes captures/README.md from truth.jsonl and captures/lab/README.head."""
    lines = [json.loads(l) for l in open(os.path.join(CAPTURES, "truth.jsonl"))]
    by_file = {}
    for line in lines:
        by_file.setdefault(line["file"], []).append(line)
    together = {f"{item['name']}.{item['ext']}": item["patterns"] for item in SCENARIOS}
    with open(os.path.join(CAPTURES, "README.md"), "w") as out:
        out.write(open(os.path.join(HERE, "README.head")).read())
        for name, sessions in by_file.items():
            first = sessions[0]
            out.write(f"\n### {name}\n\n")
            what = f"A near miss of `{first['near_miss_of']}`: that cause must not be given. " if first["near_miss_of"] else ""
            keylog = next((line["keylog"] for line in sessions if line["keylog"]), None)
            out.write(f"{what}Taken at the {first['vantage']}; {'keys in ' + keylog if keylog else 'no keys'}.\n\n")
            for line in sessions:
                fault = " or ".join(line["fault"])
                out.write(f"- `tcp.stream {line['stream']}`: {line['note']}. *{', or '.join(line['cause'])}; fault {fault}*\n")
            for kind, streams, fault in together.get(name, ()):
                out.write(f"- Together, streams {', '.join(map(str, streams))}: *{kind}; fault {' or '.join(fault)}*\n")


def peers(wanted):
    """Those of the wanted programs that are here. Those of the lab's own are built."""
    have = {t for t in wanted if shutil.which(t)}
    javac = ["javac", "-d", SCRATCH, f"{HERE}/peers/Peer.java"]
    go = ["go", "build", "-o", f"{SCRATCH}/peer", f"{HERE}/peers/peer.go"]
    cargo = ["cargo", "build", "--quiet", "--locked", "--manifest-path", f"{HERE}/peers/rustls/Cargo.toml", "--target-dir", f"{SCRATCH}/rustls"]
    for name, builder, env in (("java", javac, {}), ("go", go, {"GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}), ("rustls-peer", cargo, {"RUSTFLAGS": ""})):
        if name not in wanted:
            continue
        have.discard(name)
        if shutil.which(builder[0]) and subprocess.run(builder, env=dict(os.environ, **env)).returncode == 0:
            have.add(name)
    if "perl" in have and subprocess.run(["perl", "-MIO::Socket::SSL", "-e", "1"], stderr=subprocess.DEVNULL).returncode:
        have.discard("perl")
    if "rustls-peer" in have:
        shutil.copy(f"{SCRATCH}/rustls/debug/rustls-peer", SCRATCH)
    return have


def chosen(args):
    """The scenarios that the arguments name: all without any."""
    return [i for i in SCENARIOS if not args or any(a in (i["name"], i["cause"]) or (a.endswith("*") and i["name"].startswith(a[:-1])) for a in args)]


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("-")]
    verbose = "-v" in sys.argv
    import scenarios  # noqa: F401

    if "--list" in sys.argv:
        for item in SCENARIOS:
            print(f"{item['name']}.{item['ext']}", " ".join(item["needs"]))
        return 0
    if os.geteuid():
        print("lab: not root: network namespaces need it (sudo captures/lab/run.sh); nothing built")
        return 1
    os.environ["PATH"] += ":/usr/sbin:" + ":".join(glob.glob("/usr/lib/postgresql/*/bin"))
    items = chosen(args)
    if not items:
        print(f"lab: no scenario is called {', '.join(args)} (--list shows them); nothing built")
        return 1
    base = [t for t in ("ip", "nft", "ethtool", "tcpdump", "tshark", "editcap", "openssl", "curl") if not shutil.which(t)]
    if base:
        print(f"lab: missing {', '.join(base)} (run.sh --install); nothing built")
        return 1
    try:
        lock = open(SCRATCH + ".lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"lab: another lab is at work ({SCRATCH}.lock); nothing built")
        return 1
    except OSError as error:
        print(f"lab: {error}; nothing built")
        return 1
    try:
        lab = Lab()
    except (RuntimeError, OSError) as error:
        print(f"lab: no network namespaces here: {' '.join(str(error).split())}; nothing built")
        return 1
    try:
        return make(lab, items, verbose)
    finally:
        lab.net.down()
        if "--keep" not in sys.argv:
            for end in ("", "-pg", "-mysql"):
                shutil.rmtree(SCRATCH + end, ignore_errors=True)


def make(lab, items, verbose):
    """Makes the captures of these scenarios; 1 if one failed."""
    shutil.rmtree(SCRATCH, ignore_errors=True)
    os.makedirs(f"{SCRATCH}/pki")
    os.makedirs(f"{SCRATCH}/www")
    pki.make(f"{SCRATCH}/pki")
    for name, size in (("small", 900), ("medium", 20000), ("big", 400000), ("huge", 4000000)):
        with open(f"{SCRATCH}/www/{name}", "wb") as out:
            out.write(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    wanted = {n for item in items for n in item["needs"]}
    have = peers(wanted)
    if wanted - have:
        names = ("rustls-peer (cargo builds it)" if name == "rustls-peer" else name for name in sorted(wanted - have))
        print(f"lab: missing {', '.join(names)} (run.sh --install): the captures that need them stay as they are")
    made, bad, left = 0, 0, 0
    for item in items:
        if not have.issuperset(item["needs"]):
            left += 1
            continue
        start = time.time()
        try:
            lines = build(lab, item, verbose)
            merge(lines, {f"{item['name']}.{item['ext']}"})
            made += 1
            size = os.path.getsize(os.path.join(CAPTURES, f"{item['name']}.{item['ext']}"))
            print(f"ok {item['name']}.{item['ext']} {size} bytes, {len(lines)} sessions, {time.time() - start:.1f} s", flush=True)
        except Exception as error:  # one scenario's trouble must not stop the others
            bad += 1
            print(f"!! {item['name']}: {error}", flush=True)
            if verbose:
                traceback.print_exc()
                for line in lab.log:
                    print("      ", line[:300])
    merge_patterns()
    readme()
    print(f"{made} captures made, {bad} failed, {left} left as they are")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.modules["lab"] = sys.modules["__main__"]
    sys.exit(main())
