//! Connections fed by hand: what becomes of the bytes, in which order, and what is said of the rest.

use super::{Connection, Heard, Numbers};
use crate::base::{At, Endpoint, FlowKey, Limits, Piece, Time, Way};
use crate::decode::{Checksum, Segment, TcpFlags, TcpOptions};

const ACK: u16 = 0x10;
const SYN: u16 = 0x02;
const FIN: u16 = 0x01;
const RST: u16 = 0x04;

/// A connection under test: what was handed up, and what was heard.
struct Rig {
    conn: Connection,
    key: FlowKey,
    client: Way,
    frame: u32,
    millis: i64,
    pieces: Vec<(Way, String)>,
}

impl Rig {
    fn new() -> Rig {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        let (key, client) = FlowKey::new(end("10.0.0.9", 50_000), end("10.0.0.1", 443));
        Rig { conn: Connection::new(key, Some(0), At::default()), key, client, frame: 0, millis: 0, pieces: Vec::new() }
    }

    /// A connection that has come up: the client's first byte has sequence number `client`, the server's `server`.
    fn open(client: u32, server: u32) -> Rig {
        let mut rig = Rig::new();
        rig.c(SYN, client.wrapping_sub(1), 0, b"");
        rig.s(SYN | ACK, server.wrapping_sub(1), client, b"");
        rig.c(ACK, client, server, b"");
        rig
    }

    fn c(&mut self, flags: u16, seq: u32, ack: u32, payload: &[u8]) -> Heard {
        self.send(self.client, flags, seq, ack, payload, Checksum::Good, payload.len() as u32)
    }

    fn s(&mut self, flags: u16, seq: u32, ack: u32, payload: &[u8]) -> Heard {
        self.send(self.client.opposite(), flags, seq, ack, payload, Checksum::Good, payload.len() as u32)
    }

    #[allow(clippy::too_many_arguments)]
    fn send(&mut self, way: Way, flags: u16, seq: u32, ack: u32, payload: &[u8], checksum: Checksum, len: u32) -> Heard {
        let segment = self.segment(way, flags, seq, ack, payload, checksum, len);
        let pieces = &mut self.pieces;
        self.conn.accept(&segment, &Limits::default(), 1 << 20, &mut |way, piece| pieces.push((way, tell(&piece))))
    }

    /// The next segment, not sent yet.
    #[allow(clippy::too_many_arguments)]
    fn segment<'a>(&mut self, way: Way, flags: u16, seq: u32, ack: u32, payload: &'a [u8], checksum: Checksum, len: u32) -> Segment<'a> {
        self.frame += 1;
        self.millis += 50;
        Segment {
            at: At::new(Time::from_nanos(self.millis * 1_000_000), self.frame, 0),
            key: self.key,
            way,
            seq,
            ack,
            flags: TcpFlags(flags),
            window: 500,
            options: TcpOptions::default(),
            payload,
            payload_len: len,
            checksum,
            ttl: 64,
            ip_id: Some(self.frame as u16),
            dont_fragment: true,
            source_mac: None,
            interface: 0,
            outgoing: None,
        }
    }

    fn end(&mut self) {
        let pieces = &mut self.pieces;
        let at = At::new(Time::from_nanos(self.millis * 1_000_000), self.frame, 0);
        self.conn.close_holes(at, &mut |way, piece| pieces.push((way, tell(&piece))));
    }

    /// Everything handed up of the client's stream, in one line.
    fn said(&self) -> String {
        self.pieces.iter().filter(|(way, _)| *way == self.client).map(|(_, piece)| piece.as_str()).collect::<Vec<_>>().join(" ")
    }
}

fn tell(piece: &Piece<'_>) -> String {
    match piece {
        Piece::Data { offset, bytes, .. } => format!("{offset}:{}", String::from_utf8_lossy(bytes)),
        Piece::Gap { offset, len, why, .. } => format!("{offset}:gap({len},{why:?})"),
    }
}

#[test]
fn bytes_come_in_order_and_once() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    rig.c(ACK, 1006, 9000, b"ghi");
    let again = rig.c(ACK, 1000, 9000, b"abc");
    rig.c(ACK, 1002, 9000, b"cdefg");
    assert_eq!(rig.said(), "0:abc 3:defg 7:hi");
    assert_eq!(again.repeated, 3);
    assert_eq!(rig.conn.half(rig.client).bytes(), 9);
}

