//! Evidence for a ticket: a session taken out of a capture, without what is nobody else's business, and with proof that it still says the same.
//!
//! A bundle is made in two readings of the capture. The first is the usual analysis, and chooses sessions. The second sets their frames aside
//! ([`Analyzer::push`](crate::analyze::Analyzer::push) says of each which connection it belongs to) on disk, in bounded memory. Then, session
//! by session: what its streams consist of is read, which says what stays of each byte; the frames are scrubbed, judged again, written with
//! comments on those that the new verdict cites, and read back. Reports are made from what was read back, never from the original: what the
//! packets do not tell any more cannot stand in a report either.
//!
//! What must hold: lengths and times never change; a byte of a stream gets the same treatment however often it was sent; what is not known to
//! be needed is zeroed; a right checksum is right afterwards and a wrong one wrong; nothing half-written is left behind.

mod bundle;
mod case;
mod collect;
mod der;
mod keep;
mod mask;
mod names;
mod output;
mod packed;
mod pseudonym;
mod readable;
mod rewrite;
mod ring;
mod scrub;
mod spool;
mod text;

pub use bundle::{Made, Request, make};
pub use case::{Proof, Treatment};
pub use collect::Stamp;
pub use keep::{Bounds, Keeper};
pub use output::{Output, Stop};
pub use pseudonym::Pseudonyms;
