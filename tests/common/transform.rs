//! Changes to a capture that leave what happened in it as it was.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use etherparse::{IpNumber, Ipv6Header, TcpOptionElement};
use whohungup::base::LinkType;

use super::packet::{Complaint, Direction, Ip, Item, Packet, Sum, build_all, parse_all, reverse};
use super::{Owned, Random};

/// Packets farther apart than this are not in flight together: neither joined nor swapped.
const TOGETHER: i64 = 50_000_000;

/// Cuts segments in two at a random place.
pub fn resegmented(frames: &[Owned], random: &mut Random) -> Vec<Owned> {
    let mut out = Vec::new();
    for item in parse_all(frames) {
        match item {
            Item::Tcp(packet) if packet.len() > 1 && packet.cut == 0 && !packet.tcp.syn && !packet.tcp.rst => {
                let at = 1 + random.below(packet.payload.len() - 1);
                let (first, second) = split(packet, at);
                out.extend([first.frame(), second.frame()]);
            }
            item => out.push(item.frame()),
        }
    }
    out
}

fn split(packet: Packet, at: usize) -> (Packet, Packet) {
    let (mut first, mut second) = (packet.clone(), packet);
    first.payload.truncate(at);
    (first.tcp.fin, first.tcp.psh) = (false, false);
    second.payload.drain(..at);
    second.tcp.sequence_number = second.tcp.sequence_number.wrapping_add(at as u32);
    if let Ip::V4(ip) = &mut second.ip
        && ip.identification != 0
    {
        ip.identification = ip.identification.wrapping_add(0x4000);
    }
    (first, second)
}

/// Joins neighbouring segments, as receiving cards and kernels do.
pub fn merged(frames: &[Owned]) -> Vec<Owned> {
    let mut out: Vec<Item> = Vec::new();
    for item in parse_all(frames) {
        if let (Some(Item::Tcp(last)), Item::Tcp(next)) = (out.last_mut(), &item)
            && fits_behind(last, next)
        {
            last.payload.extend_from_slice(&next.payload);
            last.tcp.psh = next.tcp.psh;
            last.tcp.fin = next.tcp.fin;
            continue;
        }
        out.push(item);
    }
    build_all(&out)
}

fn fits_behind(last: &Packet, next: &Packet) -> bool {
    let timestamps = |packet: &Packet| {
        packet.tcp.options_iterator().find_map(|option| match option {
            Ok(TcpOptionElement::Timestamp(value, echo)) => Some((value, echo)),
            _ => None,
        })
    };
    let data = Packet { tcp: etherparse::TcpHeader { fin: false, ..next.tcp.clone() }, ..next.clone() };
    last.is_plain_data()
        && data.is_plain_data()
        && last.direction() == next.direction()
        && last.tcp.acknowledgment_number == next.tcp.acknowledgment_number
        && last.tcp.sequence_number.wrapping_add(last.payload.len() as u32) == next.tcp.sequence_number
        && timestamps(last) == timestamps(next)
        && next.time - last.time < TOGETHER
        && last.len() + next.len() < 60_000
}

