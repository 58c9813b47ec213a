//! From a finished session to a verdict: the registry of causes and the engine that judges between them.

mod beside;
pub mod company;
mod engine;
pub mod exchange;
mod pattern;
mod rule;
pub mod rules;
pub mod tell;
mod verdict;

pub use beside::{Beside, Elsewhere, Fall, SameSilence, Served, SharedKey, SmallerHellos, Winner};
pub use company::{Company, News, Revision, Told};
pub use engine::judge;
pub use pattern::{Pattern, PatternKind};
pub use rule::{Context, Group, Reading, Rule};
pub use verdict::{Alternative, Citation, Confidence, Fact, Fault, Impact, RuledOut, ToldReaction, Verdict};
