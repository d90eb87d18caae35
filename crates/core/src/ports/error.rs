//! A connector's error: what happened, on whose side, and what helps. The classification travels with the error.

use std::fmt;

use crate::words::vocabulary;

vocabulary! {
    /// Whose side an error is on.
    Fault {
        /// The network between, or nobody can tell.
        Network = "network",
        /// The library's administrator: configuration, a login, a permission.
        Operator = "operator",
        /// The district, or its SIS.
        District = "district",
        /// The ILS, or its vendor.
        Ils = "ils",
        /// Rostercard itself.
        Rostercard = "rostercard",
    }
}

vocabulary! {
    /// What trying again would do.
    Retry {
        /// It may help, later.
        Later = "later",
        /// It will not help for this record; the rest can go on.
        NotThisRecord = "not_this_record",
        /// It will not help for anything at this target until a person has done something: stop asking it.
        NotThisTarget = "not_this_target",
    }
}

/// What went wrong in a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorError {
    /// Whose side it is on.
    pub fault: Fault,
    /// What trying again would do.
    pub retry: Retry,
    /// What happened and where, as a sentence. No value about a person, no secret, no URL beyond host and port.
    pub message: String,
    /// What to do next, as a sentence.
    pub hint: String,
}

impl ConnectorError {
    /// An error.
    #[must_use]
    pub fn new(fault: Fault, retry: Retry, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { fault, retry, message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectorError {}
