//! zero-window-stall: one side stopped reading: its window stayed at zero until the session broke.
//!
//! # What it means
//!
//! One side advertised a receive window of zero and kept it there: its application does not read, its buffer is full. The sender probed,
//! every probe was answered with "still zero", and nothing moved until somebody gave up. The path works, and so does the host. Fault is the
//! side that stopped reading, `client` or `server`; whoever closed at last was only the first to lose patience. Impact: data was not
//! delivered.
//!
//! # How it looks in applications
//!
//! - Sending side, Java: `SocketTimeoutException: Write timed out` (or a thread that hangs in `socketWrite0`); Go `write: i/o timeout`,
//!   `write: broken pipe`; Node back-pressure, growing memory; Python blocked in `send()`; rustls programs blocked in `write`, OpenSSL 3
//!   and OpenSSL 1.1.1 in `SSL_write`, GnuTLS in `gnutls_record_send`, .NET in `WriteAsync` (not measured).
//! - Sending server, nginx: `client timed out (110: Connection timed out) while sending to client`,
//!   `upstream timed out ... while sending request to upstream`; HAProxy `cD` or `sD`; Apache ends it after its `Timeout` (often).
//! - Sending side, Linux: `Connection timed out` after `TCP_USER_TIMEOUT` or the application's limit; without one it may hang for ever.
//! - Reading side (curl, a browser such as Chrome or Firefox): nothing; it is busy or stuck. `ss -tm` there shows a full `rb`, `Recv-Q`
//!   does not fall.
//! - Wireshark: `TCP ZeroWindow`, `TCP ZeroWindowProbe`, `TCP Window Full`.
//!
//! # Why it happens
//!
//! - The reader is blocked: a full disk, a lock, a slow database, a debugger, a stop-the-world collection, a suspended laptop or a browser
//!   tab in the background.
//! - A consumer slower than its producer: streaming, replication, log shipping, message brokers with prefetch.
//! - A paused download or video player (on purpose; then it resumes).
//! - A proxy that waits for its own other side (back-pressure handed on): the real sluggard may be behind it.
//! - Dead-lock by design: both sides write large bodies and neither reads (pipelining, echo protocols, HTTP without reading the early
//!   answer).
//!
//! # What to do
//!
//! - **Reading side**: find out why it does not read: `jstack`, `py-spy dump`, `gdb`, `iostat -x 1`, `df -h`; read in a thread of its own;
//!   bound queues and shed load.
//! - **Sending side**: limits on writes: nginx `send_timeout` (60 s), Go `SetWriteDeadline`, `http.Server.WriteTimeout`, Java NIO or a
//!   watchdog (socket writes have no limit), `TCP_USER_TIMEOUT` (on Linux it also ends zero-window waits).
//! - **Client and Server**: read while writing; for uploads watch for the early answer.
//! - **Proxy / load balancer**: HAProxy `timeout client`, `timeout server`; nginx `proxy_buffering on`, `proxy_max_temp_file_size`, so that
//!   slow readers do not hold backends.
//! - **Network**: nothing; do not look for loss: the probes are answered.
//! - Verify: filter `tcp.analysis.zero_window || tcp.analysis.zero_window_probe || tcp.analysis.window_full`; on the host
//!   `ss -tmi dst 203.0.113.7`.
//!
//! # How sure
//!
//! - Certain: the zero windows and the answered probes. Who stopped reading is direct observation.
//! - Not decidable: why; and whether the reader is the endpoint or a proxy at its address.
//! - A zero window that opens again is flow control, no finding. Only one that lasts to the end counts.
//! - A record cut in the middle after such a stall is the consequence: the sender gave up with data unsent; the truncation is told as its
//!   effect.
//! - Looks alike: `path-black-hole` (probes unanswered), `server-unresponsive` (window open, no answer).
//! - What decides: a stack dump of the reading process.
//!
//! # References
//!
//! - RFC 9293 sections 3.8.6 and 3.8.6.1 (zero-window probing); RFC 6429 (persist condition); RFC 5482.
//! - Wireshark User's Guide: TCP analysis. nginx `send_timeout`; Linux `tcp(7)`: `TCP_USER_TIMEOUT`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "zero-window-stall",
    group: Group::Established,
    summary: "one side stopped reading: its receive window stayed closed",
    usual_fault: "the side that stopped reading",
    endings: &[Ending::CloseNotify, Ending::Fin, Ending::Rst, Ending::FatalAlert, Ending::Stall, Ending::NoConnection, Ending::Unseen],
    phases: Phase::ALL,
    source: include_str!("zero_window_stall.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (side, since) = [Side::Client, Side::Server].into_iter().find_map(|side| Some((side, session.stopped_reading(side)?)))?;
    if session.ending == Ending::Open {
        return None;
    }
    let (_, last) = session.side(side).zero_window?;
    let peer = side.peer();
    Some(
        Reading::new(
            Fault::from(side),
            Confidence::Likely,
            Impact::SessionFailed,
            format!(
                "the {side} stopped reading: its receive window stayed closed for {}, and the {peer} could not send",
                tell::span(last.time.since(since.time))
            ),
        )
        .cite(tell::saw(since, side, "receive window of zero"))
        .cite(tell::saw(last, side, "receive window still zero"))
        .rule_out(Fault::from(peer), "it had data to send and was not allowed to")
        .rule_out(Fault::Network, "probes and their answers passed all the time")
        .advise(format!(
            "Look at the {side}'s application ({}): it is stuck, or slower than the data (a full disk, a lock, a paused consumer).",
            session.ends[side]
        ))
        .advise("On that host: ss -tnp shows the bytes that wait in Recv-Q, and the process that owns them."),
    )
}
