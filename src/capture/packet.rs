//! Where a packet lies in its record, and when it was captured: what the formats' parsers hand to the reader.

use super::info::Resolution;
use crate::base::{At, Frame, LinkType, Time};

/// A packet longer than this is taken for damage: no link carries one (Wireshark's largest, for USB, is 128 MiB; for networks 256 KiB).
pub(super) const MAX_PACKET: usize = 64 << 20;

/// How a record contradicts its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("no block where one should begin")]
    NoBlock,
    #[error("{0} that is too short for what it must hold")]
    TooShort(&'static str),
    #[error("a packet that claims {0} captured bytes")]
    PacketLength(u32),
    #[error("a packet that claims {claimed} captured bytes in a block with room for {room}")]
    PacketOutside { claimed: u32, room: u32 },
    #[error("a packet of interface {0}, of which there is no description")]
    NoInterface(u32),
    #[error("a block of type {kind:#x} that claims {claimed} bytes")]
    BlockLength { kind: u32, claimed: u32 },
    #[error("a block of type {0:#x} whose two lengths differ")]
    TwoLengths(u32),
    #[error("a section header without a byte-order mark")]
    NoByteOrder,
    #[error("a section of pcapng version {0}, where 1 is the only one known")]
    Version(u16),
    #[error("more than {0} interfaces")]
    Interfaces(u32),
}

/// A packet of the record that was parsed last. It is filled in place: copying it about would take longer than parsing it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packet {
    pub(super) time: Time,
    pub(super) link: u16,
    pub(super) wire_len: u32,
    pub(super) interface: u32,
    pub(super) outgoing: Option<bool>,
    /// Where its bytes begin, from the beginning of the record.
    pub(super) skip: usize,
    /// How many bytes were captured.
    pub(super) len: usize,
}

impl Packet {
    /// The packet as a frame; `record` is what it was read from.
    #[inline]
    pub(super) fn frame<'a>(&self, at: At, record: &'a [u8]) -> Frame<'a> {
        Frame {
            at,
            link: LinkType(self.link),
            wire_len: self.wire_len,
            interface: self.interface,
            outgoing: self.outgoing,
            data: record.get(self.skip..self.skip + self.len).unwrap_or_default(),
        }
    }
}

/// Turns an interface's ticks into time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    scale: Scale,
    /// Added to every time, in nanoseconds.
    offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Nanoseconds a tick.
    Times(u64),
    /// Ticks a nanosecond.
    Over(u64),
    /// Ticks a second, as a power of two.
    Binary(u32),
    /// So fine that no 64-bit count of it makes a nanosecond.
    Nothing,
}

impl Clock {
    /// The clock of an interface; `offset` is `if_tsoffset`, in seconds.
    pub(super) fn new(resolution: Resolution, offset: i64) -> Clock {
        let scale = match resolution {
            Resolution::Decimal(digits @ 0..=9) => Scale::Times(10_u64.pow(9 - u32::from(digits))),
            Resolution::Decimal(digits) => 10_u64.checked_pow(u32::from(digits) - 9).map_or(Scale::Nothing, Scale::Over),
            Resolution::Binary(bits) => Scale::Binary(u32::from(bits)),
        };
        Clock { scale, offset: offset.saturating_mul(1_000_000_000) }
    }

    /// The time `ticks` after the Unix epoch. Exact for decimal resolutions, rounded down where nanoseconds are too coarse; saturates.
    #[inline]
    pub(super) fn time(self, ticks: u64) -> Time {
        let nanos = match self.scale {
            Scale::Times(factor) => ticks.saturating_mul(factor),
            Scale::Over(divisor) => ticks / divisor,
            Scale::Binary(bits) => {
                u64::try_from((u128::from(ticks) * 1_000_000_000).checked_shr(bits).unwrap_or_default()).unwrap_or(u64::MAX)
            }
            Scale::Nothing => 0,
        };
        // The sum is taken wide: a large count with a large negative offset is a sane time.
        let sum = i128::from(nanos) + i128::from(self.offset);
        Time::from_nanos(i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(resolution: Resolution, offset: i64, ticks: u64) -> i64 {
        Clock::new(resolution, offset).time(ticks).nanos()
    }

    #[test]
    fn decimal_resolutions_are_exact() {
        assert_eq!(nanos(Resolution::Decimal(0), 0, 1_700_000_000), 1_700_000_000_000_000_000);
        assert_eq!(nanos(Resolution::Decimal(3), 0, 1_700_000_000_123), 1_700_000_000_123_000_000);
        assert_eq!(nanos(Resolution::Decimal(6), 0, 1_700_000_000_123_456), 1_700_000_000_123_456_000);
        assert_eq!(nanos(Resolution::Decimal(9), 0, 1_700_000_000_123_456_789), 1_700_000_000_123_456_789);
        assert_eq!(nanos(Resolution::Decimal(12), 0, 1_700_000_123_456_789), 1_700_000_123_456);
    }

    #[test]
    fn binary_resolutions_round_down() {
        assert_eq!(nanos(Resolution::Binary(10), 0, 1024 + 512), 1_500_000_000);
        assert_eq!(nanos(Resolution::Binary(32), 0, (1_700_000_000 << 32) | 0x8000_0001), 1_700_000_000_500_000_000);
        assert_eq!(nanos(Resolution::Binary(0), 0, 7), 7_000_000_000);
    }

    #[test]
    fn offsets_move_the_time() {
        assert_eq!(nanos(Resolution::Decimal(6), 1_700_000_000, 5), 1_700_000_000_000_005_000);
        assert_eq!(nanos(Resolution::Decimal(6), -1, 5), -999_995_000);
        assert_eq!(nanos(Resolution::Decimal(9), -9_000_000_000, 9_300_000_000_000_000_000), 300_000_000_000_000_000);
    }

    #[test]
    fn silly_clocks_saturate() {
        assert_eq!(nanos(Resolution::Decimal(0), 0, u64::MAX), i64::MAX);
        assert_eq!(nanos(Resolution::Decimal(0), i64::MIN, 0), i64::MIN + 1, "the lowest value counts as the one above it");
        assert_eq!(nanos(Resolution::Binary(0), i64::MAX, u64::MAX), i64::MAX);
        assert_eq!(nanos(Resolution::Decimal(127), 0, u64::MAX), 0);
        assert_eq!(nanos(Resolution::Binary(127), 0, u64::MAX), 0);
    }
}