#[test]
fn sequence_numbers_wrap_in_mid_stream() {
    let mut rig = Rig::open(u32::MAX - 1, 5);
    rig.c(ACK, u32::MAX - 1, 5, b"abcd");
    rig.c(ACK, 2, 5, b"ef");
    assert_eq!(rig.said(), "0:abcd 4:ef");
}

#[test]
fn a_hole_the_receiver_does_not_have_is_the_captures_only_once_it_is_acknowledged() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    rig.c(ACK, 1006, 9000, b"ghi");
    assert_eq!(rig.said(), "0:abc", "the hole may still be filled");
    rig.s(ACK, 9000, 1009, b"");
    for _ in 0..5 {
        rig.s(ACK, 9000, 1009, b"");
    }
    assert_eq!(rig.said(), "0:abc 3:gap(3,CaptureLoss) 6:ghi");
}

#[test]
fn a_hole_that_nobody_acknowledged_is_the_paths() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    rig.c(ACK, 1006, 9000, b"ghi");
    rig.s(ACK, 9000, 1003, b"");
    rig.end();
    assert_eq!(rig.said(), "0:abc 3:gap(3,PathLoss) 6:ghi");
}

#[test]
fn a_bare_ack_tells_what_was_sent_and_never_came() {
    let no: [&str; 0] = [];
    let lost = |settled: bool, seq: u32, acked: u32| {
        let mut rig = Rig::open(100, 500);
        rig.c(ACK, 100, 500, b"hello");
        rig.s(ACK, 500, 105, b"");
        rig.millis += if settled { 3_000 } else { 0 };
        rig.c(FIN | ACK, 105, acked, b"");
        rig.s(ACK, seq, 106, b"");
        rig.end();
        rig.pieces.into_iter().filter(|(way, _)| *way != rig.client).map(|(_, piece)| piece).collect::<Vec<_>>()
    };
    assert_eq!(lost(true, 562, 500), ["0:gap(62,PathLoss)"], "it had sent 62 bytes, which its peer never had");
    assert_eq!(lost(false, 562, 500), no, "they may have been on their way");
    assert_eq!(lost(true, 500, 500), no);
    assert_eq!(lost(true, 499, 500), no, "a keep-alive");
    assert_eq!(lost(true, 500 + (1 << 23), 500), no, "no flight is as long");
}

#[test]
fn a_hole_filled_late_is_no_hole_and_no_repetition() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1003, 9000, b"def");
    let late = rig.c(ACK, 1000, 9000, b"abc");
    rig.end();
    assert_eq!(rig.said(), "0:abc 3:def");
    assert_eq!(late.repeated, 3, "by its sequence number it comes late");
    assert_eq!(rig.conn.half(rig.client).repeated().total, 0, "but it is no retransmission");
}

#[test]
fn what_the_snap_length_cut_is_a_gap() {
    let mut rig = Rig::open(1000, 9000);
    rig.send(rig.client, ACK, 1000, 9000, b"abc", Checksum::Unknown, 10);
    rig.c(ACK, 1010, 9000, b"k");
    assert_eq!(rig.said(), "0:abc 3:gap(7,SnapLength) 10:k");
}

#[test]
fn the_first_copy_counts_and_a_contradiction_is_noted() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1003, 9000, b"def");
    rig.c(ACK, 1003, 9000, b"dXf");
    rig.c(ACK, 1000, 9000, b"abc");
    assert_eq!(rig.said(), "0:abc 3:def");
    assert_eq!(rig.conn.half(rig.client).conflicts(), 1);
}

#[test]
fn a_damaged_segment_is_dropped_as_its_receiver_drops_it() {
    let mut rig = Rig::open(1000, 9000);
    let bad = rig.send(rig.client, ACK, 1000, 9000, b"aXc", Checksum::Bad, 3);
    rig.c(ACK, 1000, 9000, b"abc");
    assert!(bad.damaged);
    assert_eq!(rig.said(), "0:abc");
    assert_eq!(rig.conn.half(rig.client).bad_checksums(), 1);
}

#[test]
fn wrong_checksums_throughout_are_offload() {
    let mut rig = Rig::new();
    let way = rig.client;
    rig.send(way, SYN, 999, 0, b"", Checksum::Bad, 0);
    rig.s(SYN | ACK, 8999, 1000, b"");
    rig.send(way, ACK, 1000, 9000, b"abc", Checksum::Bad, 3);
    assert_eq!(rig.said(), "0:abc");
}

