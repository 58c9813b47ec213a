//! What a capture lost, cut off, mixed up or never had may cost an answer, and must not make one up: whoever is not to blame is not blamed
//! then either, and what is wrong is not called certain.
//!
//! `WHOHUNGUP_EXTRA_CAPTURES` names a directory with more captures and a `truth.jsonl` of the same kind, to be tried instead of the
//! repository's; `WHOHUNGUP_CASES` how many times as many random cases to try.

#![cfg(test)]

mod common;

use std::collections::HashMap;
use std::fmt::Write;

use common::Random;
use common::damage::Damage;
use common::truth::{Truth, truths};
use whohungup::analyze::Finished;
use whohungup::diagnose::{Confidence, Fault};
use whohungup::session::{Cap, Ending};

/// What is tried, and with how many seeds: each of those drawn at random with as many as it took to find what was wrong once.
const DAMAGES: [(Damage, u64); 15] = [
    (Damage::Lost(3), 7),
    (Damage::Lost(10), 17),
    (Damage::Lost(25), 9),
    (Damage::DataLost(30), 9),
    (Damage::AcksLost(50), 2),
    (Damage::OneDirection { from_server: false }, 1),
    (Damage::OneDirection { from_server: true }, 1),
    (Damage::Cut(96), 1),
    (Damage::Cut(200), 1),
    (Damage::Joined(6), 1),
    (Damage::OnlyLast(12), 1),
    (Damage::WithoutLast(1), 1),
    (Damage::WithoutLast(3), 1),
    (Damage::Shuffled(4), 5),
    (Damage::Shuffled(12), 5),
];

/// What is wrong with this verdict on a session whose truth is known. (One whose end was taken
/// away is rightly said to be open when the capture ended: that it ended is what no packet tells.)
fn wrong(truth: &Truth, finished: &Finished) -> Option<&'static str> {
    let verdict = &finished.verdict;
    let fault = verdict.fault.name();
    if verdict.fault == Fault::Undetermined || truth.words("fault").contains(&fault) || verdict.ending == Ending::Open {
        None
    } else if truth.words("never_blame").contains(&fault) {
        Some("a false accusation")
    } else if truth.clean() {
        Some("a false alarm")
    } else if verdict.fault_confidence == Confidence::Certain {
        Some("certain and wrong")
    } else {
        None
    }
}

#[test]
fn damaged_captures_accuse_nobody() {
    let directory = common::extra().unwrap_or_else(common::directory);
    let (mut problems, mut compared, mut decided) = (String::new(), 0, 0);
    for (file, truths) in truths(&directory) {
        let capture = common::load(&directory.join(&file));
        for (damage, seeds) in DAMAGES {
            for seed in 0..common::cases(seeds) {
                let damaged = damage.applied(&capture.frames, &mut Random::of(seed, &file));
                // By its ends: their order is a guess where the beginning is missing. Of several with the same ends, the first is taken.
                let mut found = HashMap::new();
                for finished in common::sessions(&damaged).0 {
                    let (client, server) = (finished.session.ends.client.to_string(), finished.session.ends.server.to_string());
                    found.entry((client.clone().min(server.clone()), client.max(server))).or_insert_with(Vec::new).insert(0, finished);
                }
                for truth in &truths {
                    let (client, server) = truth.endpoints();
                    let Some(finished) = found.get_mut(&(client.clone().min(server.clone()), client.max(server))).and_then(Vec::pop) else {
                        continue;
                    };
                    compared += 1;
                    decided += u32::from(finished.verdict.fault != Fault::Undetermined);
                    if let Some(what) = wrong(truth, &finished) {
                        let verdict = &finished.verdict;
                        writeln!(
                            problems,
                            "{file} stream {}, {damage:?} (seed {seed}): {what}: {} ({}, {}) instead of {}: {}",
                            truth.0["stream"],
                            verdict.fault.name(),
                            verdict.cause,
                            verdict.fault_confidence.name(),
                            truth.words("fault").join("/"),
                            verdict.summary
                        )
                        .unwrap();
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "of {compared} sessions:\n{problems}");
    // Who never answers is never wrong.
    assert!(compared > 10_000 && decided > compared / 3, "{compared} compared, {decided} decided");
}

/// Nobody waits for long before it repeats what was not acknowledged: a session that ends in such a wait did not simply go on.
#[test]
fn a_request_that_is_never_repeated_shows_that_the_end_went_by_unseen() {
    let first = |file: &str, damage: Option<Damage>| {
        let capture = common::load(&common::directory().join(file));
        let frames = damage.map_or(capture.frames.clone(), |damage| damage.applied(&capture.frames, &mut Random::new(0)));
        let verdict = common::sessions(&frames).0.swap_remove(0).verdict;
        (verdict.ending, verdict.fault, verdict.fault_confidence, verdict.summary)
    };
    // What is taken away is the RST that answered the request.
    let (ending, fault, confidence, summary) = first("middlebox-idle-timeout.pcapng", Some(Damage::WithoutLast(1)));
    assert_eq!((ending, fault, confidence), (Ending::Open, Fault::None, Confidence::Possible), "{summary}");
    assert!(summary.starts_with("its end is not in this capture: of "), "{summary}");
    let (ending, fault, _, summary) = first("still-open.pcap", None);
    assert_eq!((ending, fault), (Ending::Open, Fault::None));
    assert!(summary.starts_with("still open when"), "{summary}");
}

/// Where packets stand in another order than their times, nobody is accused and the reader is told how to put them right.
#[test]
fn disorder_is_named_and_what_sorts_it() {
    let capture = common::load(&common::directory().join("server-truncated-record.pcap"));
    let right = common::sessions(&capture.frames).0;
    let mut frames = capture.frames.clone();
    let last = frames.len() - 1;
    frames[last].time = frames[last - 1].time - 1_000_000;
    let mut found = 0;
    for (Finished { session, verdict, .. }, right) in common::sessions(&frames).0.iter().zip(&right) {
        assert_eq!((verdict.cause, right.verdict.fault), (right.verdict.cause, Fault::Server));
        let disordered = session.last.frame as usize == frames.len();
        assert_eq!(session.capped(Cap::Disorder), disordered);
        assert_eq!(verdict.fault, if disordered { Fault::Undetermined } else { Fault::Server });
        let sorts = verdict.alternatives.iter().any(|other| other.fault == Fault::Server && other.decide_by.contains("reordercap"));
        assert_eq!(sorts, disordered, "{:?}", verdict.alternatives);
        found += u32::from(disordered);
    }
    assert_eq!(found, 1);
}

/// An ICMP error quotes the SYN that it is about: where that itself was not captured, the attempt is known all the same, and so is its end.
#[test]
fn an_attempt_is_known_by_the_error_that_quotes_it() {
    for (file, cause, fault) in
        [("unreachable.pcap", "unreachable", Fault::Network), ("firewall-rejected.pcapng", "firewall-rejected", Fault::Proxy)]
    {
        let capture = common::load(&common::directory().join(file));
        let errors: Vec<_> = capture.frames.into_iter().filter(|frame| common::packet::parse(frame).tcp().is_none()).collect();
        let (sessions, _) = common::sessions(&errors);
        let [Finished { session, verdict, .. }] = &sessions[..] else { panic!("{file}: {} sessions", sessions.len()) };
        assert_eq!((verdict.cause, verdict.fault, verdict.ending), (cause, fault, Ending::NoConnection), "{file}");
        assert!(session.roles_seen && session.caps.is_empty(), "{file}: {:?}", session.caps);
    }
}
