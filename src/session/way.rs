//! What is kept of each direction of a TLS session while it is read.

use crate::base::{At, Time, prefetch};
use crate::tls::RECORD_HEADER;

/// What the records of one direction are counted by. Its fields stand in the order of how often they are used: see [`crate::tcp::Half`]. Of the
/// opposite direction most records need the first line of memory alone.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct WayState {
    /// Ciphertext bytes in the records of application data after the handshake.
    pub app_bytes: u64,
    /// Where the newest of those that are not of an alert's length ends in this direction's stream.
    pub last_app_end: u64,
    /// See [`WayState::last_answer`].
    answer_time: Option<Time>,
    answer_frame: u32,
    /// Complete records.
    pub records: u32,
    /// Records of application data after the handshake.
    pub app_records: u32,
    /// How many of the opposite direction's records of application data had come when the newest of this direction came.
    pub turn: u32,
    /// Times this direction began to speak after the other had spoken (application data only).
    pub turns: u32,
    answer_file: u16,
    /// The longest record of application data since the other direction last spoke.
    pub run_largest: u16,
    /// Records of type application_data (counted to 65,535), and the largest length that those of their contents and padding are multiples of.
    pub blocks: (u16, u16),
    /// Records of an alert's length after the handshake (TLS 1.3), in all (counted to 65,535).
    pub short_records: u16,
    /// What is known of its records, where their lengths alone count from here on.
    pub(super) calm: Option<Calm>,
    /// What `newest` are.
    kinds: [Kind; 2],
    /// Which of `newest` is the newest; the other one came before it.
    slot: bool,
    /// The newest record is the newest of application data, too; then `said` is empty.
    says: bool,
    /// The newest two records.
    newest: [Option<Newest>; 2],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(std::mem::offset_of!(WayState, newest) == 64 && size_of::<WayState>() == 128);

/// What one direction passed on its way, and what else few records need: two lines of memory at most, or three where it begins within one.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Milestones {
    /// Length of the first record of application data: TLS 1.3 session tickets come in equals.
    first_len: u16,
    /// TLS 1.3 padding per record, once calibrated.
    pub padding: Option<u16>,
    /// Record boundaries were lost and not found again.
    pub lost: bool,
    /// They were lost at some time.
    pub was_lost: bool,
    /// The newest record of application data, where that is not the newest of all, and what its sender knew.
    said: Option<(At, u64)>,
    /// Finished, seen by its place and size, or inferred from what came after.
    pub finished: Option<At>,
    /// An encrypted record that can only be a fatal alert by its place.
    pub fatal_by_place: Option<Box<SealedRecord>>,
    /// The first record of application data after the handshake.
    pub first_app: Option<At>,
    /// ChangeCipherSpec.
    pub change_cipher_spec: Option<At>,
    /// A record header that cannot be.
    pub broken: Option<Box<(At, [u8; 5], u8)>>,
    /// Records of application data that this direction had sent when the opposite one sent its Finished.
    pub apps_at_peer_finished: u32,
    /// Encrypted records before its Finished (TLS 1.3).
    pub flight: u32,
    /// 0-RTT records.
    pub early: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Milestones>() <= 128);

/// A [`SealedRecord`] but for its [`Kind`]: half a line of memory.
#[derive(Clone, Copy, Debug)]
struct Newest {
    time: Time,
    offset: u64,
    knew: u64,
    frame: u32,
    file: u16,
    len: u16,
}

/// A record's outer content type, and whether it was opened.
#[derive(Clone, Copy, Debug, Default)]
struct Kind(u8);

impl Kind {
    /// Beside the content type, of which none that a record may have is as high.
    const OPENED: u8 = 0x80;
}

/// What lengths of records tell, once the handshake is over and nothing is to be opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calm {
    /// Length of a tag or MAC.
    pub tag: u8,
    /// TLS 1.3: an alert looks like application data.
    pub tls13: bool,
    /// A record may be a session ticket.
    pub tickets_possible: bool,
    /// See [`WayState::alert_len`].
    pub alert: u16,
    pub may_be_padded: bool,
}

