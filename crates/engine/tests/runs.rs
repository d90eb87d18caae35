//! Runs from end to end: what a roster and an ILS make of each other, scenario by scenario.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use rostercard_core::field::{Field, Ownership};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::guard::GuardAction;
use rostercard_core::plan::RunState;
use rostercard_core::ports::{Completeness, Cursor, Record, RejectionKind};
use rostercard_core::privacy::Personal;
use rostercard_core::rules::pin::{BirthDateForm, PinRule};
use rostercard_core::rules::{CardFor, CardPatch, Homes, Selector};
use rostercard_core::student::Damaged;
use rostercard_core::words::{CardModel, LinkState, Role};
use rostercard_engine::{Clock as _, EngineError, SelectionError};
use rostercard_store::Store;
use rostercard_store::rows::{ChangeSelection, NewPause, PauseScope, RunId};
use support::ils::Mishap;
use support::{ListSource, SETTLE_AFTER, Town, kid, kids};

#[tokio::test]
async fn s19_the_first_connection_waits_until_someone_approves() {
    let town = Town::new();
    let planned = town.plan(&kids(5)).await;
    assert_eq!(planned.run.state, RunState::Planned);
    assert_eq!(planned.run.result.counts.create, 5);
    assert_eq!(planned.run.result.by_school["A School A"].create, 5);
    let waiting = town.sync(&kids(5)).await;
    assert_eq!(waiting.run.state, RunState::Waiting);
    assert_eq!(waiting.run.result.waiting_for[0].guard, "first_connection");
    assert_eq!(town.ils.take_counts(), (0, 0, 0), "nothing was asked and nothing written");

    let superseded = town.engine().approve(planned.run.id, ChangeSelection::default(), "t", None).await;
    assert!(
        matches!(superseded, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))),
        "{superseded:?}"
    );
    let approved = town.approve(waiting.run.id).await;
    assert_eq!((approved.run.state, approved.run.result.counts.create), (RunState::Done, 5));
    assert_eq!(town.ils.patrons().len(), 5);
    assert_eq!(town.patron("7700000100").values.home_branch, Some("MAIN".into()));

    // From now on newcomers come by themselves, within the guards.
    let next = town.sync(&kids(6)).await;
    assert_eq!((next.run.state, next.run.result.counts.create), (RunState::Done, 1));
}

#[tokio::test]
async fn s19_one_school_first_and_the_rest_still_waits() {
    let town = Town::new();
    let mut roster = kids(3);
    roster.push(kid("00900", "Bea", "Other", "B"));
    let waiting = town.sync(&roster).await;
    let only = ChangeSelection { school: Some("B".into()), ..ChangeSelection::default() };
    let report = town.engine().approve(waiting.run.id, only, "t", None).await.unwrap();
    support::assert_adds_up(&report);
    assert_eq!(report.run.state, RunState::Waiting);
    assert_eq!((report.run.result.counts.create, report.run.result.counts.waiting), (1, 3));
    assert_eq!(town.ils.patrons().len(), 1);
    // The partnership as a whole was not let through: tomorrow's rest waits as well.
    let next = town.sync(&roster).await;
    assert_eq!((next.run.state, next.run.result.counts.waiting), (RunState::Waiting, 3));
}

#[tokio::test]
async fn approvals_are_bound_to_the_plan_and_run_out() {
    let town = Town::new();
    let waiting = town.sync(&kids(2)).await;
    let all = ChangeSelection::default;
    let other = town.engine().approve(waiting.run.id, all(), "t", Some("0000")).await;
    assert!(matches!(other, Err(EngineError::Selection(SelectionError::OtherDigest { .. }))));
    let unknown = town.engine().approve(RunId(999), all(), "t", None).await;
    assert!(matches!(unknown, Err(EngineError::Store(_))));
    town.clock.days(8);
    let late = town.engine().approve(waiting.run.id, all(), "t", None).await;
    assert!(matches!(late, Err(EngineError::Selection(SelectionError::Expired { .. }))), "{late:?}");
    assert_eq!(town.ils.patrons().len(), 0);
}

#[tokio::test]
async fn discarded_changes_are_not_made() {
    let town = Town::new();
    let waiting = town.sync(&kids(2)).await;
    let report = town.engine().discard(waiting.run.id, ChangeSelection::default(), "t").await.unwrap();
    support::assert_adds_up(&report);
    assert_eq!((report.run.state, report.run.result.counts.pending), (RunState::Done, 2));
    let again = town.engine().approve(waiting.run.id, ChangeSelection::default(), "t", None).await;
    assert!(matches!(again, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))));
    assert_eq!(town.ils.patrons().len(), 0);
}

#[tokio::test]
async fn s01_the_second_run_asks_nothing_and_writes_nothing() {
    let town = Town::new().open();
    assert_eq!(town.sync(&kids(20)).await.run.result.counts.create, 20);
    town.ils.take_counts();
    let again = town.sync(&kids(20)).await;
    assert_eq!((again.run.state, again.run.result.counts.unchanged), (RunState::Done, 20));
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
    assert_eq!((again.run.result.writes, again.run.result.lookups), (0, 0));
    let id = town.store.partnerships().await.unwrap()[0].id;
    assert_eq!(town.store.pins_waiting(id).await.unwrap(), 20);
}

#[tokio::test]
async fn s10_s12_moves_and_corrected_names_change_the_same_card() {
    let town = Town::new().open();
    let mut roster = kids(3);
    town.sync(&roster).await;
    let pin = town.patron("7700000100").pin;
    roster[0].school = "B".into();
    roster[1].given = "Zoë".into();
    let report = town.sync(&roster).await;
    assert_eq!((report.run.result.counts.update, report.run.result.counts.unchanged), (2, 1));
    assert_eq!(town.patron("7700000100").values.home_branch, Some("EAST".into()));
    assert_eq!(town.patron("7700000101").values.given_name.unwrap().reveal(), "Zoë");
    assert_eq!(town.ils.patrons().len(), 3);
    // The PIN is never set again (S14).
    let after = town.patron("7700000100");
    assert_eq!((after.pin, after.pins_set), (pin, 1));
}

