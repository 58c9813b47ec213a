//! The pipeline: frames in, judged sessions out. Flow table, clock and budget.

use std::collections::{BTreeMap, HashSet, VecDeque};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::base::{At, Endpoint, FlowKey, Frame, Limits, Span, Time};
use crate::decode::{Decoded, Decoder, IcmpError, Segment, Skip, TcpFlags, UdpKind};
use crate::diagnose::{Context, Verdict, judge};
use crate::session::{Flow, Session, Surroundings};
use crate::tcp::Streams;

/// Ports on which a connection is meant to be TLS, whatever it turns out to be.
const TLS_PORTS: [u16; 26] = [
    443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3269, 5061, 5223, 5671, 6443, 6514, 6697, 8443, 8883, 9093, 9443, 4433,
    5349, 10443,
];
/// A connection that is over stays this long (capture time), for the reactions that still come.
const LINGER: Span = Span::from_secs(3);
/// … unless this many wait: then the oldest has waited long enough. What is held of them must not grow with the rate of connections.
const LINGERING: usize = 1_024;
/// A SYN that nobody answers is given up this long after the newest one (Linux: 127 s for six retries).
const SYN_PATIENCE: Span = Span::from_secs(130);

/// How to analyse.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Memory bounds.
    pub limits: Limits,
    /// More ports on which TLS is expected.
    pub tls_ports: Vec<u16>,
}

/// A session that ended, and the verdict on it.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What happened.
    pub session: Session,
    /// What it means.
    pub verdict: Verdict,
}

/// Counts over the whole capture.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Frames read.
    pub frames: u64,
    /// TCP connections, TLS or not.
    pub tcp_connections: u64,
    /// TLS sessions, and those that were meant to be.
    pub sessions: u64,
    /// TCP connections without TLS, left out.
    pub plain_connections: u64,
    /// Frames that held nothing to analyse, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// QUIC packets: not analysed.
    pub quic: u64,
    /// DTLS packets: not analysed.
    pub dtls: u64,
    /// Other UDP datagrams.
    pub udp_other: u64,
    /// ICMP errors about TCP.
    pub icmp_errors: u64,
    /// Segments with wrong checksums that were left out.
    pub bad_checksums: u64,
    /// Packets captured twice.
    pub duplicates: u64,
    /// First and last capture time.
    pub first: Option<Time>,
    /// See `first`.
    pub last: Option<Time>,
    /// Bounds that were reached, and how often.
    pub limits_reached: Vec<(&'static str, u64)>,
}

/// Frames in, judged sessions out.
#[derive(Debug)]
pub struct Analyzer {
    options: Options,
    decoder: Decoder,
    flows: HashMap<FlowKey, u32, RandomState>,
    slots: Vec<Option<Box<Flow>>>,
    free: Vec<u32>,
    newest: Option<(FlowKey, u32)>,
    streams: Streams,
    /// Connections that are over, in the order in which they will be reported.
    dying: VecDeque<(Time, FlowKey, u32)>,
    /// Half-open connections, in the order in which they will be given up.
    half_open: VecDeque<(Time, FlowKey, u32)>,
    /// Bytes held beyond holes, over all flows.
    held: usize,
    /// Addresses and ports that spoke TLS.
    servers: HashSet<Endpoint, RandomState>,
    /// Sessions without TLS, until it is known whether their server speaks it elsewhere.
    candidates: Vec<Session>,
    /// Candidates beyond the bound.
    dropped_candidates: u64,
    evicted: u64,
    kernel_drops: bool,
    finished: Vec<Finished>,
    /// At the end: what is still to be judged, the first connection last.
    #[expect(clippy::vec_box, reason = "moved from the slots as they are: flows are large")]
    rest: Vec<Box<Flow>>,
    totals: Totals,
    end: At,
}

