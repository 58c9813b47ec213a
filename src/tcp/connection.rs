//! A connection: segments in, pieces of two streams out.

use crate::base::{At, FlowKey, GapReason, Limits, PerWay, Piece, Span, Way, prefetch};
use crate::decode::{Checksum, Segment, TcpFlags};
use crate::tcp::acks::{FARTHEST, FARTHEST_CLAIM, acknowledge, progress};
use crate::tcp::assembler::{Assembler, Hold};
use crate::tcp::half::{FinSeen, Half, distance};
use crate::tcp::reset::RstSeen;
use crate::tcp::streams::{Bases, Numbers};

/// A hole stays open this long after the receiver was seen to have the bytes: captures deliver packets slightly out of order.
const HOLE_GRACE: Span = Span::from_millis(200);
/// … or for this many further segments of that direction.
const HOLE_GRACE_SEGMENTS: u32 = 24;
/// What a receiver that is still there lacks after so long did not reach it.
const CLAIM_SETTLES: Span = Span::from_secs(1);
/// No answer takes longer to come than this, nor than so many times what the opening's answers took.
const LONGEST_ROUND_TRIP: Span = Span::from_millis(500);
const ROUND_TRIPS: i64 = 8;
/// Clocks and queues of a capturing machine are off by this much.
const JITTER: Span = Span::from_nanos(100_000);

/// A TCP connection. Its fields stand in the order of how often they are used: see [`Half`].
#[derive(Debug)]
#[repr(C)]
pub struct Connection {
    /// Its endpoints.
    pub key: FlowKey,
    /// Newest packet.
    pub last: At,
    /// Tells it from all other connections of an analysis, which are counted from 1 as they come.
    pub serial: u32,
    /// It is established.
    up: bool,
    /// The way the SYN went.
    pub client: Option<Way>,
    /// Packets of it stand in the capture in another order than their times.
    disordered: bool,
    /// Whoever follows it knows that it is over.
    pub dying: bool,
    halves: PerWay<Half>,
    bases: Bases,
    /// First packet that shows the handshake complete.
    pub established: Option<At>,
    /// Wireshark's number for it.
    pub stream: Option<u32>,
    /// First packet.
    pub first: At,
    /// SYN: first, newest, how often.
    pub syn: Option<(At, At, u32)>,
    /// First SYN with ACK.
    pub syn_ack: Option<At>,
}

/// What a segment did, besides the bytes it brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// It was captured before; nothing else is said of it.
    pub duplicate: bool,
    /// Its checksum is wrong: its receiver drops it, and so do we.
    pub damaged: bool,
    /// It is the first FIN of its way (a repeated one is `fin_again`).
    pub fin: bool,
    /// It repeats a FIN.
    pub fin_again: bool,
    /// It is a RST.
    pub rst: Option<RstSeen>,
    /// Bytes of payload sent before.
    pub repeated: u32,
    /// It is a keep-alive probe.
    pub keep_alive: bool,
    /// It closes its sender's receive window.
    pub zero_window: bool,
    /// It shows that its sender is still there after a RST in its name: new data, or an ACK of new data.
    pub alive: bool,
    /// It acknowledges bytes of the peer that were not acknowledged before.
    pub progress: bool,
}

// The first line of memory, and those of the two directions, lie where a line begins if the connection does.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(std::mem::offset_of!(Connection, halves) == 64);

impl Connection {
    /// A connection whose first packet is `at`.
    pub fn new(key: FlowKey, stream: Option<u32>, at: At) -> Connection {
        Connection {
            key,
            stream,
            serial: 0,
            first: at,
            last: at,
            client: None,
            syn: None,
            syn_ack: None,
            up: false,
            disordered: false,
            dying: false,
            established: None,
            halves: PerWay::default(),
            bases: Bases::default(),
        }
    }

    /// One direction.
    pub fn half(&self, way: Way) -> &Half {
        &self.halves[way]
    }

