//! Guards, calendar and agreement in whole runs: what waits, what a person can say yes to, and what the next night does.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;

use jiff::civil::date;
use rostercard_core::calendar::{Agreement, Calendar, SchoolYear};
use rostercard_core::field::{Field, Ownership};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::guard::{Expectation, GuardAction};
use rostercard_core::plan::{ChangeKind, RunState};
use rostercard_core::ports::Record;
use rostercard_core::privacy::Personal;
use rostercard_core::rules::expiry::{ExpiryRule, MonthDay};
use rostercard_core::student::{Consent, Damaged, Student};
use rostercard_core::words::LinkState;
use rostercard_engine::{EngineError, RunReport, SelectionError};
use rostercard_store::Store;
use rostercard_store::rows::{ChangeSelection, LinkIndex};
use support::crash::CrashStore;
use support::{Kid, ListSource, Town, kids};

/// `n` students at each of these schools.
fn district(schools: &[(&str, usize)]) -> Vec<Kid> {
    let mut all = kids(schools.iter().map(|(_, n)| n).sum());
    let names = schools.iter().flat_map(|(name, n)| std::iter::repeat_n(*name, *n));
    all.iter_mut().zip(names).for_each(|(kid, name)| name.clone_into(&mut kid.school));
    all
}

/// A roster of students, each changed.
fn changed(kids: &[Kid], change: impl Fn(usize, &mut Student)) -> ListSource {
    let mut source = ListSource::new(kids);
    for (at, record) in source.records.iter_mut().enumerate() {
        if let Record::Student(student) = record {
            change(at, student);
        }
    }
    source
}

async fn rows(town: &Town) -> Vec<LinkIndex> {
    let id = town.store.partnerships().await.unwrap()[0].id;
    town.store.index(id).await.unwrap()
}

async fn missing(town: &Town) -> usize {
    rows(town).await.iter().filter(|row| row.missing_since.is_some()).count()
}

async fn lapsed(town: &Town) -> usize {
    rows(town).await.iter().filter(|row| row.state == LinkState::Lapsed).count()
}

/// The guards for which a run waits.
fn guards(report: &RunReport) -> Vec<&str> {
    report.run.result.waiting_for.iter().map(|what| what.guard.as_str()).collect()
}

fn cause(report: &RunReport) -> &str {
    &report.run.result.waiting_for[0].likely_cause
}

// ---- a roster that has shrunk ----

#[tokio::test]
async fn s02_a_roster_that_really_shrank_can_be_approved_and_the_next_run_goes_on() {
    let town = Town::new().open();
    let all = district(&[("A", 40), ("B", 30)]);
    town.sync(&all).await;
    let fewer = &all[..40];
    let waiting = town.sync(fewer).await;
    assert_eq!((waiting.run.state, guards(&waiting)), (RunState::Waiting, vec!["roster_collapsed"]));
    assert!(
        cause(&waiting)
            .contains("school B School B sent 0 students; 30 have cards (30 came with the last roster)"),
        "{}",
        cause(&waiting)
    );
    assert_eq!((waiting.run.result.counts.waiting, waiting.run.result.counts.unchanged), (30, 40));
    assert_eq!(missing(&town).await, 0, "nobody counts as missing before somebody says so");

    town.ils.take_counts();
    let approved = town.approve(waiting.run.id).await;
    assert_eq!((approved.run.state, approved.run.result.counts.waiting), (RunState::Done, 0));
    assert_eq!(town.ils.take_counts(), (0, 0, 0), "the ILS is neither asked nor written to");
    let kept: Vec<_> = rows(&town).await.into_iter().filter(|row| row.missing_since.is_some()).collect();
    assert_eq!((kept.len(), kept[0].missing_since, kept[0].feeds_missed), (30, Some(date(2026, 11, 24)), 1));

    // The next nights do not wait for the same reason, but for a new one they do.
    town.clock.days(1);
    let next = town.sync(fewer).await;
    assert_eq!((next.run.state, guards(&next)), (RunState::Done, vec![]));
    assert!(rows(&town).await.iter().all(|row| row.missing_since.is_none() || row.feeds_missed == 2));
    let again = town.sync(&all[..10]).await;
    assert_eq!(guards(&again), ["roster_collapsed"]);
    // Those who come back are no longer missing, and what was accepted is forgotten.
    assert_eq!(town.sync(&all).await.run.state, RunState::Done);
    assert_eq!(missing(&town).await, 0);
    assert_eq!(guards(&town.sync(fewer).await), ["roster_collapsed"]);
}

