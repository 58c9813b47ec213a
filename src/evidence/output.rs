//! Where a bundle goes: a folder or a zip file, whole or not at all, and nothing of anybody else's replaced.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The file that every bundle has, and how it begins.
pub(super) const MANIFEST: &str = "MANIFEST";
const MANIFEST_START: &[u8] = b"# whohungup ";

/// Whether the making of a bundle is to end before it is done: the number of a signal that said so, or 0.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Where a signal leaves its number.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// # Errors
    ///
    /// A signal came.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.signal().is_some() { Err(io::Error::other("stopped by a signal")) } else { Ok(()) }
    }
}

/// A bundle being written. Dropped before [`Output::finish`], nothing of it is left.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    force: bool,
    kind: Kind,
    stop: Stop,
    /// Names and SHA-256 of the files so far.
    hashes: Vec<(String, String)>,
}

#[derive(Debug)]
enum Kind {
    Folder(TempDir),
    Zip(Box<ZipWriter<Patient>>),
}

/// A file that, once it has failed, takes everything without another word: a zip writer that is dropped goes on writing, and prints what
/// comes of it.
#[derive(Debug)]
struct Patient {
    file: BufWriter<NamedTempFile>,
    failed: bool,
    at: u64,
    end: u64,
}

impl Patient {
    fn new(file: NamedTempFile) -> Patient {
        Patient { file: BufWriter::with_capacity(1 << 18, file), failed: false, at: 0, end: 0 }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.failed { Ok(bytes.len()) } else { self.file.write(bytes) };
        self.failed |= written.is_err();
        self.at += *written.as_ref().unwrap_or(&0) as u64;
        self.end = self.end.max(self.at);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = if self.failed { Ok(()) } else { self.file.flush() };
        self.failed |= flushed.is_err();
        flushed
    }
}

impl Seek for Patient {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        let sought = if self.failed { Ok(target) } else { self.file.seek(SeekFrom::Start(target)) };
        self.failed |= sought.is_err();
        self.at = target;
        sought
    }
}

impl Output {
    /// A bundle at `target`: a zip file if that is its ending, else a folder. Until it is finished it lies beside it under another name.
    /// `stop` ends it early: whatever is asked for then fails.
    ///
    /// # Errors
    ///
    /// There is something at `target` already (with `force`: that is no bundle), or nothing can be written there.
    pub fn new(target: &Path, force: bool, stop: &Stop) -> io::Result<Output> {
        check(target, force)?;
        let beside = folder_of(target);
        let kind = if is_zip(target) {
            let mut file = tempfile::Builder::new();
            #[cfg(unix)]
            file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // Less the umask, as of any file.
            let file = file.prefix(".evidence-").tempfile_in(beside)?;
            Kind::Zip(Box::new(ZipWriter::new(Patient::new(file))))
        } else {
            Kind::Folder(tempfile::Builder::new().prefix(".evidence-").tempdir_in(beside)?)
        };
        Ok(Output { target: target.to_owned(), force, kind, stop: stop.clone(), hashes: Vec::new() })
    }

    /// Adds a file: `name` is relative, with `/` between its parts.
    ///
    /// # Errors
    ///
    /// The disk does not take it, `content` gives no more, or it is to stop.
    pub fn add(&mut self, name: &str, content: &mut dyn Read) -> io::Result<()> {
        let mut content = Hashing { inner: content, hash: Sha256::new(), stop: &self.stop };
        match &mut self.kind {
            Kind::Folder(folder) => {
                let path = folder.path().join(name);
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                let mut file = File::create_new(&path)?;
                io::copy(&mut content, &mut file)?;
                // A full disk may tell only now.
                file.sync_all()?;
            }
            Kind::Zip(zip) => {
                let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
                zip.start_file(name, options).map_err(io::Error::from)?;
                io::copy(&mut content, zip)?;
            }
        }
        self.hashes.push((name.to_owned(), hex(&content.hash.finalize())));
        Ok(())
    }

