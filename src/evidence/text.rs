//! What people said before TLS, or instead of it: what tells who hung up stays, what is theirs becomes `x`, every length stays.
//!
//! Only what is known to be harmless stays: the names of commands and headers, the answers' codes and texts, the hosts of tunnels.

use crate::prelude::Protocol;

/// Commands whose words say nothing about anybody (but a host's name).
const HARMLESS: [&str; 17] = [
    "EHLO",
    "HELO",
    "LHLO",
    "STARTTLS",
    "STLS",
    "CAPA",
    "CAPABILITY",
    "NOOP",
    "QUIT",
    "LOGOUT",
    "FEAT",
    "PBSZ",
    "PROT",
    "SYST",
    "HELP",
    "RSET",
    "PROXY",
];
/// Commands of which only the name stays.
const COMMANDS: [&str; 17] = [
    "MAIL",
    "RCPT",
    "DATA",
    "BDAT",
    "VRFY",
    "EXPN",
    "USER",
    "PASS",
    "ACCT",
    "APOP",
    "LOGIN",
    "AUTHENTICATE",
    "AUTHINFO",
    "AUTH",
    "ID",
    "SELECT",
    "OPTS",
];
/// Headers whose values say nothing about anybody (but a host's name).
const HEADERS: [&str; 25] = [
    "host",
    "connection",
    "proxy-connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "server",
    "date",
    "via",
    "retry-after",
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "upgrade",
    "user-agent",
    "proxy-agent",
    "x-squid-error",
    "keep-alive",
    "allow",
    "age",
    "vary",
    "expires",
    "pragma",
    "x-cache",
];
/// Headers whose value's first word is the kind of authentication.
const AUTHENTICATION: [&str; 4] = ["authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"];

/// Where the lines of a text are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a dialogue of lines.
    Dialogue,
    /// In the headers of an HTTP message.
    Headers,
    /// Behind them.
    Body,
}

/// What is done to the IP addresses in a binary protocol: 4 or 16 bytes each.
type Address<'a> = &'a dyn Fn(&mut [u8]);

/// Blanks what is personal in `bytes`, which a client (or else a server) said from its first byte on, in these protocols.
pub(super) fn blank(client: bool, protocols: &[Protocol], bytes: &mut [u8], address: Address<'_>) {
    let mut rest = bytes;
    for protocol in protocols {
        let taken = binary(*protocol, client, rest, address);
        rest = rest.split_at_mut_checked(taken).map_or(&mut [], |(_, rest)| rest);
    }
    let mut place = Place::Dialogue;
    if rest.first() == Some(&b'<') {
        return markup(rest);
    }
    for line in rest.split_inclusive_mut(|byte| *byte == b'\n') {
        place = if client { client_line(line, place) } else { server_line(line, place) };
    }
}

/// Blanks the values of `User-Agent`: programs of one's own may be named after whoever made them.
pub(super) fn blank_agents(bytes: &mut [u8]) {
    const NAME: &[u8] = b"user-agent:";
    for line in bytes.split_inclusive_mut(|byte| *byte == b'\n') {
        if line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
            hide_from(line, NAME.len());
        }
    }
}

/// Blanks everything but spaces and line ends.
fn hide(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| !matches!(byte, b' ' | b'\r' | b'\n')) {
        *byte = b'x';
    }
}

/// Blanks from `from` on.
fn hide_from(bytes: &mut [u8], from: usize) {
    hide(bytes.get_mut(from..).unwrap_or_default());
}

/// The words of a line: where each begins and ends.
fn words(line: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    line.split(|byte| byte.is_ascii_whitespace()).filter_map(move |word| {
        let from = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((from, from + word.len()))
    })
}

