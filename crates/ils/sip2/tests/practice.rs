//! The directory against practice servers of every kind: blocks with proof, PINs only on request, late answers, one
//! connection, a vendor's extension that is not there.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rostercard_core::field::{Field, FieldSet};
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{
    CapabilityState, FieldChanges, FindKey, Lookup, Outcome, PatronFinder, PatronWriter, RejectionKind,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_ils_sip2::{PinCheck, Sip2Directory, Sip2Settings, TlsSettings};
use rostercard_practice::ils::{Ils, Options, Patron, Running, Sip2Personality};
use rostercard_sip2::Dialect;

async fn ils(personality: &str, change: impl FnOnce(&mut Sip2Personality)) -> Running {
    let mut sip2_personality = Sip2Personality::named(personality).unwrap();
    change(&mut sip2_personality);
    let any = Some("127.0.0.1:0".parse().unwrap());
    let ils = Ils::start(Options { sip2: any, sip2_personality, ..Options::default() }).await.unwrap();
    for barcode in ["20001", "20002"] {
        let card = Patron {
            barcode: barcode.to_owned(),
            surname: "Lee".to_owned(),
            given: "Zoë".to_owned(),
            pin: Some("4711".to_owned()),
            category: Some("STUDENT".to_owned()),
            home_branch: Some("MAIN".to_owned()),
            expires: Some("2027-10-01".to_owned()),
            ..Patron::default()
        };
        ils.add(card).unwrap();
    }
    ils
}

fn directory(ils: &Running, change: impl FnOnce(&mut Sip2Settings)) -> Sip2Directory {
    let at = ils.sip2_address().unwrap();
    let mut settings = Sip2Settings::of(at.ip().to_string(), at.port(), TlsSettings::Off, TimeZone::UTC);
    settings.deadline = Duration::from_secs(1);
    settings.back_off = Duration::from_millis(5);
    settings.block.enabled = true;
    change(&mut settings);
    Sip2Directory::new(settings, Arc::new(|| "2026-11-24T12:00:00Z".parse().unwrap())).unwrap()
}

async fn card(directory: &Sip2Directory, number: &str) -> rostercard_core::patron::Patron {
    match directory.find(&FindKey::Barcode(Personal::new(number))).await {
        Lookup::Found(patron) => *patron,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_block_is_proven_and_taken_back() {
    for personality in ["correct", "evergreen", "single"] {
        let ils = ils(personality, |_| {}).await;
        let directory = directory(&ils, |_| {});
        let patron = card(&directory, "20001").await;
        assert_eq!(patron.blocked, Some(false));
        let outcome = directory.set_blocked(&patron, true).await;
        assert!(matches!(&outcome, Outcome::Applied(Some(p)) if p.blocked == Some(true)), "{outcome:?}");
        assert!(!ils.patron("20001").unwrap().blocks.is_empty());
        // Once more changes nothing.
        let outcome = directory.set_blocked(&patron, true).await;
        assert!(matches!(outcome, Outcome::AlreadySo(_)), "{outcome:?}");
        let outcome = directory.set_blocked(&patron, false).await;
        assert!(matches!(&outcome, Outcome::Applied(Some(p)) if p.blocked == Some(false)), "{outcome:?}");
        assert!(ils.patron("20001").unwrap().blocks.is_empty());
        let known = directory.capabilities();
        assert_eq!(
            (known.block.state, known.unblock.state),
            (CapabilityState::Proven, CapabilityState::Proven)
        );
        assert!(directory.finish().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_block_of_the_librarys_own_is_never_taken_away() {
    let ils = ils("evergreen", |_| {}).await;
    ils.edit("20001", |patron| patron.blocks.extend(["sip2".to_owned(), "fines".to_owned()])).unwrap();
    let directory = directory(&ils, |_| {});
    let patron = card(&directory, "20001").await;
    let Outcome::Rejected(rejection) = directory.set_blocked(&patron, false).await else { panic!() };
    assert_eq!(rejection.kind, RejectionKind::Record);
    assert!(rejection.error.message.contains("not Rostercard's"), "{rejection:?}");
    assert_eq!(ils.patron("20001").unwrap().blocks.len(), 2, "nothing was sent");
}

#[tokio::test]
async fn a_server_that_only_says_so_is_found_out() {
    let ils = ils("koha", |_| {}).await;
    let directory = directory(&ils, |_| {});
    let patron = card(&directory, "20001").await;
    let Outcome::Rejected(rejection) = directory.set_blocked(&patron, true).await else { panic!() };
    assert!(rejection.error.message.contains("no effect"), "{rejection:?}");
    assert_eq!(directory.capabilities().block.state, CapabilityState::Disproven);
    assert!(directory.finish().await.unwrap()[0].message.contains("acknowledged 01"));
}

#[tokio::test]
async fn a_pin_is_sent_only_where_it_is_asked_for() {
    let ils = ils("koha", |_| {}).await;
    let directory = directory(&ils, |_| {});
    for _ in 0..5 {
        assert_eq!(card(&directory, "20001").await.blocked, Some(false), "a look-up is no failed login");
    }
    assert_eq!(directory.check_pin("20001", &Secret::new("4711")).await, PinCheck::Right);
    for _ in 0..3 {
        assert_eq!(directory.check_pin("20001", &Secret::new("0000")).await, PinCheck::Wrong);
    }
    assert_eq!(card(&directory, "20001").await.blocked, Some(true), "this server counts them");
    assert!(matches!(directory.check_pin("4", &Secret::new("4711")).await, PinCheck::Unknown(_)));
}

#[tokio::test]
async fn a_late_answer_is_nobody_elses() {
    let ils = ils("late", |p| p.late = Some((2, Duration::from_millis(400)))).await;
    let directory = directory(&ils, |settings| settings.deadline = Duration::from_millis(200));
    let mut unknown = 0;
    for n in 0..12 {
        let number = if n % 2 == 0 { "20001" } else { "20002" };
        match directory.find(&FindKey::Barcode(Personal::new(number))).await {
            Lookup::Found(patron) => assert_eq!(patron.id.reveal(), number),
            Lookup::Unknown(error) => {
                assert!(error.message.contains("in time"), "{error}");
                unknown += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(unknown, 6);
}

#[tokio::test]
async fn many_at_once_share_the_one_connection() {
    let ils = ils("single", |_| {}).await;
    let directory = Arc::new(directory(&ils, |_| {}));
    let all: Vec<_> = (0..20)
        .map(|n| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move { card(&directory, ["20001", "20002"][n % 2]).await.id })
        })
        .collect();
    for (n, one) in all.into_iter().enumerate() {
        assert_eq!(one.await.unwrap().reveal(), ["20001", "20002"][n % 2]);
    }
}

#[tokio::test]
async fn what_the_dialect_sends_is_returned_and_nothing_else() {
    let ils = ils("koha", |_| {}).await;
    let directory = directory(&ils, |settings| {
        settings.dialect = Dialect::Koha;
        settings.fields = Dialect::Koha.fields();
    });
    let returned =
        FieldSet::of(&[Field::Barcode, Field::BirthDate, Field::Category, Field::HomeBranch, Field::Expiry]);
    assert_eq!(directory.returns(), returned);
    let values = card(&directory, "20001").await.values;
    assert_eq!(values.expiry, Some(jiff::civil::date(2027, 10, 1)));
    assert_eq!(values.category, Some("STUDENT".into()));
    assert_eq!(values.surname, None, "a name over SIP2 is for a display");
    // What SIP2 cannot do is refused before anything is sent.
    let patron = card(&directory, "20001").await;
    let changes = FieldChanges { fields: FieldSet::of(&[Field::Expiry]), values: PatronValues::default() };
    assert!(matches!(directory.update(&patron, &changes).await, Outcome::Rejected(_)));
    let other = directory.find(&FindKey::Email(Personal::new("a@example.org"))).await;
    assert!(matches!(other, Lookup::Unknown(_)), "{other:?}");
}

#[tokio::test]
async fn a_server_that_went_and_came_back_is_found_again() {
    let ils = ils("correct", |_| {}).await;
    let directory = directory(&ils, |_| {});
    card(&directory, "20001").await;
    ils.set_down(true);
    let lookup = directory.find(&FindKey::Barcode(Personal::new("20001"))).await;
    assert!(matches!(lookup, Lookup::Unknown(_)), "{lookup:?}");
    ils.set_down(false);
    card(&directory, "20001").await;
}
