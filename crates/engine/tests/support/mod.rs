//! A world for the engine: a clock that is moved by hand, an ILS in memory with faults on demand, rosters from lists,
//! and a store that can "lose power" at any step.
#![allow(dead_code, reason = "each test file uses its own part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

pub(crate) mod crash;
pub(crate) mod ils;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use rostercard_core::consent::Programme;
use rostercard_core::field::{Field, FieldRules, FieldSet};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::grade::Grade;
use rostercard_core::guard::Guards;
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, FetchOne, Record, Resume, RosterFacts, RosterPage, RosterSource,
    SourceState,
};
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::rules::number::{CheckDigit, NumberRange, NumberRule, NumberTemplate};
use rostercard_core::rules::pin::PinRule;
use rostercard_core::rules::{
    AddressRules, CardRule, CardRules, Eligible, Existing, Homes, NameChoice, OnLeaving,
};
use rostercard_core::student::{Consent, GivenAddress, School, Student};
use rostercard_core::words::{CardModel, Code, Role};
use rostercard_engine::{
    Clock, Engine, EngineError, Entropy, Grace, IlsLimits, PartnershipSettings, Quiet, RunReport, World,
};
use rostercard_store::rows::{ChangeSelection, RunId};
use rostercard_store::{SqliteStore, Store, StoreKey};

use ils::FakeIls;

/// A clock that stands still unless somebody sleeps by it.
#[derive(Debug)]
pub(crate) struct FakeClock(Mutex<Timestamp>);

impl FakeClock {
    pub(crate) fn advance(&self, duration: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(duration).unwrap();
    }

    pub(crate) fn days(&self, days: u64) {
        self.advance(Duration::from_secs(days * 86_400));
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

/// Numbers that look random and are the same every time.
#[derive(Debug)]
pub(crate) struct FakeEntropy(AtomicU64);

impl Entropy for FakeEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let step = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let mut z = step;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (z >> 56) as u8;
        }
    }
}

/// A student in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kid {
    pub(crate) id: String,
    pub(crate) given: String,
    pub(crate) family: String,
    pub(crate) school: String,
    pub(crate) grade: String,
    pub(crate) born: (i16, i8, i8),
}

pub(crate) fn kid(id: &str, given: &str, family: &str, school: &str) -> Kid {
    Kid {
        id: id.into(),
        given: given.into(),
        family: family.into(),
        school: school.into(),
        grade: "06".into(),
        born: (2014, 5, 6),
    }
}

/// `n` students at school A, with lasting ids.
pub(crate) fn kids(n: usize) -> Vec<Kid> {
    (0..n)
        .map(|i| kid(&format!("{:05}", 100 + i), &format!("Given{i}"), &format!("Family{i}"), "A"))
        .collect()
}

pub(crate) fn school(name: &str) -> Arc<School> {
    Arc::new(School {
        source_id: format!("org-{name}"),
        code: Some(name.to_owned()),
        name: format!("School {name}"),
    })
}

impl Kid {
    pub(crate) fn student(&self) -> Student {
        Student {
            student_id: Personal::new(&self.id),
            source_ids: vec![Personal::new(format!("u-{}", self.id))],
            role: Role::Student,
            given_name: Personal::new(&self.given),
            middle_name: None,
            family_name: Personal::new(&self.family),
            preferred: None,
            birth_date: Some(BirthDate::new(date(self.born.0, self.born.1, self.born.2))),
            grade: Grade::parse(&self.grade),
            schools: vec![school(&self.school)],
            primary_school: Some(0),
            user_name: None,
            email: None,
            phone: None,
            address: GivenAddress::None,
            findings: Vec::new(),
            consent: Consent::NotSaid,
            row: None,
        }
    }
}

/// A roster from a list.
pub(crate) struct ListSource {
    pub(crate) records: Vec<Record>,
    pub(crate) completeness: Completeness,
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) endpoint: String,
    pub(crate) state: SourceState,
    /// After so many records, the source fails.
    pub(crate) fails_after: Option<usize>,
    pub(crate) sent: usize,
    /// What is to be let go of.
    pub(crate) cursor: Option<Cursor>,
    /// What was let go of.
    pub(crate) released: Vec<Cursor>,
    /// How the stream was asked for.
    pub(crate) resumed: Option<Resume>,
    /// Who is found when the source is asked for one person, by the source's id; `None` where it cannot be asked.
    pub(crate) known: Option<BTreeMap<String, Kid>>,
    /// How often it was asked for one person.
    pub(crate) asked: usize,
}

