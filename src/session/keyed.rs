//! A session whose secrets are known: what they open is read like what is in clear. Records whose secrets may still come are held, bounded.

use std::collections::VecDeque;

use crate::app::{Exchange, Outcome};
use crate::base::{At, Limits, PerSide, PerWay, Side, Way};
use crate::session::log::Log;
use crate::session::seldom::ReadAlert;
use crate::session::timeline::What;
use crate::session::tracker::Tracker;
use crate::session::way::SealedRecord;
use crate::tls::{
    Alert, AlertDescription, Body, Chain, ClientHello, ContentType, Handshake12, HandshakeType, Inner, Message, Opener, RecordHead,
    Secrets, ServerHello,
};

/// Records up to this length are held while their secrets may still come: no suite makes an alert longer without padding it.
const HELD_RECORD: u16 = 80;
/// What a held record takes beside its bytes.
const HELD_OVERHEAD: usize = size_of::<Held>();
/// The extension by which a server takes 0-RTT data.
const EARLY_DATA: u16 = 42;
/// Alerts kept per session.
const ALERTS_KEPT: usize = 8;

/// What an analysis was given beside packets.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Bounds on what may be held.
    pub limits: &'a Limits,
    /// Secrets from key logs; `None`: nothing is to be decrypted.
    pub secrets: Option<&'a Secrets>,
    /// What all flows together may still hold.
    pub room: usize,
}

impl Given<'_> {
    /// Secrets may still come.
    pub fn may_learn(&self) -> bool {
        self.secrets.is_some_and(Secrets::may_grow)
    }

    /// The longest handshake message that is kept.
    fn message_limit(&self) -> u32 {
        u32::try_from(self.limits.handshake_flow).unwrap_or(u32::MAX)
    }
}

/// How much of a session was opened with secrets from a key log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decryption {
    /// There were secrets of this session.
    pub keyed: bool,
    /// Sealed records that were opened, of both sides.
    pub opened: u64,
    /// Sealed records that were not.
    pub closed: u64,
    /// Bytes of application data that were read, of both sides.
    pub bytes: u64,
}

impl Decryption {
    /// The word used in the JSON; `None` where there were no secrets.
    pub fn name(&self) -> Option<&'static str> {
        self.keyed.then_some(match (self.opened, self.closed) {
            (0, _) => "no",
            (_, 0) => "fully",
            _ => "partly",
        })
    }
}

/// What is known, or may still get known, of a session's keys.
#[derive(Debug, Default)]
pub struct Keys {
    opener: Option<Opener>,
    /// Handshake messages so far, where keys may depend on them (up to TLS 1.2, with a pre-master secret).
    messages: Option<Vec<u8>>,
    /// The ClientHello of a renegotiation.
    renegotiation: Option<Box<ClientHello>>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Records of each way that went by since the newest held one: how many, their bytes.
    passed: PerWay<(u64, usize)>,
    /// A hole lies behind the newest held record of this way.
    hole: PerWay<bool>,
    application: ApplicationData,
}

/// The application data that was opened.
#[derive(Debug, Default)]
struct ApplicationData {
    bytes: PerWay<u64>,
    exchange: Exchange,
    /// The client sent 0-RTT data, and whether the server took it.
    early: bool,
    early_taken: bool,
}

impl ApplicationData {
    /// Takes in the next bytes of a way, from the record that ends in frame `at`. A session whose keys are known at its handshake comes here
    /// whole and in order; holes, and records that do not open, are told by [`gap`](ApplicationData::gap).
    fn push(&mut self, way: Way, side: Side, at: At, early: bool, bytes: &[u8]) {
        self.bytes[way] += bytes.len() as u64;
        self.early |= early;
        if !early {
            self.settle_early();
        }
        self.exchange.push(side, at, bytes);
    }

    /// Application data is missing.
    fn gap(&mut self) {
        self.exchange.gap();
    }

    /// 0-RTT data that the server did not take never was a part of the exchange: the client says it again.
    fn settle_early(&mut self) {
        if self.early && !self.early_taken {
            self.exchange.gap();
        }
    }
}

/// A sealed record that is kept for secrets that may still come, or a ChangeCipherSpec, from which on they count.
#[derive(Debug)]
struct Held {
    way: Way,
    seen: SealedRecord,
    head: RecordHead,
    /// `None`: a ChangeCipherSpec.
    body: Option<Box<[u8]>>,
    /// Sealed records of this way between the one held before and this.
    passed: (u64, usize),
    /// It is not known how many.
    hole: bool,
}

