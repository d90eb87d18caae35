//! What faults cost: a first load of 40,000 students where every twentieth answer of the ILS is lost, half of them with the
//! write done and half without, and where the program is killed in the middle; counted in messages to the ILS, beside the
//! same load without a fault. No card may be made twice, and none may be missing.
//!
//! `cargo bench -p rostercard-engine --bench fault_cost`; `STUDENTS=4000` makes it shorter.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and stops at the first surprise"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;

use rostercard_core::guard::GuardAction;
use rostercard_core::plan::RunState;
use rostercard_store::Store;
use support::crash::CrashStore;
use support::ils::Mishap;
use support::{Kid, ListSource, SETTLE_AFTER, Town, kids};

/// Every so many-th write loses its answer.
const EVERY: u64 = 20;

#[expect(clippy::disallowed_methods, reason = "a bench is told by the environment how long it may take")]
fn students() -> usize {
    std::env::var("STUDENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(40_000)
}

fn town() -> Town {
    let mut town = Town::new().open();
    town.settings.guards.create.action = GuardAction::Off;
    town.settings.guards.school.action = GuardAction::Off;
    town.settings.limits.connections = 8;
    town
}

/// One run; it is killed after so many steps of the store and the wire, where that is said.
async fn run(town: &Town, people: &[Kid], killed_after: Option<i64>) -> bool {
    let power = Arc::clone(&town.ils.power);
    power.cut_after(killed_after.unwrap_or(i64::MAX));
    let store = CrashStore { inner: Arc::clone(&town.store) as Arc<dyn Store>, power: Arc::clone(&power) };
    let engine = town.engine_over(Arc::new(store));
    let ended = power.run(async { engine.sync(&mut ListSource::new(people)).await }).await.is_some();
    drop(engine);
    power.restore();
    ended
}

/// Runs until nothing is left to do; how many messages the ILS got: look-ups, creates.
async fn load(people: &[Kid], faults: bool) -> (u64, u64) {
    let town = town();
    if faults {
        let mut writes = 0;
        town.ils.script(move |service| {
            if service != "create" {
                return Mishap::None;
            }
            writes += 1;
            match (writes % EVERY, writes / EVERY % 2) {
                (0, 0) => Mishap::LostAfter,
                (0, _) => Mishap::LostBefore,
                _ => Mishap::None,
            }
        });
        // In the middle of the load: a create is a dozen steps of the store and the wire.
        let ended = run(&town, people, Some(people.len() as i64 * 4)).await;
        assert!(!ended, "it was to be killed in the middle");
        let made = town.ils.patrons().len();
        println!("killed when {made} of {} cards were made", people.len());
        assert!(made > people.len() / 10 && made < people.len() * 9 / 10);
    }
    for _ in 0..6 {
        town.clock.advance(SETTLE_AFTER * 2);
        run(&town, people, None).await;
        let last = town.store.runs(None, 1).await.unwrap().remove(0);
        if last.state == RunState::Done && last.result.writes == 0 {
            break;
        }
    }
    assert_eq!(town.ils.patrons().len(), people.len(), "every student has a card");
    assert_eq!((town.ils.duplicates(), town.ils.unproven()), (0, 0), "none was made twice");
    let (lookups, creates, _) = town.ils.take_counts();
    (lookups, creates)
}

fn main() {
    let people = kids(students());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (lookups, creates) = runtime.block_on(load(&people, false));
    println!("without a fault: {lookups} look-ups and {creates} creates for {} students", people.len());
    let (with_lookups, with_creates) = runtime.block_on(load(&people, true));
    let (before, after) = (lookups + creates, with_lookups + with_creates);
    let more = (after - before) as f64 * 100.0 / before as f64;
    println!(
        "with 5 % of the answers lost and one kill: {with_lookups} look-ups and {with_creates} creates: {more:.1} % more"
    );
    println!("none twice, none missing; at most 10 % more is the aim");
    assert!(more < 10.0, "faults cost {more:.1} %");
}
