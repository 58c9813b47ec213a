//! Bundles: what is in them, and how one is made of a capture and the sessions chosen in it.

use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::case::{Case, Source as CaseSource, Treatment};
use super::collect::{Collector, SourceFile, Stamp};
use super::output::{Output, Stop, folder_of};
use super::spool::Spool;
use crate::analyze::{Finished, Options};
use crate::base::Time;
use crate::diagnose::rules;
use crate::report::about::{About, Source};
use crate::report::html::{self, IndexEntry};
use crate::report::{Context, json, markdown};
use crate::tls::Secrets;

/// Bytes of packets that one bundle may be made of.
const MOST_PACKETS: u64 = 64 << 30;

/// What a bundle is to be made of.
#[derive(Debug)]
pub struct Request<'r> {
    /// The capture's files, in reading order.
    pub files: &'r [PathBuf],
    /// What they were like when they were analysed.
    pub stamps: &'r [Option<Stamp>],
    /// Their frames, as the analysis counted them.
    pub frames: u64,
    /// The files' names, and the clock people are shown.
    pub context: &'r Context,
    /// The command, as it may be told.
    pub command: String,
    /// How the capture was analysed; with room for a timeline.
    pub options: &'r Options,
    /// The secrets it was decrypted with. They do not go along.
    pub keys: Option<&'r Secrets>,
    /// The chosen sessions, in the order of their numbers.
    pub sessions: &'r [Finished],
    /// Times of the capture's first and last frame.
    pub span: Option<(Time, Time)>,
    /// What is done to the packets.
    pub treatment: Treatment<'r>,
    /// Replace an earlier bundle, and write one that does not prove what it says.
    pub force: bool,
    /// Ends it early.
    pub stop: &'r Stop,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Packets in all of it.
    pub packets: u64,
    /// What the verdicts rest on that is not in the bundle, a line each.
    pub grounds: Vec<String>,
    /// Sessions that come out otherwise from the bundle than from the whole capture, a line each.
    pub differences: Vec<String>,
    /// Packets left out because they could not be taken apart.
    pub left_out: u64,
    /// Secrets that went with them: lines of key logs.
    pub secrets: u64,
}

/// Makes a bundle at `target`. `step` hears how many bytes of the capture were read.
///
/// # Errors
///
/// The capture changed since it was analysed, the disk does not take the bundle, there is something at `target` already, it is to stop, or
/// (without `force`) a session does not come out of its own packets as it did of the capture. Nothing is left of the bundle then.
pub fn make(request: &Request<'_>, target: &Path, step: &mut dyn FnMut(u64)) -> io::Result<Made> {
    let mut output = Output::new(target, request.force, request.stop)?;
    let place = folder_of(target);
    let (mut spool, sources) = collect(request, place, step)?;
    let mut about = about(request, &sources);
    let interfaces: Vec<_> = sources.iter().map(|source| source.interfaces.clone()).collect();
    let secrets: Vec<u8> = sources.iter().flat_map(|source| source.secrets.iter().copied()).collect();
    let mut made = Made::default();
    let mut entries = Vec::new();
    let mut names = Vec::new();
    let many = request.sessions.len() > 1;
    for (number, original) in request.sessions.iter().enumerate() {
        let source = CaseSource {
            spool: &mut spool,
            place: number,
            original,
            options: request.options,
            interfaces: &interfaces,
            context: &about.context,
            secrets: &secrets,
            keys: request.keys,
            about: &said(&about),
        };
        let mut case = source.case(&request.treatment, tempfile::tempfile_in(place)?)?;
        let name = session_name(original, number);
        made.add(&case, many.then_some(name.as_str()));
        if !case.proof.differences.is_empty() && !request.force {
            continue;
        }
        let folder = if many { format!("{name}/") } else { String::new() };
        write(&mut output, &folder, &mut case, &mut about, request)?;
        entries.push(IndexEntry::new(&case.finished, format!("{folder}report.html")));
        names.push(name);
    }
    if !made.differences.is_empty() && !request.force {
        let what = made.differences.join("; ");
        return Err(io::Error::other(format!("the scrubbed packets alone do not prove it: {what}; --force writes them all the same")));
    }
    if many {
        output.add("index.html", &mut html::index(&entries, &about).as_bytes())?;
    }
    output.finish(&manifest(&about, request))?;
    Ok(made)
}

