//! Guards: limits at which changes wait for a person's approval.
//!
//! A guard looks at the counts of a plan, as a whole and by school, and never at a person. What is over a limit
//! waits, by school and kind of change; the rest goes on, unless the whole roster is in doubt. Every guard says which
//! limit, by how much, where, and the likely cause.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

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
    }
}

/// A limit: so many percent of the cards there are, but never fewer than `at_least` changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Percent of the live cards, 0 to 100.
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

    /// How many go through, out of so many cards.
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
    /// People with cards who are missing from the roster as a whole.
    pub roster_collapse: Limit,
    /// People with cards who are missing from one school.
    pub school_collapse: Limit,
    /// The oldest roster that is taken, in seconds before the run; `None` for any age.
    pub roster_age: Option<u64>,
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
            roster_collapse: Limit::wait(20.0, 10),
            school_collapse: Limit::wait(50.0, 10),
            roster_age: None,
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
    /// Whether nothing of this partnership was ever let through.
    pub first_connection: bool,
    /// Whether the rules differ from those of the last run that was let through.
    pub rules_changed: bool,
    /// Where the roster is read from, where that differs from the last time: (before, now).
    pub endpoint_changed: Option<(String, String)>,
    /// Why the partnership was paused, where this is the first run since.
    pub after_pause: Option<String>,
    /// School by school.
    pub schools: BTreeMap<String, SchoolFacts>,
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
    /// What waits, and why.
    pub waiting_for: Vec<WaitingFor>,
    /// What is warned of.
    pub warnings: Vec<WaitingFor>,
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
}

