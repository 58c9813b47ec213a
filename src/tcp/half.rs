//! One direction of a connection: where its stream stands, what was repeated, how it closed.

use crate::base::{At, Span};
use crate::decode::{Segment, TcpFlags};
use crate::tcp::assembler::Assembler;
use crate::tcp::copies::Copies;
use crate::tcp::sender::Sender;

/// One direction of a connection, as seen so far.
#[derive(Debug, Default)]
pub struct Half {
    /// The next sequence number expected in order; meaningful once `started`.
    pub(super) next: u32,
    /// Stream offset of `next`.
    pub(super) delivered: u64,
    /// One past the highest sequence number sent (SYN and FIN count one each).
    pub(super) max: u32,
    /// The stream's position is known.
    pub(super) started: bool,
    /// Its SYN was seen, so offset 0 is the first byte.
    pub(super) syn_seen: bool,
    /// Highest acknowledgement number this direction carried.
    pub(super) acked: Option<u32>,
    /// Window field of its newest packet, unscaled.
    pub(super) window: u16,
    /// Window scale of its SYN.
    pub(super) scale: Option<u8>,
    /// MSS of its SYN.
    pub(super) mss: Option<u16>,
    /// Data beyond a hole.
    pub(super) ahead: Option<Box<Assembler>>,
    /// When the peer was first seen to have acknowledged past the hole, and segments since.
    pub(super) hole_acked: Option<(At, u32)>,
    /// Its first FIN.
    pub(super) fin: Option<FinSeen>,
    /// How many FINs.
    pub(super) fins: u32,
    /// How many RSTs.
    pub(super) rsts: u32,
    /// Data sent again.
    pub(super) repeated: Repeated,
    /// Newest segments, newest last: to find what a RST answers and to recognise packets captured twice.
    recent: [Recent; 3],
    /// Where the next one goes.
    slot: u8,
    /// What its ordinary packets look like.
    pub(super) sender: Sender,
    /// Packets (captured twice counts once).
    pub(super) packets: u32,
    /// Payload bytes, each once.
    pub(super) bytes: u64,
    /// First payload.
    pub(super) first_data: Option<At>,
    /// Newest new payload.
    pub(super) last_data: Option<At>,
    /// Newest packet.
    pub(super) last: Option<At>,
    /// Keep-alive probes.
    pub(super) keep_alives: u32,
    /// Newest keep-alive probe.
    pub(super) last_keep_alive: Option<At>,
    /// First and newest zero window advertised.
    pub(super) zero_window: Option<(At, At)>,
    /// Segments with a right checksum.
    pub(super) good_checksums: u32,
    /// Segments dropped for a wrong one.
    pub(super) bad_checksums: u32,
    /// Overlaps that say different things.
    pub(super) conflicts: u32,
    /// Packets captured twice.
    pub(super) duplicates: u32,
    /// More of the newest segments, once one was captured twice.
    copies: Option<Box<Copies>>,
    /// Largest payload the peer acknowledged whole.
    pub(super) largest_acked: u32,
}

/// A FIN.
#[derive(Clone, Copy, Debug)]
pub struct FinSeen {
    /// Its first transmission.
    pub at: At,
    /// Its own sequence number.
    pub seq: u32,
    /// The acknowledgement number it carried.
    pub ack: Option<u32>,
}

/// Data that a side sent again, and whether it was ever acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeated {
    /// First transmission after the peer's last progress.
    pub since: At,
    /// Segments sent again since then.
    pub count: u32,
    /// The newest of them.
    pub until: At,
    /// Segments sent again, in all.
    pub total: u32,
    /// Smallest payload among those sent again since the peer's last progress.
    pub smallest: u32,
    /// Largest payload among those.
    pub biggest: u32,
    /// The peer reported by SACK that it has bytes beyond those.
    pub sacked: bool,
}

/// What is remembered of a recent segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    pub at: At,
    pub seq: u32,
    pub ack: u32,
    pub len: u32,
    pub flags: TcpFlags,
    ip_id: Option<u16>,
    window: u16,
    timestamp: u32,
}

/// `a - b` in sequence space (RFC 9293 section 3.4): negative where `a` is before `b`.
pub(super) fn distance(a: u32, b: u32) -> i64 {
    i64::from(a.wrapping_sub(b).cast_signed())
}

impl Half {
    /// Begins the stream at `seq` if nothing is known of it yet.
    pub(super) fn start(&mut self, seq: u32) {
        if !self.started {
            self.started = true;
            self.next = seq;
            self.max = seq;
        }
    }

    /// The stream offset of `seq`; 0 for anything before the first byte.
    pub fn offset_of(&self, seq: u32) -> u64 {
        self.delivered.saturating_add_signed(distance(seq, self.next))
    }

