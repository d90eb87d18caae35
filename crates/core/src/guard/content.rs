//! Are a roster's columns what they were? Rejected records, fields that are gone, columns that changed places.

use std::collections::BTreeMap;

use super::{
    GuardName, Guards, Memory, PlanFacts, SchoolFacts, Verdict, WaitingFor, consent, doubt, raise, roster,
};
use crate::digest::{DigestKey, ValueDigest};
use crate::field::{Field, FieldRules, FieldSet};
use crate::patron::PatronValues;
use crate::plan::ChangeKind;
use crate::student::{GivenAddress, Student};
use crate::threeway::FieldDigests;

/// The fields that a roster carries person by person and that may be absent from it.
pub const CARRIED: [Field; 6] =
    [Field::GivenName, Field::MiddleName, Field::BirthDate, Field::Email, Field::Phone, Field::Address];

/// How many people have a value in each field of [`CARRIED`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried([u64; CARRIED.len()]);

impl Carried {
    /// Counts what a student has.
    pub fn add(&mut self, student: &Student) {
        let has = [
            !student.given_name.is_empty(),
            student.middle_name.is_some(),
            student.birth_date.is_some(),
            student.email.is_some(),
            student.phone.is_some(),
            matches!(student.address, GivenAddress::Given(_)),
        ];
        for (count, has) in self.0.iter_mut().zip(has) {
            *count += u64::from(has);
        }
    }

    /// Adds the counts of others.
    pub fn join(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// How many people have a value in a field.
    #[must_use]
    pub fn of(&self, field: Field) -> u64 {
        CARRIED.iter().position(|carried| *carried == field).map_or(0, |at| self.0[at])
    }
}

/// Fields that a person's card was given once, and that the roster now lacks. Nothing is blanked for it in the ILS (S23).
#[must_use]
pub fn lacking(wanted: &PatronValues, digests: &FieldDigests, rules: &FieldRules) -> FieldSet {
    let kept = rules.kept_up();
    let gone = |field: &Field| {
        kept.contains(*field)
            && digests.get(*field).sent != ValueDigest::NOTHING
            && wanted.canonical(*field).is_none()
    };
    CARRIED.into_iter().filter(gone).collect()
}

/// Pairs of columns that may change places in an export.
const PAIRS: [(Field, Field); 4] = [
    (Field::Surname, Field::GivenName),
    (Field::GivenName, Field::MiddleName),
    (Field::Surname, Field::MiddleName),
    (Field::Email, Field::Phone),
];

/// Two fields whose wanted values are each other's of the last time, where there are such.
#[must_use]
pub fn swapped(
    wanted: &PatronValues,
    digests: &FieldDigests,
    changed: FieldSet,
    key: &DigestKey,
) -> Option<(Field, Field)> {
    let is_now_in = |was: Field, now: Field| {
        let text = wanted.canonical(now);
        text.is_some() && key.value(was, text.as_deref()) == digests.get(was).sent
    };
    PAIRS
        .into_iter()
        .find(|(a, b)| changed.contains(*a) && changed.contains(*b) && is_now_in(*a, *b) && is_now_in(*b, *a))
}

/// What a roster's columns hold.
pub(super) fn look(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    rejects(facts, guards, verdict);
    reviews(facts, guards, verdict);
    lacking_fields(facts, guards, verdict);
    swapped_columns(facts, guards, verdict);
    consent::look(facts, guards, verdict);
}

fn rejects(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let (found, allowed) = (facts.rejects, guards.rejects.allows(facts.records));
    let accepted =
        verdict.memory.weigh((GuardName::Rejects, guards.rejects.action), None, (found, found), allowed);
    if found > allowed + accepted {
        let cause = format!(
            "{found} of {} records were rejected: a column that moved, or ids that a spreadsheet spoilt; \
             `rostercard rejects` lists them",
            facts.records
        );
        let what = doubt(GuardName::Rejects, Some(allowed + accepted), found, cause);
        raise(verdict, guards.rejects.action, what, |v| v.whole = true);
        // Whoever accepts the whole of it accepts it of the schools, too.
        rejecting_schools(facts, guards, &mut verdict.memory);
        return;
    }
    for (key, school, allowed) in rejecting_schools(facts, guards, &mut verdict.memory) {
        let cause = format!(
            "{} of {} records of the school were rejected: `rostercard rejects` lists them",
            school.rejects, school.roster
        );
        let what = WaitingFor {
            school: Some(school.label.clone()),
            ..doubt(GuardName::Rejects, Some(allowed), school.rejects, cause)
        };
        raise(verdict, guards.rejects.action, what, |v| roster::whole_school(v, key));
    }
}

/// Schools of whose records more are rejected than may be, each with its key and its limit.
fn rejecting_schools<'f>(
    facts: &'f PlanFacts,
    guards: &Guards,
    memory: &mut Memory,
) -> Vec<(&'f String, &'f SchoolFacts, u64)> {
    let mut rejecting = Vec::new();
    for (key, school) in &facts.schools {
        let allowed = guards.rejects.allows(school.roster);
        let accepted = memory.weigh(
            (GuardName::Rejects, guards.rejects.action),
            Some(key),
            (school.rejects, school.rejects),
            allowed,
        );
        if school.rejects > allowed + accepted {
            rejecting.push((key, school, allowed + accepted));
        }
    }
    rejecting
}