fn is_one_of(word: &[u8], of: &[&str]) -> bool {
    of.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

fn client_line(line: &mut [u8], place: Place) -> Place {
    let found: Vec<(usize, usize)> = words(line).take(3).collect();
    let word = |place: usize| found.get(place).and_then(|(from, to)| line.get(*from..*to)).unwrap_or_default();
    let is_request = word(2).starts_with(b"HTTP/") || (word(0) == b"CONNECT" && word(1).contains(&b':'));
    if is_request && place != Place::Headers {
        if let Some((from, to)) = found.get(1).copied() {
            let tunnel = word(0) == b"CONNECT";
            target(line.get_mut(from..to).unwrap_or_default(), tunnel);
        }
        return Place::Headers;
    }
    match place {
        Place::Headers => return header(line),
        Place::Body => hide(line),
        Place::Dialogue => {
            // IMAP has a tag before the command.
            let command = usize::from(!is_one_of(word(0), &HARMLESS) && !is_one_of(word(0), &COMMANDS) && found.len() > 1);
            let (name, argument) = (word(command), word(command + 1));
            let negotiates = is_one_of(name, &["AUTH"]) && is_one_of(argument, &["TLS", "SSL", "TLS-C", "TLS-P"]);
            let end = found.get(command).map_or(0, |(_, to)| *to);
            if is_one_of(name, &HARMLESS) || negotiates {
                addresses(line);
            } else if is_one_of(name, &COMMANDS) {
                hide_from(line, end);
            } else if !line.starts_with(b"SSH-") {
                hide(line);
            }
        }
    }
    place
}

fn server_line(line: &mut [u8], place: Place) -> Place {
    if line.starts_with(b"HTTP/") && place != Place::Headers {
        addresses(line);
        return Place::Headers;
    }
    match place {
        Place::Headers => return header(line),
        Place::Body => hide(line),
        Place::Dialogue => {
            let found: Vec<(usize, usize)> = words(line).take(2).collect();
            let word = |place: usize| found.get(place).and_then(|(from, to)| line.get(*from..*to)).unwrap_or_default();
            let (first, second) = (word(0), word(1));
            let code = line.first_chunk::<3>().filter(|code| code.iter().all(u8::is_ascii_digit)).copied();
            let is_status = is_one_of(second, &["OK", "NO", "BAD", "BYE", "PREAUTH", "CAPABILITY"]);
            let is_answer = is_one_of(first, &["+OK", "-ERR", "OK", "NO", "BYE"]) || line.starts_with(b"\"") || line.starts_with(b"SSH-");
            match code {
                // Challenges, and greetings by name.
                Some([b'3', b'3', _] | [b'2', b'3', _]) => hide_from(line, 4),
                Some(_) => addresses(line),
                None if is_answer || is_status => addresses(line),
                None => hide(line),
            }
        }
    }
    place
}

/// What a request asks for: a tunnel's target stays, of anything else only how deep its path is.
fn target(target: &mut [u8], tunnel: bool) {
    let user = target.iter().position(|byte| *byte == b'@');
    if tunnel {
        hide(target.get_mut(..user.unwrap_or(0)).unwrap_or_default());
        return;
    }
    for byte in target.iter_mut().filter(|byte| !matches!(byte, b'/' | b'?' | b'&' | b'=' | b'*')) {
        *byte = b'x';
    }
}

fn header(line: &mut [u8]) -> Place {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        // The empty line before the body; anything else is no header.
        let over = line.iter().all(u8::is_ascii_whitespace);
        hide(line);
        return if over { Place::Body } else { Place::Headers };
    };
    let (name, value) = line.split_at_mut_checked(colon + 1).unwrap_or_default();
    let name = name.get(..colon).unwrap_or_default();
    if is_one_of(name, &HEADERS) {
        addresses(value);
    } else if is_one_of(name, &AUTHENTICATION) {
        let kind = words(value).next().map_or(0, |(_, to)| to);
        hide_from(value, kind);
    } else {
        hide(value);
    }
    Place::Headers
}

