//! One person in a roster, whatever the roster came from.
//!
//! A source fills these types at its edge and keeps to the partnership's allow-list ([`crate::field::FieldRules`]):
//! what is not allowed is never copied here.

use std::sync::Arc;

use crate::finding::{Finding, Row};
use crate::grade::Grade;
use crate::privacy::{BirthDate, Personal};
use crate::words::{Code, Role, vocabulary};

/// A school of a district. Shared by its students, so that a million of them do not hold a million names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct School {
    /// The source's own id (OneRoster's sourcedId); may change every year.
    pub source_id: String,
    /// The state's or district's code (OneRoster's `identifier`), where there is one.
    pub code: Option<String>,
    /// The school's name.
    pub name: String,
}

impl School {
    /// What the school is known by in the ledger and in reports: its code, which outlives sourcedIds, else its id.
    #[must_use]
    pub fn key(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.source_id)
    }

    /// The school as a person would want it named: code and name.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.code, self.name.is_empty()) {
            (Some(code), false) => format!("{code} {}", self.name),
            (_, true) => self.key().to_owned(),
            (None, false) => self.name.clone(),
        }
    }
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// House number and street, or the PO box.
    pub street: Personal,
    /// Apartment, unit.
    pub street2: Option<Personal>,
    /// City.
    pub city: Personal,
    /// State, as the roster writes it.
    pub state: Personal,
    /// ZIP code, with or without the four digits after the hyphen.
    pub zip: Personal,
}

/// What a roster says about an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GivenAddress {
    /// Nothing, or it was not allowed to be read.
    #[default]
    None,
    /// The family's address is protected (Safe at Home and its like): none is taken, from anywhere.
    Protected,
    /// An address.
    Given(Address),
}

/// A name that the person prefers to the legal one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreferredName {
    /// Given name.
    pub given: Option<Personal>,
    /// Middle name.
    pub middle: Option<Personal>,
    /// Family name.
    pub family: Option<Personal>,
}

vocabulary! {
    /// What a roster says of a family's wish about a card.
    #[derive(Default)]
    Consent {
        /// The roster has no such column, or it was not allowed to be read.
        #[default]
        NotSaid = "not_said",
        /// There is a column, and nothing in it for this person. Not a yes.
        Blank = "blank",
        /// The family wants a card, or does not mind one.
        Granted = "granted",
        /// The family wants none.
        Refused = "refused",
    }
}

/// One person in a roster who may get a card: a student, or an educator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Student {
    /// The district's lasting number for the person, exactly as the roster writes it (leading zeros kept).
    pub student_id: Personal,
    /// The source's own ids (sourcedIds): aliases, which may change.
    pub source_ids: Vec<Personal>,
    /// Student or educator.
    pub role: Role,
    /// Given name; empty where the roster has none.
    pub given_name: Personal,
    /// Middle name.
    pub middle_name: Option<Personal>,
    /// Family name; empty where the roster has none.
    pub family_name: Personal,
    /// The preferred name, where the roster has one.
    pub preferred: Option<PreferredName>,
    /// Birth date, where the roster has a believable one.
    pub birth_date: Option<BirthDate>,
    /// Grade, where the roster has one that is known.
    pub grade: Option<Grade>,
    /// Every school the person is in, each once.
    pub schools: Vec<Arc<School>>,
    /// Which of `schools` is the person's own, as an index; `None` where there is no school at all.
    pub primary_school: Option<usize>,
    /// The name used to log in at school.
    pub user_name: Option<Personal>,
    /// E-mail address.
    pub email: Option<Personal>,
    /// Telephone number.
    pub phone: Option<Personal>,
    /// Postal address.
    pub address: GivenAddress,
    /// What the roster says of an opt-out or opt-in.
    pub consent: Consent,
    /// What the source noticed about this person: several schools and no primary one, a date that is none.
    pub findings: Vec<Finding>,
    /// Where in the source the person stands, for messages to the district.
    pub row: Option<Row>,
}

impl Student {
    /// The person's own school.
    #[must_use]
    pub fn school(&self) -> Option<&Arc<School>> {
        self.schools.get(self.primary_school?)
    }
}

/// A record that could not become a [`Student`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The student id, where that at least could be read: then the person counts as seen, and is never withdrawn for
    /// the damage.
    pub student_id: Option<Personal>,
    /// The school, where it could be read.
    pub school: Option<Code>,
    /// What is wrong, with place and code.
    pub finding: Finding,
}