#[tokio::test]
async fn a_new_school_with_the_same_branch_is_a_note_and_no_write() {
    let mut town = Town::new().open();
    let homes = [("A", "MAIN"), ("B", "MAIN")].map(|(s, b)| (s.to_owned(), b.into()));
    town.settings.rules.homes = Homes::new(homes.into());
    let mut roster = kids(1);
    town.sync(&roster).await;
    town.ils.take_counts();
    roster[0].school = "B".into();
    for _ in 0..2 {
        let report = town.sync(&roster).await;
        assert_eq!(report.run.result.counts.unchanged, 1);
        assert_eq!(town.ils.take_counts(), (0, 0, 0));
    }
    let id = town.store.partnerships().await.unwrap()[0].id;
    let schools = town.store.schools(id).await.unwrap();
    let index = town.store.index(id).await.unwrap();
    let school = schools.iter().find(|s| s.id == index[0].school).unwrap();
    assert_eq!(school.key, "B");
}

#[tokio::test]
async fn s06_twins_and_namesakes_get_a_card_each() {
    let town = Town::new().open();
    let roster = [
        kid("00001", "Ana", "Reyes", "A"),
        kid("00002", "Eva", "Reyes", "A"),
        kid("00003", "Ana", "Reyes", "A"),
        kid("00004", "Ana", "Reyes", "B"),
    ];
    assert_eq!(town.sync(&roster).await.run.result.counts.create, 4);
    let mut renamed = roster.clone();
    renamed[0].given = "Anna".into();
    assert_eq!(town.sync(&renamed).await.run.result.counts.update, 1);
    let given = |n: &str| town.patron(&format!("770000000{n}")).values.given_name.unwrap().into_revealed();
    assert_eq!(["1", "2", "3", "4"].map(given), ["Anna", "Eva", "Ana", "Ana"]);
}

#[tokio::test]
async fn s07_two_students_with_one_number_are_both_rejected_and_the_rest_goes_on() {
    let town = Town::new().open();
    // "123" and "00123" both become 7700000123.
    let roster = [kid("123", "A", "One", "A"), kid("9", "B", "Two", "A"), kid("00123", "C", "Three", "B")];
    let report = town.sync(&roster).await;
    assert_eq!(report.run.state, RunState::DoneWithRejects);
    assert_eq!((report.run.result.counts.create, report.run.result.counts.reject), (1, 2));
    assert_eq!(report.run.result.findings["number_collides"].count, 2);
    assert_eq!(town.ils.patrons().len(), 1);
    // Far apart in the roster, when the first is in the store already.
    let mut long = kids(10);
    long.push(kid("100", "X", "Late", "B"));
    let town = Town::new().open();
    let report = town.sync(&long).await;
    assert_eq!((report.run.result.counts.create, report.run.result.counts.reject), (9, 2));
    // Once one of them is corrected, the other gets the card.
    long[10].id = "77777".into();
    let report = town.sync(&long).await;
    assert_eq!((report.run.result.counts.create, report.run.result.counts.unchanged), (2, 9));
}

#[tokio::test]
async fn s07_a_newcomer_with_the_number_of_a_card_goes_to_review() {
    let town = Town::new().open();
    town.sync(&[kid("00123", "A", "One", "A")]).await;
    let roster = [kid("00123", "A", "One", "A"), kid("123", "B", "Two", "A")];
    town.ils.take_counts();
    let report = town.sync(&roster).await;
    assert_eq!((report.run.result.counts.review, report.run.result.counts.unchanged), (1, 1));
    assert_eq!(town.ils.take_counts(), (0, 0, 0), "the ledger knew whose number it is");
    let again = town.sync(&roster).await;
    assert_eq!(again.run.result.counts.review, 1);
}

#[tokio::test]
async fn a_number_that_is_somebody_elses_in_the_ils_goes_to_review_once() {
    let town = Town::new().open();
    town.ils.staff_add("7700000101", "Stranger");
    let report = town.sync(&kids(3)).await;
    assert_eq!((report.run.result.counts.create, report.run.result.counts.review), (2, 1));
    let stranger = town.patron("7700000101");
    assert_eq!((stranger.values.surname.unwrap().reveal(), stranger.writes), ("Stranger", 0));
    town.ils.take_counts();
    assert_eq!(town.sync(&kids(3)).await.run.result.counts.review, 1);
    assert_eq!(town.ils.take_counts(), (0, 0, 0), "the question is asked once, and costs nothing after");
}

#[tokio::test]
async fn s27_many_taken_numbers_stop_the_run() {
    let town = Town::new().open();
    for kid in kids(40) {
        town.ils.staff_add(&format!("77000{}", kid.id), "Loaded");
    }
    let report = town.sync(&kids(60)).await;
    assert_eq!(report.run.state, RunState::Failed);
    assert!(report.run.result.error.unwrap().contains("store looks old"));
    assert!(town.ils.patrons().len() < 60);
}

