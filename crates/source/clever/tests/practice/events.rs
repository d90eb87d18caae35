//! The event feed: what it means for a roster, and when it is not relied on.

use crate::support::{
    Here, OTHER_SCHOOL, SCHOOL, all_fields, district, now, read, resume, source, today, user,
};
use jiff::SignedDuration;
use rostercard_core::ports::{Completeness, Cursor, Resume, SourceState};
use rostercard_practice::sis::clever::{Book, Fault, What};
use rostercard_source_clever::Clever;
use serde_json::json;

/// A district that was read, and where its feed was left.
async fn start(students: u32) -> (Here, Cursor) {
    let here = Here::start(district(students)).await;
    let cursor = here.read().await.cursor.unwrap();
    here.cloud.edit_silently(|book| synced(book, 7));
    here.asked();
    (here, cursor)
}

/// Clever has read the SIS again, at this hour.
fn synced(book: &mut Book, hour: u32) {
    book.district.insert("last_sync".to_owned(), json!(format!("2026-11-24T{hour:02}:00:00.000Z")));
}

fn listed(asked: &[String]) -> bool {
    asked.iter().any(|target| target.contains("users?role="))
}

#[tokio::test]
async fn cl_50_the_baseline_is_taken_before_everybody_is_read() {
    let here = Here::start(district(5)).await;
    here.cloud.edit(|book| book.student(&user(1), "grade", json!("4")));
    // While the users are listed, somebody who was listed already is renamed.
    here.cloud.before("count=true", |cloud| cloud.edit(|book| book.student(&user(2), "grade", json!("5"))));
    let full = here.read().await;
    let asked = here.asked();
    let baseline = asked.iter().position(|target| target.contains("ending_before=last&limit=1")).unwrap();
    let users = asked.iter().position(|target| target.contains("/users")).unwrap();
    assert!(baseline < users, "{asked:?}");
    let next = here.read_on(&full.cursor.unwrap()).await;
    assert_eq!(next.ids(), ["4002"]);
}

#[tokio::test]
async fn cl_51_an_empty_feed_is_a_baseline_too() {
    let (here, cursor) = start(3).await;
    assert_eq!(here.cloud.events(), 0);
    let quiet = here.read_on(&cursor).await;
    assert_eq!((quiet.completeness, quiet.students.len()), (Completeness::Delta, 0));
    here.cloud.edit(|book| book.student(&user(1), "grade", json!("4")));
    assert_eq!(here.read_on(&quiet.cursor.unwrap()).await.ids(), ["4001"]);
}

#[tokio::test]
async fn cl_52_events_are_folded_in_their_order() {
    let (here, cursor) = start(4).await;
    for grade in ["4", "5", "6"] {
        here.cloud.edit(|book| book.student(&user(1), "grade", json!(grade)));
    }
    here.cloud.edit(|book| drop(book.users.remove(&user(2))));
    here.cloud.edit(|book| book.add_student(&user(9), "4009", ("New", "Comer"), "1/1/2016", SCHOOL));
    here.cloud.edit(|book| drop(book.users.remove(&user(9))));
    let read = here.read_on(&cursor).await;
    assert_eq!(read.completeness, Completeness::Delta);
    assert_eq!(read.ids(), ["4001"]);
    assert_eq!(read.students[0].grade.map(|grade| grade.to_string()).as_deref(), Some("06"));
    assert_eq!(read.gone, [(Some("4002".to_owned()), user(2)), (Some("4009".to_owned()), user(9))]);
    let asked = here.asked();
    assert!(
        !listed(&asked) && asked.iter().filter(|target| target.contains("/users/")).count() == 3,
        "{asked:?}"
    );
}

#[tokio::test]
async fn cl_53_54_the_same_events_again_say_the_same() {
    let (here, cursor) = start(4).await;
    here.cloud.edit(|book| book.student(&user(1), "grade", json!("4")));
    here.cloud.edit(|book| drop(book.users.remove(&user(2))));
    here.cloud.say_again();
    let (once, again) = (here.read_on(&cursor).await, here.read_on(&cursor).await);
    assert_eq!((once.ids(), &once.gone, &once.cursor), (again.ids(), &again.gone, &again.cursor));
    let after = here.read_on(&once.cursor.unwrap()).await;
    assert!(after.students.is_empty() && after.gone.is_empty());
}

