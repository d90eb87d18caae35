//! Writes, from the engine through the journal and NCIP over loopback to a practice ILS, each beside its yardstick in the same run.
//!
//! ```text
//! cargo bench -p rostercard --bench writes
//! ROSTERCARD_BENCH_STUDENTS=20000 cargo bench -p rostercard --bench writes
//! ```
//!
//! 1. Durable creates without latency, beside the same messages sent by a bare loop that keeps nothing.
//! 2. The same with 10 ms more for each commit: group commit, beside one commit a create.
//! 3. An ILS that takes 20 ms an answer, 8 connections: beside connections / latency / calls per create.
//! 4. The rival's way, which looks up and writes every student in every run, beside ours.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench, not the program"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_core::field::{Field, FieldRules, FieldSet};
use rostercard_core::guard::{GuardAction, Guards};
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::{Creation, FieldChanges, FindKey, Lookup, Outcome, PatronFinder, PatronWriter};
use rostercard_core::privacy::{BirthDate, Personal, Secret};
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::{NumberRule, NumberTemplate};
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{AddressRules, CardRule, CardRules, Eligible, Existing, Homes, NameChoice};
use rostercard_core::words::{CardModel, Code};
use rostercard_engine::{
    Clock, Engine, Entropy, Grace, IlsLimits, PartnershipSettings, PinSettings, Quiet, RunReport, World,
};
use rostercard_ils_ncip::{NcipDirectory, NcipSettings};
use rostercard_practice::ils::{Ils, Options, Running};
use rostercard_practice::roster::{Spec, Version, generate, schools};
use rostercard_source_oneroster::{OneRosterCsv, Settings};
use rostercard_store::{SqliteStore, StoreKey};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Machine(Mutex<u64>);

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 33) as u8;
        }
    }
}

/// A district, a library, and an ILS between which writes go.
struct Scene {
    folder: tempfile::TempDir,
    spec: Spec,
    store: Arc<SqliteStore>,
    ils: Running,
    connections: usize,
}

impl Scene {
    async fn new(students: u32, connections: usize, latency: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec { version: Version::V1p1, ..Spec::new(students, 1) };
        generate(&spec, &folder.path().join("day0")).unwrap();
        let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::other);
        let path = folder.path().join("rostercard.db");
        let store = SqliteStore::open_writer(&path, &StoreKey::new([7; 32]), Arc::new(random)).unwrap();
        let ils = Ils::start(Options { latency, ..Options::default() }).await.unwrap();
        Self { folder, spec, store: Arc::new(store), ils, connections }
    }

    fn directory(&self) -> NcipDirectory {
        let mut settings = NcipSettings::new(&self.ils.ncip_url(), true, "DISTRICT", "LIBRARY").unwrap();
        settings.connections = self.connections;
        NcipDirectory::new(settings).unwrap()
    }

    async fn sync(&self, day: &str) -> RunReport {
        let homes = schools(&self.spec).into_iter().map(|s| (s.name.clone(), Code::new("MAIN"))).collect();
        let off = GuardAction::Off;
        let mut guards = Guards { first_connection: off, ..Guards::default() };
        for limit in [&mut guards.create, &mut guards.update, &mut guards.school] {
            limit.action = off;
        }
        let settings = PartnershipSettings {
            permanent_id: "bench".into(),
            name: "bench".into(),
            ils: "main".into(),
            rules: CardRules {
                card: CardRule {
                    model: CardModel::Digital,
                    category: "STUDENT".into(),
                    number: NumberRule::Template(NumberTemplate::parse("77{student_id:0>10}").unwrap()),
                    pin: PinRule::Random { digits: 4 },
                    expires: ExpiryRule::every_year(MonthDay::parse("10-01").unwrap()),
                    statistics: std::collections::BTreeMap::new(),
                    note: None,
                },
                card_for: Vec::new(),
                eligible: Eligible::default(),
                homes: Homes::new(homes),
                fields: FieldRules::default(),
                names: NameChoice::Legal,
                address: AddressRules::default(),
                existing: Existing::Separate,
                number_max: 14,
            },
            ranges: std::collections::BTreeMap::new(),
            guards,
            grace: Grace::default(),
            timezone: TimeZone::UTC,
            pins: PinSettings::default(),
            wait_days: 7,
            limits: IlsLimits {
                connections: self.connections,
                settle_after: Duration::from_secs(60),
                rate: None,
            },
        };
        let machine = Arc::new(Machine(Mutex::new(1)));
        let world = World::new(machine.clone(), machine, Arc::new(Quiet));
        let wanted = Settings { educators: false, ..Settings::new(self.folder.path().join(day)) };
        let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
        let mut source = OneRosterCsv::new(wanted, settings.rules.fields.clone(), today);
        let engine = Engine::new(self.store.clone(), Arc::new(self.directory()), settings, world);
        engine.sync(&mut source).await.unwrap()
    }

    fn calls(&self) -> u64 {
        let counts = self.ils.counts();
        counts.lookups + counts.creates + counts.updates
    }
}

fn creation(n: u32) -> Creation {
    let values = PatronValues {
        barcode: Some(Personal::new(format!("88{n:010}"))),
        surname: Some(Personal::new(format!("Family{n}"))),
        given_name: Some(Personal::new(format!("Given{n}"))),
        birth_date: Some(BirthDate::new(jiff::civil::date(2014, 5, 6))),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(jiff::civil::date(2027, 10, 1)),
        ..PatronValues::default()
    };
    Creation { values, pin: Some(Secret::new("4711")) }
}

