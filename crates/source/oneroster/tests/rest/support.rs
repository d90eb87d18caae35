//! A district with a practice SIS, and a source that reads it without ever really waiting.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, FetchOne, Record, Resume, RosterPage, RosterSource,
};
use rostercard_core::privacy::{Personal, Secret};
use rostercard_core::student::{Damaged, Student};
use rostercard_oneroster::Version;
use rostercard_oneroster::rest::oauth1::Method;
use rostercard_practice::sis::oneroster::{
    BEARER, Birth, Book, CLIENT_ID, CLIENT_SECRET, OneRoster, Org, Quirks, Role, User,
};
use rostercard_practice::sis::{Running, Sis};
use rostercard_source_oneroster::rest::{Login, OneRosterRest, RestSettings, Waits};
use rostercard_web::{ClientAuth, Endpoint};

/// When the tests read.
pub(crate) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

pub(crate) fn today() -> Date {
    date(2026, 11, 24)
}

/// Waits that take no time, and are remembered.
#[derive(Default)]
pub(crate) struct NoWaits(pub(crate) Mutex<Vec<Duration>>);

#[async_trait]
impl Waits for NoWaits {
    async fn wait(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }
}

/// A district and its SIS.
pub(crate) struct District {
    pub(crate) sis: OneRoster,
    pub(crate) running: Running,
    pub(crate) waits: Arc<NoWaits>,
}

/// A student's record as the SIS has it.
pub(crate) fn user(n: usize) -> User {
    User {
        id: format!("u{n:05}"),
        modified: "2026-08-15T00:00:00Z".parse().unwrap(),
        username: format!("user{n}"),
        user_ids: vec![("stateId".to_owned(), format!("9{n:05}"))],
        given: format!("Given{n}"),
        family: format!("Fämily{n}"),
        identifier: format!("{n:06}"),
        master: format!("m{n}"),
        email: format!("user{n}@example.org"),
        grades: vec!["05".to_owned()],
        roles: vec![Role {
            role: "student".to_owned(),
            org: if n.is_multiple_of(2) { "elm" } else { "ash" }.to_owned(),
            primary: true,
            ..Role::default()
        }],
        ..User::default()
    }
}

pub(crate) fn birth(n: usize) -> Birth {
    Birth {
        id: format!("u{n:05}"),
        modified: "2026-08-15T00:00:00Z".parse().unwrap(),
        birth_date: format!("2014-{:02}-{:02}", 1 + n % 12, 1 + n % 28),
        sex: "female".to_owned(),
        ..Birth::default()
    }
}

/// Two schools with so many students, and a teacher.
pub(crate) fn book(students: usize) -> Book {
    let org = |id: &str, kind: &str, code: &str| Org {
        id: id.to_owned(),
        name: format!("{id} school"),
        kind: kind.to_owned(),
        identifier: code.to_owned(),
        ..Org::default()
    };
    let mut teacher = user(90_000);
    teacher.roles[0].role = "teacher".to_owned();
    let mut users: Vec<User> = (1..=students).map(user).collect();
    users.push(teacher);
    Book {
        orgs: vec![
            org("district", "district", "1"),
            org("elm", "school", "1001"),
            org("ash", "school", "1002"),
        ],
        births: (1..=students).map(birth).collect(),
        users,
    }
}

/// What a reading came to.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) students: BTreeMap<String, Student>,
    pub(crate) damaged: Vec<Damaged>,
    pub(crate) gone: Vec<(Option<String>, Vec<String>)>,
    pub(crate) completeness: Completeness,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) findings: BTreeMap<&'static str, String>,
}

impl Read {
    pub(crate) fn whole(&self, students: usize) -> &Self {
        assert_eq!(self.completeness, Completeness::Snapshot, "{:?}", self.findings);
        assert_eq!(self.students.len(), students);
        self
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.students.keys().map(String::as_str).collect()
    }
}

impl District {
    pub(crate) async fn start(students: usize, quirks: Quirks) -> Self {
        Self::with(book(students), quirks).await
    }

