//! The suite that every patron directory must pass, whatever it speaks: one call in a connector's own tests.
//!
//! A connector brings a [`Ground`]: its directory, and a practice ILS behind it that can be taken down. Each case panics at
//! the first thing that is not as [`rostercard_core::ports`] says. What a connector does on its own ground (its protocol,
//! its ILS's traps, what it says of them) is its own tests' matter.

#![expect(clippy::panic, reason = "a case stops at the first surprise")]

use std::sync::Arc;

use jiff::civil::date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Creation, FieldChanges, FindBy, FindKey, Lookup, Outcome, PatronDirectory, RejectionKind,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};

/// An ILS for practice with a directory to it. Starts without patrons.
pub trait Ground {
    /// A directory, as a fresh start of the program would have it.
    fn directory(&self) -> Arc<dyn PatronDirectory>;
    /// Everything that a new patron is to hold, with codes that the ILS knows and all that the connector has a place for;
    /// other people for other numbers.
    fn values(&self, n: u32) -> PatronValues;
    /// A PIN that the ILS accepts.
    fn pin(&self) -> Secret;
    /// How many patrons the ILS holds.
    fn patrons(&self) -> usize;
    /// How many requests have come that would change something.
    fn writes(&self) -> u64;
    /// While down, the ILS does nothing and closes every connection.
    fn down(&self, down: bool);
    /// The next create is done, and its answer never comes.
    fn lose_the_next_create(&self);
}

/// Runs every case, one after the other, on one ground.
///
/// # Panics
/// At the first thing that is not as it must be.
pub async fn every_directory_must(ground: &dyn Ground) {
    give_a_card_as_it_was_asked_for(ground).await;
    give_a_number_once(ground).await;
    change_what_differs_and_nothing_else(ground).await;
    find_by_what_it_says_and_by_nothing_else(ground).await;
    tell_nothing_from_silence(ground).await;
    find_what_a_lost_answer_made(ground).await;
    set_a_pin_once_it_can(ground).await;
    block_only_where_it_can(ground).await;
    show_nothing_of_a_person(ground).await;
}

fn number_of(values: &PatronValues) -> Personal {
    values.barcode.clone().unwrap_or_else(|| panic!("the ground's patron {values:?} has no number"))
}

fn by_number(values: &PatronValues) -> FindKey {
    FindKey::Barcode(number_of(values))
}

fn creation(ground: &dyn Ground, ils: &dyn PatronDirectory, n: u32) -> Creation {
    Creation { values: ground.values(n), pin: ils.pin_with_create().then(|| ground.pin()) }
}

async fn make(ground: &dyn Ground, ils: &dyn PatronDirectory, n: u32) -> Patron {
    match ils.create(&creation(ground, ils, n)).await {
        Outcome::Applied(Some(patron)) => *patron,
        other => panic!("patron {n} was to be made and read back: {other:?}"),
    }
}

async fn found(ils: &dyn PatronDirectory, key: &FindKey) -> Patron {
    match ils.find(key).await {
        Lookup::Found(patron) => *patron,
        other => panic!("by {} it was to be found: {other:?}", key.by()),
    }
}

/// Each field that a look-up returns is as it was sent, in the directory's own form.
fn same(ils: &dyn PatronDirectory, sent: &PatronValues, held: &PatronValues) {
    for field in ils.returns().iter().filter(|field| *field != Field::UserName) {
        let held = held.canonical(field).map(String::from);
        assert!(held == ils.canonical(field, sent), "{field} did not come back as it was sent");
    }
}

async fn give_a_card_as_it_was_asked_for(ground: &dyn Ground) {
    let ils = ground.directory();
    let wanted = ground.values(1);
    assert!(matches!(ils.find(&by_number(&wanted)).await, Lookup::NotFound), "nobody is there yet");
    let before = ground.patrons();
    let made = make(ground, &*ils, 1).await;
    assert_eq!(ground.patrons(), before + 1);
    same(&*ils, &wanted, &made.values);
    let fresh = ground.directory();
    assert!(found(&*fresh, &by_number(&wanted)).await == made, "a fresh start sees the same");
    assert!(made.blocked != Some(true), "a new card can be used");
}

