//! One direction of a connection: where its stream stands, what was repeated, how it closed.

use crate::base::{At, Span, Time, prefetch};
use crate::decode::{Segment, TcpFlags};
use crate::tcp::assembler::Assembler;
use crate::tcp::copies::{Copies, Header};
use crate::tcp::sender::{Sender, Source};

/// Payload that comes so long after the one before it ends a pause.
const PAUSE: Span = Span::from_secs(1);

/// One direction of a connection, as seen so far.
///
/// The fields stand in the order of how often they are used. Thousands of connections at once are more than the processor's caches hold, and
/// then each further line of 64 bytes that a packet touches costs as much as all the work on it: the first line serves every packet, beside
/// where it is remembered; those with payload need the third one.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Half {
    /// Stream offset of `next`.
    pub(super) delivered: u64,
    /// The next sequence number expected in order; meaningful once `started`.
    pub(super) next: u32,
    /// One past the highest sequence number sent (SYN and FIN count one each).
    pub(super) max: u32,
    /// Highest acknowledgement number this direction carried; meaningful with `has_acked`.
    pub(super) acked: u32,
    /// Packets (captured twice counts once).
    pub(super) packets: u32,
    /// Window field of its newest packet, unscaled.
    pub(super) window: u16,
    /// Largest payload sent since everything was acknowledged (or 65,535).
    largest_sent: u16,
    /// Largest payload the peer acknowledged whole (or 65,535).
    pub(super) largest_acked: u16,
    /// Where the next recent segment goes.
    slot: u8,
    /// The stream's position is known.
    pub(super) started: bool,
    /// There was payload.
    pub(super) spoke: bool,
    /// Its SYN was seen, so offset 0 is the first byte.
    pub(super) syn_seen: bool,
    has_acked: bool,
    /// A segment with a right checksum was seen.
    pub(super) good_checksum: bool,
    /// `repeated` tells of something the peer has not acknowledged.
    pub(super) repeating: bool,
    /// There is data beyond a hole.
    pub(super) holding: bool,
    /// There was a FIN.
    pub(super) finished: bool,
    /// There was a RST.
    pub(super) reset: bool,
    /// What few connections have.
    pub(super) rare: Option<Box<Rare>>,
    /// What its ordinary packets look like.
    pub(super) sender: Sender,
    /// Newest segments: to find what a RST answers and to recognise packets captured twice.
    recent: [Recent; 3],
    /// Newest new payload.
    pub(super) last_data: Option<At>,
    /// See [`Half::waiting_since`].
    pub(super) since: At,
    /// First payload.
    pub(super) first_data: Option<At>,
    fin: Option<Fin>,
    /// Its newest pause.
    pause: Option<Box<Pause>>,
    /// Where its packets come from.
    pub(super) source: Source,
}

// Else the lines of the direction after it would lie across two.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Half>() == 256 && std::mem::offset_of!(Half, recent) == 64);

/// The last payload before a silence, which the peer had acknowledged, and the first after it.
#[derive(Clone, Copy, Debug)]
struct Pause {
    before: At,
    after: At,
}

/// What few connections have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Data beyond a hole.
    pub ahead: Option<Box<Assembler>>,
    /// Bytes of the stream, as far as it was handed on, that never came.
    pub missing: u64,
    /// When the peer was first seen to have acknowledged past the hole, and segments since.
    pub hole_acked: Option<(At, u32)>,
    /// Keep-alive probes.
    pub keep_alives: u32,
    /// Newest keep-alive probe.
    pub last_keep_alive: Option<At>,
    /// Keep-alive probes since the peer was last heard: first, newest, how many.
    pub unheard: Option<(At, At, u32)>,
    /// First and newest zero window advertised.
    pub zero_window: Option<(At, At)>,
    /// Where its stream had come by a bare ACK's own sequence number, beyond anything seen of it; and whether that ACK came after a silence.
    pub claimed: Option<(At, u32, bool)>,
    /// Segments dropped for a wrong checksum.
    pub bad_checksums: u32,
    /// Overlaps that say different things.
    pub conflicts: u32,
    /// Packets captured twice.
    pub duplicates: u32,
    /// Data sent again.
    pub repeated: Repeated,
    /// More of the newest segments, once one was captured twice.
    pub copies: Option<Box<Copies>>,
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

/// The same, in less space.
#[derive(Clone, Copy, Debug)]
struct Fin {
    time: Time,
    frame: u32,
    seq: u32,
    ack: u32,
    file: u16,
    with_ack: bool,
}

/// Data that a side sent again, and whether it was ever acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeated {
    /// Segments sent again since the peer's last progress.
    pub count: u32,
    /// The newest of them.
    pub until: At,
    /// Segments sent again, in all.
    pub total: u32,
    /// Smallest payload among those sent again since the peer's last progress (or 65,535).
    pub smallest: u16,
    /// Largest payload among those (or 65,535).
    pub biggest: u16,
    /// The peer reported by SACK that it has bytes beyond those.
    pub sacked: bool,
}

