//! Takes in frames several at a time, so that what is known of their connections is in the processor's caches when they are worked on.
//!
//! With thousands of connections at once, nearly every packet is of one that the caches have forgotten, and the work on a packet begins with
//! a chain of waits: for the table, the connection, its TLS state. So the memory of some connections is asked for together. All of that is
//! a guess: by the time a frame's turn comes, its connection may be another, or none.

use super::Analyzer;
use crate::base::{Frame, Way};
use crate::decode::{Segment, TcpFlags, plain};
use crate::session::Flow;

/// Frames worked on together: enough to do while memory comes, and so many that the code for a batch as a whole is seldom fetched anew.
pub const BATCH: usize = 64;

/// So many frames before its turn a connection's TLS state is asked for.
const AHEAD: usize = 6;
/// So many frames before its turn the connection itself is asked for: not all at once, as only so many lines of memory can be on their way.
const FLOWS_AHEAD: usize = 14;

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
        let mut segments = [Segment::default(); BATCH];
        let mut plainly = [false; BATCH];
        let mut likely = [None; BATCH];
        for ((segment, plainly), frame) in segments.iter_mut().zip(&mut plainly).zip(frames) {
            *plainly = plain(frame, segment);
        }
        // One loop for each link of the chain: what one turn of a loop waits for, those after it wait for at the same time.
        for ((segment, plainly), likely) in segments.iter().zip(plainly).zip(&mut likely) {
            if plainly {
                *likely = self.flows.likely(&segment.key);
                if segment.flags.has(TcpFlags::SYN) {
                    self.streams.prefetch(&segment.key);
                }
            }
        }
        let mut flows = segments.iter().zip(likely);
        let mut states = flows.clone();
        for (segment, likely) in flows.by_ref().take(FLOWS_AHEAD) {
            self.prefetch_flow(likely, segment);
        }
        for (segment, likely) in states.by_ref().take(AHEAD) {
            self.prefetch_next(likely, segment);
        }
        for (((segment, plainly), likely), frame) in segments.iter().zip(plainly).zip(likely).zip(frames) {
            if let Some((soon, likely)) = flows.next() {
                self.prefetch_flow(likely, soon);
            }
            if let Some((soon, likely)) = states.next() {
                self.prefetch_next(likely, soon);
            }
            if !(plainly && self.ordinary(segment, likely)) {
                self.take_in(frame, plainly.then_some(segment), likely);
            }
        }
    }

    /// Has what a segment needs of its connection brought into the caches.
    #[inline]
    fn prefetch_flow(&self, likely: Option<u32>, segment: &Segment<'_>) {
        if let Some(flow) = likely.and_then(|place| self.flows.get(place)) {
            flow.prefetch(segment.way, !segment.payload.is_empty());
        }
    }

    /// The same for what can be asked for once that is there: the connection's TLS, above all.
    #[inline]
    fn prefetch_next(&self, likely: Option<u32>, segment: &Segment<'_>) {
        if let Some(flow) = likely.and_then(|place| self.flows.get(place)) {
            flow.prefetch_next(segment.way, !segment.payload.is_empty());
        }
    }
}

/// Has what is known of connections that are brought to their end one after the other, `next` from now on, brought into the caches. One link
/// of the chain at a turn: what the first one asks for now was found where the turn before had asked for it.
#[inline]
pub(super) fn prefetch_ends(next: &[Box<Flow>]) {
    if let Some(flow) = next.get(2) {
        flow.prefetch(Way::AtoB, true);
        flow.conn.prefetch_end();
    }
    if let Some(flow) = next.get(1) {
        flow.prefetch_end();
    }
    if let Some(tls) = next.first().and_then(|flow| flow.reading.tls.as_ref()) {
        tls.prefetch_hellos();
    }
}
