//! The directory against the practice ILS over a real socket: two pieces of software that know nothing of each other but
//! the standard.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::date;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::{Patron, PatronValues};
use rostercard_core::ports::{
    Creation, FieldChanges, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, RejectionKind, Text,
};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_core::student::Address;
use rostercard_ils_ncip::{NcipDirectory, NcipSettings, PinWay};
use rostercard_ncip::Style;
use rostercard_practice::ils::{Fault, Ils, Options, Personality, Running, What, When};

async fn ils(personality: Personality) -> Running {
    Ils::start(Options { personality, ..Options::default() }).await.unwrap()
}

fn directory(ils: &Running, change: impl FnOnce(&mut NcipSettings)) -> NcipDirectory {
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut settings = NcipSettings::new(&ils.ncip_url(), false, "LAKESIDE-USD", "LAKELIB").unwrap();
    change(&mut settings);
    NcipDirectory::new(settings).unwrap()
}

fn some(text: &str) -> Option<Personal> {
    Some(Personal::new(text))
}

fn values(number: &str) -> PatronValues {
    PatronValues {
        barcode: some(number),
        surname: some("O'Brien & <Nguyễn>"),
        given_name: some("Zoë"),
        middle_name: some("María del Carmen"),
        birth_date: Some(BirthDate::new(date(2012, 2, 29))),
        email: some("zoe+a&b@example.org"),
        phone: some("+1-555-0100"),
        address: Some(Address {
            street: Personal::new("12 Main St"),
            street2: some("Apt 4"),
            city: Personal::new("Lakeside"),
            state: Personal::new("CA"),
            zip: Personal::new("94000"),
        }),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(date(2027, 9, 30)),
        statistics: BTreeMap::from([("district".into(), "WJUSD".into()), ("school".into(), "0012".into())]),
        ..PatronValues::default()
    }
}

