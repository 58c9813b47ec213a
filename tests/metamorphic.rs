//! What does not change what happened must not change the verdict: other segments, other orders, other links, formats, times, addresses.
//!
//! `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures to try.

#![cfg(test)]

mod common;

use std::fmt::Write;
use std::net::IpAddr;

use common::format::{Format, gzipped, reader, written};
use common::transform::{self, Link};
use common::{Capture, Owned, Random};
use whohungup::analyze::{Analyzer, Finished, Options};
use whohungup::base::Endpoint;
use whohungup::capture::CaptureFile;

/// Seeds of the changes that are drawn at random.
const SEEDS: u64 = 6;

/// What must stay as it was.
const WORDS: [&str; 10] =
    ["tcp_stream", "client", "server", "ending", "closed_by", "client's close_notify", "server's close_notify", "phase", "fault", "cause"];

type Words = [String; WORDS.len()];

fn words(Finished { session, verdict, .. }: &Finished, ends: impl Fn(Endpoint) -> Endpoint) -> Words {
    [
        session.tcp_stream.map_or_else(String::new, |stream| stream.to_string()),
        ends(session.ends.client).to_string(),
        ends(session.ends.server).to_string(),
        verdict.ending.name().to_owned(),
        verdict.closed_by.name().to_owned(),
        session.close_notify.client.name().to_owned(),
        session.close_notify.server.name().to_owned(),
        session.phase.name().to_owned(),
        verdict.fault.name().to_owned(),
        verdict.cause.to_owned(),
    ]
}

fn all_words(sessions: &[Finished], ends: impl Fn(Endpoint) -> Endpoint) -> Vec<Words> {
    let mut all: Vec<Words> = sessions.iter().map(|finished| words(finished, &ends)).collect();
    all.sort_by_key(|words| words[0].parse::<u32>().ok());
    all
}

fn same(end: Endpoint) -> Endpoint {
    end
}

/// Says how `after` differs from `before`, one line a session, but for the streams in `exempt`; how many lines.
fn compare(out: &mut String, what: &str, before: &[Words], after: &[Words], exempt: &[Option<u32>]) -> usize {
    if before.len() != after.len() {
        writeln!(out, "{what}: {} sessions became {}", before.len(), after.len()).unwrap();
        return 1;
    }
    let mut lines = 0;
    for (old, new) in before.iter().zip(after) {
        let changes: Vec<String> =
            (0..WORDS.len()).filter(|&i| old[i] != new[i]).map(|i| format!("{} {} became {}", WORDS[i], old[i], new[i])).collect();
        if !changes.is_empty() && !exempt.contains(&old[0].parse().ok()) {
            writeln!(out, "{what} stream {}: {}", old[0], changes.join(", ")).unwrap();
            lines += 1;
        }
    }
    lines
}

/// Applies `change` to every capture, once for each seed, and compares all that is said of its sessions. `ends` says what becomes of the
/// endpoints; `exempt` picks the sessions for which the change does change what happened.
fn unchanged(
    change: impl Fn(&Capture, u64) -> Vec<Owned>,
    seeds: u64,
    ends: impl Fn(Endpoint) -> Endpoint,
    exempt: impl Fn(&Finished) -> bool,
) {
    let mut found = String::new();
    let mut compared = 0;
    for path in common::files() {
        let capture = common::load(&path);
        let sessions = common::sessions(&capture.frames).0;
        let before = all_words(&sessions, &ends);
        let exempt: Vec<Option<u32>> =
            sessions.iter().filter(|finished| exempt(finished)).map(|finished| finished.session.tcp_stream).collect();
        for seed in 0..seeds {
            let after = all_words(&common::sessions(&change(&capture, seed)).0, same);
            let here = compare(&mut found, &format!("{} (seed {seed})", capture.name), &before, &after, &exempt);
            compared += before.len() - exempt.len();
            if here > 0 {
                break;
            }
        }
    }
    assert!(found.is_empty(), "verdicts changed:\n{found}");
    assert!(compared > 100, "only {compared} sessions were compared");
}

fn none(_: &Finished) -> bool {
    false
}

/// The attempt over the other IP version is known by the client's hardware address and by its being another version.
fn by_hardware(finished: &Finished) -> bool {
    finished.verdict.cause == "parallel-attempt" && finished.session.tls.client_hello.is_none()
}

#[test]
fn segments_cut_in_two() {
    // That only segments of full size are lost, or that small hellos pass, is what tells these causes.
    let sized =
        |finished: &Finished| matches!(finished.verdict.cause, "path-mtu-black-hole" | "path-black-hole" | "large-client-hello-dropped");
    unchanged(|capture, seed| transform::resegmented(&capture.frames, &mut Random::of(seed, &capture.name)), SEEDS, same, sized);
}

#[test]
fn segments_joined() {
    // A hello of one segment is no large one.
    let sized = |finished: &Finished| finished.verdict.cause == "large-client-hello-dropped";
    unchanged(|capture, _| transform::merged(&capture.frames), 1, same, sized);
}

#[test]
fn data_out_of_order() {
    let change = |capture: &Capture, seed| transform::reordered(&capture.frames, &mut Random::of(seed, &capture.name), false);
    unchanged(change, SEEDS, same, none);
}

#[test]
fn data_and_fins_out_of_order() {
    let change = |capture: &Capture, seed| transform::reordered(&capture.frames, &mut Random::of(seed, &capture.name), true);
    unchanged(change, SEEDS, same, none);
}

