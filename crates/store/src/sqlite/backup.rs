//! Backups: a copy of the store while others read and write it, whole or not there at all, checked before it has its
//! name. And what else is done with the file as a whole: its own id, an entry in the audit log beside whoever writes,
//! and leaving nothing of what was removed.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rostercard_core::words::LinkState;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::codes::Coded;
use super::db::{Db, Secrets};
use super::fault::{Fault, damaged};
use super::file::{self, BUSY};
use super::migrations::{self, Found, KNOWN};
use super::values::{count, moment, nanoseconds};
use super::{SqliteStore, audit, mirror};
use crate::keep::AuditEntry;
use crate::seal::{Entropy, StoreKey};
use crate::store::StoreError;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFacts {
    /// Cards that are looked after.
    pub cards: u64,
    /// Partnerships.
    pub partnerships: u64,
    /// The id of the key that it needs, in hexadecimal: it tells nothing of the key.
    pub key_id: String,
    /// The id of the store that it is of, in hexadecimal; none where the store was never opened by this version.
    pub store_id: Option<String>,
    /// Its size, in bytes.
    pub bytes: u64,
}

impl SqliteStore {
    /// Copies the store at `path` to the file `to`, which must not be there, while others may read and write it. It has
    /// its name only once it was checked and is durable; its owner alone may read it. Beside it, in `to` with `.decisions`
    /// after its name, stands what people decided about people, by digests.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::InTheWay`], [`StoreError::Busy`] where another one makes the same backup;
    /// else as [`Self::open_writer`].
    pub fn backup(path: &Path, key: &StoreKey, to: &Path, at: Timestamp) -> Result<BackupFacts, StoreError> {
        let what = to.display().to_string();
        if to.exists() {
            return Err(StoreError::InTheWay { what });
        }
        let part = file::beside(to, ".part");
        let (_locked, (facts, decided)) = copy(path, &part, key.digest_key().id(), |conn| {
            let moment = nanoseconds(at).to_string();
            let sql = "insert or replace into meta (name, value) values ('backup_at', ?1)";
            conn.execute(sql, params![moment.as_bytes()])?;
            let none = |_: &mut [u8]| Err(std::io::Error::other("a backup seals nothing"));
            let secrets = Secrets::new(key, Arc::new(none));
            let db = Db { conn, secrets: &secrets };
            let decided = if mirror::has_decisions(&db)? { mirror::all(&db)? } else { Vec::new() };
            Ok((facts(conn, key.digest_key().id())?, decided))
        })?;
        let beside = file::beside(to, mirror::ENDING);
        mirror::write(&beside, &decided, (facts.store_id.clone(), &facts.key_id), at)?;
        let bytes = file::make_durable(&part).map_err(|e| file::unavailable(&part, &e))?;
        if to.exists() {
            return Err(StoreError::InTheWay { what });
        }
        std::fs::rename(&part, to).map_err(|e| file::unavailable(to, &e))?;
        file::make_directory_durable(to).map_err(|e| file::unavailable(to, &e))?;
        Ok(BackupFacts { bytes, ..facts })
    }

    /// The id of the store at `path`, in hexadecimal: made once, kept through backups and restores.
    ///
    /// # Errors
    /// As [`Self::open_reader`].
    pub fn id_of(path: &Path, key: &StoreKey) -> Result<Option<String>, StoreError> {
        let conn = file::open_reader(path, key.digest_key().id())?;
        store_id(&conn).map_err(|fault| fault.at(&path.display().to_string()))
    }

    /// Adds to the audit log of the store at `path`, whoever has it open for writing: SQLite lets one of them wait.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] where there is none; else as [`Self::open_writer`].
    pub fn note_beside(path: &Path, key: &StoreKey, entry: &AuditEntry) -> Result<(), StoreError> {
        Self::beside(path, key, |db| audit::add(db, entry))
    }

    /// Does one small thing to the store at `path`, whoever else writes to it. Nothing is sealed.
    pub(super) fn beside<T>(
        path: &Path,
        key: &StoreKey,
        work: impl FnOnce(&Db<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let what = path.display().to_string();
        if !path.exists() {
            return Err(StoreError::NoStore { what });
        }
        let id = key.digest_key().id();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> Result<Connection, Fault> {
            let conn = Connection::open_with_flags(path, flags)?;
            conn.busy_timeout(BUSY)?;
            Ok(conn)
        };
        let conn = open().map_err(|fault| fault.at(&what))?;
        let (mut conn, _lock) = match migrations::look(&conn, &what, id)? {
            Found::Empty => return Err(StoreError::NoStore { what }),
            Found::Store(KNOWN) => (conn, None),
            Found::Store(_) => {
                drop(conn);
                let (conn, lock) = file::open_writer(path, id)?;
                (conn, Some(lock))
            }
        };
        let all = || -> Result<T, Fault> {
            conn.pragma_update(None, "synchronous", "full")?;
            let none = |_: &mut [u8]| Err(std::io::Error::other("an entry seals nothing"));
            let secrets = Secrets::new(key, Arc::new(none));
            // One that reads and then writes would be refused where somebody else wrote in between.
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&Db { conn: &transaction, secrets: &secrets })?;
            transaction.commit()?;
            Ok(done)
        };
        all().map_err(|fault| fault.at(&what))
    }

