//! What a cipher suite takes to be opened: which cipher, how long its keys, which hash.

use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsCipherSuite, TlsPRF};

use super::prf::Hash;
use crate::tls::{Suite, Version};

/// A cipher, with the length of its key in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bulk {
    Aes128Gcm,
    Aes256Gcm,
    Aria128Gcm,
    Aria256Gcm,
    Camellia128Gcm,
    Camellia256Gcm,
    ChaCha20Poly1305,
    Aes128Ccm,
    Aes256Ccm,
    Aes128Ccm8,
    Aes256Ccm8,
    Aes128Cbc,
    Aes256Cbc,
    Aria128Cbc,
    Aria256Cbc,
    Camellia128Cbc,
    Camellia256Cbc,
    TripleDesCbc,
    DesCbc,
    Rc4,
    Null,
}

impl Bulk {
    /// Length of its key in bytes.
    pub(super) fn key_len(self) -> usize {
        use Bulk::*;
        match self {
            Null => 0,
            DesCbc => 8,
            Rc4 | Aes128Gcm | Aria128Gcm | Camellia128Gcm | Aes128Ccm | Aes128Ccm8 | Aes128Cbc | Aria128Cbc | Camellia128Cbc => 16,
            TripleDesCbc => 24,
            Aes256Gcm | Aria256Gcm | Camellia256Gcm | ChaCha20Poly1305 | Aes256Ccm | Aes256Ccm8 | Aes256Cbc | Aria256Cbc
            | Camellia256Cbc => 32,
        }
    }

    /// Its block in CBC mode, in bytes.
    pub(super) fn block(self) -> Option<usize> {
        use Bulk::*;
        match self {
            DesCbc | TripleDesCbc => Some(8),
            Aes128Cbc | Aes256Cbc | Aria128Cbc | Aria256Cbc | Camellia128Cbc | Camellia256Cbc => Some(16),
            _ => None,
        }
    }

    /// It authenticates what it encrypts: there is no other MAC.
    pub(super) fn is_aead(self) -> bool {
        self.block().is_none() && !matches!(self, Bulk::Rc4 | Bulk::Null)
    }

    /// Length of its tag, where it has one.
    pub(super) fn tag(self) -> usize {
        if matches!(self, Bulk::Aes128Ccm8 | Bulk::Aes256Ccm8) { 8 } else { 16 }
    }
}

/// A suite, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) bulk: Bulk,
    /// The hash of its MAC; `None` with an AEAD.
    pub(super) mac: Option<Hash>,
    /// The hash of its key derivation (TLS 1.2 and 1.3).
    pub(super) hash: Hash,
}

