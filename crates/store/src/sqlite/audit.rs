//! The audit log: who did what. Only added to, which two triggers of the schema see to.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::db::Db;
use super::fault::Fault;
use super::values::{moment, nanoseconds, optional_moment};
use crate::keep::{AuditEntry, RestoreNote};
use crate::rows::{PartnershipId, PauseScope, RunId};

/// Adds an entry.
pub(super) fn add(db: &Db<'_>, entry: &AuditEntry) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "insert into audit (at, who, what, partnership, run, detail) values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        nanoseconds(entry.at),
        entry.who,
        entry.what,
        entry.partnership,
        entry.run.map(|run| run.0),
        entry.detail
    ])?;
    Ok(())
}

/// Adds what a person did about a partnership, by its row.
pub(super) fn about(
    db: &Db<'_>,
    partnership: PartnershipId,
    (at, who): (Timestamp, &str),
    what: &str,
    run: Option<RunId>,
    detail: String,
) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached("select permanent_id from partnership where id = ?1")?;
    let partnership = statement.query_row([partnership.0], |row| row.get(0)).optional()?;
    add(db, &AuditEntry { at, who: who.to_owned(), what: what.to_owned(), partnership, run, detail })
}

/// Adds what a person did about what may be paused. The reason is left out: it stands with the pause.
pub(super) fn about_scope(
    db: &Db<'_>,
    scope: &PauseScope,
    (at, who): (Timestamp, &str),
    what: &str,
    detail: &str,
) -> Result<(), Fault> {
    let (partnership, named) = match scope {
        PauseScope::Everything => (None, "everything".to_owned()),
        PauseScope::Ils(id) => (None, format!("ILS {id}")),
        PauseScope::Partnership(id) => (Some(id.clone()), "this partnership".to_owned()),
    };
    let detail = if detail.is_empty() { named } else { format!("{named} {detail}") };
    add(db, &AuditEntry { at, who: who.to_owned(), what: what.to_owned(), partnership, run: None, detail })
}

/// The entries since a moment, oldest first; at most so many, the newest.
pub(super) fn list(db: &Db<'_>, since: Option<Timestamp>, most: usize) -> Result<Vec<AuditEntry>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select at, who, what, partnership, run, detail from audit where ?1 is null or at >= ?1
         order by id desc limit ?2",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![since.map(nanoseconds), most])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(AuditEntry {
            at: moment(row.get(0)?)?,
            who: row.get(1)?,
            what: row.get(2)?,
            partnership: row.get(3)?,
            run: row.get::<_, Option<i64>>(4)?.map(RunId),
            detail: row.get(5)?,
        });
    }
    entries.reverse();
    Ok(entries)
}

/// Notes that a backup was restored.
pub(super) fn note_restore(db: &Db<'_>, note: &RestoreNote) -> Result<(), Fault> {
    db.conn.execute(
        "insert into restored (at, who, backup_at, decisions_known) values (?1, ?2, ?3, ?4)",
        params![nanoseconds(note.at), note.who, note.backup_at.map(nanoseconds), note.decisions_known],
    )?;
    Ok(())
}

/// The backups that were restored, oldest first.
pub(super) fn restores(db: &Db<'_>) -> Result<Vec<RestoreNote>, Fault> {
    let mut statement =
        db.conn.prepare_cached("select at, who, backup_at, decisions_known from restored order by id")?;
    let mut rows = statement.query([])?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        notes.push(RestoreNote {
            at: moment(row.get(0)?)?,
            who: row.get(1)?,
            backup_at: optional_moment(row, 2)?,
            decisions_known: row.get(3)?,
        });
    }
    Ok(notes)
}
