//! Every link layer and tunnel, whole, cut and damaged; and the frames that the tests of the other files are built from.

use etherparse::{IpNumber, PacketBuilder};

use super::*;
use crate::base::{At, Endpoint, LinkType, Time};

pub(super) const CLIENT: [u8; 4] = [192, 0, 2, 9];
pub(super) const SERVER: [u8; 4] = [198, 51, 100, 7];
pub(super) const CLIENT6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
pub(super) const SERVER6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
pub(super) const PORT: u16 = 51544;
pub(super) const SEQ: u32 = 0x8123_4567;
pub(super) const PAYLOAD: &[u8] = b"sixteen, and six more.";
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A frame of `wire_len` bytes, of which `data` was captured.
pub(super) fn frame(link: LinkType, data: &[u8], wire_len: usize) -> Frame<'_> {
    let at = At::new(Time::from_nanos(0), 1, 0);
    Frame { at, link, wire_len: wire_len as u32, interface: 3, outgoing: None, data }
}

/// What a whole frame decodes to, by a decoder that has seen nothing else.
pub(super) fn with_decoded<T>(link: LinkType, data: &[u8], then: impl FnOnce(Decoded<'_>) -> T) -> T {
    then(Decoder::new().decode(&frame(link, data, data.len())))
}

/// Why a whole frame is of no use.
pub(super) fn skipped(link: LinkType, data: &[u8]) -> Skip {
    with_decoded(link, data, |decoded| match decoded {
        Decoded::Skipped(skip) => skip,
        other => panic!("{other:?}"),
    })
}

/// An IPv4 packet with a TCP segment of `payload`.
pub(super) fn tcp4(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let options = [1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6];
    let build = PacketBuilder::ipv4(CLIENT, SERVER, 57).tcp(PORT, 443, SEQ, 501).ack(77).psh().options_raw(&options).unwrap();
    build.write(&mut out, payload).unwrap();
    out
}

/// An IPv6 packet with a TCP segment of `payload`.
pub(super) fn tcp6(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let options = [1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6];
    let build = PacketBuilder::ipv6(CLIENT6, SERVER6, 57).tcp(PORT, 443, SEQ, 501).ack(77).psh().options_raw(&options).unwrap();
    build.write(&mut out, payload).unwrap();
    out
}

/// `payload` in an IPv4 packet between two routers.
pub(super) fn in_ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).write(&mut out, IpNumber(protocol), payload).unwrap();
    out
}

/// `payload` in an IPv6 packet between two routers.
pub(super) fn in_ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ipv6([0xfd; 16], [0xfe; 16], 64).write(&mut out, IpNumber(protocol), payload).unwrap();
    out
}

fn in_udp(port: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(50000, port).write(&mut out, &[header, payload].concat()).unwrap();
    out
}

/// `payload` in an Ethernet frame.
pub(super) fn ethernet(typ: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2], &MAC[..], &typ.to_be_bytes(), payload].concat()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A frame that holds the packet of [`tcp4`] or [`tcp6`]: its name, its link type, its bytes.
type Case = (String, LinkType, Vec<u8>);

