//! Other names for the same things: addresses mapped so that networks stay networks, names of the same length, all by one key.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

/// Addresses whose mapping is remembered.
const KNOWN: usize = 4_096;

/// Replaces addresses and names, each always by the same.
///
/// Addresses keep their common prefixes, as Crypto-PAn maps them (Xu, Fan, Ammar, Moon 2002): two that share their first n bits share n bits
/// afterwards too. The pseudo-random function is SHA-256 over the key, what is mapped, and the bits before.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; 32],
    /// Addresses mapped before: it takes a hash for each of their bits.
    known: RefCell<HashMap<IpAddr, IpAddr>>,
}

impl Pseudonyms {
    /// Those of a key that was typed: the same in every run.
    pub fn of(key: &str) -> Pseudonyms {
        Pseudonyms::random(Sha256::digest([b"whohungup pseudonyms\0".as_slice(), key.as_bytes()].concat()).into())
    }

    /// Those of a key that nobody knows. `seed` must be random.
    pub fn random(seed: [u8; 32]) -> Pseudonyms {
        Pseudonyms { key: seed, known: RefCell::default() }
    }

    fn hash(&self, kind: u8, of: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(self.key).chain_update([kind]).chain_update(of).finalize().into()
    }

    /// The first `bits` bits of an address, mapped; those that follow stay.
    fn map<const N: usize>(&self, address: [u8; N], kind: u8) -> [u8; N] {
        let mut out = address;
        for bit in 0..N * 8 {
            let mut prefix = [0; 18];
            prefix[0] = bit as u8;
            for (to, from) in prefix.iter_mut().skip(1).zip(address).take(bit / 8 + 1) {
                *to = from;
            }
            // Only what stands before this bit counts.
            if let Some(last) = prefix.get_mut(1 + bit / 8) {
                *last &= !(0xff_u8 >> (bit % 8));
            }
            let [flip, ..] = self.hash(kind, &prefix);
            if let Some(byte) = out.get_mut(bit / 8) {
                *byte ^= (flip & 1) << (7 - bit % 8);
            }
        }
        out
    }

    /// An address of the same family. The unspecified one stays, and so do IPv4 addresses' places in IPv6 ones.
    pub fn ip(&self, ip: IpAddr) -> IpAddr {
        if let Some(known) = self.known.borrow().get(&ip) {
            return *known;
        }
        let mapped = self.mapped(ip);
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(ip, mapped);
        mapped
    }

    fn mapped(&self, ip: IpAddr) -> IpAddr {
        match ip {
            ip if ip.is_unspecified() => ip,
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from(self.map(ip.octets(), 4))),
            IpAddr::V6(ip) => IpAddr::V6(match ip.to_ipv4_mapped() {
                Some(inner) => Ipv4Addr::from(self.map(inner.octets(), 4)).to_ipv6_mapped(),
                None => Ipv6Addr::from(self.map(ip.octets(), 6)),
            }),
        }
    }

    /// Maps the IPv4 address at `at`, if there is all of one.
    pub(super) fn v4_at(&self, bytes: &mut [u8], at: usize) {
        if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>())
            && let IpAddr::V4(ip) = self.ip(IpAddr::from(*place))
        {
            *place = ip.octets();
        }
    }

    /// Maps the IPv6 address at `at`, if there is all of one.
    pub(super) fn v6_at(&self, bytes: &mut [u8], at: usize) {
        if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<16>())
            && let IpAddr::V6(ip) = self.ip(IpAddr::from(*place))
        {
            *place = ip.octets();
        }
    }

    /// A MAC address that no vendor gave out. Broadcast and zero stay, and so does whether it is a group's.
    pub fn mac(&self, mac: [u8; 6]) -> [u8; 6] {
        if mac == [0xff; 6] || mac == [0; 6] {
            return mac;
        }
        let [first, b, c, d, e, f, ..] = self.hash(b'm', &mac);
        let [was, ..] = mac;
        [(first & 0xfc) | 2 | (was & 1), b, c, d, e, f]
    }

    /// Bytes that mean nothing, as many; the same for the same.
    pub(super) fn noise(&self, bytes: &mut [u8]) {
        let of = bytes.to_vec();
        for (block, chunk) in bytes.chunks_mut(32).enumerate() {
            let hash = self.hash(b'n', &[&(block as u64).to_be_bytes()[..], &of].concat());
            for (to, from) in chunk.iter_mut().zip(hash) {
                *to = from;
            }
        }
    }

    /// A name of the same length, label by label: what two names share at their ends they share afterwards too. An address spelled out
    /// becomes another one of as many characters.
    pub(super) fn name(&self, name: &mut [u8]) {
        let text = std::str::from_utf8(name).unwrap_or_default();
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() {
            return self.spelled(name);
        }
        // Ports stay.
        if let Some((host, port)) = text.rsplit_once(':')
            && (!host.contains(':') || host.ends_with(']'))
            && port.parse::<u16>().is_ok()
        {
            let len = host.len();
            return self.name(name.get_mut(..len).unwrap_or_default());
        }
        for label in name.split_mut(|byte| is_separator(*byte)) {
            self.label(label);
        }
    }

    /// Letters for letters and digits for digits. The hash is of the label in lower case, so that names stay equal as they were.
    fn label(&self, label: &mut [u8]) {
        let lower = label.to_ascii_lowercase();
        let mut stream = Vec::new();
        while stream.len() < label.len() {
            stream.extend(self.hash(b'l', &[&(stream.len() as u64).to_be_bytes()[..], &lower].concat()));
        }
        for (byte, noise) in label.iter_mut().zip(stream) {
            *byte = match *byte {
                b'0'..=b'9' => b'0' + noise % 10,
                b'A'..=b'Z' => b'A' + noise % 26,
                b'-' | b'_' | b'*' => *byte,
                _ => b'a' + noise % 26,
            };
        }
    }

    /// An address in text: each number becomes one of as many digits that is still a number of an address.
    fn spelled(&self, text: &mut [u8]) {
        let of = text.to_vec();
        let decimal = !of.contains(&b':');
        for (place, number) in text.split_mut(|byte| matches!(byte, b'.' | b':' | b'[' | b']')).enumerate() {
            let [noise, second, third, fourth, ..] = self.hash(b's', &[&(place as u64).to_be_bytes()[..], &of].concat());
            let value = match (decimal, number.len()) {
                (true, 1) => format!("{}", noise % 10),
                (true, 2) => format!("{}", 10 + noise % 90),
                (true, 3) => format!("{}", 100 + noise % 156),
                (_, len) => format!("{:04x}", u16::from_be_bytes([second, third]) | 0x1000 | u16::from(fourth))
                    .chars()
                    .take(len)
                    .collect::<String>(),
            };
            for (to, from) in number.iter_mut().zip(value.bytes()) {
                *to = from;
            }
        }
    }
}

