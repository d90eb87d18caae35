//! What Rostercard remembers: the ledger (which student is which patron), the journal (what was about to be sent and
//! what came of it), plans and their spool, runs.
//!
//! [`Store`] is the port: async and batch-shaped, so that one SQLite file and a shared PostgreSQL can both stand behind
//! it. [`rows`] are its words, [`sqlite`] is the one that is there, [`seal`] keeps what must be kept but not read, and
//! `conformance` (a feature) is what every store has to pass. Names, birth dates, addresses and contacts are never in a
//! ledger row; values that must be kept are sealed, people and patrons are recognised by keyed digests.
//!
//! Nothing here reads a clock, an environment or a source of randomness: moments come with the rows, random bytes from
//! the [`seal::Entropy`] that is passed in.

pub mod beside;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod keep;
pub mod rows;
pub mod seal;
pub mod sqlite;
mod store;

pub use seal::{Entropy, StoreKey};
pub use sqlite::{BackupFacts, RestoreAsked, Restored, SqliteStore};
pub use store::{Store, StoreError};
