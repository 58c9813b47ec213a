//! large-client-hello-dropped: a ClientHello of two segments does not get through, smaller ones do.
//!
//! # What it means
//!
//! The ClientHello does not fit into one packet any more, because it carries a post-quantum key share. Its first segment arrived; its
//! second, *small* segment never got through, or a RST came right after it, while smaller hellos to the same server pass. A box on the way,
//! or an old TLS front end, believes that every ClientHello fits into one packet. Fault `proxy`; a server that reads only once is the
//! second reading. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Client: a hang until its limit: Chrome `ERR_TIMED_OUT`, `ERR_CONNECTION_RESET`; Firefox `PR_CONNECT_RESET_ERROR`; curl
//!   `curl: (28) SSL connection timeout` or `curl: (35) Recv failure: Connection reset by peer`.
//! - Client, Go 1.24 and later: `net/http: TLS handshake timeout`, `connection reset by peer`; Node 24 and other OpenSSL 3.5 programs
//!   `ECONNRESET`, `unexpected eof while reading`; OpenSSL 1.1.1 has no such hello, and works.
//! - Client, Java with post-quantum groups: `Remote host terminated the handshake`, `SSL peer shut down incorrectly`, `Connection reset`.
//! - Any other client, if its hello is large: Python `The handshake operation timed out`, rustls `operation timed out` (reqwest), .NET
//!   `The request was canceled due to the configured HttpClient.Timeout`, GnuTLS's git and wget `Unable to establish SSL connection.`,
//!   proxies: Apache `AH00898`, nginx `upstream timed out (110: Connection timed out) while SSL handshaking to upstream`, HAProxy `sC`.
//! - The typical ticket: "since the browser update", "Chrome fails, the old curl works", "works from home".
//! - Server: nothing, `EOF`, or `http request` and other parse errors for half a hello.
//!
//! # Why it happens
//!
//! - Firewalls and inspecting boxes that read SNI from the first packet only, and drop or reset what they cannot parse.
//! - SNI-routing load balancers and Kubernetes ingresses that read once; old appliances, embedded web servers, VPN gateways.
//! - A rate limiter or IDS that takes the second segment for an attack.
//! - Sizes: classic hellos 220 to 520 bytes; with X25519MLKEM768 about 1460 to 1580 (OpenSSL 3.5, Node 24), 1870 (Firefox), 1900 to 2000
//!   (Chromium): two segments at an MSS of 1448 or 1460.
//!
//! # What to do
//!
//! - **Proxy / load balancer**: update it: most vendors have fixed this (search their notes for "Kyber", "ML-KEM", "tldr.fail"); HAProxy
//!   `tcp-request inspect-delay 5s` with `tcp-request content accept if { req.ssl_hello_type 1 }` waits for the whole hello.
//! - **Client**, as a loan: classic groups only: curl `--curves X25519`, OpenSSL `-groups X25519:P-256` or `Groups = X25519:P-256` in
//!   `openssl.cnf`, Go `GODEBUG=tlsmlkem=0`, Node `ecdhCurve: 'X25519:P-256'`, Java `-Djdk.tls.namedGroups=x25519,secp256r1`, Firefox
//!   `security.tls.enable_kyber` = false, Chrome policy `PostQuantumKeyAgreementEnabled` (older versions).
//! - **Server**: an application that parses the hello itself must read until the record is complete; update the TLS front end.
//! - **Network**: name the box: try from a network without it.
//! - Verify: `openssl s_client -connect host:443 -servername host -groups X25519MLKEM768` (OpenSSL 3.5) against `-groups X25519`. Filter:
//!   `tls.handshake.type == 1` with `tcp.len`, `tcp.analysis.retransmission`; the group is in
//!   `tls.handshake.extensions_key_share_group == 0x11ec`.
//!
//! # How sure
//!
//! - Signs: the first segment acknowledged, the second never, in spite of retransmissions, although it is *small* (so it is no MTU
//!   question); or a RST right after it. Stronger: a smaller hello of any client to that server succeeds in the same capture.
//! - The RST form is given only where no socket stands behind the RST and numbers exclude chance: two or more large hellos reset, two or
//!   more smaller ones answered, none the other way round.
//! - Whether box or server drops it cannot be told from the client's side; a RST+ACK that acknowledges *all* of the hello and fits the
//!   server is the server's own, and is told so.
//! - Looks alike: `path-mtu-black-hole` (the *first*, full-size segment is lost), `server-closed-in-handshake`, an SNI filter (small hellos
//!   fail too).
//! - What decides: a capture at the server: does the second segment arrive?
//!
//! # References
//!
//! - RFC 8446 sections 4.1.2 and 9.3; RFC 10024 (hybrid key agreement, X25519MLKEM768); RFC 9293 (segments are not messages).
//! - tldr.fail (list of causes and tests). Chrome enterprise policy list; Go release notes 1.24.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "large-client-hello-dropped",
    group: Group::Handshake,
    summary: "a ClientHello of two segments does not get through, smaller ones do",
    usual_fault: "proxy",
    endings: &[Ending::Rst, Ending::Stall],
    phases: &[Phase::ClientHello],
    source: include_str!("large_client_hello_dropped.rs"),
    yields_to: &["firewall-rejected", "unreachable", "zero-window-stall"],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    if session.phase != Phase::ClientHello || session.tls.client_hello_segments < 2 {
        return None;
    }
    let hello = session.tls.client_hello.as_deref()?;
    let smaller = context.beside.smaller_hellos.as_deref();
    let client = session.side(Side::Client);
    let mut reading = match session.ending {
        Ending::Stall => {
            let lost = client.unanswered.filter(|lost| lost.retransmissions >= 3 && lost.smallest < 1_200 && lost.largest < 1_200)?;
            if u64::from(hello.len) <= u64::from(lost.largest) || client.unacked >= u64::from(hello.len) {
                return None;
            }
            let repeated = tell::plural(u64::from(lost.retransmissions), "retransmission");
            Reading::new(
                Fault::Proxy,
                Confidence::Likely,
                Impact::SessionFailed,
                format!(
                    "the ClientHello of {} takes two segments; the first got through, the second, smaller one never did: a box that cannot take a hello in two parts",
                    tell::bytes(u64::from(hello.len))
                ),
            )
            .cite(tell::client_hello(session))
            .cite(tell::saw(lost.until, Side::Client, format!("last of {repeated} of the second segment")))
            .rule_out(Fault::Client, "its segments were sent in full and again")
        }
        Ending::Rst => {
            // A living socket's own RST is its server's. One without a socket behind it says little, unless smaller hellos pass.
            let rst = session.root_rst(Side::Server).filter(|rst| rst.from_nowhere())?;
            let smaller = smaller?;
            Reading::new(
                Fault::Proxy,
                Confidence::Likely,
                Impact::SessionFailed,
                format!(
                    "the ClientHello of {} takes two segments and was reset by something that had no socket for it, while smaller hellos to the same server pass ({} of them, and none of {} large ones)",
                    tell::bytes(u64::from(hello.len)),
                    smaller.small,
                    smaller.large
                ),
            )
            .cite(tell::client_hello(session))
            .cite(tell::inferred(rst.at, Side::Server, "a RST in answer to it, from where no connection is known"))
            .rule_out(Fault::Client, "its hello was complete")
            .or(
                Fault::Server,
                "server-reset-in-handshake",
                "a front end at that address that reads a hello only once",
                tell::capture_at(session, Side::Server),
            )
        }
        _ => return None,
    };
    if let Some(smaller) = smaller {
        reading = reading.cite(smaller.passed.saw(Side::Client, "a smaller ClientHello to the same server, which was answered"));
    }
    Some(
        reading
            .advise("Update the firewall or inspection box: post-quantum key shares (X25519MLKEM768) make a ClientHello longer than one segment.")
            .advise("To confirm, try a smaller hello: openssl s_client -groups X25519 against the same server."),
    )
}
