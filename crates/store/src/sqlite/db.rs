//! What a job works with: a connection inside a transaction, and the keys.

use std::sync::Arc;

use rostercard_core::digest::{Digest, DigestKey, DigestKind};
use rusqlite::Connection;

use crate::seal::{Entropy, Sealer, StoreKey};

/// The keys of an open store.
pub(super) struct Secrets {
    pub(super) sealer: Sealer,
    pub(super) digests: DigestKey,
}

impl Secrets {
    pub(super) fn new(key: &StoreKey, entropy: Arc<dyn Entropy>) -> Self {
        Self { sealer: Sealer::new(key, entropy), digests: key.digest_key() }
    }

    /// The digest of a card's number within an ILS: what no two links may share. It holds the ILS, so that one index
    /// over it is unique for each ILS.
    pub(super) fn number(&self, ils: &str, number: &str) -> Digest {
        let parts: [&[u8]; 3] = [ils.as_bytes(), b"number", number.as_bytes()];
        self.digests.digest(DigestKind::Identity, &parts)
    }
}

/// What a job is given.
pub(super) struct Db<'a> {
    pub(super) conn: &'a Connection,
    pub(super) secrets: &'a Secrets,
}
