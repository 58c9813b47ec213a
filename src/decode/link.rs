//! Link layers: Ethernet, 802.1Q tags, LLC/SNAP, Linux cooked captures, BSD loopback, PPP and PPPoE.

use etherparse::err::macsec;
use etherparse::{EtherType, Ethernet2HeaderSlice, MacsecHeaderSlice, SingleVlanHeaderSlice};

use super::bytes::Bytes;
use super::{Layer, Skip, tunnel};
use crate::base::{Frame, LinkType};

/// Values below this in an Ethernet type field are an IEEE 802.3 length.
const FIRST_ETHER_TYPE: u16 = 0x0600;
/// The pre-standard outer tags of stacked VLANs, beside 0x9100.
const QINQ_9200: u16 = 0x9200;
const MPLS_UNICAST: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const PPP: u16 = 0x880b;
/// A bridged Ethernet frame, with its header (GRE, Geneve).
const TRANSPARENT_ETHERNET: u16 = 0x6558;
/// What [`Skip::NotIp`] names where a link layer has no EtherType.
const NO_ETHER_TYPE: u16 = 0;

/// PPP for serial lines: HDLC framing, or Cisco HDLC.
pub(super) const LINK_PPP: LinkType = LinkType(9);
pub(super) const LINK_PPP_HDLC: LinkType = LinkType(50);
pub(super) const LINK_PPP_ETHER: LinkType = LinkType(51);

/// What the link layer says of a frame, beside its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Source MAC address, of the innermost Ethernet header.
    pub source_mac: Option<[u8; 6]>,
    /// The interface, of the file or of the host.
    pub interface: u32,
    /// Whether the capturing host sent it.
    pub outgoing: Option<bool>,
}

/// The outermost layer of a frame.
#[inline(always)]
pub(super) fn outermost<'a>(frame: &Frame<'a>) -> Result<(Link, Layer, Bytes<'a>), Skip> {
    let bytes = Bytes::new(frame.data, usize::try_from(frame.wire_len).unwrap_or(usize::MAX));
    let link = Link { source_mac: None, interface: frame.interface, outgoing: frame.outgoing };
    let (layer, bytes) = match frame.link {
        LinkType::ETHERNET => (Layer::Ethernet, bytes),
        LinkType::LINUX_SLL => return sll(link, bytes),
        LinkType::LINUX_SLL2 => return sll2(bytes),
        LinkType::NULL | LinkType::LOOP => loopback(bytes)?,
        LinkType::RAW | LinkType::DLT_RAW | LinkType::DLT_RAW_OPENBSD | LinkType::IPV4 => (Layer::Ip, bytes),
        LinkType::IPV6 => (Layer::Ipv6, bytes),
        LINK_PPP | LINK_PPP_HDLC => (Layer::Ppp, bytes),
        LINK_PPP_ETHER => pppoe(bytes)?,
        LinkType(other) => return Err(Skip::LinkType(other)),
    };
    Ok((link, layer, bytes))
}

/// An Ethernet header, II or 802.3: its source address, and what follows.
#[inline(always)]
pub(super) fn ethernet(bytes: Bytes<'_>) -> Result<(Option<[u8; 6]>, Layer, Bytes<'_>), Skip> {
    let header = Ethernet2HeaderSlice::from_slice(bytes.seen).map_err(|e| bytes.missing(e.required_len))?;
    let (layer, rest) = type_or_length(header.ether_type(), bytes.after(header.slice().len())?);
    Ok((Some(header.source()), layer, rest))
}

/// A VLAN tag (IEEE 802.1Q).
#[inline(always)]
pub(super) fn tag(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    let tag = SingleVlanHeaderSlice::from_slice(bytes.seen).map_err(|e| bytes.missing(e.required_len))?;
    Ok(type_or_length(tag.ether_type(), bytes.after(tag.slice().len())?))
}