    /// Bytes of its stream that the peer, who acknowledged `acked`, does not have (a FIN counts one).
    pub fn unacked(&self, acked: Option<u32>) -> u64 {
        match acked {
            Some(acked) => u64::try_from(distance(self.max, acked)).unwrap_or(0),
            None => u64::from(self.max.wrapping_sub(self.next)) + self.delivered,
        }
    }

    /// Newest segments, oldest first.
    pub(super) fn recent(&self) -> impl DoubleEndedIterator<Item = &Recent> {
        let (newer, older) = self.recent.split_at_checked(usize::from(self.slot)).unwrap_or_default();
        older.iter().chain(newer).filter(|recent| recent.at.frame != 0)
    }

    pub(super) fn remember(&mut self, segment: &Segment<'_>) {
        let recent = Recent {
            at: segment.at,
            seq: segment.seq,
            ack: segment.ack,
            len: segment.payload_len,
            flags: segment.flags,
            ip_id: segment.ip_id,
            window: segment.window,
            timestamp: segment.options.timestamps.map_or(0, |(value, _)| value),
        };
        if let Some(copies) = &mut self.copies {
            copies.remember(segment);
        }
        if let Some(slot) = self.recent.get_mut(usize::from(self.slot)) {
            *slot = recent;
        }
        self.slot = (self.slot + 1) % 3;
    }

    /// Whether `segment` is a packet captured before: a mirror port or the `any` device shows some packets twice.
    ///
    /// A retransmission has a new IP identification, or (IPv6, identification 0) a later timestamp option or at least a timer's distance.
    pub(super) fn is_duplicate(&self, segment: &Segment<'_>) -> bool {
        // Without an identification that counts up, bare ACKs and RSTs may truly repeat: two alike change nothing, so only data counts.
        let counted = segment.ip_id.is_some_and(|id| id != 0);
        if !(counted || segment.payload_len > 0 || segment.flags.has(TcpFlags::SYN)) {
            return false;
        }
        let near = if counted { Span::from_millis(10) } else { Span::from_nanos(500_000) };
        self.copies.as_ref().is_some_and(|copies| copies.holds(segment, near))
            || self.recent().any(|recent| {
                recent.seq == segment.seq
                    && recent.ack == segment.ack
                    && recent.len == segment.payload_len
                    && recent.flags == segment.flags
                    && recent.ip_id == segment.ip_id
                    && recent.window == segment.window
                    && recent.timestamp == segment.options.timestamps.map_or(0, |(value, _)| value)
                    && segment.at.time.since(recent.at.time) <= near
            })
    }

    /// Counts a packet captured before.
    pub(super) fn note_duplicate(&mut self) {
        self.duplicates = self.duplicates.saturating_add(1);
        self.copies.get_or_insert_default();
    }

    /// The receive window is closed: the newest packet said zero.
    pub fn window_closed(&self) -> bool {
        self.window == 0 && self.zero_window.is_some()
    }

    /// Its first FIN.
    pub fn fin(&self) -> Option<FinSeen> {
        self.fin
    }
    /// Data sent again.
    pub fn repeated(&self) -> &Repeated {
        &self.repeated
    }
    /// Habits of its packets.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }
    /// Highest acknowledgement number it carried.
    pub fn acked(&self) -> Option<u32> {
        self.acked
    }
    /// Packets it carried.
    pub fn packets(&self) -> u32 {
        self.packets
    }
    /// Payload bytes, each once, as far as seen.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// First payload.
    pub fn first_data(&self) -> Option<At> {
        self.first_data
    }
    /// Newest payload that was not a repetition.
    pub fn last_data(&self) -> Option<At> {
        self.last_data
    }
    /// Newest packet.
    pub fn last(&self) -> Option<At> {
        self.last
    }
    /// Keep-alive probes, and the newest.
    pub fn keep_alives(&self) -> (u32, Option<At>) {
        (self.keep_alives, self.last_keep_alive)
    }
    /// First and newest zero window it advertised.
    pub fn zero_window(&self) -> Option<(At, At)> {
        self.zero_window
    }
    /// Segments dropped for a wrong checksum.
    pub fn bad_checksums(&self) -> u32 {
        self.bad_checksums
    }
    /// Overlaps that say different things.
    pub fn conflicts(&self) -> u32 {
        self.conflicts
    }
    /// Packets captured twice.
    pub fn duplicates(&self) -> u32 {
        self.duplicates
    }
    /// Its SYN was seen, so its stream is known from the first byte.
    pub fn syn_seen(&self) -> bool {
        self.syn_seen
    }
    /// Stream offset up to which everything was handed on (or declared a gap).
    pub fn delivered(&self) -> u64 {
        self.delivered
    }
    /// Bytes held beyond a hole.
    pub fn held(&self) -> usize {
        self.ahead.as_ref().map_or(0, |ahead| ahead.bytes())
    }
    /// Largest payload the peer acknowledged whole.
    pub fn largest_acked(&self) -> u32 {
        self.largest_acked
    }
}