impl Analyzer {
    /// An analysis that has seen nothing.
    pub fn new(options: Options) -> Analyzer {
        Analyzer {
            streams: Streams::new(options.limits.tombstones),
            options,
            decoder: Decoder::new(),
            flows: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: None,
            dying: VecDeque::new(),
            half_open: VecDeque::new(),
            held: 0,
            servers: HashSet::default(),
            candidates: Vec::new(),
            dropped_candidates: 0,
            evicted: 0,
            kernel_drops: false,
            finished: Vec::new(),
            rest: Vec::new(),
            totals: Totals::default(),
            end: At::default(),
        }
    }

    /// Takes in a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        self.totals.frames += 1;
        self.totals.first.get_or_insert(frame.at.time);
        self.totals.last = self.totals.last.max(Some(frame.at.time));
        self.end = At::new(self.end.time.max(frame.at.time), frame.at.frame, frame.at.file);
        // The decoder lends out what it decoded; it comes back when that is done with.
        let mut decoder = std::mem::take(&mut self.decoder);
        match decoder.decode(frame) {
            Decoded::Tcp(segment) => self.segment(&segment),
            Decoded::Icmp(error) => self.icmp(&error),
            Decoded::Udp(UdpKind::Quic) => self.totals.quic += 1,
            Decoded::Udp(UdpKind::Dtls) => self.totals.dtls += 1,
            Decoded::Udp(UdpKind::Other) => self.totals.udp_other += 1,
            Decoded::Skipped(why) => *self.totals.skipped.entry(why).or_default() += 1,
        }
        self.decoder = decoder;
        self.tick(frame.at.time);
    }

    /// Lets capture time pass: connections whose end has settled are judged.
    pub fn tick(&mut self, now: Time) {
        while let Some((due, key, slot)) = self.dying.front().copied().filter(|(due, ..)| *due <= now || self.dying.len() > LINGERING) {
            let _ = due;
            self.dying.pop_front();
            if let Some(flow) = self.remove(slot, &key, |flow| flow.dying) {
                self.report(flow, false);
            }
        }
        while let Some((_, key, slot)) = self.half_open.front().copied().filter(|(due, ..)| *due <= now) {
            self.half_open.pop_front();
            let Some(flow) = self.flow(slot).filter(|flow| flow.conn.key == key) else { continue };
            if flow.conn.established.is_some() || flow.dying {
                continue;
            }
            let due = flow.conn.last.time.plus(SYN_PATIENCE);
            if due > now {
                self.half_open.push_back((due, key, slot));
            } else if let Some(flow) = self.remove(slot, &key, |_| true) {
                self.report(flow, false);
            }
        }
    }

    /// The capture itself says that it lost packets.
    pub fn note_kernel_drops(&mut self) {
        self.kernel_drops = true;
    }

    /// The capture is over: everything still open is judged as it stands.
    pub fn finish(&mut self) {
        while self.finish_some() {}
    }

    /// The same in small steps, so that whoever takes the sessions between them never holds all at once. `false` after the last one;
    /// after the first, no frame may come any more.
    pub fn finish_some(&mut self) -> bool {
        /// Sessions judged in one step.
        const STEP: usize = 64;
        let mut rest = std::mem::take(&mut self.rest);
        if !self.flows.is_empty() {
            rest = self.slots.iter_mut().filter_map(Option::take).collect();
            // The first one is taken first: from the end.
            rest.sort_unstable_by_key(|flow| std::cmp::Reverse((flow.conn.first.file, flow.conn.first.frame)));
            self.flows.clear();
            self.newest = None;
        }
        for flow in rest.drain(rest.len().saturating_sub(STEP)..).rev() {
            self.report(flow, false);
        }
        self.rest = rest;
        if !self.rest.is_empty() {
            return true;
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_by_key(|session| (session.first.file, session.first.frame));
        for session in candidates {
            if self.servers.contains(&session.ends.server) {
                self.emit(session);
            } else {
                self.totals.plain_connections += 1;
            }
        }
        self.totals.plain_connections += self.dropped_candidates;
        self.count();
        false
    }

    /// Sessions judged since the last call.
    pub fn take(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// Whether there are any.
    pub fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Counts so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Brings the counts that are kept elsewhere up to date.
    fn count(&mut self) {
        self.totals.tcp_connections = u64::from(self.streams.count());
        self.totals.limits_reached.clear();
        let reached = [
            ("connections followed at once", self.evicted),
            ("connections kept to see whether their server speaks TLS", self.dropped_candidates),
        ];
        self.totals.limits_reached.extend(reached.into_iter().filter(|(_, times)| *times > 0));
    }

    fn flow(&self, slot: u32) -> Option<&Flow> {
        self.slots.get(slot as usize)?.as_deref()
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        let syn = (segment.flags.has(TcpFlags::SYN) && !segment.flags.has(TcpFlags::ACK)).then_some(segment.seq);
        let Some(slot) = self.find(&segment.key, segment, syn) else { return };
        let room = self.options.limits.reorder_total.saturating_sub(self.held);
        let Some(flow) = self.slots.get_mut(slot as usize).and_then(Option::as_deref_mut) else { return };
        let before = flow.conn.held();
        flow.push(segment, &self.options.limits, room);
        self.held = (self.held + flow.conn.held()).saturating_sub(before);
        if !flow.dying && flow.is_over() {
            flow.dying = true;
            self.dying.push_back((segment.at.time.plus(LINGER), segment.key, slot));
        }
    }

    /// The slot of the connection a segment belongs to; `None` for a late packet of one that is forgotten.
    fn find(&mut self, key: &FlowKey, segment: &Segment<'_>, syn: Option<u32>) -> Option<u32> {
        let known = match &self.newest {
            Some((newest, slot)) if newest == key => Some(*slot),
            _ => self.flows.get(key).copied(),
        };
        if let Some(slot) = known {
            let reused = syn.is_some_and(|syn| self.flow(slot).is_some_and(|flow| flow.conn.is_reused_by(segment.way, syn)));
            if !reused {
                self.newest = Some((*key, slot));
                return Some(slot);
            }
            if let Some(flow) = self.remove(slot, key, |_| true) {
                self.report(flow, true);
            }
            // What replaces it is a new connection, not a late packet of the old one.
            self.streams.exhume(key);
        } else if self.streams.is_late(key, segment.way, syn) {
            return None;
        }
        self.make_room();
        let number = self.streams.number();
        let slot = self.open(*key, Flow::new(*key, number, segment.at, &self.options.limits));
        if syn.is_some() {
            self.half_open.push_back((segment.at.time.plus(SYN_PATIENCE), *key, slot));
        }
        Some(slot)
    }

    fn open(&mut self, key: FlowKey, flow: Flow) -> u32 {
        let flow = Some(Box::new(flow));
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slots.get_mut(slot as usize) {
                    *place = flow;
                }
                slot
            }
            None => {
                self.slots.push(flow);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        match self.flows.entry(key) {
            Entry::Occupied(mut entry) => *entry.get_mut() = slot,
            Entry::Vacant(entry) => {
                entry.insert(slot);
            }
        }
        self.newest = Some((key, slot));
        slot
    }

    /// Takes a connection out of the table if it is still the one meant.
    fn remove(&mut self, slot: u32, key: &FlowKey, meant: impl Fn(&Flow) -> bool) -> Option<Box<Flow>> {
        let place = self.slots.get_mut(slot as usize)?;
        if !place.as_ref().is_some_and(|flow| flow.conn.key == *key && meant(flow)) {
            return None;
        }
        let flow = place.take()?;
        self.free.push(slot);
        self.flows.remove(key);
        if self.newest.is_some_and(|(newest, _)| newest == *key) {
            self.newest = None;
        }
        Some(flow)
    }

    /// Keeps the table within its bound: half-open connections go first, then those that are over, then the longest idle of a few.
    fn make_room(&mut self) {
        while self.flows.len() >= self.options.limits.connections {
            self.evicted += 1;
            let half_open = self.half_open.pop_front().map(|(_, key, slot)| (key, slot));
            let victim = half_open
                .filter(|(key, slot)| self.flow(*slot).is_some_and(|flow| flow.conn.key == *key && flow.conn.established.is_none()))
                .or_else(|| self.dying.pop_front().map(|(_, key, slot)| (key, slot)))
                .or_else(|| self.longest_idle());
            let Some((key, slot)) = victim else { return };
            if let Some(flow) = self.remove(slot, &key, |_| true) {
                self.report(flow, false);
            }
        }
    }

    /// The longest idle of a sample: a full search for every new connection would make a flood expensive.
    fn longest_idle(&self) -> Option<(FlowKey, u32)> {
        let start = (self.evicted as usize).wrapping_mul(64) % self.slots.len().max(1);
        let order = (start..self.slots.len()).chain(0..start).take(64);
        order
            .filter_map(|slot| Some((slot, self.slots.get(slot)?.as_deref()?)))
            .min_by_key(|(_, flow)| flow.conn.last.time)
            .map(|(slot, flow)| (flow.conn.key, slot as u32))
    }

    fn icmp(&mut self, error: &IcmpError) {
        self.totals.icmp_errors += 1;
        let syn = error.flags.is_some_and(|flags| flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::ACK));
        let slot = match self.flows.get(&error.key).copied() {
            Some(slot) => slot,
            None if self.streams.is_late(&error.key, error.way, syn.then_some(error.seq)) => return,
            None => {
                self.make_room();
                let number = self.streams.number();
                self.open(error.key, Flow::new(error.key, number, error.at, &self.options.limits))
            }
        };
        if let Some(flow) = self.slots.get_mut(slot as usize).and_then(Option::as_deref_mut) {
            flow.conn.quote(error.way, error.seq, syn);
            flow.push_icmp(error);
        }
    }

    fn report(&mut self, mut flow: Box<Flow>, replaced: bool) {
        self.held = self.held.saturating_sub(flow.conn.held());
        flow.close_holes(self.end, &self.options.limits);
        self.streams.bury(&flow.conn.key, flow.conn.stream, flow.conn.bases());
        let extra = &self.options.tls_ports;
        let is_tls_port = |port: u16| TLS_PORTS.contains(&port) || extra.contains(&port);
        let surroundings = Surroundings { end: self.end, is_tls_port: &is_tls_port, replaced, kernel_drops: self.kernel_drops };
        let speaks_tls = flow.speaks_tls();
        let session = flow.finish(&surroundings);
        let expected = is_tls_port(session.ends.server.port) && session.ends.client.port != session.ends.server.port;
        self.totals.bad_checksums += u64::from(session.sides.client.bad_checksums) + u64::from(session.sides.server.bad_checksums);
        self.totals.duplicates += u64::from(session.sides.client.duplicates) + u64::from(session.sides.server.duplicates);
        if speaks_tls {
            // A port on which TLS came only behind a request for it is not a TLS port: it speaks both.
            if session.tls.seen && session.tls.client_hello_at.is_some() && session.prelude.is_none() {
                self.servers.insert(session.ends.server);
            }
            self.emit(session);
        } else if expected {
            self.emit(session);
        } else if self.candidates.len() < self.options.limits.candidates {
            self.candidates.push(session);
        } else {
            self.dropped_candidates += 1;
        }
    }

    fn emit(&mut self, session: Session) {
        self.totals.sessions += 1;
        let port = session.ends.server.port;
        let tls_only_port = TLS_PORTS.contains(&port) || self.options.tls_ports.contains(&port);
        let tls_port = tls_only_port || self.servers.contains(&session.ends.server);
        let verdict = judge(&session, &Context { tls_port, tls_only_port });
        self.finished.push(Finished { session, verdict });
    }
}
