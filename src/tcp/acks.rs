//! What an acknowledgement tells of the stream it acknowledges.

use crate::base::At;
use crate::decode::Segment;
use crate::tcp::half::{Half, Recent, distance};

/// A bare or first ACK further ahead than any flight is long tells nothing.
pub(super) const FARTHEST_CLAIM: i64 = 1 << 22;
/// A jump ahead of more than this is no hole but nonsense (or another connection's packet).
pub(super) const FARTHEST: i64 = 1 << 30;

/// Takes note of an acknowledgement; true if it covers bytes that were not covered before.
pub(super) fn acknowledge(half: &mut Half, peer: &mut Half, segment: &Segment<'_>) -> bool {
    let ack = segment.ack;
    if segment.options.sack.is_some_and(|(left, _)| distance(left, ack) > 0) {
        peer.rare().repeated.sacked = true;
        peer.repeating = true;
    }
    let before = half.acked();
    if before.is_some_and(|acked| distance(ack, acked) <= 0) {
        return false;
    }
    let first = before.is_none();
    half.set_acked(ack);
    // Of a stream joined later the first acknowledgement only tells where it stands, and one of an older connection tells nothing.
    let farthest = if !first {
        FARTHEST
    } else if peer.syn_seen {
        FARTHEST_CLAIM
    } else {
        0
    };
    if (1..farthest).contains(&distance(ack, peer.max)) {
        // The receiver has bytes the capture has not: they were sent all the same.
        peer.max = ack;
    }
    if first {
        note_whole(peer, ack);
    } else {
        progress(peer, segment);
    }
    !first
}

/// Takes note of an acknowledgement that covers more than the one before it.
#[inline(always)]
pub(super) fn progress(peer: &mut Half, segment: &Segment<'_>) {
    if distance(segment.ack, peer.max) >= 0 {
        peer.all_acked();
    } else {
        progress_in_part(peer, segment.ack, segment.at);
    }
}

/// The same, where it leaves something unacknowledged.
fn progress_in_part(peer: &mut Half, ack: u32, at: At) {
    note_whole(peer, ack);
    let since = peer.recent().find(|sent| sent.len > 0 && distance(sent.seq.wrapping_add(sent.len), ack) > 0).map(Recent::at);
    peer.since = since.unwrap_or(at);
    peer.forget_repeated();
}

/// Takes note of the newest segments that `ack` covers whole.
fn note_whole(peer: &mut Half, ack: u32) {
    let whole = peer.recent().filter(|sent| distance(ack, sent.seq.wrapping_add(sent.len)) >= 0).map(|sent| sent.len).max();
    peer.largest_acked = peer.largest_acked.max(u16::try_from(whole.unwrap_or(0)).unwrap_or(u16::MAX));
}
