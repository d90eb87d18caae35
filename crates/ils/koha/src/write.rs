//! Writes: a create, a PIN, a change; each is read back, and none is sent twice.
//!
//! A create is two calls (the patron, and what became of it); its PIN is a third, a step of its own. A change is three:
//! what is there now, the change, what became of it.

use async_trait::async_trait;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    CapabilityState, ConnectorError, Creation, Fault, FieldChanges, Lookup, Outcome, PatronFinder,
    PatronWriter, Rejection, RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_web::Answer;

use crate::answer::{Meaning, What};
use crate::api::{Asked, Seen};
use crate::difference::{Difference, difference};
use crate::directory::{HIDDEN, KohaDirectory, SEE_ALL};
use crate::fold::fold;
use crate::look_up::Looked;
use crate::map::{MIDDLE_NAME, Obstacle};
use crate::record::{ATTRIBUTES, Record, Unreadable, new_id};

impl KohaDirectory {
    fn rejected(&self, kind: RejectionKind, field: Option<Field>, error: ConnectorError) -> Outcome {
        Outcome::Rejected(Rejection { kind, field, error })
    }

    /// A field that is not sent, because Koha would cut or refuse it.
    fn unsendable(&self, (field, obstacle): (Field, Obstacle)) -> Outcome {
        let (what, hint) = match obstacle {
            Obstacle::Missing => {
                (format!("Koha must have the {field}"), "Correct it in the roster, or set a rule for it.")
            }
            Obstacle::Odd => (
                format!("the {field} holds blanks at its ends or control characters"),
                "Correct it in the roster, or the rule that makes it.",
            ),
            Obstacle::TooLong(most) => (
                format!(
                    "the {field} is longer than the {most} characters that Koha holds; it would be cut without a word"
                ),
                "Correct it in the roster, or the rule that makes it.",
            ),
        };
        let error = ConnectorError::new(Fault::District, Retry::NotThisRecord, what, hint);
        self.rejected(RejectionKind::Field, Some(field), error)
    }

