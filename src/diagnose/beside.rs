//! What other connections of the capture tell of a session: facts for rules, each with the frame that shows it.

use crate::base::{At, Side, Span};
use crate::diagnose::verdict::{Citation, Fact, Text};

/// What is known beside a session. Each fact is there only where it can matter to that session, which is seldom: boxed, for it is handed on
/// with every verdict.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The connection that its client used in its stead.
    pub winner: Option<Box<Winner>>,
    /// What happened to its server when it ended.
    pub fall: Option<Box<Fall>>,
    /// Its server's port answered on other connections, although not on this one.
    pub served: Option<Box<Served>>,
    /// Other sessions of its parties broke after the same silence.
    pub same_silence: Option<Box<SameSilence>>,
    /// Smaller hellos pass where its own did not.
    pub smaller_hellos: Option<Box<SmallerHellos>>,
    /// Its server's key answers for domains that have nothing to do with each other.
    pub shared_key: Option<Box<SharedKey>>,
}

impl Beside {
    /// Nothing is known beside the session.
    pub fn is_empty(&self) -> bool {
        let Beside { winner, fall, served, same_silence, smaller_hellos, shared_key } = self;
        let any =
            [winner.is_some(), fall.is_some(), served.is_some(), same_silence.is_some(), smaller_hellos.is_some(), shared_key.is_some()];
        !any.contains(&true)
    }
}

/// A frame of another session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elsewhere {
    /// The frame.
    pub at: At,
    /// That session's number.
    pub session: Option<u32>,
}

/// A connection that began together with this one, and was used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Winner {
    /// Its first packet.
    pub began: Elsewhere,
    /// How long after this one it began (negative: before).
    pub after: Span,
    /// It went to another address of the other IP version: known by the client's hardware address, not by a name.
    pub other_family: bool,
}

/// Signs that a server's process ended, all at the moment this session did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fall {
    /// Sessions that it ended unannounced in that moment, this one among them.
    pub together: u32,
    /// From how many client addresses these were.
    pub clients: u32,
    /// A SYN that was refused right after, with nothing in between that the server still answered.
    pub refused: Option<Elsewhere>,
    /// How long after the end that SYN was sent.
    pub refused_after: Span,
}

/// A session that a server's port did serve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Served {
    /// The last time it spoke there.
    pub spoke: Elsewhere,
    /// TTL or hop limit of its packets.
    pub ttl: u8,
}

impl Elsewhere {
    /// The frame, cited. Where its session has no number nothing could point at it.
    pub fn saw(&self, from: Side, what: impl Into<Text>) -> Option<Citation> {
        self.session?;
        Some(Citation { at: self.at, from: Some(from), session: self.session, fact: Fact::Saw, what: what.into() })
    }

    /// `session 17`, or `another session`.
    pub fn name(&self) -> String {
        self.session.map_or_else(|| "another session".to_owned(), |number| format!("session {number}"))
    }
}

/// Sessions between the same two parties that broke after the same silence.
#[derive(Clone, Debug, PartialEq)]
pub struct SameSilence {
    /// How many, this one among them, none of whose silences overlap.
    pub sessions: u32,
    /// The silence.
    pub silence: Span,
    /// Where the others broke, the newest few.
    pub others: Vec<Elsewhere>,
}

/// One key in the certificates of unrelated domains, none of which a public CA issued.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedKey {
    /// Where the others were shown: one of each domain, the first few.
    pub others: Vec<Elsewhere>,
}

/// How hellos of another size fared with this one's server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmallerHellos {
    /// One of one segment that was answered.
    pub passed: Elsewhere,
    /// How many of one segment were.
    pub small: u32,
    /// How many of more than one segment were not, this one among them. None was.
    pub large: u32,
}
