//! One roster, several partnerships: each takes the students of its own schools (`source = "NAME"`).
//!
//! Who is at a school of another partnership has left this one: their card here lapses by this partnership's rule, and the
//! other one makes theirs. A school that nobody takes, or that two take under different names, is known only once the roster
//! is read: nothing is guessed then, its students keep what they have, and each run names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rostercard_config::Partnership;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{
    ConnectorError, Cursor, FetchOne, Record, Resume, RosterFacts, RosterPage, RosterSource,
};
use rostercard_core::privacy::Personal;
use rostercard_core::rules::Homes;
use rostercard_core::student::{Damaged, School, Student};
use rostercard_core::words::Code;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// So many schools are named in findings; more are counted.
const MOST_NAMED: usize = 20;

/// Turns at the sources that several partnerships read, by their names: a SIS is asked for one of them at a time.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<String, Arc<Turn<()>>>>);

impl Turns {
    fn at(&self, source: &str) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(source.to_owned()).or_default())
    }
}

/// Whose schools are whose, by what all partnerships of a source say.
#[derive(Debug, Clone)]
pub(crate) struct Schools {
    source: String,
    ours: (String, Homes),
    others: Vec<(String, Homes)>,
}

/// Whose a school is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose<'s> {
    Ours,
    Others,
    Nobodys,
    Both(&'s str),
}

impl Schools {
    /// What `partnership` takes of its source, and what the others that have the same one take. `None` where the source is its
    /// own alone.
    pub(crate) fn of<'p>(
        partnership: &Partnership,
        all: impl Iterator<Item = &'p Partnership>,
    ) -> Option<Self> {
        let source = partnership.shared_source.as_ref()?;
        // Homes find a school by its sourcedId, code or name: in the same way it is found here.
        let taken = |partnership: &Partnership| {
            let schools = partnership.own_schools.iter().map(|(school, _)| (school.clone(), Code::new("")));
            (partnership.name.as_str().to_owned(), Homes::new(schools.collect()))
        };
        let others = all
            .filter(|other| other.shared_source.as_ref() == Some(source) && other.name != partnership.name)
            .map(taken);
        Some(Self { source: source.as_str().to_owned(), ours: taken(partnership), others: others.collect() })
    }

    fn whose(&self, school: &School) -> Whose<'_> {
        let other = self.others.iter().find(|(_, homes)| homes.branch(school).is_some());
        match (self.ours.1.branch(school).is_some(), other) {
            (true, None) => Whose::Ours,
            (true, Some((other, _))) => Whose::Both(other),
            (false, Some(_)) => Whose::Others,
            (false, None) => Whose::Nobodys,
        }
    }

    /// The same for a record that could not be read, which names its school by a code or a label.
    fn whose_damaged(&self, damaged: &Damaged) -> Whose<'_> {
        let Some(school) = damaged.school.as_ref().map(ToString::to_string) else { return Whose::Nobodys };
        self.whose(&School { source_id: school.clone(), code: None, name: school })
    }
}

/// What was odd about schools: each once, by its label.
#[derive(Debug, Default)]
struct Odd {
    nobodys: BTreeSet<String>,
    both: BTreeMap<String, String>,
}

impl Odd {
    fn findings(&self, schools: &Schools) -> Vec<Finding> {
        let Schools { source, ours: (ours, _), .. } = schools;
        let nobodys = self.nobodys.iter().take(MOST_NAMED).map(|school| {
            let message = format!(
                "no partnership of source `{source}` takes this school: its students get no card; add it to the [homes] of one"
            );
            Finding::new("school_of_nobody", Place::file(school), message)
        });
        let both = self.both.iter().take(MOST_NAMED).map(|(school, other)| {
            let message = format!(
                "partnerships `{ours}` and `{other}` both take this school, under different names: its students wait; leave it \
                 to one of the two"
            );
            Finding::new("school_of_two", Place::file(school), message)
        });
        nobodys.chain(both).collect()
    }
}

/// A source of which this partnership takes its own schools' people.
pub(crate) struct Shared {
    source: Box<dyn RosterSource>,
    schools: Schools,
    odd: Odd,
    turn: Arc<Turn<()>>,
    /// Its turn, from the first question to the end of the stream.
    held: Option<OwnedMutexGuard<()>>,
}

impl Shared {
    /// `source` has the people of all partnerships.
    pub(crate) fn new(source: Box<dyn RosterSource>, schools: Schools, turns: &Turns) -> Self {
        let turn = turns.at(&schools.source);
        Self { source, schools, odd: Odd::default(), turn, held: None }
    }

    async fn take_turn(&mut self) {
        if self.held.is_none() {
            self.held = Some(Arc::clone(&self.turn).lock_owned().await);
        }
    }

    fn record(&mut self, record: Record) -> Option<Record> {
        match record {
            Record::Student(student) => Some(self.student(student)),
            Record::Damaged(damaged) if self.schools.whose_damaged(&damaged) == Whose::Others => {
                damaged.student_id.map(|id| Record::Gone { student_id: Some(id), source_ids: Vec::new() })
            }
            other => Some(other),
        }
    }

    fn student(&mut self, mut student: Box<Student>) -> Record {
        let Some(school) = student.school() else { return Record::Student(student) };
        match self.schools.whose(school) {
            Whose::Ours => {}
            Whose::Nobodys => {
                self.odd.nobodys.insert(school.label());
            }
            Whose::Both(other) => {
                self.odd.both.insert(school.label(), other.to_owned());
                // Without a school nobody gets a card, and nobody loses one.
                student.primary_school = None;
                student.schools.clear();
            }
            // Of a stream of changes this is how one learns of it; of a whole roster it says nothing more than their absence.
            Whose::Others => {
                return Record::Gone { student_id: Some(student.student_id), source_ids: Vec::new() };
            }
        }
        Record::Student(student)
    }
}

#[async_trait]
impl RosterSource for Shared {
    fn resume(&mut self, from: Resume) {
        self.source.resume(from);
    }

    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        self.take_turn().await;
        self.source.facts().await
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        self.take_turn().await;
        Ok(match self.source.next_page().await? {
            RosterPage::Records(records) => {
                RosterPage::Records(records.into_iter().filter_map(|record| self.record(record)).collect())
            }
            RosterPage::End { completeness, cursor, mut findings } => {
                self.held = None;
                findings.extend(self.odd.findings(&self.schools));
                RosterPage::End { completeness, cursor, findings }
            }
        })
    }

    async fn fetch_one(&mut self, source_ids: &[Personal]) -> FetchOne {
        match self.source.fetch_one(source_ids).await {
            FetchOne::Found(student)
                if student.school().is_some_and(|school| self.schools.whose(school) == Whose::Others) =>
            {
                FetchOne::NotFound
            }
            answer => answer,
        }
    }

    async fn release(&mut self, cursor: &Cursor) -> Result<Vec<Finding>, ConnectorError> {
        self.source.release(cursor).await
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        self.take_turn().await;
        let found = self.source.check().await;
        self.held = None;
        found
    }
}

#[cfg(test)]
mod tests;
