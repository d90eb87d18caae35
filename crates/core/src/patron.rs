//! One person's record in an ILS: as it is, and as it is wanted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::field::{Field, FieldSet};
use crate::finding::Finding;
use crate::grade::Grade;
use crate::privacy::{BirthDate, Personal, Secret};
use crate::student::{Address, School};
use crate::words::{CardModel, Code, Role};

/// What a patron's record holds, as far as Rostercard is concerned with it. `None` is "nothing there" or "not known",
/// which [`crate::ports::PatronFinder::returns`] tells apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PatronValues {
    /// The card's number.
    pub barcode: Option<Personal>,
    /// The name used to log in.
    pub user_name: Option<Personal>,
    /// Family name.
    pub surname: Option<Personal>,
    /// Given name.
    pub given_name: Option<Personal>,
    /// Middle name.
    pub middle_name: Option<Personal>,
    /// Birth date.
    pub birth_date: Option<BirthDate>,
    /// E-mail address.
    pub email: Option<Personal>,
    /// Telephone number.
    pub phone: Option<Personal>,
    /// Postal address.
    pub address: Option<Address>,
    /// The district's student number.
    pub student_id: Option<Personal>,
    /// Category (patron type).
    pub category: Option<Code>,
    /// Home branch.
    pub home_branch: Option<Code>,
    /// The day the card expires; in an ILS that has a time of day, the calendar day in the library's time zone.
    pub expiry: Option<Date>,
    /// Statistical codes by name.
    pub statistics: BTreeMap<Code, Code>,
    /// A note for the library's staff.
    pub note: Option<Personal>,
}

impl PatronValues {
    /// A field's value in its canonical form: what digests are made of and what is compared. `None` where there is
    /// nothing. The PIN is no value and is always `None`.
    #[must_use]
    pub fn canonical(&self, field: Field) -> Option<Cow<'_, str>> {
        fn personal(value: Option<&Personal>) -> Option<Cow<'_, str>> {
            value.map(Personal::reveal).filter(|v| !v.is_empty()).map(Cow::Borrowed)
        }
        match field {
            Field::Barcode => personal(self.barcode.as_ref()),
            Field::UserName => personal(self.user_name.as_ref()),
            Field::Surname => personal(self.surname.as_ref()),
            Field::GivenName => personal(self.given_name.as_ref()),
            Field::MiddleName => personal(self.middle_name.as_ref()),
            Field::BirthDate => self.birth_date.map(|date| Cow::Owned(date.reveal().to_string())),
            Field::Email => personal(self.email.as_ref()),
            Field::Phone => personal(self.phone.as_ref()),
            Field::Address => self.address.as_ref().map(|a| {
                let line2 = a.street2.as_ref().map_or("", Personal::reveal);
                Cow::Owned(
                    [a.street.reveal(), line2, a.city.reveal(), a.state.reveal(), a.zip.reveal()]
                        .join("\u{1f}"),
                )
            }),
            Field::StudentId => personal(self.student_id.as_ref()),
            Field::Category => self.category.as_ref().map(|c| Cow::Borrowed(c.as_str())),
            Field::HomeBranch => self.home_branch.as_ref().map(|c| Cow::Borrowed(c.as_str())),
            Field::Expiry => self.expiry.map(|date| Cow::Owned(date.to_string())),
            Field::Statistics => (!self.statistics.is_empty()).then(|| {
                let pairs: Vec<String> =
                    self.statistics.iter().map(|(k, v)| format!("{k}\u{1f}{v}")).collect();
                Cow::Owned(pairs.join("\u{1e}"))
            }),
            Field::Note => personal(self.note.as_ref()),
            Field::Pin => None,
        }
    }

    /// The fields that hold something.
    #[must_use]
    pub fn present(&self) -> FieldSet {
        Field::ALL.iter().copied().filter(|field| self.canonical(*field).is_some()).collect()
    }

    /// Takes over one field's value from `other`, also where it is nothing.
    pub fn take(&mut self, field: Field, other: &Self) {
        match field {
            Field::Barcode => self.barcode.clone_from(&other.barcode),
            Field::UserName => self.user_name.clone_from(&other.user_name),
            Field::Surname => self.surname.clone_from(&other.surname),
            Field::GivenName => self.given_name.clone_from(&other.given_name),
            Field::MiddleName => self.middle_name.clone_from(&other.middle_name),
            Field::BirthDate => self.birth_date = other.birth_date,
            Field::Email => self.email.clone_from(&other.email),
            Field::Phone => self.phone.clone_from(&other.phone),
            Field::Address => self.address.clone_from(&other.address),
            Field::StudentId => self.student_id.clone_from(&other.student_id),
            Field::Category => self.category.clone_from(&other.category),
            Field::HomeBranch => self.home_branch.clone_from(&other.home_branch),
            Field::Expiry => self.expiry = other.expiry,
            Field::Statistics => self.statistics.clone_from(&other.statistics),
            Field::Note => self.note.clone_from(&other.note),
            Field::Pin => {}
        }
    }
}

/// Where a wanted patron's number comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// It follows from the student by a template.
    Given(Personal),
    /// It is issued from a range of the library's, when the card is made.
    Issued {
        /// The range's name.
        range: Code,
    },
}

/// The PIN a new card is to get.
#[derive(Debug, Clone)]
pub enum PinWish {
    /// None: the ILS has its own rule.
    None,
    /// Random digits, drawn when the card is made.
    Random {
        /// How many.
        digits: u8,
    },
    /// By the library's rule from the student's data, with the length of a random one for when the ILS refuses it.
    Given {
        /// The PIN.
        pin: Secret,
        /// How many random digits take its place where the ILS refuses it.
        fallback_digits: u8,
    },
}

/// The patron that card policy wants for a student.
#[derive(Debug, Clone)]
pub struct WantedPatron {
    /// What the card is to let its holder do.
    pub model: CardModel,
    /// Student or educator.
    pub role: Role,
    /// The number; `values.barcode` stays empty until the card is made.
    pub number: Number,
    /// Everything else that the record should hold.
    pub values: PatronValues,
    /// The PIN for a new card.
    pub pin: PinWish,
    /// The address that takes the place of `values.address` where the ILS refuses that one.
    pub fallback_address: Option<Address>,
    /// The roster source's own ids of the person, kept sealed so that the source can be asked for the person again.
    pub source_ids: Vec<Personal>,
    /// The student's own school.
    pub school: Arc<School>,
    /// The student's grade.
    pub grade: Option<Grade>,
    /// What policy noticed: an address replaced by the fallback, a trivial PIN replaced by a random one.
    pub findings: Vec<Finding>,
}

/// A patron as an ILS holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patron {
    /// The ILS's own id for the record, where it has one beside the barcode; else the barcode.
    pub id: Personal,
    /// What the record holds.
    pub values: PatronValues,
    /// Whether the card is blocked, where the ILS tells.
    pub blocked: Option<bool>,
}
