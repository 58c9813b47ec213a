//! The status line: one line on a terminal that is always up to date.

use std::time::Instant;

use crate::analyze::Totals;
use crate::base::printable;
use crate::cli::Console;
use crate::report::text::{cut, grouped};
use crate::report::totals::Tally;

/// To the beginning of the line, and everything after it erased.
const ERASE: &str = "\r\x1b[K";

/// The line, on standard error.
pub(super) struct Status {
    /// Whether somebody watches.
    watched: bool,
    shown: bool,
    interface: String,
    /// When packets were last counted, and how many there were.
    counted: Option<(Instant, u64)>,
}

impl Status {
    pub(super) fn new(watched: bool, interface: &str) -> Status {
        Status { watched, shown: false, interface: printable(interface, 60), counted: None }
    }

    /// Makes room for something else.
    pub(super) fn clear(&mut self, console: &mut Console<'_>) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(console.err, "{ERASE}");
        }
    }

    /// Shows it.
    pub(super) fn show(&mut self, now: Instant, frames: u64, open: usize, tally: &Tally, totals: &Totals, console: &mut Console<'_>) {
        if !self.watched {
            return;
        }
        let rate = self.counted.map_or(0.0, |(then, before)| {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            frames.saturating_sub(before) as f64 / seconds
        });
        self.counted = Some((now, frames));
        let text = line(&self.interface, open, tally, rate.round() as u64, totals.kernel_drops);
        let _ = write!(console.err, "{ERASE}{}", cut(&text, console.columns.saturating_sub(1)));
        self.shown = true;
    }
}

fn line(interface: &str, open: usize, tally: &Tally, rate: u64, lost: u64) -> String {
    let open = grouped(open as u64);
    let (clean, flagged, rate) = (grouped(tally.clean), grouped(tally.flagged), grouped(rate));
    let lost = if lost > 0 { format!(" · {} packets lost", grouped(lost)) } else { String::new() };
    format!("{interface}: {open} open · {clean} clean · {flagged} flagged · {rate} packets/s{lost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_shown_when_there_are_any() {
        let mut tally = Tally::default();
        (tally.clean, tally.flagged) = (1_234, 5);
        assert_eq!(line("eth0", 12, &tally, 98_765, 0), "eth0: 12 open · 1,234 clean · 5 flagged · 98,765 packets/s");
        assert!(line("eth0", 12, &tally, 0, 7).ends_with(" · 7 packets lost"));
    }
}