impl ListSource {
    pub(crate) fn new(kids: &[Kid]) -> Self {
        Self {
            records: kids.iter().map(|k| Record::Student(Box::new(k.student()))).collect(),
            completeness: Completeness::Snapshot,
            as_of: None,
            endpoint: "list".into(),
            state: SourceState::Running,
            fails_after: None,
            sent: 0,
            cursor: None,
            released: Vec::new(),
            resumed: None,
            known: None,
            asked: 0,
        }
    }

    /// A stream of changes: these people, and these ids of people who have left.
    pub(crate) fn delta(kids: &[Kid], gone: &[&str], cursor: &str) -> Self {
        let mut source = Self::new(kids);
        source.records.extend(
            gone.iter().map(|id| Record::Gone {
                student_id: None,
                source_ids: vec![Personal::new(format!("u-{id}"))],
            }),
        );
        source.completeness = Completeness::Delta;
        source.cursor = Some(Cursor(cursor.into()));
        source
    }
}

#[async_trait]
impl RosterSource for ListSource {
    fn resume(&mut self, from: Resume) {
        self.resumed = Some(from);
    }

    async fn fetch_one(&mut self, source_ids: &[Personal]) -> FetchOne {
        let Some(known) = &self.known else { return FetchOne::NotPossible };
        self.asked += 1;
        match source_ids.iter().find_map(|id| known.get(id.reveal())) {
            Some(kid) => FetchOne::Found(Box::new(kid.student())),
            None => FetchOne::NotFound,
        }
    }

    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        Ok(RosterFacts {
            as_of: self.as_of,
            state: self.state,
            description: "a list".into(),
            endpoint: self.endpoint.clone(),
            findings: Vec::new(),
        })
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        tokio::task::yield_now().await;
        if self.fails_after.is_some_and(|after| self.sent >= after) {
            return Err(ConnectorError::new(
                rostercard_core::ports::Fault::District,
                rostercard_core::ports::Retry::Later,
                "the transfer broke off",
                "ask the district to send it again",
            ));
        }
        if self.records.is_empty() {
            let finding = Finding::new("list_read", Place::default(), "the list was read");
            return Ok(RosterPage::End {
                completeness: self.completeness,
                cursor: self.cursor.clone(),
                findings: vec![finding],
            });
        }
        let take = self.records.len().min(3);
        self.sent += take;
        Ok(RosterPage::Records(self.records.drain(..take).collect()))
    }

    async fn release(&mut self, cursor: &Cursor) -> Result<Vec<Finding>, ConnectorError> {
        self.released.push(cursor.clone());
        Ok(vec![Finding::new("file_archived", Place::default(), "the file was put away")])
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

pub(crate) fn range() -> NumberRange {
    NumberRange { name: "main".into(), first: 5_000, last: 5_999, width: 8, check_digit: CheckDigit::Mod10 }
}

pub(crate) fn rules() -> CardRules {
    let homes = [("A", "MAIN"), ("B", "EAST"), ("C", "WEST")];
    CardRules {
        card: CardRule {
            model: CardModel::Digital,
            category: "STUDENT".into(),
            number: NumberRule::Template(NumberTemplate::parse("77{student_id:0>8}").unwrap()),
            pin: PinRule::Random { digits: 4 },
            expires: ExpiryRule::every_year(MonthDay::parse("10-01").unwrap()),
            statistics: BTreeMap::new(),
            note: None,
        },
        card_for: Vec::new(),
        eligible: Eligible::default(),
        homes: Homes::new(homes.into_iter().map(|(s, b)| (s.to_owned(), Code::new(b))).collect()),
        fields: FieldRules::default(),
        names: NameChoice::Legal,
        address: AddressRules::default(),
        existing: Existing::Separate,
        agreed: FieldSet::of(&[Field::StudentId, Field::Statistics]),
        programme: Programme::OptOut,
        number_max: 14,
    }
}

pub(crate) const SETTLE_AFTER: Duration = Duration::from_secs(60);

/// Everything that outlives a process: the store, the ILS, the time; and the settings.
pub(crate) struct Town {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) ils: Arc<FakeIls>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) settings: PartnershipSettings,
    entropy: Arc<FakeEntropy>,
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

