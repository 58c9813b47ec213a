//! The interface of the default route, from Linux' routing tables.
#![allow(clippy::disallowed_methods, reason = "the routing tables are files")]

use std::fs;

/// The route is in use (`RTF_UP`).
const UP: u32 = 1;
/// The route rejects what takes it (`RTF_REJECT`).
const REJECT: u32 = 0x0200;

/// The interface of the default route with the lowest metric, IPv4's before IPv6's.
pub(super) fn default_interface() -> Option<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    best_v4(&read("/proc/net/route")).or_else(|| best_v6(&read("/proc/net/ipv6_route")))
}

/// Columns: interface, destination, gateway, flags, two unused ones, metric, mask; numbers but the metric in hexadecimal.
fn best_v4(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (name, to) = (columns.next()?, columns.next()?);
        let flags = u32::from_str_radix(columns.nth(1)?, 16).ok()?;
        let metric: u32 = columns.nth(2)?.parse().ok()?;
        let mask = columns.next()?;
        let default = hex_zero(to) && hex_zero(mask) && flags & UP != 0 && flags & REJECT == 0;
        default.then_some((metric, name))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name.to_owned())
}

/// Columns: destination, its prefix length, source, its prefix length, next hop, metric, two counts, flags, interface; all in hexadecimal.
fn best_v6(table: &str) -> Option<String> {
    let routes = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[to, length, _, _, _, metric, _, _, flags, name] = columns.as_slice() else { return None };
        let (metric, flags) = (u32::from_str_radix(metric, 16).ok()?, u32::from_str_radix(flags, 16).ok()?);
        let default = hex_zero(to) && hex_zero(length) && flags & UP != 0 && flags & REJECT == 0 && name != "lo";
        default.then_some((metric, name))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name.to_owned())
}

fn hex_zero(number: &str) -> bool {
    !number.is_empty() && number.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000080\t0\t0\t0\n";

    #[test]
    fn the_lowest_metric_wins() {
        assert_eq!(best_v4(V4).as_deref(), Some("eth0"));
    }

    #[test]
    fn half_a_default_route_and_a_rejecting_one_are_none() {
        let without = |name: &str| V4.lines().filter(|line| !line.starts_with(name)).collect::<Vec<_>>().join("\n");
        assert_eq!(best_v4(&without("eth0")).as_deref(), Some("wlan0"));
        assert_eq!(best_v4(&V4.replace("0003", "0203")), None);
        assert_eq!(best_v4(""), None);
    }

    #[test]
    fn reads_ipv6() {
        let zero = "0".repeat(32);
        let hop = "fe800000000000000000000000000001";
        let table = format!(
            "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             {zero} 00 {zero} 00 {hop} 00000400 00000001 00000000 00000003     eth1\n\
             fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001     eth0\n"
        );
        assert_eq!(best_v6(&table).as_deref(), Some("eth1"));
    }
}
