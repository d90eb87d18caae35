//! Values to elements and back, and answers as other servers shape them.

use std::collections::BTreeMap;

use jiff::civil::{Date as Day, date as ymd};
use proptest::option;
use proptest::prelude::*;
use rostercard_ncip::Block;

use super::*;

fn mapping(privileges: &PrivilegeMap) -> Mapping<'_> {
    let branches = &NO_BRANCHES;
    Mapping { agency: "LAKELIB", branches, privileges, text: Repertoire::Utf8, address: AddressForm::Lines }
}

/// The answer of an ILS that keeps exactly what it was sent.
fn echo(mapping: Mapping<'_>, values: &PatronValues) -> UserRecord {
    let number = values.barcode.as_ref().unwrap().reveal();
    let fields = Fields { name: Some(UserName::Structured(mapping.name(values))), ..mapping.fields(values) };
    UserRecord { id: Some(UserId::barcode("LAKELIB", number)), fields, unreadable: Vec::new() }
}

fn privilege(kind: &str, status: &str) -> Privilege {
    Privilege {
        agency: "LAKELIB".into(),
        kind: kind.into(),
        status: Some(status.into()),
        ..Privilege::default()
    }
}

fn patron(privileges: Vec<Privilege>, blocks: Vec<Block>, map: &PrivilegeMap) -> Patron {
    let fields = Fields { privileges, blocks, ..Fields::default() };
    mapping(map).patron("1", &UserRecord { id: None, fields, unreadable: Vec::new() })
}

fn word() -> impl Strategy<Value = Personal> {
    "[A-Za-zÀ-ž'’&<-]{1,12}".prop_map(|w| Personal::new(fit(&w, Repertoire::Utf8)))
}

fn code_of(pattern: &'static str) -> impl Strategy<Value = Code> {
    pattern.prop_map(Code::new)
}

fn day_of_life() -> impl Strategy<Value = Day> {
    (1950i16..2100, 1i8..13, 1i8..29).prop_map(|(y, m, d)| ymd(y, m, d))
}

