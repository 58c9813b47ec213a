//! Writing pcapng (draft-ietf-opsawg-pcapng): packets with their times to the nanosecond, their link types, and comments that Wireshark shows.

use std::io::{self, Write};

use super::packet::MAX_PACKET;
use super::pcapng::{COMMENT, DECRYPTION_SECRETS, ENHANCED_PACKET, INTERFACE_DESCRIPTION, SECTION_MAGIC, TLS_KEY_LOG};
use crate::base::{LinkType, Time};

/// The longest value of an option that still leaves room for its padding.
const MAX_OPTION: usize = 0xfffc;
/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;
/// `if_tsoffset` of interfaces that carry times before 1970, in seconds: the first whole second a [`Time`] can tell.
const EARLIEST: i64 = i64::MIN / SECOND;
/// `if_tsresol`: nanoseconds.
const NANOSECONDS: u8 = 9;

const OPT_END: u16 = 0;
const SHB_USER_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
const EPB_FLAGS: u16 = 2;

/// What is written of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewInterface {
    /// Link type of its packets, a LINKTYPE_ value.
    pub link: u16,
    /// Snap length in bytes; 0 is no limit.
    pub snap_len: u32,
    /// Length of the frame check sequence at the end of each frame, in bytes, where that is known.
    pub fcs_len: Option<u8>,
    /// `if_name`.
    pub name: Option<String>,
    /// `if_description`.
    pub description: Option<String>,
}

impl NewInterface {
    /// An interface of which nothing but the link type is known.
    pub fn new(link: LinkType) -> NewInterface {
        NewInterface { link: link.0, ..NewInterface::default() }
    }
}

/// A packet to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPacket<'a> {
    /// What [`CaptureWriter::interface`] said.
    pub interface: InterfaceId,
    /// When it was captured.
    pub time: Time,
    /// Length on the wire, in bytes.
    pub wire_len: u32,
    /// Whether the capturing host sent it, where that is known.
    pub outgoing: Option<bool>,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Comments, each shown by Wireshark as one.
    pub comments: &'a [String],
}

/// An interface of the capture that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceId(usize);

/// Writes one section of pcapng, block by block; it holds no more than the block being written.
///
/// Nothing is buffered beyond that: give it a [`std::io::BufWriter`], and flush what [`CaptureWriter::into_inner`] gives back.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    block: Vec<u8>,
    interfaces: Vec<Written>,
    /// Interface blocks written so far.
    numbers: u32,
}

/// An interface, and its numbers in the file.
#[derive(Debug)]
struct Written {
    interface: NewInterface,
    numbers: Numbers,
}

/// An interface's numbers, each once it is needed.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    usual: Option<u32>,
    /// The one for times before 1970, which take an offset.
    early: Option<u32>,
}

impl<W: Write> CaptureWriter<W> {
    /// Begins the file; `comments` are about the whole of it.
    ///
    /// # Errors
    ///
    /// `out` does not take it.
    pub fn new(out: W, comments: &[String]) -> io::Result<CaptureWriter<W>> {
        let mut writer = CaptureWriter { out, block: Vec::new(), interfaces: Vec::new(), numbers: 0 };
        // The byte-order mark, version 1.0, and a section length that is left open.
        writer.block.extend(0x1A2B_3C4D_u32.to_le_bytes());
        writer.block.extend([1, 0, 0, 0]);
        writer.block.extend(u64::MAX.to_le_bytes());
        let application = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        writer.option(SHB_USER_APPLICATION, application.as_bytes());
        writer.comments(comments);
        writer.end(u32::from_le_bytes(SECTION_MAGIC))?;
        Ok(writer)
    }

    /// Makes an interface known. It is written when its first packet is.
    pub fn interface(&mut self, interface: NewInterface) -> InterfaceId {
        self.interfaces.push(Written { interface, numbers: Numbers::default() });
        InterfaceId(self.interfaces.len() - 1)
    }

