//! What every source of files needs: a package of files, opened safely from a folder or a zip.
//!
//! [`Package::open`] lists what a district sent and lets each file be read, more than once, through caps that
//! count what really comes out. Nothing here knows what the files mean, unpacks anything to disk, or follows a
//! link. The drop folder, spreadsheet damage and encodings other than UTF-8 have their own place later.

mod archive;
mod error;
mod folder;
mod limits;
mod names;
mod package;
mod reader;
pub mod text;

pub use error::PackageError;
pub use limits::Limits;
pub use package::{Entry, Ignored, Kind, Opened, Package};
pub use reader::EntryReader;