fn creation(number: &str) -> Creation {
    Creation { values: values(number), pin: Some(Secret::new("2907")) }
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

fn applied(outcome: Outcome) -> Patron {
    match outcome {
        Outcome::Applied(Some(patron)) => *patron,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_patron_is_made_whole_in_every_spelling_of_the_message() {
    for (style, send_schemes) in [
        (Style::Prefixed, true),
        (Style::Prefixed, false),
        (Style::DefaultNamespace, true),
        (Style::UnqualifiedVersion, false),
    ] {
        let ils = ils(Personality { prefixed: send_schemes, ..Personality::default() }).await;
        let directory = directory(&ils, |s| {
            s.dialect.style = style;
            s.dialect.send_schemes = send_schemes;
        });
        assert!(matches!(find(&directory, "0020001").await, Lookup::NotFound));
        let made = applied(directory.create(&creation("0020001")).await);
        assert!(made.values == values("0020001"), "{:?}", made.values.present());
        assert_eq!(made.blocked, Some(false));
        let held = ils.patron("0020001").unwrap();
        assert_eq!(held.pin.as_deref(), Some("2907"));
        assert_eq!(held.middle, "María del Carmen");
        assert_eq!(held.history.len(), 1);
    }
}

#[tokio::test]
async fn s14_the_pin_may_come_after() {
    let ils = ils(Personality::default()).await;
    let directory = directory(&ils, |s| s.pin = PinWay::Update);
    let made = applied(directory.create(&creation("20001")).await);
    assert_eq!(ils.patron("20001").unwrap().pin, None);
    assert!(matches!(directory.set_pin(&made, &Secret::new("2907")).await, Outcome::Applied(None)));
    assert_eq!(ils.patron("20001").unwrap().pin.as_deref(), Some("2907"));
}

#[tokio::test]
async fn every_field_that_can_be_changed_is_changed_and_nothing_else() {
    let ils = ils(Personality::default()).await;
    let directory = directory(&ils, |_| {});
    let before = applied(directory.create(&creation("20001")).await);
    let mut wanted = values("20001");
    wanted.surname = some("Quill");
    wanted.middle_name = None;
    wanted.birth_date = Some(BirthDate::new(date(2012, 3, 1)));
    wanted.email = some("new@example.org");
    wanted.phone = None;
    wanted.address = Some(Address { street2: None, ..wanted.address.clone().unwrap() });
    wanted.category = Some("STARTER".into());
    wanted.home_branch = Some("EAST".into());
    wanted.expiry = Some(date(2028, 9, 30));
    wanted.statistics.insert("school".into(), "0013".into());

    let mut patron = before;
    for field in [
        Field::Surname,
        Field::MiddleName,
        Field::BirthDate,
        Field::Email,
        Field::Phone,
        Field::Address,
        Field::Category,
        Field::HomeBranch,
        Field::Expiry,
        Field::Statistics,
    ] {
        let mut expected = patron.values.clone();
        expected.take(field, &wanted);
        let changes = FieldChanges { fields: FieldSet::of(&[field]), values: wanted.clone() };
        let after = applied(directory.update(&patron, &changes).await);
        assert!(after.values == expected, "{field}");
        patron = after;
    }
    assert!(patron.values == wanted);
    let all = FieldChanges { fields: FieldSet::ALL, values: wanted };
    ils.reset_counts();
    assert!(matches!(directory.update(&patron, &all).await, Outcome::AlreadySo(_)));
    assert_eq!(ils.counts().updates, 0);
    let held = ils.patron("20001").unwrap();
    assert_eq!((held.emails.len(), held.phones.len(), held.addresses.len()), (1, 0, 1));
    assert_eq!(held.pin.as_deref(), Some("2907"));
}

#[tokio::test]
async fn what_staff_keep_beside_ours_stays() {
    let ils = ils(Personality::default()).await;
    let directory = directory(&ils, |_| {});
    applied(directory.create(&creation("20001")).await);
    ils.edit("20001", |p| {
        p.emails.push("family@example.org".to_owned());
        p.suffix = "III".to_owned();
        p.blocked = true;
        p.stat_codes.insert("summer".to_owned(), "YES".to_owned());
    })
    .unwrap();
    let patron = found(&directory, "20001").await;
    assert_eq!(patron.blocked, Some(true));
    let mut wanted = values("20001");
    wanted.surname = some("Quill");
    wanted.email = some("new@example.org");
    wanted.expiry = Some(date(2028, 9, 30));
    let fields = FieldSet::of(&[Field::Surname, Field::Email, Field::Expiry, Field::Statistics]);
    applied(directory.update(&patron, &FieldChanges { fields, values: wanted }).await);
    let held = ils.patron("20001").unwrap();
    assert_eq!((held.surname.as_str(), held.suffix.as_str()), ("Quill", "III"));
    assert!(held.blocked, "a block that staff set outlives a renewal");
    assert!(
        held.emails.contains(&"family@example.org".to_owned())
            && held.emails.contains(&"new@example.org".to_owned())
    );
    assert_eq!(held.emails.len(), 2);
    assert_eq!(held.stat_codes.get("summer").map(String::as_str), Some("YES"));
}

#[tokio::test]
async fn what_an_ils_cuts_without_a_word_is_shown_as_it_is() {
    let ils = ils(Personality::named("old").unwrap()).await;
    let directory = directory(&ils, |s| s.text = Text::Ascii);
    let mut wanted = creation("12345678901234567");
    wanted.values.surname = some("Featherstonehaugh-Cholmondeley");
    wanted.values.statistics.clear();
    let held = applied(directory.create(&wanted).await);
    // The number was cut: it is not lost, and it is not taken for the one that was wanted.
    assert_eq!(held.values.barcode, some("12345678901234"));
    assert_eq!(held.values.surname, some("Featherstonehaugh-Ch"));
    assert_eq!(held.values.given_name.map(|n| n.reveal().to_owned()).as_deref(), Some("Zoe"));
}

#[tokio::test]
async fn what_an_ils_refuses_is_said_with_its_field() {
    let ils = ils(Personality {
        categories: vec!["STUDENT".into()],
        branches: vec!["MAIN".into()],
        zips: vec!["94000".into()],
        ..Personality::named("strict").unwrap()
    })
    .await;
    let directory = directory(&ils, |_| {});
    for (number, field) in
        [("1", Field::Category), ("2", Field::HomeBranch), ("3", Field::Pin), ("4", Field::Address)]
    {
        let mut wanted = creation(number);
        match field {
            Field::Category => wanted.values.category = Some("ADULT".into()),
            Field::HomeBranch => wanted.values.home_branch = Some("WEST".into()),
            Field::Pin => wanted.pin = Some(Secret::new("1111")),
            _ => wanted.values.address.as_mut().unwrap().zip = Personal::new("10001"),
        }
        let Outcome::Rejected(rejection) = directory.create(&wanted).await else { panic!("{field}") };
        assert_eq!((rejection.kind, rejection.field), (RejectionKind::Field, Some(field)), "{rejection:?}");
        assert!(matches!(find(&directory, number).await, Lookup::NotFound), "{field}");
    }
    applied(directory.create(&creation("5")).await);
    let Outcome::Rejected(again) = directory.create(&creation("5")).await else { panic!("a duplicate") };
    assert_eq!(again.kind, RejectionKind::Duplicate);
    assert_eq!(ils.patrons().len(), 1);
}

/// What the ILS then holds, and what the directory must say, for every fault.
#[tokio::test]
async fn s01_no_fault_makes_the_directory_say_what_is_not_so() {
    let deadline = Duration::from_millis(400);
    // What went wrong, what may be said of the create, and whether the patron is there then.
    let cases: [(What, &[&str], bool); 14] = [
        (What::Delay { ms: 20 }, &["applied"], true),
        (What::Refuse, &["unknown"], false),
        (What::DropAnswer, &["unknown"], true),
        (What::CommitLate { after_ms: 10, hold_ms: 10_000 }, &["unknown"], true),
        (What::AnswerTwice, &["unknown"], true),
        (What::Unsupported, &["rejected target"], false),
        (What::Http500, &["unknown"], false),
        (What::Http503, &["unknown"], false),
        (What::Http { status: 502, after_write: true }, &["unknown"], true),
        (What::Garbage, &["unknown"], true),
        (What::WrongUser, &["applied"], true),
        (What::Stall, &["unknown"], true),
        (What::CutHalfway, &["unknown"], true),
        (What::TemporaryFailure, &["rejected record"], false),
    ];
    for (what, may_say, there) in cases {
        let ils = ils(Personality::default()).await;
        let directory = directory(&ils, |s| s.deadline = deadline);
        ils.fault(Fault { service: Some("CreateUser".into()), when: When::Next(1), what: what.clone() });
        let said = match directory.create(&creation("20001")).await {
            Outcome::Applied(Some(patron)) => {
                assert!(patron.values == values("20001"), "{what:?}");
                "applied".to_owned()
            }
            Outcome::Unknown(_) => "unknown".to_owned(),
            Outcome::Rejected(rejection) => format!("rejected {}", rejection.kind),
            other => panic!("{what:?}: {other:?}"),
        };
        assert!(may_say.contains(&said.as_str()), "{what:?}: {said}");
        assert_eq!(ils.counts().creates, 1, "{what:?}: sent once, whatever came of it");
        // A late commit is waited for, as the journal would.
        let mut seen = find(&directory, "20001").await;
        for _ in 0..200 {
            if !there || matches!(seen, Lookup::Found(_)) {
                break;
            }
            tokio::task::yield_now().await;
            seen = find(&directory, "20001").await;
        }
        assert_eq!(matches!(seen, Lookup::Found(_)), there, "{what:?}: {seen:?}");
        assert_eq!(ils.patrons().len(), usize::from(there), "{what:?}");
    }
}

#[tokio::test]
async fn s03_a_look_up_that_fails_is_never_not_found() {
    let faults = [
        What::Refuse,
        What::DropAnswer,
        What::AnswerTwice,
        What::Unsupported,
        What::Http500,
        What::Http503,
        What::Garbage,
        What::WrongUser,
        What::Stall,
        What::CutHalfway,
        What::TemporaryFailure,
    ];
    let ils = ils(Personality::default()).await;
    let directory = directory(&ils, |s| s.deadline = Duration::from_millis(300));
    applied(directory.create(&creation("20001")).await);
    applied(directory.create(&creation("20002")).await);
    for number in ["20001", "20003"] {
        for what in faults.clone() {
            ils.fault(Fault { service: Some("LookupUser".into()), when: When::Next(1), what: what.clone() });
            let seen = find(&directory, number).await;
            // The wrong user for a number that nobody has needs the right problem first; it is then refused as well.
            assert!(matches!(seen, Lookup::Unknown(_)), "{number} {what:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_agency_or_password_stops_the_target() {
    let ils = ils(Personality {
        agency: Some("LAKELIB".into()),
        secret: Some("s3cret".into()),
        ..Personality::default()
    })
    .await;
    let stranger = directory(&ils, |_| {});
    assert!(stranger.check().await.is_err());
    let Outcome::Rejected(rejection) = stranger.create(&creation("1")).await else { panic!("refused") };
    assert_eq!(rejection.kind, RejectionKind::Target);
    let known = directory(&ils, |s| {
        s.from_agency_authentication = Some(Secret::new("s3cret"));
    });
    assert!(known.check().await.is_ok());
    applied(known.create(&creation("1")).await);
    let astray = directory(&ils, |s| {
        s.from_agency_authentication = Some(Secret::new("s3cret"));
        s.to_agency = "OTHER".into();
    });
    assert!(astray.check().await.is_err());
}
