//! Which process holds a socket, from Linux' tables under /proc: asked by the helper process alone, which sees no packet.
#![allow(clippy::disallowed_methods, reason = "the tables are files")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::printable;
use crate::report::Process;

/// The state of a listening socket (`TCP_LISTEN`).
const LISTEN: &str = "0A";
/// Processes and descriptors looked at in one search.
const MOST: usize = 1_000_000;

/// The processes that hold the sockets of these connections, each told by its local and its remote end. Where a connection has none (any
/// more), it is the one that listens on its local port.
pub(super) fn holders(asked: &[(SocketAddr, SocketAddr)]) -> Vec<Option<Process>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes = inodes(tables.iter().flat_map(|table| table.lines().skip(1)), asked);
    let wanted: HashSet<u64> = inodes.iter().flatten().copied().collect();
    let holders = search(&wanted);
    inodes.into_iter().map(|inode| holders.get(&inode?).cloned()).collect()
}

/// The inode of each connection's socket, or of the listening one.
fn inodes<'t>(table: impl Iterator<Item = &'t str>, asked: &[(SocketAddr, SocketAddr)]) -> Vec<Option<u64>> {
    let mut connected: HashMap<(SocketAddr, SocketAddr), u64> = HashMap::new();
    let mut listening: HashMap<u16, u64> = HashMap::new();
    let places: HashSet<_> = asked.iter().copied().collect();
    let ports: HashSet<u16> = asked.iter().map(|(local, _)| local.port()).collect();
    for line in table {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote), Some(state)) = (columns.next(), columns.next(), columns.next()) else { continue };
        let (Some(local), Some(remote)) = (endpoint(local), endpoint(remote)) else { continue };
        let inode = columns.nth(5).and_then(|inode| inode.parse().ok()).filter(|inode| *inode != 0);
        let Some(inode) = inode else { continue };
        if state == LISTEN && ports.contains(&local.port()) {
            listening.insert(local.port(), inode);
        } else if places.contains(&(local, remote)) {
            connected.insert((local, remote), inode);
        }
    }
    asked.iter().map(|place| connected.get(place).or_else(|| listening.get(&place.0.port())).copied()).collect()
}

/// `0100007F:01BB`: the words of an address in the host's byte order, and the port.
fn endpoint(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| address.get(at..at + 8).and_then(|word| u32::from_str_radix(word, 16).ok()).map(u32::to_ne_bytes);
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            // A connection over IPv4 to a socket of IPv6.
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Who holds the sockets of these inodes, as far as this process may look.
fn search(wanted: &HashSet<u64>) -> HashMap<u64, Process> {
    let mut found = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut looked = 0;
    for (pid, folder) in processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path()))) {
        for descriptor in fs::read_dir(folder.join("fd")).into_iter().flatten().flatten() {
            looked += 1;
            if found.len() == wanted.len() || looked > MOST {
                return found;
            }
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            let Some(inode) = inode.filter(|inode| wanted.contains(inode)) else { continue };
            let name = fs::read(folder.join("comm")).unwrap_or_default();
            let name = printable(String::from_utf8_lossy(&name).trim_end_matches('\n'), 64);
            found.entry(inode).or_insert(Process { pid, name });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernel_s_addresses() {
        let address = |words: [u32; 4]| words.map(|word| format!("{:08X}", u32::from_be(word))).concat();
        let text = format!("{:08X}:01BB", u32::from_be(0x7f00_0001));
        assert_eq!(endpoint(&text), Some("127.0.0.1:443".parse().unwrap()));
        let six = format!("{}:1F90", address([0x2001_0db8, 0, 0, 1]));
        assert_eq!(endpoint(&six), Some("[2001:db8::1]:8080".parse().unwrap()));
        let mapped = format!("{}:0016", address([0, 0, 0xffff, 0xc000_0201]));
        assert_eq!(endpoint(&mapped), Some("192.0.2.1:22".parse().unwrap()));
        for text in ["", "00", "0100007F", "0100007F:", "zz:1", "0100007F:12345"] {
            assert_eq!(endpoint(text), None, "{text}");
        }
    }

    #[test]
    fn finds_its_own_sockets_and_falls_back_on_who_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(here).unwrap();
        let local = client.local_addr().unwrap();
        let nobody = "192.0.2.9:9".parse().unwrap();
        let found = holders(&[(local, here), (here, nobody), (nobody, here)]);
        let pids: Vec<Option<u32>> = found.iter().map(|process| Some(process.as_ref()?.pid)).collect();
        assert_eq!(pids, [Some(std::process::id()), Some(std::process::id()), None]);
        assert!(found[0].as_ref().is_some_and(|process| !process.name.is_empty()));
    }
}
