//! Recognises packets captured twice where the copies come many packets later: bursts through a mirror port or the `any` device.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use crate::base::Span;
use crate::decode::{Segment, TcpFlags};

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
    pub(super) fn remember(&mut self, header: &Header) {
        if let Some(print) = self.prints.get_mut(self.next) {
            *print = Print { mark: header.mark(), micros: header.micros };
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// Whether a packet with the same header was captured at most `near` ago.
    pub(super) fn holds(&self, header: &Header, near: Span) -> bool {
        let (mark, now) = (header.mark(), header.micros);
        self.prints
            .iter()
            .any(|print| print.mark == mark && i64::from(now.wrapping_sub(print.micros).cast_signed()) <= near.nanos() / 1_000)
    }
}

/// What tells packets apart.
pub(super) struct Header {
    seq: u32,
    ack: u32,
    len: u32,
    flags: TcpFlags,
    window: u16,
    ip_id: Option<u16>,
    timestamps: Option<(u32, u32)>,
    /// When it was captured, in microseconds, modulo 2³².
    micros: u32,
}

impl Header {
    /// That of a segment.
    // In line, and no more than what is needed: the segment itself need not be in memory then.
    #[inline(always)]
    pub(super) fn of(segment: &Segment<'_>) -> Header {
        Header {
            seq: segment.seq,
            ack: segment.ack,
            len: segment.payload_len,
            flags: segment.flags,
            window: segment.window,
            ip_id: segment.ip_id,
            timestamps: segment.options.timestamps,
            micros: (segment.at.time.nanos() / 1_000) as u32,
        }
    }

    fn mark(&self) -> u32 {
        let numbers = (self.seq, self.ack, self.len, self.flags, self.window);
        let hash = FixedState::with_seed(0).hash_one((numbers, self.ip_id, self.timestamps));
        (hash as u32).max(1)
    }
}
