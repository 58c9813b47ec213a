//! One direction of a session: which key its next record has, and what is found out by trying.

use super::prf::{Hash, expand_label};
use super::protect::{Header, RecordKey};
use super::suite::Parts;
use crate::tls::handshake::{Assembly, Fed, HandshakeType, u24};
use crate::tls::secrets::Secret;
use crate::tls::{Alert, AlertDescription, AlertLevel, ContentType, Extent, Inner, Message, RECORD_HEADER, RecordHead, Suite, Version};
use zeroize::Zeroizing;

/// Work spent on finding the sequence number of one record after a hole, in bytes tried.
const SEARCH_RECORD: u64 = 1 << 20;
/// Work spent on records that do not open, of one direction, in bytes tried. A key log that is not this session's costs no more.
const SEARCH_DIRECTION: u64 = 64 << 20;
/// What a try costs beside the record's bytes.
const SEARCH_TRY: u64 = 64;
/// Records that a hole is taken to have held, at most.
const UNSURE: u64 = 1 << 16;
/// Records in a row that did not open and may have counted or not.
const STRAY: u64 = 8;

/// Suites of TLS 1.3 that can be opened, for where the ServerHello that chose one was not seen.
const TLS13_SUITES: [Suite; 5] = [Suite(0x1301), Suite(0x1302), Suite(0x1303), Suite(0x1304), Suite(0x1305)];

/// Whose keys are in use (TLS 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Early,
    Handshake,
    Traffic,
}

/// Where the next keys come from.
enum Schedule {
    Tls13 { stage: Stage, parts: Option<Parts>, early: Option<Secret>, handshake: Option<Secret>, traffic: Option<Secret> },
    Tls12 { pending: Option<RecordKey> },
}

/// One direction's keys and counters.
pub(super) struct Direction {
    schedule: Schedule,
    key: Option<RecordKey>,
    /// The number of the next record under `key`.
    number: u64,
    /// How many more records than were counted may have gone by under `key`.
    unsure: u64,
    /// Work left for records that do not open.
    budget: u64,
    /// Where the next record begins, if none is missed.
    offset: Option<u64>,
    /// A handshake message that is not complete.
    message: Option<Assembly>,
    half_alert: Option<u8>,
}

/// A key that may be the next one in use, and what it takes to go on from there.
struct Trial {
    stage: Stage,
    parts: Parts,
    traffic: Option<Secret>,
    key: RecordKey,
}

impl Direction {
    pub(super) fn tls13(stage: Stage) -> Direction {
        Direction::new(Schedule::Tls13 { stage, parts: None, early: None, handshake: None, traffic: None })
    }

    pub(super) fn tls12() -> Direction {
        Direction::new(Schedule::Tls12 { pending: None })
    }

    fn new(schedule: Schedule) -> Direction {
        Direction { schedule, key: None, number: 0, unsure: 0, budget: SEARCH_DIRECTION, offset: None, message: None, half_alert: None }
    }

    /// TLS 1.3: the suite was chosen.
    pub(super) fn negotiated(&mut self, chosen: Parts) {
        if let Schedule::Tls13 { parts, .. } = &mut self.schedule {
            *parts = Some(chosen);
        }
    }

    /// TLS 1.3: secrets that are known by now. None of those known before is forgotten, nor replaced: keys may have been derived from it.
    pub(super) fn learn(&mut self, early: Option<Secret>, handshake: Option<Secret>, traffic: Option<Secret>) {
        if let Schedule::Tls13 { early: e, handshake: h, traffic: t, .. } = &mut self.schedule {
            *e = e.take().or(early);
            *h = h.take().or(handshake);
            *t = t.take().or(traffic);
        }
    }

    /// Up to TLS 1.2: the key from the next ChangeCipherSpec on.
    pub(super) fn set_pending(&mut self, key: Option<RecordKey>) {
        if let Schedule::Tls12 { pending } = &mut self.schedule {
            *pending = key;
        }
    }

    /// Up to TLS 1.2: a ChangeCipherSpec.
    pub(super) fn change_cipher_spec(&mut self) {
        if let Schedule::Tls12 { pending } = &mut self.schedule {
            self.key = pending.take();
            (self.number, self.unsure) = (0, 0);
            self.message = None;
        }
    }

    /// A record that is not sealed, or not to be opened, takes this place in the stream.
    pub(super) fn pass(&mut self, extent: &Extent) {
        self.notice_hole(extent.offset);
        self.offset = Some(extent.end_offset);
    }

    /// `records` sealed records with `bytes` bytes in all went by unopened; the stream goes on at `offset`.
    pub(super) fn skip(&mut self, records: u64, bytes: usize, offset: u64) {
        self.notice_hole(offset.saturating_sub(bytes as u64 + records * RECORD_HEADER));
        self.number = self.number.saturating_add(records);
        // There may have been a KeyUpdate among them.
        self.unsure = self.unsure.max(1);
        if let Some(key) = &mut self.key {
            key.skip(bytes);
        }
        self.message = None;
        self.offset = Some(offset);
    }

