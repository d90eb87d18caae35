//! The store's port. See [`Store`].

use async_trait::async_trait;
use jiff::Timestamp;
use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_core::privacy::Personal;
use rostercard_core::who::Who;

use crate::keep::{AuditEntry, Decided, Held, Purge, Removed, RestoreNote, Retained, Retention, Year};
use crate::rows::{
    Answer, Change, ChangeCount, ChangeId, ChangeSelection, Intent, IntentId, KeptPin, Link, LinkCell,
    LinkIndex, LinkWrite, Missing, NewChange, NewIntent, NewPause, NewRun, OpenIntent, Partnership,
    PartnershipId, PastChange, Pause, PauseId, PauseScope, PinBatch, PinBatchId, PlanDecision, PlanHead, Run,
    RunId, RunResult, Settlement, StateCount, StoredSchool, Wish, Written,
};

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or server could not be reached, or said no. The message names it.
    #[error("{what}: {why}")]
    Unavailable {
        /// What was being done, and with which file or server.
        what: String,
        /// Why it failed.
        why: String,
    },
    /// Somebody else is writing to the store: another `sync`, or the daemon.
    #[error("another rostercard is at work on {what}; it can be only one at a time")]
    Busy {
        /// The store.
        what: String,
    },
    /// The key is not the one that the store was made with.
    #[error("the store at {what} was made with another key: nothing was read and nothing written")]
    WrongKey {
        /// The store.
        what: String,
    },
    /// The store was made by a newer version.
    #[error(
        "the store at {what} has schema {found}, this program knows {known}: it was written by a newer version"
    )]
    Newer {
        /// The store.
        what: String,
        /// The schema that was found.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// A range of numbers has no more.
    #[error("the range of numbers `{range}` is used up: give it a further range")]
    RangeUsedUp {
        /// The range's name.
        range: String,
    },
    /// The store was opened for reading.
    #[error("the store at {what} was opened for reading only: nothing was written")]
    ReadOnly {
        /// The store.
        what: String,
    },
    /// There is no store to read.
    #[error("there is no store at {what} yet")]
    NoStore {
        /// Where it would be.
        what: String,
    },
    /// A step of a change was intended already and its outcome is not known: it is settled first, never drawn a second
    /// number for.
    #[error("change {change} has an open intent for the same step: it has to be settled first")]
    IntentOpen {
        /// The change's row.
        change: i64,
    },
    /// Two links would have the same patron.
    #[error("a patron with this number belongs to another person of the ledger already")]
    PatronTaken,
    /// A file is where one was to be written.
    #[error("{what} is there already: nothing was written over")]
    InTheWay {
        /// The file.
        what: String,
    },
    /// What people decided about people since a backup was made is known from nowhere.
    #[error(
        "what families and staff decided stands beside a backup, and {what} is not there: nothing was done"
    )]
    NoDecisions {
        /// The file.
        what: String,
    },
    /// Writes to the ILS have no known end, and what is known of them must not be lost.
    #[error("{writes} writes to the ILS have no known end yet: nothing was done")]
    Unsettled {
        /// How many.
        writes: u64,
    },
    /// The partnership's data was removed, and its permanent id is not used again.
    #[error("the data of partnership {name} was removed for good at {at:.0}: its id cannot be used again")]
    Purged {
        /// Its name when it last ran.
        name: String,
        /// When.
        at: Timestamp,
    },
    /// What was asked for is not there.
    #[error("there is no {what}")]
    NotFound {
        /// What.
        what: String,
    },
    /// The store's contents cannot be what this program wrote.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "look at the disk, the directory's owner and its permissions",
            Self::Busy { .. } => {
                "wait until the other one has finished, or stop it; `rostercard status` says what it does. The daemon \
                 (`rostercard run`) has the store only while one of its runs is under way"
            }
            Self::WrongKey { .. } => {
                "give the key the store was made with in [state] key; a lost key is a lost store"
            }
            Self::Newer { .. } => "install that version again, or restore the backup made before the upgrade",
            Self::RangeUsedUp { .. } => "set a further range apart in the ILS and name it in [card] number",
            Self::ReadOnly { .. } => {
                "commands that write need the store to themselves: stop the other one first"
            }
            Self::NoStore { .. } => {
                "the first `rostercard plan` or `sync` makes it; is [state] path the right one?"
            }
            Self::IntentOpen { .. } => {
                "run `rostercard sync` again: it settles what is under way before anything else"
            }
            Self::PatronTaken => "two students have the same card: see `rostercard show` for the run",
            Self::InTheWay { .. } => "name another file, or move it away",
            Self::NoDecisions { .. } => {
                "copy the newest file of that kind beside the backup, under that name; without it a child whose family said no may \
                 get a card"
            }
            Self::Unsettled { .. } => {
                "run `rostercard sync`: it looks them up first, once they are old enough; then start again"
            }
            Self::Purged { .. } => {
                "take its file out of partnerships/; a new agreement is a new partnership: give it another `id`"
            }
            Self::NotFound { .. } => "`rostercard runs` lists what there is",
            Self::Damaged(_) => "restore the last backup; nothing was written",
        }
    }
}

