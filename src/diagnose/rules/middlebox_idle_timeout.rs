//! middlebox-idle-timeout: a box between forgot the idle connection; the next packet met a RST or silence.
//!
//! # What it means
//!
//! After a silence the next packet got no answer, or a RST from a socket that had never closed: a NAT, firewall or load balancer between
//! had forgotten the connection. Neither endpoint ended it, and often the other one still holds it open. Fault `proxy` needs two signs
//! (such as a RST whose TTL or MAC is not the endpoint's, both ends reset at once, or the same gap in three sessions); with one the fault
//! is `undetermined`. Impact: the request sent into it is lost.
//!
//! # How it looks in applications
//!
//! - Client, with a RST: OpenSSL 3 and OpenSSL 1.1.1 `read:errno=104`; GnuTLS, wget `Error in the pull function.`; rustls
//!   `Connection reset by peer (os error 104)`; .NET `Unable to read data from the transport connection: Connection reset by peer`; Java
//!   `java.net.SocketException: Connection reset`; Go `read: connection reset by peer`; Node `read ECONNRESET`; Python
//!   `ConnectionResetError`, `RemoteDisconnected`; curl `curl: (56) Recv failure: Connection reset by peer`.
//! - Client, with silence: the request hangs until a limit: `SocketTimeoutException: Read timed out`, `context deadline exceeded`,
//!   `curl: (28) Operation timed out`; without a limit about 15 minutes, then `Connection timed out`: OpenSSL `read:errno=110`, GnuTLS
//!   again `Error in the pull function.` Browsers (Chrome, Firefox) wait, then load over a new connection (not measured).
//! - Databases: `Communications link failure`, `The connection is broken and recovery is not possible`, `ORA-03113`,
//!   `ORA-03135: connection lost contact`, `SSL connection has been closed unexpectedly`, `server closed the connection unexpectedly`.
//! - Proxy in the client's place: Apache `(70007)The timeout specified has expired: AH01102`, with a RST
//!   `(104)Connection reset by peer: AH01102`; HAProxy `sH` with 504; nginx `upstream timed out` (often).
//! - Server: nothing for hours, then keep-alive failure or `Connection timed out`; many sessions `ESTABLISHED` in `ss` that no client has
//!   any more.
//! - "The first request in the morning fails", "fails after lunch".
//!
//! # Why it happens
//!
//! - 240 s Azure Load Balancer and outbound rules (4 to 100 min configurable, silent drop by default), Azure NAT gateway; 350 s AWS NLB
//!   (TCP, 60 to 6000 s configurable) and NAT gateway: forgotten silently, then as a rule a RST to the next packet.
//! - 300 s F5 (RST by default); 600 s Google VPC connection tracking; 1200 s Google Cloud NAT, Huawei USG; 1800 s Juniper SRX.
//! - 3600 s Palo Alto, FortiGate (`session-ttl`), Check Point, Cisco ASA (`timeout conn 1:00:00`): silent, or a RST if configured.
//! - 432000 s (5 days) Linux conntrack by default, 86400 s in many Kubernetes and cloud images; home routers and mobile networks far below
//!   the 2 h 4 min that RFC 5382 asks for.
//! - Not idle at all: the firewall failed over, was reloaded, or its table was full.
//!
//! # What to do
//!
//! - **Client and Server**: TCP keep-alive *below* the smallest timer on the path: Linux `sysctl net.ipv4.tcp_keepalive_time=60` (default
//!   7200), `tcp_keepalive_intvl=10`, `tcp_keepalive_probes=6`; it must also be switched on per socket: Java `setKeepAlive(true)` and
//!   `ExtendedSocketOptions.TCP_KEEPIDLE`, Go `net.Dialer.KeepAlive` (15 s by default), Node `socket.setKeepAlive(true, 60000)`, libpq
//!   `keepalives_idle=60`, JDBC `tcpKeepAlive=true`, Oracle `(ENABLE=BROKEN)`, `SQLNET.EXPIRE_TIME=1`.
//! - **Client**: pool life below the timer (HikariCP `maxLifetime`, `keepaliveTime`; Go `IdleConnTimeout`), a limit on every read,
//!   `TCP_USER_TIMEOUT` 30 s.
//! - **Server**: nginx `listen 443 ssl so_keepalive=60s:10s:6`, HAProxy `option clitcpka` with `clitcpka-idle 60s`, Apache relies on the
//!   kernel's values.
//! - **Proxy / load balancer**: AWS `modify-listener-attributes` with `tcp.idle_timeout.seconds`; Azure `idleTimeoutInMinutes` and
//!   `enableTcpReset` on the rule, so that endpoints learn of it; F5 idle timeout in the profile.
//! - **Network**: FortiGate `config system session-ttl`, policy `set timeout-send-rst enable`; Palo Alto TCP timeout per service; ASA
//!   `timeout conn` with DCD; Linux `nf_conntrack_tcp_timeout_established`.
//! - Verify: hold a session idle: `openssl s_client -connect host:443 -quiet`, type after 4, 6, 61 minutes; capture at both ends. Filter:
//!   `tcp.flags.reset == 1`, columns `ip.ttl`, `tcp.time_delta`.
//!
//! # How sure
//!
//! - One sign alone (a reply-type RST after a silence, or retransmissions without an answer) also fits a reboot, a power loss, a moved VIP
//!   or a silently dead server: `undetermined`.
//! - Two signs: TTL or MAC of the RST unlike the endpoint's; both ends reset at the same moment; the second capture shows no packet
//!   leaving; the same gap (within 1 %) in three or more sessions of an address pair, one after another: then also where nothing answers
//!   at all.
//! - RSTs in both directions at exactly the timer, without a packet that provoked them, are a box: endpoints do not act on silence
//!   together.
//! - Looks alike: `server-idle-timeout` (the server *closed*), `path-black-hole` (no silence before), `server-reset` (an active RST).
//! - What decides: the second vantage point, the box's session log ("aged out").
//!
//! # References
//!
//! - RFC 5382 (NAT for TCP: REQ-5, 2 hours 4 minutes); RFC 9293 section 3.8.4 (keep-alives); RFC 5482.
//! - AWS: Network Load Balancer idle timeout; Microsoft: Load Balancer TCP reset and idle timeout; Fortinet: session TTL; Palo Alto:
//!   session timeouts.
//! - Linux kernel documentation: nf_conntrack-sysctl, ip-sysctl.

