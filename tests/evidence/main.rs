//! Bundles of evidence: every session of every capture becomes one, proves itself, and says nothing that it should not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it stands outside the program")]

#[path = "../common/mod.rs"]
mod common;
mod place;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Owned, load};
use serde_json::Value;
use whohungup::base::{At, Frame, Time};
use whohungup::capture::{CaptureWriter, NewInterface, NewPacket};
use whohungup::decode::{Checksum, Decoded, Decoder};
use whohungup::tls::inspection_word;

#[path = "../../src/report/json/validator.rs"]
mod validator;

const SCHEMA: &str = include_str!("../../src/report/schema.json");

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
    // The name of an inspecting product is kept: it tells of nobody, and the verdict rests on it.
    found.retain(|(kind, bytes)| *kind != "certificate" || str::from_utf8(bytes).ok() != inspection_word(&String::from_utf8_lossy(bytes)));
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

fn office() -> PathBuf {
    common::directory().join("office.pcapng")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn flagged_sessions_become_one_bundle_with_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let out = bundle(folder.path(), &office(), &["--flagged"]);
    let flagged: Vec<u32> =
        common::sessions_of(&office()).0.iter().filter(|f| f.verdict.flagged()).filter_map(|f| f.session.tcp_stream).collect();
    assert!(out.starts_with(&format!("out: {} sessions, ", flagged.len())), "{out}");
    let bundle = folder.path().join("out");
    let index = fs::read_to_string(bundle.join("index.html")).unwrap();
    let manifest = fs::read_to_string(bundle.join("MANIFEST")).unwrap();
    for number in &flagged {
        assert!(bundle.join(format!("session-{number}/session.pcapng")).exists());
        assert!(index.contains(&format!("session-{number}/report.html")), "{number}");
        assert!(manifest.contains(&format!("  session-{number}/report.md\n")), "{number}");
    }
    assert_eq!(folders(&bundle).len(), flagged.len());
}

#[test]
fn a_key_gives_the_same_pseudonyms_in_every_run_and_is_told_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let capture = |more: &[&str]| {
        bundle(folder.path(), &office(), &[&["5", "--force", "--anonymize"], more].concat());
        let manifest = fs::read_to_string(folder.path().join("out/MANIFEST")).unwrap();
        assert!(!manifest.contains("between us"), "{manifest}");
        fs::read(folder.path().join("out/session.pcapng")).unwrap()
    };
    let keyed = capture(&["--key", "between us"]);
    assert_eq!(capture(&["--key=between us"]), keyed);
    assert_ne!(capture(&["--key", "another"]), keyed);
    assert_ne!(capture(&[]), capture(&[]), "without a key nobody can tell");
}

#[test]
fn what_keys_showed_is_told_and_so_is_that_it_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let report = |capture: &str, more: &[&str]| {
        let out = bundle(folder.path(), &common::directory().join(capture), more);
        (out, fs::read_to_string(folder.path().join("out/report.md")).unwrap())
    };
    let keys = common::directory().join("record-corruption.keys");
    let (out, with) = report("record-corruption.pcap", &["0", "--keylog", keys.to_str().unwrap()]);
    assert!(with.contains("**cause**: record-corruption"), "{with}");
    assert!(out.contains("secrets of a key log showed more: cause: clean-close instead of record-corruption"), "{out}");
    let (out, without) = report("record-corruption.pcap", &["0", "--force"]);
    assert!(without.contains("**cause**: clean-close") && !out.contains("secrets of a key log"), "{out}{without}");
    // Keys that showed nothing the packets do not show are no ground.
    let keys = common::directory().join("server-reset.keys");
    let (out, _) = report("server-reset.pcapng", &["0", "--force", "--keylog", keys.to_str().unwrap()]);
    assert!(!out.contains("showed more"), "{out}");
}

/// The capture again in `folder`, with secrets in it.
fn with_secrets(folder: &Path, path: &Path, secrets: &[u8]) -> PathBuf {
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    writer.secrets(secrets).unwrap();
    let frames = load(path).frames;
    let interface = writer.interface(NewInterface::new(frames[0].link));
    for frame in &frames {
        let time = Time::from_nanos(frame.time);
        writer.packet(&NewPacket { interface, time, wire_len: frame.wire_len, outgoing: None, data: &frame.data, comments: &[] }).unwrap();
    }
    let with_secrets = folder.join("with-secrets.pcapng");
    fs::write(&with_secrets, writer.into_inner()).unwrap();
    with_secrets
}

