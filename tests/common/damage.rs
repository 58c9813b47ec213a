//! What captures suffer: packets that were not captured, bytes that were cut off, a beginning or an end that is missing, disorder.

use std::collections::{HashMap, HashSet};

use super::packet::{Direction, parse, reverse};
use super::{Owned, Random};

/// Frames of at most this length carry no data to speak of.
const BARE: u32 = 70;

/// A way to damage a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// So many in a hundred packets are missing.
    Lost(usize),
    /// So many in a hundred packets with data are missing, and none without.
    DataLost(usize),
    /// So many in a hundred packets without data are missing, and none with.
    AcksLost(usize),
    /// Only one direction was captured: the one that goes to the higher port, as a server's packets do, or the other.
    OneDirection { from_server: bool },
    /// Only so many bytes of each packet were kept.
    Cut(usize),
    /// The first packets of each connection came before the capture began.
    Joined(usize),
    /// Of each connection only so many packets are there, its last ones.
    OnlyLast(usize),
    /// The last packets of each connection came after the capture ended.
    WithoutLast(usize),
    /// Packets stand up to so many places later than they came; they keep their times.
    Shuffled(usize),
}

impl Damage {
    /// What is left of the frames.
    pub fn applied(self, frames: &[Owned], random: &mut Random) -> Vec<Owned> {
        let kept = |keep: &mut dyn FnMut(usize, &Owned) -> bool| -> Vec<Owned> {
            frames.iter().enumerate().filter(|(i, frame)| keep(*i, frame)).map(|(_, frame)| frame.clone()).collect()
        };
        match self {
            Damage::Lost(share) => kept(&mut |_, _| random.below(100) >= share),
            Damage::DataLost(share) => kept(&mut |_, frame| frame.wire_len <= BARE || random.below(100) >= share),
            Damage::AcksLost(share) => kept(&mut |_, frame| frame.wire_len > BARE || random.below(100) >= share),
            Damage::OneDirection { from_server } => {
                kept(&mut |_, frame| direction(frame).is_some_and(|(_, source, _, destination)| (source < destination) == from_server))
            }
            Damage::Cut(len) => {
                frames.iter().map(|frame| Owned { data: frame.data.iter().take(len).copied().collect(), ..frame.clone() }).collect()
            }
            Damage::Joined(first) => {
                let gone = of_each(frames, |places| places.get(..first).unwrap_or(places));
                kept(&mut |i, _| !gone.contains(&i))
            }
            Damage::OnlyLast(last) => {
                let gone = of_each(frames, |places| &places[..places.len().saturating_sub(last)]);
                kept(&mut |i, _| !gone.contains(&i))
            }
            Damage::WithoutLast(last) => {
                let gone = of_each(frames, |places| &places[places.len().saturating_sub(last)..]);
                kept(&mut |i, _| !gone.contains(&i))
            }
            Damage::Shuffled(places) => {
                let mut order: Vec<(usize, usize)> = (0..frames.len()).map(|i| (i + random.below(places + 1), i)).collect();
                order.sort_unstable();
                order.into_iter().map(|(_, i)| frames[i].clone()).collect()
            }
        }
    }
}

fn direction(frame: &Owned) -> Option<Direction> {
    parse(frame).tcp().map(|packet| packet.direction())
}

/// The places of those of each connection's frames that `pick` picks.
fn of_each(frames: &[Owned], pick: impl Fn(&[usize]) -> &[usize]) -> HashSet<usize> {
    let mut flows: HashMap<Direction, Vec<usize>> = HashMap::new();
    for (i, frame) in frames.iter().enumerate() {
        if let Some(direction) = direction(frame) {
            flows.entry(direction.min(reverse(direction))).or_default().push(i);
        }
    }
    flows.values().flat_map(|places| pick(places)).copied().collect()
}
