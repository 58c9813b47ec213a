"""Real mail servers: Postfix and Dovecot, with STARTTLS and without."""
import ssl
import time

import net
from lab import SCRATCH, T, scenario

CLEAN = dict(phase="established", fault="none")
REFUSED = dict(phase="tunneling", fault=["server", "undetermined"], never=["proxy", "network"], phase_also=["connecting"])
HOST = "mail.example.com"
SEND = ("--mail-from", "a@example.com", "--mail-rcpt", "b@mail.example.com", "-T", "/etc/hostname")


def postfix(lab, *settings, tls="may", cert="server", key=None):
    """Postfix with a queue of its own; what it accepts it throws away."""
    home = f"{SCRATCH}/postfix"
    net.sh("rm", "-rf", home)
    for part in ("etc", "queue", "data"):
        net.sh("install", "-d", *(["-o", "postfix"] if part == "data" else []), f"{home}/{part}")
    with open(f"{home}/etc/main.cf", "w") as out:
        out.write(
            f"compatibility_level = 3.6\nqueue_directory = {home}/queue\ndata_directory = {home}/data\ndaemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\nmaillog_file = /dev/stdout\n"
            f"inet_interfaces = all\ninet_protocols = ipv4\nmyhostname = {HOST}\nmydestination = {HOST}\nlocal_recipient_maps =\nlocal_transport = discard:\nsmtpd_peername_lookup = no\n"
            f"smtpd_tls_security_level = {tls}\nsmtpd_tls_cert_file = {lab.pki}/{cert}.crt\nsmtpd_tls_key_file = {key or f'{lab.pki}/{cert}.key'}\nsmtpd_tls_loglevel = 1\n" + "".join(s + "\n" for s in settings)
        )
    with open(f"{home}/etc/master.cf", "w") as out:
        out.write("smtp inet n - n - - smtpd\n465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n")
        for line in ("cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce"):
            out.write(line + "\n")
        for line in ("proxymap unix - - n - - proxymap", "anvil unix - - n - 1 anvil", "discard unix - - n - - discard", "error unix - - n - - error", "postlog unix-dgram n - n - 1 postlogd"):
            out.write(line + "\n")
    return lab.net.start("s", "postfix", "-c", f"{home}/etc", "start-fg", ready=25)


def dovecot(lab, tls="yes", cert="server", more=""):
    """Dovecot for IMAP, where every user has the same password."""
    home = f"{SCRATCH}/dovecot"
    net.sh("rm", "-rf", home)
    net.sh("install", "-d", "-o", "mail", f"{home}/mail")
    with open(f"{home}/conf", "w") as out:
        out.write(
            f"base_dir = {home}/run\nstate_dir = {home}/state\nlog_path = /dev/stderr\nprotocols = imap\nlisten = *\nssl = {tls}\nssl_cert = <{lab.pki}/{cert}.crt\nssl_key = <{lab.pki}/{cert}.key\n"
            f"disable_plaintext_auth = no\nmail_location = maildir:{home}/mail/%u\nfirst_valid_uid = 1\nmail_uid = mail\nmail_gid = mail\n"
            f"passdb {{\n driver = static\n args = password=secret\n}}\nuserdb {{\n driver = static\n args = uid=mail gid=mail home={home}/mail/%u\n}}\n{more}\n"
        )
    return lab.net.start("s", "dovecot", "-F", "-c", f"{home}/conf", ready=143)


def doveadm(lab, *args):
    """Dovecot's administrator."""
    lab.say("doveadm:", lab.net.run("s", "doveadm", "-c", f"{SCRATCH}/dovecot/conf", *args))


