//! Closing acts: what a side can do to end a session, and how one act answers another.

use std::net::IpAddr;

use crate::base::{At, Side, Span};
use crate::decode::IcmpKind;
use crate::tls::Alert;

/// One closing act: a close_notify, a fatal alert, a FIN, a RST, an ICMP error, or silence.
#[derive(Clone, Debug)]
pub struct Act {
    /// The frame that carried it. For a silence: the first transmission that went unanswered.
    pub at: At,
    /// In whose name it came. `None` for an ICMP error of a third party.
    pub side: Option<Side>,
    /// What it was.
    pub what: ActKind,
    /// The first byte of the sender's stream that this act covers (offset), where it has one: the alert record's header, the FIN.
    pub offset: Option<u64>,
    /// How much of the peer's stream its sender had acknowledged when it acted (offset). This, not capture order, tells what it knew.
    pub knew: Option<u64>,
}

/// The kinds of closing act.
#[derive(Clone, Debug, PartialEq)]
pub enum ActKind {
    /// A TLS alert in clear (or decrypted).
    Alert(Alert),
    /// An encrypted record that can only be an alert, or has an alert's length.
    SealedAlert {
        /// Length of the record.
        len: u16,
        /// What its position allows it to be.
        reading: SealedReading,
    },
    /// A FIN (RFC 9293 section 3.6).
    Fin,
    /// A RST.
    Rst(Box<Rst>),
    /// An ICMP error that quotes this connection.
    Icmp {
        /// Who sent it.
        from: IpAddr,
        /// Type and code.
        kind: IcmpKind,
    },
    /// The side went on sending and was no longer answered.
    Unanswered {
        /// How often it repeated itself.
        retransmissions: u32,
    },
}

/// What an encrypted alert-sized record can be, by its position (see the crate documentation on close_notify).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedReading {
    /// Only a close_notify fits: the last record of its side before its close, the peer not closed before.
    CloseNotify,
    /// Only a fatal alert fits: inside the handshake, or instead of the server's first answer.
    Fatal,
    /// Either, or not an alert at all.
    Unclear,
}

/// How a RST looks, compared with what its sender's other packets look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Rst {
    /// The frame.
    pub at: At,
    /// Which kind of RST its header makes it.
    pub kind: RstKind,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, if the ACK flag is set.
    pub ack: Option<u32>,
    /// Window field, unscaled.
    pub window: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// Whether it carried TCP timestamps.
    pub timestamps: bool,
    /// Bytes of payload in it.
    pub payload: u32,
    /// TTL that most other packets of its sender have in this connection, and how many packets that rests on.
    pub usual_ttl: Option<(u8, u32)>,
    /// Whether its sender's other packets carry TCP timestamps.
    pub usual_timestamps: bool,
    /// Whether its source MAC differs from that of its sender's other packets on the same interface.
    pub other_mac: bool,
    /// The peer's segment that it answers (reply kind: the one whose ACK is this RST's sequence number).
    pub trigger: Option<At>,
    /// The same sender went on in sequence afterwards: whoever sent this RST, it was not its sender.
    pub outlived_by: Option<At>,
    /// … and the peer went on too: this RST did not end the connection.
    pub survived_by: Option<At>,
    /// Records of application data the peer had sent when it came.
    pub peer_app_records: u32,
    /// Its sender had sent a FIN or an earlier RST before.
    pub after_own_close: bool,
    /// Bytes of the peer's stream that had been sent and that this RST's sender had not acknowledged.
    pub peer_unacked: u64,
    /// RSTs of the same side follow that step ahead in sequence, beyond anything it had sent.
    pub stepping: bool,
    /// Its sequence number relative to what its sender had sent so far (0: exactly next).
    pub seq_offset: i32,
    /// Time since the newest segment of the peer before it.
    pub after_peer: Option<Span>,
    /// Time since the oldest segment of the peer that it may answer (reply kind), where that is known.
    pub after_question: Option<Span>,
    /// It left the host that captured, with a TTL that no router has touched and that its sender's other packets have too: that host sent it.
    pub from_here: bool,
    /// It came in from the network, though its sender's other packets leave the host that captured: that host did not send it.
    pub came_in: bool,
}

/// Kinds of RST (RFC 9293 section 3.5.2; Linux `tcp_send_active_reset` and `tcp_v4_send_reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RstKind {
    /// RST+ACK with a window: the socket's owner aborted it, or closed it with unread data.
    Active,
    /// No ACK flag, sequence number taken from the segment it answers: there is no socket (any more). Never "X reset the connection"
    /// unless X had closed before.
    Reply,
    /// RST+ACK in answer to a SYN.
    Refusal,
}

/// A later act, and the act it answers.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// The act.
    pub act: Act,
    /// The frame of the act it is a reaction to, by ACK or sequence number.
    pub to: At,
}

/// The closing acts of a session in causal order.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    /// The first act that nothing in the capture triggered.
    pub root: Option<Act>,
    /// A second act without a trigger that crossed the root on the wire: both sides closed at once.
    pub crossed: Option<Act>,
    /// Acts of the root's own side that belong to it: the FIN after its close_notify, the RST after its alert.
    pub companions: Vec<Act>,
    /// What the acts above provoked.
    pub reactions: Vec<Reaction>,
}
