//! People's work around the runs: taking cards over, taking a run back, and moving house.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod support;

use std::sync::Arc;

use rostercard_core::field::Field;
use rostercard_core::guard::GuardAction;
use rostercard_core::plan::RunState;
use rostercard_core::privacy::Personal;
use rostercard_core::words::LinkState;
use rostercard_engine::{Moved, RunReport};
use rostercard_store::Store;
use rostercard_store::rows::{ChangeSelection, Link, RunId};
use support::ils::{FakeIls, Mishap};
use support::{Kid, ListSource, Town, assert_adds_up, kids};

fn barcode(kid: &Kid) -> String {
    format!("77{:0>8}", kid.id)
}

async fn link(town: &Town, id: &str) -> Option<Link> {
    town.store.links(town.partnership().await, &[town.key_of(id)]).await.unwrap().pop()
}

async fn adopt(town: &Town, people: &[Kid], dry: bool) -> RunReport {
    let report = town.engine().adopt(&mut ListSource::new(people), dry).await.unwrap();
    assert_adds_up(&report);
    report
}

async fn undo(town: &Town, run: RunId) -> RunReport {
    let report = town.engine().undo(run).await.unwrap();
    assert_adds_up(&report);
    report
}

/// Everything may change at once.
fn unguarded(town: &mut Town) {
    let guards = &mut town.settings.guards;
    guards.rules_changed = GuardAction::Off;
    guards.update.action = GuardAction::Off;
    guards.school.action = GuardAction::Off;
}

/// A town whose cards were made by another town's program: the same ILS, an empty store.
async fn store_lost(people: &[Kid]) -> (Town, Town) {
    let first = Town::new().open();
    first.sync(people).await;
    let mut second = Town::new().open();
    second.ils = Arc::clone(&first.ils);
    (first, second)
}

#[tokio::test]
async fn s32_s27_cards_with_our_numbers_are_taken_over_and_nothing_is_written() {
    let mut people = kids(30);
    let (_first, town) = store_lost(&people).await;
    town.ils.staff(&barcode(&people[3]), |values| {
        values.surname = Some(Personal::new("Somebody"));
        values.given_name = Some(Personal::new("Else"));
        values.birth_date = None;
    });
    town.ils.staff(&barcode(&people[4]), |values| values.category = Some("JUV".into()));
    town.ils.staff_delete(&barcode(&people[5]));
    let before = town.ils.patrons().len();
    let dry = adopt(&town, &people, true).await;
    let counts = dry.run.result.counts;
    assert_eq!((dry.run.state, counts.link, counts.review, counts.create), (RunState::Planned, 28, 1, 1));
    assert!(link(&town, &people[0].id).await.is_none(), "a dry run learns nothing");
    let report = adopt(&town, &people, false).await;
    let counts = report.run.result.counts;
    assert_eq!((counts.link, counts.review, counts.create, report.run.result.writes), (28, 1, 1, 0));
    assert!(report.run.result.findings.contains_key("differs_category"));
    assert_eq!((town.ils.patrons().len(), town.ils.duplicates()), (before, 0));
    assert_eq!(link(&town, &people[0].id).await.unwrap().data.state, LinkState::Adopted);
    // The next sync makes the one that was not there, and leaves the others as they are.
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.create, report.run.result.writes), (1, 1));
    assert_eq!(town.patron(&barcode(&people[4])).values.category, Some("JUV".into()));
    // What changes from now on is written; what was found otherwise stays as it was found.
    (people[0].family, people[4].family) = ("Renamed".into(), "Renamed".into());
    let report = town.sync(&people).await;
    assert_eq!(report.run.result.writes, 2);
    assert_eq!(town.patron(&barcode(&people[4])).values.category, Some("JUV".into()));
    assert_eq!(town.patron(&barcode(&people[0])).values.surname.unwrap().reveal(), "Renamed");
}

#[tokio::test]
async fn s27_a_lost_store_makes_no_second_card_and_stops_the_run() {
    let people = kids(60);
    let (_first, town) = store_lost(&people).await;
    let report = town.sync(&people).await;
    assert_eq!((report.run.state, town.ils.patrons().len()), (RunState::Failed, 60));
    assert!(report.run.result.error.unwrap().contains("the store looks old"));
    adopt(&town, &people, false).await;
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.writes, town.ils.patrons().len()), (0, 60));
}

