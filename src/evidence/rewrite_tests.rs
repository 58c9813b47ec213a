//! Frames with changed bytes, and what their checksums say before and after: plain, offloaded, wrong, cut, in tunnels, padded, in complaints.

use etherparse::PacketBuilder;

use super::*;
use crate::base::{At, LinkType};
use crate::decode::{Checksum, Decoded, Decoder};

const CLIENT: [u8; 4] = [192, 0, 2, 9];
const SERVER: [u8; 4] = [198, 51, 100, 7];

fn frame(link: LinkType, data: &[u8], wire_len: usize) -> Frame<'_> {
    Frame { at: At::default(), link, wire_len: wire_len as u32, interface: 0, outgoing: None, data }
}

fn tcp4(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ipv4(CLIENT, SERVER, 57).tcp(50_000, 443, 7, 501).ack(77).write(&mut out, payload).unwrap();
    out
}

fn tcp6(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 57).tcp(50_000, 443, 7, 501).ack(77).write(&mut out, payload).unwrap();
    out
}

fn checksum(link: LinkType, data: &[u8], wire_len: usize) -> Checksum {
    match Decoder::new().decode(&frame(link, data, wire_len)) {
        Decoded::Tcp(segment) => segment.checksum,
        other => panic!("{other:?}"),
    }
}

/// The frame with the last `blanked` bytes of its segment zeroed and, where asked for, its addresses changed.
fn changed(link: LinkType, data: &[u8], wire_len: usize, blanked: usize, other_addresses: bool) -> Vec<u8> {
    let frame = frame(link, data, wire_len);
    let mut passed = Vec::new();
    Decoder::new().trace(&frame, &mut passed);
    let mut new = data.to_vec();
    let end = passed.last().unwrap().range.end;
    new[end - blanked..end].fill(0);
    let pseudonyms = crate::evidence::Pseudonyms::of("k");
    let ip = |ip: IpAddr| if other_addresses { pseudonyms.ip(ip) } else { ip };
    for layer in &passed {
        let start = layer.range.start;
        match layer.addresses {
            Some((IpAddr::V4(_), _)) if other_addresses => [12, 16].into_iter().for_each(|at| pseudonyms.v4_at(&mut new, start + at)),
            Some((IpAddr::V6(_), _)) if other_addresses => [8, 24].into_iter().for_each(|at| pseudonyms.v6_at(&mut new, start + at)),
            _ => {}
        }
    }
    mend(&frame, &passed, &mut new, ip);
    assert_eq!(new.len(), data.len());
    new
}

/// Whether the IPv4 header at `at` has the right checksum.
fn ip_is_right(data: &[u8], at: usize) -> bool {
    sum(&data[at..at + 20]) == 0xffff
}

#[test]
fn right_ones_stay_right() {
    for len in [1, 2, 99, 1_400] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7 + 1) as u8).collect();
        for packet in [tcp4(&payload), tcp6(&payload)] {
            for (blanked, others) in [(len, false), (len / 2, false), (0, true), (len, true)] {
                let new = changed(LinkType::RAW, &packet, packet.len(), blanked, others);
                assert_eq!(checksum(LinkType::RAW, &new, new.len()), Checksum::Good, "{len} {blanked} {others}");
                assert!(packet[0] >> 4 == 6 || ip_is_right(&new, 0));
            }
        }
    }
}

#[test]
fn wrong_ones_stay_wrong_and_those_left_to_the_card_stay_so() {
    let packet = tcp4(&[0x5a; 100]);
    let mut wrong = packet.clone();
    wrong[36] ^= 0x40;
    assert_eq!(checksum(LinkType::RAW, &wrong, wrong.len()), Checksum::Bad);
    for others in [false, true] {
        let new = changed(LinkType::RAW, &wrong, wrong.len(), 100, others);
        assert_eq!(checksum(LinkType::RAW, &new, new.len()), Checksum::Bad);
    }
    for with_len in [Some(true), Some(false), None] {
        let mut offloaded = packet.clone();
        let len = if with_len == Some(true) { 120 } else { 0 };
        let partial = fold(address(CLIENT.into()) + address(SERVER.into()) + 6 + len);
        offloaded[36..38].copy_from_slice(&with_len.map_or(0, |_| partial).to_be_bytes());
        assert_eq!(checksum(LinkType::RAW, &offloaded, offloaded.len()), Checksum::Offloaded);
        let new = changed(LinkType::RAW, &offloaded, offloaded.len(), 100, false);
        assert_eq!(new[36..38], offloaded[36..38]);
        let new = changed(LinkType::RAW, &offloaded, offloaded.len(), 100, true);
        assert_eq!(checksum(LinkType::RAW, &new, new.len()), Checksum::Offloaded);
    }
}

