//! Walking through the fields of a hello.

/// Reads fields one after the other; `None` where the bytes end.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&value, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(value)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (&value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(value))
    }

    /// What a length of two bytes stands before.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    pub(super) fn random(&mut self) -> Option<[u8; 32]> {
        let (&value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(value)
    }

    /// The numbers that fill `n` bytes, or as much of them as is there.
    pub(super) fn u16s(&mut self, n: usize) -> impl Iterator<Item = u16> + use<'a> {
        let list = self.take(n).unwrap_or(std::mem::take(&mut self.0));
        list.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }
}

/// Extensions, or entries of their shape: a number, a length, and so many bytes. Gives of each the number, its data, and both with the header
/// before them, up to the first that is not there to its end. The walk is ours because a parser of the whole block stops at the first
/// extension it does not like.
pub(super) struct Entries<'a>(pub &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = (u16, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = *self.0.first_chunk()?;
        let (whole, after) = self.0.split_at_checked(4 + usize::from(u16::from_be_bytes([c, d])))?;
        self.0 = after;
        Some((u16::from_be_bytes([a, b]), whole.get(4..).unwrap_or(&[]), whole))
    }
}
