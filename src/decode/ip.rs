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
