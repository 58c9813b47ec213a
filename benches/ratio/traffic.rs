//! The captures that are read: written once, the same bytes every time, with right checksums.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::script::{Script, abrupt, bulk, long_lived, short, small};

/// Raised when the traffic changes, so that old files are not used.
const EDITION: u32 = 1;

/// One capture and its bounds.
pub(crate) struct Capture {
    /// What the command line and the results call it.
    pub(crate) name: &'static str,
    /// The CPU time allowed, as a multiple of tcpdump's.
    pub(crate) ratio: Option<f64>,
    /// Whether memory is bounded.
    pub(crate) lean: bool,
    /// What the summary must say, so that nobody is fast by being wrong.
    pub(crate) summary: &'static str,
    write: fn(&mut Writer),
}

/// Every capture.
pub(crate) const CAPTURES: [Capture; 7] = [
    // 400 downloads, 20 at a time: 800,000 packets of 1514 bytes, and an ACK for every two of them.
    Capture {
        name: "full",
        ratio: Some(1.5),
        lean: true,
        summary: r#""clean":400,"#,
        write: |out| play(out, &[bulk(177)], 400, 20, Order::Random, 2_000),
    },
    // 4 million packets of some 110 bytes: 78,000 connections, 2,000 at a time.
    Capture {
        name: "small",
        ratio: Some(2.0),
        lean: true,
        summary: r#""clean":78000,"#,
        write: |out| play(out, &[small(17), small(18), small(19)], 78_000, 2_000, Order::Random, 5_000),
    },
    // 20,000 connections, all open at once and to the end.
    Capture {
        name: "open",
        ratio: None,
        lean: true,
        summary: r#""open":20000,"#,
        write: |out| play(out, &long_lived(4), 20_000, 20_000, Order::Turns, 20_000),
    },
    // The same at four times the length.
    Capture {
        name: "open4",
        ratio: None,
        lean: true,
        summary: r#""open":20000,"#,
        write: |out| play(out, &long_lived(36), 20_000, 20_000, Order::Turns, 20_000),
    },
    // A million short sessions.
    Capture {
        name: "churn",
        ratio: None,
        lean: true,
        summary: r#""clean":1000000,"#,
        write: |out| play(out, &[short()], 1_000_000, 500, Order::Random, 20_000),
    },
    // 20,000 connections open to the end, and 30,000 sessions of another server that ends each of them abruptly: whether that server lives is
    // asked of each, and must not be looked for among the 20,000 (ratio 700). Most of the time goes into telling what went wrong, 2 KB each.
    Capture { name: "abrupt", ratio: Some(40.0), lean: false, summary: r#""flagged":30000,"#, write: abrupt_server },
    // A million SYNs that nobody answers, and a hundred sessions among them.
    Capture { name: "synflood", ratio: None, lean: false, summary: r#""clean":100,"#, write: flood },
];

impl Capture {
    /// The file, written if it is not there yet, and how many packets it holds.
    pub(crate) fn file(&self) -> (PathBuf, u64) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{}-{EDITION}.pcap", self.name));
        let count = path.with_extension("count");
        if let Some(packets) = std::fs::read_to_string(&count).ok().and_then(|text| text.parse().ok()) {
            return (path, packets);
        }
        let mut out = Writer::create(&path);
        (self.write)(&mut out);
        out.file.flush().expect("room on the disk");
        std::fs::write(&count, out.packets.to_string()).expect("room on the disk");
        (path, out.packets)
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// One after the other.
    Turns,
    /// Anybody's.
    Random,
}

/// Lets `total` connections follow `scripts`, `at_once` of them at a time, a packet every `gap` nanoseconds.
fn play(out: &mut Writer, scripts: &[Script], total: u32, at_once: u32, order: Order, gap: u64) {
    let connection = |number: u32| Connection::new(number, &scripts[number as usize % scripts.len()]);
    let mut live: Vec<Connection<'_>> = (0..at_once).map(connection).collect();
    let (mut next, mut random, mut turn) = (at_once, Random(0x9E37_79B9_7F4A_7C15), 0);
    while !live.is_empty() {
        turn = if order == Order::Turns { (turn + 1) % live.len() } else { random.below(live.len()) };
        out.clock += gap;
        live[turn].step(out);
        if live[turn].done() {
            if next < total {
                live[turn] = connection(next);
                next += 1;
            } else {
                live.swap_remove(turn);
            }
        }
    }
}

/// A server that never says goodbye, beside 20,000 connections of others that stay open.
fn abrupt_server(out: &mut Writer) {
    let scripts = (long_lived(1), abrupt());
    for number in 0..20_000 {
        let mut idle = Connection::new(number, &scripts.0[number as usize % 2]);
        while !idle.done() {
            out.clock += 5_000;
            idle.step(out);
        }
    }
    for number in 20_000..50_000 {
        let mut ended = Connection::new(number, &scripts.1);
        ended.ends[1].ip = [198, 51, 100, 99];
        while !ended.done() {
            out.clock += 20_000;
            ended.step(out);
        }
    }
}

/// A SYN flood from a million addresses, and sessions that go on during it.
fn flood(out: &mut Writer) {
    let script = small(18);
    let mut live: Vec<Connection<'_>> = (0..100).map(|number| Connection::new(number, &script)).collect();
    let every = 1_000_000 / (100 * script.steps.len());
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for number in 0..1_000_000 {
        out.clock += 10_000;
        let mut attacker = Connection::new(number, &script);
        // Another network than that of the live ones.
        attacker.ends[0].ip = [100, 64 + (number >> 16) as u8, (number >> 8) as u8, number as u8];
        attacker.ends[0].port = 1024 + random.below(60_000) as u16;
        attacker.step(out);
        if (number as usize).is_multiple_of(every) && !live.is_empty() {
            let turn = random.below(live.len());
            out.clock += 10_000;
            live[turn].step(out);
            if live[turn].done() {
                live.swap_remove(turn);
            }
        }
    }
    while let Some(mut last) = live.pop() {
        while !last.done() {
            out.clock += 10_000;
            last.step(out);
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy)]
struct End {
    ip: [u8; 4],
    port: u16,
    mac: [u8; 6],
    ttl: u8,
    seq: u32,
    id: u16,
}

/// A connection that follows a script.
struct Connection<'a> {
    /// Client, server.
    ends: [End; 2],
    script: &'a Script,
    at: usize,
}

impl<'a> Connection<'a> {
    fn new(number: u32, script: &'a Script) -> Connection<'a> {
        let mut random = Random(u64::from(number) << 32 | 0x1234_5678);
        let mut word = || random.next() as u32;
        let (client, server) = (number / 50_000, number % 7);
        Connection {
            ends: [
                End {
                    ip: [10, 1, client as u8, 1 + (number % 250) as u8],
                    port: 10_000 + (number % 50_000) as u16,
                    mac: [2, 0, 0, 0, 0, 1],
                    ttl: 64,
                    seq: word(),
                    id: word() as u16,
                },
                End { ip: [198, 51, 100, 1 + server as u8], port: 443, mac: [2, 0, 0, 0, 0, 2], ttl: 57, seq: word(), id: word() as u16 },
            ],
            script,
            at: 0,
        }
    }

    fn done(&self) -> bool {
        self.at == self.script.steps.len()
    }

    /// Sends the next packet.
    fn step(&mut self, out: &mut Writer) {
        let step = &self.script.steps[self.at];
        self.at += 1;
        let (from, to) = if step.client { (0, 1) } else { (1, 0) };
        let payload = &self.script.bytes[step.payload.clone()];
        let ack = if step.flags & ACK != 0 { self.ends[to].seq } else { 0 };
        out.packet(&self.ends[from], &self.ends[to], step.flags, ack, payload);
        let own = &mut self.ends[from];
        own.id = own.id.wrapping_add(1);
        own.seq = own.seq.wrapping_add(payload.len() as u32 + u32::from(step.flags & (SYN | FIN) != 0));
    }
}

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;

/// A pcap file being written.
struct Writer {
    file: BufWriter<File>,
    /// Nanoseconds since the first packet.
    clock: u64,
    packets: u64,
    frame: Vec<u8>,
}

impl Writer {
    fn create(path: &Path) -> Writer {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file in the target folder"));
        let header: [u32; 6] = [0xA1B2_C3D4, 4 << 16 | 2, 0, 0, 262_144, 1];
        for word in header {
            file.write_all(&word.to_le_bytes()).expect("room on the disk");
        }
        Writer { file, clock: 0, packets: 0, frame: Vec::new() }
    }

    fn packet(&mut self, from: &End, to: &End, flags: u8, ack: u32, payload: &[u8]) {
        let stamp = (self.clock / 1_000_000) as u32;
        let mut options = [0; 20];
        let options = if flags & SYN != 0 {
            // MSS 1460, SACK permitted, timestamps, no-operation, window scale 7.
            options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7];
            options[8..12].copy_from_slice(&stamp.to_be_bytes());
            &options[..]
        } else {
            options[..4].copy_from_slice(&[1, 1, 8, 10]);
            options[4..8].copy_from_slice(&stamp.to_be_bytes());
            options[8..12].copy_from_slice(&stamp.to_be_bytes());
            &options[..12]
        };
        let tcp_len = 20 + options.len() + payload.len();
        let frame = &mut self.frame;
        frame.clear();
        frame.extend(to.mac);
        frame.extend(from.mac);
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0]);
        frame.extend((20 + tcp_len as u16).to_be_bytes());
        frame.extend(from.id.to_be_bytes());
        frame.extend([0x40, 0, from.ttl, 6, 0, 0]);
        frame.extend(from.ip);
        frame.extend(to.ip);
        let checksum = !fold(sum(&frame[14..34]));
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(from.port.to_be_bytes());
        frame.extend(to.port.to_be_bytes());
        frame.extend(from.seq.to_be_bytes());
        frame.extend(ack.to_be_bytes());
        frame.extend([((20 + options.len()) / 4 * 16) as u8, flags, 0x01, 0xf5, 0, 0, 0, 0]);
        frame.extend(options);
        frame.extend(payload);
        let checksum = !fold(sum(&frame[26..34]) + 6 + tcp_len as u64 + sum(&frame[34..]));
        frame[50..52].copy_from_slice(&checksum.to_be_bytes());
        let micros = self.clock / 1000;
        let header = [1_795_000_000 + (micros / 1_000_000) as u32, (micros % 1_000_000) as u32, frame.len() as u32, frame.len() as u32];
        for word in header {
            self.file.write_all(&word.to_le_bytes()).expect("room on the disk");
        }
        self.file.write_all(frame).expect("room on the disk");
        self.packets += 1;
    }
}

/// The sum of 16-bit words that an Internet checksum is made of (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let odd = rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>() + odd
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Random numbers that are the same in every run (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}
