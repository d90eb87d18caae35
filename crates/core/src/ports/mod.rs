//! The ports: what a roster source and a patron directory must be able to say, in the core's own words.
//!
//! A connector implements [`RosterSource`], or [`PatronFinder`] and [`PatronWriter`]; the engine knows nothing else
//! of it. Every error says whose side it is on and what helps ([`ConnectorError`]).

mod directory;
mod error;
mod source;

pub use directory::{
    Capabilities, Capability, CapabilityState, Creation, FieldChanges, FindBy, FindKey, Lookup, Outcome,
    PatronDirectory, PatronFinder, PatronWriter, Rejection, RejectionKind, Text,
};
pub use error::{ConnectorError, Fault, Retry};
pub use source::{
    Completeness, Cursor, FetchOne, Record, Resume, RosterFacts, RosterPage, RosterSource, SourceState,
};
