//! Takes in frames several at a time, so that what is known of their connections is in the processor's caches when they are worked on.
//!
//! With thousands of connections at once, nearly every packet is of one that the caches have forgotten, and the work on a packet begins with
//! a chain of waits: for the table, the connection, its TLS state. So the memory of some connections is asked for together. All of that is
//! a guess: by the time a frame's turn comes, its connection may be another, or none.

use super::Analyzer;
use crate::base::{Frame, Way};
use crate::decode::{Segment, plain};
use crate::session::Flow;

/// Frames worked on together: enough to do while memory comes.
pub const BATCH: usize = 32;

/// So many frames before its turn a connection's TLS state is asked for.
const AHEAD: usize = 10;

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
            }
        }
        for (segment, likely) in segments.iter().zip(likely) {
            if let Some(flow) = likely.and_then(|place| self.flows.get(place)) {
                flow.prefetch(segment.way);
            }
        }
        let mut next = segments.iter().zip(likely);
        for (segment, likely) in next.by_ref().take(AHEAD) {
            self.prefetch_tls(likely, segment.way);
        }
        for (((segment, plainly), likely), frame) in segments.iter().zip(plainly).zip(likely).zip(frames) {
            if let Some((soon, likely)) = next.next() {
                self.prefetch_tls(likely, soon.way);
            }
            self.take_in(frame, plainly.then_some(segment), likely);
        }
    }

    /// Has the TLS state of a connection brought into the caches. Where that is was asked for before.
    #[inline]
    fn prefetch_tls(&self, likely: Option<u32>, way: Way) {
        if let Some(place) = likely
            && let Some(tls) = self.flows.get(place).and_then(|flow| flow.reading.tls.as_ref())
        {
            tls.prefetch(way);
        }
    }
}

/// Has all that is known of a connection brought into the caches.
#[inline]
pub(super) fn prefetch_all(flow: &Flow) {
    for way in [Way::AtoB, Way::BtoA] {
        flow.prefetch(way);
        if let Some(tls) = &flow.reading.tls {
            tls.prefetch(way);
        }
    }
}