/// Swaps neighbouring segments of data of one direction, so that none moves more than two places within its connection.
/// `fins`: a FIN may come before data that was sent before it.
pub fn reordered(frames: &[Owned], random: &mut Random, fins: bool) -> Vec<Owned> {
    let mut items = parse_all(frames);
    let mut flows: HashMap<Direction, Vec<usize>> = HashMap::new();
    for (i, item) in items.iter().enumerate() {
        let Item::Tcp(packet) = item else { continue };
        let direction = packet.direction();
        let flow = direction.min(reverse(direction));
        flows.entry(flow).or_default().push(i);
    }
    let moves = |packet: &Packet| packet.is_plain_data() || (fins && packet.tcp.fin && !packet.tcp.rst && packet.checksum == Sum::Fits);
    for places in flows.values() {
        let mut at = 0;
        while at + 1 < places.len() {
            let run = places[at..].iter().take(3).take_while(|&&i| {
                let (Some(first), Some(this)) = (items[places[at]].tcp(), items[i].tcp()) else { return false };
                moves(this) && moves(first) && this.direction() == first.direction() && this.time - first.time < TOGETHER
            });
            let run: Vec<usize> = run.copied().collect();
            // Every order of two or three but the one they are in.
            match (run.len(), random.below(5)) {
                (0 | 1, _) => {}
                (2, _) => swap(&mut items, run[0], run[1]),
                (_, 0) => swap(&mut items, run[0], run[1]),
                (_, 1) => swap(&mut items, run[1], run[2]),
                (_, 2) => swap(&mut items, run[0], run[2]),
                (_, 3) => {
                    swap(&mut items, run[0], run[1]);
                    swap(&mut items, run[1], run[2]);
                }
                _ => {
                    swap(&mut items, run[1], run[2]);
                    swap(&mut items, run[0], run[1]);
                }
            }
            at += run.len().max(1);
        }
    }
    build_all(&items)
}

/// Exchanges two packets; the times stay with the places.
fn swap(items: &mut [Item], a: usize, b: usize) {
    let (at_a, at_b) = (items[a].time(), items[b].time());
    items.swap(a, b);
    items[a].set_time(at_a);
    items[b].set_time(at_b);
}

/// Every packet twice, the second 20 µs later, as mirror ports and the `any` device show them.
pub fn duplicated(frames: &[Owned]) -> Vec<Owned> {
    let copies = frames.iter().map(|frame| Owned { time: frame.time + 20_000, ..frame.clone() });
    let mut out: Vec<Owned> = frames.iter().cloned().chain(copies).collect();
    out.sort_by_key(|frame| frame.time);
    out
}

/// The same packets on another kind of link.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    Ethernet,
    Raw,
    Sll,
    Sll2,
    Vlan,
    QinQ,
    Null,
    Pppoe,
}

pub fn relinked(frames: &[Owned], to: Link) -> Vec<Owned> {
    frames.iter().map(|frame| relink(frame, to)).collect()
}

fn relink(frame: &Owned, to: Link) -> Owned {
    let (len, typ, mac): (usize, [u8; 2], [u8; 6]) = match frame.link {
        LinkType::ETHERNET => (14, [frame.data[12], frame.data[13]], *frame.data[6..].first_chunk().unwrap()),
        LinkType::LINUX_SLL => (16, [frame.data[14], frame.data[15]], *frame.data[6..].first_chunk().unwrap()),
        LinkType::LINUX_SLL2 => (20, [frame.data[0], frame.data[1]], *frame.data[12..].first_chunk().unwrap()),
        _ => return frame.clone(),
    };
    let ip = &frame.data[len..];
    if !matches!(typ, [0x08, 0x00] | [0x86, 0xdd]) {
        return frame.clone();
    }
    // Cooked headers say which packets the host sent and which were for it: here it was neither.
    let macs = [[2, 0, 0, 0, 0, 9], mac].concat();
    let (link, head) = match to {
        Link::Ethernet => (LinkType::ETHERNET, [macs.as_slice(), &typ].concat()),
        Link::Vlan => (LinkType::ETHERNET, [macs.as_slice(), &[0x81, 0, 0, 7], &typ].concat()),
        Link::QinQ => (LinkType::ETHERNET, [macs.as_slice(), &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 7], &typ].concat()),
        Link::Raw => (LinkType::RAW, Vec::new()),
        Link::Null => (LinkType::NULL, if typ[0] == 8 { vec![2, 0, 0, 0] } else { vec![30, 0, 0, 0] }),
        Link::Sll => (LinkType::LINUX_SLL, [&[0, 3, 0, 1, 0, 6], mac.as_slice(), &[0, 0], &typ].concat()),
        Link::Sll2 => (LinkType::LINUX_SLL2, [&typ, [0, 0, 0, 0, 0, 2, 0, 1, 3, 6].as_slice(), &mac, &[0, 0]].concat()),
        Link::Pppoe => {
            let inner = (ip.len() + frame.wire_len as usize - frame.data.len() + 2) as u16;
            let ppp: [u8; 2] = if typ[0] == 8 { [0, 0x21] } else { [0, 0x57] };
            let session = [&[0x88, 0x64, 0x11, 0, 0, 5], inner.to_be_bytes().as_slice(), &ppp].concat();
            (LinkType::ETHERNET, [macs, session].concat())
        }
    };
    let wire_len = frame.wire_len - len as u32 + head.len() as u32;
    Owned { time: frame.time, link, wire_len, data: [head.as_slice(), ip].concat() }
}

