//! `evidence`: sessions made ready for a ticket.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::analyze::{Finished, Options};
use crate::base::{Limits, printable};
use crate::cli::args::EvidenceArgs;
use crate::cli::feed::{Feed, is_stdin, quoted};
use crate::cli::progress::Progress;
use crate::cli::show::{NAMED, not_found};
use crate::cli::{Console, INCOMPLETE, RAN};
use crate::evidence::{self, Made, Output, Pseudonyms, Request, Stamp, Stop, Treatment};
use crate::report::text::count;
use crate::report::{Context, STORY_EVENTS};

/// Sessions that one bundle takes.
const MOST_SESSIONS: usize = 10_000;
/// What a shell reports of a program that a signal ended: this, and the signal.
const SIGNALLED: usize = 128;
/// Bytes of standard input that are kept on disk, to be read twice.
const MOST_INPUT: u64 = 16 << 30;

/// Runs the command; the exit status.
pub(super) fn evidence(args: &EvidenceArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let (mut files, numbers) = split(&args.files);
    anyhow::ensure!(numbers.is_empty() || !args.flagged, "--flagged takes all flagged sessions: name numbers, or leave --flagged out");
    let target = args.output.clone().unwrap_or_else(|| default_target(&numbers));
    let stop = Stop::default();
    // What cannot be written need not be read for.
    drop(Output::new(&target, args.force, &stop).map_err(|error| refused(&target, &error))?);
    let read = files.iter().chain(&args.keys.keylog);
    anyhow::ensure!(
        !read.into_iter().any(|file| lies_in(file, &target)),
        "{} holds what is to be read; name another place",
        quoted(&target)
    );
    let kept = keep_input(&mut files, &target)?;
    let stamps = |files: &[PathBuf]| files.iter().map(|file| Stamp::of(file)).collect::<Vec<_>>();
    let limits = Limits::default();
    let mut feed = Feed::open(&files, &args.keys, &args.selectors, args.looks.clock(), limits, console.watched)?;
    let parts = feed.parts().to_vec();
    let before = stamps(&parts);
    let sessions = choose(args, &numbers, &mut feed, console)?;
    let context = named(feed.context(), kept.is_some(), args.anonymize);
    let limits = Limits { timeline_head: STORY_EVENTS, timeline_tail: STORY_EVENTS, ..limits };
    let options = Options { limits, tls_ports: args.selectors.parties.tls_port.clone(), ..Options::default() };
    let pseudonyms = args.anonymize.then(|| pseudonyms(args.key.as_deref())).transpose()?;
    let totals = feed.totals();
    let request = Request {
        files: &parts,
        stamps: &before,
        frames: totals.frames,
        context: &context,
        command: command(args, &context, &numbers, std::env::args_os()),
        options: &options,
        keys: Some(feed.secrets()),
        sessions: &sessions,
        span: totals.first.zip(totals.last),
        treatment: Treatment { keep_payload: args.keep_payload, pseudonyms: pseudonyms.as_ref(), with_secrets: args.with_secrets },
        force: args.force,
        stop: &stop,
    };
    let total = parts.iter().map(|part| part.metadata().map_or(0, |metadata| metadata.len())).sum();
    let mut progress = Progress::new(Some(total).filter(|_| console.watched));
    catch_signals(&stop)?;
    let made = evidence::make(&request, &target, &mut |read| progress.step(1, || read)).map_err(|error| refused(&target, &error));
    drop(progress);
    if let (Err(error), Some(signal)) = (&made, stop.signal()) {
        console.complain(&error.to_string());
        return Ok(u8::try_from(SIGNALLED + signal).unwrap_or(INCOMPLETE));
    }
    let made = made?;
    tell(&made, &sessions, &target, args.with_secrets, console)?;
    for problem in feed.problems() {
        console.complain(problem);
    }
    Ok(if feed.problems().is_empty() && made.differences.is_empty() { RAN } else { INCOMPLETE })
}

/// From here on there is something half-written: a signal that asks for an end lets it be taken away first.
fn catch_signals(stop: &Stop) -> io::Result<()> {
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register_usize(signal, stop.flag(), usize::try_from(signal).unwrap_or(1))?;
    }
    #[cfg(not(unix))]
    let _ = stop;
    Ok(())
}

