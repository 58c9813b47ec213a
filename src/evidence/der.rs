//! Names in certificates (DER, ITU-T X.690), replaced where they stand; with them goes what a certificate can be looked up by.

use super::pseudonym::Pseudonyms;
use crate::tls::inspection_word;

/// Values within values that are followed.
const MOST_DEEP: usize = 24;
/// Shorter values that are no text cannot tell one certificate from another.
const TELLING: usize = 8;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const BMP_STRING: u8 = 0x1e;
const UNIVERSAL_STRING: u8 = 0x1c;
const SEQUENCE: u8 = 0x30;
const CONSTRUCTED: u8 = 0x20;

/// Replaces the names in every DER sequence that can be found in `bytes`: certificates in a list, names of authorities.
pub(super) fn replace_all(pseudonyms: &Pseudonyms, mut bytes: &mut [u8]) {
    while let Some(start) = bytes.iter().position(|byte| *byte == SEQUENCE) {
        let rest = bytes.get_mut(start..).unwrap_or_default();
        let end = match header(rest) {
            Some((head, len)) if len >= TELLING => {
                let end = (head + len).min(rest.len());
                replace(pseudonyms, rest.get_mut(..end).unwrap_or_default(), 0);
                end
            }
            _ => 1,
        };
        bytes = rest.split_at_mut_checked(end).map_or(&mut [], |(_, after)| after);
    }
}

/// The lengths of an element's tag and length, and of its content.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let len = *bytes.get(1)?;
    if len < 0x80 {
        return Some((2, usize::from(len)));
    }
    let digits = usize::from(len & 0x7f);
    if digits == 0 || digits > 3 {
        return None;
    }
    let len = bytes.get(2..2 + digits)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    Some((2 + digits, len))
}

/// Whether `bytes` are elements one after the other, and nothing else.
fn is_der(mut bytes: &[u8]) -> bool {
    let known = |tag: u8| matches!(tag, 0x01..=0x06 | 0x0a | 0x0c | 0x12..=0x1e | 0x30 | 0x31 | 0x80..=0x89 | 0xa0..=0xa9);
    if bytes.is_empty() {
        return false;
    }
    while let Some((head, len)) = header(bytes).filter(|_| bytes.first().is_some_and(|tag| known(*tag))) {
        match bytes.get(head + len..) {
            Some([]) => return true,
            Some(rest) => bytes = rest,
            None => return false,
        }
    }
    false
}

fn replace(pseudonyms: &Pseudonyms, mut bytes: &mut [u8], deep: usize) {
    while let (Some(tag), Some((head, len))) = (bytes.first().copied(), header(bytes)) {
        let end = (head + len).min(bytes.len());
        let (element, rest) = bytes.split_at_mut_checked(end).unwrap_or_default();
        value(pseudonyms, tag, element.get_mut(head..).unwrap_or_default(), deep);
        bytes = rest;
    }
}

fn value(pseudonyms: &Pseudonyms, tag: u8, content: &mut [u8], deep: usize) {
    let within = deep < MOST_DEEP;
    match tag {
        _ if tag & CONSTRUCTED != 0 && within => replace(pseudonyms, content, deep + 1),
        // Strings of bytes.
        0x0c | 0x12..=0x16 | 0x19..=0x1b => text(pseudonyms, content),
        BMP_STRING => wide::<2>(pseudonyms, content),
        UNIVERSAL_STRING => wide::<4>(pseudonyms, content),
        // Not a version, nor an exponent.
        INTEGER if content.len() > 3 => pseudonyms.noise(content.get_mut(1..).unwrap_or_default()),
        BIT_STRING => {
            // The first byte counts the bits that are not used.
            let bits = content.get_mut(1..).unwrap_or_default();
            if within && is_der(bits) {
                replace(pseudonyms, bits, deep + 1);
            } else if bits.len() >= TELLING {
                pseudonyms.noise(bits.get_mut(1..).unwrap_or_default());
            }
        }
        OCTET_STRING if within && is_der(content) => replace(pseudonyms, content, deep + 1),
        // An address; with a mask behind it where names are constrained.
        0x87 if matches!(content.len(), 4 | 8) => pseudonyms.v4_at(content, 0),
        0x87 if matches!(content.len(), 16 | 32) => pseudonyms.v6_at(content, 0),
        0x80..=0x89 | OCTET_STRING => {
            let is_text = !content.is_empty() && content.iter().all(|byte| (0x20..0x7f).contains(byte));
            if is_text && content.len() > 2 {
                text(pseudonyms, content);
            } else if content.len() >= TELLING {
                pseudonyms.noise(content);
            }
        }
        _ => {}
    }
}

