//! From a followed connection to a finished session: the facts the rules judge by.

use std::sync::Arc;

use crate::app::{Outcome, State, Why};
use crate::base::{At, GapReason, PerSide, Side, Span, Way};
use crate::prelude::{Protocol, State as Spoken, Story};
use crate::session::act::SealedReading;
use crate::session::closing::{self, Conclusion};
use crate::session::facts::{CutRecord, Fin, Grounds, LastRecord, Opening, Session, SideFacts, TlsFacts, Unanswered};
use crate::session::flow::Flow;
use crate::session::tracker::Tracker;
use crate::session::way::{Milestones, WayState};
use crate::session::words::{Cap, CloseNotify, ClosedBy, Ending, Phase};
use crate::tcp::Half;
use crate::tls::AlertDescription;

/// No alert's record is longer, whatever the suite and its padding to blocks.
const LONGEST_ALERT: u16 = 256;

/// What the analysis knows beside the flow itself.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// What it knows of this capture.
    pub grounds: Grounds,
    /// Whether a port is one that TLS servers listen on.
    pub is_tls_port: &'a dyn Fn(u16) -> bool,
}

impl Flow {
    /// Which way the client sends, and whether that was seen or guessed.
    pub fn client(&self, surroundings: &Surroundings<'_>) -> (Way, bool) {
        let hello = self.reading.tls.as_ref().and_then(|tls| tls.handshake.client);
        let spoken = self.reading.prelude.as_ref().and_then(|prelude| prelude.story().client);
        if let Some(way) = hello.or(self.conn.client).or(spoken) {
            return (way, true);
        }
        let port = |way| self.conn.key.destination(way).port;
        let to_tls = |way| (surroundings.is_tls_port)(port(way));
        let way = match (to_tls(Way::AtoB), to_tls(Way::BtoA)) {
            (true, false) => Way::AtoB,
            (false, true) => Way::BtoA,
            // Servers listen on low ports.
            _ if port(Way::AtoB) <= port(Way::BtoA) => Way::AtoB,
            _ => Way::BtoA,
        };
        (way, false)
    }

    /// Ends the connection and tells its story, which is taken out of it. Holes must have been closed before.
    pub fn finish(&mut self, surroundings: &Surroundings<'_>) -> Arc<Session> {
        let (client, roles_seen) = self.client(surroundings);
        let conclusion = closing::conclude(self, client, surroundings.grounds.end);
        let ends = PerSide { client: self.conn.key.source(client), server: self.conn.key.destination(client) };
        let sides = PerSide { client: self.side(client), server: self.side(client.opposite()) };
        let close_notify =
            PerSide { client: self.close_notify(client, &conclusion), server: self.close_notify(client.opposite(), &conclusion) };
        let phase = self.phase(client);
        let mut ending = conclusion.ending;
        let mut closed_by = conclusion.closed_by;
        if surroundings.grounds.replaced && ending == Ending::Open {
            ending = Ending::Unseen;
            closed_by = ClosedBy::Unknown;
        }
        let framing_lost =
            self.reading.tls.as_ref().is_some_and(|tls| tls.handshake.ways[Way::AtoB].was_lost || tls.handshake.ways[Way::BtoA].was_lost);
        let padded = self.reading.tls.as_ref().is_some_and(|tls| padded_last(tls, Way::AtoB) || padded_last(tls, Way::BtoA));
        let exchange = self.exchange(&sides).map(Box::new);
        // Built where it stays, almost: it is large.
        let mut session = Arc::new(Session {
            connection: self.conn.serial.wrapping_sub(1),
            tcp_stream: self.conn.stream,
            ends,
            roles_seen,
            first: self.conn.first,
            last: self.conn.last,
            capture_end: surroundings.grounds.end.time,
            grounds: surroundings.grounds,
            opening: self.opening(),
            sides,
            tls: self.tls_facts(client),
            exchange,
            prelude: self.reading.prelude.take().map(|prelude| Box::new(prelude.into_story())),
            phase,
            closing: conclusion.closing,
            ending,
            closed_by,
            close_notify,
            icmp: self.icmp().iter().map(|(way, error)| (if *way == client { Side::Client } else { Side::Server }, *error)).collect(),
            timeline: std::mem::take(&mut self.log).into_timeline(),
            caps: Vec::new(),
            client_way: client,
        });
        let caps = caps(&session, self, framing_lost, padded, surroundings);
        if let Some(session) = Arc::get_mut(&mut session) {
            session.caps = caps;
        }
        session
    }

