//! The program as people and scripts meet it: arguments, output, exit status.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it stands outside the program")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

#[path = "../src/report/json/validator.rs"]
mod validator;

const SCHEMA: &str = include_str!("../src/report/schema.json");

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name)
}

/// Nineteen sessions, half of them ended badly.
fn office() -> String {
    capture("office.pcapng").to_str().unwrap().to_owned()
}

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_whohungup"));
    command.args(arguments).env_remove("COLUMNS").env_remove("NO_COLOR").env("TZ", "UTC");
    command
}

fn finish(mut command: Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(arguments: &[&str]) -> Run {
    finish(program(arguments))
}

/// It fails with exactly this line, and prints nothing else.
#[track_caller]
fn refuses(arguments: &[&str], line: &str) {
    let run = run(arguments);
    assert_eq!(run.err, format!("whohungup: {line}\n"));
    assert_eq!((run.code, run.out.as_str()), (2, ""));
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn sessions(text: &str) -> Vec<Value> {
    objects(text).into_iter().filter(|object| object["type"] == "session").collect()
}

/// Every session of the office, as `read --all` prints it.
fn office_sessions(more: &[&str]) -> Vec<Value> {
    let run = run(&[&["read", "--all", "--format", "ndjson", &office()], more].concat());
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{more:?}");
    sessions(&run.out)
}

#[test]
fn usage_errors_are_one_line_and_status_2() {
    refuses(&["read", "x", "--format", "jsn"], "unknown format 'jsn'; did you mean 'json'? (table, json, ndjson, csv, markdown)");
    refuses(&["x", "--al"], "unknown option '--al'; did you mean '--all'?");
    refuses(&["--al", "x"], "unknown option '--al'; did you mean '--all'?");
    refuses(&[], "nothing to do; try 'whohungup FILE' or 'whohungup --help'");
    refuses(&["read"], "no capture named; give a pcap or pcapng file, or - for standard input");
    refuses(&["--all"], "no capture named; give a pcap or pcapng file, or - for standard input");
    refuses(&["x", "--at", "noon"], "--at: 'noon' is no time; write 14:03:02, '2026-11-20 14:03:02' or 2026-11-20T14:03:02Z");
    refuses(&["causes", "server-idle-timeuot"], "unknown cause 'server-idle-timeuot'; did you mean 'server-idle-timeout'?");
    refuses(&["causes", "zzz"], "unknown cause 'zzz'; 'whohungup causes' lists all");
}

#[test]
fn files_that_are_no_captures_are_one_line_and_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pcap");
    let text = dir.path().join("notes.txt");
    std::fs::write(&empty, b"").unwrap();
    std::fs::write(&text, b"dear diary, today the server hung up again\n").unwrap();
    for path in [dir.path().join("gone.pcap"), dir.path().to_owned(), empty, text] {
        for command in ["read", "show"] {
            let run = run(&[command, path.to_str().unwrap()]);
            assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
            assert_eq!(run.err.lines().count(), 1, "{}", run.err);
            assert!(run.err.starts_with("whohungup: ") && run.err.contains(path.to_str().unwrap()), "{}", run.err);
        }
    }
}

#[test]
fn a_misspelt_command_is_suggested() {
    let run = run(&["raed"]);
    assert_eq!(run.code, 2);
    assert!(run.err.ends_with("did you mean the command 'read'?\n"), "{}", run.err);
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in
        [&["--help"][..], &["-h"], &["read", "--help"], &["show", "-h"], &["causes", "-h"], &["interfaces", "-h"], &["--version"]]
    {
        let run = run(arguments);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
        assert!(run.out.contains("whohungup"), "{arguments:?}");
    }
    for arguments in [&["completions", "bash"][..], &["completions", "zsh"], &["man"], &["man", "read"]] {
        let run = run(arguments);
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(run.out.contains("whohungup"), "{arguments:?}");
    }
}

#[test]
fn every_capture_s_json_is_what_the_schema_says() {
    let mut checked = 0;
    for entry in std::fs::read_dir(capture("")).unwrap() {
        let path = entry.unwrap().path();
        if !path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng") {
            continue;
        }
        let run = run(&["read", "--all", "--format", "ndjson", path.to_str().unwrap()]);
        let objects = objects(&run.out);
        for object in &objects {
            validator::validate(object, SCHEMA).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let types: Vec<&str> = objects.iter().map(|object| object["type"].as_str().unwrap()).collect();
        assert_eq!((types[0], types[types.len() - 1]), ("capture", "summary"));
        let sessions = types.iter().filter(|kind| **kind == "session").count();
        assert_eq!(objects[types.len() - 1]["sessions"], sessions, "{}", path.display());
        checked += 1;
    }
    assert!(checked > 50, "only {checked} captures found");
}

#[test]
fn json_is_the_same_objects_in_one_array() {
    let lines = run(&["read", "--all", "--format", "ndjson", &office()]);
    let array = run(&["read", "--all", "--format", "json", &office()]);
    let mut array: Vec<Value> = serde_json::from_str(&array.out).unwrap();
    let mut lines = objects(&lines.out);
    // The command line differs, and the order: a session that later ones may tell more of is held back.
    for objects in [&mut array, &mut lines] {
        objects[0]["command"].take();
        objects.sort_by_key(|object| (object["type"].to_string(), object["session"].as_u64()));
    }
    assert_eq!(array, lines);
}

#[test]
fn what_later_connections_tell_is_a_revision_or_merged() {
    let file = capture("server-process-died.pcap").to_string_lossy().into_owned();
    let objects_of = |format: &str| {
        let run = run(&["read", "--all", "--format", format, &file]);
        if format == "json" { serde_json::from_str(&run.out).unwrap() } else { objects(&run.out) }
    };
    let of = |objects: &[Value], kind: &str, number: u32| {
        objects.iter().filter(|object| object["type"] == kind && object["session"] == number).cloned().collect::<Vec<Value>>()
    };
    let (lines, array) = (objects_of("ndjson"), objects_of("json"));
    let first = of(&lines, "session", 0).remove(0);
    let revision = of(&lines, "revision", 0).remove(0);
    let merged = of(&array, "session", 0).remove(0);
    assert_eq!(first["cause"], "server-closed-without-close-notify");
    assert_eq!(revision["was"]["cause"], first["cause"]);
    assert!(array.iter().all(|object| object["type"] != "revision"));
    // Whoever puts the revision's fields in the place of the session's has what the array says.
    let mut replaced = first;
    for (field, value) in revision.as_object().unwrap().iter().filter(|(field, _)| !matches!(field.as_str(), "type" | "was")) {
        replaced[field] = value.clone();
    }
    assert_eq!(replaced, merged);
    assert_eq!(lines[lines.len() - 1], array[array.len() - 1], "the totals are those of the final verdicts");
    let shown = run(&["show", &file, "0", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap(), merged);
}

#[test]
fn clean_sessions_are_listed_only_when_asked_for() {
    for (format, clean) in [
        ("ndjson", "\"cause\":\"clean-close\""),
        ("json", "\"cause\":\"clean-close\""),
        ("csv", ",clean-close,"),
        ("markdown", "| clean-close |"),
    ] {
        let some = run(&["read", &office(), "--format", format]);
        let all = run(&["read", &office(), "--format", format, "--all"]);
        assert_eq!((some.code, all.code), (0, 0));
        assert!(!some.out.contains(clean), "{format}: {}", some.out);
        assert!(all.out.contains(clean), "{format}: {}", all.out);
    }
    let rows = |run: Run| run.out.lines().filter(|line| line.contains("closed by")).count();
    assert_eq!(rows(run(&["read", &office()])), 0);
    assert!(rows(run(&["read", &office(), "--all"])) > 0);
}

#[test]
fn exit_status_tells_a_fault_only_when_asked() {
    let clean = capture("clean-close.pcapng");
    let clean = clean.to_str().unwrap();
    assert_eq!(run(&["read", &office()]).code, 0);
    assert_eq!(run(&["read", &office(), "--exit-code"]).code, 1);
    assert_eq!(run(&["read", clean, "--exit-code"]).code, 0);
    assert_eq!(run(&["read", &office(), "--exit-code", "--only", "none"]).code, 0);
    let quiet = run(&["read", &office(), "--exit-code", "--quiet"]);
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (1, "", ""));
}

#[test]
fn a_cut_capture_is_told_after_all_that_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(office()).unwrap();
    let cut = dir.path().join("cut.pcapng");
    std::fs::write(&cut, &bytes[..bytes.len() * 9 / 10]).unwrap();
    let run = run(&["read", "--all", "--format", "ndjson", "--exit-code", cut.to_str().unwrap()]);
    assert_eq!(run.code, 2, "2 wins over 1");
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.contains("cut short"), "{}", run.err);
    let objects = objects(&run.out);
    let summary = objects.last().unwrap();
    assert_eq!(summary["complete"], false);
    assert_eq!(summary["problems"].as_array().unwrap().len(), 1);
    assert!(objects.len() > 10, "what came before the cut is there");
}