/// Everything later (or earlier).
pub fn shifted(frames: &[Owned], nanos: i64) -> Vec<Owned> {
    frames.iter().map(|frame| Owned { time: frame.time + nanos, ..frame.clone() }).collect()
}

/// The address that stands for `ip` once the order of addresses is turned round.
pub fn mirrored(ip: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, d] = ip.octets();
    Ipv4Addr::new(a, !b, !c, !d)
}

/// Other addresses: of two in the same /8, the greater one is now the smaller.
pub fn readdressed(frames: &[Owned]) -> Vec<Owned> {
    let mut items = parse_all(frames);
    for item in &mut items {
        match item {
            Item::Tcp(packet) => packet.map_addresses(mirrored),
            Item::Icmp(complaint) => complaint.map_addresses(mirrored),
            Item::Other(_) => {}
        }
    }
    build_all(&items)
}

/// Other initial sequence numbers, so that each direction's stream passes from 2³² - 1 to 0 in its middle.
pub fn wrapped(frames: &[Owned]) -> Vec<Owned> {
    let mut items = parse_all(frames);
    // First and last position of each direction.
    let mut spans: HashMap<Direction, (u32, u32)> = HashMap::new();
    for packet in items.iter().filter_map(Item::tcp) {
        let seq = packet.tcp.sequence_number;
        if packet.tcp.rst && seq == 0 {
            continue;
        }
        let (first, last) = spans.entry(packet.direction()).or_insert((seq, seq));
        let end = seq.wrapping_add(packet.len() as u32);
        if (end.wrapping_sub(*first) as i32) > (last.wrapping_sub(*first) as i32) {
            *last = end;
        }
    }
    // Directions of which only the other side's acknowledgements are seen.
    for packet in items.iter().filter_map(Item::tcp).filter(|packet| packet.tcp.ack) {
        let ack = packet.tcp.acknowledgment_number;
        spans.entry(reverse(packet.direction())).or_insert((ack, ack));
    }
    let shift = |direction: Direction| {
        spans.get(&direction).map_or(0, |(first, last)| 0u32.wrapping_sub(first.wrapping_add(last.wrapping_sub(*first) / 2)))
    };
    for item in &mut items {
        match item {
            Item::Tcp(packet) => {
                let own = shift(packet.direction());
                let peer = shift(reverse(packet.direction()));
                if packet.cut > 0 {
                    packet.checksum = Sum::Kept;
                }
                // A RST to a SYN has no position of its own.
                if !(packet.tcp.rst && packet.tcp.sequence_number == 0) {
                    packet.tcp.sequence_number = packet.tcp.sequence_number.wrapping_add(own);
                }
                if packet.tcp.ack {
                    packet.tcp.acknowledgment_number = packet.tcp.acknowledgment_number.wrapping_add(peer);
                }
                shift_sacks(packet, peer);
            }
            Item::Icmp(complaint) => {
                if let Some(direction) = complaint.quoted() {
                    complaint.shift_quoted(shift(direction));
                }
            }
            Item::Other(_) => {}
        }
    }
    build_all(&items)
}

