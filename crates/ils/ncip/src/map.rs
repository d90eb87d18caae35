//! How a patron's values travel in NCIP's elements. The only place that knows.
//!
//! | value | element |
//! | --- | --- |
//! | barcode | `UserId` of type `Barcode` |
//! | surname, given name | `StructuredPersonalUserName`: `Surname`, `GivenName` |
//! | middle name | `Initials`, whole |
//! | birth date | `DateOfBirth`, at midnight |
//! | e-mail, phone | `ElectronicAddress` of type `mailto` with role `Notice`, of type `tel` with role `Home` |
//! | address | `PhysicalAddress`, `Postal Address`, role `Home`: `Line1`, `Line2`, `Locality`, `Region`, `PostalCode` |
//! | category | a `UserPrivilege`'s type (or the status of the type that the settings name) |
//! | expiry | the `ValidToDate` of the same privilege |
//! | home branch | the status of the `UserPrivilege` of type `LIBRARY` |
//! | statistical codes | the status of each `UserPrivilege` of type `STAT:name` |
//! | blocked | the status `Blocked` of the category's privilege (or of the type that the settings name), or any `BlockOrTrap` |
//! | student id | a further `UserId` of type `Institution Id Number`, in answers only |
//! | user name, note | nothing: NCIP has no place for them |

use std::collections::BTreeMap;

use jiff::civil;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::Text as Repertoire;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student;
use rostercard_core::words::Code;
use rostercard_ncip::{
    Address, AddressForm, Date, Fields, Place, PostalAddress, Privilege, StructuredName, Text, UserId,
    UserName, UserRecord,
};

use crate::PrivilegeMap;
use crate::repertoire::fit;

/// The role of an e-mail address that we write.
const EMAIL_ROLE: &str = "Notice";
/// The role of a phone number and a postal address that we write.
const HOME_ROLE: &str = "Home";
/// The `PhysicalAddressType` of a postal address that we write.
const POSTAL: &str = "Postal Address";
/// The `ElectronicAddressType` of an e-mail address.
const MAILTO: &str = "mailto";
/// The `ElectronicAddressType` of a phone number.
const TEL: &str = "tel";

/// The fields that an answer can hold.
pub const READABLE: FieldSet = FieldSet::of(&[
    Field::Barcode,
    Field::Surname,
    Field::GivenName,
    Field::MiddleName,
    Field::BirthDate,
    Field::Email,
    Field::Phone,
    Field::Address,
    Field::Category,
    Field::HomeBranch,
    Field::Expiry,
    Field::Statistics,
]);

/// The fields that NCIP has a place for in an update: all that can be read, but the number itself.
pub const WRITABLE: FieldSet = FieldSet::of(&[
    Field::Surname,
    Field::GivenName,
    Field::MiddleName,
    Field::BirthDate,
    Field::Email,
    Field::Phone,
    Field::Address,
    Field::Category,
    Field::HomeBranch,
    Field::Expiry,
    Field::Statistics,
]);

/// The fields that NCIP has no place for, in any message of ours.
pub const PLACELESS: FieldSet = FieldSet::of(&[Field::UserName, Field::StudentId, Field::Note]);

/// Which field an element of a refusal is about, where that can be told from the element alone.
pub(crate) fn field_of_element(element: &str) -> Option<Field> {
    const TABLE: &[(&str, Field)] = &[
        ("UserId", Field::Barcode),
        ("UserIdentifierValue", Field::Barcode),
        ("Surname", Field::Surname),
        ("UnstructuredPersonalUserName", Field::Surname),
        ("GivenName", Field::GivenName),
        ("Initials", Field::MiddleName),
        ("DateOfBirth", Field::BirthDate),
        ("PhysicalAddress", Field::Address),
        ("StructuredAddress", Field::Address),
        ("UnstructuredAddressData", Field::Address),
        ("Line1", Field::Address),
        ("Line2", Field::Address),
        ("Locality", Field::Address),
        ("Region", Field::Address),
        ("PostalCode", Field::Address),
        ("AgencyUserPrivilegeType", Field::Category),
        ("UserPrivilegeStatusType", Field::HomeBranch),
        ("ValidToDate", Field::Expiry),
        ("AuthenticationInput", Field::Pin),
        ("AuthenticationInputData", Field::Pin),
        ("PIN", Field::Pin),
        ("Password", Field::Pin),
    ];
    TABLE.iter().find(|(name, _)| *name == element).map(|&(_, field)| field)
}

