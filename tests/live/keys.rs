//! Key logs that are written while the program captures: what was inferred is read.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::lab::{Lab, Live, SERVER};
use super::{objects, read};

/// A key log that nobody but root may open.
fn empty_log(lab: &Lab) -> PathBuf {
    let path = lab.path("keys");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A client of OpenSSL's that writes its secrets down, says nothing, and goes.
fn openssl_client(lab: &Lab, keys: &Path) {
    let mut command = lab.on("a", "openssl");
    command.args(["s_client", "-connect", &format!("{SERVER}:443"), "-servername", "api.example.com", "-keylogfile"]).arg(keys);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    // The end of its input makes it go.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let _ = to.write_all(b"GET / HTTP/1.1\r\n\r\n");
    drop(to);
    child.wait().unwrap();
}

fn session(live: &Live) -> Value {
    objects(&live.out()).into_iter().find(|object| object["type"] == "session").unwrap()
}

#[test]
fn a_close_notify_is_read_and_no_secret_gets_out() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("polite");
    let (keys, log) = (empty_log(&lab), lab.path("log"));
    let log_path = log.to_str().unwrap();
    let mut live = lab.live(&["--all", "--format", "ndjson", "--log", log_path, "--keylog", keys.to_str().unwrap()]);
    lab.ask_with("polite", 1, &[("SSLKEYLOGFILE", keys.to_str().unwrap())]);
    live.prints("\"type\":\"session\"");
    lab.ask("polite", 1);
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let told: Vec<Value> = objects(&live.out()).into_iter().filter(|object| object["type"] == "session").collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["close_notify"], serde_json::json!({"client": "sent", "server": "sent"}), "{}", live.err());
    assert_eq!(told[1]["close_notify"], serde_json::json!({"client": "likely", "server": "likely"}), "it wrote no secrets");
    assert!(live.err().contains("keys: fits 1 of 2 TLS sessions\n"), "{}", live.err());
    let written = read(&keys);
    let secrets: Vec<&str> = written.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(' ').next()).collect();
    assert!(secrets.len() >= 4, "{written}");
    for text in [live.out(), live.err(), read(&log)] {
        assert!(secrets.iter().all(|secret| !text.contains(secret)));
    }
}

#[test]
fn the_alert_inside_tls_1_3_is_read_and_its_evidence_says_so() {
    let Some(lab) = Lab::build() else { return };
    lab.serve_openssl(&["-Verify", "1", "-tls1_3"]);
    let (keys, evidence) = (empty_log(&lab), lab.path("evidence"));
    let mut live = lab.live(&["--format", "ndjson", "--keylog", keys.to_str().unwrap(), "--evidence", evidence.to_str().unwrap()]);
    openssl_client(&lab, &keys);
    live.prints("client-certificate-required");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let session = session(&live);
    assert_eq!(session["ending"], "fatal_alert");
    assert!(session["evidence"].to_string().contains("certificate_required"), "{}", session["evidence"]);
    assert_eq!(session["confidence"]["fault"], "certain", "{session}");
    let kept = std::fs::read_dir(&evidence).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&kept).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("certificate_required"), "the comments name the alert");
    let judged = std::process::Command::new(env!("CARGO_BIN_EXE_whohungup"))
        .args(["--format", "ndjson", "--keylog"])
        .args([&keys, &kept])
        .output()
        .unwrap();
    let again = objects(&String::from_utf8(judged.stdout).unwrap()).into_iter().find(|object| object["type"] == "session").unwrap();
    for field in ["ending", "cause", "fault", "closed_by", "close_notify"] {
        assert_eq!(again[field], session[field], "{field}");
    }
}

#[test]
fn a_key_log_that_is_none_is_told_and_the_capture_goes_on() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let (missing, odd) = (lab.path("missing"), lab.path("odd"));
    std::fs::write(&odd, "%PDF-1.7\nnothing\n").unwrap();
    let arguments = ["--keylog", missing.to_str().unwrap(), "--keylog", odd.to_str().unwrap(), "--keylog", "/dev/zero"];
    let mut live = lab.live(&arguments);
    live.complains("missing: cannot open the key log: no such file; create it empty before: it is read while it grows\n");
    live.complains("/dev/zero: neither a file nor a pipe, so no key log\n");
    lab.ask("polite", 1);
    live.prints("server-reset: ");
    assert_eq!(live.ends_by(Signal::SIGTERM), 2, "it could not do its whole job");
    assert!(live.err().contains("odd: not a key log: none of its 2 lines is one of a key log"), "{}", live.err());
}

#[test]
fn a_pipe_can_be_a_key_log() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("polite");
    let pipe = lab.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut live = lab.live(&["--all", "--format", "ndjson", "--keylog", pipe.to_str().unwrap()]);
    lab.ask_with("polite", 1, &[("SSLKEYLOGFILE", pipe.to_str().unwrap())]);
    live.prints("\"close_notify\":{\"client\":\"sent\",\"server\":\"sent\"}");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
}
