//! What TLS says in a connection: two directions of records read as one handshake and what follows it.

use crate::base::{At, Limits, PerWay, Piece, Way, prefetch};
use crate::session::handshake::Handshake;
use crate::session::keyed::Given;
use crate::session::log::Log;
use crate::session::seldom::ReadAlert;
use crate::session::timeline::What;
use crate::session::way::{Calm, JSSE_PADDING, SealedRecord, WayState, fits_alert};
use crate::tls::{
    Body, Chain, ClientHello, ContentType, Extent, Framer, HandshakeType, Input, Message, Protection, RecordHead, ServerHello, Unit,
    Version, whole_record,
};

/// Length of an empty TLS 1.3 client Certificate message: header, empty context, empty list.
const EMPTY_CERTIFICATE: u16 = 8;

/// Length of a TLS 1.3 record with an alert under every suite in common use: two bytes, the type, a tag of 16. Older versions mark their
/// alerts as such, and have no message of so few bytes.
pub(super) const USUAL_ALERT: u16 = 19;

/// Both directions of a connection as TLS.
#[derive(Debug)]
#[repr(C)]
pub struct Tracker {
    /// What the handshake told.
    pub handshake: Box<Handshake>,
    /// What the records of each direction are counted by. They stand in the connection, and on lines of memory of their own: see
    /// [`crate::session::Flow`].
    pub ways: PerWay<WayState>,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Option<Tracker>>() == 264 && size_of::<Handshake>() <= 512);

impl Tracker {
    /// A connection of which nothing is known; `client` is the way its SYN went.
    #[inline]
    pub fn new(client: Option<Way>, limits: &Limits) -> Tracker {
        Tracker { handshake: Handshake::new(client, limits), ways: PerWay::default() }
    }

    /// Has the memory that the next record of `way` will need brought into the caches.
    #[inline]
    pub fn prefetch(&self, way: Way) {
        let peer = &self.ways[way.opposite()];
        self.ways[way].prefetch();
        prefetch(peer);
    }

    /// Has the memory that the session's end will need brought into the caches, but for what [`prefetch_hellos`](Tracker::prefetch_hellos)
    /// asks for.
    pub fn prefetch_end(&self) {
        for way in [Way::AtoB, Way::BtoA] {
            self.ways[way].prefetch();
        }
        self.handshake.prefetch_end();
    }

    /// The same for both hellos. Where they are must be in the caches.
    #[inline]
    pub fn prefetch_hellos(&self) {
        if let Some(hello) = &self.handshake.client_hello {
            hello.prefetch();
        }
        if let Some(hello) = &self.handshake.server_hello {
            hello.prefetch();
        }
    }

    /// The same for what of the hellos is elsewhere. They themselves must be in the caches.
    #[inline]
    pub fn prefetch_texts(&self) {
        if let Some(hello) = &self.handshake.client_hello {
            hello.prefetch_texts();
        }
    }

    /// Of this direction no more than the lengths of records counts.
    pub fn is_calm(&self, way: Way) -> bool {
        self.ways[way].calm.is_some()
    }

    /// One direction's framer, for what stands unfinished in it.
    pub fn framer(&self, way: Way) -> &Framer {
        &self.handshake.framers[way]
    }

    pub(super) fn framer_mut(&mut self, way: Way) -> &mut Framer {
        &mut self.handshake.framers[way]
    }

