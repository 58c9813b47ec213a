//! The secrets of TLS sessions as key logs bring them: found by what can be seen of a session, wiped when dropped, never printed.

mod keylog;

use std::fmt;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use zeroize::Zeroize;

use crate::base::Limits;

pub use keylog::{KeyLog, KeyLogCounts};

/// What a secret is for (the labels of RFC 9850 and of NSS before it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The master secret of a session up to TLS 1.2 (`CLIENT_RANDOM`).
    Master,
    /// The pre-master secret of a session up to TLS 1.2 (`PMS_CLIENT_RANDOM`).
    PreMaster,
    /// What protects 0-RTT data (`CLIENT_EARLY_TRAFFIC_SECRET`).
    ClientEarly,
    /// What protects the client's handshake messages (`CLIENT_HANDSHAKE_TRAFFIC_SECRET`).
    ClientHandshake,
    /// What protects the server's handshake messages (`SERVER_HANDSHAKE_TRAFFIC_SECRET`).
    ServerHandshake,
    /// What protects the client's application data, before the first KeyUpdate (`CLIENT_TRAFFIC_SECRET_0`).
    ClientTraffic,
    /// What protects the server's application data, before the first KeyUpdate (`SERVER_TRAFFIC_SECRET_0`).
    ServerTraffic,
}

/// A secret: wiped when dropped, and not to be seen in any output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Holds a copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Secret {
        Secret(bytes.into())
    }

    /// The secret itself, for deriving keys from it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The secrets of one session, packed: kind, length, bytes, one after the other. Sessions come by the hundred thousand.
#[derive(Default)]
struct Packed(Box<[u8]>);

impl Packed {
    fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (&[kind, len], after) = rest.split_first_chunk::<2>()?;
            let (bytes, after) = after.split_at_checked(len.into())?;
            rest = after;
            Some((kind, bytes))
        })
    }

    fn get(&self, kind: u8) -> Option<&[u8]> {
        self.iter().find(|(of, _)| *of == kind).map(|(_, bytes)| bytes)
    }

    /// Adds a secret, or puts it in the place of another of its kind: the newest line of a log counts.
    fn put(&mut self, kind: u8, secret: &[u8]) {
        let Ok(len) = u8::try_from(secret.len()) else { return };
        let mut all = Vec::with_capacity(self.0.len() + 2 + secret.len());
        for (of, bytes) in self.iter().filter(|(of, _)| *of != kind) {
            all.push(of);
            all.push(bytes.len() as u8); // it was a u8 before
            all.extend_from_slice(bytes);
        }
        all.extend([kind, len]);
        all.extend_from_slice(secret);
        self.0.zeroize();
        self.0 = all.into_boxed_slice();
    }
}

impl Drop for Packed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How a session's secrets are found.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    /// By the random of its (first) ClientHello.
    ClientRandom([u8; 32]),
    /// By the beginning of the encrypted pre-master secret in its ClientKeyExchange.
    EncryptedPreMaster([u8; 8]),
    /// By the session ID in its ServerHello.
    SessionId(Box<[u8]>),
}

/// Secrets of many sessions.
///
/// There are two generations: once the younger is full the older one is given up, so that a key log without an end takes bounded
/// memory and its newest lines are there.
pub struct Secrets {
    young: HashMap<Name, Packed, RandomState>,
    old: HashMap<Name, Packed, RandomState>,
    /// Sessions held, at most.
    limit: usize,
    /// Sessions given up for the bound.
    given_up: u64,
    /// Some secrets are pre-master secrets: to use them takes the handshake's messages.
    pre_masters: bool,
    /// More may come: a key log is being written.
    growing: bool,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("sessions", &self.len()).field("growing", &self.growing).finish_non_exhaustive()
    }
}

impl Secrets {
    /// No secrets yet; `limits` says of how many sessions they will be held.
    pub fn new(limits: &Limits) -> Secrets {
        Secrets {
            young: HashMap::default(),
            old: HashMap::default(),
            limit: limits.secrets.max(2),
            given_up: 0,
            pre_masters: false,
            growing: false,
        }
    }

    /// Sessions of which there are secrets.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// Sessions whose secrets were given up, for the bound on what is held.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Says whether more secrets may come while the capture is read. While they may, short encrypted records are held for them.
    pub fn set_growing(&mut self, growing: bool) {
        self.growing = growing;
    }

    /// More secrets may come.
    pub fn may_grow(&self) -> bool {
        self.growing
    }

    /// Pre-master secrets are among them: a session up to TLS 1.2 must keep its handshake messages until its keys are known.
    pub fn has_pre_masters(&self) -> bool {
        self.pre_masters
    }

    /// A secret of the session with this client random.
    pub fn get(&self, client_random: &[u8; 32], kind: SecretKind) -> Option<Secret> {
        self.find(&Name::ClientRandom(*client_random))?.get(kind as u8).map(Secret::new)
    }

    /// Whether there is any secret of the session with this client random.
    pub fn has(&self, client_random: &[u8; 32]) -> bool {
        !self.is_empty() && self.find(&Name::ClientRandom(*client_random)).is_some()
    }

    /// The pre-master secret whose encrypted form, as the client sent it, begins with these bytes.
    pub fn pre_master(&self, encrypted: &[u8; 8]) -> Option<Secret> {
        self.find(&Name::EncryptedPreMaster(*encrypted))?.get(SecretKind::PreMaster as u8).map(Secret::new)
    }

    /// The master secret of the session with this session ID (up to TLS 1.2).
    pub fn master_by_session_id(&self, id: &[u8]) -> Option<Secret> {
        if id.is_empty() || self.is_empty() {
            return None;
        }
        self.find(&Name::SessionId(id.into()))?.get(SecretKind::Master as u8).map(Secret::new)
    }

    fn find(&self, name: &Name) -> Option<&Packed> {
        self.young.get(name).or_else(|| self.old.get(name))
    }

    fn put(&mut self, name: Name, kind: SecretKind, secret: &[u8]) {
        self.pre_masters |= kind == SecretKind::PreMaster;
        if !self.young.contains_key(&name) {
            if self.young.len() >= self.limit / 2 {
                self.given_up += self.old.len() as u64;
                self.old = std::mem::take(&mut self.young);
            }
            let known = self.old.remove(&name).unwrap_or_default();
            self.young.insert(name.clone(), known);
        }
        if let Some(packed) = self.young.get_mut(&name) {
            packed.put(kind as u8, secret);
        }
    }
}

#[cfg(test)]
mod tests;
