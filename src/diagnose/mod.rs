//! From a finished session to a verdict: the registry of causes and the engine that judges between them.

mod verdict;

pub use verdict::{Alternative, Citation, Confidence, Fact, Fault, Impact, RuledOut, ToldReaction, Verdict};
