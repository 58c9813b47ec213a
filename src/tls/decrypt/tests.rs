//! Sessions of real stacks, opened with their key logs: whole, damaged, with holes, and with keys that are not theirs.

use super::*;
use crate::base::{At, Limits};
use crate::tls::testdata::{Random, hex};
use crate::tls::{KeyLog, Version};

/// A session of `vectors.txt`.
struct Vector {
    name: &'static str,
    log: String,
    records: Vec<(Side, Vec<u8>)>,
}

fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in include_str!("vectors.txt").lines() {
        let Some((mark, rest)) = line.split_once(' ') else { continue };
        match (mark, vectors.last_mut()) {
            ("=", _) => vectors.push(Vector { name: rest, log: String::new(), records: Vec::new() }),
            ("k", Some(vector)) => vector.log += &format!("{rest}\n"),
            ("c", Some(vector)) => vector.records.push((Side::Client, hex(rest))),
            ("s", Some(vector)) => vector.records.push((Side::Server, hex(rest))),
            _ => {}
        }
    }
    vectors
}

fn vector(name: &str) -> Vector {
    vectors().into_iter().find(|vector| vector.name == name).unwrap()
}

fn secrets(log: &str) -> Secrets {
    let mut secrets = Secrets::new(&Limits { secrets: 100, ..Limits::default() });
    KeyLog::new().feed(log.as_bytes(), &mut secrets);
    secrets
}

/// What came of a session.
#[derive(Default, Debug, PartialEq)]
struct Found {
    data: PerSide<Vec<u8>>,
    alerts: Vec<(Side, u8, u8)>,
    messages: PerSide<Vec<u8>>,
    opened: PerSide<u64>,
    failed: PerSide<u64>,
    /// Length of the longest message.
    longest: usize,
    /// Whether the keys of a renegotiation were to be had.
    rekeyed: Option<bool>,
}

/// How a record is shown to the opener.
#[derive(Clone, Copy, PartialEq)]
enum Show {
    Whole,
    /// Its length only.
    Skipped,
    /// Not at all: it lies in a hole.
    Lost,
}

/// Goes through a session as its owner would: hellos in clear, then what is sealed.
fn follow(records: &[(Side, Vec<u8>)], secrets: &Secrets, show: impl Fn(usize) -> Show) -> Found {
    let mut found = Found::default();
    let mut opener: Option<Opener> = None;
    let (mut client, mut server) = (None, None);
    let mut messages = Vec::new();
    let mut sealed = PerSide { client: false, server: false };
    let mut offsets = PerSide { client: 0_u64, server: 0 };
    let mut renegotiated: PerSide<Option<Vec<u8>>> = PerSide::default();
    for (i, (side, record)) in records.iter().enumerate() {
        let (typ, version) = (ContentType(record[0]), Version(u16::from_be_bytes([record[1], record[2]])));
        let body = &record[5..];
        let offset = offsets[*side];
        offsets[*side] += record.len() as u64;
        let extent = Extent { start: At::default(), end: At::default(), offset, end_offset: offsets[*side] };
        let head = RecordHead { extent, typ, version, len: body.len() as u16, with_hole: false };
        let tls13 = server.as_ref().is_some_and(|hello: &ServerHello| hello.version.is_tls13());
        if sealed[*side] || typ == ContentType::APPLICATION_DATA {
            let Some(opener) = &mut opener else { continue };
            match show(i) {
                Show::Lost => continue,
                Show::Skipped => opener.skip(*side, 1, body.len(), extent.end_offset),
                Show::Whole => {
                    opener.open(*side, &head, body, &mut |inner| match inner {
                        Inner::Data(bytes) => found.data[*side].extend(bytes),
                        Inner::Alert(alert) => found.alerts.push((*side, alert.level.0, alert.description.0)),
                        Inner::Handshake(message) => {
                            found.messages[*side].push(message.typ.0);
                            found.longest = found.longest.max(message.bytes.len());
                            if matches!(message.typ.0, 1 | 2) {
                                renegotiated[*side] = Some(message.bytes.to_vec());
                            }
                        }
                        Inner::HandshakeUnread { typ, .. } => found.messages[*side].push(typ.0),
                        Inner::Other(_) => {}
                    });
                }
            }
            if let (Some(c), Some(s)) = (&renegotiated.client, &renegotiated.server) {
                let (c, s) = (ClientHello::parse(c), ServerHello::parse(s));
                let handshake = Handshake12 { client: &c, server: &s, key_exchange: None, messages: &[] };
                found.rekeyed = Some(opener.rekey(&handshake, secrets));
                renegotiated = PerSide::default();
            }
            continue;
        }
        if let Some(opener) = &mut opener {
            opener.pass(*side, &extent);
        }
        if typ == ContentType::CHANGE_CIPHER_SPEC && !tls13 && server.is_some() {
            sealed[*side] = true;
            if opener.is_none()
                && let (Some(client), Some(server)) = (&client, &server)
            {
                let key_exchange = None;
                opener = Opener::tls12(&Handshake12 { client, server, key_exchange, messages: &messages }, secrets, 1 << 16);
            }
            if let Some(opener) = &mut opener {
                opener.change_cipher_spec(*side);
            }
        }
        let mut rest = body;
        while typ == ContentType::HANDSHAKE && rest.len() >= 4 {
            let len = usize::from(rest[2]) << 8 | usize::from(rest[3]);
            let bytes = &rest[4..4 + len];
            messages.extend_from_slice(&rest[..4 + len]);
            match rest[0] {
                1 => {
                    client = Some(ClientHello::parse(bytes));
                    opener = Opener::tls13(client.as_ref().unwrap(), secrets, 1 << 16);
                }
                2 => {
                    let hello = ServerHello::parse(bytes);
                    if let Some(opener) = opener.as_mut().filter(|_| !hello.is_hello_retry_request()) {
                        assert!(opener.negotiated(&hello));
                    }
                    server = Some(hello).filter(|hello| !hello.is_hello_retry_request());
                }
                16 => {
                    let (client, server) = (client.as_ref().unwrap(), server.as_ref().unwrap());
                    let key_exchange = Some(bytes);
                    opener = Opener::tls12(&Handshake12 { client, server, key_exchange, messages: &messages }, secrets, 1 << 16);
                }
                _ => {}
            }
            rest = &rest[4 + len..];
        }
    }
    if let Some(opener) = opener {
        found.opened = opener.opened();
        found.failed = opener.failed();
    }
    found
}

