//! Was the exchange complete? HTTP/1.x, HTTP/2 and WebSocket, read from decrypted bytes: lengths and end marks, never bodies.

mod exchange;
mod hpack;
mod http1;
mod http2;
mod line;
mod outcome;
mod websocket;

pub use exchange::Exchange;
pub use outcome::{Cut, GoAway, Missing, Outcome, Part, Protocol, State, Why};