#[tokio::test]
async fn cl_55_events_about_people_who_are_not_expected() {
    let (here, cursor) = start(3).await;
    // Created, though known; updated, though never created; deleted, though never there.
    here.cloud.tell("users.created", &json!({ "object": { "id": user(1) } }));
    here.cloud
        .edit_silently(|book| book.add_student(&user(8), "4008", ("Quiet", "Comer"), "1/1/2016", SCHOOL));
    here.cloud.tell("users.updated", &json!({ "object": { "id": user(8) } }));
    here.cloud.tell(
        "users.deleted",
        &json!({ "object": { "id": user(77), "roles": { "student": { "sis_id": "4077" } } } }),
    );
    let read = here.read_on(&cursor).await;
    assert_eq!(read.ids(), ["4001", "4008"]);
    assert_eq!(read.gone, [(Some("4077".to_owned()), user(77))]);
}

#[tokio::test]
async fn a_teacher_who_leaves_takes_no_student_along() {
    let (here, cursor) = start(3).await;
    // A number that is a student's as well.
    for part in ["teacher", "staff"] {
        let object = json!({ "id": user(80), "roles": { part: { "sis_id": "4001", "staff_id": "4001" } } });
        here.cloud.tell("users.deleted", &json!({ "object": object }));
    }
    let read = here.read_on(&cursor).await;
    assert!(read.gone.is_empty() && read.students.is_empty());
}

#[tokio::test]
async fn cl_56_deleted_and_made_again_is_there() {
    let (here, cursor) = start(3).await;
    here.cloud.edit(|book| drop(book.users.remove(&user(1))));
    here.cloud.edit(|book| book.add_student(&user(1), "4001", ("Given1", "Family1"), "2/11/2015", SCHOOL));
    let read = here.read_on(&cursor).await;
    assert_eq!((read.ids(), read.gone.len()), (vec!["4001"], 0));
}

#[tokio::test]
async fn cl_57_the_same_person_under_a_new_id_has_not_gone() {
    let (here, cursor) = start(3).await;
    here.cloud.edit(|book| {
        book.users.remove(&user(1));
        book.add_student(&user(901), "4001", ("Given1", "Family1"), "2/11/2015", SCHOOL);
    });
    let read = here.read_on(&cursor).await;
    assert_eq!((read.ids(), read.gone.len()), (vec!["4001"], 0));
    assert_eq!(read.students[0].source_ids[0].reveal(), user(901));
}

#[tokio::test]
async fn cl_58_59_stripped_people_stay_as_they_are_wherever_it_stands_what_was() {
    for (nested, pointer) in [
        (false, "/roles/student/dob"),
        (true, "/roles/student/dob"),
        (false, "/name"),
        (true, "/roles/student/grade"),
        (true, "/roles/student/sis_id"),
    ] {
        let (here, cursor) = start(12).await;
        here.cloud.manners(|manners| manners.nested_previous = nested);
        here.cloud.edit(|book| book.unshare(pointer));
        let read = here.read_on(&cursor).await;
        assert_eq!((read.students.len(), read.gone.len(), read.damaged.len()), (0, 0, 12), "{pointer}");
        assert!(
            read.damaged.iter().all(|one| one.finding.code == "fields_unshared" && one.student_id.is_some())
        );
        assert!(read.noticed("fields_unshared_by_many"));
    }
    // What decides nothing is not read, and nothing more.
    let (here, cursor) = start(12).await;
    here.cloud.edit(|book| book.user(&user(1), |user| user["email"] = json!("a@example.org")));
    let cursor = here.read_on(&cursor).await.cursor.unwrap();
    here.cloud.edit(|book| book.unshare("/email"));
    let read = here.read_on(&cursor).await;
    assert_eq!((read.students.len(), read.damaged.len()), (12, 0));
}

