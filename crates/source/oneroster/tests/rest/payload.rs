//! B1 to B15: what stands in a page.

use rostercard_core::ports::{Completeness, Retry};
use rostercard_core::privacy::Personal;
use rostercard_oneroster::Version;
use rostercard_practice::sis::oneroster::{Booleans, Fault as Wrong, Quirks, Role, Strike};

use crate::support::{District, Read, book, user};

/// The same roster in other manners: the same students.
async fn same(quirks: Quirks) {
    let plain = District::start(25, Quirks::default()).await;
    let odd = District::start(25, quirks.clone()).await;
    for version in [Version::V1_1, Version::V1_2] {
        let wanted = plain.try_read(plain.settings_of(version)).await.unwrap();
        let read = odd.try_read(odd.settings_of(version)).await.unwrap();
        read.whole(25);
        assert_eq!(read.students, wanted.students, "{quirks:?}");
    }
}

#[tokio::test]
async fn b1_b2_b3_b5_b6_b7_forms_of_values_and_envelopes() {
    for booleans in [Booleans::Json, Booleans::Number, Booleans::Upper] {
        same(Quirks { booleans, ..Quirks::default() }).await;
    }
    same(Quirks { nulls: true, ..Quirks::default() }).await;
    same(Quirks { extra_keys: true, ..Quirks::default() }).await;
    same(Quirks { single_objects: true, ..Quirks::default() }).await;
    same(Quirks { relative_hrefs: true, ..Quirks::default() }).await;
    same(Quirks { bom: true, ..Quirks::default() }).await;
    same(Quirks { latin1: Some(true), ..Quirks::default() }).await;
}

#[tokio::test]
async fn b5_an_envelope_in_other_letters_with_other_keys_before_it() {
    let district = District::start(25, Quirks::default()).await;
    district
        .sis
        .quirks(|quirks| quirks.missing = vec!["orgs".into(), "schools".into(), "demographics".into()]);
    district.sis.quirks(|quirks| quirks.envelope = Some("Users".into()));
    let read = district.read().await;
    read.whole(25);
    assert!(read.findings.contains_key("orgs_absent"), "{read:?}");
}

#[tokio::test]
async fn b4_roles_that_nobody_knows_get_no_card() {
    let mut book = book(3);
    book.users[0].roles[0].role = "ext:nurse".into();
    book.users[1].roles.push(Role { role: "ext:monitor".into(), org: "ash".into(), ..Role::default() });
    let district =
        District::with(book, Quirks { missing: vec!["students".into()], ..Quirks::default() }).await;
    let read = district.read().await;
    assert_eq!(read.ids(), ["000002", "000003"]);
    assert!(read.findings.contains_key("role_unknown"), "{read:?}");
}

#[tokio::test]
async fn b8_ids_that_are_numbers_keep_their_digits() {
    let mut book = book(2);
    book.users[0].id = "12345678901234567".into();
    book.births[0].id = "12345678901234567".into();
    book.users[0].identifier = "123456789012345678".into();
    let district = District::with(book, Quirks { numeric_ids: true, ..Quirks::default() }).await;
    let read = district.read().await;
    assert_eq!(read.ids(), ["000002", "123456789012345678"]);
    let first = &read.students["123456789012345678"];
    assert_eq!(first.source_ids[0].reveal(), "12345678901234567");
    assert!(first.birth_date.is_some());
}

fn damaged(read: &Read) -> Vec<(Option<&str>, &'static str)> {
    read.damaged.iter().map(|d| (d.student_id.as_ref().map(Personal::reveal), d.finding.code)).collect()
}

