//! What makes the usual cheap must not make it different: the short ways through the program and the long ones agree, packet by packet.
//!
//! `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures to try.

#![cfg(test)]

mod common;

use std::collections::HashMap;

use common::Random;
use whohungup::analyze::{Analyzer, Options};
use whohungup::base::{FlowKey, Limits};
use whohungup::capture::CaptureFile;
use whohungup::decode::{Decoded, Decoder, foretell, plain};
use whohungup::session::{Flow, Given};

/// Frames in all captures that took the short way, and all frames.
#[derive(Default)]
struct Count {
    short: u64,
    all: u64,
}

impl Count {
    /// A comparison in which hardly anything took the short way proves nothing.
    fn check(&self) {
        assert!(self.short * 3 > self.all, "only {} of {} went the short way", self.short, self.all);
    }
}

#[test]
fn a_plain_frame_is_decoded_as_any_other() {
    let mut count = Count::default();
    for path in common::files() {
        let (mut capture, mut decoder) = (CaptureFile::open(&path, 0).unwrap(), Decoder::new());
        while let Some(frame) = capture.next_frame().unwrap() {
            let short = plain(&frame);
            let long = decoder.decode(&frame);
            count.all += 1;
            let Some(short) = short else { continue };
            count.short += 1;
            let Decoded::Tcp(long) = long else { panic!("{} frame {}: {long:?}", path.display(), frame.at.frame) };
            assert_eq!(format!("{short:?}"), format!("{long:?}"), "{}", path.display());
            if frame.data.get(14) == Some(&0x45) {
                assert_eq!(foretell(frame.data), Some((long.key, long.way)), "{} frame {}", path.display(), frame.at.frame);
            }
        }
    }
    count.check();
}

#[test]
fn an_ordinary_segment_leaves_a_connection_as_any_other() {
    let limits = Limits::default();
    let given = Given { limits: &limits, secrets: None, room: usize::MAX };
    let mut count = Count::default();
    for path in common::files() {
        for seed in 0..4 {
            // The first time whole, then with packets missing.
            let mut random = Random::of(seed, &common::name(&path));
            let (mut capture, mut decoder) = (CaptureFile::open(&path, 0).unwrap(), Decoder::new());
            let mut flows: HashMap<FlowKey, [Flow; 2]> = HashMap::new();
            while let Some(frame) = capture.next_frame().unwrap() {
                let lost = seed > 0 && random.one_in(8);
                let Decoded::Tcp(segment) = decoder.decode(&frame) else { continue };
                if lost {
                    continue;
                }
                let [short, long] =
                    flows.entry(segment.key).or_insert_with(|| [0; 2].map(|_| Flow::new(segment.key, None, segment.at, &limits)));
                count.all += 1;
                if short.is_ordinary(&segment) {
                    count.short += 1;
                    short.push_ordinary(&segment, given);
                    assert!(!short.is_over() && short.conn.held() == 0);
                } else {
                    short.push(&segment, given);
                }
                long.push(&segment, given);
                assert_eq!(format!("{short:?}"), format!("{long:?}"), "{} frame {}, seed {seed}", path.display(), frame.at.frame);
            }
        }
    }
    count.check();
}

/// What is said of a capture's sessions by an analysis that looks ahead, or does not.
fn told(path: &std::path::Path, looks_ahead: bool) -> String {
    let mut analyzer = Analyzer::new(Options::default());
    let mut capture = CaptureFile::open(path, 0).unwrap();
    loop {
        if looks_ahead && analyzer.wants_to_look_ahead() {
            analyzer.look_ahead(capture.ahead());
        }
        let Ok(Some(frame)) = capture.next_frame() else { break };
        analyzer.push(&frame);
    }
    analyzer.finish();
    format!("{:?} {:?}", analyzer.take(), analyzer.totals())
}

#[test]
fn looking_ahead_changes_nothing() {
    for path in common::files() {
        assert_eq!(told(&path, true), told(&path, false), "{}", path.display());
    }
}
