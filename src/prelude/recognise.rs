//! Which prelude a stream begins with, told from its first bytes.

use super::plain::{greeting_code, http_status, is_sieve, mysql_greeting};
use super::story::Protocol;
use super::wire::{be16, begins, contains, head, is_text, one_of, words};
use crate::base::Side;

/// As much of a line as decides what it is.
const ENOUGH: usize = 128;
/// The longest user name believed in a SOCKS 4 request.
const SOCKS4_USER: usize = 128;

/// What the first bytes of a way are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Too few bytes to say.
    More,
    /// This protocol, and this side of it.
    Talk(Protocol, Side),
    /// Nothing that leads to TLS, and whose it is where that shows.
    Plain(Option<Side>),
}

/// Reads the first bytes of a way that are not TLS.
pub(super) fn recognise(bytes: &[u8]) -> Seen {
    let seen = match bytes.first() {
        None => None,
        Some(0x00) => postgres(bytes),
        Some(0x03) => rdp(bytes),
        Some(0x04) => socks4(bytes),
        Some(0x05) => socks5(bytes),
        Some(0x0d) => proxy_v2(bytes),
        Some(0x12) => tds(bytes),
        Some(first) => match mysql_greeting(bytes) {
            None => None,
            Some(true) => Some(Seen::Talk(Protocol::Mysql, Side::Server)),
            Some(false) if *first == 0x30 => ldap(bytes),
            Some(false) if *first == b'<' => xmpp(bytes),
            Some(false) => text(bytes),
        },
    };
    seen.unwrap_or(Seen::More)
}

/// The talk or plain, from a matcher that has enough bytes.
fn talk_if(is: bool, protocol: Protocol, side: Side) -> Option<Seen> {
    Some(if is { Seen::Talk(protocol, side) } else { Seen::Plain(None) })
}

/// An SSLRequest, GSSENCRequest or CancelRequest (protocol 1234.5678 to 1234.5680), or a StartupMessage of protocol 3.
fn postgres(bytes: &[u8]) -> Option<Seen> {
    if *bytes.get(1)? != 0 {
        return Some(Seen::Plain(None));
    }
    let len = be16(bytes, 2)?;
    let is = match be16(bytes, 4)? {
        1234 => len == 8 && matches!(be16(bytes, 6)?, 5679 | 5680),
        3 => len > 8,
        _ => false,
    };
    talk_if(is, Protocol::Postgres, Side::Client)
}

/// A TPKT header around an X.224 connection request (RFC 1006, MS-RDPBCGR section 2.2.1.1).
fn rdp(bytes: &[u8]) -> Option<Seen> {
    if *bytes.get(1)? != 0 {
        return Some(Seen::Plain(None));
    }
    let len = be16(bytes, 2)?;
    let (header, kind) = (*bytes.get(4)?, *bytes.get(5)?);
    talk_if((11..=512).contains(&len) && u16::from(header) + 5 == len && kind == 0xe0, Protocol::Rdp, Side::Client)
}

/// Version 4, CONNECT or BIND, port, address, and a user name that ends.
fn socks4(bytes: &[u8]) -> Option<Seen> {
    if !matches!(*bytes.get(1)?, 1 | 2) {
        return Some(Seen::Plain(None));
    }
    let user = bytes.get(8..)?;
    match head(user, SOCKS4_USER).iter().find(|b| !is_text(**b)) {
        Some(end) => talk_if(*end == 0, Protocol::Socks4, Side::Client),
        None if user.len() >= SOCKS4_USER => Some(Seen::Plain(None)),
        None => None,
    }
}

/// Version 5 and a list of methods, each an assigned or a private number.
fn socks5(bytes: &[u8]) -> Option<Seen> {
    let count = usize::from(*bytes.get(1)?);
    let methods = head(bytes.get(2..)?, count);
    if count == 0 || methods.iter().any(|m| matches!(m, 0x0a..=0x7f | 0xff)) {
        return Some(Seen::Plain(None));
    }
    if methods.len() < count { None } else { Some(Seen::Talk(Protocol::Socks5, Side::Client)) }
}

