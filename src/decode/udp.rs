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

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::super::tests::*;
    use super::super::{Decoded, Decoder};
    use super::*;
    use crate::base::LinkType;

    fn kind(port: u16, payload: &[u8]) -> UdpKind {
        let mut data = Vec::new();
        PacketBuilder::ipv4(CLIENT, SERVER, 57).udp(50_001, port).write(&mut data, payload).unwrap();
        with_decoded(LinkType::RAW, &data, |decoded| match decoded {
            Decoded::Udp(kind) => kind,
            other => panic!("{other:?}"),
        })
    }

    /// A QUIC long header with connection identifiers of these lengths, and `rest` bytes after it.
    fn long(first: u8, version: u32, ids: [u8; 2], rest: usize) -> Vec<u8> {
        let id = |len: u8| [&[len][..], &vec![7; usize::from(len)]].concat();
        [&[first][..], &version.to_be_bytes(), &id(ids[0]), &id(ids[1]), &vec![9; rest]].concat()
    }

    #[test]
    fn quic_is_known_by_its_version_on_any_port() {
        for version in [1, 0x6b33_43cf, 0xff00_001d] {
            assert_eq!(kind(9999, &long(0xc3, version, [8, 0], 1180)), UdpKind::Quic, "{version:x}");
        }
        assert_eq!(kind(9999, &long(0xa5, 0, [0, 8], 8)), UdpKind::Quic);

        assert_eq!(kind(9999, &long(0xc3, 2, [8, 0], 1180)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0x83, 1, [8, 0], 1180)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0xc3, 1, [21, 0], 1180)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0xc3, 1, [8, 21], 1180)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0xc3, 1, [8, 0], 15)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0xc3, 1, [0, 0], 1180)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0xa5, 0, [0, 8], 7)), UdpKind::Other);
        assert_eq!(kind(9999, &long(0xa5, 0, [0, 0], 8)), UdpKind::Other);
    }

    #[test]
    fn short_headers_are_known_by_their_port() {
        assert_eq!(kind(443, &[0x41; 21]), UdpKind::Quic);
        assert_eq!(kind(8443, &[0x41; 21]), UdpKind::Quic);
        assert_eq!(kind(444, &[0x41; 21]), UdpKind::Other);
        assert_eq!(kind(443, &[0x41; 20]), UdpKind::Other);
        assert_eq!(kind(443, &[0x21; 21]), UdpKind::Other);
    }

    #[test]
    fn dtls_is_known_by_its_records() {
        let record = |typ: u8, version: [u8; 2], len: u16, rest: usize| {
            [&[typ][..], &version, &[0, 0, 0, 0, 0, 0, 0, 1], &len.to_be_bytes(), &vec![1; rest]].concat()
        };
        assert_eq!(kind(9999, &record(22, [0xfe, 0xff], 100, 100)), UdpKind::Dtls);
        assert_eq!(kind(443, &record(23, [0xfe, 0xfd], 40, 140)), UdpKind::Dtls);
        assert_eq!(kind(9999, &record(20, [0xfe, 0xfc], 1, 1)), UdpKind::Dtls);
        // With a connection identifier of 8 bytes the length stands elsewhere.
        assert_eq!(kind(9999, &record(25, [0xfe, 0xfd], 0xeeee, 60)), UdpKind::Dtls);

        assert_eq!(kind(9999, &record(19, [0xfe, 0xfd], 40, 40)), UdpKind::Other);
        assert_eq!(kind(9999, &record(26, [0xfe, 0xfd], 40, 40)), UdpKind::Other);
        assert_eq!(kind(9999, &record(22, [3, 3], 40, 40)), UdpKind::Other);
        assert_eq!(kind(9999, &record(22, [0xfe, 0xfb], 40, 40)), UdpKind::Other);
        assert_eq!(kind(9999, &record(22, [0xfe, 0xfd], 41, 40)), UdpKind::Other);
        assert_eq!(kind(9999, &record(22, [0xfe, 0xfd], 0, 40)), UdpKind::Other);
        assert_eq!(kind(9999, &record(22, [0xfe, 0xfd], 40, 0)[..12]), UdpKind::Other);
    }

    #[test]
    fn the_udp_length_leaves_padding_out() {
        let mut data = Vec::new();
        PacketBuilder::ipv4(CLIENT, SERVER, 57).udp(50_001, 443).write(&mut data, &[0x41; 30]).unwrap();
        let with_len = |len: u8| {
            let mut data = data.clone();
            data[25] = len;
            with_decoded(LinkType::RAW, &data, |decoded| match decoded {
                Decoded::Udp(kind) => kind,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(with_len(38), UdpKind::Quic);
        assert_eq!(with_len(28), UdpKind::Other);
        // No length: as long as the packet.
        assert_eq!(with_len(0), UdpKind::Quic);
    }

    #[test]
    fn a_cut_in_the_header_is_one() {
        let mut data = Vec::new();
        PacketBuilder::ipv4(CLIENT, SERVER, 57).udp(50_001, 4789).write(&mut data, &[8; 30]).unwrap();
        for n in 20..36 {
            let mut decoder = Decoder::new();
            let decoded = decoder.decode(&frame(LinkType::RAW, &data[..n], data.len()));
            assert!(matches!(decoded, Decoded::Skipped(Skip::CutShort)), "cut at {n}");
        }
    }
}
