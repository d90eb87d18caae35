//! One child in several districts of one ILS (S10): one card, whoever has the child, and a person is asked where that is not
//! sure.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod support;

use std::sync::Arc;

use rostercard_core::field::{Field, Ownership};
use rostercard_core::guard::GuardAction;
use rostercard_core::plan::RunState;
use rostercard_core::ports::Record;
use rostercard_core::privacy::Personal;
use rostercard_core::reason::Review;
use rostercard_core::review::ReviewAnswer;
use rostercard_core::rules::OnLeaving;
use rostercard_core::rules::number::{NumberRule, NumberTemplate};
use rostercard_core::words::LinkState;
use rostercard_engine::{Clock, Grace, RunReport, Whose};
use rostercard_store::Store;
use rostercard_store::rows::Link;
use support::ils::Mishap;
use support::{Kid, ListSource, Town, kid, kids};

/// Two districts with cards in one ILS, kept in one store; `own_numbers` says whether each makes its own.
fn districts(own_numbers: bool) -> (Town, Town) {
    let (one, mut two) = (district("woodland"), district("oakdale"));
    two.store = Arc::clone(&one.store);
    two.ils = Arc::clone(&one.ils);
    two.clock = Arc::clone(&one.clock);
    if own_numbers {
        let template = NumberTemplate::parse("88{student_id:0>8}").unwrap();
        two.settings.rules.card.number = NumberRule::Template(template);
    }
    (one, two)
}

fn district(name: &str) -> Town {
    let mut town = Town::new().open();
    (town.settings.permanent_id, town.settings.name) = (name.into(), name.into());
    town.settings.rules.fields.set(Field::Email, Ownership::Fill);
    town.settings.grace = Grace { days: 3, feeds: 2 };
    let guards = &mut town.settings.guards;
    for limit in [
        &mut guards.update,
        &mut guards.lapse,
        &mut guards.restore,
        &mut guards.school,
        &mut guards.school_collapse,
        &mut guards.roster_collapse,
    ] {
        limit.action = GuardAction::Off;
    }
    town
}

/// A roster in which everybody has an address of their own, the same in any district.
async fn sync(town: &Town, people: &[Kid]) -> RunReport {
    let mut source = ListSource::new(people);
    for record in &mut source.records {
        let Record::Student(student) = record else { continue };
        student.email = Some(Personal::new(format!("{}@example.org", student.given_name.reveal())));
    }
    town.sync_source(source).await.unwrap()
}

async fn link(town: &Town, id: &str) -> Option<Link> {
    town.store.links(town.partnership().await, &[town.key_of(id)]).await.unwrap().pop()
}

async fn state(town: &Town, id: &str) -> Option<(LinkState, Option<String>)> {
    link(town, id).await.map(|link| (link.data.state, link.data.reason))
}

fn moved_away() -> Option<(LinkState, Option<String>)> {
    Some((LinkState::Skipped, Some("moved_to_another_district".into())))
}

fn card_elsewhere() -> Option<(LinkState, Option<String>)> {
    Some((LinkState::Skipped, Some("card_of_another_district".into())))
}

fn has_card() -> Option<(LinkState, Option<String>)> {
    Some((LinkState::Made, None))
}

fn numbers(town: &Town) -> Vec<String> {
    town.ils.patrons().into_iter().map(|(number, _)| number).collect()
}

/// The child under the number of the other district.
fn moved(child: &Kid, id: &str) -> Kid {
    kid(id, &child.given, &child.family, "B")
}

#[tokio::test]
async fn s10_a_child_who_moved_to_another_district_keeps_the_one_card() {
    for own_numbers in [false, true] {
        let (one, two) = districts(own_numbers);
        let people = kids(4);
        sync(&one, &people).await;
        sync(&one, &people[1..]).await;
        // Where numbers are the same everywhere, the child has the same one; otherwise the e-mail address agrees.
        let id = if own_numbers { "9001" } else { &people[0].id };
        let arrived = [moved(&people[0], id), kid("9002", "Somebody", "New", "A")];
        let report = sync(&two, &arrived).await;
        let counts = report.run.result.counts;
        assert_eq!((report.run.state, counts.create, counts.update), (RunState::Done, 1, 1), "{counts:?}");
        assert!(report.run.result.findings.contains_key("moved_from_another_district"));
        assert_eq!(numbers(&one).len(), 5, "four and the one who is new");
        let card = one.patron("7700000100");
        assert_eq!((card.values.home_branch, card.pins_set), (Some("EAST".into()), 1));
        assert_eq!(state(&two, id).await, has_card());
        assert_eq!(state(&one, &people[0].id).await, moved_away());
        // Quiet from now on, on both sides, and nobody lapses.
        for _ in 0..4 {
            one.clock.days(1);
            for report in [sync(&one, &people[1..]).await, sync(&two, &arrived).await] {
                assert_eq!((report.run.state, report.run.result.writes), (RunState::Done, 0));
            }
        }
        // And back again.
        sync(&two, &arrived[1..]).await;
        sync(&one, &people).await;
        assert_eq!(state(&one, &people[0].id).await, has_card());
        assert_eq!(state(&two, id).await, moved_away());
        assert_eq!(one.patron("7700000100").values.home_branch, Some("MAIN".into()));
        assert_eq!((numbers(&one).len(), one.ils.duplicates()), (5, 0));
    }
}

