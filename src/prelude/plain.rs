//! What is TLS and what plainly is not: told from the first bytes.

use super::wire::{be16, begins, contains, head, is_text, le16, lossy, one_of, words};

/// How many of a way's first bytes are kept to name what it speaks.
pub(super) const FIRST: usize = 160;

/// How many bytes of binary data are shown.
const BINARY: usize = 32;

/// The longest record a TLS peer may send: 2^14 bytes and 2048 of overhead (RFC 5246 section 6.2.3).
const RECORD_MAX: u16 = 16384 + 2048;

/// Whether a stream (or what follows a prelude) begins with TLS: a record of any type, or a hello in SSL 2.0 form. `None`: too few bytes to say.
///
/// Records other than handshake are taken too, for connections whose beginning was not captured.
pub fn starts_tls(bytes: &[u8]) -> Option<bool> {
    let kind = *bytes.first()?;
    if kind & 0x80 != 0 {
        return starts_ssl2(bytes);
    }
    if !(0x14..=0x17).contains(&kind) {
        return Some(false);
    }
    if *bytes.get(1)? != 3 || *bytes.get(2)? > 4 {
        return Some(false);
    }
    let len = be16(bytes, 3)?;
    Some(match kind {
        0x14 => len == 1,
        0x15 => (2..=256).contains(&len),
        _ => (1..=RECORD_MAX).contains(&len),
    })
}

/// A ClientHello in SSL 2.0 form, as old clients open with (RFC 5246 appendix E.2).
fn starts_ssl2(bytes: &[u8]) -> Option<bool> {
    bytes.get(1)?;
    if *bytes.get(2)? != 1 {
        return Some(false);
    }
    let version = (*bytes.get(3)?, *bytes.get(4)?);
    if !matches!(version, (0, 2) | (3, 0..=4)) {
        return Some(false);
    }
    let ciphers = be16(bytes, 5)?;
    Some(ciphers != 0 && ciphers % 3 == 0)
}

/// Something that is not TLS, named from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlainProtocol {
    /// An HTTP request.
    HttpRequest,
    /// An HTTP response, and its status code.
    HttpResponse(u16),
    /// RTSP, either way.
    Rtsp,
    /// An SSH banner.
    Ssh,
    /// An SMTP or LMTP server, or a client's EHLO.
    Smtp,
    /// An FTP server.
    Ftp,
    /// A greeting with a three-digit code that could be SMTP's, FTP's or NNTP's.
    Greeting,
    /// An IMAP server.
    Imap,
    /// A POP3 server.
    Pop3,
    /// A ManageSieve server.
    Sieve,
    /// XMPP.
    Xmpp,
    /// A MySQL or MariaDB server.
    Mysql,
    /// Redis: an error or a reply of its text protocol.
    Redis,
    /// A client that offers SSL 2.0 and nothing else.
    Ssl2,
    /// Lines of text of no known kind.
    Text,
    /// Bytes that are no text.
    Binary,
}

impl PlainProtocol {
    /// The name as people write it: `HTTP`, `SSH`, `SMTP or FTP` …
    pub fn name(self) -> &'static str {
        match self {
            PlainProtocol::HttpRequest | PlainProtocol::HttpResponse(_) => "HTTP",
            PlainProtocol::Rtsp => "RTSP",
            PlainProtocol::Ssh => "SSH",
            PlainProtocol::Smtp => "SMTP",
            PlainProtocol::Ftp => "FTP",
            PlainProtocol::Greeting => "SMTP or FTP",
            PlainProtocol::Imap => "IMAP",
            PlainProtocol::Pop3 => "POP3",
            PlainProtocol::Sieve => "ManageSieve",
            PlainProtocol::Xmpp => "XMPP",
            PlainProtocol::Mysql => "MySQL",
            PlainProtocol::Redis => "Redis",
            PlainProtocol::Ssl2 => "SSL 2.0",
            PlainProtocol::Text => "plain text",
            PlainProtocol::Binary => "binary data",
        }
    }
}

