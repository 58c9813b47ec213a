//! Wireshark sees the same: numbers of connections, first FINs, RSTs and alerts in clear of every capture, compared with `tshark`.
//!
//! `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures to compare. Without tshark the tests say so and pass.

#![cfg(test)]
#![allow(clippy::print_stdout, reason = "it says what was compared, and why it is skipped")]
#![allow(clippy::disallowed_methods, reason = "it runs another program")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::format::{Format, written};
use common::{Owned, Random, files, load, name};
use etherparse::PacketBuilder;
use whohungup::analyze::{Analyzer, Finished, Options, Totals};
use whohungup::base::{At, Frame, LinkType, Side, Time};
use whohungup::session::{Act, ActKind, What};

/// How many tsharks run at once.
const JOBS: usize = 2;
/// What is asked of tshark, in this order.
const FIELDS: [&str; 10] = [
    "frame.number",
    "tcp.stream",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "tcp.flags",
    "tls.alert_message.level",
    "tls.alert_message.desc",
    "icmp.type",
    "icmpv6.type",
];
const FIN: u16 = 1;
const RST: u16 = 4;

/// A TCP packet as tshark sees it; of an ICMP error, the segment it quotes.
#[derive(Debug)]
struct Row {
    frame: u32,
    stream: u32,
    /// The sender's address and port.
    source: (String, String),
    flags: u16,
    /// Level and description of every alert that ends in it.
    alerts: Vec<(u8, u8)>,
    quoted: bool,
}

/// Whether there is a tshark, and a word on it where there is none.
fn have_tshark() -> bool {
    let there = version().is_some();
    if !there {
        println!("skipped: there is no tshark to compare with");
    }
    there
}

/// What tshark calls itself.
fn version() -> Option<String> {
    let output = Command::new("tshark").arg("--version").output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// Whether it is of the version whose numbering was studied: others differ on a SYN that comes again after its connection has ended.
fn have_tshark_4_0() -> bool {
    let there = version().is_some_and(|version| version.contains(") 4.0."));
    if !there {
        println!("skipped: there is no tshark 4.0 to compare with");
    }
    there
}

/// The TCP packets of a capture, by tshark.
fn tshark(path: &Path) -> Vec<Row> {
    let mut command = Command::new("tshark");
    // Without keys; and with TCP's data handed to whoever reads it although segments before it are missing, as this program does.
    command.args(["-n", "-Y", "tcp", "-T", "fields", "-E", "occurrence=a", "-o", "tls.keylog_file:", "-r"]).arg(path);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    String::from_utf8_lossy(&output.stdout).lines().filter_map(row).collect()
}

/// A line of its output. `None` for a quoted segment of which too little is there for a connection.
fn row(line: &str) -> Option<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [frame, stream, v4, v6, port, flags, levels, descriptions, icmp, icmp6] = fields[..] else { panic!("tshark says {line:?}") };
    let last = |list: &str| list.split(',').next_back().unwrap_or_default().to_owned();
    let numbers = |list: &str| list.split(',').filter_map(|number| number.parse().ok()).collect::<Vec<u8>>();
    let flags = last(flags);
    (!stream.is_empty()).then(|| Row {
        frame: frame.parse().unwrap(),
        stream: last(stream).parse().unwrap(),
        source: (last(if v6.is_empty() { v4 } else { v6 }), last(port)),
        flags: u16::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0),
        alerts: numbers(levels).into_iter().zip(numbers(descriptions)).collect(),
        quoted: !icmp.is_empty() || !icmp6.is_empty(),
    })
}

/// What is compared with tshark, counted.
#[derive(Debug, Default)]
struct Compared {
    frames: usize,
    sessions: usize,
    fins: usize,
    rsts: usize,
    alerts: usize,
    closes: usize,
    problems: Vec<String>,
}

impl Compared {
    fn check(&mut self, right: bool, problem: impl FnOnce() -> String) {
        if !right {
            self.problems.push(problem());
        }
    }

    fn add(&mut self, other: Compared) {
        self.frames += other.frames;
        self.sessions += other.sessions;
        self.fins += other.fins;
        self.rsts += other.rsts;
        self.alerts += other.alerts;
        self.closes += other.closes;
        self.problems.extend(other.problems);
    }

