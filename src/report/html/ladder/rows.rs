//! The rows of a ladder: what happened, what of it the verdict rests on, what answers to what, and what is folded away.

use crate::base::{At, Side, Span, Time};
use crate::diagnose::{Citation, Verdict};
use crate::report::Context;
use crate::report::text::{count, listed, shown};
use crate::report::time::lasting;
use crate::report::timeline;
use crate::session::{ActKind, Event, Session, What};

/// Events that are drawn in full; beyond, the middle is folded.
const MANY: usize = 48;
/// Events kept at each end of a folded ladder.
const ENDS: usize = 14;
/// Events kept on each side of one that matters.
const AROUND: usize = 1;
/// A fold that hides fewer is not worth its line.
const FEW: usize = 3;

/// A row.
#[derive(Debug)]
pub(super) enum Row {
    /// Something that was sent.
    Event(Box<Step>),
    /// Nothing was sent for so long.
    Silence(Span),
    /// Events that are not drawn.
    Fold(String),
    /// What else is to be known here.
    Note(String),
}

/// One thing that happened.
#[derive(Debug)]
pub(super) struct Step {
    /// Seconds from the session's start.
    pub time: String,
    /// Its frame, or its first and last.
    pub frames: String,
    /// Who sent it; `None` where it is nobody's.
    pub from: Option<Side>,
    /// What it was.
    pub label: String,
    /// How it is drawn.
    pub shape: Shape,
    /// Several frames.
    pub run: bool,
    /// It is the first act that nothing provoked.
    pub root: bool,
    /// The verdict cites it.
    pub cited: bool,
    /// The frame it answers, where it is a reaction, and the row of that frame.
    pub answers: Option<(u32, Option<usize>)>,
    /// How long nothing was sent before it.
    pub pause: Span,
}

/// How something is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// An arrow.
    Sent,
    /// A broken arrow: sent again.
    Again,
    /// A dotted arrow: a keep-alive probe.
    Probe,
    /// An arrow that ends at a bar: a FIN.
    Fin,
    /// An arrow that ends in a cross: a RST.
    Rst,
    /// A dotted line with a hole: bytes that are not in the capture.
    Missing,
    /// An arrow from a box in the middle: an ICMP error.
    Icmp,
    /// A dot, or a line across where neither end sent it: a frame that is cited and is no event of its own.
    Dot,
}

/// An event with what decides whether it is drawn.
struct Draft<'s> {
    step: Step,
    event: Option<&'s Event>,
    at: At,
    until: At,
    matters: bool,
}

/// All events as steps, for those who read rather than look; nothing is folded.
pub(super) fn steps(session: &Session, verdict: &Verdict) -> Vec<Step> {
    drafts(session, verdict).into_iter().map(|draft| draft.step).collect()
}

/// The rows to draw.
pub(super) fn rows(session: &Session, verdict: &Verdict, context: &Context) -> Vec<Row> {
    let drafts = drafts(session, verdict);
    let drawn = drawn(&drafts);
    let (head, left_out) = (session.timeline.head().len(), session.timeline.left_out());
    let mut rows = Vec::new();
    let (mut events, mut more) = (0, 0);
    let mut hidden: Vec<Draft<'_>> = Vec::new();
    let mut file = session.first.file;
    // Where each draft went, for the arcs.
    let mut places = Vec::with_capacity(drafts.len());
    for (draft, drawn) in drafts.into_iter().zip(drawn) {
        if draft.event.is_some() {
            more += if events == head { left_out } else { 0 };
            events += 1;
        }
        if drawn {
            fold(&mut rows, &mut hidden, std::mem::take(&mut more));
        }
        places.push(drawn.then_some(rows.len()));
        if !drawn {
            hidden.push(draft);
            continue;
        }
        if draft.step.pause >= timeline::SILENCE {
            rows.push(Row::Silence(draft.step.pause));
        }
        if draft.at.file != file {
            file = draft.at.file;
            rows.push(Row::Note(format!("from here on in {}", shown(context.file(draft.at)))));
        }
        if let Some(place) = places.last_mut() {
            *place = Some(rows.len());
        }
        rows.push(Row::Event(Box::new(draft.step)));
    }
    fold(&mut rows, &mut hidden, more);
    for row in &mut rows {
        if let Row::Event(step) = row
            && let Some((_, to)) = &mut step.answers
        {
            *to = to.and_then(|draft| places.get(draft).copied().flatten());
        }
    }
    let after = session.capture_end.since(session.last.time);
    if after >= timeline::SILENCE {
        rows.push(Row::Note(format!("nothing more of it until the capture ends {} later", lasting(after))));
    }
    rows
}

