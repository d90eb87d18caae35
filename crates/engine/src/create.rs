//! Creating: a look-up, an intent, the create, what came of it, and the PIN where it is a step of its own. What an ILS refuses gets
//! its fallback, or is kept as a reject.

use std::sync::atomic::Ordering;

use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Place;
use rostercard_core::patron::{Number, Patron, PatronValues, PinWish, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{
    ConnectorError, Creation, Fault, FindKey, Lookup, Outcome, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::reason::{Reason, Reject, Review};
use rostercard_core::rules::pin;
use rostercard_core::spool;
use rostercard_core::threeway::{FieldDigests, digests_after};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{
    Change, IntentEnd, IntentId, IntentKind, Link, LinkData, LinkWrite, NewIntent, NumberDraw, RunId,
    Settlement,
};

use crate::answered;
use crate::apply::{Again, Applier, Attempt, Step};
use crate::collect::without_card;
use crate::elsewhere::Elsewhere;
use crate::engine::EngineError;
use crate::tally::{Fate, Tally};

/// How often a number of a range may turn out to be taken before the range itself is in doubt.
const DRAWS: usize = 20;
/// Creates whose number was already taken: this many, and this share in percent, and it is the store or the server that is
/// wrong, not the patrons. For patrons that are gone, `[guards] gone` says how many.
const MANY: (u64, u64) = (10, 20);

impl Applier<'_> {
    pub(crate) async fn create(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        let wanted = spool::decode(&change.spool)?;
        let separate = link.as_ref().and_then(|l| l.data.reason.as_deref()) == Some(answered::SEPARATE);
        if link.as_ref().is_some_and(|link| link.data.state.has_patron()) {
            // Made since the plan, by another one.
            self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
            let change = Some((change.id, ChangeState::Dropped));
            return self.settle_one(Settlement { change, ..self.nothing() }).await;
        }
        let change = if separate {
            change
        } else {
            match self.elsewhere(change, link.as_ref(), &wanted).await? {
                Elsewhere::Nobody(change) if self.no_card_yet(&change, &wanted).await? => change,
                Elsewhere::Taken(change, link) => return self.update(change, Some(*link)).await,
                Elsewhere::Nobody(_) | Elsewhere::Settled => return Ok(()),
            }
        };
        self.creates.fetch_add(1, Ordering::Relaxed);
        let mut values = wanted.values.clone();
        let mut pin = self.resolve_pin(&wanted.pin);
        let mut tries = 0;
        loop {
            let Some(attempt) = self.reserve(&change, &wanted, &values, pin.clone()).await? else {
                return Ok(());
            };
            tries += 1;
            match self.send_create(&change, &wanted, attempt).await? {
                Again::WithRandomPin(digits) if tries < 3 => {
                    pin = Some(pin::draw(digits, |bytes| self.world.entropy.fill(bytes)));
                }
                Again::WithFallbackAddress if tries < 3 => {
                    values.address.clone_from(&wanted.fallback_address);
                }
                _ => return Ok(()),
            }
        }
    }

    pub(crate) fn resolve_pin(&self, wish: &PinWish) -> Option<Secret> {
        match wish {
            PinWish::None => None,
            PinWish::Random { digits } => Some(pin::draw(*digits, |bytes| self.world.entropy.fill(bytes))),
            PinWish::Given { pin, .. } => Some(pin.clone()),
        }
    }

    /// Looks the number up and makes the intent durable: in this order for a number that is known, the other way
    /// round for one that is drawn. `None` where there is nothing to send; that is settled then.
    pub(crate) async fn reserve(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        values: &PatronValues,
        pin: Option<Secret>,
    ) -> Result<Option<Attempt>, EngineError> {
        let intend = |number| {
            let step =
                Step { values: values.clone(), pin: pin.clone(), ..Step::new(IntentKind::Create, number) };
            self.intend(self.run, change, step)
        };
        match &wanted.number {
            Number::Given(number) => {
                let Some(lookup) = self.look(FindKey::Barcode(number.clone())).await? else {
                    return Ok(None);
                };
                if !self.free(change, wanted, lookup, None).await? || self.at_an_end() {
                    return Ok(None);
                }
                let (intent, barcode) = intend(NumberDraw::Given(number.clone())).await?;
                Ok(Some(Attempt {
                    run: self.run,
                    intent,
                    barcode,
                    values: values.clone(),
                    pin,
                    pin_follows: false,
                }))
            }
            Number::Issued { range } => {
                let range = self.settings.ranges.get(range).ok_or(EngineError::Internal(
                    "a plan draws from a range that is not configured any more",
                ))?;
                for _ in 0..DRAWS {
                    let (intent, barcode) = intend(NumberDraw::Next(range.clone())).await?;
                    let Some(lookup) = self.look(FindKey::Barcode(barcode.clone())).await? else {
                        self.left(intent).await?;
                        return Ok(None);
                    };
                    if matches!(lookup, Lookup::Found(_) | Lookup::Many | Lookup::NotVisible) {
                        // Somebody else used a number of the range: the next one, and a word about it.
                        let message =
                            "a number of the range is in use in the ILS already: was the range set apart?";
                        self.result().note("range_number_taken", message, &Place::default());
                        let intent = Some((intent, IntentEnd::NotWritten));
                        self.settle_one(Settlement { intent, ..self.nothing() }).await?;
                        continue;
                    }
                    if !self.free(change, wanted, lookup, Some(intent)).await? {
                        return Ok(None);
                    }
                    return Ok(Some(Attempt {
                        run: self.run,
                        intent,
                        barcode,
                        values: values.clone(),
                        pin,
                        pin_follows: false,
                    }));
                }
                let error = ConnectorError::new(
                    Fault::Operator,
                    Retry::NotThisTarget,
                    format!(
                        "{DRAWS} numbers in a row of range `{}` are in use in the ILS already",
                        range.name
                    ),
                    "look in the ILS where the range is free, and set [card] number.first behind the last number in use",
                );
                self.halt(error.clone());
                self.failed(change, None, &error).await?;
                Ok(None)
            }
        }
    }

    /// Whether a number is free by a look-up; where it is not, the change is settled.
    pub(crate) async fn free(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        lookup: Lookup,
        intent: Option<IntentId>,
    ) -> Result<bool, EngineError> {
        let review = match lookup {
            Lookup::NotFound => return Ok(true),
            Lookup::Unknown(error) => {
                self.failed(change, intent, &error).await?;
                return Ok(false);
            }
            Lookup::Found(_) => Review::NumberTaken,
            Lookup::Many => Review::SeveralPatrons,
            Lookup::NotVisible => Review::NotVisible,
        };
        self.number_taken(change, wanted, review, intent.map(|id| (id, IntentEnd::NotWritten))).await?;
        Ok(false)
    }

    /// A question for a person; and where it is the same question again and again, the store is in doubt (S27).
    pub(crate) async fn number_taken(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        review: Review,
        intent: Option<(IntentId, IntentEnd)>,
    ) -> Result<(), EngineError> {
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        let creates = self.creates.load(Ordering::Relaxed).max(1);
        if taken >= MANY.0 && taken * 100 >= creates * MANY.1 {
            self.halt(ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("{taken} of {creates} new cards have a number that is in the ILS already: the store looks old, or the cards were loaded another way before"),
                "was the state store lost or restored from a backup? nothing further was written; see the guide's page on recovery",
            ));
        }
        let reason = Reason::Review(review);
        {
            let mut result = self.result();
            result.note(reason.code(), &reason.to_string(), &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), Fate::Review, 1);
        }
        let school = (wanted.school.key().to_owned(), wanted.school.label());
        let data = without_card(LinkState::Review, change.decided, Some(reason.code()), school);
        self.settle_one(Settlement {
            intent,
            change: Some((change.id, ChangeState::Settled)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }

    /// Makes a step's intent durable; its row, and the number, drawn if it was to be.
    pub(crate) async fn intend(
        &self,
        run: RunId,
        change: &Change,
        step: Step,
    ) -> Result<(IntentId, Personal), EngineError> {
        let fields = step.fields.unwrap_or(change.fields);
        let intent = NewIntent {
            run,
            change: change.id,
            partnership: self.partnership,
            person: change.person,
            kind: step.kind,
            number: step.number,
            pin: step.pin,
            fields,
            values: step.values,
            before: step.before,
            at: self.world.clock.now(),
        };
        let mut intents = self.store.intend(vec![intent]).await?;
        let intent = intents.pop().ok_or(EngineError::Internal("the store kept no intent"))?;
        Ok((intent.id, intent.barcode))
    }

    pub(crate) async fn send_create(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        attempt: Attempt,
    ) -> Result<Again, EngineError> {
        self.planted_ledger(change, wanted, &attempt).await?;
        let Some(outcome) = self.wire_create(&attempt).await? else {
            self.left(attempt.intent).await?;
            return Ok(Again::No);
        };
        self.created(change, wanted, attempt, outcome).await
    }

    /// Sends a create whose intent is durable. `None` where the run came to its end before.
    pub(crate) async fn wire_create(&self, attempt: &Attempt) -> Result<Option<Outcome>, EngineError> {
        let mut values = attempt.values.clone();
        values.barcode = Some(attempt.barcode.clone());
        let pin = attempt.pin.clone().filter(|_| self.directory.pin_with_create());
        let _permit = self.permit().await?;
        if self.at_an_end() {
            return Ok(None);
        }
        self.count_write();
        Ok(Some(self.directory.create(&Creation { values, pin }).await))
    }

    /// What came of a create becomes durable.
    pub(crate) async fn created(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        attempt: Attempt,
        outcome: Outcome,
    ) -> Result<Again, EngineError> {
        match outcome {
            Outcome::Applied(patron) => {
                self.success();
                self.made(change, wanted, attempt, patron.as_deref(), LinkState::Made).await?;
            }
            Outcome::AlreadySo(patron) => {
                self.success();
                self.made(change, wanted, attempt, Some(&patron), LinkState::Made).await?;
            }
            Outcome::HandedOver { .. } => {
                self.made(change, wanted, attempt, None, LinkState::Pending).await?;
            }
            Outcome::Rejected(rejection) => {
                self.success();
                return self.create_refused(change, wanted, attempt.intent, rejection).await;
            }
            Outcome::NotSent(error) => {
                self.failure(&error);
                self.failed(change, Some(attempt.intent), &error).await?;
            }
            Outcome::Unknown(error) => {
                // The intent stays open; it is settled by look-up at the end of the run, or by the next run.
                self.failure(&error);
                self.result().note("answer_lost", &error.message, &Place::default());
                return self.planted_again(attempt.intent).await;
            }
        }
        Ok(Again::No)
    }

    pub(crate) async fn create_refused(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        intent: IntentId,
        rejection: Rejection,
    ) -> Result<Again, EngineError> {
        let ended = Some((intent, IntentEnd::Rejected));
        if rejection.error.retry == Retry::Later {
            // "Not now" is no refusal of the record: nothing was written, and the next run tries again.
            self.failure(&rejection.error);
            self.failed(change, Some(intent), &rejection.error).await?;
            return Ok(Again::No);
        }
        match (rejection.kind, rejection.field) {
            (RejectionKind::Field, Some(Field::Pin)) => {
                if let PinWish::Given { fallback_digits, .. } = &wanted.pin {
                    let message = "the ILS refused a PIN made by the rule: a random one takes its place";
                    self.result().note("pin_refused", message, &Place::default());
                    self.settle_one(Settlement { intent: ended, ..self.nothing() }).await?;
                    return Ok(Again::WithRandomPin((*fallback_digits).max(4)));
                }
                self.refused(change, ended, rejection).await?;
            }
            (RejectionKind::Field, Some(Field::Address)) if wanted.fallback_address.is_some() => {
                let message = "the ILS refused the address: the fallback address takes its place";
                self.result().note("address_refused", message, &Place::default());
                self.settle_one(Settlement { intent: ended, ..self.nothing() }).await?;
                return Ok(Again::WithFallbackAddress);
            }
            (RejectionKind::Duplicate, _) => {
                // What the ILS says beside it may be the key to it: a patron that this login cannot see.
                self.result().note("ils_has_it_already", &rejection.error.message, &Place::default());
                self.number_taken(change, wanted, Review::NumberTaken, ended).await?;
            }
            (RejectionKind::Target, _) => {
                self.halt(rejection.error.clone());
                self.failed(change, Some(intent), &rejection.error).await?;
            }
            (RejectionKind::Field | RejectionKind::Record | RejectionKind::Missing, _) => {
                self.refused(change, ended, rejection).await?;
            }
        }
        Ok(Again::No)
    }

    /// The ILS refused a record for good: kept with its fingerprint, so that it is tried again only when something
    /// about the student or the rules changes.
    pub(crate) async fn refused(
        &self,
        change: &Change,
        intent: Option<(IntentId, IntentEnd)>,
        rejection: Rejection,
    ) -> Result<(), EngineError> {
        let field = rejection.field.map_or("record", Field::word).to_owned();
        let reason = Reason::Reject(Reject::RefusedByIls { field });
        {
            let mut result = self.result();
            let message = format!("{reason}: {}", rejection.error.message);
            result.note(reason.code(), &message, &Place::default());
            result.shift(&change.school.1, Fate::Change(change.kind), Fate::Reject, 1);
        }
        let link = self.store.links(self.partnership, &[change.person]).await?.pop();
        let data = match link {
            Some(link) if link.data.state.has_patron() => {
                LinkData { decided: change.decided, reason: Some(reason.code().to_owned()), ..link.data }
            }
            _ => {
                without_card(LinkState::Rejected, change.decided, Some(reason.code()), change.school.clone())
            }
        };
        self.settle_one(Settlement {
            intent,
            change: Some((change.id, ChangeState::Settled)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }

    /// A patron was made: the PIN where it is a step of its own, then the ledger.
    pub(crate) async fn made(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        attempt: Attempt,
        patron: Option<&Patron>,
        state: LinkState,
    ) -> Result<(), EngineError> {
        let Attempt { run, intent, barcode, values, pin, pin_follows } = attempt;
        let apart = pin.is_some() && !self.directory.pin_with_create() && state != LinkState::Pending;
        let own_step = apart && !pin_follows;
        let pin_intent = if own_step {
            // Durable before the create is settled: whenever the program is killed, one of the two is still open.
            let number = NumberDraw::Given(barcode.clone());
            let step = Step { pin: pin.clone(), ..Step::new(IntentKind::SetPin, number) };
            Some(self.intend(run, change, step).await?.0)
        } else {
            None
        };
        let data = self.made_data(change, wanted, &values, &barcode, patron, state);
        self.look_at_first(&values, &barcode, patron, state).await?;
        let link = Some(LinkWrite { person: change.person, data });
        let (done, kept_pin) = if apart { (None, None) } else { (Some(ChangeState::Done), pin.clone()) };
        self.settle_one(Settlement {
            intent: Some((intent, IntentEnd::Applied)),
            change: done.map(|state| (change.id, state)),
            link,
            pin: kept_pin,
            ..self.nothing()
        })
        .await?;
        if let (Some(pin_intent), Some(pin)) = (pin_intent, pin) {
            let made;
            let patron = match patron {
                Some(patron) => patron,
                None => {
                    let values = PatronValues { barcode: Some(barcode.clone()), ..values };
                    made = Patron { id: barcode, values, blocked: None };
                    &made
                }
            };
            self.set_pin(change, patron, pin_intent, pin).await?;
        }
        Ok(())
    }

    pub(crate) fn made_data(
        &self,
        change: &Change,
        wanted: &WantedPatron,
        values: &PatronValues,
        barcode: &Personal,
        patron: Option<&Patron>,
        state: LinkState,
    ) -> LinkData {
        let key = self.store.digest_key();
        let held = self.held(values, patron);
        self.note_differences(values, patron, values.present());
        LinkData {
            state,
            decided: change.decided,
            reason: None,
            school: (wanted.school.key().to_owned(), wanted.school.label()),
            grade: wanted.grade.map(rostercard_core::grade::Grade::code),
            model: Some(wanted.model),
            category: wanted.values.category.clone(),
            branch: wanted.values.home_branch.clone(),
            expiry: patron.and_then(|p| p.values.expiry).or(wanted.values.expiry),
            digests: digests_after(&FieldDigests::default(), &wanted.values, Some(&held), FieldSet::ALL, key),
            source_ids: wanted.source_ids.clone(),
            patron_id: Some(patron.map_or_else(|| barcode.clone(), |p| p.id.clone())),
            barcode: Some(barcode.clone()),
            user_name: values.user_name.clone(),
        }
    }

    /// What the ILS is taken to hold: what read-back showed, and the directory's own form of what was sent where it
    /// can show nothing.
    pub(crate) fn held(&self, sent: &PatronValues, patron: Option<&Patron>) -> PatronValues {
        let returns = self.directory.returns();
        let mut held = sent.clone();
        if let Some(patron) = patron {
            for field in returns.iter() {
                held.take(field, &patron.values);
            }
        }
        held
    }

    /// Says which fields an ILS cut, changed or ignored, once per field.
    pub(crate) fn note_differences(&self, sent: &PatronValues, patron: Option<&Patron>, fields: FieldSet) {
        let Some(patron) = patron else { return };
        let returns = self.directory.returns();
        for field in fields.iter().filter(|field| returns.contains(*field)) {
            let (asked, held) = (self.directory.canonical(field, sent), patron.values.canonical(field));
            if asked.as_deref() != held.as_deref() {
                let code = format!("not_kept_{field}");
                let message =
                    format!("the ILS did not keep the {field} as it was sent: it cut, changed or ignored it");
                self.result().note(&code, &message, &Place::default());
            }
        }
    }

    /// Sets a new card's PIN where that is a step of its own.
    pub(crate) async fn set_pin(
        &self,
        change: &Change,
        patron: &Patron,
        intent: IntentId,
        pin: Secret,
    ) -> Result<(), EngineError> {
        let outcome = {
            let _permit = self.permit().await?;
            self.count_write();
            self.directory.set_pin(patron, &pin).await
        };
        let done = Some((change.id, ChangeState::Done));
        match outcome {
            Outcome::Applied(_) | Outcome::AlreadySo(_) | Outcome::HandedOver { .. } => {
                self.success();
                let intent = Some((intent, IntentEnd::Applied));
                self.settle_one(Settlement { intent, change: done, pin: Some(pin), ..self.nothing() }).await
            }
            // "Not now" is no refusal of the PIN: it waits for the next settling as well.
            Outcome::Rejected(rejection) if rejection.error.retry == Retry::Later => {
                self.failure(&rejection.error);
                self.result().note("pin_not_yet", &rejection.error.message, &Place::default());
                Ok(())
            }
            Outcome::Rejected(rejection) => {
                let what = if change.kind == ChangeKind::Pin {
                    "a card keeps its old PIN"
                } else {
                    "a card was made"
                };
                let message = format!("{what}; the ILS refused the PIN: {}", rejection.error.message);
                {
                    let mut result = self.result();
                    result.note("pin_not_set", &message, &Place::default());
                    if change.kind == ChangeKind::Pin {
                        result.shift(&change.school.1, Fate::Change(change.kind), Fate::Reject, 1);
                    }
                }
                let intent = Some((intent, IntentEnd::Rejected));
                self.settle_one(Settlement { intent, change: done, ..self.nothing() }).await
            }
            // Setting the same PIN once more does no harm, so both wait for the next settling.
            Outcome::NotSent(error) | Outcome::Unknown(error) => {
                self.failure(&error);
                self.result().note("answer_lost", &error.message, &Place::default());
                Ok(())
            }
        }
    }
}