/// SunJSSE pads every TLS 1.3 record by this many bytes (`OutputRecord.T13PaddingHolder`).
pub(super) const JSSE_PADDING: u16 = 16;

/// A TLS 1.3 record of length `len` can hold an alert, for what [`WayState::alert_len`] says.
#[inline]
pub(super) fn fits_alert(len: u16, (alert, may_be_padded): (u16, bool)) -> bool {
    len == alert || may_be_padded && len == alert.saturating_add(JSSE_PADDING)
}

/// The greatest common divisor (Euclid).
fn divisor(mut a: u16, mut b: u16) -> u16 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Multiples of this, with the byte for the type in them, are no accident: a Finished has 37 or 53 bytes.
const BLOCK: u16 = 32;

impl WayState {
    /// Takes note of a complete record.
    #[inline]
    pub(super) fn see(&mut self, passed: &mut Milestones, seen: &SealedRecord) {
        if self.says {
            passed.said = self.last().map(|last| (last.at, last.knew));
            self.says = false;
        }
        self.take_down(seen);
    }

    #[inline(always)]
    fn take_down(&mut self, seen: &SealedRecord) {
        let &SealedRecord { at: At { time, frame, file }, typ, len, offset, knew, opened } = seen;
        self.records = self.records.saturating_add(1);
        self.slot = !self.slot;
        let slot = usize::from(self.slot);
        if let (Some(newest), Some(kind)) = (self.newest.get_mut(slot), self.kinds.get_mut(slot)) {
            *newest = Some(Newest { time, offset, knew, frame, file, len });
            *kind = Kind(typ | if opened { Kind::OPENED } else { 0 });
        }
    }

    /// The newest record.
    pub fn last(&self) -> Option<SealedRecord> {
        self.at_slot(self.slot)
    }

    /// The one before it.
    pub fn before_last(&self) -> Option<SealedRecord> {
        self.at_slot(!self.slot)
    }

    fn at_slot(&self, slot: bool) -> Option<SealedRecord> {
        let Newest { time, offset, knew, frame, file, len } = (*self.newest.get(usize::from(slot))?)?;
        let Kind(kind) = *self.kinds.get(usize::from(slot))?;
        let (typ, opened) = (kind & !Kind::OPENED, kind & Kind::OPENED != 0);
        Some(SealedRecord { at: At::new(time, frame, file), typ, len, offset, knew, opened })
    }

    /// Takes note that the record that begins at `offset` was opened, if it is one of the newest two.
    pub(super) fn note_opened(&mut self, offset: u64) {
        for (newest, Kind(kind)) in self.newest.iter().zip(&mut self.kinds) {
            if newest.is_some_and(|newest| newest.offset == offset) {
                *kind |= Kind::OPENED;
            }
        }
    }

    /// The frame of the newest record of application data that is not of an alert's length, and how much of the opposite direction's stream
    /// its sender had acknowledged with it.
    pub fn last_app(&self, passed: &Milestones) -> Option<(At, u64)> {
        if self.says { self.last().map(|last| (last.at, last.knew)) } else { passed.said }
    }

    /// The newest of those whose sender had all of the opposite direction's application data: only such a record can be the answer to it.
    pub fn last_answer(&self) -> Option<At> {
        self.answer_time.map(|time| At::new(time, self.answer_frame, self.answer_file))
    }

    /// Takes note of the length of an encrypted record, tag left out.
    #[inline(always)]
    pub(super) fn measure(&mut self, len: u16) {
        let (records, unit) = self.blocks;
        // Of most directions this is known after a few records: no length but one fits all.
        let unit = if unit == 1 { 1 } else { divisor(unit, len) };
        self.blocks = (records.saturating_add(1), unit);
    }

    /// All its encrypted records are padded to whole blocks, as far as at least `records` of them tell.
    pub(super) fn in_blocks(&self, records: u16) -> bool {
        self.blocks.0 >= records && self.blocks.1 >= BLOCK && self.blocks.1.is_multiple_of(BLOCK)
    }

