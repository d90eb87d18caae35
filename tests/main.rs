//! Whole-program tests: the built binary between OneRoster packages and a practice ILS on its socket.
//!
//! What a rule, a message or the run does alone is tested in its own crate; here is what only the whole can show.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod arrows;
mod bad_input;
mod chain;
mod clever;
mod configuration;
mod crash;
mod csvdrop;
mod daemon;
mod deltas;
mod demo;
mod docs;
mod everyday;
mod examples;
mod first_cards;
mod guards;
mod handbook;
mod import;
mod keep;
mod koha;
mod koha_weeks;
mod libraries;
mod ncip;
mod one_at_a_time;
mod page;
mod pause;
mod people;
mod pins;
mod privacy;
mod rest;
mod scenarios;
mod sip2;
mod support;
mod tell;
mod watch;