impl Keys {
    /// Bytes held for secrets that may still come.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn hold(&mut self, held: Held, most: usize) {
        self.held_bytes += HELD_OVERHEAD + held.body.as_ref().map_or(0, |body| body.len());
        self.held.push_back(held);
        while self.held_bytes > most {
            let Some(oldest) = self.held.pop_front() else { return };
            self.held_bytes = self.held_bytes.saturating_sub(HELD_OVERHEAD + oldest.body.as_ref().map_or(0, |body| body.len()));
            // With it goes the count of what its key protects.
            match self.held.iter_mut().find(|held| held.way == oldest.way) {
                Some(next) => next.hole = true,
                None => self.hole[oldest.way] = true,
            }
        }
    }
}

/// Whether EncryptedExtensions accept 0-RTT data (RFC 8446 section 4.2.10).
fn takes_early_data(message: &[u8]) -> bool {
    let mut rest = message.get(2..).unwrap_or_default();
    while let Some((&[a, b, c, d], after)) = rest.split_first_chunk::<4>() {
        if u16::from_be_bytes([a, b]) == EARLY_DATA {
            return true;
        }
        rest = after.get(usize::from(u16::from_be_bytes([c, d]))..).unwrap_or_default();
    }
    false
}

/// What was in a record, beside what is noted at once.
struct Content<'a> {
    /// Bytes of application data.
    data: usize,
    /// The ClientHello of a renegotiation.
    client_hello: Option<Box<ClientHello>>,
    /// The ServerHello of one.
    server_hello: Option<Box<ServerHello>>,
    application: &'a mut ApplicationData,
    /// Longest handshake message that is read.
    limit: u32,
}

impl<'a> Content<'a> {
    fn new(application: &'a mut ApplicationData, given: Given<'_>) -> Content<'a> {
        Content { data: 0, client_hello: None, server_hello: None, application, limit: given.message_limit() }
    }
}

impl Tracker {
    /// A handshake message in clear has been read: there may be secrets for what follows.
    pub(super) fn look_for_keys(&mut self, message: &Message<'_>, given: Given<'_>) {
        let Some(secrets) = given.secrets.filter(|secrets| !secrets.is_empty() || secrets.may_grow()) else { return };
        match message.typ {
            HandshakeType::CLIENT_HELLO if self.handshake.server_hello.is_none() => {
                self.begin_keys(secrets, given);
                if let Some(keys) = self.handshake.keys.as_mut().filter(|_| secrets.has_pre_masters()) {
                    keys.messages = Some(Vec::new());
                }
            }
            // A key log's lines may come between the two hellos.
            HandshakeType::SERVER_HELLO if self.handshake.keys.is_none() => self.begin_keys(secrets, given),
            _ => {}
        }
        let Some(mut keys) = self.handshake.keys.take() else { return };
        if let Some(messages) = &mut keys.messages
            && messages.len() + message.bytes.len() < given.limits.handshake_flow
        {
            let [_, len @ ..] = (message.bytes.len() as u32).to_be_bytes(); // handshake messages are shorter than 2^24
            messages.push(message.typ.0);
            messages.extend(len);
            messages.extend_from_slice(&message.bytes);
        }
        if let (HandshakeType::SERVER_HELLO | HandshakeType::CLIENT_KEY_EXCHANGE, Some(client), Some(server)) =
            (message.typ, &self.handshake.client_hello, &self.handshake.server_hello)
        {
            let key_exchange = (message.typ == HandshakeType::CLIENT_KEY_EXCHANGE).then_some(&*message.bytes);
            keys.settle(client, server, key_exchange, secrets, given);
        }
        self.handshake.keys = Some(keys);
        self.hold_records(given);
    }

    /// The ClientHello is there, which names the secrets.
    fn begin_keys(&mut self, secrets: &Secrets, given: Given<'_>) {
        let Some(hello) = &self.handshake.client_hello else { return };
        let mut keys = self.handshake.keys.take().unwrap_or_default();
        if keys.opener.is_none() {
            keys.opener = Opener::tls13(hello, secrets, given.message_limit());
        }
        self.handshake.keys = Some(keys);
    }

