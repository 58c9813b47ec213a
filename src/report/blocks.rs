//! A page as blocks, printed for a terminal or as Markdown: stories and the manual are built once and shown twice.

use comfy_table::{ContentArrangement, Table, TableStyle};

use crate::report::text::{Paint, hang, width};

/// A part of a page. Text in it must be printable already; it is escaped for Markdown here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// The page's title.
    Title(String),
    /// A heading.
    Heading(String),
    /// The sentence the page is about.
    Lead(String),
    /// A paragraph.
    Paragraph(String),
    /// A list item and what stands before it: `•`, `1.`, `frame 17`.
    Item(String, String),
    /// A label and its value; neighbours are aligned.
    Pair(String, String),
    /// Something to paste elsewhere: never wrapped.
    Command(String),
    /// Lines that keep their layout.
    Lines(Vec<String>),
    /// Lines in columns two spaces apart, of which the last may be wrapped.
    Columns(Vec<String>),
    /// Rows of cells, the first row the headings.
    Table(Vec<Vec<String>>),
}

/// The page for a terminal of `columns`.
pub fn terminal(blocks: &[Block], columns: usize, paint: Paint) -> String {
    let mut out = String::new();
    let mut previous: Option<&Block> = None;
    for (place, block) in blocks.iter().enumerate() {
        if previous.is_some_and(|previous| apart(previous, block)) {
            out.push('\n');
        }
        match block {
            Block::Title(text) | Block::Heading(text) => styled(&mut out, "", text, columns, |line| paint.bold(line)),
            Block::Lead(text) => styled(&mut out, "  ", text, columns, |line| paint.bold(line)),
            Block::Paragraph(text) => hang(&mut out, "  ", text, columns),
            Block::Item(mark, text) => hang(&mut out, &format!("  {mark} "), text, columns),
            Block::Pair(label, text) => {
                let size = pairs_around(blocks, place).map(width).max().unwrap_or(0);
                let fill = " ".repeat(size.saturating_sub(width(label)));
                hang(&mut out, &format!("  {label}{fill}  "), text, columns);
            }
            Block::Command(text) => out.push_str(&format!("  {}\n", paint.command(text))),
            Block::Lines(lines) => lines.iter().for_each(|line| out.push_str(&format!("  {line}\n"))),
            Block::Columns(lines) => {
                for line in lines {
                    let last = line.rfind("  ").map_or(0, |gap| gap + 2);
                    let (before, text) = line.split_at_checked(last).unwrap_or(("", line));
                    hang(&mut out, &format!("  {before}"), text, columns);
                }
            }
            Block::Table(rows) => rows_of(&mut out, rows, columns, paint),
        }
        previous = Some(block);
    }
    out
}

/// The page as Markdown.
pub fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    let mut previous: Option<&Block> = None;
    for block in blocks {
        let list = |block: &Block| matches!(block, Block::Item(..) | Block::Pair(..));
        if previous.is_some_and(|previous| !(list(previous) && list(block))) {
            out.push('\n');
        }
        match block {
            Block::Title(text) => out.push_str(&format!("## {}\n", escape(text))),
            Block::Heading(text) => out.push_str(&format!("### {}\n", escape(text))),
            Block::Lead(text) => out.push_str(&format!("**{}**\n", escape(text))),
            Block::Paragraph(text) => out.push_str(&format!("{}\n", escape(text))),
            Block::Item(mark, text) => match mark.strip_suffix('.').filter(|digits| digits.bytes().all(|c| c.is_ascii_digit())) {
                Some(number) => out.push_str(&format!("{number}. {}\n", escape(text))),
                None if mark == "•" => out.push_str(&format!("- {}\n", escape(text))),
                None if mark.starts_with(' ') => out.push_str(&format!("  - {} {}\n", escape(mark.trim()), escape(text))),
                None => out.push_str(&format!("- **{}** {}\n", escape(mark.trim_end()), escape(text))),
            },
            Block::Pair(label, text) => out.push_str(&format!("- **{}**: {}\n", escape(label), escape(text))),
            Block::Command(text) => out.push_str(&format!("```\n{text}\n```\n")),
            Block::Lines(lines) | Block::Columns(lines) => out.push_str(&format!("```\n{}\n```\n", lines.join("\n"))),
            Block::Table(rows) => {
                for (place, row) in rows.iter().enumerate() {
                    let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
                    out.push_str(&format!("| {} |\n", cells.join(" | ")));
                    if place == 0 {
                        out.push_str(&format!("|{}\n", "---|".repeat(row.len())));
                    }
                }
            }
        }
        previous = Some(block);
    }
    out
}

