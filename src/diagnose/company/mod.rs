//! The sessions of a capture in each other's company: what one tells of another, and whose verdict that changes.
//!
//! Bounded, and in one pass: of most sessions a few words are remembered, of those whose verdict later ones may change the session itself.

mod bounded;
mod hellos;
mod keys;
mod moments;
mod patterns;
mod races;
mod servers;
mod silences;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::{Endpoint, Side, Time};
use crate::diagnose::beside::Beside;
use crate::diagnose::company::hellos::Hellos;
use crate::diagnose::company::keys::Keys;
use crate::diagnose::company::moments::Moments;
use crate::diagnose::company::patterns::Patterns;
use crate::diagnose::company::races::{Party, Races};
use crate::diagnose::company::servers::{Alive, Servers};
use crate::diagnose::company::silences::{How, Parties, Silences};
use crate::diagnose::pattern::Pattern;
use crate::diagnose::rules::common;
use crate::diagnose::verdict::{Fault, Verdict};
use crate::session::{Phase, Session};

/// How often the verdict on one session may be reconsidered.
const PATIENCE: u8 = 8;

/// A verdict that later connections changed.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Which session: as its [`Told::id`] said.
    pub id: u64,
    /// That session.
    pub session: Arc<Session>,
    /// The verdict now.
    pub verdict: Box<Verdict>,
    /// What other connections told by now.
    pub beside: Beside,
    /// The verdict that it replaces.
    pub was: Box<Verdict>,
}

/// What becomes known after a session was judged.
#[derive(Clone, Debug)]
pub enum News {
    /// Later connections changed a verdict.
    Revision(Box<Revision>),
    /// The verdict on that session will not change any more.
    Settled(u64),
    /// Several sessions show something together. The same number again: there are more of them than when it was told first.
    Pattern(Box<Pattern>),
}

/// A session, judged.
#[derive(Clone, Debug)]
pub struct Told {
    /// What revisions of it will call it.
    pub id: u64,
    /// The verdict so far.
    pub verdict: Box<Verdict>,
    /// What other connections told of it so far.
    pub beside: Beside,
    /// Whether later connections may change it. If so, [`News::Settled`] says when that is over.
    pub open: bool,
}

/// What later sessions may tell of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Topic {
    /// A connection that was used in its stead.
    Race(Party),
    /// The ends of its server's sessions.
    Server(Endpoint),
    /// That its server serves anybody.
    Serves(Endpoint),
    /// Sessions of its parties that broke after a silence.
    Silence(Parties),
    /// Hellos at its server.
    Hellos(Endpoint),
    /// The key in its server's certificate.
    Key([u8; 32]),
}

/// A topic that somebody waits for and on which something was learned, and when sessions must have begun (for a race) or ended for it to
/// concern them.
type Touched = (Topic, Time, Time);

/// All times.
const EVER: (Time, Time) = (Time::MIN, Time::MAX);

/// A session whose verdict may still change.
#[derive(Debug)]
struct Waiting {
    id: u64,
    session: Arc<Session>,
    topics: Vec<Topic>,
    verdict: Box<Verdict>,
    tries: u8,
}

/// Judges a session by itself and by what other connections tell of it.
type Judge<'a> = &'a dyn Fn(&Session, &Beside) -> Box<Verdict>;

/// The memory of the sessions met so far.
#[derive(Debug)]
pub struct Company {
    races: Races,
    servers: Servers,
    silences: Silences,
    hellos: Hellos,
    keys: Keys,
    moments: Moments,
    patterns: Patterns,
    names: RandomState,
    waiting: VecDeque<Waiting>,
    /// How many of these wait for each topic: of most topics none does, and they need not be looked at.
    awaited: HashMap<Topic, u32, RandomState>,
    /// The most that may wait.
    most: usize,
    met: u64,
    news: Vec<News>,
}

impl Company {
    /// Nobody met yet. `most` sessions are held whose verdict may still change.
    pub fn new(most: usize) -> Company {
        Company {
            races: Races::new(),
            servers: Servers::new(),
            silences: Silences::new(),
            hellos: Hellos::new(),
            keys: Keys::new(),
            moments: Moments::default(),
            patterns: Patterns::default(),
            names: RandomState::default(),
            waiting: VecDeque::new(),
            awaited: HashMap::default(),
            most,
            met: 0,
            news: Vec::new(),
        }
    }

