//! H1 to H9: busy servers, broken ones, and what they say.

use std::time::Duration;

use rostercard_core::ports::{Fault, FetchOne, Retry};
use rostercard_practice::sis::oneroster::{Fault as Wrong, Quirks, Shape, Strike};
use rostercard_source_oneroster::RestSettings;

use crate::support::District;

fn status(status: u16, retry_after: Option<&str>, from: u64, times: u64) -> Quirks {
    let strike = Strike::Status { status, retry_after: retry_after.map(str::to_owned) };
    let fault = Wrong { endpoint: Some("students".into()), from, times, strike };
    Quirks { faults: vec![fault], ..Quirks::default() }
}

#[tokio::test]
async fn h1_h2_h3_patience_as_long_as_it_is_asked_for() {
    for (retry_after, waits) in [
        (Some("60"), vec![Duration::from_secs(60)]),
        (Some("in 90"), vec![Duration::from_secs(90)]),
        (Some("86400"), vec![Duration::from_secs(300)]),
    ] {
        let district = District::start(25, status(429, retry_after, 2, 1)).await;
        district.read().await.whole(25);
        assert_eq!(district.waited(), waits, "{retry_after:?}");
    }
    // Without a word each wait may be longer than the one before.
    let district = District::start(25, status(429, None, 2, 3)).await;
    district.read().await.whole(25);
    let waits = district.waited();
    assert_eq!(waits.len(), 3);
    assert!(
        waits.iter().all(|wait| (Duration::from_millis(250)..Duration::from_secs(9)).contains(wait)),
        "{waits:?}"
    );
}

#[tokio::test]
async fn h4_a_storm_is_given_up_on_and_nothing_is_lost() {
    for code in [500, 502, 503, 504, 408, 425, 429] {
        let district = District::start(25, status(code, None, 2, 999)).await;
        let error = district.try_read(district.settings()).await.unwrap_err();
        assert_eq!((error.fault, error.retry), (Fault::District, Retry::Later), "{code}");
        assert!(error.message.contains(&format!("HTTP {code} after 6 attempts")), "{error}");
        assert_eq!(district.sis.take_log().iter().filter(|asked| asked.status == code).count(), 6);
    }
    let district = District::start(25, status(503, Some("300"), 1, 999)).await;
    let settings = RestSettings { patience: Duration::from_secs(700), ..district.settings() };
    let error = district.try_read(settings).await.unwrap_err();
    assert!(error.message.contains("more patience"), "{error}");
}

#[tokio::test]
async fn h5_a_server_that_never_answers_is_given_up_on() {
    let fault = Wrong { endpoint: Some("students".into()), from: 2, times: 1, strike: Strike::Late(3_000) };
    let district = District::start(25, Quirks { faults: vec![fault], ..Quirks::default() }).await;
    let settings = RestSettings { deadline: Duration::from_secs(1), ..district.settings() };
    district.try_read(settings.clone()).await.unwrap().whole(25);
    district.sis.quirks(|quirks| quirks.faults[0].times = 99);
    let error = district.try_read(RestSettings { attempts: 2, ..settings }).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later);
    assert!(error.message.contains("deadline"), "{error}");
}

#[tokio::test]
async fn h6_demographics_that_are_not_granted_cost_birth_dates_alone() {
    let district = District::start(12, Quirks { demographics_forbidden: true, ..Quirks::default() }).await;
    let read = district.read().await;
    read.whole(12);
    assert!(read.students.values().all(|student| student.birth_date.is_none()));
    let said = &read.findings["demographics_forbidden"];
    assert!(said.contains("roster-demographics.readonly") && said.contains("may not read"), "{said}");
}

#[tokio::test]
async fn h7_users_where_there_are_no_students() {
    let district =
        District::start(12, Quirks { missing: vec!["students".into()], ..Quirks::default() }).await;
    let read = district.read().await;
    read.whole(12);
    assert!(read.findings.contains_key("read_users_instead"));
    // And nothing at all: the module is not licensed, or the address is wrong.
    let missing = ["orgs", "schools", "students", "users", "demographics"].map(str::to_owned).to_vec();
    district.sis.quirks(|quirks| quirks.missing = missing);
    let error = district.try_read(district.settings()).await.unwrap_err();
    assert!(error.message.contains("HTTP 404") && error.hint.contains("licensed"), "{error}");
}

