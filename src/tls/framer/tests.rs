//! Tests of the framer: real sessions however cut, holes, seals in the middle of a piece, and hostile bytes.

use super::*;
use crate::base::Time;
use crate::tls::record::Unread;
use crate::tls::testdata::{Random, TLS12_CLIENT, TLS12_SERVER, TLS13_CLIENT, TLS13_SERVER, hex};
use crate::tls::{ClientHello, Sniff, looks_like_tls};

fn at(frame: u32) -> At {
    At::new(Time::from_nanos(frame.into()), frame, 0)
}

fn data(frame: u32, offset: u64, bytes: &[u8]) -> Piece<'_> {
    Piece::Data { at: at(frame), offset, bytes }
}

fn hole(frame: u32, offset: u64, len: u64) -> Piece<'static> {
    Piece::Gap { at: at(frame), offset, len, why: GapReason::CaptureLoss }
}

fn record(typ: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![typ, 3, 3];
    out.extend((body.len() as u16).to_be_bytes());
    out.extend(body);
    out
}

fn message(typ: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![typ];
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.extend(body);
    out
}

/// Everything a piece gives. The direction is sealed by the first ServerHello of TLS 1.3 (`seal_on` 2) or by ChangeCipherSpec (20).
fn read<'a>(framer: &mut Framer, piece: &Piece<'a>, seal_on: u8) -> Vec<Unit<'a>> {
    let mut input = Input::new(piece);
    let mut units = Vec::new();
    while let Some(unit) = framer.next(&mut input) {
        match &unit {
            Unit::Handshake(m) if m.typ.0 == seal_on => framer.seal(),
            Unit::Record { head, .. } if head.typ.0 == seal_on => framer.seal(),
            _ => {}
        }
        units.push(unit);
    }
    units
}

fn framer() -> Framer {
    Framer::new(&Limits::default())
}

fn one_piece(bytes: &[u8], seal_on: u8) -> Vec<Unit<'_>> {
    read(&mut framer(), &data(1, 0, bytes), seal_on)
}

/// One word for each unit.
fn words(units: &[Unit<'_>]) -> Vec<String> {
    let word = |unit: &Unit<'_>| match unit {
        Unit::Handshake(m) => format!("{}({})", m.typ, m.bytes.len()),
        Unit::HandshakeUnread { typ, len, why, .. } => format!("{typ}({len}) {why:?}"),
        Unit::Alert { alert, .. } => alert.to_string(),
        Unit::Record { head, body } => {
            let body = match body {
                Body::Read => "read",
                Body::Sealed(None) => "sealed",
                Body::Sealed(Some(_)) => "kept",
                Body::Unread => "unread",
            };
            format!("[{} {}{} {body}]", head.typ.0, head.len, if head.with_hole { " hole" } else { "" })
        }
        Unit::Sslv2ClientHello { bytes, .. } => format!("sslv2({})", bytes.len()),
        Unit::Broken { why, guessed, .. } => format!("broken {why:?}{}", if *guessed { " guessed" } else { "" }),
        Unit::Gap { len, lost, .. } => format!("gap {len}{}", if *lost { " lost" } else { "" }),
        Unit::Resync { offset, .. } => format!("resync {offset}"),
    };
    units.iter().map(word).collect()
}

