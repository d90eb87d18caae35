//! Types for values about a person and for secrets: they cannot be printed by accident.
//!
//! Neither type has `Display`, and their `Debug` shows nothing of the value. Who needs the value says
//! [`Personal::reveal`] or [`Secret::reveal`], which is easy to find in a review. They have no `Serialize` either:
//! the only way into the store is the sealed form of [`crate::spool`].

use std::fmt;

use jiff::civil::Date;
use zeroize::Zeroize;

/// Text about a person: a name, a number that names the person, an e-mail address, a line of an address.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Personal(String);

impl Personal {
    /// Wraps a value as it is; nothing is trimmed or normalised.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// `Some` where the value holds more than white space, trimmed; else `None`.
    #[must_use]
    pub fn non_blank(value: &str) -> Option<Self> {
        let value = value.trim();
        (!value.is_empty()).then(|| Self(value.to_owned()))
    }

    /// The value itself. For the wire, the sealed store and digests; never for a log, a metric or an error.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The value itself, taken out.
    #[must_use]
    pub fn into_revealed(self) -> String {
        self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

/// A birth date. As personal as a name, and wrapped for the same reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate(Date);

impl BirthDate {
    /// Wraps a calendar date.
    #[must_use]
    pub fn new(date: Date) -> Self {
        Self(date)
    }

    /// The date itself. Never for a log, a metric or an error.
    #[must_use]
    pub fn reveal(self) -> Date {
        self.0
    }

    /// Whole years lived on a day; `None` before birth. A person born on 29 February has the birthday on 1 March in
    /// other years, as California counts it.
    #[must_use]
    pub fn age_on(self, day: Date) -> Option<u8> {
        let mut years = i32::from(day.year()) - i32::from(self.0.year());
        if (day.month(), day.day()) < (self.0.month(), self.0.day()) {
            years -= 1;
        }
        u8::try_from(years).ok()
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthDate(…)")
    }
}

/// A secret: a PIN, a password, a token. Wiped from memory when dropped.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value as it is.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. For the wire and the sealed store only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn nothing_personal_shows_in_debug() {
        let shown = format!(
            "{:?} {:?} {:?}",
            Personal::new("Zoë"),
            Secret::new("4711"),
            BirthDate::new(date(2014, 5, 6))
        );
        for part in ["Zo", "4711", "2014", "05"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn s17_age_turns_on_the_birthday() {
        let born = BirthDate::new(date(2013, 11, 24));
        assert_eq!(born.age_on(date(2026, 11, 23)), Some(12));
        assert_eq!(born.age_on(date(2026, 11, 24)), Some(13));
        assert_eq!(born.age_on(date(2013, 11, 23)), None);
        let leap = BirthDate::new(date(2012, 2, 29));
        assert_eq!(leap.age_on(date(2025, 2, 28)), Some(12));
        assert_eq!(leap.age_on(date(2025, 3, 1)), Some(13));
    }
}
