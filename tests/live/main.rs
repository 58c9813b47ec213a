//! `live`, for real: in network namespaces, with real peers. Takes root; skipped with a printed reason where that is missing.
#![cfg(all(feature = "live", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "it stands outside the program")]

mod ending;
mod keys;
mod lab;
mod links;
mod losses;

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use lab::{CLIENT, Lab, wait_until};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_session_is_told_while_the_capture_goes_on_and_the_totals_at_its_end() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live(&[]);
    assert!(live.err().contains("capturing on va;"), "the interface of the default route: {}", live.err());
    lab.ask("polite", 1);
    live.prints("RST by server  server-reset: ");
    let line = live.out();
    assert!(line.contains(&format!("{CLIENT}:")) && line.contains(" → api.example.com  "), "{line}");
    assert!(live.child.try_wait().unwrap().is_none());
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    assert!(live.out().contains("\n1 TLS session: 1 ended badly."), "{}", live.out());
}

#[test]
fn clean_sessions_are_only_counted() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("polite");
    let mut live = lab.live(&["--format", "ndjson"]);
    lab.ask("polite", 5);
    assert_eq!(live.ends_by(Signal::SIGINT), 0);
    let told = objects(&live.out());
    let types: Vec<&str> = told.iter().filter_map(|object| object["type"].as_str()).collect();
    assert_eq!(types, ["capture", "summary"]);
    assert_eq!((told[1]["clean"].as_u64(), told[1]["flagged"].as_u64()), (Some(5), Some(0)));
    assert_eq!(told[1]["kernel_drops"], 0);
}

#[test]
fn all_rights_are_gone_once_the_capture_is_open() {
    let Some(lab) = Lab::build() else { return };
    let live = lab.live(&[]);
    assert!(live.err().contains("rights given up: now nobody, without capabilities, "), "{}", live.err());
    assert_eq!(live.status("Uid"), "65534 65534 65534 65534");
    assert_eq!(live.status("Gid"), "65534 65534 65534 65534");
    assert_eq!(live.status("Groups"), "65534");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(live.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(live.status("NoNewPrivs"), "1");
    let kept = lab.live(&["--no-sandbox"]);
    assert!(kept.err().contains("all rights are kept (--no-sandbox)"), "{}", kept.err());
    assert_eq!(kept.status("Uid"), "0 0 0 0");
}

#[test]
fn files_belong_to_who_invoked_sudo_and_so_does_the_program() {
    use std::os::unix::fs::MetadataExt;
    let Some(lab) = Lab::build() else { return };
    let log = lab.path("log");
    let mut command = lab.on("a", "env");
    command.args(["SUDO_UID=1234", "SUDO_GID=1235", env!("CARGO_BIN_EXE_whohungup")]);
    let live = lab.start(command, &["--log", log.to_str().unwrap()]);
    live.complains("now user 1234");
    wait_until("the log", || read(&log).contains("\"capture\""));
    let metadata = std::fs::metadata(&log).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (1234, 1235));
    assert_eq!(live.status("Uid"), "1234 1234 1234 1234");
    assert_eq!(live.status("Gid"), "1235 1235 1235 1235");
}

#[test]
fn what_was_there_before_is_not_given_away() {
    use std::os::unix::fs::MetadataExt;
    let Some(lab) = Lab::build() else { return };
    let (target, link) = (lab.path("target"), lab.path("link"));
    std::fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let mut live = lab.start(lab.on("a", env!("CARGO_BIN_EXE_whohungup")), &["--log", link.to_str().unwrap()]);
    assert_eq!(live.ends(), 2);
    assert!(live.err().contains("cannot open ") && live.err().contains("Permission denied"), "{}", live.err());
    assert_eq!(std::fs::metadata(&target).unwrap().uid(), 0);
}