/// A unit without its frames, and owning what it has.
fn still(unit: Unit<'_>) -> Unit<'static> {
    let no_frames = |extent: Extent| Extent { start: at(0), end: at(0), ..extent };
    let owned = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
    match unit {
        Unit::Handshake(m) => Unit::Handshake(Message { extent: no_frames(m.extent), typ: m.typ, bytes: owned(m.bytes) }),
        Unit::HandshakeUnread { extent, typ, len, why, head } => Unit::HandshakeUnread { extent: no_frames(extent), typ, len, why, head },
        Unit::Alert { extent, alert } => Unit::Alert { extent: no_frames(extent), alert },
        Unit::Record { head, body } => Unit::Record {
            head: RecordHead { extent: no_frames(head.extent), ..head },
            body: match body {
                Body::Sealed(Some(bytes)) => Body::Sealed(Some(owned(bytes))),
                Body::Sealed(None) => Body::Sealed(None),
                Body::Read => Body::Read,
                Body::Unread => Body::Unread,
            },
        },
        Unit::Sslv2ClientHello { extent, bytes } => Unit::Sslv2ClientHello { extent: no_frames(extent), bytes },
        Unit::Broken { offset, header, have, why, guessed, .. } => {
            Unit::Broken { at: at(0), offset, header, have, why, bytes: &[], guessed }
        }
        Unit::Gap { offset, len, why, lost, .. } => Unit::Gap { at: at(0), offset, len, why, lost },
        Unit::Resync { offset, .. } => Unit::Resync { at: at(0), offset },
    }
}

/// The units of a stream cut at `cuts` (rising).
fn cut(mut framer: Framer, bytes: &[u8], cuts: &[usize], seal_on: u8) -> Vec<Unit<'static>> {
    let mut units = Vec::new();
    let mut from = 0;
    for (i, &to) in cuts.iter().chain([&bytes.len()]).enumerate() {
        let piece = data(i as u32 + 1, from as u64, &bytes[from..to]);
        if from < to {
            units.extend(read(&mut framer, &piece, seal_on).into_iter().map(still));
        }
        from = to;
    }
    assert!(framer.in_record().is_none());
    assert_eq!(framer.held_bytes(), 0, "everything held was given back");
    units
}

#[test]
fn a_tls_1_2_session_reads_as_its_messages_and_records() {
    let (client, server) = (hex(TLS12_CLIENT), hex(TLS12_SERVER));
    assert_eq!(
        words(&one_piece(&client, 20)),
        [
            "ClientHello(169)",
            "[22 173 read]",
            "ClientKeyExchange(33)",
            "[22 37 read]",
            "[20 1 read]",
            "[22 40 sealed]",
            "[23 42 sealed]",
            "[21 26 sealed]"
        ]
    );
    assert_eq!(
        words(&one_piece(&server, 20)),
        [
            "ServerHello(76)",
            "[22 80 read]",
            "Certificate(1000)",
            "[22 1004 read]",
            "ServerKeyExchange(112)",
            "[22 116 read]",
            "ServerHelloDone(0)",
            "[22 4 read]",
            "NewSessionTicket(198)",
            "[22 202 read]",
            "[20 1 read]",
            "[22 40 sealed]",
            "[23 324 sealed]",
            "[21 26 sealed]"
        ]
    );
}

#[test]
fn a_seal_holds_from_the_next_record_of_the_same_piece_on() {
    let server = hex(TLS13_SERVER);
    let units = one_piece(&server, 2);
    assert_eq!(words(&units)[..5], ["ServerHello(118)", "[22 122 read]", "[20 1 read]", "[23 38 sealed]", "[23 1026 sealed]"]);
    // TLS 1.2: the Finished behind ChangeCipherSpec is of type handshake, and must not be read as messages.
    let client = hex(TLS12_CLIENT);
    let unsealed = words(&one_piece(&client, 255));
    assert_ne!(unsealed, words(&one_piece(&client, 20)));
    // And back: a framer unsealed reads messages again.
    let mut framer = framer();
    framer.seal();
    assert!(framer.is_sealed());
    let hello = record(22, &message(1, &[3; 40]));
    assert_eq!(words(&read(&mut framer, &data(1, 0, &hello), 0)), ["[22 44 sealed]"]);
    framer.unseal();
    assert_eq!(words(&read(&mut framer, &data(2, 49, &hello), 0)), ["ClientHello(40)", "[22 44 read]"]);
}

