//! UDP: tunnels to go into; QUIC and DTLS, to be named.

use etherparse::{UdpHeader, UdpHeaderSlice};

use super::bytes::Bytes;
use super::{Layer, Skip, UdpKind, tunnel};

/// Ports on which a short-header packet is taken for QUIC: it has no other mark than a bit.
const QUIC_PORTS: [u16; 2] = [443, 8443];

/// What a UDP datagram holds.
pub(super) enum Udp<'a> {
    /// A tunnel's next layer.
    Tunnel(Layer, Bytes<'a>),
    /// Anything else, named.
    Kind(UdpKind),
}

/// The UDP datagram at the start of `bytes`.
pub(super) fn datagram(bytes: Bytes<'_>) -> Result<Udp<'_>, Skip> {
    let header = UdpHeaderSlice::from_slice(bytes.seen).map_err(|e| bytes.missing(e.required_len))?;
    let mut payload = bytes.after(UdpHeader::LEN)?;
    // Shorter than its own header is no length at all (zero: RFC 2675); the packet's counts then.
    if let Some(len) = usize::from(header.length()).checked_sub(UdpHeader::LEN) {
        payload = payload.limit(len);
    }
    let ports = [header.destination_port(), header.source_port()];
    for port in ports {
        if let Some((layer, inner)) = tunnel::over_udp(port, payload)? {
            return Ok(Udp::Tunnel(layer, inner));
        }
    }
    let kind = if is_dtls(payload) {
        UdpKind::Dtls
    } else if is_quic(payload, ports.iter().any(|port| QUIC_PORTS.contains(port))) {
        UdpKind::Quic
    } else {
        UdpKind::Other
    };
    Ok(Udp::Kind(kind))
}

/// A QUIC packet (RFC 9000 section 17): a long header by its version and connection identifiers, a short one by the port only.
fn is_quic(payload: Bytes<'_>, usual_port: bool) -> bool {
    const LONG: u8 = 0x80;
    const FIXED: u8 = 0x40;
    const MAX_CONNECTION_ID: u8 = 20;
    /// A short header, its packet number and the least that its protection needs (RFC 9001 section 5.4.2).
    const MIN_SHORT: usize = 21;
    let Some(&first) = payload.seen.first() else { return false };
    if first & LONG == 0 {
        return usual_port && first & FIXED != 0 && payload.wire >= MIN_SHORT;
    }
    let Ok((&[_, version @ .., id_len], rest)) = payload.head::<6>() else { return false };
    // Version 1 (RFC 9000), version 2 (RFC 9369), the drafts, and version negotiation, whose other bits are arbitrary.
    let known = match u32::from_be_bytes(version) {
        0 => true,
        1 | 0x6b33_43cf | 0xff00_0000..=0xff00_00ff => first & FIXED != 0,
        _ => false,
    };
    let Some(&second_len) = rest.seen.get(usize::from(id_len)) else { return false };
    let versions = rest.wire.saturating_sub(usize::from(id_len) + 1 + usize::from(second_len));
    // A negotiation lists versions of four bytes, and echoes the identifier the client chose, of 8 bytes at least.
    let fits = if version == [0; 4] {
        versions >= 4 && versions % 4 == 0 && usize::from(id_len) + usize::from(second_len) >= 8
    } else {
        // A Retry has a token and a tag, the others a length, a packet number and a sample.
        versions >= 16 && id_len.max(second_len) > 0
    };
    known && id_len <= MAX_CONNECTION_ID && second_len <= MAX_CONNECTION_ID && fits
}

/// A DTLS record in clear (RFC 6347 section 4.1), with a connection identifier or without (RFC 9146). DTLS 1.3's later records do not show.
fn is_dtls(payload: Bytes<'_>) -> bool {
    const HEADER: usize = 13;
    const MAX_LEN: usize = (1 << 14) + 2048;
    const WITH_CONNECTION_ID: u8 = 25;
    let Ok((&[typ, version_high, version, .., len_high, len], _)) = payload.head::<HEADER>() else { return false };
    if !(20..=25).contains(&typ) || version_high != 0xfe || !(0xfc..=0xff).contains(&version) {
        return false;
    }
    let len = usize::from(u16::from_be_bytes([len_high, len]));
    // A connection identifier stands before the length, and its own is not in the record.
    typ == WITH_CONNECTION_ID || ((1..=MAX_LEN).contains(&len) && HEADER + len <= payload.wire)
}
