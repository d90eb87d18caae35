//! The guards by table: rosters that are empty, cut short, old, or change too much.

use std::collections::BTreeMap;

use super::*;
use crate::field::Field;
use crate::ports::Completeness;

fn school(label: &str, live: u64, roster: u64, absent: u64) -> (String, SchoolFacts) {
    (label.to_owned(), SchoolFacts { label: label.into(), live, roster, absent, ..SchoolFacts::default() })
}

fn facts(schools: impl IntoIterator<Item = (String, SchoolFacts)>) -> PlanFacts {
    let schools: BTreeMap<String, SchoolFacts> = schools.into_iter().collect();
    PlanFacts {
        records: schools.values().map(|school| school.roster).sum(),
        schools,
        ..PlanFacts::new("2026-11-24T04:30:00Z".parse().unwrap(), jiff::civil::date(2026, 11, 24))
    }
}

/// What waits or is warned of, without what the next run has to know.
fn judge(facts: &PlanFacts, guards: &Guards) -> Verdict {
    Verdict { memory: Memory::default(), ..evaluate(facts, guards) }
}

fn with(mut facts: PlanFacts, label: &str, kind: ChangeKind, count: u64) -> PlanFacts {
    facts.schools.get_mut(label).unwrap().changes.insert(kind, count);
    facts
}

fn guards_of(verdict: &Verdict) -> Vec<&str> {
    verdict.waiting_for.iter().map(|w| w.guard.as_str()).collect()
}

#[test]
fn an_ordinary_night_goes_through() {
    let plan = facts([school("A", 800, 801, 2), school("B", 80, 80, 1)]);
    let plan = with(with(plan, "A", ChangeKind::Create, 3), "B", ChangeKind::Update, 20);
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
}

#[test]
fn s02_an_empty_roster_waits_and_nobody_is_missing() {
    let verdict = evaluate(&facts([school("A", 6, 0, 6)]), &Guards::default());
    assert_eq!(guards_of(&verdict), ["roster_collapsed"]);
    assert!(verdict.whole && !verdict.absence_counts("A"));
    assert!(verdict.waiting_for[0].likely_cause.contains("nobody"));
}

#[test]
fn s02_a_header_only_waits_though_it_does_not_count_as_whole() {
    let mut plan = facts([school("Elm", 400, 0, 0), school("Oak", 300, 0, 0)]);
    plan.completeness = Completeness::Incomplete;
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["roster_collapsed"]);
    assert!(verdict.whole);
    // A delta with nobody in it is an ordinary night.
    plan.completeness = Completeness::Delta;
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
}

#[test]
fn s02_half_the_schools_missing_is_named_by_school() {
    let plan = facts([school("0123", 842, 0, 842), school("0456", 800, 800, 0)]);
    let verdict = evaluate(&plan, &Guards::default());
    assert!(verdict.whole);
    let what = &verdict.waiting_for[0];
    assert_eq!((what.limit, what.found), (Some(328), 842));
    assert!(what.likely_cause.contains("0123"), "{}", what.likely_cause);
}

#[test]
fn s15_one_school_of_many_that_sends_nobody_waits_alone() {
    let plan = facts([school("0123", 90, 0, 90), school("0456", 800, 810, 0)]);
    let plan = with(plan, "0456", ChangeKind::Create, 10);
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["school_collapsed"]);
    assert!(verdict.waits(ChangeKind::Lapse, "0123") && !verdict.absence_counts("0123"));
    assert!(!verdict.waits(ChangeKind::Create, "0456") && verdict.absence_counts("0456"));
    assert!(verdict.waiting_for[0].likely_cause.contains("school 0123 sent 0 students; 90 have cards"));
}

#[test]
fn s02_last_years_file_waits() {
    let mut plan = facts([school("A", 80, 80, 0)]);
    plan.as_of = Some("2025-09-01T00:00:00Z".parse().unwrap());
    plan.last_as_of = Some("2026-11-23T00:00:00Z".parse().unwrap());
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), ["roster_older"]);
    plan.last_as_of = plan.as_of;
    assert!(!evaluate(&plan, &Guards::default()).whole, "the same file again is no older one");
    let guards = Guards { roster_age: Some(3 * 86_400), ..Guards::default() };
    assert_eq!(guards_of(&evaluate(&plan, &guards)), ["roster_age"]);
}

#[test]
fn s19_the_first_connection_waits_whatever_its_size() {
    let mut plan = with(facts([school("A", 0, 3, 0)]), "A", ChangeKind::Create, 3);
    plan.first_connection = true;
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["first_connection"]);
    assert!(verdict.waits(ChangeKind::Create, "A"));
    let off = Guards { first_connection: GuardAction::Off, ..Guards::default() };
    assert_eq!(judge(&plan, &off), Verdict::default());
}

