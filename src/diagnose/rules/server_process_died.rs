//! server-process-died: sessions ended abnormally and the server refused new connections right after.
//!
//! # What it means
//!
//! The session broke without a goodbye, and the same address then refused new connections, or all its sessions ended in the same moment.
//! The likely reading is that the server's process crashed, was killed or restarted. Fault `server`, meaning the TCP endpoint at that
//! address. It is never called certain: a pass-through proxy that reloads looks the same from outside. Impact: everything in flight is lost
//! or truncated.
//!
//! # How it looks in applications
//!
//! - Client, first: `Connection reset`, `unexpected eof while reading`, `EOF`, `ECONNRESET`, rustls
//!   `peer closed connection without sending TLS close_notify`, GnuTLS `The TLS connection was non-properly terminated.`, OpenSSL 1.1.1
//!   `read:errno=0` or `read:errno=104`, .NET `The response ended prematurely`, Firefox `PR_CONNECT_RESET_ERROR`, as for `server-reset` and
//!   `server-closed-without-close-notify`.
//! - Client, then: Java `java.net.ConnectException: Connection refused`; curl `curl: (7) Failed to connect to host port 443`; Go
//!   `connect: connection refused`; Node `ECONNREFUSED`; Python `ConnectionRefusedError`; Chrome `ERR_CONNECTION_REFUSED`; Firefox
//!   `Unable to connect`; .NET, GnuTLS, wget and rustls programs `Connection refused`.
//! - Proxy in the client's place: nginx `connect() failed (111: Connection refused) while connecting to upstream`,
//!   `no live upstreams while connecting to upstream`; HAProxy `Server app/app1 is DOWN, reason: Layer4 connection problem`; Apache
//!   `(111)Connection refused: AH00957`.
//! - Server: `journalctl -u service`: `Main process exited, code=killed, status=9/KILL`, `code=dumped, status=11/SEGV`; `dmesg`:
//!   `Out of memory: Killed process 4711 (java)`; containers `OOMKilled`, exit code 137 (SIGKILL), 139 (SIGSEGV), 143 (SIGTERM).
//! - PostgreSQL, for one killed backend: `server process (PID 4711) was terminated by signal 9: Killed`, and every other session of that
//!   server ends in the same moment with `terminating connection because of crash of another server process` (57P02); its port stays open.
//! - Java `hs_err_pid4711.log`; Go `panic:` and a stack; .NET `FailFast`; Windows Application Error 1000.
//!
//! # Why it happens
//!
//! - Out of memory: the kernel's killer, a container limit, the JVM's own `-XX:+ExitOnOutOfMemoryError`.
//! - A crash: segmentation fault, unhandled exception or panic, assertion.
//! - A deployment or restart without draining; a failed liveness probe (Kubernetes kills after `failureThreshold`).
//! - A watchdog or supervisor (systemd `WatchdogSec`, gunicorn `--timeout`, IIS application pool recycling, every 29 hours by default).
//! - The host itself: panic, reboot, power: then first silence, later refusals or reply-type RSTs.
//!
//! # What to do
//!
//! - **Client**: reconnect with back-off and jitter; repeat idempotent requests only.
//! - **Server**: find the reason at that second: `journalctl -k --since`, `coredumpctl list`, `kubectl describe pod`,
//!   `docker inspect -f '{{.State.OOMKilled}}'`. Fix memory limits and leaks; `LimitCORE=infinity` for cores.
//! - **Server**: restart without breaking sessions: `systemctl reload`, nginx `-s quit` or binary upgrade, HAProxy `-sf` / master-worker,
//!   socket activation, Go `http.Server.Shutdown`, Kubernetes readiness before termination, `preStop: sleep 10`,
//!   `terminationGracePeriodSeconds`.
//! - **Proxy / load balancer**: health checks fast enough (HAProxy `inter 2s fall 3`, `observe layer4 error-limit 10 on-error mark-down`),
//!   at least two servers, deregistration delay.
//! - **Network**: nothing.
//! - Verify: compare the end of all sessions with that server in one list: `whohungup read FILE --server IP`; filter
//!   `tcp.flags.reset == 1 && ip.src == 203.0.113.7`.
//!
//! # How sure
//!
//! - Signs: an abnormal end, and within 10 s a RST to a new SYN of the same address and port, over as many hops as the server's packets; or
//!   at least three sessions of at least two clients broken off within one second. In both cases nothing that shows the server alive: no
//!   other session of it that goes on or is still open, no new one that came up in between.
//! - An idle session that ended with the others lost nothing: the cause is the same, the fault `none`.
//! - Never certain: reload of a TCP proxy, failover of a VIP, or a firewall reload make the same picture. A single broken session without
//!   what came after is only `server-reset` or `server-closed-without-close-notify`.
//! - A process killed with nothing unread ends its sessions with FINs; with unread data with RSTs. Both may occur in one death.
//! - The later SYNs are told as a revision or a pattern: at the moment of the end they were not yet known.
//! - What decides: the server's system log at that second.
//!
//! # References
//!
//! - systemd `systemd.service(5)`; Kubernetes: pod lifecycle, termination; Linux OOM killer documentation.
//! - RFC 9293 section 3.5.2; RFC 2525 section 2.17. HAProxy management guide: seamless reload.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::{
    server_closed_in_handshake, server_closed_without_close_notify, server_idle_timeout, server_reset, server_reset_in_handshake,
};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "server-process-died",
    group: Group::Established,
    summary: "the server ended sessions unannounced and was gone right after, or ended all it had in one moment",
    usual_fault: "server; none for an idle session",
    // Only so ends what a server is found to have ended unannounced.
    endings: &[Ending::Fin, Ending::Rst],
    phases: &[Phase::Connecting, Phase::ClientHello, Phase::Handshake, Phase::Established],
    source: include_str!("server_process_died.rs"),
    yields_to: &[
        "server-truncated-record",
        "client-truncated-record",
        "injected-reset",
        "middlebox-idle-timeout",
        "proxy-tunnel-cut",
        "zero-window-stall",
        "keepalive-race",
        "capture-incomplete",
        "backend-down-behind-proxy",
        "server-not-tls",
        "client-not-tls",
        "certificate-expired",
        "certificate-rejected",
        "certificate-untrusted",
        "client-certificate-required",
        "client-certificate-rejected",
    ],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    let fall = context.beside.fall.as_deref()?;
    let root = session.root()?;
    // What the end would be called by itself says what it cost.
    let idle = (server_idle_timeout::RULE.check)(session, context);
    let alone = [
        &server_closed_without_close_notify::RULE,
        &server_reset::RULE,
        &server_closed_in_handshake::RULE,
        &server_reset_in_handshake::RULE,
    ]
    .into_iter()
    .find_map(|rule| (rule.check)(session, context))
    .filter(|reading| reading.fault == Fault::Server);
    let (fault, impact) = match (&idle, &alone) {
        (Some(_), _) => (Fault::None, Impact::None),
        (None, Some(alone)) => (Fault::Server, alone.impact),
        (None, None) => return None,
    };
    if fault == Fault::None && fall.refused.is_none() {
        // Timers close idle connections together, too.
        return None;
    }
    let mut signs = Vec::new();
    if fall.together > 1 {
        signs.push(format!("{} of its sessions ended in the same moment", fall.together));
    }
    if fall.refused.is_some() {
        signs.push(format!("the next connection, {} later, was refused", tell::span(fall.refused_after)));
    }
    let mut reading = Reading::new(
        fault,
        Confidence::Likely,
        impact,
        format!("the server's process ended, so it seems: this session broke off unannounced, {}", signs.join(", and ")),
    )
    .cite(tell::last_data(session, Side::Server))
    .cite(fall.refused.and_then(|refused| refused.saw(Side::Server, "RST in answer to a SYN: nobody listens any more")))
    .rule_out(Fault::Client, "it had not closed")
    .rule_out(Fault::Network, "the server's own packets ended the session, in sequence");
    reading = reading.or(
        Fault::Proxy,
        "server-process-died",
        "a load balancer or proxy at that address that was stopped or reloaded looks the same",
        format!("who owns {}, and its log at {}", session.ends.server, tell::clock(root.at)),
    );
    Some(
        reading
            .advise(format!(
                "Look into the system log of {} at {}: journalctl --since (killed, dumped, OOM), docker inspect, kubectl describe pod.",
                session.ends.server.ip,
                tell::clock(root.at)
            ))
            .advise("Restart without breaking sessions: drain first, reload instead of restart, hand over the listening socket."),
    )
}