#[tokio::test]
async fn cl_58_the_stripped_object_of_recorded_feeds() {
    let (here, cursor) = start(3).await;
    // The object has nothing but ids; what was taken is in `previous_attributes`.
    here.cloud
        .edit_silently(|book| book.user(&user(1), |user| user["roles"]["student"]["dob"] = json!(null)));
    here.cloud.tell(
        "students.updated",
        &json!({ "object": { "district": "x", "ell_status": "N", "id": user(1) },
                "previous_attributes": { "dob": "2/11/2015", "ell_status": "Y", "name": { "first": "Given1", "last": "Family1" } } }),
    );
    // The practice feed filters by kind; this one is asked for as it stands.
    here.cloud.fault(Fault::once("record_type=users", What::Body(format!(
        r#"{{"data":[{{"data":{{"id":"65f000000000000000000001","type":"students.updated","data":{{"object":{{"district":"x","id":"{0}"}},
        "previous_attributes":{{"dob":"2/11/2015","sis_id":"4001"}}}}}}}}],"links":[]}}"#,
        user(1)
    ))));
    let read = here.read_on(&cursor).await;
    assert_eq!((read.students.len(), read.damaged.len()), (0, 1));
    assert_eq!(read.damaged[0].student_id.as_ref().unwrap().reveal(), "4001");
}

#[tokio::test]
async fn cl_60_61_other_kinds_are_passed_over_and_older_ones_understood() {
    let (here, cursor) = start(3).await;
    let event = |n: u32, kind: &str, object: serde_json::Value| json!({ "data": { "id": format!("65f0000000000000{n:08x}"), "type": kind, "data": { "object": object } } });
    let feed = json!({ "data": [
        event(1, "sections.updated", json!({ "id": "5f0000000000000000000b01" })),
        event(2, "resources.created", json!({ "id": "5f0000000000000000000b02" })),
        event(3, "attendance.created", json!(null)),
        event(4, "contacts.updated", json!({ "id": user(70) })),
        event(5, "students.updated", json!({ "id": user(1), "sis_id": "4001" })),
        event(6, "users.merged", json!({ "id": user(2) })),
    ], "links": [] });
    here.cloud.fault(Fault::once("record_type=users", What::Body(feed.to_string())));
    let read = here.read_on(&cursor).await;
    assert_eq!(read.ids(), ["4001"]);
    assert!(read.noticed("events_passed_over"));
    assert!(read.cursor.unwrap().0.contains("65f000000000000000000006"), "the cursor moves past all of them");
}

#[tokio::test]
async fn cl_62_an_old_or_lost_cursor_means_everybody_said_aloud() {
    let (here, cursor) = start(3).await;
    here.cloud.edit(|book| book.student(&user(1), "grade", json!("4")));
    let cursor = here.read_on(&cursor).await.cursor.unwrap();
    // Too old for a feed of 30 days.
    let later = now() + SignedDuration::from_hours(26 * 24);
    let old =
        read(Clever::new(here.settings(), all_fields(), today(), later), resume(&cursor)).await.unwrap();
    assert!(old.completeness == Completeness::Snapshot && old.noticed("events_expired"));
    // No longer known at Clever.
    here.cloud.forget_events();
    let lost = here.read_on(&cursor).await;
    assert!(lost.completeness == Completeness::Snapshot && lost.noticed("events_lost"));
    // Not ours at all.
    let strange = here.read_on(&Cursor("65f0".to_owned())).await;
    assert!(strange.completeness == Completeness::Snapshot && strange.noticed("cursor_unknown"));
    assert!(lost.cursor.is_some() && strange.cursor.is_some());
}

#[tokio::test]
async fn cl_63_without_events_everybody_is_read_each_time() {
    let (here, cursor) = start(3).await;
    here.cloud.manners(|manners| manners.events = false);
    let read_all = here.read_on(&cursor).await;
    assert_eq!((read_all.completeness, read_all.students.len()), (Completeness::Snapshot, 3));
    assert!(read_all.noticed("events_lost") && read_all.noticed("events_off") && read_all.cursor.is_none());
    let mut settings = here.settings();
    settings.incremental = false;
    here.asked();
    let quiet = read(source(settings), Resume::default()).await.unwrap();
    assert!(quiet.completeness == Completeness::Snapshot && !quiet.noticed("events_off"));
    assert!(!here.asked().iter().any(|target| target.contains("/events")));
}

#[tokio::test]
async fn cl_64_65_the_feed_is_asked_for_users_of_every_school() {
    let (here, cursor) = start(3).await;
    here.cloud.edit(|book| {
        book.student(&user(1), "school", json!(OTHER_SCHOOL));
        book.student(&user(1), "schools", json!([OTHER_SCHOOL]));
    });
    let moved = here.read_on(&cursor).await;
    assert_eq!(moved.students[0].school().unwrap().key(), "1002");
    let asked = here.asked();
    let feed: Vec<&String> = asked.iter().filter(|target| target.contains("/events")).collect();
    assert_eq!(feed, ["/v3.1/events?record_type=users&limit=1000"]);
    let again = here.read_on(&moved.cursor.unwrap()).await;
    assert!(again.students.is_empty());
    assert!(
        here.asked()
            .iter()
            .any(|target| target.starts_with("/v3.1/events?record_type=users&limit=1000&starting_after="))
    );
}