    /// Asks the framers for as much of the sealed records as can be used.
    fn hold_records(&mut self, given: Given<'_>) {
        let Some(keys) = &self.handshake.keys else { return };
        let waiting = given.may_learn();
        let len = match (&keys.opener, waiting) {
            (Some(_), _) => u16::MAX,
            (None, true) if self.is_established() => HELD_RECORD,
            (None, true) => u16::MAX,
            (None, false) => 0,
        };
        if len == 0 && keys.messages.is_none() && self.handshake.server_hello.is_some() {
            // No secret fits, and none will come.
            self.handshake.keys = None;
        }
        for way in [Way::AtoB, Way::BtoA] {
            self.framer_mut(way).hold_sealed(len);
        }
    }

    /// Takes a record past the keys. True if it was sealed and is now read.
    pub(super) fn open_record(
        &mut self,
        way: Way,
        head: &RecordHead,
        body: &Body<'_>,
        seen: &SealedRecord,
        given: Given<'_>,
        log: &mut Log,
    ) -> bool {
        let Some(mut keys) = self.handshake.keys.take() else { return false };
        let side = self.side(way);
        let mut opened = false;
        let plain_ccs = head.typ == ContentType::CHANGE_CIPHER_SPEC && matches!(body, Body::Read);
        let mut content = Content::new(&mut keys.application, given);
        match (body, &mut keys.opener) {
            (Body::Sealed(Some(bytes)), Some(opener)) => {
                opened = opener.open(side, head, bytes, &mut |inner| self.inner(way, seen, inner, false, &mut content, log));
                if let Some(secrets) = given.secrets.filter(|secrets| !opened && secrets.may_grow()) {
                    opener.learn(secrets);
                    opened = opener.open(side, head, bytes, &mut |inner| self.inner(way, seen, inner, false, &mut content, log));
                }
                if opened {
                    self.opened(way, seen, content.data, log);
                }
            }
            (Body::Sealed(None), Some(opener)) => opener.skip(side, 1, head.len.into(), head.extent.end_offset),
            (Body::Read | Body::Unread, Some(opener)) => {
                opener.pass(side, &head.extent);
                if plain_ccs {
                    opener.change_cipher_spec(side);
                }
            }
            _ => {}
        }
        let (client_hello, server_hello) = (content.client_hello, content.server_hello);
        let finished = self.handshake.ways[way].finished.is_some() || keys.application.bytes[way] > 0;
        if !opened && finished && head.typ == ContentType::APPLICATION_DATA && matches!(body, Body::Sealed(_)) {
            keys.application.gap();
        }
        if opened {
            keys.renegotiate(client_hello, server_hello, given);
        } else if given.may_learn() {
            self.wait_for_keys(&mut keys, way, head, body, seen, given);
        }
        self.handshake.keys = Some(keys);
        opened
    }

    /// Holds a record that may be opened later, or counts it.
    fn wait_for_keys(&mut self, keys: &mut Keys, way: Way, head: &RecordHead, body: &Body<'_>, seen: &SealedRecord, given: Given<'_>) {
        let established = self.is_established();
        let short = |bytes: &[u8]| !established || bytes.len() <= HELD_RECORD.into();
        let body = match body {
            Body::Sealed(Some(bytes)) if short(bytes) && bytes.len() + HELD_OVERHEAD <= given.room => Some(bytes.as_ref().into()),
            Body::Read if head.typ == ContentType::CHANGE_CIPHER_SPEC => None,
            Body::Sealed(_) => {
                let (records, bytes) = &mut keys.passed[way];
                *records += 1;
                *bytes += usize::from(head.len);
                return;
            }
            _ => return,
        };
        let passed = std::mem::take(&mut keys.passed[way]);
        let hole = std::mem::take(&mut keys.hole[way]);
        keys.hold(Held { way, seen: *seen, head: *head, body, passed, hole }, given.limits.sealed_flow);
        if keys.opener.is_none() && established {
            self.framer_mut(way).hold_sealed(HELD_RECORD);
        }
    }

    /// A hole hid an unknown number of records.
    pub(super) fn lose_count(&mut self, way: Way) {
        if let Some(keys) = &mut self.handshake.keys {
            keys.hole[way] = true;
            keys.application.gap();
        }
    }

    /// The session is over: secrets that came too late for its records may open those that were held.
    pub(super) fn look_once_more(&mut self, given: Given<'_>, log: &mut Log) {
        let Some(mut keys) = self.handshake.keys.take() else { return };
        if !keys.held.is_empty()
            && let (Some(client), Some(server), Some(secrets)) = (&self.handshake.client_hello, &self.handshake.server_hello, given.secrets)
        {
            match &mut keys.opener {
                Some(opener) => opener.learn(secrets),
                None => keys.settle(client, server, None, secrets, given),
            }
            let held = std::mem::take(&mut keys.held);
            keys.held_bytes = 0;
            if let Some(opener) = &mut keys.opener {
                for held in held {
                    self.open_held(opener, &held, &mut keys.application, given, log);
                }
            }
        }
        self.handshake.keys = Some(keys);
    }

