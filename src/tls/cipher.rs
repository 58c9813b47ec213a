//! Cipher suites: their names, and how long a protected record becomes under them.

use std::fmt;

use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsCipherSuite, TlsPRF};

use super::Version;

/// A cipher suite by its number in IANA's TLS Cipher Suites registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite(pub u16);

impl Suite {
    /// No suite: the client can do secure renegotiation (RFC 5746).
    pub const EMPTY_RENEGOTIATION_INFO_SCSV: Suite = Suite(0x00ff);
    /// No suite: the client fell back to a lower version (RFC 7507).
    pub const FALLBACK_SCSV: Suite = Suite(0x5600);

    /// The registry's name, such as `TLS_AES_128_GCM_SHA256`.
    pub fn name(self) -> Option<&'static str> {
        match TlsCipherSuite::from_id(self.0) {
            Some(suite) => Some(suite.name),
            None => gost(self.0).map(|(name, ..)| name),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "suite 0x{:04x}", self.0),
        }
    }
}

/// How a suite protects records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtectionKind {
    /// TLS 1.3: content, one byte of inner type, a tag; padding as the sender likes (RFC 8446 section 5.2).
    Tls13,
    /// Up to TLS 1.2: an explicit nonce where the cipher has one, content, a tag.
    Aead,
    /// A stream cipher or none at all: content and a MAC.
    Stream,
    /// A block cipher in CBC mode: IV, and content with MAC and padding.
    Cbc,
    /// The same with encrypt-then-MAC (RFC 7366): the MAC is behind the padded content.
    CbcEncryptThenMac,
}

/// The lengths a suite gives to records, once the version (and encrypt-then-MAC) is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protection {
    /// How the suite protects records.
    pub kind: ProtectionKind,
    /// The length field of a record that carries one alert and no padding beyond what must be.
    pub alert_len: u16,
    /// The block size in bytes, where padding may add any number of whole blocks to a record (CBC).
    pub block: Option<u8>,
    /// Length of tag or MAC, in bytes.
    pub tag: u8,
    /// Bytes of explicit IV or nonce at the beginning of each record.
    pub explicit: u8,
    /// Length of the verify_data in a Finished, in bytes: in TLS 1.3 that of the suite's hash.
    pub finished: u8,
}

impl Protection {
    /// The protection of records under `suite` in `version`. `None` where the suite is unknown, or the version cannot have it.
    ///
    /// `encrypt_then_mac`: the ServerHello had that extension; it is ignored where the suite has no use for it.
    pub fn new(suite: Suite, version: Version, encrypt_then_mac: bool) -> Option<Protection> {
        if let Some((_, tls13, tag)) = gost(suite.0) {
            let kind = if tls13 { ProtectionKind::Tls13 } else { ProtectionKind::Stream };
            return (tls13 == version.is_tls13()).then(|| Protection::build(kind, version, tag, 0, None, 32));
        }
        let suite = TlsCipherSuite::from_id(suite.0)?;
        let tls13 = matches!(suite.id.0, 0x1301..=0x1305 | 0x00c6 | 0x00c7 | 0xc0b4 | 0xc0b5);
        if tls13 != version.is_tls13() || suite.id.0 == 0 || (tls13 && suite.enc == TlsCipherEnc::Aegis) {
            return None;
        }
        let mac = u8::try_from(suite.mac_length()).ok()?;
        // The registry's own sizes are no tag lengths: CCM_8 is listed as 128, AES_256_GCM as 256.
        let tag = if suite.enc_mode == TlsCipherEncMode::Ccm && suite.name.contains("_CCM_8") { 8 } else { 16 };
        let hash = match suite.prf {
            TlsPRF::Sha384 => 48,
            _ => 32,
        };
        let tls12 = version >= Version::TLS12;
        let build = |kind, tag, explicit, block| Some(Protection::build(kind, version, tag, explicit, block, hash));
        match (suite.enc, suite.enc_mode, suite.mac) {
            // Integrity only (RFC 9150): a MAC where the tag would be.
            (TlsCipherEnc::Null, _, _) if tls13 => build(ProtectionKind::Tls13, mac, 0, None),
            (_, _, TlsCipherMac::Aead) if tls13 => build(ProtectionKind::Tls13, tag, 0, None),
            // RFC 7905: the nonce is implicit.
            (TlsCipherEnc::Chacha20_Poly1305, _, _) if tls12 => build(ProtectionKind::Aead, tag, 0, None),
            // RFC 5288, RFC 6655: 8 bytes of nonce in the record.
            (_, TlsCipherEncMode::Gcm | TlsCipherEncMode::Ccm, _) if tls12 => build(ProtectionKind::Aead, tag, 8, None),
            (_, TlsCipherEncMode::Cbc, _) if mac > 0 => {
                let block = u8::try_from(suite.enc_block_size()).ok().filter(|block| *block > 0)?;
                // The IV travels from TLS 1.1 on; before, it is the end of the record before.
                let iv = if version >= Version::TLS11 { block } else { 0 };
                let kind = match encrypt_then_mac && version >= Version::TLS10 {
                    true => ProtectionKind::CbcEncryptThenMac,
                    false => ProtectionKind::Cbc,
                };
                build(kind, mac, iv, Some(block))
            }
            (TlsCipherEnc::Rc4 | TlsCipherEnc::Null, _, _) if mac > 0 => build(ProtectionKind::Stream, mac, 0, None),
            _ => None,
        }
    }