#[tokio::test]
async fn s02_a_yes_to_some_peoples_absence_is_none_to_that_of_others() {
    let town = Town::new().open();
    let all = district(&[("A", 40), ("B", 30)]);
    town.sync(&all).await;
    let waiting = town.sync(&all[..40]).await;
    town.approve(waiting.run.id).await;
    // As many are missing as were approved, and they are others.
    town.clock.days(1);
    let others = town.sync(&all[30..]).await;
    assert_eq!((others.run.state, guards(&others)), (RunState::Waiting, vec!["roster_collapsed"]));
    assert_eq!(missing(&town).await, 0, "those who were missing are back, and the others count as there");
}

#[tokio::test]
async fn s02_a_roster_older_than_one_that_was_let_through_in_part_waits() {
    let town = Town::new();
    let all = district(&[("A", 20), ("B", 10)]);
    let of = |day: &str| {
        let mut source = ListSource::new(&all);
        source.as_of = Some(format!("{day}T02:00:00Z").parse().unwrap());
        source
    };
    let waiting = town.sync_source(of("2026-11-24")).await.unwrap();
    let only = ChangeSelection { school: Some("A".into()), ..ChangeSelection::default() };
    let part = town.engine().approve(waiting.run.id, only, "pat", None).await.unwrap();
    assert_eq!((part.run.result.counts.create, part.run.result.counts.waiting), (20, 10));
    let older = town.sync_source(of("2026-11-20")).await.unwrap();
    assert!(guards(&older).contains(&"roster_older"), "{:?}", guards(&older));
    let again = town.sync_source(of("2026-11-24")).await.unwrap();
    assert!(!guards(&again).contains(&"roster_older"), "{:?}", guards(&again));
}

#[tokio::test]
async fn s15_a_school_that_closed_can_be_approved_alone() {
    let town = Town::new().open();
    let all = district(&[("A", 100), ("B", 12)]);
    town.sync(&all).await;
    let mut fewer = all[..100].to_vec();
    fewer[0].given = "Anna".into();
    let waiting = town.sync(&fewer).await;
    assert_eq!(guards(&waiting), ["school_collapsed"]);
    assert_eq!(waiting.run.result.waiting_for[0].school.as_deref(), Some("B School B"));
    assert_eq!(
        (waiting.run.result.counts.update, waiting.run.result.counts.waiting),
        (1, 12),
        "the rest goes on"
    );
    // Superseded by the next night's, which waits for the same.
    let waiting = town.sync(&fewer).await;
    assert_eq!((guards(&waiting), waiting.run.result.counts.waiting), (vec!["school_collapsed"], 12));
    town.approve(waiting.run.id).await;
    assert_eq!(missing(&town).await, 12);
    assert_eq!(town.sync(&fewer).await.run.state, RunState::Done);
}

#[tokio::test]
async fn s02_an_approval_that_was_cut_short_counts_each_roster_once() {
    let town = Town::new().open();
    let all = district(&[("A", 40), ("B", 30)]);
    town.sync(&all).await;
    let waiting = town.sync(&all[..40]).await;
    let only = ChangeSelection { school: Some("B".into()), ..ChangeSelection::default() };
    town.engine().approve(waiting.run.id, only, "t", None).await.unwrap();
    // The same decision a second time finds nothing, and counts nothing twice.
    let again = town.engine().approve(waiting.run.id, ChangeSelection::default(), "t", None).await;
    assert!(matches!(again, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))), "{again:?}");
    assert!(rows(&town).await.iter().all(|row| row.feeds_missed <= 1));
}

