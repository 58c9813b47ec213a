//! One direction's record protection under one key: what was sealed is opened, if its sequence number can be found.

use std::ops::RangeInclusive;

use aes::{Aes128, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::{U8, U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use aria::{Aria128, Aria256};
use camellia::{Camellia128, Camellia256};
use cbc::cipher::{BlockModeDecrypt, BlockSizeUser, KeyIvInit};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;
use des::{Des, TdesEde3};
use rc4::{Rc4, StreamCipher};
use zeroize::Zeroizing;

use super::prf::{Authenticate, expand_label, hmac, ssl3_mac};
use super::suite::{Bulk, Parts};
use crate::tls::{ContentType, Version};

/// The parts of a record's header that its protection covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) typ: ContentType,
    pub(super) version: Version,
}

/// Opens data in place: nonce, associated data, ciphertext, tag.
type Open = Box<dyn Fn(&[u8; 12], &[u8], &mut [u8], &[u8]) -> bool + Send + Sync>;
/// Decrypts whole blocks in place, each record going on from the end of the one before.
type Decrypt = Box<dyn FnMut(&mut [u8]) + Send + Sync>;

/// A direction's key, and whatever of its state goes on from record to record.
pub(super) struct RecordKey {
    version: Version,
    cipher: Cipher,
}

enum Cipher {
    Aead { open: Open, nonce: Nonces, iv: Zeroizing<[u8; 12]>, tag: usize },
    Cbc { decrypt: Decrypt, block: usize, explicit: bool, encrypt_then_mac: bool, mac: Authenticate, mac_len: usize },
    Stream { keystream: Option<Decrypt>, mac: Authenticate, mac_len: usize },
}

/// Where nonces come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nonces {
    /// The sequence number, by exclusive or with the IV (RFC 8446 section 5.3, RFC 7905 section 2).
    Sequence,
    /// Four bytes of the IV, and eight at the beginning of the record (RFC 5288 section 3).
    Explicit,
}

/// What a direction up to TLS 1.2 gets of the key block.
pub(super) struct Keys<'a> {
    pub(super) mac: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) iv: &'a [u8],
}

/// Bytes of IV that the key block has for a direction (RFC 5246 section 6.3, RFC 2246 section 6.3).
pub(super) fn iv_len(parts: Parts, version: Version) -> usize {
    match parts.bulk {
        Bulk::ChaCha20Poly1305 => 12,
        bulk if bulk.is_aead() => 4,
        bulk if version <= Version::TLS10 => bulk.block().unwrap_or(0),
        _ => 0,
    }
}

impl RecordKey {
    /// The key that a traffic secret of TLS 1.3 gives (RFC 8446 section 7.3).
    pub(super) fn tls13(parts: Parts, secret: &[u8]) -> Option<RecordKey> {
        let mut key = Zeroizing::new(vec![0; parts.bulk.key_len()]);
        let mut iv = Zeroizing::new([0; 12]);
        expand_label(parts.hash, secret, "key", &mut key)?;
        expand_label(parts.hash, secret, "iv", &mut *iv)?;
        let cipher = Cipher::Aead { open: aead(parts.bulk, &key)?, nonce: Nonces::Sequence, iv, tag: parts.bulk.tag() };
        Some(RecordKey { version: Version::TLS13, cipher })
    }

    /// The key of a direction up to TLS 1.2.
    pub(super) fn tls12(parts: Parts, version: Version, encrypt_then_mac: bool, keys: &Keys<'_>) -> Option<RecordKey> {
        let Some(hash) = parts.mac else {
            let mut iv = Zeroizing::new([0; 12]);
            iv.get_mut(..keys.iv.len())?.copy_from_slice(keys.iv);
            let nonce = if parts.bulk == Bulk::ChaCha20Poly1305 { Nonces::Sequence } else { Nonces::Explicit };
            let cipher = Cipher::Aead { open: aead(parts.bulk, keys.key)?, nonce, iv, tag: parts.bulk.tag() };
            return Some(RecordKey { version, cipher });
        };
        let mac = if version == Version::SSL30 { ssl3_mac(hash, keys.mac) } else { hmac(hash, keys.mac)? };
        let mac_len = hash.len();
        let cipher = match parts.bulk.block() {
            Some(block) => Cipher::Cbc {
                decrypt: cbc(parts.bulk, keys.key, keys.iv)?,
                block,
                explicit: version >= Version::TLS11,
                encrypt_then_mac: encrypt_then_mac && version >= Version::TLS10,
                mac,
                mac_len,
            },
            None => Cipher::Stream { keystream: keystream(parts.bulk, keys.key)?, mac, mac_len },
        };
        Some(RecordKey { version, cipher })
    }

