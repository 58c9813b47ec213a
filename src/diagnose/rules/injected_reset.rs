//! injected-reset: a RST in an endpoint's name that the endpoint did not send.
//!
//! # What it means
//!
//! A RST ended the session, but it does not come from the side whose address it bears: that side went on sending new data in sequence
//! afterwards, or the packet's header and timing fit a box on the way and not that host. Firewalls, intrusion prevention, filters and some
//! load balancers end sessions so. Fault `proxy`, any box between; it is accused only on one proof or two independent signs. Impact: the
//! session was cut, data may be lost.
//!
//! # How it looks in applications
//!
//! - Client: as for any reset: Java `java.net.SocketException: Connection reset`; OpenSSL 3 and OpenSSL 1.1.1 `read:errno=104`; GnuTLS
//!   `Error in the pull function.`; rustls `Connection reset by peer (os error 104)`; curl
//!   `curl: (35) Recv failure: Connection reset by peer`, `curl: (56) Recv failure: Connection reset by peer`; Python
//!   `ConnectionResetError`; Go `connection reset by peer`; Node `ECONNRESET`; .NET `Connection reset by peer`, on Windows 10054; Chrome
//!   `ERR_CONNECTION_RESET`; Firefox `PR_CONNECT_RESET_ERROR`.
//! - Server: at the same moment, its own `Connection reset by peer`: *both* ends say that the other one did it. That pair of log lines is
//!   typical.
//! - Proxy in the client's place: nginx `recv() failed (104: Connection reset by peer) while reading response header from upstream`;
//!   HAProxy `SH`, `SD`; Apache `(104)Connection reset by peer: AH01102`, as a server `AH01991: SSL input filter read failed` (info).
//! - The box: its log, if anybody looks: Palo Alto session end reason `threat`, `policy-deny`, `decrypt-error`, `aged-out`; FortiGate
//!   `deny` or a UTM log with `blocked` (its `client-rst` and `server-rst` only say whose RST it *saw*); Cisco ASA
//!   `Flow closed by inspection`, `TCP Reset-APPLIANCE`.
//!
//! # Why it happens
//!
//! - Policy: a firewall or IPS ends the session at a name (SNI), an application, a signature, a reputation; "reset client", "reset server",
//!   "reset both".
//! - Idle expiry with RST switched on (`timeout-send-rst`, F5, Azure `enableTcpReset`): see `middlebox-idle-timeout`.
//! - State lost: failover, asymmetric routing, a reload. Juniper zones with `tcp-rst` answer packets without a session in the endpoint's
//!   name.
//! - Antivirus, parental control or endpoint security on one of the hosts (sends in the peer's name, from very near).
//! - Provider or state filtering: RST+ACK in twos and threes, at the ClientHello or its SNI, with repeated blocking for some time
//!   afterwards (about 90 s seen).
//! - Load balancers and SYN proxies that answer in the server's name with a TTL of their own.
//!
//! # What to do
//!
//! - **Network**: give the box's owner address pair, second and frame numbers, and the distance: the RST's TTL tells how many hops away its
//!   sender is (64, 128 or 255 less the hops). Ask for "reset sent" logs.
//! - **Proxy / load balancer**: exempt the destination from inspection for a test; F5 `tmsh modify sys db tm.rstcause.log value enable`
//!   (and `tm.rstcause.pkt`: the reason in the RST's payload); FortiGate `diagnose debug flow`; Palo Alto `show session id`.
//! - **Client**: endpoint security off for a test; another network (mobile hot spot) for comparison.
//! - **Server**: its own host firewall: `nft list ruleset`, `iptables -S | grep -i reset`.
//! - Verify: capture at *both* ends at the same time: `tcpdump -ni eth0 -e -s 0 -w end.pcap 'host 203.0.113.7 and tcp port 443'` (`-e` for
//!   the MAC address). A RST that arrives here and left nowhere there is the proof.
//! - Filter: `tcp.flags.reset == 1`, columns `ip.ttl`, `ip.id`, `eth.src`, `tcp.seq`, `tcp.window_size_value`,
//!   `tcp.options.timestamp.tsval`.
//!
//! # How sure
//!
//! - Proof: new data in sequence from the same sender more than one round trip after "its" RST; or two captures that disagree about it.
//! - Otherwise two of: TTL differs by 2 or more from at least three packets of that side on that interface; another MAC address; earlier
//!   than the shortest round trip allows; an active-looking RST without the flow's timestamps; a sequence number that fits neither kind of
//!   genuine RST.
//! - No sign at all: window 0, IP ID 0, no options, several identical RSTs, RSTs one sequence number apart around a FIN. Genuine Linux
//!   kernels do all that.
//! - A reject rule on the endpoint itself cannot be told from its kernel. If the forged RST lost the race and the session went on, it is
//!   noted and is not the end.
//! - Captured at one end, only RSTs towards that end show; those towards the other end leave "its" genuine reply RSTs behind:
//!   `undetermined` then.
//! - What decides: the second capture; the box's log.
//!
//! # References
//!
//! - Weaver, Sommer, Paxson, "Detecting Forged TCP Reset Packets", NDSS 2009.
//! - "Global, Passive Detection of Connection Tampering", SIGCOMM 2023 (Cloudflare). Microsoft CSS SQL networking wiki: network device
//!   resets the connection.
//! - RFC 9293 section 3.5.3; RFC 5961 (blind attacks); RFC 3360 (inappropriate TCP resets considered harmful).

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Rst, RstKind, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "injected-reset",
    group: Group::Established,
    summary: "a RST that the side it names did not send",
    usual_fault: "proxy",
    endings: &[Ending::Rst],
    phases: Phase::ALL,
    source: include_str!("injected_reset.rs"),
    yields_to: &["middlebox-idle-timeout", "large-client-hello-dropped"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let (side, rst) = [Side::Client, Side::Server].into_iter().find_map(|side| Some((side, session.root_rst(side)?)))?;
    if rst.from_here {
        return None;
    }
    let mut signs = rst.misfits();
    // New data in sequence from the same side more than a round trip after "its" RST: that side knew nothing of it.
    let alive = rst.outlived_by.filter(|at| {
        let apart = at.time.since(rst.at.time);
        apart > session.round_trip_to(side).unwrap_or(Span::from_millis(50)).max(Span::from_millis(1))
    });
    // An answer that came back sooner than the path to that side allows was not given there.
    let too_soon = match (session.round_trip_to(side), rst.after_question) {
        (Some(path), Some(took)) if rst.kind == RstKind::Reply && rst.from_nowhere() => {
            path > Span::from_millis(5) && took.nanos().saturating_mul(5) < path.nanos()
        }
        _ => false,
    };
    if too_soon {
        signs.push(format!(
            "it answers within {} where the way to the {side} and back takes {}",
            tell::span(rst.after_question.unwrap_or_default()),
            tell::span(session.round_trip_to(side).unwrap_or_default())
        ));
    }
    if alive.is_none() && !too_soon && signs.len() < 2 {
        // From a socket that never closed: its owner lost it, or got a RST that is not in this capture, or never sent this one.
        return (rst.from_nowhere() && session.phase > Phase::Connecting).then(|| suspicion(session, rst));
    }
    let mut reading = Reading::new(
        Fault::Proxy,
        Confidence::Likely,
        Impact::SessionFailed,
        format!(
            "a box between reset the connection in the {side}'s name: {}",
            if alive.is_some() { "the real one went on" } else { "the RST does not fit it" }
        ),
    );
    for sign in signs {
        reading = reading.cite(tell::inferred(rst.at, side, sign));
    }
    if let Some(at) = alive {
        reading = reading.cite(tell::saw(at, side, "the same side goes on in sequence, as if it had sent no RST"));
    }
    Some(
        reading
            .rule_out(Fault::from(side), "the RST was not its own")
            .advise("Ask whoever runs the firewalls, filters and inspection on the path what they reset, and why (by name, by fingerprint, by policy).")
            .advise(tell::capture_at(session, side)),
    )
}

/// A RST in answer to a segment for which there should have been a socket.
fn suspicion(session: &Session, rst: &Rst) -> Box<Reading> {
    let side = session.root_side().unwrap_or(Side::Server);
    let reading = Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::SessionFailed,
        format!("a RST in the {side}'s name answers a segment for which it should have had a socket: it had not closed before"),
    )
    .cite(tell::client_hello(session))
    .rule_out(Fault::from(side.peer()), "it only used a connection that nobody had closed");
    common::doubt(reading, session, rst, &rst.misfits())
}
