//! What a partnership says about its OneRoster package, checked. Reading it from TOML is the program's business.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rostercard_intake::Limits;
use rostercard_oneroster::Version;

/// Settings of the CSV source.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder or zip. None: packages are given by a person, one by one (`import_only`), and there is nothing to fetch.
    pub path: Option<PathBuf>,
    /// Which of a user's ids is the student id: the one that lasts over years, schools and exports.
    pub student_id: StudentIdFrom,
    /// Where values lie that OneRoster has no column for.
    pub columns: ExtraColumns,
    /// Whether teachers and other school staff are read too. Where they are not, one without an id spoils nothing.
    pub educators: bool,
    /// The version of a package that has no manifest; without it such a package is refused.
    pub without_manifest: Option<Version>,
    /// Whether the district sends delta packages: then an image of the roster is kept, sealed, between the runs, and `path`
    /// may be a folder with one zip a package.
    pub deltas: bool,
    /// How long a package in a folder must have rested before it counts as whole.
    pub ready_after: Duration,
    /// The caps of the package.
    pub limits: Limits,
}

impl Settings {
    /// Where rosters are read from, in words; a change of it makes the next plan wait.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.path.as_ref().map_or_else(|| "oneroster_csv".to_owned(), |path| path.display().to_string())
    }

    /// The same for one package that a person names. It is read for itself: it changes no kept roster.
    #[must_use]
    pub fn for_package(&self, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), deltas: false, ..self.clone() }
    }

    /// The usual settings for a package at `path`: the student id in `identifier`, educators too, a manifest required.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(path.into()),
            student_id: StudentIdFrom::Identifier,
            columns: ExtraColumns::default(),
            educators: true,
            without_manifest: None,
            deltas: false,
            ready_after: Duration::from_secs(120),
            limits: Limits::default(),
        }
    }
}

/// Which of a user's ids is the student id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StudentIdFrom {
    /// `identifier`, the number that people know.
    #[default]
    Identifier,
    /// `sourcedId`. Many SISs change it every year or at every school: use it only where the district says it stays.
    SourcedId,
    /// `username`.
    Username,
    /// `userMasterIdentifier`, which 1.2 alone has.
    UserMasterIdentifier,
    /// The id of this kind in `userIds`, whatever the case of its letters.
    UserIds(String),
}

impl FromStr for StudentIdFrom {
    type Err = UnknownStudentId;

    /// Reads `identifier`, `sourcedId`, `username`, `userMasterIdentifier`, or `userIds:KIND`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "identifier" => Ok(Self::Identifier),
            "sourcedId" => Ok(Self::SourcedId),
            "username" => Ok(Self::Username),
            "userMasterIdentifier" => Ok(Self::UserMasterIdentifier),
            _ => match text.strip_prefix("userIds:").map(str::trim) {
                Some(kind) if !kind.is_empty() => Ok(Self::UserIds(kind.to_owned())),
                _ => Err(UnknownStudentId),
            },
        }
    }
}

impl std::fmt::Display for StudentIdFrom {
    /// As [`Self::from_str`] reads it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identifier => f.write_str("identifier"),
            Self::SourcedId => f.write_str("sourcedId"),
            Self::Username => f.write_str("username"),
            Self::UserMasterIdentifier => f.write_str("userMasterIdentifier"),
            Self::UserIds(kind) => write!(f, "userIds:{kind}"),
        }
    }
}

/// A word that names none of a user's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the student id is one of identifier, sourcedId, username, userMasterIdentifier, or userIds:KIND")]
pub struct UnknownStudentId;

/// Columns of `users.csv` outside the specification, by name, in any case, with or without `metadata.`. What is not
/// said here is looked for under its own name (`metadata.street`), and nobody is told where it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraColumns {
    /// House number and street.
    pub street: Option<String>,
    /// Apartment, unit.
    pub street2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State.
    pub state: Option<String>,
    /// ZIP code.
    pub zip: Option<String>,
    /// Birth date, for those of whom demographics say none. Looked for only where it is named.
    pub birth_date: Option<String>,
    /// Whether the address is protected. Where this column is named and not there, no address is read at all.
    pub protected: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_the_student_id() {
        assert_eq!("identifier".parse(), Ok(StudentIdFrom::Identifier));
        assert_eq!("userIds:stateId".parse(), Ok(StudentIdFrom::UserIds("stateId".to_owned())));
        for bad in ["", "Identifier", "userIds", "userIds:", "userIds: "] {
            assert_eq!(bad.parse::<StudentIdFrom>(), Err(UnknownStudentId), "{bad}");
        }
    }
}
