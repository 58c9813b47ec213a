//! tls-interception: a TLS-inspecting box signed the certificate, and the client does not accept it.
//!
//! # What it means
//!
//! The certificate that the client rejected was not made by the server's owner but by a box that opens TLS on the way: its issuer is a
//! known inspection product, or one key stands in certificates for public domains that have nothing to do with each other. The "server" of
//! this session *is* that box. Fault `proxy`: its CA is not trusted by this client, or the destination should not be inspected. Impact: the
//! session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `PKIX path building failed: ... unable to find valid certification path to requested target`, while the browser on the
//!   same desk works.
//! - Client, Python, OpenSSL, curl: `self-signed certificate in certificate chain` (19), `unable to get local issuer certificate` (20),
//!   `curl: (60) SSL certificate problem`.
//! - Client, Node, npm: `SELF_SIGNED_CERT_IN_CHAIN`; git `SSL certificate problem`; Go, docker, kubectl
//!   `x509: certificate signed by unknown authority`; rustls `UnknownIssuer`; OpenSSL 1.1.1 `verify error:num=20`, `error:1416F086`; as
//!   clients of a backend Apache `AH02276`, nginx `upstream SSL certificate verify error: (21:unable to verify the first certificate)`,
//!   HAProxy `SC` with 503.
//! - Client with pins (mobile apps, updaters, banking): a vague network error, or nothing.
//! - Chrome `ERR_CERT_AUTHORITY_INVALID`; Firefox `SEC_ERROR_UNKNOWN_ISSUER` or `MOZILLA_PKIX_ERROR_MITM_DETECTED`.
//! - .NET `The remote certificate is invalid because of errors in the certificate chain: PartialChain` or `UntrustedRoot`; GnuTLS
//!   `The certificate issuer is unknown`, wget `The certificate of 'host' doesn't have a known issuer.`, git (GnuTLS)
//!   `server certificate verification failed. CAfile`.
//! - Server: nothing of this session; it saw the box's connection.
//! - The box: mitmproxy `The client does not trust the proxy's certificate for api.example.com`; sslsplit
//!   `Error from src bufferevent: ... tlsv1 alert unknown ca`. A certificate that the box itself rejects becomes a page of its own: 502
//!   inside TLS (mitmproxy), or a RST after the ClientHello where the server is down (sslsplit).
//!
//! # Why it happens
//!
//! - Company inspection: Zscaler, Netskope, Palo Alto, Fortinet, Check Point, Sophos, Cisco Umbrella or Secure Access, Forcepoint, Skyhigh,
//!   Blue Coat / Symantec, Barracuda, WatchGuard.
//! - Antivirus on the client itself: ESET, Kaspersky, Avast, AVG, Bitdefender.
//! - A debugging proxy left on: Fiddler (`DO_NOT_TRUST_FiddlerRoot`), Charles, mitmproxy, Burp (`PortSwigger CA`).
//! - The CA is in the operating system's store, but this program has its own: Java `cacerts`, Python `certifi`, Node, Firefox, containers,
//!   WSL.
//!
//! # What to do
//!
//! - **Client**: install the inspection CA in the store of *that* program: `keytool -importcert -cacerts`, `REQUESTS_CA_BUNDLE`,
//!   `NODE_EXTRA_CA_CERTS` (recent versions also `--use-system-ca`), `git config http.sslCAInfo`, Dockerfile `COPY` plus
//!   `update-ca-certificates`, Firefox `security.enterprise_roots.enabled`.
//! - **Server**: nothing.
//! - **Proxy / load balancer** (the inspecting box): exempt destinations that pin or use client certificates (banks, software updates,
//!   `*.docker.io`, mTLS interfaces); keep its TLS versions and groups up to date.
//! - **Network**: name the policy and the box to its owners: the issuer's name in the evidence is the address of the ticket.
//! - Verify:
//!   `openssl s_client -connect host:443 -servername host </dev/null 2>/dev/null | openssl x509 -noout -issuer -fingerprint -sha256` here
//!   and from a network without the box: different fingerprints are the proof.
//!
//! # How sure
//!
//! - Proof needs the certificate in clear (TLS 1.2) or keys. In TLS 1.3 without keys interception cannot be seen, and is only an
//!   alternative.
//! - A private CA alone is *no* sign, even where it signs several domains: a company's CA does, and so does a test's. A product's issuer
//!   name is needed, or what only the making of certificates on the way shows: sslsplit, Squid and mitmproxy use one key for all of them. So
//!   only possible, and told only where certificates that no public CA issued hold one key for three domains with different owners' names,
//!   each at an address of its own, none of them the same certificate (a company that gives all its brands one key would look like that).
//! - Behind a proxy that is asked with CONNECT all servers have the proxy's address: only a product's name tells. Below three domains, and
//!   where a box uses a key for each, the cause is `certificate-untrusted`, with this reading beside it.
//! - Supporting signs: a certificate only hours old, the same server fingerprint (JA3S) for unrelated servers, a TTL or round-trip time too
//!   short for the address.
//! - An interception that the client accepts is not reported as a cause; then read every "server" as "server or inspecting proxy".
//! - What decides: the comparison of fingerprints above.
//!
//! # References
//!
//! - Durumeric et al., "The Security Impact of HTTPS Interception", NDSS 2017.
//! - RFC 8446 section 9.3 (invariants for middleboxes); RFC 5280. Mozilla: MITM detection; Node.js: `NODE_EXTRA_CA_CERTS`.

