//! The schema is true of what is written, and what is written is what it was.

use serde_json::{Map, Value};

use super::*;
use crate::diagnose::{Confidence, Fault, Impact, PatternKind};
use crate::report::sample;
use crate::session::{CloseNotify, ClosedBy, Ending, Phase};

#[path = "validator.rs"]
mod validator;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    assert!(!out.contains(&b'\n'), "an object is one line");
    serde_json::from_slice(&out).unwrap()
}

fn session_json(sample: &(Session, Verdict)) -> Value {
    written(|out| session(out, &sample::context(), &sample.0, &sample.1))
}

#[track_caller]
fn valid(value: &Value) {
    validator::validate(value, JSON_SCHEMA).unwrap();
}

fn invalid(value: &Value) -> bool {
    validator::validate(value, JSON_SCHEMA).is_err()
}

#[test]
fn the_schema_is_true() {
    let opening = Opening { command: vec!["whohungup".into(), "x".into()], link_types: vec![1], first: Some(sample::START) };
    valid(&written(|out| capture(out, &sample::context(), &opening)));
    for session in [sample::idle_timeout(), sample::refused_hello(3, 0), sample::clean(4), sample::hostile()] {
        valid(&session_json(&session));
    }
    let mut bare = sample::clean(5);
    bare.0.tcp_stream = None;
    *bare.0.tls = Default::default();
    bare.1.evidence[0].fact = Fact::Missing(1448);
    valid(&session_json(&bare));
    valid(&revised());
    for kind in PatternKind::ALL {
        valid(&written(|out| pattern(out, &sample::context(), &Pattern { kind, ..sample::pattern() })));
    }
    let alone = Pattern { client: None, server: None, sni: None, silence: None, ..sample::pattern() };
    valid(&written(|out| pattern(out, &sample::context(), &alone)));
    let mut tally = Tally::default();
    tally.add(&sample::idle_timeout().1);
    let mut totals = Totals { limits_reached: vec![("connections", 3)], ..Totals::default() };
    totals.skipped.insert(crate::decode::Skip::Malformed, 3);
    valid(&written(|out| summary(out, &tally, &totals, &["cut short".into()])));
    valid(&written(|out| summary(out, &Tally::default(), &Totals::default(), &[])));
}

/// A session that another one tells more of.
fn revised() -> Value {
    let (session, was) = sample::refused_hello(3, 0);
    let mut verdict = was.clone();
    verdict.cause = "server-process-died";
    verdict.evidence.push(Citation { session: Some(9), ..was.evidence[0].clone() });
    let told =
        Revision { id: 1, session: std::sync::Arc::new(session), verdict: verdict.into(), beside: Default::default(), was: was.into() };
    written(|out| revision(out, &sample::context(), &told))
}

#[test]
fn a_revision_names_its_session_what_was_said_and_what_is() {
    let value = revised();
    for (pointer, expected) in [
        ("/type", Value::from("revision")),
        ("/session", 3.into()),
        ("/was/cause", "server-closed-in-handshake".into()),
        ("/cause", "server-process-died".into()),
        ("/evidence/0/session", Value::Null),
        ("/evidence/1/session", 9.into()),
        ("/wireshark", "tcp.stream in {3, 9} && frame.number in {108}".into()),
    ] {
        assert_eq!(value.pointer(pointer).unwrap_or(&Value::Null), &expected, "{pointer}");
    }
}

#[test]
fn the_schema_can_be_false() {
    let good = session_json(&sample::idle_timeout());
    for spoil in [
        |fields: &mut Map<String, Value>| drop(fields.remove("cause")),
        |fields: &mut Map<String, Value>| drop(fields.insert("fault".into(), "nobody".into())),
        |fields: &mut Map<String, Value>| drop(fields.insert("started".into(), "2026-11-20T14:03:02Z".into())),
        |fields: &mut Map<String, Value>| drop(fields.insert("evidence".into(), Value::Array(Vec::new()))),
        |fields: &mut Map<String, Value>| drop(fields.insert("session".into(), "17".into())),
        |fields: &mut Map<String, Value>| drop(fields.insert("new".into(), 1.into())),
        |fields: &mut Map<String, Value>| drop(fields.insert("type".into(), "story".into())),
    ] {
        let mut bad = good.clone();
        spoil(bad.as_object_mut().unwrap());
        assert!(invalid(&bad), "{bad}");
    }
}