    /// Writes TLS key log lines, which Wireshark decrypts all sessions by that follow (and no others).
    ///
    /// # Errors
    ///
    /// `out` does not take it, or there are more than a block can hold.
    pub fn secrets(&mut self, key_log: &[u8]) -> io::Result<()> {
        self.block.extend(TLS_KEY_LOG.to_le_bytes());
        self.block.extend(length(key_log.len())?.to_le_bytes());
        self.padded(key_log);
        self.end(DECRYPTION_SECRETS)
    }

    /// Writes a packet.
    ///
    /// # Errors
    ///
    /// `out` does not take it, the packet is longer than any can be, or its interface is another writer's.
    pub fn packet(&mut self, packet: &NewPacket<'_>) -> io::Result<()> {
        if packet.data.len() > MAX_PACKET {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a packet too long for a capture file"));
        }
        let early = packet.time.nanos() < 0;
        let number = self.number(packet.interface, early)?;
        // Nanoseconds since the interface's beginning of time.
        let ticks = packet.time.nanos().saturating_sub(if early { EARLIEST * SECOND } else { 0 }).max(0).cast_unsigned();
        let captured = length(packet.data.len())?;
        for word in [number, (ticks >> 32) as u32, ticks as u32, captured, packet.wire_len.max(captured)] {
            self.block.extend(word.to_le_bytes());
        }
        self.padded(packet.data);
        let direction: u32 = packet.outgoing.map_or(0, |outgoing| if outgoing { 2 } else { 1 });
        if direction != 0 {
            self.option(EPB_FLAGS, &direction.to_le_bytes());
        }
        self.comments(packet.comments);
        self.end(ENHANCED_PACKET)
    }

    /// What was written to, all of it handed over.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// The number of an interface, which is described first if it was not yet.
    fn number(&mut self, InterfaceId(id): InterfaceId, early: bool) -> io::Result<u32> {
        let unknown = || io::Error::new(io::ErrorKind::InvalidInput, "a packet of an unknown interface");
        let Written { interface, numbers } = self.interfaces.get(id).ok_or_else(unknown)?;
        let known = if early { numbers.early } else { numbers.usual };
        if let Some(number) = known {
            return Ok(number);
        }
        let NewInterface { link, snap_len, fcs_len, name, description } = interface.clone();
        self.block.extend(link.to_le_bytes());
        self.block.extend([0, 0]);
        self.block.extend(snap_len.to_le_bytes());
        for (code, text) in [(IF_NAME, name), (IF_DESCRIPTION, description)] {
            if let Some(text) = text {
                self.option(code, cut(&text).as_bytes());
            }
        }
        self.option(IF_TSRESOL, &[NANOSECONDS]);
        if let Some(len) = fcs_len {
            self.option(IF_FCSLEN, &[len]);
        }
        if early {
            self.option(IF_TSOFFSET, &EARLIEST.to_le_bytes());
        }
        self.end(INTERFACE_DESCRIPTION)?;
        let number = self.numbers;
        self.numbers = self.numbers.saturating_add(1);
        if let Some(written) = self.interfaces.get_mut(id) {
            *(if early { &mut written.numbers.early } else { &mut written.numbers.usual }) = Some(number);
        }
        Ok(number)
    }

    fn comments(&mut self, comments: &[String]) {
        for comment in comments {
            self.option(COMMENT, cut(comment).as_bytes());
        }
    }

    /// Adds an option to the block; a value that is too long for one is cut.
    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..MAX_OPTION).unwrap_or(value);
        self.block.extend(code.to_le_bytes());
        self.block.extend((value.len() as u16).to_le_bytes());
        self.padded(value);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Frames the block's body and writes it.
    fn end(&mut self, kind: u32) -> io::Result<()> {
        let mut block = std::mem::take(&mut self.block);
        block.extend(OPT_END.to_le_bytes());
        block.extend([0, 0]);
        let framed = length(block.len() + 12)?.to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&framed)?;
        self.out.write_all(&block)?;
        self.out.write_all(&framed)?;
        block.clear();
        self.block = block;
        Ok(())
    }
}

/// A text that fits into an option, cut between characters where it is too long.
fn cut(text: &str) -> &str {
    (0..=text.len().min(MAX_OPTION)).rev().find_map(|len| text.get(..len)).unwrap_or_default()
}

fn length(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "more than a capture file can hold in one piece"))
}
