//! What comes out of a source that several partnerships have, record by record.

use std::collections::VecDeque;

use rostercard_core::ports::{Completeness, SourceState};
use rostercard_core::student::{Consent, GivenAddress};
use rostercard_core::words::Role;

use super::*;

fn school(code: &str, name: &str) -> Arc<School> {
    Arc::new(School { source_id: format!("id-{code}"), code: Some(code.into()), name: name.into() })
}

fn student(id: &str, school: Option<&Arc<School>>) -> Student {
    Student {
        student_id: Personal::new(id),
        source_ids: vec![Personal::new(format!("s{id}"))],
        role: Role::Student,
        given_name: Personal::new("Ann"),
        middle_name: None,
        family_name: Personal::new("Oak"),
        preferred: None,
        birth_date: None,
        grade: None,
        schools: school.into_iter().cloned().collect(),
        primary_school: school.map(|_| 0),
        user_name: None,
        email: None,
        phone: None,
        address: GivenAddress::None,
        consent: Consent::NotSaid,
        findings: Vec::new(),
        row: None,
    }
}

/// A source with these records, and one answer to the question about a person.
struct Fixed(VecDeque<Record>, Option<Student>);

#[async_trait]
impl RosterSource for Fixed {
    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        Ok(RosterFacts {
            as_of: None,
            state: SourceState::Running,
            description: String::new(),
            endpoint: String::new(),
            findings: Vec::new(),
        })
    }
    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        if self.0.is_empty() {
            let completeness = Completeness::Snapshot;
            return Ok(RosterPage::End { completeness, cursor: None, findings: Vec::new() });
        }
        Ok(RosterPage::Records(self.0.drain(..).collect()))
    }
    async fn fetch_one(&mut self, _: &[Personal]) -> FetchOne {
        self.1.take().map_or(FetchOne::NotFound, |student| FetchOne::Found(Box::new(student)))
    }
    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        Ok(Vec::new())
    }
}

fn homes(names: &[&str]) -> Homes {
    Homes::new(names.iter().map(|name| ((*name).to_owned(), Code::new(""))).collect())
}

fn schools() -> Schools {
    Schools {
        source: "district".into(),
        ours: ("elm".into(), homes(&["100", "400"])),
        others: vec![
            ("ash".into(), homes(&["Ash School"])),
            ("fir".into(), homes(&["id-300", "Odd School"])),
        ],
    }
}

fn shared(records: Vec<Record>, one: Option<Student>) -> Shared {
    Shared::new(Box::new(Fixed(records.into(), one)), schools(), &Turns::default())
}

/// Each record in a word, and the findings.
async fn read(source: &mut Shared) -> (Vec<String>, Vec<Finding>) {
    source.facts().await.unwrap();
    let mut words = Vec::new();
    loop {
        match source.next_page().await.unwrap() {
            RosterPage::Records(records) => words.extend(records.into_iter().map(|record| match record {
                Record::Student(s) => {
                    format!("{} {}", s.student_id.reveal(), s.school().map_or("none", |s| s.key()))
                }
                Record::Gone { student_id, source_ids } => {
                    assert!(source_ids.is_empty(), "the ledger need not be opened for them");
                    format!("{} gone", student_id.unwrap().reveal())
                }
                Record::Damaged(d) => {
                    format!("{} damaged", d.student_id.map_or("?".into(), |id| id.reveal().to_owned()))
                }
            })),
            RosterPage::End { findings, .. } => return (words, findings),
        }
    }
}

#[tokio::test]
async fn s10_each_takes_its_own_schools_and_learns_who_has_left_for_another() {
    let (elm, ash, fir) =
        (school("100", "Elm School"), school("200", "Ash School"), school("300", "Fir School"));
    let (new, odd) = (school("900", "New School"), school("400", "Odd School"));
    let damaged = |id: Option<&str>, school: &str| {
        let finding = Finding::new("row_width", Place::default(), "odd");
        let (student_id, school) = (id.map(Personal::new), Some(Code::new(school)));
        Record::Damaged(Box::new(Damaged { student_id, school, finding }))
    };
    let of = |id: &str, school: Option<&Arc<School>>| Record::Student(Box::new(student(id, school)));
    let records = vec![
        of("1", Some(&elm)),
        of("2", Some(&ash)),
        of("3", Some(&fir)),
        of("4", Some(&new)),
        of("5", Some(&odd)),
        of("6", None),
        damaged(Some("7"), "100"),
        damaged(Some("8"), "Ash School"),
        damaged(None, "Ash School"),
        damaged(None, "???"),
    ];
    let mut source = shared(records, None);
    let (words, findings) = read(&mut source).await;
    let wanted =
        ["1 100", "2 gone", "3 gone", "4 900", "5 none", "6 none", "7 damaged", "8 gone", "? damaged"];
    assert_eq!(words, wanted);
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["school_of_nobody", "school_of_two"]);
    assert!(said[0].contains("900 New School") && said[1].contains("`elm` and `fir`"), "{said:?}");
}

#[tokio::test]
async fn s10_s29_who_is_found_at_another_partnerships_school_has_left_this_one() {
    for (at, found) in [("100", true), ("200", false), ("900", true)] {
        let name = if at == "200" { "Ash School" } else { "Some School" };
        let mut source = shared(Vec::new(), Some(student("1", Some(&school(at, name)))));
        let answer = source.fetch_one(&[]).await;
        assert_eq!(matches!(answer, FetchOne::Found(_)), found, "{at}: {answer:?}");
    }
}

#[tokio::test]
async fn one_source_is_read_by_one_at_a_time() {
    let turns = Turns::default();
    let source = || Shared::new(Box::new(Fixed(VecDeque::new(), None)), schools(), &turns);
    let (mut first, mut second) = (source(), source());
    first.facts().await.unwrap();
    assert!(futures_now(second.facts()).is_none(), "the first one is still reading");
    first.next_page().await.unwrap();
    assert!(futures_now(second.facts()).is_some(), "its stream has ended");
    drop(second);
    let elsewhere = Schools { source: "another".into(), ..schools() };
    let mut third = Shared::new(Box::new(Fixed(VecDeque::new(), None)), elsewhere, &turns);
    let mut fourth = source();
    fourth.facts().await.unwrap();
    assert!(futures_now(third.facts()).is_some(), "another source has turns of its own");
}

/// What a future comes to at once, where it does.
fn futures_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
