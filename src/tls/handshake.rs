//! Handshake messages: their types, and joining them from the records and pieces they are spread over.

use std::fmt;

use super::record::{PartialMessage, Unread};
use crate::base::At;

/// A handshake message's type (IANA's TLS HandshakeType registry).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandshakeType(pub u8);

impl HandshakeType {
    /// hello_request: the server asks for a renegotiation (up to TLS 1.2).
    pub const HELLO_REQUEST: HandshakeType = HandshakeType(0);
    /// client_hello.
    pub const CLIENT_HELLO: HandshakeType = HandshakeType(1);
    /// server_hello; also HelloRetryRequest in TLS 1.3.
    pub const SERVER_HELLO: HandshakeType = HandshakeType(2);
    /// new_session_ticket.
    pub const NEW_SESSION_TICKET: HandshakeType = HandshakeType(4);
    /// end_of_early_data (TLS 1.3).
    pub const END_OF_EARLY_DATA: HandshakeType = HandshakeType(5);
    /// encrypted_extensions (TLS 1.3).
    pub const ENCRYPTED_EXTENSIONS: HandshakeType = HandshakeType(8);
    /// certificate.
    pub const CERTIFICATE: HandshakeType = HandshakeType(11);
    /// server_key_exchange (up to TLS 1.2).
    pub const SERVER_KEY_EXCHANGE: HandshakeType = HandshakeType(12);
    /// certificate_request.
    pub const CERTIFICATE_REQUEST: HandshakeType = HandshakeType(13);
    /// server_hello_done (up to TLS 1.2).
    pub const SERVER_HELLO_DONE: HandshakeType = HandshakeType(14);
    /// certificate_verify.
    pub const CERTIFICATE_VERIFY: HandshakeType = HandshakeType(15);
    /// client_key_exchange (up to TLS 1.2).
    pub const CLIENT_KEY_EXCHANGE: HandshakeType = HandshakeType(16);
    /// finished.
    pub const FINISHED: HandshakeType = HandshakeType(20);
    /// certificate_status: a stapled OCSP response (up to TLS 1.2).
    pub const CERTIFICATE_STATUS: HandshakeType = HandshakeType(22);
    /// key_update (TLS 1.3).
    pub const KEY_UPDATE: HandshakeType = HandshakeType(24);
    /// compressed_certificate (RFC 8879).
    pub const COMPRESSED_CERTIFICATE: HandshakeType = HandshakeType(25);

    /// The name as Wireshark and the RFCs write it.
    pub fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "HelloRequest",
            1 => "ClientHello",
            2 => "ServerHello",
            3 => "HelloVerifyRequest",
            4 => "NewSessionTicket",
            5 => "EndOfEarlyData",
            6 => "HelloRetryRequest",
            8 => "EncryptedExtensions",
            11 => "Certificate",
            12 => "ServerKeyExchange",
            13 => "CertificateRequest",
            14 => "ServerHelloDone",
            15 => "CertificateVerify",
            16 => "ClientKeyExchange",
            20 => "Finished",
            21 => "CertificateURL",
            22 => "CertificateStatus",
            23 => "SupplementalData",
            24 => "KeyUpdate",
            25 => "CompressedCertificate",
            67 => "NextProtocol",
            _ => return None,
        })
    }
}

impl fmt::Display for HandshakeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "handshake message {}", self.0),
        }
    }
}

/// Whether these four bytes can head a handshake message. Asked only where it is not certain that one begins: what is taken for a
/// message may be ciphertext. A HelloRequest never counts there: it is four zero bytes, as an encrypted record's explicit nonce begins.
pub(super) fn plausible(typ: HandshakeType, len: usize) -> bool {
    match typ.0 {
        1 | 2 => (38..=0x2_0000).contains(&len),
        5 | 14 => len == 0,
        4 | 8 | 11 | 12 | 13 | 15 | 16 | 21 | 22 | 25 => (2..=0x4_0000).contains(&len),
        20 => matches!(len, 12 | 32 | 36 | 48),
        24 => len == 1,
        _ => false,
    }
}

/// A number of three bytes in network order.
pub(super) fn u24(a: u8, b: u8, c: u8) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

/// A handshake message that is not complete yet.
#[derive(Debug)]
pub(super) struct Assembly {
    start: At,
    offset: u64,
    header: [u8; 4],
    /// How much of `header` is there.
    have: u8,
    /// Bytes of the body the stream has had.
    got: u32,
    /// Why the body is not kept further, where it is not.
    pub(super) unread: Option<Unread>,
    /// The body so far, or up to the first hole; empty where the message is too long.
    pub(super) bytes: Vec<u8>,
}

/// What feeding bytes to an [`Assembly`] came to.
pub(super) enum Fed {
    /// All were used, the message needs more.
    All,
    /// The message is complete.
    Complete,
    /// This is no handshake message.
    Implausible,
}

impl Assembly {
    /// A message whose first byte is the next one, at `offset`.
    pub(super) fn new(start: At, offset: u64) -> Assembly {
        Assembly { start, offset, header: [0; 4], have: 0, got: 0, unread: None, bytes: Vec::new() }
    }

