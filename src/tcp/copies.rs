//! Recognises packets captured twice where the copies come many packets later: bursts through a mirror port or the `any` device.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::base::Span;
use crate::decode::Segment;

/// Packets remembered: what a burst at 10 Gbit/s sends while a switch holds the copies back.
const KEPT: usize = 32;

/// The newest packets of one direction, each as a few bytes. Only captures in which a packet came twice need it.
#[derive(Debug, Default)]
pub(super) struct Copies {
    prints: [Print; KEPT],
    next: usize,
}

/// A packet.
#[derive(Clone, Copy, Debug, Default)]
struct Print {
    /// A hash of its header fields; 0 for none.
    mark: u32,
    /// When it was captured, in microseconds, modulo 2³².
    micros: u32,
}

impl Copies {
    /// Takes note of a packet.
    pub(super) fn remember(&mut self, segment: &Segment<'_>) {
        if let Some(print) = self.prints.get_mut(self.next) {
            *print = Print { mark: mark(segment), micros: micros(segment) };
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// Whether a packet with the same header was captured at most `near` ago.
    pub(super) fn holds(&self, segment: &Segment<'_>, near: Span) -> bool {
        let (mark, now) = (mark(segment), micros(segment));
        self.prints
            .iter()
            .any(|print| print.mark == mark && i64::from(now.wrapping_sub(print.micros).cast_signed()) <= near.nanos() / 1_000)
    }
}

fn mark(segment: &Segment<'_>) -> u32 {
    let numbers = (segment.seq, segment.ack, segment.payload_len, segment.flags, segment.window);
    let hash = FixedState::with_seed(0).hash_one((numbers, segment.ip_id, segment.options.timestamps));
    (hash as u32).max(1)
}

fn micros(segment: &Segment<'_>) -> u32 {
    (segment.at.time.nanos() / 1_000) as u32
}
