//! Whole conversations: a way to play them, cut everywhere, and what does not belong to one protocol.

use super::*;

/// Who says a part of a conversation; the client's way is [`Way::AtoB`].
pub(super) const C: Way = Way::AtoB;
pub(super) const S: Way = Way::BtoA;

/// How a ClientHello and a server's flight begin (from recordings; the records are longer).
pub(super) const CH: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x87\x36\x5c\xea\xf5\x81\x47\xb3\x43\xce\x04\x39\x93\x84\x29";
pub(super) const SH: &[u8] = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03\xed\x26\xdb\x54\x0d\x12\x55\xf2\xcd\xdc\xa8\xfc\x5c\xe9\xd0";

pub(super) type Said<'a> = (Way, &'a [u8]);

/// What became of a conversation.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    pub story: Story,
    /// Where in each way's stream bare TLS begins.
    pub tls: PerWay<Option<usize>>,
    /// The TLS that was handed on.
    pub handed_on: PerWay<Vec<u8>>,
    /// Whether each way was last said not to be TLS.
    pub not_tls: PerWay<bool>,
    pub done: bool,
}

impl Heard {
    pub(super) fn talk(&self) -> &Talk {
        self.story.talk().expect("a protocol was recognised")
    }

    /// The offsets at which client and server begin bare TLS.
    pub(super) fn starts(&self) -> (Option<usize>, Option<usize>) {
        (self.tls[C], self.tls[S])
    }

    /// Code and text of the answers, oldest first.
    pub(super) fn answers(&self) -> Vec<(Option<u32>, &str)> {
        self.talk().attempts.iter().filter_map(|a| a.reply.as_ref()).map(|r| (r.code, r.text.as_str())).collect()
    }
}

/// Plays a conversation as it is.
pub(super) fn play(said: &[Said]) -> Heard {
    let mut prelude = Prelude::new();
    let mut tls: PerWay<Option<usize>> = PerWay::default();
    let mut handed_on: PerWay<Vec<u8>> = PerWay::default();
    let mut not_tls: PerWay<bool> = PerWay::default();
    let mut offset: PerWay<usize> = PerWay::default();
    for (way, bytes) in said.iter().copied() {
        let mut pos = 0;
        while pos < bytes.len() {
            let piece = &bytes[pos..];
            assert!(prelude.lanes[way].held.len() <= HOLD);
            match prelude.feed(way, At::default(), piece) {
                Step::Tls { lead, from } => {
                    tls[way].get_or_insert(offset[way] + pos + from - lead.len());
                    handed_on[way].extend(lead);
                    handed_on[way].extend(&piece[from..]);
                    break;
                }
                Step::Wrapped { from, len } => {
                    assert!(len > 0);
                    handed_on[way].extend(&piece[from..from + len]);
                    pos += from + len;
                }
                Step::Speaking => break,
                Step::NotTls => {
                    not_tls[way] = true;
                    break;
                }
            }
        }
        offset[way] += bytes.len();
    }
    let done = prelude.is_done();
    Heard { story: prelude.into_story(), tls, handed_on, not_tls, done }
}

/// Plays a conversation as it is, with every message cut in two everywhere, and byte by byte: all must be heard alike.
pub(super) fn hear(said: &[Said]) -> Heard {
    let whole = play(said);
    for (i, (way, bytes)) in said.iter().copied().enumerate() {
        for cut in 1..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            let parts = [&said[..i], &[(way, first), (way, second)], &said[i + 1..]].concat();
            assert_eq!(play(&parts), whole, "message {i} cut at {cut}");
        }
    }
    let crumbs: Vec<Said> = said.iter().flat_map(|(way, bytes)| bytes.chunks(1).map(|b| (*way, b))).collect();
    assert_eq!(play(&crumbs), whole, "byte by byte");
    whole
}

#[test]
fn tls_from_the_first_byte_is_no_prelude() {
    let heard = hear(&[(C, CH), (S, SH)]);
    assert_eq!(heard.starts(), (Some(0), Some(0)));
    assert_eq!((&heard.handed_on[C][..], &heard.handed_on[S][..]), (CH, SH));
    assert!(heard.done && heard.story.talks.is_empty() && heard.story.first_line(C).is_none());
}

