//! What one run leaves for the next one's guards: what a person has accepted, and what the last roster was like. Counts and
//! labels of schools; nothing about a person.

use std::collections::{BTreeMap, BTreeSet};

use super::{Consents, GuardName, PlanFacts, WaitingFor};
use crate::ports::Completeness;

/// Something that a person has accepted, so that the next run does not wait for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accepted {
    /// Which guard, by its word.
    pub guard: String,
    /// Which school, by its label; `None` for the whole partnership.
    pub school: Option<String>,
    /// How much of it.
    pub found: u64,
}

impl Accepted {
    /// What a guard found at a school.
    pub(super) fn at(guard: GuardName, school: &str, found: u64) -> Self {
        Self { guard: guard.word().to_owned(), school: Some(school.to_owned()), found }
    }

    /// What a guard found.
    pub(super) fn of(what: &WaitingFor) -> Self {
        Self { guard: what.guard.clone(), school: what.school.clone(), found: what.found }
    }
}

/// What the guards remember from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What was accepted, and is still over its limit.
    pub accepted: Vec<Accepted>,
    /// What is accepted of the schools where something is accepted of this very run's roster as a whole.
    pub parts_now: Vec<Accepted>,
    /// The families' wishes by the last roster that was taken.
    pub consent: Consents,
    /// The same by the roster of this very run, taken or not.
    pub consent_now: Consents,
    /// Fields, by their words, that a person knows to be gone from the roster.
    pub lacking: BTreeSet<String>,
    /// Fields for which this very run waits, in all.
    pub lacking_now: BTreeSet<String>,
    /// People of each school by the last roster that was taken, under the school's label.
    pub schools: BTreeMap<String, u64>,
}

/// Guards about how a roster is, not about what changes: accepted, they stay so.
const LASTING: [GuardName; 3] = [GuardName::RosterCollapsed, GuardName::SchoolCollapsed, GuardName::Rejects];

impl Memory {
    /// How much was accepted of what a guard finds, on top of its limit. What is below the limit again needs no acceptance
    /// any more, and is forgotten: the next time is another time.
    pub(super) fn weigh(&mut self, guard: GuardName, school: Option<&str>, found: u64, allowed: u64) -> u64 {
        let same = |a: &Accepted| a.guard == guard.word() && a.school.as_deref() == school;
        if found <= allowed {
            self.accepted.retain(|accepted| !same(accepted));
            return 0;
        }
        self.accepted.iter().find(|accepted| same(accepted)).map_or(0, |accepted| accepted.found)
    }

    /// Takes over what a person has let through.
    pub fn accept(&mut self, waited_for: &[WaitingFor]) {
        for what in waited_for {
            if what.guard == GuardName::ConsentTurned.word() {
                self.consent = self.consent_now;
            }
            if what.guard == GuardName::AbsentFields.word() {
                self.lacking.append(&mut self.lacking_now);
            }
            if !LASTING.iter().any(|guard| guard.word() == what.guard) {
                continue;
            }
            // Whoever accepts the whole of it accepts it of the schools, too.
            let parts = if what.school.is_none() { std::mem::take(&mut self.parts_now) } else { Vec::new() };
            for accepted in parts.into_iter().chain([Accepted::of(what)]) {
                self.accepted.retain(|a| a.guard != accepted.guard || a.school != accepted.school);
                self.accepted.push(accepted);
            }
        }
    }

    /// Learns from this run's roster, as far as it was taken.
    pub(super) fn learn(&mut self, facts: &PlanFacts, doubted: bool, collapsed: &BTreeSet<String>) {
        if facts.completeness != Completeness::Snapshot {
            return;
        }
        self.consent_now = facts.consent;
        if doubted {
            return;
        }
        if facts.consent.all() > 0 {
            self.consent = facts.consent;
        }
        let taken = |(key, _): &(&String, _)| !collapsed.contains(*key);
        let mut schools: BTreeMap<String, u64> = facts
            .schools
            .iter()
            .filter(taken)
            .filter(|(_, school)| school.roster > 0)
            .map(|(_, school)| (school.label.clone(), school.roster))
            .collect();
        for school in facts.schools.iter().filter(|s| !taken(s)).map(|(_, school)| school) {
            if let Some(before) = self.schools.get(&school.label) {
                schools.insert(school.label.clone(), *before);
            }
        }
        self.schools = schools;
    }
}
