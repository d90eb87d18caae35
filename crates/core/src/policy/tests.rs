//! Card policy by table.

use std::collections::BTreeMap;

use jiff::civil::date;
use proptest::prelude::*;

use std::sync::Arc;

use super::*;
use crate::consent::Programme;
use crate::digest::{DigestKey, DigestKind};
use crate::field::Ownership;
use crate::grade::{Grade, GradeSet};
use crate::privacy::BirthDate;
use crate::rules::expiry::{ExpiryRule, MonthDay};
use crate::rules::number::{NumberRule, NumberTemplate};
use crate::rules::pin::PinRule;
use crate::rules::{AddressRules, CardPatch, CodeTemplate, Eligible, Existing, Homes};
use crate::student::PreferredName;
use crate::words::{CardModel, Code};

fn school() -> Arc<School> {
    Arc::new(School { source_id: "org-1".into(), code: Some("0123".into()), name: "Douglass Middle".into() })
}

fn student() -> Student {
    Student {
        student_id: Personal::new("00123"),
        source_ids: vec![Personal::new("u-1")],
        role: Role::Student,
        given_name: Personal::new("Zoë"),
        middle_name: None,
        family_name: Personal::new("O'Brien-Núñez"),
        preferred: None,
        birth_date: Some(BirthDate::new(date(2014, 5, 6))),
        grade: Grade::number(6),
        schools: vec![school()],
        primary_school: Some(0),
        user_name: None,
        email: None,
        phone: None,
        address: GivenAddress::None,
        findings: Vec::new(),
        consent: crate::student::Consent::NotSaid,
        row: None,
    }
}

fn rules() -> CardRules {
    CardRules {
        card: CardRule {
            model: CardModel::Digital,
            category: "STUDENT".into(),
            number: NumberRule::Template(NumberTemplate::parse("77{student_id:0>8}").unwrap()),
            pin: PinRule::Random { digits: 4 },
            expires: ExpiryRule::every_year(MonthDay::parse("10-01").unwrap()),
            statistics: BTreeMap::from([(Code::new("SCHOOL"), CodeTemplate::parse("{school}").unwrap())]),
            note: None,
        },
        card_for: Vec::new(),
        eligible: Eligible::default(),
        homes: Homes::new(BTreeMap::from([("Douglass Middle".to_owned(), Code::new("MAIN"))])),
        fields: FieldRules::default(),
        names: NameChoice::Legal,
        address: AddressRules::default(),
        existing: Existing::Separate,
        agreed: FieldSet::EMPTY,
        programme: Programme::OptOut,
        number_max: 14,
    }
}

const TODAY: Today = Today { date: date(2026, 11, 24), held_expiry: None };

fn want(student: &Student, rules: &CardRules) -> WantedPatron {
    match decide(student.clone(), rules, TODAY) {
        Decision::Wanted(wanted) => *wanted,
        Decision::No(reason) => panic!("{reason}"),
    }
}

fn refuse(student: &Student, rules: &CardRules) -> Reason {
    match decide(student.clone(), rules, TODAY) {
        Decision::Wanted(wanted) => panic!("{wanted:?}"),
        Decision::No(reason) => reason,
    }
}

#[test]
fn a_student_becomes_a_patron() {
    let wanted = want(&student(), &rules());
    assert_eq!(given_number(&wanted).unwrap().reveal(), "7700000123");
    assert_eq!(wanted.values.category, Some("STUDENT".into()));
    assert_eq!(wanted.values.home_branch, Some("MAIN".into()));
    assert_eq!(wanted.values.expiry, Some(date(2027, 10, 1)));
    assert_eq!(wanted.values.statistics[&Code::new("SCHOOL")], Code::new("0123"));
}

