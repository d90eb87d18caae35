//! Sources that give changes alone: what a delta says, what it does not say, and where it goes on from.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod support;

use std::collections::BTreeMap;

use rostercard_core::plan::RunState;
use rostercard_core::ports::{Completeness, Cursor, SourceState};
use rostercard_engine::{Grace, RunReport};
use support::{Kid, ListSource, Town, assert_adds_up, kid, kids, rules};

/// One run of a source, and the letting go after it, as the program does it.
async fn run(town: &Town, source: &mut ListSource) -> RunReport {
    let engine = town.engine();
    let report = engine.sync(source).await.unwrap();
    let report = engine.release_settled(report, source).await.unwrap();
    assert_adds_up(&report);
    report
}

/// A snapshot with a cursor, as a source of changes gives first.
async fn first(town: &Town, people: &[Kid]) {
    let mut whole = ListSource::new(people);
    whole.cursor = Some(Cursor("one".into()));
    let report = run(town, &mut whole).await;
    assert_eq!(report.run.state, RunState::Done);
}

fn short_grace(mut town: Town) -> Town {
    town.settings.grace = Grace { days: 2, feeds: 2 };
    town
}

#[tokio::test]
async fn a_delta_changes_whom_it_names_and_nobody_else() {
    let town = Town::new().open();
    let mut people = kids(30);
    first(&town, &people).await;
    town.clock.days(1);
    people[3].family = "Renamed".into();
    let mut delta = ListSource::delta(&[people[3].clone(), kid("900", "New", "Comer", "A")], &[], "two");
    let report = run(&town, &mut delta).await;
    assert_eq!(delta.resumed.clone().unwrap().cursor, Some(Cursor("one".into())));
    assert_eq!(delta.resumed.unwrap().full, None);
    let counts = report.run.result.counts;
    assert_eq!((counts.students, counts.create, counts.update, counts.unchanged), (31, 1, 1, 29));
    assert_eq!((report.run.result.absent, town.ils.patrons().len()), (0, 31));
    for day in 0..40 {
        town.clock.days(1);
        let report = run(&town, &mut ListSource::delta(&[], &[], &format!("day-{day}"))).await;
        assert_eq!((report.run.result.counts.lapse, report.run.result.writes), (0, 0));
    }
}

#[tokio::test]
async fn a_tombstone_counts_towards_leaving_and_coming_back_ends_it() {
    let town = short_grace(Town::new().open());
    let people = kids(30);
    first(&town, &people).await;
    let gone = people[0].id.clone();
    let mut lapsed = Vec::new();
    for day in 0..5 {
        town.clock.days(1);
        let ids: &[&str] = if day == 0 { &[&gone, "never-had-a-card"] } else { &[] };
        let report = run(&town, &mut ListSource::delta(&[], ids, &format!("day-{day}"))).await;
        lapsed.push(report.run.result.counts.lapse);
    }
    assert_eq!(lapsed, [0, 0, 1, 0, 0], "two days and two feeds after the tombstone");
    town.clock.days(1);
    let back = run(&town, &mut ListSource::delta(&people[..1], &[], "back")).await;
    assert_eq!((back.run.result.counts.restore, town.ils.patrons().len()), (1, 30));

    // Gone and back in one stream, under another of the source's ids: never missing.
    let mut both = ListSource::delta(&people[1..2], &[&people[1].id], "both");
    town.clock.days(1);
    let report = run(&town, &mut both).await;
    assert_eq!((report.run.result.absent, report.run.result.counts.unchanged), (0, 30));
}

#[tokio::test]
async fn a_mass_of_tombstones_waits_and_the_cursor_stays() {
    let town = short_grace(Town::new().open());
    let people = kids(60);
    first(&town, &people).await;
    town.clock.days(1);
    let ids: Vec<&str> = people[..40].iter().map(|kid| kid.id.as_str()).collect();
    let report = run(&town, &mut ListSource::delta(&[], &ids, "two")).await;
    assert_eq!(report.run.state, RunState::Waiting);
    assert!(report.run.result.waiting_for[0].likely_cause.contains("40 of 60"), "{report:?}");
    for day in 0..5 {
        town.clock.days(1);
        let mut again = ListSource::delta(&[], &ids, &format!("day-{day}"));
        let report = run(&town, &mut again).await;
        assert_eq!(again.resumed.unwrap().cursor, Some(Cursor("one".into())), "nothing of it is settled");
        assert_eq!(report.run.result.counts.lapse, 0);
    }
}

