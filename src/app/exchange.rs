//! The two directions of a connection as one exchange: recognises the protocol and reads it.

use crate::app::http1::Http1;
use crate::app::http2::Http2;
use crate::app::outcome::{Outcome, Protocol, State, Why};
use crate::app::websocket::WebSocket;
use crate::base::{At, Side};

/// What a client that speaks HTTP/2 says first (RFC 9113 section 3.4), as far as no HTTP/1 request begins.
const PREFACE_START: &[u8; 3] = b"PRI";

/// Reads the decrypted bytes of a connection, both directions in the order they were captured, and tells how far it came.
///
/// Bodies are counted, not kept; what is held is a few hundred bytes for most connections, and bounded for all. Whatever is not
/// understood makes the outcome [`State::Unknown`], for good.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    spoken: Spoken,
}

/// What is spoken.
#[derive(Clone, Debug)]
enum Spoken {
    /// Not known yet: how many bytes of [`PREFACE_START`] the client sent, and with which frame.
    Open(usize, Option<At>),
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    /// And what HTTP had come to before it.
    WebSocket(Box<(WebSocket, Outcome)>),
    Unknown(Protocol, Why),
}

impl Default for Spoken {
    fn default() -> Spoken {
        Spoken::Open(0, None)
    }
}

impl Exchange {
    /// An exchange in which nothing was said yet.
    pub fn new() -> Exchange {
        Exchange::default()
    }

    /// Reads a part of what `side` said, decrypted; each direction in order and without holes.
    pub fn push(&mut self, side: Side, at: At, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let bytes = match self.spoken {
            Spoken::Open(have, since) => match self.recognise(side, at, bytes, have, since) {
                Some(rest) => rest,
                None => return,
            },
            _ => bytes,
        };
        if let Err(why) = self.read(side, at, bytes) {
            self.give_up(why);
        }
    }

    /// A part of what `side` said is missing: what comes after it cannot be read.
    pub fn gap(&mut self) {
        if !self.is_lost() {
            self.give_up(Why::Hole);
        }
    }

    /// Nothing more will be learned: bytes need not be pushed any longer.
    pub fn is_lost(&self) -> bool {
        matches!(self.spoken, Spoken::Unknown(..))
    }

    /// How things stand now.
    pub fn outcome(&self) -> Outcome {
        match &self.spoken {
            Spoken::Open(0, _) => Outcome { state: State::Idle, ..Outcome::unknown(Protocol::Unknown, Why::Protocol) },
            Spoken::Open(..) => Outcome::unknown(Protocol::Unknown, Why::Protocol),
            Spoken::Http1(http) => http.outcome(),
            Spoken::Http2(http) => http.outcome(),
            Spoken::WebSocket(socket) => {
                let (socket, before) = &**socket;
                Outcome { protocol: Protocol::WebSocket, announced: socket.closed(), state: socket.state(), ..*before }
            }
            Spoken::Unknown(protocol, why) => Outcome::unknown(*protocol, *why),
        }
    }

    fn give_up(&mut self, why: Why) {
        let protocol = match self.spoken {
            _ if why == Why::Protocol => Protocol::Unknown,
            Spoken::Http1(_) => Protocol::Http1,
            Spoken::Http2(_) => Protocol::Http2,
            Spoken::WebSocket(_) => Protocol::WebSocket,
            Spoken::Unknown(..) | Spoken::Open(..) => Protocol::Unknown,
        };
        self.spoken = Spoken::Unknown(protocol, why);
    }

    /// Finds out what is spoken from the first bytes. Returns those that are still to be read, if it is known now.
    fn recognise<'a>(&mut self, side: Side, at: At, bytes: &'a [u8], have: usize, since: Option<At>) -> Option<&'a [u8]> {
        let mut rest = bytes;
        let mut have = have;
        let http2 = match side {
            Side::Client => {
                while let (Some(want), Some((byte, after))) = (PREFACE_START.get(have), rest.split_first()) {
                    if byte != want {
                        break;
                    }
                    (have, rest) = (have + 1, after);
                }
                if have < PREFACE_START.len() && rest.is_empty() {
                    self.spoken = Spoken::Open(have, Some(at));
                    return None;
                }
                have == PREFACE_START.len()
            }
            // HTTP/2 begins with SETTINGS, which are short: the first byte of their length is zero.
            Side::Server => bytes.first() == Some(&0),
        };
        self.spoken = if http2 { Spoken::Http2(Box::default()) } else { Spoken::Http1(Box::default()) };
        // What was passed over while it could be either.
        let held = PREFACE_START.get(..have).unwrap_or_default();
        if !held.is_empty()
            && let Err(why) = self.read(Side::Client, since.unwrap_or(at), held)
        {
            self.give_up(why);
            return None;
        }
        Some(rest)
    }

    fn read(&mut self, side: Side, at: At, bytes: &[u8]) -> Result<(), Why> {
        match &mut self.spoken {
            Spoken::Http1(http) => {
                if let Some(rest) = http.push(side, at, bytes)? {
                    let before = http.outcome();
                    let mut socket = WebSocket::default();
                    let read = socket.push(side, at, rest);
                    self.spoken = Spoken::WebSocket(Box::new((socket, before)));
                    read?;
                }
                Ok(())
            }
            Spoken::Http2(http) => http.push(side, at, bytes),
            Spoken::WebSocket(socket) => socket.0.push(side, at, bytes),
            Spoken::Open(..) | Spoken::Unknown(..) => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