fn reviews(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let (found, live) = (facts.sum(|school| school.reviews), facts.live());
    let allowed = guards.reviews.allows(live);
    if found > allowed {
        let cause = format!(
            "{found} of {live} cards have the number of somebody with another name and another birth date by this roster: a \
             column of numbers that has moved against the names, or numbers that were given out again"
        );
        let what = doubt(GuardName::Reviews, Some(allowed), found, cause);
        raise(verdict, guards.reviews.action, what, |v| v.whole = true);
    }
}

fn lacking_fields(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let limit = guards.absent_fields;
    let live = facts.live();
    // A field that is there again may go again.
    verdict.memory.lacking.retain(|known| {
        let field = CARRIED.into_iter().find(|field| field.word() == known);
        field.is_some_and(|field| facts.sum(|school| school.present.of(field)) * 2 <= live)
    });
    let lack = |school: &SchoolFacts, field| school.lacking.get(&field).copied().unwrap_or(0);
    for field in CARRIED {
        let found = facts.sum(|school| lack(school, field));
        if found == 0 || verdict.memory.lacking.contains(field.word()) {
            continue;
        }
        let had = found + facts.sum(|school| school.present.of(field));
        let allowed = limit.allows(had);
        let cause = |found: u64, had: u64, at: &str| {
            format!(
                "{found} of {had} people{at} who had the field {field} lack it now: the district may no longer share it. \
                 Nothing is blanked in the ILS"
            )
        };
        if found > allowed {
            let what = doubt(GuardName::AbsentFields, Some(allowed), found, cause(found, had, ""));
            raise(verdict, limit.action, what, |v| {
                v.whole = true;
                v.memory.lacking_now.insert(field.word().to_owned());
            });
            continue;
        }
        for (key, school) in &facts.schools {
            let found = lack(school, field);
            let had = found + school.present.of(field);
            let allowed = limit.allows(had);
            if found > allowed {
                let what = WaitingFor {
                    school: Some(school.label.clone()),
                    ..doubt(
                        GuardName::AbsentFields,
                        Some(allowed),
                        found,
                        cause(found, had, " of the school"),
                    )
                };
                raise(verdict, limit.action, what, |v| roster::whole_school(v, key));
            }
        }
    }
}

fn swapped_columns(facts: &PlanFacts, guards: &Guards, verdict: &mut Verdict) {
    let limit = guards.swapped_columns;
    let mut pairs: BTreeMap<(Field, Field), u64> = BTreeMap::new();
    for (pair, count) in facts.schools.values().flat_map(|school| &school.swapped) {
        *pairs.entry(*pair).or_default() += count;
    }
    let cause = |(a, b): (Field, Field), found: u64, changed: u64| {
        format!(
            "{a} and {b} are exchanged in {found} of {changed} people whose cards would change: two columns have changed \
             places in the export"
        )
    };
    for (pair, found) in pairs {
        let changed = facts.sum(|school| school.planned(ChangeKind::Update));
        let allowed = limit.allows(changed);
        if found > allowed {
            let what = doubt(GuardName::SwappedColumns, Some(allowed), found, cause(pair, found, changed));
            raise(verdict, limit.action, what, |v| v.whole = true);
            continue;
        }
        for (key, school) in &facts.schools {
            let (found, changed) =
                (school.swapped.get(&pair).copied().unwrap_or(0), school.planned(ChangeKind::Update));
            let allowed = limit.allows(changed);
            if found > allowed {
                let what = WaitingFor {
                    school: Some(school.label.clone()),
                    ..doubt(GuardName::SwappedColumns, Some(allowed), found, cause(pair, found, changed))
                };
                // New cards of such a school would have their names the wrong way round, too.
                raise(verdict, limit.action, what, |v| roster::whole_school(v, key));
            }
        }
    }
}
