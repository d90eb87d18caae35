//! Where the rosters lie that delta packages change, and how they are sealed: a folder beside the store for each
//! partnership, by its permanent id, under a key derived from the store's. What is in them is the connector's matter.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rostercard_source_oneroster::{Images, Seal};
use rostercard_store::beside::FileSealer;

use crate::exit::Exit;
use crate::machine;
use crate::setup::Setup;

/// The folder of all of them, in the one that `[state] path` names.
const FOLDER: &str = "rosters";

/// The store's way of sealing files, as the connector wants it.
#[derive(Debug)]
struct Sealed(FileSealer);

impl Seal for Sealed {
    fn seal(&self, place: &str, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.0.seal(place, plain)
    }

    fn open(&self, place: &str, sealed: &[u8]) -> io::Result<Vec<u8>> {
        self.0.open(place, sealed)
    }
}

/// The folder of a partnership's images. There is one only where its source has `deltas = true`, or had.
pub(crate) fn folder(state: &Path, permanent_id: &str) -> PathBuf {
    state.join(FOLDER).join(permanent_id)
}

/// A partnership's images.
pub(crate) fn of(setup: &Setup, permanent_id: &str) -> Result<Images, Exit> {
    let state = &setup.main()?.state.path;
    let sealer = FileSealer::new(&setup.store_key()?, Arc::new(machine::random));
    Ok(Images::new(folder(state, permanent_id), Arc::new(Sealed(sealer)), machine::now()))
}
