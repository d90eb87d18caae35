//! Apply: planned changes become writes, a look-up before each, an intent before the wire, an outcome after it.
//!
//! Writes run at once up to the ILS's limit; one person has one change, so writes to one patron follow each other.
//! Nothing here retries a write whose answer never came: that is [`crate::settle`]'s, by look-up, later.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{TryStreamExt, stream};
use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::finding::Place;
use rostercard_core::patron::PatronValues;
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{ConnectorError, Fault, FieldChanges, FindKey, Lookup, PatronDirectory, Retry};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_store::Store;
use rostercard_store::rows::{
    Change, ChangeId, IntentEnd, IntentId, IntentKind, Link, NumberDraw, PartnershipId, RunId, RunResult,
    Settlement,
};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::engine::EngineError;
use crate::first::FirstCards;
use crate::settings::PartnershipSettings;
use crate::tally::{Fate, Tally};
use crate::world::World;

/// Changes that are read from the store at once.
const PAGE: usize = 500;
/// Changes under way at once, waiting for the wire or for the disk. More than the ILS's connections, so that one
/// commit of the journal serves many of them.
const UNDER_WAY: usize = 256;
/// So many failures in a row, and the ILS is not asked any further in this run.
const FAILURES_IN_A_ROW: u64 = 20;
/// The work of applying.
pub(crate) struct Applier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) directory: &'a dyn PatronDirectory,
    pub(crate) settings: &'a PartnershipSettings,
    pub(crate) partnership: PartnershipId,
    pub(crate) run: RunId,
    pub(crate) world: &'a World,
    pub(crate) wire: Semaphore,
    pub(crate) result: Mutex<RunResult>,
    pub(crate) halt: Mutex<Option<ConnectorError>>,
    pub(crate) gone: Mutex<Vec<(Change, Link)>>,
    pub(crate) failures: AtomicU64,
    pub(crate) lookups: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) creates: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) found: AtomicU64,
    /// When the next message may be sent, where the ILS has a rate.
    pub(crate) next: Mutex<Option<Timestamp>>,
    /// When this work began, and when it last sent a write.
    pub(crate) began: Timestamp,
    pub(crate) last_sent: Mutex<Option<Timestamp>>,
    /// From when on no further change is begun: the ILS's hours end then.
    pub(crate) until: Option<Timestamp>,
    /// What came of the first cards, where they are looked at.
    pub(crate) first: Mutex<Option<FirstCards>>,
    /// Whether other partnerships have cards in the same ILS, once it was asked.
    pub(crate) shared: OnceCell<bool>,
}

/// A create that is about to be sent.
pub(crate) struct Attempt {
    /// The run whose plan holds the change: this one, or an earlier one that was cut short.
    pub(crate) run: RunId,
    pub(crate) intent: IntentId,
    pub(crate) barcode: Personal,
    pub(crate) values: PatronValues,
    pub(crate) pin: Option<Secret>,
    /// Whether the intent that sets the PIN is in the journal already, and is settled after this one.
    pub(crate) pin_follows: bool,
}

/// What is about to be sent for a change.
pub(crate) struct Step {
    pub(crate) kind: IntentKind,
    pub(crate) number: NumberDraw,
    pub(crate) fields: Option<FieldSet>,
    pub(crate) values: PatronValues,
    pub(crate) before: Option<PatronValues>,
    pub(crate) pin: Option<Secret>,
}

impl Step {
    pub(crate) fn pin(number: NumberDraw, pin: &Secret) -> Self {
        Self { pin: Some(pin.clone()), ..Self::new(IntentKind::SetPin, number) }
    }

    /// Changed fields, and what was there before.
    pub(crate) fn fields(number: NumberDraw, write: &FieldChanges, before: PatronValues) -> Self {
        Self {
            fields: Some(write.fields),
            values: write.values.clone(),
            before: Some(before),
            ..Self::new(IntentKind::Update, number)
        }
    }

    pub(crate) fn new(kind: IntentKind, number: NumberDraw) -> Self {
        Self { kind, number, fields: None, values: PatronValues::default(), before: None, pin: None }
    }
}

/// What is left to try after a create was refused.
pub(crate) enum Again {
    No,
    WithRandomPin(u8),
    WithFallbackAddress,
}

