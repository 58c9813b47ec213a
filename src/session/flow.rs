//! A connection while it lives: TCP, the streams in it, and what will be needed to judge its end.

use crate::base::{At, FlowKey, GapReason, Limits, PerWay, Piece, Span, Way, prefetch};
use crate::decode::{IcmpError, Segment, TcpFlags};
use crate::session::act::{Rst, RstKind};
use crate::session::keyed::Given;
use crate::session::log::Log;
use crate::session::reading::Reading;
use crate::session::timeline::What;
use crate::tcp::{Connection, Heard, RstSeen};

/// RSTs kept per connection: a forger sends a few, a kernel one per late segment.
const RSTS_KEPT: usize = 6;
/// What hosts set the TTL or hop limit of what they send to: a packet that has one of these has passed no router.
const UNHOPPED: [u8; 3] = [64, 128, 255];
/// ICMP errors kept per connection.
const ICMP_KEPT: usize = 4;
/// Holes kept per direction.
const GAPS_KEPT: usize = 4;

/// A connection being followed. Its fields stand in the order of how often they are used: see [`crate::tcp::Half`].
#[derive(Debug)]
#[repr(C)]
pub struct Flow {
    /// The timeline.
    pub log: Log,
    /// Its streams.
    pub reading: Reading,
    /// Its TCP side.
    pub conn: Connection,
    /// What was when the first FIN or RST came.
    at_close: Option<Box<AtClose>>,
    /// What few connections have.
    seldom: Option<Box<Seldom>>,
}

// Each part begins where a line of memory does, if the flow does: allocators that keep pieces of this size side by side see to that unasked, and
// are quicker when they are not asked. They have no larger piece at hand that would be filled as well.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Flow>() == 1024 && std::mem::offset_of!(Flow, conn) == 320);

/// What was when the first FIN or RST came, of either side, and each side's FIN.
#[derive(Debug)]
struct AtClose {
    said: PerWay<Said>,
    fins: PerWay<AtFin>,
}

/// What few connections have.
#[derive(Debug, Default)]
struct Seldom {
    gaps: PerWay<Vec<Hole>>,
    icmp: Vec<(Way, IcmpError)>,
    /// RSTs, in order, the first few of each way.
    rsts: Vec<(Way, Rst)>,
}

/// A hole in a stream: where it was known to stay one, how many bytes, why.
pub type Hole = (At, u64, GapReason);

/// What one direction had said in application data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// Records.
    pub records: u32,
    /// The newest.
    pub last: Option<At>,
    /// The newest that can be an answer to all the other direction had said.
    pub last_answer: Option<At>,
    /// Longest record since the other direction last spoke.
    pub longest: u16,
}

/// The state of things when a side's first FIN came.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtFin {
    /// Bytes of the peer's stream seen.
    pub peer_sent: u64,
    /// Records of application data of the peer.
    pub peer_app_records: u32,
    /// How much of the peer's stream the sender had acknowledged.
    pub knew: u64,
}

impl Flow {
    /// A connection that begins with a packet at `at`.
    #[inline(always)]
    pub fn new(key: FlowKey, stream: Option<u32>, at: At, limits: &Limits) -> Flow {
        Flow { conn: Connection::new(key, stream, at), reading: Reading::new(), at_close: None, seldom: None, log: Log::new(limits) }
    }

    /// The same, built where it stays: it is large.
    #[inline(never)]
    pub fn boxed(key: FlowKey, stream: Option<u32>, at: At, limits: &Limits) -> Box<Flow> {
        Box::write(Box::new_uninit(), Flow::new(key, stream, at, limits))
    }

    /// Has the memory that the next segment of `way` will need brought into the caches.
    #[inline]
    pub fn prefetch(&self, way: Way) {
        prefetch(self);
        self.conn.prefetch(way);
    }

    /// The same for a segment that opens or closes something, of either way.
    pub fn prefetch_rest(&self) {
        prefetch(self);
        self.conn.prefetch_rest();
    }

    /// The same for what payload needs beside that, and can be asked for once that is there.
    #[inline]
    pub fn prefetch_tls(&self, way: Way) {
        if let Some(tls) = &self.reading.tls {
            tls.prefetch(way);
            if !self.reading.is_calm(way) {
                tls.handshake.prefetch(way);
            }
        }
    }