/// How one ILS's values travel: its agency, its privileges, its letters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping<'a> {
    pub(crate) agency: &'a str,
    /// The agencies of the branches, where they have their own.
    pub(crate) branches: &'a BTreeMap<String, String>,
    pub(crate) privileges: &'a PrivilegeMap,
    pub(crate) text: Repertoire,
    pub(crate) address: AddressForm,
}

/// What a privilege carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries<'a> {
    Category,
    Branch,
    Statistic(&'a str),
    Status,
    Nothing,
}

/// Values to elements.
impl Mapping<'_> {
    /// A text about a person, in letters that the ILS can hold; `None` where nothing is left.
    pub(crate) fn fit(&self, value: Option<&Personal>) -> Option<Text> {
        let text = fit(value?.reveal(), self.text);
        (!text.is_empty()).then(|| text.into())
    }

    /// The name. A missing surname is refused when the message is built.
    pub(crate) fn name(&self, values: &PatronValues) -> StructuredName {
        StructuredName {
            prefix: None,
            given: self.fit(values.given_name.as_ref()),
            initials: self.fit(values.middle_name.as_ref()),
            surname: self.fit(values.surname.as_ref()).unwrap_or_default(),
            suffix: None,
        }
    }

    /// Everything that goes into a create beside number, PIN and name.
    pub(crate) fn fields(&self, values: &PatronValues) -> Fields {
        let category = values
            .category
            .as_ref()
            .map(|code| Privilege { valid_to: values.expiry.and_then(date), ..self.category(code) });
        let branch = values.home_branch.as_ref().map(|code| self.branch(code));
        let statistics = values.statistics.iter().map(|(name, code)| self.statistic(name, code));
        Fields {
            addresses: [self.postal(values), self.email(values), self.phone(values)]
                .into_iter()
                .flatten()
                .collect(),
            birth_date: values.birth_date.and_then(|born| date(born.reveal())),
            privileges: category.into_iter().chain(branch).chain(statistics).collect(),
            ..Fields::default()
        }
    }

    /// The e-mail address.
    pub(crate) fn email(&self, values: &PatronValues) -> Option<Address> {
        electronic(MAILTO, EMAIL_ROLE, values.email.as_ref())
    }

    /// The phone number.
    pub(crate) fn phone(&self, values: &PatronValues) -> Option<Address> {
        electronic(TEL, HOME_ROLE, values.phone.as_ref())
    }

    /// The postal address.
    pub(crate) fn postal(&self, values: &PatronValues) -> Option<Address> {
        let given = values.address.as_ref()?;
        let address = PostalAddress {
            line1: self.fit(Some(&given.street)),
            line2: self.fit(given.street2.as_ref()),
            locality: self.fit(Some(&given.city)),
            region: self.fit(Some(&given.state)),
            country: None,
            postal_code: self.fit(Some(&given.zip)),
            care_of: None,
        };
        let kind = POSTAL.to_owned();
        let place = match self.address {
            AddressForm::Lines | AddressForm::Street => Place::Postal { kind, address },
            AddressForm::Text => {
                let (format, data) = (PostalAddress::IN_LINES.to_owned(), address.in_one_piece());
                if data.is_blank() {
                    return None;
                }
                Place::PostalText { kind, format, data }
            }
        };
        Some(Address { role: HOME_ROLE.to_owned(), place })
    }

    /// A new card's category, without its expiry.
    pub(crate) fn category(&self, code: &Code) -> Privilege {
        let (kind, status) = match &self.privileges.category_kind {
            None => (code.as_str(), self.privileges.active.as_str()),
            Some(kind) => (kind.as_str(), code.as_str()),
        };
        self.privilege(kind, status)
    }

    /// The privilege that carries the category, with another code in it. All else stays, a block above all.
    pub(crate) fn recategorised(&self, old: &Privilege, code: &Code) -> Privilege {
        match self.privileges.category_kind {
            None => Privilege { kind: code.as_str().to_owned(), ..old.clone() },
            Some(_) => Privilege { status: Some(code.as_str().to_owned()), ..old.clone() },
        }
    }

    /// The privilege that says whether the card is blocked, as it is and as it would be; `None` where nothing says it.
    pub(crate) fn blocked(&self, fields: &Fields, blocked: bool) -> Option<(Option<Privilege>, Privilege)> {
        let status = if blocked { &self.privileges.blocked } else { &self.privileges.active };
        if let Some(kind) = &self.privileges.status_kind {
            let old = self.status_in(fields).cloned();
            let new = old.clone().unwrap_or_else(|| self.privilege(kind, status));
            return Some((old, Privilege { status: Some(status.clone()), ..new }));
        }
        let old = self.category_in(fields).filter(|_| self.privileges.category_kind.is_none())?.clone();
        let new = Privilege { status: Some(status.clone()), ..old.clone() };
        Some((Some(old), new))
    }

    /// The home branch.
    pub(crate) fn branch(&self, code: &Code) -> Privilege {
        self.privilege(&self.privileges.branch_kind, code.as_str())
    }

    /// One statistical code.
    pub(crate) fn statistic(&self, name: &Code, code: &Code) -> Privilege {
        self.privilege(&format!("{}{name}", self.privileges.statistics_prefix), code.as_str())
    }

    fn privilege(&self, kind: &str, status: &str) -> Privilege {
        Privilege {
            agency: self.agency.to_owned(),
            kind: kind.to_owned(),
            status: Some(status.to_owned()),
            ..Privilege::default()
        }
    }
}

