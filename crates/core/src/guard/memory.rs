//! What one run leaves for the next one's guards: what a person has accepted, and what the last roster was like. Counts and
//! labels of schools; nothing about a person.

use std::collections::{BTreeMap, BTreeSet};

use super::{Consents, GuardAction, GuardName, PlanFacts};
use crate::ports::Completeness;

/// Something that a person has accepted, so that the next run does not wait for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accepted {
    /// Which guard, by its word.
    pub guard: String,
    /// Which school, by its key; `None` for the whole partnership.
    pub school: Option<String>,
    /// How much of it.
    pub found: u64,
}

impl Accepted {
    /// What a guard found.
    pub(super) fn of(guard: GuardName, school: Option<&str>, found: u64) -> Self {
        Self { guard: guard.word().to_owned(), school: school.map(str::to_owned), found }
    }

    fn is_about(&self, other: &Self) -> bool {
        self.guard == other.guard && self.school == other.school
    }
}

/// What the guards remember from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What was accepted, and is still over its limit.
    pub accepted: Vec<Accepted>,
    /// What is accepted if a person lets this very run's roster through: what is over its limit, whole and by school.
    pub pending: Vec<Accepted>,
    /// The families' wishes by the last roster that was taken.
    pub consent: Consents,
    /// The same by the roster of this very run, taken or not.
    pub consent_now: Consents,
    /// Fields, by their words, that a person knows to be gone from the roster.
    pub lacking: BTreeSet<String>,
    /// Fields for which this very run waits, in all.
    pub lacking_now: BTreeSet<String>,
    /// People of each school by the last roster that was taken, under the school's key.
    pub schools: BTreeMap<String, u64>,
}

impl Memory {
    /// Forgets what was about the last run alone.
    pub(super) fn begin(&mut self) {
        self.pending.clear();
        self.lacking_now.clear();
    }

    /// How much was accepted of what a guard finds, on top of its limit: no more than what was there before this run, so that a
    /// yes to some people's absence is none to that of as many others (`before`; where that cannot be told, all). What is below the limit again needs no acceptance
    /// any more, and is forgotten: the next time is another time. What is above both, and waits for it, is noted: it may be accepted.
    pub(super) fn weigh(
        &mut self,
        (guard, action): (GuardName, GuardAction),
        school: Option<&str>,
        (found, before): (u64, u64),
        allowed: u64,
    ) -> u64 {
        let this = Accepted::of(guard, school, found);
        if found <= allowed {
            self.accepted.retain(|accepted| !accepted.is_about(&this));
            return 0;
        }
        let accepted = self.accepted.iter().find(|accepted| accepted.is_about(&this)).map_or(0, |a| a.found);
        let accepted = accepted.min(before);
        if action == GuardAction::Wait && found > allowed.saturating_add(accepted) {
            self.pending.retain(|pending| !pending.is_about(&this));
            self.pending.push(this);
        }
        accepted
    }

    /// Takes over that a person has let this run's roster through.
    pub fn accept(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            self.accepted.retain(|accepted| !accepted.is_about(&pending));
            self.accepted.push(pending);
        }
        self.lacking.append(&mut self.lacking_now);
        if self.consent_now.all() > 0 {
            self.consent = self.consent_now;
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
        let mut schools = BTreeMap::new();
        for (key, school) in &facts.schools {
            let taken =
                if collapsed.contains(key) { self.schools.get(key).copied() } else { Some(school.roster) };
            if let Some(people) = taken.filter(|people| *people > 0) {
                schools.insert(key.clone(), people);
            }
        }
        self.schools = schools;
    }
}