    /// Reads a piece of one direction. `knew` is how much of the peer's stream its sender has acknowledged with it.
    /// Returns the bytes that are not TLS after all, if the stream turns out not to be.
    pub fn read(&mut self, way: Way, piece: &Piece<'_>, knew: u64, given: Given<'_>, log: &mut Log) -> Option<NotTls> {
        let mut not_tls = None;
        if let (Some(spans), Piece::Gap { .. }) = (&mut log.spans, piece)
            && let Some(partial) = self.handshake.framers[way].in_record()
        {
            // The hole may reach beyond the record, which is never complete then.
            spans.cut(way, &partial, self.handshake.framers[way].is_sealed());
        }
        let mut input = Input::new(piece);
        loop {
            // Looked at where it was put: it is large.
            let unit = self.handshake.framers[way].next(&mut input);
            match &unit {
                None => break,
                Some(Unit::Record { head, body }) => {
                    if self.record(way, head, body, knew, given, log) {
                        self.handshake.framers[way].seal();
                    }
                }
                Some(Unit::Handshake(message)) => {
                    self.handshake(way, message, log);
                    self.look_for_keys(message, given);
                }
                Some(Unit::HandshakeUnread { extent, typ, .. }) => {
                    self.unread(way, *extent, *typ, log);
                }
                Some(Unit::Alert { extent, alert }) => {
                    log.add(extent.end, way, What::Alert(alert.level.0, alert.description.0));
                    self.keep_alert(ReadAlert { way, alert: *alert, at: extent.end, offset: extent.offset, knew });
                }
                Some(Unit::Sslv2ClientHello { extent, bytes }) => {
                    if let Some(spans) = &mut log.spans {
                        spans.clear(way, extent.offset, extent.end_offset);
                    }
                    self.client_hello(way, extent, Box::new(ClientHello::parse_sslv2(bytes)), log);
                }
                &Some(Unit::Broken { at, offset, header, have, bytes, guessed, .. }) => {
                    if !guessed {
                        if let Some(spans) = &mut log.spans {
                            spans.clear(way, offset, offset + u64::from(have));
                        }
                        let start = offset == 0 || self.ways[way].records == 0;
                        self.handshake.ways[way].broken = Some(Box::new((at, header, have)));
                        if start {
                            not_tls = Some(NotTls { at, header, have, rest: bytes.len() });
                        } else {
                            log.add(at, way, What::Broken);
                        }
                    }
                }
                &Some(Unit::Gap { at, len, why, lost, .. }) => {
                    log.add(at, way, What::Gap(len, why));
                    self.handshake.ways[way].lost |= lost;
                    self.handshake.ways[way].was_lost |= lost;
                    if lost {
                        self.lose_count(way);
                    }
                }
                Some(Unit::Resync { .. }) => {
                    self.handshake.ways[way].lost = false;
                }
            }
        }
        self.calm_down();
        not_tls
    }

    /// Finds out in which directions the lengths of records are all that counts now.
    fn calm_down(&mut self) {
        let known = self.handshake.protection.filter(|_| self.handshake.server_hello.is_some() && self.handshake.keys.is_none());
        let tls13 = self.is_tls13();
        for way in [Way::AtoB, Way::BtoA] {
            let (state, tickets_possible) = (&mut self.ways[way], tls13 && self.handshake.client != Some(way));
            let passed = &self.handshake.ways[way];
            state.calm =
                known.filter(|_| passed.finished.is_some() && self.handshake.framers[way].is_between_records()).map(|protection| {
                    let (alert, may_be_padded) = passed.alert_len(protection.alert_len);
                    Calm { tag: protection.tag, tls13, tickets_possible, alert, may_be_padded }
                });
        }
    }

    /// Starts one direction in the middle of its stream: where records begin is not known.
    pub fn start_midstream(&mut self, way: Way, limits: &Limits) {
        self.handshake.framers[way] = Framer::mid_stream(limits);
        self.ways[way].calm = None;
        self.handshake.ways[way].lost = true;
        self.handshake.ways[way].was_lost = true;
    }

    /// Length of a record of `way` that holds one alert, for the negotiated protection and what is known of padding.
    pub fn alert_len(&self, way: Way) -> Option<u16> {
        let protection = self.handshake.protection.as_ref()?;
        Some(if self.is_tls13() { self.handshake.ways[way].alert_len(protection.alert_len).0 } else { protection.alert_len })
    }

