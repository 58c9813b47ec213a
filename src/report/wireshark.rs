//! Display filters that show a session, and the frames that prove its verdict, in Wireshark.

use std::fmt;

use crate::base::{At, Endpoint, PerSide};
use crate::diagnose::Verdict;
use crate::session::Session;

/// A display filter that shows a session's cited frames in Wireshark.
///
/// `tcp.stream eq 17 && frame.number in {2988, 3312}`. Where the stream's number is unknown, or belongs to no single file because several
/// were read as one capture, addresses and ports take its place.
pub struct Filter<'a> {
    session: &'a Session,
    verdict: &'a Verdict,
    one_file: bool,
}

impl<'a> Filter<'a> {
    /// The filter for `session`; `files` is how many were read.
    pub fn new(session: &'a Session, verdict: &'a Verdict, files: usize) -> Filter<'a> {
        Filter { session, verdict, one_file: files <= 1 }
    }

    /// The file that the filter's frame numbers belong to: the one with the newest evidence.
    pub fn file(&self) -> u16 {
        self.verdict.evidence.iter().map(|cited| cited.at.file).max().unwrap_or(self.session.last.file)
    }

    /// The filter without the frames: the whole session.
    pub fn session_only(&self) -> impl fmt::Display {
        let by_number = self.session.tcp_stream.filter(|_| self.one_file);
        Stream { number: by_number, ends: self.session.ends }
    }
}

impl fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file();
        self.streams(f)?;
        let mut first = true;
        let mut previous = 0;
        // Citations come in the order of the argument; a filter wants each frame once, and few enough to sort by repeated search.
        while let Some(next) = self.cited(file).filter(|&frame| frame > previous).min() {
            f.write_str(if first { " && frame.number in {" } else { ", " })?;
            write!(f, "{next}")?;
            (first, previous) = (false, next);
        }
        if !first {
            return f.write_str("}");
        }
        match (self.session.first, self.session.last) {
            (At { file: a, frame: from, .. }, At { file: b, frame: to, .. }) if a == file && b == file => {
                write!(f, " && frame.number in {{{from}..{to}}}")
            }
            _ => Ok(()),
        }
    }
}

impl Filter<'_> {
    /// The session, and those others whose frames are cited.
    fn streams(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = || self.verdict.evidence.iter().filter_map(|cited| cited.session);
        let Some(own) = self.session.tcp_stream.filter(|_| self.one_file && others().next().is_some()) else {
            return write!(f, "{}", self.session_only());
        };
        write!(f, "tcp.stream in {{{own}")?;
        let mut previous = None;
        while let Some(next) = others().filter(|&other| previous.is_none_or(|previous| other > previous) && other != own).min() {
            write!(f, ", {next}")?;
            previous = Some(next);
        }
        f.write_str("}")
    }

    /// The frames to show. Where the session is named by its addresses, those of other sessions are not among them.
    fn cited(&self, file: u16) -> impl Iterator<Item = u32> {
        let by_number = self.one_file && self.session.tcp_stream.is_some();
        self.verdict
            .evidence
            .iter()
            .filter(move |cited| cited.at.file == file && (by_number || cited.session.is_none()))
            .map(|cited| cited.at.frame)
    }
}

struct Stream {
    number: Option<u32>,
    ends: PerSide<Endpoint>,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.number {
            return write!(f, "tcp.stream eq {number}");
        }
        for (i, end) in [self.ends.client, self.ends.server].iter().enumerate() {
            let family = if end.ip.is_ipv4() { "ip" } else { "ipv6" };
            let and = if i == 0 { "" } else { " && " };
            write!(f, "{and}{family}.addr eq {} && tcp.port eq {}", end.ip, end.port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_filter_names_each_cited_frame_once_in_order() {
        let (session, mut verdict) = sample::idle_timeout();
        let again = verdict.evidence[0].clone();
        verdict.evidence.push(again);
        assert_eq!(Filter::new(&session, &verdict, 1).to_string(), "tcp.stream eq 17 && frame.number in {2988, 3312}");
    }

    #[test]
    fn frames_of_other_sessions_are_shown_with_their_streams() {
        let (session, mut verdict) = sample::idle_timeout();
        let mut other = verdict.evidence[0].clone();
        (other.session, other.at.frame) = (Some(21), 3400);
        verdict.evidence.extend([other.clone(), other]);
        assert_eq!(Filter::new(&session, &verdict, 1).to_string(), "tcp.stream in {17, 21} && frame.number in {2988, 3312, 3400}");
        assert!(Filter::new(&session, &verdict, 2).to_string().ends_with("&& frame.number in {2988, 3312}"));
    }

    #[test]
    fn without_a_number_addresses_and_ports_take_its_place() {
        let (mut session, mut verdict) = sample::idle_timeout();
        let addresses = "ip.addr eq 10.0.0.12 && tcp.port eq 51544 && ip.addr eq 203.0.113.7 && tcp.port eq 443";
        assert_eq!(Filter::new(&session, &verdict, 2).to_string(), format!("{addresses} && frame.number in {{2988, 3312}}"));
        session.tcp_stream = None;
        verdict.evidence.clear();
        assert_eq!(Filter::new(&session, &verdict, 1).to_string(), format!("{addresses} && frame.number in {{2901..3313}}"));
    }
}