#[test]
fn extents_and_frames_are_exact() {
    let bytes = [record(22, &message(1, &[3; 40])), record(23, &[0; 100])].concat();
    let mut framer = framer();
    let mut units = read(&mut framer, &data(7, 1000, &bytes[..30]), 0);
    units.extend(read(&mut framer, &data(8, 1030, &bytes[30..60]), 0));
    units.extend(read(&mut framer, &data(9, 1060, &bytes[60..]), 0));
    let [Unit::Handshake(hello), Unit::Record { head: first, .. }, Unit::Record { head: second, .. }] = &units[..] else { panic!() };
    assert_eq!(hello.extent, Extent { start: at(7), end: at(8), offset: 1005, end_offset: 1049 });
    assert_eq!(first.extent, Extent { start: at(7), end: at(8), offset: 1000, end_offset: 1049 });
    assert_eq!(second.extent, Extent { start: at(8), end: at(9), offset: 1049, end_offset: 1154 });
    assert_eq!((second.typ, second.version, second.len), (ContentType::APPLICATION_DATA, Version::TLS12, 100));
    assert!(framer.is_between_records());
}

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    for (stream, seal_on) in [(TLS12_CLIENT, 20), (TLS12_SERVER, 20), (TLS13_CLIENT, 20), (TLS13_SERVER, 2)] {
        let bytes = hex(stream);
        let new = || {
            let mut framer = framer();
            framer.hold_sealed(64);
            framer
        };
        let whole = cut(new(), &bytes, &[], seal_on);
        assert!(whole.iter().any(|u| matches!(u, Unit::Record { body: Body::Sealed(Some(_)), .. })));
        for at in 1..bytes.len() {
            assert_eq!(cut(new(), &bytes, &[at], seal_on), whole, "cut at {at}");
        }
        let every: Vec<usize> = (1..bytes.len()).collect();
        assert_eq!(cut(new(), &bytes, &every, seal_on), whole);
        let mut random = Random(7);
        for _ in 0..200 {
            let mut cuts: Vec<usize> = (0..random.below(12)).map(|_| random.below(bytes.len())).collect();
            cuts.sort_unstable();
            assert_eq!(cut(new(), &bytes, &cuts, seal_on), whole, "{cuts:?}");
        }
    }
}

#[test]
fn messages_are_joined_over_records_and_split_within_them() {
    let messages = [message(2, &[3; 70]), message(11, &[0; 5000]), message(14, &[])].concat();
    for size in [1, 2, 3, 5, 100, 4096, 16_000] {
        let stream: Vec<u8> = messages.chunks(size).flat_map(|part| record(22, part)).collect();
        let units: Vec<_> = one_piece(&stream, 0);
        let seen: Vec<_> = words(&units).into_iter().filter(|w| !w.starts_with('[')).collect();
        assert_eq!(seen, ["ServerHello(70)", "Certificate(5000)", "ServerHelloDone(0)"], "{size}");
        let whole = size >= 16_000;
        for unit in &units {
            if let Unit::Handshake(m) = unit
                && m.bytes.len() > 4
            {
                assert_eq!(matches!(m.bytes, Cow::Borrowed(_)), whole || (size >= 100 && m.typ.0 == 2), "{size} {}", m.typ);
            }
        }
    }
}

#[test]
fn a_message_beyond_the_limit_is_stepped_over() {
    let limits = Limits { handshake_flow: 1000, ..Limits::default() };
    let messages = [message(11, &vec![1; 40_000]), message(14, &[]), message(12, &[7; 1000])].concat();
    let stream: Vec<u8> = messages.chunks(16_000).flat_map(|part| record(22, part)).collect();
    let mut framer = Framer::new(&limits);
    let mut units = Vec::new();
    for (i, part) in stream.chunks(700).enumerate() {
        units.extend(read(&mut framer, &data(1, i as u64 * 700, part), 0).into_iter().map(still));
        assert!(framer.held_bytes() < 2_500);
    }
    let seen: Vec<_> = words(&units).into_iter().filter(|w| !w.starts_with('[')).collect();
    assert_eq!(seen, ["Certificate(40000) TooLong", "ServerHelloDone(0)", "ServerKeyExchange(1000)"]);
}