#[test]
fn what_is_plainly_not_tls_is_said_so_and_shown() {
    let heard = hear(&[(C, b"POST /api HTTP/1.1\r\nHost: x\r\n\r\n"), (S, b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")]);
    assert!(heard.not_tls[C] && heard.not_tls[S] && heard.done && heard.story.talks.is_empty());
    assert_eq!(heard.story.client, Some(C));
    assert_eq!(heard.story.plain(S), Some(PlainProtocol::HttpResponse(400)));
    assert_eq!(heard.story.first_line(C).as_deref(), Some("POST /api HTTP/1.1"));
    assert_eq!(heard.story.first_line(S).as_deref(), Some("HTTP/1.1 400 Bad Request"));

    let binary = hear(&[(C, b"\x16\x01 is no record\n"), (S, b"\0\x01\x02\x03")]);
    assert!(binary.not_tls[C] && binary.not_tls[S]);
    assert_eq!(binary.story.plain(C), Some(PlainProtocol::Binary));
}

#[test]
fn one_side_may_be_tls_where_the_other_is_not() {
    // A client that speaks TLS to an SSH server, which speaks first or last.
    for said in [[(S, &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..]), (C, CH)], [(C, CH), (S, b"SSH-2.0-OpenSSH_9.2p1\r\n")]] {
        let heard = hear(&said);
        assert_eq!(heard.starts(), (Some(0), None));
        assert!(heard.not_tls[S]);
        assert_eq!(heard.story.plain(S), Some(PlainProtocol::Ssh));
        assert_eq!(heard.story.plain(C), None);
    }
    // A client that speaks HTTP to a TLS server, which answers with an alert.
    let heard = hear(&[(C, b"GET / HTTP/1.1\r\n\r\n"), (S, b"\x15\x03\x03\x00\x02\x02\x0a")]);
    assert_eq!(heard.starts(), (None, Some(0)));
    assert_eq!(heard.story.plain(C), Some(PlainProtocol::HttpRequest));
}

#[test]
fn tls_behind_an_unknown_prelude_is_found() {
    // NATS: the server's INFO, then TLS.
    let info = b"INFO {\"server_id\":\"NB\",\"tls_required\":true}\r\n";
    let heard = play(&[(S, info), (C, CH), (S, SH)]);
    assert_eq!(heard.starts(), (Some(0), Some(info.len())));
    assert!(heard.done);
    // And in the clear, with a CONNECT that is none.
    let plain = hear(&[(S, info), (C, b"CONNECT {\"verbose\":false}\r\n")]);
    assert!(plain.not_tls[C] && plain.not_tls[S] && plain.done && plain.story.talks.is_empty());
}

#[test]
fn tls_in_the_clear_of_a_known_protocol_is_a_quotation() {
    // A server that says no, a client that goes on regardless, and a server that repeats what it did not understand.
    let quoted = [b"500 Error: command \"", CH, b"\" not recognized\r\n"].concat();
    let (open, rest) = quoted.split_at(20);
    let heard = play(&[
        (S, b"220 mx ESMTP\r\n"),
        (C, b"EHLO a\r\nSTARTTLS\r\n"),
        (S, b"250 mx\r\n454 TLS not available\r\n"),
        (C, CH),
        (S, open),
        (S, rest),
    ]);
    assert_eq!(heard.starts(), (Some(18), None));
    assert!(heard.not_tls[S] && heard.done);
    assert_eq!(heard.talk().state, State::Refused { why: Refusal::NoTls, code: Some(454) });
    assert_eq!(heard.talk().last_reply.as_ref().unwrap().code, Some(454));
}

#[test]
fn a_tunnel_may_hold_another_prelude() {
    let request = b"PROXY TCP4 192.0.2.9 198.51.100.1 51000 3128\r\nCONNECT mail.example:25 HTTP/1.1\r\n\r\n";
    let heard = hear(&[
        (C, request),
        (S, b"HTTP/1.1 200 OK\r\n\r\n220 mail.example ESMTP\r\n"),
        (C, b"EHLO a\r\n"),
        (S, b"250-mail.example\r\n250 STARTTLS\r\n"),
        (C, b"STARTTLS\r\n"),
        (S, b"220 go\r\n"),
        (C, CH),
        (S, SH),
    ]);
    let names: Vec<_> = heard.story.talks.iter().map(|talk| talk.protocol.name()).collect();
    assert_eq!(names, ["proxy-protocol", "http-connect", "smtp-starttls"]);
    assert!(heard.story.talks.iter().all(|talk| talk.state == State::Accepted));
    assert_eq!(heard.story.target(), Some("mail.example:25"));
    assert_eq!(heard.story.proxied_for().unwrap().source.to_string(), "192.0.2.9:51000");
    assert_eq!((&heard.handed_on[C][..], &heard.handed_on[S][..]), (CH, SH));
}

#[test]
fn preludes_do_not_nest_without_end() {
    let header: &[u8] = b"PROXY UNKNOWN\r\n";
    let heard = hear(&[(C, &[header, header, header, header, CH].concat())]);
    assert_eq!(heard.starts().0, Some(4 * header.len()));
    assert!(!heard.story.limited);
    let one_more = play(&[(C, &[header, header, header, header, header, CH].concat())]);
    assert_eq!(one_more.starts().0, None);
    assert!(one_more.story.limited && one_more.not_tls[C]);
}

#[test]
fn inside_a_tunnel_the_first_lines_are_the_inner_ones() {
    let heard = hear(&[
        (C, b"CONNECT git.example:22 HTTP/1.1\r\nHost: git.example:22\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0-server\r\n"),
        (C, b"SSH-2.0-client\r\n"),
    ]);
    assert!(heard.not_tls[C] && heard.not_tls[S]);
    assert_eq!(heard.story.first_line(S).as_deref(), Some("SSH-2.0-server"));
    assert_eq!(heard.story.first_line(C).as_deref(), Some("SSH-2.0-client"));
    assert_eq!(heard.talk().state, State::Accepted);
}

#[test]
fn a_hole_is_survived() {
    let at = At::default();
    // The answer to CONNECT is lost: the server's first record is found behind the hole.
    let mut prelude = Prelude::new();
    prelude.feed(C, at, b"CONNECT a:443 HTTP/1.1\r\n\r\n");
    prelude.gap(S);
    assert_eq!(prelude.feed(C, at, CH), Step::Tls { lead: Vec::new(), from: 0 });
    assert_eq!(prelude.feed(S, at, &SH[..2]), Step::Speaking);
    assert_eq!(prelude.feed(S, at, &SH[2..]), Step::Tls { lead: SH[..2].to_vec(), from: 0 });
    assert_eq!(prelude.story().talk().unwrap().state, State::Accepted);

    // Part of a reply is lost: reading goes on with the next whole line.
    let mut prelude = Prelude::new();
    prelude.feed(S, at, b"220 mx ESMTP\r\n");
    prelude.feed(C, at, b"EHLO a\r\n");
    prelude.feed(S, at, b"250-mx\r\n250-SI");
    prelude.gap(S);
    assert_eq!(prelude.feed(S, at, b"ARTTLS\r\n250 HELP\r\n"), Step::Speaking);
    prelude.feed(C, at, b"STARTTLS\r\n");
    assert_eq!(prelude.feed(S, at, b"220 go\r\n"), Step::Speaking);
    assert_eq!(prelude.story().talk().unwrap().state, State::Accepted);

    // Messages with lengths cannot be found again, but TLS can.
    let mut prelude = Prelude::new();
    prelude.feed(C, at, b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00");
    prelude.gap(C);
    assert_eq!(prelude.feed(C, at, b"\x00\x77"), Step::Speaking);
    assert_eq!(prelude.feed(C, at, CH), Step::Tls { lead: Vec::new(), from: 0 });
}

#[test]
fn one_direction_alone_is_understood() {
    let client = hear(&[(C, b"EHLO a\r\n"), (C, b"STARTTLS\r\n"), (C, CH)]);
    assert_eq!((client.starts().0, client.talk().state), (Some(18), State::Asked));
    let server = hear(&[(S, b"220 mx ESMTP\r\n"), (S, b"250-mx\r\n250 STARTTLS\r\n"), (S, b"220 go\r\n"), (S, SH)]);
    assert_eq!((server.starts().1, server.talk().state), (Some(44), State::Accepted));
    assert_eq!(server.story.client, Some(C));
}

#[test]
fn nothing_held_grows_and_nothing_panics() {
    // Endless lines, endless tags, endless names: each ends in a bounded state.
    let endless: [&[u8]; 6] = [b"220 ", b"<stream:stream ", b"\x04\x01\x00\x50\x00\x00\x00\x01", b"CONNECT ", b"x", b"\x05\xff"];
    for start in endless {
        let mut prelude = Prelude::new();
        prelude.feed(C, At::default(), start);
        for _ in 0..200 {
            prelude.feed(C, At::default(), &[b'y'; 100]);
            assert!(prelude.lanes[C].held.len() <= HOLD);
            assert!(prelude.lanes[C].held.capacity() <= 2 * HOLD);
        }
    }
    // Real conversations with bytes changed, dropped and doubled at random.
    let talks: [&[Said]; 6] = [
        &[(S, b"220 mx ESMTP\r\n"), (C, b"EHLO a\r\nSTARTTLS\r\n"), (S, b"250-mx\r\n250 STARTTLS\r\n220 go\r\n"), (C, CH), (S, SH)],
        &[
            (C, b"\x05\x02\x00\x02"),
            (S, b"\x05\x02"),
            (C, b"\x01\x01u\x01p"),
            (S, b"\x01\x00"),
            (C, b"\x05\x01\x00\x03\x01a\x01\xbb"),
            (S, SH),
        ],
        &[(C, b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037"), (S, b"0\x0c\x02\x01\x01x\x07\n\x01\x00\x04\x00\x04\x00"), (C, CH)],
        &[
            (C, b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"),
            (S, b"\x03\x00\x00\x0b\x06\xd0\x00\x00\x124\x00"),
        ],
        &[(C, tds::tests::ASK), (S, tds::tests::ON), (C, b"\x12\x01\x00\x10\x00\x00\x00\x00\x16\x03\x01\x00\x40\x01\x00\x00"), (S, SH)],
        &[(S, mysql::tests::GREETING), (C, mysql::tests::SSL_REQUEST), (C, CH), (S, SH)],
    ];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..20_000 {
        let mut said: Vec<(Way, Vec<u8>)> = talks[round % talks.len()].iter().map(|(way, bytes)| (*way, bytes.to_vec())).collect();
        for _ in 0..=random(3) {
            let (message, value, what) = (random(said.len()), random(256) as u8, random(4));
            let bytes = &mut said[message].1;
            let at = random(bytes.len() + 1);
            match what {
                0 if at < bytes.len() => bytes[at] = value,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, value),
                _ => said[message].0 = if said[message].0 == C { S } else { C },
            }
        }
        let said: Vec<Said> = said.iter().map(|(way, bytes)| (*way, &bytes[..])).collect();
        play(&said);
    }
}
