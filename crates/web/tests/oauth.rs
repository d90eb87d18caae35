//! Tokens from servers that are right, and from servers that are not.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rostercard_web::{ClientAuth, ClientSettings, Endpoint, OAuth, OAuthError, OAuthSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A token server that gives these answers, one a connection, the last one for ever; and what it was asked.
async fn server(answers: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut next = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            // Head, then as much as it says.
            loop {
                let n = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                if n == 0 || body.len() >= length.map_or(0, |l| l.parse().unwrap()) {
                    break;
                }
            }
            log.lock().unwrap().push(String::from_utf8(request).unwrap());
            let answer = answers.get(next).or(answers.last()).unwrap();
            next += 1;
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (format!("http://{address}/token?tenant=7"), asked)
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn token(name: &str, expires: u64) -> String {
    answer("200 OK", &format!(r#"{{"access_token":"{name}","token_type":"bearer","expires_in":{expires}}}"#))
}

fn oauth(url: &str, auth: ClientAuth, scopes: &[&str]) -> OAuth {
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = OAuthSettings {
        token_url: Endpoint::parse(url, false).unwrap(),
        client_id: "library one".into(),
        client_secret: "s3cret/+".to_owned().into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        auth,
    };
    OAuth::new(settings, ClientSettings { deadline: Duration::from_secs(5), ..ClientSettings::default() })
        .unwrap()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let (url, asked) = server(vec![token("T-1", 3600)]).await;
    let oauth = oauth(&url, ClientAuth::Basic, &["roster.readonly", "demographics.readonly"]);
    let (one, two) = tokio::join!(oauth.token(), oauth.token());
    assert_eq!(one.unwrap().header(), "Bearer T-1");
    assert_eq!(two.unwrap().header(), "Bearer T-1");
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("POST /token?tenant=7 "), "{}", asked[0]);
    // RFC 6749, 2.3.1: both parts form-encoded, then Basic.
    assert!(asked[0].contains("bGlicmFyeStvbmU6czNjcmV0JTJGJTJC"), "{}", asked[0]);
    assert!(asked[0].ends_with("grant_type=client_credentials&scope=roster.readonly+demographics.readonly"));
}

#[tokio::test]
async fn the_secret_may_go_in_the_body_and_no_scope_is_no_scope() {
    let (url, asked) = server(vec![token("T-1", 3600)]).await;
    oauth(&url, ClientAuth::Post, &[]).token().await.unwrap();
    let asked = asked.lock().unwrap();
    assert!(!asked[0].to_ascii_lowercase().contains("authorization:"));
    assert!(asked[0].contains("client_id=library+one") && asked[0].contains("client_secret=s3cret%2F%2B"));
    assert!(!asked[0].contains("scope"));
}

#[tokio::test]
async fn a_forgotten_token_is_fetched_anew_once() {
    let (url, asked) = server(vec![token("T-1", 3600), token("T-2", 3600)]).await;
    let oauth = oauth(&url, ClientAuth::Basic, &[]);
    let first = oauth.token().await.unwrap();
    oauth.forget(&first).await;
    let second = oauth.token().await.unwrap();
    assert_eq!(second.header(), "Bearer T-2");
    // A late asker with the old token does not throw the new one away.
    oauth.forget(&first).await;
    oauth.token().await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_token_without_a_life_left_is_not_used() {
    let (url, asked) = server(vec![token("T-1", 0), token("T-2", 3600)]).await;
    let oauth = oauth(&url, ClientAuth::Basic, &[]);
    oauth.token().await.unwrap();
    assert_eq!(oauth.token().await.unwrap().header(), "Bearer T-2");
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn refusals_say_whose_side_they_are_on_and_nothing_else() {
    let refused = r#"{"error":"invalid_client","error_description":"s3cret/+ is wrong"}"#;
    let cases: [(String, &str, bool); 5] = [
        (answer("401 Unauthorized", refused), "invalid_client", false),
        (answer("503 Service Unavailable", "<html>busy</html>"), "holds no token", true),
        (answer("200 OK", "<html>log in</html>"), "holds no token", false),
        (answer("200 OK", r#"{"access_token":"x","token_type":"mac"}"#), "Bearer", false),
        (answer("302 Found", ""), "holds no token", false),
    ];
    for (canned, says, passes) in cases {
        let (url, _) = server(vec![canned.clone()]).await;
        let error = oauth(&url, ClientAuth::Basic, &[]).token().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(says), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("tenant"), "{shown}");
        assert_eq!(error.may_pass(), passes, "{canned}");
        assert!(error.hint().len() > 10);
    }
    let gone = oauth("http://127.0.0.1:1/token", ClientAuth::Basic, &[]).token().await.unwrap_err();
    assert!(matches!(gone, OAuthError::Web(_)) && gone.may_pass());
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let (url, _) = server(vec![token("T-1", 3600)]).await;
    let oauth = oauth(&url, ClientAuth::Basic, &[]);
    let bearer = oauth.token().await.unwrap();
    let shown = format!("{oauth:?} {bearer:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("T-1") && !shown.contains("tenant"), "{shown}");
}

#[tokio::test]
async fn basic_may_go_without_encoding_and_the_scopes_that_came_are_said() {
    let body = "{\"access_token\":\"T0KEN\",\"expires_in\":\"3600\",\"scope\":\"a b\"}";
    let (url, seen) = server(vec![answer("200 OK", body)]).await;
    let oauth = oauth(&url, ClientAuth::BasicRaw, &["a", "b", "c"]);
    assert_eq!(oauth.granted().await, None);
    // The life is a text and the kind is missing: both are understood.
    assert_eq!(oauth.token().await.unwrap().header(), "Bearer T0KEN");
    assert_eq!(oauth.token().await.unwrap().header(), "Bearer T0KEN");
    assert_eq!(oauth.granted().await, Some(vec!["a".to_owned(), "b".to_owned()]));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].to_lowercase().matches("authorization: basic ").count(), 1, "{}", seen[0]);
}