/// Every word of the vocabularies is in the schema: a session is written with each.
#[test]
fn the_schema_knows_every_word() {
    let (session, verdict) = sample::idle_timeout();
    let mut samples = Vec::new();
    for fault in Fault::ALL {
        samples.push((session.clone(), Verdict { fault, ..verdict.clone() }));
    }
    for fault_confidence in [Confidence::Certain, Confidence::Likely, Confidence::Possible] {
        samples.push((session.clone(), Verdict { fault_confidence, ..verdict.clone() }));
    }
    for impact in [Impact::None, Impact::TruncationPossible, Impact::DataLost, Impact::SessionFailed, Impact::Unknown] {
        samples.push((session.clone(), Verdict { impact, ..verdict.clone() }));
    }
    for closed_by in [ClosedBy::Client, ClosedBy::Server, ClosedBy::Proxy, ClosedBy::Nobody, ClosedBy::Unknown] {
        samples.push((session.clone(), Verdict { closed_by, ..verdict.clone() }));
    }
    use Ending::{FatalAlert, Fin, NoConnection, Open, Rst, Stall, Unseen};
    for ending in [Ending::CloseNotify, Fin, Rst, FatalAlert, Stall, NoConnection, Open, Unseen] {
        samples.push((session.clone(), Verdict { ending, ..verdict.clone() }));
    }
    for phase in [Phase::Connecting, Phase::Tunneling, Phase::ClientHello, Phase::Handshake, Phase::Established] {
        samples.push((Session { phase, ..session.clone() }, verdict.clone()));
    }
    use CloseNotify::{Absent, Likely, NotApplicable, Sent, Unknown};
    for said in [Sent, Likely, Absent, Unknown, NotApplicable] {
        samples.push((Session { close_notify: PerSide { client: said, server: said }, ..session.clone() }, verdict.clone()));
    }
    for (keyed, opened, closed) in [(true, 2, 0), (true, 2, 1), (true, 0, 3)] {
        let mut keys = session.clone();
        keys.tls.decryption = crate::session::Decryption { keyed, opened, closed, ..Default::default() };
        samples.push((keys, verdict.clone()));
    }
    let caps = vec![
        Cap::Hole,
        Cap::OneDirection,
        Cap::Snaplen,
        Cap::CutEnd,
        Cap::MidStream,
        Cap::Duplicates,
        Cap::KernelDrops,
        Cap::BadChecksums,
        Cap::LimitReached,
        Cap::FramingLost,
        Cap::Padded,
    ];
    samples.push((Session { caps, ..session }, verdict));
    for sample in &samples {
        valid(&session_json(sample));
    }
}

#[test]
fn a_session_is_written_as_documented() {
    let value = session_json(&sample::idle_timeout());
    for (pointer, expected) in [
        ("/session", Value::from(17)),
        ("/client/ip", "10.0.0.12".into()),
        ("/client/port", 51_544.into()),
        ("/started", "2026-11-20T14:03:02.114203000Z".into()),
        ("/ended", "2026-11-20T14:04:02.135203000Z".into()),
        ("/duration_s", 60.021.into()),
        ("/tls/version", "TLS 1.3".into()),
        ("/tls/cipher", "TLS_AES_128_GCM_SHA256".into()),
        ("/tls/sni", "api.example.com".into()),
        ("/prelude", Value::Null),
        ("/ending", "fin".into()),
        ("/closed_by", "server".into()),
        ("/flagged", true.into()),
        ("/fault", "none".into()),
        ("/cause", "server-idle-timeout".into()),
        ("/evidence/0/file", "office.pcapng".into()),
        ("/evidence/0/frame", 3312.into()),
        ("/evidence/0/from", "server".into()),
        ("/evidence/0/kind", "saw".into()),
        ("/reactions/0/to_frame", 3312.into()),
        ("/alternatives/0/cause", "middlebox-idle-timeout".into()),
        ("/wireshark", "tcp.stream eq 17 && frame.number in {2988, 3312}".into()),
    ] {
        assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn hostile_text_survives_as_it_was() {
    let hostile = sample::hostile();
    let value = session_json(&hostile);
    assert_eq!(value.pointer("/summary").and_then(Value::as_str), Some(&*hostile.1.summary));
    assert_eq!(value.pointer("/tls/sni").and_then(Value::as_str), hostile.0.sni().as_deref());
}

#[test]
#[ignore = "a measurement: cargo test --release --lib how_fast -- --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn how_fast_sessions_are_written() {
    let (sample, context) = (sample::idle_timeout(), sample::context());
    let mut out = Vec::new();
    let (started, mut bytes) = (std::time::Instant::now(), 0);
    for _ in 0..78_000 {
        out.clear();
        session(&mut out, &context, &sample.0, &sample.1);
        bytes += out.len();
    }
    println!("78,000 sessions, {bytes} bytes: {:?}", started.elapsed());
}
