//! Flows: endpoints, the canonical key of a connection, the two ways along it and the two roles in it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::ops::{Index, IndexMut};

/// An address and a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6 address. An IPv4-mapped IPv6 address stays IPv6.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    /// `192.0.2.1:443`, `[2001:db8::1]:443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// The two endpoints of a connection in canonical order, the same for both directions.
///
/// Packed: it is compared, hashed and copied for every packet.
#[derive(Clone, Copy, Default, Eq)]
pub struct FlowKey {
    /// Both addresses, each as [`packed`].
    ips: [[u64; 2]; 2],
    /// Both ports in the lower half, the first one above the other. Above that [`A_IS_V6`] and [`B_IS_V6`].
    ports: u64,
}

/// The first endpoint's address is an IPv6 one.
const A_IS_V6: u64 = 1 << 33;
/// The second endpoint's address is an IPv6 one.
const B_IS_V6: u64 = 1 << 32;

/// An address as numbers, an IPv4 one in the second word.
#[inline]
fn packed(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V4(ip) => [0, u32::from(ip).into()],
        IpAddr::V6(ip) => {
            let ip = u128::from(ip);
            [(ip >> 64) as u64, ip as u64]
        }
    }
}

/// The address that [`packed`] made these numbers of.
fn unpacked([high, low]: [u64; 2], v6: bool) -> IpAddr {
    match v6 {
        false => IpAddr::from((low as u32).to_be_bytes()),
        true => IpAddr::from(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()),
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.source(Way::AtoB), self.source(Way::BtoA))
    }
}

/// A direction along a [`FlowKey`]. It says nothing about roles: see [`Side`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the key's first endpoint to its second.
    #[default]
    AtoB,
    /// From the key's second endpoint to its first.
    BtoA,
}

/// A role in a session: earned by a SYN or a ClientHello, never assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The one that opened the connection.
    Client,
    /// The one it was opened to.
    Server,
}

impl FlowKey {
    /// The key of the flow from `src` to `dst`, and the way along it that leads there.
    #[inline]
    pub fn new(src: Endpoint, dst: Endpoint) -> (FlowKey, Way) {
        let (a, b, way) = if src <= dst { (src, dst, Way::AtoB) } else { (dst, src, Way::BtoA) };
        let v6 = if a.ip.is_ipv6() { A_IS_V6 } else { 0 } | if b.ip.is_ipv6() { B_IS_V6 } else { 0 };
        (FlowKey { ips: [packed(a.ip), packed(b.ip)], ports: v6 | (u64::from(a.port) << 16) | u64::from(b.port) }, way)
    }

    /// The same for IPv4, of addresses and ports as numbers.
    #[inline]
    pub fn v4(src: (u32, u16), dst: (u32, u16)) -> (FlowKey, Way) {
        // As single numbers, which are put in order without a branch that nobody foretells.
        let number = |(ip, port): (u32, u16)| (u64::from(ip) << 16) | u64::from(port);
        let (src, dst) = (number(src), number(dst));
        let (a, b) = (src.min(dst), src.max(dst));
        let way = if src <= dst { Way::AtoB } else { Way::BtoA };
        (FlowKey { ips: [[0, a >> 16], [0, b >> 16]], ports: ((a & 0xffff) << 16) | (b & 0xffff) }, way)
    }

    /// Who sends along `way`.
    pub fn source(&self, way: Way) -> Endpoint {
        let ([a, b], ports) = (self.ips, self.ports);
        match way {
            Way::AtoB => Endpoint { ip: unpacked(a, ports & A_IS_V6 != 0), port: (ports >> 16) as u16 },
            Way::BtoA => Endpoint { ip: unpacked(b, ports & B_IS_V6 != 0), port: ports as u16 },
        }
    }

    /// Who receives along `way`.
    pub fn destination(&self, way: Way) -> Endpoint {
        self.source(way.opposite())
    }
}