/// Blanks mail addresses, but for the sign and the dots.
fn addresses(line: &mut [u8]) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || b"!#$%&*+-/=?^_`{|}~.".contains(&byte);
    let signs: Vec<usize> = line.iter().enumerate().filter(|(_, byte)| **byte == b'@').map(|(place, _)| place).collect();
    for sign in signs {
        let (before, after) = line.split_at_mut_checked(sign).unwrap_or_default();
        let own = before.iter_mut().rev().take_while(|byte| is_part(**byte));
        let domain = after.iter_mut().skip(1).take_while(|byte| is_part(**byte));
        for byte in own.chain(domain).filter(|byte| **byte != b'.') {
            *byte = b'x';
        }
    }
}

/// XML: names and namespaces stay, other values and all text go.
fn markup(bytes: &mut [u8]) {
    let (mut inside, mut quote, mut namespace) = (false, None, false);
    let mut name = Vec::new();
    for byte in bytes.iter_mut() {
        match (inside, quote) {
            (true, Some(end)) if *byte == end => quote = None,
            (true, Some(_)) if namespace => {}
            (true, Some(_)) => *byte = b'x',
            (true, None) if matches!(*byte, b'"' | b'\'') => {
                quote = Some(*byte);
                namespace = name.starts_with(b"xmlns") || is_one_of(&name, &["version", "encoding"]);
            }
            (true, None) => {
                inside = *byte != b'>';
                match *byte {
                    b'=' => {}
                    other if other.is_ascii_whitespace() => name.clear(),
                    other if name.len() < 16 => name.push(other),
                    _ => {}
                }
            }
            (false, _) => {
                inside = *byte == b'<';
                if !inside && !byte.is_ascii_whitespace() {
                    *byte = b'x';
                }
            }
        }
    }
}

/// Blanks what is personal in the messages of a binary protocol that `bytes` begins with; how many bytes they are.
fn binary(protocol: Protocol, client: bool, bytes: &mut [u8], address: Address<'_>) -> usize {
    let all = bytes.len();
    let (kept, rest) = match protocol {
        Protocol::ProxyProtocol => return proxy_header(bytes, address),
        Protocol::Socks5 if client => return socks5(bytes, address),
        Protocol::Socks5 if bytes.first() == Some(&5) => return socks5_answers(bytes, address),
        Protocol::Socks4 if client && bytes.first() == Some(&4) => return socks4(bytes, address),
        Protocol::Socks4 if bytes.first() == Some(&0) => {
            at(bytes, 4, 4, address);
            return all.min(8);
        }
        // A request for TLS has a length and a code, and its answer is one byte.
        Protocol::Postgres if client => (8, all),
        Protocol::Postgres => (1, all),
        // A request for TLS is 36 bytes long; a greeting says who the server is, and no more.
        Protocol::Mysql if client => (36, all),
        Protocol::Mysql => (all.min(256), all),
        Protocol::Tds => return tds(bytes),
        Protocol::Rdp => return rdp(bytes),
        Protocol::Ldap => return ldap(bytes),
        _ => return 0,
    };
    if let Some(gone) = bytes.get_mut(kept..rest) {
        gone.fill(0);
    }
    all
}

/// The PROXY protocol's second version: addresses stay, what else a balancer tells goes. (The first is a line.)
fn proxy_header(bytes: &mut [u8], address: Address<'_>) -> usize {
    let Some([0x0d, 0x0a, .., family, high, low]) = bytes.first_chunk::<16>().copied() else { return 0 };
    // Two addresses, and two ports.
    let each = match family >> 4 {
        1 => 4,
        2 => 16,
        _ => 0,
    };
    let own = if each == 0 { 0 } else { 2 * each + 4 };
    let end = (16 + usize::from(u16::from_be_bytes([high, low]))).min(bytes.len());
    for place in [0, each] {
        at(bytes, 16 + place, each, address);
    }
    if let Some(gone) = bytes.get_mut(16 + own..end) {
        gone.fill(0);
    }
    end
}

