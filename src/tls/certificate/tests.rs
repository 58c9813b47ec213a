//! Tests of certificates: chains as OpenSSL made them, chains with something wrong, and hostile DER.

use super::*;
use crate::tls::testdata::{BROTLI_CERTIFICATE, OWN_POLICY, PUBLIC_POLICY, Random, SELF_SIGNED, TIMESTAMPED, TLS12_SERVER, hex};
use crate::tls::{NameMatch, name_matches};

/// The body of the Certificate message in the TLS 1.2 session: behind the ServerHello's record, record header and message header.
fn body() -> Vec<u8> {
    let server = hex(TLS12_SERVER);
    server[85 + 9..85 + 9 + 1000].to_vec()
}

/// A Certificate message's body with these certificates.
fn list(ders: &[&[u8]]) -> Vec<u8> {
    let u24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let entries: Vec<u8> = ders.iter().flat_map(|der| [u24(der.len()), der.to_vec()].concat()).collect();
    [u24(entries.len()), entries].concat()
}

/// Leaf and intermediate of the TLS 1.2 session.
fn ders() -> (Vec<u8>, Vec<u8>) {
    let body = body();
    let len = usize::from(body[4]) * 256 + usize::from(body[5]);
    (body[6..6 + len].to_vec(), body[6 + len + 3..].to_vec())
}

#[test]
fn a_real_chain() {
    let chain = Chain::parse(&body());
    assert!(!chain.malformed && chain.in_order && chain.issuer_present);
    assert_eq!(chain.count, 2);
    let leaf = chain.leaf.unwrap();
    assert!(leaf.readable && !leaf.self_signed && !leaf.is_ca && !leaf.names_incomplete);
    // As `openssl x509` prints it.
    assert_eq!(&*leaf.subject, "CN=www.example.com,O=Käse \\+ Söhne\\, GmbH,C=DE");
    assert_eq!(&*leaf.issuer, "CN=Example Intermediate,O=Example Trust\\, Inc.");
    assert_eq!(leaf.common_name.as_deref(), Some("www.example.com"));
    let fingerprint = "9DC157F86F2E2529E69F95C1FEFD59FFFE449AF175AC86D897E8E80E54F61028";
    assert_eq!(hex_upper(&leaf.sha256), fingerprint);
    assert_eq!(leaf.serial_hex(), "8ABC");
    assert_eq!((leaf.not_before, leaf.not_after), (1_795_256_614, 1_803_032_614));
    assert_eq!(leaf.dns_names.iter().map(|n| &**n).collect::<Vec<_>>(), ["www.example.com", "*.example.net"]);
    assert_eq!(leaf.ip_addresses.iter().map(|a| a.to_string()).collect::<Vec<_>>(), ["192.0.2.7", "2001:db8::7"]);
    assert_eq!((&*leaf.key.algorithm, leaf.key.bits), ("EC", Some(256)));
    assert_eq!(leaf.signature_algorithm, "ecdsa-with-SHA256");
    let [intermediate] = &*chain.others else { panic!() };
    assert_eq!(&*intermediate.subject, &*leaf.issuer);
    assert_eq!(&*intermediate.issuer, "CN=Example Root,O=Example Trust\\, Inc.,C=US");
    assert_eq!(intermediate.valid_at(leaf.not_before), Validity::Ok);
    assert_eq!(name_matches(&leaf, "www.example.com"), NameMatch::Matches);
    assert_eq!(name_matches(&leaf, "a.example.net"), NameMatch::Matches);
    assert_eq!(name_matches(&leaf, "www.example.org"), NameMatch::Differs);
    assert_eq!(name_matches(&leaf, "2001:db8::7"), NameMatch::Matches);
}

