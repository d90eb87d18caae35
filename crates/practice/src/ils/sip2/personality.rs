//! How a practice SIP2 server behaves: as real ones do, each in its own way.

use std::time::Duration;

/// What a server does with a message that it does not know, or was not told how to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// Closes the connection without a word.
    Close,
    /// Says nothing and waits for the next.
    Ignore,
    /// Writes `None` without an end of message.
    None,
}

/// How it blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// It does.
    Done,
    /// It says so, and does not.
    Acknowledged,
    /// It knows no such message.
    Unknown,
}

/// How it says that a number is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nobody {
    /// BL is N, everything is denied, and a screen message says so.
    Clear,
    /// It sends no BL at all, for anybody.
    NoValidity,
    /// As it says that it failed: BL is N, nothing is denied, and the message speaks of an error.
    AsError,
}

/// The manners of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sip2Personality {
    /// The login it takes, with its password; none: any.
    pub login: Option<(String, String)>,
    /// What it does with messages that it does not know.
    pub on_unknown: OnUnknown,
    /// How it blocks and enables.
    pub blocking: Blocking,
    /// A 25 takes every block away, not only its own.
    pub enable_clears_all: bool,
    /// How it says that a number is nobody's.
    pub nobody: Nobody,
    /// What BX says.
    pub supports: &'static str,
    /// Numbers of the 98 are padded with blanks.
    pub padded: bool,
    /// A 63 with AD, even an empty one, counts as a login; after three wrong ones the card is locked.
    pub counts_logins: bool,
    /// It sends expiry, birth date, category and home branch, as PA, PB, PC and AQ.
    pub vendor_fields: bool,
    /// How many connections it answers at a time; others are taken and wait. None: any number.
    pub connections: Option<usize>,
    /// How long every answer takes.
    pub delay: Duration,
    /// Every so manieth 63 is answered only after this time more. None: never.
    pub late: Option<(u64, Duration)>,
    /// Names are sent in UTF-8; otherwise in plain letters.
    pub utf8: bool,
}

impl Default for Sip2Personality {
    /// It does what it says.
    fn default() -> Self {
        Self {
            login: None,
            on_unknown: OnUnknown::Ignore,
            blocking: Blocking::Done,
            enable_clears_all: false,
            nobody: Nobody::Clear,
            supports: "YYYYYYYYYYYYYYYY",
            padded: false,
            counts_logins: false,
            vendor_fields: true,
            connections: None,
            delay: Duration::ZERO,
            late: None,
            utf8: false,
        }
    }
}

/// Names of the ready-made personalities, with what each is for.
pub const SIP2_PERSONALITIES: &[(&str, &str)] = &[
    ("correct", "does what it says"),
    (
        "koha",
        "01 and 25 are acknowledged and not done, AD counts as a login, unknown messages close the connection",
    ),
    ("evergreen", "25 takes every block away, unknown messages close the connection"),
    ("rero", "sends no BL, knows no 01, and answers what it does not know with half a message"),
    ("pysip2", "says that a number is nobody's as it says that it failed; ignores what it does not know"),
    ("single", "answers one connection at a time; others wait"),
    ("slow", "takes a third of a second for every answer"),
    ("late", "answers every third look-up too late"),
];

impl Sip2Personality {
    /// A ready-made personality by its name in [`SIP2_PERSONALITIES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let correct = Self::default();
        Some(match name {
            "correct" => correct,
            "koha" => Self {
                on_unknown: OnUnknown::Close,
                blocking: Blocking::Acknowledged,
                counts_logins: true,
                utf8: true,
                ..correct
            },
            "evergreen" => Self {
                on_unknown: OnUnknown::Close,
                enable_clears_all: true,
                supports: "YYYYYYYYYNYNYYYY",
                utf8: true,
                ..correct
            },
            "rero" => Self {
                on_unknown: OnUnknown::None,
                blocking: Blocking::Unknown,
                nobody: Nobody::NoValidity,
                supports: "YYYNYYYYYYYYNYYN",
                padded: true,
                vendor_fields: false,
                utf8: true,
                ..correct
            },
            "pysip2" => Self { nobody: Nobody::AsError, vendor_fields: false, ..correct },
            "single" => Self { connections: Some(1), ..correct },
            "slow" => Self { delay: Duration::from_millis(330), ..correct },
            "late" => Self { late: Some((3, Duration::from_millis(1_500))), ..correct },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_personality_exists() {
        for (name, _) in SIP2_PERSONALITIES {
            assert!(Sip2Personality::named(name).is_some(), "{name}");
        }
        assert_eq!(Sip2Personality::named("nobody"), None);
    }
}