#[tokio::test]
async fn s02_a_plan_of_a_roster_that_shrank_can_be_approved_or_discarded() {
    let town = Town::new().open();
    let all = district(&[("A", 40), ("B", 30)]);
    town.sync(&all).await;
    let plan = town.plan(&all[..40]).await;
    assert_eq!(plan.run.state, RunState::Planned);
    let discarded = town.engine().discard(plan.run.id, ChangeSelection::default(), "t").await.unwrap();
    support::assert_adds_up(&discarded);
    assert_eq!(missing(&town).await, 0);
    let plan = town.plan(&all[..40]).await;
    let approved = town.approve(plan.run.id).await;
    assert_eq!((approved.run.state, missing(&town).await), (RunState::Done, 30));
}

// ---- columns ----

#[tokio::test]
async fn s23_a_field_that_is_no_longer_shared_waits_and_is_blanked_nowhere() {
    let mut town = Town::new().open();
    town.settings.rules.fields.set(Field::Email, Ownership::School);
    let all = district(&[("A", 30), ("B", 20)]);
    let email = |at: usize, student: &mut Student| {
        student.email = Some(Personal::new(format!("kid{at}@example.org")));
    };
    town.sync_source(changed(&all, email)).await.unwrap();
    let waiting = town.sync(&all).await;
    assert_eq!((waiting.run.state, guards(&waiting)), (RunState::Waiting, vec!["absent_fields"]));
    assert!(
        cause(&waiting).contains("50 of 50 people who had the field email lack it now"),
        "{}",
        cause(&waiting)
    );
    assert_eq!(waiting.run.result.counts.waiting, 50);
    // Every night, until somebody looks.
    let waiting = town.sync(&all).await;
    assert_eq!(guards(&waiting), ["absent_fields"]);
    town.ils.take_counts();
    assert_eq!(town.approve(waiting.run.id).await.run.state, RunState::Done);
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
    let still = town.patron("7700000100").values.email.map(|email| email.reveal().to_owned());
    assert_eq!(still.as_deref(), Some("kid0@example.org"), "absent is not empty");
    let next = town.sync(&all).await;
    assert_eq!((next.run.state, next.run.result.counts.unchanged), (RunState::Done, 50));
    // It is not asked about again when something else changes in everybody.
    town.settings.guards.update.action = GuardAction::Off;
    let renamed = town.sync_source(changed(&all, |_, s| s.given_name = Personal::new("Kim"))).await.unwrap();
    assert_eq!((guards(&renamed), renamed.run.result.counts.update), (vec![], 50));
}

#[tokio::test]
async fn s23_a_few_who_lack_a_field_are_an_ordinary_night() {
    let mut town = Town::new().open();
    town.settings.rules.fields.set(Field::Email, Ownership::School);
    let all = kids(40);
    let but = |without: usize| {
        move |at: usize, student: &mut Student| {
            student.email = (at >= without).then(|| Personal::new(format!("kid{at}@example.org")));
        }
    };
    town.sync_source(changed(&all, but(0))).await.unwrap();
    let report = town.sync_source(changed(&all, but(8))).await.unwrap();
    assert_eq!((report.run.state, report.run.result.counts.unchanged), (RunState::Done, 40));
    assert!(town.patron("7700000100").values.email.is_some());
    town.ils.take_counts();
    assert_eq!(town.sync_source(changed(&all, but(8))).await.unwrap().run.state, RunState::Done);
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
}

