//! What a TLS byte stream is made of: record headers, and the units a [`Framer`](super::Framer) hands up.

use std::borrow::Cow;
use std::fmt;

use super::{Alert, HandshakeType};
use crate::base::{At, GapReason};

/// The content type of a record (RFC 8446 section 5.1, RFC 6520 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentType(pub u8);

impl ContentType {
    /// change_cipher_spec.
    pub const CHANGE_CIPHER_SPEC: ContentType = ContentType(20);
    /// alert.
    pub const ALERT: ContentType = ContentType(21);
    /// handshake.
    pub const HANDSHAKE: ContentType = ContentType(22);
    /// application_data: in TLS 1.3 the outer type of every encrypted record.
    pub const APPLICATION_DATA: ContentType = ContentType(23);
    /// heartbeat.
    pub const HEARTBEAT: ContentType = ContentType(24);

    /// The registry's name, where it has one.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            ContentType::CHANGE_CIPHER_SPEC => "change_cipher_spec",
            ContentType::ALERT => "alert",
            ContentType::HANDSHAKE => "handshake",
            ContentType::APPLICATION_DATA => "application_data",
            ContentType::HEARTBEAT => "heartbeat",
            _ => return None,
        })
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "content type {}", self.0),
        }
    }
}

/// A protocol version as the wire numbers it. In a record header it says little: only a ServerHello settles the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl Version {
    /// SSL 2.0, as an SSLv2-compatible ClientHello may say.
    pub const SSL20: Version = Version(0x0002);
    /// SSL 3.0 (RFC 6101).
    pub const SSL30: Version = Version(0x0300);
    /// TLS 1.0 (RFC 2246).
    pub const TLS10: Version = Version(0x0301);
    /// TLS 1.1 (RFC 4346).
    pub const TLS11: Version = Version(0x0302);
    /// TLS 1.2 (RFC 5246).
    pub const TLS12: Version = Version(0x0303);
    /// TLS 1.3 (RFC 8446).
    pub const TLS13: Version = Version(0x0304);

    /// Whether this is TLS 1.3 or one of its drafts (0x7fxx).
    pub fn is_tls13(self) -> bool {
        self >= Version::TLS13 && self.0 >> 8 != 0xfe
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Version::SSL20 => f.write_str("SSL 2.0"),
            Version::SSL30 => f.write_str("SSL 3.0"),
            Version::TLS10 => f.write_str("TLS 1.0"),
            Version::TLS11 => f.write_str("TLS 1.1"),
            Version::TLS12 => f.write_str("TLS 1.2"),
            Version::TLS13 => f.write_str("TLS 1.3"),
            Version(v) if v >> 8 == 0x7f => write!(f, "TLS 1.3 draft {}", v & 0xff),
            Version(v) => write!(f, "version 0x{v:04x}"),
        }
    }
}

/// Where a unit lies in the stream, and which frames brought its ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The frame with its first byte.
    pub start: At,
    /// The frame with its last byte (or the gap's frame, where a hole holds the last byte).
    pub end: At,
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Stream offset just behind its last byte: an acknowledgement that reaches this far covers the unit.
    pub end_offset: u64,
}

/// The header of a complete record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// Where it lies, header included.
    pub extent: Extent,
    /// Content type.
    pub typ: ContentType,
    /// The version field of the header.
    pub version: Version,
    /// The length field: bytes of the body.
    pub len: u16,
    /// Bytes of the body are missing from the capture. The length is still certain.
    pub with_hole: bool,
}

/// What is known of a record's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// In clear and handed out: its handshake messages or alerts came before it as units of their own; a ChangeCipherSpec says no more.
    Read,
    /// Encrypted. The bytes come along where [`Framer::hold_sealed`](super::Framer::hold_sealed) asked for records of this length.
    Sealed(Option<Cow<'a, [u8]>>),
    /// Neither: a hole took part of it, or what should be handshake messages are none.
    Unread,
}

/// A complete handshake message in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it lies; begins at the message header, not at the record header.
    pub extent: Extent,
    /// Handshake type.
    pub typ: HandshakeType,
    /// The body, without the 4-byte message header. Borrowed where the whole message lay in one piece of stream.
    pub bytes: Cow<'a, [u8]>,
}

/// Why the body of a handshake message could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unread {
    /// It is longer than [`Limits::handshake_flow`](crate::base::Limits::handshake_flow).
    TooLong,
    /// A hole lies in it.
    Hole,
}

/// Why a record header cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// The content type is not one of 20 to 24.
    Type,
    /// The version is not one of 0x0300 to 0x0304.
    Version,
    /// The length is above 2^14 + 2048 (RFC 5246 section 6.2.3).
    Length,
}

