//! The index of many sessions: one table that sorts and filters, and is complete without its script.

use std::collections::BTreeMap;

use crate::analyze::Finished;
use crate::base::{Endpoint, Span, Time, printable};
use crate::diagnose::{Confidence, Fault};
use crate::report::about::About;
use crate::report::html::parts::{sureness, tone_of};
use crate::report::html::shell;
use crate::report::html::write::Html;
use crate::report::text::{count, grouped, listed, sentence, shown};
use crate::report::time::lasting;
use crate::report::{Class, end_of, how, sni};

/// A session as the index lists it: small enough to keep thousands.
#[derive(Clone, Debug)]
pub struct IndexEntry {
    /// Its report's path, relative to the index.
    href: String,
    number: Option<u32>,
    class: Class,
    fault: Fault,
    confidence: Confidence,
    cause: &'static str,
    ended: Time,
    duration: Span,
    client: Endpoint,
    server: Endpoint,
    name: Option<String>,
    how: String,
    summary: String,
}

impl IndexEntry {
    /// The entry of a session whose report is at `href`, relative to the index.
    pub fn new(finished: &Finished, href: impl Into<String>) -> IndexEntry {
        let Finished { session, verdict, .. } = finished;
        IndexEntry {
            href: href.into(),
            number: session.tcp_stream,
            class: Class::of(verdict),
            fault: verdict.fault,
            confidence: verdict.fault_confidence,
            cause: verdict.cause,
            ended: end_of(session).time,
            duration: session.duration(),
            client: session.ends.client,
            server: session.ends.server,
            name: sni(session).map(|name| printable(&name, 100)),
            how: how(verdict.ending, verdict.closed_by),
            summary: sentence(&shown(&verdict.summary)),
        }
    }
}

/// The columns: heading, class, and what a screen reader is told of their order.
const COLUMNS: [(&str, &str); 6] = [
    ("Session", "n"),
    ("Fault", "fault-cell"),
    ("Ended", "when"),
    ("Client and server", "ends"),
    ("How", "how"),
    ("What happened", "wide"),
];

/// The index of `entries`: worst first, and among equals in order of time.
pub fn index(entries: &[IndexEntry], about: &About) -> String {
    let mut rows: Vec<&IndexEntry> = entries.iter().collect();
    rows.sort_by_key(|row| (row.class, row.ended, row.number));
    let files: Vec<String> = about.context.files.iter().map(|name| printable(name, 100)).collect();
    let files = if files.len() > 3 { count(files.len() as u64, "file", "files") } else { listed(&files) };
    let sessions = count(rows.len() as u64, "session", "sessions");
    let title = if files.is_empty() { sessions } else { format!("{sessions} of {files}") };
    shell::document(&title, include_str!("index.css"), Some(include_str!("index.js")), |html| {
        html.within("header", &[("class", "top")], |html| {
            html.within("p", &[("class", "letterhead")], |html| {
                html.leaf("b", &[], "who hung up?");
                html.leaf("span", &[], "TLS sessions that ended badly");
            });
            html.leaf("h1", &[], &title);
            html.leaf("p", &[("class", "aside")], &counted(&rows));
        });
        html.within("main", &[], |html| {
            if rows.is_empty() {
                html.leaf("p", &[], "No session to list.");
                return;
            }
            controls(html, &rows);
            list(html, &rows, about);
        });
        html.within("footer", &[], |html| {
            html.within("section", &[("aria-labelledby", "provenance")], |html| {
                html.leaf("h2", &[("id", "provenance")], "Where this comes from");
                html.within("dl", &[("class", "pairs")], |html| {
                    for (label, text) in about.pairs() {
                        html.leaf("dt", &[], label);
                        html.leaf("dd", &[], &printable(&text, 2_000));
                    }
                });
            });
        });
    })
}

/// Whose fault they were: `server 12, proxy 1, undetermined 3, nobody's 4`.
fn counted(rows: &[&IndexEntry]) -> String {
    let parts: Vec<String> = Fault::ALL
        .into_iter()
        .filter_map(|fault| {
            let number = rows.iter().filter(|row| row.fault == fault).count() as u64;
            (number > 0).then(|| format!("{} {}", word(fault), grouped(number)))
        })
        .collect();
    if parts.is_empty() { String::new() } else { format!("Whose fault: {}.", parts.join(", ")) }
}

