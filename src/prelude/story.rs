//! What was said before TLS: the compact, owned record that outlives the unwrapping.

use super::plain::{FIRST, PlainProtocol, describe_plain, first_line};
use super::wire::lossy;
use crate::base::{At, Endpoint, PerWay, Way};

/// Tries kept of one talk: the first ones and the latest.
const ATTEMPTS: usize = 8;
/// Bytes of a reply's text kept.
const REPLY_TEXT: usize = 120;
/// Bytes of a target's name kept.
const TARGET_TEXT: usize = 255;

/// A protocol that is spoken before TLS, on the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A tunnel through an HTTP proxy (RFC 9110 section 9.3.6).
    HttpConnect,
    /// SOCKS 4 and 4a.
    Socks4,
    /// SOCKS 5 (RFC 1928).
    Socks5,
    /// The header by which a load balancer names the client it speaks for (haproxy's PROXY protocol, versions 1 and 2).
    ProxyProtocol,
    /// SMTP and LMTP (RFC 3207).
    Smtp,
    /// IMAP (RFC 9051 section 6.2.1).
    Imap,
    /// POP3 (RFC 2595 section 4).
    Pop3,
    /// FTP (RFC 4217).
    Ftp,
    /// NNTP (RFC 4642).
    Nntp,
    /// ManageSieve (RFC 5804).
    Sieve,
    /// LDAP's StartTLS operation (RFC 4511 section 4.14).
    Ldap,
    /// XMPP, client and server (RFC 6120 section 5).
    Xmpp,
    /// PostgreSQL's SSLRequest.
    Postgres,
    /// The MySQL and MariaDB client/server protocol.
    Mysql,
    /// TDS before version 8: Microsoft SQL Server, Sybase (MS-TDS).
    Tds,
    /// RDP's security negotiation (MS-RDPBCGR section 2.2.1.1).
    Rdp,
}

impl Protocol {
    /// The name used in JSON: `http-connect`, `smtp-starttls` …
    pub fn name(self) -> &'static str {
        match self {
            Protocol::HttpConnect => "http-connect",
            Protocol::Socks4 => "socks4",
            Protocol::Socks5 => "socks5",
            Protocol::ProxyProtocol => "proxy-protocol",
            Protocol::Smtp => "smtp-starttls",
            Protocol::Imap => "imap-starttls",
            Protocol::Pop3 => "pop3-stls",
            Protocol::Ftp => "ftp-auth-tls",
            Protocol::Nntp => "nntp-starttls",
            Protocol::Sieve => "sieve-starttls",
            Protocol::Ldap => "ldap-starttls",
            Protocol::Xmpp => "xmpp-starttls",
            Protocol::Postgres => "postgresql",
            Protocol::Mysql => "mysql",
            Protocol::Tds => "tds",
            Protocol::Rdp => "rdp",
        }
    }

    /// Whether it leads to another endpoint rather than turning this connection's own protocol into TLS: anything may follow it.
    pub fn is_tunnel(self) -> bool {
        matches!(self, Protocol::HttpConnect | Protocol::Socks4 | Protocol::Socks5 | Protocol::ProxyProtocol)
    }
}

/// How far a talk got towards TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The protocol is spoken, and nobody has asked for TLS or for a tunnel.
    Spoken,
    /// Asked for, and not answered.
    Asked,
    /// The latest answer is no.
    Refused {
        /// What kind of no.
        why: Refusal,
        /// The protocol's own number for it: HTTP status, SOCKS reply, LDAP result, SMTP code …
        code: Option<u32>,
    },
    /// The server said go ahead, or began with TLS. For the PROXY protocol, which has no answer: the header is complete.
    Accepted,
}

/// What kind of no an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Who asked did not say who it is, or was not believed.
    Authentication,
    /// It is not allowed.
    Policy,
    /// The proxy would, but cannot reach the target: the trouble lies beyond it.
    Upstream,
    /// The server does not do TLS here, or not now.
    NoTls,
    /// Any other no: not a proxy, a malformed request, a failure the answer does not explain.
    Other,
}

/// A reply of the server, before TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Where its first line (or its packet) was complete.
    pub at: At,
    /// Its number, where the protocol has one.
    pub code: Option<u32>,
    /// Its first line as sent, or the meaning of a binary answer; at most 120 bytes, not escaped.
    pub text: String,
}

/// One request for TLS or a tunnel, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Where it was asked; `None` where only the answer was captured.
    pub asked: Option<At>,
    /// The answer, where there was one.
    pub reply: Option<Reply>,
}

/// Whom a PROXY header speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Where the connection it stands for came from.
    pub source: Endpoint,
    /// What that connection was made to.
    pub destination: Endpoint,
}

/// One protocol's part of what was said before TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// Which protocol.
    pub protocol: Protocol,
    /// How far it got.
    pub state: State,
    /// Where it was recognised.
    pub began: At,
    /// What a tunnel leads to, `host:port` as the client wrote it; at most 255 bytes, not escaped.
    pub target: Option<String>,
    /// Whether the server offers TLS: `Some(false)` where it listed what it can do and TLS was not in the list.
    pub offered: Option<bool>,
    /// An SMTP-inspecting firewall left its marks: STARTTLS overwritten (`XXXXXXXA`), or a greeting of asterisks.
    pub stripped: bool,
    /// TDS: both sides want only the login encrypted. TLS ends after it, with no close_notify, and the connection goes on in the clear.
    pub login_only: bool,
    /// The client went on without TLS in a protocol that can do with or without it: by choice where it never asked, in spite of the answer
    /// where it did. What follows is an ordinary plain-text session.
    pub in_clear: bool,
    /// Whom a PROXY header speaks for; `None` for its LOCAL and UNKNOWN forms.
    pub proxied: Option<Proxied>,
    /// The requests, oldest first: the first seven and the latest.
    pub attempts: Vec<Attempt>,
    /// How many requests there were in all.
    pub asked: u32,
    /// The server's latest reply, to whatever it was.
    pub last_reply: Option<Reply>,
}