    /// The same for what else its end needs. Where that is must be in the caches.
    #[inline]
    pub fn prefetch_end(&self) {
        if let Some(tls) = &self.reading.tls {
            tls.prefetch_end();
        }
        if let Some(at_close) = &self.at_close {
            prefetch(&at_close.said[Way::AtoB]);
            prefetch(&at_close.fins[Way::AtoB]);
            prefetch(&at_close.fins[Way::BtoA]);
        }
    }

    /// Whether a segment brings the next bytes in order or acknowledges some, and there is nothing else to note about it.
    #[inline(always)]
    pub fn is_ordinary(&self, segment: &Segment<'_>) -> bool {
        self.conn.is_ordinary(segment)
    }

    /// Takes in an [ordinary](Flow::is_ordinary) segment: what [`push`](Flow::push) would do, without looking for what is not there. It
    /// ends nothing, and leaves nothing held beyond a hole.
    #[inline(always)]
    pub fn push_ordinary(&mut self, segment: &Segment<'_>, given: Given<'_>) {
        let way = segment.way;
        let knew = self.conn.half(way.opposite()).offset_of(segment.ack);
        let offset = self.conn.accept_ordinary(segment);
        if !segment.payload.is_empty() {
            let from_start = self.conn.half(way).syn_seen();
            self.reading.take_data(way, (segment.at, offset, segment.payload), from_start, knew, given, &mut self.log);
        }
    }

    /// Takes in a segment.
    pub fn push(&mut self, segment: &Segment<'_>, given: Given<'_>) {
        let way = segment.way;
        let knew = self.conn.known_by(segment);
        let from_start = PerWay::new(self.conn.half(Way::AtoB).syn_seen(), self.conn.half(Way::BtoA).syn_seen());
        if segment.flags.has(TcpFlags::SYN) {
            let what = if segment.flags.has(TcpFlags::ACK) { What::SynAck } else { What::Syn(1) };
            self.log.run(segment.at, way, what);
        }
        let (reading, log, seldom) = (&mut self.reading, &mut self.log, &mut self.seldom);
        let heard = self.conn.accept(segment, given.limits, given.room, &mut |way, piece| {
            note_gap(seldom, way, &piece);
            reading.take(way, &piece, from_start[way], knew, given, log);
        });
        if segment.flags.has(TcpFlags::SYN) {
            self.reading.set_client(self.conn.client);
        }
        self.note(segment, &heard, knew);
    }

    /// Attaches an ICMP error that quotes this connection.
    pub fn push_icmp(&mut self, error: &IcmpError) {
        self.log.add(error.at, error.way, What::Icmp(error.kind));
        if error.quotes_syn() {
            self.conn.client.get_or_insert(error.way);
        }
        let icmp = &mut self.seldom.get_or_insert_default().icmp;
        if icmp.len() < ICMP_KEPT {
            icmp.push((error.way, *error));
        }
    }

    /// The connection is over, or the capture is: what is held beyond holes is read.
    pub fn close_holes(&mut self, at: At, given: Given<'_>) {
        let from_start = PerWay::new(self.conn.half(Way::AtoB).syn_seen(), self.conn.half(Way::BtoA).syn_seen());
        let (reading, log, seldom) = (&mut self.reading, &mut self.log, &mut self.seldom);
        self.conn.close_holes(at, &mut |way, piece| {
            note_gap(seldom, way, &piece);
            reading.take(way, &piece, from_start[way], 0, given, log);
        });
        if let Some(tls) = &mut self.reading.tls {
            tls.look_once_more(given, &mut self.log);
        }
    }

    /// Bytes held of records whose secrets may still come.
    pub fn held_records(&self) -> usize {
        self.reading.tls.as_ref().and_then(|tls| tls.handshake.keys.as_ref()).map_or(0, |keys| keys.held_bytes())
    }

    /// With holes closed: what stands unfinished at the end of either stream is taken down too.
    pub fn close_spans(&mut self) {
        let (Some(spans), Some(tls)) = (&mut self.log.spans, &self.reading.tls) else { return };
        for way in [Way::AtoB, Way::BtoA] {
            let framer = tls.framer(way);
            if let Some(partial) = framer.in_record() {
                spans.cut(way, &partial, framer.is_sealed());
            }
        }
    }

