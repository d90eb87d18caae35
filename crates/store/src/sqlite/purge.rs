//! A purge: everything of one partnership is removed, in one transaction; and what is not, is named here with its reason.
//! That nothing of it stays in freed pages and in the log is the file's matter (`scrub.rs`).
//!
//! Each table of the schema is in [`REMOVED`] or in [`KEPT`], which a test sees to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rostercard_core::plan::RunState;
use rostercard_core::words::LinkState;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, ParamsFromIter, Row, params, params_from_iter};

use super::db::Db;
use super::fault::{Fault, damaged, not_found};
use super::values::{count, moment, nanoseconds};
use super::{audit, ledger, runs};
use crate::keep::{AuditEntry, Purge, Removed, Year};
use crate::rows::{PartnershipId, RunId, RunResult, StateCount};
use crate::store::StoreError;

/// A table whose rows go with their partnership.
struct Goes {
    table: &'static str,
    /// What its rows are, for people.
    what: &'static str,
    /// Which rows: `?1` is the partnership's row, `?2` its permanent id.
    which: &'static str,
}

/// In an order in which nothing is left that hangs on what is gone.
const REMOVED: &[Goes] = &[
    Goes { table: "pin", what: "PINs that waited to be handed out", which: "partnership = ?1" },
    Goes { table: "pin_batch", what: "batches of PINs, when and by whom", which: "partnership = ?1" },
    Goes { table: "intent", what: "writes in the journal", which: "partnership = ?1" },
    Goes {
        table: "change",
        what: "planned changes, with what they wanted",
        which: "run in (select id from run where partnership = ?1)",
    },
    Goes {
        table: "decision",
        what: "decisions about plans",
        which: "run in (select id from run where partnership = ?1)",
    },
    Goes { table: "wish", what: "wishes of families, by digests", which: "partnership = ?1" },
    Goes { table: "answer", what: "answers to reviews, by digests", which: "partnership = ?1" },
    Goes { table: "run", what: "runs, with their counts by school and findings", which: "partnership = ?1" },
    Goes { table: "link", what: "links between students and patrons", which: "partnership = ?1" },
    Goes {
        table: "link_detail",
        what: "what the links held: ids, numbers, codes, digests",
        which: "partnership = ?1",
    },
    Goes { table: "school", what: "schools", which: "partnership = ?1" },
    Goes { table: "told_reject", what: "which rejects contacts were told of", which: "partnership = ?1" },
    Goes { table: "told", what: "what contacts were told of it, and when", which: "partnership = ?2" },
    Goes { table: "pause", what: "pauses of the partnership", which: "scope = 3 and name = ?2" },
    Goes {
        table: "partnership",
        what: "the partnership itself: its rules' digest, where its roster came from",
        which: "id = ?1",
    },
];

/// Tables that a purge leaves, and why.
#[cfg(test)]
const KEPT: &[(&str, &str)] = &[
    ("meta", "which key the store was made with"),
    ("migration", "which schema it has"),
    ("number_range", "a number that was drawn is never drawn again; it does not say for whom"),
    ("audit", "who did what, without a value about anybody: it is the record of the purge itself"),
    ("restored", "which backups were restored"),
    ("purged", "that the partnership was purged"),
    ("yearly", "counts by year, of nobody in particular"),
];

