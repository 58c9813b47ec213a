//! `--keylog`: key logs beside a capture and inside it, read while they grow; what is said of them at the end.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::analyze::Totals;
use crate::base::printable;
use crate::cli::progress::passes;
use crate::report::text::{count, grouped};
use crate::tls::{KeyLog, Secrets};

/// Time between two looks at whether a key log has grown.
const PAUSE: Duration = Duration::from_millis(50);
/// A pipe that says nothing for this long has said all there is, until it says more; and for so long a writer is waited for.
const SILENCE: Duration = Duration::from_millis(500);
/// Time that a pipe's writer has for its first line: it may be `ssh`.
const FIRST_WORDS: Duration = Duration::from_secs(10);
/// Frames of a file between two looks at the clock.
const EVERY: u64 = 1_024;
/// Bytes read of a key log at once.
const CHUNK: usize = 64 * 1024;
/// Chunks read in one go of a key log that may go on for ever while packets come.
const AT_ONCE: usize = 16;

/// The key logs of a run.
pub(crate) struct KeyLogs {
    files: Vec<Grown>,
    /// The lines in the capture file being read, and how many bytes of them were taken.
    inside: KeyLog,
    taken: usize,
    looked: Option<Instant>,
    /// What was there at the beginning has been read.
    begun: bool,
    /// Packets are still coming: they and the key log's lines come together.
    live: bool,
    frames: u64,
}

/// A key log that may be growing.
struct Grown {
    name: String,
    source: Option<File>,
    log: KeyLog,
    pipe: bool,
    /// The last line has no end, and is none as it stands.
    half: bool,
}

impl KeyLogs {
    /// Opens `paths`, to be read from later: then the right to open them may be gone. Trouble with one of them goes to `problems`. `live`:
    /// packets, too, are still coming.
    pub(crate) fn open(paths: &[PathBuf], live: bool, problems: &mut Vec<String>) -> KeyLogs {
        let mut logs = KeyLogs { files: Vec::new(), inside: KeyLog::new(), taken: 0, looked: None, begun: false, live, frames: 0 };
        for path in paths {
            match Grown::open(path, live) {
                Ok(log) => logs.files.push(log),
                Err(problem) => problems.push(format!("{}: {problem}", shown(path))),
            }
        }
        logs
    }

    /// Reads what is there into `secrets`. If `patient`, the first words of a pipe are waited for.
    pub(crate) fn begin(&mut self, patient: bool, secrets: &mut Secrets, problems: &mut Vec<String>) {
        let pipe = self.files.iter().any(|file| file.pipe);
        secrets.set_growing(pipe || (self.live && !self.files.is_empty()));
        self.read(patient, secrets, problems);
        self.begun = true;
    }

    /// Takes in the key log lines that a capture file holds, as far as it was read.
    #[inline]
    pub(crate) fn take(&mut self, lines: &[u8], secrets: &mut Secrets) {
        if lines.len() != self.taken {
            self.take_more(lines, secrets);
        }
    }

    #[cold]
    fn take_more(&mut self, lines: &[u8], secrets: &mut Secrets) {
        // Another file's begin anew.
        let from = if lines.len() < self.taken { 0 } else { self.taken };
        self.inside.feed(lines.get(from..).unwrap_or_default(), secrets);
        self.taken = lines.len();
    }

    /// The next file is another one.
    pub(crate) fn next_file(&mut self) {
        self.taken = 0;
    }