    fn need(&self) -> u32 {
        let [_, a, b, c] = self.header;
        u24(a, b, c)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.have == 4 && self.got >= self.need()
    }

    pub(super) fn partial(&self) -> PartialMessage {
        let [typ, ..] = self.header;
        let need = (self.have == 4).then(|| self.need());
        PartialMessage { start: self.start, offset: self.offset, typ: HandshakeType(typ), need, have: self.got }
    }

    /// Reads from `window` and says how many bytes of it belong to this message.
    pub(super) fn feed(&mut self, window: &[u8], limit: u32, doubt: bool) -> (usize, Fed) {
        let mut rest = window;
        while let Some(slot) = self.header.get_mut(usize::from(self.have)) {
            let Some((&byte, after)) = rest.split_first() else { return (window.len(), Fed::All) };
            *slot = byte;
            self.have += 1;
            rest = after;
            if self.have == 4 {
                if doubt && !plausible(self.partial().typ, self.need() as usize) {
                    return (window.len() - rest.len(), Fed::Implausible);
                }
                self.unread = (self.need() > limit).then_some(Unread::TooLong);
            }
        }
        let missing = self.need().saturating_sub(self.got) as usize;
        let part = rest.get(..missing).unwrap_or(rest);
        if self.unread.is_none() {
            self.bytes.extend_from_slice(part);
        }
        self.got = self.got.saturating_add(part.len() as u32);
        let used = window.len() - rest.len() + part.len();
        (used, if self.is_complete() { Fed::Complete } else { Fed::All })
    }

    /// Steps over a hole of `len` bytes; false where it is not known to lie wholly inside this message.
    pub(super) fn skip(&mut self, len: u16) -> bool {
        let inside = self.have == 4 && u32::from(len) <= self.need().saturating_sub(self.got);
        if inside {
            self.got += u32::from(len);
            self.unread = self.unread.or(Some(Unread::Hole));
        }
        inside
    }
}

/// Whether a value is one of those that clients send to keep servers tolerant (RFC 8701): 0x0a0a, 0x1a1a … 0xfafa.
pub fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// The name of a key exchange group (IANA's TLS Supported Groups registry), for those in use.
pub fn group_name(group: u16) -> Option<&'static str> {
    Some(match group {
        0x0013 => "secp192r1",
        0x0015 => "secp224r1",
        0x0016 => "secp256k1",
        0x0017 => "secp256r1",
        0x0018 => "secp384r1",
        0x0019 => "secp521r1",
        0x001a => "brainpoolP256r1",
        0x001b => "brainpoolP384r1",
        0x001c => "brainpoolP512r1",
        0x001d => "x25519",
        0x001e => "x448",
        0x001f => "brainpoolP256r1tls13",
        0x0020 => "brainpoolP384r1tls13",
        0x0021 => "brainpoolP512r1tls13",
        0x0029 => "curveSM2",
        0x0100 => "ffdhe2048",
        0x0101 => "ffdhe3072",
        0x0102 => "ffdhe4096",
        0x0103 => "ffdhe6144",
        0x0104 => "ffdhe8192",
        0x0200 => "MLKEM512",
        0x0201 => "MLKEM768",
        0x0202 => "MLKEM1024",
        0x11eb => "SecP256r1MLKEM768",
        0x11ec => "X25519MLKEM768",
        0x11ed => "SecP384r1MLKEM1024",
        0x6399 => "X25519Kyber768Draft00",
        0x639a => "SecP256r1Kyber768Draft00",
        _ => return None,
    })
}

/// The group of an ECDHE ServerKeyExchange (RFC 8422 section 5.4), where its body says a named one.
pub fn server_key_exchange_group(body: &[u8]) -> Option<u16> {
    match body {
        [3, high, low, _, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_told_from_its_neighbours() {
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x0a1a) && !is_grease(0x0a0b) && !is_grease(0x1301));
        assert_eq!((0..=u16::MAX).filter(|&v| is_grease(v)).count(), 16);
    }

    #[test]
    fn an_encrypted_finished_is_not_plausible() {
        // What an AES-GCM Finished begins with when the explicit nonce counts from 0, and from a random start.
        assert!(!plausible(HandshakeType(0), 0));
        assert!(!plausible(HandshakeType(0x9c), 0x1234));
        assert!(plausible(HandshakeType::FINISHED, 12));
        assert!(!plausible(HandshakeType::FINISHED, 40));
        assert!(plausible(HandshakeType::CERTIFICATE, 3_000));
        assert!(!plausible(HandshakeType::CERTIFICATE, 0xff_0000));
    }

    #[test]
    fn the_curve_of_a_server_key_exchange() {
        assert_eq!(server_key_exchange_group(&[3, 0, 0x1d, 32, 1]), Some(0x1d));
        assert_eq!(server_key_exchange_group(&[1, 0, 0x1d, 32, 1]), None);
        assert_eq!(server_key_exchange_group(&[0, 64, 7]), None);
        assert_eq!(group_name(0x11ec), Some("X25519MLKEM768"));
        assert_eq!(group_name(0x0a0a), None);
    }
}
