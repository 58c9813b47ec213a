//! HTTP/2: frames over any cuts, and which streams are open in which direction (RFC 9113).

use crate::app::hpack::{Decoder, Fields};
use crate::app::outcome::{Cut, GoAway, Missing, Outcome, Part, Protocol, State, Why};
use crate::base::{At, PerSide, Side};

/// What a client says first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER: usize = 9;
/// Streams open at once that are tracked at most.
const MAX_STREAMS: usize = 1_024;
/// Bytes of a block of headers that are held at most, until it is whole.
const MAX_BLOCK: usize = 64 * 1024;

/// Frame types (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Flags (section 6).
const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// Both directions of a connection that speaks HTTP/2.
#[derive(Clone, Debug, Default)]
pub struct Http2 {
    sides: PerSide<Frames>,
    /// Open streams, in the order of their ids as far as the client opened them in it.
    streams: Vec<Stream>,
    /// The newest stream.
    newest: u32,
    answered: u32,
    reset: PerSide<u32>,
    status: Option<u16>,
    goaway: PerSide<Option<GoAway>>,
}

/// A stream that is open in at least one direction.
#[derive(Clone, Copy, Debug)]
struct Stream {
    id: u32,
    halves: PerSide<Half>,
    /// It has no end of its own.
    endless: bool,
}

/// One direction of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    /// Its headers began; of a response, the final ones.
    begun: bool,
    /// END_STREAM came.
    done: bool,
    /// Bytes of body that came.
    have: u64,
    /// How many its content-length says.
    need: Option<u64>,
    /// Its newest byte.
    at: Option<At>,
}

/// One direction's frames.
#[derive(Clone, Debug)]
struct Frames {
    /// Bytes of the preface that came (client).
    preface: usize,
    header: [u8; FRAME_HEADER],
    /// Bytes of the header that came.
    got: usize,
    /// The frame in progress, once its header is whole.
    frame: Option<Frame>,
    /// Its payload, of those types that are read.
    held: Vec<u8>,
    /// A frame came whole: the first must be SETTINGS.
    started: bool,
    /// Headers that go on in CONTINUATION frames.
    block: Option<Block>,
    /// Decodes headers; `None` once it lost its way, which costs nothing but the lengths.
    hpack: Option<Box<Decoder>>,
}

/// A frame in progress.
#[derive(Clone, Copy, Debug)]
struct Frame {
    typ: u8,
    flags: u8,
    stream: u32,
    len: usize,
    /// Bytes of payload that came.
    got: usize,
}

/// A block of headers in progress.
#[derive(Clone, Debug)]
struct Block {
    stream: u32,
    /// It promises a stream of the server's own, and says nothing of this one.
    promise: bool,
    end_stream: bool,
    bytes: Vec<u8>,
    /// It was longer than is held.
    cut: bool,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames {
            preface: 0,
            header: [0; FRAME_HEADER],
            got: 0,
            frame: None,
            held: Vec::new(),
            started: false,
            block: None,
            hpack: Some(Box::default()),
        }
    }
}

impl Http2 {
    /// Reads a part of one direction.
    pub fn push(&mut self, side: Side, at: At, mut bytes: &[u8]) -> Result<(), Why> {
        while !bytes.is_empty() {
            let frames = &mut self.sides[side];
            if let (Side::Client, Some(&want)) = (side, PREFACE.get(frames.preface)) {
                let Some((_, rest)) = bytes.split_first().filter(|(byte, _)| **byte == want) else { return Err(Why::Protocol) };
                frames.preface += 1;
                bytes = rest;
            } else if let Some(frame) = frames.frame {
                let (part, rest) = bytes.split_at_checked(frame.len - frame.got).unwrap_or((bytes, &[]));
                bytes = rest;
                self.payload(side, at, frame, part);
                if frame.got + part.len() == frame.len {
                    self.end(side, at)?;
                }
            } else {
                let (part, rest) = bytes.split_at_checked(FRAME_HEADER - frames.got).unwrap_or((bytes, &[]));
                bytes = rest;
                for (slot, byte) in frames.header.iter_mut().skip(frames.got).zip(part) {
                    *slot = *byte;
                }
                frames.got += part.len();
                if frames.got == FRAME_HEADER {
                    self.begin(side, at)?;
                }
            }
        }
        Ok(())
    }

