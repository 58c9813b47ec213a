//! pcapng: sections, interfaces, clocks, packet blocks, options, and what the other blocks say.

use super::build::{BOTH, Ng, n32, n64, payload};
use super::{drain, finished, frames, open};
use crate::base::{LinkType, Time};
use crate::capture::{ByteOrder, CaptureError, Comment, Format, InterfaceStatistics, MAX_COMMENTS, Resolution};

#[test]
fn reads_packets_in_both_byte_orders() {
    for order in BOTH {
        let file = Ng::new(order).interface(1, 64, &[]).packet(0, 1_700_000_000_123_456, 1500, &payload(1, 61), &[]).packet(
            0,
            1_700_000_001_000_000,
            4,
            b"next",
            &[],
        );
        let capture = finished(&file.bytes);
        assert_eq!((capture.info().format, capture.info().byte_order), (Format::Pcapng, order));
        assert_eq!(capture.info().interfaces[0].snap_len, 64);
        let frames = frames(&file.bytes);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].at.time, Time::from_nanos(1_700_000_000_123_456_000));
        assert_eq!((frames[0].at.frame, frames[1].at.frame), (1, 2));
        assert_eq!((frames[0].wire_len, &frames[0].data), (1500, &payload(1, 61)));
        assert_eq!((frames[1].wire_len, frames[1].data.as_slice()), (4, b"next".as_slice()));
        assert_eq!(frames[0].outgoing, None);
    }
}

#[test]
fn every_interface_has_its_link_type_and_clock() {
    let order = ByteOrder::Big;
    let file = Ng::new(order)
        .interface(1, 0, &[(9, &[3])])
        .interface(101, 0, &[(9, &[9]), (14, &n64(order, 1_000))])
        .interface(113, 0, &[(9, &[0x80 | 10])])
        .interface(0, 0, &[(14, &n64(order, -5_i64 as u64))])
        .packet(2, 1024 + 256, 1, b"c", &[])
        .packet(0, 1_500, 1, b"a", &[])
        .packet(3, 6_000_000, 1, b"d", &[])
        .packet(1, 5, 1, b"b", &[]);
    let frames = frames(&file.bytes);
    let seen: Vec<_> = frames.iter().map(|frame| (frame.interface, frame.link, frame.at.time.nanos())).collect();
    assert_eq!(
        seen,
        [
            (2, LinkType::LINUX_SLL, 1_250_000_000),
            (0, LinkType::ETHERNET, 1_500_000_000),
            (3, LinkType::NULL, 1_000_000_000),
            (1, LinkType::RAW, 1_000_000_000_005),
        ]
    );
    let capture = finished(&file.bytes);
    let resolutions: Vec<_> = capture.info().interfaces.iter().map(|interface| interface.resolution).collect();
    assert_eq!(resolutions, [Resolution::Decimal(3), Resolution::Decimal(9), Resolution::Binary(10), Resolution::Decimal(6)]);
}

#[test]
fn interfaces_are_numbered_over_sections_of_either_byte_order() {
    let mut file = Ng::new(ByteOrder::Little);
    for (round, order) in [ByteOrder::Little, ByteOrder::Big, ByteOrder::Little].into_iter().enumerate() {
        if round > 0 {
            file = file.section(order, &[]);
        }
        file = file.interface(1, 0, &[]).interface(101, 0, &[]).packet(1, 9, 2, b"hi", &[]).packet(0, 9, 2, b"ho", &[]);
    }
    let frames = frames(&file.bytes);
    assert_eq!(frames.iter().map(|frame| frame.interface).collect::<Vec<_>>(), [1, 0, 3, 2, 5, 4]);
    assert_eq!(frames[2].link, LinkType::RAW);
    let capture = finished(&file.bytes);
    assert_eq!((capture.info().sections, capture.info().interfaces.len()), (3, 6));
}

#[test]
fn a_section_forgets_the_interfaces_of_the_one_before() {
    let file = Ng::usual().packet(0, 1, 1, b"a", &[]).section(ByteOrder::Big, &[]).packet(0, 2, 1, b"b", &[]);
    let (frames, error) = drain(&mut open(&file.bytes).unwrap());
    assert_eq!(frames.len(), 1);
    assert!(matches!(&error, Some(CaptureError::Corrupt { what, .. }) if what.contains("interface 0")), "{error:?}");
}

#[test]
fn packet_options_say_direction_drops_and_comments() {
    for order in BOTH {
        let flags = |flags| n32(order, flags);
        let file = Ng::new(order)
            .interface(1, 0, &[])
            .packet(0, 1, 5, &payload(1, 5), &[(2, &flags(1)), (4, &n64(order, 3))])
            .packet(0, 2, 6, &payload(2, 6), &[(1, b"look here"), (2, &flags(0x0001_0002)), (4, &n64(order, 4))])
            .packet(0, 3, 7, &payload(3, 7), &[(2, &flags(0)), (1, b"bad \xFF text")]);
        let frames = frames(&file.bytes);
        assert_eq!(frames.iter().map(|frame| frame.outgoing).collect::<Vec<_>>(), [Some(false), Some(true), None]);
        assert_eq!(frames[2].data, payload(3, 7));
        let capture = finished(&file.bytes);
        assert_eq!(capture.info().interfaces[0].dropped, 7);
        assert_eq!(
            capture.info().comments,
            [Comment { frame: Some(2), text: "look here".to_owned() }, Comment { frame: Some(3), text: "bad \u{FFFD} text".to_owned() }]
        );
    }
}

