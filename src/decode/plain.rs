//! The frames that nearly all others are: one whole TCP segment in IPv4 in Ethernet, read without the detours that the rest need.

use etherparse::{EtherType, Ethernet2HeaderSlice, IpNumber, Ipv4HeaderSlice, TcpHeaderSlice};

use super::{Checksum, Segment, TcpFlags, checksum, tcp};
use crate::base::{FlowKey, Frame, LinkType, Way};

/// Length of the headers before the TCP segment: an IPv4 one with options is not for here.
const BEFORE: usize = 14 + 20;

/// The segment in `frame`, where there is nothing out of the ordinary about it: what [`Decoder::decode`](super::Decoder::decode) would say of
/// it, at a fraction of the cost. `None` says nothing.
pub fn plain<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    read(frame, |_, _| true)
}

/// The same where, beyond that, the segment is of the kind that makes up most of a connection: no flag but ACK and PSH, no option but
/// timestamps.
// In line: what is made of a field where it is used never goes through memory.
#[inline(always)]
pub fn usual<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    read(frame, |flags, options| flags.goes_on() && tcp::are_usual_options(options))
}

/// `fits` tells by a segment's flags and options whether it is meant.
#[inline(always)]
fn read<'a>(frame: &Frame<'a>, fits: impl Fn(TcpFlags, &[u8]) -> bool) -> Option<Segment<'a>> {
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
    let (flags, options) = (tcp::flags(&header), options.get(etherparse::TcpHeader::MIN_LEN..)?);
    if !fits(flags, options) {
        return None;
    }
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
        flags,
        window: header.window_size(),
        options: tcp::options(options),
        payload,
        payload_len: payload.len() as u32,
        checksum,
        ttl: ip.ttl(),
        ip_id: Some(ip.identification()),
        dont_fragment: ip.dont_fragment(),
        source_mac: Some(ethernet.source()),
        interface: frame.interface,
        outgoing: frame.outgoing,
    })
}

/// What can be said at a glance of the segment in a frame, if it is one that [`plain`] reads: a guess, to ask for memory by.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// The connection it belongs to.
    pub key: FlowKey,
    /// Which way along `key` it goes.
    pub way: Way,
    /// It has payload.
    pub has_data: bool,
    /// Its flags, but for those of the upper four bits.
    pub flags: TcpFlags,
}

/// What can be said at a glance of `frame`.
#[inline(always)]
pub fn glance(frame: &Frame<'_>) -> Option<Glance> {
    let (_, packet) = frame.data.split_first_chunk::<14>().filter(|_| frame.link == LinkType::ETHERNET)?;
    // The version and header length of an IPv4 header without options, its total length, the protocol, the addresses, then the TCP header.
    let &[0x45, _, l0, l1, _, _, _, _, _, 6, _, _, a, b, c, d, e, f, g, h, s0, s1, d0, d1, _, _, _, _, _, _, _, _, off, flags] =
        packet.first_chunk::<34>()?
    else {
        return None;
    };
    let source = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([s0, s1]));
    let destination = (u32::from_be_bytes([e, f, g, h]), u16::from_be_bytes([d0, d1]));
    let (key, way) = FlowKey::v4(source, destination);
    let headers = 20 + u16::from(off >> 4) * 4;
    Some(Glance { key, way, has_data: u16::from_be_bytes([l0, l1]) > headers, flags: TcpFlags(flags.into()) })
}
