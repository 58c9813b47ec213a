//! What a ladder shows of a session, and what it folds.

use std::collections::BTreeSet;

use super::rows::{Row, Shape, Step, rows, steps};
use super::*;
use crate::base::{FlowKey, Side};
use crate::decode::{IcmpError, IcmpKind};
use crate::diagnose::{Citation, Fact};
use crate::report::sample;
use crate::session::{Event, RstKind, Timeline, What};

/// Rows in short: who, what, and what the verdict makes of it.
fn short(session: &Session, verdict: &Verdict) -> Vec<String> {
    rows(session, verdict, &sample::context())
        .iter()
        .map(|row| match row {
            Row::Event(step) => {
                let marks = marks(step).join(", ");
                format!(
                    "{} {} {}{}",
                    step.from.map_or("-", Side::name),
                    step.frames,
                    step.label,
                    if marks.is_empty() { marks } else { format!(" [{marks}]") }
                )
            }
            Row::Silence(span) => format!("silence {}", span.secs()),
            Row::Fold(text) => format!("fold {text}"),
            Row::Note(text) => format!("note {text}"),
        })
        .collect()
}

fn citation(frame: u32, millis: i64, from: Side, session: Option<u32>) -> Citation {
    Citation { at: sample::at(frame, millis), from: Some(from), session, fact: Fact::Saw, what: "it is <cited>".into() }
}

/// `number` events of both sides in turn, a millisecond and a frame each, from frame 1 on.
fn turns(session: &mut Session, number: u32, kept: usize) {
    let mut timeline = Timeline::default();
    for frame in 1..=number {
        let at = sample::at(frame, i64::from(frame));
        let way = if frame % 2 == 1 { session.client_way } else { session.client_way.opposite() };
        timeline.push(Event { at, until: at, way, what: What::Data(1, 100) }, kept, kept);
    }
    session.timeline = timeline;
    (session.first, session.last) = (sample::at(1, 1), sample::at(number, number.into()));
    session.capture_end = session.last.time;
}

#[test]
fn shows_root_reaction_silence_and_what_is_cited() {
    let (session, verdict) = sample::idle_timeout();
    assert_eq!(
        short(&session, &verdict)[7..],
        [
            "server 2915–2988 application data, 26 records, 37,000 bytes [cited]",
            "silence 59.959",
            "server 3312 FIN [root event]",
            "client 3313 RST, from a socket that was aborted [reaction to 3312]",
            "note nothing more of it until the capture ends 30.0 s later",
        ]
    );
    let rows = rows(&session, &verdict, &sample::context());
    let answers = rows.iter().find_map(|row| match row {
        Row::Event(step) => step.answers,
        _ => None,
    });
    let place = answers.unwrap().row.unwrap();
    assert!(matches!(&rows[place], Row::Event(step) if step.root), "the arc leads to the root");
}

#[test]
fn a_frame_of_the_other_side_is_no_part_of_a_run() {
    let (session, mut verdict) = sample::idle_timeout();
    verdict.evidence = vec![citation(2950, 50, Side::Client, None)];
    let shown = short(&session, &verdict);
    assert_eq!(shown[7], "server 2915–2988 application data, 26 records, 37,000 bytes");
    assert_eq!(shown[8], "client 2950 it is <cited> [cited]");
    assert_eq!(shown[9], "silence 59.959");
}

#[test]
fn a_frame_of_another_session_belongs_to_neither_side() {
    let (session, mut verdict) = sample::idle_timeout();
    verdict.evidence = vec![citation(3312, 60_020, Side::Server, Some(21))];
    let shown = short(&session, &verdict);
    assert!(shown.contains(&"- 3312 session 21: it is <cited> [cited]".to_owned()), "{shown:?}");
    assert!(shown.contains(&"server 3312 FIN [root event]".to_owned()), "not cited itself, all the same the root: {shown:?}");
}

#[test]
fn an_icmp_error_comes_from_its_sender() {
    let (mut session, verdict) = sample::idle_timeout();
    let kind = IcmpKind { v6: false, typ: 3, code: 1 };
    let at = sample::at(2903, 12);
    let mut timeline = Timeline::default();
    timeline.push(Event { at, until: at, way: session.client_way, what: What::Icmp(kind) }, 9, 9);
    session.timeline = timeline;
    let key = FlowKey::new(session.ends.client, session.ends.server).0;
    session.icmp = vec![(
        Side::Client,
        IcmpError { at, from: "192.0.2.1".parse().unwrap(), kind, mtu: None, key, way: session.client_way, seq: 0, flags: None },
    )];
    let steps = steps(&session, &verdict);
    let icmp: Vec<&Step> = steps.iter().filter(|step| step.shape == Shape::Icmp).collect();
    assert_eq!(icmp.len(), 1);
    assert_eq!(icmp[0].label, "ICMP error, host unreachable, from 192.0.2.1");
}