/// The same messages by a bare loop that keeps nothing: a look-up, a create with its read-back.
async fn bare_creates(scene: &Scene, patrons: u32) -> Duration {
    let directory = scene.directory();
    let began = Instant::now();
    stream::iter(0..patrons)
        .for_each_concurrent(scene.connections, |n| {
            let directory = &directory;
            async move {
                let creation = creation(n);
                let key = FindKey::Barcode(creation.values.barcode.clone().unwrap());
                assert!(matches!(directory.find(&key).await, Lookup::NotFound));
                assert!(matches!(directory.create(&creation).await, Outcome::Applied(_)));
            }
        })
        .await;
    began.elapsed()
}

fn per_second(count: u32, took: Duration) -> f64 {
    f64::from(count) / took.as_secs_f64()
}

async fn durable_creates(students: u32) {
    for connections in [4, 16] {
        let scene = Scene::new(students, connections, Duration::ZERO).await;
        let bare = bare_creates(&scene, students).await;
        let calls = scene.calls();
        scene.ils.reset_counts();
        let commits = scene.store.commits();
        let began = Instant::now();
        let report = scene.sync("day0").await;
        let took = began.elapsed();
        assert_eq!(report.run.result.counts.create, u64::from(students), "{:?}", report.run.result);
        assert_eq!(scene.calls(), calls, "the bare loop sends the same messages");
        println!(
            "durable creates, {connections} connections: {:.0} a second; the bare loop {:.0}; {:.0} % of it; {:.2} commits a create",
            per_second(students, took),
            per_second(students, bare),
            100.0 * bare.as_secs_f64() / took.as_secs_f64(),
            (scene.store.commits() - commits) as f64 / f64::from(students)
        );
    }
}

async fn slow_disk(students: u32) {
    const LATE: u64 = 10;
    let scene = Scene::new(students, 16, Duration::ZERO).await;
    scene.store.slow_down(LATE);
    let commits = scene.store.commits();
    let began = Instant::now();
    let report = scene.sync("day0").await;
    let took = began.elapsed();
    assert_eq!(report.run.result.counts.create, u64::from(students));
    // An intent and an outcome, each with a commit of its own, one after the other.
    let alone = 1000.0 / (2 * LATE) as f64;
    println!(
        "with {LATE} ms more for each commit: {:.0} a second, {:.3} commits a create; with two commits for each create {alone:.0}; \
         {:.1} times",
        per_second(students, took),
        (scene.store.commits() - commits) as f64 / f64::from(students),
        per_second(students, took) / alone
    );
}

async fn slow_ils(students: u32) {
    const LATENCY: Duration = Duration::from_millis(20);
    const CONNECTIONS: usize = 8;
    let scene = Scene::new(students, CONNECTIONS, LATENCY).await;
    let began = Instant::now();
    let report = scene.sync("day0").await;
    let took = began.elapsed();
    assert_eq!(report.run.result.counts.create, u64::from(students));
    let calls = scene.calls() as f64 / f64::from(students);
    let ideal = CONNECTIONS as f64 / LATENCY.as_secs_f64() / calls;
    println!(
        "an ILS of {} ms, {CONNECTIONS} connections, {calls:.2} calls a create: {:.1} a second of {ideal:.1}: {:.1} %",
        LATENCY.as_millis(),
        per_second(students, took),
        100.0 * per_second(students, took) / ideal
    );
}

/// The rival's way: every student is looked up and written in every run.
async fn write_everybody(scene: &Scene) -> Duration {
    let directory = scene.directory();
    let began = Instant::now();
    stream::iter(scene.ils.patrons())
        .for_each_concurrent(scene.connections, |patron| {
            let directory = &directory;
            async move {
                let key = FindKey::Barcode(Personal::new(patron.barcode));
                let Lookup::Found(found) = directory.find(&key).await else { return };
                let fields =
                    FieldSet::of(&[Field::Surname, Field::GivenName, Field::BirthDate, Field::Expiry]);
                let changes = FieldChanges { fields, values: found.values.clone() };
                drop(directory.update(&found, &changes).await);
            }
        })
        .await;
    began.elapsed()
}

async fn rivals_way(students: u32) {
    let scene = Scene::new(students, 8, Duration::from_millis(2)).await;
    let spec = Spec { day: 3, ..scene.spec.clone() };
    generate(&spec, &scene.folder.path().join("day3")).unwrap();
    assert_eq!(scene.sync("day0").await.run.result.counts.create, u64::from(students));
    scene.ils.reset_counts();
    let theirs = write_everybody(&scene).await;
    let their_calls = scene.calls();
    for (night, day) in [("nothing changed", "day0"), ("a few days' changes", "day3")] {
        scene.ils.reset_counts();
        let began = Instant::now();
        let report = scene.sync(day).await;
        let took = began.elapsed();
        println!(
            "{night} ({} changes of {students}): {} calls and {:.2} s; looking up and writing everybody: {their_calls} calls and {:.2} s; \
             {:.0} times the time",
            report.run.result.counts.changes(),
            scene.calls(),
            took.as_secs_f64(),
            theirs.as_secs_f64(),
            theirs.as_secs_f64() / took.as_secs_f64()
        );
    }
}

fn main() {
    // `cargo test --benches` asks whether it still works, not how fast it is.
    let test = std::env::args().any(|arg| arg == "--test");
    let asked = std::env::var("ROSTERCARD_BENCH_STUDENTS").ok().and_then(|s| s.parse().ok());
    let students: u32 = asked.unwrap_or(if test { 60 } else { 10_000 });
    drop(rustls::crypto::ring::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        durable_creates(students).await;
        slow_disk(students).await;
        slow_ils(students.div_ceil(4)).await;
        rivals_way(students.div_ceil(4)).await;
    });
}
