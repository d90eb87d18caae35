//! The school calendar and the agreement's dates: when time counts, when nothing lapses, when nothing is written.
//!
//! Plain days of the library's time zone. It knows no roster: who is missing, and for how long, is told elsewhere.

use std::ops::RangeInclusive;

use jiff::civil::{Date, Weekday};

use crate::grade::Grade;
use crate::rules::expiry::MonthDay;
use crate::words::vocabulary;

vocabulary! {
    /// What becomes of the cards of those who finish the last grade: `[lapse] graduates`.
    #[derive(Default)]
    Graduates {
        /// They are good until the day on which they expire, are not renewed, and lapse only then. Nobody has to approve it.
        #[default]
        UntilExpiry = "until_expiry",
        /// They lapse after the grace, like everybody's who leaves.
        LikeOthers = "like_others",
    }
}

/// What a partnership's dates decide: when time counts, and when nothing is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dates {
    /// `[calendar]`.
    pub calendar: Calendar,
    /// `[agreement]`.
    pub agreement: Agreement,
    /// `[lapse] graduates`.
    pub graduates: Graduates,
    /// `[lapse] last_grade`: who leaves it at the end of a school year has finished school. `None`: nobody is taken to have.
    pub last_grade: Option<Grade>,
}

impl Default for Dates {
    fn default() -> Self {
        Self {
            calendar: Calendar::default(),
            agreement: Agreement::default(),
            graduates: Graduates::default(),
            last_grade: Grade::number(12),
        }
    }
}

impl Dates {
    /// Whether somebody of a grade ([`Grade::code`]) who is missing since a day has finished school, and keeps the card until
    /// it expires.
    #[must_use]
    pub fn has_graduated(&self, grade: Option<u8>, missing_since: Date) -> bool {
        self.graduates == Graduates::UntilExpiry
            && grade.is_some()
            && grade == self.last_grade.map(Grade::code)
            && self.calendar.is_rollover(missing_since)
    }
}

/// When a school year begins and ends, both days included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchoolYear {
    /// Every year on the same days.
    EveryYear {
        /// The first day, such as 17 August.
        starts: MonthDay,
        /// The last day, such as 10 June.
        ends: MonthDay,
    },
    /// One school year alone. Before it and after it there is no school, until somebody writes the next one.
    Once {
        /// The first day.
        starts: Date,
        /// The last day.
        ends: Date,
    },
}

/// How many days before the end of a school year, and after the beginning of the next, somebody who leaves the last grade
/// is taken to have finished school.
const ROLLOVER: i64 = 45;

/// `[calendar]`: the school year and its holidays. Without a school year every day counts, and a card may lapse on any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The school year.
    pub year: Option<SchoolYear>,
    /// Days without school inside the year, both ends included.
    pub holidays: Vec<RangeInclusive<Date>>,
    /// For so many school days after the beginning of a school year nothing lapses: classes are still being made up.
    pub settle_days: u16,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { year: None, holidays: Vec::new(), settle_days: 20 }
    }
}

impl Calendar {
    /// The school year that a day is in: its first and its last day. `None` outside of one, and where there is no calendar.
    #[must_use]
    pub fn year_of(&self, day: Date) -> Option<(Date, Date)> {
        let holds = |(starts, ends): (Date, Date)| (starts <= day && day <= ends).then_some((starts, ends));
        match self.year? {
            SchoolYear::Once { starts, ends } => holds((starts, ends)),
            SchoolYear::EveryYear { starts, ends } => {
                let over_new_year = i16::from(ends < starts);
                [day.year().saturating_sub(1), day.year()].into_iter().find_map(|year| {
                    holds((starts.in_year(year), ends.in_year(year.saturating_add(over_new_year))))
                })
            }
        }
    }

    /// Whether a day is inside a school year; always, where there is no calendar.
    #[must_use]
    pub fn in_term(&self, day: Date) -> bool {
        self.year.is_none() || self.year_of(day).is_some()
    }

    /// Whether there is school on a day: in a school year, from Monday to Friday, and no holiday. Always, where there is no calendar.
    #[must_use]
    pub fn is_school_day(&self, day: Date) -> bool {
        let holiday = || self.holidays.iter().any(|holiday| holiday.contains(&day));
        match self.year {
            None => !holiday(),
            Some(_) => {
                !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
                    && self.year_of(day).is_some()
                    && !holiday()
            }
        }
    }

    /// How many school days there are from `since` until before `day`.
    #[must_use]
    pub fn school_days(&self, since: Date, day: Date) -> i64 {
        days(since, day).filter(|date| self.is_school_day(*date)).count().try_into().unwrap_or(i64::MAX)
    }

