//! Connection numbers: Wireshark's `tcp.stream`, kept right after connections are forgotten.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::{FlowKey, PerWay, Way};

/// Hands out stream numbers and remembers those of forgotten connections, so that their late packets do not count as new ones.
///
/// Wireshark starts a new stream for a SYN (without ACK) whose sequence number differs from the first one of that direction, and for any
/// packet of an unknown address and port pair (`packet-tcp.c`, `tcp_analyze_sequence_number` for the base sequence numbers).
#[derive(Debug)]
pub struct Streams {
    next: u32,
    exact: bool,
    hasher: RandomState,
    tombs: HashMap<u64, Tomb, RandomState>,
    order: VecDeque<u64>,
    bound: usize,
}

/// The base sequence number of each way, once it is known.
pub type Bases = PerWay<Option<u32>>;

#[derive(Clone, Copy, Debug)]
struct Tomb {
    stream: u32,
    bases: Bases,
}

impl Streams {
    /// Remembers at most `bound` forgotten connections.
    pub fn new(bound: usize) -> Streams {
        Streams {
            next: 0,
            exact: true,
            hasher: RandomState::default(),
            tombs: HashMap::default(),
            order: VecDeque::new(),
            bound: bound.max(1),
        }
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

    /// The number of the forgotten connection that a packet of `key` belongs to; `None` if it begins a new one. `syn` is the sequence number
    /// of a SYN without ACK.
    pub fn late(&mut self, key: &FlowKey, way: Way, syn: Option<u32>) -> Option<u32> {
        if self.tombs.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        match self.tombs.get(&hash) {
            Some(tomb) if starts_anew(&tomb.bases, way, syn) => {
                self.tombs.remove(&hash);
                None
            }
            Some(tomb) => Some(tomb.stream),
            None => {
                // A packet that is no SYN may belong to a connection even the tombstones have forgotten: from here on numbers are not exact.
                if self.tombs.len() >= self.bound && syn.is_none() {
                    self.exact = false;
                }
                None
            }
        }
    }

    /// Forgets a connection, but not its number.
    pub fn bury(&mut self, key: &FlowKey, stream: Option<u32>, bases: Bases) {
        let Some(stream) = stream else { return };
        let hash = self.hasher.hash_one(key);
        if self.tombs.insert(hash, Tomb { stream, bases }).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > self.bound {
            if let Some(oldest) = self.order.pop_front() {
                self.tombs.remove(&oldest);
            }
        }
    }

    /// Forgets that a connection was forgotten: its ports are taken by a new one.
    pub fn exhume(&mut self, key: &FlowKey) {
        self.tombs.remove(&self.hasher.hash_one(key));
    }
}

/// Whether a SYN with sequence number `syn` along `way` starts a new connection where one with `bases` is known.
pub fn starts_anew(bases: &Bases, way: Way, syn: Option<u32>) -> bool {
    matches!((syn, bases[way]), (Some(syn), Some(base)) if syn != base)
}

/// Learns the base sequence numbers from a segment, as Wireshark does: the first sequence number of each direction, or what the other
/// direction's first ACK says of it.
pub fn learn_bases(bases: &mut Bases, way: Way, seq: u32, syn: bool, ack: Option<u32>) {
    if bases[way].is_none() {
        bases[way] = Some(if syn { seq } else { seq.wrapping_sub(1) });
    }
    if let (None, Some(ack)) = (bases[way.opposite()], ack) {
        bases[way.opposite()] = Some(ack.wrapping_sub(1));
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

    #[test]
    fn a_late_packet_is_not_a_new_connection_but_another_syn_is() {
        let mut streams = Streams::new(8);
        let (k, way) = key(1000);
        let number = streams.number();
        let mut bases = Bases::default();
        learn_bases(&mut bases, way, 77, true, None);
        streams.bury(&k, number, bases);
        assert_eq!(streams.late(&k, way, None), number);
        assert_eq!(streams.late(&k, way, Some(77)), number, "a retransmitted SYN");
        assert_eq!(streams.late(&k, way, Some(78)), None, "port reuse");
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
        assert_eq!(streams.late(&gone, way, Some(5)), None);
        assert_eq!(streams.number(), Some(2), "a SYN is a new connection whatever was forgotten");
        assert_eq!(streams.late(&gone, way, None), None);
        assert_eq!(streams.number(), None);
    }
}