fn whole(vector: &Vector) -> Found {
    follow(&vector.records, &secrets(&vector.log), |_| Show::Whole)
}

const CLOSE_NOTIFY: [(u8, u8); 2] = [(1, 0), (1, 0)];

#[test]
fn every_record_of_every_session_is_opened() {
    let all = vectors();
    assert!(all.len() >= 40);
    for vector in all {
        let found = whole(&vector);
        let name = vector.name;
        assert_eq!((found.failed.client, found.failed.server), (0, 0), "{name}: {found:?}");
        assert!(found.opened.client >= 3 && found.opened.server >= 2, "{name}: {found:?}");
        for side in [Side::Client, Side::Server] {
            assert!(found.messages[side].contains(&20), "{name}: a Finished of each side: {found:?}");
        }
        assert!(String::from_utf8_lossy(&found.data.client).contains("ping"), "{name}: {found:?}");
        let told: Vec<(u8, u8)> = found.alerts.iter().map(|(_, level, description)| (*level, *description)).collect();
        assert_eq!(told, CLOSE_NOTIFY, "{name}: {found:?}");
        assert_ne!(found.alerts[0].0, found.alerts[1].0, "{name}: one of each side");
    }
}

#[test]
fn a_tls_1_3_session_says_what_it_says() {
    let found = whole(&vector("tls1.3 aes256-gcm"));
    assert_eq!(found.messages.server, [8, 11, 15, 20]);
    assert_eq!(found.messages.client, [20]);
    assert_eq!((&found.data.client[..], &found.data.server[..]), (&b"ping"[..], &b"pong"[..]));
    assert!(found.longest > 300, "the certificate");
}

#[test]
fn keys_are_updated_by_either_side() {
    let found = whole(&vector("tls1.3 key updates of both sides"));
    assert_eq!(found.messages.client, [20, 24, 24]);
    assert_eq!(found.messages.server, [8, 11, 15, 20, 24]);
    assert_eq!(found.data.client, b"ping\nping\nping\n");
    assert_eq!(found.data.server, b"gnip\ngnip\ngnip\n");
}

