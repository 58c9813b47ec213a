//! Telling what a file is that is not a capture: the message should say what to do next.

use std::path::Path;

use super::{pcap, pcapng};

/// Bytes looked at.
const LOOKED_AT: usize = 4096;

/// Formats known by their first bytes.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x04\x22\x4D\x18", "lz4-compressed data (decompress it first: lz4 -d)"),
    (b"\xFD7zXZ\0", "xz-compressed data (decompress it first: xz -d)"),
    (b"BZh", "bzip2-compressed data (decompress it first: bzip2 -d)"),
    (b"LZIP", "lzip-compressed data (decompress it first: lzip -d)"),
    (b"\x1F\x9D", "compress-compressed data (decompress it first: gzip -d)"),
    (b"\x89LZO", "lzop-compressed data (decompress it first: lzop -d)"),
    (b"PK\x03\x04", "a ZIP archive (unpack it first)"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive (unpack it first)"),
    (b"Rar!\x1A\x07", "a RAR archive (unpack it first)"),
    (b"\x1F\x8B", "gzip-compressed data (compressed twice: decompress it first)"),
    (b"\x28\xB5\x2F\xFD", "zstd-compressed data (compressed twice: decompress it first)"),
    (b"snoop\0\0\0", "a snoop capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"GMBU", "a Network Monitor capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"RTSS", "a Network Monitor 1 capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"TRSNIFF data", "a Sniffer capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"XCP\0", "a NetXRay capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"\x7Fver", "an OmniPeek capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"iptrace ", "an AIX iptrace capture (convert it first: editcap -F pcapng IN OUT)"),
    (b"\x7FELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"-----BEGIN ", "a PEM file (a certificate or a key)"),
    // A magic number as a text-mode transfer leaves it: line ends converted, or bytes recoded as UTF-8.
    (b"\r\n\r\r\r\n", "a pcapng file damaged by a text-mode transfer (transfer it in binary mode)"),
    (b"\n\n\n", "text, or a pcapng file damaged by a text-mode transfer"),
    (b"\xC3\x94\xC3\x83\xC2\xB2\xC2\xA1", "a pcap file recoded as UTF-8 text (transfer it in binary mode)"),
    (b"\xEF\xBF\xBD\xC3\xB2", "a pcap file recoded as UTF-8 text (transfer it in binary mode)"),
    (b"\xEF\xBF\xBD\xEF\xBF\xBD", "binary data recoded as UTF-8 text (transfer it in binary mode)"),
    (b"\xFF\xFE", "UTF-16 text, as PowerShell writes what is redirected with > (let the capturing program write the file: -w FILE)"),
];

/// The labels key log lines begin with (draft-ietf-tls-keylogfile).
const KEY_LOG: &[&str] = &[
    "CLIENT_RANDOM ",
    "CLIENT_EARLY_TRAFFIC_SECRET ",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
    "CLIENT_TRAFFIC_SECRET_0 ",
    "SERVER_TRAFFIC_SECRET_0 ",
    "EXPORTER_SECRET ",
    "EARLY_EXPORTER_SECRET ",
    "RSA ",
    "RSA Session-ID:",
    "# SSL/TLS secrets log file",
];

/// Whether `head`, shorter than a magic number, begins one.
pub(super) fn is_capture_start(head: &[u8]) -> bool {
    let pcap = |(number, _): &(u32, _)| number.to_le_bytes().starts_with(head) || number.to_be_bytes().starts_with(head);
    !head.is_empty() && (pcap::MAGIC.iter().any(pcap) || pcapng::SECTION_MAGIC.starts_with(head))
}

/// What the file at `path` looks like, which begins with `head` and is no capture. With an article, to follow "not a capture but".
pub(super) fn looks_like(head: &[u8], path: &Path) -> String {
    let head = head.get(..LOOKED_AT).unwrap_or(head);
    if let Some((_, what)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return (*what).to_owned();
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("etl")) {
        return "a Windows event trace (convert it first: pktmon etl2pcap, or etl2pcapng)".to_owned();
    }
    if contains(head.get(..64).unwrap_or(head), b"NetScaler") {
        return "a NetScaler trace (take it in pcap format, or convert it: editcap -F pcapng IN OUT)".to_owned();
    }
    if head.get(257..262) == Some(b"ustar") {
        return "a tar archive (unpack it first)".to_owned();
    }
    if !head.is_empty() && head.iter().all(|&byte| byte == 0) {
        return "zero bytes only".to_owned();
    }
    if let Some(text) = as_text(head) {
        return text_kind(text).to_owned();
    }
    if let Some(after) = captures_after(head) {
        return format!("other bytes, with a capture's magic number only after {after} of them (cut them off: tail -c +{} IN)", after + 1);
    }
    let bytes: Vec<String> = head.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("something unknown that begins with the bytes {}", bytes.join(" "))
}

/// `head` as text, when it is such: no control characters but white space; a character cut at the end is left out.
fn as_text(head: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x1B' | '\x0C');
    (!text.is_empty() && text.chars().all(printable)).then_some(text)
}

fn text_kind(text: &str) -> &'static str {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.chars().take(256).collect::<String>().to_ascii_lowercase();
    let first = text.lines().next().unwrap_or_default();
    if KEY_LOG.iter().any(|label| text.lines().take(20).any(|line| line.starts_with(label))) {
        "a TLS key log (give it as --keylog FILE beside the capture)"
    } else if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "an HTML page (was it the login page of where the capture should have come from?)"
    } else if lower.contains("<pdml") || lower.contains("<psml") {
        "tshark's XML output (the capture itself is needed: tshark -w FILE)"
    } else if lower.starts_with("<?xml") {
        "an XML file"
    } else if text.starts_with(['[', '{']) {
        json_kind(text)
    } else if first.starts_with("tcpdump: ") || first.contains("listening on ") || first.starts_with("Capturing on ") {
        "the capturing program's messages (keep them out of the capture: 2>/dev/null, and no terminal, as with ssh -t or kubectl exec -t)"
    } else if first.contains('→') || first.contains(" -> ") {
        "tshark's text output (the capture itself is needed: tshark -w FILE)"
    } else if first.contains(" IP ") || first.contains(" IP6 ") || first.starts_with("IP ") {
        "tcpdump's text output (the capture itself is needed: tcpdump -w FILE)"
    } else if first.starts_with("0000 ") || first.starts_with("000000 ") || first.contains("0x0000:") {
        "a hex dump (convert it first: text2pcap IN OUT)"
    } else {
        "text"
    }
}

