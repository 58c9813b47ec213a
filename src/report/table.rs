//! The table: every session that ended badly, worst first, then totals. Fits 80 columns, uses a wide terminal.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

use crate::analyze::Totals;
use crate::base::{Endpoint, printable};
use crate::report::incidents::Incident;
use crate::report::text::{Paint, count, cut, grouped, hang, width};
use crate::report::totals::{self, Tally};
use crate::report::{Class, Context, blame, how};

/// From this width on the sentence stands in a column of its own; below, on a line under its session.
const WIDE: usize = 132;

/// Columns between two cells.
const GAP: usize = 2;

/// Everything `read` found, for people.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// Files and clock.
    pub context: &'a Context,
    /// The sessions to list, sorted.
    pub rows: &'a [Incident],
    /// Sessions that should be listed and found no room.
    pub left_out: u64,
    /// Counts over the selected sessions.
    pub tally: &'a Tally,
    /// Counts over the capture.
    pub totals: &'a Totals,
    /// Whether clean sessions are listed too.
    pub all: bool,
    /// Whether only a selection of sessions was asked for.
    pub selection: bool,
    /// What to type to see session N, without the N.
    pub show: &'a str,
}

/// The whole report as text, `columns` wide.
pub fn table(overview: &Overview<'_>, columns: usize, paint: Paint) -> String {
    let mut out = String::new();
    head(&mut out, overview, columns, paint);
    if !overview.rows.is_empty() {
        out.push('\n');
        if columns >= WIDE { wide(&mut out, overview, columns, paint) } else { narrow(&mut out, overview, columns, paint) }
    }
    foot(&mut out, overview, columns, paint);
    out
}

/// One line: what was read. Every part is printable.
pub(crate) fn read(overview: &Overview<'_>) -> String {
    let mut line = format!("{}: {}", files(overview), count(overview.totals.frames, "packet", "packets"));
    if let (Some(first), Some(last)) = (overview.totals.first, overview.totals.last) {
        let clock = &overview.context.clock;
        let until = if clock.date(first) == clock.date(last) { String::new() } else { format!("{} ", clock.date(last)) };
        line.push_str(&format!(
            ", {} {} to {until}{} {}",
            clock.date(first),
            clock.time_of_day(first),
            clock.time_of_day(last),
            clock.offset(last)
        ));
    }
    line
}

/// The files by name.
fn files(overview: &Overview<'_>) -> String {
    let names: Vec<String> = overview.context.files.iter().map(|name| printable(name, 60)).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] => format!("{first} to {last} ({} files)", names.len()),
    }
}

/// What was read, the name standing out (unless it was broken over lines).
fn head(out: &mut String, overview: &Overview<'_>, columns: usize, paint: Paint) {
    let mut plain = String::new();
    hang(&mut plain, "", &read(overview), columns);
    let files = files(overview);
    out.push_str(&plain.replacen(&files, &paint.bold(&files), 1));
}

/// The cells all layouts share.
struct Cells {
    number: String,
    fault: String,
    at: String,
    how: String,
}

impl Cells {
    fn of(row: &Incident, overview: &Overview<'_>, with_confidence: bool) -> Cells {
        let clock = &overview.context.clock;
        let number = row.number().map_or("-".to_owned(), |number| number.to_string());
        let dated = overview.totals.first.zip(overview.totals.last).is_some_and(|(first, last)| clock.date(first) != clock.date(last));
        let time = clock.time_of_day(row.first);
        Cells {
            number: if row.count > 1 { format!("{number} ×{}", row.count) } else { number },
            fault: if with_confidence { blame(row.fault, row.confidence) } else { row.fault.name().to_owned() },
            at: if dated { format!("{} {time}", clock.date(row.first).get(5..).unwrap_or_default()) } else { time },
            how: how(row.ending, row.closed_by),
        }
    }
}

/// The widest of the cells of one column, its heading included.
fn widest<'c>(heading: &str, cells: impl Iterator<Item = &'c str>) -> usize {
    cells.map(width).max().unwrap_or(0).max(width(heading))
}