fn electronic(kind: &str, role: &str, value: Option<&Personal>) -> Option<Address> {
    // These are no names: they are sent as they are, or not at all.
    let data = value.map(|v| v.reveal().trim()).filter(|v| !v.is_empty())?;
    let place = Place::Electronic { kind: kind.to_owned(), data: data.into() };
    Some(Address { role: role.to_owned(), place })
}

/// A day as NCIP carries it; `None` for one beyond its years.
pub(crate) fn date(day: civil::Date) -> Option<Date> {
    let part = |n: i8| u8::try_from(n).ok();
    Date::new(u16::try_from(day.year()).ok()?, part(day.month())?, part(day.day())?)
}

/// Elements to values.
impl Mapping<'_> {
    /// A patron as the answer shows it. `number` is what it was looked up by, and is its id: NCIP knows no other.
    pub(crate) fn patron(&self, number: &str, record: &UserRecord) -> Patron {
        let fields = &record.fields;
        let own = self.category_in(fields).filter(|_| self.privileges.category_kind.is_none());
        let status_says = match self.privileges.status_kind {
            Some(_) => self.status_in(fields),
            None => own,
        };
        let status_says = status_says.and_then(|p| p.status.as_deref());
        let blocked = if !fields.blocks.is_empty() {
            Some(true)
        } else {
            status_says.map(|status| status.eq_ignore_ascii_case(&self.privileges.blocked))
        };
        Patron { id: Personal::new(number), values: self.values(number, record), blocked }
    }

    fn values(&self, number: &str, record: &UserRecord) -> PatronValues {
        let fields = &record.fields;
        let mut values = PatronValues { barcode: Some(Personal::new(number)), ..PatronValues::default() };
        match &fields.name {
            Some(UserName::Structured(name)) => {
                values.surname = personal(Some(&name.surname));
                values.given_name = personal(name.given.as_ref());
                values.middle_name = personal(name.initials.as_ref());
            }
            // In one piece nobody can say where the surname begins.
            Some(UserName::Unstructured(_)) | None => {}
        }
        values.birth_date = fields.birth_date.and_then(day).map(BirthDate::new);
        values.email = email_in(fields).and_then(electronic_data).and_then(|data| personal(Some(data)));
        values.phone = phone_in(fields).and_then(electronic_data).and_then(|data| personal(Some(data)));
        // In one piece nobody can say where the town begins.
        values.address = postal_in(fields, AddressForm::Lines).map(address);
        let category = self.category_in(fields);
        values.category = category.and_then(|p| match self.privileges.category_kind {
            None => code(&p.kind),
            Some(_) => p.status.as_deref().and_then(code),
        });
        values.expiry = category.and_then(|p| p.valid_to).and_then(day);
        values.home_branch = self.branch_in(fields).and_then(|p| p.status.as_deref().and_then(code));
        for (name, privilege) in self.statistics_in(fields) {
            if let (Some(name), Some(value)) = (code(name), privilege.status.as_deref().and_then(code)) {
                values.statistics.insert(name, value);
            }
        }
        let institution =
            |id: &&UserId| id.kind.as_deref().is_some_and(|k| same_word(k, UserId::INSTITUTION_ID));
        values.student_id = fields.user_ids.iter().find(institution).and_then(|id| personal(Some(&id.value)));
        values
    }

    /// The privilege that carries category and expiry: the first of its kind at this agency.
    pub(crate) fn category_in<'f>(&self, fields: &'f Fields) -> Option<&'f Privilege> {
        self.ours(fields).find(|p| self.carries(p) == Carries::Category)
    }

    /// The privilege that carries the home branch.
    pub(crate) fn branch_in<'f>(&self, fields: &'f Fields) -> Option<&'f Privilege> {
        self.ours(fields).find(|p| self.carries(p) == Carries::Branch)
    }

    /// The privilege that says whether the card is blocked, where it has one of its own.
    fn status_in<'f>(&self, fields: &'f Fields) -> Option<&'f Privilege> {
        self.ours(fields).find(|p| self.carries(p) == Carries::Status)
    }

    /// The privileges that carry statistical codes, with the codes' names.
    pub(crate) fn statistics_in<'f>(
        &self,
        fields: &'f Fields,
    ) -> impl Iterator<Item = (&'f str, &'f Privilege)> {
        self.ours(fields).filter_map(|p| match self.carries(p) {
            Carries::Statistic(name) => Some((name, p)),
            Carries::Category | Carries::Branch | Carries::Status | Carries::Nothing => None,
        })
    }

    /// Privileges at this agency, or at a branch's. Some servers leave the agency out.
    fn ours<'f>(&self, fields: &'f Fields) -> impl Iterator<Item = &'f Privilege> {
        let known = |agency: &str| {
            agency.is_empty()
                || same_word(agency, self.agency)
                || self.branches.values().any(|branch| same_word(agency, branch))
        };
        fields.privileges.iter().filter(move |p| known(&p.agency))
    }

    fn carries<'p>(&self, privilege: &'p Privilege) -> Carries<'p> {
        let map = self.privileges;
        let kind = privilege.kind.as_str();
        if same_word(kind, &map.branch_kind) {
            return Carries::Branch;
        }
        if map.status_kind.as_ref().is_some_and(|named| same_word(kind, named)) {
            return Carries::Status;
        }
        let prefix = map.statistics_prefix.as_str();
        if let Some((start, name)) = kind.split_at_checked(prefix.len())
            && !prefix.is_empty()
            && same_word(start, prefix)
        {
            return Carries::Statistic(name);
        }
        match &map.category_kind {
            None if !kind.is_empty() => Carries::Category,
            Some(named) if same_word(kind, named) => Carries::Category,
            None | Some(_) => Carries::Nothing,
        }
    }
}

