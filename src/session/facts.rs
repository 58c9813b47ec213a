//! A finished session: everything the rules and the reports may know of it. No packets, only facts with their frames.

use crate::app::Outcome;
use crate::base::{At, Endpoint, GapReason, PerSide, Side, Span, Time, Way};
use crate::decode::IcmpError;
use crate::prelude::Story;
use crate::session::act::Closing;
use crate::session::flow::Said;
use crate::session::keyed::Decryption;
use crate::session::timeline::Timeline;
use crate::session::words::{Cap, CloseNotify, ClosedBy, Ending, Phase};
use crate::tls::{self, Alert, Chain, ClientHello, Protection, ServerHello, Suite, Version};

/// One session: a TCP connection that carried TLS or was meant to.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which of the analysis' connections it was, counted from 0 as they came.
    pub connection: u32,
    /// Wireshark's `tcp.stream`: the same number; `None` once the numbering could not be kept exact.
    pub tcp_stream: Option<u32>,
    /// Who opened it, and who was asked.
    pub ends: PerSide<Endpoint>,
    /// Whether the roles were seen (a SYN, a ClientHello) or guessed.
    pub roles_seen: bool,
    /// Its first packet.
    pub first: At,
    /// Its last packet.
    pub last: At,
    /// When the capture, as read so far, ended.
    pub capture_end: Time,
    /// What else was known beside its own packets.
    pub grounds: Grounds,
    /// How TCP came up.
    pub opening: Opening,
    /// What each side did.
    pub sides: PerSide<Box<SideFacts>>,
    /// What TLS said.
    pub tls: Box<TlsFacts>,
    /// How far the exchange of application data came, where keys opened it. Boxed: most sessions come without keys.
    pub exchange: Option<Box<Outcome>>,
    /// What was spoken before TLS.
    pub prelude: Option<Box<Story>>,
    /// How far it came.
    pub phase: Phase,
    /// The closing acts.
    pub closing: Closing,
    /// How the root event looked.
    pub ending: Ending,
    /// Whose closing act came first.
    pub closed_by: ClosedBy,
    /// Whether each side announced its close.
    pub close_notify: PerSide<CloseNotify>,
    /// ICMP errors that quote it, the first few.
    pub icmp: Vec<(Side, IcmpError)>,
    /// What happened, in order.
    pub timeline: Timeline,
    /// What limits its reading.
    pub caps: Vec<Cap>,
    /// The way along the flow key that the client sends, to read the timeline by.
    pub client_way: Way,
}

/// What was known beside a connection's own packets when it was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// The last frame of the capture that had been read.
    pub end: At,
    /// The connection's ports were taken by a new one: its end went unseen.
    pub replaced: bool,
    /// The capture says that it lost packets.
    pub kernel_drops: bool,
    /// Its server spoke TLS in another connection.
    pub server_speaks_tls: bool,
}

/// How TCP came up, or did not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// The first SYN.
    pub syn: Option<At>,
    /// How many SYNs the client sent.
    pub syns: u32,
    /// The last SYN.
    pub last_syn: Option<At>,
    /// The first SYN with ACK.
    pub syn_ack: Option<At>,
    /// The client's ACK of it, or anything else that shows the connection established.
    pub established: Option<At>,
    /// SYN to SYN-ACK, as seen at the capture point: the round trip on the server's side of it.
    pub server_rtt: Option<Span>,
    /// SYN-ACK to ACK, as seen at the capture point: the round trip on the client's side of it.
    pub client_rtt: Option<Span>,
}

