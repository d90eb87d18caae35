//! The embedded store: one SQLite file, one writing thread, a few reading ones.
//!
//! The file is made with mode 0600, in WAL mode with `synchronous = full`; what a call that writes has answered is on
//! the disk. One process at a time writes, which an advisory lock on `<path>.lock` sees to; any number may read. Which
//! subject lies where: partnerships.rs, ledger.rs, runs.rs, plans.rs, journal.rs. Nothing here awaits a runtime: any
//! executor will do.

mod audit;
mod backup;
mod codes;
mod db;
mod decisions;
mod fault;
mod file;
mod journal;
mod keep;
mod ledger;
mod migrations;
mod mirror;
mod partnerships;
mod pauses;
mod pins;
mod plans;
mod purge;
mod read;
mod restore;
mod runs;
mod told;
mod values;
mod writer;

pub use self::backup::BackupFacts;
pub use self::restore::{RestoreAsked, Restored};

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_core::privacy::Personal;
use rostercard_core::who::Who;

use self::db::{Db, Secrets};
use self::fault::{Fault, not_found};
use self::read::Readers;
use self::writer::{BeforeCommit, Writer};
use crate::keep::{AuditEntry, Decided, Held, Purge, Removed, RestoreNote, Retained, Retention, Year};
use crate::rows::{
    Answer, Change, ChangeCount, ChangeId, ChangeSelection, Intent, IntentId, KeptPin, Link, LinkCell,
    LinkIndex, LinkWrite, Missing, NewChange, NewIntent, NewPause, NewRun, OpenIntent, Partnership,
    PartnershipId, PastChange, Pause, PauseId, PauseScope, PinBatch, PinBatchId, PlanDecision, PlanHead, Run,
    RunId, RunResult, Settlement, StateCount, StoredSchool, Wish, Written,
};
use crate::seal::{Entropy, StoreKey};
use crate::store::{Store, StoreError};

/// Connections that read, beside the one that writes.
const READERS: usize = 2;

/// A store in an SQLite file.
pub struct SqliteStore {
    // In this order: readers and writer close the file before the lock is let go.
    readers: Option<Readers>,
    writer: Option<Writer>,
    secrets: Arc<Secrets>,
    what: Arc<str>,
    _lock: Option<File>,
}

impl SqliteStore {
    /// Opens a store for writing; makes it, and its directory, where there is none.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once where another process has it, [`StoreError::WrongKey`], [`StoreError::Newer`],
    /// [`StoreError::Damaged`], or [`StoreError::Unavailable`] with the path and the reason.
    pub fn open_writer(path: &Path, key: &StoreKey, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        Self::open(path, key, entropy, Box::new(|| {}))
    }

    fn open(
        path: &Path,
        key: &StoreKey,
        entropy: Arc<dyn Entropy>,
        before: BeforeCommit,
    ) -> Result<Self, StoreError> {
        let what: Arc<str> = path.display().to_string().into();
        let (conn, lock) = file::open_writer(path, key.digest_key().id())?;
        backup::give_id(&conn, &*entropy).map_err(|fault| fault.at(&what))?;
        let secrets = Arc::new(Secrets::new(key, entropy));
        let readers = readers(path, &secrets, &what)?;
        let writer = Writer::start_with(conn, Arc::clone(&secrets), Arc::clone(&what), before);
        let writer = started(&what, writer)?;
        Ok(Self { readers: Some(readers), writer: Some(writer), secrets, what, _lock: Some(lock) })
    }

    /// As [`Self::open_writer`], with something done before each commit: for benches that stand a slow disk in for a
    /// quick one. The writing thread waits for it, and so do all whose work is in that commit.
    ///
    /// # Errors
    /// As [`Self::open_writer`].
    #[cfg(feature = "slow-disk")]
    pub fn open_writer_on_slow_disk(
        path: &Path,
        key: &StoreKey,
        entropy: Arc<dyn Entropy>,
        before_commit: impl FnMut() + Send + 'static,
    ) -> Result<Self, StoreError> {
        Self::open(path, key, entropy, Box::new(before_commit))
    }

    /// Opens a store that is there for reading, also while another process writes. Methods that write answer
    /// [`StoreError::ReadOnly`].
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where there is none yet; else as [`Self::open_writer`], save that it is never busy.
    pub fn open_reader(path: &Path, key: &StoreKey) -> Result<Self, StoreError> {
        // Who reads seals nothing.
        let none = |_: &mut [u8]| Err(std::io::Error::other("the store was opened for reading"));
        let secrets = Arc::new(Secrets::new(key, Arc::new(none)));
        let what: Arc<str> = path.display().to_string().into();
        let readers = readers(path, &secrets, &what)?;
        Ok(Self { readers: Some(readers), writer: None, secrets, what, _lock: None })
    }

