//! The counts of a run, whole and by school, and the findings by code.

use rostercard_core::finding::Place;
use rostercard_core::plan::{ChangeKind, Counts};
use rostercard_core::reason::Reason;
use rostercard_store::rows::RunResult;

/// How many places of one code are kept for the report.
const PLACES: usize = 20;

/// In which count a person ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Change(ChangeKind),
    Unchanged,
    NotEligible,
    Pending,
    Waiting,
    Review,
    Reject,
}

impl Fate {
    pub(crate) fn of(reason: &Reason) -> Self {
        match reason {
            Reason::NotEligible(_) => Self::NotEligible,
            Reason::Pending(_) => Self::Pending,
            Reason::Reject(_) => Self::Reject,
            Reason::Review(_) => Self::Review,
        }
    }

    fn slot(self, counts: &mut Counts) -> &mut u64 {
        match self {
            Self::Change(kind) => counts.of(kind),
            Self::Unchanged => &mut counts.unchanged,
            Self::NotEligible => &mut counts.not_eligible,
            Self::Pending => &mut counts.pending,
            Self::Waiting => &mut counts.waiting,
            Self::Review => &mut counts.review,
            Self::Reject => &mut counts.reject,
        }
    }
}

/// Under which school people are counted whose record names none.
pub(crate) const NO_SCHOOL: &str = "(no school)";

/// Counts of one school, gathered without touching the map for every student.
pub(crate) trait Tally {
    /// Counts a person once.
    fn count(&mut self, school: &str, fate: Fate);
    /// Counts so many people for whom nothing is to do.
    fn count_unchanged(&mut self, school: &str, people: u64);
    /// Moves so many people from one count to another.
    fn shift(&mut self, school: &str, from: Fate, to: Fate, count: u64);
    /// Notes a finding.
    fn note(&mut self, code: &str, message: &str, place: &Place);
}

impl Tally for RunResult {
    fn count(&mut self, school: &str, fate: Fate) {
        self.counts.students += 1;
        *fate.slot(&mut self.counts) += 1;
        let by_school = match self.by_school.get_mut(school) {
            Some(counts) => counts,
            None => self.by_school.entry(school.to_owned()).or_default(),
        };
        by_school.students += 1;
        *fate.slot(by_school) += 1;
    }

    fn count_unchanged(&mut self, school: &str, people: u64) {
        if people == 0 {
            return;
        }
        let by_school = self.by_school.entry(school.to_owned()).or_default();
        for counts in [&mut self.counts, by_school] {
            counts.students += people;
            counts.unchanged += people;
        }
    }

    fn shift(&mut self, school: &str, from: Fate, to: Fate, count: u64) {
        let by_school = self.by_school.entry(school.to_owned()).or_default();
        for counts in [&mut self.counts, by_school] {
            let slot = from.slot(counts);
            // Never below zero, so that a count that does not add up is seen as such and not as a panic.
            let moved = count.min(*slot);
            *slot -= moved;
            *to.slot(counts) += moved;
        }
    }

    fn note(&mut self, code: &str, message: &str, place: &Place) {
        let finding = match self.findings.get_mut(code) {
            Some(finding) => finding,
            None => self.findings.entry(code.to_owned()).or_default(),
        };
        if finding.count == 0 {
            message.clone_into(&mut finding.message);
        }
        finding.count += 1;
        if *place != Place::default() && finding.places.len() < PLACES {
            finding.places.push(place.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_counted_once_and_shifts_keep_the_sum() {
        let mut result = RunResult::default();
        result.count("A", Fate::Change(ChangeKind::Create));
        result.count("A", Fate::Unchanged);
        result.count("B", Fate::Reject);
        assert!(result.counts.add_up());
        result.shift("A", Fate::Change(ChangeKind::Create), Fate::Waiting, 5);
        assert_eq!((result.counts.create, result.counts.waiting), (0, 1));
        assert!(result.counts.add_up() && result.by_school.values().all(Counts::add_up));
    }

    #[test]
    fn findings_are_gathered_by_code() {
        let mut result = RunResult::default();
        for line in 2..100 {
            result.note(
                "row_width",
                "the row has 3 columns, the header has 4",
                &Place::line("users.csv", line),
            );
        }
        let finding = &result.findings["row_width"];
        assert_eq!((finding.count, finding.places.len()), (98, PLACES));
        assert_eq!(finding.places[0], "users.csv:2");
    }
}