#[tokio::test]
async fn s34_first_and_last_names_that_changed_places_wait() {
    let town = Town::new().open();
    let all = kids(20);
    town.sync(&all).await;
    let swap = |from: usize| {
        move |at: usize, student: &mut Student| {
            if at >= from {
                std::mem::swap(&mut student.given_name, &mut student.family_name);
            }
        }
    };
    let waiting = town.sync_source(changed(&all, swap(0))).await.unwrap();
    assert_eq!(guards(&waiting), ["swapped_columns"]);
    assert!(
        cause(&waiting).contains("surname and given_name are exchanged in 20 of 20 people"),
        "{}",
        cause(&waiting)
    );
    assert_eq!((waiting.run.result.counts.waiting, waiting.run.result.writes), (20, 0));
    // Two that were the wrong way round, and are mended.
    let report = town.sync_source(changed(&all, swap(18))).await.unwrap();
    assert_eq!((report.run.state, report.run.result.counts.update), (RunState::Done, 2));
}

#[tokio::test]
async fn s34_numbers_that_moved_against_the_names_wait_and_no_card_becomes_a_question() {
    let town = Town::new().open();
    let mut all = kids(40);
    all.iter_mut().zip(1..).for_each(|(kid, n)| kid.born = (2010 + n / 12, 1 + (n % 12) as i8, 3));
    town.sync(&all).await;
    let mut moved = all.clone();
    let ids: Vec<String> = all.iter().map(|kid| kid.id.clone()).collect();
    moved.iter_mut().enumerate().for_each(|(n, kid)| kid.id.clone_from(&ids[(n + 1) % 40]));
    let live = async || rows(&town).await.iter().filter(|row| row.state == LinkState::Made).count();
    for _ in 0..2 {
        let waiting = town.sync(&moved).await;
        assert_eq!((guards(&waiting), live().await), (vec!["reviews"], 40));
        assert!(
            cause(&waiting).contains("40 of 40 cards have the number of somebody"),
            "{}",
            cause(&waiting)
        );
    }
    assert_eq!(town.sync(&all).await.run.result.counts.unchanged, 40);
    // A few are questions at once, as they were.
    let mut swapped = all.clone();
    (swapped[0].id, swapped[1].id) = (ids[1].clone(), ids[0].clone());
    let report = town.sync(&swapped).await;
    assert_eq!((report.run.result.counts.review, live().await), (2, 38));
}

#[tokio::test]
async fn many_rejected_records_wait_and_what_was_accepted_does_not_wait_again() {
    let town = Town::new().open();
    let roster = |bad: usize| {
        let mut source = ListSource::new(&kids(100));
        source.records.extend((0..bad).map(|n| {
            Record::Damaged(Box::new(Damaged {
                student_id: Some(Personal::new(format!("9{n:04}"))),
                school: Some("A".into()),
                finding: Finding::new("row_width", Place::line("users.csv", 2), "a cell too many"),
            }))
        }));
        source
    };
    town.sync_source(roster(20)).await.unwrap();
    let waiting = town.sync_source(roster(40)).await.unwrap();
    assert_eq!(guards(&waiting), ["rejects"]);
    assert!(cause(&waiting).contains("40 of 140 records were rejected"), "{}", cause(&waiting));
    assert_eq!(town.approve(waiting.run.id).await.run.state, RunState::DoneWithRejects);
    assert_eq!(town.sync_source(roster(42)).await.unwrap().run.state, RunState::DoneWithRejects);
    assert_eq!(guards(&town.sync_source(roster(90)).await.unwrap()), ["rejects"]);
}

