//! Which connections each server still has: where others of it end, that tells whether it lives.

use std::collections::VecDeque;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::table::{Handle, Table};
use crate::base::{Endpoint, Time, Way};
use crate::session::Flow;

/// No list is tidied while it is shorter.
const SHORT: usize = 32;

/// The connections of each address and port, in the order in which they came up. Looking through all connections for those of one server
/// would cost more with each of the others, for every session that this one server ends.
#[derive(Debug, Default)]
pub(super) struct Served {
    servers: HashMap<Endpoint, List, RandomState>,
    /// How many servers there may be before those without a connection are forgotten.
    most: usize,
}

#[derive(Debug, Default)]
struct List {
    handles: VecDeque<Handle>,
    /// How long it may get before what is over is taken out.
    most: usize,
}

impl Served {
    /// A connection came up.
    pub(super) fn add(&mut self, handle: Handle, flows: &Table) {
        let Some(flow) = flows.held(handle) else { return };
        let conn = &flow.conn;
        for way in [Way::AtoB, Way::BtoA] {
            // Where it is not known who is the client, either may be the server.
            if conn.client.is_none_or(|client| client == way) {
                let server = conn.key.destination(way);
                self.servers.entry(server).or_default().add(server, handle, flows);
            }
        }
        if self.servers.len() > self.most {
            self.servers.retain(|server, list| {
                list.tidy(*server, flows);
                !list.handles.is_empty()
            });
            self.most = 2 * self.servers.len() + SHORT;
        }
    }

    /// Whether a connection that `server` accepted before `since` is still followed, and the server has not closed it.
    pub(super) fn any(&self, server: Endpoint, since: Time, flows: &Table) -> bool {
        let Some(list) = self.servers.get(&server) else { return false };
        let up = |handle: &Handle| living(*handle, server, flows)?.conn.established;
        // Those after the first that lives came up later.
        list.handles.iter().find_map(up).is_some_and(|up| up.time < since)
    }
}

impl List {
    fn add(&mut self, server: Endpoint, handle: Handle, flows: &Table) {
        // What came first is over first, as a rule.
        while self.handles.front().is_some_and(|first| living(*first, server, flows).is_none()) {
            self.handles.pop_front();
        }
        if self.handles.len() >= self.most.max(SHORT) {
            self.tidy(server, flows);
        }
        self.handles.push_back(handle);
    }

    /// Leaves those that are still there.
    fn tidy(&mut self, server: Endpoint, flows: &Table) {
        self.handles.retain(|handle| living(*handle, server, flows).is_some());
        self.most = 2 * self.handles.len();
    }
}

/// The connection that `handle` means, if it is still followed and not over, and `server`, which is an end of it, has not closed it.
fn living(handle: Handle, server: Endpoint, flows: &Table) -> Option<&Flow> {
    let flow = flows.held(handle)?;
    let way = if flow.conn.key.source(Way::AtoB) == server { Way::AtoB } else { Way::BtoA };
    (flow.conn.half(way).fin().is_none() && !flow.is_over()).then_some(flow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{At, FlowKey, Limits, Span};

    fn end(port: u16) -> Endpoint {
        Endpoint { ip: "192.0.2.1".parse().unwrap(), port }
    }

    /// A connection from a port to another, which came up at a time.
    fn connect(flows: &mut Table, served: &mut Served, client: u16, server: u16, up: Time) -> Handle {
        let (key, way) = FlowKey::new(end(client), end(server));
        let mut flow = Flow::new(key, None, At::default(), &Limits::default());
        (flow.conn.client, flow.conn.established) = (Some(way), Some(At::new(up, 1, 0)));
        let place = flows.insert(Box::new(flow));
        served.add(flows.handle(place), flows);
        flows.handle(place)
    }

    fn secs(secs: i64) -> Time {
        Time::default().plus(Span::from_secs(secs))
    }

    #[test]
    fn a_server_has_what_came_up_before_and_is_not_over() {
        let (mut flows, mut served) = (Table::default(), Served::default());
        let first = connect(&mut flows, &mut served, 50_000, 443, secs(1));
        connect(&mut flows, &mut served, 50_001, 443, secs(5));
        connect(&mut flows, &mut served, 50_000, 8443, secs(0));
        assert!(!served.any(end(443), secs(1), &flows) && served.any(end(443), secs(2), &flows));
        assert!(!served.any(end(50_000), secs(9), &flows), "a client is no server");
        flows.remove(first);
        assert!(!served.any(end(443), secs(5), &flows) && served.any(end(443), secs(6), &flows));
    }

    #[test]
    fn what_is_over_does_not_pile_up() {
        let (mut flows, mut served) = (Table::default(), Served::default());
        connect(&mut flows, &mut served, 1, 443, secs(0));
        for number in 2..10_000 {
            // One of a busy server, and one of a server that nobody asks again.
            for server in [443, 10_000 + number] {
                let handle = connect(&mut flows, &mut served, number, server, secs(1));
                flows.remove(handle);
            }
        }
        assert!(served.any(end(443), secs(1), &flows));
        let held: usize = served.servers.values().map(|list| list.handles.len()).sum();
        assert!(held < 200, "{held} of one connection");
    }
}
