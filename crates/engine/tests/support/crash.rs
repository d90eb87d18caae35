//! A power cut at a chosen step: nothing after it happens, and the store and the ILS keep what they had.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

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
use rostercard_store::{Store, StoreError};
use tokio::sync::Notify;

/// Counts steps, and cuts the power at one of them.
#[derive(Debug)]
pub(crate) struct Power {
    left: AtomicI64,
    cut: AtomicBool,
    noticed: Notify,
    steps: AtomicI64,
}

impl Default for Power {
    fn default() -> Self {
        Self {
            left: AtomicI64::new(i64::MAX),
            cut: AtomicBool::new(false),
            noticed: Notify::new(),
            steps: AtomicI64::new(0),
        }
    }
}

impl Power {
    /// The power is cut at the step after so many.
    pub(crate) fn cut_after(&self, steps: i64) {
        self.left.store(steps, Ordering::SeqCst);
    }

    /// It is back.
    pub(crate) fn restore(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
        self.cut.store(false, Ordering::SeqCst);
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> i64 {
        self.steps.load(Ordering::SeqCst)
    }

    /// A step that may be the last.
    pub(crate) async fn step(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
        if self.cut.load(Ordering::SeqCst) || self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.cut.store(true, Ordering::SeqCst);
            self.noticed.notify_one();
            pending::<()>().await;
        }
    }

    /// Runs something until it ends or the power is cut; `None` where it was cut.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = work => Some(result),
            () = self.noticed.notified() => None,
        }
    }
}

/// A store before and after each of whose operations the power may be cut.
pub(crate) struct CrashStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) power: Arc<Power>,
}