#[tokio::test]
async fn s35_an_opt_out_column_that_turned_around_or_went_blank_waits() {
    let town = Town::new().open();
    let all = kids(60);
    let said = |refused: usize, yes: Consent, no: Consent| {
        changed(&all, move |at, student| student.consent = if at < refused { no } else { yes })
    };
    let (yes, no) = (Consent::Granted, Consent::Refused);
    town.sync_source(said(3, yes, no)).await.unwrap();
    assert_eq!(guards(&town.sync_source(said(6, yes, no)).await.unwrap()), Vec::<&str>::new());
    // Every night it waits: what waited is not what the next one is compared with.
    for _ in 0..2 {
        let turned = town.sync_source(said(54, yes, no)).await.unwrap();
        assert_eq!(guards(&turned), ["consent_turned"]);
        assert!(cause(&turned).contains("54 of 60 families want no card"), "{}", cause(&turned));
    }
    let blank = town.sync_source(said(0, Consent::Blank, no)).await.unwrap();
    assert!(cause(&blank).contains("blank is not consent"), "{}", cause(&blank));
    let gone = town.sync_source(said(0, Consent::NotSaid, no)).await.unwrap();
    assert!(cause(&gone).contains("column is missing"), "{}", cause(&gone));
    // Accepted, it is what the next is compared with.
    let turned = town.sync_source(said(54, yes, no)).await.unwrap();
    town.approve(turned.run.id).await;
    assert_eq!(guards(&town.sync_source(said(54, yes, no)).await.unwrap()), Vec::<&str>::new());
    assert_eq!(guards(&town.sync_source(said(6, yes, no)).await.unwrap()), ["consent_turned"]);
}

// ---- how much is too much, and what is expected ----

#[tokio::test]
async fn a_grade_with_too_many_changes_waits_where_it_is() {
    let mut town = Town::new().open();
    let mut all = district(&[("A", 150), ("B", 150)]);
    all.iter_mut().skip(100).take(40).for_each(|kid| kid.grade = "05".into());
    town.sync(&all).await;
    town.settings.guards.school.percent = 100.0;
    // All of grade 5 get new names: 40 of 300 is little, 40 of 40 is not.
    all.iter_mut().filter(|kid| kid.grade == "05").for_each(|kid| kid.given = "Kim".into());
    let waiting = town.sync(&all).await;
    assert_eq!(guards(&waiting), ["grade_changes"]);
    assert!(cause(&waiting).contains("grade 05: 40 to update, 40 cards so far"), "{}", cause(&waiting));
    assert_eq!((waiting.run.result.counts.waiting, waiting.run.result.writes), (40, 0));
}

#[tokio::test]
async fn what_is_expected_in_august_goes_through_and_more_than_that_waits() {
    let mut town = Town::new();
    town.settings.guards.first_connection = GuardAction::Off;
    town.settings.guards.create.at_least = 200;
    town.sync(&district(&[("A", 100), ("B", 100)])).await;
    town.settings.guards.create.at_least = 25;
    let newcomers = |n: usize| {
        let mut all = district(&[("A", 100), ("B", 100 + n)]);
        all.iter_mut().skip(200).for_each(|kid| kid.grade = "KG".into());
        all
    };
    assert_eq!(guards(&town.sync(&newcomers(60)).await), ["changes", "school_changes"]);
    town.settings.guards.expect = vec![Expectation {
        from: date(2026, 11, 20),
        until: date(2026, 11, 25),
        kinds: vec![ChangeKind::Create],
        percent: None,
        count: Some(60),
        reason: "kindergarten".into(),
    }];
    let more = town.sync(&newcomers(61)).await;
    assert_eq!((more.run.result.waiting_for[0].limit, more.run.result.waiting_for[0].found), (Some(60), 61));
    assert!(
        cause(&more).contains("expected from 2026-11-20 to 2026-11-25 (kindergarten)"),
        "{}",
        cause(&more)
    );
    let report = town.sync(&newcomers(60)).await;
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 60));
    // Over, the usual limits hold again.
    town.clock.days(2);
    assert_eq!(guards(&town.sync(&newcomers(120)).await), ["changes", "grade_changes"]);
}

// ---- calendar and agreement ----

