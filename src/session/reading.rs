//! The two byte streams of a connection, read as what they are: prelude, TLS, or neither.

use crate::base::{At, PerWay, Piece, Way};
use crate::prelude::{Prelude, Step};
use crate::session::keyed::Given;
use crate::session::log::Log;
use crate::session::timeline::What;
use crate::session::tracker::{NotTls, Tracker};
use crate::tls::{Sniff, looks_like_tls};

/// First bytes kept of a stream that is not TLS.
const PLAIN_KEPT: usize = 160;

/// Reads both directions.
#[repr(C)]
pub struct Reading {
    /// What was spoken before TLS.
    pub prelude: Option<Box<Prelude>>,
    /// First bytes of a direction that is not TLS, and their frame.
    pub plain: PerWay<Option<Box<Plain>>>,
    modes: PerWay<Mode>,
    /// Of its TLS, no more than the lengths of records counts: a guess, for looking ahead.
    calm: PerWay<bool>,
    client: Option<Way>,
    /// The TLS in them, once there is some.
    pub tls: Option<Tracker>,
}

/// The first bytes of a direction that does not speak TLS.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    /// Where they began.
    pub at: At,
    /// The bytes, at most 160.
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// No byte yet.
    #[default]
    Start,
    /// Something before TLS, or instead of it.
    Prelude,
    Tls,
    /// Neither.
    Plain,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("tls", &self.tls).field("plain", &self.plain).field("modes", &self.modes).finish_non_exhaustive()
    }
}

impl Mode {
    /// What is left of it once the prelude says that no TLS will come.
    fn given_up(self) -> Mode {
        if self == Mode::Prelude { Mode::Plain } else { self }
    }
}

impl Reading {
    /// A connection without a byte.
    pub fn new() -> Reading {
        Reading { tls: None, prelude: None, plain: PerWay::default(), modes: PerWay::default(), calm: PerWay::default(), client: None }
    }

    /// The next piece of `way` most likely brings nothing but records whose lengths count.
    #[inline]
    pub fn is_calm(&self, way: Way) -> bool {
        self.calm[way]
    }

    /// Tells which way the SYN went.
    pub fn set_client(&mut self, client: Option<Way>) {
        self.client = client;
    }

    /// Takes in a piece. `from_start` says that the stream's first byte is offset 0; `knew` is what its sender had acknowledged.
    pub fn take(&mut self, way: Way, piece: &Piece<'_>, from_start: bool, knew: u64, given: Given<'_>, log: &mut Log) {
        match *piece {
            Piece::Data { at, offset, bytes } => self.take_data(way, (at, offset, bytes), from_start, knew, given, log),
            Piece::Gap { .. } => self.take_otherwise(way, piece, from_start, knew, given, log),
        }
    }

    /// Takes in [`Piece::Data`].
    // In its parts: a piece put together in memory would be read before it had reached the cache.
    #[inline(always)]
    pub fn take_data(&mut self, way: Way, data: (At, u64, &[u8]), from_start: bool, knew: u64, given: Given<'_>, log: &mut Log) {
        let (at, offset, bytes) = data;
        // Most pieces are nothing but records of which there is nothing to note.
        let rest = match &mut self.tls {
            Some(tls) if self.modes[way] == Mode::Tls => tls.skim(way, at, offset, bytes, knew, log),
            _ => bytes,
        };
        if !rest.is_empty() {
            let offset = offset + (bytes.len() - rest.len()) as u64;
            self.take_otherwise(way, &Piece::Data { at, offset, bytes: rest }, from_start, knew, given, log);
        }
    }

    #[inline(never)]
    fn take_otherwise(&mut self, way: Way, piece: &Piece<'_>, from_start: bool, knew: u64, given: Given<'_>, log: &mut Log) {
        if let Some(spans) = &mut log.spans {
            spans.piece(way, piece);
        }
        match (self.modes[way], piece) {
            (Mode::Tls, piece) => self.read_tls(way, piece, knew, given, log),
            (Mode::Start, Piece::Data { at, bytes, .. }) => self.begin(way, *at, bytes, piece, from_start, knew, given, log),
            (Mode::Start, Piece::Gap { at, len, why, .. }) => {
                // The beginning of the stream is missing: look for records in what follows.
                log.add(*at, way, What::Gap(*len, *why));
                if self.prelude.is_none() {
                    self.start_midstream(way, given);
                }
            }
            (Mode::Prelude, Piece::Data { at, bytes, .. }) => self.before_tls(way, *at, bytes, piece, knew, given, log),
            (Mode::Plain, Piece::Data { at, offset, bytes }) => self.keep_plain(way, *at, *offset, bytes, log),
            (Mode::Prelude | Mode::Plain, Piece::Gap { at, len, why, .. }) => {
                log.add(*at, way, What::Gap(*len, *why));
                if let Some(prelude) = self.prelude.as_mut() {
                    prelude.gap(way);
                }
            }
        }
    }

    fn tracker(&mut self, given: Given<'_>) -> &mut Tracker {
        self.tls.get_or_insert_with(|| Tracker::new(self.client, given.limits))
    }

    #[inline]
    fn read_tls(&mut self, way: Way, piece: &Piece<'_>, knew: u64, given: Given<'_>, log: &mut Log) {
        let tls = self.tracker(given);
        let not_tls = tls.read(way, piece, knew, given, log);
        self.calm = PerWay::new(tls.is_calm(Way::AtoB), tls.is_calm(Way::BtoA));
        if let Some(not_tls) = not_tls {
            self.turn_plain(way, piece, &not_tls, log);
        }
    }

