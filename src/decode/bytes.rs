//! Captured bytes together with their length on the wire, which the snap length may have made larger.

use super::Skip;

/// A part of a frame: the bytes captured of it, and how many there were on the wire. `wire` is never smaller than `seen`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    /// The captured part.
    pub seen: &'a [u8],
    /// Length on the wire, in bytes.
    pub wire: usize,
}

impl<'a> Bytes<'a> {
    /// The bytes `seen`, of `wire` on the wire.
    pub fn new(seen: &'a [u8], wire: usize) -> Bytes<'a> {
        Bytes { seen, wire: wire.max(seen.len()) }
    }

    /// Bytes of which nothing was cut.
    pub fn whole(seen: &'a [u8]) -> Bytes<'a> {
        Bytes { seen, wire: seen.len() }
    }

    /// Why a header of `needed` bytes is not here: the snap length cut it, or the frame never had room for it.
    pub fn missing(self, needed: usize) -> Skip {
        if self.wire < needed { Skip::Malformed } else { Skip::CutShort }
    }

    /// A fixed header of `N` bytes, and what follows it.
    pub fn head<const N: usize>(self) -> Result<(&'a [u8; N], Bytes<'a>), Skip> {
        match self.seen.split_first_chunk::<N>() {
            Some((head, seen)) => Ok((head, Bytes { seen, wire: self.wire - N })),
            None => Err(self.missing(N)),
        }
    }

    /// What follows a header of `n` bytes.
    pub fn after(self, n: usize) -> Result<Bytes<'a>, Skip> {
        match self.seen.get(n..) {
            Some(seen) => Ok(Bytes { seen, wire: self.wire - n }),
            None => Err(self.missing(n)),
        }
    }

    /// At most the first `n` bytes: what lies beyond is padding or a trailer.
    pub fn limit(self, n: usize) -> Bytes<'a> {
        Bytes { seen: self.seen.get(..n).unwrap_or(self.seen), wire: self.wire.min(n) }
    }

    /// The high nibble of the first byte: the version, where these bytes are an IP header.
    pub fn first_nibble(self) -> Result<u8, Skip> {
        self.seen.first().map(|b| b >> 4).ok_or(self.missing(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_header_is_told_from_one_that_never_fitted() {
        let cut = Bytes::new(&[1, 2, 3], 60);
        assert_eq!(cut.head::<4>().unwrap_err(), Skip::CutShort);
        assert_eq!(cut.after(61).unwrap_err(), Skip::Malformed);
        let (head, rest) = cut.head::<2>().unwrap();
        assert_eq!((head, rest.seen, rest.wire), (&[1, 2], &[3][..], 58));

        let runt = Bytes::whole(&[1, 2, 3]);
        assert_eq!(runt.head::<4>().unwrap_err(), Skip::Malformed);
        assert_eq!(runt.after(3).unwrap().first_nibble().unwrap_err(), Skip::Malformed);
    }

    #[test]
    fn a_limit_cuts_trailers_and_never_lengthens() {
        let frame = Bytes::new(&[1, 2, 3, 4], 6);
        assert_eq!((frame.limit(3).seen, frame.limit(3).wire), (&[1, 2, 3][..], 3));
        assert_eq!((frame.limit(5).seen.len(), frame.limit(5).wire), (4, 5));
        assert_eq!((frame.limit(99).seen.len(), frame.limit(99).wire), (4, 6));
    }

    #[test]
    fn a_wire_length_below_the_captured_one_is_not_believed() {
        assert_eq!(Bytes::new(&[0; 9], 3).wire, 9);
    }
}
