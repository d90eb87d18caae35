//! The directory against the practice ILS in the manner of each responder that exists: what each can do is done, and what
//! it cannot is said and never taken for done.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use jiff::civil::date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    CapabilityState, Creation, FieldChanges, FindKey, Lookup, Outcome, PatronFinder, PatronWriter,
    RejectionKind, Retry,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_ils_ncip::{NcipDirectory, NcipSettings, Responder, Switch};
use rostercard_ncip::Dialect;
use rostercard_practice::ils::{self, Ils, Options, Personality, Postal, Running};

async fn practice(personality: &str, change: impl FnOnce(&mut Personality)) -> Running {
    let mut personality = Personality::named(personality).unwrap();
    change(&mut personality);
    let any = Some(([127, 0, 0, 1], 0).into());
    Ils::start(Options { personality, ncip_tcp: any, ..Options::default() }).await.unwrap()
}

fn directory(url: &str, responder: &str, change: impl FnOnce(&mut NcipSettings)) -> NcipDirectory {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut settings = NcipSettings::new(url, false, "LAKESIDE-USD", "LAKELIB").unwrap();
    settings.take(Responder::named(responder).unwrap());
    change(&mut settings);
    NcipDirectory::new(settings).unwrap()
}

/// A patron as staff make one at the desk.
fn at_the_desk(ils: &Running, number: &str) {
    let patron = ils::Patron {
        barcode: number.to_owned(),
        given: "Zoë".to_owned(),
        surname: "O'Brien & <Nguyễn>".to_owned(),
        birth_date: Some("2012-02-29".to_owned()),
        addresses: vec![Postal {
            line1: "12 Main St".to_owned(),
            city: "Lakeside".to_owned(),
            state: "CA".to_owned(),
            zip: "94000".to_owned(),
            ..Postal::default()
        }],
        emails: vec!["zoe@example.org".to_owned()],
        phones: vec!["+1-555-0100".to_owned()],
        category: Some("STUDENT".to_owned()),
        home_branch: Some("MAIN".to_owned()),
        expires: Some("2027-09-30".to_owned()),
        ..ils::Patron::default()
    };
    ils.add(patron).unwrap();
}

fn wanted(number: &str) -> PatronValues {
    let some = |text: &str| Some(Personal::new(text));
    PatronValues {
        barcode: some(number),
        given_name: some("Zoë"),
        surname: some("O'Brien & <Nguyễn>"),
        birth_date: Some(BirthDate::new(date(2012, 2, 29))),
        address: Some(rostercard_core::student::Address {
            street: Personal::new("12 Main St"),
            street2: None,
            city: Personal::new("Lakeside"),
            state: Personal::new("CA"),
            zip: Personal::new("94000"),
        }),
        email: some("zoe@example.org"),
        phone: some("+1-555-0100"),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(date(2027, 9, 30)),
        ..PatronValues::default()
    }
}

fn creation(number: &str) -> Creation {
    Creation { values: wanted(number), pin: Some(Secret::new("2907")) }
}

async fn find(directory: &NcipDirectory, number: &str) -> Lookup {
    directory.find(&FindKey::Barcode(Personal::new(number))).await
}

async fn found(directory: &NcipDirectory, number: &str) -> Patron {
    match find(directory, number).await {
        Lookup::Found(patron) => *patron,
        other => panic!("{other:?}"),
    }
}

/// What the directory returns of a patron is what the ILS holds.
async fn returns_what_it_says(directory: &NcipDirectory, number: &str) {
    let (held, wanted) = (found(directory, number).await.values, wanted(number));
    for field in directory.returns().iter() {
        assert!(
            held.canonical(field) == wanted.canonical(field),
            "{field} is not as the ILS holds it ({:?})",
            held.canonical(field).is_some()
        );
    }
}

async fn refused_without_sending(ils: &Running, directory: &NcipDirectory) {
    ils.reset_counts();
    let Outcome::Rejected(rejection) = directory.create(&creation("999")).await else { panic!("refused") };
    assert_eq!((rejection.kind, rejection.error.retry), (RejectionKind::Target, Retry::NotThisTarget));
    assert!(rejection.error.message.contains("has no CreateUser"), "{}", rejection.error.message);
    assert_eq!(ils.counts().creates + ils.counts().others, 0);
    assert_eq!(directory.capabilities().create.state, CapabilityState::Absent);
}

