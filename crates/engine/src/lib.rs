//! The run of one partnership: collect, decide, plan, guard, apply, report.
//!
//! The engine knows a roster source, a patron directory and a store by their ports alone. It names no connector,
//! reads no TOML, and has its clock and its randomness passed in ([`World`]).
//!
//! What it promises is in the laws of the design: killed anywhere and started again, there is no second card and no
//! lost one. How: nothing is sent to an ILS before its intent is durable (`apply.rs`), and what was sent without an
//! answer is settled by a look-up, no sooner than the ILS could still be committing it (`settle.rs`).

mod absence;
mod adopt;
mod answered;
mod apply;
mod collect;
mod create;
mod elsewhere;
mod engine;
mod first;
mod gone;
mod guarding;
mod handed_over;
mod keep;
mod lapse;
mod leavers;
mod matching;
mod moving;
mod pauses;
mod people;
mod pins;
mod planted;
mod renumbered;
mod review;
mod schools;
mod settings;
mod settle;
mod tally;
mod undo;
mod update;
mod wishes;
mod world;

pub use engine::{Engine, EngineError, RunReport, SelectionError, is_about_the_roster};
pub use keep::Keep;
pub use moving::Moved;
pub use pins::person_key;
#[cfg(feature = "planted-bugs")]
pub use planted::{Bug, plant};
pub use review::{OpenReview, Whose, by_question};
pub use settings::{Grace, IlsLimits, PartnershipSettings, PinSettings};
pub use world::{Clock, Entropy, Phase, Progress, Quiet, World};
