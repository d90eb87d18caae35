//! The two ways, on real sockets of this machine, against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use rostercard_practice::mail::{MailServer, Manner};
use rostercard_tell::mail::MailSettings;
use rostercard_tell::webhook::sign;
use rostercard_tell::{
    About, Item, Kind, Letter, Mail, News, Security, Signing, TellError, Waits, Webhook, What,
};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const TO: &str = "Pat Example <pat-secret@library.example>";

fn letter() -> Letter {
    let at = "2026-11-24T04:30:00Z".parse().unwrap();
    Letter {
        contact: "Pat".into(),
        library: "Bücherei Wald".into(),
        zone: TimeZone::UTC,
        district: false,
        deputy: true,
        at,
        items: vec![Item {
            news: News::Begins,
            kind: Kind::Waiting,
            about: Some(About { id: "oak".into(), name: "oak".into() }),
            what: Some(What::Waiting {
                run: 12,
                changes: 40,
                why: vec![Waits {
                    guard: "first_connection".into(),
                    kind: None,
                    school: Some("Elm School".into()),
                    found: "40".into(),
                    cause: "the partnership is new".into(),
                }],
                until: None,
            }),
            since: at,
        }],
    }
}

fn settings(server: &str, port: u16) -> MailSettings {
    MailSettings {
        server: server.into(),
        port,
        security: Security::None,
        login: None,
        from: "Rostercard <rostercard@library.example>".into(),
        ca_file: None,
        deadline: Duration::from_millis(600),
    }
}

