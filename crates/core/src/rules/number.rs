//! The card's number: a template over the student id, or the next of a range of the library's. Never cut, never
//! guessed: what does not fit is a reject.

use crate::patron::Number;
use crate::privacy::Personal;
use crate::reason::Reject;
use crate::words::{Code, vocabulary};

vocabulary! {
    /// A check digit at the end of a number.
    CheckDigit {
        /// None.
        None = "none",
        /// Modulus 10 as on library cards with 14 digits (Luhn).
        Mod10 = "mod10",
    }
}

/// How a number is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberRule {
    /// From the student id.
    Template(NumberTemplate),
    /// From a range of the library's.
    Range(NumberRange),
}

/// A template such as `77{student_id:0>8}`: text, and the student id once, padded on the left if a width is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberTemplate {
    prefix: String,
    suffix: String,
    /// The character to pad with, and the width to pad to.
    pad: Option<(char, usize)>,
    /// The check digit after everything else.
    pub check_digit: CheckDigit,
    /// The shortest student id that is believed; a shorter one has lost its leading zeros.
    pub student_id_min: usize,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no variable in it, so every card would have the same number.
    #[error("the template has no {{student_id}} in it, so every student would get the same number")]
    NoVariable,
    /// The variable stands in it twice.
    #[error("{{student_id}} stands in the template twice")]
    Twice,
    /// Another variable.
    #[error("there is no variable `{0}`; the one there is, is {{student_id}}")]
    Unknown(String),
    /// The part after the colon.
    #[error("`{0}` is no padding: write {{student_id:0>8}} to fill with zeros to 8 characters")]
    Padding(String),
    /// A brace without its fellow.
    #[error("a brace is not closed")]
    Brace,
    /// A character that cannot be on a card.
    #[error("`{0}` cannot be part of a card's number: letters A to Z, digits and hyphens can")]
    Character(char),
}

/// Characters that can be on a card, in a barcode and in every ILS.
fn fits_card(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

impl NumberTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let Some((prefix, rest)) = text.split_once('{') else {
            return Err(if text.contains('}') { TemplateError::Brace } else { TemplateError::NoVariable });
        };
        let (variable, suffix) = rest.split_once('}').ok_or(TemplateError::Brace)?;
        if suffix.contains('{') {
            return Err(TemplateError::Twice);
        }
        if suffix.contains('}') || prefix.contains('}') {
            return Err(TemplateError::Brace);
        }
        let (name, padding) = match variable.split_once(':') {
            Some((name, padding)) => (name, Some(padding)),
            None => (variable, None),
        };
        if name.trim() != "student_id" {
            return Err(TemplateError::Unknown(name.trim().to_owned()));
        }
        let pad = padding
            .map(|p| parse_padding(p).ok_or_else(|| TemplateError::Padding(p.to_owned())))
            .transpose()?;
        if let Some(c) =
            prefix.chars().chain(suffix.chars()).chain(pad.map(|(c, _)| c)).find(|c| !fits_card(*c))
        {
            return Err(TemplateError::Character(c));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            pad,
            check_digit: CheckDigit::None,
            student_id_min: 1,
        })
    }

    /// The number for a student.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn apply(&self, student_id: &Personal, number_max: usize) -> Result<Personal, Reject> {
        let id = student_id.reveal();
        check_student_id(id)?;
        if id.len() < self.student_id_min {
            return Err(Reject::NumberTooShort { length: id.len(), least: self.student_id_min });
        }
        let mut number = String::with_capacity(self.prefix.len() + self.suffix.len() + id.len().max(16));
        number.push_str(&self.prefix);
        if let Some((fill, width)) = self.pad {
            if id.len() > width {
                return Err(Reject::NumberTooLong { length: id.len(), most: width });
            }
            number.extend(std::iter::repeat_n(fill, width - id.len()));
        }
        number.push_str(id);
        number.push_str(&self.suffix);
        if self.check_digit == CheckDigit::Mod10 {
            number.push(mod10(&number).ok_or(Reject::NumberCharacter)?);
        }
        if number.len() > number_max {
            return Err(Reject::NumberTooLong { length: number.len(), most: number_max });
        }
        Ok(Personal::new(number))
    }
}

/// `0>8`: fill, `>`, width.
fn parse_padding(text: &str) -> Option<(char, usize)> {
    let mut chars = text.chars();
    let (fill, arrow) = (chars.next()?, chars.next()?);
    let width: usize = chars.as_str().parse().ok()?;
    (arrow == '>' && (1..=64).contains(&width)).then_some((fill, width))
}

/// Whether a student id can be trusted to be one.
fn check_student_id(id: &str) -> Result<(), Reject> {
    if id.is_empty() {
        return Err(Reject::NumberMissing);
    }
    if id.chars().all(fits_card) && !looks_exponential(id) {
        return Ok(());
    }
    Err(if looks_like_spreadsheet_damage(id) { Reject::NumberDamaged } else { Reject::NumberCharacter })
}

/// `1E5`, `12E05`: digits, an E, digits. A spreadsheet's work far more often than a district's own id.
fn looks_exponential(id: &str) -> bool {
    let Some((mantissa, exponent)) = id.split_once(['E', 'e']) else {
        return false;
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    digits(mantissa) && digits(exponent.strip_prefix('-').unwrap_or(exponent))
}

/// `1.23E+05`, `123456.0`, `#REF!`, `1,234`: what a spreadsheet makes of a number.
fn looks_like_spreadsheet_damage(id: &str) -> bool {
    let numeric =
        id.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'E' | b'e' | b'+' | b'-'));
    (numeric && id.bytes().any(|b| b.is_ascii_digit())) || id.starts_with('#')
}

