//! Six faults, for the simulator to catch: behind the feature `planted-bugs`, which no program has, and asleep until
//! one is asked for. Without the feature nothing of this is compiled but a `false`.

use rostercard_core::guard::Verdict;
use rostercard_core::patron::{Patron, WantedPatron};
use rostercard_core::ports::Lookup;
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::student::Student;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, IntentEnd, IntentId, LinkWrite, Settlement};

use crate::apply::{Again, Applier, Attempt};
use crate::error::EngineError;

/// A fault that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    not(feature = "planted-bugs"),
    expect(unreachable_pub, reason = "exported with the feature alone")
)]
pub enum Bug {
    /// A look-up error is taken for "not found".
    ErrorIsNotFound,
    /// A create whose answer was lost is sent again at once, with a new number where one can be drawn.
    ResentAtOnce,
    /// The ledger is written before the outcome is known.
    LedgerFirst,
    /// No guard ever lets anything wait.
    NothingWaits,
    /// An update sets a PIN.
    PinOnUpdate,
    /// The sourcedId is the person's key.
    SourcedIdIsTheKey,
}

#[cfg(feature = "planted-bugs")]
impl Bug {
    /// Every fault.
    pub const ALL: &'static [Self] = &[
        Self::ErrorIsNotFound,
        Self::ResentAtOnce,
        Self::LedgerFirst,
        Self::NothingWaits,
        Self::PinOnUpdate,
        Self::SourcedIdIsTheKey,
    ];
}

#[cfg(feature = "planted-bugs")]
std::thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in all runs that this thread polls, or takes it out again.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a fault is planted.
#[cfg(feature = "planted-bugs")]
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether a fault is planted: never.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}

/// What a look-up is taken for.
pub(crate) fn lookup(lookup: Lookup) -> Lookup {
    match lookup {
        Lookup::Unknown(_) if is(Bug::ErrorIsNotFound) => Lookup::NotFound,
        lookup => lookup,
    }
}

/// What the guards said.
pub(crate) fn verdict(verdict: Verdict) -> Verdict {
    if is(Bug::NothingWaits) { Verdict::default() } else { verdict }
}

/// What a person is known by.
pub(crate) fn key(student: &Student) -> &Personal {
    let sourced = student.source_ids.first().filter(|_| is(Bug::SourcedIdIsTheKey));
    sourced.unwrap_or(&student.student_id)
}

impl Applier<'_> {
    /// The ledger learns of a card that may never be made.
    pub(crate) async fn planted_ledger(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        attempt: &Attempt,
    ) -> Result<(), EngineError> {
        if !is(Bug::LedgerFirst) {
            return Ok(());
        }
        let data = self.made_data(change, wanted, &attempt.values, &attempt.barcode, None, LinkState::Made);
        let link = LinkWrite { person: change.person, data };
        Ok(self.store.write_links(self.partnership, vec![link]).await?)
    }

    /// A PIN goes along with an update.
    pub(crate) async fn planted_pin(&self, patron: &Patron) {
        if is(Bug::PinOnUpdate) {
            drop(self.directory.set_pin(patron, &Secret::new("0417")).await);
        }
    }

    /// A create without an answer is given up and made anew.
    pub(crate) async fn planted_again(&self, intent: IntentId) -> Result<Again, EngineError> {
        if !is(Bug::ResentAtOnce) {
            return Ok(Again::No);
        }
        let intent = Some((intent, IntentEnd::NotWritten));
        self.settle_one(Settlement { intent, ..self.nothing() }).await?;
        Ok(Again::WithRandomPin(4))
    }
}
