//! Guards: limits at which changes wait for a person's approval.
//!
//! A guard looks at the counts of a plan, as a whole, by school and by grade, and never at a person. What is over a limit
//! waits, by school and kind of change; the rest goes on, unless the whole roster is in doubt. Every guard says which
//! limit, by how much, where, and the likely cause. The limits are here; what each looks at is in [`roster`] (is this a
//! roster to be believed?), [`content`] (are its columns?) and [`changes`] (are there too many of a kind?).

mod changes;
mod consent;
mod content;
mod expect;
mod memory;
mod roster;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

pub use consent::Consents;
pub use content::{CARRIED, Carried, lacking, swapped};
pub use expect::Expectation;
pub use memory::{Accepted, Memory};

use crate::field::Field;
use crate::plan::ChangeKind;
use crate::ports::{Completeness, SourceState};
use crate::words::vocabulary;

vocabulary! {
    /// What a guard does at its limit.
    GuardAction {
        /// The changes wait for approval.
        Wait = "wait",
        /// It is said, and the changes go on.
        Warn = "warn",
        /// Nothing.
        Off = "off",
    }
}

vocabulary! {
    /// The guards.
    GuardName {
        /// The partnership has no card yet: the first load is looked at by a person (S19).
        FirstConnection = "first_connection",
        /// The rules have changed since the last run (S38).
        RulesChanged = "rules_changed",
        /// The roster is read from another place than before (S36).
        EndpointChanged = "endpoint_changed",
        /// It is the first run after a pause: it starts small (S37).
        AfterPause = "after_pause",
        /// The roster is empty, or has lost a large share of the people with cards (S02).
        RosterCollapsed = "roster_collapsed",
        /// A school has lost a large share of its people, or sent nobody (S02).
        SchoolCollapsed = "school_collapsed",
        /// The roster is older than the one of the last run (S02).
        RosterOlder = "roster_older",
        /// The roster is older than the partnership allows.
        RosterAge = "roster_age",
        /// Many changes of one kind.
        Changes = "changes",
        /// Many changes of one kind at one school.
        SchoolChanges = "school_changes",
        /// Many changes of one kind in one grade.
        GradeChanges = "grade_changes",
        /// Many records were rejected.
        Rejects = "rejects",
        /// A field that most people had is gone from the roster (S23).
        AbsentFields = "absent_fields",
        /// Two columns have changed places.
        SwappedColumns = "swapped_columns",
        /// Far more or fewer families than before want a card, by the roster's column (S35).
        ConsentTurned = "consent_turned",
        /// The agreement ends soon. Only warned of.
        AgreementEnds = "agreement_ends",
    }
}

/// A limit: so many percent of what there is (of the cards, unless the guard says otherwise), but never fewer than
/// `at_least`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Percent, 0 to 100.
    pub percent: f64,
    /// So many go through whatever the percentage: in a school of 40, ten per cent is a family that moves.
    pub at_least: u64,
    /// What happens at the limit.
    pub action: GuardAction,
}

impl Limit {
    /// A limit that lets changes wait.
    #[must_use]
    pub const fn wait(percent: f64, at_least: u64) -> Self {
        Self { percent, at_least, action: GuardAction::Wait }
    }

    /// How many go through, out of so many.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of people are far below 2^52, and percentages are checked to be 0 to 100"
    )]
    pub fn allows(&self, live: u64) -> u64 {
        ((live as f64 * self.percent / 100.0).floor() as u64).max(self.at_least)
    }
}

