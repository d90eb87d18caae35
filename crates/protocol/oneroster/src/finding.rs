//! What may be odd about a package, one stable code for each, and the sentence that goes with it.

use std::fmt;
use std::io;

/// Makes the codes, each with its spelling and its sentence, in one table.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $refuses:literal, $sentence:literal;)+) => {
        /// What is odd. The spelling of [`Code::code`] is stable, for scripts and counts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $variant),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its stable spelling, in snake case.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Whether the file, or the package where it is the manifest's, cannot be used at all.
            #[must_use]
            pub const fn refuses(self) -> bool {
                match self { $(Self::$variant => $refuses),+ }
            }

            /// What is odd and what to do, as a sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }
        }
    };
}

codes! {
    /// The manifest's header is not `propertyName,value`.
    ManifestInvalidHeader = "manifest_invalid_header", false, "the header is not propertyName,value; the rows were read all the same";
    /// A property twice.
    ManifestDuplicateProperty = "manifest_duplicate_property", true, "a property is there twice with different values; the district should send one";
    /// A property nobody knows.
    ManifestUnknownProperty = "manifest_unknown_property", false, "a property that OneRoster does not have; it was ignored";
    /// A property that must be there.
    ManifestMissingProperty = "manifest_missing_property", false, "a property that the specification requires is missing; its file counts as absent";
    /// A row that is not two cells wide, or whose bytes are not text.
    ManifestRowWidthMismatch = "manifest_row_width_mismatch", false, "a row is not two cells wide; it was ignored";
    /// A mode other than the three.
    ManifestInvalidFileMode = "manifest_invalid_file_mode", true, "a file's mode is none of absent, bulk and delta; the district should correct it";
    /// A version that is not read, or none.
    ManifestInvalidOneRosterVersion = "manifest_invalid_oneroster_version", true, "oneroster.version is missing or neither 1.1 nor 1.2; the district should export one of them";
    /// A version of the manifest itself that is not known.
    ManifestInvalidVersion = "manifest_invalid_version", false, "manifest.version is not 1.0; it was read as if it were";
    /// More rows than any manifest has.
    ManifestTooLong = "manifest_too_long", true, "far more rows than a manifest has; another file may have been given its name";
    /// A file is declared, and not in the package.
    ManifestFileMissing = "manifest_file_missing", true, "the manifest declares the file, and it is not in the package; the district should send it whole";
    /// A file is in the package, and not declared.
    ManifestFileUnexpected = "manifest_file_unexpected", false, "the file is in the package, and the manifest does not declare it; it was ignored";

    /// A file with nothing in it, not even a header.
    TableEmpty = "table_empty", true, "the file is empty, without even a header; the export probably failed";
    /// A header and no row.
    TableMissingDataRows = "table_missing_data_rows", false, "the file has a header and no row";
    /// A header cell with nothing in it.
    TableEmptyHeaderName = "table_empty_header_name", false, "a column has no name in the header; it was ignored";
    /// A column twice.
    TableDuplicateHeader = "table_duplicate_header", true, "a column is there twice; which one is right cannot be known";
    /// A header that is not UTF-8, or not well formed.
    TableBrokenHeader = "table_broken_header", true, "the header row is not well-formed UTF-8 text; the district should export the file again";
    /// A column without which no row can be used.
    SchemaMissingNeeded = "schema_missing_needed_header", true, "a column without which no row can be used is missing; the district should add it, or the header row itself is missing";
    /// Columns that the specification lists.
    SchemaMissingHeader = "schema_missing_header", false, "columns that the specification lists are missing; they count as empty";
    /// Columns in another order.
    SchemaHeaderOrder = "schema_header_order_mismatch", false, "the columns are not in the specification's order; they were found by name";
    /// A header in other letters.
    SchemaHeaderSpelling = "schema_header_spelling", false, "a column's name is not spelt as the specification spells it; it was understood";
    /// Columns nobody knows.
    SchemaUnknownHeader = "schema_unknown_header", false, "columns that the specification does not have, without `metadata.` before their names; they are read only where the configuration names them";
    /// Extension columns among the others.
    SchemaMetadataPosition = "schema_metadata_column_position", false, "a metadata column stands before a column of the specification; it was found by name";

    /// A row too short or too long.
    RowWidthMismatch = "row_width_mismatch", false, "the row has another number of cells than the header; a comma or a quote is probably missing or too many";
    /// A quote that is never closed, or closed in the wrong place.
    RowBrokenQuotes = "row_broken_quotes", false, "a quote in the row is not closed, or not where a cell ends; the rows after it were read on their own";
    /// A row larger than any row.
    RowTooLong = "row_too_long", false, "the row is longer than a mebibyte; it was left out";
    /// Bytes that are no UTF-8.
    RowInvalidUtf8 = "row_invalid_utf8", false, "the row is not UTF-8; the district should export the file as UTF-8";
    /// A date that is none.
    RowInvalidDate = "row_invalid_date", false, "a date is not written YYYY-MM-DD, or is no day of the calendar";
    /// A date that only fills the place of one.
    RowPlaceholderDate = "row_placeholder_date", false, "a date is one that programs write where they know none; it counts as unknown";
    /// A userIds cell that does not follow its grammar.
    RowInvalidUserIds = "row_invalid_user_ids", false, "userIds is not written {type:id},{type:id}; what could be read of it was";
    /// Status or dateLastModified filled in a bulk file.
    RowFieldForbiddenInBulk = "row_field_forbidden_in_bulk", false, "status or dateLastModified is filled in a bulk file, where the specification wants it blank; tobedeleted is taken at its word";
    /// A status nobody knows.
    RowInvalidStatus = "row_invalid_status", false, "a status is none of active and tobedeleted; it counts as active";
}

/// Something odd: what, and where. It holds names of files and columns from the specification and numbers, never what
/// a cell or an unknown header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is odd.
    pub code: Code,
    /// The file.
    pub file: String,
    /// The line, the header being line 1.
    pub line: Option<u64>,
    /// The column or property, by the specification's name.
    pub column: Option<&'static str>,
    /// More about it: names from the specification, or column numbers.
    pub detail: Option<String>,
}

impl Finding {
    /// A finding about a whole file.
    #[must_use]
    pub fn file(code: Code, file: impl Into<String>) -> Self {
        Self { code, file: file.into(), line: None, column: None, detail: None }
    }

    /// The same, at a line.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The same, at a column or property of the specification.
    #[must_use]
    pub fn column(mut self, column: &'static str) -> Self {
        self.column = Some(column);
        self
    }

    /// The same, with more about it. Must hold nothing from a cell.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The sentence, with its detail, without the place.
    #[must_use]
    pub fn message(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({detail})", self.code.sentence()),
            None => self.code.sentence().to_owned(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": {}", self.message())
    }
}

/// Why a file cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream under it failed.
    #[error("{file}:{line}: reading stopped: {source}")]
    Io {
        /// The file.
        file: String,
        /// The line that was being read.
        line: u64,
        /// What the stream said.
        source: io::Error,
    },
    /// The file itself is of no use; the first finding says why, the rest goes with it.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Unusable(Vec<Finding>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_snake_case_and_each_its_own() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(
                code.code().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{code:?}"
            );
            assert!(seen.insert(code.code()), "{code:?}");
        }
    }

    #[test]
    fn a_finding_reads_as_a_sentence_with_its_place() {
        let finding = Finding::file(Code::RowInvalidDate, "demographics.csv").line(7).column("birthDate");
        assert!(
            finding.to_string().starts_with("demographics.csv:7:birthDate: a date is not written YYYY-MM-DD")
        );
    }
}
