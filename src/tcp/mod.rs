//! TCP connections rebuilt: streams in order and each byte once, numbered as Wireshark numbers them, with what is needed to judge a close.

mod assembler;
mod connection;
mod copies;
mod half;
mod sender;
mod streams;
#[cfg(test)]
mod tests;

pub use connection::{Connection, Heard, RstSeen};
pub use half::{FinSeen, Half, Repeated};
pub use sender::Sender;
pub use streams::{Numbers, Streams};
