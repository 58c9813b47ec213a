//! The connections being followed, by their endpoints.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::base::{FlowKey, prefetch};
use crate::session::Flow;

/// Connections in numbered places, found by their key.
///
/// What is looked up is the place alone (4 bytes, and one of the hash): the key stands in the connection, which is needed next anyway.
#[derive(Debug, Default)]
pub(super) struct Table {
    hasher: RandomState,
    places: HashTable<u32>,
    flows: Vec<Option<Box<Flow>>>,
    free: Vec<u32>,
    serial: u32,
}

/// A connection that may have gone since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    place: u32,
    serial: u32,
}

impl Table {
    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many places there are, with and without a connection.
    pub(super) fn places(&self) -> usize {
        self.flows.len()
    }

    /// The place of the connection between these endpoints. At `likely` it is looked for first.
    #[inline]
    pub(super) fn find(&self, key: &FlowKey, likely: Option<u32>) -> Option<u32> {
        let flows = &self.flows;
        if likely.is_some_and(|likely| keyed(flows, likely) == Some(key)) {
            return likely;
        }
        self.places.find(self.hasher.hash_one(key), |place| keyed(flows, *place) == Some(key)).copied()
    }

    /// What a connection is found by.
    #[inline]
    pub(super) fn hash(&self, key: &FlowKey) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The place at which it stands if it stands anywhere, almost always: connections themselves are not looked at. What says where it is in
    /// memory is asked for.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<u32> {
        let place = *self.places.find(hash, |_| true)?;
        self.flows.get(place as usize).into_iter().for_each(prefetch);
        Some(place)
    }

    /// The connection at a place.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&Flow> {
        self.flows.get(place as usize)?.as_deref()
    }

    /// The connection at a place.
    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Flow> {
        self.flows.get_mut(place as usize)?.as_deref_mut()
    }

    /// The connection that `handle` means, if it is still there.
    pub(super) fn held(&self, handle: Handle) -> Option<&Flow> {
        self.get(handle.place).filter(|flow| flow.conn.serial == handle.serial)
    }

    /// What finds the connection at `place` again, and no other.
    pub(super) fn handle(&self, place: u32) -> Handle {
        Handle { place, serial: self.get(place).map_or(0, |flow| flow.conn.serial) }
    }

    /// Adds a connection whose key is not in the table; its place.
    pub(super) fn insert(&mut self, mut flow: Box<Flow>) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        flow.conn.serial = self.serial;
        let key = flow.conn.key;
        let place = self.free.pop().unwrap_or_else(|| {
            self.flows.push(None);
            u32::try_from(self.flows.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.flows.get_mut(place as usize) {
            *slot = Some(flow);
        }
        let (flows, hasher) = (&self.flows, &self.hasher);
        self.places.insert_unique(hasher.hash_one(key), place, |place| keyed(flows, *place).map_or(0, |key| hasher.hash_one(key)));
        place
    }

    /// Has the memory that taking a connection out and burying it needs brought into the caches.
    pub(super) fn prefetch(&self, handle: Handle) {
        if let Some(flow) = self.get(handle.place) {
            prefetch(&flow.conn.serial);
            prefetch(&flow.conn.stream);
        }
    }

    /// Takes a connection out, if it is still there.
    pub(super) fn remove(&mut self, handle: Handle) -> Option<Box<Flow>> {
        self.held(handle)?;
        let flow = self.flows.get_mut(handle.place as usize)?.take()?;
        self.free.push(handle.place);
        let key = flow.conn.key;
        if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(key), |place| *place == handle.place) {
            entry.remove();
        }
        Some(flow)
    }

    /// What finds all connections, in no particular order.
    pub(super) fn handles(&self) -> Vec<Handle> {
        let places = self.flows.iter().enumerate().filter(|(_, flow)| flow.is_some());
        places.filter_map(|(place, _)| Some(self.handle(u32::try_from(place).ok()?))).collect()
    }
}

fn keyed(flows: &[Option<Box<Flow>>], place: u32) -> Option<&FlowKey> {
    Some(&flows.get(place as usize)?.as_deref()?.conn.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{At, Endpoint, Limits};

    fn flow(port: u16) -> Box<Flow> {
        let end = |port| Endpoint { ip: "192.0.2.1".parse().unwrap(), port };
        Box::new(Flow::new(FlowKey::new(end(port), end(443)).0, None, At::default(), &Limits::default()))
    }

    #[test]
    fn a_handle_finds_its_connection_and_never_the_next_in_its_place() {
        let mut table = Table::default();
        let places: Vec<u32> = (1000..1100).map(|port| table.insert(flow(port))).collect();
        assert_eq!(table.find(&flow(1007).conn.key, Some(0)), Some(places[7]));
        assert_eq!(table.find(&flow(2000).conn.key, Some(0)), None);
        let handle = table.handle(places[7]);
        assert_eq!(table.remove(handle).unwrap().conn.key, flow(1007).conn.key);
        assert_eq!(table.find(&flow(1007).conn.key, Some(0)), None);
        assert_eq!(table.insert(flow(2000)), places[7], "the place is used again");
        assert!(table.held(handle).is_none() && table.remove(handle).is_none());
        assert_eq!(table.find(&flow(2000).conn.key, Some(0)), Some(places[7]));
        assert_eq!((table.len(), table.handles().len()), (100, 100));
    }
}