fn year() -> Option<SchoolYear> {
    let day = |text| MonthDay::parse(text).unwrap();
    Some(SchoolYear::EveryYear { starts: day("08-17"), ends: day("06-10") })
}

#[tokio::test]
async fn s09_grace_stands_still_on_days_without_school() {
    let mut town = Town::new().open();
    town.settings.dates.calendar =
        Calendar { year: year(), holidays: vec![date(2026, 12, 1)..=date(2027, 1, 31)], settle_days: 20 };
    let all = kids(40);
    town.sync(&all).await;
    // Missing since Tuesday, 24 November: five school days, and then holidays until February.
    for _ in 0..9 {
        assert_eq!(town.sync(&all[..39]).await.run.result.counts.lapse, 0);
        town.clock.days(7);
    }
    assert_eq!(lapsed(&town).await, 0, "nine weeks and nine rosters are no grace in the holidays");
    let mut weeks = 0;
    while town.sync(&all[..39]).await.run.result.counts.lapse == 0 {
        weeks += 1;
        assert!(weeks < 9, "it never lapses");
        town.clock.days(7);
    }
    // 14 school days are the five before the holidays and nine in February.
    assert_eq!((weeks, lapsed(&town).await), (3, 1));
}

#[tokio::test]
async fn s11_in_summer_nobody_is_missing_and_a_new_year_with_new_ids_makes_no_card() {
    let mut town = Town::new().open();
    town.settings.dates.calendar = Calendar { year: year(), ..Calendar::default() };
    let all = district(&[("A", 60), ("B", 60)]);
    town.sync(&all).await;
    // 20 June: nobody is enrolled anywhere; then the district sends nobody at all.
    town.clock.days(208);
    let no_school = || changed(&all, |_, student| (student.schools, student.primary_school) = (vec![], None));
    for _ in 0..4 {
        let summer = town.sync_source(no_school()).await.unwrap();
        assert_eq!((guards(&summer), summer.run.result.counts.pending), (vec![], 120));
        town.clock.days(7);
        let empty = town.sync(&[]).await;
        assert_eq!((empty.run.state, empty.run.result.counts.lapse), (RunState::Done, 0));
        assert_eq!(empty.run.result.warnings[0].guard, "roster_collapsed");
        town.clock.days(3);
    }
    assert_eq!((missing(&town).await, lapsed(&town).await, town.ils.patrons().len()), (0, 0, 120));
    // 25 August: everybody is back, each with another sourcedId; six have finished or moved away.
    town.clock.days(26);
    let back =
        || changed(&all[..114], |at, student| student.source_ids = vec![Personal::new(format!("new-{at}"))]);
    for _ in 0..3 {
        let report = town.sync_source(back()).await.unwrap();
        let counts = report.run.result.counts;
        assert_eq!((guards(&report), counts.create, counts.lapse), (vec![], 0, 0), "{counts:?}");
        town.clock.days(1);
    }
    assert_eq!((town.ils.patrons().len(), missing(&town).await), (120, 6));
}