    /// Whether cards may lapse on a day: inside a school year, and not in its first days.
    #[must_use]
    pub fn may_lapse(&self, day: Date) -> bool {
        match (self.year, self.year_of(day)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some((starts, _))) => self.school_days(starts, day) >= i64::from(self.settle_days),
        }
    }

    /// Whether somebody of the last grade who is missing since `day` has finished school, rather than left it: towards the
    /// end of a school year, after it, or at the beginning of the next. Never, where there is no calendar.
    #[must_use]
    pub fn is_rollover(&self, day: Date) -> bool {
        let apart = |a: Date, b: Date| a.until(b).map_or(0, |span| i64::from(span.get_days()));
        match (self.year, self.year_of(day)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some((starts, ends))) => apart(starts, day) <= ROLLOVER || apart(day, ends) <= ROLLOVER,
        }
    }

    /// The last day of the only school year there is, where it is over on `day`: somebody has to write the next one.
    #[must_use]
    pub fn over_since(&self, day: Date) -> Option<Date> {
        match self.year {
            Some(SchoolYear::Once { ends, .. }) if ends < day => Some(ends),
            _ => None,
        }
    }
}

/// The days from `since` until before `day`.
fn days(since: Date, day: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(since), |date| date.tomorrow().ok()).take_while(move |date| *date < day)
}

/// `[agreement]`: the dates of the agreement between district and library, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Its first day.
    pub starts: Option<Date>,
    /// Its last day. After it nothing is written: what is in the ILS stays as it is.
    pub ends: Option<Date>,
}

/// How many days before its end an agreement is warned of.
pub const AGREEMENT_WARNING_DAYS: i64 = 60;

/// How an agreement stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgreementState {
    /// It has not begun: nothing is written.
    NotYet(Date),
    /// It is in force.
    InForce,
    /// It is in force, and its last day is near: the day, and how many days there are until then.
    EndsSoon(Date, i64),
    /// It has ended: nothing is written.
    Ended(Date),
}

impl Agreement {
    /// How it stands on a day.
    #[must_use]
    pub fn on(&self, day: Date) -> AgreementState {
        match (self.starts, self.ends) {
            (Some(starts), _) if day < starts => AgreementState::NotYet(starts),
            (_, Some(ends)) if ends < day => AgreementState::Ended(ends),
            (_, Some(ends)) => {
                let left = day.until(ends).map_or(0, |span| i64::from(span.get_days()));
                if left <= AGREEMENT_WARNING_DAYS {
                    AgreementState::EndsSoon(ends, left)
                } else {
                    AgreementState::InForce
                }
            }
            _ => AgreementState::InForce,
        }
    }

