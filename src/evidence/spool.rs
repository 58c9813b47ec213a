//! The frames of chosen connections, set aside on disk while the capture is read: per connection in order, in bounded memory.
//!
//! The file has no name: whatever happens to the program, nothing of it is left.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::output::Stop;
use crate::base::{At, Frame, LinkType, Time};

/// Bytes held in memory before they are written.
const HELD: usize = 32 << 20;
/// Bytes that stand before a frame's own.
const HEAD: usize = 31;

/// Frames by connection, numbered from 0.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    connections: Vec<Kept>,
    held: usize,
    end: u64,
    most: u64,
    stop: Stop,
}

#[derive(Debug, Default)]
struct Kept {
    buffer: Vec<u8>,
    /// Where parts of it lie in the file, and how long they are.
    chunks: Vec<(u64, usize)>,
}

/// What is to be known of a frame beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// It came after the connection was judged.
    pub late: bool,
    /// It was joined from IP fragments.
    pub joined: bool,
}

impl Spool {
    /// A spool for so many connections, in an unnamed file in `folder`, of at most `most` bytes. `stop` ends adding and reading.
    ///
    /// # Errors
    ///
    /// No file can be made there.
    pub(super) fn new(folder: &Path, connections: usize, most: u64, stop: &Stop) -> io::Result<Spool> {
        let connections = std::iter::repeat_with(Kept::default).take(connections).collect();
        Ok(Spool { file: tempfile::tempfile_in(folder)?, connections, held: 0, end: 0, most, stop: stop.clone() })
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// It is to stop.
    pub(super) fn check(&self) -> io::Result<()> {
        self.stop.check()
    }

    /// Adds a frame.
    ///
    /// # Errors
    ///
    /// The disk does not take it, or it is more than the spool may hold.
    pub(super) fn add(&mut self, connection: usize, frame: &Frame<'_>, mark: Mark) -> io::Result<()> {
        let Some(Kept { buffer, .. }) = self.connections.get_mut(connection) else { return Ok(()) };
        let before = buffer.len();
        buffer.extend(frame.at.time.nanos().to_le_bytes());
        buffer.extend(frame.at.frame.to_le_bytes());
        buffer.extend(frame.at.file.to_le_bytes());
        buffer.extend(frame.link.0.to_le_bytes());
        buffer.extend(frame.wire_len.to_le_bytes());
        buffer.extend(frame.interface.to_le_bytes());
        buffer.push(frame.outgoing.map_or(0, |outgoing| 1 + u8::from(outgoing)));
        buffer.push(u8::from(mark.late));
        buffer.push(u8::from(mark.joined));
        buffer.extend((frame.data.len() as u32).to_le_bytes());
        buffer.extend_from_slice(frame.data);
        self.held += buffer.len() - before;
        if self.held >= HELD { self.write() } else { Ok(()) }
    }

    /// Writes everything held.
    fn write(&mut self) -> io::Result<()> {
        if self.end + self.held as u64 > self.most {
            let most = self.most >> 20;
            return Err(io::Error::other(format!("the packets chosen take more than {most} MiB; choose fewer sessions")));
        }
        self.file.seek(SeekFrom::Start(self.end))?;
        for kept in self.connections.iter_mut().filter(|kept| !kept.buffer.is_empty()) {
            self.file.write_all(&kept.buffer)?;
            kept.chunks.push((self.end, kept.buffer.len()));
            self.end += kept.buffer.len() as u64;
            kept.buffer.clear();
            kept.buffer.shrink_to(4096);
        }
        self.held = 0;
        Ok(())
    }

    /// Hands out a connection's frames in order, until `take` says that it has enough or fails.
    ///
    /// # Errors
    ///
    /// The disk gives no more, it is to stop, or `take`'s.
    pub(super) fn read(&mut self, connection: usize, mut take: impl FnMut(&Frame<'_>, Mark) -> io::Result<()>) -> io::Result<()> {
        let Some(kept) = self.connections.get(connection) else { return Ok(()) };
        let mut chunk = Vec::new();
        for (at, len) in &kept.chunks {
            self.stop.check()?;
            self.file.seek(SeekFrom::Start(*at))?;
            chunk.resize(*len, 0);
            self.file.read_exact(&mut chunk)?;
            frames(&chunk, &mut take)?;
        }
        frames(&kept.buffer, &mut take)
    }
}

/// Hands out the frames in `bytes`.
fn frames(mut bytes: &[u8], take: &mut impl FnMut(&Frame<'_>, Mark) -> io::Result<()>) -> io::Result<()> {
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() {
        let [t0, t1, t2, t3, t4, t5, t6, t7, n0, n1, n2, n3, f0, f1, l0, l1, w0, w1, w2, w3, i0, i1, i2, i3, way, late, joined, len @ ..] =
            *head;
        let (data, rest) = rest.split_at_checked(u32::from_le_bytes(len) as usize).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes = rest;
        let time = Time::from_nanos(i64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]));
        let frame = Frame {
            at: At::new(time, u32::from_le_bytes([n0, n1, n2, n3]), u16::from_le_bytes([f0, f1])),
            link: LinkType(u16::from_le_bytes([l0, l1])),
            wire_len: u32::from_le_bytes([w0, w1, w2, w3]),
            interface: u32::from_le_bytes([i0, i1, i2, i3]),
            outgoing: way.checked_sub(1).map(|outgoing| outgoing == 1),
            data,
        };
        take(&frame, Mark { late: late == 1, joined: joined == 1 })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_by_connection_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path(), 3, u64::MAX, &Stop::default()).unwrap();
        let big = vec![9; 3 << 20];
        for number in 0..60_u32 {
            let data = if number % 2 == 0 { &big[..] } else { &[][..] };
            let frame = Frame {
                at: At::new(Time::from_nanos(-5 + i64::from(number)), number, 7),
                link: LinkType(276),
                wire_len: number + 1,
                interface: 3,
                outgoing: [None, Some(false), Some(true)][number as usize % 3],
                data,
            };
            spool.add(number as usize % 3, &frame, Mark { late: number == 4, joined: number == 7 }).unwrap();
        }
        assert!(spool.end > 0, "some of it must have gone to disk");
        let mut found = Vec::new();
        spool
            .read(1, |frame, mark| {
                assert_eq!(
                    (frame.at.time.nanos(), frame.at.file, frame.link, frame.interface),
                    (-5 + i64::from(frame.at.frame), 7, LinkType(276), 3)
                );
                assert_eq!((frame.wire_len, frame.outgoing), (frame.at.frame + 1, Some(false)));
                assert_eq!(mark, Mark { late: frame.at.frame == 4, joined: frame.at.frame == 7 });
                assert_eq!(frame.data.len(), if frame.at.frame % 2 == 0 { big.len() } else { 0 });
                found.push(frame.at.frame);
                Ok(())
            })
            .unwrap();
        assert_eq!(found, (0..20).map(|i| 1 + 3 * i).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn the_bound_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path(), 1, 1 << 20, &Stop::default()).unwrap();
        let data = vec![0; 40 << 20];
        let frame = Frame { at: At::default(), link: LinkType::RAW, wire_len: 0, interface: 0, outgoing: None, data: &data };
        let error = spool.add(0, &frame, Mark { late: false, joined: false }).unwrap_err();
        assert_eq!(error.to_string(), "the packets chosen take more than 1 MiB; choose fewer sessions");
    }
}
