//! What goes wrong inside, before the file's name is put to it. Kept apart from [`StoreError`] so that the port's
//! errors know nothing of SQLite.

use rusqlite::ErrorCode;

use crate::seal::SealError;
use crate::store::StoreError;

/// A fault in a job.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite's own.
    Sql(rusqlite::Error),
    /// Ours.
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Self {
        Self::Store(match error {
            SealError::Entropy(_) | SealError::Seal => {
                StoreError::Unavailable { what: "sealing a value".to_owned(), why: error.to_string() }
            }
            SealError::Open(_) => StoreError::Damaged(error.to_string()),
        })
    }
}

impl Fault {
    /// The port's error. `what` says which file.
    pub(super) fn at(self, what: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => from_sql(&error, what),
        }
    }

    /// Whether a unique index said no.
    pub(super) fn is_unique(&self) -> bool {
        matches!(self, Self::Sql(rusqlite::Error::SqliteFailure(e, _))
            if e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
    }
}

/// SQLite's messages name tables and columns, never values: every value goes in as a parameter.
fn from_sql(error: &rusqlite::Error, what: &str) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TypeMismatch => {
                StoreError::Damaged(format!("{what}: {error}"))
            }
            ErrorCode::ConstraintViolation => StoreError::Damaged(format!("{what}: {error}")),
            _ => StoreError::Unavailable { what: what.to_owned(), why: error.to_string() },
        },
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => {
            StoreError::Damaged(format!("{what}: a column holds what it cannot hold"))
        }
        _ => StoreError::Unavailable { what: what.to_owned(), why: error.to_string() },
    }
}

/// The store holds what this program does not write.
pub(super) fn damaged(what: impl Into<String>) -> Fault {
    Fault::Store(StoreError::Damaged(what.into()))
}

/// What was asked for is not there.
pub(super) fn not_found(what: impl Into<String>) -> Fault {
    Fault::Store(StoreError::NotFound { what: what.into() })
}
