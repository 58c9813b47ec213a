//! The closing acts of a connection put in causal order: the root event, what belongs to it, what it provoked.
//!
//! Causality goes by acknowledgement numbers, not by capture order: an act is a reaction to another one only if its sender had
//! acknowledged it, and a RST without ACK names the segment it answers by its sequence number.

use crate::base::{At, GapReason, PerWay, Side, Span, Way};
use crate::session::act::{Act, ActKind, Closing, Reaction, Rst, RstKind, SealedReading};
use crate::session::flow::Flow;
use crate::session::tracker::{Tracker, USUAL_ALERT};
use crate::session::way::SealedRecord;
use crate::session::words::{ClosedBy, Ending};
use crate::tls::{Alert, AlertDescription, AlertLevel};

/// Repetitions without an answer that make a silence: below, it may still be on its way.
const SILENT_AFTER: u32 = 3;
/// So many keep-alive probes lost are no accident.
const PROBES_UNHEARD: u32 = 2;
/// A client that closes after waiting this long for the first answer gave up waiting.
const PATIENCE: Span = Span::from_millis(1_400);

/// Who has said goodbye, and heard the other say so, closes sooner.
const LEFT_OPEN: Span = Span::from_secs(2);
/// An objection to a Finished takes no longer.
const PROMPT: Span = Span::from_millis(1_500);

/// A ClientHello that had no answer for this long when the capture ended has none.
const HELLO_PATIENCE: Span = Span::from_secs(5);

/// What [`conclude`] finds.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub closing: Closing,
    pub ending: Ending,
    pub closed_by: ClosedBy,
    /// Each way's encrypted record of an alert's size before its close, and what it can be.
    pub sealed: PerWay<Option<(SealedRecord, SealedReading)>>,
}

/// Finds the root event. `client` is the way the client sends; `end` is where the capture ended.
pub(super) fn conclude(flow: &Flow, client: Way, end: At) -> Conclusion {
    let sealed = PerWay::new(sealed_alert(flow, Way::AtoB, client), sealed_alert(flow, Way::BtoA, client));
    let side = |way: Way| if way == client { Side::Client } else { Side::Server };
    let mut acts = collect(flow, &sealed, &side);
    drop_half_close(flow, &mut acts, &side);
    acts.sort_by_key(|act| {
        let at = sent_by(flow, act, client);
        (at.file, at.frame, order(&act.what))
    });
    first_cause(&mut acts);
    let closing = arrange(acts);
    let (ending, closed_by) = name(flow, client, end, &closing);
    Conclusion { closing, ending, closed_by, sealed }
}

/// Puts first the first act whose sender had not heard of any other side's act: captures deliver packets out of order.
fn first_cause(acts: &mut [Act]) {
    let heard = |act: &Act, of: &Act| act.side != of.side && act.knew.zip(of.offset).is_some_and(|(knew, offset)| knew > offset);
    let free = acts.iter().position(|act| !acts.iter().any(|other| heard(act, other)));
    if let Some(place) = free.filter(|place| *place > 0) {
        acts.get_mut(..=place).into_iter().for_each(|acts| acts.rotate_right(1));
    }
}

/// When an act took place: what lies before a FIN in its stream was sent no later than the FIN, even if it was captured later (overtaken, or
/// lost and sent again).
fn sent_by(flow: &Flow, act: &Act, client: Way) -> At {
    let way = if act.side == Some(Side::Client) { client } else { client.opposite() };
    let half = flow.conn.half(way);
    match (half.fin(), act.offset) {
        (Some(fin), Some(offset)) if act.side.is_some() && offset < half.offset_of(fin.seq) => {
            // By frames: packets that were captured out of order have times that are not.
            if (fin.at.file, fin.at.frame) < (act.at.file, act.at.frame) { fin.at } else { act.at }
        }
        _ => act.at,
    }
}

/// What the sender of something knew (offset), who had closed since: no more than with its FIN, even if what it said was read only later,
/// when a hole before it was closed.
fn known_by_fin(flow: &Flow, way: Way, knew: u64) -> u64 {
    if flow.conn.half(way).fin().is_some() { knew.min(flow.at_fin(way).knew) } else { knew }
}

/// Acts of one frame: an alert before the FIN it announces.
fn order(what: &ActKind) -> u8 {
    match what {
        ActKind::Alert(_) | ActKind::SealedAlert { .. } => 0,
        ActKind::Fin => 1,
        _ => 2,
    }
}

