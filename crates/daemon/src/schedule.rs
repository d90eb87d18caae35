//! A line of a crontab, and when it is due next on a library's wall clock.
//!
//! The `cron` crate reads the fields; which moments they mean is decided here, because its weekdays begin at Sunday = 1,
//! it wants a day to match both day fields, and it drops times that daylight saving skips. A skipped time is due once, at
//! the first moment after the gap; a doubled time is due once, at its first occurrence. What moves a time besides, a partnership's own
//! delay and hours that are closed, comes on top: several times that are moved to one moment are one run.

use std::str::FromStr;

use cron::TimeUnitSpec;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::quiet::{Closed, Hours};

/// Why a line is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not five fields.
    #[error("a schedule has five fields: minute, hour, day, month, day of the week; this has {0}")]
    Fields(usize),
    /// The day of the week is none.
    #[error("`{0}` is no day of the week: write 0 to 7 (0 and 7 are Sunday), or SUN to SAT")]
    Weekday(String),
    /// Another field is wrong.
    #[error("a field is out of its range, or no number, list, range or step")]
    Field,
    /// It would never run.
    #[error("this never comes: none of these months has such a day")]
    Never,
    /// Quiet hours, or the ILS's, leave no minute of the day.
    #[error("quiet hours and the hours of the ILS leave no minute of the day in which a run could begin")]
    NoHours,
}

/// A time that is due: when it is written, when the run begins, and what moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The moment that the line names.
    pub written: Timestamp,
    /// The moment at which the run begins.
    pub begins: Timestamp,
    /// What closed the hours in which it would have begun.
    pub moved: Option<Closed>,
}

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// February has a 29th at least once in eight years, and nothing else is rarer.
const LONGEST_WAIT_DAYS: i32 = 366 * 9;

/// When a partnership runs.
#[derive(Debug, Clone)]
pub struct Schedule {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    days: Vec<i8>,
    months: Vec<i8>,
    /// 0 is Sunday.
    weekdays: Vec<i8>,
    any_day: bool,
    any_weekday: bool,
    zone: TimeZone,
    delay: SignedDuration,
    shut: Hours,
}

impl Schedule {
    /// Reads five fields, for a wall clock in `zone`.
    ///
    /// # Errors
    /// The line means nothing, or never comes.
    pub fn new(line: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(ScheduleError::Fields(fields.len()));
        };
        let weekdays = weekdays(weekday)?;
        let line = format!("0 {minute} {hour} {day} {month} *");
        let read = cron::Schedule::from_str(&line).map_err(|_| ScheduleError::Field)?;
        let schedule = Self {
            minutes: among(read.minutes(), 0..=59),
            hours: among(read.hours(), 0..=23),
            days: among(read.days_of_month(), 1..=31),
            months: among(read.months(), 1..=12),
            weekdays,
            // As in a crontab, a field that begins with a star does not restrict, whatever its step.
            any_day: day.starts_with('*') || day == "?",
            any_weekday: weekday.starts_with('*') || weekday == "?",
            zone,
            delay: SignedDuration::ZERO,
            shut: Hours::default(),
        };
        if schedule.any_weekday
            && !schedule.months.iter().any(|m| schedule.days.iter().any(|d| *d <= longest(*m)))
        {
            return Err(ScheduleError::Never);
        }
        Ok(schedule)
    }

    /// The same with each run a little later: by up to `most`, always the same for the same `id`, so that ten partnerships with one
    /// line do not begin in one second.
    #[must_use]
    pub fn delayed(mut self, id: &str, most: SignedDuration) -> Self {
        let seconds = u64::try_from(most.as_secs()).unwrap_or(0);
        // FNV-1a: stable between versions of everything.
        let spread = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        // The upper half is mixed best.
        let delay = (spread >> 32) % (seconds + 1);
        self.delay = SignedDuration::from_secs(i64::try_from(delay).unwrap_or(0));
        self
    }

    /// The same with hours in which no run begins.
    ///
    /// # Errors
    /// [`ScheduleError::NoHours`] where they leave no minute of the day.
    pub fn within(mut self, hours: Hours) -> Result<Self, ScheduleError> {
        if !hours.leave_any() {
            return Err(ScheduleError::NoHours);
        }
        self.shut = hours;
        Ok(self)
    }

    /// The delay of each run.
    #[must_use]
    pub const fn delay(&self) -> SignedDuration {
        self.delay
    }

    /// Its time zone.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first moment from this one on at which a run may begin.
    #[must_use]
    pub fn open(&self, at: Timestamp) -> Timestamp {
        self.shut.open(at, &self.zone).unwrap_or(at)
    }

    /// Why no run begins at this moment, where none does.
    #[must_use]
    pub fn closed(&self, at: Timestamp) -> Option<Closed> {
        self.shut.closed(at, &self.zone)
    }

    /// The first moment after this one at which a run begins. `None` only where the calendar ends.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.due_after(after).map(|due| due.begins)
    }

    /// The same with what moved it.
    #[must_use]
    pub fn due_after(&self, after: Timestamp) -> Option<Due> {
        // Times within the closed stretch in which `after` lies are moved to its end, which is still to come.
        let from = if self.closed(after).is_some() {
            self.shut.since(after, &self.zone).checked_sub(SignedDuration::from_nanos(1)).ok()?
        } else {
            after
        };
        let written = self.written_after(from.checked_sub(self.delay).ok()?)?;
        let delayed = written.checked_add(self.delay).ok()?;
        Some(Due { written, begins: self.open(delayed), moved: self.closed(delayed) })
    }

    /// The first moment after this one that the line names.
    fn written_after(&self, after: Timestamp) -> Option<Timestamp> {
        let first = self.zone.to_datetime(after).date();
        let mut date = first;
        for _ in 0..LONGEST_WAIT_DAYS {
            if self.on(date) {
                let found =
                    self.times(date).filter_map(|time| self.moment(time)).find(|moment| *moment > after);
                if found.is_some() {
                    return found;
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn on(&self, date: Date) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        // Both are fields of one line, and a crontab wants either, unless one is left open.
        let either = if self.any_day || self.any_weekday { day && weekday } else { day || weekday };
        self.months.contains(&date.month()) && either
    }

    fn times(&self, date: Date) -> impl Iterator<Item = DateTime> + '_ {
        let minutes = move |hour: i8| self.minutes.iter().map(move |minute| date.at(hour, *minute, 0, 0));
        self.hours.iter().copied().flat_map(minutes)
    }

    fn moment(&self, time: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // Counted with the offset to come, a skipped time lies before the gap.
                let before_the_gap = after.to_timestamp(time).ok()?;
                self.zone.following(before_the_gap).next().map(|transition| transition.timestamp())
            }
        }
    }
}