/// What an answer means.
pub(super) enum Outcome {
    Accepted,
    Refused(Refusal),
}

impl Talk {
    pub(super) fn new(protocol: Protocol, at: At) -> Talk {
        Talk {
            protocol,
            state: State::Spoken,
            began: at,
            target: None,
            offered: None,
            stripped: false,
            login_only: false,
            in_clear: false,
            proxied: None,
            attempts: Vec::new(),
            asked: 0,
            last_reply: None,
        }
    }

    /// The client asks for TLS or for a tunnel.
    pub(super) fn ask(&mut self, at: At) {
        self.state = State::Asked;
        self.asked = self.asked.saturating_add(1);
        self.keep(Attempt { asked: Some(at), reply: None });
    }

    /// The server answers what was asked (even if the asking was not captured).
    pub(super) fn answer(&mut self, at: At, code: Option<u32>, text: &[u8], outcome: Outcome) {
        self.reply(at, code, text);
        let reply = self.last_reply.clone();
        match self.attempts.last_mut() {
            Some(attempt) if attempt.reply.is_none() => attempt.reply = reply,
            _ => self.keep(Attempt { asked: None, reply }),
        }
        self.state = match outcome {
            Outcome::Accepted => State::Accepted,
            Outcome::Refused(why) => State::Refused { why, code },
        };
    }

    /// The server says something else.
    pub(super) fn reply(&mut self, at: At, code: Option<u32>, text: &[u8]) {
        self.last_reply = Some(Reply { at, code, text: lossy(text, REPLY_TEXT) });
    }

    pub(super) fn aim(&mut self, target: &[u8]) {
        self.target = Some(lossy(target, TARGET_TEXT));
    }

    fn keep(&mut self, attempt: Attempt) {
        if self.attempts.len() >= ATTEMPTS {
            self.attempts.pop();
        }
        self.attempts.push(attempt);
    }
}

/// Everything said on a connection before TLS, or instead of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The way the client sends, where what was said tells it.
    pub client: Option<Way>,
    /// The protocols, outermost first: a PROXY header, then a tunnel, then what was spoken inside it.
    pub talks: Vec<Talk>,
    /// Which ways have begun TLS.
    pub tls: PerWay<bool>,
    /// A bound on what is held or followed was reached, so that TLS may begin unseen.
    pub limited: bool,
    first: PerWay<Vec<u8>>,
}

impl Story {
    /// The innermost protocol: the one that leads to TLS, or failed to.
    pub fn talk(&self) -> Option<&Talk> {
        self.talks.last()
    }

    /// What the innermost tunnel leads to.
    pub fn target(&self) -> Option<&str> {
        self.talks.iter().rev().find_map(|talk| talk.target.as_deref())
    }

    /// Whom a PROXY header speaks for.
    pub fn proxied_for(&self) -> Option<Proxied> {
        self.talks.iter().find_map(|talk| talk.proxied)
    }

    /// What a way spoke, where it did not begin TLS. Meant for a way that was expected to: one in talks with its peer has a name here too.
    pub fn plain(&self, way: Way) -> Option<PlainProtocol> {
        if self.tls[way] { None } else { describe_plain(&self.first[way]) }
    }

    /// The first line a way sent, or the first where TLS was due inside a tunnel: at most 160 bytes, passwords left out, not escaped.
    /// `None` where it began TLS, sent nothing, or spoke a binary protocol that has a [`Talk`]: that tells more, and no passwords.
    pub fn first_line(&self, way: Way) -> Option<String> {
        let plain = self.plain(way)?;
        if self.is_told(plain) { None } else { Some(first_line(&self.first[way])) }
    }

    /// Whether what a way spoke is binary, and part of a talk.
    fn is_told(&self, plain: PlainProtocol) -> bool {
        let in_talk = self.talk().is_some_and(|talk| !(talk.protocol.is_tunnel() && talk.state == State::Accepted));
        in_talk && plain == PlainProtocol::Binary
    }

    /// Keeps a way's first bytes, unless it has begun TLS.
    pub(super) fn note(&mut self, way: Way, bytes: &[u8]) {
        if self.tls[way] {
            return;
        }
        let first = &mut self.first[way];
        first.extend(bytes.iter().take(FIRST.saturating_sub(first.len())));
    }

    /// A tunnel is open, and what counts now is what is said inside it; or the way is TLS.
    pub(super) fn forget_first(&mut self, way: Way) {
        self.first[way] = Vec::new();
    }

    /// Whether anything was captured of a way.
    pub(super) fn has_spoken(&self, way: Way) -> bool {
        self.tls[way] || !self.first[way].is_empty()
    }

    /// Whether nothing more can be learnt of a way's first line. (A line end among the first few bytes may be part of a binary header.)
    pub(super) fn has_first(&self, way: Way) -> bool {
        let first = &self.first[way];
        first.len() >= FIRST || first.iter().skip(6).any(|b| *b == b'\n') || self.plain(way).is_some_and(|plain| self.is_told(plain))
    }
}