#[tokio::test]
async fn mail_goes_out_whole_and_the_same_news_have_the_same_id() {
    let server = MailServer::start().await.unwrap();
    let mail = Mail::new(&settings("127.0.0.1", server.port())).unwrap();
    mail.send(TO, &letter()).await.unwrap();
    mail.send(TO, &Letter { at: "2026-11-24T04:31:00Z".parse().unwrap(), ..letter() }).await.unwrap();
    let got = server.take();
    assert_eq!(
        (got[0].from.as_str(), &got[0].to[..]),
        ("rostercard@library.example", &["pat-secret@library.example".to_owned()][..])
    );
    assert_eq!(got[0].header("subject").unwrap(), "Rostercard: oak: 40 changes wait for you");
    assert_eq!(got[0].header("date").unwrap(), "Tue, 24 Nov 2026 04:30:00 +0000");
    assert_eq!(got[0].header("auto-submitted").unwrap(), "auto-generated");
    assert_eq!(got[0].header("message-id"), got[1].header("message-id"));
    let text = got[0].text();
    for part in [
        "40 changes wait of oak, run 12",
        "rostercard approve 12",
        "rostercard optout",
        "Bücherei Wald",
        "Elm School",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[tokio::test]
async fn whatever_a_mail_server_does_it_is_said_in_time_and_without_an_address() {
    let server = MailServer::start().await.unwrap();
    let mail = Mail::new(&settings("127.0.0.1", server.port())).unwrap();
    for (manner, refused, later) in [
        (Manner::Later, true, true),
        (Manner::Refuses, true, false),
        (Manner::WantsALogin, true, false),
        (Manner::Hangs, false, true),
        (Manner::HangsAfterTheMessage, false, true),
        (Manner::Drops, false, true),
        (Manner::Babbles, false, true),
    ] {
        server.set_manner(manner);
        let begun = Instant::now();
        let error = mail.send(TO, &letter()).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{manner:?}");
        match &error {
            TellError::Refused { later: said, .. } => {
                assert!(refused && *said == later, "{manner:?}: {error}");
            }
            TellError::NoAnswer { .. } => assert!(!refused, "{manner:?}: {error}"),
            TellError::Settings { .. } => panic!("{manner:?}: {error}"),
        }
        let shown = format!("{error} {error:?} {}", error.hint());
        assert!(!shown.contains("pat-secret") && !shown.contains("Elm"), "{shown}");
    }
    let nobody = Mail::new(&settings("127.0.0.1", 9)).unwrap();
    assert!(matches!(nobody.send(TO, &letter()).await, Err(TellError::NoAnswer { .. })));
}

#[tokio::test]
async fn a_login_is_made_where_one_is_wanted() {
    let server = MailServer::start().await.unwrap();
    server.set_manner(Manner::WantsALogin);
    let login = |password: &str| Some(("rostercard".to_owned(), SecretString::from(password)));
    let right = MailSettings { login: login("practice"), ..settings("127.0.0.1", server.port()) };
    assert!(!format!("{right:?}").contains("practice"));
    Mail::new(&right).unwrap().send(TO, &letter()).await.unwrap();
    assert_eq!((server.logins(), server.messages().len()), (1, 1));
    let wrong = MailSettings { login: login("s3cret"), ..right };
    let error = Mail::new(&wrong).unwrap().send(TO, &letter()).await.unwrap_err();
    assert!(matches!(error, TellError::Refused { later: false, .. }), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn without_tls_mail_goes_to_this_machine_alone_and_a_server_without_it_gets_nothing() {
    for server in ["mail.example.org", "10.0.0.1", "localhost.example.org"] {
        assert!(matches!(Mail::new(&settings(server, 25)), Err(TellError::Settings { .. })), "{server}");
    }
    let server = MailServer::start().await.unwrap();
    let wants_tls = MailSettings { security: Security::StartTls, ..settings("127.0.0.1", server.port()) };
    Mail::new(&wants_tls).unwrap().send(TO, &letter()).await.unwrap_err();
    assert_eq!((server.connections(), server.messages().len()), (1, 0));
}

/// A server that speaks STARTTLS, or TLS at once; what came after the handshake.
async fn over_tls(from_the_start: bool) -> (u16, String, tokio::task::JoinHandle<String>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut clear = BufReader::new(stream);
        if !from_the_start {
            clear.write_all(b"220 hello\r\n").await.unwrap();
            let mut line = String::new();
            clear.read_line(&mut line).await.unwrap();
            clear.write_all(b"250-hello\r\n250 STARTTLS\r\n").await.unwrap();
            clear.read_line(&mut line).await.unwrap();
            assert!(line.contains("STARTTLS"), "{line}");
            clear.write_all(b"220 go\r\n").await.unwrap();
        }
        let Ok(tls) = TlsAcceptor::from(Arc::new(config)).accept(clear.into_inner()).await else {
            return String::new();
        };
        let mut tls = BufReader::new(tls);
        if from_the_start {
            tls.write_all(b"220 hello\r\n").await.unwrap();
        }
        let (mut all, mut data) = (String::new(), false);
        loop {
            let mut line = String::new();
            if tls.read_line(&mut line).await.unwrap_or(0) == 0 {
                return all;
            }
            all.push_str(&line);
            data |= line == "DATA\r\n";
            let answer: &[u8] = match line.as_str() {
                "DATA\r\n" => b"354 go\r\n",
                ".\r\n" => {
                    data = false;
                    b"250 taken\r\n"
                }
                _ if data => continue,
                _ => b"250 ok\r\n",
            };
            tls.write_all(answer).await.unwrap();
            tls.flush().await.unwrap();
        }
    });
    (port, made.cert.pem(), task)
}

#[tokio::test]
async fn mail_goes_over_tls_to_whom_the_certificate_says() {
    for security in [Security::StartTls, Security::Tls] {
        let trusted = tempfile::NamedTempFile::new().unwrap();
        let (port, pem, task) = over_tls(security == Security::Tls).await;
        std::fs::write(trusted.path(), &pem).unwrap();
        let deadline = Duration::from_secs(10);
        let settings = MailSettings {
            security,
            ca_file: Some(trusted.path().to_owned()),
            deadline,
            ..settings("localhost", port)
        };
        Mail::new(&settings).unwrap().send(TO, &letter()).await.unwrap();
        let got = task.await.unwrap();
        assert!(
            got.contains("MAIL FROM:<rostercard@library.example>") && got.contains("Subject: Rostercard"),
            "{got}"
        );
        // Another certificate than the trusted one: not a word.
        let (port, _, task) = over_tls(security == Security::Tls).await;
        let error =
            Mail::new(&MailSettings { port, ..settings }).unwrap().send(TO, &letter()).await.unwrap_err();
        assert!(matches!(error, TellError::NoAnswer { .. }), "{error}");
        assert!(!task.await.unwrap().contains("MAIL FROM"));
    }
}

/// A receiver that gives one answer, and what it was sent.
async fn receiver(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook/T0KEN", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let n = stream.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..n]);
            let text = String::from_utf8_lossy(&all).into_owned();
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                });
                length.is_some_and(|length| body.len() >= length.parse().unwrap())
            });
            if whole || n == 0 {
                stream.write_all(answer.as_bytes()).await.unwrap();
                return text;
            }
        }
    });
    (url, task)
}

