//! Connections left hanging while a capture goes on: nothing more will come of them, so they are not kept until its end.

use super::Analyzer;
use crate::base::{Span, Time, Way};
use crate::session::Flow;

/// Between two steps of a round.
const STEP: Span = Span::from_millis(50);
/// Steps in which a round is made.
const STEPS: usize = 20;
/// Repetitions without an answer from which on a sender counts as unheard.
const UNHEARD: u32 = 3;

/// Where the look at all connections, a few at a time, stands.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    next: Time,
    place: usize,
}

impl Analyzer {
    /// How many connections are being followed.
    pub fn connections(&self) -> usize {
        self.flows.len()
    }

    /// When connections are to be looked at again.
    pub(super) fn next_round(&self) -> Option<Time> {
        self.options.patience.map(|_| self.rounds.next)
    }

    /// Looks at some connections, and judges those that were left hanging.
    pub(super) fn go_round(&mut self, now: Time) {
        if let Some(patience) = self.options.patience
            && now >= self.rounds.next
        {
            self.step(now, patience);
        }
    }

    fn step(&mut self, now: Time, patience: Span) {
        self.rounds.next = now.plus(STEP);
        let places = self.flows.places();
        let start = if self.rounds.place < places { self.rounds.place } else { 0 };
        self.rounds.place = start + places / STEPS + 1;
        let left = (start..self.rounds.place.min(places)).filter_map(|place| {
            let place = u32::try_from(place).ok()?;
            let flow = self.flows.get(place)?;
            (now.since(flow.conn.last.time) >= patience && is_left(flow)).then(|| self.flows.handle(place))
        });
        for handle in left.collect::<Vec<_>>() {
            if let Some(flow) = self.flows.remove(handle) {
                self.report(flow, false);
            }
        }
    }
}

/// One side said goodbye and the other never did, or one went on sending and was no longer heard.
fn is_left(flow: &Flow) -> bool {
    [Way::AtoB, Way::BtoA].into_iter().any(|way| {
        let (half, peer) = (flow.conn.half(way), flow.conn.half(way.opposite()));
        half.fin().is_some() || half.repeated().count >= UNHEARD && half.unacked(peer.acked()) > 0
    })
}
