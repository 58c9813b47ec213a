//! Cuts at every byte, flipped bits, short reads, and a pipe that is still being written.

use std::io::{self, Read, Write};

use super::build::{Ng, Pcap, every_kind, payload};
use super::{Owned, drain, frames, open, open_reader};
use crate::capture::{CaptureError, CaptureFile};

/// Where the records of a capture end, with the number of frames up to there.
fn boundaries(bytes: &[u8]) -> Vec<(usize, usize)> {
    let little = bytes[0] != 0xA1;
    if bytes.starts_with(&[0x0A, 0x0D, 0x0D, 0x0A]) {
        let (mut at, mut count, mut little) = (0, 0, true);
        let mut ends = Vec::new();
        while at < bytes.len() {
            if bytes[at..].starts_with(&[0x0A, 0x0D, 0x0D, 0x0A]) {
                little = bytes[at + 8] == 0x4D;
            }
            let number = |from: usize| {
                let bytes = bytes[from..from + 4].try_into().unwrap();
                if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
            };
            count += usize::from([2, 3, 6].contains(&number(at)));
            at += number(at + 4) as usize;
            ends.push((at, count));
        }
        return ends;
    }
    let header = if bytes[..4] == [0x34, 0xCD, 0xB2, 0xA1] || bytes[..4] == [0xA1, 0xB2, 0xCD, 0x34] { 24 } else { 16 };
    let mut ends = vec![(24, 0)];
    while ends.last().unwrap().0 < bytes.len() {
        let (at, count) = *ends.last().unwrap();
        let len = bytes[at + 8..at + 12].try_into().unwrap();
        let len = if little { u32::from_le_bytes(len) } else { u32::from_be_bytes(len) };
        ends.push((at + header + len as usize, count + 1));
    }
    ends
}

#[test]
fn a_cut_anywhere_loses_only_what_it_cuts() {
    for bytes in every_kind() {
        let expected = frames(&bytes);
        let ends = boundaries(&bytes);
        assert_eq!(*ends.last().unwrap(), (bytes.len(), expected.len()));
        for end in 0..bytes.len() {
            let (at, complete) = ends.iter().rev().find(|(at, _)| *at <= end).copied().unwrap_or((0, 0));
            let result = open(&bytes[..end]);
            let (frames, error) = match result {
                Ok(mut capture) => drain(&mut capture),
                Err(error) => (Vec::new(), Some(error)),
            };
            assert_eq!(frames, expected[..complete]);
            match error {
                None => assert_eq!(at, end, "no error although cut at {end}"),
                Some(CaptureError::Empty { .. }) => assert_eq!(end, 0),
                Some(CaptureError::Cut { frames, offset, .. }) => {
                    assert!(at < end);
                    assert_eq!((frames, offset), (complete as u64, at as u64));
                }
                other => panic!("cut at {end}: {other:?}"),
            }
        }
    }
}

/// A small generator of numbers that look random (xorshift64), the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn damage_never_panics_and_never_hangs() {
    let mut numbers = Numbers(0x5EED);
    let mut read = 0;
    let mut failed = 0;
    for bytes in every_kind() {
        for _ in 0..4_000 {
            let mut bytes = bytes.clone();
            for _ in 0..=numbers.next(4) {
                let place = numbers.next(bytes.len());
                match numbers.next(3) {
                    0 => bytes[place] = 0xFF,
                    1 => bytes[place] = numbers.next(256) as u8,
                    _ => bytes[place] ^= 1 << numbers.next(8),
                }
            }
            let Ok(mut capture) = open(&bytes) else { continue };
            let (frames, error) = drain(&mut capture);
            // Every record takes at least 12 bytes: more frames would mean that some were read twice.
            assert!(frames.len() <= bytes.len() / 12);
            assert!(frames.iter().all(|frame| frame.wire_len as usize >= frame.data.len()));
            read += frames.len();
            failed += usize::from(error.is_some());
        }
    }
    assert!(read > 10_000 && failed > 1_000, "the damage must leave something to read and break something: {read} {failed}");
}

