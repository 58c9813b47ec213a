//! From records and TCP events to a finished session: phase, timeline, closing acts, ending.

mod act;
mod facts;
mod timeline;
mod words;

pub use act::{Act, ActKind, Closing, Reaction, Rst, RstKind, SealedReading};
pub use facts::{CutRecord, Fin, LastRecord, Opening, Session, SideFacts, TlsFacts, Unanswered};
pub use timeline::{Event, Timeline, What};
pub use words::{Cap, ClosedBy, CloseNotify, Ending, Phase};