#[tokio::test]
async fn s11_graduates_keep_their_cards_until_they_expire_and_nobody_has_to_approve_it() {
    let mut town = Town::new().open();
    town.settings.dates.calendar = Calendar { year: year(), ..Calendar::default() };
    let on = MonthDay::parse("12-01").unwrap();
    town.settings.rules.card.expires =
        ExpiryRule::EveryYear { on, rollover: MonthDay::parse("07-01").unwrap() };
    let mut all = kids(100);
    all.iter_mut().take(19).for_each(|kid| kid.grade = "12".into());
    town.sync(&all).await;
    // Renewed in the spring, to 1 December 2027.
    town.clock.days(100);
    town.sync(&all).await;
    // 27 August 2027: 19 have finished school, and one of another grade has left.
    town.clock.days(176);
    let stayed = &all[..99][19..];
    let mut lapses = Vec::new();
    for week in 0..18 {
        let report = town.sync(stayed).await;
        assert_eq!(guards(&report), Vec::<&str>::new(), "week {week}");
        if report.run.result.counts.lapse > 0 {
            lapses.push((week, report.run.result.counts.lapse));
        }
        town.clock.days(7);
    }
    let [(left, 1), (finished, 19)] = lapses[..] else { panic!("{lapses:?}") };
    assert!(left < 6 && finished == 14, "{lapses:?}: the 1st of December is in the fourteenth week");
    // Without the rule they go like everybody, and that many wait for a person.
    let mut town = Town::new().open();
    town.settings.dates.calendar = Calendar { year: year(), ..Calendar::default() };
    town.settings.dates.graduates = rostercard_core::calendar::Graduates::LikeOthers;
    town.sync(&all).await;
    town.clock.days(276);
    let mut waited = false;
    for _ in 0..8 {
        waited |= guards(&town.sync(stayed).await).contains(&"changes");
        town.clock.days(7);
    }
    assert!(waited);
}

#[tokio::test]
async fn s20_before_and_after_the_agreement_nothing_is_written() {
    let mut town = Town::new().open();
    town.settings.dates.agreement =
        Agreement { starts: Some(date(2026, 11, 25)), ends: Some(date(2027, 1, 31)) };
    let refused = town.sync_source(ListSource::new(&kids(3))).await;
    let Err(error @ EngineError::Frozen { .. }) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("begins on 2026-11-25"), "{error}");
    // Looking is allowed.
    let plan = town.plan(&kids(3)).await;
    let approved = town.engine().approve(plan.run.id, ChangeSelection::default(), "t", None).await;
    assert!(matches!(approved, Err(EngineError::Frozen { .. })), "{approved:?}");
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
    town.clock.days(9);
    let report = town.sync(&kids(3)).await;
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 3));
    let warning = &report.run.result.warnings[0];
    assert_eq!((warning.guard.as_str(), warning.found), ("agreement_ends", 59));
    town.clock.days(60);
    town.ils.take_counts();
    let refused = town.sync_source(ListSource::new(&kids(4))).await;
    let Err(error @ EngineError::Frozen { .. }) = refused else { panic!("{refused:?}") };
    assert!(
        error.to_string().contains("ended on 2027-01-31") && error.hint().contains("[agreement]"),
        "{error}"
    );
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
}

#[tokio::test]
async fn s02_a_roster_that_is_late_by_its_rhythm_waits_and_days_without_school_do_not_count() {
    let mut town = Town::new().open();
    let of = |day: &str| ListSource {
        as_of: Some(format!("2026-11-{day}T04:00:00Z").parse().unwrap()),
        ..ListSource::new(&kids(3))
    };
    town.settings.guards.roster_age = Some(36 * 3_600);
    town.sync_source(of("24")).await.unwrap();
    // Friday's roster on Monday morning.
    town.clock.days(6);
    let late = town.sync_source(of("27")).await.unwrap();
    assert_eq!(guards(&late), ["roster_age"]);
    assert!(cause(&late).contains("3 days old, and may be 36 hours old at most"), "{}", cause(&late));
    town.settings.dates.calendar = Calendar { year: year(), ..Calendar::default() };
    assert_eq!(town.sync_source(of("27")).await.unwrap().run.state, RunState::Done);
    town.settings.guards.roster_age_action = GuardAction::Off;
    town.clock.days(9);
    assert_eq!(town.sync_source(of("27")).await.unwrap().run.state, RunState::Done);
}