fn word(fault: Fault) -> &'static str {
    if fault == Fault::None { "nobody" } else { fault.name() }
}

/// The filters. Hidden until the script is there to serve them.
fn controls(html: &mut Html, rows: &[&IndexEntry]) {
    html.within("form", &[("id", "filters"), ("role", "search"), ("aria-label", "Filter the sessions"), ("hidden", "hidden")], |html| {
        html.within("p", &[], |html| {
            html.leaf("label", &[("for", "find")], "Find");
            html.void("input", &[("id", "find"), ("type", "search"), ("autocomplete", "off"), ("placeholder", "address, name, words")]);
        });
        let tally = |of: &dyn Fn(&IndexEntry) -> String| {
            let mut tally: BTreeMap<String, u64> = BTreeMap::new();
            rows.iter().for_each(|row| *tally.entry(of(row)).or_default() += 1);
            tally
        };
        choice(html, "fault", "Fault", &tally(&|row| word(row.fault).to_owned()));
        choice(html, "cause", "Cause", &tally(&|row| row.cause.to_owned()));
        choice(html, "how", "How", &tally(&|row| row.how.clone()));
        html.within("p", &[("class", "narrow")], |html| {
            html.leaf("label", &[("for", "order")], "Order");
            html.within("select", &[("id", "order")], |html| {
                html.leaf("option", &[("value", "")], "worst first");
                for (place, (heading, _)) in COLUMNS.iter().enumerate() {
                    html.leaf("option", &[("value", &format!("{place} ascending"))], &format!("{heading}, ascending"));
                    html.leaf("option", &[("value", &format!("{place} descending"))], &format!("{heading}, descending"));
                }
            });
        });
        html.within("p", &[], |html| html.leaf("button", &[("type", "reset")], "Show all"));
    });
    html.leaf("p", &[("id", "count"), ("role", "status"), ("aria-live", "polite")], &count(rows.len() as u64, "session", "sessions"));
}

fn choice(html: &mut Html, id: &'static str, label: &str, tally: &BTreeMap<String, u64>) {
    html.within("p", &[], |html| {
        html.leaf("label", &[("for", id)], label);
        html.within("select", &[("id", id)], |html| {
            html.leaf("option", &[("value", "")], "any");
            for (value, number) in tally {
                html.leaf("option", &[("value", value)], &format!("{value} ({})", grouped(*number)));
            }
        });
    });
}

fn list(html: &mut Html, rows: &[&IndexEntry], about: &About) {
    html.within("table", &[("id", "sessions"), ("role", "table"), ("aria-label", "Sessions")], |html| {
        html.within("thead", &[("role", "rowgroup")], |html| {
            html.within("tr", &[("role", "row")], |html| {
                for (heading, class) in COLUMNS {
                    html.leaf("th", &[("role", "columnheader"), ("scope", "col"), ("class", class)], heading);
                }
            });
        });
        html.within("tbody", &[("role", "rowgroup")], |html| {
            for row in rows {
                let data = [("role", "row"), ("data-fault", word(row.fault)), ("data-cause", row.cause), ("data-how", &row.how)];
                html.within("tr", &data, |html| line(html, row, about));
            }
        });
    });
}