fn collect(flow: &Flow, sealed: &PerWay<Option<(SealedRecord, SealedReading)>>, side: &impl Fn(Way) -> Side) -> Vec<Act> {
    // Most sessions end with two FINs and what announces them.
    let mut acts = Vec::with_capacity(4);
    if let Some(tls) = &flow.reading.tls {
        for alert in &tls.seldom().alerts {
            if closes(tls, alert.alert) {
                acts.push(Act {
                    at: alert.at,
                    side: Some(side(alert.way)),
                    what: ActKind::Alert(alert.alert),
                    offset: Some(alert.offset),
                    knew: Some(known_by_fin(flow, alert.way, alert.knew)),
                });
            }
        }
    }
    for way in [Way::AtoB, Way::BtoA] {
        if let Some((record, reading)) = sealed[way] {
            acts.push(Act {
                at: record.at,
                side: Some(side(way)),
                what: ActKind::SealedAlert { len: record.len, reading },
                offset: Some(record.offset),
                knew: Some(known_by_fin(flow, way, record.knew)),
            });
        }
        if let Some(fin) = flow.conn.half(way).fin()
            && !is_half_close(flow, way)
        {
            acts.push(Act {
                at: fin.at,
                side: Some(side(way)),
                what: ActKind::Fin,
                offset: Some(flow.conn.half(way).offset_of(fin.seq)),
                knew: Some(flow.at_fin(way).knew),
            });
        }
    }
    for (way, rst) in flow.rsts().iter().filter(|(_, rst)| rst.survived_by.is_none()) {
        let peer = flow.conn.half(way.opposite());
        acts.push(Act {
            at: rst.at,
            side: Some(side(*way)),
            what: ActKind::Rst(Box::new(Rst { stepping: stepping(flow, *way, rst), ..rst.clone() })),
            offset: None,
            knew: rst.ack.map(|ack| peer.offset_of(ack)),
        });
    }
    acts
}

/// Whether an alert in clear is a closing act: a warning that nothing follows up on is not.
fn closes(tls: &Tracker, alert: Alert) -> bool {
    if alert.is_fatal(tls.handshake.version) || alert.description == AlertDescription::CLOSE_NOTIFY {
        return true;
    }
    alert.description == AlertDescription::USER_CANCELED
}

/// A FIN whose sender went on acknowledging application data of its peer: it only said that it will send no more.
pub(super) fn is_half_close(flow: &Flow, way: Way) -> bool {
    let half = flow.conn.half(way);
    let peer = flow.conn.half(way.opposite());
    let Some(tls) = flow.reading.tls.as_ref() else {
        let after = half.acked().map_or(0, |ack| peer.offset_of(ack)).saturating_sub(flow.at_fin(way).knew);
        return half.fin().is_some() && after > 1;
    };
    let before = flow.at_fin(way);
    let more = tls.ways[way.opposite()].app_records > before.peer_app_records;
    let acknowledged = half.acked().map_or(0, |ack| peer.offset_of(ack));
    // Data that was already under way may be acknowledged by the kernel of a process that has gone; a RST then answers what comes later.
    let went =
        flow.rsts().iter().any(|(of, rst)| *of == way && rst.kind != RstKind::Refusal && rst.at > half.fin().map_or(rst.at, |fin| fin.at));
    half.fin().is_some() && more && !went && acknowledged > before.peer_sent.max(before.knew) + 1
}

