//! A backup takes the place of the store: checked, brought up to date and made durable beside it, then renamed over it in
//! one step. Killed at any moment, one whole store is there, the old one or the new one.
//!
//! A restored store is of yesterday, and the ILS is of today. So nothing of a plan of yesterday is made, nobody counts as
//! missing, numbers that were drawn since stay drawn as far as the old store can be read, and a partnership that was
//! purged since is purged again. The old store stays beside the new one, under a dated name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rostercard_core::plan::{ChangeKind, ChangeState, Counts, RunState};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::codes::Coded;
use super::db::{Db, Secrets};
use super::fault::Fault;
use super::file::{self, BUSY};
use super::migrations::{self, Found};
use super::values::count;
use super::{SqliteStore, audit, backup, mirror, partnerships, purge, runs};
use crate::keep::{AuditEntry, Decided, Purge, RestoreNote, Year};
use crate::rows::RunId;
use crate::seal::{Entropy, StoreKey};
use crate::store::StoreError;

/// Who wants a backup restored, and when.
#[derive(Debug, Clone)]
pub struct RestoreAsked {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub who: String,
    /// Files of decisions that stand beside backups, besides the backup's own: newer ones know more.
    pub decisions: Vec<PathBuf>,
    /// Also where writes of the present store have no known end, or where nobody knows what was decided since.
    pub anyway: bool,
}

/// What came of a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Cards that the store looks after now.
    pub cards: u64,
    /// Partnerships that it has now.
    pub partnerships: u64,
    /// When the backup was made, where it says so.
    pub backup_at: Option<Timestamp>,
    /// Under which name the store that was there is kept.
    pub kept: Option<PathBuf>,
    /// Changes of plans that had not been made when the backup was, and will not be.
    pub dropped: u64,
    /// The names of partnerships that were purged since the backup, and were purged again.
    pub purged_again: Vec<String>,
    /// How many students were forgotten since the backup, and are in the store again.
    pub forgotten_since: u64,
    /// How many writes of the store that was there had no known end.
    pub unsettled: u64,
    /// Wishes and answers that the backup did not have.
    pub decisions_taken: u64,
    /// Whether it is known what people decided since: from the store that was there, or a file beside a backup.
    pub decisions_known: bool,
    /// Whether the store that was there could be read, so that what was done since the backup is known.
    pub old_was_read: bool,
}

/// Moments at which a restore may be cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The new store is whole, beside the old one.
    Prepared,
    /// The old store is one file, with nothing in a log.
    OldClosed,
    /// The old store has its second name.
    Kept,
    /// The new store is in place.
    InPlace,
}

impl SqliteStore {
    /// Puts a backup in the place of the store at `path`, which nobody else may have open.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::WrongKey`], [`StoreError::Newer`], [`StoreError::Damaged`] about the backup;
    /// [`StoreError::Unsettled`] where writes of the present store have no known end and it was not asked for anyway;
    /// [`StoreError::Unavailable`] with the file and the reason. The store that was there is then still there.
    pub fn restore(
        backup: &Path,
        path: &Path,
        key: &StoreKey,
        entropy: Arc<dyn Entropy>,
        asked: &RestoreAsked,
    ) -> Result<Restored, StoreError> {
        in_steps(backup, path, key, entropy, asked, &mut |_| Ok(()))
    }
}

