//! Times as people type them, and what they mean in a capture.

use std::str::FromStr;

use jiff::civil::{self, DateTime};
use jiff::{Span as Days, Timestamp};

use crate::base::Time;
use crate::report::time::Clock;

/// A time as it was typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    /// With an offset from UTC: one instant.
    Instant(Timestamp),
    /// Date and time on the reader's clock.
    Civil(DateTime),
    /// A time of day on the reader's clock, on the capture's day.
    TimeOfDay(civil::Time),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        let text = text.trim();
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(When::Instant(instant));
        }
        if text.contains('-') {
            if let Ok(at) = text.parse::<DateTime>() {
                return Ok(When::Civil(at));
            }
        } else if text.contains(':')
            && let Ok(at) = format!("{}{text}", if text.find(':') == Some(1) { "0" } else { "" }).parse::<civil::Time>()
        {
            return Ok(When::TimeOfDay(at));
        }
        Err(format!("'{text}' is no time; write 14:03:02, '2026-11-20 14:03:02' or 2026-11-20T14:03:02Z"))
    }
}

impl When {
    /// The instant it means in a capture that starts at `start`, on `clock`; `None` where the calendar has none.
    ///
    /// A time of day is the one nearest to the capture's start that is not more than half a day before it: a capture that starts at
    /// 14:00:01 and a time of 14:00 belong to the same day, one that starts at 23:50 and a time of 00:10 do not.
    pub(crate) fn resolve(self, start: Time, clock: &Clock) -> Option<Time> {
        let civil = match self {
            When::Instant(instant) => return time(instant),
            When::Civil(at) => at,
            When::TimeOfDay(of_day) => {
                let begin = clock.civil(start);
                let same_day = begin.date().to_datetime(of_day);
                let half_a_day = Days::new().hours(12);
                let next_day = same_day.checked_add(half_a_day).is_ok_and(|later| later < begin);
                if next_day { same_day.checked_add(Days::new().days(1)).ok()? } else { same_day }
            }
        };
        time(clock.zone().to_ambiguous_zoned(civil).compatible().ok()?.timestamp())
    }
}

fn time(instant: Timestamp) -> Option<Time> {
    i64::try_from(instant.as_nanosecond()).ok().map(Time::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::time::Stamp;
    use jiff::tz::TimeZone;

    fn resolved(text: &str, start: &str, clock: &Clock) -> String {
        let start = time(start.parse().unwrap()).unwrap();
        Stamp::new(text.parse::<When>().unwrap().resolve(start, clock).unwrap()).as_str().to_owned()
    }

    #[test]
    fn reads_what_people_type() {
        let utc = Clock::utc();
        let paris = Clock::new(TimeZone::fixed(jiff::tz::offset(1)));
        let start = "2026-11-20T14:00:01Z";
        for (text, clock, expected) in [
            ("2026-11-20T14:03:02Z", &paris, "2026-11-20T14:03:02.000000000Z"),
            ("2026-11-20T15:03:02.5+01:00", &utc, "2026-11-20T14:03:02.500000000Z"),
            ("2026-11-20 14:03:02", &utc, "2026-11-20T14:03:02.000000000Z"),
            ("2026-11-20 15:03", &paris, "2026-11-20T14:03:00.000000000Z"),
            ("14:03:02.114", &utc, "2026-11-20T14:03:02.114000000Z"),
            ("15:03", &paris, "2026-11-20T14:03:00.000000000Z"),
            ("9:30", &utc, "2026-11-20T09:30:00.000000000Z"),
            ("14:00", &utc, "2026-11-20T14:00:00.000000000Z"),
        ] {
            assert_eq!(resolved(text, start, clock), expected, "{text}");
        }
    }

    #[test]
    fn a_time_of_day_after_midnight_is_the_next_day_s() {
        assert_eq!(resolved("00:10", "2026-11-20T23:50:00Z", &Clock::utc()), "2026-11-21T00:10:00.000000000Z");
        assert_eq!(resolved("23:40", "2026-11-20T23:50:00Z", &Clock::utc()), "2026-11-20T23:40:00.000000000Z");
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "yesterday", "25:00:00", "2026-13-01 10:00:00", "14"] {
            assert!(text.parse::<When>().is_err_and(|error| error.contains("14:03:02")), "{text}");
        }
    }
}
