//! The PROXY protocol's header, versions 1 and 2 (haproxy, doc/proxy-protocol.txt).

use std::net::IpAddr;

use super::dialog::{Take, Turn, next_line};
use super::recognise::PROXY_V2;
use super::story::{Proxied, State};
use super::wire::{be16, words};
use crate::base::{Endpoint, Side};

/// Reads the header; only the client sends one, and nobody answers it.
pub(super) fn take(turn: Turn) -> Take {
    if turn.side == Side::Server {
        return Take::Over;
    }
    let (proxied, len) = if turn.bytes.first() == PROXY_V2.first() {
        let Some(header) = version2(turn.bytes) else { return Take::More };
        header
    } else {
        let Some(line) = next_line(turn.bytes) else { return Take::More };
        (version1(line.text), line.len)
    };
    turn.talk.proxied = proxied;
    turn.talk.state = State::Accepted;
    Take::Open(len)
}

/// `PROXY TCP4 source destination sport dport`; `None` for UNKNOWN.
fn version1(line: &[u8]) -> Option<Proxied> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = words(text.as_bytes()).skip(2).filter_map(|word| std::str::from_utf8(word).ok());
    let (source, destination): (IpAddr, IpAddr) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (sport, dport) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Proxied { source: Endpoint { ip: source, port: sport }, destination: Endpoint { ip: destination, port: dport } })
}

/// The addresses and the whole length; the addresses are `None` for LOCAL and for families other than IP.
fn version2(bytes: &[u8]) -> Option<(Option<Proxied>, usize)> {
    let (command, family) = (*bytes.get(12)?, *bytes.get(13)?);
    let len = usize::from(be16(bytes, 14)?);
    let addresses = match (command & 0x0f, family >> 4) {
        (1, 1) if len >= 12 => Some(pair::<4>(bytes)?),
        (1, 2) if len >= 36 => Some(pair::<16>(bytes)?),
        _ => None,
    };
    Some((addresses, 16 + len))
}

/// Two addresses of `N` bytes, then two ports. `None` only where the bytes end.
fn pair<const N: usize>(bytes: &[u8]) -> Option<Proxied>
where
    IpAddr: From<[u8; N]>,
{
    let source: [u8; N] = *bytes.get(16..)?.first_chunk()?;
    let destination: [u8; N] = *bytes.get(16 + N..)?.first_chunk()?;
    let (sport, dport) = (be16(bytes, 16 + 2 * N)?, be16(bytes, 18 + 2 * N)?);
    Some(Proxied { source: Endpoint { ip: source.into(), port: sport }, destination: Endpoint { ip: destination.into(), port: dport } })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{C, CH, S, SH, hear, play};
    use super::*;

    #[test]
    fn version_1_is_stripped() {
        // haproxy, send-proxy
        let header = b"PROXY TCP4 127.0.0.1 127.0.0.9 36924 22001\r\n";
        let heard = hear(&[(C, &[header, CH].concat()), (S, SH)]);
        assert_eq!(heard.starts(), (Some(header.len()), Some(0)));
        let proxied = heard.story.proxied_for().unwrap();
        assert_eq!((proxied.source.to_string().as_str(), proxied.destination.to_string().as_str()), ("127.0.0.1:36924", "127.0.0.9:22001"));
        assert_eq!((heard.talk().protocol.name(), heard.talk().state), ("proxy-protocol", State::Accepted));
    }

    #[test]
    fn version_2_is_stripped() {
        // haproxy, send-proxy-v2 with an SSL record among its extras
        let header =
            b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x17\x7f\x00\x00\x01\x7f\x00\x00\x01\x9b\x18U\xf2\x05\x00\x00 \x00\x05\x00\x00\x00\x00\x00";
        let heard = hear(&[(C, &[header, CH].concat()), (S, SH)]);
        assert_eq!(heard.starts(), (Some(39), Some(0)));
        assert_eq!(heard.story.proxied_for().unwrap().source.to_string(), "127.0.0.1:39704");

        let ipv6 = [&b"\r\n\r\n\x00\r\nQUIT\n!\x21\x00\x24"[..], &[0xfd; 16], &[0xfe; 16], b"\x01\xbb\x01\xbc"].concat();
        let heard = hear(&[(C, &ipv6), (C, CH)]);
        assert_eq!(heard.story.proxied_for().unwrap().destination.port, 444);
        assert_eq!(heard.starts().0, Some(52));

        let local = hear(&[(C, b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"), (C, CH)]);
        assert_eq!((local.starts().0, local.story.proxied_for()), (Some(16), None));
    }

    #[test]
    fn extras_of_any_length_are_passed_over() {
        let header = [&b"\r\n\r\n\x00\r\nQUIT\n!\x11\xea\x60"[..], &[7; 60_000]].concat();
        for size in [1, 7, 1000, 2048, 5000, 70_000] {
            let stream = [&header, &b"GET / HTTP/1.1\r\n"[..]].concat();
            let pieces: Vec<_> = stream.chunks(size).map(|piece| (C, piece)).collect();
            let heard = play(&pieces);
            assert_eq!(heard.story.first_line(C).as_deref(), Some("GET / HTTP/1.1"), "pieces of {size}");
            let stream = [&header, CH].concat();
            let pieces: Vec<_> = stream.chunks(size).map(|piece| (C, piece)).collect();
            assert_eq!(play(&pieces).starts().0, Some(header.len()), "pieces of {size}");
        }
    }

    #[test]
    fn a_server_that_does_not_expect_it_answers_as_it_will() {
        let heard = hear(&[(C, &[b"PROXY UNKNOWN\r\n", CH].concat()), (S, b"HTTP/1.1 400 Bad Request\r\n\r\n")]);
        assert_eq!(heard.starts(), (Some(15), None));
        assert!(heard.not_tls[S]);
        assert_eq!(heard.story.first_line(S).as_deref(), Some("HTTP/1.1 400 Bad Request"));
        let near = hear(&[(C, b"PROXY me this\r\n")]);
        assert!(near.story.talks.is_empty() && near.not_tls[C]);
    }
}
