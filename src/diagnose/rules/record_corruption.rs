//! record-corruption: bytes that cannot be TLS stand in the stream, or a record failed its check.
//!
//! # What it means
//!
//! In the middle of an established session a record header cannot be (impossible type, version or length), or one side complained of
//! `bad_record_mac` (20) or `decrypt_error` (51). The bytes that arrived are not the bytes that were encrypted, or one side lost its place
//! in the stream. Corruption on the way, a faulty box, a bug or wrong use of a TLS library all look like this: fault `undetermined`.
//! Impact: the session failed; nothing wrong was delivered, because TLS noticed.
//!
//! # How it looks in applications
//!
//! - Java: `javax.net.ssl.SSLException: Tag mismatch!`, `javax.crypto.AEADBadTagException`, `Received fatal alert: bad_record_mac`,
//!   `Unsupported or unrecognized SSL message`.
//! - OpenSSL, Python, Node, curl: `decryption failed or bad record mac` (`error:0A000119`, 1.1.1 `error:1408F119`), `wrong version number`,
//!   `bad record type`, `packet length too long`, `sslv3 alert bad record mac` (newer `ssl/tls alert bad record mac`).
//! - Go: `local error: tls: bad record MAC`, `remote error: tls: bad record MAC`,
//!   `tls: received record with version ... when expecting version ...`, `tls: oversized record received`.
//! - rustls: `cannot decrypt peer's message`, `received corrupt message of type ...`; GnuTLS `Decryption has failed.`,
//!   `A TLS record packet with invalid length was received.`; wget `Read error at byte 5000/100000 (Decryption has failed.)`, git
//!   `GnuTLS recv error (-24)`.
//! - .NET: `The decryption operation failed`, below it OpenSSL's words; on Windows
//!   `The message received was unexpected or badly formatted`; Chrome `ERR_SSL_BAD_RECORD_MAC_ALERT`, `ERR_SSL_PROTOCOL_ERROR`; Firefox
//!   `SSL_ERROR_BAD_MAC_READ`, `SSL_ERROR_BAD_MAC_ALERT`.
//! - Apache (info) `AH01992: SSL library error 1 reading data`, then `decryption failed or bad record mac`; as a proxy
//!   `AH01110: error reading response`. nginx (crit)
//!   `SSL_read() failed (SSL: ... decryption failed or bad record mac) while reading upstream`, as a server `while waiting for request`;
//!   HAProxy `SD`, as a server `CR` with 400 and `<BADREQ>`.
//! - Either end logs it: the finder its own check, the other the alert.
//!
//! # Why it happens
//!
//! - Wrong use of a TLS object: two threads without a lock, a process that forked with an open session, plain bytes written to the raw
//!   socket beside TLS. The most common reason inside applications.
//! - A box that rewrites payload or sequence numbers: WAN accelerator, broken inspection, DPI, NAT helper (ALG), a faulty load balancer.
//! - Hardware and drivers: checksum or segmentation offload (TSO, GRO), bad memory, kTLS or NIC TLS offload. TCP's 16-bit checksum lets
//!   about one in 65,000 damaged packets through.
//! - A bug in a TLS stack, often around KeyUpdate, renegotiation, 0-RTT or early close.
//! - A retransmission whose content differs from the first transmission.
//!
//! # What to do
//!
//! - **Client and Server**: update TLS library and drivers; check thread use (one writer, one reader, a lock where the library wants it);
//!   after `fork()` only one process may use the session.
//! - **Client and Server**: switch offloads off to see whether it ends: `ethtool -K eth0 tso off gso off gro off`, kTLS off (nginx
//!   `ssl_conf_command Options -KTLS;`, FreeBSD `kern.ipc.tls.enable=0`); `ethtool -S eth0 | grep -i err`, memory test.
//! - **Proxy / load balancer**: bypass boxes that optimise or inspect; compare captures before and after the box byte by byte.
//! - **Network**: counters for CRC and checksum errors on every hop: `nstat -az TcpInCsumErrors`, switch ports.
//! - Verify: filter `tcp.checksum.status == "Bad"` (off for the sending host's own packets: offload), `tls.alert_message.desc == 20`,
//!   `tcp.analysis.retransmission`; with a key log Wireshark shows which record does not decrypt.
//!
//! # How sure
//!
//! - Certain: the impossible header, with no hole in the capture before it; or the alert, read in clear or with keys.
//! - Not decidable from one place: where the bytes changed. A capture at both ends with a difference in payload proves a box or the path;
//!   equal payload proves a bug in one end.
//! - Capture defects imitate this: lost packets, snap length, a wrong start in mid-stream. Then it is not reported, or capped.
//! - Looks alike: `server-not-tls` (plain text right after the hello), STARTTLS begun in mid-stream, protocols that stop TLS and go on in
//!   clear.
//! - What decides: captures at both ends; a key log.
//!
//! # References
//!
//! - RFC 8446 sections 5.1, 5.2 and 6.2; RFC 9293 section 3.1 (checksum).
//! - Stone and Partridge, "When the CRC and TCP Checksum Disagree", SIGCOMM 2000.
//! - OpenSSL `SSL_read(3)` and the manual on threads; `ethtool(8)`.