/// What a [`Framer`](super::Framer) hands up, in stream order.
// The number of the variant fills a whole word: behind a byte, what follows would be moved as bytes from an odd place, and what was just
// written in words cannot be read like that before it has reached the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Unit<'a> {
    /// A handshake message in clear. It comes before the record in which it ends.
    Handshake(Message<'a>),
    /// A handshake message in clear whose body could not be had.
    HandshakeUnread {
        /// Where it lies; up to the hole, where the hole reaches beyond the message.
        extent: Extent,
        /// Handshake type.
        typ: HandshakeType,
        /// Length of its body, from its header.
        len: u32,
        /// Why.
        why: Unread,
        /// The body up to the hole; empty where the message is too long.
        head: Vec<u8>,
    },
    /// An alert in clear: a record this short cannot be an encrypted one. It comes before its record.
    Alert {
        /// Where it lies, from the header of the record in which it ends.
        extent: Extent,
        /// Level and description.
        alert: Alert,
    },
    /// A record is complete.
    Record {
        /// Its header.
        head: RecordHead,
        /// Its body.
        body: Body<'a>,
    },
    /// The stream begins with an SSLv2-compatible ClientHello (RFC 5246 appendix E.2); read it with
    /// [`ClientHello::parse_sslv2`](super::ClientHello::parse_sslv2). TLS records follow it.
    Sslv2ClientHello {
        /// Where it lies.
        extent: Extent,
        /// The message, without the two length bytes.
        bytes: Vec<u8>,
    },
    /// What should be a record header cannot be one: from here on the stream is not TLS. The framer reads no further, except where its
    /// framing was a guess: then it looks for the next record.
    Broken {
        /// The frame with the first of these bytes.
        at: At,
        /// Stream offset of the first of these bytes.
        offset: u64,
        /// The header, as far as it was read; zeros behind that.
        header: [u8; 5],
        /// How many bytes of `header` were read.
        have: u8,
        /// What is wrong with it.
        why: Flaw,
        /// The rest of this piece of stream, from the first byte of the header that lies in it.
        bytes: &'a [u8],
        /// The position was found by resynchronising, so this proves nothing about the stream.
        guessed: bool,
    },
    /// Bytes are missing.
    Gap {
        /// The frame at which the hole was known to stay one.
        at: At,
        /// Stream offset of the first missing byte.
        offset: u64,
        /// How many.
        len: u64,
        /// Why.
        why: GapReason,
        /// Record boundaries are unknown from here on, until a [`Unit::Resync`]. False where the hole lies wholly inside one record's body.
        lost: bool,
    },
    /// Record boundaries are known again.
    Resync {
        /// The frame with the first byte of the record found.
        at: At,
        /// Stream offset of its header.
        offset: u64,
    },
}

/// A record that has begun and is not complete: the proof of a cut in its middle, when its direction ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The frame with its first byte.
    pub start: At,
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Content type.
    pub typ: ContentType,
    /// The version field, once it is there.
    pub version: Option<Version>,
    /// The length field: bytes the body needs, once the header is complete.
    pub need: Option<u16>,
    /// Bytes of the body that the stream has had (a hole counts), or of the header while that is incomplete.
    pub have: u16,
}

/// A handshake message in clear that has begun and is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialMessage {
    /// The frame with its first byte.
    pub start: At,
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Handshake type.
    pub typ: HandshakeType,
    /// Length of its body, once the message header is complete.
    pub need: Option<u32>,
    /// Bytes of the body that the stream has had.
    pub have: u32,
}

/// Length of a record header, in bytes (RFC 8446 section 5.1).
pub const RECORD_HEADER: u64 = 5;

/// The longest record body any version allows: 2^14 and 2048 for what protection may add (RFC 5246 section 6.2.3).
pub(super) const MAX_BODY: u16 = 16_384 + 2_048;

/// What is wrong with a record header, or with the beginning of one.
#[inline]
pub(super) fn flaw(header: &[u8]) -> Option<Flaw> {
    let mut bytes = header.iter().copied();
    if !(20..=24).contains(&bytes.next()?) {
        return Some(Flaw::Type);
    }
    if bytes.next()? != 3 || bytes.next()? > 4 {
        return Some(Flaw::Version);
    }
    (u16::from_be_bytes([bytes.next()?, bytes.next()?]) > MAX_BODY).then_some(Flaw::Length)
}

/// Whether this can be the beginning of an SSLv2-compatible ClientHello: 15 bits of length, message type 1, version 3.x
/// (RFC 5246 appendix E.2).
pub(super) fn sslv2_hello(header: &[u8]) -> bool {
    match *header {
        // At least the 9 bytes of its fixed fields; real ones are far below the 32 KiB that the length could say.
        [0x80, 9..=0xff, ref rest @ ..] | [0x81..=0x8f, _, ref rest @ ..] => matches!(rest, [] | [1] | [1, 3] | [1, 3, 0..=4]),
        [0x80..=0x8f] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_judged_as_far_as_it_goes() {
        assert_eq!(flaw(&[]), None);
        assert_eq!(flaw(&[0x16, 3]), None);
        assert_eq!(flaw(&[0x16, 3, 1, 0x48, 0x00]), None);
        assert_eq!(flaw(&[0x18, 3, 4, 0, 0]), None);
        assert_eq!(flaw(b"H"), Some(Flaw::Type));
        assert_eq!(flaw(&[0x19, 3, 1, 0, 4]), Some(Flaw::Type));
        assert_eq!(flaw(&[0x16, 2]), Some(Flaw::Version));
        assert_eq!(flaw(&[0x16, 3, 5]), Some(Flaw::Version));
        assert_eq!(flaw(&[0x17, 3, 3, 0x48, 0x01]), Some(Flaw::Length));
    }

    #[test]
    fn unknown_numbers_are_still_shown() {
        assert_eq!(ContentType(25).to_string(), "content type 25");
        assert_eq!(Version(0x7f1c).to_string(), "TLS 1.3 draft 28");
        assert_eq!(Version(0x0305).to_string(), "version 0x0305");
        assert!(Version(0x7f1c).is_tls13() && Version::TLS13.is_tls13());
        assert!(!Version::TLS12.is_tls13() && !Version(0xfefd).is_tls13());
    }
}