fn json_kind(text: &str) -> &'static str {
    if text.contains("\"_source\"") || text.contains("\"layers\"") {
        "tshark's JSON output (the capture itself is needed: tshark -w FILE)"
    } else if text.contains("\"log\"") && text.contains("\"creator\"") {
        "a HAR file (a browser's log, which has no packets)"
    } else {
        "a JSON file"
    }
}

/// How many bytes come before a capture's magic number, where one follows.
fn captures_after(head: &[u8]) -> Option<usize> {
    head.windows(4)
        .position(|window| window.first_chunk::<4>().is_some_and(|magic| *magic == pcapng::SECTION_MAGIC || pcap::magic(*magic).is_some()))
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(head: &[u8]) -> String {
        looks_like(head, Path::new("capture.bin"))
    }

    #[test]
    fn says_what_it_is() {
        for (head, what) in [
            (&b"\x04\x22\x4D\x18\x60"[..], "lz4"),
            (b"%PDF-1.7\n", "PDF"),
            (b"\x7FELF\x02\x01", "ELF"),
            (b"snoop\0\0\0\0\0\0\x02", "snoop"),
            (b"<!DOCTYPE html>\n<html>", "HTML"),
            (b"\n  <HTML lang=de>", "HTML"),
            (b"<?xml version=\"1.0\"?>\n<pdml version=\"0\">", "tshark's XML"),
            (b"[\n  {\n    \"_index\": \"packets-2026\",\n    \"_source\": {\n", "tshark's JSON"),
            (b"{\"log\":{\"version\":\"1.2\",\"creator\":{}}}", "HAR"),
            (b"{\"a\":1}", "JSON"),
            (b"# a comment\nCLIENT_RANDOM 00 11\n", "--keylog"),
            (b"12:00:00.000000 IP 10.0.0.1.1 > 10.0.0.2.443: Flags [S]", "tcpdump's text"),
            ("    1 0.000000 10.0.0.1 → 10.0.0.2 TCP 74".as_bytes(), "tshark's text"),
            (b"tcpdump: listening on eth0\n", "messages"),
            (b"-----BEGIN CERTIFICATE-----", "PEM"),
            (b"hello\n", "text"),
            (&[0; 40], "zero bytes"),
            (b"\x01\x02\x03", "begins with the bytes 01 02 03"),
            (b"\x01\x02\x00\xd4\xc3\xb2\xa1\x02", "tail -c +4"),
        ] {
            assert!(looks(head).contains(what), "{:?} looks like {}", String::from_utf8_lossy(head), looks(head));
        }
    }

    #[test]
    fn a_trace_is_known_by_its_name_only() {
        assert!(looks_like(b"\x00\x01\x02", Path::new("net.ETL")).contains("pktmon"));
        assert!(!looks_like(b"\x00\x01\x02", Path::new("net.pcap")).contains("pktmon"));
    }

    #[test]
    fn a_character_cut_at_the_end_is_still_text() {
        let text = "ü".repeat(10);
        assert_eq!(looks(&text.as_bytes()[..text.len() - 1]), "text");
        assert!(looks(b"abc\x00def").contains("unknown"));
    }

    #[test]
    fn only_a_part_of_a_magic_number_starts_a_capture() {
        assert!(is_capture_start(&[0xD4, 0xC3]));
        assert!(is_capture_start(&[0x0A, 0x0D, 0x0D]));
        assert!(!is_capture_start(&[]));
        assert!(!is_capture_start(b"ab"));
    }
}
