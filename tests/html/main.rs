//! Reports as HTML: well-formed, self-contained, complete, legible; and looked at in a browser where there is one.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests write files and start a browser")]

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod sessions;

use std::collections::BTreeSet;
use std::sync::Arc;

use roxmltree::{Document, Node};
use whohungup::analyze::Finished;
use whohungup::base::Span;
use whohungup::diagnose::rules;
use whohungup::report::Context;
use whohungup::report::about::About;
use whohungup::report::html::{IndexEntry, index, page};
use whohungup::report::markdown::story_markdown;
use whohungup::report::time::Clock;

/// Captures of many kinds of end, for an index of many sessions.
const CAPTURES: [&str; 12] = [
    "clean-close.pcapng",
    "server-idle-timeout.pcap",
    "server-reset.pcapng",
    "client-reset.pcap",
    "connection-refused.pcap",
    "connection-timeout.pcap",
    "unreachable.pcap",
    "path-mtu-black-hole.pcap",
    "server-truncated-record.pcap",
    "proxy-refused-tunnel.pcapng",
    "capture-incomplete.pcapng",
    "injected-reset.pcapng",
];

fn about(file: &str) -> About {
    let context = Context { files: vec![file.to_owned()], clock: Clock::utc() };
    let mut about = About::new(context, format!("whohungup evidence {file} 0"));
    about.capture = Some("session.pcapng".to_owned());
    if let Some(source) = about.sources.first_mut() {
        source.bytes = Some(81_920);
        source.sha256 = Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned());
    }
    about.notes = vec!["Application data was zeroed; record headers, alerts, handshake and timing are as captured.".to_owned()];
    about
}

fn written(finished: &Finished, file: &str) -> String {
    page(finished, rules::find(finished.verdict.cause), &about(file))
}

/// The page as a tree, checked to be well-formed. A script is no XML: it is taken out.
fn with_tree<T>(page: &str, look: impl FnOnce(&Document<'_>) -> T) -> T {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let xml = match (body.find("<script>"), body.rfind("</script>")) {
        (Some(begin), Some(end)) => format!("{}{}", &body[..begin], &body[end + "</script>".len()..]),
        _ => body.to_owned(),
    };
    let tree = Document::parse(&xml).unwrap_or_else(|error| panic!("not well-formed: {error}"));
    look(&tree)
}

fn class<'n>(node: Node<'n, 'n>) -> Vec<&'n str> {
    node.attribute("class").unwrap_or_default().split(' ').collect()
}

fn text_of(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

/// Nothing is loaded, nothing runs, nothing is named twice.
fn is_self_contained(tree: &Document<'_>, script: bool) {
    let mut ids = BTreeSet::new();
    let mut names = Vec::new();
    for node in tree.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        names.push(tag);
        assert!(!["link", "img", "iframe", "object", "embed", "base", "audio", "video", "image", "use"].contains(&tag), "<{tag}>");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && !["style", "src", "srcset", "action", "background"].contains(&name), "{name}={value}");
            if name == "href" {
                assert!(value.starts_with("./") || value.starts_with('#'), "a link to {value}");
            }
            if name == "id" {
                assert!(ids.insert(value.to_owned()), "two elements are called {value}");
            }
        }
    }
    for node in tree.descendants() {
        for reference in ["aria-labelledby", "aria-describedby", "for"] {
            if let Some(id) = node.attribute(reference) {
                assert!(ids.contains(id), "{reference} names {id}, which is not there");
            }
        }
    }
    let policy = tree.descendants().find(|node| node.attribute("http-equiv") == Some("Content-Security-Policy")).expect("a policy");
    let allowed = policy.attribute("content").unwrap();
    assert!(allowed.starts_with("default-src 'none'; style-src 'sha256-"), "{allowed}");
    assert_eq!(allowed.contains("script-src 'none'"), !script, "{allowed}");
    assert!(!allowed.contains("unsafe") && !allowed.contains("http"), "{allowed}");
    let place = |tag: &str| names.iter().position(|name| *name == tag);
    assert!(place("meta") < place("style"), "the policy stands before what it is about");
    let style = tree.descendants().find(|node| node.has_tag_name("style")).and_then(|node| node.text()).unwrap();
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("@font-face"));
}