/// The encrypted record of an alert's size that stands last in its direction, and what its place lets it be.
fn sealed_alert(flow: &Flow, way: Way, client: Way) -> Option<(SealedRecord, SealedReading)> {
    let tls = flow.reading.tls.as_ref()?;
    let (state, passed) = (&tls.ways[way], &tls.handshake.ways[way]);
    let last = state.last()?;
    if let Some(fatal) = passed.fatal_by_place.as_deref().copied() {
        return Some((fatal, SealedReading::Fatal));
    }
    // What was opened is known, and if it is an alert, it stands among those.
    if last.opened || !looks_like_alert(tls, way, &last) {
        return None;
    }
    if last.typ != 21 && (!anything_closed(flow) || left_open(flow, tls, way, client, &last)) {
        return None;
    }
    let peer_way = way.opposite();
    let peer_bare_fin = || {
        let half = flow.conn.half(peer_way);
        half.fin().is_some_and(|fin| last.knew > half.offset_of(fin.seq)) && !announced(tls, peer_way)
    };
    // Who has just read what no record can be has only one thing to say (RFC 8446 section 6.2).
    let peer = &tls.ways[peer_way];
    let read_garbage = tls.handshake.ways[peer_way].broken.as_ref().is_some_and(|broken| broken.0 < last.at)
        && peer.last().is_some_and(|good| last.knew > good.end());
    if read_garbage {
        return Some((last, SealedReading::Fatal));
    }
    if last.typ == 21 {
        // An alert behind an alert: the first was not the close_notify (Go says why it goes, then takes leave).
        if let Some(first) =
            state.before_last().filter(|before| before.typ == 21 && before.len != 2 && !before.opened && tls.is_established())
        {
            return Some((first, if peer_bare_fin() { SealedReading::Unclear } else { SealedReading::Fatal }));
        }
        let reading = match (tls.is_established(), peer_bare_fin()) {
            (_, true) => SealedReading::Unclear,
            (false, _) if tls.handshake.version.is_some() => SealedReading::Fatal,
            _ => SealedReading::CloseNotify,
        };
        return Some((last, reading));
    }
    // Java announces its close with two padded records: user_canceled, then close_notify.
    let pair = passed.padding == Some(16) && state.before_last().is_some_and(|before| before.typ == 23 && before.len == last.len);
    let (first, run) = if pair { (state.before_last().unwrap_or(last), 2) } else { (last, 1) };
    let peer_closed = || peer.last().is_some_and(|end| last.knew > end.offset) && announced(tls, peer_way);
    let reading = if state.short_records > run || peer_bare_fin() || two_byte_messages(flow, tls, client) {
        SealedReading::Unclear
    } else if way != client && state.app_records == 0 && !peer_closed() && !belated(tls, client, &last) {
        SealedReading::Fatal
    } else {
        SealedReading::CloseNotify
    };
    Some((first, reading))
}

/// The short record was no goodbye: seconds went by after it in which nobody closed, and the other side had answered it with one as short (a
/// ping and a pong), or the protocol has messages of that length.
fn left_open(flow: &Flow, tls: &Tracker, way: Way, client: Way, last: &SealedRecord) -> bool {
    let fins = [Way::AtoB, Way::BtoA].into_iter().filter_map(|way| flow.conn.half(way).fin()).map(|fin| fin.at);
    let Some(closed) = fins.chain(flow.rsts().iter().map(|(_, rst)| rst.at)).min() else { return false };
    let stood = |record: &SealedRecord| closed.time.since(record.at.time) >= LEFT_OPEN;
    if !stood(last) {
        return false;
    }
    // What the other side said of the close came after it.
    let peer = &tls.ways[way.opposite()];
    let other = peer.last().filter(|other| other.at < closed).or(peer.before_last());
    let pong = other.is_some_and(|other| !other.opened && stood(&other) && looks_like_alert(tls, way.opposite(), &other));
    pong || two_byte_messages(flow, tls, client)
}

/// An alert about the client's Finished comes right after it; later, and with no client certificate to look into, it is a goodbye.
fn belated(tls: &Tracker, client: Way, last: &SealedRecord) -> bool {
    let finished = tls.handshake.ways[client].finished.filter(|_| tls.seldom().client_certificate.is_none());
    finished.is_some_and(|finished| last.at.time.since(finished.time) >= PROMPT)
}

/// A side that announced its half of the close and went on reading did not end the session, where the other side then broke off in the
/// middle of a record: what was owed to it is what was lost.
fn drop_half_close(flow: &Flow, acts: &mut Vec<Act>, side: &impl Fn(Way) -> Side) {
    for way in [Way::AtoB, Way::BtoA] {
        let peer = way.opposite();
        let cut = flow.reading.tls.as_ref().is_some_and(|tls| tls.framer(peer).in_record().is_some());
        let broke_off = flow.conn.half(peer).fin().is_some()
            || flow.rsts().iter().any(|(of, rst)| *of == peer && rst.kind == RstKind::Active && rst.survived_by.is_none());
        let reset = flow.rsts().iter().any(|(of, _)| *of == way);
        let had = flow.conn.half(way).acked().map_or(0, |ack| flow.conn.half(peer).offset_of(ack));
        let first = acts.iter().filter(|act| act.side == Some(side(way))).min_by_key(|act| act.at).and_then(|act| act.knew);
        // More than an alert and a FIN.
        let went_on = first.is_some_and(|knew| had > knew.saturating_add(64));
        if cut && broke_off && went_on && !reset {
            acts.retain(|act| act.side != Some(side(way)));
        }
    }
}

