//! Every guard at its limit and one above, in a district of 80 and in one of 300,000; expectations, acceptance, ages.

use super::content::present;
use super::*;

/// A district of so many live cards in ten schools and thirteen grades of one size.
fn sized(live: u64) -> PlanFacts {
    let each = live / 10;
    let mut plan = facts((0..10).map(|n| school(&format!("S{n}"), each, each, 0)));
    plan.live_by_grade = (11..=23).map(|grade| (grade, live / 13)).collect();
    plan
}

/// Spreads so many over the schools.
fn spread(plan: &mut PlanFacts, count: u64, mut put: impl FnMut(&mut SchoolFacts, u64)) {
    let schools = plan.schools.len() as u64;
    for (place, school) in plan.schools.values_mut().enumerate() {
        put(school, count / schools + u64::from((place as u64) < count % schools));
    }
}

#[test]
fn every_kind_of_change_has_a_limit_for_small_and_large_districts() {
    use ChangeKind::{Create, Lapse, Link, Restore, Update};
    for (kind, small, large) in [
        (Create, 25, 30_000),
        (Link, 25, 30_000),
        (Update, 25, 75_000),
        (Lapse, 10, 15_000),
        (Restore, 25, 30_000),
    ] {
        for (live, limit) in [(80, small), (300_000, large)] {
            let plan = |count| {
                let mut plan = sized(live);
                spread(&mut plan, count, |school, some| {
                    school.changes.insert(kind, some);
                });
                plan
            };
            assert_eq!(judge(&plan(limit), &Guards::default()), Verdict::default(), "{kind} {live}");
            let verdict = judge(&plan(limit + 1), &Guards::default());
            assert_eq!(guards_of(&verdict), ["changes"], "{kind} {live}");
            let what = &verdict.waiting_for[0];
            assert_eq!(
                (what.limit, what.found, what.kind.as_deref()),
                (Some(limit), limit + 1, Some(kind.word()))
            );
            assert!(!what.likely_cause.is_empty() && verdict.waits(kind, "S3"));
        }
    }
    // Everybody is renewed on one day.
    let mut plan = sized(300_000);
    spread(&mut plan, 300_000, |school, some| {
        school.changes.insert(ChangeKind::Renew, some);
    });
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
}

#[test]
fn each_guard_about_the_roster_has_a_limit_for_small_and_large_districts() {
    type Put = fn(&mut PlanFacts, u64);
    let cases: [(GuardName, Put, u64, u64); 6] = [
        (GuardName::RosterCollapsed, |plan, n| spread(plan, n, |s, some| s.absent = some), 16, 60_000),
        (GuardName::Rejects, |plan, n| plan.rejects = n, 25, 30_000),
        (GuardName::Reviews, |plan, n| spread(plan, n, |s, some| s.reviews = some), 10, 15_000),
        (
            GuardName::AbsentFields,
            |plan, n| {
                // Everybody had one, and so many lack it now.
                let live: u64 = plan.schools.values().map(|s| s.live).sum();
                spread(plan, live - n, |s, some| s.present = present(Field::Email, some));
                spread(plan, n, |s, some| {
                    s.lacking.insert(Field::Email, some);
                });
            },
            40,
            150_000,
        ),
        (
            GuardName::SwappedColumns,
            |plan, n| {
                spread(plan, 20, |s, some| {
                    s.changes.insert(ChangeKind::Update, some);
                });
                spread(plan, n, |s, some| {
                    s.swapped.insert((Field::Surname, Field::GivenName), some);
                });
            },
            10,
            10,
        ),
        (
            GuardName::ConsentTurned,
            |plan, n| {
                let all: u64 = plan.schools.values().map(|s| s.live).sum();
                plan.memory.consent = Consents { granted: all, ..Consents::default() };
                plan.consent = Consents { granted: all - n, refused: n, ..Consents::default() };
            },
            10,
            30_000,
        ),
    ];
    for (guard, put, small, large) in cases {
        for (live, limit) in [(80, small), (300_000, large)] {
            let plan = |count| {
                let mut plan = sized(live);
                put(&mut plan, count);
                plan
            };
            let quiet = evaluate(&plan(limit), &Guards::default());
            assert_eq!(guards_of(&quiet), Vec::<&str>::new(), "{guard} {live}");
            let verdict = evaluate(&plan(limit + 1), &Guards::default());
            assert_eq!(guards_of(&verdict), [guard.word()], "{guard} {live}");
            assert!(verdict.whole && verdict.waits(ChangeKind::Create, "S1"), "{guard} {live}");
            assert_eq!(
                (verdict.waiting_for[0].limit, verdict.waiting_for[0].found),
                (Some(limit), limit + 1)
            );
        }
    }
}

