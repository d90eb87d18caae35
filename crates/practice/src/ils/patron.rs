//! A patron as the practice ILS keeps it, in no protocol's words, so that every protocol can share it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A postal address.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Postal {
    /// Street and number.
    pub line1: String,
    /// Apartment and the like.
    pub line2: String,
    /// Town.
    pub city: String,
    /// State.
    pub state: String,
    /// ZIP code.
    pub zip: String,
}

/// What only Koha keeps of a patron.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InKoha {
    /// The name used to log in, unique.
    pub userid: String,
    /// Extended attributes: type and value.
    pub attributes: Vec<(String, String)>,
    /// The card was reported lost.
    pub card_lost: bool,
    /// What the patron owes, in hundredths.
    pub debt: i64,
}

/// One write that a patron has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// What it was: `create`, `update`, `edit`, `merge`.
    pub kind: String,
    /// Over which way it came: `ncip`, `koha`, `staff`.
    pub by: String,
    /// Its place among all writes of this ILS.
    pub sequence: u64,
}

/// One patron. Dates are `YYYY-MM-DD`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patron {
    /// The ILS's own number for the record; never given twice.
    pub id: u64,
    /// Card number, unique.
    pub barcode: String,
    /// PIN, in clear: these patrons are invented and tests must see it.
    pub pin: Option<String>,
    /// The district's student number, where a protocol can bring it.
    pub student_id: Option<String>,
    /// Given name.
    pub given: String,
    /// Middle name.
    pub middle: String,
    /// Surname.
    pub surname: String,
    /// Jr., III and the like.
    pub suffix: String,
    /// Birth date.
    pub birth_date: Option<String>,
    /// Postal addresses.
    pub addresses: Vec<Postal>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Phone numbers.
    pub phones: Vec<String>,
    /// Patron type code.
    pub category: Option<String>,
    /// Home branch code.
    pub home_branch: Option<String>,
    /// Last day of the card.
    pub expires: Option<String>,
    /// The card does not work, by the status of its category.
    pub blocked: bool,
    /// Blocks by their kind.
    pub blocks: Vec<String>,
    /// Statistical codes by name.
    pub stat_codes: BTreeMap<String, String>,
    /// Anything staff write down.
    pub note: String,
    /// What only Koha keeps.
    pub koha: InKoha,
    /// The sequence of the write that made the record.
    pub created_at: u64,
    /// Every write, the first one first.
    pub history: Vec<Write>,
}

impl fmt::Debug for Postal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postal { .. }")
    }
}

impl fmt::Debug for InKoha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InKoha { .. }")
    }
}

impl fmt::Debug for Patron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patron")
            .field("id", &self.id)
            .field("writes", &self.history.len())
            .finish_non_exhaustive()
    }
}

/// What a refusal is about, in no protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The card number.
    Barcode,
    /// The surname.
    Surname,
    /// The birth date.
    BirthDate,
    /// The end of the card.
    Expiry,
    /// The patron type.
    Category,
    /// The home branch.
    HomeBranch,
    /// The ZIP code of an address.
    Zip,
    /// The PIN.
    Pin,
    /// An e-mail address, phone number or postal address.
    Address,
    /// A privilege.
    Privilege,
    /// A block.
    Block,
}

/// Why the ILS did not do as it was asked. No value of a person is in it but for codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is a patron with this barcode.
    #[error("there is a patron with this barcode already")]
    Duplicate,
    /// There is no patron with this barcode.
    #[error("there is no patron with this barcode")]
    UnknownPatron,
    /// Something mandatory is not there.
    #[error("{0:?} is missing")]
    Missing(Field),
    /// A code the ILS does not know.
    #[error("{field:?} is not one the ILS knows")]
    UnknownValue {
        /// Of what.
        field: Field,
        /// The code.
        value: String,
    },
    /// A date that is none.
    #[error("{0:?} is not a date and time")]
    InvalidDate(Field),
    /// A rule of the ILS.
    #[error("{field:?}: {rule}")]
    RuleViolated {
        /// Of what.
        field: Field,
        /// The rule, in words.
        rule: &'static str,
    },
    /// The ILS could not put the change on disk, or is shutting down.
    #[error("the ILS cannot write now")]
    CannotWrite,
}
