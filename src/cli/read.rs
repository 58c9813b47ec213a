//! `read`: every session of a capture.

use crate::analyze::Finished;
use crate::base::Limits;
use crate::cli::args::{Format, ReadArgs};
use crate::cli::feed::{Feed, Item, quoted};
use crate::cli::{Console, FOUND, INCOMPLETE, RAN};
use crate::diagnose::{Pattern, Revision, Verdict};
use crate::report::incidents::Incidents;
use crate::report::table::{self, Overview};
use crate::report::totals::Tally;
use crate::report::{Class, csv, json, markdown};
use crate::session::Session;

/// Runs the command; the exit status.
pub(super) fn read(args: &ReadArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let streams = matches!(args.format, Format::Json | Format::Ndjson | Format::Csv);
    let watched = console.watched && !(streams && console.terminal) && !args.quiet;
    let mut feed = Feed::open(&args.files, &args.keys, &args.selectors, args.looks.clock(), Limits::default(), watched)?;
    let from_pipe = args.files.iter().any(|file| file.as_os_str() == "-");
    let mut tally = Tally::default();
    let mut sink = Sink::new(args, &feed, console)?;
    if from_pipe {
        console.out.flush()?;
    }
    let listed = |verdict: &Verdict| args.all || Class::of(verdict) != Class::Clean;
    // Whoever reads line by line is told at once, and told again what changed; all others get it merged.
    let at_once = args.format == Format::Ndjson && !args.quiet;
    while let Some(item) = if at_once { feed.next_at_once()? } else { feed.next()?.map(Item::Session) } {
        let printed = match &item {
            Item::Pattern(pattern) => sink.pattern(pattern, &feed, console)?,
            Item::Session(Finished { session, verdict, .. }) => {
                tally.add(verdict);
                listed(verdict) && sink.session(session, verdict, &feed, console)?
            }
            Item::Revision(revision) => {
                tally.revise(&revision.was, &revision.verdict);
                if listed(&revision.was) {
                    sink.revision(revision, &feed, console)?
                } else {
                    listed(&revision.verdict) && sink.session(&revision.session, &revision.verdict, &feed, console)?
                }
            }
        };
        if printed && from_pipe && feed.is_drained() {
            console.out.flush()?;
        }
    }
    for pattern in feed.patterns() {
        sink.pattern(pattern, &feed, console)?;
    }
    sink.end(args, &feed, &tally, console)?;
    console.out.flush()?;
    if !args.quiet {
        for note in feed.notes() {
            console.complain(&note);
        }
    }
    for problem in feed.problems() {
        console.complain(problem);
    }
    Ok(match feed.problems() {
        [] if args.exit_code && tally.found() > 0 => FOUND,
        [] => RAN,
        _ => INCOMPLETE,
    })
}

/// Where sessions go.
enum Sink {
    /// Nowhere.
    Quiet,
    /// Into a list that is printed at the end.
    List(Box<Incidents>),
    /// Out at once, one object a line, or as the elements of an array. The buffer is used again for each.
    Objects { array: bool, buffer: Vec<u8> },
    /// Out at once, one row each.
    Rows { buffer: Vec<u8> },
}

impl Sink {
    fn new(args: &ReadArgs, feed: &Feed, console: &mut Console<'_>) -> anyhow::Result<Sink> {
        let mut buffer = Vec::new();
        match args.format {
            _ if args.quiet => Ok(Sink::Quiet),
            Format::Table | Format::Markdown => Ok(Sink::List(Box::default())),
            Format::Csv => {
                csv::header(&mut buffer);
                console.out.write_all(&buffer)?;
                Ok(Sink::Rows { buffer })
            }
            Format::Json | Format::Ndjson => {
                let array = args.format == Format::Json;
                let command = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
                if array {
                    buffer.extend(b"[\n");
                }
                json::capture(&mut buffer, feed.context(), &feed.opening(command));
                if !array {
                    buffer.push(b'\n');
                }
                console.out.write_all(&buffer)?;
                Ok(Sink::Objects { array, buffer })
            }
        }
    }