    /// The answer to a write that was done; else what became of it.
    fn done(&self, asked: Asked) -> Result<Answer, Outcome> {
        Err(match asked {
            Asked::Answered(Meaning::Done(answer)) => return Ok(answer),
            Asked::Answered(Meaning::Refused(no)) => Outcome::Rejected(no),
            Asked::Answered(Meaning::NoPatron) => self.rejected(
                RejectionKind::Missing,
                None,
                ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisRecord,
                    format!("{}: the patron to change is no longer found", self.origin()),
                    "See in Koha whether it was merged, deleted or moved out of the login's sight.",
                ),
            ),
            Asked::Answered(Meaning::Doubt(error)) | Asked::Unanswered(error) => Outcome::Unknown(error),
            Asked::NotSent(error) => Outcome::NotSent(error),
        })
    }

    /// What there is after an acknowledged create.
    async fn read_back_new(&self, number: &str, answer: &Answer) -> Outcome {
        let Some(id) = new_id(&answer.body, answer.header("location")) else {
            return match self.by_number(number).await {
                Looked::Found(patron, _) => self.proven(patron),
                Looked::Not(_) => Outcome::Unknown(self.api.unreadable(What::Create, "no patron_id")),
            };
        };
        match self.api.patron(id).await {
            Seen::Found(record) => match self.read(*record) {
                Looked::Found(patron, _) => self.proven(patron),
                Looked::Not(_) => Outcome::Applied(None),
            },
            // It is there and this login does not see it: so it would be with every further card of this branch.
            Seen::NoPatron => Outcome::Unknown(ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!("{}: a patron was made, but is not visible to this login", self.origin()),
                SEE_ALL,
            )),
            Seen::Failed(_) => Outcome::Applied(None),
        }
    }

    fn proven(&self, patron: Box<Patron>) -> Outcome {
        self.known().create = CapabilityState::Proven;
        Outcome::Applied(Some(patron))
    }

    /// A create that was refused because something is there already: of whom the number is, or that it cannot be seen.
    async fn duplicate(&self, number: &str, mut no: Rejection) -> Outcome {
        match self.by_number(number).await {
            // Koha looks at the user id first, so "Problem with" may be about the very same patron: our own, where an
            // earlier answer was lost.
            Looked::Found(..) => no.field = Some(Field::Barcode),
            Looked::Not(Lookup::NotFound | Lookup::NotVisible) if no.field == Some(Field::Barcode) => {
                let mut known = self.known();
                if known.hidden.len() < HIDDEN {
                    known.hidden.insert(fold(number));
                }
                drop(known);
                let message =
                    format!("{}: a patron has this number, but is not visible to this login", self.origin());
                self.note("koha_not_visible", format!("{message}. {SEE_ALL}"));
                no.error = ConnectorError::new(Fault::Operator, Retry::NotThisRecord, message, SEE_ALL);
            }
            Looked::Not(_) => {}
        }
        Outcome::Rejected(no)
    }

    /// Looks once for each category whether coming into it costs money, and notes it for the end of the run.
    async fn fee(&self, patron: &Patron, what: What) {
        let Some(category) = &patron.values.category else { return };
        if !self.known().fees.insert((category.clone(), what)) {
            return;
        }
        let Ok(id) = patron.id.reveal().parse() else { return };
        let owes = self.api.owes(id).await;
        if let Some(owes) = owes.filter(|owes| *owes > 0) {
            let coming = if what == What::Create { "a new card" } else { "a change into this category" };
            self.note(
                "koha_fee",
                format!(
                    "category {category}: the patron owes {}.{:02} after {coming}: set its enrolment fee to 0 in Koha, or every such child is charged",
                    owes / 100,
                    owes % 100
                ),
            );
        }
    }

    /// The record as it is now, before a change.
    async fn now(&self, patron: &Patron) -> Result<(Box<Patron>, Box<Record>), Outcome> {
        let missing = || {
            let error = ConnectorError::new(
                Fault::Ils,
                Retry::NotThisRecord,
                format!("{}: the patron to change is no longer found", self.origin()),
                "See in Koha whether it was merged, deleted or moved out of the login's sight.",
            );
            self.rejected(RejectionKind::Missing, None, error)
        };
        let looked = match &patron.values.barcode {
            // Where a create could not be read back, the number stands for the id.
            Some(number) if *number == patron.id => self.by_number(number.reveal()).await,
            _ => self.by_id(&patron.id).await,
        };
        match looked {
            Looked::Found(patron, record) => Ok((patron, record)),
            Looked::Not(Lookup::Unknown(error)) => Err(Outcome::NotSent(error)),
            Looked::Not(_) => Err(missing()),
        }
    }

    /// Sends a change: the attributes first, because they alone can be refused for what is in another record.
    async fn send(&self, record: &Record, difference: &Difference) -> Result<(), Outcome> {
        if let Some(all) = &difference.attributes {
            self.done(self.api.replace_attributes(record.id(), all).await)?;
        }
        if difference.properties.is_empty() {
            return Ok(());
        }
        match self.done(self.api.update(record.id(), difference.body(record)).await) {
            Ok(_) => Ok(()),
            // Half of it is done, so it is not true that nothing was written.
            Err(Outcome::Rejected(no)) if difference.attributes.is_some() => Err(Outcome::Unknown(no.error)),
            Err(Outcome::NotSent(error)) if difference.attributes.is_some() => Err(Outcome::Unknown(error)),
            Err(outcome) => Err(outcome),
        }
    }
}

/// Which of these fields hold something else now than when the patron was looked up.
fn moved(before: &PatronValues, now: &PatronValues, fields: FieldSet) -> bool {
    fields.iter().any(|field| before.canonical(field) != now.canonical(field))
}

#[async_trait]
impl PatronWriter for KohaDirectory {
    fn pin_with_create(&self) -> bool {
        false
    }

