//! OneRoster over REST as a roster source.
//!
//! `server` asks, politely and with a login; `walk` reads a collection to its proven end; `form` brings users into the
//! form that the CSV package has them in, from where both go one way; `stage` keeps them till then, as `laid` lays them
//! out; `emit` gives them out; `profile` is what
//! `check --online` says of a server. Enrollments, classes and academic sessions are not read: no rule needs them.
//!
#![doc = include_str!("../../CASES.md")]

mod births;
pub(crate) mod cursor;
mod emit;
pub(crate) mod form;
mod laid;
mod people;
mod profile;
mod server;
pub mod settings;
mod source;
mod stage;
pub mod table;
mod walk;

pub use server::{RealWaits, Waits};
pub use settings::{Login, PeopleFrom, RestSettings};
pub use source::OneRosterRest;