pub(super) fn in_steps(
    backup: &Path,
    path: &Path,
    key: &StoreKey,
    entropy: Arc<dyn Entropy>,
    asked: &RestoreAsked,
    step: &mut dyn FnMut(Step) -> Result<(), StoreError>,
) -> Result<Restored, StoreError> {
    let key_id = key.digest_key().id();
    if !backup.is_file() {
        let why = "there is no such file".to_owned();
        return Err(StoreError::Unavailable { what: backup.display().to_string(), why });
    }
    file::make_directory(path).map_err(|e| file::unavailable(path, &e))?;
    let _lock = file::lock(path, &path.display().to_string())?;
    let mut old = Old::open(path, key_id)?;
    let mut known = match &old {
        Old::Ours(conn) => {
            Known::read(conn, key, &entropy).map_err(|fault| fault.at(&path.display().to_string()))?
        }
        _ => Known::default(),
    };
    known.read_mirrors(backup, asked, &backup::hexadecimal(&key_id))?;
    if known.unsettled > 0 && !asked.anyway {
        return Err(StoreError::Unsettled { writes: known.unsettled });
    }
    if !known.decisions_known && !asked.anyway {
        return Err(StoreError::NoDecisions { what: mirror_of(backup).display().to_string() });
    }
    let fresh = file::beside(path, ".restoring");
    let secrets = Secrets::new(key, entropy);
    let (locked, mut restored) =
        backup::copy(backup, &fresh, key_id, |conn| prepare(conn, &secrets, key_id, &known, asked))?;
    restored.old_was_read = matches!(old, Old::Ours(_));
    at_rest(&fresh)?;
    file::make_durable(&fresh).map_err(|e| file::unavailable(&fresh, &e))?;
    step(Step::Prepared)?;
    old.close(path, &asked.at)?;
    step(Step::OldClosed)?;
    if path.exists() {
        let kept = backup::free_name(path, &ending(&asked.at));
        // A second name where the file system has those; the store never loses its own.
        std::fs::hard_link(path, &kept)
            .or_else(|_| std::fs::copy(path, &kept).map(drop))
            .and_then(|()| file::make_durable(&kept).map(drop))
            .map_err(|e| file::unavailable(&kept, &e))?;
        restored.kept = Some(kept);
    }
    step(Step::Kept)?;
    std::fs::rename(&fresh, path).map_err(|e| file::unavailable(path, &e))?;
    file::make_directory_durable(path).map_err(|e| file::unavailable(path, &e))?;
    step(Step::InPlace)?;
    drop(locked);
    Ok(restored)
}

/// Whoever closes a store as the last one takes its log away: where there still is one, somebody else has it open.
fn nobody_else(path: &Path) -> Result<(), StoreError> {
    if !file::beside(path, "-wal").exists() {
        return Ok(());
    }
    let why = "another program has it open: stop it first".to_owned();
    Err(StoreError::Unavailable { what: path.display().to_string(), why })
}

/// Gives the file that is to be the store the form in which a store is at rest, so that whoever opens it first, if only to
/// read it, has nothing to change.
fn at_rest(path: &Path) -> Result<(), StoreError> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|conn| {
            conn.pragma_update(None, "journal_mode", "wal")?;
            Ok(conn)
        })
        .map_err(|fault| fault.at(&path.display().to_string()))?;
    drop(conn);
    nobody_else(path)
}

fn ending(at: &Timestamp) -> String {
    format!(".before-restore-{}", at.strftime("%Y-%m-%dT%H-%M-%SZ"))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    Ok(conn)
}

/// The store that is there.
enum Old {
    None,
    /// A store of this key.
    Ours(Connection),
    /// A database that is not, or not of this key: kept, not read.
    Another(Connection),
    /// Nothing that SQLite can open.
    Broken,
}

