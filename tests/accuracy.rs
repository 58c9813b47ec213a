//! How often the verdicts are right, over every labelled session of `captures/`. Prints the figures that the README quotes.
//!
//! It runs without the test harness so that `cargo test` shows them. The labels, `captures/truth.jsonl`, were written by the lab that made
//! the captures. `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures and a `truth.jsonl` of the same kind, to be scored alone.

#![cfg(test)]
#![allow(clippy::print_stdout, reason = "the figures are the point")]
#![allow(clippy::disallowed_methods, reason = "it reads the labels, and whether it is asked to run")]

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::ExitCode;

use common::truth::{Truth, truths};
use whohungup::analyze::{Finished, Totals};
use whohungup::base::Side;
use whohungup::diagnose::{Confidence, rules};

/// The least share of endings, and of faults, that must be right.
const AIM: f64 = 0.97;

fn main() -> ExitCode {
    // What the test harness understands and tools rely on.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("accuracy: test");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "accuracy".contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    let without = score(common::sessions_of);
    without.print("without keys");
    let with = score(common::sessions_with_keys);
    with.print("with the keys of those that have some");
    let mut failures = without.failures();
    failures.extend(with.failures().into_iter().map(|failure| format!("with keys: {failure}")));
    failures.extend(with.contradicts(&without));
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    println!("accuracy ... {}", if failures.is_empty() { "ok" } else { "FAILED" });
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Right, left open, wrong.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    open: usize,
    wrong: usize,
}

impl Tally {
    fn add(&mut self, right: bool, open: bool) {
        match (right, open) {
            (true, _) => self.right += 1,
            (false, true) => self.open += 1,
            (false, false) => self.wrong += 1,
        }
    }

    fn all(&self) -> usize {
        self.right + self.open + self.wrong
    }

    fn share(&self) -> f64 {
        if self.all() == 0 { 1.0 } else { self.right as f64 / self.all() as f64 }
    }
}

/// What became of one cause.
#[derive(Debug, Default)]
struct OfCause {
    /// Captures that show it, and the causes that the sessions in them that show it were given.
    shown: BTreeMap<String, BTreeSet<&'static str>>,
    /// Its near misses, and those of them that were not given it.
    silent: BTreeMap<String, bool>,
}