fn codes(findings: &[rostercard_core::finding::Finding]) -> Vec<&'static str> {
    findings.iter().map(|f| f.code).collect()
}

#[tokio::test]
async fn koha_is_read_and_never_believed_to_have_written() {
    let ils = practice("koha", |_| {}).await;
    let koha = directory(&ils.ncip_url(), "koha", |_| {});
    at_the_desk(&ils, "20001");
    returns_what_it_says(&koha, "20001").await;
    assert!(matches!(find(&koha, "20002").await, Lookup::NotFound));
    refused_without_sending(&ils, &koha).await;
    let findings = koha.check().await.unwrap();
    assert!(
        codes(&findings).contains(&"ncip_cannot_create") && codes(&findings).contains(&"ncip_versions"),
        "{findings:?}"
    );
    assert!(
        findings.iter().any(|f| f.message.contains("patrons are made by Koha's REST API")),
        "{findings:?}"
    );

    // Sent all the same, "It works!" is no success: nobody knows, and nothing more is asked of it.
    let stubborn = directory(&ils.ncip_url(), "koha", |s| s.create = Switch::On);
    let Outcome::Unknown(error) = stubborn.create(&creation("999")).await else { panic!("unknown") };
    assert_eq!(error.retry, Retry::NotThisTarget);
    assert_eq!(stubborn.capabilities().create.state, CapabilityState::Disproven);
    assert!(matches!(find(&stubborn, "999").await, Lookup::NotFound));

    // An ampersand in an e-mail address breaks its answer; that is no "not found".
    ils.edit("20001", |p| p.emails = vec!["zoe&max@example.org".to_owned()]).unwrap();
    assert!(matches!(find(&koha, "20001").await, Lookup::Unknown(_)));
}

#[tokio::test]
async fn koha_in_a_wrong_dialect_is_an_error_and_never_not_found() {
    let ils = practice("koha", |_| {}).await;
    at_the_desk(&ils, "20001");
    let prefixed = directory(&ils.ncip_url(), "standard", |_| {});
    for number in ["20001", "20002"] {
        let Lookup::Unknown(error) = find(&prefixed, number).await else { panic!("unknown") };
        assert!(error.message.contains("HTTP 500"), "{error}");
    }
    // The month for the day is seen at the first date that is none.
    let months = directory(&ils.ncip_url(), "koha", |s| s.dates = rostercard_ncip::DateOrder::YearMonthDay);
    let Lookup::Unknown(error) = find(&months, "20001").await else { panic!("unknown") };
    assert!(error.hint.contains("year_day_month"), "{error:?}");
}

#[tokio::test]
async fn kohas_token_is_in_its_path_and_a_wrong_one_is_no_success() {
    let ils = practice("koha", |p| p.secret = Some("T0KEN".to_owned())).await;
    at_the_desk(&ils, "20001");
    let known = directory(&format!("{}/T0KEN", ils.ncip_url()), "koha", |_| {});
    assert!(matches!(find(&known, "20001").await, Lookup::Found(_)));
    for url in [ils.ncip_url(), format!("{}/WRONG-T0KEN", ils.ncip_url())] {
        let stranger = directory(&url, "koha", |_| {});
        let seen = find(&stranger, "20001").await;
        let Lookup::Unknown(error) = &seen else { panic!("{seen:?}") };
        assert!(!format!("{error:?}").contains("T0KEN"), "{error:?}");
        assert!(stranger.check().await.is_err());
    }
}

#[tokio::test]
async fn koha_speaks_ncip_1_as_well() {
    let ils = practice("koha", |_| {}).await;
    at_the_desk(&ils, "20001");
    let old = directory(&ils.ncip_url(), "koha", |s| {
        s.dialect = Dialect { doctype: true, address: s.dialect.address, ..Dialect::v1() };
    });
    returns_what_it_says(&old, "20001").await;
    assert!(matches!(find(&old, "20002").await, Lookup::NotFound));
}