    /// Has the memory that the next segment of `way` will need brought into the caches.
    #[inline]
    pub fn prefetch(&self, way: Way) {
        let peer = &self.halves[way.opposite()];
        prefetch(&self.key);
        prefetch(peer);
        self.halves[way].prefetch();
    }

    /// The same for all that its beginning and its end need.
    pub fn prefetch_rest(&self) {
        for way in [Way::AtoB, Way::BtoA] {
            self.prefetch(way);
            self.halves[way].prefetch_end();
        }
        prefetch(&self.bases);
        prefetch(&self.syn);
    }

    /// A FIN or RST has been seen.
    #[inline]
    pub fn is_closing(&self) -> bool {
        [Way::AtoB, Way::BtoA].into_iter().any(|way| self.halves[way].finished | self.halves[way].reset)
    }

    /// It is established.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Packets of it stand in the capture in another order than they came, by their times.
    pub fn is_disordered(&self) -> bool {
        self.disordered
    }

    /// Base sequence numbers as Wireshark's numbering uses them.
    pub fn bases(&self) -> Bases {
        self.bases
    }

    /// Whether a segment opens a new connection between the same ports.
    pub fn is_reused_by(&self, way: Way, numbers: Numbers) -> bool {
        numbers.start_anew(&self.bases, way)
    }

    /// How much of the peer's stream the sender of `segment` has, by its acknowledgements so far and this one (offset; a FIN counts one).
    pub fn known_by(&self, segment: &Segment<'_>) -> u64 {
        let (half, peer) = (&self.halves[segment.way], &self.halves[segment.way.opposite()]);
        self.carried_by(segment).max(half.acked().filter(|_| peer.started).map(|ack| peer.offset_of(ack))).unwrap_or(0)
    }

    /// How much of the peer's stream `segment` itself acknowledges (offset), in whatever order it was captured.
    pub fn carried_by(&self, segment: &Segment<'_>) -> Option<u64> {
        let peer = &self.halves[segment.way.opposite()];
        (peer.started && segment.flags.has(TcpFlags::ACK)).then(|| peer.offset_of(segment.ack))
    }

    /// How long a segment's answer by `way` may take to come by here, judging by TCP's opening.
    fn answered_within(&self, way: Way) -> Span {
        let (asked, answered) = if self.client == Some(way) {
            (self.syn_ack, self.established)
        } else {
            (self.syn.filter(|(_, _, count)| *count == 1).map(|(first, _, _)| first), self.syn_ack)
        };
        let took = asked.zip(answered).map(|(asked, answered)| answered.time.since(asked.time)).filter(|took| *took >= Span::ZERO);
        took.map_or(LONGEST_ROUND_TRIP, |took| Span::from_nanos(took.nanos().saturating_mul(ROUND_TRIPS)).min(LONGEST_ROUND_TRIP))
    }

    /// Bytes held beyond holes, both ways.
    pub fn held(&self) -> usize {
        self.halves[Way::AtoB].held() + self.halves[Way::BtoA].held()
    }

    /// Whether a segment goes on where the connection stands, and nothing else: the next bytes in order, or an ACK of more than before, with
    /// nothing missing either way. Most segments do.
    #[inline(always)]
    pub fn is_ordinary(&self, segment: &Segment<'_>) -> bool {
        let (half, peer) = (&self.halves[segment.way], &self.halves[segment.way.opposite()]);
        let (len, acked) = (segment.payload_len, half.acked);
        segment.flags.goes_on()
            && self.up
            && segment.at.time >= self.last.time
            && half.is_steady()
            && peer.is_steady()
            && segment.seq == half.next
            && segment.seq == half.max
            && segment.payload.len() == len as usize
            && segment.window != 0
            && segment.options.sack.is_none()
            && segment.checksum != Checksum::Bad
            && half.acked().is_some()
            && distance(segment.ack, acked) >= i64::from(len == 0)
            && distance(segment.ack, peer.max) <= 0
    }

