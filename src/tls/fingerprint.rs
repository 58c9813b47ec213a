//! Identifiers other tools know: JA3 and JA4 of a ClientHello, Community ID of a connection.

use std::net::IpAddr;

use md5::Md5;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::{ClientHello, Version};
use crate::base::Endpoint;

/// The string behind JA3 (<https://github.com/salesforce/ja3>): version, suites, extensions, groups and point formats in decimal, in
/// the order sent, without GREASE.
pub fn ja3_string(hello: &ClientHello) -> String {
    let join = |values: &mut dyn Iterator<Item = u16>| values.map(|v| v.to_string()).collect::<Vec<_>>().join("-");
    format!(
        "{},{},{},{},{}",
        hello.legacy_version.0,
        join(&mut hello.suites().map(|s| s.0)),
        join(&mut hello.extensions().iter().copied()),
        join(&mut hello.groups().iter().copied()),
        join(&mut hello.point_formats().iter().copied()),
    )
}

/// JA3: the MD5 of [`ja3_string`], in hexadecimal.
pub fn ja3(hello: &ClientHello) -> String {
    hex(&Md5::digest(ja3_string(hello)))
}

/// JA4 of a client over TCP (<https://github.com/FoxIO-LLC/ja4>, `technical_details/JA4.md`), such as `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub fn ja4(hello: &ClientHello) -> String {
    let version = match hello.highest_version() {
        Version::TLS13 => "13",
        Version::TLS12 => "12",
        Version::TLS11 => "11",
        Version::TLS10 => "10",
        Version::SSL30 => "s3",
        Version::SSL20 => "s2",
        _ => "00",
    };
    const SERVER_NAME: u16 = 0;
    const ALPN: u16 = 16;
    let name = if hello.has_extension(SERVER_NAME) { 'd' } else { 'i' };
    let (suites, extensions) = (hello.suites().len().min(99), hello.extensions().len().min(99));
    let (first, last) = ja4_alpn(hello.alpn().next().unwrap_or_default());

    let listed = |mut values: Vec<u16>| {
        values.sort_unstable();
        hex_list(values)
    };
    let suite_list = listed(hello.suites().map(|s| s.0).collect());
    let mut extension_list = listed(hello.extensions().iter().copied().filter(|t| ![SERVER_NAME, ALPN].contains(t)).collect());
    if !extension_list.is_empty() && !hello.signature_algorithms().is_empty() {
        extension_list.push('_');
        extension_list.push_str(&hex_list(hello.signature_algorithms().to_vec()));
    }
    format!("t{version}{name}{suites:02}{extensions:02}{first}{last}_{}_{}", ja4_hash(&suite_list), ja4_hash(&extension_list))
}

/// First and last character of a protocol name, or of its hexadecimal form where one of the two is no letter or digit.
fn ja4_alpn(protocol: &[u8]) -> (char, char) {
    let (Some(&first), Some(&last)) = (protocol.first(), protocol.last()) else { return ('0', '0') };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (first.into(), last.into());
    }
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 0x0f))
}

fn hex_list(values: Vec<u16>) -> String {
    values.iter().map(|v| format!("{v:04x}")).collect::<Vec<_>>().join(",")
}

/// The first 12 hexadecimal digits of the SHA-256, or zeros where there is nothing to hash.
fn ja4_hash(list: &str) -> String {
    if list.is_empty() {
        return "0".repeat(12);
    }
    hex(Sha256::digest(list).get(..6).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Community ID, version 1, seed 0, of a TCP connection between two endpoints in either order
/// (<https://github.com/corelight/community-id-spec>).
pub fn community_id(one: Endpoint, other: Endpoint) -> String {
    const TCP: u8 = 6;
    let (a, b) = if one <= other { (one, other) } else { (other, one) };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    for ip in [a.ip, b.ip] {
        match ip {
            IpAddr::V4(ip) => hash.update(ip.octets()),
            IpAddr::V6(ip) => hash.update(ip.octets()),
        }
    }
    hash.update([TCP, 0]);
    hash.update(a.port.to_be_bytes());
    hash.update(b.port.to_be_bytes());
    format!("1:{}", base64(&hash.finalize()))
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    let symbol = |six: u32| {
        char::from(match (six & 0x3f) as u8 {
            n @ 0..=25 => b'A' + n,
            n @ 26..=51 => b'a' + (n - 26),
            n @ 52..=61 => b'0' + (n - 52),
            62 => b'+',
            _ => b'/',
        })
    };
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for i in 0..4 {
            out.push(if i <= chunk.len() { symbol(bits >> (18 - 6 * i)) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::hello::List;

    /// The client of JA4's own documentation.
    fn documented(signature_algorithms: &[u16]) -> ClientHello {
        let suites =
            [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035];
        let extensions = [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ];
        let versions = [Version::TLS13.0, Version::TLS12.0];
        let lists = [
            (List::Suites, &suites[..]),
            (List::Extensions, &extensions),
            (List::Versions, &versions),
            (List::SignatureAlgorithms, signature_algorithms),
        ];
        ClientHello::offering(Version::TLS12, &lists, &[b"h2", b"http/1.1"])
    }

    #[test]
    fn ja4_is_the_documented_one() {
        let hello = documented(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]);
        assert_eq!(ja4(&hello), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(ja4(&documented(&[])), "t13d1516h2_8daaf6152771_6d807ffa2a79");
    }

    #[test]
    fn ja4_of_next_to_nothing() {
        let empty = ClientHello::offering(Version::SSL30, &[], &[]);
        assert_eq!(ja4(&empty), "ts3i000000_000000000000_000000000000");
        let odd = ClientHello::offering(Version(0x0305), &[(List::Suites, &[1; 120])], &[]);
        assert!(ja4(&odd).starts_with("t00i990000_"));
    }

    #[test]
    fn ja4_protocols_that_are_no_text() {
        assert_eq!(ja4_alpn(b""), ('0', '0'));
        assert_eq!(ja4_alpn(b"h"), ('h', 'h'));
        assert_eq!(ja4_alpn(b"http/1.1"), ('h', '1'));
        assert_eq!(ja4_alpn(&[0xab]), ('a', 'b'));
        assert_eq!(ja4_alpn(&[0xab, 0xcd]), ('a', 'd'));
        assert_eq!(ja4_alpn(&[0x30, 0xab]), ('3', 'b'));
        assert_eq!(ja4_alpn(&[0x30, 0xab, 0xcd, 0x31]), ('0', '1'));
    }

    #[test]
    fn ja3_is_the_documented_one() {
        // The examples of JA3's README.
        let suites = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let lists =
            [(List::Suites, &suites[..]), (List::Extensions, &[0, 10, 11]), (List::Groups, &[23, 24, 25]), (List::PointFormats, &[0])];
        let hello = ClientHello::offering(Version(769), &lists, &[]);
        assert_eq!(ja3_string(&hello), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
        let suites = [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99];
        let bare = ClientHello::offering(Version(769), &[(List::Suites, &suites)], &[]);
        assert_eq!(ja3_string(&bare), "769,4-5-10-9-100-98-3-6-19-18-99,,,");
        assert_eq!(ja3(&bare), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn community_ids_are_those_of_the_baseline() {
        let at = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        for (one, other, id) in [
            (at("128.232.110.120", 34855), at("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (at("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943), at("2607:f8b0:400c:c03::1a", 25), "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="),
        ] {
            assert_eq!(community_id(one, other), id);
            assert_eq!(community_id(other, one), id);
        }
    }

    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("\u{3ff}?", "z78/")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
