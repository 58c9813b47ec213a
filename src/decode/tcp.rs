//! TCP headers: a packet's segment, and the few fields of one that an ICMP error quotes.

use etherparse::{TcpHeader, TcpHeaderSlice, TcpOptionElement, TcpOptionsIterator};

use super::bytes::Bytes;
use super::icmp::Complaint;
use super::ip::Packet;
use super::link::Link;
use super::{Checksum, IcmpError, Segment, Skip, TcpFlags, TcpOptions, checksum};
use crate::base::{At, Endpoint, FlowKey, Way};

/// As much of a header as it takes to number the connection: up to the window. Wireshark assigns `tcp.stream` from there on.
const ENOUGH: usize = 16;

/// A TCP header and what follows it.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    source_port: u16,
    destination_port: u16,
    seq: u32,
    ack: u32,
    flags: TcpFlags,
    window: u16,
    checksum: u16,
    options: &'a [u8],
    payload: Bytes<'a>,
}

/// The header at the start of `bytes`. Where it was cut, or its length makes no sense, there is no payload: the connection is known all
/// the same.
#[inline(always)]
fn header(bytes: Bytes<'_>) -> Result<Header<'_>, Skip> {
    match TcpHeaderSlice::from_slice(bytes.seen) {
        Ok(header) => {
            let len = header.slice().len();
            let options = bytes.seen.get(TcpHeader::MIN_LEN..len).unwrap_or_default();
            Ok(fields(&header, options, bytes.after(len)?))
        }
        Err(_) => damaged(bytes),
    }
}

/// A header that was cut, or whose length makes no sense.
#[cold]
fn damaged(bytes: Bytes<'_>) -> Result<Header<'_>, Skip> {
    let claimed = bytes.seen.get(12).map_or(0, |offset| usize::from(offset >> 4) * 4);
    let mut copy = [0; TcpHeader::MIN_LEN];
    let header = without_options(bytes.seen, &mut copy).ok_or(bytes.missing(ENOUGH))?;
    let nothing = Bytes::whole(&[]);
    if claimed < TcpHeader::MIN_LEN {
        return Ok(fields(&header, &[], nothing));
    }
    // Of options cut by the snap length, what there is of them counts.
    let options = bytes.seen.get(TcpHeader::MIN_LEN..).unwrap_or_default();
    Ok(fields(&header, options, Bytes::new(&[], bytes.wire.saturating_sub(claimed))))
}

/// The header in `seen` made one without options, in `copy`; fields of it that were cut are zero. `None` if too many were.
fn without_options<'c>(seen: &[u8], copy: &'c mut [u8; TcpHeader::MIN_LEN]) -> Option<TcpHeaderSlice<'c>> {
    /// The data offset of such a header, in words of four bytes.
    const OFFSET: u8 = 5;
    if seen.len() < ENOUGH {
        return None;
    }
    for (to, from) in copy.iter_mut().zip(seen) {
        *to = *from;
    }
    copy[12] = (copy[12] & 0x0f) | (OFFSET << 4);
    TcpHeaderSlice::from_slice(copy).ok()
}

#[inline(always)]
fn fields<'a>(header: &TcpHeaderSlice<'_>, options: &'a [u8], payload: Bytes<'a>) -> Header<'a> {
    Header {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: flags(header),
        window: header.window_size(),
        checksum: header.checksum(),
        options,
        payload,
    }
}

/// All 12 bits: etherparse leaves the reserved ones out.
#[inline(always)]
pub(super) fn flags(header: &TcpHeaderSlice<'_>) -> TcpFlags {
    match header.slice() {
        [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => TcpFlags(u16::from_be_bytes([high & 0x0f, *low])),
        _ => TcpFlags::default(),
    }
}

/// The TCP segment that `packet` carries.
#[inline(always)]
pub(super) fn segment<'a>(at: At, link: Link, packet: Packet<'a>) -> Result<Segment<'a>, Skip> {
    let header = header(packet.payload)?;
    let segment = packet.payload.seen;
    let checksum = if packet.whole && packet.fragment.is_none() && segment.len() >= TcpHeader::MIN_LEN {
        checksum::verify(packet.source, packet.destination, segment, header.checksum)
    } else {
        Checksum::Unknown
    };
    let (key, way) = flow(packet, header.source_port, header.destination_port);
    Ok(Segment {
        at,
        key,
        way,
        seq: header.seq,
        ack: header.ack,
        flags: header.flags,
        window: header.window,
        options: options(header.options),
        payload: header.payload.seen,
        payload_len: u32::try_from(header.payload.wire).unwrap_or(u32::MAX),
        checksum,
        ttl: packet.ttl,
        ip_id: packet.id,
        dont_fragment: packet.dont_fragment,
        source_mac: link.source_mac,
        interface: link.interface,
        outgoing: link.outgoing,
    })
}

