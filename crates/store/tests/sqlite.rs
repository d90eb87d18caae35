//! The SQLite store: the suite that every store must pass, on a file and in memory, and what is a file's own matter.
//! Who may open it, what it refuses, what its bytes show, how calls share commits. What a killed process leaves is in
//! crash.rs.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use common::{entropy, key, open};
use futures::future::join_all;
use rostercard_core::plan::{ChangeState, RunState};
use rostercard_store::conformance::sample::{
    CANARY, applied, create, head, intend, link, number, partnership, person, ready_creates, run, values,
};
use rostercard_store::rows::{IntentEnd, IntentKind, NumberDraw, RunResult, Settlement};
use rostercard_store::{SqliteStore, Store, StoreError, StoreKey};
use rusqlite::Connection;
use tempfile::TempDir;

mod on_a_file {
    use super::{SqliteStore, TempDir, open};

    async fn file_store() -> (SqliteStore, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("store.sqlite")).unwrap();
        (store, directory)
    }

    rostercard_store::store_conformance!(file_store);
}

mod in_memory {
    use super::{SqliteStore, entropy, key};

    async fn memory_store() -> (SqliteStore, ()) {
        (SqliteStore::open_in_memory(&key(), entropy()).unwrap(), ())
    }

    rostercard_store::store_conformance!(memory_store);
}

fn scratch() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state").join("store.sqlite");
    (directory, path)
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    partnership(&store).await;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(store);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    drop(open(&path).unwrap());
    assert_eq!(mode(&path), 0o600, "a restored copy is closed again");
}

#[tokio::test]
async fn s26_one_process_writes_at_a_time() {
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    let error = open(&path).err().unwrap();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(error.to_string().contains("store.sqlite"), "{error}");
    // Reading is always possible, and sees what was committed.
    let reader = SqliteStore::open_reader(&path, &key()).unwrap();
    let id = partnership(&store).await.id;
    store.write_links(id, vec![link(1)]).await.unwrap();
    assert_eq!(reader.index(id).await.unwrap().len(), 1);
    drop(store);
    // And when the writer is gone; and the lock goes with it.
    assert_eq!(reader.links(id, &[person(1)]).await.unwrap()[0].data, link(1).data);
    assert_eq!(SqliteStore::open_reader(&path, &key()).unwrap().index(id).await.unwrap().len(), 1);
    drop(open(&path).unwrap());
}

