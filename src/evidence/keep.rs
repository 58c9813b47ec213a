//! Evidence while a capture goes on: a flagged session's packets as an annotated capture of its own, in bounded memory and on bounded disk.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use super::case::{Source, Treatment};
use super::output::Stop;
use super::ring::Ring;
use super::spool::{Mark, Spool};
use crate::analyze::{Analyzer, Belongs, Finished, Options};
use crate::base::{Endpoint, Frame, Span, Time};
use crate::report::time::Stamp;
use crate::report::{Context, end_of, sni};
use crate::tls::Secrets;

/// Files written of one server and cause within [`WINDOW`]: more of the same prove no more.
const ALIKE: u32 = 10;
/// Files written in all within it: each takes work, and the capture must go on.
const ALL: u32 = 200;
const WINDOW: Span = Span::from_secs(60);

/// Where evidence is kept, and how much.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes of packets held in memory.
    pub memory: usize,
    /// Bytes of files in the folder; beyond it the oldest go.
    pub disk: u64,
}

/// Keeps evidence.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    disk: u64,
    ring: Ring,
    /// Our files, the oldest first, and their sizes.
    files: VecDeque<(PathBuf, u64)>,
    used: u64,
    window: Time,
    recent: HashMap<(Endpoint, &'static str), u32>,
    written: u32,
    /// Flagged sessions of which no file was made.
    not_kept: u64,
}

impl Keeper {
    /// Keeps evidence in `folder`, beside what is there from earlier.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn new(folder: &Path, bounds: &Bounds) -> io::Result<Keeper> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().and_then(|name| name.strip_suffix(".part")).is_some_and(|name| is_ours(&format!("{name}.pcapng"))) {
                // What an earlier run could not finish.
                fs::remove_file(entry.path())?;
            } else if name.to_str().is_some_and(is_ours) {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
        // Their names begin with the time.
        found.sort();
        let used = found.iter().map(|(_, len)| len).sum();
        Ok(Keeper {
            folder: folder.to_owned(),
            disk: bounds.disk,
            ring: Ring::new(bounds.memory),
            files: found.into(),
            used,
            window: Time::default(),
            recent: HashMap::new(),
            written: 0,
            not_kept: 0,
        })
    }

    /// Flagged sessions of which no file was made: too many alike, too little memory, or the disk did not take it.
    pub fn not_kept(&self) -> u64 {
        self.not_kept
    }

    /// Connections whose packets had to go for lack of memory before they ended.
    pub fn crowded_out(&self) -> u64 {
        self.ring.gone()
    }

    /// Takes a frame, after `analyzer` said where it belongs.
    pub fn push(&mut self, frame: &Frame<'_>, belongs: Belongs, analyzer: &Analyzer) {
        if belongs.late {
            return;
        }
        match analyzer.joined(frame) {
            Some(data) => {
                let wire_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
                self.ring.push(belongs.connection, &Frame { data: &data, wire_len, ..*frame });
            }
            None => self.ring.push(belongs.connection, frame),
        }
    }

    /// Lets the packets of a connection go.
    pub fn forget(&mut self, connection: u32) {
        self.ring.remove(connection);
    }

    /// A session has ended: its packets go, into a file if it is flagged. The file. `keys`: what it was decrypted with.
    ///
    /// # Errors
    ///
    /// The disk does not take it.
    pub fn finished(&mut self, finished: &Finished, options: &Options, keys: &Secrets, context: &Context) -> io::Result<Option<PathBuf>> {
        let connection = finished.session.connection;
        if !finished.verdict.flagged() {
            self.ring.remove(connection);
            return Ok(None);
        }
        if !self.admits(finished) {
            self.ring.remove(connection);
            self.not_kept += 1;
            return Ok(None);
        }
        let file = self.write(finished, options, keys, context);
        if !matches!(file, Ok(Some(_))) {
            self.not_kept += 1;
        }
        file
    }

    /// Whether there is to be a file, after those of the last minute.
    fn admits(&mut self, finished: &Finished) -> bool {
        let now = end_of(&finished.session).time;
        if now.since(self.window) >= WINDOW {
            self.window = now;
            self.recent.clear();
            self.written = 0;
        }
        let alike = self.recent.entry((finished.session.ends.server, finished.verdict.cause)).or_default();
        if *alike >= ALIKE || self.written >= ALL {
            return false;
        }
        *alike += 1;
        self.written += 1;
        true
    }

    fn write(&mut self, finished: &Finished, options: &Options, keys: &Secrets, context: &Context) -> io::Result<Option<PathBuf>> {
        let mut spool = Spool::new(&self.folder, 1, u64::MAX, &Stop::default())?;
        let skipped = self.ring.hand_out(finished.session.connection, |frame| spool.add(0, frame, Mark { late: false, joined: false }))?;
        let Some(skipped) = skipped else { return Ok(None) };
        let mut about = format!("Captured live on {}; comments give that capture's frame numbers.", context.files.join(", "));
        if skipped > 0 {
            about.push_str(&format!(" {skipped} packets between its beginning and its end were not kept."));
        }
        let source = Source {
            spool: &mut spool,
            place: 0,
            original: finished,
            options,
            interfaces: &[],
            context,
            secrets: &[],
            keys: (!keys.is_empty()).then_some(keys),
            about: &about,
        };
        let mut case = source.case(&Treatment::default(), tempfile::tempfile_in(&self.folder)?)?;
        let name = name(finished);
        let part = self.folder.join(format!("{name}.part"));
        let file = self.folder.join(format!("{name}.pcapng"));
        let len = copy(&mut case.written.capture, &part).and_then(|len| fs::rename(&part, &file).map(|()| len)).inspect_err(|_| {
            // Nothing half-written is left behind.
            let _ = fs::remove_file(&part);
        })?;
        self.files.push_back((file.clone(), len));
        self.used += len;
        while self.used > self.disk {
            let Some((oldest, len)) = self.files.pop_front() else { break };
            // It may have been taken away already.
            let _ = fs::remove_file(oldest);
            self.used = self.used.saturating_sub(len);
        }
        Ok(Some(file))
    }
}

