//! CSV: one row a session, a header first. Made for spreadsheets, so no cell can become a formula.

use std::borrow::Cow;
use std::fmt::Display;

use crate::base::printable;
use crate::diagnose::Verdict;
use crate::report::time::Stamp;
use crate::report::wireshark::Filter;
use crate::report::{Context, alpn, sni};
use crate::session::Session;
use crate::tls::community_id;

/// The columns, named as the JSON's fields.
const HEADER: [&str; 34] = [
    "session",
    "community_id",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "roles",
    "sni",
    "alpn",
    "tls_version",
    "cipher",
    "ja4",
    "started",
    "ended",
    "duration_s",
    "bytes_client",
    "bytes_server",
    "packets_client",
    "packets_server",
    "phase",
    "ending",
    "closed_by",
    "close_notify_client",
    "close_notify_server",
    "flagged",
    "impact",
    "fault",
    "confidence",
    "cause",
    "summary",
    "file",
    "frames",
    "caps",
    "wireshark",
];

/// Longest text in a cell, in characters.
const LONGEST: usize = 1_000;

/// Writes the header.
pub fn header(out: &mut Vec<u8>) {
    row(out, HEADER.iter().map(|name| Cow::Borrowed(*name)));
}

/// Writes a session.
pub fn session(out: &mut Vec<u8>, context: &Context, session: &Session, verdict: &Verdict) {
    let maybe = |text: Option<Cow<'_, str>>| text.map_or(String::new(), |text| safe(&text));
    let number = |number: &dyn Display| number.to_string();
    let filter = Filter::new(session, verdict, context.files.len());
    let frames: Vec<String> =
        verdict.evidence.iter().filter(|cited| cited.at.file == filter.file()).map(|cited| cited.at.frame.to_string()).collect();
    let caps: Vec<&str> = session.caps.iter().map(|cap| cap.name()).collect();
    let (client, server) = (session.ends.client, session.ends.server);
    let cells: [String; HEADER.len()] = [
        session.tcp_stream.map_or(String::new(), |stream| stream.to_string()),
        community_id(client, server),
        number(&client.ip),
        number(&client.port),
        number(&server.ip),
        number(&server.port),
        if session.roles_seen { "seen" } else { "guessed" }.to_owned(),
        maybe(sni(session)),
        maybe(alpn(session)),
        session.tls.version.map_or(String::new(), |version| version.to_string()),
        session.tls.suite.map_or(String::new(), |suite| suite.to_string()),
        session.ja4().unwrap_or_default(),
        Stamp::new(session.first.time).as_str().to_owned(),
        Stamp::new(session.last.time).as_str().to_owned(),
        number(&session.duration().secs()),
        number(&session.sides.client.bytes),
        number(&session.sides.server.bytes),
        number(&session.sides.client.packets),
        number(&session.sides.server.packets),
        session.phase.name().to_owned(),
        verdict.ending.name().to_owned(),
        verdict.closed_by.name().to_owned(),
        session.close_notify.client.name().to_owned(),
        session.close_notify.server.name().to_owned(),
        verdict.flagged().to_string(),
        verdict.impact.name().to_owned(),
        verdict.fault.name().to_owned(),
        verdict.fault_confidence.name().to_owned(),
        verdict.cause.to_owned(),
        safe(&verdict.summary),
        context.files.get(usize::from(filter.file())).map_or(String::new(), |name| safe(name)),
        frames.join(" "),
        caps.join(" "),
        filter.to_string(),
    ];
    row(out, cells.into_iter().map(Cow::Owned));
}

fn row<'c>(out: &mut Vec<u8>, cells: impl Iterator<Item = Cow<'c, str>>) {
    let mut writer = csv::Writer::from_writer(out);
    // Writing to memory cannot fail.
    let _ = writer.write_record(cells.map(|cell| cell.into_owned()));
    let _ = writer.flush();
}

/// Network text for a cell: printable, and nothing that a spreadsheet takes for a formula
/// (<https://owasp.org/www-community/attacks/CSV_Injection>), in ASCII or full width.
fn safe(text: &str) -> String {
    let text = printable(text, LONGEST);
    if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn parsed(sessions: &[(Session, Verdict)]) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        header(&mut out);
        for (s, v) in sessions {
            session(&mut out, &sample::context(), s, v);
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_slice());
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn every_row_has_the_header_s_columns() {
        let rows = parsed(&[sample::idle_timeout(), sample::clean(5)]);
        let cell = |row: usize, name: &str| rows[row][HEADER.iter().position(|column| *column == name).unwrap()].clone();
        assert_eq!(rows.len(), 3);
        assert_eq!(cell(1, "session"), "17");
        assert_eq!(cell(1, "cipher"), "TLS_AES_128_GCM_SHA256");
        assert_eq!(cell(1, "frames"), "3312 2988");
        assert_eq!(cell(1, "duration_s"), "60.021");
        assert_eq!(cell(1, "wireshark"), "tcp.stream eq 17 && frame.number in {2988, 3312}");
        assert_eq!(cell(2, "flagged"), "false");
    }

    #[test]
    fn no_cell_is_a_formula_or_breaks_its_row() {
        let rows = parsed(&[sample::hostile()]);
        assert_eq!(rows.len(), 2);
        assert!(rows[1].iter().any(|cell| cell.starts_with("'=cmd")));
        for cell in &rows[1] {
            assert!(!cell.starts_with(['=', '+', '@', '-']), "{cell}");
            assert!(!cell.contains(['\x1b', '\r', '\n', '\u{202e}']), "{cell}");
        }
    }
}