    /// Writes the file of the store at `path` anew and empties its log, so that no byte of what was removed stays in them.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where somebody has it; else as [`Self::open_writer`]. It may be called again.
    pub fn scrub(path: &Path, key: &StoreKey) -> Result<(), StoreError> {
        let what = path.display().to_string();
        let (conn, _lock) = file::open_writer(path, key.digest_key().id())?;
        conn.execute_batch("vacuum").map_err(|error| Fault::from(error).at(&what))?;
        empty_log(&conn, &what).map_err(|fault| fault.at(&what))
    }
}

/// Brings the log into the file and cuts it to nothing.
pub(super) fn empty_log(conn: &Connection, what: &str) -> Result<(), Fault> {
    let held_up: i64 = conn.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
    if held_up != 0 {
        let why = "another program is reading it, so that its log cannot be emptied".to_owned();
        return Err(StoreError::Unavailable { what: what.to_owned(), why }.into());
    }
    Ok(())
}

/// Copies a store into a file of one piece and does something to the copy, which is then checked. The copy stays locked,
/// so that two who make the same one do not write into each other's, until what is returned is dropped.
pub(super) fn copy<T>(
    from: &Path,
    to: &Path,
    key_id: [u8; 8],
    work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
) -> Result<(File, T), StoreError> {
    let what = from.display().to_string();
    if !from.exists() {
        return Err(StoreError::NoStore { what });
    }
    file::make_directory(to).map_err(|e| file::unavailable(to, &e))?;
    let locked = file::private_file(to).map_err(|e| file::unavailable(to, &e))?;
    match locked.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { what: to.display().to_string() }),
        Err(TryLockError::Error(e)) => return Err(file::unavailable(to, &e)),
    }
    // What somebody left who was killed.
    for ending in ["-wal", "-shm", "-journal"] {
        file::remove(&file::beside(to, ending)).map_err(|e| file::unavailable(to, &e))?;
    }
    locked.set_len(0).map_err(|e| file::unavailable(to, &e))?;
    let source = || -> Result<Connection, Fault> {
        let conn = Connection::open_with_flags(
            from,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        conn.busy_timeout(BUSY)?;
        Ok(conn)
    };
    let source = source().map_err(|fault| fault.at(&what))?;
    if migrations::look(&source, &what, key_id)? == Found::Empty {
        return Err(StoreError::NoStore { what });
    }
    let fill = || -> Result<T, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(to, flags)?;
        // All of it in one step: what others write meanwhile is not in it, and does not make it begin again.
        Backup::new(&source, &mut conn)?.step(-1)?;
        let mode: String = conn.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))?;
        if mode != "delete" {
            return Err(damaged("a copy that cannot be made one file"));
        }
        conn.pragma_update(None, "secure_delete", true)?;
        conn.pragma_update(None, "temp_store", "memory")?;
        let done = work(&mut conn)?;
        check(&conn, &to.display().to_string())?;
        Ok(done)
    };
    let done = fill().map_err(|fault| fault.at(&what))?;
    Ok((locked, done))
}

/// Whether a file is whole, to the last page, and nothing in it hangs on what is not there.
pub(super) fn check(conn: &Connection, what: &str) -> Result<(), Fault> {
    let verdict: String = conn.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(format!("{what} does not pass SQLite's check")));
    }
    let mut dangling = conn.prepare("pragma foreign_key_check")?;
    if dangling.exists([])? {
        return Err(damaged(format!("{what} has rows that hang on what is not there")));
    }
    Ok(())
}

/// What a store or a backup holds.
pub(super) fn facts(conn: &Connection, key_id: [u8; 8]) -> Result<BackupFacts, Fault> {
    let live = [LinkState::Made, LinkState::Linked, LinkState::Adopted].map(Coded::code);
    let cards =
        conn.query_row("select count(*) from link where state in (?1, ?2, ?3)", live, |row| row.get(0))?;
    let partnerships = conn.query_row("select count(*) from partnership", [], |row| row.get(0))?;
    Ok(BackupFacts {
        cards: count(cards)?,
        partnerships: count(partnerships)?,
        key_id: hexadecimal(&key_id),
        store_id: store_id(conn)?,
        bytes: 0,
    })
}

/// When a backup was made, where it says so.
pub(super) fn made_at(conn: &Connection) -> Result<Option<Timestamp>, Fault> {
    let value: Option<Vec<u8>> =
        conn.query_row("select value from meta where name = 'backup_at'", [], |row| row.get(0)).optional()?;
    let text = value.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.parse().ok()).map(moment).transpose()
}

fn store_id(conn: &Connection) -> Result<Option<String>, Fault> {
    let value: Option<Vec<u8>> =
        conn.query_row("select value from meta where name = 'store_id'", [], |row| row.get(0)).optional()?;
    Ok(value.map(|bytes| hexadecimal(&bytes)))
}

/// Gives a store an id, where it has none. Without randomness it gets one another time: nothing hangs on it but words.
pub(super) fn give_id(conn: &Connection, entropy: &dyn Entropy) -> Result<(), Fault> {
    if store_id(conn)?.is_some() {
        return Ok(());
    }
    let mut id = [0; 16];
    if entropy.fill(&mut id).is_err() {
        return Ok(());
    }
    conn.execute("insert into meta (name, value) values ('store_id', ?1)", [id.as_slice()])?;
    Ok(())
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name beside a file that nothing has yet.
pub(super) fn free_name(path: &Path, ending: &str) -> PathBuf {
    let first = file::beside(path, ending);
    let more = (2..).map(|n| file::beside(path, &format!("{ending}-{n}")));
    std::iter::once(first.clone()).chain(more.take(1_000)).find(|name| !name.exists()).unwrap_or(first)
}
