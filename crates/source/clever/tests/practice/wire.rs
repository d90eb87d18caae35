//! The source against a practice Clever that misbehaves: tokens, pages, rates, errors. The numbers are those of the table in the
//! crate's documentation.

use std::time::Duration;

use crate::support::{Here, all_fields, district, now, read, resume, source, today, user};
use rostercard_core::ports::{
    Completeness, ConnectorError, Fault as Side, FetchOne, Resume, Retry, RosterSource, SourceState,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_practice::sis::clever::{CLIENT_SECRET, Fault, Links, What};

async fn fails(here: &Here) -> ConnectorError {
    read(here.source(), Resume::default()).await.unwrap_err()
}

#[tokio::test]
async fn cl_01_tokens_are_listed_with_basic_and_02_the_districts_own_is_taken() {
    let here = Here::start(district(3)).await;
    assert_eq!(here.read().await.students.len(), 3);
    let asked = here.asked();
    assert_eq!(asked[0], "/oauth/tokens?owner_type=district&district=55108ad78349a40100000022");
    // A server that lists everybody's tokens all the same.
    here.cloud.manners(|manners| manners.all_tokens = true);
    assert_eq!(here.read().await.students.len(), 3);

    let mut settings = here.settings();
    settings.client_secret = Secret::new("another");
    let error = read(source(settings), Resume::default()).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Side::Operator, Retry::NotThisTarget));
    assert!(error.message.contains("id and secret") && !error.message.contains("another"), "{error}");
}

#[tokio::test]
async fn cl_03_05_a_district_without_a_token_is_disconnected() {
    let here = Here::start(district(3)).await;
    let before = here.read().await.cursor.unwrap();
    here.cloud.connected(false);
    for empty in [false, true] {
        if empty {
            let nothing = r#"{"data":[],"links":[{"rel":"self","uri":"/oauth/tokens"}]}"#;
            here.cloud.fault(Fault::always("/oauth/tokens", What::Body(nothing.to_owned())));
        }
        let read = here.read_on(&before).await;
        assert_eq!(read.facts.state, SourceState::Disconnected);
        assert_eq!((read.completeness, read.cursor.as_ref()), (Completeness::Incomplete, Some(&before)));
        assert!(read.students.is_empty() && read.gone.is_empty() && read.noticed("district_disconnected"));
    }
    let error = here.source().check().await.unwrap_err();
    assert_eq!(error.fault, Side::District);
}

#[tokio::test]
async fn cl_04_a_rotated_token_is_found_again() {
    let here = Here::start(district(25)).await;
    here.cloud.before("starting_after", rostercard_practice::sis::clever::Clever::rotate);
    let read = here.read().await;
    assert_eq!((read.students.len(), read.completeness), (25, Completeness::Snapshot));
    let tokens = here.asked().iter().filter(|target| target.starts_with("/oauth")).count();
    assert_eq!(tokens, 2);
    // Still 401 with the new one: listed once more, and no more.
    here.cloud.fault(Fault::always("/v3.1/users?role=student&limit", What::Status(401)));
    let error = fails(&here).await;
    assert!(error.message.contains("no token that opens"), "{error}");
    let asked = here.asked();
    assert_eq!(asked.iter().filter(|target| target.starts_with("/oauth")).count(), 2, "{asked:?}");
}

