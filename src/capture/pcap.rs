//! Classic pcap files (draft-ietf-opsawg-pcap): a header of 24 bytes, then packets, each behind a header of its own.

use super::info::{ByteOrder, CaptureInfo, Format, InterfaceInfo, Resolution};
use super::input::Compression;
use super::packet::{Damage, MAX_PACKET, Packet};
use crate::base::{LinkType, Time};

/// Length of the file header.
pub(super) const FILE_HEADER: usize = 24;
/// Length of a packet header.
const PACKET_HEADER: usize = 16;
/// Length of a packet header in the modified format: interface index, protocol and packet type follow.
const MODIFIED_HEADER: usize = 24;
/// The number a file begins with, in its byte order.
pub(super) const MAGIC: [(u32, Format); 3] =
    [(0xA1B2_C3D4, Format::PcapMicros), (0xA1B2_3C4D, Format::PcapNanos), (0xA1B2_CD34, Format::PcapModified)];
/// The kernel's PACKET_OUTGOING, in the modified format.
const PACKET_OUTGOING: u8 = 4;
/// The bit of the link type field that says that the frame check sequence's length is in its upper four bits.
const FCS_LENGTH_PRESENT: u32 = 0x0400_0000;

/// A pcap file's parser.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: ByteOrder,
    link: LinkType,
    /// Nanoseconds in a unit of the fraction field.
    fraction: i64,
    modified: bool,
}

/// The format and byte order a file begins with.
pub(super) fn magic(head: [u8; 4]) -> Option<(Format, ByteOrder)> {
    let of = |number| MAGIC.iter().find(|(magic, _)| *magic == number).map(|(_, format)| *format);
    let little = of(u32::from_le_bytes(head)).map(|format| (format, ByteOrder::Little));
    little.or_else(|| of(u32::from_be_bytes(head)).map(|format| (format, ByteOrder::Big)))
}

impl Pcap {
    /// Reads the file header that begins with a [`magic`] number.
    pub(super) fn new(format: Format, order: ByteOrder, head: &[u8; FILE_HEADER], compression: Option<Compression>) -> (Pcap, CaptureInfo) {
        // Magic, version, time zone and accuracy (both always 0 in practice, and ignored by every reader), snap length, link type.
        let [.., s0, s1, s2, s3, l0, l1, l2, l3] = *head;
        let link_field = order.u32([l0, l1, l2, l3]);
        let link = LinkType((link_field & 0xFFFF) as u16);
        let resolution = Resolution::Decimal(if format == Format::PcapNanos { 9 } else { 6 });
        let mut interface = InterfaceInfo::new(link, order.u32([s0, s1, s2, s3]), resolution);
        if link_field & FCS_LENGTH_PRESENT != 0 {
            interface.fcs_len = Some((link_field >> 28) as u8 * 2);
        }
        let mut info = CaptureInfo::new(format, order, compression);
        info.interfaces.push(interface);
        let fraction = if format == Format::PcapNanos { 1 } else { 1000 };
        (Pcap { order, link, fraction, modified: format == Format::PcapModified }, info)
    }

    /// Length of the header before each packet.
    #[inline]
    pub(super) fn packet_header(&self) -> usize {
        if self.modified { MODIFIED_HEADER } else { PACKET_HEADER }
    }

    /// Reads the header of the packet that `window` begins with, if all of it is there; says how long its record is.
    #[inline]
    pub(super) fn whole(&self, window: &[u8], packet: &mut Packet) -> Option<usize> {
        self.packet(window, packet).ok()?;
        let record = self.packet_header() + packet.len;
        (record <= window.len()).then_some(record)
    }

    /// Reads the header of the packet that `record` begins with; its bytes may not be there yet.
    #[inline]
    pub(super) fn packet(&self, record: &[u8], packet: &mut Packet) -> Result<(), Damage> {
        let Some([a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]) = record.first_chunk::<PACKET_HEADER>() else {
            return Err(Damage::TooShort("a packet header"));
        };
        let u32 = |bytes| self.order.u32(bytes);
        let seconds = i64::from(u32([*a0, *a1, *a2, *a3]));
        let fraction = i64::from(u32([*b0, *b1, *b2, *b3]));
        let captured = u32([*c0, *c1, *c2, *c3]);
        if captured as usize > MAX_PACKET {
            return Err(Damage::PacketLength(captured));
        }
        // 32-bit seconds and a 32-bit fraction: this cannot overflow.
        packet.time = Time::from_nanos(seconds * 1_000_000_000 + fraction * self.fraction);
        packet.link = self.link.0;
        packet.wire_len = u32([*d0, *d1, *d2, *d3]).max(captured);
        packet.skip = self.packet_header();
        packet.len = captured as usize;
        if self.modified {
            packet.outgoing = record.get(22).map(|&kind| kind == PACKET_OUTGOING);
        }
        Ok(())
    }
}
