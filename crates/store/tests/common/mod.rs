//! What the tests of the SQLite store share.

use std::path::Path;
use std::sync::Arc;

use rostercard_store::{Entropy, SqliteStore, StoreError, StoreKey};

/// The key of the tests' stores.
pub(crate) fn key() -> StoreKey {
    StoreKey::new([7; 32])
}

/// The operating system's random bytes.
pub(crate) fn entropy() -> Arc<dyn Entropy> {
    Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::from))
}

/// Opens a store for writing.
pub(crate) fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open_writer(path, &key(), entropy())
}
