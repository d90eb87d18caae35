//! Families that say no, and cards of people who left: what happens to the card, and how it comes back.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod support;

use jiff::civil::date;
use rostercard_core::consent::Programme;
use rostercard_core::ports::Completeness;
use rostercard_core::rules::OnLeaving;
use rostercard_core::student::Consent;
use rostercard_core::words::LinkState;
use rostercard_engine::{Grace, RunReport};
use rostercard_store::Store;
use rostercard_store::rows::{Link, Wish};
use support::ils::Mishap;
use support::{Kid, ListSource, Town, assert_adds_up, kids};

fn barcode(kid: &Kid) -> String {
    format!("77{:0>8}", kid.id)
}

async fn say(town: &Town, kid: &Kid, wants: bool) {
    let partnership = town.partnership().await;
    let wish = Wish {
        person: town.key_of(&kid.id),
        identity: None,
        wants,
        at: rostercard_engine::Clock::now(&*town.clock),
        who: "pat".into(),
        origin: "command".into(),
    };
    town.store.write_wishes(partnership, vec![wish]).await.unwrap();
}

async fn link(town: &Town, kid: &Kid) -> Option<Link> {
    town.store.links(town.partnership().await, &[town.key_of(&kid.id)]).await.unwrap().pop()
}

/// A roster with a column of wishes.
async fn with_column(town: &Town, people: &[(Kid, Consent)]) -> RunReport {
    let mut source = ListSource::new(&[]);
    for (kid, consent) in people {
        let mut student = kid.student();
        student.consent = *consent;
        source.records.push(rostercard_core::ports::Record::Student(Box::new(student)));
    }
    source.completeness = Completeness::Snapshot;
    let report = town.sync_source(source).await.unwrap();
    assert_adds_up(&report);
    report
}

#[tokio::test]
async fn s08_a_no_before_the_card_is_kept_and_outlives_a_new_number() {
    let town = Town::new().open();
    let people = kids(6);
    say(&town, &people[0], false).await;
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.create, report.run.result.counts.not_eligible), (5, 1));
    // The same child under another number.
    let mut renumbered = people.clone();
    renumbered[0].id = "900900".into();
    let report = town.sync(&renumbered).await;
    assert_eq!(report.run.result.counts.create, 0);
    assert!(town.ils.held(&barcode(&renumbered[0])).is_none());
    // A yes ends it.
    say(&town, &people[0], true).await;
    let report = town.sync(&people).await;
    assert_eq!(report.run.result.counts.create, 1);
}

#[tokio::test]
async fn s08_a_no_after_the_card_lets_it_lapse_and_a_yes_brings_the_same_card_back() {
    let mut town = Town::new().open();
    town.settings.on_leaving = OnLeaving::Expire;
    let people = kids(6);
    town.sync(&people).await;
    say(&town, &people[0], false).await;
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.lapse, report.run.result.writes), (1, 1));
    let expired = town.ils.held(&barcode(&people[0])).unwrap().values.expiry;
    assert_eq!(expired, Some(date(2026, 11, 24)), "today");
    let lapsed = link(&town, &people[0]).await.unwrap();
    assert_eq!((lapsed.data.state, lapsed.data.reason.as_deref()), (LinkState::Lapsed, Some("opted_out")));
    // Nothing on the next day, and nothing for a delta that does not name the child.
    let report = town.sync(&people).await;
    assert_eq!((report.run.result.counts.lapse, report.run.result.writes), (0, 0));
    say(&town, &people[0], true).await;
    let report = town.sync(&people).await;
    assert_eq!(report.run.result.counts.restore, 1);
    let back = town.ils.held(&barcode(&people[0])).unwrap();
    assert!(back.values.expiry > expired);
    assert_eq!((back.pins_set, link(&town, &people[0]).await.unwrap().data.state), (1, LinkState::Made));
}

#[tokio::test]
async fn s08_a_no_needs_no_roster_that_names_the_child() {
    let town = Town::new().open();
    let people = kids(6);
    town.sync(&people).await;
    say(&town, &people[5], false).await;
    let source = ListSource::delta(&[], &[], "two");
    let report = town.sync_source(source).await.unwrap();
    assert_eq!(report.run.result.counts.lapse, 1);
}

#[tokio::test]
async fn s35_a_blank_mark_neither_takes_a_card_nor_makes_one() {
    use Consent::{Blank, Granted, Refused};
    let mut town = Town::new().open();
    town.settings.rules.programme = Programme::OptIn;
    let people = kids(4);
    let marked = |marks: [Consent; 4]| -> Vec<(Kid, Consent)> { people.iter().cloned().zip(marks).collect() };
    let report = with_column(&town, &marked([Granted, Granted, Blank, Refused])).await;
    assert_eq!((report.run.result.counts.create, report.run.result.counts.not_eligible), (2, 2));
    let report = with_column(&town, &marked([Granted, Blank, Blank, Blank])).await;
    assert_eq!(
        (report.run.result.counts.lapse, report.run.result.writes),
        (0, 0),
        "blank takes no card away"
    );
    // The no of the roster holds until there is a yes.
    let report = with_column(&town, &marked([Granted, Granted, Refused, Blank])).await;
    assert_eq!(report.run.result.counts.create, 0);
    let report = with_column(&town, &marked([Granted, Granted, Refused, Granted])).await;
    assert_eq!(report.run.result.counts.create, 1);
    let report = with_column(&town, &marked([Refused, Granted, Refused, Granted])).await;
    assert_eq!(report.run.result.counts.lapse, 1);
    let report = with_column(&town, &marked([Blank, Granted, Refused, Granted])).await;
    assert_eq!(report.run.result.counts.restore, 0);
    let report = with_column(&town, &marked([Granted, Granted, Refused, Granted])).await;
    assert_eq!(report.run.result.counts.restore, 1);
}

