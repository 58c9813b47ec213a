//! A packet editor: takes a frame with TCP in it apart, and puts it together again with checksums that fit.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, TcpHeader};
use whohungup::base::LinkType;

use super::Owned;

/// A frame, as far as it can be edited.
#[derive(Clone, Debug)]
pub enum Item {
    Tcp(Packet),
    /// An ICMP error over IPv4 that quotes TCP.
    Icmp(Complaint),
    /// Anything else, left alone.
    Other(Owned),
}

/// A TCP segment in its packet.
#[derive(Clone, Debug)]
pub struct Packet {
    pub time: i64,
    pub link: LinkType,
    /// The link layer's header.
    pub head: Vec<u8>,
    pub ip: Ip,
    pub tcp: TcpHeader,
    pub payload: Vec<u8>,
    /// Bytes of payload that the snap length cut off.
    pub cut: usize,
    /// What its checksum said.
    pub checksum: Sum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    Fits,
    /// By how much it is off: damage stays damage, whatever is edited.
    Off(u16),
    /// Beyond the snap length, or left to the network card: kept as it was.
    Kept,
}

#[derive(Clone, Debug)]
pub enum Ip {
    V4(Ipv4Header),
    V6(Ipv6Header),
}

/// An ICMP error.
#[derive(Clone, Debug)]
pub struct Complaint {
    pub time: i64,
    pub link: LinkType,
    pub head: Vec<u8>,
    pub ip: Ipv4Header,
    /// Its ICMP header, and what it quotes: an IPv4 header and the beginning of a TCP header.
    pub message: Vec<u8>,
}

/// A direction of a connection: from whom to whom.
pub type Direction = (IpAddr, u16, IpAddr, u16);

pub fn reverse((a, p, b, q): Direction) -> Direction {
    (b, q, a, p)
}

pub fn parse(frame: &Owned) -> Item {
    complaint(frame).map(Item::Icmp).or_else(|| packet(frame).map(Item::Tcp)).unwrap_or_else(|| Item::Other(frame.clone()))
}

/// The link-layer header's length, and the EtherType it names.
fn head_len(frame: &Owned) -> Option<(usize, u16)> {
    let at = |i: usize| Some(u16::from_be_bytes([*frame.data.get(i)?, *frame.data.get(i + 1)?]));
    match frame.link {
        LinkType::ETHERNET => Some((14, at(12)?)),
        LinkType::LINUX_SLL => Some((16, at(14)?)),
        LinkType::LINUX_SLL2 => Some((20, at(0)?)),
        _ => None,
    }
}

fn packet(frame: &Owned) -> Option<Packet> {
    let (len, typ) = head_len(frame)?;
    let (head, rest) = frame.data.split_at_checked(len)?;
    let (ip, rest, within) = match typ {
        0x0800 => {
            let (ip, rest) = Ipv4Header::from_slice(rest).ok()?;
            if ip.protocol != IpNumber::TCP || ip.is_fragmenting_payload() {
                return None;
            }
            let within = usize::from(ip.total_len).checked_sub(ip.header_len())?;
            (Ip::V4(ip), rest, within)
        }
        0x86dd => {
            let (ip, rest) = Ipv6Header::from_slice(rest).ok()?;
            if ip.next_header != IpNumber::TCP {
                return None;
            }
            let within = usize::from(ip.payload_length);
            (Ip::V6(ip), rest, within)
        }
        _ => return None,
    };
    let rest = &rest[..rest.len().min(within)];
    let (tcp, payload) = TcpHeader::from_slice(rest).ok()?;
    let cut = within - rest.len();
    let checksum = if cut > 0 {
        Sum::Kept
    } else {
        match tcp.checksum.wrapping_sub(right_sum(&ip, &tcp, payload)) {
            0 => Sum::Fits,
            // An own packet, captured before the card filled the checksum in.
            _ if tcp.checksum == 0 => Sum::Kept,
            off => Sum::Off(off),
        }
    };
    Some(Packet { time: frame.time, link: frame.link, head: head.to_vec(), ip, tcp, payload: payload.to_vec(), cut, checksum })
}

fn complaint(frame: &Owned) -> Option<Complaint> {
    let (len, typ) = head_len(frame)?;
    let (head, rest) = frame.data.split_at_checked(len)?;
    let (ip, rest) = Ipv4Header::from_slice(rest).ok().filter(|_| typ == 0x0800)?;
    let message = rest.get(..usize::from(ip.total_len).checked_sub(ip.header_len())?)?.to_vec();
    let quotes_tcp = message.get(8 + 9) == Some(&6) && message.len() >= 8 + 20 + 8;
    (ip.protocol == IpNumber::ICMP && matches!(message[0], 3 | 11) && quotes_tcp).then(|| Complaint {
        time: frame.time,
        link: frame.link,
        head: head.to_vec(),
        ip,
        message,
    })
}

fn right_sum(ip: &Ip, tcp: &TcpHeader, payload: &[u8]) -> u16 {
    match ip {
        Ip::V4(ip) => tcp.calc_checksum_ipv4(ip, payload).unwrap(),
        Ip::V6(ip) => tcp.calc_checksum_ipv6(ip, payload).unwrap(),
    }
}

impl Item {
    pub fn frame(&self) -> Owned {
        match self {
            Item::Tcp(packet) => packet.frame(),
            Item::Icmp(complaint) => complaint.frame(),
            Item::Other(frame) => frame.clone(),
        }
    }