#[test]
fn few_events_are_all_drawn_and_of_many_the_middle_folds() {
    let (mut session, mut verdict) = sample::idle_timeout();
    session.closing.root = None;
    (verdict.evidence, verdict.reactions) = (Vec::new(), Vec::new());
    turns(&mut session, 48, 100);
    assert_eq!(short(&session, &verdict).len(), 48);
    turns(&mut session, 100, 100);
    let shown = short(&session, &verdict);
    assert_eq!(shown.len(), 29);
    assert_eq!(
        shown[14],
        "fold 72 events not drawn; frames 15 to 86; from the client 36 records of 3,600 bytes; from the server 36 records of 3,600 bytes"
    );
    // What is cited stays, with its neighbours.
    verdict.evidence = vec![citation(50, 50, Side::Server, None)];
    let shown = short(&session, &verdict);
    assert_eq!(shown.len(), 33);
    assert!(shown[14].starts_with("fold 34 events not drawn; frames 15 to 48") && shown[18].starts_with("fold 35 "), "{shown:?}");
    assert_eq!(shown[16], "server 50 application data, 1 record, 100 bytes [cited]");
    // Two that would be folded alone are drawn instead.
    verdict.evidence = vec![citation(18, 18, Side::Server, None)];
    assert!(short(&session, &verdict)[14].starts_with("client 15 "));
}

#[test]
fn what_was_not_kept_is_counted_and_no_silence() {
    let (mut session, mut verdict) = sample::idle_timeout();
    session.closing.root = None;
    (verdict.evidence, verdict.reactions) = (Vec::new(), Vec::new());
    turns(&mut session, 5_000, 10);
    let shown = short(&session, &verdict);
    assert_eq!(shown.len(), 21);
    assert_eq!(shown[10], "fold 4,980 events not drawn");
    turns(&mut session, 5_000, 30);
    let shown = short(&session, &verdict);
    assert_eq!(shown[14], "fold 4,972 events not drawn; frames 15 to 4986");
    assert!(!shown.iter().any(|row| row.starts_with("silence")), "{shown:?}");
}

#[test]
fn a_reset_among_others_of_its_frame_is_told_apart() {
    let (mut session, verdict) = sample::idle_timeout();
    let at = sample::at(3312, 60_020);
    let back = session.client_way.opposite();
    let mut timeline = Timeline::default();
    for what in [What::Alert(1, 0), What::Fin(1), What::Rst(RstKind::Active, 1)] {
        timeline.push(Event { at, until: at, way: back, what }, 9, 9);
    }
    session.timeline = timeline;
    let roots: Vec<String> = steps(&session, &verdict).into_iter().filter(|step| step.root).map(|step| step.label).collect();
    assert_eq!(roots, ["FIN"], "the root is a FIN, whatever else its frame holds");
}

#[test]
fn the_drawing_has_what_the_rows_say() {
    let (session, verdict) = sample::idle_timeout();
    let mut html = Html::default();
    write(&mut html, &session, &verdict, &sample::context());
    let text = html.finish();
    // Once wide and once narrow; what crosses from one strip into the next stands in both.
    let arcs: BTreeSet<&str> = text.split("class=\"arc\" d=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(arcs.len(), 2, "{text}");
    assert_eq!(text.matches("◆ root event<").count(), 2, "{text}");
    assert_eq!(text.matches("60.0 s of silence<").count(), 2, "{text}");
    assert!(text.contains("<summary>The same as a table</summary>"), "{text}");
    let mut html = Html::default();
    let bare = Session { timeline: Timeline::default(), ..session };
    write(&mut html, &bare, &verdict, &sample::context());
    assert_eq!(html.finish(), "", "without a timeline there is nothing to draw");
}

#[test]
fn a_run_of_reactions_leads_to_what_the_first_answers() {
    let (mut session, mut verdict) = sample::idle_timeout();
    let told = verdict.reactions.remove(0);
    // A run of three, the first of them to a frame that is no event.
    let mut timeline = Timeline::default();
    for event in session.timeline.iter() {
        let until = if event.at.frame == 3313 { sample::at(3319, 60_025) } else { event.until };
        timeline.push(Event { until, ..*event }, 99, 99);
    }
    session.timeline = timeline;
    for (frame, to) in [(3313, 3310), (3316, 3315), (3319, 3318)] {
        let (at, to) = (sample::at(frame, 60_021), sample::at(to, 60_010));
        verdict.reactions.push(crate::diagnose::ToldReaction { at, to, ..told.clone() });
    }
    let shown = short(&session, &verdict);
    let place = shown.iter().position(|row| row == "server 3310 a segment, answered below").unwrap();
    let rows = rows(&session, &verdict, &sample::context());
    let steps = rows.iter().filter_map(|row| if let Row::Event(step) = row { Some(step) } else { None });
    let reactions: Vec<_> = steps.filter(|step| step.answers.is_some()).collect();
    assert_eq!(reactions.len(), 1, "{shown:?}");
    assert_eq!(reactions[0].answers.unwrap().row, Some(place));
    assert_eq!(marks(reactions[0]), ["reactions to 3310 … 3318"]);
    assert!(!shown.iter().any(|row| row.contains("3315")), "one segment for the arc is enough: {shown:?}");
}

#[test]
fn rows_stand_in_the_order_of_their_frames() {
    let (mut session, verdict) = sample::idle_timeout();
    let mut events: Vec<Event> = session.timeline.iter().copied().collect();
    events.swap(2, 5);
    let mut timeline = Timeline::default();
    events.into_iter().for_each(|event| timeline.push(event, 99, 99));
    let before = short(&session, &verdict);
    session.timeline = timeline;
    assert_eq!(short(&session, &verdict), before);
}
