//! How ClientHellos fared: what those that failed share, and those that passed do not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::{Endpoint, Side};
use crate::diagnose::beside::{Elsewhere, SmallerHellos};
use crate::diagnose::company::bounded::Bounded;
use crate::session::{Ending, Phase, Session};
use crate::tls::Version;

/// Different hellos remembered of a server or a name, and how many of these.
const SORTS: usize = 12;
const PLACES: usize = 2_048;
/// Failed sessions remembered of each sort, and clients of those that failed and of those that passed.
const NUMBERS: usize = 16;
/// So many must fail, and so many others pass, before what they differ in is said.
const FAILED: u32 = 3;
const PASSED: u32 = 2;

/// What hellos are compared within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Within {
    /// One server: hellos differ in size, version, and in how far away it is.
    Server(Endpoint),
    /// One name, by its hash: its servers differ.
    Name(u64),
}

/// What a hello was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sort {
    server: Endpoint,
    /// It took more than one segment.
    large: bool,
    /// The newest version it offered.
    newest: Version,
    /// TTL of what came back.
    ttl: Option<u8>,
}

#[derive(Clone, Debug)]
struct Fared {
    sort: Sort,
    passed: u32,
    failed: u32,
    passed_at: Option<Elsewhere>,
    failures: Vec<Elsewhere>,
    failed_clients: Vec<IpAddr>,
    passed_clients: Vec<IpAddr>,
}

/// What all that failed have and none that passed has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Mark {
    /// More than one segment.
    Large,
    /// This newest version.
    Version(Version),
    /// This TTL of the server's packets.
    Ttl(u8),
    /// This server.
    Address(Endpoint),
}

/// Failures that share a mark.
#[derive(Clone, Debug)]
pub(super) struct Contrast {
    pub(super) marks: Vec<Mark>,
    pub(super) failed: u32,
    pub(super) passed: u32,
    pub(super) failures: Vec<Elsewhere>,
    pub(super) passed_at: Elsewhere,
    /// The client of all failures, if it is one.
    pub(super) client: Option<IpAddr>,
}

/// The memory of hellos.
#[derive(Debug)]
pub(super) struct Hellos {
    places: Bounded<Within, Vec<Fared>>,
}

impl Hellos {
    pub(super) fn new() -> Hellos {
        Hellos { places: Bounded::new(PLACES) }
    }

    /// Notes how a session's hello fared. What now sets the failures apart where that was, and whether so few of its sort had fared so
    /// that this one may change what is said of others.
    pub(super) fn learn(&mut self, session: &Session, name: Option<u64>) -> Option<(Vec<(Within, Contrast)>, bool)> {
        let (sort, failed) = fared(session)?;
        let at = Elsewhere { at: session.tls.client_hello_at?, session: session.tcp_stream };
        let mut few = false;
        let mut contrasts = Vec::new();
        for within in [Some(Within::Server(sort.server)), name.map(Within::Name)].iter().flatten() {
            let list = self.places.of(within);
            let place = list.iter().position(|known| known.sort == sort).unwrap_or(list.len());
            if place == list.len() && place < SORTS {
                list.push(Fared {
                    sort,
                    passed: 0,
                    failed: 0,
                    passed_at: None,
                    failures: Vec::new(),
                    failed_clients: Vec::new(),
                    passed_clients: Vec::new(),
                });
            }
            let Some(known) = list.get_mut(place) else { continue };
            if failed {
                few |= known.failed < PASSED;
                known.failed = known.failed.saturating_add(1);
                if known.failures.len() < NUMBERS {
                    known.failures.push(at);
                }
                remember(&mut known.failed_clients, session.ends.client.ip);
            } else {
                few |= known.passed < PASSED;
                known.passed = known.passed.saturating_add(1);
                known.passed_at = Some(at);
                remember(&mut known.passed_clients, session.ends.client.ip);
            }
            if let Some(contrast) = contrast(list, *within) {
                contrasts.push((*within, contrast));
            }
        }
        Some((contrasts, few))
    }

