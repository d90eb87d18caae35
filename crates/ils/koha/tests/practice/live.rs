//! The same checks against any Koha: the practice one in every test run, and a real one where somebody asks for it.
//!
//! ```text
//! ROSTERCARD_KOHA_URL=https://koha.example.org \
//! ROSTERCARD_KOHA_CLIENT_ID=.. ROSTERCARD_KOHA_CLIENT_SECRET=..    (or _USER and _PASSWORD)
//! ROSTERCARD_KOHA_CATEGORY=STUDENT ROSTERCARD_KOHA_LIBRARY=MAIN    (codes that are there)
//! ROSTERCARD_KOHA_ATTRIBUTE=STUDENTID                              (optional: a unique attribute type)
//! ROSTERCARD_KOHA_PIN=Aq83hd72mq                                   (optional: a PIN that its rules accept)
//! cargo test -p rostercard-ils-koha -- --ignored live
//! ```
//!
//! It makes one patron with an invented name, and deletes it at the end, whatever happened: Koha is left as it was found.
//! The login needs `delete_borrowers` for that, which Rostercard itself never uses.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use rostercard_core::field::Field;
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{
    Creation, FindBy, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, RejectionKind,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_ils_koha::{AttributeMap, CodesInUse, KohaDirectory, KohaLogin, KohaSettings};

use crate::support::{applied, barcode, changes, found, key, koha, rejected, some};

/// Which Koha, and with what.
struct Target {
    url: String,
    login: KohaLogin,
    category: String,
    library: String,
    attribute: Option<String>,
    pin: String,
}

/// The invented patron's number, of this test run alone.
fn first_number() -> String {
    format!("RCTEST{}", std::process::id())
}

/// A second one, for what is to be refused.
fn second_number() -> String {
    format!("{}X", first_number())
}

/// The invented patron.
fn child(target: &Target) -> PatronValues {
    let number = first_number();
    PatronValues {
        student_id: target.attribute.as_ref().map(|_| Personal::new(format!("id-{number}"))),
        email: some(&format!("{number}@example.invalid")),
        barcode: some(&number),
        surname: some("Rostercard-Testperson"),
        given_name: some("Zoë"),
        birth_date: Some(BirthDate::new(date(2012, 2, 29))),
        category: Some(target.category.as_str().into()),
        home_branch: Some(target.library.as_str().into()),
        expiry: Some(date(2030, 9, 30)),
        ..PatronValues::default()
    }
}

fn directory(target: &Target) -> KohaDirectory {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut settings = KohaSettings::new(&target.url, false, target.login.clone()).unwrap();
    settings.attributes = AttributeMap { student_id: target.attribute.clone(), ..AttributeMap::default() };
    KohaDirectory::new(settings).unwrap()
}

/// What must hold of any Koha.
async fn checks(target: &Target, ils: &KohaDirectory) {
    for finding in ils.check().await.unwrap() {
        println!("check: {finding}");
    }
    let (category, branch) = (target.category.as_str().into(), target.library.as_str().into());
    let codes = CodesInUse { categories: vec![category], branches: vec![branch], ..CodesInUse::default() };
    for finding in ils.check_codes(&codes).await.unwrap() {
        println!("codes: {finding}");
    }

    let wanted = child(target);
    let number = wanted.barcode.clone().unwrap();
    let by_number = barcode(number.reveal());
    assert!(matches!(ils.find(&by_number).await, Lookup::NotFound), "the number is in use already");
    let made = applied(ils.create(&Creation { values: wanted.clone(), pin: None }).await);
    for field in ils.returns().iter().filter(|field| *field != Field::MiddleName) {
        let held = made.values.canonical(field).map(String::from);
        assert_eq!(held, ils.canonical(field, &wanted), "{field}");
    }

    let mut keys = vec![
        by_number.clone(),
        barcode(&number.reveal().to_lowercase()),
        FindKey::PatronId(made.id.clone()),
        FindKey::UserName(number.clone()),
        FindKey::Email(wanted.email.clone().unwrap()),
        FindKey::NameAndBirthDate {
            surname: wanted.surname.clone().unwrap(),
            given_name: wanted.given_name.clone().unwrap(),
            birth_date: wanted.birth_date.unwrap(),
        },
    ];
    keys.extend(wanted.student_id.clone().map(FindKey::StudentId));
    for key in &keys {
        assert_eq!(found(ils, key).await, made, "{}", key.by());
    }
    assert_eq!(keys.iter().any(|key| key.by() == FindBy::StudentId), target.attribute.is_some());
    // A part of the number finds nobody.
    let part: String = number.reveal().chars().skip(1).collect();
    assert!(matches!(ils.find(&barcode(&part)).await, Lookup::NotFound));
    let many = ils.find_many(&[number.clone(), Personal::new(part)]).await;
    assert!(matches!(many[..], [Lookup::Found(_), Lookup::NotFound]), "{many:?}");

    let twice = rejected(ils.create(&Creation { values: wanted.clone(), pin: None }).await);
    assert_eq!((twice.kind, twice.field), (RejectionKind::Duplicate, Some(Field::Barcode)));
    let nowhere = PatronValues {
        barcode: some(&second_number()),
        student_id: None,
        category: Some("NOSUCH".into()),
        ..wanted.clone()
    };
    match ils.create(&Creation { values: nowhere, pin: None }).await {
        Outcome::Rejected(no) => assert_eq!(no.field, Some(Field::Category)),
        // The practice ILS, where it was not told of any.
        Outcome::Applied(_) => println!("this Koha takes any category"),
        other => panic!("{other:?}"),
    }

    let renamed =
        PatronValues { given_name: some("Zoé"), expiry: Some(date(2020, 1, 1)), ..PatronValues::default() };
    let fields = [Field::GivenName, Field::Expiry];
    let lapsed = applied(ils.update(&made, &changes(&fields, renamed.clone())).await);
    assert_eq!(
        (lapsed.values.given_name.clone(), lapsed.values.expiry),
        (some("Zoé"), Some(date(2020, 1, 1)))
    );
    assert!(matches!(ils.update(&lapsed, &changes(&fields, renamed)).await, Outcome::AlreadySo(_)));
    let back = applied(ils.update(&lapsed, &changes(&fields, wanted)).await);
    assert_eq!(back, made);

    let short = rejected(ils.set_pin(&made, &Secret::new("1")).await);
    assert_eq!(short.field, Some(Field::Pin));
    let set = ils.set_pin(&made, &Secret::new(&*target.pin)).await;
    assert!(matches!(set, Outcome::Applied(_)), "{set:?}");
    for finding in ils.finish().await.unwrap() {
        println!("finish: {finding}");
    }
}

/// Deletes what the test made, by a client of its own: Rostercard's has no such request.
async fn clean_up(target: &Target, ils: &KohaDirectory) {
    for number in [first_number(), second_number()] {
        if let Lookup::Found(patron) = ils.find(&barcode(&number)).await {
            delete(target, patron.id.reveal()).await;
            assert!(matches!(ils.find(&barcode(&number)).await, Lookup::NotFound), "it is still there");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own client, and a token's few bytes")]
async fn delete(target: &Target, id: &str) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let base = format!("{}/api/v1", target.url.trim_end_matches('/'));
    let delete = client.delete(format!("{base}/patrons/{id}"));
    let delete = match &target.login {
        KohaLogin::Basic { user, password } => delete.basic_auth(user, Some(password.reveal())),
        KohaLogin::OAuth { client_id, client_secret } => {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_id", client_id),
                ("client_secret", client_secret.reveal()),
            ];
            let answer = client.post(format!("{base}/oauth/token")).form(&form).send().await.unwrap();
            let token: serde_json::Value = answer.json().await.unwrap();
            delete.bearer_auth(token["access_token"].as_str().unwrap())
        }
    };
    let status = delete.send().await.unwrap().status();
    assert!(status.is_success(), "the test's patron could not be deleted again: {status}");
}

async fn run(target: Target) {
    let target = Arc::new(target);
    let (of_checks, of_end) = (Arc::clone(&target), directory(&target));
    let result = tokio::spawn(async move {
        let ils = directory(&of_checks);
        checks(&of_checks, &ils).await;
    })
    .await;
    clean_up(&target, &of_end).await;
    if let Err(panicked) = result {
        std::panic::resume_unwind(panicked.into_panic());
    }
}

#[tokio::test]
async fn the_checks_of_a_real_koha_hold_of_the_practice_one_and_leave_nothing() {
    for attribute in [None, Some("STUDENTID".to_owned())] {
        let koha = koha(|_| {}).await;
        run(Target {
            url: koha.koha_url(),
            login: key(),
            category: "STUDENT".into(),
            library: "MAIN".into(),
            attribute,
            pin: "2907".into(),
        })
        .await;
        assert!(koha.patrons().is_empty());
    }
}

#[tokio::test]
#[ignore = "asks a real Koha; see the first lines of this file"]
#[expect(clippy::disallowed_methods, reason = "which Koha is said in the environment")]
async fn live() {
    let say = |name: &str| std::env::var(format!("ROSTERCARD_KOHA_{name}")).ok();
    let must = |name: &str| say(name).unwrap_or_else(|| panic!("set ROSTERCARD_KOHA_{name}"));
    let login = match say("CLIENT_ID") {
        Some(client_id) => KohaLogin::OAuth { client_id, client_secret: Secret::new(must("CLIENT_SECRET")) },
        None => KohaLogin::Basic { user: must("USER"), password: Secret::new(must("PASSWORD")) },
    };
    run(Target {
        url: must("URL"),
        login,
        category: must("CATEGORY"),
        library: must("LIBRARY"),
        attribute: say("ATTRIBUTE"),
        pin: say("PIN").unwrap_or_else(|| "Aq83hd72mq".to_owned()),
    })
    .await;
}
