//! S01: what a process that is killed leaves behind. The child is this test binary itself, started again for its one
//! ignored test; it is told what to do on its standard input, and killed at a moment that it announces.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{entropy, key, open};
use rostercard_core::plan::ChangeState;
use rostercard_core::privacy::Secret;
use rostercard_store::conformance::sample::{
    applied, create, head, intend, link, partnership, person, range, ready_creates, run, values,
};
use rostercard_store::rows::NumberDraw;
use rostercard_store::{SqliteStore, Store};

/// How many people the child has changes for.
const PEOPLE: u32 = 400;

/// What the child says before each thing it has to say; the test harness says things too.
const MARK: &str = "child: ";

struct Killed {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Killed {
    fn start(path: &Path, what: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "the_child", "--nocapture", "--test-threads=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The pipe stays open: the child waits at its end until it is killed.
        writeln!(child.stdin.as_mut().unwrap(), "{what}\n{}", path.display()).unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next thing that the child says.
    fn next(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the child ended before it was killed");
            if let Some((_, said)) = line.split_once(MARK) {
                return said.trim().to_owned();
            }
        }
    }

    /// SIGKILL. Nothing of the child's runs any more when this returns; what it had said by then.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let rest = self.said.lines().map_while(Result::ok);
        rest.filter_map(|line| line.split_once(MARK).map(|(_, said)| said.trim().to_owned())).collect()
    }
}

fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{what}").unwrap();
    out.flush().unwrap();
}

fn wait_to_be_killed() {
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).unwrap_or(0) > 0 {}
}

/// The child. By itself, with nothing on its standard input, it does nothing.
#[tokio::test]
#[ignore = "the other tests of this file start it"]
async fn the_child() {
    let (mut what, mut path) = (String::new(), String::new());
    std::io::stdin().read_line(&mut what).unwrap();
    std::io::stdin().read_line(&mut path).unwrap();
    let path = Path::new(path.trim());
    match what.trim() {
        "intend" => intends(path).await,
        "hang" => hangs_before_the_commit(path).await,
        "work" => works(path).await,
        _ => {}
    }
}

/// Makes intents, and is killed before it could settle them.
async fn intends(path: &Path) {
    let store = open(path).unwrap();
    let id = partnership(&store).await.id;
    let run = run(&store, id).await;
    store.write_plan(run, head(1)).await.unwrap();
    let changes = ready_creates(&store, run, 0..3).await;
    let intents = (0..3).map(|n| create(run, changes[n as usize], id, n, NumberDraw::Next(range(100, 199))));
    store.intend(intents.collect()).await.unwrap();
    say("intended");
    wait_to_be_killed();
}

/// Is killed in the middle of the transaction that makes intents: while it waits for random bytes.
async fn hangs_before_the_commit(path: &Path) {
    let (count, random) = (AtomicU64::new(0), entropy());
    let hangs = move |bytes: &mut [u8]| {
        // Three for the spool of the changes, one for the first intent; the second intent never comes.
        if count.fetch_add(1, Ordering::Relaxed) == 4 {
            say("hanging");
            wait_to_be_killed();
        }
        random.fill(bytes)
    };
    let store = SqliteStore::open_writer(path, &key(), Arc::new(hangs)).unwrap();
    let id = partnership(&store).await.id;
    let run = run(&store, id).await;
    let changes = ready_creates(&store, run, 0..3).await;
    let intents = (0..3).map(|n| create(run, changes[n as usize], id, n, NumberDraw::Next(range(100, 199))));
    drop(store.intend(intents.collect()).await);
}

/// Intends and settles one after the other, and says what was answered.
async fn works(path: &Path) {
    let store = open(path).unwrap();
    let id = partnership(&store).await.id;
    let run = run(&store, id).await;
    let changes = ready_creates(&store, run, 0..PEOPLE).await;
    for n in 0..PEOPLE {
        let change = changes[n as usize];
        let intent = create(run, change, id, n, NumberDraw::Next(range(100, 999)));
        let intent = intend(&store, intent).await.unwrap();
        say(format_args!("intended {n} {}", intent.barcode.reveal()));
        let mut settlement = applied(id, intent.id, change, n);
        settlement.link.as_mut().unwrap().data.barcode = Some(intent.barcode);
        store.settle(vec![settlement]).await.unwrap();
        say(format_args!("settled {n}"));
    }
    wait_to_be_killed();
}

