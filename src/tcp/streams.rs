//! Connection numbers: Wireshark's `tcp.stream`, kept right after connections are forgotten.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::base::{FlowKey, PerWay, Way, prefetch};

/// Hands out stream numbers and remembers those of forgotten connections, so that their late packets do not count as new ones.
///
/// Wireshark starts a new stream for a SYN (without ACK) whose sequence number differs from the first one of that direction, and for any
/// packet of an unknown address and port pair (`packet-tcp.c`, `tcp_analyze_sequence_number` for the base sequence numbers).
#[derive(Debug)]
pub struct Streams {
    next: u32,
    exact: bool,
    hasher: RandomState,
    tombs: Tombs,
    bound: usize,
}

/// Forgotten connections, found by the hash of their key.
///
/// What is looked up is a number alone (4 bytes, and one of the hash): nearly always there is nothing to be found, and then the tombs
/// themselves, of which there are far more than the processor's caches hold, are not touched.
#[derive(Debug, Default)]
struct Tombs {
    numbers: HashTable<u32>,
    /// In the order of their burial, numbered on from `first`. Those that were opened again stay, and no number leads to them.
    queue: VecDeque<Tomb>,
    first: u32,
}

/// The base sequence number of each way, once it is known.
pub type Bases = PerWay<Option<u32>>;

#[derive(Clone, Copy, Debug)]
struct Tomb {
    hash: u64,
    stream: u32,
    bases: Bases,
}

impl Streams {
    /// Remembers at most `bound` forgotten connections.
    pub fn new(bound: usize) -> Streams {
        Streams { next: 0, exact: true, hasher: RandomState::default(), tombs: Tombs::default(), bound: bound.max(1) }
    }

    /// How many connections there were.
    pub fn count(&self) -> u32 {
        self.next
    }

    /// The number of a new connection; `None` once a number could be wrong.
    pub fn number(&mut self) -> Option<u32> {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.exact.then_some(number)
    }

    /// The number of the forgotten connection that a packet of `key` belongs to; `None` if it begins a new one. A segment that an
    /// ICMP error quotes belongs to a connection, but its `numbers` teach Wireshark nothing: `None`.
    pub fn late(&mut self, key: &FlowKey, way: Way, numbers: Option<Numbers>) -> Option<u32> {
        if self.tombs.len() == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        match self.tombs.get_mut(hash) {
            Some(tomb) if numbers.is_some_and(|numbers| numbers.start_anew(&tomb.bases, way)) => {
                self.tombs.remove(hash);
                None
            }
            Some(tomb) => {
                if let Some(numbers) = numbers {
                    numbers.teach(&mut tomb.bases, way);
                }
                Some(tomb.stream)
            }
            None => {
                // A packet that is no SYN may belong to a connection even the tombstones have forgotten: from here on numbers are not exact.
                if self.tombs.len() >= self.bound && numbers.is_some_and(|numbers| !numbers.open()) {
                    self.exact = false;
                }
                None
            }
        }
    }

    /// Has the memory that finding or forgetting a connection needs brought into the caches.
    #[inline]
    pub fn prefetch(&self, key: &FlowKey) {
        self.tombs.numbers.find(self.hasher.hash_one(key), |_| true).into_iter().for_each(prefetch);
    }

    /// Forgets a connection, but not its number.
    pub fn bury(&mut self, key: &FlowKey, stream: Option<u32>, bases: Bases) {
        let Some(stream) = stream else { return };
        self.tombs.insert(Tomb { hash: self.hasher.hash_one(key), stream, bases });
        self.tombs.keep_newest(self.bound);
    }

    /// Forgets that a connection was forgotten: its ports are taken by a new one.
    pub fn exhume(&mut self, key: &FlowKey) {
        self.tombs.remove(self.hasher.hash_one(key));
    }
}

impl Tombs {
    /// How many can be found.
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn get_mut(&mut self, hash: u64) -> Option<&mut Tomb> {
        let (queue, first) = (&self.queue, self.first);
        let number = *self.numbers.find(hash, |number| hash_of(queue, first, *number) == Some(hash))?;
        self.queue.get_mut(number.wrapping_sub(self.first) as usize)
    }

    fn insert(&mut self, tomb: Tomb) {
        let (queue, first) = (&self.queue, self.first);
        let same = |number: &u32| hash_of(queue, first, *number) == Some(tomb.hash);
        match self.numbers.entry(tomb.hash, same, |number| hash_of(queue, first, *number).unwrap_or_default()) {
            Entry::Occupied(entry) => {
                if let Some(old) = self.queue.get_mut(entry.get().wrapping_sub(first) as usize) {
                    *old = tomb;
                }
            }
            Entry::Vacant(entry) => {
                entry.insert(first.wrapping_add(self.queue.len() as u32));
                self.queue.push_back(tomb);
            }
        }
    }

