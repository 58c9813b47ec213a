//! Names of local processes: asked of a helper process, while the sessions live.
//!
//! Who looks into other users' processes needs rights, and must not be confined by Landlock. So a process of its own does it, which keeps two
//! capabilities and nothing else, never sees a packet, and reads nothing but addresses and ports from this one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use super::sockets::holders;
use crate::analyze::Belongs;
use crate::base::{Endpoint, Frame, PerSide, Side};
use crate::decode::{Decoded, Decoder};
use crate::report::Process;
use crate::session::Session;

/// Questions asked at once, and waiting to be: what a pipe takes without anybody reading.
const QUESTIONS: usize = 256;
/// The helper rests so many times as long as it took to answer: on a host with many connections it must not take a processor for itself.
const REST: u32 = 4;
/// Connections whose processes are remembered.
const KNOWN: usize = 65_536;
/// The command that runs the helper.
const COMMAND: &str = "process-names";

/// A local end of a connection: its number, and the end's own address and its peer's.
type Question = (u32, SocketAddr, SocketAddr);

/// The answers to the questions asked at once, in their order, and when they came.
type Answers = (Vec<Option<Process>>, Instant);

/// The helper process.
pub(super) struct Helper {
    child: Child,
    answers: ChildStdout,
    questions: ChildStdin,
}

/// Asks, and remembers.
pub(super) struct Processes {
    child: Child,
    /// Closed, it ends the helper.
    questions: Option<ChildStdin>,
    answers: Receiver<Answers>,
    /// This host's addresses.
    local: Arc<HashSet<IpAddr>>,
    decoder: Decoder,
    /// The first connection not seen yet.
    next: u32,
    waiting: Vec<Question>,
    asked: Vec<Question>,
    /// When they were asked, and until when the helper rests.
    asked_at: Option<Instant>,
    rest_until: Option<Instant>,
    known: HashMap<(u32, SocketAddr), Process>,
    order: VecDeque<(u32, SocketAddr)>,
}

impl Helper {
    /// Starts it, with the rights that this process has yet.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub(super) fn start() -> std::io::Result<Helper> {
        let mut command = Command::new("/proc/self/exe");
        let mut child = command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        };
        Ok(Helper { child, answers, questions })
    }
}