    /// Compares the numbers of a capture's connections, frame by frame.
    fn numbers(&mut self, rows: &[Row], analysed: &Analysed) {
        let streams = rows.iter().map(|row| u64::from(row.stream) + 1).max().unwrap_or(0);
        let connections = analysed.totals.tcp_connections;
        self.check(connections == streams, || format!("{connections} connections, tshark {streams}"));
        self.frames += rows.len();
        let first = rows.iter().find(|row| analysed.connections[row.frame as usize - 1] != Some(row.stream));
        if let Some(row) = first {
            let own = analysed.connections[row.frame as usize - 1];
            self.problems.push(format!("frame {} is of connection {own:?}, tshark {} (and so on)", row.frame, row.stream));
        }
        for Finished { session, .. } in &analysed.sessions {
            self.check(session.tcp_stream.is_some(), || format!("the session of frame {} has no number", session.first.frame));
            let first = rows.iter().find(|row| Some(row.stream) == session.tcp_stream).map(|row| row.frame);
            self.check(first == Some(session.first.frame), || {
                format!("stream {:?} begins with {}, tshark {first:?}", session.tcp_stream, session.first.frame)
            });
        }
    }

    /// Compares how a session closed.
    fn closing(&mut self, rows: &[Row], finished: &Finished) {
        let session = &finished.session;
        let Some(stream) = session.tcp_stream else { return };
        self.sessions += 1;
        let rows: Vec<&Row> = rows.iter().filter(|row| row.stream == stream && !row.quoted).collect();
        let side_of = |row: &Row| {
            let client = session.ends.client;
            let is_client = row.source == (client.ip.to_string(), client.port.to_string());
            if is_client { Side::Client } else { Side::Server }
        };
        let flagged = |side: Side, flag: u16| -> Vec<u32> {
            rows.iter().filter(|row| row.flags & flag != 0 && side_of(row) == side).map(|row| row.frame).collect()
        };

        for side in Side::BOTH {
            let own = session.sides[side].fin.map(|fin| fin.at.frame);
            let theirs = flagged(side, FIN).first().copied();
            self.fins += usize::from(theirs.is_some());
            self.check(own == theirs, || format!("stream {stream}: first FIN of the {side} {own:?}, tshark {theirs:?}"));

            self.resets(stream, side, finished, &flagged(side, RST));

            self.alerts(stream, side, finished, rows.iter().copied().filter(|row| side_of(row) == side));
        }

        // Whatever closed first in the order of the capture is the root event, or is told as what crossed it or what it provoked; unless
        // it closed nothing: a FIN whose sender went on acknowledging data (a half-close), a RST that its alleged sender outlived.
        let closes = rows.iter().enumerate().find(|(_, row)| row.flags & (FIN | RST) != 0);
        let Some((place, first)) = closes.filter(|_| session.root().is_some()) else { return };
        let side = side_of(first);
        let half = first.flags & FIN != 0 && session.sides[side].fin.is_some_and(|fin| fin.acknowledged_after > 0);
        let outlived = first.flags & RST != 0 && rows[place..].iter().any(|row| side_of(row) == side && row.flags & RST == 0);
        self.closes += 1;
        let told = acts(finished).iter().any(|act| act.at.frame == first.frame);
        self.check(told || half || outlived, || format!("stream {stream}: nothing is said of the first close, frame {}", first.frame));
    }

