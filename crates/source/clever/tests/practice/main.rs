//! The source against the practice Clever. The numbers of tests are those of the table in the crate's documentation.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod events;
mod people;
mod prism;
mod support;
mod wire;
