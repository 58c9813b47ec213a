//! What is spoken before TLS on a connection: an unwrapper in the stream that hands on what is TLS and keeps the story of what was not.
//!
//! One [`Prelude`] watches both ways of one connection until each of them has begun TLS or has shown that it will not. It knows
//! tunnels (HTTP CONNECT, SOCKS, the PROXY protocol), after which anything may follow, even another prelude, and protocols that
//! turn into TLS themselves (STARTTLS and its kin). It deduces who is the client from what is said.
//!
//! What must hold: the result does not depend on how the bytes were cut into pieces (but TLS behind an unknown prelude is looked for
//! only where a piece begins); at most 2 KiB of a way are held; a way that has begun TLS is never read again; TLS is believed
//! wherever a record header stands at a boundary of the protocol, whether or not an answer permitted it, because a capture may lack that answer.

mod connect;
mod dialog;
mod ldap;
mod lines;
mod mysql;
mod plain;
mod postgres;
mod proxy_header;
mod rdp;
mod recognise;
mod socks;
mod story;
mod tds;
#[cfg(test)]
mod tests;
mod wire;
mod xmpp;

pub use plain::{PlainProtocol, describe_plain, first_line, starts_tls};
pub use story::{Attempt, Protocol, Proxied, Refusal, Reply, State, Story, Talk};

use crate::base::{At, PerWay, Side, Way};
use dialog::{Dialog, Take, Turn};
use recognise::{Seen, recognise};

/// Bytes of one way held at most: an unfinished line or message.
const HOLD: usize = 2048;
/// Preludes within one another that are followed.
const TALKS: usize = 4;

/// What became of a piece of stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Still before TLS; the piece is dealt with.
    Speaking,
    /// This way is TLS from here on, for good.
    Tls {
        /// The first bytes of TLS where they came in earlier pieces: they were held until it was clear what they are. Mostly empty.
        lead: Vec<u8>,
        /// Where in this piece TLS goes on (its length, where the piece is no TLS at all).
        from: usize,
    },
    /// A part of this piece is TLS inside packets of another protocol (TDS). Hand it on, then feed what comes after it.
    Wrapped {
        /// Where in this piece it begins.
        from: usize,
        /// How many bytes of it are in this piece, at least 1.
        len: usize,
    },
    /// This way is not TLS, as far as it went. The other may still begin with it (a ClientHello to an SSH server), and so may this one
    /// behind a prelude that is not known here; see [`Prelude::is_done`].
    NotTls,
}

/// The talk before TLS on one connection.
pub struct Prelude {
    dialog: Dialog,
    lanes: PerWay<Lane>,
    story: Story,
}

/// One way of the connection.
#[derive(Default)]
struct Lane {
    stage: Stage,
    /// The beginning of a message whose rest has not come.
    held: Vec<u8>,
    /// Bytes to come that nobody reads.
    skip: usize,
    /// Nobody reads up to the end of the line.
    skip_line: bool,
    /// Bytes to come that are TLS inside a packet.
    wrapped: usize,
    /// There was a hole: where messages begin is unknown, unless the protocol has lines.
    lost: bool,
    /// The piece after a hole is still to be tried for TLS.
    resync: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Speaking,
    Tls,
    Plain,
}

/// Why reading held bytes stopped.
enum End {
    More,
    Skip(usize),
    Tls,
    Wrapped(usize),
    Plain,
}

impl Default for Prelude {
    fn default() -> Prelude {
        Prelude::new()
    }
}

impl Prelude {
    /// A connection on which nothing was said yet.
    pub fn new() -> Prelude {
        Prelude { dialog: Dialog::Unknown, lanes: PerWay::default(), story: Story::default() }
    }

    /// Deals with the next bytes of one way. Bytes of a way that is TLS are TLS: it need not be fed again.
    pub fn feed(&mut self, way: Way, at: At, bytes: &[u8]) -> Step {
        match self.lanes[way].stage {
            Stage::Tls => return Step::Tls { lead: Vec::new(), from: 0 },
            Stage::Plain => return self.feed_plain(way, bytes),
            Stage::Speaking => {
                // The rest of a tunnel's header is no part of what is said inside it.
                let header = if matches!(self.dialog, Dialog::Unknown) { self.lanes[way].skip } else { 0 };
                self.story.note(way, bytes.get(header..).unwrap_or_default());
            }
        }
        let mut held = std::mem::take(&mut self.lanes[way].held);
        let step = self.read(way, at, bytes, &mut held);
        self.lanes[way].held = held;
        step
    }

    /// A hole in one way: the bytes before it and after it do not belong together.
    pub fn gap(&mut self, way: Way) {
        let is_lines = self.dialog.is_lines();
        let lane = &mut self.lanes[way];
        lane.held.clear();
        lane.skip = 0;
        lane.wrapped = 0;
        lane.skip_line = is_lines;
        lane.lost = true;
        lane.resync = true;
    }