#[tokio::test]
async fn a_webhook_is_signed_or_has_its_header() {
    let deadline = Duration::from_secs(5);
    let secret = || SecretString::from("s3cret");
    let (url, task) = receiver("HTTP/1.1 204 No Content\r\n\r\n").await;
    let hook = Webhook::new(&url, Signing::Hmac(secret()), deadline).unwrap();
    assert!(!format!("{hook:?}").contains("s3cret") && !format!("{hook:?}").contains("T0KEN"));
    hook.send(&letter()).await.unwrap();
    let got = task.await.unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix(&format!("{name}: ")).map(str::to_owned))
            .unwrap()
    };
    assert!(head.starts_with("POST /hook/T0KEN HTTP/1.1"));
    assert_eq!(header("x-rostercard-timestamp"), "1795494600");
    assert_eq!(header("x-rostercard-signature"), sign(&secret(), letter().at, body).1);
    assert_eq!(header("idempotency-key"), letter().id());
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&json["items"][0]["kind"], &json["items"][0]["run"]), (&"waiting".into(), &12.into()));
    assert!(json["text"].as_str().unwrap().contains("rostercard approve 12"));
    let (url, task) = receiver("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let header = Signing::Header("Authorization".into(), secret());
    Webhook::new(&url, header, deadline).unwrap().send(&letter()).await.unwrap();
    assert!(task.await.unwrap().to_ascii_lowercase().contains("\r\nauthorization: s3cret\r\n"));
}

#[test]
fn the_signature_is_the_one_that_openssl_makes() {
    // printf '1795494600.{"a":1}' | openssl dgst -sha256 -hmac s3cret
    let (moment, signature) = sign(&SecretString::from("s3cret"), letter().at, "{\"a\":1}");
    assert_eq!(moment, "1795494600");
    assert_eq!(signature, SIGNATURE);
}
const SIGNATURE: &str = "sha256=7ab9dd2c0ef5abcab72107185d30d3018bb13d236828460d9d4022d767f61e8f";

#[tokio::test]
async fn a_webhook_that_redirects_fails_or_hangs_is_said_and_its_address_is_not() {
    let cases = [
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", Some(false)),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Some(true)),
        ("HTTP/1.1 404 Gone\r\nContent-Length: 6\r\n\r\nT0KEN!", Some(false)),
        ("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", Some(true)),
        ("", None),
        ("garbage\r\n\r\n", None),
    ];
    for (answer, wanted) in cases {
        let (url, _task) = receiver(answer).await;
        let hook = Webhook::new(&url, Signing::None, Duration::from_secs(2)).unwrap();
        let error = hook.send(&letter()).await.unwrap_err();
        let refused = if let TellError::Refused { later, .. } = &error { Some(*later) } else { None };
        assert_eq!(refused, wanted, "{answer}: {error}");
        assert!(!format!("{error} {error:?}").contains("T0KEN"), "{error}");
    }
    for url in [
        "http://chat.example.org/T0KEN",
        "ftp://127.0.0.1/T0KEN",
        "https://user:T0KEN@chat.example.org/",
        "T0KEN",
    ] {
        let error = Webhook::new(url, Signing::None, Duration::from_secs(2)).unwrap_err();
        assert!(!format!("{error:?}").contains("T0KEN"), "{error:?}");
    }
}

#[test]
fn letters_say_what_is_so_in_words() {
    let base = letter();
    let of = |items: Vec<Item>| Letter { items, deputy: false, ..base.clone() };
    let waiting = base.items[0].clone();
    let over = Item { news: News::Over, kind: Kind::Failed, what: None, ..waiting.clone() };
    assert_eq!(of(vec![over.clone()]).subject(), "Rostercard: oak runs again");
    assert_eq!(of(vec![waiting.clone(), over]).subject(), "Rostercard: 1 waiting, 1 well again");
    assert_eq!(of(Vec::new()).subject(), "Rostercard at Bücherei Wald: a test message");
    let reminder = Item { news: News::Reminder, ..waiting };
    assert_eq!(of(vec![reminder.clone()]).subject(), "Rostercard: oak: 40 changes still wait for you");
    assert!(!of(vec![reminder]).text().contains("relink"), "commands of a deputy are for deputies");
    for line in base.text().lines() {
        assert!(line.len() <= 110, "{line}");
    }
}