    /// How far the exchange came, where keys opened it.
    fn exchange(&mut self, sides: &PerSide<Box<SideFacts>>) -> Option<Outcome> {
        let mut outcome = self.reading.tls.as_mut()?.exchange()?;
        let cut = Side::BOTH.iter().any(|side| sides[*side].cut_record.is_some());
        // What a record held of which only a part came, nobody can read: neither "all" nor "nothing" is sure.
        if cut && matches!(outcome.state, State::Idle | State::Complete | State::Unclosed | State::Outstanding { .. }) {
            outcome.state = State::Unknown(Why::Hole);
        }
        Some(outcome)
    }

    /// Whether this is a TLS session, or was clearly meant to be one.
    pub fn speaks_tls(&self) -> bool {
        self.reading.tls.as_ref().is_some_and(|tls| tls.spoke())
            || self.reading.prelude.as_ref().is_some_and(|prelude| asked(prelude.story()))
    }

    fn opening(&self) -> Opening {
        let conn = &self.conn;
        let (syn, last_syn, syns) = conn.syn.map_or((None, None, 0), |(first, last, count)| (Some(first), Some(last), count));
        let span = |from: Option<At>, to: Option<At>| match (from, to) {
            (Some(from), Some(to)) => Some(to.time.since(from.time)).filter(|span| *span >= Span::ZERO),
            _ => None,
        };
        Opening {
            syn,
            syns,
            last_syn,
            syn_ack: conn.syn_ack,
            established: conn.established,
            // A repeated SYN's answer cannot be told from the first one's: take the shorter reading.
            server_rtt: span(
                if syns > 1 { last_syn.filter(|last| conn.syn_ack.is_some_and(|ack| *last < ack)).or(syn) } else { syn },
                conn.syn_ack,
            ),
            client_rtt: span(conn.syn_ack, conn.established),
        }
    }

    fn phase(&self, client: Way) -> Phase {
        let Some(tls) = self.reading.tls.as_ref().filter(|tls| tls.spoke()) else {
            return match &self.reading.prelude {
                Some(prelude) if asked(prelude.story()) => Phase::Tunneling,
                _ => Phase::Connecting,
            };
        };
        let server = client.opposite();
        if tls.is_established() || (tls.handshake.client_hello_at.is_none() && tls.handshake.server_hello_at.is_none() && only_data(tls)) {
            Phase::Established
        } else if tls.handshake.server_hello_at.is_some()
            || tls.seldom().hello_retry.is_some()
            || tls.handshake.ways[server].flight > 0
            || tls.seldom().server_hello_done.is_some()
        {
            Phase::Handshake
        } else if tls.handshake.client_hello_at.is_some() || tls.ways[client].records > 0 || tls.framer(client).in_record().is_some() {
            Phase::ClientHello
        } else if self.reading.prelude.as_ref().is_some_and(|prelude| asked(prelude.story())) {
            Phase::Tunneling
        } else {
            Phase::Connecting
        }
    }