fn among(field: &impl TimeUnitSpec, range: std::ops::RangeInclusive<i8>) -> Vec<i8> {
    range.filter(|n| u32::try_from(*n).is_ok_and(|n| field.includes(n))).collect()
}

const fn longest(month: i8) -> i8 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days that a field means; 0 is Sunday.
fn weekdays(field: &str) -> Result<Vec<i8>, ScheduleError> {
    let wrong = || ScheduleError::Weekday(field.to_owned());
    let day = |text: &str| -> Option<i8> {
        let named = WEEKDAYS.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = named.and_then(|n| i8::try_from(n).ok()).or_else(|| text.parse().ok())?;
        (0..=7).contains(&number).then_some(number)
    };
    let mut found = [false; 7];
    for item in field.split(',') {
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, Some(step.parse::<u8>().ok().filter(|s| *s > 0).ok_or_else(wrong)?)),
            None => (item, None),
        };
        let (from, to) = match base.split_once('-') {
            _ if base == "*" || base == "?" => (0, 6),
            Some((from, to)) => {
                let (from, to) = (day(from).ok_or_else(wrong)?, day(to).ok_or_else(wrong)?);
                // Sunday ends a week as well as it begins one.
                (from, if to == 0 && from > 0 { 7 } else { to })
            }
            None => {
                let from = day(base).ok_or_else(wrong)?;
                (from, if step.is_some() { 6.max(from) } else { from })
            }
        };
        if from > to {
            return Err(wrong());
        }
        for n in (from..=to).step_by(step.unwrap_or(1).into()) {
            if let Some(at) = usize::try_from(n % 7).ok().and_then(|n| found.get_mut(n)) {
                *at = true;
            }
        }
    }
    Ok((0..7).zip(found).filter_map(|(n, on)| on.then_some(n)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(line: &str, zone: &str, after: &str) -> String {
        let schedule = Schedule::new(line, TimeZone::get(zone).unwrap()).unwrap();
        schedule.next_after(after.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn lines_mean_what_a_crontab_means() {
        let la = "America/Los_Angeles";
        for (line, zone, after, wanted) in [
            ("30 4 * * MON-FRI", "UTC", "2026-11-20T04:30:00Z", "2026-11-23T04:30:00Z"),
            ("0 0 * * 0", "UTC", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"),
            ("0 0 * * 7", "UTC", "2026-11-24T00:00:00Z", "2026-11-29T00:00:00Z"),
            ("0 0 * * 5-7", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"),
            ("0 0 * * FRI-SUN", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"),
            ("0 0 * * 1", "UTC", "2026-11-24T00:00:00Z", "2026-11-30T00:00:00Z"),
            // Either day field is enough, where both are said.
            ("0 0 13 * FRI", "UTC", "2026-11-24T00:00:00Z", "2026-11-27T00:00:00Z"),
            ("0 0 13 * FRI", "UTC", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"),
            ("0 0 29 2 *", "UTC", "2026-11-24T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 29 FEB *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
            ("*/20 * * * *", "UTC", "2026-11-24T00:41:00Z", "2026-11-24T01:00:00Z"),
            // Skipped: once, when the clock goes on. Doubled: once, the first time.
            ("30 2 * * *", la, "2026-03-08T08:00:00Z", "2026-03-08T10:00:00Z"),
            ("30 2 * * *", la, "2026-03-08T10:00:00Z", "2026-03-09T09:30:00Z"),
            ("30 1 * * *", la, "2026-11-01T07:00:00Z", "2026-11-01T08:30:00Z"),
            ("30 1 * * *", la, "2026-11-01T08:30:00Z", "2026-11-02T09:30:00Z"),
            // A zone whose midnight is skipped.
            ("0 0 * * *", "America/Santiago", "2026-09-06T03:00:00Z", "2026-09-06T04:00:00Z"),
            // A zone that left out a whole day.
            ("0 9 * * *", "Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(next(line, zone, after), wanted, "{line} in {zone} after {after}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_said() {
        let of = |line| Schedule::new(line, TimeZone::UTC).map(|_| ()).unwrap_err();
        assert_eq!(of("0 0 30 2 *"), ScheduleError::Never);
        assert_eq!(of("0 0 31 4,6,9,11 *"), ScheduleError::Never);
        assert_eq!(of("0 0 * *"), ScheduleError::Fields(4));
        for line in ["60 0 * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "x 0 * * *", "0 */0 * * *"] {
            assert_eq!(of(line), ScheduleError::Field, "{line}");
        }
        for line in ["0 0 * * 8", "0 0 * * MONDAY", "0 0 * * 5-2", "0 0 * * */0", "0 0 * * ,", "0 0 * * -1"] {
            assert!(matches!(of(line), ScheduleError::Weekday(_)), "{line}");
        }
        assert!(Schedule::new("0 0 30 2 MON", TimeZone::UTC).is_ok());
    }

    /// Minute by minute through time, with the wall clock read off at each: a time is due when the clock shows it for
    /// the first time, or when the clock has just jumped over it.
    fn oracle(
        minutes: &[i8],
        hours: &[i8],
        zone: &TimeZone,
        after: Timestamp,
        most: i64,
    ) -> Option<Timestamp> {
        let due = |t: DateTime| hours.contains(&t.hour()) && minutes.contains(&t.minute());
        // The latest reading so far: what was shown already is doubled.
        let start = after.checked_sub(4.hours()).unwrap();
        let mut shown = zone.to_datetime(start);
        for n in 1..most {
            let moment = start.checked_add(n.minutes()).unwrap();
            let clock = zone.to_datetime(moment);
            let mut hit = false;
            while shown < clock {
                shown = shown.checked_add(1.minute()).unwrap();
                hit |= due(shown);
            }
            if hit && moment > after {
                return Some(moment);
            }
        }
        None
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn it_agrees_with_reading_the_clock(
            minute in 0i8..60, step in 1i8..40, hour in 0i8..24, every_hour: bool,
            zone in prop::sample::select(vec!["America/Los_Angeles", "Europe/Berlin", "America/Santiago",
                "Australia/Lord_Howe", "Asia/Beirut", "America/Havana", "UTC"]),
            at in 0usize..40, minutes_off in -3_000i64..3_000,
        ) {
            let zone = TimeZone::get(zone).unwrap();
            let base: Timestamp = "2006-01-01T00:00:00Z".parse().unwrap();
            let near = zone.following(base).nth(at).map_or(base, |t| t.timestamp());
            let after = near.checked_add(minutes_off.minutes()).unwrap();
            let hours: Vec<i8> = if every_hour { (0..24).collect() } else { vec![hour] };
            let minutes: Vec<i8> = (minute..60).step_by(step.unsigned_abs().into()).collect();
            let list = |n: &[i8]| n.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let line = format!("{} {} * * *", list(&minutes), list(&hours));
            let schedule = Schedule::new(&line, zone.clone()).unwrap();
            prop_assert_eq!(schedule.next_after(after), oracle(&minutes, &hours, &zone, after, 60 * 53), "{}", line);
        }

        #[test]
        fn no_line_panics(line in "[0-9*/,A-Z? -]{0,24}") {
            let _any = Schedule::new(&line, TimeZone::UTC);
        }
    }
}