/// Copies what was made to a new file that only its owner and group may read.
fn copy(from: &mut fs::File, to: &Path) -> io::Result<u64> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(to)?;
    from.rewind()?;
    io::copy(from, &mut file)
}

/// `20261121T140302.114Z-server-reset-api.example.com-10.0.0.12-51544`: sorted by time, and safe as a file's name whatever the name asked for.
fn name(finished: &Finished) -> String {
    let (session, verdict) = (&finished.session, &finished.verdict);
    let stamp = Stamp::new(end_of(session).time);
    let time: String = stamp.as_str().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let time = time.split_at_checked(19).map_or(time.as_str(), |(millis, _)| millis);
    let server = sni(session).map_or_else(|| session.ends.server.ip.to_string(), |name| name.into_owned());
    let server: String =
        server.chars().take(60).map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect();
    let client = session.ends.client;
    let ip = client.ip.to_string().replace(':', "_");
    format!("{time}Z-{}-{server}-{ip}-{}", verdict.cause, client.port)
}

/// Whether a file is named as ours are.
fn is_ours(name: &str) -> bool {
    let mut parts = name.splitn(2, "Z-");
    let stamp = parts.next().is_some_and(|time| time.len() == 19 && time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'.')));
    stamp && parts.next().is_some_and(|rest| rest.ends_with(".pcapng"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn names_are_safe_and_known_again() {
        let (session, verdict) = sample::hostile();
        let finished = Finished { session: session.into(), verdict: verdict.into(), beside: Default::default(), id: 1, open: false };
        let name = name(&finished);
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')), "{name}");
        assert!(is_ours(&format!("{name}.pcapng")), "{name}");
        for other in ["notes.txt", "20261121T140302.114Z-x.part", "20261121T140302.114-x.pcapng", "archive-20261121Z-x.pcapng"] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
