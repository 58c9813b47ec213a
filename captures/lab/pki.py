"""Throw-away keys and certificates for the laboratory, made with the openssl program."""
import os
import subprocess

NAMES = ["api", "www", "shop", "pay", "files", "db", "mail", "old", "login", "six", "proxy"]
# Domains that have nothing to do with each other, as far as their names tell
STRANGERS = {"news": "whohungup-news.com", "bank": "whohungup-bank.net", "shop": "whohungup-shop.co.uk"}


def _openssl(where, *args):
    done = subprocess.run(["openssl", *args], cwd=where, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def make(where):
    """Makes every certificate in the directory: name.crt, name.key, and name.pem with both."""
    os.makedirs(f"{where}/issued", exist_ok=True)

    def key(name, rsa=False):
        kind = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if rsa else ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        _openssl(where, "genpkey", *kind, "-out", f"{name}.key")

    def root(name, subject):
        key(name)
        _openssl(where, "req", "-x509", "-new", "-key", f"{name}.key", "-sha256", "-days", "3650", "-subj", subject, "-out", f"{name}.crt")
        open(f"{where}/{name}.index", "w").close()
        open(f"{where}/{name}.index.attr", "w").write("unique_subject = no\n")
        open(f"{where}/{name}.serial", "w").write("1000\n")
        open(f"{where}/{name}.cnf", "w").write(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={name}.index\nnew_certs_dir=issued\nserial={name}.serial\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\n"
            "[p]\ncommonName=supplied\norganizationName=optional\n[v]\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\n"
        )

    def leaf(name, cn, ca, sans, start="20260101000000Z", end="20360101000000Z", rsa=False):
        key(name, rsa)
        san = ["-addext", "subjectAltName=" + ",".join("DNS:" + s for s in sans)] if sans else []
        _openssl(where, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={cn}", *san, "-out", f"{name}.csr")
        _openssl(where, "ca", "-batch", "-notext", "-config", f"{ca}.cnf", "-extensions", "v", "-cert", f"{ca}.crt", "-keyfile", f"{ca}.key", "-startdate", start, "-enddate", end, "-in", f"{name}.csr", "-out", f"{name}.crt")
        with open(f"{where}/{name}.pem", "w") as out:
            out.write(open(f"{where}/{name}.crt").read() + open(f"{where}/{name}.key").read())

    root("ca", "/O=Example Lab/CN=Example Lab Root")
    root("otherca", "/O=Somebody Else/CN=Somebody Else Root")
    root("inspectca", "/O=Zscaler Inc./OU=Zscaler Inc./CN=Zscaler Intermediate Root CA")
    root("officeca", "/O=Example Office/CN=Example Office Root")
    names = [f"{n}.example.com" for n in NAMES]
    leaf("server", "api.example.com", "ca", names)
    leaf("rsa", "api.example.com", "ca", names, rsa=True)
    leaf("expired", "api.example.com", "ca", names, "20240101000000Z", "20250101000000Z")
    leaf("untrusted", "api.example.com", "otherca", names)
    leaf("wrong", "internal.example.net", "ca", ["internal.example.net"])
    leaf("corp", "git.corp.example", "otherca", ["git.corp.example"])
    for name, domain in STRANGERS.items():
        leaf(name, f"www.{domain}", "ca", [f"www.{domain}"])
        leaf(f"own-{name}", f"www.{domain}", "officeca", [f"www.{domain}"])
    leaf("all", "www.whohungup-news.com", "officeca", [f"www.{domain}" for domain in STRANGERS.values()])
    leaf("client", "robot-7", "ca", [])
    leaf("clientother", "robot-8", "otherca", [])
    leaf("inspect", "api.example.com", "inspectca", names)
    leaf("public", "www.example.org", "otherca", ["www.example.org", "bank.example.net"])
    leaf("inspect2", "www.example.org", "inspectca", ["www.example.org", "bank.example.net"])