/// Every way a packet can be carried that is decoded.
fn carriers() -> Vec<Case> {
    let mut cases = Vec::new();
    for v6 in [false, true] {
        let (ip, typ, ppp) = if v6 { (tcp6(PAYLOAD), 0x86dd, [0, 0x57]) } else { (tcp4(PAYLOAD), 0x0800, [0, 0x21]) };
        let ip = &ip[..];
        let eth = &ethernet(typ, ip)[..];
        let [high, low] = u16::to_be_bytes(typ);
        let mut on_ethernet = vec![("ethernet", eth.to_vec())];
        for tag in [0x8100, 0x88a8, 0x9100, 0x9200] {
            on_ethernet.push(("tag", ethernet(tag, &join(&[&[0, 5, high, low], ip]))));
        }
        let snap = |oui: [u8; 3]| join(&[&[0xaa, 0xaa, 3], &oui, &[high, low], ip]);
        let length = snap([0; 3]).len() as u16;
        let pppoe = join(&[&[0x11, 0, 0, 9], &(ip.len() as u16 + 2).to_be_bytes(), &ppp, ip]);
        let label = |bottom: u8| [0x12, 0x34, 0x50 | bottom, 64];
        let words = [0u8; 16];
        let gre = |flags: u16, words: usize, typ: u16, inner: &[u8]| {
            join(&[&flags.to_be_bytes(), &typ.to_be_bytes(), &[0; 64][..4 * words], inner])
        };
        on_ethernet.extend([
            ("three tags", ethernet(0x88a8, &join(&[&[0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, high, low], ip]))),
            ("snap", ethernet(length, &snap([0; 3]))),
            ("snap, bridge tunnel", ethernet(length, &snap([0, 0, 0xf8]))),
            ("tagged snap", ethernet(0x8100, &join(&[&[0, 5], &length.to_be_bytes(), &snap([0; 3])]))),
            ("pppoe", ethernet(0x8864, &pppoe)),
            ("macsec, integrity only", ethernet(0x88e5, &join(&[&[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 0, 1, high, low], ip]))),
            ("mpls", ethernet(0x8847, &join(&[&label(1), ip]))),
            ("mpls, three labels", ethernet(0x8848, &join(&[&label(0), &label(0), &label(1), ip]))),
            ("pseudowire", ethernet(0x8847, &join(&[&label(1), eth]))),
            ("pseudowire, control word", ethernet(0x8847, &join(&[&label(1), &[0, 0, 0, 7], eth]))),
            ("pseudowire, mac like ipv4", ethernet(0x8847, &join(&[&label(1), &[0x44, 1, 2, 3, 4, 5], &eth[6..]]))),
            ("pseudowire, mac like ipv6", ethernet(0x8847, &join(&[&label(1), &[0x64, 1, 2, 3, 4, 0xff], &eth[6..]]))),
            ("ip in ip", ethernet(0x0800, &in_ipv4(if v6 { 41 } else { 4 }, ip))),
            ("ip in ipv6", ethernet(0x86dd, &in_ipv6(if v6 { 41 } else { 4 }, ip))),
            ("ip in ip in ipv6", ethernet(0x86dd, &in_ipv6(4, &in_ipv4(if v6 { 41 } else { 4 }, ip)))),
            ("mpls in ip", ethernet(0x0800, &in_ipv4(137, &join(&[&label(1), ip])))),
            ("authentication header", ethernet(0x0800, &in_ipv4(51, &join(&[&[if v6 { 41 } else { 4 }, 4, 0, 0], &[7; 20], ip])))),
            ("gre", ethernet(0x0800, &in_ipv4(47, &gre(0, 0, typ, ip)))),
            ("gre over ipv6", ethernet(0x86dd, &in_ipv6(47, &gre(0, 0, typ, ip)))),
            ("gre, checksum", ethernet(0x0800, &in_ipv4(47, &gre(0x8000, 1, typ, ip)))),
            ("gre, key", ethernet(0x0800, &in_ipv4(47, &gre(0x2000, 1, typ, ip)))),
            ("gre, all of them", ethernet(0x0800, &in_ipv4(47, &gre(0xb000, 3, typ, ip)))),
            // A source route entry of four bytes, then the empty one.
            ("gre, routing", ethernet(0x0800, &in_ipv4(47, &gre(0x4000, 1, typ, &join(&[&[8, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0], ip]))))),
            ("gre, ethernet", ethernet(0x0800, &in_ipv4(47, &gre(0x2000, 1, 0x6558, eth)))),
            ("gre, mpls", ethernet(0x0800, &in_ipv4(47, &gre(0, 0, 0x8847, &join(&[&label(1), ip]))))),
            ("pptp", ethernet(0x0800, &in_ipv4(47, &gre(0x3081, 3, 0x880b, &join(&[&[0xff, 3], &ppp, ip]))))),
            ("erspan 1", ethernet(0x0800, &in_ipv4(47, &gre(0, 0, 0x88be, eth)))),
            ("erspan 2", ethernet(0x0800, &in_ipv4(47, &gre(0x1000, 1, 0x88be, &join(&[&words[..8], eth]))))),
            ("erspan 3", ethernet(0x0800, &in_ipv4(47, &gre(0x1000, 1, 0x22eb, &join(&[&words[..12], eth]))))),
            (
                "erspan 3, subheader",
                ethernet(0x0800, &in_ipv4(47, &gre(0x1000, 1, 0x22eb, &join(&[&words[..11], &[1], &words[..8], eth])))),
            ),
            ("vxlan", ethernet(0x0800, &in_udp(4789, &[8, 0, 0, 0, 0, 0, 5, 0], eth))),
            ("vxlan gpe, ethernet", ethernet(0x0800, &in_udp(4790, &[0x0c, 0, 0, 3, 0, 0, 5, 0], eth))),
            ("vxlan gpe, ip", ethernet(0x0800, &in_udp(4790, &[0x0c, 0, 0, if v6 { 2 } else { 1 }, 0, 0, 5, 0], ip))),
            ("geneve", ethernet(0x0800, &in_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 5, 0], eth))),
            ("geneve, options", ethernet(0x0800, &in_udp(6081, &[2, 0, high, low, 0, 0, 5, 0, 1, 2, 3, 1, 9, 9, 9, 9], ip))),
        ]);
        if !v6 {
            on_ethernet.push(("llc", ethernet(ip.len() as u16 + 3, &join(&[&[6, 6, 3], ip]))));
            on_ethernet.push(("wccp", ethernet(0x0800, &in_ipv4(47, &gre(0, 0, 0x883e, ip)))));
            on_ethernet.push(("wccp 2", ethernet(0x0800, &in_ipv4(47, &gre(0, 0, 0x883e, &join(&[&[0, 1, 2, 3], ip]))))));
        } else {
            on_ethernet.push(("ipv6 announced as ipv4", ethernet(0x0800, ip)));
        }
        let sll = |arphrd: u16, typ: u16, rest: &[u8]| {
            let [high, low] = arphrd.to_be_bytes();
            join(&[&[0, 4, high, low, 0, 6], &MAC, &[0, 0], &typ.to_be_bytes(), rest])
        };
        let sll2 = |typ: u16, rest: &[u8]| join(&[&typ.to_be_bytes(), &[0, 0, 0, 0, 0, 42, 0, 1, 4, 6], &MAC, &[0, 0], rest]);
        let family = |bytes: [u8; 4]| join(&[&bytes, ip]);
        let hdlc = |start: &[u8], number: &[u8]| join(&[start, number, ip]);
        let on_others = [
            (LinkType::RAW, ip.to_vec()),
            (LinkType::DLT_RAW, ip.to_vec()),
            (LinkType::DLT_RAW_OPENBSD, ip.to_vec()),
            (if v6 { LinkType::IPV6 } else { LinkType::IPV4 }, ip.to_vec()),
            (LinkType::LINUX_SLL, sll(1, typ, ip)),
            // Loopback, and an interface without any link layer.
            (LinkType::LINUX_SLL, sll(772, typ, ip)),
            (LinkType::LINUX_SLL, sll(0xfffe, typ, ip)),
            (LinkType::LINUX_SLL, sll(1, 0x8100, &join(&[&[0, 5, high, low], ip]))),
            (LinkType::LINUX_SLL, sll(1, 4, &snap([0; 3]))),
            (LinkType::LINUX_SLL2, sll2(typ, ip)),
            (LinkType::LINUX_SLL2, sll2(0x8100, &join(&[&[0, 5, high, low], ip]))),
            (LinkType::NULL, family(if v6 { [30, 0, 0, 0] } else { [2, 0, 0, 0] })),
            (LinkType::NULL, family(if v6 { [0, 0, 0, 24] } else { [0, 0, 0, 2] })),
            (LinkType::NULL, family(if v6 { [28, 0, 0, 0] } else { [0, 8, 0, 0] })),
            (LinkType::NULL, family(if v6 { [10, 0, 0, 0] } else { [0, 0, 8, 0] })),
            (LinkType::LOOP, family(if v6 { [0, 0, 0, 28] } else { [0, 0, 0, 2] })),
            (link::LINK_PPP, hdlc(&[0xff, 3], &ppp)),
            (link::LINK_PPP, hdlc(&[], &ppp)),
            (link::LINK_PPP, hdlc(&[0xff, 3], &ppp[1..])),
            (link::LINK_PPP, hdlc(&[], &ppp[1..])),
            (link::LINK_PPP_HDLC, hdlc(&[0x0f, 0], &[high, low])),
            (link::LINK_PPP_ETHER, pppoe.clone()),
        ];
        cases.extend(on_ethernet.into_iter().map(|(name, data)| (format!("{name}, ipv6 {v6}"), LinkType::ETHERNET, data)));
        cases.extend(on_others.into_iter().enumerate().map(|(i, (link, data))| (format!("{link:?} {i}, ipv6 {v6}"), link, data)));
    }
    cases
}