#[tokio::test]
async fn s01_an_intent_survives_with_all_that_settling_needs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sqlite");
    let mut child = Killed::start(&path, "intend");
    assert_eq!(child.next(), "intended");
    assert!(matches!(open(&path), Err(rostercard_store::StoreError::Busy { .. })), "it is at work");
    child.kill();

    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    let open = store.open_intents(id).await.unwrap();
    assert_eq!(open.len(), 3);
    for (n, intent) in (0..).zip(&open) {
        assert_eq!(intent.person, person(n));
        assert_eq!(intent.barcode.reveal(), format!("{}", 100 + n));
        assert_eq!(intent.pin.as_ref().map(Secret::reveal), Some(format!("canary7Zq-pin-{n}").as_str()));
        assert_eq!(intent.values, values(n));
        assert_eq!(*intent.planned.spool, format!("canary7Zq-spool-{n}").into_bytes());
    }
    // The next one goes on behind them.
    let run = run(&store, id).await;
    let changes = ready_creates(&store, run, 9..10).await;
    let next = create(run, changes[0], id, 9, NumberDraw::Next(range(100, 199)));
    assert_eq!(intend(&store, next).await.unwrap().barcode.reveal(), "103");
    let mut settlement = applied(id, open[0].id, open[0].change, 0);
    settlement.link.as_mut().unwrap().data.barcode = Some(open[0].barcode.clone());
    store.settle(vec![settlement]).await.unwrap();
    assert_eq!(store.open_intents(id).await.unwrap().len(), 3);
}

#[tokio::test]
async fn s01_a_write_that_was_not_answered_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.sqlite");
    let mut child = Killed::start(&path, "hang");
    assert_eq!(child.next(), "hanging");
    child.kill();

    let store = open(&path).unwrap();
    let id = partnership(&store).await.id;
    assert!(store.open_intents(id).await.unwrap().is_empty());
    let run = store.runs(Some(id), 1).await.unwrap().remove(0).id;
    let ready = store.changes(run, ChangeState::Ready, None, 10).await.unwrap();
    assert_eq!(ready.len(), 3, "what was answered before it is there");
    let first = create(run, ready[0].id, id, 0, NumberDraw::Next(range(100, 199)));
    assert_eq!(intend(&store, first).await.unwrap().barcode.reveal(), "100", "no number was drawn");
}

#[tokio::test]
async fn s01_killed_anywhere_the_journal_and_the_ledger_agree() {
    for lines in [1, 2, 3, 8, 21, 50, 133, 300] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        let mut child = Killed::start(&path, "work");
        let mut said: Vec<String> = (0..lines).map(|_| child.next()).collect();
        said.extend(child.kill());

        let store = open(&path).unwrap();
        let id = partnership(&store).await.id;
        let run = store.runs(Some(id), 1).await.unwrap().remove(0).id;
        let done = store.changes(run, ChangeState::Done, None, usize::MAX).await.unwrap();
        let index = store.index(id).await.unwrap();
        let open = store.open_intents(id).await.unwrap();
        let settled = said.iter().filter(|line| line.starts_with("settled")).count();
        let intended = said.iter().filter(|line| line.starts_with("intended")).count();
        assert!(done.len() >= settled && done.len() <= settled + 1, "{} done, {settled} told", done.len());
        assert_eq!(index.len(), done.len());
        assert!(open.len() <= 1, "one after the other");
        assert!(done.len() + open.len() >= intended, "what was answered is there");
        assert_eq!(store.pins_waiting(id).await.unwrap(), done.len() as u64);
        // Numbers, by what the child was told, are those in the ledger.
        for line in said.iter().filter_map(|line| line.strip_prefix("intended ")) {
            let (n, number) = line.split_once(' ').unwrap();
            let n: u32 = n.parse().unwrap();
            let links = store.links(id, &[person(n)]).await.unwrap();
            let kept = match links.first() {
                Some(link) => link.data.barcode.as_ref(),
                None => open.iter().find(|intent| intent.person == person(n)).map(|intent| &intent.barcode),
            };
            assert_eq!(kept.unwrap().reveal(), number);
            assert!(links.iter().all(|found| found.data.decided == link(n).data.decided));
        }
    }
}
