//! IPv4 and IPv6 headers, and what stands between them and the transport protocol.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::err::{ip_auth, ipv4, ipv6};
use etherparse::{
    IpAuthHeaderSlice, IpFragOffset, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6Header, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
};

use super::Skip;
use super::bytes::Bytes;

/// An IP packet: the facts of its headers, and what it carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address: the last one, where a routing header has more to visit.
    pub destination: IpAddr,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub id: Option<u16>,
    /// IPv4 don't-fragment flag; true for IPv6.
    pub dont_fragment: bool,
    /// The protocol of `payload`.
    pub protocol: IpNumber,
    /// Where in its datagram `payload` belongs, if it is but a part of one.
    pub fragment: Option<Place>,
    /// What follows the headers, without link-layer padding.
    pub payload: Bytes<'a>,
    /// Whether all that the header's length promises was captured.
    pub whole: bool,
}

/// The place of a fragment in its datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The datagram, between its two addresses.
    pub id: u32,
    /// Where in it.
    pub offset: IpFragOffset,
    /// Whether there is more after it.
    pub more: bool,
}

/// The IPv4 packet at the start of `bytes`, up to its transport header or fragment.
#[inline(always)]
pub(super) fn v4(bytes: Bytes<'_>) -> Result<Packet<'_>, Skip> {
    let header = Ipv4HeaderSlice::from_slice(bytes.seen).map_err(|e| match e {
        ipv4::HeaderSliceError::Len(e) => bytes.missing(e.required_len),
        ipv4::HeaderSliceError::Content(_) => Skip::Malformed,
    })?;
    let total = usize::from(header.total_len());
    let len = header.slice().len();
    // Zero is segmentation offload's: the real length did not fit, or was left to the card.
    let (limited, whole) = match total {
        0 => (bytes, bytes.seen.len() == bytes.wire),
        _ if total < len => return Err(Skip::Malformed),
        _ => (bytes.limit(total), total <= bytes.seen.len()),
    };
    let fragment = header.is_fragmenting_payload().then(|| Place {
        id: u32::from(header.identification()),
        offset: header.fragments_offset(),
        more: header.more_fragments(),
    });
    let mut inner = Inner { protocol: header.protocol(), payload: limited.after(len)?, fragment, last_stop: None };
    if inner.protocol == IpNumber::AUTHENTICATION_HEADER {
        inner = inner.after_authentication()?;
    }
    Ok(Packet {
        source: IpAddr::V4(header.source_addr()),
        destination: IpAddr::V4(header.destination_addr()),
        ttl: header.ttl(),
        id: Some(header.identification()),
        dont_fragment: header.dont_fragment(),
        protocol: inner.protocol,
        fragment: inner.fragment,
        payload: inner.payload,
        whole,
    })
}

/// The IPv6 packet at the start of `bytes`, up to its transport header or fragment.
#[inline(always)]
pub(super) fn v6(bytes: Bytes<'_>) -> Result<Packet<'_>, Skip> {
    let header = Ipv6HeaderSlice::from_slice(bytes.seen).map_err(|e| match e {
        ipv6::HeaderSliceError::Len(e) => bytes.missing(e.required_len),
        ipv6::HeaderSliceError::Content(_) => Skip::Malformed,
    })?;
    let rest = bytes.after(Ipv6Header::LEN)?;
    let promised = usize::from(header.payload_length());
    // Zero is a jumbogram's (RFC 2675) or segmentation offload's: the frame has the length.
    let (payload, whole) = match promised {
        0 => (rest, rest.seen.len() == rest.wire),
        _ => (rest.limit(promised), promised <= rest.seen.len()),
    };
    let mut inner = Inner { protocol: header.next_header(), payload, fragment: None, last_stop: None };
    if inner.protocol != IpNumber::TCP {
        inner = inner.after_extensions()?;
    }
    Ok(Packet {
        source: IpAddr::V6(header.source_addr()),
        destination: IpAddr::V6(inner.last_stop.unwrap_or(header.destination_addr())),
        ttl: header.hop_limit(),
        id: None,
        dont_fragment: true,
        protocol: inner.protocol,
        fragment: inner.fragment,
        payload: inner.payload,
        whole,
    })
}

impl<'a> Packet<'a> {
    /// The packet with `payload`, joined from its fragments.
    pub fn joined(self, payload: &'a [u8]) -> Result<Packet<'a>, Skip> {
        let inner = Inner { protocol: self.protocol, payload: Bytes::whole(payload), fragment: None, last_stop: None };
        let inner = if self.id.is_some() { inner.after_authentication()? } else { inner.after_extensions()? };
        Ok(Packet {
            destination: inner.last_stop.map_or(self.destination, IpAddr::V6),
            protocol: inner.protocol,
            payload: inner.payload,
            fragment: inner.fragment,
            ..self
        })
    }
}

/// What is left of a packet after some of its headers.
#[derive(Clone, Copy, Debug)]
struct Inner<'a> {
    protocol: IpNumber,
    payload: Bytes<'a>,
    fragment: Option<Place>,
    /// Where a routing header says that the packet leads in the end.
    last_stop: Option<Ipv6Addr>,
}

impl<'a> Inner<'a> {
    /// Goes over authentication headers, the only extension that IPv4 has.
    fn after_authentication(mut self) -> Result<Inner<'a>, Skip> {
        while self.fragment.is_none() && self.protocol == IpNumber::AUTHENTICATION_HEADER {
            self = self.authentication_header()?;
        }
        Ok(self)
    }

    /// Goes over extension headers, up to a transport header or a fragment of one.
    fn after_extensions(mut self) -> Result<Inner<'a>, Skip> {
        // Every header is at least 8 bytes long, so this ends.
        while self.fragment.is_none() {
            self = match self.protocol {
                IpNumber::AUTHENTICATION_HEADER => self.authentication_header()?,
                IpNumber::IPV6_FRAGMENTATION_HEADER => self.fragment_header()?,
                IpNumber::IPV6_HEADER_HOP_BY_HOP | IpNumber::IPV6_ROUTE_HEADER | IpNumber::IPV6_DESTINATION_OPTIONS => {
                    let header = Ipv6RawExtHeaderSlice::from_slice(self.payload.seen).map_err(|e| self.payload.missing(e.required_len))?;
                    if self.protocol == IpNumber::IPV6_ROUTE_HEADER {
                        self.last_stop = last_stop(header.slice()).or(self.last_stop);
                    }
                    self.after(header.next_header(), header.slice().len())?
                }
                _ => break,
            };
        }
        Ok(self)
    }

    fn authentication_header(self) -> Result<Inner<'a>, Skip> {
        let header = IpAuthHeaderSlice::from_slice(self.payload.seen).map_err(|e| match e {
            ip_auth::HeaderSliceError::Len(e) => self.payload.missing(e.required_len),
            ip_auth::HeaderSliceError::Content(_) => Skip::Malformed,
        })?;
        self.after(header.next_header(), header.slice().len())
    }

    fn fragment_header(self) -> Result<Inner<'a>, Skip> {
        let header = Ipv6FragmentHeaderSlice::from_slice(self.payload.seen).map_err(|e| self.payload.missing(e.required_len))?;
        // An "atomic" fragment (RFC 6946) is a datagram of its own.
        let fragment = header.is_fragmenting_payload().then(|| Place {
            id: header.identification(),
            offset: header.fragment_offset(),
            more: header.more_fragments(),
        });
        Inner { fragment, ..self }.after(header.next_header(), header.slice().len())
    }

    fn after(self, protocol: IpNumber, len: usize) -> Result<Inner<'a>, Skip> {
        Ok(Inner { protocol, payload: self.payload.after(len)?, ..self })
    }
}

