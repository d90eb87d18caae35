//! The status page: who may see it and do what ([`access`], [`door`]), what is on it ([`view`]), and how it is shown
//! ([`overview`], [`partnership`], [`run`], [`audit`], [`login`], [`no_tokens`], [`message`]).
//!
//! Pure: no IO, no clock, no randomness but what is passed in, nothing of the store. There is no type here that could hold
//! a student's name, id or card number, so none can be shown.

pub mod access;
pub mod door;
pub mod headers;
pub mod view;

mod chart;
mod forms;
mod layout;
mod lists;
mod overview;
mod partnership;
mod run;

pub use forms::{login, no_tokens};
pub use layout::{ICON, STYLE, message};
pub use lists::audit;
pub use overview::overview;
pub use partnership::partnership;
pub use run::run;
