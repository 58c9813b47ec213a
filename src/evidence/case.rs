//! One session made ready to be handed on: scrubbed, judged again from what is left, written with its story in it, read back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write as _};

use super::mask::Masks;
use super::pseudonym::Pseudonyms;
use super::readable::Readable;
use super::scrub::Scrubber;
use super::spool::{Mark, Spool};
use crate::analyze::{Finished, Options};
use crate::base::{At, Frame, Limits, PerSide, printable};
use crate::capture::{CaptureFile, CaptureWriter, InterfaceId, InterfaceInfo, NewInterface, NewPacket};
use crate::decode::{Decoded, Decoder};
use crate::diagnose::{Beside, Fact, Fault, Verdict};
use crate::report::{Context, blame, how};
use crate::session::{CloseNotify, ClosedBy, Ending, Flow, Given, Grounds, Session, Spans};
use crate::tls::{KeyLog, Secrets};

/// What is done to a session's packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Treatment<'p> {
    /// Application data stays as it is.
    pub keep_payload: bool,
    /// Addresses and names are replaced.
    pub pseudonyms: Option<&'p Pseudonyms>,
    /// Secrets that the capture holds and that decrypt this session go with it.
    pub with_secrets: bool,
}

/// What a bundle must show as the whole capture did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    ending: Ending,
    closed_by: ClosedBy,
    close_notify: PerSide<CloseNotify>,
    fault: Fault,
    cause: &'static str,
}

impl Outcome {
    fn of(finished: &Finished) -> Outcome {
        let Finished { session, verdict, .. } = finished;
        let Verdict { ending, closed_by, fault, cause, .. } = **verdict;
        Outcome { ending, closed_by, close_notify: session.close_notify, fault, cause }
    }

    /// What differs from `other`, the original: a phrase each.
    fn differences(&self, other: &Outcome) -> Vec<String> {
        let pairs = [
            ("ending", self.ending.name(), other.ending.name()),
            ("closed_by", self.closed_by.name(), other.closed_by.name()),
            ("close_notify of the client", self.close_notify.client.name(), other.close_notify.client.name()),
            ("close_notify of the server", self.close_notify.server.name(), other.close_notify.server.name()),
            ("fault", self.fault.name(), other.fault.name()),
            ("cause", self.cause, other.cause),
        ];
        pairs
            .into_iter()
            .filter(|(_, here, there)| here != there)
            .map(|(what, here, there)| format!("{what}: {here} instead of {there}"))
            .collect()
    }
}

/// What was known of the session beside its own packets.
#[derive(Clone, Debug)]
struct Known {
    grounds: Grounds,
    beside: Beside,
}

impl Known {
    fn of(finished: &Finished) -> Known {
        Known { grounds: finished.session.grounds, beside: finished.beside.clone() }
    }
}

/// How the session alone, as it is handed on, compares with the whole capture.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    /// What the verdict rests on beside the session's own packets: a sentence each.
    pub grounds: Vec<String>,
    /// What comes out otherwise, and should not.
    pub differences: Vec<String>,
}

/// A session ready to be handed on.
#[derive(Debug)]
pub struct Case {
    /// What the packets handed on tell, and how they are judged.
    pub finished: Finished,
    /// How that compares with the original.
    pub proof: Proof,
    /// The packets.
    pub written: Written,
}

/// The packets of a case.
#[derive(Debug)]
pub struct Written {
    /// The capture, open for reading. It has no name yet.
    pub capture: File,
    /// The frames cited: place in the new capture (from 1), and original frame.
    pub cited: Vec<(u32, At)>,
    /// Frames written.
    pub frames: u32,
    /// Frames left out because they could not be taken apart.
    pub left_out: u32,
    /// Secrets written: lines of a key log.
    pub secrets: usize,
}

