//! An API behind a login: what is on each call, what is sent again and what is not.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};

use rostercard_web::{
    Ask, Class, ClientAuth, ClientSettings, Endpoint, Login, OAuth, OAuthSettings, Rest, RestError, Reuse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

type Log = Arc<Mutex<Vec<String>>>;

/// A server that gives these answers, one a connection, the last one for ever; and what it was asked.
async fn server(answers: &'static [&'static str]) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Log::default();
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        for n in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                if read == 0 || body.len() >= length.map_or(0, |l| l.parse().unwrap()) {
                    break;
                }
            }
            log.lock().unwrap().push(String::from_utf8(request).unwrap());
            let (head, body) = answers.get(n).or(answers.last()).unwrap().split_once('|').unwrap();
            let answer = format!(
                "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (format!("http://{address}/api/v1/"), asked)
}

/// An API whose tokens come from a server of its own.
fn by_key(url: &str, tokens: &str) -> Rest {
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = OAuthSettings {
        token_url: Endpoint::parse(tokens, false).unwrap(),
        client_id: "id".into(),
        client_secret: "s3cret".to_owned().into(),
        scopes: Vec::new(),
        auth: ClientAuth::Post,
    };
    let oauth = OAuth::new(settings, ClientSettings::default()).unwrap();
    let base = Endpoint::parse(url, false).unwrap();
    Rest::new(base, Login::OAuth(Box::new(oauth)), ClientSettings::default(), Reuse::Never).unwrap()
}

const TOKEN: &str = r#"200 OK|{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#;

fn count(log: &Log) -> usize {
    log.lock().unwrap().len()
}

#[tokio::test]
async fn a_call_carries_the_login_the_query_and_the_body() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (url, asked) = server(&["200 OK|[]"]).await;
    let login = Login::Basic { user: "Aladdin".into(), password: "open sesame".to_owned().into() };
    let base = Endpoint::parse(&url, false).unwrap();
    let rest = Rest::new(base, login, ClientSettings::default(), Reuse::Never).unwrap();
    let ask = Ask::put("patrons/7", b"{}".to_vec()).query("q", "{\"a\":\"Zoë &\"}").header("x-embed", "more");
    let answer = rest.send(&ask).await.unwrap();
    assert_eq!((answer.class(), answer.body.as_slice()), (Class::Success, &b"[]"[..]));
    let request = asked.lock().unwrap()[0].to_lowercase();
    for part in [
        "put /api/v1/patrons/7?q=%7b%22a%22%3a%22zo%c3%ab+%26%22%7d http/1.1",
        "authorization: basic qwxhzgrpbjpvcgvuihnlc2ftzq==",
        "content-type: application/json",
        "accept: application/json",
        "x-embed: more",
        "connection: close",
    ] {
        assert!(request.contains(part), "{part} is not in {request}");
    }
    let shown = format!("{rest:?} {ask:?}");
    for secret in ["Aladdin:", "sesame", "Zo", "patrons"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_call_that_was_not_let_in_is_sent_once_more_and_no_other_is() {
    for (answers, calls, tokens_asked, status) in [
        (&["401 Unauthorized|{}", "201 Created|{}"][..], 2, 2, 201),
        (&["401 Unauthorized|{}"][..], 2, 2, 401),
        (&["403 Forbidden|{}"][..], 1, 1, 403),
        (&["429 Too Many|{}"][..], 1, 1, 429),
        (&["500 Oops|{}"][..], 1, 1, 500),
        (&["503 Later|{}"][..], 1, 1, 503),
        (&["307 Elsewhere\r\nLocation: /api/v1/other|"][..], 1, 1, 307),
    ] {
        let (url, asked) = server(answers).await;
        let (tokens, given) = server(&[TOKEN]).await;
        let answer = by_key(&url, &tokens).send(&Ask::post("patrons", b"{}".to_vec())).await.unwrap();
        assert_eq!((answer.status, count(&asked), count(&given)), (status, calls, tokens_asked), "{status}");
        assert!(asked.lock().unwrap()[0].contains("Bearer t0ken"));
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let (url, asked) = server(&["200 OK|[]"]).await;
    let (tokens, _) = server(&[r#"403 Forbidden|{"error":"access_denied"}"#]).await;
    let error = by_key(&url, &tokens).send(&Ask::get("patrons")).await.unwrap_err();
    assert!(matches!(error, RestError::Token(_)) && error.nothing_sent() && !error.may_pass());
    assert_eq!(count(&asked), 0);
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[tokio::test]
async fn connections_are_kept_once_a_web_server_was_seen_before_the_workers() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let login = || Login::Basic { user: "a".into(), password: "b".to_owned().into() };
    for (answers, kept) in [(&["200 OK\r\nServer: nginx/1.24|[]"][..], true), (&["200 OK|[]"][..], false)] {
        let (url, asked) = server(answers).await;
        let base = Endpoint::parse(&url, false).unwrap();
        let rest = Rest::new(base, login(), ClientSettings::default(), Reuse::default()).unwrap();
        assert!(!rest.reuses(), "not before anything is known");
        for _ in 0..2 {
            rest.send(&Ask::get("patrons")).await.unwrap();
        }
        assert_eq!(rest.reuses(), kept);
        let closes = |at: usize| asked.lock().unwrap()[at].to_lowercase().contains("connection: close");
        assert_eq!((closes(0), closes(1)), (true, !kept));
    }
}
