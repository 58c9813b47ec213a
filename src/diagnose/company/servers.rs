//! What is remembered of each server's port: when it spoke, what it ended unannounced, and what it refused.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use crate::base::{Endpoint, Side, Span, Time};
use crate::diagnose::beside::{Elsewhere, Fall, Served};
use crate::diagnose::company::bounded::Bounded;
use crate::diagnose::rules::common;
use crate::session::{ActKind, Ending, Phase, Session};

/// Ends within this are one moment.
pub(super) const MOMENT: Span = Span::from_secs(1);
/// A SYN refused within this after an end is a consequence of what ended it.
const AFTERMATH: Span = Span::from_secs(10);
/// What was on its way when a process died may still arrive.
const IN_FLIGHT: Span = Span::from_millis(100);
/// A connection that came up so soon after shows that the server never went away.
const STILL_THERE: Span = Span::from_secs(1);
/// How many of each kind of event are remembered of a server, and of how many servers.
const EVENTS: usize = 16;
const SERVERS: usize = 2_048;

/// An unannounced end that a server made.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Time,
    client: IpAddr,
}

/// A connection that a server accepted.
#[derive(Clone, Copy, Debug)]
struct Accepted {
    up: Time,
    /// When it last sent something of its own there: new payload, or its close.
    spoke: Time,
}

/// A SYN it refused.
#[derive(Clone, Copy, Debug)]
struct RefusedSyn {
    syn: Time,
    rst: Elsewhere,
    ttl: u8,
}

#[derive(Debug, Default)]
struct Log {
    ends: VecDeque<End>,
    /// The newest to speak.
    accepted: VecDeque<Accepted>,
    refused: VecDeque<RefusedSyn>,
    served: Option<Served>,
}

/// Whether a connection of a server, still followed, came up before a time, with nothing that says the server has closed it.
pub(super) type Alive<'a> = &'a dyn Fn(Endpoint, Time) -> bool;

/// The memory of servers.
#[derive(Debug)]
pub(super) struct Servers {
    logs: Bounded<Endpoint, Log>,
}

impl Servers {
    pub(super) fn new() -> Servers {
        Servers { logs: Bounded::new(SERVERS) }
    }

    /// Notes what a session tells of its server. From when to when sessions ended by it whose verdict that may change; and whether the server
    /// is now known to serve, which may change what is said of refusals.
    pub(super) fn learn(&mut self, session: &Session) -> (Option<(Time, Time)>, bool) {
        let log = self.logs.of(&session.ends.server);
        let (mut changed, mut serves) = (None, false);
        if let Some(rst) = common::refusal(session)
            && let Some(syn) = session.opening.last_syn
        {
            let rst = RefusedSyn { syn: syn.time, rst: Elsewhere { at: rst.at, session: session.tcp_stream }, ttl: rst.ttl };
            keep(&mut log.refused, rst);
            changed = Some((syn.time.plus(Span::from_nanos(-AFTERMATH.nanos())), syn.time));
        }
        let server = session.side(Side::Server);
        if let (Some(up), Some(spoke)) = (session.opening.established.or(session.tls.server_hello_at), server.last_data) {
            let heard = server.fin.map_or(spoke, |fin| fin.at.max(spoke)).time;
            // What it has not closed by the end of the capture it still serves.
            let heard = if session.ending == Ending::Open { session.capture_end } else { heard };
            let accepted = Accepted { up: up.time, spoke: heard };
            let place = log.accepted.partition_point(|known| known.spoke <= accepted.spoke);
            log.accepted.insert(place, accepted);
            if log.accepted.len() > EVENTS {
                log.accepted.pop_front();
            }
            if let Some(ttl) = server.ttl.filter(|_| session.phase == Phase::Established) {
                let first = log.served.is_none();
                let spoke = Elsewhere { at: spoke, session: session.tcp_stream };
                if log.served.is_none_or(|known| known.spoke.at < spoke.at) {
                    log.served = Some(Served { spoke, ttl });
                }
                serves = first;
            }
        }
        if let Some(at) = ended_by_server(session) {
            keep(&mut log.ends, End { at, client: session.ends.client.ip });
            let moment = (at.plus(Span::from_nanos(-MOMENT.nanos())), at.plus(MOMENT));
            changed = Some(changed.map_or(moment, |(from, to): (Time, Time)| (from.min(moment.0), to.max(moment.1))));
        }
        (changed, serves)
    }

    /// Whether the server's other sessions may change what is said of this one: it ended it.
    pub(super) fn concerns(session: &Session) -> bool {
        ended_by_server(session).is_some()
    }

    /// The sign that its server's process ended with this session.
    pub(super) fn fall(&self, session: &Session, alive: Alive<'_>) -> Option<Fall> {
        let end = ended_by_server(session)?;
        let log = self.logs.get(&session.ends.server)?;
        let near = |other: &&End| other.at.since(end).nanos().unsigned_abs() <= MOMENT.nanos().unsigned_abs();
        let together: Vec<&End> = log.ends.iter().filter(near).collect();
        let clients: BTreeSet<IpAddr> = together.iter().map(|end| end.client).collect();
        let fits = |refused: &&RefusedSyn| {
            let after = refused.syn.since(end);
            after >= Span::ZERO && after <= AFTERMATH && session.side(Side::Server).ttl.is_none_or(|ttl| ttl == refused.ttl)
        };
        let refused = log.refused.iter().filter(fits).min_by_key(|refused| refused.syn);
        let until = refused.map_or(end.plus(STILL_THERE), |refused| refused.syn);
        if refused.is_none() && (together.len() < 3 || clients.len() < 2) {
            return None;
        }
        if log.answered_between(end.plus(IN_FLIGHT), until) || alive(session.ends.server, end) {
            return None;
        }
        Some(Fall {
            together: u32::try_from(together.len()).unwrap_or(u32::MAX),
            clients: u32::try_from(clients.len()).unwrap_or(u32::MAX),
            refused: refused.map(|refused| refused.rst),
            refused_after: refused.map_or(Span::ZERO, |refused| refused.syn.since(end)),
        })
    }

    /// A session that this one's server did serve, where this one was refused.
    pub(super) fn served(&self, session: &Session) -> Option<Served> {
        common::refusal(session)?;
        self.logs.get(&session.ends.server)?.served
    }
}

impl Log {
    /// Whether the server spoke on any connection between two times, or may have: only so many are remembered.
    fn answered_between(&self, from: Time, to: Time) -> bool {
        let spoke = |known: &&Accepted| known.spoke > from;
        let forgotten = self.accepted.len() >= EVENTS && self.accepted.iter().all(|known| spoke(&known));
        forgotten || self.accepted.iter().filter(spoke).any(|known| known.up < to)
    }
}

fn keep<T>(list: &mut VecDeque<T>, new: T) {
    if list.len() >= EVENTS {
        list.pop_front();
    }
    list.push_back(new);
}

/// When the server itself ended the session unannounced, after TLS had begun.
fn ended_by_server(session: &Session) -> Option<Time> {
    let root = session.root().filter(|root| root.side == Some(Side::Server) && session.tls.seen)?;
    let own = match &root.what {
        ActKind::Fin => session.ending == Ending::Fin,
        ActKind::Rst(rst) => session.ending == Ending::Rst && rst.fits_sender() && !rst.after_own_close,
        _ => false,
    };
    own.then_some(root.at.time)
}
