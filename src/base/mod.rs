//! The words every layer shares: frames, flows, pieces of stream, limits.

mod flow;
mod frame;
mod limits;
mod prefetch;
mod stream;
mod text;
mod time;

pub use flow::{Endpoint, FlowKey, PerSide, PerWay, Side, Way};
pub use frame::{At, Frame, LinkType};
pub use limits::Limits;
pub use prefetch::prefetch;
pub use stream::{GapReason, Piece};
pub use text::printable;
pub use time::{Span, Time};