#[test]
fn s38_changed_rules_wait_only_where_they_change_something() {
    let mut plan = facts([school("A", 80, 80, 0)]);
    plan.rules_changed = true;
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
    let plan = with(plan, "A", ChangeKind::Update, 1);
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), ["rules_changed"]);
}

#[test]
fn many_changes_of_a_kind_wait_and_the_other_kinds_go_on() {
    let plan = facts([school("A", 500, 560, 0), school("B", 500, 510, 0)]);
    let plan = with(with(plan, "A", ChangeKind::Create, 91), "B", ChangeKind::Create, 10);
    let plan = with(plan, "A", ChangeKind::Update, 30);
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["changes"]);
    assert!(verdict.waits(ChangeKind::Create, "B") && !verdict.waits(ChangeKind::Update, "A"));
    assert_eq!((verdict.waiting_for[0].limit, verdict.waiting_for[0].found), (Some(100), 101));
}

#[test]
fn many_changes_at_one_school_wait_there_alone() {
    let plan = facts([school("A", 100, 100, 0), school("B", 5000, 5000, 0)]);
    let plan = with(with(plan, "A", ChangeKind::Update, 60), "B", ChangeKind::Update, 60);
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["school_changes"]);
    assert!(verdict.waits(ChangeKind::Update, "A") && !verdict.waits(ChangeKind::Update, "B"));
}

#[test]
fn a_small_district_is_not_stopped_by_a_family_that_moves() {
    let plan = with(facts([school("A", 80, 76, 4)]), "A", ChangeKind::Update, 6);
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
    assert_eq!(Limit::wait(10.0, 25).allows(80), 25);
    assert_eq!(Limit::wait(10.0, 25).allows(300_000), 30_000);
}

#[test]
fn a_warning_lets_changes_go_on() {
    let plan = with(facts([school("A", 80, 80, 0)]), "A", ChangeKind::Update, 60);
    let limit = Limit { action: GuardAction::Warn, ..Guards::default().update };
    let guards = Guards { update: limit, school: limit, ..Guards::default() };
    let verdict = evaluate(&plan, &guards);
    assert!(!verdict.waits(ChangeKind::Update, "A") && verdict.waiting_for.is_empty());
    assert_eq!(verdict.warnings.len(), 2);
}

#[test]
fn an_incomplete_roster_makes_nobody_missing() {
    let mut plan = facts([school("A", 80, 2, 78)]);
    plan.completeness = Completeness::Incomplete;
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), Vec::<&str>::new());
}

#[test]
fn s37_the_first_run_after_a_pause_starts_small() {
    let cards = SchoolFacts { live: 100, roster: 100, label: "A".into(), ..SchoolFacts::default() };
    let mut some = with(facts([("A".to_owned(), cards)]), "A", ChangeKind::Renew, 26);
    assert!(!evaluate(&some, &Guards::default()).whole);
    some.after_pause = Some("an upgrade".into());
    let verdict = evaluate(&some, &Guards::default());
    assert!(verdict.whole);
    assert_eq!(
        (verdict.waiting_for[0].guard.as_str(), verdict.waiting_for[0].limit),
        ("after_pause", Some(25))
    );
    assert!(verdict.waiting_for[0].likely_cause.contains("an upgrade"));
    let mut few = some;
    few.schools.values_mut().for_each(|school| {
        school.changes.retain(|_, count| {
            *count = 25;
            true
        });
    });
    assert!(!evaluate(&few, &Guards::default()).whole);
}

mod content;
mod limits;

#[test]
fn s27_the_first_run_after_a_restore_waits_whole_and_says_why() {
    let mut plan = with(facts([school("A", 800, 801, 0)]), "A", ChangeKind::Create, 1);
    plan.after_restore = Some("a backup of 2026-11-20 was restored".into());
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["after_restore"]);
    assert!(verdict.whole && !verdict.absence_counts("A") && verdict.waits(ChangeKind::Create, "A"));
    assert!(verdict.waiting_for[0].likely_cause.starts_with("a backup of 2026-11-20 was restored: "));
    // Where nothing would be written, there is nothing to look at.
    plan.schools.get_mut("A").unwrap().changes.clear();
    let nothing = evaluate(&plan, &Guards::default());
    assert!(!nothing.whole && nothing.waiting_for.is_empty());
}

#[test]
fn a_source_that_is_not_running_and_gives_nobody_is_an_ordinary_night() {
    let mut plan = facts([school("A", 400, 0, 0)]);
    plan.completeness = Completeness::Incomplete;
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), ["roster_collapsed"]);
    plan.source_state = crate::ports::SourceState::Paused;
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
}