#[test]
fn s12_names_are_kept_whole() {
    let wanted = want(&student(), &rules());
    assert_eq!(wanted.values.given_name.unwrap().reveal(), "Zoë");
    assert_eq!(wanted.values.surname.unwrap().reveal(), "O'Brien-Núñez");

    let mut one_name = student();
    one_name.family_name = Personal::new(" ");
    let wanted = want(&one_name, &rules());
    assert_eq!((wanted.values.surname.unwrap().reveal(), wanted.values.given_name), ("Zoë", None));

    let mut long = student();
    long.family_name = Personal::new("Ā".repeat(300));
    assert_eq!(want(&long, &rules()).values.surname.unwrap().reveal().chars().count(), 300);

    let mut spaced = student();
    spaced.family_name = Personal::new("  de \u{a0} la\tCruz ");
    assert_eq!(want(&spaced, &rules()).values.surname.unwrap().reveal(), "de la Cruz");

    let mut none = student();
    (none.given_name, none.family_name) = (Personal::default(), Personal::default());
    assert_eq!(refuse(&none, &rules()), Reason::Reject(Reject::NameMissing));
    none.given_name = Personal::new("A\u{0}");
    assert_eq!(refuse(&none, &rules()), Reason::Reject(Reject::NameDamaged));
}

#[test]
fn s12_the_preferred_name_where_the_library_chose_it() {
    let mut student = student();
    student.preferred = Some(PreferredName { given: Some(Personal::new("Zo")), middle: None, family: None });
    let mut rules = rules();
    assert_eq!(want(&student, &rules).values.given_name.unwrap().reveal(), "Zoë");
    rules.names = NameChoice::Preferred;
    let wanted = want(&student, &rules);
    assert_eq!(wanted.values.given_name.unwrap().reveal(), "Zo");
    assert_eq!(wanted.values.surname.unwrap().reveal(), "O'Brien-Núñez");
}

#[test]
fn s15_a_school_without_a_home_waits_and_is_named() {
    let mut student = student();
    student.schools =
        vec![Arc::new(School { source_id: "o9".into(), code: None, name: "New Elementary".into() })];
    let reason = refuse(&student, &rules());
    assert_eq!(reason, Reason::Pending(Pending::NoHome { school: "New Elementary".into() }));
    assert!(reason.to_string().contains("[homes]"));
    student.primary_school = None;
    assert_eq!(refuse(&student, &rules()), Reason::Pending(Pending::NoSchool));
}

#[test]
fn homes_by_id_then_code_then_name() {
    let homes = |pairs: &[(&str, &str)]| {
        Homes::new(pairs.iter().map(|(s, b)| ((*s).to_owned(), Code::new(b))).collect())
    };
    let branch = |homes: Homes| homes.branch(&school()).map(ToString::to_string);
    assert_eq!(
        branch(homes(&[("Douglass Middle", "A"), ("0123", "B"), ("org-1", "C")])).as_deref(),
        Some("C")
    );
    assert_eq!(branch(homes(&[("Douglass Middle", "A"), ("0123", "B")])).as_deref(), Some("B"));
    assert_eq!(branch(homes(&[("Douglass Middle", "A")])).as_deref(), Some("A"));
    assert_eq!(branch(homes(&[("douglass middle", "A")])), None);
}

