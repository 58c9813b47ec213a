//! From a frame to the TCP segment or ICMP error in it: link layers, tunnels, IP, fragments.

mod segment;

pub use segment::{Checksum, Decoded, IcmpError, IcmpKind, Segment, Skip, TcpFlags, TcpOptions, UdpKind};