#[tokio::test]
async fn evergreen_is_read_without_its_number() {
    let ils = practice("evergreen", |_| {}).await;
    let evergreen = directory(&ils.ncip_url(), "evergreen", |_| {});
    at_the_desk(&ils, "20001");
    returns_what_it_says(&evergreen, "20001").await;
    assert!(!evergreen.returns().contains(Field::Category), "privileges never come");
    assert!(matches!(find(&evergreen, "20002").await, Lookup::NotFound));
    refused_without_sending(&ils, &evergreen).await;
    let findings = evergreen.check().await.unwrap();
    assert!(codes(&findings).contains(&"ncip_not_returned"), "{findings:?}");

    // Without leave an empty number is nobody's.
    let strict = directory(&ils.ncip_url(), "evergreen", |s| s.empty_id = false);
    let Lookup::Unknown(error) = find(&strict, "20001").await else { panic!("unknown") };
    assert!(error.hint.contains("empty_id = true"), "{error:?}");
    // Tried all the same, it says so itself, and is not asked again.
    let stubborn = directory(&ils.ncip_url(), "evergreen", |s| s.create = Switch::On);
    ils.reset_counts();
    for _ in 0..2 {
        let Outcome::Rejected(rejection) = stubborn.create(&creation("999")).await else { panic!("refused") };
        assert_eq!(rejection.kind, RejectionKind::Target);
    }
    assert_eq!(ils.counts().creates, 1);
}

#[tokio::test]
async fn s03_evergreen_broken_by_schemes_is_never_not_found() {
    let ils = practice("evergreen", |_| {}).await;
    at_the_desk(&ils, "20001");
    let with_schemes = directory(&ils.ncip_url(), "evergreen", |s| s.dialect.send_schemes = true);
    // "Unknown User", it says of everybody.
    let Lookup::Unknown(error) = find(&with_schemes, "20001").await else { panic!("unknown") };
    assert_eq!(error.retry, Retry::NotThisTarget);
    assert!(error.hint.contains("schemes = false"), "{error:?}");
    assert!(with_schemes.check().await.is_err());
    // A document type makes it answer with no XML at all.
    let old =
        directory(&ils.ncip_url(), "evergreen", |s| s.dialect = Dialect { doctype: true, ..Dialect::v1() });
    assert!(matches!(find(&old, "20001").await, Lookup::Unknown(_)));
}

#[tokio::test]
async fn aleph_changes_contacts_and_nothing_else() {
    let ils = practice("aleph", |_| {}).await;
    let aleph = directory(&ils.ncip_url(), "aleph", |_| {});
    at_the_desk(&ils, "20001");
    returns_what_it_says(&aleph, "20001").await;
    refused_without_sending(&ils, &aleph).await;

    let patron = found(&aleph, "20001").await;
    let mut values = wanted("20001");
    values.email = Some(Personal::new("new@example.org"));
    values.expiry = Some(date(2028, 9, 30));
    values.address.as_mut().unwrap().street = Personal::new("1 New Rd");
    let fields = FieldSet::of(&[Field::Email, Field::Address, Field::Expiry]);
    let Outcome::Applied(Some(held)) = aleph.update(&patron, &FieldChanges { fields, values }).await else {
        panic!("done")
    };
    assert_eq!(held.values.email.as_ref().map(Personal::reveal), Some("new@example.org"));
    let kept = ils.patron("20001").unwrap();
    assert_eq!((kept.addresses.len(), kept.addresses[0].line1.as_str()), (1, "1 New Rd"));
    assert_eq!(kept.expires.as_deref(), Some("2027-09-30"));
    assert_eq!(codes(&aleph.finish().await.unwrap()), ["ncip_left_out"]);
    assert_eq!(aleph.capabilities().update.state, CapabilityState::Proven);
    assert_eq!(aleph.capabilities().block.state, CapabilityState::Absent);

    // What it does not take, told otherwise, it refuses in prose: the record's matter, and nothing was done.
    let stubborn = directory(&ils.ncip_url(), "aleph", |s| {
        s.updates = FieldSet::of(&[Field::Surname]);
    });
    let values = PatronValues { surname: Some(Personal::new("Quill")), ..PatronValues::default() };
    let change = FieldChanges { fields: FieldSet::of(&[Field::Surname]), values };
    let Outcome::Rejected(rejection) = stubborn.update(&held, &change).await else { panic!("refused") };
    assert_eq!(rejection.kind, RejectionKind::Record);

    // Without schemes it knows nobody's words.
    let bare = directory(&ils.ncip_url(), "aleph", |s| s.dialect.send_schemes = false);
    assert!(matches!(find(&bare, "20001").await, Lookup::Unknown(_)));
}