    /// Whether nothing more can be learnt here: each way has begun TLS, or has shown that it will not and what it speaks instead.
    pub fn is_done(&self) -> bool {
        let is_unknown = matches!(self.dialog, Dialog::Unknown);
        let settled = |way: Way| match self.lanes[way].stage {
            Stage::Tls => true,
            // See `feed_plain`.
            Stage::Plain => self.story.has_first(way) && !(is_unknown && self.lanes[way.opposite()].stage == Stage::Tls),
            Stage::Speaking => false,
        };
        settled(Way::AtoB) && settled(Way::BtoA)
    }

    /// What was said so far.
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// What was said, kept after the rest is dropped.
    pub fn into_story(self) -> Story {
        self.story
    }

    /// A way that is not TLS may still turn into it, by a prelude that is not known here: where its peer did, any record is believed,
    /// else only a handshake. Not in a known protocol: some servers quote the ClientHello they did not understand.
    fn feed_plain(&mut self, way: Way, bytes: &[u8]) -> Step {
        let peer_in_tls = self.lanes[way.opposite()].stage == Stage::Tls;
        let is_unknown = matches!(self.dialog, Dialog::Unknown);
        if is_unknown && starts_tls(bytes) == Some(true) && (peer_in_tls || bytes.first() == Some(&0x16)) {
            self.enter_tls(way);
            return Step::Tls { lead: Vec::new(), from: 0 };
        }
        self.story.note(way, bytes);
        Step::NotTls
    }

    fn read(&mut self, way: Way, at: At, bytes: &[u8], held: &mut Vec<u8>) -> Step {
        let mut used = 0;
        loop {
            let left = bytes.len().saturating_sub(used);
            let lane = &mut self.lanes[way];
            if held.is_empty() {
                let skipped = lane.skip.min(left);
                lane.skip -= skipped;
                used += skipped;
                let len = lane.wrapped.min(left - skipped);
                if len > 0 {
                    lane.wrapped -= len;
                    self.enter_wrapped(way);
                    return Step::Wrapped { from: used, len };
                }
            }
            let carried = held.len();
            let rest = bytes.get(used..).unwrap_or_default();
            let (chunk, tail) = rest.split_at_checked(HOLD.saturating_sub(carried)).unwrap_or((rest, &[]));
            if rest.is_empty() {
                return Step::Speaking;
            }
            held.extend_from_slice(chunk);
            let (end, pos) = self.parse(way, at, held, tail);
            // What was consumed reaches into this piece, except where the bytes that made it clear came before it.
            let here = used + pos.saturating_sub(carried);
            match end {
                End::More if pos == 0 && held.len() >= HOLD => {
                    self.story.limited = true;
                    return self.enter_plain(way, held);
                }
                End::More => {
                    held.drain(..pos);
                    used += chunk.len();
                }
                End::Skip(skip) => {
                    held.clear();
                    used += chunk.len();
                    self.lanes[way].skip = skip;
                }
                End::Wrapped(len) => {
                    held.clear();
                    used = here;
                    self.lanes[way].wrapped = len;
                }
                End::Tls => {
                    let lead = held.get(pos..carried).unwrap_or_default().to_vec();
                    held.clear();
                    self.enter_tls(way);
                    return Step::Tls { lead, from: here };
                }
                End::Plain => return self.enter_plain(way, held),
            }
        }
    }

    /// Reads `held` from its beginning: why it stopped, and after how many bytes. `tail` is what follows `held` in the piece.
    fn parse(&mut self, way: Way, at: At, held: &[u8], tail: &[u8]) -> (End, usize) {
        let mut pos = 0;
        loop {
            let rest = held.get(pos..).unwrap_or_default();
            if rest.is_empty() {
                return (End::More, held.len());
            }
            match self.before_message(way, rest) {
                Before::Message => {}
                Before::Skip(skipped) => {
                    pos += skipped;
                    continue;
                }
                Before::End(end) => return (end, pos),
            }
            let take = match self.story.talks.last_mut() {
                Some(talk) if !matches!(self.dialog, Dialog::Unknown) => {
                    let side = if self.story.client == Some(way) { Side::Client } else { Side::Server };
                    self.dialog.take(Turn { side, at, bytes: rest, talk })
                }
                _ => match recognise(rest) {
                    Seen::More => Take::More,
                    Seen::Talk(protocol, side) if self.begin(way, at, protocol, side) => continue,
                    Seen::Talk(..) => return (End::Plain, pos),
                    Seen::Plain(side) => {
                        self.learn_client(way, side);
                        return (End::Plain, pos);
                    }
                },
            };
            let (Take::Took(taken) | Take::Cut(taken) | Take::Open(taken)) = take else {
                return match take {
                    Take::Wrapped { header, len } => (End::Wrapped(len), pos + header),
                    Take::Tls => (End::Tls, pos),
                    Take::Over => {
                        self.end_dialog(way);
                        (End::Plain, pos)
                    }
                    _ => (End::More, pos),
                };
            };
            self.lanes[way].skip_line = matches!(take, Take::Cut(_));
            if matches!(take, Take::Open(_)) {
                let beyond = tail.get(taken.saturating_sub(rest.len())..).unwrap_or_default();
                self.open_tunnel(way, rest.get(taken..).unwrap_or_default(), beyond);
            }
            if taken == 0 {
                return (End::Plain, pos);
            }
            if taken > rest.len() {
                return (End::Skip(taken - rest.len()), held.len());
            }
            pos += taken;
        }
    }

