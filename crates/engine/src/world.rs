//! What the engine needs of the world, passed in: the time, randomness, somebody to tell how far it is, and a way to
//! be asked to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The time, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// Randomness fit for PINs.
pub trait Entropy: Send + Sync {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Settling writes of an earlier run whose answer never came.
    Settling,
    /// Reading the roster and deciding.
    Reading,
    /// Writing to the ILS.
    Writing,
}

/// Somebody who is told how far a run is.
pub trait Progress: Send + Sync {
    /// A phase begins, with so many things to do where that is known.
    fn phase(&self, phase: Phase, total: Option<u64>);
    /// So many more were done.
    fn advance(&self, count: u64);
    /// Something a person should read now, such as a wait.
    fn say(&self, message: &str);
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn phase(&self, _: Phase, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn say(&self, _: &str) {}
}

/// Everything of the world that a run needs.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who is told.
    pub progress: Arc<dyn Progress>,
    stop: Arc<AtomicBool>,
}

impl World {
    /// A world.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, progress: Arc<dyn Progress>) -> Self {
        Self { clock, entropy, progress, stop: Arc::default() }
    }

    /// Asks the runs of this world to stop: writes under way are finished, no new one begins.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether they were asked.
    #[must_use]
    pub fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World(…)")
    }
}
