//! A map that forgets its oldest keys once it holds too many.

use std::collections::VecDeque;
use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// A map of at most so many keys: a new one pushes out the one that came first.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    map: HashMap<K, V, RandomState>,
    order: VecDeque<K>,
    most: usize,
}

impl<K: Clone + Eq + Hash, V: Default> Bounded<K, V> {
    pub(super) fn new(most: usize) -> Bounded<K, V> {
        Bounded { map: HashMap::default(), order: VecDeque::new(), most: most.max(1) }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    /// The value of `key`, made if it is not there.
    pub(super) fn of(&mut self, key: &K) -> &mut V {
        if !self.map.contains_key(key) {
            if self.order.len() >= self.most
                && let Some(oldest) = self.order.pop_front()
            {
                self.map.remove(&oldest);
            }
            self.order.push_back(key.clone());
        }
        self.map.entry(key.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_goes_first() {
        let mut map: Bounded<u32, u32> = Bounded::new(2);
        for key in [1, 2, 1, 3] {
            *map.of(&key) += 1;
        }
        assert_eq!([1, 2, 3].map(|key| map.get(&key).copied()), [None, Some(1), Some(1)]);
    }
}