/// The type field of an Ethernet header or VLAN tag, which may be an 802.3 length instead.
#[inline(always)]
fn type_or_length(typ: EtherType, bytes: Bytes<'_>) -> (Layer, Bytes<'_>) {
    match typ {
        EtherType(..FIRST_ETHER_TYPE) => (Layer::Llc, bytes.limit(usize::from(typ.0))),
        _ => (Layer::EtherType(typ), bytes),
    }
}

/// What an EtherType announces.
pub(super) fn ether_type(typ: EtherType, bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    match typ {
        EtherType::IPV4 => Ok((Layer::Ip, bytes)),
        EtherType::IPV6 => Ok((Layer::Ipv6, bytes)),
        EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME | EtherType(QINQ_9200) => {
            tag(bytes)
        }
        EtherType::MACSEC => {
            let tag = MacsecHeaderSlice::from_slice(bytes.seen).map_err(|e| match e {
                macsec::HeaderSliceError::Len(e) => bytes.missing(e.required_len),
                macsec::HeaderSliceError::Content(_) => Skip::Malformed,
            })?;
            match tag.next_ether_type() {
                Some(next) => Ok((Layer::EtherType(next), bytes.after(tag.header_len())?)),
                None => Err(Skip::Encrypted),
            }
        }
        EtherType(MPLS_UNICAST | MPLS_MULTICAST) => tunnel::mpls(bytes),
        EtherType(PPPOE_SESSION) => pppoe(bytes),
        EtherType(PPP) => Ok((Layer::Ppp, bytes)),
        EtherType(TRANSPARENT_ETHERNET) => Ok((Layer::Ethernet, bytes)),
        EtherType(other) => Err(Skip::NotIp(other)),
    }
}

/// An LLC header (IEEE 802.2), with SNAP where it announces that.
pub(super) fn llc(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    /// Unnumbered information: the only kind of LLC frame that carries packets.
    const UI: u8 = 0x03;
    const SAP_IP: u8 = 0x06;
    const SAP_SNAP: u8 = 0xaa;
    match bytes.head::<3>()? {
        ([SAP_IP, SAP_IP, UI], rest) => Ok((Layer::Ip, rest)),
        ([SAP_SNAP, SAP_SNAP, UI], rest) => {
            let (&[a, b, c, high, low], rest) = rest.head::<5>()?;
            let typ = u16::from_be_bytes([high, low]);
            match [a, b, c] {
                // Encapsulated Ethernet (RFC 1042) and bridge tunnels (IEEE 802.1H).
                [0, 0, 0] | [0, 0, 0xf8] => Ok((Layer::EtherType(EtherType(typ)), rest)),
                _ => Err(Skip::NotIp(NO_ETHER_TYPE)),
            }
        }
        _ => Err(Skip::NotIp(NO_ETHER_TYPE)),
    }
}

/// A Linux cooked header (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>).
fn sll(link: Link, bytes: Bytes<'_>) -> Result<(Link, Layer, Bytes<'_>), Skip> {
    let (head, rest) = bytes.head::<16>()?;
    let &[kind_high, kind, _, _, len_high, len, a, b, c, d, e, f, _, _, typ @ ..] = head;
    let source_mac = ([len_high, len] == [0, 6]).then_some([a, b, c, d, e, f]);
    let (layer, rest) = cooked_type(u16::from_be_bytes(typ), rest)?;
    Ok((Link { source_mac, outgoing: direction(u16::from_be_bytes([kind_high, kind])), ..link }, layer, rest))
}

/// A Linux cooked header, version 2 (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).
fn sll2(bytes: Bytes<'_>) -> Result<(Link, Layer, Bytes<'_>), Skip> {
    let (head, rest) = bytes.head::<20>()?;
    let &[typ_high, typ, _, _, i, j, k, l, _, _, kind, len, a, b, c, d, e, f, _, _] = head;
    let source_mac = (len == 6).then_some([a, b, c, d, e, f]);
    let (layer, rest) = cooked_type(u16::from_be_bytes([typ_high, typ]), rest)?;
    let interface = u32::from_be_bytes([i, j, k, l]);
    Ok((Link { source_mac, interface, outgoing: direction(u16::from(kind)) }, layer, rest))
}

