//! What every source of files needs: a package of files, opened safely from a folder or a zip; a table of any encoding, or
//! of a workbook; a drop folder; what spreadsheets do to numbers.
//!
//! [`Package::open`] lists what a district sent and lets each file be read, more than once, through caps that
//! count what really comes out. Nothing here knows what the files mean, unpacks anything to disk, or follows a
//! link. [`Table::open`] reads one table row by row; [`damage`] finds what cannot be meant; [`drop_folder`] says which files
//! are whole, and puts them away.

mod archive;
pub mod damage;
mod decode;
pub mod drop_folder;
mod error;
mod folder;
mod limits;
mod names;
mod package;
mod reader;
mod table;
pub mod text;

pub use decode::{Decoded, Detected, Encoding, detect};
pub use error::PackageError;
pub use limits::Limits;
pub use package::{Entry, Ignored, Kind, Opened, Package};
pub use reader::EntryReader;
pub use table::{Cell, Line, Table, TableError, TableOptions, is_whole};
