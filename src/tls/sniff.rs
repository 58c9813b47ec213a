//! Is this the beginning of TLS?

use super::record::flaw;
use super::{ContentType, HandshakeType};

/// What the first bytes of a direction look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sniff {
    /// The beginning of a TLS session: a hello, or an alert in its place.
    Yes,
    /// A record header, but not one a session begins with: TLS joined in its middle, or chance.
    Maybe,
    /// Not TLS.
    No,
    /// Nothing speaks against it yet; more bytes will tell.
    NeedMore,
}

/// Judges the first bytes of a direction, or the bytes behind a prelude. At most 11 are needed.
pub fn looks_like_tls(bytes: &[u8]) -> Sniff {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return looks_like_sslv2(bytes);
    }
    if flaw(bytes.get(..5).unwrap_or(bytes)).is_some() {
        return Sniff::No;
    }
    let Some((&[typ, _, _, high, low], body)) = bytes.split_first_chunk::<5>() else { return Sniff::NeedMore };
    let len = u16::from_be_bytes([high, low]);
    match (ContentType(typ), len) {
        (ContentType::HANDSHAKE, 4..) => match body {
            [] => Sniff::NeedMore,
            // The longest message a hello can be is far below 2^17.
            &[typ, high, ..] if matches!(HandshakeType(typ), HandshakeType::CLIENT_HELLO | HandshakeType::SERVER_HELLO) => {
                if high < 2 {
                    Sniff::Yes
                } else {
                    Sniff::Maybe
                }
            }
            [typ] if matches!(HandshakeType(*typ), HandshakeType::CLIENT_HELLO | HandshakeType::SERVER_HELLO) => Sniff::NeedMore,
            _ => Sniff::Maybe,
        },
        // A hello cut into records of a few bytes is a way to get past a firewall, and legal.
        (ContentType::HANDSHAKE, 1..4) => match body {
            [] => Sniff::NeedMore,
            [1 | 2, ..] => Sniff::Yes,
            _ => Sniff::No,
        },
        (ContentType::ALERT, 2) => match body {
            [] => Sniff::NeedMore,
            [1 | 2, ..] => Sniff::Yes,
            _ => Sniff::No,
        },
        (ContentType::ALERT, 6..) | (ContentType::APPLICATION_DATA, 1..) => Sniff::Maybe,
        (ContentType::CHANGE_CIPHER_SPEC, 1) => match body {
            [] => Sniff::NeedMore,
            [1, ..] => Sniff::Maybe,
            _ => Sniff::No,
        },
        _ => Sniff::No,
    }
}

/// An SSLv2-compatible ClientHello (RFC 5246 appendix E.2): its lengths must add up.
fn looks_like_sslv2(bytes: &[u8]) -> Sniff {
    let word = |high: u8, low: u8| u32::from(u16::from_be_bytes([high, low]));
    match *bytes {
        [h, l, 1, 3, 0..=4, ch, cl, sh, sl, rh, rl, ..] => {
            let (suites, session, challenge) = (word(ch, cl), word(sh, sl), word(rh, rl));
            let sound = suites > 0 && suites % 3 == 0 && matches!(session, 0 | 16) && (16..=32).contains(&challenge);
            if sound && word(h & 0x7f, l) == 9 + suites + session + challenge { Sniff::Yes } else { Sniff::No }
        }
        [_] | [_, _] | [_, _, 1] | [_, _, 1, 3] | [_, _, 1, 3, 0..=4, ..] => Sniff::NeedMore,
        _ => Sniff::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hellos_and_alerts_begin_a_session() {
        let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
        for n in 0..=6 {
            assert_eq!(looks_like_tls(&hello[..n]), Sniff::NeedMore, "{n}");
        }
        assert_eq!(looks_like_tls(&hello[..7]), Sniff::Yes);
        assert_eq!(looks_like_tls(&hello), Sniff::Yes);
        assert_eq!(looks_like_tls(&[0x15, 3, 3, 0, 2, 2, 40]), Sniff::Yes);
        assert_eq!(looks_like_tls(&[0x16, 3, 1, 0, 1, 1]), Sniff::Yes);
    }

    #[test]
    fn the_middle_of_a_session_is_a_weaker_sign() {
        assert_eq!(looks_like_tls(&[0x17, 3, 3, 0, 19]), Sniff::Maybe);
        assert_eq!(looks_like_tls(&[0x14, 3, 3, 0, 1, 1]), Sniff::Maybe);
        assert_eq!(looks_like_tls(&[0x15, 3, 3, 0, 26]), Sniff::Maybe);
        assert_eq!(looks_like_tls(&[0x16, 3, 3, 0, 40, 0, 0]), Sniff::Maybe);
    }

    #[test]
    fn other_protocols_are_not_tls() {
        for other in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"220 mail ESMTP\r\n",
            b"\x05\x01\x00",
            b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
            b"\x16\x03\x00\x50HTTP",
            b"\x15\x03\x01\x00\x02\x00\x00",
            b"\x17\x03\x03\x00\x00",
            b"\x18\x03\x03\x00\x10",
            b"\x14\x03\x03\x00\x02\x01",
            b"\x80\x2e\x01\x02\x00",
            b"\xff\xfd\x18",
        ] {
            assert_eq!(looks_like_tls(other), Sniff::No, "{other:?}");
        }
    }

    #[test]
    fn an_sslv2_compatible_hello_must_add_up() {
        let mut hello = vec![0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16];
        hello.extend([0, 0, 5, 0, 0, 10]);
        hello.extend([7; 16]);
        assert_eq!(looks_like_tls(&hello), Sniff::Yes);
        assert_eq!(looks_like_tls(&hello[..10]), Sniff::NeedMore);
        hello[6] = 7;
        assert_eq!(looks_like_tls(&hello), Sniff::No);
    }
}
