//! Was anything lost? What keys tell of the exchange, on captures of real software; and that a hole in a capture is no loss on the wire.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "it reads captures and key logs")]

mod common;

use common::packet::{Item, parse};
use common::{Random, load, name, sessions_of, sessions_with_keys};
use whohungup::analyze::Finished;
use whohungup::diagnose::{Fault, Impact};

/// What is said of a session's exchange and of what its end cost.
type Told = (&'static str, Option<u64>, Option<u64>, Impact, Fault);

fn told(finished: &Finished) -> Told {
    let state = finished.session.exchange.as_ref().map(|outcome| outcome.state);
    let cut = state.as_ref().and_then(|state| state.cut().copied());
    let word = state.map_or("no keys", |state| state.name());
    (word, cut.map(|cut| cut.have), cut.and_then(|cut| cut.need), finished.verdict.impact, finished.verdict.fault)
}

/// The sessions of one of the repository's captures, read with its keys.
fn with_keys(file: &str) -> Vec<Finished> {
    sessions_with_keys(&common::directory().join(file)).0
}

#[test]
fn what_a_bare_fin_cut_off_is_told_to_the_byte_and_what_it_did_not_as_well() {
    let sessions = with_keys("server-closed-without-close-notify--protocols.pcap");
    let told: Vec<Told> = sessions.iter().map(told).collect();
    let expected = [
        ("response_cut", Some(5_000), Some(20_000), Impact::DataLost, Fault::Server),
        ("response_cut", Some(5_000), None, Impact::DataLost, Fault::Server),
        ("response_cut", Some(5_000), None, Impact::DataLost, Fault::Server),
        ("until_close", None, None, Impact::TruncationPossible, Fault::Server),
        // A stream of events has no end of its own: nothing proves that there was more.
        ("response_cut", Some(9), None, Impact::Unknown, Fault::Server),
        ("complete", None, None, Impact::None, Fault::None),
    ];
    assert_eq!(told, expected);
    assert!(sessions[0].verdict.summary.contains("the response stopped after 5000 of 20000 bytes"), "{}", sessions[0].verdict.summary);
    // Without keys all six look alike.
    let (blind, _) = sessions_of(&common::directory().join("server-closed-without-close-notify--protocols.pcap"));
    assert!(blind.iter().all(|finished| finished.verdict.impact == Impact::TruncationPossible && finished.session.exchange.is_none()));
}

#[test]
fn causes_with_and_without_a_loss() {
    let cases: [(&str, usize, Told); 17] = [
        ("server-closed-without-close-notify.pcap", 0, ("response_cut", Some(6_000), Some(20_000), Impact::DataLost, Fault::Server)),
        ("server-truncated-record--near-miss.pcap", 0, ("response_cut", Some(20_000), Some(40_000), Impact::DataLost, Fault::Server)),
        ("server-truncated-record.pcap", 0, ("response_cut", Some(5_918), Some(20_000), Impact::DataLost, Fault::Server)),
        ("server-reset.pcapng", 0, ("response_cut", Some(8_000), Some(30_000), Impact::DataLost, Fault::Server)),
        ("server-reset.pcapng", 1, ("outstanding", None, None, Impact::SessionFailed, Fault::Server)),
        ("server-idle-timeout.pcap", 0, ("complete", None, None, Impact::None, Fault::None)),
        ("clean-close.pcapng", 0, ("complete", None, None, Impact::None, Fault::None)),
        // A body that only an announced close ends, and the announced close.
        ("clean-close--stacks.pcapng", 6, ("until_close", None, None, Impact::None, Fault::None)),
        ("client-closed-without-close-notify.pcap", 1, ("complete", None, None, Impact::None, Fault::None)),
        // Who no longer wants what it asked for has lost nothing.
        ("client-aborted-transfer.pcap", 0, ("response_cut", Some(28_426), Some(4_000_000), Impact::Unknown, Fault::Client)),
        ("client-aborted-transfer--near-miss.pcap", 0, ("complete", None, None, Impact::None, Fault::None)),
        ("client-truncated-record--near-miss.pcap", 0, ("request_cut", Some(12_000), Some(40_000), Impact::DataLost, Fault::Client)),
        ("client-reset.pcap", 1, ("request_cut", Some(3_000), Some(9_000), Impact::DataLost, Fault::Client)),
        ("proxy-tunnel-cut.pcap", 0, ("response_cut", Some(26_250), Some(1_000_000), Impact::DataLost, Fault::Undetermined)),
        ("injected-reset.pcapng", 0, ("response_cut", Some(16_142), Some(20_000), Impact::DataLost, Fault::Proxy)),
        // It was asked when the server had closed: nobody's fault, and no answer all the same.
        ("middlebox-idle-timeout--near-miss.pcapng", 0, ("outstanding", None, None, Impact::SessionFailed, Fault::None)),
        ("keepalive-race.pcapng", 1, ("outstanding", None, None, Impact::SessionFailed, Fault::None)),
    ];
    for (file, number, expected) in cases {
        assert_eq!(told(&with_keys(file)[number]), expected, "{file}, session {number}");
    }
}

#[test]
fn a_packet_that_the_capture_missed_is_no_loss() {
    let mut tried = 0;
    for path in common::files().iter().filter(|path| path.with_extension("keys").exists()) {
        let (whole, _) = sessions_with_keys(path);
        let lossless = whole.iter().filter(|finished| finished.session.exchange_complete()).count();
        if lossless == 0 {
            continue;
        }
        let capture = load(path);
        let data: Vec<usize> = (0..capture.frames.len())
            .filter(|&i| matches!(parse(&capture.frames[i]), Item::Tcp(packet) if packet.is_plain_data()))
            .collect();
        let mut random = Random::of(7, &capture.name);
        for _ in 0..common::cases(4) {
            let mut frames = capture.frames.clone();
            let gone = data[random.below(data.len())];
            frames.remove(gone);
            tried += 1;
            for finished in common::keyed_sessions(&frames, path) {
                let before = whole.iter().find(|before| before.session.ends == finished.session.ends).expect("the same connections");
                let case = format!("{}, without frame {}: {}", name(path), gone + 1, finished.verdict.summary);
                if before.session.exchange_complete() && finished.session.first == before.session.first {
                    assert_ne!(finished.verdict.impact, Impact::DataLost, "{case}");
                }
            }
        }
    }
    assert!(tried >= 40, "{tried}");
}
