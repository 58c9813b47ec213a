//! client-reset-in-handshake: the client reset the connection in the middle of the handshake.
//!
//! # What it means
//!
//! The client sent a RST that fits it before the handshake was finished. As a rule it closed its socket while a part of the server's flight
//! lay unread, so its kernel sent RST in place of FIN. Before the server's certificate the fault is `client`; right after it, a rejection
//! of the certificate is likely but not proven, and the fault is `undetermined`, unless a certificate in clear shows why. Impact: the
//! session failed.
//!
//! # How it looks in applications
//!
//! - Server, nginx (info): `SSL_do_handshake() failed (104: Connection reset by peer) while SSL handshaking`; HAProxy
//!   `SSL handshake failure`; Apache (info) only `AH01998: Connection closed to child 3 with abortive shutdown`, without the line before it
//!   that a FIN has.
//! - Server, Go: `http: TLS handshake error from 10.0.0.5:40112: read tcp ...: connection reset by peer`.
//! - Server, Java: `java.net.SocketException: Connection reset`; Node `ECONNRESET`; Python `ConnectionResetError`; stunnel
//!   `Connection reset by peer`.
//! - Server, OpenSSL 1.1.1: pyOpenSSL `SysCallError: (104, 'ECONNRESET')`; GnuTLS `Error in handshake: Error in the pull function.`; rustls
//!   `Connection reset by peer (os error 104)`; .NET `Unable to read data from the transport connection: Connection reset by peer.`
//! - Client (curl, wget, browsers such as Chrome and Firefox): its own verification error (`CERTIFICATE_VERIFY_FAILED`, `curl: (60)`,
//!   GnuTLS `certificate is not trusted`), a time limit, a killed process, or nothing at all.
//! - Security and monitoring products on the client: their own log.
//!
//! # Why it happens
//!
//! - A certificate rejected by a stack that closes at once with data unread: Python, curl and `s_client` on OpenSSL (usually an alert in
//!   clear comes first), `gnutls-cli`.
//! - The process was killed, crashed or exited with unread bytes.
//! - A time limit, a cancelled request, a connection pool that discards a slow connect.
//! - Scanners and monitors that stop after ServerHello (half-open checks, fingerprinting).
//! - Antivirus or an endpoint firewall on the client's machine that resets in the client's name; or a box on the way (`injected-reset`).
//!
//! # What to do
//!
//! - **Client**: its log at that second; then the same call with `openssl s_client -connect host:443 -servername host -verify_return_error`
//!   under the same user and trust store.
//! - **Client**: with endpoint security installed, repeat the call with its TLS filter switched off for this program.
//! - **Server**: certificate chain, dates and names as served to this client; nothing else to change.
//! - **Proxy / load balancer**: when the client is a proxy: its upstream verification and connect limits (nginx `proxy_connect_timeout`,
//!   HAProxy `timeout connect`, `timeout check`).
//! - **Network**: if the RST does not fit the client (TTL, MAC address, timing), ask who sits between.
//! - Verify: filter `tcp.flags.reset == 1`; compare `ip.ttl`, `ip.id`, `tcp.options.timestamp.tsval` with the client's earlier packets.
//!
//! # How sure
//!
//! - An *active* RST (ACK flag, live window, timestamps kept, IP ID in sequence) is the client's kernel: who is likely to certain, why is
//!   not known.
//! - A RST without ACK flag from a client that had not closed is a kernel's reply for a vanished socket: `undetermined`, since a forged RST
//!   on the other side of the capture point produces the same packet.
//! - Captured on the server, forged RSTs "from the client" look their best; TTL and timing are all there is.
//! - Looks alike: `client-closed-in-handshake` (FIN), `certificate-*` (an alert or a readable certificate), `probe`.
//! - What decides: a capture on the client at the same time: did the RST leave there?
//!
//! # References
//!
//! - RFC 9293 section 3.5.2; RFC 1122 section 4.2.2.13; RFC 2525 section 2.17; RFC 8446 section 6.2.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-reset-in-handshake",
    group: Group::Handshake,
    summary: "the client reset the connection before the handshake was finished",
    usual_fault: "client, or undetermined after the certificate",
    endings: &[Ending::Rst],
    phases: &[Phase::ClientHello, Phase::Handshake],
    source: include_str!("client_reset_in_handshake.rs"),
    yields_to: &[
        "certificate-expired",
        "certificate-untrusted",
        "certificate-rejected",
        "server-not-tls",
        "client-not-tls",
        "injected-reset",
        "client-truncated-record",
        "parallel-attempt",
        "capture-incomplete",
        "tls-interception",
        "starttls-refused",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let rst = session.root_rst(Side::Client).filter(|_| common::shaking_hands(session))?;
    let root = session.root()?;
    if rst.fits_sender() {
        return Some(common::client_left(session, root, "reset the connection"));
    }
    let reading = Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::SessionFailed,
        "a reset in the client's name ended the handshake; whether the client sent it is open",
    )
    .cite(tell::client_hello(session));
    let misfits = rst.misfits();
    Some(common::doubt(reading, session, rst, &misfits))
}
