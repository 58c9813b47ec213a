//! What stays of a stream: everything else of it is zeroed, in whatever segments and however often it was sent.

use crate::base::{PerWay, Way};
use crate::session::{Flow, Lane, Part, PartKind, Run};

/// Length of a record header.
const HEADER: u64 = 5;
/// Encrypted records up to this length keep their ciphertext: an alert is one of them, and whoever has the keys can prove it.
const SHORT: u64 = 64;
/// Parts of a stream that are followed; beyond them nothing stays.
const MOST: usize = 4_000_000;

/// What stays of a connection's streams.
#[derive(Debug, Default)]
pub(super) struct Masks {
    ways: PerWay<Mask>,
}

/// What stays of one stream.
#[derive(Debug, Default)]
pub(super) struct Mask {
    /// The sequence number of its first byte.
    base: Option<u32>,
    /// What stays as it is: from and to, in order and apart.
    kept: Vec<(u64, u64)>,
    /// What stays with other bytes in it, in order and apart.
    replaced: Vec<Run>,
    /// Where the newest segment was.
    near: u64,
}

impl Masks {
    /// What stays of a connection that was read to its end with [`crate::session::Spans`] kept. `readable` says what becomes of the bytes
    /// that can be read: those it does not give back are zeroed.
    pub(super) fn new(flow: &Flow, mut readable: impl FnMut(Way, &Lane) -> Vec<Run>) -> Masks {
        let mut masks = Masks::default();
        for way in [Way::AtoB, Way::BtoA] {
            let mask = &mut masks.ways[way];
            mask.base = flow.conn.half(way).base();
            let Some(lane) = flow.log.spans.as_deref().map(|spans| spans.way(way)) else { continue };
            mask.kept = merged(lane.parts().iter().take(MOST).filter_map(kept).collect());
            mask.replaced = readable(way, lane);
            mask.replaced.sort_by_key(|run| run.offset);
        }
        masks
    }

    /// The segments will come again from the first on.
    pub(super) fn rewind(&mut self) {
        for way in [Way::AtoB, Way::BtoA] {
            self.ways[way].near = 0;
        }
    }

    /// Blanks the payload of a segment along `way` whose first byte has the sequence number `seq`.
    pub(super) fn apply(&mut self, way: Way, seq: u32, payload: &mut [u8]) {
        let mask = &mut self.ways[way];
        let Some(base) = mask.base else {
            payload.fill(0);
            return;
        };
        let away = i64::from(seq.wrapping_sub(base.wrapping_add(mask.near as u32)).cast_signed());
        let Some(offset) = mask.near.checked_add_signed(away) else {
            // Before the stream's beginning.
            payload.fill(0);
            return;
        };
        mask.near = offset;
        mask.blank(offset, payload);
    }
}

impl Mask {
    fn blank(&self, offset: u64, payload: &mut [u8]) {
        let end = offset + payload.len() as u64;
        let place = |at: u64| usize::try_from(at.clamp(offset, end) - offset).unwrap_or(usize::MAX);
        let mut done = 0;
        let first = self.kept.partition_point(|(_, to)| *to <= offset);
        for (from, to) in self.kept.iter().skip(first).take_while(|(from, _)| *from < end) {
            if let Some(gone) = payload.get_mut(done..place(*from)) {
                gone.fill(0);
            }
            done = place(*to);
        }
        if let Some(gone) = payload.get_mut(done..) {
            gone.fill(0);
        }
        let first = self.replaced.partition_point(|run| run.end() <= offset);
        for run in self.replaced.iter().skip(first).take_while(|run| run.offset < end) {
            let (from, to) = (place(run.offset), place(run.end()));
            let skip = usize::try_from(offset.saturating_sub(run.offset)).unwrap_or(usize::MAX);
            if let (Some(there), Some(here)) = (payload.get_mut(from..to), run.bytes.get(skip..skip + (to - from))) {
                there.copy_from_slice(here);
            }
        }
    }
}

