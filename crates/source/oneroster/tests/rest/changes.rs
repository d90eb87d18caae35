//! F1 to F14: what changed since the last time, and what only a full read finds.

use jiff::{SignedDuration, Timestamp};
use rostercard_core::ports::{Completeness, Cursor, Resume, RosterSource};
use rostercard_practice::sis::oneroster::{Drift, Fault as Wrong, Quirks, Strike};
use rostercard_source_oneroster::RestSettings;

use crate::support::{District, birth, now, read, today, user};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A district read once, with where the next read goes on from.
async fn known(students: usize, quirks: Quirks) -> (District, Cursor) {
    let district = District::start(students, quirks).await;
    let first = district.read().await;
    first.whole(students);
    drop(district.sis.take_log());
    (district, first.cursor.unwrap())
}

#[tokio::test]
async fn f1_f14_nothing_changed_is_a_delta_with_nothing_in_it() {
    let (district, cursor) = known(25, Quirks::default()).await;
    let read = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!(read.completeness, Completeness::Delta);
    assert!(read.students.is_empty() && read.gone.is_empty() && read.damaged.is_empty());
    assert!(read.cursor.is_some());
    let log = district.sis.take_log();
    let students = log.iter().find(|asked| asked.endpoint == "students").unwrap();
    let filter = "filter=dateLastModified%3E%272026-11-23T12%3A00%3A00.000Z%27";
    assert!(students.target.contains(filter), "{}", students.target);
    assert!(!students.target.contains("status"));
}

#[tokio::test]
async fn f4_f5_f6_the_overlap_reaches_behind_skews_and_boundaries() {
    // Seven hours between what is shown and what is compared.
    let (district, cursor) = known(25, Quirks { skew_hours: 7, ..Quirks::default() }).await;
    district.sis.edit(|book| {
        book.users[0].modified = at("2026-11-24T05:00:00Z");
        // In the very millisecond of the last read, and years ahead.
        book.users[1].modified = now();
        book.users[2].modified = at("2031-01-01T00:00:00Z");
    });
    let read = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!(read.ids(), ["000001", "000002", "000003"]);
    assert!(read.students.values().all(|student| student.birth_date.is_some()));
    // The mark is the time of the reading, whatever the rows say.
    let next = read.cursor.unwrap();
    assert!(next.0.contains("2026-11-24T12:00:00Z") && !next.0.contains("2031"), "{next:?}");
}

#[tokio::test]
async fn f6_a_server_whose_clock_is_ahead_moves_no_mark_ahead() {
    let (_, cursor) = known(2, Quirks { clock_ahead: 7200, ..Quirks::default() }).await;
    assert!(cursor.0.contains(" 2026-11-24T12:00:00Z "), "{cursor:?}");
    let (_, cursor) = known(2, Quirks { clock_ahead: -7200, ..Quirks::default() }).await;
    assert!(cursor.0.contains(" 2026-11-24T10:00:00Z "), "{cursor:?}");
}

#[tokio::test]
async fn f2_f3_s24_a_server_that_cannot_filter_is_read_in_full_and_that_is_said() {
    for quirks in [
        Quirks { rejects_filter: true, ..Quirks::default() },
        Quirks { ignores_filter: true, ..Quirks::default() },
    ] {
        let (district, cursor) = known(35, quirks).await;
        let read = district.go_on(district.settings(), Some(&cursor)).await;
        read.whole(35);
        assert!(read.findings["filter_not_possible"].contains("filter by dateLastModified"), "{read:?}");
    }
}

