//! Ready dialects: what is known of the responders that exist, each a row of a table. A library names its own with
//! `responder = "koha"`; every value of the row can be said otherwise in the configuration.
//!
//! The rows are what was seen on running responders or read in their source and their vendors' pages. None of them has
//! `CreateUser`, and two have something of `UpdateUser`: that is the truth about NCIP, and it is said before it matters.

use rostercard_core::field::{Field, FieldSet};
use rostercard_ncip::{
    AddressForm, DateOrder, Dialect, ElementSpelling, ProblemClass, Style, Version, VersionRoot,
};

use crate::map::{READABLE, WRITABLE};

/// What is known of one kind of responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responder {
    /// Its word in the configuration.
    pub word: &'static str,
    /// What it is, as it stands in a sentence.
    pub title: &'static str,
    /// Whether it has `CreateUser`, as far as is known.
    pub creates: bool,
    /// The fields that its `UpdateUser` takes; none: it has no such service.
    pub updates: FieldSet,
    /// The fields that its answers can hold.
    pub returns: FieldSet,
    /// How cards come to be where it has no `CreateUser`: "Koha's REST API", ...
    pub other_way: &'static str,
    /// The version URI that it is sent, which also says whether it speaks NCIP 1 or 2.
    pub version_uri: &'static str,
    /// How names are qualified.
    pub style: Style,
    /// Whether schemes are sent.
    pub schemes: bool,
    /// Whether an NCIP 1 message has its DOCTYPE.
    pub doctype: bool,
    /// How `UserElementType` values are written.
    pub elements: ElementSpelling,
    /// How a postal address is written.
    pub address: AddressForm,
    /// In which order its dates are.
    pub dates: DateOrder,
    /// Whether a found user comes with an empty number.
    pub empty_id: bool,
    /// The privilege type whose status is the category, where the category is no type itself.
    pub category_kind: Option<&'static str>,
    /// The privilege type whose status says whether the card is blocked, where it has one.
    pub status_kind: Option<&'static str>,
    /// Where it looks for a `LookupVersion`; `None`: it is not asked.
    pub lookup_version: Option<VersionRoot>,
    /// What its own problem types mean.
    pub problems: &'static [(&'static str, ProblemClass)],
}

impl Responder {
    /// A row by its word.
    #[must_use]
    pub fn named(word: &str) -> Option<&'static Self> {
        RESPONDERS.iter().find(|responder| responder.word == word)
    }

    /// Which NCIP it speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        version_of(self.version_uri)
    }
}

/// Which NCIP a version URI names.
pub(crate) fn version_of(uri: &str) -> Version {
    if uri == Dialect::V1_0 { Version::V1 } else { Version::V2 }
}

/// What answers hold that say no more than the standard's own fields.
const PLAIN: FieldSet = FieldSet::of(&[
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
]);
/// The same without what travels in privileges.
const WITHOUT_PRIVILEGES: FieldSet = FieldSet::of(&[
    Field::Barcode,
    Field::Surname,
    Field::GivenName,
    Field::MiddleName,
    Field::BirthDate,
    Field::Email,
    Field::Phone,
    Field::Address,
]);
/// What is certain of answers whose form the vendor does not publish.
const NAMES: FieldSet = FieldSet::of(&[Field::Barcode, Field::Surname, Field::GivenName]);
const CONTACT: FieldSet = FieldSet::of(&[Field::Email, Field::Phone, Field::Address]);

const STANDARD: Responder = Responder {
    word: "standard",
    title: "a responder by the standard",
    creates: true,
    updates: WRITABLE,
    returns: READABLE,
    other_way: "the ILS's own import, or its REST API",
    version_uri: Dialect::V2_02,
    style: Style::Prefixed,
    schemes: true,
    doctype: false,
    elements: ElementSpelling::Spaced,
    address: AddressForm::Lines,
    dates: DateOrder::YearMonthDay,
    empty_id: false,
    category_kind: None,
    status_kind: None,
    lookup_version: Some(VersionRoot::Standard),
    problems: &[],
};
/// A responder that looks users up, lends and takes back, and writes no user.
const LOOKS_UP: Responder =
    Responder { creates: false, updates: FieldSet::EMPTY, returns: PLAIN, lookup_version: None, ..STANDARD };
/// Those of NCIP 1 behind the products' resource-sharing modules.
const LOOKS_UP_1: Responder = Responder {
    version_uri: Dialect::V1_0,
    category_kind: Some("PROFILE"),
    status_kind: Some("STATUS"),
    doctype: true,
    ..LOOKS_UP
};