#[tokio::test]
async fn s24_the_cursor_stays_where_something_failed_and_moves_once_it_is_done() {
    let town = Town::new().open();
    let people = kids(5);
    first(&town, &people).await;
    town.clock.days(1);
    town.ils.set_down(true);
    let newcomer = [kid("900", "New", "Comer", "A")];
    let report = run(&town, &mut ListSource::delta(&newcomer, &[], "two")).await;
    assert_eq!(report.run.state, RunState::Failed);
    town.ils.set_down(false);
    town.clock.days(1);
    let mut again = ListSource::delta(&newcomer, &[], "two");
    let report = run(&town, &mut again).await;
    assert_eq!(again.resumed.unwrap().cursor, Some(Cursor("one".into())));
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 1));
    let mut next = ListSource::delta(&[], &[], "three");
    run(&town, &mut next).await;
    assert_eq!(next.resumed.unwrap().cursor, Some(Cursor("two".into())));
}

#[tokio::test]
async fn everything_is_read_again_weekly_and_after_a_changed_rule() {
    let mut town = Town::new().open();
    let people = kids(5);
    first(&town, &people).await;
    for (days, full) in [(1, false), (5, false), (1, true)] {
        town.clock.days(days);
        let mut delta = ListSource::delta(&[], &[], "later");
        run(&town, &mut delta).await;
        assert_eq!(delta.resumed.unwrap().full.is_some(), full, "after {days} more days");
    }
    let mut whole = ListSource::new(&people);
    whole.cursor = Some(Cursor("whole".into()));
    run(&town, &mut whole).await;
    town.settings.rules.card.category = "OTHER".into();
    let mut delta = ListSource::delta(&[], &[], "later");
    run(&town, &mut delta).await;
    assert!(delta.resumed.unwrap().full.unwrap().contains("rules"));
    // S17: where rules depend on the day, the day decides.
    town.settings.rules = rules();
    town.settings.rules.eligible.ages = Some(0..=19);
    let mut whole = ListSource::new(&people);
    whole.cursor = Some(Cursor("whole".into()));
    let waits = run(&town, &mut whole).await;
    assert!(matches!(waits.run.state, RunState::Done | RunState::Waiting));
    town.clock.days(1);
    let mut delta = ListSource::delta(&[], &[], "later");
    run(&town, &mut delta).await;
    assert!(delta.resumed.unwrap().full.is_some());
}

#[tokio::test]
async fn s03_a_source_that_is_not_running_withdraws_nobody() {
    for state in [SourceState::Paused, SourceState::Pending, SourceState::Error, SourceState::Disconnected] {
        let town = short_grace(Town::new().open());
        let people = kids(30);
        first(&town, &people).await;
        for day in 0..10 {
            town.clock.days(1);
            let mut source = ListSource::delta(&[], &[&people[0].id], &format!("day-{day}"));
            source.state = state;
            let report = run(&town, &mut source).await;
            assert_eq!((report.run.result.counts.lapse, report.run.result.absent), (0, 0), "{state}");
            assert!(report.run.result.findings["source_not_running"].message.contains(state.word()));
        }
    }
}

#[tokio::test]
async fn s29_the_source_is_asked_before_a_grace_ends() {
    let town = short_grace(Town::new().open());
    let people = kids(30);
    first(&town, &people).await;
    let known: BTreeMap<String, Kid> =
        [(format!("u-{}", people[0].id), people[0].clone())].into_iter().collect();
    let mut lapsed = 0;
    for day in 0..6 {
        town.clock.days(1);
        let mut source = ListSource::new(&people[2..]);
        source.completeness = Completeness::Snapshot;
        source.known = Some(known.clone());
        let report = run(&town, &mut source).await;
        lapsed += report.run.result.counts.lapse;
        assert_eq!(
            source.asked > 0,
            day >= 2 && (day < 3 || report.run.result.findings.contains_key("still_in_source")),
            "day {day}: only once the grace is over"
        );
    }
    assert_eq!(lapsed, 1, "the one of whom the source said that she is still there stays");
    let mut unknown = ListSource::new(&people[2..]);
    unknown.known = None;
    assert_eq!(run(&town, &mut unknown).await.run.result.counts.lapse, 0);
}