/// A bare table: headings, a line, rows. `sizes` are the columns' widths.
fn bare(headings: &[&str], sizes: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    table.set_header(headings.iter().map(|heading| Cell::new(heading)));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let total: usize = sizes.iter().sum::<usize>() + GAP * sizes.len().saturating_sub(1);
    table.set_width(u16::try_from(total).unwrap_or(u16::MAX));
    for (place, (column, &size)) in table.column_iter_mut().zip(sizes).enumerate() {
        let gap = if place + 1 == sizes.len() { 0 } else { GAP };
        column.set_padding((0, u16::try_from(gap).unwrap_or_default()));
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(u16::try_from(size + gap).unwrap_or(u16::MAX))));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// One line a session, and its sentence below.
fn narrow(out: &mut String, overview: &Overview<'_>, columns: usize, paint: Paint) {
    let cells: Vec<Cells> = overview.rows.iter().map(|row| Cells::of(row, overview, false)).collect();
    let headings = ["#", "fault", "ended at", "client → server", "how"];
    let number = widest("#", cells.iter().map(|cell| cell.number.as_str()));
    let fault = widest("fault", cells.iter().map(|cell| cell.fault.as_str()));
    let at = widest("ended at", cells.iter().map(|cell| cell.at.as_str()));
    let how = widest("how", cells.iter().map(|cell| cell.how.as_str()));
    let who = columns.saturating_sub(number + fault + at + how + 4 * GAP).max(16);
    let who = who.min(overview.rows.iter().map(|row| width(&ends(row, usize::MAX))).max().unwrap_or(who).max(width("client → server")));
    let mut table = bare(&headings, &[number, fault, at, who, how]);
    for (row, cell) in overview.rows.iter().zip(&cells) {
        table.add_row([&cell.number, &cell.fault, &cell.at, &ends(row, who), &cell.how]);
    }
    let mut lines = table.lines();
    for heading in lines.by_ref().take(2) {
        out.push_str(&paint.dim(heading.trim_end()));
        out.push('\n');
    }
    let indent = " ".repeat(number + GAP);
    for ((row, cell), line) in overview.rows.iter().zip(&cells).zip(lines) {
        out.push_str(&colour(line.trim_end(), row, cell, paint));
        out.push('\n');
        if row.class == Class::Clean {
            continue;
        }
        hang(out, &indent, &format!("{}: {}", surely(row), row.summary), columns);
        if row.count > 1 {
            hang(out, &indent, &together(row, overview), columns);
        }
    }
}

/// Everything in columns, the sentence wrapped in the last one.
fn wide(out: &mut String, overview: &Overview<'_>, columns: usize, paint: Paint) {
    let cells: Vec<Cells> = overview.rows.iter().map(|row| Cells::of(row, overview, true)).collect();
    let headings = ["#", "fault", "ended at", "client → server", "how", "what happened"];
    let number = widest("#", cells.iter().map(|cell| cell.number.as_str()));
    let fault = widest("fault", cells.iter().map(|cell| cell.fault.as_str()));
    let at = widest("ended at", cells.iter().map(|cell| cell.at.as_str()));
    let how = widest("how", cells.iter().map(|cell| cell.how.as_str()));
    let rest = columns.saturating_sub(number + fault + at + how + 5 * GAP);
    let longest = overview.rows.iter().map(|row| width(&ends(row, usize::MAX))).max().unwrap_or(0);
    let who = longest.max(width("client → server")).min(rest * 2 / 5);
    let mut table = bare(&headings, &[number, fault, at, who, how, rest - who]);
    for (row, cell) in overview.rows.iter().zip(&cells) {
        let mut what = if row.class == Class::Clean { row.cause.to_owned() } else { format!("{}: {}", row.cause, row.summary) };
        if row.count > 1 {
            what.push_str(&format!(" · {}", together(row, overview)));
        }
        table.add_row([&cell.number, &cell.fault, &cell.at, &ends(row, who), &cell.how, &what]);
    }
    let mut lines = table.lines();
    for heading in lines.by_ref().take(2) {
        out.push_str(&paint.dim(heading.trim_end()));
        out.push('\n');
    }
    let mut rows = overview.rows.iter().zip(&cells);
    for line in lines {
        // Only a row's first line has something in the first column.
        let starts = line.chars().take(number).any(|c| c != ' ');
        match starts.then(|| rows.next()).flatten() {
            Some((row, cell)) => out.push_str(&colour(line.trim_end(), row, cell, paint)),
            None => out.push_str(line.trim_end()),
        }
        out.push('\n');
    }
}

/// A row's first line with its fault marked: the first cell holds no letters, so the fault's word is the first of its kind.
fn colour(line: &str, row: &Incident, cell: &Cells, paint: Paint) -> String {
    line.replacen(&cell.fault, &paint.fault(row.fault, &cell.fault), 1)
}

/// The cause, and how sure the verdict is.
fn surely(row: &Incident) -> String {
    if row.class == Class::Fault { format!("{} ({})", row.cause, row.confidence) } else { row.cause.to_owned() }
}

