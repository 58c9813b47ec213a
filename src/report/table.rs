//! The table: every session that ended badly, worst first, then totals. Fits 80 columns, uses a wide terminal.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};

use crate::analyze::Totals;
use crate::base::{Endpoint, printable};
use crate::diagnose::Pattern;
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
    /// What several sessions show together.
    pub patterns: &'a [&'a Pattern],
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
        list(&mut out, overview, columns, paint);
    }
    together_told(&mut out, overview, columns, paint);
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

/// The cells that all layouts share.
struct Cells {
    number: String,
    times: String,
    fault: String,
    at: String,
    how: String,
}

impl Cells {
    fn of(row: &Incident, overview: &Overview<'_>, with_confidence: bool) -> Cells {
        let clock = &overview.context.clock;
        let dated = overview.totals.first.zip(overview.totals.last).is_some_and(|(first, last)| clock.date(first) != clock.date(last));
        let time = clock.time_of_day(row.first);
        Cells {
            number: row.number().map_or("-".to_owned(), |number| number.to_string()),
            times: if row.count > 1 { row.count.to_string() } else { String::new() },
            fault: if with_confidence { blame(row.fault, row.confidence) } else { row.fault.name().to_owned() },
            at: if dated { format!("{} {time}", clock.date(row.first).get(5..).unwrap_or_default()) } else { time },
            how: how(row.ending, row.closed_by),
        }
    }
}

/// The list of sessions: in a wide terminal the sentence stands in a column of its own, else below its session.
fn list(out: &mut String, overview: &Overview<'_>, columns: usize, paint: Paint) {
    let wide = columns >= WIDE;
    let cells: Vec<Cells> = overview.rows.iter().map(|row| Cells::of(row, overview, wide)).collect();
    let repeated = overview.rows.iter().any(|row| row.count > 1);
    let widest =
        |heading: &str, cell: fn(&Cells) -> &str| cells.iter().map(|cells| width(cell(cells))).max().unwrap_or(0).max(width(heading));
    let mut headings = vec!["#", "×", "fault", "ended at", "client → server", "how", "what happened"];
    let mut sizes = vec![
        widest("#", |cells| &cells.number),
        widest("×", |cells| &cells.times),
        widest("fault", |cells| &cells.fault),
        widest("ended at", |cells| &cells.at),
        0,
        widest("how", |cells| &cells.how),
        0,
    ];
    if !wide {
        headings.pop();
        sizes.pop();
    }
    if !repeated {
        headings.remove(1);
        sizes.remove(1);
    }
    let free = columns.saturating_sub(sizes.iter().sum::<usize>() + GAP * (sizes.len() - 1));
    let longest = overview.rows.iter().map(|row| width(&ends(row, usize::MAX))).max().unwrap_or(0).max(width("client → server"));
    let who = longest.min(if wide { free * 2 / 5 } else { free.max(16) });
    for (heading, size) in headings.iter().zip(&mut sizes) {
        match *heading {
            "client → server" => *size = who,
            "what happened" => *size = free - who,
            _ => {}
        }
    }
    let number = sizes.first().copied().unwrap_or_default();
    let mut table = bare(&headings, &sizes);
    for (row, cells) in overview.rows.iter().zip(&cells) {
        let mut line =
            vec![cells.number.clone(), cells.times.clone(), cells.fault.clone(), cells.at.clone(), ends(row, who), cells.how.clone()];
        if !repeated {
            line.remove(1);
        }
        if wide {
            line.push(told(row, overview, false).join(" · "));
        }
        table.add_row(line);
    }
    let mut lines = table.lines();
    for heading in lines.by_ref().take(2) {
        out.push_str(&paint.dim(heading.trim_end()));
        out.push('\n');
    }
    let indent = " ".repeat(number + GAP);
    let mut rows = overview.rows.iter().zip(&cells);
    for line in lines {
        // Only a row's first line has something in the first column.
        let begins = line.chars().take(number).any(|c| c != ' ');
        let Some((row, cells)) = begins.then(|| rows.next()).flatten() else {
            out.push_str(line.trim_end());
            out.push('\n');
            continue;
        };
        // The cells before the fault hold no letters, so its word is the first of its kind.
        out.push_str(&line.trim_end().replacen(&cells.fault, &paint.fault(row.fault, &cells.fault), 1));
        out.push('\n');
        if !wide && row.class != Class::Clean {
            told(row, overview, true).iter().for_each(|text| hang(out, &indent, text, columns));
        }
    }
}

