//! The port of a patron directory: finding and writing patrons in an ILS.

use async_trait::async_trait;

use super::{ConnectorError, Fault, Retry};
use crate::field::{Field, FieldSet};
use crate::finding::Finding;
use crate::patron::{Patron, PatronValues};
use crate::privacy::{BirthDate, Personal, Secret};
use crate::words::vocabulary;

vocabulary! {
    /// What a directory can be searched by.
    FindBy {
        /// The card's number.
        Barcode = "barcode",
        /// The ILS's own id.
        PatronId = "patron_id",
        /// The district's student number, where the ILS keeps it.
        StudentId = "student_id",
        /// The name used to log in.
        UserName = "user_name",
        /// The e-mail address.
        Email = "email",
        /// Family name, given name and birth date together.
        NameAndBirthDate = "name_and_birth_date",
    }
}

/// What a patron is looked up by. Always the whole value, never a part of it, whatever the ILS's search would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindKey {
    /// The card's number, exactly.
    Barcode(Personal),
    /// The ILS's own id of the record.
    PatronId(Personal),
    /// The district's student number, where the ILS keeps it.
    StudentId(Personal),
    /// The name used to log in.
    UserName(Personal),
    /// The e-mail address.
    Email(Personal),
    /// Family name, given name and birth date together.
    NameAndBirthDate {
        /// Family name.
        surname: Personal,
        /// Given name.
        given_name: Personal,
        /// Birth date.
        birth_date: BirthDate,
    },
}

impl FindKey {
    /// What it is that is looked up by.
    #[must_use]
    pub fn by(&self) -> FindBy {
        match self {
            Self::Barcode(_) => FindBy::Barcode,
            Self::PatronId(_) => FindBy::PatronId,
            Self::StudentId(_) => FindBy::StudentId,
            Self::UserName(_) => FindBy::UserName,
            Self::Email(_) => FindBy::Email,
            Self::NameAndBirthDate { .. } => FindBy::NameAndBirthDate,
        }
    }

    /// The answer of a directory that cannot be searched by this.
    #[must_use]
    pub fn not_possible(&self, ils: &str) -> Lookup {
        Lookup::Unknown(ConnectorError::new(
            Fault::Operator,
            Retry::NotThisTarget,
            format!("{ils} cannot be searched by {}", self.by()),
            "look up by the card's number, or match by a dated extract of the ILS's patrons",
        ))
    }
}

/// The answer to a look-up. Only `NotFound` may ever lead to a create.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// There is exactly one, and this is what it holds.
    Found(Box<Patron>),
    /// There are several.
    Many,
    /// The ILS said for certain that there is none.
    NotFound,
    /// There is one, but this login may not see it.
    NotVisible,
    /// Nobody can tell: an error, a time-out, an answer in doubt. Never the same as `NotFound`.
    Unknown(ConnectorError),
}

vocabulary! {
    /// How sure it is that an ILS can do something.
    CapabilityState {
        /// A read-back has shown it.
        Proven = "proven",
        /// The configuration or the ILS says so.
        Claimed = "claimed",
        /// It was tried, and had no effect.
        Disproven = "disproven",
        /// The protocol or the ILS has no such thing.
        Absent = "absent",
        /// Turned off in the configuration.
        Off = "off",
    }
}

/// One capability and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// How sure it is.
    pub state: CapabilityState,
    /// Why, as a sentence.
    pub why: String,
}

impl Capability {
    /// A capability and how it is known.
    #[must_use]
    pub fn new(state: CapabilityState, why: impl Into<String>) -> Self {
        Self { state, why: why.into() }
    }

    /// Whether it is worth trying.
    #[must_use]
    pub fn usable(&self) -> bool {
        matches!(self.state, CapabilityState::Proven | CapabilityState::Claimed)
    }
}

/// What an ILS can do through this connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Look a patron up by barcode.
    pub lookup: Capability,
    /// Make a patron.
    pub create: Capability,
    /// Change a patron's fields.
    pub update: Capability,
    /// Block a card.
    pub block: Capability,
    /// Unblock a card.
    pub unblock: Capability,
    /// Set a PIN, with the create or after it.
    pub pin: Capability,
    /// Whether existing patrons can be found by anything but their number.
    pub find_by_person: Capability,
}

vocabulary! {
    /// What letters an ILS can hold.
    Text {
        /// Any.
        Utf8 = "utf8",
        /// Western European letters.
        Latin1 = "latin1",
        /// A to Z only; other letters are transliterated on purpose and said so.
        Ascii = "ascii",
    }
}

