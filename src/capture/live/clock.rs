//! Time stamps that go on steadily when somebody sets the system's clock: a step would look like a silence, or like time running backwards.

use nix::time::{ClockId, clock_gettime};

/// A smaller difference is the clock being slewed, or the time between reading two clocks. In nanoseconds.
const STEP: i64 = 250_000_000;
/// A frame stamped this far from the newest time may have been stamped by a clock that was set. In nanoseconds.
const ODD: i64 = 1_000_000_000;

/// The system's clocks, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    /// The one that is set, and that stamps frames.
    pub real: i64,
    /// One that is not, and counts what the system slept.
    pub steady: i64,
}

impl Clocks {
    /// Reads them.
    pub(super) fn read() -> Clocks {
        #[cfg(target_os = "linux")]
        let steady = ClockId::CLOCK_BOOTTIME;
        #[cfg(not(target_os = "linux"))]
        let steady = ClockId::CLOCK_MONOTONIC;
        Clocks { real: nanos(ClockId::CLOCK_REALTIME), steady: nanos(steady) }
    }
}

fn nanos(clock: ClockId) -> i64 {
    clock_gettime(clock).map_or(0, |time| time.tv_sec().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec()))
}

/// Takes steps of the system's clock out of time stamps.
#[derive(Clone, Debug)]
pub(super) struct Steady {
    /// By how much the real clock was ahead of the steady one when last looked at.
    ahead: i64,
    /// All steps so far: what is taken off a stamp.
    shift: i64,
    /// The same before the latest step, while frames stamped before it may still come.
    before: Option<i64>,
    /// The newest time known, steps taken out.
    newest: i64,
    /// Steps not yet told.
    untold: i64,
}

impl Steady {
    pub(super) fn new(now: Clocks) -> Steady {
        Steady { ahead: now.real.saturating_sub(now.steady), shift: 0, before: None, newest: now.real, untold: 0 }
    }

    /// Sees whether the clock was set.
    pub(super) fn look(&mut self, now: Clocks) {
        let ahead = now.real.saturating_sub(now.steady);
        let step = ahead.saturating_sub(self.ahead);
        self.ahead = ahead;
        if step.saturating_abs() >= STEP {
            self.before = Some(self.shift);
            self.shift = self.shift.saturating_add(step);
            self.untold = self.untold.saturating_add(step);
        }
        self.newest = self.newest.max(now.real.saturating_sub(self.shift));
    }

    /// The time now, steps taken out.
    pub(super) fn now(&mut self, now: Clocks) -> i64 {
        self.look(now);
        now.real.saturating_sub(self.shift)
    }

    /// The time of a frame stamped `stamp`, steps taken out. `read` reads the clocks, if the stamp is odd.
    #[inline]
    pub(super) fn stamped(&mut self, stamp: i64, read: impl FnOnce() -> Clocks) -> i64 {
        let time = stamp.saturating_sub(self.shift);
        if time.saturating_sub(self.newest).saturating_abs() <= ODD {
            self.before = None;
            self.newest = self.newest.max(time);
            return time;
        }
        self.odd(stamp, read())
    }

    #[cold]
    fn odd(&mut self, stamp: i64, now: Clocks) -> i64 {
        let newest = self.newest;
        self.look(now);
        let time = stamp.saturating_sub(self.shift);
        let earlier = self.before.map(|before| stamp.saturating_sub(before));
        let off = |time: i64| time.saturating_sub(newest).saturating_abs();
        match earlier {
            Some(earlier) if off(earlier) < off(time) => earlier,
            _ => time,
        }
    }

    /// How far the clock was set since this was last asked, if it was.
    pub(super) fn take_step(&mut self) -> Option<i64> {
        let step = std::mem::take(&mut self.untold);
        (step != 0).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;

    fn at(seconds: i64, set: i64) -> Clocks {
        Clocks { real: START + (seconds + set) * SECOND, steady: seconds * SECOND }
    }

    fn stamp(clock: &mut Steady, seconds: i64, set: i64) -> i64 {
        (clock.stamped(START + (seconds + set) * SECOND, || at(seconds, set)) - START) / SECOND
    }

    #[test]
    fn a_clock_set_forward_or_back_leaves_no_step_in_the_times() {
        for set in [3_600, -3_600] {
            let mut clock = Steady::new(at(0, 0));
            assert_eq!(stamp(&mut clock, 1, 0), 1);
            assert_eq!(stamp(&mut clock, 2, set), 2, "noticed by the frame itself");
            assert_eq!(stamp(&mut clock, 3, set), 3);
            assert_eq!(clock.now(at(4, set)), START + 4 * SECOND);
            assert_eq!(clock.take_step(), Some(set * SECOND));
            assert_eq!(clock.take_step(), None, "told once");
            assert_eq!(stamp(&mut clock, 5, 0), 5, "and set right again");
            assert_eq!(clock.take_step(), Some(-set * SECOND));
        }
    }

    #[test]
    fn frames_stamped_before_the_step_may_come_after_it() {
        for set in [600, -600] {
            let mut clock = Steady::new(at(0, 0));
            assert_eq!(stamp(&mut clock, 1, 0), 1);
            clock.look(at(2, set));
            assert_eq!(clock.stamped(START + SECOND * 3 / 2, || at(2, set)), START + SECOND * 3 / 2);
            assert_eq!(stamp(&mut clock, 3, set), 3);
        }
    }

    #[test]
    fn a_silence_and_a_backlog_are_no_steps() {
        let mut clock = Steady::new(at(0, 0));
        assert_eq!(stamp(&mut clock, 1, 0), 1);
        assert_eq!(stamp(&mut clock, 7_200, 0), 7_200, "two hours of silence");
        clock.look(at(7_300, 0));
        assert_eq!(clock.stamped(START + 7_210 * SECOND, || at(7_300, 0)), START + 7_210 * SECOND, "read late");
        assert_eq!(clock.take_step(), None);
    }

    #[test]
    fn slewing_is_followed() {
        let mut clock = Steady::new(at(0, 0));
        for second in 1..100 {
            let slewed = Clocks { real: START + second * (SECOND + 500_000), steady: second * SECOND };
            assert_eq!(clock.now(slewed), slewed.real);
        }
        assert_eq!(clock.take_step(), None);
    }
}