    /// The alerts in clear of one side.
    fn alerts<'a>(&mut self, stream: u32, side: Side, finished: &Finished, rows: impl Iterator<Item = &'a Row>) {
        let session = &finished.session;
        let alerts = session.tls.alerts.iter().filter(|(from, ..)| *from == side);
        let own: Vec<(u32, u8, u8)> = alerts.map(|(_, at, alert)| (at.frame, alert.level.0, alert.description.0)).collect();
        let theirs: Vec<(u32, u8, u8)> =
            rows.flat_map(|row| row.alerts.iter().map(|(level, description)| (row.frame, *level, *description))).collect();
        self.alerts += theirs.len();
        // tshark finds TLS on an unusual port by what is said first: not where one side says something else, or nothing.
        let unseen = session.tls.client_hello_at.is_none() || Side::BOTH.iter().any(|side| session.sides[*side].plain.is_some());
        // It reads what a suite without encryption only authenticates; here that takes keys, like any other suite.
        let readable = session.tls.suite.is_some_and(|suite| suite.to_string().contains("_NULL_"));
        let explained = (unseen && theirs.is_empty()) || (readable && own.iter().all(|alert| theirs.contains(alert)));
        self.check(own == theirs || explained, || format!("stream {stream}: alerts of the {side} {own:?}, tshark {theirs:?}"));
    }

    /// The RSTs of one side: each told one is there, and all are counted.
    fn resets(&mut self, stream: u32, side: Side, finished: &Finished, theirs: &[u32]) {
        let session = &finished.session;
        let way = if side == Side::Client { session.client_way } else { session.client_way.opposite() };
        let runs = session.timeline.iter().filter(|event| event.way == way).filter_map(|event| match event.what {
            What::Rst(_, count) => Some((event.at.frame, event.until.frame, count)),
            _ => None,
        });
        let runs: Vec<(u32, u32, u32)> = runs.collect();
        let count: usize = runs.iter().map(|(.., count)| *count as usize).sum();
        let ends = runs.iter().flat_map(|(first, last, _)| [*first, *last]);
        let acts = acts(finished).into_iter().filter(|act| act.side == Some(side) && matches!(act.what, ActKind::Rst(_)));
        let unknown: Vec<u32> = ends.chain(acts.map(|act| act.at.frame)).filter(|frame| !theirs.contains(frame)).collect();
        self.rsts += theirs.len();
        self.check(unknown.is_empty() && count == theirs.len(), || {
            format!("stream {stream}: {count} RSTs of the {side} ({runs:?}), tshark {theirs:?}")
        });
    }
}

/// What this program makes of a capture.
struct Analysed {
    /// Which connection each frame is of.
    connections: Vec<Option<u32>>,
    sessions: Vec<Finished>,
    totals: Totals,
}

/// Analyses `frames`, with whole timelines.
fn analysed(frames: &[Owned]) -> Analysed {
    let mut options = Options::default();
    (options.limits.timeline_head, options.limits.timeline_tail) = (1_000_000, 1);
    let mut analyzer = Analyzer::new(options);
    let push = |(i, frame): (usize, &Owned)| {
        let belongs = analyzer.push(&Frame {
            at: At::new(Time::from_nanos(frame.time), i as u32 + 1, 0),
            link: frame.link,
            wire_len: frame.wire_len,
            interface: 0,
            outgoing: None,
            data: &frame.data,
        });
        belongs.map(|belongs| belongs.connection)
    };
    let connections = frames.iter().enumerate().map(push).collect();
    analyzer.finish();
    Analysed { connections, sessions: common::in_order(analyzer.take()), totals: analyzer.totals().clone() }
}

/// Every closing act of a session.
fn acts(finished: &Finished) -> Vec<&Act> {
    let closing = &finished.session.closing;
    let first = closing.root.iter().chain(&closing.crossed);
    first.chain(&closing.companions).chain(closing.reactions.iter().map(|reaction| &reaction.act)).collect()
}

/// Runs `work` on every item, [`JOBS`] at once, and gathers what it compared.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Compared + Sync) -> Compared {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let worker = || {
            let mut compared = Compared::default();
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                compared.add(work(item));
            }
            compared
        };
        let workers: Vec<_> = (0..JOBS).map(|_| scope.spawn(worker)).collect();
        let mut all = Compared::default();
        for worker in workers {
            all.add(worker.join().expect("no panic"));
        }
        all
    })
}

#[test]
fn every_capture_is_numbered_and_closed_as_wireshark_sees_it() {
    if !have_tshark() {
        return;
    }
    let mut compared = in_parallel(&files(), |path: &PathBuf| {
        let analysed = analysed(&load(path).frames);
        let mut compared = Compared::default();
        let rows = tshark(path);
        compared.numbers(&rows, &analysed);
        for finished in &analysed.sessions {
            compared.closing(&rows, finished);
        }
        for problem in &mut compared.problems {
            *problem = format!("{}: {problem}", name(path));
        }
        compared
    });
    println!(
        "compared with tshark: {} frames of TCP, {} sessions, {} FINs, {} RSTs, {} alerts in clear, {} first closes",
        compared.frames, compared.sessions, compared.fins, compared.rsts, compared.alerts, compared.closes
    );
    compared.problems.sort();
    assert!(compared.problems.is_empty(), "\n{}", compared.problems.join("\n"));
    assert!(compared.sessions >= 100 && compared.fins >= 100 && compared.rsts >= 30 && compared.alerts >= 20);
}