    /// A frame's header is whole.
    fn begin(&mut self, side: Side, at: At) -> Result<(), Why> {
        let frames = &mut self.sides[side];
        frames.got = 0;
        let [a, b, c, typ, flags, id @ ..] = frames.header;
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let stream = u32::from_be_bytes(id) & 0x7fff_ffff;
        if !frames.started && (typ != SETTINGS || flags != 0) {
            return Err(Why::Protocol);
        }
        frames.started = true;
        let fits = match typ {
            DATA | HEADERS | CONTINUATION => stream != 0,
            PUSH_PROMISE => stream != 0 && side == Side::Server,
            RST_STREAM => stream != 0 && len == 4,
            SETTINGS => stream == 0 && len.is_multiple_of(6),
            PING => stream == 0 && len == 8,
            GOAWAY => stream == 0 && len >= 8,
            WINDOW_UPDATE => len == 4,
            _ => true,
        };
        // Nothing may come between the frames of a block of headers (section 6.10).
        let continues = frames.block.as_ref().map(|block| block.stream);
        if !fits || continues != (typ == CONTINUATION).then_some(stream) {
            return Err(Why::Malformed);
        }
        frames.frame = Some(Frame { typ, flags, stream, len, got: 0 });
        frames.held.clear();
        if typ == HEADERS {
            self.open(side, at, stream)?;
        } else if matches!(typ, DATA | RST_STREAM) && stream > self.newest && !stream.is_multiple_of(2) {
            return Err(Why::Malformed);
        }
        if len == 0 { self.end(side, at) } else { Ok(()) }
    }

    /// Headers of a stream begin.
    fn open(&mut self, side: Side, at: At, id: u32) -> Result<(), Why> {
        // Streams that the server opens were promised: nobody asked for them.
        if id.is_multiple_of(2) {
            return Ok(());
        }
        if self.stream(id).is_none() {
            if id <= self.newest {
                // Closed before: a response may still be on its way when its client has cancelled it, a request cannot begin again.
                return if side == Side::Server { Ok(()) } else { Err(Why::Malformed) };
            }
            if self.streams.len() >= MAX_STREAMS {
                return Err(Why::Limit);
            }
            self.newest = id;
            self.streams.push(Stream { id, halves: PerSide::default(), endless: false });
        }
        if let Some(stream) = self.stream(id) {
            let half = &mut stream.halves[side];
            half.begun = true;
            half.at = Some(at);
        }
        Ok(())
    }

    /// A part of a frame's payload, not empty.
    fn payload(&mut self, side: Side, at: At, frame: Frame, part: &[u8]) {
        let frames = &mut self.sides[side];
        let after = Frame { got: frame.got + part.len(), ..frame };
        frames.frame = Some(after);
        let wanted = match frame.typ {
            // The length of the padding.
            DATA if frame.flags & PADDED != 0 => 1,
            HEADERS | CONTINUATION | PUSH_PROMISE => MAX_BLOCK,
            GOAWAY => 8,
            _ => 0,
        };
        let room = wanted - frames.held.len().min(wanted);
        let before = frame.data(&frames.held);
        frames.held.extend_from_slice(part.get(..room).unwrap_or(part));
        let data = after.data(&frames.held).saturating_sub(before);
        if matches!(frame.typ, DATA | HEADERS | CONTINUATION)
            && let Some(stream) = self.stream(frame.stream)
        {
            let half = &mut stream.halves[side];
            half.have = half.have.saturating_add(data);
            half.at = Some(at);
        }
    }