impl std::fmt::Debug for Pseudonyms {
    /// Without the key: whoever has it can try out addresses.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonyms")
    }
}

/// Whether a byte stands between the parts of a name, an address of mail, a path.
fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'@' | b':' | b'/' | b' ' | b',' | b'=' | b'?' | b'&' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        Pseudonyms::of("k").name(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn ports_stay_where_they_stand_behind_a_name() {
        for host in ["api.example.com", "192.0.2.77", "[2001:db8::7]"] {
            assert_eq!(name(&format!("{host}:443")), format!("{}:443", name(host)));
            assert_ne!(name(host), host);
        }
        let number = name("a:70000");
        assert!(!number.ends_with(":70000"), "{number}: that is no port");
    }

    #[test]
    fn networks_stay_networks() {
        let pseudonyms = Pseudonyms::of("k");
        let bits = |ip: &str| match pseudonyms.ip(ip.parse().unwrap()) {
            IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
            IpAddr::V6(ip) => u128::from(ip),
        };
        for (a, b, shared) in [
            ("192.0.2.1", "192.0.2.2", 30),
            ("192.0.2.1", "192.0.130.1", 16),
            ("10.0.0.1", "203.0.113.7", 0),
            ("2001:db8::1", "2001:db8::2", 126),
            ("2001:db8::1", "2001:db9::1", 31),
        ] {
            assert_eq!((bits(a) ^ bits(b)).leading_zeros(), shared, "{a} and {b}");
        }
        assert_ne!(pseudonyms.ip("192.0.2.1".parse().unwrap()), Pseudonyms::of("other").ip("192.0.2.1".parse().unwrap()));
        assert_eq!(pseudonyms.ip("192.0.2.1".parse().unwrap()), Pseudonyms::of("k").ip("192.0.2.1".parse().unwrap()));
        let IpAddr::V6(mapped) = pseudonyms.ip("::ffff:192.0.2.1".parse().unwrap()) else { panic!() };
        assert_eq!(mapped.to_ipv4_mapped().map(IpAddr::from), Some(pseudonyms.ip("192.0.2.1".parse().unwrap())));
    }

    #[test]
    fn no_two_addresses_become_one() {
        let pseudonyms = Pseudonyms::of("k");
        let mapped: std::collections::HashSet<IpAddr> = (0..2_000_u32).map(|n| pseudonyms.ip(Ipv4Addr::from(n * 7).into())).collect();
        assert_eq!(mapped.len(), 2_000);
    }

    #[test]
    fn names_keep_their_length_and_what_they_share() {
        let (one, other) = (name("api.example.com"), name("www.Example.com"));
        assert_eq!((one.len(), other.len()), (15, 15));
        assert_eq!(one[4..], other[4..].to_lowercase());
        assert_ne!(one[..4], other[..4]);
        assert!(!one.contains("example") && one.matches('.').count() == 2);
        assert_eq!(name("*.example.com")[2..], one[4..]);
        assert_eq!(name("user@example.com").split('@').next_back().unwrap(), &one[4..]);
    }

    #[test]
    fn spelled_addresses_stay_addresses() {
        for text in ["10.0.0.12", "192.168.100.255", "203.0.113.7", "2001:db8::1", "[2001:db8:0:1::ffff]", "::1"] {
            let spelled = name(text);
            assert_eq!(spelled.len(), text.len());
            assert_ne!(spelled, text);
            assert!(spelled.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(), "{spelled}");
        }
    }

    #[test]
    fn stations_stay_stations_and_groups_groups() {
        let pseudonyms = Pseudonyms::of("k");
        assert_eq!(pseudonyms.mac([0xff; 6]), [0xff; 6]);
        let mac = pseudonyms.mac([0x00, 0x1b, 0x21, 1, 2, 3]);
        assert_eq!(mac[0] & 3, 2);
        assert_eq!(pseudonyms.mac([0x01, 0x00, 0x5e, 1, 2, 3])[0] & 1, 1);
        assert_eq!(mac, Pseudonyms::of("k").mac([0x00, 0x1b, 0x21, 1, 2, 3]));
    }
}
