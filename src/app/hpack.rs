//! HPACK (RFC 7541), as far as it takes to know a message's status and length: no header's text outlives its block.
//!
//! The table of a connection is kept as the sizes of its entries and the few meanings that matter, so it costs a few bytes a header, and
//! there is nothing private in it.

use std::collections::VecDeque;

use crate::app::http1::is_stream;

/// Size of the table before its sender changes it (RFC 9113 section 6.5.2).
const DEFAULT_SIZE: u32 = 4_096;
/// Larger tables are not followed.
const MAX_SIZE: u32 = 64 * 1024;
/// What an entry costs beside its text (RFC 7541 section 4.1).
const ENTRY_OVERHEAD: u32 = 32;
/// Lengths of the names of the static table's entries, the first of which has index 1 (RFC 7541 appendix A).
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6, 4, 4, 6, 7, 4, 4, 8, 17,
    13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];
/// How many symbols have a Huffman code of 1, 2, 3 … bits: the code is canonical (RFC 7541 appendix B).
const CODE_LENGTHS: [u16; 30] = [0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];
/// The symbols by their codes, shortest first. The end of the string, which must not be sent, would be one more.
const SYMBOLS: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108,
    109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113,
    118, 119, 120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63, 39, 43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123,
    92, 195, 208, 128, 130, 131, 162, 184, 194, 224, 226, 153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133,
    134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1, 135, 137, 138,
    139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231, 239, 9, 142,
    144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242,
    243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12,
    14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249, 10, 13, 22,
];

/// What a block of headers says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// `:status`.
    pub status: Option<u16>,
    /// `content-length`.
    pub length: Option<u64>,
    /// A body without an end of its own: a stream of events, a gRPC call, a tunnel.
    pub stream: bool,
}

/// Decodes one direction's header blocks.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Newest first.
    entries: VecDeque<Entry>,
    size: u32,
    max_size: u32,
}

/// A header in the table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Name,
    name_len: u32,
    value_len: u32,
    value: Value,
}

/// Names that matter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Name {
    Method,
    Status,
    Length,
    Type,
    Other,
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
enum Value {
    Status(u16),
    Length(u64),
    Stream,
    Other,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { entries: VecDeque::new(), size: 0, max_size: DEFAULT_SIZE }
    }
}

impl Decoder {
    /// Decodes a whole block. `None` if it is not one: what follows on the connection cannot be decoded either.
    pub fn block(&mut self, mut block: &[u8]) -> Option<Fields> {
        let mut fields = Fields::default();
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut block, 7)?;
                fields.take(self.entry(index)?.value);
            } else if first & 0x40 != 0 {
                let entry = self.literal(&mut block, 6)?;
                fields.take(entry.value);
                self.insert(entry);
            } else if first & 0x20 != 0 {
                self.max_size = u32::try_from(integer(&mut block, 5)?).ok().filter(|size| *size <= MAX_SIZE)?;
                self.evict(0);
            } else {
                fields.take(self.literal(&mut block, 4)?.value);
            }
        }
        Some(fields)
    }

    fn literal(&self, block: &mut &[u8], prefix: u8) -> Option<Entry> {
        let (name, name_len) = match integer(block, prefix)? {
            0 => {
                let name = string(block)?;
                (Name::of(&name), u32::try_from(name.len()).ok()?)
            }
            index => {
                let entry = self.entry(index)?;
                (entry.name, entry.name_len)
            }
        };
        let value = string(block)?;
        Some(Entry { name, name_len, value_len: u32::try_from(value.len()).ok()?, value: name.read(&value) })
    }

    /// The entry of an index: the static table's come first.
    fn entry(&self, index: u64) -> Option<Entry> {
        let index = usize::try_from(index).ok()?;
        let Some(&len) = STATIC_NAMES.get(index.checked_sub(1)?) else {
            return self.entries.get(index - 1 - STATIC_NAMES.len()).copied();
        };
        let (name, value) = match index {
            2 | 3 => (Name::Method, Value::Other),
            8 => (Name::Status, Value::Status(200)),
            9 => (Name::Status, Value::Status(204)),
            10 => (Name::Status, Value::Status(206)),
            11 => (Name::Status, Value::Status(304)),
            12 => (Name::Status, Value::Status(400)),
            13 => (Name::Status, Value::Status(404)),
            14 => (Name::Status, Value::Status(500)),
            28 => (Name::Length, Value::Other),
            31 => (Name::Type, Value::Other),
            _ => (Name::Other, Value::Other),
        };
        // Entries of the static table take no room: the length of their value is never asked for.
        Some(Entry { name, name_len: u32::from(len), value_len: 0, value })
    }

    fn insert(&mut self, entry: Entry) {
        let size = entry.size();
        self.evict(size);
        // One that is larger than the table empties it and is not kept (RFC 7541 section 4.4).
        if size <= self.max_size {
            self.size = self.size.saturating_add(size);
            self.entries.push_front(entry);
        }
    }

    /// Makes room for `more` bytes.
    fn evict(&mut self, more: u32) {
        while self.size.saturating_add(more) > self.max_size {
            let Some(oldest) = self.entries.pop_back() else { break };
            self.size = self.size.saturating_sub(oldest.size());
        }
    }
}