    fn open_held(&mut self, opener: &mut Opener, held: &Held, application: &mut ApplicationData, given: Given<'_>, log: &mut Log) {
        let side = self.side(held.way);
        let (records, bytes) = held.passed;
        if records > 0 && !held.hole {
            opener.skip(side, records, bytes, held.head.extent.offset);
        }
        let Some(body) = &held.body else {
            opener.change_cipher_spec(side);
            return;
        };
        let mut content = Content::new(application, given);
        let opened = opener.open(side, &held.head, body, &mut |inner| {
            self.inner(held.way, &held.seen, inner, true, &mut content, log);
        });
        if opened {
            self.ways[held.way].note_opened(held.seen.offset);
            let state = &mut self.handshake.ways[held.way];
            state.fatal_by_place = state.fatal_by_place.take().filter(|record| record.offset != held.seen.offset);
        }
    }

    /// How much was opened.
    pub(super) fn decryption(&self) -> Decryption {
        let Some(keys) = &self.handshake.keys else { return Decryption::default() };
        let Some(opener) = &keys.opener else { return Decryption::default() };
        let (opened, failed) = (opener.opened(), opener.failed());
        Decryption {
            keyed: true,
            opened: opened.client + opened.server,
            closed: failed.client + failed.server,
            bytes: keys.application.bytes[Way::AtoB] + keys.application.bytes[Way::BtoA],
        }
    }

    /// How far the exchange of application data came; `None` where nothing of the session was opened.
    pub(super) fn exchange(&mut self) -> Option<Outcome> {
        let keys = self.handshake.keys.as_mut()?;
        if keys.opener.as_ref().is_none_or(|opener| opener.opened() == PerSide::default()) {
            return None;
        }
        keys.application.settle_early();
        Some(keys.application.exchange.outcome())
    }

    fn side(&self, way: Way) -> Side {
        if self.handshake.client == Some(way) { Side::Client } else { Side::Server }
    }

    /// Keeps an alert that was read.
    pub(super) fn keep_alert(&mut self, alert: ReadAlert) {
        let alerts = &mut self.seldom_mut().alerts;
        if alerts.len() < ALERTS_KEPT {
            alerts.push(alert);
        } else if alert.alert.description == AlertDescription::CLOSE_NOTIFY
            && let Some(last) = alerts.last_mut()
        {
            // Whether a side took leave must not depend on how much it warned before.
            *last = alert;
        }
    }

    /// What was in a record. `late`: its session is over, and what could be counted without keys has been.
    fn inner(&mut self, way: Way, seen: &SealedRecord, inner: Inner<'_>, late: bool, content: &mut Content<'_>, log: &mut Log) {
        match inner {
            Inner::Alert(alert) => self.inner_alert(way, seen, alert, late, log),
            Inner::Handshake(message) => {
                if !late {
                    log.add(seen.at, way, What::OpenedHandshake(message.typ.0));
                }
                self.inner_handshake(way, seen, &message, content);
            }
            Inner::HandshakeUnread { typ, .. } => {
                if typ == HandshakeType::CERTIFICATE && self.handshake.client != Some(way) {
                    self.handshake.certificate_at = Some(seen.at);
                }
                if !late {
                    log.add(seen.at, way, What::OpenedHandshake(typ.0));
                }
            }
            Inner::Data(bytes) => {
                content.data += bytes.len();
                let side = self.side(way);
                let early = side == Side::Client && self.handshake.ways[way].finished.is_none();
                if late {
                    content.application.gap();
                } else {
                    content.application.push(way, side, seen.at, early, bytes);
                }
            }
            Inner::Other(ContentType::CHANGE_CIPHER_SPEC) => {
                self.renegotiate(self.handshake.client == Some(way));
            }
            Inner::Other(_) => {}
        }
    }

    fn inner_alert(&mut self, way: Way, seen: &SealedRecord, alert: Alert, late: bool, log: &mut Log) {
        let what = What::OpenedAlert(alert.level.0, alert.description.0);
        if late {
            log.reveal(seen.at, way, what);
        } else {
            log.add(seen.at, way, what);
        }
        self.keep_alert(ReadAlert { way, alert, at: seen.at, offset: seen.offset, knew: seen.knew });
    }

