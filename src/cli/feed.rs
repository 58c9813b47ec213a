//! From files to selected sessions: opens the captures in order, drives the analysis, and hands out what was asked for.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::analyze::{Analyzer, BATCH, Finished, Options, Settling, Totals};
use crate::base::{Frame, Limits, Time, printable};
use crate::capture::{CaptureFile, InterfaceInfo, reading_order};
use crate::cli::args::{self, Keys, Selectors};
use crate::cli::keylog::KeyLogs;
use crate::cli::progress::Progress;
use crate::cli::select::{Selection, distance};
use crate::cli::usage;
use crate::diagnose::{News, Pattern, Revision};
use crate::report::Context;
use crate::report::json::Opening;
use crate::report::time::Clock;
use crate::tls::Secrets;

/// Numbers remembered of the sessions that fit the selection.
const CHOSEN: usize = 100_000;

/// What is handed out as soon as it is known.
pub(crate) enum Item {
    /// A session.
    Session(Finished),
    /// What later connections changed about a session handed out before.
    Revision(Box<Revision>),
    /// What several sessions show together; one with a number handed out before replaces that.
    Pattern(Box<Pattern>),
}

/// A capture being read, and the sessions in it that fit the selection.
pub(crate) struct Feed {
    parts: Vec<PathBuf>,
    context: Context,
    selectors: Selectors,
    filter: Filter,
    /// Known once there was a frame.
    selection: Option<Selection>,
    /// How many of `parts` were begun.
    begun: usize,
    current: Option<CaptureFile>,
    /// Bytes of the files that are done.
    done: u64,
    link_types: Vec<u16>,
    analyzer: Analyzer,
    /// Sessions whose verdict may still change, where only final ones are wanted.
    settling: Settling,
    /// Where they are handed out at once: which of those that may change were, and what changed.
    shown: HashSet<u64>,
    news: VecDeque<News>,
    keylogs: KeyLogs,
    /// Files that could not be read, or not to their end.
    failed: usize,
    /// All files are read.
    ending: bool,
    /// Where not all are wanted: the numbers of those that fit the selection.
    chosen: Option<HashSet<u32>>,
    finished: bool,
    problems: Vec<String>,
    progress: Progress,
    /// With `--at`: whether a session alive then was found, and the nearest one while none was.
    alive: bool,
    nearest: Option<(i64, Finished)>,
}

impl Feed {
    /// Opens `files` and reads up to the first frame. `watched`: a progress bar may be shown.
    ///
    /// # Errors
    ///
    /// No file can be read, or the selection makes no sense.
    pub(crate) fn open(
        files: &[PathBuf],
        keys: &Keys,
        selectors: &Selectors,
        clock: Clock,
        limits: Limits,
        watched: bool,
    ) -> anyhow::Result<Feed> {
        let filter = Filter::new(selectors.filter.as_deref())?;
        // What is read of a pipe is gone, so its time is not looked at.
        let parts: Vec<PathBuf> = if files.iter().any(|file| is_stdin(file)) {
            files.to_vec()
        } else {
            reading_order(files).into_iter().map(|part| part.path).collect()
        };
        let total: Option<u64> = parts.iter().map(|part| size(part)).sum();
        let context = Context { files: parts.iter().map(|part| base_name(part)).collect(), clock };
        let live = parts.iter().any(|part| is_stdin(part));
        let mut analyzer = Analyzer::new(Options { limits, tls_ports: selectors.parties.tls_port.clone(), ..Options::default() });
        let mut problems = Vec::new();
        let mut keylogs = KeyLogs::open(&keys.keylog, live, &mut problems);
        keylogs.begin(true, analyzer.secrets(), &mut problems);
        let mut feed = Feed {
            parts,
            context,
            selectors: selectors.clone(),
            filter,
            selection: None,
            begun: 0,
            current: None,
            done: 0,
            link_types: Vec::new(),
            analyzer,
            settling: Settling::default(),
            shown: HashSet::new(),
            news: VecDeque::new(),
            keylogs,
            failed: 0,
            ending: false,
            chosen: selectors.any().then(HashSet::new),
            finished: false,
            problems,
            progress: Progress::new(total.filter(|_| watched)),
            alive: false,
            nearest: None,
        };
        while feed.selection.is_none() && feed.step()? {}
        if feed.selection.is_none() {
            // No frame at all: the selection selects nothing, but must make sense.
            feed.selection = Some(feed.select(Time::default())?);
        }
        Ok(feed)
    }

