//! A practice ILS, a practice SIS and practice rosters: something to sync with when there is no district and no library at hand.
//!
//! * [`roster`] writes OneRoster bulk packages of invented districts, the same bytes for the same seed, and the next day's too.
//! * [`ils`] is a library system on a real socket that keeps its patrons, speaks NCIP 2.02 and fails on demand.
//! * [`mail`] is a mail server on a real socket that keeps what it is given, and misbehaves on demand.
//! * [`sis`] is a school information system on a real socket that serves a roster over REST, and misbehaves on demand.
//!
//! Nothing here uses the connectors' own readers, writers or mapping, and no other crate of this workspace: a practice
//! system that shared them would share their mistakes. Everybody in it is invented.

pub mod ils;
pub mod mail;
pub mod roster;
pub mod sis;
