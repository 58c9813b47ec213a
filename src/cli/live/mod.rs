//! `live`: every session of an interface, as it ends.

mod evidence;
mod line;
mod log;
pub(crate) mod metrics;
mod output;
#[cfg(not(target_os = "linux"))]
#[path = "no_process.rs"]
mod process;
#[cfg(target_os = "linux")]
pub(crate) mod process;
mod recent;
mod rights;
mod signals;
#[cfg(target_os = "linux")]
mod sockets;
mod status;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::evidence::Evidence;
use self::metrics::{Gauges, Metrics};
use self::output::Output;
use self::process::{Helper, Processes};
use self::recent::Recent;
use self::rights::Rights;
use self::signals::Signals;
use self::status::{Counts, Status};
use crate::analyze::{Analyzer, Finished, Options};
use crate::base::{Limits, Span, Time, printable};
use crate::capture::{LiveCapture, LiveError, LiveOptions, own_addresses};
use crate::cli::args::{LiveArgs, Selectors};
use crate::cli::feed::quoted;
use crate::cli::keylog::KeyLogs;
use crate::cli::select::Selection;
use crate::cli::{Console, INCOMPLETE, RAN};
use crate::diagnose::{News, Revision, Verdict};
use crate::report::totals::Tally;
use crate::report::{Class, Context};
use crate::session::Session;

/// Frames looked at between two looks at anything else.
const BATCH: u32 = 4_096;
/// Frames looked at between two looks at key logs: the secrets of a session are mostly there before its packets.
const KEYS: u32 = 256;
/// How long to wait for a frame before seeing to the rest.
const WAIT: Duration = Duration::from_millis(100);
/// How long it may take until the kernel hands over what it captured before an end was asked for.
const LAST: Duration = Duration::from_millis(300);
/// How long what waits then is still looked at. Beyond that it is counted.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at the clock, the interface, and what the kernel lost.
const ROUND: Duration = Duration::from_millis(500);

/// Sessions whose secrets are held: those that are open, and some that ended. A key log may grow for weeks.
const SECRETS: usize = 1 << 16;

/// Runs the command; the exit status.
pub(super) fn live(args: &LiveArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
    let options = LiveOptions {
        interface: args.interface.clone(),
        filter: args.what.filter.clone(),
        snaplen: args.what.snaplen,
        buffer: args.what.buffer.saturating_mul(1 << 20),
        promiscuous: args.what.promiscuous,
    };
    let signals = Signals::catch(args.log.is_some())?;
    let capture = LiveCapture::open(&options).map_err(|error| match error {
        LiveError::NotPermitted => anyhow::anyhow!("{error}: {}", how_to_be_permitted()),
        error => error.into(),
    })?;
    let listener = args.metrics.map(Metrics::bind).transpose()?;
    // It looks into processes with rights that are given up here.
    let helper = if args.no_process { None } else { Helper::start().ok() };
    let rights = Rights::plan(args.no_sandbox)?;
    if let Some(file) = &args.log {
        rights.prepare_file(file)?;
    }
    if let Some(folder) = &args.evidence {
        rights.prepare_folder(folder)?;
    }
    let writable: Vec<PathBuf> = args.log.as_deref().map(rights::folder).into_iter().chain(args.evidence.clone()).collect();
    let mut problems = Vec::new();
    // Opened while there are rights; read once they are gone.
    let keylogs = KeyLogs::open(&args.keys.keylog, true, &mut problems);
    let given_up = rights.give_up(&writable)?;
    let names = if helper.is_some() { "; a helper process that sees no packet may look into processes, for their names" } else { "" };
    console.complain(&format!("capturing on {}; {given_up}{names}", printable(capture.interface(), 60)));
    let processes = helper.map(Processes::of_helper);
    let mut metrics = Metrics::new();
    if let Some(listener) = listener {
        metrics.serve(listener)?;
    }
    let mut watch = Watch::new(args, capture, signals, metrics, processes, keylogs, console)?;
    watch.look_around();
    watch.unsaid = problems;
    watch.keylogs.begin(false, watch.analyzer.secrets(), &mut watch.unsaid);
    watch.run(args, console)
}

/// What to type, for whoever may not capture.
fn how_to_be_permitted() -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| "whohungup".into());
    let program = quoted(&program);
    format!("run it with sudo, or let everybody who may run it capture: sudo setcap cap_net_raw=ep {program}")
}