/// `4 times until 14:07:31: sessions 17, 21, 33, 40`
pub(crate) fn together(row: &Incident, overview: &Overview<'_>) -> String {
    const FEW: usize = 12;
    let numbers: Vec<String> = row.numbers.iter().flatten().take(FEW).map(u32::to_string).collect();
    let mut text = format!("{} times until {}", grouped(row.count), overview.context.clock.time_of_day(row.last));
    if !numbers.is_empty() {
        text.push_str(": sessions ");
        text.push_str(&numbers.join(", "));
        let more = row.count.saturating_sub(numbers.len() as u64);
        if more > 0 {
            text.push_str(&format!(" and {} more", grouped(more)));
        }
    }
    text
}

/// `10.0.0.12:51544 → api.example.com` in at most `columns`; the client's port goes first, then ends of the names.
pub(crate) fn ends(row: &Incident, columns: usize) -> String {
    let server = row.server_name();
    let Endpoint { ip, .. } = row.client;
    let full = if row.count > 1 { format!("{ip} → {server}") } else { format!("{} → {server}", row.client) };
    if width(&full) <= columns {
        return full;
    }
    let short = format!("{ip} → {server}");
    if width(&short) <= columns {
        return short;
    }
    let room = columns.saturating_sub(3);
    let client = cut(&ip.to_string(), room.saturating_sub(width(&server)).max(room * 2 / 5));
    format!("{client} → {}", cut(&server, room.saturating_sub(width(&client))))
}

/// Totals, and what to do next.
fn foot(out: &mut String, overview: &Overview<'_>, columns: usize, paint: Paint) {
    out.push('\n');
    hang(out, "", &became(overview), columns);
    let facts = facts(overview);
    let size = facts.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
    for (label, text) in facts {
        hang(out, &format!("  {label:size$}  "), &text, columns);
    }
    if let Some(number) = overview.rows.first().filter(|row| row.class != Class::Clean).and_then(Incident::number) {
        out.push_str(&format!("\nThe worst one, frame by frame: {}\n", paint.command(&format!("{} {number}", overview.show))));
    }
}

/// Totals, each with its label.
pub(crate) fn facts(overview: &Overview<'_>) -> Vec<(&'static str, String)> {
    let Overview { tally, totals, .. } = *overview;
    let mut facts = Vec::new();
    let faults: Vec<String> =
        tally.faults().filter(|&(_, count)| count > 0).map(|(fault, count)| format!("{fault} {}", grouped(count))).collect();
    if !faults.is_empty() {
        facts.push(("fault", faults.join(" · ")));
    }
    let beside = totals::beside(totals);
    if totals.sessions > 0 && !beside.is_empty() {
        facts.push(("besides", beside.join(" · ")));
    }
    let skipped: u64 = totals.skipped.values().sum();
    if skipped > 0 {
        facts.push(("skipped", format!("{}: {}", count(skipped, "packet", "packets"), totals::skipped(totals).join(" · "))));
    }
    if totals.bad_checksums > 0 {
        facts.push(("checksums", count(totals.bad_checksums, "segment with a wrong one", "segments with wrong ones")));
    }
    if !totals.limits_reached.is_empty() {
        let limits: Vec<String> = totals.limits_reached.iter().map(|(name, times)| format!("{name} ({})", grouped(*times))).collect();
        facts.push(("limits", format!("reached, so some sessions were read in part: {}", limits.join(" · "))));
    }
    if overview.left_out > 0 {
        facts.push(("left out", format!("{}; --format ndjson lists all", count(overview.left_out, "session", "sessions"))));
    }
    facts
}