    /// Bytes missing before `offset` may have held records.
    fn notice_hole(&mut self, offset: u64) {
        let missing = self.offset.map_or(0, |expected| offset.saturating_sub(expected));
        if missing == 0 {
            return;
        }
        // A header and a tag are the least that a record has.
        self.unsure = (self.unsure + missing / 13 + 1).min(UNSURE);
        self.message = None;
        self.half_alert = None;
        if missing > 5 && self.key.as_ref().is_some_and(|key| !key.resumes()) {
            self.key = None;
        }
    }

    /// Opens a sealed record; its content is then in `out`. `None` where no key at hand fits.
    pub(super) fn open(&mut self, head: &RecordHead, body: &[u8], out: &mut Vec<u8>) -> Option<ContentType> {
        self.notice_hole(head.extent.offset);
        self.offset = Some(head.extent.end_offset);
        let header = Header { typ: head.typ, version: head.version };
        let cost = body.len() as u64 + SEARCH_TRY;
        let reach = self.unsure.min(SEARCH_RECORD / cost).min(self.budget / cost);
        if self.budget == 0 {
            return None;
        }
        if let Some(key) = &mut self.key {
            let last = self.number.saturating_add(reach);
            if let Some(number) = key.open(header, body, self.number..=last, out) {
                self.spend((number - self.number) * cost);
                self.counted(number);
                return self.content(head, out);
            }
            self.spend((reach + 1) * cost);
        }
        for mut trial in self.trials() {
            let found = trial.key.open(header, body, 0..=reach, out);
            self.spend((found.unwrap_or(reach) + 1) * cost + 8 * SEARCH_TRY);
            if let Some(number) = found {
                self.go_on_with(trial);
                self.counted(number);
                return self.content(head, out);
            }
        }
        if let Some(number) = self.try_pending(header, body, reach, out) {
            self.counted(number);
            return self.content(head, out);
        }
        // A damaged record was sent under the key and counts; 0-RTT data was sent under another one and does not.
        if self.unsure < STRAY {
            self.unsure += 1;
        }
        None
    }

    fn spend(&mut self, work: u64) {
        self.budget = self.budget.saturating_sub(work);
    }

    fn counted(&mut self, number: u64) {
        self.number = number.saturating_add(1);
        self.unsure = 0;
    }

    /// TLS 1.3: the keys that may come next, the nearest first.
    fn trials(&self) -> Vec<Trial> {
        let Schedule::Tls13 { stage, parts, early, handshake, traffic } = &self.schedule else { return Vec::new() };
        let mut trials = Vec::new();
        let mut add = |stage: Stage, secret: Option<&Secret>, keep: bool| {
            let Some(secret) = secret else { return };
            for parts in candidates(*parts, secret) {
                if let Some(key) = RecordKey::tls13(parts, secret.bytes()) {
                    trials.push(Trial { stage, parts, traffic: keep.then(|| secret.clone()), key });
                }
            }
        };
        let without = self.key.is_none();
        if *stage == Stage::Early && without {
            add(Stage::Early, early.as_ref(), false);
        }
        if *stage < Stage::Handshake || (*stage == Stage::Handshake && without) {
            add(Stage::Handshake, handshake.as_ref(), false);
        }
        if *stage < Stage::Traffic || without {
            add(Stage::Traffic, traffic.as_ref(), true);
        } else if self.unsure > 0
            && let Some(parts) = parts
        {
            // A KeyUpdate may have gone by unseen, or its answer to another one too.
            let first = traffic.as_ref().and_then(|secret| updated(*parts, secret));
            let second = first.as_ref().and_then(|secret| updated(*parts, secret));
            add(Stage::Traffic, first.as_ref(), true);
            add(Stage::Traffic, second.as_ref(), true);
        }
        trials
    }

    fn go_on_with(&mut self, trial: Trial) {
        if let Schedule::Tls13 { stage, parts, traffic, .. } = &mut self.schedule {
            *stage = trial.stage;
            *parts = Some(trial.parts);
            if trial.traffic.is_some() {
                *traffic = trial.traffic;
            }
        }
        self.key = Some(trial.key);
        self.message = None;
    }

    /// Up to TLS 1.2: the ChangeCipherSpec may have gone by unseen.
    fn try_pending(&mut self, header: Header, body: &[u8], reach: u64, out: &mut Vec<u8>) -> Option<u64> {
        let Schedule::Tls12 { pending } = &mut self.schedule else { return None };
        if self.key.is_some() && self.unsure == 0 {
            return None;
        }
        let mut key = pending.take()?;
        let found = key.open(header, body, 0..=reach, out);
        match found {
            Some(_) => self.key = Some(key),
            // A stream cipher has gone on: there is no second try.
            None if key.resumes() => *pending = Some(key),
            None => {}
        }
        self.spend((found.unwrap_or(reach) + 1).saturating_mul(body.len() as u64 + SEARCH_TRY));
        found
    }

