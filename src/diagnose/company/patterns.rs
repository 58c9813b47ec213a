//! Patterns as they are found: each told when it is recognised, when its fault changes, and once more in the end if it has grown.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::base::{Endpoint, Side, Span, Time, printable};
use crate::diagnose::beside::Elsewhere;
use crate::diagnose::company::hellos::{Contrast, Mark, Within};
use crate::diagnose::company::moments::Moment;
use crate::diagnose::company::silences::{How, Parties, Silence};
use crate::diagnose::pattern::{Pattern, PatternKind};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Citation, Confidence, Fault, Text};
use crate::session::Session;

/// Patterns told of one capture.
const MOST: usize = 256;
/// Session numbers kept of a pattern, and frames cited.
const NUMBERS: usize = 64;
const CITED: usize = 6;

/// What makes a pattern the same as one told before.
#[derive(Clone, Debug)]
enum Key {
    Silence(Parties, How, Span),
    Moment(Option<Endpoint>, Time),
    Contrast(Within),
}

#[derive(Debug)]
struct Known {
    key: Key,
    pattern: Pattern,
    /// It has changed since it was told.
    changed: bool,
}

/// The patterns found so far.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    known: Vec<Known>,
    news: Vec<Pattern>,
}

impl Patterns {
    /// What is new since the last call.
    pub(super) fn take_news(&mut self) -> Vec<Pattern> {
        std::mem::take(&mut self.news)
    }

    /// Tells those again that have grown since they were told.
    pub(super) fn part(&mut self) {
        for known in self.known.iter_mut().filter(|known| known.changed) {
            known.changed = false;
            self.news.push(known.pattern.clone());
        }
    }

    /// Takes what was found: a new pattern is told, a known one grows.
    fn note(&mut self, known: Option<usize>, key: Key, mut found: Pattern) {
        let room = self.known.len() < MOST;
        match known.and_then(|place| self.known.get_mut(place)) {
            Some(known) => {
                // What was forgotten meanwhile still counts.
                found.number = known.pattern.number;
                found.first = found.first.min(known.pattern.first);
                found.last = found.last.max(known.pattern.last);
                let new = found.sessions.iter().filter(|number| !known.pattern.sessions.contains(number));
                let new: Vec<u32> = new.copied().collect();
                found.count = found.count.max(known.pattern.count.saturating_add(u32::try_from(new.len()).unwrap_or(0)));
                found.sessions = known.pattern.sessions.iter().copied().chain(new).take(NUMBERS).collect();
                known.changed |= (found.count, &found.summary) != (known.pattern.count, &known.pattern.summary);
                if found.fault != known.pattern.fault {
                    known.changed = false;
                    self.news.push(found.clone());
                }
                known.pattern = found;
            }
            None if room => {
                found.number = u32::try_from(self.known.len() + 1).unwrap_or(u32::MAX);
                self.news.push(found.clone());
                self.known.push(Known { key, changed: false, pattern: found });
            }
            None => {}
        }
    }

    /// Sessions that ended after the same silence.
    pub(super) fn silence(&mut self, parties: &Parties, alike: &[Silence]) {
        let Some(newest) = alike.last() else { return };
        let known = self.known.iter().position(|known| match &known.key {
            Key::Silence(of, how, long) => {
                of == parties && *how == newest.how && long.apart(newest.long).nanos() <= long.nanos() / 50 + 40_000_000
            }
            _ => false,
        });
        let count = alike.len();
        let grown = known.and_then(|place| self.known.get(place)).map_or(0, |known| known.pattern.count as usize);
        let (server, long) = (parties.server, tell::span(newest.long));
        let many = count.max(grown);
        let (kind, fault, confidence, summary, advice) = match newest.how {
            How::Lost => (
                PatternKind::LostAfterSilence,
                Fault::Proxy,
                Confidence::Likely,
                format!(
                    "connections to {server} were lost after the same silence of {long}: a box on the way forgets what is idle so long"
                ),
                vec![
                    format!("Keep idle connections alive, or close them in the pool, before {long} (SO_KEEPALIVE, TCP_KEEPIDLE)."),
                    "Look for that timer on the firewalls, NATs and load balancers on the way.".to_owned(),
                ],
            ),
            How::Closed => (
                PatternKind::ClosedAfterSilence,
                Fault::None,
                Confidence::Likely,
                format!(
                    "{server} closed idle connections after the same silence of {long}: its idle timer, or that of what stands at its address"
                ),
                vec![format!("Let clients give up idle connections before {long}.")],
            ),
        };
        let what = format!("{long} after the last data");
        let found = Pattern {
            number: 0,
            kind,
            client: parties.client,
            server: Some(server),
            sni: None,
            count: u32::try_from(many).unwrap_or(u32::MAX),
            sessions: numbers(alike.iter().map(Silence::elsewhere)),
            first: alike.first().map_or(newest.end.time, |first| first.end.time),
            last: newest.end.time,
            silence: Some(newest.long),
            fault,
            confidence,
            summary,
            evidence: cite(alike.iter().rev().map(|silence| (silence.elsewhere(), silence.from)), what),
            advice,
        };
        self.note(known, Key::Silence(*parties, newest.how, newest.long), found);
    }