/// The guards of a partnership: `[guards]`. The defaults are meant to be safe for a district of 80 as for one of
/// 300,000.
#[derive(Debug, Clone, PartialEq)]
pub struct Guards {
    /// The first load.
    pub first_connection: GuardAction,
    /// Rules that changed since the last run.
    pub rules_changed: GuardAction,
    /// Another endpoint.
    pub endpoint_changed: GuardAction,
    /// The first run after a pause: so many changes go through, the rest waits.
    pub after_pause: Limit,
    /// New patrons.
    pub create: Limit,
    /// Patrons linked.
    pub link: Limit,
    /// Patrons changed.
    pub update: Limit,
    /// Cards renewed. All of them are, once a year, so this is off unless wanted.
    pub renew: Limit,
    /// Cards that lapse.
    pub lapse: Limit,
    /// Cards that come back.
    pub restore: Limit,
    /// The same at each school. Looked at for schools that have cards already.
    pub school: Limit,
    /// The same in each grade. Looked at for grades that have cards already.
    pub grade: Limit,
    /// People with cards who are missing from the roster as a whole.
    pub roster_collapse: Limit,
    /// People with cards who are missing from one school.
    pub school_collapse: Limit,
    /// Records of the roster that are rejected; percent of the roster.
    pub rejects: Limit,
    /// Patrons of ours that the ILS suddenly does not have; percent of those that a run looks up.
    pub gone: Limit,
    /// People who had a field and now lack it, at a school or in all; percent of those who had it.
    pub absent_fields: Limit,
    /// People in whom two fields are exchanged, at a school or in all; percent of those who changed.
    pub swapped_columns: Limit,
    /// People of whose families' wish the roster suddenly says something else; percent of the roster.
    pub consent: Limit,
    /// A roster that is older than the last one.
    pub roster_older: GuardAction,
    /// The oldest roster that is taken, in seconds before the run; `None` for any age. Days without school do not count.
    pub roster_age: Option<u64>,
    /// What happens with an older one.
    pub roster_age_action: GuardAction,
    /// What is expected on certain dates.
    pub expect: Vec<Expectation>,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            first_connection: GuardAction::Wait,
            rules_changed: GuardAction::Wait,
            endpoint_changed: GuardAction::Wait,
            after_pause: Limit::wait(2.0, 25),
            create: Limit::wait(10.0, 25),
            link: Limit::wait(10.0, 25),
            update: Limit::wait(25.0, 25),
            renew: Limit { percent: 100.0, at_least: 25, action: GuardAction::Off },
            lapse: Limit::wait(5.0, 10),
            restore: Limit::wait(10.0, 25),
            school: Limit::wait(50.0, 25),
            grade: Limit::wait(50.0, 25),
            roster_collapse: Limit::wait(20.0, 10),
            school_collapse: Limit::wait(50.0, 10),
            rejects: Limit::wait(10.0, 25),
            gone: Limit::wait(20.0, 9),
            absent_fields: Limit::wait(50.0, 10),
            swapped_columns: Limit::wait(50.0, 5),
            consent: Limit::wait(10.0, 10),
            roster_older: GuardAction::Wait,
            roster_age: None,
            roster_age_action: GuardAction::Wait,
            expect: Vec::new(),
        }
    }
}

impl Guards {
    /// The limit for a kind of change over the whole partnership.
    #[must_use]
    pub fn limit(&self, kind: ChangeKind) -> Option<Limit> {
        match kind {
            ChangeKind::Create => Some(self.create),
            ChangeKind::Link => Some(self.link),
            ChangeKind::Update => Some(self.update),
            ChangeKind::Renew => Some(self.renew),
            ChangeKind::Lapse => Some(self.lapse),
            ChangeKind::Restore => Some(self.restore),
            // Those have a limit of their own: who asked for them is at hand.
            ChangeKind::Pin | ChangeKind::Note => None,
        }
    }
}

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
    /// Planned changes by kind.
    pub changes: BTreeMap<ChangeKind, u64>,
    /// Planned changes by kind and grade ([`crate::grade::Grade::code`]), where the grade is known.
    pub grades: BTreeMap<(ChangeKind, u8), u64>,
    /// People who have a value in a field of [`CARRIED`], by the roster.
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
    fn in_words(&self, memory: &Memory) -> String {
        let students = if self.roster == 1 { "student" } else { "students" };
        let have = if self.live == 1 { "has a card" } else { "have cards" };
        let before = match memory.schools.get(&self.label) {
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
            records: 0,
            rejects: 0,
            consent: Consents::default(),
            schools: BTreeMap::new(),
            live_by_grade: BTreeMap::new(),
            memory: Memory::default(),
        }
    }

    fn sum(&self, of: impl Fn(&SchoolFacts) -> u64) -> u64 {
        self.schools.values().map(of).sum()
    }

    /// Live cards in all.
    fn live(&self) -> u64 {
        self.sum(|school| school.live)
    }

    /// Planned changes in all that reach the ILS.
    fn changes(&self) -> u64 {
        self.sum(|school| KINDS.iter().map(|kind| school.planned(*kind)).sum())
    }

    /// Up to five schools of which something holds, in words.
    fn schools_in_words(&self, which: impl Fn(&SchoolFacts) -> bool) -> String {
        let told: Vec<String> = self
            .schools
            .values()
            .filter(|school| which(school))
            .map(|school| school.in_words(&self.memory))
            .collect();
        match told.len() {
            0..=5 => told.join(", "),
            more => format!("{}, and {} schools more", told[..5].join(", "), more - 5),
        }
    }
}