/// Every row.
pub const RESPONDERS: &[Responder] = &[
    STANDARD,
    // A prefixed root is answered with an error page, an unknown service with "It works!", and its example
    // configuration writes the day before the month.
    Responder {
        word: "koha",
        title: "Koha's NCIP server",
        other_way: "Koha's REST API",
        style: Style::DefaultNamespace,
        schemes: false,
        dates: DateOrder::YearDayMonth,
        category_kind: Some("PROFILE"),
        lookup_version: Some(VersionRoot::Message),
        ..LOOKS_UP
    },
    // Any scheme breaks it; the number of a found user is empty; privileges are there only for users with a language.
    Responder {
        word: "evergreen",
        title: "Evergreen's NCIPServer",
        other_way: "Evergreen's patron loader",
        returns: WITHOUT_PRIVILEGES,
        style: Style::DefaultNamespace,
        schemes: false,
        empty_id: true,
        lookup_version: Some(VersionRoot::Message),
        ..LOOKS_UP
    },
    Responder {
        word: "incipit",
        title: "Evergreen's iNCIPit",
        other_way: "Evergreen's patron loader",
        doctype: false,
        problems: &[("PATRON_NOT_FOUND*", ProblemClass::Missing)],
        ..LOOKS_UP_1
    },
    // E-mail, phones and one postal address, nothing else; schemes are asked for.
    Responder {
        word: "aleph",
        title: "Aleph's NCIP connector",
        updates: CONTACT,
        returns: WITHOUT_PRIVILEGES,
        other_way: "Aleph's patron loader",
        ..LOOKS_UP
    },
    Responder {
        word: "aleph_1",
        title: "Aleph's own NCIP responder",
        other_way: "Aleph's patron loader",
        ..LOOKS_UP_1
    },
    Responder {
        word: "voyager",
        title: "Voyager's NCIP responder",
        other_way: "Voyager's patron update program",
        ..LOOKS_UP_1
    },
    Responder {
        word: "symphony",
        title: "Symphony's NCIP responder",
        other_way: "Symphony's user load, or its web services",
        ..LOOKS_UP_1
    },
    Responder {
        word: "alma",
        title: "Alma",
        returns: NAMES,
        other_way: "Alma's users API, or its SIS import",
        version_uri: Dialect::V2_0,
        ..LOOKS_UP
    },
    Responder {
        word: "sierra",
        title: "Sierra's NCIP responder",
        returns: NAMES,
        other_way: "Sierra's patron load, or its API",
        version_uri: Dialect::V2_0,
        ..LOOKS_UP
    },
    Responder {
        word: "polaris",
        title: "Polaris",
        returns: NAMES,
        other_way: "Polaris's PAPI",
        version_uri: Dialect::V2_0,
        ..LOOKS_UP
    },
    Responder {
        word: "folio",
        title: "FOLIO's mod-ncip",
        returns: NAMES,
        other_way: "FOLIO's user import",
        version_uri: Dialect::V2_0,
        style: Style::DefaultNamespace,
        ..LOOKS_UP
    },
];

impl Responder {
    /// The one that nothing is known of but the standard.
    #[must_use]
    pub fn standard() -> &'static Self {
        &STANDARD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_word_of_its_own_and_says_nothing_impossible() {
        for (n, row) in RESPONDERS.iter().enumerate() {
            assert_eq!(Responder::named(row.word), Some(row), "{}", row.word);
            assert!(RESPONDERS.iter().skip(n + 1).all(|other| other.word != row.word), "{} twice", row.word);
            assert!(row.updates.iter().all(|field| WRITABLE.contains(field)), "{}", row.word);
            assert!(row.returns.iter().all(|field| READABLE.contains(field)), "{}", row.word);
            assert!(!row.doctype || row.version() == Version::V1, "{}", row.word);
        }
        assert_eq!(Responder::named("nobody"), None);
    }

    #[test]
    fn nobody_but_the_standard_is_said_to_create() {
        let creating: Vec<&str> = RESPONDERS.iter().filter(|r| r.creates).map(|r| r.word).collect();
        assert_eq!(creating, ["standard"]);
        let updating: Vec<&str> =
            RESPONDERS.iter().filter(|r| !r.updates.is_empty()).map(|r| r.word).collect();
        assert_eq!(updating, ["standard", "aleph"]);
    }
}
