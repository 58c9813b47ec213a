//! What can go wrong with a capture file, one clear line each.

use std::io;
use std::path::Path;

use crate::base::printable;

/// Why a capture could not be read, or not to its end. Every frame before the defect has been delivered.
///
/// `path` is made printable, so the messages are safe to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// There is no such file.
    #[error("{path}: no such file")]
    NotFound {
        /// The file.
        path: String,
    },
    /// The file may not be read.
    #[error("{path}: permission denied; make it readable for this user, or copy it")]
    PermissionDenied {
        /// The file.
        path: String,
    },
    /// A directory was named where a file is needed.
    #[error("{path}: is a directory; name the capture files in it")]
    Directory {
        /// The directory.
        path: String,
    },
    /// Not a single byte.
    #[error("{path}: empty, not even a capture's header; did the capturing program start, and was it allowed to capture?")]
    Empty {
        /// The file.
        path: String,
    },
    /// The bytes are those of something else.
    #[error("{path}: not a capture but {looks}; a pcap or pcapng file is needed, as it is or compressed by gzip or zstd")]
    NotACapture {
        /// The file.
        path: String,
        /// What it looks like instead, with an article, and what to do about it where that is known.
        looks: String,
    },
    /// The file ends where something had begun: the capture was cut short, or is still being written.
    #[error("{path}: cut short: it ends inside {inside} that begins at byte {offset}{}, after {}", of_what(*.compressed), so_many(*.frames))]
    Cut {
        /// The file.
        path: String,
        /// Frames delivered before.
        frames: u64,
        /// Where the unfinished part begins, in bytes of the (decompressed) capture.
        offset: u64,
        /// Whether `offset` counts decompressed bytes.
        compressed: bool,
        /// What is unfinished, with an article.
        inside: &'static str,
    },
    /// The bytes contradict the format, and nothing after them can be found.
    #[error("{path}: damaged at byte {offset}{}, after {}: {what}", of_what(*.compressed), so_many(*.frames))]
    Corrupt {
        /// The file.
        path: String,
        /// Frames delivered before.
        frames: u64,
        /// Where the damaged part begins, in bytes of the (decompressed) capture.
        offset: u64,
        /// Whether `offset` counts decompressed bytes.
        compressed: bool,
        /// What is wrong.
        what: String,
    },
    /// The operating system failed.
    #[error("{path}: cannot {operation}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What was tried.
        operation: &'static str,
        /// The reason.
        source: io::Error,
    },
}

impl CaptureError {
    /// The error for an `operation` on `path` that failed with `source`.
    pub(super) fn io(path: &str, operation: &'static str, source: io::Error) -> CaptureError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => CaptureError::NotFound { path },
            io::ErrorKind::PermissionDenied => CaptureError::PermissionDenied { path },
            io::ErrorKind::IsADirectory => CaptureError::Directory { path },
            _ => CaptureError::Io { path, operation, source },
        }
    }
}

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 400)
}

fn so_many(count: u64) -> String {
    match count {
        0 => "no complete frame".to_owned(),
        1 => "1 complete frame".to_owned(),
        n => format!("{n} complete frames"),
    }
}

fn of_what(compressed: bool) -> &'static str {
    if compressed { " of the decompressed capture" } else { "" }
}