fn assert_is_the_segment(name: &str, segment: &Segment<'_>, v6: bool) {
    let (source, destination) = if v6 { (CLIENT6.into(), SERVER6.into()) } else { (CLIENT.into(), SERVER.into()) };
    assert_eq!(segment.key.source(segment.way), Endpoint { ip: source, port: PORT }, "{name}");
    assert_eq!(segment.key.destination(segment.way), Endpoint { ip: destination, port: 443 }, "{name}");
    assert_eq!((segment.seq, segment.ack, segment.flags, segment.window), (SEQ, 77, TcpFlags(0x18), 501), "{name}");
    assert_eq!(segment.payload_len as usize, PAYLOAD.len(), "{name}");
    assert_eq!((segment.ttl, segment.ip_id.is_none(), segment.dont_fragment), (57, v6, true), "{name}");
}

#[test]
fn every_carrier_leads_to_the_segment() {
    for (name, link, data) in carriers() {
        // Padding and trailers are nobody's payload.
        for trailer in [0, 9] {
            let padded = [&data[..], &[0x5a; 9][..trailer]].concat();
            let mut decoder = Decoder::new();
            let Decoded::Tcp(segment) = decoder.decode(&frame(link, &padded, padded.len())) else { panic!("{name}") };
            assert_is_the_segment(&name, &segment, name.ends_with("true"));
            assert_eq!((segment.payload, segment.checksum), (PAYLOAD, Checksum::Good), "{name}");
            assert_eq!(segment.options, TcpOptions { timestamps: Some((5, 6)), ..TcpOptions::default() }, "{name}");
        }
    }
}