/// A capture being watched.
struct Watch {
    capture: LiveCapture,
    signals: Signals,
    analyzer: Analyzer,
    keylogs: KeyLogs,
    options: Options,
    evidence: Option<Evidence>,
    selection: Selection,
    /// If not every session was asked for: those that were.
    asked_for: Option<Recent>,
    all: bool,
    tally: Tally,
    /// Sessions that fit the selection and whose verdict may still change. No more than are kept for that.
    told: HashSet<u64>,
    output: Output,
    metrics: Metrics,
    processes: Option<Processes>,
    /// How long after its capture the newest frame was looked at.
    lag: Span,
    status: Status,
    /// The end was asked for at this time; a frame after it was seen.
    until: Option<Time>,
    past: bool,
    /// The interface's state as last told.
    up: bool,
    problems: Vec<String>,
    /// Problems that have not been said.
    unsaid: Vec<String>,
    /// Memory bounds that were said to be reached.
    limits_told: Vec<&'static str>,
}

impl Watch {
    fn new(
        args: &LiveArgs,
        mut capture: LiveCapture,
        signals: Signals,
        metrics: Metrics,
        processes: Option<Processes>,
        keylogs: KeyLogs,
        console: &mut Console<'_>,
    ) -> anyhow::Result<Watch> {
        let context = Context { files: vec![capture.interface().to_owned()], clock: args.looks.clock() };
        let selectors = Selectors { parties: args.parties.clone(), ..Selectors::default() };
        let selection = Selection::new(&selectors, capture.settled(), &context.clock).map_err(anyhow::Error::msg)?;
        let options = Options {
            // What spoke TLS later cannot be waited for.
            limits: Limits { candidates: 0, secrets: SECRETS, ..Limits::default() },
            tls_ports: args.parties.tls_port.clone(),
            patience: Some(Span::from_millis(i64::try_from(args.what.stall.as_millis()).unwrap_or(i64::MAX))),
            ..Options::default()
        };
        Ok(Watch {
            status: Status::new(console.watched, capture.interface()),
            output: Output::open(args, context.clone(), capture.link(), console)?,
            capture,
            signals,
            metrics,
            processes,
            lag: Span::ZERO,
            analyzer: Analyzer::new(options.clone()),
            keylogs,
            evidence: args.evidence.as_deref().map(|folder| Evidence::open(folder, args, context.clone())).transpose()?,
            options,
            selection,
            asked_for: args.parties.any().then(Recent::default),
            all: args.all,
            tally: Tally::default(),
            told: HashSet::new(),
            until: None,
            past: false,
            up: true,
            problems: Vec::new(),
            unsaid: Vec::new(),
            limits_told: Vec::new(),
        })
    }

    #[expect(clippy::disallowed_methods, reason = "how long it runs is not the capture's time")]
    fn run(mut self, args: &LiveArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
        let end = args.what.duration.map(|duration| Instant::now() + duration);
        // Once an end was asked for: when it was.
        let mut ending: Option<Instant> = None;
        let mut round = Instant::now();
        let result = loop {
            let more = match self.batch(args.what.count) {
                Ok(more) => more,
                Err(error) => break Err(error),
            };
            self.note_problems(console);
            if let Err(error) = self.deliver(console) {
                break Ok(Some(error));
            }
            let now = Instant::now();
            if let Some(processes) = &mut self.processes {
                processes.exchange(now);
            }
            if now.duration_since(round) >= ROUND {
                round = now;
                if let Err(error) = self.round(now, console) {
                    break Ok(Some(error));
                }
            }
            if self.has_enough(args.what.count) {
                break Ok(None);
            }
            if ending.is_none() && (self.signals.stop() || end.is_some_and(|end| now >= end)) {
                ending = Some(now);
                self.until = Some(self.capture.now());
            }
            if let Some(since) = ending.map(|asked| now.duration_since(asked))
                && (self.past || !more && since >= LAST || since >= PATIENCE)
            {
                break Ok(None);
            }
            if !more {
                self.capture.wait(end.filter(|_| ending.is_none()).map_or(WAIT, |end| WAIT.min(end.saturating_duration_since(now))));
            }
        };
        self.status.clear(console);
        match result {
            Ok(None) => {}
            Ok(Some(error)) => {
                self.failed_to_write(&error, console);
                self.drain(console);
            }
            Err(error) => {
                self.drain(console);
                self.problem(error.to_string(), console);
            }
        }
        self.note_waiting(console);
        self.finish(args, console)
    }

    /// As many frames as were asked for.
    fn has_enough(&self, count: Option<u64>) -> bool {
        count.is_some_and(|count| self.capture.frames() >= count)
    }

    /// Says how much was captured before the end and is not looked at.
    fn note_waiting(&mut self, console: &mut Console<'_>) {
        if self.past {
            return;
        }
        let until = self.until.unwrap_or_else(|| self.capture.now());
        let waiting = self.capture.leave(until);
        if waiting > 0 {
            let were = crate::report::text::count(waiting, "packet was", "packets were");
            self.say(&format!("{were} still waiting at the end, and not looked at"), console);
        }
    }

