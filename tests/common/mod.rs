//! What the integration tests share: captures in memory, their analysis, and random numbers that are the same in every run.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "tests read files and may be asked to read more of them")]

pub mod damage;
pub mod format;
pub mod packet;
pub mod report;
pub mod transform;
pub mod truth;

use std::fs;
use std::path::{Path, PathBuf};

use whohungup::analyze::{Analyzer, Finished, Options, Settling, Totals};
use whohungup::base::{At, Frame, LinkType, Time};
use whohungup::capture::CaptureFile;
use whohungup::diagnose::Pattern;
use whohungup::tls::KeyLog;

/// A frame that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    pub time: i64,
    pub link: LinkType,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

/// A capture in memory.
#[derive(Clone, Debug)]
pub struct Capture {
    pub name: String,
    pub path: PathBuf,
    pub frames: Vec<Owned>,
}

/// The repository's captures.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// The captures in the directory that `WHOHUNGUP_EXTRA_CAPTURES` names, for whoever has more of them than the repository.
pub fn extra() -> Option<PathBuf> {
    std::env::var_os("WHOHUNGUP_EXTRA_CAPTURES").map(PathBuf::from)
}

/// How many random cases to try where `usual` is the usual number: `WHOHUNGUP_CASES` times as many.
pub fn cases(usual: u64) -> u64 {
    let times = std::env::var("WHOHUNGUP_CASES").ok().and_then(|times| times.parse().ok());
    usual * times.unwrap_or(1)
}

/// Every capture file, by name: the repository's, then the extra ones.
pub fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for directory in [Some(directory()), extra()].into_iter().flatten() {
        let mut here: Vec<PathBuf> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        here.retain(|path| path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng"));
        here.sort();
        files.extend(here);
    }
    assert!(files.len() >= 20, "the captures are not where they should be");
    files
}

/// The frames of a file.
pub fn load(path: &Path) -> Capture {
    let mut file = CaptureFile::open(path, 0).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = file.next_frame().unwrap() {
        frames.push(Owned { time: frame.at.time.nanos(), link: frame.link, wire_len: frame.wire_len, data: frame.data.to_vec() });
    }
    Capture { name: name(path), path: path.to_owned(), frames }
}

/// Its base name.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The sessions of a file, in the order in which they began, and the counts.
pub fn sessions_of(path: &Path) -> (Vec<Finished>, Totals) {
    let capture = load(path);
    sessions(&capture.frames)
}

/// The sessions of `frames`, in the order in which they began, and the counts.
pub fn sessions(frames: &[Owned]) -> (Vec<Finished>, Totals) {
    let mut analyzer = Analyzer::new(Options::default());
    push_all(&mut analyzer, frames);
    analyzer.finish();
    (in_order(settled(&mut analyzer)), analyzer.totals().clone())
}

/// Lets `analyzer` see all `frames`.
pub fn push_all(analyzer: &mut Analyzer, frames: &[Owned]) {
    for (i, frame) in frames.iter().enumerate() {
        push(analyzer, frame, i as u32 + 1);
    }
}

/// What the sessions of a file show together.
pub fn patterns_of(path: &Path) -> Vec<Pattern> {
    let mut analyzer = Analyzer::new(Options::default());
    let mut file = CaptureFile::open(path, 0).unwrap();
    while let Some(frame) = file.next_frame().unwrap() {
        analyzer.push(&frame);
    }
    analyzer.finish();
    let mut settling = Settling::default();
    settling.take_from(&mut analyzer);
    settling.patterns().to_vec()
}

/// Lets `analyzer` see a frame with this number.
pub fn push(analyzer: &mut Analyzer, frame: &Owned, number: u32) {
    analyzer.push(&Frame {
        at: At::new(Time::from_nanos(frame.time), number, 0),
        link: frame.link,
        wire_len: frame.wire_len,
        interface: 0,
        outgoing: None,
        data: &frame.data,
    });
}

/// What `analyzer` found, with the verdicts that are final once it has finished.
pub fn settled(analyzer: &mut Analyzer) -> Vec<Finished> {
    let mut settling = Settling::default();
    settling.take_from(analyzer);
    std::iter::from_fn(|| settling.next_settled()).collect()
}

/// The sessions of a file as they are seen with its key log, which stands beside it or in it; the same as without where it has none.
pub fn sessions_with_keys(path: &Path) -> (Vec<Finished>, Totals) {
    sessions_with(path, &path.with_extension("keys"))
}

/// The sessions of a file as they are seen with the key log in `keys`, if that exists, and the one in the capture.
pub fn sessions_with(path: &Path, keys: &Path) -> (Vec<Finished>, Totals) {
    let mut file = CaptureFile::open(path, 0).unwrap();
    let mut analyzer = Analyzer::new(Options::default());
    if let Ok(lines) = fs::read(keys) {
        KeyLog::new().feed(&lines, analyzer.secrets());
    }
    let (mut log, mut taken) = (KeyLog::new(), 0);
    while let Some((frame, lines)) = file.next_with_secrets().unwrap() {
        log.feed(&lines[taken..], analyzer.secrets());
        taken = lines.len();
        analyzer.push(&frame);
    }
    analyzer.finish();
    (in_order(settled(&mut analyzer)), analyzer.totals().clone())
}

/// The sessions of `frames` as they are seen with the key log that stands beside `path`.
pub fn keyed_sessions(frames: &[Owned], path: &Path) -> Vec<Finished> {
    let mut analyzer = Analyzer::new(Options::default());
    KeyLog::new().feed(&fs::read(path.with_extension("keys")).unwrap(), analyzer.secrets());
    push_all(&mut analyzer, frames);
    analyzer.finish();
    in_order(settled(&mut analyzer))
}

/// By first frame.
pub fn in_order(mut sessions: Vec<Finished>) -> Vec<Finished> {
    sessions.sort_by_key(|finished| (finished.session.first.frame, finished.session.tcp_stream));
    sessions
}

/// Random numbers (xorshift64*), the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Seeded by a name too, so that the numbers drawn for one capture do not depend on which others there are.
    pub fn of(seed: u64, name: &str) -> Random {
        Random::new(name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 11) % bound as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
