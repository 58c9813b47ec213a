//! The TCP checksum (RFC 9293 section 3.1), and how it looks when the network card was to fill it in.

use std::net::IpAddr;

use super::Checksum;

/// IP protocol number of TCP, a part of the pseudo-header.
const TCP: u32 = 6;
/// The longest TCP segment of an ordinary Ethernet frame (1,500 bytes of IP packet, 20 of IPv4 header).
const MAX_ETHERNET_SEGMENT: usize = 1_480;

/// What the checksum in `segment`, a complete TCP segment, says. `field` is its checksum field.
pub(super) fn verify(source: IpAddr, destination: IpAddr, segment: &[u8], field: u16) -> Checksum {
    let addresses = add_address(source) + add_address(destination);
    let without_len = addresses + u64::from(TCP);
    let with_len = without_len + segment.len() as u64;
    if fold(with_len + u64::from(sum(segment))) == 0xffff {
        return Checksum::Good;
    }
    // Linux leaves the pseudo-header's sum for the card to go on from; with segmentation offload some drivers leave the length out, as it
    // differs from segment to segment. Others leave zero.
    if field == 0 || field == fold(with_len) || field == fold(without_len) {
        return Checksum::Offloaded;
    }
    // Longer ones may have been joined by the receiving card, which leaves the checksum of one of the parts.
    if segment.len() > MAX_ETHERNET_SEGMENT { Checksum::Unknown } else { Checksum::Bad }
}

/// The sum of the 16-bit words of `bytes`, an odd last byte padded with zero, folded to 16 bits.
///
/// Words of 32 bits are added in the machine's byte order, which the compiler turns into vector instructions: one's complement addition
/// does not care about the order (RFC 1071 section 2 B), so that one swap at the end is enough.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum();
    let last = match *rest {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    total += u64::from(u32::from_ne_bytes(last));
    u16::from_be_bytes(fold(total).to_ne_bytes())
}

fn add_address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(u32::from(ip)),
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments().map(u64::from);
            a + b + c + d + e + f + g + h
        }
    }
}

/// Folds a sum to 16 bits with end-around carry.
fn fold(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}