    /// That all smaller hellos passed at the session's server, where its own large one did not, and no large one did.
    pub(super) fn smaller(&self, session: &Session) -> Option<SmallerHellos> {
        if session.phase == Phase::Established || session.tls.client_hello_segments < 2 {
            return None;
        }
        let (sort, _) = fared(session).filter(|(_, failed)| *failed)?;
        let list = self.places.get(&Within::Server(sort.server))?;
        let large = || list.iter().filter(|known| known.sort.large);
        let small = || list.iter().filter(|known| !known.sort.large && known.passed > 0);
        // With one client each, the clients may be what differs.
        let client = session.ends.client.ip;
        let several = large().flat_map(|known| &known.failed_clients).any(|other| *other != client);
        if list.len() >= SORTS || large().any(|known| known.passed > 0) {
            return None;
        }
        let passed = small().find(|known| several || known.passed_clients.contains(&client))?.passed_at?;
        let sum = |counts: &mut dyn Iterator<Item = u32>| counts.fold(0, u32::saturating_add);
        let (passes, failures) = (sum(&mut small().map(|known| known.passed)), sum(&mut large().map(|known| known.failed)));
        // What fails now and then would by chance have failed once for a large one.
        let by_chance = passes < PASSED || failures < PASSED || small().any(|known| known.failed > 0);
        (!by_chance).then_some(SmallerHellos { passed, small: passes, large: failures })
    }
}

/// What the failures in a place have in common that sets them apart, if anything does.
fn contrast(list: &[Fared], place: Within) -> Option<Contrast> {
    if list.len() >= SORTS || list.iter().map(|known| known.failed).fold(0, u32::saturating_add) < FAILED {
        return None;
    }
    let failed: Vec<&Fared> = list.iter().filter(|known| known.failed > 0).collect();
    let passed: Vec<&Fared> = list.iter().filter(|known| known.passed > 0).collect();
    let count = |list: &[&Fared], of: fn(&Fared) -> u32| list.iter().map(|known| of(known)).fold(0, u32::saturating_add);
    let (failures, passes) = (count(&failed, |known| known.failed), count(&passed, |known| known.passed));
    if passes < PASSED {
        return None;
    }
    let clients: BTreeSet<IpAddr> = failed.iter().flat_map(|known| known.failed_clients.iter().copied()).collect();
    let one = clients.first().copied().filter(|_| clients.len() == 1);
    // Where all failures are one client's that is not known to have passed, that client may be what sets them apart.
    if one.is_some_and(|client| passed.iter().all(|known| !known.passed_clients.contains(&client))) {
        return None;
    }
    let sample = failed.first()?.sort;
    let mut marks = Vec::new();
    let mut mark = |same: fn(&Sort, &Sort) -> bool, mark: Option<Mark>| {
        let shared = failed.iter().all(|known| same(&known.sort, &sample));
        let set_apart = passed.iter().all(|known| !same(&known.sort, &sample));
        marks.extend(mark.filter(|_| shared && set_apart));
    };
    match place {
        Within::Server(_) => {
            mark(|a, b| a.large == b.large, sample.large.then_some(Mark::Large));
            mark(|a, b| a.newest == b.newest, Some(Mark::Version(sample.newest)));
            mark(|a, b| a.ttl == b.ttl, sample.ttl.map(Mark::Ttl));
        }
        Within::Name(_) => mark(|a, b| a.server == b.server, Some(Mark::Address(sample.server))),
    }
    if marks.is_empty() {
        return None;
    }
    let mut numbers: Vec<Elsewhere> = failed.iter().flat_map(|known| known.failures.iter().copied()).collect();
    numbers.sort_by_key(|failure| failure.at);
    let passed_at = passed.iter().filter_map(|known| known.passed_at).max_by_key(|passed| passed.at)?;
    Some(Contrast { marks, failed: failures, passed: passes, failures: numbers, passed_at, client: one })
}

/// Adds a client that is not there yet; the oldest makes room.
fn remember(clients: &mut Vec<IpAddr>, client: IpAddr) {
    if !clients.contains(&client) {
        if clients.len() >= NUMBERS {
            clients.remove(0);
        }
        clients.push(client);
    }
}

/// What a session's hello was like, and whether it failed: nothing of TLS came back, or nothing got through any more. An answer that says
/// no is an answer.
fn fared(session: &Session) -> Option<(Sort, bool)> {
    let hello = session.tls.client_hello.as_deref()?;
    session.tls.client_hello_at?;
    let failed = match (session.phase, session.ending) {
        (Phase::Established, _) => false,
        (Phase::ClientHello | Phase::Handshake, Ending::Stall) => true,
        (Phase::ClientHello, Ending::Rst | Ending::Fin) => session.root_side() == Some(Side::Server),
        _ => return None,
    };
    let sort = Sort {
        server: session.ends.server,
        large: session.tls.client_hello_segments > 1,
        newest: hello.highest_version(),
        ttl: session.side(Side::Server).ttl,
    };
    // What answers in another protocol compares with nothing.
    (!failed || session.side(Side::Server).plain.is_none()).then_some((sort, failed))
}
