//! A patron directory over NCIP 2.0x and HTTP(S).
//!
//! [`NcipDirectory`] finds, makes and changes patrons of one ILS, and reads back what it wrote. It finds by number only,
//! because NCIP can do no more. [`map`] is the one place that says how a patron's values travel in NCIP's elements;
//! [`NcipSettings`] says how one ILS wants to be spoken to.
//!
//! It deliberately does not decide what may be written (the core does), does not send anything twice (the engine's
//! journal says whether that is safe), and does not delete or block patrons.

mod answer;
mod difference;
mod directory;
pub mod map;
mod repertoire;
mod settings;
pub mod table;

pub use directory::NcipDirectory;
pub use settings::{NcipSettings, PinWay, PrivilegeMap, SettingsError};
