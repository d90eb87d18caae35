//! The small closed vocabularies of the field, each with the one spelling that configuration, commands, metrics and
//! messages share.

use std::fmt;
use std::sync::Arc;

/// Makes an enum whose variants have exactly one spelling each, in a table.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its one spelling.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that has this spelling, exactly.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// What a person in a roster is there as.
    Role {
        /// Somebody who is taught.
        Student = "student",
        /// A teacher or other school staff. "Staff" alone always means the library's.
        Educator = "educator",
    }
}

vocabulary! {
    /// What a card lets its holder do.
    CardModel {
        /// A full-service card.
        Full = "full",
        /// A starter card: a few items, upgraded when a parent signs.
        Starter = "starter",
        /// E-resources only.
        Digital = "digital",
        /// A card for school staff.
        Educator = "educator",
    }
}

vocabulary! {
    /// The state of a link between a person in a roster and a patron.
    LinkState {
        /// Rostercard made the patron.
        Made = "made",
        /// The patron was there and was linked.
        Linked = "linked",
        /// The patron was there with our number, made by an earlier load, and was taken over.
        Adopted = "adopted",
        /// The library chose not to make a card beside an existing one.
        Skipped = "skipped",
        /// No card yet, and nothing is wrong with the data: the library has to say something first, such as a home for a school.
        Pending = "pending",
        /// Only a person can answer: the number belongs to somebody else, two patrons could be meant.
        Review = "review",
        /// The district's data does not allow a card.
        Rejected = "rejected",
        /// The family said no.
        OptedOut = "opted_out",
        /// The card ended, or is no longer renewed; it comes back as it was.
        Lapsed = "lapsed",
        /// The patron was ours and is no longer there.
        Gone = "gone",
    }
}

impl LinkState {
    /// Whether a patron stands behind a link in this state and Rostercard looks after it.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Made | Self::Linked | Self::Adopted)
    }

    /// Whether Rostercard knows a patron behind a link in this state, looked after or not.
    #[must_use]
    pub const fn has_patron(self) -> bool {
        matches!(self, Self::Made | Self::Linked | Self::Adopted | Self::Lapsed | Self::Gone)
    }
}

/// A code of the library's or the district's own: a category, a branch, a school's code, a statistical code.
/// Not personal, and shown as it is. Cloning costs nothing: every student of a rule shares its codes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Arc<str>);

impl Code {
    /// Wraps a code, trimmed.
    #[must_use]
    pub fn new(code: impl AsRef<str>) -> Self {
        Self(code.as_ref().trim().into())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Code {
    fn from(code: &str) -> Self {
        Self::new(code)
    }
}
