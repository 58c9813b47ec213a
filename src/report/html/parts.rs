//! Parts that several pages are made of: blocks of a story, tables, how sure something is.

use crate::diagnose::{Confidence, Verdict};
use crate::report::Class;
use crate::report::blocks::Block;
use crate::report::html::write::Html;

/// How sure something is: a word, and as many dots as it deserves.
pub(super) fn sureness(html: &mut Html, confidence: Confidence) {
    let dots = match confidence {
        Confidence::Certain => "●●●",
        Confidence::Likely => "●●○",
        Confidence::Possible => "●○○",
    };
    html.within("span", &[("class", "sure")], |html| {
        html.leaf("span", &[("class", "dots"), ("aria-hidden", "true")], dots);
        html.text(" ");
        html.text(confidence.name());
    });
}

/// The class that colours a verdict, and the sign that says the same without colour.
pub(super) fn tone(verdict: &Verdict) -> (&'static str, &'static str) {
    tone_of(Class::of(verdict))
}

/// The same, of a class of verdicts.
pub(super) fn tone_of(class: Class) -> (&'static str, &'static str) {
    match class {
        Class::Fault => ("fault", "✕"),
        Class::Undetermined => ("doubt", "?"),
        Class::Harmless => ("calm", "–"),
        Class::Clean => ("calm", "✓"),
    }
}

/// A table that stays one for a screen reader when a narrow screen shows its rows as cards. `classes` is for the columns; each row's cells
/// are written by `cell`, given row and column.
pub(super) fn table<R>(
    html: &mut Html,
    label: &str,
    columns: &[(&'static str, &'static str)],
    rows: &[R],
    cell: impl Fn(&mut Html, &R, usize),
) {
    html.within("table", &[("role", "table"), ("aria-label", label)], |html| {
        html.within("thead", &[("role", "rowgroup")], |html| {
            html.within("tr", &[("role", "row")], |html| {
                for (heading, class) in columns {
                    html.leaf("th", &[("role", "columnheader"), ("scope", "col"), ("class", class)], heading);
                }
            });
        });
        html.within("tbody", &[("role", "rowgroup")], |html| {
            for row in rows {
                html.within("tr", &[("role", "row")], |html| {
                    for (place, (_, class)) in columns.iter().enumerate() {
                        html.within("td", &[("role", "cell"), ("class", class)], |html| cell(html, row, place));
                    }
                });
            }
        });
    });
}

/// Something to paste elsewhere: one click selects it all.
pub(super) fn paste(html: &mut Html, text: &str) {
    html.within("pre", &[("class", "paste"), ("tabindex", "0")], |html| html.leaf("code", &[], text));
}

/// Blocks of a story. Headings are left to the page.
pub(super) fn blocks(html: &mut Html, blocks: &[Block]) {
    let mut rest = blocks;
    while let Some(block) = rest.first() {
        let mut taken = 1;
        match block {
            Block::Title(_) | Block::Heading(_) => {}
            Block::Lead(text) | Block::Paragraph(text) => html.within("p", &[], |html| inline(html, text)),
            Block::Command(text) => paste(html, text),
            Block::Lines(lines) | Block::Columns(lines) => html.leaf("pre", &[], &lines.join("\n")),
            Block::Table(rows) => simple_table(html, rows),
            Block::Item(mark, _) => {
                let run = run(rest, |other| match other {
                    Block::Item(other, _) => numbered(other) == numbered(mark),
                    other => matches!(other, Block::Command(_)),
                });
                html.within(if numbered(mark) { "ol" } else { "ul" }, &[], |html| items(html, run));
                taken = run.len();
            }
            Block::Pair(..) => {
                let run = run(rest, |other| matches!(other, Block::Pair(..)));
                html.within("dl", &[("class", "pairs")], |html| pairs(html, run));
                taken = run.len();
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
}

fn pairs(html: &mut Html, run: &[Block]) {
    for pair in run {
        if let Block::Pair(label, text) = pair {
            html.leaf("dt", &[], label);
            html.within("dd", &[], |html| inline(html, text));
        }
    }
}

/// The blocks at the beginning that belong together.
fn run(blocks: &[Block], belongs: impl Fn(&Block) -> bool) -> &[Block] {
    let len = blocks.iter().take_while(|block| belongs(block)).count();
    blocks.get(..len).unwrap_or_default()
}

fn numbered(mark: &str) -> bool {
    mark.starts_with(|c: char| c.is_ascii_digit())
}

/// List items, each with the commands that follow it.
fn items(html: &mut Html, run: &[Block]) {
    let mut rest = run;
    while let Some((first, after)) = rest.split_first() {
        let commands = after.iter().take_while(|block| matches!(block, Block::Command(_))).count();
        html.within("li", &[], |html| {
            for block in std::iter::once(first).chain(after.iter().take(commands)) {
                match block {
                    Block::Item(_, text) => inline(html, text),
                    Block::Command(text) => paste(html, text),
                    _ => {}
                }
            }
        });
        rest = after.get(commands..).unwrap_or_default();
    }
}

fn simple_table(html: &mut Html, rows: &[Vec<String>]) {
    html.within("table", &[], |html| {
        for (place, row) in rows.iter().enumerate() {
            html.within("tr", &[], |html| {
                for cell in row {
                    if place == 0 {
                        html.leaf("th", &[("scope", "col")], cell);
                    } else {
                        html.leaf("td", &[], cell);
                    }
                }
            });
        }
    });
}

/// Text in which `code` stands between backticks.
pub(super) fn inline(html: &mut Html, text: &str) {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick marks nothing.
    if parts.len().is_multiple_of(2) {
        return html.text(text);
    }
    for (place, part) in parts.iter().enumerate() {
        if place % 2 == 1 {
            html.leaf("code", &[], part);
        } else {
            html.text(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(list: &[Block]) -> String {
        let mut html = Html::default();
        blocks(&mut html, list);
        html.finish().replace('\n', "")
    }

    #[test]
    fn commands_belong_to_the_item_before_them() {
        let item = |mark: &str, text: &str| Block::Item(mark.into(), text.into());
        let list = [item("1.", "ask"), Block::Command("tcpdump <x>".into()), item("2.", "set `a<b`"), item("•", "read")];
        assert_eq!(
            written(&list),
            "<ol><li>ask<pre class=\"paste\" tabindex=\"0\"><code>tcpdump &lt;x&gt;</code></pre></li>\
             <li>set <code>a&lt;b</code></li></ol><ul><li>read</li></ul>"
        );
    }

    #[test]
    fn neighbouring_pairs_are_one_list() {
        let pair = |label: &str| Block::Pair(label.into(), "`odd".into());
        assert_eq!(written(&[pair("a"), pair("b")]), "<dl class=\"pairs\"><dt>a</dt><dd>`odd</dd><dt>b</dt><dd>`odd</dd></dl>");
    }
}
