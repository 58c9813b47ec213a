//! A progress bar, for people who wait.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a run may take without one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Frames between two looks at the clock.
const EVERY: u64 = 8_192;

/// Counts `more` into `count`; whether a multiple of `every` was passed with them.
#[inline]
pub(crate) fn passes(count: &mut u64, more: usize, every: u64) -> bool {
    let before = *count / every;
    *count += more as u64;
    *count / every > before
}

/// The bar on standard error. Appears when the work is long and its size known, and leaves nothing behind.
pub(crate) struct Progress {
    total: Option<u64>,
    frames: u64,
    started: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A bar over `total` bytes; `None`: there will be none.
    pub(crate) fn new(total: Option<u64>) -> Progress {
        Progress { total, frames: 0, started: None, bar: None }
    }

    /// So many more frames were read; `position` tells how many bytes have been.
    pub(crate) fn step(&mut self, frames: usize, position: impl FnOnce() -> u64) {
        if passes(&mut self.frames, frames, EVERY) && self.total.is_some() {
            self.look(position());
        }
    }

    #[cold]
    #[expect(clippy::disallowed_methods, reason = "how long people wait is not the capture's time")]
    fn look(&mut self, position: u64) {
        let waited = self.started.get_or_insert_with(Instant::now).elapsed();
        if waited < PATIENCE {
            return;
        }
        let total = self.total.unwrap_or_default();
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {bytes} of {total_bytes}, {eta} left");
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_elapsed(waited)
        });
        bar.set_position(position.min(total));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
