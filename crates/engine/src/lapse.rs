//! Leaving and coming back: a card of ours is not renewed, or expires, or is blocked; one that is the family's own is only
//! unlinked. What is written is journalled like any write, and taken back exactly when the person returns.

use jiff::civil::Date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::finding::Place;
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::plan::ChangeState;
use rostercard_core::ports::{
    ConnectorError, Fault, FieldChanges, FindKey, Lookup, Outcome, RejectionKind, Retry,
};
use rostercard_core::reason::NotEligible;
use rostercard_core::rules::OnLeaving;
use rostercard_core::threeway::{FieldDigest, FieldDigests};
use rostercard_core::words::LinkState;
use rostercard_store::rows::{
    Change, IntentEnd, IntentId, IntentKind, Link, LinkData, LinkWrite, NumberDraw, OpenIntent, Settlement,
};

use crate::apply::{Applier, Step};
use crate::error::EngineError;
use crate::tally::{Fate, Tally};
use crate::undo::UNDONE;

/// Why a link is lapsed, as the ledger keeps it.
pub(crate) mod why {
    /// The person left; the card is ours.
    pub(crate) const LEFT: &str = "left_the_roster";
    /// The person left; the card is the family's own, and was left as it is.
    pub(crate) const UNLINKED: &str = "unlinked";
    /// The person left, and we blocked the card.
    pub(crate) const BLOCKED: &str = "blocked_on_leaving";
}

/// What a planned lapse was planned for, where it was not for leaving: the code of a family's no.
fn opted_out(change: &Change) -> Option<&'static str> {
    [true, false]
        .map(|by_roster| NotEligible::OptedOut { by_roster }.code())
        .into_iter()
        .find(|code| code.as_bytes() == &**change.spool)
}