/// What a case is made from.
pub(super) struct Source<'s> {
    pub(super) spool: &'s mut Spool,
    /// The session's place in it.
    pub(super) place: usize,
    /// The session as the whole capture showed it.
    pub(super) original: &'s Finished,
    /// How to analyse; with room for a timeline.
    pub(super) options: &'s Options,
    /// The interfaces of each source file.
    pub(super) interfaces: &'s [Vec<InterfaceInfo>],
    /// The source files' names as they may be told.
    pub(super) context: &'s Context,
    /// The TLS key log lines in the source files.
    pub(super) secrets: &'s [u8],
    /// What the original was decrypted with.
    pub(super) keys: Option<&'s Secrets>,
    /// What is said about the whole of the new capture, after the verdict.
    pub(super) about: &'s str,
}

/// Follows one connection through its frames.
struct Follower<'o> {
    options: &'o Options,
    keys: Option<&'o Secrets>,
    session: &'o Session,
    spans: bool,
    decoder: Decoder,
    flow: Option<Flow>,
    last: At,
}

impl<'o> Follower<'o> {
    fn new(options: &'o Options, keys: Option<&'o Secrets>, session: &'o Session, spans: bool) -> Follower<'o> {
        Follower { options, keys, session, spans, decoder: Decoder::new(), flow: None, last: At::default() }
    }

    fn push(&mut self, frame: &Frame<'_>) {
        let (limits, spans) = (&self.options.limits, self.spans);
        let (number, connection) = (self.session.tcp_stream, self.session.connection);
        let begin = |key| {
            let mut flow = Flow::new(key, number, frame.at, limits);
            flow.conn.serial = connection.wrapping_add(1);
            flow.log.spans = spans.then(Box::<Spans>::default);
            flow
        };
        self.last = At::new(self.last.time.max(frame.at.time), frame.at.frame, frame.at.file);
        match self.decoder.decode(frame) {
            Decoded::Tcp(segment) => {
                self.flow.get_or_insert_with(|| begin(segment.key)).push(&segment, given(limits, self.keys));
            }
            Decoded::Icmp(error) => {
                self.flow.get_or_insert_with(|| begin(error.key)).push_icmp(&error);
            }
            Decoded::Udp(_) | Decoded::Skipped(_) => {}
        }
    }
}

/// What a connection is followed with.
fn given<'a>(limits: &'a Limits, secrets: Option<&'a Secrets>) -> Given<'a> {
    Given { limits, secrets, room: limits.reorder_total }
}

fn nothing_left() -> io::Error {
    io::Error::other("nothing of the session could be found again")
}

impl Source<'_> {
    /// Makes the case.
    ///
    /// # Errors
    ///
    /// The disk does not take it, or gives back other than was written.
    pub(super) fn case(mut self, treatment: &Treatment<'_>, scratch: File) -> io::Result<Case> {
        let (alone, masks) = self.read(treatment)?;
        let mut scrubber = Scrubber::new(masks, treatment.pseudonyms);
        // What is left, judged on the same grounds.
        let draft = self.judge_again(&mut scrubber)?;
        let mut written = self.write(&mut scrubber, &draft, treatment, scratch)?;
        let read = self.read_back(&mut written.capture, Some(Known::of(self.original)), self.keys)?;
        let mut case = Case { finished: draft, proof: Proof::default(), written };
        let (before, after, whole) = (Outcome::of(&alone), Outcome::of(&read), Outcome::of(self.original));
        case.proof.differences = Outcome::of(&case.finished).differences(&after);
        case.proof.differences.extend(before.differences(&whole));
        case.proof.grounds = self.grounds(&mut case.written.capture, &after)?;
        let lost = after.differences(&before);
        if self.original.session.tls.decryption.opened > 0 {
            // What was decrypted of application data is zero in the packets.
            case.proof.grounds.extend(lost.into_iter().map(|what| format!("application data that was decrypted showed more: {what}")));
            // Whoever gets the packets has the secrets that go with them, and no others.
            let going = self.going(treatment);
            let blind = self.read_back(&mut case.written.capture, Some(Known::of(self.original)), Some(&going))?;
            let blind = Outcome::of(&blind);
            let shown = blind.differences(&after).into_iter();
            case.proof.grounds.extend(shown.map(|what| format!("secrets of a key log showed more: {what}")));
        } else {
            case.proof.differences.extend(lost);
        }
        case.written.capture.rewind()?;
        Ok(case)
    }

