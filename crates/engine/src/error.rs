//! Why a run ends without a result, and why a person's decision cannot be taken: in sentences, each with what to do about it.

use jiff::Timestamp;
use rostercard_core::ports::ConnectorError;
use rostercard_core::spool::SpoolError;
use rostercard_store::StoreError;
use rostercard_store::rows::RunId;

/// Why a run ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The roster could not be read. Nothing was withdrawn, and nothing further was written.
    #[error("the roster could not be read: {0}")]
    Source(ConnectorError),
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A spooled patron cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A decision about a plan cannot be taken.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The partnership's cards are in another ILS than the configuration names.
    #[error(
        "partnership {name} has its cards in the ILS with id `{stored}`, and is now configured for `{configured}`"
    )]
    OtherIls {
        /// The partnership.
        name: String,
        /// The ILS that the ledger knows.
        stored: String,
        /// The ILS of the configuration.
        configured: String,
    },
    /// Somebody paused the partnership, its ILS, or everything.
    #[error("partnership {name} is paused until {until}: {reason}")]
    Paused {
        /// The partnership.
        name: String,
        /// The library's date and time at which the pause ends.
        until: String,
        /// Why, in the words of who paused it.
        reason: String,
    },
    /// The agreement has not begun, or it has ended.
    #[error("partnership {name} stands still: {why}")]
    Frozen {
        /// The partnership.
        name: String,
        /// Why, with the day.
        why: String,
    },
    /// This should not be possible.
    #[error("this should not be possible, and is a fault of Rostercard's: {0}")]
    Internal(&'static str),
}

/// Why a decision about a plan cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// The run is another partnership's.
    #[error("run {0} belongs to another partnership")]
    OtherPartnership(RunId),
    /// Nothing of the run waits.
    #[error("nothing of run {run} waits for approval: {why}")]
    NothingWaits {
        /// The run.
        run: RunId,
        /// Why: done, discarded, superseded by a newer one.
        why: String,
    },
    /// The plan has waited too long.
    #[error(
        "the plan of run {run} was good until {until}; make a new one with `rostercard plan` or `rostercard sync`"
    )]
    Expired {
        /// The run.
        run: RunId,
        /// Until when.
        until: Timestamp,
    },
    /// A review cannot be answered so.
    #[error("{why}")]
    Review {
        /// Why.
        why: String,
    },
    /// No card can get a new PIN.
    #[error("no card can get a new PIN: {why}")]
    NoNewPins {
        /// Why.
        why: String,
    },
    /// A card cannot get a new PIN.
    #[error("the {position}. student id that was given: {why}. No card got a new PIN")]
    NoNewPin {
        /// Which of the ids that were given, from 1.
        position: usize,
        /// Why.
        why: String,
    },
    /// The plan is not the one that was looked at.
    #[error("the plan of run {run} has digest {found}, not {asked}: look at it again")]
    OtherDigest {
        /// The run.
        run: RunId,
        /// Its digest.
        found: String,
        /// The digest that the approval names.
        asked: String,
    },
}

impl EngineError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Source(error) => error.hint.clone(),
            Self::Store(error) => error.hint().to_owned(),
            Self::OtherIls { stored, .. } => format!(
                "an ILS's `id` is permanent: write id = \"{stored}\" again if it is the same ILS; if the library has moved to \
                 another one, `rostercard ils migrate` carries the cards over"
            ),
            Self::Paused { .. } => {
                "nothing was read and nothing written; `rostercard resume` ends a pause before its time"
                    .to_owned()
            }
            Self::Frozen { .. } => {
                "nothing was read and nothing written, and cards stay as they are; see [agreement] in the \
                                    partnership's file"
                    .to_owned()
            }
            Self::Selection(SelectionError::NothingWaits { .. }) => {
                "`rostercard runs` lists what waits".to_owned()
            }
            Self::Selection(SelectionError::Review { .. }) => {
                "`rostercard review list` shows the open reviews and what each takes".to_owned()
            }
            Self::Selection(SelectionError::NoNewPins { .. }) => {
                "PINs can be changed in the ILS itself, by staff".to_owned()
            }
            Self::Selection(SelectionError::NoNewPin { .. }) => {
                "`rostercard explain` says how a student stands; leave that id out, and start again"
                    .to_owned()
            }
            Self::Selection(_) => "`rostercard runs` lists the runs of a partnership".to_owned(),
            Self::Spool(_) | Self::Internal(_) => {
                "make a new plan; if it happens again, report it".to_owned()
            }
        }
    }
}