/// A folder's name for a session: its number in Wireshark, or else its place.
fn session_name(session: &Finished, place: usize) -> String {
    session.session.tcp_stream.map_or_else(|| format!("unnumbered-{}", place + 1), |number| format!("session-{number}"))
}

impl Made {
    fn add(&mut self, case: &Case, name: Option<&str>) {
        let named = |what: &String| name.map_or(what.clone(), |name| format!("{name}: {what}"));
        self.packets += u64::from(case.written.frames);
        self.left_out += u64::from(case.written.left_out);
        self.secrets += case.written.secrets as u64;
        self.grounds.extend(case.proof.grounds.iter().map(named));
        self.differences.extend(case.proof.differences.iter().map(named));
    }
}

/// Reads the capture once more.
fn collect(request: &Request<'_>, place: &Path, step: &mut dyn FnMut(u64)) -> io::Result<(Spool, Vec<SourceFile>)> {
    let spool = Spool::new(place, request.sessions.len(), MOST_PACKETS, request.stop)?;
    let connections = request.sessions.iter().map(|finished| finished.session.connection);
    let mut collector = Collector::new(request.options, connections, spool);
    let changed = |path: &Path| io::Error::other(format!("{} changed while it was read; take a copy, and read that", path.display()));
    let mut sources = Vec::new();
    for (index, (path, stamp)) in request.files.iter().zip(request.stamps).enumerate() {
        sources.push(collector.read(path, u16::try_from(index).unwrap_or(u16::MAX), step)?);
        if Stamp::of(path) != *stamp {
            return Err(changed(path));
        }
    }
    let (spool, frames) = collector.finish();
    match request.files.first() {
        Some(first) if frames != request.frames => Err(changed(first)),
        _ => Ok((spool, sources)),
    }
}

/// Where it all comes from.
fn about(request: &Request<'_>, sources: &[SourceFile]) -> About {
    let mut about = About::new(request.context.clone(), request.command.clone());
    about.span = request.span;
    about.sources = request
        .context
        .files
        .iter()
        .zip(sources)
        .map(|(name, source)| Source { name: name.clone(), bytes: Some(source.bytes), sha256: Some(source.sha256.clone()) })
        .collect();
    about
}

/// What a capture's own comment says of its origin.
fn said(about: &About) -> String {
    let sources: Vec<String> = about
        .sources
        .iter()
        .map(|source| format!("{} (SHA-256 {})", crate::base::printable(&source.name, 200), source.sha256.as_deref().unwrap_or_default()))
        .collect();
    format!("Made by {} from {}; comments give that capture's frame numbers.", about.tool, sources.join(", "))
}

/// Sentences on what was done to the packets.
fn notes(request: &Request<'_>, case: &Case) -> Vec<String> {
    let Treatment { keep_payload, pseudonyms, .. } = request.treatment;
    let mut notes = Vec::new();
    if !keep_payload {
        let text = "Application data and what is personal before TLS were blanked in the packets handed on; lengths, times and headers are \
                    the original's, and so are records of at most 64 bytes and those of the handshake.";
        notes.push(text.to_owned());
    }
    if pseudonyms.is_some() {
        notes.push("Addresses and names were replaced; addresses share the prefixes that the original ones share.".to_owned());
    }
    if case.written.secrets > 0 {
        notes.push("The packets' file holds the secrets that decrypt this session, and no others.".to_owned());
    }
    notes.extend(
        case.proof.grounds.iter().map(|ground| format!("The verdict also rests on what these packets alone do not show: {ground}.")),
    );
    notes.extend(case.proof.differences.iter().map(|what| format!("Not proven by these packets: {what}.")));
    if case.written.left_out > 0 {
        notes.push(format!("{} packets could not be taken apart, and were left out.", case.written.left_out));
    }
    notes
}

/// Writes one session's files.
fn write(output: &mut Output, folder: &str, case: &mut Case, about: &mut About, request: &Request<'_>) -> io::Result<()> {
    const CAPTURE: &str = "session.pcapng";
    about.capture = Some(CAPTURE.to_owned());
    about.notes = notes(request, case);
    let rule = rules::find(case.finished.verdict.cause);
    let page = html::page(&case.finished, rule, about);
    let text = markdown::story_markdown(&case.finished, rule, about);
    let object = session_json(case, about, request)?;
    for (name, content) in [("report.html", page.into_bytes()), ("report.md", text.into_bytes()), ("session.json", object)] {
        output.add(&format!("{folder}{name}"), &mut content.as_slice())?;
    }
    case.written.capture.rewind()?;
    output.add(&format!("{folder}{CAPTURE}"), &mut case.written.capture)?;
    about.capture = None;
    about.notes.clear();
    Ok(())
}