#[tokio::test]
async fn voyager_is_read_over_tcp_in_ncip_1() {
    let ils = practice("voyager", |_| {}).await;
    let voyager = directory(&ils.ncip_tcp_url().unwrap(), "voyager", |_| {});
    at_the_desk(&ils, "20001");
    returns_what_it_says(&voyager, "20001").await;
    assert_eq!(found(&voyager, "20001").await.blocked, Some(false));
    ils.edit("20001", |p| p.blocked = true).unwrap();
    assert_eq!(found(&voyager, "20001").await.blocked, Some(true));
    assert!(matches!(find(&voyager, "20002").await, Lookup::NotFound));
    refused_without_sending(&ils, &voyager).await;
    assert!(voyager.check().await.is_ok());
    // NCIP 2 is not understood, and that is no "not found".
    let new = directory(&ils.ncip_tcp_url().unwrap(), "standard", |_| {});
    assert!(matches!(find(&new, "20001").await, Lookup::Unknown(e) if e.retry == Retry::NotThisTarget));
}

#[tokio::test]
async fn the_full_one_does_all_of_it_in_either_version_and_either_way() {
    for (version, tcp) in [("2.02", false), ("2.02", true), ("1.0", false), ("1.0", true)] {
        let ils = practice("open", |_| {}).await;
        let url = if tcp { ils.ncip_tcp_url().unwrap() } else { ils.ncip_url() };
        let full = directory(&url, "standard", |s| {
            if version == "1.0" {
                s.dialect = Dialect::v1();
                s.privileges.category_kind = Some("PROFILE".into());
                s.privileges.status_kind = Some("STATUS".into());
            }
        });
        let Outcome::Applied(Some(made)) = full.create(&creation("20001")).await else {
            panic!("{version} {tcp}")
        };
        assert!(made.values == wanted("20001"), "{version} {tcp}: {:?}", made.values.present());
        assert_eq!(ils.patron("20001").unwrap().pin.as_deref(), Some("2907"));
        let Outcome::Applied(Some(blocked)) = full.set_blocked(&made, true).await else {
            panic!("{version} {tcp}")
        };
        assert_eq!((blocked.blocked, ils.patron("20001").unwrap().blocked), (Some(true), true));
        let values = PatronValues {
            expiry: Some(date(2028, 9, 30)),
            category: Some("FULL".into()),
            ..wanted("20001")
        };
        let change = FieldChanges { fields: FieldSet::of(&[Field::Expiry, Field::Category]), values };
        let Outcome::Applied(Some(held)) = full.update(&blocked, &change).await else {
            panic!("{version} {tcp}")
        };
        assert_eq!(
            (held.values.expiry, held.blocked),
            (Some(date(2028, 9, 30)), Some(true)),
            "{version} {tcp}"
        );
        let Outcome::Applied(Some(back)) = full.set_blocked(&held, false).await else {
            panic!("{version} {tcp}")
        };
        assert_eq!(back.blocked, Some(false));
        let can = full.capabilities();
        for capability in [can.lookup, can.create, can.update, can.block] {
            assert_eq!(capability.state, CapabilityState::Proven, "{version} {tcp}: {}", capability.why);
        }
        let findings = full.check().await.unwrap();
        assert_eq!(codes(&findings), ["ncip_versions", "ncip_no_place"], "{version} {tcp}: {findings:?}");
    }
}

#[tokio::test]
async fn faults_are_faults_over_tcp_too() {
    use rostercard_practice::ils::{Fault, What, When};
    for what in
        [What::DropAnswer, What::Stall, What::CutHalfway, What::Garbage, What::AnswerTwice, What::Http500]
    {
        let ils = practice("open", |_| {}).await;
        let full = directory(&ils.ncip_tcp_url().unwrap(), "standard", |s| {
            s.deadline = std::time::Duration::from_millis(400);
        });
        ils.fault(Fault { service: Some("CreateUser".into()), when: When::Next(1), what: what.clone() });
        let outcome = full.create(&creation("20001")).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{what:?}: {outcome:?}");
        assert_eq!(ils.counts().creates, 1, "{what:?}");
    }
}
