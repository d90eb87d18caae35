//! The practice ILS over real sockets: its NCIP, and everything around it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod around;
mod client;
mod killed;
mod koha;
mod manners;
mod ncip;
