//! The rows of a ladder: what happened, what of it the verdict rests on, what answers to what, and what is folded away.

use crate::base::{At, Side, Span, Time};
use crate::diagnose::{ToldReaction, Verdict};
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
    /// Its first frame.
    pub at: At,
    /// Its last frame.
    pub until: At,
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
    /// What it answers, where it is a reaction.
    pub answers: Option<Answers>,
    /// How long nothing was sent before it.
    pub pause: Span,
}

/// What a reaction answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    /// The frame that it answers; of a run of reactions, the first of them.
    pub first: At,
    /// The frame that the last of them answers.
    pub last: At,
    /// The row of the first.
    pub row: Option<usize>,
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
    for (draft, drawn) in drafts.into_iter().zip(drawn) {
        if draft.event.is_some() {
            more += if events == head { left_out } else { 0 };
            events += 1;
        }
        if !drawn {
            hidden.push(draft);
            continue;
        }
        fold(&mut rows, &mut hidden, std::mem::take(&mut more));
        if draft.step.pause >= timeline::SILENCE {
            rows.push(Row::Silence(draft.step.pause));
        }
        if draft.step.at.file != file {
            file = draft.step.at.file;
            rows.push(Row::Note(format!("from here on in {}", shown(context.file(draft.step.at)))));
        }
        rows.push(Row::Event(Box::new(draft.step)));
    }
    fold(&mut rows, &mut hidden, more);
    let after = session.capture_end.since(session.last.time);
    if after >= timeline::SILENCE {
        rows.push(Row::Note(format!("nothing more of it until the capture ends {} later", lasting(after))));
    }
    find_answered(&mut rows);
    rows
}

/// Finds the row of what each reaction answers: the root event, if it is that, or else another row that holds the frame.
fn find_answered(rows: &mut [Row]) {
    let found: Vec<Option<usize>> = rows
        .iter()
        .enumerate()
        .map(|(own, row)| {
            let to = step_of(row)?.answers?.first;
            let holds = |other: &Row| step_of(other).is_some_and(|step| covers(step, to, None));
            let root = rows.iter().position(|other| holds(other) && step_of(other).is_some_and(|step| step.root));
            root.or_else(|| rows.iter().enumerate().position(|(place, other)| place != own && holds(other)))
        })
        .collect();
    for (row, found) in rows.iter_mut().zip(found) {
        if let Row::Event(step) = row
            && let Some(answers) = &mut step.answers
        {
            answers.row = found;
        }
    }
}

fn step_of(row: &Row) -> Option<&Step> {
    match row {
        Row::Event(step) => Some(step),
        _ => None,
    }
}

/// Every event, and every cited or answered frame that is none, in order.
fn drafts<'s>(session: &'s Session, verdict: &Verdict) -> Vec<Draft<'s>> {
    let mut drafts = of_timeline(session);
    if drafts.is_empty() {
        return drafts;
    }
    for cited in &verdict.evidence {
        let own = cited.session.is_none();
        let mut found = false;
        for draft in drafts.iter_mut().filter(|draft| own && covers(&draft.step, cited.at, cited.from)) {
            draft.step.cited = true;
            found = true;
        }
        if !found {
            let from = cited.from.filter(|_| own);
            let what = shown(&cited.what);
            let label = cited.session.map_or(what.clone(), |number| format!("session {number}: {what}"));
            let mut step = dot(cited.at, from, label, session);
            step.cited = true;
            insert(&mut drafts, step);
        }
    }
    if let Some(root) = &session.closing.root {
        let side = root.side.filter(|_| !matches!(root.what, ActKind::Icmp { .. }));
        let found = drafts.iter_mut().find(|draft| covers(&draft.step, root.at, side) && alike(&root.what, draft.event));
        if let Some(draft) = found {
            draft.step.root = true;
        }
    }
    for told in &verdict.reactions {
        react(&mut drafts, told, session);
    }
    for draft in &mut drafts {
        draft.matters |= draft.step.root || draft.step.cited || draft.step.answers.is_some();
    }
    drafts
}