    /// The key log lines that go with the packets.
    fn going_lines(&self, treatment: &Treatment<'_>) -> Vec<u8> {
        if treatment.with_secrets { own_secrets(&self.original.session, self.secrets) } else { Vec::new() }
    }

    /// The secrets in them.
    fn going(&self, treatment: &Treatment<'_>) -> Secrets {
        let mut secrets = Secrets::new(&self.options.limits);
        KeyLog::new().feed(&self.going_lines(treatment), &mut secrets);
        secrets
    }

    /// Reads the packets as they are: what they alone tell, and what is to stay of them.
    fn read(&mut self, treatment: &Treatment<'_>) -> io::Result<(Finished, Option<Masks>)> {
        let mut follower = Follower::new(self.options, self.keys, &self.original.session, true);
        self.spool.read(self.place, |frame, mark| {
            if !mark.late {
                follower.push(frame);
            }
            Ok(())
        })?;
        let mut flow = follower.flow.ok_or_else(nothing_left)?;
        let Known { grounds, beside } = Known::of(self.original);
        flow.close_holes(grounds.end, given(&self.options.limits, self.keys));
        flow.close_spans();
        let mut readable = Readable::new(&self.original.session, treatment.pseudonyms);
        if let Some(spans) = flow.log.spans.as_deref() {
            readable.learn(spans.way(self.original.session.client_way));
        }
        let masks = (!treatment.keep_payload).then(|| Masks::new(&flow, |way, lane| readable.runs(way, lane)));
        Ok((self.options.conclude(flow, grounds, beside), masks))
    }

    /// What the scrubbed packets tell.
    fn judge_again(&mut self, scrubber: &mut Scrubber<'_>) -> io::Result<Finished> {
        let mut follower = Follower::new(self.options, self.keys, &self.original.session, false);
        scrubber.rewind();
        self.spool.read(self.place, |frame, mark| {
            if let Some(data) = scrubber.scrub(frame).filter(|_| !mark.late) {
                follower.push(&Frame { data, ..*frame });
            }
            Ok(())
        })?;
        let Known { grounds, beside } = Known::of(self.original);
        Ok(self.options.conclude(follower.flow.ok_or_else(nothing_left)?, grounds, beside))
    }

