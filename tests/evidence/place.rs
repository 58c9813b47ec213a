//! Where a bundle goes, and what may go wrong on the way: whole or not at all, and nothing of anybody else's replaced.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{self, Owned, load};
use crate::{as_capture, bundle, names, office, program};

/// It fails with exactly this line, and leaves nothing behind in `place`.
#[track_caller]
fn refuses(place: &Path, arguments: &[&str], line: &str) {
    let before = names(place);
    let output = program(place, &[&["evidence"], arguments].concat());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("whohungup: {line}\n"));
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert_eq!(names(place), before);
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (place, office) = (folder.path(), office());
    let office = office.to_str().unwrap();
    refuses(place, &["missing.pcap", "1"], "missing.pcap: no such file");
    refuses(
        place,
        &[office, "900"],
        "connection 900 does not exist: the capture has 19 TCP connections; sessions near it: 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 …",
    );
    refuses(place, &[office, "5", "--flagged"], "--flagged takes all flagged sessions: name numbers, or leave --flagged out");
    refuses(place, &[office, "--server", "pay.example.com", "--client", "192.0.2.200"], "no session fits; the capture has 19 TLS sessions");
    refuses(place, &[office, "5", "-o", "no/such/folder"], "nothing was written to no/such/folder: No such file or directory (os error 2)");
    fs::create_dir(place.join("mine")).unwrap();
    fs::write(place.join("mine/thesis.txt"), "x").unwrap();
    for more in [&[][..], &["--force"]] {
        let arguments = [&[office, "5", "-o", "mine"], more].concat();
        refuses(place, &arguments, "nothing was written to mine: it exists, and is a folder with other things in it");
    }
    assert_eq!(names(&place.join("mine")), ["thesis.txt"]);
    refuses(place, &[office], "19 sessions to choose from, so name one by its number: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 …");
    // The capture itself is the last thing that a bundle may replace.
    fs::copy(office, place.join("a.pcapng")).unwrap();
    refuses(
        place,
        &["a.pcapng", "5", "-o", "a.pcapng", "--force"],
        "nothing was written to a.pcapng: it exists, and is a file of another kind",
    );
    bundle(place, &place.join("a.pcapng"), &["5"]);
    let inside = ["out/session.pcapng", "0", "-o", "out", "--force"];
    refuses(place, &inside, "out holds what is to be read; name another place");
    assert_eq!(fs::read(place.join("a.pcapng")).unwrap(), fs::read(office).unwrap());
    fs::remove_dir_all(place.join("out")).unwrap();
    fs::remove_file(place.join("a.pcapng")).unwrap();
    let conflict = program(place, &["evidence", office, "5", "--anonymize", "--with-secrets"]);
    assert_eq!(conflict.status.code(), Some(2));
    assert_eq!(names(place), ["mine"]);
}

#[test]
fn an_earlier_bundle_is_replaced_when_asked_for_and_a_zip_file_holds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    bundle(place, &office(), &["5"]);
    refuses(place, &[office().to_str().unwrap(), "5", "-o", "out"], "nothing was written to out: it exists; --force replaces it");
    bundle(place, &office(), &["5", "--force"]);
    assert_eq!(names(&place.join("out")), ["MANIFEST", "report.html", "report.md", "session.json", "session.pcapng"]);

    let zipped = program(place, &["evidence", office().to_str().unwrap(), "5", "-o", "out.zip"]);
    assert!(zipped.status.success());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(fs::read(place.join("out.zip")).unwrap())).unwrap();
    assert_eq!(zip.len(), 5);
    let mut found = Vec::new();
    std::io::copy(&mut zip.by_name("session.pcapng").unwrap(), &mut found).unwrap();
    assert_eq!(found, fs::read(place.join("out/session.pcapng")).unwrap());
    assert_eq!(names(place), ["out", "out.zip"]);

    // Without a place of its own it goes where its number says.
    assert!(program(place, &["evidence", office().to_str().unwrap(), "5"]).status.success());
    assert_eq!(names(place), ["evidence-5", "out", "out.zip"]);
}

#[test]
fn standard_input_is_read_twice_and_its_bundle_names_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_whohungup"))
        .args(["evidence", "-", "5", "-o", "out"])
        .current_dir(folder.path())
        .write_stdin(fs::read(office()).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(folder.path()), ["out"]);
    let session: Value = serde_json::from_slice(&fs::read(folder.path().join("out/session.json")).unwrap()).unwrap();
    assert_eq!(session["bundle"]["sources"][0]["file"], "standard input");
    assert_eq!(session["evidence"][0]["file"], "standard input");
}

#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_is_said_and_nothing_half_written_is_left() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["out", "out.zip"] {
        // Files may grow to 8 blocks of 512 bytes; without the trap a signal would end the program.
        let script = format!("trap '' XFSZ; ulimit -f 8; exec \"$0\" evidence \"$1\" 5 -o {target}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_whohungup")]).arg(office()).current_dir(folder.path());
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("whohungup: nothing was written to {target}: ")) && said.lines().count() == 1, "{said}");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}

/// Whether there is something under a passing name, with something in it.
#[cfg(unix)]
fn half_written(folder: &Path) -> bool {
    let passing = names(folder).into_iter().filter(|name| name.starts_with(".evidence-")).map(|name| folder.join(name));
    passing.into_iter().any(|path| match fs::read_dir(&path) {
        Ok(mut inside) => inside.next().is_some(),
        Err(_) => path.metadata().is_ok_and(|metadata| metadata.len() > 0),
    })
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_nothing_half_written() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    // So many sessions that it is not done before the signal comes, however busy the machine is.
    let folder = tempfile::tempdir().unwrap();
    let mut frames = Vec::new();
    let one = load(&common::directory().join("server-truncated-record.pcap")).frames;
    let span = one.last().unwrap().time - one[0].time + 1_000_000_000;
    for copy in 0..400 {
        frames.extend(one.iter().map(|frame| Owned { time: frame.time + copy * span, ..frame.clone() }));
    }
    fs::write(folder.path().join("long.pcapng"), as_capture(&frames)).unwrap();
    for (signal, target) in [(Signal::SIGINT, "out"), (Signal::SIGTERM, "out.zip"), (Signal::SIGHUP, "out")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whohungup"));
        command.args(["evidence", "long.pcapng", "--flagged", "-o", target]).current_dir(folder.path());
        let running = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        while !half_written(folder.path()) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        kill(Pid::from_raw(running.id() as i32), signal).unwrap();
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("whohungup: nothing was written to {target}: stopped by a signal\n"));
        assert_eq!(output.status.code(), Some(128 + signal as i32));
        assert_eq!(names(folder.path()), ["long.pcapng"]);
    }
}