impl Town {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(FakeClock(Mutex::new("2026-11-24T04:30:00Z".parse().unwrap())));
        let seal = AtomicU64::new(1);
        let random = move |bytes: &mut [u8]| {
            // Nonces need only differ here.
            for chunk in bytes.chunks_mut(8) {
                let next = seal.fetch_add(1, Ordering::Relaxed).to_le_bytes();
                let length = chunk.len();
                chunk.copy_from_slice(&next[..length]);
            }
            Ok(())
        };
        let store = SqliteStore::open_in_memory(&StoreKey::new([7; 32]), Arc::new(random)).unwrap();
        let settings = PartnershipSettings {
            permanent_id: "woodland".into(),
            name: "woodland".into(),
            ils: "main".into(),
            rules: rules(),
            ranges: [("main".into(), range())].into(),
            guards: Guards::default(),
            grace: Grace { days: 14, feeds: 3 },
            dates: rostercard_core::calendar::Dates::default(),
            timezone: TimeZone::UTC,
            pins: rostercard_engine::PinSettings::default(),
            wait_days: 7,
            full_every: 7,
            on_leaving: OnLeaving::NotRenewed,
            extract: None,
            limits: IlsLimits { connections: 2, settle_after: SETTLE_AFTER, rate: None },
        };
        Self {
            store: Arc::new(store),
            ils: Arc::new(FakeIls::new(Arc::clone(&clock))),
            clock,
            settings,
            entropy: Arc::new(FakeEntropy(AtomicU64::new(42))),
        }
    }

    /// The same, with numbers issued from a range.
    pub(crate) fn with_range() -> Self {
        let mut town = Self::new();
        town.settings.rules.card.number = NumberRule::Range(range());
        town
    }

    /// Newcomers need not be approved, however many.
    pub(crate) fn open(mut self) -> Self {
        let off = rostercard_core::guard::GuardAction::Off;
        let guards = &mut self.settings.guards;
        (guards.first_connection, guards.create.action) = (off, off);
        self
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine_over(Arc::clone(&self.store) as Arc<dyn Store>)
    }

    pub(crate) fn engine_over(&self, store: Arc<dyn Store>) -> Engine {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let world = World::new(clock, Arc::clone(&self.entropy) as _, Arc::new(Quiet));
        Engine::new(store, Arc::clone(&self.ils) as _, self.settings.clone(), world)
    }

    pub(crate) async fn sync(&self, kids: &[Kid]) -> RunReport {
        self.sync_source(ListSource::new(kids)).await.unwrap()
    }

    pub(crate) async fn sync_source(&self, mut source: ListSource) -> Result<RunReport, EngineError> {
        let report = self.engine().sync(&mut source).await;
        if let Ok(report) = &report {
            assert_adds_up(report);
        }
        report
    }

    pub(crate) async fn plan(&self, kids: &[Kid]) -> RunReport {
        let report = self.engine().plan(&mut ListSource::new(kids)).await.unwrap();
        assert_adds_up(&report);
        report
    }

    pub(crate) async fn approve(&self, run: RunId) -> RunReport {
        let report = self.engine().approve(run, ChangeSelection::default(), "tester", None).await.unwrap();
        assert_adds_up(&report);
        report
    }

    /// The ILS's patron with this number.
    /// The partnership's row.
    pub(crate) async fn partnership(&self) -> rostercard_store::rows::PartnershipId {
        let settings = &self.settings;
        self.store.partnership(&settings.permanent_id, &settings.ils, &settings.name).await.unwrap().id
    }

    /// A person's key.
    pub(crate) fn key_of(&self, student_id: &str) -> rostercard_core::digest::Digest {
        let (key, id) = (self.store.digest_key(), &self.settings.permanent_id);
        rostercard_engine::person_key(key, id, &Personal::new(student_id))
    }

    pub(crate) fn patron(&self, barcode: &str) -> ils::Held {
        self.ils.held(barcode).unwrap_or_else(|| panic!("no patron {barcode}"))
    }
}

/// The counts of a run, whole and by school, add up.
pub(crate) fn assert_adds_up(report: &RunReport) {
    let result = &report.run.result;
    assert!(result.counts.add_up(), "{:?}", result.counts);
    let by_school: u64 = result.by_school.values().map(|c| c.students).sum();
    assert_eq!(by_school, result.counts.students, "{:?}", result.by_school);
    for (school, counts) in &result.by_school {
        assert!(counts.add_up(), "{school}: {counts:?}");
    }
}
