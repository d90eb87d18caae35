//! New PINs for cards that are there: only for our own, journalled, and never twice.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rostercard_core::plan::RunState;
use rostercard_core::ports::Completeness;
use rostercard_core::privacy::Personal;
use rostercard_core::rules::pin::PinRule;
use rostercard_engine::{Clock as _, EngineError, SelectionError, person_key};
use rostercard_store::Store;
use rostercard_store::rows::ChangeSelection;
use support::crash::CrashStore;
use support::ils::Mishap;
use support::{ListSource, SETTLE_AFTER, Town, kids};

fn ids(numbers: std::ops::Range<u32>) -> Vec<Personal> {
    numbers.map(|n| Personal::new(format!("{:05}", 100 + n))).collect()
}

fn last(barcode: &str) -> String {
    barcode.chars().skip(7).collect()
}

/// The PIN that each card has in the ILS, by the last three digits of its number.
fn in_the_ils(town: &Town) -> BTreeMap<String, String> {
    let pins = town.ils.patrons().into_iter();
    pins.map(|(barcode, held)| (last(&barcode), held.pin.unwrap())).collect()
}

/// What the store would hand out, under the same keys.
async fn kept(town: &Town) -> BTreeMap<String, String> {
    let id = town.store.partnerships().await.unwrap()[0].id;
    let mut pins = BTreeMap::new();
    for kept in town.store.pins(id).await.unwrap() {
        let link = town.store.links(id, &[kept.person]).await.unwrap().pop().unwrap();
        let barcode = link.data.barcode.unwrap();
        pins.insert(last(barcode.reveal()), kept.pin.reveal().to_owned());
    }
    pins
}

#[tokio::test]
async fn s14_a_new_pin_is_set_kept_and_handed_out_anew() {
    let town = Town::new().open();
    town.sync(&kids(3)).await;
    let before = in_the_ils(&town);
    let id = town.store.partnerships().await.unwrap()[0].id;
    let key = |n: &str| person_key(town.store.digest_key(), "woodland", &Personal::new(n));
    let everybody = [key("00100"), key("00101"), key("00102")];
    town.store.export_pins(id, &everybody, "2026-11-24T08:00:00Z".parse().unwrap(), "pat").await.unwrap();

    let report = town.engine().reissue_pins(&ids(0..2), "pat").await.unwrap();
    support::assert_adds_up(&report);
    assert_eq!((report.run.state, report.run.result.counts.update), (RunState::Done, 2));
    assert_eq!(report.run.kind, "pins");
    assert_eq!(town.store.decisions(report.run.id).await.unwrap()[0].what, "reissue");
    let after = in_the_ils(&town);
    assert_eq!(after["102"], before["102"]);
    assert!(after["100"] != before["100"] && after["101"] != before["101"], "{before:?} {after:?}");
    assert_eq!(kept(&town).await, after);
    let batches: Vec<_> = town.store.pins(id).await.unwrap().iter().map(|p| p.batch.is_some()).collect();
    assert_eq!(
        batches.iter().filter(|exported| **exported).count(),
        1,
        "the two new ones were not handed out"
    );

    // A sync never sets one again, whatever happens to the card.
    let mut moved = kids(3);
    moved[0].school = "B".into();
    town.sync(&moved).await;
    assert_eq!(in_the_ils(&town), after);
}

#[tokio::test]
async fn where_one_card_cannot_get_a_pin_none_does() {
    let town = Town::new().open();
    town.sync(&kids(2)).await;
    let before = in_the_ils(&town);
    let refused = town.engine().reissue_pins(&ids(0..3), "pat").await;
    let Err(EngineError::Selection(SelectionError::NoNewPin { position, why })) = refused else {
        unreachable!("{refused:?}")
    };
    assert_eq!((position, why.as_str()), (3, "the ledger has no card for this student id"));
    assert_eq!(in_the_ils(&town), before);

    let mut none = Town::new().open();
    none.settings.rules.card.pin = PinRule::None;
    none.sync(&kids(1)).await;
    assert!(none.engine().reissue_pins(&ids(0..1), "pat").await.is_err());
}