/// Whether a direction ends with what is, or looks like, an alert.
fn announced(tls: &Tracker, way: Way) -> bool {
    tls.ways[way].last().is_some_and(|last| match last.opened {
        true => tls.seldom().alerts.iter().any(|alert| alert.way == way && alert.offset == last.offset),
        false => looks_like_alert(tls, way, &last),
    })
}

fn looks_like_alert(tls: &Tracker, way: Way, record: &SealedRecord) -> bool {
    match record.typ {
        21 => record.len != 2,
        23 if tls.joined() => record.len == USUAL_ALERT && tls.ways[way].records > 1,
        23 => tls.is_tls13() && tls.handshake.ways[way].finished.is_some() && tls.is_alert_sized(way, record.len),
        _ => false,
    }
}

fn anything_closed(flow: &Flow) -> bool {
    !flow.rsts().is_empty() || [Way::AtoB, Way::BtoA].into_iter().any(|way| flow.conn.half(way).fin().is_some())
}

/// Protocols whose messages can be two bytes long: an alert cannot be told from data by its length.
fn two_byte_messages(flow: &Flow, tls: &Tracker, client: Way) -> bool {
    let chatty =
        |name: &[u8]| matches!(name, b"mqtt" | b"x-amzn-mqtt-ca" | b"xmpp-client" | b"xmpp-server" | b"irc" | b"stun.turn" | b"ftp");
    let by_name = || match tls.handshake.server_hello.as_ref().and_then(|hello| hello.alpn.as_deref()) {
        Some(chosen) => chatty(chosen),
        None => tls.handshake.client_hello.as_ref().is_some_and(|hello| hello.alpn().any(chatty)),
    };
    matches!(flow.conn.key.destination(client).port, 8883 | 8084 | 992 | 994 | 6697) || by_name()
}

/// Whether `later`, by the other side, was sent by somebody who had seen `earlier`.
fn answers(later: &Act, earlier: &Act) -> bool {
    if let ActKind::Rst(rst) = &later.what {
        if rst.kind == RstKind::Reply {
            return rst.trigger.is_none_or(|trigger| trigger >= earlier.at) || matches!(earlier.what, ActKind::Rst(_));
        }
        if rst.kind == RstKind::Refusal {
            return false;
        }
    }
    match (earlier.offset, later.knew) {
        (Some(offset), Some(knew)) => knew > offset,
        // A RST has no byte of its own to acknowledge: what its receiver does afterwards comes after it.
        (None, _) => true,
        (Some(_), None) => false,
    }
}

fn arrange(acts: Vec<Act>) -> Closing {
    let mut closing = Closing::default();
    for act in acts {
        let Some(root) = &closing.root else {
            closing.root = Some(act);
            continue;
        };
        if act.side == root.side {
            // After its own close a side's kernel answers late data with RSTs: they belong to it.
            closing.companions.push(act);
        } else if answers(&act, root) {
            let to = trigger(&act, root, &closing.companions);
            closing.reactions.push(Reaction { act, to });
        } else if closing.crossed.is_none() {
            closing.crossed = Some(act);
        } else {
            let to = closing.crossed.as_ref().map_or(root.at, |crossed| crossed.at);
            closing.reactions.push(Reaction { act, to });
        }
    }
    closing
}

/// The newest act of the root's side that `act` had seen.
fn trigger(act: &Act, root: &Act, companions: &[Act]) -> At {
    if let ActKind::Rst(rst) = &act.what
        && let Some(trigger) = rst.trigger
    {
        return trigger;
    }
    companions.iter().rev().find(|companion| companion.at <= act.at && answers(act, companion)).map_or(root.at, |companion| companion.at)
}