/// A client's part of SOCKS 5: greeting, name and password (RFC 1929), request.
fn socks5(bytes: &mut [u8], address: Address<'_>) -> usize {
    let Some([5, methods]) = bytes.first_chunk().copied() else { return 0 };
    let mut at = 2 + usize::from(methods);
    if bytes.get(at) == Some(&1) {
        for _ in 0..2 {
            at += 1;
            let len = bytes.get(at).map_or(0, |len| usize::from(*len));
            let end = (at + 1 + len).min(bytes.len());
            if let Some(secret) = bytes.get_mut(at + 1..end) {
                secret.fill(b'x');
            }
            at += len;
        }
        at += 1;
    }
    socks5_address(bytes, at, address)
}

/// A server's part of it: the answer to the greeting, to the password, and to the request.
fn socks5_answers(bytes: &mut [u8], address: Address<'_>) -> usize {
    let after = if bytes.get(2) == Some(&1) { 4 } else { 2 };
    socks5_address(bytes, after, address)
}

/// A request or its answer, at `start`: where it ends.
fn socks5_address(bytes: &mut [u8], start: usize, address: Address<'_>) -> usize {
    let len = match bytes.get(start + 3) {
        Some(1) => 4,
        Some(4) => 16,
        Some(3) => bytes.get(start + 4).map_or(0, |len| usize::from(*len) + 1),
        _ => return bytes.len().min(start),
    };
    if matches!(bytes.get(start + 3), Some(1 | 4)) {
        at(bytes, start + 4, len, address);
    }
    bytes.len().min(start + 4 + len + 2)
}

/// Hands an address of `len` bytes at `start` to `address`, if there is all of it.
fn at(bytes: &mut [u8], start: usize, len: usize, address: Address<'_>) {
    if let Some(found) = bytes.get_mut(start..start + len).filter(|found| !found.is_empty()) {
        address(found);
    }
}

/// A client's part of SOCKS 4: a request, a user's name, and perhaps a host's.
fn socks4(bytes: &mut [u8], address: Address<'_>) -> usize {
    let by_name = matches!(bytes.get(4..8), Some([0, 0, 0, last]) if *last != 0);
    if !by_name {
        at(bytes, 4, 4, address);
    }
    let user = bytes.get(8..).and_then(|rest| rest.iter().position(|byte| *byte == 0)).map_or(bytes.len(), |end| 8 + end);
    if let Some(name) = bytes.get_mut(8..user) {
        name.fill(b'x');
    }
    let host =
        if by_name { bytes.get(user + 1..).and_then(|rest| rest.iter().position(|byte| *byte == 0)).map_or(0, |end| end + 1) } else { 0 };
    bytes.len().min(user + 1 + host)
}

/// TDS packets: those before the login stay, of all others the header.
fn tds(bytes: &mut [u8]) -> usize {
    const PRELOGIN: u8 = 0x12;
    const ANSWER: u8 = 0x04;
    let mut at = 0;
    while let Some([kind, _, high, low, ..]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()).copied() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len < 8 {
            break;
        }
        let end = (at + len).min(bytes.len());
        if !(kind == PRELOGIN || (kind == ANSWER && at == 0))
            && let Some(gone) = bytes.get_mut(at + 8..end)
        {
            gone.fill(0);
        }
        at = end;
    }
    if let Some(gone) = bytes.get_mut(at..) {
        gone.fill(0);
    }
    bytes.len()
}

/// RDP's connection request, whose cookie names a user.
fn rdp(bytes: &mut [u8]) -> usize {
    const COOKIE: &[u8] = b"Cookie: ";
    let len = bytes.get(2..4).and_then(|len| len.first_chunk()).map_or(0, |len| usize::from(u16::from_be_bytes(*len))).min(bytes.len());
    let cookie = bytes.windows(COOKIE.len()).position(|window| window == COOKIE).map(|at| at + COOKIE.len());
    if let Some(value) = cookie.and_then(|at| bytes.get_mut(at..len)) {
        let end = value.iter().position(|byte| *byte == b'\r').unwrap_or(value.len());
        let name = value.iter().position(|byte| *byte == b'=').map_or(0, |sign| sign + 1);
        hide(value.get_mut(name..end).unwrap_or_default());
    }
    len
}