impl Entry {
    fn size(&self) -> u32 {
        self.name_len.saturating_add(self.value_len).saturating_add(ENTRY_OVERHEAD)
    }
}

impl Name {
    fn of(name: &[u8]) -> Name {
        match name {
            b":method" => Name::Method,
            b":status" => Name::Status,
            b"content-length" => Name::Length,
            b"content-type" => Name::Type,
            _ => Name::Other,
        }
    }

    fn read(self, value: &[u8]) -> Value {
        let digits = || std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let read = match self {
            Name::Method if value == b"CONNECT" => Some(Value::Stream),
            Name::Status => digits().and_then(|text| text.parse().ok()).map(Value::Status),
            Name::Length => digits().and_then(|text| text.parse().ok()).map(Value::Length),
            Name::Type if is_stream(value) => Some(Value::Stream),
            _ => None,
        };
        read.unwrap_or(Value::Other)
    }
}

impl Fields {
    fn take(&mut self, value: Value) {
        match value {
            Value::Status(status) => self.status = Some(status),
            Value::Length(length) => self.length = Some(length),
            Value::Stream => self.stream = true,
            Value::Other => {}
        }
    }
}

/// An integer that begins in the low `prefix` bits of the first byte (RFC 7541 section 5.1).
fn integer(block: &mut &[u8], prefix: u8) -> Option<u64> {
    let mask = (1_u8 << prefix) - 1;
    let (&first, mut rest) = block.split_first()?;
    let mut value = u64::from(first & mask);
    if first & mask == mask {
        let mut shift = 0_u32;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            // Nothing here needs more than 32 bits.
            value = value.checked_add(u64::from(byte & 0x7f) << shift).filter(|_| shift <= 28)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Some(value)
}

/// A string, decoded (RFC 7541 section 5.2).
fn string(block: &mut &[u8]) -> Option<Vec<u8>> {
    let huffman = block.first()? & 0x80 != 0;
    let len = usize::try_from(integer(block, 7)?).ok()?;
    let (text, rest) = block.split_at_checked(len)?;
    *block = rest;
    if huffman { decode(text) } else { Some(text.to_vec()) }
}

/// Decodes a Huffman-coded string.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len().saturating_mul(8) / 5);
    // The code so far; the first code of its length; the place of that code's symbol; and how long it is.
    let (mut code, mut first, mut place, mut len) = (0_u32, 0_u32, 0_u32, 0_usize);
    let bits = text.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    for bit in bits {
        let count = u32::from(*CODE_LENGTHS.get(len)?);
        len += 1;
        code |= bit;
        let nth = code.checked_sub(first)?;
        if nth < count {
            out.push(*SYMBOLS.get(usize::try_from(place + nth).ok()?)?);
            (code, first, place, len) = (0, 0, 0, 0);
        } else {
            place += count;
            first = (first + count) << 1;
            code <<= 1;
        }
    }
    // What is left is padding: less than a byte, all ones (section 5.2).
    let padding = len < 8 && code >> 1 == (1 << len) - 1;
    padding.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
    }

    #[test]
    fn integers_of_rfc_7541_appendix_c1() {
        assert_eq!(integer(&mut &[0x0a][..], 5), Some(10));
        assert_eq!(integer(&mut &[0x1f, 0x9a, 0x0a][..], 5), Some(1_337));
        assert_eq!(integer(&mut &[42][..], 8 - 1), Some(42));
        assert_eq!(integer(&mut &[0x1f, 0x9a][..], 5), None);
        assert_eq!(integer(&mut &[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], 5), None);
    }

    #[test]
    fn strings_of_rfc_7541_appendix_c4() {
        assert_eq!(decode(&hex("f1e3 c2e5 f23a 6ba0 ab90 f4ff")).unwrap(), b"www.example.com");
        assert_eq!(decode(&hex("a8eb 1064 9cbf")).unwrap(), b"no-cache");
        assert_eq!(decode(&hex("25a8 49e9 5bb8 e8b4 bf")).unwrap(), b"custom-value");
        assert_eq!(decode(&hex("d07a be94 1054 d444 a820 0595 040b 8166 e082 a62d 1bff")).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
        // Padding of a whole byte, padding that is not ones, the end of the string spelt out.
        assert_eq!(decode(&hex("a8eb 1064 9cbf ff")), None);
        assert_eq!(decode(&hex("a8eb 1064 9cbe")), None);
        assert_eq!(decode(&hex("ffff ffff")), None);
        assert_eq!(decode(b"").unwrap(), b"");
    }

    /// Responses whose table is so small that entries are evicted (appendix C.6, with Huffman coding; C.5 without).
    #[test]
    fn responses_of_rfc_7541_appendix_c6() {
        let blocks = [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae \
             43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af \
             2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ];
        let mut decoder = Decoder { max_size: 256, ..Decoder::default() };
        let read: Vec<(Option<u16>, u32)> = blocks.iter().map(|block| (decoder.block(&hex(block)).unwrap().status, decoder.size)).collect();
        assert_eq!(read, [(Some(302), 222), (Some(307), 222), (Some(200), 215)]);
    }

    #[test]
    fn a_length_is_remembered_by_its_place_in_the_table() {
        let mut decoder = Decoder::default();
        let fields = decoder.block(&[&[0x88, 0x5c, 0x04][..], b"1000"].concat()).unwrap();
        assert_eq!((fields.status, fields.length, fields.stream), (Some(200), Some(1_000), false));
        // By the index of the newest entry; by its name with another value; and by its name in letters.
        assert_eq!(decoder.block(&[0xbe]).unwrap().length, Some(1_000));
        assert_eq!(decoder.block(&[&[0x0f, 0x2f, 0x02][..], b"12"].concat()).unwrap().length, Some(12));
        assert_eq!(decoder.block(&[&[0x00, 14][..], b"content-length", &[1], b"7"].concat()).unwrap().length, Some(7));
        assert!(decoder.block(&[&[0x5f, 17][..], b"text/event-stream"].concat()).unwrap().stream);
        assert!(decoder.block(&[&[0x42, 7][..], b"CONNECT"].concat()).unwrap().stream);
        assert!(!decoder.block(&[&[0x42, 3][..], b"PUT"].concat()).unwrap().stream);
    }

    #[test]
    fn what_is_no_block_is_none() {
        assert_eq!(Decoder::default().block(&[0x80]), None, "index 0");
        assert_eq!(Decoder::default().block(&[0xbe]), None, "an entry that was never added");
        assert_eq!(Decoder::default().block(&[0x5c, 0x04, b'1']), None, "a string that ends early");
        assert_eq!(Decoder::default().block(&[0x3f, 0xe1, 0xff, 0x7f]), None, "a table of megabytes");
        assert_eq!(Decoder::default().block(&[]), Some(Fields::default()));
    }
}
