//! `[calendar]`, `[agreement]` and what `[lapse]` says of graduates. What a date means on the day of a run is the core's matter.

use std::ops::RangeInclusive;

use jiff::civil::Date;
use rostercard_core::calendar::{Agreement, Calendar, Dates, Graduates, SchoolYear};
use rostercard_core::grade::Grade;
use rostercard_core::rules::expiry::MonthDay as DayOfYear;

use crate::document::{Node, Value};
use crate::kind::{Day, Integer, Kind, List, MonthDay, Parsed, Word, Wrong, words};
use crate::place::Place;
use crate::problem::Code;
use crate::reader::TableReader;
use crate::record::Shape;

/// Where dates stand that pass, for `check` to point at.
#[derive(Clone, Debug)]
pub struct DatePlaces {
    /// `[agreement]`.
    pub agreement: Place,
    /// `[calendar]`.
    pub calendar: Place,
    /// Each `[[guards.expect]]`.
    pub expect: Vec<Place>,
}

/// A day of every year (`"08-17"`) or of one alone (`2026-08-17`).
#[derive(Clone, Copy, Debug)]
enum Bound {
    Every(DayOfYear),
    Once(Date),
}

/// Reads a [`Bound`].
#[derive(Clone, Copy, Debug)]
struct ABound;

impl Kind for ABound {
    type Out = Bound;
    fn shape(&self) -> Shape {
        Shape::AnyDay
    }
    fn read(&self, node: &Node) -> Result<Bound, Wrong> {
        if let Value::String(text) = &node.value
            && let Some(day) = DayOfYear::parse(text)
        {
            return Ok(Bound::Every(day));
        }
        // What is neither is told about in words that know both.
        match Day.read(node) {
            Ok(day) => Ok(Bound::Once(day)),
            Err(_) if MonthDay.read(node).is_err() => Err(Wrong::value(
                "is not a day",
                "write \"08-17\" for a day of every year, or 2026-08-17 for one year alone",
            )),
            Err(wrong) => Err(wrong),
        }
    }
}

/// A holiday: one day, or the first and the last with two dots between.
#[derive(Clone, Copy, Debug)]
struct Holiday;

impl Kind for Holiday {
    type Out = RangeInclusive<Date>;
    fn shape(&self) -> Shape {
        Shape::Day
    }
    fn read(&self, node: &Node) -> Result<RangeInclusive<Date>, Wrong> {
        let wrong = || {
            Wrong::value(
                "is not a day, nor a first and a last day",
                "write 2026-11-26, or \"2026-11-23..2026-11-27\"",
            )
        };
        if let Value::String(text) = &node.value
            && let Some((first, last)) = text.split_once("..")
        {
            let day = |text: &str| text.trim().parse::<Date>().ok();
            let (Some(first), Some(last)) = (day(first), day(last)) else { return Err(wrong()) };
            return if first <= last { Ok(first..=last) } else { Err(wrong()) };
        }
        Day.read(node).map(|day| day..=day).map_err(|_| wrong())
    }
}

/// `[calendar]`.
pub(super) fn calendar(mut table: TableReader<'_>) -> Calendar {
    let default = Calendar::default();
    let (starts, ends) = (table.optional("starts", &ABound), table.optional("ends", &ABound));
    for (key, other) in [("starts", "ends"), ("ends", "starts")] {
        if table.has(other) && !table.has(key) {
            table.missing(
                key,
                "a school year has a first and a last day: starts = \"08-17\", ends = \"06-10\"",
            );
        }
    }
    let year = match (starts.map(|day| day.value), ends.map(|day| day.value)) {
        (Some(Bound::Every(starts)), Some(Bound::Every(ends))) => {
            Some(SchoolYear::EveryYear { starts, ends })
        }
        (Some(Bound::Once(starts)), Some(Bound::Once(ends))) if starts < ends => {
            Some(SchoolYear::Once { starts, ends })
        }
        (Some(Bound::Once(_)), Some(Bound::Once(_))) => {
            table.complain(
                "ends",
                Code::Contradiction,
                "the school year ends before it begins",
                "write a later day",
            );
            None
        }
        (Some(_), Some(_)) => {
            let advice = "write both as \"08-17\", for every year, or both as 2026-08-17, for one";
            table.complain(
                "ends",
                Code::Contradiction,
                "one of the two is for every year, the other is not",
                advice,
            );
            None
        }
        _ => None,
    };
    let holidays = table.optional("holidays", &List { of: Holiday, empty: true });
    let settle_days = table.optional("settle_days", &Integer(0..=200));
    table.finish();
    Calendar {
        year,
        holidays: holidays.map(|days| days.value).unwrap_or_default(),
        settle_days: settle_days
            .and_then(|days| u16::try_from(days.value).ok())
            .unwrap_or(default.settle_days),
    }
}

/// `[agreement]`.
pub(super) fn agreement(mut table: TableReader<'_>) -> Agreement {
    let starts = table.optional("starts", &Day).map(|day| day.value);
    let ends = table.optional("ends", &Day).map(|day| day.value);
    // One word, so that the file says what happens: nothing is written any more, and nothing is taken back.
    table.optional("on_end", &Word(&[("freeze", ())]));
    if let (Some(starts), Some(ends)) = (starts, ends)
        && ends < starts
    {
        table.complain(
            "ends",
            Code::Contradiction,
            "the agreement ends before it begins",
            "write a later day",
        );
    }
    table.finish();
    Agreement { starts, ends }
}

/// The keys of `[lapse]` about those who finish school.
pub(super) fn graduates(lapse: &mut TableReader<'_>, dates: &mut Dates) {
    let known = words(Graduates::ALL, Graduates::word);
    dates.graduates = lapse.or("graduates", &Word(&known), dates.graduates).value;
    let grade = Parsed(|text: &str| {
        Grade::parse(text)
            .ok_or_else(|| Wrong::value("is not a grade", "write the last grade: \"12\" or \"05\""))
    });
    if let Some(grade) = lapse.optional("last_grade", &grade) {
        dates.last_grade = Some(grade.value);
    }
}