    async fn create(&self, creation: &Creation) -> Outcome {
        let values = &creation.values;
        let Some(number) = values.barcode.as_ref().map(Personal::reveal).filter(|number| !number.is_empty())
        else {
            let error = ConnectorError::new(
                Fault::Rostercard,
                Retry::NotThisRecord,
                "a card without a number cannot be made",
                "Report this as a mistake in Rostercard.",
            );
            return self.rejected(RejectionKind::Field, Some(Field::Barcode), error);
        };
        let properties = match self.properties().await {
            Ok(properties) => properties,
            Err(error) => return Outcome::NotSent(error),
        };
        let mapping = self.mapping();
        if let Some(obstacle) = mapping.obstacle(FieldSet::ALL, values) {
            return self.unsendable(obstacle);
        }
        if values.middle_name.is_some() && !mapping.middle_name {
            self.note(
                "koha_property_unknown",
                format!("this version of Koha has no {MIDDLE_NAME}: it is not kept"),
            );
        }
        let mut body = mapping.create(values);
        let known = |name: &str| match &properties {
            Some(names) => names.contains(name) || name == ATTRIBUTES,
            // Nobody was seen to learn from: what only newer versions know stays out.
            None => name != MIDDLE_NAME,
        };
        let unknown: Vec<String> = body.keys().filter(|name| !known(name)).cloned().collect();
        for name in unknown {
            body.remove(&name);
            self.note("koha_property_unknown", format!("this version of Koha has no {name}: it is not kept"));
        }
        let lost =
            values.statistics.keys().filter(|name| !self.settings.attributes.codes.contains_key(*name));
        for name in lost {
            self.note(
                "koha_code_without_place",
                format!("the statistical code `{name}` has no place in Koha: name one in [ils.NAME.koha.attributes]"),
            );
        }
        match self.done(self.api.create(body).await) {
            Ok(answer) => {
                let outcome = self.read_back_new(number, &answer).await;
                if let Outcome::Applied(Some(patron)) = &outcome {
                    self.fee(patron, What::Create).await;
                }
                outcome
            }
            Err(Outcome::Rejected(no)) if no.kind == RejectionKind::Duplicate => {
                self.duplicate(number, no).await
            }
            Err(outcome) => outcome,
        }
    }

    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome {
        let id = match (&patron.values.barcode, patron.id.reveal().parse()) {
            (Some(number), Ok(id)) if *number != patron.id => id,
            (None, Ok(id)) => id,
            _ => match self.now(patron).await {
                Ok((_, record)) => record.id(),
                Err(outcome) => return outcome,
            },
        };
        match self.done(self.api.password(id, pin).await) {
            Ok(_) => Outcome::Applied(None),
            Err(outcome) => outcome,
        }
    }

    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome {
        let mapping = self.mapping();
        let writable = mapping.writable();
        let fields: FieldSet = changes.fields.iter().filter(|field| writable.contains(*field)).collect();
        if fields.is_empty() {
            let names: Vec<&str> = changes.fields.iter().map(Field::word).collect();
            let error = ConnectorError::new(
                Fault::Operator,
                Retry::NotThisRecord,
                format!("Koha has no place for {}, or it is not changed by itself", names.join(", ")),
                "Set these fields to \"library\" or \"none\" in [fields], or name their place in [ils.NAME.koha.attributes].",
            );
            return self.rejected(RejectionKind::Field, changes.fields.iter().next(), error);
        }
        if let Some(obstacle) = mapping.obstacle(fields, &changes.values) {
            return self.unsendable(obstacle);
        }
        let (now, record) = match self.now(patron).await {
            Ok(now) => now,
            Err(outcome) => return outcome,
        };
        // The record has shown what this version knows.
        let mapping = self.mapping();
        let fields: FieldSet = fields.iter().filter(|field| mapping.writable().contains(*field)).collect();
        if moved(&patron.values, &now.values, fields) {
            let error = ConnectorError::new(
                Fault::Ils,
                Retry::Later,
                format!("{}: the patron was changed by somebody else a moment ago", self.origin()),
                "It is compared anew in the next run.",
            );
            return self.rejected(RejectionKind::Record, None, error);
        }
        let difference = match difference(mapping, &record, fields, &changes.values) {
            Ok(difference) => difference,
            Err(Unreadable(property)) => {
                return Outcome::NotSent(self.api.unreadable(What::Read, property));
            }
        };
        if difference.is_empty() {
            return Outcome::AlreadySo(now);
        }
        if let Err(outcome) = self.send(&record, &difference).await {
            return outcome;
        }
        match self.by_id(&now.id).await {
            Looked::Found(after, _) => {
                let held = |field| {
                    self.canonical(field, &changes.values) == after.values.canonical(field).map(String::from)
                };
                if fields.iter().all(held) {
                    self.known().update = CapabilityState::Proven;
                }
                if difference.changes_category() {
                    self.fee(&after, What::Update).await;
                }
                Outcome::Applied(Some(after))
            }
            Looked::Not(_) => Outcome::Applied(None),
        }
    }

    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        let findings = std::mem::take(&mut self.known().findings);
        let finding = |code, message| Finding::new(code, Place::default(), message);
        Ok(findings
            .into_iter()
            .flat_map(|(code, messages)| messages.into_iter().map(move |message| finding(code, message)))
            .collect())
    }
}
