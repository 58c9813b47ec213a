//! HTTP/1.x: heads, lengths and chunks of both directions (RFC 9112), responses paired with their requests.
//!
//! Read line by line rather than with a parser of whole heads: a head may be long and come in any pieces, and of its lines only a few
//! short ones matter here, so that nothing has to be held or read twice.

use std::collections::VecDeque;

use crate::app::line::{Line, lists, trim};
use crate::app::outcome::{Cut, Missing, Outcome, Part, Protocol, State, Why};
use crate::base::{At, PerSide, Side};

/// Requests waiting for their responses that are tracked at most.
const MAX_PENDING: usize = 1_024;
/// Methods of a request whose first line is too long for its version to be read.
const METHODS: [&[u8]; 8] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"REPORT"];
/// Media types of bodies that have no end of their own.
const STREAMS: [&[u8]; 5] =
    [b"text/event-stream", b"multipart/x-mixed-replace", b"application/json;stream=watch", b"application/grpc", b"application/x-ndjson"];

/// Whether a Content-Type names a body that has no end of its own.
pub fn is_stream(content_type: &[u8]) -> bool {
    STREAMS.iter().any(|stream| content_type.get(..stream.len()).is_some_and(|start| start.eq_ignore_ascii_case(stream)))
}

/// Both directions of a connection that speaks HTTP/1.x.
#[derive(Clone, Debug, Default)]
pub struct Http1 {
    client: Message,
    server: Message,
    /// Requests whose head came and that no final response has begun to answer.
    pending: VecDeque<Request>,
    /// The request that `client` is in the middle of has its response already.
    early: bool,
    /// A response came that nobody had asked for (408 and the like): which request the next one answers is not sure.
    unasked: bool,
    /// The response in progress answers a request.
    answers: bool,
    answered: u32,
    status: Option<u16>,
    announced: PerSide<Option<At>>,
}

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
struct Request {
    method: Method,
    /// Its newest byte.
    at: At,
    /// It came whole.
    whole: bool,
}

/// Methods that change how the response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Method {
    Head,
    Connect,
    #[default]
    Other,
}

/// One direction.
#[derive(Clone, Debug, Default)]
struct Message {
    step: Step,
    line: Line,
    head: Head,
    /// Bytes of body that came.
    have: u64,
    /// The newest byte of the message.
    at: Option<At>,
}

/// Where in a message the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Step {
    /// Before or in its first line.
    #[default]
    Start,
    Headers,
    /// In a body of known length: bytes left.
    Length(u64),
    ChunkSize,
    /// In a chunk: bytes left.
    Chunk(u64),
    /// At the line end behind a chunk.
    ChunkEnd,
    Trailers,
    UntilClose,
}

/// What the lines of a head say.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    method: Method,
    status: u16,
    /// Minor version of HTTP/1.
    minor: u8,
    length: Option<u64>,
    /// The last transfer coding, where there is one: whether it is `chunked`.
    chunked: Option<bool>,
    /// Framing that can be read in two ways.
    ambiguous: bool,
    close: bool,
    websocket: bool,
    stream: bool,
    /// The line before was one of those that matter: it must not go on in the next.
    matters: bool,
}

/// What a message came to.
enum Event {
    Head(Head),
    End,
}

