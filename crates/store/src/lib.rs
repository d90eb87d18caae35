//! What Rostercard remembers: the ledger (which student is which patron), the journal (what was about to be sent and
//! what came of it), plans and their spool, runs.
//!
//! [`Store`] is the port: async and batch-shaped, so that one SQLite file and a shared PostgreSQL can both stand behind
//! it. [`rows`] are its words. Names, birth dates, addresses and contacts are never in a ledger row; values that must
//! be kept are sealed, people and patrons are recognised by keyed digests.

pub mod rows;
mod store;

pub use store::{Store, StoreError};
