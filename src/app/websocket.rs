//! WebSocket frames of both directions (RFC 6455): where they end, and whether somebody said goodbye.

use crate::app::outcome::{Cut, Missing, Part, State, Why};
use crate::base::{At, PerSide, Side};

/// Opcodes (RFC 6455 section 5.2).
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// Both directions of a WebSocket.
#[derive(Clone, Debug, Default)]
pub struct WebSocket {
    sides: PerSide<Frames>,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Frames {
    header: [u8; MAX_HEADER],
    /// Bytes of the header that came.
    got: usize,
    /// Bytes of payload left.
    left: u64,
    /// Length of the payload.
    need: u64,
    /// A message is open: its last frame has not come.
    open: bool,
    /// The frame in progress is a close frame.
    closing: bool,
    /// The close frame.
    closed: Option<At>,
    /// The newest byte.
    at: Option<At>,
}

impl WebSocket {
    /// Reads a part of one direction.
    pub fn push(&mut self, side: Side, at: At, mut bytes: &[u8]) -> Result<(), Why> {
        let frames = &mut self.sides[side];
        while !bytes.is_empty() {
            frames.at = Some(at);
            if frames.left == 0 {
                let Some((&byte, rest)) = bytes.split_first() else { break };
                bytes = rest;
                frames.header_byte(side, at, byte)?;
            } else {
                let count = usize::try_from(frames.left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.get(count..).unwrap_or_default();
                frames.left = frames.left.saturating_sub(count as u64);
                if frames.left == 0 {
                    frames.end(at);
                }
            }
        }
        Ok(())
    }

    /// Who sent a close frame, and where.
    pub fn closed(&self) -> PerSide<Option<At>> {
        PerSide { client: self.sides.client.closed, server: self.sides.server.closed }
    }

    /// How things stand now.
    pub fn state(&self) -> State {
        for side in [Side::Server, Side::Client] {
            let frames = &self.sides[side];
            let in_frame = frames.got > 0 || frames.left > 0;
            if let (true, Some(at)) = ((in_frame || frames.open) && frames.closed.is_none(), frames.at) {
                let body = frames.left > 0;
                return State::Cut(Cut {
                    from: side,
                    at,
                    part: Part::Frame,
                    have: if body { frames.need.saturating_sub(frames.left) } else { 0 },
                    need: body.then_some(frames.need),
                    missing: if in_frame { Missing::Bytes } else { Missing::End },
                    others: 0,
                });
            }
        }
        let closed = self.closed();
        if closed.client.is_some() || closed.server.is_some() { State::Complete } else { State::Unclosed }
    }
}

impl Frames {
    fn header_byte(&mut self, side: Side, at: At, byte: u8) -> Result<(), Why> {
        // Nothing may follow a close frame (section 5.5.1).
        if self.closed.is_some() {
            return Err(Why::Malformed);
        }
        if let Some(slot) = self.header.get_mut(self.got) {
            *slot = byte;
            self.got += 1;
        }
        let [first, second, ..] = self.header;
        if self.got < 2 {
            return Ok(());
        }
        let masked = second & 0x80 != 0;
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (opcode, last) = (first & 0x0f, first & 0x80 != 0);
        let fits = match opcode {
            CONTINUATION => self.open,
            TEXT | BINARY => !self.open,
            CLOSE | PING | PONG => last && length_bytes == 0,
            _ => false,
        };
        // Frames of the client are masked, those of the server are not (section 5.1).
        if !fits || masked != (side == Side::Client) {
            return Err(Why::Malformed);
        }
        if self.got < 2 + length_bytes + if masked { 4 } else { 0 } {
            return Ok(());
        }
        let extended = self.header.iter().skip(2).take(length_bytes);
        let length = match length_bytes {
            0 => u64::from(second & 0x7f),
            _ => extended.fold(0, |sum, &byte| (sum << 8) | u64::from(byte)),
        };
        if length > i64::MAX as u64 {
            return Err(Why::Malformed);
        }
        if opcode < CLOSE {
            self.open = !last;
        }
        self.closing = opcode == CLOSE;
        (self.got, self.left, self.need) = (0, length, length);
        if length == 0 {
            self.end(at);
        }
        Ok(())
    }

    fn end(&mut self, at: At) {
        if self.closing {
            self.closed = Some(at);
        }
    }
}
