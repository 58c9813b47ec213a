//! From a frame to the TCP segment or ICMP error in it: link layers, tunnels, IP, fragments.
//!
//! etherparse reads the headers it knows; what it does not know is stripped by hand around it. The reading is Wireshark's: a frame
//! takes part in `tcp.stream` numbering there if it is a [`Decoded::Tcp`] here, or a [`Decoded::Icmp`] with flags.

mod bytes;
mod checksum;
mod fragments;
mod icmp;
mod ip;
mod layout;
mod link;
mod plain;
mod segment;
mod tcp;
mod tunnel;
mod udp;

use etherparse::{EtherType, IpNumber};

pub use layout::{Header, Passed, sum};
pub use plain::{Glance, glance, plain, usual};
pub use segment::{Checksum, Decoded, IcmpError, IcmpKind, Segment, Skip, TcpFlags, TcpOptions, UdpKind};

use crate::base::Frame;
use fragments::Fragments;
use icmp::Complaint;
use layout::{Join, Trace, Untraced};
use udp::Udp;

/// Headers followed in one frame before it is given up as nonsense: tags, tunnels, IP headers.
const MAX_LAYERS: usize = 24;
/// Datagrams joined from fragments in one frame: a fragmented packet in a tunnel that was fragmented itself.
const MAX_JOINS: usize = 2;

/// The next header to read.
#[derive(Clone, Copy, Debug)]
enum Layer {
    /// An Ethernet header.
    Ethernet,
    /// What an EtherType names.
    EtherType(EtherType),
    /// An LLC header.
    Llc,
    /// A PPP header.
    Ppp,
    /// An IP header, of the version its first nibble says: there are captures with IPv6 where IPv4 was announced.
    Ip,
    /// An IPv6 header.
    Ipv6,
}

/// Decodes frames. Holds nothing but IP fragments that wait for the rest of their datagram.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Fragments,
    /// The datagrams that the last frame completed.
    joined: [Vec<u8>; MAX_JOINS],
    /// Where the headers of the first of them lay.
    join: Option<Join>,
}

impl Decoder {
    /// A decoder that holds nothing.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// What `frame` holds. Every frame is something: see [`Skip`] for those that are of no use.
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        self.decode_traced(frame, &mut Untraced)
    }

    #[inline(always)]
    fn decode_traced<'a>(&'a mut self, frame: &Frame<'a>, trace: &mut impl Trace<'a>) -> Decoded<'a> {
        let mut complaint = None;
        match self.walk(frame, &mut complaint, trace) {
            Ok(decoded) => decoded,
            // An error about something else, or with too little of it.
            Err(_) if complaint.is_some() => Decoded::Skipped(Skip::Icmp),
            Err(skip) => Decoded::Skipped(skip),
        }
    }

    /// Goes from header to header, up to one that ends it.
    ///
    /// The way to a TCP segment over Ethernet and IP is the hot path of the whole program. It is kept free of calls: what they return
    /// by memory costs more than the reading.
    #[inline(always)]
    fn walk<'a>(
        &'a mut self,
        frame: &Frame<'a>,
        complaint: &mut Option<Complaint>,
        trace: &mut impl Trace<'a>,
    ) -> Result<Decoded<'a>, Skip> {
        let mut joined = self.joined.iter_mut();
        let (mut link, mut layer, mut bytes) = link::outermost(frame)?;
        for _ in 0..MAX_LAYERS {
            let ip = bytes.seen;
            let mut packet = match layer {
                Layer::Ethernet => {
                    trace.pass(Header::Ethernet, bytes.seen, bytes.seen, None);
                    (link.source_mac, layer, bytes) = link::ethernet(bytes)?;
                    continue;
                }
                Layer::EtherType(EtherType::VLAN_TAGGED_FRAME) => {
                    (layer, bytes) = link::tag(bytes)?;
                    continue;
                }
                Layer::Ip | Layer::EtherType(EtherType::IPV4) => match bytes.first_nibble()? {
                    4 => ip::v4(bytes)?,
                    6 => {
                        layer = Layer::Ipv6;
                        continue;
                    }
                    _ => return Err(Skip::Malformed),
                },
                Layer::Ipv6 | Layer::EtherType(EtherType::IPV6) => ip::v6(bytes)?,
                Layer::EtherType(typ) => {
                    (layer, bytes) = link::ether_type(typ, bytes)?;
                    continue;
                }
                Layer::Llc => {
                    (layer, bytes) = link::llc(bytes)?;
                    continue;
                }
                Layer::Ppp => {
                    (layer, bytes) = link::ppp(bytes)?;
                    continue;
                }
            };
            while let Some(place) = packet.fragment {
                if !packet.whole {
                    // Without all its bytes there is no joining, but the beginning has the ports all the same. (Wireshark does so with
                    // IPv4 only.)
                    if place.offset.value() == 0 && packet.id.is_some() { break } else { return Err(Skip::FragmentDropped) }
                }
                if complaint.is_some() {
                    return Err(Skip::Icmp);
                }
                let slot = joined.next().ok_or(Skip::FragmentDropped)?;
                *slot = self.fragments.join(packet, place, frame.at.time)?;
                self.join.take_if(|join| !join.is_of(frame));
                self.join.get_or_insert_with(|| Join::new(frame, ip, &packet));
                packet = packet.joined(slot)?;
            }
            let (carried, header) = (packet.payload.seen, if packet.id.is_some() { Header::Ipv4 } else { Header::Ipv6 });
            trace.pass(header, ip, carried, Some(&packet));
            match packet.protocol {
                IpNumber::TCP => trace.pass(Header::Tcp, carried, carried, None),
                IpNumber::UDP => trace.pass(Header::Udp, carried, carried, None),
                IpNumber::GRE => trace.pass(Header::Gre, carried, carried, None),
                IpNumber::ICMP | IpNumber::IPV6_ICMP => trace.pass(Header::Icmp, carried, carried, None),
                _ => {}
            }
            (layer, bytes) = match (packet.protocol, *complaint) {
                (IpNumber::TCP, None) => return tcp::segment(frame.at, link, packet).map(Decoded::Tcp),
                (IpNumber::TCP, Some(complaint)) => return tcp::quoted(frame.at, complaint, packet).map(Decoded::Icmp),
                (IpNumber::UDP, outer) => match (udp::datagram(packet.payload)?, outer) {
                    (Udp::Tunnel(layer, inner), _) => (layer, inner),
                    (Udp::Kind(kind), None) => return Ok(Decoded::Udp(kind)),
                    (Udp::Kind(_), Some(_)) => return Err(Skip::Icmp),
                },
                (IpNumber::ICMP | IpNumber::IPV6_ICMP, outer) => {
                    let (error, quoted) = icmp::complaint(packet)?;
                    // Of an error about an error, which nobody may send, the outer one speaks.
                    *complaint = outer.or(Some(error));
                    (Layer::Ip, quoted)
                }
                (protocol, _) => tunnel::over_ip(protocol, packet.payload)?,
            };
        }
        Err(Skip::Malformed)
    }
}

#[cfg(test)]
mod tests;