#[tokio::test]
async fn s15_a_school_without_a_home_waits_and_then_gets_its_cards() {
    let mut town = Town::new().open();
    let mut roster = kids(2);
    roster.push(kid("00900", "Bea", "New", "D"));
    let report = town.sync(&roster).await;
    assert_eq!((report.run.result.counts.create, report.run.result.counts.pending), (2, 1));
    assert!(report.run.result.findings["school_without_home"].message.contains("School D"));
    assert_eq!(town.sync(&roster).await.run.result.counts.pending, 1);
    let homes = [("A", "MAIN"), ("D", "NORTH")].map(|(s, b)| (s.to_owned(), b.into()));
    town.settings.rules.homes = Homes::new(homes.into());
    let waiting = town.sync(&roster).await;
    assert_eq!(waiting.run.result.waiting_for[0].guard, "rules_changed", "S38: a changed rule is looked at");
    town.approve(waiting.run.id).await;
    assert_eq!(town.patron("7700000900").values.home_branch, Some("NORTH".into()));
    // A card whose school loses its home stays as it is.
    town.settings.rules.homes = Homes::new([("A".to_owned(), "MAIN".into())].into());
    let report = town.sync(&roster).await;
    assert_eq!((report.run.result.counts.pending, report.run.result.counts.unchanged), (1, 2));
    assert_eq!(town.ils.patrons().len(), 3);
}

#[tokio::test]
async fn s02_s09_leavers_keep_their_cards_through_grace_and_incomplete_rosters() {
    let town = Town::new().open();
    let all = kids(40);
    town.sync(&all).await;
    let fewer = &all[..39];
    let live = async || {
        let id = town.store.partnerships().await.unwrap()[0].id;
        let counts = town.store.state_counts(id).await.unwrap();
        counts.iter().filter(|c| c.state == LinkState::Lapsed).map(|c| c.count).sum::<u64>()
    };
    // An incomplete roster makes nobody missing, however often it comes.
    for _ in 0..10 {
        town.clock.days(7);
        let mut source = ListSource::new(fewer);
        source.completeness = Completeness::Incomplete;
        town.sync_source(source).await.unwrap();
    }
    assert_eq!(live().await, 0);
    // Whole rosters do, after days and feeds.
    let mut lapsed_after = 0;
    for week in 1..=6 {
        let report = town.sync(fewer).await;
        if report.run.result.counts.lapse == 1 {
            lapsed_after = week;
            break;
        }
        assert_eq!(report.run.result.absent, 1);
        town.clock.days(7);
    }
    assert_eq!(lapsed_after, 3, "14 days and 3 rosters");
    assert_eq!(live().await, 1);
    let card = town.patron("7700000139");
    assert_eq!(card.writes, 1, "a lapse by not renewing writes nothing");
    // And back again: the same card lives on.
    let report = town.sync(&all).await;
    assert_eq!((report.run.result.counts.restore, town.ils.patrons().len()), (1, 40));
    assert_eq!(live().await, 0);
}

#[tokio::test]
async fn the_same_roster_read_again_is_one_roster() {
    let town = Town::new().open();
    town.sync(&kids(40)).await;
    for _ in 0..8 {
        town.clock.days(7);
        let mut source = ListSource::new(&kids(40)[..39]);
        source.as_of = Some("2026-11-25T00:00:00Z".parse().unwrap());
        let report = town.sync_source(source).await.unwrap();
        assert_eq!(report.run.result.counts.lapse, 0);
    }
}

#[tokio::test]
async fn s09_the_last_feed_of_the_grace_is_a_feed_of_its_own() {
    let town = Town::new().open();
    town.sync(&kids(40)).await;
    let of = |day: u32| ListSource {
        as_of: Some(format!("2026-12-{day:02}T00:00:00Z").parse().unwrap()),
        ..ListSource::new(&kids(40)[..39])
    };
    // Two of the three rosters, and the second of them over and over, long past the days of the grace.
    for day in [1, 2, 2, 2, 2] {
        town.clock.days(10);
        assert_eq!(town.sync_source(of(day)).await.unwrap().run.result.counts.lapse, 0);
    }
    assert_eq!(town.sync_source(of(3)).await.unwrap().run.result.counts.lapse, 1);
}

#[tokio::test]
async fn s02_an_empty_or_halved_roster_waits_and_nobody_is_missing() {
    let town = Town::new().open();
    let mut all = kids(30);
    for (i, kid) in all.iter_mut().enumerate().filter(|(i, _)| i % 2 == 0) {
        kid.school = if i % 4 == 0 { "B" } else { "C" }.into();
    }
    town.sync(&all).await;
    for _ in 0..6 {
        town.clock.days(7);
        let empty = town.sync(&[]).await;
        assert_eq!(empty.run.state, RunState::Waiting);
        assert_eq!(empty.run.result.waiting_for[0].guard, "roster_collapsed");
        let half: Vec<_> = all.iter().filter(|k| k.school == "A").cloned().collect();
        let report = town.sync(&half).await;
        let what = &report.run.result.waiting_for[0];
        assert!(what.likely_cause.contains("School B"), "{}", what.likely_cause);
    }
    let id = town.store.partnerships().await.unwrap()[0].id;
    assert!(town.store.index(id).await.unwrap().iter().all(|row| row.missing_since.is_none()));
    assert_eq!(town.sync(&all).await.run.result.counts.unchanged, 30);
}

#[tokio::test]
async fn s02_a_transfer_that_breaks_off_changes_nothing() {
    let town = Town::new().open();
    town.sync(&kids(10)).await;
    let mut source = ListSource::new(&kids(30));
    source.fails_after = Some(15);
    town.ils.take_counts();
    let error = town.sync_source(source).await.unwrap_err();
    assert!(error.to_string().contains("broke off") && error.hint().contains("district"));
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
    let run = &town.store.runs(None, 1).await.unwrap()[0];
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(town.sync(&kids(10)).await.run.result.counts.unchanged, 10);
}

