//! parallel-attempt: a spare connection was dropped because a sibling of the same client won.
//!
//! # What it means
//!
//! The client opened several connections to the same name within about 300 ms and used one of them; this one lost the race and was dropped.
//! Nothing was asked on it, so nothing was lost: fault `none`. Judge the group: if one sibling works, the attempt that lost is no finding,
//! even when it ended in a refused SYN or a RST.
//!
//! # How it looks in applications
//!
//! - Client: no program reports it. Browsers show an error only when every attempt failed (`ERR_CONNECTION_REFUSED`,
//!   `ERR_CONNECTION_TIMED_OUT`).
//! - Server: the same lines as for a probe: nginx `client closed connection while SSL handshaking`, Go `TLS handshake error from ...: EOF`,
//!   HAProxy `Connection closed during SSL handshake`, Java `Remote host terminated the handshake`.
//! - curl -v: two lines `Trying 2001:db8::7:443...` and `Trying 203.0.113.7:443...`, then `Connected to` one of them.
//!
//! # Why it happens
//!
//! - Happy Eyeballs: IPv6 and IPv4 tried at an interval of 250 ms (curl: 200 ms, `--happy-eyeballs-timeout-ms`; Go
//!   `net.Dialer.FallbackDelay`: 300 ms).
//! - Browser preconnect: Chromium and Firefox open a spare connection for the request that may follow.
//! - HTTP/3 against TCP: the QUIC connection won and the TCP one was left.
//! - Retry of a client that reopens at once after a failure (Chromium once, Firefox several times, Java HTTP clients once).
//!
//! # What to do
//!
//! - **Client**: nothing, unless the *first* family always loses: then IPv6 is broken and costs 250 ms per connect. Compare `curl -4` with
//!   `curl -6`.
//! - **Server**: publish only addresses that answer (AAAA records of a host without working IPv6 cause most of these). Do not alarm on
//!   handshakes without a request.
//! - **Proxy / load balancer**: let the listener answer on IPv6 too (nginx `listen [::]:443 ssl;`).
//! - **Network**: a firewall that drops IPv6 silently makes the loser slow; rejecting it makes the fallback fast.
//! - Verify: `tshark -r f.pcap -Y 'tcp.flags.syn==1 && tcp.flags.ack==0' -T fields -e frame.time_relative -e ip.src -e ip.dst -e ipv6.dst`
//!   shows the pairs.
//!
//! # How sure
//!
//! - Needed: a sibling of the same client to the same name (SNI, or the address when no ClientHello was sent) that began within 300 ms and
//!   carried application data.
//! - Names seen only in DNS are not read; two addresses of one name are recognised by equal SNI. An attempt over the other IP version that
//!   never got as far as a name is recognised by the client's hardware address (only where that stands for one IPv4 address), by the 100 to
//!   350 ms between the two, and by its being given up when the other one was up.
//! - Looks alike: `probe` (no sibling), `client-closed-in-handshake` (the only connection, and the client left because of what it saw).
//! - Caps: a capture filter on one address hides the sibling; then this cause cannot be seen and `probe` is what remains.
//! - What decides: a capture without an address filter, both address families.
//!
//! # References
//!
//! - RFC 8305 (Happy Eyeballs version 2), section 5; RFC 6555.
//! - curl manual: `--happy-eyeballs-timeout-ms`. Go documentation: `net.Dialer`.

use crate::base::{Side, Span};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "parallel-attempt",
    group: Group::Harmless,
    summary: "a spare connection was dropped because a sibling of the same client won",
    usual_fault: "none",
    // Only so ends a connection that another one is found to have won against.
    endings: &[Ending::Fin, Ending::Rst, Ending::NoConnection],
    phases: Phase::ALL,
    source: include_str!("parallel_attempt.rs"),
    yields_to: &["capture-incomplete", "certificate-expired", "firewall-rejected", "unreachable", "server-not-tls", "client-not-tls"],
    check,
};

fn check(_: &Session, context: &Context) -> Option<Box<Reading>> {
    let winner = context.beside.winner.as_deref()?;
    let when = if winner.after >= Span::ZERO {
        format!("{} later", tell::span(winner.after))
    } else {
        format!("{} earlier", tell::span(Span::from_nanos(winner.after.nanos().saturating_neg())))
    };
    let other = winner.began.name();
    let summary = if winner.other_family {
        format!("the client tried IPv4 and IPv6 side by side and used the other one ({other}, opened {when}): this attempt lost the race")
    } else {
        format!("the client opened several connections at once and used another one ({other}, opened {when}); it asked nothing on this one")
    };
    let mut reading = Reading::new(Fault::None, Confidence::Likely, Impact::None, summary)
        .cite(winner.began.saw(Side::Client, "the connection that the client used instead begins"))
        .rule_out(Fault::Server, "the same client was served on the other connection");
    if winner.other_family {
        reading = reading.advise(
            "Nothing, unless the same IP version always loses: then it is broken on the way and delays every connection (compare curl -4 with curl -6).",
        );
    } else {
        reading = reading.advise("Nothing: the client dropped what it did not need.");
    }
    Some(reading)
}
