//! A patron directory over NCIP 1.0 and 2.0x, by HTTP(S) or raw TCP.
//!
//! [`NcipDirectory`] finds, makes, changes and blocks patrons of one ILS, as far as that ILS can, and reads back what it
//! wrote. It finds by number only, because NCIP can do no more. [`map`] is the one place that says how a patron's values
//! travel in NCIP's elements; [`NcipSettings`] says how one ILS wants to be spoken to, and [`RESPONDERS`] is what is known
//! of those that exist. What an ILS cannot do is refused before anything is sent, with the reason.
//!
//! It deliberately does not decide what may be written (the core does), does not send anything twice (the engine's
//! journal says whether that is safe), and does not delete patrons.

mod answer;
mod difference;
mod directory;
#[cfg(test)]
mod emitted;
mod known;
pub mod map;
mod repertoire;
mod responder;
mod settings;
pub mod table;
mod tcp;
mod wire;
mod writer;

pub use directory::NcipDirectory;
pub use responder::{RESPONDERS, Responder};
pub use settings::{Address, NamedBy, NcipSettings, PinWay, PrivilegeMap, SettingsError, Switch};
pub use tcp::{TcpAddress, TcpAddressError};
