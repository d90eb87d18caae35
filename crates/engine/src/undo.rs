//! The way back from a run that went wrong (S30): from the journal's sealed values, for what still is as the run left it, through
//! the same approval as any plan. A card that the run made ends; nothing is deleted.

use hashbrown::{HashMap, HashSet};
use rostercard_core::digest::{Digest, DigestKind};
use rostercard_core::field::FieldSet;
use rostercard_core::finding::Place;
use rostercard_core::patron::{Number, PatronValues, PinWish, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState, RunState};
use rostercard_core::ports::{FieldChanges, FindKey, Lookup, Outcome};
use rostercard_core::spool;
use rostercard_core::student::School;
use rostercard_core::threeway::{FieldDigest, FieldDigests};
use rostercard_core::words::{CardModel, Role};
use rostercard_store::rows::{
    Change, IntentEnd, IntentId, IntentKind, Link, LinkData, LinkWrite, NewChange, OpenIntent, PlanHead,
    RunId, RunResult, Settlement,
};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::apply::Applier;
use crate::engine::{Engine, Here, RunReport};
use crate::error::{EngineError, SelectionError};
use crate::tally::{Fate, Tally};

/// What a planned lapse carries where it takes back a card that a run made.
pub(crate) const UNDONE: &str = "undone";

impl Engine {
    /// Plans the way back from a run. The plan waits for approval like any other.
    ///
    /// # Errors
    /// The run is another partnership's or wrote nothing that can be taken back, or the store cannot be read.
    pub async fn undo(&self, run: RunId) -> Result<RunReport, EngineError> {
        self.refuse_while_paused().await?;
        let partnership = self.partnership().await?;
        let found = self.store.run(run).await?;
        if found.partnership != partnership.id {
            return Err(SelectionError::OtherPartnership(run).into());
        }
        let here = self.begin("undo").await?;
        let outcome = self.undo_within(&here, run).await;
        self.end(&here, outcome).await
    }

    async fn undo_within(&self, here: &Here, run: RunId) -> Result<(RunState, RunResult), EngineError> {
        let mut before: HashMap<Digest, PatronValues> = HashMap::new();
        let mut fields: HashMap<Digest, FieldSet> = HashMap::new();
        let (mut made, mut order, mut forgotten) = (HashSet::new(), Vec::new(), 0_u64);
        for write in self.store.written(run).await? {
            match (write.kind, write.before) {
                (IntentKind::Create, _) => {
                    made.insert(write.person);
                    order.push(write.person);
                }
                (IntentKind::Update, Some(values)) => {
                    order.push(write.person);
                    let all = fields.entry(write.person).or_insert(FieldSet::EMPTY);
                    let kept = before.entry(write.person).or_default();
                    // The first write of a run to a patron is the one that knows how it was.
                    for field in write.fields.iter().filter(|field| !all.contains(*field)).collect::<Vec<_>>()
                    {
                        all.insert(field);
                        kept.take(field, &values);
                    }
                }
                (IntentKind::Update, None) => forgotten += 1,
                (IntentKind::SetPin | IntentKind::Block | IntentKind::Unblock, _) => {}
            }
        }
        let mut seen = HashSet::new();
        order.retain(|person| seen.insert(*person));
        let mut result = RunResult::default();
        if forgotten > 0 {
            let message = format!(
                "{forgotten} changed cards cannot be taken back: what was there before is no longer kept"
            );
            result.note("undo_forgotten", &message, &Place::default());
        }
        let mut digest = Digest([0; 16]);
        let mut changes = Vec::new();
        for some in order.chunks(1_000) {
            for link in self.store.links(here.partnership.id, some).await? {
                let planned = if made.contains(&link.person) {
                    link.data.state.is_live().then(|| {
                        (ChangeKind::Lapse, FieldSet::EMPTY, Zeroizing::new(UNDONE.as_bytes().to_vec()))
                    })
                } else {
                    match (before.remove(&link.person), fields.get(&link.person)) {
                        (Some(values), Some(fields)) if link.data.state.has_patron() => {
                            Some((ChangeKind::Undo, *fields, spool::encode(&carried(&link, values))?))
                        }
                        _ => None,
                    }
                };
                let Some((kind, fields, spool)) = planned else { continue };
                result.count(&link.data.school.1, Fate::Waiting);
                digest = self.store.digest_key().digest(
                    DigestKind::Decided,
                    &[&digest.0, &link.person.0, kind.word().as_bytes(), &run.0.to_le_bytes()],
                );
                changes.push(NewChange {
                    person: link.person,
                    link: Some(link.id),
                    kind,
                    state: ChangeState::Waiting,
                    school: link.data.school.clone(),
                    fields,
                    decided: link.data.decided,
                    spool,
                });
            }
        }
        if changes.is_empty() {
            return Err(SelectionError::Review {
                why: format!("run {run} wrote nothing that can be taken back"),
            }
            .into());
        }
        self.store.add_changes(here.run, changes).await?;
        let days = jiff::Span::new().hours(i64::from(self.settings.wait_days) * 24);
        let head = PlanHead {
            digest: digest.0.iter().map(|byte| format!("{byte:02x}")).collect(),
            as_of: None,
            rules: here.partnership.rules.unwrap_or(Digest([0; 16])),
            endpoint: here.partnership.endpoint.clone().unwrap_or_default(),
            day: here.day,
            expires_at: here.now.saturating_add(days).unwrap_or(here.now),
            cursor: None,
        };
        self.store.write_plan(here.run, head).await?;
        let why = format!("this takes back what run {run} wrote, where it still is as that run left it");
        result.waiting_for.push(rostercard_core::guard::WaitingFor {
            guard: "undo".to_owned(),
            kind: None,
            limit: Some(0),
            found: result.counts.waiting,
            school: None,
            likely_cause: why,
        });
        Ok((RunState::Waiting, result))
    }
}