#[test]
fn standard_input_is_a_capture_too() {
    let body = |run: &Run| run.out.replace("standard input", "office.pcapng").lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let from_file = run(&["read", "--all", "--format", "ndjson", &office()]);
    for arguments in [["read", "-"], ["-", "--color=never"]] {
        let mut command = program(&arguments);
        command.args(["--all", "--format", "ndjson"]).write_stdin(std::fs::read(office()).unwrap());
        assert_eq!(body(&finish(command)), body(&from_file));
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_failure() {
    for format in ["table", "ndjson", "csv"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_whohungup"));
        command.args(["read", "--all", "--format", format, &office()]).stdout(writer).stderr(std::process::Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0), "{format}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_name_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(std::ffi::OsStr::from_bytes(b"of\xfffice\x1b[2J.pcapng"));
    std::fs::copy(office(), &path).unwrap();
    for format in ["table", "ndjson", "csv", "markdown"] {
        let mut command = program(&["read", "--format", format]);
        command.arg(&path);
        let run = finish(command);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{format}");
        assert!(!run.out.contains('\x1b'), "{format}");
        assert!(run.out.contains("fice"), "{format}");
    }
}

#[test]
fn selecting_never_changes_a_session() {
    let all = office_sessions(&[]);
    for selection in [
        &["--server", "files.example.com"][..],
        &["--server", "*.example.com"],
        &["--client", "10.20.0.2", "--only", "server,proxy"],
        &["--from", "10:59:56", "--to", "10:59:57"],
        &["--at", "10:59:58"],
        &["--ignore", "10.30.0.11"],
    ] {
        let some = office_sessions(selection);
        assert!(some.len() < all.len() && !some.is_empty(), "{selection:?}: {}", some.len());
        for session in &some {
            assert!(all.contains(session), "{selection:?}: {session}");
        }
    }
    let run = run(&["read", "--format", "ndjson", &office(), "--server", "files.example.com"]);
    let summary = objects(&run.out).pop().unwrap();
    assert_eq!(summary["sessions"], all.len());
    assert_eq!(summary["selected"], office_sessions(&["--server", "files.example.com"]).len());
}

#[test]
fn at_a_quiet_moment_the_nearest_session_is_meant() {
    let nearest = office_sessions(&["--at", "2026-11-20T00:00:00Z"]);
    let started = |session: &Value| session["started"].as_str().unwrap().to_owned();
    assert_eq!(nearest.len(), 1);
    assert_eq!(started(&nearest[0]), office_sessions(&[]).iter().map(started).min().unwrap());
}

#[cfg(feature = "live")]
#[test]
fn a_capture_filter_selects_sessions_not_packets() {
    let all = office_sessions(&[]);
    let some = office_sessions(&["--filter", "tcp[tcpflags] & tcp-rst != 0"]);
    assert!(!some.is_empty() && some.len() < all.len());
    for session in &some {
        assert!(all.contains(session), "the verdict rests on all packets: {session}");
    }
    let wrong = run(&["read", "--filter", "port port", &office()]);
    assert_eq!((wrong.code, wrong.err.lines().count()), (2, 1), "{}", wrong.err);
    assert!(wrong.err.contains("port port"), "{}", wrong.err);
}

#[cfg(not(feature = "live"))]
#[test]
fn without_libpcap_what_needs_it_says_so() {
    for arguments in [&["read", "--filter", "tcp", "x"][..], &["interfaces"]] {
        let run = run(arguments);
        assert_eq!((run.code, run.err.lines().count()), (2, 1));
        assert!(run.err.contains("needs libpcap"), "{}", run.err);
    }
}

#[test]
fn parts_of_a_capture_are_read_in_order_of_time() {
    let parts = [capture("office.pcapng"), capture("clean-close.pcapng")];
    let [a, b] = parts.each_ref().map(|path| path.to_str().unwrap());
    let there = run(&["read", "--all", "--format", "ndjson", a, b]);
    let back = run(&["read", "--all", "--format", "ndjson", b, a]);
    let rest = |run: &Run| run.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rest(&there), rest(&back));
    let file = |session: &Value| session["evidence"][0]["file"].as_str().unwrap().to_owned();
    let files: BTreeSet<String> = sessions(&there.out).iter().map(file).collect();
    assert_eq!(files.len(), 2, "evidence names the file: {files:?}");
    let one = run(&["read", "--all", a, "/nowhere/at.all"]);
    assert_eq!(one.code, 2);
    assert!(one.err.contains("/nowhere/at.all") && one.out.contains("TLS sessions"), "{}", one.err);
}

#[test]
fn the_table_fits_and_leads_to_the_worst() {
    for columns in [80, 100, 160] {
        let mut command = program(&["read", &office()]);
        command.env("COLUMNS", columns.to_string());
        let run = finish(command);
        let widest = run.out.lines().filter(|line| !line.contains("whohungup show")).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns && widest > columns / 2, "{columns}: {widest}");
        let hint = run.out.lines().find(|line| line.contains("whohungup show")).unwrap();
        let number = hint.rsplit(' ').next().unwrap();
        assert!(hint.contains("office.pcapng"));
        let story = self::run(&["show", &office(), number]);
        assert_eq!(story.code, 0);
        assert!(story.out.starts_with(&format!("Session {number}: ")), "{}", story.out);
    }
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    let plain = run(&["read", &office()]).out;
    assert!(!plain.contains('\x1b'));
    let coloured = run(&["read", &office(), "--color", "always"]).out;
    assert!(coloured.contains('\x1b'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

#[test]
fn a_story_fits_a_terminal_of_80_columns() {
    let mut lines = 0;
    for number in 0..19 {
        let story = run(&["show", &office(), &number.to_string(), "--utc"]).out;
        for line in story.lines() {
            lines += 1;
            // What is to be pasted is never broken.
            let pasted = line.starts_with("  tcp.stream eq ") || line.starts_with("  tcpdump ");
            assert!(pasted || line.chars().count() <= 80, "session {number}: {line}");
        }
    }
    assert!(lines > 500, "{lines}");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("$ whohungup show captures/office.pcapng 5 --utc\n").unwrap();
    let (shown, _) = after.split_once("```").unwrap();
    let mut command = program(&["show", &office(), "5", "--utc"]);
    command.env("COLUMNS", "100");
    assert_eq!(shown, finish(command).out);
}

#[test]
fn show_finds_the_session_by_number_or_by_selection() {
    let one = office_sessions(&[]).into_iter().find(|session| session["session"] == 7).unwrap();
    let shown = run(&["show", &office(), "7", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap(), one);

    let client = format!("{}:{}", one["client"]["ip"].as_str().unwrap(), one["client"]["port"]);
    let selected = run(&["show", &office(), "--client", &client, "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&selected.out).unwrap(), one);

    for (arguments, words) in [
        (&["show"][..], "19 sessions to choose from, so name one by its number: 0, 1, 2"),
        (&["show", "4711"], "connection 4711 does not exist"),
        (&["show", "--server", "nowhere.example"], "no session fits; the capture has 19 TLS sessions"),
    ] {
        let office = office();
        let all: Vec<&str> = [&arguments[..1], &[&office], &arguments[1..]].concat();
        let run = run(&all);
        assert_eq!((run.code, run.err.lines().count()), (2, 1), "{}", run.err);
        assert!(run.err.contains(words), "{}", run.err);
    }
}

#[test]
fn a_story_tells_everything_in_both_formats() {
    for session in office_sessions(&["--only", "server,client,proxy,undetermined"]) {
        let number = session["session"].to_string();
        for format in ["text", "markdown"] {
            let story = run(&["show", &office(), &number, "--format", format]);
            assert_eq!((story.code, story.err.as_str()), (0, ""));
            for part in ["How we know", "What to do", "What happened", "tcp.stream eq", "fault", "Community ID"] {
                assert!(story.out.contains(part), "{number} {format}: {part}\n{}", story.out);
            }
        }
    }
}

#[test]
fn the_manual_has_a_page_for_every_cause() {
    let list = run(&["causes"]);
    for rule in whohungup::diagnose::rules::ALL {
        assert!(list.out.contains(rule.slug), "{}", rule.slug);
        let page = run(&["causes", rule.slug]);
        assert_eq!(page.code, 0, "{}", page.err);
        for heading in ["What it means", "What to do", "How sure"] {
            assert!(page.out.lines().any(|line| line == heading), "{}: {heading}", rule.slug);
        }
    }
}

#[test]
fn an_application_s_message_leads_to_causes() {
    let known = run(&["causes", "--error", "javax.net.ssl.SSLException: SSL peer shut down incorrectly"]);
    assert_eq!(known.code, 0);
    assert!(known.out.contains("server-closed-in-handshake"), "{}", known.out);
    // A line that begins with a dash, as gnutls-cli writes some, is a text all the same.
    let dashed = run(&["causes", "--error", "- Peer has closed the GnuTLS connection"]);
    assert_eq!(dashed.code, 0, "{}", dashed.err);
    assert!(dashed.out.contains("clean-close"), "{}", dashed.out);
    let unknown = run(&["causes", "--error", "SSL peer shut donw"]);
    assert_eq!((unknown.code, unknown.err.lines().count()), (2, 1));
    assert!(unknown.err.contains("most like it: 'SSL peer shut down incorrectly'"), "{}", unknown.err);
}

fn keys(name: &str) -> String {
    capture(name).to_str().unwrap().to_owned()
}

#[test]
fn a_key_log_is_used_and_said_to_fit() {
    let log = keys("office.keys");
    let run = run(&["read", &office(), "--keylog", &log, "--format", "ndjson", "--all"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.ends_with("office.keys: fits 10 of 19 TLS sessions\n"), "{}", run.err);
    let decrypted = sessions(&run.out).into_iter().filter(|session| session["tls"]["decrypted"] == "fully").count();
    assert_eq!(decrypted, 10);
}

#[test]
fn no_output_holds_a_secret() {
    let log = keys("office.keys");
    let text = std::fs::read_to_string(&log).unwrap();
    let secrets: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(' ').next()).collect();
    assert!(secrets.len() >= 10);
    let first = sessions(&run(&["read", &office(), "--format", "ndjson", "--all"]).out)[0]["session"].to_string();
    for format in ["table", "json", "ndjson", "csv", "markdown"] {
        let run = run(&["read", &office(), "--keylog", &log, "--all", "--format", format]);
        assert!(secrets.iter().all(|secret| !run.out.contains(secret) && !run.err.contains(secret)), "{format}");
    }
    for format in ["text", "json", "markdown"] {
        let run = run(&["show", &office(), &first, "--keylog", &log, "--format", format]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(secrets.iter().all(|secret| !run.out.contains(secret) && !run.err.contains(secret)), "{format}");
    }
}

#[test]
fn a_key_log_that_does_not_fit_is_said_and_the_analysis_goes_on() {
    let plain = run(&["read", &office(), "--all"]);
    let other = run(&["read", &office(), "--all", "--keylog", &keys("fatal-alert.keys")]);
    assert_eq!(
        (other.code, &other.out),
        (0, &plain.out.replace("whohungup show", &format!("whohungup show --keylog {}", keys("fatal-alert.keys"))))
    );
    assert!(other.err.contains("none of them in this capture: nothing was decrypted"), "{}", other.err);
    let none = run(&["read", &office(), "--all", "--keylog", &office()]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("not a key log"), "{}", none.err);
    let missing = run(&["read", &office(), "--all", "--keylog", "no-such.keys"]);
    assert_eq!((missing.code, missing.err.as_str()), (2, "whohungup: no-such.keys: cannot open the key log: no such file\n"));
    assert_eq!(missing.out.lines().count(), plain.out.lines().count());
}

#[test]
fn a_key_log_cut_in_its_last_line_is_used_up_to_there() {
    let text = std::fs::read_to_string(keys("office.keys")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.keys");
    std::fs::write(&cut, &text[..text.len() - 9]).unwrap();
    let run = run(&["read", &office(), "--all", "--keylog", cut.to_str().unwrap()]);
    assert_eq!(run.code, 0);
    assert!(run.err.contains("of 19 TLS sessions") && run.err.contains("ends in the middle of a line"), "{}", run.err);
}

#[test]
fn several_key_logs_are_used_together() {
    let text = std::fs::read_to_string(keys("office.keys")).unwrap();
    let (a, b): (Vec<_>, Vec<_>) = text.lines().enumerate().partition(|(i, _)| i % 2 == 0);
    let dir = tempfile::tempdir().unwrap();
    let paths = [dir.path().join("a"), dir.path().join("b")];
    for (path, lines) in paths.iter().zip([a, b]) {
        std::fs::write(path, lines.into_iter().map(|(_, line)| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let [a, b] = paths.each_ref().map(|path| path.to_str().unwrap());
    let run = run(&["read", &office(), "--all", "--keylog", a, "--keylog", b]);
    assert!(run.err.contains("fits 10 of 19 TLS sessions"), "{}", run.err);
}

#[test]
fn show_says_what_was_decrypted() {
    let log = keys("certificate-expired.keys");
    let file = capture("certificate-expired.pcap").to_str().unwrap().to_owned();
    let with = run(&["show", &file, "0", "--keylog", &log]);
    assert!(with.out.contains("(decrypted)") && with.out.contains("\n  decrypted "), "{}", with.out);
    let without = run(&["show", &file, "0"]);
    assert!(!without.out.contains("decrypted"), "{}", without.out);
    let other = run(&["show", &file, "0", "--keylog", &keys("office.keys")]);
    assert_eq!(other.err, "whohungup: no key log has secrets of this session: nothing of it was decrypted\n");
}