    /// Opens a record as the one with the first number of `numbers` that fits, and says which; its content is then in `out`.
    pub(super) fn open(&mut self, header: Header, body: &[u8], numbers: RangeInclusive<u64>, out: &mut Vec<u8>) -> Option<u64> {
        out.clear();
        let version = self.version;
        match &mut self.cipher {
            Cipher::Aead { open, nonce, iv, tag } => {
                let explicit = if *nonce == Nonces::Explicit { 8 } else { 0 };
                let (prefix, rest) = body.split_at_checked(explicit)?;
                let (data, tag) = rest.split_at_checked(rest.len().checked_sub(*tag)?)?;
                numbers.into_iter().find(|number| {
                    out.clear();
                    out.extend_from_slice(data);
                    let nonce = nonce_of(iv, prefix, *number);
                    if version.is_tls13() {
                        let [major, minor] = header.version.0.to_be_bytes();
                        let [high, low] = (body.len() as u16).to_be_bytes(); // a record's body is shorter than that
                        let aad = [header.typ.0, major, minor, high, low];
                        open(&nonce, &aad, out, tag)
                    } else {
                        open(&nonce, PseudoHeader::new(version, header, *number, data.len()).bytes(), out, tag)
                    }
                })
            }
            Cipher::Cbc { decrypt, block, explicit, encrypt_then_mac, mac, mac_len } => {
                let kept = if *encrypt_then_mac { body.len().checked_sub(*mac_len)? } else { body.len() };
                let (sealed, behind) = body.split_at_checked(kept)?;
                if sealed.is_empty() || sealed.len() % *block != 0 {
                    return None;
                }
                let (iv, data) = sealed.split_at_checked(if *explicit { *block } else { 0 })?;
                out.extend_from_slice(iv);
                decrypt(out);
                out.clear();
                out.extend_from_slice(data);
                decrypt(out);
                let pad = unpad(out, *block, version)?;
                let len = out.len().checked_sub(pad)?;
                if *encrypt_then_mac {
                    out.truncate(len);
                    return numbers.into_iter().find(|number| {
                        let head = PseudoHeader::new(version, header, *number, sealed.len());
                        mac(&[head.bytes(), sealed]).as_slice() == behind
                    });
                }
                authenticated(mac, *mac_len, version, header, len, numbers, out)
            }
            Cipher::Stream { keystream, mac, mac_len } => {
                out.extend_from_slice(body);
                if let Some(keystream) = keystream {
                    keystream(out);
                }
                authenticated(mac, *mac_len, version, header, out.len(), numbers, out)
            }
        }
    }

    /// A record of `len` bytes went by whose content is not to be had. (In CBC mode with implicit IVs it takes the next one with it.)
    pub(super) fn skip(&mut self, len: usize) {
        if let Cipher::Stream { keystream: Some(keystream), .. } = &mut self.cipher {
            keystream(&mut vec![0; len]);
        }
    }

    /// Whether it can go on where it is not known how much was missed.
    pub(super) fn resumes(&self) -> bool {
        !matches!(self.cipher, Cipher::Stream { keystream: Some(_), .. })
    }
}

/// Finds the number with which the MAC at the end of the first `len` bytes of `out` fits, and leaves the content before it.
fn authenticated(
    mac: &Authenticate,
    mac_len: usize,
    version: Version,
    header: Header,
    len: usize,
    numbers: RangeInclusive<u64>,
    out: &mut Vec<u8>,
) -> Option<u64> {
    out.truncate(len);
    let content = len.checked_sub(mac_len)?;
    let (data, expected) = out.split_at_checked(content)?;
    let number = numbers.into_iter().find(|number| {
        let head = PseudoHeader::new(version, header, *number, content);
        mac(&[head.bytes(), data]).as_slice() == expected
    })?;
    out.truncate(content);
    Some(number)
}

fn nonce_of(iv: &[u8; 12], explicit: &[u8], number: u64) -> [u8; 12] {
    let mut nonce = *iv;
    let (_, last) = nonce.split_at_mut(4);
    if explicit.is_empty() {
        last.iter_mut().zip(number.to_be_bytes()).for_each(|(byte, of)| *byte ^= of);
    } else {
        last.iter_mut().zip(explicit).for_each(|(byte, of)| *byte = *of);
    }
    nonce
}

/// What is authenticated beside the content up to TLS 1.2: sequence number, type, version (not in SSL 3.0), length.
struct PseudoHeader {
    bytes: [u8; 13],
    len: usize,
}

