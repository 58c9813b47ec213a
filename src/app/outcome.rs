//! How far an exchange came: what was asked, what was answered, and what was cut off in the middle.

use crate::base::{At, PerSide, Side};

/// An application protocol whose messages say where they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113), gRPC with it.
    Http2,
    /// WebSocket (RFC 6455), after HTTP's 101.
    WebSocket,
    /// None of these, or nothing was said.
    Unknown,
}

impl Protocol {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Http1 => "HTTP/1.1",
            Protocol::Http2 => "HTTP/2",
            Protocol::WebSocket => "WebSocket",
            Protocol::Unknown => "unknown",
        }
    }
}

/// What was exchanged on a connection, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What was spoken, at the end of it.
    pub protocol: Protocol,
    /// Requests that were answered whole.
    pub answered: u32,
    /// Requests (HTTP/2 streams) that one side took back or gave up with a RST_STREAM before they were answered whole.
    pub reset: PerSide<u32>,
    /// The status of the last final response whose head came.
    pub status: Option<u16>,
    /// HTTP itself announced the end: `Connection: close` in the last response, a GOAWAY, a WebSocket close frame.
    pub announced: PerSide<Option<At>>,
    /// The GOAWAY frames of HTTP/2.
    pub goaway: PerSide<Option<GoAway>>,
    /// How things stood at the end.
    pub state: State,
}

/// An HTTP/2 GOAWAY (RFC 9113 section 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// Its frame.
    pub at: At,
    /// The last stream its sender will have looked at: what was asked on later ones can be asked again.
    pub last_stream: u32,
    /// Error code; 0 is an orderly end.
    pub code: u32,
}

/// How things stood when the connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// Nothing was asked.
    Idle,
    /// Every request was answered whole.
    Complete,
    /// All before it was complete; the last response has no length: it ends where the server closes, so only an announced close ends it.
    UntilClose {
        /// Its newest byte.
        at: At,
        /// Bytes of body that came.
        have: u64,
    },
    /// Requests came whole, and nothing of the first one's response.
    Outstanding {
        /// The end of the first of them.
        at: At,
        /// How many.
        requests: u32,
    },
    /// A message stopped in the middle.
    Cut(Cut),
    /// The client's request stopped in the middle, and the server had answered it whole before (an error, most often).
    AnsweredEarly(Cut),
    /// A WebSocket that nobody closed with a close frame; every message in it was whole.
    Unclosed,
    /// Cannot be told.
    Unknown(Why),
}

impl State {
    /// The word used in the JSON.
    pub fn name(&self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Complete => "complete",
            State::UntilClose { .. } => "until_close",
            State::Outstanding { .. } => "outstanding",
            State::Cut(Cut { from: Side::Client, .. }) => "request_cut",
            State::Cut(Cut { from: Side::Server, .. }) => "response_cut",
            State::AnsweredEarly(_) => "answered_early",
            State::Unclosed => "unclosed",
            State::Unknown(_) => "unknown",
        }
    }

    /// The message that stopped in the middle.
    pub fn cut(&self) -> Option<&Cut> {
        match self {
            State::Cut(cut) | State::AnsweredEarly(cut) => Some(cut),
            _ => None,
        }
    }

    /// The frame that shows it: the newest byte of what is cut, or the end of what is unanswered.
    pub fn at(&self) -> Option<At> {
        match self {
            State::Cut(cut) | State::AnsweredEarly(cut) => Some(cut.at),
            State::UntilClose { at, .. } | State::Outstanding { at, .. } => Some(*at),
            State::Idle | State::Complete | State::Unclosed | State::Unknown(_) => None,
        }
    }
}

/// A message that stopped in the middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// Whose message it is.
    pub from: Side,
    /// Its newest byte.
    pub at: At,
    /// In which part of it.
    pub part: Part,
    /// Bytes of the body (of a WebSocket frame: of its payload) that came.
    pub have: u64,
    /// How many it should have had, where its sender said so.
    pub need: Option<u64>,
    /// What did not come.
    pub missing: Missing,
    /// Other requests that were left unanswered or half answered beside it.
    pub others: u32,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In its head: the header lines had not ended.
    Head,
    /// In its body.
    Body,
    /// In a frame (WebSocket).
    Frame,
}

/// What a message that stopped in the middle lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Bytes that its sender had announced: the rest of a head, a length, a chunk, a frame.
    Bytes,
    /// The mark of its end: the last chunk, END_STREAM, the last frame of a WebSocket message. Without it the message is incomplete.
    End,
    /// The same of a stream that has no end of its own (events, a watch, a call that stays open): all that there was may have come.
    Stream,
}

/// Why it cannot be told how far an exchange came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A protocol that is not read here, or nothing recognisable.
    Protocol,
    /// A part of it was not captured or could not be decrypted.
    Hole,
    /// It breaks its protocol's rules, or two readings of it are possible.
    Malformed,
    /// It went over to another protocol (CONNECT, an upgrade).
    Switched,
    /// More was open at once than is tracked.
    Limit,
}

impl Outcome {
    /// An outcome of which nothing is known.
    pub fn unknown(protocol: Protocol, why: Why) -> Outcome {
        Outcome {
            protocol,
            answered: 0,
            reset: PerSide::default(),
            status: None,
            announced: PerSide::default(),
            goaway: PerSide::default(),
            state: State::Unknown(why),
        }
    }
}
