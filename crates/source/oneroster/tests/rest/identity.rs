//! I1 to I7: persons, not sourcedIds.

use rostercard_core::ports::Completeness;
use rostercard_practice::sis::oneroster::{Quirks, Role};
use rostercard_source_oneroster::{RestSettings, StudentIdFrom};

use crate::support::{District, birth, book, user};

#[tokio::test]
async fn i1_one_person_with_an_id_in_each_school_is_one() {
    let mut book = book(4);
    let mut second = user(1);
    second.id = "u00001-ash2".into();
    second.roles = vec![Role { role: "student".into(), org: "elm".into(), ..Role::default() }];
    let mut born = birth(1);
    born.id.clone_from(&second.id);
    book.users.push(second);
    book.births.push(born);
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    read.whole(4);
    let one = &read.students["000001"];
    assert_eq!(one.source_ids.len(), 2);
    assert_eq!(one.schools.len(), 2);
}

#[tokio::test]
async fn s36_s11_i2_all_sourced_ids_anew_are_the_same_people() {
    let district = District::start(25, Quirks::default()).await;
    let before = district.read().await;
    district.sis.edit(|book| {
        for user in &mut book.users {
            user.id = format!("new-{}", user.id);
        }
        for birth in &mut book.births {
            birth.id = format!("new-{}", birth.id);
        }
    });
    let after = district.read().await;
    after.whole(25);
    assert_eq!(before.ids(), after.ids());
    assert!(before.students.iter().all(|(id, s)| s.birth_date == after.students[id].birth_date));
}

#[tokio::test]
async fn i3_two_people_under_one_number_are_a_question() {
    let mut book = book(3);
    book.users[1].identifier = "000001".into();
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    assert_eq!(read.ids(), ["000003"]);
    assert_eq!(read.damaged.len(), 1);
    assert_eq!(read.damaged[0].finding.code, "duplicate_student_id");
    assert_eq!(read.completeness, Completeness::Snapshot);
}

#[tokio::test]
async fn i4_one_sourced_id_with_two_contents_is_a_question() {
    let mut book = book(3);
    let mut other = user(7);
    other.id = "u00001".into();
    book.users.push(other);
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    assert_eq!(read.ids(), ["000002", "000003"]);
    let codes: Vec<_> = read.damaged.iter().map(|d| d.finding.code).collect();
    assert_eq!(codes, ["duplicate_sourced_id", "duplicate_sourced_id"]);
}

#[tokio::test]
async fn i4_of_one_record_read_twice_the_newer_counts() {
    let mut book = book(3);
    let mut newer = user(1);
    newer.given = "Newer".into();
    newer.modified = "2026-10-01T00:00:00Z".parse().unwrap();
    book.users.push(newer);
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    read.whole(3);
    assert_eq!(read.students["000001"].given_name.reveal(), "Newer");
}

#[tokio::test]
async fn i7_a_person_with_a_role_in_each_record_is_a_student() {
    let mut book = book(2);
    let mut teaching = user(1);
    teaching.id = "t1".into();
    teaching.roles[0].role = "teacher".into();
    book.users.push(teaching);
    let district = District::with(book, Quirks::default()).await;
    let read = district.try_read(RestSettings { educators: true, ..district.settings() }).await.unwrap();
    assert_eq!(read.ids(), ["000001", "000002", "090000"]);
    assert_eq!(read.students["000001"].role, rostercard_core::words::Role::Student);
}

#[tokio::test]
async fn s07_the_student_id_is_the_one_that_is_configured() {
    for (from, wanted) in [
        (StudentIdFrom::Identifier, "000001"),
        (StudentIdFrom::SourcedId, "u00001"),
        (StudentIdFrom::Username, "user1"),
        (StudentIdFrom::UserMasterIdentifier, "m1"),
        (StudentIdFrom::UserIds("STATEID".into()), "900001"),
    ] {
        let district = District::start(1, Quirks::default()).await;
        let settings = RestSettings { student_id: from, ..district.settings() };
        assert_eq!(district.try_read(settings).await.unwrap().ids(), [wanted]);
    }
    let mut book = book(2);
    book.users[0].identifier = String::new();
    let district = District::with(book, Quirks::default()).await;
    let read = district.read().await;
    // Somebody without a number could be anybody.
    assert_eq!(read.completeness, Completeness::Incomplete);
    assert_eq!(read.damaged[0].finding.code, "missing_student_id");
}