/// Ledger, journal, plans and runs.
///
/// Every method that writes is one transaction, durable when it returns, and takes a batch; several calls at once may
/// share a commit. There is one writing process at a time ([`StoreError::Busy`]); reading is always possible.
/// A shared store for several hosts will add leases and a fencing epoch on intents; nothing here stands against that.
#[async_trait]
pub trait Store: Send + Sync {
    /// The key of this store's digests.
    fn digest_key(&self) -> &DigestKey;

    /// The partnership with a permanent id, made where it is not there yet. `ils` is its ILS's permanent id; a
    /// partnership that is there keeps the one it was made with, for its numbers are known as numbers of that ILS. A store
    /// that was opened for reading finds it, and makes none.
    async fn partnership(&self, permanent_id: &str, ils: &str, name: &str)
    -> Result<Partnership, StoreError>;

    /// Every partnership the store knows.
    async fn partnerships(&self) -> Result<Vec<Partnership>, StoreError>;

    /// The narrow row of every link of a partnership, in order of `person`.
    async fn index(&self, partnership: PartnershipId) -> Result<Vec<LinkIndex>, StoreError>;

    /// The schools that links of a partnership name.
    async fn schools(&self, partnership: PartnershipId) -> Result<Vec<StoredSchool>, StoreError>;

    /// Whole links of people; those who have none are left out.
    async fn links(&self, partnership: PartnershipId, people: &[Digest]) -> Result<Vec<Link>, StoreError>;

    /// Which of these numbers belong to links of an ILS already, each with whose it is. In any partnership of it.
    async fn numbers_in_use(
        &self,
        ils: &str,
        numbers: &[Personal],
    ) -> Result<Vec<(Personal, Digest)>, StoreError>;

    /// Links of other partnerships of the same ILS whose person has the same names and birth date, whatever their state;
    /// oldest first.
    async fn alike_elsewhere(
        &self,
        partnership: PartnershipId,
        who: Who,
    ) -> Result<Vec<(PartnershipId, Link)>, StoreError>;

    /// Gives a card to a person of another partnership of the same ILS, with the PIN that waits to be handed out: what is
    /// written of whose it was, and of who gets it. All or nothing.
    async fn hand_over(
        &self,
        from: (PartnershipId, LinkWrite),
        to: (PartnershipId, LinkWrite),
    ) -> Result<(), StoreError>;

    /// How many links there are by state.
    async fn state_counts(&self, partnership: PartnershipId) -> Result<Vec<StateCount>, StoreError>;

    /// Writes links that no write to the ILS stands behind: rejects, reviews, what waits for a home, notes. All or none.
    async fn write_links(&self, partnership: PartnershipId, links: Vec<LinkWrite>) -> Result<(), StoreError>;

    /// Notes who is missing, and who is there again.
    async fn write_missing(&self, missing: Vec<Missing>) -> Result<(), StoreError>;

    /// Begins a run; its number.
    async fn begin_run(&self, run: NewRun) -> Result<RunId, StoreError>;

    /// Keeps what a plan rests on. Earlier plans of the partnership whose changes are still ready or waiting are
    /// superseded: those changes are dropped and their spool is wiped.
    async fn write_plan(&self, run: RunId, head: PlanHead) -> Result<(), StoreError>;

