//! The manual of causes for a terminal: the rules' own doc comments, as pages and as a list.

use crate::diagnose::Rule;
use crate::report::blocks::Block;
use crate::report::errors::{self, Message, OfCause};
use crate::report::text::sentence;

/// The page of one cause.
pub fn page(rule: &Rule) -> Vec<Block> {
    let mut out = vec![
        Block::Title(rule.slug.to_owned()),
        Block::Lead(sentence(rule.summary)),
        Block::Pair("usual fault".to_owned(), rule.usual_fault.to_owned()),
        Block::Pair("group".to_owned(), rule.group.name().to_owned()),
    ];
    out.extend(blocks(body(&rule.manual())));
    let OfCause { likely, seldom } = errors::of_cause(rule.slug);
    if !likely.is_empty() || !seldom.is_empty() {
        out.push(Block::Heading("Messages that can mean it".to_owned()));
    }
    for (what, messages) in likely {
        out.push(Block::Paragraph(format!("Where {what}:")));
        out.extend(by_program(&messages));
    }
    if !seldom.is_empty() {
        out.push(Block::Paragraph("The messages on these pages can mean it, too:".to_owned()));
    }
    out.extend(seldom.into_iter().map(|(cause, events)| Block::Pair(cause.to_owned(), format!("where {}", events.join(", or where ")))));
    out
}

/// A line for each program with its messages, and at the end one line for all that was not measured.
fn by_program(messages: &[&Message]) -> Vec<Block> {
    const UNMEASURED: &str = "not measured";
    let mut rows: Vec<(&str, Vec<&Message>)> = Vec::new();
    let mut others = Vec::new();
    for message in messages {
        if message.note.contains(UNMEASURED) {
            others.push(format!("{}: {}", message.stack, message.text));
            continue;
        }
        match rows.iter_mut().find(|(stack, _)| *stack == message.stack) {
            Some((_, known)) => known.push(message),
            None => rows.push((message.stack, vec![message])),
        }
    }
    let mut rows: Vec<(&str, Vec<String>)> = rows.into_iter().map(|(stack, messages)| (stack, with_notes(&messages))).collect();
    if !others.is_empty() {
        rows.push((UNMEASURED, others));
    }
    rows.into_iter().map(|(stack, texts)| Block::Pair(stack.to_owned(), texts.join(" · "))).collect()
}

/// Messages and what else to know of each; what holds for several in a row is said after the last of them.
fn with_notes(messages: &[&Message]) -> Vec<String> {
    let next = messages.iter().skip(1).map(|message| message.note).chain(std::iter::once(""));
    let note = |note: &str| if note.is_empty() { String::new() } else { format!(" ({note})") };
    let said = |message: &Message, next: &str| if message.note == next { String::new() } else { note(message.note) };
    messages.iter().zip(next).map(|(message, next)| format!("{}{}", message.text, said(message, next))).collect()
}

/// All causes by group.
pub fn list<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Vec<Block> {
    let mut out = Vec::new();
    let mut rules: Vec<&Rule> = rules.into_iter().collect();
    rules.sort_by_key(|rule| rule.group);
    let mut group = None;
    for rule in rules {
        if group.replace(rule.group) != Some(rule.group) {
            out.push(Block::Heading(sentence(rule.group.name()).trim_end_matches('.').to_owned()));
        }
        out.push(Block::Pair(rule.slug.to_owned(), format!("{} [{}]", rule.summary, rule.usual_fault)));
    }
    out
}

/// A manual without its first paragraph, which repeats name and summary.
fn body(manual: &str) -> &str {
    manual.find("\n#").and_then(|heading| manual.get(heading..)).unwrap_or(manual)
}

/// The text under one heading of a manual, without the heading; empty where there is none.
pub(crate) fn section<'m>(manual: &'m str, heading: &str) -> &'m str {
    let is_heading = |line: &str| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim().eq_ignore_ascii_case(heading));
    let mut begin = None;
    let mut offset = 0;
    for line in manual.split_inclusive('\n') {
        match (begin, is_heading(line)) {
            (None, Some(true)) => begin = Some(offset + line.len()),
            (Some(begin), Some(_)) => return manual.get(begin..offset).unwrap_or_default().trim(),
            _ => {}
        }
        offset += line.len();
    }
    begin.and_then(|begin| manual.get(begin..)).unwrap_or_default().trim()
}