    /// Takes a session; `true`.
    fn session(&mut self, session: &Session, verdict: &Verdict, feed: &Feed, console: &mut Console<'_>) -> anyhow::Result<bool> {
        match self {
            Sink::Quiet => {}
            Sink::List(incidents) => incidents.add(session, verdict),
            Sink::Objects { array, buffer } => {
                buffer.clear();
                if *array {
                    buffer.extend(b",\n");
                }
                json::session(buffer, feed.context(), session, verdict);
                if !*array {
                    buffer.push(b'\n');
                }
                console.out.write_all(buffer)?;
            }
            Sink::Rows { buffer } => {
                buffer.clear();
                csv::session(buffer, feed.context(), session, verdict);
                console.out.write_all(buffer)?;
            }
        }
        Ok(true)
    }

    /// Takes what changed about a session, as a line of its own; `true`.
    fn revision(&mut self, revision: &Revision, feed: &Feed, console: &mut Console<'_>) -> anyhow::Result<bool> {
        if let Sink::Objects { buffer, .. } = self {
            buffer.clear();
            json::revision(buffer, feed.context(), revision);
            buffer.push(b'\n');
            console.out.write_all(buffer)?;
        }
        Ok(true)
    }

    /// Takes what several sessions show together, as an object of its own; `true`.
    fn pattern(&mut self, pattern: &Pattern, feed: &Feed, console: &mut Console<'_>) -> anyhow::Result<bool> {
        if let Sink::Objects { array, buffer } = self {
            buffer.clear();
            if *array {
                buffer.extend(b",\n");
            }
            json::pattern(buffer, feed.context(), pattern);
            if !*array {
                buffer.push(b'\n');
            }
            console.out.write_all(buffer)?;
        }
        Ok(true)
    }

    fn end(self, args: &ReadArgs, feed: &Feed, tally: &Tally, console: &mut Console<'_>) -> anyhow::Result<()> {
        match self {
            Sink::Quiet | Sink::Rows { .. } => {}
            Sink::Objects { array, mut buffer } => {
                buffer.clear();
                if array {
                    buffer.extend(b",\n");
                }
                json::summary(&mut buffer, tally, feed.totals(), feed.problems());
                buffer.extend(if array { b"\n]\n".as_slice() } else { b"\n" });
                console.out.write_all(&buffer)?;
            }
            Sink::List(incidents) => {
                let left_out = incidents.left_out();
                let rows = incidents.sorted();
                let patterns: Vec<&Pattern> = feed.patterns().collect();
                let overview = Overview {
                    context: feed.context(),
                    rows: &rows,
                    patterns: &patterns,
                    left_out,
                    tally,
                    totals: feed.totals(),
                    all: args.all,
                    selection: args.selectors.any(),
                    show: &show_command(args),
                };
                let text = match args.format {
                    Format::Markdown => markdown::overview(&overview),
                    _ => table::table(&overview, console.columns, console.paint(&args.looks)),
                };
                console.out.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Files named in a command to type.
const FEW: usize = 4;

/// What to type to see one of the sessions, without its number.
fn show_command(args: &ReadArgs) -> String {
    let mut command = "whohungup show".to_owned();
    for port in &args.selectors.parties.tls_port {
        command.push_str(&format!(" --tls-port {port}"));
    }
    for keylog in &args.keys.keylog {
        command.push_str(&format!(" --keylog {}", quoted(keylog)));
    }
    for file in args.files.iter().take(FEW) {
        command.push(' ');
        // What came through a pipe is gone.
        command.push_str(&if file.as_os_str() == "-" { "FILE".to_owned() } else { quoted(file) });
    }
    if args.files.len() > FEW {
        command.push_str(" …");
    }
    command
}
