//! The practice ILS around its protocol: faults, the patrons file, the page, and what staff do.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::*;
use rostercard_practice::ils::{Fault, Ils, IlsError, Options, Running, What, When};
use serde_json::{Value, json};

fn next(service: &str, what: What) -> Fault {
    Fault { service: Some(service.to_owned()), when: When::Next(1), what }
}

/// Posts a message; None where the connection ended without a whole answer.
async fn try_ncip(ils: &Running, message: &str) -> Option<(u16, String)> {
    http(ils.ncip_address(), "POST", "/ncip", message).await.ok()
}

/// Waits for something that another task does, in at most five seconds.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(done(), "it never happened");
}

#[tokio::test]
async fn each_fault_does_what_its_name_says() {
    // What, then: an answer at all? its status; is the patron there at once?
    let cases = [
        (What::Delay { ms: 30 }, Some(200), true),
        (What::Refuse, None, false),
        (What::DropAnswer, None, true),
        (What::AnswerTwice, Some(200), true),
        (What::Unsupported, Some(200), false),
        (What::Http500, Some(500), false),
        (What::Http503, Some(503), false),
        (What::Http { status: 502, after_write: true }, Some(502), true),
        (What::Http { status: 404, after_write: false }, Some(404), false),
        (What::Garbage, Some(200), true),
        (What::WrongUser, Some(200), true),
        (What::CutHalfway, None, true),
        (What::TemporaryFailure, Some(200), false),
    ];
    let ils = ils(Options::default()).await;
    for (nth, (what, status, there)) in cases.into_iter().enumerate() {
        let barcode = format!("77{nth:04}");
        ils.fault(next("CreateUser", what.clone()));
        let answer = try_ncip(&ils, &create(&barcode)).await;
        assert_eq!(answer.as_ref().map(|a| a.0), status, "{what:?}");
        assert_eq!(ils.patron(&barcode).is_some(), there, "{what:?}");
        let body = answer.map(|a| a.1).unwrap_or_default();
        match what {
            What::AnswerTwice => assert_eq!(body.matches("<CreateUserResponse>").count(), 2),
            What::Unsupported => assert_eq!(problem(&body).as_deref(), Some("Unsupported Service")),
            What::TemporaryFailure => {
                assert_eq!(problem(&body).as_deref(), Some("Temporary Processing Failure"));
            }
            What::WrongUser => assert_ne!(text(&body, "UserIdentifierValue"), Some(barcode.clone())),
            What::Garbage => assert!(!body.contains("NCIPMessage")),
            _ => {}
        }
        assert_eq!(
            ils.log().last().unwrap().fault.is_some(),
            !matches!(what, What::Delay { .. }),
            "{what:?}"
        );
        // The script is over: the next message is answered as ever.
        let expected = if there { None } else { Some("Unknown User".to_owned()) };
        assert_eq!(problem(&ncip(&ils, &lookup(&barcode)).await), expected, "{what:?}");
    }
}

#[tokio::test]
async fn s01_a_late_commit_is_done_after_the_client_gave_up() {
    let ils = ils(Options::default()).await;
    ils.fault(next("CreateUser", What::CommitLate { after_ms: 150, hold_ms: 0 }));
    assert_eq!(try_ncip(&ils, &create("1")).await, None);
    assert_eq!(problem(&ncip(&ils, &lookup("1")).await).as_deref(), Some("Unknown User"), "not yet");
    until(|| ils.patron("1").is_some()).await;

    // A client that gives up by itself: the write comes after that, however long the ILS would have held on.
    ils.fault(next("CreateUser", What::CommitLate { after_ms: 50, hold_ms: 600_000 }));
    let (address, message) = (ils.ncip_address(), create("2"));
    let waiting =
        tokio::time::timeout(Duration::from_millis(200), http(address, "POST", "/ncip", &message)).await;
    assert!(waiting.is_err(), "no answer comes");
    until(|| ils.patron("2").is_some()).await;
    assert_eq!(ils.counts().created, 2);
}

#[tokio::test]
async fn s03_a_delayed_request_is_done_though_nobody_waits() {
    let ils = ils(Options::default()).await;
    ils.fault(next("CreateUser", What::Delay { ms: 300 }));
    let (address, message) = (ils.ncip_address(), create("1"));
    let gave_up =
        tokio::time::timeout(Duration::from_millis(60), http(address, "POST", "/ncip", &message)).await;
    assert!(gave_up.is_err());
    assert!(ils.patron("1").is_none());
    until(|| ils.patron("1").is_some()).await;
}

#[tokio::test]
async fn a_stalled_answer_never_ends_and_stopping_ends_it() {
    let ils = ils(Options::default()).await;
    ncip(&ils, &create("1")).await;
    ils.fault(next("LookupUser", What::Stall));
    let (address, message) = (ils.ncip_address(), lookup("1"));
    let mut client = tokio::spawn(async move { http(address, "POST", "/ncip", &message).await });
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut client).await.is_err(), "it stalls");
    tokio::time::timeout(Duration::from_secs(5), ils.stop()).await.unwrap();
    assert!(client.await.unwrap().is_err());
}

