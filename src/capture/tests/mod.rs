//! Tests of the capture reader: captures are built byte by byte, read, and compared with what went in.

mod build;
mod compressed;
mod errors;
mod oracle;
mod order;
mod pcap;
mod pcapng;
mod robust;
mod write;

use std::io::{Cursor, Read};

use super::{CaptureError, CaptureFile};
use crate::base::{At, Frame, LinkType};

/// A frame that outlives its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    at: At,
    link: LinkType,
    wire_len: u32,
    interface: u32,
    outgoing: Option<bool>,
    data: Vec<u8>,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Owned {
        let Frame { at, link, wire_len, interface, outgoing, data } = frame;
        Owned { at, link, wire_len, interface, outgoing, data: data.to_vec() }
    }
}

/// All frames of a capture, and the error that ended it.
fn drain(capture: &mut CaptureFile) -> (Vec<Owned>, Option<CaptureError>) {
    let mut frames = Vec::new();
    let error = loop {
        match capture.next_frame() {
            Ok(Some(frame)) => frames.push(Owned::from(frame)),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(matches!(capture.next_frame(), Ok(None)), "after the end only the end follows");
    (frames, error)
}

fn open(bytes: &[u8]) -> Result<CaptureFile, CaptureError> {
    open_reader(Cursor::new(bytes.to_vec()))
}

fn open_reader(reader: impl Read + 'static) -> Result<CaptureFile, CaptureError> {
    CaptureFile::from_reader(Box::new(reader), "test", 7)
}

/// All frames of bytes that are a good capture.
fn frames(bytes: &[u8]) -> Vec<Owned> {
    let (frames, error) = drain(&mut open(bytes).unwrap());
    assert!(error.is_none(), "{error:?}");
    frames
}

/// A good capture read to its end.
fn finished(bytes: &[u8]) -> CaptureFile {
    let mut capture = open(bytes).unwrap();
    let (_, error) = drain(&mut capture);
    assert!(error.is_none(), "{error:?}");
    capture
}