    /// So many more frames come: looks whether the key logs have grown, if it is time for that.
    #[inline]
    pub(crate) fn look(&mut self, frames: usize, secrets: &mut Secrets, problems: &mut Vec<String>) {
        if self.files.is_empty() {
            return;
        }
        if passes(&mut self.frames, frames, EVERY) || self.live {
            self.look_again(secrets, problems);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a key log grows in its own time, not in the capture's")]
    fn look_again(&mut self, secrets: &mut Secrets, problems: &mut Vec<String>) {
        let due = self.looked.is_none_or(|looked| looked.elapsed() >= PAUSE);
        if due {
            self.read_all(secrets, problems);
            self.looked = Some(Instant::now());
        }
    }

    /// Reads what the key logs have by now.
    pub(crate) fn read_all(&mut self, secrets: &mut Secrets, problems: &mut Vec<String>) {
        self.read(false, secrets, problems);
    }

    fn read(&mut self, patient: bool, secrets: &mut Secrets, problems: &mut Vec<String>) {
        for file in &mut self.files {
            let before = file.log.counts().lines;
            // What may go on for ever must not hold up packets.
            let most = if self.live && (file.pipe || self.begun) { AT_ONCE } else { usize::MAX };
            if let Err(error) = file.read(patient, most, secrets) {
                problems.push(format!("{}: cannot read the key log: {error}", file.name));
                file.source = None;
            }
            if self.looked.is_some() && file.log.counts().lines > before {
                // It is being written: what it lacks may still come.
                secrets.set_growing(true);
            }
        }
    }

    /// The end: last lines without a line feed count if they are whole. What is wrong with a key log goes to `problems`.
    pub(crate) fn end(&mut self, secrets: &mut Secrets, problems: &mut Vec<String>) {
        self.read_all(secrets, problems);
        for file in &mut self.files {
            file.half = !file.log.end(secrets);
            let counts = file.log.counts();
            if counts.is_no_key_log() {
                problems.push(format!(
                    "{}: not a key log: none of its {} is one of a key log (SSLKEYLOGFILE)",
                    file.name,
                    count(counts.lines, "line", "lines")
                ));
            }
        }
    }

    /// What is worth saying of the key logs that were named: how many sessions they fitted, first.
    pub(crate) fn notes(&self, totals: &Totals, secrets: &Secrets) -> Vec<String> {
        let mut notes = Vec::new();
        let sound: Vec<&Grown> = self.files.iter().filter(|file| !file.log.counts().is_no_key_log()).collect();
        let names: Vec<&str> = sound.iter().map(|file| file.name.as_str()).collect();
        let names = names.join(", ");
        let (fitted, sessions) = (totals.keyed, count(totals.sessions, "TLS session", "TLS sessions"));
        match (sound.is_empty(), secrets.len() as u64 + secrets.given_up(), fitted) {
            (true, ..) => {}
            (_, 0, _) => notes.push(format!("{names}: no secret in it")),
            (_, held, 0) if totals.sessions > 0 => {
                let held = count(held, "session", "sessions");
                notes.push(format!("{names}: secrets of {held}, none of them in this capture: nothing was decrypted"));
            }
            _ => notes.push(format!("{names}: fits {} of {sessions}", grouped(fitted))),
        }
        if totals.keyed > totals.decrypted {
            let closed = count(totals.keyed - totals.decrypted, "session", "sessions");
            notes.push(format!("{names}: the secrets of {closed} opened no record"));
        }
        for file in &sound {
            let counts = file.log.counts();
            if counts.garbage > 0 {
                let lines = count(counts.lines, "line", "lines");
                notes.push(format!("{}: {} of {lines} not of a key log, passed over", file.name, grouped(counts.garbage)));
            }
            if file.half {
                notes.push(format!("{}: ends in the middle of a line: it was still being written, or cut", file.name));
            }
        }
        if secrets.given_up() > 0 {
            let given_up = count(secrets.given_up(), "session", "sessions");
            notes.push(format!("{names}: too many secrets to hold; those of the first {given_up} were given up"));
        }
        notes
    }
}

impl Grown {
    fn open(path: &Path, live: bool) -> Result<Grown, String> {
        let source = without_waiting(path).map_err(|error| {
            // It is not looked for again.
            let hint = if live && error.kind() == ErrorKind::NotFound { "; create it empty before: it is read while it grows" } else { "" };
            format!("cannot open the key log: {}{hint}", said(&error))
        })?;
        let metadata = source.metadata().map_err(|error| format!("cannot open the key log: {error}"))?;
        if metadata.is_dir() {
            return Err("a directory, not a key log".to_owned());
        }
        let pipe = is_pipe(&metadata);
        if !pipe && !metadata.is_file() {
            return Err("neither a file nor a pipe, so no key log".to_owned());
        }
        Ok(Grown { name: shown(path), source: Some(source), log: KeyLog::new(), pipe, half: false })
    }

    /// Reads what is there, at most so many chunks. If `patient`, the first words of a pipe are waited for: later, packets wait for nobody.
    #[expect(clippy::disallowed_methods, reason = "how long a pipe is waited for is not the capture's time")]
    fn read(&mut self, patient: bool, most: usize, secrets: &mut Secrets) -> std::io::Result<()> {
        let Some(source) = &mut self.source else { return Ok(()) };
        if !self.pipe && source.stream_position()? > source.metadata()?.len() {
            // It was emptied, to be written anew.
            self.log.feed(b"\n", secrets);
            source.rewind()?;
        }
        let mut chunk = Zeroizing::new(vec![0; CHUNK]);
        let mut since = Instant::now();
        let mut taken = 0;
        while taken < most {
            let silent = self.log.counts().lines == 0;
            let patience = match source.read(&mut chunk) {
                Ok(0) => {
                    if silent {
                        SILENCE
                    } else {
                        Duration::ZERO
                    }
                }
                Ok(n) => {
                    self.log.feed(chunk.get(..n).unwrap_or_default(), secrets);
                    since = Instant::now();
                    taken += 1;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if silent {
                        FIRST_WORDS
                    } else {
                        SILENCE
                    }
                }
                Err(error) => return Err(error),
            };
            if !patient || !self.pipe || since.elapsed() >= patience {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Opening a pipe that nobody writes to yet must not wait for somebody.
#[cfg(unix)]
fn without_waiting(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn without_waiting(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(unix)]
fn is_pipe(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
}

/// The usual reasons in the words that captures have for them.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy(), 4_096)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::base::Limits;

    const LINE: &str = "CLIENT_RANDOM a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0 \
        010203040506070801020304050607080102030405060708010203040506070801020304050607080102030405060708\n";

    fn open(paths: &[PathBuf], live: bool, secrets: &mut Secrets, problems: &mut Vec<String>) -> KeyLogs {
        let mut logs = KeyLogs::open(paths, live, problems);
        logs.begin(!live, secrets, problems);
        logs
    }

    fn random() -> [u8; 32] {
        std::array::from_fn(|i| 0xa1 + i as u8)
    }

    #[test]
    fn a_key_log_is_read_as_it_grows() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let (first, rest) = LINE.split_at(80);
        file.write_all(first.as_bytes()).unwrap();
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let mut logs = open(&[file.path().to_owned()], false, &mut secrets, &mut problems);
        assert!(secrets.is_empty() && !secrets.may_grow(), "half a line");
        file.write_all(rest.as_bytes()).unwrap();
        for _ in 0..EVERY {
            logs.look(1, &mut secrets, &mut problems);
        }
        assert!(secrets.has(&random()));
        file.write_all(LINE.as_bytes()).unwrap();
        logs.read_all(&mut secrets, &mut problems);
        assert!(secrets.may_grow(), "it is being written");
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_last_line_counts_if_it_is_whole_and_is_told_if_not() {
        for (text, whole) in [(LINE.trim_end(), true), (&LINE[..LINE.len() - 4], false)] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
            let mut logs = open(&[file.path().to_owned()], false, &mut secrets, &mut problems);
            logs.end(&mut secrets, &mut problems);
            assert_eq!(secrets.has(&random()), whole);
            let notes = logs.notes(&Totals::default(), &secrets).join("\n");
            assert_eq!(notes.contains("ends in the middle of a line"), !whole, "{notes}");
            assert_eq!(problems, [""; 0]);
        }
    }

    #[test]
    fn a_key_log_that_is_emptied_is_read_from_its_beginning() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# written long ago\n".repeat(100)).unwrap();
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let mut logs = open(&[file.path().to_owned()], true, &mut secrets, &mut problems);
        std::fs::write(file.path(), LINE).unwrap();
        logs.read_all(&mut secrets, &mut problems);
        assert!(secrets.has(&random()));
        assert_eq!(problems, [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn while_packets_come_a_pipe_neither_waits_nor_goes_on_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let mut logs = open(std::slice::from_ref(&path), true, &mut secrets, &mut problems);
        let begun = Instant::now();
        logs.read_all(&mut secrets, &mut problems);
        assert!(begun.elapsed() < SILENCE, "it waited");
        let writer = std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
            let line = [&[b'x'; 4_095][..], b"\n"].concat();
            while pipe.write_all(&line).is_ok() {}
        });
        std::thread::sleep(PAUSE);
        logs.read_all(&mut secrets, &mut problems);
        assert!(logs.files[0].log.counts().garbage > 0, "it was read");
        drop(logs);
        writer.join().unwrap();
    }

    #[test]
    fn what_is_no_key_log_is_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"%PDF-1.7\nnothing\n").unwrap();
        let missing = file.path().with_extension("missing");
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let mut logs = open(&[file.path().to_owned(), missing, std::env::temp_dir()], false, &mut secrets, &mut problems);
        logs.end(&mut secrets, &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].ends_with("cannot open the key log: no such file"), "{problems:?}");
        assert!(problems[1].ends_with("a directory, not a key log"), "{problems:?}");
        assert!(problems[2].contains("not a key log: none of its 2 lines"), "{problems:?}");
        assert_eq!(logs.notes(&Totals::default(), &secrets), [""; 0]);
    }

    #[test]
    fn another_captures_key_log_is_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(LINE.as_bytes()).unwrap();
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let logs = open(&[file.path().to_owned()], false, &mut secrets, &mut problems);
        let notes = |keyed, decrypted| logs.notes(&Totals { sessions: 4, keyed, decrypted, ..Totals::default() }, &secrets).join("\n");
        assert!(notes(0, 0).contains("secrets of 1 session, none of them in this capture"), "{}", notes(0, 0));
        assert!(notes(2, 2).ends_with("fits 2 of 4 TLS sessions"), "{}", notes(2, 2));
        assert!(notes(2, 1).contains("the secrets of 1 session opened no record"), "{}", notes(2, 1));
    }