/// The signature that opens version 2 of the PROXY protocol.
pub(super) const PROXY_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

fn proxy_v2(bytes: &[u8]) -> Option<Seen> {
    let signature = head(bytes, PROXY_V2.len());
    if !PROXY_V2.starts_with(signature) {
        return Some(Seen::Plain(None));
    }
    if signature.len() < PROXY_V2.len() { None } else { Some(Seen::Talk(Protocol::ProxyProtocol, Side::Client)) }
}

/// A PRELOGIN packet whose options begin with the version, as they must (MS-TDS section 2.2.6.5).
fn tds(bytes: &[u8]) -> Option<Seen> {
    if *bytes.get(1)? > 1 {
        return Some(Seen::Plain(None));
    }
    let len = be16(bytes, 2)?;
    talk_if((14..=4096).contains(&len) && *bytes.get(8)? == 0, Protocol::Tds, Side::Client)
}

/// An LDAP message: a sequence, a message id, then an operation (RFC 4511 section 4.1.1).
fn ldap(bytes: &[u8]) -> Option<Seen> {
    let long = match *bytes.get(1)? {
        0..=0x7f => 0,
        len @ 0x81..=0x84 => usize::from(len & 0x7f),
        _ => return Some(Seen::Plain(None)),
    };
    let (tag, id_len) = (*bytes.get(2 + long)?, *bytes.get(3 + long)?);
    if tag != 2 || !(1..=4).contains(&id_len) {
        return Some(Seen::Plain(None));
    }
    match *bytes.get(4 + long + usize::from(id_len))? {
        // bind, unbind, search, modify, add, delete, rename, compare, abandon, extended
        0x60 | 0x42 | 0x63 | 0x66 | 0x68 | 0x4a | 0x6c | 0x6e | 0x50 | 0x77 => Some(Seen::Talk(Protocol::Ldap, Side::Client)),
        // answers: bind, search, extended
        0x61 | 0x64 | 0x65 | 0x78 => Some(Seen::Talk(Protocol::Ldap, Side::Server)),
        _ => Some(Seen::Plain(None)),
    }
}

/// An XML declaration or a stream's opening. Client and server open alike: it is the client that speaks first.
fn xmpp(bytes: &[u8]) -> Option<Seen> {
    for opening in [&b"<?xml "[..], b"<stream:stream"] {
        let seen = head(bytes, opening.len());
        if opening.starts_with(seen) {
            return if seen.len() < opening.len() { None } else { Some(Seen::Talk(Protocol::Xmpp, Side::Client)) };
        }
    }
    Some(Seen::Plain(None))
}

/// Text, once its first line (or enough of it) is there.
fn text(bytes: &[u8]) -> Option<Seen> {
    let bytes = head(bytes, ENOUGH);
    let end = bytes.iter().position(|b| !is_text(*b));
    match end.map(|end| bytes.split_at_checked(end)) {
        Some(Some((line, rest))) if rest.first() == Some(&b'\n') => Some(line_seen(line.strip_suffix(b"\r").unwrap_or(line))),
        Some(_) => Some(Seen::Plain(None)),
        None if bytes.len() >= ENOUGH => Some(line_seen(bytes)),
        None => None,
    }
}

