//! What names may look like: those of ILSs, sources and partnerships, and those of secrets.

use std::fmt;

/// The name of an ILS, a source or a partnership: lowercase letters, digits and hyphens, 1 to 63 of them, neither
/// beginning nor ending with a hyphen. So it serves as a file's name, in an address and in a metric alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name, where it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        fits.then(|| Self(text.to_owned()))
    }

    /// The nearest name to a text that is none, for advice: `Main ILS` becomes `main-ils`.
    #[must_use]
    pub fn suggest(text: &str) -> Option<Self> {
        let mut made = String::new();
        for c in text.chars().flat_map(char::to_lowercase).take(63) {
            if c.is_ascii_alphanumeric() {
                made.push(c);
            } else if !made.ends_with('-') && !made.is_empty() {
                made.push('-');
            }
        }
        Self::new(made.trim_end_matches('-'))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text can name a credential or a variable: letters, digits, `.`, `_` and `-`, and no way out of a folder.
#[must_use]
pub fn is_reference_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && text.bytes().any(|b| b != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lowercase_letters_digits_and_hyphens() {
        for good in ["main", "woodland-usd", "9", "a".repeat(63).as_str()] {
            assert!(Name::new(good).is_some(), "{good}");
        }
        for bad in ["", "Main", "a_b", "-a", "a-", "a b", "é", "../x", "a".repeat(64).as_str()] {
            assert!(Name::new(bad).is_none(), "{bad}");
        }
        assert_eq!(Name::suggest("Woodland_USD ").map(|n| n.to_string()).as_deref(), Some("woodland-usd"));
        assert_eq!(Name::suggest("???"), None);
    }

    #[test]
    fn a_reference_never_leaves_its_folder() {
        for good in ["koha", "KOHA_SECRET", "a.b-c"] {
            assert!(is_reference_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "../a", "a b", "a\n", "é", "a\\b", "a\0"] {
            assert!(!is_reference_name(bad), "{bad:?}");
        }
    }
}
