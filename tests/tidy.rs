//! What keeps the project in shape: who may know whom, what each file begins with, and that every cause is whole.

#![allow(clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "a test reads the repository, and fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use whohungup::diagnose::rules;

/// The layers, lowest first. A file may name its own layer and those before it.
const LAYERS: [&str; 14] =
    ["base", "capture", "decode", "prelude", "tls", "tcp", "app", "session", "diagnose", "analyze", "report", "evidence", "cli", "main"];
/// Layers that do not know each other although one comes first.
const STRANGERS: [(&str, &str); 12] = [
    ("decode", "capture"),
    ("tcp", "tls"),
    ("tcp", "prelude"),
    ("tls", "prelude"),
    ("tls", "decode"),
    ("prelude", "decode"),
    // Only capture, evidence and cli touch the world.
    ("tls", "capture"),
    ("tcp", "capture"),
    ("session", "capture"),
    ("diagnose", "capture"),
    ("analyze", "capture"),
    ("report", "capture"),
];
/// The longest a source file may be.
const MAX_LINES: usize = 600;
/// The headings of a cause's page, in their order.
const HEADINGS: [&str; 6] = ["What it means", "How it looks in applications", "Why it happens", "What to do", "How sure", "References"];
/// Files beside the rules that are none.
const NO_RULES: [&str; 2] = ["mod", "common"];
/// Causes without captures of their own, and why.
const WITHOUT_CAPTURES: [(&str, &str); 1] = [("unexplained", "it is what is left when no cause fits")];
/// Captures that show no single cause.
const SHOWCASES: [&str; 1] = ["office"];
/// The captures together stay below this.
const MAX_CAPTURE_BYTES: u64 = 20_000_000;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The Rust files below `folder`, sorted, relative to the repository.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root()).expect("a path below the root").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The names of the files in `folder`.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).expect("a readable folder");
    entries.map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The path of modules a source file stands for: `src/tls/framer.rs` is `tls::framer`, `src/tls/mod.rs` is `tls`.
fn module(file: &Path) -> Vec<String> {
    let inside = file.strip_prefix("src").unwrap_or(file).with_extension("");
    let mut parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// Files that only tests compile: those a `#[cfg(test)] mod` names, and all below them.
fn test_files(sources: &[(PathBuf, String)]) -> BTreeSet<PathBuf> {
    let mut modules = Vec::new();
    let mut paths = BTreeSet::new();
    for (file, text) in sources {
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[cfg(test)]" {
                continue;
            }
            let mut declared = lines.next().unwrap_or_default();
            if let Some(path) = declared.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
                paths.insert(file.with_file_name(path));
                declared = lines.next().unwrap_or_default();
            }
            if let Some((_, name)) = declared.strip_suffix(';').and_then(|declared| declared.split_once("mod ")) {
                modules.push([module(file), vec![name.to_owned()]].concat());
            }
        }
    }
    let below = |file: &Path| modules.iter().any(|test| module(file).starts_with(test));
    paths.extend(sources.iter().map(|(file, _)| file).filter(|file| below(file)).cloned());
    paths
}

/// What a file says to the compiler outside tests: no comments, and nothing from its test module on.
fn code(text: &str) -> String {
    let mut kept: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let tests = kept.windows(2).position(|pair| matches!(pair, ["#[cfg(test)]", module] if module.ends_with("mod tests {")));
    kept.truncate(tests.unwrap_or(kept.len()));
    kept.join("\n")
}

/// The layers named after `crate::` in `code`, in groups too: `crate::{base::At, tls}` names two.
fn named_layers(code: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect::<String>();
    let mut named = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        let rest = &code[at + path.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            named.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut first = true;
        for (at, c) in group.char_indices() {
            if depth == 0 && first && c.is_alphabetic() {
                named.insert(word(&group[at..]));
                first = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => first = true,
                _ => {}
            }
        }
    }
    named
}

/// How far `super::` climbs in `code`, at most.
fn climbs(code: &str) -> usize {
    let mut most = 0;
    for (at, _) in code.match_indices("super::") {
        let steps = code[at..].split("::").take_while(|step| *step == "super").count();
        most = most.max(steps);
    }
    most
}

/// What is wrong with a file of `layer` that names `other`.
fn forbidden(layer: &str, other: &str) -> Option<&'static str> {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    match (rank(layer), rank(other)) {
        _ if layer == other => None,
        (None, _) | (_, None) => Some("is not a layer that tests/tidy.rs knows"),
        (Some(own), Some(named)) if named > own => Some("lies above it"),
        _ if STRANGERS.contains(&(layer, other)) => Some("is none of its business"),
        _ => None,
    }
}