use crate::base::{Side, Span};
use crate::diagnose::beside::SameSilence;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "middlebox-idle-timeout",
    group: Group::Established,
    summary: "after a silence the next packet found no connection any more",
    usual_fault: "proxy with two signs, else undetermined",
    endings: &[Ending::Rst, Ending::Stall],
    phases: &[Phase::Established],
    source: include_str!("middlebox_idle_timeout.rs"),
    yields_to: &["server-unresponsive", "zero-window-stall", "path-mtu-black-hole", "firewall-rejected", "unreachable"],
    check,
};

fn check(session: &Session, context: &Context) -> Option<Box<Reading>> {
    if session.phase != Phase::Established {
        return None;
    }
    if session.ending == Ending::Stall {
        return unanswered(session, context.beside.same_silence.as_deref()?);
    }
    let (side, rst) = [Side::Client, Side::Server].into_iter().find_map(|side| Some((side, session.root_rst(side)?)))?;
    let trigger = rst.trigger.filter(|_| rst.from_nowhere() && !rst.from_here)?;
    let quiet = session.silence_before(trigger).filter(|quiet| *quiet >= Span::from_secs(2))?;
    let same = context.beside.same_silence.as_deref();
    let misfits = rst.misfits();
    let second = !misfits.is_empty() || same.is_some();
    let mut reading = Reading::new(
        if second { Fault::Proxy } else { Fault::Undetermined },
        if second { Confidence::Likely } else { Confidence::Possible },
        Impact::SessionFailed,
        format!(
            "after {} of silence the next packet was answered by a RST: whoever sent it knew the connection no more{}",
            tell::span(quiet),
            same.map_or(String::new(), again)
        ),
    )
    .cite(tell::saw(trigger, side.peer(), format!("the first packet after {} of silence", tell::span(quiet))));
    for misfit in misfits {
        reading = reading.cite(tell::inferred(rst.at, side, misfit));
    }
    if let Some(same) = same {
        reading = cite_others(reading, same, side.peer());
    }
    if !second {
        reading = reading
            .or(
                Fault::Proxy,
                "middlebox-idle-timeout",
                "a firewall, NAT or load balancer that forgot the idle connection",
                tell::capture_at(session, side),
            )
            .or(
                Fault::from(side),
                "unexplained",
                "its host restarted, or another node took over its address",
                format!("the uptime of the {side}"),
            );
    }
    Some(advised(reading.rule_out(Fault::from(side.peer()), "it only used a connection that nobody had closed"), second))
}

/// No answer at all to the first packet after a silence. Seen once, that is any dead path; after the same silence again and again it is a
/// timer, and of those only a box's ends a connection without a word.
fn unanswered(session: &Session, same: &SameSilence) -> Option<Box<Reading>> {
    let (side, lost) = [Side::Client, Side::Server].into_iter().find_map(|side| Some((side, session.side(side).unanswered?)))?;
    let reading = Reading::new(
        Fault::Proxy,
        Confidence::Likely,
        Impact::SessionFailed,
        format!("after {} of silence the next packet and all its repetitions went unanswered{}", tell::span(same.silence), again(same)),
    )
    .cite(tell::saw(lost.since, side, format!("the first packet after {} of silence", tell::span(same.silence))))
    .cite(tell::missing(lost.until, side.peer(), session.side(side).unacked, "acknowledgement never seen"))
    .rule_out(Fault::from(side), "it only used a connection that nobody had closed");
    Some(advised(cite_others(reading, same, side), true))
}

fn again(same: &SameSilence) -> String {
    format!("; {} of these two parties broke after the same silence", tell::plural(u64::from(same.sessions), "session"))
}

fn cite_others(mut reading: Box<Reading>, same: &SameSilence, from: Side) -> Box<Reading> {
    for other in &same.others {
        reading = reading.cite(other.saw(from, format!("the first packet after {} of silence there, too", tell::span(same.silence))));
    }
    reading
}

fn advised(reading: Box<Reading>, timer: bool) -> Box<Reading> {
    let reading = reading.advise(
        "Keep idle connections alive: TCP keep-alive below the box's timer (Linux: net.ipv4.tcp_keepalive_time, SO_KEEPALIVE), or close them sooner in the pool.",
    );
    if timer {
        reading.advise("Look for that timer on the firewalls, NATs and load balancers on the way.")
    } else {
        reading.advise("See whether other sessions break after the same silence: that is the box's timer.")
    }
}
