"""Real databases: PostgreSQL, Redis, MariaDB."""
import struct
import threading
import time

import net
from lab import SCRATCH, T, scenario
from scenarios.proxies import postgres

CLEAN = dict(phase="established", fault="none")
HOST = "db.example.com"
ADDRESS = "10.30.0.14"


def psql(lab, *statements, more="", timeout=60):
    """psql, which cannot write its keys."""
    words = f"host={HOST} user=postgres dbname=postgres sslmode=verify-full sslrootcert={lab.ca} connect_timeout=10 {more}"
    lab.say("psql:", lab.net.run("c", "psql", words, *[w for s in statements for w in ("-c", s)], timeout=timeout))


class Pg:
    """A client of PostgreSQL that writes its keys: Python with its own OpenSSL, and as much of the protocol as that takes."""

    def __init__(self, lab, version, where="c"):
        self.lab = lab
        sock = lab.connect(ADDRESS, 5432, where)
        sock.sendall(struct.pack("!II", 8, 80877103))
        if sock.recv(1) != b"S":
            raise RuntimeError("PostgreSQL did not say S")
        self.sock = lab.context(server=False, version=version).wrap_socket(sock, server_hostname=HOST)
        words = b"user\0postgres\0database\0postgres\0\0"
        self.sock.sendall(struct.pack("!II", 8 + len(words), 196608) + words)
        self.until(b"Z")

    def until(self, kind):
        """Reads messages up to one of a kind, or to the end."""
        held = b""
        while True:
            while len(held) >= 5 and len(held) > struct.unpack("!I", held[1:5])[0]:
                size = 1 + struct.unpack("!I", held[1:5])[0]
                message, held = held[:size], held[size:]
                if message[:1] in b"EN":
                    self.lab.say("postgres:", message[5:].replace(b"\0", b" ").decode())
                if message[:1] == kind:
                    return
            piece = self.sock.recv(4096)
            if not piece:
                return
            held += piece

    def query(self, text, wait=True):
        body = text.encode() + b"\0"
        self.sock.sendall(b"Q" + struct.pack("!I", 4 + len(body)) + body)
        if wait:
            self.until(b"Z")

    def to_the_end(self):
        """Reads until the server has closed, and closes."""
        try:
            self.until(b"-")
        except OSError as error:
            self.lab.say(error)
        time.sleep(0.05)
        self.sock.close()

    def quit(self):
        """Terminate and close_notify, as libpq does it."""
        self.sock.sendall(b"X\0\0\0\4")
        try:
            self.sock.unwrap()
        except OSError as error:
            self.lab.say(error)
        self.sock.close()


def backends(lab, statement):
    """A statement of the administrator's, run beside the server."""
    lab.say("admin:", lab.net.run("s", "psql", "host=127.0.0.1 user=postgres dbname=postgres sslmode=disable", "-Atc", statement))


OTHERS = "from pg_stat_activity where backend_type='client backend' and pid<>pg_backend_pid()"


@scenario("clean-close", also="databases", needs=["postgres", "redis-server", "mariadbd"])
def served(lab):
    postgres(lab, "on")
    redis(lab, "--tls-auth-clients", "no")
    mariadb(lab)
    with lab.tap():
        psql(lab, "select 1")
        time.sleep(0.2)
        pg = Pg(lab, "1.2")
        pg.query("select 1")
        pg.quit()
        time.sleep(0.2)
        redis_cli(lab, "ping")
        time.sleep(0.2)
        mysql(lab, "select 1")
        time.sleep(0.2)
        pg = Pg(lab, "1.3")
        pg.query("select 1")
        time.sleep(0.5)
        backends(lab, f"select pg_terminate_backend(pid) {OTHERS}")
        pg.to_the_end()
        time.sleep(0.2)
        pg = Pg(lab, "1.2")
        pg.query("select pg_sleep(60)", wait=False)
        time.sleep(0.5)
        backends(lab, f"select pg_terminate_backend(pid) {OTHERS}")
        pg.to_the_end()
    told = "FATAL 57P01 terminating connection due to administrator command, close_notify, FIN"
    return [
        T("clean-close", "close_notify", "client", (None, None), note="psql and PostgreSQL, TLS 1.3: SSLRequest, S, and a good end", by_also=["server"], ending_also=["fin"], **CLEAN),
        T("clean-close", "close_notify", "client", (True, True), by_also=["server"], note="the same with TLS 1.2, and its keys", **CLEAN),
        T(["clean-close", "client-closed-without-close-notify"], "close_notify", "client", (None, None), by_also=["server"], ending_also=["fin"], note="redis-cli and Redis, TLS 1.3", **CLEAN),
        T(["clean-close", "client-closed-without-close-notify"], "close_notify", "client", (None, None), by_also=["server"], ending_also=["fin"], note="the mariadb client and MariaDB: greeting, SSLRequest, TLS, a good end", **CLEAN),
        T("clean-close", "close_notify", "server", (False, True), phase="established", fault=["none", "server"], never=["client", "proxy", "network"], note=f"pg_terminate_backend() on an idle session: {told}"),
        T("clean-close", "close_notify", "server", (False, True), phase="established", fault=["none", "server"], never=["client", "proxy", "network"], note=f"pg_terminate_backend() in the middle of a query: {told}"),
    ]