    fn side(&self, way: Way) -> Box<SideFacts> {
        let half = self.conn.half(way);
        let peer = self.conn.half(way.opposite());
        let tls = self.reading.tls.as_ref();
        let silent;
        let (state, passed) = match tls {
            Some(tls) => (&tls.ways[way], &tls.handshake.ways[way]),
            None => {
                silent = (WayState::default(), Milestones::default());
                (&silent.0, &silent.1)
            }
        };
        let (keep_alives, last_keep_alive) = half.keep_alives();
        let acknowledged = half.acked().map_or(0, |ack| peer.offset_of(ack));
        let fin = half.fin().map(|fin| {
            let before = self.at_fin(way);
            let peer_fin = peer.fin().map_or(u64::MAX, |fin| peer.offset_of(fin.seq));
            Fin {
                at: fin.at,
                offset: half.offset_of(fin.seq),
                knew: before.knew,
                acknowledged_after: acknowledged.min(peer_fin).saturating_sub(before.knew),
                acked: peer.acked().is_some_and(|ack| half.offset_of(ack) > half.offset_of(fin.seq)),
                peer_sent: before.peer_sent,
                peer_app_records: before.peer_app_records,
            }
        });
        let unacked = half.unacked(peer.acked());
        let repeated = half.repeated();
        let plain = self.reading.plain[way].as_deref();
        // Built where it stays: it is large.
        Box::write(
            Box::new_uninit(),
            SideFacts {
                packets: half.packets(),
                bytes: half.bytes(),
                end: half.delivered() + u64::from(half.fin().is_some()),
                first_data: half.first_data(),
                last_data: half.last_data(),
                pause: half.pause(),
                last_packet: half.last(),
                fin,
                records: state.records,
                app_records: state.app_records,
                app_bytes: state.app_bytes,
                first_app: passed.first_app,
                last_app: state.last_app(passed).map(|(at, _)| at),
                turns: state.turns,
                last_app_end: state.last_app_end,
                last_app_knew: state.last_app(passed).map_or(0, |(_, knew)| knew),
                // All that a side says comes before its FIN, in whatever order it was captured.
                at_close: self.said_at_close(way).filter(|_| !self.closed_first(way)).unwrap_or_else(|| self.said(way)),
                last_record: state.last().map(|last| LastRecord { at: last.at, typ: last.typ, len: last.len }),
                cut_record: tls.and_then(|tls| self.cut_record(way, tls)),
                unanswered: (repeated.count > 0 && unacked > 0).then(|| Unanswered {
                    since: half.waiting_since(),
                    until: repeated.until,
                    retransmissions: repeated.count,
                    peer_heard: peer.last().filter(|last| *last > half.waiting_since()),
                    only_full_size: repeated.smallest >= 1_200,
                    passed_smaller: repeated.sacked || (half.largest_acked() > 0 && half.largest_acked() < repeated.smallest.into()),
                    smallest: repeated.smallest.into(),
                    largest: repeated.biggest.into(),
                }),
                full_size_seen: half.largest() >= full_size(half, peer),
                unacked,
                acknowledged,
                retransmissions: repeated.total,
                keep_alives,
                unheard_probes: half.unheard_probes(),
                last_keep_alive,
                zero_window: half.zero_window(),
                window_closed: half.window_closed(),
                gaps: self.gaps(way).to_vec(),
                ttl: half.sender().ttl().map(|(ttl, _)| ttl),
                mac: half.source().mac(),
                local: half.sender().local(),
                plain: plain.map(|plain| plain.bytes.clone()),
                plain_at: plain.map(|plain| plain.at),
                broken: passed.broken.as_ref().filter(|_| state.records > 0).map(|broken| (broken.0, broken.1)),
                bad_checksums: half.bad_checksums(),
                conflicting_overlaps: half.conflicts(),
                duplicates: half.duplicates(),
            },
        )
    }

    /// The first FIN or RST was the FIN of `way`.
    fn closed_first(&self, way: Way) -> bool {
        let before = |other: Option<At>, fin: At| other.is_some_and(|other| other < fin);
        self.conn.half(way).fin().is_some_and(|fin| {
            !before(self.conn.half(way.opposite()).fin().map(|fin| fin.at), fin.at)
                && !before(self.rsts().first().map(|(_, rst)| rst.at), fin.at)
        })
    }

    fn cut_record(&self, way: Way, tls: &Tracker) -> Option<CutRecord> {
        let half = self.conn.half(way);
        let partial = tls.framer(way).in_record()?;
        let until = half.last_data()?;
        let stream_end = half.fin().map(|fin| half.offset_of(fin.seq));
        // A FIN says where the stream ends. Without one the end is where its sender's newest byte was, if the receiver has no more than that.
        let whole = stream_end.is_none_or(|end| end == half.delivered());
        let unseen = tls.handshake.ways[way].was_lost || self.gaps(way).iter().any(|(_, _, why)| *why != GapReason::PathLoss);
        Some(CutRecord {
            at: partial.start,
            until,
            typ: Some(partial.typ.0),
            have: u32::from(partial.have),
            need: partial.need.map_or(0, u32::from),
            proven: whole && !unseen && half.held() == 0,
        })
    }