    /// What comes before a message can be read at the beginning of `rest`: the rest of a line nobody reads, TLS, the end of the talk.
    fn before_message(&mut self, way: Way, rest: &[u8]) -> Before {
        let side = if self.story.client == Some(way) { Side::Client } else { Side::Server };
        let between = self.dialog.is_between(side);
        let is_known = !matches!(self.dialog, Dialog::Unknown);
        let is_lines = self.dialog.is_lines();
        let peer = &self.lanes[way.opposite()];
        let (peer_in_tls, peer_lost) = (peer.stage == Stage::Tls, peer.lost);
        let lane = &mut self.lanes[way];
        if lane.skip_line && !lane.resync {
            let end = rest.iter().position(|b| *b == b'\n');
            lane.skip_line = end.is_none();
            return Before::Skip(end.map_or(rest.len(), |end| end + 1));
        }
        if between || lane.lost {
            match starts_tls(rest) {
                None => return Before::End(End::More),
                Some(true) => return Before::End(End::Tls),
                Some(false) => {}
            }
        }
        if lane.resync {
            lane.resync = false;
            return Before::Skip(0);
        }
        if is_known && lane.lost && !is_lines {
            // Messages cannot be found any more; each piece is tried for TLS.
            lane.resync = true;
            return Before::Skip(rest.len());
        }
        // A client that began TLS without a yes, and a server that goes on in the clear.
        let unasked = self.story.talk().is_some_and(|talk| matches!(talk.state, State::Spoken | State::Refused { .. }));
        if is_known && peer_in_tls && unasked && !peer_lost {
            return Before::End(End::Plain);
        }
        Before::Message
    }

    /// A protocol is recognised. False where it cannot be what it looks like, or is one too many.
    fn begin(&mut self, way: Way, at: At, protocol: Protocol, side: Side) -> bool {
        let client = if side == Side::Client { way } else { way.opposite() };
        let contradicts = self.story.client.is_some_and(|known| known != client);
        if contradicts || self.lanes[way.opposite()].stage != Stage::Speaking {
            return false;
        }
        if self.story.talks.len() >= TALKS {
            self.story.limited = true;
            return false;
        }
        self.story.client = Some(client);
        self.story.talks.push(Talk::new(protocol, at));
        self.dialog = Dialog::new(protocol, side);
        true
    }

    fn learn_client(&mut self, way: Way, side: Option<Side>) {
        let client = match side {
            Some(Side::Client) => Some(way),
            Some(Side::Server) => Some(way.opposite()),
            None => None,
        };
        self.story.client = self.story.client.or(client);
    }

    /// A tunnel is open before `held` and `tail`, the rest of this piece: from here on it is a connection like any other.
    fn open_tunnel(&mut self, way: Way, held: &[u8], tail: &[u8]) {
        self.dialog = Dialog::Unknown;
        self.story.forget_first(way);
        self.story.note(way, held);
        self.story.note(way, tail);
        let peer = way.opposite();
        self.story.forget_first(peer);
        self.story.note(peer, &self.lanes[peer].held);
    }

    /// No TLS comes of this conversation, as `way` shows.
    fn end_dialog(&mut self, way: Way) {
        let by_client = self.story.client == Some(way);
        if let Some(talk) = self.story.talks.last_mut() {
            talk.in_clear = by_client && !talk.protocol.is_tunnel();
        }
        for way in [Way::AtoB, Way::BtoA] {
            let lane = &mut self.lanes[way];
            if lane.stage == Stage::Speaking {
                lane.stage = Stage::Plain;
                lane.held = Vec::new();
            }
        }
    }

    fn enter_plain(&mut self, way: Way, held: &mut Vec<u8>) -> Step {
        *held = Vec::new();
        self.lanes[way].stage = Stage::Plain;
        Step::NotTls
    }

    fn enter_tls(&mut self, way: Way) {
        self.enter_wrapped(way);
        self.lanes[way].stage = Stage::Tls;
    }

    /// TLS flows, if only inside packets. A server that speaks it has accepted, whatever was heard of its answer; not where its client
    /// never asked (a plain-text client at a port for TLS, which answers with an alert).
    fn enter_wrapped(&mut self, way: Way) {
        let client = &self.lanes[way.opposite()];
        let may_have_asked = client.stage == Stage::Tls || client.lost || !self.story.has_spoken(way.opposite());
        self.story.tls[way] = true;
        self.story.forget_first(way);
        let from_server = self.story.client == Some(way.opposite());
        if let Some(talk) = self.story.talks.last_mut()
            && from_server
            && (may_have_asked || talk.state == State::Asked)
        {
            talk.state = State::Accepted;
        }
    }
}

/// What stands at the beginning of held bytes before a message may be read there.
enum Before {
    Message,
    Skip(usize),
    End(End),
}
