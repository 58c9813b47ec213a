//! Decompressing zstd block by block, so that a stream cut short still yields all it holds (RFC 8878).

use std::io::{self, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Window sizes above this are refused, as the zstd program does by default: a frame header alone may claim terabytes.
const MAX_WINDOW: u64 = 128 << 20;
/// RFC 8878 section 3.1.1.2.4: no block is larger.
const MAX_BLOCK: usize = 128 << 10;
const MAGIC: u32 = 0xFD2F_B528;
/// An empty raw block with the last-block flag, and room for a checksum: it makes the decoder hand out the window it keeps back.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Decompresses concatenated zstd frames, skippable ones left out.
///
/// A cut stream yields every block before the cut, then [`io::ErrorKind::UnexpectedEof`]; damaged data yields
/// [`io::ErrorKind::InvalidData`].
pub(super) struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
    /// The current block as it is compressed, header first.
    block: Vec<u8>,
    frame: State,
}

enum State {
    /// A frame, or the end, comes next.
    Between,
    /// Inside a frame; `checksum` says whether one follows its last block.
    Inside { checksum: bool },
    /// The frame broke off: what was decoded before is being handed out, then the error.
    Broken(Option<io::Error>),
}

impl<R: Read> ZstdReader<R> {
    pub(super) fn new(source: R) -> ZstdReader<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        ZstdReader { source, decoder, block: Vec::new(), frame: State::Between }
    }

    pub(super) fn source(&self) -> &R {
        &self.source
    }

    /// Reads up to the next frame's first block. `None`: the stream ended where a frame may begin.
    fn frame_header(&mut self) -> io::Result<Option<State>> {
        loop {
            self.block.clear();
            match self.append(4)? {
                0 => return Ok(None),
                4 => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
            let magic = self.block.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            if magic.is_some_and(|magic| (0x184D_2A50..=0x184D_2A5F).contains(&magic)) {
                let mut len = [0; 4];
                self.source.read_exact(&mut len)?;
                let len = u64::from(u32::from_le_bytes(len));
                if io::copy(&mut self.source.by_ref().take(len), &mut io::sink())? < len {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            if magic != Some(MAGIC) {
                return Err(damaged("no zstd frame where one should begin"));
            }
            self.append_exact(1)?;
            let descriptor = self.block.last().copied().unwrap_or_default();
            let single_segment = descriptor & 0x20 != 0;
            let window = usize::from(!single_segment);
            let dictionary = match descriptor & 3 {
                3 => 4,
                n => usize::from(n),
            };
            let content_size = match descriptor >> 6 {
                0 => usize::from(single_segment),
                n => 1 << n,
            };
            self.append_exact(window + dictionary + content_size)?;
            self.decoder.reset(self.block.as_slice()).map_err(damaged)?;
            return Ok(Some(State::Inside { checksum: descriptor & 4 != 0 }));
        }
    }

    /// Reads and decodes one block; after the last one also the checksum.
    fn next_block(&mut self, checksum: bool) -> io::Result<()> {
        self.block.clear();
        self.append_exact(3)?;
        let header = match *self.block.as_slice() {
            [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let run_length = (header >> 1) & 3 == 1;
        let size = if run_length { 1 } else { (header >> 3) as usize };
        if size > MAX_BLOCK {
            return Err(damaged("a zstd block larger than 128 KiB"));
        }
        let last = header & 1 != 0;
        self.append_exact(size)?;
        let missing = if last && checksum { 4 - self.append(4)? } else { 0 };
        // A block is whole without its checksum.
        self.block.resize(self.block.len() + missing, 0);
        self.decoder.decode_blocks(self.block.as_slice(), BlockDecodingStrategy::UptoBlocks(1)).map_err(damaged)?;
        if missing > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Appends up to `count` bytes to the block, fewer at the end of the source; says how many.
    fn append(&mut self, count: usize) -> io::Result<usize> {
        self.source.by_ref().take(count as u64).read_to_end(&mut self.block)
    }

    fn append_exact(&mut self, count: usize) -> io::Result<()> {
        if self.append(count)? < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl<R: Read> Read for ZstdReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let checksum = match &mut self.frame {
                State::Between => match self.frame_header()? {
                    Some(state) => {
                        self.frame = state;
                        continue;
                    }
                    None => return Ok(0),
                },
                State::Inside { checksum } => *checksum,
                State::Broken(error) => {
                    let count = self.decoder.read(out)?;
                    return if count > 0 || out.is_empty() { Ok(count) } else { error.take().map_or(Ok(0), Err) };
                }
            };
            let count = self.decoder.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            if self.decoder.is_finished() {
                self.frame = State::Between;
                if checksum && self.decoder.get_checksum_from_data() != self.decoder.get_calculated_checksum() {
                    return Err(damaged("the zstd checksum does not match"));
                }
            } else if let Err(error) = self.next_block(checksum) {
                if !self.decoder.is_finished() {
                    self.decoder.decode_blocks(LAST_BLOCK.as_slice(), BlockDecodingStrategy::UptoBlocks(1)).map_err(damaged)?;
                }
                self.frame = State::Broken(Some(error));
            }
        }
    }
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