#[test]
fn alerts_in_clear_are_told_from_encrypted_ones() {
    assert_eq!(words(&one_piece(&record(21, &[2, 40]), 0)), ["fatal handshake_failure (40)", "[21 2 read]"]);
    let two = record(21, &[1, 90, 1, 0]);
    assert_eq!(words(&one_piece(&two, 0)), ["warning user_canceled (90)", "warning close_notify (0)", "[21 4 read]"]);
    let split = [record(21, &[2]), record(21, &[70])].concat();
    assert_eq!(words(&one_piece(&split, 0)), ["[21 1 read]", "fatal protocol_version (70)", "[21 1 read]"]);
    // 26 bytes are what AES-GCM makes of an alert in TLS 1.2, even if they all look like alerts.
    assert_eq!(words(&one_piece(&record(21, &[1, 0].repeat(13)), 0)), ["[21 26 unread]"]);
    let mut sealed = framer();
    sealed.seal();
    // OpenSSL 3.0 sends certificate alerts in clear where TLS 1.3 would have them encrypted.
    let bytes = [record(21, &[2, 48]), record(21, &[0; 26])].concat();
    assert_eq!(words(&read(&mut sealed, &data(1, 0, &bytes), 0)), ["fatal unknown_ca (48)", "[21 2 read]", "[21 26 sealed]"]);
}

#[test]
fn encrypted_records_are_kept_only_on_request() {
    let bytes = [record(23, &[5; 19]), record(23, &[6; 65]), record(20, &[1])].concat();
    assert_eq!(words(&one_piece(&bytes, 0)), ["[23 19 sealed]", "[23 65 sealed]", "[20 1 read]"]);
    let mut keeping = framer();
    keeping.seal();
    keeping.hold_sealed(64);
    let units = read(&mut keeping, &data(1, 0, &bytes), 0);
    assert_eq!(words(&units), ["[23 19 kept]", "[23 65 sealed]", "[20 1 read]"]);
    let Unit::Record { body: Body::Sealed(Some(kept)), .. } = &units[0] else { panic!() };
    assert_eq!(kept.as_ref(), [5; 19]);
}

#[test]
fn what_is_no_record_breaks_the_stream_at_once() {
    let http = b"HTTP/1.1 400 Bad Request\r\n";
    let bytes = [&record(21, &[2, 40])[..], http].concat();
    let mut framer = framer();
    let units = read(&mut framer, &data(3, 0, &bytes), 0);
    assert_eq!(words(&units), ["fatal handshake_failure (40)", "[21 2 read]", "broken Type"]);
    let Unit::Broken { at: seen, offset, header, have, bytes, .. } = units[2] else { panic!() };
    assert_eq!((seen, offset, header, have, bytes), (at(3), 7, [b'H', 0, 0, 0, 0], 1, &http[..]));
    assert!(framer.is_broken() && framer.in_record().is_none());
    assert_eq!(words(&read(&mut framer, &data(4, 33, &record(21, &[2, 40])), 0)), [""; 0]);
    assert_eq!(words(&read(&mut framer, &hole(5, 40, 9), 0)), ["gap 9"]);

    assert_eq!(words(&one_piece(&[22, 3], 0)), [""; 0]);
    assert_eq!(words(&one_piece(&[22, 2], 0)), ["broken Version"]);
    assert_eq!(words(&one_piece(&[23, 3, 3, 0x48, 0x01], 0)), ["broken Length"]);
    assert_eq!(words(&one_piece(&record(23, &[]), 0)), ["[23 0 sealed]"]);
}