#[tokio::test]
async fn who_reads_writes_nothing() {
    let (_directory, path) = scratch();
    let missing = SqliteStore::open_reader(&path, &key()).err().unwrap();
    assert!(matches!(missing, StoreError::NoStore { .. }), "{missing:?}");
    assert!(!path.exists() && !path.parent().unwrap().exists(), "looking makes nothing");
    let store = open(&path).unwrap();
    let made = partnership(&store).await;
    let number = run(&store, made.id).await;
    let reader = SqliteStore::open_reader(&path, &key()).unwrap();
    assert_eq!(partnership(&reader).await, made);
    let unknown = reader.partnership("nobody", "ils-one", "x").await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    let error = reader.write_run(number, RunState::Done, &RunResult::default(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("store.sqlite"), "{error}");
    assert!(matches!(reader.write_links(made.id, vec![link(1)]).await, Err(StoreError::ReadOnly { .. })));
    assert_eq!(store.run(number).await.unwrap().state, RunState::Running);
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let (_directory, path) = scratch();
    drop(open(&path).unwrap());
    let before = std::fs::read(&path).unwrap();
    let other = StoreKey::new([8; 32]);
    for error in [
        SqliteStore::open_writer(&path, &other, entropy()).err().unwrap(),
        SqliteStore::open_reader(&path, &other).err().unwrap(),
    ] {
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing was written");
    drop(open(&path).unwrap());
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let (_directory, path) = scratch();
    drop(open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 42).unwrap();
    let before = std::fs::read(&path).unwrap();
    for error in [open(&path).err().unwrap(), SqliteStore::open_reader(&path, &key()).err().unwrap()] {
        assert!(matches!(error, StoreError::Newer { found: 42, .. }), "{error:?}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn files_that_are_no_store_of_ours_are_left_alone() {
    let (_directory, path) = scratch();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let other = |path: &Path| {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch("create table t (n)").unwrap();
    };
    let noise = |path: &Path| std::fs::write(path, [b'x'; 9000]).unwrap();
    for make in [&other as &dyn Fn(&Path), &noise] {
        make(&path);
        let before = std::fs::read(&path).unwrap();
        let error = open(&path).err().unwrap();
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
        assert!(error.to_string().contains("store.sqlite"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(open(&path).err().unwrap(), StoreError::Unavailable { .. }));
}

#[tokio::test]
async fn a_damaged_file_is_not_opened() {
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    store.write_links(id, (0..500).map(link).collect()).await.unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 2].to_vec();
    let mut overwritten = whole.clone();
    let middle = whole.len() / 2 / 4096 * 4096;
    overwritten[middle..middle + 4096].fill(0xA5);
    for (what, bytes) in [("cut", cut), ("overwritten", overwritten)] {
        std::fs::write(&path, bytes).unwrap();
        let error = open(&path).err().unwrap();
        assert!(matches!(error, StoreError::Damaged(_)), "{what}: {error:?}");
    }
    std::fs::write(&path, whole).unwrap();
    assert_eq!(open(&path).unwrap().index(id).await.unwrap().len(), 500);
}

/// Law 7: nothing about a person lies in the file in clear, at any moment.
#[tokio::test]
async fn no_byte_about_a_person_is_in_clear() {
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    let old = run(&store, id).await;
    let dropped = ready_creates(&store, old, 50..60).await;
    assert_eq!(dropped.len(), 10);
    let number_of = run(&store, id).await;
    store.write_plan(number_of, head(1)).await.unwrap();
    let changes = ready_creates(&store, number_of, 0..20).await;
    let mut intents = Vec::new();
    for n in 0..20 {
        let mut intent = create(number_of, changes[n as usize], id, n, NumberDraw::Given(number(n)));
        if n >= 15 {
            intent.kind = IntentKind::Update;
            intent.before = Some(values(n));
        }
        intents.push(intend(&store, intent).await.unwrap().id);
    }
    assert_nothing_shows(&path);
    for n in 0..10 {
        let settlement = applied(id, intents[n as usize], changes[n as usize], n);
        store.settle(vec![settlement]).await.unwrap();
    }
    let mut taken = link(99);
    taken.data.barcode = Some(number(3));
    let error = store.write_links(id, vec![taken]).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY));
    assert_nothing_shows(&path);
    Connection::open(&path).unwrap().execute_batch("pragma wal_checkpoint(truncate)").unwrap();
    assert_nothing_shows(&path);
    drop(store);
    assert_nothing_shows(&path);
}

fn assert_nothing_shows(path: &Path) {
    let (mut bytes, mut files) = (Vec::new(), 0);
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    let shows = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(shows("School 1"), "what is no secret can be found, so the search works ({files} files)");
    for personal in [CANARY, "2012-02-29", "surname", "birth"] {
        assert!(!shows(personal), "`{personal}` lies in clear in one of {files} files");
    }
}

/// What ended holds nothing sealed any more; what was there before an update stays, for undo.
#[tokio::test]
async fn ended_intents_and_finished_changes_are_wiped() {
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    let number_of = run(&store, id).await;
    let changes = ready_creates(&store, number_of, 0..4).await;
    let ends = [IntentEnd::Applied, IntentEnd::Rejected, IntentEnd::NotWritten];
    for n in 0..4 {
        let change = changes[n as usize];
        let mut intent = create(number_of, change, id, n, NumberDraw::Given(number(n)));
        intent.kind = IntentKind::Update;
        intent.before = Some(values(n));
        let intent = intend(&store, intent).await.unwrap().id;
        if let Some(end) = ends.get(n as usize) {
            let mut settlement = applied(id, intent, change, n);
            settlement.intent = Some((intent, *end));
            store.settle(vec![settlement]).await.unwrap();
        }
    }
    let conn = Connection::open(&path).unwrap();
    let count = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("select count(*) from intent where sealed is not null"), 1, "the open one");
    assert_eq!(count("select count(*) from intent where before_values is not null"), 2, "applied, and open");
    assert_eq!(count("select count(*) from change where spool is not null"), 1);
}

/// A sealed value that somebody moved to another row does not open there.
#[tokio::test]
async fn sealed_values_cannot_be_swapped() {
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    store.write_links(id, vec![link(1), link(2)]).await.unwrap();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("update link_detail set sealed = (select sealed from link_detail where id = 1)")
        .unwrap();
    assert!(store.links(id, &[person(1)]).await.is_ok());
    let error = store.links(id, &[person(2)]).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

/// Holds whoever asks for random bytes, once armed, until it is let go.
#[derive(Default)]
struct Gate(Mutex<Option<(Sender<()>, Receiver<()>)>>);

impl Gate {
    /// From the next request on; the first end tells that somebody is held, dropping the second lets go.
    fn arm(&self) -> (Receiver<()>, Sender<()>) {
        let ((held, is_held), (go, let_go)) = (channel(), channel());
        *self.0.lock().unwrap() = Some((held, let_go));
        (is_held, go)
    }

    fn pass(&self) {
        let armed = self.0.lock().unwrap().take();
        if let Some((held, let_go)) = armed {
            held.send(()).unwrap();
            assert!(let_go.recv().is_err());
        }
    }
}

#[tokio::test]
async fn two_hundred_settlements_share_a_commit() {
    const PEOPLE: u32 = 200;
    let (_directory, path) = scratch();
    let gate = Arc::new(Gate::default());
    let (random, passed) = (entropy(), Arc::clone(&gate));
    let gated = move |bytes: &mut [u8]| {
        passed.pass();
        random.fill(bytes)
    };
    let store = SqliteStore::open_writer(&path, &key(), Arc::new(gated)).unwrap();
    let id = partnership(&store).await.id;
    let number_of = run(&store, id).await;
    let changes = ready_creates(&store, number_of, 0..PEOPLE).await;
    let intents =
        (0..PEOPLE).map(|n| create(number_of, changes[n as usize], id, n, NumberDraw::Given(number(n))));
    let intents = store.intend(intents.collect()).await.unwrap();

    let before = store.commits();
    let (is_held, go) = gate.arm();
    let first = store.write_links(id, vec![link(PEOPLE)]);
    let mut first = std::pin::pin!(first);
    assert!(futures::poll!(&mut first).is_pending());
    is_held.recv().unwrap();
    let settle = |n: u32| store.settle(vec![applied(id, intents[n as usize].id, changes[n as usize], n)]);
    let let_go = async { drop(go) };
    let (settled, ()) = futures::join!(join_all((0..PEOPLE).map(settle)), let_go);
    first.await.unwrap();
    assert!(settled.iter().all(Result::is_ok));
    assert_eq!(store.commits() - before, 2, "the one that was held, and all the others");
    assert_eq!(store.index(id).await.unwrap().len(), PEOPLE as usize + 1);
}

/// Without random bytes nothing is sealed, and nothing of the call is written.
#[tokio::test]
async fn no_entropy_no_write() {
    let (_directory, path) = scratch();
    let none = |_: &mut [u8]| Err(std::io::Error::other("the pool is dry"));
    let store = SqliteStore::open_writer(&path, &key(), Arc::new(none)).unwrap();
    let id = partnership(&store).await.id;
    let error = store.write_links(id, vec![link(1)]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { why, .. } if why.contains("dry")), "{error:?}");
    assert!(store.index(id).await.unwrap().is_empty() && store.schools(id).await.unwrap().is_empty());
}

/// Everything is there again after the store was closed.
#[tokio::test]
async fn what_was_answered_is_there_when_it_is_opened_again() {
    let (_directory, path) = scratch();
    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    let number_of = run(&store, id).await;
    store.write_plan(number_of, head(1)).await.unwrap();
    let changes = ready_creates(&store, number_of, 0..2).await;
    let intent = create(number_of, changes[0], id, 0, NumberDraw::Given(number(0)));
    let intent = intend(&store, intent).await.unwrap().id;
    let noted = Settlement {
        intent: None,
        change: Some((changes[1], ChangeState::Settled)),
        link: Some(link(1)),
        pin: None,
        partnership: id,
        at: rostercard_store::conformance::sample::moment(1),
    };
    store.settle(vec![noted]).await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(partnership(&store).await.id, id);
    assert_eq!(store.run(number_of).await.unwrap().plan, Some(head(1)));
    assert_eq!(store.open_intents(id).await.unwrap()[0].id, intent);
    assert_eq!(store.links(id, &[person(1)]).await.unwrap()[0].data, link(1).data);
}