#[test]
fn layers_know_only_what_lies_below() {
    let sources: Vec<(PathBuf, String)> = rust_files("src").into_iter().map(|file| (file.clone(), read(&root().join(file)))).collect();
    assert!(sources.len() > 50, "the sources were not found");
    let tests = test_files(&sources);
    let mut problems = Vec::new();
    for (file, text) in sources.iter().filter(|(file, _)| !tests.contains(file)) {
        let path = module(file);
        let Some(layer) = path.first() else { continue };
        let code = code(text);
        for other in named_layers(&code) {
            if let Some(why) = forbidden(layer, &other) {
                problems.push(format!("{}: names crate::{other}, which {why}", file.display()));
            }
        }
        if climbs(&code) >= path.len() {
            problems.push(format!("{}: climbs out of its layer with super::", file.display()));
        }
        if layer == "report" && code.contains("diagnose::rules") {
            problems.push(format!("{}: a report sees verdicts, never rules", file.display()));
        }
    }
    none(problems);
}

#[test]
fn the_reading_of_imports_sees_what_there_is() {
    let named = |code: &str| named_layers(code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(named("use crate::tls::{self, Alert};\nlet x = crate::tcp::new();"), "tcp tls");
    assert_eq!(named("pub use crate::{\n    base::{At, Side},\n    report::Context,\n    cli,\n};"), "base cli report");
    assert_eq!(
        named(&code("//! See crate::cli.\nuse crate::base::At;\n#[cfg(test)]\npub(super) mod tests {\n    use crate::cli::run;\n}")),
        "base"
    );
    assert_eq!(climbs("use super::super::tls;\nuse super::half;"), 2);
    assert_eq!(forbidden("base", "cli"), Some("lies above it"));
    assert_eq!(forbidden("tcp", "tls"), Some("is none of its business"));
    assert_eq!(forbidden("tls", "tcp"), Some("lies above it"));
    assert!(forbidden("tls", "quic").is_some());
    assert_eq!(forbidden("session", "tls"), None);
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches", "fuzz"] {
        for file in rust_files(folder) {
            let text = read(&root().join(&file));
            if !text.lines().next().is_some_and(|first| first.starts_with("//! ")) {
                problems.push(format!("{}: the first line must be //! and say what the file is for", file.display()));
            }
            let lines = text.lines().count();
            if lines > MAX_LINES {
                problems.push(format!("{}: {lines} lines, more than {MAX_LINES}: split it at a seam", file.display()));
            }
        }
    }
    none(problems);
}

#[test]
fn every_rule_file_is_registered_under_its_own_name() {
    let mut files = names("src/diagnose/rules");
    files.retain(|name| NO_RULES.iter().all(|none| *name != format!("{none}.rs")));
    let files: BTreeSet<String> = files.iter().filter_map(|name| name.strip_suffix(".rs")).map(|name| name.replace('_', "-")).collect();
    let slugs: BTreeSet<String> = rules::ALL.iter().map(|rule| rule.slug.to_owned()).collect();
    assert_eq!(files, slugs, "files in src/diagnose/rules, and the slugs of rules::ALL");
    assert_eq!(slugs.len(), rules::ALL.len(), "a slug stands twice in rules::ALL");
    for rule in rules::ALL {
        let name = format!("src/diagnose/rules/{}.rs", rule.slug.replace('-', "_"));
        assert_eq!(rule.source, read(&root().join(&name)), "{name}: its source is another file's");
    }
}

#[test]
fn every_cause_has_its_page() {
    let mut problems = Vec::new();
    for rule in rules::ALL {
        let page = rule.manual();
        let mut rest = page.as_str();
        if !page.starts_with(&format!("{}: ", rule.slug)) {
            problems.push(format!("{}: the page must begin with the name and a colon", rule.slug));
        }
        for heading in HEADINGS {
            let Some((_, after)) = rest.split_once(&format!("\n# {heading}\n")) else {
                problems.push(format!("{}: '# {heading}' is missing, or not in its place", rule.slug));
                continue;
            };
            let section = after.split("\n# ").next().unwrap_or_default();
            if section.trim().is_empty() {
                problems.push(format!("{}: '# {heading}' is empty", rule.slug));
            }
            rest = after;
        }
        let headings = page.lines().filter(|line| line.starts_with("# ")).count();
        if headings != HEADINGS.len() {
            problems.push(format!("{}: {headings} headings instead of {}", rule.slug, HEADINGS.len()));
        }
    }
    none(problems);
}

#[test]
fn rules_yield_to_rules_and_never_in_a_circle() {
    let known = |slug: &str| rules::find(slug).is_some();
    let mut problems = Vec::new();
    for rule in rules::ALL {
        for better in rule.yields_to.iter().filter(|better| !known(better)) {
            problems.push(format!("{} yields to {better}, which is no cause", rule.slug));
        }
    }
    // Rules that yield to none of the remaining ones are taken away until nothing, or a circle, is left.
    let mut left: BTreeSet<&str> = rules::ALL.iter().map(|rule| rule.slug).collect();
    loop {
        let free: Vec<&str> = rules::ALL
            .iter()
            .filter(|rule| left.contains(rule.slug) && !rule.yields_to.iter().any(|better| left.contains(better)))
            .map(|rule| rule.slug)
            .collect();
        if free.is_empty() {
            break;
        }
        left.retain(|slug| !free.contains(slug));
    }
    if !left.is_empty() {
        problems.push(format!("these yield to each other in a circle, or to such: {left:?}"));
    }
    none(problems);
}

