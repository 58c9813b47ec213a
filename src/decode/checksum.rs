//! The TCP checksum (RFC 9293 section 3.1), and how it looks when the network card was to fill it in.

use std::net::IpAddr;

use super::Checksum;

/// IP protocol number of TCP, a part of the pseudo-header.
const TCP: u16 = 6;
/// The longest TCP segment of an ordinary Ethernet frame (1,500 bytes of IP packet, 20 of IPv4 header).
const MAX_ETHERNET_SEGMENT: usize = 1_480;

/// What the checksum in `segment`, a complete TCP segment, says. `field` is its checksum field.
pub(super) fn verify(source: IpAddr, destination: IpAddr, segment: &[u8], field: u16) -> Checksum {
    let addresses = add_address(source) + add_address(destination);
    if fits(addresses, segment) { Checksum::Good } else { misfit(addresses, segment, field) }
}

/// Whether the checksum in `segment` is right, where its addresses come to the sum `addresses`.
///
/// All sums are of little-endian words: one's complement addition does not care about the order of bytes (RFC 1071 section 2 B).
#[inline(always)]
pub(super) fn fits(addresses: u64, segment: &[u8]) -> bool {
    // What folds to 0xffff is a multiple of that, and never zero: the pseudo-header alone is not.
    (addresses + u64::from(TCP.swap_bytes()) + length(segment) + sum(segment)).is_multiple_of(0xffff)
}

/// What a checksum says that does not fit.
#[cold]
pub(super) fn misfit(addresses: u64, segment: &[u8], field: u16) -> Checksum {
    let without_len = addresses + u64::from(TCP.swap_bytes());
    let with_len = without_len + length(segment);
    let field = field.swap_bytes();
    // Linux leaves the pseudo-header's sum for the card to go on from; with segmentation offload some drivers leave the length out, as it
    // differs from segment to segment. Others leave zero.
    if field == 0 || field == fold(with_len) || field == fold(without_len) {
        return Checksum::Offloaded;
    }
    // Longer ones may have been joined by the receiving card, which leaves the checksum of one of the parts.
    if segment.len() > MAX_ETHERNET_SEGMENT { Checksum::Unknown } else { Checksum::Bad }
}

/// A segment's length as the pseudo-header has it: in two words, which IPv6 has room for.
#[inline]
fn length(segment: &[u8]) -> u64 {
    let len = segment.len();
    u64::from((len as u16).swap_bytes()) + u64::from(((len >> 16) as u16).swap_bytes())
}

/// The sum of the little-endian words of `bytes`, what is missing of the last one taken for zero; in two halves of 32 bits, to be folded.
#[inline(always)]
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (chunks, rest) = bytes.as_chunks::<16>();
    // The rest is the end of the last 16 bytes, so that no loop is needed, whose length no processor foretells.
    let total = match bytes.last_chunk() {
        Some(_) if rest.is_empty() => 0,
        Some(last) => u128::from_le_bytes(*last) >> (8 * (16 - rest.len())),
        None => rest.iter().rev().fold(0, |total, byte| (total << 8) | u128::from(*byte)),
    };
    let (mut low, mut high) = (total as u64, (total >> 64) as u64);
    for chunk in chunks {
        let both = u128::from_le_bytes(*chunk);
        (low, high) = (add(low, both as u64), add(high, (both >> 64) as u64));
    }
    let sum = add(low, high);
    (sum >> 32) + (sum & 0xffff_ffff)
}

/// One's complement addition of 64 bits: the carry comes round to the other end (RFC 1071 section 2 A).
#[inline]
fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u64::from(carry)
}

/// The sum of an address.
fn add_address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u32::from_le_bytes(ip.octets()).into(),
        IpAddr::V6(ip) => sum(&ip.octets()),
    }
}

/// Folds a sum to 16 bits with end-around carry.
#[inline]
pub(super) fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    /// RFC 1071, word by word.
    fn slow_sum(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for word in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn the_fast_sum_is_the_slow_one() {
        let sum = |bytes: &[u8]| fold(super::sum(bytes)).swap_bytes();
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        let bytes: Vec<u8> = (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for len in (0..200).chain([1460, 1461, 1462, 1463, 65_535, 70_000]) {
            for from in 0..4.min(bytes.len() - len + 1) {
                let part = &bytes[from..from + len];
                assert_eq!(sum(part), slow_sum(part), "{len} bytes from {from}");
            }
        }
        assert_eq!(sum(&vec![0xff; 1 << 20]), 0xffff);
    }

    /// What is said of the segment of [`tcp4`] and of [`tcp6`] with another checksum field, given the pseudo-header's sum.
    fn with_field(len: usize, field: impl Fn(u16, u16) -> u16) -> [Checksum; 2] {
        let payload = vec![0x5a; len];
        let verify = |source: IpAddr, destination: IpAddr, segment: &[u8]| {
            let mut pseudo = match (source, destination) {
                (IpAddr::V4(a), IpAddr::V4(b)) => [a.octets(), b.octets()].concat(),
                (IpAddr::V6(a), IpAddr::V6(b)) => [a.octets(), b.octets()].concat(),
                _ => panic!(),
            };
            pseudo.extend([0, 6]);
            let without_len = slow_sum(&pseudo);
            pseudo.extend((segment.len() as u16).to_be_bytes());
            let mut segment = segment.to_vec();
            let field = field(slow_sum(&pseudo), without_len);
            segment[16..18].copy_from_slice(&field.to_be_bytes());
            super::verify(source, destination, &segment, field)
        };
        [verify(CLIENT.into(), SERVER.into(), &tcp4(&payload)[20..]), verify(CLIENT6.into(), SERVER6.into(), &tcp6(&payload)[40..])]
    }

    #[test]
    fn offload_is_not_damage() {
        for len in [0, 1, 100, 1400] {
            assert_eq!(with_field(len, |_, _| 0), [Checksum::Offloaded; 2]);
            assert_eq!(with_field(len, |with_len, _| with_len), [Checksum::Offloaded; 2]);
            assert_eq!(with_field(len, |_, without_len| without_len), [Checksum::Offloaded; 2]);
            assert_eq!(with_field(len, |with_len, _| with_len ^ 1), [Checksum::Bad; 2]);
            assert_eq!(with_field(len, |with_len, _| !with_len), [Checksum::Bad; 2]);
        }
    }

    #[test]
    fn a_wrong_sum_of_an_impossibly_long_frame_is_no_damage() {
        assert_eq!(with_field(1448, |with_len, _| with_len ^ 1), [Checksum::Bad; 2]);
        assert_eq!(with_field(1449, |with_len, _| with_len ^ 1), [Checksum::Unknown; 2]);
    }

    #[test]
    fn every_byte_counts() {
        let segment = tcp4(PAYLOAD)[20..].to_vec();
        let verify = |segment: &[u8]| super::verify(CLIENT.into(), SERVER.into(), segment, u16::from_be_bytes([segment[16], segment[17]]));
        assert_eq!(verify(&segment), Checksum::Good);
        for i in 0..segment.len() {
            let mut damaged = segment.clone();
            damaged[i] ^= 0x10;
            assert_eq!(verify(&damaged), Checksum::Bad, "byte {i}");
        }
    }
}