fn shift_sacks(packet: &mut Packet, by: u32) {
    let moved = |(left, right): (u32, u32)| (left.wrapping_add(by), right.wrapping_add(by));
    let options: Result<Vec<TcpOptionElement>, _> = packet.tcp.options_iterator().collect();
    let Ok(mut options) = options else { return };
    let mut found = false;
    for option in &mut options {
        if let TcpOptionElement::SelectiveAcknowledgement(first, rest) = option {
            *first = moved(*first);
            rest.iter_mut().flatten().for_each(|block| *block = moved(*block));
            found = true;
        }
    }
    if found {
        packet.tcp.set_options(&options).unwrap();
    }
}

/// The IPv6 address that stands for an IPv4 one.
pub fn widened(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets().map(u16::from);
            IpAddr::from([0x2001, 0xdb8, 0, 0, a, b, c, d])
        }
        IpAddr::V6(_) => ip,
    }
}

/// IPv6 instead of IPv4, ICMP errors included.
pub fn over_ipv6(frames: &[Owned]) -> Vec<Owned> {
    let mut out = Vec::new();
    for item in parse_all(frames) {
        out.push(match item {
            Item::Tcp(mut packet) => {
                if let Ip::V4(ip) = &packet.ip {
                    packet.ip = Ip::V6(Ipv6Header {
                        next_header: IpNumber::TCP,
                        hop_limit: ip.time_to_live,
                        source: wide(ip.source),
                        destination: wide(ip.destination),
                        ..Ipv6Header::default()
                    });
                    announce_ipv6(packet.link, &mut packet.head);
                }
                packet.frame()
            }
            Item::Icmp(complaint) => complaint_over_ipv6(&complaint),
            Item::Other(frame) => frame,
        });
    }
    out
}

fn wide(ip: [u8; 4]) -> [u8; 16] {
    match widened(Ipv4Addr::from(ip).into()) {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
    }
}

/// Lets a link-layer header say that IPv6 follows.
fn announce_ipv6(link: LinkType, head: &mut [u8]) {
    let at = match link {
        LinkType::ETHERNET => 12,
        LinkType::LINUX_SLL => 14,
        _ => 0,
    };
    head[at..at + 2].copy_from_slice(&[0x86, 0xdd]);
}

/// The ICMPv6 error that means the same (RFC 7915 section 4.2).
fn complaint_over_ipv6(complaint: &Complaint) -> Owned {
    let message = &complaint.message;
    let (typ, code) = match (message[0], message[1]) {
        (11, code) => (3, code),
        (_, 4) => (2, 0),
        (_, 9 | 10 | 13) => (1, 1),
        (_, 2 | 3) => (1, 4),
        (_, 1) => (1, 3),
        _ => (1, 0),
    };
    let quoted = &message[8..];
    let segment = &quoted[usize::from(quoted[0] & 15) * 4..];
    let address = |at: usize| wide(*quoted[at..].first_chunk().unwrap());
    let inner = Ipv6Header {
        payload_length: u16::from_be_bytes([quoted[2], quoted[3]]) - u16::from(quoted[0] & 15) * 4,
        next_header: IpNumber::TCP,
        hop_limit: quoted[8],
        source: address(12),
        destination: address(16),
        ..Ipv6Header::default()
    };
    let mtu = [0, 0, message[6], message[7]];
    let mut body = [[typ, code, 0, 0].as_slice(), &mtu, &inner.to_bytes(), segment].concat();
    let (source, destination) = (wide(complaint.ip.source), wide(complaint.ip.destination));
    let pseudo = [source.as_slice(), &destination, &(body.len() as u32).to_be_bytes(), &[0, 0, 0, 58], &body].concat();
    let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&pseudo).ones_complement().to_be();
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    let outer = Ipv6Header {
        payload_length: body.len() as u16,
        next_header: IpNumber::IPV6_ICMP,
        hop_limit: complaint.ip.time_to_live,
        source,
        destination,
        ..Ipv6Header::default()
    };
    let mut head = complaint.head.clone();
    announce_ipv6(complaint.link, &mut head);
    let data = [head.as_slice(), &outer.to_bytes(), &body].concat();
    Owned { time: complaint.time, link: complaint.link, wire_len: data.len() as u32, data }
}