    /// Sessions that broke in the same moment.
    pub(super) fn moment(&mut self, moment: &Moment) {
        let known = self.known.iter().position(|known| matches!(known.key, Key::Moment(server, at) if moment.is(server, at)));
        let breaks = &moment.breaks;
        let clients: BTreeSet<IpAddr> = breaks.iter().map(|broke| broke.client).collect();
        let servers: BTreeSet<Endpoint> = breaks.iter().map(|broke| broke.server).collect();
        let times = || breaks.iter().map(|broke| broke.of.at.time);
        let (first, last) = (times().min().unwrap_or(moment.at), times().max().unwrap_or(moment.at));
        let within = tell::span(Span::from_nanos(last.since(first).nanos().max(1_000_000)));
        let died = breaks.iter().any(|broke| broke.died);
        let (fault, confidence, summary, advice) = match moment.server {
            Some(server) if died => (
                Fault::Server,
                Confidence::Likely,
                format!("sessions with {server} broke off together within {within}, and it seems that its process had ended"),
                format!("Look into the system log of {} at {}.", server.ip, tell::clock(first_at(breaks, first))),
            ),
            Some(server) => (
                Fault::Undetermined,
                Confidence::Possible,
                format!(
                    "sessions of several clients with {server} broke off together within {within}: a restart, a failover, or a box in front of it"
                ),
                format!("Look what happened at {} to {} and to what stands before it.", tell::clock(first_at(breaks, first)), server.ip),
            ),
            None => (
                Fault::Undetermined,
                Confidence::Possible,
                format!(
                    "sessions with {} servers broke off together within {within}: what they share is the way or the client's network, not a server",
                    servers.len()
                ),
                format!(
                    "Look what happened at {} to the firewall, NAT, VPN or link that they have in common.",
                    tell::clock(first_at(breaks, first))
                ),
            ),
        };
        let found = Pattern {
            number: 0,
            kind: PatternKind::EndedTogether,
            client: clients.first().copied().filter(|_| clients.len() == 1),
            server: moment.server,
            sni: None,
            count: u32::try_from(breaks.len()).unwrap_or(u32::MAX),
            sessions: numbers(breaks.iter().map(|broke| broke.of)),
            first,
            last,
            silence: None,
            fault,
            confidence,
            summary,
            evidence: cite(breaks.iter().map(|broke| (broke.of, broke.from)), "the session breaks off"),
            advice: vec![advice],
        };
        self.note(known, Key::Moment(moment.server, moment.at), found);
    }

    /// Failures that share what no success has.
    pub(super) fn contrast(&mut self, within: Within, session: &Session, contrast: &Contrast) {
        let known = self.known.iter().position(|known| matches!(known.key, Key::Contrast(of) if of == within));
        let Some(&first_mark) = contrast.marks.first() else { return };
        let (kind, advice) = match first_mark {
            Mark::Large => (
                PatternKind::LargeHellos,
                "Try a smaller hello (openssl s_client -groups X25519): if it passes, a box or the server cannot take a hello in two segments.",
            ),
            Mark::Version(_) => (
                PatternKind::OneVersion,
                "Compare with that version switched off at the client: a server or a box that cannot stand it should be updated.",
            ),
            Mark::Ttl(_) => (
                PatternKind::OneDistance,
                "Several machines answer at this address, or over several paths: find the one at that distance (traceroute, the load balancer's pool).",
            ),
            Mark::Address(_) => (
                PatternKind::OneAddress,
                "Take that address out of the name's records or the pool until it is repaired; compare its configuration with the others'.",
            ),
        };
        let (server, sni, whom) = match within {
            Within::Server(server) => (Some(server), None, server.to_string()),
            Within::Name(_) => {
                let name = session.sni().unwrap_or_default();
                let server = contrast.marks.iter().find_map(|mark| if let Mark::Address(server) = mark { Some(*server) } else { None });
                let whom = printable(&name, 100);
                (server, Some(name), whom)
            }
        };
        let marks: Vec<String> = contrast.marks.iter().map(mark).collect();
        let found = Pattern {
            number: 0,
            kind,
            client: contrast.client,
            server,
            sni,
            count: contrast.failed,
            sessions: numbers(contrast.failures.iter().copied()),
            first: contrast.failures.first().map_or(contrast.passed_at.at.time, |failure| failure.at.time),
            last: contrast.failures.last().map_or(contrast.passed_at.at.time, |failure| failure.at.time),
            silence: None,
            fault: Fault::Undetermined,
            confidence: Confidence::Possible,
            summary: format!(
                "ClientHellos for {whom} fail only where they {}; {} that do not were answered",
                marks.join(" and "),
                contrast.passed
            ),
            evidence: {
                let mut cited = cite(contrast.failures.iter().rev().map(|failure| (*failure, Side::Client)), "ClientHello that failed");
                cited.extend(contrast.passed_at.saw(Side::Client, "ClientHello that was answered"));
                cited.sort_by_key(|cited| (cited.at.file, cited.at.frame));
                cited
            },
            advice: vec![advice.to_owned()],
        };
        self.note(known, Key::Contrast(within), found);
    }
}

fn mark(mark: &Mark) -> String {
    match mark {
        Mark::Large => "take more than one segment".to_owned(),
        Mark::Version(version) => format!("offer {version} as their newest version"),
        Mark::Ttl(ttl) => format!("meet a server from which packets come with TTL {ttl}"),
        Mark::Address(server) => format!("go to {server}"),
    }
}

fn numbers(sessions: impl Iterator<Item = Elsewhere>) -> Vec<u32> {
    let mut numbers: Vec<u32> = sessions.filter_map(|session| session.session).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.truncate(NUMBERS);
    numbers
}

/// The newest few frames, in their order.
fn cite(frames: impl Iterator<Item = (Elsewhere, Side)>, what: impl Into<Text>) -> Vec<Citation> {
    let what = what.into();
    let mut cited: Vec<Citation> = frames.filter_map(|(frame, from)| frame.saw(from, what.clone())).take(CITED).collect();
    cited.sort_by_key(|cited| (cited.at.file, cited.at.frame));
    cited
}

fn first_at(breaks: &[crate::diagnose::company::moments::Break], first: Time) -> crate::base::At {
    breaks.iter().map(|broke| broke.of.at).find(|at| at.time == first).unwrap_or_default()
}