    /// Keeps a run's result and state; with `finished_at`, the run has ended.
    async fn write_run(
        &self,
        run: RunId,
        state: RunState,
        result: &RunResult,
        finished_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// After a roster was taken: what the partnership's next run is compared with. `let_through` says that changes under
    /// these rules and from this endpoint were let through, by a person or because no guard stood against them: only then
    /// are rules and endpoint taken over, so that a change of them waits until it was let through, not only once.
    async fn write_taken(
        &self,
        partnership: PartnershipId,
        head: &PlanHead,
        let_through: bool,
    ) -> Result<(), StoreError>;

    /// A run.
    async fn run(&self, run: RunId) -> Result<Run, StoreError>;

    /// The last runs, newest first; of one partnership, or of all.
    async fn runs(&self, partnership: Option<PartnershipId>, most: usize) -> Result<Vec<Run>, StoreError>;

    /// Adds changes to a run's plan; their rows, in order.
    async fn add_changes(&self, run: RunId, changes: Vec<NewChange>) -> Result<Vec<ChangeId>, StoreError>;

    /// Changes of a plan in a state, in order of their rows, after one of them.
    async fn changes(
        &self,
        run: RunId,
        state: ChangeState,
        after: Option<ChangeId>,
        most: usize,
    ) -> Result<Vec<Change>, StoreError>;

    /// How many changes of a plan there are, by school, kind and state.
    async fn change_counts(&self, run: RunId) -> Result<Vec<ChangeCount>, StoreError>;

    /// Puts changes of a plan from one state into another; how many. A change that is dropped or settled loses its
    /// spool, unless an intent of it is still open.
    async fn move_changes(
        &self,
        run: RunId,
        from: ChangeState,
        to: ChangeState,
        selection: &ChangeSelection,
    ) -> Result<u64, StoreError>;

    /// Keeps a person's decision about a plan: who, when, what.
    async fn write_decision(&self, run: RunId, decision: PlanDecision) -> Result<(), StoreError>;

    /// The decisions about a plan, oldest first.
    async fn decisions(&self, run: RunId) -> Result<Vec<PlanDecision>, StoreError>;

    /// Makes intents durable, with the numbers they draw, all or none. Only then may their writes be sent.
    ///
    /// [`StoreError::IntentOpen`] where the same step of a change is under way already; [`StoreError::PatronTaken`] where
    /// a create's given number is another person's, in the ledger or in a create under way; [`StoreError::RangeUsedUp`].
    async fn intend(&self, intents: Vec<NewIntent>) -> Result<Vec<Intent>, StoreError>;

    /// Notes that intents are about to be sent again, with the same numbers.
    async fn intend_again(&self, intents: &[IntentId], at: Timestamp) -> Result<(), StoreError>;

    /// Ends intents and changes, and lets the ledger learn, all or none. What an intent had sealed is wiped. Ending an
    /// intent twice in the same way is ending it once. A PIN is the link's, or the intent's person's where there is no link.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<(), StoreError>;

    /// Intents whose outcome is not known, oldest first.
    async fn open_intents(&self, partnership: PartnershipId) -> Result<Vec<OpenIntent>, StoreError>;

    /// How many links there are of each school, grade, model, state and reason.
    async fn link_cells(&self, partnership: PartnershipId) -> Result<Vec<LinkCell>, StoreError>;

    /// The changes that were planned for a person, newest first.
    async fn past_changes(
        &self,
        partnership: PartnershipId,
        person: Digest,
        most: usize,
    ) -> Result<Vec<PastChange>, StoreError>;

    /// Pauses something.
    async fn pause(&self, pause: NewPause) -> Result<PauseId, StoreError>;

    /// Ends the pauses of exactly this scope that are in force; how many there were.
    async fn resume(&self, scope: &PauseScope, at: Timestamp, who: &str) -> Result<u64, StoreError>;

    /// Every pause there was, oldest first.
    async fn pauses(&self) -> Result<Vec<Pause>, StoreError>;

    /// Every PIN that is kept, in order of the person.
    async fn pins(&self, partnership: PartnershipId) -> Result<Vec<KeptPin>, StoreError>;

    /// Notes that these people's PINs are handed out together. Called before they are: a batch that was not written out
    /// after all is exported again, and nothing is lost.
    async fn export_pins(
        &self,
        partnership: PartnershipId,
        people: &[Digest],
        at: Timestamp,
        who: &str,
    ) -> Result<PinBatchId, StoreError>;

    /// Forgets the PINs of a batch, or of every batch: they have reached their students. How many there were.
    async fn confirm_pins(
        &self,
        partnership: PartnershipId,
        batch: Option<PinBatchId>,
        at: Timestamp,
        who: &str,
    ) -> Result<u64, StoreError>;

    /// Forgets the PINs of batches that were handed out before a moment; how many.
    async fn forget_pins(&self, partnership: PartnershipId, before: Timestamp) -> Result<u64, StoreError>;

    /// The batches, oldest first.
    async fn pin_batches(&self, partnership: PartnershipId) -> Result<Vec<PinBatch>, StoreError>;

    /// Keeps where the source is to go on from, once everything of its stream is done or dropped by a person; with
    /// `full_at`, everything was read.
    async fn write_cursor(
        &self,
        partnership: PartnershipId,
        cursor: Option<&str>,
        full_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;

    /// Keeps wishes; how many were new. One that holds already keeps its day and learns the identity; the opposite one ends.
    async fn write_wishes(&self, partnership: PartnershipId, wishes: Vec<Wish>) -> Result<u64, StoreError>;

    /// Ends wishes; how many there were.
    async fn end_wishes(
        &self,
        partnership: PartnershipId,
        people: &[Digest],
        at: Timestamp,
        who: &str,
    ) -> Result<u64, StoreError>;

    /// The wishes that hold, oldest first.
    async fn wishes(&self, partnership: PartnershipId) -> Result<Vec<Wish>, StoreError>;

    /// Keeps answers to reviews, with what the ledger learns of them. All or none.
    async fn write_answers(
        &self,
        partnership: PartnershipId,
        answers: Vec<Answer>,
        links: Vec<LinkWrite>,
    ) -> Result<(), StoreError>;

    /// Every answer, oldest first.
    async fn answers(&self, partnership: PartnershipId) -> Result<Vec<Answer>, StoreError>;

    /// Gives links to people under other keys: the same people with new student numbers. A new key that has a link without a
    /// card loses that one; one with a card is [`StoreError::PatronTaken`], and nothing is changed. PINs and wishes go along.
    async fn rekey(
        &self,
        partnership: PartnershipId,
        people: Vec<(Digest, Digest)>,
    ) -> Result<(), StoreError>;

    /// The writes of a run that are known to have happened, oldest first.
    async fn written(&self, run: RunId) -> Result<Vec<Written>, StoreError>;

    /// Moves a partnership to another ILS, with the links as they are to be there. All or none.
    async fn move_ils(
        &self,
        partnership: PartnershipId,
        ils: &str,
        links: Vec<LinkWrite>,
    ) -> Result<(), StoreError>;

    /// How many PINs are kept.
    async fn pins_waiting(&self, partnership: PartnershipId) -> Result<u64, StoreError>;

    /// Adds to the audit log. Decisions about plans, pauses, PINs handed out, purges and what was forgotten are added by
    /// the methods that do them, in the same transaction.
    async fn write_audit(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// The audit log since a moment, oldest first; of more than so many entries the newest.
    async fn audit(&self, since: Option<Timestamp>, most: usize) -> Result<Vec<AuditEntry>, StoreError>;

    /// The backups that were put in this store's place, oldest first.
    async fn restores(&self) -> Result<Vec<RestoreNote>, StoreError>;

    /// Lets go of what is older than it is to be kept, of every partnership.
    async fn retain(&self, limits: Retention) -> Result<Retained, StoreError>;

    /// The counts of years whose runs are gone, by partnership and year.
    async fn years(&self) -> Result<Vec<Year>, StoreError>;

    /// Everything that is held about a person.
    async fn held(&self, partnership: PartnershipId, person: Digest) -> Result<Held, StoreError>;

    /// Removes everything that is held about a person, all or nothing; the patron in the ILS stays.
    ///
    /// [`StoreError::Unsettled`] while a write of theirs has no known end; [`StoreError::NotFound`] where nothing is held.
    async fn forget(
        &self,
        partnership: PartnershipId,
        person: Digest,
        at: Timestamp,
        who: &str,
    ) -> Result<Vec<Removed>, StoreError>;

    /// What [`Self::purge`] would remove.
    async fn purge_preview(&self, partnership: PartnershipId) -> Result<Vec<Removed>, StoreError>;

    /// Removes everything of a partnership but its counts by year, all or nothing; from then on its permanent id is
    /// refused ([`StoreError::Purged`]). The patrons in the ILS stay.
    ///
    /// [`StoreError::Unsettled`] while a write of it has no known end.
    async fn purge(&self, partnership: PartnershipId, at: Timestamp, who: &str) -> Result<Purge, StoreError>;

    /// What people decided about people: wishes and answers, also those that have ended, of every partnership.
    async fn decisions_to_mirror(&self) -> Result<Vec<Decided>, StoreError>;

    /// Takes decisions in that are not there yet; how many were new. Of two wishes of a person the later one holds; taken
    /// twice is taken once. Those of a purged partnership are left out.
    async fn take_mirrored(&self, decided: Vec<Decided>) -> Result<u64, StoreError>;

    /// The partnerships that were purged, in order of their permanent ids.
    async fn purges(&self) -> Result<Vec<Purge>, StoreError>;
}
