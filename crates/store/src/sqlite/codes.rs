//! The small numbers under which the closed vocabularies are stored. They are written out here, and never follow from
//! the order of an enum, because a file outlives the program that wrote it: numbers are added, not changed.

use rostercard_core::plan::{ChangeKind, ChangeState, RunState};
use rostercard_core::words::{CardModel, LinkState};

use super::fault::{Fault, damaged};
use crate::rows::{IntentEnd, IntentKind};

/// A value that is stored as a small number.
pub(super) trait Coded: Sized + Copy {
    /// Its number.
    fn code(self) -> i64;

    /// The value of a number.
    fn from_code(code: i64) -> Result<Self, Fault>;
}

macro_rules! codes {
    ($name:ident { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl Coded for $name {
            fn code(self) -> i64 {
                match self { $(Self::$variant => $code),+ }
            }

            fn from_code(code: i64) -> Result<Self, Fault> {
                match code {
                    $($code => Ok(Self::$variant),)+
                    _ => Err(damaged(concat!("a number that stands for no ", stringify!($name)))),
                }
            }
        }
    };
}

codes!(LinkState {
    Made = 1,
    Linked = 2,
    Adopted = 3,
    Skipped = 4,
    Pending = 5,
    Review = 6,
    Rejected = 7,
    OptedOut = 8,
    Lapsed = 9,
    Gone = 10,
});
codes!(CardModel { Full = 1, Starter = 2, Digital = 3, Educator = 4 });
codes!(ChangeKind { Create = 1, Link = 2, Update = 3, Renew = 4, Lapse = 5, Restore = 6, Note = 7, Pin = 8, Undo = 9 });
codes!(ChangeState { Ready = 1, Waiting = 2, Done = 3, Failed = 4, Settled = 5, Dropped = 6 });
codes!(RunState { Running = 1, Planned = 2, Waiting = 3, Done = 4, DoneWithRejects = 5, Failed = 6, Unfinished = 7 });
codes!(IntentKind { Create = 1, SetPin = 2, Update = 3, Block = 4, Unblock = 5 });
codes!(IntentEnd { Applied = 1, Rejected = 2, NotWritten = 3 });

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Coded + PartialEq + std::fmt::Debug>(all: &[T]) {
        let mut seen = std::collections::BTreeSet::new();
        for value in all {
            assert_eq!(T::from_code(value.code()).ok(), Some(*value));
            assert!(seen.insert(value.code()), "two values with one number");
        }
        assert!(T::from_code(0).is_err() && T::from_code(99).is_err());
    }

    #[test]
    fn every_value_has_its_own_number() {
        round(LinkState::ALL);
        round(CardModel::ALL);
        round(ChangeKind::ALL);
        round(ChangeState::ALL);
        round(RunState::ALL);
        round(&[
            IntentKind::Create,
            IntentKind::SetPin,
            IntentKind::Update,
            IntentKind::Block,
            IntentKind::Unblock,
        ]);
        round(&[IntentEnd::Applied, IntentEnd::Rejected, IntentEnd::NotWritten]);
    }
}
