//! The lists of numbers in a ClientHello.

use std::ops::Range;

/// A ClientHello's lists of numbers in one piece of memory: there can be a hundred thousand hellos at a time.
#[derive(Clone, Debug, Default)]
pub(in crate::tls) struct Lists {
    words: Box<[u16]>,
    /// Where in `words` each list is.
    places: [(u16, u16); List::COUNT],
}

/// Which list.
#[derive(Clone, Copy, Debug)]
pub(in crate::tls) enum List {
    Suites,
    Extensions,
    Versions,
    Groups,
    KeyShares,
    SignatureAlgorithms,
    PointFormats,
}

impl List {
    const ALL: [List; List::COUNT] =
        [List::Suites, List::Extensions, List::Versions, List::Groups, List::KeyShares, List::SignatureAlgorithms, List::PointFormats];
    const COUNT: usize = 7;
}

impl Lists {
    /// The numbers of one.
    pub(super) fn get(&self, list: List) -> &[u16] {
        let (from, to) = self.places.get(list as usize).copied().unwrap_or_default();
        self.words.get(usize::from(from)..usize::from(to)).unwrap_or_default()
    }
}

impl Lists {
    /// Says where one will be.
    pub(super) fn put(&mut self, list: List, range: Range<usize>) {
        // Repeated extensions could lead farther than a place can say.
        let place = u16::try_from(range.start).ok().zip(u16::try_from(range.end).ok());
        if let (Some(slot), Some(place)) = (self.places.get_mut(list as usize), place) {
            *slot = place;
        }
    }

    /// Takes over the numbers of all. Copied: to have a vector cut down to its length takes an allocator longer.
    pub(super) fn fill(&mut self, words: &[u16]) {
        self.words = words.into();
    }
}

impl PartialEq for Lists {
    /// The order in which they stand in memory does not count.
    fn eq(&self, other: &Lists) -> bool {
        List::ALL.into_iter().all(|list| self.get(list) == other.get(list))
    }
}

impl Eq for Lists {}
