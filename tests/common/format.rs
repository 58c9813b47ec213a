//! Writes captures in every format a reader may meet.

use std::io::{Cursor, Write};

use super::Owned;

/// How a capture is written.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// Classic pcap; `nanos`: with nanoseconds instead of microseconds.
    Pcap { big: bool, nanos: bool },
    /// pcapng; `nanos` as above.
    Pcapng { big: bool, nanos: bool },
}

/// The bytes of the file. All frames must be of one link type.
pub fn written(frames: &[Owned], format: Format) -> Vec<u8> {
    match format {
        Format::Pcap { big, nanos } => pcap(frames, &Numbers { big }, nanos),
        Format::Pcapng { big, nanos } => pcapng(frames, &Numbers { big }, nanos),
    }
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// What `CaptureFile::from_reader` takes.
pub fn reader(bytes: Vec<u8>) -> Box<dyn std::io::Read> {
    Box::new(Cursor::new(bytes))
}

struct Numbers {
    big: bool,
}

impl Numbers {
    fn u16(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

fn pcap(frames: &[Owned], n: &Numbers, nanos: bool) -> Vec<u8> {
    let link = frames.first().map_or(1, |frame| frame.link.0);
    let magic = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut out = Vec::new();
    out.extend(n.u32(magic));
    out.extend(n.u16(2));
    out.extend(n.u16(4));
    for value in [0, 0, 262_144, u32::from(link)] {
        out.extend(n.u32(value));
    }
    for frame in frames {
        let fraction = frame.time.rem_euclid(1_000_000_000) / if nanos { 1 } else { 1_000 };
        for value in [frame.time.div_euclid(1_000_000_000) as u32, fraction as u32, frame.data.len() as u32, frame.wire_len] {
            out.extend(n.u32(value));
        }
        out.extend_from_slice(&frame.data);
    }
    out
}

fn pcapng(frames: &[Owned], n: &Numbers, nanos: bool) -> Vec<u8> {
    let link = frames.first().map_or(1, |frame| frame.link.0);
    let mut out = Vec::new();
    let section = [n.u32(0x1a2b_3c4d).as_slice(), &n.u16(1), &n.u16(0), &[0xff; 8]].concat();
    block(&mut out, n, 0x0a0d_0d0a, &section);
    let resolution = if nanos { [n.u16(9).as_slice(), &n.u16(1), &[9, 0, 0, 0], &[0; 4]].concat() } else { Vec::new() };
    block(&mut out, n, 1, &[n.u16(link).as_slice(), &[0; 2], &n.u32(0), &resolution].concat());
    for frame in frames {
        let stamp = (frame.time / if nanos { 1 } else { 1_000 }) as u64;
        let mut body = Vec::new();
        for value in [0, (stamp >> 32) as u32, stamp as u32, frame.data.len() as u32, frame.wire_len] {
            body.extend(n.u32(value));
        }
        body.extend_from_slice(&frame.data);
        body.resize(body.len().next_multiple_of(4), 0);
        block(&mut out, n, 6, &body);
    }
    out
}

fn block(out: &mut Vec<u8>, n: &Numbers, typ: u32, body: &[u8]) {
    let len = n.u32(body.len() as u32 + 12);
    out.extend(n.u32(typ));
    out.extend(len);
    out.extend_from_slice(body);
    out.extend(len);
}