    /// Judges a session in the light of those before it, and those before it again where it sheds light on them.
    ///
    /// `judge` gives the verdict, which is `alone` where others tell nothing of it, if that is known already; `alive` tells whether a connection
    /// of a server that is still followed came up before a time and was not closed by the server.
    pub fn meet(&mut self, session: &Arc<Session>, alone: Option<Box<Verdict>>, judge: Judge<'_>, alive: Alive<'_>) -> Told {
        self.met += 1;
        let id = self.met;
        let name = self.name(session);
        let mut touched: Vec<Touched> = Vec::new();
        self.learn_race(session, name, &mut touched);
        self.learn_end(session, &mut touched);
        self.learn_silence(session, &mut touched);
        self.learn_hello(session, name, &mut touched);
        if let Some(key) = self.keys.learn(session) {
            self.touch(&mut touched, Topic::Key(key), EVER);
        }
        let beside = self.beside(session, name, alive);
        let verdict = alone.filter(|_| beside.is_empty()).unwrap_or_else(|| judge(session, &beside));
        self.learn_moment(id, session, &verdict);
        self.reconsider(&touched, judge, alive);
        let topics = self.topics(session, name, &verdict);
        let open = !topics.is_empty() && self.most > 0;
        if open {
            if self.waiting.len() >= self.most
                && let Some(oldest) = self.waiting.pop_front()
            {
                self.await_no_more(&oldest.topics);
                self.news.push(News::Settled(oldest.id));
            }
            for topic in &topics {
                *self.awaited.entry(*topic).or_default() += 1;
            }
            self.waiting.push_back(Waiting { id, session: Arc::clone(session), topics, verdict: verdict.clone(), tries: 0 });
        }
        Told { id, verdict, beside, open }
    }

    /// Has the memory that meeting a session needs brought into the caches.
    pub fn prefetch(&self, session: &Session) {
        self.races.prefetch(session, self.name(session));
    }

    fn await_no_more(&mut self, topics: &[Topic]) {
        for topic in topics {
            if let Some(waiting) = self.awaited.get_mut(topic) {
                *waiting -= 1;
                if *waiting == 0 {
                    self.awaited.remove(topic);
                }
            }
        }
    }

    /// What has become known since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Whether there is any.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// No session will come any more.
    pub fn part(&mut self) {
        self.news.extend(self.waiting.drain(..).map(|waiting| News::Settled(waiting.id)));
        self.awaited.clear();
        self.patterns.part();
        self.tell_patterns();
    }

    /// The name asked for, as a hash: of most sessions it is only compared.
    fn name(&self, session: &Session) -> Option<u64> {
        let name = session.tls.client_hello.as_ref()?.server_name.as_ref()?.bytes();
        let mut hasher = self.names.build_hasher();
        let (words, rest) = name.as_chunks();
        for mut word in words.iter().copied() {
            word.make_ascii_lowercase();
            hasher.write_u64(u64::from_be_bytes(word));
        }
        hasher.write_u64(rest.iter().fold(0, |word, byte| word << 8 | u64::from(byte.to_ascii_lowercase())));
        hasher.write_usize(name.len());
        Some(hasher.finish())
    }

    fn beside(&self, session: &Session, name: Option<u64>, alive: Alive<'_>) -> Beside {
        Beside {
            winner: self.races.winner(session, name).map(Box::new),
            fall: self.servers.fall(session, alive).map(Box::new),
            served: self.servers.served(session).map(Box::new),
            same_silence: self.silences.same(session).map(Box::new),
            smaller_hellos: self.hellos.smaller(session).map(Box::new),
            shared_key: self.keys.shared(session).map(Box::new),
        }
    }

    /// Notes that something was learned on a topic, if anybody waits for that.
    fn touch(&self, touched: &mut Vec<Touched>, topic: Topic, (from, to): (Time, Time)) {
        if self.awaited.contains_key(&topic) {
            touched.push((topic, from, to));
        }
    }

    fn learn_race(&mut self, session: &Session, name: Option<u64>, touched: &mut Vec<Touched>) {
        let Some(when) = self.races.learn(session, name) else { return };
        // As a rule; else each party would be moved only to be looked up.
        if self.awaited.is_empty() {
            return;
        }
        for party in races::parties(session, name).iter().flatten() {
            self.touch(touched, Topic::Race(*party), when);
        }
    }