/// What one side of a session did.
#[derive(Clone, Debug, Default)]
pub struct SideFacts {
    /// Packets it sent.
    pub packets: u32,
    /// Payload bytes it sent, each once, as far as seen.
    pub bytes: u64,
    /// Where its stream ends, as far as that was seen: what lies in holes counts, and a FIN.
    pub end: u64,
    /// Its first and last payload.
    pub first_data: Option<At>,
    /// Its last new payload byte (retransmissions do not count).
    pub last_data: Option<At>,
    /// The newest pause of a second and more in its payload: the last of it before, all acknowledged by then, and the first after.
    pub pause: Option<(At, At)>,
    /// Its last packet of any kind.
    pub last_packet: Option<At>,
    /// Its first FIN.
    pub fin: Option<Fin>,
    /// Complete TLS records it sent.
    pub records: u32,
    /// Records of application data it sent after the handshake, and their bytes. (TLS 1.3 session tickets count here: they look alike.)
    pub app_records: u32,
    /// Ciphertext bytes in `app_records`.
    pub app_bytes: u64,
    /// Its first record of application data after the handshake.
    pub first_app: Option<At>,
    /// Its last record of application data (an alert-sized last record does not count).
    pub last_app: Option<At>,
    /// How often it began to speak after the other side had spoken.
    pub turns: u32,
    /// Where its newest application data ends in its stream.
    pub last_app_end: u64,
    /// How much of the other side's stream it had acknowledged with its newest application data (offset).
    pub last_app_knew: u64,
    /// What it had said when the first FIN or RST of either side came (at the end, where none came).
    pub at_close: Said,
    /// Its last complete record.
    pub last_record: Option<LastRecord>,
    /// Its stream ended in the middle of a record.
    pub cut_record: Option<CutRecord>,
    /// The first segments of payload it repeated without the peer acknowledging more: how often, since when.
    pub unanswered: Option<Unanswered>,
    /// A segment of its came by that was as large as the two agreed on: the path up to here carries such.
    pub full_size_seen: bool,
    /// Bytes of its stream the peer had not acknowledged at the end.
    pub unacked: u64,
    /// Bytes of the peer's stream it had acknowledged at the end (offset).
    pub acknowledged: u64,
    /// Segments it sent again, in all.
    pub retransmissions: u32,
    /// Keep-alive probes it sent.
    pub keep_alives: u32,
    /// Keep-alive probes that nothing answered, up to the end: first, newest, how many.
    pub unheard_probes: Option<(At, At, u32)>,
    /// Its last keep-alive probe.
    pub last_keep_alive: Option<At>,
    /// It advertised a zero window: first and last time.
    pub zero_window: Option<(At, At)>,
    /// It still advertised a zero window when the session ended.
    pub window_closed: bool,
    /// Holes in what was captured of its stream.
    pub gaps: Vec<(At, u64, GapReason)>,
    /// Most common TTL or hop limit of its packets.
    pub ttl: Option<u8>,
    /// The MAC address its packets come from here: its own, or that of the router behind which it is.
    pub mac: Option<[u8; 6]>,
    /// Whether it was sent by the capturing host, where that is known.
    pub local: Option<bool>,
    /// The first bytes it sent, where they were not TLS (at most 160, raw).
    pub plain: Option<Vec<u8>>,
    /// Where those bytes began.
    pub plain_at: Option<At>,
    /// A record header that cannot be.
    pub broken: Option<(At, [u8; 5])>,
    /// Segments with a wrong checksum.
    pub bad_checksums: u32,
    /// Overlapping retransmissions that differ in content.
    pub conflicting_overlaps: u32,
    /// Segments captured twice.
    pub duplicates: u32,
}

/// A FIN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fin {
    /// Its first transmission.
    pub at: At,
    /// The stream offset it stands at: all the bytes its sender sent.
    pub offset: u64,
    /// How much of the peer's stream its sender had acknowledged with it (offset; the peer's FIN counts one more).
    pub knew: u64,
    /// How much more of the peer's stream its sender acknowledged afterwards: more than nothing is a half-close.
    pub acknowledged_after: u64,
    /// Whether the peer acknowledged it.
    pub acked: bool,
    /// Bytes of the peer's stream that had been seen when it came.
    pub peer_sent: u64,
    /// Records of application data the peer had sent when it came.
    pub peer_app_records: u32,
}

/// A side's last complete record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LastRecord {
    /// The frame with its last byte.
    pub at: At,
    /// Outer content type.
    pub typ: u8,
    /// Length field.
    pub len: u16,
}

/// A record whose end never came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutRecord {
    /// The frame with its first byte.
    pub at: At,
    /// The last frame that carried a part of it.
    pub until: At,
    /// Outer content type, where the header came.
    pub typ: Option<u8>,
    /// Bytes of the body that came.
    pub have: u32,
    /// Bytes the header promised (0 where the header itself was cut).
    pub need: u32,
    /// Nothing that could be the rest went unseen: the stream really ended there.
    pub proven: bool,
}

