//! Classic pcap: byte orders, resolutions, headers and lengths.

use super::build::{BOTH, Pcap, payload};
use super::{drain, finished, frames, open};
use crate::base::{LinkType, Time};
use crate::capture::{ByteOrder, CaptureError, Format};

#[test]
fn reads_every_format_in_both_byte_orders() {
    for order in BOTH {
        for (magic, format, nanos) in [
            (0xA1B2_C3D4, Format::PcapMicros, 1_700_000_000_123_456_000),
            (0xA1B2_3C4D, Format::PcapNanos, 1_700_000_000_000_123_456),
            (0xA1B2_CD34, Format::PcapModified, 1_700_000_000_123_456_000),
        ] {
            let file = Pcap::new(order, magic, 262_144, 113).packet(1_700_000_000, 123_456, 1500, &payload(1, 61)).packet(
                4_294_967_295,
                999_999,
                7,
                &payload(2, 7),
            );
            let capture = finished(&file.bytes);
            assert_eq!((capture.info().format, capture.info().byte_order), (format, order));
            assert_eq!(capture.info().frames, 2);
            let frames = frames(&file.bytes);
            assert_eq!(frames.len(), 2);
            assert_eq!(frames[0].at.time, Time::from_nanos(nanos));
            assert_eq!((frames[0].at.frame, frames[0].at.file, frames[1].at.frame), (1, 7, 2));
            assert_eq!((frames[0].link, frames[0].wire_len, frames[0].interface), (LinkType::LINUX_SLL, 1500, 0));
            assert_eq!(frames[0].data, payload(1, 61));
            assert_eq!(frames[1].data, payload(2, 7));
            assert_eq!(frames[0].outgoing, (format == Format::PcapModified).then_some(true));
            // Seconds are unsigned: the last of them is in 2106.
            assert_eq!(frames[1].at.time.nanos() / 1_000_000_000, 4_294_967_295);
        }
    }
}

#[test]
fn the_link_type_field_also_holds_the_fcs_length() {
    let file = Pcap::new(ByteOrder::Big, 0xA1B2_C3D4, 65_535, 0x2400_0001).packet(1, 0, 64, &payload(1, 64));
    let capture = finished(&file.bytes);
    assert_eq!(capture.info().interfaces[0].link, LinkType::ETHERNET);
    assert_eq!(capture.info().interfaces[0].fcs_len, Some(4));
    assert_eq!(frames(&file.bytes)[0].link, LinkType::ETHERNET);
    // The length alone means nothing without the bit that says it is there.
    let file = Pcap::new(ByteOrder::Big, 0xA1B2_C3D4, 65_535, 0x2000_0001);
    assert_eq!(finished(&file.bytes).info().interfaces[0].fcs_len, None);
}

#[test]
fn a_packet_longer_than_the_snap_length_is_whole() {
    let data = payload(3, 300_000);
    let file = Pcap::new(ByteOrder::Little, 0xA1B2_C3D4, 96, 1).packet(1, 0, 300_000, &data).packet(2, 0, 4, b"next");
    let frames = frames(&file.bytes);
    assert_eq!(frames[0].data, data);
    assert_eq!(frames[1].data, b"next");
}

#[test]
fn the_wire_length_is_never_below_the_captured_one() {
    let file = Pcap::usual().packet(1, 0, 10, &payload(1, 40));
    assert_eq!(frames(&file.bytes)[0].wire_len, 40);
}

#[test]
fn packets_survive_the_chunk_boundaries() {
    let mut file = Pcap::usual();
    let sizes: Vec<usize> = (0..900).map(|i| 1 + (i * 577) % 3000).collect();
    for (i, size) in sizes.iter().enumerate() {
        file = file.packet(i as u32, 0, *size as u32, &payload(i, *size));
    }
    assert!(file.bytes.len() > 4 * 256 * 1024);
    let frames = frames(&file.bytes);
    assert_eq!(frames.len(), sizes.len());
    for (i, frame) in frames.iter().enumerate() {
        assert_eq!(frame.data, payload(i, sizes[i]), "frame {}", i + 1);
    }
}

#[test]
fn an_absurd_length_is_damage_and_not_a_cut() {
    let mut file = Pcap::usual().packet(1, 0, 60, &payload(1, 60)).packet(2, 0, 4, b"next").bytes;
    let second = 24 + 16 + 60;
    file[second + 8..second + 12].copy_from_slice(&(64_u32 << 20).to_le_bytes());
    let (frames, error) = drain(&mut open(&file).unwrap());
    assert_eq!(frames.len(), 1);
    assert!(matches!(error, Some(CaptureError::Cut { frames: 1, offset: 100, .. })), "as much as that may come: {error:?}");
    file[second + 8..second + 12].copy_from_slice(&((64_u32 << 20) + 1).to_le_bytes());
    let (frames, error) = drain(&mut open(&file).unwrap());
    assert_eq!(frames.len(), 1);
    assert!(matches!(error, Some(CaptureError::Corrupt { frames: 1, offset: 100, .. })), "{error:?}");
}
