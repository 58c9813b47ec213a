//! What happened in a session, in order: bounded, the beginning and the end kept, the middle counted.

use std::collections::VecDeque;

use crate::base::{At, GapReason, Way};
use crate::decode::IcmpKind;
use crate::session::act::RstKind;

/// One thing that happened. Runs of the same thing (application data, retransmissions) are one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// The first frame of it.
    pub at: At,
    /// The last frame of it: the same as `at` unless it is a run.
    pub until: At,
    /// Which way.
    pub way: Way,
    /// What.
    pub what: What,
}

/// What an [`Event`] is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A SYN; how often it was sent.
    Syn(u32),
    /// A SYN with ACK.
    SynAck,
    /// Bytes that are not TLS: how many.
    Plain(u64),
    /// A handshake message in clear, by its type (RFC 8446 section 4).
    Handshake(u8),
    /// A HelloRetryRequest: a ServerHello with the special random.
    HelloRetryRequest,
    /// ChangeCipherSpec.
    ChangeCipherSpec,
    /// Encrypted handshake records: how many, how many bytes.
    SealedHandshake(u32, u64),
    /// Encrypted records of outer type application_data before the sender's Finished, or at it (TLS 1.3).
    SealedFlight(u32, u64),
    /// 0-RTT data: records, bytes.
    EarlyData(u32, u64),
    /// Application data: records, bytes.
    Data(u32, u64),
    /// An alert in clear: level, description.
    Alert(u8, u8),
    /// A handshake message that was opened with keys.
    OpenedHandshake(u8),
    /// An alert that was opened with keys: level, description.
    OpenedAlert(u8, u8),
    /// An encrypted alert (visible as such), or a record of an alert's length that may be one: its length.
    SealedAlert(u16),
    /// A record header that cannot be.
    Broken,
    /// Bytes missing from the capture.
    Gap(u64, GapReason),
    /// Segments sent again: how many, how many bytes.
    Retransmission(u32, u64),
    /// Keep-alive probes: how many.
    KeepAlive(u32),
    /// The sender's receive window is zero.
    ZeroWindow(u32),
    /// A segment whose checksum does not fit; its receiver drops it.
    BadChecksum(u32),
    /// FIN; how often it was sent.
    Fin(u32),
    /// RST, its kind; how many alike.
    Rst(RstKind, u32),
    /// An ICMP error quoting a segment of this way.
    Icmp(IcmpKind),
}

/// The events of a session, bounded.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    head: Vec<Event>,
    tail: VecDeque<Event>,
    left_out: u64,
}

impl Timeline {
    /// Adds an event; with `head` full the oldest of the `tail` newest gives way and is counted.
    pub fn push(&mut self, event: Event, head: usize, tail: usize) {
        if self.head.len() < head && self.tail.is_empty() {
            self.head.push(event);
            return;
        }
        if self.tail.len() >= tail.max(1) {
            self.tail.pop_front();
            self.left_out += 1;
        }
        self.tail.push_back(event);
    }

    /// The newest event, to extend a run.
    pub fn last_mut(&mut self) -> Option<&mut Event> {
        match self.tail.back_mut() {
            Some(event) => Some(event),
            None => self.head.last_mut(),
        }
    }

    /// The newest event that `fits`, to say better what it is.
    pub fn find_mut(&mut self, fits: impl Fn(&Event) -> bool) -> Option<&mut Event> {
        self.head.iter_mut().chain(&mut self.tail).rfind(|event| fits(event))
    }

    /// The beginning: every event up to the first one left out.
    pub fn head(&self) -> &[Event] {
        &self.head
    }

    /// The end.
    pub fn tail(&self) -> impl Iterator<Item = &Event> {
        self.tail.iter()
    }

    /// All events kept, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Event> {
        self.head.iter().chain(&self.tail)
    }

    /// How many events between head and tail were counted but not kept.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
