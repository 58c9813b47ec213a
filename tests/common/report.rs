//! Writes every report there is about some sessions.

use whohungup::analyze::{Finished, Totals};
use whohungup::diagnose::rules;
use whohungup::report::incidents::Incidents;
use whohungup::report::table::{self, Overview};
use whohungup::report::text::Paint;
use whohungup::report::time::Clock;
use whohungup::report::totals::Tally;
use whohungup::report::{Context, blocks, csv, json, markdown, story};

/// Writes them all, and checks what must hold of each whatever came over the network.
pub fn write_all(sessions: &[Finished], totals: &Totals, problems: &[String]) {
    let context = Context { files: vec!["a capture.pcap".to_owned()], clock: Clock::utc() };
    let opening = json::Opening { command: vec!["whohungup".to_owned()], link_types: vec![1], first: totals.first };
    let mut tally = Tally::default();
    let mut incidents = Incidents::default();
    let mut out = Vec::new();
    json::capture(&mut out, &context, &opening);
    object(&out);
    for Finished { session, verdict, .. } in sessions {
        tally.add(verdict);
        incidents.add(session, verdict);
        out.clear();
        json::session(&mut out, &context, session, verdict);
        object(&out);
        out.clear();
        csv::session(&mut out, &context, session, verdict);
        harmless(&String::from_utf8(out.clone()).unwrap());
        let page = story::page(session, verdict, rules::find(verdict.cause), &context);
        harmless(&blocks::terminal(&page, 80, Paint::new(false)));
        harmless(&blocks::markdown(&page));
    }
    out.clear();
    json::summary(&mut out, &tally, totals, problems);
    object(&out);
    let left_out = incidents.left_out();
    let rows = incidents.sorted();
    let overview = Overview {
        context: &context,
        rows: &rows,
        patterns: &[],
        left_out,
        tally: &tally,
        totals,
        all: true,
        selection: false,
        show: "whohungup show x",
    };
    for columns in [20, 80, 200] {
        harmless(&table::table(&overview, columns, Paint::new(false)));
    }
    harmless(&markdown::overview(&overview));
}

/// One line, one JSON object.
fn object(line: &[u8]) {
    assert!(!line.contains(&b'\n'), "{}", String::from_utf8_lossy(line));
    let value: serde_json::Value = serde_json::from_slice(line).unwrap();
    assert!(value.is_object());
}

/// Nothing that a terminal would obey.
fn harmless(text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\r');
    assert!(control.is_none(), "{control:?} in {text}");
}