use crate::base::{Side, printable};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::inspection_product;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "tls-interception",
    group: Group::Handshake,
    summary: "the client rejected a certificate that an inspecting box issued",
    usual_fault: "proxy",
    endings: &[Ending::Fin, Ending::Rst, Ending::FatalAlert],
    phases: Phase::ALL,
    source: include_str!("tls_interception.rs"),
    yields_to: &["client-not-tls", "server-not-tls"],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    let at = session.tls.certificate_at?;
    let chain = session.tls.certificates.as_deref()?;
    let leaf = chain.leaf.as_deref()?;
    // Up the chain as far as it hangs together: a stray certificate proves nothing.
    let parent = chain.others.first().filter(|other| other.subject == leaf.issuer);
    let product = inspection_product(&leaf.issuer).or_else(|| inspection_product(&parent?.issuer));
    let shared = context.beside.shared_key.as_deref();
    let (confidence, summary) = match (product, shared) {
        (Some(product), _) => (
            Confidence::Likely,
            format!("the connection is inspected by {product}, and the client does not trust the certificate it issued"),
        ),
        (None, Some(shared)) => (
            Confidence::Possible,
            format!(
                "a box on the way shows certificates of its own making, and the client does not trust this one: its key answers for {} unrelated domains, each at an address of its own",
                shared.others.len() + 1
            ),
        ),
        (None, None) => return None,
    };
    let root = session.root().filter(|root| root.side == Some(Side::Client) && root.at >= at)?;
    let left = session.phase != Phase::Established || session.side(Side::Client).app_records == 0;
    // What went unseen may have been what it asked for, and was given.
    let unseen = Side::BOTH.iter().any(|side| session.side(*side).missed());
    if !left || unseen || !matches!(session.ending, Ending::FatalAlert | Ending::Fin | Ending::Rst) {
        return None;
    }
    let certificate = format!("Certificate of {}, issued by {}", printable(&leaf.subject, 80), printable(&leaf.issuer, 80));
    let mut reading = Reading::new(Fault::Proxy, confidence, Impact::SessionFailed, summary)
        .cite(tell::saw(at, Side::Server, certificate))
        .cite(tell::saw(root.at, Side::Client, "the client leaves right after it"));
    let untrusted = "its trust store lacks the inspecting box's root on purpose or by mistake";
    reading = reading.or(Fault::Client, "certificate-untrusted", untrusted, "who runs the client");
    if product.is_some() {
        reading = reading.rule_out(Fault::Server, "what answered here is not the server");
    } else {
        for other in shared.into_iter().flat_map(|shared| &shared.others).take(SHOWN) {
            // Which domain that is stays where it was said: a bundle for a ticket tells of this session only.
            reading = reading.cite(other.saw(Side::Server, "the same key, in a certificate for another domain"));
        }
        let one = "all these domains are one owner's, with a CA and one key of its own for them";
        let decide_by = "the certificate's fingerprint, as seen from another network";
        reading = reading.or(Fault::Server, "certificate-untrusted", one, decide_by);
    }
    Some(reading.advise(
        "Install the inspecting box's root in the client's own trust store (Java and Python keep stores of their own), or exempt this name from inspection.",
    ))
}

/// Certificates of other sessions that are cited.
const SHOWN: usize = 4;
