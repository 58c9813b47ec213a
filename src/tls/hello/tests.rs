//! Tests of the hellos: real ones, ones with something wrong, and hostile bytes.

use super::*;
use crate::tls::handshake::group_name;
use crate::tls::testdata::{HELLO_RETRY_REQUEST, Random, TLS12_CLIENT, TLS12_SERVER, TLS13_CLIENT, TLS13_SERVER, hex};
use crate::tls::{ja3, ja3_string, ja4};

/// The body of the handshake message at the beginning of a stream.
fn first_message(stream: &str) -> Vec<u8> {
    let bytes = hex(stream);
    let len = usize::from(bytes[7]) * 256 + usize::from(bytes[8]);
    bytes[9..9 + len].to_vec()
}

fn extension(typ: u16, data: &[u8]) -> Vec<u8> {
    [&typ.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

/// A ClientHello of two suites with these extensions, whose length field is `more` too large.
fn client_hello(extensions: &[Vec<u8>], more: u16) -> Vec<u8> {
    let block = extensions.concat();
    let len = (block.len() as u16 + more).to_be_bytes();
    [&[3, 3][..], &[9; 32], &[0], &[0, 4, 0x0a, 0x0a, 0x13, 0x01], &[1, 0], &len, &block].concat()
}

fn server_hello(version: u16, random: &[u8; 32], extensions: &[Vec<u8>]) -> Vec<u8> {
    let block = extensions.concat();
    let len = (block.len() as u16).to_be_bytes();
    [&version.to_be_bytes()[..], random, &[0], &[0xc0, 0x2f], &[0], &len, &block].concat()
}

const NAME: [u8; 12] = [0, 10, 0, 0, 7, b'a', b'.', b'b', b'.', b'c', b'o', b'm'];

#[test]
fn a_real_tls_1_3_client_hello() {
    let hello = ClientHello::parse(&first_message(TLS13_CLIENT));
    assert!(!hello.malformed && !hello.grease && !hello.sslv2);
    assert_eq!(hello.len, 508);
    assert_eq!(hello.legacy_version, Version::TLS12);
    assert!(hello.supported_versions().eq([Version::TLS13]));
    assert_eq!((hello.highest_version(), hello.lowest_version()), (Version::TLS13, Some(Version::TLS13)));
    assert_eq!(hello.suites().map(|s| s.0).collect::<Vec<_>>(), [0x1302, 0x1303, 0x1301, 0x00ff]);
    assert_eq!(hello.server_name.as_ref().unwrap().text(), "www.example.com");
    assert_eq!(hello.alpn_names().collect::<Vec<_>>(), ["h2", "http/1.1"]);
    assert_eq!(hello.groups().iter().filter_map(|g| group_name(*g)).next(), Some("x25519"));
    assert_eq!(hello.key_shares(), [0x1d]);
    assert_eq!(hello.session_id.bytes().len(), 32);
    assert!(hello.signature_algorithms().contains(&0x0403));
    assert!(hello.offers_session_ticket() && hello.offers_extended_master_secret() && hello.offers_encrypt_then_mac());
    assert!(hello.offers_secure_renegotiation());
    assert!(
        !hello.offers_psk() && !hello.offers_early_data() && !hello.has_ech() && !hello.offers_status_request() && !hello.is_fallback()
    );
    // As Wireshark has it for these bytes.
    assert_eq!(ja3_string(&hello), "771,4866-4867-4865-255,0-11-10-35-16-22-23-13-43-45-51-21,29-23-30-25-24-256-257-258-259-260,0-1-2");
    assert_eq!(ja3(&hello), "a4e852ed87d60903caddb37da85ae9a9");
    assert!(ja4(&hello).starts_with("t13d0412h2_"));
}

#[test]
fn a_real_tls_1_2_handshake() {
    let client = ClientHello::parse(&first_message(TLS12_CLIENT));
    assert_eq!((client.highest_version(), client.lowest_version()), (Version::TLS12, None));
    assert_eq!(ja3(&client), "549910697ed383e132fce27455c4921f");
    let server = ServerHello::parse(&first_message(TLS12_SERVER));
    assert!(!server.malformed);
    assert_eq!((server.version, server.legacy_version), (Version::TLS12, Version::TLS12));
    assert_eq!(server.suite.name(), Some("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
    assert_eq!(server.alpn.as_deref(), Some(&b"http/1.1"[..]));
    assert!(server.extended_master_secret() && !server.encrypt_then_mac() && !server.is_hello_retry_request());
    assert!(!server.echoes_session_id(&client), "not resumed");
    assert_eq!((server.key_share, server.psk, server.downgrade()), (None, None, None));
}

#[test]
fn a_real_tls_1_3_server_hello_and_retry_request() {
    let client = ClientHello::parse(&first_message(TLS13_CLIENT));
    let server = ServerHello::parse(&first_message(TLS13_SERVER));
    assert!(!server.malformed && !server.is_hello_retry_request());
    assert_eq!((server.version, server.legacy_version), (Version::TLS13, Version::TLS12));
    assert_eq!(server.suite.name(), Some("TLS_AES_256_GCM_SHA384"));
    assert_eq!((server.key_share, server.psk), (Some(0x1d), None));
    assert!(server.echoes_session_id(&client));
    let retry = ServerHello::parse(&first_message(HELLO_RETRY_REQUEST));
    assert!(!retry.malformed && retry.is_hello_retry_request());
    assert_eq!((retry.version, retry.key_share), (Version::TLS13, Some(0x19)));
}

#[test]
fn encrypt_then_mac_is_extension_22_and_not_21() {
    let random = [1; 32];
    assert!(ServerHello::parse(&server_hello(0x0303, &random, &[extension(22, &[])])).encrypt_then_mac());
    assert!(!ServerHello::parse(&server_hello(0x0303, &random, &[extension(21, &[])])).encrypt_then_mac());
}

#[test]
fn the_downgrade_sentinels() {
    for (end, downgrade) in [(1, Some(Downgrade::ToTls12)), (0, Some(Downgrade::ToTls11)), (2, None)] {
        let mut random = [7; 32];
        random[24..31].copy_from_slice(b"DOWNGRD");
        random[31] = end;
        assert_eq!(ServerHello::parse(&server_hello(0x0303, &random, &[])).downgrade(), downgrade);
    }
}

#[test]
fn grease_stays_out_of_the_lists() {
    let hello = ClientHello::parse(&client_hello(
        &[
            extension(0x1a1a, &[0]),
            extension(0, &NAME),
            extension(10, &[0, 6, 0x2a, 0x2a, 0x11, 0xec, 0, 0x1d]),
            extension(43, &[6, 0x3a, 0x3a, 3, 4, 3, 3]),
            extension(51, &[0, 12, 0x2a, 0x2a, 0, 1, 0, 0x11, 0xec, 0, 3, 1, 2, 3]),
            extension(0xfe0d, &[0; 40]),
            extension(41, &[0; 40]),
            extension(42, &[]),
        ],
        0,
    ));
    assert!(hello.grease && !hello.malformed);
    assert!(hello.suites().eq([Suite(0x1301)]));
    assert_eq!(hello.extensions(), [0, 10, 43, 51, 0xfe0d, 41, 42]);
    assert_eq!(hello.groups(), [0x11ec, 0x1d]);
    assert!(hello.supported_versions().eq([Version::TLS13, Version::TLS12]));
    assert_eq!((hello.highest_version(), hello.lowest_version()), (Version::TLS13, Some(Version::TLS12)));
    assert_eq!(hello.key_shares(), [0x11ec]);
    assert!(hello.has_ech() && hello.offers_psk() && hello.offers_early_data());
}

#[test]
fn one_bad_extension_does_not_hide_the_others() {
    let alpn = extension(16, &[0, 3, 2, b'h', b'2']);
    let good = [extension(10, &[0, 2, 0, 0x1d]), extension(0, &NAME), alpn.clone()];
    let bad = [extension(10, &[0, 200, 0, 0x1d]), extension(0, &NAME), alpn.clone()];
    let good = ClientHello::parse(&client_hello(&good, 0));
    let bad = ClientHello::parse(&client_hello(&bad, 0));
    assert!(!good.malformed && bad.malformed);
    assert_eq!((good.groups().len(), bad.groups().len()), (1, 0));
    assert_eq!(bad.server_name, good.server_name);
    assert_eq!(bad.server_name.as_ref().unwrap().text(), "a.b.com");
    assert!(bad.alpn().eq(good.alpn()) && bad.alpn().eq([b"h2"]));
    // An extension, and the whole block, that claim more than there is.
    let mut cut = client_hello(&[extension(0, &NAME), alpn], 0);
    cut.truncate(cut.len() - 1);
    let cut = ClientHello::parse(&cut);
    assert!(cut.malformed && cut.server_name.is_some() && cut.alpn().next().is_none());
    assert_eq!(cut.extensions(), [0]);
    let long = ClientHello::parse(&client_hello(&[extension(0, &NAME)], 9));
    assert!(long.malformed && long.server_name.is_some());
}

#[test]
fn what_is_left_of_a_broken_hello_is_read() {
    let whole = first_message(TLS13_CLIENT);
    let parsed = ClientHello::parse(&whole);
    let upto = |n: usize| ClientHello::parse(&whole[..n]);
    assert!(upto(0).malformed && upto(1).malformed);
    assert_eq!((upto(33).legacy_version, upto(33).random), (Version::TLS12, [0; 32]));
    assert_eq!(upto(34).random, parsed.random);
    assert_eq!(upto(67).session_id, parsed.session_id);
    assert!(upto(73).suites().eq(parsed.suites().take(2)), "two of the four suites arrived");
    assert!(upto(77).suites().eq(parsed.suites()));
    for n in 0..=whole.len() {
        // After the compression methods a ClientHello may end: extensions are optional.
        assert_eq!(upto(n).malformed, n != 79 && n != whole.len(), "{n}");
    }

    let whole = first_message(TLS13_SERVER);
    let parsed = ServerHello::parse(&whole);
    for n in 0..whole.len() {
        // After the compression byte a ServerHello may end: extensions are optional.
        let cut = ServerHello::parse(&whole[..n]);
        assert_eq!(cut.malformed, n != 70, "{n}");
        assert_eq!(cut.suite == parsed.suite, n >= 69, "{n}");
    }
    // A version field that no standard has.
    let odd = ServerHello::parse(&server_hello(0x03ff, &[1; 32], &[extension(23, &[])]));
    assert!(!odd.malformed && odd.extended_master_secret());
    assert_eq!(odd.version, Version(0x03ff));
    // SSL 3.0 has no extensions; some servers send some.
    let ssl3 = ServerHello::parse(&server_hello(0x0300, &[1; 32], &[extension(0xff01, &[0])]));
    assert!(!ssl3.malformed && ssl3.has_extension(0xff01));
}

#[test]
fn an_sslv2_compatible_hello() {
    let mut message = vec![1, 3, 1, 0, 9, 0, 0, 0, 16];
    message.extend([0, 0, 0x2f, 0, 0, 0x0a, 1, 0, 0x80]);
    message.extend([7; 16]);
    let hello = ClientHello::parse_sslv2(&message);
    assert!(hello.sslv2 && !hello.malformed);
    assert_eq!(hello.legacy_version, Version::TLS10);
    assert!(hello.suites().eq([Suite(0x2f), Suite(0x0a)]), "SSLv2's own kinds are left out");
    assert_eq!((&hello.random[..16], &hello.random[16..]), (&[0; 16][..], &[7; 16][..]));
    message.push(0);
    assert!(ClientHello::parse_sslv2(&message).malformed);
}

#[test]
fn lists_are_bounded() {
    let suites: Vec<u8> = (0..20_000u16).flat_map(u16::to_be_bytes).collect();
    let mut body = [&[3, 3][..], &[9; 32], &[0], &(suites.len() as u16).to_be_bytes(), &suites, &[1, 0]].concat();
    let extensions: Vec<u8> = (0..6_000u16).flat_map(|typ| extension(typ + 100, &[])).collect();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let hello = ClientHello::parse(&body);
    assert!(!hello.malformed);
    assert_eq!((hello.suites().len(), hello.extensions().len()), (MAX_SUITES, MAX_EXTENSIONS));
    let name = [&[0x0f, 0xa3, 0, 0x0f, 0xa0][..], &[b'a'; 4000]].concat();
    let hello = ClientHello::parse(&client_hello(&[extension(0, &name)], 0));
    assert_eq!(hello.server_name.unwrap().bytes().len(), MAX_NAME);
}

#[test]
fn an_extension_that_comes_again_counts_as_it_came_last() {
    let again = [extension(10, &[0, 4, 0, 0x1d, 0, 0x17]), extension(10, &[0, 2, 0, 0x18])];
    let hello = ClientHello::parse(&client_hello(&again, 0));
    assert_eq!((hello.groups(), hello.extensions()), (&[0x18][..], &[10, 10][..]));
    assert_eq!(hello, ClientHello::parse(&client_hello(&again, 0)));
    assert_ne!(hello, ClientHello::parse(&client_hello(&again[..1], 0)));
    assert!(hello.suites().eq([Suite(0x1301)]), "the other lists stay where they are");
}

#[test]
fn no_bytes_upset_the_parsers() {
    let mut random = Random(1);
    let bodies = [TLS12_CLIENT, TLS13_CLIENT, TLS12_SERVER, TLS13_SERVER, HELLO_RETRY_REQUEST].map(first_message);
    let mut malformed = 0;
    for round in 0..30_000 {
        let mut body = bodies[round % bodies.len()].clone();
        random.mutate(&mut body);
        let hello = ClientHello::parse(&body);
        malformed += usize::from(hello.malformed);
        assert!(ja4(&hello).len() == 36 && ja3(&hello).len() == 32);
        let _ = (ClientHello::parse_sslv2(&body), ServerHello::parse(&body).downgrade());
    }
    assert!(malformed > 1_000);
}

#[test]
fn encrypted_extensions_bring_the_application_protocol() {
    let mut hello = ServerHello::default();
    hello.read_encrypted_extensions(&[0, 15, 0, 10, 0, 2, 0, 29, 0, 16, 0, 5, 0, 3, 2, b'h', b'2']);
    assert_eq!((hello.alpn.as_deref(), hello.malformed), (Some(&b"h2"[..]), false));
    let mut nothing = ServerHello::default();
    nothing.read_encrypted_extensions(&[0, 0]);
    nothing.read_encrypted_extensions(&[]);
    assert_eq!(nothing, ServerHello::default());
    nothing.read_encrypted_extensions(&[0, 6, 0, 16, 0, 2, 0, 9]);
    assert!(nothing.alpn.is_none() && nothing.malformed, "a name longer than its extension");
}
