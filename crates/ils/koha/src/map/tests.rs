//! Values to properties and back.

use std::collections::BTreeMap;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn attributes() -> AttributeMap {
    AttributeMap {
        student_id: Some("STUDENTID".into()),
        codes: BTreeMap::from([
            ("school".into(), CodeHome::Attribute("SCHOOL".into())),
            ("grade".into(), CodeHome::Statistics1),
            ("district".into(), CodeHome::Statistics2),
        ]),
    }
}

fn mapping(attributes: &AttributeMap) -> Mapping<'_> {
    Mapping { attributes, user_id: UserIdWay::Number, middle_name: true }
}

fn some(text: &str) -> Option<Personal> {
    Some(Personal::new(text))
}

fn values() -> PatronValues {
    PatronValues {
        barcode: some("7700004711"),
        user_name: some("zoe.marsh@school"),
        surname: some("Nguye\u{302}\u{303}n"),
        given_name: some(" Zoë|\rMarie "),
        middle_name: some("del Carmen"),
        birth_date: Some(BirthDate::new(date(2012, 2, 29))),
        email: some("zoe@example.org"),
        phone: some("+1-555-0100"),
        address: Some(Address {
            street: Personal::new("12 Main St"),
            street2: None,
            city: Personal::new("Lakeside"),
            state: Personal::new("CA"),
            zip: Personal::new("94000"),
        }),
        student_id: some("4711"),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(date(2027, 9, 30)),
        statistics: BTreeMap::from([
            ("school".into(), "0012".into()),
            ("grade".into(), "5".into()),
            ("elsewhere".into(), "x".into()),
        ]),
        note: some("first line\nsecond"),
    }
}

#[test]
fn a_create_holds_what_there_is_and_nothing_else() {
    let map = attributes();
    let body = Value::Object(mapping(&map).create(&values()));
    assert_eq!(
        body,
        json!({
            "cardnumber": "7700004711", "userid": "7700004711", "surname": "Nguyễn", "firstname": "Zoë Marie",
            "middle_name": "del Carmen", "date_of_birth": "2012-02-29", "email": "zoe@example.org",
            "phone": "+1-555-0100", "address": "12 Main St", "city": "Lakeside", "state": "CA", "postal_code": "94000",
            "category_id": "STUDENT", "library_id": "MAIN", "expiry_date": "2027-09-30", "statistics_1": "5",
            "staff_notes": "first line\nsecond",
            "extended_attributes": [{"type": "STUDENTID", "value": "4711"}, {"type": "SCHOOL", "value": "0012"}],
        })
    );
    let old = Mapping { middle_name: false, ..mapping(&map) };
    assert!(!old.create(&values()).contains_key("middle_name"), "what a version does not know is never sent");
    assert!(!old.returns().contains(Field::MiddleName));
}

#[test]
fn a_user_id_is_always_sent_and_never_made_of_a_name_unless_asked_for() {
    let map = attributes();
    let roster = Mapping { user_id: UserIdWay::Roster, ..mapping(&map) };
    assert_eq!(roster.create(&values())["userid"], "zoe.marsh@school");
    let without = PatronValues { user_name: None, ..values() };
    assert_eq!(roster.create(&without)["userid"], "7700004711");
    assert_eq!(mapping(&map).create(&values())["userid"], "7700004711");
}

#[test]
fn what_koha_would_cut_is_not_sent() {
    let map = attributes();
    let long = |text: &str, times| some(&text.repeat(times));
    let cases = [
        (PatronValues { barcode: long("7", 33), ..values() }, Some((Field::Barcode, Obstacle::TooLong(32)))),
        (PatronValues { barcode: long("7", 32), ..values() }, None),
        (PatronValues { barcode: some("77 "), ..values() }, Some((Field::Barcode, Obstacle::Odd))),
        (PatronValues { surname: some(" | "), ..values() }, Some((Field::Surname, Obstacle::Missing))),
        (PatronValues { category: None, ..values() }, Some((Field::Category, Obstacle::Missing))),
        (
            PatronValues { category: Some("ELEVENCHARS".into()), ..values() },
            Some((Field::Category, Obstacle::TooLong(10))),
        ),
        (
            PatronValues { student_id: long("7", 256), ..values() },
            Some((Field::StudentId, Obstacle::TooLong(255))),
        ),
        (
            PatronValues {
                statistics: BTreeMap::from([("grade".into(), "x".repeat(81).as_str().into())]),
                ..values()
            },
            Some((Field::Statistics, Obstacle::TooLong(80))),
        ),
    ];
    for (values, wanted) in cases {
        assert_eq!(mapping(&map).obstacle(FieldSet::ALL, &values), wanted);
    }
}

#[test]
fn a_record_is_read_whole() {
    let map = attributes();
    let record = Record::read(json!({
        "patron_id": 51, "cardnumber": "7700004711", "surname": "Marsh", "firstname": "", "date_of_birth": "2012-05-04",
        "expiry_date": "2027-11-24T00:00:00", "restricted": false, "patron_card_lost": true, "statistics_1": "5",
        "extended_attributes": [{"type": "OTHER", "value": "x"}, {"type": "STUDENTID", "value": "1"}],
        "protected": false, "a_property_of_the_next_version": {},
    }))
    .unwrap();
    let patron = mapping(&map).patron(&record).unwrap();
    assert_eq!((patron.id.reveal(), patron.blocked), ("51", Some(true)));
    assert_eq!(patron.values.expiry, Some(date(2027, 11, 24)));
    assert_eq!((patron.values.given_name, patron.values.address), (None, None));
    assert_eq!(patron.values.student_id, some("1"));
    assert_eq!(patron.values.statistics, BTreeMap::from([("grade".into(), "5".into())]));
}

proptest! {
    #[test]
    fn what_is_sent_comes_back_in_the_form_that_is_compared(
        surname in "\\PC{0,20}x", given in "[\\PC\\r\\n|]{0,20}", note in "\\PC{0,20}", code in "[A-Z0-9]{1,10}"
    ) {
        let map = attributes();
        let mapping = mapping(&map);
        let sent = PatronValues {
            surname: some(&surname),
            given_name: some(&given),
            note: some(&note),
            statistics: BTreeMap::from([("school".into(), code.as_str().into())]),
            ..values()
        };
        let mut body = Value::Object(mapping.create(&sent));
        body["patron_id"] = json!(1);
        let held = mapping.patron(&Record::read(body).unwrap()).unwrap().values;
        let wanted = mapping.fitted(&sent);
        for field in mapping.returns().iter() {
            prop_assert_eq!(held.canonical(field), wanted.canonical(field), "{}", field);
        }
    }
}