/// Whether `file` is in the folder at `target`, or is that file.
fn lies_in(file: &Path, target: &Path) -> bool {
    target.canonicalize().is_ok_and(|target| file.canonicalize().is_ok_and(|file| file.starts_with(target)))
}

fn refused(target: &Path, error: &io::Error) -> anyhow::Error {
    let reason = error.to_string();
    // Where a temporary file was to be is nobody's concern.
    let reason = reason.split(" at path \"").next().unwrap_or_default();
    anyhow::anyhow!("nothing was written to {}: {}", quoted(target), printable(reason, 4_096))
}

/// The files, and the numbers after them: at least one file is left.
fn split(arguments: &[OsString]) -> (Vec<PathBuf>, Vec<u32>) {
    let number = |text: &OsString| text.to_str().filter(|text| text.bytes().all(|c| c.is_ascii_digit()))?.parse::<u32>().ok();
    let numbers = arguments.iter().skip(1).rev().map_while(number).collect::<BTreeSet<u32>>();
    let trailing = arguments.iter().skip(1).rev().map_while(number).count();
    let files = arguments.iter().take(arguments.len() - trailing).map(PathBuf::from).collect();
    (files, numbers.into_iter().collect())
}

fn default_target(numbers: &[u32]) -> PathBuf {
    match numbers {
        [number] => PathBuf::from(format!("evidence-{number}")),
        _ => PathBuf::from("evidence"),
    }
}

/// Standard input is read twice, like any capture: it is kept on disk beside the bundle until that is made.
fn keep_input(files: &mut Vec<PathBuf>, target: &Path) -> anyhow::Result<Option<Kept>> {
    if !files.iter().any(|file| is_stdin(file)) {
        return Ok(None);
    }
    anyhow::ensure!(files.len() == 1, "standard input cannot be one of several files");
    let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut kept = Kept::new(folder)?;
    let copied = io::copy(&mut io::stdin().lock().take(MOST_INPUT + 1), &mut kept.file);
    let copied = copied.map_err(|error| anyhow::anyhow!("cannot keep standard input on disk: {error}"))?;
    anyhow::ensure!(copied <= MOST_INPUT, "standard input is longer than {} GiB; save it as a file", MOST_INPUT >> 30);
    *files = vec![kept.path()];
    Ok(Some(kept))
}

/// A copy of standard input, with all that a bundle leaves out: it must go away however the program ends.
struct Kept {
    file: File,
    #[cfg(not(target_os = "linux"))]
    path: tempfile::TempPath,
}

#[cfg(target_os = "linux")]
impl Kept {
    /// A file without a name: the kernel forgets it with the process.
    fn new(folder: &Path) -> io::Result<Kept> {
        Ok(Kept { file: tempfile::tempfile_in(folder)? })
    }

    fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

#[cfg(not(target_os = "linux"))]
impl Kept {
    fn new(folder: &Path) -> io::Result<Kept> {
        let (file, path) = tempfile::Builder::new().prefix(".evidence-input-").tempfile_in(folder)?.into_parts();
        Ok(Kept { file, path })
    }

    fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }
}

/// The sessions meant, in the order of their numbers.
fn choose(args: &EvidenceArgs, numbers: &[u32], feed: &mut Feed, console: &mut Console<'_>) -> anyhow::Result<Vec<Finished>> {
    let mut chosen: Vec<Finished> = Vec::new();
    let mut others = Vec::new();
    let mut fitting = 0;
    while let Some(finished) = feed.next()? {
        fitting += 1;
        let number = finished.session.tcp_stream;
        let is_meant = match (numbers.is_empty(), number) {
            (false, number) => number.is_some_and(|number| numbers.contains(&number)),
            (true, _) if args.flagged => finished.verdict.flagged(),
            (true, _) => chosen.is_empty(),
        };
        let near = |other: &u32| numbers.iter().map(|number| number.abs_diff(*other)).min().unwrap_or(*other);
        others.extend(number);
        others.sort_by_key(near);
        others.truncate(NAMED);
        if is_meant {
            anyhow::ensure!(chosen.len() < MOST_SESSIONS, "more than {MOST_SESSIONS} sessions; choose fewer, as with --from and --to");
            chosen.push(finished);
        }
    }
    others.sort_unstable();
    let missing = numbers.iter().find(|number| !chosen.iter().any(|finished| finished.session.tcp_stream == Some(**number))).copied();
    let ambiguous = numbers.is_empty() && !args.flagged && fitting != 1;
    if missing.is_some() || ambiguous || (args.flagged && fitting == 0) {
        for problem in feed.problems() {
            console.complain(problem);
        }
        anyhow::bail!(not_found(missing, fitting, &others, feed));
    }
    anyhow::ensure!(!chosen.is_empty(), "no session is flagged; name one by its number: {}", first(&others));
    chosen.sort_by_key(|finished| finished.session.connection);
    Ok(chosen)
}

