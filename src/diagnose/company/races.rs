//! Connections that began together: which of them the client used, and which were only opened in case.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::base::{Endpoint, Side, Span, Time};
use crate::diagnose::beside::{Elsewhere, Winner};
use crate::diagnose::company::bounded::Bounded;
use crate::prelude::{State, Story};
use crate::session::{ActKind, Ending, Phase, Session};

/// Connections opened within this belong to one attempt (RFC 8305 section 5 recommends 250 ms between addresses; Go waits 300 ms).
const TOGETHER: Span = Span::from_millis(300);
/// The other IP version is tried no sooner than this after the first (RFC 8305 section 8: at least 100 ms).
const FALLBACK: Span = Span::from_millis(90);
/// … and no later (the longest that common clients wait, with some slack).
const LATEST: Span = Span::from_millis(350);
/// A SYN that an application has given up is not repeated; so long after it the first repetition is due in every system.
const REPEATED_BY: Span = Span::from_millis(3_200);
/// Used connections remembered per client and name, and keys in all.
const REMEMBERED: usize = 4;
const KEYS: usize = 4_096;

/// What makes connections attempts at the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Party {
    /// A client and the name it asks for (its hash).
    Name(IpAddr, u64),
    /// A client and a server's address.
    Address(IpAddr, Endpoint),
    /// A client's hardware address and a server's port, over IPv6 or not.
    Host([u8; 6], u16, bool),
}

/// A connection that was used.
#[derive(Clone, Copy, Debug)]
struct Used {
    began: Elsewhere,
    up: Time,
    /// When it ended; its last packet where it did not.
    over: Time,
}

/// Which IPv4 address a hardware address has; a router has many.
#[derive(Debug, Default)]
enum Owner {
    #[default]
    Unknown,
    One(IpAddr),
    Many,
}

/// The memory of connections that were used.
#[derive(Debug)]
pub(super) struct Races {
    used: Bounded<Party, VecDeque<Used>>,
    hosts: Bounded<[u8; 6], Owner>,
}

impl Races {
    pub(super) fn new() -> Races {
        Races { used: Bounded::new(KEYS), hosts: Bounded::new(KEYS) }
    }

    /// Has the memory that noting a session needs brought into the caches.
    pub(super) fn prefetch(&self, session: &Session, name: Option<u64>) {
        parties(session, name).iter().flatten().for_each(|party| self.used.prefetch(party));
    }

    /// Notes a session that was used. From when to when those that it may have won against would have begun.
    pub(super) fn learn(&mut self, session: &Session, name: Option<u64>) -> Option<(Time, Time)> {
        self.learn_host(session);
        let up = session.opening.established.filter(|_| session.opening.syn.is_some() && was_used(session))?;
        let over = session.root().map_or(session.last, |root| root.at).time;
        let used = Used { began: Elsewhere { at: session.first, session: session.tcp_stream }, up: up.time, over };
        for party in parties(session, name).iter().flatten() {
            let list = self.used.of(party);
            if list.len() >= REMEMBERED {
                list.pop_front();
            }
            list.push_back(used);
        }
        let began = used.began.at.time;
        Some((began.plus(Span::from_nanos(-LATEST.nanos())), began.plus(LATEST)))
    }

    fn learn_host(&mut self, session: &Session) {
        let (Some(mac), ip @ IpAddr::V4(_)) = (session.side(Side::Client).mac, session.ends.client.ip) else { return };
        let owner = self.hosts.of(&mac);
        *owner = match *owner {
            Owner::Unknown => Owner::One(ip),
            Owner::One(known) if known == ip => Owner::One(ip),
            _ => Owner::Many,
        };
    }

    /// The parties among which the connection that won against `session` would be found; none where it was no spare one.
    pub(super) fn rivals(session: &Session, name: Option<u64>) -> Vec<Party> {
        let (client, server) = (session.ends.client.ip, session.ends.server);
        if !is_spare(session) {
            return Vec::new();
        }
        if let Some(name) = name {
            return vec![Party::Name(client, name)];
        }
        let mut parties = Vec::new();
        if session.opening.established.is_some() {
            parties.push(Party::Address(client, server));
        }
        parties.extend(session.side(Side::Client).mac.map(|mac| Party::Host(mac, server.port, !client.is_ipv6())));
        parties
    }

