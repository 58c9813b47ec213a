//! Several files that are one capture, as a ring buffer leaves them: which one comes first.

use std::path::{Path, PathBuf};

use super::file::CaptureFile;
use crate::base::Time;

/// A file of a capture in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub path: PathBuf,
    /// When its first frame was captured. `None`: it has no frame, cannot be read, or must not be looked at before it is read.
    pub first: Option<Time>,
}

/// `paths` in the order in which to read them: by the time of their first frames. A file's index in the result is its
/// [`At::file`](crate::base::At::file).
///
/// Each file is opened, looked into and closed again, one at a time: a ring buffer may have more files than a process may open. Files
/// without a frame come last; so do those that cannot be read, and opening them again tells why. When one of several is a pipe
/// (`/dev/stdin`, a process substitution) the order stays as given, since what is read of a pipe is gone.
pub fn reading_order(paths: &[PathBuf]) -> Vec<Part> {
    let unknown = |path: &PathBuf| Part { path: path.clone(), first: None };
    let pipe = |path: &PathBuf| path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    if paths.len() < 2 || paths.iter().any(pipe) {
        return paths.iter().map(unknown).collect();
    }
    let mut parts: Vec<Part> = paths.iter().map(|path| Part { path: path.clone(), first: first_time(path) }).collect();
    // Stable: parts that begin at the same time stay as given.
    parts.sort_by_key(|part| (part.first.is_none(), part.first));
    parts
}

fn first_time(path: &Path) -> Option<Time> {
    let mut capture = CaptureFile::open(path, 0).ok()?;
    let frame = capture.next_frame().ok()??;
    Some(frame.at.time)
}