    #[test]
    fn lines_in_a_capture_are_taken_once_and_anew_in_the_next_file() {
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let mut logs = open(&[], false, &mut secrets, &mut problems);
        logs.take(b"# nothing\n", &mut secrets);
        assert!(secrets.is_empty());
        let both = format!("# nothing\n{LINE}");
        logs.take(both.as_bytes(), &mut secrets);
        logs.take(both.as_bytes(), &mut secrets);
        assert_eq!((secrets.len(), logs.inside.counts().secrets), (1, 1));
        logs.next_file();
        logs.take(LINE.as_bytes(), &mut secrets);
        assert_eq!((secrets.len(), logs.inside.counts().secrets), (1, 2));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_without_a_writer_does_not_keep_anybody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let mut logs = open(std::slice::from_ref(&path), false, &mut secrets, &mut problems);
        assert!(secrets.may_grow() && secrets.is_empty());
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(LINE.as_bytes()).unwrap();
        logs.read_all(&mut secrets, &mut problems);
        assert!(secrets.has(&random()));
        assert_eq!(problems, [""; 0]);
    }

    #[cfg(unix)]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is about waiting")]
    fn a_pipes_first_words_are_waited_for_once_and_packets_wait_for_none() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = PathBuf::from(format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader)));
        let (mut secrets, mut problems) = (Secrets::new(&Limits::default()), Vec::new());
        let slow = std::thread::spawn(move || {
            std::thread::sleep(2 * SILENCE);
            writer.write_all(LINE.as_bytes()).unwrap();
            writer
        });
        drop(open(std::slice::from_ref(&path), false, &mut secrets, &mut problems));
        assert!(secrets.has(&random()), "as long as ssh takes to connect");
        drop(slow.join().unwrap());

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut logs = open(std::slice::from_ref(&path), true, &mut secrets, &mut problems);
        let before = Instant::now();
        logs.read_all(&mut secrets, &mut problems);
        assert!(before.elapsed() < SILENCE / 2);
        assert_eq!(problems, [""; 0]);
    }
}
