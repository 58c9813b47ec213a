//! Sessions as a list for people: compact rows, failures that are one incident joined into one, worst first.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::base::{Endpoint, Time, printable};
use crate::diagnose::{Confidence, Fault, Impact, Verdict};
use crate::report::{Class, end_of, sni};
use crate::session::{ClosedBy, Ending, Session};

/// Rows kept of each class. A capture with more is for `--format ndjson`; the table says how many it left out.
const ROWS: usize = 5_000;

/// Session numbers kept of one incident.
const NUMBERS: usize = 64;

/// Longest name and longest sentence kept of a session, in characters.
const NAME: usize = 100;
const SENTENCE: usize = 300;

/// One session, or several that failed alike: the same client, server, name and cause.
#[derive(Clone, Debug)]
pub struct Incident {
    /// How bad it is.
    pub class: Class,
    /// Whose fault.
    pub fault: Fault,
    /// How sure that is, in the surest of its sessions.
    pub confidence: Confidence,
    /// The cause, by slug.
    pub cause: &'static str,
    /// How the first session ended.
    pub ending: Ending,
    /// Who closed it.
    pub closed_by: ClosedBy,
    /// What it cost.
    pub impact: Impact,
    /// The client of the first session; the others share its address.
    pub client: Endpoint,
    /// The server of all.
    pub server: Endpoint,
    /// The name asked for, made printable.
    pub sni: Option<String>,
    /// The surest session's verdict, one sentence, made printable.
    pub summary: String,
    /// How many sessions.
    pub count: u64,
    /// Their numbers, the first few; `None` where a number is unknown.
    pub numbers: Vec<Option<u32>>,
    /// When the first of them ended.
    pub first: Time,
    /// When the last of them ended.
    pub last: Time,
}

/// What makes sessions one incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    client: IpAddr,
    server: Endpoint,
    sni: Option<String>,
    cause: &'static str,
    fault: Fault,
}

/// The list, while it grows. Bounded: see [`Incidents::left_out`].
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    rows: Vec<Incident>,
    index: HashMap<Key, usize>,
    kept: HashMap<Class, usize>,
    left_out: u64,
}

impl Incidents {
    /// Adds a session. Clean sessions are listed one by one; failures alike are joined.
    pub fn add(&mut self, session: &Session, verdict: &Verdict) {
        let class = Class::of(verdict);
        let sni = sni(session).map(|name| printable(&name, NAME));
        let at = end_of(session).time;
        let key = Key {
            client: session.ends.client.ip,
            server: session.ends.server,
            sni: sni.clone(),
            cause: verdict.cause,
            fault: verdict.fault,
        };
        let joined = (class != Class::Clean).then(|| self.index.get(&key)).flatten();
        if let Some(row) = joined.and_then(|&place| self.rows.get_mut(place)) {
            row.join(session, verdict, at);
            return;
        }
        let kept = self.kept.entry(class).or_default();
        if *kept >= ROWS {
            self.left_out += 1;
            return;
        }
        *kept += 1;
        if class != Class::Clean {
            self.index.insert(key, self.rows.len());
        }
        self.rows.push(Incident {
            class,
            fault: verdict.fault,
            confidence: verdict.fault_confidence,
            cause: verdict.cause,
            ending: verdict.ending,
            closed_by: verdict.closed_by,
            impact: verdict.impact,
            client: session.ends.client,
            server: session.ends.server,
            sni,
            summary: printable(&verdict.summary, SENTENCE),
            count: 1,
            numbers: vec![session.tcp_stream],
            first: at,
            last: at,
        });
    }

    /// The rows, worst first: somebody named before undetermined before harmless before clean; then the surer, the costlier, the earlier.
    pub fn sorted(self) -> Vec<Incident> {
        let mut rows = self.rows;
        rows.sort_by(|a, b| {
            let order = |row: &Incident| (row.class, std::cmp::Reverse(row.confidence), cost(row.impact), row.first);
            order(a).cmp(&order(b))
        });
        rows
    }