#[test]
fn validity_includes_both_ends() {
    let leaf = Certificate::parse(&ders().0);
    for (at, validity) in [
        (leaf.not_before - 1, Validity::NotYet),
        (leaf.not_before, Validity::Ok),
        (leaf.not_after, Validity::Ok),
        (leaf.not_after + 1, Validity::Expired),
        (i64::MIN, Validity::NotYet),
        (i64::MAX, Validity::Expired),
    ] {
        assert_eq!(leaf.valid_at(at), validity, "{at}");
    }
    assert_eq!(Certificate::parse(b"nothing").valid_at(0), Validity::Unknown);
}

#[test]
fn a_self_signed_certificate_without_alternative_names() {
    let der = hex(SELF_SIGNED);
    let chain = Chain::parse(&list(&[&der]));
    assert!(chain.in_order && chain.issuer_present && !chain.malformed);
    let leaf = chain.leaf.unwrap();
    assert!(leaf.self_signed);
    assert_eq!((&*leaf.key.algorithm, leaf.key.bits), ("RSA", Some(2048)));
    assert_eq!(leaf.signature_algorithm, "sha256WithRSAEncryption");
    assert_eq!(name_matches(&leaf, "old.example.com"), NameMatch::CommonNameOnly);
}

#[test]
fn missing_and_misplaced_intermediates_are_seen() {
    let (leaf, intermediate) = ders();
    let other = hex(SELF_SIGNED);
    for (sent, in_order, issuer_present) in [
        (vec![&leaf[..]], true, false),
        (vec![&leaf, &intermediate], true, true),
        (vec![&leaf, &other], false, false),
        (vec![&leaf, &other, &intermediate], false, true),
        (vec![&leaf, &b"rubbish"[..], &intermediate], false, true),
    ] {
        let chain = Chain::parse(&list(&sent));
        assert_eq!((chain.in_order, chain.issuer_present), (in_order, issuer_present), "{}", sent.len());
        assert_eq!(chain.count as usize, sent.len());
    }
}

#[test]
fn an_empty_chain_is_not_a_broken_one() {
    let chain = Chain::parse(&[0, 0, 0]);
    assert_eq!((chain.leaf.is_none(), chain.count, chain.malformed), (true, 0, false));
    for broken in [&[][..], &[0, 0], &[0, 0, 9], &[0, 0, 0, 1], &[0, 0, 2, 0, 0]] {
        assert!(Chain::parse(broken).malformed, "{broken:?}");
    }
}

#[test]
fn an_unreadable_certificate_is_still_one() {
    let chain = Chain::parse(&list(&[b"not DER"]));
    let leaf = chain.leaf.unwrap();
    assert!(!leaf.readable && !chain.issuer_present && !chain.malformed);
    assert_eq!(leaf.len, 7);
    assert_ne!(leaf.sha256, [0; 32]);
    assert_eq!(name_matches(&leaf, "www.example.com"), NameMatch::Unknown);
}

#[test]
fn a_long_chain_is_read_to_its_tenth_certificate() {
    let (leaf, _) = ders();
    let chain = Chain::parse(&list(&vec![&leaf[..]; 40]));
    assert_eq!((chain.count, chain.others.len()), (40, MAX_CHAIN - 1));
}

#[test]
fn names_are_escaped_as_rfc_4514_says() {
    let mut text = String::new();
    for value in ["#a", " b ", "c+d\"e\\f<g>h;i,j", "k#l m"] {
        escape_into(&mut text, value);
        text.push('|');
    }
    assert_eq!(text, "\\#a|\\ b\\ |c\\+d\\\"e\\\\f\\<g\\>h\\;i\\,j|k#l m|");
}

#[test]
fn no_der_upsets_the_parser() {
    let mut random = Random(3);
    let (leaf, intermediate) = ders();
    let other = hex(SELF_SIGNED);
    let mut readable = 0;
    for round in 0..20_000 {
        let mut der = [&leaf, &intermediate, &other][round % 3].clone();
        random.mutate(&mut der);
        let cert = Certificate::parse(&der);
        readable += usize::from(cert.readable);
        assert!(cert.subject.chars().count() <= MAX_DN + 1);
        let _ = (name_matches(&cert, "www.example.com"), cert.valid_at(0), cert.serial_hex());
        let mut message = body();
        random.mutate(&mut message);
        let chain = Chain::parse(&message);
        assert!(chain.others.len() < MAX_CHAIN);
    }
    assert!(readable > 1_000, "{readable}");
}

