//! How much the analysis may hold. Every held byte is bounded, per flow and in total; reaching a bound is reported.

/// Bounds on what one analysis holds in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections tracked at once. Beyond it the oldest half-open ones go first, then the longest idle.
    pub connections: usize,
    /// Closed connections whose number is remembered for late packets (`tcp.stream` stays right up to here).
    pub tombstones: usize,
    /// Bytes of out-of-order data held for one direction of one flow.
    pub reorder_flow: usize,
    /// Bytes of out-of-order data held in total.
    pub reorder_total: usize,
    /// Bytes of a handshake message held for one direction of one flow (RFC 8446 allows 2^24; real certificate chains stay far below).
    pub handshake_flow: usize,
    /// Bytes held of one flow's encrypted records while their secrets may still come: those of the handshake, and short ones.
    pub sealed_flow: usize,
    /// Sessions whose secrets are held. Beyond it those that came first go.
    pub secrets: usize,
    /// Events kept of a session's beginning. With both bounds at zero no timeline is kept: only a story needs one.
    pub timeline_head: usize,
    /// Events kept of a session's end.
    pub timeline_tail: usize,
    /// Sessions without a TLS byte that are kept until it is known whether their server speaks TLS elsewhere in the capture.
    pub candidates: usize,
    /// Sessions that are kept, once judged, because later connections may change the verdict.
    pub revisable: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 200_000,
            tombstones: 200_000,
            reorder_flow: 256 * 1024,
            reorder_total: 16 * 1024 * 1024,
            handshake_flow: 64 * 1024,
            sealed_flow: 16 * 1024,
            secrets: 1 << 18,
            timeline_head: 0,
            timeline_tail: 0,
            candidates: 2_048,
            revisable: 1_024,
        }
    }
}