/// Where a routing header leads in the end, if there is a segment left to visit: the address that counts in the TCP checksum
/// (RFC 8200 section 8.1), and that the answers come from.
fn last_stop(header: &[u8]) -> Option<Ipv6Addr> {
    let &[_, _, typ, left] = header.first_chunk()?;
    let address: &[u8; 16] = match (typ, left) {
        (_, 0) => return None,
        // Source route (RFC 5095) and Mobile IPv6 (RFC 6275 section 6.4): the last address.
        (0 | 2, _) if header.len() > 16 => header.last_chunk()?,
        // Segment routing (RFC 8754 section 2): the first, as the list is in reverse.
        (4, _) => header.get(8..)?.first_chunk()?,
        _ => return None,
    };
    Some(Ipv6Addr::from(*address))
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::super::{Checksum, Decoded, Decoder};
    use super::*;
    use crate::base::LinkType;

    /// Destination, payload seen and on the wire, checksum; or why there is no segment.
    fn read(data: &[u8], wire_len: usize) -> Result<(IpAddr, usize, u32, Checksum), Skip> {
        match Decoder::new().decode(&frame(LinkType::RAW, data, wire_len)) {
            Decoded::Tcp(s) => Ok((s.key.destination(s.way).ip, s.payload.len(), s.payload_len, s.checksum)),
            Decoded::Skipped(skip) => Err(skip),
            other => panic!("{other:?}"),
        }
    }

    fn with_total(total: u16) -> Vec<u8> {
        let mut data = tcp4(PAYLOAD);
        data[2..4].copy_from_slice(&total.to_be_bytes());
        data
    }

    #[test]
    fn the_ipv4_length_counts_where_it_can_be_true() {
        let server = IpAddr::from(SERVER);
        let len = PAYLOAD.len();
        assert_eq!(read(&with_total(74), 74), Ok((server, len, 22, Checksum::Good)));
        assert_eq!(read(&with_total(64), 74), Ok((server, 12, 12, Checksum::Bad)));
        // Longer than the frame: what is missing was not cut, so the frame's length counts.
        assert_eq!(read(&with_total(99), 74), Ok((server, len, 22, Checksum::Unknown)));
        assert_eq!(read(&with_total(99), 99), Ok((server, len, 47, Checksum::Unknown)));
        // Segmentation offload: no length at all, or a frame far longer than the field can say.
        assert_eq!(read(&with_total(0), 74), Ok((server, len, 22, Checksum::Good)));
        assert_eq!(read(&with_total(0), 100_052), Ok((server, len, 100_000, Checksum::Unknown)));
        assert_eq!(read(&with_total(19), 74), Err(Skip::Malformed));
        assert_eq!(read(&with_total(1), 74), Err(Skip::Malformed));
    }

    #[test]
    fn ipv4_options_are_stepped_over() {
        let mut data = tcp4(PAYLOAD);
        data.splice(20..20, [1, 1, 1, 0, 7, 7, 7, 7]);
        data[0] = 0x47;
        data[3] += 8;
        assert_eq!(read(&data, data.len()), Ok((SERVER.into(), PAYLOAD.len(), 22, Checksum::Good)));
        data[0] = 0x44;
        assert_eq!(read(&data, data.len()), Err(Skip::Malformed));
        data[0] = 0x4f;
        data.truncate(40);
        assert_eq!(read(&data, 82), Err(Skip::CutShort));
        assert_eq!(read(&data, 40), Err(Skip::Malformed));
    }

    /// The packet of [`tcp6`] with extension headers: the number of each, and its bytes after the next header's number.
    fn with_extensions(extensions: &[(u8, &[u8])]) -> Vec<u8> {
        let plain = tcp6(PAYLOAD);
        let mut data = plain[..40].to_vec();
        data[6] = extensions.first().map_or(6, |(number, _)| *number);
        for (i, (_, rest)) in extensions.iter().enumerate() {
            data.push(extensions.get(i + 1).map_or(6, |(number, _)| *number));
            data.extend(*rest);
        }
        data.extend(&plain[40..]);
        let len = data.len() as u16 - 40;
        data[4..6].copy_from_slice(&len.to_be_bytes());
        data
    }

    #[test]
    fn ipv6_extensions_are_stepped_over() {
        let options: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
        let long: &[u8] = &[1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let atomic: &[u8] = &[0, 0, 0, 0, 0, 0, 9];
        let authentication: &[u8] = &[4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let good = Ok((SERVER6.into(), PAYLOAD.len(), 22, Checksum::Good));
        for extensions in [
            &[][..],
            &[(0, options)],
            &[(60, long)],
            &[(44, atomic)],
            &[(51, authentication)],
            &[(0, long), (60, options), (44, atomic), (51, authentication), (60, long)],
        ] {
            let data = with_extensions(extensions);
            assert_eq!(read(&data, data.len()), good, "{extensions:?}");
            // Cut anywhere in them.
            for n in 40..data.len() - PAYLOAD.len() - 32 {
                assert_eq!(read(&data[..n], data.len()), Err(Skip::CutShort), "{extensions:?} cut at {n}");
                assert_eq!(read(&data[..n], n), Err(Skip::Malformed), "{extensions:?}, {n} bytes");
            }
        }
        // No next header, mobility (which nothing follows), security.
        for (number, skip) in [(59, Skip::NotTcp(59)), (135, Skip::NotTcp(135)), (50, Skip::Encrypted)] {
            let data = with_extensions(&[(number, options)]);
            assert_eq!(read(&data, data.len()), Err(skip));
        }
        // A hop-by-hop header has no place in IPv4, and an authentication header has a length.
        assert_eq!(skipped(LinkType::RAW, &in_ipv4(0, &tcp6(PAYLOAD))), Skip::NotTcp(0));
        let mut empty = authentication.to_vec();
        empty[0] = 0;
        let data = with_extensions(&[(51, &empty)]);
        assert_eq!(read(&data, data.len()), Err(Skip::Malformed));
    }

    #[test]
    fn the_last_stop_of_a_routed_packet_is_its_destination() {
        let stop = |last: u8| [&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
        let routed = |typ: u8, left: u8, stops: &[u8]| {
            let body = stops.iter().flat_map(|&last| stop(last)).collect::<Vec<_>>();
            let header = [&[stops.len() as u8 * 2, typ, left, 0, 0, 0, 0], &body[..]].concat();
            let data = with_extensions(&[(43, &header)]);
            read(&data, data.len()).unwrap().0
        };
        let ip = |last| IpAddr::from(<[u8; 16]>::try_from(stop(last)).unwrap());
        assert_eq!(routed(0, 1, &[0x77, 0x88]), ip(0x88));
        assert_eq!(routed(2, 1, &[0x77]), ip(0x77));
        assert_eq!(routed(4, 1, &[0x77, 0x88]), ip(0x77));
        for (typ, left, stops) in [(0, 0, &[0x77, 0x88][..]), (4, 0, &[0x77, 0x88]), (0, 1, &[]), (9, 1, &[0x77])] {
            assert_eq!(routed(typ, left, stops), IpAddr::from(SERVER6));
        }
    }

    #[test]
    fn the_checksum_is_of_the_last_stop() {
        let header = [&[2, 0, 1, 0, 0, 0, 0][..], &SERVER6].concat();
        let mut data = with_extensions(&[(43, &header)]);
        data[39] = 0xee;
        assert_eq!(read(&data, data.len()), Ok((SERVER6.into(), PAYLOAD.len(), 22, Checksum::Good)));
    }

    #[test]
    fn the_ipv6_length_counts_where_it_can_be_true() {
        let server = IpAddr::from(SERVER6);
        let len = PAYLOAD.len();
        let with_len = |promised: u16| {
            let mut data = tcp6(PAYLOAD);
            data[4..6].copy_from_slice(&promised.to_be_bytes());
            data
        };
        assert_eq!(read(&with_len(54), 94), Ok((server, len, 22, Checksum::Good)));
        assert_eq!(read(&with_len(44), 94), Ok((server, 12, 12, Checksum::Bad)));
        assert_eq!(read(&with_len(99), 94), Ok((server, len, 22, Checksum::Unknown)));
        assert_eq!(read(&with_len(0), 94), Ok((server, len, 22, Checksum::Good)));
        // A jumbogram.
        let mut jumbo = with_extensions(&[(0, &[0, 0xc2, 4, 0, 1, 0x86, 0xc8])]);
        jumbo[4..6].copy_from_slice(&[0, 0]);
        assert_eq!(read(&jumbo, 40 + 8 + 32 + 100_000), Ok((server, len, 100_000, Checksum::Unknown)));
    }
}