/// Data that was repeated and never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unanswered {
    /// First transmission of the oldest byte not acknowledged.
    pub since: At,
    /// Last transmission.
    pub until: At,
    /// How often it was sent again.
    pub retransmissions: u32,
    /// The peer sent something (old ACKs, data of its own) after the first transmission: that direction of the path worked.
    pub peer_heard: Option<At>,
    /// Only segments of full size went unacknowledged while smaller ones passed.
    pub only_full_size: bool,
    /// Something smaller got through after the first of them was sent: acknowledged, or reported by SACK.
    pub passed_smaller: bool,
    /// Smallest and largest payload that was repeated.
    pub smallest: u32,
    /// See `smallest`.
    pub largest: u32,
}

/// What TLS said in a session.
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// A TLS record was seen (of either side).
    pub seen: bool,
    /// The ClientHello (the second one after a HelloRetryRequest).
    pub client_hello: Option<Box<ClientHello>>,
    /// The frame in which the ClientHello was complete.
    pub client_hello_at: Option<At>,
    /// TCP segments the ClientHello took.
    pub client_hello_segments: u32,
    /// The ServerHello.
    pub server_hello: Option<Box<ServerHello>>,
    /// Its frame.
    pub server_hello_at: Option<At>,
    /// Negotiated version.
    pub version: Option<Version>,
    /// How records are protected, by suite and version.
    pub protection: Option<Protection>,
    /// Negotiated cipher suite.
    pub suite: Option<Suite>,
    /// A HelloRetryRequest was sent.
    pub hello_retry: Option<At>,
    /// The session was resumed (PSK, ticket or session ID).
    pub resumed: bool,
    /// The client sent 0-RTT data.
    pub early_data: bool,
    /// Handshakes after the first.
    pub renegotiations: u32,
    /// The server's certificates, where they were in clear (up to TLS 1.2) or could be opened.
    pub certificates: Option<Box<Chain>>,
    /// The end of the server's certificate message, or of what must hold it (TLS 1.3: the first sealed record of its flight).
    pub certificate_at: Option<At>,
    /// The server asked for a client certificate, as far as that could be read.
    pub certificate_request: Option<At>,
    /// What the client answered: `Some((at, true))` a certificate, `Some((at, false))` an empty list.
    pub client_certificate: Option<(At, bool)>,
    /// Each side's Finished, seen or inferred from its size and place.
    pub finished: PerSide<Option<At>>,
    /// Each side's ChangeCipherSpec.
    pub change_cipher_spec: PerSide<Option<At>>,
    /// TLS 1.3 padding that each side adds to every record (16 for SunJSSE), once calibrated.
    pub padding: PerSide<Option<u16>>,
    /// How much of the session was opened with secrets from a key log.
    pub decryption: Decryption,
    /// Alerts that could be read, in order, the first few: who, frame, what.
    pub alerts: Vec<(Side, At, Alert)>,
}

impl Session {
    /// How long it lasted.
    pub fn duration(&self) -> Span {
        self.last.time.since(self.first.time)
    }

    /// The server's name as the client asked for it. From the network: not escaped.
    pub fn sni(&self) -> Option<String> {
        Some(self.tls.client_hello.as_ref()?.server_name.as_ref()?.text())
    }

    /// The application protocol that the server chose (TLS 1.3 encrypts it: it takes keys). From the network: not escaped.
    pub fn alpn(&self) -> Option<String> {
        let chosen = self.tls.server_hello.as_ref()?.alpn.as_deref()?;
        Some(String::from_utf8_lossy(chosen).into_owned())
    }

    /// JA3 of the ClientHello (MD5, hex). Computed at each call: most sessions are counted, and never shown.
    pub fn ja3(&self) -> Option<String> {
        self.tls.client_hello.as_deref().map(tls::ja3)
    }

    /// JA4 of the ClientHello.
    pub fn ja4(&self) -> Option<String> {
        self.tls.client_hello.as_deref().map(tls::ja4)
    }

    /// Whether a capture defect limits the reading.
    pub fn capped(&self, cap: Cap) -> bool {
        self.caps.contains(&cap)
    }
}