    fn close_notify(&self, way: Way, conclusion: &Conclusion) -> CloseNotify {
        let Some(tls) = self.reading.tls.as_ref().filter(|tls| tls.spoke()) else {
            return CloseNotify::NotApplicable;
        };
        if tls.seldom().alerts.iter().any(|alert| alert.way == way && alert.alert.description == AlertDescription::CLOSE_NOTIFY) {
            return CloseNotify::Sent;
        }
        match conclusion.sealed[way] {
            Some((_, SealedReading::CloseNotify)) => return CloseNotify::Likely,
            Some(_) => return CloseNotify::Unknown,
            None => {}
        }
        let half = self.conn.half(way);
        let state = &tls.ways[way];
        if let Some(last) = state.last().filter(|last| last.opened)
            && self.nothing_unseen_after(way, self.end_of_records(tls, way, last.end()))
        {
            // What it said last is known: whatever went unseen before that was no close_notify.
            return CloseNotify::Absent;
        }
        // A direction that spoke without a hello seen, or whose framing was lost, may have said anything; but
        // no alert is as long as what a side that spoke last said last.
        let blind = !half.syn_seen() && tls.handshake.client_hello_at.is_none();
        let heard = tls.ways[way.opposite()].last().map(|last| last.at);
        let spoke_last = state.last().is_some_and(|last| last.typ == 23 && last.len > LONGEST_ALERT && Some(last.at) > heard);
        if tls.handshake.ways[way].was_lost || half.packets() == 0 || blind && !spoke_last {
            return CloseNotify::Unknown;
        }
        if !self.gaps(way).is_empty() && !self.framed_throughout(way) {
            return CloseNotify::Unknown;
        }
        // Where the ServerHello went unseen, so did what would tell an alert from data.
        let hidden = tls.is_tls13() || tls.handshake.version.is_none();
        let looks = state.last().is_some_and(|last| last.typ == 23 && !last.opened && hidden && tls.is_alert_sized(way, last.len));
        if looks || padded_last(tls, way) {
            return CloseNotify::Unknown;
        }
        if self.ended(way) { CloseNotify::Absent } else { CloseNotify::Unknown }
    }

    /// Where what was said ends, after a record that ends at `offset`: behind a record that was begun and never completed, too.
    fn end_of_records(&self, tls: &Tracker, way: Way, offset: u64) -> u64 {
        match tls.framer(way).in_record() {
            Some(begun) if begun.offset == offset => self.conn.half(way).delivered(),
            _ => offset,
        }
    }

    /// The direction said nothing more behind `offset`, as far as its FIN and its peer's acknowledgements tell.
    fn nothing_unseen_after(&self, way: Way, offset: u64) -> bool {
        let half = self.conn.half(way);
        let fin = half.fin().map(|fin| half.offset_of(fin.seq));
        let acknowledged = self.conn.half(way.opposite()).acked().map_or(0, |ack| half.offset_of(ack));
        offset == half.delivered() && fin.is_none_or(|fin| fin == offset) && acknowledged <= offset + u64::from(fin.is_some())
    }

    /// The direction is over, and was seen up to there: its FIN or RST, or the peer's RST.
    fn ended(&self, way: Way) -> bool {
        let half = self.conn.half(way);
        let fin = half.fin().is_some_and(|fin| half.offset_of(fin.seq) == half.delivered());
        let own_rst = closing::final_rst(self, way).is_some_and(|rst| rst.seq_offset <= 0);
        let peer_rst = closing::final_rst(self, way.opposite()).is_some();
        fin || own_rst || peer_rst
    }

    /// Holes lie wholly inside records: the framing is certain all the same.
    fn framed_throughout(&self, way: Way) -> bool {
        let begun = |tls: &Tracker| tls.ways[way].records > 0 || tls.framer(way).in_record().is_some();
        self.reading.tls.as_ref().is_some_and(|tls| !tls.handshake.ways[way].was_lost && begun(tls))
    }

    fn tls_facts(&mut self, client: Way) -> Box<TlsFacts> {
        let Some(tls) = &mut self.reading.tls else { return Box::default() };
        // What stood behind a hole was read later than it came.
        if let Some(seldom) = &mut tls.handshake.seldom {
            seldom.alerts.sort_by_key(|alert| alert.at);
        }
        let hello_segments = tls.handshake.client_hello_at.map_or(0, |(end, start)| if end.frame == start.frame { 1 } else { 2 });
        let side = |way: Way| if way == client { Side::Client } else { Side::Server };
        let decryption = tls.decryption();
        // Built where it stays: it is large.
        Box::write(
            Box::new_uninit(),
            TlsFacts {
                decryption,
                seen: tls.has_records(),
                client_hello: tls.handshake.client_hello.take(),
                client_hello_at: tls.handshake.client_hello_at.map(|(end, _)| end),
                client_hello_segments: hello_segments,
                suite: tls.handshake.server_hello.as_ref().map(|hello| hello.suite),
                server_hello: tls.handshake.server_hello.take(),
                server_hello_at: tls.handshake.server_hello_at,
                version: tls.handshake.version,
                protection: tls.handshake.protection,
                hello_retry: tls.seldom().hello_retry,
                resumed: tls.handshake.resumed,
                early_data: tls.handshake.ways[client].early > 0,
                renegotiations: tls.seldom().renegotiations,
                certificates: tls.handshake.certificates.take(),
                certificate_at: tls.handshake.certificate_at.filter(|_| !tls.handshake.resumed),
                certificate_request: tls.seldom().certificate_request,
                client_certificate: tls.seldom().client_certificate,
                finished: PerSide { client: tls.handshake.ways[client].finished, server: tls.handshake.ways[client.opposite()].finished },
                change_cipher_spec: PerSide {
                    client: tls.handshake.ways[client].change_cipher_spec,
                    server: tls.handshake.ways[client.opposite()].change_cipher_spec,
                },
                padding: PerSide { client: tls.handshake.ways[client].padding, server: tls.handshake.ways[client.opposite()].padding },
                alerts: tls.seldom().alerts.iter().map(|alert| (side(alert.way), alert.at, alert.alert)).collect(),
            },
        )
    }
}