impl PartialEq for FlowKey {
    // Written by hand: without a branch for each word, and without a detour through memory for a key that was just made.
    #[inline]
    fn eq(&self, other: &FlowKey) -> bool {
        let ([[a, b], [c, d]], [[e, f], [g, h]]) = (self.ips, other.ips);
        (a ^ e) | (b ^ f) | (c ^ g) | (d ^ h) | (self.ports ^ other.ports) == 0
    }
}

impl Hash for FlowKey {
    // Written by hand: a single write for IPv4, on the only hash look-up a packet costs.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ([[a_high, a_low], [b_high, b_low]], ports) = (self.ips, self.ports);
        let mut low = (a_low << 32) | b_low;
        if ports & (A_IS_V6 | B_IS_V6) != 0 {
            for word in [a_high, a_low, b_high] {
                state.write_u64(word);
            }
            low = b_low;
        }
        state.write_u128((u128::from(low) << 64) | u128::from(ports));
    }
}

impl Way {
    /// The other way.
    pub fn opposite(self) -> Way {
        match self {
            Way::AtoB => Way::BtoA,
            Way::BtoA => Way::AtoB,
        }
    }
}

impl Side {
    /// Client, then server.
    pub const BOTH: [Side; 2] = [Side::Client, Side::Server];

    /// The other side.
    pub fn peer(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    /// `client` or `server`.
    pub fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each way along a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerWay<T> {
    /// For [`Way::AtoB`], then for [`Way::BtoA`].
    both: [T; 2],
}

impl<T> PerWay<T> {
    /// The value for [`Way::AtoB`], then the one for [`Way::BtoA`].
    pub fn new(ab: T, ba: T) -> PerWay<T> {
        PerWay { both: [ab, ba] }
    }

    /// Both values at once: `way`'s, then the opposite's.
    pub fn pair_mut(&mut self, way: Way) -> (&mut T, &mut T) {
        let [ab, ba] = &mut self.both;
        match way {
            Way::AtoB => (ab, ba),
            Way::BtoA => (ba, ab),
        }
    }

    /// The same values by role, where `client` is the way the client sends.
    pub fn by_side(self, client: Way) -> PerSide<T> {
        let [ab, ba] = self.both;
        match client {
            Way::AtoB => PerSide { client: ab, server: ba },
            Way::BtoA => PerSide { client: ba, server: ab },
        }
    }
}

impl<T> Index<Way> for PerWay<T> {
    type Output = T;
    #[inline]
    fn index(&self, way: Way) -> &T {
        // A place that is computed, not chosen: nobody foretells which way the next packet goes.
        let [ab, _] = &self.both;
        self.both.get(way as usize).unwrap_or(ab)
    }
}

impl<T> IndexMut<Way> for PerWay<T> {
    #[inline]
    fn index_mut(&mut self, way: Way) -> &mut T {
        match way {
            Way::AtoB => &mut self.both[0],
            Way::BtoA => &mut self.both[1],
        }
    }
}

/// One value for each side of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSide<T> {
    /// The client's.
    pub client: T,
    /// The server's.
    pub server: T,
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;
    fn index(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_endpoints() {
        let ends: Vec<Endpoint> = ["192.0.2.9", "192.0.2.10", "2001:db8::1", "2001:db8:0:1::", "::ffff:192.0.2.9"]
            .into_iter()
            .flat_map(|ip| [443, 51544].map(|port| Endpoint { ip: ip.parse().unwrap(), port }))
            .collect();
        for src in &ends {
            for dst in &ends {
                let (key, way) = FlowKey::new(*src, *dst);
                assert_eq!((key.source(way), key.destination(way)), (*src, *dst));
                assert_eq!(way == Way::AtoB, src <= dst);
            }
        }
    }

    #[test]
    fn both_directions_share_a_key() {
        let client = Endpoint { ip: "192.0.2.9".parse().unwrap(), port: 51544 };
        let server = Endpoint { ip: "192.0.2.1".parse().unwrap(), port: 443 };
        let (there, way) = FlowKey::new(client, server);
        let (back, yaw) = FlowKey::new(server, client);
        assert_eq!(there, back);
        assert_eq!(way.opposite(), yaw);
        assert_eq!(there.source(way), client);
        assert_eq!(back.destination(yaw), client);
    }
}
