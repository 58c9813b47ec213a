//! Moments in which several sessions broke at once.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use crate::base::{At, Endpoint, Side, Span, Time};
use crate::diagnose::beside::Elsewhere;
use crate::diagnose::verdict::{Fault, Verdict};
use crate::session::{Ending, Phase, Session};

/// Sessions broken within this of one another broke together.
const TOGETHER: Span = Span::from_millis(500);
/// A moment stands out if little broke in this long before it.
const BEFORE: Span = Span::from_secs(10);
/// So many sessions make a moment, and so many servers one that has nothing to do with a server.
const SEVERAL: usize = 3;
/// Breaks remembered.
const REMEMBERED: usize = 128;

/// A session that broke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Break {
    id: u64,
    at: Time,
    pub(super) client: IpAddr,
    pub(super) server: Endpoint,
    pub(super) of: Elsewhere,
    pub(super) from: Side,
    /// It was told as its server's end.
    pub(super) died: bool,
}

/// A moment: the sessions that broke in it.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) at: Time,
    /// The server of all of them; `None` where they have several.
    pub(super) server: Option<Endpoint>,
    pub(super) breaks: Vec<Break>,
}

/// The memory of breaks.
#[derive(Debug, Default)]
pub(super) struct Moments {
    recent: VecDeque<Break>,
}

impl Moments {
    /// Notes a session and what is said of it now; the moment it belongs to, if that stands out.
    pub(super) fn learn(&mut self, id: u64, session: &Session, verdict: &Verdict) -> Option<Moment> {
        let mut broke = broke(id, session, verdict)?;
        match self.recent.iter_mut().find(|known| known.id == id) {
            Some(known) => {
                known.died = broke.died;
                broke = *known;
            }
            None => {
                if self.recent.len() >= REMEMBERED {
                    self.recent.pop_front();
                }
                self.recent.push_back(broke);
            }
        }
        self.moment(&broke)
    }

    fn moment(&self, broke: &Break) -> Option<Moment> {
        let off = |known: &Break| known.at.since(broke.at).nanos();
        let together = |known: &&Break| off(known).unsigned_abs() <= TOGETHER.nanos().unsigned_abs();
        let before = |known: &&Break| off(known) < -TOGETHER.nanos() && off(known) >= -BEFORE.nanos();
        // Where nothing older is remembered, it is not known whether this moment stands out.
        if self.recent.len() >= REMEMBERED && !self.recent.iter().any(|known| off(known) < -BEFORE.nanos()) {
            return None;
        }
        let all: Vec<Break> = self.recent.iter().filter(together).copied().collect();
        let servers: BTreeSet<IpAddr> = all.iter().map(|broke| broke.server.ip).collect();
        if servers.len() >= SEVERAL {
            let quiet = self.recent.iter().filter(before).count() * 2 <= all.len();
            return quiet.then_some(Moment { at: broke.at, server: None, breaks: all });
        }
        let of_server = |known: &&Break| known.server == broke.server;
        let here: Vec<Break> = all.into_iter().filter(|known| of_server(&known)).collect();
        let quiet = self.recent.iter().filter(of_server).filter(before).count() * 2 <= here.len();
        let clients: BTreeSet<IpAddr> = here.iter().map(|broke| broke.client).collect();
        // What ends for one client alone may be that client's own.
        let enough = clients.len() > 1 || here.iter().any(|broke| broke.died);
        (here.len() >= SEVERAL && quiet && enough).then_some(Moment { at: broke.at, server: Some(broke.server), breaks: here })
    }
}

impl Moment {
    /// Whether two are the same one.
    pub(super) fn is(&self, server: Option<Endpoint>, at: Time) -> bool {
        self.server == server && self.at.since(at).nanos().unsigned_abs() <= TOGETHER.nanos().unsigned_abs().saturating_mul(2)
    }
}

/// An established session that broke, and not by its client's own will.
fn broke(id: u64, session: &Session, verdict: &Verdict) -> Option<Break> {
    let died = verdict.cause == "server-process-died";
    if session.phase != Phase::Established || (verdict.fault == Fault::None && !died) {
        return None;
    }
    let (at, from): (At, Side) = match session.ending {
        Ending::Fin | Ending::Rst => (session.root()?.at, session.root_side()?),
        Ending::Stall => {
            let (side, lost) = Side::BOTH.into_iter().find_map(|side| Some((side, session.side(side).unanswered?)))?;
            (lost.since, side)
        }
        _ => return None,
    };
    let own =
        from == Side::Client && session.ending != Ending::Stall && session.root_rst(Side::Client).is_none_or(|rst| !rst.from_nowhere());
    if own {
        return None;
    }
    let of = Elsewhere { at, session: session.tcp_stream };
    Some(Break { id, at: at.time, client: session.ends.client.ip, server: session.ends.server, of, from, died })
}