/// What the direction said last may be an alert, padded to a whole block as all its records are. (What it began after that was none.)
fn padded_last(tls: &Tracker, way: Way) -> bool {
    let hidden = tls.is_tls13() || tls.handshake.version.is_none();
    let last = tls.ways[way].last().filter(|last| last.typ == 23 && !last.opened && hidden && tls.framer(way).in_record().is_none());
    last.is_some_and(|last| tls.may_be_padded_alert(way, last.len))
}

/// The payload of a full segment: what both announced (RFC 9293 section 3.7.1) less the timestamps' option; where that went unseen, what the
/// narrowest tunnels in use carry.
fn full_size(half: &Half, peer: &Half) -> u32 {
    const TIMESTAMPS: u32 = 12;
    const NARROW: u32 = 1_200;
    let announced = [half.source().mss(), peer.source().mss()].into_iter().filter(|mss| *mss > 0).min();
    announced.map_or(NARROW, |mss| mss.saturating_sub(TIMESTAMPS))
}

/// A tunnel or TLS was asked for. (A PROXY header asks for nothing: it only says who is speaking.)
fn asked(story: &Story) -> bool {
    story.talks.iter().any(|talk| talk.protocol != Protocol::ProxyProtocol && talk.state != Spoken::Spoken)
}

/// Nothing but application data was seen: the capture joined an established session.
fn only_data(tls: &Tracker) -> bool {
    [Way::AtoB, Way::BtoA]
        .into_iter()
        .any(|way| tls.ways[way].last().is_some_and(|last| last.typ == 23 || (last.typ == 21 && last.len != 2)))
}

fn caps(session: &Session, flow: &Flow, framing_lost: bool, padded: bool, surroundings: &Surroundings<'_>) -> Vec<Cap> {
    let mut caps = Vec::new();
    let sides = [&session.sides.client, &session.sides.server];
    let gap = |why: GapReason| sides.iter().any(|side| side.gaps.iter().any(|(_, _, of)| *of == why));
    let mut note = |cap: Cap, holds: bool| {
        if holds {
            caps.push(cap);
        }
    };
    note(Cap::Hole, gap(GapReason::CaptureLoss) || session.heard_unseen());
    // Who acknowledges has heard something.
    let up = session.opening.established.is_some();
    let lone = |side: &SideFacts, other: &SideFacts| side.packets == 0 && (other.acknowledged > 0 || up);
    note(Cap::OneDirection, lone(&session.sides.client, &session.sides.server) || lone(&session.sides.server, &session.sides.client));
    note(Cap::Snaplen, gap(GapReason::SnapLength));
    let idle = session.capture_end.since(session.last.time);
    note(Cap::CutEnd, session.ending == Ending::Open && idle < Span::from_secs(2));
    note(Cap::MidStream, session.opening.syn.is_none() && session.opening.syn_ack.is_none() && !flow.is_quoted_attempt());
    note(Cap::Duplicates, sides.iter().any(|side| side.duplicates > 0));
    note(Cap::Disorder, flow.conn.is_disordered());
    note(Cap::KernelDrops, surroundings.grounds.kernel_drops);
    note(Cap::BadChecksums, sides.iter().any(|side| side.bad_checksums > 0));
    note(Cap::LimitReached, gap(GapReason::Limit));
    note(Cap::FramingLost, framing_lost);
    note(Cap::Padded, padded);
    caps
}