#[tokio::test]
async fn s10_names_and_birth_date_alone_are_a_question() {
    let (one, two) = districts(true);
    let people = kids(2);
    one.sync(&people).await;
    one.sync(&people[1..]).await;
    let arrived = [moved(&people[0], "9001")];
    let report = two.sync(&arrived).await;
    assert_eq!((report.run.result.counts.review, numbers(&one).len()), (1, 2));
    let review = two.engine().reviews().await.unwrap().pop().unwrap();
    assert_eq!(review.question, Review::PerhapsMoved);
    // Asked once, and no more by the same roster.
    assert_eq!(two.sync(&arrived).await.run.result.writes, 0);
    let answer = |said| {
        let engine = two.engine();
        async move { engine.answer(Whose::Number(review.number), said, None, "pat").await }
    };
    answer(ReviewAnswer::Same).await.unwrap();
    assert_eq!(state(&two, "9001").await, has_card());
    let report = two.sync(&arrived).await;
    assert_eq!((report.run.result.counts.update, numbers(&one).len()), (1, 2));
    assert_eq!(one.patron("7700000100").values.home_branch, Some("EAST".into()));
}

#[tokio::test]
async fn s06_a_namesake_in_another_district_gets_a_card_when_a_person_says_so() {
    let (one, two) = districts(true);
    let people = kids(2);
    one.sync(&people).await;
    let namesake = [moved(&people[0], "9001")];
    two.sync(&namesake).await;
    let review = two.engine().reviews().await.unwrap().pop().unwrap();
    let answered =
        two.engine().answer(Whose::Number(review.number), ReviewAnswer::Separate, None, "pat").await;
    answered.unwrap();
    two.sync(&namesake).await;
    assert_eq!(numbers(&one), ["7700000100", "7700000101", "8800009001"]);
    assert_eq!((state(&one, &people[0].id).await, state(&two, "9001").await), (has_card(), has_card()));
    assert_eq!(two.sync(&namesake).await.run.result.writes, 0);
}

#[tokio::test]
async fn s10_a_child_in_two_rosters_has_one_card_and_it_lapses_only_with_both() {
    for on_leaving in [OnLeaving::Expire, OnLeaving::Block] {
        let (mut one, mut two) = districts(true);
        (one.settings.on_leaving, two.settings.on_leaving) = (on_leaving, on_leaving);
        let people = kids(2);
        sync(&one, &people).await;
        let both = [moved(&people[0], "9001"), kid("9002", "Somebody", "New", "A")];
        let report = sync(&two, &both).await;
        assert_eq!((report.run.result.counts.create, report.run.result.counts.not_eligible), (1, 1));
        assert_eq!(state(&two, "9001").await, card_elsewhere());
        assert_eq!(sync(&two, &both).await.run.result.writes, 0);
        // The first district loses the child; the second does not sync meanwhile. The card goes there when it would lapse.
        for _ in 0..5 {
            one.clock.days(1);
            sync(&one, &people[1..]).await;
        }
        let card = one.patron("7700000100");
        assert!(
            !card.blocked && card.values.expiry.unwrap() > jiff::civil::date(2027, 1, 1),
            "{on_leaving:?}"
        );
        assert_eq!((state(&one, &people[0].id).await, state(&two, "9001").await), (moved_away(), has_card()));
        sync(&two, &both).await;
        assert_eq!(one.patron("7700000100").values.home_branch, Some("EAST".into()));
        // The second district loses the child as well: now the card ends, once.
        for _ in 0..5 {
            one.clock.days(1);
            sync(&two, &both[1..]).await;
            sync(&one, &people[1..]).await;
        }
        assert_eq!(link(&two, "9001").await.unwrap().data.state, LinkState::Lapsed);
        let card = one.patron("7700000100");
        assert!(
            card.blocked || card.values.expiry.unwrap() < jiff::civil::date(2027, 1, 1),
            "{on_leaving:?}"
        );
        assert_eq!(numbers(&one).len(), 3);
    }
}

