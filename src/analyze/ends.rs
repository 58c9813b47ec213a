//! Connections that are over: their sessions, judged and told.

use std::sync::Arc;

use super::ahead::prefetch_ends;
use super::{Analyzer, Finished, SERVERS, given, held};
use crate::base::{Endpoint, Time};
use crate::diagnose::{Beside, Told, Verdict};
use crate::session::{Cap, Ending, Flow, Grounds, Session, Surroundings};

impl Analyzer {
    /// Reports connections: first all are brought to their end, then all are judged, then they meet each other, so that each of these finds its
    /// code in the caches.
    #[expect(clippy::vec_box, reason = "moved as they are: flows are large")]
    pub(super) fn report_all(&mut self, flows: Vec<Box<Flow>>) {
        let mut flows = flows.into_iter();
        let mut ended = Vec::with_capacity(flows.len());
        while let Some(flow) = flows.next() {
            prefetch_ends(flows.as_slice());
            if let Some(flow) = flows.as_slice().get(1) {
                self.streams.prefetch(&flow.conn.key);
            }
            if let Some(tls) = &flow.reading.tls {
                tls.prefetch_texts();
            }
            let (session, speaks_tls) = self.end(flow, false);
            ended.push((session, speaks_tls));
        }
        let alone: Vec<Option<Box<Verdict>>> = ended.iter_mut().map(|(session, _)| self.judge_alone(session)).collect();
        let mut ended = ended.into_iter().zip(alone).peekable();
        while let Some(((session, speaks_tls), alone)) = ended.next() {
            if let Some(((next, _), _)) = ended.peek() {
                self.company.prefetch(next);
            }
            self.tell(session, speaks_tls, alone);
        }
    }

    pub(super) fn report(&mut self, flow: Box<Flow>, replaced: bool) {
        let (session, speaks_tls) = self.end(flow, replaced);
        self.tell(session, speaks_tls, None);
    }

    /// The verdict on a session of which others, most likely, will tell nothing.
    fn judge_alone(&self, session: &mut Arc<Session>) -> Option<Box<Verdict>> {
        // What is known of a server stays known.
        let likely = session.ending == Ending::CloseNotify && self.servers.contains(&session.ends.server);
        let session = Arc::get_mut(session).filter(|_| likely)?;
        session.grounds.server_speaks_tls = true;
        Some(self.options.judge(session, &Beside::default()))
    }

    /// Ends a connection: its session, and whether there was TLS in it.
    fn end(&mut self, mut flow: Box<Flow>, replaced: bool) -> (Arc<Session>, bool) {
        let given = given(&self.options.limits, &self.secrets, self.held);
        self.held = self.held.saturating_sub(held(&flow, given));
        flow.close_holes(self.end, given);
        self.streams.bury(&flow.conn.key, flow.conn.stream, flow.conn.bases());
        let grounds = Grounds {
            end: self.end,
            replaced,
            kernel_drops: self.lossy_until.is_some_and(|until| flow.conn.first.time <= until),
            server_speaks_tls: false,
        };
        let surroundings = Surroundings { grounds, is_tls_port: &|port| self.options.is_tls_port(port) };
        let speaks_tls = flow.speaks_tls();
        (flow.finish(&surroundings), speaks_tls)
    }

    /// Judges an ended session, now or when it is known whether its server speaks TLS. `alone`: the verdict if others tell nothing of it.
    pub(super) fn tell(&mut self, session: Arc<Session>, speaks_tls: bool, alone: Option<Box<Verdict>>) {
        let expected = self.options.is_tls_port(session.ends.server.port) && session.ends.client.port != session.ends.server.port;
        self.totals.bad_checksums += u64::from(session.sides.client.bad_checksums) + u64::from(session.sides.server.bad_checksums);
        self.totals.duplicates += u64::from(session.sides.client.duplicates) + u64::from(session.sides.server.duplicates);
        if speaks_tls {
            // A port on which TLS came only behind a request for it is not a TLS port: it speaks both.
            let by_itself = session.tls.client_hello_at.is_some() && session.prelude.is_none() && !session.capped(Cap::MidStream);
            if session.tls.seen && by_itself && self.servers.len() < SERVERS {
                self.servers.insert(session.ends.server);
            }
            self.emit(session, alone);
        } else if expected {
            self.emit(session, alone);
        } else if self.candidates.len() < self.options.limits.candidates {
            self.candidates.push(session);
        } else if self.servers.contains(&session.ends.server) {
            self.emit(session, alone);
        } else {
            self.totals.plain_connections += 1;
            // Who keeps none on purpose lacks no room.
            self.dropped_candidates += u64::from(self.options.limits.candidates > 0);
        }
    }

    pub(super) fn emit(&mut self, mut session: Arc<Session>, alone: Option<Box<Verdict>>) {
        self.totals.sessions += 1;
        self.totals.keyed += u64::from(session.tls.decryption.keyed);
        self.totals.decrypted += u64::from(session.tls.decryption.opened > 0);
        let server_speaks_tls = self.servers.contains(&session.ends.server);
        // Nobody else has it yet.
        if let Some(session) = Arc::get_mut(&mut session) {
            session.grounds.server_speaks_tls = server_speaks_tls;
        }
        let (flows, served) = (&self.flows, &self.served);
        let alive = |server: Endpoint, since: Time| served.any(server, since, flows);
        let options = &self.options;
        let judge = |session: &Session, beside: &Beside| options.judge(session, beside);
        let Told { id, verdict, beside, open } = self.company.meet(&session, alone, &judge, &alive);
        self.finished.push_back(Finished { session, verdict, beside, id, open });
    }
}
