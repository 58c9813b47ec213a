//! The log file: NDJSON, appended, opened again when asked, and patient with a full disk.
#![allow(clippy::disallowed_methods, reason = "the log is a file")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log being written.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Lines that could not be written since the last one that could.
    missing: u64,
}

/// What became of a line.
#[derive(Debug)]
pub(super) enum Written {
    /// It was written.
    Yes,
    /// It was written, the first after so many that were not.
    Again(u64),
    /// It was not written, and neither were lines before it.
    StillNot,
    /// It was not written, the first after others that were.
    NoMore(io::Error),
}

impl Log {
    /// Opens `path` to append to it.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Log> {
        Ok(Log { path: path.to_owned(), file: append(path)?, missing: 0 })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it by its name again: another program has moved it away. On failure it goes on in the old file.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.path)?;
        Ok(())
    }

    /// Appends `lines`, which end with a line break, whole or not at all.
    pub(super) fn write(&mut self, lines: &[u8]) -> Written {
        let before = self.file.metadata().map(|metadata| metadata.len());
        match self.file.write_all(lines) {
            Ok(()) if self.missing == 0 => Written::Yes,
            Ok(()) => Written::Again(std::mem::take(&mut self.missing)),
            Err(error) => {
                // A part of a line would spoil the next one.
                if let Ok(before) = before {
                    let _ = self.file.set_len(before);
                }
                self.missing += 1;
                if self.missing == 1 { Written::NoMore(error) } else { Written::StillNot }
            }
        }
    }

    /// Lines that could not be written and have not been made up for.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_and_follows_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "old\n").unwrap();
        let mut log = Log::open(&path).unwrap();
        assert!(matches!(log.write(b"one\n"), Written::Yes));
        std::fs::rename(&path, folder.path().join("log.1")).unwrap();
        log.write(b"two\n");
        log.reopen().unwrap();
        log.write(b"three\n");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("log.1"), read("log")), ("old\none\ntwo\n".to_owned(), "three\n".to_owned()));
    }

    #[test]
    fn a_full_disk_is_told_once_and_so_is_its_end() {
        let mut log = Log { path: PathBuf::from("/dev/full"), file: append(Path::new("/dev/full")).unwrap(), missing: 0 };
        assert!(matches!(log.write(b"a\n"), Written::NoMore(error) if error.kind() == io::ErrorKind::StorageFull));
        assert!(matches!(log.write(b"b\n"), Written::StillNot));
        assert_eq!(log.missing(), 2);
        log.file = append(Path::new("/dev/null")).unwrap();
        assert!(matches!(log.write(b"c\n"), Written::Again(2)));
        assert_eq!(log.missing(), 0);
    }
}
