//! server-truncated-record: the server's stream ended in the middle of a TLS record: data was lost, proven.
//!
//! # What it means
//!
//! A TLS record announces its length; the server's side closed or reset before it had sent that many bytes. Nobody ends a complete answer
//! there: what followed is missing, and the client cannot even decrypt what came of that record. Loss in the capture and on the path is
//! excluded first. The server's side hung up: fault `server`, unless the client had stopped reading or the RST does not fit the server.
//! Impact: `data_lost`, even where the application noticed nothing.
//!
//! # How it looks in applications
//!
//! - Client, Java (`SSLSocket`): reads -1, as if all were well; with `-Dcom.sun.net.ssl.requireCloseNotify=true`
//!   `javax.net.ssl.SSLProtocolException: Remote host terminated the connection`, caused by
//!   `java.io.EOFException: SSL peer shut down incorrectly`. `HttpsURLConnection`: a short body without an error.
//! - Client, Java `HttpClient`: `java.io.IOException: fixed content-length: 5000, bytes received: 0`; with a RST
//!   `java.net.SocketException: Connection reset`.
//! - Client, OpenSSL 3: `unexpected eof while reading` (OpenSSL 1.1.1 `read:errno=0`, pyOpenSSL `SysCallError: (-1, 'Unexpected EOF')`);
//!   with a RST `read:errno=104`. curl: `curl: (18) transfer closed with 5000 bytes remaining to read`,
//!   `curl: (56) Recv failure: Connection reset by peer`.
//! - Client, Python: `recv()` returns `b''` (an error only with `suppress_ragged_eofs=False`), `http.client.IncompleteRead`.
//! - Client, Go: `unexpected EOF`, `connection reset by peer`; Node `aborted`, `ECONNRESET`, but plain `tls` sockets just `'end'`; rustls
//!   `peer closed connection without sending TLS close_notify`.
//! - Client, GnuTLS: `Error decoding the received TLS packet.`, wget
//!   `Read error at byte 5000/100000 (Error decoding the received TLS packet.)`, git `GnuTLS recv error (-9)`; Chrome
//!   `ERR_CONTENT_LENGTH_MISMATCH`, `ERR_HTTP2_PROTOCOL_ERROR`; .NET `Received an unexpected EOF or 0 bytes from the transport stream.`;
//!   Firefox shows the half page and no error (`NS_ERROR_NET_PARTIAL_TRANSFER` in the developer tools).
//! - Proxy in the client's place: Apache `(70008)Partial results are valid but processing is incomplete: AH01110: error reading response`;
//!   nginx `upstream prematurely closed connection while sending to client`; HAProxy `SD`.
//! - Server: a crash, a broken pipe, a limit, or nothing (the bytes were in its kernel when the socket was closed hard).
//!
//! # Why it happens
//!
//! - The server's process died, or was killed, in the middle of a large write; a container was stopped without grace.
//! - A hard close with data in the send buffer: `SO_LINGER` with 0, a close with unread request bytes (RST discards what was not yet sent).
//! - A send limit: nginx `send_timeout` against a slow reader (then look for `zero-window-stall`), `reset_timedout_connection on`.
//! - A TCP-mode proxy or load balancer cuts at a limit, at a reload or when its backend is marked down (HAProxy
//!   `on-marked-down shutdown-sessions`).
//! - Accelerators, antivirus and data-loss filters that cut a download in the name of the server.
//!
//! # What to do
//!
//! - **Client**: check lengths and digests; resume with `Range` (curl `-C -`, wget `-c`); repeat.
//! - **Server**: find the end of the process at that second (`journalctl`, `dmesg`, core dump, container exit code 137); read the request
//!   to its end before closing; lingering close (nginx `lingering_close on`, Apache does it by default); graceful stop before kill.
//! - **Server**: limits for slow readers: nginx `send_timeout 60s`, Apache `Timeout 60`, Go `http.Server.WriteTimeout` (0 or long for
//!   downloads), Kestrel `MinResponseDataRate`.
//! - **Proxy / load balancer**: HAProxy `timeout client`, `timeout server`, `hard-stop-after`; nginx `proxy_read_timeout`,
//!   `proxy_max_temp_file_size`; draining before reload.
//! - **Network**: only if the RST does not fit the server: `injected-reset`.
//! - Verify: compare sizes: `curl -sS -o /dev/null -w '%{size_download} %{http_code}\n' https://host/file` several times. In Wireshark: the
//!   last `tls.record.length` of the server against the bytes that follow.
//!
//! # How sure
//!
//! - Proof, and the only one without keys: the record's header promises more bytes than the stream has up to its FIN or RST, with no hole
//!   in the capture before it and nothing retransmitted later.
//! - Capped: with a hole, a snap length or one direction only, the cut is not called proven.
//! - First asked: did the client stop reading (window zero)? Is the RST an active one of that host? If not, another cause is reported.
//! - Not decidable: crash, limit or intent; endpoint or pass-through box.
//! - What decides: the server's log; a capture on the server shows whether the missing bytes ever left.
//!
//! # References
//!
//! - RFC 8446 sections 5.1 and 6.1; RFC 9112 section 8 (incomplete messages).
//! - RFC 2525 section 2.17; nginx `lingering_close`, `reset_timedout_connection`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-truncated-record",
    group: Group::Established,
    summary: "the server ended the connection in the middle of a record: data was lost, proven",
    usual_fault: "server",
    endings: &[Ending::Fin, Ending::Rst],
    phases: Phase::ALL,
    source: include_str!("server_truncated_record.rs"),
    yields_to: &["server-not-tls", "client-not-tls", "injected-reset", "zero-window-stall", "proxy-tunnel-cut", "capture-incomplete"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let cut = session.side(Side::Server).cut_record.filter(|cut| cut.proven && (cut.have > 0 || cut.need > 0))?;
    if session.root_side() != Some(Side::Server) || !matches!(session.ending, Ending::Fin | Ending::Rst) {
        return None;
    }
    if session.root_rst(Side::Server).is_some_and(|rst| !rst.fits_sender()) || session.side(Side::Client).window_closed {
        return None;
    }
    let root = session.root()?;
    let how = if session.ending == Ending::Rst { "reset" } else { "closed" };
    let left = cut.need.saturating_sub(cut.have);
    Some(
        Reading::new(
            Fault::Server,
            Confidence::Certain,
            Impact::DataLost,
            format!(
                "the server {how} the connection in the middle of a record: {} of {} were sent",
                cut.have,
                tell::bytes(u64::from(cut.need))
            ),
        )
        .cite(tell::saw(cut.at, Side::Server, format!("the record begins: {} announced", tell::bytes(u64::from(cut.need)))))
        .cite(tell::missing(root.at, Side::Server, u64::from(left), "the rest of the record, never sent"))
        .rule_out(Fault::Client, "it had not closed")
        .rule_out(Fault::Network, "every byte before the close arrived here in sequence: nothing of the record was lost on the way")
        .advise(format!(
            "Look into the log of the server ({}) at {}: a crash, a kill, a deadline or a full disk in mid-answer.",
            session.ends.server,
            tell::clock(root.at)
        ))
        .advise("Treat what the application got as incomplete."),
    )
}
