//! CPU time and peak memory of another program.

use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// The argument that makes this program run another one and say what it cost.
///
/// What the operating system counts is all children together, so each measured program gets a parent of its own.
pub(crate) const WRAPPED: &str = "--wrapped";

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// User and system time, in seconds.
    pub(crate) seconds: f64,
    /// Peak resident set, in KiB.
    pub(crate) peak_kib: u64,
}

/// Runs `command`; what it cost, and the last line it printed.
pub(crate) fn run(command: &[&str]) -> (Cost, String) {
    let itself = std::env::current_exe().expect("a path of this program");
    let output = Command::new(itself).arg(WRAPPED).args(command).output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    let (said, cost) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    let (micros, peak) = cost.split_once(' ').expect("two numbers");
    let cost = Cost { seconds: micros.parse::<f64>().unwrap() / 1e6, peak_kib: peak.parse().unwrap() };
    (cost, said.to_owned())
}

/// The inner half of [`run`]: passes on the last line the program prints, then what it cost.
pub(crate) fn wrapped(command: &[String]) {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect(&command[0]);
    let (mut line, mut last) = (Vec::new(), Vec::new());
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    while output.read_until(b'\n', &mut line).expect("a pipe that can be read") > 0 {
        std::mem::swap(&mut line, &mut last);
        line.clear();
    }
    assert!(child.wait().expect("a child").success());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what the child cost");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{}", String::from_utf8_lossy(&last).trim_end());
    // Linux counts KiB, macOS bytes.
    println!("{micros} {}", usage.max_rss() / if cfg!(target_os = "macos") { 1024 } else { 1 });
}