/// Values before a write, in the form in which a plan carries a patron.
fn carried(link: &Link, values: PatronValues) -> WantedPatron {
    let (key, label) = link.data.school.clone();
    WantedPatron {
        model: link.data.model.unwrap_or(CardModel::Full),
        role: Role::Student,
        number: Number::Given(
            link.data.barcode.clone().unwrap_or_else(|| rostercard_core::privacy::Personal::new("")),
        ),
        values,
        pin: PinWish::None,
        fallback_address: None,
        source_ids: Vec::new(),
        school: Arc::new(School { source_id: key, code: None, name: label }),
        grade: None,
        findings: Vec::new(),
    }
}

impl Applier<'_> {
    /// Writes back what was there before, field by field, where nobody has changed it since.
    pub(crate) async fn take_back(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        let before = spool::decode(&change.spool)?.values;
        let Some(link) = link.filter(|link| link.data.state.has_patron()) else {
            self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
            let change = Some((change.id, ChangeState::Dropped));
            return self.settle_one(Settlement { change, ..self.nothing() }).await;
        };
        let Some((change, link, patron)) = self.patron_of(change, link).await? else { return Ok(()) };
        let (key, returns) = (self.store.digest_key(), self.directory.returns());
        let mut write = FieldChanges { fields: FieldSet::EMPTY, values: PatronValues::default() };
        let mut staff = FieldSet::EMPTY;
        for field in change.fields.iter() {
            let there = key.value(field, patron.values.canonical(field).as_deref());
            if returns.contains(field) && there != link.data.digests.get(field).seen {
                staff.insert(field);
            } else {
                write.fields.insert(field);
                write.values.take(field, &before);
            }
        }
        self.note_staff(staff);
        if write.fields.is_empty() {
            self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
            let done = Some((change.id, ChangeState::Done));
            return self.settle_one(Settlement { change: done, ..self.nothing() }).await;
        }
        let Some((intent, outcome)) = self.write_fields(&change, &patron, &write).await? else {
            return Ok(());
        };
        match outcome {
            Outcome::Applied(read_back) => {
                self.success();
                let held = read_back.map_or_else(|| write.values.clone(), |patron| patron.values);
                self.taken_back(&change, &link, intent, write.fields, &held).await
            }
            Outcome::AlreadySo(patron) => {
                self.taken_back(&change, &link, intent, write.fields, &patron.values).await
            }
            other => self.not_written(change, link, intent, other).await,
        }
    }

    async fn taken_back(
        &self,
        change: &Change,
        link: &Link,
        intent: IntentId,
        fields: FieldSet,
        held: &PatronValues,
    ) -> Result<(), EngineError> {
        let key = self.store.digest_key();
        let mut digests: FieldDigests = link.data.digests;
        for field in fields.iter() {
            // The wish stays as it was sent, so that the same wish tomorrow is no news; what is there is what was seen.
            let sent = digests.get(field).sent;
            digests
                .set(field, FieldDigest { sent, seen: key.value(field, held.canonical(field).as_deref()) });
        }
        let mut data = LinkData { digests, ..link.data.clone() };
        if fields.contains(rostercard_core::field::Field::Expiry) {
            data.expiry = held.expiry;
        }
        self.settle_one(Settlement {
            intent: Some((intent, IntentEnd::Applied)),
            change: Some((change.id, ChangeState::Done)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }

    /// A taking back whose answer never came: it is there, or is tried once more while its plan is good.
    pub(crate) async fn settle_undo(&self, open: &OpenIntent) -> Result<(), EngineError> {
        let Lookup::Found(patron) = self.find(FindKey::Barcode(open.barcode.clone())).await? else {
            return Ok(());
        };
        let returns = self.directory.returns();
        let landed = open.fields.iter().filter(|field| returns.contains(*field)).all(|field| {
            self.directory.canonical(field, &open.values).as_deref()
                == patron.values.canonical(field).as_deref()
        });
        let link = self.store.links(self.partnership, &[open.person]).await?.pop();
        if let (true, Some(link)) = (landed, link) {
            return self.taken_back(&open.planned, &link, open.id, open.fields, &patron.values).await;
        }
        self.settle_one(Settlement {
            intent: Some((open.id, IntentEnd::NotWritten)),
            change: Some((open.planned.id, ChangeState::Ready)),
            ..self.nothing()
        })
        .await
    }
}