    /// Reads of `bytes`, which come at `offset`, whole records of application data as long as there is nothing to note about them but their
    /// lengths: what [`read`](Tracker::read) would do, at a fraction of the cost. What is left.
    #[inline(always)]
    pub fn skim<'a>(&mut self, way: Way, at: At, mut offset: u64, mut bytes: &'a [u8], knew: u64, log: &Log) -> &'a [u8] {
        let (passed, (own, peer)) = (&mut self.handshake.ways[way], self.ways.pair_mut(way));
        let Some(calm) = own.calm.filter(|_| !log.is_written()) else { return bytes };
        while let Some((len, rest)) = whole_record(bytes) {
            let seen = SealedRecord { at, typ: ContentType::APPLICATION_DATA.0, len, offset, knew, opened: false };
            own.skim(passed, calm, peer, &seen);
            (offset, bytes) = (seen.end(), rest);
        }
        bytes
    }

    /// Whether a record of `way` has an alert's length (CBC may add whole blocks of padding).
    pub fn is_alert_sized(&self, way: Way, len: u16) -> bool {
        let Some(protection) = self.handshake.protection.as_ref() else {
            return matches!(len, 11 | 18 | 19 | 22 | 24 | 26 | 32 | 34 | 35 | 36 | 48 | 52 | 64 | 80);
        };
        if !self.is_tls13() {
            return protection.fits_alert(len);
        }
        fits_alert(len, self.handshake.ways[way].alert_len(protection.alert_len))
    }

    /// Whether a record of `way` may be an alert that is padded to a whole block (RFC 8446 section 5.4), as all its records are. (One record
    /// tells less by itself; then it must be longer, or the other side's count, too.)
    pub fn may_be_padded_alert(&self, way: Way, len: u16) -> bool {
        let own = &self.ways[way];
        let known = own.in_blocks(2) || (own.in_blocks(1) && (self.ways[way.opposite()].in_blocks(2) || own.blocks.1.is_multiple_of(128)));
        known && len.saturating_sub(self.tag()) == own.blocks.1
    }

    /// Length of a record's tag in TLS 1.3.
    fn tag(&self) -> u16 {
        self.handshake.protection.as_ref().map_or(16, |protection| u16::from(protection.tag))
    }

    /// The capture joined the session after its hellos: which version it speaks was never said.
    pub fn joined(&self) -> bool {
        self.handshake.client_hello_at.is_none() && self.handshake.server_hello_at.is_none() && self.handshake.version.is_none()
    }

    /// A record came, from either side.
    pub fn has_records(&self) -> bool {
        [Way::AtoB, Way::BtoA].into_iter().any(|way| self.ways[way].records > 0)
    }

    /// There was TLS: a record, or the beginning of a hello whose rest never came.
    pub fn spoke(&self) -> bool {
        let begun = |way: Way| {
            self.handshake.framers[way].in_record().is_some_and(|partial| partial.typ == ContentType::HANDSHAKE && partial.need.is_some())
        };
        self.has_records() || self.handshake.client_hello_at.is_some() || begun(Way::AtoB) || begun(Way::BtoA)
    }

    /// TLS 1.3 was negotiated, or must have been: a sealed record of type application_data came before any ChangeCipherSpec could say so.
    pub fn is_tls13(&self) -> bool {
        self.handshake.version.is_some_and(Version::is_tls13)
    }

    /// Both Finished, or application data seen.
    pub fn is_established(&self) -> bool {
        let both = self.handshake.ways[Way::AtoB].finished.is_some() && self.handshake.ways[Way::BtoA].finished.is_some();
        both || self.ways[Way::AtoB].app_records + self.ways[Way::BtoA].app_records > 0
    }

    fn is_client(&self, way: Way) -> bool {
        self.handshake.client == Some(way)
    }

    /// A complete record. True if everything after it is encrypted (TLS ≤ 1.2 after ChangeCipherSpec).
    fn record(&mut self, way: Way, head: &RecordHead, body: &Body<'_>, knew: u64, given: Given<'_>, log: &mut Log) -> bool {
        if let Some(spans) = &mut log.spans {
            spans.record(way, head, body);
        }
        let seen = SealedRecord { at: head.extent.end, typ: head.typ.0, len: head.len, offset: head.extent.offset, knew, opened: false };
        let tag = self.tag();
        let state = &mut self.ways[way];
        state.see(&mut self.handshake.ways[way], &seen);
        if head.typ == ContentType::APPLICATION_DATA {
            state.measure(head.len.saturating_sub(tag));
        }
        if self.handshake.keys.is_some() && self.open_record(way, head, body, &seen, given, log) {
            return false;
        }
        match head.typ {
            ContentType::CHANGE_CIPHER_SPEC => {
                log.add(seen.at, way, What::ChangeCipherSpec);
                if self.handshake.ways[way].finished.is_some() {
                    self.renegotiate(self.is_client(way));
                }
                self.handshake.ways[way].change_cipher_spec.get_or_insert(seen.at);
                let early =
                    self.handshake.version.is_none() && self.handshake.client_hello.as_ref().is_some_and(|hello| hello.offers_early_data());
                if !self.is_tls13() && !early {
                    self.note_resumption(way);
                    return true;
                }
            }
            ContentType::APPLICATION_DATA => self.application_data(way, &seen, log),
            ContentType::HANDSHAKE if !matches!(body, Body::Read) => {
                log.run(seen.at, way, What::SealedHandshake(1, u64::from(seen.len)));
                if self.handshake.ways[way].change_cipher_spec.is_some() {
                    self.handshake.ways[way].finished.get_or_insert(seen.at);
                }
            }
            ContentType::ALERT if !matches!(body, Body::Read) => log.add(seen.at, way, What::SealedAlert(seen.len)),
            _ => {}
        }
        false
    }

    /// TLS ≤ 1.2: a server that changes ciphers right after its ServerHello, without a certificate, resumes a session.
    fn note_resumption(&mut self, way: Way) {
        if self.handshake.client.is_some()
            && !self.is_client(way)
            && self.handshake.server_hello.is_some()
            && self.seldom().server_hello_done.is_none()
        {
            let client_first = self.handshake.ways[way.opposite()].change_cipher_spec.is_some();
            self.handshake.resumed |= !client_first && self.handshake.certificate_at.is_none();
        }
    }

    #[inline]
    fn application_data(&mut self, way: Way, seen: &SealedRecord, log: &mut Log) {
        if self.handshake.ways[way].finished.is_some() && self.handshake.server_hello.is_some() {
            self.data(way, seen, false, log);
        } else {
            self.early_data(way, seen, log);
        }
    }

    /// A record of application data while the handshake goes on, or went unseen.
    fn early_data(&mut self, way: Way, seen: &SealedRecord, log: &mut Log) {
        let client = self.is_client(way);
        let at = seen.at;
        if self.handshake.client_hello.is_some() && self.handshake.server_hello.is_none() && self.handshake.client.is_some() {
            if !client && self.handshake.ways[way.opposite()].finished.is_none() {
                // The ServerHello is missing from the capture: this is what is left of the flight behind it.
                self.handshake.ways[way].flight = self.handshake.ways[way].flight.saturating_add(1);
                log.run(at, way, What::SealedFlight(1, u64::from(seen.len)));
                return;
            }
            if client
                && self.seldom().hello_retry.is_none()
                && self.handshake.client_hello.as_ref().is_some_and(|hello| hello.offers_early_data())
            {
                self.handshake.ways[way].early = self.handshake.ways[way].early.saturating_add(1);
                log.run(at, way, What::EarlyData(1, u64::from(seen.len)));
                return;
            }
            // The ServerHello went unseen (one direction captured): sealed records right after the hello are its flight.
            if client && self.handshake.ways[way].finished.is_none() {
                self.client_flight(way, seen, log);
                return;
            }
        }
        if self.is_tls13() && self.handshake.ways[way].finished.is_none() && self.handshake.client.is_some() {
            if client {
                self.client_flight(way, seen, log);
                return;
            }
            if self.handshake.ways[way.opposite()].finished.is_none()
                && (self.handshake.ways[way.opposite()].flight == 0 || self.client_leaving(way.opposite()))
            {
                self.server_flight(way, seen, log);
                return;
            }
            // The client's flight ended without a record of a Finished's size (certificate and Finished in one record): what the server
            // says now comes after it.
            let flight_end = self.ways[way.opposite()].last().map(|last| last.at);
            self.finish_handshake(way.opposite(), flight_end.unwrap_or(at));
        }
        self.data(way, seen, false, log);
    }

    /// The client's flight so far consists of a fatal alert by its place.
    fn client_leaving(&self, client: Way) -> bool {
        self.handshake.ways[client].fatal_by_place.is_some()
    }

    /// Application data after the handshake; `known` to be that, or taken for it.
    #[inline]
    pub(super) fn data(&mut self, way: Way, seen: &SealedRecord, known: bool, log: &mut Log) {
        let tls13 = self.is_tls13();
        let fits = if tls13 { self.is_alert_sized(way, seen.len) } else { seen.len == USUAL_ALERT && self.joined() };
        let tickets_possible = !known && tls13 && !self.is_client(way);
        let (own, peer) = self.ways.pair_mut(way);
        if fits && !known {
            own.short_records = own.short_records.saturating_add(1);
            log.add(seen.at, way, What::SealedAlert(seen.len));
        } else {
            own.say(&mut self.handshake.ways[way], peer, seen, tickets_possible);
            log.run(seen.at, way, What::Data(1, u64::from(seen.len)));
        }
    }

    /// A sealed record of the client between the ServerHello and its own Finished (TLS 1.3).
    fn client_flight(&mut self, way: Way, seen: &SealedRecord, log: &mut Log) {
        let Sizes { finished, empty, alert, both } = self.sizes();
        let state = &mut self.handshake.ways[way];
        state.flight = state.flight.saturating_add(1);
        let early = state.early > 0;
        let padding = |base: u16| [0, JSSE_PADDING].into_iter().find(|pad| base + pad == seen.len);
        let known = state.padding;
        let fits = |base: u16| padding(base).filter(|pad| known.is_none_or(|known| known == *pad));
        if let Some(pad) = fits(finished) {
            state.padding = Some(pad);
            self.finish_handshake(way, seen.at);
        } else if let Some(pad) = fits(empty) {
            state.padding = Some(pad);
            self.seldom_mut().client_certificate = Some((seen.at, false));
        } else if fits(both).is_some() {
            state.padding = Some(0);
            self.seldom_mut().client_certificate = Some((seen.at, false));
            self.finish_handshake(way, seen.at);
        } else if let Some(pad) = fits(alert) {
            state.padding.get_or_insert(pad);
            state.fatal_by_place = Some(Box::new(*seen));
            log.add(seen.at, way, What::SealedAlert(seen.len));
            return;
        } else if !early && seen.len > finished + 64 && self.seldom().client_certificate.is_none() {
            self.seldom_mut().client_certificate = Some((seen.at, true));
        }
        log.run(seen.at, way, What::SealedFlight(1, u64::from(seen.len)));
    }

    /// A sealed record of the server before the client's Finished (TLS 1.3).
    fn server_flight(&mut self, way: Way, seen: &SealedRecord, log: &mut Log) {
        let Sizes { finished, alert, .. } = self.sizes();
        let state = &mut self.handshake.ways[way];
        state.flight = state.flight.saturating_add(1);
        // The shortest flight message is EncryptedExtensions with none: anything as short as an alert is one.
        if seen.len == alert || (seen.len == alert + JSSE_PADDING && state.flight == 1) {
            state.fatal_by_place = Some(Box::new(*seen));
            log.add(seen.at, way, What::SealedAlert(seen.len));
            return;
        }
        state.fatal_by_place = None;
        if seen.len == finished {
            state.padding = Some(0);
        } else if seen.len == finished + JSSE_PADDING && state.padding.is_none() {
            state.padding = Some(JSSE_PADDING);
        } else if seen.len < alert + 4 + JSSE_PADDING {
            state.padding = Some(0);
        }
        // The client's direction was not captured: nothing but the length tells that the flight is over.
        if seen.len == finished && self.ways[way.opposite()].records == 0 {
            self.handshake.ways[way].finished = Some(seen.at);
        }
        // Certificates make the largest record of the flight.
        if self.handshake.certificate_at.is_none() || seen.len > 256 {
            self.handshake.certificate_at = Some(seen.at);
        }
        log.run(seen.at, way, What::SealedFlight(1, u64::from(seen.len)));
    }

    /// The client's Finished (TLS 1.3): the server's came before it.
    pub(super) fn finish_handshake(&mut self, client: Way, at: At) {
        let server_last = self.ways[client.opposite()].last().map(|last| last.at);
        self.handshake.ways[client].finished.get_or_insert(at);
        let server = &mut self.handshake.ways[client.opposite()];
        server.finished = server.finished.or(server_last);
        server.apps_at_peer_finished = self.ways[client.opposite()].app_records;
    }

    /// Lengths of the records that TLS 1.3 handshakes are read by.
    fn sizes(&self) -> Sizes {
        let len = |content: u16| self.handshake.protection.as_ref().map_or(content + 17, |protection| protection.record_len(content));
        let finished = 4 + self.handshake.protection.as_ref().map_or(32, |protection| u16::from(protection.finished));
        Sizes { finished: len(finished), empty: len(EMPTY_CERTIFICATE), both: len(finished + EMPTY_CERTIFICATE), alert: len(2) }
    }

    fn handshake(&mut self, way: Way, message: &Message<'_>, log: &mut Log) {
        let at = message.extent.end;
        match message.typ {
            HandshakeType::CLIENT_HELLO => {
                let hello = Box::write(Box::new_uninit(), ClientHello::parse(&message.bytes));
                self.client_hello(way, &message.extent, hello, log);
                return;
            }
            HandshakeType::SERVER_HELLO => {
                self.server_hello(way, at, Box::write(Box::new_uninit(), ServerHello::parse(&message.bytes)), log);
                return;
            }
            HandshakeType::CERTIFICATE if self.is_client(way) => {
                self.seldom_mut().client_certificate = Some((at, message.bytes.len() > 3));
            }
            HandshakeType::CERTIFICATE => {
                self.handshake.certificate_at = Some(at);
                self.handshake.certificates = Some(Box::new(Chain::parse(&message.bytes)));
            }
            HandshakeType::CERTIFICATE_REQUEST => self.seldom_mut().certificate_request = Some(at),
            HandshakeType::SERVER_HELLO_DONE => self.seldom_mut().server_hello_done = Some(at),
            HandshakeType::FINISHED => self.handshake.ways[way].finished = Some(at),
            _ => {}
        }
        log.add(at, way, What::Handshake(message.typ.0));
    }

    fn unread(&mut self, way: Way, extent: Extent, typ: HandshakeType, log: &mut Log) {
        if typ == HandshakeType::CERTIFICATE && !self.is_client(way) {
            self.handshake.certificate_at = Some(extent.end);
        }
        if typ == HandshakeType::CLIENT_HELLO {
            self.handshake.client.get_or_insert(way);
            self.handshake.client_hello_at.get_or_insert((extent.end, extent.start));
        }
        log.add(extent.end, way, What::Handshake(typ.0));
    }

    fn client_hello(&mut self, way: Way, extent: &Extent, hello: Box<ClientHello>, log: &mut Log) {
        log.add(extent.end, way, What::Handshake(HandshakeType::CLIENT_HELLO.0));
        if self.handshake.server_hello.is_some() {
            self.renegotiate(true);
            return;
        }
        // TLS roles are what the rest goes by, even where the TCP connection was opened from the other end.
        self.handshake.client = Some(way);
        self.handshake.client_hello_at = Some((extent.end, extent.start));
        self.handshake.client_hello_end = extent.end_offset;
        self.handshake.client_hello = Some(hello);
    }

    fn server_hello(&mut self, way: Way, at: At, hello: Box<ServerHello>, log: &mut Log) {
        self.handshake.client.get_or_insert(way.opposite());
        if hello.is_hello_retry_request() {
            self.seldom_mut().hello_retry = Some(at);
            // It settles the version: the ChangeCipherSpec that may follow seals nothing.
            self.handshake.version = Some(hello.version);
            log.add(at, way, What::HelloRetryRequest);
            return;
        }
        log.add(at, way, What::Handshake(HandshakeType::SERVER_HELLO.0));
        let version = hello.version;
        self.handshake.version = Some(version);
        self.handshake.protection = Protection::new(hello.suite, version, hello.encrypt_then_mac());
        self.handshake.resumed |= version.is_tls13() && hello.psk.is_some();
        self.handshake.server_hello_at = Some(at);
        self.handshake.server_hello = Some(hello);
    }
}

/// Record lengths without padding: a Finished, an empty client Certificate, an alert, and the first two in one record (rustls).
struct Sizes {
    finished: u16,
    empty: u16,
    both: u16,
    alert: u16,
}

/// A stream that began like TLS, or was expected to, and is not.
#[derive(Clone, Copy, Debug)]
pub struct NotTls {
    /// The frame with its first byte.
    pub at: At,
    /// The first bytes.
    pub header: [u8; 5],
    /// How many of them there are.
    pub have: u8,
    /// How many bytes at the end of the piece come after the first byte of the header that lies in it.
    pub rest: usize,
}