    /// Why nothing may be written on a day, in words; `None` where the agreement is in force.
    #[must_use]
    pub fn forbids(&self, day: Date) -> Option<String> {
        match self.on(day) {
            AgreementState::NotYet(starts) => Some(format!("the agreement begins on {starts}")),
            AgreementState::Ended(ends) => Some(format!("the agreement ended on {ends}")),
            AgreementState::InForce | AgreementState::EndsSoon(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn every_year() -> Calendar {
        let (starts, ends) = (MonthDay::parse("08-17").unwrap(), MonthDay::parse("06-10").unwrap());
        Calendar {
            year: Some(SchoolYear::EveryYear { starts, ends }),
            holidays: vec![date(2026, 11, 23)..=date(2026, 11, 27)],
            settle_days: 20,
        }
    }

    #[test]
    fn s11_a_school_year_reaches_over_new_year_and_there_is_a_summer() {
        let calendar = every_year();
        for (day, term, school, lapse) in [
            (date(2026, 8, 16), false, false, false),
            (date(2026, 8, 17), true, true, false),
            // Twenty school days after Monday the 17th is Monday four weeks later.
            (date(2026, 9, 11), true, true, false),
            (date(2026, 9, 14), true, true, true),
            (date(2026, 11, 21), true, false, true),
            (date(2026, 11, 24), true, false, true),
            (date(2026, 11, 30), true, true, true),
            (date(2027, 1, 4), true, true, true),
            (date(2027, 6, 10), true, true, true),
            (date(2027, 6, 11), false, false, false),
            (date(2027, 7, 15), false, false, false),
        ] {
            assert_eq!(
                (calendar.in_term(day), calendar.is_school_day(day), calendar.may_lapse(day)),
                (term, school, lapse),
                "{day}"
            );
        }
        // From Friday 20 November: that Friday, then a week of holidays, then the Monday.
        assert_eq!(calendar.school_days(date(2026, 11, 20), date(2026, 12, 1)), 2);
        assert_eq!(calendar.school_days(date(2026, 12, 1), date(2026, 11, 1)), 0);
    }

    #[test]
    fn a_school_year_inside_one_calendar_year() {
        let (starts, ends) = (MonthDay::parse("02-01").unwrap(), MonthDay::parse("12-15").unwrap());
        let calendar = Calendar { year: Some(SchoolYear::EveryYear { starts, ends }), ..Calendar::default() };
        assert!(!calendar.in_term(date(2026, 1, 31)) && calendar.in_term(date(2026, 2, 1)));
        assert!(calendar.in_term(date(2026, 12, 15)) && !calendar.in_term(date(2026, 12, 16)));
    }

    #[test]
    fn without_a_calendar_every_day_counts() {
        let calendar = Calendar::default();
        let saturday = date(2026, 7, 4);
        assert!(
            calendar.in_term(saturday) && calendar.is_school_day(saturday) && calendar.may_lapse(saturday)
        );
        assert!(!calendar.is_rollover(saturday));
        assert_eq!(calendar.school_days(date(2026, 7, 1), date(2026, 7, 11)), 10);
    }

    #[test]
    fn who_leaves_the_last_grade_around_the_end_of_a_year_has_finished() {
        let calendar = every_year();
        for (day, rollover) in [
            (date(2027, 5, 20), true),
            (date(2027, 7, 1), true),
            (date(2026, 8, 20), true),
            (date(2026, 11, 10), false),
            (date(2027, 3, 1), false),
        ] {
            assert_eq!(calendar.is_rollover(day), rollover, "{day}");
        }
    }

    #[test]
    fn s11_graduates_are_those_of_the_last_grade_who_leave_at_the_end_of_a_year() {
        let dates = Dates { calendar: every_year(), ..Dates::default() };
        let (twelve, eleven) = (Grade::number(12).map(Grade::code), Grade::number(11).map(Grade::code));
        let (summer, winter) = (date(2027, 7, 1), date(2027, 2, 1));
        assert!(dates.has_graduated(twelve, summer));
        assert!(!dates.has_graduated(twelve, winter), "who leaves in winter has moved away");
        assert!(!dates.has_graduated(eleven, summer) && !dates.has_graduated(None, summer));
        assert!(!Dates { graduates: Graduates::LikeOthers, ..dates.clone() }.has_graduated(twelve, summer));
        assert!(!Dates { last_grade: None, ..dates }.has_graduated(None, summer));
        assert!(!Dates::default().has_graduated(twelve, summer), "without a calendar nobody can tell");
    }

    #[test]
    fn one_school_year_is_over_when_nobody_writes_the_next() {
        let year = SchoolYear::Once { starts: date(2026, 8, 17), ends: date(2027, 6, 10) };
        let calendar = Calendar { year: Some(year), ..Calendar::default() };
        assert_eq!(calendar.over_since(date(2027, 6, 10)), None);
        assert_eq!(calendar.over_since(date(2027, 9, 1)), Some(date(2027, 6, 10)));
        assert!(!calendar.may_lapse(date(2027, 10, 1)), "no lapse until the next one is written");
        assert_eq!(every_year().over_since(date(2027, 9, 1)), None);
    }

    #[test]
    fn agreements_begin_and_end_and_are_warned_of() {
        let agreement = Agreement { starts: Some(date(2026, 8, 1)), ends: Some(date(2027, 7, 31)) };
        for (day, wanted) in [
            (date(2026, 7, 31), AgreementState::NotYet(date(2026, 8, 1))),
            (date(2026, 8, 1), AgreementState::InForce),
            (date(2027, 5, 31), AgreementState::InForce),
            (date(2027, 6, 1), AgreementState::EndsSoon(date(2027, 7, 31), 60)),
            (date(2027, 7, 31), AgreementState::EndsSoon(date(2027, 7, 31), 0)),
            (date(2027, 8, 1), AgreementState::Ended(date(2027, 7, 31))),
        ] {
            assert_eq!(agreement.on(day), wanted, "{day}");
            let frozen = matches!(wanted, AgreementState::NotYet(_) | AgreementState::Ended(_));
            assert_eq!(agreement.forbids(day).is_some(), frozen, "{day}");
        }
        assert_eq!(Agreement::default().on(date(2026, 1, 1)), AgreementState::InForce);
    }
}