    fn build(kind: ProtectionKind, version: Version, tag: u8, explicit: u8, block: Option<u8>, hash: u8) -> Protection {
        let finished = match version {
            v if v.is_tls13() => hash,
            Version::SSL30 => 36, // MD5 and SHA-1 (RFC 6101 section 5.6.9)
            _ => 12,
        };
        let mut protection = Protection { kind, alert_len: 0, block, tag, explicit, finished };
        protection.alert_len = protection.record_len(2);
        protection
    }

    /// The length field of a record with `content` bytes of plaintext and no padding beyond what must be.
    ///
    /// A TLS 1.3 Finished alone has content 4 + [`finished`](Protection::finished), an empty client Certificate 8, a KeyUpdate 5.
    pub fn record_len(&self, content: u16) -> u16 {
        let (explicit, tag) = (u16::from(self.explicit), u16::from(self.tag));
        // CBC always pads, by at least the byte that says how much.
        let pad = |len: u16| self.block.map_or(len, |block| (len / u16::from(block) + 1).saturating_mul(block.into()));
        match self.kind {
            ProtectionKind::Tls13 => content.saturating_add(1 + tag),
            ProtectionKind::Aead | ProtectionKind::Stream => content.saturating_add(explicit + tag),
            ProtectionKind::Cbc => pad(content.saturating_add(tag)).saturating_add(explicit),
            ProtectionKind::CbcEncryptThenMac => pad(content).saturating_add(explicit + tag),
        }
    }

    /// Whether a record of this length may carry one alert. In CBC mode up to 255 bytes of padding are legal.
    ///
    /// TLS 1.3 allows any padding too, but no stack makes it vary: measure it on a record of known content and add it to `alert_len`.
    pub fn fits_alert(&self, len: u16) -> bool {
        match (len.checked_sub(self.alert_len), self.block) {
            (Some(0), _) => true,
            (Some(more), Some(block)) => more % u16::from(block) == 0 && more < 256 - u16::from(block),
            _ => false,
        }
    }
}

