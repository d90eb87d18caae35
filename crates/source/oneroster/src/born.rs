//! `demographics.csv`: birth dates by sourcedId. Nothing else of that file is read.

use jiff::civil::Date;
use rostercard_core::ports::ConnectorError;
use rostercard_oneroster::{Code, Columns, DateCell, Demographics, Line, Status};

use crate::error;
use crate::index::{Index, Key};
use crate::open::Opened;
use crate::read::Watch;
use crate::tally::Tally;

/// What a row of the file says, in eight bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Born {
    /// `YYYYMMDD`, or one of the words below.
    day: i32,
    line: u32,
}

const BLANK: i32 = 0;
const INVALID: i32 = -1;
const PLACEHOLDER: i32 = -2;
const FUTURE: i32 = -3;

/// What the file says of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BirthDay {
    /// Nothing.
    None,
    /// A day.
    Day(Date),
    /// Something that is no birth date, at this line.
    Odd { code: &'static str, message: &'static str, line: u64 },
}

impl Born {
    pub(crate) fn new(cell: DateCell, line: u64, today: Date) -> Self {
        let day = match cell {
            DateCell::Blank => BLANK,
            DateCell::Invalid => INVALID,
            DateCell::Placeholder => PLACEHOLDER,
            DateCell::Day(day) if day > today => FUTURE,
            DateCell::Day(day) => {
                i32::from(day.year()) * 10_000 + i32::from(day.month()) * 100 + i32::from(day.day())
            }
        };
        Self { day, line: u32::try_from(line).unwrap_or(u32::MAX) }
    }

    fn read(self) -> BirthDay {
        let odd = |code: &'static str, message| BirthDay::Odd { code, message, line: u64::from(self.line) };
        match self.day {
            BLANK => BirthDay::None,
            INVALID => odd(Code::RowInvalidDate.code(), Code::RowInvalidDate.sentence()),
            PLACEHOLDER => odd(Code::RowPlaceholderDate.code(), Code::RowPlaceholderDate.sentence()),
            FUTURE => odd("birth_date_in_future", "the birth date is in the future; it counts as unknown"),
            day => {
                let part = |value: i32| i8::try_from(value % 100).unwrap_or(0);
                let year = i16::try_from(day / 10_000).unwrap_or(0);
                Date::new(year, part(day / 100), part(day)).map_or(BirthDay::None, BirthDay::Day)
            }
        }
    }
}

/// The birth date of one person, from all rows that the file has of them.
pub(crate) fn birth_day(index: &mut Index<Born>, key: Key) -> BirthDay {
    match index.get(key) {
        [] => BirthDay::None,
        [only] => only.read(),
        [first, rest @ ..] => match rest.iter().find(|other| other.day != first.day) {
            None => first.read(),
            Some(other) => BirthDay::Odd {
                code: "birth_dates_differ",
                message: "demographics.csv has two birth dates for one person; none is taken",
                line: u64::from(other.line),
            },
        },
    }
}

/// Reads the file, if there is one.
pub(crate) fn read(
    opened: &Opened,
    today: Date,
    watch: &Watch<'_>,
    tally: &mut Tally,
) -> Result<Index<Born>, ConnectorError> {
    if !opened.has(Demographics::FILE) {
        let message = "there is no demographics.csv: nobody's birth date is known";
        tally.count("demographics_absent", Demographics::FILE, 0, message);
        return Ok(Index::default());
    }
    opened.table::<Demographics, _>(|mut table, findings| {
        tally.add(Demographics::FILE, findings);
        let (mut keys, mut days) = (Vec::new(), Vec::new());
        let mut rows = 0_u64;
        while let Some(line) = table.next_line().map_err(error::read)? {
            rows += 1;
            if watch.stop(rows) {
                break;
            }
            let row = match line {
                Line::Row(row) => row,
                Line::Damaged(damaged) => {
                    tally.count_code(damaged.code, Demographics::FILE, damaged.line, None);
                    // Bytes that are no text in a column that is not read harm nobody.
                    let usable = |row: &rostercard_oneroster::Row<'_, Demographics>| {
                        row.is_text(Demographics::SourcedId) && row.is_text(Demographics::BirthDate)
                    };
                    match damaged.cells.filter(usable) {
                        Some(row) => row,
                        None => {
                            // Whose birth date it was is not known, and a birth date may be what a card hangs on.
                            tally.incomplete(damaged.code.code());
                            continue;
                        }
                    }
                }
            };
            match row.status(Demographics::Status) {
                Status::ToBeDeleted => continue,
                Status::Blank => {}
                Status::Active | Status::Unknown => {
                    tally.count_code(
                        Code::RowFieldForbiddenInBulk,
                        Demographics::FILE,
                        row.line(),
                        Some("status"),
                    );
                }
            }
            let id = row.get(Demographics::SourcedId);
            if id.is_empty() {
                let message = "a row of demographics.csv has no sourcedId; it was left out";
                tally.count("demographics_without_id", Demographics::FILE, row.line(), message);
                continue;
            }
            let born = Born::new(row.date(Demographics::BirthDate), row.line(), today);
            keys.push(Key::of(id));
            days.push(born);
        }
        if rows == 0 {
            tally.count_code(Code::TableMissingDataRows, Demographics::FILE, 1, None);
            tally.incomplete(Code::TableMissingDataRows.code());
        }
        Ok(Index::new(keys, days))
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_comes_back() {
        let today = date(2026, 11, 24);
        for day in [date(2014, 1, 31), date(1999, 12, 1), today] {
            assert_eq!(Born::new(DateCell::Day(day), 7, today).read(), BirthDay::Day(day));
        }
        assert_eq!(Born::new(DateCell::Blank, 7, today).read(), BirthDay::None);
        let odd = Born::new(DateCell::Day(date(2026, 11, 25)), 7, today).read();
        assert!(matches!(odd, BirthDay::Odd { code: "birth_date_in_future", line: 7, .. }));
    }

    #[test]
    fn two_birth_dates_for_one_person_are_none() {
        let today = date(2026, 11, 24);
        let born = |days: [Date; 2]| {
            let days =
                [2, 3].into_iter().zip(days).map(|(line, day)| Born::new(DateCell::Day(day), line, today));
            Index::new(vec![Key::of("a"); 2], days.collect())
        };
        let mut same = born([date(2014, 1, 2), date(2014, 1, 2)]);
        assert_eq!(birth_day(&mut same, Key::of("a")), BirthDay::Day(date(2014, 1, 2)));
        let mut other = born([date(2014, 1, 2), date(2014, 2, 1)]);
        assert!(matches!(
            birth_day(&mut other, Key::of("a")),
            BirthDay::Odd { code: "birth_dates_differ", line: 3, .. }
        ));
    }
}