    /// The files, in reading order.
    pub(crate) fn parts(&self) -> &[PathBuf] {
        &self.parts
    }

    /// Files and clock.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// What is known before the first session.
    pub(crate) fn opening(&self, command: Vec<String>) -> Opening {
        Opening { command, link_types: self.link_types.clone(), first: self.analyzer.totals().first }
    }

    /// The next session that fits the selection, its verdict final; `None` at the end.
    ///
    /// # Errors
    ///
    /// The selection turns out to make no sense for this capture. Trouble with files is no error but a problem: see
    /// [`Feed::problems`].
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Finished>> {
        loop {
            self.settling.take_from(&mut self.analyzer);
            while let Some(finished) = self.settling.next_settled() {
                if self.selects(&finished) {
                    return Ok(Some(finished));
                }
            }
            if !self.step()? && !self.has_more() {
                return Ok(self.nearest.take().map(|(_, finished)| finished));
            }
        }
    }

    /// The next session that fits the selection, or what changed about an earlier one, as soon as it is known; `None` at the end.
    ///
    /// # Errors
    ///
    /// See [`Feed::next`].
    pub(crate) fn next_at_once(&mut self) -> anyhow::Result<Option<Item>> {
        loop {
            while let Some(finished) = self.analyzer.take_one() {
                if let Some(item) = self.first_told(finished) {
                    return Ok(Some(item));
                }
            }
            self.news.extend(self.analyzer.take_news());
            while let Some(news) = self.news.pop_front() {
                if let Some(item) = self.told_again(news) {
                    return Ok(Some(item));
                }
            }
            if !self.step()? && !self.has_more() {
                return Ok(self.nearest.take().map(|(_, finished)| Item::Session(finished)));
            }
        }
    }