@scenario("server-idle-timeout", also="databases", needs=["postgres", "redis-server", "mariadbd"])
def idle(lab):
    postgres(lab, "on", "idle_session_timeout=3s")
    redis(lab, "--tls-auth-clients", "no", "--timeout", "3")
    mariadb(lab, "--wait-timeout=3")
    with lab.tap():
        for version in ("1.3", "1.2"):
            pg = Pg(lab, version)
            pg.query("select 1")
            pg.to_the_end()
            time.sleep(0.2)
        tls = lab.client(HOST, "1.3", address=ADDRESS, port=6380)
        tls.sendall(b"PING\r\n")
        tls.recv(100)
        lab.say(tls.recv(100))
        tls.close()
        time.sleep(0.2)
        mysql(lab, "select 1; select sleep(0.1);", hold=6)
    return [
        T(["server-idle-timeout", "clean-close"], "close_notify", "server", (False, True), tested="server-idle-timeout", note=f"PostgreSQL, TLS {version}, idle_session_timeout 3 s: FATAL 57P05, close_notify, FIN", **CLEAN)
        for version in ("1.3", "1.2")
    ] + [
        T(["server-idle-timeout", "clean-close"], "close_notify", "server", (False, True), tested="server-idle-timeout", note="Redis, timeout 3: close_notify and FIN, three seconds and a bit after the last command", **CLEAN),
        T(["server-idle-timeout", "server-reset"], "rst", "server", (None, None), "established", ["none", "undetermined", "server"], ["client", "proxy", "network"], tested="server-idle-timeout", note="MariaDB, wait_timeout 3 s: it resets the idle connection; the client finds out at its next statement (2006, Server has gone away)"),
    ]


@scenario("client-aborted-transfer", also="databases", needs=["postgres", "mariadbd"])
def left(lab):
    postgres(lab, "on")
    mariadb(lab)
    with lab.tap(tail=0.8):
        for command in (
            ["psql", f"host={HOST} user=postgres dbname=postgres sslmode=verify-full sslrootcert={lab.ca}", "-c", "select pg_sleep(30)"],
            ["mariadb", "--no-defaults", "-h", HOST, "-u", "app", "--ssl", f"--ssl-ca={lab.ca}", "-e", "select sleep(30)"],
        ):
            child = lab.net.start("c", *command)
            time.sleep(1.5)
            lab.net.kill(child)
            time.sleep(0.2)
    return [
        T(["client-aborted-transfer", "client-closed-without-close-notify", "client-gave-up-waiting"], "fin", "client", (False, None), "established", ["client", "undetermined"], ["server", "proxy", "network"], note=f"{who} is killed while it waits for the answer to a query")
        for who in ("psql", "the mariadb client")
    ]


