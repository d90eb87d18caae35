//! Errors of the package and its files as the port wants them: whose side, what helps.

use rostercard_core::ports::{ConnectorError, Fault, Retry};
use rostercard_intake::PackageError;
use rostercard_oneroster::ReadError;

/// A package's error.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(crate) fn package(error: PackageError) -> ConnectorError {
    let fault = match &error {
        PackageError::NotFound { .. }
        | PackageError::Io { .. }
        | PackageError::EntryTooLarge { .. }
        | PackageError::PackageTooLarge { .. }
        | PackageError::Symlink { .. }
        | PackageError::Special { .. } => Fault::Operator,
        _ => Fault::District,
    };
    let retry = if error.may_be_unfinished() { Retry::Later } else { Retry::NotThisTarget };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}

/// A file's error.
pub(crate) fn read(error: ReadError) -> ConnectorError {
    match error {
        ReadError::Io { file, line, source } => {
            let mut error = package(PackageError::from_read(&file, source));
            error.message = format!("{} (at line {line} of {file})", error.message);
            error
        }
        unusable @ ReadError::Unusable(_) => ConnectorError::new(
            Fault::District,
            Retry::NotThisTarget,
            unusable.to_string(),
            "Ask the district to correct its export; nothing of this roster was used",
        ),
    }
}

/// An error about what the package declares.
pub(crate) fn declared(message: impl Into<String>, hint: &str) -> ConnectorError {
    ConnectorError::new(Fault::District, Retry::NotThisTarget, message, hint)
}

/// The reading ended without saying how.
pub(crate) fn lost() -> ConnectorError {
    ConnectorError::new(
        Fault::Rostercard,
        Retry::Later,
        "the thread that reads the roster ended without a result",
        "Nothing is withdrawn for it; report it with the log of this run",
    )
}

/// The kept roster could not be read or written.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(crate) fn image(error: std::io::Error) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::Later,
        format!("the kept roster: {error}"),
        "Look at the free space and the owner of the state folder; where the image is damaged, remove it and ask the district for a whole package",
    )
}