    /// A store in memory, for tests: gone when it is dropped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where no thread could be started.
    pub fn open_in_memory(key: &StoreKey, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        let secrets = Arc::new(Secrets::new(key, entropy));
        let what: Arc<str> = "memory".into();
        let conn = file::open_in_memory(secrets.digests.id())?;
        let writer = started(&what, Writer::start(conn, Arc::clone(&secrets), Arc::clone(&what)))?;
        Ok(Self { readers: None, writer: Some(writer), secrets, what, _lock: None })
    }

    /// Transactions that were committed since the store was opened: calls that share one count once.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::commits)
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.run(work).await,
            None => Err(StoreError::ReadOnly { what: self.what.to_string() }),
        }
    }

    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, Fault> + Send + 'static,
    {
        match &self.readers {
            Some(readers) => readers.run(work).await,
            // In memory there is one connection.
            None => self.write(work).await,
        }
    }
}

fn readers(path: &Path, secrets: &Arc<Secrets>, what: &Arc<str>) -> Result<Readers, StoreError> {
    let conns =
        (0..READERS).map(|_| file::open_reader(path, secrets.digests.id())).collect::<Result<Vec<_>, _>>()?;
    started(what, Readers::start(conns, secrets, Arc::clone(what)))
}

fn started<T>(what: &Arc<str>, thread: std::io::Result<T>) -> Result<T, StoreError> {
    thread.map_err(|error| StoreError::Unavailable { what: what.to_string(), why: error.to_string() })
}

#[async_trait]
impl Store for SqliteStore {
    fn digest_key(&self) -> &DigestKey {
        &self.secrets.digests
    }

