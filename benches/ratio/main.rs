//! What reading costs: CPU time as a ratio to `tcpdump -r FILE -w /dev/null` on the same file, and peak memory.
//!
//! `cargo bench` writes the captures (always the same bytes) below `target/tmp` once, and runs the release build on them. Arguments are names
//! of captures, to run on these alone, and the program to run instead: `cargo bench --bench ratio -- small --program=PATH`.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[cfg(unix)]
mod script;
#[cfg(unix)]
mod traffic;
#[cfg(unix)]
mod usage;

/// How often each program reads each capture; the median counts.
#[cfg(unix)]
const ROUNDS: usize = 5;
/// Peak memory allowed, in KiB.
#[cfg(unix)]
const MEMORY: u64 = 64 * 1024;

/// The argument that names the program to measure.
#[cfg(unix)]
const PROGRAM: &str = "--program=";

#[cfg(not(unix))]
fn main() {
    println!("CPU time and peak memory of other programs are measured on Unix only");
}

#[cfg(unix)]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [first, command @ ..] = arguments.as_slice()
        && first == usage::WRAPPED
    {
        usage::wrapped(command);
        return;
    }
    let (programs, names): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with(PROGRAM));
    let program = programs.first().and_then(|argument| argument.strip_prefix(PROGRAM)).unwrap_or(env!("CARGO_BIN_EXE_whohungup"));
    let mut failed = false;
    for capture in traffic::CAPTURES.iter().filter(|capture| names.is_empty() || names.contains(&capture.name)) {
        failed |= !measure(capture, program);
    }
    std::process::exit(i32::from(failed));
}

/// Measures one capture; whether it stayed within its bounds.
#[cfg(unix)]
fn measure(capture: &traffic::Capture, program: &str) -> bool {
    let (path, packets) = capture.file();
    let path = path.to_str().unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut said = String::new();
    for _ in 0..ROUNDS {
        theirs.push(usage::run(&["tcpdump", "-r", path, "-w", "/dev/null"]).0);
        let (cost, out) = usage::run(&[program, "read", "--format", "ndjson", path]);
        ours.push(cost);
        said = out;
    }
    let seconds = |costs: &[usage::Cost]| median(costs.iter().map(|cost| cost.seconds).collect());
    let (mine, base) = (seconds(&ours), seconds(&theirs));
    let memory = ours.iter().map(|cost| cost.peak_kib).max().unwrap_or(0);
    let (ratio, rate) = (mine / base, packets as f64 / mine / 1e6);
    let sound = said.contains(capture.summary);
    let fast = capture.ratio.is_none_or(|limit| ratio <= limit);
    let lean = !capture.lean || memory <= MEMORY;
    println!(
        "{:8} {packets:>9} packets  {mine:.3} s of CPU  tcpdump {base:.3} s  ratio {ratio:.2}{}{}  {rate:.1} Mpkt/s  peak {:.1} MiB{}{}{}",
        capture.name,
        capture.ratio.map_or_else(String::new, |limit| format!(" (at most {limit})")),
        if fast { "" } else { " TOO SLOW" },
        memory as f64 / 1024.0,
        if capture.lean { format!(" (at most {})", MEMORY / 1024) } else { String::new() },
        if lean { "" } else { " TOO MUCH" },
        if sound { "" } else { " WRONG RESULT" },
    );
    fast && lean && sound
}

#[cfg(unix)]
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
