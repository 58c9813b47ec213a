//! The list of sessions, and a single story with where it comes from, as Markdown to paste into a ticket.

use crate::analyze::Finished;
use crate::base::printable;
use crate::diagnose::Rule;
use crate::report::about::About;
use crate::report::blocks::{self, Block, escape};
use crate::report::incidents::Incident;
use crate::report::table::{self, Overview};
use crate::report::{blame, how, story};

/// One session's story, and where it comes from. `rule` is the manual's page on its cause, where there is one.
pub fn story_markdown(finished: &Finished, rule: Option<&Rule>, about: &About) -> String {
    let mut page = story::page(&finished.session, &finished.verdict, rule, &about.context);
    if let Some(capture) = &about.capture {
        let what =
            "holds this session alone, counted anew; a comment on each cited frame tells what it shows and its number in the original";
        page.push(Block::Paragraph(format!("{} {what}. This filter shows those frames:", printable(capture, 100))));
        page.push(Block::Command("frame.comment".to_owned()));
    }
    page.push(Block::Heading("Where this comes from".to_owned()));
    page.extend(about.pairs().into_iter().map(|(label, text)| Block::Pair(label.to_owned(), printable(&text, 2_000))));
    blocks::markdown(&page)
}

/// The whole report.
pub fn overview(overview: &Overview<'_>) -> String {
    let mut out = format!("{}\n\n", escape(&table::read(overview)));
    if !overview.rows.is_empty() {
        out.push_str("| # | fault | ended at | client → server | how | what happened |\n|--:|---|---|---|---|---|\n");
        for row in overview.rows {
            out.push_str(&line(row, overview));
        }
        out.push('\n');
    }
    out.push_str(&format!("{}\n", escape(&table::became(overview))));
    if !overview.patterns.is_empty() {
        out.push_str("\nSeveral sessions together:\n\n");
    }
    for pattern in overview.patterns {
        let (lead, text) = table::pattern_told(pattern);
        out.push_str(&format!("- **{}**: {}\n", escape(&lead), escape(&text)));
    }
    let facts = table::facts(overview);
    if !facts.is_empty() {
        out.push('\n');
    }
    for (label, text) in facts {
        out.push_str(&format!("- **{label}**: {}\n", escape(&text)));
    }
    out
}

fn line(row: &Incident, overview: &Overview<'_>) -> String {
    let clock = &overview.context.clock;
    let number = row.number().map_or("-".to_owned(), |number| number.to_string());
    let times = if row.count > 1 { format!(" ×{}", row.count) } else { String::new() };
    let what = table::told(row, overview, false).join(" · ");
    format!(
        "| {number}{times} | {} | {} {} | {} | {} | {} |\n",
        blame(row.fault, row.confidence),
        clock.date(row.first),
        clock.time_of_day(row.first),
        escape(&table::ends(row, usize::MAX)),
        how(row.ending, row.closed_by),
        escape(&what)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::Totals;
    use crate::report::incidents::Incidents;
    use crate::report::sample;
    use crate::report::totals::Tally;

    #[test]
    fn every_session_is_one_row_of_six_cells_whatever_its_name() {
        let (mut incidents, mut tally) = (Incidents::default(), Tally::default());
        for (session, verdict) in [sample::hostile(), sample::refused_hello(3, 0), sample::idle_timeout()] {
            incidents.add(&session, &verdict);
            tally.add(&verdict);
        }
        let rows = incidents.sorted();
        let context = sample::context();
        let totals = Totals { frames: 10, sessions: 3, ..Totals::default() };
        let text = overview(&Overview {
            context: &context,
            rows: &rows,
            patterns: &[&sample::pattern()],
            left_out: 0,
            tally: &tally,
            totals: &totals,
            all: false,
            selection: false,
            show: "whohungup show office.pcapng",
        });
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(table.len(), 5, "{text}");
        for line in table {
            assert_eq!(line.matches('|').count(), 7, "{line}");
            assert!(!line.contains(['<', '\x1b']), "{line}");
        }
        assert!(text.contains("&lt;script&gt;"), "{text}");
        assert!(text.contains("- **fault**: server 2 · none 1"), "{text}");
    }

    #[test]
    fn a_story_says_where_it_comes_from() {
        let (session, verdict) = sample::idle_timeout();
        let mut about = About::new(sample::context(), "whohungup evidence '<office>.pcapng' 17");
        about.capture = Some("session.pcapng".to_owned());
        let text = story_markdown(&sample::finished(session, verdict), None, &about);
        assert!(text.starts_with("## Session 17"), "{text}");
        assert!(text.contains("session.pcapng holds this session alone"), "{text}");
        assert!(text.contains("- **Command**: whohungup evidence '&lt;office&gt;.pcapng' 17"), "{text}");
        assert!(text.contains("- **Capture**: office.pcapng\n"), "{text}");
    }
}