#[derive(Debug, Default)]
struct Score {
    captures: usize,
    sessions: usize,
    ending: Tally,
    closed_by: Tally,
    close_notify: Tally,
    /// The same of sessions that were decrypted.
    decrypted: Tally,
    phase: Tally,
    fault: Tally,
    cause: Tally,
    roles: Tally,
    number: Tally,
    undetermined: usize,
    undetermined_needlessly: usize,
    accusations: Vec<String>,
    alarms: Vec<String>,
    overconfident: Vec<String>,
    missed: Vec<String>,
    invented: Vec<String>,
    disagreements: Vec<String>,
    causes: BTreeMap<String, OfCause>,
    /// What was said of each side's close_notify, whether its session was decrypted, and whether the capture has defects.
    said: BTreeMap<String, (&'static str, bool, bool)>,
}

fn score(sessions_of: fn(&Path) -> (Vec<Finished>, Totals)) -> Score {
    let directory = common::extra().unwrap_or_else(common::directory);
    let files = truths(&directory);
    let mut score = Score { captures: files.len(), ..Score::default() };
    for rule in rules::ALL {
        score.causes.insert(rule.slug.to_owned(), OfCause::default());
    }
    for (file, truths) in &files {
        let (sessions, _) = sessions_of(&directory.join(file));
        let mut found: HashMap<(String, String), Vec<&Finished>> = HashMap::new();
        for finished in sessions.iter().rev() {
            let ends = finished.session.ends;
            found.entry((ends.client.to_string(), ends.server.to_string())).or_default().push(finished);
        }
        for truth in truths {
            score.sessions += 1;
            let (client, server) = truth.endpoints();
            let there = found.get_mut(&(client.clone(), server.clone())).and_then(Vec::pop);
            let back = || found.get_mut(&(server, client)).and_then(Vec::pop);
            match there.map(|finished| (finished, true)).or_else(|| back().map(|finished| (finished, false))) {
                Some((finished, roles)) => {
                    score.roles.add(roles, false);
                    score.compare(truth, finished);
                }
                None => score.missed.push(format!("{file} {}", truth.text("client"))),
            }
        }
        for ((client, server), rest) in found.iter().filter(|(_, rest)| !rest.is_empty()) {
            score.invented.push(format!("{file} {client} > {server} ({})", rest.len()));
        }
    }
    score
}

impl Score {
    fn compare(&mut self, truth: &Truth, Finished { session, verdict, .. }: &Finished) {
        let place = format!("{} stream {}", truth.text("file"), truth.0["stream"]);
        let differs = |what: &str, want: &str, have: &str| format!("{place}: {what} is {have}, want {want}");
        let number = truth.0["stream"].as_u64().map(|number| number as u32);
        self.number.add(number.is_none() || session.tcp_stream == number, false);

        for (field, have, confidence) in [
            ("ending", verdict.ending.name(), Some(verdict.ending_confidence)),
            ("closed_by", verdict.closed_by.name(), Some(verdict.closed_by_confidence)),
            ("phase", session.phase.name(), None),
        ] {
            let right = truth.allows(field, have);
            let open = have == "unknown";
            let tally = match field {
                "ending" => &mut self.ending,
                "closed_by" => &mut self.closed_by,
                _ => &mut self.phase,
            };
            tally.add(right, open);
            if !right && !open {
                let differs = differs(field, truth.text(field), have);
                if confidence == Some(Confidence::Certain) {
                    self.overconfident.push(differs.clone());
                }
                self.disagreements.push(differs);
            }
        }

        for side in Side::BOTH {
            let Some(want) = truth.0["close_notify"][side.name()].as_bool() else { continue };
            let have = session.close_notify[side].name();
            let right = if want { matches!(have, "sent" | "likely") } else { matches!(have, "absent" | "not_applicable") };
            let open = have == "unknown";
            self.close_notify.add(right, open);
            let decrypted = session.tls.decryption.name() == Some("fully");
            if decrypted {
                self.decrypted.add(right && have != "likely", open);
            }
            self.said.insert(format!("{place} {side}"), (have, decrypted, !session.caps.is_empty()));
            if !right && !open {
                let want = if want { "sent" } else { "absent" };
                self.disagreements.push(differs(&format!("the {side}'s close_notify"), want, have));
            }
        }

        let fault = verdict.fault.name();
        let right = truth.words("fault").contains(&fault);
        let as_said = format!("{fault} ({}, {})", verdict.cause, verdict.fault_confidence);
        let wrong = differs("fault", &truth.words("fault").join("/"), &as_said);
        self.fault.add(right, fault == "undetermined");
        if fault == "undetermined" {
            self.undetermined += 1;
            self.undetermined_needlessly += usize::from(!right);
        }
        if truth.words("never_blame").contains(&fault) {
            self.accusations.push(wrong.clone());
        }
        if truth.clean() && !right && fault != "undetermined" {
            self.alarms.push(wrong.clone());
        }
        if !right && verdict.fault_confidence == Confidence::Certain {
            self.overconfident.push(wrong.clone());
        }
        if !right {
            self.disagreements.push(wrong);
        }

        let causes = truth.words("cause");
        self.cause.add(causes.contains(&verdict.cause), false);
        if !causes.contains(&verdict.cause) {
            self.disagreements.push(differs("cause", &causes.join("/"), verdict.cause));
        }
        let file = || truth.text("file").to_owned();
        let tested = truth.text("cause_tested");
        if causes.contains(&tested) {
            self.causes.entry(tested.to_owned()).or_default().shown.entry(file()).or_default().insert(verdict.cause);
        }
        let missed = truth.text("near_miss_of");
        if !missed.is_empty() && !causes.contains(&missed) {
            *self.causes.entry(missed.to_owned()).or_default().silent.entry(file()).or_insert(true) &= verdict.cause != missed;
        }
    }

