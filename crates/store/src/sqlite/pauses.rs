//! Pauses: what is paused, since when, until when, why and by whom.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::audit;
use super::db::Db;
use super::fault::{Fault, damaged};
use super::values::{moment, nanoseconds, optional_moment};
use crate::rows::{NewPause, Pause, PauseId, PauseScope};

/// Keeps a pause.
pub(super) fn begin(db: &Db<'_>, pause: &NewPause) -> Result<PauseId, Fault> {
    let (scope, name) = columns(&pause.scope);
    let mut statement = db.conn.prepare_cached(
        "insert into pause (scope, name, since, until, reason, who) values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let id = statement.insert(params![
        scope,
        name,
        nanoseconds(pause.since),
        nanoseconds(pause.until),
        pause.reason,
        pause.who
    ])?;
    let by = (pause.since, pause.who.as_str());
    audit::about_scope(db, &pause.scope, by, "pause", &format!("until {:.0}", pause.until))?;
    Ok(PauseId(id))
}

/// Ends the pauses of a scope that are in force.
pub(super) fn resume(db: &Db<'_>, scope: &PauseScope, at: Timestamp, who: &str) -> Result<u64, Fault> {
    let (code, name) = columns(scope);
    let mut statement = db.conn.prepare_cached(
        "update pause set resumed_at = ?3, resumed_by = ?4
         where scope = ?1 and name is ?2 and resumed_at is null and since <= ?3 and ?3 < until",
    )?;
    let ended = statement.execute(params![code, name, nanoseconds(at), who])?;
    if ended > 0 {
        audit::about_scope(db, scope, (at, who), "resume", "")?;
    }
    Ok(ended as u64)
}

/// Every pause, oldest first.
pub(super) fn all(db: &Db<'_>) -> Result<Vec<Pause>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select id, scope, name, since, until, reason, who, resumed_at, resumed_by from pause order by since, id",
    )?;
    let mut rows = statement.query([])?;
    let mut pauses = Vec::new();
    while let Some(row) = rows.next()? {
        pauses.push(read(row)?);
    }
    Ok(pauses)
}

fn columns(scope: &PauseScope) -> (i64, Option<&str>) {
    match scope {
        PauseScope::Everything => (1, None),
        PauseScope::Ils(id) => (2, Some(id)),
        PauseScope::Partnership(id) => (3, Some(id)),
    }
}

fn read(row: &Row<'_>) -> Result<Pause, Fault> {
    let scope = match (row.get(1)?, row.get(2)?) {
        (1, _) => PauseScope::Everything,
        (2, Some(id)) => PauseScope::Ils(id),
        (3, Some(id)) => PauseScope::Partnership(id),
        _ => return Err(damaged("a pause of nothing that is known")),
    };
    let resumed_by: Option<String> = row.get(8)?;
    Ok(Pause {
        id: PauseId(row.get(0)?),
        asked: NewPause {
            scope,
            since: moment(row.get(3)?)?,
            until: moment(row.get(4)?)?,
            reason: row.get(5)?,
            who: row.get(6)?,
        },
        resumed: optional_moment(row, 7)?.zip(resumed_by),
    })
}