#[test]
fn a_record_cut_anywhere_is_partial_until_complete() {
    let bytes = record(23, &[9; 300]);
    let mut framer = framer();
    assert_eq!(framer.in_record(), None);
    for (i, byte) in bytes.iter().enumerate() {
        assert!(read(&mut framer, &data(i as u32 + 1, i as u64, &[*byte]), 0).is_empty() || i + 1 == bytes.len());
        let Some(partial) = framer.in_record() else {
            assert_eq!(i + 1, bytes.len());
            return;
        };
        assert_eq!((partial.start, partial.offset, partial.typ), (at(1), 0, ContentType::APPLICATION_DATA));
        assert_eq!(partial.version, (i >= 2).then_some(Version::TLS12));
        assert_eq!(partial.need, (i >= 4).then_some(300));
        assert_eq!(usize::from(partial.have), if i >= 4 { i - 4 } else { i + 1 });
    }
    panic!("the record was never complete");
}

#[test]
fn a_message_cut_anywhere_is_partial_until_complete() {
    let bytes = record(22, &message(1, &[3; 50]));
    let mut framer = framer();
    read(&mut framer, &data(1, 0, &bytes[..7]), 0);
    let begun = PartialMessage { start: at(1), offset: 5, typ: HandshakeType::CLIENT_HELLO, need: None, have: 0 };
    assert_eq!(framer.in_message(), Some(begun));
    read(&mut framer, &data(2, 7, &bytes[7..20]), 0);
    assert_eq!(framer.in_message(), Some(PartialMessage { need: Some(50), have: 11, ..begun }));
    assert_eq!(framer.message_so_far(), [3; 11]);
    read(&mut framer, &data(3, 20, &bytes[20..]), 0);
    assert_eq!(framer.in_message(), None);
    assert!(framer.message_so_far().is_empty());
}

#[test]
fn a_hole_inside_an_encrypted_record_keeps_the_framing() {
    let bytes = [record(23, &[0; 1000]), record(23, &[0; 19])].concat();
    // Up to the record's last byte, and including it.
    for end in [900, 1005] {
        let mut framer = framer();
        let mut units = read(&mut framer, &data(1, 0, &bytes[..400]), 0);
        units.extend(read(&mut framer, &hole(2, 400, end as u64 - 400), 0));
        units.extend(read(&mut framer, &data(3, end as u64, &bytes[end..]), 0));
        let gap = format!("gap {}", end - 400);
        assert_eq!(words(&units), [gap.as_str(), "[23 1000 hole sealed]", "[23 19 sealed]"]);
        assert!(!framer.is_lost());
    }
    // One byte more, and the next header is gone.
    let mut framer = framer();
    let mut units = read(&mut framer, &data(1, 0, &bytes[..400]), 0);
    units.extend(read(&mut framer, &hole(2, 400, 606), 0));
    assert!(framer.is_lost() && framer.in_record().is_none());
    units.extend(read(&mut framer, &data(3, 1006, &bytes[1006..]), 0));
    assert_eq!(words(&units), ["gap 606 lost"]);
}