/// The ICMP error `complaint` about the segment quoted in `packet`. Eight bytes are enough: more was never promised (RFC 792).
pub(super) fn quoted(at: At, complaint: Complaint, packet: Packet<'_>) -> Result<IcmpError, Skip> {
    let (&[a, b, c, d, seq @ ..], _) = packet.payload.head::<8>()?;
    let (key, way) = flow(packet, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let flags = header(packet.payload).ok().map(|header| header.flags);
    let Complaint { from, kind, mtu } = complaint;
    Ok(IcmpError { at, from, kind, mtu, key, way, seq: u32::from_be_bytes(seq), flags })
}

#[inline(always)]
fn flow(packet: Packet<'_>, source: u16, destination: u16) -> (FlowKey, Way) {
    FlowKey::new(Endpoint { ip: packet.source, port: source }, Endpoint { ip: packet.destination, port: destination })
}

/// The options, over unknown and damaged ones as far as their lengths lead.
#[inline(always)]
pub(super) fn options(bytes: &[u8]) -> TcpOptions {
    match *bytes {
        [] => TcpOptions::default(),
        [1, 1, 8, 10, a, b, c, d, e, f, g, h] => {
            let timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            TcpOptions { timestamps, ..TcpOptions::default() }
        }
        _ => other_options(bytes),
    }
}

/// There are none, or timestamps in the usual layout (RFC 7323 appendix A).
#[inline(always)]
pub(super) fn are_usual_options(bytes: &[u8]) -> bool {
    matches!(bytes, [] | [1, 1, 8, 10, _, _, _, _, _, _, _, _])
}

fn other_options(mut bytes: &[u8]) -> TcpOptions {
    let mut found = TcpOptions::default();
    while !bytes.is_empty() {
        let mut known = TcpOptionsIterator::from_slice(bytes);
        loop {
            let here = known.rest();
            match known.next() {
                Some(Ok(option)) => note(&mut found, option),
                None => return found,
                Some(Err(_)) => {
                    // etherparse stops at the first option it does not know, such as those of multipath TCP.
                    bytes = here.get(1).filter(|&&len| len >= 2).and_then(|&len| here.get(usize::from(len)..)).unwrap_or_default();
                    break;
                }
            }
        }
    }
    found
}

fn note(found: &mut TcpOptions, option: TcpOptionElement) {
    match option {
        TcpOptionElement::MaximumSegmentSize(mss) => found.mss = Some(mss),
        TcpOptionElement::WindowScale(shift) => found.window_scale = Some(shift),
        TcpOptionElement::SelectiveAcknowledgementPermitted => found.sack_permitted = true,
        TcpOptionElement::SelectiveAcknowledgement(first, _) => found.sack = Some(first),
        TcpOptionElement::Timestamp(value, echo) => found.timestamps = Some((value, echo)),
        TcpOptionElement::Noop => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::super::{Decoded, Decoder};
    use super::*;
    use crate::base::LinkType;

    /// An IPv4 packet with the segment of [`tcp4`], but `options` instead of its own.
    fn with_options(options: &[u8]) -> Vec<u8> {
        let mut data = tcp4(PAYLOAD);
        data.splice(40..52, options.iter().copied());
        data[32] = ((5 + options.len() / 4) as u8) << 4;
        let total = data.len() as u16;
        data[2..4].copy_from_slice(&total.to_be_bytes());
        data
    }

    fn read(options: &[u8]) -> TcpOptions {
        with_decoded(LinkType::RAW, &with_options(options), |decoded| match decoded {
            Decoded::Tcp(segment) => {
                assert_eq!(segment.payload, PAYLOAD);
                segment.options
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn options_are_read_over_unknown_ones() {
        let none = TcpOptions::default();
        assert_eq!(read(&[]), none);
        assert_eq!(read(&[1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6]), TcpOptions { timestamps: Some((5, 6)), ..none });
        let syn = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 5, 0, 0, 0, 0, 1, 3, 3, 7];
        let read_syn = TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, timestamps: Some((5, 0)), sack: None };
        assert_eq!(read(&syn), read_syn);
        let sack = [1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];
        assert_eq!(read(&sack), TcpOptions { sack: Some((1, 2)), ..none });
        // Multipath TCP, then what comes after it.
        assert_eq!(read(&[30, 8, 0, 0, 0, 0, 0, 0, 2, 4, 5, 0xb4]), TcpOptions { mss: Some(1460), ..none });
        // A known one of a wrong length.
        assert_eq!(read(&[3, 4, 7, 7, 2, 4, 5, 0xb4]), TcpOptions { mss: Some(1460), ..none });
        // The end of the list ends it; so does a length that leads nowhere.
        assert_eq!(read(&[0, 1, 1, 1, 2, 4, 5, 0xb4]), none);
        assert_eq!(read(&[99, 1, 1, 1, 2, 4, 5, 0xb4]), none);
        assert_eq!(read(&[99, 0, 1, 1, 2, 4, 5, 0xb4]), none);
        assert_eq!(read(&[99, 9, 1, 1, 2, 4, 5, 0xb4]), none);
        assert_eq!(read(&[1, 1, 1, 8]), none);
    }

    #[test]
    fn all_twelve_flags_are_kept() {
        for flags in [0x000, 0x002, 0x014, 0x1ff, 0xe00, 0xfff] {
            let mut data = tcp4(b"");
            data[32] = 0x80 | (flags >> 8) as u8;
            data[33] = flags as u8;
            with_decoded(LinkType::RAW, &data, |decoded| {
                assert!(matches!(decoded, Decoded::Tcp(Segment { flags: TcpFlags(read), .. }) if read == flags), "{flags:x}");
            });
        }
    }

    #[test]
    fn a_bad_data_offset_leaves_the_connection_and_nothing_else() {
        let mut data = tcp4(PAYLOAD);
        for offset in 0..16 {
            data[32] = offset << 4;
            with_decoded(LinkType::RAW, &data, |decoded| {
                let Decoded::Tcp(segment) = decoded else { panic!("{decoded:?}") };
                assert_eq!((segment.seq, segment.key.source(segment.way).port), (SEQ, PORT));
                let header = usize::from(offset) * 4;
                let payload = if (20..=54).contains(&header) { 54 - header } else { 0 };
                assert_eq!((segment.payload.len(), segment.payload_len as usize), (payload, payload), "offset {offset}");
            });
        }
    }

    #[test]
    fn a_length_too_short_for_the_header_is_believed_down_to_the_window() {
        let mut data = tcp4(PAYLOAD);
        for len in 0..32 {
            data[2..4].copy_from_slice(&(20 + len as u16).to_be_bytes());
            with_decoded(LinkType::RAW, &data, |decoded| match decoded {
                Decoded::Tcp(segment) => {
                    assert!(len >= 16);
                    assert_eq!((segment.seq, segment.window, segment.payload_len), (SEQ, 501, 0));
                }
                Decoded::Skipped(skip) => assert!(len < 16 && skip == Skip::Malformed),
                other => panic!("{other:?}"),
            });
        }
    }

    #[test]
    fn options_that_were_cut_count_as_far_as_they_go() {
        let data = with_options(&[2, 4, 5, 0xb4, 4, 2, 3, 3, 7, 1, 1, 1]);
        let mut decoder = Decoder::new();
        let mut cut = |n: usize| match decoder.decode(&frame(LinkType::RAW, &data[..n], data.len())) {
            Decoded::Tcp(segment) => (segment.options.mss, segment.options.sack_permitted, segment.payload_len as usize),
            other => panic!("{other:?}"),
        };
        assert_eq!(cut(43), (None, false, PAYLOAD.len()));
        assert_eq!(cut(44), (Some(1460), false, PAYLOAD.len()));
        assert_eq!(cut(46), (Some(1460), true, PAYLOAD.len()));
    }
}
