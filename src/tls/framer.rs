//! Reads one direction's byte stream as TLS records, and the handshake messages and alerts in the clear ones.

mod resync;

use std::borrow::Cow;
use std::fmt;

use super::handshake::{Assembly, Fed, plausible, u24};
use super::record::{Body, ContentType, Extent, Flaw, Message, Partial, PartialMessage, RecordHead, Unit, Version, flaw, sslv2_hello};
use super::{Alert, AlertDescription, AlertLevel, HandshakeType};
use crate::base::{At, GapReason, Limits, Piece, prefetch};

/// A piece of stream while a [`Framer`] reads it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    at: At,
    /// Stream offset of the first byte of `rest`.
    offset: u64,
    rest: &'a [u8],
    /// A hole: its length and reason. It begins at `offset`.
    gap: Option<(u64, GapReason)>,
}

impl<'a> Input<'a> {
    /// Nothing of `piece` read yet.
    pub fn new(piece: &Piece<'a>) -> Input<'a> {
        match *piece {
            Piece::Data { at, offset, bytes } => Input { at, offset, rest: bytes, gap: None },
            Piece::Gap { at, offset, len, why } => Input { at, offset, rest: &[], gap: Some((len, why)) },
        }
    }

    /// Takes up to `n` bytes.
    fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(n).unwrap_or((self.rest, &[]));
        self.rest = rest;
        self.offset = self.offset.saturating_add(taken.len() as u64);
        taken
    }
}

/// Reads one direction as records. It is fed pieces in stream order, and pulled until it has no more to say:
///
/// ```
/// # use whohungup::base::{At, Limits, Piece};
/// # use whohungup::tls::{Framer, Input, Unit};
/// # let piece = Piece::Data { at: At::default(), offset: 0, bytes: &[21, 3, 3, 0, 2, 1, 0] };
/// let mut framer = Framer::new(&Limits::default());
/// let mut input = Input::new(&piece);
/// while let Some(unit) = framer.next(&mut input) {
///     if let Unit::Alert { alert, .. } = unit {
///         assert_eq!(alert.to_string(), "warning close_notify (0)");
///     }
/// }
/// ```
///
/// [`seal`](Framer::seal) and [`unseal`](Framer::unseal) hold from the next record on, also within the same piece. Units borrow from the
/// piece, never from the framer. A stream without holes gives the same units however it is cut into pieces, only the frames differ.
pub struct Framer {
    /// The frame with the first byte of the record being read.
    start: At,
    /// Stream offset of the record being read.
    offset: u64,
    /// What must be held until more arrives; in most connections there is nothing most of the time.
    held: Option<Box<Held>>,
    /// Longest handshake message that is kept.
    limit: u32,
    /// Bytes of the body still to come.
    left: u16,
    /// Sealed records up to this length are kept and handed out.
    hold: u16,
    /// The header of the record being read, as far as it is there.
    typ: ContentType,
    version: Version,
    len: u16,
    /// How many bytes of the header are there.
    have: u8,
    mode: Mode,
    /// The first half of an alert.
    half_alert: Option<u8>,
    /// Records are encrypted, whatever their type.
    sealed: bool,
    /// A hole lies in the record being read.
    with_hole: bool,
    /// Where the next handshake message begins is unknown, or what is here is none.
    astray: bool,
    /// A hole may have hidden a ChangeCipherSpec or a message boundary: handshake messages must look like some.
    doubt: bool,
    /// A record was completed.
    begun: bool,
    /// How many more records must follow each other before boundaries found by resynchronising are certain.
    unproven: u8,
}

/// Records that must follow each other after a resynchronisation before a broken header counts against the stream, not against the guess.
const PROOF: u8 = 3;

/// What the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Of a record header.
    Header,
    /// Of a handshake record in clear.
    Messages,
    /// Of an alert record in clear.
    Alerts,
    /// Of a sealed record that is kept.
    Keep,
    /// Of a body that is only counted.
    Count,
    /// Of an SSLv2-compatible ClientHello.
    Sslv2,
    /// Unknown: looking for a record.
    Hunt,
    /// Of the body of what was taken for a record while looking for one; it is one if another follows it.
    Try,
    /// Of something that is not TLS.
    Dead,
}