#[test]
fn only_a_sessions_own_secrets_go_with_it() {
    use whohungup::capture::CaptureFile;
    let folder = tempfile::tempdir().unwrap();
    let path = office();
    let sessions = common::sessions_of(&path).0;
    let random = |number: u32| {
        let session = &sessions.iter().find(|finished| finished.session.tcp_stream == Some(number)).unwrap().session;
        session.tls.client_hello.as_ref().unwrap().random.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let line = |number: u32| format!("CLIENT_RANDOM {} {}\n", random(number), format!("{number:02x}").repeat(48));
    let with_secrets = with_secrets(folder.path(), &path, format!("# comment\n{}{}", line(5), line(6)).as_bytes());
    for (more, expected) in [(&["5"][..], String::new()), (&["5", "--with-secrets", "--force"], line(5))] {
        bundle(folder.path(), &with_secrets, more);
        let mut file = CaptureFile::open(&folder.path().join("out/session.pcapng"), 0).unwrap();
        while file.next_frame().unwrap().is_some() {}
        assert_eq!(String::from_utf8_lossy(file.secrets()), expected);
    }
}

#[test]
fn secrets_that_go_with_the_packets_are_no_ground_outside_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = common::directory().join("clean-close.pcapng");
    let with_secrets = with_secrets(folder.path(), &path, &fs::read(path.with_extension("keys")).unwrap());
    let number = numbers(&path).remove(0);
    let alone = bundle(folder.path(), &with_secrets, &[&number]);
    assert!(alone.contains("secrets of a key log showed more"), "{alone}");
    let together = bundle(folder.path(), &with_secrets, &[&number, "--with-secrets", "--force"]);
    assert!(!together.contains("secrets of a key log"), "{together}");
}

#[test]
fn wireshark_reads_every_capture_and_shows_the_comments() {
    let tshark = |path: &Path, arguments: &[&str]| match Command::new("tshark").arg("-r").arg(path).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(_) => None,
    };
    for name in ["office.pcapng", "proxy-refused-tunnel.pcapng", "firewall-rejected.pcapng", "tls-interception.pcapng"] {
        let folder = tempfile::tempdir().unwrap();
        let path = common::directory().join(name);
        let list = numbers(&path);
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let anonymous = name.starts_with("proxy");
        for more in [&[][..], &["--anonymize", "--force"]].iter().take(1 + usize::from(anonymous)) {
            bundle(folder.path(), &path, &[&list[..], more].concat());
            for one in folders(&folder.path().join("out")) {
                let capture = one.join("session.pcapng");
                let session: Value = serde_json::from_slice(&fs::read(one.join("session.json")).unwrap()).unwrap();
                let Some(malformed) = tshark(&capture, &["-Y", "_ws.malformed"]) else {
                    eprintln!("tshark is not installed: not compared with it");
                    return;
                };
                assert_eq!(malformed, "", "{name}");
                let said = tshark(&capture, &["-Y", "frame.comment", "-T", "fields", "-e", "frame.number"]).unwrap();
                let cited: Vec<String> =
                    session["bundle"]["cited"].as_array().unwrap().iter().map(|cited| cited["packet"].to_string()).collect();
                assert!(!cited.is_empty() || session["evidence"].as_array().unwrap().is_empty(), "{name}");
                assert_eq!(said.lines().collect::<Vec<_>>(), cited, "{name}");
            }
        }
    }
}

#[test]
fn hostile_names_stay_text_everywhere() {
    use whohungup::capture::{CaptureWriter, NewInterface, NewPacket};
    use whohungup::decode::Header;
    const NAME: &[u8] = b"pay.example.com";
    const HOSTILE: &[u8] = b"<script>\x1b[2J|`$";
    assert_eq!(NAME.len(), HOSTILE.len());
    let folder = tempfile::tempdir().unwrap();
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    let frames = load(&office()).frames;
    let interface = writer.interface(NewInterface::new(frames[0].link));
    for mut owned in frames {
        if let Some(at) = memchr::memmem::find(&owned.data, NAME) {
            let mut passed = Vec::new();
            let frame = Frame {
                at: At::default(),
                link: owned.link,
                wire_len: owned.wire_len,
                interface: 0,
                outgoing: None,
                data: &owned.data.clone(),
            };
            Decoder::new().trace(&frame, &mut passed);
            let tcp = passed.iter().find(|passed| passed.header == Header::Tcp).unwrap().range.start;
            owned.data[at..at + NAME.len()].copy_from_slice(HOSTILE);
            // Left to the network card, so that it counts as no damage.
            owned.data[tcp + 16..tcp + 18].fill(0);
        }
        let time = Time::from_nanos(owned.time);
        writer.packet(&NewPacket { interface, time, wire_len: owned.wire_len, outgoing: None, data: &owned.data, comments: &[] }).unwrap();
    }
    let hostile = folder.path().join("<b>$(x)`.pcapng");
    fs::write(&hostile, writer.into_inner()).unwrap();
    for more in [&["5"][..], &["5", "--anonymize", "--force"], &["--flagged", "--force"]] {
        let said = bundle(folder.path(), &hostile, more);
        assert!(!said.contains('\x1b'));
        for (name, content) in files_below(&folder.path().join("out")) {
            if name.ends_with(".pcapng") {
                continue;
            }
            let text = String::from_utf8(content).unwrap();
            assert!(!text.contains('\x1b'), "{name}");
            if name.ends_with(".html") {
                assert!(!text.contains("<script>\u{1b}") && !text.contains("<script>\\x1b") && !text.contains("<b>$(x)"), "{name}");
            } else if name.ends_with(".md") {
                assert!(!text.contains("<script>") && !text.contains("<b>$"), "{name}");
            }
        }
    }
}