class Line:
    """A client that speaks lines, before STARTTLS and after it: Python with its own OpenSSL."""

    def __init__(self, lab, port, version=None):
        self.lab = lab
        self.sock = lab.connect("10.30.0.15", port)
        self.version = version
        self.read()

    def read(self):
        """What the server says, to the end of a line; nothing at its end."""
        said = b""
        while not said.endswith(b"\n"):
            piece = self.sock.recv(4096)
            if not piece:
                break
            said += piece
        self.lab.say("said:", said.decode("latin-1"))
        return said

    def ask(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.read()

    def starttls(self):
        self.sock = self.lab.context(server=False, version=self.version).wrap_socket(self.sock, server_hostname=HOST)

    def quit(self):
        """close_notify, and the server's."""
        try:
            self.sock.unwrap()
        except (OSError, ssl.SSLError) as error:
            self.lab.say(error)
        self.sock.close()


@scenario("clean-close", also="mail", needs=["postfix", "dovecot"])
def delivered(lab):
    postfix(lab)
    dovecot(lab)
    with lab.tap():
        lab.curl(f"smtp://{HOST}", "--ssl-reqd", *SEND)
        time.sleep(0.2)
        lab.curl(f"smtps://{HOST}", "--tls-max", "1.2", *SEND)
        time.sleep(0.2)
        lab.curl(f"imap://{HOST}", "--ssl-reqd", "-u", "ann:secret")
        time.sleep(0.2)
        lab.curl(f"imaps://{HOST}", "-u", "ann:secret", "--tls-max", "1.2")
        time.sleep(0.2)
        imap = Line(lab, 143, "1.3")
        imap.ask("a STARTTLS")
        imap.starttls()
        imap.ask("b LOGIN ann secret")
        time.sleep(0.3)
        doveadm(lab, "kick", "ann")
        imap.read()
        imap.read()
        imap.quit()
    return [
        T("clean-close", "close_notify", "server", (True, True), by_also=["client"], note="curl hands a mail to Postfix after STARTTLS, TLS 1.3; after QUIT both take leave", **CLEAN),
        T("clean-close", "close_notify", "server", (True, True), by_also=["client"], note="the same on port 465, TLS from the first byte, TLS 1.2", **CLEAN),
        T("clean-close", "close_notify", "server", (True, True), by_also=["client"], note="curl reads from Dovecot after STARTTLS, TLS 1.3, and logs out", **CLEAN),
        T("clean-close", "close_notify", "server", (True, True), by_also=["client"], note="the same on port 993, TLS 1.2", **CLEAN),
        T("clean-close", "close_notify", "server", (True, True), note="the administrator throws a user out (doveadm kick): Dovecot says BYE and close_notify", **CLEAN),
    ]


@scenario("starttls-refused", also="mail", needs=["postfix", "dovecot"])
def refused(lab):
    postfix(lab, tls="none")
    dovecot(lab, tls="no")
    with lab.tap():
        lab.curl(f"smtp://{HOST}", "--ssl-reqd", *SEND)
        time.sleep(0.2)
        lab.curl(f"imap://{HOST}", "--ssl-reqd", "-u", "ann:secret")
        time.sleep(0.2)
        lab.say("postfix:", lab.net.run("s", "postfix", "-c", f"{SCRATCH}/postfix/etc", "stop"))
        postfix(lab, key="/nowhere/server.key")
        lab.curl(f"smtp://{HOST}", "--ssl-reqd", *SEND)
    return [
        # curl --ssl-reqd finds no STARTTLS in what Postfix and Dovecot say they can do, and leaves: on the wire a health check, without a wish for TLS
        None,
        None,
        T("starttls-refused", "fin", "client", (False, False), by_also=["server"], note="Postfix cannot read its key: 454 4.7.0 TLS not available due to local problem", **REFUSED),
    ]


@scenario("certificate-rejected", also="mail", needs=["postfix", "dovecot"])
def rejected(lab):
    postfix(lab, cert="expired")
    dovecot(lab, cert="untrusted")
    with lab.tap():
        lab.curl(f"smtp://{HOST}", "--ssl-reqd", "--tls-max", "1.2", *SEND)
        time.sleep(0.2)
        lab.curl(f"imap://{HOST}", "--ssl-reqd", "-u", "ann:secret")
        time.sleep(0.2)
        lab.net.run("c", "openssl", "s_client", "-connect", "10.30.0.15:143", "-servername", HOST, "-starttls", "imap", "-CAfile", lab.ca, "-verify_return_error", "-tls1_2", "-keylogfile", lab.keys, feed=b"")
    untrusted = dict(fault=["server", "client", "undetermined"], never=["proxy", "network"])
    return [
        T(["certificate-expired", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", ["server"], ["client", "proxy", "network"], tested="certificate-expired", note="STARTTLS at Postfix, TLS 1.2: its certificate ended on 2025-01-01, curl says alert 45"),
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", tested="certificate-untrusted", note="STARTTLS at Dovecot, TLS 1.3: an issuer curl does not know, alert 48", **untrusted),
        T(["certificate-untrusted", "certificate-rejected"], "fatal_alert", "client", (False, False), "handshake", tested="certificate-untrusted", note="the same with s_client and TLS 1.2", **untrusted),
    ]


@scenario("server-idle-timeout", also="mail", needs=["postfix"])
def idle(lab):
    postfix(lab, "smtpd_timeout = 4s", "smtpd_starttls_timeout = 4s")
    with lab.tap():
        for version in ("1.3", "1.2"):
            smtp = Line(lab, 25, version)
            smtp.ask("EHLO client.example.com")
            smtp.ask("STARTTLS")
            smtp.starttls()
            smtp.ask("EHLO client.example.com")
            smtp.read()
            smtp.read()
            smtp.quit()
            time.sleep(0.2)
    return [
        T(["server-idle-timeout", "clean-close"], "close_notify", "server", (True, True), tested="server-idle-timeout", note=f"TLS {version}: the client says nothing more; after 4 s (smtpd_timeout) Postfix says 421 4.4.2 Error: timeout exceeded and closes", **CLEAN)
        for version in ("1.3", "1.2")
    ]


@scenario("server-idle-timeout", also="mail", near=True, needs=["postfix"])
def late(lab):
    postfix(lab, "smtpd_recipient_restrictions = sleep 3, reject", "smtpd_delay_reject = no", "smtpd_hard_error_limit = 1", "smtpd_relay_restrictions =")
    with lab.tap():
        smtp = Line(lab, 25, "1.3")
        smtp.ask("EHLO client.example.com")
        smtp.ask("STARTTLS")
        smtp.starttls()
        smtp.ask("EHLO client.example.com")
        smtp.ask("MAIL FROM:<a@example.com>")
        smtp.ask(f"RCPT TO:<b@{HOST}>")
        while smtp.read():
            pass
        smtp.quit()
    return [
        T("clean-close", "close_notify", "server", (True, True), note="the client waits three seconds for Postfix's answer to its RCPT, which is a refusal, one too many, and the end: 421 4.7.0 Error: too many errors. No idle timer: something was asked", **CLEAN)
    ]


@scenario("server-closed-without-close-notify", also="mail", needs=["postfix", "dovecot"])
def killed(lab):
    postfix(lab)
    dovecot(lab)
    with lab.tap(tail=1.0):
        for version, port, hello in (("1.3", 25, "EHLO client.example.com"), ("1.2", 143, "a CAPABILITY")):
            line = Line(lab, port, version)
            line.ask(hello)
            line.ask("STARTTLS" if port == 25 else "b STARTTLS")
            line.starttls()
            line.ask(hello)
            if port == 25:
                line.ask("MAIL FROM:<a@example.com>")
                line.ask(f"RCPT TO:<b@{HOST}>")
                line.ask("DATA")
                line.sock.sendall(b"Subject: half a mail\r\n\r\n")
            else:
                line.ask("c LOGIN ann secret")
                line.ask("d IDLE")
            time.sleep(0.5)
            net.sh("ip", "netns", "exec", net.ns("s"), "sh", "-c", f"kill -9 $(ss -Htnp state established sport = :{port} | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)")
            try:
                while line.read():
                    pass
            except OSError as error:
                lab.say(error)
            line.sock.close()
            time.sleep(0.2)
    return [
        T(["server-closed-without-close-notify", "server-process-died"], "fin", "server", (False, False), "established", ["server", "undetermined", "none"], ["client", "proxy", "network"], note="Postfix's smtpd is killed in the middle of DATA: bare FIN"),
        T(["server-closed-without-close-notify", "server-process-died"], "fin", "server", (False, False), "established", ["server", "undetermined", "none"], ["client", "proxy", "network"], note="Dovecot's imap-login, which carries the TLS of a user in IDLE, is killed: bare FIN"),
    ]
