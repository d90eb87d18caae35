//! How long things stay, what is held about one person, and how a person is forgotten.

use jiff::Timestamp;
use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::plan::{ChangeKind, ChangeState, Counts, RunState};
use rusqlite::{Row, params};

use super::codes::Coded;
use super::db::Db;
use super::fault::{Fault, not_found};
use super::values::{count, digest, moment, nanoseconds, optional_moment};
use super::{audit, decisions, journal, ledger, plans, purge, runs};
use crate::keep::{Held, HeldChange, HeldWrite, Removed, Retained, Retention};
use crate::rows::{ChangeId, IntentEnd, IntentKind, PartnershipId, PinBatchId, RunId, Wish};
use crate::store::StoreError;

// ---- how long things stay ----

/// Lets go of what is older than it is to be kept, of every partnership.
pub(super) fn retain(db: &Db<'_>, limits: &Retention) -> Result<Retained, Fault> {
    let before_values = db.conn.execute(
        "update intent set before_values = null
         where before_values is not null and ended is not null and ended_at < ?1",
        [nanoseconds(limits.before_values)],
    )?;
    // Wiped, and left in their state: an expired plan says that it is expired. A run that was killed before it had a
    // plan is as old as its beginning.
    let spools = db.conn.execute(
        "update change set spool = null
         where spool is not null
         and run in (select id from run where coalesce(plan_expires_at, finished_at, started_at + ?2) <= ?1)
         and not exists (select 1 from intent where change = change.id and ended is null)",
        params![nanoseconds(limits.plans), WITHOUT_A_PLAN],
    )?;
    let runs = old_runs(db, limits.runs)?;
    purge::add_to_years(db, &runs)?;
    let mut unlink = db.conn.prepare_cached("update run set superseded_by = null where id = ?1")?;
    for run in &runs {
        unlink.execute([run])?;
    }
    for sql in [
        "delete from intent where run = ?1",
        "delete from change where run = ?1",
        "delete from decision where run = ?1",
        "delete from run where id = ?1",
    ] {
        let mut delete = db.conn.prepare_cached(sql)?;
        for run in &runs {
            delete.execute([run])?;
        }
    }
    Ok(Retained { before_values: before_values as u64, spools: spools as u64, runs: runs.len() as u64 })
}

/// So long what a run wanted is kept where it was killed before its plan said until when it is good, in nanoseconds:
/// 14 days.
const WITHOUT_A_PLAN: i64 = 14 * 86_400 * 1_000_000_000;

/// Runs that may go: not the newest of a partnership, nor the newest that was done by a plan, for the next run asks
/// for it; nor what is open, or what a run that stays says took its place.
fn old_runs(db: &Db<'_>, before: Timestamp) -> Result<Vec<i64>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select id from run r where started_at < ?1
         and id <> (select max(id) from run where partnership = r.partnership)
         and id is not (select max(id) from run where partnership = r.partnership and state in (?2, ?3)
                        and plan_digest is not null)
         and not exists (select 1 from intent where run = r.id and ended is null)
         and not exists (select 1 from run newer where newer.superseded_by = r.id and newer.started_at >= ?1)
         order by id",
    )?;
    let (done, rejects) = (RunState::Done.code(), RunState::DoneWithRejects.code());
    let rows = statement.query_map(params![nanoseconds(before), done, rejects], |row| row.get(0))?;
    let found = rows.collect::<Result<Vec<i64>, _>>()?;
    // A run that stays, though it is old, may name one that would go.
    let mut named = db.conn.prepare_cached("select id from run where superseded_by = ?1")?;
    let mut stays: Vec<i64> = Vec::new();
    loop {
        let before = stays.len();
        for run in &found {
            if stays.contains(run) {
                continue;
            }
            let by = named.query_map([run], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            if by.iter().any(|by| !found.contains(by) || stays.contains(by)) {
                stays.push(*run);
            }
        }
        if stays.len() == before {
            return Ok(found.into_iter().filter(|run| !stays.contains(run)).collect());
        }
    }
}

// ---- one person ----

/// Everything that is held about a person.
pub(super) fn held(db: &Db<'_>, partnership: PartnershipId, person: Digest) -> Result<Held, Fault> {
    let key = params![partnership.0, person.0.as_slice()];
    let link = ledger::links(db, partnership, &[person])?.pop();
    let sql = format!(
        "select {} from change c where c.run in (select id from run where partnership = ?1)
         and (c.person = ?2 or c.link = {OWN_LINK}) order by c.id desc",
        plans::COLUMNS
    );
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query(key)?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let run = RunId(row.get(1)?);
        let change = plans::read(db, row, 0)?;
        let (kind, state) = (change.kind, change.state);
        changes.push(HeldChange { run, kind, state, school: change.school.1, spool: change.spool });
    }
    let sql = format!(
        "select run, kind, at, ended, ended_at, fields, sealed is not null, before_values, change, person from intent
         where {OWN_WRITES} order by id desc"
    );
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query(key)?;
    let mut writes = Vec::new();
    while let Some(row) = rows.next()? {
        writes.push(write(db, row)?);
    }
    let mut statement =
        db.conn.prepare_cached("select made_at, batch from pin where partnership = ?1 and person = ?2")?;
    let mut rows = statement.query(key)?;
    let pin = match rows.next()? {
        Some(row) => Some((moment(row.get(0)?)?, row.get::<_, Option<i64>>(1)?.map(PinBatchId))),
        None => None,
    };
    let about = |wish: &Wish| wish.person == person;
    let wish = decisions::wishes(db, partnership)?.into_iter().find(about);
    let answers = decisions::answers(db, partnership)?;
    let answers = answers.into_iter().filter(|answer| answer.person == person).collect();
    Ok(Held { link, changes, writes, pin, wish, answers })
}

