//! How dates, moments and digests lie in columns.

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use rostercard_core::digest::Digest;
use rusqlite::Row;

use super::fault::{Fault, damaged};

const EPOCH: Date = Date::constant(1970, 1, 1);
const SECONDS_OF_A_DAY: i64 = 86_400;

/// Days since 1970-01-01.
pub(super) fn days(date: Date) -> i64 {
    date.duration_since(EPOCH).as_secs() / SECONDS_OF_A_DAY
}

/// The date of so many days.
pub(super) fn date(days: i64) -> Result<Date, Fault> {
    Span::new()
        .try_days(days)
        .and_then(|span| EPOCH.checked_add(span))
        .map_err(|_| damaged("a date beyond the calendar"))
}

/// Nanoseconds since 1970. Moments beyond the year 2262 or before 1677, which no run has, are kept as the last or
/// first that fits.
pub(super) fn nanoseconds(moment: Timestamp) -> i64 {
    let exact = moment.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The moment of so many nanoseconds.
pub(super) fn moment(nanoseconds: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|_| damaged("a moment beyond the calendar"))
}

/// A count from a column.
pub(super) fn count<T: TryFrom<i64>>(number: i64) -> Result<T, Fault> {
    T::try_from(number).map_err(|_| damaged("a count that is none"))
}

/// A digest from a column.
pub(super) fn digest(row: &Row<'_>, column: usize) -> Result<Digest, Fault> {
    Ok(Digest(row.get::<_, [u8; 16]>(column)?))
}

/// A digest from a column that may be empty.
pub(super) fn optional_digest(row: &Row<'_>, column: usize) -> Result<Option<Digest>, Fault> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(Digest))
}

/// A date from a column that may be empty.
pub(super) fn optional_date(row: &Row<'_>, column: usize) -> Result<Option<Date>, Fault> {
    row.get::<_, Option<i64>>(column)?.map(date).transpose()
}

/// A moment from a column that may be empty.
pub(super) fn optional_moment(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    row.get::<_, Option<i64>>(column)?.map(moment).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        for (day, expected) in [
            (Date::constant(1970, 1, 1), 0),
            (Date::constant(1969, 12, 31), -1),
            (Date::constant(2026, 11, 24), 20_781),
        ] {
            assert_eq!(days(day), expected);
        }
    }

    proptest! {
        #[test]
        fn dates_and_moments_come_back(d in -700_000i64..2_900_000, n in any::<i64>()) {
            prop_assert_eq!(days(date(d).ok().unwrap()), d);
            prop_assert_eq!(nanoseconds(moment(n).ok().unwrap()), n);
        }

        #[test]
        fn other_numbers_are_damage(d in 3_000_000i64..) {
            prop_assert!(date(d).is_err());
        }
    }
}
