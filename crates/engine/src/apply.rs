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
use rostercard_core::field::{Field, FieldSet, Ownership};
use rostercard_core::finding::Place;
use rostercard_core::guard::GuardAction;
use rostercard_core::patron::{Number, Patron, PatronValues, PinWish, WantedPatron};
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::ports::{
    ConnectorError, Creation, Fault, FieldChanges, FindKey, Lookup, Outcome, PatronDirectory, Rejection,
    RejectionKind, Retry,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::reason::{Reason, Reject, Review};
use rostercard_core::rules::pin;
use rostercard_core::spool;
use rostercard_core::threeway::{FieldDigests, compare, digests_after};
use rostercard_core::words::{Code, LinkState};
use rostercard_store::Store;
use rostercard_store::rows::{
    Change, ChangeId, IntentEnd, IntentId, IntentKind, Link, LinkData, LinkWrite, NewIntent, NumberDraw,
    PartnershipId, RunId, RunResult, Settlement,
};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use crate::answered;
use crate::collect::without_card;
use crate::elsewhere::Elsewhere;
use crate::engine::EngineError;
use crate::first::FirstCards;
use crate::lapse::restored;
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
/// How often a number of a range may turn out to be taken before the range itself is in doubt.
const DRAWS: usize = 20;
/// Creates whose number was already taken: this many, and this share in percent, and it is the store or the server that is
/// wrong, not the patrons. For patrons that are gone, `[guards] gone` says how many.
const MANY: (u64, u64) = (10, 20);

/// The work of applying.
pub(crate) struct Applier<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) directory: &'a dyn PatronDirectory,
    pub(crate) settings: &'a PartnershipSettings,
    pub(crate) partnership: PartnershipId,
    pub(crate) run: RunId,
    pub(crate) world: &'a World,
    pub(crate) wire: Semaphore,
    result: Mutex<RunResult>,
    halt: Mutex<Option<ConnectorError>>,
    gone: Mutex<Vec<(Change, Link)>>,
    failures: AtomicU64,
    lookups: AtomicU64,
    writes: AtomicU64,
    creates: AtomicU64,
    taken: AtomicU64,
    found: AtomicU64,
    /// When the next message may be sent, where the ILS has a rate.
    next: Mutex<Option<Timestamp>>,
    /// When this work began, and when it last sent a write.
    pub(crate) began: Timestamp,
    last_sent: Mutex<Option<Timestamp>>,
    /// From when on no further change is begun: the ILS's hours end then.
    until: Option<Timestamp>,
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
    kind: IntentKind,
    number: NumberDraw,
    fields: Option<FieldSet>,
    values: PatronValues,
    before: Option<PatronValues>,
    pin: Option<Secret>,
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

    async fn change(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
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

    // ---- look-ups and failures ----

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

    async fn look_up(&self, key: &FindKey, _permit: SemaphorePermit<'_>) -> Result<Lookup, EngineError> {
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

    // ---- creating ----

    async fn create(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
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

    fn resolve_pin(&self, wish: &PinWish) -> Option<Secret> {
        match wish {
            PinWish::None => None,
            PinWish::Random { digits } => Some(pin::draw(*digits, |bytes| self.world.entropy.fill(bytes))),
            PinWish::Given { pin, .. } => Some(pin.clone()),
        }
    }

    /// Looks the number up and makes the intent durable: in this order for a number that is known, the other way
    /// round for one that is drawn. `None` where there is nothing to send; that is settled then.
    async fn reserve(
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
    async fn free(
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

    async fn send_create(
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
    async fn created(
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

    async fn create_refused(
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
    async fn refused(
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
    fn held(&self, sent: &PatronValues, patron: Option<&Patron>) -> PatronValues {
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
    fn note_differences(&self, sent: &PatronValues, patron: Option<&Patron>, fields: FieldSet) {
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

    // ---- changing ----

    async fn update(&self, change: Change, link: Option<Link>) -> Result<(), EngineError> {
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

    async fn update_refused(
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

    // ---- gone ----

    /// Notes that a patron of ours was not found.
    pub(crate) fn is_gone(&self, change: Change, link: Link) {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).push((change, link));
    }

    /// Patrons of ours that were not found: each a question for a person; many at once, and it is the server that is
    /// in doubt (S33).
    async fn settle_gone(&self) -> Result<(), EngineError> {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        let (count, found) = (gone.len() as u64, self.found.load(Ordering::Relaxed));
        let limit = self.settings.guards.gone;
        if limit.action == GuardAction::Wait && count > limit.allows(count + found) {
            let error = ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                format!(
                    "{count} of {} patrons of ours were not found at once: another server, a restored backup, or a lost permission",
                    count + found
                ),
                "look two of the cards up in the ILS's staff client; nothing was changed for them",
            );
            self.halt(error.clone());
            for (change, _) in &gone {
                self.failed(change, None, &error).await?;
            }
            return Ok(());
        }
        for (change, link) in gone {
            let reason = Reason::Review(Review::Gone);
            {
                let mut result = self.result();
                result.note(reason.code(), &reason.to_string(), &Place::default());
                result.shift(&change.school.1, Fate::Change(change.kind), Fate::Review, 1);
            }
            let data = LinkData {
                state: LinkState::Gone,
                decided: change.decided,
                reason: Some(reason.code().to_owned()),
                ..link.data
            };
            self.settle_one(Settlement {
                change: Some((change.id, ChangeState::Settled)),
                link: Some(LinkWrite { person: change.person, data }),
                ..self.nothing()
            })
            .await?;
        }
        Ok(())
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
