//! The first load of a partnership: few cards first, looked at before the rest (S19), and night after night inside the hours of
//! an ILS that must not be asked faster than it likes (S18).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rostercard_core::guard::GuardAction;
use rostercard_core::plan::{ChangeKind, RunState};
use rostercard_engine::{Clock, RunReport};
use rostercard_store::Store;
use rostercard_store::rows::ChangeSelection;
use support::ils::Mishap;
use support::{ListSource, Town, assert_adds_up, kids};

#[tokio::test]
async fn s19_first_cards_that_are_otherwise_than_they_were_sent_let_the_rest_wait() {
    let town = Town::new();
    town.ils.keeps(|values| {
        values.category = Some("PT".into());
        values.email = None;
    });
    let plan = town.sync(&kids(40)).await;
    let report = town.approve(plan.run.id).await;
    // Five cards, and a question.
    assert_eq!((report.run.state, town.ils.patrons().len()), (RunState::Waiting, 5));
    let counts = &report.run.result.counts;
    assert_eq!((counts.create, counts.waiting), (5, 35));
    let question = report.run.result.waiting_for.last().unwrap();
    assert_eq!((question.guard.as_str(), question.found, question.limit), ("first_cards", 5, Some(0)));
    assert!(question.likely_cause.contains("category (5)"), "{}", question.likely_cause);
    assert!(!question.likely_cause.contains("Family"));
    // The next night nothing goes on by itself: the partnership is not let through.
    let next = town.sync(&kids(40)).await;
    assert_eq!((next.run.state, town.ils.patrons().len()), (RunState::Waiting, 5));
    assert_eq!(next.run.result.waiting_for[0].guard, "first_connection");
    // The library mends its ILS, and says yes once more: five others are looked at, and then the rest is made.
    town.ils.keeps(|_| ());
    let done = town.approve(next.run.id).await;
    assert_eq!((done.run.state, town.ils.patrons().len()), (RunState::Done, 40), "{:?}", done.run.result);
    assert!(town.store.partnerships().await.unwrap()[0].let_through);
}

#[tokio::test]
async fn s19_who_has_seen_the_first_cards_can_let_the_rest_through_as_it_is() {
    let town = Town::new();
    town.ils.keeps(|values| values.expiry = None);
    let plan = town.sync(&kids(20)).await;
    let waits = town.approve(plan.run.id).await;
    assert_eq!((waits.run.state, town.ils.patrons().len()), (RunState::Waiting, 5));
    let done = town.approve(plan.run.id).await;
    assert_eq!((done.run.state, town.ils.patrons().len()), (RunState::Done, 20));
    assert!(town.store.partnerships().await.unwrap()[0].let_through);
}

#[tokio::test]
async fn s19_first_cards_that_are_well_ask_nobody_and_are_made_once() {
    let town = Town::new();
    let plan = town.sync(&kids(20)).await;
    let (mut creates, mut most) = (0, 0);
    town.ils.script(move |service| {
        // One after another, until five are made: a look-up and a create each.
        creates += u32::from(service == "create");
        most += u32::from(service == "find" && creates < 5);
        assert!(most <= 5, "the first cards were made at once");
        Mishap::None
    });
    let done = town.approve(plan.run.id).await;
    assert_eq!((done.run.state, done.run.result.counts.create), (RunState::Done, 20));
    assert_eq!((done.run.result.writes, done.run.result.lookups), (20, 20));
}

#[tokio::test]
async fn s19_first_cards_are_warned_of_or_not_looked_at_where_the_library_says_so() {
    for (action, warnings) in [(GuardAction::Warn, 1), (GuardAction::Off, 0)] {
        let mut town = Town::new();
        town.settings.guards.first_cards = action;
        town.ils.keeps(|values| values.category = Some("PT".into()));
        let plan = town.sync(&kids(20)).await;
        let done = town.approve(plan.run.id).await;
        assert_eq!((done.run.state, town.ils.patrons().len()), (RunState::Done, 20));
        assert_eq!(done.run.result.warnings.len(), warnings, "{action:?}");
    }
}

#[tokio::test]
async fn s19_first_cards_are_looked_at_without_a_first_connection_to_approve_too() {
    let town = Town::new().open();
    town.ils.keeps(|values| values.home_branch = None);
    let report = town.sync(&kids(20)).await;
    assert_eq!((report.run.state, town.ils.patrons().len()), (RunState::Waiting, 5));
    assert_eq!(report.run.result.waiting_for[0].guard, "first_cards");
    assert!(!town.store.partnerships().await.unwrap()[0].let_through);
}

