//! The model oracle: whatever goes wrong in whatever order, the ILS ends up as the model says.
//!
//! A small model of a district and a library is run against the true engine: rosters that change, an ILS that loses
//! answers or commits late, power cuts at any step of the store or the wire. Afterwards all is calm, one more run is
//! made, and then: exactly one patron a student, with the right branch and name, a PIN set once, nobody made twice.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use rostercard_core::guard::GuardAction;
use rostercard_core::plan::RunState;
use rostercard_store::Store;
use support::crash::CrashStore;
use support::ils::Mishap;
use support::{Kid, ListSource, SETTLE_AFTER, Town, kid, kids};

fn calm_guards(mut town: Town) -> Town {
    let off = GuardAction::Off;
    let guards = &mut town.settings.guards;
    guards.first_connection = off;
    guards.roster_collapse.action = off;
    guards.school_collapse.action = off;
    for limit in [&mut guards.create, &mut guards.update, &mut guards.school, &mut guards.restore] {
        limit.action = off;
    }
    town
}

/// One run whose power is cut after so many steps; whether it came to its end.
async fn run_until(town: &Town, roster: &[Kid], steps: i64) -> bool {
    let power = Arc::clone(&town.ils.power);
    power.cut_after(steps);
    let store = CrashStore { inner: Arc::clone(&town.store) as Arc<dyn Store>, power: Arc::clone(&power) };
    let engine = town.engine_over(Arc::new(store));
    let ended = power.run(async { engine.sync(&mut ListSource::new(roster)).await }).await;
    drop(engine);
    power.restore();
    ended.is_some()
}

/// All is calm; the roster is synced until nothing changes, and the ILS is as the model says.
async fn settle_and_check(town: &Town, roster: &[Kid], everybody: &BTreeMap<String, Kid>, context: &str) {
    town.ils.calm();
    town.clock.advance(SETTLE_AFTER * 2);
    let mut report = town.sync(roster).await;
    for _ in 0..3 {
        if report.run.state == RunState::Done && report.run.result.writes == 0 {
            break;
        }
        report = town.sync(roster).await;
    }
    assert_eq!(report.run.state, RunState::Done, "{context}: {:?}", report.run.result);
    assert_eq!(report.run.result.writes, 0, "{context}: it never comes to rest");

    // No create was sent but after a look-up that found its number free, and none while an earlier one of the same
    // number could still land.
    assert_eq!(town.ils.unproven(), 0, "{context}: a create without a look-up that found its number free");
    assert_eq!(town.ils.duplicates(), 0, "{context}: the ILS was sent a create twice");

    let patrons = town.ils.patrons();
    let mut by_student: BTreeMap<String, Vec<&support::ils::Held>> = BTreeMap::new();
    for (_, held) in &patrons {
        let id = held.values.student_id.as_ref().unwrap().reveal().to_owned();
        by_student.entry(id).or_default().push(held);
    }
    for (id, held) in &by_student {
        assert!(everybody.contains_key(id), "{context}: a card for nobody");
        assert_eq!(held.len(), 1, "{context}: {} cards for one student", held.len());
        assert_eq!(held[0].pins_set, 1, "{context}: a PIN was set {} times", held[0].pins_set);
    }
    for kid in roster {
        let held = by_student.get(&kid.id).unwrap_or_else(|| panic!("{context}: no card for {}", kid.id));
        let values = &held[0].values;
        assert_eq!(values.given_name.as_ref().unwrap().reveal(), kid.given, "{context}");
        let branch = match kid.school.as_str() {
            "A" => "MAIN",
            "B" => "EAST",
            _ => "WEST",
        };
        assert_eq!(values.home_branch, Some(branch.into()), "{context}");
    }
    // What the ledger holds as a PIN to hand out is what the ILS has: as many as cards.
    let id = town.store.partnerships().await.unwrap()[0].id;
    assert_eq!(town.store.pins_waiting(id).await.unwrap(), patrons.len() as u64, "{context}");
    assert!(town.store.open_intents(id).await.unwrap().is_empty(), "{context}");
}

fn known(kids: &[Kid]) -> BTreeMap<String, Kid> {
    kids.iter().map(|k| (k.id.clone(), k.clone())).collect()
}

fn town(range: bool, pin_with_create: bool) -> Town {
    let town = calm_guards(if range { Town::with_range() } else { Town::new() });
    town.ils.pin_with_create.store(pin_with_create, Ordering::Relaxed);
    town
}