@scenario("server-closed-without-close-notify", also="postgres", needs=["postgres"], where="s", patterns=[("ended-together", (0, 1, 2), ["server", "undetermined"])])
def crashed(lab):
    postgres(lab, "on")
    with lab.tap(tail=0.8):
        pgs = [Pg(lab, version, where) for version, where in (("1.3", "c"), ("1.2", "p"), ("1.3", "c"))]
        for pg in pgs:
            pg.query("select pg_sleep(60)", wait=False)
        time.sleep(0.6)
        pid = lab.net.run("s", "psql", "host=127.0.0.1 user=postgres dbname=postgres sslmode=disable", "-Atc", f"select min(pid) {OTHERS}").strip()
        net.sh("kill", "-9", pid)
        threads = [threading.Thread(target=pg.to_the_end) for pg in pgs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    fault = dict(phase="established", fault=["server"], never=["client", "proxy", "network"], ending_also=["rst"])
    causes = ["server-closed-without-close-notify", "server-process-died"]
    return [
        T(causes, "fin", "server", (False, False), note="a backend of PostgreSQL is killed in the middle of a query (as by the OOM killer): its kernel's bare FIN", **fault),
        T(causes, "fin", "server", (False, False), note="another backend, of another client: the postmaster has it leave at once (57P02, terminating connection because of crash of another server process), with a warning and a bare FIN", **fault),
        T(causes, "fin", "server", (False, False), note="a third one: the same", **fault),
    ]


@scenario("certificate-rejected", also="databases", needs=["postgres", "redis-server", "mariadbd"])
def rejected(lab):
    postgres(lab, "on", cert="expired")
    redis(lab, "--tls-auth-clients", "no", cert="untrusted")
    mariadb(lab, cert="wrong")
    with lab.tap():
        psql(lab, "select 1", more="ssl_max_protocol_version=TLSv1.2")
        time.sleep(0.2)
        psql(lab, "select 1")
        time.sleep(0.2)
        redis_cli(lab, "ping")
        time.sleep(0.2)
        mysql(lab, "select 1")
        time.sleep(0.2)
        mysql(lab, "select 1", version="TLSv1.2")
    polite = dict(cn=(None, None), by="client", ending="fin", ending_also=["close_notify", "fatal_alert"])
    return [
        T(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], tested="certificate-expired", note="psql and an expired certificate, TLS 1.2: alert 45"),
        T(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server", "undetermined", "client"], ["proxy", "network"], tested="certificate-expired", note="the same over TLS 1.3"),
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server", "client", "undetermined"], ["proxy", "network"], tested="certificate-untrusted", note="redis-cli: the issuer of Redis's certificate is not in its --cacert, alert 48"),
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server", "client", "undetermined"], ["proxy", "network"], tested="certificate-untrusted", note="redis-cli tries a second time by itself"),
        T(["certificate-rejected", "client-closed-in-handshake", "clean-close", "client-closed-without-close-notify", "probe"], phase="established", phase_also=["handshake"], fault=["server", "client", "undetermined", "none"], never=["proxy", "network"], note="mariadb --ssl-verify-server-cert: the certificate is for another name, the client leaves after the handshake, before its login", **polite),
        T(["certificate-rejected", "client-closed-in-handshake", "probe"], phase="established", phase_also=["handshake"], fault=["server", "client", "undetermined", "none"], never=["proxy", "network"], note="the same over TLS 1.2, the certificate in clear; but this client sends no server name, so the packets do not say which one it missed", **polite),
    ]


@scenario("client-certificate-required", also="databases", needs=["postgres", "redis-server"])
def mtls(lab):
    postgres(lab, "on", f"ssl_ca_file={SCRATCH}-pg/data/ca.crt", rule="hostssl all all 0.0.0.0/0 trust clientcert=verify-ca")
    redis(lab)
    with lab.tap():
        redis_cli(lab, "ping")
        time.sleep(0.2)
        try:
            lab.client(HOST, "1.2", address=ADDRESS, port=6380)
        except OSError as error:
            lab.say(error)
        time.sleep(0.2)
        pg = Pg(lab, "1.3")
        pg.to_the_end()
    fault = dict(fault=["client"], never=["proxy", "network"])
    return [
        T("client-certificate-required", "fatal_alert", "server", (False, False), "established", phase_also=["handshake"], ending_also=["rst"], note="redis-cli without a certificate, TLS 1.3: Redis wants one by default (tls-auth-clients yes), alert 116", **fault),
        T("client-certificate-required", "fatal_alert", "server", (False, False), "handshake", ending_also=["rst"], note="Python, TLS 1.2: the same, alert 40 in clear", **fault),
        T(["clean-close", "server-closed-without-close-notify"], "close_notify", "server", (False, True), tested="clean-close", phase="established", fault=["none", "client", "undetermined"], never=["proxy", "network"], note="PostgreSQL with clientcert=verify-ca and no certificate: the handshake succeeds, the refusal (FATAL 28000) comes inside TLS, with close_notify"),
    ]


@scenario("server-unresponsive", also="databases", needs=["redis-server"])
def not_tls(lab):
    redis(lab, plain=True)
    with lab.tap():
        lab.say("redis-cli:", lab.net.run("c", "timeout", "-s", "INT", "6", "redis-cli", "-h", HOST, "-p", "6379", "--tls", "--cacert", lab.ca, "ping"))
        time.sleep(0.2)
        lab.curl(f"https://{HOST}:6379/", "--max-time", "4")
    told = "Redis without TLS takes a ClientHello for a command that is not complete yet, and waits for the rest"
    return [
        T(["server-unresponsive", "client-gave-up-waiting"], "fin", "client", (False, False), "client_hello", ["server", "undetermined"], ["client", "proxy", "network"], ending_also=["stall"], note=f"{told}: redis-cli --tls has no limit of its own, and is interrupted after 6 s"),
        T(["server-unresponsive", "client-gave-up-waiting"], "fin", "client", (False, False), "client_hello", ["server", "undetermined"], ["client", "proxy", "network"], ending_also=["stall"], note=f"{told}: curl gives up after 4 s"),
    ]


@scenario("client-not-tls", also="databases", needs=["redis-server"])
def client_not_tls(lab):
    redis(lab, "--tls-auth-clients", "no")
    with lab.tap():
        redis_cli(lab, "ping")
        time.sleep(0.2)
        lab.say(lab.net.run("c", "redis-cli", "-h", HOST, "-p", "6380", "ping"))
    return [
        T(["clean-close", "client-closed-without-close-notify"], "close_notify", "client", (None, None), by_also=["server"], ending_also=["fin"], tested="clean-close", note="redis-cli --tls: served", **CLEAN),
        T("client-not-tls", "fin", "server", (False, False), "connecting", ["client", "undetermined"], ["proxy", "network"], by_also=["client"], ending_also=["rst", "fatal_alert"], phase_also=["client_hello"], note="redis-cli without --tls at a Redis that speaks TLS only: a command in clear, and the connection is closed")
    ]


@scenario("starttls-refused", also="databases", needs=["mariadbd", "postgres"])
def refused(lab):
    mariadb(lab, cert=None)
    postgres(lab, "off")
    with lab.tap():
        mysql(lab, "select 1")
        time.sleep(0.2)
        psql(lab, "select 1")
    fault = dict(phase="tunneling", fault=["server", "undetermined"], never=["proxy", "network"], phase_also=["connecting"])
    return [
        None,  # the mariadb client insists on TLS, the greeting does not offer it, and it leaves: on the wire a health check, without a wish for TLS
        T("starttls-refused", "fin", "client", (False, False), by_also=["server"], note="psql sslmode=verify-full, PostgreSQL (ssl=off) says N", **fault),
    ]


def redis(lab, *settings, cert="server", plain=False):
    """Redis, with TLS only or without."""
    ports = ["--port", "6379"] if plain else ["--port", "0", "--tls-port", "6380", "--tls-cert-file", f"{lab.pki}/{cert}.crt", "--tls-key-file", f"{lab.pki}/{cert}.key", "--tls-ca-cert-file", lab.ca]
    return lab.net.start("s", "redis-server", *ports, "--bind", "0.0.0.0", "--save", "", "--appendonly", "no", "--protected-mode", "no", *settings, ready=6379 if plain else 6380)


def redis_cli(lab, *words):
    """redis-cli over TLS."""
    lab.say("redis-cli:", lab.net.run("c", "redis-cli", "-h", HOST, "-p", "6380", "--tls", "--cacert", lab.ca, "--sni", HOST, *words))


def mariadb(lab, *settings, cert="server"):
    """MariaDB with a fresh database, as its own user, without passwords."""
    home = f"{SCRATCH}-mysql"
    net.sh("rm", "-rf", home)
    net.sh("install", "-d", "-o", "mysql", "-m", "700", home)
    net.sh("mariadb-install-db", "--no-defaults", f"--datadir={home}/data", "--user=mysql", "--auth-root-authentication-method=normal", "--skip-test-db")
    with open(f"{home}/init.sql", "w") as out:
        out.write("create user app@'%';\n")
    tls = []
    if cert:
        for part in ("crt", "key"):
            net.sh("install", "-o", "mysql", "-m", "600", f"{lab.pki}/{cert}.{part}", f"{home}/server.{part}")
        tls = [f"--ssl-cert={home}/server.crt", f"--ssl-key={home}/server.key"]
    return lab.net.start("s", "mariadbd", "--no-defaults", f"--datadir={home}/data", f"--socket={home}/sock", "--user=mysql", "--bind-address=0.0.0.0", "--skip-name-resolve", f"--init-file={home}/init.sql", *tls, *settings, ready=3306)


def mysql(lab, statements, hold=0, version="TLSv1.2,TLSv1.3"):
    """The mariadb client over TLS; with `hold`, it stays connected that long and then asks once more."""
    words = f"mariadb --no-defaults -h {HOST} -u app --ssl --ssl-ca={lab.ca} --ssl-verify-server-cert --tls-version={version} -n"
    feed = f"(echo \"{statements}\"; sleep {hold}; [ {hold} = 0 ] || echo \"select 2;\")"
    lab.say("mariadb:", lab.net.run("c", "sh", "-c", f"{feed} | {words}"))
