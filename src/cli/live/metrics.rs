//! Counts for Prometheus, served over HTTP by a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::evidence::Counts;
use crate::base::printable;
use crate::diagnose::Verdict;
use crate::report::sni;
use crate::session::Session;

/// Servers counted by name; those that come later are counted together.
const SERVERS: usize = 500;
/// How long one client may take in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request that are looked at.
const REQUEST: usize = 4_096;

/// Where to serve: `9108`, `:9108`, `127.0.0.1:9108`, `[::]:9108`. Without an address it is loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            return Ok(Address(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        text.parse().map(Address).map_err(|_| format!("'{text}' is no ADDRESS:PORT; write 127.0.0.1:9108, or 9108 for this host only"))
    }
}

/// What is told beside the sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    /// Packets taken in.
    pub packets: u64,
    /// Packets lost before.
    pub lost: u64,
    /// Connections being followed.
    pub connections: usize,
    /// How long after its capture the newest packet was looked at, in seconds.
    pub lag: f64,
    /// Lines missing in the log.
    pub missing: u64,
    /// Evidence kept and not kept, where it is kept at all.
    pub evidence: Option<Counts>,
    /// Limits, and how often each was reached.
    pub limits: Vec<(&'static str, u64)>,
}

/// The counts, and the page that shows them.
pub(super) struct Metrics {
    sessions: BTreeMap<(&'static str, &'static str, Arc<str>), u64>,
    servers: BTreeSet<Arc<str>>,
    revisions: u64,
    page: Arc<Mutex<String>>,
}

impl Metrics {
    /// Counts of nothing.
    pub(super) fn new() -> Metrics {
        Metrics { sessions: BTreeMap::new(), servers: BTreeSet::new(), revisions: 0, page: Arc::default() }
    }

    /// Binds the address. This may take a right that is given up later.
    ///
    /// # Errors
    ///
    /// The address is in use, or not this host's.
    pub(super) fn bind(address: Address) -> anyhow::Result<TcpListener> {
        TcpListener::bind(address.0).map_err(|error| anyhow::anyhow!("cannot serve metrics at {}: {error}", address.0))
    }

    /// Begins to serve.
    ///
    /// # Errors
    ///
    /// There can be no more threads.
    pub(super) fn serve(&mut self, listener: TcpListener) -> io::Result<()> {
        let page = Arc::clone(&self.page);
        self.refresh(&Gauges::default());
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            for client in listener.incoming() {
                match client {
                    Ok(client) => _ = answer(client, &page),
                    // Out of descriptors, most likely: not to be asked again at once.
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        })?;
        Ok(())
    }

    /// Counts a session.
    pub(super) fn session(&mut self, session: &Session, verdict: &Verdict) {
        let server = self.server(session);
        *self.sessions.entry((verdict.ending.name(), verdict.fault.name(), server)).or_default() += 1;
    }

    /// Counts a verdict that was changed. The session stays counted as it was: a counter never goes back.
    pub(super) fn revision(&mut self) {
        self.revisions += 1;
    }

    /// The server by name, or else by address; `other` when there are too many.
    fn server(&mut self, session: &Session) -> Arc<str> {
        let name = sni(session).map_or_else(|| session.ends.server.to_string(), |name| printable(&name, 100));
        if let Some(known) = self.servers.get(name.as_str()) {
            return Arc::clone(known);
        }
        if self.servers.len() >= SERVERS {
            return Arc::from("other");
        }
        let name: Arc<str> = Arc::from(name);
        self.servers.insert(Arc::clone(&name));
        name
    }

    /// Brings the page up to date.
    pub(super) fn refresh(&mut self, gauges: &Gauges) {
        let page = self.rendered(gauges);
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = page;
    }

    fn rendered(&self, gauges: &Gauges) -> String {
        let mut page = String::new();
        let mut metric = |name: &str, typ: &str, help: &str, samples: &[(String, f64)]| {
            let _ = writeln!(page, "# HELP whohungup_{name} {help}\n# TYPE whohungup_{name} {typ}");
            for (labels, value) in samples {
                let _ = writeln!(page, "whohungup_{name}{labels} {value}");
            }
        };
        let one = |value: f64| [(String::new(), value)];
        metric("build_info", "gauge", "The version.", &[(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0)]);
        let sessions: Vec<(String, f64)> = self
            .sessions
            .iter()
            .map(|((ending, fault, server), count)| {
                let server = label(server);
                (format!("{{ending=\"{ending}\",fault=\"{fault}\",server=\"{server}\"}}"), *count as f64)
            })
            .collect();
        metric("sessions_total", "counter", "TLS sessions that have ended, as first judged.", &sessions);
        metric("revisions_total", "counter", "Verdicts that later packets changed.", &one(self.revisions as f64));
        metric("open_connections", "gauge", "TCP connections being followed, TLS or not.", &one(gauges.connections as f64));
        metric("packets_total", "counter", "Packets captured.", &one(gauges.packets as f64));
        metric("lost_packets_total", "counter", "Packets lost before they could be captured.", &one(gauges.lost as f64));
        metric("lag_seconds", "gauge", "From the capture of the newest packet to its analysis.", &one(gauges.lag));
        metric("log_lines_missing", "gauge", "Lines that could not be written to the log.", &one(gauges.missing as f64));
        if let Some(Counts { kept, not_kept, crowded_out }) = gauges.evidence {
            metric("evidence_kept_total", "counter", "Sessions whose packets were saved.", &one(kept as f64));
            metric("evidence_not_kept_total", "counter", "Flagged sessions whose packets were not.", &one(not_kept as f64));
            metric(
                "evidence_crowded_out_total",
                "counter",
                "Connections whose packets went early for lack of memory.",
                &one(crowded_out as f64),
            );
        }
        let limits: Vec<(String, f64)> =
            gauges.limits.iter().map(|(name, times)| (format!("{{limit=\"{}\"}}", label(name)), *times as f64)).collect();
        metric("limits_reached_total", "counter", "How often a memory bound was reached.", &limits);
        page
    }
}