/// `text` so that Markdown shows it and does nothing else with it: no markup, no HTML, no table cell, no link.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let link = ["://", "www."].iter().any(|start| rest.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)));
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // As an entity: a backslash before a pipe ends up in the text of some renderers' code spans and cells.
            '|' => out.push_str("&#124;"),
            '@' => out.push_str("&#64;"),
            // Inside a word it marks nothing.
            '_' if out.ends_with(char::is_alphanumeric) && rest.get(1..).is_some_and(|next| next.starts_with(char::is_alphanumeric)) => {
                out.push(c);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => out.extend(['\\', c]),
            '#' | '+' | '-' | '=' if out.is_empty() => out.extend(['\\', c]),
            ':' if link => out.push_str("&#58;"),
            'w' | 'W' if link => out.push_str(if c == 'w' { "&#119;" } else { "&#87;" }),
            c => out.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Whether a blank line belongs between two blocks on a terminal.
fn apart(previous: &Block, next: &Block) -> bool {
    match (previous, next) {
        (_, Block::Heading(_)) | (Block::Title(_), _) => true,
        (Block::Heading(_), _) | (Block::Item(..), Block::Item(..)) | (Block::Pair(..), Block::Pair(..)) => false,
        (_, Block::Command(_)) => false,
        _ => true,
    }
}

/// The labels of the run of pairs that the one at `place` stands in.
fn pairs_around(blocks: &[Block], place: usize) -> impl Iterator<Item = &str> {
    let label = |block: &'_ Block| matches!(block, Block::Pair(..));
    let (before, after) = blocks.split_at(place.min(blocks.len()));
    let run = before.iter().rev().take_while(move |b| label(b)).chain(after.iter().take_while(move |b| label(b)));
    run.filter_map(|block| match block {
        Block::Pair(label, _) => Some(label.as_str()),
        _ => None,
    })
}

/// Wrapped first, styled after: escapes must not be measured.
fn styled(out: &mut String, indent: &str, text: &str, columns: usize, style: impl Fn(&str) -> String) {
    for line in crate::report::text::wrap(text, columns.saturating_sub(indent.len())) {
        out.push_str(&format!("{indent}{}\n", style(&line)));
    }
}

fn rows_of(out: &mut String, rows: &[Vec<String>], columns: usize, paint: Paint) {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(columns.saturating_sub(2)).unwrap_or(u16::MAX));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for (place, line) in table.lines().enumerate() {
        let line = format!("  {}", line.trim_end());
        out.push_str(&if place == 0 { paint.dim(&line) } else { line });
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_hostile_text_and_does_nothing_with_it() {
        assert_eq!(escape("<img src=x>|`rm`*"), "&lt;img src=x&gt;&#124;\\`rm\\`\\*");
        assert_eq!(escape("https://evil.example WWW.evil @team"), "https&#58;//evil.example &#87;WW.evil &#64;team");
        assert_eq!(escape("10.0.0.1:443 a - b"), "10.0.0.1:443 a - b");
        assert_eq!(escape("# no heading"), "\\# no heading");
        assert_eq!(escape("close_notify _x_"), "close_notify \\_x\\_");
    }

    #[test]
    fn neighbouring_pairs_align() {
        let pair = |label: &str| Block::Pair(label.into(), "x".into());
        let page = terminal(&[pair("a"), pair("long"), Block::Paragraph("p".into()), pair("b")], 80, Paint::default());
        assert_eq!(page, "  a     x\n  long  x\n\n  p\n\n  b  x\n");
    }

    #[test]
    fn the_last_of_columns_is_wrapped() {
        let lines = vec!["0.1    17  client  RST, from where there is no socket".to_owned(), "     … silence …".to_owned()];
        let page = terminal(&[Block::Columns(lines.clone())], 40, Paint::default());
        assert_eq!(page, "  0.1    17  client  RST, from where\n                     there is no socket\n       … silence …\n");
        assert!(markdown(&[Block::Columns(lines.clone())]).contains(&lines[0]), "a tracker wraps by itself");
    }

    #[test]
    fn commands_are_never_wrapped() {
        let filter = "tcp.stream eq 17 && frame.number in {2988, 3312}";
        let page = terminal(&[Block::Command(filter.into())], 20, Paint::default());
        assert_eq!(page, format!("  {filter}\n"));
        assert!(markdown(&[Block::Command(filter.into())]).contains(&format!("```\n{filter}\n```")));
    }

    #[test]
    fn tables_fit() {
        let rows =
            vec![vec!["stack".into(), "text".into()], vec!["Java".into(), "javax.net.ssl.SSLHandshakeException: Remote host".into()]];
        for line in terminal(&[Block::Table(rows.clone())], 40, Paint::default()).lines() {
            assert!(width(line) <= 40, "{line}");
        }
        assert!(markdown(&[Block::Table(rows)]).starts_with("| stack | text |\n|---|---|\n| Java |"));
    }
}
