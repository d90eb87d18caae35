//! The scalars of cells, read as leniently as exports write them. Nothing is guessed: a form that could mean two
//! things means none.

use jiff::civil::Date;

/// A record's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing, as a bulk file should have it.
    Blank,
    /// Active.
    Active,
    /// `tobedeleted`, or `inactive` as OneRoster 1.0 called it.
    ToBeDeleted,
    /// Something else.
    Unknown,
}

impl Status {
    /// Reads a status in any case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "" => Self::Blank,
            "active" => Self::Active,
            _ if text.eq_ignore_ascii_case("active") => Self::Active,
            _ if text.eq_ignore_ascii_case("tobedeleted") || text.eq_ignore_ascii_case("inactive") => {
                Self::ToBeDeleted
            }
            _ => Self::Unknown,
        }
    }
}

/// Reads a boolean in the forms seen: true, TRUE, 1, yes, y, t, and their opposites. Blank and anything else is none.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    const WORDS: &[(&str, bool)] = &[
        ("true", true),
        ("false", false),
        ("1", true),
        ("0", false),
        ("yes", true),
        ("no", false),
        ("y", true),
        ("n", false),
        ("t", true),
        ("f", false),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim())).map(|(_, value)| *value)
}

/// What a cell for a date says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateCell {
    /// Nothing.
    Blank,
    /// A day.
    Day(Date),
    /// A day that programs write where they know none: 0001-01-01, 1900-01-01 and their like.
    Placeholder,
    /// No date in a form that is certain. `03/04/2015` is one: which is the month depends on the country.
    Invalid,
}

impl DateCell {
    /// The day, if it is one.
    #[must_use]
    pub fn day(self) -> Option<Date> {
        match self {
            Self::Day(day) => Some(day),
            Self::Blank | Self::Placeholder | Self::Invalid => None,
        }
    }
}

/// Days that stand for "not known".
const PLACEHOLDERS: &[(i16, i8, i8)] =
    &[(1, 1, 1), (1753, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 1), (9999, 12, 31)];

/// Reads a date: `YYYY-MM-DD`, `YYYYMMDD`, `YYYY/MM/DD`, each alone or with a time behind it, which is dropped: a
/// birth date with a time zone is still that day.
#[must_use]
pub fn date(text: &str) -> DateCell {
    let text = text.trim();
    if text.is_empty() {
        return DateCell::Blank;
    }
    let Some((year, month, day)) = parts(text.as_bytes()) else {
        return DateCell::Invalid;
    };
    if PLACEHOLDERS.contains(&(year, month, day)) || (year, month, day) == (0, 0, 0) {
        return DateCell::Placeholder;
    }
    Date::new(year, month, day).map_or(DateCell::Invalid, DateCell::Day)
}

fn parts(text: &[u8]) -> Option<(i16, i8, i8)> {
    let year = digits(text.get(..4)?)?;
    let (month, day, rest) = match text.get(4)? {
        mark @ (b'-' | b'/') if text.get(7) == Some(mark) => {
            (text.get(5..7)?, text.get(8..10)?, text.get(10..)?)
        }
        _ => (text.get(4..6)?, text.get(6..8)?, text.get(8..)?),
    };
    // A time, or nothing; a ninth digit would make it some other number.
    let time = matches!(rest.first(), None | Some(b'T' | b't' | b' '));
    let small = |part| i8::try_from(digits(part)?).ok();
    time.then_some((year, small(month)?, small(day)?))
}

fn digits(text: &[u8]) -> Option<i16> {
    text.iter().try_fold(0_i16, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(i16::from(byte - b'0')))?
    })
}

/// The elements of a list cell, without the spaces around them and without empty ones.
pub fn list(cell: &str) -> impl Iterator<Item = &str> + Clone {
    cell.split(',').map(str::trim).filter(|element| !element.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as day;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statuses() {
        for (text, status) in [
            ("", Status::Blank),
            ("active", Status::Active),
            ("Active", Status::Active),
            ("tobedeleted", Status::ToBeDeleted),
            ("toBeDeleted", Status::ToBeDeleted),
            ("inactive", Status::ToBeDeleted),
            ("gone", Status::Unknown),
        ] {
            assert_eq!(Status::parse(text), status, "{text}");
        }
    }

    #[test]
    fn booleans() {
        for text in ["true", "TRUE", "True", "1", "yes", " Y ", "t"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "FALSE", "0", "no", "N"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "2", "maybe"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn dates() {
        let fifth = DateCell::Day(day(2014, 3, 5));
        for text in [
            "2014-03-05",
            "20140305",
            "2014/03/05",
            "2014-03-05T00:00:00.000Z",
            "2014-03-05 00:00:00",
            " 2014-03-05 ",
            "2014-03-05T23:59:59-08:00",
        ] {
            assert_eq!(date(text), fifth, "{text}");
        }
        for text in [
            "03/05/2014",
            "5.3.2014",
            "2014-02-30",
            "2014-3-5",
            "2014-03",
            "41703",
            "201403051",
            "2014-03/05",
            "x",
            "２０１４-03-05",
        ] {
            assert_eq!(date(text), DateCell::Invalid, "{text}");
        }
        for text in ["0001-01-01", "1900-01-01", "1900-01-01T00:00:00Z", "0000-00-00", "9999-12-31"] {
            assert_eq!(date(text), DateCell::Placeholder, "{text}");
        }
        assert_eq!(date("  "), DateCell::Blank);
    }

    #[test]
    fn lists_have_spaces() {
        assert_eq!(list(" 09, 10 ,,11,").collect::<Vec<_>>(), ["09", "10", "11"]);
        assert_eq!(list("").count(), 0);
    }

    proptest! {
        #[test]
        fn any_date_comes_back(year in 1901_i16..2100, month in 1_i8..=12, dom in 1_i8..=28) {
            let wanted = day(year, month, dom);
            prop_assert_eq!(date(&wanted.to_string()), DateCell::Day(wanted));
        }

        #[test]
        fn any_text_is_survived(text in ".*") {
            // A day is never made of more or of less than eight digits.
            prop_assert!(date(&text).day().is_none() || text.bytes().filter(u8::is_ascii_digit).count() >= 8);
            prop_assert!(boolean(&text).is_none() || text.trim().len() <= 5);
            prop_assert!(list(&text).all(|element| !element.is_empty() && element.trim() == element));
        }
    }
}