/// The person's link. What was done to a card under an earlier student number hangs on it.
const OWN_LINK: &str = "(select id from link where partnership = ?1 and person = ?2)";

/// The writes of a person, also under an earlier student number.
const OWN_WRITES: &str = "partnership = ?1 and (person = ?2 or change in (select id from change where link =
    (select id from link where partnership = ?1 and person = ?2)))";

fn write(db: &Db<'_>, row: &Row<'_>) -> Result<HeldWrite, Fault> {
    let kind = IntentKind::from_code(row.get(1)?)?;
    let end = row.get::<_, Option<i64>>(3)?.map(IntentEnd::from_code).transpose()?;
    let before: Option<Vec<u8>> = row.get(7)?;
    let before = match before {
        Some(sealed) => {
            Some(journal::open_before(db, ChangeId(row.get(8)?), digest(row, 9)?, kind, &sealed)?)
        }
        None => None,
    };
    Ok(HeldWrite {
        run: RunId(row.get(0)?),
        kind,
        at: moment(row.get(2)?)?,
        ended: end.zip(optional_moment(row, 4)?),
        fields: FieldSet::from_bits(row.get(5)?),
        unsettled_values: row.get(6)?,
        before,
    })
}

/// Tables that name a person, in an order in which nothing is left that hangs on what is gone.
const OF_A_PERSON: &[(&str, &str, &str)] = &[
    ("pin", "a PIN that waited to be handed out", "partnership = ?1 and person = ?2"),
    ("intent", "writes in the journal", OWN_WRITES),
    (
        "change",
        "planned changes, with what they wanted",
        "run in (select id from run where partnership = ?1)
         and (person = ?2 or link = (select id from link where partnership = ?1 and person = ?2))",
    ),
    ("link", "the link between student and patron", "partnership = ?1 and person = ?2"),
    ("link_detail", "what the link held: ids, numbers, codes, digests", "partnership = ?1 and person = ?2"),
    ("answer", "answers to reviews", "partnership = ?1 and person = ?2"),
    ("told_reject", "that contacts were told of a reject", "partnership = ?1 and person = ?2"),
    // A family's no is a digest, and is what keeps a card from being made again.
    (
        "wish",
        "wishes of the family, but a no",
        "partnership = ?1 and person = ?2 and (wants or ended_at is not null)",
    ),
];

/// Removes everything that is held about a person. The runs' counts stay, and say no more of whoever waited than that
/// nothing was done.
pub(super) fn forget(
    db: &Db<'_>,
    partnership: PartnershipId,
    person: Digest,
    at: Timestamp,
    who: &str,
) -> Result<Vec<Removed>, Fault> {
    let key = params![partnership.0, person.0.as_slice()];
    let sql = format!("select count(*) from intent where {OWN_WRITES} and ended is null");
    let mut open = db.conn.prepare_cached(&sql)?;
    let writes: u64 = count(open.query_row(key, |row| row.get(0))?)?;
    if writes > 0 {
        return Err(StoreError::Unsettled { writes }.into());
    }
    count_as_not_done(db, partnership, person)?;
    ledger::leave_to_others(db, partnership, Some(person))?;
    let mut removed = Vec::new();
    for (table, what, which) in OF_A_PERSON {
        let rows = db.conn.execute(&format!("delete from {table} where {which}"), key)? as u64;
        removed.push(Removed { table: (*table).to_owned(), what: (*what).to_owned(), rows });
    }
    let rows: u64 = removed.iter().map(|removed| removed.rows).sum();
    if rows == 0 {
        return Err(not_found("student with this id in what is kept of the partnership"));
    }
    audit::about(db, partnership, (at, who), "forget", None, format!("one student, {rows} rows"))?;
    Ok(removed)
}

/// A change that is taken away from a plan that waits is no longer among what waits: counts go on adding up.
fn count_as_not_done(db: &Db<'_>, partnership: PartnershipId, person: Digest) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "select run, kind, school_label from change
         where state in (?3, ?4) and run in (select id from run where partnership = ?1)
         and (person = ?2 or link = (select id from link where partnership = ?1 and person = ?2))",
    )?;
    let (ready, waiting) = (ChangeState::Ready.code(), ChangeState::Waiting.code());
    let mut rows = statement.query(params![partnership.0, person.0.as_slice(), ready, waiting])?;
    while let Some(row) = rows.next()? {
        let (id, kind) = (RunId(row.get(0)?), ChangeKind::from_code(row.get(1)?)?);
        let school: String = row.get(2)?;
        let mut run = runs::one(db, id)?;
        // A plan's counts are of what would be done; a run's say what waits.
        let planned = run.state == RunState::Planned;
        let shift = |counts: &mut Counts| {
            let from = if planned { counts.of(kind) } else { &mut counts.waiting };
            if *from > 0 {
                *from -= 1;
                counts.pending += 1;
            }
        };
        shift(&mut run.result.counts);
        if let Some(counts) = run.result.by_school.get_mut(&school) {
            shift(counts);
        }
        runs::write(db, id, run.state, &runs::to_json(&run.result)?, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sqlite::file;

    #[test]
    fn every_table_that_names_a_person_is_forgotten_from() {
        let conn = file::open_in_memory([1; 8]).unwrap();
        let mut statement = conn
            .prepare(
                "select distinct t.name from sqlite_schema t, pragma_table_info(t.name) c
                 where t.type = 'table' and c.name = 'person'",
            )
            .unwrap();
        let tables: BTreeSet<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let known: BTreeSet<String> = OF_A_PERSON.iter().map(|(table, _, _)| (*table).to_owned()).collect();
        assert_eq!(tables, known, "say of a new table how a person is forgotten from it");
    }
}