fn as_capture(frames: &[Owned]) -> Vec<u8> {
    use whohungup::capture::{CaptureWriter, NewInterface, NewPacket};
    let mut writer = CaptureWriter::new(Vec::new(), &[]).unwrap();
    let interface = writer.interface(NewInterface::new(frames[0].link));
    for frame in frames {
        let time = Time::from_nanos(frame.time);
        writer.packet(&NewPacket { interface, time, wire_len: frame.wire_len, outgoing: None, data: &frame.data, comments: &[] }).unwrap();
    }
    writer.into_inner()
}

/// Every IPv4 packet with more than a few bytes in two fragments.
fn fragmented(frames: &[Owned]) -> Vec<Owned> {
    use whohungup::decode::Header;
    const FIRST: usize = 48;
    let mut out = Vec::new();
    for (number, owned) in frames.iter().enumerate() {
        let at = At::new(Time::from_nanos(owned.time), number as u32 + 1, 0);
        let frame = Frame { at, link: owned.link, wire_len: owned.wire_len, interface: 0, outgoing: None, data: &owned.data };
        let mut passed = Vec::new();
        Decoder::new().trace(&frame, &mut passed);
        let Some(ip) = passed.iter().find(|passed| passed.header == Header::Ipv4).map(|ip| ip.range.clone()) else {
            out.push(owned.clone());
            continue;
        };
        let payload = &owned.data[ip.start + 20..ip.end];
        if payload.len() <= FIRST {
            out.push(owned.clone());
            continue;
        }
        for (offset, part) in [(0, &payload[..FIRST]), (FIRST, &payload[FIRST..])] {
            let mut data = [&owned.data[..ip.start + 20], part].concat();
            data[ip.start + 2..ip.start + 4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            let flags = if offset == 0 { 0x2000 } else { (offset / 8) as u16 };
            data[ip.start + 4..ip.start + 6].copy_from_slice(&(number as u16).to_be_bytes());
            data[ip.start + 6..ip.start + 8].copy_from_slice(&flags.to_be_bytes());
            out.push(Owned { wire_len: data.len() as u32, data, ..owned.clone() });
        }
    }
    out
}

#[test]
fn however_its_packets_come_a_session_proves_itself() {
    use common::{Random, transform};
    for name in ["office.pcapng", "starttls-refused.pcap", "proxy-refused-tunnel.pcapng", "tls-interception.pcapng"] {
        let frames = load(&common::directory().join(name)).frames;
        let mut random = Random::of(1, name);
        let variants = [
            ("resegmented", transform::resegmented(&frames, &mut random)),
            ("reordered", transform::reordered(&frames, &mut random, false)),
            ("duplicated", transform::duplicated(&frames)),
            ("over IPv6", transform::over_ipv6(&frames)),
            ("wrapped", transform::wrapped(&frames)),
            ("fragmented", fragmented(&frames)),
        ];
        for (how, frames) in variants {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("in.pcapng");
            fs::write(&path, as_capture(&frames)).unwrap();
            let list = numbers(&path);
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            let output = program(folder.path(), &[&["evidence", "in.pcapng", "-o", "out"], &list[..]].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}, {how}: {said}");
            let files = files_below(&folder.path().join("out"));
            let joined = files.iter().filter(|(_, content)| memchr::memmem::find(content, b"came in IP fragments").is_some()).count();
            assert_eq!(joined > 0, how == "fragmented", "{name}, {how}");
            let output = program(folder.path(), &[&["evidence", "in.pcapng", "-o", "out", "--force", "--anonymize"], &list[..]].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}, {how}, anonymous: {said}");
        }
    }
}