#[test]
fn a_cut_leaves_the_segment_or_says_that_it_cut() {
    for (name, link, data) in carriers() {
        let transport = data.len() - PAYLOAD.len() - 32;
        for n in 0..data.len() {
            let mut decoder = Decoder::new();
            match decoder.decode(&frame(link, &data[..n], data.len())) {
                Decoded::Tcp(segment) => {
                    assert!(n >= transport + 16, "{name} cut at {n}");
                    assert_is_the_segment(&name, &segment, name.ends_with("true"));
                    assert_eq!(segment.payload, &PAYLOAD[..n.saturating_sub(transport + 32)], "{name} cut at {n}");
                    assert_eq!(segment.options.timestamps.is_some(), n >= transport + 32, "{name} cut at {n}");
                    assert_eq!(segment.checksum, Checksum::Unknown);
                }
                Decoded::Skipped(Skip::CutShort) => assert!(n < transport + 16, "{name} cut at {n}"),
                other => panic!("{name} cut at {n}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_frame_that_ends_too_early_is_no_cut() {
    for (name, link, data) in carriers() {
        let transport = data.len() - PAYLOAD.len() - 32;
        for n in 0..transport + 16 {
            match Decoder::new().decode(&frame(link, &data[..n], n)) {
                Decoded::Skipped(Skip::CutShort) | Decoded::Tcp(_) => panic!("{name}, {n} bytes"),
                _ => {}
            }
        }
    }
}

#[test]
fn another_ip_version_is_not_guessed_at() {
    // Without Ethernet in sight, a MAC address that begins like an IP header is taken for one.
    for (name, link, mut data) in carriers().into_iter().filter(|(name, ..)| !name.contains("mac like")) {
        let header = data.len() - PAYLOAD.len() - 32 - if name.ends_with("true") { 40 } else { 20 };
        data[header] = 0x50 | (data[header] & 0x0f);
        let skip = skipped(link, &data);
        // MPLS does not say what it carries.
        let guessed = name.contains("mpls") || name.contains("pseudowire");
        let expected = if guessed { Skip::NotIp(0x8847) } else { Skip::Malformed };
        assert_eq!(skip, expected, "{name}");
    }
}

#[test]
fn the_link_layer_tells_who_sent_and_where() {
    let mut decoder = Decoder::new();
    let mut facts = |link, data: &[u8]| match decoder.decode(&frame(link, data, data.len())) {
        Decoded::Tcp(s) => (s.source_mac, s.interface, s.outgoing),
        other => panic!("{other:?}"),
    };
    let ip = tcp4(b"");
    let sll = |kind: u8, len: u8| join(&[&[0, kind, 0, 1, 0, len], &MAC, &[0, 0, 8, 0], &ip]);
    let sll2 = |kind: u8, len: u8| join(&[&[8, 0, 0, 0, 0, 0, 0, 42, 0, 1, kind, len], &MAC, &[0, 0], &ip]);
    assert_eq!(facts(LinkType::ETHERNET, &ethernet(0x0800, &ip)), (Some(MAC), 3, None));
    assert_eq!(facts(LinkType::RAW, &ip), (None, 3, None));
    assert_eq!(facts(LinkType::LINUX_SLL, &sll(4, 6)), (Some(MAC), 3, Some(true)));
    assert_eq!(facts(LinkType::LINUX_SLL, &sll(0, 0)), (None, 3, Some(false)));
    assert_eq!(facts(LinkType::LINUX_SLL2, &sll2(4, 6)), (Some(MAC), 42, Some(true)));
    assert_eq!(facts(LinkType::LINUX_SLL2, &sll2(0, 8)), (None, 42, Some(false)));
    assert_eq!(facts(LinkType::LINUX_SLL2, &sll2(3, 6)), (Some(MAC), 42, None), "overheard: between two other hosts");

    // Of a tunnel the inner header counts; the file knows what Ethernet does not.
    let inner = join(&[&[9; 6], &[7; 6], &[8, 0], &ip]);
    let vxlan = ethernet(0x0800, &in_udp(4789, &[8, 0, 0, 0, 0, 0, 5, 0], &inner));
    assert_eq!(facts(LinkType::ETHERNET, &vxlan).0, Some([7; 6]));
    let eth = ethernet(0x0800, &ip);
    let from_file = Frame { outgoing: Some(true), ..frame(LinkType::ETHERNET, &eth, eth.len()) };
    assert!(matches!(Decoder::new().decode(&from_file), Decoded::Tcp(Segment { outgoing: Some(true), .. })));
}

#[test]
fn what_is_not_for_us_is_told_by_its_number() {
    let ip = &tcp4(PAYLOAD)[..];
    let eth = |typ, payload: &[u8]| skipped(LinkType::ETHERNET, &ethernet(typ, payload));
    let over = |protocol, payload: &[u8]| eth(0x0800, &in_ipv4(protocol, payload));
    assert_eq!(skipped(LinkType::IEEE802_11, ip), Skip::LinkType(105));
    assert_eq!(skipped(LinkType(220), ip), Skip::LinkType(220));
    assert_eq!(eth(0x0806, ip), Skip::NotIp(0x0806));
    assert_eq!(eth(0x8863, ip), Skip::NotIp(0x8863));
    assert_eq!(eth(0x8100, &[0, 5, 0x88, 0xcc, 1, 2]), Skip::NotIp(0x88cc));
    // Spanning tree in LLC, another organisation's SNAP.
    assert_eq!(eth(9, &[0x42, 0x42, 3, 0, 0, 0, 0, 0, 0]), Skip::NotIp(0));
    assert_eq!(eth(30, &join(&[&[0xaa, 0xaa, 3, 0, 0, 0x0c, 8, 0], ip])), Skip::NotIp(0));
    // PPPoE discovery, another PPPoE, LCP.
    assert_eq!(eth(0x8864, &join(&[&[0x11, 9, 0, 9, 0, 99, 0, 0x21], ip])), Skip::NotIp(0x8864));
    assert_eq!(eth(0x8864, &join(&[&[0x21, 0, 0, 9, 0, 99, 0, 0x21], ip])), Skip::Malformed);
    assert_eq!(skipped(link::LINK_PPP, &[0xff, 3, 0xc0, 0x21, 1, 1, 0, 4]), Skip::NotIp(0));
    // AF_UNIX; a family too large to be one.
    assert_eq!(skipped(LinkType::NULL, &join(&[&[1, 0, 0, 0], ip])), Skip::NotIp(0));
    assert_eq!(skipped(LinkType::NULL, &join(&[&[2, 0, 1, 0], ip])), Skip::NotIp(0));
    // Netlink.
    assert_eq!(skipped(LinkType::LINUX_SLL, &join(&[&[0, 4, 3, 56, 0, 0], &[0; 10], ip])), Skip::NotIp(0));
    assert_eq!(eth(0x86dd, ip), Skip::Malformed);
    assert_eq!(eth(0x8847, &[0, 0, 0x11, 64, 0x10, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]), Skip::NotIp(0x8847));
    assert_eq!(over(132, ip), Skip::NotTcp(132));
    assert_eq!(over(50, ip), Skip::Encrypted);
    assert_eq!(eth(0x88e5, &join(&[&[0x2c, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 0, 1, 8, 0], ip])), Skip::Encrypted);
    // GRE: a bare acknowledgement, CDP, an ERSPAN frame type of another kind.
    assert_eq!(over(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2]), Skip::NotTcp(47));
    assert_eq!(over(47, &join(&[&[0, 0, 0x20, 0], ip])), Skip::NotIp(0x2000));
    assert_eq!(over(47, &join(&[&[0, 0, 0x22, 0xeb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0], ip])), Skip::NotTcp(47));
}

#[test]
fn a_tunnel_port_alone_is_no_tunnel() {
    let inner = ethernet(0x0800, &tcp4(PAYLOAD));
    for (port, header) in [
        (4789, [0, 0, 0, 0, 0, 0, 5, 0]),
        (4790, [0x0c, 0, 0, 9, 0, 0, 5, 0]),
        (4790, [0, 0, 0, 3, 0, 0, 5, 0]),
        (6081, [0x40, 0, 0x65, 0x58, 0, 0, 5, 0]),
        (4788, [8, 0, 0, 0, 0, 0, 5, 0]),
    ] {
        let data = ethernet(0x0800, &in_udp(port, &header, &inner));
        with_decoded(LinkType::ETHERNET, &data, |decoded| {
            assert!(matches!(decoded, Decoded::Udp(UdpKind::Other)), "{port}: {decoded:?}");
        });
    }
    let short = ethernet(0x0800, &in_udp(4789, &[8, 0], &[]));
    with_decoded(LinkType::ETHERNET, &short, |decoded| assert!(matches!(decoded, Decoded::Udp(UdpKind::Other))));
}

#[test]
fn nesting_ends() {
    let nested = |depth: usize| (0..depth).fold(tcp4(PAYLOAD), |ip, _| in_ipv4(4, &ip));
    with_decoded(LinkType::RAW, &nested(8), |decoded| assert!(matches!(decoded, Decoded::Tcp(_))));
    assert_eq!(skipped(LinkType::RAW, &nested(40)), Skip::Malformed);
    let tags = [0x81, 0, 0, 5].repeat(300);
    assert_eq!(skipped(LinkType::ETHERNET, &ethernet(0x8100, &tags[2..])), Skip::Malformed);
}

/// A generator of numbers that are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut seeds = carriers();
    seeds.extend(icmp::tests::errors().into_iter().map(|data| ("icmp".to_owned(), LinkType::RAW, data)));
    seeds.extend(fragments::tests::in_parts().into_iter().map(|data| ("fragment".to_owned(), LinkType::RAW, data)));
    let mut dice = Dice(1);
    let mut decoder = Decoder::new();
    let mut segments = 0;
    for round in 0..120_000u32 {
        let (_, link, seed) = &seeds[dice.below(seeds.len())];
        let mut data = seed.clone();
        for _ in 0..=dice.below(4) {
            let at = dice.below(data.len());
            match dice.below(5) {
                0 => data[at] ^= 1 << dice.below(8),
                1 => data[at] = [0, 0xff, 4, 6, 17, 41, 43, 44, 47, 51, 58, 60][dice.below(12)],
                2 => data.truncate(at.max(1)),
                3 => drop(data.splice(at..at, seed.iter().copied().take(dice.below(9)))),
                _ => data[at] = dice.below(256) as u8,
            }
        }
        let wire_len = data.len() + dice.below(2) * dice.below(70_000);
        let at = At::new(Time::from_nanos(i64::from(round) * 1_000_000), round, 0);
        let link = if dice.below(50) == 0 { LinkType(dice.below(300) as u16) } else { *link };
        match decoder.decode(&Frame { at, ..frame(link, &data, wire_len) }) {
            Decoded::Tcp(segment) => {
                assert!(segment.payload.len() <= segment.payload_len as usize);
                segments += 1;
            }
            Decoded::Icmp(_) | Decoded::Udp(_) | Decoded::Skipped(_) => {}
        }
    }
    // The damage is light enough that the deeper layers are reached, too.
    assert!(segments > 20_000, "{segments}");
}
