//! Users as students: what is read, what is not, and what is wrong with a record.

use crate::support::{Here, OTHER_SCHOOL, Read, SCHOOL, district, now, read, source, today, user};
use rostercard_core::field::FieldRules;
use rostercard_core::ports::{Completeness, Resume};
use rostercard_core::privacy::Personal;
use rostercard_core::student::{GivenAddress, Student};
use rostercard_core::words::Role;
use rostercard_practice::sis::clever::{Book, DISTRICT};
use rostercard_source_clever::{Clever, StudentIdFrom, Version};
use serde_json::{Value, json};

/// Reads a district in which the first of three students was changed.
async fn with(change: impl FnOnce(&mut Book)) -> Read {
    let here = Here::start(district(3)).await;
    here.cloud.edit(change);
    here.read().await
}

fn first(read: &Read) -> &Student {
    read.students.iter().find(|student| student.student_id.reveal() == "4001").unwrap()
}

#[tokio::test]
async fn cl_41_42_words_and_fields_that_are_not_known_cost_nobody_else() {
    for (grade, shown) in [
        ("05", Some("05")),
        ("Kindergarten", Some("KG")),
        ("InfantToddler", Some("IT")),
        ("TransitionalKindergarten", Some("TK")),
        ("PostGraduate", Some("PS")),
        ("Ungraded", Some("UG")),
        ("Sophomore", None),
        ("", None),
    ] {
        let read = with(|book| {
            book.student(&user(1), "grade", json!(grade));
            book.student(&user(1), "gender", json!("N"));
            book.student(&user(1), "something_new", json!({ "deep": [1, 2, { "er": null }] }));
        })
        .await;
        assert_eq!((read.students.len(), read.completeness), (3, Completeness::Snapshot));
        assert_eq!(first(&read).grade.map(|grade| grade.to_string()).as_deref(), shown, "{grade}");
        assert_eq!(read.noticed("grade_unknown"), grade == "Sophomore");
    }
}

#[tokio::test]
async fn cl_43_who_is_what() {
    let here = Here::start(district(2)).await;
    here.cloud.edit(|book| {
        let teacher = json!({ "sis_id": "T1", "teacher_number": "77", "school": SCHOOL, "schools": [SCHOOL],
                              "credentials": { "district_username": "t.one" } });
        for (n, roles) in [
            (50, json!({ "teacher": teacher, "staff": { "staff_id": "S1", "schools": [OTHER_SCHOOL] } })),
            (51, json!({ "staff": { "staff_id": "S2", "schools": [OTHER_SCHOOL] } })),
            (52, json!({ "contact": { "sis_id": "C1", "phone": "555-0100" } })),
            (53, json!({ "student": null, "teacher": null })),
            (54, json!({ "district_admin": {} })),
            (55, Value::Null),
        ] {
            let id = user(n);
            let person = json!({ "id": id, "district": DISTRICT, "name": { "first": "Pat", "last": format!("Doe{n}") },
                                 "email": "p@example.org", "roles": roles });
            book.users.insert(id, person);
        }
    });
    assert_eq!(here.read().await.ids(), ["4001", "4002"]);
    let mut settings = here.settings();
    settings.educators = true;
    let read = read(source(settings), Resume::default()).await.unwrap();
    let people: Vec<(&str, Role)> = read.students.iter().map(|s| (s.student_id.reveal(), s.role)).collect();
    assert_eq!(
        people,
        [("4001", Role::Student), ("4002", Role::Student), ("T1", Role::Educator), ("S2", Role::Educator)]
    );
    assert_eq!(read.completeness, Completeness::Snapshot);
}