/// Names what begins with these bytes and is not TLS (nor SSL 3.0). `None` where there are no bytes, or where they are TLS.
pub fn describe_plain(bytes: &[u8]) -> Option<PlainProtocol> {
    if bytes.get(3..5) == Some(&[0, 2]) && starts_ssl2(bytes) == Some(true) {
        return Some(PlainProtocol::Ssl2);
    }
    if bytes.is_empty() || starts_tls(bytes) == Some(true) {
        return None;
    }
    if mysql_greeting(bytes) == Some(true) {
        return Some(PlainProtocol::Mysql);
    }
    let line = line_of(bytes);
    if !line.iter().copied().all(is_text) {
        return Some(PlainProtocol::Binary);
    }
    if let Some(code) = http_status(line) {
        return Some(PlainProtocol::HttpResponse(code));
    }
    if is_http_request(line) {
        return Some(PlainProtocol::HttpRequest);
    }
    let known: [(&[u8], PlainProtocol); 15] = [
        (b"SSH-", PlainProtocol::Ssh),
        (b"RTSP/", PlainProtocol::Rtsp),
        (b"EHLO ", PlainProtocol::Smtp),
        (b"HELO ", PlainProtocol::Smtp),
        (b"LHLO ", PlainProtocol::Smtp),
        (b"* OK", PlainProtocol::Imap),
        (b"* PREAUTH", PlainProtocol::Imap),
        (b"* BYE", PlainProtocol::Imap),
        (b"+OK ", PlainProtocol::Pop3),
        (b"-ERR", PlainProtocol::Redis),
        (b"-NOAUTH", PlainProtocol::Redis),
        (b"-DENIED", PlainProtocol::Redis),
        (b"+PONG", PlainProtocol::Redis),
        (b"<?xml", PlainProtocol::Xmpp),
        (b"<stream:stream", PlainProtocol::Xmpp),
    ];
    if let Some((_, protocol)) = known.iter().find(|(prefix, _)| line.starts_with(prefix)) {
        return Some(*protocol);
    }
    Some(if line.ends_with(b" RTSP/1.0") {
        PlainProtocol::Rtsp
    } else if greeting_code(line).is_some() {
        greeting_kind(line)
    } else if is_sieve(line) {
        PlainProtocol::Sieve
    } else {
        PlainProtocol::Text
    })
}

/// The first line of `bytes`, at most 160 bytes of it, made valid UTF-8 but not escaped; of binary data the first 32 bytes, of a MySQL
/// greeting the text in it. What follows a word that announces a password (`PASS`, `LOGIN`, `AUTH` …) is left out: the line goes into tickets.
pub fn first_line(bytes: &[u8]) -> String {
    if mysql_greeting(bytes) == Some(true) {
        let text = bytes.get(if bytes.get(4) == Some(&10) { 5 } else { 7 }..).unwrap_or_default();
        return lossy(text.split(|b| *b == 0).next().unwrap_or(text), FIRST);
    }
    let line = line_of(bytes);
    if !line.iter().copied().all(is_text) {
        return lossy(bytes, BINARY);
    }
    let secret = words(line).take(2).position(|word| one_of(word, &["PASS", "LOGIN", "AUTH", "AUTHENTICATE"]));
    let Some(at) = secret else { return lossy(line, FIRST) };
    let mut shown: Vec<&[u8]> = words(line).take(at + 1).collect();
    let mut rest = words(line).skip(at + 1).peekable();
    if let Some(mechanism) = rest.next_if(|word| one_of(word, MECHANISMS)) {
        shown.push(mechanism);
    }
    if rest.peek().is_some() {
        shown.push("…".as_bytes());
    }
    lossy(&shown.join(&b' '), FIRST)
}

/// What may follow AUTH or AUTHENTICATE and is no secret.
const MECHANISMS: &[&str] = &[
    "TLS",
    "TLS-C",
    "TLS-P",
    "SSL",
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "DIGEST-MD5",
    "EXTERNAL",
    "GSSAPI",
    "NTLM",
    "XOAUTH2",
    "OAUTHBEARER",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
];