#[tokio::test]
async fn s19_of_first_cards_whose_answer_is_lost_nothing_is_made_twice() {
    let town = Town::new();
    let plan = town.sync(&kids(20)).await;
    let mut creates = 0;
    town.ils.script(move |service| {
        creates += u32::from(service == "create");
        if service == "create" && creates <= 3 { Mishap::LostAfter } else { Mishap::None }
    });
    let done = town.approve(plan.run.id).await;
    assert_eq!((done.run.state, town.ils.patrons().len()), (RunState::Done, 20), "{:?}", done.run.result);
    assert!(town.ils.patrons().iter().all(|(_, held)| held.writes == 1));
}

#[tokio::test]
async fn s19_a_first_load_that_was_killed_is_let_through_when_it_was_gone_on_with() {
    let town = Town::new();
    let plan = town.sync(&kids(20)).await;
    let power = &town.ils.power;
    power.cut_after(9);
    let all = ChangeSelection::default();
    let engine = town.engine();
    assert!(power.run(engine.approve(plan.run.id, all, "kim", None)).await.is_none());
    power.restore();
    assert!(!town.store.partnerships().await.unwrap()[0].let_through);
    town.clock.advance(Duration::from_secs(3600));
    // The rest of the plan, and by the same run a newcomer, of whom nobody has to be asked.
    let report = town.sync(&kids(21)).await;
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 1));
    assert_eq!(town.ils.patrons().len(), 21);
}

/// The hours of the ILS in the tests: 22:00 to 06:00, in UTC.
fn is_open(at: Timestamp) -> bool {
    let hour = TimeZone::UTC.to_datetime(at).hour();
    !(6..22).contains(&hour)
}

fn closes(at: Timestamp) -> Timestamp {
    let mut at = at;
    while is_open(at) {
        at = at.checked_add(1.minute()).unwrap();
    }
    at
}

async fn night(town: &Town, students: usize) -> RunReport {
    let engine = town.engine().until(Some(closes(town.clock.now())));
    let report = engine.sync(&mut ListSource::new(&kids(students))).await.unwrap();
    assert_adds_up(&report);
    report
}

#[tokio::test]
async fn s18_a_first_load_goes_on_night_after_night_inside_the_hours_of_the_ils() {
    const STUDENTS: usize = 900;
    let mut town = Town::with_range();
    // 1,800 messages, two seconds apart would be one night of eight hours for 14,400 of them: so it is slower still.
    town.settings.limits.rate = Some(1);
    let asked: Arc<Mutex<Vec<Timestamp>>> = Arc::default();
    let (clock, times) = (town.clock.clone(), asked.clone());
    town.ils.script(move |_| {
        times.lock().unwrap().push(clock.now());
        // A slow ILS: thirty seconds a message.
        clock.advance(Duration::from_secs(30));
        Mishap::None
    });
    // 04:30: the first roster, of which everything waits.
    let plan = night(&town, STUDENTS).await;
    assert_eq!(plan.run.state, RunState::Waiting);
    // Somebody says yes at ten in the morning, outside the hours: not a message is sent.
    town.clock.advance(Duration::from_secs(5 * 3600 + 1800));
    let now = town.clock.now();
    assert!(!is_open(now));
    let all = ChangeSelection::default();
    let engine = town.engine().until(Some(now));
    let yes = engine.approve(plan.run.id, all, "kim", None).await.unwrap();
    assert_eq!((yes.run.state, yes.run.result.counts.pending), (RunState::Unfinished, STUDENTS as u64));
    assert!(asked.lock().unwrap().is_empty());
    // Every night a piece of it, without another yes.
    let mut nights = 0;
    loop {
        let mut now = town.clock.now();
        while !is_open(now) {
            town.clock.advance(Duration::from_secs(60));
            now = town.clock.now();
        }
        nights += 1;
        let report = night(&town, STUDENTS).await;
        let load = town.store.run(plan.run.id).await.unwrap();
        if load.state != RunState::Unfinished {
            assert_eq!((load.state, load.result.counts.create), (RunState::Done, STUDENTS as u64));
            assert_eq!(
                (report.run.state, report.run.result.counts.unchanged),
                (RunState::Done, STUDENTS as u64)
            );
            break;
        }
        assert_eq!((report.run.state, load.superseded_by), (RunState::Unfinished, None));
        assert_eq!(load.result.counts.pending + load.result.counts.create, STUDENTS as u64);
        assert!(nights < 5);
    }
    assert!(nights > 1, "one night was enough");
    assert_eq!(town.ils.patrons().len(), STUDENTS);
    assert!(town.ils.patrons().iter().all(|(_, held)| held.writes == 1));
    // A message may be on its way when the hours end, and no longer.
    let late = asked.lock().unwrap().iter().filter(|at| !is_open(**at)).count();
    assert!(late <= nights * town.settings.limits.connections, "{late} messages outside the hours");
    // A nightly change after it is a matter of minutes.
    town.clock.advance(Duration::from_secs(18 * 3600));
    let before = asked.lock().unwrap().len();
    let mut changed = kids(STUDENTS);
    for kid in &mut changed[..9] {
        kid.family = format!("New{}", kid.family);
    }
    town.clock.advance(Duration::from_secs(6 * 3600));
    let report = town.sync(&changed).await;
    assert_eq!((report.run.state, report.run.result.counts.update), (RunState::Done, 9));
    assert!(asked.lock().unwrap().len() - before <= 4 * 9);
}