#[tokio::test]
async fn h8_one_person_who_is_not_there() {
    for unknown_is_204 in [false, true] {
        let district = District::start(3, Quirks { unknown_is_204, ..Quirks::default() }).await;
        assert!(matches!(district.fetch("nobody").await, FetchOne::NotFound));
        let FetchOne::Found(student) = district.fetch("u00002").await else { panic!() };
        assert_eq!(student.student_id.reveal(), "000002");
        assert!(student.birth_date.is_some() && student.school().is_some());
        assert!(matches!(district.fetch("u90000").await, FetchOne::NotFound), "a teacher is no student");
    }
    let district = District::start(3, status(500, None, 1, 99)).await;
    assert!(matches!(district.fetch("u00002").await, FetchOne::Unknown));
    let district = District::start(3, status(403, None, 1, 99)).await;
    assert!(matches!(district.fetch("u00002").await, FetchOne::NotPossible));
}

#[tokio::test]
async fn h9_errors_in_every_shape_are_one_sentence() {
    for errors in [Shape::Bare, Shape::Wrapped, Shape::StatusInfoSet, Shape::Old, Shape::Flat, Shape::Html] {
        let quirks = Quirks { demographics_forbidden: true, errors, ..Quirks::default() };
        let district = District::start(2, quirks).await;
        let read = district.read().await;
        let said = &read.findings["demographics_forbidden"];
        let wanted = if errors == Shape::Html { "a web page came" } else { "the login may not read this" };
        assert!(said.contains(wanted) && !said.contains("CANARY"), "{errors:?}: {said}");
    }
}

#[tokio::test]
async fn h10_tls_that_is_not_trusted_is_named() {
    let district = District::start(2, Quirks::default()).await;
    let url = district.running.url("oneroster_1_2").replace("http://", "https://");
    let endpoint = rostercard_web::Endpoint::parse(&format!("{url}/"), false).unwrap();
    let settings = RestSettings { url, endpoint, attempts: 1, ..district.settings() };
    let error = district.try_read(settings).await.unwrap_err();
    assert!(error.message.contains("TLS") || error.message.contains("secured"), "{error}");
}

/// What `check --online` says, by code.
async fn profile(quirks: Quirks) -> std::collections::BTreeMap<&'static str, String> {
    use rostercard_core::ports::RosterSource as _;
    let mut book = crate::support::book(25);
    book.users[3].gone = true;
    book.users[5].modified = crate::support::now();
    let district = District::with(book, quirks).await;
    let findings = district.source(district.settings()).check().await.unwrap();
    let said = findings.into_iter().map(|finding| (finding.code, finding.message)).collect();
    assert!(!format!("{said:?}").contains("Given1"), "{said:?}");
    said
}

#[tokio::test]
async fn a_profile_of_a_good_server() {
    let said = profile(Quirks::default()).await;
    for (code, part) in [
        ("profile_server", "3 organisations"),
        ("profile_scopes", "roster-core.readonly, roster-demographics.readonly"),
        ("profile_paging", "25 rows came; pages have X-Total-Count (25) and Link"),
        ("profile_filter", "work: > >= ="),
        ("profile_skew", "the same time"),
        ("profile_tombstones", "1 of 25"),
        ("profile_birth_dates", "25 of 25"),
        ("profile_dropped", "password, userProfiles"),
    ] {
        assert!(said[code].contains(part), "{code}: {}", said[code]);
    }
    assert!(said["profile_student_id"].contains("25 of 25 people have it"));
}

#[tokio::test]
async fn a7_a_profile_names_what_is_wrong() {
    let narrowed = Quirks {
        grants: Some(vec!["roster-core.readonly".into()]),
        demographics_forbidden: true,
        clamp: Some(7),
        skew_hours: 7,
        ..Quirks::default()
    };
    let said = profile(narrowed).await;
    for (code, part) in [
        ("scopes_narrowed", "lacks scopes that were asked for: roster-demographics.readonly"),
        ("demographics_forbidden", "HTTP 403"),
        ("profile_clamp", "page_size = 7"),
        ("profile_skew", "up to 8 hours ahead"),
    ] {
        assert!(said[code].contains(part), "{code}: {}", said[code]);
    }
    for quirks in [
        Quirks { rejects_filter: true, ..Quirks::default() },
        Quirks { ignores_filter: true, ..Quirks::default() },
    ] {
        assert!(profile(quirks).await["profile_filter"].contains("incremental = false"));
    }
}
