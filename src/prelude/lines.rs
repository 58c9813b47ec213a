//! The protocols of lines that turn into TLS when asked: SMTP and LMTP (RFC 3207), FTP (RFC 4217), IMAP (RFC 9051), POP3 (RFC 2595),
//! NNTP (RFC 4642) and ManageSieve (RFC 5804).

use super::dialog::{Take, Turn, next_line};
use super::plain::reply_code;
use super::story::{Outcome, Protocol, Refusal, State, Talk};
use super::wire::{contains, head, one_of, words};
use crate::base::{At, Side};

/// Lines of the client after which nobody waits for its STARTTLS any more.
const CLIENT_LINES: u16 = 64;
/// Lines of the server likewise; greetings and lists can be long.
const SERVER_LINES: u16 = 512;
/// Bytes kept of the tag of an IMAP command.
const TAG: usize = 32;

/// Commands by which a client shows that it goes on without TLS (no two of these protocols give one of them another meaning).
const BUSINESS: &[&str] = &[
    // SMTP; MAIL alone may be refused until TLS is up (530, RFC 3207 section 4)
    "RCPT",
    "DATA",
    "BDAT", // FTP and POP3: a password in the clear
    "PASS", // FTP
    "PASV",
    "EPSV",
    "PORT",
    "EPRT",
    "RETR",
    "STOR", // IMAP, once logged in
    "SELECT",
    "EXAMINE",
    "LIST",
    "LSUB",
    "STATUS",
    "APPEND",
    "IDLE",
    "ENABLE",
    "NAMESPACE", // POP3
    "STAT",
    "UIDL",
    "TOP", // NNTP
    "GROUP",
    "LISTGROUP",
    "ARTICLE",
    "HEAD",
    "BODY",
    "POST",
    "IHAVE",
    "OVER",
    "XOVER",
    "NEWNEWS", // ManageSieve
    "LISTSCRIPTS",
    "PUTSCRIPT",
    "GETSCRIPT",
    "SETACTIVE",
    "HAVESPACE",
    "CHECKSCRIPT",
];

/// A client and a server that talk in lines.
pub(super) struct Lines {
    client_lines: u16,
    server_lines: u16,
    /// Replies owed before the next command's: the greeting, and commands sent without waiting.
    owed: u16,
    /// Replies that come before the answer to STARTTLS.
    before_answer: Option<u16>,
    /// The tag of an IMAP client's STARTTLS.
    tag: Vec<u8>,
    /// The latest command asks what the server can do.
    asks_features: bool,
    /// The code of a reply of several lines that has not ended.
    many: Option<u16>,
    /// The reply being read is a list of what the server can do, and whether TLS was in it so far.
    listed: bool,
}

impl Lines {
    /// A conversation of which `first` has the first word.
    pub(super) fn new(first: Side) -> Lines {
        Lines {
            client_lines: 0,
            server_lines: 0,
            owed: if first == Side::Server { 1 } else { 0 },
            before_answer: None,
            tag: Vec::new(),
            asks_features: false,
            many: None,
            listed: false,
        }
    }

    pub(super) fn take(&mut self, turn: Turn) -> Take {
        let Some(line) = next_line(turn.bytes) else { return Take::More };
        let goes_on = match turn.side {
            Side::Client => self.command(line.text, turn.at, turn.talk),
            Side::Server => self.answer(line.text, turn.at, turn.talk),
        };
        if goes_on { line.took } else { Take::Over }
    }