#[tokio::test]
async fn s10_a_card_that_had_lapsed_comes_back_with_the_child_in_another_district() {
    let (mut one, mut two) = districts(true);
    (one.settings.on_leaving, two.settings.on_leaving) = (OnLeaving::Block, OnLeaving::Block);
    let people = kids(2);
    sync(&one, &people).await;
    for _ in 0..5 {
        one.clock.days(1);
        sync(&one, &people[1..]).await;
    }
    assert!(one.patron("7700000100").blocked);
    let arrived = [moved(&people[0], "9001")];
    let report = sync(&two, &arrived).await;
    assert_eq!((report.run.result.counts.restore, report.run.result.counts.create), (1, 0));
    let card = one.patron("7700000100");
    assert_eq!((card.blocked, card.values.home_branch), (false, Some("EAST".into())));
    assert_eq!(state(&two, "9001").await, has_card());
    assert_eq!(sync(&two, &arrived).await.run.result.writes, 0);
}

#[tokio::test]
async fn a_card_whose_write_has_no_known_end_stays_until_it_has() {
    let (mut one, two) = districts(true);
    one.settings.on_leaving = OnLeaving::Block;
    let people = kids(2);
    sync(&one, &people).await;
    // The block had no answer, and the ILS cannot be asked what became of it.
    let mut sent = false;
    one.ils.script(move |service| {
        sent |= service == "block";
        if sent { Mishap::LostAfter } else { Mishap::None }
    });
    for _ in 0..5 {
        one.clock.days(1);
        sync(&one, &people[1..]).await;
    }
    one.ils.calm();
    let id = one.partnership().await;
    assert_eq!(one.store.open_intents(id).await.unwrap().len(), 1);
    let arrived = [moved(&people[0], "9001")];
    let report = sync(&two, &arrived).await;
    assert_eq!((report.run.result.counts.pending, numbers(&one).len()), (1, 2));
    assert_eq!(state(&two, "9001").await, None);
    // Its own district's next run settles it; then the card goes along.
    sync(&one, &people[1..]).await;
    sync(&two, &arrived).await;
    assert_eq!((state(&two, "9001").await, numbers(&one).len()), (has_card(), 2));
    assert!(!one.patron("7700000100").blocked);
}

#[tokio::test]
async fn a_block_in_doubt_whose_patron_staff_deleted_is_settled() {
    let mut one = district("woodland");
    one.settings.on_leaving = OnLeaving::Block;
    let people = kids(2);
    sync(&one, &people).await;
    let mut sent = false;
    one.ils.script(move |service| {
        sent |= service == "block";
        if sent { Mishap::LostAfter } else { Mishap::None }
    });
    for _ in 0..5 {
        one.clock.days(1);
        sync(&one, &people[1..]).await;
    }
    let id = one.partnership().await;
    assert_eq!(one.store.open_intents(id).await.unwrap().len(), 1);
    one.ils.calm();
    one.ils.staff_delete("7700000100");
    for _ in 0..2 {
        sync(&one, &people[1..]).await;
    }
    assert!(one.store.open_intents(id).await.unwrap().is_empty());
    assert_eq!(state(&one, &people[0].id).await, Some((LinkState::Gone, Some("gone".into()))));
    assert_eq!(sync(&one, &people[1..]).await.run.state, RunState::Done);
}

#[tokio::test]
async fn s20_what_is_purged_leaves_a_card_to_the_district_that_has_the_child_as_well() {
    for forget in [false, true] {
        let (one, two) = districts(true);
        let people = kids(2);
        sync(&one, &people).await;
        let both = [moved(&people[0], "9001")];
        sync(&two, &both).await;
        assert_eq!(state(&two, "9001").await, card_elsewhere());
        let (id, now) = (one.partnership().await, one.clock.now());
        if forget {
            one.store.forget(id, one.key_of(&people[0].id), now, "pat").await.unwrap();
        } else {
            one.store.purge(id, now, "pat").await.unwrap();
        }
        assert_eq!(state(&two, "9001").await, has_card());
        let report = sync(&two, &both).await;
        assert_eq!((report.run.result.counts.update, numbers(&one).len()), (1, 2));
        assert_eq!(sync(&two, &both).await.run.result.writes, 0);
    }
}
