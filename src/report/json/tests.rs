//! The schema is true of what is written, and what is written is what it was.

use serde_json::{Map, Value};

use super::*;
use crate::diagnose::{Confidence, Fault, Impact};
use crate::report::sample;
use crate::session::{CloseNotify, ClosedBy, Ending, Phase};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    assert!(!out.contains(&b'\n'), "an object is one line");
    serde_json::from_slice(&out).unwrap()
}

fn session_json(sample: &(Session, Verdict)) -> Value {
    written(|out| session(out, &sample::context(), &sample.0, &sample.1))
}

/// A validator for the part of JSON Schema that `schema.json` uses; anything else in it is an error. Stricter than the standard in one
/// way: a field that the schema does not know is an error too.
fn check(value: &Value, schema: &Map<String, Value>, root: &Value, at: &str) -> Result<(), String> {
    let object = |value: &'_ Value| value.as_object().unwrap().clone();
    for (keyword, rule) in schema {
        let good = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "required" | "properties" | "additionalProperties" => true,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
                check(value, &object(target), root, at)?;
                true
            }
            "oneOf" => {
                let fits: Vec<_> = rule.as_array().unwrap().iter().map(|one| check(value, &object(one), root, at)).collect();
                if fits.iter().filter(|fit| fit.is_ok()).count() != 1 {
                    return Err(format!("{at}: {fits:?}"));
                }
                true
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => {
                let types: Vec<&str> = rule
                    .as_array()
                    .map_or_else(|| vec![rule.as_str().unwrap()], |all| all.iter().map(|one| one.as_str().unwrap()).collect());
                types.iter().any(|typ| match *typ {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                })
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "items" => {
                for (place, item) in value.as_array().unwrap().iter().enumerate() {
                    check(item, &object(rule), root, &format!("{at}[{place}]"))?;
                }
                true
            }
            "pattern" => matches_pattern(value.as_str().unwrap(), rule.as_str().unwrap()),
            other => panic!("the validator does not know {other}"),
        };
        if !good {
            return Err(format!("{at}: {value} is not {keyword} {rule}"));
        }
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (properties.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
            (Some(known), _) | (None, Some(known)) => check(field, &object(known), root, &at)?,
            (None, None) if properties.is_some() => return Err(format!("{at}: not in the schema")),
            (None, None) => {}
        }
    }
    Ok(())
}

fn matches_pattern(text: &str, pattern: &str) -> bool {
    match pattern {
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$" => {
            text.len() == 30 && text.replace(|c: char| c.is_ascii_digit(), "0") == "0000-00-00T00:00:00.000000000Z"
        }
        "^[a-z0-9]+(-[a-z0-9]+)*$" => {
            text.split('-').all(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        }
        other => panic!("pattern {other}"),
    }
}

#[track_caller]
fn valid(value: &Value) {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    check(value, schema.as_object().unwrap(), &schema, "$").unwrap();
}

fn invalid(value: &Value) -> bool {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    check(value, schema.as_object().unwrap(), &schema, "$").is_err()
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
    bare.0.tls = crate::session::TlsFacts::default();
    bare.1.evidence[0].fact = Fact::Missing(1448);
    valid(&session_json(&bare));
    let mut tally = Tally::default();
    tally.add(&sample::idle_timeout().1);
    let mut totals = Totals { limits_reached: vec![("connections", 3)], ..Totals::default() };
    totals.skipped.insert(crate::decode::Skip::Malformed, 3);
    valid(&written(|out| summary(out, &tally, &totals, &["cut short".into()])));
    valid(&written(|out| summary(out, &Tally::default(), &Totals::default(), &[])));
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
    assert_eq!(value.pointer("/summary").and_then(Value::as_str), Some(hostile.1.summary.as_str()));
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