/// The packet type of a frame that came for the capturing host.
const PACKET_HOST: u16 = 0;
/// The packet type of a frame that the capturing host sent itself.
const PACKET_OUTGOING: u16 = 4;

/// Whether the capturing host sent a frame of packet type `kind`; unknown where it only overheard it (a mirror port's, type 3).
fn direction(kind: u16) -> Option<bool> {
    match kind {
        PACKET_HOST => Some(false),
        PACKET_OUTGOING => Some(true),
        _ => None,
    }
}

/// The protocol field of a cooked header: an EtherType, or one of Linux' own small numbers.
fn cooked_type(typ: u16, bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    /// LLC, whatever the length.
    const ETH_P_802_2: u16 = 4;
    match typ {
        ETH_P_802_2 => Ok((Layer::Llc, bytes)),
        _ => Ok((Layer::EtherType(EtherType(typ)), bytes)),
    }
}

/// A BSD loopback header: an address family in the byte order of the host that captured.
fn loopback(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    let (&head, rest) = bytes.head::<4>()?;
    // A big-endian family begins with zeros; a little-endian one would be far too large.
    if let [0xff, 0x03, ..] = head {
        return Ok((Layer::Ppp, bytes));
    }
    // Families and EtherTypes fit in 16 bits, so the half that is zero gives the byte order away.
    let family = match head {
        [0, 0, high, low] => u16::from_be_bytes([high, low]),
        [low, high, 0, 0] => u16::from_le_bytes([low, high]),
        _ => return Err(Skip::NotIp(NO_ETHER_TYPE)),
    };
    match family {
        // AF_INET, then AF_INET6 of Linux, of NetBSD and OpenBSD, of FreeBSD, of macOS.
        2 => Ok((Layer::Ip, rest)),
        10 | 24 | 28 | 30 => Ok((Layer::Ipv6, rest)),
        typ if typ >= FIRST_ETHER_TYPE => Ok((Layer::EtherType(EtherType(typ)), rest)),
        _ => Err(Skip::NotIp(NO_ETHER_TYPE)),
    }
}

/// A PPPoE session header (RFC 2516 section 4). Its length leaves out padding.
fn pppoe(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    let (&[version, code, _, _, high, low], rest) = bytes.head::<6>()?;
    if version != 0x11 {
        return Err(Skip::Malformed);
    }
    // Other codes are of the discovery stage.
    if code != 0 {
        return Err(Skip::NotIp(PPPOE_SESSION));
    }
    Ok((Layer::Ppp, rest.limit(usize::from(u16::from_be_bytes([high, low])))))
}

/// A PPP frame (RFC 1661, RFC 1662), its address and control fields and the high byte of its protocol possibly compressed away.
pub(super) fn ppp(bytes: Bytes<'_>) -> Result<(Layer, Bytes<'_>), Skip> {
    let rest = match bytes.seen {
        // All stations: HDLC framing.
        [0xff, ..] => bytes.after(2)?,
        // Cisco's HDLC, unicast or multicast: an EtherType follows.
        [0x0f | 0x8f, ..] => {
            let (&[_, _, high, low], rest) = bytes.head::<4>()?;
            return Ok((Layer::EtherType(EtherType(u16::from_be_bytes([high, low]))), rest));
        }
        _ => bytes,
    };
    let (protocol, rest) = match rest.seen {
        // An odd byte is the last one of the number.
        &[low, ..] if low & 1 == 1 => (u16::from(low), rest.after(1)?),
        _ => {
            let (&number, rest) = rest.head::<2>()?;
            (u16::from_be_bytes(number), rest)
        }
    };
    match protocol {
        0x0021 => Ok((Layer::Ip, rest)),
        0x0057 => Ok((Layer::Ipv6, rest)),
        0x0281 | 0x0283 => tunnel::mpls(rest),
        _ => Err(Skip::NotIp(NO_ETHER_TYPE)),
    }
}