/// Replaces a text, all but the words that an inspecting product signs with: they are what a verdict can rest on.
fn text(pseudonyms: &Pseudonyms, content: &mut [u8]) {
    let lower = String::from_utf8_lossy(content).to_ascii_lowercase();
    let kept = inspection_word(&lower).and_then(|word| Some((lower.find(word)?, word.len())));
    match kept.filter(|_| lower.len() == content.len()) {
        Some((at, len)) => {
            let (before, rest) = content.split_at_mut_checked(at).unwrap_or_default();
            pseudonyms.name(before);
            pseudonyms.name(rest.get_mut(len..).unwrap_or_default());
        }
        None => pseudonyms.name(content),
    }
}

/// Replaces a text of characters of `N` bytes each, the highest first.
fn wide<const N: usize>(pseudonyms: &Pseudonyms, content: &mut [u8]) {
    let mut narrow: Vec<u8> = content
        .chunks_exact(N)
        .map(|c| if c.iter().rev().skip(1).all(|b| *b == 0) { c.last().copied().unwrap_or_default() } else { 0xff })
        .collect();
    text(pseudonyms, &mut narrow);
    for (character, byte) in content.chunks_exact_mut(N).zip(narrow) {
        for (place, to) in character.iter_mut().rev().enumerate() {
            *to = if place == 0 { byte } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        replace_all(&Pseudonyms::of("k"), &mut out);
        assert_eq!(out.len(), bytes.len());
        out
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, content.len() as u8][..], content].concat()
    }

    fn name(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        Pseudonyms::of("k").name(&mut bytes);
        bytes
    }

    #[test]
    fn every_kind_of_name_is_replaced() {
        let wide: Vec<u8> = "Example".bytes().flat_map(|byte| [0, byte]).collect();
        let inner = [
            element(0x0c, b"api.example.com"),
            element(0x1e, &wide),
            element(0x82, b"www.example.com"),
            element(0x87, &[192, 0, 2, 1]),
            element(0x04, &element(0x30, &element(0x86, b"http://ca.example.com/x"))),
            element(0x06, &[0x55, 0x1d, 0x11]),
        ]
        .concat();
        let out = replaced(&element(0x30, &inner));
        let has = |part: &[u8]| out.windows(part.len()).any(|window| window == part);
        assert!(!has(b"example") && !has(b"Example") && !has(&wide[..6]) && !has(&[192, 0, 2, 1]));
        assert!(has(&name("api.example.com")) && has(&name("www.example.com")) && has(&[0x55, 0x1d, 0x11]));
    }

    #[test]
    fn what_a_certificate_is_looked_up_by_goes_and_short_numbers_stay() {
        let inner = [element(0x02, &[1; 16]), element(0x02, &[3]), element(0x03, &[0, 9, 9, 9, 9, 9, 9, 9, 9, 9]), element(0x04, &[7; 20])]
            .concat();
        let out = replaced(&element(0x30, &inner));
        assert_eq!(out[..5], [0x30, out[1], 0x02, 16, 1]);
        assert_ne!(out[5..20], [1; 15]);
        assert_eq!(out[20..23], [2, 1, 3]);
        assert!(!out.windows(8).any(|window| window == [7; 8] || window == [9; 8]));
        // A serial number of a small authority, and a usual exponent.
        let out = replaced(&element(0x30, &[element(0x02, &[7, 0x5b, 0xcd, 0x15]), element(0x02, &[1, 0, 1])].concat()));
        assert!(out[2..5] == [2, 4, 7] && out[5..8] != [0x5b, 0xcd, 0x15] && out[8..] == [2, 3, 1, 0, 1], "{out:02x?}");
        // The same key identifier is the same afterwards: it ties certificates together.
        let twice = element(0x30, &[element(0x04, &[7; 20]), element(0x80, &[7; 20])].concat());
        let out = replaced(&twice);
        assert_eq!(out[4..24], out[26..46]);
    }

    #[test]
    fn an_inspecting_product_stays_known() {
        let out = replaced(&element(0x30, &element(0x13, b"Zscaler Root CA of Example")));
        assert!(out[4..].starts_with(b"Zscaler ") && !out.ends_with(b"Example"));
    }

    #[test]
    fn no_bytes_upset_it() {
        let mut seed = 7_u32;
        for len in 0..400 {
            let bytes: Vec<u8> = (0..len)
                .map(|place| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if place % 3 == 0 { [0x30, 0x82, 0x04, 0x03, 0x0c, 0x1e][(seed >> 24) as usize % 6] } else { (seed >> 25) as u8 }
                })
                .collect();
            replaced(&bytes);
        }
        let deep: Vec<u8> = (0..2_000).flat_map(|_| [0x30, 0x82, 0xff, 0xff]).collect();
        replaced(&deep);
    }
}
