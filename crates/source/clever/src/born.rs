//! Birth dates in the forms that Clever's documents and feeds have. What is not clear counts as unknown; nothing is guessed.

use jiff::civil::Date;

/// Nobody of a school is older.
const OLDEST: i16 = 110;

/// What a birth date came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Born {
    /// There is none.
    Unsaid,
    /// A day.
    On(Date),
    /// Something else: a finding's code and sentence.
    Odd(&'static str, &'static str),
}

/// Reads `M/D/YYYY` with or without zeros, or `YYYY-MM-DD` with or without a time.
pub(crate) fn read(text: &str, today: Date) -> Born {
    let text = text.trim();
    if text.is_empty() {
        return Born::Unsaid;
    }
    match american(text).or_else(|| iso(text)) {
        None => {
            Born::Odd("birth_date_unclear", "the birth date is none of month/day/year; it counts as unknown")
        }
        Some(date) if date > today => {
            Born::Odd("birth_date_in_future", "the birth date is in the future; it counts as unknown")
        }
        Some(date) if date.year() < today.year() - OLDEST => Born::Odd(
            "birth_date_too_old",
            "the birth date is more than a lifetime ago; it counts as unknown",
        ),
        Some(date) => Born::On(date),
    }
}

fn american(text: &str) -> Option<Date> {
    let mut parts = text.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, most: usize| {
        !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit())
    };
    // A year of two digits could be of either century.
    if parts.next().is_some() || !digits(month, 2) || !digits(day, 2) || !digits(year, 4) || year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn iso(text: &str) -> Option<Date> {
    let day = text.split_once(['T', ' ']).map_or(text, |(day, _)| day);
    if day.len() != 10 {
        return None;
    }
    day.parse().ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn cl_40_birth_dates_in_every_seen_form() {
        let today = date(2026, 11, 24);
        let on = |y, m, d| Born::On(date(y, m, d));
        for (text, wanted) in [
            ("2/11/2007", on(2007, 2, 11)),
            ("02/11/2007", on(2007, 2, 11)),
            (" 2/29/2012 ", on(2012, 2, 29)),
            ("2007-02-11", on(2007, 2, 11)),
            ("2007-02-11T00:00:00.000Z", on(2007, 2, 11)),
            ("", Born::Unsaid),
            ("   ", Born::Unsaid),
        ] {
            assert_eq!(read(text, today), wanted, "{text}");
        }
        for (text, code) in [
            ("2/30/2007", "birth_date_unclear"),
            ("13/1/2007", "birth_date_unclear"),
            ("2/11/07", "birth_date_unclear"),
            ("2/11/20007", "birth_date_unclear"),
            ("2/11", "birth_date_unclear"),
            ("2/11/2007/1", "birth_date_unclear"),
            ("11.2.2007", "birth_date_unclear"),
            ("20070211", "birth_date_unclear"),
            ("2007-2-11", "birth_date_unclear"),
            ("+2/11/2007", "birth_date_unclear"),
            ("Feb 11 2007", "birth_date_unclear"),
            ("1/1/2030", "birth_date_in_future"),
            ("1/1/1900", "birth_date_too_old"),
        ] {
            assert!(matches!(read(text, today), Born::Odd(found, _) if found == code), "{text}");
        }
    }
}
