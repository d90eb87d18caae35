//! The roster source for a district's own file: CSV, TSV, pipe-separated, or a sheet of a workbook, by a map of its columns.
//!
//! `columns` says which column is what, alone or over a preset; `header` finds them in the file; `map` turns a row into a
//! person, or says by row and column what is wrong with it; `read` sees to it that each student comes once; `source` is the
//! port, with the drop folder. Nothing that a spreadsheet spoilt is mended, and whether a file is everything or additions is
//! never guessed.

mod columns;
mod header;
mod map;
mod read;
pub mod settings;
mod source;
pub mod table;

pub use columns::{Column, Preset};
pub use settings::{DateOrder, Holds, Settings};
pub use source::CsvDrop;