/// A label's value, escaped as the exposition format has it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Answers one request. Whoever is slow is left.
#[expect(clippy::disallowed_methods, reason = "how long a client takes is not the capture's time")]
fn answer(mut client: TcpStream, page: &Mutex<String>) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let left = || Some(end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()).ok_or(io::ErrorKind::TimedOut);
    let mut request = Vec::new();
    let mut bytes = [0; 512];
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") && request.len() < REQUEST {
        client.set_read_timeout(Some(left()?))?;
        match client.read(&mut bytes)? {
            0 => break,
            count => request.extend(bytes.iter().take(count)),
        }
    }
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (status, body) = match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => ("200 OK", page.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        (Some(b"GET"), Some(_)) => ("404 Not Found", "There is only /metrics.\n".to_owned()),
        _ => ("400 Bad Request", "There is only GET /metrics.\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let response = [head.as_bytes(), body.as_bytes()].concat();
    let mut rest = response.as_slice();
    while !rest.is_empty() {
        client.set_write_timeout(Some(left()?))?;
        let count = client.write(rest)?;
        rest = rest.get(count..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn loopback_unless_told_otherwise() {
        let address = |text: &str| text.parse::<Address>().map(|address| address.0.to_string());
        assert_eq!(address("9108").as_deref(), Ok("127.0.0.1:9108"));
        assert_eq!(address(":9108").as_deref(), Ok("127.0.0.1:9108"));
        assert_eq!(address("0.0.0.0:9108").as_deref(), Ok("0.0.0.0:9108"));
        assert_eq!(address("[::1]:9108").as_deref(), Ok("[::1]:9108"));
        for text in ["", "host:9108", "127.0.0.1", "99999"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sessions_are_counted_by_ending_fault_and_server() {
        let mut metrics = Metrics::new();
        for _ in 0..2 {
            let (session, verdict) = sample::refused_hello(1, 0);
            metrics.session(&session, &verdict);
        }
        let page = metrics.rendered(&Gauges { limits: vec![("connections", 3)], ..Gauges::default() });
        let name = sni(&sample::refused_hello(1, 0).0).unwrap().into_owned();
        let expected = format!("whohungup_sessions_total{{ending=\"fin\",fault=\"server\",server=\"{name}\"}} 2\n");
        assert!(page.contains(&expected), "{page}");
        assert!(page.contains("whohungup_limits_reached_total{limit=\"connections\"} 3\n"), "{page}");
    }

    #[test]
    fn servers_are_bounded_and_their_names_escaped() {
        let mut metrics = Metrics::new();
        let (mut session, verdict) = sample::refused_hello(1, 0);
        session.tls.client_hello = None;
        for port in 0..2_000 {
            session.ends.server.port = port;
            metrics.session(&session, &verdict);
        }
        assert_eq!(metrics.sessions.len(), SERVERS + 1);
        assert!(metrics.rendered(&Gauges::default()).contains("server=\"other\"} 1500\n"));
        let (session, verdict) = sample::hostile();
        let mut metrics = Metrics::new();
        metrics.session(&session, &verdict);
        let page = metrics.rendered(&Gauges::default());
        assert!(page.lines().all(|line| line.starts_with("# ") || line.starts_with("whohungup_")), "{page}");
        assert_eq!(label("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn whoever_sends_nothing_or_nonsense_does_not_hold_it_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        Metrics::new().serve(listener).unwrap();
        let silent = TcpStream::connect(at).unwrap();
        let asks = |request: &[u8]| {
            let mut client = TcpStream::connect(at).unwrap();
            client.write_all(request).unwrap();
            let mut answer = String::new();
            let _ = client.read_to_string(&mut answer);
            answer.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(asks(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK");
        assert_eq!(asks(b"GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
        assert_eq!(asks(b"POST /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request");
        drop(silent);
    }
}
