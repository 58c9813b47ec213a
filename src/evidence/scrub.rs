//! A frame without what is nobody else's business: payload blanked, addresses replaced where that is wanted, all lengths as they were.

use super::mask::Masks;
use super::pseudonym::Pseudonyms;
use super::rewrite::{Trailer, mend};
use crate::base::{Frame, LinkType};
use crate::decode::{Decoded, Decoder, Header, Passed, TcpFlags};

/// Length of a TCP header without options.
const TCP_HEADER: usize = 20;

/// Scrubs the frames of one connection.
pub(super) struct Scrubber<'p> {
    masks: Masks,
    pseudonyms: Option<&'p Pseudonyms>,
    /// Whether payload stays.
    open: bool,
    decoder: Decoder,
    passed: Vec<Passed>,
    new: Vec<u8>,
}

impl<'p> Scrubber<'p> {
    /// Keeps of the payload what `masks` say (with `None`: all), and replaces addresses with `pseudonyms`.
    pub(super) fn new(masks: Option<Masks>, pseudonyms: Option<&'p Pseudonyms>) -> Scrubber<'p> {
        let open = masks.is_none();
        Scrubber { masks: masks.unwrap_or_default(), pseudonyms, open, decoder: Decoder::new(), passed: Vec::new(), new: Vec::new() }
    }

    /// The frames will come again from the first on.
    pub(super) fn rewind(&mut self) {
        self.masks.rewind();
    }

    /// `frame`, scrubbed. `None` if nothing in it is known to be a connection's.
    pub(super) fn scrub(&mut self, frame: &Frame<'_>) -> Option<&[u8]> {
        self.new.clear();
        self.new.extend_from_slice(frame.data);
        let (way, seq, seen) = match self.decoder.trace(frame, &mut self.passed) {
            Decoded::Tcp(segment) => {
                (segment.way, segment.seq.wrapping_add(u32::from(segment.flags.has(TcpFlags::SYN))), Some(segment.payload.len()))
            }
            Decoded::Icmp(error) => {
                (error.way, error.seq.wrapping_add(u32::from(error.flags.is_some_and(|flags| flags.has(TcpFlags::SYN)))), None)
            }
            Decoded::Udp(_) | Decoded::Skipped(_) => return None,
        };
        if !self.open {
            let tcp = self.passed.last().filter(|last| last.header == Header::Tcp)?.range.clone();
            let words = frame.data.get(tcp.start + 12).map_or(0, |offset| usize::from(offset >> 4) * 4);
            let start = tcp.start + words.max(TCP_HEADER);
            let payload = self.new.get_mut(start.min(tcp.end)..tcp.end)?;
            match seen {
                // A header that makes no sense: whatever follows it is nobody's.
                Some(seen) if seen != payload.len() => payload.fill(0),
                _ => self.masks.apply(way, seq, payload),
            }
            let Trailer { padding, end } = Trailer::of(frame, &self.passed);
            self.new.get_mut(padding..end)?.fill(0);
        }
        if let Some(pseudonyms) = self.pseudonyms {
            link_addresses(frame.link, &mut self.new, pseudonyms);
            for passed in &self.passed {
                addresses(passed, &mut self.new, pseudonyms);
            }
        }
        mend(frame, &self.passed, &mut self.new, |ip| self.pseudonyms.map_or(ip, |pseudonyms| pseudonyms.ip(ip)));
        Some(&self.new)
    }
}

/// Replaces the addresses of link layers that are no Ethernet.
fn link_addresses(link: LinkType, frame: &mut [u8], pseudonyms: &Pseudonyms) {
    let (at, len) = match link {
        LinkType::LINUX_SLL => (6, frame.get(5)),
        LinkType::LINUX_SLL2 => (12, frame.get(11)),
        _ => return,
    };
    let len = len.map_or(0, |len| usize::from(*len)).min(8);
    let Some(field) = frame.get_mut(at..at + len) else { return };
    match field.first_chunk_mut::<6>() {
        Some(mac) => *mac = pseudonyms.mac(*mac),
        // Tunnels have IP addresses there.
        None if len == 4 => pseudonyms.v4_at(field, 0),
        None => pseudonyms.noise(field),
    }
}

/// Replaces the addresses in a header.
fn addresses(passed: &Passed, frame: &mut [u8], pseudonyms: &Pseudonyms) {
    let Some(header) = frame.get_mut(passed.range.clone()) else { return };
    match passed.header {
        Header::Ethernet => {
            for at in [0, 6] {
                if let Some(mac) = header.get_mut(at..).and_then(|field| field.first_chunk_mut::<6>()) {
                    *mac = pseudonyms.mac(*mac);
                }
            }
        }
        Header::Ipv4 => {
            let end = header.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
            pseudonyms.v4_at(header, 12);
            pseudonyms.v4_at(header, 16);
            v4_options(header.get_mut(20..end).unwrap_or_default(), pseudonyms);
        }
        Header::Ipv6 => {
            pseudonyms.v6_at(header, 8);
            pseudonyms.v6_at(header, 24);
            v6_routes(header, pseudonyms);
        }
        Header::Udp | Header::Gre | Header::Icmp | Header::Tcp => {}
    }
}

/// The addresses in IPv4 options that list some: record route, both source routes, timestamps.
fn v4_options(mut options: &mut [u8], pseudonyms: &Pseudonyms) {
    while let [kind, rest @ ..] = options {
        match *kind {
            0 => return,
            1 => options = rest,
            kind => {
                let len = rest.first().map_or(0, |len| usize::from(*len));
                let Some((value, after)) = rest.split_at_mut_checked(len.saturating_sub(1).max(1)) else { return };
                let (from, step) = match kind {
                    7 | 131 | 137 => (2, 4),
                    68 => (3, 8),
                    _ => (value.len(), 4),
                };
                for at in (from..value.len()).step_by(step) {
                    pseudonyms.v4_at(value, at);
                }
                options = after;
            }
        }
    }
}

/// The addresses in IPv6 routing headers.
fn v6_routes(packet: &mut [u8], pseudonyms: &Pseudonyms) {
    const ROUTING: u8 = 43;
    let (mut kind, mut at) = (packet.get(6).copied().unwrap_or_default(), 40);
    // Hop-by-hop and destination options, routing; fragments and authentication have lengths of their own.
    while let (0 | 43 | 44 | 51 | 60, Some([next, len, ..])) = (kind, packet.get(at..).and_then(|rest| rest.first_chunk::<2>()).copied()) {
        let len = match kind {
            44 => 8,
            51 => (usize::from(len) + 2) * 4,
            _ => (usize::from(len) + 1) * 8,
        };
        if kind == ROUTING {
            for address in (at + 8..at + len).step_by(16) {
                pseudonyms.v6_at(packet, address);
            }
        }
        (kind, at) = (next, at + len);
    }
}
