//! server-reset-in-handshake: the ClientHello was answered with a RST that fits the server.
//!
//! # What it means
//!
//! TCP came up, the client sent its ClientHello, and a RST came back instead of a ServerHello, with the look of the server's other packets.
//! The application closed with the hello unread, or the kernel was told to refuse. Fault `server`, the endpoint at that address. A RST that
//! does not fit the server, or a bare kernel reply from a socket that never closed, is *not* laid at the server's door: then it is
//! `injected-reset` or `undetermined`. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client, Java: `java.net.SocketException: Connection reset`, Java 11 also `Connection reset by peer (Write failed)`; `HttpClient`:
//!   `Remote host terminated the handshake`, cause `Connection reset`.
//! - Client, OpenSSL 3 and OpenSSL 1.1.1: `write:errno=104`, `SSL_ERROR_SYSCALL`; curl:
//!   `curl: (35) Recv failure: Connection reset by peer`,
//!   `curl: (35) OpenSSL SSL_connect: Connection reset by peer in connection to host:443`.
//! - Client, Python: `ConnectionResetError: [Errno 104] Connection reset by peer`; Node `read ECONNRESET`; Go
//!   `read: connection reset by peer`; rustls `Connection reset by peer (os error 104)`.
//! - Client, GnuTLS, wget: `Error in the pull function.`; git `Recv failure: Connection reset by peer`; pyOpenSSL
//!   `SysCallError: (104, 'ECONNRESET')`.
//! - Client, .NET: `Unable to read data from the transport connection: Connection reset by peer`, on Windows
//!   `An existing connection was forcibly closed by the remote host` (10054); Chrome `ERR_CONNECTION_RESET`; Firefox
//!   `PR_CONNECT_RESET_ERROR`.
//! - Proxy in the client's place: nginx
//!   `peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream`, or
//!   `SSL_do_handshake() failed (104: ...)`; HAProxy `SC`; Apache `AH00898: Error during SSL Handshake with remote server`, and at level
//!   info no reason before it.
//! - Server: often nothing; Windows without a certificate binding: nothing in the web log, at most HTTPERR.
//!
//! # Why it happens
//!
//! - The application closes an accepted connection without reading it (its kernel then sends RST+ACK): connection limit, address allow
//!   list, crash, restart with connections not yet accepted. Linux with `net.ipv4.tcp_abort_on_overflow=1` resets when the accept queue is
//!   full.
//! - IIS / HTTP.sys without a certificate for that address or name: `netsh http show sslcert` is empty. Frequently seen after a certificate
//!   was deleted.
//! - A load balancer without a healthy target, or a Kubernetes ingress without a backend, that resets.
//! - An old TLS stack that closes with the second segment of a large ClientHello unread.
//! - A name or fingerprint filter in front that writes a matching RST; only its TTL, timing or header may betray it (`injected-reset`).
//!
//! # What to do
//!
//! - **Client**: try another SNI, another version and a small hello (see the verify line); the one that passes names the reason.
//! - **Server**: accept queue and limits (`ss -ltn`, `ulimit -n`, `maxconn`), crash logs, address lists; Windows `netsh http show sslcert`,
//!   then bind the certificate again.
//! - **Proxy / load balancer**: target health; HAProxy `tcp-request connection reject` and `silent-drop` rules, stick-table limits; F5:
//!   `tmsh modify sys db tm.rstcause.log value enable` writes the reason of every RST into `/var/log/ltm`.
//! - **Network**: ask for logs of firewalls with URL or SNI filter: Palo Alto "session end reason", FortiGate policy with
//!   `timeout-send-rst` or web filter.
//! - Verify: `openssl s_client -connect host:443 -servername host`, then `-servername example.org`, `-tls1_2`, `-groups X25519:P-256`.
//!   Filter: `tcp.flags.reset == 1`, columns `ip.ttl`, `ip.id`, `tcp.window_size_value`, `tcp.options.timestamp.tsval`.
//!
//! # How sure
//!
//! - A RST with ACK flag, live window and the flow's timestamps is a deliberate close by that endpoint's kernel: `closed_by` is then likely
//!   or certain, the motive is not known.
//! - A RST without ACK flag (sequence number = the ACK of the ClientHello, window 0, no options) answers a packet for which there is no
//!   socket: from a socket that never closed that is no proof against the server: `undetermined`.
//! - Sent faster than the shortest round trip, with another TTL, or followed by genuine data: `injected-reset`.
//! - Looks alike: `server-closed-in-handshake` (FIN), `connection-refused` (RST to the SYN), `large-client-hello-dropped`.
//! - What decides: a capture on the server: does the RST leave there?
//!
//! # References
//!
//! - RFC 9293 sections 3.5.2 and 3.5.3; RFC 1122 section 4.2.2.13; RFC 2525 section 2.17.
//! - F5: RST cause logging (`tm.rstcause.log`); Microsoft: `netsh http show sslcert`; HAProxy configuration manual: `silent-drop`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-reset-in-handshake",
    group: Group::Handshake,
    summary: "the server reset the connection in answer to the ClientHello, with no alert",
    usual_fault: "server",
    endings: &[Ending::Rst],
    phases: &[Phase::Connecting, Phase::ClientHello, Phase::Handshake],
    source: include_str!("server_reset_in_handshake.rs"),
    yields_to: &[
        "injected-reset",
        "server-not-tls",
        "client-not-tls",
        "client-certificate-required",
        "client-certificate-rejected",
        "large-client-hello-dropped",
        "proxy-tunnel-cut",
        "server-truncated-record",
        "capture-incomplete",
        "starttls-refused",
        "server-idle-timeout",
        "backend-down-behind-proxy",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let rst = session.root_rst(Side::Server).filter(|_| common::in_handshake(session))?;
    let misfits = rst.misfits();
    let fits = rst.fits_sender();
    let pause = common::since_hello(session, rst.at).map_or(String::new(), |waited| format!(" {} after it", tell::span(waited)));
    let step = common::last_step(session, rst.at);
    let reading = Reading::new(
        if fits { Fault::Server } else { Fault::Undetermined },
        if fits { Confidence::Likely } else { Confidence::Possible },
        Impact::SessionFailed,
        if fits {
            format!("the server reset the connection in the handshake, {step}{pause}")
        } else {
            format!("a reset in the server's name ended the handshake, {step}{pause}; whether the server sent it is open")
        },
    )
    .cite(tell::client_hello(session));
    if fits {
        let reading = reading.rule_out(Fault::Client, "it was waiting for the server's answer").advise(format!(
            "Look into the log of the server at {} at {}.",
            session.ends.server,
            tell::clock(rst.at)
        ));
        return Some(common::unless_forged(reading, session, rst));
    }
    Some(
        common::doubt(reading, session, rst, &misfits)
            .advise("Compare with a connection to the same server that works, and with another name in the ClientHello."),
    )
}