/// What a purge would remove, in the order in which it would.
pub(super) fn preview(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<Removed>, Fault> {
    let permanent_id = permanent_id(db, partnership)?;
    each(|goes| {
        let sql = format!("select count(*) from {} where {}", goes.table, goes.which);
        count(db.conn.query_row(&sql, args(partnership, &permanent_id, goes), |row| row.get(0))?)
    })
}

/// Removes everything of a partnership but its yearly counts, and notes that it was done.
pub(super) fn purge(
    db: &Db<'_>,
    partnership: PartnershipId,
    at: Timestamp,
    who: &str,
) -> Result<Purge, Fault> {
    let mut open =
        db.conn.prepare_cached("select count(*) from intent where partnership = ?1 and ended is null")?;
    let writes: u64 = count(open.query_row([partnership.0], |row| row.get(0))?)?;
    if writes > 0 {
        return Err(StoreError::Unsettled { writes }.into());
    }
    let mut find = db.conn.prepare_cached("select permanent_id, name, ils from partnership where id = ?1")?;
    let found =
        find.query_row([partnership.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let (permanent_id, name, ils): (String, String, String) =
        found.ok_or_else(|| not_found(format!("partnership {partnership}")))?;
    ledger::leave_to_others(db, partnership, None)?;
    let kept = ledger::state_counts(db, partnership)?;
    let removed = remove(db, partnership, &permanent_id)?;
    let purge = Purge { permanent_id, name, ils, at, who: who.to_owned(), removed, kept };
    note(db, &purge)?;
    let rows: u64 = purge.removed.iter().map(|removed| removed.rows).sum();
    audit::add(
        db,
        &AuditEntry {
            at,
            who: who.to_owned(),
            what: "purge".to_owned(),
            partnership: Some(purge.permanent_id.clone()),
            run: None,
            detail: format!("{rows} rows removed"),
        },
    )?;
    Ok(purge)
}

/// Removes everything of a partnership but its counts by year.
pub(super) fn remove(
    db: &Db<'_>,
    partnership: PartnershipId,
    permanent_id: &str,
) -> Result<Vec<Removed>, Fault> {
    let mut every = db.conn.prepare_cached("select id from run where partnership = ?1")?;
    let all = every.query_map([partnership.0], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    add_to_years(db, &all)?;
    each(|goes| {
        let sql = format!("delete from {} where {}", goes.table, goes.which);
        Ok(db.conn.execute(&sql, args(partnership, permanent_id, goes))? as u64)
    })
}

/// Notes a purge; also one that another store of the same library knows of.
pub(super) fn note(db: &Db<'_>, purge: &Purge) -> Result<(), Fault> {
    let kept: Vec<(String, u64)> =
        purge.kept.iter().map(|kept| (kept.state.word().to_owned(), kept.count)).collect();
    db.conn.execute(
        "insert or ignore into purged (permanent_id, name, ils, at, who, removed, kept)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            purge.permanent_id,
            purge.name,
            purge.ils,
            nanoseconds(purge.at),
            purge.who,
            runs::to_json(&purge.removed)?,
            runs::to_json(&kept)?
        ],
    )?;
    Ok(())
}

/// Every purge there was, in order of the permanent ids.
pub(super) fn all(db: &Db<'_>) -> Result<Vec<Purge>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select permanent_id, name, ils, at, who, removed, kept from purged order by permanent_id",
    )?;
    let mut rows = statement.query([])?;
    let mut purges = Vec::new();
    while let Some(row) = rows.next()? {
        purges.push(read(row)?);
    }
    Ok(purges)
}

fn read(row: &Row<'_>) -> Result<Purge, Fault> {
    let wrong = || damaged("a purge's counts that are none");
    let removed: String = row.get(5)?;
    let kept: Vec<(String, u64)> = serde_json::from_str(&row.get::<_, String>(6)?).map_err(|_| wrong())?;
    let kept = kept
        .into_iter()
        .map(|(word, count)| Ok(StateCount { state: LinkState::from_word(&word).ok_or_else(wrong)?, count }));
    Ok(Purge {
        permanent_id: row.get(0)?,
        name: row.get(1)?,
        ils: row.get(2)?,
        at: moment(row.get(3)?)?,
        who: row.get(4)?,
        removed: serde_json::from_str(&removed).map_err(|_| wrong())?,
        kept: kept.collect::<Result<_, Fault>>()?,
    })
}

/// Refuses a permanent id whose partnership was purged.
pub(super) fn refuse_purged(db: &Db<'_>, permanent_id: &str) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached("select name, at from purged where permanent_id = ?1")?;
    let found: Option<(String, i64)> =
        statement.query_row([permanent_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match found {
        None => Ok(()),
        Some((name, at)) => Err(StoreError::Purged { name, at: moment(at)? }.into()),
    }
}

/// Adds what runs came to, to the counts of their years. Plans alone came to nothing.
pub(super) fn add_to_years(db: &Db<'_>, runs_to_add: &[i64]) -> Result<(), Fault> {
    let mut years: BTreeMap<(String, i16), Year> = BTreeMap::new();
    let mut name = db.conn.prepare_cached(
        "select p.permanent_id from run r join partnership p on p.id = r.partnership where r.id = ?1",
    )?;
    for id in runs_to_add {
        let run = runs::one(db, RunId(*id))?;
        let partnership: String = name.query_row([id], |row| row.get(0))?;
        let year = jiff::tz::TimeZone::UTC.to_datetime(run.started_at).year();
        let entry = years.entry((partnership.clone(), year)).or_default();
        entry.partnership = partnership;
        entry.year = year;
        if run.state != RunState::Planned {
            add_run(entry, &run.result);
        }
    }
    years.values().try_for_each(|year| add_year(db, year))
}

/// Adds to the counts of a year.
pub(super) fn add_year(db: &Db<'_>, year: &Year) -> Result<(), Fault> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = db.conn.prepare_cached(
        "insert into yearly (partnership, year, runs, writes, lookups, created, linked, updated, renewed, lapsed, restored)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         on conflict (partnership, year) do update set runs = runs + excluded.runs, writes = writes + excluded.writes,
            lookups = lookups + excluded.lookups, created = created + excluded.created, linked = linked + excluded.linked,
            updated = updated + excluded.updated, renewed = renewed + excluded.renewed, lapsed = lapsed + excluded.lapsed,
            restored = restored + excluded.restored",
    )?;
    statement.execute(params![
        year.partnership,
        year.year,
        number(year.runs),
        number(year.writes),
        number(year.lookups),
        number(year.created),
        number(year.linked),
        number(year.updated),
        number(year.renewed),
        number(year.lapsed),
        number(year.restored)
    ])?;
    Ok(())
}

fn add_run(year: &mut Year, result: &RunResult) {
    let counts = &result.counts;
    year.runs += 1;
    year.writes += result.writes;
    year.lookups += result.lookups;
    year.created += counts.create;
    year.linked += counts.link;
    year.updated += counts.update;
    year.renewed += counts.renew;
    year.lapsed += counts.lapse;
    year.restored += counts.restore;
}

/// The counts of years whose runs are gone.
pub(super) fn years(db: &Db<'_>) -> Result<Vec<Year>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select partnership, year, runs, writes, lookups, created, linked, updated, renewed, lapsed, restored
         from yearly order by partnership, year",
    )?;
    let mut rows = statement.query([])?;
    let mut years = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |column: usize| -> Result<u64, Fault> { count(row.get(column)?) };
        years.push(Year {
            partnership: row.get(0)?,
            year: count(row.get(1)?)?,
            runs: number(2)?,
            writes: number(3)?,
            lookups: number(4)?,
            created: number(5)?,
            linked: number(6)?,
            updated: number(7)?,
            renewed: number(8)?,
            lapsed: number(9)?,
            restored: number(10)?,
        });
    }
    Ok(years)
}

fn permanent_id(db: &Db<'_>, partnership: PartnershipId) -> Result<String, Fault> {
    let mut find = db.conn.prepare_cached("select permanent_id from partnership where id = ?1")?;
    let found = find.query_row([partnership.0], |row| row.get(0)).optional()?;
    found.ok_or_else(|| not_found(format!("partnership {partnership}")))
}

fn each(mut rows: impl FnMut(&Goes) -> Result<u64, Fault>) -> Result<Vec<Removed>, Fault> {
    REMOVED
        .iter()
        .map(|goes| {
            Ok(Removed { table: goes.table.to_owned(), what: goes.what.to_owned(), rows: rows(goes)? })
        })
        .collect()
}

/// SQLite refuses a parameter that a statement has no place for.
fn args(partnership: PartnershipId, permanent_id: &str, goes: &Goes) -> ParamsFromIter<Vec<Value>> {
    let mut args = vec![Value::Integer(partnership.0)];
    if goes.which.contains("?2") {
        args.push(Value::Text(permanent_id.to_owned()));
    }
    params_from_iter(args)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sqlite::file;

    #[test]
    fn s20_every_table_is_removed_or_kept_for_a_reason() {
        let conn = file::open_in_memory([1; 8]).unwrap();
        let mut statement = conn
            .prepare("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
            .unwrap();
        let tables: BTreeSet<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let known = REMOVED.iter().map(|goes| goes.table).chain(KEPT.iter().map(|(table, _)| *table));
        let known: BTreeSet<String> = known.map(str::to_owned).collect();
        assert_eq!(tables, known, "say of a new table whether a purge removes it");
        assert_eq!(known.len(), REMOVED.len() + KEPT.len(), "a table in both");
    }
}