/// How a body ends.
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Message {
    /// Reads on until something is complete. `None` when `bytes` is used up.
    fn next(&mut self, side: Side, at: At, bytes: &mut &[u8]) -> Result<Option<Event>, Why> {
        while !bytes.is_empty() {
            self.at = Some(at);
            match self.step {
                Step::Start => {
                    let whole = self.line.read(bytes);
                    let text = self.line.text();
                    if side == Side::Server && !is_status_line_so_far(text) {
                        return Err(Why::Protocol);
                    }
                    if !whole {
                        continue;
                    }
                    // Empty lines before a message are to be passed over (RFC 9112 section 2.2).
                    if !text.is_empty() {
                        self.head = match side {
                            Side::Client => request_line(text, self.line.is_whole()),
                            Side::Server => status_line(text),
                        }
                        .ok_or(Why::Protocol)?;
                        self.have = 0;
                        self.step = Step::Headers;
                    }
                    self.line.clear();
                }
                Step::Headers => {
                    if !self.line.read(bytes) {
                        continue;
                    }
                    let end = self.line.text().is_empty();
                    if !end {
                        self.head.line(self.line.text(), self.line.is_whole())?;
                    }
                    self.line.clear();
                    if end {
                        return if self.head.ambiguous { Err(Why::Malformed) } else { Ok(Some(Event::Head(self.head))) };
                    }
                }
                Step::Length(left) => {
                    let left = self.skip(left, bytes);
                    self.step = Step::Length(left);
                    if left == 0 {
                        return Ok(Some(self.end()));
                    }
                }
                Step::ChunkSize => {
                    if !self.line.read(bytes) {
                        continue;
                    }
                    let size = chunk_size(self.line.text()).ok_or(Why::Malformed)?;
                    self.line.clear();
                    self.step = if size == 0 { Step::Trailers } else { Step::Chunk(size) };
                }
                Step::Chunk(left) => {
                    let left = self.skip(left, bytes);
                    self.step = if left == 0 { Step::ChunkEnd } else { Step::Chunk(left) };
                }
                Step::ChunkEnd => {
                    let whole = self.line.read(bytes);
                    if !self.line.text().is_empty() {
                        return Err(Why::Malformed);
                    }
                    if whole {
                        self.line.clear();
                        self.step = Step::ChunkSize;
                    }
                }
                Step::Trailers => {
                    if !self.line.read(bytes) {
                        continue;
                    }
                    let end = self.line.text().is_empty();
                    self.line.clear();
                    if end {
                        return Ok(Some(self.end()));
                    }
                }
                Step::UntilClose => {
                    self.have = self.have.saturating_add(bytes.len() as u64);
                    *bytes = &[];
                }
            }
        }
        Ok(None)
    }

    /// Passes over bytes of body, at most `left`. Returns how many are left after that.
    fn skip(&mut self, left: u64, bytes: &mut &[u8]) -> u64 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        *bytes = bytes.get(count..).unwrap_or_default();
        self.have = self.have.saturating_add(count as u64);
        left.saturating_sub(count as u64)
    }

    fn end(&mut self) -> Event {
        self.step = Step::Start;
        Event::End
    }

    /// Begins the body behind a head. True if there is none.
    fn body(&mut self, framing: Framing) -> bool {
        self.step = match framing {
            Framing::Length(0) => Step::Start,
            Framing::Length(length) => Step::Length(length),
            Framing::Chunked => Step::ChunkSize,
            Framing::UntilClose => Step::UntilClose,
        };
        self.step == Step::Start
    }

    /// A message was begun and has not ended.
    fn begun(&self) -> bool {
        self.step != Step::Start || !self.line.text().is_empty()
    }

    /// The message as one that stopped here; `others` more were left beside it.
    fn cut(&self, from: Side, at: At, others: usize) -> Cut {
        let head = matches!(self.step, Step::Start | Step::Headers);
        let missing = match self.step {
            Step::Start | Step::Headers | Step::Length(_) | Step::Chunk(_) => Missing::Bytes,
            _ if self.head.stream => Missing::Stream,
            _ => Missing::End,
        };
        Cut {
            from,
            at,
            part: if head { Part::Head } else { Part::Body },
            have: if head { 0 } else { self.have },
            need: if let Step::Length(left) = self.step { Some(self.have.saturating_add(left)) } else { None },
            missing,
            others: u32::try_from(others).unwrap_or(u32::MAX),
        }
    }
}

