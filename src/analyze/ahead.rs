//! Takes in frames several at a time, so that what is known of their connections is in the processor's caches when they are worked on.
//!
//! With thousands of connections at once, nearly every packet is of one that the caches have forgotten, and the work on a packet begins with
//! a chain of waits: for the table, the connection, its TLS state. So the memory of some connections is asked for together. All of that is
//! a guess: by the time a frame's turn comes, its connection may be another, or none.

use super::Analyzer;
use crate::base::{Frame, Way};
use crate::decode::{Glance, TcpFlags, glance, usual};
use crate::session::Flow;

/// Frames worked on together: enough to do while memory comes, and so many that the code for a batch as a whole is seldom fetched anew.
pub const BATCH: usize = 64;

/// So many frames before its turn a connection's TLS state is asked for.
const AHEAD: usize = 3;
/// So many frames before its turn the connection itself is asked for: not all at once, as only so many lines of memory can be on their way.
const FLOWS_AHEAD: usize = 12;

impl Analyzer {
    /// Takes in frames, as [`push`](Analyzer::push) takes in each of them, and faster.
    pub fn push_all(&mut self, frames: &[Frame<'_>]) {
        for frames in frames.chunks(BATCH) {
            self.push_some(frames);
        }
    }

    /// At most [`BATCH`] frames.
    fn push_some(&mut self, frames: &[Frame<'_>]) {
        self.count_in(frames);
        // One loop for each link of the chain: what one turn of a loop waits for, those after it wait for at the same time.
        let mut ahead = [Ahead::default(); BATCH];
        for (ahead, frame) in ahead.iter_mut().zip(frames) {
            *ahead = self.glance(frame);
        }
        for ahead in ahead.iter_mut().take(frames.len()) {
            self.look_ahead(ahead);
        }
        let (mut flows, mut states) = (ahead.iter(), ahead.iter());
        flows.by_ref().take(FLOWS_AHEAD).for_each(|soon| self.prefetch_flow(soon));
        states.by_ref().take(AHEAD).for_each(|soon| self.prefetch_tls(soon));
        for (frame, here) in frames.iter().zip(&ahead) {
            if let Some(soon) = flows.next() {
                self.prefetch_flow(soon);
            }
            if let Some(soon) = states.next() {
                self.prefetch_tls(soon);
            }
            if !usual(frame).is_some_and(|segment| self.ordinary(&segment, here.place)) {
                // Read anew: what is handed on would have to be in memory, for each frame, for the sake of the few that are out of the ordinary.
                self.take_in(frame, here.place);
            }
        }
    }

    /// What of a frame's segment can be said at a glance.
    #[inline]
    fn glance(&self, frame: &Frame<'_>) -> Ahead {
        let Some(Glance { key, way, has_data, flags }) = glance(frame) else { return Ahead::default() };
        if flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::ACK) {
            self.streams.prefetch(&key);
        }
        let turns = flags.0 & (TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0) != 0;
        Ahead { hash: self.flows.hash(&key), place: None, way, has_data, turns }
    }

    /// Where the connection of a segment stands.
    #[inline]
    fn look_ahead(&self, ahead: &mut Ahead) {
        ahead.place = self.flows.likely(ahead.hash);
    }

    /// Has what a segment needs of its connection brought into the caches.
    #[inline]
    fn prefetch_flow(&self, ahead: &Ahead) {
        match ahead.place.and_then(|place| self.flows.get(place)) {
            Some(flow) if ahead.turns => flow.prefetch_rest(),
            Some(flow) => flow.prefetch(ahead.way),
            None => {}
        }
    }

    /// The same for what can be asked for once that is there: the connection's TLS.
    #[inline]
    fn prefetch_tls(&self, ahead: &Ahead) {
        if let Some(flow) = ahead.place.filter(|_| ahead.has_data).and_then(|place| self.flows.get(place)) {
            flow.prefetch_tls(ahead.way);
        }
    }
}

/// What is guessed of a frame before its turn.
#[derive(Clone, Copy, Default)]
struct Ahead {
    /// Its connection's [`Table::hash`].
    hash: u64,
    /// Where its connection stands, if it stands anywhere.
    place: Option<u32>,
    way: Way,
    has_data: bool,
    /// It is a SYN, FIN or RST.
    turns: bool,
}

/// Has what is known of connections that are brought to their end one after the other, `next` from now on, brought into the caches. One link
/// of the chain at a turn: what the first one asks for now was found where the turn before had asked for it.
#[inline]
pub(super) fn prefetch_ends(next: &[Box<Flow>]) {
    if let Some(flow) = next.get(2) {
        flow.prefetch_rest();
    }
    if let Some(flow) = next.get(1) {
        flow.prefetch_end();
    }
    if let Some(tls) = next.first().and_then(|flow| flow.reading.tls.as_ref()) {
        tls.prefetch_hellos();
    }
}
