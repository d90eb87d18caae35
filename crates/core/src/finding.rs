//! Something noticed about the data on the way: where, what rule, and what to do. Never a value about a person.

use std::fmt;
use std::sync::Arc;

/// Where in a source something was noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file inside the package, or the REST collection.
    pub file: Option<String>,
    /// The line (1 is the header) or the row of a collection.
    pub line: Option<u64>,
    /// The column, by its header's name.
    pub column: Option<String>,
}

impl Place {
    /// A line of a file.
    #[must_use]
    pub fn line(file: impl Into<String>, line: u64) -> Self {
        Self { file: Some(file.into()), line: Some(line), column: None }
    }

    /// A file as a whole.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: Some(file.into()), line: None, column: None }
    }

    /// The same place, at a column.
    #[must_use]
    pub fn at(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sep = "";
        if let Some(file) = &self.file {
            f.write_str(file)?;
            sep = ":";
        }
        if let Some(line) = self.line {
            write!(f, "{sep}{line}")?;
            sep = ":";
        }
        if let Some(column) = &self.column {
            write!(f, "{sep}{column}")?;
        }
        Ok(())
    }
}

/// A row of a source's file or collection: cheap enough to go with every person.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    /// The file inside the package, or the REST collection; one text shared by all its rows.
    pub file: Arc<str>,
    /// The line (1 is the header) or the row of a collection.
    pub line: u64,
}

impl From<&Row> for Place {
    fn from(row: &Row) -> Self {
        Self::line(&*row.file, row.line)
    }
}

/// Something noticed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// A stable code, in snake case, for scripts and counts.
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// A sentence that says what is odd and what to do. Holds codes, header names and counts, never a value about a person.
    pub message: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { code, place, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::default() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}