#[tokio::test]
async fn b9_a_bad_record_costs_itself_alone() {
    // A text that is none, with the ids that could be read: it counts as seen.
    let raw = "{\"sourcedId\":\"u00007\",\"identifier\":\"000007\",\"givenName\":\"\\ud800\",\"roles\":[{\"role\":\"student\",\"org\":{\"sourcedId\":\"ash\"}}]}";
    let district = District::start(25, Quirks::default()).await;
    district.sis.quirks(|quirks| drop(quirks.raw.insert("u00007".into(), raw.into())));
    let read = district.read().await;
    assert_eq!(read.completeness, Completeness::Snapshot, "{read:?}");
    assert_eq!(damaged(&read), [(Some("000007"), "record_invalid_text")]);
    assert_eq!(read.students.len(), 24);
    let place = read.damaged[0].finding.place.to_string();
    assert!(place.starts_with("users:7"), "{place}");

    // A page that is no JSON because of it: the others are found, and nobody is withdrawn.
    for raw in ["{\"sourcedId\":\"u00007\",\"a\":\"", "{\"sourcedId\":\"u00007\",[", "}]", "\"\\"] {
        district.sis.quirks(|quirks| drop(quirks.raw.insert("u00007".into(), raw.into())));
        let read = district.read().await;
        assert_eq!(read.completeness, Completeness::Incomplete, "{raw}");
        assert_eq!(read.students.len(), 24, "{raw}");
        assert!(read.cursor.is_none() && read.findings.contains_key("page_malformed"), "{raw}: {read:?}");
    }
}

#[tokio::test]
async fn b10_birth_dates_in_other_forms() {
    let mut book = book(5);
    for (birth, text) in
        book.births.iter_mut().zip(["20140506", "2014-05-06T00:00:00.000Z", "1900-01-01", "05/06/2014", ""])
    {
        birth.birth_date = text.to_owned();
    }
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    let born: Vec<Option<String>> =
        read.students.values().map(|s| s.birth_date.map(|d| d.reveal().to_string())).collect();
    let day = Some("2014-05-06".to_owned());
    assert_eq!(born, [day.clone(), day, None, None, None]);
    assert_eq!(read.students["000004"].findings[0].code, "row_invalid_date");
    assert!(read.students["000004"].findings[0].place.to_string().starts_with("demographics:4"));
}

#[tokio::test]
async fn b11_letters_that_are_not_what_the_header_says() {
    let district = District::start(2, Quirks { latin1: Some(false), ..Quirks::default() }).await;
    let read = district.read().await;
    // Nothing is guessed: a name would be wrong on a card.
    assert_eq!(
        damaged(&read),
        [(Some("000001"), "record_invalid_utf8"), (Some("000002"), "record_invalid_utf8")]
    );
    assert_eq!(read.completeness, Completeness::Snapshot);
}

#[tokio::test]
async fn b12_a_login_page_is_no_empty_roster() {
    let always = Wrong { endpoint: Some("students".into()), from: 3, times: 99, strike: Strike::LoginPage };
    let district = District::start(45, Quirks { faults: vec![always], ..Quirks::default() }).await;
    let error = district.try_read(district.settings()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later);
    assert!(error.message.contains("web page"), "{error}");
    // Once: a session that ended.
    let once = Wrong { endpoint: Some("students".into()), from: 3, times: 1, strike: Strike::LoginPage };
    district.sis.quirks(|quirks| quirks.faults = vec![once]);
    district.read().await.whole(45);
}

#[tokio::test]
async fn b13_json_that_ends_in_the_middle() {
    let once = Wrong { endpoint: Some("students".into()), from: 2, times: 2, strike: Strike::Truncated };
    let district = District::start(25, Quirks { faults: vec![once], ..Quirks::default() }).await;
    district.read().await.whole(25);
    let always = Wrong { endpoint: Some("students".into()), from: 2, times: 99, strike: Strike::Truncated };
    district.sis.quirks(|quirks| quirks.faults = vec![always]);
    let error = district.try_read(district.settings()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later);
    assert!(error.message.contains("ends in the middle"), "{error}");
}

#[tokio::test]
async fn b14_a_user_with_a_hundred_roles() {
    let mut book = book(2);
    book.users[0].roles = (0..100)
        .map(|n| Role {
            role: "student".into(),
            org: format!("org{n}"),
            primary: n == 42,
            // Half of them are over; the last day does not count.
            end: if n % 2 == 0 { "2027-06-30".into() } else { "2026-11-24".into() },
            ..Role::default()
        })
        .collect();
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    let many = &read.students["000001"];
    assert_eq!(many.schools.len(), 50);
    assert_eq!(many.school().unwrap().source_id, "org42");
}