async fn give_a_number_once(ground: &dyn Ground) {
    let ils = ground.directory();
    let made = make(ground, &*ils, 2).await;
    let before = ground.patrons();
    match ils.create(&creation(ground, &*ils, 2)).await {
        Outcome::Rejected(no) if no.kind == RejectionKind::Duplicate => {}
        other => panic!("the number is taken: {other:?}"),
    }
    assert_eq!(ground.patrons(), before);
    assert!(found(&*ils, &by_number(&ground.values(2))).await == made, "and nothing of it was changed");
}

async fn change_what_differs_and_nothing_else(ground: &dyn Ground) {
    let ils = ground.directory();
    let made = make(ground, &*ils, 3).await;
    let new = PatronValues {
        surname: Some(Personal::new("Corrected")),
        expiry: Some(date(2029, 3, 1)),
        ..PatronValues::default()
    };
    let fields = FieldSet::of(&[Field::Surname, Field::Expiry]);
    let changes = FieldChanges { fields, values: new.clone() };
    let after = match ils.update(&made, &changes).await {
        Outcome::Applied(Some(patron)) => *patron,
        other => panic!("a change was to be made and read back: {other:?}"),
    };
    for field in ils.returns().iter() {
        let now = after.values.canonical(field).map(String::from);
        let wanted = if fields.contains(field) {
            ils.canonical(field, &new)
        } else {
            made.values.canonical(field).map(String::from)
        };
        assert!(now == wanted, "{field} after a change of surname and expiry");
    }
    assert!(after.id == made.id, "it is the same patron");
    let writes = ground.writes();
    match ils.update(&after, &changes).await {
        Outcome::AlreadySo(patron) => assert!(*patron == after),
        other => panic!("it is so already: {other:?}"),
    }
    assert_eq!(ground.writes(), writes, "what is so already is not written");
}

