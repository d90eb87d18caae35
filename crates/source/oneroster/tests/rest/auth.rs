//! A1 to A12: who we are, and to whom we say it.

use rostercard_core::ports::{Fault, Retry};
use rostercard_oneroster::Version;
use rostercard_oneroster::rest::oauth1::Method;
use rostercard_practice::sis::oneroster::{Auth, Fault as Wrong, Link, Quirks, Strike, TokenAuth};
use rostercard_source_oneroster::RestSettings;
use rostercard_web::ClientAuth;

use crate::support::District;

#[tokio::test]
async fn a1_a2_a3_the_ways_to_get_a_token() {
    for (token_auth, auth) in [
        (TokenAuth::BasicRaw, ClientAuth::BasicRaw),
        (TokenAuth::BasicEncoded, ClientAuth::Basic),
        (TokenAuth::Post, ClientAuth::Post),
    ] {
        let district = District::start(12, Quirks { token_auth, ..Quirks::default() }).await;
        let login = district.oauth(auth, "?appName=rostercard");
        let read = district.try_read(RestSettings { login, ..district.settings() }).await.unwrap();
        read.whole(12);
        assert_eq!(district.sis.tokens_given(), 1);
        assert_eq!(district.sis.scopes_asked(), ["roster-core.readonly", "roster-demographics.readonly"]);
    }
    let district = District::start(2, Quirks { token_auth: TokenAuth::Post, ..Quirks::default() }).await;
    let error = district.try_read(district.settings()).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::Operator, Retry::NotThisTarget));
    assert!(error.message.contains("invalid_client"), "{error}");
}

#[tokio::test]
async fn a4_a_token_that_dies_in_mid_walk_is_renewed() {
    let quirks = Quirks {
        token_requests: Some(3),
        token_says: Some(3600),
        token_says_in_text: true,
        ..Quirks::default()
    };
    let district = District::start(45, quirks).await;
    district.read().await.whole(45);
    assert!(district.sis.tokens_given() >= 4, "{}", district.sis.tokens_given());
}

#[tokio::test]
async fn a4_a_token_with_no_life_left_is_not_used_twice() {
    for says in [None, Some(1)] {
        let district = District::start(25, Quirks { token_says: says, ..Quirks::default() }).await;
        district.read().await.whole(25);
    }
}

#[tokio::test]
async fn a5_a6_one_refusal_renews_the_token_and_two_end_it() {
    let once = Strike::Status { status: 401, retry_after: None };
    let fault = Wrong { endpoint: Some("students".into()), from: 2, times: 1, strike: once };
    let district = District::start(25, Quirks { faults: vec![fault], ..Quirks::default() }).await;
    district.read().await.whole(25);
    assert_eq!(district.sis.tokens_given(), 2);

    let district = District::start(25, Quirks { refuses_tokens: true, ..Quirks::default() }).await;
    let error = district.try_read(district.settings()).await.unwrap_err();
    assert_eq!((error.fault, error.retry), (Fault::Operator, Retry::NotThisTarget));
    assert!(error.message.contains("HTTP 401") && error.hint.contains("scopes"), "{error}");
    assert_eq!(district.sis.take_log().len(), 2);
}

#[tokio::test]
async fn a8_signed_requests_are_accepted() {
    for method in [Method::HmacSha1, Method::HmacSha256] {
        let district = District::start(25, Quirks { auth: Auth::Oauth1, ..Quirks::default() }).await;
        let settings =
            RestSettings { login: District::oauth1(method), ..district.settings_of(Version::V1_1) };
        let first = district.try_read(settings.clone()).await.unwrap();
        first.whole(25);
        // With a filter, whose quotes and colons are signed as they are sent.
        let again = district.go_on(settings, first.cursor.as_ref()).await;
        assert!(again.students.is_empty() && again.cursor.is_some(), "{again:?}");
        let log = district.sis.take_log();
        assert!(log.iter().any(|asked| asked.target.contains("filter=dateLastModified%3E%27")), "{log:?}");
        assert!(log.iter().all(|asked| asked.status == 200));
    }
}

#[tokio::test]
async fn a9_a_clock_that_is_wrong_is_named() {
    let quirks = Quirks { auth: Auth::Oauth1, refuses_tokens: true, clock_ahead: 3600, ..Quirks::default() };
    let district = District::start(3, quirks).await;
    let login = District::oauth1(Method::HmacSha1);
    let error = district.try_read(RestSettings { login, ..district.settings() }).await.unwrap_err();
    assert!(error.message.contains("60 minutes ahead of"), "{error}");
    assert!(error.hint.contains("clock"));
}

#[tokio::test]
async fn a10_a_token_that_stays() {
    let district = District::start(25, Quirks { auth: Auth::Bearer, ..Quirks::default() }).await;
    let settings = RestSettings { login: District::bearer(), ..district.settings() };
    district.try_read(settings).await.unwrap().whole(25);
    assert_eq!(district.sis.tokens_given(), 0);
}

#[tokio::test]
async fn a11_no_other_server_is_ever_asked() {
    let other = District::start(25, Quirks { auth: Auth::Open, ..Quirks::default() }).await;
    let strike = Strike::Redirect(format!("{}/students", other.running.url("oneroster_1_2")));
    let fault = Wrong { endpoint: Some("students".into()), from: 1, times: 99, strike };
    let district = District::start(25, Quirks { faults: vec![fault], ..Quirks::default() }).await;
    let error = district.try_read(district.settings()).await.unwrap_err();
    assert!(error.message.contains("sends the asker elsewhere"), "{error}");
    assert_eq!(other.sis.take_log(), []);

    let district = District::start(25, Quirks { link: Link::Elsewhere, ..Quirks::default() }).await;
    district.read().await.whole(25);
    assert_eq!(other.sis.take_log(), []);
}

#[tokio::test]
async fn a12_no_secret_and_no_path_in_errors() {
    let strike = Strike::Status { status: 403, retry_after: None };
    let fault = Wrong { endpoint: None, from: 1, times: 99, strike };
    let district = District::start(2, Quirks { faults: vec![fault], ..Quirks::default() }).await;
    let settings = district.settings();
    let shown = format!("{settings:?}");
    let error = district.try_read(settings).await.unwrap_err();
    let source = format!("{:?}", district.source(district.settings()));
    for text in [shown, source, error.message, error.hint] {
        for secret in ["practice secret", "practice-token", "CANARY"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
