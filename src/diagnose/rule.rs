//! What a rule is: a cause with its name, its manual and its check.

use crate::diagnose::beside::Beside;
use crate::diagnose::verdict::{Alternative, Citation, Confidence, Fault, Impact, RuledOut, Text};
use crate::session::{Ending, Phase, Session};

/// One cause. Each lives in a file of its own, and the file's `//!` lines are its manual page.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name: the same in files, captures, output and manual. Once published it does not change meaning.
    pub slug: &'static str,
    /// The heading it stands under in the manual's list.
    pub group: Group,
    /// One line: when it is given.
    pub summary: &'static str,
    /// The fault it usually comes with.
    pub usual_fault: &'static str,
    /// The endings that it can explain: about a session that ended otherwise it is not asked.
    pub endings: &'static [Ending],
    /// The phases in which it can fire: about a session that ended in another one it is not asked.
    pub phases: &'static [Phase],
    /// The source of its file: the manual page is its leading `//!` lines.
    pub source: &'static str,
    /// Causes that say the same thing better: where one of them fires too, this one is silent.
    pub yields_to: &'static [&'static str],
    /// Whether the session shows it. Never, where the session's ending or phase is not among those above.
    pub check: fn(&Session, &Context) -> Option<Box<Reading>>,
}

/// The stages of a session, as the manual groups the causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Nothing is wrong.
    Harmless,
    /// TCP did not come up.
    Connecting,
    /// What is spoken before TLS.
    BeforeTls,
    /// Hellos, certificates, Finished.
    Handshake,
    /// After both Finished.
    Established,
}

impl Group {
    /// The heading.
    pub fn name(self) -> &'static str {
        match self {
            Group::Harmless => "clean and harmless",
            Group::Connecting => "the connection never came up",
            Group::BeforeTls => "before TLS",
            Group::Handshake => "in the handshake",
            Group::Established => "established",
        }
    }
}

/// What a rule may know beside the session: facts about the rest of the capture. Those of later connections come as a second judgement.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The server's port is one on which TLS is expected, or spoke it elsewhere in the capture.
    pub tls_port: bool,
    /// It is one by its number: nothing else is spoken there.
    pub tls_only_port: bool,
    /// Whether the server's address is one of the host captured on, where those are known.
    pub server_here: Option<bool>,
    /// What other connections tell of the session.
    pub beside: Beside,
}

/// What a rule makes of a session.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Who must act.
    pub fault: Fault,
    /// How sure that is.
    pub confidence: Confidence,
    /// What it cost.
    pub impact: Impact,
    /// One sentence, lower case.
    pub summary: Text,
    /// The frames that prove it, beside those of the root event.
    pub evidence: Vec<Citation>,
    /// Who is excluded.
    pub ruled_out: Vec<RuledOut>,
    /// What else it can be.
    pub alternatives: Vec<Alternative>,
    /// What to do.
    pub advice: Vec<Text>,
}

impl Reading {
    /// A reading with nothing but its sentence. Boxed, since it goes from hand to hand, and built where it stays.
    pub fn new(fault: Fault, confidence: Confidence, impact: Impact, summary: impl Into<Text>) -> Box<Reading> {
        Box::write(
            Box::new_uninit(),
            Reading {
                fault,
                confidence,
                impact,
                summary: summary.into(),
                evidence: Vec::new(),
                ruled_out: Vec::new(),
                alternatives: Vec::new(),
                advice: Vec::new(),
            },
        )
    }

    /// Cites a frame.
    pub fn cite(mut self: Box<Self>, citation: Option<Citation>) -> Box<Reading> {
        self.evidence.extend(citation);
        self
    }

    /// Excludes a party.
    pub fn rule_out(mut self: Box<Self>, fault: Fault, why: impl Into<Text>) -> Box<Reading> {
        self.ruled_out.push(RuledOut { fault, why: why.into() });
        self
    }

    /// Names another reading, and what would decide.
    pub fn or(mut self: Box<Self>, fault: Fault, cause: &'static str, why: impl Into<Text>, decide_by: impl Into<Text>) -> Box<Reading> {
        self.alternatives.push(Alternative { fault, cause, why: why.into(), decide_by: decide_by.into() });
        self
    }

    /// Says what to do.
    pub fn advise(mut self: Box<Self>, what: impl Into<Text>) -> Box<Reading> {
        self.advice.push(what.into());
        self
    }
}

impl Rule {
    /// Whether it can fire on a session that came as far as `phase` and had that ending.
    pub fn concerns(&self, phase: Phase, ending: Ending) -> bool {
        self.phases.contains(&phase) && self.endings.contains(&ending)
    }

    /// The manual page: the leading `//!` lines of its file, as Markdown.
    pub fn manual(&self) -> String {
        let mut page = String::new();
        for line in self.source.lines() {
            let Some(text) = line.strip_prefix("//!") else { break };
            page.push_str(text.strip_prefix(' ').unwrap_or(text));
            page.push('\n');
        }
        page
    }
}