prop_compose! {
    fn values()(
        names in (word(), option::of(word()), option::of(word())),
        contact in (option::of(word()), option::of(word())),
        address in option::of((word(), option::of(word()), word(), word(), word())),
        days in (option::of(day_of_life()), option::of(day_of_life())),
        codes in (code_of("[A-Z0-9]{1,8}"), option::of(code_of("[A-Z0-9]{1,8}"))),
        statistics in proptest::collection::btree_map(code_of("[a-z]{1,6}"), code_of("[A-Z0-9]{1,6}"), 0..3),
    ) -> PatronValues {
        PatronValues {
            barcode: Some(Personal::new("20001")),
            surname: Some(names.0),
            given_name: names.1,
            middle_name: names.2,
            birth_date: days.0.map(BirthDate::new),
            email: contact.0,
            phone: contact.1,
            address: address.map(|(street, street2, city, state, zip)| student::Address { street, street2, city, state, zip }),
            // A category of the name LIBRARY would be a branch; the settings must not say so.
            category: Some(codes.0),
            home_branch: codes.1,
            expiry: days.1,
            statistics: BTreeMap::from_iter(statistics),
            ..PatronValues::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_ils_that_keeps_everything_shows_what_was_wanted(values in values()) {
        for category_kind in [None, Some("PROFILE".to_owned())] {
            let map = PrivilegeMap { category_kind, ..PrivilegeMap::default() };
            let shown = mapping(&map).patron("20001", &echo(mapping(&map), &values));
            prop_assert!(shown.values == values, "{:?}", shown.values.present());
        }
    }
}

#[test]
fn the_elements_are_those_of_the_table() {
    let map = PrivilegeMap::default();
    let values = PatronValues {
        barcode: Some(Personal::new("20001")),
        surname: Some(Personal::new("O'Brien")),
        middle_name: Some(Personal::new("Maria")),
        birth_date: Some(BirthDate::new(ymd(2012, 2, 29))),
        email: Some(Personal::new("zoe@example.org")),
        phone: Some(Personal::new("+1-555-0100")),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(ymd(2027, 9, 30)),
        statistics: BTreeMap::from([("district".into(), "WJUSD".into())]),
        ..PatronValues::default()
    };
    let record = echo(mapping(&map), &values);
    let Some(UserName::Structured(name)) = &record.fields.name else { panic!("in parts") };
    assert_eq!(name.initials.as_ref().map(Text::reveal), Some("Maria"));
    assert_eq!(record.fields.birth_date.map(Date::to_date_time).as_deref(), Some("2012-02-29T00:00:00"));
    let category = Privilege { valid_to: Date::new(2027, 9, 30), ..privilege("STUDENT", "Active") };
    assert_eq!(
        record.fields.privileges,
        [category, privilege("LIBRARY", "MAIN"), privilege("STAT:district", "WJUSD")]
    );
    let electronic: Vec<_> = record
        .fields
        .addresses
        .iter()
        .map(|a| match &a.place {
            Place::Electronic { kind, data } => (a.role.as_str(), kind.as_str(), data.reveal()),
            Place::Postal { .. } | Place::PostalText { .. } => panic!("no postal address was given"),
        })
        .collect();
    assert_eq!(electronic, [("Notice", "mailto", "zoe@example.org"), ("Home", "tel", "+1-555-0100")]);
}

#[test]
fn privileges_of_other_servers_are_read() {
    let profile = PrivilegeMap { category_kind: Some("PROFILE".to_owned()), ..PrivilegeMap::default() };
    let blank_agency = |kind, status| Privilege { agency: String::new(), ..privilege(kind, status) };
    let shown = patron(
        vec![blank_agency("LIBRARY", "g"), blank_agency("PROFILE", "126"), blank_agency("STATUS", "Y")],
        Vec::new(),
        &profile,
    );
    assert_eq!(shown.values.category, Some("126".into()));
    assert_eq!(shown.values.home_branch, Some("g".into()));
    assert_eq!(shown.blocked, None);

    // Another agency's privileges are not ours.
    let elsewhere = Privilege { agency: "OTHER".into(), ..privilege("ADULT", "Active") };
    let shown = patron(
        vec![elsewhere, privilege("library", "MAIN"), privilege("STUDENT", "active")],
        Vec::new(),
        &PrivilegeMap::default(),
    );
    assert_eq!(shown.values.category, Some("STUDENT".into()));
    assert_eq!(shown.values.home_branch, Some("MAIN".into()));
    assert_eq!(shown.blocked, Some(false));
}

#[test]
fn a_block_is_seen_however_it_is_shown() {
    let map = PrivilegeMap::default();
    let block = || vec![Block { agency: "LAKELIB".into(), kind: "Block Check Out".into() }];
    let cases = [
        (vec![privilege("STUDENT", "Active")], vec![], Some(false)),
        (vec![privilege("STUDENT", "BLOCKED")], vec![], Some(true)),
        (vec![privilege("STUDENT", "Active")], block(), Some(true)),
        (vec![], block(), Some(true)),
        (vec![], vec![], None),
    ];
    for (privileges, blocks, wanted) in cases {
        assert_eq!(patron(privileges, blocks, &map).blocked, wanted);
    }
}

#[test]
fn the_student_number_is_read_and_names_in_one_piece_are_not_guessed_at() {
    let map = PrivilegeMap::default();
    let fields = Fields {
        name: Some(UserName::Unstructured("Zoe Maria O'Brien".into())),
        user_ids: vec![UserId {
            agency: None,
            kind: Some("institution id number".into()),
            value: "00123".into(),
        }],
        ..Fields::default()
    };
    let shown = mapping(&map).patron("1", &UserRecord { id: None, fields, unreadable: Vec::new() });
    assert_eq!(shown.values.student_id.as_ref().map(Personal::reveal), Some("00123"));
    assert_eq!((shown.values.surname, shown.values.given_name), (None, None));
}

#[test]
fn s12_letters_that_the_ils_cannot_hold_are_spelt() {
    let map = PrivilegeMap::default();
    let ascii = Mapping { text: Repertoire::Ascii, ..mapping(&map) };
    let values = PatronValues {
        surname: Some(Personal::new("Müller")),
        given_name: Some(Personal::new("Zoë")),
        email: Some(Personal::new("zoë@example.org")),
        ..PatronValues::default()
    };
    let name = ascii.name(&values);
    assert_eq!((name.surname.reveal(), name.given.as_ref().map(Text::reveal)), ("Muller", Some("Zoe")));
    let Some(Address { place: Place::Electronic { data, .. }, .. }) = ascii.email(&values) else {
        panic!("an address")
    };
    assert_eq!(data.reveal(), "zoë@example.org");
}
