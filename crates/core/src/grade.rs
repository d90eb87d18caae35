//! School grades in one order, from the many spellings rosters use (CEDS codes first).
//!
//! A spelling that is not known is no grade rather than a guess; rules that need a grade then say so.

use std::fmt;
use std::ops::RangeInclusive;

/// A grade, in school order: infants before kindergarten, kindergarten before grade 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grade(u8);

/// Codes below grade 1, and above grade 13, in order.
const NAMED: &[(u8, &str, &[&str])] = &[
    (1, "IT", &["IT", "INFANT", "TODDLER"]),
    (2, "PR", &["PR", "PRESCHOOL", "PS3", "PS4"]),
    (3, "PK", &["PK", "PREK", "PRE-K", "P4", "P3", "PREKINDERGARTEN", "-1", "-2"]),
    (4, "TK", &["TK", "TRANSITIONALKINDERGARTEN"]),
    (5, "KG", &["KG", "K", "KN", "KF", "KH", "KINDERGARTEN", "00", "0"]),
    (30, "PS", &["PS", "POSTSECONDARY"]),
    (31, "UG", &["UG", "UNGRADED", "OTHER"]),
];
/// What is added to a grade's number.
const BASE: u8 = 10;

impl Grade {
    /// Kindergarten.
    pub const KINDERGARTEN: Self = Self(5);

    /// Grade 1 to 13.
    #[must_use]
    pub fn number(number: u8) -> Option<Self> {
        (1..=13).contains(&number).then(|| Self(BASE + number))
    }

    /// Reads a grade in any seen spelling: `06`, `6`, `6th`, `Grade 6`, `KG`, `K`, `TK`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // The plain two-digit form is by far the most common, and this runs once a student.
        if let Some(grade) = digits(text) {
            return grade;
        }
        let upper: String = text.to_ascii_uppercase().chars().filter(|c| !c.is_whitespace()).collect();
        let upper = upper.strip_prefix("GRADE").unwrap_or(&upper);
        if let Some((code, ..)) = NAMED.iter().find(|(_, _, spellings)| spellings.contains(&upper)) {
            return Some(Self(*code));
        }
        let number = ["ST", "ND", "RD", "TH"].iter().find_map(|s| upper.strip_suffix(s)).unwrap_or(upper);
        digits(number).flatten()
    }

    /// Its number, for grades 1 to 13.
    #[must_use]
    pub fn as_number(self) -> Option<u8> {
        (BASE + 1..=BASE + 13).contains(&self.0).then(|| self.0 - BASE)
    }

    /// How many years until a student of this grade finishes `last` at the end of a school year; 0 in that grade
    /// itself. `None` where the grade does not say (ungraded, after school).
    #[must_use]
    pub fn years_until(self, last: Self) -> Option<i16> {
        let step = |grade: Self| match grade.as_number() {
            Some(number) => Some(i16::from(number)),
            None if grade == Self::KINDERGARTEN => Some(0),
            // Transitional and pre-kindergarten stand one year before kindergarten, infants further.
            None if grade.0 == 3 || grade.0 == 4 => Some(-1),
            None => None,
        };
        Some(step(last)? - step(self)?).filter(|years| *years >= 0)
    }

    /// Its number in the store; see [`Self::from_code`].
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }

    /// The grade a stored number stands for.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        let grade = Self(code);
        (grade.as_number().is_some() || NAMED.iter().any(|(c, ..)| *c == code)).then_some(grade)
    }
}

/// `Some(None)` for digits that are no grade, `None` for what is not digits.
fn digits(text: &str) -> Option<Option<Grade>> {
    if text.is_empty() || text.len() > 2 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match text.parse::<u8>() {
        Ok(0) => Some(Some(Grade::KINDERGARTEN)),
        Ok(number) => Some(Grade::number(number)),
        Err(_) => None,
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_number() {
            Some(number) => write!(f, "{number:02}"),
            None => f.write_str(NAMED.iter().find(|(c, ..)| *c == self.0).map_or("UG", |(_, name, _)| name)),
        }
    }
}

/// A set of grades, as rules write it: `"K-5"`, `"6"`, `"TK-12"`, several of them in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GradeSet(Vec<RangeInclusive<Grade>>);

impl GradeSet {
    /// Reads one entry: a grade or a band `FROM-TO`. `None` where it is neither, or runs backwards.
    #[must_use]
    pub fn parse_entry(text: &str) -> Option<RangeInclusive<Grade>> {
        if let Some(grade) = Grade::parse(text) {
            return Some(grade..=grade);
        }
        let (from, to) = text.split_once('-')?;
        let (from, to) = (Grade::parse(from)?, Grade::parse(to)?);
        (from <= to).then_some(from..=to)
    }

    /// A set of several entries.
    #[must_use]
    pub fn new(entries: Vec<RangeInclusive<Grade>>) -> Self {
        Self(entries)
    }

    /// Whether a grade is in the set.
    #[must_use]
    pub fn contains(&self, grade: Grade) -> bool {
        self.0.iter().any(|band| band.contains(&grade))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (text, shown) in [
            ("06", "06"),
            ("6", "06"),
            ("6th", "06"),
            ("Grade 6", "06"),
            ("KG", "KG"),
            ("k", "KG"),
            ("0", "KG"),
            ("TK", "TK"),
            ("Pre-K", "PK"),
            ("12", "12"),
            ("13", "13"),
            (" 1 ", "01"),
            ("1st", "01"),
            ("Other", "UG"),
        ] {
            assert_eq!(Grade::parse(text).map(|g| g.to_string()).as_deref(), Some(shown), "{text}");
        }
        for text in ["", "14", "99", "x", "-", "1.0E+1", "six"] {
            assert_eq!(Grade::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bands_are_in_school_order() {
        let elementary = GradeSet::new(vec![GradeSet::parse_entry("TK-5").unwrap()]);
        assert!(elementary.contains(Grade::KINDERGARTEN));
        assert!(elementary.contains(Grade::parse("TK").unwrap()));
        assert!(!elementary.contains(Grade::parse("6").unwrap()));
        assert!(GradeSet::parse_entry("8-6").is_none());
    }

    #[test]
    fn codes_come_back() {
        for code in 0..=u8::MAX {
            if let Some(grade) = Grade::from_code(code) {
                assert_eq!(grade.code(), code);
                assert_eq!(Grade::parse(&grade.to_string()), Some(grade));
            }
        }
        assert_eq!(Grade::from_code(0), None);
    }

    #[test]
    fn years_to_graduation() {
        let last = Grade::number(12).unwrap();
        assert_eq!(Grade::number(12).unwrap().years_until(last), Some(0));
        assert_eq!(Grade::KINDERGARTEN.years_until(last), Some(12));
        assert_eq!(Grade::parse("UG").unwrap().years_until(last), None);
    }
}
