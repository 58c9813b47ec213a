//! Holes, and finding record boundaries again behind them.

use super::{Framer, Input, Mode, PROOF};
use crate::base::GapReason;
use crate::tls::record::{ContentType, MAX_BODY, Unit, Unread, flaw};

impl Framer {
    /// The hole that `input` begins with. A message that it ends comes before it.
    pub(super) fn next_at_gap<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        let (len, why) = input.gap?;
        if let Some(unit) = self.give_up_message(input, len) {
            return Some(unit);
        }
        input.gap = None;
        Some(self.gap(input, len, why))
    }

    /// A hole of `len` bytes at `input.offset`. Inside a body whose length is known the framing goes on exactly.
    fn gap<'a>(&mut self, input: &mut Input<'a>, len: u64, why: GapReason) -> Unit<'a> {
        let (at, offset) = (input.at, input.offset);
        input.offset = offset.saturating_add(len);
        match self.mode {
            Mode::Messages | Mode::Alerts | Mode::Keep | Mode::Count | Mode::Try if len <= u64::from(self.left) => {
                let len = len as u16; // not above `left`
                self.left -= len;
                self.with_hole = true;
                match self.mode {
                    Mode::Messages => self.hole_in_messages(len),
                    Mode::Alerts | Mode::Keep => {
                        self.half_alert = None;
                        self.take_held_body();
                        self.mode = Mode::Count;
                    }
                    _ => {}
                }
            }
            Mode::Dead => {}
            _ => {
                self.held = None;
                self.half_alert = None;
                self.have = 0;
                self.doubt = true;
                self.unproven = PROOF;
                self.mode = Mode::Hunt;
            }
        }
        Unit::Gap { at, offset, len, why, lost: self.is_lost() }
    }

    /// A hole of `len` bytes that reaches beyond the message in progress ends it: what there is of it comes before the hole.
    fn give_up_message<'a>(&mut self, input: &Input<'a>, len: u64) -> Option<Unit<'a>> {
        let message = self.held.as_mut()?.message.as_mut()?;
        let need = message.partial().need?;
        if self.mode == Mode::Messages && len <= u64::from(self.left).min(u64::from(need.saturating_sub(message.partial().have))) {
            return None;
        }
        message.unread = message.unread.or(Some(Unread::Hole));
        self.emit_message(input)
    }

    /// A hole inside a handshake record. Inside one message whose length is known the next message's place stays known too.
    fn hole_in_messages(&mut self, len: u16) {
        let message = self.held.as_mut().and_then(|held| held.message.as_mut());
        if !message.is_some_and(|message| message.skip(len)) {
            self.take_message();
            self.astray = true;
            self.doubt = true;
        }
    }

    /// Looks for a record in what `input` has: a plausible header whose record ends where the piece ends or where another header begins.
    /// Failing that, one whose record reaches beyond the piece is followed.
    pub(super) fn hunt<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        let mut beyond = None;
        for (i, window) in input.rest.windows(5).enumerate() {
            let Some(len) = likely_record(window) else { continue };
            match input.rest.get(i + 5 + usize::from(len)..) {
                Some(next) if likely_next(next) => {
                    input.take(i);
                    self.mode = Mode::Header;
                    self.have = 0;
                    return Some(Unit::Resync { at: input.at, offset: input.offset });
                }
                Some(_) => {}
                None => beyond = beyond.or(Some((i, len))),
            }
        }
        if let Some((i, len)) = beyond {
            input.take(i);
            self.start = input.at;
            self.offset = input.offset;
            self.set_header(input.take(5).try_into().unwrap_or_default());
            self.have = 5;
            self.left = len;
            self.with_hole = false;
            self.mode = Mode::Try;
            return None;
        }
        input.take(usize::MAX);
        None
    }

    /// Follows what was taken for a record to its end, to see whether another begins there.
    pub(super) fn follow<'a>(&mut self, input: &mut Input<'a>) -> Option<Unit<'a>> {
        self.take_body(input);
        if self.left > 0 {
            return None;
        }
        if !likely_next(input.rest) {
            self.have = 0;
            self.mode = Mode::Hunt;
            return None;
        }
        // The record itself comes next: nothing of it is left to count.
        self.mode = Mode::Count;
        Some(Unit::Resync { at: self.start, offset: self.offset })
    }
}

/// The length field of five bytes that look like a record header, for finding one in the middle of a stream: stricter than what a header may
/// be, since most positions tried are none.
fn likely_record(header: &[u8]) -> Option<u16> {
    let &[typ, 3, 1..=3, high, low] = header else { return None };
    let len = u16::from_be_bytes([high, low]);
    let fits = match ContentType(typ) {
        ContentType::CHANGE_CIPHER_SPEC => len == 1,
        // The longest is an alert in CBC mode with all the padding the mode allows.
        ContentType::ALERT => len == 2 || (6..=400).contains(&len),
        ContentType::HANDSHAKE => (4..=MAX_BODY).contains(&len),
        ContentType::APPLICATION_DATA => (1..=MAX_BODY).contains(&len),
        _ => false,
    };
    fits.then_some(len)
}

/// Whether a record may begin with these bytes, as far as they go. None at all are the end of a piece, which is as good a sign.
fn likely_next(bytes: &[u8]) -> bool {
    match bytes.get(..5) {
        Some(header) => likely_record(header).is_some(),
        None => flaw(bytes).is_none(),
    }
}