    /// The capture cannot go on: takes in what waits in the kernel all the same.
    #[expect(clippy::disallowed_methods, reason = "how long it takes is not the capture's time")]
    fn drain(&mut self, console: &mut Console<'_>) {
        let begun = Instant::now();
        self.until = Some(self.capture.now());
        while begun.elapsed() < PATIENCE && self.batch(None).is_ok_and(|more| more) {
            if let Err(error) = self.deliver(console) {
                self.failed_to_write(&error, console);
            }
        }
    }

    /// Takes in the frames that wait, not too many. Whether there may be more.
    fn batch(&mut self, count: Option<u64>) -> Result<bool, LiveError> {
        let mut newest = Time::default();
        for turn in 0..BATCH {
            if turn % KEYS == 0 {
                self.keylogs.look(1, self.analyzer.secrets(), &mut self.unsaid);
            }
            if self.has_enough(count) {
                return Ok(false);
            }
            let Some(frame) = self.capture.next_frame()? else {
                let settled = self.capture.settled();
                self.analyzer.tick(settled);
                self.lag = Span::ZERO;
                return Ok(false);
            };
            newest = frame.at.time;
            if self.until.is_some_and(|until| newest > until) {
                self.past = true;
                return Ok(false);
            }
            let belongs = self.analyzer.push(&frame);
            let Some(belongs) = belongs else { continue };
            if let Some(evidence) = &mut self.evidence {
                evidence.push(&frame, belongs, &self.analyzer);
            }
            if let Some(processes) = &mut self.processes {
                processes.push(belongs, &frame);
            }
        }
        self.lag = self.capture.age(newest);
        Ok(true)
    }

    /// Prints what has been judged, and what later packets changed about it.
    fn deliver(&mut self, console: &mut Console<'_>) -> io::Result<()> {
        while let Some(finished) = self.analyzer.take_one() {
            if let Some(evidence) = &mut self.evidence {
                let wanted = self.selection.fits(&finished.session, &finished.verdict);
                if let Some(said) = evidence.finished(&finished, wanted, &self.options, self.analyzer.known_secrets()) {
                    self.say(&said, console);
                }
            }
            let Finished { session, verdict, id, open, .. } = finished;
            self.session(&session, &verdict, open.then_some(id), console)?;
        }
        if !self.analyzer.has_news() {
            return Ok(());
        }
        for news in self.analyzer.take_news() {
            match news {
                News::Revision(revision) if self.told.contains(&revision.id) => self.revision(&revision, console)?,
                // Only now it may be one that was asked for.
                News::Revision(revision) => self.session(&revision.session, &revision.verdict, Some(revision.id), console)?,
                News::Settled(id) => _ = self.told.remove(&id),
                News::Pattern(pattern) if self.asked_for.as_ref().is_none_or(|asked_for| asked_for.any_of(&pattern.sessions)) => {
                    self.status.clear(console);
                    self.output.pattern(&pattern, console)?;
                }
                News::Pattern(_) => {}
            }
        }
        Ok(())
    }

    /// A session has ended. `id`: by that it may be revised.
    fn session(&mut self, session: &Session, verdict: &Verdict, id: Option<u64>, console: &mut Console<'_>) -> io::Result<()> {
        if !self.selection.fits(session, verdict) {
            return Ok(());
        }
        if let (Some(asked_for), Some(number)) = (&mut self.asked_for, session.tcp_stream) {
            asked_for.add(number);
        }
        self.told.extend(id);
        self.tally.add(verdict);
        self.metrics.session(session, verdict);
        if !self.is_listed(verdict) {
            return Ok(());
        }
        self.print(session, verdict, console)
    }

    fn print(&mut self, session: &Session, verdict: &Verdict, console: &mut Console<'_>) -> io::Result<()> {
        self.status.clear(console);
        let process = self.processes.as_ref().and_then(|processes| processes.of(session));
        self.output.session(session, verdict, process.as_ref(), console)
    }

    fn revision(&mut self, revision: &Revision, console: &mut Console<'_>) -> io::Result<()> {
        let Revision { session, verdict, was, .. } = revision;
        self.tally.revise(was, verdict);
        self.metrics.revision();
        if self.is_listed(was) {
            self.status.clear(console);
            let process = self.processes.as_ref().and_then(|processes| processes.of(session));
            self.output.revision(revision, process.as_ref(), console)
        } else if self.is_listed(verdict) {
            self.print(session, verdict, console)
        } else {
            Ok(())
        }
    }

    fn is_listed(&self, verdict: &Verdict) -> bool {
        self.all || Class::of(verdict) != Class::Clean
    }

