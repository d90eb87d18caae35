//! Text that must not be printed: names, addresses, numbers, PINs, and whatever a responder wrote as free text.
//!
//! It deliberately has no `Display`, and its `Debug` shows nothing of the value.

use std::fmt;

/// A value that may be personal. Read it with [`Text::reveal`], where it is on its way to the wire or to a comparison.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(String);

impl Text {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. Each call is a place to look at when asking where personal values go.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it but white space.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for Text {
    fn from(value: String) -> Self {
        Self(value)
    }
}
