//! Joins IP fragments. Bounded: the oldest unfinished datagram makes room.

use std::collections::VecDeque;
use std::net::IpAddr;

use etherparse::IpNumber;
use etherparse::defrag::IpDefragBuf;

use super::Skip;
use super::ip::{Packet, Place};
use crate::base::{Span, Time};

/// Datagrams held at once.
const MAX_DATAGRAMS: usize = 1_024;
/// Bytes held at once, over all datagrams.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long a datagram may take to complete: Linux gives up after 30 s.
const MAX_AGE: Span = Span::from_secs(30);

/// The unfinished datagrams, in the order of their first fragments.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    held: VecDeque<Datagram>,
    bytes: usize,
}

/// One unfinished datagram.
#[derive(Debug)]
struct Datagram {
    id: u32,
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNumber,
    started: Time,
    parts: IpDefragBuf,
}

impl Datagram {
    /// Memory held, in bytes: the data up to the furthest end seen, and the list of parts.
    fn cost(&self) -> usize {
        self.parts.data().len() + std::mem::size_of_val(self.parts.sections().as_slice())
    }
}

impl Fragments {
    /// Adds the fragment that `packet` is, at `place`. The datagram, if that completes it.
    ///
    /// # Errors
    ///
    /// [`Skip::FragmentHeld`] while parts are missing; [`Skip::FragmentDropped`] where the fragment contradicts others or no datagram
    /// can be that long.
    pub fn join(&mut self, packet: Packet<'_>, place: Place, now: Time) -> Result<Vec<u8>, Skip> {
        self.forget_before(now);
        let found = self.held.iter().rposition(|d| {
            d.id == place.id && d.protocol == packet.protocol && d.source == packet.source && d.destination == packet.destination
        });
        let at = match found {
            Some(at) => at,
            None => {
                if self.held.len() >= MAX_DATAGRAMS {
                    self.forget_oldest();
                }
                self.held.push_back(Datagram {
                    id: place.id,
                    source: packet.source,
                    destination: packet.destination,
                    protocol: packet.protocol,
                    started: now,
                    parts: IpDefragBuf::new(packet.protocol, Vec::new(), Vec::new()),
                });
                self.held.len() - 1
            }
        };
        let Some(datagram) = self.held.get_mut(at) else { return Err(Skip::FragmentDropped) };
        let before = datagram.cost();
        let added = datagram.parts.add(place.offset, place.more, packet.payload.seen);
        let after = datagram.cost();
        let (empty, complete) = (datagram.parts.sections().is_empty(), datagram.parts.is_complete());
        self.bytes = (self.bytes + after).saturating_sub(before);
        if complete || empty {
            self.bytes = self.bytes.saturating_sub(after);
            let taken = self.held.remove(at);
            return match (complete, taken) {
                (true, Some(datagram)) => Ok(datagram.parts.take_bufs().0),
                _ => Err(Skip::FragmentDropped),
            };
        }
        while self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
        match added {
            Ok(()) => Err(Skip::FragmentHeld),
            Err(_) => Err(Skip::FragmentDropped),
        }
    }

