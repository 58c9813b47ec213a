//! What a side's ordinary packets look like: the measure for judging a RST that claims to come from it.

use crate::decode::Segment;

/// Header habits of one direction (RSTs are not counted in).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender {
    ttl: u8,
    /// TTL of the newest packet, and how many before it in a row had that one (counted to 255).
    newest: u8,
    run: u8,
    timestamps: bool,
    outgoing: Option<bool>,
    /// Its [`Source`] has a MAC address.
    placed: bool,
    same: u32,
    other: u32,
}

/// Where one direction's packets come from: what need not be looked at for each of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    mac: Option<[u8; 6]>,
    interface: u32,
    /// 0 where its SYN was not seen or had none.
    mss: u16,
}

/// So many packets in a row show a route that changed, and no strays.
const ROW: u8 = 4;

impl Sender {
    /// Counts an ordinary packet in.
    #[inline(always)]
    pub fn learn(&mut self, segment: &Segment<'_>, source: &mut Source) {
        // Majority vote in constant space (Boyer and Moore): the most common TTL wins if it has the majority.
        if self.same == self.other && self.ttl != segment.ttl {
            self.ttl = segment.ttl;
            self.placed = source.place(segment.source_mac, segment.interface);
        }
        self.run = if self.newest == segment.ttl { self.run.saturating_add(1) } else { 1 };
        self.newest = segment.ttl;
        if self.ttl == segment.ttl {
            self.same = self.same.saturating_add(1);
        } else {
            self.other = self.other.saturating_add(1);
        }
        self.timestamps |= segment.options.timestamps.is_some();
        self.outgoing = segment.outgoing.or(self.outgoing);
        if let Some(mss) = segment.options.mss {
            source.mss = mss;
        }
        if !self.placed && segment.source_mac.is_some() {
            self.placed = source.place(segment.source_mac, segment.interface);
        }
    }

    /// The usual TTL and how many packets had it, if most had; that of the newest packets, where a row of them has another (a route changed).
    pub fn ttl(&self) -> Option<(u8, u32)> {
        if self.newest != self.ttl && self.run >= ROW {
            return Some((self.newest, self.run.into()));
        }
        (self.same > self.other).then_some((self.ttl, self.same))
    }

    /// Whether its packets carry TCP timestamps.
    pub fn timestamps(&self) -> bool {
        self.timestamps
    }

    /// Whether the capturing host is this side, where the link layer says so.
    pub fn local(&self) -> Option<bool> {
        self.outgoing
    }
}

impl Source {
    /// It is this; whether there is a MAC address.
    fn place(&mut self, mac: Option<[u8; 6]>, interface: u32) -> bool {
        (self.mac, self.interface) = (mac, interface);
        mac.is_some()
    }

    /// The MSS that its SYN announced; 0 where that is not known.
    pub fn mss(&self) -> u32 {
        self.mss.into()
    }

    /// Whether `segment` came from another MAC address on the same interface.
    pub fn other_mac(&self, segment: &Segment<'_>) -> bool {
        match (self.mac, segment.source_mac) {
            (Some(usual), Some(mac)) => usual != mac && self.interface == segment.interface,
            _ => false,
        }
    }

    /// The MAC address its packets come from, where the link layer has one.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.mac
    }
}
