//! `show`: one session's story.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::analyze::Finished;
use crate::base::Limits;
use crate::cli::args::{ShowArgs, StoryFormat};
use crate::cli::feed::Feed;
use crate::cli::{Console, INCOMPLETE, RAN};
use crate::diagnose::rules;
use crate::report::text::count;
use crate::report::{STORY_EVENTS, blocks, json, story};

/// Numbers named when a session is not found, or not the only one.
pub(super) const NAMED: usize = 10;

/// Runs the command; the exit status.
pub(super) fn show(args: &ShowArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let (files, number) = split(&args.files);
    let limits = Limits { timeline_head: STORY_EVENTS, timeline_tail: STORY_EVENTS, ..Limits::default() };
    let mut feed = Feed::open(&files, &args.keys, &args.selectors, args.looks.clock(), limits, console.watched)?;
    let mut found: Option<Finished> = None;
    let mut others = Vec::new();
    let mut fitting = 0_u64;
    while let Some(finished) = feed.next()? {
        let this = finished.session.tcp_stream;
        fitting += 1;
        if number.is_some() && this == number {
            // What comes later does not change it any more.
            found = Some(finished);
            break;
        }
        // Numbers near the one asked for help more than the first ones.
        others.extend(this);
        others.sort_by_key(|&other| number.map_or(other, |number| number.abs_diff(other)));
        others.truncate(NAMED);
        if number.is_none() {
            found = Some(finished);
        }
    }
    let one = number.is_some() || fitting == 1;
    match found.filter(|_| one) {
        Some(finished) => {
            print(&finished, args, &feed, console)?;
            if !args.keys.keylog.is_empty() && !finished.session.tls.decryption.keyed {
                console.complain("no key log has secrets of this session: nothing of it was decrypted");
            }
        }
        None => {
            others.sort_unstable();
            let problem = not_found(number, fitting, &others, &feed);
            for problem in feed.problems() {
                console.complain(problem);
            }
            anyhow::bail!(problem);
        }
    }
    console.out.flush()?;
    for problem in feed.problems() {
        console.complain(problem);
    }
    Ok(if feed.problems().is_empty() { RAN } else { INCOMPLETE })
}

/// The files, and the number after them: the last argument, if it is one and not the only one.
fn split(arguments: &[OsString]) -> (Vec<PathBuf>, Option<u32>) {
    let number = |text: &OsString| text.to_str().filter(|text| text.bytes().all(|c| c.is_ascii_digit()))?.parse().ok();
    if let [files @ .., last] = arguments
        && !files.is_empty()
        && let Some(number) = number(last)
    {
        return (files.iter().map(PathBuf::from).collect(), Some(number));
    }
    (arguments.iter().map(PathBuf::from).collect(), None)
}

pub(super) fn not_found(number: Option<u32>, fitting: u64, others: &[u32], feed: &Feed) -> String {
    let names: Vec<String> = others.iter().map(u32::to_string).collect();
    let more = if fitting > names.len() as u64 { " …" } else { "" };
    let list = format!("{}{more}", names.join(", "));
    let connections = feed.totals().tcp_connections;
    match number {
        Some(number) if fitting > 0 => {
            let why = if u64::from(number) < connections {
                "carried no TLS, or does not fit the selection".to_owned()
            } else {
                format!("does not exist: the capture has {}", count(connections, "TCP connection", "TCP connections"))
            };
            format!("connection {number} {why}; sessions near it: {list}")
        }
        None if fitting > 1 => format!("{} to choose from, so name one by its number: {list}", count(fitting, "session", "sessions")),
        _ if feed.totals().sessions > 0 => {
            format!("no session fits; the capture has {}", count(feed.totals().sessions, "TLS session", "TLS sessions"))
        }
        _ => "no TLS session in this capture".to_owned(),
    }
}

fn print(finished: &Finished, args: &ShowArgs, feed: &Feed, console: &mut Console<'_>) -> anyhow::Result<()> {
    let Finished { session, verdict, .. } = finished;
    let rule = rules::find(verdict.cause);
    let page = || story::page(session, verdict, rule, feed.context());
    let text = match args.format {
        StoryFormat::Text => blocks::terminal(&page(), console.columns.min(100), console.paint(&args.looks)).into_bytes(),
        StoryFormat::Markdown => blocks::markdown(&page()).into_bytes(),
        StoryFormat::Json => {
            let mut object = Vec::new();
            json::session(&mut object, feed.context(), session, verdict);
            object.push(b'\n');
            object
        }
    };
    console.out.write_all(&text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_argument_is_the_number_if_it_is_one_and_a_file_is_left() {
        let split = |arguments: &[&str]| {
            let (files, number) = split(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
            (files.len(), number)
        };
        assert_eq!(split(&["a.pcap", "17"]), (1, Some(17)));
        assert_eq!(split(&["a.pcap", "b.pcap", "17"]), (2, Some(17)));
        assert_eq!(split(&["17"]), (1, None));
        assert_eq!(split(&["a.pcap", "./17"]), (2, None));
        assert_eq!(split(&["a.pcap", "99999999999"]), (2, None));
    }
}
