//! The ladder diagram of a session: both ends, what went between them, silences, the root event, reactions and what they answer.
//!
//! It is drawn twice, for wide and for narrow screens, and stands once more as a table for whoever does not look at pictures.

mod draw;
mod layout;
mod rows;
#[cfg(test)]
mod tests;

use crate::diagnose::Verdict;
use crate::report::Context;
use crate::report::html::parts::table;
use crate::report::html::write::Html;
use crate::report::text::count;
use crate::session::Session;
use rows::{Shape, Step};

/// Writes the ladder; nothing where the session has no timeline.
pub(super) fn write(html: &mut Html, session: &Session, verdict: &Verdict, context: &Context) {
    let rows = rows::rows(session, verdict, context);
    let steps = rows::steps(session, verdict);
    if steps.is_empty() {
        return;
    }
    html.within("figure", &[("class", "ladder")], |html| {
        let events = count(steps.len() as u64 + session.timeline.left_out(), "event", "events");
        let label = format!("Ladder diagram of {events} between client and server. The table that follows says the same.");
        html.within("div", &[("role", "img"), ("aria-label", &label)], |html| {
            for layout in [&layout::WIDE, &layout::NARROW] {
                html.within("div", &[("class", layout.class), ("aria-hidden", "true")], |html| {
                    draw::draw(html, &rows, &session.ends, layout)
                });
            }
        });
        html.within("figcaption", &[], |html| {
            draw::legend(html, &steps);
            html.within("details", &[], |html| {
                html.leaf("summary", &[], "The same as a table");
                as_table(html, &steps);
            });
        });
    });
}

fn as_table(html: &mut Html, steps: &[Step]) {
    let columns = [("Seconds", "n"), ("Frame", "n"), ("From", ""), ("Part in the verdict", "known"), ("What", "wide")];
    table(html, "Events of the session", &columns, steps, |html, step, column| match column {
        0 => html.text(&step.time),
        1 => html.text(&step.frames),
        2 => html.text(match step.shape {
            Shape::Icmp => "a box between",
            _ => step.from.map_or("", |side| side.name()),
        }),
        3 => html.text(&marks(step).join(", ")),
        _ => html.text(&step.label),
    });
}

/// What the verdict makes of a step, in words.
fn marks(step: &Step) -> Vec<String> {
    let mut out = Vec::new();
    if step.root {
        out.push("root event".to_owned());
    }
    if let Some(answers) = &step.answers {
        let (first, last) = (answers.first.frame, answers.last.frame);
        out.push(if first == last { format!("reaction to {first}") } else { format!("reactions to {first} … {last}") });
    }
    if step.cited && !step.root {
        out.push("cited".to_owned());
    }
    out
}
