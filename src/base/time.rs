//! Capture time: nanoseconds since the Unix epoch, and the spans between.

use std::fmt;
use std::num::NonZeroU64;

/// A capture timestamp, in nanoseconds since 1970-01-01T00:00:00Z.
///
/// Capture files can hold any 64-bit value, so every operation saturates (and the lowest value counts as the one above it).
// The nanoseconds, shifted so that the lowest value would be zero: an `Option` of it, of which a connection has dozens, takes no more room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(NonZeroU64);

/// A difference of two capture timestamps, in nanoseconds. Negative where the capture's clock stepped back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// From the order of signed numbers to that of unsigned ones, and back.
const SHIFT: u64 = 1 << 63;

impl Time {
    /// The earliest time.
    pub const MIN: Time = Time::from_nanos(i64::MIN);
    /// The latest time.
    pub const MAX: Time = Time::from_nanos(i64::MAX);

    /// The time `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Time {
        match NonZeroU64::new(nanos.cast_unsigned() ^ SHIFT) {
            Some(shifted) => Time(shifted),
            None => Time(NonZeroU64::MIN),
        }
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn nanos(self) -> i64 {
        (self.0.get() ^ SHIFT).cast_signed()
    }

    /// How long after `earlier` this is.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.nanos().saturating_sub(earlier.nanos()))
    }

    /// This time, `span` later.
    pub const fn plus(self, span: Span) -> Time {
        Time::from_nanos(self.nanos().saturating_add(span.0))
    }
}

impl Default for Time {
    /// The Unix epoch.
    fn default() -> Time {
        Time::from_nanos(0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Time").field(&self.nanos()).finish()
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Span {
        Span(nanos)
    }

    /// A span of `millis` milliseconds.
    pub const fn from_millis(millis: i64) -> Span {
        Span(millis.saturating_mul(1_000_000))
    }

    /// A span of `secs` seconds.
    pub const fn from_secs(secs: i64) -> Span {
        Span(secs.saturating_mul(1_000_000_000))
    }

    /// How far apart two spans are, whichever is longer.
    pub const fn apart(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0).saturating_abs())
    }

    /// The span in nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The span in seconds.
    pub fn secs(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_timestamps_saturate() {
        let far = Time::from_nanos(i64::MAX);
        assert_eq!(far.plus(Span::from_secs(1)), far);
        assert_eq!(far.since(Time::from_nanos(i64::MIN)).nanos(), i64::MAX);
        assert_eq!(Span::from_secs(i64::MAX).nanos(), i64::MAX);
        let (longest, shortest) = (Span::from_nanos(i64::MAX), Span::from_nanos(i64::MIN));
        assert_eq!((longest.apart(shortest), shortest.apart(longest), longest.apart(longest)), (longest, longest, Span::ZERO));
        assert_eq!(Time::from_nanos(i64::MIN), Time::from_nanos(i64::MIN + 1));
    }

    #[test]
    fn times_are_ordered_as_their_numbers_and_cost_nothing_to_leave_out() {
        let numbers = [i64::MIN + 1, -1, 0, 1, i64::MAX];
        assert!(numbers.map(Time::from_nanos).is_sorted());
        assert_eq!(numbers.map(|number| Time::from_nanos(number).nanos()), numbers);
        assert_eq!(Time::default().nanos(), 0);
        assert_eq!(size_of::<Option<Time>>(), size_of::<Time>());
        assert_eq!(size_of::<Option<crate::base::At>>(), size_of::<crate::base::At>());
    }
}