/// What a framer holds between pieces.
#[derive(Debug, Default)]
struct Held {
    /// A handshake message in progress.
    message: Option<Assembly>,
    /// A sealed record that is kept, or an SSLv2-compatible ClientHello.
    body: Vec<u8>,
}

impl Framer {
    /// A framer for a direction seen from its first byte, or from the first byte of TLS in it.
    pub fn new(limits: &Limits) -> Framer {
        Framer {
            start: At::default(),
            offset: 0,
            held: None,
            limit: u32::try_from(limits.handshake_flow).unwrap_or(u32::MAX),
            left: 0,
            hold: 0,
            typ: ContentType(0),
            version: Version(0),
            len: 0,
            have: 0,
            mode: Mode::Header,
            half_alert: None,
            sealed: false,
            with_hole: false,
            astray: false,
            doubt: false,
            begun: false,
            unproven: 0,
        }
    }

    /// Has its memory brought into the caches.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&self.start);
        prefetch(&self.unproven);
    }

    /// A framer for a direction whose beginning was not seen: it looks for the first record and says [`Unit::Resync`] when it has it.
    pub fn mid_stream(limits: &Limits) -> Framer {
        Framer { mode: Mode::Hunt, doubt: true, unproven: PROOF, ..Framer::new(limits) }
    }

    /// The direction is encrypted from the next record on: nothing is read in its records but their headers (and alerts of two bytes,
    /// which no protection can produce). A handshake message in progress is given up.
    pub fn seal(&mut self) {
        self.sealed = true;
        self.half_alert = None;
        if self.take_message().is_some() && self.mode == Mode::Messages {
            self.astray = true; // for the rest of this record
        }
    }

    /// The direction is in clear from the next record on.
    pub fn unseal(&mut self) {
        self.sealed = false;
    }

    /// Whether [`seal`](Framer::seal) is in force.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Hands out the bytes of encrypted records of at most `len` bytes, for decryption (from the next record on; 0, the default: of none).
    pub fn hold_sealed(&mut self, len: u16) {
        self.hold = len;
    }

    /// Record boundaries are unknown: after a hole, or the beginning was not seen.
    pub fn is_lost(&self) -> bool {
        matches!(self.mode, Mode::Hunt | Mode::Try)
    }

    /// The stream went on with something that is not TLS ([`Unit::Broken`]).
    pub fn is_broken(&self) -> bool {
        self.mode == Mode::Dead
    }

    /// Bytes held on the heap.
    pub fn held_bytes(&self) -> usize {
        let held = |held: &Held| size_of::<Held>() + held.body.capacity() + held.message.as_ref().map_or(0, |m| m.bytes.capacity());
        self.held.as_deref().map_or(0, held)
    }

    /// The record that has begun and is not complete. `None` at a record boundary, and wherever boundaries are unknown.
    pub fn in_record(&self) -> Option<Partial> {
        let header = self.header();
        let seen = header.get(..self.have.into())?;
        if seen.is_empty() || flaw(seen).is_some() || self.is_lost() || self.is_broken() {
            return None;
        }
        let complete = self.have == 5;
        Some(Partial {
            start: self.start,
            offset: self.offset,
            typ: self.typ,
            version: (self.have >= 3).then_some(self.version),
            need: complete.then_some(self.len),
            have: if complete { self.len.saturating_sub(self.left) } else { self.have.into() },
        })
    }

    /// The handshake message in clear that has begun and is not complete.
    pub fn in_message(&self) -> Option<PartialMessage> {
        self.held.as_ref()?.message.as_ref().map(Assembly::partial)
    }

    /// The beginning of that message's body, up to the first hole in it. A hello that never gets complete still says much.
    pub fn message_so_far(&self) -> &[u8] {
        self.held.as_ref().and_then(|held| held.message.as_ref()).map_or(&[], |message| &message.bytes)
    }

    /// The next byte is the first of a record, and nothing in its past changes how it is read. Whole records that are only counted may be
    /// [passed over](whole_record) from here, without the framer being told.
    pub fn is_between_records(&self) -> bool {
        self.begun && self.mode == Mode::Header && self.have == 0 && self.hold == 0 && self.unproven == 0
    }

    /// The next unit, or `None` once `input` is used up.
    // A unit is put together where it is handed out, and nowhere moved: a processor that is to read in one piece what it has just written in
    // several waits until that has reached the cache.
    #[inline(never)]
    pub fn next<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        if input.gap.is_some() {
            return self.next_at_gap(input);
        }
        loop {
            // Each of these takes bytes, or changes the mode, or has all it can get.
            let mode = self.mode;
            let body = match mode {
                Mode::Header if input.rest.is_empty() => return None,
                Mode::Header if self.read_header(input) => None,
                Mode::Count => self.count(input),
                Mode::Messages if self.left > 0 || self.is_message_due() => {
                    let offset = input.offset;
                    if let Some((typ, bytes)) = self.whole_message(input) {
                        let extent = Extent { start: input.at, end: input.at, offset, end_offset: input.offset };
                        return Some(Unit::Handshake(Message { extent, typ, bytes: Cow::Borrowed(bytes) }));
                    }
                    match self.part_of_message(input) {
                        None => None,
                        unit => return unit,
                    }
                }
                Mode::Messages => Some(if self.astray { Body::Unread } else { Body::Read }),
                Mode::Alerts if self.left > 0 => match self.alert(input) {
                    None => None,
                    Some(alert) => return Some(Unit::Alert { extent: self.extent(input), alert }),
                },
                Mode::Alerts => Some(Body::Read),
                Mode::Keep => self.keep(input),
                _ => match self.next_odd(input) {
                    None => None,
                    unit => return unit,
                },
            };
            if let Some(body) = body {
                return Some(Unit::Record { head: self.complete(input), body });
            }
            let record_ends = self.left == 0 && !matches!(self.mode, Mode::Header | Mode::Hunt | Mode::Dead);
            if input.rest.is_empty() && !record_ends {
                return None;
            }
        }
    }

    /// What is seldom read.
    fn next_odd<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        match self.mode {
            Mode::Header => self.read_odd_header(input),
            Mode::Sslv2 => self.sslv2(input),
            Mode::Hunt => self.hunt(input),
            Mode::Try => self.follow(input),
            _ => {
                input.take(usize::MAX);
                None
            }
        }
    }

    fn header(&self) -> [u8; 5] {
        let [major, minor] = self.version.0.to_be_bytes();
        let [high, low] = self.len.to_be_bytes();
        [self.typ.0, major, minor, high, low]
    }

    fn set_header(&mut self, [typ, major, minor, high, low]: [u8; 5]) {
        self.typ = ContentType(typ);
        self.version = Version(u16::from_be_bytes([major, minor]));
        self.len = u16::from_be_bytes([high, low]);
    }

    /// Takes the header of a record, if it is there whole.
    fn read_header(&mut self, input: &mut Input<'_>) -> bool {
        let Some(&header) = input.rest.first_chunk::<5>() else { return false };
        if self.have > 0 || flaw(&header).is_some() {
            return false;
        }
        (self.start, self.offset) = (input.at, input.offset);
        input.take(5);
        self.set_header(header);
        self.have = 5;
        self.begin();
        true
    }

    /// A header split over pieces, or none at all: byte by byte, to say so at the first byte that proves it.
    fn read_odd_header<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        if self.have == 0 {
            (self.start, self.offset) = (input.at, input.offset);
        }
        let piece = *input;
        let mut header = self.header();
        while let Some(slot) = header.get_mut(usize::from(self.have)) {
            let [byte] = *input.take(1) else { return None };
            *slot = byte;
            self.have += 1;
            self.set_header(header);
            let seen = header.get(..usize::from(self.have)).unwrap_or(&header);
            let Some(why) = flaw(seen) else { continue };
            if !self.begun && !self.doubt && sslv2_hello(seen) {
                continue;
            }
            return Some(self.broken(piece, input, why));
        }
        match flaw(&header) {
            None => self.begin(),
            Some(_) => self.begin_sslv2(),
        }
        None
    }

    /// The header is complete.
    fn begin(&mut self) {
        let len = self.len;
        self.left = len;
        self.with_hole = false;
        self.astray = false;
        self.mode = match self.typ {
            // Four bytes are shorter than any protection makes an alert, so these are in clear even in a sealed direction.
            ContentType::ALERT if len <= 4 => Mode::Alerts,
            ContentType::HANDSHAKE if !self.sealed => Mode::Messages,
            _ if (1..=self.hold).contains(&len) && self.hides() => Mode::Keep,
            _ => Mode::Count,
        };
    }

    /// Whether the record is encrypted.
    fn hides(&self) -> bool {
        self.typ == ContentType::APPLICATION_DATA || (self.sealed && !(self.typ == ContentType::CHANGE_CIPHER_SPEC && self.len == 1))
    }

    /// Takes what `input` has of the body.
    fn take_body<'a>(&mut self, input: &mut Input<'a>) -> &'a [u8] {
        let taken = input.take(self.left.into());
        self.left -= taken.len() as u16; // never more than `left`
        taken
    }

    fn extent(&self, input: &Input<'_>) -> Extent {
        Extent { start: self.start, end: input.at, offset: self.offset, end_offset: input.offset }
    }

    /// The record is complete.
    fn complete(&mut self, input: &Input<'_>) -> RecordHead {
        self.mode = Mode::Header;
        self.have = 0;
        self.begun = true;
        self.unproven = self.unproven.saturating_sub(1);
        RecordHead { extent: self.extent(input), typ: self.typ, version: self.version, len: self.len, with_hole: self.with_hole }
    }

    fn count<'a>(&mut self, input: &mut Input<'a>) -> Option<Body<'a>> {
        self.take_body(input);
        (self.left == 0).then(|| match self.typ {
            _ if self.hides() => Body::Sealed(None),
            ContentType::CHANGE_CIPHER_SPEC if self.len == 1 => Body::Read,
            _ => Body::Unread,
        })
    }

    fn keep<'a>(&mut self, input: &mut Input<'a>) -> Option<Body<'a>> {
        let part = self.take_body(input);
        let bytes = match &mut self.held {
            None if self.left == 0 => Cow::Borrowed(part),
            held => {
                let held = held.get_or_insert_default();
                if held.body.is_empty() {
                    held.body.reserve_exact(self.len.into());
                }
                held.body.extend_from_slice(part);
                if self.left > 0 {
                    return None;
                }
                Cow::Owned(self.take_held_body())
            }
        };
        Some(Body::Sealed(Some(bytes)))
    }

    fn alert(&mut self, input: &mut Input<'_>) -> Option<Alert> {
        let [byte] = *input.take(1) else { return None };
        self.left -= 1;
        let Some(level) = self.half_alert.take() else {
            self.half_alert = Some(byte);
            return None;
        };
        Some(Alert { level: AlertLevel(level), description: AlertDescription(byte) })
    }

    /// A hole took the rest of the message in progress.
    fn is_message_due(&self) -> bool {
        self.held.as_ref().and_then(|held| held.message.as_ref()).is_some_and(Assembly::is_complete)
    }

    /// Takes a message that lies wholly in this piece and this record.
    fn whole_message<'a>(&mut self, input: &mut Input<'a>) -> Option<(HandshakeType, &'a [u8])> {
        if self.astray || self.held.as_ref().is_some_and(|held| held.message.is_some()) {
            return None;
        }
        let window = input.rest.get(..self.left.into()).unwrap_or(input.rest);
        let (&[typ, a, b, c], rest) = window.split_first_chunk::<4>()?;
        let bytes = rest.get(..u24(a, b, c) as usize).filter(|bytes| bytes.len() <= self.limit as usize)?;
        if self.doubt && !plausible(HandshakeType(typ), bytes.len()) {
            self.astray = true;
            return None;
        }
        let taken = input.take(4 + bytes.len()).len();
        self.left -= taken as u16; // the message lies inside the record
        Some((HandshakeType(typ), bytes))
    }

    /// Takes what there is of a message that does not.
    #[inline(never)]
    fn part_of_message<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        if self.is_message_due() {
            return self.emit_message(input);
        }
        if input.rest.is_empty() {
            return None;
        }
        if self.astray {
            self.take_body(input);
            return None;
        }
        let window = input.rest.get(..self.left.into()).unwrap_or(input.rest);
        let message = self.held.get_or_insert_default().message.get_or_insert_with(|| Assembly::new(input.at, input.offset));
        let (used, fed) = message.feed(window, self.limit, self.doubt);
        input.take(used);
        self.left -= used as u16; // never more than the window
        match fed {
            Fed::All => None,
            Fed::Complete => self.emit_message(input),
            Fed::Implausible => {
                self.take_message();
                self.astray = true;
                None
            }
        }
    }

    /// The message in progress is complete.
    fn emit_message<'a>(&mut self, input: &Input<'a>) -> Option<Unit<'a>> {
        let message = self.take_message()?;
        let PartialMessage { start, offset, typ, need, .. } = message.partial();
        let extent = Extent { start, end: input.at, offset, end_offset: input.offset };
        Some(match message.unread {
            Some(why) => Unit::HandshakeUnread { extent, typ, len: need?, why, head: message.bytes },
            None => Unit::Handshake(Message { extent, typ, bytes: Cow::Owned(message.bytes) }),
        })
    }

    fn take_message(&mut self) -> Option<Assembly> {
        let message = self.held.as_mut()?.message.take();
        self.release();
        message
    }

    fn take_held_body(&mut self) -> Vec<u8> {
        let body = self.held.as_mut().map(|held| std::mem::take(&mut held.body)).unwrap_or_default();
        self.release();
        body
    }

    /// Gives the box back once there is nothing in it.
    fn release(&mut self) {
        if self.held.as_ref().is_some_and(|held| held.message.is_none() && held.body.is_empty()) {
            self.held = None;
        }
    }

    /// An SSLv2 record header: two bytes of length, then the message of which the header has held the first three bytes.
    fn begin_sslv2(&mut self) {
        let [high, low, message @ ..] = self.header();
        self.left = (u16::from_be_bytes([high, low]) & 0x7fff).saturating_sub(message.len() as u16);
        self.held.get_or_insert_default().body.extend_from_slice(&message);
        self.mode = Mode::Sslv2;
    }

    fn sslv2<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        let part = self.take_body(input);
        self.held.get_or_insert_default().body.extend_from_slice(part);
        if self.left > 0 {
            return None;
        }
        let bytes = self.take_held_body();
        self.mode = Mode::Header;
        self.have = 0;
        Some(Unit::Sslv2ClientHello { extent: self.extent(input), bytes })
    }

    /// `piece` is the input as it was before any of this header was taken from it.
    fn broken<'a>(&mut self, piece: Input<'a>, input: &mut Input<'a>, why: Flaw) -> Unit<'a> {
        let mut header = self.header();
        header.iter_mut().skip(self.have.into()).for_each(|byte| *byte = 0);
        let unit = Unit::Broken {
            at: self.start,
            offset: self.offset,
            header,
            have: self.have,
            why,
            bytes: piece.rest,
            guessed: self.unproven > 0,
        };
        self.have = 0;
        self.held = None;
        self.half_alert = None;
        if self.unproven > 0 {
            *input = piece;
            self.unproven = PROOF;
            self.mode = Mode::Hunt;
        } else {
            self.mode = Mode::Dead;
        }
        unit
    }
}

/// Outside of a record, what is left of the one before means nothing.
impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Framer");
        if !matches!((self.mode, self.have), (Mode::Header, 0) | (Mode::Hunt | Mode::Dead, _)) {
            shown.field("start", &self.start).field("offset", &self.offset).field("header", &self.header());
            shown.field("left", &self.left).field("with_hole", &self.with_hole).field("astray", &self.astray);
        }
        let flags = (self.sealed, self.doubt, self.begun);
        shown
            .field("mode", &self.mode)
            .field("have", &self.have)
            .field("held", &self.held)
            .field("hold", &self.hold)
            .field("half_alert", &self.half_alert);
        shown.field("sealed, doubt, begun", &flags).field("unproven", &self.unproven).finish_non_exhaustive()
    }
}

/// The length of the record of application data that `bytes` begin with, if all of it is there, and the bytes after it.
#[inline]
pub fn whole_record(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (&header, body) = bytes.split_first_chunk::<5>()?;
    let [23, _, _, high, low] = header else { return None };
    let len = u16::from_be_bytes([high, low]);
    let rest = body.get(len.into()..)?;
    flaw(&header).is_none().then_some((len, rest))
}

#[cfg(test)]
mod tests;