impl Old {
    fn open(path: &Path, key_id: [u8; 8]) -> Result<Self, StoreError> {
        let what = path.display().to_string();
        if !path.exists() {
            return Ok(Self::None);
        }
        // For reading: what is broken stays as it is, to the last byte, for whoever wants to look at it.
        let conn = match connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|fault| fault.at(&what)) {
            Ok(conn) => conn,
            Err(StoreError::Damaged(_)) => return Ok(Self::Broken),
            Err(error) => return Err(error),
        };
        match migrations::look(&conn, &what, key_id) {
            Ok(Found::Store(_)) if backup::check(&conn, &what).is_ok() => Ok(Self::Ours(conn)),
            Ok(Found::Empty) | Err(StoreError::WrongKey { .. } | StoreError::Newer { .. }) => {
                Ok(Self::Another(conn))
            }
            Ok(Found::Store(_)) | Err(StoreError::Damaged(_)) => Ok(Self::Broken),
            Err(error) => Err(error),
        }
    }

    /// Leaves the old store as one file: a log beside it would be taken for the new one's.
    fn close(&mut self, path: &Path, at: &Timestamp) -> Result<(), StoreError> {
        let what = path.display().to_string();
        match std::mem::replace(self, Self::None) {
            Self::None => Ok(()),
            Self::Ours(read) | Self::Another(read) => {
                drop(read);
                let conn =
                    connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|fault| fault.at(&what))?;
                backup::empty_log(&conn, &what).map_err(|fault| fault.at(&what))?;
                drop(conn);
                nobody_else(path)
            }
            Self::Broken => {
                for log in ["-wal", "-shm", "-journal"] {
                    let beside = file::beside(path, log);
                    if beside.exists() {
                        let kept = backup::free_name(path, &format!("{}{log}", ending(at)));
                        std::fs::rename(&beside, &kept).map_err(|e| file::unavailable(&kept, &e))?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// What the old store knows of the time since the backup.
#[derive(Default)]
struct Known {
    unsettled: u64,
    audit: Vec<AuditEntry>,
    restores: Vec<RestoreNote>,
    purges: Vec<Purge>,
    years: Vec<Year>,
    /// What people decided, from the old store and from files beside backups.
    decided: Vec<Decided>,
    decisions_known: bool,
    /// Where ranges of numbers have come to, by ILS and name.
    ranges: BTreeMap<(String, String), i64>,
    /// The last numbers of runs, intents and batches.
    sequences: BTreeMap<String, i64>,
}

impl Known {
    fn read(conn: &Connection, key: &StoreKey, entropy: &Arc<dyn Entropy>) -> Result<Self, Fault> {
        let unsettled =
            conn.query_row("select count(*) from intent where ended is null", [], |row| row.get(0))?;
        let mut known = Self { unsettled: count(unsettled)?, ..Self::default() };
        let mut statement = conn.prepare("select ils, name, next from number_range")?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        known.ranges = rows.collect::<Result<_, _>>()?;
        let mut statement = conn
            .prepare("select name, seq from sqlite_sequence where name in ('run', 'intent', 'pin_batch')")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        known.sequences = rows.collect::<Result<_, _>>()?;
        let secrets = Secrets::new(key, Arc::clone(entropy));
        let db = Db { conn, secrets: &secrets };
        if mirror::has_decisions(&db)? {
            known.decided = mirror::all(&db)?;
        }
        known.decisions_known = true;
        let has_log: Option<i64> = conn
            .query_row("select 1 from sqlite_schema where type = 'table' and name = 'audit'", [], |row| {
                row.get(0)
            })
            .optional()?;
        if has_log.is_some() {
            known.audit = audit::list(&db, None, usize::MAX)?;
            known.restores = audit::restores(&db)?;
            known.purges = purge::all(&db)?;
            known.years = purge::years(&db)?;
        }
        Ok(known)
    }
}

impl Known {
    /// Reads what stands beside backups. A file that cannot be read is an error: what it has is not to be had elsewhere.
    fn read_mirrors(&mut self, backup: &Path, asked: &RestoreAsked, key_id: &str) -> Result<(), StoreError> {
        let own = mirror_of(backup);
        let own = own.is_file().then_some(own);
        for file in own.iter().chain(&asked.decisions) {
            self.decided.extend(mirror::read(file, key_id)?);
            self.decisions_known = true;
        }
        Ok(())
    }
}

/// The file of decisions beside a backup.
fn mirror_of(backup: &Path) -> PathBuf {
    file::beside(backup, mirror::ENDING)
}

/// Makes the store of a backup's copy.
fn prepare(
    conn: &mut Connection,
    secrets: &Secrets,
    key_id: [u8; 8],
    known: &Known,
    asked: &RestoreAsked,
) -> Result<Restored, Fault> {
    let what = "the backup";
    let found = migrations::look(conn, what, key_id)?;
    backup::check(conn, what)?;
    migrations::migrate(conn, found, key_id)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    let backup_at = backup::made_at(conn)?;
    let transaction = conn.transaction()?;
    let db = Db { conn: &transaction, secrets };
    let mut restored = Restored { backup_at, unsettled: known.unsettled, ..Restored::default() };
    restored.dropped = drop_plans(&db)?;
    // Whoever was missing then may have come back since, and gone again: the grace begins anew.
    transaction.execute(
        "update link set missing_since = null, feeds_missed = 0 where missing_since is not null or feeds_missed <> 0",
        [],
    )?;
    // A source that gives changes alone is read in full once: who went and came since is not in the changes to come.
    transaction.execute("update partnership set cursor = null, full_at = null", [])?;
    for purged in &known.purges {
        restored.purged_again.extend(purge_again(&db, purged, &known.years)?);
    }
    restored.forgotten_since = carry_over(&db, known)?;
    transaction.execute("delete from meta where name = 'backup_at'", [])?;
    restored.decisions_taken = mirror::take(&db, &known.decided)?;
    restored.decisions_known = known.decisions_known;
    let (at, who, decisions_known) = (asked.at, asked.who.clone(), known.decisions_known);
    audit::note_restore(&db, &RestoreNote { at, who, backup_at, decisions_known })?;
    let of = backup_at.map(|at| format!("a backup of {at:.0}")).unwrap_or_else(|| "a backup".to_owned());
    audit::add(
        &db,
        &AuditEntry {
            at: asked.at,
            who: asked.who.clone(),
            what: "restore".to_owned(),
            partnership: None,
            run: None,
            detail: of,
        },
    )?;
    let facts = backup::facts(&transaction, key_id)?;
    (restored.cards, restored.partnerships) = (facts.cards, facts.partnerships);
    transaction.commit()?;
    if !restored.purged_again.is_empty() {
        conn.execute_batch("vacuum")?;
    }
    Ok(restored)
}

/// Drops what waited or was to be made; what a write without a known end needs stays.
fn drop_plans(db: &Db<'_>) -> Result<u64, Fault> {
    let [ready, waiting, dropped] =
        [ChangeState::Ready, ChangeState::Waiting, ChangeState::Dropped].map(Coded::code);
    let open = "exists (select 1 from intent where change = change.id and ended is null)";
    let mut of = db.conn.prepare(&format!(
        "select distinct run from change where state in (?1, ?2) and not {open} order by run"
    ))?;
    let unfinished = of.query_map([ready, waiting], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let changed = db.conn.execute(
        &format!("update change set state = ?3, spool = null where state in (?1, ?2) and not {open}"),
        [ready, waiting, dropped],
    )?;
    for id in unfinished {
        let mut run = runs::one(db, RunId(id))?;
        let planned = run.state == RunState::Planned;
        not_done(&mut run.result.counts, planned);
        run.result.by_school.values_mut().for_each(|counts| not_done(counts, planned));
        run.result.waiting_for.clear();
        run.result.error = Some("a backup was restored before its changes were made".to_owned());
        run.result.hint = Some("the next run plans them anew".to_owned());
        runs::write(db, run.id, RunState::Failed, &runs::to_json(&run.result)?, None)?;
    }
    Ok(changed as u64)
}

/// What waited, or was only planned, was not done; counts go on adding up.
fn not_done(counts: &mut Counts, planned: bool) {
    counts.pending += std::mem::take(&mut counts.waiting);
    if planned {
        for kind in ChangeKind::ALL {
            if *kind != ChangeKind::Note {
                counts.pending += std::mem::take(counts.of(*kind));
            }
        }
    }
}

fn purge_again(db: &Db<'_>, purged: &Purge, years: &[Year]) -> Result<Option<String>, Fault> {
    let found = partnerships::find(db, &purged.permanent_id)?;
    if let Some(partnership) = &found {
        purge::remove(db, partnership.id, &purged.permanent_id)?;
        // The counts by year of the day of the purge have all that the backup has, and more.
        db.conn.execute("delete from yearly where partnership = ?1", [&purged.permanent_id])?;
        years
            .iter()
            .filter(|y| y.partnership == purged.permanent_id)
            .try_for_each(|y| purge::add_year(db, y))?;
    }
    purge::note(db, purged)?;
    Ok(found.map(|_| purged.name.clone()))
}

/// Takes over what the old store knows of the time since; how many students were forgotten meanwhile.
fn carry_over(db: &Db<'_>, known: &Known) -> Result<u64, Fault> {
    let had = audit::list(db, None, usize::MAX)?;
    let mut forgotten = 0;
    for entry in known.audit.iter().filter(|entry| !had.contains(entry)) {
        audit::add(db, entry)?;
        forgotten += u64::from(entry.what == "forget");
    }
    let had = audit::restores(db)?;
    for note in known.restores.iter().filter(|note| !had.contains(note)) {
        audit::note_restore(db, note)?;
    }
    for ((ils, name), next) in &known.ranges {
        let here: Option<i64> = db
            .conn
            .query_row("select next from number_range where ils = ?1 and name = ?2", [ils, name], |row| {
                row.get(0)
            })
            .optional()?;
        // Stored bit by bit: numbers are unsigned, columns are not.
        if here.is_none_or(|here| here.cast_unsigned() < next.cast_unsigned()) {
            db.conn.execute(
                "insert into number_range (ils, name, next) values (?1, ?2, ?3)
                 on conflict (ils, name) do update set next = excluded.next",
                params![ils, name, next],
            )?;
        }
    }
    for (table, last) in &known.sequences {
        let changed = db
            .conn
            .execute("update sqlite_sequence set seq = max(seq, ?2) where name = ?1", params![table, last])?;
        if changed == 0 {
            db.conn
                .execute("insert into sqlite_sequence (name, seq) values (?1, ?2)", params![table, last])?;
        }
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StoreKey {
        StoreKey::new([7; 32])
    }

    fn entropy() -> Arc<dyn Entropy> {
        Arc::new(|bytes: &mut [u8]| {
            bytes.fill(5);
            Ok(())
        })
    }

    /// How many partnerships the store at a path has; it has to be whole.
    fn partnerships_in(path: &Path) -> i64 {
        let (conn, _lock) = file::open_writer(path, key().digest_key().id()).unwrap();
        backup::check(&conn, "the store").unwrap();
        conn.query_row("select count(*) from partnership", [], |row| row.get(0)).unwrap()
    }

    /// A store as after a kill: what was written last lies in its log alone.
    fn make(path: &Path, partnerships: u32) {
        let first = file::beside(path, ".first");
        let (conn, _lock) = file::open_writer(&first, key().digest_key().id()).unwrap();
        for n in 0..partnerships {
            let sql = "insert into partnership (permanent_id, ils, name) values (?1, 'main', 'x')";
            conn.execute(sql, [format!("p{n}")]).unwrap();
        }
        file::remove(&file::beside(path, "-shm")).unwrap();
        for log in ["", "-wal"] {
            std::fs::copy(file::beside(&first, log), file::beside(path, log)).unwrap();
        }
        drop(conn);
        for log in ["", "-wal", "-shm", ".lock"] {
            file::remove(&file::beside(&first, log)).unwrap();
        }
    }

    /// The day's backup is made before a run brings the store to a newer schema: it is of the old one, and can be restored.
    #[test]
    fn a_backup_of_the_first_schema_is_brought_to_the_newest_when_it_is_restored() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
        let at = Timestamp::from_second(1_790_000_000).unwrap();
        let conn = Connection::open(&path).unwrap();
        migrations::make_first(&conn, key().digest_key().id());
        conn.execute("insert into partnership (permanent_id, ils, name) values ('oak', 'main', 'oak')", [])
            .unwrap();
        drop(conn);
        let facts = SqliteStore::backup(&path, &key(), &copy, at).unwrap();
        assert_eq!((facts.partnerships, facts.cards, facts.store_id), (1, 0, None));
        let schema = |path: &Path| -> i64 {
            let conn = Connection::open(path).unwrap();
            conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
        };
        assert_eq!(schema(&copy), 1);
        let asked = RestoreAsked { at, who: "pat".into(), decisions: Vec::new(), anyway: false };
        let restored = SqliteStore::restore(&copy, &path, &key(), entropy(), &asked).unwrap();
        assert!(restored.old_was_read);
        assert_eq!((schema(&path), schema(&copy)), (i64::from(migrations::KNOWN), 1));
        assert_eq!(partnerships_in(&path), 1);
    }

    /// Cut short after any step, with nothing tidied up, one whole store is there; and restored again, it is the backup's.
    #[test]
    fn s27_cut_short_anywhere_one_whole_store_is_there() {
        let at = Timestamp::from_second(1_790_000_000).unwrap();
        let asked = RestoreAsked { at, who: "pat".into(), decisions: Vec::new(), anyway: false };
        for (last, expected) in
            [(Step::Prepared, 2), (Step::OldClosed, 2), (Step::Kept, 2), (Step::InPlace, 1)]
        {
            let folder = tempfile::tempdir().unwrap();
            let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
            make(&path, 1);
            SqliteStore::backup(&path, &key(), &copy, at).unwrap();
            make(&path, 2);
            let mut seen = Vec::new();
            let cut = in_steps(&copy, &path, &key(), entropy(), &asked, &mut |step| {
                seen.push(step);
                let stop = StoreError::NotFound { what: "power".to_owned() };
                if step == last { Err(stop) } else { Ok(()) }
            });
            assert!(matches!(cut, Err(StoreError::NotFound { .. })), "{last:?}: {cut:?}");
            assert_eq!(seen.last(), Some(&last));
            assert_eq!(partnerships_in(&path), expected, "{last:?}");
            let restored = in_steps(&copy, &path, &key(), entropy(), &asked, &mut |_| Ok(())).unwrap();
            assert_eq!((restored.partnerships, partnerships_in(&path)), (1, 1), "{last:?}");
            assert!(!file::beside(&path, ".restoring").exists());
        }
    }
}
