//! Every alert that can be read, in clear or with keys, against tshark with the same keys: equal in frame, direction, level, description.
//!
//! Alerts that only the program reads must have their reason: tshark does not take the connection for TLS. Told that it is TLS (`-d`), and not
//! to take it for HTTP instead, tshark must read the very same. So it is where a server answers with an alert to what is no ClientHello (to
//! a health check's FIN, to plain HTTP), and where a port is known for another protocol. No other difference passes.
//!
//! It runs without the test harness, to say why where it does not run. `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures; of
//! their key logs, one may belong to several.

#![cfg(test)]
#![allow(clippy::print_stdout, reason = "what was compared is the point")]
#![allow(clippy::disallowed_methods, reason = "it reads arguments and runs tshark")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
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
    let common_keys = common::extra().map(|directory| all_keys(&directory));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let keys = |path: &Path| match &common_keys {
        Some(keys) if path.parent() != Some(&common::directory()) => keys.path().to_owned(),
        _ => path.with_extension("keys"),
    };
    let share = |first: usize| files.iter().skip(first).step_by(threads).filter_map(|path| compare(path, &keys(path))).collect::<Vec<_>>();
    let found: Vec<Compared> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn({
                    let share = &share;
                    move || share(first)
                })
            })
            .collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (equal, captures) = (found.iter().map(|found| found.equal).sum::<i32>(), found.len());
    let (mut told, mut failed) = (0, equal == 0);
    for Compared { name, differing, told: here, .. } in found {
        for (alert, more) in differing {
            let whose = if more > 0 { "only read here" } else { "only read by tshark" };
            println!("  {name}: frame {}, from port {}, level {}, description {}: {whose}", alert.0, alert.1, alert.2, alert.3);
            failed = true;
        }
        for alert in &here {
            println!("  {name}: frame {}, description {}: tshark reads it only when told that this is TLS", alert.0, alert.3);
        }
        told += here.len();
    }
    println!(
        "\nalerts: {equal} equal to tshark's in {captures} captures with keys, {told} more that tshark reads when told that it is TLS"
    );
    println!("alerts ... {}", if failed { "FAILED" } else { "ok" });
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// All key logs in a directory in one.
fn all_keys(directory: &Path) -> tempfile::NamedTempFile {
    let mut all = tempfile::NamedTempFile::new().unwrap();
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "keys") {
            all.write_all(&fs::read(path).unwrap()).unwrap();
            all.write_all(b"\n").unwrap();
        }
    }
    all
}

/// What came of one capture.
struct Compared {
    name: String,
    equal: i32,
    /// How often each alert was read here more often than by tshark, where there is no reason for it.
    differing: BTreeMap<Alert, i32>,
    /// Alerts that tshark read once it was told to.
    told: Vec<Alert>,
}

/// `None` where the capture has no keys.
fn compare(path: &Path, keys: &Path) -> Option<Compared> {
    let (sessions, totals) = common::sessions_with(path, keys);
    if totals.keyed == 0 && !path.with_extension("keys").exists() {
        return None;
    }
    let mut differing: BTreeMap<Alert, i32> = BTreeMap::new();
    let mut ports = BTreeSet::new();
    for session in sessions.iter().map(|finished| &finished.session) {
        for (side, at, alert) in &session.tls.alerts {
            *differing.entry((at.frame, session.ends[*side].port, alert.level.0, alert.description.0)).or_default() += 1;
            ports.insert(session.ends.server.port);
        }
    }
    let ours: i32 = differing.values().sum();
    for alert in tsharks(path, keys, &[]) {
        *differing.entry(alert).or_default() -= 1;
    }
    differing.retain(|_, more| *more != 0);
    let equal = ours - differing.values().filter(|more| **more > 0).sum::<i32>();
    let mut told = Vec::new();
    if !differing.is_empty() {
        let ports: Vec<u16> = ports.into_iter().collect();
        let all = tsharks(path, keys, &ports);
        told = differing.iter().filter(|(alert, more)| **more == 1 && all.contains(alert)).map(|(alert, _)| *alert).collect();
        differing.retain(|alert, _| !told.contains(alert));
    }
    Some(Compared { name: common::name(path), equal, differing, told })
}

/// The alerts that tshark reads; it is told that connections with one of `ports` are TLS.
fn tsharks(path: &Path, keys: &Path, ports: &[u16]) -> Vec<Alert> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(path).args(["-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "tls.alert_message.desc", "-T", "fields"]);
    if keys.exists() {
        tshark.arg("-o").arg(format!("tls.keylog_file:{}", keys.display()));
    }
    if !ports.is_empty() {
        tshark.args(["--disable-heuristic", "http_tcp"]);
    }
    for port in ports {
        tshark.args(["-d", &format!("tcp.port=={port},tls")]);
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