/// The Markdown that manuals are written in, as blocks: headings, paragraphs, lists, tables, fenced code.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        if let Some(Block::Lines(lines)) = &mut open {
            if line.trim_start().starts_with("```") {
                out.extend(open.take());
            } else {
                lines.push(line.to_owned());
            }
            continue;
        }
        let text = line.trim();
        if text.is_empty() {
            out.extend(open.take());
        } else if text.starts_with("```") {
            out.extend(open.replace(Block::Lines(Vec::new())));
        } else if let Some(heading) = text.strip_prefix('#') {
            out.extend(open.replace(Block::Heading(inline(heading.trim_start_matches('#').trim()))));
            out.extend(open.take());
        } else if let Some(row) = text.strip_prefix('|') {
            let cells: Vec<String> = row.trim_end_matches('|').split('|').map(|cell| inline(cell.trim())).collect();
            if cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':'))) {
                continue;
            }
            match &mut open {
                Some(Block::Table(rows)) => rows.push(cells),
                _ => out.extend(open.replace(Block::Table(vec![cells]))),
            }
        } else if let Some((mark, text)) = item(text) {
            out.extend(open.replace(Block::Item(mark, inline(text))));
        } else {
            match &mut open {
                Some(Block::Paragraph(so_far) | Block::Item(_, so_far)) => {
                    so_far.push(' ');
                    so_far.push_str(&inline(text));
                }
                _ => out.extend(open.replace(Block::Paragraph(inline(text)))),
            }
        }
    }
    out.extend(open);
    out
}

/// The mark and text of a list item.
fn item(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = ["- ", "* ", "+ "].iter().find_map(|mark| text.strip_prefix(mark)) {
        return Some(("•".to_owned(), rest.trim_start()));
    }
    let (number, rest) = text.split_once(". ")?;
    let numbered = !number.is_empty() && number.len() < 4 && number.bytes().all(|c| c.is_ascii_digit());
    numbered.then(|| (format!("{number}."), rest.trim_start()))
}

/// Inline Markdown as plain text: emphasis goes, code keeps its backticks, links show where they lead.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, part) in text.split('`').enumerate() {
        if place > 0 {
            out.push('`');
        }
        // Every other part is code.
        if place % 2 == 1 { out.push_str(part) } else { out.push_str(&links(&part.replace("**", ""))) }
    }
    out
}

fn links(text: &str) -> String {
    let mut out = text.replace("<http", "http");
    if out.len() != text.len() {
        out = out.replace('>', "");
    }
    while let Some((before, rest)) = out.split_once("](") {
        let (Some((lead, name)), Some((target, after))) = (before.rsplit_once('['), rest.split_once(')')) else { break };
        out = format!("{lead}{name} ({target}){after}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "The server closed\nwithout **saying** so.\n\n# What to do\n\n- read `a*b`\n  and more\n- [ask](https://x.example)\n\n1. then\n\n# Next\n\n| a | b |\n|---|---|\n| c | d |\n\n```\n x  y\n```\nSee <https://y.example>.\n";

    #[test]
    fn a_page_ends_with_what_programs_log() {
        let text = |slug: &str| format!("{:?}", page(crate::diagnose::rules::find(slug).unwrap()));
        let closed = text("server-closed-in-handshake");
        for message in ["Remote host terminated the handshake", "unexpected eof while reading", "SSL_ERROR_SYSCALL"] {
            assert!(closed.contains(message), "{message}");
        }
        assert!(!closed.contains("certificate has expired"), "that is another cause's");
        assert!(text("certificate-expired").contains("certificate has expired"));
        assert!(!text("still-open").contains("Messages that can mean it"), "nobody complains of that");
    }

    #[test]
    fn reads_the_markdown_of_the_manual() {
        let p = |text: &str| Block::Paragraph(text.into());
        let i = |mark: &str, text: &str| Block::Item(mark.into(), text.into());
        assert_eq!(
            blocks(PAGE),
            [
                p("The server closed without saying so."),
                Block::Heading("What to do".into()),
                i("•", "read `a*b` and more"),
                i("•", "ask (https://x.example)"),
                i("1.", "then"),
                Block::Heading("Next".into()),
                Block::Table(vec![vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]]),
                Block::Lines(vec![" x  y".into()]),
                p("See https://y.example."),
            ]
        );
    }

    #[test]
    fn finds_a_section() {
        assert!(section(PAGE, "What to do").starts_with("- read"));
        assert!(section(PAGE, "what to do").ends_with("1. then"));
        assert!(section(PAGE, "Next").ends_with("See <https://y.example>."));
        assert_eq!(section(PAGE, "How sure"), "");
    }
}