    /// Takes in an [ordinary](Connection::is_ordinary) segment, as [`accept`](Connection::accept) would; the offset of its payload.
    #[inline(always)]
    pub fn accept_ordinary(&mut self, segment: &Segment<'_>) -> u64 {
        // An ACK of its way came before, so both base sequence numbers are known.
        self.last = segment.at;
        let (half, peer) = self.halves.pair_mut(segment.way);
        half.good_checksum |= segment.checksum == Checksum::Good;
        half.count_in(peer);
        half.sender.learn(segment, &mut half.source);
        if segment.ack != half.acked {
            half.set_acked(segment.ack);
            progress(peer, segment);
        }
        half.window = segment.window;
        let offset = half.delivered;
        if segment.payload_len > 0 {
            note_fresh(half, peer, segment);
            advance(half, segment.payload_len.into());
        }
        half.remember(segment);
        offset
    }

    /// Takes in a segment. `sink` gets what became readable of either stream, in order; `room` is what may still be held in total.
    pub fn accept(&mut self, segment: &Segment<'_>, limits: &Limits, room: usize, sink: &mut impl FnMut(Way, Piece<'_>)) -> Heard {
        let way = segment.way;
        let flags = segment.flags;
        let mut heard = Heard::default();
        self.disordered |= self.last.time.since(segment.at.time) > JITTER;
        self.last = segment.at;
        let ack = flags.has(TcpFlags::ACK).then_some(segment.ack);
        // An ACK of this way would have taught both already.
        if self.halves[way].acked().is_none() || flags.has(TcpFlags::SYN) {
            Numbers { seq: segment.seq, ack, syn: flags.has(TcpFlags::SYN) }.teach(&mut self.bases, way);
        }
        let answered_within = if flags.has(TcpFlags::RST) { self.answered_within(way) } else { Span::ZERO };
        let (half, peer) = self.halves.pair_mut(way);
        if half.is_duplicate(segment) {
            half.note_duplicate();
            heard.duplicate = true;
            return heard;
        }
        match segment.checksum {
            Checksum::Good => half.good_checksum = true,
            // A direction whose every checksum is wrong is offload of a kind we do not know, and so is a segment that no network card sends whole.
            Checksum::Bad if half.good_checksum && segment.payload_len <= half.source.mss().max(1460) => {
                let rare = half.rare();
                rare.bad_checksums = rare.bad_checksums.saturating_add(1);
                heard.damaged = true;
                return heard;
            }
            _ => {}
        }
        half.count_in(peer);
        if flags.has(TcpFlags::RST) {
            heard.rst = Some(RstSeen::new(half, peer, segment, answered_within));
            half.reset = true;
            half.remember(segment);
            self.close_holes_of(way, segment.at, true, sink);
            return heard;
        }
        half.sender.learn(segment, &mut half.source);
        if flags.has(TcpFlags::SYN) {
            self.open(segment);
        } else {
            half.start(segment.seq);
            // Who acknowledges something after its own SYN has had the other's, whether that was captured or not.
            if !self.up && (segment.payload_len > 0 || (flags.has(TcpFlags::ACK) && (half.syn_seen || peer.syn_seen))) {
                self.up = true;
                self.established = Some(segment.at);
            }
        }
        let (half, peer) = self.halves.pair_mut(way);
        if flags.has(TcpFlags::ACK) {
            peer.start(segment.ack);
            heard.progress = acknowledge(half, peer, segment);
        }
        if segment.window == 0 && !flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::FIN) {
            heard.zero_window = true;
            let first = half.zero_window().map_or(segment.at, |(first, _)| first);
            half.rare().zero_window = Some((first, segment.at));
        }
        half.window = segment.window;
        heard.alive = half.reset && (heard.progress || distance(segment.seq.wrapping_add(segment.payload_len), half.max) > 0);
        let probe = segment.payload_len <= 1
            && !flags.has(TcpFlags::SYN)
            && !flags.has(TcpFlags::FIN)
            && segment.seq == half.max.wrapping_sub(1)
            && !half.finished
            && half.last_data.or(self.established).is_some();
        if probe {
            heard.keep_alive = true;
            let rare = half.rare();
            rare.keep_alives = rare.keep_alives.saturating_add(1);
            rare.last_keep_alive = Some(segment.at);
            let (first, _, count) = rare.unheard.unwrap_or((segment.at, segment.at, 0));
            rare.unheard = Some((first, segment.at, count.saturating_add(1)));
        } else if segment.payload_len == 0 {
            claim(half, segment, &self.first);
        } else {
            heard.repeated = take_in(half, peer, segment, limits, room, &mut |piece| sink(way, piece));
        }
        if flags.has(TcpFlags::FIN) {
            (heard.fin, heard.fin_again) = finish(half, peer, segment);
        }
        half.remember(segment);
        self.close_holes_of(way.opposite(), segment.at, false, sink);
        let half = &self.halves[way];
        if (half.holding || half.finished) && half.seldom().is_some_and(|rare| rare.hole_acked.is_some()) {
            self.close_holes_of(way, segment.at, false, sink);
        }
        heard
    }

    /// The connection is over, or the capture is: every hole stays one.
    pub fn close_holes(&mut self, at: At, sink: &mut impl FnMut(Way, Piece<'_>)) {
        for way in [Way::AtoB, Way::BtoA] {
            self.close_holes_of(way, at, true, sink);
        }
    }

    /// A SYN, with or without ACK.
    fn open(&mut self, segment: &Segment<'_>) {
        let way = segment.way;
        let with_ack = segment.flags.has(TcpFlags::ACK);
        if with_ack {
            self.client.get_or_insert(way.opposite());
            self.syn_ack.get_or_insert(segment.at);
        } else {
            self.client.get_or_insert(way);
            let (first, _, count) = self.syn.unwrap_or((segment.at, segment.at, 0));
            self.syn = Some((first, segment.at, count.saturating_add(1)));
        }
        let half = &mut self.halves[way];
        half.start(segment.seq.wrapping_add(1));
        if half.delivered == 0 && !half.spoke {
            half.syn_seen = true;
            half.next = segment.seq.wrapping_add(1);
            half.max = half.next;
        }
    }

    /// Gives up on the hole of `way` if the receiver had the bytes (the capture missed them) or, with `now`, in any case.
    fn close_holes_of(&mut self, way: Way, at: At, now: bool, sink: &mut impl FnMut(Way, Piece<'_>)) {
        let (half, peer) = self.halves.pair_mut(way);
        if !half.started || !(now || half.holding || half.finished) {
            return;
        }
        let acked = peer.acked().map(|ack| half.offset_of(ack).min(half.offset_of(half.max)));
        let fin = half.fin().map(|fin| half.offset_of(fin.seq));
        let beyond = half.ahead().and_then(Assembler::first_offset);
        // The hole ends at held data, at the FIN, or (at the end) where the receiver's acknowledgements end.
        let end = match (beyond, fin) {
            (Some(data), _) => data,
            (None, Some(fin)) => fin,
            (None, None) if now => acked.unwrap_or(0).max(claimed(half, peer).unwrap_or(0)),
            _ => return,
        };
        if end <= half.delivered {
            forget_hole(half);
            return;
        }
        let had = acked.is_some_and(|acked| acked > half.delivered);
        if !now {
            if !had {
                return;
            }
            let (since, count) = half.seldom().and_then(|rare| rare.hole_acked).unwrap_or((at, 0));
            half.rare().hole_acked = Some((since, count.saturating_add(1)));
            if count < HOLE_GRACE_SEGMENTS && at.time.since(since.time) < HOLE_GRACE {
                return;
            }
        }
        forget_hole(half);
        let len = end - half.delivered;
        let why = if had { GapReason::CaptureLoss } else { GapReason::PathLoss };
        sink(way, Piece::Gap { at, offset: half.delivered, len, why });
        leave_out(half, len);
        drain(half, &mut |piece| sink(way, piece));
        self.close_holes_of(way, at, now, sink);
    }
}

/// Takes note of a bare ACK whose own sequence number lies beyond anything seen of its sender (RFC 9293 section 3.10.7: it is the next one
/// that its sender will use): what lies between was sent. `first` is the connection's first packet.
fn claim(half: &mut Half, segment: &Segment<'_>, first: &At) {
    let ahead = distance(segment.seq, half.max);
    if !half.finished && !segment.flags.has(TcpFlags::SYN) && (1..FARTHEST_CLAIM).contains(&ahead) {
        let silent = segment.at.time.since(half.last().unwrap_or(*first).time) >= CLAIM_SETTLES;
        half.rare().claimed = Some((segment.at, segment.seq, silent));
    }
}

/// The end of the stream as its sender's bare ACKs tell it (offset), if what they tell of had time to arrive: it came before a silence, or
/// the receiver was heard of long enough afterwards.
fn claimed(half: &Half, peer: &Half) -> Option<u64> {
    let (at, seq, silent) = half.seldom()?.claimed?;
    let settled = silent || peer.last().is_some_and(|last| last.time.since(at.time) >= CLAIM_SETTLES);
    settled.then(|| half.offset_of(seq))
}

/// Takes note of payload beyond all that was sent before.
#[inline(always)]
fn note_fresh(half: &mut Half, peer: &Half, segment: &Segment<'_>) {
    // The first byte that the peer has not: what follows waits behind it.
    if half.max == peer.acked().unwrap_or(half.max) || !half.spoke {
        half.since = segment.at;
        half.note_pause(segment.at);
    }
    if !half.spoke {
        half.spoke = true;
        half.first_data = Some(segment.at);
    }
    half.max = segment.seq.wrapping_add(segment.payload_len);
    half.last_data = Some(segment.at);
}

/// Takes in payload; returns how many of its bytes were sent before.
fn take_in(half: &mut Half, peer: &Half, segment: &Segment<'_>, limits: &Limits, room: usize, sink: &mut impl FnMut(Piece<'_>)) -> u32 {
    let len = segment.payload_len;
    let captured = segment.payload.get(..segment.payload.len().min(len as usize)).unwrap_or_default();
    let end = segment.seq.wrapping_add(len);
    let ahead = distance(segment.seq, half.next);
    if !(-FARTHEST..FARTHEST).contains(&ahead) {
        return 0;
    }
    let fresh = distance(end, half.max);
    let repeated = if fresh >= i64::from(len) { 0 } else { len - u32::try_from(fresh.max(0)).unwrap_or(0) };
    if fresh > 0 {
        note_fresh(half, peer, segment);
    } else {
        // Sent before, as far as the highest sequence number tells. A late first copy (reordering) fills a hole and is no repetition.
        let fills_hole = ahead >= 0 && half.ahead().is_some_and(|held| !held.is_empty()) && distance(end, half.next) > 0;
        let acked = peer.acked().is_some_and(|acked| distance(end, acked) <= 0);
        if !fills_hole {
            half.repeat(segment, !acked);
        }
    }
    let offset = half.offset_of(segment.seq);
    let cut = u64::from(len) - captured.len() as u64;
    if ahead > 0 {
        let room = limits.reorder_flow.saturating_sub(half.held()).min(room);
        half.holding = true;
        let held = half.rare().ahead.get_or_insert_default();
        match held.hold(segment.at, offset, captured, cut, room) {
            Hold::Kept => {}
            Hold::Conflict => note_conflict(half),
            Hold::Full => give_up_hole(half, peer, segment.at, offset, sink),
        }
        // With the hole given up, this segment may be next in line.
        if half.delivered < offset {
            return repeated;
        }
    }
    hand_on(half, segment.at, offset, captured, cut, sink);
    drain(half, sink);
    repeated
}

