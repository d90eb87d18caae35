//! Cards that students already have: looked for before one is made, where the library chose to link to them or to make none
//! beside them (S04, S31). Nothing here decides by itself what is not sure.

use rostercard_core::field::FieldSet;
use rostercard_core::finding::Place;
use rostercard_core::matching::{LADDER, Verdict, judge, key};
use rostercard_core::patron::{Patron, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{ConnectorError, FindKey, Lookup, Outcome};
use rostercard_core::reason::{Reason, Review};
use rostercard_core::rules::Existing;
use rostercard_core::threeway::{FieldDigests, compare, digests_after};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, IntentEnd, IntentId, LinkData, LinkWrite, Settlement};

use crate::answered;
use crate::apply::Applier;
use crate::collect::without_card;
use crate::error::EngineError;
use crate::tally::{Fate, Tally};

/// What was found when a student's own card was looked for.
enum Found {
    Nobody,
    Certain(Box<Patron>),
    Perhaps,
    Unknown(ConnectorError),
    /// The run came to its end before everything was asked.
    NotAsked,
}

impl Applier<'_> {
    /// Looks for a card that the student already has. Whether one is still to be made; where not, the change is settled.
    pub(crate) async fn no_card_yet(
        &self,
        change: &Change,
        wanted: &WantedPatron,
    ) -> Result<bool, EngineError> {
        let existing = self.settings.rules.existing;
        if existing == Existing::Separate {
            return Ok(true);
        }
        let found = self.own_card(change, wanted).await?;
        match (found, existing) {
            (Found::Nobody, _) => Ok(true),
            (Found::NotAsked, _) => Ok(false),
            (Found::Unknown(error), _) => {
                self.failed(change, None, &error).await?;
                Ok(false)
            }
            (Found::Perhaps, _) => {
                self.ask(change, wanted, Review::PossiblePatron).await?;
                Ok(false)
            }
            (Found::Certain(patron), _) if self.is_anothers(change, &patron).await? => {
                self.ask(change, wanted, Review::PossiblePatron).await?;
                Ok(false)
            }
            (Found::Certain(patron), Existing::Link) => {
                self.link(change, wanted, &patron).await?;
                Ok(false)
            }
            (Found::Certain(_), Existing::Skip | Existing::Separate) => {
                self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::NotEligible, 1);
                let message = "students have a card already: none is made beside it, as the library chose";
                self.result().note(answered::HAS_CARD, message, &Place::default());
                let data = without_card(
                    LinkState::Skipped,
                    change.decided,
                    Some(answered::HAS_CARD),
                    change.school.clone(),
                );
                self.settle_one(Settlement {
                    change: Some((change.id, ChangeState::Settled)),
                    link: Some(LinkWrite { person: change.person, data }),
                    ..self.nothing()
                })
                .await?;
                Ok(false)
            }
        }
    }

    /// Tries the ladder, rung by rung, over what the ILS can be searched by, and the extract where it cannot.
    async fn own_card(&self, change: &Change, wanted: &WantedPatron) -> Result<Found, EngineError> {
        let by = self.directory.finds_by();
        let mut perhaps = false;
        for rung in LADDER {
            // The student number travels in the wanted values only where the ILS is to keep it.
            let Some(key) = key(*rung, &wanted.values, wanted.values.student_id.as_ref()) else { continue };
            let asked = if by.contains(rung) {
                self.look(key).await?.map(|lookup| vec![lookup])
            } else {
                self.in_extract(&key).await?
            };
            let Some(candidates) = asked else { return Ok(Found::NotAsked) };
            for candidate in candidates {
                match candidate {
                    Lookup::NotFound => {}
                    Lookup::Unknown(error) => return Ok(Found::Unknown(error)),
                    Lookup::Many | Lookup::NotVisible => perhaps = true,
                    Lookup::Found(patron) => match judge(*rung, &wanted.values, &patron.values) {
                        Verdict::Same => return Ok(Found::Certain(patron)),
                        // Of somebody who is in the roster beside this student it is known that it is not theirs: a twin.
                        Verdict::Perhaps => perhaps |= !self.is_of_a_fellow(change, &patron).await?,
                        Verdict::Another => {}
                    },
                }
            }
        }
        Ok(if perhaps { Found::Perhaps } else { Found::Nobody })
    }

    /// The extract names numbers; what their patrons hold today, the ILS says. What it does not return, the extract says.
    async fn in_extract(&self, key: &FindKey) -> Result<Option<Vec<Lookup>>, EngineError> {
        let Some(extract) = &self.settings.extract else { return Ok(Some(Vec::new())) };
        let mut lookups = Vec::new();
        let returns = self.directory.returns();
        for values in extract.find(key, self.store.digest_key()) {
            let Some(barcode) = values.barcode.clone() else { continue };
            let Some(lookup) = self.look(FindKey::Barcode(barcode)).await? else { return Ok(None) };
            lookups.push(match lookup {
                Lookup::Found(patron) => {
                    let mut merged = values.clone();
                    for field in returns.iter() {
                        merged.take(field, &patron.values);
                    }
                    Lookup::Found(Box::new(Patron { values: merged, ..*patron }))
                }
                // The extract is older than the ILS: gone since, or under another number by now.
                Lookup::NotFound => Lookup::Many,
                other => other,
            });
        }
        Ok(Some(lookups))
    }

    /// Whether a patron belongs to another person of the ledger.
    async fn is_anothers(&self, change: &Change, patron: &Patron) -> Result<bool, EngineError> {
        let number = patron.values.barcode.clone().unwrap_or_else(|| patron.id.clone());
        let used = self.store.numbers_in_use(&self.settings.ils, &[number]).await?;
        Ok(used.iter().any(|(_, person)| *person != change.person))
    }

    /// Whether a patron is the card of somebody else of this partnership who is in the roster now.
    async fn is_of_a_fellow(&self, change: &Change, patron: &Patron) -> Result<bool, EngineError> {
        let number = patron.values.barcode.clone().unwrap_or_else(|| patron.id.clone());
        let used = self.store.numbers_in_use(&self.settings.ils, &[number]).await?;
        let others: Vec<_> =
            used.into_iter().map(|(_, person)| person).filter(|person| *person != change.person).collect();
        let links = self.store.links(self.partnership, &others).await?;
        Ok(links.iter().any(|link| link.data.state.is_live() && link.missing_since.is_none()))
    }

    /// Makes a question of a change.
    pub(crate) async fn ask(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        review: Review,
    ) -> Result<(), EngineError> {
        let reason = Reason::Review(review);
        {
            let mut result = self.result();
            result.note(reason.code(), &reason.to_string(), &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), Fate::Review, 1);
        }
        let school = (wanted.school.key().to_owned(), wanted.school.label());
        let data = without_card(LinkState::Review, change.decided, Some(reason.code()), school);
        self.settle_one(Settlement {
            change: Some((change.id, ChangeState::Settled)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }

    /// Links a student to the card that is there, and adds the agreed fields to it. Its number, PIN, category, branch, expiry,
    /// contacts and blocks stay as they are.
    async fn link(&self, change: &Change, wanted: &WantedPatron, patron: &Patron) -> Result<(), EngineError> {
        let key = self.store.digest_key();
        let rules = self.settings.rules.fields.for_own_card(self.settings.rules.agreed);
        let adds =
            compare(&wanted.values, &patron.values, &FieldDigests::default(), &rules, self.directory, key)
                .write;
        if adds.fields.is_empty() {
            return self.linked(change, wanted, patron, None).await;
        }
        let Some((intent, outcome)) = self.write_fields(change, patron, &adds).await? else { return Ok(()) };
        match outcome {
            Outcome::Applied(read_back) => {
                self.success();
                let patron = read_back.as_deref().unwrap_or(patron);
                self.linked(change, wanted, patron, Some((intent, IntentEnd::Applied))).await
            }
            Outcome::AlreadySo(patron) => {
                self.linked(change, wanted, &patron, Some((intent, IntentEnd::Applied))).await
            }
            Outcome::HandedOver { .. } => {
                self.linked(change, wanted, patron, Some((intent, IntentEnd::Applied))).await
            }
            Outcome::Unknown(error) => {
                self.failure(&error);
                self.result().note("answer_lost", &error.message, &Place::default());
                Ok(())
            }
            Outcome::NotSent(error) => {
                self.failure(&error);
                self.failed(change, Some(intent), &error).await
            }
            Outcome::Rejected(rejection) => self.failed(change, Some(intent), &rejection.error).await,
        }
    }

    async fn linked(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        patron: &Patron,
        intent: Option<(IntentId, IntentEnd)>,
    ) -> Result<(), EngineError> {
        self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Change(ChangeKind::Link), 1);
        let key = self.store.digest_key();
        let values = &patron.values;
        let data = LinkData {
            state: LinkState::Linked,
            decided: change.decided,
            reason: None,
            school: (wanted.school.key().to_owned(), wanted.school.label()),
            grade: wanted.grade.map(rostercard_core::grade::Grade::code),
            model: Some(wanted.model),
            category: values.category.clone(),
            branch: values.home_branch.clone(),
            expiry: values.expiry,
            digests: digests_after(
                &FieldDigests::default(),
                &wanted.values,
                Some(values),
                FieldSet::ALL,
                key,
            ),
            source_ids: wanted.source_ids.clone(),
            patron_id: Some(patron.id.clone()),
            barcode: Some(values.barcode.clone().unwrap_or_else(|| patron.id.clone())),
            user_name: values.user_name.clone(),
        };
        self.settle_one(Settlement {
            intent,
            change: Some((change.id, ChangeState::Done)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }
}
