//! Guards: limits at which changes wait for a person's approval.
//!
//! A guard looks at the counts of a plan, as a whole, by school and by grade, and never at a person. What is over a limit
//! waits, by school and kind of change; the rest goes on, unless the whole roster is in doubt. Every guard says which
//! limit, by how much, where, and the likely cause. The limits are here; what each looks at is in `roster` (is this a
//! roster to be believed?), `content` (are its columns?) and `changes` (are there too many of a kind?).

mod changes;
mod consent;
mod content;
mod expect;
mod facts;
mod memory;
mod roster;

use std::collections::BTreeSet;

pub use consent::Consents;
pub use content::{CARRIED, Carried, lacking, swapped};
pub use expect::Expectation;
pub use facts::{PlanFacts, SchoolFacts};
pub use memory::{Accepted, Memory};

use crate::plan::ChangeKind;
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
        /// Of the first cards some are in the ILS otherwise than they were sent (S19).
        FirstCards = "first_cards",
        /// The rules have changed since the last run (S38).
        RulesChanged = "rules_changed",
        /// The roster is read from another place than before (S36).
        EndpointChanged = "endpoint_changed",
        /// It is the first run after a pause: it starts small (S37).
        AfterPause = "after_pause",
        /// It is the first run after a backup of the store was restored: what it does not know of may have been done (S27).
        AfterRestore = "after_restore",
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
        /// Many cards would become questions for a person: their numbers are other people's by this roster.
        Reviews = "reviews",
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
    /// First cards that are otherwise in the ILS than they were sent.
    pub first_cards: GuardAction,
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
    /// Cards that would become questions for a person, because name and birth date are another person's.
    pub reviews: Limit,
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
            first_cards: GuardAction::Wait,
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
            reviews: Limit::wait(5.0, 10),
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
            ChangeKind::Pin | ChangeKind::Undo | ChangeKind::Note => None,
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
    verdict.memory.begin();
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