    fn inner_handshake(&mut self, way: Way, seen: &SealedRecord, message: &Message<'_>, content: &mut Content<'_>) {
        let client = self.handshake.client == Some(way);
        let at = seen.at;
        match message.typ {
            HandshakeType::ENCRYPTED_EXTENSIONS if !client => {
                content.application.early_taken = takes_early_data(&message.bytes);
                if let Some(hello) = &mut self.handshake.server_hello {
                    hello.read_encrypted_extensions(&message.bytes);
                }
            }
            HandshakeType::CERTIFICATE_REQUEST if !client => self.seldom_mut().certificate_request = Some(at),
            HandshakeType::CERTIFICATE if client => {
                let empty = if self.is_tls13() { Chain::parse_tls13(&message.bytes).count == 0 } else { message.bytes.len() <= 3 };
                self.seldom_mut().client_certificate = Some((at, !empty));
            }
            HandshakeType::CERTIFICATE if self.is_tls13() => {
                self.handshake.certificate_at = Some(at);
                self.handshake.certificates = Some(Box::new(Chain::parse_tls13(&message.bytes)));
            }
            // Nobody compresses an empty one.
            HandshakeType::COMPRESSED_CERTIFICATE if client => self.seldom_mut().client_certificate = Some((at, true)),
            HandshakeType::COMPRESSED_CERTIFICATE => {
                self.handshake.certificate_at = Some(at);
                self.handshake.certificates = Chain::parse_compressed(&message.bytes, content.limit).map(Box::new);
            }
            HandshakeType::FINISHED if client && self.is_tls13() => self.finish_handshake(way, at),
            HandshakeType::FINISHED => {
                self.handshake.ways[way].finished.get_or_insert(at);
            }
            HandshakeType::CLIENT_HELLO if client => {
                content.client_hello = Some(Box::new(ClientHello::parse(&message.bytes)));
            }
            HandshakeType::SERVER_HELLO if !client => {
                content.server_hello = Some(Box::new(ServerHello::parse(&message.bytes)));
            }
            _ => {}
        }
    }

    /// A record was opened: its sender's state takes it for what it is.
    fn opened(&mut self, way: Way, seen: &SealedRecord, data: usize, log: &mut Log) {
        let before_finished = self.is_tls13() && self.handshake.ways[way].finished.is_none();
        self.ways[way].note_opened(seen.offset);
        if data > 0 {
            if before_finished && self.handshake.client == Some(way) {
                self.handshake.ways[way].early = self.handshake.ways[way].early.saturating_add(1);
                log.run(seen.at, way, What::EarlyData(1, u64::from(seen.len)));
            } else {
                self.data(way, seen, true, log);
            }
        } else if before_finished {
            let state = &mut self.handshake.ways[way];
            state.flight = state.flight.saturating_add(1);
        }
    }
}

impl Keys {
    /// Makes, or completes, the opener once both hellos are there.
    fn settle(&mut self, client: &ClientHello, server: &ServerHello, key_exchange: Option<&[u8]>, secrets: &Secrets, given: Given<'_>) {
        if server.version.is_tls13() {
            self.messages = None;
            let opener = self.opener.take().or_else(|| Opener::tls13(client, secrets, given.message_limit()));
            self.opener = opener.and_then(|mut opener| {
                opener.learn(secrets);
                opener.negotiated(server).then_some(opener)
            });
            return;
        }
        let messages = self.messages.as_deref().unwrap_or_default();
        let handshake = Handshake12 { client, server, key_exchange, messages };
        if key_exchange.is_none() || self.opener.is_none() {
            self.opener = Opener::tls12(&handshake, secrets, given.message_limit());
        }
        if key_exchange.is_some() {
            self.messages = None;
        }
    }

    /// A hello of a renegotiation was read (up to TLS 1.2). With both the next keys are known.
    fn renegotiate(&mut self, client: Option<Box<ClientHello>>, server: Option<Box<ServerHello>>, given: Given<'_>) {
        self.renegotiation = client.or_else(|| self.renegotiation.take());
        if let (Some(client), Some(server), Some(opener), Some(secrets)) = (&self.renegotiation, server, &mut self.opener, given.secrets) {
            opener.rekey(&Handshake12 { client, server: &server, key_exchange: None, messages: &[] }, secrets);
        }
    }
}
