//! The store under stress: power cuts before and after every call, a full disk, and a disk that says it has kept what it
//! has not. The store itself is the true one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_core::privacy::Personal;
use rostercard_core::who::Who;
use rostercard_store::keep::{
    AuditEntry, Decided, Held, Purge, Removed, RestoreNote, Retained, Retention, Year,
};
use rostercard_store::rows::{
    Answer, Change, ChangeCount, ChangeId, ChangeSelection, Intent, IntentId, KeptPin, Link, LinkCell,
    LinkIndex, LinkWrite, Missing, NewChange, NewIntent, NewPause, NewRun, OpenIntent, Partnership,
    PartnershipId, PastChange, Pause, PauseId, PauseScope, PinBatch, PinBatchId, PlanDecision, PlanHead, Run,
    RunId, RunResult, Settlement, StateCount, StoredSchool, Wish, Written,
};
use rostercard_store::{Entropy, SqliteStore, Store, StoreError, StoreKey};
use tempfile::TempDir;

use crate::dice::Dice;
use crate::power::{Power, lock, wait_for};

/// Where the store lies: in memory, where most years run, or in a file, which can be opened anew, opened twice, and set
/// back to what it was a moment ago.
pub(crate) struct Disk {
    store: Option<Arc<SqliteStore>>,
    entropy: Arc<dyn Entropy>,
    file: Option<File>,
}

struct File {
    path: PathBuf,
    kept: PathBuf,
    _directory: TempDir,
}

/// The key of every simulated store.
pub(crate) fn key() -> StoreKey {
    StoreKey::new([7; 32])
}

impl Disk {
    /// A new store.
    pub(crate) fn new(in_file: bool, dice: Dice) -> Result<Self, StoreError> {
        let dice = Mutex::new(dice);
        let entropy: Arc<dyn Entropy> = Arc::new(move |bytes: &mut [u8]| {
            lock(&dice).fill(bytes);
            Ok(())
        });
        let mut disk = Self { store: None, entropy, file: None };
        if in_file {
            let directory = scratch().map_err(|error| unavailable(&error))?;
            let (path, kept) = (directory.path().join("state.db"), directory.path().join("kept.db"));
            disk.file = Some(File { path, kept, _directory: directory });
        }
        disk.open()?;
        Ok(disk)
    }

    /// The store, opened anew where it was closed.
    pub(crate) fn open(&mut self) -> Result<Arc<SqliteStore>, StoreError> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let entropy = Arc::clone(&self.entropy);
        let store = Arc::new(match &self.file {
            Some(file) => SqliteStore::open_writer(&file.path, &key(), entropy)?,
            None => SqliteStore::open_in_memory(&key(), entropy)?,
        });
        self.store = Some(Arc::clone(&store));
        Ok(store)
    }

    /// The process is gone. A store in memory stands for a disk that kept everything.
    pub(crate) fn close(&mut self) {
        if self.file.is_some() {
            self.store = None;
        }
    }

    /// Whether there is a file that can be lied about.
    pub(crate) fn in_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether another process could open the store now; `None` where it has no file.
    pub(crate) fn second_start(&self) -> Option<Result<SqliteStore, StoreError>> {
        let file = self.file.as_ref()?;
        Some(SqliteStore::open_writer(&file.path, &key(), Arc::clone(&self.entropy)))
    }

    /// What keeps a copy of the file as it is at a moment.
    fn keeper(&self) -> Option<(PathBuf, PathBuf)> {
        self.file.as_ref().map(|file| (file.path.clone(), file.kept.clone()))
    }

    /// The disk had lied: after the crash the store is as it was when the copy was made. The store must be closed.
    pub(crate) fn go_back(&mut self) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        for ending in ["", "-wal", "-shm"] {
            drop(std::fs::remove_file(beside(&file.path, ending)));
        }
        copy(&file.kept, &file.path).map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &io::Error) -> StoreError {
    StoreError::Unavailable { what: "the simulated disk".to_owned(), why: error.to_string() }
}

/// In memory where the system has such a place: the disk's faults are ours to make, and waiting for a true one is idle.
fn scratch() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(directory) = tempfile::tempdir_in(memory)
    {
        return Ok(directory);
    }
    tempfile::tempdir()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The file and its log; the log's index is made anew.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for ending in ["", "-wal"] {
        let (from, to) = (beside(from, ending), beside(to, ending));
        if from.exists() {
            std::fs::copy(from, to)?;
        } else if to.exists() {
            std::fs::remove_file(to)?;
        }
    }
    Ok(())
}

/// What goes wrong with the disk in one run; counted in calls to the store.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct DiskFaults {
    /// From this call on the disk is full, for so many calls.
    pub(crate) full: Option<(u64, u64)>,
    /// From this call on nothing reaches the disk, whatever it says.
    pub(crate) lies_from: Option<u64>,
}