#[test]
fn early_data_is_read_whether_the_server_took_it_or_not() {
    for name in ["tls1.3 0-rtt accepted", "tls1.3 0-rtt rejected"] {
        let vector = vector(name);
        let found = whole(&vector);
        assert_eq!(found.data.client, b"early\nping\n", "{name}");
        // Without the early secret only those records stay closed, and they put nothing else out of count.
        let log: String = vector.log.lines().filter(|line| !line.contains("EARLY")).map(|line| format!("{line}\n")).collect();
        let found = follow(&vector.records, &secrets(&log), |_| Show::Whole);
        assert_eq!(found.data.client, b"ping\n", "{name}: {found:?}");
        assert!(found.failed.client >= 1 && found.failed.server == 0);
        assert_eq!(found.alerts.len(), 2);
    }
}

#[test]
fn a_renegotiation_has_keys_of_its_own() {
    let vector = vector("tls1.2 renegotiation");
    let found = whole(&vector);
    assert_eq!((found.rekeyed, &found.data.server[..]), (Some(true), &b"gnip\ngnip\n"[..]));
    let first: String = vector.log.lines().take(1).map(|line| format!("{line}\n")).collect();
    let found = follow(&vector.records, &secrets(&first), |_| Show::Whole);
    assert_eq!((found.rekeyed, &found.data.server[..]), (Some(false), &b"gnip\n"[..]), "the second handshake's secret is needed");
    assert!(found.alerts.is_empty() && found.failed.server > 0);
}

#[test]
fn secrets_of_one_stage_open_that_stage() {
    let vector = vector("tls1.3 aes256-gcm");
    let only = |part: &str| {
        let log: String = vector.log.lines().filter(|line| line.contains(part)).map(|line| format!("{line}\n")).collect();
        follow(&vector.records, &secrets(&log), |_| Show::Whole)
    };
    let found = only("HANDSHAKE");
    assert_eq!((found.messages.server.len(), found.alerts.len()), (4, 0), "{found:?}");
    let found = only("_TRAFFIC_SECRET_0");
    assert_eq!((found.messages.server.len(), found.alerts.len()), (0, 2), "{found:?}");
    assert_eq!(found.data.client, b"ping");
    let found = only("SERVER");
    assert_eq!((&found.data.client[..], &found.data.server[..]), (&b""[..], &b"pong"[..]));
}

#[test]
fn without_a_server_hello_the_suite_is_found_by_trying() {
    for name in ["tls1.3 aes128-gcm", "tls1.3 chacha20", "tls1.3 aes128-ccm", "tls1.3 aes128-ccm-8", "tls1.3 aes256-gcm"] {
        let vector = vector(name);
        let one_way: Vec<_> = vector.records.iter().filter(|(side, _)| *side == Side::Client).cloned().collect();
        let found = follow(&one_way, &secrets(&vector.log), |_| Show::Whole);
        assert_eq!((&found.data.client[..], found.failed.client), (&b"ping"[..], 0), "{name}: {found:?}");
        assert_eq!(found.alerts, [(Side::Client, 1, 0)], "{name}");
    }
}

/// Whether the alerts at the end are read although a record in the middle was not.
fn survives(vector: &Vector, way: Show) -> usize {
    let sealed: Vec<usize> = (0..vector.records.len())
        .filter(|i| {
            let record = &vector.records[*i].1;
            record[0] == 23 && vector.records.iter().skip(*i + 1).any(|(side, _)| *side == vector.records[*i].0)
        })
        .collect();
    sealed
        .iter()
        .filter(|lost| {
            let found = follow(&vector.records, &secrets(&vector.log), |i| if i == **lost { way } else { Show::Whole });
            found.alerts.len() == 2
        })
        .count()
        * 100
        / sealed.len()
}

#[test]
fn a_record_that_is_skipped_or_lost_does_not_hide_the_alerts_behind_it() {
    for vector in vectors() {
        let name = vector.name;
        let skipped = survives(&vector, Show::Skipped);
        let lost = survives(&vector, Show::Lost);
        let stream = name.contains("rc4");
        let chained = (name.starts_with("ssl3.0") || name.starts_with("tls1.0")) && !stream;
        if stream {
            assert_eq!((skipped, lost), (100, 0), "{name}: it counts, but cannot guess");
        } else if chained {
            assert!(skipped < 100 && lost < 100, "{name}: an implicit IV is the end of the record before");
        } else {
            assert_eq!((skipped, lost), (100, 100), "{name}");
        }
    }
}