#[tokio::test]
async fn many_new_pins_wait_for_approval() {
    let mut town = Town::new().open();
    town.settings.pins.reissue_at_once = 2;
    town.sync(&kids(3)).await;
    let before = in_the_ils(&town);
    let waiting = town.engine().reissue_pins(&ids(0..3), "pat").await.unwrap();
    support::assert_adds_up(&waiting);
    assert_eq!((waiting.run.state, waiting.run.result.counts.waiting), (RunState::Waiting, 3));
    assert_eq!(waiting.run.result.waiting_for[0].guard, "pin_reissue");
    assert_eq!(in_the_ils(&town), before);
    let done = town.approve(waiting.run.id).await;
    assert_eq!((done.run.state, done.run.result.counts.update), (RunState::Done, 3));
    assert_eq!(kept(&town).await, in_the_ils(&town));
    assert!(before.iter().all(|(card, pin)| in_the_ils(&town)[card] != *pin));

    // The next sync drops what nobody approved.
    let waiting = town.engine().reissue_pins(&ids(0..3), "pat").await.unwrap();
    town.sync(&kids(3)).await;
    let late = town.engine().approve(waiting.run.id, ChangeSelection::default(), "t", None).await;
    assert!(matches!(late, Err(EngineError::Selection(SelectionError::NothingWaits { .. }))), "{late:?}");
}

#[tokio::test]
async fn a_patron_that_is_gone_gets_no_pin_and_is_told() {
    let town = Town::new().open();
    town.sync(&kids(2)).await;
    town.ils.staff_delete("7700000100");
    let report = town.engine().reissue_pins(&ids(0..2), "pat").await.unwrap();
    support::assert_adds_up(&report);
    assert_eq!((report.run.result.counts.update, report.run.result.counts.review), (1, 1));
    assert_eq!(report.run.result.findings["pin_not_set"].count, 1);
}

/// Whenever the power is cut, and whatever becomes of the answers: in the end the store hands out the PIN that the card has.
#[tokio::test]
async fn a_power_cut_at_every_step_of_new_pins() {
    for mishap in [Mishap::None, Mishap::LostBefore, Mishap::LostAfter, Mishap::NotSent] {
        for with_create in [true, false] {
            for steps in 0..200 {
                let town = Town::new().open();
                town.ils.pin_with_create.store(with_create, Ordering::Relaxed);
                town.sync(&kids(2)).await;
                town.ils.script(move |service| if service == "set_pin" { mishap } else { Mishap::None });
                let power = Arc::clone(&town.ils.power);
                power.cut_after(steps);
                let inner = Arc::clone(&town.store) as Arc<dyn Store>;
                let engine = town.engine_over(Arc::new(CrashStore { inner, power: Arc::clone(&power) }));
                let ended = power.run(async { engine.reissue_pins(&ids(0..2), "pat").await }).await;
                drop(engine);
                power.restore();
                town.ils.calm();
                town.clock.advance(SETTLE_AFTER * 2);
                let report = town.sync_source(ListSource::new(&kids(2))).await.unwrap();
                let context = format!("{mishap:?}, with the create: {with_create}, cut after {steps}");
                assert_eq!(report.run.state, RunState::Done, "{context}: {:?}", report.run.result);
                assert_eq!(kept(&town).await, in_the_ils(&town), "{context}");
                if ended.is_some() {
                    break;
                }
                assert!(steps < 199, "{context}: it never came to its end");
            }
        }
    }
}

#[tokio::test]
async fn what_was_handed_out_long_ago_is_forgotten_also_without_a_new_roster() {
    let town = Town::new().open();
    town.sync(&kids(2)).await;
    let id = town.store.partnerships().await.unwrap()[0].id;
    let one = person_key(town.store.digest_key(), "woodland", &Personal::new("00100"));
    town.store.export_pins(id, &[one], town.clock.now(), "pat").await.unwrap();
    for (days, left) in [(29, 2), (2, 1), (300, 1)] {
        town.clock.days(days);
        let nothing = ListSource { completeness: Completeness::Delta, ..ListSource::new(&[]) };
        town.sync_source(nothing).await.unwrap();
        // The one that nobody handed out stays.
        assert_eq!(town.store.pins_waiting(id).await.unwrap(), left, "after {days} more days");
    }
}
