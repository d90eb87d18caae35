//! What vendors put into a 64 beside the standard's fields, and how they write dates.

use crate::fields::FieldCode;

/// A vendor's way with 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// The standard's fields alone.
    #[default]
    Generic,
    /// Koha.
    Koha,
    /// Evergreen.
    Evergreen,
    /// Polaris, whose PA, PB and PC are something else than Evergreen's.
    Polaris,
    /// Sierra.
    Sierra,
}

/// Which field holds what; none where the vendor sends no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DialectFields {
    /// The day the card expires.
    pub expiry: Option<FieldCode>,
    /// The birth date.
    pub birth_date: Option<FieldCode>,
    /// The category (patron type).
    pub category: Option<FieldCode>,
    /// The home branch.
    pub home_branch: Option<FieldCode>,
    /// The ILS's own id of the record.
    pub internal_id: Option<FieldCode>,
}

impl Dialect {
    /// All of them, with the word for each.
    pub const ALL: [(&'static str, Self); 5] = [
        ("generic", Self::Generic),
        ("koha", Self::Koha),
        ("evergreen", Self::Evergreen),
        ("polaris", Self::Polaris),
        ("sierra", Self::Sierra),
    ];

    /// Which field holds what.
    #[must_use]
    pub fn fields(self) -> DialectFields {
        let code = FieldCode::parse;
        match self {
            Self::Generic | Self::Sierra => DialectFields::default(),
            Self::Koha => DialectFields {
                expiry: code("PA"),
                birth_date: code("PB"),
                category: code("PC"),
                home_branch: code("AQ"),
                internal_id: None,
            },
            Self::Evergreen => DialectFields {
                expiry: code("PA"),
                birth_date: code("PB"),
                category: code("PC"),
                home_branch: code("AQ"),
                internal_id: code("XI"),
            },
            Self::Polaris => DialectFields {
                expiry: code("PX"),
                birth_date: code("BC"),
                category: None,
                home_branch: None,
                internal_id: None,
            },
        }
    }
}

/// A calendar day: year, month, day of the month.
pub type Day = (u16, u8, u8);

/// Reads a day as servers write it: `20270507`, `20270507    235959`, `2027-05-07`, `05/07/2027`. None where it is none of
/// these, or no day of the calendar.
#[must_use]
pub fn day(text: &str) -> Option<Day> {
    let text = text.trim();
    let head = |n: usize| text.get(..n);
    let number = |text: &str| -> Option<u16> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let part = |from: usize, to: usize| text.get(from..to).and_then(number);
    let (year, month, day) =
        if head(8).and_then(|h| h.bytes().all(|b| b.is_ascii_digit()).then_some(())).is_some() {
            let rest = text.get(8..)?;
            if rest.starts_with(|c: char| c.is_ascii_digit()) && rest.len() != 10 {
                return None;
            }
            (part(0, 4)?, part(4, 6)?, part(6, 8)?)
        } else if text.get(4..5) == Some("-") && text.get(7..8) == Some("-") {
            (part(0, 4)?, part(5, 7)?, part(8, 10)?)
        } else if text.get(2..3) == Some("/") && text.get(5..6) == Some("/") {
            (part(6, 10)?, part(0, 2)?, part(3, 5)?)
        } else {
            return None;
        };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 => 28 + u16::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let right = year >= 1 && (1..=last).contains(&day);
    right.then_some((year, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_servers_write_them() {
        for (text, wanted) in [
            ("20191004", Some((2019, 10, 4))),
            ("20170424    235959", Some((2017, 4, 24))),
            ("201704240000235959", Some((2017, 4, 24))),
            ("2027-05-07", Some((2027, 5, 7))),
            ("05/07/2027", Some((2027, 5, 7))),
            ("20230229", None),
            ("20240229", Some((2024, 2, 29))),
            ("1", None),
            ("", None),
            ("837392", None),
            ("21181091247604", None),
            ("2027-5-7", None),
            ("é0270507", None),
        ] {
            assert_eq!(day(text), wanted, "{text}");
        }
    }
}