#[tokio::test]
async fn a_damaged_record_counts_as_seen_and_one_without_an_id_withdraws_nobody() {
    let town = Town::new().open();
    town.sync(&kids(12)).await;
    let damaged = |id: Option<&str>| {
        Record::Damaged(Box::new(Damaged {
            student_id: id.map(Personal::new),
            school: None,
            finding: Finding::new(
                "row_width",
                Place::line("users.csv", 9),
                "the row has 3 columns, 5 are expected",
            ),
        }))
    };
    let mut source = ListSource::new(&kids(12)[..11]);
    source.records.push(damaged(Some("00111")));
    source.records.push(damaged(Some("55555")));
    let report = town.sync_source(source).await.unwrap();
    assert_eq!((report.run.result.absent, report.run.result.counts.reject), (0, 2));
    assert_eq!(report.run.result.findings["row_width"].places[0], "users.csv:9");
    let mut source = ListSource::new(&kids(12)[..11]);
    source.records.push(damaged(None));
    town.sync_source(source).await.unwrap();
    let id = town.store.partnerships().await.unwrap()[0].id;
    assert!(town.store.index(id).await.unwrap().iter().all(|row| row.missing_since.is_none()));
}

#[tokio::test]
async fn s03_an_ils_that_is_down_makes_no_card_and_the_next_run_goes_on() {
    let town = Town::new().open();
    town.ils.set_down(true);
    let report = town.sync(&kids(60)).await;
    assert_eq!(report.run.state, RunState::Failed);
    assert_eq!(report.run.result.counts.pending, 60);
    let (lookups, creates, _) = town.ils.take_counts();
    assert!(lookups < 60 && creates == 0, "left alone after some failures: {lookups}");
    town.ils.calm();
    let report = town.sync(&kids(60)).await;
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 60));
}

#[tokio::test]
async fn s03_a_failed_look_up_is_never_not_found() {
    let town = Town::new().open();
    let mut asked = 0;
    town.ils.script(move |service| {
        asked += 1;
        if service == "find" && asked % 3 == 0 { Mishap::LostBefore } else { Mishap::None }
    });
    let report = town.sync(&kids(9)).await;
    let counts = report.run.result.counts;
    assert_eq!((counts.create + counts.pending, report.run.state), (9, RunState::Failed));
    assert_eq!(counts.create, town.ils.patrons().len() as u64);
    town.ils.calm();
    assert_eq!(town.sync(&kids(9)).await.run.state, RunState::Done);
    assert_eq!((town.ils.patrons().len(), town.ils.duplicates()), (9, 0));
}

#[tokio::test]
async fn lost_answers_are_settled_in_the_same_run_with_the_same_number() {
    for mishap in [Mishap::LostBefore, Mishap::LostAfter, Mishap::Late(SETTLE_AFTER / 2), Mishap::NotSent] {
        for pin_with_create in [true, false] {
            let town = Town::with_range().open();
            town.ils.pin_with_create.store(pin_with_create, Ordering::Relaxed);
            let mut creates = 0;
            town.ils.script(move |service| {
                creates += u32::from(service == "create");
                if service == "create" && creates % 2 == 1 && creates <= 6 { mishap } else { Mishap::None }
            });
            let report = town.sync(&kids(6)).await;
            town.ils.calm();
            let report = if mishap == Mishap::NotSent { town.sync(&kids(6)).await } else { report };
            assert_eq!(report.run.state, RunState::Done, "{mishap:?}");
            assert_eq!(town.ils.patrons().len(), 6, "{mishap:?}");
            assert!(town.ils.patrons().iter().all(|(_, held)| held.pin.is_some() && held.pins_set == 1));
            assert_eq!(town.sync(&kids(6)).await.run.result.writes, 0);
        }
    }
}

#[tokio::test]
async fn s14_refused_pins_and_addresses_get_the_fallback_and_refused_records_are_told_once() {
    let mut town = Town::new().open();
    town.settings.rules.card.pin = PinRule::BirthDate { form: BirthDateForm::Mmdd };
    town.ils.refuse(|creation| {
        let trivial = creation.pin.as_ref().is_some_and(|pin| pin.reveal() == "0506");
        trivial.then_some((RejectionKind::Field, Some(Field::Pin)))
    });
    let report = town.sync(&kids(2)).await;
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 2));
    assert_eq!(report.run.result.findings["pin_refused"].count, 2);
    let (a, b) = (town.patron("7700000100").pin.unwrap(), town.patron("7700000101").pin.unwrap());
    assert!(a != "0506" && b != "0506" && a != b, "no PIN for all");

    let town = Town::new().open();
    town.ils.refuse(|creation| {
        let bad = creation.values.given_name.as_ref().is_some_and(|n| n.reveal() == "Given1");
        bad.then_some((RejectionKind::Field, Some(Field::GivenName)))
    });
    let report = town.sync(&kids(3)).await;
    assert_eq!((report.run.state, report.run.result.counts.reject), (RunState::DoneWithRejects, 1));
    town.ils.take_counts();
    assert_eq!(town.sync(&kids(3)).await.run.result.counts.reject, 1);
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
}

#[tokio::test]
async fn s13_an_address_that_the_ils_refuses_gives_way_to_the_fallback() {
    let mut town = Town::new().open();
    let address = |street: &str| rostercard_core::student::Address {
        street: Personal::new(street),
        zip: Personal::new("95695"),
        ..Default::default()
    };
    town.settings.rules.fields.set(Field::Address, Ownership::School);
    town.settings.rules.address.fallback = Some(address("250 First St"));
    town.ils.refuse(|creation| {
        let street = creation.values.address.as_ref().map(|a| a.street.reveal().to_owned());
        (street.as_deref() == Some("1 Elm")).then_some((RejectionKind::Field, Some(Field::Address)))
    });
    let mut source = ListSource::new(&kids(2));
    for record in &mut source.records {
        if let Record::Student(student) = record {
            student.address = rostercard_core::student::GivenAddress::Given(address("1 Elm"));
        }
    }
    let report = town.sync_source(source).await.unwrap();
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 2));
    assert_eq!(report.run.result.findings["address_refused"].count, 2);
    assert_eq!(town.patron("7700000100").values.address, Some(address("250 First St")));
}