/// The GOST suites, which tls-parser's registry lacks: name, whether of TLS 1.3, tag or MAC length (RFC 9189, RFC 9367).
fn gost(suite: u16) -> Option<(&'static str, bool, u8)> {
    Some(match suite {
        0x0081 => ("TLS_GOSTR341001_WITH_28147_CNT_IMIT", false, 4),
        0xc100 => ("TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC", false, 16),
        0xc101 => ("TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC", false, 8),
        0xc102 | 0xff85 => ("TLS_GOSTR341112_256_WITH_28147_CNT_IMIT", false, 4),
        0xc103 => ("TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L", true, 16),
        0xc104 => ("TLS_GOSTR341112_256_WITH_MAGMA_MGM_L", true, 8),
        0xc105 => ("TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S", true, 16),
        0xc106 => ("TLS_GOSTR341112_256_WITH_MAGMA_MGM_S", true, 8),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert_len(suite: u16, version: Version, encrypt_then_mac: bool) -> Option<u16> {
        Protection::new(Suite(suite), version, encrypt_then_mac).map(|p| p.alert_len)
    }

    #[test]
    fn an_alert_has_the_length_that_real_stacks_give_it() {
        use Version as V;
        // Suite, version, encrypt-then-MAC, length: measured on OpenSSL, Java, Go, GnuTLS and rustls unless marked.
        for (suite, version, etm, len) in [
            (0x1301, V::TLS13, false, 19),
            (0x1302, V::TLS13, false, 19),
            (0x1303, V::TLS13, false, 19),
            (0x1304, V::TLS13, false, 19),
            (0x1305, V::TLS13, false, 11),
            (0xc0b4, V::TLS13, false, 35), // computed
            (0xc0b5, V::TLS13, false, 51), // computed
            (0x009c, V::TLS12, false, 26), // RSA_WITH_AES_128_GCM
            (0xc030, V::TLS12, true, 26),  // encrypt-then-MAC is ignored
            (0xc050, V::TLS12, false, 26), // ARIA GCM
            (0xc07a, V::TLS12, false, 26), // CAMELLIA GCM
            (0xc09c, V::TLS12, false, 26), // AES_128_CCM
            (0xc0a0, V::TLS12, false, 18), // AES_128_CCM_8
            (0xcca8, V::TLS12, false, 18),
            (0xccac, V::TLS12, false, 18),
            (0x002f, V::TLS12, false, 48),
            (0x002f, V::TLS11, false, 48),
            (0x0041, V::TLS12, false, 48), // CAMELLIA
            (0x0096, V::TLS12, false, 48), // SEED
            (0x002f, V::TLS12, true, 52),
            (0x003c, V::TLS12, false, 64),
            (0x003c, V::TLS12, true, 64),
            (0xc028, V::TLS12, false, 80),
            (0xc028, V::TLS12, true, 80),
            (0x000a, V::TLS12, false, 32),
            (0x000a, V::TLS11, true, 36),  // computed
            (0x0007, V::TLS12, false, 32), // IDEA
            (0x002f, V::TLS10, false, 32),
            (0x002f, V::SSL30, false, 32),
            (0x002f, V::TLS10, true, 36),
            (0x000a, V::TLS10, false, 24),
            (0x000a, V::TLS10, true, 28),  // computed
            (0x0005, V::TLS12, false, 22), // RC4_128_SHA
            (0x0002, V::TLS12, false, 22), // NULL_SHA
            (0x0004, V::TLS10, false, 18), // RC4_128_MD5
            (0x0001, V::TLS12, false, 18), // NULL_MD5
            (0x003b, V::TLS12, false, 34), // NULL_SHA256
            (0xc100, V::TLS12, false, 18), // computed, as all GOST
            (0xc101, V::TLS12, false, 10),
            (0x0081, V::TLS12, false, 6),
        ] {
            assert_eq!(alert_len(suite, version, etm), Some(len), "{suite:04x} {version} {etm}");
        }
    }

    #[test]
    fn a_suite_of_another_version_has_no_lengths() {
        assert_eq!(alert_len(0x1301, Version::TLS12, false), None);
        assert_eq!(alert_len(0xc02f, Version::TLS13, false), None);
        assert_eq!(alert_len(0xc02f, Version::TLS11, false), None);
        assert_eq!(alert_len(0xcca8, Version::TLS10, false), None);
        assert_eq!(alert_len(0xc103, Version::TLS12, false), None);
        assert_eq!(alert_len(0x0000, Version::TLS12, false), None);
        assert_eq!(alert_len(0x00ff, Version::TLS12, false), None);
        assert_eq!(alert_len(0x0a0a, Version::TLS13, false), None);
        assert_eq!(alert_len(0x1307, Version::TLS13, false), None);
    }

    #[test]
    fn tls_1_3_messages_have_known_lengths() {
        let sha256 = Protection::new(Suite(0x1301), Version::TLS13, false).unwrap();
        let sha384 = Protection::new(Suite(0x1302), Version::TLS13, false).unwrap();
        assert_eq!(sha256.record_len(4 + u16::from(sha256.finished)), 53);
        assert_eq!(sha384.record_len(4 + u16::from(sha384.finished)), 69);
        assert_eq!(sha256.record_len(8), 25, "an empty client Certificate");
        assert_eq!(sha256.record_len(5), 22, "a KeyUpdate");
        assert_eq!(Protection::new(Suite(0x1305), Version::TLS13, false).unwrap().record_len(5), 14);
        assert_eq!(Protection::new(Suite(0x002f), Version::TLS12, false).unwrap().finished, 12);
        assert_eq!(Protection::new(Suite(0x002f), Version::SSL30, false).unwrap().finished, 36);
    }

    #[test]
    fn cbc_padding_may_add_whole_blocks() {
        let aes = Protection::new(Suite(0x002f), Version::TLS12, false).unwrap();
        assert!(aes.fits_alert(48) && aes.fits_alert(64) && aes.fits_alert(48 + 224));
        assert!(!aes.fits_alert(47) && !aes.fits_alert(56) && !aes.fits_alert(32) && !aes.fits_alert(48 + 240));
        let gcm = Protection::new(Suite(0xc02f), Version::TLS12, false).unwrap();
        assert!(gcm.fits_alert(26));
        assert!(!gcm.fits_alert(42) && !gcm.fits_alert(25));
    }

    #[test]
    fn every_number_has_a_name_or_none_and_sane_lengths() {
        let mut known = 0;
        for id in 0..=u16::MAX {
            assert!(!Suite(id).to_string().is_empty());
            for version in [0x0002, 0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x7f1c, 0xfefd, 0xffff].map(Version) {
                for etm in [false, true] {
                    let Some(p) = Protection::new(Suite(id), version, etm) else { continue };
                    known += 1;
                    assert!((6..=80).contains(&p.alert_len), "{id:04x} {version}");
                    assert!(p.fits_alert(p.alert_len));
                    assert!(p.record_len(16_384) <= 16_384 + 2_048);
                    assert!(p.record_len(u16::MAX) >= p.record_len(16_384), "{id:04x} {version}: overflow");
                }
            }
        }
        assert!(known > 1_000);
        assert_eq!(Suite(0xeeee).to_string(), "suite 0xeeee");
        assert_eq!(Suite(0xc100).name(), Some("TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"));
    }
}
