//! Backups, restores and purges, as far as they are the file's matter: what is there at each moment, what is refused,
//! and which bytes stay.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{entropy, key, open};
use jiff::Timestamp;
use rostercard_core::plan::{ChangeState, Counts, RunState};
use rostercard_store::conformance::sample::{
    applied, create, head, intend, link, moment, number, partnership, person, range, ready_creates, run,
};
use rostercard_store::keep::AuditEntry;
use rostercard_store::rows::{Answer, Missing, NumberDraw, PartnershipId, RunResult, Wish};
use rostercard_store::{RestoreAsked, Restored, SqliteStore, Store, StoreError, StoreKey};
use rusqlite::Connection;
use tempfile::TempDir;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store.sqlite")
    }

    /// A store with so many cards.
    async fn with_cards(&self, cards: u32) -> PartnershipId {
        let store = open(&self.store()).unwrap();
        let id = partnership(&store).await.id;
        store.write_links(id, (0..cards).map(link).collect()).await.unwrap();
        id
    }

    fn backup(&self, name: &str) -> Result<rostercard_store::BackupFacts, StoreError> {
        SqliteStore::backup(&self.store(), &key(), &self.path(name), moment(0))
    }

    fn restore(&self, name: &str, anyway: bool) -> Result<Restored, StoreError> {
        let asked = RestoreAsked { at: moment(1_000), who: "pat".into(), decisions: Vec::new(), anyway };
        SqliteStore::restore(&self.path(name), &self.store(), &key(), entropy(), &asked)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

async fn cards_of(path: &Path) -> usize {
    let store = SqliteStore::open_reader(path, &key()).unwrap();
    let id = partnership(&store).await.id;
    store.index(id).await.unwrap().len()
}

#[cfg(unix)]
#[tokio::test]
async fn s27_a_backup_is_made_while_others_write_and_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let id = place.with_cards(300).await;
    let writer = open(&place.store()).unwrap();
    let reader = SqliteStore::open_reader(&place.store(), &key()).unwrap();
    let writes = async {
        for n in 300..360 {
            writer.write_links(id, vec![link(n)]).await.unwrap();
        }
    };
    let (path, to) = (place.store(), place.path("backups/one.db"));
    let backup = tokio::task::spawn_blocking(move || SqliteStore::backup(&path, &key(), &to, moment(0)));
    let (facts, ()) = tokio::join!(backup, writes);
    let facts = facts.unwrap().unwrap();
    assert!((300..=360).contains(&facts.cards) && facts.partnerships == 1, "{facts:?}");
    assert_eq!(facts.key_id.len(), 16);
    assert_eq!(facts.store_id, SqliteStore::id_of(&place.store(), &key()).unwrap());
    assert!(facts.store_id.unwrap().len() == 32);
    assert_eq!(reader.index(id).await.unwrap().len(), 360, "the readers were not in the way");
    let file = place.path("backups/one.db");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&file).unwrap().len(), facts.bytes);
    let beside = || {
        let mut names: Vec<String> = fs::read_dir(place.path("backups"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(beside(), ["one.db", "one.db.decisions"]);
    let decisions = place.path("backups/one.db.decisions");
    assert_eq!(fs::metadata(&decisions).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(cards_of(&file).await as u64, facts.cards);
    assert_eq!(beside(), ["one.db", "one.db.decisions"], "looking at it leaves nothing");
}

#[tokio::test]
async fn a_backup_is_written_over_nothing_and_of_nothing() {
    let place = Place::new();
    assert!(matches!(place.backup("b.db"), Err(StoreError::NoStore { .. })));
    place.with_cards(1).await;
    fs::write(place.path("b.db"), "mine").unwrap();
    let error = place.backup("b.db").unwrap_err();
    assert!(matches!(error, StoreError::InTheWay { .. }), "{error:?}");
    assert_eq!(fs::read(place.path("b.db")).unwrap(), b"mine");
    let other = StoreKey::new([9; 32]);
    let error = SqliteStore::backup(&place.store(), &other, &place.path("c.db"), moment(0)).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
    assert!(!place.path("c.db").exists());
    // What somebody left who was killed in the middle is no hindrance.
    fs::write(place.path("d.db.part"), "half").unwrap();
    assert_eq!(place.backup("d.db").unwrap().cards, 1);
    assert!(!place.path("d.db.part").exists());
}

#[tokio::test]
async fn s27_a_restored_store_is_the_backups_and_says_so() {
    let place = Place::new();
    let id = place.with_cards(3).await;
    place.backup("b.db").unwrap();
    let store = open(&place.store()).unwrap();
    store.write_links(id, (3..10).map(link).collect()).await.unwrap();
    let entry = AuditEntry {
        at: moment(500),
        who: "kim".into(),
        what: "reveal".into(),
        partnership: None,
        run: None,
        detail: String::new(),
    };
    store.write_audit(entry.clone()).await.unwrap();
    let store_id = SqliteStore::id_of(&place.store(), &key()).unwrap();
    drop(store);
    let restored = place.restore("b.db", false).unwrap();
    assert_eq!((restored.cards, restored.partnerships), (3, 1));
    assert_eq!(restored.backup_at, Some(moment(0)));
    assert!(restored.old_was_read && restored.unsettled == 0 && restored.purged_again.is_empty());
    let kept = restored.kept.unwrap();
    assert!(kept.to_string_lossy().ends_with("store.sqlite.before-restore-2026-09-21T14-30-00Z"), "{kept:?}");
    assert_eq!(cards_of(&kept).await, 10);

    let store = open(&place.store()).unwrap();
    assert_eq!(store.index(id).await.unwrap().len(), 3);
    let notes = store.restores().await.unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!(
        (notes[0].at, notes[0].who.as_str(), notes[0].backup_at),
        (moment(1_000), "pat", Some(moment(0)))
    );
    let log = store.audit(None, 10).await.unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(log[0], entry, "what was done since is not forgotten");
    assert_eq!(log[1].what, "restore");
    drop(store);
    assert_eq!(SqliteStore::id_of(&place.store(), &key()).unwrap(), store_id);
    let names = place.names();
    assert!(!names.iter().any(|name| name.ends_with(".restoring")), "{names:?}");
    // And once more: both older ones are kept.
    let again = place.restore("b.db", false).unwrap();
    assert_ne!(again.kept.unwrap(), kept);
    assert_eq!(open(&place.store()).unwrap().restores().await.unwrap().len(), 2);
}

#[tokio::test]
async fn s27_nothing_of_yesterday_is_made_and_no_number_is_drawn_twice() {
    let place = Place::new();
    let id = place.with_cards(3).await;
    let store = open(&place.store()).unwrap();
    let of_yesterday = run(&store, id).await;
    store.write_plan(of_yesterday, head(1)).await.unwrap();
    ready_creates(&store, of_yesterday, 20..24).await;
    let counts = Counts { students: 5, create: 4, unchanged: 1, ..Counts::default() };
    let result = RunResult { counts, ..RunResult::default() };
    store.write_run(of_yesterday, RunState::Planned, &result, Some(moment(1))).await.unwrap();
    let rows = store.index(id).await.unwrap();
    let missing = Missing { link: rows[0].link, since: Some(jiff::civil::date(2026, 1, 1)), feeds: 9 };
    store.write_missing(vec![missing]).await.unwrap();
    drop(store);
    place.backup("b.db").unwrap();

    let store = open(&place.store()).unwrap();
    let since = run(&store, id).await;
    let changes = ready_creates(&store, since, 30..33).await;
    for n in 0..3u32 {
        let draw = NumberDraw::Next(range(100, 999));
        let intent = intend(&store, create(since, changes[n as usize], id, 30 + n, draw)).await.unwrap();
        assert_eq!(intent.barcode.reveal(), format!("{}", 100 + n));
        let mut settlement = applied(id, intent.id, changes[n as usize], 30 + n);
        settlement.link.as_mut().unwrap().data.barcode = Some(intent.barcode);
        store.settle(vec![settlement]).await.unwrap();
    }
    drop(store);
    let restored = place.restore("b.db", false).unwrap();
    assert_eq!(restored.dropped, 4);

    let store = open(&place.store()).unwrap();
    let counts = store.change_counts(of_yesterday).await.unwrap();
    assert!(counts.iter().all(|count| count.state == ChangeState::Dropped), "{counts:?}");
    let told = store.run(of_yesterday).await.unwrap();
    assert_eq!(
        (told.state, told.result.counts.pending, told.result.counts.unchanged),
        (RunState::Failed, 4, 1)
    );
    assert!(told.result.counts.add_up() && told.result.error.unwrap().contains("a backup was restored"));
    assert!(store.held(id, person(20)).await.unwrap().changes[0].spool.is_empty());
    assert!(
        store.index(id).await.unwrap().iter().all(|row| row.missing_since.is_none() && row.feeds_missed == 0)
    );
    let next = run(&store, id).await;
    assert!(next > since, "a run's number is not used twice: {next} after {since}");
    let changes = ready_creates(&store, next, 40..41).await;
    let draw = NumberDraw::Next(range(100, 999));
    let intent = intend(&store, create(next, changes[0], id, 40, draw)).await.unwrap();
    assert_eq!(intent.barcode.reveal(), "103");
}

#[tokio::test]
async fn a_restore_refuses_what_cannot_be_restored() {
    let place = Place::new();
    let id = place.with_cards(3).await;
    place.backup("b.db").unwrap();
    let before = fs::read(place.store()).unwrap();
    let refused = |name: &str| place.restore(name, false).unwrap_err();
    assert!(matches!(refused("nowhere.db"), StoreError::Unavailable { .. }));
    fs::write(place.path("noise.db"), [b'x'; 9_000]).unwrap();
    assert!(matches!(refused("noise.db"), StoreError::Damaged(_)));
    let whole = fs::read(place.path("b.db")).unwrap();
    fs::write(place.path("cut.db"), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(refused("cut.db"), StoreError::Damaged(_)));
    fs::write(place.path("newer.db"), &whole).unwrap();
    Connection::open(place.path("newer.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(refused("newer.db"), StoreError::Newer { found: 99, .. }));
    let foreign = Place::new();
    let other = StoreKey::new([9; 32]);
    drop(SqliteStore::open_writer(&foreign.store(), &other, entropy()).unwrap());
    fs::copy(foreign.store(), place.path("foreign.db")).unwrap();
    assert!(matches!(refused("foreign.db"), StoreError::WrongKey { .. }));
    // In use, by a writer.
    let writer = open(&place.store()).unwrap();
    assert!(matches!(refused("b.db"), StoreError::Busy { .. }));
    // A write that has no known end would be lost with the store that knows of it.
    let open_run = run(&writer, id).await;
    let changes = ready_creates(&writer, open_run, 7..8).await;
    intend(&writer, create(open_run, changes[0], id, 7, NumberDraw::Given(number(7)))).await.unwrap();
    drop(writer);
    assert!(matches!(refused("b.db"), StoreError::Unsettled { writes: 1 }));
    assert_eq!(cards_of(&place.store()).await, 3);
    assert!(!place.names().iter().any(|name| name.contains("before-restore")), "{:?}", place.names());
    assert_ne!(before.len(), 0);
    let restored = place.restore("b.db", true).unwrap();
    assert_eq!(restored.unsettled, 1);
}

#[tokio::test]
async fn s27_a_lost_or_broken_store_is_restored_too() {
    let place = Place::new();
    place.with_cards(3).await;
    place.backup("b.db").unwrap();
    fs::remove_file(place.store()).unwrap();
    let restored = place.restore("b.db", false).unwrap();
    assert!(restored.kept.is_none() && !restored.old_was_read);
    assert_eq!(cards_of(&place.store()).await, 3);

    fs::write(place.store(), [b'x'; 9_000]).unwrap();
    fs::write(place.path("store.sqlite-wal"), [b'y'; 100]).unwrap();
    let restored = place.restore("b.db", false).unwrap();
    assert_eq!(fs::read(restored.kept.unwrap()).unwrap(), [b'x'; 9_000]);
    assert_eq!(cards_of(&place.store()).await, 3);
    assert!(
        place.names().iter().any(|n| n.contains("before-restore") && n.ends_with("-wal")),
        "{:?}",
        place.names()
    );
    // A store of another key is kept, and not read.
    fs::remove_file(place.store()).unwrap();
    drop(SqliteStore::open_writer(&place.store(), &StoreKey::new([9; 32]), entropy()).unwrap());
    let restored = place.restore("b.db", false).unwrap();
    assert!(!restored.old_was_read);
    drop(SqliteStore::open_reader(&restored.kept.unwrap(), &StoreKey::new([9; 32])).unwrap());
}

fn no(n: u32, at: i64) -> Wish {
    let (who, origin) = ("pat".to_owned(), "command".to_owned());
    Wish { person: person(n), identity: None, wants: false, at: moment(at), who, origin }
}

#[tokio::test]
async fn s27_what_families_decided_comes_back_from_the_second_file() {
    let place = Place::new();
    let id = place.with_cards(3).await;
    let store = open(&place.store()).unwrap();
    store.write_wishes(id, vec![no(1, 1)]).await.unwrap();
    drop(store);
    place.backup("old.db").unwrap();
    let store = open(&place.store()).unwrap();
    store.write_wishes(id, vec![no(2, 2)]).await.unwrap();
    let answer = Answer {
        person: person(5),
        question: "two_patrons".into(),
        answer: "skip".into(),
        at: moment(3),
        who: "kim".into(),
    };
    store.write_answers(id, vec![answer.clone()], Vec::new()).await.unwrap();
    drop(store);
    place.backup("new.db").unwrap();
    let text = fs::read_to_string(place.path("new.db.decisions")).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");

    // The store is lost, and the newer file is there: it is the older backup's no longer.
    fs::remove_file(place.store()).unwrap();
    fs::rename(place.path("old.db.decisions"), place.path("aside")).unwrap();
    let refused = place.restore("old.db", false).unwrap_err();
    assert!(
        matches!(&refused, StoreError::NoDecisions { what } if what.ends_with("old.db.decisions")),
        "{refused:?}"
    );
    assert!(!place.store().exists());
    let asked = RestoreAsked {
        at: moment(1_000),
        who: "pat".into(),
        decisions: vec![place.path("new.db.decisions")],
        anyway: false,
    };
    let restored =
        SqliteStore::restore(&place.path("old.db"), &place.store(), &key(), entropy(), &asked).unwrap();
    assert_eq!((restored.decisions_taken, restored.decisions_known), (2, true));
    let store = open(&place.store()).unwrap();
    assert_eq!(store.wishes(id).await.unwrap(), [no(1, 1), no(2, 2)]);
    assert_eq!(store.answers(id).await.unwrap(), [answer]);
    drop(store);
    // Without it, only by force, and the store knows.
    fs::remove_file(place.store()).unwrap();
    let restored = place.restore("old.db", true).unwrap();
    assert!(!restored.decisions_known && restored.decisions_taken == 0);
    assert!(!open(&place.store()).unwrap().restores().await.unwrap()[0].decisions_known);
}

#[tokio::test]
async fn s27_a_spoilt_file_of_decisions_is_not_taken_for_half_of_one() {
    let place = Place::new();
    let id = place.with_cards(1).await;
    let store = open(&place.store()).unwrap();
    store.write_wishes(id, vec![no(1, 1), no(2, 2)]).await.unwrap();
    drop(store);
    place.backup("b.db").unwrap();
    let file = place.path("b.db.decisions");
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for (spoilt, says) in [
        (lines[..2].join("\n"), "cut short: 1 of 2"),
        ([lines[0], lines[1], lines[2].trim_end_matches('}')].join("\n"), "b.db.decisions:3"),
        (format!("{}\nnoise", lines[0]), "b.db.decisions:2"),
        (whole.replacen("\"person\":\"", "\"person\":\"zz", 1), "b.db.decisions:2"),
        (String::new(), "b.db.decisions:1"),
    ] {
        fs::write(&file, spoilt).unwrap();
        let error = place.restore("b.db", false).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged(_)) && error.to_string().contains(says),
            "{says}: {error}"
        );
    }
    let head = lines[0].replace("\"key_id\":\"", "\"key_id\":\"00");
    fs::write(&file, [&head, lines[1], lines[2]].join("\n")).unwrap();
    assert!(matches!(place.restore("b.db", false), Err(StoreError::WrongKey { .. })));
    fs::write(&file, whole).unwrap();
    assert!(place.restore("b.db", false).unwrap().decisions_known);
}

#[tokio::test]
async fn s20_what_was_purged_since_the_backup_is_purged_again() {
    let place = Place::new();
    let id = place.with_cards(3).await;
    let store = open(&place.store()).unwrap();
    let forgotten = store.partnership("district-two", "ils-two", "two").await.unwrap().id;
    store.write_links(forgotten, vec![link(50)]).await.unwrap();
    drop(store);
    place.backup("b.db").unwrap();
    let store = open(&place.store()).unwrap();
    let purge = store.purge(id, moment(100), "kim").await.unwrap();
    store.forget(forgotten, person(50), moment(101), "kim").await.unwrap();
    drop(store);
    let restored = place.restore("b.db", false).unwrap();
    assert_eq!((restored.purged_again.as_slice(), restored.forgotten_since), (&["one".to_owned()][..], 1));
    assert_eq!(restored.partnerships, 1);
    let store = open(&place.store()).unwrap();
    assert_eq!(store.purges().await.unwrap(), [purge]);
    assert!(store.index(id).await.unwrap().is_empty());
    let refused = store.partnership("district-one", "ils-one", "one").await;
    assert!(matches!(refused, Err(StoreError::Purged { .. })));
}

/// Sealed bytes and digests of a purged partnership are in no file of the store any more, nor in its log.
#[tokio::test]
async fn s20_no_byte_of_a_purged_partnership_stays() {
    let place = Place::new();
    let id = place.with_cards(500).await;
    let store = open(&place.store()).unwrap();
    let other = store.partnership("district-two", "ils-two", "two").await.unwrap().id;
    store.write_links(other, (900..910).map(link).collect()).await.unwrap();
    let raw = Connection::open(place.store()).unwrap();
    let blobs = |of: PartnershipId| -> Vec<Vec<u8>> {
        let mut statement = raw
            .prepare("select sealed from link_detail where partnership = ?1 union all select person from link where partnership = ?1")
            .unwrap();
        statement.query_map([of.0], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let (gone, stays) = (blobs(id), blobs(other));
    assert_eq!((gone.len(), stays.len()), (1_000, 20));
    drop(raw);
    let found = |blobs: &[Vec<u8>]| {
        let files: Vec<Vec<u8>> =
            place.names().iter().map(|name| fs::read(place.path(name)).unwrap()).collect();
        // The first bytes of each are enough, and quicker looked for.
        let heads: std::collections::HashSet<&[u8]> = blobs.iter().map(|blob| &blob[..16]).collect();
        files.iter().flat_map(|file| file.windows(16)).filter(|window| heads.contains(window)).count()
    };
    assert!(found(&gone) >= 1_000, "they were there");
    store.purge(id, moment(1), "kim").await.unwrap();
    drop(store);
    SqliteStore::scrub(&place.store(), &key()).unwrap();
    assert_eq!(found(&gone), 0);
    assert!(found(&stays) >= 20);
    assert_eq!(fs::metadata(place.path("store.sqlite-wal")).map_or(0, |file| file.len()), 0);
    assert_eq!(open(&place.store()).unwrap().index(other).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_scrub_says_who_is_in_the_way() {
    let place = Place::new();
    place.with_cards(3).await;
    let store = open(&place.store()).unwrap();
    assert!(matches!(SqliteStore::scrub(&place.store(), &key()), Err(StoreError::Busy { .. })));
    drop(store);
    SqliteStore::scrub(&place.store(), &key()).unwrap();
    SqliteStore::scrub(&place.store(), &key()).unwrap();
}

#[tokio::test]
async fn the_log_is_added_to_beside_a_writer_and_never_changed() {
    let place = Place::new();
    let entry = AuditEntry {
        at: moment(1),
        who: "pat".into(),
        what: "reveal".into(),
        partnership: Some("district-one".into()),
        run: None,
        detail: "explain".into(),
    };
    let none = SqliteStore::note_beside(&place.store(), &key(), &entry);
    assert!(matches!(none, Err(StoreError::NoStore { .. })) && !place.store().exists());
    let id = place.with_cards(1).await;
    let writer = open(&place.store()).unwrap();
    for n in 0..20 {
        writer.write_links(id, vec![link(n)]).await.unwrap();
        SqliteStore::note_beside(&place.store(), &key(), &entry).unwrap();
    }
    assert_eq!(writer.audit(None, 100).await.unwrap(), vec![entry; 20]);
    drop(writer);
    let raw = Connection::open(place.store()).unwrap();
    for sql in ["update audit set who = 'nobody'", "delete from audit", "delete from audit where id = 1"] {
        let error = raw.execute(sql, []).unwrap_err();
        assert!(error.to_string().contains("only added to"), "{error}");
    }
    let wrong = StoreKey::new([9; 32]);
    let any = AuditEntry {
        at: Timestamp::MIN,
        who: String::new(),
        what: String::new(),
        partnership: None,
        run: None,
        detail: String::new(),
    };
    let refused = SqliteStore::note_beside(&place.store(), &wrong, &any);
    assert!(matches!(refused, Err(StoreError::WrongKey { .. })));
}
