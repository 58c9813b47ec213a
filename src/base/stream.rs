//! Pieces of a TCP byte stream: what `tcp/` hands up and `tls/` reads.

use super::At;

/// A part of one direction's byte stream, handed up in order and each byte once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes that were captured.
    Data {
        /// The frame that carried them.
        at: At,
        /// Offset of the first byte in the stream, from 0.
        offset: u64,
        /// The bytes, never empty.
        bytes: &'a [u8],
    },
    /// Bytes the stream had and the capture has not. What came before is never glued to what comes after.
    Gap {
        /// The frame at which the hole was known to stay one.
        at: At,
        /// Offset of the first missing byte.
        offset: u64,
        /// How many bytes are missing, at least 1.
        len: u64,
        /// Why they are missing.
        why: GapReason,
    },
}

/// Why a hole in a stream is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The receiver acknowledged the bytes, so it had them: the capture missed them.
    CaptureLoss,
    /// The capture's snap length cut them off.
    SnapLength,
    /// Never acknowledged: lost on the path, before the capture point.
    PathLoss,
    /// A limit of this program was reached.
    Limit,
}