/// A new patron, complete: what is sent is exactly this.
#[derive(Debug, Clone)]
pub struct Creation {
    /// Everything the record is to hold; `barcode` is always there.
    pub values: PatronValues,
    /// The PIN, where the card is to have one and the directory sets it with the create
    /// ([`PatronWriter::pin_with_create`]).
    pub pin: Option<Secret>,
}

/// What is to change in a patron's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChanges {
    /// Which fields.
    pub fields: FieldSet,
    /// Their new values; a field in `fields` whose value is nothing is to be emptied.
    pub values: PatronValues,
}

vocabulary! {
    /// Why an ILS said no.
    RejectionKind {
        /// There is a patron with this number, user name or other unique value already.
        Duplicate = "duplicate",
        /// The patron to change is not there.
        Missing = "missing",
        /// A field's value; see [`Rejection::field`].
        Field = "field",
        /// This record, for another reason.
        Record = "record",
        /// Anything at this target: the service is not supported, the login is wrong. Stop asking it.
        Target = "target",
    }
}

/// An ILS said no, for certain: nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub kind: RejectionKind,
    /// Which field, where the ILS said so.
    pub field: Option<Field>,
    /// The error, for people.
    pub error: ConnectorError,
}

/// What came of a write.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Done. What a read-back then showed, where there was one; `None` where the directory could not be read back.
    Applied(Option<Box<Patron>>),
    /// Nothing was to do: the record was so already.
    AlreadySo(Box<Patron>),
    /// Put into a batch that another program loads; the patron exists once a look-up finds it.
    HandedOver {
        /// The batch's name.
        batch: String,
    },
    /// The ILS said no: nothing was written.
    Rejected(Rejection),
    /// It never left this machine: nothing was written.
    NotSent(ConnectorError),
    /// It may or may not have been written. To be settled by a look-up, later.
    Unknown(ConnectorError),
}

/// Finding patrons. `&self`: several look-ups may be under way at once, within the ILS's limits.
#[async_trait]
pub trait PatronFinder: Send + Sync {
    /// What this ILS can do, as far as known so far.
    fn capabilities(&self) -> Capabilities;

    /// The fields that a look-up can return. What is not here is compared with what was sent only.
    fn returns(&self) -> FieldSet;

    /// What [`PatronFinder::find`] can be asked by. Anything else is answered [`Lookup::Unknown`].
    fn finds_by(&self) -> &'static [FindBy] {
        &[FindBy::Barcode]
    }

    /// The form in which this ILS would hold and return a field's value, for comparing (upper case, cut, transliterated).
    /// By default the value's own canonical form.
    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        values.canonical(field).map(std::borrow::Cow::into_owned)
    }

    /// Looks one patron up.
    async fn find(&self, key: &FindKey) -> Lookup;

    /// Tries login, permissions and services without writing, for `check --online` and `ils probe`. Returns what was
    /// noticed; an error is an ILS that cannot be used at all.
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError>;
}

/// Writing patrons. No method retries: whether a write may be sent again is the engine's to decide, by its journal.
#[async_trait]
pub trait PatronWriter: Send + Sync {
    /// Whether [`Creation::pin`] is set by the create itself. Where not, [`PatronWriter::set_pin`] is a step of its own.
    fn pin_with_create(&self) -> bool;

    /// Why [`PatronWriter::set_pin`] cannot set the PIN of a card that is there already, where it cannot: the sentence names
    /// what would help.
    fn no_later_pin(&self) -> Option<String> {
        None
    }

    /// Makes a patron, and reads it back.
    async fn create(&self, creation: &Creation) -> Outcome;

    /// Sets a new card's PIN, where that is a call of its own.
    async fn set_pin(&self, patron: &Patron, pin: &Secret) -> Outcome;

    /// Changes fields of a patron just looked up, and reads it back.
    async fn update(&self, patron: &Patron, changes: &FieldChanges) -> Outcome;

    /// Blocks a card, or takes away a block that Rostercard set, and reads it back. Only asked where
    /// [`Capabilities::block`] and [`Capabilities::unblock`] are usable.
    async fn set_blocked(&self, _patron: &Patron, _blocked: bool) -> Outcome {
        Outcome::Rejected(Rejection {
            kind: RejectionKind::Target,
            field: None,
            error: ConnectorError::new(
                Fault::Operator,
                Retry::NotThisTarget,
                "cards of this ILS cannot be blocked through this connector",
                "write [lapse] then = \"not_renewed\" or then = \"expire\"",
            ),
        })
    }

    /// The end of a run: a directory that gathers its writes (an export file) hands them over here. What it was cannot be
    /// read from the outcome of a single write.
    async fn finish(&self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

/// Both sides of an ILS.
pub trait PatronDirectory: PatronFinder + PatronWriter {}
impl<T: PatronFinder + PatronWriter> PatronDirectory for T {}