/// Days with a roster without the first of these people, until the card has lapsed.
async fn leave(town: &Town, people: &[Kid]) -> RunReport {
    for _ in 0..10 {
        town.clock.days(1);
        let report = town.sync(&people[1..]).await;
        if report.run.result.counts.lapse > 0 {
            return report;
        }
    }
    unreachable!("nobody lapsed in ten days")
}

#[tokio::test]
async fn s09_a_card_is_blocked_on_leaving_and_unblocked_on_return() {
    let mut town = Town::new().open();
    (town.settings.on_leaving, town.settings.grace) = (OnLeaving::Block, Grace { days: 2, feeds: 2 });
    let people = kids(30);
    town.sync(&people).await;
    let before = town.ils.held(&barcode(&people[0])).unwrap();
    leave(&town, &people).await;
    assert!(town.ils.held(&barcode(&people[0])).unwrap().blocked);
    town.sync(&people[1..]).await;
    let report = town.sync(&people).await;
    assert_eq!(report.run.result.counts.restore, 1);
    let back = town.ils.held(&barcode(&people[0])).unwrap();
    assert_eq!((back.blocked, back.values, back.pin), (false, before.values, before.pin));
}

#[tokio::test]
async fn s09_a_block_of_the_librarys_stays_and_an_expiry_of_the_librarys_too() {
    let mut town = Town::new().open();
    town.settings.grace = Grace { days: 2, feeds: 2 };
    let people = kids(30);
    town.sync(&people).await;
    town.settings.on_leaving = OnLeaving::Block;
    town.ils.block(&barcode(&people[0]));
    leave(&town, &people).await;
    let report = town.sync(&people).await;
    assert_eq!(report.run.result.counts.restore, 1);
    assert!(
        town.ils.held(&barcode(&people[0])).unwrap().blocked,
        "the library blocked it, the library unblocks it"
    );

    town.settings.on_leaving = OnLeaving::Expire;
    let theirs = Some(date(2035, 1, 1));
    town.ils.staff(&barcode(&people[0]), |values| values.expiry = theirs);
    let report = leave(&town, &people).await;
    assert_eq!(report.run.result.writes, 0);
    assert!(report.run.result.findings.contains_key("staff_changed_expiry"));
    assert_eq!(town.ils.held(&barcode(&people[0])).unwrap().values.expiry, theirs);
}

#[tokio::test]
async fn an_end_or_a_block_whose_answer_was_lost_is_looked_up() {
    for on_leaving in [OnLeaving::Expire, OnLeaving::Block] {
        for mishap in [Mishap::LostAfter, Mishap::LostBefore, Mishap::NotSent] {
            let mut town = Town::new().open();
            (town.settings.on_leaving, town.settings.grace) = (on_leaving, Grace { days: 2, feeds: 2 });
            let people = kids(30);
            town.sync(&people).await;
            let mut once = true;
            town.ils.script(move |service| {
                let first = matches!(service, "update" | "block") && std::mem::take(&mut once);
                if first { mishap } else { Mishap::None }
            });
            leave(&town, &people).await;
            for _ in 0..2 {
                town.clock.days(1);
                town.sync(&people[1..]).await;
            }
            let case = format!("{on_leaving} {mishap:?}");
            let held = town.ils.held(&barcode(&people[0])).unwrap();
            assert_eq!(link(&town, &people[0]).await.unwrap().data.state, LinkState::Lapsed, "{case}");
            assert!(
                held.blocked || held.values.expiry.unwrap() < date(2027, 1, 1),
                "{case}: {:?}",
                held.values.expiry
            );
            town.sync(&people).await;
            let back = town.ils.held(&barcode(&people[0])).unwrap();
            assert!(!back.blocked && back.values.expiry.unwrap() >= date(2027, 1, 1), "{case}");
        }
    }
}

#[tokio::test]
async fn s09_a_linked_card_is_only_unlinked() {
    for on_leaving in [OnLeaving::Expire, OnLeaving::Block] {
        let mut town = Town::new().open();
        (town.settings.on_leaving, town.settings.grace) = (on_leaving, Grace { days: 2, feeds: 2 });
        let people = kids(30);
        town.sync(&people).await;
        let mut theirs = link(&town, &people[0]).await.unwrap();
        theirs.data.state = LinkState::Linked;
        let write = rostercard_store::rows::LinkWrite { person: theirs.person, data: theirs.data };
        town.store.write_links(town.partnership().await, vec![write]).await.unwrap();
        let before = town.ils.held(&barcode(&people[0])).unwrap();
        let report = leave(&town, &people).await;
        assert_eq!(report.run.result.writes, 0);
        let after = town.ils.held(&barcode(&people[0])).unwrap();
        assert_eq!((after.values, after.blocked), (before.values, before.blocked));
        town.sync(&people).await;
        assert_eq!(link(&town, &people[0]).await.unwrap().data.state, LinkState::Linked);
        // S08: a no to a card that is the family's own is a question for staff.
        say(&town, &people[0], false).await;
        let report = town.sync(&people).await;
        assert_eq!((report.run.result.counts.review, report.run.result.writes), (1, 0));
        assert_eq!(town.sync(&people).await.run.result.counts.review, 1, "it stays a question");
    }
}
