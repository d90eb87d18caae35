//! Columns: fields that are gone, values that changed places, opt-outs that turned around.

use super::*;
use crate::privacy::Personal;

/// So many people who have an e-mail address.
pub(super) fn present(field: Field, count: u64) -> Carried {
    let mut all = Carried::default();
    let mut student = crate::student::Student {
        student_id: Personal::new("1"),
        source_ids: vec![],
        role: crate::words::Role::Student,
        given_name: Personal::new(""),
        middle_name: None,
        family_name: Personal::new(""),
        preferred: None,
        birth_date: None,
        grade: None,
        schools: vec![],
        primary_school: None,
        user_name: None,
        email: None,
        phone: None,
        address: crate::student::GivenAddress::None,
        consent: crate::student::Consent::NotSaid,
        findings: vec![],
        row: None,
    };
    assert_eq!(field, Field::Email);
    student.email = Some(Personal::new("kid@example.org"));
    let mut one = Carried::default();
    one.add(&student);
    // Joined by doubling: 300,000 times one by one would be slow in a debug build.
    let mut left = count;
    while left > 0 {
        if left % 2 == 1 {
            all.join(&one);
        }
        let same = one;
        one.join(&same);
        left /= 2;
    }
    assert_eq!(all.of(field), count);
    all
}

#[test]
fn s23_a_field_that_one_school_lacks_waits_there_alone() {
    let mut plan = facts([school("A", 30, 30, 0), school("B", 400, 400, 0)]);
    plan.schools.get_mut("A").unwrap().lacking.insert(Field::Phone, 28);
    plan.schools.get_mut("B").unwrap().present = present(Field::Email, 400);
    // Nobody else has a telephone: then it is the whole district's matter.
    let verdict = evaluate(&plan, &Guards::default());
    assert!(verdict.whole && verdict.memory.lacking_now.contains("phone"));
    plan.schools.get_mut("A").unwrap().lacking = [(Field::Email, 28)].into();
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["absent_fields"]);
    assert!(!verdict.whole && verdict.waits(ChangeKind::Update, "A") && verdict.waits(ChangeKind::Note, "A"));
    assert!(!verdict.waits(ChangeKind::Update, "B"));
    assert!(
        verdict.waiting_for[0].likely_cause.contains("28 of 28 people of the school who had the field email")
    );
}

#[test]
fn s23_what_a_person_knows_to_be_gone_is_asked_about_once_and_again_when_it_was_back() {
    let mut plan = facts([school("A", 100, 100, 0)]);
    plan.schools.get_mut("A").unwrap().lacking.insert(Field::Email, 90);
    let verdict = evaluate(&plan, &Guards::default());
    plan.memory = verdict.memory;
    plan.memory.accept();
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), Vec::<&str>::new());
    plan.memory = verdict.memory;
    plan.schools.get_mut("A").unwrap().present = present(Field::Email, 95);
    plan.schools.get_mut("A").unwrap().lacking.clear();
    plan.memory = evaluate(&plan, &Guards::default()).memory;
    assert!(plan.memory.lacking.is_empty());
}

#[test]
fn columns_that_changed_places_at_one_school_wait_there_alone() {
    let mut plan =
        with(facts([school("A", 30, 30, 0), school("B", 400, 400, 0)]), "A", ChangeKind::Update, 8);
    plan.schools.get_mut("B").unwrap().changes.insert(ChangeKind::Update, 60);
    plan.schools.get_mut("A").unwrap().swapped.insert((Field::Surname, Field::GivenName), 8);
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["swapped_columns"]);
    assert!(verdict.waits(ChangeKind::Create, "A") && !verdict.waits(ChangeKind::Update, "B"));
}

