//! The second reading of a capture: the frames of chosen connections are set aside, and the files are hashed on the way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::output::hex;
use super::spool::{Mark, Spool};
use crate::analyze::{Analyzer, Options};
use crate::base::Frame;
use crate::capture::{CaptureFile, InterfaceInfo};

/// What a file was like when it was read.
#[derive(Clone, Default)]
pub struct SourceFile {
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its interfaces.
    pub interfaces: Vec<InterfaceInfo>,
    /// The TLS key log lines in it.
    pub secrets: Vec<u8>,
}

/// What tells that a file is still the one that was read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    len: u64,
    modified: Option<std::time::SystemTime>,
}

impl Stamp {
    /// Of the file at `path`, if there is one.
    pub fn of(path: &Path) -> Option<Stamp> {
        path.metadata().ok().map(|metadata: Metadata| Stamp { len: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// Reads a file and hashes what is read.
struct Tee {
    file: File,
    hash: Rc<RefCell<(Sha256, u64)>>,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        let (hash, bytes) = &mut *self.hash.borrow_mut();
        hash.update(buffer.get(..len).unwrap_or_default());
        *bytes += len as u64;
        Ok(len)
    }
}

/// The analysis of one reading, and where the frames of chosen connections go.
pub(super) struct Collector {
    analyzer: Analyzer,
    chosen: HashMap<u32, usize>,
    spool: Spool,
}

impl Collector {
    /// Collects the connections of these numbers, as an analysis with the same options gave them.
    pub(super) fn new(options: &Options, connections: impl Iterator<Item = u32>, spool: Spool) -> Collector {
        let chosen = connections.enumerate().map(|(place, connection)| (connection, place)).collect();
        Collector { analyzer: Analyzer::new(options.clone()), chosen, spool }
    }

    /// Reads the file at `path` to its end, or to where it is damaged; `step` hears of each frame how many bytes were read.
    ///
    /// # Errors
    ///
    /// It cannot be opened, the disk does not take its frames, or it is to stop.
    pub(super) fn read(&mut self, path: &Path, file: u16, step: &mut dyn FnMut(u64)) -> io::Result<SourceFile> {
        #[expect(clippy::disallowed_methods, reason = "the second reading of what capture read first, hashed on the way")]
        let opened = File::open(path)?;
        let hash = Rc::new(RefCell::new((Sha256::new(), 0)));
        let mut rest = Tee { file: opened.try_clone()?, hash: Rc::clone(&hash) };
        let tee = Tee { file: opened, hash: Rc::clone(&hash) };
        let (mut interfaces, mut secrets) = (Vec::new(), Vec::new());
        if let Ok(mut capture) = CaptureFile::from_reader(Box::new(tee), &path.to_string_lossy(), file) {
            // What was wrong with it was said in the first reading.
            while let Ok(Some(frame)) = capture.next_frame() {
                self.spool.check()?;
                self.push(&frame)?;
                step(hash.borrow().1);
            }
            interfaces.clone_from(&capture.info().interfaces);
            secrets.extend_from_slice(capture.secrets());
        }
        // What lies behind the capture's end is a part of the file, too.
        io::copy(&mut rest, &mut io::sink())?;
        let (sum, bytes) = hash.replace((Sha256::new(), 0));
        Ok(SourceFile { bytes, sha256: hex(&sum.finalize()), interfaces, secrets })
    }

    fn push(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let belongs = self.analyzer.push(frame);
        // Verdicts were made in the first reading.
        while self.analyzer.take_one().is_some() {}
        self.analyzer.take_news();
        let Some(belongs) = belongs else { return Ok(()) };
        let Some(place) = self.chosen.get(&belongs.connection) else { return Ok(()) };
        match self.analyzer.joined(frame) {
            Some(data) => {
                let wire_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let mark = Mark { late: belongs.late, joined: true };
                self.spool.add(*place, &Frame { data: &data, wire_len, ..*frame }, mark)
            }
            None => self.spool.add(*place, frame, Mark { late: belongs.late, joined: false }),
        }
    }

    /// The frames, and how many the capture had.
    pub(super) fn finish(self) -> (Spool, u64) {
        let frames = self.analyzer.totals().frames;
        (self.spool, frames)
    }
}