/// The session's object, with a part of its own on the bundle.
fn session_json(case: &Case, about: &About, request: &Request<'_>) -> io::Result<Vec<u8>> {
    let Finished { session, verdict, .. } = &case.finished;
    let mut object = Vec::new();
    json::session(&mut object, &about.context, session, verdict);
    let mut value: Value = serde_json::from_slice(&object)?;
    let sources: Vec<Value> =
        about.sources.iter().map(|source| json!({ "file": source.name, "bytes": source.bytes, "sha256": source.sha256 })).collect();
    let cited: Vec<Value> = case
        .written
        .cited
        .iter()
        .map(|(packet, at)| json!({ "packet": packet, "file": about.context.file(*at), "frame": at.frame }))
        .collect();
    let bundle = json!({
        "tool": about.tool,
        "command": about.command,
        "sources": sources,
        "packets": case.written.frames,
        "left_out": case.written.left_out,
        "scrubbed": !request.treatment.keep_payload,
        "secrets": case.written.secrets,
        "anonymized": request.treatment.pseudonyms.is_some(),
        "cited": cited,
        "proof": {
            "same": case.proof.differences.is_empty(),
            "grounds_outside": case.proof.grounds,
            "differences": case.proof.differences,
        },
    });
    if let Value::Object(fields) = &mut value {
        fields.insert("bundle".to_owned(), bundle);
    }
    let mut text = serde_json::to_vec_pretty(&value)?;
    text.push(b'\n');
    Ok(text)
}

/// The manifest's first lines. They are comments to `sha256sum -c`, which checks the rest.
fn manifest(about: &About, request: &Request<'_>) -> Vec<String> {
    let Treatment { keep_payload, pseudonyms, with_secrets } = request.treatment;
    let plain = |text: &str| crate::base::printable(text, 4_096);
    let mut lines = vec![plain(&about.tool), format!("command: {}", plain(&about.command))];
    for source in &about.sources {
        let hash = source.sha256.as_deref().unwrap_or_default();
        lines.push(format!("source: {} ({} bytes, SHA-256 {hash})", plain(&source.name), source.bytes.unwrap_or_default()));
    }
    lines.push(format!("application data: {}", if keep_payload { "kept" } else { "zeroed" }));
    lines.push(format!("addresses and names: {}", if pseudonyms.is_some() { "replaced" } else { "kept" }));
    lines.push(format!("secrets: {}", if with_secrets { "those of these sessions" } else { "none" }));
    lines.push("check with: sha256sum -c MANIFEST".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::Analyzer;
    use crate::capture::CaptureFile;
    use crate::report::time::Clock;

    #[test]
    fn a_capture_that_changed_since_it_was_analysed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcap");
        std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/server-truncated-record.pcap"), &path).unwrap();
        let mut analyzer = Analyzer::new(Options::default());
        let mut file = CaptureFile::open(&path, 0).unwrap();
        while let Some(frame) = file.next_frame().unwrap() {
            analyzer.push(&frame);
        }
        analyzer.finish();
        let (files, stamps) = ([path.clone()], [Stamp::of(&path)]);
        let context = Context { files: vec!["a.pcap".to_owned()], clock: Clock::utc() };
        let sessions = analyzer.take();
        let options = Options::default();
        let request = Request {
            files: &files,
            stamps: &stamps,
            frames: analyzer.totals().frames,
            context: &context,
            command: String::new(),
            keys: None,
            options: &options,
            sessions: &sessions,
            span: None,
            treatment: Treatment::default(),
            force: false,
            stop: &Stop::default(),
        };
        make(&request, &folder.path().join("same"), &mut |_| {}).unwrap();
        let refused = |request: &Request<'_>| {
            let error = make(request, &folder.path().join("changed"), &mut |_| {}).unwrap_err().to_string();
            assert!(error.ends_with("a.pcap changed while it was read; take a copy, and read that"), "{error}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the capture, and the good bundle");
        };
        refused(&Request { frames: request.frames + 1, ..request });
        // One byte more, as when it is still being written.
        let mut bytes = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut bytes, &[0]).unwrap();
        refused(&Request { command: String::new(), ..request });
    }
}