impl Http1 {
    /// Reads a part of one direction. Returns what is left of it, where a WebSocket takes over.
    pub fn push<'a>(&mut self, side: Side, at: At, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Why> {
        match side {
            Side::Client => {
                while let Some(event) = self.client.next(side, at, &mut bytes)? {
                    match event {
                        Event::Head(head) => self.request(at, head)?,
                        Event::End => self.request_ended(at),
                    }
                }
            }
            Side::Server => {
                while let Some(event) = self.server.next(side, at, &mut bytes)? {
                    match event {
                        Event::Head(head) if head.status == 101 => {
                            return if head.websocket && self.pending.len() == 1 { Ok(Some(bytes)) } else { Err(Why::Switched) };
                        }
                        Event::Head(head) => self.response(at, head)?,
                        Event::End => self.response_ended(),
                    }
                }
            }
        }
        Ok(None)
    }

    fn request(&mut self, at: At, head: Head) -> Result<(), Why> {
        let framing = match (head.chunked, head.length) {
            (Some(true), None) => Framing::Chunked,
            (None, length) => Framing::Length(length.unwrap_or(0)),
            _ => return Err(Why::Malformed),
        };
        if self.unasked {
            return Err(Why::Malformed);
        }
        if head.close {
            self.announced.client = Some(at);
        }
        if !self.early {
            if self.pending.len() >= MAX_PENDING {
                return Err(Why::Limit);
            }
            self.pending.push_back(Request { method: head.method, at, whole: false });
        }
        if self.client.body(framing) {
            self.request_ended(at);
        }
        Ok(())
    }

    fn request_ended(&mut self, at: At) {
        if std::mem::take(&mut self.early) {
            return;
        }
        if let Some(request) = self.pending.back_mut() {
            *request = Request { at, whole: true, ..*request };
        }
    }

    fn response(&mut self, at: At, head: Head) -> Result<(), Why> {
        // Informational: the final response is still to come (RFC 9110 section 15.2).
        if head.status < 200 {
            self.server.step = Step::Start;
            return Ok(());
        }
        self.status = Some(head.status);
        if head.close {
            self.announced.server = Some(at);
        }
        let request = self.pending.pop_front();
        self.answers = request.is_some();
        match request {
            Some(request) => self.early |= !request.whole,
            // To a request whose head has not ended: too long, too slow, not understood.
            None if self.client.begun() && !self.early => {
                self.early = true;
                self.answers = true;
            }
            None => self.unasked = true,
        }
        let method = request.map_or(Method::Other, |request| request.method);
        if method == Method::Connect && head.status < 300 {
            return Err(Why::Switched);
        }
        let framing = match (head.chunked, head.length) {
            _ if method == Method::Head || matches!(head.status, 204 | 304) => Framing::Length(0),
            // Faulty by RFC 9112 section 6.1, and read in either way.
            (Some(_), Some(_)) => return Err(Why::Malformed),
            (Some(_), None) if head.minor == 0 => return Err(Why::Malformed),
            (Some(true), None) => Framing::Chunked,
            (Some(false), None) | (None, None) => Framing::UntilClose,
            (None, Some(length)) => Framing::Length(length),
        };
        if self.server.body(framing) {
            self.response_ended();
        }
        Ok(())
    }

    fn response_ended(&mut self) {
        self.answered = self.answered.saturating_add(u32::from(self.answers));
    }

    /// How things stand now.
    pub fn outcome(&self) -> Outcome {
        let state = self.state();
        let protocol = if state == State::Unknown(Why::Protocol) { Protocol::Unknown } else { Protocol::Http1 };
        Outcome {
            answered: self.answered,
            status: self.status,
            announced: self.announced,
            state,
            ..Outcome::unknown(protocol, Why::Protocol)
        }
    }

    fn state(&self) -> State {
        let waiting = self.pending.len();
        if let (true, Some(at)) = (self.server.begun(), self.server.at) {
            if self.server.step != Step::UntilClose {
                // A response in its head has not been taken as the answer to its request yet.
                let own = usize::from(matches!(self.server.step, Step::Start | Step::Headers));
                return State::Cut(self.server.cut(Side::Server, at, waiting.saturating_sub(own)));
            }
            if waiting == 0 {
                return State::UntilClose { at, have: self.server.have };
            }
        }
        match (self.pending.front(), self.client.at) {
            (Some(first), _) if first.whole => State::Outstanding { at: first.at, requests: u32::try_from(waiting).unwrap_or(u32::MAX) },
            (Some(_), Some(at)) => State::Cut(self.client.cut(Side::Client, at, 0)),
            (None, Some(at)) if self.client.begun() => {
                // The first line shows what this is: without one request there may be another protocol behind it.
                if self.answered == 0 && !self.early && self.client.step == Step::Start {
                    return State::Unknown(Why::Protocol);
                }
                let cut = self.client.cut(Side::Client, at, 0);
                if self.early { State::AnsweredEarly(cut) } else { State::Cut(cut) }
            }
            _ if self.answered == 0 => State::Idle,
            _ => State::Complete,
        }
    }
}

