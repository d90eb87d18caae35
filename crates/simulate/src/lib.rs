//! School years by a seed.
//!
//! The true engine is run over a true SQLite store against a simulated district and a simulated ILS, in simulated time:
//! rosters that change as real ones do and rosters that are wrong, staff who edit and delete, an administrator who
//! approves and discards, lost and late answers, power cuts at any step, full disks, disks that lie, clocks that jump.
//! After each run the laws of the design are held against a model of its own, which asks neither the engine nor the
//! core what would have been right. docs/simulation.md says how to run it and what it has found.
//!
//! Nothing here is part of the program. The connectors, the wire's protocols and the daemon are not simulated; they
//! have tests of their own.

mod check;
mod dice;
mod disk;
mod district;
mod ils;
mod laws;
mod partnership;
mod power;
mod year;

pub use laws::{Invariant, Violation};
pub use year::{FEEDS, STUDENTS, Year, live};
