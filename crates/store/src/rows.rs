//! The rows of the store, as the engine sees them. Sealing is the store's own matter: here values are open, in types
//! that cannot be printed by accident.

use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::guard::{Memory, WaitingFor};
use rostercard_core::patron::PatronValues;
use rostercard_core::plan::{ChangeKind, ChangeState, Counts, RunState};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::rules::number::NumberRange;
use rostercard_core::threeway::FieldDigests;
use rostercard_core::words::{CardModel, Code, LinkState};
use zeroize::Zeroizing;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
id!(
    /// A partnership, by its row.
    PartnershipId
);
id!(
    /// A link of the ledger, by its row.
    LinkId
);
id!(
    /// A run. The number that commands take: `show 12`, `approve 12`.
    RunId
);
id!(
    /// A planned change, by its row.
    ChangeId
);
id!(
    /// An intent of the journal, by its row.
    IntentId
);
id!(
    /// A school of a partnership, by its row.
    SchoolId
);

id!(
    /// A pause, by its row.
    PauseId
);

id!(
    /// A batch of PINs that was handed out together.
    PinBatchId
);

/// A PIN that is kept, sealed, until it was handed out.
#[derive(Debug)]
pub struct KeptPin {
    /// Whose.
    pub person: Digest,
    /// The PIN, opened.
    pub pin: Secret,
    /// When the card got it.
    pub made_at: Timestamp,
    /// The batch in which it was last handed out, where it was.
    pub batch: Option<PinBatchId>,
}

/// A batch of PINs that was handed out together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinBatch {
    /// Its row.
    pub id: PinBatchId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// How many there were.
    pub pins: u64,
    /// How many of them are still kept.
    pub kept: u64,
    /// When and by whom it was confirmed.
    pub confirmed: Option<(Timestamp, String)>,
}

/// How many links of a partnership are alike, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkCell {
    /// The school's key and label.
    pub school: (String, String),
    /// The grade's code.
    pub grade: Option<u8>,
    /// The card model.
    pub model: Option<CardModel>,
    /// The state.
    pub state: LinkState,
    /// The reason's code, for states that have one.
    pub reason: Option<String>,
    /// How many.
    pub count: u64,
}

/// A change that was planned for a person, in whatever run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChange {
    /// The run.
    pub run: RunId,
    /// What kind.
    pub kind: ChangeKind,
    /// How it stands.
    pub state: ChangeState,
}

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseScope {
    /// Every partnership.
    Everything,
    /// The partnerships of an ILS, by its permanent id.
    Ils(String),
    /// One partnership, by its permanent id.
    Partnership(String),
}

impl PauseScope {
    /// Whether it holds for a partnership of an ILS.
    #[must_use]
    pub fn holds_for(&self, partnership: &str, ils: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Ils(id) => id == ils,
            Self::Partnership(id) => id == partnership,
        }
    }
}

/// A pause: nothing is written, and grace stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPause {
    /// What is paused.
    pub scope: PauseScope,
    /// Since when.
    pub since: Timestamp,
    /// The moment at which it ends by itself.
    pub until: Timestamp,
    /// Why, in a person's words.
    pub reason: String,
    /// Who paused it: the login or token's name.
    pub who: String,
}

/// A pause as the store keeps it, also after it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Its row.
    pub id: PauseId,
    /// What was asked.
    pub asked: NewPause,
    /// When and by whom it was ended before its time.
    pub resumed: Option<(Timestamp, String)>,
}

impl Pause {
    /// The moment at which it ends, or ended.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.resumed.as_ref().map_or(self.asked.until, |(at, _)| (*at).min(self.asked.until))
    }

    /// Whether it is in force.
    #[must_use]
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.asked.since <= now && now < self.end()
    }
}

