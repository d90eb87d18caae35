//! Invented rows for the cases. Values about people carry a canary, so that a store's own tests can look for it in the
//! store's bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use rostercard_core::digest::{Digest, ValueDigest};
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::PatronValues;
use rostercard_core::plan::{ChangeKind, ChangeState};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_core::rules::number::{CheckDigit, NumberRange};
use rostercard_core::student::Address;
use rostercard_core::threeway::{FieldDigest, FieldDigests};
use rostercard_core::words::{CardModel, Code, LinkState};
use zeroize::Zeroizing;

use crate::rows::{
    ChangeId, IntentEnd, IntentId, IntentKind, LinkData, LinkWrite, NewChange, NewIntent, NewRun, NumberDraw,
    Partnership, PartnershipId, PlanHead, RunId, Settlement,
};
use crate::{Store, StoreError};

/// Is part of every value about a person that the samples hold.
pub const CANARY: &str = "canary7Zq";

/// The ILS of the sample partnership.
pub const ILS: &str = "ils-one";

/// A person.
#[must_use]
pub fn person(n: u32) -> Digest {
    digest(1, n)
}

/// A decided fingerprint.
#[must_use]
pub fn decided(n: u32) -> Digest {
    digest(2, n)
}

/// Digests that do not come in the order of their numbers, as real ones do not.
fn digest(kind: u8, n: u32) -> Digest {
    let mut bytes = [kind; 16];
    bytes[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B1).to_le_bytes());
    bytes[4..8].copy_from_slice(&n.to_le_bytes());
    Digest(bytes)
}

/// A value about a person.
#[must_use]
pub fn personal(what: &str, n: u32) -> Personal {
    Personal::new(format!("{CANARY}-{what}-{n}"))
}

/// A moment, so many seconds after a fixed one, with a fraction that has to be kept.
#[must_use]
pub fn moment(seconds: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + seconds, 123_456_789).unwrap()
}

/// A fixed day.
pub const DAY: Date = date(2026, 11, 24);

/// The school with a number.
#[must_use]
pub fn school(n: u32) -> (String, String) {
    (format!("school-{n}"), format!("School {n}"))
}

/// The sample partnership, made.
pub async fn partnership(store: &impl Store) -> Partnership {
    store.partnership("district-one", ILS, "one").await.unwrap()
}

/// A run that has begun.
pub async fn run(store: &impl Store, partnership: PartnershipId) -> RunId {
    let run = NewRun { partnership, kind: "sync".to_owned(), started_at: moment(0) };
    store.begin_run(run).await.unwrap()
}

/// What a plan rests on.
#[must_use]
pub fn head(n: u32) -> PlanHead {
    PlanHead {
        digest: format!("{n:08x}"),
        as_of: Some(moment(i64::from(n))),
        rules: decided(1000 + n),
        endpoint: format!("https://sis.example.org/{n}"),
        day: DAY,
        expires_at: moment(604_800),
        cursor: n.is_multiple_of(2).then(|| format!("file-{n}.csv")),
    }
}

/// A card's number.
#[must_use]
pub fn number(n: u32) -> Personal {
    personal("number", n)
}

/// A link with everything in it.
#[must_use]
pub fn link(n: u32) -> LinkWrite {
    let mut digests = FieldDigests::default();
    let digest =
        FieldDigest { sent: ValueDigest(u64::from(n) + 1), seen: ValueDigest(u64::MAX - u64::from(n)) };
    digests.set(Field::Surname, digest);
    digests.set(Field::Expiry, digest);
    LinkWrite {
        person: person(n),
        data: LinkData {
            state: LinkState::Made,
            decided: decided(n),
            reason: Some("a_reason".to_owned()),
            school: school(n % 3),
            grade: Some(5),
            model: Some(CardModel::Digital),
            category: Some(Code::new("STUDENT")),
            branch: Some(Code::new("MAIN")),
            expiry: Some(date(2027, 10, 1)),
            digests,
            source_ids: vec![personal("source", n), Personal::new("")],
            patron_id: Some(personal("patron", n)),
            barcode: Some(number(n)),
            user_name: Some(personal("user", n)),
        },
    }
}

/// A link with as little in it as there can be.
#[must_use]
pub fn bare_link(n: u32) -> LinkWrite {
    LinkWrite {
        person: person(n),
        data: LinkData {
            state: LinkState::Rejected,
            decided: decided(n),
            reason: None,
            school: school(0),
            grade: None,
            model: None,
            category: None,
            branch: None,
            expiry: None,
            digests: FieldDigests::default(),
            source_ids: Vec::new(),
            patron_id: None,
            barcode: None,
            user_name: None,
        },
    }
}

/// A planned change with a spool.
#[must_use]
pub fn change(n: u32, kind: ChangeKind, state: ChangeState) -> NewChange {
    NewChange {
        person: person(n),
        link: None,
        kind,
        state,
        school: school(n % 3),
        fields: FieldSet::of(&[Field::Surname]),
        decided: decided(n),
        spool: Zeroizing::new(format!("{CANARY}-spool-{n}").into_bytes()),
    }
}

/// Adds creates that are ready for the people of a range.
pub async fn ready_creates(store: &impl Store, run: RunId, people: std::ops::Range<u32>) -> Vec<ChangeId> {
    let changes = people.map(|n| change(n, ChangeKind::Create, ChangeState::Ready)).collect();
    store.add_changes(run, changes).await.unwrap()
}

/// Values of every kind that a create may send.
#[must_use]
pub fn values(n: u32) -> PatronValues {
    PatronValues {
        surname: Some(personal("surname", n)),
        given_name: Some(personal("given", n)),
        birth_date: Some(BirthDate::new(date(2012, 2, 29))),
        address: Some(Address { street: personal("street", n), ..Address::default() }),
        email: Some(personal("email", n)),
        category: Some(Code::new("STUDENT")),
        expiry: Some(date(2027, 10, 1)),
        statistics: BTreeMap::from([(Code::new("district"), Code::new("one"))]),
        ..PatronValues::default()
    }
}

/// A create's intent.
#[must_use]
pub fn create(
    run: RunId,
    change: ChangeId,
    partnership: PartnershipId,
    n: u32,
    number: NumberDraw,
) -> NewIntent {
    NewIntent {
        run,
        change,
        partnership,
        person: person(n),
        kind: IntentKind::Create,
        number,
        pin: Some(Secret::new(format!("{CANARY}-pin-{n}"))),
        fields: FieldSet::of(&[Field::Surname, Field::GivenName]),
        values: values(n),
        before: None,
        at: moment(10),
    }
}

/// Makes an intent durable.
pub async fn intend(store: &impl Store, intent: NewIntent) -> Result<crate::rows::Intent, StoreError> {
    let mut intents = store.intend(vec![intent]).await?;
    assert_eq!(intents.len(), 1);
    Ok(intents.remove(0))
}

/// A range of three-digit numbers.
#[must_use]
pub fn range(first: u64, last: u64) -> NumberRange {
    NumberRange { name: Code::new("main"), first, last, width: 3, check_digit: CheckDigit::None }
}

/// The settlement of a create that was confirmed.
#[must_use]
pub fn applied(partnership: PartnershipId, intent: IntentId, change: ChangeId, n: u32) -> Settlement {
    Settlement {
        intent: Some((intent, IntentEnd::Applied)),
        change: Some((change, ChangeState::Done)),
        link: Some(link(n)),
        pin: Some(Secret::new(format!("{CANARY}-pin-{n}"))),
        partnership,
        at: moment(20),
    }
}