    /// Writes the scrubbed packets, with what `draft` says of them.
    fn write(&mut self, scrubber: &mut Scrubber<'_>, draft: &Finished, treatment: &Treatment<'_>, scratch: File) -> io::Result<Written> {
        let comments = comments(&draft.verdict, self.context);
        let section = section(draft, self.about);
        let mut writer = CaptureWriter::new(BufWriter::with_capacity(1 << 18, scratch), &[section])?;
        let secrets = self.going_lines(treatment);
        if !secrets.is_empty() {
            writer.secrets(&secrets)?;
        }
        let secrets = secrets.iter().filter(|byte| **byte == b'\n').count();
        let mut interfaces: BTreeMap<(u16, u32, u16), InterfaceId> = BTreeMap::new();
        let (mut cited, mut frames, mut left_out) = (Vec::new(), 0, 0);
        let nothing = Vec::new();
        scrubber.rewind();
        self.spool.read(self.place, |frame, mark| {
            let Some(data) = scrubber.scrub(frame) else {
                left_out += 1;
                return Ok(());
            };
            frames += 1;
            let place = (frame.at.file, frame.interface, frame.link.0);
            let interface = *interfaces.entry(place).or_insert_with(|| {
                let info = self.interfaces.get(usize::from(frame.at.file)).and_then(|file| file.get(frame.interface as usize));
                writer.interface(described(frame, info, treatment.pseudonyms.is_none()))
            });
            let said = comments.get(&(frame.at.file, frame.at.frame));
            if said.is_some() {
                cited.push((frames, frame.at));
            }
            let mut said = said.cloned().unwrap_or_else(|| nothing.clone());
            note(&mut said, mark, frame.at);
            writer.packet(&NewPacket {
                interface,
                time: frame.at.time,
                wire_len: frame.wire_len,
                outgoing: frame.outgoing,
                data,
                comments: &said,
            })
        })?;
        let mut out = writer.into_inner();
        out.flush()?;
        let capture = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Written { capture, cited, frames, left_out, secrets })
    }

    /// What the file that was written tells: read as any capture is, with the original's frame numbers.
    ///
    /// Without `known` nothing is known beside the packets, and the last of them is the end. `keys` are what whoever reads it has.
    fn read_back(&mut self, capture: &mut File, known: Option<Known>, keys: Option<&Secrets>) -> io::Result<Finished> {
        capture.rewind()?;
        let reader: Box<dyn Read> = Box::new(BufReader::new(capture.try_clone()?));
        let mut file = CaptureFile::from_reader(reader, "the new capture", 0).map_err(io::Error::other)?;
        let mut follower = Follower::new(self.options, keys, &self.original.session, false);
        let mut passed = Decoder::new();
        self.spool.read(self.place, |frame, mark| {
            if !matches!(passed.decode(frame), Decoded::Tcp(_) | Decoded::Icmp(_)) {
                return Ok(());
            }
            let Some(written) = file.next_frame().map_err(io::Error::other)? else { return Err(nothing_left()) };
            if written.at.time != frame.at.time || written.data.len() != frame.data.len() || written.wire_len != frame.wire_len {
                return Err(io::Error::other("the new capture does not hold what was written to it"));
            }
            if !mark.late {
                follower.push(&Frame { at: frame.at, ..written });
            }
            Ok(())
        })?;
        let bare = Known { grounds: Grounds { end: follower.last, ..Grounds::default() }, beside: Beside::default() };
        let Known { grounds, beside } = known.unwrap_or(bare);
        Ok(self.options.conclude(follower.flow.ok_or_else(nothing_left)?, grounds, beside))
    }

    /// The grounds without which the verdict would be another.
    fn grounds(&mut self, capture: &mut File, outcome: &Outcome) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        if Outcome::of(&self.read_back(capture, None, self.keys)?) == *outcome {
            return Ok(found);
        }
        let Known { grounds: own, beside } = Known::of(self.original);
        let last = self.original.session.last;
        let quiet = own.end.time.since(last.time).secs();
        let each = [
            (Grounds { end: last, ..own }, format!("the capture went on for {quiet:.3} s after the session's last packet")),
            (Grounds { replaced: false, ..own }, "its ports were taken by a new connection afterwards".to_owned()),
            (Grounds { kernel_drops: false, ..own }, "the capture says that it lost packets".to_owned()),
            (Grounds { server_speaks_tls: false, ..own }, "its server spoke TLS in other connections of the capture".to_owned()),
        ];
        for (without, ground) in each {
            let known = Known { grounds: without, beside: beside.clone() };
            if without != own && Outcome::of(&self.read_back(capture, Some(known), self.keys)?) != *outcome {
                found.push(ground);
            }
        }
        let alone = Known { grounds: own, beside: Beside::default() };
        if Outcome::of(&self.read_back(capture, Some(alone), self.keys)?) != *outcome {
            found.push(told_by_others(&beside));
        }
        if found.is_empty() {
            found.push("how the capture went on around the session".to_owned());
        }
        Ok(found)
    }
}

