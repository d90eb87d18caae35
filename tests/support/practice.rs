//! A practice ILS in this process, for faults and counts.

use rostercard_practice::ils::{Ils, Options, Running};
use tokio::runtime::{Builder, Runtime};

/// A practice ILS with a runtime of its own.
pub(crate) struct Practice {
    // Dropped in this order: the ILS needs the runtime to stop.
    ils: Running,
    runtime: Runtime,
}

impl Practice {
    /// One that accepts everything and answers at once.
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// One as wanted.
    pub(crate) fn start_with(options: Options) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let ils = runtime.block_on(Ils::start(options)).unwrap();
        Self { ils, runtime }
    }

    /// Messages of all kinds since the counts were last reset.
    pub(crate) fn messages(&self) -> u64 {
        let counts = self.counts();
        counts.lookups + counts.creates + counts.updates + counts.others
    }

    /// Lets the ILS go on for so long.
    pub(crate) fn pause(&self, time: std::time::Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Of these, those that would change something.
    pub(crate) fn messages_to_write(&self) -> u64 {
        let counts = self.counts();
        counts.creates + counts.updates
    }
}

impl std::ops::Deref for Practice {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.ils
    }
}