/// Power cuts at every single step of a first load and of a day with every kind of change, with an ILS that behaves,
/// one that commits late, and one that loses answers.
#[tokio::test]
async fn s01_a_power_cut_at_every_step() {
    let before = kids(4);
    let mut after = before.clone();
    after[0].school = "B".into();
    after[1].given = "Corrected".into();
    after.push(kid("00900", "New", "Comer", "C"));
    let mishaps = [Mishap::None, Mishap::Late(SETTLE_AFTER - Duration::from_secs(1)), Mishap::LostAfter];
    let mut cuts = 0;
    for range in [false, true] {
        for pin_with_create in [true, false] {
            for mishap in mishaps {
                for second_day in [false, true] {
                    let mut step = 0;
                    loop {
                        let town = town(range, pin_with_create);
                        let roster = if second_day {
                            town.sync(&before).await;
                            &after
                        } else {
                            &before
                        };
                        let mut messages = 0;
                        town.ils.script(move |service| {
                            messages += u32::from(service != "find");
                            if service != "find" && messages % 2 == 1 && messages < 6 {
                                mishap
                            } else {
                                Mishap::None
                            }
                        });
                        let ended = run_until(&town, roster, step).await;
                        let context = format!(
                            "range={range} pin={pin_with_create} {mishap:?} day={second_day} step={step}"
                        );
                        settle_and_check(&town, roster, &known(&after), &context).await;
                        cuts += i32::from(!ended);
                        if ended {
                            break;
                        }
                        step += 1;
                    }
                    assert!(step > 20, "the power was cut {step} times only");
                }
            }
        }
    }
    assert!(cuts > 1_000, "{cuts} power cuts");
}

/// One event of a random history.
#[derive(Debug, Clone)]
enum Event {
    /// A run; the power is cut after so many steps, if at all.
    Run(Option<u16>),
    /// Students come.
    Come(u8),
    /// A student leaves.
    Leave(u8),
    /// A student who left comes back.
    Return,
    /// A student moves to another school.
    Move(u8, u8),
    /// A name is corrected.
    Rename(u8),
    /// Time passes, in minutes.
    Wait(u16),
    /// From now on, every so many messages meet with a mishap.
    Trouble(u8, u8),
    /// The ILS goes down, or up.
    Down(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => proptest::option::of(0u16..120).prop_map(Event::Run),
        2 => (1u8..4).prop_map(Event::Come),
        1 => any::<u8>().prop_map(Event::Leave),
        1 => Just(Event::Return),
        1 => (any::<u8>(), 0u8..3).prop_map(|(who, school)| Event::Move(who, school)),
        1 => any::<u8>().prop_map(Event::Rename),
        1 => (0u16..4_000).prop_map(Event::Wait),
        2 => (2u8..6, 0u8..5).prop_map(|(every, what)| Event::Trouble(every, what)),
        1 => any::<bool>().prop_map(Event::Down),
    ]
}

async fn live(events: Vec<Event>, range: bool, pin_with_create: bool) {
    let town = town(range, pin_with_create);
    let mut roster = kids(3);
    let mut everybody = known(&roster);
    let mut left: Vec<Kid> = Vec::new();
    let mut next = 200;
    for event in &events {
        match event {
            Event::Run(steps) => {
                run_until(&town, &roster, steps.map_or(i64::MAX, i64::from)).await;
            }
            Event::Come(count) => {
                for _ in 0..*count {
                    next += 1;
                    let new = kid(&format!("{next:05}"), &format!("Given{next}"), "Comer", "A");
                    everybody.insert(new.id.clone(), new.clone());
                    roster.push(new);
                }
            }
            Event::Leave(who) if roster.len() > 1 => {
                let at = usize::from(*who) % roster.len();
                left.push(roster.remove(at));
            }
            Event::Return => roster.extend(left.pop()),
            Event::Move(who, school) => {
                let at = usize::from(*who) % roster.len();
                roster[at].school = ["A", "B", "C"][usize::from(*school)].into();
            }
            Event::Rename(who) => {
                let at = usize::from(*who) % roster.len();
                roster[at].given.push('x');
            }
            Event::Leave(_) => {}
            Event::Wait(minutes) => town.clock.advance(Duration::from_secs(u64::from(*minutes) * 60)),
            Event::Trouble(every, what) => {
                let mishap = [
                    Mishap::NotSent,
                    Mishap::LostBefore,
                    Mishap::LostAfter,
                    Mishap::Late(SETTLE_AFTER / 2),
                    Mishap::Late(SETTLE_AFTER - Duration::from_millis(1)),
                ][usize::from(*what)];
                let (every, mut messages) = (u32::from(*every), 0);
                town.ils.script(move |_| {
                    messages += 1;
                    if messages % every == 0 { mishap } else { Mishap::None }
                });
            }
            Event::Down(down) => town.ils.set_down(*down),
        }
    }
    let context = format!("range={range} pin={pin_with_create} {events:?}");
    settle_and_check(&town, &roster, &everybody, &context).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn s01_s03_random_histories_end_with_one_card_each(
        events in proptest::collection::vec(event(), 1..25),
        range in any::<bool>(),
        pin_with_create in any::<bool>(),
    ) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(live(events, range, pin_with_create));
    }
}