#[tokio::test]
async fn b15_what_must_not_be_kept_is_nowhere() {
    let district = District::start(3, Quirks::default()).await;
    let mut rules = rostercard_core::field::FieldRules::default();
    rules.set(rostercard_core::field::Field::MiddleName, rostercard_core::field::Ownership::None);
    let mut source = district.source_with(district.settings(), rules);
    let read = crate::support::read(&mut source).await.unwrap();
    let student = &read.students["000001"];
    assert!(student.email.is_none() && student.phone.is_none() && student.middle_name.is_none());
    let log = district.sis.take_log();
    let demographics = log.iter().find(|asked| asked.endpoint == "demographics").unwrap();
    assert!(demographics.target.ends_with("fields=sourcedId%2Cstatus%2CdateLastModified%2CbirthDate"));
    let shown = format!("{read:?}");
    assert!(!shown.contains("CANARY") && !shown.contains("Given1"), "{shown}");
}

#[tokio::test]
async fn servers_that_do_not_sort_or_select_are_read_all_the_same() {
    for quirks in [
        Quirks { rejects_sort: true, ..Quirks::default() },
        Quirks { rejects_fields: true, ..Quirks::default() },
        Quirks { rejects_sort: true, rejects_fields: true, ..Quirks::default() },
    ] {
        same(quirks).await;
    }
}

#[tokio::test]
async fn s12_values_below_metadata_are_found_by_their_paths() {
    let mut book = book(3);
    book.users[0].metadata = vec![
        ("street".to_owned(), "1 Elm, \"rear\"".to_owned()),
        ("city".to_owned(), "Woodland".to_owned()),
        ("zip".to_owned(), "95695".to_owned()),
        ("born".to_owned(), "2013-02-28".to_owned()),
    ];
    book.users[1].metadata =
        vec![("hidden".to_owned(), "true".to_owned()), ("street".to_owned(), "2 Elm".to_owned())];
    book.births.remove(0);
    let district = District::with(book, Quirks::default()).await;
    let mut settings = district.settings();
    settings.columns.birth_date = Some("metadata.born".into());
    settings.columns.protected = Some("/hidden".into());
    let read = district.try_read(settings.clone()).await.unwrap();
    let first = &read.students["000001"];
    assert_eq!(first.birth_date.unwrap().reveal().to_string(), "2013-02-28");
    let rostercard_core::student::GivenAddress::Given(address) = &first.address else { panic!("{first:?}") };
    assert_eq!(address.street.reveal(), "1 Elm, \"rear\"");
    assert_eq!(read.students["000002"].address, rostercard_core::student::GivenAddress::Protected);
    // Where nobody has the mark, any address may be one that must not be read.
    settings.columns.protected = Some("secret".into());
    let read = district.try_read(settings).await.unwrap();
    assert!(read.findings.contains_key("protected_column_missing"), "{read:?}");
    assert_eq!(read.students["000001"].address, rostercard_core::student::GivenAddress::None);
}

#[tokio::test]
async fn educators_where_they_are_wanted() {
    let mut book = book(2);
    let mut principal = user(90_001);
    principal.roles[0].role = "principal".into();
    book.users.push(principal);
    let district = District::with(book, Quirks::default()).await;
    let mut settings = district.settings();
    assert_eq!(district.try_read(settings.clone()).await.unwrap().ids(), ["000001", "000002"]);
    settings.educators = true;
    assert_eq!(district.try_read(settings.clone()).await.unwrap().ids(), ["000001", "000002", "090000"]);
    settings.people = rostercard_source_oneroster::rest::PeopleFrom::Users;
    assert_eq!(district.try_read(settings).await.unwrap().ids(), ["000001", "000002", "090000", "090001"]);
}