#[test]
fn s34_exchanged_values_are_told_by_digests_alone() {
    use crate::digest::DigestKey;
    use crate::field::{FieldRules, FieldSet, Ownership};
    use crate::patron::PatronValues;
    use crate::threeway::{FieldDigests, digests_after};
    let key = DigestKey::new([3; 32]);
    let named = |given: Option<&str>, family: &str| PatronValues {
        given_name: given.map(Personal::new),
        surname: Some(Personal::new(family)),
        ..PatronValues::default()
    };
    let before = named(Some("Ana"), "Gomez");
    let digests = digests_after(&FieldDigests::default(), &before, None, FieldSet::EMPTY, &key);
    let names = FieldSet::of(&[Field::Surname, Field::GivenName]);
    let pair = Some((Field::Surname, Field::GivenName));
    for (wanted, exchanged) in [
        (named(Some("Gomez"), "Ana"), pair),
        (named(Some("Gomez"), "Anna"), None),
        (named(Some("Maria"), "Ana"), None),
        (named(None, "Ana"), None),
        (named(Some("Ana"), "Gomez"), None),
    ] {
        assert_eq!(swapped(&wanted, &digests, names, &key), exchanged);
    }
    assert_eq!(
        swapped(&named(Some("Gomez"), "Ana"), &digests, FieldSet::EMPTY, &key),
        None,
        "nothing changed"
    );
    // What is lacking: only what was sent, is kept up, and comes from a roster.
    let mut rules = FieldRules::default();
    assert_eq!(lacking(&named(None, "Gomez"), &digests, &rules), FieldSet::of(&[Field::GivenName]));
    rules.set(Field::GivenName, Ownership::None);
    assert!(lacking(&named(None, "Gomez"), &digests, &rules).is_empty());
}

#[test]
fn s35_shares_are_compared_and_not_numbers() {
    let said = |not_said, blank, granted, refused| Consents { not_said, blank, granted, refused };
    for (before, now, waits) in [
        // A district that doubles keeps its shares.
        (said(0, 0, 900, 100), said(0, 0, 1_800, 200), false),
        (said(0, 0, 900, 100), said(0, 0, 800, 200), false),
        (said(0, 0, 900, 100), said(0, 0, 799, 201), true),
        (said(0, 0, 900, 100), said(0, 0, 100, 900), true),
        (said(0, 0, 900, 100), said(0, 1_000, 0, 0), true),
        (said(0, 0, 900, 100), said(1_000, 0, 0, 0), true),
        // A small school whose families change their minds.
        (said(0, 0, 20, 0), said(0, 0, 10, 10), false),
        (said(0, 0, 20, 0), said(0, 0, 9, 11), true),
        // An opt-out column with three marks goes blank; the only two who had one leave.
        (said(0, 997, 0, 3), said(0, 1_000, 0, 0), true),
        (said(0, 997, 0, 3), said(1_000, 0, 0, 0), true),
        (said(0, 998, 0, 2), said(0, 998, 0, 0), false),
        // Nothing was ever said.
        (said(1_000, 0, 0, 0), said(0, 0, 900, 100), false),
        (said(0, 0, 0, 0), said(0, 0, 900, 100), false),
        (said(0, 0, u64::MAX / 4, 0), said(0, 0, 0, u64::MAX / 4), true),
    ] {
        let mut plan = facts([school("A", 100, 100, 0)]);
        (plan.memory.consent, plan.consent) = (before, now);
        let verdict = evaluate(&plan, &Guards::default());
        assert_eq!(guards_of(&verdict).contains(&"consent_turned"), waits, "{before:?} {now:?}");
        // What waits is not what the next run is compared with, until somebody has said yes.
        assert_eq!(verdict.memory.consent, if waits { before } else { now });
        let mut memory = verdict.memory;
        memory.accept();
        assert_eq!(memory.consent, now);
    }
    // Those who came with changes alone are not the roster.
    let mut plan = facts([school("A", 100, 100, 0)]);
    plan.completeness = Completeness::Delta;
    (plan.memory.consent, plan.consent) = (said(0, 0, 90, 10), said(0, 0, 0, 30));
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!((guards_of(&verdict), verdict.memory.consent), (vec![], said(0, 0, 90, 10)));
}
