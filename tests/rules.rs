//! Rules against each other, and sessions together, over every capture: what fires at once must not contradict, and what is said of many
//! must be what the lab did.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "it reads the labels")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::Random;
use common::damage::Damage;
use serde_json::Value;
use whohungup::analyze::{Finished, Options};
use whohungup::diagnose::Reading;
use whohungup::diagnose::rules::{self, Rule};
use whohungup::session::CloseNotify;

/// What fires on a session: all of it, and what is left when each has given way.
fn fired(Finished { session, beside, .. }: &Finished) -> (Vec<(&'static Rule, Box<Reading>)>, BTreeSet<&'static str>) {
    let context = Options::default().context(session, beside);
    let all: Vec<(&Rule, Box<Reading>)> = rules::ALL.iter().filter_map(|rule| Some((*rule, (rule.check)(session, &context)?))).collect();
    let slugs: BTreeSet<&str> = all.iter().map(|(rule, _)| rule.slug).collect();
    let left = all.iter().filter(|(rule, _)| !rule.yields_to.iter().any(|better| slugs.contains(better))).map(|(rule, _)| rule.slug);
    let left = left.collect();
    (all, left)
}

/// Whether a FIN was announced is said only where it is known.
#[test]
fn what_is_unknown_of_a_close_notify_is_not_told_of_its_fin() {
    let (mut bare, mut unknown) = (0, 0);
    for path in common::files() {
        for Finished { session, verdict, .. } in common::sessions_of(&path).0 {
            let reactions = verdict.reactions.iter().map(|reaction| (reaction.from, &reaction.what));
            let cited = verdict.evidence.iter().map(|citation| (citation.from, &citation.what));
            for (from, what) in reactions.chain(cited) {
                let Some(said) = from.map(|side| session.close_notify[side]) else { continue };
                if what.contains("no close_notify before it") {
                    assert_eq!(said, CloseNotify::Absent, "{}: {:?}", common::name(&path), session.tcp_stream);
                    bare += 1;
                }
                unknown += u32::from(what.contains("cannot be told") && said == CloseNotify::Unknown);
            }
        }
    }
    assert!(bare > 30 && unknown > 3, "{bare}, {unknown}: the captures were not read");
}

/// A pause of nothing is what is left where its beginning was not kept: it is never told.
#[test]
fn no_summary_tells_of_a_pause_of_nothing() {
    let mut measured = 0;
    for path in common::files() {
        for Finished { session, verdict, .. } in common::sessions_of(&path).0 {
            let told = &verdict.summary;
            assert!(!told.contains(" 0 µs"), "{} {:?}: {told}", common::name(&path), session.tcp_stream);
            measured += u32::from(told.contains("s after the last data"));
        }
    }
    assert!(measured > 10, "{measured}: the captures were not read");
}

/// No rule fires on a session whose ending or phase it does not name: it is not asked about those. Nor where a capture is damaged, or read
/// with its keys.
#[test]
fn rules_fire_only_where_they_say() {
    let mut problems = BTreeSet::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for path in common::files() {
        let whole = common::load(&path);
        let mut sessions = common::sessions(&whole.frames).0;
        sessions.extend(common::sessions_with_keys(&path).0);
        for damage in [
            Damage::Lost(10),
            Damage::AcksLost(40),
            Damage::OneDirection { from_server: false },
            Damage::OneDirection { from_server: true },
            Damage::Cut(90),
            Damage::Joined(2),
            Damage::Joined(8),
            Damage::WithoutLast(1),
            Damage::WithoutLast(4),
            Damage::Shuffled(6),
        ] {
            let mut random = Random::of(1, &whole.name);
            sessions.extend(common::sessions(&damage.applied(&whole.frames, &mut random)).0);
        }
        for finished in sessions {
            let (phase, ending) = (finished.session.phase, finished.session.ending);
            for (rule, _) in fired(&finished).0 {
                *seen.entry(rule.slug).or_default() += 1;
                if !rule.concerns(phase, ending) {
                    problems.insert(format!("{} fires in {} after {}: {}", rule.slug, phase.name(), ending.name(), whole.name));
                }
            }
        }
    }
    let silent: Vec<&str> = rules::ALL.iter().map(|rule| rule.slug).filter(|slug| !seen.contains_key(slug)).collect();
    assert_eq!(silent, ["unexplained"], "these were never seen to fire");
    assert!(problems.is_empty(), "\n{}", Vec::from_iter(problems).join("\n"));
}

/// Two rules that fire on one session are ordered, or a third one silences one of them, or they agree on the fault. Otherwise which of them
/// is right would be left to chance, or every such session would be undetermined for want of a line in `yields_to`.
#[test]
fn rules_that_fire_together_are_ordered_or_agree() {
    let mut problems = BTreeSet::new();
    let mut pairs = BTreeSet::new();
    for path in common::files() {
        for finished in common::sessions_of(&path).0 {
            let (all, left) = fired(&finished);
            for (place, (one, said)) in all.iter().enumerate() {
                for (other, says) in all.iter().skip(place + 1) {
                    pairs.insert((one.slug, other.slug));
                    let both_left = left.contains(one.slug) && left.contains(other.slug);
                    if both_left && said.fault != says.fault {
                        let number = finished.session.tcp_stream;
                        problems.insert(format!(
                            "{} stream {number:?}: {} says {}, {} says {}",
                            common::name(&path),
                            one.slug,
                            said.fault,
                            other.slug,
                            says.fault
                        ));
                    }
                }
            }
        }
    }
    assert!(pairs.len() > 20, "only {} pairs of rules fire together: the captures were not read", pairs.len());
    assert!(problems.is_empty(), "\n{}", Vec::from_iter(problems).join("\n"));
}

/// Where two rules yield to each other over others, neither may end up silencing all: something is left of every session on which
/// anything fires.
#[test]
fn something_is_left_of_all_that_fires() {
    for path in common::files() {
        for finished in common::sessions_of(&path).0 {
            let (all, left) = fired(&finished);
            assert!(all.is_empty() || !left.is_empty(), "{} {:?}", common::name(&path), finished.session.tcp_stream);
        }
    }
}

/// What truths with more than one acceptable cause leave open, but packets tell: a server's last word after a silence is no answer, a
/// COM_QUIT no question, and an alert about a certificate whose date and name are in order is about its issuer. Each with its near miss.
#[test]
fn what_packets_tell_is_told() {
    for (file, stream, cause, fault) in [
        ("server-idle-timeout--mail.pcap", 0, "server-idle-timeout", "none"),
        ("server-idle-timeout--databases.pcap", 0, "server-idle-timeout", "none"),
        ("server-idle-timeout--mail--near-miss.pcap", 0, "clean-close", "none"),
        ("clean-close--databases.pcap", 3, "client-closed-without-close-notify", "none"),
        ("client-aborted-transfer--databases.pcap", 1, "client-closed-without-close-notify", "undetermined"),
        ("tls-interception--sslsplit.pcapng", 4, "certificate-untrusted", "undetermined"),
        ("certificate-rejected.pcap", 0, "certificate-rejected", "undetermined"),
    ] {
        let (sessions, _) = common::sessions_of(&common::directory().join(file));
        let told = sessions.iter().find(|finished| finished.session.tcp_stream == Some(stream)).map(|finished| &finished.verdict);
        let told = told.unwrap_or_else(|| panic!("{file} has no stream {stream}"));
        assert_eq!((told.cause, told.fault.name()), (cause, fault), "{file} stream {stream}");
    }
}

/// A pattern as it can be compared: what kind, and of which streams.
type Shown = (String, Vec<u64>);

/// The captures show the patterns that the lab made, of exactly those sessions and with an acceptable fault; and no capture shows another.
#[test]
fn patterns_are_those_the_lab_made() {
    let labels = fs::read_to_string(common::directory().join("patterns.jsonl")).unwrap();
    let mut wanted: BTreeMap<String, BTreeMap<Shown, Vec<String>>> = BTreeMap::new();
    for line in labels.lines() {
        let label: Value = serde_json::from_str(line).unwrap();
        let streams = label["streams"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
        let faults = label["fault"].as_array().unwrap().iter().filter_map(|fault| Some(fault.as_str()?.to_owned())).collect();
        let kind = label["kind"].as_str().unwrap().to_owned();
        wanted.entry(label["file"].as_str().unwrap().to_owned()).or_default().insert((kind, streams), faults);
    }
    assert!(wanted.len() >= 5, "the labels were not read");
    let here = common::directory();
    for path in common::files().into_iter().filter(|path| path.starts_with(&here)) {
        let name = common::name(&path);
        let mut wanted = wanted.remove(&name).unwrap_or_default();
        for pattern in common::patterns_of(&path) {
            let shown = (pattern.kind.name().to_owned(), pattern.sessions.iter().map(|number| u64::from(*number)).collect());
            let faults = wanted.remove(&shown).unwrap_or_else(|| panic!("{name}: {shown:?} is not there: {}", pattern.summary));
            assert!(faults.iter().any(|fault| *fault == pattern.fault.name()), "{name}: {shown:?} says {}", pattern.fault);
            assert_eq!(pattern.count as usize, shown.1.len(), "{name}: {shown:?}");
        }
        assert!(wanted.is_empty(), "{name}: {wanted:?} was not found");
    }
    assert!(wanted.is_empty(), "labels without captures: {wanted:?}");
}

/// Of a connection that the capture joined later nobody knows what was answered before: a sender that is never answered (logs, metrics) is
/// not waiting.
#[test]
fn whoever_is_joined_late_is_not_said_never_to_have_been_answered() {
    let mut joined = 0;
    for path in common::files() {
        let frames = common::load(&path).frames;
        for first in [4, 8, 12, 16, 24, 32] {
            for Finished { session, verdict, .. } in common::sessions(frames.get(first..).unwrap_or_default()).0 {
                if session.opening.syn.is_some() || session.opening.syn_ack.is_some() || session.tls.client_hello_at.is_some() {
                    continue;
                }
                joined += 1;
                let said = (verdict.cause, &verdict.summary);
                assert!(verdict.cause != "server-unresponsive", "{} from frame {}: {said:?}", common::name(&path), first + 1);
            }
        }
    }
    assert!(joined > 200, "{joined}: the captures were not read");
}
