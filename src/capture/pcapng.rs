//! pcapng files (draft-ietf-opsawg-pcapng): blocks of several types, in sections that each have a byte order and interfaces of their own.

use zeroize::Zeroizing;

use super::info::{ByteOrder, CaptureInfo, InterfaceInfo, InterfaceStatistics, Resolution, text};
use super::packet::{Clock, Damage, MAX_PACKET, Packet};
use crate::base::{LinkType, Time};

/// The first four bytes of a Section Header Block, the same in both byte orders.
pub(super) const SECTION_MAGIC: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];
/// Block type, block length, and as much again as tells a section's byte order.
pub(super) const BLOCK_HEAD: usize = 12;
/// Block type and length before a block's body, the length again after it.
const FRAMING: usize = 12;
/// A block longer than this is taken for damage: the largest packet, and as much room for its options as one can have.
const MAX_BLOCK: usize = MAX_PACKET + (1 << 20);
/// Interfaces of all sections together; more are taken for damage.
const MAX_INTERFACES: usize = 65_536;
/// Bytes of key log lines that are kept.
const MAX_SECRETS: usize = 8 << 20;

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;
pub(super) const DECRYPTION_SECRETS: u32 = 10;
/// Blocks that hold no packet but take a frame number in Wireshark: systemd journal, sysdig events in six versions, custom blocks.
const NUMBERED: [u32; 9] = [9, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222, 0xBAD, 0x4000_0BAD];
/// A Decryption Secrets Block's type for a TLS key log ("TLSK").
pub(super) const TLS_KEY_LOG: u32 = 0x544C_534B;
/// Interface, time and lengths of a packet block.
const PACKET_HEAD: usize = 20;
/// `opt_comment`, the same in every block.
pub(super) const COMMENT: u16 = 1;

/// What [`Section::head`] read of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    kind: u32,
    /// Length with framing.
    pub(super) len: usize,
}

/// The current section's parser. It holds secrets, so it cannot be printed.
pub(super) struct Section {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// How many interfaces earlier sections had: interface numbers start again in each.
    earlier: usize,
    /// The latest packet's time: a Simple Packet Block has none.
    latest: Time,
    /// Key log lines of all sections.
    secrets: Zeroizing<Vec<u8>>,
}

/// What a packet needs to know of its interface.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u16,
    snap_len: u32,
    clock: Clock,
}

impl Section {
    /// Nothing is known before the first section header.
    pub(super) fn new() -> Section {
        Section { order: ByteOrder::Little, interfaces: Vec::new(), earlier: 0, latest: Time::default(), secrets: Zeroizing::default() }
    }

    pub(super) fn secrets(&self) -> &[u8] {
        &self.secrets
    }

    /// Reads a block's type and length. A section header changes the byte order before its length is read.
    #[inline]
    pub(super) fn head(&mut self, head: &[u8; BLOCK_HEAD]) -> Result<Block, Damage> {
        let [k0, k1, k2, k3, l0, l1, l2, l3, magic @ ..] = *head;
        if [k0, k1, k2, k3] == SECTION_MAGIC {
            self.order = match magic {
                [0x4D, 0x3C, 0x2B, 0x1A] => ByteOrder::Little,
                [0x1A, 0x2B, 0x3C, 0x4D] => ByteOrder::Big,
                _ => return Err(Damage::NoByteOrder),
            };
        }
        let kind = self.order.u32([k0, k1, k2, k3]);
        let claimed = self.order.u32([l0, l1, l2, l3]);
        let len = claimed as usize;
        if !(FRAMING..=MAX_BLOCK).contains(&len) || !len.is_multiple_of(4) {
            return Err(Damage::BlockLength { kind, claimed });
        }
        Ok(Block { kind, len })
    }