impl<'a> Applier<'a> {
    pub(crate) fn new(
        store: &'a dyn Store,
        directory: &'a dyn PatronDirectory,
        settings: &'a PartnershipSettings,
        (partnership, run): (PartnershipId, RunId),
        world: &'a World,
        result: RunResult,
    ) -> Self {
        Self {
            store,
            directory,
            settings,
            partnership,
            run,
            world,
            wire: Semaphore::new(settings.limits.connections.max(1)),
            result: Mutex::new(result),
            halt: Mutex::default(),
            gone: Mutex::default(),
            failures: AtomicU64::new(0),
            lookups: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            creates: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            found: AtomicU64::new(0),
            next: Mutex::default(),
            began: world.clock.now(),
            last_sent: Mutex::default(),
            until: None,
            first: Mutex::default(),
            shared: OnceCell::new(),
        }
    }

    /// Begins no further change from a moment on.
    pub(crate) fn until(self, until: Option<Timestamp>) -> Self {
        Self { until, ..self }
    }

    /// Makes every ready change of the run.
    pub(crate) async fn apply(&self) -> Result<(), EngineError> {
        // A change whose write is in doubt is settled, and not made a second time beside it.
        let open = self.store.open_intents(self.partnership).await?;
        let in_doubt: &HashSet<ChangeId> = &open.into_iter().map(|intent| intent.planned.id).collect();
        let pages = stream::try_unfold(None, |after| async move {
            if self.at_an_end() {
                return Ok(None);
            }
            let page = self.ready(after).await?;
            let Some(last) = page.last().map(|(change, _)| change.id) else {
                return Ok(None);
            };
            let page = page.into_iter().filter(|(change, _)| !in_doubt.contains(&change.id)).map(Ok);
            Ok::<_, EngineError>(Some((stream::iter(page), Some(last))))
        });
        pages
            .try_flatten()
            .try_for_each_concurrent(UNDER_WAY, |(change, link)| self.begin(change, link))
            .await?;
        self.settle_gone().await
    }

    /// The next changes that are ready, each with what the ledger knows of its person.
    pub(crate) async fn ready(
        &self,
        after: Option<ChangeId>,
    ) -> Result<Vec<(Change, Option<Link>)>, EngineError> {
        let page = self.store.changes(self.run, ChangeState::Ready, after, PAGE).await?;
        let people: Vec<Digest> = page.iter().map(|change| change.person).collect();
        let links = self.store.links(self.partnership, &people).await?;
        let mut links: HashMap<Digest, Link> = links.into_iter().map(|link| (link.person, link)).collect();
        let with_link = |change: Change| {
            let link = links.remove(&change.person);
            (change, link)
        };
        Ok(page.into_iter().map(with_link).collect())
    }

    /// Makes a change, unless the run has come to its end.
    pub(crate) async fn begin(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        if self.at_an_end() {
            return Ok(());
        }
        self.change(change, link).await?;
        self.world.progress.advance(1);
        Ok(())
    }