#[tokio::test]
async fn a_look_up_can_answer_about_somebody_else() {
    let ils = ils(Options::default()).await;
    for barcode in ["1", "2"] {
        ncip(&ils, &create(barcode)).await;
    }
    ils.fault(next("LookupUser", What::WrongUser));
    assert_eq!(text(&ncip(&ils, &lookup("1")).await, "UserIdentifierValue").as_deref(), Some("2"));
}

#[tokio::test]
async fn faults_and_staff_are_scripted_over_http() {
    let ils = ils(Options::default()).await;
    let at = ils.page_address();
    let send = async |method: &str, path: &str, body: Value| {
        let (status, text) = http(at, method, path, &body.to_string()).await.unwrap();
        (status, serde_json::from_str::<Value>(&text).unwrap_or(Value::Null))
    };
    let faults = json!([{"service": "CreateUser", "when": {"nth": 2}, "do": "drop_answer"}, {"when": "always", "do": {"delay": {"ms": 1}}}]);
    let (status, set) = send("POST", "/practice/faults", faults).await;
    assert_eq!((status, set[0]["do"].as_str(), set[1]["seen"].as_u64()), (200, Some("drop_answer"), Some(0)));
    assert!(try_ncip(&ils, &create("1")).await.is_some());
    assert!(try_ncip(&ils, &create("2")).await.is_none());
    let (_, seen) = send("GET", "/practice/faults", Value::Null).await;
    assert_eq!((seen[0]["struck"].as_u64(), seen[1]["struck"].as_u64()), (Some(1), Some(2)));
    assert_eq!(send("DELETE", "/practice/faults", Value::Null).await.0, 204);
    assert_eq!(send("POST", "/practice/faults", json!({"do": "explode"})).await.0, 400);

    let (status, added) = send(
        "POST",
        "/practice/patrons",
        json!({"add": {"barcode": "21", "surname": "Family", "category": "ADULT"}}),
    )
    .await;
    assert_eq!((status, added["history"][0]["by"].as_str()), (200, Some("staff")));
    let (status, edited) = send(
        "POST",
        "/practice/patrons",
        json!({"edit": {"barcode": "1", "set": {"category": "FULL", "emails": ["parent@example.org"]}}}),
    )
    .await;
    assert_eq!(
        (status, edited["category"].as_str(), edited["surname"].as_str()),
        (200, Some("FULL"), Some("O'Brien & Co"))
    );
    assert_eq!(
        send("POST", "/practice/patrons", json!({"edit": {"barcode": "1", "set": {"colour": "red"}}}))
            .await
            .0,
        400
    );
    assert_eq!(
        send("POST", "/practice/patrons", json!({"edit": {"barcode": "404", "set": {}}})).await.0,
        404
    );
    assert_eq!(
        send("POST", "/practice/patrons", json!({"add": {"barcode": "21", "surname": "Again"}})).await.0,
        409
    );
    let (status, _) =
        send("POST", "/practice/patrons", json!({"edit": {"barcode": "1", "set": {"barcode": "31"}}})).await;
    assert_eq!(
        (status, ils.patron("1"), ils.patron("31").is_some()),
        (200, None, true),
        "a new barcode for a lost card"
    );
    assert_eq!(send("POST", "/practice/patrons", json!({"merge": {"from": "2", "into": "21"}})).await.0, 200);
    assert_eq!(send("POST", "/practice/patrons", json!({"delete": {"barcode": "31"}})).await.0, 200);
    let (_, left) = send("GET", "/patrons.json", Value::Null).await;
    assert_eq!(
        left.as_array().unwrap().iter().map(|p| p["barcode"].as_str().unwrap()).collect::<Vec<_>>(),
        ["21"]
    );

    let (_, counts) = send("GET", "/counts.json", Value::Null).await;
    assert_eq!(
        (counts["creates"].as_u64(), counts["patrons"].as_u64(), counts["faults"].as_u64()),
        (Some(2), Some(1), Some(2))
    );
    assert_eq!(send("POST", "/practice/reset-counts", Value::Null).await.0, 204);
    let (_, counts) = send("GET", "/counts.json", Value::Null).await;
    assert_eq!((counts["creates"].as_u64(), counts["patrons"].as_u64()), (Some(0), Some(1)));

    assert_eq!(send("POST", "/practice/down", json!({"down": true})).await.0, 204);
    assert!(try_ncip(&ils, &create("5")).await.is_none());
    assert_eq!(send("POST", "/practice/down", json!({"down": false})).await.0, 204);
    assert!(try_ncip(&ils, &create("5")).await.is_some());
}