macro_rules! passed_on {
    ($($(#[$mark:ident])? fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $out:ty;)+) => {
        #[async_trait]
        impl Store for CrashStore {
            fn digest_key(&self) -> &DigestKey {
                self.inner.digest_key()
            }
            $(async fn $name(&self $(, $arg: $ty)*) -> $out {
                self.power.step().await;
                let result = self.inner.$name($($arg),*).await;
                self.power.step().await;
                result
            })+
        }
    };
}

passed_on! {
    fn partnership(&self, permanent_id: &str, ils: &str, name: &str) -> Result<Partnership, StoreError>;
    fn partnerships(&self) -> Result<Vec<Partnership>, StoreError>;
    fn index(&self, partnership: PartnershipId) -> Result<Vec<LinkIndex>, StoreError>;
    fn schools(&self, partnership: PartnershipId) -> Result<Vec<StoredSchool>, StoreError>;
    fn links(&self, partnership: PartnershipId, people: &[Digest]) -> Result<Vec<Link>, StoreError>;
    fn numbers_in_use(&self, ils: &str, numbers: &[Personal]) -> Result<Vec<(Personal, Digest)>, StoreError>;
    fn alike_elsewhere(&self, partnership: PartnershipId, who: Who) -> Result<Vec<(PartnershipId, Link)>, StoreError>;
    fn hand_over(&self, from: (PartnershipId, LinkWrite), to: (PartnershipId, LinkWrite)) -> Result<(), StoreError>;
    fn state_counts(&self, partnership: PartnershipId) -> Result<Vec<StateCount>, StoreError>;
    fn write_links(&self, partnership: PartnershipId, links: Vec<LinkWrite>) -> Result<(), StoreError>;
    fn write_missing(&self, missing: Vec<Missing>) -> Result<(), StoreError>;
    fn begin_run(&self, run: NewRun) -> Result<RunId, StoreError>;
    fn write_plan(&self, run: RunId, head: PlanHead) -> Result<(), StoreError>;
    fn write_run(&self, run: RunId, state: RunState, result: &RunResult, at: Option<Timestamp>) -> Result<(), StoreError>;
    fn write_taken(&self, partnership: PartnershipId, head: &PlanHead, through: bool) -> Result<(), StoreError>;
    fn run(&self, run: RunId) -> Result<Run, StoreError>;
    fn runs(&self, partnership: Option<PartnershipId>, most: usize) -> Result<Vec<Run>, StoreError>;
    fn add_changes(&self, run: RunId, changes: Vec<NewChange>) -> Result<Vec<ChangeId>, StoreError>;
    fn changes(&self, run: RunId, state: ChangeState, after: Option<ChangeId>, most: usize) -> Result<Vec<Change>, StoreError>;
    fn change_counts(&self, run: RunId) -> Result<Vec<ChangeCount>, StoreError>;
    fn move_changes(&self, run: RunId, from: ChangeState, to: ChangeState, selection: &ChangeSelection) -> Result<u64, StoreError>;
    fn write_decision(&self, run: RunId, decision: PlanDecision) -> Result<(), StoreError>;
    fn decisions(&self, run: RunId) -> Result<Vec<PlanDecision>, StoreError>;
    fn intend(&self, intents: Vec<NewIntent>) -> Result<Vec<Intent>, StoreError>;
    fn intend_again(&self, intents: &[IntentId], at: Timestamp) -> Result<(), StoreError>;
    fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError>;
    fn open_intents(&self, partnership: PartnershipId) -> Result<Vec<OpenIntent>, StoreError>;
    fn link_cells(&self, partnership: PartnershipId) -> Result<Vec<LinkCell>, StoreError>;
    fn past_changes(&self, partnership: PartnershipId, person: Digest, most: usize) -> Result<Vec<PastChange>, StoreError>;
    fn pause(&self, pause: NewPause) -> Result<PauseId, StoreError>;
    fn resume(&self, scope: &PauseScope, at: Timestamp, who: &str) -> Result<u64, StoreError>;
    fn pauses(&self) -> Result<Vec<Pause>, StoreError>;
    fn pins(&self, partnership: PartnershipId) -> Result<Vec<KeptPin>, StoreError>;
    fn export_pins(&self, partnership: PartnershipId, people: &[Digest], at: Timestamp, who: &str) -> Result<PinBatchId, StoreError>;
    fn confirm_pins(&self, partnership: PartnershipId, batch: Option<PinBatchId>, at: Timestamp, who: &str) -> Result<u64, StoreError>;
    fn forget_pins(&self, partnership: PartnershipId, before: Timestamp) -> Result<u64, StoreError>;
    fn pin_batches(&self, partnership: PartnershipId) -> Result<Vec<PinBatch>, StoreError>;
    fn write_cursor(&self, partnership: PartnershipId, cursor: Option<&str>, full_at: Option<Timestamp>) -> Result<(), StoreError>;
    fn write_wishes(&self, partnership: PartnershipId, wishes: Vec<Wish>) -> Result<u64, StoreError>;
    fn end_wishes(&self, partnership: PartnershipId, people: &[Digest], at: Timestamp, who: &str) -> Result<u64, StoreError>;
    fn wishes(&self, partnership: PartnershipId) -> Result<Vec<Wish>, StoreError>;
    fn write_answers(&self, partnership: PartnershipId, answers: Vec<Answer>, links: Vec<LinkWrite>) -> Result<(), StoreError>;
    fn answers(&self, partnership: PartnershipId) -> Result<Vec<Answer>, StoreError>;
    fn rekey(&self, partnership: PartnershipId, people: Vec<(Digest, Digest)>) -> Result<(), StoreError>;
    fn written(&self, run: RunId) -> Result<Vec<Written>, StoreError>;
    fn move_ils(&self, partnership: PartnershipId, ils: &str, links: Vec<LinkWrite>) -> Result<(), StoreError>;
    fn pins_waiting(&self, partnership: PartnershipId) -> Result<u64, StoreError>;
    fn write_audit(&self, entry: AuditEntry) -> Result<(), StoreError>;
    fn audit(&self, since: Option<Timestamp>, most: usize) -> Result<Vec<AuditEntry>, StoreError>;
    fn restores(&self) -> Result<Vec<RestoreNote>, StoreError>;
    fn retain(&self, limits: Retention) -> Result<Retained, StoreError>;
    fn years(&self) -> Result<Vec<Year>, StoreError>;
    fn held(&self, partnership: PartnershipId, person: Digest) -> Result<Held, StoreError>;
    fn forget(&self, partnership: PartnershipId, person: Digest, at: Timestamp, who: &str) -> Result<Vec<Removed>, StoreError>;
    fn purge_preview(&self, partnership: PartnershipId) -> Result<Vec<Removed>, StoreError>;
    fn purge(&self, partnership: PartnershipId, at: Timestamp, who: &str) -> Result<Purge, StoreError>;
    fn decisions_to_mirror(&self) -> Result<Vec<Decided>, StoreError>;
    fn take_mirrored(&self, decided: Vec<Decided>) -> Result<u64, StoreError>;
    fn purges(&self) -> Result<Vec<Purge>, StoreError>;
}
