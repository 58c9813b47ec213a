//! Verdicts for people and for programs: one file per format. Sees sessions and verdicts, never rules' reasoning or packets.

pub mod about;
pub mod blocks;
pub mod csv;
pub mod errors;
pub mod html;
pub mod incidents;
pub mod json;
pub mod manual;
pub mod markdown;
pub(crate) mod names;
pub mod story;
pub mod table;
pub mod text;
pub mod time;
pub(crate) mod timeline;
pub mod totals;
pub mod wireshark;

#[cfg(test)]
pub(crate) mod sample;

use std::borrow::Cow;

use crate::base::At;
use crate::diagnose::{Confidence, Fault, Verdict};
use crate::session::{ClosedBy, Ending, Session};

/// Events kept of a session's beginning, and as many of its end, for its story: more than anyone reads, and still bounded.
pub const STORY_EVENTS: usize = 200;

/// What every report needs to know beside sessions and verdicts.
#[derive(Clone, Debug)]
pub struct Context {
    /// The base names of the files read, in reading order. Raw: printers escape them.
    pub files: Vec<String>,
    /// The clock people are shown.
    pub clock: time::Clock,
}

impl Context {
    /// The name of the file that `at` points into.
    pub fn file(&self, at: At) -> &str {
        self.files.get(usize::from(at.file)).map_or("", String::as_str)
    }
}

/// A local process that held one side of a session, known while it is captured live.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, as the kernel has it. The process chose it: made printable.
    pub name: String,
}

/// How bad a session is, worst first: what lists are sorted by, and whether it is listed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody is named.
    Fault,
    /// It ended badly, and this capture cannot decide whose fault it was.
    Undetermined,
    /// It ended without announcement, and hurt nobody.
    Harmless,
    /// Not flagged: closed cleanly, still open, or its end went unseen.
    Clean,
}

impl Class {
    /// The class of a verdict.
    pub fn of(verdict: &Verdict) -> Class {
        match (verdict.fault, verdict.flagged()) {
            (Fault::Server | Fault::Client | Fault::Proxy | Fault::Network, _) => Class::Fault,
            (Fault::Undetermined, true) => Class::Undetermined,
            (Fault::None, true) => Class::Harmless,
            (Fault::None | Fault::Undetermined, false) => Class::Clean,
        }
    }

    /// Whether it counts as a fault found, for the exit status.
    pub fn is_fault(self) -> bool {
        matches!(self, Class::Fault | Class::Undetermined)
    }
}

/// How a session ended and by whom, in two or three words: `FIN by server`.
pub fn how(ending: Ending, by: ClosedBy) -> String {
    let what = match ending {
        Ending::CloseNotify => "closed",
        Ending::Fin => "FIN",
        Ending::Rst => "RST",
        Ending::FatalAlert => "alert",
        Ending::Stall => "stall",
        Ending::NoConnection => "no connection",
        Ending::Open => "still open",
        Ending::Unseen => "end not seen",
    };
    match (ending, by) {
        (Ending::Stall, ClosedBy::Client | ClosedBy::Server | ClosedBy::Proxy) => format!("{what}, {by} left"),
        (Ending::NoConnection | Ending::Open | Ending::Unseen | Ending::Stall, _) | (_, ClosedBy::Nobody | ClosedBy::Unknown) => {
            what.to_owned()
        }
        _ => format!("{what} by {by}"),
    }
}

/// Whose fault and how sure: `server, likely`. Certainty about nothing is not worth a word.
pub fn blame(fault: Fault, confidence: Confidence) -> String {
    match fault {
        Fault::None | Fault::Undetermined => fault.name().to_owned(),
        _ => format!("{fault}, {confidence}"),
    }
}

/// The frame a session's end is told by: its root event, or else its last packet.
pub fn end_of(session: &Session) -> At {
    session.closing.root.as_ref().map_or(session.last, |root| root.at)
}

/// The name the client asked for, raw.
pub fn sni(session: &Session) -> Option<Cow<'_, str>> {
    session.sni().map(Cow::from)
}

/// The application protocol agreed on, raw.
pub fn alpn(session: &Session) -> Option<Cow<'_, str>> {
    session.alpn().map(Cow::from)
}
