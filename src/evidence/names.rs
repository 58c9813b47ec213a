//! Names in what can be read: hosts in text, in hellos and in certificates, replaced where they stand.

use std::net::IpAddr;

use super::der;
use super::pseudonym::Pseudonyms;
use crate::session::Session;
use crate::tls::{ContentType, HandshakeType};

/// Replaces the names of one session.
pub(super) struct Names<'p> {
    pseudonyms: &'p Pseudonyms,
    /// Those that are known to stand in it, in lower case, the longest first.
    known: Vec<Vec<u8>>,
}

impl<'p> Names<'p> {
    /// The names that `session` has: asked for, tunnelled to, certified.
    pub(super) fn of(session: &Session, pseudonyms: &'p Pseudonyms) -> Names<'p> {
        let mut known: Vec<Vec<u8>> = Vec::new();
        let mut add = |name: &str| {
            let host = name.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit())).map_or(name, |(host, _)| host);
            known.extend([name, host].map(|name| name.to_ascii_lowercase().into_bytes()));
        };
        for talk in session.prelude.iter().flat_map(|story| &story.talks) {
            if let Some(target) = &talk.target {
                add(target);
            }
        }
        if let Some(name) = session.tls.client_hello.as_deref().and_then(|hello| hello.server_name.as_ref()) {
            known.push(name.bytes().to_ascii_lowercase());
        }
        known.retain(|name| !name.is_empty());
        known.sort_by_key(|name| std::cmp::Reverse(name.len()));
        known.dedup();
        Names { pseudonyms, known }
    }

    /// Maps an address of 4 or 16 bytes.
    pub(super) fn address(&self, bytes: &mut [u8]) {
        match bytes.len() {
            4 => self.pseudonyms.v4_at(bytes, 0),
            16 => self.pseudonyms.v6_at(bytes, 0),
            _ => self.pseudonyms.noise(bytes),
        }
    }

    /// Replaces the names known, and everything that looks like a host's name or address.
    pub(super) fn in_text(&self, bytes: &mut [u8]) {
        let known = self.known_places(bytes);
        for (from, to) in known.iter().copied().chain(tokens(bytes)).chain(introductions(bytes)) {
            let taken = |at: &&(usize, usize)| at.0 < to && from < at.1 && **at != (from, to);
            if let Some(name) = bytes.get_mut(from..to).filter(|_| known.iter().find(taken).is_none()) {
                self.pseudonyms.name(name);
            }
        }
    }

    /// Where the known names stand, in any case of letters; the longest counts where they overlap.
    fn known_places(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let lower = bytes.to_ascii_lowercase();
        let mut places: Vec<(usize, usize)> = Vec::new();
        for name in &self.known {
            for (from, window) in lower.windows(name.len()).enumerate() {
                let to = from + name.len();
                if window == name && !places.iter().any(|(start, end)| from < *end && *start < to) {
                    places.push((from, to));
                }
            }
        }
        places
    }

    /// Replaces names in TLS in clear: what hellos ask for, and what certificates say. At each of `starts` a record may begin.
    pub(super) fn in_records(&self, bytes: &mut [u8], starts: &[usize]) {
        let places = handshake(bytes, starts);
        let mut messages: Vec<u8> = places.iter().filter_map(|place| bytes.get(*place)).copied().collect();
        let mut rest = messages.as_mut_slice();
        while let [kind, high, middle, low, ..] = *rest {
            let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            let whole = rest.len() >= 4 + len;
            let end = (4 + len).min(rest.len());
            let (message, after) = rest.split_at_mut_checked(end).unwrap_or_default();
            self.in_message(kind, message.get_mut(4..).unwrap_or_default(), whole);
            rest = after;
        }
        for (place, byte) in places.iter().zip(messages) {
            if let Some(there) = bytes.get_mut(*place) {
                *there = byte;
            }
        }
    }

    fn in_message(&self, kind: u8, body: &mut [u8], whole: bool) {
        match HandshakeType(kind) {
            HandshakeType::CLIENT_HELLO if whole => {
                for (from, to) in self.known_places(body) {
                    self.pseudonyms.name(body.get_mut(from..to).unwrap_or_default());
                }
            }
            // Of a hello that was cut the session knows no name.
            HandshakeType::CLIENT_HELLO => self.in_text(body),
            HandshakeType::CERTIFICATE | HandshakeType::CERTIFICATE_REQUEST | HandshakeType::CERTIFICATE_STATUS => {
                der::replace_all(self.pseudonyms, body);
            }
            _ => {}
        }
    }
}

/// Where the bytes of handshake messages lie in `bytes`, record headers left out (and those of TDS around them).
fn handshake(bytes: &[u8], starts: &[usize]) -> Vec<usize> {
    const HEADER: usize = 5;
    const TDS: (u8, usize) = (0x12, 8);
    let mut inner: Vec<usize> = Vec::new();
    let mut at = 0;
    // A packet of TDS around every part.
    while bytes.first() == Some(&TDS.0) && at < bytes.len() {
        let len = bytes.get(at + 2..at + 4).and_then(|len| len.first_chunk()).map_or(0, |len| usize::from(u16::from_be_bytes(*len)));
        let end = (at + len.max(TDS.1)).min(bytes.len());
        inner.extend(at + TDS.1.min(end - at)..end);
        at = end;
    }
    inner.extend(at..bytes.len());
    let byte = |place: usize| inner.get(place).and_then(|place| bytes.get(*place)).copied();
    let mut found = Vec::new();
    let mut at = 0;
    while at < inner.len() {
        let header = [byte(at), byte(at + 1), byte(at + 2), byte(at + 3), byte(at + 4)];
        let [Some(kind @ 20..=24), Some(3), Some(0..=4), Some(high), Some(low)] = header else {
            // A record that began before a hole: what is here of it may hold names all the same.
            let next = starts.iter().copied().find(|start| *start > at).unwrap_or(inner.len()).min(inner.len());
            found.extend(inner.get(at..next).unwrap_or_default());
            at = next;
            continue;
        };
        let end = (at + HEADER + usize::from(u16::from_be_bytes([high, low]))).min(inner.len());
        if ContentType(kind) == ContentType::HANDSHAKE {
            found.extend(inner.get((at + HEADER).min(end)..end).unwrap_or_default());
        }
        at = end;
    }
    found
}