    fn forget_before(&mut self, now: Time) {
        while self.held.front().is_some_and(|d| now.since(d.started) > MAX_AGE) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(datagram) = self.held.pop_front() {
            self.bytes = self.bytes.saturating_sub(datagram.cost());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::*;
    use super::super::{Checksum, Decoded, Decoder};
    use super::*;
    use crate::base::{At, Frame, LinkType};

    const LEN: usize = 300;

    /// What a fragment gave: checksum, payload and frame number of a segment; or why not yet.
    type Outcome = Result<(Checksum, Vec<u8>, u32), Skip>;

    /// The fragment of the IPv4 packet `whole` that has the bytes from `from` to `to` of its payload.
    fn part4(whole: &[u8], id: u16, from: usize, to: usize) -> Vec<u8> {
        let payload = &whole[20..];
        let to = to.min(payload.len());
        let mut out = whole[..20].to_vec();
        out[2..4].copy_from_slice(&((20 + to - from) as u16).to_be_bytes());
        out[4..6].copy_from_slice(&id.to_be_bytes());
        let more = if to < payload.len() { 0x2000 } else { 0 };
        out[6..8].copy_from_slice(&(more | (from / 8) as u16).to_be_bytes());
        [&out[..], &payload[from..to]].concat()
    }

    /// The same of an IPv6 packet.
    fn part6(whole: &[u8], id: u32, from: usize, to: usize) -> Vec<u8> {
        let payload = &whole[40..];
        let to = to.min(payload.len());
        let mut out = whole[..40].to_vec();
        out[4..6].copy_from_slice(&((8 + to - from) as u16).to_be_bytes());
        let next = std::mem::replace(&mut out[6], 44);
        let place = (from as u16) | u16::from(to < payload.len());
        [&out[..], &[next, 0], &place.to_be_bytes(), &id.to_be_bytes(), &payload[from..to]].concat()
    }

    fn data() -> Vec<u8> {
        (0..LEN).map(|i| i as u8).collect()
    }

    /// Fragments of one packet of either version.
    pub(in super::super) fn in_parts() -> Vec<Vec<u8>> {
        let (four, six) = (tcp4(&data()), tcp6(&data()));
        (0..LEN + 32).step_by(64).flat_map(|from| [part4(&four, 9, from, from + 64), part6(&six, 9, from, from + 64)]).collect()
    }

    /// What decoding `parts` one after the other gives, a second apart.
    fn decode(parts: &[Vec<u8>]) -> Vec<Outcome> {
        let mut decoder = Decoder::new();
        let mut results = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            let at = At::new(Time::from_nanos(i as i64 * 1_000_000_000), i as u32 + 1, 0);
            let decoded = decoder.decode(&Frame { at, ..frame(LinkType::RAW, part, part.len()) });
            results.push(match decoded {
                Decoded::Tcp(segment) => Ok((segment.checksum, segment.payload.to_vec(), segment.at.frame)),
                Decoded::Skipped(skip) => Err(skip),
                other => panic!("{other:?}"),
            });
        }
        results
    }

    fn joined(frame: u32) -> Outcome {
        Ok((Checksum::Good, data(), frame))
    }

    #[test]
    fn parts_are_joined_in_any_order() {
        let (four, six) = (tcp4(&data()), tcp6(&data()));
        let parts4 = [part4(&four, 9, 0, 104), part4(&four, 9, 104, 208), part4(&four, 9, 208, 999)];
        let parts6 = [part6(&six, 9, 0, 104), part6(&six, 9, 104, 208), part6(&six, 9, 208, 999)];
        let held = Err(Skip::FragmentHeld);
        for parts in [parts4, parts6] {
            for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
                assert_eq!(decode(&order.map(|i| parts[i].clone())), [held.clone(), held.clone(), joined(3)]);
            }
            // Seen twice on the way, as on a bridge.
            let twice = [0, 0, 1, 1, 2].map(|i| parts[i].clone());
            assert_eq!(decode(&twice), [held.clone(), held.clone(), held.clone(), held.clone(), joined(5)]);
        }
    }

    #[test]
    fn other_datagrams_do_not_mix() {
        let whole = tcp4(&data());
        let first = part4(&whole, 9, 0, 104);
        let mut other_source = part4(&whole, 9, 104, 999);
        other_source[15] ^= 1;
        let mut other_protocol = part4(&whole, 9, 104, 999);
        other_protocol[9] = 17;
        let results = decode(&[first, part4(&whole, 8, 104, 999), other_source, other_protocol, part4(&whole, 9, 104, 999)]);
        let held = Err(Skip::FragmentHeld);
        assert_eq!(results, [held.clone(), held.clone(), held.clone(), held, joined(5)]);
    }

    #[test]
    fn overlaps_are_joined_and_contradictions_dropped() {
        let whole = tcp4(&data());
        let overlapping = [part4(&whole, 9, 0, 104), part4(&whole, 9, 48, 208), part4(&whole, 9, 160, 999)];
        assert_eq!(decode(&overlapping)[2], joined(3));
        // A second end, before the first; a length that is no multiple of eight; an end beyond 65,535 bytes.
        let shorter = part4(&whole[..whole.len() - 60], 9, 208, 999);
        let mut uneven = part4(&whole, 7, 0, 104);
        uneven.pop();
        uneven[3] -= 1;
        let mut too_far = part4(&whole, 7, 208, 999);
        too_far[6..8].copy_from_slice(&[0x1f, 0xff]);
        let dropped = Err(Skip::FragmentDropped);
        let results = decode(&[part4(&whole, 9, 208, 999), shorter, uneven, too_far]);
        assert_eq!(results, [Err(Skip::FragmentHeld), dropped.clone(), dropped.clone(), dropped]);
    }

