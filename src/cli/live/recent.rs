//! The numbers of the newest sessions that were asked for: a pattern is told if one of them is among its sessions.

use std::collections::{HashSet, VecDeque};

/// Numbers remembered.
const MOST: usize = 65_536;

/// Session numbers, the newest.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashSet<u32>,
    order: VecDeque<u32>,
}

impl Recent {
    /// Remembers a number, and forgets the oldest one beyond the bound.
    pub(super) fn add(&mut self, number: u32) {
        if self.known.insert(number) {
            self.order.push_back(number);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether one of `numbers` is remembered.
    pub(super) fn any_of(&self, numbers: &[u32]) -> bool {
        numbers.iter().any(|number| self.known.contains(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered() {
        let mut recent = Recent::default();
        for number in 0..=MOST as u32 {
            recent.add(number);
            recent.add(number);
        }
        assert!(!recent.any_of(&[0]) && recent.any_of(&[0, 1]) && recent.any_of(&[MOST as u32]));
        assert_eq!((recent.known.len(), recent.order.len()), (MOST, MOST));
    }
}
