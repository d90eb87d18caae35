//! What Rostercard is about, in plain types and plain functions: students, patrons, card policy, changes, guards,
//! and the ports through which connectors are met.
//!
//! There is no IO here, no async runtime, no clock and no randomness: dates and random bytes are passed in, and
//! `async` stands only in the signatures of the [`ports`]. Everything that can be decided is decided here, so that
//! it can be tested here, thousands of cases a second.
//!
//! The way of the data: a [`student::Student`] and the [`rules::CardRules`] go into [`policy::decide`], which yields
//! a [`patron::WantedPatron`] or a typed reason why not. [`plan`] names the changes, [`guard`] says which of them
//! wait for a person, [`threeway`] says field by field what may be written.

pub mod calendar;
pub mod consent;
pub mod digest;
pub mod field;
pub mod finding;
pub mod grade;
pub mod guard;
pub mod matching;
pub mod patron;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod privacy;
pub mod reason;
pub mod review;
pub mod route;
pub mod rules;
pub mod spool;
pub mod student;
pub mod suppress;
pub mod threeway;
pub mod who;
pub mod words;
