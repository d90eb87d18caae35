//! Text of a variable field: it may be about a person or be a password, so it cannot be printed by accident.

use std::fmt;

/// The text of a variable field. No `Display`, and a `Debug` that shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(String);

impl Value {
    /// Wraps text as it is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. For the wire and for whoever asked for it; never for a log or an error.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing but white space in it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Puts the piece after a delimiter back that turned out to be part of the text.
    pub(crate) fn rejoin(&mut self, delimiter: char, piece: &str) {
        self.0.push(delimiter);
        self.0.push_str(piece);
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}