/// Names the ending and who closed.
fn name(flow: &Flow, client: Way, end: At, closing: &Closing) -> (Ending, ClosedBy) {
    if let Some(verdict) = never_came_up(flow, client, end) {
        return verdict;
    }
    // A RST from where there should be a socket: whose act it was cannot be known.
    let nowhere = matches!(closing.root.as_ref().map(|root| &root.what), Some(ActKind::Rst(rst)) if rst.from_nowhere());
    let by = |side: Option<Side>| match side {
        _ if nowhere => ClosedBy::Unknown,
        Some(Side::Client) => ClosedBy::Client,
        Some(Side::Server) => ClosedBy::Server,
        None => ClosedBy::Unknown,
    };
    let Some(root) = &closing.root else {
        return if unanswered_at_end(flow, end) || unanswered_hello(flow, client, end) {
            (Ending::Stall, ClosedBy::Nobody)
        } else {
            (Ending::Open, ClosedBy::Nobody)
        };
    };
    if gave_up(flow, client, root) {
        return (Ending::Stall, by(root.side));
    }
    let announced = closing
        .companions
        .iter()
        .any(|act| matches!(&act.what, ActKind::Alert(alert) if alert.description == AlertDescription::CLOSE_NOTIFY));
    let ending = match &root.what {
        ActKind::Alert(alert) if alert.description == AlertDescription::CLOSE_NOTIFY => Ending::CloseNotify,
        ActKind::Alert(alert) if alert.description == AlertDescription::USER_CANCELED && announced => Ending::CloseNotify,
        ActKind::Alert(alert) if alert.description == AlertDescription::USER_CANCELED && alert.level == AlertLevel::WARNING => Ending::Fin,
        ActKind::Alert(_) => Ending::FatalAlert,
        ActKind::SealedAlert { reading: SealedReading::Fatal, .. } => Ending::FatalAlert,
        ActKind::SealedAlert { .. } => Ending::CloseNotify,
        ActKind::Fin => Ending::Fin,
        ActKind::Rst(_) => Ending::Rst,
        ActKind::Icmp { .. } | ActKind::Unanswered { .. } => Ending::Stall,
    };
    (ending, by(root.side))
}

/// TCP did not come up: nothing but SYNs, refusals and ICMP errors.
fn never_came_up(flow: &Flow, client: Way, end: At) -> Option<(Ending, ClosedBy)> {
    let conn = &flow.conn;
    if flow.is_quoted_attempt() {
        return Some((Ending::NoConnection, ClosedBy::Nobody));
    }
    let (_, last_syn, count) = conn.syn?;
    let data = [Way::AtoB, Way::BtoA].into_iter().any(|way| conn.half(way).first_data().is_some());
    if data || (conn.syn_ack.is_some() && conn.established.is_some()) || conn.half(client).fin().is_some() {
        return None;
    }
    let refused = flow.rsts().iter().any(|(way, rst)| *way != client && rst.kind != RstKind::Active);
    if conn.syn_ack.is_some() {
        // Half-open: the client never completed it. A RST of its own is an end (a port scan); silence is not known to be one.
        if flow.rsts().iter().any(|(way, _)| *way == client) {
            return None;
        }
        return Some(if settled(last_syn, count, end) {
            (Ending::NoConnection, ClosedBy::Nobody)
        } else {
            (Ending::Open, ClosedBy::Nobody)
        });
    }
    if conn.half(client.opposite()).packets() > 0 && !refused {
        return None;
    }
    if refused || !flow.icmp().is_empty() || settled(last_syn, count, end) {
        return Some((Ending::NoConnection, if refused { ClosedBy::Server } else { ClosedBy::Nobody }));
    }
    Some((Ending::Open, ClosedBy::Nobody))
}

/// Enough time went by for an answer: the capture did not just stop.
fn settled(last: At, transmissions: u32, end: At) -> bool {
    transmissions > 1 || end.time.since(last.time) >= Span::from_secs(3)
}

/// Data was repeated and never acknowledged, up to the end of what was captured.
fn unanswered_at_end(flow: &Flow, end: At) -> bool {
    [Way::AtoB, Way::BtoA].into_iter().any(|way| {
        let half = flow.conn.half(way);
        let peer = flow.conn.half(way.opposite());
        let repeated = half.repeated();
        let long = end.time.since(half.waiting_since().time) >= Span::from_millis(1_000);
        let probed = half
            .unheard_probes()
            .is_some_and(|(first, _, count)| count > PROBES_UNHEARD && end.time.since(first.time) >= Span::from_secs(2));
        let repeating = half.unacked(peer.acked()) > 0 && (repeated.count >= SILENT_AFTER || (repeated.count == 2 && long));
        peer.packets() > 0 && (probed || repeating)
    })
}