/// A partnership as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partnership {
    /// Its row.
    pub id: PartnershipId,
    /// Its permanent id from the configuration.
    pub permanent_id: String,
    /// The permanent id of its ILS.
    pub ils: String,
    /// Its name when it last ran, for messages.
    pub name: String,
    /// Whether a person ever let changes of it through (S19), or its guard for that is off.
    pub let_through: bool,
    /// The digest of the rules under which changes were last let through.
    pub rules: Option<Digest>,
    /// Where the roster was last read from.
    pub endpoint: Option<String>,
    /// The moment of the last roster that was taken whole.
    pub as_of: Option<Timestamp>,
    /// The cursor of the last stream of which everything is done, or dropped by a person.
    pub cursor: Option<String>,
    /// When a roster was last read in full, and everything of it was done.
    pub full_at: Option<Timestamp>,
}

/// A family's wish about a card, noted by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whose, by the student number.
    pub person: Digest,
    /// Whose, by names and birth date, once the person was met in a roster.
    pub identity: Option<Digest>,
    /// Whether a card is wanted.
    pub wants: bool,
    /// Since when.
    pub at: Timestamp,
    /// Who noted it.
    pub who: String,
    /// How it came: `command` or `file`.
    pub origin: String,
}

/// A person's answer to a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// About whom.
    pub person: Digest,
    /// The question's code ([`rostercard_core::reason::Review::code`]).
    pub question: String,
    /// The answer's word.
    pub answer: String,
    /// When.
    pub at: Timestamp,
    /// Who answered.
    pub who: String,
}

/// A write of a run that is known to have happened, and what was there before it.
#[derive(Debug)]
pub struct Written {
    /// Who.
    pub person: Digest,
    /// What.
    pub kind: IntentKind,
    /// Which fields were written.
    pub fields: FieldSet,
    /// What they held before, where that is still kept; only for changed fields.
    pub before: Option<PatronValues>,
}

/// A school, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchool {
    /// Its row.
    pub id: SchoolId,
    /// Its key ([`rostercard_core::student::School::key`]).
    pub key: String,
    /// As a person would want it named.
    pub label: String,
}

/// The narrow row that is read of every link on every run. Everything a run needs to find that nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkIndex {
    /// The link's row.
    pub link: LinkId,
    /// Who it is.
    pub person: Digest,
    /// The fingerprint of what was last decided.
    pub decided: Digest,
    /// The state.
    pub state: LinkState,
    /// The school.
    pub school: SchoolId,
    /// The expiry that the card has, where there is a card and it ends at all.
    pub expiry: Option<Date>,
    /// Since when the person is missing from the roster.
    pub missing_since: Option<Date>,
    /// How many complete rosters the person was missing from.
    pub feeds_missed: u32,
}

/// A whole link.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its row.
    pub id: LinkId,
    /// Who it is.
    pub person: Digest,
    /// What is known of it.
    pub data: LinkData,
    /// Since when the person is missing from the roster.
    pub missing_since: Option<Date>,
    /// How many complete rosters the person was missing from.
    pub feeds_missed: u32,
}

/// What a link holds, besides who it is.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkData {
    /// The state.
    pub state: LinkState,
    /// The fingerprint of what was last decided.
    pub decided: Digest,
    /// The reason's code, for states that have one.
    pub reason: Option<String>,
    /// The school's key and label.
    pub school: (String, String),
    /// The grade's code.
    pub grade: Option<u8>,
    /// The card model, where there is or was a card.
    pub model: Option<CardModel>,
    /// The category that was asked for last.
    pub category: Option<Code>,
    /// The home branch that was asked for last.
    pub branch: Option<Code>,
    /// The expiry that the card has.
    pub expiry: Option<Date>,
    /// Three-way digests.
    pub digests: FieldDigests,
    /// Sealed: the source's ids of the person.
    pub source_ids: Vec<Personal>,
    /// Sealed: the ILS's id of the patron.
    pub patron_id: Option<Personal>,
    /// Sealed: the card's number. Also a digest, unique within the ILS.
    pub barcode: Option<Personal>,
    /// Sealed: the user name.
    pub user_name: Option<Personal>,
}

/// A link that is written: made new where the person has none in the partnership, else changed.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkWrite {
    /// Who it is.
    pub person: Digest,
    /// What it is to hold from now on. `missing_since` and `feeds_missed` are cleared: who is written is there.
    pub data: LinkData,
}

