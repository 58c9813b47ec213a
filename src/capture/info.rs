//! What a capture file says about itself: format, interfaces, drop counts, comments.

use std::fmt;

use super::input::Compression;
use crate::base::LinkType;

/// Comments kept of one file; further ones are counted.
pub const MAX_COMMENTS: usize = 64;
/// Bytes kept of one comment.
const MAX_COMMENT: usize = 4096;
/// Bytes kept of a name or a description.
const MAX_TEXT: usize = 1024;

/// What a capture file says about itself. It grows while the file is read: interfaces, statistics and comments come between the frames.
///
/// Texts are kept as the file has them, and are as hostile as the network: escape them before showing them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaptureInfo {
    /// The file format.
    pub format: Format,
    /// How the file is compressed.
    pub compression: Option<Compression>,
    /// The byte order of the file; of a pcapng file, that of its latest section.
    pub byte_order: ByteOrder,
    /// Sections begun so far (always 1 in pcap files).
    pub sections: u32,
    /// The interfaces described so far, over all sections; `Frame::interface` is an index into it.
    pub interfaces: Vec<InterfaceInfo>,
    /// The program that wrote the file (`shb_userappl`), of the first section that says it.
    pub application: Option<String>,
    /// The hardware it was written on (`shb_hardware`).
    pub hardware: Option<String>,
    /// The operating system it was written on (`shb_os`).
    pub os: Option<String>,
    /// The first [`MAX_COMMENTS`] comments.
    pub comments: Vec<Comment>,
    /// Comments seen, kept or not.
    pub comments_seen: u64,
    /// Decryption Secrets Blocks seen; their key log lines are in [`CaptureFile::secrets`](super::CaptureFile::secrets).
    pub secrets_blocks: u64,
    /// Whether key log lines were left out because there were too many.
    pub secrets_cut: bool,
    /// The number of the latest frame. Wireshark numbers some blocks that hold no packet too: see `other_records`.
    pub frames: u64,
    /// Numbered blocks that hold no packet (systemd journal entries, sysdig events, custom blocks). They took a frame number, as in
    /// Wireshark, and were not delivered.
    pub other_records: u64,
}

/// A capture file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Classic pcap, timestamps in microseconds.
    PcapMicros,
    /// Classic pcap, timestamps in nanoseconds.
    PcapNanos,
    /// pcap as Alexey Kuznetzov's libpcap wrote it: longer packet headers.
    PcapModified,
    /// pcapng.
    Pcapng,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::PcapMicros => "pcap",
            Format::PcapNanos => "pcap (nanoseconds)",
            Format::PcapModified => "pcap (modified)",
            Format::Pcapng => "pcapng",
        })
    }
}

/// The byte order of the numbers in a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    #[inline]
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// One interface of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceInfo {
    /// Its link type.
    pub link: LinkType,
    /// The snap length, in bytes; 0 is no limit. Packets may be longer all the same.
    pub snap_len: u32,
    /// Length of the frame check sequence at the end of each frame, in bytes, where the file says so.
    pub fcs_len: Option<u8>,
    /// The resolution of its timestamps.
    pub resolution: Resolution,
    /// `if_name`.
    pub name: Option<String>,
    /// `if_description`.
    pub description: Option<String>,
    /// The capture filter (`if_filter`), when it is text.
    pub filter: Option<String>,
    /// `if_hardware`.
    pub hardware: Option<String>,
    /// `if_os`.
    pub os: Option<String>,
    /// Packets the capture dropped, as counted packet by packet (`epb_dropcount` and the obsolete packet block's count, summed).
    pub dropped: u64,
    /// The latest Interface Statistics Block.
    pub statistics: Option<InterfaceStatistics>,
}

impl InterfaceInfo {
    pub(super) fn new(link: LinkType, snap_len: u32, resolution: Resolution) -> InterfaceInfo {
        InterfaceInfo {
            link,
            snap_len,
            fcs_len: None,
            resolution,
            name: None,
            description: None,
            filter: None,
            hardware: None,
            os: None,
            dropped: 0,
            statistics: None,
        }
    }
}

/// What an Interface Statistics Block counts, in packets. `None`: it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStatistics {
    /// Received by the interface (`isb_ifrecv`).
    pub received: Option<u64>,
    /// Dropped by the interface for lack of resources (`isb_ifdrop`).
    pub dropped_by_interface: Option<u64>,
    /// Accepted by the filter (`isb_filteraccept`).
    pub accepted: Option<u64>,
    /// Dropped by the operating system (`isb_osdrop`).
    pub dropped_by_os: Option<u64>,
    /// Delivered to the capturing program (`isb_usrdeliv`).
    pub delivered: Option<u64>,
}

/// The resolution of an interface's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// 10 to the minus this many seconds: 6 is microseconds.
    Decimal(u8),
    /// 2 to the minus this many seconds.
    Binary(u8),
}

impl Resolution {
    /// pcapng's `if_tsresol` (draft-ietf-opsawg-pcapng section 4.2).
    pub(super) fn from_tsresol(byte: u8) -> Resolution {
        if byte & 0x80 == 0 { Resolution::Decimal(byte) } else { Resolution::Binary(byte & 0x7F) }
    }
}

/// A comment in a capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The number of the frame it is about; `None`: the section, an interface or another block.
    pub frame: Option<u32>,
    /// Its text. Bytes that are not UTF-8 are replaced, and a very long comment is cut.
    pub text: String,
}

impl CaptureInfo {
    pub(super) fn new(format: Format, byte_order: ByteOrder, compression: Option<Compression>) -> CaptureInfo {
        CaptureInfo {
            format,
            compression,
            byte_order,
            // A pcapng file counts them as their headers come.
            sections: if format == Format::Pcapng { 0 } else { 1 },
            interfaces: Vec::new(),
            application: None,
            hardware: None,
            os: None,
            comments: Vec::new(),
            comments_seen: 0,
            secrets_blocks: 0,
            secrets_cut: false,
            frames: 0,
            other_records: 0,
        }
    }

    pub(super) fn comment(&mut self, frame: Option<u32>, text: &[u8]) {
        self.comments_seen += 1;
        if self.comments.len() < MAX_COMMENTS {
            self.comments.push(Comment { frame, text: lossy(text, MAX_COMMENT) });
        }
    }
}

/// A string option's text.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    Some(lossy(bytes, MAX_TEXT)).filter(|text| !text.is_empty())
}

/// Some writers end strings with a zero byte, or pad them with several.
fn lossy(bytes: &[u8], max: usize) -> String {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    String::from_utf8_lossy(bytes.get(..end.min(max)).unwrap_or_default()).into_owned()
}