    /// What is seen to now and then.
    fn round(&mut self, now: Instant, console: &mut Console<'_>) -> io::Result<()> {
        if let Some(step) = self.capture.clock_set() {
            let way = if step > Span::ZERO { "ahead" } else { "back" };
            let seconds = step.secs().abs();
            self.say(&format!("the system's clock was set {way} by {seconds:.1} s; times go on by the clock as it was"), console);
        }
        self.note_losses(console);
        let up = self.capture.is_up().unwrap_or(true);
        if up != self.up {
            self.up = up;
            let what = if up { "is up again: capturing goes on" } else { "is down: nothing is captured until it is up again" };
            let name = printable(self.capture.interface(), 60);
            self.say(&format!("{name} {what}"), console);
        }
        self.look_around();
        if self.signals.reopen() {
            self.output.reopen_log(console);
        }
        if self.output.is_unread() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let limits = self.analyzer.limits_reached();
        self.note_limits(&limits, console);
        let limited = limits.iter().map(|(_, times)| times).sum();
        self.metrics.refresh(&Gauges {
            packets: self.capture.frames(),
            lost: self.analyzer.totals().kernel_drops,
            connections: self.analyzer.connections(),
            lag: self.lag.secs(),
            missing: self.output.missing(),
            limits,
            evidence: self.evidence.as_ref().map(Evidence::counts),
        });
        let counts = Counts {
            frames: self.capture.frames(),
            open: self.analyzer.connections(),
            tally: &self.tally,
            lost: self.analyzer.totals().kernel_drops,
            limited,
        };
        self.status.show(now, &counts, console);
        Ok(())
    }

    /// Finds out which addresses are this host's: they may change.
    fn look_around(&mut self) {
        let own = own_addresses();
        if own == *self.options.own {
            return;
        }
        self.options.own = Arc::new(own);
        self.analyzer.set_own(Arc::clone(&self.options.own));
        if let Some(processes) = &mut self.processes {
            processes.set_own(&self.options.own);
        }
    }

    /// Says what is no longer followed, once: how much that is stands in the totals.
    fn note_limits(&mut self, limits: &[(&'static str, u64)], console: &mut Console<'_>) {
        for (limit, _) in limits {
            if !self.limits_told.contains(limit) {
                self.limits_told.push(limit);
                self.say(&format!("limit reached: {limit}; what goes beyond it is counted, and sessions go on"), console);
            }
        }
    }

    fn note_losses(&mut self, console: &mut Console<'_>) {
        let lost = self.capture.lost();
        if lost > 0 {
            self.analyzer.note_kernel_drops(lost);
            let packets = crate::report::text::count(lost, "packet was", "packets were");
            self.say(&format!("{packets} lost before they could be captured; gaps of ours are blamed on nobody"), console);
        }
    }

    fn say(&mut self, what: &str, console: &mut Console<'_>) {
        self.status.clear(console);
        console.complain(what);
    }

    fn note_problems(&mut self, console: &mut Console<'_>) {
        for problem in std::mem::take(&mut self.unsaid) {
            self.status.clear(console);
            self.problem(problem, console);
        }
    }

    fn problem(&mut self, what: String, console: &mut Console<'_>) {
        console.complain(&what);
        self.problems.push(what);
    }

    fn failed_to_write(&mut self, error: &io::Error, console: &mut Console<'_>) {
        // The log, if there is one, goes on to its end.
        self.output.give_up_printing();
        if error.kind() == io::ErrorKind::BrokenPipe {
            console.complain("whoever read the output has gone: that is the end");
        } else {
            self.problem(format!("cannot write the output: {error}"), console);
        }
    }

    /// Judges what is still open, and prints the totals.
    fn finish(mut self, args: &LiveArgs, console: &mut Console<'_>) -> anyhow::Result<u8> {
        self.note_losses(console);
        self.keylogs.end(self.analyzer.secrets(), &mut self.unsaid);
        self.note_problems(console);
        // Never all that are open at once: after a flood these are many.
        let mut more = true;
        while more {
            more = self.analyzer.finish_some();
            if let Err(error) = self.deliver(console) {
                self.failed_to_write(&error, console);
            }
        }
        for note in self.keylogs.notes(self.analyzer.totals(), self.analyzer.known_secrets()) {
            console.complain(&note);
        }
        if let Some(said) = self.evidence.as_ref().and_then(Evidence::told) {
            console.complain(&said);
        }
        self.output.end(args, &self.tally, self.analyzer.totals(), &self.problems, console)?;
        Ok(if self.problems.is_empty() && self.output.missing() == 0 { RAN } else { INCOMPLETE })
    }
}