#[test]
fn a_keep_alive_is_no_data() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    assert!(rig.c(ACK, 1002, 9000, b"").keep_alive);
    assert!(rig.c(ACK, 1002, 9000, b"\0").keep_alive);
    assert!(!rig.c(ACK, 1003, 9000, b"d").keep_alive);
    assert_eq!(rig.said(), "0:abc 3:d");
}

#[test]
fn a_packet_captured_twice_is_said_once() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    rig.frame -= 1;
    rig.millis -= 49;
    let twin = rig.c(ACK, 1000, 9000, b"abc");
    assert!(twin.duplicate);
    assert_eq!(rig.conn.half(rig.client).packets(), 3);
    rig.millis += 500;
    assert!(!rig.c(ACK, 1000, 9000, b"abc").duplicate, "a retransmission has another IP identification");
}

#[test]
fn a_fin_stands_behind_the_data_and_is_acknowledged_like_a_byte() {
    let mut rig = Rig::open(1000, 9000);
    assert!(rig.c(ACK | FIN, 1000, 9000, b"abc").fin);
    assert!(rig.c(ACK | FIN, 1000, 9000, b"abc").fin_again);
    let half = rig.conn.half(rig.client);
    assert_eq!(half.offset_of(half.fin().unwrap().seq), 3);
    assert_eq!(half.unacked(Some(1003)), 1);
    rig.s(ACK, 9000, 1004, b"");
    assert_eq!(rig.conn.half(rig.client).unacked(Some(1004)), 0);
}

#[test]
fn a_reply_rst_names_the_segment_it_answers() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    let asked = rig.frame;
    let rst = rig.s(RST, 9000, 0, b"").rst.unwrap();
    assert_eq!(rst.trigger.unwrap().frame, asked);
    assert!(!rst.after_own_close && !rst.refusal);
    assert_eq!(rst.seq_offset, 0);
}

#[test]
fn a_side_that_goes_on_after_its_rst_is_alive() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    rig.s(RST, 9000, 0, b"");
    assert!(rig.s(ACK, 9000, 1003, b"answer").alive);
    assert!(!rig.c(ACK, 1003, 9006, b"").alive, "the other side sent no RST");
}

#[test]
fn a_refused_syn_is_told_from_a_reset() {
    let mut rig = Rig::new();
    rig.c(SYN, 999, 0, b"");
    let rst = rig.s(RST | ACK, 0, 1000, b"").rst.unwrap();
    assert!(rst.refusal);
    assert_eq!(rst.trigger.unwrap().frame, 1);
}

#[test]
fn ports_are_reused_by_another_syn_only() {
    let rig = Rig::open(1000, 9000);
    let syn = |seq| Numbers { seq, ack: None, syn: true };
    assert!(!rig.conn.is_reused_by(rig.client, syn(999)), "the same SYN again");
    assert!(rig.conn.is_reused_by(rig.client, syn(77)));
    assert!(rig.conn.is_reused_by(rig.client.opposite(), syn(77)));
    assert!(!rig.conn.is_reused_by(rig.client, Numbers { ack: Some(1), ..syn(77) }), "an answer");
}

#[test]
fn a_pause_is_kept_while_later_data_is_not_acknowledged() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"ask");
    rig.s(ACK, 9000, 1003, b"answer");
    let before = rig.frame - 1;
    rig.millis += 5_000;
    rig.c(ACK, 1003, 9006, b"more");
    let after = rig.frame;
    let pause = |rig: &Rig| rig.conn.half(rig.client).pause().map(|(before, after)| (before.frame, after.frame));
    assert_eq!(pause(&rig), Some((before, after)));
    // It writes on although nothing comes back: that is no pause of an idle connection.
    rig.millis += 5_000;
    rig.c(ACK, 1007, 9006, b"still there?");
    assert_eq!(pause(&rig), Some((before, after)));
    rig.s(ACK, 9006, 1019, b"");
    rig.c(ACK, 1019, 9006, b"quick");
    assert_eq!(pause(&rig), Some((before, after)), "no second had passed");
    assert_eq!(rig.conn.half(rig.client.opposite()).pause(), None);
}

#[test]
fn probes_are_unheard_until_the_peer_speaks() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    rig.s(ACK, 9000, 1003, b"");
    rig.c(ACK, 1002, 9000, b"");
    rig.s(ACK, 9000, 1003, b"");
    assert_eq!(rig.conn.half(rig.client).unheard_probes(), None, "it was answered");
    rig.c(ACK, 1002, 9000, b"");
    rig.c(ACK, 1002, 9000, b"");
    assert_eq!(rig.conn.half(rig.client).unheard_probes().map(|(_, _, count)| count), Some(2));
}

