//! The pipeline: frames in, judged sessions out. Flow table, clock and budget.

use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use self::hanging::Rounds;
use self::served::Served;
use self::table::{Handle, Table};
use crate::base::{At, Endpoint, FlowKey, Frame, Limits, Span, Time};
use crate::decode::{Decoded, Decoder, IcmpError, Segment, TcpFlags, UdpKind, plain};
use crate::diagnose::{Beside, Company, Context, News, Verdict, judge};
use crate::session::{Flow, Given, Grounds, Session, Surroundings};
use crate::tcp::{Numbers, Streams};
use crate::tls::Secrets;

mod ahead;
mod ends;
mod hanging;
mod room;
mod served;
mod settling;
mod table;
mod totals;

pub use ahead::BATCH;
pub use settling::Settling;
pub use totals::Totals;

/// Ports on which a connection is meant to be TLS, whatever it turns out to be.
const TLS_PORTS: [u16; 26] = [
    443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3269, 5061, 5223, 5671, 6443, 6514, 6697, 8443, 8883, 9093, 9443, 4433,
    5349, 10443,
];
/// A connection that is over stays this long (capture time), for the reactions that still come.
const LINGER: Span = Span::from_secs(3);
/// … unless this many wait: then the oldest has waited long enough. What is held of them must not grow with the rate of connections.
const LINGERING: usize = 1_024;
/// So many more are judged together then: what judges them does not fit into the processor's caches beside what reads packets.
const TOGETHER: usize = 32;
/// Addresses and ports remembered because they spoke TLS.
const SERVERS: usize = 65_536;
/// A SYN that nobody answers is given up this long after the newest one (Linux: 127 s for six retries).
const SYN_PATIENCE: Span = Span::from_secs(130);

/// How to analyse.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Memory bounds.
    pub limits: Limits,
    /// More ports on which TLS is expected.
    pub tls_ports: Vec<u16>,
    /// While a capture goes on: a connection that was left hanging is judged once it has been silent for this long. `None`: at the end.
    pub patience: Option<Span>,
    /// The addresses of the host captured on. Empty: they are not known.
    pub own: Arc<HashSet<IpAddr>>,
}

impl Options {
    /// Whether TLS is expected on `port`.
    fn is_tls_port(&self, port: u16) -> bool {
        TLS_PORTS.contains(&port) || self.tls_ports.contains(&port)
    }

    /// Ends a connection that was followed alone, on the grounds given and beside what others told, and judges it.
    pub fn conclude(&self, mut flow: Flow, grounds: Grounds, beside: Beside) -> Finished {
        flow.close_holes(grounds.end, Given { limits: &self.limits, secrets: None, room: 0 });
        let session = flow.finish(&Surroundings { grounds, is_tls_port: &|port| self.is_tls_port(port) });
        let verdict = self.judge(&session, &beside);
        Finished { session, verdict, beside, id: 0, open: false }
    }

    /// The verdict on a session, by its own facts, its grounds, and what other connections tell of it.
    pub fn judge(&self, session: &Session, beside: &Beside) -> Box<Verdict> {
        judge(session, &self.context(session, beside))
    }

    /// What rules may know beside the session.
    pub fn context(&self, session: &Session, beside: &Beside) -> Context {
        let tls_only_port = self.is_tls_port(session.ends.server.port);
        let server = session.ends.server.ip;
        Context {
            tls_port: tls_only_port || session.grounds.server_speaks_tls,
            tls_only_port,
            server_here: (!self.own.is_empty()).then(|| server.is_loopback() || self.own.contains(&server)),
            beside: beside.clone(),
        }
    }
}

/// A session that ended, and the verdict on it.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What happened.
    pub session: Arc<Session>,
    /// What it means. Boxed: it goes from hand to hand.
    pub verdict: Box<Verdict>,
    /// What other connections told of it so far.
    pub beside: Beside,
    /// By what [`News`] call it: sessions are counted from 1 in the order in which they are judged.
    pub id: u64,
    /// Later connections may change the verdict. [`News::Settled`] says when that is over.
    pub open: bool,
}

