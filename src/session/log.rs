//! The timeline while it is written: a no-op unless somebody wants to read it.

use crate::base::{At, Limits, Way};
use crate::session::spans::Spans;
use crate::session::timeline::{Event, Timeline, What};

/// Writes a [`Timeline`] within its bounds; runs of the same thing become one event.
#[derive(Debug, Default)]
pub struct Log {
    timeline: Option<Box<Timeline>>,
    head: u32,
    tail: u32,
    /// What the streams consist of, for whoever asks for it.
    pub spans: Option<Box<Spans>>,
}

impl Log {
    /// A log with the bounds of `limits`; with both at zero nothing is kept.
    pub fn new(limits: &Limits) -> Log {
        let bound = |events: usize| u32::try_from(events).unwrap_or(u32::MAX);
        Log { timeline: None, head: bound(limits.timeline_head), tail: bound(limits.timeline_tail), spans: None }
    }

    /// Adds an event.
    #[inline]
    pub fn add(&mut self, at: At, way: Way, what: What) {
        if self.is_kept() {
            self.timeline.get_or_insert_default().push(Event { at, until: at, way, what }, self.head as usize, self.tail as usize);
        }
    }

    /// Adds an event, or extends the newest one if that is of the same kind and way.
    #[inline]
    pub fn run(&mut self, at: At, way: Way, what: What) {
        if let (Some(spans), What::SealedFlight(..)) = (&mut self.spans, what) {
            spans.mark_control(way);
        }
        if self.is_kept() {
            self.extend(at, way, what);
        }
    }

    /// What an event of this frame and way says is known better by now.
    pub fn reveal(&mut self, at: At, way: Way, what: What) {
        if let Some(timeline) = &mut self.timeline
            && let Some(event) = timeline.find_mut(|event| event.at == at && event.way == way && matches!(event.what, What::SealedAlert(_)))
        {
            event.what = what;
        }
    }

    /// Whether anything is taken down.
    #[inline]
    pub fn is_written(&self) -> bool {
        self.is_kept() || self.spans.is_some()
    }

    fn is_kept(&self) -> bool {
        self.head > 0 || self.tail > 0
    }

    fn extend(&mut self, at: At, way: Way, what: What) {
        let Some(last) = self.timeline.as_mut().and_then(|timeline| timeline.last_mut()).filter(|last| last.way == way) else {
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
        self.timeline.map(|timeline| *timeline).unwrap_or_default()
    }
}