fn first(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The files' names as the bundle may tell them.
fn named(context: &Context, from_input: bool, anonymous: bool) -> Context {
    let mut context = context.clone();
    let several = context.files.len() > 1;
    for (place, name) in context.files.iter_mut().enumerate() {
        if anonymous {
            *name = if several { format!("capture-{}", place + 1) } else { "capture".to_owned() };
        } else if from_input {
            *name = "standard input".to_owned();
        }
    }
    context
}

/// The command as the bundle may tell it: without a key, and without what tells names where those are replaced.
fn command(args: &EvidenceArgs, context: &Context, numbers: &[u32], typed: impl Iterator<Item = OsString>) -> String {
    let mut words = vec!["whohungup".to_owned()];
    if args.anonymize {
        words.push("evidence".to_owned());
        words.extend(context.files.iter().cloned());
        words.extend(numbers.iter().map(u32::to_string));
        words.extend(
            [(args.flagged, "--flagged"), (args.keep_payload, "--keep-payload")]
                .iter()
                .filter(|(on, _)| *on)
                .map(|(_, name)| (*name).to_owned()),
        );
        words.push("--anonymize".to_owned());
        return words.join(" ");
    }
    words.extend(typed.skip(1).map(|word| quoted(Path::new::<OsStr>(&word))));
    words.join(" ")
}

/// The pseudonyms of a key, or of one that nobody will ever know.
fn pseudonyms(key: Option<&str>) -> anyhow::Result<Pseudonyms> {
    if let Some(key) = key {
        anyhow::ensure!(!key.is_empty(), "--key: an empty key is none");
        return Ok(Pseudonyms::of(key));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(Pseudonyms::random(seed))
}

/// Says what was made.
fn tell(made: &Made, sessions: &[Finished], target: &Path, with_secrets: bool, console: &mut Console<'_>) -> anyhow::Result<()> {
    let what = count(sessions.len() as u64, "session", "sessions");
    let packets = count(made.packets, "packet", "packets");
    let proof = if made.differences.is_empty() { ", proven by its own packets" } else { "" };
    writeln!(console.out, "{}: {what}, {packets}{proof}", quoted(target))?;
    for ground in made.grounds.iter().take(NAMED) {
        writeln!(console.out, "  rests on more: {}", printable(ground, 400))?;
    }
    if made.grounds.len() > NAMED {
        writeln!(console.out, "  … and {} more, each in its session.json", made.grounds.len() - NAMED)?;
    }
    console.out.flush()?;
    if with_secrets && made.secrets == 0 {
        console.complain("the capture holds no secrets of these sessions");
    }
    if made.left_out > 0 {
        console.complain(&format!("{} could not be taken apart and were left out", count(made.left_out, "packet", "packets")));
    }
    for difference in made.differences.iter().take(NAMED) {
        console.complain(&format!("not proven by its own packets: {}", printable(difference, 400)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_after_the_files_are_sessions() {
        let split = |arguments: &[&str]| {
            let (files, numbers) = split(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
            (files.len(), numbers)
        };
        assert_eq!(split(&["a.pcap"]), (1, vec![]));
        assert_eq!(split(&["a.pcap", "23", "17", "23"]), (1, vec![17, 23]));
        assert_eq!(split(&["17", "18"]), (1, vec![18]));
        assert_eq!(split(&["a.pcap", "17", "./18"]), (3, vec![]));
        assert_eq!(split(&["a.pcap", "99999999999"]), (2, vec![]));
    }
}
