//! The file: where it lies, who may read it, who is at work on it, and whether it is whole.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::{Fault, damaged};
use super::migrations::{self, Found, KNOWN};
use crate::store::StoreError;

/// How long a statement waits for another program that has the file, such as a person's `sqlite3` or a backup.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// Up to this size the whole file is checked when it is opened, which takes about 0.15 s for each 100 MB where they lie
/// in the system's cache, and much longer where they do not. Above it, its header, its length and its schema are.
const CHECKED_WHOLE: u64 = 64 << 20;

/// Bytes that the writer's page cache may take.
const WRITER_CACHE_KIB: i64 = 32 << 10;

/// Opens the file for writing, makes it where there is none, and brings it to the newest schema. The lock is to be kept
/// as long as the connection.
pub(super) fn open_writer(path: &Path, key_id: [u8; 8]) -> Result<(Connection, File), StoreError> {
    let what = path.display().to_string();
    let unavailable = |why: &io::Error| StoreError::Unavailable { what: what.clone(), why: why.to_string() };
    make_directory(path).map_err(|e| unavailable(&e))?;
    let lock = lock(path, &what)?;
    private_file(path).map_err(|e| unavailable(&e))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(Fault::from)
        .and_then(|conn| prepare_writer(conn, &what, key_id, Some(path)))
        .map_err(|fault| fault.at(&what))?;
    Ok((conn, lock))
}

/// A store in memory, for tests.
pub(super) fn open_in_memory(key_id: [u8; 8]) -> Result<Connection, StoreError> {
    let what = "memory";
    Connection::open_in_memory()
        .map_err(Fault::from)
        .and_then(|conn| prepare_writer(conn, what, key_id, None))
        .map_err(|fault| fault.at(what))
}

/// Opens a file that is there for reading only.
pub(super) fn open_reader(path: &Path, key_id: [u8; 8]) -> Result<Connection, StoreError> {
    let what = path.display().to_string();
    if !path.exists() {
        return Err(StoreError::NoStore { what });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> Result<Connection, Fault> {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(BUSY)?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    };
    let conn = open().map_err(|fault| fault.at(&what))?;
    match migrations::look(&conn, &what, key_id)? {
        // A writer has just made the file and not yet filled it.
        Found::Empty => Err(StoreError::NoStore { what }),
        Found::Store(KNOWN) => Ok(conn),
        Found::Store(found) => Err(StoreError::Unavailable {
            what,
            why: format!(
                "it has schema {found}, this program reads {KNOWN}: the next run brings it up to date"
            ),
        }),
    }
}

fn prepare_writer(
    mut conn: Connection,
    what: &str,
    key_id: [u8; 8],
    path: Option<&Path>,
) -> Result<Connection, Fault> {
    conn.busy_timeout(BUSY)?;
    // Looked at before anything is set, for `journal_mode` writes: a file that is not ours stays as it is.
    let found = migrations::look(&conn, what, key_id)?;
    if let (Some(path), Found::Store(_)) = (path, found) {
        check_whole(&conn, path, what)?;
    }
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if path.is_some() && mode != "wal" {
        return Err(StoreError::Unavailable {
            what: what.to_owned(),
            why: "this file system cannot hold a write-ahead log: the store has to lie on a local disk"
                .to_owned(),
        }
        .into());
    }
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // After a first load the log would otherwise keep its greatest size for good.
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.set_prepared_statement_cache_capacity(64);
    migrations::migrate(&mut conn, found, key_id)?;
    Ok(conn)
}

/// Whether the file is whole, as far as that can be told without holding up the start.
fn check_whole(conn: &Connection, path: &Path, what: &str) -> Result<(), Fault> {
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if length <= CHECKED_WHOLE {
        let verdict: String = conn.query_row("pragma quick_check(1)", [], |row| row.get(0))?;
        return match verdict.as_str() {
            "ok" => Ok(()),
            _ => Err(damaged(format!("{what} does not pass SQLite's check"))),
        };
    }
    let number = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    // The log may hold pages that the file has not got yet, so only a file without a log can be found too short.
    let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |file| file.len());
    if log == 0 && number("page_count")?.saturating_mul(number("page_size")?).cast_unsigned() > length {
        return Err(damaged(format!("{what} is cut short")));
    }
    Ok(())
}

/// The lock of whoever writes; to be kept as long as the file is worked on.
pub(super) fn lock(path: &Path, what: &str) -> Result<File, StoreError> {
    let lock_path = beside(path, ".lock");
    let unavailable = |why: &io::Error| StoreError::Unavailable {
        what: lock_path.display().to_string(),
        why: why.to_string(),
    };
    let file = private_file(&lock_path).map_err(|e| unavailable(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy { what: what.to_owned() }),
        Err(TryLockError::Error(e)) => Err(unavailable(&e)),
    }
}

/// A file's name with something after it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes a file's directory, for its owner alone, where it is not there.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Opens a file, made where it is not there, that its owner alone may read. SQLite gives the log the same permissions.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(PermissionsExt::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until a file's bytes are on the disk; how many there are.
pub(super) fn make_durable(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Waits until a file's name is on the disk.
pub(super) fn make_directory_durable(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// An error about a file.
pub(super) fn unavailable(path: &Path, why: &io::Error) -> StoreError {
    StoreError::Unavailable { what: path.display().to_string(), why: why.to_string() }
}
