//! Bundles of evidence: every session of every capture becomes one, proves itself, and says nothing that it should not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it stands outside the program")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Owned, load};
use serde_json::Value;
use whohungup::base::{At, Frame, Time};
use whohungup::decode::{Checksum, Decoded, Decoder};

#[path = "../src/report/json/validator.rs"]
mod validator;

const SCHEMA: &str = include_str!("../src/report/schema.json");

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whohungup"));
    command.args(arguments).current_dir(folder).env_remove("COLUMNS").env("TZ", "UTC").output().unwrap()
}

/// The numbers of all sessions in a capture.
fn numbers(path: &Path) -> Vec<String> {
    common::sessions_of(path).0.iter().filter_map(|finished| finished.session.tcp_stream).map(|number| number.to_string()).collect()
}

/// Makes a bundle called `out` in `folder`; what was printed.
#[track_caller]
fn bundle(folder: &Path, capture: &Path, more: &[&str]) -> String {
    let output = program(folder, &[&["evidence", capture.to_str().unwrap(), "-o", "out"], more].concat());
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{}: {err}", capture.display());
    assert!(out.contains("proven by its own packets"), "{}: {out}{err}", capture.display());
    out
}

/// The sessions' folders in a bundle: itself, where there is one.
fn folders(bundle: &Path) -> Vec<PathBuf> {
    let inner: Vec<PathBuf> = fs::read_dir(bundle).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    if inner.is_empty() { vec![bundle.to_owned()] } else { inner }
}

fn checksum(owned: &Owned) -> Option<(Checksum, usize)> {
    let frame = Frame {
        at: At::new(Time::from_nanos(owned.time), 1, 0),
        link: owned.link,
        wire_len: owned.wire_len,
        interface: 0,
        outgoing: None,
        data: &owned.data,
    };
    match Decoder::new().decode(&frame) {
        Decoded::Tcp(segment) => Some((segment.checksum, segment.payload.iter().filter(|byte| **byte != 0).count())),
        _ => None,
    }
}

