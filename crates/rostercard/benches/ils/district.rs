//! A practice district, its partnership, and one run of it against an ILS.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, FieldRules, FieldSet};
use rostercard_core::guard::{GuardAction, Guards};
use rostercard_core::patron::PatronValues;
use rostercard_core::ports::PatronDirectory;
use rostercard_core::privacy::Personal;
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::{NumberRule, NumberTemplate};
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{
    AddressRules, CardRule, CardRules, Eligible, Existing, Homes, NameChoice, OnLeaving,
};
use rostercard_core::words::{CardModel, Code};
use rostercard_engine::{
    Clock, Engine, Entropy, Grace, IlsLimits, PartnershipSettings, Phase, Progress, RunReport, World,
};
use rostercard_ils_ncip::{NcipDirectory, NcipSettings};
use rostercard_practice::roster::{Spec, generate, schools};
use rostercard_source_oneroster::{OneRosterCsv, Settings};
use rostercard_store::{SqliteStore, StoreKey};
use tempfile::TempDir;

/// Patrons of the ILS at this address.
pub(crate) fn directory(url: &str, connections: usize) -> NcipDirectory {
    let settings = NcipSettings::new(url, false, "LAKESIDE-USD", "LAKELIB").unwrap();
    NcipDirectory::new(NcipSettings { connections, ..settings }).unwrap()
}

/// A patron like those of the district, for the yardstick.
pub(crate) fn somebody() -> PatronValues {
    PatronValues {
        surname: Some(Personal::new("Okonkwo-Lindqvist")),
        given_name: Some(Personal::new("Marguerite")),
        category: Some("STUDENT".into()),
        home_branch: Some("MAIN".into()),
        expiry: Some(jiff::civil::date(2027, 10, 1)),
        ..PatronValues::default()
    }
}

/// The machine, and when the writing began.
struct Machine {
    random: Mutex<u64>,
    writing: Mutex<Option<Instant>>,
}

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
        let mut state = self.random.lock().unwrap();
        for byte in bytes {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 33) as u8;
        }
    }
}

impl Progress for Machine {
    fn phase(&self, phase: Phase, _: Option<u64>) {
        if phase == Phase::Writing {
            *self.writing.lock().unwrap() = Some(Instant::now());
        }
    }
    fn advance(&self, _: u64) {}
    fn say(&self, _: &str) {}
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    /// The whole run: reading, deciding, writing.
    pub(crate) whole: Duration,
    /// From the first write to the end.
    pub(crate) writing: Duration,
    /// Commits of the store, over the whole run.
    pub(crate) commits: u64,
}

/// A district: its package, and a store of its own.
pub(crate) struct District {
    folder: TempDir,
    spec: Spec,
}

impl District {
    pub(crate) fn new(students: u32) -> Self {
        let (folder, spec) = (tempfile::tempdir().unwrap(), Spec::new(students, 1));
        generate(&spec, &folder.path().join("package")).unwrap();
        Self { folder, spec }
    }

    fn package(&self) -> std::path::PathBuf {
        self.folder.path().join("package")
    }

    /// Gives every `nth` student another given name.
    pub(crate) fn rename_every(&self, nth: usize) -> u64 {
        let path = self.package().join("users.csv");
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let head = reader.headers().unwrap().clone();
        let column = |name: &str| head.iter().position(|h| h == name).unwrap();
        let (role, given) = (column("role"), column("givenName"));
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let mut writer = csv::Writer::from_path(&path).unwrap();
        writer.write_record(&head).unwrap();
        let (mut students, mut renamed) = (0, 0);
        for row in rows {
            let mut fields: Vec<&str> = row.iter().collect();
            if fields[role] == "student" {
                students += 1;
                if students % nth == 0 {
                    fields[given] = "Renamed";
                    renamed += 1;
                }
            }
            writer.write_record(fields).unwrap();
        }
        writer.flush().unwrap();
        renamed
    }

    /// One run over NCIP. `disk` is waited before each commit of the store.
    pub(crate) async fn run(&self, ils: &str, connections: usize, disk: Duration) -> Ran {
        self.run_by(Arc::new(directory(ils, connections)), connections, disk).await
    }

    /// One run by any directory.
    pub(crate) async fn run_by(
        &self,
        ils: Arc<dyn PatronDirectory>,
        connections: usize,
        disk: Duration,
    ) -> Ran {
        let settings = settings(&self.spec, connections);
        let machine = Arc::new(Machine { random: Mutex::new(1), writing: Mutex::default() });
        let random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::other);
        let path = self.folder.path().join("rostercard.db");
        let slow = move || {
            if !disk.is_zero() {
                std::thread::sleep(disk);
            }
        };
        let store =
            SqliteStore::open_writer_on_slow_disk(&path, &StoreKey::new([7; 32]), Arc::new(random), slow);
        let store = Arc::new(store.unwrap());
        let world = World::new(machine.clone(), machine.clone(), machine.clone());
        let wanted = Settings { educators: false, ..Settings::new(self.package()) };
        let today = jiff::civil::date(2026, 11, 24);
        let mut source = OneRosterCsv::new(wanted, settings.rules.fields.clone(), today);
        let engine = Engine::new(store.clone(), ils, settings, world);
        let began = Instant::now();
        let report = engine.sync(&mut source).await.unwrap();
        let whole = began.elapsed();
        let writing = machine.writing.lock().unwrap().map_or(Duration::ZERO, |at| at.elapsed());
        Ran { report, whole, writing, commits: store.commits() }
    }
}

fn settings(spec: &Spec, connections: usize) -> PartnershipSettings {
    let homes = schools(spec).into_iter().map(|school| (school.name.clone(), Code::new("MAIN"))).collect();
    let off = GuardAction::Off;
    PartnershipSettings {
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
        limits: IlsLimits { connections, settle_after: Duration::from_secs(60), rate: None },
    }
}
