//! Tunnels that carry frames or packets: MPLS, GRE and ERSPAN, VXLAN, Geneve.

use etherparse::{EtherType, IpNumber};

use super::bytes::Bytes;
use super::{Layer, Skip};

/// UDP ports that tunnels are recognised by (IANA).
pub(super) const VXLAN_PORT: u16 = 4789;
pub(super) const VXLAN_GPE_PORT: u16 = 4790;
pub(super) const GENEVE_PORT: u16 = 6081;

/// A tunnel directly on IP.
pub(super) fn over_ip(protocol: IpNumber, bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    match protocol {
        IpNumber::IPV4 => Ok((Layer::Ip, bytes)),
        IpNumber::IPV6 => Ok((Layer::Ipv6, bytes)),
        IpNumber::GRE => gre(bytes),
        IpNumber::MPLS_IN_IP => mpls(bytes),
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD => Err(Skip::Encrypted),
        IpNumber(other) => Err(Skip::NotTcp(other)),
    }
}

/// An MPLS label stack (RFC 3032). What is under it is not announced and has to be guessed.
pub(super) fn mpls(mut bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    loop {
        let (&[_, _, entry, _], rest) = bytes.head::<4>()?;
        bytes = rest;
        let bottom = entry & 1 == 1;
        if bottom {
            break;
        }
    }
    let nibble = bytes.first_nibble()?;
    let ethernet = looks_like_ethernet(bytes, 0);
    match nibble {
        // Unless it is a MAC address that begins like this: a pseudowire without a control word.
        4 if !ethernet || looks_like_ipv4(bytes) => Ok((Layer::Ip, bytes)),
        6 if !ethernet || looks_like_ipv6(bytes) => Ok((Layer::Ipv6, bytes)),
        // A pseudowire (RFC 4448) with a control word, whose first nibble is 0 (RFC 4385).
        0 if looks_like_ethernet(bytes, CONTROL_WORD) => Ok((Layer::Ethernet, bytes.after(CONTROL_WORD)?)),
        _ if ethernet => Ok((Layer::Ethernet, bytes)),
        _ => match bytes.missing(CONTROL_WORD + ETHERNET_AND_NIBBLE) {
            Skip::CutShort if bytes.seen.len() < CONTROL_WORD + ETHERNET_AND_NIBBLE => Err(Skip::CutShort),
            _ => Err(Skip::NotIp(MPLS)),
        },
    }
}

const MPLS: u16 = 0x8847;
/// Length of a pseudowire's control word.
const CONTROL_WORD: usize = 4;
/// What it takes to recognise Ethernet: the header, and the first byte after it.
const ETHERNET_AND_NIBBLE: usize = 15;

/// Whether the length of the IPv4 header here fits what there is.
fn looks_like_ipv4(bytes: Bytes<'_>) -> bool {
    matches!(bytes.head::<4>(), Ok((&[_, _, high, low], _)) if usize::from(u16::from_be_bytes([high, low])) <= bytes.wire)
}

/// Whether the length of the IPv6 header here fits what there is.
fn looks_like_ipv6(bytes: Bytes<'_>) -> bool {
    matches!(bytes.head::<6>(), Ok((&[.., high, low], _)) if usize::from(u16::from_be_bytes([high, low])) + 40 <= bytes.wire)
}

/// Whether an Ethernet header with a type that is known to be in use starts at `offset`, and what follows agrees with the type.
fn looks_like_ethernet(bytes: Bytes<'_>, offset: usize) -> bool {
    let Some(&[high, low, next]) = bytes.seen.get(offset + 12..).and_then(|b| b.first_chunk()) else { return false };
    match (u16::from_be_bytes([high, low]), next >> 4) {
        (0x0800, version) => version == 4,
        (0x86dd, version) => version == 6,
        (0x0806 | 0x8100 | 0x88a8 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x88cc | 0x88e5, _) => true,
        _ => false,
    }
}

