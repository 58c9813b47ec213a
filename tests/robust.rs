//! No bytes make it panic, hang or lose what was there: captures cut anywhere, bits flipped, blocks shuffled, lengths that lie.
//!
//! Every random choice comes from a fixed seed, and a failure names the case. `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more
//! captures to damage, and `WHOHUNGUP_CASES` tries so many times as many random cases.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "it reads captures to damage them")]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::format::reader;
use common::packet::{Item, Sum, parse};
use common::{Owned, Random, report};
use whohungup::analyze::{Analyzer, Finished, Options, Totals};
use whohungup::capture::{CaptureError, CaptureFile};
use whohungup::diagnose::Beside;
use whohungup::session::Ending;

/// The longest that any one case may take, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `work` and fails, naming the case, where one panics or takes too long. `work` says which case begins.
fn bounded(work: impl FnOnce(&dyn Fn(String)) + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || work(&|case| sender.send(case).unwrap()));
    let mut case = String::from("(none)");
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(next) => case = next,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end: {case}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    assert!(worker.join().is_ok(), "it panicked: {case}");
}

/// What the program makes of a file's bytes.
struct Outcome {
    frames: u32,
    error: Option<CaptureError>,
    sessions: Vec<Finished>,
    totals: Totals,
}

/// Reads `bytes` as a capture and analyses it. `None` if they do not even begin as one.
fn analysed(bytes: Vec<u8>) -> Option<Outcome> {
    let mut file = CaptureFile::from_reader(reader(bytes), "test", 0).ok()?;
    let mut analyzer = Analyzer::new(Options::default());
    let mut frames = 0;
    let error = loop {
        match file.next_frame() {
            Ok(Some(frame)) => {
                frames += 1;
                analyzer.push(&frame);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(file.next_frame().is_ok_and(|frame| frame.is_none()), "nothing follows the end");
    analyzer.finish();
    let sessions = common::in_order(common::settled(&mut analyzer));
    Some(Outcome { frames, error, sessions, totals: analyzer.totals().clone() })
}

/// Analyses `bytes`, and writes every report about them.
fn survives(bytes: Vec<u8>) -> Option<Outcome> {
    let outcome = analysed(bytes)?;
    assert_eq!(outcome.totals.frames, u64::from(outcome.frames));
    let problems: Vec<String> = outcome.error.iter().map(ToString::to_string).collect();
    assert!(problems.iter().all(|problem| problem.lines().count() == 1), "{problems:?}");
    check(&outcome.sessions);
    report::write_all(&outcome.sessions, &outcome.totals, &problems);
    Some(outcome)
}

/// What holds of every verdict, on any bytes.
fn check(sessions: &[Finished]) {
    for Finished { session, verdict, .. } in sessions {
        assert!(!verdict.evidence.is_empty(), "a verdict without evidence: {verdict:?}");
        assert!(whohungup::diagnose::rules::find(verdict.cause).is_some(), "an unknown cause: {}", verdict.cause);
        assert!(session.first.frame <= session.last.frame);
    }
}

fn bytes_of(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// What is said of sessions that were over within the first `frames` frames, by stream.
fn over_by(sessions: &[Finished], frames: u32) -> HashMap<u32, String> {
    let over = sessions.iter().filter(|finished| {
        let ended = matches!(finished.session.ending, Ending::CloseNotify | Ending::Fin | Ending::Rst | Ending::FatalAlert);
        ended && finished.session.last.frame <= frames
    });
    let said = |Finished { session, .. }: &Finished| {
        // By itself: what later connections tell of it may lie behind the cut.
        let verdict = Options::default().judge(session, &Beside::default());
        let close_notify = (session.close_notify.client, session.close_notify.server);
        format!(
            "{} by {}, {close_notify:?}, {}, {} {}, {}, {}",
            verdict.ending, verdict.closed_by, session.phase, verdict.fault, verdict.fault_confidence, verdict.cause, verdict.summary
        )
    };
    over.map(|finished| (finished.session.tcp_stream.unwrap(), said(finished))).collect()
}

/// Cuts `whole` after `len` bytes and checks that all before the cut is read and judged as in the whole file. `before` is what the
/// previous cut gave, as only another frame can change it.
fn cut(whole: &Outcome, bytes: &[u8], len: usize, before: &mut Option<u32>) {
    let Some(outcome) = quick(bytes[..len].to_vec()) else {
        assert!(len < parts(bytes)[0], "the file header was there");
        return;
    };
    let (frames, error) = outcome;
    assert!(frames <= whole.frames);
    assert!(len == bytes.len() || frames < whole.frames || error.is_some() || whole.error.is_none());
    if let Some(error) = &error {
        assert!(matches!(error, CaptureError::Cut { frames: said, .. } if *said == u64::from(frames)), "{error:?}");
    }
    if *before == Some(frames) {
        return;
    }
    *before = Some(frames);
    let outcome = survives(bytes[..len].to_vec()).unwrap();
    let now = over_by(&outcome.sessions, frames);
    for (stream, said) in over_by(&whole.sessions, frames) {
        assert_eq!(now.get(&stream), Some(&said), "stream {stream} was over before the cut after {frames} frames");
    }
}

/// How many frames `bytes` give, and the error at their end.
fn quick(bytes: Vec<u8>) -> Option<(u32, Option<CaptureError>)> {
    let mut file = CaptureFile::from_reader(reader(bytes), "test", 0).ok()?;
    let mut frames = 0;
    loop {
        match file.next_frame() {
            Ok(Some(_)) => frames += 1,
            Ok(None) => return Some((frames, None)),
            Err(error) => return Some((frames, Some(error))),
        }
    }
}

#[test]
fn cut_at_every_byte() {
    bounded(|begin| {
        for name in ["handshake-rejected.pcap", "cipher-mismatch.pcapng", "fatal-alert.pcap"] {
            let bytes = bytes_of(&common::directory().join(name));
            let whole = analysed(bytes.clone()).unwrap();
            let mut before = None;
            for len in 0..=bytes.len() {
                begin(format!("{name} cut after {len} bytes"));
                cut(&whole, &bytes, len, &mut before);
            }
            assert_eq!(before, Some(whole.frames));
        }
    });
}

#[test]
fn cut_here_and_there() {
    bounded(|begin| {
        for path in common::files() {
            let (name, bytes) = (common::name(&path), bytes_of(&path));
            begin(name.clone());
            let whole = analysed(bytes.clone()).unwrap();
            let mut random = Random::of(1, &name);
            let mut cuts: Vec<usize> = (0..20).map(|_| random.below(bytes.len())).collect();
            cuts.sort_unstable();
            let mut before = None;
            for len in cuts {
                begin(format!("{name} cut after {len} bytes"));
                cut(&whole, &bytes, len, &mut before);
            }
        }
    });
}

/// Changes `bytes` in 1 to 12 places within `from..to`.
fn flip(bytes: &mut [u8], from: usize, to: usize, random: &mut Random) {
    for _ in 0..1 + random.below(12) {
        let at = from + random.below(to - from);
        match random.below(4) {
            0 => bytes[at] = 0xff,
            1 => bytes[at] = 0,
            2 => bytes[at] = random.next() as u8,
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
}

#[test]
fn bits_flipped_anywhere_in_the_file() {
    bounded(|begin| {
        let files = common::files();
        for seed in 0..common::cases(1_000) {
            let mut random = Random::new(10_000 + seed);
            let path = &files[random.below(files.len())];
            begin(format!("{} with bits flipped, seed {seed}", common::name(path)));
            let mut bytes = bytes_of(path);
            // Often in the headers of the file and of its first packets, where most depends on them.
            let to = if random.one_in(2) { bytes.len().min(400) } else { bytes.len() };
            flip(&mut bytes, 0, to, &mut random);
            survives(bytes);
        }
    });
}

/// The frames' analysis, and every report.
fn survives_frames(frames: &[Owned]) {
    let (sessions, totals) = common::sessions(frames);
    assert_eq!(totals.frames, frames.len() as u64);
    check(&sessions);
    report::write_all(&sessions, &totals, &[]);
}

#[test]
fn bits_flipped_in_frames() {
    bounded(|begin| {
        let captures: Vec<_> = common::files().iter().map(|path| common::load(path)).collect();
        for seed in 0..common::cases(1_000) {
            let mut random = Random::new(20_000 + seed);
            let capture = &captures[random.below(captures.len())];
            begin(format!("{} with bits flipped in frames, seed {seed}", capture.name));
            let mut frames = capture.frames.clone();
            for _ in 0..1 + random.below(6) {
                let at = random.below(frames.len());
                let len = frames[at].data.len();
                let to = if random.one_in(2) { len.min(80) } else { len };
                flip(&mut frames[at].data, 0, to, &mut random);
            }
            survives_frames(&frames);
        }
    });
}

/// Behind right checksums, so that what is damaged reaches the readers of TLS and of what comes before it.
#[test]
fn bits_flipped_in_streams() {
    bounded(|begin| {
        let captures: Vec<_> = common::files().iter().map(|path| common::load(path)).collect();
        for seed in 0..common::cases(3_000) {
            let mut random = Random::new(30_000 + seed);
            let capture = &captures[random.below(captures.len())];
            begin(format!("{} with bits flipped in streams, seed {seed}", capture.name));
            let mut frames = capture.frames.clone();
            let with_data: Vec<usize> =
                (0..frames.len()).filter(|&i| matches!(parse(&frames[i]), Item::Tcp(packet) if !packet.payload.is_empty())).collect();
            if with_data.is_empty() {
                continue;
            }
            for _ in 0..1 + random.below(4) {
                let at = with_data[random.below(with_data.len())];
                let Item::Tcp(mut packet) = parse(&frames[at]) else { continue };
                if packet.payload.is_empty() {
                    continue;
                }
                match random.below(6) {
                    // The headers of the first record and message in it, lengths above all.
                    0 | 1 => {
                        let len = packet.payload.len().min(12);
                        flip(&mut packet.payload, 0, len, &mut random);
                    }
                    2 => {
                        let start = random.below(packet.payload.len());
                        let end = (start + 4).min(packet.payload.len());
                        let extreme = [[0; 4], [0xff; 4], [0, 0, 0, 1], [0x7f, 0xff, 0xff, 0xff]][random.below(4)];
                        packet.payload[start..end].copy_from_slice(&extreme[..end - start]);
                    }
                    3 => packet.payload.truncate(random.below(packet.payload.len() + 1)),
                    4 => packet.tcp.sequence_number = packet.tcp.sequence_number.wrapping_add(random.next() as u32),
                    _ => {
                        let len = packet.payload.len();
                        flip(&mut packet.payload, 0, len, &mut random);
                    }
                }
                packet.checksum = Sum::Fits;
                frames[at] = packet.frame();
            }
            survives_frames(&frames);
        }
    });
}

/// Everything in any order, and some of it missing or repeated.
#[test]
fn frames_shuffled() {
    bounded(|begin| {
        for path in common::files() {
            let capture = common::load(&path);
            for seed in 0..3 {
                begin(format!("{} shuffled, seed {seed}", capture.name));
                let mut random = Random::of(4_000 + seed, &capture.name);
                let mut frames = capture.frames.clone();
                for i in (1..frames.len()).rev() {
                    frames.swap(i, random.below(i + 1));
                }
                // Once with the times going with the places: only the order is wrong then, not the clock too.
                if seed == 1 {
                    frames.iter_mut().zip(&capture.frames).for_each(|(frame, place)| frame.time = place.time);
                }
                if seed == 2 {
                    frames.retain(|_| !random.one_in(3));
                    let again = frames.clone();
                    frames.extend(again.into_iter().filter(|_| random.one_in(4)));
                }
                if !frames.is_empty() {
                    survives_frames(&frames);
                }
            }
        }
    });
}

/// The records of a pcap file, or the blocks of a pcapng file, behind the first: where each begins.
fn parts(bytes: &[u8]) -> Vec<usize> {
    let number = |at: usize| bytes.get(at..at + 4).map(|four| u32::from_le_bytes(four.try_into().unwrap()) as usize);
    let pcapng = number(0) == Some(0x0a0d_0d0a);
    let mut starts = Vec::new();
    let mut at = if pcapng { number(4).unwrap() } else { 24 };
    while at < bytes.len() {
        starts.push(at);
        at += if pcapng { number(at + 4).unwrap() } else { 16 + number(at + 8).unwrap() };
    }
    assert_eq!(at, bytes.len(), "the file is whole");
    starts
}

#[test]
fn blocks_shuffled() {
    bounded(|begin| {
        for path in common::files() {
            let (name, bytes) = (common::name(&path), bytes_of(&path));
            let starts = parts(&bytes);
            let end = |i: usize| starts.get(i + 1).copied().unwrap_or(bytes.len());
            for seed in 0..3 {
                begin(format!("{name} with its blocks shuffled, seed {seed}"));
                let mut random = Random::of(5_000 + seed, &name);
                let mut order: Vec<usize> = (0..starts.len()).collect();
                for i in (1..order.len()).rev() {
                    order.swap(i, random.below(i + 1));
                }
                let mut shuffled = bytes[..starts.first().copied().unwrap_or(bytes.len())].to_vec();
                for i in order {
                    shuffled.extend_from_slice(&bytes[starts[i]..end(i)]);
                }
                survives(shuffled).unwrap();
            }
        }
    });
}

#[test]
fn lengths_that_lie() {
    let lies = [0, 1, 3, 4, 11, 12, 16, 0x7f, 0xff, 0xffff, 0x4_0000, 0x4_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff];
    bounded(move |begin| {
        for path in common::files() {
            let (name, bytes) = (common::name(&path), bytes_of(&path));
            let mut random = Random::of(6_000, &name);
            let starts = parts(&bytes);
            let pcapng = bytes[0] == 0x0a;
            // Captured and original length, seconds; of pcapng blocks type, length, interface, captured and original length.
            let fields: &[usize] = if pcapng { &[0, 4, 8, 20, 24] } else { &[0, 4, 8, 12] };
            for _ in 0..12 {
                let start = starts[random.below(starts.len())];
                let field = start + fields[random.below(fields.len())];
                let lie: u32 = lies[random.below(lies.len())];
                begin(format!("{name} with {lie:#x} at byte {field}"));
                let mut damaged = bytes.clone();
                if let Some(four) = damaged.get_mut(field..field + 4) {
                    four.copy_from_slice(&lie.to_le_bytes());
                }
                survives(damaged).unwrap();
            }
        }
    });
}

/// Lengths inside frames: of IP headers and packets, of TCP headers and options, of TLS records and messages.
#[test]
fn lengths_that_lie_in_frames() {
    let places: [(usize, usize); 9] = [(14, 1), (16, 2), (20, 2), (23, 1), (46, 1), (54, 2), (55, 1), (69, 2), (72, 2)];
    bounded(move |begin| {
        for path in common::files() {
            let capture = common::load(&path);
            let mut random = Random::of(7_000, &capture.name);
            for case in 0..8 {
                let mut frames = capture.frames.clone();
                let damaged = random.below(frames.len());
                let (at, len) = places[random.below(places.len())];
                let value = [0x00, 0xff, 0x40, 0x4f, 0x50, 0xf0, 0x7f, 0x01][random.below(8)];
                begin(format!("{} with {value:#x} at byte {at} of frame {}, case {case}", capture.name, damaged + 1));
                if let Some(bytes) = frames[damaged].data.get_mut(at..at + len) {
                    bytes.fill(value);
                }
                if random.one_in(3) {
                    frames[damaged].wire_len = [0, 1, u32::MAX][random.below(3)];
                }
                survives_frames(&frames);
            }
        }
    });
}

/// Times at the ends of what a capture can hold, and going backwards.
#[test]
fn times_that_cannot_be() {
    bounded(|begin| {
        for path in common::files() {
            let capture = common::load(&path);
            let mut random = Random::of(8_000, &capture.name);
            begin(format!("{} at times that cannot be", capture.name));
            let extremes = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
            for all in [true, false] {
                let mut frames = capture.frames.clone();
                for frame in &mut frames {
                    if all || random.one_in(4) {
                        frame.time = if random.one_in(4) { random.next() as i64 } else { extremes[random.below(extremes.len())] };
                    }
                }
                survives_frames(&frames);
            }
        }
    });
}

#[test]
fn no_capture_at_all() {
    bounded(|begin| {
        for seed in 0..common::cases(300) {
            begin(format!("random bytes, seed {seed}"));
            let mut random = Random::new(90_000 + seed);
            let mut bytes: Vec<u8> = (0..random.below(600)).map(|_| random.next() as u8).collect();
            let magics: [&[u8]; 7] = [
                &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0],
                &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4],
                &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
                &[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0],
                &[0x1f, 0x8b, 8, 0],
                &[0x28, 0xb5, 0x2f, 0xfd],
                &[],
            ];
            let magic = magics[random.below(magics.len())];
            bytes.splice(..magic.len().min(bytes.len()), magic.iter().copied());
            survives(bytes);
        }
    });
}

/// The cases above would prove nothing if damage was never noticed.
#[test]
fn damage_shows() {
    let bytes = bytes_of(&common::directory().join("fatal-alert.pcap"));
    let whole = survives(bytes.clone()).unwrap();
    assert!(whole.error.is_none() && !whole.sessions.is_empty());
    let cut = survives(bytes[..bytes.len() - 1].to_vec()).unwrap();
    assert_eq!(cut.frames + 1, whole.frames);
    assert!(matches!(cut.error, Some(CaptureError::Cut { .. })));
}
