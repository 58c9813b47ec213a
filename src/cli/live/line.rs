//! A session in one line, for people who watch.

use crate::base::{PerSide, printable};
use crate::diagnose::Verdict;
use crate::report::text::Paint;
use crate::report::{Context, Process, blame, end_of, how, sni};
use crate::session::Session;

/// The processes on both sides, where they are this host's.
pub(super) type Processes = PerSide<Option<Process>>;

/// Room for the longest word on whose fault it was, and how sure that is.
const BLAME: usize = 17;

/// `2026-11-20 14:03:02.114  server, likely  10.0.0.12:51544 → api.example.com  RST by server  server-reset: the server …`
pub(super) fn line(session: &Session, verdict: &Verdict, process: Option<&Processes>, context: &Context, paint: Paint) -> String {
    let at = end_of(session).time;
    let when = format!("{} {}", context.clock.date(at), context.clock.time_of_day_millis(at));
    let blame = format!("{:BLAME$}", blame(verdict.fault, verdict.fault_confidence));
    let server = match sni(session) {
        Some(name) if session.ends.server.port == 443 => printable(&name, 100),
        Some(name) => format!("{}:{}", printable(&name, 100), session.ends.server.port),
        None => session.ends.server.to_string(),
    };
    let named = |process: &Option<Process>| process.as_ref().map_or(String::new(), |Process { pid, name }| format!(" ({name} {pid})"));
    let (client_name, server_name) = process.map_or_else(Default::default, |process| (named(&process.client), named(&process.server)));
    format!(
        "{when}  {}  {}{client_name} → {server}{server_name}  {}  {}: {}",
        paint.fault(verdict.fault, &blame),
        session.ends.client,
        how(verdict.ending, verdict.closed_by),
        verdict.cause,
        printable(&verdict.summary, 300)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn shown((session, verdict): (Session, Verdict)) -> String {
        line(&session, &verdict, None, &sample::context(), Paint::default())
    }

    #[test]
    fn says_when_who_how_and_why() {
        let line = shown(sample::refused_hello(4, 0));
        assert!(line.starts_with("2026-11-20 14:03:"), "{line}");
        for needle in ["  server, ", " → ", "FIN by server  server-closed-in-handshake: "] {
            assert!(line.contains(needle), "{needle}: {line}");
        }
    }

    #[test]
    fn names_the_process_on_this_host() {
        let (session, verdict) = sample::refused_hello(4, 0);
        let process = PerSide { client: Some(Process { pid: 12, name: "curl".to_owned() }), server: None };
        let line = line(&session, &verdict, Some(&process), &sample::context(), Paint::default());
        assert!(line.contains(&format!("{} (curl 12) → ", session.ends.client)), "{line}");
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        let line = shown(sample::hostile());
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
