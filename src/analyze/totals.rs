//! Counts over the whole capture.

use std::collections::BTreeMap;

use crate::base::Time;
use crate::decode::Skip;

/// Counts over the whole capture.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Frames read.
    pub frames: u64,
    /// TCP connections, TLS or not.
    pub tcp_connections: u64,
    /// TLS sessions, and those that were meant to be.
    pub sessions: u64,
    /// Sessions of which a key log had secrets.
    pub keyed: u64,
    /// Of these: those of which some record was decrypted.
    pub decrypted: u64,
    /// TCP connections without TLS, left out.
    pub plain_connections: u64,
    /// Frames that held nothing to analyse, by reason.
    pub skipped: BTreeMap<Skip, u64>,
    /// QUIC packets: not analysed.
    pub quic: u64,
    /// DTLS packets: not analysed.
    pub dtls: u64,
    /// Other UDP datagrams.
    pub udp_other: u64,
    /// ICMP errors about TCP.
    pub icmp_errors: u64,
    /// Segments with wrong checksums that were left out.
    pub bad_checksums: u64,
    /// Packets captured twice.
    pub duplicates: u64,
    /// Packets that the capture itself says it lost.
    pub kernel_drops: u64,
    /// First and last capture time.
    pub first: Option<Time>,
    /// See `first`.
    pub last: Option<Time>,
    /// Bounds that were reached, and how often.
    pub limits_reached: Vec<(&'static str, u64)>,
}