/// Where a text of a ladder stands. Letters are taken to be as wide as the widest common font has them.
fn extent(node: Node<'_, '_>) -> (f64, f64) {
    let class = class(node);
    let is = |name: &str| class.contains(&name);
    let size = if is("time") || is("frames") || is("meta") || is("address") || is("mark") || is("heading") { 7.25 } else { 7.9 };
    let width = text_of(node).chars().count() as f64 * size;
    let x: f64 = node.attribute("x").unwrap().parse().unwrap();
    let narrow = node.ancestors().any(|node| node.attribute("class") == Some("narrow"));
    if ["label", "silence", "fold", "note", "meta"].iter().any(|name| is(name)) || (narrow && is("mark")) {
        (x - width / 2.0, x + width / 2.0)
    } else if ["time", "frames", "heading", "end"].iter().any(|name| is(name)) {
        (x - width, x)
    } else {
        (x, x + width)
    }
}

/// No text of a ladder leaves the picture, lies on another one, or crosses a lifeline.
fn is_legible(tree: &Document<'_>) {
    for svg in tree.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "svg"))) {
        let view: Vec<f64> = svg.attribute("viewBox").unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
        let texts: Vec<_> = svg.descendants().filter(|node| node.tag_name().name() == "text").collect();
        let mut placed: Vec<(f64, f64, f64, String)> = Vec::new();
        for node in texts {
            let (left, right) = extent(node);
            let y: f64 = node.attribute("y").unwrap().parse().unwrap();
            let text = text_of(node);
            assert!(left >= -2.0 && right <= view[2] + 2.0, "{text:?} leaves the picture: {left} to {right} of {}", view[2]);
            assert!(y >= view[1] && y <= view[1] + view[3], "{text:?} is cut off");
            for (other_left, other_right, other_y, other) in &placed {
                let apart = right <= *other_left || left >= *other_right || (y - other_y).abs() >= 10.0;
                assert!(apart, "{text:?} lies on {other:?}");
            }
            placed.push((left, right, y, text));
        }
    }
}

/// Frame numbers that the wide ladder shows: single ones and runs.
fn drawn(tree: &Document<'_>) -> Vec<(u32, u32)> {
    let wide = tree.descendants().find(|node| node.attribute("class") == Some("wide") && node.has_tag_name("div"));
    let texts = wide.into_iter().flat_map(|wide| wide.descendants()).filter(|node| class(*node).contains(&"frames"));
    let text = texts.map(text_of).collect::<Vec<_>>().join(" ").replace("– ", "–");
    let number = |number: &str| number.parse::<u32>().unwrap_or_else(|_| panic!("{number:?} in {text:?}"));
    text.split_whitespace()
        .map(|run| run.split_once('–').map_or_else(|| (number(run), number(run)), |(a, b)| (number(a), number(b))))
        .collect()
}

fn check(finished: &Finished, name: &str) {
    let page = written(finished, name);
    with_tree(&page, |tree| {
        is_self_contained(tree, false);
        is_legible(tree);
        let shown = drawn(tree);
        let table: Vec<String> = tree
            .descendants()
            .find(|node| node.attribute("aria-label") == Some("Cited frames"))
            .into_iter()
            .flat_map(|table| table.descendants())
            .filter(|node| node.has_tag_name("b"))
            .map(text_of)
            .collect();
        for cited in &finished.verdict.evidence {
            let frame = cited.at.frame;
            assert!(table.contains(&frame.to_string()), "{name}: frame {frame} is cited and not in the table");
            assert!(
                shown.iter().any(|&(a, b)| (a..=b).contains(&frame)),
                "{name}: frame {frame} is cited and not in the ladder: {shown:?}"
            );
        }
        if finished.session.closing.root.is_some() && !finished.session.timeline.head().is_empty() {
            let marks: Vec<String> = tree.descendants().filter(|node| class(*node).contains(&"mark")).map(text_of).collect();
            // Once in each of the two drawings.
            assert_eq!(marks.iter().filter(|mark| mark.contains("root event")).count(), 2, "{name}: {marks:?}");
        }
        let heading = tree.descendants().find(|node| node.has_tag_name("h1")).map(text_of).unwrap();
        assert!(heading.ends_with(['.', '!', '?', '…']) && heading.len() > 20, "{heading}");
    });
    let text = story_markdown(finished, rules::find(finished.verdict.cause), &about(name));
    for cited in &finished.verdict.evidence {
        assert!(text.contains(&format!("frame {}", cited.at.frame)), "{name}: frame {} is not in the Markdown", cited.at.frame);
    }
}