/// One session. A cell whose text does not sort by itself brings what does in `data-key`.
fn line(html: &mut Html, row: &IndexEntry, about: &About) {
    let clock = &about.context.clock;
    let mut cell = |place: usize, key: Option<String>, inside: &dyn Fn(&mut Html)| {
        let class = COLUMNS.get(place).map_or("", |(_, class)| class);
        match key {
            Some(key) => html.within("td", &[("role", "cell"), ("class", class), ("data-key", &key)], inside),
            None => html.within("td", &[("role", "cell"), ("class", class)], inside),
        }
    };
    let number = row.number.map_or("–".to_owned(), |number| number.to_string());
    cell(0, Some(row.number.map_or(String::new(), |number| number.to_string())), &|html| {
        let label = format!("Session {number}, report");
        html.leaf("a", &[("href", &link(&row.href)), ("aria-label", &label)], &number);
    });
    let (tone, sign) = tone_of(row.class);
    cell(1, Some(format!("{} {}", row.class as u8, word(row.fault))), &|html| {
        html.within("b", &[("class", tone)], |html| {
            html.leaf("span", &[("class", "sign"), ("aria-hidden", "true")], sign);
            html.text(word(row.fault));
        });
        if row.class == Class::Fault {
            html.text(" ");
            sureness(html, row.confidence);
        }
    });
    cell(2, Some((row.ended.nanos() / 1_000).to_string()), &|html| {
        html.leaf("span", &[("class", "date")], &clock.date(row.ended));
        html.text(" ");
        html.text(&clock.time_of_day(row.ended));
        html.leaf("span", &[("class", "aside")], &format!(" after {}", lasting(row.duration)));
    });
    cell(3, None, &|html| {
        html.leaf("bdi", &[], &row.client.to_string());
        html.text(" → ");
        html.leaf("bdi", &[], &row.server.to_string());
        if let Some(name) = &row.name {
            html.text(" ");
            html.leaf("bdi", &[("class", "name")], name);
        }
    });
    cell(4, None, &|html| html.text(&row.how));
    cell(5, None, &|html| {
        html.text(&row.summary);
        html.text(" ");
        html.leaf("code", &[("class", "aside")], row.cause);
    });
}

/// A relative link that no character of `path` can make anything else.
fn link(path: &str) -> String {
    let mut out = "./".to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn entry((session, verdict): (crate::session::Session, crate::diagnose::Verdict)) -> IndexEntry {
        IndexEntry::new(&sample::finished(session, verdict), "17/report.html")
    }

    #[test]
    fn lists_every_session_worst_first() {
        let entries = [entry(sample::clean(5)), entry(sample::idle_timeout()), entry(sample::refused_hello(3, 0))];
        let page = index(&entries, &About::new(sample::context(), "whohungup"));
        let places: Vec<usize> = ["Session 3,", "Session 17,", "Session 5,"].map(|label| page.find(label).unwrap()).to_vec();
        assert!(places.is_sorted(), "{places:?}");
        assert!(page.contains("<h1>3 sessions of office.pcapng</h1>"), "{page}");
        assert!(page.contains("Whose fault: server 1, nobody 2."), "{page}");
        assert!(page.contains("<option value=\"server-closed-in-handshake\">server-closed-in-handshake (1)</option>"), "{page}");
    }

    /// The lengths in `rem` that stand in a line.
    fn rems(line: &str) -> Vec<f32> {
        let number = |text: &str| text.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next().and_then(|number| number.parse().ok());
        line.split("rem").filter_map(number).collect()
    }

    #[test]
    fn no_window_is_too_narrow_for_the_columns_and_too_wide_for_the_list() {
        let style = include_str!("index.css");
        let first = |start: &str| rems(style.lines().find(|line| line.trim_start().starts_with(start)).unwrap());
        let columns = first("grid-template-columns:");
        // Of the fourth, which may grow, the least counts; the padding of the page is 3rem at most on each side.
        let [session, fault, ended, ends, _, how, happened] = columns[..] else { panic!("{columns:?}") };
        let needed = session + fault + ended + ends + how + happened + 5.0 * first("column-gap:")[0] + 2.0 * 3.0;
        assert!(needed <= first("@media (max-width:")[0], "{needed} rem");
    }

    #[test]
    fn nothing_to_list_is_said() {
        let page = index(&[], &About::new(sample::context(), "whohungup"));
        assert!(page.contains("No session to list.") && !page.contains("<table"), "{page}");
    }

    #[test]
    fn links_stay_relative() {
        assert_eq!(link("17/report.html"), "./17/report.html");
        assert_eq!(link("javascript:alert(1)"), "./javascript%3Aalert%281%29");
        assert_eq!(link("ü?#\""), "./%C3%BC%3F%23%22");
    }

    #[test]
    fn hostile_text_stays_text() {
        let page = index(&[entry(sample::hostile())], &About::new(sample::context(), "whohungup '<script>'"));
        assert_eq!(page.matches("<script>").count(), 1, "only our own");
        assert!(!page.contains(['\x1b', '\u{202e}']), "{page}");
    }
}