#[tokio::test]
async fn a_target_that_refuses_the_service_is_left_alone() {
    let town = Town::new().open();
    town.ils.refuse(|_| Some((RejectionKind::Target, None)));
    let report = town.sync(&kids(600)).await;
    assert_eq!(report.run.state, RunState::Failed);
    let (_, creates, _) = town.ils.take_counts();
    assert!(creates <= 4, "{creates}");
}

#[tokio::test]
async fn not_now_is_no_refusal_of_the_record() {
    let town = Town::new().open();
    town.ils.not_now(true);
    let report = town.sync(&kids(3)).await;
    assert_eq!((report.run.state, report.run.result.counts.pending), (RunState::Failed, 3));
    town.ils.not_now(false);
    assert_eq!(town.sync(&kids(3)).await.run.result.counts.create, 3);
}

#[tokio::test]
async fn s05_a_change_by_staff_stays_and_is_said_once() {
    let mut town = Town::new().open();
    town.settings.guards.rules_changed = GuardAction::Off;
    let mut roster = kids(2);
    town.sync(&roster).await;
    town.ils.staff("7700000100", |values| values.home_branch = Some("NORTH".into()));
    // A new category by rule, and a new branch by a move: the one is written, the other stays as staff set it.
    town.settings.rules.card.category = "TEEN".into();
    roster[0].school = "B".into();
    let report = town.sync(&roster).await;
    assert_eq!(report.run.result.counts.update, 2);
    assert_eq!(report.run.result.staff_won, 1);
    let held = town.patron("7700000100").values;
    assert_eq!((held.category, held.home_branch), (Some("TEEN".into()), Some("NORTH".into())));
    assert_eq!(town.patron("7700000101").values.category, Some("TEEN".into()));
    town.ils.take_counts();
    assert_eq!(town.sync(&roster).await.run.result.staff_won, 0);
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
    // And the next wish leaves it alone again.
    roster[0].school = "C".into();
    town.sync(&roster).await;
    assert_eq!(town.patron("7700000100").values.home_branch, Some("NORTH".into()));
}

#[tokio::test]
async fn s33_a_patron_that_is_gone_is_a_question_and_never_made_again() {
    let town = Town::new().open();
    let mut roster = kids(3);
    town.sync(&roster).await;
    town.ils.staff_delete("7700000101");
    roster[1].given = "Renamed".into();
    let report = town.sync(&roster).await;
    assert_eq!((report.run.result.counts.review, report.run.state), (1, RunState::Done));
    assert_eq!(report.run.result.findings["gone"].count, 1);
    for _ in 0..3 {
        roster[1].given.push('x');
        assert_eq!(town.sync(&roster).await.run.result.counts.review, 1);
    }
    assert_eq!(town.ils.patrons().len(), 2);
}

#[tokio::test]
async fn s33_many_gone_at_once_stop_the_run_and_change_nothing() {
    let mut town = Town::new().open();
    town.settings.guards.update.action = GuardAction::Off;
    town.settings.guards.school.action = GuardAction::Off;
    let mut roster = kids(30);
    town.sync(&roster).await;
    for kid in &mut roster {
        kid.given.push('x');
        town.ils.staff_delete(&format!("77000{}", kid.id));
    }
    let report = town.sync(&roster).await;
    assert_eq!(report.run.state, RunState::Failed);
    assert!(report.run.result.error.unwrap().contains("at once"));
    let id = town.store.partnerships().await.unwrap()[0].id;
    let counts = town.store.state_counts(id).await.unwrap();
    assert_eq!(counts.iter().find(|c| c.state == LinkState::Made).map(|c| c.count), Some(30));
}

#[tokio::test]
async fn s38_changed_rules_wait_whatever_their_size() {
    let mut town = Town::new().open();
    town.sync(&kids(2)).await;
    town.settings.rules.card.category = "TEEN".into();
    let waiting = town.sync(&kids(2)).await;
    assert_eq!(waiting.run.state, RunState::Waiting);
    assert_eq!(waiting.run.result.waiting_for[0].guard, "rules_changed");
    assert_eq!(town.patron("7700000100").values.category, Some("STUDENT".into()));
    town.approve(waiting.run.id).await;
    assert_eq!(town.patron("7700000100").values.category, Some("TEEN".into()));
    assert_eq!(town.sync(&kids(2)).await.run.state, RunState::Done);
}

#[tokio::test]
async fn s36_another_endpoint_waits() {
    let town = Town::new().open();
    town.sync(&kids(2)).await;
    let mut source = ListSource::new(&kids(2));
    source.endpoint = "elsewhere".into();
    let report = town.sync_source(source).await.unwrap();
    assert_eq!(report.run.result.waiting_for[0].guard, "endpoint_changed");
    // Nothing would change, and a yes is a yes all the same; but only to the newest run.
    let elsewhere = || ListSource { endpoint: "elsewhere".into(), ..ListSource::new(&kids(2)) };
    let newer = town.sync_source(elsewhere()).await.unwrap();
    let old = town.engine().approve(report.run.id, ChangeSelection::default(), "t", None).await;
    assert!(matches!(old, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))), "{old:?}");
    assert_eq!(town.approve(newer.run.id).await.run.state, RunState::Done);
    assert_eq!(town.sync_source(elsewhere()).await.unwrap().run.state, RunState::Done);
}

