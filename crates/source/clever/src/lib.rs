//! The roster source for districts at Clever: its Data API 3.0 and 3.1, and its event feed.
//!
//! `shapes` is Clever's JSON, read leniently and record by record; `map` makes a student of a user; `api` is the client, with
//! tokens, rates and patience; `pages` follows a collection; `full` reads everybody, `delta` what happened since a cursor;
//! `source` is the port. `settings` and `table` say what the configuration says.
//!
//! It writes nothing to Clever, knows no ILS, and keeps nothing of its own between runs but the cursor, which holds ids of events
//! and no person. Families' contacts, sections, courses, terms and attendance are not read.

mod api;
mod born;
mod cursor;
mod delta;
mod digest;
mod events;
mod full;
mod map;
mod pages;
mod rate;
pub mod settings;
pub mod shapes;
mod source;
pub mod table;
mod tally;
mod trouble;

pub use settings::{Patience, Settings, StudentIdFrom, Version};
pub use source::Clever;