/// A person of the ledger who is missing from a complete roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The link.
    pub link: LinkId,
    /// Since when; `None` where the person is there again.
    pub since: Option<Date>,
    /// How many complete rosters in a row.
    pub feeds: u32,
}

/// A run that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Whose.
    pub partnership: PartnershipId,
    /// What it is: `plan`, `sync`, `approve`.
    pub kind: String,
    /// When.
    pub started_at: Timestamp,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub partnership: PartnershipId,
    /// What it is: `plan`, `sync`.
    pub kind: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is under way, or where it was killed.
    pub finished_at: Option<Timestamp>,
    /// How it stands.
    pub state: RunState,
    /// What its plan rests on, once there is one.
    pub plan: Option<PlanHead>,
    /// What came of it.
    pub result: RunResult,
    /// The run whose plan took the place of this one's, where changes of it were still ready or waiting.
    pub superseded_by: Option<RunId>,
}

/// What a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHead {
    /// The plan's digest, in hexadecimal: an approval is bound to it.
    pub digest: String,
    /// The roster's moment.
    pub as_of: Option<Timestamp>,
    /// The digest of the rules.
    pub rules: Digest,
    /// Where the roster was read from.
    pub endpoint: String,
    /// The day for which it was decided.
    pub day: Date,
    /// Until when what waits may be approved.
    pub expires_at: Timestamp,
    /// What the roster's source is to let go of, or to go on from, once the plan is settled.
    pub cursor: Option<String>,
}

/// The result of a run, so far. Counts and codes, nobody's values.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunResult {
    /// The counts.
    pub counts: Counts,
    /// The counts by school, under the school's label.
    pub by_school: std::collections::BTreeMap<String, Counts>,
    /// What waits, and why.
    pub waiting_for: Vec<WaitingFor>,
    /// What guards warned of.
    pub warnings: Vec<WaitingFor>,
    /// Writes that were sent to the ILS.
    pub writes: u64,
    /// Look-ups that were sent to the ILS.
    pub lookups: u64,
    /// People of the roster.
    pub roster: u64,
    /// People of the ledger who are not in the roster.
    pub absent: u64,
    /// Fields where a change by the library's staff was left alone.
    pub staff_won: u64,
    /// Writes whose answer never came and that could not be settled yet.
    pub unsettled: u64,
    /// Changes that failed and are tried again by the next run.
    pub failed: u64,
    /// Findings and reasons by code: how many, and one message with a place.
    pub findings: std::collections::BTreeMap<String, FindingCount>,
    /// What the roster's stream was ([`rostercard_core::ports::Completeness`]); `None` where none was read.
    #[serde(default)]
    pub stream: Option<String>,
    /// What the next run's guards have to know of this one.
    #[serde(default)]
    pub memory: Memory,
    /// Why the run failed, where it did.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// How often something was noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FindingCount {
    /// How often.
    pub count: u64,
    /// The message of the first.
    pub message: String,
    /// Where, for the first ones.
    pub places: Vec<String>,
}

/// A change of a plan, to be kept.
#[derive(Debug)]
pub struct NewChange {
    /// Who.
    pub person: Digest,
    /// Their link, where there is one.
    pub link: Option<LinkId>,
    /// What kind.
    pub kind: ChangeKind,
    /// Whether it may be made, or waits.
    pub state: ChangeState,
    /// The school's key and label.
    pub school: (String, String),
    /// Which fields, for an update.
    pub fields: FieldSet,
    /// The fingerprint that the ledger is to keep once it is made.
    pub decided: Digest,
    /// What is wanted ([`rostercard_core::spool::encode`]), to be sealed. Empty for a lapse.
    pub spool: Zeroizing<Vec<u8>>,
}

/// A change of a plan.
#[derive(Debug)]
pub struct Change {
    /// Its row.
    pub id: ChangeId,
    /// Who.
    pub person: Digest,
    /// What kind.
    pub kind: ChangeKind,
    /// How it stands.
    pub state: ChangeState,
    /// The school's key and label.
    pub school: (String, String),
    /// Which fields, for an update.
    pub fields: FieldSet,
    /// The fingerprint that the ledger is to keep once it is made.
    pub decided: Digest,
    /// What is wanted, opened.
    pub spool: Zeroizing<Vec<u8>>,
}