fn forget_hole(half: &mut Half) {
    if let Some(rare) = &mut half.rare {
        rare.hole_acked = None;
    }
}

fn note_conflict(half: &mut Half) {
    let rare = half.rare();
    rare.conflicts = rare.conflicts.saturating_add(1);
}

/// The bound on held data is reached: the hole before it, and holes within it up to `until`, stay holes.
fn give_up_hole(half: &mut Half, peer: &Half, at: At, until: u64, sink: &mut impl FnMut(Piece<'_>)) {
    while half.delivered < until {
        let acked = peer.acked().is_some_and(|acked| half.offset_of(acked) > half.delivered);
        let end = half.ahead().and_then(Assembler::first_offset).map_or(until, |first| first.min(until));
        if end > half.delivered {
            let why = if acked { GapReason::CaptureLoss } else { GapReason::Limit };
            sink(Piece::Gap { at, offset: half.delivered, len: end - half.delivered, why });
            let len = end - half.delivered;
            leave_out(half, len);
        }
        let before = half.delivered;
        drain(half, sink);
        if half.delivered == before && end >= until {
            break;
        }
    }
}

/// Hands on the part of a run that lies at or behind the next expected byte.
fn hand_on(half: &mut Half, at: At, offset: u64, bytes: &[u8], cut: u64, sink: &mut impl FnMut(Piece<'_>)) {
    let skip = usize::try_from(half.delivered.saturating_sub(offset)).unwrap_or(usize::MAX);
    if let Some(fresh) = bytes.get(skip..).filter(|fresh| !fresh.is_empty()) {
        sink(Piece::Data { at, offset: half.delivered, bytes: fresh });
        advance(half, fresh.len() as u64);
    }
    let end = offset + bytes.len() as u64 + cut;
    if cut > 0 && end > half.delivered {
        let len = end - half.delivered;
        sink(Piece::Gap { at, offset: half.delivered, len, why: GapReason::SnapLength });
        advance(half, len);
    }
}

/// What comes next never comes.
fn leave_out(half: &mut Half, len: u64) {
    half.rare().missing += len;
    advance(half, len);
}

fn advance(half: &mut Half, len: u64) {
    half.delivered += len;
    // Sequence numbers wrap; the low 32 bits are what counts.
    half.next = half.next.wrapping_add(len as u32);
}

/// Hands on everything held that is now in order.
fn drain(half: &mut Half, sink: &mut impl FnMut(Piece<'_>)) {
    if !half.holding {
        return;
    }
    let Some(mut ahead) = half.rare().ahead.take() else { return };
    while let Some(held) = ahead.take(half.delivered) {
        hand_on(half, held.at, held.offset, &held.bytes, held.cut, sink);
    }
    if !ahead.is_empty() {
        half.rare().ahead = Some(ahead);
    } else {
        half.holding = false;
        forget_hole(half);
    }
}

/// Takes note of a FIN: (first, repeated).
fn finish(half: &mut Half, peer: &Half, segment: &Segment<'_>) -> (bool, bool) {
    let seq = segment.seq.wrapping_add(segment.payload_len);
    if half.finished {
        half.repeat(segment, peer.acked().is_none_or(|acked| distance(seq, acked) >= 0));
        return (false, true);
    }
    if half.max == peer.acked().unwrap_or(half.max) && segment.payload_len == 0 {
        half.since = segment.at;
    }
    half.note_fin(FinSeen { at: segment.at, seq, ack: segment.flags.has(TcpFlags::ACK).then_some(segment.ack) });
    let after = seq.wrapping_add(1);
    if distance(after, half.max) > 0 {
        half.max = after;
    }
    (true, false)
}
