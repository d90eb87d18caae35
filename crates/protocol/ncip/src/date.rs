//! A calendar date as NCIP carries it: `xs:dateTime` at midnight, with no time zone.
//!
//! It deliberately never shifts a date between time zones: a birthday is the day that is written there.

use std::fmt;

/// In which order a responder writes a date's parts. It cannot be told from a date, so it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    /// `2027-09-30`, as the standard has it.
    #[default]
    YearMonthDay,
    /// `2027-30-09`, which one server's example configuration sets.
    YearDayMonth,
}

/// A day of the calendar. Its `Debug` is redacted, because a birth date is one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The date, or `None` where the calendar has no such day. Years are 1 to 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        ((1..=9999).contains(&year) && (1..=days_in(year, month)).contains(&day)).then_some(Self {
            year,
            month,
            day,
        })
    }

    /// Reads `2027-09-30`, alone or with a time and a zone behind it. The zone is not applied.
    pub fn read(text: &str) -> Option<Self> {
        Self::read_in(text, DateOrder::YearMonthDay)
    }

    /// The same, for a responder that writes the parts in this order.
    pub fn read_in(text: &str, order: DateOrder) -> Option<Self> {
        let text = text.trim();
        let (date, rest) = text.split_at_checked(10)?;
        if !(rest.is_empty() || rest.starts_with(['T', 't', ' ', 'Z', '+', '-'])) {
            return None;
        }
        let mut parts = date.split('-');
        let (year, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        let (month, day) = match order {
            DateOrder::YearMonthDay => (second, third),
            DateOrder::YearDayMonth => (third, second),
        };
        let digits =
            |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        if !(digits(year, 4) && digits(month, 2) && digits(day, 2) && parts.next().is_none()) {
            return None;
        }
        Self::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    }

    /// The `xs:dateTime` that is sent: midnight, no zone.
    pub fn to_date_time(self) -> String {
        format!("{:04}-{:02}-{:02}T00:00:00", self.year, self.month, self.day)
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub fn day(self) -> u8 {
        self.day
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted date]")
    }
}

fn days_in(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_written_and_never_guessed() {
        let cases = [
            ("2027-09-30", Some("2027-09-30T00:00:00")),
            (" 2027-09-30T00:00:00\n", Some("2027-09-30T00:00:00")),
            ("2027-09-30T23:59:59Z", Some("2027-09-30T00:00:00")),
            ("2027-09-30T00:00:00-07:00", Some("2027-09-30T00:00:00")),
            ("2027-09-30-07:00", Some("2027-09-30T00:00:00")),
            ("2012-02-29T00:00:00", Some("2012-02-29T00:00:00")),
            ("2100-02-29", None),
            ("2027-30-09", None),
            ("2027-9-30", None),
            ("20270930", None),
            ("2027-09-300", None),
            ("0000-01-01", None),
            ("+027-09-30", None),
            ("２０27-09", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(Date::read(text).map(Date::to_date_time).as_deref(), wanted, "{text:?}");
        }
    }

    #[test]
    fn the_order_of_the_parts_is_the_responders() {
        let read = |text| Date::read_in(text, DateOrder::YearDayMonth);
        assert_eq!(read("2027-30-09"), Date::new(2027, 9, 30));
        assert_eq!(read("2027-05-04T00:00:00"), Date::new(2027, 4, 5));
        assert_eq!(read("2027-09-30"), None);
    }

    #[test]
    fn a_date_is_not_printed() {
        assert!(!format!("{:?}", Date::new(2012, 5, 4)).contains("2012"));
    }
}