use crate::base::Side;
use crate::diagnose::rule::{Context, Group, Reading, Rule};
use crate::diagnose::tell;
use crate::diagnose::verdict::{Confidence, Fault, Impact};
use crate::session::{Ending, Phase, Session};
use crate::tls::AlertDescription;

/// The cause.
pub static RULE: Rule = Rule {
    slug: "record-corruption",
    group: Group::Established,
    summary: "a record header that cannot be, or an alert that says records arrive damaged",
    usual_fault: "undetermined",
    endings: &[Ending::Fin, Ending::Rst, Ending::FatalAlert, Ending::Stall, Ending::NoConnection],
    phases: Phase::ALL,
    source: include_str!("record_corruption.rs"),
    yields_to: &["server-not-tls", "client-not-tls"],
    check,
};

fn check(session: &Session, _: &Context) -> Option<Box<Reading>> {
    let broken = [Side::Client, Side::Server].into_iter().find_map(|side| Some((side, session.side(side).broken?)));
    let complaint = session.root_alert().filter(|(_, alert, _)| {
        session.phase != Phase::ClientHello
            && matches!(
                alert.description,
                AlertDescription::BAD_RECORD_MAC | AlertDescription::RECORD_OVERFLOW | AlertDescription::DECRYPT_ERROR
            )
    });
    let (summary, cited) = match (broken, complaint) {
        (Some((side, (at, header))), _) if session.ending.flagged() => (
            format!("the {side}'s stream stops being TLS in mid-session: where a record header must be there is {header:02x?}"),
            tell::saw(at, side, "a record header that cannot be"),
        ),
        (_, Some((side, alert, at))) => {
            (format!("the {side} could not read what it received: {}", tell::alert(alert)), tell::saw(at, side, tell::alert(alert)))
        }
        _ => return None,
    };
    let damaged = session.sides.client.bad_checksums + session.sides.server.bad_checksums;
    let mut reading = Reading::new(Fault::Undetermined, Confidence::Possible, Impact::SessionFailed, summary)
        .cite(cited)
        .or(
            Fault::Network,
            "record-corruption",
            "something changed bytes on the way (a faulty card, driver or box)",
            "captures at both ends, compared byte by byte",
        )
        .or(Fault::Proxy, "record-corruption", "a box that rewrites or splices streams", "captures before and behind it")
        .or(Fault::Server, "record-corruption", "a bug in one of the two TLS stacks", "another version of the software");
    if damaged > 0 {
        reading = reading.advise(format!(
            "{} with wrong TCP checksums were seen: look for the faulty link first.",
            tell::plural(u64::from(damaged), "segment")
        ));
    }
    Some(reading.advise("Capture at both ends at the same time and compare the bytes of the damaged record."))
}