#[tokio::test]
async fn cl_44_somebody_without_a_name_or_number_is_named_and_the_rest_goes_on() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 5] = [
        ("missing_name", |user| user["name"] = json!({ "first": null, "last": "" })),
        ("missing_name", |user| user["name"] = Value::Null),
        ("missing_name", |user| user["name"] = json!("Ann Doe")),
        ("missing_student_id", |user| user["roles"]["student"]["sis_id"] = json!("  ")),
        ("missing_student_id", |user| user["roles"]["student"]["sis_id"] = Value::Null),
    ];
    for (code, change) in cases {
        let read = with(|book| book.user(&user(1), change)).await;
        assert_eq!((read.students.len(), read.damaged.len()), (2, 1), "{code}");
        assert_eq!(read.damaged[0].finding.code, code);
        // Whose record it is counts as seen; a record that could be anybody's withdraws nobody.
        let known = read.damaged[0].student_id.is_some();
        assert_eq!(known, code == "missing_name");
        assert_eq!(read.completeness == Completeness::Snapshot, known);
        assert_eq!(read.cursor.is_some(), known);
    }
    // One name is a name.
    let read = with(|book| book.user(&user(1), |user| user["name"] = json!({ "last": "Madonna" }))).await;
    assert_eq!((first(&read).given_name.reveal(), first(&read).family_name.reveal()), ("", "Madonna"));
}

#[tokio::test]
async fn cl_45_long_and_foreign_texts_are_whole() {
    let (name, login) = ("Ó'Hára-Núñez-王小明-".repeat(20), "x".repeat(51));
    let read = with(|book| {
        book.user(&user(1), |user| user["name"]["last"] = json!(name));
        book.student(&user(1), "credentials", json!({ "district_username": login }));
    })
    .await;
    assert_eq!(first(&read).family_name.reveal(), name);
    assert_eq!(first(&read).user_name.as_ref().unwrap().reveal(), login);
}

#[tokio::test]
async fn cl_46_an_e_mail_address_that_is_none() {
    for (email, kept) in [
        ("a.b@example.org", true),
        ("nobody", false),
        ("a b@example.org", false),
        ("@x.org", false),
        ("", false),
    ] {
        let read = with(|book| book.user(&user(1), |user| user["email"] = json!(email))).await;
        assert_eq!(first(&read).email.is_some(), kept, "{email}");
        assert_eq!(read.noticed("email_unclear"), !kept && !email.is_empty(), "{email}");
    }
}

#[tokio::test]
async fn cl_47_several_schools_with_one_that_is_the_students_own() {
    let names =
        |student: &Student| student.schools.iter().map(|school| school.name.clone()).collect::<Vec<_>>();
    let read = with(|book| {
        book.student(&user(1), "schools", json!([SCHOOL, OTHER_SCHOOL]));
        book.student(&user(1), "school", json!(OTHER_SCHOOL));
    })
    .await;
    assert_eq!(names(first(&read)), ["Elm School", "Ash School"]);
    assert_eq!(first(&read).school().unwrap().key(), "1002");
    // None is said to be the own one: said aloud.
    let read = with(|book| {
        book.student(&user(1), "schools", json!([SCHOOL, OTHER_SCHOOL]));
        book.student(&user(1), "school", json!(""));
    })
    .await;
    assert!(first(&read).school().unwrap().key() == "1001" && read.noticed("several_schools_none_primary"));
    // A school that is not in the list has no home, and is not replaced by another.
    let read = with(|book| {
        book.student(&user(1), "schools", json!([SCHOOL, "5f00000000000000000000ff"]));
        book.student(&user(1), "school", json!("5f00000000000000000000ff"));
    })
    .await;
    assert_eq!(first(&read).school().unwrap().key(), "5f00000000000000000000ff");
    assert!(read.noticed("school_unknown"));
}

#[tokio::test]
async fn cl_48_49_preferred_names_are_of_3_1() {
    let here = Here::start(district(1)).await;
    here.cloud.edit(|book| book.student(&user(1), "preferred_name", json!({ "first": "Bob", "last": "" })));
    for (version, preferred) in [(Version::V3_1, Some("Bob")), (Version::V3_0, None)] {
        let mut settings = here.settings();
        settings.version = version;
        let read = read(source(settings), Resume::default()).await.unwrap();
        let found = first(&read).preferred.as_ref().and_then(|name| name.given.as_ref());
        assert_eq!(found.map(Personal::reveal), preferred);
        assert!(here.asked().iter().any(|target| target.starts_with(&format!("/{}/users", version.path()))));
    }
}

