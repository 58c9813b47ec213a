//! Changes bytes of a frame and keeps its checksums as they were: a right one is right again, a wrong one stays wrong by as much, and one that
//! was left to the network card stays left to it.

use std::net::IpAddr;

use crate::base::Frame;
use crate::decode::{Header, Passed, sum};

/// Length of an Ethernet frame check sequence.
const FCS: usize = 4;

/// IP protocol numbers, a part of the pseudo-header.
const TCP: u16 = 6;
const UDP: u16 = 17;
const ICMPV6: u16 = 58;

/// What follows the packet in a frame: padding, and a frame check sequence if there is one and it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Where padding begins.
    pub padding: usize,
    /// Where it ends.
    pub end: usize,
}

impl Trailer {
    /// The trailer of `frame`, whose headers are `passed`.
    pub(super) fn of(frame: &Frame<'_>, passed: &[Passed]) -> Trailer {
        let len = frame.data.len();
        let packet = passed.iter().find(|passed| passed.addresses.is_some()).map_or(len, |ip| ip.range.end);
        let (body, fcs) = frame.data.split_last_chunk::<FCS>().unwrap_or((frame.data, &[0; FCS]));
        let whole = len == frame.wire_len as usize && packet <= body.len();
        let end = if whole && crc32fast::hash(body).to_le_bytes() == *fcs { body.len() } else { len };
        Trailer { padding: packet, end }
    }
}

/// Makes the checksums in `new` fit, a copy of the frame in which bytes were changed. `addresses` are those that an IP header of `passed` has
/// in `new`.
pub(super) fn mend(frame: &Frame<'_>, passed: &[Passed], new: &mut [u8], addresses: impl Fn(IpAddr) -> IpAddr) {
    // From the inside out: an inner checksum is content to the outer one.
    for (place, layer) in passed.iter().enumerate().rev() {
        let Some(old) = frame.data.get(layer.range.clone()) else { continue };
        let Some(region) = new.get_mut(layer.range.clone()) else { continue };
        let around = passed.get(..place).unwrap_or_default().iter().rev().find_map(|outer| outer.addresses);
        // What the transport checksums count of the IP header around: before, and now.
        let (before, after) = match around {
            Some((source, destination)) => {
                (address(source) + address(destination), address(addresses(source)) + address(addresses(destination)))
            }
            None => (0, 0),
        };
        match layer.header {
            Header::Ethernet => {}
            Header::Ipv4 => {
                let len = old.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
                field(old.get(..len).unwrap_or(old), region, 10, 0, 0, None);
            }
            Header::Ipv6 => {}
            Header::Gre => {
                let with_checksum = old.first().is_some_and(|flags| flags & 0x80 != 0);
                if with_checksum {
                    field(old, region, 4, 0, 0, None);
                }
            }
            Header::Udp => {
                let len = old.get(4..6).and_then(|len| len.first_chunk()).map_or(0, |len| usize::from(u16::from_be_bytes(*len)));
                // No checksum at all.
                if old.get(6..8).is_some_and(|field| field != [0, 0]) {
                    let covered = old.get(..len).filter(|_| len >= 8).unwrap_or(old);
                    field(covered, region, 6, before, after, Some(Pseudo { protocol: UDP, len }));
                    if let Some(none @ [0, 0]) = region.get_mut(6..8) {
                        none.copy_from_slice(&[0xff, 0xff]);
                    }
                }
            }
            Header::Icmp => {
                let v6 = matches!(around, Some((IpAddr::V6(_), _)));
                let pseudo = v6.then_some(Pseudo { protocol: ICMPV6, len: old.len() });
                field(old, region, 2, if v6 { before } else { 0 }, if v6 { after } else { 0 }, pseudo);
            }
            Header::Tcp => {
                // With what the snap length cut off.
                let len = old.len() + (frame.wire_len as usize).saturating_sub(frame.data.len());
                field(old, region, 16, before, after, Some(Pseudo { protocol: TCP, len }));
            }
        }
    }
    let Trailer { end, .. } = Trailer::of(frame, passed);
    if end < frame.data.len()
        && let Some((body, fcs)) = new.split_last_chunk_mut::<FCS>()
    {
        *fcs = crc32fast::hash(body).to_le_bytes();
    }
}

/// What a pseudo-header counts beside the addresses.
#[derive(Clone, Copy)]
struct Pseudo {
    protocol: u16,
    len: usize,
}

/// Brings the checksum at `at` up to date in `new`, given the bytes it covered as they were. `before` and `after`: the addresses it counts.
fn field(old: &[u8], new: &mut [u8], at: usize, before: u64, after: u64, pseudo: Option<Pseudo>) {
    let Some(now) = new.get(..old.len()) else { return };
    if now == old && before == after {
        return;
    }
    let now = sum(now);
    let Some(Ok(stored)) = old.get(at..at + 2).map(<[u8; 2]>::try_from) else { return };
    let stored = u16::from_be_bytes(stored);
    let fixed = match pseudo.map(|Pseudo { protocol, len }| (u64::from(protocol), len as u64)) {
        // The card was to go on from the pseudo-header's sum, or from nothing.
        Some(_) if stored == 0 => 0,
        Some((protocol, len)) if is_offloaded(old, stored, before, protocol, len) => {
            let with_len = if stored == fold(before + protocol + len) { len } else { 0 };
            fold(after + protocol + with_len)
        }
        // RFC 1624, equation 3.
        _ => !fold(u64::from(!stored) + u64::from(!sum(old)) + u64::from(now) + u64::from(!fold(before)) + after),
    };
    if let Some(place) = new.get_mut(at..at + 2) {
        place.copy_from_slice(&fixed.to_be_bytes());
    }
}

/// Whether a checksum is the sum of the pseudo-header alone, and not by chance the right one.
fn is_offloaded(old: &[u8], stored: u16, addresses: u64, protocol: u64, len: u64) -> bool {
    let right = old.len() as u64 == len && fold(addresses + protocol + len + u64::from(sum(old))) == 0xffff;
    !right && (stored == fold(addresses + protocol + len) || stored == fold(addresses + protocol))
}

fn address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(sum(&ip.octets())),
        IpAddr::V6(ip) => u64::from(sum(&ip.octets())),
    }
}

/// Folds a sum to 16 bits with end-around carry.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