#[test]
fn pages_of_all_captures_are_well_formed_and_complete() {
    let mut seen = 0;
    for path in common::files() {
        let name = common::name(&path);
        for finished in sessions::of_file(&path) {
            check(&finished, &name);
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} sessions");
}

#[test]
fn an_icmp_error_is_said_to_come_from_who_sent_it() {
    let sessions = sessions::of_file(&common::directory().join("unreachable.pcap"));
    let page = written(&sessions[0], "unreachable.pcap");
    let from = sessions[0].session.icmp[0].1.from;
    assert!(page.contains(&format!("<bdi>{from}</bdi>")), "the table of cited frames");
    assert!(page.contains(&format!("ICMP error, host unreachable, from {from}</td>")), "the ladder's table");
}

#[test]
fn ten_thousand_records_fold() {
    let finished = sessions::long(5_000);
    check(&finished, "long.pcap");
    let page = written(&finished, "long.pcap");
    assert!(page.len() < 250_000, "{} bytes", page.len());
    with_tree(&page, |tree| {
        let rows = drawn(tree).len();
        assert!((20..=60).contains(&rows), "{rows} rows");
        let folds: Vec<String> = tree.descendants().filter(|node| class(*node).contains(&"fold")).map(text_of).collect();
        assert!(folds.iter().any(|fold| fold.contains("events not drawn")), "{folds:?}");
    });
}

#[test]
fn hostile_names_stay_text() {
    for name in sessions::HOSTILE {
        let finished = sessions::named(name);
        check(&finished, "hostile.pcap");
        let page = written(&finished, "<img src=x onerror=alert(1)>.pcap");
        with_tree(&page, |tree| is_self_contained(tree, false));
        assert!(!page.contains("<script") && !page.contains("<img"), "{name:?}");
        let raw = page.chars().find(|c| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c));
        assert_eq!(raw, None, "{name:?}");
    }
}

/// The index of `number` sessions.
fn many(number: usize) -> String {
    let some: Vec<Finished> = CAPTURES.iter().flat_map(|name| sessions::of_file(&common::directory().join(name))).collect();
    let entry = |number: usize| {
        let mut finished = some[number % some.len()].clone();
        let session = Arc::make_mut(&mut finished.session);
        session.tcp_stream = Some(number as u32);
        let later = Span::from_secs(number as i64 * 7);
        for time in [&mut session.first.time, &mut session.last.time] {
            *time = time.plus(later);
        }
        if let Some(root) = &mut session.closing.root {
            root.at.time = root.at.time.plus(later);
        }
        IndexEntry::new(&finished, format!("{number}/report.html"))
    };
    let entries: Vec<IndexEntry> = (0..number).map(entry).collect();
    index(&entries, &about("office.pcapng"))
}

#[test]
fn five_thousand_sessions_are_one_table() {
    let page = many(5_000);
    assert!(page.len() < 8_000_000, "{} bytes", page.len());
    with_tree(&page, |tree| {
        is_self_contained(tree, true);
        let rows = tree.descendants().filter(|node| node.has_tag_name("tr")).count();
        assert_eq!(rows, 5_001);
        for heading in tree.descendants().filter(|node| node.has_tag_name("th")) {
            assert_eq!(heading.attribute("scope"), Some("col"));
        }
        let labelled: BTreeSet<&str> = tree.descendants().filter_map(|node| node.attribute("for")).collect();
        for input in tree.descendants().filter(|node| node.has_tag_name("input") || node.has_tag_name("select")) {
            assert!(labelled.contains(input.attribute("id").unwrap()), "a control without a label");
        }
        let live = tree.descendants().find(|node| node.attribute("aria-live") == Some("polite")).map(text_of);
        assert_eq!(live.as_deref(), Some("5,000 sessions"));
    });
    let first = page.find("<script>").unwrap();
    assert_eq!(page[first..].matches("<script>").count(), 1);
}