/// The connection that a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Belongs {
    /// Its number: [`Session::connection`].
    pub connection: u32,
    /// The frame came after the connection was over and judged, and did not count.
    pub late: bool,
    /// With it the connection came up.
    pub up: bool,
}

/// Frames in, judged sessions out.
#[derive(Debug)]
pub struct Analyzer {
    options: Options,
    /// Lent out while a frame is looked at.
    decoder: Option<Box<Decoder>>,
    flows: Table,
    /// Those of each server.
    served: Served,
    streams: Streams,
    /// Connections that are over, in the order in which they will be reported.
    dying: VecDeque<(Time, Handle)>,
    /// Half-open connections, in the order in which they will be given up.
    half_open: VecDeque<(Time, Handle)>,
    /// Nothing of this is due before then. The earliest time: it has changed since that was looked at.
    quiet_until: Time,
    /// Bytes held beyond holes, over all flows.
    held: usize,
    /// Addresses and ports that spoke TLS.
    servers: HashSet<Endpoint, RandomState>,
    /// Sessions without TLS, until it is known whether their server speaks it elsewhere.
    candidates: Vec<Arc<Session>>,
    /// Candidates beyond the bound.
    dropped_candidates: u64,
    evicted: u64,
    /// Half-open connections of a flood: counted, not judged.
    flood: u64,
    /// When there was last no room for a half-open connection.
    flooded: Option<Time>,
    /// What the sessions judged so far tell of others.
    company: Company,
    secrets: Secrets,
    /// The capture lost packets, no later than this.
    lossy_until: Option<Time>,
    rounds: Rounds,
    finished: VecDeque<Finished>,
    /// At the end: what is still to be judged, the first connection last.
    rest: Vec<Handle>,
    totals: Totals,
    end: At,
}

impl Analyzer {
    /// An analysis that has seen nothing.
    pub fn new(options: Options) -> Analyzer {
        Analyzer {
            streams: Streams::new(options.limits.tombstones),
            company: Company::new(options.limits.revisable),
            decoder: None,
            flows: Table::default(),
            served: Served::default(),
            dying: VecDeque::new(),
            half_open: VecDeque::new(),
            quiet_until: Time::MIN,
            held: 0,
            servers: HashSet::default(),
            candidates: Vec::new(),
            dropped_candidates: 0,
            evicted: 0,
            flood: 0,
            flooded: None,
            lossy_until: None,
            rounds: Rounds::default(),
            secrets: Secrets::new(&options.limits),
            options,
            finished: VecDeque::new(),
            rest: Vec::new(),
            totals: Totals::default(),
            end: At::default(),
        }
    }

    /// Takes in a frame. The connection it belongs to: by its segment, or by the one that an ICMP error in it quotes. A segment in IP fragments
    /// belongs with the last of them; see [`Analyzer::joined`].
    pub fn push(&mut self, frame: &Frame<'_>) -> Option<Belongs> {
        self.count_in(std::slice::from_ref(frame));
        self.take_in(frame, None)
    }

