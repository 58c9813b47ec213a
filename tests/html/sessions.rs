//! Sessions to report: of the repository's captures, and made up where no capture is long or hostile enough.

use std::path::Path;

use etherparse::PacketBuilder;
use whohungup::analyze::{Analyzer, Finished, Options};
use whohungup::base::{At, Frame, Limits, LinkType, Time};
use whohungup::report::STORY_EVENTS;

use crate::common::{Owned, in_order, load};

/// 2026-11-20T14:03:02Z.
const START: i64 = 1_795_183_382_000_000_000;
const MILLI: i64 = 1_000_000;

/// Names that want to be more than text.
pub const HOSTILE: [&str; 6] = [
    "</title><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "a\u{202e}moc.elpmaxe\u{2066}",
    "\x1b[2J\x07\0\r\n]]>&#x3c;script&#x3e;",
    "`|javascript:alert(1)](x)<!--",
    "xn--very-long-name-very-long-name-very-long-name-very-long-name.very-long-name-very-long-name-very-long-name-very-long-name.very-long-name-very-long-name-very-long-name-very-long-name.very-long-name-very-long-name-very-long.example",
];

/// The sessions of a capture, with their timelines.
pub fn of_file(path: &Path) -> Vec<Finished> {
    analysed(&load(path).frames)
}

fn analysed(frames: &[Owned]) -> Vec<Finished> {
    let limits = Limits { timeline_head: STORY_EVENTS, timeline_tail: STORY_EVENTS, ..Limits::default() };
    let mut analyzer = Analyzer::new(Options { limits, ..Options::default() });
    for (i, frame) in frames.iter().enumerate() {
        analyzer.push(&Frame {
            at: At::new(Time::from_nanos(frame.time), i as u32 + 1, 0),
            link: frame.link,
            wire_len: frame.wire_len,
            interface: 0,
            outgoing: None,
            data: &frame.data,
        });
    }
    analyzer.finish();
    in_order(analyzer.take())
}

/// A connection that is being made up.
struct Talk {
    frames: Vec<Owned>,
    /// Next sequence numbers, client's and server's.
    next: [u32; 2],
    time: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum Flag {
    Syn,
    Fin,
    Rst,
    None,
}

impl Talk {
    fn open() -> Talk {
        let mut talk = Talk { frames: Vec::new(), next: [1_000, 9_000], time: START };
        talk.send(0, Flag::Syn, b"");
        talk.send(1, Flag::Syn, b"");
        talk.send(0, Flag::None, b"");
        talk
    }

    fn send(&mut self, from: usize, flag: Flag, payload: &[u8]) {
        let (addresses, ports) = if from == 0 {
            ([[10, 0, 0, 12], [203, 0, 113, 7]], [51_544, 443])
        } else {
            ([[203, 0, 113, 7], [10, 0, 0, 12]], [443, 51_544])
        };
        let mut packet =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(addresses[0], addresses[1], 64).tcp(ports[0], ports[1], self.next[from], 64_000);
        if flag == Flag::Syn {
            packet = packet.syn();
        }
        if flag == Flag::Fin {
            packet = packet.fin();
        }
        if flag == Flag::Rst {
            packet = packet.rst();
        }
        if flag != Flag::Syn || from == 1 {
            packet = packet.ack(self.next[1 - from]);
        }
        let mut data = Vec::new();
        packet.write(&mut data, payload).unwrap();
        self.frames.push(Owned { time: self.time, link: LinkType::ETHERNET, wire_len: data.len() as u32, data });
        self.next[from] += payload.len() as u32 + u32::from(matches!(flag, Flag::Syn | Flag::Fin));
        self.time += MILLI;
    }

    fn record(&mut self, from: usize, typ: u8, body: &[u8]) {
        let len = (body.len() as u16).to_be_bytes();
        self.send(from, Flag::None, &[&[typ, 3, 3], &len[..], body].concat());
    }

    fn only(self) -> Finished {
        let mut sessions = analysed(&self.frames);
        assert_eq!(sessions.len(), 1);
        sessions.remove(0)
    }
}

/// A session of `turns` requests and as many answers, that its server ends with a bare FIN after a silence.
pub fn long(turns: usize) -> Finished {
    let mut talk = Talk::open();
    talk.record(0, 22, &hello("api.example.com"));
    // TLS 1.3 with AES-128-GCM: an encrypted Finished is 53 bytes long.
    talk.record(1, 22, &server_hello());
    talk.record(1, 20, &[1]);
    talk.record(1, 23, &[9; 900]);
    talk.record(1, 23, &[9; 53]);
    talk.record(0, 20, &[1]);
    talk.record(0, 23, &[7; 53]);
    for _ in 0..turns {
        talk.record(0, 23, &[7; 120]);
        talk.record(1, 23, &[9; 900]);
    }
    talk.send(0, Flag::None, b"");
    talk.time += 60_000 * MILLI;
    talk.send(1, Flag::Fin, b"");
    talk.send(0, Flag::Rst, b"");
    talk.only()
}

/// A session for `name`, that its server ends in answer to the ClientHello.
pub fn named(name: &str) -> Finished {
    let mut talk = Talk::open();
    talk.record(0, 22, &hello(name));
    talk.send(1, Flag::None, b"");
    talk.send(1, Flag::Fin, b"");
    talk.send(0, Flag::Fin, b"");
    talk.only()
}

/// A ClientHello for `name` (RFC 8446 section 4.1.2, RFC 6066 section 3).
fn hello(name: &str) -> Vec<u8> {
    let short = |len: usize| (len as u16).to_be_bytes();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    body.extend(short(name.len() + 9));
    body.extend([0, 0]);
    body.extend(short(name.len() + 5));
    body.extend(short(name.len() + 3));
    body.push(0);
    body.extend(short(name.len()));
    body.extend(name.as_bytes());
    [&[1, 0], &short(body.len())[..], &body].concat()
}

/// A ServerHello that chooses TLS 1.3 (RFC 8446 section 4.1.3).
fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([5; 32]);
    body.extend([0, 0x13, 0x01, 0]);
    let mut extensions = vec![0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 29, 0, 32];
    extensions.extend([6; 32]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    [&[2, 0], &(body.len() as u16).to_be_bytes()[..], &body].concat()
}