/// Marks a reaction, and sees to it that what it answers is there.
fn react(drafts: &mut Vec<Draft<'_>>, told: &ToldReaction, session: &Session) {
    let answering = |draft: &Draft<'_>| covers(&draft.step, told.at, told.from) && closes(draft.event) && !draft.step.root;
    if !drafts.iter().any(answering) {
        return;
    }
    for draft in drafts.iter_mut().filter(|draft| answering(draft)) {
        match &mut draft.step.answers {
            // A run of them: the arc leads to what the first one answers.
            Some(answers) => answers.last = told.to,
            None => draft.step.answers = Some(Answers { first: told.to, last: told.to, row: None }),
        }
    }
    let first = drafts.iter().find(|draft| answering(draft)).and_then(|draft| draft.step.answers).map_or(told.to, |answers| answers.first);
    let mut found = false;
    for draft in drafts.iter_mut().filter(|draft| covers(&draft.step, first, None) && !answering(draft)) {
        draft.matters = true;
        found = true;
    }
    if !found {
        let step = dot(first, told.from.map(Side::peer), "a segment, answered below".to_owned(), session);
        insert(drafts, step);
    }
}

/// The events in the order of their frames. What was read late, such as a hole that was not filled, stands where it was captured.
fn of_timeline(session: &Session) -> Vec<Draft<'_>> {
    let mut head: Vec<&Event> = session.timeline.head().iter().collect();
    let mut tail: Vec<&Event> = session.timeline.tail().collect();
    for part in [&mut head, &mut tail] {
        part.sort_by_key(|event| (event.at.file, event.at.frame));
    }
    let mut heard: Option<Time> = None;
    let mut drafts = Vec::with_capacity(head.len() + tail.len());
    for (place, event) in head.iter().chain(&tail).enumerate() {
        // How long nothing was sent after what was not kept, nobody knows any more.
        if place == head.len() && session.timeline.left_out() > 0 {
            heard = None;
        }
        let pause = heard.map_or(Span::ZERO, |heard| event.at.time.since(heard));
        heard = heard.max(Some(event.until.time));
        drafts.push(of_event(event, pause, session));
    }
    drafts
}

fn of_event<'s>(event: &'s Event, pause: Span, session: &Session) -> Draft<'s> {
    let from = if event.way == session.client_way { Side::Client } else { Side::Server };
    let mut label = match event.what {
        What::Icmp(kind) => {
            let from = session.icmp.iter().find(|(_, error)| error.at == event.at).map(|(_, error)| error.from);
            let from = from.map_or(String::new(), |from| format!(", from {from}"));
            format!("ICMP error, {}{from}", timeline::icmp(kind))
        }
        ref what => timeline::what(what),
    };
    let lasted = event.until.time.since(event.at.time);
    if lasted >= timeline::SILENCE {
        label = format!("{label}, over {}", lasting(lasted));
    }
    let step = Step {
        at: event.at,
        until: event.until,
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
    Draft { step, event: Some(event), matters: false }
}

/// A frame that is no event.
fn dot(at: At, from: Option<Side>, label: String, session: &Session) -> Step {
    Step {
        at,
        until: at,
        time: timeline::since(at.time, session),
        frames: at.frame.to_string(),
        from,
        label,
        shape: Shape::Dot,
        run: false,
        root: false,
        cited: false,
        answers: None,
        pause: Span::ZERO,
    }
}

/// Puts a frame that is no event where it belongs. Its pause is part of the next event's.
fn insert(drafts: &mut Vec<Draft<'_>>, step: Step) {
    let place = drafts.iter().position(|other| (other.step.at.file, other.step.at.frame) > (step.at.file, step.at.frame));
    drafts.insert(place.unwrap_or(drafts.len()), Draft { step, event: None, matters: true });
}

fn covers(step: &Step, at: At, from: Option<Side>) -> bool {
    let (first, last) = ((step.at.file, step.at.frame), (step.until.file, step.until.frame));
    let own = from.is_none() || step.from == from || step.shape == Shape::Icmp;
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
        _ => Shape::Sent,
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
    let frames = hidden.first().zip(hidden.last()).filter(|(first, last)| first.step.at.file == last.step.until.file);
    if let Some((first, last)) = frames {
        parts.push(format!("frames {} to {}", first.step.at.frame, last.step.until.frame));
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