    /// The type of an opened record's content. TLS 1.3 has it behind the content, before any padding (RFC 8446 section 5.2).
    fn content(&self, head: &RecordHead, out: &mut Vec<u8>) -> Option<ContentType> {
        if matches!(self.schedule, Schedule::Tls12 { .. }) {
            return Some(head.typ);
        }
        let end = out.iter().rposition(|byte| *byte != 0)?;
        let typ = out.get(end).copied()?;
        out.truncate(end);
        Some(ContentType(typ))
    }

    /// Reads the content of an opened record, hands on what is in it, and changes keys where that says so.
    pub(super) fn read(&mut self, typ: ContentType, content: &[u8], extent: &Extent, limit: u32, each: &mut dyn FnMut(Inner<'_>)) {
        match typ {
            ContentType::HANDSHAKE => self.messages(content, extent, limit, each),
            ContentType::ALERT => {
                for byte in content {
                    match self.half_alert.take() {
                        None => self.half_alert = Some(*byte),
                        Some(level) => {
                            each(Inner::Alert(Alert { level: AlertLevel(level), description: AlertDescription(*byte) }));
                        }
                    }
                }
            }
            ContentType::APPLICATION_DATA => each(Inner::Data(content)),
            ContentType::CHANGE_CIPHER_SPEC => {
                self.change_cipher_spec();
                each(Inner::Other(typ));
            }
            _ => each(Inner::Other(typ)),
        }
    }

    fn messages(&mut self, content: &[u8], extent: &Extent, limit: u32, each: &mut dyn FnMut(Inner<'_>)) {
        let mut rest = content;
        while !rest.is_empty() {
            let Some(assembly) = &mut self.message else {
                if let Some((&[typ, a, b, c], after)) = rest.split_first_chunk::<4>()
                    && let Some((bytes, after)) = after.split_at_checked(u24(a, b, c) as usize)
                {
                    rest = after;
                    let typ = HandshakeType(typ);
                    each(Inner::Handshake(Message { extent: *extent, typ, bytes: bytes.into() }));
                    self.after(typ);
                } else {
                    self.message = Some(Assembly::new(extent.start, extent.offset));
                }
                continue;
            };
            let (used, fed) = assembly.feed(rest, limit, false);
            rest = rest.get(used..).unwrap_or_default();
            if !matches!(fed, Fed::Complete) {
                continue;
            }
            let Some(whole) = self.message.take() else { continue };
            let partial = whole.partial();
            let extent = Extent { start: partial.start, offset: partial.offset, ..*extent };
            each(match whole.unread {
                None => Inner::Handshake(Message { extent, typ: partial.typ, bytes: whole.bytes.into() }),
                Some(_) => Inner::HandshakeUnread { extent, typ: partial.typ },
            });
            self.after(partial.typ);
        }
    }

    /// TLS 1.3: what a message does to the keys of its sender, from the next record on (RFC 8446 sections 4.4.4, 4.5, 4.6.3).
    fn after(&mut self, typ: HandshakeType) {
        let Schedule::Tls13 { stage, parts, handshake, traffic, .. } = &mut self.schedule else { return };
        let Some(parts) = *parts else { return };
        let secret = match (typ, *stage) {
            (HandshakeType::END_OF_EARLY_DATA, Stage::Early) => {
                *stage = Stage::Handshake;
                handshake.as_ref()
            }
            (HandshakeType::FINISHED, Stage::Early | Stage::Handshake) => {
                *stage = Stage::Traffic;
                traffic.as_ref()
            }
            (HandshakeType::KEY_UPDATE, Stage::Traffic) => {
                *traffic = traffic.as_ref().and_then(|secret| updated(parts, secret));
                traffic.as_ref()
            }
            _ => return,
        };
        self.key = secret.and_then(|secret| RecordKey::tls13(parts, secret.bytes()));
        (self.number, self.unsure) = (0, 0);
    }
}

/// The suites that a secret can belong to: the one that was chosen, or those with a hash of the secret's length.
fn candidates(chosen: Option<Parts>, secret: &Secret) -> Vec<Parts> {
    let fits = |parts: &Parts| parts.hash.len() == secret.bytes().len();
    match chosen {
        Some(parts) => Some(parts).filter(fits).into_iter().collect(),
        None => TLS13_SUITES.into_iter().filter_map(|suite| Parts::of(suite, Version::TLS13)).filter(fits).collect(),
    }
}

/// The traffic secret after a KeyUpdate (RFC 8446 section 7.2).
fn updated(parts: Parts, secret: &Secret) -> Option<Secret> {
    let mut next = Zeroizing::new([0; 48]);
    let next = next.get_mut(..Hash::len(parts.hash))?;
    expand_label(parts.hash, secret.bytes(), "traffic upd", next)?;
    Some(Secret::new(next))
}
