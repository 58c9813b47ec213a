//! Every alert that can be read, in clear or with keys, against tshark with the same keys: equal in frame, direction, level, description.
//!
//! It runs without the test harness, to say why where it does not run. `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures
//! and their key logs.

#![cfg(test)]
#![allow(clippy::print_stdout, reason = "what was compared is the point")]
#![allow(clippy::disallowed_methods, reason = "it reads arguments and runs tshark")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Frame, sender's port, level, description.
type Alert = (u32, u16, u8, u8);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("alerts: test");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if !filters.is_empty() && !filters.iter().any(|filter| "alerts".contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("alerts ... skipped: there is no tshark to compare with");
        return ExitCode::SUCCESS;
    }
    // tshark takes most of a second to start.
    let files = common::files();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found: Vec<Compared> = std::thread::scope(|scope| {
        let share = |first: usize| files.iter().skip(first).step_by(threads).filter_map(|path| compare(path)).collect::<Vec<_>>();
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (equal, captures) = (found.iter().map(|found| found.equal).sum::<i32>(), found.len());
    let (mut ours_alone, mut failed) = (0, equal == 0);
    for Compared { name, differing, .. } in found {
        for (alert, more) in differing.into_iter().filter(|(_, more)| *more != 0) {
            let whose = if more > 0 { "only read here" } else { "only read by tshark" };
            println!("  {name}: frame {}, from port {}, level {}, description {}: {whose}", alert.0, alert.1, alert.2, alert.3);
            ours_alone += more.max(0);
            failed |= more < 0;
        }
    }
    println!("\nalerts: {equal} equal to tshark's in {captures} captures with keys, {ours_alone} that tshark does not read");
    println!("alerts ... {}", if failed { "FAILED" } else { "ok" });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What came of one capture.
struct Compared {
    name: String,
    equal: i32,
    /// How often each alert was read here more often than by tshark.
    differing: BTreeMap<Alert, i32>,
}

/// `None` where the capture has no keys.
fn compare(path: &Path) -> Option<Compared> {
    let (sessions, totals) = common::sessions_with_keys(path);
    if totals.keyed == 0 && !path.with_extension("keys").exists() {
        return None;
    }
    let mut differing: BTreeMap<Alert, i32> = BTreeMap::new();
    for session in sessions.iter().map(|finished| &finished.session) {
        for (side, at, alert) in &session.tls.alerts {
            *differing.entry((at.frame, session.ends[*side].port, alert.level.0, alert.description.0)).or_default() += 1;
        }
    }
    let ours: i32 = differing.values().sum();
    for alert in tsharks(path) {
        *differing.entry(alert).or_default() -= 1;
    }
    let equal = ours - differing.values().filter(|more| **more > 0).sum::<i32>();
    Some(Compared { name: common::name(path), equal, differing })
}

/// The alerts that tshark reads.
fn tsharks(path: &Path) -> Vec<Alert> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(path).args(["-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "tls.alert_message.desc", "-T", "fields"]);
    let keys = path.with_extension("keys");
    if keys.exists() {
        tshark.arg("-o").arg(format!("tls.keylog_file:{}", keys.display()));
    }
    for field in ["frame.number", "tcp.srcport", "tls.alert_message.level", "tls.alert_message.desc"] {
        tshark.args(["-e", field]);
    }
    let out = tshark.output().unwrap().stdout;
    let mut alerts = Vec::new();
    for line in String::from_utf8_lossy(&out).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [frame, port, levels, descriptions] = fields[..] else { continue };
        for (level, description) in levels.split(',').zip(descriptions.split(',')) {
            alerts.push((frame.parse().unwrap(), port.parse().unwrap(), level.parse().unwrap(), description.parse().unwrap()));
        }
    }
    alerts
}
