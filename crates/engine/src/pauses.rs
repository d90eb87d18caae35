//! What pauses mean for a run: while one is in force nothing is written, and afterwards its days do not count as grace.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rostercard_core::calendar::Calendar;
use rostercard_store::rows::Pause;

/// The pauses of one partnership, as days of the library.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// First and last day of each, whole days: a day on which it was paused for an hour is a paused day.
    days: Vec<(Date, Date)>,
    all: Vec<Pause>,
}

impl Pauses {
    /// Those that hold for a partnership of an ILS.
    pub(crate) fn of(all: Vec<Pause>, partnership: &str, ils: &str, timezone: &TimeZone) -> Self {
        let all: Vec<Pause> =
            all.into_iter().filter(|pause| pause.asked.scope.holds_for(partnership, ils)).collect();
        let day = |at: Timestamp| timezone.to_datetime(at).date();
        let days = all
            .iter()
            .filter(|pause| pause.asked.since < pause.end())
            .map(|pause| {
                // One that ends at midnight does not reach into the day that begins then.
                let last = pause.end().checked_sub(1.nanosecond()).unwrap_or(pause.end());
                (day(pause.asked.since), day(last))
            })
            .collect();
        Self { days, all }
    }

    /// The one that is in force and ends last.
    pub(crate) fn on(&self, now: Timestamp) -> Option<&Pause> {
        self.all.iter().filter(|pause| pause.is_on(now)).max_by_key(|pause| pause.end())
    }

    /// The reason of the last one that ended after a moment.
    pub(crate) fn ended_since(&self, since: Option<Timestamp>, now: Timestamp) -> Option<&str> {
        self.all
            .iter()
            .filter(|pause| pause.end() <= now && since.is_some_and(|since| since < pause.end()))
            .max_by_key(|pause| pause.end())
            .map(|pause| pause.asked.reason.as_str())
    }

    /// How many days of those from `since` until `day` count towards a grace: school days that were not paused.
    pub(crate) fn open_days(&self, since: Date, day: Date, calendar: &Calendar) -> i64 {
        let days = since.until(day).map_or(0, |span| i64::from(span.get_days()));
        if days <= 0 || (self.days.is_empty() && *calendar == Calendar::default()) {
            return days;
        }
        let paused = |date: Date| self.days.iter().any(|(first, last)| *first <= date && date <= *last);
        let mut date = since;
        let mut open = 0;
        while date < day {
            open += i64::from(calendar.is_school_day(date) && !paused(date));
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rostercard_store::rows::{NewPause, PauseId, PauseScope};

    use super::*;

    fn pause(scope: PauseScope, since: &str, until: &str) -> Pause {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (reason, who) = ("a holiday".to_owned(), "pat".to_owned());
        let asked = NewPause { scope, since: at(since), until: at(until), reason, who };
        Pause { id: PauseId(1), asked, resumed: None }
    }

    #[test]
    fn s37_paused_days_are_no_days_of_grace() {
        let all = vec![
            pause(PauseScope::Everything, "2026-11-24T18:00:00Z", "2026-11-28T08:00:00Z"),
            pause(PauseScope::Ils("main".into()), "2026-11-27T08:00:00Z", "2026-11-30T08:00:00Z"),
            pause(PauseScope::Partnership("other".into()), "2026-12-01T08:00:00Z", "2027-01-30T08:00:00Z"),
        ];
        let zone = TimeZone::fixed(jiff::tz::offset(-8));
        let pauses = Pauses::of(all, "one", "main", &zone);
        let december = date(2026, 12, 10);
        // 24 to 29 November are six days; both pauses end at midnight.
        assert_eq!(pauses.open_days(date(2026, 11, 20), december, &Calendar::default()), 20 - 6);
        assert_eq!(pauses.open_days(date(2026, 11, 26), december, &Calendar::default()), 14 - 4);
        assert_eq!(pauses.open_days(date(2026, 11, 30), december, &Calendar::default()), 10);
        assert_eq!(pauses.open_days(december, december, &Calendar::default()), 0);
        assert_eq!(Pauses::default().open_days(date(2026, 11, 20), december, &Calendar::default()), 20);
    }

    #[test]
    fn the_pause_that_ends_last_is_the_one_that_is_told() {
        let all = vec![
            pause(PauseScope::Everything, "2026-11-24T00:00:00Z", "2026-11-28T00:00:00Z"),
            pause(PauseScope::Ils("main".into()), "2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z"),
        ];
        let pauses = Pauses::of(all, "one", "main", &TimeZone::UTC);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(pauses.on(at("2026-11-25T00:00:00Z")).unwrap().end(), at("2026-11-28T00:00:00Z"));
        assert!(pauses.on(at("2026-11-28T00:00:00Z")).is_none());
        let later = at("2026-12-01T00:00:00Z");
        assert!(pauses.ended_since(Some(at("2026-11-27T00:00:00Z")), later).is_some());
        assert!(pauses.ended_since(Some(at("2026-11-29T00:00:00Z")), later).is_none());
        assert!(pauses.ended_since(None, later).is_none(), "a first connection waits anyway");
    }
}
