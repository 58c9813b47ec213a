//! The program: what was asked for, done, printed. The only place that reads arguments and environment and writes to the terminal.

mod args;
mod causes;
mod evidence;
mod feed;
mod interfaces;
mod keylog;
#[cfg(all(feature = "live", unix))]
mod live;
mod progress;
mod read;
mod select;
mod show;
mod times;
mod usage;

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use jiff::tz::TimeZone;

use crate::report::text::Paint;
use crate::report::time::Clock;
use args::{Cli, Colour, Command, Looks};

/// Exit status: it ran.
const RAN: u8 = 0;
/// Exit status: it ran, and found a fault; only with `--exit-code`.
const FOUND: u8 = 1;
/// Exit status: it could not do its whole job.
const INCOMPLETE: u8 = 2;

/// Where a run writes, and what is known of it.
struct Console<'c> {
    out: &'c mut dyn Write,
    err: &'c mut dyn Write,
    /// Columns of the terminal.
    columns: usize,
    /// Whether colour is welcome, unless the command line says otherwise.
    colour: bool,
    /// Whether `out` is a terminal.
    terminal: bool,
    /// Whether somebody watches standard error.
    watched: bool,
}

impl Console<'_> {
    fn paint(&self, looks: &Looks) -> Paint {
        Paint::new(match looks.color {
            Colour::Auto => self.colour,
            Colour::Always => true,
            Colour::Never => false,
        })
    }

    /// One line on standard error.
    fn complain(&mut self, problem: &str) {
        // Nothing can be done where even this fails.
        let _ = writeln!(self.err, "whohungup: {problem}");
    }
}

impl Looks {
    fn clock(&self) -> Clock {
        if self.utc { Clock::utc() } else { Clock::new(TimeZone::system()) }
    }
}

/// Runs the program on its arguments, the first of which is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let stdout = io::stdout();
    let colour = anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never;
    let terminal = stdout.is_terminal();
    let watched = io::stderr().is_terminal();
    let mut out = BufWriter::with_capacity(64 * 1024, stdout.lock());
    let mut err = io::stderr();
    let mut console = Console { out: &mut out, err: &mut err, columns: columns(), colour, terminal, watched };
    let mut code = execute(arguments.into_iter().collect(), &mut console);
    if let Err(error) = out.flush() {
        code = code.max(failed_to_write(&error, &mut err));
    }
    // What is still buffered after a broken pipe must not be tried again.
    let _ = out.into_parts();
    ExitCode::from(code)
}

/// `COLUMNS`, or the terminal's width, or 80.
fn columns() -> usize {
    let asked = std::env::var_os("COLUMNS").and_then(|columns| columns.to_str()?.trim().parse().ok()).filter(|&columns| columns > 0);
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    asked.or_else(terminal).unwrap_or(80).clamp(40, 400)
}

/// The exit status of one run.
fn execute(arguments: Vec<OsString>, console: &mut Console<'_>) -> u8 {
    let result = match Cli::try_parse_from(args::meant(arguments)) {
        Ok(cli) => dispatch(cli.command, console),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => help(&error, console),
        Err(error) => Err(anyhow::anyhow!(usage::one_line(&error))),
    };
    let Err(error) = result else { return result.unwrap_or(INCOMPLETE) };
    match error.downcast_ref::<io::Error>() {
        Some(error) => failed_to_write(error, &mut *console.err),
        None => {
            console.complain(&format!("{error:#}"));
            INCOMPLETE
        }
    }
}

fn dispatch(command: Command, console: &mut Console<'_>) -> anyhow::Result<u8> {
    match command {
        Command::Read(args) => read::read(&args, console),
        Command::Show(args) => show::show(&args, console),
        Command::Evidence(args) => evidence::evidence(&args, console),
        #[cfg(all(feature = "live", unix))]
        Command::Live(args) => live::live(&args, console),
        #[cfg(not(all(feature = "live", unix)))]
        Command::Live(_) => anyhow::bail!("live needs libpcap, and this build has none: it was made without the feature 'live'"),
        #[cfg(all(feature = "live", target_os = "linux"))]
        Command::ProcessNames => live::process::answer_questions(&mut *console.out).map(|()| RAN),
        Command::Causes(args) => causes::causes(&args, console),
        Command::Interfaces(looks) => interfaces::interfaces(&looks, console),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "whohungup", &mut script);
            console.out.write_all(&script)?;
            Ok(RAN)
        }
        Command::Man { command } => manual_page(command.as_deref(), console),
    }
}

fn help(error: &clap::Error, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let text = error.render();
    if console.colour {
        write!(console.out, "{}", text.ansi())?
    } else {
        write!(console.out, "{text}")?
    }
    Ok(RAN)
}

fn manual_page(name: Option<&str>, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let mut all = args::command();
    all.build();
    let command = match name {
        None => all,
        Some(name) => {
            let found = all.get_subcommands().find(|command| command.get_name() == name).cloned();
            found.ok_or_else(|| anyhow::anyhow!("there is no command '{}'", crate::base::printable(name, 60)))?
        }
    };
    clap_mangen::Man::new(command).render(&mut console.out)?;
    Ok(RAN)
}

/// Whoever read the output has enough: that is no failure.
fn failed_to_write(error: &io::Error, err: &mut dyn Write) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return RAN;
    }
    let _ = writeln!(err, "whohungup: cannot write the output: {error}");
    INCOMPLETE
}