/// The sequence numbers of one direction, as the records in it are padded.
#[derive(Default)]
struct Padded {
    base: u32,
    old: Vec<u8>,
    new: Vec<u8>,
    /// Where records end, before and after.
    ends: Vec<(usize, usize)>,
}

impl Padded {
    /// Pads each encrypted record to whole blocks; false if the stream is not TLS from its first byte on.
    fn pad(&mut self, block: usize) -> bool {
        const TAG: usize = 16;
        const LONGEST: usize = 16_640;
        let mut rest = self.old.as_slice();
        self.ends.push((0, 0));
        while let [typ @ 20..=23, 3, minor, high, low, body @ ..] = rest {
            let len = usize::from(*high) << 8 | usize::from(*low);
            let Some((body, after)) = body.split_at_checked(len) else { return false };
            let padded = TAG + len.saturating_sub(TAG).div_ceil(block) * block;
            let padded = if *typ == 23 && padded <= LONGEST { padded } else { len };
            self.new.extend([*typ, 3, *minor, (padded >> 8) as u8, padded as u8]);
            self.new.extend_from_slice(body);
            self.new.resize(self.new.len() + padded - len, 0x55);
            self.ends.push((self.old.len() - after.len(), self.new.len()));
            rest = after;
        }
        rest.is_empty()
    }

    /// Where a sequence number is afterwards.
    fn map(&self, seq: u32) -> u32 {
        let offset = seq.wrapping_sub(self.base) as usize;
        if offset > usize::MAX >> 33 {
            return seq;
        }
        let (old, new) = self.ends[self.ends.partition_point(|(old, _)| *old <= offset) - 1];
        self.base.wrapping_add((new + offset - old) as u32)
    }
}

/// Pads the encrypted records of TLS 1.3 to whole blocks, as a server may be told to. `None` where that is too hard: after losses, and in what
/// is not TLS from the first byte on.
pub fn padded(frames: &[Owned], block: usize) -> Option<Vec<Owned>> {
    let mut items = parse_all(frames);
    let mut streams: HashMap<Direction, Padded> = HashMap::new();
    for packet in items.iter().filter_map(Item::tcp) {
        if packet.tcp.syn {
            let fresh = Padded { base: packet.tcp.sequence_number.wrapping_add(1), ..Padded::default() };
            if streams.insert(packet.direction(), fresh).is_some() {
                return None;
            }
            continue;
        }
        let stream = streams.get_mut(&packet.direction())?;
        let offset = packet.tcp.sequence_number.wrapping_sub(stream.base) as usize;
        if packet.cut > 0 || (packet.len() > 0 && offset != stream.old.len()) {
            return None;
        }
        stream.old.extend_from_slice(&packet.payload);
    }
    if !streams.values_mut().all(|stream| stream.pad(block)) {
        return None;
    }
    for item in &mut items {
        let Item::Tcp(packet) = item else { continue };
        if packet.tcp.syn {
            continue;
        }
        let direction = packet.direction();
        let (from, to) = (packet.tcp.sequence_number, packet.tcp.sequence_number.wrapping_add(packet.len() as u32));
        let stream = &streams[&direction];
        let (from, to) = (stream.map(from), stream.map(to));
        let place = |seq: u32| seq.wrapping_sub(stream.base) as usize;
        if packet.len() > 0 {
            packet.payload = stream.new.get(place(from)..place(to))?.to_vec();
        }
        packet.tcp.sequence_number = from;
        if packet.tcp.ack {
            packet.tcp.acknowledgment_number = streams.get(&reverse(direction))?.map(packet.tcp.acknowledgment_number);
        }
        if packet.payload.len() > 60_000 {
            return None;
        }
    }
    Some(build_all(&items))
}
