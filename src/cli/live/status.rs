//! The status line: one line on a terminal that is always up to date.

use std::time::Instant;

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

/// What it shows.
pub(super) struct Counts<'t> {
    /// Packets captured.
    pub frames: u64,
    /// Connections being followed.
    pub open: usize,
    /// Sessions that ended.
    pub tally: &'t Tally,
    /// Packets lost before they were captured.
    pub lost: u64,
    /// How often a memory bound was reached.
    pub limited: u64,
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
    pub(super) fn show(&mut self, now: Instant, counts: &Counts<'_>, console: &mut Console<'_>) {
        if !self.watched {
            return;
        }
        let rate = self.counted.map_or(0.0, |(then, before)| {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            counts.frames.saturating_sub(before) as f64 / seconds
        });
        self.counted = Some((now, counts.frames));
        let text = line(&self.interface, counts, rate.round() as u64);
        let _ = write!(console.err, "{ERASE}{}", cut(&text, console.columns.saturating_sub(1)));
        self.shown = true;
    }
}

fn line(interface: &str, counts: &Counts<'_>, rate: u64) -> String {
    let open = grouped(counts.open as u64);
    let (clean, flagged, rate) = (grouped(counts.tally.clean), grouped(counts.tally.flagged), grouped(rate));
    let mut line = format!("{interface}: {open} open · {clean} clean · {flagged} flagged · {rate} packets/s");
    for (times, what) in [(counts.lost, "packets lost"), (counts.limited, "beyond the limits")] {
        if times > 0 {
            line.push_str(&format!(" · {} {what}", grouped(times)));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_limits_are_shown_when_there_are_any() {
        let mut tally = Tally::default();
        (tally.clean, tally.flagged) = (1_234, 5);
        let counts = |lost, limited| Counts { frames: 0, open: 12, tally: &tally, lost, limited };
        assert_eq!(line("eth0", &counts(0, 0), 98_765), "eth0: 12 open · 1,234 clean · 5 flagged · 98,765 packets/s");
        assert!(line("eth0", &counts(7, 0), 0).ends_with(" packets/s · 7 packets lost"));
        assert!(line("eth0", &counts(7, 8_000), 0).ends_with(" · 7 packets lost · 8,000 beyond the limits"));
    }
}