#[test]
fn who_may_not_capture_is_told_what_to_type() {
    let Some(lab) = Lab::build() else { return };
    // The build may lie where others may not look.
    let program = lab.path("whohungup");
    std::fs::copy(env!("CARGO_BIN_EXE_whohungup"), &program).unwrap();
    let as_nobody = || {
        let mut command = lab.on("a", "setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    };
    let mut refused = lab.start(as_nobody(), &[]);
    assert_eq!(refused.ends(), 2);
    let expected = format!("sudo setcap cap_net_raw=ep {}\n", program.display());
    assert!(refused.err().starts_with("whohungup: no permission to capture: run it with sudo, or "), "{}", refused.err());
    assert!(refused.err().ends_with(&expected), "{}", refused.err());
    assert_eq!(refused.err().lines().count(), 1);
    // That helps.
    assert!(Command::new("setcap").arg("cap_net_raw=ep").arg(&program).status().unwrap().success());
    let live = lab.start(as_nobody(), &[]);
    live.complains("capturing on va; rights given up: without capabilities");
    assert_eq!((live.status("CapPrm"), live.status("CapEff")), ("0000000000000000".to_owned(), "0000000000000000".to_owned()));
}

#[test]
fn the_log_is_appended_to_and_follows_its_name() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("cut");
    let log = lab.path("log");
    let mut live = lab.live(&["--log", log.to_str().unwrap(), "--quiet"]);
    lab.ask("polite", 1);
    wait_until("a session in the log", || read(&log).contains("\"session\""));
    let old = lab.path("log.1");
    std::fs::rename(&log, &old).unwrap();
    live.signal(Signal::SIGHUP);
    wait_until("a new log", || read(&log).contains("\"capture\""));
    lab.ask("polite", 1);
    wait_until("a session in the new log", || read(&log).contains("\"type\":\"session\""));
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let types =
        |path: &Path| -> Vec<String> { objects(&read(path)).iter().map(|object| object["type"].as_str().unwrap().to_owned()).collect() };
    assert_eq!(types(&old), ["capture", "session"]);
    assert_eq!(types(&log), ["capture", "session", "summary"]);
    assert_eq!(live.out(), "");
}

#[test]
fn a_stall_is_told_on_a_quiet_interface() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("polite");
    let live = lab.live(&["--stall", "4s"]);
    let mut client = lab.stay();
    // The server's host answers no more: nothing but the client's packets is to be seen, in longer and longer intervals.
    lab.ip("b", "route add blackhole 10.77.0.1/32");
    client.go_on();
    live.prints("  stall");
    assert!(!live.out().contains("  client, ") && !live.out().contains("  server, "), "a silence has no culprit: {}", live.out());
}

#[test]
fn an_interface_that_goes_down_comes_back_and_one_that_is_removed_does_not() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live(&["-i", "va"]);
    lab.ip("a", "link set va down");
    live.complains("va is down: nothing is captured until it is up again");
    lab.ip("a", "link set va up");
    live.complains("va is up again");
    lab.ip("a", "route add default via 10.77.0.2");
    lab.ask("polite", 1);
    live.prints("server-reset");
    lab.ip("a", "link del va");
    assert_eq!(live.ends(), 2);
    assert!(live.err().contains("va is gone: it was removed"), "{}", live.err());
    assert!(live.out().contains("1 TLS session: 1 ended badly."), "{}", live.out());
}

#[test]
fn any_outlives_its_interfaces() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live(&["-i", "any", "--format", "ndjson"]);
    lab.ip("a", "link add extra type veth peer name extrb");
    lab.ip("a", "link set extra up");
    lab.ip("a", "link del extra");
    lab.ask("polite", 1);
    live.prints("server-reset");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    assert_eq!(objects(&live.out())[0]["link_types"][0], 276, "with interface and direction");
}

#[test]
fn what_left_the_host_captured_on_was_sent_by_it() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    for (host, interface, here) in [("b", "vb", true), ("b", "any", true), ("a", "va", false), ("a", "any", false)] {
        let mut live = lab.live_on(host, &["-i", interface, "--format", "ndjson"]);
        lab.ask("polite", 1);
        live.prints("\"server-reset\"");
        live.ends_by(Signal::SIGTERM);
        let session = objects(&live.out()).into_iter().find(|object| object["type"] == "session").unwrap();
        assert_eq!(session["confidence"]["closed_by"], "certain", "{host} {interface}");
        let said = session["evidence"].to_string();
        assert_eq!(said.contains("it left the host captured on, with a TTL that no router has touched: that host sent it"), here, "{said}");
        let forged = session["alternatives"].to_string().contains("injected-reset");
        let ruled_out = session["ruled_out"].to_string().contains("\"proxy\"");
        assert_eq!((forged, ruled_out), (!here, here), "{host} {interface}");
    }
}

#[test]
fn a_refusal_by_the_host_captured_on_is_its_own() {
    let Some(lab) = Lab::build() else { return };
    for (host, fault) in [("b", "server"), ("a", "undetermined")] {
        let mut live = lab.live_on(host, &["--format", "ndjson"]);
        lab.ask("polite", 1);
        live.prints("\"connection-refused\"");
        live.ends_by(Signal::SIGTERM);
        let session = objects(&live.out()).into_iter().find(|object| object["type"] == "session").unwrap();
        assert_eq!(session["fault"], fault);
    }
}

