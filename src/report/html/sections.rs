//! The sections of a session's page, from the verdict to where it all comes from.

use crate::analyze::Finished;
use crate::base::{At, Side, printable};
use crate::diagnose::{Citation, Confidence, Fact, Fault, Rule, Verdict};
use crate::report::about::About;
use crate::report::html::ladder;
use crate::report::html::parts::{blocks, paste, sureness, table, tone};
use crate::report::html::write::Html;
use crate::report::text::{count, sentence, shown};
use crate::report::time::lasting;
use crate::report::wireshark::Filter;
use crate::report::{errors, sni, story};
use crate::session::{CloseNotify, Session};

/// Writes them all.
pub(super) fn write(html: &mut Html, finished: &Finished, rule: Option<&Rule>, about: &About) {
    let Finished { session, verdict, .. } = finished;
    html.within("header", &[("class", "top")], |html| opening(html, session, verdict, about));
    html.within("main", &[], |html| {
        facts(html, session, verdict, rule);
        doubts(html, session, verdict);
        happened(html, session, verdict, about);
        cited(html, session, verdict, about);
        logged(html, session, verdict);
        advice(html, verdict, rule);
        check(html, session, verdict, about);
        data(html, session);
    });
    html.within("footer", &[], |html| provenance(html, about));
}

fn section(html: &mut Html, id: &'static str, heading: &str, inside: impl FnOnce(&mut Html)) {
    html.within("section", &[("aria-labelledby", id)], |html| {
        html.leaf("h2", &[("id", id)], heading);
        inside(html);
    });
}

fn opening(html: &mut Html, session: &Session, verdict: &Verdict, about: &About) {
    html.within("p", &[("class", "letterhead")], |html| {
        html.leaf("b", &[], "who hung up?");
        let number = session.tcp_stream.map_or(String::new(), |number| format!(" {number}"));
        let files: Vec<String> = about.context.files.iter().map(|name| printable(name, 100)).collect();
        let files = match files.as_slice() {
            [] => String::new(),
            [one] => format!(" of {one}"),
            [first, .., last] => format!(" of {first} … {last}"),
        };
        html.leaf("span", &[], &format!("TLS session{number}{files}"));
    });
    html.leaf("h1", &[], &sentence(&shown(&verdict.summary)));
    html.within("p", &[("class", "route")], |html| {
        html.leaf("bdi", &[("class", "end")], &session.ends.client.to_string());
        html.leaf("span", &[("class", "to"), ("aria-label", "to")], " → ");
        html.leaf("bdi", &[("class", "end")], &session.ends.server.to_string());
        if let Some(name) = sni(session) {
            html.text(" ");
            html.leaf("bdi", &[("class", "name")], &printable(&name, 253));
        }
    });
    let clock = &about.context.clock;
    let (first, last) = (session.first.time, session.last.time);
    let until = if clock.date(first) == clock.date(last) { String::new() } else { format!("{} ", clock.date(last)) };
    html.leaf(
        "p",
        &[("class", "when")],
        &format!(
            "{} {} to {until}{} {}, {}",
            clock.date(first),
            clock.time_of_day_millis(first),
            clock.time_of_day_millis(last),
            clock.offset(last),
            lasting(session.duration())
        ),
    );
}

/// Who, how, whose fault, at what cost, and how sure each of it is.
fn facts(html: &mut Html, session: &Session, verdict: &Verdict, rule: Option<&Rule>) {
    let (tone, sign) = tone(verdict);
    let plain = |text: &str| sentence(text).trim_end_matches('.').to_owned();
    html.within("section", &[("class", "verdict"), ("aria-label", "Verdict")], |html| {
        html.within("dl", &[("class", "facts")], |html| {
            fact(html, "", "Who ended it", "", &plain(story::who(verdict.closed_by)), Some(verdict.closed_by_confidence));
            fact(html, "", "How", "", &plain(story::how(session, verdict)), Some(verdict.ending_confidence));
            fact(html, tone, "Whose fault", sign, &plain(story::fault(verdict.fault)), Some(verdict.fault_confidence));
            fact(html, "", "What it cost", "", &plain(story::impact(verdict.impact)), None);
        });
        html.within("dl", &[("class", "pairs")], |html| {
            html.leaf("dt", &[], "Cause");
            html.within("dd", &[], |html| {
                html.leaf("code", &[], verdict.cause);
                if let Some(rule) = rule {
                    html.text(": ");
                    html.text(rule.summary);
                }
            });
            let said = &session.close_notify;
            if said.client != CloseNotify::NotApplicable || said.server != CloseNotify::NotApplicable {
                html.leaf("dt", &[], "close_notify");
                let text = format!("client: {}; server: {}", story::close_notify(said.client), story::close_notify(said.server));
                html.leaf("dd", &[], &text);
            }
            if !session.roles_seen {
                html.leaf("dt", &[], "Roles");
                html.leaf("dd", &[], "guessed: neither a SYN nor a ClientHello is in the capture");
            }
        });
    });
}

