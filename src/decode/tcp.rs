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
    // All 12 bits: etherparse leaves the reserved ones out.
    let flags = match header.slice() {
        [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => u16::from_be_bytes([high & 0x0f, *low]),
        _ => 0,
    };
    Header {
        source_port: header.source_port(),
        destination_port: header.destination_port(),
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: TcpFlags(flags),
        window: header.window_size(),
        checksum: header.checksum(),
        options,
        payload,
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
fn options(bytes: &[u8]) -> TcpOptions {
    match *bytes {
        [] => TcpOptions::default(),
        // The usual layout (RFC 7323 appendix A), without a detour.
        [1, 1, 8, 10, a, b, c, d, e, f, g, h] => {
            let timestamps = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            TcpOptions { timestamps, ..TcpOptions::default() }
        }
        _ => other_options(bytes),
    }
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
