//! Reading a capture file, frame by frame.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::{CaptureError, shown};
use super::info::{ByteOrder, CaptureInfo, Format};
use super::input::{Compression, Input, Stop};
use super::packet::{Damage, Packet};
use super::pcap::{self, Pcap};
use super::pcapng::{self, Section, frame_number};
use super::recognise;
use crate::base::{At, Frame};

/// A capture being read: a pcap or pcapng file, as it is or compressed by gzip or zstd, or a pipe that carries one.
///
/// Frames are borrowed from the reader's buffer until the next call. A frame is delivered as soon as it is complete, so that a
/// capture can be read while it is being written (of a zstd stream the decoder keeps back as much as its window until the end).
/// The file ends where its end is first seen.
pub struct CaptureFile {
    input: Input,
    format: Parser,
    info: CaptureInfo,
    /// The latest packet.
    packet: Packet,
    path: String,
    file: u16,
    size: Option<u64>,
    ended: bool,
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile").field("path", &self.path).field("info", &self.info).finish_non_exhaustive()
    }
}

enum Parser {
    Pcap(Pcap),
    Pcapng(Section),
}

impl CaptureFile {
    /// Opens the capture at `path` and reads its header; `file` goes into each frame's [`At`].
    ///
    /// # Errors
    ///
    /// The file cannot be opened or read, or does not begin as a capture does.
    #[expect(clippy::disallowed_methods, reason = "this is the layer that touches files")]
    pub fn open(path: &Path, file: u16) -> Result<CaptureFile, CaptureError> {
        let name = shown(path);
        let opened = File::open(path).map_err(|error| {
            // Where directories cannot be opened at all, the reason given is another.
            if path.is_dir() { CaptureError::Directory { path: name.clone() } } else { CaptureError::io(&name, "open it", error) }
        })?;
        let metadata = opened.metadata().map_err(|error| CaptureError::io(&name, "ask for its size", error))?;
        if metadata.is_dir() {
            return Err(CaptureError::Directory { path: name });
        }
        let mut capture = CaptureFile::from_reader(Box::new(opened), &path.to_string_lossy(), file)?;
        capture.size = metadata.is_file().then_some(metadata.len());
        Ok(capture)
    }

    /// Reads the header of the capture that `reader` gives; `name` is what messages call it.
    ///
    /// # Errors
    ///
    /// `reader` fails, or does not begin as a capture does.
    pub fn from_reader(reader: Box<dyn Read>, name: &str, file: u16) -> Result<CaptureFile, CaptureError> {
        let path = shown(Path::new(name));
        let (mut input, compression) = Input::new(reader).map_err(|error| CaptureError::io(&path, "read it", error))?;
        let complete = input.has(4);
        let head = input.window().first_chunk::<4>().copied();
        let known = head.filter(|_| complete).and_then(|head| match head {
            pcapng::SECTION_MAGIC => Some((Format::Pcapng, ByteOrder::Little)),
            head => pcap::magic(head),
        });
        let Some((format, order)) = known else { return Err(no_capture(path, &mut input, compression)) };
        let parser = match format {
            Format::Pcapng => Parser::Pcapng(Section::new()),
            // Replaced below, once the header is there: the parser is needed to make an error of a missing one.
            _ => Parser::Pcap(Pcap::new(format, order, &[0; pcap::FILE_HEADER], compression).0),
        };
        let info = CaptureInfo::new(format, order, compression);
        let mut capture = CaptureFile { input, format: parser, info, packet: Packet::default(), path, file, size: None, ended: false };
        capture.header(format, order)?;
        Ok(capture)
    }

    fn header(&mut self, format: Format, order: ByteOrder) -> Result<(), CaptureError> {
        if format == Format::Pcapng {
            // Only the section header: waiting for more could be waiting for the first packet of a live capture.
            return self.pcapng_block().map(|_| ()).map_err(|error| *error);
        }
        if !self.input.has(pcap::FILE_HEADER) {
            return Err(*self.stopped("the file header"));
        }
        if let Some(head) = self.input.window().first_chunk() {
            let (pcap, info) = Pcap::new(format, order, head, self.info.compression);
            (self.format, self.info) = (Parser::Pcap(pcap), info);
        }
        self.input.consume(pcap::FILE_HEADER);
        Ok(())
    }