/// What is remembered of a recent segment: half a line of memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    time: Time,
    /// 0 where there is none.
    frame: u32,
    pub seq: u32,
    pub ack: u32,
    pub len: u32,
    look: u32,
    file: u16,
    pub flags: TcpFlags,
}

impl Recent {
    pub(super) fn at(&self) -> At {
        At::new(self.time, self.frame, self.file)
    }

    #[inline(always)]
    fn new(segment: &Segment<'_>) -> Recent {
        let At { time, frame, file } = segment.at;
        let look = look(segment);
        Recent { time, frame, seq: segment.seq, ack: segment.ack, len: segment.payload_len, look, file, flags: segment.flags }
    }
}

/// The header fields that differ between a packet and its retransmission, in 32 bits.
#[inline(always)]
fn look(segment: &Segment<'_>) -> u32 {
    let timestamp = segment.options.timestamps.map_or(0, |(value, _)| value);
    let id = segment.ip_id.map_or(0, |id| u64::from(id) + 1);
    let all = (u64::from(timestamp) << 32) ^ (id << 15) ^ u64::from(segment.window);
    (all.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
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

    /// Has the lines of memory that a segment needs brought into the caches.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(self);
        prefetch(&self.recent);
        prefetch(&self.last_data);
    }

    /// The same for what the connection's end needs beside that.
    pub(super) fn prefetch_end(&self) {
        prefetch(&self.source);
    }

    /// Its stream has begun and goes on, with nothing waiting behind a hole.
    #[inline]
    pub(super) fn is_steady(&self) -> bool {
        self.started && !(self.holding | self.finished | self.reset)
    }

    /// The sequence number of the stream's first byte, once that is known.
    pub fn base(&self) -> Option<u32> {
        self.started.then(|| self.next.wrapping_sub(self.delivered as u32))
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
        older.iter().chain(newer).filter(|recent| recent.frame != 0)
    }

    /// Counts a packet: whoever sent it is there, and may have heard what the peer probed with.
    #[inline]
    pub(super) fn count_in(&mut self, peer: &mut Half) {
        self.packets = self.packets.saturating_add(1);
        if let Some(rare) = &mut peer.rare {
            rare.unheard = None;
        }
    }

    #[inline(always)]
    pub(super) fn remember(&mut self, segment: &Segment<'_>) {
        if let Some(slot) = self.recent.get_mut(usize::from(self.slot)) {
            *slot = Recent::new(segment);
        }
        self.slot = if self.slot == 2 { 0 } else { self.slot + 1 };
        self.largest_sent = self.largest_sent.max(u16::try_from(segment.payload_len).unwrap_or(u16::MAX));
        if let Some(copies) = self.rare.as_mut().and_then(|rare| rare.copies.as_mut()) {
            copies.remember(&Header::of(segment));
        }
    }

    /// Whether `segment` is a packet captured before: a mirror port or the `any` device shows some packets twice.
    ///
    /// A retransmission has a new IP identification, or (IPv6, identification 0) a later timestamp option or at least a timer's distance.
    pub(super) fn is_duplicate(&self, segment: &Segment<'_>) -> bool {
        // What says something new is none; of most packets the rest need not be looked at.
        let acks = segment.flags.has(TcpFlags::ACK) && self.acked().is_none_or(|acked| distance(segment.ack, acked) > 0);
        if acks || (segment.payload_len > 0 && distance(segment.seq.wrapping_add(segment.payload_len), self.max) > 0) {
            return false;
        }
        // Without an identification that counts up, bare ACKs and RSTs may truly repeat: two alike change nothing, so only data counts.
        let counted = segment.ip_id.is_some_and(|id| id != 0);
        if !counted && segment.payload_len == 0 && !segment.flags.has(TcpFlags::SYN) {
            return false;
        }
        let near = if counted { Span::from_millis(10) } else { Span::from_nanos(500_000) };
        let look = look(segment);
        let again = self.recent().any(|recent| {
            recent.seq == segment.seq
                && recent.ack == segment.ack
                && recent.len == segment.payload_len
                && recent.flags == segment.flags
                && recent.look == look
                && segment.at.time.since(recent.time) <= near
        });
        again || self.rare.as_ref().is_some_and(|rare| rare.copies.as_ref().is_some_and(|copies| copies.holds(&Header::of(segment), near)))
    }

    /// Counts a packet captured before.
    pub(super) fn note_duplicate(&mut self) {
        let rare = self.rare();
        rare.duplicates = rare.duplicates.saturating_add(1);
        rare.copies.get_or_insert_default();
    }

    /// Takes note that the peer acknowledges everything sent so far.
    pub(super) fn all_acked(&mut self) {
        self.largest_acked = self.largest_acked.max(std::mem::take(&mut self.largest_sent));
        if self.repeating {
            self.forget_repeated();
        }
    }

    /// Counts a segment sent again; `missing`: the peer has not acknowledged it.
    pub(super) fn repeat(&mut self, segment: &Segment<'_>, missing: bool) {
        let repeated = &mut self.rare().repeated;
        repeated.total = repeated.total.saturating_add(1);
        if !missing {
            return;
        }
        repeated.count = repeated.count.saturating_add(1);
        repeated.until = segment.at;
        let size = u16::try_from(segment.payload_len).unwrap_or(u16::MAX);
        if size > 0 {
            repeated.biggest = repeated.biggest.max(size);
            repeated.smallest = if repeated.smallest == 0 { size } else { repeated.smallest.min(size) };
        }
        self.repeating = true;
    }

    /// What was sent again has been acknowledged.
    pub(super) fn forget_repeated(&mut self) {
        if let Some(rare) = &mut self.rare {
            let Repeated { until, total, .. } = rare.repeated;
            rare.repeated = Repeated { until, total, ..Repeated::default() };
        }
        self.repeating = false;
    }

    pub(super) fn set_acked(&mut self, ack: u32) {
        self.acked = ack;
        self.has_acked = true;
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn seldom(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Data beyond a hole.
    pub(super) fn ahead(&self) -> Option<&Assembler> {
        self.seldom()?.ahead.as_deref()
    }

    /// The receive window is closed: the newest packet said zero.
    pub fn window_closed(&self) -> bool {
        self.window == 0 && self.zero_window().is_some()
    }

    /// Its first FIN.
    pub fn fin(&self) -> Option<FinSeen> {
        self.fin.map(|fin| FinSeen { at: At::new(fin.time, fin.frame, fin.file), seq: fin.seq, ack: fin.with_ack.then_some(fin.ack) })
    }

    /// Takes note of its first FIN.
    pub(super) fn note_fin(&mut self, fin: FinSeen) {
        let (FinSeen { at, seq, ack }, with_ack) = (fin, fin.ack.is_some());
        self.finished = true;
        self.fin = Some(Fin { time: at.time, frame: at.frame, file: at.file, seq, ack: ack.unwrap_or(0), with_ack });
    }

    /// Data sent again.
    pub fn repeated(&self) -> Repeated {
        self.seldom().map(|rare| rare.repeated).unwrap_or_default()
    }
    /// First transmission after the peer's last progress: what the peer has not begins with it.
    pub fn waiting_since(&self) -> At {
        self.since
    }
    /// Habits of its packets.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }
    /// Where its packets come from.
    pub fn source(&self) -> &Source {
        &self.source
    }
    /// Highest acknowledgement number it carried.
    pub fn acked(&self) -> Option<u32> {
        self.has_acked.then_some(self.acked)
    }
    /// Packets it carried.
    pub fn packets(&self) -> u32 {
        self.packets
    }
    /// Payload bytes, each once, as far as seen.
    pub fn bytes(&self) -> u64 {
        self.delivered - self.seldom().map_or(0, |rare| rare.missing)
    }
    /// First payload.
    pub fn first_data(&self) -> Option<At> {
        self.first_data
    }
    /// Newest payload that was not a repetition.
    pub fn last_data(&self) -> Option<At> {
        self.last_data
    }
    /// The newest pause of a second and more: the last payload before it, all of it acknowledged by then, and the first after it.
    pub fn pause(&self) -> Option<(At, At)> {
        self.pause.as_ref().map(|pause| (pause.before, pause.after))
    }

    /// Notes that new payload comes at `at` when all before it was acknowledged.
    pub(super) fn note_pause(&mut self, at: At) {
        if let Some(before) = self.last_data.filter(|before| at.time.since(before.time) >= PAUSE) {
            self.pause = Some(Box::new(Pause { before, after: at }));
        }
    }

    /// Newest packet.
    pub fn last(&self) -> Option<At> {
        let newest = if self.slot == 0 { 2 } else { self.slot - 1 };
        self.recent.get(usize::from(newest)).filter(|recent| recent.frame != 0).map(Recent::at)
    }
    /// Keep-alive probes, and the newest.
    pub fn keep_alives(&self) -> (u32, Option<At>) {
        self.seldom().map_or((0, None), |rare| (rare.keep_alives, rare.last_keep_alive))
    }
    /// Keep-alive probes that were never answered, since the peer was last heard: first, newest, how many.
    pub fn unheard_probes(&self) -> Option<(At, At, u32)> {
        self.seldom().and_then(|rare| rare.unheard)
    }
    /// First and newest zero window it advertised.
    pub fn zero_window(&self) -> Option<(At, At)> {
        self.seldom().and_then(|rare| rare.zero_window)
    }
    /// Segments dropped for a wrong checksum.
    pub fn bad_checksums(&self) -> u32 {
        self.seldom().map_or(0, |rare| rare.bad_checksums)
    }
    /// Overlaps that say different things.
    pub fn conflicts(&self) -> u32 {
        self.seldom().map_or(0, |rare| rare.conflicts)
    }
    /// Packets captured twice.
    pub fn duplicates(&self) -> u32 {
        self.seldom().map_or(0, |rare| rare.duplicates)
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
        self.ahead().map_or(0, Assembler::bytes)
    }
    /// Largest payload seen of it.
    pub fn largest(&self) -> u32 {
        self.largest_acked.max(self.largest_sent).into()
    }
    /// Largest payload the peer acknowledged whole.
    pub fn largest_acked(&self) -> u32 {
        self.largest_acked.into()
    }
}