impl Applier<'_> {
    /// The patron of a link that is to be written to. Where there is none to be written to, that is settled: it is gone, or
    /// cannot be looked up this time.
    pub(crate) async fn patron_of(
        &self,
        change: Change,
        link: Link,
    ) -> Result<Option<(Change, Link, Patron)>, EngineError> {
        let Some(barcode) = link.data.barcode.clone() else {
            return Err(EngineError::Internal("a link with a patron has no number"));
        };
        let Some(lookup) = self.look(FindKey::Barcode(barcode)).await? else { return Ok(None) };
        match lookup {
            Lookup::Found(patron) => Ok(Some((change, link, *patron))),
            Lookup::NotFound => {
                self.is_gone(change, link);
                Ok(None)
            }
            Lookup::Unknown(error) => {
                self.failed(&change, None, &error).await?;
                Ok(None)
            }
            Lookup::Many | Lookup::NotVisible => {
                let error = ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisRecord,
                    "a patron of ours is there several times, or is not shown to Rostercard's login",
                    "look at the patron in the ILS's staff client, and at the login's permissions",
                );
                self.failed(&change, None, &error).await?;
                Ok(None)
            }
        }
    }

    /// Lets a card go, as the library chose.
    pub(crate) async fn lapse(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        let Some(link) = link.filter(|link| link.data.state.is_live()) else {
            self.result().shift(&change.school.1, Fate::Change(change.kind), Fate::Unchanged, 1);
            let change = Some((change.id, ChangeState::Dropped));
            return self.settle_one(Settlement { change, ..self.nothing() }).await;
        };
        let ours = link.data.state != LinkState::Linked;
        // A card that should never have been made ends, whatever becomes of those who leave.
        let undone = &**change.spool == UNDONE.as_bytes();
        if !undone && opted_out(&change).is_none() && self.left_to_another(&change, &link).await? {
            return Ok(());
        }
        let on_leaving = if undone { OnLeaving::Expire } else { self.settings.on_leaving };
        match on_leaving {
            OnLeaving::Expire if ours => self.expire(change, link).await,
            OnLeaving::Block if ours => self.block(change, link).await,
            OnLeaving::NotRenewed | OnLeaving::Expire | OnLeaving::Block => {
                self.lapsed(&change, &link, None, None).await
            }
        }
    }

    async fn expire(&self, change: Change, link: Link) -> Result<(), EngineError> {
        let Some((change, link, patron)) = self.patron_of(change, link).await? else { return Ok(()) };
        if self.is_upgraded(&link, link.data.category.as_ref(), &patron) {
            return self.unlinked(&change, link).await;
        }
        let today = self.settings.timezone.to_datetime(self.world.clock.now()).date();
        let there = patron.values.expiry;
        if there.is_some_and(|expiry| expiry <= today) {
            return self.lapsed(&change, &link, None, None).await;
        }
        let seen =
            self.store.digest_key().value(Field::Expiry, patron.values.canonical(Field::Expiry).as_deref());
        if self.directory.returns().contains(Field::Expiry)
            && seen != link.data.digests.get(Field::Expiry).seen
        {
            // Somebody gave the card another end since our last write: it is theirs to end.
            self.note_staff(FieldSet::of(&[Field::Expiry]));
            return self.lapsed(&change, &link, None, None).await;
        }
        let values = PatronValues { expiry: Some(today), ..PatronValues::default() };
        let write = FieldChanges { fields: FieldSet::of(&[Field::Expiry]), values };
        let Some((intent, outcome)) = self.write_fields(&change, &patron, &write).await? else {
            return Ok(());
        };
        match outcome {
            Outcome::Applied(read_back) => {
                self.success();
                let held = read_back.map_or(Some(today), |patron| patron.values.expiry);
                self.lapsed(&change, &link, Some((intent, IntentEnd::Applied)), Some((today, held))).await
            }
            Outcome::AlreadySo(patron) => {
                let held = Some((today, patron.values.expiry));
                self.lapsed(&change, &link, Some((intent, IntentEnd::Applied)), held).await
            }
            other => self.not_written(change, link, intent, other).await,
        }
    }

    async fn block(&self, change: Change, link: Link) -> Result<(), EngineError> {
        let Some((change, link, patron)) = self.patron_of(change, link).await? else { return Ok(()) };
        if self.is_upgraded(&link, link.data.category.as_ref(), &patron) {
            return self.unlinked(&change, link).await;
        }
        if patron.blocked == Some(true) {
            // Blocked by somebody else, and theirs to unblock.
            return self.lapsed(&change, &link, None, None).await;
        }
        let Some((intent, outcome)) = self.write_block(&change, &patron, true).await? else { return Ok(()) };
        match outcome {
            Outcome::Applied(Some(read_back)) if read_back.blocked == Some(false) => {
                let message = "the ILS said that it blocked a card, and did not";
                self.result().note("block_without_effect", message, &Place::default());
                let error = ConnectorError::new(
                    Fault::Ils,
                    Retry::NotThisTarget,
                    message,
                    "write [lapse] then = \"not_renewed\" or then = \"expire\", and tell the ILS's vendor",
                );
                self.failed(&change, Some(intent), &error).await
            }
            Outcome::Applied(_) | Outcome::AlreadySo(_) => {
                self.success();
                self.lapsed(&change, &link, Some((intent, IntentEnd::Applied)), None).await
            }
            other => self.not_written(change, link, intent, other).await,
        }
    }

    /// Takes back a block of ours, before a card is restored. Whether the restoring may go on.
    pub(crate) async fn unblock(
        &self,
        change: &Change,
        link: &Link,
        patron: &Patron,
    ) -> Result<bool, EngineError> {
        if link.data.reason.as_deref() != Some(why::BLOCKED) || patron.blocked != Some(true) {
            return Ok(true);
        }
        let Some((intent, outcome)) = self.write_block(change, patron, false).await? else {
            return Ok(false);
        };
        match outcome {
            Outcome::Applied(_) | Outcome::AlreadySo(_) => {
                self.success();
                let intent = Some((intent, IntentEnd::Applied));
                self.settle_one(Settlement { intent, ..self.nothing() }).await?;
                Ok(true)
            }
            Outcome::Unknown(error) => {
                self.failure(&error);
                Ok(false)
            }
            Outcome::NotSent(error) => {
                self.failure(&error);
                self.failed(change, Some(intent), &error).await?;
                Ok(false)
            }
            Outcome::Rejected(rejection) => {
                self.failed(change, Some(intent), &rejection.error).await?;
                Ok(false)
            }
            Outcome::HandedOver { .. } => Err(EngineError::Internal("a block was handed over")),
        }
    }

    /// Sends changed fields, by an intent that is durable before it. `None` where the run came to its end before.
    pub(crate) async fn write_fields(
        &self,
        change: &Change,
        patron: &Patron,
        write: &FieldChanges,
    ) -> Result<Option<(IntentId, Outcome)>, EngineError> {
        if self.at_an_end() {
            return Ok(None);
        }
        let mut before = PatronValues::default();
        for field in write.fields.iter() {
            before.take(field, &patron.values);
        }
        let step = Step::fields(self.number_of(patron), write, before);
        let (intent, _) = self.intend(self.run, change, step).await?;
        let outcome = {
            let _permit = self.permit().await?;
            if self.at_an_end() {
                None
            } else {
                self.count_write();
                self.planted_pin(patron).await;
                Some(self.directory.update(patron, write).await)
            }
        };
        self.sent(intent, outcome).await
    }

    async fn write_block(
        &self,
        change: &Change,
        patron: &Patron,
        blocked: bool,
    ) -> Result<Option<(IntentId, Outcome)>, EngineError> {
        if self.at_an_end() {
            return Ok(None);
        }
        let kind = if blocked { IntentKind::Block } else { IntentKind::Unblock };
        let (intent, _) = self.intend(self.run, change, Step::new(kind, self.number_of(patron))).await?;
        let outcome = {
            let _permit = self.permit().await?;
            if self.at_an_end() {
                None
            } else {
                self.count_write();
                Some(self.directory.set_blocked(patron, blocked).await)
            }
        };
        self.sent(intent, outcome).await
    }

    /// What came of a write; where it was not sent because the run came to its end, its intent is settled.
    async fn sent(
        &self,
        intent: IntentId,
        outcome: Option<Outcome>,
    ) -> Result<Option<(IntentId, Outcome)>, EngineError> {
        match outcome {
            Some(outcome) => Ok(Some((intent, outcome))),
            None => self.left(intent).await.map(|()| None),
        }
    }

    fn number_of(&self, patron: &Patron) -> NumberDraw {
        NumberDraw::Given(patron.values.barcode.clone().unwrap_or_else(|| patron.id.clone()))
    }

    /// A write on leaving that did not happen, or of which nobody knows.
    pub(crate) async fn not_written(
        &self,
        change: Change,
        link: Link,
        intent: IntentId,
        outcome: Outcome,
    ) -> Result<(), EngineError> {
        match outcome {
            Outcome::Unknown(error) => {
                self.failure(&error);
                self.result().note("answer_lost", &error.message, &Place::default());
                Ok(())
            }
            Outcome::NotSent(error) => {
                self.failure(&error);
                self.failed(&change, Some(intent), &error).await
            }
            Outcome::Rejected(rejection) if rejection.kind == RejectionKind::Missing => {
                let ended = Some((intent, IntentEnd::Rejected));
                self.settle_one(Settlement { intent: ended, ..self.nothing() }).await?;
                self.is_gone(change, link);
                Ok(())
            }
            Outcome::Rejected(rejection) => {
                self.success();
                if rejection.kind == RejectionKind::Target {
                    self.halt(rejection.error.clone());
                }
                self.failed(&change, Some(intent), &rejection.error).await
            }
            Outcome::Applied(_) | Outcome::AlreadySo(_) | Outcome::HandedOver { .. } => {
                Err(EngineError::Internal("a write that was done was taken for one that was not"))
            }
        }
    }

    /// Staff made the card the family's own since our last write: it is let go as it is.
    async fn unlinked(&self, change: &Change, link: Link) -> Result<(), EngineError> {
        let link = Link { data: LinkData { state: LinkState::Linked, ..link.data }, ..link };
        self.lapsed(change, &link, None, None).await
    }

    /// A card was let go: the ledger learns it. `expired` is the end that was asked for, and the one that read-back showed.
    pub(crate) async fn lapsed(
        &self,
        change: &Change,
        link: &Link,
        intent: Option<(IntentId, IntentEnd)>,
        expired: Option<(Date, Option<Date>)>,
    ) -> Result<(), EngineError> {
        let mut data = link.data.clone();
        data.state = LinkState::Lapsed;
        let blocked = intent.is_some() && expired.is_none();
        data.reason = Some(
            match opted_out(change) {
                _ if blocked => why::BLOCKED,
                Some(code) => code,
                None if &**change.spool == UNDONE.as_bytes() => UNDONE,
                None if link.data.state == LinkState::Linked => why::UNLINKED,
                None => why::LEFT,
            }
            .to_owned(),
        );
        if opted_out(change).is_some() {
            // Who said no is decided on; who left is decided on anew when they come back.
            data.decided = change.decided;
        }
        if let Some((asked, held)) = expired {
            data.expiry = held;
            data.digests = self.expiry_written(&data.digests, asked, held);
        }
        self.settle_one(Settlement {
            intent,
            change: Some((change.id, ChangeState::Done)),
            link: Some(LinkWrite { person: change.person, data }),
            ..self.nothing()
        })
        .await
    }

    fn expiry_written(&self, digests: &FieldDigests, asked: Date, held: Option<Date>) -> FieldDigests {
        let key = self.store.digest_key();
        let digest = |date: Option<Date>| key.value(Field::Expiry, date.map(|d| d.to_string()).as_deref());
        let mut digests = *digests;
        digests.set(Field::Expiry, FieldDigest { sent: digest(Some(asked)), seen: digest(held) });
        digests
    }

    /// A card's end whose answer never came: it is there, or the next run plans it anew.
    pub(crate) async fn settle_expiry(&self, open: &OpenIntent, patron: &Patron) -> Result<(), EngineError> {
        let link = self.store.links(self.partnership, &[open.person]).await?.pop();
        let landed =
            patron.values.expiry == open.values.expiry || !self.directory.returns().contains(Field::Expiry);
        match (link, open.values.expiry) {
            (Some(link), Some(asked)) if landed && link.data.state.is_live() => {
                let held = Some((asked, patron.values.expiry));
                self.lapsed(&open.planned, &link, Some((open.id, IntentEnd::Applied)), held).await
            }
            _ => self.plan_anew(open).await,
        }
    }

    /// A block, or the end of one, whose answer never came.
    pub(crate) async fn settle_block(&self, open: OpenIntent) -> Result<(), EngineError> {
        let patron = match self.find(FindKey::Barcode(open.barcode.clone())).await? {
            Lookup::Found(patron) => patron,
            // Staff took the patron away: the next run finds it gone.
            Lookup::NotFound => return self.plan_anew(&open).await,
            Lookup::Unknown(_) | Lookup::Many | Lookup::NotVisible => return Ok(()),
        };
        let wanted = open.kind == IntentKind::Block;
        let link = self.store.links(self.partnership, &[open.person]).await?.pop();
        match link {
            Some(link) if wanted && patron.blocked == Some(true) && link.data.state.is_live() => {
                self.lapsed(&open.planned, &link, Some((open.id, IntentEnd::Applied)), None).await
            }
            // Whether a block is gone is looked at again when the card is restored.
            _ => self.plan_anew(&open).await,
        }
    }

    /// A write that did not land, and is planned anew by the next run.
    pub(crate) async fn plan_anew(&self, open: &OpenIntent) -> Result<(), EngineError> {
        self.result().shift(&open.planned.school.1, Fate::Change(open.planned.kind), Fate::Pending, 1);
        self.settle_one(Settlement {
            intent: Some((open.id, IntentEnd::NotWritten)),
            change: Some((open.planned.id, ChangeState::Failed)),
            ..self.nothing()
        })
        .await
    }
}

/// The state of a link that comes back.
pub(crate) fn restored(data: &LinkData) -> LinkState {
    match (data.state, data.reason.as_deref()) {
        (LinkState::Lapsed, Some(why::UNLINKED)) => LinkState::Linked,
        (LinkState::Lapsed, _) => LinkState::Made,
        (state, _) => state,
    }
}
