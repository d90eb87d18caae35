//! The daemon: schedules, health, metrics.
//!
//! It knows when a partnership's run is due and what to say of how it went. How a run is made is the program's matter
//! ([`Runs`]); so are the service manager, the signals and the log. The time comes in by the engine's clock.

pub mod health;
pub mod http;
pub mod load;
pub mod metrics;
pub mod notify;
pub mod pulse;
pub mod quiet;
mod schedule;
mod scheduler;

pub use schedule::{Due, Schedule, ScheduleError};
pub use scheduler::{Board, Control, Job, Outcome, Runs, run};
