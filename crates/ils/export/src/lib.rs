//! Files of new patrons for the loaders that ILSs already have.
//!
//! [`ExportDirectory`] makes cards by writing them into a file: each is durable before it is answered for, the file is put
//! in place whole at the end of a run ([`PatronWriter::finish`](rostercard_core::ports::PatronWriter::finish)) with a
//! manifest beside it, and a run that was killed is gone on with. A card that was handed over is *pending* until another
//! way of the ILS finds it.
//!
//! It deliberately makes cards only: what a loader would do to a patron that is there already depends on settings that
//! nobody here can see. It looks nothing up, sends nothing anywhere, and deletes no file.

mod batch;
mod directory;
mod layout;
pub mod table;

pub use directory::{ExportDirectory, ExportSettings};
pub use layout::{Column, Form, Layout, PRESETS, Preset};

/// Where the time comes from; files are named by it.
pub type Clock = std::sync::Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