#[tokio::test]
async fn a_look_up_that_failed_adopts_nobody() {
    let people = kids(3);
    let (_first, town) = store_lost(&people).await;
    let mut calls = 0;
    town.ils.script(move |_| {
        calls += 1;
        if calls == 2 { Mishap::LostBefore } else { Mishap::None }
    });
    let report = adopt(&town, &people, false).await;
    assert_eq!(
        (report.run.state, report.run.result.counts.link, report.run.result.failed),
        (RunState::Failed, 2, 1)
    );
    town.ils.calm();
    assert_eq!(adopt(&town, &people, false).await.run.result.counts.link, 1);
}

#[tokio::test]
async fn s30_a_run_is_taken_back_where_it_still_is_as_it_was_left() {
    let mut town = Town::new().open();
    unguarded(&mut town);
    let mut people = kids(30);
    town.sync(&people).await;
    let before = town.ils.patrons();
    // A wrong category for everybody, a changed name, and somebody new.
    town.settings.rules.card.category = "WRONG".into();
    people[2].family = "Renamed".into();
    people.push(support::kid("990", "New", "Comer", "A"));
    let wrong = town.sync(&people).await;
    assert_eq!((wrong.run.result.counts.update, wrong.run.result.counts.create), (30, 1));
    town.ils.staff(&barcode(&people[7]), |values| values.category = Some("STAFF-CHOICE".into()));

    let plan = undo(&town, wrong.run.id).await;
    assert_eq!(
        (plan.run.state, plan.run.result.counts.waiting, plan.run.result.writes),
        (RunState::Waiting, 31, 0)
    );
    assert!(town.ils.held(&barcode(&people[0])).unwrap().values.category == Some("WRONG".into()), "it waits");
    let done = town.approve(plan.run.id).await;
    assert_eq!(done.run.state, RunState::Done);
    for (number, old) in &before {
        let now = town.ils.held(number).unwrap();
        if *number == barcode(&people[7]) {
            assert_eq!(now.values.category, Some("STAFF-CHOICE".into()));
        } else {
            assert_eq!((now.values, now.pin), (old.values.clone(), old.pin.clone()), "{number}");
        }
    }
    let undone = link(&town, "990").await.unwrap();
    assert_eq!((undone.data.state, undone.data.reason.as_deref()), (LinkState::Lapsed, Some("undone")));
    let newcomer = town.patron("7700000990").values;
    assert_eq!(newcomer.expiry, Some(jiff::civil::date(2026, 11, 24)), "not deleted: it ends today");
    // The next run under the same rules does not do it all again; under mended ones it makes things right.
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.writes, report.run.result.counts.restore), (0, 0));
    town.settings.rules.card.category = "RIGHT".into();
    let report = town.sync(&people).await;
    assert!(
        report.run.result.counts.update >= 29 && report.run.result.counts.restore == 1,
        "{:?}",
        report.run.result.counts
    );
    assert_eq!(town.patron(&barcode(&people[0])).values.category, Some("RIGHT".into()));
    assert!(town.patron("7700000990").values.expiry > newcomer.expiry);
}

#[tokio::test]
async fn s30_an_answer_that_is_lost_in_taking_back_is_settled() {
    for mishap in [Mishap::LostAfter, Mishap::LostBefore, Mishap::NotSent] {
        let mut town = Town::new().open();
        unguarded(&mut town);
        let people = kids(4);
        town.sync(&people).await;
        let before = town.ils.patrons();
        town.settings.rules.card.category = "WRONG".into();
        let wrong = town.sync(&people).await;
        let plan = undo(&town, wrong.run.id).await;
        let mut first = true;
        town.ils.script(move |service| {
            if service == "update" && std::mem::take(&mut first) { mishap } else { Mishap::None }
        });
        town.engine().approve(plan.run.id, ChangeSelection::default(), "pat", None).await.unwrap();
        town.clock.days(1);
        town.sync(&people).await;
        let now = town.ils.patrons();
        let wrong = now.iter().filter(|(_, held)| held.values.category == Some("WRONG".into())).count();
        // What certainly never left stays ready, and the next run goes on with it: a person let it through.
        assert_eq!(wrong, 0, "{mishap:?}");
        assert_eq!(now.len(), before.len());
    }
}