    #[test]
    fn a_datagram_may_not_take_longer_than_half_a_minute() {
        let whole = tcp4(&data());
        let wait = |seconds: usize| {
            let mut parts = vec![part4(&whole, 9, 0, 104)];
            parts.extend((1..seconds).map(|i| part4(&whole, 1000 + i as u16, 0, 104)));
            parts.push(part4(&whole, 9, 104, 999));
            decode(&parts).pop().unwrap()
        };
        assert_eq!(wait(30), joined(31));
        assert_eq!(wait(31), Err(Skip::FragmentHeld));
    }

    #[test]
    fn memory_is_bounded_in_number_and_in_bytes() {
        let whole = tcp4(&data());
        let after = |others: &[Vec<u8>]| {
            let mut decoder = Decoder::new();
            let mut last = false;
            for part in [&[part4(&whole, 9, 0, 104)], others, &[part4(&whole, 9, 104, 999)]].concat() {
                last = matches!(decoder.decode(&frame(LinkType::RAW, &part, part.len())), Decoded::Tcp(_));
            }
            assert!(decoder.fragments.held.len() <= MAX_DATAGRAMS && decoder.fragments.bytes <= MAX_BYTES);
            let counted: usize = decoder.fragments.held.iter().map(Datagram::cost).sum();
            assert_eq!(decoder.fragments.bytes, counted);
            last
        };
        let small = |n: u16| (0..n).map(|i| part4(&whole, 1000 + i, 0, 104)).collect::<Vec<_>>();
        assert!(after(&small(1023)));
        assert!(!after(&small(1024)));
        // One byte at the far end of the longest datagram makes room for all of it.
        let large = |n: u16| {
            small(n)
                .into_iter()
                .map(|mut part| {
                    part[6..8].copy_from_slice(&0x3ff0_u16.to_be_bytes());
                    part
                })
                .collect::<Vec<_>>()
        };
        assert!(after(&large(60)));
        assert!(!after(&large(65)));
    }

    #[test]
    fn a_cut_fragment_is_dropped_but_its_beginning_has_ports() {
        let four = tcp4(&data());
        let seen = |data: &[u8], n: usize| match Decoder::new().decode(&frame(LinkType::RAW, &data[..n], data.len())) {
            Decoded::Tcp(segment) => Ok((segment.seq, segment.payload.len(), segment.payload_len, segment.checksum)),
            Decoded::Skipped(skip) => Err(skip),
            other => panic!("{other:?}"),
        };
        assert_eq!(seen(&part4(&four, 9, 0, 104), 60), Ok((SEQ, 8, 72, Checksum::Unknown)));
        assert_eq!(seen(&part4(&four, 9, 104, 208), 60), Err(Skip::FragmentDropped));
        assert_eq!(seen(&part6(&tcp6(&data()), 9, 0, 104), 90), Err(Skip::FragmentDropped));
    }

    #[test]
    fn fragments_in_fragmented_tunnels_are_joined_twice() {
        let mut decoder = Decoder::new();
        let mut results = Vec::new();
        for (id, inner) in [part4(&tcp4(&data()), 9, 0, 160), part4(&tcp4(&data()), 9, 160, 999)].iter().enumerate() {
            let outer = in_ipv4(4, inner);
            for part in [part4(&outer, id as u16, 0, 80), part4(&outer, id as u16, 80, 999)] {
                results.push(match decoder.decode(&frame(LinkType::RAW, &part, part.len())) {
                    Decoded::Tcp(segment) => Ok((segment.checksum, segment.payload.to_vec(), segment.at.frame)),
                    Decoded::Skipped(skip) => Err(skip),
                    other => panic!("{other:?}"),
                });
            }
        }
        let held = Err(Skip::FragmentHeld);
        assert_eq!(results, [held.clone(), held.clone(), held, joined(1)]);
    }

    #[test]
    fn a_fragment_header_without_fragments_is_stepped_over() {
        let whole = tcp6(&data());
        assert_eq!(decode(&[part6(&whole, 9, 0, 999)]), [joined(1)]);
    }
}
