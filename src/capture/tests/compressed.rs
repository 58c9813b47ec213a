//! gzip and zstd: detected by content, concatenated members, streams cut short or damaged.

use std::io::Write;

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::build::{Ng, Pcap, every_kind, payload};
use super::{Owned, drain, finished, frames, open};
use crate::capture::{CaptureError, Compression};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A zstd frame of raw blocks, each as long as said, with a window larger than all of it and no checksum.
fn zstd_blocks(bytes: &[u8], block: usize) -> Vec<u8> {
    let mut out = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x60];
    let count = bytes.len().div_ceil(block);
    for (i, chunk) in bytes.chunks(block).enumerate() {
        let header = (chunk.len() as u32) << 3 | u32::from(i + 1 == count);
        out.extend(&header.to_le_bytes()[..3]);
        out.extend(chunk);
    }
    out
}

#[test]
fn every_kind_reads_the_same_when_compressed() {
    for plain in every_kind() {
        let expected = frames(&plain);
        for (compressed, compression) in
            [(gzip(&plain), Compression::Gzip), (zstd(&plain), Compression::Zstd), (zstd_blocks(&plain, 50), Compression::Zstd)]
        {
            assert_eq!(frames(&compressed), expected);
            let capture = finished(&compressed);
            assert_eq!(capture.info().compression, Some(compression));
            assert_eq!(capture.position(), compressed.len() as u64);
        }
        assert_eq!(finished(&plain).info().compression, None);
    }
}

#[test]
fn several_members_are_one_stream() {
    let plain = Pcap::usual().packet(1, 0, 300, &payload(1, 300)).packet(2, 0, 400, &payload(2, 400)).bytes;
    let expected = frames(&plain);
    let (a, b) = plain.split_at(150);
    assert_eq!(frames(&[gzip(a), gzip(b)].concat()), expected);
    assert_eq!(frames(&[zstd(a), zstd(b)].concat()), expected);
    // A skippable frame before, between and after.
    let skip = [&[0x51, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    assert_eq!(frames(&[&skip, &zstd(a), &skip, &zstd(b), &skip].map(|part| part.as_slice()).concat()), expected);
}

#[test]
fn a_large_capture_crosses_all_the_buffers() {
    let mut file = Ng::usual();
    for i in 0..1500 {
        let len = 1 + (i * 389) % 1400;
        file = file.packet(0, i as u64, len as u32, &payload(i, len), &[]);
    }
    let expected = frames(&file.bytes);
    assert_eq!(expected.len(), 1500);
    assert_eq!(frames(&gzip(&file.bytes)), expected);
    assert_eq!(frames(&zstd(&file.bytes)), expected);
}

/// Reads a cut stream, which gives a beginning of `expected` and then says it is cut.
fn read_cut(cut: &[u8], expected: &[Owned]) -> usize {
    let mut capture = match open(cut) {
        Ok(capture) => capture,
        Err(error) => {
            assert!(matches!(error, CaptureError::Cut { frames: 0, .. }), "{error:?}");
            return 0;
        }
    };
    let (frames, error) = drain(&mut capture);
    assert!(matches!(error, Some(CaptureError::Cut { frames: n, .. }) if n == frames.len() as u64), "{error:?}");
    assert_eq!(frames, expected[..frames.len()]);
    frames.len()
}

#[test]
fn a_cut_stream_gives_what_came_before_the_cut() {
    let mut file = Pcap::usual();
    for i in 0..10 {
        file = file.packet(i, 0, 84, &payload(i as usize, 84));
    }
    let expected = frames(&file.bytes);
    for compressed in [gzip(&file.bytes), zstd(&file.bytes), zstd_blocks(&file.bytes, 100)] {
        for end in 4..compressed.len() {
            read_cut(&compressed[..end], &expected);
        }
        assert!(read_cut(&compressed[..compressed.len() - 1], &expected) >= 8);
    }
    // A header of 24 bytes, then records of 100, in blocks of 100: with nine whole blocks come eight whole records,
    // although the window would hold them all back.
    let blocks = zstd_blocks(&file.bytes, 100);
    assert_eq!(read_cut(&blocks[..6 + 9 * 103], &expected), 8);
    assert_eq!(read_cut(&blocks[..6 + 9 * 103 - 1], &expected), 7);
}

#[test]
fn a_stream_cut_between_frames_is_cut_all_the_same() {
    let plain = Pcap::usual().packet(1, 0, 4, b"data").bytes;
    let compressed = gzip(&plain);
    // Only the trailer is missing.
    let (frames, error) = drain(&mut open(&compressed[..compressed.len() - 8]).unwrap());
    assert_eq!(frames.len(), 1);
    assert!(matches!(error, Some(CaptureError::Cut { inside: "compressed data", .. })), "{error:?}");
}

#[test]
fn a_wrong_checksum_is_damage() {
    let plain = Pcap::usual().packet(1, 0, 4, b"data").bytes;
    let mut with_checksum = zstd_blocks(&plain, 100);
    with_checksum[4] |= 4;
    for (mut compressed, back) in [(gzip(&plain), 8), ([with_checksum, vec![0; 4]].concat(), 1)] {
        let place = compressed.len() - back;
        compressed[place] ^= 1;
        let (frames, error) = drain(&mut open(&compressed).unwrap());
        assert_eq!(frames.len(), 1);
        assert!(matches!(&error, Some(CaptureError::Corrupt { what, .. }) if what.contains("checksum")), "{error:?}");
    }
}

#[test]
fn what_is_compressed_must_be_a_capture() {
    for compressed in [gzip(b"hello, world"), zstd(b"hello, world")] {
        let error = open(&compressed).unwrap_err();
        assert!(error.to_string().contains("compressed data that is text"), "{error}");
    }
    let twice = gzip(&gzip(&Pcap::usual().bytes));
    assert!(open(&twice).unwrap_err().to_string().contains("compressed twice"));
    assert!(matches!(open(&gzip(b"")).unwrap_err(), CaptureError::Empty { .. }));
}