    /// The next frame, or `None` at the end. After an error, too, only `None` follows.
    ///
    /// # Errors
    ///
    /// The file is cut short or damaged, or reading it failed. All complete frames before that have been delivered.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let Some(record) = self.advance()? else { return Ok(None) };
        Ok(Some(self.frame(record)))
    }

    /// The same, with the key log lines that come before the frame: see [`secrets`](CaptureFile::secrets).
    ///
    /// # Errors
    ///
    /// As [`next_frame`](CaptureFile::next_frame).
    #[inline]
    pub fn next_with_secrets(&mut self) -> Result<Option<(Frame<'_>, &[u8])>, CaptureError> {
        let Some(record) = self.advance()? else { return Ok(None) };
        Ok(Some((self.frame(record), self.secrets())))
    }

    /// Fills `frames` with those that come next, as far as they have been read already and there is nothing but packets between them; how
    /// many these are. 0 does not mean that the file is at its end: [`next_frame`](CaptureFile::next_frame) is how to go on.
    #[inline(always)]
    pub fn at_hand<'a>(&'a mut self, frames: &mut [Frame<'a>]) -> usize {
        let (window, start) = self.input.lend();
        let (info, file) = (&mut self.info, self.file);
        match &mut self.format {
            Parser::Pcap(pcap) => lend(window, start, info, file, frames, |window, packet, _| pcap.whole(window, packet)),
            Parser::Pcapng(section) => lend(window, start, info, file, frames, |window, packet, info| section.whole(window, packet, info)),
        }
    }

    /// Reads up to behind the next packet; says how long its record was.
    #[inline]
    fn advance(&mut self) -> Result<Option<usize>, CaptureError> {
        if self.ended {
            return Ok(None);
        }
        let next = match self.format {
            Parser::Pcap(pcap) => self.pcap_packet(pcap),
            Parser::Pcapng(_) => self.pcapng_packet(),
        };
        match next {
            Ok(Some(record)) => {
                self.info.frames += 1;
                Ok(Some(record))
            }
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => {
                self.ended = true;
                Err(*error)
            }
        }
    }

    /// The packet parsed last, whose record was `record` bytes long.
    #[inline]
    fn frame(&self, record: usize) -> Frame<'_> {
        let at = At::new(self.packet.time, frame_number(self.info.frames), self.file);
        self.packet.frame(at, self.input.consumed(record))
    }

    /// Consumes the next packet of a pcap file; says how long its record was.
    #[inline]
    fn pcap_packet(&mut self, pcap: Pcap) -> Result<Option<usize>, Box<CaptureError>> {
        let header = pcap.packet_header();
        if !self.input.has(header) {
            return self.end("a packet");
        }
        pcap.packet(self.input.window(), &mut self.packet).map_err(|damage| self.damaged(damage))?;
        let record = header + self.packet.len;
        if !self.input.has(record) {
            return Err(self.stopped("a packet"));
        }
        self.input.consume(record);
        Ok(Some(record))
    }

    /// Consumes blocks of a pcapng file up to the next packet; says how long its block was.
    #[inline]
    fn pcapng_packet(&mut self) -> Result<Option<usize>, Box<CaptureError>> {
        loop {
            if !self.input.has(1) {
                return self.end("a block");
            }
            if let (true, record) = self.pcapng_block()? {
                return Ok(Some(record));
            }
        }
    }

    /// Consumes one block; says whether it held a packet, and its length.
    #[inline]
    fn pcapng_block(&mut self) -> Result<(bool, usize), Box<CaptureError>> {
        if !self.input.has(pcapng::BLOCK_HEAD) {
            return Err(self.stopped("a block"));
        }
        let (Parser::Pcapng(section), Some(head)) = (&mut self.format, self.input.window().first_chunk()) else {
            return Err(self.damaged(Damage::NoBlock));
        };
        let block = match section.head(head) {
            Ok(block) => block,
            Err(damage) => return Err(self.damaged(damage)),
        };
        if !self.input.has(block.len) {
            return Err(self.stopped("a block"));
        }
        let bytes = self.input.window().get(..block.len).unwrap_or_default();
        let packet = match section.block(block, bytes, &mut self.packet, &mut self.info) {
            Ok(packet) => packet,
            Err(damage) => return Err(self.damaged(damage)),
        };
        self.input.consume(block.len);
        Ok((packet, block.len))
    }

    /// The end, which is a proper one only where nothing has begun.
    #[cold]
    fn end<T>(&mut self, inside: &'static str) -> Result<Option<T>, Box<CaptureError>> {
        if !self.input.window().is_empty() {
            return Err(self.stopped(inside));
        }
        match self.input.take_stop() {
            Stop::End => Ok(None),
            stop => Err(Box::new(self.error(stop, inside))),
        }
    }

    /// The error for bytes that do not come.
    #[cold]
    fn stopped(&mut self, inside: &'static str) -> Box<CaptureError> {
        let stop = self.input.take_stop();
        Box::new(self.error(stop, inside))
    }

    #[cold]
    fn damaged(&self, damage: Damage) -> Box<CaptureError> {
        Box::new(self.error(Stop::Damaged(damage.to_string()), ""))
    }

    fn error(&self, stop: Stop, inside: &'static str) -> CaptureError {
        let path = self.path.clone();
        let (frames, offset, compressed) = (self.delivered(), self.input.offset(), self.info.compression.is_some());
        match stop {
            Stop::Failed(error) => CaptureError::io(&path, "read on", error),
            Stop::Damaged(what) => CaptureError::Corrupt { path, frames, offset, compressed, what },
            Stop::CutStream => CaptureError::Cut { path, frames, offset, compressed, inside: "compressed data" },
            Stop::End => CaptureError::Cut { path, frames, offset, compressed, inside },
        }
    }

    fn delivered(&self) -> u64 {
        self.info.frames - self.info.other_records
    }

    /// What the file has said about itself so far.
    pub fn info(&self) -> &CaptureInfo {
        &self.info
    }

    /// Bytes read of the file so far, as it is on disk: compressed ones where it is compressed.
    pub fn position(&self) -> u64 {
        self.input.position()
    }

    /// The file's size when it was opened, in bytes. `None` for pipes.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The TLS key log lines of the file's Decryption Secrets Blocks, as far as it has been read (at most 8 MiB).
    ///
    /// They decrypt the sessions they belong to: never print them.
    pub fn secrets(&self) -> &[u8] {
        match &self.format {
            Parser::Pcap(_) => &[],
            Parser::Pcapng(section) => section.secrets(),
        }
    }
}