fn fact(html: &mut Html, tone: &str, label: &str, sign: &str, value: &str, confidence: Option<Confidence>) {
    html.within("div", &[("class", tone)], |html| {
        html.leaf("dt", &[], label);
        html.within("dd", &[], |html| {
            html.within("span", &[("class", "value")], |html| {
                if !sign.is_empty() {
                    html.leaf("span", &[("class", "sign"), ("aria-hidden", "true")], sign);
                }
                html.text(value);
            });
            if let Some(confidence) = confidence {
                sureness(html, confidence);
            }
        });
    });
}

fn doubts(html: &mut Html, session: &Session, verdict: &Verdict) {
    html.within("div", &[("class", "two")], |html| {
        section(html, "ruled-out", "Ruled out", |html| {
            if verdict.ruled_out.is_empty() {
                html.leaf("p", &[("class", "none")], "Nobody: the evidence excludes no party for certain.");
                return;
            }
            html.within("ul", &[("class", "reasons")], |html| {
                for ruled_out in &verdict.ruled_out {
                    html.within("li", &[], |html| {
                        html.leaf("b", &[], &sentence(party(ruled_out.fault)).replace('.', ":"));
                        html.text(" ");
                        html.text(&shown(&ruled_out.why));
                    });
                }
            });
        });
        section(html, "unknown", "What this capture cannot know", |html| unknown(html, session, verdict));
    });
}

/// A party, as a sentence names it.
fn party(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "nobody",
        Fault::Client => "the client",
        Fault::Server => "the server",
        Fault::Proxy => "a proxy or another box between them",
        Fault::Network => "the network",
        Fault::Undetermined => "somebody whom this capture does not show",
    }
}

fn unknown(html: &mut Html, session: &Session, verdict: &Verdict) {
    let unsaid: Vec<Side> = Side::BOTH.into_iter().filter(|&side| session.close_notify[side] == CloseNotify::Unknown).collect();
    if verdict.alternatives.is_empty() && session.caps.is_empty() && unsaid.is_empty() {
        html.leaf("p", &[("class", "none")], "Nothing is known to be missing from it, and no other reading was found that fits.");
        return;
    }
    html.within("ul", &[("class", "reasons")], |html| {
        for other in &verdict.alternatives {
            html.within("li", &[], |html| {
                html.text("Whether it was ");
                let who = if other.fault == Fault::None { "nobody’s fault" } else { party(other.fault) };
                html.leaf("b", &[], who);
                html.text(" (");
                html.leaf("code", &[], other.cause);
                html.text("): ");
                html.text(&shown(&other.why));
                if !other.decide_by.is_empty() {
                    let (text, command) = story::with_command(&other.decide_by);
                    html.within("p", &[("class", "decide")], |html| {
                        html.leaf("b", &[], "To decide: ");
                        html.text(&text);
                    });
                    if let Some(command) = command {
                        paste(html, &command);
                    }
                }
            });
        }
        for &side in &unsaid {
            html.leaf("li", &[], &format!("Whether the {side} sent a close_notify."));
        }
        for &cap in &session.caps {
            html.within("li", &[], |html| {
                html.leaf("code", &[], cap.name());
                html.text(": ");
                html.text(story::cap(cap));
            });
        }
    });
}

fn happened(html: &mut Html, session: &Session, verdict: &Verdict, about: &About) {
    if session.timeline.iter().next().is_some() {
        section(html, "ladder", "What happened", |html| ladder::write(html, session, verdict, &about.context));
    }
}

/// A row of the table of cited frames.
struct Row {
    at: At,
    from: String,
    sign: &'static str,
    known: String,
    what: String,
}

impl Row {
    fn of(cited: &Citation, session: &Session) -> Row {
        let (sign, known) = match cited.fact {
            Fact::Saw => ("●", "seen".to_owned()),
            Fact::Inferred => ("◐", "inferred".to_owned()),
            Fact::Missing(bytes) => ("○", format!("missing, {} unseen", count(bytes, "byte", "bytes"))),
        };
        let what = match cited.session {
            Some(number) => format!("Session {number}: {}", shown(&cited.what)),
            None => shown(&cited.what),
        };
        // An ICMP error is cited with the side it was sent to; it comes from neither.
        let box_between = session.icmp.iter().find(|(_, error)| error.at == cited.at).map(|(_, error)| error.from.to_string());
        let from = box_between.unwrap_or_else(|| cited.from.map_or(String::new(), |side| side.name().to_owned()));
        Row { at: cited.at, from, sign, known, what }
    }
}