/// One or two sentences: what became of the sessions.
pub(crate) fn became(overview: &Overview<'_>) -> String {
    let Overview { tally, totals, .. } = *overview;
    if totals.frames == 0 {
        return "The capture holds no packets.".to_owned();
    }
    if totals.sessions == 0 {
        let beside = totals::beside(totals);
        let there = if beside.is_empty() { String::new() } else { format!(" It holds {}.", crate::report::text::listed(&beside)) };
        return format!("No TLS over TCP in this capture.{there}");
    }
    if tally.selected == 0 {
        return format!("No session fits the selection. The capture has {}.", count(totals.sessions, "TLS session", "TLS sessions"));
    }
    let sessions = if overview.selection {
        format!("{} of {} fit the selection", grouped(tally.selected), count(totals.sessions, "TLS session", "TLS sessions"))
    } else {
        count(tally.selected, "TLS session", "TLS sessions")
    };
    let harmless: u64 = tally.faults().filter(|(fault, _)| *fault == crate::diagnose::Fault::None).map(|(_, count)| count).sum();
    let mut parts = Vec::new();
    let mut say = |number: u64, what: &str| {
        if number > 0 {
            parts.push(format!("{} {what}", grouped(number)));
        }
    };
    say(tally.found(), "ended badly");
    say(harmless, "ended unannounced but harmless");
    say(tally.clean, "closed cleanly");
    say(tally.open, "still open at the end");
    say(tally.unseen, "whose end is not in the capture");
    let lead = if tally.found() == 0 { "Nothing wrong: " } else { "" };
    let hidden = tally.clean + tally.open + tally.unseen;
    let hint = if hidden > 0 && !overview.all { " (--all lists those too)" } else { "" };
    format!("{lead}{sessions}: {}{hint}.", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Verdict;
    use crate::report::incidents::Incidents;
    use crate::report::sample;
    use crate::session::Session;

    fn rendered(sessions: &[(Session, Verdict)], all: bool, columns: usize, paint: Paint) -> String {
        let (mut incidents, mut tally) = (Incidents::default(), Tally::default());
        for (session, verdict) in sessions {
            tally.add(verdict);
            if all || Class::of(verdict) != Class::Clean {
                incidents.add(session, verdict);
            }
        }
        let mut totals = Totals { frames: 3412, sessions: sessions.len() as u64, quic: 381, ..Totals::default() };
        totals.first = Some(sample::START);
        totals.last = Some(sample::at(0, 62_400).time);
        totals.skipped.insert(crate::decode::Skip::NotIp(0x0806), 12);
        let left_out = incidents.left_out();
        let rows = incidents.sorted();
        let context = sample::context();
        let overview = Overview {
            context: &context,
            rows: &rows,
            left_out,
            tally: &tally,
            totals: &totals,
            all,
            selection: false,
            show: "whohungup show office.pcapng",
        };
        table(&overview, columns, paint)
    }

    fn mixed() -> Vec<(Session, Verdict)> {
        vec![sample::idle_timeout(), sample::refused_hello(3, 0), sample::refused_hello(4, 2_000), sample::clean(5), sample::hostile()]
    }

    #[test]
    fn fits_its_width() {
        for columns in [60, 80, 100, 131, 132, 160, 240] {
            for all in [false, true] {
                let text = rendered(&mixed(), all, columns, Paint::default());
                for line in text.lines().filter(|line| !line.contains("whohungup show")) {
                    assert!(width(line) <= columns, "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn says_who_how_and_how_often() {
        for columns in [80, 160] {
            let text = rendered(&mixed(), false, columns, Paint::default());
            for needle in [
                "server-closed-in-handshake",
                "×2",
                "FIN by server",
                "14:03:02",
                "server 3 · none 1",
                "381 QUIC",
                "ARP",
                "office.pcapng 3\n",
            ] {
                assert!(text.contains(needle), "{columns}: {needle}\n{text}");
            }
            assert!(!text.contains("www.example.com"), "a clean session is only counted\n{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(words.join(" ").contains("1 closed cleanly (--all lists those too)"), "{text}");
        }
        assert!(rendered(&mixed(), true, 80, Paint::default()).contains("www.example.com"));
    }

    #[test]
    fn hostile_names_cannot_reach_the_terminal() {
        let text = rendered(&mixed(), true, 160, Paint::default());
        assert!(text.contains("\\x1b[2J"), "{text}");
        assert!(!text.contains(['\x1b', '\u{202e}', '\r']), "{text}");
    }

    #[test]
    fn colour_adds_nothing_but_escapes() {
        for columns in [80, 160] {
            let plain = rendered(&mixed(), true, columns, Paint::default());
            let coloured = rendered(&mixed(), true, columns, Paint::new(true));
            assert_ne!(plain, coloured);
            assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        }
    }

    #[test]
    fn says_plainly_when_nothing_is_wrong() {
        let text = rendered(&[sample::clean(1), sample::clean(2)], false, 80, Paint::default());
        assert!(text.contains("Nothing wrong: 2 TLS sessions: 2 closed cleanly"), "{text}");
        assert!(!text.contains("show office"), "{text}");
        let none = rendered(&[], false, 80, Paint::default());
        assert!(none.contains("No TLS over TCP in this capture. It holds 381 QUIC packets"), "{none}");
    }

    #[test]
    #[ignore = "for the eye: cargo test --lib look_at_the_table -- --ignored --nocapture"]
    fn look_at_the_table() {
        for columns in [80, 160] {
            println!("{}", rendered(&mixed(), true, columns, Paint::new(true)));
        }
    }
}