    async fn partnership(
        &self,
        permanent_id: &str,
        ils: &str,
        name: &str,
    ) -> Result<Partnership, StoreError> {
        let [permanent_id, ils, name] = [permanent_id, ils, name].map(str::to_owned);
        if self.writer.is_none() {
            let find = move |db: &Db<'_>| {
                let found = partnerships::find(db, &permanent_id)?;
                found.ok_or_else(|| not_found(format!("partnership `{permanent_id}` in the store")))
            };
            return self.read(find).await;
        }
        self.write(move |db| partnerships::find_or_make(db, &permanent_id, &ils, &name)).await
    }

    async fn partnerships(&self) -> Result<Vec<Partnership>, StoreError> {
        self.read(partnerships::all).await
    }

    async fn index(&self, partnership: PartnershipId) -> Result<Vec<LinkIndex>, StoreError> {
        self.read(move |db| ledger::index(db, partnership)).await
    }

    async fn schools(&self, partnership: PartnershipId) -> Result<Vec<StoredSchool>, StoreError> {
        self.read(move |db| partnerships::schools(db, partnership)).await
    }

    async fn links(&self, partnership: PartnershipId, people: &[Digest]) -> Result<Vec<Link>, StoreError> {
        let people = people.to_vec();
        self.read(move |db| ledger::links(db, partnership, &people)).await
    }

    async fn numbers_in_use(
        &self,
        ils: &str,
        numbers: &[Personal],
    ) -> Result<Vec<(Personal, Digest)>, StoreError> {
        let (ils, numbers) = (ils.to_owned(), numbers.to_vec());
        self.read(move |db| ledger::numbers_in_use(db, &ils, numbers)).await
    }

    async fn alike_elsewhere(
        &self,
        partnership: PartnershipId,
        who: Who,
    ) -> Result<Vec<(PartnershipId, Link)>, StoreError> {
        self.read(move |db| ledger::alike_elsewhere(db, partnership, who)).await
    }

    async fn hand_over(
        &self,
        from: (PartnershipId, LinkWrite),
        to: (PartnershipId, LinkWrite),
    ) -> Result<(), StoreError> {
        self.write(move |db| ledger::hand_over(db, (from.0, &from.1), (to.0, &to.1))).await
    }

    async fn state_counts(&self, partnership: PartnershipId) -> Result<Vec<StateCount>, StoreError> {
        self.read(move |db| ledger::state_counts(db, partnership)).await
    }

    async fn write_links(&self, partnership: PartnershipId, links: Vec<LinkWrite>) -> Result<(), StoreError> {
        self.write(move |db| {
            let ils = partnerships::ils(db, partnership)?;
            links.iter().try_for_each(|link| ledger::write(db, partnership, &ils, link))
        })
        .await
    }

    async fn write_missing(&self, missing: Vec<Missing>) -> Result<(), StoreError> {
        self.write(move |db| ledger::write_missing(db, &missing)).await
    }

    async fn begin_run(&self, run: NewRun) -> Result<RunId, StoreError> {
        self.write(move |db| runs::begin(db, &run)).await
    }

    async fn write_plan(&self, run: RunId, head: PlanHead) -> Result<(), StoreError> {
        self.write(move |db| plans::write(db, run, &head)).await
    }

    async fn write_run(
        &self,
        run: RunId,
        state: RunState,
        result: &RunResult,
        finished_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let result = runs::to_json(result).map_err(|fault| fault.at(&self.what))?;
        self.write(move |db| runs::write(db, run, state, &result, finished_at)).await
    }

    async fn write_taken(
        &self,
        partnership: PartnershipId,
        head: &PlanHead,
        let_through: bool,
    ) -> Result<(), StoreError> {
        let head = head.clone();
        self.write(move |db| partnerships::taken(db, partnership, &head, let_through)).await
    }

    async fn run(&self, run: RunId) -> Result<Run, StoreError> {
        self.read(move |db| runs::one(db, run)).await
    }

    async fn runs(&self, partnership: Option<PartnershipId>, most: usize) -> Result<Vec<Run>, StoreError> {
        self.read(move |db| runs::last(db, partnership, most)).await
    }

    async fn add_changes(&self, run: RunId, changes: Vec<NewChange>) -> Result<Vec<ChangeId>, StoreError> {
        self.write(move |db| plans::add(db, run, changes)).await
    }

    async fn changes(
        &self,
        run: RunId,
        state: ChangeState,
        after: Option<ChangeId>,
        most: usize,
    ) -> Result<Vec<Change>, StoreError> {
        self.read(move |db| plans::page(db, run, state, after, most)).await
    }

    async fn change_counts(&self, run: RunId) -> Result<Vec<ChangeCount>, StoreError> {
        self.read(move |db| plans::counts(db, run)).await
    }

    async fn move_changes(
        &self,
        run: RunId,
        from: ChangeState,
        to: ChangeState,
        selection: &ChangeSelection,
    ) -> Result<u64, StoreError> {
        let selection = selection.clone();
        self.write(move |db| plans::shift(db, run, from, to, &selection)).await
    }

    async fn write_decision(&self, run: RunId, decision: PlanDecision) -> Result<(), StoreError> {
        self.write(move |db| runs::write_decision(db, run, &decision)).await
    }

    async fn decisions(&self, run: RunId) -> Result<Vec<PlanDecision>, StoreError> {
        self.read(move |db| runs::decisions(db, run)).await
    }

    async fn intend(&self, intents: Vec<NewIntent>) -> Result<Vec<Intent>, StoreError> {
        self.write(move |db| journal::intend(db, &intents)).await
    }

    async fn intend_again(&self, intents: &[IntentId], at: Timestamp) -> Result<(), StoreError> {
        let intents = intents.to_vec();
        self.write(move |db| journal::intend_again(db, &intents, at)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError> {
        self.write(move |db| journal::settle(db, &settlements)).await
    }

    async fn open_intents(&self, partnership: PartnershipId) -> Result<Vec<OpenIntent>, StoreError> {
        self.read(move |db| journal::open_intents(db, partnership)).await
    }

    async fn link_cells(&self, partnership: PartnershipId) -> Result<Vec<LinkCell>, StoreError> {
        self.read(move |db| ledger::cells(db, partnership)).await
    }

    async fn past_changes(
        &self,
        partnership: PartnershipId,
        person: Digest,
        most: usize,
    ) -> Result<Vec<PastChange>, StoreError> {
        self.read(move |db| plans::of_person(db, partnership, person, most)).await
    }

    async fn pause(&self, pause: NewPause) -> Result<PauseId, StoreError> {
        self.write(move |db| pauses::begin(db, &pause)).await
    }

    async fn resume(&self, scope: &PauseScope, at: Timestamp, who: &str) -> Result<u64, StoreError> {
        let (scope, who) = (scope.clone(), who.to_owned());
        self.write(move |db| pauses::resume(db, &scope, at, &who)).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.read(pauses::all).await
    }

    async fn pins(&self, partnership: PartnershipId) -> Result<Vec<KeptPin>, StoreError> {
        self.read(move |db| pins::all(db, partnership)).await
    }

    async fn export_pins(
        &self,
        partnership: PartnershipId,
        people: &[Digest],
        at: Timestamp,
        who: &str,
    ) -> Result<PinBatchId, StoreError> {
        let (people, who) = (people.to_vec(), who.to_owned());
        self.write(move |db| pins::export(db, partnership, &people, at, &who)).await
    }

    async fn confirm_pins(
        &self,
        partnership: PartnershipId,
        batch: Option<PinBatchId>,
        at: Timestamp,
        who: &str,
    ) -> Result<u64, StoreError> {
        let who = who.to_owned();
        self.write(move |db| pins::confirm(db, partnership, batch, at, &who)).await
    }

    async fn forget_pins(&self, partnership: PartnershipId, before: Timestamp) -> Result<u64, StoreError> {
        self.write(move |db| pins::forget(db, partnership, before)).await
    }

    async fn pin_batches(&self, partnership: PartnershipId) -> Result<Vec<PinBatch>, StoreError> {
        self.read(move |db| pins::batches(db, partnership)).await
    }

    async fn write_cursor(
        &self,
        partnership: PartnershipId,
        cursor: Option<&str>,
        full_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let cursor = cursor.map(str::to_owned);
        self.write(move |db| partnerships::cursor(db, partnership, cursor.as_deref(), full_at)).await
    }

    async fn write_wishes(&self, partnership: PartnershipId, wishes: Vec<Wish>) -> Result<u64, StoreError> {
        self.write(move |db| decisions::write_wishes(db, partnership, &wishes)).await
    }

    async fn end_wishes(
        &self,
        partnership: PartnershipId,
        people: &[Digest],
        at: Timestamp,
        who: &str,
    ) -> Result<u64, StoreError> {
        let (people, who) = (people.to_vec(), who.to_owned());
        self.write(move |db| decisions::end_wishes_of(db, partnership, &people, at, &who)).await
    }

    async fn wishes(&self, partnership: PartnershipId) -> Result<Vec<Wish>, StoreError> {
        self.read(move |db| decisions::wishes(db, partnership)).await
    }

    async fn write_answers(
        &self,
        partnership: PartnershipId,
        answers: Vec<Answer>,
        links: Vec<LinkWrite>,
    ) -> Result<(), StoreError> {
        self.write(move |db| {
            let ils = partnerships::ils(db, partnership)?;
            decisions::answer(db, partnership, &answers)?;
            links.iter().try_for_each(|link| ledger::write(db, partnership, &ils, link))
        })
        .await
    }

    async fn answers(&self, partnership: PartnershipId) -> Result<Vec<Answer>, StoreError> {
        self.read(move |db| decisions::answers(db, partnership)).await
    }

    async fn rekey(
        &self,
        partnership: PartnershipId,
        people: Vec<(Digest, Digest)>,
    ) -> Result<(), StoreError> {
        self.write(move |db| ledger::rekey(db, partnership, &people)).await
    }

    async fn written(&self, run: RunId) -> Result<Vec<Written>, StoreError> {
        self.read(move |db| journal::written(db, run)).await
    }

    async fn move_ils(
        &self,
        partnership: PartnershipId,
        ils: &str,
        links: Vec<LinkWrite>,
    ) -> Result<(), StoreError> {
        let ils = ils.to_owned();
        self.write(move |db| {
            partnerships::set_ils(db, partnership, &ils)?;
            links.iter().try_for_each(|link| ledger::write(db, partnership, &ils, link))
        })
        .await
    }

    async fn pins_waiting(&self, partnership: PartnershipId) -> Result<u64, StoreError> {
        self.read(move |db| pins::waiting(db, partnership)).await
    }

    async fn write_audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(move |db| audit::add(db, &entry)).await
    }

    async fn audit(&self, since: Option<Timestamp>, most: usize) -> Result<Vec<AuditEntry>, StoreError> {
        self.read(move |db| audit::list(db, since, most)).await
    }

    async fn restores(&self) -> Result<Vec<RestoreNote>, StoreError> {
        self.read(audit::restores).await
    }

    async fn retain(&self, limits: Retention) -> Result<Retained, StoreError> {
        self.write(move |db| keep::retain(db, &limits)).await
    }

    async fn years(&self) -> Result<Vec<Year>, StoreError> {
        self.read(purge::years).await
    }

    async fn held(&self, partnership: PartnershipId, person: Digest) -> Result<Held, StoreError> {
        self.read(move |db| keep::held(db, partnership, person)).await
    }

    async fn forget(
        &self,
        partnership: PartnershipId,
        person: Digest,
        at: Timestamp,
        who: &str,
    ) -> Result<Vec<Removed>, StoreError> {
        let who = who.to_owned();
        self.write(move |db| keep::forget(db, partnership, person, at, &who)).await
    }

    async fn purge_preview(&self, partnership: PartnershipId) -> Result<Vec<Removed>, StoreError> {
        self.read(move |db| purge::preview(db, partnership)).await
    }

    async fn purge(&self, partnership: PartnershipId, at: Timestamp, who: &str) -> Result<Purge, StoreError> {
        let who = who.to_owned();
        self.write(move |db| purge::purge(db, partnership, at, &who)).await
    }

    async fn decisions_to_mirror(&self) -> Result<Vec<Decided>, StoreError> {
        self.read(mirror::all).await
    }

    async fn take_mirrored(&self, decided: Vec<Decided>) -> Result<u64, StoreError> {
        self.write(move |db| mirror::take(db, &decided)).await
    }

    async fn purges(&self) -> Result<Vec<Purge>, StoreError> {
        self.read(purge::all).await
    }
}