#[tokio::test]
async fn s24_a_cursor_that_is_no_longer_good_is_a_full_read_and_that_is_said() {
    let (district, cursor) = known(12, Quirks::default()).await;
    let strange = Cursor("what is this".into());
    let read_on = district.go_on(district.settings(), Some(&strange)).await;
    read_on.whole(12);
    assert!(read_on.findings.contains_key("cursor_not_known"));

    let other = RestSettings { educators: true, ..district.settings() };
    let read_on = district.go_on(other, Some(&cursor)).await;
    assert!(read_on.findings.contains_key("settings_changed"), "{read_on:?}");

    let mut source = district.source(district.settings());
    source.resume(Resume { cursor: Some(cursor.clone()), full: Some("the rules have changed".into()) });
    let read_on = read(&mut source).await.unwrap();
    read_on.whole(12);
    assert!(read_on.findings["full_read_asked"].contains("the rules have changed"));

    let off = RestSettings { incremental: false, ..district.settings() };
    district.go_on(off, Some(&cursor)).await.whole(12);
}

#[tokio::test]
async fn f7_a_read_that_did_not_end_well_moves_nothing() {
    let (district, cursor) = known(45, Quirks::default()).await;
    district.sis.edit(|book| book.users.iter_mut().for_each(|user| user.modified = now()));
    district.sis.quirks(|quirks| {
        let strike = Strike::Status { status: 503, retry_after: None };
        quirks.faults = vec![Wrong { endpoint: Some("students".into()), from: 2, times: 99, strike }];
    });
    let mut source = district.source(district.settings());
    source.resume(Resume { cursor: Some(cursor.clone()), full: None });
    assert!(read(&mut source).await.is_err());
    district.sis.quirks(|quirks| {
        quirks.faults.clear();
        quirks.drift = Some(Drift { after: 2, removes: false, always: true });
    });
    let moved = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!(moved.completeness, Completeness::Incomplete);
    assert_eq!(moved.cursor, None);
}

#[tokio::test]
async fn f8_f11_tombstones_say_who_left() {
    for inactive in [false, true] {
        let (district, cursor) = known(5, Quirks { inactive, ..Quirks::default() }).await;
        district.sis.edit(|book| {
            book.users[1].gone = true;
            book.users[1].modified = now();
        });
        let read = district.go_on(district.settings(), Some(&cursor)).await;
        assert_eq!(read.completeness, Completeness::Delta);
        assert_eq!(read.gone, [(Some("000002".to_owned()), vec!["u00002".to_owned()])]);
        assert!(read.students.is_empty());
        // In a full read a tombstone is nobody.
        district.read().await.whole(4);
    }
}

#[tokio::test]
async fn f8_a_tombstone_of_an_id_whose_person_came_back_under_another_is_none() {
    let (district, cursor) = known(5, Quirks::default()).await;
    district.sis.edit(|book| {
        let mut again = user(2);
        again.id = "u00002-moved".into();
        again.modified = now();
        again.roles[0].org = "ash".into();
        book.users[1].gone = true;
        book.users[1].modified = now();
        book.users.push(again);
        let mut born = birth(2);
        born.id = "u00002-moved".into();
        book.births.push(born);
    });
    let read = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!((read.ids(), read.gone.len()), (vec!["000002"], 0));
    assert_eq!(read.students["000002"].school().unwrap().source_id, "ash");
}

#[tokio::test]
async fn f9_s29_who_left_without_a_word_is_found_by_the_full_read() {
    let (district, cursor) = known(5, Quirks::default()).await;
    district.sis.edit(|book| drop(book.users.remove(0)));
    let read = district.go_on(district.settings(), Some(&cursor)).await;
    assert!(read.gone.is_empty() && read.completeness == Completeness::Delta);
    // A week later everything is read.
    let later = now() + SignedDuration::from_hours(24 * 7);
    let mut source = rostercard_source_oneroster::OneRosterRest::new(
        district.settings(),
        crate::support::rules(),
        today(),
        later,
    );
    source.resume(Resume { cursor: read.cursor, full: None });
    let full = crate::support::read(&mut source).await.unwrap();
    full.whole(4);
    assert!(full.findings.contains_key("full_read_due"), "{full:?}");
    // And one person can be asked for, any time.
    assert!(matches!(district.fetch("u00001").await, rostercard_core::ports::FetchOne::NotFound));
}