#[tokio::test]
async fn s18_a_load_that_an_ils_cuts_short_is_not_superseded_and_needs_no_second_yes() {
    let town = Town::new();
    let plan = town.sync(&kids(60)).await;
    let mut creates = 0;
    town.ils.script(move |service| {
        creates += u32::from(service == "create");
        if creates > 20 { Mishap::NotSent } else { Mishap::None }
    });
    let cut = town.approve(plan.run.id).await;
    assert_eq!((cut.run.state, town.ils.patrons().len()), (RunState::Failed, 20));
    // The ILS is still down at the next run, and then it is there again.
    town.ils.set_down(true);
    let down = town.sync(&kids(60)).await;
    assert_eq!(down.run.state, RunState::Failed);
    assert!(town.store.run(plan.run.id).await.unwrap().superseded_by.is_none());
    town.ils.calm();
    let done = town.sync(&kids(60)).await;
    assert_eq!((done.run.state, town.ils.patrons().len()), (RunState::Done, 60), "{:?}", done.run.result);
    assert!(town.ils.patrons().iter().all(|(_, held)| held.writes == 1));
}

#[tokio::test]
async fn s18_without_a_yes_what_the_hours_left_over_is_planned_anew() {
    let town = Town::new().open();
    let engine = town.engine().until(Some(town.clock.now()));
    let report = engine.sync(&mut ListSource::new(&kids(3))).await.unwrap();
    assert_eq!((report.run.state, report.run.result.counts.pending), (RunState::Unfinished, 3));
    assert_eq!(report.run.result.lookups, 0);
    let next = town.sync(&kids(4)).await;
    assert_eq!((next.run.state, next.run.result.counts.create), (RunState::Done, 4));
    let kinds = town.store.change_counts(report.run.id).await.unwrap();
    assert!(kinds.iter().all(|count| count.kind == ChangeKind::Create));
}

#[tokio::test]
async fn s19_a_school_is_named_by_its_code_or_its_name_alone() {
    let town = Town::new();
    let mut roster = kids(2);
    roster.push(support::kid("00900", "Bea", "Other", "B"));
    roster.push(support::kid("00901", "Ben", "Other", "C"));
    let plan = town.sync(&roster).await;
    let only = |school: &str| ChangeSelection { school: Some(school.into()), ..ChangeSelection::default() };
    let wrong =
        town.engine().approve(plan.run.id, only("Scool B"), "kim", None).await.unwrap_err().to_string();
    assert!(wrong.contains("no school `Scool B` has a waiting change; these have: "), "{wrong}");
    assert!(wrong.contains("School A; "), "{wrong}");
    for (asked, cards) in [("school b", 1), ("C", 2)] {
        town.engine().approve(plan.run.id, only(asked), "kim", None).await.unwrap();
        assert_eq!(town.ils.patrons().len(), cards, "{asked}");
    }
    let dropped = town.engine().discard(plan.run.id, only("School A"), "kim").await.unwrap();
    assert_eq!(dropped.run.result.counts.waiting, 0);
}