    /// The connection that won against `session`, if it is a spare one.
    pub(super) fn winner(&self, session: &Session, name: Option<u64>) -> Option<Winner> {
        let mut found = None;
        for party in Races::rivals(session, name) {
            let other_family = matches!(party, Party::Host(..));
            if let Party::Host(mac, ..) = party
                && !matches!(self.hosts.get(&mac), Some(Owner::One(_)))
            {
                continue;
            }
            for used in self.used.get(&party).into_iter().flatten() {
                let after = used.began.at.time.since(session.first.time);
                let fits = if other_family { is_fallback(session, used, after) } else { is_race(session, used, after) };
                if !fits || used.began.at == session.first {
                    continue;
                }
                if other_family && found.is_some() {
                    // Two fit, and no name tells which of them it was.
                    return None;
                }
                found = Some(Winner { began: used.began, after, other_family });
            }
            if found.is_some() {
                break;
            }
        }
        found
    }
}

/// The parties a session stands for.
pub(super) fn parties(session: &Session, name: Option<u64>) -> [Option<Party>; 3] {
    let (client, server) = (session.ends.client.ip, session.ends.server);
    let host = session.side(Side::Client).mac.map(|mac| Party::Host(mac, server.port, client.is_ipv6()));
    [Some(Party::Address(client, server)), name.map(|name| Party::Name(client, name)), host]
}

/// Something was asked and answered in it.
fn was_used(session: &Session) -> bool {
    session.phase == Phase::Established && session.side(Side::Client).app_records > 0 && session.side(Side::Server).app_records > 0
}

/// The client opened it, asked nothing, and dropped it without an objection.
fn is_spare(session: &Session) -> bool {
    let client = session.side(Side::Client);
    if client.app_records > 0 || session.opening.syn.is_none() || session.side(Side::Server).cut_record.is_some() {
        return false;
    }
    // What a proxy or a server refused before TLS was meant to be used.
    if session.prelude.as_deref().and_then(Story::talk).is_some_and(|talk| matches!(talk.state, State::Refused { .. })) {
        return false;
    }
    match session.ending {
        Ending::Fin | Ending::Rst => {
            session.root_side() == Some(Side::Client) && session.root_rst(Side::Client).is_none_or(|rst| rst.misfits().is_empty())
        }
        Ending::NoConnection => true,
        _ => false,
    }
}

/// Both began together, the one while the other was there, and the spare one was dropped once the other was up.
fn is_race(session: &Session, used: &Used, after: Span) -> bool {
    let dropped = session.root().map_or(session.last, |root| root.at);
    after.nanos().unsigned_abs() <= TOGETHER.nanos().unsigned_abs() && dropped.time >= used.up && session.first.time <= used.over
}

/// The other IP version was tried when this one did not answer, and this one was given up when that one was up: by a RST to a late answer,
/// or by a SYN that was not repeated when it should have been.
fn is_fallback(session: &Session, used: &Used, after: Span) -> bool {
    let Some(last_syn) = session.opening.last_syn else { return false };
    let refused = session.root().filter(|root| root.side == Some(Side::Server) && matches!(root.what, ActKind::Rst(_)));
    if let Some(refused) = refused {
        // A refusal is answered by the other version at once.
        let next = used.began.at.time.since(refused.at.time);
        return next >= Span::ZERO && next < FALLBACK && session.capture_end > used.up;
    }
    let waited = after >= FALLBACK && after <= LATEST;
    let given_up = match session.root_side() {
        Some(Side::Client) if session.opening.syn_ack.is_some() => session.root().is_some_and(|root| root.at.time >= used.up),
        _ => session.opening.syn_ack.is_none() && session.capture_end.since(last_syn.time) > REPEATED_BY,
    };
    waited && given_up && session.opening.syns == 1
}
