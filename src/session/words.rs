//! The closed vocabularies of a session: how far it came, how it ended, what was said at its end, what limits its reading.

use std::fmt;

/// How far a session came: the furthest stage reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Up to TCP established, not a TLS byte.
    Connecting,
    /// CONNECT, SOCKS or STARTTLS spoken, no ClientHello yet.
    Tunneling,
    /// A ClientHello was sent, nothing of TLS came back.
    ClientHello,
    /// The server answered with TLS; not both Finished yet.
    Handshake,
    /// Both Finished, or application data seen.
    Established,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: &[Phase] = &[Phase::Connecting, Phase::Tunneling, Phase::ClientHello, Phase::Handshake, Phase::Established];

    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Connecting => "connecting",
            Phase::Tunneling => "tunneling",
            Phase::ClientHello => "client_hello",
            Phase::Handshake => "handshake",
            Phase::Established => "established",
        }
    }
}

/// How the root event of a session looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The side that closed first had sent a close_notify.
    CloseNotify,
    /// The first close was a FIN with no close_notify before it from that side.
    Fin,
    /// The first close was a RST with no close_notify before it from that side.
    Rst,
    /// A fatal alert ended it.
    FatalAlert,
    /// One side was no longer answered, whoever then gave up and closed.
    Stall,
    /// TCP never came up.
    NoConnection,
    /// Still running when the capture ended.
    Open,
    /// The end is not in the capture.
    Unseen,
}

impl Ending {
    /// Every ending.
    pub const ALL: &[Ending] = &[
        Ending::CloseNotify,
        Ending::Fin,
        Ending::Rst,
        Ending::FatalAlert,
        Ending::Stall,
        Ending::NoConnection,
        Ending::Open,
        Ending::Unseen,
    ];

    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Ending::CloseNotify => "close_notify",
            Ending::Fin => "fin",
            Ending::Rst => "rst",
            Ending::FatalAlert => "fatal_alert",
            Ending::Stall => "stall",
            Ending::NoConnection => "no_connection",
            Ending::Open => "open",
            Ending::Unseen => "unseen",
        }
    }

    /// Whether a session that ended like this is flagged, whatever the verdict on fault.
    pub fn flagged(self) -> bool {
        matches!(self, Ending::Fin | Ending::Rst | Ending::FatalAlert | Ending::Stall | Ending::NoConnection)
    }
}

/// Whose closing act came first, causally. In a stall, the side that gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// The client.
    Client,
    /// The server: the TLS endpoint at that address.
    Server,
    /// A box between them that acted in an endpoint's name.
    Proxy,
    /// Nobody closed it.
    Nobody,
    /// It cannot be known.
    Unknown,
}

impl ClosedBy {
    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            ClosedBy::Client => "client",
            ClosedBy::Server => "server",
            ClosedBy::Proxy => "proxy",
            ClosedBy::Nobody => "nobody",
            ClosedBy::Unknown => "unknown",
        }
    }
}

/// Whether a side announced its close (RFC 8446 section 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CloseNotify {
    /// Read in clear (or decrypted).
    Sent,
    /// An encrypted record that can only reasonably be one.
    Likely,
    /// Every byte up to its FIN or RST was seen, and nothing fits.
    Absent,
    /// It cannot be known from this capture.
    #[default]
    Unknown,
    /// No TLS handshake began.
    NotApplicable,
}

impl CloseNotify {
    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            CloseNotify::Sent => "sent",
            CloseNotify::Likely => "likely",
            CloseNotify::Absent => "absent",
            CloseNotify::Unknown => "unknown",
            CloseNotify::NotApplicable => "not_applicable",
        }
    }
}

/// A capture defect that limits what a verdict may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cap {
    /// Bytes are missing that were on the wire.
    Hole,
    /// Only one direction of the connection was captured.
    OneDirection,
    /// The snap length cut payloads.
    Snaplen,
    /// The capture ends soon after the session's last packet.
    CutEnd,
    /// The capture starts after the session did.
    MidStream,
    /// Packets were captured twice.
    Duplicates,
    /// Packets stand in the capture in another order than they came in.
    Disorder,
    /// The capture itself reports lost packets.
    KernelDrops,
    /// Segments with wrong checksums.
    BadChecksums,
    /// A limit of this program was reached.
    LimitReached,
    /// The end of the TLS records is beyond reach: framing was lost.
    FramingLost,
    /// Records are padded to whole blocks: what was said last may be a close_notify or data.
    Padded,
}

impl Cap {
    /// The word used in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Cap::Hole => "hole",
            Cap::OneDirection => "one_direction",
            Cap::Snaplen => "snaplen",
            Cap::CutEnd => "cut_end",
            Cap::MidStream => "mid_stream",
            Cap::Duplicates => "duplicates",
            Cap::Disorder => "disorder",
            Cap::KernelDrops => "kernel_drops",
            Cap::BadChecksums => "bad_checksums",
            Cap::LimitReached => "limit_reached",
            Cap::FramingLost => "framing_lost",
            Cap::Padded => "padded",
        }
    }
}

macro_rules! display_as_name {
    ($($word:ty),*) => { $(impl fmt::Display for $word {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.name()) }
    })* };
}
display_as_name!(Phase, Ending, ClosedBy, CloseNotify, Cap);