    /// Adds the manifest, whose comment lines `head` are, and puts the bundle where it belongs.
    ///
    /// # Errors
    ///
    /// The disk does not take it, something has come to lie there meanwhile, or it is to stop.
    pub fn finish(mut self, head: &[String]) -> io::Result<()> {
        let mut manifest = String::new();
        for line in head {
            manifest.push_str(&format!("# {line}\n"));
        }
        for (name, hash) in &self.hashes {
            manifest.push_str(&format!("{hash}  {name}\n"));
        }
        self.add(MANIFEST, &mut manifest.as_bytes())?;
        check(&self.target, self.force)?;
        match self.kind {
            Kind::Folder(folder) => {
                // What is replaced goes once the new one is there.
                let old = tempfile::Builder::new().prefix(".evidence-old-").tempdir_in(folder_of(&self.target))?;
                let aside = old.path().join("bundle");
                let replaced = fs::rename(&self.target, &aside).is_ok();
                let placed = fs::rename(folder.path(), &self.target);
                if placed.is_err() && replaced {
                    fs::rename(&aside, &self.target)?;
                }
                placed
            }
            Kind::Zip(zip) => {
                let file = zip.finish().map_err(io::Error::from)?.file.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.as_file().sync_all()?;
                file.persist(&self.target).map(|_| ()).map_err(|error| error.error)
            }
        }
    }
}

/// The folder that `target` lies in.
pub(super) fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether it is to be a zip file.
fn is_zip(target: &Path) -> bool {
    target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Refuses what would replace something that is no earlier bundle of the same kind: it may be the capture itself.
fn check(target: &Path, force: bool) -> io::Result<()> {
    let Ok(there) = fs::symlink_metadata(target) else { return Ok(()) };
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, why.to_owned()));
    if there.is_dir() {
        let mut entries = fs::read_dir(target)?;
        if is_zip(target) {
            return refused("it exists, and is a folder");
        } else if entries.next().is_none() {
            return Ok(());
        } else if !open(&target.join(MANIFEST)).is_ok_and(is_manifest) {
            return refused("it exists, and is a folder with other things in it");
        }
    } else if !there.is_file() {
        return refused("it exists, and is no file that could be replaced");
    } else if !is_zip(target) || !is_zipped_bundle(target) {
        return refused("it exists, and is a file of another kind");
    }
    if force { Ok(()) } else { refused("it exists; --force replaces it") }
}

#[expect(clippy::disallowed_methods, reason = "the writing half of evidence touches files")]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Whether a manifest is one of ours.
fn is_manifest(mut manifest: impl Read) -> bool {
    let mut start = [0; MANIFEST_START.len()];
    manifest.read_exact(&mut start).is_ok() && start == MANIFEST_START
}

/// Whether a zip file has such a manifest in it.
fn is_zipped_bundle(path: &Path) -> bool {
    let archive = open(path).ok().and_then(|file| ZipArchive::new(BufReader::new(file)).ok());
    archive.is_some_and(|mut archive| archive.by_name(MANIFEST).is_ok_and(is_manifest))
}