    /// A line of the client. False where it shows that no TLS is coming.
    fn command(&mut self, line: &[u8], at: At, talk: &mut Talk) -> bool {
        let mut words = words(line);
        let mut verb = words.next().unwrap_or_default();
        let mut argument = words.next().unwrap_or_default();
        settle_protocol(verb, argument, talk);
        let tag = verb;
        if talk.protocol == Protocol::Imap {
            (verb, argument) = (argument, words.next().unwrap_or_default());
        }
        self.client_lines += 1;
        if talk.state == State::Accepted || one_of(verb, BUSINESS) || self.client_lines > CLIENT_LINES {
            return false;
        }
        let asks = match talk.protocol {
            Protocol::Pop3 => one_of(verb, &["STLS"]),
            Protocol::Ftp => one_of(verb, &["AUTH"]) && one_of(argument, &["TLS", "SSL", "TLS-C", "TLS-P"]),
            _ => one_of(verb, &["STARTTLS"]),
        };
        if asks {
            talk.ask(at);
            self.before_answer = Some(self.owed);
            self.tag = head(tag, TAG).to_vec();
        }
        self.asks_features = one_of(verb, &["EHLO", "LHLO", "CAPA", "FEAT"]);
        self.owed = self.owed.saturating_add(1);
        true
    }

    /// A line of the server. False where too many went by.
    fn answer(&mut self, line: &[u8], at: At, talk: &mut Talk) -> bool {
        self.server_lines += 1;
        match talk.protocol {
            Protocol::Imap => self.imap(line, at, talk),
            Protocol::Pop3 | Protocol::Sieve => self.word_reply(line, at, talk),
            _ => self.code_reply(line, at, talk),
        }
        self.server_lines <= SERVER_LINES
    }

    /// `NNN-text` until `NNN text`: SMTP, FTP, NNTP.
    fn code_reply(&mut self, line: &[u8], at: At, talk: &mut Talk) {
        let code = reply_code(line);
        let ends = line.get(3) != Some(&b'-');
        match self.many {
            None if code.is_none() => {
                // NNTP lists what it can do on lines of their own, up to a dot.
                if talk.protocol == Protocol::Nntp {
                    note_listed(line, talk);
                }
                return;
            }
            None => {
                self.listed = false;
                self.greeting(line, talk);
            }
            Some(many) if code != Some(many) || !ends => {
                self.feature(line, many, talk);
                return;
            }
            Some(_) => {}
        }
        let Some(code) = code else { return };
        self.feature(line, code, talk);
        if !ends {
            self.many = Some(code);
            return;
        }
        let is_list = match talk.protocol {
            Protocol::Smtp => code == 250 && (self.asks_features || self.many.is_some()),
            _ => code == 211 && self.many.is_some(),
        };
        self.many = None;
        if is_list {
            talk.offered = Some(self.listed);
        }
        // FTP announces with 1xx that the reply proper is to come.
        if code < 200 && talk.protocol == Protocol::Ftp {
            talk.reply(at, Some(u32::from(code)), line);
            return;
        }
        let go_ahead = match talk.protocol {
            Protocol::Ftp => code == 234 || code == 334,
            Protocol::Nntp => code == 382,
            _ => code == 220,
        };
        // 421: the server is going away, whatever it was asked.
        self.reply(Some(u32::from(code)), line, go_ahead, code == 421, at, talk);
    }

    /// A line of what the server says it can do.
    fn feature(&mut self, line: &[u8], code: u16, talk: &mut Talk) {
        match talk.protocol {
            Protocol::Smtp if code == 250 => {
                let keyword = line.get(4..).and_then(|text| words(text).next()).unwrap_or_default();
                if keyword.eq_ignore_ascii_case(b"STARTTLS") {
                    self.listed = true;
                }
                if is_crossed_out(keyword) {
                    talk.stripped = true;
                }
            }
            Protocol::Ftp if code == 211 => self.listed |= contains(line, b"AUTH ") && (contains(line, b"TLS") || contains(line, b"SSL")),
            _ => {}
        }
    }

    /// The first line of a reply; of interest where it is the greeting.
    fn greeting(&self, line: &[u8], talk: &mut Talk) {
        if talk.last_reply.is_none() && talk.protocol == Protocol::Smtp {
            let text = line.get(4..).unwrap_or_default();
            let stars = text.iter().filter(|b| **b == b'*').count();
            talk.stripped |= stars >= 8 && stars * 2 >= text.len();
        }
    }

