//! The frames that nearly all others are: one whole TCP segment in IPv4 in Ethernet, read without the detours that the rest need.

use etherparse::{EtherType, Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice, TcpHeaderSlice};

use super::{Checksum, Segment, TcpOptions, checksum, tcp};
use crate::base::{FlowKey, Frame, LinkType};

/// Length of the headers before the TCP segment: an IPv4 one with options is not for here.
const BEFORE: usize = 14 + 20;

/// Reads the segment in `frame` into `segment`, where there is nothing out of the ordinary about it: what
/// [`Decoder::decode`](super::Decoder::decode) would say of it, at a fraction of the cost. `false` says nothing, and leaves `segment` alone.
// In place: moving a segment costs as much as reading it.
#[inline(always)]
pub fn plain<'a>(frame: &Frame<'a>, segment: &mut Segment<'a>) -> bool {
    read(frame, segment).is_some()
}

#[inline(always)]
fn read<'a>(frame: &Frame<'a>, segment: &mut Segment<'a>) -> Option<()> {
    let before = frame.data.first_chunk::<BEFORE>().filter(|_| frame.link == LinkType::ETHERNET)?;
    let (link, network) = before.split_first_chunk::<14>()?;
    let ethernet = Ethernet2HeaderSlice::from_slice(link).ok()?;
    let ip = Ipv4HeaderSlice::from_slice(network).ok()?;
    if ethernet.ether_type() != EtherType::IPV4 || ip.protocol() != IpNumber::TCP || ip.is_fragmenting_payload() {
        return None;
    }
    // A length of zero, which offload leaves, or one beyond what was captured is none of this.
    let bytes = frame.data.get(BEFORE..link.len() + usize::from(ip.total_len()))?;
    let header = TcpHeaderSlice::from_slice(bytes).ok()?;
    let (options, payload) = bytes.split_at_checked(header.slice().len())?;
    let options = options.get(etherparse::TcpHeader::MIN_LEN..)?;
    let (source, destination) = (u32::from_be_bytes(ip.source()), u32::from_be_bytes(ip.destination()));
    let (key, way) = FlowKey::v4((source, header.source_port()), (destination, header.destination_port()));
    let addresses = u64::from(u32::from_le_bytes(ip.source())) + u64::from(u32::from_le_bytes(ip.destination()));
    let checksum = match checksum::fits(addresses, bytes) {
        true => Checksum::Good,
        false => checksum::misfit(addresses, bytes, header.checksum()),
    };
    *segment = Segment {
        at: frame.at,
        key,
        way,
        seq: header.sequence_number(),
        ack: header.acknowledgment_number(),
        flags: tcp::flags(&header),
        window: header.window_size(),
        options: TcpOptions::default(),
        payload,
        payload_len: payload.len() as u32,
        checksum,
        ttl: ip.ttl(),
        ip_id: Some(ip.identification()),
        dont_fragment: ip.dont_fragment(),
        source_mac: Some(ethernet.source()),
        interface: frame.interface,
        outgoing: frame.outgoing,
    };
    tcp::find_options(options, &mut segment.options);
    Some(())
}
