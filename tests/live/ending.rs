//! The end: whatever was captured before it is judged or counted, however it comes.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lab::{Lab, Live, wait_until};
use super::{objects, read};

/// While the program stands still, sessions end; so they wait in the kernel's buffer.
fn while_it_stands_still(live: &Live, act: impl FnOnce()) {
    live.signal(Signal::SIGSTOP);
    act();
    // What the kernel gathers it hands over within this time.
    std::thread::sleep(std::time::Duration::from_millis(300));
    live.signal(Signal::SIGCONT);
}

#[test]
fn what_waits_when_a_signal_comes_is_judged() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live(&["--format", "ndjson"]);
    while_it_stands_still(&live, || {
        lab.ask("polite", 20);
        live.signal(Signal::SIGTERM);
    });
    assert_eq!(live.ends(), 0);
    let told = objects(&live.out());
    let resets = told.iter().filter(|object| object["cause"] == "server-reset").count();
    assert_eq!((resets, &told.last().unwrap()["kernel_drops"]), (20, &0.into()), "{}", live.err());
    assert!(!live.err().contains("waiting"), "{}", live.err());
}

#[test]
fn what_waits_when_the_time_is_over_is_judged() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live(&["--duration", "3s"]);
    while_it_stands_still(&live, || {
        lab.ask("polite", 5);
        std::thread::sleep(std::time::Duration::from_secs(3));
    });
    assert_eq!(live.ends(), 0);
    assert_eq!(live.out().matches("server-reset: ").count(), 5, "{}", live.out());
}

#[test]
fn what_waits_when_the_interface_is_removed_is_judged() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live(&[]);
    while_it_stands_still(&live, || {
        lab.ask("polite", 5);
        lab.ip("a", "link del va");
    });
    assert_eq!(live.ends(), 2);
    assert!(live.err().contains("va is gone: it was removed"), "{}", live.err());
    assert_eq!(live.out().matches("server-reset: ").count(), 5, "{}", live.out());
}

#[test]
fn what_waits_beyond_the_count_is_said() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("polite");
    let mut live = lab.live(&["--count", "10", "--format", "ndjson"]);
    while_it_stands_still(&live, || lab.ask("polite", 5));
    assert_eq!(live.ends(), 0);
    assert!(live.err().contains(" packets were still waiting at the end, and not looked at\n"), "{}", live.err());
    let told = objects(&live.out());
    assert_eq!(told.last().unwrap()["frames"], 10);
    // Each session has at least 12 packets.
    let said: u32 = live.err().lines().last().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((50..200).contains(&said), "{said}");
}

#[test]
fn the_log_is_whole_when_the_reader_of_the_rest_goes() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let log = lab.path("log");
    let mut command = lab.on("a", env!("CARGO_BIN_EXE_whohungup"));
    command.args(["live", "--log"]).arg(&log).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_until("the log", || read(&log).contains("\"capture\""));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    drop(child.stdout.take());
    lab.ask("polite", 8);
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill(pid, Signal::SIGCONT).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.ends_with("whohungup: whoever read the output has gone: that is the end\n"), "{err}");
    let logged = objects(&read(&log));
    assert_eq!(logged.iter().filter(|object| object["cause"] == "server-reset").count(), 8, "{logged:?}");
    assert_eq!(logged.last().unwrap()["type"], "summary");
}
