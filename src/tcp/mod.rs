//! TCP connections rebuilt: streams in order and each byte once, numbered as Wireshark numbers them, with what is needed to judge a close.

mod acks;
mod assembler;
mod connection;
mod copies;
mod half;
mod reset;
mod sender;
mod streams;
#[cfg(test)]
mod tests;

pub use connection::{Connection, Heard};
pub use half::{FinSeen, Half, Repeated};
pub use reset::RstSeen;
pub use sender::{Sender, Source};
pub use streams::{Numbers, Streams};