#[test]
fn metrics_are_served_to_this_host_and_count_what_is_told() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let live = lab.live(&["--metrics", "9108"]);
    lab.ask("polite", 2);
    live.prints("server-reset");
    // The test is not on that host.
    let scrape = || {
        let mut command = lab.on("a", "python3");
        command.args(["-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9108/metrics', timeout=5).read().decode())"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let expected = "whohungup_sessions_total{ending=\"rst\",fault=\"server\",server=\"api.example.com\"} 2\n";
    wait_until("both sessions in the metrics", || scrape().contains(expected));
    assert!(scrape().contains("\nwhohungup_lost_packets_total 0\n"));
    let mut from_afar = lab.on("b", "python3");
    from_afar.args(["-c", "import socket; socket.create_connection(('10.77.0.1', 9108), 2)"]);
    assert!(!from_afar.stderr(Stdio::null()).status().unwrap().success());
    let mut taken = lab.start(lab.on("a", env!("CARGO_BIN_EXE_whohungup")), &["--metrics", "9108"]);
    assert_eq!(taken.ends(), 2);
    assert!(taken.err().starts_with("whohungup: cannot serve metrics at 127.0.0.1:9108: Address already in use"), "{}", taken.err());
}

#[test]
fn evidence_of_a_flagged_session_says_the_same_by_itself() {
    use std::os::unix::fs::MetadataExt;
    let Some(lab) = Lab::build() else { return };
    lab.serve("cut");
    let folder = lab.path("evidence");
    let mut live = lab.live(&["--evidence", folder.to_str().unwrap(), "--format", "ndjson"]);
    lab.ask("polite", 15);
    wait_until("all sessions", || live.out().matches("\"type\":\"session\"").count() == 15);
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let expected = format!("whohungup: evidence of 10 sessions is in {}, of 5 more none was kept", folder.display());
    assert!(live.err().contains(&expected), "{}", live.err());
    let told: Vec<Value> = objects(&live.out()).into_iter().filter(|object| object["type"] == "session").collect();
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 10);
    assert_eq!(std::fs::metadata(&folder).unwrap().uid(), 65534);
    for file in files {
        assert_eq!(std::fs::metadata(&file).unwrap().uid(), 65534);
        let output = Command::new(env!("CARGO_BIN_EXE_whohungup")).args(["read", "--format", "ndjson"]).arg(&file).output().unwrap();
        let again = objects(&String::from_utf8(output.stdout).unwrap()).into_iter().find(|object| object["type"] == "session").unwrap();
        let before = told.iter().find(|session| session["client"] == again["client"]).unwrap();
        for field in ["ending", "closed_by", "close_notify", "fault", "cause", "phase", "bytes", "tls"] {
            assert_eq!(again[field], before[field], "{field} of {}", file.display());
        }
    }
}

#[test]
fn old_evidence_makes_room_for_new() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let folder = lab.path("evidence");
    std::fs::create_dir(&folder).unwrap();
    assert!(Command::new("chown").arg("65534:65534").arg(&folder).status().unwrap().success());
    let old = folder.join("20200101T000000.000Z-server-reset-old.example-10.0.0.1-1.pcapng");
    let foreign = folder.join("notes.txt");
    std::fs::write(&old, vec![0; (1 << 20) - 100]).unwrap();
    std::fs::write(&foreign, "mine").unwrap();
    let live = lab.live(&["--evidence", folder.to_str().unwrap(), "--evidence-disk", "1"]);
    lab.ask("polite", 1);
    live.prints("server-reset");
    wait_until("the old file to go", || !old.exists());
    let left: Vec<String> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.len() == 2 && foreign.exists(), "{left:?}");
}

