//! The three-way rule by table: owner, what was sent and seen, what is there, what is wanted.

use async_trait::async_trait;

use super::*;
use crate::finding::Finding;
use crate::ports::{Capabilities, ConnectorError, FindKey, Lookup};
use crate::privacy::Personal;

/// A directory that holds surnames in capitals, as some do, and returns all but e-mail.
struct Capitals;

#[async_trait]
impl PatronFinder for Capitals {
    fn capabilities(&self) -> Capabilities {
        unreachable!("not asked here")
    }
    fn returns(&self) -> FieldSet {
        let mut all = FieldSet::ALL;
        all.remove(Field::Email);
        all
    }
    fn canonical(&self, field: Field, values: &PatronValues) -> Option<String> {
        let text = values.canonical(field)?.into_owned();
        Some(if field == Field::Surname { text.to_uppercase() } else { text })
    }
    async fn find(&self, _: &FindKey) -> Lookup {
        Lookup::NotFound
    }
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

fn values(field: Field, text: &str) -> PatronValues {
    let mut values = PatronValues::default();
    let personal = (!text.is_empty()).then(|| Personal::new(text));
    match field {
        Field::Surname => values.surname = personal,
        Field::Category => values.category = (!text.is_empty()).then(|| text.into()),
        Field::Email => values.email = personal,
        Field::Phone => values.phone = personal,
        other => unreachable!("{other}"),
    }
    values
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Write,
    StaffWon,
    Already,
    Leave,
}
use Verdict::{Already, Leave, StaffWon, Write};

fn verdict(field: Field, owner: Ownership, sent: &str, seen: &str, there: &str, wanted: &str) -> Verdict {
    let key = DigestKey::new([9; 32]);
    let mut rules = FieldRules::default();
    for f in Field::ALL {
        rules.set(*f, Ownership::None);
    }
    rules.set(field, owner);
    let digest = |text: &str| key.value(field, (!text.is_empty()).then_some(text));
    let mut digests = FieldDigests::default();
    digests.set(field, FieldDigest { sent: digest(sent), seen: digest(seen) });
    let result = compare(&values(field, wanted), &values(field, there), &digests, &rules, &Capitals, &key);
    match () {
        () if result.write.fields.contains(field) => Write,
        () if result.staff_won.contains(field) => StaffWon,
        () if result.already.contains(field) => Already,
        () => Leave,
    }
}

#[test]
fn s05_three_way_by_owner() {
    use Ownership::{Fill, Library, Ours, School};
    for (owner, sent, seen, there, wanted, expected) in [
        // The roster owns it: what the school says is written, staff's change is put back.
        (School, "A", "A", "A", "B", Write),
        (School, "A", "A", "X", "A", Write),
        (School, "A", "A", "A", "A", Already),
        // Ours: written when the wish changed, unless staff changed it since; an old wish is not repeated.
        (Ours, "A", "A", "A", "B", Write),
        (Ours, "A", "A", "X", "B", StaffWon),
        (Ours, "A", "A", "X", "A", Leave),
        (Ours, "A", "A", "B", "B", Already),
        // Fill: only where nothing is.
        (Fill, "", "", "", "B", Write),
        (Fill, "A", "A", "X", "B", Leave),
        // The library's once the card is made.
        (Library, "A", "A", "A", "B", Leave),
        // Absent is not empty.
        (School, "A", "A", "A", "", Leave),
        (Ours, "A", "A", "A", "", Leave),
    ] {
        let found = verdict(Field::Category, owner, sent, seen, there, wanted);
        assert_eq!(found, expected, "{owner} sent={sent} seen={seen} there={there} wanted={wanted}");
    }
}

#[test]
fn an_ils_that_rewrites_is_no_editor() {
    use Ownership::{Ours, School};
    assert_eq!(verdict(Field::Surname, School, "Brien", "BRIEN", "BRIEN", "Brien"), Already);
    assert_eq!(verdict(Field::Surname, Ours, "Brien", "BRIEN", "BRIEN", "Núñez"), Write);
    assert_eq!(verdict(Field::Surname, Ours, "Brien", "BRIEN", "BRYAN", "Núñez"), StaffWon);
}

#[test]
fn what_cannot_be_returned_is_written_only_when_the_wish_changed() {
    use Ownership::{Fill, School};
    assert_eq!(verdict(Field::Email, School, "a@x", "", "", "a@x"), Leave);
    assert_eq!(verdict(Field::Email, School, "a@x", "", "", "b@x"), Write);
    assert_eq!(verdict(Field::Email, Fill, "a@x", "", "", "b@x"), Leave, "it cannot be known to be empty");
}

#[test]
fn digests_come_back_and_follow_writes() {
    let key = DigestKey::new([9; 32]);
    let wanted = values(Field::Surname, "Brien");
    let there = values(Field::Surname, "BRIEN");
    let fresh = FieldSet::of(&[Field::Surname]);
    let after = digests_after(&FieldDigests::default(), &wanted, Some(&there), fresh, &key);
    assert_eq!(after.get(Field::Surname).sent, key.value(Field::Surname, Some("Brien")));
    assert_eq!(after.get(Field::Surname).seen, key.value(Field::Surname, Some("BRIEN")));
    assert_eq!(FieldDigests::from_bytes(&after.to_bytes()), Some(after));
    assert_eq!(FieldDigests::from_bytes(&[1, 2, 3]), None);
    assert_eq!(FieldDigests::from_bytes(&[255; 17]), None);
    // A staff change that won keeps the old `seen`, so that it wins the next time too.
    let later = digests_after(&after, &values(Field::Surname, "Núñez"), Some(&there), FieldSet::EMPTY, &key);
    assert_eq!(later.get(Field::Surname).seen, after.get(Field::Surname).seen);
    assert_ne!(later.get(Field::Surname).sent, after.get(Field::Surname).sent);
}

#[test]
fn wishes_that_changed_are_found_without_asking() {
    let key = DigestKey::new([9; 32]);
    let rules = FieldRules::default();
    let wanted = values(Field::Category, "B");
    let sent =
        digests_after(&FieldDigests::default(), &values(Field::Category, "A"), None, FieldSet::EMPTY, &key);
    assert_eq!(changed_wishes(&wanted, &sent, &rules, &key), FieldSet::of(&[Field::Category]));
    let same = digests_after(&FieldDigests::default(), &wanted, None, FieldSet::EMPTY, &key);
    assert_eq!(changed_wishes(&wanted, &same, &rules, &key), FieldSet::EMPTY);
}