/// How many changes of a plan there are, by school, kind and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCount {
    /// The school's key and label.
    pub school: (String, String),
    /// What kind.
    pub kind: ChangeKind,
    /// How they stand.
    pub state: ChangeState,
    /// How many.
    pub count: u64,
}

/// Which changes of a plan are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSelection {
    /// Those of this school (key or label) alone.
    pub school: Option<String>,
    /// Those of this kind alone.
    pub kind: Option<ChangeKind>,
    /// These rows alone.
    pub ids: Option<Vec<ChangeId>>,
}

/// A person's decision about a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDecision {
    /// Who decided: the login or token's name.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// `approve` or `discard`.
    pub what: String,
    /// What it was about.
    pub selection: ChangeSelection,
}

/// What a write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntentKind {
    /// A new patron.
    Create,
    /// A PIN, where that is a call of its own.
    SetPin,
    /// Changed fields.
    Update,
    /// A block, on leaving.
    Block,
    /// The end of a block of ours.
    Unblock,
}

/// Where a create's number comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberDraw {
    /// It is known.
    Given(Personal),
    /// The next of a range, taken in the same transaction as the intent.
    Next(NumberRange),
}

/// An intent, before the wire.
#[derive(Debug)]
pub struct NewIntent {
    /// The run.
    pub run: RunId,
    /// The change.
    pub change: ChangeId,
    /// Whose partnership.
    pub partnership: PartnershipId,
    /// Who.
    pub person: Digest,
    /// What.
    pub kind: IntentKind,
    /// The number (of the new card, or of the patron that is written to).
    pub number: NumberDraw,
    /// The PIN that will be sent.
    pub pin: Option<Secret>,
    /// Which fields are sent.
    pub fields: FieldSet,
    /// Sealed: a create's values, without the number; an update's new values.
    pub values: PatronValues,
    /// Sealed, for `undo_days`: what was there before an update.
    pub before: Option<PatronValues>,
    /// When.
    pub at: Timestamp,
}

/// An intent that is durable: its write may be sent.
#[derive(Debug)]
pub struct Intent {
    /// Its row.
    pub id: IntentId,
    /// The number, drawn if it was to be.
    pub barcode: Personal,
}

/// An intent whose outcome is not known: the answer never came, or the program was killed.
#[derive(Debug)]
pub struct OpenIntent {
    /// Its row.
    pub id: IntentId,
    /// The run.
    pub run: RunId,
    /// The change.
    pub change: ChangeId,
    /// Whose partnership.
    pub partnership: PartnershipId,
    /// Who.
    pub person: Digest,
    /// What.
    pub kind: IntentKind,
    /// The number.
    pub barcode: Personal,
    /// The PIN that was to be sent.
    pub pin: Option<Secret>,
    /// Which fields were sent.
    pub fields: FieldSet,
    /// What was to be sent.
    pub values: PatronValues,
    /// When it was last about to be sent.
    pub at: Timestamp,
    /// How often it was about to be sent.
    pub attempts: u32,
    /// The change, with what is wanted, for the ledger.
    pub planned: Change,
}

/// The end of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentEnd {
    /// Written, and known to be.
    Applied,
    /// Refused: nothing was written.
    Rejected,
    /// Never left, or found not to be there: nothing was written, and nothing will be of this intent.
    NotWritten,
}

/// What came of a change. All of it becomes durable in one transaction.
#[derive(Debug)]
pub struct Settlement {
    /// The intent that ends, where there was one.
    pub intent: Option<(IntentId, IntentEnd)>,
    /// The change, and how it now stands.
    pub change: Option<(ChangeId, ChangeState)>,
    /// What the ledger learns.
    pub link: Option<LinkWrite>,
    /// The PIN that the new card has, kept sealed until it was handed out.
    pub pin: Option<Secret>,
    /// Whose partnership.
    pub partnership: PartnershipId,
    /// When.
    pub at: Timestamp,
}

/// How many links a partnership has, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCount {
    /// The state.
    pub state: LinkState,
    /// How many.
    pub count: u64,
}
