//! server-closed-in-handshake: the server answered the handshake with a FIN and no alert.
//!
//! # What it means
//!
//! The client's ClientHello (or its next flight) arrived, the server acknowledged it, and then closed with a FIN without an alert: no word
//! why. This is the classic `SSL peer shut down incorrectly` of Java. The server's side hung up, so it must say why: fault `server`,
//! meaning the TLS endpoint at that address, which may be a load balancer. Nothing of the application was exchanged; impact: the session
//! failed.
//!
//! # How it looks in applications
//!
//! - Client, Java 11 and later: `javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake`, caused by
//!   `java.io.EOFException: SSL peer shut down incorrectly`.
//! - Client, Java 7 and 8: `javax.net.ssl.SSLHandshakeException: Remote host closed connection during handshake`, same cause.
//! - Client, Java, when the FIN comes inside the TLS 1.3 server flight: `java.net.SocketException: Connection reset`, because Java's next
//!   record meets a closed socket.
//! - Client, OpenSSL 3: `unexpected eof while reading` (`error:0A000126`); OpenSSL 1.1.1 `SSL_ERROR_SYSCALL`, `errno 0` (s_client
//!   `write:errno=0`, pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`). curl:
//!   `curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to host:443`.
//! - Client, Python: `ssl.SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol`.
//! - Client, Node: `ECONNRESET`, `Client network socket disconnected before secure TLS connection was established`, although there was no
//!   RST.
//! - Client, Go: `EOF`, in mid-record `unexpected EOF`; rustls `unexpected end of file`, reqwest `tls handshake eof`; GnuTLS, wget, git
//!   `The TLS connection was non-properly terminated.`, inside a TLS 1.3 flight `Error decoding the received TLS packet.`
//! - Client, .NET: `Received an unexpected EOF or 0 bytes from the transport stream`, .NET Core 3.1
//!   `Authentication failed because the remote party has closed the transport stream`; Chrome `ERR_CONNECTION_CLOSED`; Firefox
//!   `PR_END_OF_FILE_ERROR`.
//! - Proxy in the client's place: nginx `peer closed connection in SSL handshake while SSL handshaking to upstream` with 502; Apache
//!   `AH00898: Error during SSL Handshake with remote server`, status 500.
//! - Server: its own log at that second; HAProxy in TCP mode `SC`. Often nothing.
//!
//! # Why it happens
//!
//! - A load balancer or TLS passthrough without a usable backend (see `backend-down-behind-proxy` for the tell-tale pause).
//! - The name in SNI has no route or no certificate there, and the box closes instead of sending alert 112.
//! - An old server that does not understand the hello: TLS 1.3, unknown extensions, a ClientHello of two segments
//!   (`large-client-hello-dropped`); or a client that offers only retired versions to a server that closes instead of sending 70.
//! - The server's program crashed or threw while handling the hello: unreadable key after a renewal, empty keystore, no file descriptors
//!   (`Too many open files`), out of memory.
//! - Access control before TLS: an address allow list, connection limit or rate limit.
//! - The listener expects the PROXY protocol first, or the port speaks another protocol and dislikes the first byte.
//! - Shutting down or reloading: the old process closes what it had accepted.
//!
//! # What to do
//!
//! - **Client**: offer TLS 1.2 and 1.3 and send SNI: Java 7 needs `-Djdk.tls.client.protocols=TLSv1.2`; no IP address in the URL. Retrying
//!   without a change only helps against overload and reloads.
//! - **Server**: read its TLS log at that second: nginx `error_log ... info`, Apache `LogLevel ssl:debug`, Java
//!   `-Djavax.net.debug=ssl:handshake`, Windows Schannel events. Check certificate and key (`openssl pkey -check -in key.pem`),
//!   `ulimit -n`, memory, `journalctl -k | grep -i oom`.
//! - **Proxy / load balancer**: state of the backends, SNI routes, limits: HAProxy `show servers state`, `maxconn`, `timeout connect`;
//!   PROXY protocol on both sides or on neither (`send-proxy` / `accept-proxy`); health checks that reach TLS (`check-ssl`).
//! - **Network**: compare from inside (`openssl s_client` on the server to 127.0.0.1) and outside: if only outside fails, a box on the way
//!   closes.
//! - Verify, one change at a time: `openssl s_client -connect host:443 -servername host`, then `-noservername`, `-tls1_2`, `-tls1_3`,
//!   `-groups X25519:P-256`. Which one passes names the reason. Filter: `tls.handshake.type == 1 || tcp.flags.fin == 1`.
//!
//! # How sure
//!
//! - Certain: the server's FIN acknowledges the hello and no alert preceded it. Who closed is direct observation.
//! - Where the ClientHello never was complete and the server had waited for the rest, nobody is accused: it may have been owed that.
//! - Not decidable: why. The candidates above differ in time (at once, after n seconds) and by which hello passes; the verdict lists what
//!   the capture rules out.
//! - Looks alike: `server-reset-in-handshake` (RST), `server-not-tls` (plain bytes came back), `probe` (no ClientHello),
//!   `client-gave-up-waiting` (the client closed first, after silence).
//! - "Server" is the endpoint at that address; with a pass-through load balancer the FIN may come from either.
//! - What decides: the server's or load balancer's log at that time; a capture behind the load balancer.
//!
//! # References
//!
//! - RFC 8446 sections 4.1.2, 6.2 and 9.3; RFC 9293 section 3.6.
//! - OpenJDK `SSLSocketInputRecord`, `SSLSocketImpl` (the texts); OpenSSL 3.0 migration guide (unexpected EOF).
//! - HAProxy configuration manual, section 8.5; nginx `ngx_http_ssl_module`.

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-closed-in-handshake",
    group: Group::Handshake,
    summary: "the server closed in answer to the ClientHello, with no alert",
    usual_fault: "server",
    endings: &[Ending::CloseNotify, Ending::Fin],
    phases: &[Phase::Connecting, Phase::ClientHello, Phase::Handshake],
    source: include_str!("server_closed_in_handshake.rs"),
    yields_to: &[
        "backend-down-behind-proxy",
        "server-not-tls",
        "client-not-tls",
        "client-certificate-required",
        "client-certificate-rejected",
        "proxy-tunnel-cut",
        "server-truncated-record",
        "server-unresponsive",
        "server-idle-timeout",
        "capture-incomplete",
        "starttls-refused",
    ],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let root = session.root().filter(|root| common::in_handshake(session) && root.side == Some(Side::Server))?;
    let polite = session.ending == Ending::CloseNotify;
    // What it said before its FIN and nobody got may have been its alert.
    let unheard = !session.side(Side::Server).gaps.is_empty();
    if unheard || (!polite && session.ending != Ending::Fin) {
        return None;
    }
    let waited = common::since_hello(session, root.at);
    let pause = waited.map_or(String::new(), |waited| format!(" {} after it", tell::span(waited)));
    let what = if polite { "a close_notify" } else { "a FIN and no alert" };
    // A server that takes leave properly has its reasons; one that just goes owes an alert (RFC 8446 section 6.2).
    // One that closes on a client that said nothing for long only stopped waiting.
    let patient = session.tls.client_hello_at.is_none() && common::kept_waiting(session, root.at) > Span::from_secs(1);
    let (fault, confidence) =
        if polite || patient { (Fault::Undetermined, Confidence::Possible) } else { (Fault::Server, Confidence::Likely) };
    let reading = Reading::new(
        fault,
        confidence,
        Impact::SessionFailed,
        format!("the server closed in the handshake with {what}, {}{pause}", common::last_step(session, root.at)),
    )
    .cite(tell::client_hello(session));
    let reading = if patient {
        reading.cite(tell::last_data(session, Side::Client)).or(
            Fault::Client,
            "server-closed-in-handshake",
            "it began its ClientHello and never finished it",
            "the client's log, or a capture there: did it send the rest?",
        )
    } else {
        reading.rule_out(Fault::Client, "it was waiting for the server's answer")
    };
    Some(
        reading
            .rule_out(Fault::Network, "a FIN in sequence came back from the server's address")
            .or(
                Fault::Proxy,
                "server-closed-in-handshake",
                "a load balancer or firewall that terminates TCP at this address",
                "its log, and a capture behind it",
            )
            .advise(format!("Look into the log of the server (or load balancer) at {} at {}.", session.ends.server, tell::clock(root.at)))
            .advise(format!("Try other names and versions: openssl s_client -connect {} -servername NAME -tls1_2.", session.ends.server)),
    )
}
