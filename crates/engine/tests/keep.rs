//! What a sync lets go of, and what it does after a backup was restored.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rostercard_core::plan::{ChangeState, RunState};
use rostercard_engine::{Clock as _, Keep, person_key};
use rostercard_store::rows::PartnershipId;
use rostercard_store::{Entropy, RestoreAsked, SqliteStore, Store, StoreKey};
use support::{Kid, ListSource, Town, kids};

/// A roster that breaks off before anybody is in it.
fn broken() -> ListSource {
    ListSource { fails_after: Some(0), ..ListSource::new(&kids(2)) }
}

async fn partnership(town: &Town) -> PartnershipId {
    town.store.partnerships().await.unwrap()[0].id
}

/// Whether anything that was there before an update, or that a plan wanted, is still kept of the first child.
async fn kept(town: &Town, student_id: &str) -> (bool, bool) {
    let id = rostercard_core::privacy::Personal::new(student_id);
    let person = person_key(town.store.digest_key(), "woodland", &id);
    let held = town.store.held(partnership(town).await, person).await.unwrap();
    let before = held.writes.iter().any(|write| write.before.is_some());
    (before, held.changes.iter().any(|change| !change.spool.is_empty()))
}

#[tokio::test]
async fn before_values_go_when_a_run_can_no_longer_be_undone() {
    let town = Town::new().open();
    let mut roster = kids(3);
    town.sync(&roster).await;
    roster[0].given = "Zoë".into();
    assert_eq!(town.sync(&roster).await.run.result.counts.update, 1);
    assert_eq!(kept(&town, "00100").await, (true, false));
    town.clock.days(13);
    town.sync(&roster).await;
    assert_eq!(kept(&town, "00100").await, (true, false), "13 days");
    town.clock.days(2);
    town.sync(&roster).await;
    assert_eq!(kept(&town, "00100").await, (false, false), "15 days");
}

#[tokio::test]
async fn what_an_expired_plan_wanted_goes_by_itself() {
    let town = Town::new();
    let waiting = town.sync(&kids(2)).await;
    assert_eq!(waiting.run.state, RunState::Waiting);
    assert_eq!(kept(&town, "00100").await, (false, true));
    // No roster comes any more, and still nothing is kept that nobody can approve.
    town.clock.days(6);
    assert!(town.sync_source(broken()).await.is_err());
    assert_eq!(kept(&town, "00100").await, (false, true), "it may still be approved");
    town.clock.days(2);
    assert!(town.sync_source(broken()).await.is_err());
    assert_eq!(kept(&town, "00100").await, (false, false));
    let counts = town.store.change_counts(waiting.run.id).await.unwrap();
    assert!(counts.iter().all(|count| count.state == ChangeState::Waiting));
}

#[tokio::test]
async fn runs_go_after_their_days_and_their_counts_stay() {
    let town = Town::new().open();
    let sync = async |count: usize| {
        let engine = town.engine().keeping(Keep { undo_days: 14, run_days: 100 });
        engine.sync(&mut ListSource::new(&kids(count))).await.unwrap()
    };
    let first = sync(3).await.run.id;
    town.clock.days(60);
    let second = sync(4).await.run.id;
    town.clock.days(60);
    let third = sync(4).await.run.id;
    let runs: Vec<_> = town.store.runs(None, 10).await.unwrap().iter().map(|run| run.id).collect();
    assert_eq!(runs, [third, second], "and not {first}");
    let years = town.store.years().await.unwrap();
    assert_eq!((years.len(), years[0].year, years[0].runs, years[0].created), (1, 2026, 1, 3));
    assert_eq!(town.store.index(partnership(&town).await).await.unwrap().len(), 4, "no card was lost");
}

// ---- a restored store ----

fn on_a_file(town: &mut Town, path: &Path) {
    town.store = Arc::new(SqliteStore::open_writer(path, &key(), entropy()).unwrap());
}

fn key() -> StoreKey {
    StoreKey::new([7; 32])
}

fn entropy() -> Arc<dyn Entropy> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(|bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(8) {
            let next = NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            let length = chunk.len();
            chunk.copy_from_slice(&next[..length]);
        }
        Ok(())
    })
}

/// A town whose store is restored from a backup that was made before the last three cards.
async fn restored(mut town: Town, folder: &Path, roster: &[Kid]) -> Town {
    let (path, copy) = (folder.join("store.db"), folder.join("copy.db"));
    on_a_file(&mut town, &path);
    town.sync(&roster[..5]).await;
    SqliteStore::backup(&path, &key(), &copy, town.clock.now()).unwrap();
    town.clock.days(1);
    assert_eq!(town.sync(roster).await.run.result.counts.create, 3);
    town.clock.days(1);
    town.store = Arc::new(SqliteStore::open_in_memory(&key(), entropy()).unwrap());
    let asked =
        RestoreAsked { at: town.clock.now(), who: "pat".into(), decisions: Vec::new(), anyway: false };
    let done = SqliteStore::restore(&copy, &path, &key(), entropy(), &asked).unwrap();
    assert_eq!(done.cards, 5);
    town.clock.days(1);
    on_a_file(&mut town, &path);
    town
}

#[tokio::test]
async fn s27_the_first_run_after_a_restore_waits_and_no_second_card_is_made() {
    for town in [Town::new().open(), Town::with_range().open()] {
        let folder = tempfile::tempdir().unwrap();
        let roster = kids(8);
        let town = restored(town, folder.path(), &roster).await;
        town.ils.take_counts();
        let waiting = town.sync(&roster).await;
        assert_eq!(waiting.run.state, RunState::Waiting);
        let why = &waiting.run.result.waiting_for[0];
        assert_eq!((why.guard.as_str(), why.found), ("after_restore", 3));
        assert!(
            why.likely_cause.starts_with("a backup of 2026-11-24 was restored on 2026-11-26 by pat: "),
            "{}",
            why.likely_cause
        );
        assert_eq!(town.ils.take_counts(), (0, 0, 0), "nothing was asked and nothing written");
        // It waits until somebody has looked.
        let again = town.sync(&roster).await;
        assert_eq!(again.run.result.waiting_for[0].guard, "after_restore");
        assert_eq!(town.ils.patrons().len(), 8);
        // Those of whom the store does not know are in the ILS: nobody lapses, nobody is missing.
        assert_eq!((again.run.result.counts.unchanged, again.run.result.counts.lapse), (5, 0));
    }
}

#[tokio::test]
async fn s27_with_numbers_by_rule_an_approved_run_finds_the_cards_that_came_since() {
    let folder = tempfile::tempdir().unwrap();
    let roster = kids(8);
    let town = restored(Town::new().open(), folder.path(), &roster).await;
    let waiting = town.sync(&roster).await;
    let report = town.approve(waiting.run.id).await;
    assert_eq!(report.run.result.counts.create, 0);
    assert_eq!(town.ils.patrons().len(), 8, "no second card");
    // From then on it is an ordinary store.
    town.clock.days(1);
    let next = town.sync(&roster).await;
    assert!(next.run.result.waiting_for.is_empty(), "{:?}", next.run.result.waiting_for);
}

#[tokio::test]
async fn s27_a_run_that_finds_nothing_to_do_ends_the_caution() {
    let folder = tempfile::tempdir().unwrap();
    let roster = kids(8);
    let town = restored(Town::new().open(), folder.path(), &roster).await;
    let quiet = town.sync(&roster[..5]).await;
    assert_eq!(quiet.run.state, RunState::Done, "{:?}", quiet.run.result.waiting_for);
}