/// Where hosts say their own names, which need not look like any: a mail client's EHLO, the first word of a server's greeting. Those with dots
/// are found as such.
fn introductions(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = line.split(|byte| byte.is_ascii_whitespace() || (start == 0 && *byte == b'-'));
        let first = words.next().unwrap_or_default();
        let introduces = ["EHLO", "HELO", "LHLO"].iter().any(|command| command.as_bytes().eq_ignore_ascii_case(first));
        if introduces || (start == 0 && first == b"220") {
            let name = words.next().unwrap_or_default();
            let from = start + first.len() + 1;
            if !name.contains(&b'.') && !name.is_empty() {
                found.push((from, from + name.len()));
            }
        }
        start += line.len() + 1;
    }
    found
}

/// What looks like a host's name (labels with dots between, the last one of letters) or an IP address.
fn tokens(bytes: &[u8]) -> Vec<(usize, usize)> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    let mut found = Vec::new();
    let mut from = 0;
    for word in bytes.split(|byte| !is_part(byte)) {
        let start = from;
        from += word.len() + 1;
        let text = std::str::from_utf8(word).unwrap_or_default().trim_matches('.');
        let start = start + word.len() - word.len().min(word.iter().skip_while(|byte| **byte == b'.').count());
        // A mail server's code before it is none of it, and neither is a port behind it; an address of version 6 has colons of its own.
        let coded = text.len() > 4
            && text.as_bytes().iter().take(4).eq(text.as_bytes().iter().take(3).filter(|byte| byte.is_ascii_digit()).chain(b"-"));
        let (start, text) = if coded { (start + 4, text.get(4..).unwrap_or_default()) } else { (start, text) };
        let host = if text.parse::<IpAddr>().is_ok() { text } else { text.split(':').next().unwrap_or_default() };
        if is_host(host) {
            found.push((start, start + host.len()));
        }
    }
    found
}

fn is_host(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    let named = text.contains('.') && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    text.parse::<IpAddr>().is_ok() || (named && text.split('.').all(|label| !label.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn replaced(text: &str) -> String {
        let pseudonyms = Pseudonyms::of("k");
        let (session, _) = sample::idle_timeout();
        let mut bytes = text.as_bytes().to_vec();
        Names::of(&session, &pseudonyms).in_text(&mut bytes);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_looks_like_a_host_is_replaced_and_nothing_else() {
        let mut name = b"mail.example.org".to_vec();
        Pseudonyms::of("k").name(&mut name);
        let name = String::from_utf8(name).unwrap();
        for (text, expected) in [
            ("CONNECT mail.example.org:443 HTTP/1.1", format!("CONNECT {name}:443 HTTP/1.1")),
            ("250-mail.example.org\r\n250-PIPELINING", format!("250-{name}\r\n250-PIPELINING")),
            ("MAIL.EXAMPLE.ORG.", format!("{}.", name.to_uppercase())),
            ("HTTP/1.1 407 Proxy Authentication Required", "HTTP/1.1 407 Proxy Authentication Required".to_owned()),
            ("454 4.7.0 TLS not available", "454 4.7.0 TLS not available".to_owned()),
            ("1.3.6.1.4.1.1466.20037", "1.3.6.1.4.1.1466.20037".to_owned()),
        ] {
            assert_eq!(replaced(text), expected);
        }
        for text in ["EHLO laptop7\r\n", "220 relay ESMTP\r\n", "Host: 10.0.0.12:8080", "[2001:db8::1]:443"] {
            assert_ne!(replaced(text), text);
            assert_eq!(replaced(text).split(' ').count(), text.split(' ').count());
        }
    }

    #[test]
    fn the_name_asked_for_is_replaced_wherever_a_hello_has_it() {
        let pseudonyms = Pseudonyms::of("k");
        let (session, _) = sample::idle_timeout();
        let name = session.sni().unwrap();
        let hello = [&[0; 7][..], name.as_bytes(), &[9; 4]].concat();
        let message = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
        // In two records, the name across their border.
        let (one, other) = message.split_at(15);
        let record = |part: &[u8]| [&[22, 3, 1, 0, part.len() as u8][..], part].concat();
        let mut bytes = [record(one), record(other)].concat();
        Names::of(&session, &pseudonyms).in_records(&mut bytes, &[0]);
        let joined = [&bytes[5..20], &bytes[25..]].concat();
        let mut expected = name.clone().into_bytes();
        pseudonyms.name(&mut expected);
        assert_eq!(joined, [&message[..11], &expected, &[9; 4]].concat());
        assert_eq!((bytes[0], bytes[20]), (22, 22));
    }
}