#[test]
fn damaged_compressed_data_never_panics() {
    let mut file = Pcap::usual();
    for i in 0..30 {
        file = file.packet(i, 0, 90, &payload(i as usize / 3, 90));
    }
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&file.bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = ruzstd::encoding::compress_to_vec(file.bytes.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    let mut numbers = Numbers(0xC0FFEE);
    let mut failed = 0;
    for bytes in [gzip, zstd] {
        for _ in 0..2_000 {
            let mut bytes = bytes.clone();
            let place = numbers.next(bytes.len());
            bytes[place] ^= 1 << numbers.next(8);
            failed += match open(&bytes) {
                Ok(mut capture) => usize::from(drain(&mut capture).1.is_some()),
                Err(_) => 1,
            };
        }
    }
    assert!(failed > 1_000, "{failed}");
}

/// Gives one byte at a time, and is interrupted before each.
struct Slow {
    bytes: Vec<u8>,
    at: usize,
    interrupted: bool,
}

impl Slow {
    fn new(bytes: &[u8]) -> Slow {
        Slow { bytes: bytes.to_vec(), at: 0, interrupted: false }
    }
}

impl Read for Slow {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (Some(byte), Some(first)) = (self.bytes.get(self.at), out.first_mut()) else { return Ok(0) };
        *first = *byte;
        self.at += 1;
        Ok(1)
    }
}

#[test]
fn short_reads_give_the_same_frames() {
    let slowly = |bytes: &[u8]| -> Vec<Owned> {
        let (frames, error) = drain(&mut open_reader(Slow::new(bytes)).unwrap());
        assert!(error.is_none(), "{error:?}");
        frames
    };
    for bytes in every_kind() {
        let expected = frames(&bytes);
        assert_eq!(slowly(&bytes), expected);
        let zstd = ruzstd::encoding::compress_to_vec(bytes.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
        assert_eq!(slowly(&zstd), expected);
    }
}

#[test]
fn a_frame_comes_before_more_is_written() {
    let first = Pcap::usual().packet(1, 0, 5, b"first").bytes;
    let second = Pcap::usual().packet(2, 0, 6, b"second").bytes.split_off(24);
    let ng_first = Ng::usual().packet(0, 1, 5, b"first", &[]).bytes;
    let ng_second = Ng::usual().packet(0, 2, 6, b"second", &[]).bytes.split_off(Ng::usual().bytes.len());
    for (first, second) in [(first, second), (ng_first, ng_second)] {
        // Nobody writes while the reader reads: a read too many would hang here.
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&first).unwrap();
        let mut capture = CaptureFile::from_reader(Box::new(reader), "pipe", 0).unwrap();
        assert_eq!(capture.next_frame().unwrap().unwrap().data, b"first");
        writer.write_all(&second).unwrap();
        assert_eq!(capture.next_frame().unwrap().unwrap().data, b"second");
        writer.write_all(&second[..10]).unwrap();
        drop(writer);
        assert!(matches!(capture.next_frame(), Err(CaptureError::Cut { frames: 2, .. })));
        assert!(matches!(capture.next_frame(), Ok(None)));
    }
}

#[test]
fn a_flushed_gzip_stream_is_not_waited_for() {
    let (reader, writer) = io::pipe().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(writer, flate2::Compression::default());
    encoder.write_all(&Pcap::usual().packet(1, 0, 5, b"first").bytes).unwrap();
    encoder.flush().unwrap();
    let mut capture = CaptureFile::from_reader(Box::new(reader), "pipe", 0).unwrap();
    assert_eq!(capture.next_frame().unwrap().unwrap().data, b"first");
    encoder.finish().unwrap();
    assert!(matches!(capture.next_frame(), Ok(None)));
}

#[test]
fn a_header_is_read_before_the_first_packet_comes() {
    for header in [Pcap::usual().bytes, Ng::new(crate::capture::ByteOrder::Big).bytes] {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&header).unwrap();
        let capture = CaptureFile::from_reader(Box::new(reader), "pipe", 0).unwrap();
        assert_eq!(capture.info().frames, 0);
    }
}

#[test]
fn the_end_is_where_it_is_first_seen() {
    /// Ends, and then goes on.
    struct Growing(Vec<Vec<u8>>);
    impl Read for Growing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let part = self.0.pop().unwrap_or_default();
            out[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }
    let bytes = Pcap::usual().packet(1, 0, 4, b"data").bytes;
    let more = bytes[24..].to_vec();
    let (frames, error) = drain(&mut open_reader(Growing(vec![more, Vec::new(), bytes])).unwrap());
    assert_eq!(frames.len(), 1);
    assert!(error.is_none());
}
