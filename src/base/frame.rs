//! One captured frame, and the place in a capture that evidence points to.

use super::Time;

/// Where something was seen: a frame of a capture file, and when.
///
/// `file` counts the files of one analysis from 0, in reading order; `frame` counts the frames of that file from 1, as Wireshark does
/// (Wireshark's own frame number is 32 bits wide; beyond that the count saturates).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Capture time of the frame.
    pub time: Time,
    /// Frame number within its file, from 1.
    pub frame: u32,
    /// Which file of this analysis, from 0.
    pub file: u16,
}

impl At {
    /// Frame `frame` (from 1) of file `file` (from 0), captured at `time`.
    pub const fn new(time: Time, frame: u32, file: u16) -> At {
        At { time, frame, file }
    }
}

/// A link-layer type as pcap and pcapng files number it (LINKTYPE_ values, <https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet II and IEEE 802.3.
    pub const ETHERNET: LinkType = LinkType(1);
    /// Raw IP as some systems number it (DLT_RAW of most, kept by old files).
    pub const DLT_RAW: LinkType = LinkType(12);
    /// Raw IP as OpenBSD numbers DLT_RAW.
    pub const DLT_RAW_OPENBSD: LinkType = LinkType(14);
    /// Raw IP: IPv4 or IPv6, told apart by the version nibble.
    pub const RAW: LinkType = LinkType(101);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: LinkType = LinkType(108);
    /// Linux cooked capture v1.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// IEEE 802.11.
    pub const IEEE802_11: LinkType = LinkType(105);
    /// IEEE 802.11 with a Prism header.
    pub const IEEE802_11_PRISM: LinkType = LinkType(119);
    /// IEEE 802.11 with a radiotap header.
    pub const IEEE802_11_RADIOTAP: LinkType = LinkType(127);
    /// Raw IPv4.
    pub const IPV4: LinkType = LinkType(228);
    /// Raw IPv6.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux cooked capture v2: carries the interface index of every frame.
    pub const LINUX_SLL2: LinkType = LinkType(276);
}

/// One frame as the capture holds it. The bytes are borrowed from the reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame<'a> {
    /// Which frame, and when it was captured.
    pub at: At,
    /// Link type of the interface it was captured on.
    pub link: LinkType,
    /// Length on the wire, in bytes; larger than `data` where the snap length cut it.
    pub wire_len: u32,
    /// The interface within its file, from 0 (always 0 in classic pcap files).
    pub interface: u32,
    /// Whether the capturing host sent it, where the file says so (pcapng `epb_flags`).
    pub outgoing: Option<bool>,
    /// The captured bytes.
    pub data: &'a [u8],
}
