//! Where a report comes from: the program, the command, the capture. What a stranger needs to check it.

use crate::base::Time;
use crate::report::Context;

/// Where a report comes from. Every text in it is escaped by whoever prints it.
#[derive(Clone, Debug)]
pub struct About {
    /// The program and its version: `whohungup 0.1.0`.
    pub tool: String,
    /// The command line, as typed.
    pub command: String,
    /// The capture files that were read, in reading order.
    pub sources: Vec<Source>,
    /// Times of the capture's first and last frame.
    pub span: Option<(Time, Time)>,
    /// The files that frame numbers point into, and the clock people are shown.
    pub context: Context,
    /// The name of the capture file that lies beside the report and holds only this session, where there is one.
    pub capture: Option<String>,
    /// What was left out or changed on the way from the capture to this report: a sentence each.
    pub notes: Vec<String>,
}

/// A capture file that was read.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its base name.
    pub name: String,
    /// Its length in bytes, where that is known.
    pub bytes: Option<u64>,
    /// SHA-256 of its bytes, in hexadecimal, where it was computed.
    pub sha256: Option<String>,
}

impl About {
    /// A report of this version of the program on the files of `context`, of which nothing more is known.
    pub fn new(context: Context, command: impl Into<String>) -> About {
        let source = |name: &String| Source { name: name.clone(), ..Source::default() };
        About {
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            command: command.into(),
            sources: context.files.iter().map(source).collect(),
            span: None,
            context,
            capture: None,
            notes: Vec::new(),
        }
    }

    /// Label and value of each thing to know, the values raw.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let clock = &self.context.clock;
        let mut out = vec![("Made by", self.tool.clone())];
        if !self.command.is_empty() {
            out.push(("Command", self.command.clone()));
        }
        for source in &self.sources {
            let bytes = source.bytes.map_or(String::new(), |bytes| format!(", {}", super::text::count(bytes, "byte", "bytes")));
            let hash = source.sha256.as_ref().map_or(String::new(), |hash| format!(", SHA-256 {hash}"));
            out.push(("Capture", format!("{}{bytes}{hash}", source.name)));
        }
        if let Some((first, last)) = self.span {
            let point = |time| format!("{} {}", clock.date(time), clock.time_of_day_millis(time));
            let lasting = super::time::lasting(last.since(first));
            out.push(("Capture covers", format!("{} to {} {}, {lasting}", point(first), point(last), clock.offset(last))));
        }
        out.extend(self.notes.iter().map(|note| ("Note", note.clone())));
        out
    }
}
