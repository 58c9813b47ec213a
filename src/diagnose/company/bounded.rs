//! A map that forgets its oldest keys once it holds too many.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::base::prefetch;

/// A map of at most so many keys: a new one pushes out the one that came first.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    table: HashTable<(K, V)>,
    hasher: RandomState,
    order: VecDeque<K>,
    most: usize,
}

impl<K: Copy + Eq + Hash, V: Default> Bounded<K, V> {
    pub(super) fn new(most: usize) -> Bounded<K, V> {
        Bounded { table: HashTable::new(), hasher: RandomState::default(), order: VecDeque::new(), most: most.max(1) }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.table.find(self.hasher.hash_one(key), |(known, _)| known == key).map(|(_, value)| value)
    }

    /// Has the memory that looking for `key` needs brought into the caches.
    pub(super) fn prefetch(&self, key: &K) {
        self.table.find(self.hasher.hash_one(key), |_| true).into_iter().for_each(prefetch);
    }

    /// The value of `key`, made if it is not there.
    pub(super) fn of(&mut self, key: &K) -> &mut V {
        let hash = |key: &K| self.hasher.hash_one(key);
        let table = match self.table.find_entry(hash(key), |(known, _)| known == key) {
            Ok(known) => return &mut known.into_mut().1,
            Err(absent) => absent.into_table(),
        };
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
            && let Ok(known) = table.find_entry(hash(&oldest), |(known, _)| *known == oldest)
        {
            known.remove();
        }
        self.order.push_back(*key);
        &mut table.insert_unique(hash(key), (*key, V::default()), |(known, _)| hash(known)).into_mut().1
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