    /// `* …` or `tag OK|NO|BAD …`.
    fn imap(&mut self, line: &[u8], at: At, talk: &mut Talk) {
        if contains(line, b"CAPABILITY ") {
            talk.offered = Some(line.split(|b| b" []".contains(b)).any(|word| word.eq_ignore_ascii_case(b"STARTTLS")));
        }
        let mut words = words(line);
        let tag = words.next().unwrap_or_default();
        let status = words.next().unwrap_or_default();
        let farewell = tag == b"*" && status.eq_ignore_ascii_case(b"BYE");
        if self.before_answer.is_some() && (farewell || head(tag, TAG) == self.tag.as_slice()) {
            self.before_answer = None;
            talk.answer(
                at,
                None,
                line,
                if status.eq_ignore_ascii_case(b"OK") { Outcome::Accepted } else { Outcome::Refused(Refusal::NoTls) },
            );
        } else if tag != b"+" && one_of(status, &["OK", "NO", "BAD", "BYE", "PREAUTH"]) {
            talk.reply(at, None, line);
        }
    }

    /// `+OK` and `-ERR`: POP3. `OK`, `NO` and `BYE`: ManageSieve. Other lines belong to lists.
    fn word_reply(&mut self, line: &[u8], at: At, talk: &mut Talk) {
        let status = words(line).next().unwrap_or_default();
        let is_sieve = talk.protocol == Protocol::Sieve;
        let fine = one_of(status, &[if is_sieve { "OK" } else { "+OK" }]);
        if fine || one_of(status, if is_sieve { &["NO", "BYE"] } else { &["-ERR"] }) {
            if is_sieve && fine && talk.offered.is_none() {
                talk.offered = Some(false);
            }
            self.reply(None, line, fine, one_of(status, &["BYE"]), at, talk);
        } else {
            note_listed(line, talk);
        }
    }

    /// A whole reply. `go_ahead`: if it answers STARTTLS, it says yes. `farewell`: it answers whatever was asked.
    fn reply(&mut self, code: Option<u32>, line: &[u8], go_ahead: bool, farewell: bool, at: At, talk: &mut Talk) {
        self.owed = self.owed.saturating_sub(1);
        match self.before_answer {
            Some(before) if before == 0 || farewell => {
                self.before_answer = None;
                talk.answer(at, code, line, if go_ahead { Outcome::Accepted } else { Outcome::Refused(Refusal::NoTls) });
            }
            Some(before) => {
                self.before_answer = Some(before - 1);
                talk.reply(at, code, line);
            }
            None => talk.reply(at, code, line),
        }
    }
}

/// A greeting of 220 may be SMTP's or FTP's: the client's commands tell.
fn settle_protocol(verb: &[u8], argument: &[u8], talk: &mut Talk) {
    if talk.protocol == Protocol::Smtp {
        let auth = one_of(verb, &["AUTH"]) && one_of(argument, &["TLS", "SSL", "TLS-C", "TLS-P"]);
        if auth || one_of(verb, &["USER", "FEAT", "SYST"]) {
            talk.protocol = Protocol::Ftp;
        }
    } else if talk.protocol == Protocol::Ftp && one_of(verb, &["EHLO", "HELO"]) {
        talk.protocol = Protocol::Smtp;
    }
}

/// A line of a list that ends with a dot (POP3, NNTP) or with a status (ManageSieve).
fn note_listed(line: &[u8], talk: &mut Talk) {
    if one_of(line, &["STLS", "STARTTLS", "\"STARTTLS\""]) {
        talk.offered = Some(true);
    } else if line == b"." && talk.offered.is_none() {
        talk.offered = Some(false);
    }
}

/// Whether a keyword of an EHLO answer was overwritten by a firewall: `XXXXXXXA`.
fn is_crossed_out(keyword: &[u8]) -> bool {
    match keyword.split_last() {
        Some((last, rest)) => rest.len() >= 3 && last.is_ascii_uppercase() && rest.iter().all(|b| *b == b'X'),
        None => false,
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
