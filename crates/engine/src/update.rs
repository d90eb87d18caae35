//! Changing: what a patron holds is compared with what is wanted and with what was sent, and only what is left is written. What
//! staff changed is left alone.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use rostercard_core::field::{Field, FieldSet, Ownership};
use rostercard_core::finding::Place;
use rostercard_core::patron::{Patron, PatronValues, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{Outcome, Rejection, RejectionKind, Retry};
use rostercard_core::spool;
use rostercard_core::threeway::{FieldDigests, compare, digests_after};
use rostercard_core::words::{Code, LinkState};
use rostercard_store::rows::{Change, IntentEnd, IntentId, Link, LinkData, LinkWrite, Settlement};

use crate::apply::Applier;
use crate::engine::EngineError;
use crate::lapse::restored;
use crate::tally::{Fate, Tally};

impl Applier<'_> {
    pub(crate) async fn update(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        let wanted = spool::decode(&change.spool)?;
        let target = link.filter(|link| link.data.barcode.is_some() && link.data.state.has_patron());
        let Some(link) = target else {
            self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
            let change = Some((change.id, ChangeState::Dropped));
            return self.settle_one(Settlement { change, ..self.nothing() }).await;
        };
        let Some((change, link, patron)) = self.patron_of(change, link).await? else { return Ok(()) };
        self.found.fetch_add(1, Ordering::Relaxed);
        if self.at_an_end() || !self.unblock(&change, &link, &patron).await? {
            return Ok(());
        }
        let key = self.store.digest_key();
        let upgraded = self.is_upgraded(&link, wanted.values.category.as_ref(), &patron);
        if upgraded {
            self.note_upgraded();
        }
        let own = (upgraded || restored(&link.data) == LinkState::Linked)
            .then(|| self.settings.rules.fields.for_own_card(self.settings.rules.agreed));
        let fields = own.as_ref().unwrap_or(&self.settings.rules.fields);
        let result = compare(&wanted.values, &patron.values, &link.data.digests, fields, self.directory, key);
        self.note_staff(result.staff_won);
        // What this update, and every one after it, finds in the ledger.
        let link = if upgraded {
            Link { data: LinkData { state: LinkState::Linked, ..link.data }, ..link }
        } else {
            link
        };
        if result.write.fields.is_empty() {
            let digests =
                digests_after(&link.data.digests, &wanted.values, Some(&patron.values), result.already, key);
            if matches!(change.kind, ChangeKind::Update | ChangeKind::Renew) {
                self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
            }
            let expiry = patron.values.expiry.or(link.data.expiry);
            let data = updated(&link, &change, &wanted, digests, expiry);
            return self
                .settle_one(Settlement {
                    change: Some((change.id, ChangeState::Done)),
                    link: Some(LinkWrite { person: change.person, data }),
                    ..self.nothing()
                })
                .await;
        }
        let Some((intent, outcome)) = self.write_fields(&change, &patron, &result.write).await? else {
            return Ok(());
        };
        let fresh: FieldSet = result.write.fields.iter().chain(result.already.iter()).collect();
        match outcome {
            Outcome::Applied(read_back) => {
                self.success();
                self.changed(
                    &change,
                    &link,
                    &wanted,
                    intent,
                    read_back.as_deref(),
                    (&result.write.values, fresh),
                )
                .await
            }
            Outcome::AlreadySo(patron) => {
                self.success();
                self.changed(&change, &link, &wanted, intent, Some(&patron), (&result.write.values, fresh))
                    .await
            }
            Outcome::HandedOver { .. } => {
                self.changed(&change, &link, &wanted, intent, None, (&result.write.values, fresh)).await
            }
            Outcome::Rejected(rejection) => {
                self.success();
                self.update_refused(change, link, intent, rejection).await
            }
            Outcome::NotSent(error) => {
                self.failure(&error);
                self.failed(&change, Some(intent), &error).await
            }
            Outcome::Unknown(error) => {
                self.failure(&error);
                self.result().note("answer_lost", &error.message, &Place::default());
                Ok(())
            }
        }
    }

    pub(crate) async fn update_refused(
        &self,
        change: Change,
        link: Link,
        intent: IntentId,
        rejection: Rejection,
    ) -> Result<(), EngineError> {
        if rejection.error.retry == Retry::Later {
            self.failure(&rejection.error);
            return self.failed(&change, Some(intent), &rejection.error).await;
        }
        match rejection.kind {
            RejectionKind::Missing => {
                let intent = Some((intent, IntentEnd::Rejected));
                self.settle_one(Settlement { intent, ..self.nothing() }).await?;
                self.gone.lock().unwrap_or_else(PoisonError::into_inner).push((change, link));
                Ok(())
            }
            RejectionKind::Target => {
                self.halt(rejection.error.clone());
                self.failed(&change, Some(intent), &rejection.error).await
            }
            RejectionKind::Duplicate | RejectionKind::Field | RejectionKind::Record => {
                self.refused(&change, Some((intent, IntentEnd::Rejected)), rejection).await
            }
        }
    }

    /// A patron was changed: the ledger learns it.
    pub(crate) async fn changed(
        &self,
        change: &Change,
        link: &Link,
        wanted: &WantedPatron,
        intent: IntentId,
        patron: Option<&Patron>,
        (sent, fresh): (&PatronValues, FieldSet),
    ) -> Result<(), EngineError> {
        let key = self.store.digest_key();
        self.note_differences(sent, patron, sent.present());
        let held = self.held(&wanted.values, patron);
        let digests = digests_after(&link.data.digests, &wanted.values, Some(&held), fresh, key);
        let expiry = match patron.and_then(|p| p.values.expiry) {
            Some(expiry) => Some(expiry),
            None if fresh.contains(Field::Expiry) => wanted.values.expiry,
            None => link.data.expiry,
        };
        let data = updated(link, change, wanted, digests, expiry);
        self.settle_one(Settlement {
            intent: Some((intent, IntentEnd::Applied)),
            change: Some((change.id, ChangeState::Done)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }

    pub(crate) fn note_staff(&self, staff_won: FieldSet) {
        let mut result = self.result();
        for field in staff_won.iter() {
            result.staff_won += 1;
            let message =
                format!("the library's staff changed the {field} since our last write: it was left alone");
            result.note(&format!("staff_changed_{field}"), &message, &Place::default());
        }
    }

    pub(crate) fn note_upgraded(&self) {
        let message =
            "the library's staff gave the card another category: it is the family's own from now on";
        self.result().note("upgraded_by_staff", message, &Place::default());
    }

    /// Whether staff gave a card of ours another category since our last write (S05).
    pub(crate) fn is_upgraded(&self, link: &Link, asked: Option<&Code>, patron: &Patron) -> bool {
        let there = patron.values.category.as_ref();
        let ours = matches!(link.data.state, LinkState::Made | LinkState::Adopted);
        if !ours || there.is_none() || there == asked {
            return false;
        }
        let seen = link.data.digests.get(Field::Category).seen;
        let held = self
            .store
            .digest_key()
            .value(Field::Category, patron.values.canonical(Field::Category).as_deref());
        self.directory.returns().contains(Field::Category)
            && self.settings.rules.fields.owner(Field::Category) != Ownership::School
            && held != seen
    }
}

fn updated(
    link: &Link,
    change: &Change,
    wanted: &WantedPatron,
    digests: FieldDigests,
    expiry: Option<jiff::civil::Date>,
) -> LinkData {
    LinkData {
        state: restored(&link.data),
        decided: change.decided,
        reason: None,
        school: (wanted.school.key().to_owned(), wanted.school.label()),
        grade: wanted.grade.map(rostercard_core::grade::Grade::code),
        model: Some(wanted.model),
        category: wanted.values.category.clone(),
        branch: wanted.values.home_branch.clone(),
        expiry,
        digests,
        source_ids: wanted.source_ids.clone(),
        patron_id: link.data.patron_id.clone(),
        barcode: link.data.barcode.clone(),
        user_name: link.data.user_name.clone(),
    }
}
