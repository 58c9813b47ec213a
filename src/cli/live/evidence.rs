//! Evidence of flagged sessions, and what is said about it.

use std::io;
use std::path::Path;

use crate::analyze::{Analyzer, Belongs, Finished, Options};
use crate::base::{Frame, printable};
use crate::cli::args::LiveArgs;
use crate::evidence::{Bounds, Keeper};
use crate::report::Context;
use crate::report::text::count;
use crate::tls::Secrets;

/// Keeps evidence, and says when it cannot.
pub(super) struct Evidence {
    keeper: Keeper,
    context: Context,
    folder: String,
    kept: u64,
    /// The disk did not take the latest one.
    failing: bool,
}

/// How many sessions' evidence was kept, and not kept, and how many connections' packets had to go early.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub kept: u64,
    pub not_kept: u64,
    pub crowded_out: u64,
}

impl Evidence {
    /// Begins to keep evidence in `folder`.
    ///
    /// # Errors
    ///
    /// It cannot be written to.
    pub(super) fn open(folder: &Path, args: &LiveArgs, context: Context) -> anyhow::Result<Evidence> {
        let bounds = Bounds { memory: (args.evidence_memory as usize) << 20, disk: u64::from(args.evidence_disk) << 20 };
        let shown = printable(&folder.display().to_string(), 400);
        let failed = |error: io::Error| anyhow::anyhow!("cannot keep evidence in {shown}: {error}");
        let keeper = Keeper::new(folder, &bounds).map_err(failed)?;
        Ok(Evidence { keeper, context, folder: shown, kept: 0, failing: false })
    }

    /// Takes a frame.
    pub(super) fn push(&mut self, frame: &Frame<'_>, belongs: Belongs, analyzer: &Analyzer) {
        self.keeper.push(frame, belongs, analyzer);
    }

    /// A session has ended; `wanted`: it was asked for. What is to be said about its evidence.
    pub(super) fn finished(&mut self, finished: &Finished, wanted: bool, options: &Options, keys: &Secrets) -> Option<String> {
        if !wanted {
            self.keeper.forget(finished.session.connection);
            return None;
        }
        match self.keeper.finished(finished, options, keys, &self.context) {
            Ok(file) => {
                self.kept += u64::from(file.is_some());
                (file.is_some() && std::mem::take(&mut self.failing)).then(|| format!("keeping evidence in {} again", self.folder))
            }
            Err(error) => {
                let first = !std::mem::replace(&mut self.failing, true);
                first.then(|| format!("cannot keep evidence in {}: {error}; sessions are missing there until that ends", self.folder))
            }
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts { kept: self.kept, not_kept: self.keeper.not_kept(), crowded_out: self.keeper.crowded_out() }
    }

    /// What is said at the end.
    pub(super) fn told(&self) -> Option<String> {
        let Counts { kept, not_kept, crowded_out } = self.counts();
        let mut said = format!("evidence of {} is in {}", count(kept, "session", "sessions"), self.folder);
        if not_kept > 0 {
            said.push_str(&format!(", of {} more none was kept (many alike, or no room)", crate::report::text::grouped(not_kept)));
        }
        if crowded_out > 0 {
            said.push_str(&format!("; the packets of {} went early for lack of memory", count(crowded_out, "connection", "connections")));
        }
        (kept + not_kept > 0).then_some(said)
    }
}