#[test]
fn only_the_first_comments_are_kept() {
    let mut file = Ng::usual();
    for i in 0..MAX_COMMENTS + 6 {
        file = file.packet(0, i as u64, 1, b"x", &[(1, i.to_string().as_bytes())]);
    }
    let capture = finished(&file.bytes);
    assert_eq!(capture.info().comments.len(), MAX_COMMENTS);
    assert_eq!(capture.info().comments[63], Comment { frame: Some(64), text: "63".to_owned() });
    assert_eq!(capture.info().comments_seen, 70);
}

#[test]
fn names_and_filters_are_kept() {
    let file = Ng::new(ByteOrder::Little)
        .section(ByteOrder::Big, &[(1, b"of the section"), (2, b"a machine"), (3, b"an OS\0"), (4, b"a program")])
        .interface(
            1,
            0,
            &[(2, b"eth0"), (3, b"uplink"), (11, b"\0tcp port 443"), (12, b"Linux"), (13, &[4]), (15, b"a card"), (1, b"of the interface")],
        )
        .interface(1, 0, &[(11, b"\x01\x00\x28\x00\x00"), (9, &[]), (2, b"")]);
    let capture = finished(&file.bytes);
    let info = capture.info();
    assert_eq!(info.hardware.as_deref(), Some("a machine"));
    assert_eq!(info.os.as_deref(), Some("an OS"));
    assert_eq!(info.application.as_deref(), Some("a program"));
    let interface = &info.interfaces[0];
    assert_eq!(interface.name.as_deref(), Some("eth0"));
    assert_eq!(interface.description.as_deref(), Some("uplink"));
    assert_eq!(interface.filter.as_deref(), Some("tcp port 443"));
    assert_eq!(interface.os.as_deref(), Some("Linux"));
    assert_eq!(interface.hardware.as_deref(), Some("a card"));
    assert_eq!(interface.fcs_len, Some(4));
    assert_eq!(info.comments.iter().map(|comment| comment.frame).collect::<Vec<_>>(), [None, None]);
    // A compiled filter is no text, an empty resolution none, an empty name no name.
    assert_eq!((&info.interfaces[1].filter, &info.interfaces[1].name), (&None, &None));
    assert_eq!(info.interfaces[1].resolution, Resolution::Decimal(6));
}

#[test]
fn the_latest_statistics_are_kept() {
    let order = ByteOrder::Big;
    let count = |count| n64(order, count);
    let file = Ng::new(order)
        .interface(1, 0, &[])
        .section(order, &[])
        .interface(1, 0, &[])
        .interface(1, 0, &[])
        .statistics(1, &[(4, &count(1))])
        .statistics(9, &[(4, &count(9))])
        .statistics(1, &[(4, &count(1000)), (5, &count(3)), (6, &count(900)), (7, &count(2)), (8, &count(898))]);
    let capture = finished(&file.bytes);
    assert_eq!(capture.info().interfaces[1].statistics, None);
    assert_eq!(
        capture.info().interfaces[2].statistics,
        Some(InterfaceStatistics {
            received: Some(1000),
            dropped_by_interface: Some(3),
            accepted: Some(900),
            dropped_by_os: Some(2),
            delivered: Some(898)
        })
    );
}

#[test]
fn simple_packets_have_the_first_interfaces_snap_length_and_the_time_before() {
    let file = Ng::new(ByteOrder::Little)
        .interface(101, 20, &[])
        .interface(1, 0, &[])
        .simple_packet(13, &payload(1, 13))
        .packet(1, 5, 1, b"x", &[])
        .simple_packet(100, &payload(2, 20));
    let frames = frames(&file.bytes);
    assert_eq!((frames[0].link, frames[0].interface, frames[0].wire_len), (LinkType::RAW, 0, 13));
    assert_eq!(frames[0].data, payload(1, 13));
    assert_eq!((frames[2].wire_len, &frames[2].data), (100, &payload(2, 20)));
    assert_eq!((frames[0].at.time.nanos(), frames[2].at.time.nanos()), (0, 5_000));
}

#[test]
fn obsolete_packets_are_read() {
    for order in BOTH {
        let file = Ng::new(order)
            .interface(1, 0, &[])
            .interface(101, 0, &[])
            .obsolete_packet(1, 7, 1_700_000_000_123_456, &payload(1, 21), &[(2, &n32(order, 2))])
            // 0xFFFF is not a count, and option 4 is not a drop count here.
            .obsolete_packet(1, 0xFFFF, 1, b"x", &[(4, &n64(order, 50))]);
        let frames = frames(&file.bytes);
        assert_eq!((frames[0].interface, frames[0].link, frames[0].outgoing), (1, LinkType::RAW, Some(true)));
        assert_eq!(frames[0].at.time.nanos(), 1_700_000_000_123_456_000);
        assert_eq!(frames[0].data, payload(1, 21));
        assert_eq!(finished(&file.bytes).info().interfaces[1].dropped, 7);
    }
}