    fn remove(&mut self, hash: u64) {
        let (queue, first) = (&self.queue, self.first);
        if let Ok(entry) = self.numbers.find_entry(hash, |number| hash_of(queue, first, *number) == Some(hash)) {
            entry.remove();
        }
    }

    /// Forgets all but the newest `most`.
    fn keep_newest(&mut self, most: usize) {
        while self.queue.len() > most {
            let Some(oldest) = self.queue.pop_front() else { return };
            let first = self.first;
            self.first = first.wrapping_add(1);
            if let Ok(entry) = self.numbers.find_entry(oldest.hash, |number| *number == first) {
                entry.remove();
            }
        }
    }
}

fn hash_of(queue: &VecDeque<Tomb>, first: u32, number: u32) -> Option<u64> {
    queue.get(number.wrapping_sub(first) as usize).map(|tomb| tomb.hash)
}

/// What a segment has to do with the numbering.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Its sequence number.
    pub seq: u32,
    /// Its acknowledgement number, where it has one.
    pub ack: Option<u32>,
    /// It has the SYN flag.
    pub syn: bool,
}

impl Numbers {
    /// They are those of a SYN without ACK: what a connection begins with.
    pub fn open(&self) -> bool {
        self.syn && self.ack.is_none()
    }

    /// Whether they start a new connection where one with `bases` is known.
    pub fn start_anew(&self, bases: &Bases, way: Way) -> bool {
        self.open() && bases[way].is_some_and(|base| base != self.seq)
    }

    /// Teaches the base sequence numbers, as Wireshark learns them: the first sequence number of each direction, or what the other
    /// direction's first ACK says of it; but a SYN with ACK is always believed.
    pub fn teach(&self, bases: &mut Bases, way: Way) {
        if bases[way].is_none() || (self.syn && !self.open()) {
            bases[way] = Some(if self.syn { self.seq } else { self.seq.wrapping_sub(1) });
        }
        if let (None, Some(ack)) = (bases[way.opposite()], self.ack) {
            bases[way.opposite()] = Some(ack.wrapping_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Endpoint;

    fn key(port: u16) -> (FlowKey, Way) {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        FlowKey::new(end("10.0.0.1", port), end("10.0.0.2", 443))
    }

    const ACK: Numbers = Numbers { seq: 90, ack: Some(70), syn: false };

    fn syn(seq: u32) -> Numbers {
        Numbers { seq, ack: None, syn: true }
    }

    #[test]
    fn late_packets_go_on_teaching_the_numbers_of_a_forgotten_connection() {
        let mut streams = Streams::new(8);
        let (k, way) = key(1000);
        let number = streams.number();
        let mut bases = Bases::default();
        ACK.teach(&mut bases, way);
        streams.bury(&k, number, bases);
        assert_eq!(streams.late(&k, way, Some(Numbers { seq: 500, ack: Some(9), syn: true })), number);
        assert_eq!(streams.late(&k, way, Some(syn(500))), number);
        assert_eq!(streams.late(&k, way.opposite(), Some(syn(69))), number);
        assert_eq!(streams.late(&k, way, Some(syn(89))), None);
    }

    #[test]
    fn a_late_packet_is_not_a_new_connection_but_another_syn_is() {
        let mut streams = Streams::new(8);
        let (k, way) = key(1000);
        let number = streams.number();
        let mut bases = Bases::default();
        syn(77).teach(&mut bases, way);
        streams.bury(&k, number, bases);
        assert_eq!(streams.late(&k, way, Some(ACK)), number);
        assert_eq!(streams.late(&k, way, Some(syn(77))), number, "a retransmitted SYN");
        assert_eq!(streams.late(&k, way, Some(syn(78))), None, "port reuse");
        assert_eq!(streams.number(), Some(1));
    }

    #[test]
    fn beyond_the_bound_a_stray_packet_ends_exact_numbers() {
        let mut streams = Streams::new(1);
        for port in [1000, 1001] {
            let number = streams.number();
            streams.bury(&key(port).0, number, Bases::default());
        }
        let (gone, way) = key(1000);
        assert_eq!(streams.late(&gone, way, Some(syn(5))), None);
        assert_eq!(streams.number(), Some(2), "a SYN is a new connection whatever was forgotten");
        assert_eq!(streams.late(&gone, way, Some(ACK)), None);
        assert_eq!(streams.number(), None);
    }
}
