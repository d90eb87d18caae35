//! Settling: writes whose answer never came are looked up, no sooner than the ILS could still be committing them, and
//! are sent again only with the same number.

use std::time::Duration;

use futures::{StreamExt, stream};
use hashbrown::HashSet;
use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rostercard_core::field::{Field, Ownership};
use rostercard_core::patron::{Patron, PatronValues, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{FindKey, Lookup, Outcome, RejectionKind};
use rostercard_core::reason::Review;
use rostercard_core::spool;
use rostercard_core::words::LinkState;
use rostercard_store::rows::{Change, IntentEnd, IntentId, IntentKind, OpenIntent, Settlement};

use crate::apply::{Applier, Attempt};
use crate::error::EngineError;
use crate::tally::{Fate, Tally};
use crate::world::Phase;

impl Applier<'_> {
    /// Settles every open intent of the partnership, waiting until they are ripe. Returns whose could not be settled:
    /// the ILS cannot be asked, or an answer was lost again.
    pub(crate) async fn settle_open(&self) -> Result<HashSet<Digest>, EngineError> {
        let open = self.store.open_intents(self.partnership).await?;
        if open.is_empty() {
            return Ok(HashSet::new());
        }
        let now = self.world.clock.now();
        let mut wait = Duration::ZERO;
        for intent in &open {
            wait = wait.max(self.ripens_in(intent, now).await?);
        }
        if !wait.is_zero() {
            self.world.progress.say(&format!(
                "{} writes had no answer; the ILS may still be committing them: looking again in {} s",
                open.len(),
                wait.as_secs_f32().ceil()
            ));
            self.world.clock.sleep(wait).await;
        }
        self.world.progress.phase(Phase::Settling, Some(open.len() as u64));
        // One person's intents in their order; people at once, up to the ILS's limit.
        let mut people: Vec<Vec<OpenIntent>> = Vec::new();
        for intent in open {
            match people.iter_mut().find(|p| p[0].person == intent.person) {
                Some(list) => list.push(intent),
                None => people.push(vec![intent]),
            }
        }
        let at_once = self.settings.limits.connections.max(1) * 2;
        let mut work = stream::iter(people.into_iter().map(|intents| self.settle_person(intents)))
            .buffer_unordered(at_once);
        while let Some(done) = work.next().await {
            done?;
            self.world.progress.advance(1);
        }
        let left = self.store.open_intents(self.partnership).await?;
        self.result().unsettled = left.len() as u64;
        Ok(left.into_iter().map(|intent| intent.person).collect())
    }

    /// How long an intent has to wait yet: until the ILS can no longer be committing what was sent of it. That counts from
    /// when it can have been sent last, not from the intent, which may have waited for the wire for minutes.
    async fn ripens_in(&self, intent: &OpenIntent, now: Timestamp) -> Result<Duration, EngineError> {
        let mine = intent.at >= self.began;
        let sent = match self.last_sent().filter(|_| mine) {
            Some(sent) => sent,
            // A run that came to its end sent nothing afterwards; one that was killed, nothing since this one began.
            None => match self.store.run(intent.run).await?.finished_at {
                Some(finished) if finished >= intent.at => finished,
                _ => self.began,
            },
        };
        let since = Duration::try_from(now.duration_since(sent)).unwrap_or_default();
        Ok(self.settings.limits.settle_after.saturating_sub(since))
    }

    async fn settle_person(&self, mut intents: Vec<OpenIntent>) -> Result<(), EngineError> {
        intents.sort_by_key(|intent| intent.id);
        let pin_follows = intents.iter().any(|intent| intent.kind == IntentKind::SetPin);
        let with_create = intents.iter().any(|intent| intent.kind == IntentKind::Create);
        for intent in intents {
            if self.halted() {
                return Ok(());
            }
            match intent.kind {
                IntentKind::Create => self.settle_create(intent, pin_follows).await?,
                IntentKind::SetPin => self.settle_pin(intent, with_create).await?,
                IntentKind::Update => self.settle_update(intent).await?,
                IntentKind::Block | IntentKind::Unblock => self.settle_block(intent).await?,
            }
        }
        Ok(())
    }

    async fn settle_create(&self, open: OpenIntent, pin_follows: bool) -> Result<(), EngineError> {
        let wanted = spool::decode(&open.planned.spool)?;
        match self.find(FindKey::Barcode(open.barcode.clone())).await? {
            Lookup::Found(patron) => self.landed(open, &wanted, &patron, pin_follows).await,
            Lookup::NotFound => self.send_again(open, &wanted, pin_follows).await,
            // Nobody can tell: it stays open, and nothing is planned for the person.
            Lookup::Unknown(_) | Lookup::Many | Lookup::NotVisible => Ok(()),
        }
    }

    /// The patron is there. Ours, unless it is plainly somebody else's: a look-up had found the number free before the
    /// intent was made.
    async fn landed(
        &self,
        open: OpenIntent,
        wanted: &WantedPatron,
        patron: &Patron,
        pin_follows: bool,
    ) -> Result<(), EngineError> {
        let returns = self.directory.returns();
        let differs = |field: Field| {
            returns.contains(field)
                && self.directory.canonical(field, &open.values).as_deref()
                    != patron.values.canonical(field).as_deref()
        };
        if differs(Field::Surname) && differs(Field::BirthDate) {
            let ended = Some((open.id, IntentEnd::NotWritten));
            return self.number_taken(&open.planned, wanted, Review::NumberTaken, ended).await;
        }
        // Staff may have been quicker than we were to look: a card that they gave another category is the family's own (S05).
        let upgraded = differs(Field::Category)
            && self.settings.rules.fields.owner(Field::Category) != Ownership::School;
        let state = if upgraded { LinkState::Linked } else { LinkState::Made };
        if upgraded {
            self.note_upgraded();
        }
        let (planned, attempt) = attempt_of(open, pin_follows);
        self.made(&planned, wanted, attempt, Some(patron), state).await
    }

    /// It did not land, and can land no more: the same create once more, with the same number and PIN.
    async fn send_again(
        &self,
        open: OpenIntent,
        wanted: &WantedPatron,
        pin_follows: bool,
    ) -> Result<(), EngineError> {
        self.store.intend_again(&[open.id], self.world.clock.now()).await?;
        let (planned, attempt) = attempt_of(open, pin_follows);
        let Some(outcome) = self.wire_create(&attempt).await? else {
            // Not sent after all, and as certain not to be there as before.
            return self.not_there(&planned, attempt.intent).await;
        };
        match outcome {
            Outcome::Applied(patron) => {
                self.made(&planned, wanted, attempt, patron.as_deref(), LinkState::Made).await
            }
            Outcome::AlreadySo(patron) => {
                self.made(&planned, wanted, attempt, Some(&patron), LinkState::Made).await
            }
            Outcome::HandedOver { .. } => {
                self.made(&planned, wanted, attempt, None, LinkState::Pending).await
            }
            Outcome::Rejected(rejection) if rejection.kind == RejectionKind::Duplicate => {
                // It landed after all, between our look and our knock.
                match self.find(FindKey::Barcode(attempt.barcode.clone())).await? {
                    Lookup::Found(patron) => {
                        self.made(&planned, wanted, attempt, Some(&patron), LinkState::Made).await
                    }
                    _ => Ok(()),
                }
            }
            Outcome::Rejected(_) | Outcome::NotSent(_) => self.not_there(&planned, attempt.intent).await,
            Outcome::Unknown(_) => Ok(()),
        }
    }

    /// Certain not to be there: the next run plans it anew, with what the roster says then.
    async fn not_there(&self, planned: &Change, intent: IntentId) -> Result<(), EngineError> {
        self.result().shift(&planned.school.1, Fate::Change(planned.kind), Fate::Pending, 1);
        self.settle_one(Settlement {
            intent: Some((intent, IntentEnd::NotWritten)),
            change: Some((planned.id, ChangeState::Failed)),
            ..self.nothing()
        })
        .await
    }

    async fn settle_pin(&self, open: OpenIntent, with_create: bool) -> Result<(), EngineError> {
        let Some(pin) = open.pin.clone() else {
            return Err(EngineError::Internal("the journal holds a PIN's intent without a PIN"));
        };
        match self.find(FindKey::Barcode(open.barcode.clone())).await? {
            Lookup::Found(patron) => {
                self.store.intend_again(&[open.id], self.world.clock.now()).await?;
                self.set_pin(&open.planned, &patron, open.id, pin).await
            }
            // Staff took the patron away: there is no card that the PIN could belong to. Not so while its create is in doubt.
            Lookup::NotFound if !with_create => self.plan_anew(&open).await,
            _ => Ok(()),
        }
    }

    /// An update either landed, or the next run plans it anew from what the ledger knows; and finds it gone where it is.
    async fn settle_update(&self, open: OpenIntent) -> Result<(), EngineError> {
        if open.planned.kind == ChangeKind::Undo {
            return self.settle_undo(&open).await;
        }
        let patron = match self.find(FindKey::Barcode(open.barcode.clone())).await? {
            Lookup::Found(patron) => patron,
            Lookup::NotFound => return self.plan_anew(&open).await,
            Lookup::Unknown(_) | Lookup::Many | Lookup::NotVisible => return Ok(()),
        };
        if open.planned.kind == ChangeKind::Lapse {
            return self.settle_expiry(&open, &patron).await;
        }
        let returns = self.directory.returns();
        // What cannot be read back is not known to be there: writing it once more does no harm.
        let landed = open.fields.iter().all(|field| {
            returns.contains(field)
                && self.directory.canonical(field, &open.values).as_deref()
                    == patron.values.canonical(field).as_deref()
        });
        let link = self.store.links(self.partnership, &[open.person]).await?.pop();
        if let (true, Some(link)) = (landed, link) {
            let wanted = spool::decode(&open.planned.spool)?;
            let written = (&open.values, open.fields);
            return self.changed(&open.planned, &link, &wanted, open.id, Some(&patron), written).await;
        }
        self.plan_anew(&open).await
    }
}

fn attempt_of(open: OpenIntent, pin_follows: bool) -> (Change, Attempt) {
    let OpenIntent { id, run, barcode, pin, values, planned, .. } = open;
    let values = PatronValues { barcode: None, ..values };
    (planned, Attempt { run, intent: id, barcode, values, pin, pin_follows })
}