#[test]
fn s13_an_address_that_cannot_be_used_gives_way_to_the_fallback_and_is_flagged() {
    let given = |street: &str, zip: &str| {
        GivenAddress::Given(Address {
            street: Personal::new(street),
            street2: None,
            city: Personal::new("Woodland"),
            state: Personal::new("CA"),
            zip: Personal::new(zip),
        })
    };
    let library = Address {
        street: Personal::new("250 First St"),
        street2: None,
        city: Personal::new("Woodland"),
        state: Personal::new("CA"),
        zip: Personal::new("95695"),
    };
    let mut rules = rules();
    rules.fields.set(Field::Address, Ownership::School);
    rules.address = AddressRules {
        fallback: Some(library.clone()),
        po_box: PoBox::Fallback,
        known_zips: Some(["95695".to_owned()].into()),
    };
    for (address, code) in [
        (GivenAddress::None, Some("address_missing")),
        (GivenAddress::Protected, Some("address_protected")),
        (given("P.O. Box 12", "95695"), Some("address_po_box")),
        (given("post office box 12", "95695"), Some("address_po_box")),
        (given("1 Elm", "99999"), Some("address_zip_unknown")),
        (given("", "95695"), Some("address_incomplete")),
        (given("1 Elm", "95695-1234"), None),
    ] {
        let mut student = student();
        student.address = address.clone();
        let wanted = want(&student, &rules);
        match code {
            Some(code) => {
                assert_eq!(wanted.values.address.as_ref(), Some(&library), "{code}");
                assert!(wanted.findings.iter().any(|f| f.code == code), "{code}: {:?}", wanted.findings);
            }
            None => {
                assert!(
                    matches!(address, GivenAddress::Given(a) if Some(&a) == wanted.values.address.as_ref())
                );
                assert_eq!(wanted.fallback_address.as_ref(), Some(&library));
                assert_eq!(wanted.findings, []);
            }
        }
    }
    // Without a fallback the card is made without an address, and says so.
    rules.address.fallback = None;
    let wanted = want(&student(), &rules);
    assert_eq!(wanted.values.address, None);
    assert_eq!(wanted.findings[0].code, "address_missing");
}

#[test]
fn what_is_not_allowed_is_not_in_the_patron() {
    let mut student = student();
    student.email = Some(Personal::new("z@example.org"));
    student.phone = Some(Personal::new("555"));
    let wanted = want(&student, &rules());
    assert_eq!((wanted.values.email, wanted.values.phone), (None, None));
    let mut rules = rules();
    rules.fields.set(Field::Email, Ownership::Fill);
    assert!(want(&student, &rules).values.email.is_some());
}

#[test]
fn eligibility_by_role_school_grade_and_age() {
    let mut educator = student();
    educator.role = Role::Educator;
    assert_eq!(refuse(&educator, &rules()), Reason::NotEligible(NotEligible::Role));

    let mut r = rules();
    r.eligible.grades = Some(GradeSet::new(vec![GradeSet::parse_entry("7-12").unwrap()]));
    assert_eq!(refuse(&student(), &r), Reason::NotEligible(NotEligible::Grade));
    r.eligible.roles.push(Role::Educator);
    assert!(
        matches!(decide(educator.clone(), &r, TODAY), Decision::Wanted(_)),
        "grades are asked of students only"
    );

    let mut r = rules();
    r.eligible.schools = Some(["9999".to_owned()].into());
    assert!(matches!(refuse(&student(), &r), Reason::NotEligible(NotEligible::School { .. })));
    r.eligible.schools = Some(["0123".to_owned()].into());
    assert!(matches!(decide(student(), &r, TODAY), Decision::Wanted(_)));
    r.eligible.not_schools = ["Douglass Middle".to_owned()].into();
    assert!(matches!(refuse(&student(), &r), Reason::NotEligible(NotEligible::School { .. })));

    let mut r = rules();
    r.eligible.ages = Some(13..=18);
    assert_eq!(refuse(&student(), &r), Reason::NotEligible(NotEligible::Age));
}

#[test]
fn s17_the_category_turns_on_the_birthday() {
    let mut rules = rules();
    rules.card_for.push(CardFor {
        selector: Selector { ages: Some(13..=99), ..Selector::default() },
        patch: CardPatch { category: Some("TEEN".into()), ..CardPatch::default() },
    });
    let category = |day| match decide(student(), &rules, Today { date: day, held_expiry: None }) {
        Decision::Wanted(wanted) => wanted.values.category.unwrap(),
        Decision::No(reason) => panic!("{reason}"),
    };
    assert_eq!(category(date(2027, 5, 5)), Code::new("STUDENT"));
    assert_eq!(category(date(2027, 5, 6)), Code::new("TEEN"));
}

