//! `causes`: the manual, and the way to it from an application's error message.

use crate::base::printable;
use crate::cli::args::CausesArgs;
use crate::cli::usage::nearest;
use crate::cli::{Console, RAN};
use crate::diagnose::rules;
use crate::report::blocks::{self, Block};
use crate::report::text::{listed, sentence};
use crate::report::{errors, manual};

/// Runs the command; the exit status.
pub(super) fn causes(args: &CausesArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let page = match (&args.error, &args.name) {
        (Some(text), _) => explained(text)?,
        (None, Some(name)) => manual_page(name)?,
        (None, None) => {
            let mut page = manual::list(rules::ALL.iter().copied());
            page.push(Block::Heading("More".to_owned()));
            page.push(Block::Pair("one cause".to_owned(), "whohungup causes NAME".to_owned()));
            page.push(Block::Pair("by a message".to_owned(), "whohungup causes --error \"SSL peer shut down incorrectly\"".to_owned()));
            page
        }
    };
    let text = blocks::terminal(&page, console.columns.min(100), console.paint(&args.looks));
    console.out.write_all(text.as_bytes())?;
    Ok(RAN)
}

fn manual_page(name: &str) -> anyhow::Result<Vec<Block>> {
    let Some(rule) = rules::find(&name.to_ascii_lowercase()) else {
        let near = nearest(name, rules::ALL.iter().map(|rule| rule.slug));
        let near = near.map_or("; 'whohungup causes' lists all".to_owned(), |near| format!("; did you mean '{near}'?"));
        anyhow::bail!("unknown cause '{}'{near}", printable(name, 80));
    };
    Ok(manual::page(rule))
}

/// What a message can have been on the wire.
fn explained(text: &str) -> anyhow::Result<Vec<Block>> {
    let answer = errors::explain(text);
    if answer.wires.is_empty() {
        let near: Vec<String> = errors::nearest(text).iter().map(|message| format!("'{}' ({})", message.text, message.stack)).collect();
        let near = if near.is_empty() {
            "; give the line that an application logged, such as 'SSL peer shut down incorrectly'".to_owned()
        } else {
            format!("; most like it: {}", listed(&near))
        };
        anyhow::bail!("no message known like '{}'{near}", printable(text.trim(), 80));
    }
    let mut page = vec![Block::Title(format!("\"{}\"", printable(text.trim(), 200)))];
    if let Some(alert) = answer.alert {
        page.push(Block::Item("•".to_owned(), format!("a TLS alert that the other side sent: {alert}")));
    }
    for message in &answer.messages {
        let note = if message.note.is_empty() { String::new() } else { format!(" ({})", message.note) };
        page.push(Block::Item("•".to_owned(), format!("{}: \"{}\"{note}", message.stack, message.text)));
    }
    page.push(Block::Paragraph("An application's message tells little about the wire. It can have been, likeliest first:".to_owned()));
    for (place, wire) in answer.wires.iter().enumerate() {
        let meaning = wire.meaning();
        page.push(Block::Heading(format!("{}. {}", place + 1, sentence(meaning.what))));
        for (slug, why) in meaning.causes {
            page.push(Block::Pair((*slug).to_owned(), (*why).to_owned()));
        }
        page.push(Block::Item("Look at".to_owned(), format!("{}.", meaning.look)));
    }
    page.push(Block::Heading("Which it was, the packets tell".to_owned()));
    page.push(Block::Command("whohungup read FILE --server NAME --at '14:03:02'".to_owned()));
    Ok(page)
}