    /// Counts frames.
    fn count_in(&mut self, frames: &[Frame<'_>]) {
        self.totals.frames += frames.len() as u64;
        if let Some(first) = frames.first() {
            self.totals.first.get_or_insert(first.at.time);
        }
        self.totals.last = self.totals.last.max(frames.iter().map(|frame| frame.at.time).max());
    }

    /// The capture has come as far as a frame. Its time never goes back.
    #[inline]
    fn reach(&mut self, at: At) {
        self.end = At::new(self.end.time.max(at.time), at.frame, at.file);
    }

    /// Takes in a frame that was counted; its connection stands at `likely` if it stands anywhere.
    #[inline(never)]
    fn take_in(&mut self, frame: &Frame<'_>, likely: Option<u32>) -> Option<Belongs> {
        self.reach(frame.at);
        let belongs = match &plain(frame) {
            Some(segment) => Some(self.segment(segment, likely)),
            None => self.decode(frame),
        };
        self.tick(frame.at.time);
        belongs
    }

    /// Takes in what a frame holds, whatever it is.
    fn decode(&mut self, frame: &Frame<'_>) -> Option<Belongs> {
        // The decoder lends out what it decoded; it comes back when that is done with.
        let mut decoder = self.decoder.take().unwrap_or_default();
        let mut belongs = None;
        match decoder.decode(frame) {
            Decoded::Tcp(segment) => belongs = Some(self.segment(&segment, None)),
            Decoded::Icmp(error) => belongs = self.icmp(&error),
            Decoded::Udp(UdpKind::Quic) => self.totals.quic += 1,
            Decoded::Udp(UdpKind::Dtls) => self.totals.dtls += 1,
            Decoded::Udp(UdpKind::Other) => self.totals.udp_other += 1,
            Decoded::Skipped(why) => *self.totals.skipped.entry(why).or_default() += 1,
        }
        self.decoder = Some(decoder);
        belongs
    }

    /// The frame pushed last, if it was the last fragment of a segment: as it would have been with the segment whole.
    pub fn joined(&self, frame: &Frame<'_>) -> Option<Vec<u8>> {
        self.decoder.as_ref()?.joined(frame)
    }

    /// Lets capture time pass: connections whose end has settled are judged.
    #[inline]
    pub fn tick(&mut self, now: Time) {
        self.end.time = self.end.time.max(now);
        if self.quiet_until <= now {
            self.settle(now);
        }
    }

    /// Judges what is due.
    fn settle(&mut self, now: Time) {
        let most = if self.dying.len() < LINGERING + TOGETHER { usize::MAX } else { LINGERING };
        let mut over = Vec::new();
        while let Some(handle) = pop_due(&mut self.dying, now, most) {
            // By now it has been silent for long.
            self.flows.prefetch(handle);
            over.push(handle);
        }
        let flows = over.into_iter().filter_map(|handle| self.flows.remove(handle)).collect();
        self.report_all(flows);
        while let Some(handle) = pop_due(&mut self.half_open, now, usize::MAX) {
            let Some(flow) = self.flows.held(handle).filter(|flow| flow.is_half_open()) else { continue };
            let due = flow.conn.last.time.plus(SYN_PATIENCE);
            if due > now {
                self.half_open.push_back((due, handle));
            } else if let Some(flow) = self.flows.remove(handle) {
                if self.is_of_flood(&flow) { self.leave_out(&flow) } else { self.report(flow, false) }
            }
        }
        self.go_round(now);
        let dues = [self.dying.front().map(|(due, _)| *due), self.half_open.front().map(|(due, _)| *due), self.next_round()];
        self.quiet_until = dues.into_iter().flatten().min().unwrap_or(Time::MAX);
    }

    /// The capture itself says that it lost packets: so many, no later than now. It limits what is said of connections that were open then.
    pub fn note_kernel_drops(&mut self, packets: u64) {
        self.totals.kernel_drops += packets;
        self.lossy_until = Some(self.end.time);
    }

    /// The addresses of the host captured on are these now.
    pub fn set_own(&mut self, own: Arc<HashSet<IpAddr>>) {
        self.options.own = own;
    }

    /// The secrets of TLS sessions, for key logs to be read into. What is there when a session's handshake comes is used throughout; what
    /// comes later, when the session ends.
    pub fn secrets(&mut self) -> &mut Secrets {
        &mut self.secrets
    }

    /// Those secrets, as far as they are known.
    pub fn known_secrets(&self) -> &Secrets {
        &self.secrets
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
        if self.rest.is_empty() {
            self.rest = self.flows.handles();
            // The first one is taken first: from the end.
            self.rest.sort_by_cached_key(|handle| {
                std::cmp::Reverse(self.flows.held(*handle).map(|flow| (flow.conn.first.file, flow.conn.first.frame)))
            });
        }
        for _ in 0..STEP {
            let Some(flow) = self.rest.pop().and_then(|handle| self.flows.remove(handle)) else { break };
            if self.is_of_flood(&flow) { self.leave_out(&flow) } else { self.report(flow, false) }
        }
        if !self.rest.is_empty() {
            return true;
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_by_key(|session| (session.first.file, session.first.frame));
        for session in candidates {
            if self.servers.contains(&session.ends.server) {
                self.emit(session, None);
            } else {
                self.totals.plain_connections += 1;
            }
        }
        self.company.part();
        self.count();
        false
    }

    /// Sessions judged since the last call.
    pub fn take(&mut self) -> Vec<Finished> {
        self.finished.drain(..).collect()
    }

    /// The first of them, taken one at a time.
    pub fn take_one(&mut self) -> Option<Finished> {
        self.finished.pop_front()
    }

    /// Whether there are any.
    pub fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// What later connections told of sessions that were judged before, and of many together, since the last call.
    ///
    /// A [`News::Revision`] replaces the verdict on a session that [`Analyzer::take`] or [`Analyzer::take_one`] hands out no later than this
    /// hands out the revision, so whoever prints at once takes sessions first. Only sessions that are [`Finished::open`] are revised, and
    /// each of those is settled in the end: whoever wants final verdicts holds them until [`News::Settled`]. There are never more of them
    /// than [`Limits::revisable`].
    pub fn take_news(&mut self) -> Vec<News> {
        self.company.take_news()
    }

    /// Whether there is any.
    pub fn has_news(&self) -> bool {
        self.company.has_news()
    }

    /// Counts so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Brings the counts that are kept elsewhere up to date.
    fn count(&mut self) {
        self.totals.tcp_connections = u64::from(self.streams.count());
        self.totals.limits_reached = self.limits_reached();
    }

    /// Bounds that have been reached, and how often.
    pub fn limits_reached(&self) -> Vec<(&'static str, u64)> {
        let reached = [
            ("connections followed at once", self.evicted),
            ("half-open connections followed at once", self.flood),
            ("connections kept to see whether their server speaks TLS", self.dropped_candidates),
        ];
        reached.into_iter().filter(|(_, times)| *times > 0).collect()
    }

    #[inline]
    fn segment(&mut self, segment: &Segment<'_>, likely: Option<u32>) -> Belongs {
        let place = match self.find(segment, likely) {
            Ok(place) => place,
            Err(late) => return late,
        };
        let given = given(&self.options.limits, &self.secrets, self.held);
        let Some(flow) = self.flows.get_mut(place) else { return Belongs { connection: u32::MAX, late: true, up: false } };
        let connection = flow.conn.serial.wrapping_sub(1);
        // Where its place was known beforehand, this was tried, or it is not worth trying.
        if likely.is_none() && go_on_apart(flow, segment, given) {
            return Belongs { connection, late: false, up: false };
        }
        let before = held(flow, given);
        let was_up = flow.conn.is_up();
        flow.push(segment, given);
        let up = !was_up && flow.conn.is_up();
        self.held = (self.held + held(flow, given)).saturating_sub(before);
        if flow.dies() {
            self.dying.push_back((segment.at.time.plus(LINGER), self.flows.handle(place)));
            self.quiet_until = Time::MIN;
        }
        if up {
            self.served.add(self.flows.handle(place), &self.flows);
        }
        Belongs { connection, late: false, up }
    }

    /// Takes in the segment of a frame that was counted, if it is an ordinary one of the connection at `likely`; else does nothing.
    #[inline(always)]
    fn ordinary(&mut self, segment: &Segment<'_>, likely: Option<u32>) -> bool {
        let given = given(&self.options.limits, &self.secrets, self.held);
        let flow = likely.and_then(|place| self.flows.get_mut(place)).filter(|flow| flow.conn.key == segment.key);
        let taken = flow.is_some_and(|flow| go_on(flow, segment, given));
        if taken {
            self.reach(segment.at);
            self.tick(segment.at.time);
        }
        taken
    }

    /// The place of the connection a segment belongs to: `likely` that one.
    ///
    /// # Errors
    ///
    /// It is a late packet of a connection that has none any more.
    #[inline]
    fn find(&mut self, segment: &Segment<'_>, likely: Option<u32>) -> Result<u32, Belongs> {
        match self.flows.find(&segment.key, likely) {
            Some(place) if !segment.flags.has(TcpFlags::SYN) => Ok(place),
            known => self.begin(segment, known),
        }
    }

    /// The same, for what may be the first packet of a connection.
    fn begin(&mut self, segment: &Segment<'_>, known: Option<u32>) -> Result<u32, Belongs> {
        let key = &segment.key;
        let ack = segment.flags.has(TcpFlags::ACK).then_some(segment.ack);
        let numbers = Numbers { seq: segment.seq, ack, syn: segment.flags.has(TcpFlags::SYN) };
        if let Some(place) = known {
            let reused = self.flows.get(place).is_some_and(|flow| flow.conn.is_reused_by(segment.way, numbers));
            if !reused {
                return Ok(place);
            }
            if let Some(flow) = self.flows.remove(self.flows.handle(place)) {
                self.report(flow, true);
            }
            // What replaces it is a new connection, not a late packet of the old one.
            self.streams.exhume(key);
        } else if let Some(connection) = self.streams.late(key, segment.way, Some(numbers)) {
            return Err(Belongs { connection, late: true, up: false });
        }
        let place = self.open(*key, segment.at);
        if numbers.open() {
            self.half_open.push_back((segment.at.time.plus(SYN_PATIENCE), self.flows.handle(place)));
            self.quiet_until = Time::MIN;
            if self.half_open.len() > 2 * self.flows.len() + LINGERING {
                // Most have come up since: the queue must not grow with the rate of connections either.
                let flows = &self.flows;
                self.half_open.retain(|(_, handle)| flows.held(*handle).is_some_and(Flow::is_half_open));
            }
        }
        Ok(place)
    }

    /// A new connection, in its place.
    fn open(&mut self, key: FlowKey, at: At) -> u32 {
        self.make_room();
        let number = self.streams.number();
        self.flows.insert(Flow::boxed(key, number, at, &self.options.limits))
    }

    fn icmp(&mut self, error: &IcmpError) -> Option<Belongs> {
        self.totals.icmp_errors += 1;
        let place = match self.flows.find(&error.key, None) {
            Some(place) => place,
            None => match self.streams.late(&error.key, error.way, None) {
                Some(connection) => return Some(Belongs { connection, late: true, up: false }),
                // Too short a quote makes no connection for Wireshark either.
                None if error.flags.is_none() => return None,
                None => self.open(error.key, error.at),
            },
        };
        let flow = self.flows.get_mut(place)?;
        flow.push_icmp(error);
        Some(Belongs { connection: flow.conn.serial.wrapping_sub(1), late: false, up: false })
    }
}

/// What a flow is given, while all of them together hold `held` bytes.
fn given<'a>(limits: &'a Limits, secrets: &'a Secrets, held: usize) -> Given<'a> {
    Given { limits, secrets: Some(secrets), room: limits.reorder_total.saturating_sub(held) }
}

/// Takes in an ordinary segment, of which nothing will be held and with which nothing ends; `false` where it is none.
#[inline(always)]
fn go_on(flow: &mut Flow, segment: &Segment<'_>, given: Given<'_>) -> bool {
    let ordinary = flow.is_ordinary(segment) && !given.may_learn();
    if ordinary {
        flow.push_ordinary(segment, given);
    }
    ordinary
}

/// The same, where it is seldom called.
#[inline(never)]
fn go_on_apart(flow: &mut Flow, segment: &Segment<'_>, given: Given<'_>) -> bool {
    go_on(flow, segment, given)
}

/// Bytes that a flow holds: beyond holes, and of records whose secrets may still come.
#[inline]
fn held(flow: &Flow, given: Given<'_>) -> usize {
    flow.conn.held() + if given.may_learn() { flow.held_records() } else { 0 }
}

/// The next of `queue`, if its time has come, or if more than `most` wait.
#[inline]
fn pop_due(queue: &mut VecDeque<(Time, Handle)>, now: Time, most: usize) -> Option<Handle> {
    queue.front().filter(|(due, _)| *due <= now || queue.len() > most)?;
    queue.pop_front().map(|(_, handle)| handle)
}
