//! The frames that nearly all others are: one whole TCP segment in IPv4 in Ethernet, read without the detours that the rest need.

use etherparse::{EtherType, Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice, TcpHeaderSlice};

use super::{Checksum, Segment, checksum, tcp};
use crate::base::{FlowKey, Frame, LinkType, Way};

/// The connection of such a frame of which these are the bytes, if it is one, and its way: a guess that costs next to nothing.
#[inline]
pub fn foretell(frame: &[u8]) -> Option<(FlowKey, Way)> {
    let [8, 0, 0x45, _, _, _, _, _, _, _, _, 6, _, _, a, b, c, d, e, f, g, h, i, j, k, l] = *frame.get(12..)?.first_chunk()? else {
        return None;
    };
    let (source, destination) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    Some(FlowKey::v4((source, u16::from_be_bytes([i, j])), (destination, u16::from_be_bytes([k, l]))))
}

/// The segment in `frame`, where there is nothing out of the ordinary about it: what [`Decoder::decode`](super::Decoder::decode) would say
/// of it, at a fraction of the cost. `None` says nothing.
#[inline]
pub fn plain<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    if frame.link != LinkType::ETHERNET {
        return None;
    }
    let ethernet = Ethernet2HeaderSlice::from_slice(frame.data).ok()?;
    if ethernet.ether_type() != EtherType::IPV4 {
        return None;
    }
    let packet = frame.data.get(ethernet.slice().len()..)?;
    let ip = Ipv4HeaderSlice::from_slice(packet).ok()?;
    if ip.protocol() != IpNumber::TCP || ip.is_fragmenting_payload() {
        return None;
    }
    // A length of zero, which offload leaves, or one beyond what was captured is none of this.
    let bytes = packet.get(ip.slice().len()..ip.total_len().into())?;
    let header = TcpHeaderSlice::from_slice(bytes).ok()?;
    let (options, payload) = bytes.split_at_checked(header.slice().len())?;
    let (source, destination) = (u32::from_be_bytes(ip.source()), u32::from_be_bytes(ip.destination()));
    let (key, way) = FlowKey::v4((source, header.source_port()), (destination, header.destination_port()));
    let addresses = u64::from(u32::from_le_bytes(ip.source())) + u64::from(u32::from_le_bytes(ip.destination()));
    let checksum = match checksum::fits(addresses, bytes) {
        true => Checksum::Good,
        false => checksum::misfit(addresses, bytes, header.checksum()),
    };
    Some(Segment {
        at: frame.at,
        key,
        way,
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: tcp::flags(&header),
        window: header.window_size(),
        options: tcp::options(options.get(etherparse::TcpHeader::MIN_LEN..)?),
        payload,
        payload_len: u32::try_from(payload.len()).ok()?,
        checksum,
        ttl: ip.ttl(),
        ip_id: Some(ip.identification()),
        dont_fragment: ip.dont_fragment(),
        source_mac: Some(ethernet.source()),
        interface: frame.interface,
        outgoing: frame.outgoing,
    })
}