#[tokio::test]
async fn s36_a_district_whose_students_all_have_new_numbers_keeps_its_cards() {
    let town = Town::new().open();
    let people = kids(60);
    town.sync(&people).await;
    let mut renumbered = people.clone();
    for kid in &mut renumbered {
        kid.id = format!("88{}", kid.id);
    }
    let report = town.sync(&renumbered).await;
    assert_eq!(report.run.result.counts.create, 0, "no second card");
    assert_eq!(report.run.result.counts.review, 60);
    for _ in 0..30 {
        town.clock.days(1);
        assert_eq!(town.sync(&renumbered).await.run.result.counts.lapse, 0, "nobody is withdrawn");
    }
    assert_eq!(town.engine().rebind(true, "pat").await.unwrap(), Moved { moved: 60, ..Moved::default() });
    assert!(link(&town, &people[0].id).await.is_some(), "a dry run changes nothing");
    assert_eq!(town.engine().rebind(false, "pat").await.unwrap(), Moved { moved: 60, ..Moved::default() });
    let report = town.sync(&renumbered).await;
    assert_eq!(
        (report.run.result.counts.unchanged, report.run.result.writes, report.run.result.absent),
        (60, 0, 0)
    );
    assert_eq!(town.ils.patrons().len(), 60);
}

#[tokio::test]
async fn s36_a_library_that_moves_to_another_ils_takes_its_links_along() {
    let mut town = Town::new().open();
    let mut people = kids(60);
    town.sync(&people).await;
    // The vendor loads the patrons, cuts the notes' letters of one field, and forgets one patron.
    let new = Arc::new(FakeIls::new(Arc::clone(&town.clock)));
    for (number, held) in town.ils.patrons() {
        if number != barcode(&people[9]) {
            new.staff_add(&number, "x");
            new.staff(&number, |values| *values = held.values.clone());
        }
    }
    town.ils = new;
    town.settings.ils = "ils-two".into();
    assert!(town.sync_source(ListSource::new(&people)).await.is_err(), "another ILS alone is refused");
    let expected = Moved { moved: 59, not_there: 1, unclear: 0 };
    assert_eq!(town.engine().migrate(true).await.unwrap(), expected);
    assert!(town.sync_source(ListSource::new(&people)).await.is_err());
    assert_eq!(town.engine().migrate(false).await.unwrap(), expected);
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.writes, report.run.result.counts.review), (0, 1));
    people[0].family = "Renamed".into();
    assert_eq!(town.sync(&people).await.run.result.counts.update, 1);
    assert_eq!(
        town.patron(&barcode(&people[0])).values.canonical(Field::Surname).as_deref(),
        Some("Renamed")
    );
    assert!(town.engine().migrate(true).await.unwrap_err().to_string().contains("already"));
}

#[tokio::test]
async fn s36_a_wrong_ils_is_no_move() {
    let mut town = Town::new().open();
    let people = kids(60);
    town.sync(&people).await;
    town.ils = Arc::new(FakeIls::new(Arc::clone(&town.clock)));
    town.settings.ils = "ils-two".into();
    let error = town.engine().migrate(false).await.unwrap_err();
    assert!(error.to_string().contains("60 of 60"), "{error}");
}

#[tokio::test]
async fn cards_that_were_handed_over_are_looked_for_and_are_a_question_after_two_weeks() {
    let town = Town::new().open();
    let people = kids(4);
    town.ils.hand_over(true);
    let report = town.sync(&people).await;
    assert_eq!((report.run.state, town.ils.patrons().len()), (RunState::Done, 0));
    let creates = town.ils.take_counts().1;
    assert_eq!(creates, 4);
    // The loader takes three of them.
    town.clock.days(1);
    assert_eq!(town.sync(&people).await.run.result.counts.pending, 4);
    for kid in &people[..3] {
        town.ils.staff_add(&barcode(kid), &kid.family);
    }
    town.clock.days(1);
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.unchanged, report.run.result.counts.pending), (3, 1));
    assert_eq!(link(&town, &people[0].id).await.unwrap().data.state, LinkState::Made);
    town.clock.days(12);
    assert_eq!(town.sync(&people).await.run.result.counts.pending, 1);
    town.clock.days(1);
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.review, report.run.result.counts.create), (1, 0));
    assert!(report.run.result.findings.contains_key("not_loaded"));
    assert_eq!(town.ils.take_counts().1, 0, "none is handed over again by itself");
    let review = town.engine().reviews().await.unwrap().remove(0);
    let again = rostercard_core::review::ReviewAnswer::Again;
    let whose = rostercard_engine::Whose::Number(review.number);
    town.engine().answer(whose, again, None, "pat").await.unwrap();
    town.sync(&people).await;
    assert_eq!(town.ils.take_counts().1, 1, "a person said so");
}
