//! What keys may do and what they must not: late ones open what was held, wrong ones change nothing, damage never becomes a lie.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "it reads captures and key logs")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Owned, Random};
use whohungup::analyze::{Analyzer, Finished, Options, Totals};
use whohungup::base::{Limits, Side};
use whohungup::session::{CloseNotify, Session};
use whohungup::tls::{KeyLog, Secrets};

/// The captures that have a key log beside them, and its text.
fn keyed() -> Vec<(PathBuf, Vec<u8>)> {
    let all: Vec<_> =
        common::files().into_iter().filter_map(|path| Some((path.clone(), fs::read(path.with_extension("keys")).ok()?))).collect();
    assert!(all.len() >= 20);
    all
}

/// When keys come.
#[derive(Clone, Copy, PartialEq)]
enum Come {
    First,
    /// After the last frame, where they were expected all along.
    Last,
}

fn analyse(frames: &[Owned], log: &[u8], come: Come, limits: Limits) -> (Vec<Finished>, Totals) {
    let mut analyzer = Analyzer::new(Options { limits, ..Options::default() });
    let read = |secrets: &mut Secrets| {
        let mut reader = KeyLog::new();
        reader.feed(log, secrets);
        reader.end(secrets);
    };
    if come == Come::First {
        read(analyzer.secrets());
    } else {
        analyzer.secrets().set_growing(true);
    }
    common::push_all(&mut analyzer, frames);
    if come == Come::Last {
        read(analyzer.secrets());
    }
    analyzer.finish();
    (common::in_order(common::settled(&mut analyzer)), analyzer.totals().clone())
}

/// Everything that is said of a session, but for how much was decrypted.
fn said(finished: &Finished) -> String {
    let Session { tls, close_notify, ending, closed_by, closing, .. } = &*finished.session;
    format!("{close_notify:?} {ending:?} {closed_by:?} {closing:?} {:?} {:?} {:?}", tls.alerts, tls.finished, finished.verdict)
}

fn alerts(session: &Session) -> Vec<(Side, u32, u8, u8)> {
    session.tls.alerts.iter().map(|(side, at, alert)| (*side, at.frame, alert.level.0, alert.description.0)).collect()
}

/// The same lines with secrets that are none of these sessions'.
fn spoiled(log: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(log.to_vec()).unwrap();
    let swapped = |secret: &str| secret.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>();
    let lines = text.lines().map(|line| match line.rsplit_once(' ') {
        Some((label, secret)) if !line.starts_with('#') => format!("{label} {}\n", swapped(secret)),
        _ => format!("{line}\n"),
    });
    lines.collect::<String>().into_bytes()
}

#[test]
fn wrong_keys_change_nothing() {
    let mut tried = 0;
    for (path, log) in keyed() {
        let frames = common::load(&path).frames;
        let (without, _) = common::sessions(&frames);
        let (with, totals) = analyse(&frames, &spoiled(&log), Come::First, Limits::default());
        assert_eq!(totals.decrypted, 0, "{path:?}");
        tried += totals.keyed;
        for (without, with) in without.iter().zip(&with) {
            assert_eq!(said(without), said(with), "{path:?}");
        }
    }
    assert!(tried > 100);
}

#[test]
fn keys_that_come_last_open_what_was_held() {
    let (mut opened, mut same) = (0, 0);
    for (path, log) in keyed() {
        let frames = common::load(&path).frames;
        let (first, _) = analyse(&frames, &log, Come::First, Limits::default());
        let (last, _) = analyse(&frames, &log, Come::Last, Limits::default());
        let (without, _) = common::sessions(&frames);
        for ((first, last), without) in first.iter().zip(&last).zip(&without) {
            // Sessions that were over before the last frame were judged without them.
            if last.session.tls.decryption.opened == 0 {
                assert_eq!(said(last), said(without), "{path:?}");
                continue;
            }
            opened += 1;
            let (early, late) = (alerts(&first.session), alerts(&last.session));
            assert_eq!(early, late, "{path:?}");
            for side in Side::BOTH {
                let (early, late) = (first.session.close_notify[side], last.session.close_notify[side]);
                assert!(early == late || late == CloseNotify::Unknown, "{path:?}: {side} {early:?} {late:?}");
                same += usize::from(early == late);
            }
            assert_eq!(first.session.tls.certificates, last.session.tls.certificates, "{path:?}");
            assert_eq!(first.session.alpn(), last.session.alpn(), "{path:?}");
            assert_eq!(first.session.tls.client_certificate.map(|(_, any)| any), last.session.tls.client_certificate.map(|(_, any)| any));
        }
    }
    assert!(opened >= 50, "{opened}");
    assert!(same * 100 >= opened * 2 * 95, "{same} of twice {opened}");
}

#[test]
fn keys_may_come_up_to_the_server_hello() {
    let mut tried = 0;
    for (path, log) in keyed() {
        let frames = common::load(&path).frames;
        let (first, _) = analyse(&frames, &log, Come::First, Limits::default());
        let [one] = &first[..] else { continue };
        let (Some(answer), "fully") = (one.session.tls.server_hello_at, one.session.tls.decryption.name().unwrap_or_default()) else {
            continue;
        };
        let mut analyzer = Analyzer::new(Options::default());
        let before = answer.frame as usize - 1;
        common::push_all(&mut analyzer, &frames[..before]);
        KeyLog::new().feed(&log, analyzer.secrets());
        for (i, frame) in frames.iter().enumerate().skip(before) {
            common::push(&mut analyzer, frame, i as u32 + 1);
        }
        analyzer.finish();
        let found = common::settled(&mut analyzer);
        assert_eq!(said(one), said(&found[0]), "{path:?}");
        assert_eq!(one.session.tls.decryption, found[0].session.tls.decryption, "{path:?}");
        tried += 1;
    }
    assert!(tried >= 20, "{tried}");
}

