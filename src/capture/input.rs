//! The bytes of a capture: read in large chunks, decompressed on the way, and shown as one window that moves forward.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::zstd::ZstdReader;

/// How much is read at once. Larger gains nothing, and this stays in the processor's cache.
const CHUNK: usize = 64 * 1024;

/// How a capture file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compression {
    /// The compression whose magic number `head` begins with.
    pub(super) fn of(head: &[u8]) -> Option<Compression> {
        match *head {
            [0x1F, 0x8B, ..] => Some(Compression::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Compression::Zstd),
            // A skippable frame, as pzstd writes one first.
            [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// `gzip` or `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// Why no more bytes come.
#[derive(Debug)]
pub(super) enum Stop {
    /// The end.
    End,
    /// The compressed stream ends in its middle.
    CutStream,
    /// The compressed stream contradicts its format.
    Damaged(String),
    /// Reading failed.
    Failed(io::Error),
}

/// The file or pipe itself, counting what was read of it.
struct Source {
    /// Bytes that were read to recognise the compression; they come again.
    head: io::Cursor<Vec<u8>>,
    rest: Box<dyn Read>,
    count: u64,
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let again = self.head.read(out)?;
        if again > 0 || out.is_empty() {
            return Ok(again);
        }
        let count = self.rest.read(out)?;
        self.count += count as u64;
        Ok(count)
    }
}

enum Decoder {
    Plain(Source),
    Gzip(Box<MultiGzDecoder<BufReader<Source>>>),
    Zstd(Box<ZstdReader<BufReader<Source>>>),
}

impl Decoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Plain(source) => source.read(out),
            Decoder::Gzip(decoder) => decoder.read(out),
            Decoder::Zstd(decoder) => decoder.read(out),
        }
    }

    fn source(&self) -> &Source {
        match self {
            Decoder::Plain(source) => source,
            Decoder::Gzip(decoder) => decoder.get_ref().get_ref(),
            Decoder::Zstd(decoder) => decoder.source().get_ref(),
        }
    }
}

/// A window onto the decompressed bytes.
pub(super) struct Input {
    decoder: Decoder,
    /// `bytes[start..end]` is the window; what lies before `start` was consumed, and stays until the next [`Input::has`].
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `bytes[0]` in the decompressed capture.
    base: u64,
    stop: Option<Stop>,
}

impl Input {
    /// The input that `reader` gives, decompressed when its first bytes say so.
    ///
    /// Reads no more than it takes to tell: at most one byte more than a single read gives, as a rule.
    pub(super) fn new(mut reader: Box<dyn Read>) -> io::Result<(Input, Option<Compression>)> {
        let mut head = vec![0; 4096];
        let mut len = 0;
        while len < 4 {
            match reader.read(head.get_mut(len..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => len += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(len);
        let compression = Compression::of(&head);
        let source = Source { head: io::Cursor::new(head), rest: reader, count: len as u64 };
        let decoder = match compression {
            None => Decoder::Plain(source),
            Some(Compression::Gzip) => Decoder::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, source)))),
            Some(Compression::Zstd) => Decoder::Zstd(Box::new(ZstdReader::new(BufReader::with_capacity(CHUNK, source)))),
        };
        let input = Input { decoder, bytes: vec![0; CHUNK], start: 0, end: 0, base: 0, stop: None };
        Ok((input, compression))
    }

    /// Whether the window holds `count` bytes, or can be made to. Reads only when it does not hold them yet.
    #[inline]
    pub(super) fn has(&mut self, count: usize) -> bool {
        self.end - self.start >= count || self.fill(count)
    }

    #[cold]
    fn fill(&mut self, count: usize) -> bool {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.base += self.start as u64;
        self.start = 0;
        while self.end < count {
            if self.stop.is_some() {
                return false;
            }
            if self.end == self.bytes.len() {
                // Grown as bytes arrive, not as a length field claims.
                self.bytes.resize((self.end * 2).min(count), 0);
            }
            let free = self.bytes.get_mut(self.end..).unwrap_or_default();
            match self.decoder.read(free) {
                Ok(0) => self.stop = Some(Stop::End),
                Ok(more) => self.end += more.min(free.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.stop = Some(self.why(error)),
            }
        }
        true
    }

    fn why(&self, error: io::Error) -> Stop {
        let compressed = !matches!(self.decoder, Decoder::Plain(_));
        match error.kind() {
            _ if !compressed || error.raw_os_error().is_some() => Stop::Failed(error),
            io::ErrorKind::UnexpectedEof => Stop::CutStream,
            // flate2 says InvalidInput of bad deflate data and bad checksums, ruzstd's errors come as InvalidData.
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Stop::Damaged(error.to_string()),
            _ => Stop::Failed(error),
        }
    }

    /// The window.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The window, and where it starts: to be moved on by as many bytes as are taken from its beginning, all of which stay lent out.
    #[inline]
    pub(super) fn lend(&mut self) -> (&[u8], &mut usize) {
        (self.bytes.get(self.start..self.end).unwrap_or_default(), &mut self.start)
    }

    /// Moves the window's start `count` bytes on.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.start += count.min(self.end - self.start);
    }

    /// The last `len` bytes that were consumed.
    #[inline]
    pub(super) fn consumed(&self, len: usize) -> &[u8] {
        self.bytes.get(self.start.saturating_sub(len)..self.start).unwrap_or_default()
    }

    /// Offset of the window's first byte in the decompressed capture.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Bytes read of the file or pipe itself.
    pub(super) fn position(&self) -> u64 {
        self.decoder.source().count
    }

    /// Why [`Input::has`] said no. Asked once: a failure's error is handed over.
    pub(super) fn take_stop(&mut self) -> Stop {
        self.stop.replace(Stop::End).unwrap_or(Stop::End)
    }
}