/// What there is to say of a row: its cause (and how sure that is), its sentence, and the sessions joined in it.
pub(crate) fn told(row: &Incident, overview: &Overview<'_>, surely: bool) -> Vec<String> {
    let mut out = vec![match row.class {
        Class::Clean => row.cause.to_owned(),
        Class::Fault if surely => format!("{} ({}): {}", row.cause, row.confidence, row.summary),
        _ => format!("{}: {}", row.cause, row.summary),
    }];
    if row.count > 1 {
        out.push(together(row, overview));
    }
    out
}

/// What several sessions show together, a paragraph each.
fn together_told(out: &mut String, overview: &Overview<'_>, columns: usize, paint: Paint) {
    if overview.patterns.is_empty() {
        return;
    }
    out.push_str(&format!("\n{}\n", paint.bold("Several sessions together")));
    for pattern in overview.patterns {
        let (lead, text) = pattern_told(pattern);
        let mut plain = String::new();
        hang(&mut plain, "  ", &format!("{lead}: {text}"), columns);
        // The fault stands first, and lines are broken after it.
        let fault = pattern.fault.name();
        out.push_str(&plain.replacen(fault, &paint.fault(pattern.fault, fault), 1));
    }
}

/// What there is to say of a pattern: whose fault and of which sessions; and its sentence. Printable.
pub(crate) fn pattern_told(pattern: &Pattern) -> (String, String) {
    let count = count(u64::from(pattern.count), "session", "sessions");
    let numbers = numbered(&pattern.sessions, u64::from(pattern.count));
    let whose = if numbers.is_empty() { count } else { format!("{count} ({numbers})") };
    (format!("{}, {whose}", blame(pattern.fault, pattern.confidence)), printable(&pattern.summary, 400))
}

/// A bare table: headings, a line, rows. `sizes` are the columns' widths.
fn bare(headings: &[&str], sizes: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    table.set_header(headings.iter().map(Cell::new));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let total: usize = sizes.iter().sum::<usize>() + GAP * sizes.len().saturating_sub(1);
    table.set_width(u16::try_from(total).unwrap_or(u16::MAX));
    for (place, (column, &size)) in table.column_iter_mut().zip(sizes).enumerate() {
        let gap = if place + 1 == sizes.len() { 0 } else { GAP };
        column.set_padding((0, u16::try_from(gap).unwrap_or_default()));
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(u16::try_from(size + gap).unwrap_or(u16::MAX))));
        if headings.get(place).is_some_and(|heading| matches!(*heading, "#" | "×")) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// `4 times until 14:07:31: sessions 17, 21–23`
fn together(row: &Incident, overview: &Overview<'_>) -> String {
    let numbers: Vec<u32> = row.numbers.iter().flatten().copied().collect();
    let mut text = format!("{} times until {}", grouped(row.count), overview.context.clock.time_of_day(row.last));
    let names = numbered(&numbers, row.count);
    if !names.is_empty() {
        text.push_str(": sessions ");
        text.push_str(&names);
    }
    text
}

/// `17, 21–23 and 4 more`
fn numbered(numbers: &[u32], count: u64) -> String {
    const FEW: usize = 12;
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let runs = numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    let mut named = 0;
    let mut names = Vec::new();
    for run in runs.take(FEW) {
        named += run.len();
        match run {
            [one] => names.push(one.to_string()),
            [a, b] => names.extend([a.to_string(), b.to_string()]),
            [first, .., last] => names.push(format!("{first}–{last}")),
            [] => {}
        }
    }
    let more = count.saturating_sub(named as u64);
    let rest = if more > 0 && named > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
    format!("{}{rest}", names.join(", "))
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
    if totals.duplicates > 0 {
        facts.push(("duplicates", count(totals.duplicates, "packet captured twice, told once", "packets captured twice, told once")));
    }
    if totals.kernel_drops > 0 {
        let lost = count(totals.kernel_drops, "packet", "packets");
        facts.push(("lost", format!("{lost} before the capture could hold them; what is said of sessions open then is less sure")));
    }
    if !totals.limits_reached.is_empty() {
        let limits: Vec<String> = totals.limits_reached.iter().map(|(name, times)| format!("{name} ({})", grouped(*times))).collect();
        facts.push(("limits", format!("reached, so some connections were read in part or only counted: {}", limits.join(" · "))));
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
            patterns: &[&sample::pattern()],
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
            for needle in
                ["server-closed-in-handshake", "FIN by server", "14:03:02", "server 3 · none 1", "381 QUIC", "ARP", "office.pcapng 3\n"]
            {
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