#[tokio::test]
async fn s02_an_older_roster_can_be_accepted_and_an_empty_one_cannot() {
    let town = Town::new().open();
    let of = |day: &str, kids: &[support::Kid]| ListSource {
        as_of: Some(format!("2026-11-{day}T00:00:00Z").parse().unwrap()),
        ..ListSource::new(kids)
    };
    town.sync_source(of("20", &kids(30))).await.unwrap();
    let older = town.sync_source(of("10", &kids(30))).await.unwrap();
    assert_eq!(older.run.result.waiting_for[0].guard, "roster_older");
    town.approve(older.run.id).await;
    assert_eq!(town.sync_source(of("10", &kids(30))).await.unwrap().run.state, RunState::Done);
    let empty = town.sync_source(of("21", &[])).await.unwrap();
    assert_eq!(empty.run.result.waiting_for[0].guard, "roster_collapsed");
    let all = ChangeSelection::default();
    let refused = town.engine().approve(empty.run.id, all, "t", None).await;
    assert!(
        matches!(refused, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn s36_another_ils_is_refused() {
    let mut town = Town::new().open();
    town.sync(&kids(2)).await;
    town.settings.ils = "new".into();
    let error = town.sync_source(ListSource::new(&kids(2))).await.unwrap_err();
    assert!(
        matches!(&error, EngineError::OtherIls { .. }) && error.hint().contains("id = \"main\""),
        "{error}"
    );
}

#[tokio::test]
async fn s18_an_ils_with_a_rate_is_never_asked_faster() {
    let mut town = Town::new().open();
    town.settings.limits.rate = Some(4);
    let began = rostercard_engine::Clock::now(&*town.clock);
    town.sync(&kids(10)).await;
    let took = rostercard_engine::Clock::now(&*town.clock).duration_since(began);
    // 20 messages, a quarter of a second apart.
    assert_eq!(took.as_millis(), 19 * 250);
}

#[tokio::test]
async fn renewal_moves_the_expiry_once_a_year() {
    let town = Town::new().open();
    town.sync(&kids(3)).await;
    assert_eq!(town.patron("7700000100").values.expiry.unwrap().to_string(), "2027-10-01");
    town.clock.days(220);
    let report = town.sync(&kids(3)).await;
    assert_eq!((report.run.state, report.run.result.counts.renew), (RunState::Done, 3));
    assert_eq!(town.patron("7700000100").values.expiry.unwrap().to_string(), "2028-10-01");
    assert_eq!(town.sync(&kids(3)).await.run.result.counts.unchanged, 3);
}

#[tokio::test]
async fn numbers_of_a_range_are_each_issued_once_and_taken_ones_are_passed_over() {
    let town = Town::with_range().open();
    let taken = support::range().number(1).unwrap();
    town.ils.staff_add(taken.reveal(), "Stranger");
    let report = town.sync(&kids(4)).await;
    assert_eq!(report.run.result.counts.create, 4);
    assert_eq!(report.run.result.findings["range_number_taken"].count, 1);
    let ours: Vec<_> = town.ils.patrons().into_iter().filter(|(_, h)| h.writes > 0).collect();
    assert_eq!(ours.len(), 4);
    assert!(ours.iter().all(|(number, _)| *number != taken.reveal()));
}

#[tokio::test]
async fn an_approved_plan_that_was_cut_short_is_gone_on_with() {
    let town = Town::new();
    let waiting = town.sync(&kids(8)).await;
    let mut creates = 0;
    town.ils.script(move |service| {
        creates += u32::from(service == "create");
        if creates > 3 { Mishap::NotSent } else { Mishap::None }
    });
    let power = &town.ils.power;
    power.cut_after(12);
    let engine = town.engine();
    let cut = power.run(engine.approve(waiting.run.id, ChangeSelection::default(), "t", None)).await;
    assert!(cut.is_none());
    power.restore();
    town.ils.calm();
    let made = town.ils.patrons().len();
    assert!(made < 8);
    // The next night's guard need not be asked again: a person said yes to these.
    town.clock.advance(Duration::from_secs(3600));
    town.sync(&kids(8)).await;
    assert_eq!(town.ils.patrons().len(), 8);
    assert_eq!(town.store.run(waiting.run.id).await.unwrap().state, RunState::Done);
}

#[tokio::test]
async fn asked_to_stop_it_finishes_what_is_under_way_and_goes_on_later() {
    let town = Town::new().open();
    let clock: std::sync::Arc<dyn rostercard_engine::Clock> = town.clock.clone();
    let entropy = std::sync::Arc::new(Nothing);
    let world = rostercard_engine::World::new(clock, entropy, std::sync::Arc::new(rostercard_engine::Quiet));
    world.ask_to_stop();
    let engine =
        rostercard_engine::Engine::new(town.store.clone(), town.ils.clone(), town.settings.clone(), world);
    let report = engine.sync(&mut ListSource::new(&kids(5))).await.unwrap();
    assert_eq!((report.run.state, report.run.result.counts.pending), (RunState::Failed, 5));
    assert!(report.run.result.error.unwrap().contains("asked to stop"));
    assert_eq!(town.sync(&kids(5)).await.run.result.counts.create, 5);
}

struct Nothing;
impl rostercard_engine::Entropy for Nothing {
    fn fill(&self, _: &mut [u8]) {
        panic!("nothing is drawn");
    }
}

/// A drop folder's file.
fn dropped(kids: &[support::Kid], file: &str, completeness: Completeness) -> ListSource {
    ListSource { cursor: Some(Cursor(file.into())), completeness, ..ListSource::new(kids) }
}

#[tokio::test]
async fn s40_a_file_is_let_go_of_only_when_its_plan_is_settled() {
    let town = Town::new();
    let engine = town.engine();
    let mut source = dropped(&kids(3), "whole.csv", Completeness::Snapshot);
    let waiting = engine.sync(&mut source).await.unwrap();
    let waiting = engine.release_settled(waiting, &mut source).await.unwrap();
    assert_eq!((waiting.run.state, source.released.len()), (RunState::Waiting, 0));

    let one = ChangeSelection { school: Some("Nowhere".into()), ..ChangeSelection::default() };
    assert!(engine.approve(waiting.run.id, one, "t", None).await.is_err());
    let approved = engine.approve(waiting.run.id, ChangeSelection::default(), "t", None).await.unwrap();
    let approved = engine.release_settled(approved, &mut source).await.unwrap();
    assert_eq!(source.released, [Cursor("whole.csv".into())]);
    assert_eq!(approved.run.result.findings["file_archived"].count, 1);
    assert_eq!(town.store.run(approved.run.id).await.unwrap().result, approved.run.result);

    // The same file read once more, as after a crash between the two: nothing to do, and it is let go of.
    let mut again = dropped(&kids(3), "whole.csv", Completeness::Snapshot);
    let done = engine.sync(&mut again).await.unwrap();
    engine.release_settled(done, &mut again).await.unwrap();
    assert_eq!(again.released.len(), 1);
}

#[tokio::test]
async fn a_file_is_kept_while_nothing_could_be_done_for_some_of_its_people() {
    let town = Town::new().open();
    let engine = town.engine();
    let mut roster = kids(2);
    roster.push(kid("00900", "Bea", "Other", "Unknown"));
    let mut source = dropped(&roster, "whole.csv", Completeness::Snapshot);
    let done = engine.sync(&mut source).await.unwrap();
    assert_eq!((done.run.result.counts.create, done.run.result.counts.pending), (2, 1));
    let kept = engine.release_settled(done, &mut source).await.unwrap();
    assert!(source.released.is_empty());
    assert_eq!(kept.run.result.findings["roster_kept"].count, 1);
}

#[tokio::test]
async fn a_file_whose_plan_a_person_dropped_is_let_go_of() {
    let town = Town::new();
    let engine = town.engine();
    let mut source = dropped(&kids(2), "wrong.csv", Completeness::Snapshot);
    let waiting = engine.sync(&mut source).await.unwrap();
    let dropped = engine.discard(waiting.run.id, ChangeSelection::default(), "t").await.unwrap();
    engine.release_settled(dropped, &mut source).await.unwrap();
    assert_eq!(source.released.len(), 1);
}

#[tokio::test]
async fn a_file_stays_when_the_ils_failed() {
    let town = Town::new().open();
    let engine = town.engine();
    town.ils.set_down(true);
    let mut source = dropped(&kids(2), "whole.csv", Completeness::Snapshot);
    let failed = engine.sync(&mut source).await.unwrap();
    assert_eq!(failed.run.state, RunState::Failed);
    engine.release_settled(failed, &mut source).await.unwrap();
    assert!(source.released.is_empty());
}

#[tokio::test]
async fn s40_additions_make_nobody_absent() {
    let town = Town::new().open();
    town.sync(&kids(30)).await;
    let mut roster = vec![kid("00900", "Bea", "Other", "B")];
    for day in 0..40 {
        town.clock.days(1);
        let source = dropped(&roster, "january.csv", Completeness::Delta);
        let report = town.sync_source(source).await.unwrap();
        assert_eq!(report.run.state, RunState::Done, "{:?}", report.run.result.waiting_for);
        let counts = &report.run.result.counts;
        assert_eq!((counts.create, counts.lapse), (u64::from(day == 0), 0));
        assert_eq!((counts.students, report.run.result.absent), (31, 0));
    }
    roster.clear();
    assert_eq!(town.ils.patrons().len(), 31);
}

#[tokio::test]
async fn an_empty_drop_folder_leaves_the_last_plan_as_it_is() {
    let town = Town::new();
    let waiting = town.sync(&kids(2)).await;
    let nothing = ListSource { completeness: Completeness::Delta, ..ListSource::new(&[]) };
    let report = town.sync_source(nothing).await.unwrap();
    assert_eq!((report.run.state, report.run.result.roster), (RunState::Done, 0));
    let approved = town.approve(waiting.run.id).await;
    assert_eq!((approved.run.state, approved.run.result.counts.create), (RunState::Done, 2));
    // And it is not an old roster either: the next whole one is compared with the last whole one.
    let again = town.sync(&kids(2)).await;
    assert_eq!(again.run.state, RunState::Done);
}

/// Teachers get a card of their own kind.
fn with_educators(town: &mut Town) {
    let rules = &mut town.settings.rules;
    rules.eligible.roles.push(Role::Educator);
    rules.card_for.push(CardFor {
        selector: Selector { roles: Some(vec![Role::Educator]), ..Selector::default() },
        patch: CardPatch {
            model: Some(CardModel::Educator),
            category: Some("TEACHER".into()),
            ..CardPatch::default()
        },
    });
}

fn teacher(id: &str, schools: &[&str]) -> Record {
    let mut student = kid(id, "Toni", "Teacher", schools[0]).student();
    student.role = Role::Educator;
    student.grade = None;
    student.schools = schools.iter().map(|name| support::school(name)).collect();
    Record::Student(Box::new(student))
}

#[tokio::test]
async fn s16_a_teacher_of_several_schools_gets_one_card_of_the_right_kind() {
    let mut town = Town::new().open();
    with_educators(&mut town);
    let roster = |schools: &[&str]| {
        let mut source = ListSource::new(&kids(1));
        source.records.push(teacher("90001", schools));
        source
    };
    let report = town.sync_source(roster(&["A", "B"])).await.unwrap();
    assert_eq!((report.run.state, report.run.result.counts.create), (RunState::Done, 2));
    let values = |number: &str| town.patron(number).values;
    assert_eq!(values("7700090001").category, Some("TEACHER".into()));
    assert_eq!(values("7700090001").home_branch, Some("MAIN".into()));
    assert_eq!(values("7700000100").category, Some("STUDENT".into()));
    // The other way round in the next roster is the same teacher at another first school: a change, and no second card.
    let moved = town.sync_source(roster(&["B", "A"])).await.unwrap();
    assert_eq!((moved.run.result.counts.update, town.ils.patrons().len()), (1, 2));
    assert_eq!(values("7700090001").home_branch, Some("EAST".into()));
}

#[tokio::test]
async fn s16_an_account_of_the_librarys_own_is_never_touched() {
    let mut town = Town::new().open();
    with_educators(&mut town);
    town.ils.staff_add("7700090001", "Librarian");
    let before = town.patron("7700090001").values;
    for _ in 0..2 {
        let mut source = ListSource::new(&kids(1));
        source.records.push(teacher("90001", &["A"]));
        let report = town.sync_source(source).await.unwrap();
        assert_eq!(report.run.result.counts.review, 1);
        town.clock.days(1);
    }
    let held = town.patron("7700090001");
    assert_eq!((held.values, held.writes, held.pins_set), (before, 0, 0));
}

fn pause(town: &Town, scope: PauseScope, days: i64) -> NewPause {
    let now = town.clock.now();
    let until = now + jiff::SignedDuration::from_hours(24 * days);
    NewPause { scope, since: now, until, reason: "the ILS is upgraded".into(), who: "pat".into() }
}

#[tokio::test]
async fn s37_while_paused_nothing_is_asked_and_nothing_written() {
    let town = Town::new().open();
    town.sync(&kids(2)).await;
    town.ils.take_counts();
    town.store.pause(pause(&town, PauseScope::Ils("main".into()), 3)).await.unwrap();
    let refused = town.engine().sync(&mut ListSource::new(&kids(3))).await;
    let Err(error @ EngineError::Paused { .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(
        error.to_string(),
        "partnership woodland is paused until 2026-11-27 04:30: the ILS is upgraded"
    );
    assert_eq!(town.ils.take_counts(), (0, 0, 0));
    // A plan writes nothing, and can be made; approving it can not.
    let planned = town.plan(&kids(3)).await;
    let refused = town.engine().approve(planned.run.id, ChangeSelection::default(), "t", None).await;
    assert!(matches!(refused, Err(EngineError::Paused { .. })), "{refused:?}");
    // Another partnership's pause, and one that is over, are none.
    town.store.resume(&PauseScope::Ils("main".into()), town.clock.now(), "pat").await.unwrap();
    town.store.pause(pause(&town, PauseScope::Partnership("other".into()), 90)).await.unwrap();
    assert_eq!(town.sync(&kids(3)).await.run.result.counts.create, 1);
}

#[tokio::test]
async fn s37_the_grace_stands_still_and_the_first_run_after_starts_small() {
    let town = Town::new().open();
    town.sync(&kids(100)).await;
    let stayed = &kids(100)[..95];
    for _ in 0..5 {
        town.clock.days(1);
        town.sync(stayed).await;
    }
    town.store.pause(pause(&town, PauseScope::Everything, 30)).await.unwrap();
    town.clock.days(30);
    // Many newcomers have piled up: they wait, all of them, though the guard for new cards is off.
    let mut now = stayed.to_vec();
    now.extend((0..40).map(|i| kid(&format!("{:05}", 800 + i), "New", &format!("Comer{i}"), "A")));
    let first = town.sync(&now).await;
    assert_eq!(first.run.state, RunState::Waiting);
    assert_eq!(first.run.result.waiting_for[0].guard, "after_pause");
    assert_eq!((first.run.result.counts.waiting, first.run.result.counts.lapse), (40, 0));
    town.clock.days(1);
    // Neither new PINs nor an empty drop folder are a look at it.
    town.engine().reissue_pins(&[Personal::new("00100")], "pat").await.unwrap();
    let nothing = ListSource { completeness: Completeness::Delta, ..ListSource::new(&[]) };
    assert_eq!(town.sync_source(nothing).await.unwrap().run.state, RunState::Done);
    let again = town.sync(&now).await;
    assert_eq!(again.run.result.waiting_for[0].guard, "after_pause", "it waits until somebody has looked");
    assert_eq!(town.approve(again.run.id).await.run.state, RunState::Done);
    // 14 days of grace: 4 before the pause, and 10 whole days after the one on which it ended.
    let mut lapsed_after = 0;
    for day in 2..20 {
        town.clock.days(1);
        let report = town.sync(&now).await;
        assert_eq!(report.run.state, RunState::Done, "{:?}", report.run.result.waiting_for);
        if report.run.result.counts.lapse > 0 {
            assert_eq!(report.run.result.counts.lapse, 5);
            lapsed_after = day;
            break;
        }
    }
    assert_eq!(lapsed_after, 11);
}

#[tokio::test]
async fn a_plan_that_goes_on_leaves_what_is_in_doubt_to_be_settled() {
    let town = Town::new();
    let waiting = town.sync(&kids(8)).await;
    let (mut creates, mut lost) = (0, false);
    town.ils.script(move |service| {
        creates += u32::from(service == "create");
        // The first answer is lost, and from then on nobody can look it up.
        lost |= service == "create" && creates == 1;
        match (service, creates) {
            ("create", 1) => Mishap::LostAfter,
            ("find", _) if lost => Mishap::NotSent,
            _ => Mishap::None,
        }
    });
    let cut = town.approve(waiting.run.id).await;
    assert_eq!(cut.run.state, RunState::Failed);
    // The look-up that would settle it fails once more; then it is there. The others are made all the same.
    let mut first = true;
    town.ils.script(move |service| {
        let now = std::mem::take(&mut first);
        if now && service == "find" { Mishap::NotSent } else { Mishap::None }
    });
    town.clock.advance(Duration::from_secs(3600));
    let report = town.sync(&kids(8)).await;
    assert_eq!((report.run.state, town.ils.patrons().len()), (RunState::Done, 8), "{:?}", report.run.result);
    town.ils.calm();
    assert!(town.ils.patrons().iter().all(|(_, held)| held.writes == 1));
}