/// The e-mail address in an answer: the first one.
pub(crate) fn email_in(fields: &Fields) -> Option<&Address> {
    electronic_in(fields, MAILTO)
}

/// The phone number in an answer: the first one.
pub(crate) fn phone_in(fields: &Fields) -> Option<&Address> {
    electronic_in(fields, TEL)
}

/// The postal address in an answer: the first one in parts, or, where addresses are written in one piece, in one.
pub(crate) fn postal_in(fields: &Fields, form: AddressForm) -> Option<&Address> {
    let fits = |place: &Place| match form {
        AddressForm::Lines | AddressForm::Street => matches!(place, Place::Postal { .. }),
        AddressForm::Text => matches!(place, Place::PostalText { .. }),
    };
    fields.addresses.iter().find(|a| fits(&a.place))
}

fn electronic_in<'f>(fields: &'f Fields, wanted: &str) -> Option<&'f Address> {
    fields
        .addresses
        .iter()
        .find(|a| matches!(&a.place, Place::Electronic { kind, .. } if same_word(kind.trim_end_matches(':'), wanted)))
}

fn electronic_data(address: &Address) -> Option<&Text> {
    match &address.place {
        Place::Electronic { data, .. } => Some(data),
        Place::Postal { .. } | Place::PostalText { .. } => None,
    }
}

fn address(given: &Address) -> student::Address {
    let Place::Postal { address, .. } = &given.place else {
        return student::Address::default();
    };
    let part = |text: &Option<Text>| personal(text.as_ref()).unwrap_or_default();
    student::Address {
        street: part(&address.line1),
        street2: personal(address.line2.as_ref()),
        city: part(&address.locality),
        state: part(&address.region),
        zip: part(&address.postal_code),
    }
}

/// A text of an answer, composed, so that two spellings of one letter are one.
fn personal(text: Option<&Text>) -> Option<Personal> {
    Personal::non_blank(&fit(text?.reveal(), Repertoire::Utf8))
}

fn code(text: &str) -> Option<Code> {
    Some(Code::new(text)).filter(|code| !code.is_empty())
}

/// A day of an answer.
fn day(date: Date) -> Option<civil::Date> {
    let part = |n: u8| i8::try_from(n).ok();
    civil::Date::new(i16::try_from(date.year()).ok()?, part(date.month())?, part(date.day())?).ok()
}

/// Codes of the standard differ between servers in case and in white space around them.
fn same_word(a: &str, b: &str) -> bool {
    a.trim().eq_ignore_ascii_case(b.trim())
}

/// No branch has an agency of its own.
#[cfg(test)]
pub(crate) static NO_BRANCHES: BTreeMap<String, String> = BTreeMap::new();

#[cfg(test)]
mod tests;