    /// Reads the Enhanced Packet Block that `window` begins with, if it does and all of it is there; says how long it is.
    #[inline]
    pub(super) fn whole(&mut self, window: &[u8], packet: &mut Packet, info: &mut CaptureInfo) -> Option<usize> {
        let head = window.first_chunk::<BLOCK_HEAD>()?;
        let [k0, k1, k2, k3, ..] = *head;
        if self.order.u32([k0, k1, k2, k3]) != ENHANCED_PACKET {
            return None;
        }
        let block = self.head(head).ok()?;
        let len = block.len;
        // What is wrong with it is said when it is read again: so far nothing has changed.
        self.block(block, window.get(..len)?, packet, info).ok()?;
        Some(len)
    }

    /// Reads a whole block. Whether it holds a packet: its place is counted from the beginning of the block.
    #[inline]
    pub(super) fn block(&mut self, block: Block, bytes: &[u8], packet: &mut Packet, info: &mut CaptureInfo) -> Result<bool, Damage> {
        let body = bytes.get(8..block.len.saturating_sub(4)).unwrap_or_default();
        let again = bytes.last_chunk().map(|again| self.order.u32(*again) as usize);
        if again != Some(block.len) {
            return Err(Damage::TwoLengths(block.kind));
        }
        match block.kind {
            ENHANCED_PACKET => self.enhanced_packet(body, packet, info)?,
            SIMPLE_PACKET => self.simple_packet(body, packet)?,
            OBSOLETE_PACKET => self.obsolete_packet(body, packet, info)?,
            kind => {
                self.other(kind, body, info)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[cold]
    fn other(&mut self, kind: u32, body: &[u8], info: &mut CaptureInfo) -> Result<(), Damage> {
        match kind {
            SECTION_HEADER => self.section_header(body, info)?,
            INTERFACE_DESCRIPTION => self.interface_description(body, info)?,
            INTERFACE_STATISTICS => self.interface_statistics(body, info),
            DECRYPTION_SECRETS => self.decryption_secrets(body, info),
            kind if NUMBERED.contains(&kind) => {
                info.frames += 1;
                info.other_records += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn options<'a>(&self, bytes: &'a [u8]) -> Options<'a> {
        Options { bytes, order: self.order }
    }

    fn section_header(&mut self, body: &[u8], info: &mut CaptureInfo) -> Result<(), Damage> {
        // Byte-order mark, version, section length (which is not needed to find the next section).
        let Some(([_, _, _, _, v0, v1, _, _, _, _, _, _, _, _, _, _], options)) = body.split_first_chunk::<16>() else {
            return Err(Damage::TooShort("a section header"));
        };
        let major = self.order.u16([*v0, *v1]);
        if major != 1 {
            return Err(Damage::Version(major));
        }
        info.sections = info.sections.saturating_add(1);
        info.byte_order = self.order;
        self.earlier = info.interfaces.len();
        self.interfaces.clear();
        for (code, value) in self.options(options) {
            match code {
                COMMENT => info.comment(None, value),
                2 if info.hardware.is_none() => info.hardware = text(value),
                3 if info.os.is_none() => info.os = text(value),
                4 if info.application.is_none() => info.application = text(value),
                _ => {}
            }
        }
        Ok(())
    }

    fn interface_description(&mut self, body: &[u8], info: &mut CaptureInfo) -> Result<(), Damage> {
        let Some(([l0, l1, _, _, s0, s1, s2, s3], options)) = body.split_first_chunk::<8>() else {
            return Err(Damage::TooShort("an interface description"));
        };
        if info.interfaces.len() >= MAX_INTERFACES {
            return Err(Damage::Interfaces(MAX_INTERFACES as u32));
        }
        let link = LinkType(self.order.u16([*l0, *l1]));
        let snap_len = self.order.u32([*s0, *s1, *s2, *s3]);
        let mut interface = InterfaceInfo::new(link, snap_len, Resolution::Decimal(6));
        let mut offset = 0;
        for (code, value) in self.options(options) {
            match (code, value) {
                (COMMENT, _) => info.comment(None, value),
                (2, _) => interface.name = text(value),
                (3, _) => interface.description = text(value),
                (9, [resolution, ..]) => interface.resolution = Resolution::from_tsresol(*resolution),
                // The first byte says what the filter is: 0 is text, 1 a compiled program.
                (11, [0, filter @ ..]) => interface.filter = text(filter),
                (12, _) => interface.os = text(value),
                (13, [len, ..]) => interface.fcs_len = Some(*len),
                (14, _) => offset = self.option_u64(value).unwrap_or_default().cast_signed(),
                (15, _) => interface.hardware = text(value),
                _ => {}
            }
        }
        self.interfaces.push(Interface { link: link.0, snap_len, clock: Clock::new(interface.resolution, offset) });
        info.interfaces.push(interface);
        Ok(())
    }

    #[inline]
    fn enhanced_packet(&mut self, body: &[u8], packet: &mut Packet, info: &mut CaptureInfo) -> Result<(), Damage> {
        let Some((head, rest)) = body.split_first_chunk::<PACKET_HEAD>() else {
            return Err(Damage::TooShort("a packet block"));
        };
        let [i0, i1, i2, i3, times_and_lengths @ ..] = head;
        let id = self.order.u32([*i0, *i1, *i2, *i3]);
        let options = self.timed_packet(id, times_and_lengths, rest, packet)?;
        if options.len() >= 4 {
            self.packet_options(options, packet, 4, info);
        }
        Ok(())
    }

    /// The predecessor of the enhanced packet block: a 16-bit interface number, and a drop count in the header.
    #[cold]
    fn obsolete_packet(&mut self, body: &[u8], packet: &mut Packet, info: &mut CaptureInfo) -> Result<(), Damage> {
        let Some((head, rest)) = body.split_first_chunk::<PACKET_HEAD>() else {
            return Err(Damage::TooShort("a packet block"));
        };
        let [i0, i1, d0, d1, times_and_lengths @ ..] = head;
        let id = u32::from(self.order.u16([*i0, *i1]));
        let options = self.timed_packet(id, times_and_lengths, rest, packet)?;
        let dropped = self.order.u16([*d0, *d1]);
        // 0xFFFF: not known.
        if dropped != u16::MAX {
            add_dropped(info, packet.interface, dropped.into());
        }
        self.packet_options(options, packet, u16::MAX, info);
        Ok(())
    }

    /// What both packet blocks share: the time and the lengths, the packet that `rest` begins with, and the options after it.
    #[inline]
    fn timed_packet<'a>(&mut self, id: u32, times_and_lengths: &[u8; 16], rest: &'a [u8], packet: &mut Packet) -> Result<&'a [u8], Damage> {
        let [h0, h1, h2, h3, t0, t1, t2, t3, c0, c1, c2, c3, w0, w1, w2, w3] = *times_and_lengths;
        let order = self.order;
        let ticks = u64::from(order.u32([h0, h1, h2, h3])) << 32 | u64::from(order.u32([t0, t1, t2, t3]));
        let captured = order.u32([c0, c1, c2, c3]);
        let Some(interface) = self.interfaces.get(id as usize) else {
            return Err(Damage::NoInterface(id));
        };
        let len = captured as usize;
        if len > rest.len() {
            return Err(Damage::PacketOutside { claimed: captured, room: rest.len() as u32 });
        }
        self.latest = interface.clock.time(ticks);
        packet.time = self.latest;
        packet.link = interface.link;
        packet.wire_len = order.u32([w0, w1, w2, w3]).max(captured);
        packet.interface = (self.earlier as u32).saturating_add(id);
        packet.outgoing = None;
        // The block's type and length come before its body.
        packet.skip = 8 + PACKET_HEAD;
        packet.len = len;
        Ok(rest.get(len.next_multiple_of(4)..).unwrap_or_default())
    }

    #[cold]
    fn simple_packet(&self, body: &[u8], packet: &mut Packet) -> Result<(), Damage> {
        let Some((wire_len, rest)) = body.split_first_chunk() else {
            return Err(Damage::TooShort("a packet block"));
        };
        let Some(interface) = self.interfaces.first() else {
            return Err(Damage::NoInterface(0));
        };
        let wire_len = self.order.u32(*wire_len);
        let snap_len = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
        // The captured length is not written down: the block's length is rounded up to 4 bytes.
        let len = (wire_len.min(snap_len) as usize).min(rest.len());
        let interface_number = self.earlier as u32;
        let (time, link) = (self.latest, interface.link);
        *packet = Packet { time, link, wire_len, interface: interface_number, outgoing: None, skip: 8 + 4, len };
        Ok(())
    }

    /// The options after a packet; `drop_count` is the code of the option that counts dropped packets.
    #[inline(never)]
    fn packet_options(&self, options: &[u8], packet: &mut Packet, drop_count: u16, info: &mut CaptureInfo) {
        for (code, value) in self.options(options) {
            match code {
                COMMENT => info.comment(Some(frame_number(info.frames + 1)), value),
                2 => {
                    packet.outgoing = value.first_chunk().and_then(|flags| match self.order.u32(*flags) & 3 {
                        1 => Some(false),
                        2 => Some(true),
                        _ => None,
                    })
                }
                code if code == drop_count => add_dropped(info, packet.interface, self.option_u64(value).unwrap_or_default()),
                _ => {}
            }
        }
    }

    fn interface_statistics(&mut self, body: &[u8], info: &mut CaptureInfo) {
        let Some(([i0, i1, i2, i3, ..], options)) = body.split_first_chunk::<12>() else { return };
        let id = self.order.u32([*i0, *i1, *i2, *i3]) as usize;
        let mut statistics = InterfaceStatistics::default();
        for (code, value) in self.options(options) {
            let count = self.option_u64(value);
            match code {
                COMMENT => info.comment(None, value),
                4 => statistics.received = count,
                5 => statistics.dropped_by_interface = count,
                6 => statistics.accepted = count,
                7 => statistics.dropped_by_os = count,
                8 => statistics.delivered = count,
                _ => {}
            }
        }
        if let Some(interface) = info.interfaces.get_mut(self.earlier.saturating_add(id)) {
            interface.statistics = Some(statistics);
        }
    }

    fn decryption_secrets(&mut self, body: &[u8], info: &mut CaptureInfo) {
        info.secrets_blocks += 1;
        let Some(([k0, k1, k2, k3, l0, l1, l2, l3], rest)) = body.split_first_chunk::<8>() else { return };
        if self.order.u32([*k0, *k1, *k2, *k3]) != TLS_KEY_LOG {
            return;
        }
        let len = self.order.u32([*l0, *l1, *l2, *l3]) as usize;
        let lines = rest.get(..len).unwrap_or(rest);
        if self.secrets.len() + lines.len() >= MAX_SECRETS {
            info.secrets_cut = true;
            return;
        }
        self.secrets.extend_from_slice(lines);
        if !self.secrets.ends_with(b"\n") {
            self.secrets.push(b'\n');
        }
    }

    fn option_u64(&self, value: &[u8]) -> Option<u64> {
        value.first_chunk().map(|bytes| self.order.u64(*bytes))
    }
}

/// A frame's number as Wireshark's 32 bits hold it.
pub(super) fn frame_number(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn add_dropped(info: &mut CaptureInfo, interface: u32, count: u64) {
    if let Some(interface) = info.interfaces.get_mut(interface as usize) {
        interface.dropped = interface.dropped.saturating_add(count);
    }
}

/// The options of a block: code and value. It ends at `opt_endofopt`, and where one does not fit: a bad option stops nothing else.
struct Options<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let ([c0, c1, l0, l1], rest) = self.bytes.split_first_chunk::<4>()?;
        let code = self.order.u16([*c0, *c1]);
        let len = usize::from(self.order.u16([*l0, *l1]));
        if code == 0 {
            return None;
        }
        let value = rest.get(..len)?;
        // The last option's padding may be missing.
        self.bytes = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}