#[tokio::test]
async fn cl_71_where_very_many_changed_everybody_is_read() {
    let (here, cursor) = start(40).await;
    here.cloud.edit(|book| (1..=40).for_each(|n| book.student(&user(n), "grade", json!("9"))));
    let mut settings = here.settings();
    settings.one_by_one = 30;
    here.asked();
    let read = read(source(settings), resume(&cursor)).await.unwrap();
    assert!(read.completeness == Completeness::Snapshot && read.noticed("many_events"));
    assert!(!here.asked().iter().any(|target| target.contains("/users/")));
}

#[tokio::test]
async fn cl_73_a_district_that_is_not_running_withdraws_nobody_and_its_events_are_kept() {
    let (here, cursor) = start(5).await;
    for (word, state) in [
        ("paused", SourceState::Paused),
        ("pending", SourceState::Pending),
        ("error", SourceState::Error),
        ("merged", SourceState::Error),
    ] {
        here.cloud.edit(|book| {
            book.state(word);
            book.users.remove(&user(1));
        });
        let read = here.read_on(&cursor).await;
        assert_eq!((read.facts.state, read.completeness), (state, Completeness::Incomplete), "{word}");
        assert!(read.gone.is_empty());
        assert_eq!(read.cursor.as_ref(), Some(&cursor), "{word}: the feed is read again once it is running");
        assert_eq!(here.read().await.completeness, Completeness::Incomplete);
    }
    here.cloud.edit(|book| book.state("success"));
    assert_eq!(here.read_on(&cursor).await.gone.len(), 1);
}

#[tokio::test]
async fn whoever_left_is_told_until_the_roster_is_another() {
    let (here, cursor) = start(5).await;
    let cursor = here.read_on(&cursor).await.cursor.unwrap();
    here.cloud.edit(|book| drop(book.users.remove(&user(1))));
    // Clever has not read the SIS again: it is the roster of before, in which nobody is missed.
    let same = here.read_on(&cursor).await;
    assert_eq!(same.gone.len(), 1);
    here.cloud
        .edit(|book| drop(book.district.insert("last_sync".to_owned(), json!("2026-11-24T09:00:00.000Z"))));
    let next = here.read_on(&same.cursor.unwrap()).await;
    assert_eq!(next.gone.len(), 1, "told again with the next roster");
    assert_eq!(here.read_on(&next.cursor.unwrap()).await.gone.len(), 0);
}

#[tokio::test]
async fn a_changed_school_or_another_way_of_reading_means_everybody() {
    let (here, cursor) = start(3).await;
    let mut settings = here.settings();
    settings.educators = true;
    let other = read(source(settings), resume(&cursor)).await.unwrap();
    assert!(other.completeness == Completeness::Snapshot && other.noticed("reading_changed"));
    here.cloud.edit(|book| book.add_school(SCHOOL, "Elm Academy", "1001"));
    let renamed = here.read_on(&cursor).await;
    assert!(renamed.completeness == Completeness::Snapshot && renamed.noticed("schools_changed"));
}

#[tokio::test]
async fn a_changed_student_id_means_everybody() {
    let (here, cursor) = start(3).await;
    here.cloud.edit(|book| book.student(&user(1), "sis_id", json!("5001")));
    let read = here.read_on(&cursor).await;
    assert!(read.completeness == Completeness::Snapshot && read.noticed("student_id_changed"));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_means_everybody() {
    for event in [
        r#"{"data":17}"#,
        r#"{"data":{"id":"65f1","type":"users.updated","data":null}}"#,
        r#"{"data":{"id":"65f1"}}"#,
    ] {
        let (here, cursor) = start(3).await;
        here.cloud.fault(Fault::once("record_type=users", What::Body(format!(r#"{{"data":[{event}]}}"#))));
        let read = here.read_on(&cursor).await;
        assert!(read.completeness == Completeness::Snapshot && read.noticed("events_unreadable"), "{event}");
    }
}
