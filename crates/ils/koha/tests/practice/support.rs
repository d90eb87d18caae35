//! A directory, a practice Koha, and a child.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Creation, FieldChanges, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, Rejection,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_core::student::Address;
use rostercard_ils_koha::{AttributeMap, CodeHome, KohaDirectory, KohaLogin, KohaSettings};
use rostercard_practice::ils::{Fault, Ils, KohaManners, Options, Personality, Running, What, When};

/// A practice Koha with two categories and two libraries.
pub(crate) async fn koha(change: impl FnOnce(&mut KohaManners)) -> Running {
    let mut koha_manners = KohaManners::default();
    change(&mut koha_manners);
    let personality = Personality {
        categories: ["STUDENT", "STARTER", "STAFF"].map(str::to_owned).to_vec(),
        branches: ["MAIN", "EAST"].map(str::to_owned).to_vec(),
        ..Personality::default()
    };
    Ils::start(Options { personality, koha_manners, ..Options::default() }).await.unwrap()
}

/// An API key.
pub(crate) fn key() -> KohaLogin {
    KohaLogin::OAuth { client_id: "rostercard".into(), client_secret: Secret::new("practice") }
}

/// Where student id and codes are kept.
pub(crate) fn attributes() -> AttributeMap {
    AttributeMap {
        student_id: Some("STUDENTID".into()),
        codes: BTreeMap::from([
            ("school".into(), CodeHome::Attribute("SCHOOL".into())),
            ("grade".into(), CodeHome::Statistics1),
        ]),
    }
}

/// The directory of a Koha.
pub(crate) fn directory(koha: &Running, change: impl FnOnce(&mut KohaSettings)) -> KohaDirectory {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut settings = KohaSettings::new(&koha.koha_url(), false, key()).unwrap();
    settings.attributes = attributes();
    settings.deadline = Duration::from_secs(5);
    change(&mut settings);
    KohaDirectory::new(settings).unwrap()
}

pub(crate) fn some(text: &str) -> Option<Personal> {
    Some(Personal::new(text))
}

/// A child with everything.
pub(crate) fn values(number: &str) -> PatronValues {
    PatronValues {
        barcode: some(number),
        user_name: some("zoe.nguyen"),
        surname: some("O'Brien & <Nguyễn>"),
        given_name: some("Zoë"),
        middle_name: some("María del Carmen"),
        birth_date: Some(BirthDate::new(date(2012, 2, 29))),
        email: some("zoe+a&b@example.org"),
        phone: some("+1-555-0100"),
        address: Some(Address {
            street: Personal::new("12 Main St"),
            street2: some("Apt 4"),
            city: Personal::new("Lakeside"),
            state: Personal::new("CA"),
            zip: Personal::new("94000"),
        }),
        student_id: some(&format!("s{number}")),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(date(2027, 9, 30)),
        statistics: BTreeMap::from([("grade".into(), "7".into()), ("school".into(), "0012".into())]),
        note: some("Student card"),
    }
}

/// The create of that child.
pub(crate) fn creation(number: &str) -> Creation {
    Creation { values: values(number), pin: None }
}

pub(crate) fn barcode(number: &str) -> FindKey {
    FindKey::Barcode(Personal::new(number))
}

pub(crate) async fn found(directory: &KohaDirectory, key: &FindKey) -> Patron {
    match directory.find(key).await {
        Lookup::Found(patron) => *patron,
        other => panic!("{other:?}"),
    }
}

/// Makes a patron that must come out as asked.
pub(crate) async fn make(directory: &KohaDirectory, values: PatronValues) -> Patron {
    applied(directory.create(&Creation { values, pin: None }).await)
}

pub(crate) fn applied(outcome: Outcome) -> Patron {
    match outcome {
        Outcome::Applied(Some(patron)) => *patron,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn rejected(outcome: Outcome) -> Rejection {
    match outcome {
        Outcome::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn changes(fields: &[Field], values: PatronValues) -> FieldChanges {
    FieldChanges { fields: FieldSet::of(fields), values }
}

/// A fault for the next request of a kind.
pub(crate) fn next(service: &str, what: What) -> Fault {
    Fault { service: Some(service.to_owned()), when: When::Next(1), what }
}
