//! Capture filters (BPF) on frames of a file: libpcap compiles them, for each link type its own program.

use pcap::{BpfProgram, Capture, Linktype};

use super::interfaces::reason;
use crate::base::{Frame, LinkType};

/// Why a filter cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter '{expression}'{}: {reason}", link.map(|link| format!(" on link type {}", link.0)).unwrap_or_default())]
pub struct FilterError {
    /// The expression.
    pub expression: String,
    /// The link type it does not fit; `None`: it fits none.
    pub link: Option<LinkType>,
    /// libpcap's reason.
    pub reason: String,
}

/// A filter expression as tcpdump knows them (`pcap-filter(7)`), compiled for each link type when its first frame comes.
///
/// It sees the captured bytes only: `greater` and `less` go by the captured length, not by the length on the wire.
pub struct BpfFilter {
    expression: String,
    programs: Vec<(LinkType, BpfProgram)>,
}

impl BpfFilter {
    /// The filter `expression`; an empty one matches everything.
    ///
    /// # Errors
    ///
    /// It compiles neither for Ethernet nor for raw IP.
    pub fn new(expression: &str) -> Result<BpfFilter, FilterError> {
        let mut filter = BpfFilter { expression: expression.to_owned(), programs: Vec::new() };
        let program = match filter.compile(LinkType::ETHERNET) {
            Ok(program) => (LinkType::ETHERNET, program),
            // What fits raw IP only is rare: Ethernet's reason is the one to show.
            Err(error) => (LinkType::RAW, filter.compile(LinkType::RAW).map_err(|_| FilterError { link: None, ..error })?),
        };
        filter.programs.push(program);
        Ok(filter)
    }

    /// Whether `frame` matches.
    ///
    /// # Errors
    ///
    /// The expression makes no sense on the frame's link type (`ether host` on raw IP), or libpcap does not know the type.
    pub fn matches(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        if let Some((_, program)) = self.programs.iter().find(|(link, _)| *link == frame.link) {
            return Ok(program.filter(frame.data));
        }
        let program = self.compile(frame.link)?;
        let matches = program.filter(frame.data);
        self.programs.push((frame.link, program));
        Ok(matches)
    }

    fn compile(&self, link: LinkType) -> Result<BpfProgram, FilterError> {
        let error = |error| FilterError { expression: self.expression.clone(), link: Some(link), reason: reason(error) };
        let dead = Capture::dead(dlt(link)).map_err(error)?;
        dead.compile(&self.expression, true).map_err(error)
    }
}

/// libpcap's number for a link type. Files number some types otherwise, because systems disagreed on them
/// (<https://www.tcpdump.org/linktypes.html>).
fn dlt(link: LinkType) -> Linktype {
    match link {
        // The pcap crate's Linktype::RAW is the number in files, which libpcap does not compile for.
        LinkType::RAW | LinkType::DLT_RAW | LinkType::DLT_RAW_OPENBSD => Linktype(if cfg!(target_os = "openbsd") { 14 } else { 12 }),
        LinkType(other) => Linktype(other.into()),
    }
}
