//! S17: the day turns somebody thirteen and the roster says nothing. Whole runs, night after night over a roster that stays the same.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod support;

use std::ops::RangeInclusive;

use jiff::tz::{TimeZone, offset};
use rostercard_core::grade::GradeSet;
use rostercard_core::plan::RunState;
use rostercard_core::ports::Cursor;
use rostercard_core::rules::{CardFor, CardPatch, Selector};
use rostercard_engine::RunReport;
use support::{Kid, ListSource, Town, assert_adds_up, kids};

fn category(selector: Selector, category: &str) -> CardFor {
    let patch = CardPatch { category: Some(category.into()), ..CardPatch::default() };
    CardFor { selector, patch }
}

fn ages(ages: RangeInclusive<u8>) -> Selector {
    Selector { ages: Some(ages), ..Selector::default() }
}

/// A town eight hours behind UTC, whose first night is the 23rd of November there and the 24th in UTC.
fn town(card_for: Vec<CardFor>) -> Town {
    let mut town = Town::new().open();
    town.settings.timezone = TimeZone::fixed(offset(-8));
    town.settings.rules.card_for = card_for;
    town
}

fn by_age() -> Town {
    town(vec![category(ages(13..=17), "TEEN"), category(ages(18..=99), "ADULT")])
}

fn held(town: &Town, kid: &Kid) -> String {
    let category = town.patron(&format!("77{:0>8}", kid.id)).values.category;
    category.unwrap().as_str().to_owned()
}

/// The updates of a run, and whether anybody was asked for anything.
fn changed(town: &Town, report: &RunReport) -> (u64, bool) {
    assert_eq!(report.run.state, RunState::Done);
    assert_eq!(report.run.result.counts.create, 0);
    (report.run.result.counts.update, town.ils.take_counts() != (0, 0, 0))
}

#[tokio::test]
async fn s17_a_category_turns_on_the_day_at_the_library_once_and_is_quiet_before_and_after() {
    let town = by_age();
    let mut all = kids(20);
    all[0].born = (2013, 11, 24);
    all[1].born = (2008, 11, 26);
    let first = town.sync(&all).await;
    assert_eq!((first.run.state, first.run.result.counts.create), (RunState::Done, 20));
    // In UTC it is the birthday already.
    assert_eq!([held(&town, &all[0]), held(&town, &all[1])], ["STUDENT", "TEEN"]);
    town.ils.take_counts();
    let before = town.patron("7700000102").writes;
    for (night, updates, categories) in [
        ("the 23rd once more", 0, ["STUDENT", "TEEN"]),
        ("the 24th", 1, ["TEEN", "TEEN"]),
        ("the 25th", 0, ["TEEN", "TEEN"]),
        ("the 26th", 1, ["TEEN", "ADULT"]),
        ("the 27th", 0, ["TEEN", "ADULT"]),
        ("the 28th", 0, ["TEEN", "ADULT"]),
    ] {
        let report = town.sync(&all).await;
        assert_eq!(changed(&town, &report), (updates, updates > 0), "{night}");
        assert_eq!([held(&town, &all[0]), held(&town, &all[1])], categories, "{night}");
        // The second run of a day finds nothing left to do.
        let again = town.sync(&all).await;
        assert_eq!(changed(&town, &again), (0, false), "{night}, again");
        if night != "the 23rd once more" {
            town.clock.days(1);
        } else {
            // From half past eight in the evening to half past four in the morning there.
            town.clock.advance(std::time::Duration::from_secs(8 * 3600));
        }
    }
    assert_eq!(town.patron("7700000102").writes, before, "nobody else is written to");
    assert_eq!(town.ils.patrons().len(), 20);
}

#[tokio::test]
async fn s17_a_birthday_on_which_nothing_ran_is_made_up_for_and_an_answer_that_is_lost_changes_it_once() {
    let town = by_age();
    let mut all = kids(5);
    all[0].born = (2013, 11, 25);
    all[1].born = (2012, 2, 29);
    town.sync(&all).await;
    assert_eq!([held(&town, &all[0]), held(&town, &all[1])], ["STUDENT", "TEEN"]);
    let writes = town.patron("7700000100").writes;
    // The machine was off for five days; then the ILS does it and says nothing.
    town.clock.days(5);
    town.ils.take_counts();
    let mut lost = false;
    town.ils.script(move |service| {
        if service == "update" && !std::mem::replace(&mut lost, true) {
            return support::ils::Mishap::LostAfter;
        }
        support::ils::Mishap::None
    });
    for _ in 0..3 {
        town.sync(&all).await;
        town.clock.days(1);
    }
    assert_eq!((held(&town, &all[0]).as_str(), town.patron("7700000100").writes), ("TEEN", writes + 1));
    town.ils.take_counts();
    assert_eq!(changed(&town, &town.sync(&all).await), (0, false));
}

#[tokio::test]
async fn s17_who_grows_into_the_programme_gets_a_card_on_that_day() {
    let mut town = town(Vec::new());
    town.settings.rules.eligible.ages = Some(13..=18);
    let mut all = kids(4);
    all.iter_mut().for_each(|kid| kid.born = (2010, 5, 6));
    all[0].born = (2013, 11, 25);
    let mut made = Vec::new();
    for _ in 0..4 {
        let counts = town.sync(&all).await.run.result.counts;
        made.push((counts.create, counts.not_eligible));
        town.clock.days(1);
    }
    // The nights of the 23rd to the 26th.
    assert_eq!(made, [(3, 1), (0, 1), (1, 0), (0, 0)]);
    assert_eq!(town.ils.patrons().len(), 4);
}

#[tokio::test]
async fn s17_a_grade_band_is_entered_with_the_roster_that_says_so_and_not_before() {
    let middle = GradeSet::new(vec![GradeSet::parse_entry("6-8").unwrap()]);
    let town = town(vec![category(Selector { grades: Some(middle), ..Selector::default() }, "MIDDLE")]);
    let mut all = kids(6);
    all.iter_mut().for_each(|kid| kid.grade = "05".into());
    town.sync(&all).await;
    town.ils.take_counts();
    let mut updates = Vec::new();
    for night in 0..4 {
        town.clock.days(1);
        if night == 2 {
            all[3].grade = "06".into();
        }
        updates.push(changed(&town, &town.sync(&all).await));
    }
    assert_eq!(updates, [(0, false), (0, false), (1, true), (0, false)]);
    assert_eq!([held(&town, &all[2]), held(&town, &all[3])], ["STUDENT", "MIDDLE"]);
}

#[tokio::test]
async fn s17_where_ages_count_a_source_of_changes_alone_is_read_in_full_each_night() {
    for (town, each_night) in [(by_age(), true), (town(Vec::new()), false)] {
        let mut all = kids(20);
        all[0].born = (2013, 11, 25);
        for night in 0..4 {
            // Nothing has changed at the source, so that its changes alone would say nothing of anybody.
            let mut source = ListSource::new(&all);
            if night > 0 && !each_night {
                source = ListSource::delta(&[], &[], "mark");
            }
            source.cursor = Some(Cursor("mark".into()));
            let engine = town.engine();
            let report = engine.sync(&mut source).await.unwrap();
            let report = engine.release_settled(report, &mut source).await.unwrap();
            assert_adds_up(&report);
            let full = source.resumed.unwrap().full;
            assert_eq!(full.is_some(), night > 0 && each_night, "night {night}: {full:?}");
            let wanted = if each_night && night >= 2 { "TEEN" } else { "STUDENT" };
            assert_eq!(held(&town, &all[0]), wanted, "night {night}");
            town.clock.days(1);
        }
    }
}
