//! client-closed-in-handshake: the client left in the middle of the handshake without an alert.
//!
//! # What it means
//!
//! The client closed with a FIN before the handshake was finished and gave no reason. Before the server's certificate this is the client's
//! own doing: fault `client`. Right after the certificate it is likely, but not proven, that the client did not like it: fault
//! `undetermined`, unless the certificate in clear shows why (then it is a `certificate-*` cause). An alert of the server that follows is a
//! reaction to the FIN. Impact: the session failed.
//!
//! # How it looks in applications
//!
//! - Server, OpenSSL 3: `unexpected eof while reading`; OpenSSL 1.1.1 has no words, its programs their own: pyOpenSSL
//!   `SysCallError: (-1, 'Unexpected EOF')`, Node 16 `socket hang up`; a fatal `decode_error` (50) from the server follows on the wire.
//! - Server, nginx (info): `peer closed connection in SSL handshake`; HAProxy `SSL handshake failure` or
//!   `Connection closed during SSL handshake`; Apache (info) `AH02006`.
//! - Server, Go: `http: TLS handshake error from 10.0.0.5:40112: EOF`; Java `Remote host terminated the handshake`; Node `ECONNRESET`,
//!   `socket hang up`.
//! - Server, GnuTLS: `Error in handshake: The TLS connection was non-properly terminated.`, in half a ClientHello
//!   `Error decoding the received TLS packet.`; rustls `tls handshake eof`, `unexpected end of file`; .NET
//!   `Received an unexpected EOF or 0 bytes from the transport stream.`
//! - Client, after the certificate: its own verification error: Node `UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `CERT_HAS_EXPIRED`,
//!   `ERR_TLS_CERT_ALTNAME_INVALID`; Java `HttpClient` `PKIX path building failed`. These two stacks send no alert. Firefox (in TLS 1.3),
//!   curl and Python say why in one, and their sessions end with that.
//! - Client, earlier: its time limit (`Read timed out`, `net/http: TLS handshake timeout`, `curl: (28)`), a cancelled request, or nothing.
//!
//! # Why it happens
//!
//! - Certificate rejected by a stack that leaves silently: Node, Java `HttpClient`, applications that verify after the handshake.
//! - A time limit of the client: Go `TLSHandshakeTimeout` 10 s; then a pause precedes the FIN (and `client-gave-up-waiting` or
//!   `server-unresponsive` may be the better name).
//! - A user or program cancelled: tab closed, request superseded, process ended.
//! - A browser that waits for the user's choice of a client certificate and gets none.
//! - A parallel attempt that lost, a scanner that only wanted the certificate (`parallel-attempt`, `probe`).
//!
//! # What to do
//!
//! - **Client**: read *its* log: the reason is there and nowhere else. Reproduce on the same machine:
//!   `openssl s_client -connect host:443 -servername host -verify_return_error </dev/null`, with the trust store the program uses.
//! - **Client**: raise the limit if the pause fits it: Go `http.Transport.TLSHandshakeTimeout`, curl `--connect-timeout`, Java
//!   `SSLSocket.setSoTimeout`.
//! - **Server**: check what it serves to this client: chain, dates, names, per address and per SNI (`-showcerts`).
//! - **Proxy / load balancer**: forward proxies and gateways are clients too: nginx `proxy_ssl_trusted_certificate`, HAProxy `ca-file`,
//!   Envoy `validation_context`.
//! - **Network**: nothing, unless all clients behind one network leave at the certificate: `tls-interception`.
//! - Verify: filter `tls.handshake.type == 11 || tls.handshake.type == 2 || tcp.flags.fin == 1`; the client's FIN comes first.
//!
//! # How sure
//!
//! - Certain: who closed, and after which message of the server (by the ACK number on the FIN).
//! - The motive is never on the wire. A FIN within milliseconds after the complete certificate flight makes rejection likely; before
//!   ServerHello it cannot be the certificate.
//! - TLS 1.2 shows the certificate: expired or a wrong name is then read, and the verdict changes to that cause.
//! - Looks alike: `certificate-rejected` (there is an alert-sized record before the FIN), `probe` (handshake finished, or no byte).
//! - What decides: the client's log; a key log shows the certificate in TLS 1.3.
//!
//! # References
//!
//! - RFC 8446 sections 4.4.2.4 and 6.2; RFC 5246 section 7.2.2.
//! - Node.js documentation: TLS errors; Go `net/http` `Transport.TLSHandshakeTimeout`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-closed-in-handshake",
    group: Group::Handshake,
    summary: "the client left before the handshake was finished",
    usual_fault: "client, or undetermined after the certificate",
    endings: &[Ending::CloseNotify, Ending::Fin],
    phases: &[Phase::ClientHello, Phase::Handshake],
    source: include_str!("client_closed_in_handshake.rs"),
    yields_to: &[
        "certificate-expired",
        "certificate-untrusted",
        "certificate-rejected",
        "server-not-tls",
        "client-not-tls",
        "server-unresponsive",
        "client-truncated-record",
        "parallel-attempt",
        "client-gave-up-waiting",
        "capture-incomplete",
        "tls-interception",
        "starttls-refused",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let root = session.root().filter(|root| common::shaking_hands(session) && root.side == Some(Side::Client))?;
    if !matches!(session.ending, Ending::Fin | Ending::CloseNotify) {
        return None;
    }
    Some(common::client_left(session, root, "closed"))
}