/// The root event is somebody giving up on a peer that no longer answered.
fn gave_up(flow: &Flow, client: Way, root: &Act) -> bool {
    let Some(side) = root.side else { return false };
    let way = if side == Side::Client { client } else { client.opposite() };
    let (half, peer) = (flow.conn.half(way), flow.conn.half(way.opposite()));
    let reply = matches!(&root.what, ActKind::Rst(rst) if rst.kind != RstKind::Active);
    // Its own data went unacknowledged: repeated again and again before it closed.
    let repeated = half.repeated();
    let unacked_data = half.unacked(peer.acked()) > u64::from(half.fin().is_some());
    if !reply && unacked_data && repeated.count >= SILENT_AFTER && half.waiting_since() < root.at {
        return true;
    }
    // Its kernel asked whether the other side is still there until it gave up (RFC 1122 section 4.2.3.6).
    let probed = peer.packets() > 0 && half.unheard_probes().is_some_and(|(_, _, count)| count >= PROBES_UNHEARD);
    if !reply && probed && matches!(root.what, ActKind::Rst(_)) {
        return true;
    }
    // The other side's data was, and its owner never heard of the close.
    let peer_repeated = peer.repeated();
    if peer.unacked(half.acked()) > u64::from(peer.fin().is_some()) && peer_repeated.count >= SILENT_AFTER && peer.waiting_since() < root.at
    {
        return true;
    }
    // The path swallowed a part of what the other side sent, for good.
    let swallowed = |way: Way| flow.gaps(way).iter().any(|(_, _, why)| *why == GapReason::PathLoss);
    if !reply && peer.last_data().is_some_and(|sent| root.at.time.since(sent.time) >= PATIENCE) && swallowed(way.opposite()) {
        return true;
    }
    // The other side had stopped reading.
    if peer.window_closed() && peer.zero_window().is_some_and(|(first, _)| root.at.time.since(first.time) >= PATIENCE) {
        return true;
    }
    // It had stopped reading itself, and the other side, whose socket was gone by then, had given up on it. (Who closes while the other
    // side still waits to send has only closed.)
    let gone = peer.fin().is_none() && flow.rsts().iter().any(|(of, rst)| *of == way.opposite() && rst.kind == RstKind::Reply);
    if gone && half.window_closed() && half.zero_window().is_some_and(|(first, last)| last.time.since(first.time) >= PATIENCE) {
        return true;
    }
    // It waited for a first answer that never came, though everything it sent was acknowledged. (Of a connection joined later nobody knows
    // what was answered before.)
    let begun = half.syn_seen() || peer.syn_seen();
    let hello = flow.reading.tls.as_ref().and_then(|tls| tls.handshake.client_hello_at).map(|(end, _)| end);
    let asked = hello.or_else(|| half.first_data().filter(|_| begun));
    let waited = asked.is_some_and(|asked| root.at.time.since(asked.time) >= PATIENCE);
    let silent = peer.packets() > 0 && peer.first_data().is_none_or(|answer| answer > root.at);
    side == Side::Client && !reply && waited && silent
}

/// A ClientHello was acknowledged, and no answer came for so long that none was on its way when the capture ended.
fn unanswered_hello(flow: &Flow, client: Way, end: At) -> bool {
    let asked = flow.reading.tls.as_ref().and_then(|tls| tls.handshake.client_hello_at);
    let peer = flow.conn.half(client.opposite());
    asked.is_some_and(|(asked, _)| end.time.since(asked.time) >= HELLO_PATIENCE) && peer.packets() > 0 && peer.first_data().is_none()
}

/// RSTs of the same way that follow within two seconds and run ahead of anything that was sent (NDSS 2009, RST_SEQ_CHANGE): a kernel's
/// RSTs differ by a FIN at most.
fn stepping(flow: &Flow, way: Way, rst: &Rst) -> bool {
    flow.rsts().iter().any(|(of, later)| {
        let apart = later.at.time.since(rst.at.time);
        *of == way
            && later.at > rst.at
            && apart <= Span::from_secs(2)
            && later.seq_offset > rst.seq_offset.max(0) + 2
            && later.trigger.is_none()
    })
}

/// The first RST of `way`, if it ended the connection.
pub(super) fn final_rst(flow: &Flow, way: Way) -> Option<&Rst> {
    flow.rsts().iter().filter(|(of, rst)| *of == way && rst.survived_by.is_none()).map(|(_, rst)| rst).next()
}