    /// It has not come up, and may still.
    pub fn is_half_open(&self) -> bool {
        self.conn.established.is_none() && !self.is_dying()
    }

    /// Nothing has been seen of it but a SYN, and perhaps the answer to it.
    pub fn is_bare_attempt(&self) -> bool {
        self.conn.established.is_none() && self.conn.syn.is_some() && !self.conn.is_closing() && self.seldom.is_none()
    }

    /// Its end was handed to the clock.
    fn is_dying(&self) -> bool {
        self.conn.dying
    }

    /// The connection [is over](Flow::is_over), which the clock must be told once: `true` that one time.
    #[inline]
    pub fn dies(&mut self) -> bool {
        self.is_over() && !std::mem::replace(&mut self.conn.dying, true)
    }

    /// Its SYN was sent more than once.
    pub fn is_repeated_attempt(&self) -> bool {
        self.conn.syn.is_some_and(|(_, _, times)| times > 1)
    }

    /// Both sides have closed, or one has reset it and nobody went on.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.conn.is_closing() && self.has_ended()
    }

    fn has_ended(&self) -> bool {
        let reset = self.rsts().iter().any(|(_, rst)| rst.survived_by.is_none());
        let closed = [Way::AtoB, Way::BtoA].into_iter().all(|way| {
            let (half, peer) = (self.conn.half(way), self.conn.half(way.opposite()));
            half.fin().is_some() && peer.acked().is_some() && half.unacked(peer.acked()) == 0
        });
        reset || closed
    }

    fn app_records(&self, way: Way) -> u32 {
        self.reading.tls.as_ref().map_or(0, |tls| tls.ways[way].app_records)
    }

    fn note(&mut self, segment: &Segment<'_>, heard: &Heard, knew: u64) {
        let (at, way) = (segment.at, segment.way);
        if heard.duplicate {
            return;
        }
        if heard.damaged {
            self.log.run(at, way, What::BadChecksum(1));
            return;
        }
        if heard.repeated > 0 {
            self.log.run(at, way, What::Retransmission(1, u64::from(heard.repeated)));
        }
        if heard.keep_alive {
            self.log.run(at, way, What::KeepAlive(1));
        }
        if heard.zero_window {
            self.log.run(at, way, What::ZeroWindow(1));
        }
        if heard.fin || heard.rst.is_some() {
            self.note_close();
        }
        if heard.fin {
            self.log.add(at, way, What::Fin(1));
            let peer = way.opposite();
            let knew = self.conn.carried_by(segment).unwrap_or(knew);
            let found = AtFin { peer_sent: self.conn.half(peer).delivered(), peer_app_records: self.app_records(peer), knew };
            if let Some(at_close) = &mut self.at_close {
                at_close.fins[way] = found;
            }
        }
        if heard.fin_again {
            self.log.run(at, way, What::Fin(1));
        }
        if heard.alive {
            for (_, rst) in self.rsts_mut().filter(|(of, rst)| *of == way && at.time > rst.at.time) {
                rst.outlived_by.get_or_insert(at);
            }
        }
        if heard.progress {
            for (_, rst) in self.rsts_mut().filter(|(of, rst)| *of != way && rst.outlived_by.is_some_and(|outlived| outlived < at)) {
                rst.survived_by.get_or_insert(at);
            }
        }
        if let Some(seen) = heard.rst {
            let silent = self.conn.half(way.opposite()).last();
            let rst = self.describe(segment, &seen, silent);
            self.log.run(at, way, What::Rst(rst.kind, 1));
            let rsts = &mut self.seldom.get_or_insert_default().rsts;
            if rsts.iter().filter(|(of, _)| *of == way).count() < RSTS_KEPT {
                rsts.push((way, rst));
            }
        }
    }

    /// Keeps what had been said when the first closing act of TCP came.
    fn note_close(&mut self) {
        if self.at_close.is_none() {
            let said = PerWay::new(self.said(Way::AtoB), self.said(Way::BtoA));
            self.at_close = Some(Box::new(AtClose { said, fins: PerWay::default() }));
        }
    }

    /// What `way`'s FIN found.
    pub fn at_fin(&self, way: Way) -> AtFin {
        self.at_close.as_ref().map_or_else(AtFin::default, |at_close| at_close.fins[way])
    }

    /// What `way` had said when the first FIN or RST of either side came, if one came.
    pub fn said_at_close(&self, way: Way) -> Option<Said> {
        self.at_close.as_ref().map(|at_close| at_close.said[way])
    }

    /// Holes in `way`'s stream, the first few.
    pub fn gaps(&self, way: Way) -> &[Hole] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.gaps[way])
    }

    /// RSTs, in order, the first few of each way.
    pub fn rsts(&self) -> &[(Way, Rst)] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.rsts)
    }

    fn rsts_mut(&mut self) -> impl Iterator<Item = &mut (Way, Rst)> {
        self.seldom.iter_mut().flat_map(|seldom| &mut seldom.rsts)
    }

    /// All that there is of it is a SYN in an ICMP error: the SYN itself was not captured.
    pub fn is_quoted_attempt(&self) -> bool {
        let silent = [Way::AtoB, Way::BtoA].into_iter().all(|way| self.conn.half(way).packets() == 0);
        silent && self.icmp().first().is_some_and(|(_, error)| error.quotes_syn())
    }

    /// ICMP errors that quote it, the first few, and the way of the segment they quote.
    pub fn icmp(&self) -> &[(Way, IcmpError)] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.icmp)
    }

    /// What `way` has said so far.
    pub fn said(&self, way: Way) -> Said {
        self.reading.tls.as_ref().map_or_else(Said::default, |tls| {
            let state = &tls.ways[way];
            Said {
                records: state.app_records,
                last: state.last_app(&tls.handshake.ways[way]).map(|(at, _)| at),
                last_answer: state.last_answer(),
                longest: state.run_largest,
            }
        })
    }

    /// `way` had closed: by its FIN, or a RST that it did not outlive.
    fn had_closed(&self, way: Way) -> bool {
        self.conn.half(way).fin().is_some() || self.rsts().iter().any(|(of, rst)| *of == way && rst.outlived_by.is_none())
    }

    fn describe(&self, segment: &Segment<'_>, seen: &RstSeen, silent: Option<At>) -> Rst {
        let half = self.conn.half(segment.way);
        let sender = half.sender();
        let with_ack = segment.flags.has(TcpFlags::ACK);
        let kind = match (seen.refusal, with_ack) {
            (true, _) => RstKind::Refusal,
            (false, true) => RstKind::Active,
            (false, false) => RstKind::Reply,
        };
        Rst {
            at: segment.at,
            kind,
            seq: segment.seq,
            ack: with_ack.then_some(segment.ack),
            window: segment.window,
            ttl: segment.ttl,
            ip_id: segment.ip_id,
            timestamps: segment.options.timestamps.is_some(),
            payload: segment.payload_len,
            usual_ttl: sender.ttl(),
            usual_timestamps: sender.timestamps(),
            other_mac: half.source().other_mac(segment),
            trigger: seen.trigger,
            outlived_by: None,
            survived_by: None,
            peer_app_records: self.app_records(segment.way.opposite()),
            // A RST whose sender went on was not its own.
            after_own_close: seen.after_own_close && self.had_closed(segment.way),
            peer_unacked: seen.peer_unacked,
            stepping: false,
            seq_offset: seen.seq_offset,
            after_peer: silent.map(|last| segment.at.time.since(last.time)).filter(|span| *span >= Span::ZERO),
            after_question: seen.earliest.map(|asked| segment.at.time.since(asked.time)).filter(|span| *span >= Span::ZERO),
            from_here: segment.outgoing == Some(true)
                && UNHOPPED.contains(&segment.ttl)
                && sender.ttl().is_none_or(|(usual, _)| usual == segment.ttl),
            came_in: segment.outgoing == Some(false) && sender.local() == Some(true),
        }
    }
}

/// Keeps a hole, if `piece` is one.
fn note_gap(seldom: &mut Option<Box<Seldom>>, way: Way, piece: &Piece<'_>) {
    if let Piece::Gap { at, len, why, .. } = *piece {
        let gaps = &mut seldom.get_or_insert_default().gaps[way];
        if gaps.len() < GAPS_KEPT {
            gaps.push((at, len, why));
        }
    }
}