fn line_seen(line: &[u8]) -> Seen {
    let mut words = words(line);
    let first = words.next().unwrap_or_default();
    let second = words.next().unwrap_or_default();
    if first == b"CONNECT" {
        // A brace: NATS, whose clients connect with JSON.
        return if second.starts_with(b"{") { Seen::Plain(Some(Side::Client)) } else { Seen::Talk(Protocol::HttpConnect, Side::Client) };
    }
    if first == b"PROXY" && one_of(second, &["TCP4", "TCP6", "UNKNOWN"]) {
        return Seen::Talk(Protocol::ProxyProtocol, Side::Client);
    }
    if http_status(line).is_some() {
        return Seen::Plain(Some(Side::Server));
    }
    if let Some(code) = greeting_code(line) {
        return Seen::Talk(server_greeting(code, line), Side::Server);
    }
    if first == b"*" && one_of(second, &["OK", "PREAUTH", "BYE"]) {
        return Seen::Talk(Protocol::Imap, Side::Server);
    }
    if first == b"+OK" {
        return Seen::Talk(Protocol::Pop3, Side::Server);
    }
    if is_sieve(line) {
        return Seen::Talk(Protocol::Sieve, Side::Server);
    }
    // Clients of protocols in which the server speaks first, where its greeting was not captured.
    if one_of(first, &["EHLO", "HELO", "LHLO"]) {
        return Seen::Talk(Protocol::Smtp, Side::Client);
    }
    if one_of(first, &["STLS", "CAPA"]) {
        return Seen::Talk(Protocol::Pop3, Side::Client);
    }
    if begins(first, b"AUTH") && one_of(second, &["TLS", "SSL", "TLS-C", "TLS-P"]) {
        return Seen::Talk(Protocol::Ftp, Side::Client);
    }
    if one_of(second, &["CAPABILITY", "STARTTLS"]) {
        return Seen::Talk(Protocol::Imap, Side::Client);
    }
    let request = words.next_back().is_some_and(|last| last.starts_with(b"HTTP/"));
    Seen::Plain(request.then_some(Side::Client))
}

/// Which protocol a greeting's code and words speak for; SMTP where they leave it open (the client's first command settles it).
fn server_greeting(code: u16, line: &[u8]) -> Protocol {
    match code {
        200 | 201 => Protocol::Nntp,
        120 => Protocol::Ftp,
        _ if contains(line, b"FTP") => Protocol::Ftp,
        _ if contains(line, b"NNTP") => Protocol::Nntp,
        _ => Protocol::Smtp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_bytes_are_no_answer() {
        let whole: [(&[u8], Seen); 14] = [
            (b"CONNECT a:443 HTTP/1.1\r\n", Seen::Talk(Protocol::HttpConnect, Side::Client)),
            (b"PROXY TCP6 ::1 ::1 1 2\r\n", Seen::Talk(Protocol::ProxyProtocol, Side::Client)),
            (PROXY_V2, Seen::Talk(Protocol::ProxyProtocol, Side::Client)),
            (b"\x05\x01\x00", Seen::Talk(Protocol::Socks5, Side::Client)),
            (b"220 mx\r\n", Seen::Talk(Protocol::Smtp, Side::Server)),
            (b"220 ftp.example\r\n", Seen::Talk(Protocol::Ftp, Side::Server)),
            (b"201 news\r\n", Seen::Talk(Protocol::Nntp, Side::Server)),
            (b"* PREAUTH hi\r\n", Seen::Talk(Protocol::Imap, Side::Server)),
            (b"+OK\r\n", Seen::Talk(Protocol::Pop3, Side::Server)),
            (b"EHLO a\r\n", Seen::Talk(Protocol::Smtp, Side::Client)),
            (b"AUTH TLS\r\n", Seen::Talk(Protocol::Ftp, Side::Client)),
            (b"a1 STARTTLS\r\n", Seen::Talk(Protocol::Imap, Side::Client)),
            (b"HTTP/1.1 408 Request Timeout\r\n", Seen::Plain(Some(Side::Server))),
            (b"GET / HTTP/1.1\r\n", Seen::Plain(Some(Side::Client))),
        ];
        for (bytes, seen) in whole {
            assert_eq!(recognise(bytes), seen);
            for cut in 0..bytes.len() {
                assert_eq!(recognise(&bytes[..cut]), Seen::More, "{} cut at {cut}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn near_misses_are_plain() {
        let misses: [&[u8]; 9] = [
            b"CONNECTED(00000003)\n",
            b"2200 sheep\r\n",
            b"220\r\n",
            b"* nothing of note\r\n",
            b"<html><body>",
            b"\r\n\r\n\0\r\nQUIET\n",
            b"\x03\x00\x00\x04\x01\x02",
            b"0\x82text",
            b"\x00\x00\x00\x08\x00\x00\x00\x00",
        ];
        for bytes in misses {
            assert_eq!(recognise(bytes), Seen::Plain(None), "{}", bytes.escape_ascii());
        }
        assert_eq!(recognise(&[b'a'; 128]), Seen::Plain(None));
    }
}