#[test]
fn a_cut_segment_keeps_what_the_rest_would_need() {
    let payload: Vec<u8> = (0..1_000).map(|i| i as u8).collect();
    let packet = tcp4(&payload);
    let mut new = changed(LinkType::RAW, &packet[..200], packet.len(), 100, true);
    // With the bytes that were cut off it would be right.
    new.extend(&packet[200..]);
    assert_eq!(checksum(LinkType::RAW, &new, new.len()), Checksum::Good);
}

#[test]
fn checksums_around_a_tunnel_are_mended_too() {
    let inner = [&[2; 12][..], &[8, 0], &tcp4(&[0x77; 64])].concat();
    let vxlan = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &inner].concat();
    let mut with_sum = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(9_999, 4_789).write(&mut with_sum, &vxlan).unwrap();
    let mut without = with_sum.clone();
    without[26..28].fill(0);
    for others in [false, true] {
        let new = changed(LinkType::RAW, &with_sum, with_sum.len(), 64, others);
        let pseudo = fold(u64::from(sum(&new[12..20])) + 17 + (new.len() as u64 - 20));
        assert_eq!(fold(u64::from(pseudo) + u64::from(sum(&new[20..]))), 0xffff, "the UDP checksum");
        assert_eq!(checksum(LinkType::RAW, &new, new.len()), Checksum::Good);
        assert!(ip_is_right(&new, 0) && ip_is_right(&new, 20 + 8 + 8 + 14));
        let new = changed(LinkType::RAW, &without, without.len(), 64, others);
        assert_eq!(new[26..28], [0, 0], "none is none");
    }
    // GRE with a checksum of its own.
    let mut gre = [&[0x80, 0, 8, 0, 0, 0, 0, 0][..], &tcp4(&[0x77; 65])].concat();
    let own = !sum(&gre);
    gre[4..6].copy_from_slice(&own.to_be_bytes());
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).write(&mut packet, etherparse::IpNumber(47), &gre).unwrap();
    let new = changed(LinkType::RAW, &packet, packet.len(), 65, true);
    assert_eq!(sum(&new[20..]), 0xffff);
}

#[test]
fn a_complaint_is_mended_around_what_it_quotes() {
    let quoted = tcp4(&[0x33; 40]);
    let mut icmp = [&[3, 1, 0, 0, 0, 0, 0, 0][..], &quoted].concat();
    let own = !sum(&icmp);
    icmp[2..4].copy_from_slice(&own.to_be_bytes());
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], CLIENT, 64).write(&mut packet, etherparse::IpNumber(1), &icmp).unwrap();
    let new = changed(LinkType::RAW, &packet, packet.len(), 40, true);
    assert_eq!(sum(&new[20..]), 0xffff);
    assert!(ip_is_right(&new, 0) && ip_is_right(&new, 28));
    assert_eq!(checksum(LinkType::RAW, &new[28..], 80), Checksum::Good);
}

#[test]
fn a_frame_check_sequence_is_told_from_padding() {
    let body = [&[2; 12][..], &[8, 0], &tcp4(&[0x44; 8]), &[0; 3]].concat();
    let fcs = crc32fast::hash(&body).to_le_bytes();
    let with_fcs = [&body[..], &fcs].concat();
    let trailer = |data: &[u8]| {
        let frame = frame(LinkType::ETHERNET, data, data.len());
        let mut passed = Vec::new();
        Decoder::new().trace(&frame, &mut passed);
        Trailer::of(&frame, &passed)
    };
    let end = 14 + 40 + 8;
    assert_eq!(trailer(&with_fcs), Trailer { padding: end, end: body.len() });
    let mut without = with_fcs.clone();
    without[body.len()] ^= 1;
    assert_eq!(trailer(&without), Trailer { padding: end, end: without.len() });
    let new = changed(LinkType::ETHERNET, &with_fcs, with_fcs.len(), 8, false);
    assert_eq!(crc32fast::hash(&new[..body.len()]).to_le_bytes(), new[body.len()..]);
}