#[test]
fn a_grade_with_too_many_changes_waits_at_the_schools_that_have_it() {
    let mut plan = facts([school("A", 400, 400, 0), school("B", 400, 400, 0)]);
    plan.live_by_grade = [(15, 60), (16, 60)].into();
    let put = |plan: &mut PlanFacts, at: &str, grade, count| {
        let school = plan.schools.get_mut(at).unwrap();
        (0..count).for_each(|_| school.plan(ChangeKind::Update, Some(grade)));
    };
    put(&mut plan, "A", 15, 30);
    put(&mut plan, "B", 16, 30);
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default(), "half of a grade is the limit");
    put(&mut plan, "A", 15, 1);
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["grade_changes"]);
    assert!(verdict.waits(ChangeKind::Update, "A") && !verdict.waits(ChangeKind::Update, "B"));
    assert!(verdict.waiting_for[0].likely_cause.starts_with("grade 05: 31 to update, 60 cards so far"));
    // A grade that is new to the programme is not measured against nobody.
    plan.live_by_grade.clear();
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
    let mut school = SchoolFacts::default();
    school.plan(ChangeKind::Lapse, Some(15));
    school.unplan(ChangeKind::Lapse, Some(15));
    school.unplan(ChangeKind::Lapse, Some(15));
    assert_eq!((school.planned(ChangeKind::Lapse), school.grades[&(ChangeKind::Lapse, 15)]), (0, 0));
}

#[test]
fn s02_what_was_accepted_is_no_reason_any_more_until_it_is_over() {
    let mut plan = facts([school("A", 400, 400, 0), school("B", 300, 0, 300)]);
    plan.memory.schools = [("B".to_owned(), 299)].into();
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!(guards_of(&verdict), ["roster_collapsed"]);
    assert!(
        verdict.waiting_for[0]
            .likely_cause
            .contains("school B sent 0 students; 300 have cards (299 came with the last roster)")
    );
    assert!(verdict.absence_waits("A") && verdict.absence_waits("B"));
    assert_eq!(verdict.memory.schools["B"], 299, "a roster in doubt is not the last roster");
    plan.memory = verdict.memory;
    plan.memory.accept();
    // The same again, as the ledger knows by now, and a few more.
    plan.schools.get_mut("B").unwrap().absent_before = 300;
    plan.schools.get_mut("A").unwrap().absent = 30;
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!((guards_of(&verdict), verdict.absence_waits("B")), (vec![], false));
    // Many more.
    plan.schools.get_mut("A").unwrap().absent = 160;
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), ["roster_collapsed"]);
    // As many, and others: nobody has said yes to those.
    plan.schools.get_mut("A").unwrap().absent = 300;
    let all = std::mem::take(&mut plan.schools.get_mut("B").unwrap().absent);
    plan.schools.get_mut("B").unwrap().absent_before = 0;
    assert_eq!((all, guards_of(&evaluate(&plan, &Guards::default()))), (300, vec!["roster_collapsed"]));
    // They came back, and went again.
    plan.schools.values_mut().for_each(|school| school.absent = 0);
    plan.memory = evaluate(&plan, &Guards::default()).memory;
    assert!(plan.memory.accepted.is_empty());
    plan.schools.get_mut("B").unwrap().absent = 300;
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), ["roster_collapsed"]);
}

#[test]
fn s02_nobody_can_say_yes_to_an_empty_roster() {
    for completeness in [Completeness::Snapshot, Completeness::Incomplete] {
        let mut plan = facts([school("A", 40, 0, 40)]);
        plan.completeness = completeness;
        let verdict = evaluate(&plan, &Guards::default());
        assert!(verdict.whole && !verdict.absence_waits("A"));
        assert!(verdict.waiting_for[0].likely_cause.ends_with("school A sent 0 students; 40 have cards"));
    }
}

#[test]
fn s11_outside_a_school_year_a_shrunken_roster_is_only_told_of() {
    let mut plan = facts([school("A", 40, 0, 40), school("B", 400, 390, 10)]);
    plan.in_term = false;
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!((guards_of(&verdict), verdict.whole), (vec![], false));
    assert_eq!(verdict.warnings[0].guard, "school_collapsed");
    // What is only told of is not accepted with the rest.
    let mut memory = verdict.memory;
    memory.accept();
    assert!(memory.accepted.is_empty());
    // Nobody enrolled, everybody there: no school has lost anybody.
    let mut plan = facts([school("A", 40, 0, 0)]);
    plan.records = 40;
    assert_eq!(judge(&plan, &Guards::default()), Verdict::default());
}

