//! From records and TCP events to a finished session: phase, timeline, closing acts, ending.

mod act;
mod closing;
mod facts;
mod finish;
mod flow;
mod handshake;
mod keyed;
mod log;
mod query;
mod reading;
mod seldom;
mod spans;
mod timeline;
mod tracker;
mod way;
mod words;

pub use act::{Act, ActKind, Closing, Reaction, Rst, RstKind, SealedReading};
pub use facts::{CutRecord, Fin, Grounds, LastRecord, Opening, Session, SideFacts, TlsFacts, Unanswered};
pub use finish::Surroundings;
pub use flow::{Flow, Said};
pub use keyed::{Decryption, Given};
pub use spans::{Lane, Part, PartKind, Run, Spans};
pub use timeline::{Event, Timeline, What};
pub use words::{Cap, CloseNotify, ClosedBy, Ending, Phase};
