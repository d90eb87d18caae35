//! How fast the SQLite store is.
//!
//! `cargo bench -p rostercard-store` (it makes a store of a million links first, which takes a minute). Measured on two
//! shared cores with a disk that syncs in a third of a millisecond, in round figures:
//!
//! - the index of 1,000,000 links, from a store that was just opened: 0.3 s
//! - opening that store: under 1 ms (up to 64 MB, where the whole file is checked: up to 0.1 s)
//! - links written in batches of 1,000: 65,000 a second
//! - creates intended and settled, both durable: 1,600 pairs a second by one caller, 7,500 by 16, 22,000 by 256; that
//!   is what sharing commits does, and a slower disk gains more by it
//!
//! The narrow table lies in the order of its key. The same rows in a table with row numbers took three to four times as
//! long to read through an index in that order, and as long as this to read unordered.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use divan::Bencher;
use divan::counter::ItemsCount;
use futures::future::join_all;
use rostercard_store::conformance::sample::{applied, create, link, number, partnership, ready_creates, run};
use rostercard_store::rows::{LinkWrite, NumberDraw, PartnershipId};
use rostercard_store::{Entropy, SqliteStore, Store, StoreKey};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LINKS: u32 = 1_000_000;

fn main() {
    divan::main();
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(|bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::from))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn open(path: &std::path::Path) -> SqliteStore {
    SqliteStore::open_writer(path, &StoreKey::new([7; 32]), entropy()).unwrap()
}

struct Million {
    path: PathBuf,
    id: PartnershipId,
    _directory: TempDir,
}

/// A store with a million links, made once.
fn million() -> &'static Million {
    static MILLION: OnceLock<Million> = OnceLock::new();
    MILLION.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        let store = open(&path);
        let id = runtime().block_on(async {
            let id = partnership(&store).await.id;
            for first in (0..LINKS).step_by(10_000) {
                let links: Vec<LinkWrite> = (first..first + 10_000).map(link).collect();
                store.write_links(id, links).await.unwrap();
            }
            id
        });
        Million { path, id, _directory: directory }
    })
}

/// The narrow rows of a million links, from a store that was just opened: what a run in which nothing changed pays.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn index_of_a_million_links(bencher: Bencher<'_, '_>) {
    let million = million();
    let runtime = runtime();
    bencher
        .with_inputs(|| open(&million.path))
        .counter(ItemsCount::new(LINKS))
        .bench_local_refs(|store| runtime.block_on(store.index(million.id)).unwrap().len());
}

/// Opening a store with a million links, its check included.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn open_with_a_million_links(bencher: Bencher<'_, '_>) {
    let path = &million().path;
    bencher.bench_local(|| open(path));
}

/// Links written in batches of 1,000, into a store that has none.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn write_20_000_links(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher
        .with_inputs(|| {
            let directory = tempfile::tempdir().unwrap();
            let store = open(&directory.path().join("store.sqlite"));
            let id = runtime.block_on(partnership(&store)).id;
            (store, id, directory)
        })
        .counter(ItemsCount::new(20_000u32))
        .bench_local_refs(|(store, id, _)| {
            for first in (0..20_000).step_by(1_000) {
                let links = (first..first + 1_000).map(link).collect();
                runtime.block_on(store.write_links(*id, links)).unwrap();
            }
        });
}

/// Creates that are intended and settled, both durable, by so many callers at once. The counter counts pairs.
#[divan::bench(args = [1, 16, 256], sample_count = 5, sample_size = 1)]
fn intend_and_settle(bencher: Bencher<'_, '_>, callers: u32) {
    let each = (512 / callers).clamp(2, 100);
    let people = callers * each;
    let runtime = runtime();
    bencher
        .with_inputs(|| {
            let directory = tempfile::tempdir().unwrap();
            let store = open(&directory.path().join("store.sqlite"));
            let (id, run, changes) = runtime.block_on(async {
                let id = partnership(&store).await.id;
                let run = run(&store, id).await;
                let changes = ready_creates(&store, run, 0..people).await;
                (id, run, changes)
            });
            (store, id, run, changes, directory)
        })
        .counter(ItemsCount::new(people))
        .bench_local_refs(|(store, id, run, changes, _)| {
            let (store, id, run, changes) = (&*store, *id, *run, &*changes);
            let caller = |caller: u32| async move {
                for n in caller * each..(caller + 1) * each {
                    let change = changes[n as usize];
                    let intent = create(run, change, id, n, NumberDraw::Given(number(n)));
                    let intent = store.intend(vec![intent]).await.unwrap().remove(0);
                    store.settle(vec![applied(id, intent.id, change, n)]).await.unwrap();
                }
            };
            runtime.block_on(join_all((0..callers).map(caller)));
        });
}