#[tokio::test]
async fn s33_how_many_patrons_may_be_gone_at_once_is_the_librarys_to_say() {
    for (action, halted) in [(GuardAction::Wait, true), (GuardAction::Off, false)] {
        let mut town = Town::new().open();
        let mut all = kids(40);
        town.sync(&all).await;
        town.settings.guards.gone.action = action;
        for kid in &mut all[..12] {
            town.ils.staff_delete(&format!("77{:0>8}", kid.id));
            kid.given = "Kim".into();
        }
        let report = town.sync(&all).await;
        assert_eq!(report.run.state == RunState::Failed, halted, "{:?}", report.run.result.error);
        assert_eq!(report.run.result.counts.review, if halted { 0 } else { 12 });
        assert_eq!(town.ils.patrons().len(), 28, "none is made again");
    }
}

#[tokio::test]
async fn s29_grace_counts_rosters_as_well_as_days() {
    let town = Town::new().open();
    let all = kids(40);
    town.sync(&all).await;
    // Missing from one roster by mistake, and then nothing comes for a month.
    town.sync(&all[..39]).await;
    town.clock.days(30);
    let report = town.sync(&all).await;
    assert_eq!((report.run.result.counts.unchanged, missing(&town).await, lapsed(&town).await), (40, 0, 0));
    // Two rosters in a row are not three, however long it takes.
    for _ in 0..2 {
        assert_eq!(town.sync(&all[..39]).await.run.result.counts.lapse, 0);
        town.clock.days(30);
    }
    assert_eq!(town.sync(&all[..39]).await.run.result.counts.lapse, 1);
}

#[tokio::test]
async fn s02_an_empty_roster_lapses_nobody_even_where_a_grace_is_over() {
    let town = Town::new().open();
    let all = kids(40);
    town.sync(&all).await;
    for _ in 0..2 {
        town.sync(&all[..35]).await;
        town.clock.days(10);
    }
    let empty = town.sync(&[]).await;
    assert_eq!((guards(&empty), empty.run.result.counts.lapse), (vec!["roster_collapsed"], 0));
    assert_eq!(empty.run.result.counts.waiting, 0, "there is nothing to say yes to");
    let refused = town.engine().approve(empty.run.id, ChangeSelection::default(), "t", None).await;
    assert!(
        matches!(refused, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))),
        "{refused:?}"
    );
    assert_eq!(town.sync(&all[..35]).await.run.result.counts.lapse, 5);
}

#[tokio::test]
async fn s01_an_approval_of_a_shrunken_roster_that_is_cut_short_anywhere_counts_each_roster_once() {
    let all = district(&[("A", 6), ("B", 12)]);
    let mut step = 0;
    loop {
        let town = Town::new().open();
        town.sync(&all).await;
        let waiting = town.sync(&all[..6]).await;
        assert_eq!(guards(&waiting), ["roster_collapsed"]);
        town.ils.take_counts();
        let power = Arc::clone(&town.ils.power);
        power.cut_after(step);
        let inner = Arc::clone(&town.store) as Arc<dyn Store>;
        let engine = town.engine_over(Arc::new(CrashStore { inner, power: Arc::clone(&power) }));
        let approving = engine.approve(waiting.run.id, ChangeSelection::default(), "t", None);
        let ended = power.run(approving).await.is_some();
        drop(engine);
        power.restore();
        // The next night goes on with what was approved, or waits once more.
        let next = town.sync(&all[..6]).await;
        if next.run.state == RunState::Waiting {
            town.approve(next.run.id).await;
        }
        let missed: Vec<u32> = rows(&town).await.iter().map(|row| row.feeds_missed).collect();
        let (there, gone): (Vec<u32>, Vec<u32>) = missed.iter().partition(|feeds| **feeds == 0);
        assert_eq!((there.len(), gone.len()), (6, 12), "step {step}");
        assert!(gone.iter().all(|feeds| *feeds <= 2), "step {step}: {gone:?}, of two rosters");
        assert_eq!(town.sync(&all[..6]).await.run.state, RunState::Done, "step {step}");
        assert_eq!(town.ils.take_counts(), (0, 0, 0), "step {step}");
        if ended {
            break;
        }
        step += 1;
    }
    assert!(step > 20, "the power was cut {step} times only");
}