#[test]
fn a_hole_inside_one_message_keeps_the_others() {
    let flight = record(22, &[message(2, &[3; 70]), message(11, &[0; 3000]), message(12, &[1; 100]), message(14, &[])].concat());
    let mut framer = framer();
    let mut units = read(&mut framer, &data(1, 0, &flight[..1000]), 0);
    units.extend(read(&mut framer, &hole(2, 1000, 1000), 0));
    units.extend(read(&mut framer, &data(3, 2000, &flight[2000..]), 0));
    let expected =
        ["ServerHello(70)", "gap 1000", "Certificate(3000) Hole", "ServerKeyExchange(100)", "ServerHelloDone(0)", "[22 3186 hole read]"];
    assert_eq!(words(&units), expected);

    // A hole over the end of a message: what is left of this record cannot be told apart, the next record can.
    let mut framer = self::framer();
    let mut units = read(&mut framer, &data(1, 0, &flight[..1000]), 0);
    units.extend(read(&mut framer, &hole(2, 1000, 2100), 0));
    units.extend(read(&mut framer, &data(3, 3100, &flight[3100..]), 0));
    let next = record(22, &message(11, &[0; 3]));
    units.extend(read(&mut framer, &data(4, 3191, &next), 0));
    assert_eq!(
        words(&units),
        ["ServerHello(70)", "Certificate(3000) Hole", "gap 2100", "[22 3186 hole unread]", "Certificate(3)", "[22 7 read]"]
    );

    // Of a hello with holes, what came before the first one is handed out.
    let hello = record(22, &message(1, &[b'x'; 500]));
    let mut framer = self::framer();
    let mut units = read(&mut framer, &data(1, 0, &hello[..109]), 0);
    assert_eq!(framer.message_so_far(), [b'x'; 100]);
    for piece in [hole(2, 109, 50), data(3, 159, &hello[159..259]), hole(4, 259, 200), data(5, 459, &hello[459..])] {
        units.extend(read(&mut framer, &piece, 0));
    }
    assert_eq!(words(&units), ["gap 50", "gap 200", "ClientHello(500) Hole", "[22 504 hole read]"]);
    let Unit::HandshakeUnread { head, .. } = &units[2] else { panic!() };
    assert_eq!(head[..], [b'x'; 100]);

    // Also of one whose rest, and more, is gone: with a short snap length that is all there is of it.
    let mut framer = self::framer();
    let mut units = read(&mut framer, &data(1, 0, &hello[..109]), 0);
    units.extend(read(&mut framer, &hole(2, 109, 5000), 0));
    assert_eq!(words(&units), ["ClientHello(500) Hole", "gap 5000 lost"]);
    let Unit::HandshakeUnread { extent, head, .. } = &units[0] else { panic!() };
    assert_eq!((head.len(), extent.offset, extent.end_offset), (100, 5, 109));
    assert_eq!(framer.held_bytes(), 0);

    // A hole that ends a message and its record.
    let mut framer = self::framer();
    let mut units = read(&mut framer, &data(1, 0, &next[..10]), 0);
    units.extend(read(&mut framer, &hole(2, 10, 2), 0));
    assert_eq!(words(&units), ["gap 2", "Certificate(3) Hole", "[22 7 hole read]"]);
    assert_eq!(framer.held_bytes(), 0);
}

#[test]
fn a_hole_in_an_alert_leaves_it_unread() {
    let mut framer = framer();
    let (fatal, close) = (record(21, &[2, 40]), record(21, &[1, 0]));
    let mut units = read(&mut framer, &data(1, 0, &fatal[..6]), 0);
    units.extend(read(&mut framer, &hole(2, 6, 1), 0));
    units.extend(read(&mut framer, &data(3, 7, &close), 0));
    assert_eq!(words(&units), ["gap 1", "[21 2 hole unread]", "warning close_notify (0)", "[21 2 read]"]);
}

/// A framer that has lost its place, at offset 100.
fn lost() -> Framer {
    let mut framer = framer();
    framer.seal();
    assert_eq!(words(&read(&mut framer, &hole(1, 0, 100), 0)), ["gap 100 lost"]);
    framer
}

#[test]
fn behind_a_hole_records_are_found_again() {
    // A record that fills a piece.
    let mut framer = lost();
    assert_eq!(words(&read(&mut framer, &data(2, 100, &record(23, &[0; 19])), 0)), ["resync 100", "[23 19 sealed]"]);
    assert!(!framer.is_lost());
    // The tail of one record, and two more.
    let bytes = [vec![0x5a; 333], record(23, &[0; 500]), record(21, &[0; 26])].concat();
    assert_eq!(words(&read(&mut lost(), &data(2, 100, &bytes), 0)), ["resync 433", "[23 500 sealed]", "[21 26 sealed]"]);
    // A record over many pieces is followed, and proved by the one behind it.
    let bytes = [record(23, &[0; 9000]), record(23, &[0; 40])].concat();
    let mut framer = lost();
    let mut units = Vec::new();
    for (i, part) in bytes.chunks(1448).enumerate() {
        assert_eq!(framer.in_record(), None, "not before it is certain");
        units.extend(read(&mut framer, &data(i as u32 + 2, 100 + 1448 * i as u64, part), 0).into_iter().map(still));
    }
    assert_eq!(words(&units), ["resync 100", "[23 9000 sealed]", "[23 40 sealed]"]);
}