    /// Sessions that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

impl Incident {
    fn join(&mut self, session: &Session, verdict: &Verdict, at: Time) {
        self.count += 1;
        // Sessions do not come in the order of their ends: the first to end stands for all.
        if at < self.first {
            (self.client, self.ending, self.closed_by) = (session.ends.client, verdict.ending, verdict.closed_by);
            self.numbers.insert(0, session.tcp_stream);
            self.numbers.truncate(NUMBERS);
        } else if self.numbers.len() < NUMBERS {
            self.numbers.push(session.tcp_stream);
        }
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        if verdict.fault_confidence > self.confidence {
            self.confidence = verdict.fault_confidence;
            self.summary = printable(&verdict.summary, SENTENCE);
        }
    }

    /// The number to call it by: that of its first session.
    pub fn number(&self) -> Option<u32> {
        self.numbers.first().copied().flatten()
    }

    /// The server as people know it: by name where one was asked for, with the port unless it is 443.
    pub fn server_name(&self) -> String {
        match &self.sni {
            Some(name) if self.server.port == 443 => name.clone(),
            Some(name) => format!("{name}:{}", self.server.port),
            None => self.server.to_string(),
        }
    }
}

fn cost(impact: Impact) -> u8 {
    match impact {
        Impact::DataLost => 0,
        Impact::SessionFailed => 1,
        Impact::TruncationPossible => 2,
        Impact::Unknown => 3,
        Impact::None => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn list(sessions: impl IntoIterator<Item = (Session, Verdict)>) -> Vec<Incident> {
        let mut incidents = Incidents::default();
        for (session, verdict) in sessions {
            incidents.add(&session, &verdict);
        }
        incidents.sorted()
    }

    #[test]
    fn retries_of_one_failure_are_one_row() {
        let rows = list([sample::refused_hello(4, 0), sample::refused_hello(9, 2_000), sample::refused_hello(12, 4_000)]);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].count, rows[0].number()), (3, Some(4)));
        assert_eq!(rows[0].numbers, [Some(4), Some(9), Some(12)]);
        assert_eq!(rows[0].last.since(rows[0].first).nanos(), 4_000_000_000);
    }

    #[test]
    fn the_first_to_end_stands_for_all_in_whatever_order_they_come() {
        let rows = list([sample::refused_hello(9, 2_000), sample::refused_hello(4, 0), sample::refused_hello(12, 4_000)]);
        assert_eq!((rows[0].number(), rows[0].client.port), (Some(4), 40_004));
    }

    #[test]
    fn another_client_name_or_cause_is_another_incident() {
        let mut client = sample::refused_hello(9, 0);
        client.0.ends.client.ip = "10.0.0.13".parse().unwrap();
        let mut cause = sample::refused_hello(10, 0);
        cause.1.cause = "server-reset-in-handshake";
        let mut name = sample::refused_hello(11, 0);
        name.0.tls.client_hello = None;
        assert_eq!(list([sample::refused_hello(4, 0), client, cause, name]).len(), 4);
    }

    #[test]
    fn clean_sessions_are_not_joined() {
        assert_eq!(list([sample::clean(1), sample::clean(2)]).len(), 2);
    }

    #[test]
    fn worst_comes_first() {
        let mut unsure = sample::refused_hello(5, 0);
        unsure.1.fault = Fault::Undetermined;
        let mut possible = sample::refused_hello(6, 0);
        possible.0.ends.client.ip = "10.0.0.13".parse().unwrap();
        possible.1.fault_confidence = Confidence::Possible;
        let rows = list([sample::clean(1), sample::idle_timeout(), unsure, possible, sample::refused_hello(7, 9_000)]);
        let numbers: Vec<_> = rows.iter().filter_map(Incident::number).collect();
        assert_eq!(numbers, [7, 6, 5, 17, 1]);
    }

    #[test]
    fn rows_are_bounded_and_faults_keep_their_room() {
        let mut incidents = Incidents::default();
        let (session, verdict) = sample::clean(1);
        for _ in 0..ROWS + 3 {
            incidents.add(&session, &verdict);
        }
        let (session, verdict) = sample::refused_hello(2, 0);
        incidents.add(&session, &verdict);
        assert_eq!(incidents.left_out(), 3);
        assert_eq!(incidents.sorted().first().and_then(Incident::number), Some(2));
    }
}