    /// A frame is whole.
    fn end(&mut self, side: Side, at: At) -> Result<(), Why> {
        let frames = &mut self.sides[side];
        let Some(frame) = frames.frame.take() else { return Ok(()) };
        let held = std::mem::take(&mut frames.held);
        match frame.typ {
            DATA if frame.flags & END_STREAM != 0 => self.half_done(side, frame.stream),
            HEADERS | PUSH_PROMISE => {
                let bytes = frame.fragment(&held).ok_or(Why::Malformed)?.to_vec();
                let promise = frame.typ == PUSH_PROMISE;
                let end_stream = !promise && frame.flags & END_STREAM != 0;
                frames.block = Some(Block { stream: frame.stream, promise, end_stream, bytes, cut: held.len() < frame.len });
                self.block(side, frame.flags);
            }
            CONTINUATION => {
                if let Some(block) = &mut frames.block {
                    let room = MAX_BLOCK.saturating_sub(block.bytes.len());
                    block.bytes.extend_from_slice(held.get(..room).unwrap_or(&held));
                    block.cut |= held.len() < frame.len || held.len() > room;
                }
                self.block(side, frame.flags);
            }
            RST_STREAM => self.reset(side, frame.stream),
            GOAWAY => {
                if let Some((&[a, b, c, d, e, f, g, h], _)) = held.split_first_chunk::<8>() {
                    let last_stream = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
                    self.goaway[side] = Some(GoAway { at, last_stream, code: u32::from_be_bytes([e, f, g, h]) });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Decodes a block of headers, if the frame that had these flags was its last.
    fn block(&mut self, side: Side, flags: u8) {
        let frames = &mut self.sides[side];
        let Some(block) = frames.block.take_if(|_| flags & END_HEADERS != 0) else { return };
        let fields = frames.hpack.as_mut().filter(|_| !block.cut).and_then(|hpack| hpack.block(&block.bytes));
        if fields.is_none() {
            frames.hpack = None;
        }
        if block.promise {
            return;
        }
        let fields = fields.unwrap_or_default();
        if let Some(stream) = self.stream(block.stream) {
            stream.read(side, fields, block.end_stream);
            if let Some(status) = fields.status.filter(|status| *status >= 200) {
                self.status = Some(status);
            }
        }
        if block.end_stream {
            self.half_done(side, block.stream);
        }
    }

    fn stream(&mut self, id: u32) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    /// END_STREAM.
    fn half_done(&mut self, side: Side, id: u32) {
        let Some(stream) = self.stream(id) else { return };
        stream.halves[side].done = true;
        if stream.halves.client.done && stream.halves.server.done {
            self.answered = self.answered.saturating_add(1);
            self.streams.retain(|stream| stream.id != id);
        }
    }

    /// RST_STREAM. After a whole response it only spares the rest of the request (RFC 9113 section 8.1).
    fn reset(&mut self, side: Side, id: u32) {
        let Some(stream) = self.stream(id) else { return };
        let count = if stream.halves.server.done { &mut self.answered } else { &mut self.reset[side] };
        *count = count.saturating_add(1);
        self.streams.retain(|stream| stream.id != id);
    }

    /// How things stand now.
    pub fn outcome(&self) -> Outcome {
        let by_length = self.streams.iter().filter(|stream| stream.is_answered() && stream.halves.client.done).count();
        Outcome {
            answered: self.answered.saturating_add(u32::try_from(by_length).unwrap_or(u32::MAX)),
            reset: self.reset,
            status: self.status,
            announced: PerSide { client: self.goaway.client.map(|goaway| goaway.at), server: self.goaway.server.map(|goaway| goaway.at) },
            goaway: self.goaway,
            state: self.state(),
            ..Outcome::unknown(Protocol::Http2, Why::Protocol)
        }
    }

    fn state(&self) -> State {
        let open = || self.streams.iter().filter(|stream| !stream.is_answered());
        // Of several responses that were cut, the one that surely lost most tells most.
        let cut = open().filter_map(|stream| self.cut(stream, Side::Server)).min_by_key(|cut| cut.missing as u8);
        if let Some(cut) = cut {
            return State::Cut(Cut { others: u32::try_from(open().count().saturating_sub(1)).unwrap_or(u32::MAX), ..cut });
        }
        let asked = || open().filter(|stream| stream.halves.client.done);
        if let Some(at) = asked().find_map(|stream| stream.halves.client.at) {
            return State::Outstanding { at, requests: u32::try_from(asked().count()).unwrap_or(u32::MAX) };
        }
        if let Some(cut) = open().find_map(|stream| self.cut(stream, Side::Client)) {
            return State::Cut(cut);
        }
        if let Some(cut) = self.streams.iter().find_map(|stream| self.cut(stream, Side::Client)) {
            return State::AnsweredEarly(cut);
        }
        if self.newest == 0 { State::Idle } else { State::Complete }
    }

    /// One direction of a stream as a message that stopped here, if it began and has not ended.
    fn cut(&self, stream: &Stream, from: Side) -> Option<Cut> {
        let half = &stream.halves[from];
        let at = half.at.filter(|_| half.begun && !half.done)?;
        let frames = &self.sides[from];
        let headers = frames.block.as_ref().is_some_and(|block| block.stream == stream.id);
        let inside = frames.frame.filter(|frame| frame.stream == stream.id);
        let in_head = headers || inside.is_some_and(|frame| frame.typ == HEADERS);
        let owed = half.need.is_some_and(|need| half.have < need);
        let missing = if owed || headers || inside.is_some_and(|frame| matches!(frame.typ, DATA | HEADERS)) {
            Missing::Bytes
        } else if stream.endless || (from == Side::Server && !stream.halves.client.done) {
            Missing::Stream
        } else {
            Missing::End
        };
        let part = if in_head && half.have == 0 { Part::Head } else { Part::Body };
        Some(Cut { from, at, part, have: half.have, need: half.need, missing, others: 0 })
    }
}

impl Stream {
    /// Takes what a block of headers says.
    fn read(&mut self, side: Side, fields: Fields, end_stream: bool) {
        self.endless |= fields.stream;
        let half = &mut self.halves[side];
        // Informational: the final response is still to come.
        if fields.status.is_some_and(|status| status < 200) && !end_stream {
            half.begun = false;
        }
        if fields.length.is_some() {
            half.need = fields.length;
        }
    }

    /// The response is whole: it ended, or all of its length came.
    fn is_answered(&self) -> bool {
        let server = &self.halves.server;
        server.done || (server.begun && server.need.is_some_and(|need| server.have >= need))
    }
}

impl Frame {
    /// How many bytes of body came in a DATA frame of which `held` is the beginning, where it is padded.
    fn data(&self, held: &[u8]) -> u64 {
        let data = match (self.typ, held.first()) {
            (DATA, _) if self.flags & PADDED == 0 => self.got,
            (DATA, Some(&padding)) => (self.got.saturating_sub(1)).min(self.len.saturating_sub(1 + usize::from(padding))),
            _ => 0,
        };
        data as u64
    }

    /// The part of a payload that belongs to the block of headers. `None` if the lengths in it do not fit.
    fn fragment<'a>(&self, held: &'a [u8]) -> Option<&'a [u8]> {
        let (padding, mut rest) = if self.flags & PADDED == 0 { (0, held) } else { held.split_first().map(|(pad, rest)| (*pad, rest))? };
        let fixed = match self.typ {
            PUSH_PROMISE => 4,
            _ if self.flags & PRIORITY != 0 => 5,
            _ => 0,
        };
        rest = rest.get(fixed..)?;
        // One that is not held whole is not decoded, whatever stands at its end.
        rest.get(..rest.len().checked_sub(usize::from(padding))?)
    }
}