    /// The result so far, with what the wire was used for.
    pub(crate) fn into_result(self) -> (RunResult, Option<ConnectorError>) {
        let mut result = self.result.into_inner().unwrap_or_else(PoisonError::into_inner);
        result.lookups += self.lookups.into_inner();
        result.writes += self.writes.into_inner();
        (result, self.halt.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn result(&self) -> MutexGuard<'_, RunResult> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no further change is to be begun.
    pub(crate) fn at_an_end(&self) -> bool {
        self.halted() || self.hours_over()
    }

    /// Whether the ILS's hours are over. What is in the journal is settled all the same.
    pub(crate) fn hours_over(&self) -> bool {
        self.until.is_some_and(|until| self.world.clock.now() >= until)
    }

    /// Whether no further message is to be sent.
    pub(crate) fn halted(&self) -> bool {
        self.world.asked_to_stop() || self.halt.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Why no further message is to be sent, where that is so.
    pub(crate) fn halted_by(&self) -> Option<ConnectorError> {
        if let Some(error) = &*self.halt.lock().unwrap_or_else(PoisonError::into_inner) {
            return Some(error.clone());
        }
        self.world.asked_to_stop().then(|| {
            ConnectorError::new(
                Fault::Operator,
                Retry::Later,
                "the run was asked to stop before this was sent",
                "start it again: it goes on where it stopped",
            )
        })
    }

    pub(crate) fn halt(&self, error: ConnectorError) {
        self.halt.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    pub(crate) async fn change(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
        match change.kind {
            ChangeKind::Create => self.create(change, link).await,
            ChangeKind::Update | ChangeKind::Renew | ChangeKind::Restore => self.update(change, link).await,
            ChangeKind::Lapse => self.lapse(change, link).await,
            ChangeKind::Pin => self.new_pin(change, link).await,
            ChangeKind::Undo => self.take_back(change, link).await,
            ChangeKind::Note => self.note(change, link).await,
            ChangeKind::Link => {
                Err(EngineError::Internal("a plan holds a kind of change that is never planned"))
            }
        }
    }

    /// Looks up for a change that is to be made, once the wire is free. `None` where the run has come to its end meanwhile:
    /// then nothing was asked, and the change stays as it is for the next run.
    pub(crate) async fn look(&self, key: FindKey) -> Result<Option<Lookup>, EngineError> {
        let permit = self.permit().await?;
        if self.at_an_end() {
            return Ok(None);
        }
        self.look_up(&key, permit).await.map(Some)
    }

    /// Looks up, once the wire is free. Where the run was halted meanwhile, nothing is asked and nobody can tell.
    pub(crate) async fn find(&self, key: FindKey) -> Result<Lookup, EngineError> {
        let permit = self.permit().await?;
        if let Some(error) = self.halted_by() {
            return Ok(Lookup::Unknown(error));
        }
        self.look_up(&key, permit).await
    }

    pub(crate) async fn look_up(
        &self,
        key: &FindKey,
        _permit: SemaphorePermit<'_>,
    ) -> Result<Lookup, EngineError> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let lookup = crate::planted::lookup(self.directory.find(key).await);
        match &lookup {
            Lookup::Unknown(error) => self.failure(error),
            _ => self.success(),
        }
        Ok(lookup)
    }

    /// A place on the wire, and in the ILS's rate where it has one.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, EngineError> {
        let permit = self.wire.acquire().await.map_err(|_| EngineError::Internal("the wire was closed"))?;
        if let Some(rate) = self.settings.limits.rate.filter(|rate| *rate > 0) {
            let apart = Duration::from_secs(1) / u32::from(rate);
            let wait = {
                let now = self.world.clock.now();
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                let turn = next.map_or(now, |next| next.max(now));
                *next = turn.checked_add(apart).ok();
                Duration::try_from(turn.duration_since(now)).unwrap_or_default()
            };
            if !wait.is_zero() {
                self.world.clock.sleep(wait).await;
            }
        }
        Ok(permit)
    }

    /// Counts a write that is about to be sent, and keeps when.
    pub(crate) fn count_write(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        *self.last_sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.world.clock.now());
    }

    /// When the last write left.
    pub(crate) fn last_sent(&self) -> Option<Timestamp> {
        *self.last_sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn success(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Notes that the ILS could not be asked; after many in a row, or where asking again cannot help, it is left alone.
    pub(crate) fn failure(&self, error: &ConnectorError) {
        let in_a_row = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if error.retry == Retry::NotThisTarget {
            self.halt(error.clone());
        } else if in_a_row >= FAILURES_IN_A_ROW {
            let mut error = error.clone();
            error.message = format!(
                "the ILS could not be asked {in_a_row} times in a row; the last time: {}",
                error.message
            );
            self.halt(error);
        }
    }

    /// A change that could not be made this time.
    pub(crate) async fn failed(
        &self,
        change: &Change,
        intent: Option<IntentId>,
        error: &ConnectorError,
    ) -> Result<(), EngineError> {
        // "Not now" leaves it ready: where a person let it through, the next run goes on with it.
        let later = error.retry == Retry::Later;
        {
            let mut result = self.result();
            result.failed += 1;
            result.note("not_done", &error.message, &Place::default());
            if !later {
                result.shift(&change.school.1, Fate::Change(change.kind), Fate::Pending, 1);
            }
        }
        self.settle_one(Settlement {
            intent: intent.map(|id| (id, IntentEnd::NotWritten)),
            change: (!later).then_some((change.id, ChangeState::Failed)),
            ..self.nothing()
        })
        .await
    }

    /// A change whose intent was made and not sent, since the run has come to its end: it stays ready for the next run.
    pub(crate) async fn left(&self, intent: IntentId) -> Result<(), EngineError> {
        let intent = Some((intent, IntentEnd::NotWritten));
        self.settle_one(Settlement { intent, ..self.nothing() }).await
    }

    pub(crate) async fn settle_one(&self, settlement: Settlement) -> Result<(), EngineError> {
        Ok(self.store.settle(vec![settlement]).await?)
    }

    pub(crate) fn nothing(&self) -> Settlement {
        Settlement {
            intent: None,
            change: None,
            link: None,
            pin: None,
            partnership: self.partnership,
            at: self.world.clock.now(),
        }
    }
}
