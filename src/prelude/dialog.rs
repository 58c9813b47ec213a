//! The conversations themselves: what one of them is shown, and what it says of it.

use super::connect::Connect;
use super::ldap::Ldap;
use super::lines::Lines;
use super::mysql::Mysql;
use super::postgres::Postgres;
use super::rdp::Rdp;
use super::socks::{Socks4, Socks5};
use super::story::{Protocol, Talk};
use super::tds::Tds;
use super::xmpp::Xmpp;
use super::{proxy_header, wire};
use crate::base::{At, Side};

/// As much of a line as is looked at; what is longer is read to its end and forgotten.
const LINE: usize = 1024;

/// What a dialog is shown: bytes of one side that begin where the last thing it took ended.
pub(super) struct Turn<'a> {
    pub side: Side,
    pub at: At,
    /// Never empty.
    pub bytes: &'a [u8],
    pub talk: &'a mut Talk,
}

/// What a dialog makes of its turn. Counts are of bytes from the turn's beginning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// It needs more bytes than it was shown.
    More,
    /// That many bytes are dealt with. More than were shown: the rest is to be skipped as it comes.
    Took(usize),
    /// That many bytes are dealt with, and what follows up to the end of the line is to be skipped.
    Cut(usize),
    /// That many bytes are dealt with, and a tunnel is open: anything may follow, both ways.
    Open(usize),
    /// A header of that many bytes, then `len` bytes of TLS.
    Wrapped { header: usize, len: usize },
    /// TLS begins here.
    Tls,
    /// This conversation does not lead to TLS (any more).
    Over,
}

/// The conversation a connection is in.
pub(super) enum Dialog {
    /// None yet: both ways may begin with anything.
    Unknown,
    /// A protocol.
    Connect(Connect),
    Socks4(Socks4),
    Socks5(Socks5),
    ProxyHeader,
    Lines(Lines),
    Ldap(Ldap),
    Xmpp(Xmpp),
    Postgres(Postgres),
    Mysql(Mysql),
    Tds(Tds),
    Rdp(Rdp),
}

impl Dialog {
    /// The conversation in `protocol`, of which `first` has the first word.
    pub(super) fn new(protocol: Protocol, first: Side) -> Dialog {
        match protocol {
            Protocol::HttpConnect => Dialog::Connect(Connect::default()),
            Protocol::Socks4 => Dialog::Socks4(Socks4::default()),
            Protocol::Socks5 => Dialog::Socks5(Socks5::default()),
            Protocol::ProxyProtocol => Dialog::ProxyHeader,
            Protocol::Smtp | Protocol::Imap | Protocol::Pop3 | Protocol::Ftp | Protocol::Nntp | Protocol::Sieve => {
                Dialog::Lines(Lines::new(first))
            }
            Protocol::Ldap => Dialog::Ldap(Ldap::default()),
            Protocol::Xmpp => Dialog::Xmpp(Xmpp::default()),
            Protocol::Postgres => Dialog::Postgres(Postgres::default()),
            Protocol::Mysql => Dialog::Mysql(Mysql::default()),
            Protocol::Tds => Dialog::Tds(Tds::default()),
            Protocol::Rdp => Dialog::Rdp(Rdp),
        }
    }

    /// Deals with what begins `turn.bytes`.
    pub(super) fn take(&mut self, turn: Turn) -> Take {
        match self {
            // The owner asks only about a conversation that has begun.
            Dialog::Unknown => Take::Over,
            Dialog::Connect(d) => d.take(turn),
            Dialog::Socks4(d) => d.take(turn),
            Dialog::Socks5(d) => d.take(turn),
            Dialog::ProxyHeader => proxy_header::take(turn),
            Dialog::Lines(d) => d.take(turn),
            Dialog::Ldap(d) => d.take(turn),
            Dialog::Xmpp(d) => d.take(turn),
            Dialog::Postgres(d) => d.take(turn),
            Dialog::Mysql(d) => d.take(turn),
            Dialog::Tds(d) => d.take(turn),
            Dialog::Rdp(d) => d.take(turn),
        }
    }

    /// Whether what `side` says next may be TLS as well as a message of this protocol, so that a TLS header settles it.
    /// Protocols whose messages can look like one decide for themselves ([`Take::Tls`]).
    pub(super) fn is_between(&self, side: Side) -> bool {
        match self {
            Dialog::Connect(d) => d.is_between(side),
            Dialog::Mysql(d) => d.is_between(side),
            Dialog::Tds(_) => false,
            _ => true,
        }
    }

    /// Whether the next message can be found again after a hole in the stream.
    pub(super) fn is_lines(&self) -> bool {
        matches!(self, Dialog::Connect(_) | Dialog::Lines(_))
    }
}

/// A line at the beginning of some bytes.
pub(super) struct Line<'a> {
    /// The line without its end.
    pub text: &'a [u8],
    /// What a dialog answers that has dealt with it.
    pub took: Take,
    /// Bytes up to the next line, where that is known.
    pub len: usize,
}

/// The first line of `bytes`, once it is whole or longer than is looked at.
pub(super) fn next_line(bytes: &[u8]) -> Option<Line<'_>> {
    let seen = wire::head(bytes, LINE);
    match seen.iter().position(|b| *b == b'\n') {
        Some(end) => {
            let text = wire::head(seen, end);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            Some(Line { text, took: Take::Took(end + 1), len: end + 1 })
        }
        None if seen.len() >= LINE => Some(Line { text: seen, took: Take::Cut(LINE), len: LINE }),
        None => None,
    }
}
