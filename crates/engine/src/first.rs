//! The first cards of a partnership: few, one after another, each compared with what was sent, before the rest is made. What
//! an ILS makes of another category, a date or an accent is seen on five cards then, and not on forty thousand.
//!
//! It does not judge an ILS that hands over a file and can be read by nobody; and it looks at what a card is and whose, not at
//! contacts, which ILSs cut and write anew in many ways.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use rostercard_core::field::{Field, FieldSet};
use rostercard_core::guard::{GuardAction, GuardName, WaitingFor};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{FindKey, Lookup};
use rostercard_core::privacy::Personal;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{ChangeCount, ChangeSelection, RunResult};

use crate::apply::Applier;
use crate::engine::{Engine, Here};
use crate::error::EngineError;
use crate::tally::{Fate, Tally};

/// So many cards are looked at.
const FEW: u64 = 5;
/// So many creates are tried for them: some may be questions, or be refused.
const TRIES: usize = 25;

/// What a card is, and whose.
const LOOKED_AT: FieldSet = FieldSet::of(&[
    Field::Barcode,
    Field::Surname,
    Field::GivenName,
    Field::BirthDate,
    Field::Category,
    Field::HomeBranch,
    Field::Expiry,
]);

/// What came of the first cards.
#[derive(Debug, Default)]
pub(crate) struct FirstCards {
    /// How many were made and could be looked at.
    pub(crate) seen: u64,
    /// How many of them are otherwise than they were sent, or are not there.
    differing: u64,
    /// In what, and how many cards.
    how: BTreeMap<String, u64>,
}

impl FirstCards {
    fn add(&mut self, how: Vec<String>) {
        self.seen += 1;
        self.differing += u64::from(!how.is_empty());
        for what in how {
            *self.how.entry(what).or_default() += 1;
        }
    }

    /// What a person has to look at, where there is something.
    fn question(&self) -> Option<WaitingFor> {
        if self.differing == 0 {
            return None;
        }
        let how: Vec<String> = self.how.iter().map(|(what, count)| format!("{what} ({count})")).collect();
        let likely_cause = format!(
            "of the first {} new cards {} are not in the ILS as they were sent: {}. Nothing further was written. Look at one in the \
             ILS's staff client: does it know the category and the branch, does it take the names as they are, may this login set the \
             date? `rostercard approve` makes the rest all the same",
            self.seen,
            self.differing,
            how.join(", ")
        );
        Some(WaitingFor {
            guard: GuardName::FirstCards.word().to_owned(),
            kind: Some(ChangeKind::Create.word().to_owned()),
            limit: Some(0),
            found: self.differing,
            school: None,
            likely_cause,
        })
    }
}

impl Applier<'_> {
    /// Makes the first cards of the run, one after another. What is to be asked of a person before the rest, where that is so.
    pub(crate) async fn make_first(&self) -> Result<Option<WaitingFor>, EngineError> {
        *self.first_cards() = Some(FirstCards::default());
        let creates =
            self.ready(None).await?.into_iter().filter(|(change, _)| change.kind == ChangeKind::Create);
        for (change, link) in creates.take(TRIES) {
            self.begin(change, link).await?;
            if self.first_cards().as_ref().is_some_and(|first| first.seen >= FEW) {
                break;
            }
        }
        Ok(self.first_cards().take().and_then(|first| first.question()))
    }

    /// Looks at a card that was just made, while the first ones are looked at.
    pub(crate) async fn look_at_first(
        &self,
        sent: &PatronValues,
        barcode: &Personal,
        patron: Option<&Patron>,
        state: LinkState,
    ) -> Result<(), EngineError> {
        if self.first_cards().is_none() || state == LinkState::Pending {
            return Ok(());
        }
        let mut sent = sent.clone();
        sent.barcode = Some(barcode.clone());
        let how = match patron {
            Some(patron) => self.otherwise(&sent, patron),
            // An ILS that says no more than yes is asked for what it has.
            None => match self.find(FindKey::Barcode(barcode.clone())).await? {
                Lookup::Found(patron) => self.otherwise(&sent, &patron),
                Lookup::NotFound => vec!["not found by the number".to_owned()],
                Lookup::Many => vec!["found several times by the number".to_owned()],
                Lookup::NotVisible => vec!["not shown to this login".to_owned()],
                // Nobody can tell: another card is looked at in its place.
                Lookup::Unknown(_) => return Ok(()),
            },
        };
        if let Some(first) = &mut *self.first_cards() {
            first.add(how);
        }
        Ok(())
    }

    /// In which fields a patron is otherwise than it was sent, of those that the ILS shows.
    fn otherwise(&self, sent: &PatronValues, patron: &Patron) -> Vec<String> {
        let returns = self.directory.returns();
        let differs = |field: &Field| {
            returns.contains(*field)
                && LOOKED_AT.contains(*field)
                && self.directory.canonical(*field, sent).as_deref()
                    != patron.values.canonical(*field).as_deref()
        };
        sent.present().iter().filter(differs).map(|field| field.word().replace('_', " ")).collect()
    }

    fn first_cards(&self) -> std::sync::MutexGuard<'_, Option<FirstCards>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Whether the first cards of a plan are looked at before the rest: nothing was let through yet as a whole, and there are
    /// more of them than are looked at.
    pub(crate) fn looks_at_first(&self, here: &Here, counts: &[ChangeCount]) -> bool {
        let ready =
            |count: &&ChangeCount| count.state == ChangeState::Ready && count.kind == ChangeKind::Create;
        let creates: u64 = counts.iter().filter(ready).map(|count| count.count).sum();
        !here.partnership.let_through && self.settings.guards.first_cards != GuardAction::Off && creates > FEW
    }

    /// The first cards were looked at and are well: where nothing of the plan waits any more, it is let through as a whole.
    pub(crate) async fn first_are_well(&self, here: &Here, result: &RunResult) -> Result<(), EngineError> {
        let head = self.store.run(here.run).await?.plan;
        match head {
            Some(head) if result.waiting_for.is_empty() => {
                Ok(self.store.write_taken(here.partnership.id, &head, true).await?)
            }
            _ => Ok(()),
        }
    }

    /// Puts aside what is left of a plan whose first cards are otherwise than they were sent.
    pub(crate) async fn wait_for_first(
        &self,
        here: &Here,
        result: &mut RunResult,
        question: WaitingFor,
    ) -> Result<(), EngineError> {
        let all = ChangeSelection::default();
        for count in self.store.change_counts(here.run).await? {
            if count.state == ChangeState::Ready {
                result.shift(&count.school.1, Fate::Change(count.kind), Fate::Waiting, count.count);
            }
        }
        self.store.move_changes(here.run, ChangeState::Ready, ChangeState::Waiting, &all).await?;
        result.waiting_for.push(question);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_what_differs_and_nobody() {
        let mut first = FirstCards::default();
        assert!(first.question().is_none());
        first.add(Vec::new());
        assert!(first.question().is_none());
        first.add(vec!["category".to_owned(), "expiry".to_owned()]);
        first.add(vec!["category".to_owned()]);
        let question = first.question().unwrap();
        assert_eq!((question.found, question.limit, question.guard.as_str()), (2, Some(0), "first_cards"));
        assert!(question.likely_cause.contains("of the first 3 new cards 2 are not in the ILS"));
        assert!(question.likely_cause.contains("category (2), expiry (1)"));
    }
}