    pub fn time(&self) -> i64 {
        match self {
            Item::Tcp(packet) => packet.time,
            Item::Icmp(complaint) => complaint.time,
            Item::Other(frame) => frame.time,
        }
    }

    pub fn set_time(&mut self, time: i64) {
        match self {
            Item::Tcp(packet) => packet.time = time,
            Item::Icmp(complaint) => complaint.time = time,
            Item::Other(frame) => frame.time = time,
        }
    }

    pub fn tcp(&self) -> Option<&Packet> {
        match self {
            Item::Tcp(packet) => Some(packet),
            _ => None,
        }
    }
}

impl Packet {
    pub fn direction(&self) -> Direction {
        let (source, destination) = match &self.ip {
            Ip::V4(ip) => (IpAddr::from(ip.source), IpAddr::from(ip.destination)),
            Ip::V6(ip) => (IpAddr::from(ip.source), IpAddr::from(ip.destination)),
        };
        (source, self.tcp.source_port, destination, self.tcp.destination_port)
    }

    /// Payload on the wire.
    pub fn len(&self) -> usize {
        self.payload.len() + self.cut
    }

    /// Whether it is nothing but data on an established connection, whole and undamaged.
    pub fn is_plain_data(&self) -> bool {
        let tcp = &self.tcp;
        !self.payload.is_empty() && self.cut == 0 && self.checksum == Sum::Fits && tcp.ack && !(tcp.syn || tcp.fin || tcp.rst || tcp.urg)
    }

    pub fn frame(&self) -> Owned {
        let within = self.tcp.header_len() + self.len();
        let mut ip = self.ip.clone();
        let mut data = self.head.clone();
        match &mut ip {
            Ip::V4(ip) => {
                ip.set_payload_len(within).unwrap();
                ip.header_checksum = ip.calc_header_checksum();
                data.extend_from_slice(&ip.to_bytes());
            }
            Ip::V6(ip) => {
                ip.set_payload_length(within).unwrap();
                data.extend_from_slice(&ip.to_bytes());
            }
        }
        let mut tcp = self.tcp.clone();
        match self.checksum {
            Sum::Kept => {}
            Sum::Fits => tcp.checksum = right_sum(&ip, &tcp, &self.payload),
            Sum::Off(by) => tcp.checksum = right_sum(&ip, &tcp, &self.payload).wrapping_add(by),
        }
        data.extend_from_slice(&tcp.to_bytes());
        data.extend_from_slice(&self.payload);
        let wire_len = (data.len() + self.cut) as u32;
        Owned { time: self.time, link: self.link, wire_len, data }
    }

    /// Gives both addresses another value.
    pub fn map_addresses(&mut self, map: impl Fn(Ipv4Addr) -> Ipv4Addr) {
        if let Ip::V4(ip) = &mut self.ip {
            ip.source = map(ip.source.into()).octets();
            ip.destination = map(ip.destination.into()).octets();
        }
    }
}

impl Complaint {
    /// From whom to whom the quoted segment went.
    pub fn quoted(&self) -> Option<Direction> {
        let quote = self.message.get(8..)?;
        let ip = |i: usize| Some(IpAddr::from(Ipv4Addr::from(*quote.get(i..)?.first_chunk::<4>()?)));
        let tcp = quote.get(usize::from(quote[0] & 15) * 4..)?;
        let port = |i: usize| Some(u16::from_be_bytes(*tcp.get(i..)?.first_chunk::<2>()?));
        Some((ip(12)?, port(0)?, ip(16)?, port(2)?))
    }

    /// Gives the quoted segment another sequence number.
    pub fn shift_quoted(&mut self, by: u32) {
        let start = 8 + usize::from(self.message[8] & 15) * 4 + 4;
        let seq = u32::from_be_bytes(*self.message[start..].first_chunk().unwrap());
        self.message[start..start + 4].copy_from_slice(&seq.wrapping_add(by).to_be_bytes());
    }

    /// Gives all four addresses another value.
    pub fn map_addresses(&mut self, map: impl Fn(Ipv4Addr) -> Ipv4Addr) {
        self.ip.source = map(self.ip.source.into()).octets();
        self.ip.destination = map(self.ip.destination.into()).octets();
        for start in [8 + 12, 8 + 16] {
            let old = Ipv4Addr::from(*self.message[start..].first_chunk::<4>().unwrap());
            self.message[start..start + 4].copy_from_slice(&map(old).octets());
        }
    }

    fn frame(&self) -> Owned {
        let mut message = self.message.clone();
        let header = 8 + usize::from(message[8] & 15) * 4;
        set_sum(&mut message[8..header], 10);
        set_sum(&mut message, 2);
        let mut ip = self.ip.clone();
        ip.header_checksum = ip.calc_header_checksum();
        let mut data = self.head.clone();
        data.extend_from_slice(&ip.to_bytes());
        data.extend_from_slice(&message);
        Owned { time: self.time, link: self.link, wire_len: data.len() as u32, data }
    }
}

/// Writes the Internet checksum of `bytes` into its own place, `at`.
fn set_sum(bytes: &mut [u8], at: usize) {
    bytes[at..at + 2].fill(0);
    let sum = etherparse::checksum::Sum16BitWords::new().add_slice(bytes).ones_complement().to_be();
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

pub fn parse_all(frames: &[Owned]) -> Vec<Item> {
    frames.iter().map(parse).collect()
}

pub fn build_all(items: &[Item]) -> Vec<Owned> {
    items.iter().map(Item::frame).collect()
}
