//! client-not-tls: the client sent plain text (HTTP, for example) to a TLS port.
//!
//! # What it means
//!
//! The first bytes of the client are not a ClientHello but plain text, as a rule an HTTP request, on a port where the server speaks TLS.
//! The server answered with an error page, an alert, a FIN or a RST. The client's URL or configuration lacks the `s`: fault `client`. Its
//! first line is shown, escaped. Nothing was encrypted, so cookies and passwords in that request crossed the network in clear; the session
//! failed.
//!
//! # How it looks in applications
//!
//! - Client: `400 Bad Request`, with the server's words: nginx `The plain HTTP request was sent to HTTPS port`, Go
//!   `Client sent an HTTP request to an HTTPS server.`, Apache `You're speaking plain HTTP to an SSL-enabled server port.`
//! - Client, other servers: `curl: (52) Empty reply from server`, `curl: (56) Recv failure: Connection reset by peer`, Python
//!   `RemoteDisconnected` or `BadStatusLine`, Java `SocketException: Unexpected end of file from server`, Go
//!   `malformed HTTP response "\x15\x03\x01..."` (the alert read as text).
//! - Client, redis-cli without `--tls`: `Error: Connection reset by peer`; the server's log `wrong version number`.
//! - Server, nginx: status 400 (497 inside), `client sent plain HTTP request to HTTPS port while reading client request headers`.
//! - Server, Apache: `AH01996: SSL handshake failed: HTTP spoken on HTTPS port`; Go `tls: client sent an HTTP request to an HTTPS server`.
//! - Server, OpenSSL (stunnel, Python): `http request` (`error:0A00009C`, 1.1.1 `error:1408F09C`); other rubbish is `wrong version number`;
//!   Node `ERR_SSL_HTTP_REQUEST`; Java `Unsupported or unrecognized SSL message`; HAProxy `SSL handshake failure`.
//! - Server, GnuTLS: `An unexpected TLS packet was received.`; rustls `received corrupt message of type InvalidContentType`; .NET
//!   `Cannot determine the frame size or a corrupted frame was received.`, Core 3.1
//!   `The handshake failed due to an unexpected packet format.`
//! - A browser (Chrome, Firefox) shows the page of the 400, as of any answer.
//!
//! # Why it happens
//!
//! - `http://host:443/` or `http://host:8443/`; a base URL from configuration with the wrong scheme; `ws://` instead of `wss://`.
//! - A redirect, `Location` header or link built with `http` and the TLS port by an application behind a TLS-ending proxy.
//! - A reverse proxy that forwards plain HTTP to a backend's TLS port: nginx `proxy_pass http://backend:8443`, HAProxy `server` line
//!   without `ssl`.
//! - A scanner, or a client of the nineties, that offers SSL 2.0 and nothing newer (RFC 6176 forbids it): that hello is none of TLS.
//! - A health check or monitor in plain HTTP against a TLS port (HAProxy `option httpchk` without `check-ssl`; Kubernetes `httpGet` without
//!   `scheme: HTTPS`).
//! - PROXY protocol sent to a listener that does not expect it (the first bytes are then `PROXY TCP4`).
//! - A STARTTLS client's plain greeting on the implicit-TLS port (SMTP `EHLO` on 465).
//!
//! # What to do
//!
//! - **Client**: change the scheme to `https://`, `wss://`, `ldaps://`; for mail on 465 or 993 choose implicit TLS instead of STARTTLS.
//! - **Server**: be kind to browsers: nginx `error_page 497 =301 https://$host:$server_port$request_uri;`. Applications behind a proxy must
//!   honour `X-Forwarded-Proto`.
//! - **Proxy / load balancer**: nginx `proxy_pass https://backend:8443;`, HAProxy `server app 10.0.0.5:8443 ssl verify required`; for
//!   checks `check check-ssl`; PROXY protocol on both sides or on neither (nginx `listen 443 ssl proxy_protocol;`, HAProxy `accept-proxy` /
//!   `send-proxy`).
//! - **Network**: nothing. Change credentials that crossed in clear.
//! - Verify: `curl -v http://host:443/` shows the same error, `curl -v https://host:443/` works. Filter: `tcp.port == 443 && http.request`
//!   with "Decode As" HTTP, or `tcp.payload[0:3] == 47:45:54` (GET).
//!
//! # How sure
//!
//! - Certain: the client's first bytes; they are quoted with their frame.
//! - Fault `client` means the TLS endpoint at that address; behind it may stand a reverse proxy or a health checker, which then is what
//!   must be changed.
//! - Looks alike: CONNECT, SOCKS, PROXY protocol and STARTTLS are spoken in clear *before* TLS on purpose; they are read as preludes and
//!   are not this cause. A ClientHello in SSL 2 format is TLS.
//! - Caps: a capture that begins in the middle of a connection shows sealed records or middle bytes; then no such verdict is given.
//! - What decides: nothing further is needed.
//!
//! # References
//!
//! - nginx documentation: error code 497. Apache mod_ssl, message AH01996. HAProxy configuration manual: `ssl`, `check-ssl`,
//!   `accept-proxy`.
//! - PROXY protocol specification (haproxy.org). RFC 8446 section 4.1.2.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::prelude::{PlainProtocol, describe_plain};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "client-not-tls",
    group: Group::Handshake,
    summary: "the client speaks something else than TLS to a TLS port",
    usual_fault: "client",
    endings: Ending::ALL,
    phases: &[Phase::Connecting, Phase::ClientHello, Phase::Handshake, Phase::Established],
    source: include_str!("client_not_tls.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    let client = session.side(Side::Client);
    let (plain, at) = (client.plain.as_ref()?, client.plain_at?);
    if client.records > 0 || session.tls.client_hello_at.is_some() || session.phase == Phase::Tunneling {
        return None;
    }
    // A protocol that can do without TLS was spoken, and nobody asked for it: that is its plain form, on a port for both.
    let plain_form = session.prelude.as_deref().is_some_and(|story| story.talks.iter().any(|talk| !talk.protocol.is_tunnel()));
    if plain_form && !context.tls_only_port {
        return None;
    }
    // The port is one for TLS, or the server answers in TLS: with an alert.
    let speaks = session.side(Side::Server).records > 0;
    if !speaks && !context.tls_port {
        return None;
    }
    if session.side(Side::Server).plain_at.is_some_and(|server| server < at) {
        return None;
    }
    let what = common::plain(plain);
    Some(
        Reading::new(Fault::Client, Confidence::Likely, Impact::SessionFailed, format!("the client spoke no TLS to a TLS port but {what}"))
            .cite(tell::saw(at, Side::Client, what))
            .rule_out(Fault::Network, "both sides spoke and were heard")
            .or(Fault::Server, "client-not-tls", "plain text was meant to be spoken on this port", "the server's listener")
            .advise(if describe_plain(plain) == Some(PlainProtocol::Ssl2) {
                "SSL 2.0 must not be used (RFC 6176), and hardly a server still answers it: update the client, unless it is a scanner."
            } else {
                "Use https:// (or the protocol's TLS form) for this port, or the plain port for plain text."
            }),
    )
}
