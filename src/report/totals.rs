//! Sums over the sessions of a capture, and what was in it beside them.

use std::collections::BTreeMap;

use crate::analyze::Totals;
use crate::decode::Skip;
use crate::diagnose::{Fault, Verdict};
use crate::report::text::{count, grouped};
use crate::session::Ending;

/// Counts over the selected sessions.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Sessions that fit the selection.
    pub selected: u64,
    /// Of these: flagged.
    pub flagged: u64,
    /// Of these: closed with a close_notify.
    pub clean: u64,
    /// Of these: still running when the capture ended.
    pub open: u64,
    /// Of these: their end is not in the capture.
    pub unseen: u64,
    /// Sessions by cause.
    pub causes: BTreeMap<&'static str, u64>,
    /// By fault, in the order of [`Fault::ALL`]: flagged ones, and others with somebody at fault.
    by_fault: [u64; Fault::ALL.len()],
}

impl Tally {
    /// Counts a session.
    pub fn add(&mut self, verdict: &Verdict) {
        self.count(verdict, 1);
    }

    /// Counts a session anew whose verdict was changed.
    pub fn revise(&mut self, was: &Verdict, is: &Verdict) {
        self.count(was, -1);
        self.count(is, 1);
        self.causes.retain(|_, sessions| *sessions > 0);
    }

    fn count(&mut self, verdict: &Verdict, by: i64) {
        let add = |count: &mut u64| *count = count.saturating_add_signed(by);
        add(&mut self.selected);
        add(self.causes.entry(verdict.cause).or_default());
        let class = super::Class::of(verdict);
        if verdict.flagged() {
            add(&mut self.flagged);
        }
        if class == super::Class::Clean {
            return add(match verdict.ending {
                Ending::Open => &mut self.open,
                Ending::Unseen => &mut self.unseen,
                _ => &mut self.clean,
            });
        }
        let slot = Fault::ALL.iter().zip(&mut self.by_fault).find(|(fault, _)| **fault == verdict.fault);
        if let Some((_, count)) = slot {
            add(count);
        }
    }

    /// How many sessions that did not end cleanly are whose fault, in the order of [`Fault::ALL`].
    pub fn faults(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().zip(self.by_fault)
    }

    /// Sessions in which a fault was found: somebody is named, or it is undetermined who.
    pub fn found(&self) -> u64 {
        self.faults().filter(|(fault, _)| *fault != Fault::None).map(|(_, count)| count).sum()
    }
}

/// Why a packet was skipped, in words for a count of them.
pub fn skip(why: Skip) -> String {
    match why {
        Skip::LinkType(number) => format!("link type {number}{}, not decoded", named(link_type(number))),
        Skip::NotIp(number) => format!("not IP: EtherType 0x{number:04x}{}", named(ether_type(number))),
        Skip::NotTcp(number) => format!("IP protocol {number}{}", named(protocol(number))),
        Skip::FragmentHeld => "IP fragments, their datagram never complete or joined later".to_owned(),
        Skip::FragmentDropped => "IP fragments that could not be joined".to_owned(),
        Skip::CutShort => "cut by the snap length before the ports".to_owned(),
        Skip::Malformed => "headers that contradict themselves".to_owned(),
        Skip::Encrypted => "encrypted below TCP (ESP, MACsec)".to_owned(),
        Skip::Icmp => "ICMP that is no error about TCP".to_owned(),
    }
}

fn named(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" ({name})") }
}

fn link_type(number: u16) -> &'static str {
    match number {
        105 | 119 | 127 => "802.11: capture on the host, or decrypt first",
        189 | 220 => "USB",
        187 | 201 => "Bluetooth",
        9 => "PPP",
        _ => "",
    }
}

fn ether_type(number: u16) -> &'static str {
    match number {
        0x0806 => "ARP",
        0x88cc => "LLDP",
        0x888e => "802.1X",
        0x8863 | 0x8864 => "PPPoE",
        0x8809 => "LACP",
        0x88e5 => "MACsec",
        _ => "",
    }
}

fn protocol(number: u8) -> &'static str {
    match number {
        2 => "IGMP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        _ => "",
    }
}

/// What the capture held beside TLS over TCP, one phrase each, the analysed left out: `12 TCP connections without TLS`.
pub fn beside(totals: &Totals) -> Vec<String> {
    let mut out = Vec::new();
    let mut say = |number: u64, one: &str, many: &str| {
        if number > 0 {
            out.push(count(number, one, many));
        }
    };
    say(totals.plain_connections, "TCP connection without TLS", "TCP connections without TLS");
    say(totals.quic, "QUIC packet (HTTP/3; not analysed)", "QUIC packets (HTTP/3; not analysed)");
    say(totals.dtls, "DTLS packet (not analysed)", "DTLS packets (not analysed)");
    say(totals.udp_other, "other UDP packet", "other UDP packets");
    say(totals.icmp_errors, "ICMP error about TCP", "ICMP errors about TCP");
    out
}

/// Skipped packets by reason, most first: `12 not IP: EtherType 0x0806 (ARP)`.
pub fn skipped(totals: &Totals) -> Vec<String> {
    let mut reasons: Vec<(Skip, u64)> = totals.skipped.iter().map(|(&why, &packets)| (why, packets)).collect();
    reasons.sort_by_key(|&(why, packets)| (std::cmp::Reverse(packets), why));
    reasons.into_iter().map(|(why, packets)| format!("{} {}", grouped(packets), skip(why))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn counts_by_fault_and_ending() {
        let mut tally = Tally::default();
        for (_, verdict) in [sample::idle_timeout(), sample::refused_hello(1, 0), sample::refused_hello(2, 0), sample::clean(3)] {
            tally.add(&verdict);
        }
        let of = |fault| tally.faults().find(|(f, _)| *f == fault).map(|(_, count)| count);
        assert_eq!((of(Fault::Server), of(Fault::None), of(Fault::Client)), (Some(2), Some(1), Some(0)));
        assert_eq!((tally.selected, tally.flagged, tally.clean, tally.found()), (4, 3, 1, 2));
        assert_eq!(tally.causes.get("server-closed-in-handshake"), Some(&2));
    }

    #[test]
    fn a_revised_session_is_counted_once_and_as_it_is_now() {
        let (mut tally, mut as_now) = (Tally::default(), Tally::default());
        let ((_, was), (_, is), (_, clean)) = (sample::refused_hello(1, 0), sample::idle_timeout(), sample::clean(3));
        tally.add(&was);
        tally.add(&clean);
        tally.revise(&was, &is);
        as_now.add(&is);
        as_now.add(&clean);
        assert_eq!(format!("{tally:?}"), format!("{as_now:?}"));
    }

    #[test]
    fn what_was_skipped_is_named_most_first() {
        let mut totals = Totals::default();
        totals.skipped.insert(Skip::NotIp(0x0806), 12);
        totals.skipped.insert(Skip::NotTcp(132), 1_300);
        assert_eq!(skipped(&totals), ["1,300 IP protocol 132 (SCTP)", "12 not IP: EtherType 0x0806 (ARP)"]);
    }
}
