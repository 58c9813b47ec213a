//! Opens sealed records with the secrets of a key log: TLS 1.3, and SSL 3.0 to TLS 1.2.

mod direction;
mod prf;
mod protect;
mod suite;

use zeroize::Zeroizing;

use self::direction::{Direction, Stage};
use self::prf::{prf, session_hash};
use self::protect::{Keys, RecordKey, iv_len};
use self::suite::Parts;
use super::{Alert, ClientHello, ContentType, Extent, HandshakeType, Message, RecordHead, Secret, SecretKind, Secrets, ServerHello};
use crate::base::{PerSide, Side};

/// What was in a sealed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inner<'a> {
    /// A handshake message. It may have begun in an earlier record.
    Handshake(Message<'a>),
    /// A handshake message that is too long to be kept.
    HandshakeUnread {
        /// Where it lies: from the record in which it begins to the one in which it ends.
        extent: Extent,
        /// Handshake type.
        typ: HandshakeType,
    },
    /// An alert.
    Alert(Alert),
    /// Application data.
    Data(&'a [u8]),
    /// Anything else: ChangeCipherSpec in a renegotiation, heartbeats.
    Other(ContentType),
}

/// Opens the sealed records of one session.
///
/// Every record of both directions must come by, in the order of its direction: those that are sealed through [`open`](Opener::open) or
/// [`skip`](Opener::skip), the others through [`pass`](Opener::pass). Sequence numbers are counted; after a hole they are searched for.
pub struct Opener {
    directions: PerSide<Direction>,
    /// The client random by which its secrets are found.
    random: [u8; 32],
    opened: PerSide<u64>,
    failed: PerSide<u64>,
    /// Longest handshake message that is kept.
    limit: u32,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("opened", &self.opened).field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// What the keys of a session up to TLS 1.2 are derived from.
#[derive(Clone, Copy, Debug)]
pub struct Handshake12<'a> {
    /// The client's hello.
    pub client: &'a ClientHello,
    /// The server's.
    pub server: &'a ServerHello,
    /// The body of the ClientKeyExchange, once there is one.
    pub key_exchange: Option<&'a [u8]>,
    /// All handshake messages up to and including it, with their headers: an extended master secret takes them in (RFC 7627). Empty where
    /// they are not known.
    pub messages: &'a [u8],
}

impl Opener {
    /// An opener for the session that begins with this ClientHello, if `secrets` has any of TLS 1.3 for it. `limit` is the longest
    /// handshake message that will be kept.
    pub fn tls13(client: &ClientHello, secrets: &Secrets, limit: u32) -> Option<Opener> {
        let kinds = [
            SecretKind::ClientEarly,
            SecretKind::ClientHandshake,
            SecretKind::ServerHandshake,
            SecretKind::ClientTraffic,
            SecretKind::ServerTraffic,
        ];
        kinds.into_iter().any(|kind| secrets.get(&client.random, kind).is_some()).then(|| {
            let stage = if client.offers_early_data() { Stage::Early } else { Stage::Handshake };
            let directions = PerSide { client: Direction::tls13(stage), server: Direction::tls13(Stage::Handshake) };
            let mut opener = Opener::new(directions, client.random, limit);
            opener.learn(secrets);
            opener
        })
    }

    /// An opener for a session up to TLS 1.2, if `secrets` has one that fits and its suite is known here.
    pub fn tls12(handshake: &Handshake12<'_>, secrets: &Secrets, limit: u32) -> Option<Opener> {
        let mut opener = Opener::new(PerSide { client: Direction::tls12(), server: Direction::tls12() }, handshake.client.random, limit);
        opener.rekey(handshake, secrets).then_some(opener)
    }

    fn new(directions: PerSide<Direction>, random: [u8; 32], limit: u32) -> Opener {
        Opener { directions, random, opened: PerSide::default(), failed: PerSide::default(), limit }
    }

    /// TLS 1.3: takes over what secrets there are by now.
    pub fn learn(&mut self, secrets: &Secrets) {
        let get = |kind| secrets.get(&self.random, kind);
        self.directions.client.learn(get(SecretKind::ClientEarly), get(SecretKind::ClientHandshake), get(SecretKind::ClientTraffic));
        self.directions.server.learn(None, get(SecretKind::ServerHandshake), get(SecretKind::ServerTraffic));
    }

    /// TLS 1.3: the server chose. False where its suite cannot be opened.
    pub fn negotiated(&mut self, server: &ServerHello) -> bool {
        let Some(parts) = Parts::of(server.suite, server.version) else { return false };
        self.directions.client.negotiated(parts);
        self.directions.server.negotiated(parts);
        true
    }

    /// Up to TLS 1.2: the keys from the next ChangeCipherSpec on; a renegotiation brings new ones. False where they are not to be had.
    pub fn rekey(&mut self, handshake: &Handshake12<'_>, secrets: &Secrets) -> bool {
        let keys = keys12(handshake, secrets);
        let found = keys.is_some();
        let (client, server) = keys.map_or((None, None), |keys| (keys.client, keys.server));
        self.directions.client.set_pending(client);
        self.directions.server.set_pending(server);
        found
    }

    /// Up to TLS 1.2: a ChangeCipherSpec of `side` in clear. (A sealed one is noticed when it is opened.)
    pub fn change_cipher_spec(&mut self, side: Side) {
        self.directions[side].change_cipher_spec();
    }

    /// A record of `side` that is not sealed.
    pub fn pass(&mut self, side: Side, extent: &Extent) {
        self.directions[side].pass(extent);
    }

    /// `records` sealed records of `side` whose `bytes` bytes are not to be had; its stream goes on at `offset`.
    pub fn skip(&mut self, side: Side, records: u64, bytes: usize, offset: u64) {
        self.failed[side] += records;
        self.directions[side].skip(records, bytes, offset);
    }

    /// Opens a sealed record of `side` and hands what is in it to `each`. False where no key at hand opens it.
    pub fn open(&mut self, side: Side, head: &RecordHead, body: &[u8], each: &mut dyn FnMut(Inner<'_>)) -> bool {
        let mut content = Vec::with_capacity(body.len());
        let typ = self.directions[side].open(head, body, &mut content);
        match typ {
            Some(typ) => {
                self.opened[side] += 1;
                self.directions[side].read(typ, &content, &head.extent, self.limit, each);
            }
            None => self.failed[side] += 1,
        }
        typ.is_some()
    }

    /// How many sealed records of each side were opened.
    pub fn opened(&self) -> PerSide<u64> {
        self.opened
    }

    /// How many were not.
    pub fn failed(&self) -> PerSide<u64> {
        self.failed
    }
}

/// The keys of both directions (RFC 5246 section 6.3).
fn keys12(handshake: &Handshake12<'_>, secrets: &Secrets) -> Option<PerSide<Option<RecordKey>>> {
    let version = handshake.server.version;
    let parts = Parts::of(handshake.server.suite, version).filter(|_| handshake.server.compression == 0)?;
    let master = master(handshake, parts, secrets)?;
    let (mac, key, iv) = (parts.mac.map_or(0, |hash| hash.len()), parts.bulk.key_len(), iv_len(parts, version));
    let mut block = Zeroizing::new(vec![0; 2 * (mac + key + iv)]);
    let seed: [&[u8]; 2] = [&handshake.server.random, &handshake.client.random];
    prf(version, parts.hash, master.bytes(), b"key expansion", &seed, &mut block)?;
    let mut rest: &[u8] = &block;
    let mut take = |len: usize| {
        let (taken, after) = rest.split_at_checked(len)?;
        rest = after;
        Some(taken)
    };
    let (client_mac, server_mac) = (take(mac)?, take(mac)?);
    let (client_key, server_key) = (take(key)?, take(key)?);
    let (client_iv, server_iv) = (take(iv)?, take(iv)?);
    let build = |keys: Keys<'_>| RecordKey::tls12(parts, version, handshake.server.encrypt_then_mac(), &keys);
    Some(PerSide {
        client: build(Keys { mac: client_mac, key: client_key, iv: client_iv }),
        server: build(Keys { mac: server_mac, key: server_key, iv: server_iv }),
    })
}

/// The master secret: as logged, or derived from the pre-master secret (RFC 5246 section 8.1, RFC 7627 section 4).
fn master(handshake: &Handshake12<'_>, parts: Parts, secrets: &Secrets) -> Option<Secret> {
    let (client, server) = (handshake.client, handshake.server);
    if let Some(master) =
        secrets.get(&client.random, SecretKind::Master).or_else(|| secrets.master_by_session_id(server.session_id.bytes()))
    {
        return Some(master);
    }
    if !secrets.has_pre_masters() {
        return None;
    }
    let exchange = handshake.key_exchange?;
    let pre_master = secrets.get(&client.random, SecretKind::PreMaster).or_else(|| {
        // The length before it is missing in SSL 3.0 (RFC 5246 section 7.4.7.1).
        let encrypted = if server.version == super::Version::SSL30 { exchange } else { exchange.get(2..)? };
        secrets.pre_master(encrypted.first_chunk()?)
    })?;
    let mut master = Zeroizing::new([0; 48]);
    if server.extended_master_secret() && client.offers_extended_master_secret() {
        let hash = (!handshake.messages.is_empty()).then(|| session_hash(server.version, parts.hash, handshake.messages))?;
        prf(server.version, parts.hash, pre_master.bytes(), b"extended master secret", &[&hash], &mut *master)?;
    } else {
        let seed: [&[u8]; 2] = [&client.random, &server.random];
        prf(server.version, parts.hash, pre_master.bytes(), b"master secret", &seed, &mut *master)?;
    }
    Some(Secret::new(&*master))
}

#[cfg(test)]
mod tests;
