//! Floods of connections that never come up: they cost no session, and are counted instead of judged.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "it reads captures to flood them")]

mod common;

use common::Owned;
use common::packet::{Ip, Item, Packet, parse};
use whohungup::analyze::{Analyzer, Finished, Options};
use whohungup::base::{Limits, Time};
use whohungup::session::Phase;

/// Connections followed, and SYNs between one packet of a session and the next: until it is established it is one of them.
const ROOM: usize = 100;
const BETWEEN: u32 = 30;
const SECOND: i64 = 1_000_000_000;

/// An analysis under attack.
struct Attacked {
    analyzer: Analyzer,
    frames: u32,
    syn: Packet,
    attempts: u32,
    time: i64,
}

impl Attacked {
    fn new(first: &Owned) -> Attacked {
        let Item::Tcp(syn) = parse(first) else { panic!("it begins with a SYN") };
        let limits = Limits { connections: ROOM, ..Limits::default() };
        let analyzer = Analyzer::new(Options { limits, ..Options::default() });
        Attacked { analyzer, frames: 0, syn, attempts: 0, time: first.time }
    }

    fn push(&mut self, frame: &Owned) {
        self.frames += 1;
        self.time = frame.time;
        common::push(&mut self.analyzer, frame, self.frames);
    }

    /// A SYN from somewhere, and perhaps the server's answer.
    fn attempt(&mut self, from: [u8; 4], port: u16, answered: bool) {
        let mut syn = self.syn.clone();
        (syn.time, syn.tcp.source_port, syn.tcp.sequence_number) = (self.time, port, self.attempts);
        let Ip::V4(ip) = &mut syn.ip else { panic!("it is IPv4") };
        ip.source = from;
        let server = ip.destination;
        self.push(&syn.frame());
        if answered {
            std::mem::swap(&mut syn.tcp.source_port, &mut syn.tcp.destination_port);
            (syn.tcp.ack, syn.tcp.acknowledgment_number) = (true, self.attempts + 1);
            let Ip::V4(ip) = &mut syn.ip else { panic!("it is IPv4") };
            (ip.source, ip.destination) = (server, from);
            self.push(&syn.frame());
        }
    }

    fn flood(&mut self, attempts: u32, answered: bool) {
        for _ in 0..attempts {
            self.attempts += 1;
            self.attempt([100, 64, (self.attempts / 60_000) as u8, 1], 1_024 + (self.attempts % 60_000) as u16, answered);
        }
    }

    /// What was judged, and how many connections were counted instead.
    fn end(mut self) -> (Vec<Finished>, u64) {
        self.analyzer.finish();
        let sessions = common::settled(&mut self.analyzer);
        let left_out = self.analyzer.totals().limits_reached.iter().map(|(_, times)| times).sum::<u64>();
        assert_eq!(sessions.len() as u64 + left_out, self.analyzer.totals().tcp_connections, "each is told or counted");
        (sessions, left_out)
    }
}

fn frames() -> Vec<Owned> {
    common::load(&common::directory().join("clean-close--near-miss.pcapng")).frames
}

fn causes(sessions: &[Finished]) -> Vec<&'static str> {
    sessions.iter().map(|finished| finished.verdict.cause).collect()
}

#[test]
fn it_costs_no_session_that_is_going_on() {
    let frames = frames();
    let alone = common::sessions(&frames).0;
    for answered in [false, true] {
        let mut attacked = Attacked::new(&frames[0]);
        for frame in &frames {
            attacked.push(frame);
            attacked.flood(BETWEEN, answered);
        }
        // The session's end has made room, which the flood's end takes.
        attacked.time += 4 * SECOND;
        attacked.analyzer.tick(Time::from_nanos(attacked.time));
        attacked.time -= 2 * SECOND;
        attacked.flood(1, answered);
        let (sessions, left_out) = attacked.end();
        assert_eq!(causes(&sessions), causes(&alone));
        assert!(sessions.iter().all(|finished| finished.session.phase > Phase::Connecting));
        assert_eq!(left_out, frames.len() as u64 * u64::from(BETWEEN) + 1);
    }
}

/// A client asks, perhaps again after 1, 3 and 7 s, while a flood goes on that there is room for only half a second of.
fn client(attacked: &mut Attacked, again: bool) {
    let begun = attacked.time;
    for tick in 0..400 {
        attacked.time = begun + tick * SECOND / 50;
        if tick == 0 || again && [50, 150, 350].contains(&tick) {
            let attempts = std::mem::replace(&mut attacked.attempts, 7);
            attacked.attempt([192, 0, 2, 77], 40_000, false);
            attacked.attempts = attempts;
        }
        attacked.flood(1, false);
    }
}

#[test]
fn a_client_that_asks_again_in_it_is_told() {
    for (again, told) in [(true, 1), (false, 0)] {
        let mut attacked = Attacked::new(&frames()[0]);
        attacked.flood(300, false);
        client(&mut attacked, again);
        let (sessions, _) = attacked.end();
        assert_eq!(sessions.len(), told);
        assert!(sessions.iter().all(|finished| finished.session.ends.client.port == 40_000 && finished.session.opening.syns == 4));
    }
}

#[test]
fn what_comes_after_it_is_judged_again() {
    let mut attacked = Attacked::new(&frames()[0]);
    attacked.flood(300, false);
    attacked.time += 300 * SECOND;
    // The flood is given up by now, and there is room.
    attacked.analyzer.tick(Time::from_nanos(attacked.time));
    attacked.attempt([192, 0, 2, 77], 40_000, false);
    attacked.time += 300 * SECOND;
    attacked.attempt([192, 0, 2, 78], 40_001, false);
    let (sessions, left_out) = attacked.end();
    let mut ports: Vec<u16> = sessions.iter().map(|finished| finished.session.ends.client.port).collect();
    ports.sort_unstable();
    assert_eq!((left_out, ports), (300, vec![40_000, 40_001]));
}

#[test]
fn with_room_for_all_each_attempt_is_judged() {
    let mut attacked = Attacked::new(&frames()[0]);
    attacked.flood(ROOM as u32, false);
    let (sessions, left_out) = attacked.end();
    assert_eq!((sessions.len(), left_out), (ROOM, 0));
}
