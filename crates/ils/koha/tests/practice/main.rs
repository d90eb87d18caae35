//! The directory against the practice Koha over a real socket: two pieces of software that share no reader, no writer and no
//! mapping. And, where somebody asks for it, against a real Koha.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what a real Koha says of itself is shown to who asked")]

mod conformance;
mod finding;
mod live;
mod support;
mod traps;
