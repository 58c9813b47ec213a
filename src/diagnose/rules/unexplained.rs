//! unexplained: the end was seen, but what it means cannot be decided from this capture.
//!
//! # What it means
//!
//! The session's end is in the capture and who acted first may be known, but no cause fits, or two that name different culprits fit equally
//! well. The tool then says what it saw, what it ruled out and which readings are left, and accuses nobody: fault `undetermined`. That is
//! an answer too: it keeps a ticket from going to the wrong team. The verdict lists the step that would decide.
//!
//! # How it looks in applications
//!
//! - No program reports it in words of its own; it is any of the usual messages:
//!   `javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake`, `SSL peer shut down incorrectly`,
//!   `java.net.SocketException: Connection reset`, `unexpected eof while reading`, `ECONNRESET`, `connection reset by peer`,
//!   `ERR_CONNECTION_RESET`.
//! - The text of an application is weak evidence of the wire: Node says `ECONNRESET` for a FIN, Python 3.10 and later reads a RST as a
//!   clean end, Java writes `Broken pipe` for a missing client certificate, Linux says `No route to host` for a firewall's reject. Do not
//!   decide by it.
//! - Both ends often log "the peer closed": each saw the other, or a box in between.
//!
//! # Why it happens
//!
//! - A RST of the reply kind (no ACK flag, window 0) from a socket that never closed: its owner rebooted, timed out silently, moved, or got
//!   a forged RST on the other side of the capture point.
//! - Silence in both directions, or only one direction recorded.
//! - An encrypted alert-sized record at a place where close_notify and a fatal alert are equally likely, followed by damage.
//! - A FIN whose sender may be the server, a TCP-mode proxy or a load balancer.
//! - A stack or a protocol that behaves in a way this program does not know yet.
//!
//! # What to do
//!
//! - **Client and Server**: the best step: capture at *both* ends at the same time, for the same session:
//!   `tcpdump -ni eth0 -s 0 -w client.pcap 'host 203.0.113.7 and tcp port 443'` here, and the same with the client's address there. A RST
//!   that arrives at one end and never left the other was made on the way.
//! - **Client or Server**: a key log names every alert and shows complete answers: `SSLKEYLOGFILE=/tmp/keys.txt` for curl, Chrome and
//!   Firefox, `node --tls-keylog=FILE`, `openssl s_client -keylogfile FILE`, Python `SSLContext.keylog_filename`, Go
//!   `tls.Config.KeyLogWriter`; then `whohungup show FILE N --keylog /tmp/keys.txt`.
//! - **Proxy / load balancer**: its log line at the session's last second (HAProxy termination state, nginx `error_log ... info`, F5 RST
//!   cause).
//! - **Network**: firewall log for the address pair: deny, reset sent, session aged out.
//! - Look at the patterns printed by `whohungup read`: the same gap or the same second over several sessions often decides what one session
//!   cannot.
//! - Verify: paste the display filter of the verdict into Wireshark and read the packets before the first one cited.
//!
//! # How sure
//!
//! - Certain: only what is listed as seen.
//! - Ruled out readings are listed with their reason; alternatives with what would prove them.
//! - Caps tell whether the capture itself is the obstacle; then `capture-incomplete` is the better name and is used.
//! - Never decidable from one place: dead path or dead peer; endpoint or transparent box; motive of a clean close; an encrypted alert's
//!   number without keys.
//! - What decides: in this order, the other vantage point, the key log, the log of the box between.
//!
//! # References
//!
//! - RFC 9293 sections 3.5.2 and 3.6; RFC 8446 section 6; RFC 9850 (SSLKEYLOGFILE format).
//! - Weaver, Sommer, Paxson, "Detecting Forged TCP Reset Packets", NDSS 2009 (why false negatives are preferred).

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::rules::common;
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{ActKind, Ending, Rst, Session};

/// The cause that is given where no other fits.
pub static RULE: Rule = Rule {
    slug: "unexplained",
    group: Group::Established,
    summary: "the end was seen, but what it means cannot be decided from this capture",
    usual_fault: "undetermined",
    endings: &[],
    phases: &[],
    source: include_str!("unexplained.rs"),
    yields_to: &["proxy-tunnel-cut"],
    check,
};

/// Never fires by itself: the engine falls back to it.
fn check(_: &Session, _: &Context) -> Option<Box<Reading>> {
    None
}

/// What can be said of an end that no rule explains.
pub fn explain(session: &Session, _: &Context) -> Box<Reading> {
    let how = match session.ending {
        Ending::CloseNotify => "a close_notify",
        Ending::Fin => "a FIN",
        Ending::Rst => "a RST",
        Ending::FatalAlert => "a fatal alert",
        Ending::Stall => "silence",
        Ending::NoConnection => "a connection that never came up",
        Ending::Open | Ending::Unseen => "nothing in this capture",
    };
    let side = session.root_side();
    let by = side.map_or(String::new(), |side| format!(" in the {side}'s name"));
    let reading = Reading::new(
        Fault::Undetermined,
        Confidence::Possible,
        Impact::Unknown,
        format!("the session ended with {how}{by}; what it means cannot be decided from this capture"),
    );
    if session.only_login_encrypted() {
        let mut reading = reading;
        reading.summary =
            "only the login was encrypted, as both sides agreed; how the plain part behind it ended is not judged here".into();
        reading.fault = Fault::None;
        return reading;
    }
    if session.hidden_by_padding() {
        let mut reading = reading;
        reading.summary = format!("the session ended with {how}{by}; padded records hide whether a close_notify announced it").into();
        return reading.advise("Take a key log (SSLKEYLOGFILE) of either end: only that tells what the last records are.");
    }
    if let Some((side, ActKind::Rst(rst))) = side.zip(session.root().map(|root| &root.what)).filter(|_| session.ending == Ending::Rst)
        && rst.from_here
        && rst.from_nowhere()
    {
        return lost_here(side, rst);
    }
    if let Some(ActKind::Rst(rst)) = session.root().map(|root| &root.what) {
        let misfits = rst.misfits();
        return common::doubt(reading, session, rst, &misfits);
    }
    reading.advise(tell::capture_at(session, Side::Server))
}

/// The capturing host itself answers for a socket that it does not have (any more).
fn lost_here(side: Side, rst: &Rst) -> Box<Reading> {
    Reading::new(
        Fault::from(side),
        Confidence::Likely,
        Impact::SessionFailed,
        format!("the {side}'s own host answered with a RST as if there were no such connection, which nobody had closed"),
    )
    .cite(rst.trigger.and_then(|trigger| tell::saw(trigger, side.peer(), "the segment that it answers")))
    .rule_out(Fault::Proxy, "the RST was captured as it left the host that it names")
    .rule_out(Fault::from(side.peer()), "it only used a connection that nobody had closed")
    .advise(format!(
        "Look on the {side}'s host at {}: a firewall rule that rejects with a RST, a restart of its network, an address that moved.",
        tell::clock(rst.at)
    ))
}