#[test]
fn blocks_that_wireshark_numbers_take_a_number() {
    let file = Ng::usual()
        .packet(0, 1, 1, b"a", &[])
        .block(0x77, b"unknown: no number")
        .packet(0, 2, 1, b"b", &[])
        .block(9, b"__REALTIME_TIMESTAMP=1\n\n")
        .block(0xBAD, b"\0\0\0\0custom")
        .packet(0, 3, 1, b"c", &[(1, b"here")]);
    let frames = frames(&file.bytes);
    assert_eq!(frames.iter().map(|frame| frame.at.frame).collect::<Vec<_>>(), [1, 2, 5]);
    let capture = finished(&file.bytes);
    assert_eq!((capture.info().frames, capture.info().other_records), (5, 2));
    assert_eq!(capture.info().comments[0].frame, Some(5));
}

#[test]
fn key_logs_are_joined_and_never_printed() {
    let file = Ng::usual()
        .secrets(0x544C_534B, b"CLIENT_RANDOM 00 1122")
        .packet(0, 1, 1, b"a", &[])
        .secrets(0x5353_484B, b"an SSH key log")
        .secrets(0x544C_534B, b"CLIENT_RANDOM 01 3344\n");
    let mut capture = open(&file.bytes).unwrap();
    assert!(capture.next_frame().unwrap().is_some());
    assert_eq!(capture.secrets(), b"CLIENT_RANDOM 00 1122\n");
    drain(&mut capture);
    assert_eq!(capture.secrets(), b"CLIENT_RANDOM 00 1122\nCLIENT_RANDOM 01 3344\n");
    assert_eq!(capture.info().secrets_blocks, 3);
    assert!(!format!("{capture:?}").contains("CLIENT_RANDOM"));
}

#[test]
fn key_logs_are_bounded() {
    let block = vec![b'x'; 3 << 20];
    let file = Ng::usual().secrets(0x544C_534B, &block).secrets(0x544C_534B, &block);
    assert!(!finished(&file.bytes).info().secrets_cut);
    let file = file.secrets(0x544C_534B, &block);
    let capture = finished(&file.bytes);
    assert!(capture.info().secrets_cut);
    assert_eq!(capture.secrets().len(), 2 * (3 << 20) + 2);
}

#[test]
fn a_bad_option_stops_nothing() {
    // An option that claims more than there is, after one that is good.
    let mut body = [0_u32, 0, 1, 3, 3].map(u32::to_le_bytes).concat();
    body.extend(b"abc\0");
    body.extend([1, 0, 2, 0, b'h', b'i', 0, 0, 2, 0, 255, 255]);
    let file = Ng::usual().block(6, &body).packet(0, 2, 1, b"x", &[]);
    let frames = frames(&file.bytes);
    assert_eq!(frames[0].data, b"abc");
    assert_eq!(frames.len(), 2);
    assert_eq!(finished(&file.bytes).info().comments[0].text, "hi");
}

#[test]
fn contradictions_are_damage() {
    let good = Ng::usual().packet(0, 1, 4, b"good", &[]).bytes;
    let start = good.len();
    let packet = |captured: u32| {
        let mut body = [0, 0, 1, captured, captured].map(u32::to_le_bytes).concat();
        body.extend(b"data");
        let file = Ng::usual().packet(0, 1, 4, b"good", &[]).block(6, &body);
        file.bytes
    };
    assert_eq!(frames(&packet(4)).len(), 2);
    let mut odd_length = packet(4);
    odd_length[start + 4] += 1;
    let mut tiny = packet(4);
    tiny[start + 4] = 8;
    let mut huge = packet(4);
    huge[start + 7] = 0x7F;
    let mut second_length = packet(4);
    *second_length.last_chunk_mut::<4>().unwrap() = 48_u32.to_le_bytes();
    let mut no_mark = good.clone();
    no_mark.extend([0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 1, 2, 3, 4]);
    no_mark.extend([0; 16]);
    let mut version = Ng::usual().packet(0, 1, 4, b"good", &[]).section(ByteOrder::Little, &[]).bytes;
    version[start + 12] = 2;
    for (bytes, reason) in [
        (packet(5), "claims 5 captured bytes"),
        (odd_length, "claims 37 bytes"),
        (tiny, "claims 8 bytes"),
        (huge, "claims"),
        (second_length, "lengths differ"),
        (no_mark, "byte-order mark"),
        (version, "version 2"),
    ] {
        let (frames, error) = drain(&mut open(&bytes).unwrap());
        assert_eq!(frames.len(), 1, "{reason}");
        let Some(CaptureError::Corrupt { what, offset, frames, .. }) = error else { panic!("{reason}: {error:?}") };
        assert!(what.contains(reason), "{what}");
        assert_eq!((offset, frames), (start as u64, 1));
    }
}
