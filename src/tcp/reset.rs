//! A RST: what it may answer, and where it stands in its sender's stream.

use crate::base::{At, Span};
use crate::decode::{Segment, TcpFlags};
use crate::tcp::half::{Half, Recent, distance};

/// With a SYN, which no RST of this kind answers, so many packets are all that there were.
const ALL_KEPT: u32 = 4;

/// What the connection knows of a RST at the moment it comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RstSeen {
    /// The peer's segment whose ACK number is this RST's sequence number.
    pub trigger: Option<At>,
    /// The oldest of the peer's segments that it may answer, if it is known that none before it may.
    pub earliest: Option<At>,
    /// Its sender had sent a FIN or a RST before.
    pub after_own_close: bool,
    /// Bytes of the peer's stream sent and not acknowledged by it.
    pub peer_unacked: u64,
    /// Its sequence number relative to the next one its sender would use.
    pub seq_offset: i32,
    /// It answers a SYN.
    pub refusal: bool,
}

impl RstSeen {
    /// What is known of `segment`, a RST of `half`; an answer to it takes no longer than `answered_within`.
    pub(super) fn new(half: &Half, peer: &Half, segment: &Segment<'_>, answered_within: Span) -> RstSeen {
        let with_ack = segment.flags.has(TcpFlags::ACK);
        let refusal = with_ack && !half.started && peer.syn_seen && !peer.spoke;
        let trigger = peer
            .recent()
            .rev()
            .find(
                |recent| {
                    if refusal { recent.flags.has(TcpFlags::SYN) } else { recent.flags.has(TcpFlags::ACK) && recent.ack == segment.seq }
                },
            )
            .map(Recent::at);
        // Any segment with that ACK that is not long gone can be the one; only the newest few are kept.
        let fits = |recent: &&Recent| {
            recent.flags.has(TcpFlags::ACK) && recent.ack == segment.seq && segment.at.time.since(recent.at().time) <= answered_within
        };
        let others = peer.packets <= ALL_KEPT || peer.recent().any(|recent| !fits(&recent));
        let earliest = peer.recent().find(fits).map(Recent::at).filter(|_| others && !with_ack);
        RstSeen {
            earliest,
            trigger: if with_ack && !refusal { None } else { trigger },
            after_own_close: half.finished || half.reset,
            peer_unacked: peer.unacked(if with_ack { Some(segment.ack) } else { half.acked() }),
            seq_offset: if half.started { i32::try_from(distance(segment.seq, half.max)).unwrap_or(i32::MAX) } else { 0 },
            refusal,
        }
    }
}
