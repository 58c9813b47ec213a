//! Sessions with final verdicts: each is held back while later connections may change what is said of it.

use std::collections::VecDeque;

use crate::analyze::{Analyzer, Finished};
use crate::diagnose::{News, Pattern};

/// Takes what an [`Analyzer`] finds, and hands on every session once its verdict is final.
///
/// It holds no more sessions than [`Limits::revisable`](crate::base::Limits::revisable).
#[derive(Debug, Default)]
pub struct Settling {
    /// In the order of their ids.
    held: VecDeque<Finished>,
    ready: VecDeque<Finished>,
    /// In the order of their numbers.
    patterns: Vec<Pattern>,
}

impl Settling {
    /// Takes over what `analyzer` has found since the last call.
    pub fn take_from(&mut self, analyzer: &mut Analyzer) {
        while let Some(finished) = analyzer.take_one() {
            if finished.open { self.held.push_back(finished) } else { self.ready.push_back(finished) }
        }
        for news in analyzer.take_news() {
            match news {
                News::Revision(revision) => {
                    if let Some(held) = self.place(revision.id).and_then(|place| self.held.get_mut(place)) {
                        (held.verdict, held.beside) = (revision.verdict, revision.beside);
                    }
                }
                News::Settled(id) => {
                    if let Some(mut settled) = self.place(id).and_then(|place| self.held.remove(place)) {
                        settled.open = false;
                        self.ready.push_back(settled);
                    }
                }
                News::Pattern(pattern) => match self.patterns.iter_mut().find(|known| known.number == pattern.number) {
                    Some(known) => *known = *pattern,
                    None => self.patterns.push(*pattern),
                },
            }
        }
    }

    /// The next session whose verdict is final.
    pub fn next_settled(&mut self) -> Option<Finished> {
        self.ready.pop_front()
    }

    /// Whether there is one.
    pub fn has_settled(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What many sessions showed together so far.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.held.binary_search_by_key(&id, |held| held.id).ok()
    }
}
