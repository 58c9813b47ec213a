//! The verdict on one session: who, how, whose fault, how sure, and by which frames.

use std::borrow::Cow;
use std::fmt;

use crate::base::{At, Side};
use crate::session::{ClosedBy, Ending};

/// What is said in words. Most of it says the same of every session, and needs no memory then.
pub type Text = Cow<'static, str>;

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Nobody: the ending may be ugly, but it hurt no one.
    None,
    /// The TLS endpoint that opened the connection.
    Client,
    /// The TLS endpoint at the server's address (it may be a load balancer).
    Server,
    /// A proxy or any other box between.
    Proxy,
    /// Loss, black holes, MTU, routes.
    Network,
    /// This capture cannot decide it.
    Undetermined,
}

impl Fault {
    /// Every fault, in the order of the totals.
    pub const ALL: [Fault; 6] = [Fault::Server, Fault::Client, Fault::Proxy, Fault::Network, Fault::Undetermined, Fault::None];

    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::Client => "client",
            Fault::Server => "server",
            Fault::Proxy => "proxy",
            Fault::Network => "network",
            Fault::Undetermined => "undetermined",
        }
    }
}

impl From<Side> for Fault {
    fn from(side: Side) -> Fault {
        match side {
            Side::Client => Fault::Client,
            Side::Server => Fault::Server,
        }
    }
}

/// How sure a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// One reading among several.
    Possible,
    /// The reading that fits best; another one is not excluded.
    Likely,
    /// A direct observation with no second reading.
    Certain,
}

impl Confidence {
    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Certain => "certain",
            Confidence::Likely => "likely",
            Confidence::Possible => "possible",
        }
    }
}

/// What the ending cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Impact {
    /// Nothing.
    None,
    /// Data may be missing at the end; nothing in the capture can tell.
    TruncationPossible,
    /// Data was lost, proven.
    DataLost,
    /// The session never did what it was for.
    SessionFailed,
    /// Unknown.
    Unknown,
}

impl Impact {
    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Impact::None => "none",
            Impact::TruncationPossible => "truncation_possible",
            Impact::DataLost => "data_lost",
            Impact::SessionFailed => "session_failed",
            Impact::Unknown => "unknown",
        }
    }
}

/// How a citation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// It stands in that frame.
    Saw,
    /// It follows from that frame.
    Inferred,
    /// It should be there and is not: how many bytes went unseen.
    Missing(u64),
}

impl Fact {
    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Fact::Saw => "saw",
            Fact::Inferred => "inferred",
            Fact::Missing(_) => "missing",
        }
    }
}

/// One cited frame.
#[derive(Clone, Debug)]
pub struct Citation {
    /// The frame.
    pub at: At,
    /// In whose name it came; `None` for a third party (an ICMP error) or for the end of the capture.
    pub from: Option<Side>,
    /// The number of the session it belongs to, where that is another one.
    pub session: Option<u32>,
    /// How it is known.
    pub fact: Fact,
    /// What it shows, in words. May hold text from the network: printers escape it.
    pub what: Text,
}

/// A party the evidence excludes.
#[derive(Clone, Debug)]
pub struct RuledOut {
    /// Who.
    pub fault: Fault,
    /// Why.
    pub why: Text,
}

/// Another reading that the evidence does not exclude.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// Who it would be.
    pub fault: Fault,
    /// The cause it would be, by slug.
    pub cause: &'static str,
    /// Why it is possible.
    pub why: Text,
    /// What would decide it. May hold a command to type.
    pub decide_by: Text,
}

/// A later closing act and the frame that provoked it, for the report.
#[derive(Clone, Debug)]
pub struct ToldReaction {
    /// The frame of the reaction.
    pub at: At,
    /// Who reacted.
    pub from: Option<Side>,
    /// What it was.
    pub what: Text,
    /// What it answers.
    pub to: At,
}

/// The verdict on one session.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How the root event looked.
    pub ending: Ending,
    /// How sure `ending` is.
    pub ending_confidence: Confidence,
    /// Whose closing act came first.
    pub closed_by: ClosedBy,
    /// How sure `closed_by` is.
    pub closed_by_confidence: Confidence,
    /// Who must act.
    pub fault: Fault,
    /// How sure `fault` is.
    pub fault_confidence: Confidence,
    /// The cause, by slug.
    pub cause: &'static str,
    /// What it cost.
    pub impact: Impact,
    /// One sentence, lower case, understandable alone. May hold text from the network: printers escape it.
    pub summary: Text,
    /// The frames that prove it; never empty.
    pub evidence: Vec<Citation>,
    /// What the root event provoked.
    pub reactions: Vec<ToldReaction>,
    /// Who is excluded.
    pub ruled_out: Vec<RuledOut>,
    /// What else it can have been.
    pub alternatives: Vec<Alternative>,
    /// What to do next: one imperative sentence each, the first the most useful.
    pub advice: Vec<Text>,
}

impl Verdict {
    /// Flagged: the wire shows an unannounced end, whatever the verdict on fault.
    pub fn flagged(&self) -> bool {
        self.ending.flagged()
    }
}

macro_rules! display_as_name {
    ($($word:ty),*) => { $(impl fmt::Display for $word {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
    })* };
}
display_as_name!(Fault, Confidence, Impact);