    fn print(&self, keys: &str) {
        println!("\naccuracy: {} labelled sessions in {} captures, {keys}", self.sessions, self.captures);
        println!("\n  {:<46}{:>6} {:>6} {:>6} {:>6}", "cause", "shown", "of", "silent", "of");
        for (cause, found) in &self.causes {
            let shown = found.shown.values().filter(|given| given.contains(cause.as_str())).count();
            let silent = found.silent.values().filter(|silent| **silent).count();
            println!("  {cause:<46}{shown:>6} {:>6} {silent:>6} {:>6}", found.shown.len(), found.silent.len());
        }
        println!();
        for (cause, found) in &self.causes {
            for (file, given) in found.shown.iter().filter(|(_, given)| !given.contains(cause.as_str())) {
                println!("  {file} shows {cause} and was given {}", Vec::from_iter(given.iter().copied()).join(", "));
            }
        }
        println!("\n  {:<30}{:>7} {:>6} {:>6} {:>6}", "", "", "right", "open", "wrong");
        for (what, tally) in [
            ("endings", &self.ending),
            ("closed_by", &self.closed_by),
            ("close_notify, each side", &self.close_notify),
            ("… of decrypted sessions", &self.decrypted),
            ("phases", &self.phase),
            ("fault acceptable", &self.fault),
            ("cause acceptable", &self.cause),
            ("roles", &self.roles),
            ("numbered as by Wireshark", &self.number),
        ] {
            println!("  {what:<30}{:>6.1}% {:>6} {:>6} {:>6}", 100.0 * tally.share(), tally.right, tally.open, tally.wrong);
        }
        let matched = self.fault.all().max(1);
        let share = 100.0 * self.undetermined as f64 / matched as f64;
        println!(
            "  undetermined: {share:.1}% ({} of {matched}), {} of them where the capture can decide",
            self.undetermined, self.undetermined_needlessly
        );
        for (what, list) in [
            ("false accusations", &self.accusations),
            ("false alarms on clean sessions", &self.alarms),
            ("statements called certain and wrong", &self.overconfident),
            ("sessions missed", &self.missed),
            ("sessions invented", &self.invented),
        ] {
            println!("  {what}: {}", list.len());
            for line in list {
                println!("    {line}");
            }
        }
        println!("  disagreements: {}", self.disagreements.len());
        for line in &self.disagreements {
            println!("    {line}");
        }
        println!();
    }

    /// What must be once sessions are decrypted, beside what must be anyway: no close_notify is inferred, or left open by a capture
    /// without defects, and none that was stated without keys is disproved by them.
    fn contradicts(&self, without: &Score) -> Vec<String> {
        let mut failures = Vec::new();
        if self.decrypted.all() == 0 {
            failures.push("no session was decrypted".to_owned());
        }
        for (place, (with, decrypted, limited)) in &self.said {
            let Some((before, ..)) = without.said.get(place).filter(|_| *decrypted) else { continue };
            if *with == "likely" || (*with == "unknown" && !*limited) {
                failures.push(format!("{place}'s close_notify is {with} although the session was decrypted"));
            }
            if matches!((*before, *with), ("sent", "absent") | ("absent", "sent")) {
                failures.push(format!("{place}'s close_notify was said to be {before} without keys, and is {with}"));
            }
        }
        failures
    }

    /// What must not be, one line each.
    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                failures.push(what);
            }
        };
        must(self.sessions > 0, "there are no labels".to_owned());
        must(self.accusations.is_empty(), "a party was accused that must not be".to_owned());
        must(self.alarms.is_empty(), "a clean session was called faulty".to_owned());
        must(self.overconfident.is_empty(), "a statement was called certain and is wrong".to_owned());
        must(self.missed.is_empty() && self.invented.is_empty(), "sessions were missed or invented".to_owned());
        must(self.roles.wrong == 0, "client and server were taken for each other".to_owned());
        must(self.number.wrong == 0, "connections are not numbered as Wireshark numbers them".to_owned());
        must(self.ending.share() >= AIM, format!("fewer than {:.0}% of the endings are right", 100.0 * AIM));
        must(self.fault.share() >= AIM, format!("fewer than {:.0}% of the faults are acceptable", 100.0 * AIM));
        for (cause, found) in &self.causes {
            for (file, silent) in &found.silent {
                must(*silent, format!("{file}, which only looks like {cause}, was given it"));
            }
        }
        failures
    }
}
