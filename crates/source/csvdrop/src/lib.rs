//! Roster source: a district's own CSV, TSV, pipe file or spreadsheet.