/// Every event, and every cited frame that is none, in order.
fn drafts<'s>(session: &'s Session, verdict: &Verdict) -> Vec<Draft<'s>> {
    let mut heard: Option<Time> = None;
    let mut drafts: Vec<Draft<'s>> = Vec::new();
    let head = session.timeline.head().len();
    for (place, event) in session.timeline.iter().enumerate() {
        if place == head && session.timeline.left_out() > 0 {
            heard = None;
        }
        let pause = heard.map_or(Span::ZERO, |heard| event.at.time.since(heard));
        heard = heard.max(Some(event.until.time));
        drafts.push(of_event(event, pause, session));
    }
    if drafts.is_empty() {
        return drafts;
    }
    for cited in &verdict.evidence {
        let mut found = false;
        let own = cited.session.is_none();
        for draft in drafts.iter_mut().filter(|draft| own && covers(draft, cited.at, cited.from)) {
            draft.step.cited = true;
            found = true;
        }
        if !found {
            insert(&mut drafts, of_citation(cited, session));
        }
    }
    if let Some(root) = &session.closing.root {
        let found = drafts.iter_mut().find(|draft| {
            covers(draft, root.at, root.side.filter(|_| !matches!(root.what, ActKind::Icmp { .. }))) && alike(&root.what, draft.event)
        });
        if let Some(draft) = found {
            draft.step.root = true;
        }
    }
    for told in &verdict.reactions {
        let answering = |draft: &Draft<'_>| covers(draft, told.at, told.from) && closes(draft.event) && !draft.step.root;
        let trigger = drafts.iter().position(|draft| draft.step.root && covers(draft, told.to, None));
        let trigger = trigger.or_else(|| drafts.iter().position(|draft| covers(draft, told.to, None) && !answering(draft)));
        for draft in drafts.iter_mut().filter(|draft| answering(draft)) {
            draft.step.answers = Some((told.to.frame, trigger));
        }
        if let Some(trigger) = trigger.and_then(|trigger| drafts.get_mut(trigger)) {
            trigger.matters = true;
        }
    }
    for draft in &mut drafts {
        draft.matters |= draft.step.root || draft.step.cited || draft.step.answers.is_some();
    }
    drafts
}

fn of_event<'s>(event: &'s Event, pause: Span, session: &Session) -> Draft<'s> {
    let from = if event.way == session.client_way { Side::Client } else { Side::Server };
    let mut label = timeline::what(&event.what);
    if let What::Icmp(_) = event.what
        && let Some((_, error)) = session.icmp.iter().find(|(_, error)| error.at == event.at)
    {
        label = format!("{label}, from {}", error.from);
    }
    let lasted = event.until.time.since(event.at.time);
    if lasted >= timeline::SILENCE {
        label = format!("{label}, over {}", lasting(lasted));
    }
    let step = Step {
        time: timeline::since(event.at.time, session),
        frames: timeline::frames(event),
        from: Some(from),
        label,
        shape: shape(&event.what),
        run: event.until.frame != event.at.frame,
        root: false,
        cited: false,
        answers: None,
        pause,
    };
    Draft { step, event: Some(event), at: event.at, until: event.until, matters: false }
}

fn of_citation<'s>(cited: &Citation, session: &Session) -> Draft<'s> {
    let step = Step {
        time: timeline::since(cited.at.time, session),
        frames: cited.at.frame.to_string(),
        from: cited.from.filter(|_| cited.session.is_none()),
        label: cited.session.map_or(shown(&cited.what), |number| format!("session {number}: {}", shown(&cited.what))),
        shape: Shape::Dot,
        run: false,
        root: false,
        cited: true,
        answers: None,
        pause: Span::ZERO,
    };
    Draft { step, event: None, at: cited.at, until: cited.at, matters: true }
}

/// Puts a frame that is no event where it belongs. Its pause is part of the next event's.
fn insert<'s>(drafts: &mut Vec<Draft<'s>>, draft: Draft<'s>) {
    let place = drafts.iter().position(|other| (other.at.file, other.at.frame) > (draft.at.file, draft.at.frame)).unwrap_or(drafts.len());
    drafts.insert(place, draft);
}

fn covers(draft: &Draft<'_>, at: At, from: Option<Side>) -> bool {
    let (first, last) = ((draft.at.file, draft.at.frame), (draft.until.file, draft.until.frame));
    let own = from.is_none() || draft.step.from == from || draft.step.shape == Shape::Icmp;
    own && (first..=last).contains(&(at.file, at.frame))
}