fn keys(made: &Patron, wanted: &PatronValues) -> Vec<FindKey> {
    let person = match (&wanted.surname, &wanted.given_name, wanted.birth_date) {
        (Some(surname), Some(given), Some(birth_date)) => Some(FindKey::NameAndBirthDate {
            surname: surname.clone(),
            given_name: given.clone(),
            birth_date,
        }),
        _ => None,
    };
    [
        Some(by_number(wanted)),
        Some(FindKey::PatronId(made.id.clone())),
        wanted.student_id.clone().map(FindKey::StudentId),
        made.values.user_name.clone().or_else(|| wanted.user_name.clone()).map(FindKey::UserName),
        wanted.email.clone().map(FindKey::Email),
        person,
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn find_by_what_it_says_and_by_nothing_else(ground: &dyn Ground) {
    let ils = ground.directory();
    let made = make(ground, &*ils, 4).await;
    make(ground, &*ils, 5).await;
    let wanted = ground.values(4);
    for key in keys(&made, &wanted) {
        // A record's own id is no search, and where there is none the number stands for it.
        if ils.finds_by().contains(&key.by()) {
            assert!(found(&*ils, &key).await == made, "by {}", key.by());
        } else if key.by() != FindBy::PatronId {
            let lookup = ils.find(&key).await;
            assert!(matches!(lookup, Lookup::Unknown(_)), "it cannot be searched by {}", key.by());
        }
    }
    // Neither a part of a number, nor a number with something after it, is a number.
    let number = number_of(&wanted);
    let part: String = number.reveal().chars().skip(1).collect();
    for other in [part, format!("{}9", number.reveal())] {
        let lookup = ils.find(&FindKey::Barcode(Personal::new(other))).await;
        assert!(matches!(lookup, Lookup::NotFound), "another number is another card: {lookup:?}");
    }
    if ils.finds_by().contains(&FindBy::NameAndBirthDate) {
        let twin = FindKey::NameAndBirthDate {
            surname: wanted.surname.clone().unwrap_or_default(),
            given_name: Personal::new("Twin"),
            birth_date: wanted.birth_date.unwrap_or(BirthDate::new(date(2012, 2, 29))),
        };
        assert!(matches!(ils.find(&twin).await, Lookup::NotFound), "a twin is somebody else");
    }
}

async fn tell_nothing_from_silence(ground: &dyn Ground) {
    let ils = ground.directory();
    let made = make(ground, &*ils, 6).await;
    let before = ground.patrons();
    ground.down(true);
    for fresh in [ils, ground.directory()] {
        for key in keys(&made, &ground.values(6)) {
            let lookup = fresh.find(&key).await;
            assert!(matches!(lookup, Lookup::Unknown(_)), "by {} nobody can tell: {lookup:?}", key.by());
        }
        let changes = FieldChanges {
            fields: FieldSet::of(&[Field::Surname]),
            values: PatronValues { surname: Some(Personal::new("Lost")), ..PatronValues::default() },
        };
        for outcome in
            [fresh.create(&creation(ground, &*fresh, 7)).await, fresh.update(&made, &changes).await]
        {
            let silent = matches!(outcome, Outcome::NotSent(_) | Outcome::Unknown(_));
            assert!(silent, "silence is neither yes nor no: {outcome:?}");
        }
        assert!(fresh.check().await.is_err(), "an ILS that is down is no ILS that is well");
    }
    ground.down(false);
    let ils = ground.directory();
    assert_eq!(ground.patrons(), before, "nothing was done");
    assert!(found(&*ils, &by_number(&ground.values(6))).await == made);
}

async fn find_what_a_lost_answer_made(ground: &dyn Ground) {
    let ils = ground.directory();
    make(ground, &*ils, 8).await;
    ground.lose_the_next_create();
    let outcome = ils.create(&creation(ground, &*ils, 9)).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "nobody can tell: {outcome:?}");
    let there = found(&*ils, &by_number(&ground.values(9))).await;
    same(&*ils, &ground.values(9), &there.values);
    let before = ground.patrons();
    match ils.create(&creation(ground, &*ils, 9)).await {
        Outcome::Rejected(no) if no.kind == RejectionKind::Duplicate => {}
        other => panic!("sent again, it is there already: {other:?}"),
    }
    assert_eq!(ground.patrons(), before, "no second card");
}

async fn set_a_pin_once_it_can(ground: &dyn Ground) {
    let ils = ground.directory();
    let made = make(ground, &*ils, 10).await;
    if ils.pin_with_create() && ils.no_later_pin().is_some() {
        return;
    }
    let outcome = ils.set_pin(&made, &ground.pin()).await;
    if ils.capabilities().pin.usable() {
        assert!(matches!(outcome, Outcome::Applied(_)), "{outcome:?}");
    } else {
        assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    }
}

async fn block_only_where_it_can(ground: &dyn Ground) {
    let ils = ground.directory();
    let made = make(ground, &*ils, 11).await;
    let writes = ground.writes();
    if !ils.capabilities().block.usable() {
        match ils.set_blocked(&made, true).await {
            Outcome::Rejected(no) => assert_eq!(no.kind, RejectionKind::Target),
            other => panic!("it cannot block: {other:?}"),
        }
        assert_eq!(ground.writes(), writes);
        return;
    }
    for blocked in [true, false] {
        let now = found(&*ils, &by_number(&ground.values(11))).await;
        match ils.set_blocked(&now, blocked).await {
            Outcome::Applied(Some(patron)) => assert_eq!(patron.blocked, Some(blocked)),
            other => panic!("blocked = {blocked} was to be read back: {other:?}"),
        }
    }
}

async fn show_nothing_of_a_person(ground: &dyn Ground) {
    let ils = ground.directory();
    let wanted = ground.values(12);
    let made = make(ground, &*ils, 12).await;
    let twice = ils.create(&creation(ground, &*ils, 12)).await;
    let gone = Patron { id: Personal::new("999999999"), ..made.clone() };
    let changes = FieldChanges {
        fields: FieldSet::of(&[Field::Surname]),
        values: PatronValues { surname: Some(Personal::new("Corrected")), ..PatronValues::default() },
    };
    let missing = ils.update(&gone, &changes).await;
    let lookup = ils.find(&by_number(&wanted)).await;
    ground.down(true);
    let lost = ils.find(&by_number(&wanted)).await;
    ground.down(false);
    let shown = format!("{made:?} {twice:?} {missing:?} {lookup:?} {lost:?} {:?}", ils.capabilities());
    let person = [&wanted.barcode, &wanted.surname, &wanted.given_name, &wanted.email, &wanted.student_id];
    for part in person.into_iter().flatten().map(Personal::reveal).filter(|part| part.len() > 3) {
        assert!(!shown.contains(part), "a value of a person is shown");
    }
    assert!(!shown.contains(ground.pin().reveal()), "a PIN is shown");
}