#[tokio::test]
async fn cl_06_nothing_secret_is_in_debug_or_errors() {
    let here = Here::start(district(2)).await;
    let mut source = here.source();
    source.facts().await.unwrap();
    source.next_page().await.unwrap();
    let token = here.cloud.token().unwrap();
    let shown = format!("{source:?}");
    here.cloud.fault(Fault::always("/users", What::Status(400)));
    let error = format!("{:?}", fails(&here).await);
    for canary in [CLIENT_SECRET, token.as_str(), "Family1", "4001"] {
        assert!(!shown.contains(canary) && !error.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn cl_07_tokens_and_data_may_be_on_two_hosts() {
    let (data, tokens) = (Here::start(district(4)).await, Here::start(district(0)).await);
    let mut settings = data.settings();
    settings.oauth = tokens.endpoint();
    assert_eq!(read(source(settings), Resume::default()).await.unwrap().students.len(), 4);
    assert!(data.asked().iter().all(|target| target.starts_with("/v3.1/")));
    assert!(tokens.asked().iter().all(|target| target.starts_with("/oauth/")));
}

#[tokio::test]
async fn cl_08_a_token_that_may_not_read_rosters_says_so() {
    let here = Here::start(district(2)).await;
    here.cloud.manners(|manners| manners.scopes = vec!["read:user_id".to_owned()]);
    let error = fails(&here).await;
    assert!(error.message.contains("read:sis") && error.hint.contains("Secure Sync"), "{error}");
    here.cloud.manners(|manners| manners.scopes.clear());
    for status in [401, 403] {
        here.cloud.mend();
        let message = "Resource not in token's scopes".to_owned();
        here.cloud.fault(Fault::always("/schools", What::Refusal(status, message)));
        let error = fails(&here).await;
        assert!(error.message.contains("read:sis") && error.retry == Retry::NotThisTarget, "{error}");
    }
}

#[tokio::test]
async fn cl_09_the_token_goes_nowhere_else() {
    let (here, elsewhere) = (Here::start(district(2)).await, Here::start(district(2)).await);
    let address = format!("{}/v3.1/users", elsewhere.running.url("clever"));
    here.cloud.fault(Fault::always("/users", What::Redirect(address)));
    let error = fails(&here).await;
    assert!(error.message.contains("302"), "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn cl_10_to_12_pages_follow_the_next_link_wherever_it_stands() {
    let here = Here::start(district(35)).await;
    for links in [Links::Usual, Links::Shuffled, Links::Absolute] {
        here.cloud.manners(|manners| manners.links = links);
        let read = here.read().await;
        assert_eq!((read.students.len(), read.completeness), (35, Completeness::Snapshot), "{links:?}");
    }
    // Without links there is one page: fewer came than were counted.
    here.cloud.manners(|manners| manners.links = Links::Missing);
    let cut = here.read().await;
    assert_eq!((cut.students.len(), cut.completeness), (10, Completeness::Incomplete));
    // Another host is refused, and nothing is sent there.
    here.cloud.manners(|manners| manners.links = Links::Elsewhere);
    let error = fails(&here).await;
    assert!(error.message.contains("another server"), "{error}");
}

#[tokio::test]
async fn cl_13_pages_in_a_circle_are_noticed() {
    let here = Here::start(district(35)).await;
    here.cloud.manners(|manners| manners.links = Links::Circle);
    let error = fails(&here).await;
    assert!(error.message.contains("circle"), "{error}");
    assert!(here.asked().len() < 12);
}

#[tokio::test]
async fn cl_14_a_last_page_may_be_empty() {
    let here = Here::start(district(30)).await;
    here.cloud.manners(|manners| manners.eager_next = true);
    let read = here.read().await;
    assert_eq!((read.students.len(), read.completeness), (30, Completeness::Snapshot));
}

#[tokio::test]
async fn cl_15_too_large_pages_are_made_smaller() {
    let here = Here::start(district(45)).await;
    here.cloud.manners(|manners| manners.most = 16);
    let mut settings = here.settings();
    settings.page_size = 50;
    let read = read(source(settings), Resume::default()).await.unwrap();
    assert_eq!((read.students.len(), read.completeness), (45, Completeness::Snapshot));
    assert!(here.asked().iter().any(|target| target.contains("limit=12")));
    here.cloud.fault(Fault::always("/users?role", What::Status(413)));
    assert!(fails(&here).await.message.contains("413"));
}

#[tokio::test]
async fn cl_16_somebody_who_comes_or_goes_between_pages() {
    let here = Here::start(district(25)).await;
    here.cloud.before("starting_after", |cloud| {
        cloud.edit(|book| {
            book.users.remove(&user(1));
            book.users.remove(&user(24));
            book.add_student(&user(90), "4090", ("New", "Comer"), "1/1/2016", crate::support::SCHOOL);
        });
    });
    let first = here.read().await;
    assert_eq!((first.students.len(), first.completeness), (25, Completeness::Snapshot));
    // What happened meanwhile comes with the events: the baseline is from before.
    let next = here.read_on(first.cursor.as_ref().unwrap()).await;
    assert_eq!(next.ids(), ["4090"]);
    let mut gone: Vec<_> = next.gone.iter().filter_map(|(number, _)| number.as_deref()).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["4001", "4024"]);
}

#[tokio::test]
async fn cl_17_a_page_that_fails_is_asked_for_again_and_a_stream_that_breaks_is_no_snapshot() {
    let here = Here::start(district(35)).await;
    here.cloud.fault(Fault { from: 2, times: 3, ..Fault::once("starting_after", What::Status(500)) });
    let read = here.read().await;
    assert_eq!((read.students.len(), read.completeness), (35, Completeness::Snapshot));
    here.cloud.mend();
    here.cloud.fault(Fault { from: 2, times: 0, ..Fault::once("starting_after", What::Status(503)) });
    let error = fails(&here).await;
    assert_eq!((error.fault, error.retry), (Side::Network, Retry::Later));
}

#[tokio::test]
async fn cl_18_a_count_that_is_far_off_makes_the_reading_incomplete() {
    let here = Here::start(district(30)).await;
    for (off, whole) in [(Some(0), true), (Some(5), true), (Some(40), false), (Some(-20), true), (None, true)]
    {
        here.cloud.manners(|manners| manners.count_off_by = off);
        let read = here.read().await;
        assert_eq!(read.completeness == Completeness::Snapshot, whole, "{off:?}");
        assert_eq!((read.cursor.is_some(), read.noticed("fewer_than_counted")), (whole, !whole), "{off:?}");
    }
}

#[tokio::test]
async fn cl_20_to_24_too_many_requests_are_waited_for() {
    let http_date = "Tue, 24 Nov 2026 08:00:01 GMT";
    for (reset_in, retry_after) in [
        (Some(1), None),
        (None, Some("1")),
        (None, Some(http_date)),
        (None, None),
        (Some(-500), None),
        (Some(1 << 40), None),
    ] {
        let here = Here::start(district(5)).await;
        let what = What::TooMany { reset_in, retry_after: retry_after.map(str::to_owned) };
        here.cloud.fault(Fault { times: 2, ..Fault::once("/users", what) });
        assert_eq!(here.read().await.students.len(), 5, "{reset_in:?} {retry_after:?}");
    }
    // Not for ever.
    let here = Here::start(district(5)).await;
    here.cloud.fault(Fault::always("/users", What::TooMany { reset_in: None, retry_after: None }));
    let error = fails(&here).await;
    assert!(error.message.contains("429") && error.retry == Retry::Later, "{error}");
}

#[tokio::test]
async fn cl_23_the_limit_is_not_reached_where_it_can_be_seen() {
    let here = Here::start(district(60)).await;
    here.cloud.manners(|manners| {
        manners.limit = 10;
        manners.window = Duration::from_secs(1);
    });
    let mut settings = here.settings();
    settings.page_size = 2;
    settings.patience.longest = Duration::from_secs(2);
    // Nothing may be refused: a single 429 ends this reading.
    settings.patience.too_many = 0;
    let read = read(source(settings), Resume::default()).await.unwrap();
    assert_eq!(read.students.len(), 60);
}

#[tokio::test]
async fn cl_25_a_wait_can_be_given_up() {
    let here = Here::start(district(2)).await;
    here.cloud.fault(Fault::always("/users", What::TooMany { reset_in: Some(60), retry_after: None }));
    let mut settings = here.settings();
    settings.patience.longest = Duration::from_secs(60);
    let began = std::time::Instant::now();
    let reading = read(source(settings), Resume::default());
    assert!(tokio::time::timeout(Duration::from_millis(300), reading).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn cl_30_what_is_refused_is_not_asked_again() {
    for status in [400, 404, 501] {
        let here = Here::start(district(2)).await;
        here.cloud.fault(Fault::always("/users?role=student&limit", What::Status(status)));
        let error = fails(&here).await;
        assert!(error.message.contains(&status.to_string()), "{error}");
        assert_eq!(error.retry, Retry::NotThisTarget, "{status}");
        let asked = here.asked();
        assert_eq!(
            asked.iter().filter(|target| target.contains("&limit=10")).count(),
            1,
            "{status}: {asked:?}"
        );
    }
    for status in [500, 502, 503] {
        let here = Here::start(district(2)).await;
        here.cloud.fault(Fault::always("/users?role=student&limit", What::Status(status)));
        assert_eq!(fails(&here).await.retry, Retry::Later, "{status}");
        let asked = here.asked();
        assert_eq!(
            asked.iter().filter(|target| target.contains("&limit=10")).count(),
            4,
            "{status}: {asked:?}"
        );
    }
}

#[tokio::test]
async fn cl_31_html_and_answers_that_are_cut_off() {
    let here = Here::start(district(20)).await;
    for what in [What::Html(500), What::Half, What::Html(200), What::Body(r#"{"message":"x"}"#.to_owned())] {
        here.cloud.mend();
        here.cloud.fault(Fault { times: 2, ..Fault::once("/users?role=student&limit", what.clone()) });
        let read = here.read().await;
        assert_eq!((read.students.len(), read.completeness), (20, Completeness::Snapshot), "{what:?}");
        here.cloud.mend();
        here.cloud.fault(Fault::always("/users?role=student&limit", what.clone()));
        let error = fails(&here).await;
        assert!(!error.message.contains('<') && error.retry == Retry::Later, "{error}");
    }
    for status in [401, 403, 404] {
        here.cloud.mend();
        here.cloud.fault(Fault::always("/users", What::Html(status)));
        assert!(!fails(&here).await.message.contains('<'));
    }
}

#[tokio::test]
async fn cl_32_nobody_is_waited_for_for_ever() {
    let here = Here::start(district(2)).await;
    here.cloud.fault(Fault::always("/users", What::Slow(Duration::from_secs(60))));
    let mut settings = here.settings();
    settings.deadline = Duration::from_millis(100);
    let error = read(source(settings.clone()), Resume::default()).await.unwrap_err();
    assert!(error.message.contains("deadline") && error.retry == Retry::Later, "{error}");
    drop(here);
    let error = read(source(settings), Resume::default()).await.unwrap_err();
    assert!(error.message.contains("refused") && error.retry == Retry::Later, "{error}");
}

#[tokio::test]
async fn cl_33_a_user_who_is_not_there_is_not_found_and_one_who_cannot_be_asked_for_is_unknown() {
    let here = Here::start(district(2)).await;
    let mut source = here.source();
    source.facts().await.unwrap();
    let ids = |n: u32| [Personal::new(user(n))];
    assert!(
        matches!(source.fetch_one(&ids(1)).await, FetchOne::Found(student) if student.student_id.reveal() == "4001")
    );
    assert!(matches!(source.fetch_one(&ids(77)).await, FetchOne::NotFound));
    assert!(matches!(source.fetch_one(&[Personal::new("../schools")]).await, FetchOne::NotFound));
    assert!(matches!(source.fetch_one(&[]).await, FetchOne::Unknown));
    here.cloud.fault(Fault::always("/users/", What::Status(500)));
    assert!(matches!(source.fetch_one(&ids(1)).await, FetchOne::Unknown));
    here.cloud.connected(false);
    assert!(matches!(here.source().fetch_one(&ids(1)).await, FetchOne::Unknown));
}

#[tokio::test]
async fn check_says_what_would_stand_in_the_way() {
    let here = Here::start(district(2)).await;
    assert!(here.source().check().await.unwrap().is_empty());
    here.cloud.manners(|manners| manners.events = false);
    here.cloud.edit(|book| {
        book.users.clear();
        book.schools.clear();
        book.state("paused");
    });
    let codes: Vec<&str> = here.source().check().await.unwrap().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["district_paused", "no_schools", "no_students", "events_off"]);
}

#[tokio::test]
async fn facts_say_which_roster_it_is() {
    let here = Here::start(district(2)).await;
    let facts = rostercard_source_clever::Clever::new(here.settings(), all_fields(), today(), now())
        .facts()
        .await
        .unwrap();
    assert_eq!(facts.as_of, Some("2026-11-24T06:00:00Z".parse().unwrap()));
    assert_eq!(facts.description, "Clever v3.1 of practice");
    assert!(facts.endpoint.ends_with("v3.1 district 55108ad78349a40100000022"));
    let cursor = here.read().await.cursor.unwrap();
    here.cloud.edit(|book| book.student(&user(1), "grade", serde_json::json!("9")));
    let later = here.read_on(&cursor).await.cursor.unwrap();
    for canary in [user(1), user(2), "Given".to_owned(), "Family".to_owned(), "2015".to_owned()] {
        assert!(!cursor.0.contains(&canary) && !later.0.contains(&canary), "{canary} in {}", later.0);
    }
    assert_eq!(here.read_on(&cursor).await.completeness, Completeness::Delta);
    let everything = Resume { full: Some("the card rules were changed".to_owned()), ..resume(&cursor) };
    let read = read(here.source(), everything).await.unwrap();
    assert!(read.completeness == Completeness::Snapshot && read.noticed("full_reading"));
}
