//! What makes the usual cheap must not make it different: the short ways through the program and the long ones agree, packet by packet.
//!
//! `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures to try.

#![cfg(test)]

mod common;

use std::collections::HashMap;

use common::Random;
use whohungup::analyze::{Analyzer, Options};
use whohungup::base::{FlowKey, Frame, Limits};
use whohungup::capture::CaptureFile;
use whohungup::decode::{Decoded, Decoder, Glance, Segment, TcpFlags, glance, plain, usual};
use whohungup::session::{Flow, Given, Spans};

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
    let (mut count, mut usual_ones) = (Count::default(), Count::default());
    for path in common::files() {
        let (mut capture, mut decoder) = (CaptureFile::open(&path, 0).unwrap(), Decoder::new());
        while let Some(frame) = capture.next_frame().unwrap() {
            let short = plain(&frame);
            let long = decoder.decode(&frame);
            count.all += 1;
            let Some(short) = short else { continue };
            count.short += 1;
            usual_ones.all += 1;
            let Decoded::Tcp(long) = long else { panic!("{} frame {}: {long:?}", path.display(), frame.at.frame) };
            assert_eq!(format!("{short:?}"), format!("{long:?}"), "{}", path.display());
            // What is guessed of it beforehand costs time where it is wrong, and tells nothing; of these it is right.
            let Glance { key, way, has_data, flags } = glance(&frame).unwrap();
            let seen = (short.key, short.way, !short.payload.is_empty(), TcpFlags(short.flags.0 & 0xff));
            assert_eq!((key, way, has_data, flags), seen, "{} frame {}", path.display(), frame.at.frame);
            if let Some(usual) = usual(&frame) {
                usual_ones.short += 1;
                assert_eq!(format!("{usual:?}"), format!("{short:?}"), "{}", path.display());
            }
        }
    }
    count.check();
    usual_ones.check();
}

/// Lets every connection of every capture be followed twice, the segments taken in by `push`, which does so for the first one in the short way
/// where there is one, and counts that. Both must be alike after each, whole captures and with packets missing.
fn follow_twice(limits: &Limits, push: impl Fn(&mut [Flow; 2], &Segment<'_>, &mut Count)) {
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
                let both = flows.entry(segment.key).or_insert_with(|| [0; 2].map(|_| Flow::new(segment.key, None, segment.at, limits)));
                push(both, &segment, &mut count);
                let [short, long] = both;
                assert_eq!(format!("{short:?}"), format!("{long:?}"), "{} frame {}, seed {seed}", path.display(), frame.at.frame);
            }
        }
    }
    count.check();
}

#[test]
fn an_ordinary_segment_leaves_a_connection_as_any_other() {
    let limits = Limits::default();
    let given = Given { limits: &limits, secrets: None, room: usize::MAX };
    follow_twice(&limits, |[short, long], segment, count| {
        count.all += 1;
        if short.is_ordinary(segment) {
            count.short += 1;
            short.push_ordinary(segment, given);
            assert!(!short.is_over() && short.conn.held() == 0);
        } else {
            short.push(segment, given);
        }
        long.push(segment, given);
    });
}

#[test]
fn records_that_are_skimmed_leave_a_connection_as_any_other() {
    // Where the streams are taken down, or a timeline is, nothing is skimmed.
    let limits = Limits { timeline_head: 0, timeline_tail: 0, ..Limits::default() };
    let given = Given { limits: &limits, secrets: None, room: usize::MAX };
    follow_twice(&limits, |[short, long], segment, count| {
        let records = |flow: &Flow| flow.said(segment.way).records;
        let before = records(short);
        short.push(segment, given);
        long.log.spans = Some(Box::<Spans>::default());
        long.push(segment, given);
        long.log.spans = None;
        count.all += u64::from(!segment.payload.is_empty() && records(short) > 0);
        count.short += u64::from(records(short) > before);
    });
}

/// What is said of a capture's sessions where frames are taken in one by one, or up to so many together.
fn told(path: &std::path::Path, together: usize) -> String {
    let mut analyzer = Analyzer::new(Options::default());
    let mut capture = CaptureFile::open(path, 0).unwrap();
    loop {
        let mut frames = vec![Frame::default(); together];
        let count = capture.at_hand(&mut frames);
        analyzer.push_all(&frames[..count]);
        if count == 0 {
            let Ok(Some(frame)) = capture.next_frame() else { break };
            analyzer.push(&frame);
        }
    }
    analyzer.finish();
    format!("{:?} {:?}", analyzer.take(), analyzer.totals())
}

#[test]
fn taking_frames_in_together_changes_nothing() {
    for path in common::files() {
        let alone = told(&path, 0);
        for together in [1, 7, 32, 100] {
            assert_eq!(told(&path, together), alone, "{} by {together}", path.display());
        }
    }
}

#[test]
fn frames_at_hand_are_the_frames_of_the_file() {
    let mut count = Count::default();
    for path in common::files() {
        let (mut some, mut each) = (CaptureFile::open(&path, 3).unwrap(), CaptureFile::open(&path, 3).unwrap());
        loop {
            let mut frames = [Frame::default(); 5];
            let at_hand = some.at_hand(&mut frames);
            count.short += at_hand as u64;
            for frame in &frames[..at_hand] {
                assert_eq!(format!("{frame:?}"), format!("{:?}", each.next_frame().unwrap().unwrap()), "{}", path.display());
            }
            count.all += at_hand as u64;
            if at_hand < frames.len() {
                let (short, long) = (some.next_frame().unwrap(), each.next_frame().unwrap());
                assert_eq!(format!("{short:?}"), format!("{long:?}"), "{}", path.display());
                if short.is_none() {
                    break;
                }
                count.all += 1;
            }
        }
        assert_eq!(format!("{:?}", some.info()), format!("{:?}", each.info()), "{}", path.display());
    }
    count.check();
}