#[test]
fn a_hole_before_a_skipped_record_is_noticed() {
    // Two records are not there, the third is known by its length only: the alert behind them is found all the same.
    let vector = vector("tls1.3 key updates of both sides");
    let server: Vec<usize> =
        (0..vector.records.len()).filter(|i| vector.records[*i].0 == Side::Server && vector.records[*i].1[0] == 23).collect();
    let data = server[4];
    let show = |i: usize| match i {
        _ if i == data || i == server[5] => Show::Lost,
        _ if i == server[6] => Show::Skipped,
        _ => Show::Whole,
    };
    let found = follow(&vector.records, &secrets(&vector.log), show);
    assert_eq!(found.alerts.len(), 2, "{found:?}");
}

#[test]
fn a_damaged_record_does_not_hide_those_behind_it() {
    for name in ["tls1.3 chacha20", "tls1.2 aes128-gcm", "tls1.2 aes128-cbc-sha", "tls1.2 aes256-cbc-sha384 etm", "ssl3.0 rc4-sha"] {
        let mut vector = vector(name);
        let i = vector.records.iter().position(|(_, record)| record[0] == 23 && record.len() < 200).unwrap();
        *vector.records[i].1.last_mut().unwrap() ^= 1;
        let found = whole(&vector);
        assert_eq!(found.alerts.len(), 2, "{name}: {found:?}");
        assert_eq!(found.failed.client + found.failed.server, 1, "{name}: {found:?}");
    }
}

#[test]
fn another_sessions_secrets_open_nothing_and_cost_a_bounded_effort() {
    let (a, b) = (vector("tls1.2 aes128-gcm"), vector("tls1.2 chacha20"));
    let swapped: String = b
        .log
        .lines()
        .zip(a.log.lines())
        .map(|(b, a)| {
            let random = a.split(' ').nth(1).unwrap();
            let secret = b.split(' ').nth(2).unwrap();
            format!("CLIENT_RANDOM {random} {secret}\n")
        })
        .collect();
    let found = follow(&a.records, &secrets(&swapped), |_| Show::Whole);
    assert_eq!((found.opened.client, found.opened.server), (0, 0));
    assert!(found.failed.client > 0 && found.alerts.is_empty());
    // Many records of which none opens.
    let mut records = a.records.clone();
    let last = records.iter().rfind(|(_, record)| record[0] == 23).cloned().unwrap();
    records.extend(std::iter::repeat_n(last, 3_000));
    let found = follow(&records, &secrets(&swapped), |_| Show::Whole);
    assert_eq!(found.opened.client + found.opened.server, 0);
}

#[test]
fn compressed_sessions_are_left_closed() {
    let vector = vector("tls1.2 aes128-gcm");
    let mut records = vector.records.clone();
    let hello = &mut records.iter_mut().find(|(side, _)| *side == Side::Server).unwrap().1;
    let at = 5 + 4 + 2 + 32 + 1 + usize::from(hello[5 + 4 + 2 + 32]) + 2;
    assert_eq!(hello[at], 0);
    hello[at] = 1;
    assert_eq!(follow(&records, &secrets(&vector.log), |_| Show::Whole), Found::default());
}

#[test]
fn no_bytes_make_it_stumble() {
    let mut random = Random(11);
    for vector in vectors() {
        let secrets = secrets(&vector.log);
        for _ in 0..6 {
            let mut records = vector.records.clone();
            let sealed: Vec<usize> = (0..records.len()).filter(|i| matches!(records[*i].1[0], 20 | 21 | 23)).collect();
            for _ in 0..3 {
                let record = &mut records[sealed[random.below(sealed.len())]].1;
                if record.len() > 6 {
                    let at = 5 + random.below(record.len() - 5);
                    record[at] ^= 1 << random.below(8);
                    let keep = record.len() - random.below(record.len() - 5);
                    record.truncate(keep.max(5));
                }
            }
            let found = follow(&records, &secrets, |_| Show::Whole);
            assert!(found.alerts.len() <= 2, "{}", vector.name);
        }
    }
}

#[test]
fn it_prints_no_key() {
    let vector = vector("tls1.3 aes128-gcm");
    let hello = ClientHello::parse(&vector.records[0].1[9..]);
    let opener = Opener::tls13(&hello, &secrets(&vector.log), 100).unwrap();
    assert_eq!(format!("{opener:?}").replace(char::is_alphabetic, ""), " { :  { : 0, : 0 }, :  { : 0, : 0 }, .. }");
}