    /// A direction turns out not to be TLS.
    fn turn_plain(&mut self, way: Way, piece: &Piece<'_>, not_tls: &NotTls, log: &mut Log) {
        self.modes[way] = Mode::Plain;
        let header = not_tls.header.get(..usize::from(not_tls.have)).unwrap_or_default();
        let Piece::Data { offset, bytes, .. } = piece else { return };
        // The header may have begun in an earlier piece: its bytes, then what this piece has behind them.
        let tail = bytes.get(bytes.len().saturating_sub(not_tls.rest)..).unwrap_or_default();
        let early = header.len().saturating_sub(tail.len().min(header.len()));
        let mut first = header.get(..early).unwrap_or_default().to_vec();
        first.extend_from_slice(tail.get(..tail.len().min(PLAIN_KEPT)).unwrap_or_default());
        let start = (offset + (bytes.len() - tail.len()) as u64).saturating_sub(early as u64);
        self.keep_plain(way, not_tls.at, start, &first, log);
    }

    fn start_midstream(&mut self, way: Way, given: Given<'_>) {
        self.modes[way] = Mode::Tls;
        self.tracker(given).start_midstream(way, given.limits);
    }

    #[expect(clippy::too_many_arguments, reason = "one piece and what is known of it")]
    fn begin(&mut self, way: Way, at: At, bytes: &[u8], piece: &Piece<'_>, from_start: bool, knew: u64, given: Given<'_>, log: &mut Log) {
        let other = self.modes[way.opposite()];
        let sniff = looks_like_tls(bytes);
        let tls = match sniff {
            Sniff::Yes | Sniff::NeedMore => true,
            Sniff::Maybe => !from_start || other == Mode::Tls,
            Sniff::No => false,
        };
        if self.prelude.is_some() {
            self.modes[way] = Mode::Prelude;
            self.before_tls(way, at, bytes, piece, knew, given, log);
        } else if tls {
            self.modes[way] = Mode::Tls;
            self.read_tls(way, piece, knew, given, log);
        } else if !from_start {
            self.start_midstream(way, given);
            self.read_tls(way, piece, knew, given, log);
        } else if other == Mode::Tls {
            self.modes[way] = Mode::Plain;
            let Piece::Data { offset, .. } = *piece else { return };
            self.keep_plain(way, at, offset, bytes, log);
        } else {
            self.modes[way] = Mode::Prelude;
            self.prelude = Some(Box::new(Prelude::new()));
            self.before_tls(way, at, bytes, piece, knew, given, log);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one piece and what is known of it")]
    fn before_tls(&mut self, way: Way, at: At, bytes: &[u8], piece: &Piece<'_>, knew: u64, given: Given<'_>, log: &mut Log) {
        let Piece::Data { mut offset, .. } = *piece else { return };
        let mut bytes = bytes;
        loop {
            let Some(prelude) = self.prelude.as_mut() else { return };
            match prelude.feed(way, at, bytes) {
                Step::Speaking => {
                    self.keep_plain(way, at, offset, bytes, log);
                    return;
                }
                Step::NotTls => {
                    if prelude.is_done() {
                        self.modes = PerWay::new(self.modes[Way::AtoB].given_up(), self.modes[Way::BtoA].given_up());
                    }
                    self.keep_plain(way, at, offset, bytes, log);
                    return;
                }
                Step::Tls { lead, from } => {
                    let (before, rest) = bytes.split_at_checked(from).unwrap_or((bytes, &[]));
                    if !before.is_empty() {
                        self.keep_plain(way, at, offset, before, log);
                    }
                    self.modes[way] = Mode::Tls;
                    let start = offset + before.len() as u64;
                    if !lead.is_empty() {
                        let lead_at = start.saturating_sub(lead.len() as u64);
                        self.read_tls(way, &Piece::Data { at, offset: lead_at, bytes: &lead }, knew, given, log);
                    }
                    if !rest.is_empty() && self.modes[way] == Mode::Tls {
                        self.read_tls(way, &Piece::Data { at, offset: start, bytes: rest }, knew, given, log);
                    }
                    return;
                }
                Step::Wrapped { from, len } => {
                    let Some(inner) = bytes.get(from..from.saturating_add(len)).filter(|inner| !inner.is_empty()) else { return };
                    let start = offset + from as u64;
                    if let Some(spans) = &mut log.spans {
                        spans.clear(way, offset, start + len as u64);
                    }
                    self.tracker(given).read(way, &Piece::Data { at, offset: start, bytes: inner }, knew, given, log);
                    offset = start + len as u64;
                    bytes = bytes.get(from.saturating_add(len)..).unwrap_or_default();
                    if bytes.is_empty() {
                        return;
                    }
                }
            }
        }
    }

    fn keep_plain(&mut self, way: Way, at: At, offset: u64, bytes: &[u8], log: &mut Log) {
        if let Some(spans) = &mut log.spans {
            spans.plain(way, offset, bytes.len());
        }
        log.run(at, way, What::Plain(bytes.len() as u64));
        let plain = self.plain[way].get_or_insert_with(|| Box::new(Plain { at, bytes: Vec::new() }));
        let room = PLAIN_KEPT.saturating_sub(plain.bytes.len());
        plain.bytes.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
    }
}
