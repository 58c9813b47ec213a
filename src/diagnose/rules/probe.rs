//! probe: somebody only knocked: no byte, or a handshake and no application data.
//!
//! # What it means
//!
//! A TCP connection was opened and closed without a byte, or a TLS handshake was made and nothing was asked: a health check, a monitor, a
//! scanner, a browser's spare connection. Nobody wanted anything, so nothing was lost: fault `none`, impact `none`. A plaintext alert that
//! the server answers with is a reaction to the knock; no ClientHello was ever rejected.
//!
//! # How it looks in applications
//!
//! - nginx (info): `client closed connection while SSL handshaking` or `peer closed connection in SSL handshake`.
//! - HAProxy: `Connection closed during SSL handshake`, often every few seconds.
//! - Apache (info): `AH02006: SSL handshake stopped: connection was closed`, `AH01998`; for a RST before the first byte nothing.
//! - Go: `http: TLS handshake error from 10.0.0.5:40112: EOF`; with a RST `connection reset by peer`.
//! - Java: `Remote host terminated the handshake`; stunnel and other OpenSSL 3 servers: `SSL_accept: unexpected eof while reading`; Node:
//!   `ECONNRESET`, `socket hang up`; rustls `unexpected end of file`; .NET
//!   `Received an unexpected EOF or 0 bytes from the transport stream.`; OpenSSL 1.1.1: pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`;
//!   gnutls-serv `The TLS connection was non-properly terminated.`
//! - On the wire a server may add a plaintext fatal alert: OpenSSL 3 `decode_error` (50), GnuTLS `unexpected_message` (10), Java
//!   `handshake_failure` (40).
//! - No program on the prober's side reports it: for it the check passed. The lines above are the servers'.
//!
//! # Why it happens
//!
//! - TCP health checks of load balancers (AWS NLB and ALB target checks, HAProxy `check`, Kubernetes `tcpSocket` probes).
//! - HTTPS monitors that only look at the certificate, `openssl s_client </dev/null`, certificate inventories.
//! - Browser preconnects: a second connection, unused, closed a moment later.
//! - Port and TLS scanners; a monitoring agent that closes right after the session tickets arrive (its kernel then sends RST).
//!
//! # What to do
//!
//! - **Client** (the prober): to keep logs clean, let it speak: a TLS check with a request instead of a TCP connect.
//! - **Server**: silence the line for the prober's addresses; nginx logs these at level info, so `error_log ... warn` hides them. In Go,
//!   filter `http.Server.ErrorLog`.
//! - **Proxy / load balancer**: HAProxy frontends: `option dontlognull`, `option http-ignore-probes`; HAProxy backends: `option httpchk`
//!   with `check-ssl` (and `check-sni`) on the server line instead of a plain `check`. Kubernetes: `httpGet` with `scheme: HTTPS`.
//! - **Network**: if the address is nobody's monitor, treat it as a scan.
//! - In this program: `--ignore CIDR` leaves the health checkers out of every list.
//! - Verify: the pattern repeats with a fixed period from the same address:
//!   `tshark -r f.pcap -Y 'tcp.flags.syn==1 && tcp.flags.ack==0' -T fields -e frame.time_epoch -e ip.src`.
//!
//! # How sure
//!
//! - Certain when TCP came up and not one byte was sent by the client: there is nothing else to read.
//! - After a finished handshake it is `likely`: a client that disliked the certificate without saying so (GnuTLS programs, Node with TLS
//!   1.2, curl's name check) closes at the same place. A certificate in clear that is expired or does not fit the name therefore overrules
//!   this cause.
//! - Looks alike: `client-closed-in-handshake` (left before its Finished), `parallel-attempt` (a sibling connection won).
//! - A RST right after the session tickets is the same thing: tickets unread at `close()`.
//! - What decides: who owns the client's address; a key log shows a real alert, if there was one.
//!
//! # References
//!
//! - HAProxy configuration manual: `option httpchk`, `check-ssl`, `option dontlognull`, `option http-ignore-probes`.
//! - Kubernetes documentation: liveness and readiness probes. RFC 8446 section 4.6.1 (session tickets); RFC 2525 section 2.17.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "probe",
    group: Group::Harmless,
    summary: "somebody only knocked: no byte, or a handshake and no application data",
    usual_fault: "none",
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst],
    phases: &[Phase::Connecting, Phase::Established],
    source: include_str!("probe.rs"),
    yields_to: &[
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "client-certificate-required",
        "parallel-attempt",
        "client-aborted-transfer",
        "server-not-tls",
        "client-not-tls",
        "server-truncated-record",
        "capture-incomplete",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let client = session.side(Side::Client);
    let root = session.root()?;
    let closed = matches!(session.ending, Ending::Fin | Ending::Rst | Ending::CloseNotify);
    if !closed || session.root_side() != Some(Side::Client) {
        return None;
    }
    let silent = session.phase == Phase::Connecting && client.bytes == 0 && session.opening.syn_ack.is_some();
    let greeting = session.phase == Phase::Established
        && client.app_records == 0
        && session.ending != Ending::CloseNotify
        && session.tls.client_hello_at.is_some()
        && session.side(Side::Server).cut_record.is_none();
    if let Some(rst) = session.root_rst(Side::Client)
        && (rst.outlived_by.is_some() || rst.misfits().len() > 1)
    {
        return None;
    }
    let (summary, what) = if silent {
        ("the client connected and left without a byte: a health check, a port scan or a spare connection", "nothing was sent before it")
    } else if greeting {
        (
            "the client completed the handshake and left without asking for anything: a TLS check, a monitor or a spare connection",
            "no application data of the client came before it",
        )
    } else {
        return None;
    };
    // A rejection that is not said (GnuTLS) looks the same where the certificate is encrypted.
    let hidden = greeting && session.ending == Ending::Fin && session.tls.certificates.is_none() && !session.tls.resumed;
    let confidence = if hidden { Confidence::Possible } else { Confidence::Likely };
    let mut reading = Reading::new(Fault::None, confidence, Impact::None, summary)
        .cite(tell::inferred(root.at, Side::Client, what))
        .rule_out(Fault::Server, "it had not closed and owed nothing");
    if greeting {
        reading = reading.or(
            Fault::Undetermined,
            "certificate-rejected",
            "GnuTLS programs (wget) and MariaDB's client look at the certificate after the handshake, and leave like this if they reject it",
            "the client's log",
        );
    }
    Some(reading.advise("Nothing. If it fills a log, let the health check speak TLS to the end, or keep its address out with --ignore."))
}