/// Packets made one by one, on raw IP.
struct Forge {
    frames: Vec<Owned>,
    time: i64,
}

const CLIENT: [u8; 4] = [192, 0, 2, 9];
const SERVER: [u8; 4] = [192, 0, 2, 1];
const ROUTER: [u8; 4] = [192, 0, 2, 254];

impl Forge {
    fn new() -> Forge {
        Forge { frames: Vec::new(), time: 1_700_000_000_000_000_000 }
    }

    fn wait(&mut self, millis: i64) {
        self.time += millis * 1_000_000;
    }

    fn put(&mut self, data: Vec<u8>) {
        self.frames.push(Owned { time: self.time, link: LinkType::RAW, wire_len: data.len() as u32, data });
        self.wait(1);
    }

    /// A segment from (`up`) or to the client's `port`; flags by their letters.
    fn segment(up: bool, port: u16, flags: &str, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
        let (source, destination) = if up { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let (from, to) = if up { (port, 443) } else { (443, port) };
        let mut build = PacketBuilder::ipv4(source, destination, 64).tcp(from, to, seq, 64_000);
        for flag in flags.chars() {
            build = match flag {
                'S' => build.syn(),
                'A' => build.ack(ack),
                'F' => build.fin(),
                'R' => build.rst(),
                _ => panic!("no such flag"),
            };
        }
        let mut data = Vec::new();
        build.write(&mut data, payload).unwrap();
        data
    }

    fn tcp(&mut self, up: bool, port: u16, flags: &str, seq: u32, ack: u32, payload: &[u8]) {
        self.put(Forge::segment(up, port, flags, seq, ack, payload));
    }

    /// A router's word that the host cannot be reached, quoting `len` bytes of a segment.
    fn unreachable(&mut self, quoted: &[u8], len: usize) {
        let quote = &quoted[..len.min(quoted.len())];
        let mut data = Vec::new();
        let kind = etherparse::Icmpv4Type::Unknown { type_u8: 3, code_u8: 1, bytes5to8: [0; 4] };
        PacketBuilder::ipv4(ROUTER, CLIENT, 64).icmpv4(kind).write(&mut data, quote).unwrap();
        self.put(data);
    }

    /// A connection from its SYN to the last FIN.
    fn whole(&mut self, port: u16, isn: u32) {
        let theirs = isn.wrapping_add(77_000);
        self.tcp(true, port, "S", isn, 0, &[]);
        self.tcp(false, port, "SA", theirs, isn.wrapping_add(1), &[]);
        self.tcp(true, port, "A", isn.wrapping_add(1), theirs.wrapping_add(1), &[]);
        self.tcp(true, port, "AF", isn.wrapping_add(1), theirs.wrapping_add(1), &[]);
        self.tcp(false, port, "AF", theirs.wrapping_add(1), isn.wrapping_add(2), &[]);
        self.tcp(true, port, "A", isn.wrapping_add(2), theirs.wrapping_add(2), &[]);
    }

    /// Compares the numbers of the connections, which are returned in their order.
    fn compare(&self, case: &str) -> Vec<Option<u32>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made.pcap");

        std::fs::write(&path, written(&self.frames, Format::Pcap { big: false, nanos: true })).unwrap();
        let analysed = analysed(&self.frames);
        let mut compared = Compared::default();
        compared.numbers(&tshark(&path), &analysed);
        assert!(compared.problems.is_empty(), "{case}\n{}", compared.problems.join("\n"));
        analysed.sessions.iter().map(|finished| finished.session.tcp_stream).collect()
    }
}

