//! ICMP errors: who complains, about what.

use std::net::IpAddr;

use etherparse::{IpNumber, icmpv4, icmpv6};

use super::bytes::Bytes;
use super::ip::Packet;
use super::{IcmpKind, Skip};

/// An ICMP error, of which the quoted packet is still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complaint {
    /// Who sent it.
    pub from: IpAddr,
    /// Type and code.
    pub kind: IcmpKind,
    /// Next-hop MTU.
    pub mtu: Option<u32>,
}

/// The error in `packet`, and the packet it quotes.
pub(super) fn complaint<'a>(packet: Packet<'a>) -> Result<(Complaint, Bytes<'a>), Skip> {
    let v6 = packet.protocol == IpNumber::IPV6_ICMP;
    let (&[typ, code, _, _, b4, b5, b6, b7], quoted) = packet.payload.head::<8>()?;
    let mtu = match (v6, typ, code) {
        // Routers older than RFC 1191 leave it zero.
        (false, icmpv4::TYPE_DEST_UNREACH, icmpv4::CODE_DST_UNREACH_NEED_FRAG) => {
            Some(u32::from(u16::from_be_bytes([b6, b7]))).filter(|&mtu| mtu != 0)
        }
        (true, icmpv6::TYPE_PACKET_TOO_BIG, _) => Some(u32::from_be_bytes([b4, b5, b6, b7])),
        _ => None,
    };
    let quotes = match v6 {
        false => matches!(
            typ,
            icmpv4::TYPE_DEST_UNREACH | icmpv4::TYPE_SOURCE_QUENCH | icmpv4::TYPE_TIME_EXCEEDED | icmpv4::TYPE_PARAMETER_PROBLEM
        ),
        true => matches!(
            typ,
            icmpv6::TYPE_DST_UNREACH | icmpv6::TYPE_PACKET_TOO_BIG | icmpv6::TYPE_TIME_EXCEEDED | icmpv6::TYPE_PARAMETER_PROBLEM
        ),
    };
    if quotes { Ok((Complaint { from: packet.source, kind: IcmpKind { v6, typ, code }, mtu }, quoted)) } else { Err(Skip::Icmp) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::*;
    use super::super::{Decoded, Decoder, IcmpError, TcpFlags};
    use super::*;
    use crate::base::LinkType;

    /// An ICMP message of `typ` and `code` that quotes `packet`, its second word `word`.
    fn message(v6: bool, typ: u8, code: u8, word: u32, packet: &[u8]) -> Vec<u8> {
        let body = [&[typ, code, 0, 0], &word.to_be_bytes()[..], packet].concat();
        if v6 { in_ipv6(58, &body) } else { in_ipv4(1, &body) }
    }

    /// Errors about the segments of [`tcp4`] and [`tcp6`].
    pub(in super::super) fn errors() -> Vec<Vec<u8>> {
        [3, 4, 11, 12]
            .map(|typ| message(false, typ, 1, 0, &tcp4(PAYLOAD)))
            .into_iter()
            .chain([1, 2, 3, 4].map(|typ| message(true, typ, 1, 0, &tcp6(PAYLOAD))))
            .collect()
    }

    fn error(data: &[u8]) -> IcmpError {
        with_decoded(LinkType::RAW, data, |decoded| match decoded {
            Decoded::Icmp(error) => error,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn an_error_tells_of_the_segment_it_quotes() {
        for data in errors() {
            let error = error(&data);
            let v6 = error.kind.v6;
            assert_eq!(error.from, if v6 { IpAddr::from([0xfd; 16]) } else { IpAddr::from([10, 0, 0, 1]) });
            let source = error.key.source(error.way);
            assert_eq!((source.ip, source.port), (if v6 { CLIENT6.into() } else { CLIENT.into() }, PORT));
            let destination = error.key.destination(error.way);
            assert_eq!((destination.ip, destination.port), (if v6 { SERVER6.into() } else { SERVER.into() }, 443));
            assert_eq!((error.seq, error.flags, error.kind.code), (SEQ, Some(TcpFlags(0x18)), 1));
        }
    }

    #[test]
    fn eight_bytes_of_tcp_are_enough_and_flags_need_sixteen() {
        let quote = tcp4(PAYLOAD);
        for tcp in 0..quote.len() - 20 {
            let data = message(false, 3, 13, 0, &quote[..20 + tcp]);
            if tcp < 8 {
                assert_eq!(skipped(LinkType::RAW, &data), Skip::Icmp);
            } else {
                let error = error(&data);
                assert_eq!((error.seq, error.flags), (SEQ, (tcp >= 16).then_some(TcpFlags(0x18))));
            }
        }
    }

    #[test]
    fn the_mtu_is_told_where_there_is_one() {
        let mtu = |v6, typ, code, word, packet: &[u8]| error(&message(v6, typ, code, word, packet)).mtu;
        assert_eq!(mtu(false, 3, 4, 0xffff_0514, &tcp4(b"")), Some(1300));
        assert_eq!(mtu(false, 3, 4, 0, &tcp4(b"")), None);
        assert_eq!(mtu(false, 3, 3, 1300, &tcp4(b"")), None);
        assert_eq!(mtu(true, 2, 0, 1280, &tcp6(b"")), Some(1280));
        assert_eq!(mtu(true, 1, 0, 1280, &tcp6(b"")), None);
    }

    #[test]
    fn tunnels_are_followed_inside_and_outside_the_quote() {
        let inside = error(&message(false, 3, 4, 1300, &in_ipv4(47, &[&[0, 0, 8, 0], &tcp4(PAYLOAD)[..]].concat())));
        assert_eq!((inside.seq, inside.from), (SEQ, IpAddr::from([10, 0, 0, 1])));
        let outside = error(&in_ipv6(4, &message(false, 11, 0, 0, &tcp4(PAYLOAD))));
        assert_eq!((outside.seq, outside.kind.typ), (SEQ, 11));
        // Of an error about an error the outer one speaks.
        let twice = error(&message(false, 3, 1, 0, &message(false, 11, 0, 0, &tcp4(PAYLOAD))));
        assert_eq!((twice.seq, twice.kind.typ), (SEQ, 3));
    }

    #[test]
    fn other_messages_and_other_quotes_are_only_counted() {
        let ip = tcp4(PAYLOAD);
        // Echo and its reply, redirect, and the same numbers of the other version.
        for (v6, typ) in [(false, 8), (false, 0), (false, 5), (false, 1), (true, 128), (true, 137), (true, 11)] {
            assert_eq!(skipped(LinkType::RAW, &message(v6, typ, 0, 0, &ip)), Skip::Icmp, "{v6} {typ}");
        }
        let mut udp = ip.clone();
        udp[9] = 17;
        let mut later_fragment = ip.clone();
        later_fragment[6..8].copy_from_slice(&[0x00, 0x20]);
        let mut other_version = ip.clone();
        other_version[0] = 0x75;
        for quote in [udp, later_fragment, other_version, Vec::new()] {
            assert_eq!(skipped(LinkType::RAW, &message(false, 3, 3, 0, &quote)), Skip::Icmp);
        }
    }

    #[test]
    fn a_quoted_fragment_has_ports_if_it_is_the_first() {
        let mut quote = tcp4(PAYLOAD);
        quote[6] = 0x20;
        assert_eq!(error(&message(false, 3, 4, 1300, &quote[..28])).seq, SEQ);
    }

    #[test]
    fn a_cut_message_is_not_an_error_about_nothing() {
        let data = message(false, 3, 3, 0, &tcp4(PAYLOAD));
        for n in 20..28 {
            assert!(matches!(Decoder::new().decode(&frame(LinkType::RAW, &data[..n], data.len())), Decoded::Skipped(Skip::CutShort)));
        }
        for n in 28..56 {
            assert!(matches!(Decoder::new().decode(&frame(LinkType::RAW, &data[..n], data.len())), Decoded::Skipped(Skip::Icmp)));
        }
    }
}
