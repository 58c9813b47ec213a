//! Which bytes of a connection's streams were read as what, and the readable ones: kept only for whoever is going to change the others.

use crate::base::{PerWay, Piece, Way};
use crate::tls::{Body, ContentType, Partial, RECORD_HEADER, RecordHead};

/// Delivered bytes kept until it is known what they are: the longest record, and its header.
const WINDOW: usize = 20 * 1024;
/// Bytes kept of each way's readable parts.
const READABLE: usize = 256 * 1024;

/// What both streams consist of.
#[derive(Debug, Default)]
pub struct Spans {
    ways: PerWay<Lane>,
}

/// What one stream consists of. What no part names could not be read at all.
#[derive(Debug, Default)]
pub struct Lane {
    /// The newest bytes, in runs without holes: what they are is not known yet.
    window: Vec<Run>,
    parts: Vec<Part>,
    readable: Vec<(PartKind, Run)>,
    readable_len: usize,
}

/// Bytes that follow each other in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Stream offset of the first.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Offset just behind its last one.
    pub end: u64,
    /// What it is.
    pub kind: PartKind,
}

/// What a part of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Not TLS: its bytes are among the readable ones.
    Plain,
    /// TLS in clear, record headers included: hellos, certificates, alerts. Its bytes are among the readable ones.
    Clear,
    /// An encrypted record, with its header.
    Sealed {
        /// It carries no data: an alert, or a record of the handshake by its type or (in TLS 1.3) by its place.
        control: bool,
    },
}

impl Run {
    /// Offset just behind its last byte.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// What lies from `offset` up to `end`.
    fn between(&self, offset: u64, end: u64) -> Option<Run> {
        let from = offset.max(self.offset);
        let place = |at: u64| usize::try_from(at.checked_sub(self.offset)?).ok();
        let bytes = self.bytes.get(place(from)?..place(end.min(self.end()))?).filter(|bytes| !bytes.is_empty())?;
        Some(Run { offset: from, bytes: bytes.to_vec() })
    }
}

impl Lane {
    /// The parts, in the order in which they were read.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The bytes of [`PartKind::Plain`] and [`PartKind::Clear`] parts, as far as they fit into 256 KiB, in the order in which they were
    /// read. Runs that follow each other are not joined.
    pub fn readable(&self) -> &[(PartKind, Run)] {
        &self.readable
    }

    fn add(&mut self, part: Part) {
        if part.end <= part.offset {
            return;
        }
        if matches!(part.kind, PartKind::Plain | PartKind::Clear) {
            let found = self.window.iter().filter_map(|run| run.between(part.offset, part.end));
            for run in found.collect::<Vec<_>>() {
                if self.readable_len + run.bytes.len() <= READABLE {
                    self.readable_len += run.bytes.len();
                    self.readable.push((part.kind, run));
                }
            }
        }
        // A run of plain bytes is one part.
        match self.parts.last_mut() {
            Some(last) if last.kind == part.kind && last.end == part.offset && part.kind == PartKind::Plain => last.end = part.end,
            _ => self.parts.push(part),
        }
    }
}

impl Spans {
    /// One way.
    pub fn way(&self, way: Way) -> &Lane {
        &self.ways[way]
    }

    /// A piece of stream comes.
    pub(super) fn piece(&mut self, way: Way, piece: &Piece<'_>) {
        let Piece::Data { offset, bytes, .. } = *piece else { return };
        let window = &mut self.ways[way].window;
        let mut spare = window.iter().map(|run| run.bytes.len()).sum::<usize>().saturating_sub(WINDOW);
        while let Some(first) = window.first_mut().filter(|_| spare > 0) {
            let gone = spare.min(first.bytes.len());
            first.bytes.drain(..gone);
            first.offset += gone as u64;
            spare -= gone;
            if first.bytes.is_empty() {
                window.remove(0);
            }
        }
        match window.last_mut() {
            Some(last) if last.end() == offset => last.bytes.extend_from_slice(bytes),
            _ => window.push(Run { offset, bytes: bytes.to_vec() }),
        }
    }

    /// Bytes are not TLS.
    pub(super) fn plain(&mut self, way: Way, offset: u64, len: usize) {
        self.ways[way].add(Part { offset, end: offset + len as u64, kind: PartKind::Plain });
    }

    /// Bytes are TLS in clear that is no record, or wrapped in something else.
    pub(super) fn clear(&mut self, way: Way, offset: u64, end: u64) {
        self.ways[way].add(Part { offset, end, kind: PartKind::Clear });
    }

    /// A record is complete.
    pub(super) fn record(&mut self, way: Way, head: &RecordHead, body: &Body<'_>) {
        let sealed = matches!(body, Body::Sealed(_)) || head.typ == ContentType::APPLICATION_DATA || head.typ == ContentType::HEARTBEAT;
        let kind = if sealed { PartKind::Sealed { control: is_control(head.typ) } } else { PartKind::Clear };
        self.ways[way].add(Part { offset: head.extent.offset, end: head.extent.offset + RECORD_HEADER + u64::from(head.len), kind });
    }

    /// The newest record of `way` is one of the handshake's, whatever its type.
    pub(super) fn mark_control(&mut self, way: Way) {
        if let Some(Part { kind: PartKind::Sealed { control }, .. }) = self.ways[way].parts.last_mut() {
            *control = true;
        }
    }

    /// The stream ends in a record; `sealed`: its direction is encrypted.
    pub(super) fn cut(&mut self, way: Way, partial: &Partial, sealed: bool) {
        let (have, header) = (u64::from(partial.have), if partial.need.is_some() { RECORD_HEADER } else { 0 });
        let hidden = sealed || partial.typ == ContentType::APPLICATION_DATA || partial.typ == ContentType::HEARTBEAT;
        let kind = match hidden && partial.need.is_some() {
            true => PartKind::Sealed { control: is_control(partial.typ) },
            false => PartKind::Clear,
        };
        self.ways[way].add(Part { offset: partial.offset, end: partial.offset + header + have, kind });
    }
}

fn is_control(typ: ContentType) -> bool {
    typ != ContentType::APPLICATION_DATA && typ != ContentType::HEARTBEAT
}