    pub(crate) async fn with(book: Book, quirks: Quirks) -> Self {
        // Whoever came first did it.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let sis = OneRoster::with(book, quirks);
        sis.set_now(now());
        let running = Sis::start(([127, 0, 0, 1], 0).into(), sis.mounts()).await.unwrap();
        Self { sis, running, waits: Arc::default() }
    }

    pub(crate) fn oauth(&self, auth: ClientAuth, query: &str) -> Login {
        Login::OAuth2 {
            token_url: Endpoint::parse(&format!("{}{query}", self.running.url("token")), false).unwrap(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: Secret::new(CLIENT_SECRET),
            scopes: vec!["roster-core.readonly".to_owned(), "roster-demographics.readonly".to_owned()],
            auth,
        }
    }

    pub(crate) fn bearer() -> Login {
        Login::Bearer(Secret::new(BEARER))
    }

    pub(crate) fn oauth1(method: Method) -> Login {
        Login::OAuth1 { method, key: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET) }
    }

    /// Settings for 1.2 in pages of ten.
    pub(crate) fn settings(&self) -> RestSettings {
        self.settings_of(Version::V1_2)
    }

    pub(crate) fn settings_of(&self, version: Version) -> RestSettings {
        let url = match version {
            Version::V1_1 => self.running.url("oneroster_1_1"),
            Version::V1_2 => self.running.url("oneroster_1_2"),
        };
        let endpoint = Endpoint::parse(&format!("{url}/"), false).unwrap();
        let login = self.oauth(ClientAuth::BasicRaw, "");
        RestSettings { page_size: 10, ..RestSettings::of(&url, endpoint, version, login) }
    }

    pub(crate) fn source(&self, settings: RestSettings) -> OneRosterRest {
        self.source_with(settings, rules())
    }

    pub(crate) fn source_with(&self, settings: RestSettings, rules: FieldRules) -> OneRosterRest {
        OneRosterRest::new(settings, rules, today(), now()).with_waits(self.waits.clone())
    }

    /// Reads everything.
    pub(crate) async fn read(&self) -> Read {
        self.try_read(self.settings()).await.unwrap()
    }

    pub(crate) async fn try_read(&self, settings: RestSettings) -> Result<Read, ConnectorError> {
        read(&mut self.source(settings)).await
    }

    /// Reads on from a cursor.
    pub(crate) async fn go_on(&self, settings: RestSettings, cursor: Option<&Cursor>) -> Read {
        let mut source = self.source(settings);
        source.resume(Resume { cursor: cursor.cloned(), full: None });
        read(&mut source).await.unwrap()
    }

    pub(crate) async fn fetch(&self, id: &str) -> FetchOne {
        self.source(self.settings()).fetch_one(&[Personal::new(id)]).await
    }

    pub(crate) fn waited(&self) -> Vec<Duration> {
        std::mem::take(&mut self.waits.0.lock().unwrap())
    }
}

/// Rules that allow everything.
pub(crate) fn rules() -> FieldRules {
    let mut rules = FieldRules::default();
    for field in Field::ALL {
        rules.set(*field, Ownership::School);
    }
    rules
}

pub(crate) async fn read(source: &mut OneRosterRest) -> Result<Read, ConnectorError> {
    let mut read = Read {
        students: BTreeMap::new(),
        damaged: Vec::new(),
        gone: Vec::new(),
        completeness: Completeness::Incomplete,
        cursor: None,
        findings: BTreeMap::new(),
    };
    source.facts().await?;
    loop {
        match source.next_page().await? {
            RosterPage::Records(records) => {
                for record in records {
                    match record {
                        Record::Student(student) => {
                            let id = student.student_id.reveal().to_owned();
                            assert!(read.students.insert(id, *student).is_none(), "an id came twice");
                        }
                        Record::Damaged(damaged) => read.damaged.push(*damaged),
                        Record::Gone { student_id, source_ids } => read.gone.push((
                            student_id.map(Personal::into_revealed),
                            source_ids.into_iter().map(Personal::into_revealed).collect(),
                        )),
                    }
                }
            }
            RosterPage::End { completeness, cursor, findings } => {
                read.completeness = completeness;
                read.cursor = cursor;
                read.findings = findings.into_iter().map(|f| (f.code, f.to_string())).collect();
                return Ok(read);
            }
        }
    }
}