/// A TLS 1.3 Certificate message's body: context, certificates each with extensions.
fn list13(context: &[u8], ders: &[&[u8]], extensions: &[u8]) -> Vec<u8> {
    let u24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let more = |der: &[u8]| [u24(der.len()), der.to_vec(), (extensions.len() as u16).to_be_bytes().to_vec(), extensions.to_vec()].concat();
    let entries: Vec<u8> = ders.iter().flat_map(|der| more(der)).collect();
    [vec![context.len() as u8], context.to_vec(), u24(entries.len()), entries].concat()
}

#[test]
fn a_tls_1_3_chain_is_the_same_chain() {
    let (leaf, issuer) = ders();
    for (context, extensions) in [(&b""[..], &b""[..]), (b"ctx", &[0, 5, 0, 1, 1])] {
        let body13 = list13(context, &[&leaf, &issuer], extensions);
        assert_eq!(Chain::parse_tls13(&body13), Chain::parse(&body()));
        assert!(Chain::parse_tls13(&body13[..body13.len() - 1]).malformed);
    }
    let empty = Chain::parse_tls13(&list13(b"", &[], b""));
    assert_eq!((empty.count, empty.malformed), (0, false));
    assert!(Chain::parse_tls13(&[]).malformed);
}

#[test]
fn a_compressed_certificate_is_read() {
    let message = list13(b"", &[&hex(SELF_SIGNED)], b"");
    let wrap = |algorithm: u8, len: usize, data: &[u8]| {
        let u24 = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
        [vec![0, algorithm], u24(len), u24(data.len()), data.to_vec()].concat()
    };
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zlib, &message).unwrap();
    let zlib = zlib.finish().unwrap();
    let brotli = hex(BROTLI_CERTIFICATE);
    for (algorithm, data) in [(1, &zlib), (2, &brotli)] {
        let whole = wrap(algorithm, message.len(), data);
        assert_eq!(Chain::parse_compressed(&whole, 1 << 16), Some(Chain::parse_tls13(&message)), "{algorithm}");
        assert_eq!(Chain::parse_compressed(&whole, 100), None, "longer than is kept");
        for claimed in [message.len() - 1, message.len() + 1] {
            assert_eq!(Chain::parse_compressed(&wrap(algorithm, claimed, data), 1 << 16), None, "a length that lies");
        }
        assert_eq!(Chain::parse_compressed(&wrap(3, message.len(), data), 1 << 16), None, "zstd");
        let mut random = Random(3);
        for _ in 0..300 {
            let mut bytes = whole.clone();
            random.mutate(&mut bytes);
            let _ = Chain::parse_compressed(&bytes, 1 << 16);
            let _ = Chain::parse_tls13(&bytes);
        }
    }
}

#[test]
fn what_public_cas_must_put_into_certificates_is_known() {
    for (der, public) in [(PUBLIC_POLICY, true), (TIMESTAMPED, true), (OWN_POLICY, false), (SELF_SIGNED, false)] {
        assert_eq!(Certificate::parse(&hex(der)).publicly_issued, public);
    }
}

#[test]
fn a_key_has_the_digest_that_pins_have() {
    // `openssl pkey -pubout -outform DER | sha256sum`
    let pin = "7F8101AE1E5E7DE3998CE8B43D4F00BFB9E2761C45B01D82396D4108A617C469";
    for der in [PUBLIC_POLICY, OWN_POLICY] {
        assert_eq!(hex_upper(&Certificate::parse(&hex(der)).key.sha256), pin);
    }
}