    /// What several sessions showed together, where one of them at least fits the selection.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.settling.patterns().iter().filter(|pattern| self.fits(pattern))
    }

    fn fits(&self, pattern: &Pattern) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| pattern.sessions.iter().any(|number| chosen.contains(number)))
    }

    fn has_more(&self) -> bool {
        self.analyzer.has_finished() || self.analyzer.has_news()
    }

    fn first_told(&mut self, finished: Finished) -> Option<Item> {
        if !self.selects(&finished) {
            return None;
        }
        if finished.open {
            self.shown.insert(finished.id);
        }
        Some(Item::Session(finished))
    }

    /// What becomes of news: a session that fits the selection only now is told for the first time.
    fn told_again(&mut self, news: News) -> Option<Item> {
        match news {
            News::Revision(revision) if self.shown.contains(&revision.id) => Some(Item::Revision(revision)),
            News::Revision(revision) => {
                if self.nearest.as_ref().is_some_and(|(_, nearest)| nearest.id == revision.id) {
                    self.nearest = None;
                }
                let Revision { id, session, verdict, beside, .. } = *revision;
                self.first_told(Finished { session, verdict, beside, id, open: true })
            }
            News::Settled(id) => {
                self.shown.remove(&id);
                None
            }
            News::Pattern(pattern) => self.fits(&pattern).then_some(Item::Pattern(pattern)),
        }
    }

    /// Whether the next session takes more reading.
    pub(crate) fn is_drained(&self) -> bool {
        !self.analyzer.has_finished()
    }

    /// The secrets that sessions were decrypted with.
    pub(crate) fn secrets(&self) -> &Secrets {
        self.analyzer.known_secrets()
    }

    /// Counts over what was read.
    pub(crate) fn totals(&self) -> &Totals {
        self.analyzer.totals()
    }

    /// What is worth saying of the key logs, one line each.
    pub(crate) fn notes(&mut self) -> Vec<String> {
        let totals = self.analyzer.totals().clone();
        self.keylogs.notes(&totals, self.analyzer.secrets())
    }

    /// What could not be read, one line each.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Whether a session fits the selection. With `--at`, the nearest one that does not is remembered.
    fn selects(&mut self, finished: &Finished) -> bool {
        let Some(selection) = &self.selection else { return false };
        if !selection.fits(&finished.session, &finished.verdict) || !self.filter.met(finished) {
            return false;
        }
        if let (Some(chosen), Some(number)) = (&mut self.chosen, finished.session.tcp_stream)
            && chosen.len() < CHOSEN
        {
            chosen.insert(number);
        }
        let Some(at) = selection.at else { return true };
        let away = distance(&finished.session, at);
        if away == 0 {
            self.alive = true;
            self.nearest = None;
            return true;
        }
        if !self.alive && self.nearest.as_ref().is_none_or(|(nearest, _)| away < *nearest) {
            self.nearest = Some((away, finished.clone()));
        }
        false
    }

    /// Reads until sessions are pending, or a frame came first. `false` at the end.
    fn step(&mut self) -> anyhow::Result<bool> {
        if self.finished {
            return Ok(false);
        }
        loop {
            let Some(capture) = &mut self.current else {
                if self.begin()? {
                    continue;
                }
                if !self.ending {
                    self.ending = true;
                    self.keylogs.end(self.analyzer.secrets(), &mut self.problems);
                }
                self.finished = !self.analyzer.finish_some();
                return Ok(!self.finished || self.has_more());
            };
            if self.selection.is_some() {
                let mut frames = [Frame::default(); BATCH];
                let count = capture.at_hand(&mut frames);
                let frames = frames.get(..count).unwrap_or_default();
                if !frames.is_empty() {
                    self.keylogs.look(count, self.analyzer.secrets(), &mut self.problems);
                    self.analyzer.push_all(frames);
                    self.filter.see(frames)?;
                    let done = self.done;
                    self.progress.step(count, || done + capture.position());
                    if self.has_more() {
                        return Ok(true);
                    }
                    continue;
                }
            }
            let first = match capture.next_with_secrets() {
                Ok(Some((frame, lines))) => {
                    self.keylogs.take(lines, self.analyzer.secrets());
                    self.keylogs.look(1, self.analyzer.secrets(), &mut self.problems);
                    self.analyzer.push(&frame);
                    self.filter.see(&[frame])?;
                    self.selection.is_none().then_some(frame.at.time)
                }
                Ok(None) => {
                    self.close();
                    continue;
                }
                Err(error) => {
                    self.failed += 1;
                    self.problems.push(error.to_string());
                    self.close();
                    continue;
                }
            };
            let done = self.done;
            self.progress.step(1, || done + capture.position());
            if let Some(first) = first {
                self.link_types = capture.info().interfaces.iter().map(|interface| interface.link.0).collect();
                self.link_types.dedup();
                self.selection = Some(self.select(first)?);
                return Ok(true);
            }
            if self.has_more() {
                return Ok(true);
            }
        }
    }

    fn select(&self, start: Time) -> anyhow::Result<Selection> {
        Selection::new(&self.selectors, start, &self.context.clock).map_err(anyhow::Error::msg)
    }

    /// Begins the next file that can be opened. `false` when there is none.
    fn begin(&mut self) -> anyhow::Result<bool> {
        while let Some(part) = self.parts.get(self.begun) {
            let index = u16::try_from(self.begun).unwrap_or(u16::MAX);
            self.begun += 1;
            let opened = if is_stdin(part) {
                CaptureFile::from_reader(Box::new(std::io::stdin()), "standard input", index)
            } else {
                CaptureFile::open(part, index)
            };
            match opened {
                Ok(capture) => {
                    self.current = Some(capture);
                    return Ok(true);
                }
                Err(error) => {
                    self.failed += 1;
                    self.problems.push(format!("{error}{}", meant_a_command(part)));
                }
            }
        }
        // A capture of which not even the beginning could be read has nothing to report.
        if self.failed >= self.parts.len() && self.analyzer.totals().frames == 0 && self.link_types.is_empty() {
            anyhow::bail!("{}", self.problems.join("\nwhohungup: "));
        }
        Ok(false)
    }

    fn close(&mut self) {
        if let Some(capture) = self.current.take() {
            self.keylogs.next_file();
            self.done += capture.position();
            // What the capturing program lost, it says at the end of the file.
            let lost: u64 = capture.info().interfaces.iter().map(lost_packets).fold(0, u64::saturating_add);
            if lost > 0 {
                self.analyzer.note_kernel_drops(lost);
            }
        }
    }
}

