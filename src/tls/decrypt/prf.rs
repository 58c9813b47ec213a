//! From secrets to keys: HKDF of TLS 1.3, the pseudo-random functions of TLS 1.0 to 1.2, and what SSL 3.0 had instead.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha384};
use zeroize::{Zeroize, Zeroizing};

use crate::tls::Version;

/// A hash function that TLS uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    /// Length of its output in bytes.
    pub(super) fn len(self) -> usize {
        match self {
            Hash::Md5 => 16,
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
        }
    }

    /// The hash of all `parts` together.
    fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hash = D::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finalize().to_vec()
        }
        match self {
            Hash::Md5 => of::<Md5>(parts),
            Hash::Sha1 => of::<Sha1>(parts),
            Hash::Sha256 => of::<Sha256>(parts),
            Hash::Sha384 => of::<Sha384>(parts),
        }
    }
}

/// A message authentication code with its key: computed over the parts of a message.
pub(super) type Authenticate = Box<dyn Fn(&[&[u8]]) -> Zeroizing<Vec<u8>> + Send + Sync>;

/// HMAC (RFC 2104) under `key`.
pub(super) fn hmac(hash: Hash, key: &[u8]) -> Option<Authenticate> {
    fn keyed<M: Mac + KeyInit + Clone + Send + Sync + 'static>(key: &[u8]) -> Option<Authenticate> {
        let keyed = <M as KeyInit>::new_from_slice(key).ok()?;
        Some(Box::new(move |parts| {
            let mut mac = keyed.clone();
            parts.iter().for_each(|part| mac.update(part));
            Zeroizing::new(mac.finalize().into_bytes().to_vec())
        }))
    }
    match hash {
        Hash::Md5 => keyed::<Hmac<Md5>>(key),
        Hash::Sha1 => keyed::<Hmac<Sha1>>(key),
        Hash::Sha256 => keyed::<Hmac<Sha256>>(key),
        Hash::Sha384 => keyed::<Hmac<Sha384>>(key),
    }
}

/// The MAC of SSL 3.0 (RFC 6101 section 5.2.3.1).
pub(super) fn ssl3_mac(hash: Hash, key: &[u8]) -> Authenticate {
    let key = Zeroizing::new(key.to_vec());
    let pad = if hash == Hash::Md5 { 48 } else { 40 };
    Box::new(move |parts| {
        let (pad1, pad2) = ([0x36_u8; 48], [0x5c_u8; 48]);
        let mut inner: Vec<&[u8]> = vec![&key, pad1.get(..pad).unwrap_or_default()];
        inner.extend(parts);
        let inner = hash.digest(&inner);
        Zeroizing::new(hash.digest(&[&key, pad2.get(..pad).unwrap_or_default(), &inner]))
    })
}

/// HKDF-Expand-Label with an empty context (RFC 8446 section 7.1), as many bytes as `out` has room for.
pub(super) fn expand_label(hash: Hash, secret: &[u8], label: &str, out: &mut [u8]) -> Option<()> {
    let mut info = Vec::with_capacity(32);
    info.extend(u16::try_from(out.len()).ok()?.to_be_bytes());
    info.push(u8::try_from(6 + label.len()).ok()?);
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, out).ok(),
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, out).ok(),
        Hash::Md5 | Hash::Sha1 => None,
    }
}

/// P_hash (RFC 5246 section 5), combined by exclusive or with what is in `out`.
fn p_hash(hash: Hash, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Option<()> {
    let mac = hmac(hash, secret)?;
    let mut a = mac(seed);
    for chunk in out.chunks_mut(hash.len()) {
        let mut input: Vec<&[u8]> = vec![&a];
        input.extend(seed);
        let block = mac(&input);
        chunk.iter_mut().zip(block.iter()).for_each(|(out, byte)| *out ^= byte);
        a = mac(&[&a]);
    }
    Some(())
}

/// The pseudo-random function of `version` up to TLS 1.2; `hash` is the one its suite names there. For SSL 3.0, which has no labels, its
/// way to derive keys.
pub(super) fn prf(version: Version, hash: Hash, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) -> Option<()> {
    if version == Version::SSL30 {
        ssl3(secret, seed, out);
        return Some(());
    }
    out.zeroize();
    let mut labelled = vec![label];
    labelled.extend(seed);
    if version >= Version::TLS12 {
        return p_hash(hash, secret, &labelled, out);
    }
    // RFC 2246 section 5: the halves of the secret share the middle byte if its length is odd.
    let half = secret.len().div_ceil(2);
    p_hash(Hash::Md5, secret.get(..half)?, &labelled, out)?;
    p_hash(Hash::Sha1, secret.get(secret.len() - half..)?, &labelled, out)
}

/// RFC 6101 section 6.2.2: MD5 over SHA-1 over growing runs of letters.
fn ssl3(secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    for (count, chunk) in out.chunks_mut(16).enumerate() {
        let letters = vec![b'A'.wrapping_add(count as u8); count + 1];
        let mut input: Vec<&[u8]> = vec![&letters, secret];
        input.extend(seed);
        let inner = Zeroizing::new(Hash::Sha1.digest(&input));
        let block = Zeroizing::new(Hash::Md5.digest(&[secret, &inner]));
        chunk.iter_mut().zip(block.iter()).for_each(|(out, byte)| *out = *byte);
    }
}

/// What handshake messages hash to, for the extended master secret (RFC 7627 section 3).
pub(super) fn session_hash(version: Version, hash: Hash, messages: &[u8]) -> Vec<u8> {
    if version >= Version::TLS12 {
        return hash.digest(&[messages]);
    }
    let mut both = Hash::Md5.digest(&[messages]);
    both.extend(Hash::Sha1.digest(&[messages]));
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testdata::hex;

    #[test]
    fn tls_1_2_as_published() {
        // The vectors for P_SHA256 and P_SHA384 that were posted to the TLS working group's list and are used by all implementations.
        let mut out = [0; 100];
        prf(
            Version::TLS12,
            Hash::Sha256,
            &hex("9bbe436ba940f017b17652849a71db35"),
            b"test label",
            &[&hex("a0ba9f936cda311827a6f796ffd5198c")],
            &mut out,
        );
        assert_eq!(
            out.to_vec(),
            hex(
                "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
            )
        );
        let mut out = [0; 148];
        prf(
            Version::TLS12,
            Hash::Sha384,
            &hex("b80b733d6ceefcdc71566ea48e5567df"),
            b"test label",
            &[&hex("cd665cf6a8447dd6ff8b27555edb7465")],
            &mut out,
        );
        assert_eq!(out.to_vec()[..32], hex("7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd")[..]);
    }

    #[test]
    fn tls_1_3_expands_labels_as_rfc_8448() {
        // RFC 8448 section 3: server handshake traffic keys.
        let secret = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand_label(Hash::Sha256, &secret, "key", &mut key);
        expand_label(Hash::Sha256, &secret, "iv", &mut iv);
        assert_eq!(key.to_vec(), hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(iv.to_vec(), hex("5d313eb2671276ee13000b30"));
    }
}