/// The table of cited frames.
fn cited(html: &mut Html, session: &Session, verdict: &Verdict, about: &About) {
    let mut rows: Vec<Row> = verdict.evidence.iter().map(|cited| Row::of(cited, session)).collect();
    rows.extend(verdict.reactions.iter().map(|told| Row {
        at: told.at,
        from: told.from.map_or(String::new(), |side| side.name().to_owned()),
        sign: "↩",
        known: format!("reaction to {}", told.to.frame),
        what: shown(&told.what),
    }));
    let root = session.closing.root.as_ref().map(|root| (root.at.file, root.at.frame));
    let several = about.context.files.len() > 1;
    section(html, "frames", "The frames that prove it", |html| {
        let columns = [("Frame", "n"), ("Time", "n"), ("From", ""), ("Known", "known"), ("What it shows", "wide")];
        table(html, "Cited frames", &columns, &rows, |html, row, column| match column {
            0 => {
                html.leaf("b", &[], &row.at.frame.to_string());
                if several {
                    html.text(" ");
                    html.leaf("span", &[("class", "file")], &printable(about.context.file(row.at), 60));
                }
            }
            1 => {
                html.text(&about.context.clock.time_of_day_millis(row.at.time));
                html.text(" ");
                html.leaf("span", &[("class", "since")], &format!("+{:.3} s", row.at.time.since(session.first.time).secs()));
            }
            2 => html.leaf("bdi", &[], &row.from),
            3 => {
                html.leaf("span", &[("class", "sign"), ("aria-hidden", "true")], row.sign);
                html.text(&row.known);
            }
            _ => {
                html.text(&row.what);
                if root == Some((row.at.file, row.at.frame)) {
                    html.text(" ");
                    html.leaf("span", &[("class", "root")], "root event");
                }
            }
        });
    });
}

fn logged(html: &mut Html, session: &Session, verdict: &Verdict) {
    let Some((side, messages)) = errors::logged(session, verdict) else { return };
    section(html, "logged", &format!("What the {side}’s application will have logged"), |html| {
        html.leaf("p", &[("class", "aside")], "One of these, by what it is built on. The words vary with version and language.");
        let columns = [("Program", "program"), ("Message", "wide message")];
        table(html, "Messages by program", &columns, &messages, |html, message, column| match column {
            0 => html.text(message.stack),
            _ => html.leaf("code", &[], message.text),
        });
    });
}

fn advice(html: &mut Html, verdict: &Verdict, rule: Option<&Rule>) {
    let mut list = Vec::new();
    story::advice(&mut list, verdict, rule);
    if !list.is_empty() {
        section(html, "advice", "What to do", |html| blocks(html, &list));
    }
}

fn check(html: &mut Html, session: &Session, verdict: &Verdict, about: &About) {
    let filter = Filter::new(session, verdict, about.context.files.len());
    let file = about.context.files.get(usize::from(filter.file()));
    section(html, "check", "How to check it in Wireshark", |html| {
        html.within("ol", &[], |html| {
            html.within("li", &[], |html| {
                html.text("Open ");
                html.leaf("code", &[], &file.map_or("the capture".to_owned(), |name| printable(name, 100)));
                html.text(" and paste this display filter. It shows the frames that the verdict rests on:");
                paste(html, &filter.to_string());
            });
            html.within("li", &[], |html| {
                html.text("This one shows the whole session:");
                paste(html, &filter.session_only().to_string());
            });
            if let Some(capture) = &about.capture {
                html.within("li", &[], |html| {
                    html.text("Or open ");
                    html.leaf("code", &[], &printable(capture, 100));
                    html.text(", which holds this session alone. Its frames are counted anew; a comment on each cited frame tells what it shows and its number in the original. This filter shows those frames:");
                    paste(html, "frame.comment");
                });
            }
        });
    });
}

fn data(html: &mut Html, session: &Session) {
    let mut list = Vec::new();
    story::data(&mut list, session);
    section(html, "data", "The session", |html| blocks(html, &list));
}

fn provenance(html: &mut Html, about: &About) {
    section(html, "provenance", "Where this comes from", |html| {
        html.within("dl", &[("class", "pairs")], |html| {
            for (label, text) in about.pairs() {
                html.leaf("dt", &[], label);
                html.leaf("dd", &[], &printable(&text, 2_000));
            }
        });
    });
}
