//! What becomes of the bytes of a stream that can be read: personal things are blanked, and names replaced where that is wanted.

use super::pseudonym::Pseudonyms;
use super::{names, text};
use crate::base::Way;
use crate::prelude::Protocol;
use crate::session::{Lane, PartKind, Run, Session};

/// How to treat what can be read of one session.
pub(super) struct Readable<'p> {
    client: Way,
    protocols: Vec<Protocol>,
    names: Option<names::Names<'p>>,
}

impl<'p> Readable<'p> {
    /// For `session`; `client` is the way its client sends along its own key.
    pub(super) fn new(session: &Session, pseudonyms: Option<&'p Pseudonyms>) -> Readable<'p> {
        let talks = session.prelude.as_deref().map(|story| story.talks.iter().map(|talk| talk.protocol).collect());
        Readable {
            client: session.client_way,
            protocols: talks.unwrap_or_default(),
            names: pseudonyms.map(|pseudonyms| names::Names::of(session, pseudonyms)),
        }
    }

    /// What stays of one way's readable bytes, in runs that lie apart.
    pub(super) fn runs(&self, way: Way, lane: &Lane) -> Vec<Run> {
        let of = |kind: PartKind| joined(lane.readable().iter().filter(|(of, _)| *of == kind).map(|(_, run)| run));
        let mut clear = of(PartKind::Clear);
        let mut plain = of(PartKind::Plain);
        for run in &mut plain {
            let protocols: &[Protocol] = if run.offset == 0 { &self.protocols } else { &[] };
            let addresses = |at: &mut [u8]| {
                if let Some(names) = &self.names {
                    names.address(at);
                }
            };
            text::blank(way == self.client, protocols, &mut run.bytes, &addresses);
        }
        if let Some(names) = &self.names {
            plain.iter_mut().for_each(|run| names.in_text(&mut run.bytes));
            for run in &mut clear {
                let starts = lane.readable().iter().filter_map(|(_, part)| usize::try_from(part.offset.checked_sub(run.offset)?).ok());
                let mut starts: Vec<usize> = starts.collect();
                starts.sort_unstable();
                names.in_records(&mut run.bytes, &starts);
            }
        }
        // What was taken for plain at first, and turned out to be TLS, counts as that.
        for run in &clear {
            plain = plain.into_iter().flat_map(|other| outside(other, run)).collect();
        }
        plain.append(&mut clear);
        plain
    }
}

/// Runs in order of their offsets, those that touch joined; of overlapping ones the first counts.
fn joined<'r>(runs: impl Iterator<Item = &'r Run>) -> Vec<Run> {
    let mut sorted: Vec<&Run> = runs.collect();
    sorted.sort_by_key(|run| run.offset);
    let mut out: Vec<Run> = Vec::new();
    for run in sorted {
        match out.last_mut() {
            Some(last) if last.end() >= run.offset => {
                let known = usize::try_from(last.end() - run.offset).unwrap_or(usize::MAX);
                last.bytes.extend_from_slice(run.bytes.get(known..).unwrap_or_default());
            }
            _ => out.push(run.clone()),
        }
    }
    out
}

/// What of `run` lies outside `other`: before it, and behind it.
fn outside(run: Run, other: &Run) -> Vec<Run> {
    if run.end() <= other.offset || other.end() <= run.offset {
        return vec![run];
    }
    let place = |at: u64| usize::try_from(at.clamp(run.offset, run.end()) - run.offset).unwrap_or(usize::MAX);
    let before = Run { offset: run.offset, bytes: run.bytes.get(..place(other.offset)).unwrap_or_default().to_vec() };
    let behind = Run { offset: other.end(), bytes: run.bytes.get(place(other.end())..).unwrap_or_default().to_vec() };
    [before, behind].into_iter().filter(|part| !part.bytes.is_empty()).collect()
}
