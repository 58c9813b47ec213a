//! The newest packets of every connection, in bounded memory, until it is known whether anybody will want them.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::packed::{Packed, Place, pack, unpack};
use crate::base::{Frame, PerWay, Time};
use crate::decode::Decoder;

/// Bytes kept of a connection's beginning, where its handshake is, and of its end.
const HEAD: usize = 64 * 1024;
const TAIL: usize = 64 * 1024;
/// What a connection takes beside its packets, and a packet beside its bytes.
const CONNECTION: usize = 256;
const PACKET: usize = 16;
/// For so many bytes of memory one of the newest connections is spared: in a flood, too, there must be time to come up.
const NEWEST: usize = 1_024;
/// Connections looked at to find the one that goes.
const SAMPLE: usize = 64;

/// The packets of connections, by number.
#[derive(Debug)]
pub struct Ring {
    /// Bytes it may hold.
    most: usize,
    held: usize,
    places: Vec<Option<Kept>>,
    free: Vec<usize>,
    index: HashMap<u32, usize, RandomState>,
    /// The connections as they began: the first to go, unless they carried data.
    begun: VecDeque<u32>,
    /// Where the next look for one that goes begins.
    hand: usize,
    /// Connections with data that went for lack of memory.
    gone: u64,
    decoder: Decoder,
    scratch: Vec<u8>,
}

/// What is held of a connection.
#[derive(Debug)]
struct Kept {
    connection: u32,
    head: Vec<Packed>,
    head_len: usize,
    tail: VecDeque<Packed>,
    tail_len: usize,
    /// Packets between head and tail that were let go.
    skipped: u64,
    walks: PerWay<Place>,
    /// It carried data.
    data: bool,
    last: Time,
}

impl Ring {
    /// A ring of at most `most` bytes.
    pub fn new(most: usize) -> Ring {
        Ring {
            most,
            held: 0,
            places: Vec::new(),
            free: Vec::new(),
            index: HashMap::default(),
            begun: VecDeque::new(),
            hand: 0,
            gone: 0,
            decoder: Decoder::new(),
            scratch: Vec::new(),
        }
    }

    /// Connections that carried data and had to go for lack of memory: nothing of them can be kept any more.
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// Takes a frame of `connection`.
    pub fn push(&mut self, connection: u32, frame: &Frame<'_>) {
        let place = self.index.get(&connection).copied().unwrap_or_else(|| self.begin(connection));
        let Some(kept) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        let (packed, shown) = pack(frame, &mut kept.walks, &mut self.decoder, &mut self.scratch);
        kept.data |= shown.data;
        kept.last = frame.at.time;
        let before = kept.held();
        kept.add(packed);
        self.held = (self.held + kept.held()).saturating_sub(before);
        while self.held > self.most {
            let Some(victim) = self.victim() else { return };
            let data = self.take(victim).is_some_and(|kept| kept.data);
            self.gone += u64::from(data);
        }
    }

    fn begin(&mut self, connection: u32) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        if let Some(slot) = self.places.get_mut(place) {
            *slot = Some(Kept {
                connection,
                head: Vec::new(),
                head_len: 0,
                tail: VecDeque::new(),
                tail_len: 0,
                skipped: 0,
                walks: PerWay::default(),
                data: false,
                last: Time::default(),
            });
        }
        self.index.insert(connection, place);
        self.held += CONNECTION;
        self.begun.push_back(connection);
        if self.begun.len() > 2 * self.index.len() + SAMPLE {
            let (index, places) = (&self.index, &self.places);
            self.begun.retain(|connection| is_without_data(index, places, *connection));
        }
        place
    }

    /// The one to go: the oldest that carried no data, if it has had time to, or else, of a few, the one that has been silent for longest.
    fn victim(&mut self) -> Option<u32> {
        while self.begun.len() > self.most / NEWEST
            && let Some(oldest) = self.begun.pop_front()
        {
            if is_without_data(&self.index, &self.places, oldest) {
                return Some(oldest);
            }
        }
        let places = self.places.len();
        let start = self.hand % places.max(1);
        self.hand = self.hand.wrapping_add(SAMPLE);
        let all = (start..places).chain(0..start).filter_map(|place| self.places.get(place)?.as_ref());
        all.take(SAMPLE).min_by_key(|kept| kept.last).map(|kept| kept.connection)
    }

    /// Lets a connection go.
    pub fn remove(&mut self, connection: u32) {
        self.take(connection);
    }

    fn take(&mut self, connection: u32) -> Option<Kept> {
        let place = self.index.remove(&connection)?;
        let kept = self.places.get_mut(place)?.take()?;
        self.free.push(place);
        self.held = self.held.saturating_sub(kept.held() + CONNECTION);
        Some(kept)
    }

    /// Hands out the frames of a connection and lets it go. How many were let go before between its beginning and its end; `None` where
    /// nothing is held of it.
    ///
    /// # Errors
    ///
    /// Those of `take`.
    pub fn hand_out<E>(&mut self, connection: u32, mut take: impl FnMut(&Frame<'_>) -> Result<(), E>) -> Result<Option<u64>, E> {
        let Some(kept) = self.take(connection) else { return Ok(None) };
        let mut data = Vec::new();
        for packed in kept.head.iter().chain(&kept.tail) {
            unpack(packed, &mut data, &mut take).unwrap_or(Ok(()))?;
        }
        Ok(Some(kept.skipped))
    }
}

