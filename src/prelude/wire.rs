//! Numbers and text out of borrowed bytes: `None` where the bytes end.

/// Big-endian 16 bits at `at`.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// Big-endian 32 bits at `at`.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// Little-endian 16 bits at `at`.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

/// Little-endian 32 bits at `at`.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// The first `max` bytes, or all where there are fewer.
pub(super) fn head(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

/// Up to `max` bytes as text, what is not UTF-8 replaced.
pub(super) fn lossy(bytes: &[u8], max: usize) -> String {
    String::from_utf8_lossy(head(bytes, max)).into_owned()
}

/// Whether `bytes` begin with `prefix`, letters of either case alike.
pub(super) fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|b| b.eq_ignore_ascii_case(prefix))
}

/// Whether `needle` occurs in `bytes`, letters of either case alike. For short lines: cost is the product of both lengths.
pub(super) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len().max(1)).any(|w| w.eq_ignore_ascii_case(needle))
}

/// The words of a line, split at blanks.
pub(super) fn words(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    line.split(|b| *b == b' ' || *b == b'\t').filter(|w| !w.is_empty())
}

/// Whether `word` is one of `list` (upper case), letters of either case alike.
pub(super) fn one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|item| word.eq_ignore_ascii_case(item.as_bytes()))
}

/// Whether a byte belongs in a line of text: printable, blank, or part of something beyond ASCII.
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte == b'\r' || (byte >= 0x20 && byte != 0x7f)
}