    /// Takes note of a record of application data in a direction of which no more than `calm` is to be known, while `peer` says nothing.
    #[inline(always)]
    pub(super) fn skim(&mut self, passed: &mut Milestones, calm: Calm, peer: &WayState, seen: &SealedRecord) {
        self.measure(seen.len.saturating_sub(calm.tag.into()));
        if calm.tls13 && fits_alert(seen.len, (calm.alert, calm.may_be_padded)) {
            self.see(passed, seen);
            self.short_records = self.short_records.saturating_add(1);
        } else {
            self.take_down(seen);
            if !self.says {
                (self.says, passed.said) = (true, None);
            }
            self.count(passed, peer, seen, calm.tickets_possible);
        }
    }

    /// Counts a record of application data after the handshake, while `peer` says nothing. `tickets_possible`: it may be a session ticket.
    pub(super) fn say(&mut self, passed: &mut Milestones, peer: &WayState, seen: &SealedRecord, tickets_possible: bool) {
        // What was held back while its keys were not known is said late.
        self.says = self.last().is_some_and(|last| last.offset == seen.offset);
        passed.said = Some((seen.at, seen.knew)).filter(|_| !self.says);
        self.count(passed, peer, seen, tickets_possible);
    }

    #[inline(always)]
    fn count(&mut self, passed: &mut Milestones, peer: &WayState, seen: &SealedRecord, tickets_possible: bool) {
        self.app_records = self.app_records.saturating_add(1);
        self.app_bytes += u64::from(seen.len);
        self.last_app_end = seen.end();
        // Two equal records before anything else are the tickets most servers send, not an answer.
        if self.app_records <= 2 && passed.count_first(self.app_records, seen) && tickets_possible {
            self.answer_time = None;
        } else if seen.knew >= peer.last_app_end {
            let At { time, frame, file } = seen.at;
            (self.answer_time, self.answer_frame, self.answer_file) = (Some(time), frame, file);
        }
        if self.turns == 0 || peer.app_records > self.turn {
            self.turns = self.turns.saturating_add(1);
            self.run_largest = 0;
        }
        self.run_largest = self.run_largest.max(seen.len);
        self.turn = peer.app_records;
    }

    /// Has each line of memory that the next record needs brought into the caches.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self);
        prefetch(&self.newest);
    }
}

impl Milestones {
    /// Length of a TLS 1.3 record with an alert, of which one without padding has `bare`; and whether it may be padded beyond that.
    #[inline]
    pub(super) fn alert_len(&self, bare: u16) -> (u16, bool) {
        (bare.saturating_add(self.padding.unwrap_or(0)), self.padding.is_none())
    }

    /// Counts the first or second record of application data; whether it is the second, and as long as the first.
    // Apart: else what this looks at is fetched for every record, from a line of memory that no other needs.
    #[inline(never)]
    fn count_first(&mut self, number: u32, seen: &SealedRecord) -> bool {
        if number > 1 {
            return self.first_len == seen.len;
        }
        (self.first_app, self.first_len) = (Some(seen.at), seen.len);
        false
    }

    /// Has this brought into the caches.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self);
        prefetch(&self.finished);
        prefetch(&self.early);
    }
}

/// A record whose content is hidden, and what its sender knew when it sent it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SealedRecord {
    /// The frame with its last byte.
    pub at: At,
    /// Outer content type.
    pub typ: u8,
    /// Length field.
    pub len: u16,
    /// Offset of its header in its sender's stream.
    pub offset: u64,
    /// How much of the peer's stream its sender had acknowledged.
    pub knew: u64,
    /// It was opened: what it holds is known, and if it is an alert, it is among those read.
    pub opened: bool,
}

impl SealedRecord {
    /// Where it ends in its sender's stream.
    pub fn end(&self) -> u64 {
        self.offset + RECORD_HEADER + u64::from(self.len)
    }
}
