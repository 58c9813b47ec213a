//! Builds captures in memory: pcap and pcapng in both byte orders.

use crate::capture::ByteOrder;

pub const BOTH: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

pub fn n16(order: ByteOrder, value: u16) -> [u8; 2] {
    if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() }
}

pub fn n32(order: ByteOrder, value: u32) -> [u8; 4] {
    if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() }
}

pub fn n64(order: ByteOrder, value: u64) -> [u8; 8] {
    if order == ByteOrder::Little { value.to_le_bytes() } else { value.to_be_bytes() }
}

/// `len` bytes that differ from packet to packet.
pub fn payload(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(7) ^ seed.wrapping_mul(31) ^ (i >> 8)) as u8).collect()
}

/// A pcap file.
pub struct Pcap {
    order: ByteOrder,
    magic: u32,
    pub bytes: Vec<u8>,
}

impl Pcap {
    pub fn new(order: ByteOrder, magic: u32, snap_len: u32, link: u32) -> Pcap {
        let mut bytes = n32(order, magic).to_vec();
        bytes.extend(n16(order, 2));
        bytes.extend(n16(order, 4));
        bytes.extend([0; 8]);
        bytes.extend(n32(order, snap_len));
        bytes.extend(n32(order, link));
        Pcap { order, magic, bytes }
    }

    /// Microseconds, little-endian, Ethernet.
    pub fn usual() -> Pcap {
        Pcap::new(ByteOrder::Little, 0xA1B2_C3D4, 65_535, 1)
    }

    pub fn packet(mut self, seconds: u32, fraction: u32, wire_len: u32, data: &[u8]) -> Pcap {
        for value in [seconds, fraction, data.len() as u32, wire_len] {
            self.bytes.extend(n32(self.order, value));
        }
        if self.magic == 0xA1B2_CD34 {
            // Interface index, protocol, packet type 4 (outgoing), padding.
            self.bytes.extend(n32(self.order, 2));
            self.bytes.extend(n16(self.order, 0x800));
            self.bytes.extend([4, 0]);
        }
        self.bytes.extend(data);
        self
    }
}

/// A pcapng file.
pub struct Ng {
    order: ByteOrder,
    pub bytes: Vec<u8>,
}

impl Ng {
    /// A file whose first section has this byte order and no options.
    pub fn new(order: ByteOrder) -> Ng {
        Ng { order, bytes: Vec::new() }.section(order, &[])
    }

    /// A little-endian file with one Ethernet interface.
    pub fn usual() -> Ng {
        Ng::new(ByteOrder::Little).interface(1, 0, &[])
    }

    pub fn block(mut self, kind: u32, body: &[u8]) -> Ng {
        let len = body.len().next_multiple_of(4);
        let total = n32(self.order, len as u32 + 12);
        self.bytes.extend(n32(self.order, kind));
        self.bytes.extend(total);
        self.bytes.extend(body);
        self.bytes.extend(vec![0; len - body.len()]);
        self.bytes.extend(total);
        self
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, value) in options {
            bytes.extend(n16(self.order, *code));
            bytes.extend(n16(self.order, value.len() as u16));
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            bytes.extend([0; 4]);
        }
        bytes
    }

    pub fn section(mut self, order: ByteOrder, options: &[(u16, &[u8])]) -> Ng {
        self.order = order;
        let mut body = n32(order, 0x1A2B_3C4D).to_vec();
        body.extend(n16(order, 1));
        body.extend(n16(order, 0));
        body.extend([0xFF; 8]);
        body.extend(self.options(options));
        self.block(0x0A0D_0D0A, &body)
    }

    pub fn interface(self, link: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Ng {
        let mut body = n16(self.order, link).to_vec();
        body.extend([0; 2]);
        body.extend(n32(self.order, snap_len));
        body.extend(self.options(options));
        self.block(1, &body)
    }

    pub fn packet(self, interface: u32, ticks: u64, wire_len: u32, data: &[u8], options: &[(u16, &[u8])]) -> Ng {
        let mut body = Vec::new();
        for value in [interface, (ticks >> 32) as u32, ticks as u32, data.len() as u32, wire_len] {
            body.extend(n32(self.order, value));
        }
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(self.options(options));
        self.block(6, &body)
    }

    pub fn simple_packet(self, wire_len: u32, data: &[u8]) -> Ng {
        let mut body = n32(self.order, wire_len).to_vec();
        body.extend(data);
        self.block(3, &body)
    }

    pub fn obsolete_packet(self, interface: u16, drops: u16, ticks: u64, data: &[u8], options: &[(u16, &[u8])]) -> Ng {
        let mut body = n16(self.order, interface).to_vec();
        body.extend(n16(self.order, drops));
        for value in [(ticks >> 32) as u32, ticks as u32, data.len() as u32, data.len() as u32] {
            body.extend(n32(self.order, value));
        }
        body.extend(data);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(self.options(options));
        self.block(2, &body)
    }

    pub fn statistics(self, interface: u32, options: &[(u16, &[u8])]) -> Ng {
        let mut body = n32(self.order, interface).to_vec();
        body.extend([0; 8]);
        body.extend(self.options(options));
        self.block(5, &body)
    }

    pub fn secrets(self, kind: u32, lines: &[u8]) -> Ng {
        let mut body = n32(self.order, kind).to_vec();
        body.extend(n32(self.order, lines.len() as u32));
        body.extend(lines);
        self.block(10, &body)
    }
}

/// One of each kind of capture, each with several frames.
pub fn every_kind() -> Vec<Vec<u8>> {
    let mut kinds = Vec::new();
    for order in BOTH {
        for magic in [0xA1B2_C3D4, 0xA1B2_3C4D, 0xA1B2_CD34] {
            let mut file = Pcap::new(order, magic, 40, 1);
            for i in 0..4_u32 {
                file = file.packet(1_700_000_000 + i, 5 * i, 60, &payload(i as usize, 13 + 9 * i as usize));
            }
            kinds.push(file.bytes);
        }
        let other = if order == ByteOrder::Little { ByteOrder::Big } else { ByteOrder::Little };
        let file = Ng::new(order)
            .interface(1, 0, &[(2, b"eth0"), (9, &[9])])
            .packet(0, 1_700_000_000_000_000_001, 90, &payload(1, 21), &[(1, b"a comment"), (2, &n32(order, 2))])
            .block(0x77, b"unknown")
            .secrets(0x544C_534B, b"CLIENT_RANDOM 00 11\n")
            .interface(101, 16, &[(11, b"\0tcp port 443")])
            .packet(1, 1_700_000_000_000_002, 20, &payload(2, 20), &[])
            .simple_packet(17, &payload(3, 17))
            .section(other, &[(4, b"test")])
            .interface(113, 0, &[(9, &[0x80 | 20]), (14, &n64(other, 1_000))])
            .obsolete_packet(0, 3, 77 << 20, &payload(4, 33), &[(2, &n32(other, 1))])
            .statistics(0, &[(4, &n64(other, 100)), (5, &n64(other, 2))])
            .packet(0, 78 << 20, 5, &payload(5, 5), &[(4, &n64(other, 9))]);
        kinds.push(file.bytes);
    }
    kinds
}