#[tokio::test]
async fn s01_the_patrons_file_outlives_the_ils() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        Options { patrons_file: Some(folder.path().join("kept/patrons.jsonl")), ..Options::default() };
    let first = ils(options.clone()).await;
    let address = first.ncip_address();
    ncip(&first, &create("1")).await;
    ncip(&first, &update("1", "", &name("Zoë", "Changed"))).await;
    first.fault(next("CreateUser", What::DropAnswer));
    assert_eq!(try_ncip(&first, &create("2")).await, None);
    first.fault(next("CreateUser", What::CommitLate { after_ms: 100, hold_ms: 0 }));
    assert_eq!(try_ncip(&first, &create("3")).await, None);
    let kept = first.patrons();
    first.stop().await;

    let second = ils(Options { ncip: address, page: address, ..options.clone() }).await;
    assert_eq!(second.ncip_address(), address, "the same port again");
    assert_eq!((second.patrons(), kept.len()), (kept, 2));
    assert_eq!(problem(&ncip(&second, &create("2")).await).as_deref(), Some("Duplicate User"));
    ncip(&second, &create("4")).await;
    let fourth = second.patron("4").unwrap();
    assert_eq!((fourth.id, fourth.created_at), (3, 4), "ids and sequences go on");
    // What was under way when the first one ended was never done.
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(second.patron("3").is_none());
    second.stop().await;
    assert_eq!(ils(options).await.patrons().len(), 3);
}

#[tokio::test]
async fn the_page_shows_patrons_counts_and_messages_and_escapes_them() {
    let page = SocketAddr::from(([127, 0, 0, 2], 0));
    let ils = ils(Options { page, ..Options::default() }).await;
    assert_ne!(ils.page_address(), ils.ncip_address());
    let bold = create_with("1", &privilege("LIBRARY", "B&amp;B")).replace("Zoë", "&lt;b&gt;Zoë");
    ncip(&ils, &bold).await;
    ncip(&ils, &create_with("2", &privilege("LIBRARY", "EAST"))).await;
    ils.fault(next("LookupUser", What::Refuse));
    assert_eq!(try_ncip(&ils, &lookup("1")).await, None);
    let (status, body) = http(ils.page_address(), "GET", "/", "").await.unwrap();
    assert_eq!(status, 200);
    for part in [
        "Everybody in it is invented",
        "&lt;b&gt;Zoë",
        "O'Brien &amp; Co",
        "/?branch=B%26B",
        "CreateUser",
        "Refuse",
        "2 patrons",
    ] {
        assert!(body.contains(part), "{part}");
    }
    let (_, body) = http(ils.page_address(), "GET", "/?branch=EAST", "").await.unwrap();
    assert!(!body.contains("&lt;b&gt;Zoë"), "only those of the branch");
    let (status, _) = http(ils.page_address(), "POST", "/ncip", &create("3")).await.unwrap();
    assert_eq!(status, 404, "two addresses, two listeners");
}

#[tokio::test]
async fn a_taken_address_and_an_unusable_file_are_named() {
    let ils = ils(Options::default()).await;
    let taken = Options { ncip: ils.ncip_address(), page: ils.ncip_address(), ..Options::default() };
    let error = Ils::start(taken).await.unwrap_err();
    assert!(matches!(error, IlsError::Listen { address, .. } if address == ils.ncip_address()), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = Ils::start(Options { patrons_file: Some(folder.path().to_owned()), ..Options::default() })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
}

#[tokio::test]
async fn many_at_once_make_one_patron_each() {
    let ils = ils(Options { latency: Duration::from_millis(2), ..Options::default() }).await;
    let address = ils.ncip_address();
    let mut tasks = tokio::task::JoinSet::new();
    for nth in 0..200 {
        // Every barcode twice, at the same time.
        let message = create(&format!("77{:04}", nth / 2));
        tasks.spawn(async move { http(address, "POST", "/ncip", &message).await.unwrap().1 });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|a| problem(a).is_none()).count(), 100);
    assert_eq!(ils.counts().duplicates_refused, 100);
    assert!((2..=200).contains(&ils.counts().most_at_once));
    ils.reset_counts();
    ncip(&ils, &lookup("1")).await;
    assert_eq!(ils.counts().most_at_once, 1, "all have ended");
    assert_eq!((ils.patrons().len(), answers.len()), (100, 200));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let ils = ils(Options::default()).await;
    let large = create(&"9".repeat(1 << 21));
    let answer = try_ncip(&ils, &large).await;
    assert!(answer.is_none_or(|a| a.0 == 413), "closed or refused");
    assert!(ils.patrons().is_empty());
}

#[test]
fn nothing_personal_is_in_debug() {
    let patron = rostercard_practice::ils::Patron {
        surname: "Secretname".into(),
        pin: Some("7391".into()),
        ..Default::default()
    };
    let shown = format!("{patron:?}");
    assert!(!shown.contains("Secretname") && !shown.contains("7391"), "{shown}");
    let student =
        rostercard_practice::roster::students(&rostercard_practice::roster::Spec::new(1, 1)).next().unwrap();
    assert!(!format!("{student:?}").contains(&student.family));
}