/// A GRE header (RFC 2784, RFC 2890; RFC 1701's routing; RFC 2637's acknowledgement).
fn gre(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    /// Point-to-point tunnelling: PPP in GRE version 1.
    const PPP: u16 = 0x880b;
    const WCCP: u16 = 0x883e;
    const ERSPAN_I_II: u16 = 0x88be;
    const ERSPAN_III: u16 = 0x22eb;

    let (&[a, b, c, d], mut rest) = bytes.head::<4>()?;
    let (flags, typ) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let has = |flag: u16| flags & flag != 0;
    let words = [has(CHECKSUM | ROUTING), has(KEY), has(SEQUENCE), typ == PPP && has(ACKNOWLEDGEMENT)];
    rest = rest.after(4 * words.into_iter().filter(|&word| word).count())?;
    if has(ROUTING) {
        loop {
            let (&[family_high, family, _, len], tail) = rest.head::<4>()?;
            rest = tail.after(usize::from(len))?;
            if [family_high, family, len] == [0, 0, 0] {
                break;
            }
        }
    }
    if rest.wire == 0 {
        // A bare acknowledgement or keep-alive.
        return Err(Skip::NotTcp(IpNumber::GRE.0));
    }
    match typ {
        // Version 2 has a redirect header of 4 bytes before the packet.
        WCCP => Ok((Layer::Ip, if rest.first_nibble()? == 4 { rest } else { rest.after(4)? })),
        // Type I has no header of its own, and no sequence number in GRE's.
        ERSPAN_I_II if !has(SEQUENCE) => Ok((Layer::Ethernet, rest)),
        ERSPAN_I_II => Ok((Layer::Ethernet, rest.after(8)?)),
        ERSPAN_III => erspan_iii(rest),
        _ => Ok((Layer::EtherType(EtherType(typ)), rest)),
    }
}

/// An ERSPAN type III header: 12 bytes, a frame type, and a subheader of 8 bytes where the last bit says so.
fn erspan_iii(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    let (&[.., frame_type, optional], rest) = bytes.head::<12>()?;
    // Other types are mirrored IP and InfiniBand packets, which nobody sends.
    if frame_type & 0x7c != 0 {
        return Err(Skip::NotTcp(IpNumber::GRE.0));
    }
    Ok((Layer::Ethernet, if optional & 1 == 1 { rest.after(8)? } else { rest }))
}

/// A tunnel on one of its UDP ports; `None` where the payload cannot be one.
pub(super) fn over_udp(port: u16, bytes: Bytes<'_>) -> Result<Option<(Layer, Bytes<'_>)>, Skip> {
    if !matches!(port, VXLAN_PORT | VXLAN_GPE_PORT | GENEVE_PORT) {
        return Ok(None);
    }
    let (&[flags, _, high, next, ..], rest) = match bytes.head::<8>() {
        Ok(header) => header,
        Err(Skip::CutShort) => return Err(Skip::CutShort),
        Err(_) => return Ok(None),
    };
    Ok(match port {
        // The network identifier must be marked valid (RFC 7348 section 5).
        VXLAN_PORT if flags & 0x08 != 0 => Some((Layer::Ethernet, rest)),
        // The fourth byte is the next protocol (draft-ietf-nvo3-vxlan-gpe section 3.1).
        VXLAN_GPE_PORT if flags & 0x0c != 0 => match next {
            1 => Some((Layer::Ip, rest)),
            2 => Some((Layer::Ipv6, rest)),
            3 => Some((Layer::Ethernet, rest)),
            _ => None,
        },
        // Version 0 (RFC 8926 section 3.4); the low six bits of the first byte count the words of options.
        GENEVE_PORT if flags >> 6 == 0 => {
            let typ = EtherType(u16::from_be_bytes([high, next]));
            Some((Layer::EtherType(typ), rest.after(4 * usize::from(flags & 0x3f))?))
        }
        _ => None,
    })
}