/// Whether an act is that event.
fn alike(act: &ActKind, event: Option<&Event>) -> bool {
    let Some(event) = event else { return false };
    match act {
        ActKind::Alert(_) => matches!(event.what, What::Alert(..) | What::OpenedAlert(..)),
        ActKind::SealedAlert { .. } => {
            matches!(event.what, What::SealedAlert(_) | What::OpenedAlert(..) | What::Data(..) | What::SealedFlight(..))
        }
        ActKind::Fin => matches!(event.what, What::Fin(_)),
        ActKind::Rst(_) => matches!(event.what, What::Rst(..)),
        ActKind::Icmp { .. } => matches!(event.what, What::Icmp(_)),
        ActKind::Unanswered { .. } => !closes(Some(event)),
    }
}

fn closes(event: Option<&Event>) -> bool {
    event.is_some_and(|event| {
        matches!(event.what, What::Alert(..) | What::OpenedAlert(..) | What::SealedAlert(_) | What::Fin(_) | What::Rst(..) | What::Icmp(_))
    })
}

fn shape(what: &What) -> Shape {
    match what {
        What::Retransmission(..) | What::BadChecksum(_) => Shape::Again,
        What::KeepAlive(_) => Shape::Probe,
        What::Fin(_) => Shape::Fin,
        What::Rst(..) => Shape::Rst,
        What::Gap(..) => Shape::Missing,
        What::Icmp(_) => Shape::Icmp,
        What::Syn(_)
        | What::SynAck
        | What::Plain(_)
        | What::Handshake(_)
        | What::HelloRetryRequest
        | What::ChangeCipherSpec
        | What::SealedHandshake(..)
        | What::SealedFlight(..)
        | What::EarlyData(..)
        | What::Data(..)
        | What::OpenedHandshake(_)
        | What::OpenedAlert(..)
        | What::Alert(..)
        | What::SealedAlert(_)
        | What::Broken
        | What::ZeroWindow(_) => Shape::Sent,
    }
}

/// Which events are drawn: all of few; of many the ends, and what matters with its neighbours.
fn drawn(drafts: &[Draft<'_>]) -> Vec<bool> {
    let len = drafts.len();
    if len <= MANY {
        return vec![true; len];
    }
    let mut drawn: Vec<bool> = (0..len).map(|place| place < ENDS || place + ENDS >= len).collect();
    for (place, _) in drafts.iter().enumerate().filter(|(_, draft)| draft.matters) {
        for near in place.saturating_sub(AROUND)..=place + AROUND {
            if let Some(drawn) = drawn.get_mut(near) {
                *drawn = true;
            }
        }
    }
    // A hole too small to be worth a line is filled.
    let mut hole = 0;
    for place in 0..=len {
        if drawn.get(place).copied().unwrap_or(true) {
            if hole < FEW {
                drawn.iter_mut().skip(place - hole).take(hole).for_each(|drawn| *drawn = true);
            }
            hole = 0;
        } else {
            hole += 1;
        }
    }
    drawn
}

/// Tells of what is not drawn, and of `more` events of which only the number is known.
fn fold(rows: &mut Vec<Row>, hidden: &mut Vec<Draft<'_>>, more: u64) {
    if hidden.is_empty() && more == 0 {
        return;
    }
    let events = hidden.len() as u64 + more;
    let mut parts = vec![format!("{} not drawn", count(events, "event", "events"))];
    let frames = hidden.first().zip(hidden.last()).filter(|(first, last)| first.at.file == last.until.file);
    if let Some((first, last)) = frames {
        parts.push(format!("frames {} to {}", first.at.frame, last.until.frame));
    }
    if more == 0 {
        let sums: Vec<String> = Side::BOTH.into_iter().filter_map(|side| told(hidden, side)).collect();
        parts.extend(sums);
    }
    if let Some(pause) = hidden.iter().map(|draft| draft.step.pause).max().filter(|pause| *pause >= timeline::SILENCE) {
        parts.push(format!("the longest silence {}", lasting(pause)));
    }
    rows.push(Row::Fold(parts.join("; ")));
    hidden.clear();
}

/// What a side sent in events that are not drawn.
fn told(hidden: &[Draft<'_>], side: Side) -> Option<String> {
    let (mut records, mut bytes, mut again) = (0_u64, 0_u64, 0_u64);
    for event in hidden.iter().filter(|draft| draft.step.from == Some(side)).filter_map(|draft| draft.event) {
        match event.what {
            What::Data(more, size) | What::EarlyData(more, size) | What::SealedFlight(more, size) | What::SealedHandshake(more, size) => {
                records += u64::from(more);
                bytes = bytes.saturating_add(size);
            }
            What::Retransmission(segments, _) => again += u64::from(segments),
            _ => {}
        }
    }
    let mut parts = Vec::new();
    if records > 0 {
        parts.push(format!("{} of {}", count(records, "record", "records"), count(bytes, "byte", "bytes")));
    }
    if again > 0 {
        parts.push(format!("{} sent again", count(again, "segment", "segments")));
    }
    (!parts.is_empty()).then(|| format!("from the {side} {}", listed(&parts)))
}
