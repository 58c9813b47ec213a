//! The order of a ring buffer's files.

use std::path::PathBuf;

use super::build::{Ng, Pcap};
use crate::base::Time;
use crate::capture::{CaptureError, CaptureFile, reading_order};

#[test]
fn files_are_read_in_the_order_of_their_first_frames() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let late = file("a.pcap", &Pcap::usual().packet(300, 0, 1, b"x").packet(1, 0, 1, b"x").bytes);
    let early = file("b.pcapng", &Ng::usual().packet(0, 100_000_000, 1, b"x", &[]).bytes);
    // Cut after its first frame.
    let middle = file("c.pcap", &[Pcap::usual().packet(200, 0, 1, b"x").bytes, vec![1, 2, 3]].concat());
    let none = file("d.pcap", &Pcap::usual().bytes);
    let empty = file("e.pcap", b"");
    let also_late = file("f.pcap", &Pcap::usual().packet(300, 0, 1, b"y").bytes);
    let given = [&none, &late, &empty, &also_late, &middle, &early].map(Clone::clone);
    let parts = reading_order(&given);
    let order: Vec<_> = parts.iter().map(|part| &part.path).collect();
    assert_eq!(order, [&early, &middle, &late, &also_late, &none, &empty]);
    assert_eq!(parts[0].first, Some(Time::from_nanos(100_000_000_000)));
    assert_eq!(parts[5].first, None);
    // Nothing was lost by looking.
    let mut capture = CaptureFile::open(&parts[0].path, 0).unwrap();
    assert_eq!(capture.next_frame().unwrap().unwrap().at.frame, 1);
    assert!(matches!(CaptureFile::open(&parts[5].path, 5), Err(CaptureError::Empty { .. })));
}

#[cfg(unix)]
#[test]
fn a_pipe_among_them_leaves_the_order_as_given() {
    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late.pcap");
    let early = folder.path().join("early.pcap");
    std::fs::write(&late, Pcap::usual().packet(300, 0, 1, b"x").bytes).unwrap();
    std::fs::write(&early, Pcap::usual().packet(100, 0, 1, b"x").bytes).unwrap();
    let first = |paths: &[PathBuf]| reading_order(paths)[0].path.clone();
    assert_eq!(first(&[late.clone(), early.clone()]), early);
    assert_eq!(first(&[late.clone(), early.clone(), PathBuf::from("/dev/null")]), late);
}
