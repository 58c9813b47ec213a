//! What a frame decodes to.

use std::net::IpAddr;

use crate::base::{At, FlowKey, Way};

/// The flags of a TCP header (RFC 9293 section 3.1), the low 12 bits of its 13th and 14th byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from sender.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// Reset the connection.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// Push function.
    pub const PSH: TcpFlags = TcpFlags(0x08);
    /// Acknowledgment field is significant.
    pub const ACK: TcpFlags = TcpFlags(0x10);

    /// Whether every flag of `other` is set.
    pub fn has(self, other: TcpFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether ACK is set, and no other flag but perhaps PSH: such a segment neither opens nor closes anything.
    #[inline]
    pub fn goes_on(self) -> bool {
        self.0 & !TcpFlags::PSH.0 == TcpFlags::ACK.0
    }
}

/// What the TCP checksum says about a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// It fits.
    Good,
    /// It does not fit and does not look like offload either.
    Bad,
    /// Left to the network card: the field holds zero or the sum of the pseudo-header alone. Not damage.
    Offloaded,
    /// Says nothing: the snap length cut the segment, it is a fragment's, or it does not fit but the segment is longer than an Ethernet
    /// frame holds, so that the receiving card may have joined it from several and left one part's checksum.
    #[default]
    Unknown,
}

/// The TCP options that matter here (RFC 9293 section 3.2, RFC 7323, RFC 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size, on SYNs.
    pub mss: Option<u16>,
    /// Window scale shift, on SYNs.
    pub window_scale: Option<u8>,
    /// Selective acknowledgements permitted, on SYNs.
    pub sack_permitted: bool,
    /// Timestamp value and echo reply.
    pub timestamps: Option<(u32, u32)>,
    /// The first SACK block: left and right edge.
    pub sack: Option<(u32, u32)>,
}

/// One TCP segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    /// The frame that carried it (the last one, where IP fragments were joined).
    pub at: At,
    /// The connection it belongs to.
    pub key: FlowKey,
    /// Which way along `key` it went.
    pub way: Way,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; meaningful with [`TcpFlags::ACK`].
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window field, unscaled.
    pub window: u16,
    /// Options.
    pub options: TcpOptions,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Payload length on the wire, from the IP header; larger than `payload` where the snap length cut it.
    pub payload_len: u32,
    /// What the checksum says.
    pub checksum: Checksum,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 identification; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// IPv4 don't-fragment flag (true for IPv6, which never fragments on the way).
    pub dont_fragment: bool,
    /// Source MAC address (Ethernet, SLL, SLL2), where the link layer has one of 6 bytes.
    pub source_mac: Option<[u8; 6]>,
    /// Capture interface: the file's (pcapng) or, for SLL2, the host's interface index.
    pub interface: u32,
    /// Whether the capturing host sent it, where the link layer (SLL, SLL2) or the file says so.
    pub outgoing: Option<bool>,
}

/// Type and code of an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IcmpKind {
    /// ICMPv6 (RFC 4443) rather than ICMP (RFC 792).
    pub v6: bool,
    /// Type.
    pub typ: u8,
    /// Code.
    pub code: u8,
}

/// An ICMP error that quotes a TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct IcmpError {
    /// The frame that carried it.
    pub at: At,
    /// Who sent the ICMP message: the router or firewall that complains.
    pub from: IpAddr,
    /// Type and code.
    pub kind: IcmpKind,
    /// The next-hop MTU of a "fragmentation needed" or "packet too big".
    pub mtu: Option<u32>,
    /// The connection of the quoted segment.
    pub key: FlowKey,
    /// Which way along `key` the quoted segment went.
    pub way: Way,
    /// Sequence number of the quoted segment.
    pub seq: u32,
    /// Flags of the quoted segment, where the quote reaches the end of the window field, at 16 bytes (ICMP guarantees only 8 bytes of TCP).
    /// Exactly then Wireshark counts the connection in `tcp.stream`.
    pub flags: Option<TcpFlags>,
}

impl IcmpError {
    /// The quoted segment asked for a connection.
    pub fn quotes_syn(&self) -> bool {
        self.flags.is_some_and(|flags| flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::ACK))
    }
}

/// UDP traffic this program counts and names, but does not analyse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UdpKind {
    /// A QUIC long-header packet (RFC 9000, RFC 8999).
    Quic,
    /// A DTLS record (RFC 9147, RFC 6347).
    Dtls,
    /// Anything else.
    Other,
}

/// Why a frame holds nothing for this program. Counted, never silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// A link type that is not decoded (802.11, USB …), by LINKTYPE_ number.
    LinkType(u16),
    /// Neither IPv4 nor IPv6 (ARP, LLDP …), by EtherType; 0 where there is none.
    NotIp(u16),
    /// Another transport protocol, by IP protocol number.
    NotTcp(u8),
    /// A fragment held until the rest of its datagram arrives. It may never.
    FragmentHeld,
    /// A fragment that could not be joined: limits, overlap, or nonsense.
    FragmentDropped,
    /// The snap length cut it before the ports.
    CutShort,
    /// Headers that contradict themselves.
    Malformed,
    /// Encrypted below TCP (ESP, MACsec).
    Encrypted,
    /// An ICMP message that is not an error about TCP.
    Icmp,
}

/// What a frame decodes to.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// An ICMP error quoting a TCP segment.
    Icmp(IcmpError),
    /// A UDP datagram.
    Udp(UdpKind),
    /// Nothing for us, and why.
    Skipped(Skip),
}