/// What other connections told of the session, and where that can be seen in the original.
fn told_by_others(beside: &Beside) -> String {
    let winner = beside.winner.as_deref().map(|winner| ("its client used another connection in its stead", winner.began.at));
    let refused = beside.fall.as_deref().and_then(|fall| Some(("its server refused the next connection", fall.refused?.at)));
    let told: Vec<String> =
        winner.into_iter().chain(refused).map(|(what, at)| format!("{what} (frame {} of the original)", at.frame)).collect();
    match told.is_empty() {
        true => "what other connections of the capture show of its server".to_owned(),
        false => told.join(" and "),
    }
}

/// The lines of a key log that are this session's: those that name its client's random value.
fn own_secrets(session: &Session, key_log: &[u8]) -> Vec<u8> {
    let Some(hello) = session.tls.client_hello.as_deref() else { return Vec::new() };
    let random = super::output::hex(&hello.random);
    let is_own = |line: &&[u8]| {
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|word| word.eq_ignore_ascii_case(random.as_bytes()))
    };
    key_log.split(|byte| *byte == b'\n').filter(is_own).flat_map(|line| [line.trim_ascii(), b"\n"].concat()).collect()
}

/// An interface as the source described it; its names are those of somebody's machine.
fn described(frame: &Frame<'_>, info: Option<&InterfaceInfo>, named: bool) -> NewInterface {
    let mut interface = NewInterface::new(frame.link);
    if let Some(info) = info.filter(|info| info.link == frame.link) {
        interface.snap_len = info.snap_len;
        interface.fcs_len = info.fcs_len;
        if named {
            interface.name = info.name.clone();
            interface.description = info.description.clone();
        }
    }
    interface
}

/// The longest text of one comment, in characters.
const COMMENT: usize = 2_000;

/// What `verdict` says of each frame that it cites, by file and frame.
fn comments(verdict: &Verdict, context: &Context) -> BTreeMap<(u16, u32), Vec<String>> {
    let mut said: BTreeMap<(u16, u32), Vec<String>> = BTreeMap::new();
    let mut add = |at: At, what: String| {
        let file = if context.files.len() > 1 { format!(" of {}", printable(context.file(at), 200)) } else { String::new() };
        let comment = printable(&format!("whohungup, frame {}{file}: {what}", at.frame), COMMENT);
        said.entry((at.file, at.frame)).or_default().push(comment);
    };
    for cited in &verdict.evidence {
        let who = cited.from.map_or(String::new(), |side| format!("{side}: "));
        let how = match cited.fact {
            Fact::Saw => String::new(),
            Fact::Inferred => "inferred: ".to_owned(),
            Fact::Missing(bytes) => format!("missing, {bytes} bytes unseen: "),
        };
        add(cited.at, format!("{who}{how}{}", cited.what));
    }
    for told in &verdict.reactions {
        let who = told.from.map_or(String::new(), |side| format!("{side}: "));
        add(told.at, format!("{who}{}, a reaction to frame {}", told.what, told.to.frame));
    }
    said
}

/// Adds what is unusual about a frame itself.
fn note(said: &mut Vec<String>, mark: Mark, at: At) {
    if mark.joined {
        said.push(format!("whohungup, frame {}: came in IP fragments, of which it was the last; they are joined here", at.frame));
    }
    if mark.late {
        said.push(format!("whohungup, frame {}: came after the session was over, and did not count", at.frame));
    }
}

/// What is said about the whole: the verdict, and where this comes from.
fn section(finished: &Finished, about: &str) -> String {
    let Finished { session, verdict, .. } = finished;
    let mut text = session.tcp_stream.map_or("Session".to_owned(), |number| format!("Session {number}"));
    let _ = write!(
        text,
        ": {}. Ended: {} ({}). Fault: {}. Cause: {}. {about}",
        printable(&verdict.summary, COMMENT),
        how(verdict.ending, verdict.closed_by),
        verdict.closed_by_confidence,
        blame(verdict.fault, verdict.fault_confidence),
        verdict.cause,
    );
    text
}