/// Computes a hash of what passes.
struct Hashing<'r> {
    inner: &'r mut dyn Read,
    hash: Sha256,
    stop: &'r Stop,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        let len = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..len).unwrap_or_default());
        Ok(len)
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(target: &Path, force: bool) -> io::Result<()> {
        let mut output = Output::new(target, force, &Stop::default())?;
        output.add("report.md", &mut &b"# hello"[..])?;
        output.add("session-1/session.json", &mut &b"{}"[..])?;
        output.finish(&["whohungup 0".to_owned()])
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_whole_and_its_manifest_checks() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("out");
        write(&target, false).unwrap();
        assert_eq!(names(&target), ["MANIFEST", "report.md", "session-1"]);
        assert_eq!(names(place.path()), ["out"]);
        let manifest = fs::read_to_string(target.join(MANIFEST)).unwrap();
        let hash = hex(&Sha256::digest(b"# hello"));
        assert!(manifest.starts_with("# whohungup 0\n") && manifest.contains(&format!("\n{hash}  report.md\n")), "{manifest}");
    }

    #[test]
    fn a_zip_file_holds_the_same() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("out.zip");
        write(&target, false).unwrap();
        assert_eq!(names(place.path()), ["out.zip"]);
        #[expect(clippy::disallowed_methods, reason = "a test reads what it wrote")]
        let bytes = fs::read(&target).unwrap();
        let mut zip = zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap();
        let mut found: Vec<String> = (0..zip.len()).map(|i| zip.by_index(i).unwrap().name().unwrap().into_owned()).collect();
        found.sort();
        assert_eq!(found, ["MANIFEST", "report.md", "session-1/session.json"]);
        assert_eq!(io::read_to_string(zip.by_name("report.md").unwrap()).unwrap(), "# hello");
    }

    #[test]
    fn nothing_is_replaced_unless_asked_for_and_nothing_foreign_ever() {
        let place = tempfile::tempdir().unwrap();
        let (folder, zip) = (place.path().join("out"), place.path().join("out.zip"));
        for target in [&folder, &zip] {
            write(target, false).unwrap();
            assert_eq!(write(target, false).unwrap_err().to_string(), "it exists; --force replaces it");
            write(target, true).unwrap();
        }
        fs::write(folder.join("mine"), "").unwrap();
        write(&folder, true).unwrap();
        assert_eq!(names(&folder), ["MANIFEST", "report.md", "session-1"]);

        let foreign = place.path().join("home");
        fs::create_dir(&foreign).unwrap();
        write(&foreign, false).unwrap();
        let foreign = place.path().join("other");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("mine"), "").unwrap();
        assert!(write(&foreign, true).unwrap_err().to_string().contains("other things"));
        assert_eq!(names(&foreign), ["mine"]);
        // Nor a file: it may be the capture.
        for target in ["office.pcapng", "backup.zip"] {
            let target = place.path().join(target);
            fs::write(&target, "precious").unwrap();
            for force in [false, true] {
                assert_eq!(write(&target, force).unwrap_err().to_string(), "it exists, and is a file of another kind");
            }
            assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        }
        fs::create_dir(place.path().join("folder.zip")).unwrap();
        assert_eq!(write(&place.path().join("folder.zip"), true).unwrap_err().to_string(), "it exists, and is a folder");
        assert!(!names(place.path()).iter().any(|name| name.starts_with('.')), "nothing half-written is left");
    }

    #[test]
    fn a_signal_ends_it_and_nothing_is_left() {
        let place = tempfile::tempdir().unwrap();
        for target in ["out", "out.zip"] {
            let stop = Stop::default();
            let mut output = Output::new(&place.path().join(target), false, &stop).unwrap();
            output.add("report.md", &mut &b"x"[..]).unwrap();
            stop.flag().store(15, Ordering::Relaxed);
            assert_eq!(output.add("report.html", &mut &b"x"[..]).unwrap_err().to_string(), "stopped by a signal");
            assert_eq!(output.finish(&[]).unwrap_err().to_string(), "stopped by a signal");
            assert_eq!((stop.signal(), names(place.path())), (Some(15), Vec::new()));
        }
    }

    #[test]
    fn a_bundle_that_is_not_finished_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        for target in ["out", "out.zip"] {
            let mut output = Output::new(&place.path().join(target), false, &Stop::default()).unwrap();
            output.add("report.md", &mut &b"x"[..]).unwrap();
            drop(output);
            assert_eq!(names(place.path()), Vec::<String>::new());
        }
        assert!(Output::new(&place.path().join("missing/out"), false, &Stop::default()).is_err());
    }
}
