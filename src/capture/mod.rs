//! Capture files (pcap, pcapng, gzip, zstd, pipes; pcapng to write) and, with libpcap, filters, the host's interfaces and live capture.
//!
//! Frames are read by a parser of our own: the existing ones each lose evidence on some real file (a second link type, snap-length cuts,
//! comments, decryption secrets, timestamps in binary units). libpcap is the oracle it is tested against.

mod error;
mod file;
#[cfg(feature = "live")]
mod filter;
mod info;
mod input;
#[cfg(feature = "live")]
mod interfaces;
#[cfg(all(feature = "live", unix))]
mod live;
mod order;
mod packet;
mod pcap;
mod pcapng;
mod recognise;
#[cfg(test)]
mod tests;
mod write;
mod zstd;

pub use error::CaptureError;
pub use file::CaptureFile;
#[cfg(feature = "live")]
pub use filter::{BpfFilter, FilterError};
pub use info::{ByteOrder, CaptureInfo, Comment, Format, InterfaceInfo, InterfaceStatistics, MAX_COMMENTS, Resolution};
pub use input::Compression;
#[cfg(feature = "live")]
pub use interfaces::{Device, DevicesError, devices};
#[cfg(all(feature = "live", unix))]
pub use live::{ANY, LiveCapture, LiveError, LiveOptions, own_addresses};
pub use order::{Part, reading_order};
pub use write::{CaptureWriter, InterfaceId, NewInterface, NewPacket};
