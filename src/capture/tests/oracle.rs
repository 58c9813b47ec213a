//! libpcap reads the same: a differential test on every plain format it knows, and filters on frames of several link types.
#![cfg(feature = "live")]

use pcap::{Capture, Precision};

use super::build::{BOTH, Ng, Pcap, payload};
use super::frames;
use crate::base::{At, Frame, LinkType};
use crate::capture::{BpfFilter, ByteOrder};

/// What libpcap reads of a file: nanoseconds, length on the wire, bytes.
fn libpcap(bytes: &[u8]) -> Vec<(i64, u32, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    std::fs::write(&path, bytes).unwrap();
    let mut capture = Capture::from_file_with_precision(&path, Precision::Nano).unwrap();
    let mut packets = Vec::new();
    loop {
        match capture.next_packet() {
            // With nanosecond precision the fraction holds nanoseconds, whatever its name.
            Ok(packet) => {
                let nanos = packet.header.ts.tv_sec * 1_000_000_000 + packet.header.ts.tv_usec;
                packets.push((nanos, packet.header.len, packet.data.to_vec()));
            }
            Err(pcap::Error::NoMorePackets) => return packets,
            Err(error) => panic!("{error}"),
        }
    }
}

fn assert_same(bytes: &[u8]) {
    let ours: Vec<_> = frames(bytes).into_iter().map(|frame| (frame.at.time.nanos(), frame.wire_len, frame.data)).collect();
    assert!(!ours.is_empty());
    assert_eq!(ours, libpcap(bytes));
}

#[test]
fn libpcap_reads_the_same_packets() {
    for order in BOTH {
        for magic in [0xA1B2_C3D4, 0xA1B2_3C4D, 0xA1B2_CD34] {
            let mut file = Pcap::new(order, magic, 262_144, 1);
            for i in 0..300 {
                file = file.packet(1_700_000_000 + i as u32, 3_333 * i as u32, 2_000, &payload(i, 1 + (i * 37) % 1_999));
            }
            assert_same(&file.bytes);
        }
        for resolution in [0, 3, 6, 9, 0x80 | 10, 0x80 | 20] {
            let mut file = Ng::new(order).interface(1, 262_144, &[(9, &[resolution])]);
            for i in 0..300 {
                let len = 1 + (i * 37) % 1_999;
                file = file
                    .block(0x1234, &payload(i, i % 50))
                    .packet(0, 1_000_000 + i as u64 * 13, 2_000, &payload(i, len), &[(1, b"hello")])
                    .obsolete_packet(0, 0, 1_000_000 + i as u64 * 13, &payload(i, len), &[]);
            }
            assert_same(&file.bytes);
        }
    }
}

/// An IPv4 packet with a TCP header to port 443.
fn packet() -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    bytes.extend([0xC0, 0, 0x01, 0xBB, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0]);
    bytes
}

fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
    Frame { at: At::default(), link, wire_len: data.len() as u32, interface: 0, outgoing: None, data }
}

#[test]
fn a_filter_fits_every_link_type() {
    let ethernet = [&[0; 12][..], &[8, 0], &packet()].concat();
    let null = [&[2, 0, 0, 0], packet().as_slice()].concat();
    let cooked = [&[0; 14][..], &[8, 0], &packet()].concat();
    let mut hit = BpfFilter::new("tcp port 443 and host 192.0.2.1").unwrap();
    let mut miss = BpfFilter::new("tcp port 444").unwrap();
    let mut all = BpfFilter::new("").unwrap();
    for _ in 0..2 {
        for (link, data) in [
            (LinkType::ETHERNET, &ethernet),
            (LinkType::RAW, &packet()),
            (LinkType::DLT_RAW, &packet()),
            (LinkType::IPV4, &packet()),
            (LinkType::NULL, &null),
            (LinkType::LINUX_SLL, &cooked),
        ] {
            assert_eq!(hit.matches(&frame(link, data)), Ok(true), "{link:?}");
            assert_eq!(miss.matches(&frame(link, data)), Ok(false), "{link:?}");
            assert_eq!(all.matches(&frame(link, data)), Ok(true), "{link:?}");
        }
    }
}

#[test]
fn a_bad_filter_says_why_in_one_line() {
    let error = BpfFilter::new("tcp prot 443").err().unwrap();
    assert!(error.to_string().starts_with("filter 'tcp prot 443': "), "{error}");
    assert!(!error.to_string().contains('\n') && !error.reason.is_empty());
    assert!(BpfFilter::new("a\0b").is_err());
}

#[test]
fn a_filter_that_makes_no_sense_on_a_link_type_says_so() {
    let mut filter = BpfFilter::new("ether host 00:00:00:00:00:01").unwrap();
    assert_eq!(filter.matches(&frame(LinkType::ETHERNET, &[0; 60])), Ok(false));
    let error = filter.matches(&frame(LinkType::RAW, &packet())).unwrap_err();
    assert_eq!(error.link, Some(LinkType::RAW));
    assert!(error.to_string().contains("on link type 101: "), "{error}");
}

#[test]
fn libpcap_and_the_builder_agree_on_the_link_type() {
    let bytes = Pcap::new(ByteOrder::Little, 0xA1B2_C3D4, 65_535, 0x2400_0001).packet(1, 2, 60, &payload(1, 60)).bytes;
    assert_same(&bytes);
}
