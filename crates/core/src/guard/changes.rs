//! Are there too many changes of one kind, in all, at a school, or in a grade?

use std::collections::BTreeMap;

use super::{GuardAction, GuardName, Guards, KINDS, PlanFacts, Verdict, WaitingFor, doubt, raise};
use crate::grade::Grade;
use crate::plan::ChangeKind;

/// Kinds, schools, grades.
pub(super) fn look(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    for kind in KINDS {
        in_all(kind, facts, guards, verdict);
    }
    // Everybody is renewed on one day of the year, at every school and in every grade.
    let guarded = |kind: &ChangeKind| {
        *kind != ChangeKind::Renew && guards.limit(*kind).is_some_and(|l| l.action != GuardAction::Off)
    };
    for kind in KINDS.into_iter().filter(guarded) {
        at_schools(kind, facts, guards, verdict);
        in_grades(kind, facts, guards, verdict);
    }
}

fn in_all(kind: ChangeKind, facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let Some(limit) = guards.limit(kind) else { return };
    let (live, found) = (facts.live(), facts.sum(|school| school.planned(kind)));
    let expected = guards.expected(kind, facts.day, live);
    // Within its dates, what is expected is the limit.
    let allowed = expected.map_or_else(|| limit.allows(live), |(_, allowed)| allowed);
    if found > allowed {
        let cause = match expected {
            Some((expectation, _)) => {
                format!("{}; more than was expected {}", likely_cause(kind), expectation.in_words())
            }
            None => likely_cause(kind).to_owned(),
        };
        let what = WaitingFor {
            kind: Some(kind.word().to_owned()),
            ..doubt(GuardName::Changes, Some(allowed), found, cause)
        };
        raise(verdict, limit.action, what, |v| {
            v.kinds.insert(kind);
        });
    }
}

fn at_schools(kind: ChangeKind, facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    for (key, school) in facts.schools.iter().filter(|(_, school)| school.live > 0) {
        let found = school.planned(kind);
        let expected = guards.expected(kind, facts.day, school.live).map_or(0, |(_, allowed)| allowed);
        let allowed = guards.school.allows(school.live).max(expected);
        if found > allowed {
            let what = WaitingFor {
                kind: Some(kind.word().to_owned()),
                school: Some(school.label.clone()),
                ..doubt(GuardName::SchoolChanges, Some(allowed), found, likely_cause(kind))
            };
            raise(verdict, guards.school.action, what, |v| {
                v.schools.insert((key.clone(), kind));
            });
        }
    }
}

/// What is too much in a grade waits at the schools that have it.
fn in_grades(kind: ChangeKind, facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let mut grades: BTreeMap<u8, Vec<(&String, u64)>> = BTreeMap::new();
    for (key, school) in &facts.schools {
        for ((_, grade), count) in school.grades.iter().filter(|((of, _), count)| *of == kind && **count > 0)
        {
            grades.entry(*grade).or_default().push((key, *count));
        }
    }
    for (grade, schools) in grades {
        let Some(live) = facts.live_by_grade.get(&grade).copied().filter(|live| *live > 0) else { continue };
        let found: u64 = schools.iter().map(|(_, count)| count).sum();
        let expected = guards.expected(kind, facts.day, live).map_or(0, |(_, allowed)| allowed);
        let allowed = guards.grade.allows(live).max(expected);
        if found > allowed {
            let name = Grade::from_code(grade).map_or_else(|| "?".to_owned(), |grade| grade.to_string());
            let cause =
                format!("grade {name}: {found} to {kind}, {live} cards so far: {}", likely_cause(kind));
            let what = WaitingFor {
                kind: Some(kind.word().to_owned()),
                ..doubt(GuardName::GradeChanges, Some(allowed), found, cause)
            };
            raise(verdict, guards.grade.action, what, |v| {
                v.schools.extend(schools.iter().map(|(key, _)| ((*key).clone(), kind)));
            });
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
