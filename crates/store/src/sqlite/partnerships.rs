//! Partnerships and their schools.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::db::Db;
use super::fault::{Fault, not_found};
use super::values::{nanoseconds, optional_digest, optional_moment};
use crate::rows::{Partnership, PartnershipId, PlanHead, SchoolId, StoredSchool};

const COLUMNS: &str = "id, permanent_id, ils, name, let_through, rules, endpoint, as_of, cursor, full_at";

/// The partnership with a permanent id. Its ILS stays the one it was made with: whoever asks compares.
pub(super) fn find(db: &Db<'_>, permanent_id: &str) -> Result<Option<Partnership>, Fault> {
    let sql = format!("select {COLUMNS} from partnership where permanent_id = ?1");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([permanent_id])?;
    rows.next()?.map(read).transpose()
}

/// The partnership with a permanent id, made where it is not there yet, under the name it has now.
pub(super) fn find_or_make(
    db: &Db<'_>,
    permanent_id: &str,
    ils: &str,
    name: &str,
) -> Result<Partnership, Fault> {
    super::purge::refuse_purged(db, permanent_id)?;
    db.conn.execute(
        "insert into partnership (permanent_id, ils, name) values (?1, ?2, ?3)
         on conflict (permanent_id) do update set name = excluded.name",
        params![permanent_id, ils, name],
    )?;
    find(db, permanent_id)?.ok_or_else(|| not_found(format!("partnership `{permanent_id}`")))
}

/// Every partnership, in the order in which they came.
pub(super) fn all(db: &Db<'_>) -> Result<Vec<Partnership>, Fault> {
    let sql = format!("select {COLUMNS} from partnership order by id");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut partnerships = Vec::new();
    while let Some(row) = rows.next()? {
        partnerships.push(read(row)?);
    }
    Ok(partnerships)
}

fn read(row: &Row<'_>) -> Result<Partnership, Fault> {
    Ok(Partnership {
        id: PartnershipId(row.get(0)?),
        permanent_id: row.get(1)?,
        ils: row.get(2)?,
        name: row.get(3)?,
        let_through: row.get(4)?,
        rules: optional_digest(row, 5)?,
        endpoint: row.get(6)?,
        as_of: optional_moment(row, 7)?,
        cursor: row.get(8)?,
        full_at: optional_moment(row, 9)?,
    })
}

/// The permanent id of a partnership's ILS.
pub(super) fn ils(db: &Db<'_>, partnership: PartnershipId) -> Result<String, Fault> {
    let mut statement = db.conn.prepare_cached("select ils from partnership where id = ?1")?;
    let ils = statement.query_row([partnership.0], |row| row.get(0)).optional()?;
    ils.ok_or_else(|| not_found(format!("partnership {partnership}")))
}

/// Keeps what the next run is compared with. Rules and endpoint are those that were let through: until a person has
/// let other ones through, each run finds again that they changed.
pub(super) fn taken(
    db: &Db<'_>,
    partnership: PartnershipId,
    head: &PlanHead,
    let_through: bool,
) -> Result<(), Fault> {
    let changed = db.conn.execute(
        "update partnership set
            as_of = coalesce(?2, as_of),
            let_through = let_through or ?3,
            rules = iif(?3, ?4, rules),
            endpoint = iif(?3, ?5, endpoint)
         where id = ?1",
        params![
            partnership.0,
            head.as_of.map(nanoseconds),
            let_through,
            head.rules.0.as_slice(),
            head.endpoint
        ],
    )?;
    if changed == 0 {
        return Err(not_found(format!("partnership {partnership}")));
    }
    Ok(())
}

/// Keeps where the source goes on from.
pub(super) fn cursor(
    db: &Db<'_>,
    partnership: PartnershipId,
    cursor: Option<&str>,
    full_at: Option<Timestamp>,
) -> Result<(), Fault> {
    let changed = db.conn.execute(
        "update partnership set cursor = coalesce(?2, cursor), full_at = coalesce(?3, full_at) where id = ?1",
        params![partnership.0, cursor, full_at.map(nanoseconds)],
    )?;
    if changed == 0 {
        return Err(not_found(format!("partnership {partnership}")));
    }
    Ok(())
}

/// Names another ILS as the partnership's.
pub(super) fn set_ils(db: &Db<'_>, partnership: PartnershipId, ils: &str) -> Result<(), Fault> {
    db.conn.execute("update partnership set ils = ?2 where id = ?1", params![partnership.0, ils])?;
    Ok(())
}

/// The schools of a partnership.
pub(super) fn schools(db: &Db<'_>, partnership: PartnershipId) -> Result<Vec<StoredSchool>, Fault> {
    let mut statement =
        db.conn.prepare_cached("select id, key, label from school where partnership = ?1 order by id")?;
    let rows = statement.query_map([partnership.0], |row| {
        Ok(StoredSchool { id: SchoolId(row.get(0)?), key: row.get(1)?, label: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A school's row, made where it is not there yet, with the label it has now.
pub(super) fn school(
    db: &Db<'_>,
    partnership: PartnershipId,
    school: &(String, String),
) -> Result<SchoolId, Fault> {
    let (key, label) = school;
    let mut find =
        db.conn.prepare_cached("select id, label from school where partnership = ?1 and key = ?2")?;
    let found = find
        .query_row(params![partnership.0, key], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    if let Some((id, old)) = found {
        if old != *label {
            let mut rename = db.conn.prepare_cached("update school set label = ?2 where id = ?1")?;
            rename.execute(params![id, label])?;
        }
        return Ok(SchoolId(id));
    }
    let mut make =
        db.conn.prepare_cached("insert into school (partnership, key, label) values (?1, ?2, ?3)")?;
    Ok(SchoolId(make.insert(params![partnership.0, key, label])?))
}
