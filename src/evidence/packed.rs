//! Frames held in little memory: the bodies of long encrypted records are zeroed as they come by, and zeros are told by their number.

use crate::base::{At, Frame, LinkType, PerWay, Time};
use crate::decode::{Decoded, Decoder};
use crate::tls::ContentType;

/// Bytes of a TLS record header.
const HEADER: usize = 5;
/// Records up to this long stay as they are: an alert is among them, and keys may open it one day.
const SHORT: usize = 64;
/// Bytes of a stream that is not TLS which stay as they are: what comes before TLS is no longer than this.
const PLAIN: u32 = 8 * 1024;
/// Runs of zeros from this length on are told by their number.
const RUN: usize = 8;
/// Bytes that stand before a frame's own.
const HEAD: usize = 23;

/// One frame, packed.
pub(super) type Packed = Box<[u8]>;

/// Where one direction stands in its TLS records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The sequence number that comes next, once one is known.
    next: Option<u32>,
    /// Bytes left of the record.
    left: usize,
    /// Whether they are zeroed.
    zeroed: bool,
    /// A record header that began and did not end, and how much of it there is.
    head: [u8; HEADER],
    have: usize,
    /// Bytes that were no TLS.
    plain: u32,
}

/// What a frame showed of its connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// It carried data.
    pub data: bool,
}

/// Packs `frame`, a frame of the connection whose directions stand at `places`.
pub(super) fn pack(frame: &Frame<'_>, places: &mut PerWay<Place>, decoder: &mut Decoder, scratch: &mut Vec<u8>) -> (Packed, Shown) {
    scratch.clear();
    scratch.extend_from_slice(frame.data);
    let mut shown = Shown::default();
    if let Decoded::Tcp(segment) = decoder.decode(frame) {
        shown.data = segment.payload_len > 0;
        // Where the payload lies in the frame; that of joined fragments lies elsewhere.
        let start = (segment.payload.as_ptr() as usize).checked_sub(frame.data.as_ptr() as usize);
        let payload = start.and_then(|start| scratch.get_mut(start..start.checked_add(segment.payload.len())?));
        if let Some(payload) = payload {
            places[segment.way].walk(segment.seq, segment.payload_len, payload);
        }
    }
    (packed(frame, scratch), shown)
}

impl Place {
    /// Follows the records through a segment's payload, and zeroes what is zeroed.
    fn walk(&mut self, seq: u32, len: u32, payload: &mut [u8]) {
        if payload.is_empty() {
            return;
        }
        let begins = payload.first_chunk::<HEADER>().is_some_and(|head| body(*head).is_some());
        if self.next.is_some_and(|next| next != seq) {
            // Sent again, or out of order: left as it is. After a hole the records are found again where a segment begins with one.
            let ahead = self.next.is_some_and(|next| seq.wrapping_sub(next) < u32::MAX / 2);
            if !ahead || !begins {
                return;
            }
            (self.left, self.have) = (0, 0);
        }
        self.next = Some(seq.wrapping_add(len));
        let unseen = (len as usize).saturating_sub(payload.len());
        let mut rest = payload;
        while !rest.is_empty() {
            rest = if self.left > 0 { self.body(rest) } else { self.header(rest) };
        }
        // What the snap length cut off.
        if unseen > self.left {
            self.next = None;
        }
        self.left = self.left.saturating_sub(unseen);
    }

    /// The body of a record, as far as it goes.
    fn body<'p>(&mut self, payload: &'p mut [u8]) -> &'p mut [u8] {
        let (part, rest) = payload.split_at_mut(self.left.min(payload.len()));
        if self.zeroed {
            part.fill(0);
        }
        self.left -= part.len();
        rest
    }

    /// A record's header, as far as it goes, or what is none.
    fn header<'p>(&mut self, payload: &'p mut [u8]) -> &'p mut [u8] {
        let (part, rest) = payload.split_at_mut((HEADER - self.have).min(payload.len()));
        for (to, from) in self.head.iter_mut().skip(self.have).zip(part.iter()) {
            *to = *from;
        }
        self.have += part.len();
        if self.have < HEADER {
            return rest;
        }
        self.have = 0;
        match body(self.head) {
            Some((len, sealed)) => (self.left, self.zeroed) = (len, sealed && len > SHORT),
            None => {
                // No TLS, as far as this segment goes.
                let len = part.len() + rest.len();
                self.plain = self.plain.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
                if self.plain > PLAIN {
                    part.fill(0);
                    rest.fill(0);
                }
                return &mut [];
            }
        }
        rest
    }
}

/// The length of the record that `head` begins, and whether it is one of application data; `None`: it begins none.
fn body(head: [u8; HEADER]) -> Option<(usize, bool)> {
    let [typ, 3, 0..=4, high, low] = head else { return None };
    let len = usize::from(u16::from_be_bytes([high, low]));
    let known = (20..=24).contains(&typ) && len > 0 && len <= (1 << 14) + 2048;
    known.then_some((len, ContentType(typ) == ContentType::APPLICATION_DATA))
}

