//! Data that arrived ahead of a hole, held until the hole is filled or known to stay one.

use std::collections::VecDeque;

use crate::base::At;

/// Segments of one direction that lie beyond the next expected byte, by stream offset.
#[derive(Debug, Default)]
pub struct Assembler {
    held: VecDeque<Held>,
    bytes: usize,
}

/// One held run of bytes.
#[derive(Debug)]
pub struct Held {
    /// The frame that carried it.
    pub at: At,
    /// Stream offset of its first byte.
    pub offset: u64,
    /// The captured bytes.
    pub bytes: Box<[u8]>,
    /// Bytes after them that the snap length cut off.
    pub cut: u64,
}

impl Held {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64 + self.cut
    }
}

/// What became of a segment offered to [`Assembler::hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is held, or everything in it was held already.
    Kept,
    /// It overlaps held bytes and says something else there (RFC 9293 leaves open which counts; the first is kept).
    Conflict,
    /// The bound is reached.
    Full,
}

impl Assembler {
    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Offset of the first held byte.
    pub fn first_offset(&self) -> Option<u64> {
        self.held.front().map(|held| held.offset)
    }

    /// Holds `bytes` at `offset`; of bytes already held the first copy stays.
    pub fn hold(&mut self, at: At, offset: u64, bytes: &[u8], cut: u64, room: usize) -> Hold {
        if bytes.len() > room {
            return Hold::Full;
        }
        let end = offset + bytes.len() as u64 + cut;
        let place = self.held.partition_point(|held| held.offset < offset);
        let mut conflict = false;
        let mut from = offset;
        if let Some(before) = place.checked_sub(1).and_then(|i| self.held.get(i)) {
            conflict |= differs(before, offset, bytes);
            from = from.max(before.end());
        }
        let mut until = end;
        for after in self.held.range(place..) {
            if after.offset >= end {
                break;
            }
            conflict |= differs(after, offset, bytes);
            // A later run inside this one: keep what lies before it. What lies behind it comes again when it is missed.
            until = until.min(after.offset);
        }
        if from < until {
            let skip = usize::try_from(from - offset).unwrap_or(usize::MAX).min(bytes.len());
            let take = usize::try_from(until - offset).unwrap_or(usize::MAX).min(bytes.len());
            let kept = bytes.get(skip..take.max(skip)).unwrap_or_default();
            let cut = until - from - kept.len() as u64;
            self.bytes += kept.len();
            self.held.insert(place, Held { at, offset: from, bytes: kept.into(), cut });
        }
        if conflict { Hold::Conflict } else { Hold::Kept }
    }

    /// Takes the first run if it begins at or before `offset`.
    pub fn take(&mut self, offset: u64) -> Option<Held> {
        if self.held.front()?.offset > offset {
            return None;
        }
        let held = self.held.pop_front()?;
        self.bytes = self.bytes.saturating_sub(held.bytes.len());
        Some(held)
    }
}

/// Whether `bytes` at `offset` contradict what `held` has of the same range.
fn differs(held: &Held, offset: u64, bytes: &[u8]) -> bool {
    let start = held.offset.max(offset);
    let end = (held.offset + held.bytes.len() as u64).min(offset + bytes.len() as u64);
    if start >= end {
        return false;
    }
    let part = |base: u64, of: &[u8]| -> Option<Vec<u8>> {
        of.get(usize::try_from(start - base).ok()?..usize::try_from(end - base).ok()?).map(<[u8]>::to_vec)
    };
    part(held.offset, &held.bytes) != part(offset, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(assembler: &mut Assembler, from: u64) -> Vec<u8> {
        let mut next = from;
        let mut out = Vec::new();
        while let Some(held) = assembler.take(next) {
            let skip = (next - held.offset) as usize;
            out.extend_from_slice(held.bytes.get(skip..).unwrap_or_default());
            next = next.max(held.end());
        }
        out
    }

    #[test]
    fn every_order_gives_the_same_bytes() {
        let parts: [(u64, &[u8]); 4] = [(10, b"abcd"), (14, b"efgh"), (12, b"cdef"), (18, b"ij")];
        for first in 0..4 {
            let mut assembler = Assembler::default();
            for i in 0..4 {
                let (offset, bytes) = parts[(first + i) % 4];
                assert_eq!(assembler.hold(At::default(), offset, bytes, 0, 100), Hold::Kept);
            }
            assert_eq!(all(&mut assembler, 10), b"abcdefghij");
            assert_eq!(assembler.bytes(), 0);
        }
    }

    #[test]
    fn the_first_copy_stays_and_the_conflict_is_said() {
        let mut assembler = Assembler::default();
        assembler.hold(At::default(), 10, b"abcd", 0, 100);
        assert_eq!(assembler.hold(At::default(), 10, b"abXd", 0, 100), Hold::Conflict);
        assert_eq!(assembler.hold(At::default(), 12, b"cdef", 0, 100), Hold::Kept);
        assert_eq!(all(&mut assembler, 10), b"abcdef");
    }

    #[test]
    fn the_bound_holds() {
        let mut assembler = Assembler::default();
        assert_eq!(assembler.hold(At::default(), 10, b"abcd", 0, 3), Hold::Full);
        assert!(assembler.is_empty());
    }
}
