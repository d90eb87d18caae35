//! Telling people: what is to be told to whom and when ([`rules`]), in which words ([`letter`]), and the two ways of it,
//! [`mail`] and [`webhook`].
//!
//! The rules and the words are pure: facts and moments come in, letters come out. What was told is remembered by whoever
//! calls, so that a restart does not tell twice. Nothing here knows a name, a birth date or a card's number; the ids of
//! rejected records are in a letter for the district that sent them, and in no other.

pub mod letter;
pub mod mail;
pub mod rules;
pub mod webhook;

pub use letter::{Item, Letter};
pub use mail::{Mail, MailSettings, Security};
pub use rules::{About, Digest, End, Kind, Memory, News, RejectLine, Seen, Situation, Step, Waits, What};
pub use webhook::{Signing, Webhook};

/// Why a message did not go out. It is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TellError {
    /// Our side: a setting that cannot be used.
    #[error("{why}")]
    Settings {
        /// What is wrong with it.
        why: String,
    },
    /// The other side could not be reached, or did not answer within the deadline. It may have the message all the same.
    #[error("{server}: {why}")]
    NoAnswer {
        /// Which server: host and port alone.
        server: String,
        /// Why.
        why: String,
    },
    /// The other side said no.
    #[error("{server} refused the message: {why}")]
    Refused {
        /// Which server: host and port alone.
        server: String,
        /// What it said, as far as that is ours to repeat: its code.
        why: String,
        /// Whether it may say yes later.
        later: bool,
    },
}

impl TellError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "see [mail] and [[contacts]] in the configuration, and docs/telling.md",
            Self::NoAnswer { .. } => {
                "is the server up, and may this machine reach it? `rostercard contacts test` tries again"
            }
            Self::Refused { later: true, .. } => "the server asks for patience; it is tried again",
            Self::Refused { later: false, .. } => {
                "look at the address, the login and what this machine may send there; `rostercard contacts test` tries again"
            }
        }
    }
}
