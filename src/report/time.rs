//! How times and spans are written: RFC 3339 in UTC for machines, the reader's own clock for people.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::base::{Span, Time};

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A time as RFC 3339 writes it, in UTC with nine digits: `2026-11-20T14:03:02.114203000Z`.
///
/// Written by hand: one session of the JSON holds a dozen of them, and this costs no allocation.
#[derive(Clone, Copy)]
pub struct Stamp([u8; 30]);

impl Stamp {
    /// `time` as text. Every 64-bit nanosecond count has one: they span the years 1677 to 2262.
    pub fn new(time: Time) -> Stamp {
        let (seconds, nanos) = (time.nanos().div_euclid(NANOS), time.nanos().rem_euclid(NANOS));
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let [y1, y2, y3, y4] = digits(year);
        let ([m1, m2], [d1, d2]) = (digits(month), digits(day));
        let ([h1, h2], [i1, i2], [s1, s2]) = (digits(second / 3600), digits(second / 60 % 60), digits(second % 60));
        let [n1, n2, n3, n4, n5, n6, n7, n8, n9] = digits(nanos);
        Stamp([
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2, b'.', n1, n2, n3, n4, n5, n6, n7, n8, n9,
            b'Z',
        ])
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The last `N` decimal digits of a number that is not negative.
fn digits<const N: usize>(number: i64) -> [u8; N] {
    let mut rest = number.unsigned_abs();
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian calendar.
///
/// Howard Hinnant's `civil_from_days`: years are counted from March, so that the leap day ends them.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The clock on the reader's wall: how people are told a time.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// A clock in `zone`.
    pub fn new(zone: TimeZone) -> Clock {
        Clock { zone }
    }

    /// A clock in UTC.
    pub fn utc() -> Clock {
        Clock { zone: TimeZone::UTC }
    }

    /// The zone it shows.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// What it shows at `time`.
    pub fn civil(&self, time: Time) -> DateTime {
        self.zone.to_datetime(timestamp(time))
    }

    /// `2026-11-20`
    pub fn date(&self, time: Time) -> String {
        self.civil(time).date().to_string()
    }

    /// `14:03:02`
    pub fn time_of_day(&self, time: Time) -> String {
        let at = self.civil(time);
        format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
    }

    /// `14:03:02.114`
    pub fn time_of_day_millis(&self, time: Time) -> String {
        format!("{}.{:03}", self.time_of_day(time), self.civil(time).subsec_nanosecond() / 1_000_000)
    }

    /// `UTC`, or the offset from it at `time`: `+01:00`.
    pub fn offset(&self, time: Time) -> String {
        match self.zone.to_offset(timestamp(time)).seconds() {
            0 => "UTC".to_owned(),
            seconds => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.unsigned_abs() / 60;
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time.nanos())).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A span as people say it: `0.412 ms`, `85 ms`, `3.20 s`, `4 min 10 s`, `2 h 03 min`.
pub fn lasting(span: Span) -> String {
    let nanos = span.nanos();
    if nanos < 0 {
        return format!("-{}", lasting(Span::from_nanos(nanos.saturating_neg())));
    }
    let secs = nanos / NANOS;
    match nanos {
        0 => "0 ms".to_owned(),
        1..10_000_000 => format!("{:.3} ms", nanos as f64 / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0} ms", nanos as f64 / 1e6),
        _ if secs < 10 => format!("{:.2} s", span.secs()),
        _ if secs < 120 => format!("{:.1} s", span.secs()),
        _ if secs < 3600 => format!("{} min {:02} s", secs / 60, secs % 60),
        _ if secs < 172_800 => format!("{} h {:02} min", secs / 3600, secs / 60 % 60),
        _ => format!("{} days", secs / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_agree_with_jiff_over_the_whole_range() {
        let mut nanos = i64::MIN;
        let mut checked = 0;
        loop {
            let expected = format!("{:.9}", timestamp(Time::from_nanos(nanos)));
            assert_eq!(Stamp::new(Time::from_nanos(nanos)).as_str(), expected);
            checked += 1;
            // A step of about five days with odd nanoseconds: every month and leap year is met.
            let Some(next) = nanos.checked_add(432_123_456_789_123) else { break };
            nanos = next;
        }
        assert!(checked > 40_000);
        assert_eq!(Stamp::new(Time::from_nanos(i64::MAX)).as_str(), "2262-04-11T23:47:16.854775807Z");
    }

    #[test]
    fn people_are_told_their_own_time() {
        let time = Time::from_nanos(1_795_183_382_114_203_000);
        assert_eq!(Stamp::new(time).as_str(), "2026-11-20T14:03:02.114203000Z");
        let clock = Clock::new(TimeZone::fixed(jiff::tz::offset(1)));
        assert_eq!(clock.time_of_day_millis(time), "15:03:02.114");
        assert_eq!(clock.date(time), "2026-11-20");
        assert_eq!(clock.offset(time), "+01:00");
        assert_eq!(Clock::utc().offset(time), "UTC");
    }

    #[test]
    fn spans_read_well() {
        for (nanos, text) in [
            (0, "0 ms"),
            (412_000, "0.412 ms"),
            (85_400_000, "85 ms"),
            (3_200_000_000, "3.20 s"),
            (60_021_000_000, "60.0 s"),
            (250 * NANOS, "4 min 10 s"),
            (7_380 * NANOS, "2 h 03 min"),
            (-3_200_000_000, "-3.20 s"),
            (i64::MIN, "-106751 days"),
        ] {
            assert_eq!(lasting(Span::from_nanos(nanos)), text);
        }
    }
}