#[test]
fn s16_the_first_card_for_that_holds_is_applied_and_no_other() {
    let mut rules = rules();
    rules.eligible.roles.push(Role::Educator);
    let patch = |category: &str| CardPatch { category: Some(category.into()), ..CardPatch::default() };
    rules.card_for = vec![
        CardFor {
            selector: Selector { roles: Some(vec![Role::Educator]), ..Selector::default() },
            patch: CardPatch { model: Some(CardModel::Educator), ..patch("TEACHER") },
        },
        CardFor { selector: Selector::default(), patch: patch("OTHER") },
    ];
    let mut educator = student();
    educator.role = Role::Educator;
    let wanted = want(&educator, &rules);
    assert_eq!((wanted.model, wanted.values.category), (CardModel::Educator, Some("TEACHER".into())));
    assert_eq!(want(&student(), &rules).values.category, Some("OTHER".into()));
}

#[test]
fn the_fingerprint_follows_what_would_be_written() {
    let key = DigestKey::new([3; 32]);
    let rules = rules();
    let print = |s: &Student, r: &CardRules| {
        fingerprint(&decide(s.clone(), r, TODAY), &r.fields, &mut key.hasher(DigestKind::Decided))
    };
    let before = print(&student(), &rules);
    assert_eq!(before, print(&student(), &rules));

    let mut renamed = student();
    renamed.given_name = Personal::new("Zoe");
    assert_ne!(before, print(&renamed, &rules));

    let mut other_rule = rules.clone();
    other_rule.card.category = "TEEN".into();
    assert_ne!(before, print(&student(), &other_rule), "a changed rule is a change like any other");

    // The number and the PIN stay on the card; contact data that is not read is no change.
    let mut other_number = rules.clone();
    other_number.card.number = NumberRule::Template(NumberTemplate::parse("88{student_id}").unwrap());
    other_number.card.pin = PinRule::None;
    assert_eq!(before, print(&student(), &other_number));
    let mut mail = student();
    mail.email = Some(Personal::new("z@example.org"));
    assert_eq!(before, print(&mail, &rules));

    let mut pending = rules.clone();
    pending.homes = Homes::default();
    assert_ne!(before, print(&student(), &pending));
}

proptest! {
    /// The glance never says tidy of what the thorough look would change or refuse.
    #[test]
    fn the_glance_agrees_with_the_thorough_look(name in "[a-zÄ\u{a0}\u{2003}\u{3000}\u{85}\u{1}\u{1680} -]{0,12}|\\PC{0,12}") {
        if is_plainly_tidy(&name) {
            prop_assert!(!name.is_empty() && !name.chars().any(char::is_control));
            prop_assert_eq!(name.split_whitespace().collect::<Vec<_>>().join(" "), name);
        }
    }

    /// Whatever a roster holds, policy answers, and what it wants has a name, a number that fits and a branch.
    #[test]
    fn decide_never_panics_and_never_cuts(
        id in "\\PC{0,20}", given in ".{0,40}", family in ".{0,40}", grade in "[0-9A-Z]{0,3}",
        year in 1900i16..2030, zip in ".{0,8}", street in ".{0,20}",
    ) {
        let mut student = student();
        student.student_id = Personal::new(&id);
        student.given_name = Personal::new(&given);
        student.family_name = Personal::new(&family);
        student.grade = Grade::parse(&grade);
        student.birth_date = Some(BirthDate::new(date(year, 2, 28)));
        student.address = GivenAddress::Given(Address {
            street: Personal::new(street), zip: Personal::new(zip), ..Address::default()
        });
        let mut rules = rules();
        rules.fields.set(Field::Address, Ownership::School);
        if let Decision::Wanted(wanted) = decide(student, &rules, TODAY) {
            let number = given_number(&wanted).unwrap().reveal();
            prop_assert!(number.ends_with(&id) && number.len() <= rules.number_max);
            prop_assert!(!wanted.values.surname.as_ref().unwrap().is_empty());
            let squeezed = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let both: String = [&wanted.values.given_name, &wanted.values.surname]
                .into_iter().flatten().map(|n| squeezed(n.reveal())).collect();
            prop_assert_eq!(both, squeezed(&given) + &squeezed(&family));
        }
    }
}