    fn learn_end(&mut self, session: &Session, touched: &mut Vec<Touched>) {
        let (ended, serves) = self.servers.learn(session);
        if let Some(when) = ended {
            self.touch(touched, Topic::Server(session.ends.server), when);
        }
        if serves {
            self.touch(touched, Topic::Serves(session.ends.server), EVER);
        }
    }

    fn learn_silence(&mut self, session: &Session, touched: &mut Vec<Touched>) {
        let Some((parties, silence)) = self.silences.learn(session) else { return };
        let alike = self.silences.alike(&parties, &silence);
        if alike.len() < silences::SEVERAL {
            return;
        }
        self.touch(touched, Topic::Silence(parties), EVER);
        self.patterns.silence(&parties, &alike);
        self.tell_patterns();
    }

    fn learn_hello(&mut self, session: &Session, name: Option<u64>, touched: &mut Vec<Touched>) {
        let Some((contrasts, few)) = self.hellos.learn(session, name) else { return };
        if few {
            self.touch(touched, Topic::Hellos(session.ends.server), EVER);
        }
        for (place, contrast) in contrasts {
            self.patterns.contrast(place, session, &contrast);
            self.tell_patterns();
        }
    }

    fn learn_moment(&mut self, id: u64, session: &Session, verdict: &Verdict) {
        if let Some(moment) = self.moments.learn(id, session, verdict) {
            self.patterns.moment(&moment);
            self.tell_patterns();
        }
    }

    fn tell_patterns(&mut self) {
        self.news.extend(self.patterns.take_news().into_iter().map(|pattern| News::Pattern(Box::new(pattern))));
    }

    /// What later sessions may tell of `session`.
    fn topics(&self, session: &Session, name: Option<u64>, verdict: &Verdict) -> Vec<Topic> {
        let mut topics = Vec::new();
        if verdict.cause != "parallel-attempt" {
            topics.extend(Races::rivals(session, name).into_iter().map(Topic::Race));
        }
        if verdict.cause != "server-process-died" && Servers::concerns(session) {
            topics.push(Topic::Server(session.ends.server));
        }
        if common::refusal(session).is_some() {
            topics.push(Topic::Serves(session.ends.server));
        }
        if verdict.fault == Fault::Undetermined
            && let Some((parties, silence)) = silences::silence(session)
            && silence.how == How::Lost
        {
            topics.push(Topic::Silence(parties));
        }
        if session.phase == Phase::ClientHello && session.tls.client_hello_segments > 1 {
            topics.push(Topic::Hellos(session.ends.server));
        }
        if verdict.cause != "tls-interception" && session.root_side() == Some(Side::Client) && session.side(Side::Client).app_records == 0 {
            topics.extend(keys::key(session).map(Topic::Key));
        }
        topics
    }

    /// Judges those again that something new was learned about.
    fn reconsider(&mut self, touched: &[Touched], judge: Judge<'_>, alive: Alive<'_>) {
        if touched.is_empty() {
            return;
        }
        let mut changed = Vec::new();
        let mut waiting = std::mem::take(&mut self.waiting);
        for one in waiting.iter_mut().filter(|one| one.tries < PATIENCE) {
            let concerned = touched.iter().filter(|(topic, ..)| one.topics.contains(topic)).any(|(topic, from, to)| {
                let when = match topic {
                    Topic::Race(_) => one.session.first.time,
                    _ => one.session.root().map_or(one.session.last, |root| root.at).time,
                };
                *from <= when && when <= *to
            });
            if !concerned {
                continue;
            }
            one.tries += 1;
            let beside = self.beside(&one.session, self.name(&one.session), alive);
            let verdict = judge(&one.session, &beside);
            if (verdict.fault, verdict.cause, verdict.fault_confidence)
                == (one.verdict.fault, one.verdict.cause, one.verdict.fault_confidence)
            {
                continue;
            }
            changed.push((one.id, Arc::clone(&one.session), verdict.clone()));
            let was = std::mem::replace(&mut one.verdict, verdict.clone());
            self.news.push(News::Revision(Box::new(Revision { id: one.id, session: Arc::clone(&one.session), verdict, beside, was })));
        }
        self.waiting = waiting;
        for (id, session, verdict) in changed {
            self.learn_moment(id, &session, &verdict);
        }
    }
}

#[cfg(test)]
mod tests;
