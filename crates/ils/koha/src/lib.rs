//! A patron directory over Koha's REST API.
//!
//! [`KohaDirectory`] finds, makes and changes patrons of one Koha, and reads back what it wrote. It is the model for REST
//! directories to come: [`rostercard_web::Rest`] has what they all need, `record` and `map` say what Koha's JSON is,
//! `answer` what its refusals mean, `difference` what a change sends.
//!
//! It deliberately does not decide what may be written (the core does), does not send a write twice (the engine's journal
//! says whether that is safe), and deletes nobody.

mod answer;
mod api;
mod check;
mod difference;
mod directory;
mod fold;
mod map;
mod record;
mod settings;
pub mod table;

pub use check::CodesInUse;
pub use directory::KohaDirectory;
pub use settings::{AttributeMap, CodeHome, KohaLogin, KohaSettings, SettingsError, UserIdWay};