impl Head {
    /// Reads a header line.
    fn line(&mut self, text: &[u8], whole: bool) -> Result<(), Why> {
        if matches!(text.first(), Some(b' ' | b'\t')) {
            // A folded line: deprecated, and harmless where the header does not matter.
            self.ambiguous |= self.matters;
            return Ok(());
        }
        let colon = text.iter().position(|&byte| byte == b':').ok_or(Why::Malformed)?;
        let (name, value) = text.split_at_checked(colon).ok_or(Why::Malformed)?;
        let value = trim(value.get(1..).unwrap_or_default());
        let is = |known: &str| trim(name).eq_ignore_ascii_case(known.as_bytes());
        self.matters = is("content-length") || is("transfer-encoding");
        // White space before the colon is read by some and rejected by others (RFC 9112 section 5.1).
        self.ambiguous |= self.matters && (!whole || trim(name).len() != name.len());
        if is("content-length") {
            for part in value.split(|&byte| byte == b',') {
                let length = number(trim(part), 10);
                self.ambiguous |= length.is_none() || self.length.is_some_and(|known| Some(known) != length);
                self.length = length;
            }
        } else if is("transfer-encoding") {
            // Nothing may follow `chunked`.
            for part in value.split(|&byte| byte == b',') {
                self.ambiguous |= self.chunked == Some(true);
                self.chunked = Some(trim(part).eq_ignore_ascii_case(b"chunked"));
            }
        } else if is("connection") {
            self.close |= lists(value, "close");
        } else if is("upgrade") {
            self.websocket |= lists(value, "websocket");
        } else if is("content-type") {
            self.stream |= is_stream(value);
        }
        Ok(())
    }
}

/// `text` as a number of the base, all of it digits, as large as a length can be.
fn number(text: &[u8], base: u32) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = !text.is_empty() && text.chars().all(|c| c.is_digit(base));
    u64::from_str_radix(text, base).ok().filter(|_| digits)
}

/// The size in a chunk's first line; an extension may follow it.
fn chunk_size(text: &[u8]) -> Option<u64> {
    let size = text.split(|&byte| byte == b';').next()?;
    number(trim(size), 16)
}

/// Whether a status line may begin like this.
fn is_status_line_so_far(text: &[u8]) -> bool {
    let start = b"HTTP/1.";
    text.iter().zip(start).all(|(byte, want)| byte == want)
}

fn status_line(text: &[u8]) -> Option<Head> {
    let rest = text.strip_prefix(b"HTTP/1.")?;
    let (&[minor @ b'0'..=b'9', b' '], rest) = rest.split_first_chunk()? else { return None };
    let (status, rest) = rest.split_first_chunk::<3>()?;
    let status = u16::try_from(number(status, 10)?).ok().filter(|status| *status >= 100)?;
    let ends = matches!(rest.first(), None | Some(b' '));
    ends.then_some(Head { status, minor: minor - b'0', ..Head::default() })
}

fn request_line(text: &[u8], whole: bool) -> Option<Head> {
    let space = text.iter().position(|&byte| byte == b' ')?;
    let (method, rest) = text.split_at_checked(space)?;
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let named = !method.is_empty() && method.iter().all(token);
    let minor = if whole {
        let (before, version) = rest.split_last_chunk::<9>()?;
        let (&[b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'], true) = (version, before.len() > 1) else {
            return None;
        };
        minor - b'0'
    } else {
        METHODS.contains(&method).then_some(1)?
    };
    let method = match method {
        b"HEAD" => Method::Head,
        b"CONNECT" => Method::Connect,
        _ => Method::Other,
    };
    named.then_some(Head { method, minor, ..Head::default() })
}