#[test]
fn expectations_are_the_limit_within_their_dates() {
    use jiff::civil::date;
    let expected = |percent, count| Expectation {
        from: date(2026, 8, 10),
        until: date(2026, 9, 11),
        kinds: vec![ChangeKind::Create],
        percent,
        count,
        reason: "a new school year".into(),
    };
    for (expectation, day, kind, found, waits) in [
        (expected(None, Some(300)), date(2026, 8, 10), ChangeKind::Create, 300, false),
        (expected(None, Some(300)), date(2026, 9, 11), ChangeKind::Create, 301, true),
        (expected(None, Some(300)), date(2026, 8, 9), ChangeKind::Create, 101, true),
        (expected(None, Some(300)), date(2026, 9, 12), ChangeKind::Create, 101, true),
        (expected(None, Some(300)), date(2026, 9, 1), ChangeKind::Lapse, 51, true),
        (expected(Some(40.0), None), date(2026, 9, 1), ChangeKind::Create, 400, false),
        (expected(Some(40.0), None), date(2026, 9, 1), ChangeKind::Create, 401, true),
        // Less than usual is expected: that is the limit.
        (expected(None, Some(5)), date(2026, 9, 1), ChangeKind::Create, 6, true),
        (expected(Some(1.0), Some(700)), date(2026, 9, 1), ChangeKind::Create, 700, false),
    ] {
        let mut plan = sized(1_000);
        plan.day = day;
        spread(&mut plan, found, |school, some| {
            school.changes.insert(kind, some);
        });
        let guards = Guards { expect: vec![expectation.clone()], ..Guards::default() };
        let verdict = evaluate(&plan, &guards);
        assert_eq!(guards_of(&verdict).contains(&"changes"), waits, "{expectation:?} {day} {kind} {found}");
    }
    // A school that is expected to double does not wait for being one school.
    let mut plan =
        with(facts([school("A", 100, 190, 0), school("B", 5_000, 5_000, 0)]), "A", ChangeKind::Create, 90);
    plan.day = date(2026, 9, 1);
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), ["school_changes"]);
    let guards = Guards { expect: vec![expected(None, Some(90))], ..Guards::default() };
    assert_eq!(judge(&plan, &guards), Verdict::default());
}

#[test]
fn s02_the_age_of_a_roster_is_told_in_words_and_free_days_do_not_count() {
    let mut plan = facts([school("A", 80, 80, 0)]);
    plan.as_of = Some("2026-11-20T04:30:00Z".parse().unwrap());
    let guards = Guards { roster_age: Some(36 * 3_600), ..Guards::default() };
    let verdict = evaluate(&plan, &guards);
    assert_eq!((guards_of(&verdict), verdict.waiting_for[0].found), (vec!["roster_age"], 4 * 86_400));
    assert!(verdict.waiting_for[0].likely_cause.contains("4 days old, and may be 36 hours old at most"));
    plan.closed_days = 3;
    assert_eq!(judge(&plan, &guards), Verdict::default());
    plan.closed_days = 2;
    assert!(evaluate(&plan, &guards).waiting_for[0].likely_cause.contains("days without school left out"));
    for action in [GuardAction::Warn, GuardAction::Off] {
        let guards = Guards { roster_age_action: action, ..guards.clone() };
        let verdict = evaluate(&plan, &guards);
        assert_eq!(
            (verdict.whole, verdict.warnings.len()),
            (false, usize::from(action == GuardAction::Warn))
        );
    }
}

#[test]
fn every_guard_can_be_turned_off() {
    let off = Limit { percent: 0.0, at_least: 0, action: GuardAction::Off };
    let guards = Guards {
        first_connection: GuardAction::Off,
        first_cards: GuardAction::Off,
        rules_changed: GuardAction::Off,
        endpoint_changed: GuardAction::Off,
        roster_older: GuardAction::Off,
        roster_age: Some(1),
        roster_age_action: GuardAction::Off,
        after_pause: off,
        create: off,
        link: off,
        update: off,
        renew: off,
        lapse: off,
        restore: off,
        school: off,
        grade: off,
        roster_collapse: off,
        school_collapse: off,
        rejects: off,
        reviews: off,
        gone: off,
        absent_fields: off,
        swapped_columns: off,
        consent: off,
        expect: vec![],
    };
    let mut plan = with(facts([school("A", 40, 0, 40), school("B", 9, 0, 9)]), "A", ChangeKind::Update, 40);
    plan.records = 50;
    plan.rejects = 50;
    plan.live_by_grade = [(15, 40)].into();
    plan.rules_changed = true;
    plan.endpoint_changed = Some(("here".into(), "there".into()));
    plan.after_pause = Some("an upgrade".into());
    plan.as_of = Some("2025-11-20T04:30:00Z".parse().unwrap());
    plan.last_as_of = Some("2026-11-20T04:30:00Z".parse().unwrap());
    plan.memory.consent = Consents { granted: 50, ..Consents::default() };
    plan.consent = Consents { refused: 50, ..Consents::default() };
    let a = plan.schools.get_mut("A").unwrap();
    a.plan(ChangeKind::Lapse, Some(15));
    a.reviews = 40;
    a.lacking.insert(Field::Email, 40);
    a.swapped.insert((Field::Surname, Field::GivenName), 40);
    assert_eq!(judge(&plan, &guards), Verdict::default());
    assert_eq!(
        guards_of(&evaluate(&plan, &Guards { roster_age: Some(1), ..Guards::default() })),
        [
            "rules_changed",
            "endpoint_changed",
            "after_pause",
            "roster_older",
            "roster_age",
            "roster_collapsed",
            "rejects",
            "reviews",
            "absent_fields",
            "swapped_columns",
            "consent_turned",
        ]
    );
}

