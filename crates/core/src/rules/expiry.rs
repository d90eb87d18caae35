//! When a card expires. All in calendar days of the library's time zone; what an ILS makes of a day is its
//! connector's matter.

use jiff::Span;
use jiff::civil::{Date, date};

use crate::grade::Grade;

/// A day of the year, such as 1 October. 29 February is 28 February in other years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthDay {
    month: i8,
    day: i8,
}

impl MonthDay {
    /// A day of the year; `None` where there is no such day in any year.
    #[must_use]
    pub fn new(month: i8, day: i8) -> Option<Self> {
        // 2000 was a leap year, so this allows 29 February.
        Date::new(2000, month, day).ok().map(|_| Self { month, day })
    }

    /// Reads `MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (month, day) = text.split_once('-')?;
        let two_digits = |s: &str| (s.len() == 2).then(|| s.parse().ok()).flatten();
        Self::new(two_digits(month)?, two_digits(day)?)
    }

    /// The day in a year.
    #[must_use]
    pub fn in_year(self, year: i16) -> Date {
        Date::new(year, self.month, self.day)
            .or_else(|_| Date::new(year, self.month, self.day - 1))
            .unwrap_or_else(|_| date(9999, 12, 31))
    }
}

/// How the expiry is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpiryRule {
    /// On a day of the year. From `rollover` on, which lies before it, the day of the next year is meant: a card made
    /// in July is not to end in October.
    EveryYear {
        /// The day.
        on: MonthDay,
        /// From when the next year's day is meant.
        rollover: MonthDay,
    },
    /// At the end of the school year in which the student finishes the last grade; who has no such grade gets the
    /// next such day.
    Graduation {
        /// The day, such as 30 June.
        on: MonthDay,
        /// The last grade.
        last_grade: Grade,
    },
    /// A fixed span from the day the card is made, renewed while the student is in the roster.
    Span {
        /// How many days a card is good for.
        days: u16,
        /// How many days before its end it is renewed.
        renew_before: u16,
    },
    /// Not at all.
    Never,
}

impl ExpiryRule {
    /// `every_year` without a rollover of its own: three months before the day.
    #[must_use]
    pub fn every_year(on: MonthDay) -> Self {
        let before = on.in_year(2001).saturating_sub(Span::new().days(92));
        let rollover = MonthDay { month: before.month(), day: before.day() };
        Self::EveryYear { on, rollover }
    }

    /// The expiry that is wanted today, for a student of a grade whose card, where there is one, now expires on
    /// `held`. `None` is "never".
    #[must_use]
    pub fn apply(&self, today: Date, grade: Option<Grade>, held: Option<Date>) -> Option<Date> {
        match self {
            Self::Never => None,
            Self::EveryYear { on, rollover } => {
                let year = today.year();
                let next = if on.in_year(year) > today { year } else { year.saturating_add(1) };
                let turn = if rollover < on {
                    rollover.in_year(next)
                } else {
                    rollover.in_year(next.saturating_sub(1))
                };
                Some(on.in_year(if today >= turn { next.saturating_add(1) } else { next }))
            }
            Self::Graduation { on, last_grade } => {
                let year = today.year();
                let this_school_year = if on.in_year(year) > today { year } else { year.saturating_add(1) };
                let years = grade.and_then(|g| g.years_until(*last_grade)).unwrap_or(0);
                Some(on.in_year(this_school_year.saturating_add(years)))
            }
            Self::Span { days, renew_before } => {
                let fresh = today.saturating_add(Span::new().days(i32::from(*days)));
                let kept =
                    held.filter(|h| *h > today.saturating_add(Span::new().days(i32::from(*renew_before))));
                Some(kept.unwrap_or(fresh))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md(text: &str) -> MonthDay {
        MonthDay::parse(text).unwrap()
    }

    #[test]
    fn every_year_with_rollover() {
        let rule = ExpiryRule::EveryYear { on: md("10-01"), rollover: md("06-30") };
        for (today, expiry) in [
            (date(2026, 3, 1), date(2026, 10, 1)),
            (date(2026, 6, 29), date(2026, 10, 1)),
            (date(2026, 6, 30), date(2027, 10, 1)),
            (date(2026, 9, 30), date(2027, 10, 1)),
            (date(2026, 10, 1), date(2027, 10, 1)),
            (date(2026, 11, 24), date(2027, 10, 1)),
        ] {
            assert_eq!(rule.apply(today, None, None), Some(expiry), "{today}");
        }
        // The rollover lies in the year before the day.
        let winter = ExpiryRule::EveryYear { on: md("02-01"), rollover: md("11-01") };
        assert_eq!(winter.apply(date(2026, 10, 31), None, None), Some(date(2027, 2, 1)));
        assert_eq!(winter.apply(date(2026, 11, 1), None, None), Some(date(2028, 2, 1)));
        assert_eq!(winter.apply(date(2027, 1, 31), None, None), Some(date(2028, 2, 1)));
        assert_eq!(winter.apply(date(2027, 2, 1), None, None), Some(date(2028, 2, 1)));
    }

    #[test]
    fn every_year_moves_once_a_year_and_never_back() {
        for on in ["01-01", "02-29", "06-30", "10-01", "12-31"] {
            let rule = ExpiryRule::every_year(md(on));
            let mut day = date(2026, 1, 1);
            let mut last = rule.apply(day, None, None).unwrap();
            let mut moves = 0;
            for _ in 0..1461 {
                day = day.tomorrow().unwrap();
                let expiry = rule.apply(day, None, None).unwrap();
                assert!(expiry >= last && expiry > day, "{on} {day} {expiry}");
                moves += i32::from(expiry != last);
                last = expiry;
            }
            assert_eq!(moves, 4, "{on}");
        }
    }

    #[test]
    fn graduation() {
        let rule = ExpiryRule::Graduation { on: md("06-30"), last_grade: Grade::number(12).unwrap() };
        let expiry = |grade: &str, today| rule.apply(today, Grade::parse(grade), None).unwrap();
        assert_eq!(expiry("12", date(2026, 11, 24)), date(2027, 6, 30));
        assert_eq!(expiry("9", date(2026, 11, 24)), date(2030, 6, 30));
        assert_eq!(expiry("UG", date(2026, 11, 24)), date(2027, 6, 30));
        assert_eq!(expiry("12", date(2026, 6, 30)), date(2027, 6, 30));
    }

    #[test]
    fn a_span_is_renewed_only_near_its_end() {
        let rule = ExpiryRule::Span { days: 365, renew_before: 30 };
        let today = date(2026, 11, 24);
        assert_eq!(rule.apply(today, None, None), Some(date(2027, 11, 24)));
        assert_eq!(rule.apply(today, None, Some(date(2027, 3, 1))), Some(date(2027, 3, 1)));
        assert_eq!(rule.apply(today, None, Some(date(2026, 12, 24))), Some(date(2027, 11, 24)));
    }

    #[test]
    fn days_that_do_not_exist() {
        assert!(MonthDay::parse("02-30").is_none() && MonthDay::parse("2-3").is_none());
        assert_eq!(md("02-29").in_year(2027), date(2027, 2, 28));
        assert_eq!(md("02-29").in_year(2028), date(2028, 2, 29));
    }
}
