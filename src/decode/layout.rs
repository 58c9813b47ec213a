//! Where the headers of a frame lie in its bytes: for whoever writes it anew with something in it changed.

use std::net::IpAddr;
use std::ops::Range;

use super::ip::Packet;
use super::{Decoded, Decoder, checksum};
use crate::base::{At, Frame};

/// A kind of header that has addresses, lengths or a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Ethernet.
    Ethernet,
    /// IPv4, with its options.
    Ipv4,
    /// IPv6, with its extension headers.
    Ipv6,
    /// UDP.
    Udp,
    /// GRE.
    Gre,
    /// ICMP or ICMPv6.
    Icmp,
    /// TCP.
    Tcp,
}

/// A header in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// What kind.
    pub header: Header,
    /// From its first byte to the last captured one of what it carries, without padding after it.
    pub range: Range<usize>,
    /// Source and destination as the checksums of what an IP header carries count them.
    pub addresses: Option<(IpAddr, IpAddr)>,
}

/// Where the headers of the fragment lay that completed the last datagram.
#[derive(Clone, Debug)]
pub(super) struct Join {
    at: At,
    /// The fragment's headers, from its IP header up to its payload, in the frame.
    headers: Range<usize>,
    v6: bool,
}

/// Takes down the headers that a walk passes; of most walks, nothing.
pub(super) trait Trace<'a> {
    /// The walk passes a header, at the beginning of `from`; what it carries ends where `carried` does.
    fn pass(&mut self, header: Header, from: &'a [u8], carried: &'a [u8], packet: Option<&Packet<'a>>);
}

/// Takes down nothing.
pub(super) struct Untraced;

impl Trace<'_> for Untraced {
    #[inline(always)]
    fn pass(&mut self, _: Header, _: &[u8], _: &[u8], _: Option<&Packet<'_>>) {}
}

/// Takes down what lies in a frame.
struct Traced<'t> {
    frame: Range<usize>,
    passed: &'t mut Vec<Passed>,
}

/// The addresses in memory that a slice lies at: what tells its place in another one.
fn memory(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}

impl<'a> Trace<'a> for Traced<'_> {
    fn pass(&mut self, header: Header, from: &'a [u8], carried: &'a [u8], packet: Option<&Packet<'a>>) {
        let (from, carried) = (memory(from), memory(carried));
        let inside = |at: usize| at.checked_sub(self.frame.start).filter(|offset| *offset <= self.frame.len());
        // What was joined from fragments lies elsewhere.
        if let (Some(start), Some(end)) = (inside(from.start), inside(carried.end)) {
            let addresses = packet.map(|packet| (packet.source, packet.destination));
            self.passed.push(Passed { header, range: start..end, addresses });
        }
    }
}

impl Decoder {
    /// Like [`Decoder::decode`]; the headers on the way, from the outermost on, are put into `passed`. Those inside a datagram that had to
    /// be joined from fragments are not among them: see [`Decoder::joined`].
    pub fn trace<'a>(&'a mut self, frame: &Frame<'a>, passed: &mut Vec<Passed>) -> Decoded<'a> {
        passed.clear();
        self.decode_traced(frame, &mut Traced { frame: memory(frame.data), passed })
    }

    /// The frame that was decoded last, if it completed a segment that came in IP fragments: with the segment whole, as if it had never been
    /// cut. `None` for other frames, and where the fragments lay so deep in tunnels that lengths around them would be wrong.
    pub fn joined(&self, frame: &Frame<'_>) -> Option<Vec<u8>> {
        let Join { headers, v6, .. } = self.join.as_ref().filter(|join| join.is_of(frame))?;
        let [datagram, ..] = &self.joined;
        let mut whole = frame.data.get(..headers.end)?.to_vec();
        unfragment(whole.get_mut(headers.start..)?, *v6, datagram.len())?;
        whole.extend_from_slice(datagram);
        let again = Frame { data: &whole, wire_len: u32::try_from(whole.len()).ok()?, ..*frame };
        // All of it must be found again.
        let mut passed = Vec::new();
        let found = matches!(Decoder::new().trace(&again, &mut passed), Decoded::Tcp(_));
        (found && passed.last().is_some_and(|last| last.range.end == whole.len())).then_some(whole)
    }
}

impl Join {
    /// Whether it happened in `frame`.
    pub(super) fn is_of(&self, frame: &Frame<'_>) -> bool {
        self.at == frame.at
    }

    /// The fragment in `packet`, whose IP header `ip` begins with.
    #[cold]
    pub(super) fn new(frame: &Frame<'_>, ip: &[u8], packet: &Packet<'_>) -> Join {
        let offset = |bytes: &[u8]| memory(bytes).start.saturating_sub(memory(frame.data).start);
        Join { at: frame.at, headers: offset(ip)..offset(packet.payload.seen), v6: packet.id.is_none() }
    }
}

