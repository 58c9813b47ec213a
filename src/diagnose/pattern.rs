//! What many sessions show together that none shows alone.

use std::fmt;
use std::net::IpAddr;

use crate::base::{Endpoint, Span, Time};
use crate::diagnose::verdict::{Citation, Confidence, Fault};

/// The kinds of pattern. Each says what its sessions share, and no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternKind {
    /// The next packet after the same silence found no connection any more.
    LostAfterSilence,
    /// The server closed after the same silence.
    ClosedAfterSilence,
    /// Sessions broke in the same moment.
    EndedTogether,
    /// Only ClientHellos of more than one segment fail.
    LargeHellos,
    /// Only ClientHellos that offer one newest TLS version fail.
    OneVersion,
    /// Only sessions whose server is so many hops away fail.
    OneDistance,
    /// Only one of the addresses of a name fails.
    OneAddress,
}

impl PatternKind {
    /// Every kind.
    pub const ALL: [PatternKind; 7] = [
        PatternKind::LostAfterSilence,
        PatternKind::ClosedAfterSilence,
        PatternKind::EndedTogether,
        PatternKind::LargeHellos,
        PatternKind::OneVersion,
        PatternKind::OneDistance,
        PatternKind::OneAddress,
    ];

    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            PatternKind::LostAfterSilence => "lost-after-silence",
            PatternKind::ClosedAfterSilence => "closed-after-silence",
            PatternKind::EndedTogether => "ended-together",
            PatternKind::LargeHellos => "large-hellos",
            PatternKind::OneVersion => "one-version",
            PatternKind::OneDistance => "one-distance",
            PatternKind::OneAddress => "one-address",
        }
    }
}

impl fmt::Display for PatternKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Several sessions that show something together.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Patterns are counted from 1. One told again under its number has more sessions than before.
    pub number: u32,
    /// What they share.
    pub kind: PatternKind,
    /// Their client's address, if it is one.
    pub client: Option<IpAddr>,
    /// Their server, if it is one.
    pub server: Option<Endpoint>,
    /// The name asked for, if that is what they share. From the network: printers escape it.
    pub sni: Option<String>,
    /// How many sessions.
    pub count: u32,
    /// Their numbers, the first few.
    pub sessions: Vec<u32>,
    /// When the first of them ended.
    pub first: Time,
    /// When the last of them ended.
    pub last: Time,
    /// The silence they share.
    pub silence: Option<Span>,
    /// Who must act, as far as the pattern tells.
    pub fault: Fault,
    /// How sure that is.
    pub confidence: Confidence,
    /// One sentence, lower case. May hold text from the network: printers escape it.
    pub summary: String,
    /// Frames that show it, of a few of the sessions; never empty.
    pub evidence: Vec<Citation>,
    /// What to do next.
    pub advice: Vec<String>,
}