#[test]
fn every_session_of_every_capture_proves_itself() {
    let mut zeroed = 0;
    for path in common::files() {
        let numbers = numbers(&path);
        if numbers.is_empty() {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let list: Vec<&str> = numbers.iter().map(String::as_str).collect();
        bundle(place.path(), &path, &list);
        let original = load(&path);
        let out = place.path().join("out");
        assert_eq!(out.join("index.html").exists(), numbers.len() > 1, "{}", path.display());
        for folder in folders(&out) {
            let session: Value = serde_json::from_str(&fs::read_to_string(folder.join("session.json")).unwrap()).unwrap();
            validator::validate(&session, SCHEMA).unwrap();
            let kept = load(&folder.join("session.pcapng"));
            assert_eq!(session["bundle"]["packets"], kept.frames.len(), "{}", path.display());
            let packets: u64 = ["client", "server"].iter().map(|side| session["packets"][*side].as_u64().unwrap()).sum();
            assert!(kept.frames.len() as u64 >= packets, "{}: {} of {packets}", path.display(), kept.frames.len());
            let mut rest = original.frames.iter();
            for frame in &kept.frames {
                let before = rest.by_ref().find(|other| other.time == frame.time && other.wire_len == frame.wire_len);
                let before = before.unwrap_or_else(|| panic!("{}: a frame that was not in it", path.display()));
                assert_eq!(before.data.len(), frame.data.len());
                if let (Some((was, bytes)), Some((is, left))) = (checksum(before), checksum(frame)) {
                    assert_eq!(was, is, "{}: a checksum", path.display());
                    assert!(left <= bytes);
                    zeroed += bytes - left;
                }
            }
            for cited in session["bundle"]["cited"].as_array().unwrap() {
                let (packet, frame) = (cited["packet"].as_u64().unwrap() as usize, cited["frame"].as_u64().unwrap() as usize);
                assert_eq!(kept.frames[packet - 1].time, original.frames[frame - 1].time, "{}", path.display());
            }
        }
    }
    assert!(zeroed > 100_000, "only {zeroed} bytes were zeroed in all");
}

/// What must not be found in an anonymous bundle, in lower case: its kind, and its bytes.
fn originals(path: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    for finished in common::sessions_of(path).0 {
        let session = &finished.session;
        for end in [session.ends.client, session.ends.server] {
            found.push(("address", end.ip.to_string().into_bytes()));
            let raw = match end.ip {
                std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
                std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            found.push(("raw address", raw.iter().rev().copied().collect()));
            found.push(("raw address", raw));
        }
        found.extend(session.sni().map(|name| ("SNI", name.into_bytes())));
        for talk in session.prelude.iter().flat_map(|story| &story.talks) {
            found.extend(talk.target.as_ref().map(|target| ("target", target.rsplit_once(':').map_or(&**target, |(host, _)| host).into())));
        }
        let chain = session.tls.certificates.as_deref();
        let leaf = chain.and_then(|chain| chain.leaf.as_deref());
        found.extend(leaf.iter().flat_map(|leaf| &leaf.dns_names).map(|name| ("certified name", name.as_bytes().to_vec())));
        let others = chain.iter().flat_map(|chain| &chain.others).flat_map(|other| [&other.subject, &other.issuer]);
        for part in leaf.iter().flat_map(|leaf| [&leaf.subject, &leaf.issuer]).chain(others).flat_map(|name| name.split(',')) {
            let text = part.split_once('=').map_or(part, |(_, text)| text);
            found.push(("certificate", text.as_bytes().to_vec()));
        }
    }
    for frame in load(path).frames {
        // Of Ethernet, where it is some.
        if frame.link == whohungup::base::LinkType::ETHERNET {
            found.extend(frame.data.get(..6).map(|mac| ("MAC", mac.to_vec())));
        }
    }
    found.retain(|(_, bytes)| bytes.len() > 3 && bytes.iter().any(|byte| *byte != 0 && *byte != 0xff));
    found.iter_mut().for_each(|(_, bytes)| bytes.make_ascii_lowercase());
    found.sort();
    found.dedup();
    found
}

/// The ways in which bytes can stand in a file.
fn spellings(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let colons: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![
        ("as it is", bytes.to_vec()),
        ("UTF-16, little-endian", bytes.iter().flat_map(|byte| [*byte, 0]).collect()),
        ("UTF-16, big-endian", bytes.iter().flat_map(|byte| [0, *byte]).collect()),
        ("hexadecimal", hex.into_bytes()),
        ("hexadecimal with colons", colons.join(":").into_bytes()),
    ];
    // The inner part of what base64 makes of it, wherever it begins.
    for shift in 0..3 {
        let padded = [&b"..."[..shift], bytes].concat();
        let text = base64(&padded);
        let inner = text.get(if shift == 0 { 0 } else { 4 }..padded.len() / 3 * 4).unwrap_or_default();
        if inner.len() >= 8 {
            all.push(("base64", inner.to_ascii_lowercase().into_bytes()));
        }
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        out.extend((0..4).map(|place| char::from(DIGITS[(word >> (18 - 6 * place)) as usize & 63])));
    }
    out
}

/// Every file below `folder`: its name, and what it holds.
fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.to_string_lossy().into_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn an_anonymous_bundle_has_nothing_of_the_originals() {
    let mut looked_for = 0;
    for path in common::files() {
        let numbers = numbers(&path);
        if numbers.is_empty() {
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        // A file's own name can tell, too.
        let source = place.path().join("secret-host.example.pcap");
        fs::copy(&path, &source).unwrap();
        let list: Vec<&str> = numbers.iter().map(String::as_str).collect();
        bundle(place.path(), &source, &[&list[..], &["--anonymize", "--key", "between us"]].concat());
        let mut originals = originals(&path);
        originals.extend([("file name", b"secret-host".to_vec()), ("key", b"between us".to_vec())]);
        let files = files_below(&place.path().join("out"));
        for (name, content) in &files {
            let lower = content.to_ascii_lowercase();
            for (kind, original) in &originals {
                for (spelling, bytes) in spellings(original) {
                    looked_for += 1;
                    assert!(
                        memchr::memmem::find(&lower, &bytes).is_none(),
                        "{}: {name} has a {kind}, {spelling}: {}",
                        path.display(),
                        original.escape_ascii()
                    );
                }
            }
        }
    }
    assert!(looked_for > 10_000, "only {looked_for} things were looked for");
}
