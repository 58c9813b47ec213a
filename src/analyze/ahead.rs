//! Looks a few frames ahead, so that what is known of their connections is in the processor's caches when they come.
//!
//! With thousands of connections at once, nearly every packet is of one that the caches have forgotten, and the work on a packet begins with
//! a chain of waits: for the table, the connection, its TLS state. So the memory of sixteen connections is asked for together, while the
//! packets before them are worked on. All of it is a guess: a frame may be of another connection, or of none.

use super::Analyzer;
use crate::base::Way;
use crate::decode::foretell;
use crate::session::Flow;

/// Frames looked at together: enough to work on while the next ones' memory comes.
const AHEAD: usize = 16;

/// The connections that frames are likely to belong to.
#[derive(Debug, Default)]
struct Batch {
    /// Where they are likely to stand, and the ways the frames go; `None` for no connection, or none that could be told.
    likely: [Option<(u32, Way)>; AHEAD],
    len: usize,
}

/// What is known of the next frames.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Those that come now, and how many of them have come.
    now: Batch,
    come: usize,
    /// Those after them.
    next: Batch,
}

impl Ahead {
    /// The place for the frame that comes now.
    #[inline]
    pub(super) fn step(&mut self) -> Option<u32> {
        let likely = self.now.likely.get(self.come).copied().flatten();
        self.come += 1;
        likely.map(|(place, _)| place)
    }
}

impl Analyzer {
    /// Whether it is time for [`Analyzer::look_ahead`].
    #[inline]
    pub fn wants_to_look_ahead(&self) -> bool {
        self.ahead.come >= self.ahead.now.len
    }

    /// Prepares for the frames that [`Analyzer::push`] will get, of which `frames` are the bytes: those after the ones that were looked at
    /// before. It changes no result, and may be left out.
    pub fn look_ahead<'a>(&mut self, mut frames: impl Iterator<Item = &'a [u8]>) {
        let mut now = std::mem::take(&mut self.ahead.next);
        if now.len == 0 {
            now = self.foretell(&mut frames);
        }
        // What tells where their TLS state is was asked for with the batch before.
        for (place, way) in now.likely.into_iter().flatten() {
            if let Some(tls) = self.flows.get(place).and_then(|flow| flow.reading.tls.as_ref()) {
                tls.prefetch(way);
            }
        }
        let next = self.foretell(&mut frames);
        self.ahead = Ahead { now, come: 0, next };
    }

    /// The next batch, what is known of its connections' TCP on its way to the caches.
    #[inline]
    fn foretell<'a>(&self, frames: &mut impl Iterator<Item = &'a [u8]>) -> Batch {
        let mut batch = Batch::default();
        for (likely, frame) in batch.likely.iter_mut().zip(frames) {
            batch.len += 1;
            *likely = foretell(frame).and_then(|(key, way)| Some((self.flows.likely(&key)?, way)));
        }
        for (place, way) in batch.likely.into_iter().flatten() {
            if let Some(flow) = self.flows.get(place) {
                flow.prefetch(way);
            }
        }
        batch
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
