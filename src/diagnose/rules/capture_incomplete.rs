//! capture-incomplete: the end, or what came before it, went unseen: the capture has holes.
//!
//! # What it means
//!
//! Something decisive about this session is not in the capture: bytes that the other side acknowledged were never recorded, only one
//! direction was captured, packets were cut by the snap length, or recording began in mid-session. What can still be said is said; who hung
//! up cannot. Fault `undetermined`, and the defect is named with the number of bytes that went unseen. This is a finding about the capture,
//! not about the network.
//!
//! # How it looks in applications
//!
//! - No program reports it: it is a fault of the capture. What applications said it neither confirms nor contradicts.
//! - Wireshark: `TCP ACKed unseen segment`, `TCP Previous segment not captured`, `Packet size limited during capture`,
//!   `Ignored Unknown Record`.
//! - tcpdump, when it stops: `17 packets dropped by kernel`; dumpcap: `Packets received/dropped on interface`.
//! - tshark and Wireshark on a cut file: `The file appears to have been cut short in the middle of a packet.`
//! - Both ends may be perfectly content; a session without its last packets is no failure.
//!
//! # Why it happens
//!
//! - The capturing machine was too slow: small buffer, busy disk, promiscuous capture of a whole link, name resolution switched on.
//! - A mirror port (SPAN) that is oversubscribed, or mirrors one direction only; asymmetric routes and bonded links tapped on one leg.
//! - A snap length from old habits (`-s 96`, `-s 128`): headers only, TLS records cannot be followed.
//! - Capture on a host with segmentation offload combined with a tool that cuts large segments; capture inside a container that sees one
//!   side of a NAT.
//! - Started after the session, or the file was copied while being written; a BPF filter on one direction or one of several addresses.
//!
//! # What to do
//!
//! - **Client and Server**: capture on the endpoint itself, whole packets, large buffer, no names:
//!   `tcpdump -ni eth0 -s 0 -B 65536 -w hangup.pcap 'host 203.0.113.7 and tcp port 443'`. Stop with Ctrl-C, not with `kill -9`, and look
//!   for "dropped by kernel".
//! - **Client and Server**: write to a fast disk or to memory (`/dev/shm`), filter narrowly, several files (`-C`, `-W`).
//! - **Proxy / load balancer**: most have a capture command of their own: F5 `tcpdump -ni 0.0:nnn`, FortiGate
//!   `diagnose sniffer packet any '...' 6`, Palo Alto packet capture with all four stages, AWS VPC Traffic Mirroring.
//! - **Network**: SPAN: both directions (`both`), enough bandwidth at the destination port; better a tap.
//! - Remote: `ssh host tcpdump -U -ni eth0 -w - 'tcp port 443' | whohungup read -`.
//! - Verify: `capinfos -c -l file.pcap` (snap length, packets); filter `tcp.analysis.ack_lost_segment || tcp.analysis.lost_segment`.
//!
//! # How sure
//!
//! - Capture loss is told from network loss by the acknowledgements: the peer acknowledged bytes that the capture never saw, so they did
//!   arrive. Network loss shows up as a retransmission.
//! - Certain: that bytes are missing, and how many. What they contained is not guessed.
//! - The holes cap every confidence: `hole`, `one_direction`, `snaplen`, `mid_stream`, `kernel_drops` are listed with the verdict.
//! - `disorder`: packets of one connection stand in the file in another order than their times (files joined by hand, several queues or
//!   interfaces). Then nobody is accused, whatever the cause: what came first is not known. `reordercap IN OUT` sorts the file.
//! - A FIN or RST that acknowledges bytes of the other side which the capture lacks to their end may only answer that side's own close.
//! - Looks alike: `still-open` (nothing is missing, it only goes on), `record-corruption` (impossible bytes without a hole).
//! - What decides: a new capture on the endpoint; sometimes the other half exists in a second file that was not given.
//!
//! # References
//!
//! - Wireshark User's Guide: TCP analysis flags. `tcpdump(1)` (`-s`, `-B`, `-U`), `capinfos(1)`.
//! - pcap and pcapng file formats (IETF opsawg drafts): interface statistics, drop counters.

use crate::base::{At, GapReason, Side};
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Cap, CloseNotify, Ending, Phase, Session};

/// The cause.
pub static RULE: Rule = Rule {
    slug: "capture-incomplete",
    group: Group::Harmless,
    summary: "the end, or what precedes it, is not in the capture",
    usual_fault: "undetermined",
    endings: &[Ending::Fin, Ending::Rst, Ending::Unseen],
    phases: Phase::ALL,
    source: include_str!("capture_incomplete.rs"),
    yields_to: &[],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    // An end whose sender's last words were not captured: nothing can be said of how it was announced.
    let blind = matches!(session.ending, Ending::Fin | Ending::Rst)
        && (session.capped(Cap::OneDirection)
            || session.root_side().is_some_and(|side| session.close_notify[side] == CloseNotify::Unknown));
    // What the other side had said before was not captured to its end, and the root event's sender had heard it: it may be a reaction.
    let answer = matches!(session.ending, Ending::Fin | Ending::Rst)
        && session.root_side().is_some_and(|side| unheard(session, side.peer()) || session.heard_unseen());
    if session.ending == Ending::Unseen || blind || answer { blinded(session) } else { None }
}

/// The last bytes of `side` were not captured, and may have been its close.
fn unheard(session: &Session, side: Side) -> bool {
    let facts = session.side(side);
    let tail = |(at, _, why): &(At, u64, GapReason)| *why == GapReason::CaptureLoss && facts.last_data.is_none_or(|last| *at >= last);
    matches!(session.close_notify[side], CloseNotify::Unknown | CloseNotify::NotApplicable) && facts.gaps.iter().any(tail)
}

/// The reading for a session whose capture hides what matters; `None` where it hides nothing.
pub fn blinded(session: &Session) -> Option<Box<Reading>> {
    let unseen = session.ending == Ending::Unseen;
    if !unseen && !BLINDING.iter().any(|cap| session.capped(*cap)) {
        return None;
    }
    let why = session.caps.iter().map(|cap| cap.name()).collect::<Vec<_>>().join(", ");
    let summary = if unseen {
        "its end is not in this capture: the same ports were taken by a new connection".to_owned()
    } else {
        format!("how it ended cannot be told from this capture ({why})")
    };
    Some(
        Reading::new(Fault::Undetermined, Confidence::Possible, Impact::Unknown, summary)
            .or(Fault::None, "clean-close", "the missing bytes may hold a close_notify", "a capture without loss")
            .advise("Capture again without loss: tcpdump -s 0 -B 65536, with a filter, close to one of the two ends.")
            .advise(tell::capture_at(session, Side::Server)),
    )
}

/// Defects that hide what a side said last.
const BLINDING: [Cap; 6] = [Cap::Hole, Cap::OneDirection, Cap::Snaplen, Cap::MidStream, Cap::LimitReached, Cap::FramingLost];
