//! P1 to P17: everything, once, or a word that it is not.

use rostercard_core::ports::{Completeness, Fault, Retry};
use rostercard_practice::sis::oneroster::{Drift, Fault as Wrong, Link, Quirks, Strike, Total};
use rostercard_source_oneroster::RestSettings;

use crate::support::District;

async fn whole(students: usize, quirks: Quirks) -> District {
    let district = District::start(students, quirks.clone()).await;
    let read = district.read().await;
    assert_eq!(read.completeness, Completeness::Snapshot, "{quirks:?}: {:?}", read.findings);
    assert_eq!(read.students.len(), students, "{quirks:?}");
    assert!(read.students.values().all(|student| student.birth_date.is_some()));
    district
}

#[tokio::test]
async fn p1_to_p5_exact_pages_clamps_totals_and_links() {
    for students in [1, 9, 10, 20, 25, 30] {
        for total in [Total::Exact, Total::None, Total::Page] {
            for clamp in [None, Some(7), Some(1)] {
                let link = if total == Total::None { Link::Good } else { Link::None };
                whole(students, Quirks { total, clamp, link, ..Quirks::default() }).await;
            }
        }
    }
}

#[tokio::test]
async fn p3_no_headers_at_all() {
    whole(30, Quirks { total: Total::None, link: Link::None, ..Quirks::default() }).await;
}

#[tokio::test]
async fn p6_p7_p8_links_are_not_followed() {
    for link in [Link::DropsFilter, Link::Malformed, Link::Loops, Link::Elsewhere] {
        let district = whole(25, Quirks { link, total: Total::None, ..Quirks::default() }).await;
        for asked in district.sis.take_log() {
            let own = asked.target.contains("limit=10&offset=") && asked.target.contains("&sort=sourcedId");
            assert!(own, "{}", asked.target);
        }
    }
}

#[tokio::test]
async fn p9_a_next_page_without_end_ends_at_the_first_empty_one() {
    let district = whole(20, Quirks { link: Link::Endless, total: Total::None, ..Quirks::default() }).await;
    assert!(district.sis.take_log().len() < 16);
}

#[tokio::test]
async fn p10_p12_rows_that_come_or_go_are_read_again() {
    for removes in [true, false] {
        for total in [Total::Exact, Total::None] {
            let drift = Drift { after: 2, removes, always: false };
            let district =
                District::start(35, Quirks { total, drift: Some(drift), ..Quirks::default() }).await;
            let read = district.read().await;
            read.whole(if removes { 34 } else { 36 });
            let walks = district.sis.take_log();
            let starts = walks.iter().filter(|a| a.target.contains("/students?limit=10&offset=0&")).count();
            assert_eq!(starts, 2, "one walk that was not steady, and one that was");
        }
    }
}

#[tokio::test]
async fn p10_rows_that_never_rest_withdraw_nobody() {
    let drift = Drift { after: 2, removes: false, always: true };
    let district = District::start(35, Quirks { drift: Some(drift), ..Quirks::default() }).await;
    let read = district.read().await;
    assert_eq!(read.completeness, Completeness::Incomplete);
    let said = |code| read.findings.contains_key(code);
    assert!(said("rows_moved_while_read") || said("total_not_reached"), "{:?}", read.findings);
    assert!(read.cursor.is_none());
}

#[tokio::test]
async fn p11_rows_that_come_twice_are_one() {
    whole(35, Quirks { repeats_last: true, total: Total::None, ..Quirks::default() }).await;
    whole(35, Quirks { repeats_last: true, ..Quirks::default() }).await;
}

#[tokio::test]
async fn p13_a_server_that_ignores_the_offset_is_named() {
    for total in [Total::Exact, Total::None] {
        let district = District::start(25, Quirks { ignores_offset: true, total, ..Quirks::default() }).await;
        let error = district.try_read(district.settings()).await.unwrap_err();
        assert_eq!((error.fault, error.retry), (Fault::District, Retry::NotThisTarget));
        assert!(error.message.contains("the same rows for every offset"), "{error}");
        assert!(district.sis.take_log().len() < 20);
    }
}

#[tokio::test]
async fn p14_a_server_that_gives_everything_at_once() {
    for ignores_offset in [false, true] {
        for total in [Total::Exact, Total::None] {
            whole(25, Quirks { ignores_limit: true, ignores_offset, total, ..Quirks::default() }).await;
        }
    }
}

#[tokio::test]
async fn p15_an_empty_roster_is_no_snapshot() {
    let district = District::start(0, Quirks::default()).await;
    let read = district.read().await;
    assert_eq!(read.completeness, Completeness::Incomplete);
    assert!(read.cursor.is_none() && read.findings.contains_key("table_missing_data_rows"), "{read:?}");
}

#[tokio::test]
async fn a_total_that_is_never_reached_withdraws_nobody_unless_it_is_to_be_ignored() {
    let district = District::start(25, Quirks { total: Total::TooMany(3), ..Quirks::default() }).await;
    let read = district.read().await;
    assert_eq!(read.completeness, Completeness::Incomplete);
    assert!(read.findings.contains_key("total_not_reached"), "{read:?}");
    assert_eq!(read.students.len(), 25);
    let settings = RestSettings { ignore_total: true, ..district.settings() };
    district.try_read(settings).await.unwrap().whole(25);
}

#[tokio::test]
async fn p17_a_page_that_fails_is_asked_for_again_where_it_was() {
    let strike = Strike::Cut;
    let fault = Wrong { endpoint: Some("students".into()), from: 3, times: 2, strike };
    let district = District::start(45, Quirks { faults: vec![fault], ..Quirks::default() }).await;
    district.read().await.whole(45);
    let log = district.sis.take_log();
    let third: Vec<u16> =
        log.iter().filter(|a| a.target.contains("/students?limit=10&offset=20")).map(|a| a.status).collect();
    assert_eq!(third, [0, 0, 200], "{log:?}");
}