#[test]
fn a_port_that_is_used_again_begins_a_connection_with_another_sequence_number() {
    if !have_tshark_4_0() {
        return;
    }
    let mut forge = Forge::new();
    forge.whole(50_001, 1_000);
    forge.whole(50_001, 500_000);
    // The same number again: tshark takes it for a SYN sent again, long after as well.
    forge.whole(50_001, 500_000);
    forge.wait(300_000);
    forge.whole(50_001, 500_000);
    forge.whole(50_001, 900_000);
    assert_eq!(forge.compare("port reuse").iter().flatten().max(), Some(&2));
}

#[test]
fn late_packets_of_a_forgotten_connection_are_no_new_one() {
    if !have_tshark() {
        return;
    }
    let mut forge = Forge::new();
    forge.whole(50_001, 1_000);
    forge.wait(60_000);
    forge.tcp(true, 50_001, "A", 1_002, 78_002, &[]);
    forge.tcp(false, 50_001, "R", 78_002, 0, &[]);
    forge.whole(50_002, 1_000);
    // A SYN that nobody answers, given up and then answered after all.
    forge.tcp(true, 50_003, "S", 5_000, 0, &[]);
    forge.wait(400_000);
    forge.whole(50_004, 1_000);
    forge.tcp(false, 50_003, "SA", 9_000, 5_001, &[]);
    forge.tcp(true, 50_003, "R", 5_001, 0, &[]);
    forge.whole(50_005, 1_000);
    assert_eq!(forge.compare("late packets"), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
}

#[test]
fn segments_quoted_by_icmp_errors_count_as_packets_of_their_connections() {
    if !have_tshark() {
        return;
    }
    let mut forge = Forge::new();
    let known = Forge::segment(true, 50_001, "S", 1_000, 0, &[]);
    forge.put(known.clone());
    forge.unreachable(&known, 28);
    // Too little of one that was never seen: none at all.
    forge.unreachable(&Forge::segment(true, 50_009, "S", 1_000, 0, &[]), 28);
    // Of a connection that was never seen: it takes a number all the same.
    forge.unreachable(&Forge::segment(true, 50_002, "A", 7_000, 9_000, &[1; 20]), 60);
    forge.whole(50_003, 1_000);
    // Quoted first, seen later; and of one that is over.
    let later = Forge::segment(true, 50_004, "S", 3_000, 0, &[]);
    forge.unreachable(&later, 40);
    forge.put(later);
    forge.wait(60_000);
    forge.unreachable(&Forge::segment(true, 50_003, "A", 1_001, 78_001, &[]), 40);
    forge.whole(50_005, 1_000);
    forge.compare("ICMP errors");
}

#[test]
fn connections_in_any_disorder_are_numbered_alike() {
    if !have_tshark_4_0() {
        return;
    }
    let cases: Vec<u64> = (0..common::cases(12)).collect();
    in_parallel(&cases, |&seed| {
        let mut random = Random::new(seed);
        let mut forge = Forge::new();
        // A few ports, a few sequence numbers: everything comes again.
        let mut last: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
        for _ in 0..400 {
            let port = 50_000 + random.below(8) as u16;
            let isn = 100_000 * (1 + random.below(3) as u32);
            let (up, next, ack) = (random.one_in(2), isn + 1 + random.below(3) as u32, 77_001 + random.below(3) as u32);
            let segment = match random.below(12) {
                0 | 1 => Forge::segment(up, port, "S", isn, 0, &[]),
                2 => Forge::segment(up, port, "SA", isn, ack, &[]),
                3 => Forge::segment(up, port, "AF", next, ack, &[]),
                4 => Forge::segment(up, port, "R", next, 0, &[]),
                5 => Forge::segment(up, port, "RA", next, ack, &[]),
                6 => Forge::segment(up, port, "A", next, ack, b"not TLS"),
                _ => Forge::segment(up, port, "A", next, ack, &[]),
            };
            // Errors quote what was sent: by a SYN that nobody saw Wireshark starts another connection, and this program would have to end
            // a running one on the word of a third party.
            match random.below(40) {
                0 => forge.wait(5_000),
                1 => forge.wait(200_000),
                2 => forge.unreachable(last.get(&port).unwrap_or(&segment), 28),
                3 => forge.unreachable(last.get(&port).unwrap_or(&segment), 40),
                _ => {
                    forge.put(segment.clone());
                    last.insert(port, segment);
                }
            }
        }
        forge.compare(&format!("case {seed}"));
        Compared::default()
    });
}