/// Whether a connection is held and carried no data.
fn is_without_data(index: &HashMap<u32, usize, RandomState>, places: &[Option<Kept>], connection: u32) -> bool {
    let kept = index.get(&connection).and_then(|place| places.get(*place)?.as_ref());
    kept.is_some_and(|kept| !kept.data)
}

impl Kept {
    fn held(&self) -> usize {
        self.head_len + self.tail_len
    }

    fn add(&mut self, packed: Packed) {
        let len = packed.len() + PACKET;
        if self.tail.is_empty() && self.head_len + len <= HEAD {
            self.head_len += len;
            self.head.push(packed);
            return;
        }
        self.tail_len += len;
        self.tail.push_back(packed);
        while self.tail_len > TAIL {
            let Some(first) = self.tail.pop_front() else { return };
            self.tail_len -= first.len() + PACKET;
            self.skipped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{At, LinkType};

    fn push(ring: &mut Ring, connection: u32, number: u32, data: &[u8]) {
        let frame = Frame {
            at: At::new(Time::from_nanos(i64::from(number)), number, 0),
            link: LinkType::RAW,
            wire_len: 1_000,
            interface: 0,
            outgoing: None,
            data,
        };
        ring.push(connection, &frame);
    }

    fn numbers(ring: &mut Ring, connection: u32) -> (Vec<u32>, Option<u64>) {
        let mut numbers = Vec::new();
        let skipped = ring.hand_out(connection, |frame| {
            numbers.push(frame.at.frame);
            Ok::<(), ()>(())
        });
        (numbers, skipped.unwrap())
    }

    #[test]
    fn the_beginning_and_the_end_of_a_long_connection_stay() {
        let mut ring = Ring::new(1 << 20);
        for number in 0..10_000 {
            push(&mut ring, 7, number, &[9; 100]);
        }
        push(&mut ring, 8, 0, &[9; 100]);
        assert!(ring.held < HEAD + TAIL + 2 * CONNECTION + 200);
        let (kept, skipped) = numbers(&mut ring, 7);
        assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&9_999)));
        assert_eq!(skipped, Some(10_000 - kept.len() as u64));
        assert_eq!(numbers(&mut ring, 7), (Vec::new(), None));
        assert_eq!(numbers(&mut ring, 8), (vec![0], Some(0)));
        assert_eq!(ring.held, 0);
    }

    /// An IPv4 TCP segment with `payload` bytes.
    fn segment(port: u16, flags: u8, payload: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40 + payload, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend(port.to_be_bytes());
        packet.extend([1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
        packet.extend(vec![9; usize::from(payload)]);
        packet
    }

    #[test]
    fn a_flood_of_half_open_connections_drives_out_no_session() {
        let mut ring = Ring::new(256 * 1024);
        for connection in 0..50 {
            push(&mut ring, connection, connection, &segment(1_000, 0x18, 100));
        }
        for connection in 1_000..101_000_u32 {
            push(&mut ring, connection, connection, &segment(2_000, 2, 0));
        }
        assert!(ring.held <= 256 * 1024 && ring.places.len() < 2_000, "{} {}", ring.held, ring.places.len());
        assert_eq!(ring.gone(), 0, "nothing is lost with them");
        assert!(ring.begun.len() < 5_000, "{}", ring.begun.len());
        let left = (0..50).filter(|connection| numbers(&mut ring, *connection).1.is_some()).count();
        assert_eq!(left, 50);
    }

    #[test]
    fn a_new_connection_finds_room_among_those_with_data() {
        let mut ring = Ring::new(256 * 1024);
        for connection in 0..2_000 {
            push(&mut ring, connection, connection, &segment(1_000, 0x18, 100));
        }
        for turn in 0..50 {
            push(&mut ring, 5_000, 2_000 + 2 * turn, &segment(1_000, 2, 0));
            push(&mut ring, 6_000 + turn, 2_001 + 2 * turn, &segment(1_000, 0x18, 100));
        }
        assert_eq!(numbers(&mut ring, 5_000).0.len(), 50);
        assert!(ring.gone() > 500, "those silent for longest went");
    }
}
