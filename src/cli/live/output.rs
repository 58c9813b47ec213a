//! Where sessions go while they end: standard output, line by line, and a log file.

use std::io;
use std::path::Path;

use super::line::{Processes, line};
use super::log::{Log, Written};
use crate::analyze::Totals;
use crate::base::{LinkType, printable};
use crate::cli::Console;
use crate::cli::args::{LiveArgs, LiveFormat};
use crate::diagnose::{Pattern, Revision, Verdict};
use crate::report::Context;
use crate::report::json::{self, Opening};
use crate::report::table::{self, Overview};
use crate::report::text::{Paint, count};
use crate::report::totals::Tally;
use crate::session::Session;

/// What is printed on standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Printed {
    Nothing,
    Lines,
    Objects,
}

/// Standard output and the log.
pub(super) struct Output {
    context: Context,
    opening: Opening,
    paint: Paint,
    printed: Printed,
    log: Option<Log>,
    /// Used again for each object.
    buffer: Vec<u8>,
}

impl Output {
    /// Opens the log, and begins both.
    ///
    /// # Errors
    ///
    /// The log cannot be opened, or standard output not be written.
    pub(super) fn open(args: &LiveArgs, context: Context, link: LinkType, console: &mut Console<'_>) -> anyhow::Result<Output> {
        let command = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let log = match &args.log {
            Some(path) => Some(Log::open(path).map_err(|error| anyhow::anyhow!(cannot_open(path, &error)))?),
            None => None,
        };
        let mut output = Output {
            context,
            opening: Opening { command, link_types: vec![link.0], first: None },
            paint: console.paint(&args.looks),
            printed: match args.format {
                _ if args.quiet => Printed::Nothing,
                LiveFormat::Table => Printed::Lines,
                LiveFormat::Ndjson => Printed::Objects,
            },
            log,
            buffer: Vec::new(),
        };
        output.object(|buffer, output| json::capture(buffer, &output.context, &output.opening), console)?;
        Ok(output)
    }

    /// A session has ended.
    pub(super) fn session(
        &mut self,
        session: &Session,
        verdict: &Verdict,
        process: Option<&Processes>,
        console: &mut Console<'_>,
    ) -> io::Result<()> {
        // The log takes it also when nobody reads the line any more.
        let line = self.line("", session, verdict, process, console);
        self.object(|buffer, output| json::live_session(buffer, &output.context, session, verdict, process), console).and(line)
    }

    /// Later packets changed what was said of a session.
    pub(super) fn revision(&mut self, revision: &Revision, process: Option<&Processes>, console: &mut Console<'_>) -> io::Result<()> {
        let line = self.line("revised: ", &revision.session, &revision.verdict, process, console);
        self.object(|buffer, output| json::revision(buffer, &output.context, revision), console).and(line)
    }

    /// Several sessions show something together.
    pub(super) fn pattern(&mut self, pattern: &Pattern, console: &mut Console<'_>) -> io::Result<()> {
        let line = if self.printed == Printed::Lines {
            let (lead, text) = table::pattern_told(pattern);
            writeln!(console.out, "pattern: {lead}: {text}").and_then(|()| console.out.flush())
        } else {
            Ok(())
        };
        self.object(|buffer, output| json::pattern(buffer, &output.context, pattern), console).and(line)
    }

    fn line(
        &mut self,
        before: &str,
        session: &Session,
        verdict: &Verdict,
        process: Option<&Processes>,
        console: &mut Console<'_>,
    ) -> io::Result<()> {
        if self.printed != Printed::Lines {
            return Ok(());
        }
        writeln!(console.out, "{before}{}", line(session, verdict, process, &self.context, self.paint))?;
        console.out.flush()
    }

    /// The totals.
    pub(super) fn end(
        &mut self,
        args: &LiveArgs,
        tally: &Tally,
        totals: &Totals,
        problems: &[String],
        console: &mut Console<'_>,
    ) -> io::Result<()> {
        let mut printed = Ok(());
        if self.printed == Printed::Lines {
            let overview = Overview {
                context: &self.context,
                rows: &[],
                patterns: &[],
                left_out: 0,
                tally,
                totals,
                all: args.all,
                selection: args.parties.any(),
                show: "",
            };
            let table = table::table(&overview, console.columns, self.paint);
            printed = writeln!(console.out).and_then(|()| console.out.write_all(table.as_bytes())).and_then(|()| console.out.flush());
        }
        self.object(|buffer, _| json::summary(buffer, tally, totals, problems), console).and(printed)
    }

    /// Writes an object where objects go.
    fn object(&mut self, write: impl FnOnce(&mut Vec<u8>, &Output), console: &mut Console<'_>) -> io::Result<()> {
        if self.printed != Printed::Objects && self.log.is_none() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        write(&mut buffer, self);
        buffer.push(b'\n');
        if let Some(log) = &mut self.log {
            append(log, &buffer, console);
        }
        let printed =
            if self.printed == Printed::Objects { console.out.write_all(&buffer).and_then(|()| console.out.flush()) } else { Ok(()) };
        self.buffer = buffer;
        printed
    }

    /// Opens the log by its name again. A new file begins as the first did.
    pub(super) fn reopen_log(&mut self, console: &mut Console<'_>) {
        let Some(log) = &mut self.log else { return };
        if let Err(error) = log.reopen() {
            console.complain(&format!("{}; going on in the old one", cannot_open(log.path(), &error)));
            return;
        }
        let mut buffer = Vec::new();
        json::capture(&mut buffer, &self.context, &self.opening);
        buffer.push(b'\n');
        append(log, &buffer, console);
    }

    /// Lines that could not be written to the log and have not been made up for.
    pub(super) fn missing(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::missing)
    }

    /// Nothing more is printed: nobody reads it.
    pub(super) fn give_up_printing(&mut self) {
        self.printed = Printed::Nothing;
    }

    /// Whether standard output is a pipe whose reader has gone.
    pub(super) fn is_unread(&self) -> bool {
        use std::os::fd::AsFd;

        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let stdout = io::stdout();
        let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        let answered = self.printed != Printed::Nothing && poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
        answered && asked.iter().any(|fd| fd.revents().is_some_and(|found| found.contains(PollFlags::POLLERR)))
    }
}

/// Appends to the log, and says when that begins and ceases to fail.
fn append(log: &mut Log, lines: &[u8], console: &mut Console<'_>) {
    match log.write(lines) {
        Written::Yes | Written::StillNot => {}
        Written::NoMore(error) => {
            let path = printable(&log.path().display().to_string(), 400);
            console.complain(&format!("cannot write {path}: {error}; sessions are missing in it until that ends"));
        }
        Written::Again(missing) => {
            let path = printable(&log.path().display().to_string(), 400);
            console.complain(&format!("writing {path} again; {} missing in it", count(missing, "line is", "lines are")));
        }
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> String {
    format!("cannot open {}: {error}", printable(&path.display().to_string(), 400))
}