#[test]
fn a_reset_may_answer_any_recent_segment_with_its_number() {
    let mut rig = Rig::open(1000, 9000);
    rig.s(ACK, 9000, 1000, b"hello");
    rig.c(ACK, 1000, 9005, b"");
    rig.millis += 1_000;
    rig.c(ACK, 1000, 9005, b"one");
    let asked = rig.frame;
    rig.c(ACK, 1003, 9005, b"two");
    let heard = rig.s(RST, 9005, 0, b"");
    let seen = heard.rst.unwrap();
    assert_eq!(seen.trigger.map(|at| at.frame), Some(asked + 1), "the newest");
    assert_eq!(seen.earliest.map(|at| at.frame), Some(asked), "or the one before it, and not what was long gone");
}

#[test]
fn who_is_heard_again_in_the_usual_way_has_heard_the_probes() {
    let mut rig = Rig::open(100, 500);
    rig.c(ACK, 100, 500, b"ask");
    rig.s(ACK, 500, 103, b"");
    for _ in 0..2 {
        assert!(rig.c(ACK, 102, 500, b"").keep_alive);
    }
    assert!(rig.conn.half(rig.client).unheard_probes().is_some_and(|(_, _, count)| count == 2));
    let answer = rig.segment(rig.client.opposite(), ACK, 500, 103, b"answer", Checksum::Good, 6);
    assert!(rig.conn.is_ordinary(&answer));
    rig.conn.accept_ordinary(&answer);
    assert_eq!(rig.conn.half(rig.client).unheard_probes(), None);
}

#[test]
fn what_went_before_its_time_is_disorder_and_jitter_is_not() {
    let mut rig = Rig::open(1000, 9000);
    rig.c(ACK, 1000, 9000, b"abc");
    assert!(!rig.conn.is_disordered());
    let early = |rig: &mut Rig, nanos: i64| {
        let way = rig.client.opposite();
        let last = rig.conn.last.time;
        let next = rig.conn.half(way).bytes() as u32 + 9000;
        let mut segment = rig.segment(way, ACK, next, 1003, b"d", Checksum::Good, 1);
        segment.at.time = Time::from_nanos(last.nanos() - nanos);
        assert!(!rig.conn.is_ordinary(&segment), "the short way does not look at times");
        rig.conn.accept(&segment, &Limits::default(), 1 << 20, &mut |_, _| {});
    };
    early(&mut rig, 90_000);
    assert!(!rig.conn.is_disordered(), "two queues of one card");
    early(&mut rig, 2_000_000);
    assert!(rig.conn.is_disordered());
}

#[test]
fn a_first_acknowledgement_tells_what_was_never_captured() {
    let mut rig = Rig::new();
    rig.c(SYN, 999, 0, b"");
    rig.s(FIN | ACK, 9000, 1001, b"");
    rig.end();
    assert_eq!(rig.said(), "0:gap(1,CaptureLoss)", "a FIN or a byte of the client, with the SYN-ACK not captured either");

    let mut rig = Rig::new();
    rig.c(SYN, 999, 0, b"");
    rig.s(ACK, 9000, 900_000_000, b"");
    rig.end();
    assert_eq!(rig.said(), "", "what an older connection of these ports had acknowledged is nothing of this one");
}

#[test]
fn a_bare_ack_tells_what_was_sent_in_a_connection_joined_later() {
    let mut rig = Rig::new();
    rig.c(ACK, 1000, 9000, b"hello");
    rig.s(ACK, 9000, 1005, b"");
    rig.millis += 2_000;
    rig.s(ACK, 9862, 1005, b"");
    rig.end();
    let server = rig.client.opposite();
    let told: Vec<_> = rig.pieces.iter().filter(|(way, _)| *way == server).map(|(_, piece)| piece.as_str()).collect();
    assert_eq!(told, ["0:gap(862,PathLoss)"]);
}

#[test]
fn who_acknowledges_after_its_syn_has_a_connection() {
    let mut rig = Rig::new();
    rig.c(SYN, 999, 0, b"");
    assert!(rig.conn.established.is_none());
    rig.c(ACK, 1000, 9000, b"");
    assert_eq!(rig.conn.established.map(|at| at.frame), Some(2), "the SYN-ACK went uncaptured");
}