#[test]
fn chance_likenesses_of_a_record_are_not_believed() {
    // A header in the middle of ciphertext whose record ends nowhere in particular.
    let mut bytes = vec![0x5a; 1448];
    bytes[200..205].copy_from_slice(&[23, 3, 3, 0, 99]);
    let mut framer = lost();
    assert_eq!(words(&read(&mut framer, &data(2, 100, &bytes), 0)), [""; 0]);
    // One that reaches beyond the piece is followed to its end, and dropped there.
    bytes[200..205].copy_from_slice(&[23, 3, 3, 0x10, 0]);
    let later = [vec![0x5a; 3000], record(23, &[0; 19]), record(23, &[0; 19])].concat();
    let mut units = read(&mut framer, &data(3, 1548, &bytes), 0);
    units.extend(read(&mut framer, &data(4, 2996, &later), 0));
    assert_eq!(words(&units), ["resync 5996", "[23 19 sealed]", "[23 19 sealed]"]);
    // Types, versions and lengths that records do not have.
    for header in [[24, 3, 3, 0, 19], [23, 3, 4, 0, 19], [23, 3, 0, 0, 19], [20, 3, 3, 0, 19], [21, 3, 3, 0, 3]] {
        let piece = [&header[..], &vec![0; header[4].into()]].concat();
        assert_eq!(words(&read(&mut lost(), &data(2, 100, &piece), 0)), [""; 0], "{header:?}");
    }
}

#[test]
fn a_wrong_guess_is_taken_back() {
    // A likeness that ends with its piece, and then ciphertext again: the stream is not called broken.
    let mut framer = lost();
    let likeness = record(23, &[0x5a; 50]);
    let mut units = read(&mut framer, &data(2, 100, &likeness), 0);
    let more = [vec![0x5a; 200], record(23, &[0; 19]), record(23, &[0; 19]), record(23, &[0; 19]), b"GET /".to_vec()].concat();
    units.extend(read(&mut framer, &data(3, 155, &more), 0));
    let expected = [
        "resync 100",
        "[23 50 sealed]",
        "broken Type guessed",
        "resync 355",
        "[23 19 sealed]",
        "[23 19 sealed]",
        "[23 19 sealed]",
        "broken Type",
    ];
    assert_eq!(words(&units), expected);
    assert!(framer.is_broken(), "three records in a row are no chance");
}

#[test]
fn after_a_hole_ciphertext_is_not_read_as_messages() {
    // The hole took ChangeCipherSpec, so nobody sealed the direction. AES-GCM's Finished, nonce from 0 and from a random start.
    for nonce in [[0; 8], [0x9c, 3, 0, 0, 0, 0, 0, 1]] {
        let mut framer = framer();
        read(&mut framer, &hole(1, 0, 100), 0);
        let finished = record(22, &[&nonce[..], &[0x77; 32]].concat());
        let units = read(&mut framer, &data(2, 100, &finished), 0);
        assert_eq!(words(&units), ["resync 100", "[22 40 unread]"]);
        assert_eq!(framer.in_message(), None);
    }
    // A real message is.
    let mut framer = framer();
    read(&mut framer, &hole(1, 0, 100), 0);
    let hello = record(22, &message(2, &[3; 70]));
    assert_eq!(words(&read(&mut framer, &data(2, 100, &hello), 0)), ["resync 100", "ServerHello(70)", "[22 74 read]"]);
    // Nor is an unknown message type dropped where nothing was lost.
    assert_eq!(words(&one_piece(&record(22, &message(99, &[1])), 0)), ["handshake message 99(1)", "[22 5 read]"]);
}