/// Looks at a plan.
#[must_use]
pub fn evaluate(facts: &PlanFacts, guards: &Guards) -> Verdict {
    let mut verdict = Verdict::default();
    whole_roster(facts, guards, &mut verdict);
    kinds(facts, guards, &mut verdict);
    schools(facts, guards, &mut verdict);
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

fn whole_roster(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let changes: u64 = facts.schools.values().flat_map(|s| s.changes.values()).sum();
    let roster: u64 = facts.schools.values().map(|s| s.roster).sum();
    let live: u64 = facts.schools.values().map(|s| s.live).sum();
    let absent: u64 = facts.schools.values().map(|s| s.absent).sum();
    let doubt = |guard: GuardName, limit, found, likely_cause: String| WaitingFor {
        guard: guard.word().to_owned(),
        kind: None,
        limit,
        found,
        school: None,
        likely_cause,
    };
    if facts.first_connection && changes > 0 {
        let cause = "this partnership has no card yet: look at the plan by school, then approve it, whole or one school first";
        raise(
            verdict,
            guards.first_connection,
            doubt(GuardName::FirstConnection, Some(0), changes, cause.into()),
            |v| {
                v.whole = true;
            },
        );
    }
    if facts.rules_changed && changes > 0 {
        let cause = "the card rules, homes or field rules were changed since the last run: look at the plan, then approve it";
        raise(
            verdict,
            guards.rules_changed,
            doubt(GuardName::RulesChanged, Some(0), changes, cause.into()),
            |v| {
                v.whole = true;
            },
        );
    }
    if let Some((before, now)) = &facts.endpoint_changed {
        let cause = format!(
            "the roster was read from {before} before and is read from {now} now: is it the same district?"
        );
        raise(
            verdict,
            guards.endpoint_changed,
            doubt(GuardName::EndpointChanged, None, changes, cause),
            |v| {
                v.whole = true;
            },
        );
    }
    let small = guards.after_pause.allows(live);
    if let Some(reason) = &facts.after_pause
        && changes > small
    {
        let cause = format!(
            "this is the first run after a pause ({reason}): look at what has piled up, then approve it"
        );
        let what = doubt(GuardName::AfterPause, Some(small), changes, cause);
        raise(verdict, guards.after_pause.action, what, |v| {
            v.whole = true;
        });
    }
    if let (Some(as_of), Some(last)) = (facts.as_of, facts.last_as_of)
        && as_of < last
    {
        let cause =
            format!("this roster is of {as_of}, the last one was of {last}: an old file was delivered again");
        raise(verdict, GuardAction::Wait, doubt(GuardName::RosterOlder, None, changes, cause), |v| {
            v.whole = true;
        });
    }
    if let (Some(as_of), Some(oldest)) = (facts.as_of, guards.roster_age) {
        let age = u64::try_from(facts.now.duration_since(as_of).as_secs()).unwrap_or(0);
        if age > oldest {
            let cause = format!("this roster is of {as_of}: the district's export may have stopped");
            raise(verdict, GuardAction::Wait, doubt(GuardName::RosterAge, Some(oldest), age, cause), |v| {
                v.whole = true;
            });
        }
    }
    // In a delta, those are absent of whom the source says that they have left.
    let counts = facts.completeness != Completeness::Incomplete;
    let allowed = guards.roster_collapse.allows(live);
    // A file with a header only does not even count as whole, and is no less in doubt for that.
    let nobody = roster == 0 && facts.completeness != Completeness::Delta;
    if live > 0
        && ((counts && absent > allowed) || (nobody && guards.roster_collapse.action != GuardAction::Off))
    {
        let empty: Vec<&str> = facts
            .schools
            .values()
            .filter(|s| s.live > 0 && s.roster == 0)
            .map(|s| s.label.as_str())
            .take(5)
            .collect();
        let cause = if facts.completeness == Completeness::Delta {
            format!(
                "the source says that {absent} of {live} people with cards have left at once: a school or a grade that is no longer shared"
            )
        } else if roster == 0 {
            "the roster has nobody in it: an export that failed, or a file with a header only".to_owned()
        } else if empty.is_empty() {
            format!(
                "{absent} of {live} people with cards are missing: an export cut short, or last year's roster"
            )
        } else {
            format!(
                "{absent} of {live} people with cards are missing; schools that sent nobody: {}",
                empty.join(", ")
            )
        };
        let what = doubt(GuardName::RosterCollapsed, Some(allowed), absent, cause);
        raise(verdict, guards.roster_collapse.action, what, |v| v.whole = true);
    }
}

fn kinds(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    // The first load and a changed rule are looked at as a whole already.
    if verdict.whole || facts.first_connection {
        return;
    }
    let live: u64 = facts.schools.values().map(|s| s.live).sum();
    for kind in KINDS {
        let found: u64 = facts.schools.values().filter_map(|s| s.changes.get(&kind)).sum();
        let Some(limit) = guards.limit(kind) else { continue };
        let allowed = limit.allows(live);
        if found > allowed {
            let what = WaitingFor {
                guard: GuardName::Changes.word().to_owned(),
                kind: Some(kind.word().to_owned()),
                limit: Some(allowed),
                found,
                school: None,
                likely_cause: likely_cause(kind).to_owned(),
            };
            raise(verdict, limit.action, what, |v| {
                v.kinds.insert(kind);
            });
        }
    }
}

fn schools(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    if verdict.whole || facts.first_connection {
        return;
    }
    let snapshot = facts.completeness == Completeness::Snapshot;
    for (key, school) in facts.schools.iter().filter(|(_, school)| school.live > 0) {
        let allowed = guards.school_collapse.allows(school.live);
        let emptied = school.roster == 0 && school.absent > 0 && school.live >= 5;
        if snapshot && (school.absent > allowed || emptied) {
            let what = WaitingFor {
                guard: GuardName::SchoolCollapsed.word().to_owned(),
                kind: Some(ChangeKind::Lapse.word().to_owned()),
                limit: Some(allowed),
                found: school.absent,
                school: Some(school.label.clone()),
                likely_cause: format!(
                    "school {} sent {} people; {} have cards: a school left out of the export, closed or merged",
                    school.label, school.roster, school.live
                ),
            };
            raise(verdict, guards.school_collapse.action, what, |v| {
                v.collapsed.insert(key.clone());
                v.schools.insert((key.clone(), ChangeKind::Lapse));
            });
        }
        for kind in KINDS.into_iter().filter(|kind| !matches!(kind, ChangeKind::Renew)) {
            let found = school.changes.get(&kind).copied().unwrap_or(0);
            let allowed = guards.school.allows(school.live);
            if found > allowed && guards.limit(kind).is_some_and(|l| l.action != GuardAction::Off) {
                let what = WaitingFor {
                    guard: GuardName::SchoolChanges.word().to_owned(),
                    kind: Some(kind.word().to_owned()),
                    limit: Some(allowed),
                    found,
                    school: Some(school.label.clone()),
                    likely_cause: likely_cause(kind).to_owned(),
                };
                raise(verdict, guards.school.action, what, |v| {
                    v.schools.insert((key.clone(), kind));
                });
            }
        }
    }
}

fn likely_cause(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create => {
            "a new school or grade, a new school year, or student ids that were all re-issued"
        }
        ChangeKind::Link => "a change of the match rules, or an ILS whose patrons were re-numbered",
        ChangeKind::Update => {
            "a column that moved in the export, a new school year, or names in another spelling"
        }
        ChangeKind::Renew => "the yearly renewal, or a changed expiry rule",
        ChangeKind::Lapse => "a school or grade that was left out of the export",
        ChangeKind::Restore => "people who were missing for a while are in the roster again",
        ChangeKind::Pin | ChangeKind::Undo | ChangeKind::Note => "",
    }
}

#[cfg(test)]
mod tests;
