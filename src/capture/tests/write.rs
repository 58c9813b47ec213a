//! What is written comes back as it was, and Wireshark's tools take it.

use std::process::Command;

use super::{finished, frames};
use crate::base::{LinkType, Time};
use crate::capture::{CaptureWriter, NewInterface, NewPacket};

const DATA: [u8; 61] = [7; 61];

fn packet<'a>(interface: crate::capture::InterfaceId, nanos: i64, data: &'a [u8], comments: &'a [String]) -> NewPacket<'a> {
    NewPacket { interface, time: Time::from_nanos(nanos), wire_len: 1_500, outgoing: None, data, comments }
}

/// Packets of two interfaces, of every length up to that of `DATA`, with and without comments; and the bytes of the file.
fn sample() -> Vec<u8> {
    let mut writer = CaptureWriter::new(Vec::new(), &["the server hung up".to_owned()]).unwrap();
    let named =
        NewInterface { name: Some("eth0".into()), description: Some("ü".into()), snap_len: 96, ..NewInterface::new(LinkType::ETHERNET) };
    let (one, other) = (writer.interface(named), writer.interface(NewInterface::new(LinkType::RAW)));
    let comments = ["frame 17: FIN".to_owned(), "a second one, of two\nlines".to_owned()];
    for len in 0..DATA.len() {
        let comments = if len % 3 == 0 { &comments[..len % 2 + 1] } else { &[] };
        let interface = if len % 2 == 0 { one } else { other };
        writer.packet(&packet(interface, 1_700_000_000_123_456_789 + len as i64, &DATA[..len], comments)).unwrap();
    }
    writer.into_inner()
}

#[test]
fn packets_come_back_as_they_were() {
    let bytes = sample();
    let read = frames(&bytes);
    assert_eq!(read.len(), DATA.len());
    for (len, frame) in read.iter().enumerate() {
        assert_eq!((frame.at.time.nanos(), frame.wire_len), (1_700_000_000_123_456_789 + len as i64, 1_500));
        assert_eq!(frame.data, DATA[..len]);
        let (link, interface) = if len % 2 == 0 { (LinkType::ETHERNET, 0) } else { (LinkType::RAW, 1) };
        assert_eq!((frame.link, frame.interface), (link, interface));
    }
    let capture = finished(&bytes);
    let info = capture.info();
    assert_eq!(info.application.as_deref(), Some(concat!("whohungup ", env!("CARGO_PKG_VERSION"))));
    assert_eq!((info.interfaces.len(), info.interfaces[0].snap_len, info.interfaces[1].snap_len), (2, 96, 0));
    assert_eq!((info.interfaces[0].name.as_deref(), info.interfaces[0].description.as_deref()), (Some("eth0"), Some("ü")));
    let comments: Vec<_> = info.comments.iter().map(|comment| (comment.frame, comment.text.as_str())).collect();
    assert_eq!(
        comments[..4],
        [(None, "the server hung up"), (Some(1), "frame 17: FIN"), (Some(4), "frame 17: FIN"), (Some(4), "a second one, of two\nlines"),]
    );
}

#[test]
fn directions_and_secrets_are_kept() {
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    let interface = writer.interface(NewInterface { fcs_len: Some(4), ..NewInterface::new(LinkType::ETHERNET) });
    writer.secrets(b"CLIENT_RANDOM 00 11").unwrap();
    for outgoing in [None, Some(true), Some(false)] {
        writer.packet(&NewPacket { outgoing, ..packet(interface, 0, &DATA, &[]) }).unwrap();
    }
    let bytes = writer.into_inner();
    assert_eq!(frames(&bytes).iter().map(|frame| frame.outgoing).collect::<Vec<_>>(), [None, Some(true), Some(false)]);
    let capture = finished(&bytes);
    assert_eq!(capture.secrets(), b"CLIENT_RANDOM 00 11\n");
    assert_eq!(capture.info().interfaces[0].fcs_len, Some(4));
}

#[test]
fn any_time_can_be_written() {
    let times = [0, 1, i64::MAX, -1, -1_500_000_000, i64::MIN / 1_000_000_000 * 1_000_000_000, 5];
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    let interface = writer.interface(NewInterface::new(LinkType::RAW));
    for time in times {
        writer.packet(&packet(interface, time, &DATA, &[])).unwrap();
    }
    let read: Vec<i64> = frames(&writer.into_inner()).iter().map(|frame| frame.at.time.nanos()).collect();
    assert_eq!(read, times);
}

#[test]
fn too_much_text_is_cut_between_characters() {
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    let interface = writer.interface(NewInterface::new(LinkType::RAW));
    writer.packet(&packet(interface, 0, &DATA, &["ü".repeat(40_000), format!("x{}", "ü".repeat(40_000))])).unwrap();
    let bytes = writer.into_inner();
    assert_eq!(frames(&bytes)[0].data, DATA);
    let capture = finished(&bytes);
    assert_eq!(capture.info().comments.len(), 2);
    let count = |byte: u8| bytes.iter().filter(|&&b| b == byte).count();
    assert_eq!((count(0xc3), count(0xbc)), (count(0xbc), 2 * (0xfffc / 2) - 1), "each ü is whole");
}

#[test]
fn a_packet_that_no_capture_can_hold_is_refused_and_the_file_stays_whole() {
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    let interface = writer.interface(NewInterface::new(LinkType::RAW));
    assert!(writer.packet(&packet(interface, 0, &vec![0; (64 << 20) + 1], &[])).is_err());
    writer.packet(&packet(interface, 0, &DATA, &[])).unwrap();
    assert_eq!(frames(&writer.into_inner()).len(), 1);
}

#[test]
fn wiresharks_tools_take_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("written.pcapng");
    std::fs::write(&path, sample()).unwrap();
    let run = |program: &str, arguments: &[&str]| match Command::new(program).args(arguments).arg(&path).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(_) => {
            eprintln!("{program} is not installed: not compared with it");
            None
        }
    };
    if let Some(said) = run("capinfos", &["-M"]) {
        for expected in ["Number of packets:   61", "the server hung up", "Number of interfaces in file: 2", "nanoseconds"] {
            assert!(said.contains(expected), "{expected} is not in:\n{said}");
        }
    }
    let fields = ["-T", "fields", "-e", "frame.number", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.comment"];
    if let Some(said) = run("tshark", &[&fields[..], &["-Y", "frame.comment", "-r"]].concat()) {
        assert!(said.starts_with("1\t1700000000.123456789\t1500\tframe 17: FIN\n"), "{said}");
        assert_eq!(said.lines().filter(|line| line.contains("frame 17: FIN")).count(), 21, "{said}");
    }
}