/// `frame` with `data` in place of its own, zeros told by their number.
fn packed(frame: &Frame<'_>, data: &[u8]) -> Packed {
    let mut out = Vec::with_capacity(HEAD + data.len().min(256));
    out.extend(frame.at.time.nanos().to_le_bytes());
    out.extend(frame.at.frame.to_le_bytes());
    out.extend(frame.link.0.to_le_bytes());
    out.extend(frame.wire_len.to_le_bytes());
    out.extend(frame.interface.to_le_bytes());
    out.push(frame.outgoing.map_or(0, |outgoing| 1 + u8::from(outgoing)));
    let mut rest = data;
    while !rest.is_empty() {
        let plain = rest.windows(RUN).position(|run| run == [0; RUN]).unwrap_or(rest.len());
        let (literal, behind) = rest.split_at(plain);
        let zeros = behind.iter().take_while(|&&byte| byte == 0).count();
        out.extend((literal.len() as u32).to_le_bytes());
        out.extend((zeros as u32).to_le_bytes());
        out.extend_from_slice(literal);
        rest = behind.get(zeros..).unwrap_or_default();
    }
    out.into_boxed_slice()
}

/// Lends a packed frame to `take`; `data` is used again for each. What it says, or `None` for what was never packed.
pub(super) fn unpack<T>(packed: &[u8], data: &mut Vec<u8>, take: impl FnOnce(&Frame<'_>) -> T) -> Option<T> {
    let (head, mut rest) = packed.split_first_chunk::<HEAD>()?;
    let [t0, t1, t2, t3, t4, t5, t6, t7, n0, n1, n2, n3, l0, l1, w0, w1, w2, w3, i0, i1, i2, i3, way] = *head;
    data.clear();
    while let Some((lens, behind)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *lens;
        let (literal, behind) = behind.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize)?;
        data.extend_from_slice(literal);
        data.resize(data.len() + u32::from_le_bytes([e, f, g, h]) as usize, 0);
        rest = behind;
    }
    let time = Time::from_nanos(i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]));
    let frame = Frame {
        at: At::new(time, u32::from_le_bytes([n0, n1, n2, n3]), 0),
        link: LinkType(u16::from_le_bytes([l0, l1])),
        wire_len: u32::from_le_bytes([w0, w1, w2, w3]),
        interface: u32::from_le_bytes([i0, i1, i2, i3]),
        outgoing: way.checked_sub(1).map(|outgoing| outgoing == 1),
        data,
    };
    Some(take(&frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(typ: u8, len: u16, fill: u8) -> Vec<u8> {
        let [high, low] = len.to_be_bytes();
        [vec![typ, 3, 3, high, low], vec![fill; usize::from(len)]].concat()
    }

    /// What is left of `stream` when it comes in segments of `size`.
    fn walked(stream: &[u8], size: usize) -> Vec<u8> {
        let mut place = Place::default();
        let mut out = Vec::new();
        for (index, segment) in stream.chunks(size).enumerate() {
            let mut segment = segment.to_vec();
            place.walk(u32::try_from(index * size).unwrap().wrapping_sub(7), u32::try_from(segment.len()).unwrap(), &mut segment);
            out.extend(segment);
        }
        out
    }

    #[test]
    fn bodies_of_long_data_records_are_zeroed_however_they_are_cut() {
        let stream = [record(22, 200, 1), record(23, 3_000, 2), record(23, 19, 3), record(21, 2, 4), record(23, 100, 5)].concat();
        let expected = [record(22, 200, 1), record(23, 3_000, 0), record(23, 19, 3), record(21, 2, 4), record(23, 100, 0)].concat();
        for size in [1, 3, 7, 100, 1_448, 10_000] {
            assert_eq!(walked(&stream, size), expected, "{size}");
        }
    }

    #[test]
    fn what_comes_before_tls_stays_and_a_plain_download_does_not() {
        let stream = [
            b"CONNECT x:443 HTTP/1.1

"
            .to_vec(),
            record(22, 50, 1),
        ]
        .concat();
        assert_eq!(walked(&stream, stream.len()), stream);
        let long = vec![7; 100_000];
        let left = walked(&long, 1_000);
        assert_eq!(left.iter().filter(|&&byte| byte == 7).count(), 8_000);
    }

    #[test]
    fn after_a_hole_records_are_found_again_and_repetitions_harm_nothing() {
        let mut place = Place::default();
        let mut first = record(23, 1_000, 9);
        place.walk(0, 1_005, &mut first);
        let mut again = record(23, 1_000, 9);
        place.walk(0, 1_005, &mut again);
        assert_eq!(again, record(23, 1_000, 9), "as it is");
        let mut later = record(23, 500, 9);
        place.walk(9_000, 505, &mut later);
        assert_eq!(later, record(23, 500, 0));
    }

    #[test]
    fn frames_come_back_as_they_were_and_take_little() {
        let mut data = vec![1, 2, 3];
        data.extend([0; 1_400]);
        data.extend([4, 0, 0, 5]);
        let frame = Frame {
            at: At::new(Time::from_nanos(-5), 77, 0),
            link: LinkType(276),
            wire_len: 2_000,
            interface: 3,
            outgoing: Some(true),
            data: &data,
        };
        let kept = packed(&frame, &data);
        assert!(kept.len() < 60, "{}", kept.len());
        let mut back = Vec::new();
        let same = unpack(&kept, &mut back, |back| {
            (back.at, back.link, back.wire_len, back.interface, back.outgoing, back.data.to_vec())
                == (frame.at, frame.link, 2_000, 3, Some(true), data.clone())
        });
        assert_eq!(same, Some(true));
        assert_eq!(unpack(&[1, 2, 3], &mut back, |_| ()), None);
    }
}
