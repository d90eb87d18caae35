//! A practice Clever on a socket of this machine, and a source that reads it to the end.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use rostercard_core::field::{Field, FieldRules, Ownership};
use rostercard_core::finding::Finding;
use rostercard_core::ports::{
    Completeness, ConnectorError, Cursor, Record, Resume, RosterFacts, RosterPage, RosterSource,
};
use rostercard_core::privacy::Secret;
use rostercard_core::student::{Damaged, Student};
use rostercard_practice::sis::clever::{Book, CLIENT_ID, CLIENT_SECRET, Clever as Cloud, DISTRICT};
use rostercard_practice::sis::{Running, Sis};
use rostercard_source_clever::{Clever, Patience, Settings};
use rostercard_web::Endpoint;

/// The practice Clever, and where it listens.
pub(crate) struct Here {
    pub(crate) cloud: Cloud,
    pub(crate) running: Running,
}

pub(crate) const SCHOOL: &str = "5f00000000000000000000a1";
pub(crate) const OTHER_SCHOOL: &str = "5f00000000000000000000a2";

/// The id of the n-th user.
pub(crate) fn user(n: u32) -> String {
    format!("5f0000000000000000{n:06x}")
}

/// A district of so many students.
pub(crate) fn district(students: u32) -> Book {
    let mut book = Book::empty();
    book.add_school(SCHOOL, "Elm School", "1001");
    book.add_school(OTHER_SCHOOL, "Ash School", "1002");
    for n in 1..=students {
        let (given, family) = (format!("Given{n}"), format!("Family{n}"));
        book.add_student(&user(n), &format!("{}", 4000 + n), (&given, &family), "2/11/2015", SCHOOL);
    }
    book
}

impl Here {
    pub(crate) async fn start(book: Book) -> Self {
        // The first test to come installs it; the others find it there.
        drop(rustls::crypto::ring::default_provider().install_default());
        let cloud = Cloud::with(book);
        let running = Sis::start(([127, 0, 0, 1], 0).into(), cloud.mounts()).await.unwrap();
        Self { cloud, running }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::parse(&self.running.url("clever"), false).unwrap()
    }

    /// Settings for a client that is never patient for long.
    pub(crate) fn settings(&self) -> Settings {
        let secret = Secret::new(CLIENT_SECRET);
        let mut settings = Settings::new(DISTRICT, CLIENT_ID, secret, self.endpoint(), self.endpoint());
        settings.page_size = 10;
        settings.deadline = Duration::from_secs(5);
        settings.patience = Patience {
            attempts: 4,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(20),
            too_many: 4,
        };
        settings
    }

    pub(crate) fn source(&self) -> Clever {
        source(self.settings())
    }

    /// Reads everything.
    pub(crate) async fn read(&self) -> Read {
        read(self.source(), Resume::default()).await.unwrap()
    }

    /// Reads from a cursor on.
    pub(crate) async fn read_on(&self, cursor: &Cursor) -> Read {
        read(self.source(), resume(cursor)).await.unwrap()
    }

    /// What was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.cloud.take_log()
    }
}

pub(crate) fn resume(cursor: &Cursor) -> Resume {
    Resume { cursor: Some(cursor.clone()), full: None }
}

pub(crate) fn today() -> Date {
    date(2026, 11, 24)
}

pub(crate) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// Rules that let everything be read that Clever has.
pub(crate) fn all_fields() -> FieldRules {
    let mut rules = FieldRules::default();
    for field in [Field::Email, Field::Phone, Field::Address, Field::UserName] {
        rules.set(field, Ownership::School);
    }
    rules
}

pub(crate) fn source(settings: Settings) -> Clever {
    Clever::new(settings, all_fields(), today(), now())
}

/// What a source said.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) facts: RosterFacts,
    pub(crate) students: Vec<Student>,
    pub(crate) damaged: Vec<Damaged>,
    /// Student id and the source's id.
    pub(crate) gone: Vec<(Option<String>, String)>,
    pub(crate) completeness: Completeness,
    pub(crate) cursor: Option<Cursor>,
    /// Of the roster as a whole.
    pub(crate) findings: Vec<Finding>,
}

impl Read {
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.students.iter().map(|student| student.student_id.reveal()).collect()
    }

    /// Whether something was noticed, about the whole or about somebody.
    pub(crate) fn noticed(&self, code: &str) -> bool {
        let of_people = self.students.iter().flat_map(|student| &student.findings);
        let of_damaged = self.damaged.iter().map(|damaged| &damaged.finding);
        let mut all = self.findings.iter().chain(&self.facts.findings).chain(of_people).chain(of_damaged);
        all.any(|finding| finding.code == code)
    }
}

/// Reads to the end.
pub(crate) async fn read(mut source: Clever, from: Resume) -> Result<Read, ConnectorError> {
    source.resume(from);
    let facts = source.facts().await?;
    let (mut students, mut damaged, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match source.next_page().await? {
            RosterPage::Records(records) => {
                for record in records {
                    match record {
                        Record::Student(student) => students.push(*student),
                        Record::Damaged(one) => damaged.push(*one),
                        Record::Gone { student_id, source_ids } => gone.push((
                            student_id.map(|id| id.reveal().to_owned()),
                            source_ids[0].reveal().to_owned(),
                        )),
                    }
                }
            }
            RosterPage::End { completeness, cursor, findings } => {
                return Ok(Read { facts, students, damaged, gone, completeness, cursor, findings });
            }
        }
    }
}
