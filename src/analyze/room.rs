//! Room for new connections: which of those being followed go when there are too many, and what a flood is.

use super::table::Handle;
use super::{Analyzer, LINGER};
use crate::base::Time;
use crate::session::Flow;

/// Half-open connections passed over, to make room for one, because their SYN was repeated or refused: that is a client, seldom a flood.
const PASSED_OVER: usize = 8;

impl Analyzer {
    /// Keeps the table within its bound: half-open connections go first, then those that are over, then the longest idle of a few.
    pub(super) fn make_room(&mut self) {
        while self.flows.len() >= self.options.limits.connections {
            self.quiet_until = Time::MIN;
            let half_open = self.half_open_victim();
            if half_open.is_some() {
                self.flooded = Some(self.end.time);
            }
            let Some(flow) = half_open.or_else(|| self.victim()).and_then(|handle| self.flows.remove(handle)) else { return };
            if flow.is_bare_attempt() {
                self.leave_out(&flow);
            } else {
                self.evicted += 1;
                self.report(flow, false);
            }
        }
    }

    /// A half-open connection of a flood: each would be a session that says nothing.
    pub(super) fn leave_out(&mut self, flow: &Flow) {
        self.flood += 1;
        self.held = self.held.saturating_sub(flow.conn.held());
        self.streams.bury(&flow.conn.key, flow.conn.stream, flow.conn.bases());
    }

    /// Whether a half-open connection is one of a flood: it came while there was no room for all of them, or soon after, and its SYN was not
    /// repeated.
    pub(super) fn is_of_flood(&self, flow: &Flow) -> bool {
        self.flooded.is_some_and(|until| flow.conn.first.time <= until.plus(LINGER))
            && flow.is_bare_attempt()
            && !flow.is_repeated_attempt()
    }

    /// The oldest half-open connection; one of which more is known only if there are few others.
    fn half_open_victim(&mut self) -> Option<Handle> {
        let mut passed_over = 0;
        while let Some((due, handle)) = self.half_open.pop_front() {
            let Some(flow) = self.flows.held(handle).filter(|flow| flow.is_half_open()) else { continue };
            if passed_over < PASSED_OVER && (flow.is_repeated_attempt() || !flow.is_bare_attempt()) {
                passed_over += 1;
                self.half_open.push_back((due, handle));
                continue;
            }
            return Some(handle);
        }
        None
    }

    fn victim(&mut self) -> Option<Handle> {
        while let Some((_, handle)) = self.dying.pop_front() {
            if self.flows.held(handle).is_some() {
                return Some(handle);
            }
        }
        self.longest_idle()
    }

    /// The longest idle of a sample: a full search for every new connection would make a flood expensive.
    fn longest_idle(&self) -> Option<Handle> {
        let places = self.flows.places();
        let start = (self.evicted as usize).wrapping_mul(64) % places.max(1);
        let sample = (start..places).chain(0..start).take(64).filter_map(|place| u32::try_from(place).ok());
        let idle = sample.filter_map(|place| Some((place, self.flows.get(place)?.conn.last.time))).min_by_key(|(_, last)| *last);
        idle.map(|(place, _)| self.flows.handle(place))
    }
}