/// Something that waits, or is warned of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WaitingFor {
    /// Which guard, by its word.
    pub guard: String,
    /// Which kind of change, by its word; `None` for all.
    pub kind: Option<String>,
    /// How many go through.
    pub limit: Option<u64>,
    /// How many there are.
    pub found: u64,
    /// Which school, as a person would want it named; `None` for the whole partnership.
    pub school: Option<String>,
    /// What it most likely comes from, and what to look at.
    pub likely_cause: String,
}

/// What the guards said of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The whole roster is in doubt: nothing goes through, and nobody counts as missing.
    pub whole: bool,
    /// Kinds of change that wait everywhere.
    kinds: BTreeSet<ChangeKind>,
    /// Kinds of change that wait at a school, by the school's key.
    schools: BTreeSet<(String, ChangeKind)>,
    /// Schools whose missing people do not count as missing, by key.
    collapsed: BTreeSet<String>,
    /// The whole roster has lost too many people, but not all.
    shrunk: bool,
    /// What waits, and why.
    pub waiting_for: Vec<WaitingFor>,
    /// What is warned of.
    pub warnings: Vec<WaitingFor>,
    /// What the next run has to know.
    pub memory: Memory,
}

impl Verdict {
    /// Whether a change waits.
    #[must_use]
    pub fn waits(&self, kind: ChangeKind, school: &str) -> bool {
        self.whole
            || self.kinds.contains(&kind)
            || (!self.schools.is_empty() && self.schools.contains(&(school.to_owned(), kind)))
    }

    /// Whether people who are missing from this school's roster count as missing.
    #[must_use]
    pub fn absence_counts(&self, school: &str) -> bool {
        !self.whole && !self.collapsed.contains(school)
    }

    /// Whether it waits for a person that people are missing from this school: the roster has shrunk and is not empty, and
    /// whoever knows that it really did can say so.
    #[must_use]
    pub fn absence_waits(&self, school: &str) -> bool {
        self.shrunk || self.collapsed.contains(school)
    }
}

/// Looks at a plan.
#[must_use]
pub fn evaluate(facts: &PlanFacts, guards: &Guards) -> Verdict {
    let mut verdict = Verdict { memory: facts.memory.clone(), ..Verdict::default() };
    verdict.memory.shrunk_now.clear();
    roster::look(facts, guards, &mut verdict);
    content::look(facts, guards, &mut verdict);
    // What is looked at as a whole already, or for the first time, needs no limit.
    if !verdict.whole && !facts.first_connection {
        roster::schools(facts, guards, &mut verdict);
        changes::look(facts, guards, &mut verdict);
    }
    verdict.memory.learn(facts, verdict.whole, &verdict.collapsed);
    verdict
}

/// Every kind that changes something in the ILS.
const KINDS: [ChangeKind; 6] = [
    ChangeKind::Create,
    ChangeKind::Link,
    ChangeKind::Update,
    ChangeKind::Renew,
    ChangeKind::Lapse,
    ChangeKind::Restore,
];

fn raise(verdict: &mut Verdict, action: GuardAction, what: WaitingFor, effect: impl FnOnce(&mut Verdict)) {
    match action {
        GuardAction::Wait => {
            verdict.waiting_for.push(what);
            effect(verdict);
        }
        GuardAction::Warn => verdict.warnings.push(what),
        GuardAction::Off => {}
    }
}

/// Something about the roster as a whole.
fn doubt(guard: GuardName, limit: Option<u64>, found: u64, likely_cause: impl Into<String>) -> WaitingFor {
    WaitingFor {
        guard: guard.word().to_owned(),
        kind: None,
        limit,
        found,
        school: None,
        likely_cause: likely_cause.into(),
    }
}

#[cfg(test)]
mod tests;
