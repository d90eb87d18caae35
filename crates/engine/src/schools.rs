//! The schools that a roster names, each met once: a million students cost a million additions here, and no text.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rostercard_core::guard::{Carried, SchoolFacts};
use rostercard_core::student::{School, Student};
use rostercard_store::rows::RunResult;

use crate::tally::{NO_SCHOOL, Tally};

/// A school and what is counted of it on the way.
struct Met {
    /// Kept, so that its address stays its own.
    school: Option<Arc<School>>,
    label: Arc<str>,
    roster: u64,
    unchanged: u64,
    carried: Carried,
}

impl Met {
    fn new(school: Option<Arc<School>>, label: Arc<str>) -> Self {
        Self { school, label, roster: 0, unchanged: 0, carried: Carried::default() }
    }
}

/// The schools met so far. Schools are told apart by their address in memory: a source shares one between its students.
/// A source that did not would only make this slower.
pub(crate) struct Schools {
    met: Vec<Met>,
    positions: HashMap<usize, usize>,
    last: usize,
}

impl Schools {
    pub(crate) fn new() -> Self {
        let none = Met::new(None, NO_SCHOOL.into());
        Self { met: vec![none], positions: HashMap::new(), last: 0 }
    }

    /// Counts somebody of the roster; where the school stands here.
    pub(crate) fn arrive(&mut self, school: Option<&Arc<School>>) -> usize {
        let at = self.position(school);
        self.met[at].roster += 1;
        at
    }

    /// Counts which fields somebody of the roster has.
    pub(crate) fn carry(&mut self, at: usize, student: &Student) {
        self.met[at].carried.add(student);
    }

    fn position(&mut self, school: Option<&Arc<School>>) -> usize {
        let Some(school) = school else { return 0 };
        // Rosters come school by school more often than not.
        if self.met[self.last].school.as_ref().is_some_and(|last| Arc::ptr_eq(last, school)) {
            return self.last;
        }
        let address = Arc::as_ptr(school).addr();
        self.last = match self.positions.get(&address) {
            Some(at) => *at,
            None => {
                let (school, label) = (Some(Arc::clone(school)), school.label().into());
                self.met.push(Met::new(school, label));
                self.positions.insert(address, self.met.len() - 1);
                self.met.len() - 1
            }
        };
        self.last
    }

    /// The school as a person would want it named.
    pub(crate) fn label(&self, at: usize) -> Arc<str> {
        Arc::clone(&self.met[at].label)
    }

    /// Counts somebody for whom nothing is to do.
    pub(crate) fn unchanged(&mut self, at: usize) {
        self.met[at].unchanged += 1;
    }

    /// Adds everything up, once the roster has ended.
    pub(crate) fn add_to(self, result: &mut RunResult, facts: &mut BTreeMap<String, SchoolFacts>) {
        for met in self.met {
            if let (Some(school), true) = (&met.school, met.roster > 0) {
                let label = || school.label();
                let facts = facts
                    .entry(school.key().to_owned())
                    .or_insert_with(|| SchoolFacts { label: label(), ..SchoolFacts::default() });
                facts.roster += met.roster;
                facts.present.join(&met.carried);
            }
            result.count_unchanged(&met.label, met.unchanged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schools_are_met_once_and_add_up() {
        let school = |name: &str| Arc::new(School { source_id: name.into(), code: None, name: name.into() });
        let (a, b) = (school("A"), school("B"));
        let mut schools = Schools::new();
        for (who, times) in [(Some(&a), 3), (Some(&b), 2), (Some(&a), 1), (None, 1)] {
            for _ in 0..times {
                let at = schools.arrive(who);
                schools.unchanged(at);
            }
        }
        let (mut result, mut facts) = (RunResult::default(), BTreeMap::new());
        schools.add_to(&mut result, &mut facts);
        assert_eq!((facts["A"].roster, facts["B"].roster, facts.len()), (4, 2, 2));
        assert_eq!(result.by_school["A"].unchanged, 4);
        assert_eq!((result.counts.students, result.counts.unchanged), (7, 7));
        assert!(result.counts.add_up());
    }
}