/// The cause a capture is named after, and the rest of its name: `probe--near-miss.pcap` is (`probe`, `near-miss`).
fn capture_name(file: &str) -> Option<(&str, &str)> {
    let stem = file.strip_suffix(".pcapng").or_else(|| file.strip_suffix(".pcap"))?;
    Some(stem.split_once("--").unwrap_or((stem, "")))
}

#[test]
fn every_cause_has_a_capture_and_a_near_miss() {
    let files = names("captures");
    let captures: BTreeSet<(&str, &str)> = files.iter().filter_map(|file| capture_name(file)).collect();
    let mut problems = Vec::new();
    for rule in rules::ALL {
        let excused = WITHOUT_CAPTURES.iter().any(|(slug, _)| *slug == rule.slug);
        for kind in ["", "near-miss"] {
            match (captures.contains(&(rule.slug, kind)), excused) {
                (false, false) => problems.push(format!("{}: no capture of the kind '{kind}'", rule.slug)),
                (true, true) => problems.push(format!("{}: has a capture, so WITHOUT_CAPTURES need not excuse it", rule.slug)),
                _ => {}
            }
        }
    }
    for (name, _) in &captures {
        if rules::find(name).is_none() && !SHOWCASES.contains(name) {
            problems.push(format!("captures/{name}.*: there is no such cause"));
        }
    }
    none(problems);
}

#[test]
fn every_capture_is_described_and_has_its_truth() {
    let files = names("captures");
    let captures: BTreeSet<&str> = files.iter().map(String::as_str).filter(|file| capture_name(file).is_some()).collect();
    let described = read(&root().join("captures/README.md"));
    let described: BTreeSet<&str> = described.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(captures, described, "the captures, and those described in captures/README.md");

    let mut streams: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let mut problems = Vec::new();
    let known = |slug: &str| rules::find(slug).is_some();
    for line in read(&root().join("captures/truth.jsonl")).lines() {
        let truth: Value = serde_json::from_str(line).expect("a line of JSON");
        let file = truth["file"].as_str().expect("a file name").to_owned();
        let stream = truth["stream"].as_u64().expect("a stream number");
        let causes = truth["cause"].as_array().expect("a list of causes").iter();
        for slug in causes.chain([&truth["cause_tested"], &truth["near_miss_of"]]).filter_map(Value::as_str).filter(|slug| !known(slug)) {
            problems.push(format!("{file}, stream {stream}: {slug} is no cause"));
        }
        if truth["keylog"].as_str().is_some_and(|keys| !files.contains(keys)) {
            problems.push(format!("{file}, stream {stream}: its key log is missing"));
        }
        if !streams.entry(file.clone()).or_default().insert(stream) {
            problems.push(format!("{file}, stream {stream}: two truths"));
        }
    }
    for line in read(&root().join("captures/patterns.jsonl")).lines() {
        let pattern: Value = serde_json::from_str(line).expect("a line of JSON");
        let file = pattern["file"].as_str().expect("a file name");
        let named = pattern["streams"].as_array().expect("a list of streams").iter().filter_map(Value::as_u64);
        if !named.clone().all(|stream| streams.get(file).is_some_and(|known| known.contains(&stream))) || named.count() < 3 {
            problems.push(format!("{file}: a pattern of streams that are not all there, or too few"));
        }
    }
    none(problems);
    let labelled: BTreeSet<&str> = streams.keys().map(String::as_str).collect();
    assert_eq!(captures, labelled, "the captures, and those in captures/truth.jsonl");
}

#[test]
fn captures_stay_small() {
    let size = |name: &String| fs::metadata(root().join("captures").join(name)).expect("a file").len();
    let total: u64 = names("captures").iter().map(size).sum();
    assert!(total < MAX_CAPTURE_BYTES, "{total} bytes of captures");
}

#[test]
fn the_readme_names_every_field_of_a_session() {
    let readme = read(&root().join("README.md"));
    let schema: Value = serde_json::from_str(&read(&root().join("src/report/schema.json"))).expect("JSON");
    let fields = schema["$defs"]["session"]["properties"].as_object().expect("the fields of a session");
    let missing: Vec<&String> = fields.keys().filter(|field| !readme.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "README.md does not explain {missing:?}");
}

#[test]
fn the_readme_points_at_what_is_there() {
    let readme = read(&root().join("README.md"));
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let broken: Vec<&str> = links.filter(|link| !link.contains("://") && !link.starts_with('#') && !root().join(link).exists()).collect();
    assert!(broken.is_empty(), "README.md links to {broken:?}");
}