#[test]
fn a_stream_joined_in_its_middle_is_read_from_the_first_record_found() {
    let server = hex(TLS13_SERVER);
    let mut framer = Framer::mid_stream(&Limits::default());
    assert!(framer.is_lost());
    let units = read(&mut framer, &data(1, 300, &server[300..]), 0);
    let words = words(&units);
    assert_eq!(words[0], format!("resync {}", 5 + 122 + 6 + 43 + 5 + 1026));
    assert_eq!(words[1..], ["[23 97 sealed]", "[23 69 sealed]", "[23 266 sealed]", "[23 266 sealed]", "[23 317 sealed]", "[23 19 sealed]"]);
}

#[test]
fn an_sslv2_compatible_hello_may_come_first() {
    let mut hello = vec![0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 5, 0, 0, 10];
    hello.extend([7; 16]);
    assert_eq!(looks_like_tls(&hello), Sniff::Yes);
    let bytes = [hello.clone(), record(22, &message(16, &[1; 40]))].concat();
    let whole = cut(framer(), &bytes, &[], 0);
    assert_eq!(words(&whole), ["sslv2(31)", "ClientKeyExchange(40)", "[22 44 read]"]);
    let Unit::Sslv2ClientHello { extent, bytes: message } = &whole[0] else { panic!() };
    assert_eq!((extent.offset, extent.end_offset), (0, 33));
    let parsed = ClientHello::parse_sslv2(message);
    assert!(!parsed.malformed && parsed.sslv2);
    for at in 1..bytes.len() {
        assert_eq!(cut(framer(), &bytes, &[at], 0), whole, "{at}");
    }
    // Not as the second thing, and not of another version.
    let second = [record(21, &[1, 0]), hello.clone()].concat();
    assert_eq!(words(&one_piece(&second, 0)).last().unwrap(), "broken Type");
    hello[3] = 2;
    assert_eq!(words(&one_piece(&hello, 0)), ["broken Type"]);
}

#[test]
fn a_framer_is_small() {
    assert!(size_of::<Framer>() <= 72, "{}", size_of::<Framer>());
    assert_eq!(framer().held_bytes(), 0);
}

#[test]
fn no_bytes_cuts_or_holes_upset_it() {
    let mut random = Random(0x5eed);
    let streams = [TLS12_CLIENT, TLS12_SERVER, TLS13_CLIENT, TLS13_SERVER].map(hex);
    for round in 0..4_000 {
        let mut bytes = streams[round % 4].clone();
        random.mutate(&mut bytes);
        let limits = Limits { handshake_flow: 600, ..Limits::default() };
        let mut framer = if round % 5 == 0 { Framer::mid_stream(&limits) } else { Framer::new(&limits) };
        framer.hold_sealed([0, 64, 2000][round % 3]);
        let mut offset = 0;
        let mut last_end = 0;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (part, after) = rest.split_at(1 + random.below(rest.len().min(400)));
            rest = after;
            let piece = if random.below(8) == 0 { hole(1, offset, part.len() as u64) } else { data(1, offset, part) };
            let mut input = Input::new(&piece);
            let mut units = 0;
            while let Some(unit) = framer.next(&mut input) {
                units += 1;
                assert!(units <= 3 * part.len() + 3, "round {round}: no end");
                match unit {
                    Unit::Record { head, .. } => {
                        let extent = head.extent;
                        assert_eq!(extent.end_offset - extent.offset, 5 + u64::from(head.len), "round {round}");
                        assert!(extent.offset >= last_end, "round {round}: records overlap");
                        last_end = extent.end_offset;
                    }
                    Unit::Handshake(m) => assert!(m.bytes.len() <= 600),
                    Unit::HandshakeUnread { len, why, .. } => assert!(why == Unread::Hole || len > 600),
                    Unit::Alert { .. } if random.below(2) == 0 => framer.seal(),
                    Unit::Resync { .. } if random.below(2) == 0 => framer.unseal(),
                    _ => {}
                }
            }
            offset += part.len() as u64;
            assert!(framer.held_bytes() <= 2 * (600 + 2000) + 200, "round {round}: {}", framer.held_bytes());
        }
    }
}
