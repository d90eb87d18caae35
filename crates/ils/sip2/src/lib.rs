//! A patron directory over SIP2.
//!
//! [`Sip2Directory`] finds cards by their number, blocks and enables them with proof, and makes them where a library has
//! a vendor's documented extension for that ([`Extension`]): SIP 2.00 itself has no message that makes a patron.
//! It believes nothing that it has not read back, because servers acknowledge what they do not do.
//!
//! It deliberately sends no PIN in a look-up, not even an empty one (some servers count it as a failed login), decides
//! nothing about what may be written (the core does), and sends nothing that changes something twice.

mod connection;
mod directory;
mod extension;
mod fault;
mod letters;
mod pool;
mod settings;
pub mod table;
mod tls;

pub use directory::{PinCheck, Sip2Directory};
pub use extension::{Extension, FixedPart, Success};
pub use settings::{BlockSettings, Clock, ClockSettings, Login, Sip2Settings, TlsSettings, ZoneStyle};
pub use tls::TlsError;
