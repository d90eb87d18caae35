//! The rows of what is kept beside the ledger: the audit log, backups that were restored, purges, what is held about
//! one child, and how long things stay.

use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::patron::PatronValues;
use rostercard_core::plan::{ChangeKind, ChangeState};
use zeroize::Zeroizing;

use crate::rows::{Answer, IntentEnd, IntentKind, Link, PinBatchId, RunId, StateCount, Wish};

/// Something that a person did. Kept for good, and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: the login or token's name.
    pub who: String,
    /// What, in a word: `approve`, `discard`, `pause`, `resume`, `reveal`, `export_pins`, `confirm_pins`, `reissue`,
    /// `wish`, `end_wish`, `answer`, `adopt`, `rebind`, `migrate`, `backup`, `restore`, `purge`, `forget`.
    pub what: String,
    /// The permanent id of the partnership that it was about, where it was about one.
    pub partnership: Option<String>,
    /// The run that it was about, where it was about one.
    pub run: Option<RunId>,
    /// What else is to be said, in words. Never a value about a person.
    pub detail: String,
}

/// What a contact was told of one thing, or is still to be told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The contact's name.
    pub contact: String,
    /// The permanent id of the partnership; empty where it was about the whole.
    pub partnership: String,
    /// What kind of thing, in a word.
    pub kind: String,
    /// A digest of what it was about. Of nothing about a person.
    pub digest: Digest,
    /// Since when it is so.
    pub since: Timestamp,
    /// When the contact was last told.
    pub told_at: Option<Timestamp>,
    /// Whether it is so no longer.
    pub over: bool,
    /// Messages about it that failed since the last that did not.
    pub tries: u32,
    /// When the next is tried, after one that failed.
    pub retry_at: Option<Timestamp>,
}

/// A backup that was put in the place of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreNote {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// When the backup was made, where it says so.
    pub backup_at: Option<Timestamp>,
    /// Whether it is known what people decided about people until then: wishes of families, answers to reviews.
    pub decisions_known: bool,
}

/// Something that a person decided about a person, as it is mirrored beside a backup: no look-up could rebuild it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The permanent id of the partnership.
    pub partnership: String,
    /// The permanent id of its ILS.
    pub ils: String,
    /// Its name when it last ran.
    pub name: String,
    /// About whom, by a keyed digest.
    pub person: Digest,
    /// When.
    pub at: Timestamp,
    /// Who decided, or noted it.
    pub who: String,
    /// What.
    pub what: DecidedWhat,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecidedWhat {
    /// A family's wish ([`crate::rows::Wish`]), also one that has ended.
    Wish {
        /// Whose, by names and birth date, where that is known: a keyed digest.
        identity: Option<Digest>,
        /// Whether a card is wanted.
        wants: bool,
        /// How it came.
        origin: String,
        /// When and by whom it was ended.
        ended: Option<(Timestamp, String)>,
    },
    /// An answer to a review ([`crate::rows::Answer`]).
    Answer {
        /// The question's code.
        question: String,
        /// The answer's word.
        answer: String,
    },
}

/// Until when things are kept. What is older goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// What a field held before an update goes where the update ended before this moment.
    pub before_values: Timestamp,
    /// What a plan wanted goes where the plan could be approved until this moment at most: now.
    pub plans: Timestamp,
    /// Runs that began before this moment go, with their changes and the ends of their writes; their counts stay, by
    /// year. What is open stays, and so does a partnership's newest run and its newest that was done.
    pub runs: Timestamp,
}

/// What went, by [`Retention`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retained {
    /// Updates whose before-values were wiped.
    pub before_values: u64,
    /// Changes whose wanted values were wiped.
    pub spools: u64,
    /// Runs that were removed.
    pub runs: u64,
}

/// How much of something was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Removed {
    /// The table, as the store names it.
    pub table: String,
    /// What its rows are, in words.
    pub what: String,
    /// How many rows.
    pub rows: u64,
}

/// A partnership whose data was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Its permanent id, which is never used again.
    pub permanent_id: String,
    /// Its name when it last ran.
    pub name: String,
    /// The permanent id of the ILS that has its patrons.
    pub ils: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// What was removed.
    pub removed: Vec<Removed>,
    /// How many links there were by state: the patrons behind them stay in the ILS.
    pub kept: Vec<StateCount>,
}

/// The counts of a year of a partnership whose runs are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Year {
    /// The permanent id of the partnership.
    pub partnership: String,
    /// The year, in UTC.
    pub year: i16,
    /// How many runs there were.
    pub runs: u64,
    /// Writes to the ILS.
    pub writes: u64,
    /// Look-ups in the ILS.
    pub lookups: u64,
    /// Cards made.
    pub created: u64,
    /// Patrons linked.
    pub linked: u64,
    /// Patrons changed.
    pub updated: u64,
    /// Cards renewed.
    pub renewed: u64,
    /// Cards that lapsed.
    pub lapsed: u64,
    /// Cards that came back.
    pub restored: u64,
}

/// Everything that is held about one person of one partnership.
#[derive(Debug, Default)]
pub struct Held {
    /// The link, opened.
    pub link: Option<Link>,
    /// Planned changes, newest first.
    pub changes: Vec<HeldChange>,
    /// Writes, newest first.
    pub writes: Vec<HeldWrite>,
    /// A PIN that waits to be handed out: since when, and in which batch it was written out. The PIN itself is not here.
    pub pin: Option<(Timestamp, Option<PinBatchId>)>,
    /// The family's wish that holds.
    pub wish: Option<Wish>,
    /// Answers to reviews.
    pub answers: Vec<Answer>,
}

impl Held {
    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.link.is_none()
            && self.changes.is_empty()
            && self.writes.is_empty()
            && self.pin.is_none()
            && self.wish.is_none()
            && self.answers.is_empty()
    }
}

/// A planned change, as far as it tells of a person.
#[derive(Debug)]
pub struct HeldChange {
    /// The run.
    pub run: RunId,
    /// What kind.
    pub kind: ChangeKind,
    /// How it stands.
    pub state: ChangeState,
    /// The school, as a person would want it named.
    pub school: String,
    /// What is wanted ([`rostercard_core::spool::decode`]), opened; empty once it is wiped.
    pub spool: Zeroizing<Vec<u8>>,
}

/// A write of the journal, as far as it tells of a person.
#[derive(Debug)]
pub struct HeldWrite {
    /// The run.
    pub run: RunId,
    /// What kind.
    pub kind: IntentKind,
    /// When it was last about to be sent.
    pub at: Timestamp,
    /// How and when it ended; `None` while its outcome is not known.
    pub ended: Option<(IntentEnd, Timestamp)>,
    /// Which fields were sent.
    pub fields: FieldSet,
    /// Whether what was to be sent is still there, sealed.
    pub unsettled_values: bool,
    /// What was there before an update, opened, until it is wiped.
    pub before: Option<PatronValues>,
}
