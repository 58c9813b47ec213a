//! The timeline while it is written: a no-op unless somebody wants to read it.

use crate::base::{At, Limits, Way};
use crate::session::timeline::{Event, Timeline, What};

/// Writes a [`Timeline`] within its bounds; runs of the same thing become one event.
#[derive(Debug, Default)]
pub struct Log {
    timeline: Timeline,
    head: usize,
    tail: usize,
}

impl Log {
    /// A log with the bounds of `limits`; with both at zero nothing is kept.
    pub fn new(limits: &Limits) -> Log {
        Log { timeline: Timeline::default(), head: limits.timeline_head, tail: limits.timeline_tail }
    }

    /// Adds an event.
    pub fn add(&mut self, at: At, way: Way, what: What) {
        if self.head + self.tail > 0 {
            self.timeline.push(Event { at, until: at, way, what }, self.head, self.tail);
        }
    }

    /// Adds an event, or extends the newest one if that is of the same kind and way.
    pub fn run(&mut self, at: At, way: Way, what: What) {
        if self.head + self.tail == 0 {
            return;
        }
        let Some(last) = self.timeline.last_mut().filter(|last| last.way == way) else {
            self.add(at, way, what);
            return;
        };
        let joined = match (last.what, what) {
            (What::Data(n, b), What::Data(m, c)) => What::Data(n.saturating_add(m), b + c),
            (What::EarlyData(n, b), What::EarlyData(m, c)) => What::EarlyData(n.saturating_add(m), b + c),
            (What::SealedFlight(n, b), What::SealedFlight(m, c)) => What::SealedFlight(n.saturating_add(m), b + c),
            (What::SealedHandshake(n, b), What::SealedHandshake(m, c)) => What::SealedHandshake(n.saturating_add(m), b + c),
            (What::Retransmission(n, b), What::Retransmission(m, c)) => What::Retransmission(n.saturating_add(m), b + c),
            (What::Plain(b), What::Plain(c)) => What::Plain(b + c),
            (What::Syn(n), What::Syn(m)) => What::Syn(n.saturating_add(m)),
            (What::Fin(n), What::Fin(m)) => What::Fin(n.saturating_add(m)),
            (What::KeepAlive(n), What::KeepAlive(m)) => What::KeepAlive(n.saturating_add(m)),
            (What::ZeroWindow(n), What::ZeroWindow(m)) => What::ZeroWindow(n.saturating_add(m)),
            (What::BadChecksum(n), What::BadChecksum(m)) => What::BadChecksum(n.saturating_add(m)),
            (What::Rst(kind, n), What::Rst(other, m)) if kind == other => What::Rst(kind, n.saturating_add(m)),
            _ => {
                self.add(at, way, what);
                return;
            }
        };
        last.what = joined;
        last.until = at;
    }

    /// What was written.
    pub fn into_timeline(self) -> Timeline {
        self.timeline
    }
}
