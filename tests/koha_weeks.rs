//! Weeks in one test: engine, store and connector as the program puts them together, with a clock of the test's own, between
//! OneRoster packages and a practice Koha. For what takes longer than a test may: grace, an end, a return.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, FieldRules, FieldSet};
use rostercard_core::guard::{GuardAction, Guards};
use rostercard_core::privacy::Secret;
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::{NumberRule, NumberTemplate};
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{
    AddressRules, CardRule, CardRules, Eligible, Existing, Homes, NameChoice, OnLeaving,
};
use rostercard_core::words::{CardModel, Code};
use rostercard_engine::{
    Clock, Engine, Entropy, Grace, IlsLimits, PartnershipSettings, PinSettings, Quiet, RunReport, World,
};
use rostercard_ils_koha::{AttributeMap, KohaDirectory, KohaLogin, KohaSettings};
use rostercard_practice::ils::Patron;
use rostercard_source_oneroster::{OneRosterCsv, Settings};
use rostercard_store::{SqliteStore, StoreKey};
use tempfile::TempDir;

use crate::support::practice::Practice;
use crate::support::roster::{Child, children, number, send};

/// A clock that is set by the test, and dice that always fall the same way.
struct Made(Mutex<(Timestamp, u64)>);

#[async_trait]
impl Clock for Made {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    async fn sleep(&self, duration: Duration) {
        self.go_on(duration);
    }
}

impl Entropy for Made {
    fn fill(&self, bytes: &mut [u8]) {
        let dice = &mut self.0.lock().unwrap().1;
        for byte in bytes {
            *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = dice.to_le_bytes()[5];
        }
    }
}

impl Made {
    fn go_on(&self, duration: Duration) {
        self.0.lock().unwrap().0 += duration;
    }
}

/// A library with a Koha, and the days that go by.
struct Town {
    folder: TempDir,
    koha: Practice,
    world: Arc<Made>,
    runtime: tokio::runtime::Runtime,
}

impl Town {
    fn new() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        Self {
            folder: tempfile::tempdir().unwrap(),
            koha: Practice::start(),
            world: Arc::new(Made(Mutex::new(("2026-11-24T04:30:00Z".parse().unwrap(), 7)))),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// The next day's run, with this roster.
    fn day(&self, class: &[Child]) -> RunReport {
        self.world.go_on(Duration::from_secs(86_400));
        let package = self.folder.path().join("roster.zip");
        send(class, &package);
        let login =
            KohaLogin::OAuth { client_id: "rostercard".into(), client_secret: Secret::new("practice") };
        let mut koha = KohaSettings::new(&self.koha.koha_url(), false, login).unwrap();
        koha.attributes = AttributeMap { student_id: Some("STUDENTID".into()), ..AttributeMap::default() };
        let store = SqliteStore::open_writer(
            &self.folder.path().join("rostercard.db"),
            &StoreKey::new([7; 32]),
            Arc::new(|bytes: &mut [u8]| {
                bytes.fill(9);
                Ok(())
            }),
        );
        let settings = settings();
        let today = TimeZone::UTC.to_datetime(self.world.now()).date();
        let wanted = Settings { educators: false, ..Settings::new(package) };
        let mut source = OneRosterCsv::new(wanted, settings.rules.fields.clone(), today);
        let world = World::new(self.world.clone(), self.world.clone(), Arc::new(Quiet));
        let directory = Arc::new(KohaDirectory::new(koha).unwrap());
        let engine = Engine::new(Arc::new(store.unwrap()), directory, settings, world);
        self.runtime.block_on(engine.sync(&mut source)).unwrap()
    }

    fn patron(&self, child: &Child) -> Patron {
        self.koha.patron(&number(&child.id)).unwrap()
    }
}

fn settings() -> PartnershipSettings {
    let off = GuardAction::Off;
    let homes = [("Elm School", "MAIN"), ("Ash School", "EAST")];
    PartnershipSettings {
        permanent_id: "oak".into(),
        name: "oak".into(),
        ils: "main".into(),
        rules: CardRules {
            card: CardRule {
                model: CardModel::Digital,
                category: "STUDENT".into(),
                number: NumberRule::Template(NumberTemplate::parse("77{student_id:0>8}").unwrap()),
                pin: PinRule::Random { digits: 4 },
                expires: ExpiryRule::every_year(MonthDay::parse("10-01").unwrap()),
                statistics: std::collections::BTreeMap::new(),
                note: None,
            },
            card_for: Vec::new(),
            eligible: Eligible::default(),
            homes: Homes::new(homes.map(|(school, code)| (school.to_owned(), Code::new(code))).into()),
            fields: FieldRules::default(),
            names: NameChoice::Legal,
            address: AddressRules::default(),
            existing: Existing::Separate,
            agreed: FieldSet::of(&[Field::StudentId]),
            programme: Programme::OptOut,
            number_max: 14,
        },
        ranges: std::collections::BTreeMap::new(),
        guards: Guards { first_connection: off, ..Guards::default() },
        grace: Grace { days: 3, feeds: 2 },
        dates: rostercard_core::calendar::Dates::default(),
        timezone: TimeZone::UTC,
        pins: PinSettings::default(),
        wait_days: 7,
        full_every: 7,
        on_leaving: OnLeaving::Expire,
        extract: None,
        limits: IlsLimits { connections: 4, settle_after: Duration::from_secs(60), rate: None },
    }
}

#[test]
fn s09_who_leaves_a_card_in_koha_ends_after_the_grace_and_lives_again_on_return() {
    let town = Town::new();
    let class = children(30);
    assert_eq!(town.day(&class).run.result.counts.create, 30);
    let before = town.patron(&class[0]);
    assert_eq!(before.expires.as_deref(), Some("2027-10-01"));
    // Somebody at the desk looks after the note and the phone number meanwhile.
    town.koha
        .edit(&number("4001"), |patron| {
            patron.note = "reads a lot".into();
            patron.phones = vec!["family".into()];
        })
        .unwrap();
    for day in 1..=3 {
        assert_eq!(town.day(&class[1..]).run.result.counts.lapse, 0, "day {day} of the grace");
        assert_eq!(town.patron(&class[0]).expires, before.expires);
    }
    let mut lapsed = 0;
    for _ in 0..2 {
        lapsed += town.day(&class[1..]).run.result.counts.lapse;
    }
    assert_eq!(lapsed, 1);
    let ended = town.patron(&class[0]);
    let end = ended.expires.clone().unwrap();
    assert!(end.parse::<jiff::civil::Date>().unwrap() <= date(2026, 11, 30), "{end}");
    assert_eq!((ended.note.as_str(), ended.phones[0].as_str()), ("reads a lot", "family"));
    assert_eq!(
        (ended.id, &ended.pin, &ended.koha.attributes),
        (before.id, &before.pin, &before.koha.attributes)
    );

    town.koha.reset_counts();
    town.day(&class[1..]);
    assert_eq!(town.koha.messages(), 0, "ended is ended");
    assert_eq!(town.day(&class).run.result.counts.restore, 1);
    let back = town.patron(&class[0]);
    assert_eq!((back.id, &back.pin, &back.expires), (before.id, &before.pin, &before.expires));
    assert_eq!(town.koha.patrons().len(), 30);
    town.koha.reset_counts();
    town.day(&class);
    assert_eq!(town.koha.messages(), 0);
}
