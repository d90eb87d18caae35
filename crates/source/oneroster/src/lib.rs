//! The roster source for OneRoster: bulk CSV packages of 1.1 and 1.2, from a folder or a zip ([`csv`]), and the REST
//! services of both ([`rest`]). Delta packages change an image that is kept, sealed, between the runs ([`delta`]).
//!
//! The way through the files: `open` judges the package, `read` goes through it on a thread of its own, `map` turns
//! one row into one person, `repeated` makes one record of the rows that share a student id. `index`, `born`, `roles`
//! and `schools` are the joins: compact, sorted, without a text a person.

mod born;
pub mod csv;
pub mod delta;
mod error;
mod index;
mod map;
mod open;
mod read;
mod repeated;
pub mod rest;
mod roles;
mod schools;
pub mod settings;
pub mod table;
mod tally;

pub use csv::OneRosterCsv;
pub use delta::{Images, Kept, Seal};
pub use rest::{OneRosterRest, RestSettings};
pub use rostercard_intake::Limits;
pub use rostercard_oneroster::Version;
pub use settings::{ExtraColumns, Settings, StudentIdFrom};