/// Fills `frames` from the packets that `window` begins with, each of which `next` reads; how many they are. `start` moves on behind them.
#[inline(always)]
fn lend<'a>(
    mut window: &'a [u8],
    start: &mut usize,
    info: &mut CaptureInfo,
    file: u16,
    frames: &mut [Frame<'a>],
    mut next: impl FnMut(&[u8], &mut Packet, &mut CaptureInfo) -> Option<usize>,
) -> usize {
    let mut packet = Packet::default();
    let mut count = 0;
    for frame in frames {
        let Some((taken, rest)) = next(window, &mut packet, info).and_then(|record| window.split_at_checked(record)) else { break };
        window = rest;
        *start += taken.len();
        info.frames += 1;
        count += 1;
        *frame = packet.frame(At::new(packet.time, frame_number(info.frames), file), taken);
    }
    count
}

/// The error for bytes that do not begin as a capture does.
fn no_capture(path: String, input: &mut Input, compression: Option<Compression>) -> CaptureError {
    let compressed = compression.is_some();
    let head = input.window();
    let looks = recognise::looks_like(head, Path::new(&path));
    let cut = head.len() < 4 && recognise::is_capture_start(head);
    let empty = head.is_empty();
    let looks = match compression {
        Some(compression) => format!("{}-compressed data that is {looks}", compression.name()),
        None => looks,
    };
    match input.take_stop() {
        Stop::Failed(error) => CaptureError::io(&path, "read it", error),
        Stop::Damaged(what) if empty => CaptureError::Corrupt { path, frames: 0, offset: 0, compressed, what },
        Stop::CutStream if empty || cut => CaptureError::Cut { path, frames: 0, offset: 0, compressed, inside: "compressed data" },
        Stop::End if empty => CaptureError::Empty { path },
        Stop::End if cut => CaptureError::Cut { path, frames: 0, offset: 0, compressed, inside: "the file header" },
        _ => CaptureError::NotACapture { path, looks },
    }
}