impl Parts {
    /// `None` for suites that nothing here can open.
    pub(super) fn of(suite: Suite, version: Version) -> Option<Parts> {
        use TlsCipherEncMode as Mode;
        let suite = TlsCipherSuite::from_id(suite.0)?;
        let tls13 = matches!(suite.id.0, 0x1301..=0x1305);
        if tls13 != version.is_tls13() || suite.id.0 == 0 {
            return None;
        }
        let short_tag = suite.name.contains("_CCM_8");
        // The registry says 128 bits of ChaCha20's key.
        let bulk = match (suite.enc, suite.enc_mode, suite.enc_size) {
            (TlsCipherEnc::Aes, Mode::Gcm, 128) => Bulk::Aes128Gcm,
            (TlsCipherEnc::Aes, Mode::Gcm, 256) => Bulk::Aes256Gcm,
            (TlsCipherEnc::Aria, Mode::Gcm, 128) => Bulk::Aria128Gcm,
            (TlsCipherEnc::Aria, Mode::Gcm, 256) => Bulk::Aria256Gcm,
            (TlsCipherEnc::Camellia, Mode::Gcm, 128) => Bulk::Camellia128Gcm,
            (TlsCipherEnc::Camellia, Mode::Gcm, 256) => Bulk::Camellia256Gcm,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => Bulk::ChaCha20Poly1305,
            (TlsCipherEnc::Aes, Mode::Ccm, 128) if short_tag => Bulk::Aes128Ccm8,
            (TlsCipherEnc::Aes, Mode::Ccm, 256) if short_tag => Bulk::Aes256Ccm8,
            (TlsCipherEnc::Aes, Mode::Ccm, 128) => Bulk::Aes128Ccm,
            (TlsCipherEnc::Aes, Mode::Ccm, 256) => Bulk::Aes256Ccm,
            (TlsCipherEnc::Aes, Mode::Cbc, 128) => Bulk::Aes128Cbc,
            (TlsCipherEnc::Aes, Mode::Cbc, 256) => Bulk::Aes256Cbc,
            (TlsCipherEnc::Aria, Mode::Cbc, 128) => Bulk::Aria128Cbc,
            (TlsCipherEnc::Aria, Mode::Cbc, 256) => Bulk::Aria256Cbc,
            (TlsCipherEnc::Camellia, Mode::Cbc, 128) => Bulk::Camellia128Cbc,
            (TlsCipherEnc::Camellia, Mode::Cbc, 256) => Bulk::Camellia256Cbc,
            (TlsCipherEnc::TripleDes, Mode::Cbc, _) => Bulk::TripleDesCbc,
            (TlsCipherEnc::Des, Mode::Cbc, 56) => Bulk::DesCbc,
            (TlsCipherEnc::Rc4, _, 128) => Bulk::Rc4,
            (TlsCipherEnc::Null, ..) => Bulk::Null,
            _ => return None,
        };
        let mac = match suite.mac {
            TlsCipherMac::HmacMd5 => Some(Hash::Md5),
            TlsCipherMac::HmacSha1 => Some(Hash::Sha1),
            TlsCipherMac::HmacSha256 => Some(Hash::Sha256),
            TlsCipherMac::HmacSha384 => Some(Hash::Sha384),
            TlsCipherMac::Aead => None,
            _ => return None,
        };
        let hash = match suite.prf {
            TlsPRF::Sha384 => Hash::Sha384,
            TlsPRF::Default | TlsPRF::Sha256 => Hash::Sha256,
            _ => return None,
        };
        let possible = bulk.is_aead() == mac.is_none() && (mac.is_some() || version >= Version::TLS12);
        possible.then_some(Parts { bulk, mac, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_taken_apart() {
        let of = |id, version| Parts::of(Suite(id), version);
        let parts = |bulk, mac, hash| Some(Parts { bulk, mac, hash });
        assert_eq!(of(0x1302, Version::TLS13), parts(Bulk::Aes256Gcm, None, Hash::Sha384));
        assert_eq!(of(0x1303, Version::TLS13), parts(Bulk::ChaCha20Poly1305, None, Hash::Sha256));
        assert_eq!(of(0x1305, Version::TLS13), parts(Bulk::Aes128Ccm8, None, Hash::Sha256));
        assert_eq!(of(0xc028, Version::TLS12), parts(Bulk::Aes256Cbc, Some(Hash::Sha384), Hash::Sha384));
        assert_eq!(of(0xc0a1, Version::TLS12), parts(Bulk::Aes256Ccm8, None, Hash::Sha256));
        assert_eq!(of(0x0004, Version::SSL30), parts(Bulk::Rc4, Some(Hash::Md5), Hash::Sha256));
        assert_eq!(of(0x000a, Version::TLS10), parts(Bulk::TripleDesCbc, Some(Hash::Sha1), Hash::Sha256));
        assert_eq!(of(0x003b, Version::TLS12), parts(Bulk::Null, Some(Hash::Sha256), Hash::Sha256));
        assert_eq!(of(0xc07b, Version::TLS12), parts(Bulk::Camellia256Gcm, None, Hash::Sha384));
        // Another version's, an export suite, IDEA, no suite.
        for (id, version) in [
            (0x1301, Version::TLS12),
            (0xc02f, Version::TLS13),
            (0xc02f, Version::TLS11),
            (0x0003, Version::TLS10),
            (0x0007, Version::TLS12),
        ] {
            assert_eq!(of(id, version), None, "{id:04x}");
        }
        assert_eq!(of(0, Version::TLS12), None);
    }

    #[test]
    fn the_key_sizes_are_the_registrys() {
        for id in 0..=u16::MAX {
            for version in [Version::TLS12, Version::TLS13] {
                let (Some(parts), Some(suite)) = (Parts::of(Suite(id), version), TlsCipherSuite::from_id(id)) else { continue };
                let bits = match parts.bulk {
                    Bulk::TripleDesCbc => 168 + 24,
                    Bulk::DesCbc => 56 + 8,
                    Bulk::ChaCha20Poly1305 => 256,
                    _ => usize::from(suite.enc_size),
                };
                assert_eq!(parts.bulk.key_len() * 8, bits, "{}", suite.name);
                assert_eq!(parts.bulk.tag() == 8, suite.name.contains("CCM_8"), "{}", suite.name);
            }
        }
    }
}