#[tokio::test]
async fn an_address_may_be_a_zip_alone() {
    let read = with(|book| {
        book.student(
            &user(1),
            "location",
            json!({ "address": "", "city": "", "state": "", "zip": "95695", "lat": "1" }),
        );
    })
    .await;
    let GivenAddress::Given(address) = &first(&read).address else { panic!("no address") };
    assert_eq!((address.zip.reveal(), address.street.reveal()), ("95695", ""));
}

#[tokio::test]
async fn the_lasting_number_is_the_configured_one() {
    let here = Here::start(district(1)).await;
    here.cloud.edit(|book| {
        book.student(&user(1), "student_number", json!("N1"));
        book.student(&user(1), "state_id", json!(123_456_789_012_u64));
    });
    for (from, id) in [
        (StudentIdFrom::SisId, "4001"),
        (StudentIdFrom::StudentNumber, "N1"),
        (StudentIdFrom::StateId, "123456789012"),
    ] {
        let mut settings = here.settings();
        settings.student_id = from;
        let read = read(source(settings), Resume::default()).await.unwrap();
        assert_eq!(read.ids(), [id]);
    }
}

#[tokio::test]
async fn cl_72_a_district_that_lists_nobody_withdraws_nobody() {
    let read = with(|book| book.users.clear()).await;
    assert_eq!((read.completeness, read.cursor.is_some()), (Completeness::Incomplete, false));
    assert!(read.noticed("no_students"));
}

#[tokio::test]
async fn one_student_id_for_two_people_is_told_and_crosses_nobody() {
    let read = with(|book| book.student(&user(2), "sis_id", json!("4001"))).await;
    assert_eq!(read.ids(), ["4001", "4003"]);
    assert_eq!(first(&read).given_name.reveal(), "Given1");
    assert!(read.noticed("student_id_of_two_people"));
}

#[tokio::test]
async fn a_user_of_another_district_is_left_out() {
    let read =
        with(|book| book.user(&user(1), |user| user["district"] = json!("55108ad78349a40100000099"))).await;
    assert!(read.ids() == ["4002", "4003"] && read.noticed("other_district"));
}

#[tokio::test]
async fn cl_90_91_only_what_is_allowed_is_held_and_the_rest_not_even_in_debug() {
    let here = Here::start(district(1)).await;
    let canaries = [
        "CanaryRace",
        "CanaryLunch",
        "CanaryLanguage",
        "CanaryPlan",
        "CanaryStreet",
        "CanaryLogin",
        "canary@x.org",
    ];
    here.cloud.edit(|book| {
        for (field, value) in [
            ("race", "CanaryRace"),
            ("frl_status", "CanaryLunch"),
            ("home_language", "CanaryLanguage"),
            ("iep_status", "CanaryPlan"),
        ] {
            book.student(&user(1), field, json!(value));
        }
        book.student(&user(1), "disability", json!({ "disability_type": "CanaryPlan" }));
        book.student(&user(1), "location", json!({ "address": "CanaryStreet", "zip": "95695" }));
        book.student(&user(1), "credentials", json!({ "district_username": "CanaryLogin" }));
        book.user(&user(1), |user| user["email"] = json!("canary@x.org"));
    });
    // By default neither e-mail nor address is read.
    let one = read(Clever::new(here.settings(), FieldRules::default(), today(), now()), Resume::default())
        .await
        .unwrap();
    let student = first(&one);
    assert!(student.email.is_none() && student.address == GivenAddress::None);
    for read in [&one, &here.read().await] {
        let shown = format!("{read:?}");
        for canary in canaries.iter().chain(&["Given1", "Family1", "4001", "2015"]) {
            assert!(!shown.contains(canary), "{canary}");
        }
    }
}

#[tokio::test]
async fn cl_98_a_large_district_is_a_stream() {
    // 200,000 users in pages of 10,000 are 20 requests; here a tenth of each.
    let here = Here::start(district(20_000)).await;
    let mut settings = here.settings();
    settings.page_size = 1_000;
    settings.patience.longest = std::time::Duration::from_secs(1);
    let read = read(source(settings), Resume::default()).await.unwrap();
    assert_eq!((read.students.len(), read.completeness), (20_000, Completeness::Snapshot));
    assert_eq!(here.asked().iter().filter(|target| target.contains("limit=1000")).count(), 21);
}