impl Processes {
    /// Begins to ask. This starts a thread, which has the rights that this process has left.
    pub(super) fn of_helper(helper: Helper) -> Processes {
        Processes {
            child: helper.child,
            questions: Some(helper.questions),
            answers: gather(helper.answers),
            local: Arc::default(),
            decoder: Decoder::new(),
            next: 0,
            waiting: Vec::new(),
            asked: Vec::new(),
            asked_at: None,
            rest_until: None,
            known: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// This host's addresses are these now.
    pub(super) fn set_own(&mut self, own: &Arc<HashSet<IpAddr>>) {
        self.local = Arc::clone(own);
    }

    /// Takes a frame. Whoever begins a connection is asked about at once, and the other end when it comes up: not before, for in a flood that
    /// would be asked for nothing.
    pub(super) fn push(&mut self, belongs: Belongs, frame: &Frame<'_>) {
        let Belongs { connection, late, up } = belongs;
        let first = connection >= self.next && !late;
        if !first && !up {
            return;
        }
        self.next = self.next.max(connection.saturating_add(1));
        let Decoded::Tcp(segment) = self.decoder.decode(frame) else { return };
        let (from, to) = (socket(segment.key.source(segment.way)), socket(segment.key.source(segment.way.opposite())));
        for (end, peer, asked) in [(from, to, first), (to, from, up)] {
            if asked && self.local.contains(&end.ip()) && self.waiting.len() < QUESTIONS {
                self.waiting.push((connection, end, peer));
            }
        }
    }

    /// Takes the answers that have come, and asks what waits, unless the helper has worked long enough for `now`.
    pub(super) fn exchange(&mut self, now: Instant) {
        if let Ok((answers, came)) = self.answers.try_recv() {
            self.rest_until = self.asked_at.map(|asked| came + came.saturating_duration_since(asked) * REST);
            for ((connection, end, _), answer) in self.asked.drain(..).zip(answers) {
                let Some(process) = answer else { continue };
                self.known.insert((connection, end), process);
                self.order.push_back((connection, end));
            }
            while self.order.len() > KNOWN {
                self.order.pop_front().map(|oldest| self.known.remove(&oldest));
            }
        }
        if !self.asked.is_empty() || self.waiting.is_empty() || self.rest_until.is_some_and(|until| now < until) {
            return;
        }
        self.asked_at = Some(now);
        self.asked = std::mem::take(&mut self.waiting);
        let mut text = format!("{}\n", self.asked.len());
        for (_, end, peer) in &self.asked {
            text.push_str(&format!("{end} {peer}\n"));
        }
        // If the helper has gone, names are missing, and nothing else.
        if let Some(questions) = &mut self.questions {
            let _ = questions.write_all(text.as_bytes());
        }
    }

    /// The processes on both sides of a session, as far as they are this host's and were found.
    pub(super) fn of(&self, session: &Session) -> Option<PerSide<Option<Process>>> {
        let of = |side: Side| self.known.get(&(session.connection, socket(session.ends[side]))).cloned();
        let both = PerSide { client: of(Side::Client), server: of(Side::Server) };
        (both.client.is_some() || both.server.is_some()).then_some(both)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.wait();
    }
}

fn socket(end: Endpoint) -> SocketAddr {
    SocketAddr::new(end.ip, end.port)
}

/// Reads the helper's answers as they come: a line for each question, empty or `PID NAME`, behind a line with their number.
#[expect(clippy::disallowed_methods, reason = "how long the helper works is not the capture's time")]
fn gather(from: impl std::io::Read + Send + 'static) -> Receiver<Answers> {
    let (send, receive) = sync_channel(1);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from).lines().map_while(Result::ok);
        while let Some(count) = lines.next().and_then(|count| count.parse::<usize>().ok()) {
            let answers: Vec<Option<Process>> = lines.by_ref().take(count).map(|line| answer(&line)).collect();
            if answers.len() < count || send.send((answers, Instant::now())).is_err() {
                return;
            }
        }
    });
    receive
}

fn answer(line: &str) -> Option<Process> {
    let (pid, name) = line.split_once(' ')?;
    Some(Process { pid: pid.parse().ok()?, name: name.to_owned() })
}

/// The helper: gives up all rights but to look into processes, then answers questions until there are no more.
pub(crate) fn answer_questions(out: &mut dyn Write) -> anyhow::Result<()> {
    super::rights::keep_looking_only()?;
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    while let Some(count) = lines.next().and_then(|count| count.parse::<usize>().ok()).filter(|count| *count <= 2 * QUESTIONS) {
        let asked: Vec<(SocketAddr, SocketAddr)> = lines.by_ref().take(count).filter_map(|line| question(&line)).collect();
        let answers = holders(&asked);
        let mut text = format!("{}\n", answers.len());
        for answer in answers {
            match answer {
                Some(Process { pid, name }) => text.push_str(&format!("{pid} {name}\n")),
                None => text.push('\n'),
            }
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn question(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (end, peer) = line.split_once(' ')?;
    Some((end.parse().ok()?, peer.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_are_written() {
        assert_eq!(answer("12 my program"), Some(Process { pid: 12, name: "my program".to_owned() }));
        assert_eq!(answer(""), None);
        let answers = gather(&b"2\n7 a\n\n1\n8 b\n"[..]);
        assert_eq!(answers.recv().unwrap().0.len(), 2);
        assert_eq!(answers.recv().unwrap().0, [answer("8 b")]);
        assert!(answers.recv().is_err());
    }

    #[test]
    fn questions_are_addresses_and_ports() {
        assert!(question("10.0.0.1:443 [::1]:5").is_some());
        assert!(question("10.0.0.1 x").is_none());
    }
}