/// Up to the line's end (not included), or the first 160 bytes. What is no text has no line's end either.
fn line_of(bytes: &[u8]) -> &[u8] {
    let bytes = head(bytes, FIRST);
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or(bytes);
    if !line.iter().copied().all(is_text) {
        return bytes;
    }
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The status of an HTTP status line.
pub(super) fn http_status(line: &[u8]) -> Option<u16> {
    if !line.starts_with(b"HTTP/") {
        return None;
    }
    digits(words(line).nth(1)?)
}

/// Exactly three digits.
fn digits(word: &[u8]) -> Option<u16> {
    let [a, b, c] = word else { return None };
    if ![a, b, c].iter().all(|d| d.is_ascii_digit()) {
        return None;
    }
    Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
}

fn is_http_request(line: &[u8]) -> bool {
    const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PRI", "PROPFIND"];
    let mut words = words(line);
    let (Some(method), Some(_target)) = (words.next(), words.next()) else { return false };
    match words.next_back() {
        Some(version) => version.starts_with(b"HTTP/"),
        // Cut short, or HTTP/0.9.
        None => METHODS.iter().any(|m| method == m.as_bytes()),
    }
}

/// The code of a reply line `NNN text` or `NNN-text` (RFC 5321 section 4.2, RFC 959 section 4.2).
pub(super) fn reply_code(line: &[u8]) -> Option<u16> {
    let code = digits(line.get(..3)?)?;
    match line.get(3) {
        None | Some(b' ' | b'-') if (100..700).contains(&code) => Some(code),
        _ => None,
    }
}

/// The code, where a server opens with such a line (220; 421, 554 when it is not willing; 200 and 201 in NNTP; 120 in FTP).
pub(super) fn greeting_code(line: &[u8]) -> Option<u16> {
    reply_code(line).filter(|code| matches!(code, 120 | 200 | 201 | 220 | 400..=599) && line.len() > 3)
}

fn greeting_kind(line: &[u8]) -> PlainProtocol {
    if contains(line, b"FTP") {
        PlainProtocol::Ftp
    } else if contains(line, b"SMTP") || contains(line, b"LMTP") {
        PlainProtocol::Smtp
    } else {
        PlainProtocol::Greeting
    }
}

/// Whether a line is one of the capabilities a ManageSieve server opens with (RFC 5804 section 1.7).
pub(super) fn is_sieve(line: &[u8]) -> bool {
    [&b"\"IMPLEMENTATION\""[..], b"\"SIEVE\"", b"\"SASL\"", b"\"STARTTLS\"", b"\"VERSION\"", b"\"NOTIFY\""].iter().any(|p| begins(line, p))
}

/// Whether a server opens in MySQL's manner: packet 0, holding protocol version 10 and a version text, or an error. `None`: too few bytes to say.
pub(super) fn mysql_greeting(bytes: &[u8]) -> Option<bool> {
    bytes.get(1)?;
    if *bytes.get(2)? != 0 || *bytes.get(3)? != 0 {
        return Some(false);
    }
    match *bytes.get(4)? {
        10 => Some(bytes.get(5)?.is_ascii_digit()),
        0xff => {
            bytes.get(6)?;
            Some(le16(bytes, 5).is_some_and(|code| (1000..5000).contains(&code)))
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_known_by_its_record_header() {
        assert_eq!(starts_tls(b"\x16\x03\x01\x02\x00\x01"), Some(true));
        assert_eq!(starts_tls(b"\x15\x03\x03\x00\x02\x02\x28"), Some(true));
        assert_eq!(starts_tls(b"\x17\x03\x03\x00\x45"), Some(true), "a connection whose beginning was not captured");
        assert_eq!(starts_tls(b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10"), Some(true), "SSL 2.0 form");
        for cut in 0..5 {
            assert_eq!(starts_tls(&b"\x16\x03\x01\x02\x00"[..cut]), None);
        }
    }

    #[test]
    fn near_misses_are_not_tls() {
        assert_eq!(starts_tls(b"\x16hello\r\n"), Some(false));
        assert_eq!(starts_tls(b"\x16\x03\x07\x02\x00"), Some(false), "no such version");
        assert_eq!(starts_tls(b"\x16\x03\x01\x00\x00"), Some(false), "an empty handshake record");
        assert_eq!(starts_tls(b"\x15\x03\x03\x40\x02"), Some(false), "an alert of 16 kB");
        assert_eq!(starts_tls(b"\x16\x03\x03\x48\x01"), Some(false), "longer than any record");
        assert_eq!(starts_tls(b"\xb9\x00\x00\x00\x0a8.0"), Some(false), "MySQL");
        assert_eq!(starts_tls(b"\x80\x2e\x01\x03\x01\x00\x14"), Some(false), "ciphers come in threes");
        assert_eq!(starts_tls(b"GET / HTTP/1.1"), Some(false));
    }

    #[test]
    fn plain_answers_have_names() {
        use PlainProtocol as P;
        let cases: [(&[u8], P, &str); 25] = [
            (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", P::Ssl2, "SSL 2.0"),
            (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n", P::HttpResponse(400), "HTTP"),
            (b"HTTP/1.0 200 OK\r\n", P::HttpResponse(200), "HTTP"),
            (b"GET / HTTP/1.1\r\n", P::HttpRequest, "HTTP"),
            (b"PRI * HTTP/2.0\r\n", P::HttpRequest, "HTTP"),
            (b"PROPPATCH /x HTTP/1.1\r\n", P::HttpRequest, "HTTP"),
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", P::Ssh, "SSH"),
            (b"220 mx.example.com ESMTP Postfix\r\n", P::Smtp, "SMTP"),
            (b"220 (vsFTPd 3.0.3)\r\n", P::Ftp, "FTP"),
            (b"220 ready\r\n", P::Greeting, "SMTP or FTP"),
            (b"421 too many connections\r\n", P::Greeting, "SMTP or FTP"),
            (b"EHLO client.example\r\n", P::Smtp, "SMTP"),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", P::Imap, "IMAP"),
            (b"+OK Dovecot ready.\r\n", P::Pop3, "POP3"),
            (b"-ERR unknown command\r\n", P::Redis, "Redis"),
            (b"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n", P::Sieve, "ManageSieve"),
            (b"<?xml version='1.0'?><stream:stream", P::Xmpp, "XMPP"),
            (b"d\0\0\0\x0a5.5.5-10.11.19-MariaDB\0", P::Mysql, "MySQL"),
            (b"E\0\0\0\xff\x6a\x04Host '192.0.2.1' is not allowed to connect", P::Mysql, "MySQL"),
            (b"RTSP/1.0 400 Bad Request\r\n", P::Rtsp, "RTSP"),
            (b"OPTIONS rtsp://cam/ RTSP/1.0\r\n", P::Rtsp, "RTSP"),
            (b"hello there\r\n", P::Text, "plain text"),
            (b"2200 sheep\r\n", P::Text, "plain text"),
            (b"\x00\x01\x02\x03", P::Binary, "binary data"),
            (b"\x16text that is not TLS\r\n", P::Binary, "binary data"),
        ];
        for (bytes, plain, name) in cases {
            assert_eq!(describe_plain(bytes), Some(plain), "{}", bytes.escape_ascii());
            assert_eq!(plain.name(), name);
        }
        assert_eq!(describe_plain(b""), None);
        assert_eq!(describe_plain(b"\x16\x03\x01\x02\x00\x01"), None);
    }

    #[test]
    fn first_lines_leave_passwords_out() {
        assert_eq!(first_line(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"), "HTTP/1.1 400 Bad Request");
        assert_eq!(first_line(b"a1 LOGIN bob hunter2\r\n"), "a1 LOGIN …");
        assert_eq!(first_line(b"PASS hunter2\r\n"), "PASS …");
        assert_eq!(first_line(b"AUTH hunter2\r\n"), "AUTH …");
        assert_eq!(first_line(b"AUTH PLAIN AGJvYgBodW50ZXIy\r\n"), "AUTH PLAIN …");
        assert_eq!(first_line(b"AUTH TLS\r\n"), "AUTH TLS");
        assert_eq!(first_line(b"POST /login HTTP/1.1\r\n"), "POST /login HTTP/1.1");
        assert_eq!(first_line(b"\xff\xfe\x1b[2J"), "\u{fffd}\u{fffd}\x1b[2J", "escaping is the printer's");
        assert_eq!(first_line(b"\0\x01\n\x02"), "\0\x01\n\x02", "what is no text has no lines");
        assert_eq!(first_line(b"d\0\0\0\x0a5.5.5-10.11.19-MariaDB\0\x03\0"), "5.5.5-10.11.19-MariaDB");
        assert_eq!(first_line(b"E\0\0\0\xff\x6a\x04Host '192.0.2.1' is not allowed"), "Host '192.0.2.1' is not allowed");
        assert_eq!(first_line(&[b'x'; 4000]).len(), 160);
    }
}
