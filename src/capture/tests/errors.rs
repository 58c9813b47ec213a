//! What is not a capture, cannot be read, or fails on the way.

use std::io::{self, Cursor, Read};
use std::path::Path;

use super::build::{Ng, Pcap, payload};
use super::{drain, open, open_reader};
use crate::capture::{CaptureError, CaptureFile};

fn text(result: Result<CaptureFile, CaptureError>) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains('\n'));
    text
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(CaptureFile::open(folder.path(), 0), Err(CaptureError::Directory { .. })));
    let missing = folder.path().join("missing.pcap");
    let error = CaptureFile::open(&missing, 0);
    assert!(matches!(error, Err(CaptureError::NotFound { .. })));
    assert!(text(error).ends_with("missing.pcap: no such file"));
    let empty = folder.path().join("empty.pcap");
    std::fs::write(&empty, b"").unwrap();
    assert!(matches!(CaptureFile::open(&empty, 0), Err(CaptureError::Empty { .. })));
}

#[test]
fn what_is_no_capture_is_named() {
    assert!(text(open(b"%PDF-1.7 ...")).starts_with("test: not a capture but a PDF document; a pcap or pcapng file is needed"));
    assert!(text(open(b"hi")).contains("but text;"));
    // Nearly a magic number.
    assert!(matches!(open(&[0xD4, 0xC3, 0xB2, 0xA2, 0, 0, 0, 0]), Err(CaptureError::NotACapture { .. })));
    assert!(matches!(open(&[0xD4, 0xC3, 0xB2]), Err(CaptureError::Cut { frames: 0, .. })));
    assert!(matches!(open(&Pcap::usual().bytes[..23]), Err(CaptureError::Cut { inside: "the file header", .. })));
}

#[test]
fn paths_are_made_printable() {
    let error = CaptureFile::open(Path::new("a\x1b[31m\nb"), 0);
    assert_eq!(text(error), "a\\x1b[31m\\nb: no such file");
}

#[test]
fn a_capture_without_packets_is_one() {
    for bytes in [Pcap::usual().bytes, Ng::usual().bytes, Ng::new(crate::capture::ByteOrder::Big).bytes] {
        let (frames, error) = drain(&mut open(&bytes).unwrap());
        assert!(frames.is_empty() && error.is_none());
    }
}

#[test]
fn messages_count_frames_and_bytes() {
    let bytes = Pcap::usual().packet(1, 0, 4, b"data").packet(2, 0, 4, b"data").bytes;
    let message = |end: usize| drain(&mut open(&bytes[..end]).unwrap()).1.map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(message(30), "test: cut short: it ends inside a packet that begins at byte 24, after no complete frame");
    assert_eq!(message(44), "");
    assert_eq!(message(63), "test: cut short: it ends inside a packet that begins at byte 44, after 1 complete frame");
}

#[test]
fn size_and_position_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pcap");
    let bytes = Pcap::usual().packet(1, 0, 4, b"data").bytes;
    std::fs::write(&path, &bytes).unwrap();
    let mut capture = CaptureFile::open(&path, 3).unwrap();
    assert_eq!(capture.size(), Some(44));
    assert_eq!(capture.next_frame().unwrap().unwrap().at.file, 3);
    assert!(capture.next_frame().unwrap().is_none());
    assert_eq!(capture.position(), 44);
    assert_eq!(open(&bytes).unwrap().size(), None);
}

/// Gives its bytes, then fails.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(io::Error::from_raw_os_error(5)),
            count => Ok(count),
        }
    }
}

#[test]
fn a_failing_disk_is_no_cut() {
    let plain = Pcap::usual().packet(1, 0, 60, &payload(1, 60)).packet(2, 0, 4, b"data").bytes;
    for end in [100, 110, plain.len()] {
        let (frames, error) = drain(&mut open_reader(Failing(Cursor::new(plain[..end].to_vec()))).unwrap());
        assert_eq!(frames.len(), if end == plain.len() { 2 } else { 1 });
        assert!(matches!(error, Some(CaptureError::Io { operation: "read on", .. })), "{error:?}");
    }
    assert!(matches!(open_reader(Failing(Cursor::new(Vec::new()))), Err(CaptureError::Io { .. })));
    assert!(matches!(open_reader(Failing(Cursor::new(plain[..10].to_vec()))), Err(CaptureError::Io { .. })));
}