/// Makes the IP header of a fragment that of the whole datagram, whose payload is `len` bytes long. An IPv6 fragment header stays, and says
/// that the fragment is all there is (RFC 6946).
fn unfragment(header: &mut [u8], v6: bool, len: usize) -> Option<()> {
    let length = header.len() + len;
    if v6 {
        let payload = u16::try_from(length.checked_sub(40)?).unwrap_or(0);
        header.get_mut(4..6)?.copy_from_slice(&payload.to_be_bytes());
        let fragment = header.len().checked_sub(8)?;
        header.get_mut(fragment + 2..fragment + 4)?.copy_from_slice(&[0, 0]);
    } else {
        // A length that does not fit is left out, as segmentation offload does.
        header.get_mut(2..4)?.copy_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
        // Don't fragment is all that stays of the flags.
        let flags = header.get_mut(6)?;
        *flags &= 0x40;
        *header.get_mut(7)? = 0;
        header.get_mut(10..12)?.copy_from_slice(&[0, 0]);
        let sum = !sum(header);
        header.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    }
    Some(())
}

/// The sum of 16-bit words that internet checksums are made of (RFC 1071), folded to 16 bits and not complemented.
pub fn sum(bytes: &[u8]) -> u16 {
    checksum::fold(checksum::sum(bytes)).swap_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::fragments::tests::in_parts;
    use super::super::tests::*;
    use super::*;
    use crate::base::LinkType;

    fn trace(link: LinkType, data: &[u8]) -> Vec<(Header, Range<usize>)> {
        let mut passed = Vec::new();
        let mut decoder = Decoder::new();
        decoder.trace(&frame(link, data, data.len()), &mut passed);
        passed.into_iter().map(|passed| (passed.header, passed.range)).collect()
    }

    #[test]
    fn headers_are_found_where_they_lie() {
        let len = PAYLOAD.len();
        let mut ethernet = [&[1; 12][..], &[8, 0], &tcp4(PAYLOAD)].concat();
        let end = ethernet.len();
        assert_eq!(end, 14 + 20 + 32 + len);
        let expected = [(Header::Ethernet, 0..end), (Header::Ipv4, 14..end), (Header::Tcp, 34..end)];
        assert_eq!(trace(LinkType::ETHERNET, &ethernet), expected);
        // Padding belongs to the link alone.
        ethernet.extend([0; 5]);
        assert_eq!(trace(LinkType::ETHERNET, &ethernet), [(Header::Ethernet, 0..end + 5), (Header::Ipv4, 14..end), (Header::Tcp, 34..end)]);
        // Cut by the snap length.
        ethernet.truncate(40);
        let mut passed = Vec::new();
        Decoder::new().trace(&frame(LinkType::ETHERNET, &ethernet, end), &mut passed);
        assert_eq!(passed.last().map(|last| (last.header, last.range.clone())), Some((Header::Tcp, 34..40)));
    }

    #[test]
    fn tunnels_and_complaints_have_every_header_of_theirs() {
        let inner = tcp6(PAYLOAD);
        let gre = in_ipv4(47, &[&[0, 0, 0x86, 0xdd], &inner[..]].concat());
        let end = gre.len();
        assert_eq!(
            trace(LinkType::RAW, &gre),
            [(Header::Ipv4, 0..end), (Header::Gre, 20..end), (Header::Ipv6, 24..end), (Header::Tcp, 64..end)]
        );
        let complaint = in_ipv4(1, &[&[3, 1, 0, 0, 0, 0, 0, 0], &tcp4(PAYLOAD)[..]].concat());
        let end = complaint.len();
        assert_eq!(
            trace(LinkType::RAW, &complaint),
            [(Header::Ipv4, 0..end), (Header::Icmp, 20..end), (Header::Ipv4, 28..end), (Header::Tcp, 48..end)]
        );
    }

    #[test]
    fn a_segment_in_fragments_can_be_had_whole() {
        for (v6, whole) in [(false, tcp4(&[5; 300])), (true, tcp6(&[5; 300]))] {
            let mut decoder = Decoder::new();
            let parts = in_parts().into_iter().filter(|part| (part[0] >> 4 == 6) == v6);
            let mut joined = None;
            for (i, part) in parts.enumerate() {
                let framed = Frame { at: At::new(Default::default(), i as u32 + 1, 0), ..frame(LinkType::RAW, &part, part.len()) };
                let complete = matches!(decoder.decode(&framed), Decoded::Tcp(_));
                assert_eq!(decoder.joined(&framed).is_some(), complete);
                joined = decoder.joined(&framed).or(joined);
            }
            let joined = joined.unwrap();
            let read = |data: &[u8]| {
                with_decoded(LinkType::RAW, data, |decoded| match decoded {
                    Decoded::Tcp(segment) => (segment.key, segment.seq, segment.payload.len(), segment.checksum),
                    other => panic!("{other:?}"),
                })
            };
            assert_eq!(read(&joined).0, read(&whole).0);
            assert_eq!((read(&joined).2, read(&joined).3), (300, super::super::Checksum::Good));
        }
    }

    #[test]
    fn a_frame_of_its_own_was_never_joined() {
        let data = tcp4(PAYLOAD);
        let framed = frame(LinkType::RAW, &data, data.len());
        let mut decoder = Decoder::new();
        decoder.decode(&framed);
        assert_eq!(decoder.joined(&framed), None);
    }
}
