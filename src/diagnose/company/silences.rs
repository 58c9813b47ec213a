//! Sessions that ended after a silence: which of them after the same one.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::base::{At, Endpoint, Side, Span};
use crate::diagnose::beside::{Elsewhere, SameSilence};
use crate::diagnose::company::bounded::Bounded;
use crate::session::{Ending, Phase, Session};

/// A shorter pause is part of an exchange.
const IDLE: Span = Span::from_millis(1_800);
/// Timers repeat to 1 % (and to what a clock's tick and a busy host add).
const SLACK: Span = Span::from_millis(20);
/// So many make a pattern.
pub(super) const SEVERAL: usize = 3;
/// Sessions remembered of a pair of parties, and pairs.
const REMEMBERED: usize = 12;
const PAIRS: usize = 2_048;

/// How a session ended after its silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    /// The next packet met a RST from a socket that had never closed, or no answer at all.
    Lost,
    /// The server closed it.
    Closed,
}

/// Between whom: a box that forgets stands between two; a server's timer is the same for all its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Parties {
    pub(super) client: Option<IpAddr>,
    pub(super) server: Endpoint,
}

/// An end after a silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Silence {
    pub(super) how: How,
    pub(super) long: Span,
    pub(super) end: At,
    /// Who sent what ended it.
    pub(super) from: Side,
    pub(super) session: Option<u32>,
}

impl Silence {
    pub(super) fn elsewhere(&self) -> Elsewhere {
        Elsewhere { at: self.end, session: self.session }
    }
}

/// The memory of silences.
#[derive(Debug)]
pub(super) struct Silences {
    pairs: Bounded<Parties, VecDeque<Silence>>,
}

impl Silences {
    pub(super) fn new() -> Silences {
        Silences { pairs: Bounded::new(PAIRS) }
    }

    /// Notes how a session ended after a silence, if it did.
    pub(super) fn learn(&mut self, session: &Session) -> Option<(Parties, Silence)> {
        let (parties, silence) = silence(session)?;
        let list = self.pairs.of(&parties);
        if list.len() >= REMEMBERED {
            list.pop_front();
        }
        list.push_back(silence);
        Some((parties, silence))
    }

    /// All that ended after the same silence as this one, itself among them, each after the one before it had ended.
    pub(super) fn alike(&self, parties: &Parties, like: &Silence) -> Vec<Silence> {
        let tolerance = (like.long.nanos() / 100).max(SLACK.nanos());
        let same = |other: &&Silence| other.how == like.how && other.long.apart(like.long).nanos() <= tolerance;
        let mut all: Vec<Silence> = self.pairs.get(parties).into_iter().flatten().filter(same).copied().collect();
        all.sort_by_key(|silence| silence.end.time);
        let mut apart: Vec<Silence> = Vec::new();
        for silence in all {
            // Connections that fell silent together break together, whatever breaks them: that is one event. A box's silences may not
            // even overlap: a restart in the middle of them would end them all.
            let enough = match like.how {
                How::Lost => silence.long.nanos(),
                How::Closed => tolerance.saturating_add(1),
            };
            if apart.last().is_none_or(|last| silence.end.time.since(last.end.time).nanos() >= enough) {
                apart.push(silence);
            }
        }
        apart
    }

    /// That others broke after the same silence, where enough did.
    pub(super) fn same(&self, session: &Session) -> Option<SameSilence> {
        let (parties, own) = silence(session).filter(|(_, own)| own.how == How::Lost)?;
        let alike = self.alike(&parties, &own);
        if alike.len() < SEVERAL {
            return None;
        }
        let mut others: Vec<Elsewhere> = alike.iter().filter(|other| other.end != own.end).map(Silence::elsewhere).collect();
        others.reverse();
        others.truncate(SEVERAL);
        Some(SameSilence { sessions: u32::try_from(alike.len()).unwrap_or(u32::MAX), silence: own.long, others })
    }
}

/// The silence a session ended after, how, and between whom.
pub(super) fn silence(session: &Session) -> Option<(Parties, Silence)> {
    if session.phase != Phase::Established {
        return None;
    }
    let ends = session.ends;
    let (how, end, from) = match session.ending {
        Ending::Rst => {
            let (side, rst) = Side::BOTH.into_iter().find_map(|side| Some((side, session.root_rst(side)?)))?;
            match rst.trigger.filter(|_| rst.from_nowhere()) {
                Some(trigger) => (How::Lost, trigger, side.peer()),
                None => (How::Closed, closed_by_server(session)?, Side::Server),
            }
        }
        Ending::Stall => {
            let (side, lost) = Side::BOTH.into_iter().find_map(|side| Some((side, session.side(side).unanswered?)))?;
            (How::Lost, lost.since, side)
        }
        Ending::Fin | Ending::CloseNotify => (How::Closed, closed_by_server(session)?, Side::Server),
        _ => return None,
    };
    let long = session.silence_before(end).filter(|long| *long >= IDLE)?;
    let client = (how == How::Lost).then_some(ends.client.ip);
    Some((Parties { client, server: ends.server }, Silence { how, long, end, from, session: session.tcp_stream }))
}

fn closed_by_server(session: &Session) -> Option<At> {
    let root = session.root().filter(|root| root.side == Some(Side::Server))?;
    // Silent up to the close, that is: not up to an answer with the close right behind it.
    let last = session.side(Side::Server).last_app?;
    (!session.outstanding() && root.at.time.since(last.time) >= IDLE).then_some(root.at)
}
