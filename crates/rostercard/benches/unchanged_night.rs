//! The night in which nothing changed: a whole run over a district of a million, beside what the `csv` crate alone
//! takes to read the same files.
//!
//! ```text
//! cargo bench -p rostercard --bench unchanged_night            # 1,000,000 students
//! ROSTERCARD_BENCH_STUDENTS=100000 cargo bench -p rostercard --bench unchanged_night
//! ROSTERCARD_BENCH_FOLDER=/var/tmp/night cargo bench ...       # keeps package and store there, and uses them again
//! ```
//!
//! It writes a practice package, makes every card through the true engine and store against a directory that answers
//! at once, and then runs the night in a process of its own, so that its memory is its own too.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench, not the program"
)]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, FieldRules, FieldSet};
use rostercard_core::finding::Finding;
use rostercard_core::guard::{GuardAction, Guards};
use rostercard_core::patron::Patron;
use rostercard_core::ports::{
    Capabilities, Capability, CapabilityState, ConnectorError, Creation, FieldChanges, FindKey, Lookup,
    Outcome, PatronFinder, PatronWriter,
};
use rostercard_core::privacy::Secret;
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::{NumberRule, NumberTemplate};
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{
    AddressRules, CardRule, CardRules, Eligible, Existing, Homes, NameChoice, OnLeaving,
};
use rostercard_core::words::{CardModel, Code};
use rostercard_engine::{Clock, Engine, Entropy, Grace, IlsLimits, PartnershipSettings, Quiet, World};
use rostercard_practice::roster::{Spec, Version, generate, schools};
use rostercard_source_oneroster::{OneRosterCsv, Settings};
use rostercard_store::{SqliteStore, StoreKey};

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A directory that knows nobody and makes everybody at once.
struct Instantly;

#[async_trait]
impl PatronFinder for Instantly {
    fn capabilities(&self) -> Capabilities {
        let yes = || Capability::new(CapabilityState::Claimed, "a bench");
        Capabilities {
            lookup: yes(),
            create: yes(),
            update: yes(),
            block: yes(),
            unblock: yes(),
            pin: yes(),
            find_by_person: yes(),
        }
    }
    fn returns(&self) -> FieldSet {
        FieldSet::of(&[Field::Surname, Field::GivenName, Field::Category, Field::HomeBranch, Field::Expiry])
    }
    async fn find(&self, _: &FindKey) -> Lookup {
        Lookup::NotFound
    }
    async fn check(&self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl PatronWriter for Instantly {
    fn pin_with_create(&self) -> bool {
        true
    }
    async fn create(&self, creation: &Creation) -> Outcome {
        let values = creation.values.clone();
        let id = values.barcode.clone().unwrap();
        Outcome::Applied(Some(Box::new(Patron { id, values, blocked: None })))
    }
    async fn set_pin(&self, _: &Patron, _: &Secret) -> Outcome {
        Outcome::Applied(None)
    }
    async fn update(&self, _: &Patron, _: &FieldChanges) -> Outcome {
        Outcome::Applied(None)
    }
}

struct Machine(Mutex<u64>);

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Timestamp {
        "2026-11-24T04:30:00Z".parse().unwrap()
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

fn engine(folder: &Path, spec: &Spec) -> (Engine, PartnershipSettings) {
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::other);
    let store =
        SqliteStore::open_writer(&folder.join("rostercard.db"), &StoreKey::new([7; 32]), Arc::new(random))
            .unwrap();
    let homes = schools(spec).into_iter().map(|school| (school.name.clone(), Code::new("MAIN"))).collect();
    let off = GuardAction::Off;
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
            agreed: FieldSet::of(&[Field::StudentId, Field::Statistics]),
            programme: Programme::OptOut,
            number_max: 14,
        },
        ranges: std::collections::BTreeMap::new(),
        guards: Guards { first_connection: off, ..Guards::default() },
        grace: Grace::default(),
        dates: rostercard_core::calendar::Dates::default(),
        timezone: TimeZone::UTC,
        pins: rostercard_engine::PinSettings::default(),
        wait_days: 7,
        full_every: 7,
        on_leaving: OnLeaving::NotRenewed,
        extract: None,
        limits: IlsLimits { connections: 64, settle_after: Duration::from_secs(60), rate: None },
    };
    let machine = Arc::new(Machine(Mutex::new(1)));
    let world = World::new(machine.clone(), machine, Arc::new(Quiet));
    (Engine::new(Arc::new(store), Arc::new(Instantly), settings.clone(), world), settings)
}

fn source(folder: &Path, settings: &PartnershipSettings) -> OneRosterCsv {
    let wanted = Settings { educators: false, ..Settings::new(folder.join("package")) };
    OneRosterCsv::new(wanted, settings.rules.fields.clone(), jiff::civil::date(2026, 11, 24))
}

fn run(folder: &Path, spec: &Spec) -> rostercard_engine::RunReport {
    let (engine, settings) = engine(folder, spec);
    let mut source = source(folder, &settings);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(engine.sync(&mut source)).unwrap()
}

/// What the `csv` crate alone takes for the package's files: each record read once, nothing done with it.
fn yardstick(package: &Path) -> Duration {
    let began = Instant::now();
    let mut record = csv::ByteRecord::new();
    let mut fields = 0;
    for entry in std::fs::read_dir(package).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "csv") {
            let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).unwrap();
            while reader.read_byte_record(&mut record).unwrap() {
                fields += record.len();
            }
        }
    }
    assert!(fields > 0);
    began.elapsed()
}

/// The most memory this process ever had, in megabytes.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn main() {
    let students =
        std::env::var("ROSTERCARD_BENCH_STUDENTS").ok().and_then(|s| s.parse().ok()).unwrap_or(1_000_000);
    let spec = Spec { version: Version::V1p1, ..Spec::new(students, 1) };
    if let Ok(folder) = std::env::var("ROSTERCARD_BENCH_NIGHT") {
        let began = Instant::now();
        let report = run(Path::new(&folder), &spec);
        let took = began.elapsed();
        let counts = report.run.result.counts;
        assert_eq!((counts.unchanged, counts.changes()), (u64::from(students), 0), "{:?}", report.run.result);
        println!("{} {}", took.as_millis(), peak_mb());
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let kept = std::env::var("ROSTERCARD_BENCH_FOLDER").ok();
    let folder = kept.as_deref().map_or(temporary.path(), Path::new);
    let package = folder.join("package");
    println!("{students} students, OneRoster 1.1, a folder");
    if !package.exists() {
        generate(&spec, &package).unwrap();
        let began = Instant::now();
        let first = run(folder, &spec);
        let took = began.elapsed();
        assert_eq!(first.run.result.counts.create, u64::from(students), "{:?}", first.run.result.counts);
        println!(
            "first load, durable, instant ILS: {:.1} s, {:.0} cards a second",
            took.as_secs_f64(),
            f64::from(students) / took.as_secs_f64()
        );
    }
    for _ in 0..5 {
        let csv = yardstick(&package);
        let output = Command::new(std::env::current_exe().unwrap())
            .env("ROSTERCARD_BENCH_NIGHT", folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words = text.split_whitespace().map(|w| w.parse::<f64>().unwrap());
        let (night, peak) = (words.next().unwrap() / 1000.0, words.next().unwrap());
        println!(
            "unchanged night: {night:.2} s and {peak:.0} MB; csv alone: {:.2} s; {:.1} times",
            csv.as_secs_f64(),
            night / csv.as_secs_f64()
        );
    }
}