/// What stays of a part as it is; readable parts stay as far as they are given back.
fn kept(part: &Part) -> Option<(u64, u64)> {
    match part.kind {
        PartKind::Plain | PartKind::Clear => None,
        PartKind::Sealed { control } if control || part.end - part.offset <= HEADER + SHORT => Some((part.offset, part.end)),
        PartKind::Sealed { .. } => Some((part.offset, part.offset + HEADER)),
    }
}

/// The ranges in order, those that touch joined.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let touches = next.0 <= before.1;
        if touches {
            before.1 = before.1.max(next.1);
        }
        touches
    });
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(offset: u64, end: u64, kind: PartKind) -> Part {
        Part { offset, end, kind }
    }

    /// A stream whose first byte has the sequence number `base`: a long record, a short one, one of the handshake, and a word at 200.
    fn masks(base: u32) -> Masks {
        let sealed = |control| PartKind::Sealed { control };
        let parts = [part(30, 135, sealed(true)), part(0, 25, sealed(false)), part(135, 205, sealed(false)), part(25, 30, PartKind::Clear)];
        let mut masks = Masks::default();
        masks.ways[Way::AtoB] = Mask {
            base: Some(base),
            kept: merged(parts.iter().filter_map(kept).collect()),
            replaced: vec![Run { offset: 200, bytes: b"word".to_vec() }],
            near: 0,
        };
        masks
    }

    /// What is left of a stream of `1`s, sent in these parts.
    fn left(base: u32, parts: &[(u64, usize)]) -> Vec<u8> {
        let mut masks = masks(base);
        let mut stream = vec![1; 210];
        for (offset, len) in parts {
            let mut payload = vec![1; *len];
            masks.apply(Way::AtoB, base.wrapping_add(*offset as u32), &mut payload);
            stream[*offset as usize..*offset as usize + len].copy_from_slice(&payload);
        }
        stream
    }

    #[test]
    fn a_byte_fares_the_same_in_whatever_segment_it_comes() {
        for base in [0, 7, u32::MAX - 100] {
            let whole = left(base, &[(0, 210)]);
            let ones = |from: usize, to: usize| whole[from..to].iter().all(|byte| *byte == 1);
            let zeros = |from: usize, to: usize| whole[from..to].iter().all(|byte| *byte == 0);
            assert!(ones(0, 25), "a short record stays");
            assert!(zeros(25, 30), "what can be read stays as it is given back");
            assert!(ones(30, 140), "the handshake stays, and the next record's header");
            assert!(zeros(140, 200), "a long record goes");
            assert_eq!(whole[200..204], *b"word");
            assert!(zeros(204, 210), "so does what nobody knows");
            let cut: Vec<(u64, usize)> = (0..30).map(|place| (place * 7, 7)).collect();
            assert_eq!(left(base, &cut), whole);
            let backwards: Vec<(u64, usize)> = cut.iter().rev().copied().chain([(3, 100), (120, 90), (201, 2)]).collect();
            assert_eq!(left(base, &backwards), whole);
        }
    }

    #[test]
    fn what_lies_before_the_stream_or_belongs_to_none_goes() {
        let mut payload = [1; 6];
        masks(100).apply(Way::AtoB, 90, &mut payload);
        assert_eq!(payload, [0; 6]);
        let mut payload = [1; 6];
        masks(100).apply(Way::BtoA, 100, &mut payload);
        assert_eq!(payload, [0; 6]);
    }

    #[test]
    fn a_long_stream_is_followed_beyond_four_gigabytes() {
        let mut masks = Masks::default();
        let far = 10_u64 << 32;
        masks.ways[Way::AtoB] = Mask { base: Some(5), kept: vec![(far, far + 4)], ..Mask::default() };
        let mut at = 0_u64;
        while at < far {
            masks.apply(Way::AtoB, 5_u32.wrapping_add(at as u32), &mut [1; 8]);
            at += 1 << 30;
        }
        let mut payload = [1; 8];
        masks.apply(Way::AtoB, 5_u32.wrapping_add(far as u32), &mut payload);
        assert_eq!(payload, [1, 1, 1, 1, 0, 0, 0, 0]);
    }
}