/// LDAP messages: an extended operation (StartTLS is one) and its answer stay, of all others the beginning.
fn ldap(bytes: &mut [u8]) -> usize {
    const KEPT: usize = 12;
    let mut at = 0;
    while let Some((head, body)) = bytes.get(at..).and_then(element) {
        let message = bytes.get(at + head..at + head + body).or(bytes.get(at + head..)).unwrap_or_default();
        // The number of the message, then its operation.
        let operation = element(message).and_then(|(head, body)| message.get(head + body)).copied();
        let end = (at + head + body).min(bytes.len());
        if !matches!(operation, Some(0x77 | 0x78))
            && let Some(gone) = bytes.get_mut((at + KEPT).min(end)..end)
        {
            gone.fill(0);
        }
        at = end;
        if at >= bytes.len() {
            break;
        }
    }
    if let Some(gone) = bytes.get_mut(at..) {
        gone.fill(0);
    }
    bytes.len()
}

/// The lengths of a BER element's tag and length, and of its content.
fn element(bytes: &[u8]) -> Option<(usize, usize)> {
    let len = *bytes.get(1)?;
    if len < 0x80 {
        return Some((2, usize::from(len)));
    }
    let digits = usize::from(len & 0x7f);
    if digits == 0 || digits > 4 {
        return None;
    }
    let len = bytes.get(2..2 + digits)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    Some((2 + digits, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(client: bool, protocols: &[Protocol], text: &[u8]) -> String {
        let mut bytes = text.to_vec();
        blank(client, protocols, &mut bytes, &|_| {});
        assert_eq!(bytes.len(), text.len());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn a_tunnel_keeps_its_target_and_loses_its_password() {
        let request = b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\nX-Id: 7\r\n\r\n";
        assert_eq!(
            said(true, &[Protocol::HttpConnect], request),
            "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nProxy-Authorization: Basic xxxxxxxxxxxx\r\nX-Id: x\r\n\r\n"
        );
        assert_eq!(
            said(false, &[Protocol::HttpConnect], b"HTTP/1.1 403 not for bob@example.org\r\n"),
            "HTTP/1.1 403 not for xxx@xxxxxxx.xxx\r\n"
        );
        let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate TlRMTVNT\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nhi bob\n";
        assert_eq!(
            said(false, &[Protocol::HttpConnect], answer),
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate xxxxxxxx\r\nSet-Cookie: xxx\r\nContent-Length: 5\r\n\r\nxx xxx\n"
        );
    }

    #[test]
    fn a_request_in_clear_keeps_its_shape() {
        let request = b"GET /reset/a1b2?token=s3cret HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=1\r\n\r\nbody";
        assert_eq!(said(true, &[], request), "GET /xxxxx/xxxx?xxxxx=xxxxxx HTTP/1.1\r\nHost: shop.example\r\nCookie: xxxxx\r\n\r\nxxxx");
    }

    #[test]
    fn mail_dialogues_keep_commands_and_codes() {
        let client = b"EHLO pc.example\r\nSTARTTLS\r\nMAIL FROM:<bob@example.org>\r\nAUTH PLAIN AGJvYgBwdw==\r\nAGJvYg==\r\nQUIT\r\n";
        assert_eq!(
            said(true, &[Protocol::Smtp], client),
            "EHLO pc.example\r\nSTARTTLS\r\nMAIL xxxxxxxxxxxxxxxxxxxxxx\r\nAUTH xxxxx xxxxxxxxxxxx\r\nxxxxxxxx\r\nQUIT\r\n"
        );
        let server = b"220 mx.example ESMTP\r\n250-mx.example greets bob@example.org\r\n334 VXNlcm5hbWU6\r\n454 TLS not available\r\n";
        assert_eq!(
            said(false, &[Protocol::Smtp], server),
            "220 mx.example ESMTP\r\n250-mx.example greets xxx@xxxxxxx.xxx\r\n334 xxxxxxxxxxxx\r\n454 TLS not available\r\n"
        );
        assert_eq!(said(true, &[Protocol::Imap], b"a1 STARTTLS\r\na2 LOGIN bob pw\r\n"), "a1 STARTTLS\r\na2 LOGIN xxx xx\r\n");
        assert_eq!(
            said(false, &[Protocol::Imap], b"* OK ready\r\na1 OK go\r\n* 5 FETCH x y\r\n"),
            "* OK ready\r\na1 OK go\r\nx x xxxxx x x\r\n"
        );
        assert_eq!(said(true, &[Protocol::Ftp], b"AUTH TLS\r\nUSER bob\r\n"), "AUTH TLS\r\nUSER xxx\r\n");
        assert_eq!(
            said(false, &[Protocol::Pop3], b"+OK <1.2@mx.example>\r\nSubject: hello\r\n"),
            "+OK <x.x@xx.xxxxxxx>\r\nxxxxxxxx xxxxx\r\n"
        );
    }

    #[test]
    fn markup_keeps_its_elements() {
        let stream = b"<stream:stream to='bob.example' xmlns='jabber:client'><auth mechanism='PLAIN'>AGJvYg==</auth>";
        assert_eq!(
            said(true, &[Protocol::Xmpp], stream),
            "<stream:stream to='xxxxxxxxxxx' xmlns='jabber:client'><auth mechanism='xxxxx'>xxxxxxxx</auth>"
        );
    }

    #[test]
    fn binary_preludes_keep_their_messages() {
        let socks = b"\x05\x01\x02\x01\x03bob\x02pw\x05\x01\x00\x03\x07a.exmpl\x01\xbbEHLO x\r\n";
        assert_eq!(
            said(true, &[Protocol::Socks5], socks),
            "\x05\x01\x02\x01\x03xxx\x02xx\x05\x01\x00\x03\x07a.exmpl\x01\u{fffd}EHLO x\r\n"
        );
        let socks = b"\x04\x01\x01\xbb\x00\x00\x00\x01bob\0a.example\0";
        assert_eq!(said(true, &[Protocol::Socks4], socks), "\x04\x01\x01\u{fffd}\x00\x00\x00\x01xxx\0a.example\0");
        let rdp = b"\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=eltons\r\n\x01\0\x08\0\x03\0\0\0";
        assert!(said(true, &[Protocol::Rdp], rdp).contains("Cookie: mstshash=xxxxxx\r\n\x01"));
        let bind = b"\x30\x15\x02\x01\x01\x60\x10\x02\x01\x03\x04\x05cn=me\x80\x04pass";
        assert!(!said(true, &[Protocol::Ldap], bind).contains("pass"));
        let start = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
        assert_eq!(said(true, &[Protocol::Ldap], start), String::from_utf8_lossy(start));
    }

    #[test]
    fn no_bytes_upset_it() {
        let protocols = [Protocol::ProxyProtocol, Protocol::Socks5, Protocol::Socks4, Protocol::Tds, Protocol::Rdp, Protocol::Ldap];
        let mut seed = 1_u32;
        for len in 0..600 {
            let bytes: Vec<u8> = (0..len % 60)
                .map(|place| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if place < 3 { [5, 4, 0x30, 0x0d, 3, 1][(seed >> 24) as usize % 6] } else { (seed >> 24) as u8 }
                })
                .collect();
            for protocol in protocols {
                said(len % 2 == 0, &[protocol], &bytes);
            }
            said(len % 2 == 0, &[], &bytes);
        }
    }
}
