//! OneRoster 1.1 and 1.2: as CSV, the manifest, the headers, and the rows, as a stream; over REST, what stands in
//! [`rest`].
//!
//! [`Manifest::read`] says what a package declares; [`Table::open`] reads a file's header and then its rows, one at a
//! time, borrowed, without an allocation a row. What is odd is a [`Finding`] with a stable code and a place, never a
//! value from a cell: a header that is missing may have a child's name in its place.
//!
//! There is no IO here beyond [`std::io::Read`], and nothing of Rostercard's. Gradebook and resources files are known
//! by name alone. Columns with passwords, sex, race and ethnicity have no name here by which they could be read.

mod columns;
mod finding;
mod header;
mod manifest;
mod quoting;
mod records;
pub mod rest;
mod scalars;
mod table;
mod user_ids;

pub use columns::{Column, Columns, Demographics, Need, Orgs, Roles, Users, Versions};
pub use finding::{Code, Finding, ReadError};
pub use header::{Extra, Layout};
pub use manifest::{FILES, Manifest, Mode, Version};
pub use records::{MAX_RECORD, Record, Records, Step};
pub use scalars::{DateCell, Status, boolean, date, list};
pub use table::{DamagedRow, LaidOut, Line, Row, Table};
pub use user_ids::{UserId, user_ids};