/// The modulus 10 check digit of a string of digits; `None` where it has other characters.
#[must_use]
pub fn mod10(digits: &str) -> Option<char> {
    let mut sum = 0;
    for (i, c) in digits.chars().rev().enumerate() {
        let mut value = c.to_digit(10)?;
        if i % 2 == 0 {
            value *= 2;
            if value > 9 {
                value -= 9;
            }
        }
        sum += value;
    }
    char::from_digit((10 - sum % 10) % 10, 10)
}

/// A range of numbers that the library set apart: `first` to `last`, without the check digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRange {
    /// The range's name; partnerships that name the same range of the same ILS draw from it together.
    pub name: Code,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
    /// How many digits a number has, leading zeros included, before the check digit.
    pub width: usize,
    /// The check digit that is put behind.
    pub check_digit: CheckDigit,
}

impl NumberRange {
    /// The card's number for a position in the range; `None` past its end.
    #[must_use]
    pub fn number(&self, position: u64) -> Option<Personal> {
        let value = self.first.checked_add(position).filter(|value| *value <= self.last)?;
        let mut number = format!("{value:0width$}", width = self.width);
        if self.check_digit == CheckDigit::Mod10 {
            number.push(mod10(&number)?);
        }
        Some(Personal::new(number))
    }

    /// How many numbers the range holds.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.last.saturating_sub(self.first)).saturating_add(1)
    }
}

impl NumberRule {
    /// The number a student's card gets.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn apply(&self, student_id: &Personal, number_max: usize) -> Result<Number, Reject> {
        match self {
            Self::Template(template) => template.apply(student_id, number_max).map(Number::Given),
            Self::Range(range) => {
                // The number does not need it, but a person without a trustworthy id cannot be recognised tomorrow.
                check_student_id(student_id.reveal())?;
                Ok(Number::Issued { range: range.name.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(template: &str, id: &str) -> Result<String, Reject> {
        NumberTemplate::parse(template).unwrap().apply(&Personal::new(id), 14).map(Personal::into_revealed)
    }

    #[test]
    fn s07_prefixes_and_padding_by_rule() {
        assert_eq!(apply("77{student_id:0>8}", "00123").unwrap(), "7700000123");
        assert_eq!(apply("{student_id}", "00123").unwrap(), "00123");
        assert_eq!(apply("ABCD{student_id}-X", "7").unwrap(), "ABCD7-X");
        assert_eq!(apply("990000{student_id:0>7}", "1234567").unwrap(), "9900001234567");
    }

    #[test]
    fn s07_damaged_and_over_long_numbers_are_rejected_never_cut() {
        assert_eq!(apply("77{student_id:0>4}", "12345"), Err(Reject::NumberTooLong { length: 5, most: 4 }));
        assert_eq!(
            apply("77{student_id}", "1234567890123"),
            Err(Reject::NumberTooLong { length: 15, most: 14 })
        );
        for damaged in ["1.23E+05", "1.23457E+11", "123456.0", "1E5", "12e05", "#REF!", "1,234"] {
            assert_eq!(apply("{student_id}", damaged), Err(Reject::NumberDamaged), "{damaged}");
        }
        for odd in ["12 34", "12/34", "Zoë", "1\u{0}2", "a_b"] {
            assert_eq!(apply("{student_id}", odd), Err(Reject::NumberCharacter), "{odd}");
        }
        assert_eq!(apply("{student_id}", ""), Err(Reject::NumberMissing));
        let mut known_width = NumberTemplate::parse("{student_id}").unwrap();
        known_width.student_id_min = 6;
        let short = known_width.apply(&Personal::new("123"), 14);
        assert_eq!(short.unwrap_err(), Reject::NumberTooShort { length: 3, least: 6 });
    }

    #[test]
    fn templates_that_cannot_work_are_told() {
        for (text, error) in [
            ("7700000000", TemplateError::NoVariable),
            ("{student_id", TemplateError::Brace),
            ("{id}", TemplateError::Unknown("id".into())),
            ("{student_id}{student_id}", TemplateError::Twice),
            ("{student_id:8}", TemplateError::Padding("8".into())),
            ("{student_id:0>x}", TemplateError::Padding("0>x".into())),
            ("77 {student_id}", TemplateError::Character(' ')),
        ] {
            assert_eq!(NumberTemplate::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn check_digits() {
        // The usual example of the algorithm, and a 14-digit library card of our own making.
        assert_eq!(mod10("7992739871"), Some('3'));
        assert_eq!(mod10("2123400000000"), Some('0'));
        assert_eq!(mod10("12a"), None);
        let mut template = NumberTemplate::parse("2{student_id:0>8}").unwrap();
        template.check_digit = CheckDigit::Mod10;
        assert_eq!(template.apply(&Personal::new("12345"), 14).unwrap().reveal(), "2000123451");
        assert_eq!(template.apply(&Personal::new("A1"), 14), Err(Reject::NumberCharacter));
    }

    #[test]
    fn ranges_end() {
        let range = NumberRange {
            name: "main".into(),
            first: 21_234_000,
            last: 21_234_001,
            width: 9,
            check_digit: CheckDigit::Mod10,
        };
        assert_eq!(range.size(), 2);
        assert_eq!(range.number(0).unwrap().reveal().len(), 10);
        assert!(range.number(1).is_some());
        assert!(range.number(2).is_none());
    }
}