#[test]
fn what_is_held_for_late_keys_is_bounded() {
    for (path, log) in keyed() {
        let frames = common::load(&path).frames;
        let limits = Limits { sealed_flow: 400, ..Limits::default() };
        let (whole, _) = analyse(&frames, &log, Come::First, limits);
        let (sessions, _) = analyse(&frames, &log, Come::Last, limits);
        let nothing = Limits { sealed_flow: 0, ..Limits::default() };
        let (held_nothing, totals) = analyse(&frames, &log, Come::Last, nothing);
        for (whole, part) in whole.iter().zip(&sessions) {
            let (whole, part) = (alerts(&whole.session), alerts(&part.session));
            assert!(part.iter().all(|alert| whole.contains(alert)), "{path:?}: {part:?} of {whole:?}");
        }
        assert_eq!(totals.decrypted, 0, "{path:?}");
        assert_eq!(held_nothing.len(), sessions.len());
    }
}

/// A capture that lacks frames, or whose frames are damaged or cut.
fn damage(frames: &[Owned], random: &mut Random) -> Vec<Owned> {
    let mut left = Vec::new();
    for frame in frames {
        let mut frame = frame.clone();
        if random.one_in(12) {
            continue;
        }
        if random.one_in(20) && frame.data.len() > 70 {
            let at = 66 + random.below(frame.data.len() - 66);
            frame.data[at] ^= 1 << random.below(8);
        }
        if random.one_in(30) {
            frame.data.truncate(60 + random.below(frame.data.len().max(61)));
        }
        left.push(frame);
    }
    left
}

#[test]
fn damage_never_invents_an_alert() {
    for (path, log) in keyed() {
        let frames = common::load(&path).frames;
        let (whole, _) = analyse(&frames, &log, Come::First, Limits::default());
        let told: BTreeSet<(u8, u8)> = whole.iter().flat_map(|one| alerts(&one.session)).map(|(.., level, what)| (level, what)).collect();
        let mut random = Random::of(5, &path.file_name().unwrap().to_string_lossy());
        for _ in 0..common::cases(4) {
            let damaged = damage(&frames, &mut random);
            for come in [Come::First, Come::Last] {
                let (sessions, _) = analyse(&damaged, &log, come, Limits::default());
                for session in sessions.iter().map(|finished| &finished.session).filter(|session| session.tls.decryption.opened > 0) {
                    // What is sealed cannot be changed into another alert; what is in clear can.
                    let sealed = session.tls.alerts.iter().filter(|(side, at, _)| session.tls.finished[*side].is_some_and(|end| end < *at));
                    for (_, at, alert) in sealed {
                        assert!(told.contains(&(alert.level.0, alert.description.0)), "{path:?}: frame {}: {alert}", at.frame);
                    }
                }
            }
        }
    }
}

#[test]
fn a_hole_hides_no_alert_behind_it() {
    let (mut tried, mut read, mut hidden) = (0, 0, Vec::new());
    for (path, log) in keyed() {
        let frames = common::load(&path).frames;
        let (whole, _) = analyse(&frames, &log, Come::First, Limits::default());
        let [one] = &whole[..] else { continue };
        let tls = &one.session.tls;
        let (Some(a), Some(b), Some((_, alert, _))) = (tls.finished.client, tls.finished.server, tls.alerts.first()) else { continue };
        for lost in (a.frame.max(b.frame)..alert.frame.saturating_sub(1)).step_by(3) {
            if frames[lost as usize].data.len() < 90 {
                continue;
            }
            let mut left = frames.clone();
            left.remove(lost as usize);
            let (found, _) = analyse(&left, &log, Come::First, Limits::default());
            let told = |finished: &Finished| {
                alerts(&finished.session).into_iter().map(|(side, _, level, what)| (side, level, what)).collect::<Vec<_>>()
            };
            tried += 1;
            if found.len() == 1 && told(&found[0]) == told(one) {
                read += 1;
            } else {
                hidden.push(format!("{}: without frame {}", path.display(), lost + 1));
            }
        }
    }
    assert!(tried >= 30, "{tried}");
    assert!(read * 100 >= tried * 98, "{read} of {tried}: {hidden:#?}");
}

#[test]
fn sealed_certificates_are_read_like_those_in_clear() {
    let read = |name: &str| common::sessions_with_keys(&Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name)).0;
    for name in ["certificate-expired.pcap", "certificate-untrusted.pcap"] {
        for session in read(name).into_iter().map(|finished| finished.session).filter(|session| session.tls.decryption.opened > 0) {
            let leaf = session.tls.certificates.as_ref().and_then(|chain| chain.leaf.as_ref());
            assert!(leaf.is_some_and(|leaf| leaf.readable), "{name}: {:?}", session.tls.version);
        }
    }
}