#[test]
fn rejects_of_one_school_wait_there_alone_and_are_accepted_with_the_whole() {
    let mut plan = facts([school("A", 100, 100, 0), school("B", 900, 900, 0)]);
    plan.schools.get_mut("A").unwrap().rejects = 26;
    plan.rejects = 26;
    let verdict = evaluate(&plan, &Guards::default());
    assert_eq!((guards_of(&verdict), verdict.waiting_for[0].school.as_deref()), (vec!["rejects"], Some("A")));
    assert!(verdict.waits(ChangeKind::Create, "A") && !verdict.waits(ChangeKind::Create, "B"));
    assert!(verdict.waiting_for[0].likely_cause.starts_with("26 of 100 records of the school were rejected"));
    (plan.schools.get_mut("B").unwrap().rejects, plan.rejects) = (200, 226);
    let verdict = evaluate(&plan, &Guards::default());
    assert!(verdict.whole);
    plan.memory = verdict.memory;
    plan.memory.accept();
    assert_eq!(guards_of(&evaluate(&plan, &Guards::default())), Vec::<&str>::new());
}

proptest::proptest! {
    /// Whatever the numbers: no panic, a doubted roster lets nothing through, and what a person has accepted of a roster is no
    /// reason to wait the next night.
    #[test]
    fn any_plan_can_be_judged_and_accepted(
        schools in proptest::collection::vec(
            (0..5_000_u64, 0..5_000_u64, 0..5_000_u64, 0..9_000_u64, 0..50_u64, 0..500_u64), 1..8),
        (not_said, blank, granted, refused) in (0..900_u64, 0..900_u64, 0..900_u64, 0..900_u64),
        in_term: bool,
        stream in 0..3_usize,
    ) {
        let mut plan = facts(schools.iter().enumerate().map(|(n, (live, roster, absent, ..))| {
            school(&format!("S{n}"), *live, *roster, *absent.min(live))
        }));
        for (at, (live, _, _, changes, rejects, swapped)) in plan.schools.values_mut().zip(&schools) {
            at.rejects = *rejects;
            at.reviews = *rejects;
            (0..*changes / 100).for_each(|n| at.plan(KINDS[(n % 6) as usize], Some(11 + (n % 13) as u8)));
            at.lacking.insert(Field::Email, *swapped.min(live));
            at.swapped.insert((Field::Surname, Field::GivenName), *swapped);
        }
        plan.rejects = plan.schools.values().map(|at| at.rejects).sum();
        plan.consent = Consents { not_said, blank, granted, refused };
        plan.memory.consent = Consents { granted: 90, refused: 10, ..Consents::default() };
        plan.live_by_grade = (11..=23).map(|grade| (grade, 40)).collect();
        plan.in_term = in_term;
        plan.completeness = [Completeness::Snapshot, Completeness::Delta, Completeness::Incomplete][stream];
        let verdict = evaluate(&plan, &Guards::default());
        for key in plan.schools.keys() {
            if verdict.whole {
                assert!(KINDS.iter().all(|kind| verdict.waits(*kind, key)) && !verdict.absence_counts(key));
            }
            assert!(!verdict.absence_waits(key) || !verdict.absence_counts(key));
        }
        assert!(verdict.waiting_for.iter().all(|what| what.limit.is_none_or(|limit| what.found > limit)
            || what.guard == "roster_collapsed"));
        let text = serde_json::to_string(&verdict.memory).unwrap();
        plan.memory = serde_json::from_str(&text).unwrap();
        assert_eq!(plan.memory, verdict.memory);
        plan.memory.accept();
        plan.schools.values_mut().for_each(|school| school.absent_before = school.absent);
        let lasting = ["roster_collapsed", "school_collapsed", "rejects", "consent_turned"];
        let asked_for = |verdict: &Verdict, guard: &str| guards_of(verdict).contains(&guard);
        let again = evaluate(&plan, &Guards::default());
        // An empty roster is never accepted, and a delta does not say again who has left.
        let empty = plan.schools.values().all(|at| at.roster == 0);
        if !empty && plan.completeness == Completeness::Snapshot {
            for guard in lasting {
                assert!(!(asked_for(&verdict, guard) && asked_for(&again, guard)), "{guard}: {:?}", again.waiting_for);
            }
        }
    }
}
