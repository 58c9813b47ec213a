//! Looks a few frames ahead, so that what is known of their connections is in the processor's caches when they come.
//!
//! With thousands of connections at once, nearly every packet is of one that the caches have forgotten, and the work on a packet begins with
//! a chain of waits: for the table, the connection, its TLS state. The waits of several packets at once take as long as those of one, so the
//! memory of sixteen connections is touched together. All of it is a guess: a frame may be of another connection, or of none.

use std::hint::black_box;

use super::Analyzer;
use crate::base::Way;
use crate::decode::foretell;

/// Frames looked at together.
const AHEAD: usize = 16;
/// No connection, or none that could be told.
const NOWHERE: u32 = u32::MAX;

/// The places at which the next frames' connections are likely to stand.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    places: [u32; AHEAD],
    next: usize,
    len: usize,
}

impl Ahead {
    /// The place for the frame that comes now.
    #[inline]
    pub(super) fn step(&mut self) -> u32 {
        let place = self.places.get(self.next).filter(|_| self.next < self.len).copied().unwrap_or(NOWHERE);
        self.next += 1;
        place
    }
}

impl Analyzer {
    /// Whether it is time for [`Analyzer::look_ahead`].
    #[inline]
    pub fn wants_to_look_ahead(&self) -> bool {
        self.ahead.next >= self.ahead.len
    }

    /// Prepares for the frames that [`Analyzer::push`] will get next, of which `frames` are the bytes. It changes no result, and may be left
    /// out.
    pub fn look_ahead<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>) {
        let mut ahead = Ahead { places: [NOWHERE; AHEAD], next: 0, len: 0 };
        let mut ways = [Way::AtoB; AHEAD];
        for ((place, way), frame) in ahead.places.iter_mut().zip(&mut ways).zip(frames) {
            ahead.len += 1;
            if let Some((key, of)) = foretell(frame) {
                *way = of;
                *place = self.flows.likely(&key).unwrap_or(NOWHERE);
            }
        }
        // Each step needs what the one before it has brought.
        let flows = || ahead.places.iter().zip(ways).filter_map(|(place, way)| Some((self.flows.get(*place)?, way)));
        black_box(flows().map(|(flow, way)| flow.touch(way)).fold(0, u64::wrapping_add));
        black_box(flows().filter_map(|(flow, way)| Some(flow.reading.tls.as_ref()?.touch(way))).fold(0, u64::wrapping_add));
        self.ahead = ahead;
    }

    /// The same for the connection that will be judged next: by then it has been silent for long.
    pub(super) fn touch_next_to_go(&self) {
        let Some(flow) = self.dying.front().and_then(|(_, handle)| self.flows.held(*handle)) else { return };
        let ways = [Way::AtoB, Way::BtoA];
        black_box(ways.map(|way| flow.touch(way)));
        black_box(flow.reading.tls.as_ref().map(|tls| ways.map(|way| tls.touch(way))));
    }
}
