//! What the guards look at: counts of a plan and of its roster, whole and by school. No person is in them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Carried, Consents, KINDS, Memory};
use crate::field::Field;
use crate::plan::ChangeKind;
use crate::ports::{Completeness, SourceState};

/// What one school has, for the guards. A school is named by its key ([`crate::student::School::key`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchoolFacts {
    /// The school as a person would want it named.
    pub label: String,
    /// Live cards before this run, by the ledger.
    pub live: u64,
    /// People of the roster who are at this school now.
    pub roster: u64,
    /// People with live cards of this school who are missing from the roster.
    pub absent: u64,
    /// Of those, who was missing before, as the ledger knows.
    pub absent_before: u64,
    /// Planned changes by kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// Planned changes by kind and grade ([`crate::grade::Grade::code`]), where the grade is known.
    pub grades: BTreeMap<(ChangeKind, u8), u64>,
    /// Records of this school that were rejected.
    pub rejects: u64,
    /// Cards that would become questions for a person.
    pub reviews: u64,
    /// People who have a value in a field of [`super::CARRIED`], by the roster.
    pub present: Carried,
    /// People with cards whose value in a field was sent once, and who now lack it, by the ledger.
    pub lacking: BTreeMap<Field, u64>,
    /// People whose values in two fields are exchanged, against what was sent last.
    pub swapped: BTreeMap<(Field, Field), u64>,
}

impl SchoolFacts {
    /// Counts a planned change.
    pub fn plan(&mut self, kind: ChangeKind, grade: Option<u8>) {
        *self.changes.entry(kind).or_default() += 1;
        if let Some(grade) = grade {
            *self.grades.entry((kind, grade)).or_default() += 1;
        }
    }

    /// Takes a planned change out again.
    pub fn unplan(&mut self, kind: ChangeKind, grade: Option<u8>) {
        let fewer = |count: Option<&mut u64>| count.into_iter().for_each(|c| *c = c.saturating_sub(1));
        fewer(self.changes.get_mut(&kind));
        fewer(grade.and_then(|grade| self.grades.get_mut(&(kind, grade))));
    }

    /// How many changes of a kind are planned.
    #[must_use]
    pub fn planned(&self, kind: ChangeKind) -> u64 {
        self.changes.get(&kind).copied().unwrap_or(0)
    }

    /// What it sent, in words: "school 0123 sent 0 students; 842 have cards", and what came the last time, where that is
    /// known.
    pub(super) fn in_words(&self, key: &str, memory: &Memory) -> String {
        let students = if self.roster == 1 { "student" } else { "students" };
        let have = if self.live == 1 { "has a card" } else { "have cards" };
        let before = match memory.schools.get(key) {
            Some(before) => format!(" ({before} came with the last roster)"),
            None => String::new(),
        };
        format!("school {} sent {} {students}; {} {have}{before}", self.label, self.roster, self.live)
    }
}

/// What the guards look at.
#[derive(Debug, Clone)]
pub struct PlanFacts {
    /// What the stream was.
    pub completeness: Completeness,
    /// Whether the source is running.
    pub source_state: SourceState,
    /// The roster's moment.
    pub as_of: Option<Timestamp>,
    /// The last run's roster's moment.
    pub last_as_of: Option<Timestamp>,
    /// The moment of the run.
    pub now: Timestamp,
    /// The day of the run, in the library's time zone.
    pub day: Date,
    /// Days without school between the roster's moment and the run.
    pub closed_days: u64,
    /// Whether the run is inside a school year ([`crate::calendar::Calendar::in_term`]).
    pub in_term: bool,
    /// Whether nothing of this partnership was ever let through.
    pub first_connection: bool,
    /// Whether the rules differ from those of the last run that was let through.
    pub rules_changed: bool,
    /// Where the roster is read from, where that differs from the last time: (before, now).
    pub endpoint_changed: Option<(String, String)>,
    /// Why the partnership was paused, where this is the first run since.
    pub after_pause: Option<String>,
    /// What was restored, in words, where this is the first run since a backup took the store's place.
    pub after_restore: Option<String>,
    /// Records of the roster, damaged ones too.
    pub records: u64,
    /// Records that were rejected.
    pub rejects: u64,
    /// What the roster says of the families' wishes.
    pub consent: Consents,
    /// School by school.
    pub schools: BTreeMap<String, SchoolFacts>,
    /// Live cards before this run by grade ([`crate::grade::Grade::code`]). Empty where there are too few changes for the
    /// grades to matter.
    pub live_by_grade: BTreeMap<u8, u64>,
    /// What earlier runs have left.
    pub memory: Memory,
}

impl PlanFacts {
    /// A roster with nobody and nothing in it, of a partnership that has run before; to be filled.
    #[must_use]
    pub fn new(now: Timestamp, day: Date) -> Self {
        Self {
            completeness: Completeness::Snapshot,
            source_state: SourceState::Running,
            as_of: None,
            last_as_of: None,
            now,
            day,
            closed_days: 0,
            in_term: true,
            first_connection: false,
            rules_changed: false,
            endpoint_changed: None,
            after_pause: None,
            after_restore: None,
            records: 0,
            rejects: 0,
            consent: Consents::default(),
            schools: BTreeMap::new(),
            live_by_grade: BTreeMap::new(),
            memory: Memory::default(),
        }
    }

    pub(super) fn sum(&self, of: impl Fn(&SchoolFacts) -> u64) -> u64 {
        self.schools.values().map(of).sum()
    }

    /// Live cards in all.
    pub(super) fn live(&self) -> u64 {
        self.sum(|school| school.live)
    }

    /// Planned changes in all that reach the ILS.
    pub(super) fn changes(&self) -> u64 {
        self.sum(|school| KINDS.iter().map(|kind| school.planned(*kind)).sum())
    }

    /// Up to five schools of which something holds, in words.
    pub(super) fn schools_in_words(&self, which: impl Fn(&SchoolFacts) -> bool) -> String {
        let told: Vec<String> = self
            .schools
            .iter()
            .filter(|(_, school)| which(school))
            .map(|(key, school)| school.in_words(key, &self.memory))
            .collect();
        match told.len() {
            0..=5 => told.join(", "),
            more => format!("{}, and {} schools more", told[..5].join(", "), more - 5),
        }
    }
}