impl PseudoHeader {
    fn new(version: Version, header: Header, number: u64, len: usize) -> PseudoHeader {
        let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
        let [major, minor] = header.version.0.to_be_bytes();
        let [high, low] = (len as u16).to_be_bytes(); // records are shorter than that
        let typ = header.typ.0;
        match version {
            Version::SSL30 => PseudoHeader { bytes: [a, b, c, d, e, f, g, h, typ, high, low, 0, 0], len: 11 },
            _ => PseudoHeader { bytes: [a, b, c, d, e, f, g, h, typ, major, minor, high, low], len: 13 },
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// How many bytes of padding are at the end of `data`, the byte that says so included.
fn unpad(data: &[u8], block: usize, version: Version) -> Option<usize> {
    let pad = usize::from(*data.last()?);
    let padding = data.get(data.len().checked_sub(pad + 1)?..)?;
    // SSL 3.0 lets them be anything, and no more than needed (RFC 6101 section 5.2.3.2).
    let valid = if version == Version::SSL30 { pad < block } else { padding.iter().all(|byte| usize::from(*byte) == pad) };
    valid.then_some(pad + 1)
}

fn aead(bulk: Bulk, key: &[u8]) -> Option<Open> {
    fn open<A: AeadInOut + KeyInit + Send + Sync + 'static>(key: &[u8]) -> Option<Open> {
        let cipher = A::new_from_slice(key).ok()?;
        Some(Box::new(move |nonce, aad, data, tag| {
            let (Ok(nonce), Ok(tag)) = (Nonce::<A>::try_from(nonce.as_slice()), Tag::<A>::try_from(tag)) else { return false };
            cipher.decrypt_inout_detached(&nonce, aad, InOutBuf::from(data), &tag).is_ok()
        }))
    }
    match bulk {
        Bulk::Aes128Gcm => open::<AesGcm<Aes128, U12>>(key),
        Bulk::Aes256Gcm => open::<AesGcm<Aes256, U12>>(key),
        Bulk::Aria128Gcm => open::<AesGcm<Aria128, U12>>(key),
        Bulk::Aria256Gcm => open::<AesGcm<Aria256, U12>>(key),
        Bulk::Camellia128Gcm => open::<AesGcm<Camellia128, U12>>(key),
        Bulk::Camellia256Gcm => open::<AesGcm<Camellia256, U12>>(key),
        Bulk::ChaCha20Poly1305 => open::<ChaCha20Poly1305>(key),
        Bulk::Aes128Ccm => open::<Ccm<Aes128, U16, U12>>(key),
        Bulk::Aes256Ccm => open::<Ccm<Aes256, U16, U12>>(key),
        Bulk::Aes128Ccm8 => open::<Ccm<Aes128, U8, U12>>(key),
        Bulk::Aes256Ccm8 => open::<Ccm<Aes256, U8, U12>>(key),
        _ => None,
    }
}

/// A decryptor in CBC mode. Where the IV travels in the record it is decrypted as if it were a block, and what comes of that thrown away:
/// so the records need not be chained.
fn cbc(bulk: Bulk, key: &[u8], iv: &[u8]) -> Option<Decrypt> {
    fn decrypt<C>(key: &[u8], iv: &[u8]) -> Option<Decrypt>
    where
        C: cbc::cipher::BlockCipherDecrypt + KeyInit + Send + Sync + 'static,
        cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt + BlockSizeUser<BlockSize = C::BlockSize>,
    {
        let nothing = Array::<u8, C::BlockSize>::default();
        let iv = if iv.is_empty() { nothing.as_slice() } else { iv };
        let mut decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
        Some(Box::new(move |data| decryptor.decrypt_blocks(Array::slice_as_chunks_mut(data).0)))
    }
    match bulk {
        Bulk::Aes128Cbc => decrypt::<Aes128>(key, iv),
        Bulk::Aes256Cbc => decrypt::<Aes256>(key, iv),
        Bulk::Aria128Cbc => decrypt::<Aria128>(key, iv),
        Bulk::Aria256Cbc => decrypt::<Aria256>(key, iv),
        Bulk::Camellia128Cbc => decrypt::<Camellia128>(key, iv),
        Bulk::Camellia256Cbc => decrypt::<Camellia256>(key, iv),
        Bulk::TripleDesCbc => decrypt::<TdesEde3>(key, iv),
        Bulk::DesCbc => decrypt::<Des>(key, iv),
        _ => None,
    }
}

/// A stream cipher's keystream; `Some(None)` for no cipher at all.
#[expect(clippy::option_option, reason = "no cipher, or one that is not known here")]
fn keystream(bulk: Bulk, key: &[u8]) -> Option<Option<Decrypt>> {
    match bulk {
        Bulk::Null => Some(None),
        Bulk::Rc4 => {
            let mut cipher = Rc4::new_from_slice(key).ok()?;
            Some(Some(Box::new(move |data| cipher.apply_keystream(data))))
        }
        _ => None,
    }
}