#[test]
fn every_packet_captured_twice() {
    unchanged(|capture, _| transform::duplicated(&capture.frames), 1, same, none);
}

#[test]
fn other_links() {
    for link in [Link::Ethernet, Link::Raw, Link::Sll, Link::Sll2, Link::Vlan, Link::QinQ, Link::Null, Link::Pppoe] {
        unchanged(|capture, _| transform::relinked(&capture.frames, link), 1, same, by_hardware);
    }
}

#[test]
fn other_addresses() {
    let mirrored = |end: Endpoint| match end.ip {
        IpAddr::V4(ip) => Endpoint { ip: transform::mirrored(ip).into(), port: end.port },
        IpAddr::V6(_) => end,
    };
    unchanged(|capture, _| transform::readdressed(&capture.frames), 1, mirrored, none);
}

#[test]
fn sequence_numbers_that_wrap() {
    unchanged(|capture, _| transform::wrapped(&capture.frames), 1, same, none);
}

#[test]
fn ipv6() {
    let widened = |end: Endpoint| Endpoint { ip: transform::widened(end.ip), port: end.port };
    unchanged(|capture, _| transform::over_ipv6(&capture.frames), 1, widened, by_hardware);
}

#[test]
fn other_times() {
    // Certificates are valid at certain times only.
    let dated = |finished: &Finished| finished.session.tls.certificates.is_some();
    for years in [-20, 12] {
        unchanged(|capture, _| transform::shifted(&capture.frames, years * 31_557_600_000_000_000), 1, same, dated);
    }
}

#[test]
fn other_formats() {
    let mut found = String::new();
    for path in common::files() {
        let capture = common::load(&path);
        if capture.frames.iter().any(|frame| frame.link != capture.frames[0].link) {
            continue;
        }
        let before = all_words(&common::sessions(&capture.frames).0, same);
        for (big, nanos) in [(false, false), (false, true), (true, false), (true, true)] {
            for format in [Format::Pcap { big, nanos }, Format::Pcapng { big, nanos }] {
                let bytes = written(&capture.frames, format);
                for (bytes, how) in [(gzipped(&bytes), " gz"), (bytes, "")] {
                    let after = all_words(&through_file(bytes), same);
                    compare(&mut found, &format!("{} {format:?}{how}", capture.name), &before, &after, &[]);
                }
            }
        }
    }
    assert!(found.is_empty(), "verdicts changed:\n{found}");
}

/// Records of TLS 1.3 may be padded (RFC 8446 section 5.4): then lengths tell no alert from data, and nothing may be said that rests on them.
#[test]
fn padding_hides_a_close_notify_and_accuses_nobody() {
    use whohungup::diagnose::Fault;
    use whohungup::session::CloseNotify;
    let (mut problems, mut hidden) = (String::new(), 0);
    for path in common::files() {
        let capture = common::load(&path);
        let Some(padded) = transform::padded(&capture.frames, 512) else { continue };
        let (before, after) = (common::sessions(&capture.frames).0, common::sessions(&padded).0);
        for (before, after) in
            before.iter().zip(&after).filter(|(before, _)| before.session.tls.version.is_some_and(|version| version.is_tls13()))
        {
            let (was, is) = (before.session.close_notify, after.session.close_notify);
            for (side, was, is) in [("client", was.client, is.client), ("server", was.server, is.server)] {
                let said = matches!(was, CloseNotify::Sent | CloseNotify::Likely);
                hidden += u32::from(said && is == CloseNotify::Unknown);
                if said && is == CloseNotify::Absent {
                    writeln!(problems, "{}: the {side}'s close_notify was {} and is absent", capture.name, was.name()).unwrap();
                }
            }
            let (was, is) = (before.verdict.fault, after.verdict.fault);
            if is != was && !matches!(is, Fault::None | Fault::Undetermined) {
                writeln!(
                    problems,
                    "{} {:?}: {} instead of {} ({})",
                    capture.name,
                    after.session.tcp_stream,
                    is.name(),
                    was.name(),
                    after.verdict.summary
                )
                .unwrap();
            }
        }
    }
    assert!(problems.is_empty(), "\n{problems}");
    assert!(hidden > 10, "only {hidden} close_notifies were padded");
}

fn through_file(bytes: Vec<u8>) -> Vec<Finished> {
    let mut file = CaptureFile::from_reader(reader(bytes), "test", 0).unwrap();
    let mut analyzer = Analyzer::new(Options::default());
    while let Some(frame) = file.next_frame().unwrap() {
        analyzer.push(&frame);
    }
    analyzer.finish();
    common::in_order(common::settled(&mut analyzer))
}

/// The packet editor itself: a capture taken apart and put together is what it was.
#[test]
fn the_editor_changes_nothing_by_itself() {
    let mut edited = 0;
    for path in common::files() {
        let capture = common::load(&path);
        let items = common::packet::parse_all(&capture.frames);
        edited += items.iter().filter(|item| item.tcp().is_some()).count();
        for (frame, item) in capture.frames.iter().zip(&items) {
            let mut again = item.frame();
            // Ethernet pads short frames.
            again.data.resize(again.data.len().max(frame.data.len()), 0);
            again.wire_len = again.wire_len.max(frame.wire_len);
            assert_eq!(again, *frame, "{}", capture.name);
        }
    }
    assert!(edited > 1_000, "only {edited} packets could be edited");
}