#[test]
fn the_documented_logrotate_and_systemd_set_up_works() {
    let Some(lab) = Lab::build() else { return };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let logs = lab.path("logs");
    std::fs::create_dir(&logs).unwrap();
    assert!(Command::new("chown").arg("65534:65534").arg(&logs).status().unwrap().success());
    let (log, program) = (logs.join("sessions.ndjson"), lab.path("whohungup"));
    std::fs::copy(env!("CARGO_BIN_EXE_whohungup"), &program).unwrap();
    // As systemd starts it: as a user, with one ambient capability.
    let mut command = lab.on("a", "setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]).arg(&program);
    let live = lab.start(command, &["-i", "any", "--quiet", "--log", log.to_str().unwrap()]);
    live.complains("capturing on any; rights given up: without capabilities");
    assert_eq!((live.status("CapPrm"), live.status("CapAmb")), ("0000000000000000".to_owned(), "0000000000000000".to_owned()));
    wait_until("the log", || read(&log).contains("\"capture\""));
    if Command::new("logrotate").arg("--version").output().is_err() {
        eprintln!("skipped: rotating takes the program logrotate");
        return;
    }
    let group = if read(Path::new("/etc/group")).contains("\nnogroup:") { "nogroup" } else { "nobody" };
    let snippet = read(&docs.join("whohungup-live.logrotate"))
        .replace("/var/log/whohungup/sessions.ndjson", log.to_str().unwrap())
        .replace("whohungup whohungup", &format!("nobody {group}"))
        .replace("systemctl kill --signal=HUP whohungup-live.service", &format!("kill -HUP {}", live.child.id()));
    let config = lab.path("logrotate.conf");
    std::fs::write(&config, snippet).unwrap();
    let rotated = Command::new("logrotate").args(["-f", "-s"]).arg(lab.path("state")).arg(&config).output().unwrap();
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    wait_until("a new log", || read(&log).contains("\"capture\""));
    assert!(read(&logs.join("sessions.ndjson.1")).contains("\"capture\""));
}

#[test]
fn processes_of_this_host_are_named_even_those_of_others() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let mut live = lab.live_on("b", &["--format", "ndjson"]);
    assert!(live.err().contains("a helper process that sees no packet may look into processes"), "{}", live.err());
    let helper = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", live.child.id())).unwrap();
    let status = format!("/proc/{}/status", helper.trim());
    let field = |name: &str| read(Path::new(&status)).lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).unwrap();
    // CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.
    let rights = ("0000000000080004".to_owned(), "0000000000000000".to_owned(), "1".to_owned());
    wait_until("the helper to give up its rights", || (field("CapPrm:"), field("CapBnd:"), field("NoNewPrivs:")) == rights);
    wait_until("the helper to be nobody", || field("Uid:").starts_with("65534"));
    lab.ask("polite", 1);
    live.prints("server-reset");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    let session = objects(&live.out()).into_iter().find(|object| object["type"] == "session").unwrap();
    assert_eq!((&session["process"]["client"], &session["process"]["server"]["name"]), (&Value::Null, &Value::from("python3")));
    let without = lab.live_on("b", &["--format", "ndjson", "--no-process"]);
    lab.ask("polite", 1);
    without.prints("server-reset");
    assert!(!without.out().contains("\"process\""));
}

#[test]
fn a_reader_that_goes_is_noticed_without_a_session() {
    let Some(lab) = Lab::build() else { return };
    let mut command = lab.on("a", env!("CARGO_BIN_EXE_whohungup"));
    let mut child = command.arg("live").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none());
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.ends_with("whohungup: whoever read the output has gone: that is the end\n"), "{err}");
}

#[test]
fn a_full_disk_is_told_and_the_capture_goes_on() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("reset");
    let disk = lab.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs"]).arg(&disk).status().unwrap();
    assert!(mount.success());
    let unmount = Unmount(&disk);
    let (log, ballast) = (disk.join("log"), disk.join("ballast"));
    let mut live = lab.live(&["--log", log.to_str().unwrap()]);
    assert_eq!(std::fs::write(&ballast, vec![0; 128 * 1024]).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    lab.ask("polite", 4);
    live.complains("No space left on device");
    std::fs::remove_file(&ballast).unwrap();
    lab.ask("polite", 1);
    live.complains("again; ");
    assert_eq!(live.ends_by(Signal::SIGTERM), 0);
    assert_eq!(live.out().matches("server-reset").count(), 5, "what is printed is whole");
    let logged = objects(&read(&log));
    assert_eq!(logged.last().unwrap()["type"], "summary", "and no line of the log is cut");
    drop(unmount);
}

struct Unmount<'p>(&'p Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn it_ends_by_itself_when_asked_to() {
    let Some(lab) = Lab::build() else { return };
    lab.serve("polite");
    let mut timed = lab.live(&["--duration", "1s"]);
    assert_eq!(timed.ends(), 0);
    let mut counted = lab.live(&["--count", "10", "--format", "ndjson"]);
    lab.ask("polite", 3);
    assert_eq!(counted.ends(), 0);
    assert_eq!(objects(&counted.out()).last().unwrap()["frames"], 10);
}

#[test]
fn what_cannot_be_captured_on_is_one_line() {
    let Some(lab) = Lab::build() else { return };
    for (arguments, line) in [
        (&["-i", "nope"][..], "whohungup: there is no interface 'nope'; 'whohungup interfaces' lists them\n"),
        (&["--filter", "tcp prot 443"][..], "whohungup: filter 'tcp prot 443' on va: can't parse filter expression: syntax error\n"),
    ] {
        let mut live = lab.start(lab.on("a", env!("CARGO_BIN_EXE_whohungup")), arguments);
        assert_eq!(live.ends(), 2);
        assert_eq!((live.err().as_str(), live.out().as_str()), (line, ""));
    }
}
