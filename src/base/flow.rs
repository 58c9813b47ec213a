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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    a: Endpoint,
    b: Endpoint,
}

/// A direction along a [`FlowKey`]. It says nothing about roles: see [`Side`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the key's first endpoint to its second.
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
        if src <= dst { (FlowKey { a: src, b: dst }, Way::AtoB) } else { (FlowKey { a: dst, b: src }, Way::BtoA) }
    }

    /// Who sends along `way`.
    pub fn source(&self, way: Way) -> Endpoint {
        match way {
            Way::AtoB => self.a,
            Way::BtoA => self.b,
        }
    }

    /// Who receives along `way`.
    pub fn destination(&self, way: Way) -> Endpoint {
        self.source(way.opposite())
    }
}

impl Hash for FlowKey {
    // Written by hand: one to five integer writes instead of two length-prefixed slices, on the only hash look-up a packet costs.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = (u32::from(self.a.port) << 16) | u32::from(self.b.port);
        match (self.a.ip, self.b.ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => state.write_u64((u64::from(u32::from(a)) << 32) | u64::from(u32::from(b))),
            (a, b) => {
                for ip in [a, b] {
                    match ip {
                        IpAddr::V4(ip) => state.write_u32(ip.into()),
                        IpAddr::V6(ip) => state.write_u128(ip.into()),
                    }
                }
            }
        }
        state.write_u32(ports);
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
    ab: T,
    ba: T,
}

impl<T> PerWay<T> {
    /// The value for [`Way::AtoB`], then the one for [`Way::BtoA`].
    pub fn new(ab: T, ba: T) -> PerWay<T> {
        PerWay { ab, ba }
    }

    /// Both values at once: `way`'s, then the opposite's.
    pub fn pair_mut(&mut self, way: Way) -> (&mut T, &mut T) {
        match way {
            Way::AtoB => (&mut self.ab, &mut self.ba),
            Way::BtoA => (&mut self.ba, &mut self.ab),
        }
    }

    /// The same values by role, where `client` is the way the client sends.
    pub fn by_side(self, client: Way) -> PerSide<T> {
        match client {
            Way::AtoB => PerSide { client: self.ab, server: self.ba },
            Way::BtoA => PerSide { client: self.ba, server: self.ab },
        }
    }
}

impl<T> Index<Way> for PerWay<T> {
    type Output = T;
    fn index(&self, way: Way) -> &T {
        match way {
            Way::AtoB => &self.ab,
            Way::BtoA => &self.ba,
        }
    }
}

impl<T> IndexMut<Way> for PerWay<T> {
    fn index_mut(&mut self, way: Way) -> &mut T {
        match way {
            Way::AtoB => &mut self.ab,
            Way::BtoA => &mut self.ba,
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