#[tokio::test]
async fn f10_who_comes_back_is_there_again() {
    let (district, cursor) = known(5, Quirks::default()).await;
    district.sis.edit(|book| {
        book.users[1].gone = true;
        book.users[1].modified = now();
    });
    let left = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!(left.gone.len(), 1);
    district.sis.edit(|book| book.users[1].gone = false);
    let back = district.go_on(district.settings(), left.cursor.as_ref()).await;
    assert_eq!(back.ids(), ["000002"]);
}

#[tokio::test]
async fn f12_a_birth_date_that_changed_alone_brings_the_whole_person() {
    let (district, cursor) = known(25, Quirks::default()).await;
    district.sis.edit(|book| {
        book.births[3].birth_date = "2013-01-31".into();
        book.births[3].modified = now();
        book.users[7].given = "Corrected".into();
        book.users[7].modified = now();
    });
    let read = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!(read.ids(), ["000004", "000008"]);
    let born = |id: &str| read.students[id].birth_date.unwrap().reveal().to_string();
    assert_eq!(born("000004"), "2013-01-31");
    assert_eq!(born("000008"), birth(8).birth_date);
    assert_eq!(read.students["000008"].given_name.reveal(), "Corrected");
    assert_eq!(read.students["000004"].school().unwrap().name, "elm school");
}

#[tokio::test]
async fn f12_nobody_loses_a_birth_date_where_records_cannot_be_asked_for_singly() {
    let (district, cursor) = known(25, Quirks { no_singles: true, ..Quirks::default() }).await;
    district.sis.edit(|book| book.users[7].modified = now());
    let read = district.go_on(district.settings(), Some(&cursor)).await;
    assert_eq!(read.completeness, Completeness::Delta);
    assert_eq!(read.students["000008"].birth_date.unwrap().reveal().to_string(), birth(8).birth_date);
}

#[tokio::test]
async fn s25_a_mark_in_the_future_is_no_mark() {
    let (district, cursor) = known(5, Quirks::default()).await;
    let yesterday = now() - SignedDuration::from_hours(24);
    let mut source = rostercard_source_oneroster::OneRosterRest::new(
        district.settings(),
        crate::support::rules(),
        today(),
        yesterday,
    );
    source.resume(Resume { cursor: Some(cursor), full: None });
    let full = read(&mut source).await.unwrap();
    full.whole(5);
    assert!(full.findings.contains_key("cursor_in_future"), "{full:?}");
}

#[tokio::test]
async fn f13_s10_a_move_that_does_not_touch_the_user_is_found_by_the_full_read() {
    let (district, cursor) = known(5, Quirks::default()).await;
    district.sis.edit(|book| book.users[0].roles[0].org = "elm".into());
    let delta = district.go_on(district.settings(), Some(&cursor)).await;
    assert!(delta.students.is_empty());
    let full = district.read().await;
    assert_eq!(full.students["000001"].school().unwrap().source_id, "elm");
}

#[tokio::test]
async fn i1_where_persons_have_several_ids_everything_is_read() {
    let mut book = crate::support::book(4);
    let mut second = user(1);
    second.id = "u00001-b".into();
    book.users.push(second);
    let district = District::with(book, Quirks::default()).await;
    let first = district.read().await;
    let again = district.go_on(district.settings(), first.cursor.as_ref()).await;
    again.whole(4);
    assert!(again.findings.contains_key("several_source_ids"), "{again:?}");
}

#[tokio::test]
async fn many_birth_dates_at_once_are_a_full_read() {
    let (district, cursor) = known(320, Quirks::default()).await;
    district.sis.edit(|book| book.births.iter_mut().for_each(|birth| birth.modified = now()));
    let settings = RestSettings { page_size: 100, ..district.settings() };
    let read = district.go_on(settings, Some(&cursor)).await;
    read.whole(320);
    assert!(read.findings["filter_not_possible"].contains("one by one"), "{read:?}");
}