/// The store as one process has it.
pub(crate) struct HardStore {
    inner: Arc<SqliteStore>,
    power: Arc<Power>,
    faults: DiskFaults,
    keeper: Option<(PathBuf, PathBuf)>,
    calls: Mutex<u64>,
    kept: Mutex<bool>,
    refused: Mutex<u64>,
}

impl HardStore {
    pub(crate) fn new(disk: &mut Disk, power: Arc<Power>, faults: DiskFaults) -> Result<Self, StoreError> {
        Ok(Self {
            inner: disk.open()?,
            power,
            faults,
            keeper: disk.keeper(),
            calls: Mutex::default(),
            kept: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// Whether a copy was kept: the disk was lying from then on.
    pub(crate) fn lied(&self) -> bool {
        *lock(&self.kept)
    }

    /// How many writes found the disk full.
    pub(crate) fn refused(&self) -> u64 {
        *lock(&self.refused)
    }

    async fn before(&self, writes: bool) -> Result<(), StoreError> {
        self.power.step().await;
        let call = {
            let mut calls = lock(&self.calls);
            *calls += 1;
            *calls
        };
        if self.faults.lies_from == Some(call)
            && let Some((path, kept)) = &self.keeper
        {
            copy(path, kept).map_err(|error| unavailable(&error))?;
            *lock(&self.kept) = true;
        }
        if let Some((from, calls)) = self.faults.full
            && writes
            && (from..from + calls).contains(&call)
        {
            *lock(&self.refused) += 1;
            let (what, why) = ("the simulated disk".to_owned(), "database or disk is full".to_owned());
            return Err(StoreError::Unavailable { what, why });
        }
        Ok(())
    }
}

const LOOK: bool = false;
const WRITE: bool = true;

macro_rules! passed_on {
    ($($kind:ident fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $out:ty;)+) => {
        #[async_trait]
        impl Store for HardStore {
            fn digest_key(&self) -> &DigestKey {
                self.inner.digest_key()
            }
            $(async fn $name(&self $(, $arg: $ty)*) -> $out {
                self.before($kind).await?;
                let result = wait_for(self.inner.$name($($arg),*));
                self.power.step().await;
                result
            })+
        }
    };
}

// Each call with what it does: look or write.
passed_on! {
    WRITE fn partnership(&self, permanent_id: &str, ils: &str, name: &str) -> Result<Partnership, StoreError>;
    LOOK fn partnerships(&self) -> Result<Vec<Partnership>, StoreError>;
    LOOK fn index(&self, partnership: PartnershipId) -> Result<Vec<LinkIndex>, StoreError>;
    LOOK fn schools(&self, partnership: PartnershipId) -> Result<Vec<StoredSchool>, StoreError>;
    LOOK fn links(&self, partnership: PartnershipId, people: &[Digest]) -> Result<Vec<Link>, StoreError>;
    LOOK fn numbers_in_use(&self, ils: &str, numbers: &[Personal]) -> Result<Vec<(Personal, Digest)>, StoreError>;
    LOOK fn alike_elsewhere(&self, partnership: PartnershipId, who: Who) -> Result<Vec<(PartnershipId, Link)>, StoreError>;
    WRITE fn hand_over(&self, from: (PartnershipId, LinkWrite), to: (PartnershipId, LinkWrite)) -> Result<(), StoreError>;
    LOOK fn state_counts(&self, partnership: PartnershipId) -> Result<Vec<StateCount>, StoreError>;
    WRITE fn write_links(&self, partnership: PartnershipId, links: Vec<LinkWrite>) -> Result<(), StoreError>;
    WRITE fn write_missing(&self, missing: Vec<Missing>) -> Result<(), StoreError>;
    WRITE fn begin_run(&self, run: NewRun) -> Result<RunId, StoreError>;
    WRITE fn write_plan(&self, run: RunId, head: PlanHead) -> Result<(), StoreError>;
    WRITE fn write_run(&self, run: RunId, state: RunState, result: &RunResult, at: Option<Timestamp>) -> Result<(), StoreError>;
    WRITE fn write_taken(&self, partnership: PartnershipId, head: &PlanHead, through: bool) -> Result<(), StoreError>;
    LOOK fn run(&self, run: RunId) -> Result<Run, StoreError>;
    LOOK fn runs(&self, partnership: Option<PartnershipId>, most: usize) -> Result<Vec<Run>, StoreError>;
    WRITE fn add_changes(&self, run: RunId, changes: Vec<NewChange>) -> Result<Vec<ChangeId>, StoreError>;
    LOOK fn changes(&self, run: RunId, state: ChangeState, after: Option<ChangeId>, most: usize) -> Result<Vec<Change>, StoreError>;
    LOOK fn change_counts(&self, run: RunId) -> Result<Vec<ChangeCount>, StoreError>;
    WRITE fn move_changes(&self, run: RunId, from: ChangeState, to: ChangeState, selection: &ChangeSelection) -> Result<u64, StoreError>;
    WRITE fn write_decision(&self, run: RunId, decision: PlanDecision) -> Result<(), StoreError>;
    LOOK fn decisions(&self, run: RunId) -> Result<Vec<PlanDecision>, StoreError>;
    WRITE fn intend(&self, intents: Vec<NewIntent>) -> Result<Vec<Intent>, StoreError>;
    WRITE fn intend_again(&self, intents: &[IntentId], at: Timestamp) -> Result<(), StoreError>;
    WRITE fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError>;
    LOOK fn open_intents(&self, partnership: PartnershipId) -> Result<Vec<OpenIntent>, StoreError>;
    LOOK fn link_cells(&self, partnership: PartnershipId) -> Result<Vec<LinkCell>, StoreError>;
    LOOK fn past_changes(&self, partnership: PartnershipId, person: Digest, most: usize) -> Result<Vec<PastChange>, StoreError>;
    WRITE fn pause(&self, pause: NewPause) -> Result<PauseId, StoreError>;
    WRITE fn resume(&self, scope: &PauseScope, at: Timestamp, who: &str) -> Result<u64, StoreError>;
    LOOK fn pauses(&self) -> Result<Vec<Pause>, StoreError>;
    LOOK fn pins(&self, partnership: PartnershipId) -> Result<Vec<KeptPin>, StoreError>;
    WRITE fn export_pins(&self, partnership: PartnershipId, people: &[Digest], at: Timestamp, who: &str) -> Result<PinBatchId, StoreError>;
    WRITE fn confirm_pins(&self, partnership: PartnershipId, batch: Option<PinBatchId>, at: Timestamp, who: &str) -> Result<u64, StoreError>;
    WRITE fn forget_pins(&self, partnership: PartnershipId, before: Timestamp) -> Result<u64, StoreError>;
    LOOK fn pin_batches(&self, partnership: PartnershipId) -> Result<Vec<PinBatch>, StoreError>;
    LOOK fn pins_waiting(&self, partnership: PartnershipId) -> Result<u64, StoreError>;
    WRITE fn write_cursor(&self, partnership: PartnershipId, cursor: Option<&str>, full_at: Option<Timestamp>) -> Result<(), StoreError>;
    WRITE fn write_wishes(&self, partnership: PartnershipId, wishes: Vec<Wish>) -> Result<u64, StoreError>;
    WRITE fn end_wishes(&self, partnership: PartnershipId, people: &[Digest], at: Timestamp, who: &str) -> Result<u64, StoreError>;
    LOOK fn wishes(&self, partnership: PartnershipId) -> Result<Vec<Wish>, StoreError>;
    WRITE fn write_answers(&self, partnership: PartnershipId, answers: Vec<Answer>, links: Vec<LinkWrite>) -> Result<(), StoreError>;
    LOOK fn answers(&self, partnership: PartnershipId) -> Result<Vec<Answer>, StoreError>;
    WRITE fn rekey(&self, partnership: PartnershipId, people: Vec<(Digest, Digest)>) -> Result<(), StoreError>;
    LOOK fn written(&self, run: RunId) -> Result<Vec<Written>, StoreError>;
    WRITE fn move_ils(&self, partnership: PartnershipId, ils: &str, links: Vec<LinkWrite>) -> Result<(), StoreError>;
    WRITE fn write_audit(&self, entry: AuditEntry) -> Result<(), StoreError>;
    LOOK fn audit(&self, since: Option<Timestamp>, most: usize) -> Result<Vec<AuditEntry>, StoreError>;
    LOOK fn restores(&self) -> Result<Vec<RestoreNote>, StoreError>;
    WRITE fn retain(&self, limits: Retention) -> Result<Retained, StoreError>;
    LOOK fn years(&self) -> Result<Vec<Year>, StoreError>;
    LOOK fn held(&self, partnership: PartnershipId, person: Digest) -> Result<Held, StoreError>;
    WRITE fn forget(&self, partnership: PartnershipId, person: Digest, at: Timestamp, who: &str) -> Result<Vec<Removed>, StoreError>;
    LOOK fn purge_preview(&self, partnership: PartnershipId) -> Result<Vec<Removed>, StoreError>;
    WRITE fn purge(&self, partnership: PartnershipId, at: Timestamp, who: &str) -> Result<Purge, StoreError>;
    LOOK fn decisions_to_mirror(&self) -> Result<Vec<Decided>, StoreError>;
    WRITE fn take_mirrored(&self, decided: Vec<Decided>) -> Result<u64, StoreError>;
    LOOK fn purges(&self) -> Result<Vec<Purge>, StoreError>;
}