/// Packets that the capturing program says it lost on an interface.
fn lost_packets(interface: &InterfaceInfo) -> u64 {
    let counted = interface.statistics.map_or(0, |statistics| {
        statistics.dropped_by_os.unwrap_or_default().saturating_add(statistics.dropped_by_interface.unwrap_or_default())
    });
    // Packet by packet or in all: the same packets, counted in two places.
    interface.dropped.max(counted)
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

fn size(path: &Path) -> Option<u64> {
    path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
}

fn base_name(path: &Path) -> String {
    if is_stdin(path) {
        return "standard input".to_owned();
    }
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A hint for a file that is not there and named like a command.
fn meant_a_command(path: &Path) -> String {
    if path.exists() || path.components().count() != 1 {
        return String::new();
    }
    let command = args::command();
    let names = command.get_subcommands().filter(|command| !command.is_hide_set()).map(clap::Command::get_name);
    let near = path.to_str().and_then(|name| usage::nearest(name, names));
    near.map(|near| format!("; did you mean the command '{near}'?")).unwrap_or_default()
}

/// How a file is named in a command to type: quoted where a shell needs it.
pub(crate) fn quoted(path: &Path) -> String {
    let shown = printable(&path.to_string_lossy(), 4_096);
    let plain = |c: char| c.is_alphanumeric() || "._/+:@%,=-".contains(c);
    if !shown.is_empty() && shown.chars().all(plain) { shown } else { format!("'{}'", shown.replace('\'', "'\\''")) }
}

#[cfg(feature = "live")]
use bpf::Filter;
#[cfg(not(feature = "live"))]
use no_bpf::Filter;

#[cfg(feature = "live")]
mod bpf {
    //! `--filter`: which connections had a packet that fits.

    use hashbrown::HashSet;

    use crate::analyze::Finished;
    use crate::base::{FlowKey, Frame};
    use crate::capture::BpfFilter;
    use crate::decode::{Decoded, Decoder};

    /// Connections remembered.
    const MOST: usize = 1_000_000;

    /// The filter of a run, and the connections that fit it so far.
    ///
    /// It selects sessions, not packets: the analysis sees everything, so that its numbers and verdicts do not change.
    pub(super) struct Filter(Option<(BpfFilter, Decoder, HashSet<FlowKey, foldhash::fast::RandomState>)>);

    impl Filter {
        pub(super) fn new(expression: Option<&str>) -> anyhow::Result<Filter> {
            let Some(expression) = expression else { return Ok(Filter(None)) };
            Ok(Filter(Some((BpfFilter::new(expression)?, Decoder::new(), HashSet::default()))))
        }

        pub(super) fn see(&mut self, frames: &[Frame<'_>]) -> anyhow::Result<()> {
            let Some((filter, decoder, met)) = &mut self.0 else { return Ok(()) };
            for frame in frames {
                if !filter.matches(frame)? {
                    continue;
                }
                let key = match decoder.decode(frame) {
                    Decoded::Tcp(segment) => segment.key,
                    Decoded::Icmp(error) => error.key,
                    Decoded::Udp(_) | Decoded::Skipped(_) => continue,
                };
                met.insert(key);
                anyhow::ensure!(met.len() <= MOST, "--filter fits more than {MOST} connections; use a narrower one");
            }
            Ok(())
        }

        pub(super) fn met(&self, finished: &Finished) -> bool {
            let Some((_, _, met)) = &self.0 else { return true };
            let (key, _) = FlowKey::new(finished.session.ends.client, finished.session.ends.server);
            met.contains(&key)
        }
    }
}

#[cfg(not(feature = "live"))]
mod no_bpf {
    //! `--filter` in a build without libpcap.

    use crate::analyze::Finished;
    use crate::base::Frame;

    /// No filter.
    pub(super) struct Filter;

    impl Filter {
        pub(super) fn new(expression: Option<&str>) -> anyhow::Result<Filter> {
            anyhow::ensure!(
                expression.is_none(),
                "--filter needs libpcap, and this build has none: it was made without the feature 'live'"
            );
            Ok(Filter)
        }

        pub(super) fn see(&mut self, _: &[Frame<'_>]) -> anyhow::Result<()> {
            Ok(())
        }

        pub(super) fn met(&self, _: &Finished) -> bool {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        for (path, expected) in [
            ("office.pcapng", "office.pcapng"),
            ("/a/b-1.pcap", "/a/b-1.pcap"),
            ("my file", "'my file'"),
            ("a'b;c", "'a'\\''b;c'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
