//! Plans: changes, and the spool of what is wanted for them. The spool is sealed, and wiped as soon as nothing can need
//! it any more: when the change is made, settled or dropped, and no intent of it is open.

use rostercard_core::digest::Digest;
use rostercard_core::field::FieldSet;
use rostercard_core::plan::{ChangeKind, ChangeState};
use rusqlite::{Row, params};
use zeroize::Zeroizing;

use super::codes::Coded;
use super::db::Db;
use super::fault::Fault;
use super::runs;
use super::values::{count, digest};
use crate::rows::{
    Change, ChangeCount, ChangeId, ChangeSelection, NewChange, PartnershipId, PastChange, PlanHead, RunId,
};
use crate::seal::Place;

/// The columns from which [`read`] makes a change; `c` is the table.
pub(super) const COLUMNS: &str =
    "c.id, c.run, c.person, c.kind, c.state, c.school_key, c.school_label, c.fields, c.decided, c.spool";

/// States of a change after which what was wanted is of no use.
const OVER: &[ChangeState] = &[ChangeState::Done, ChangeState::Settled, ChangeState::Dropped];

/// Keeps what a plan rests on, and drops what is left of the partnership's earlier plans.
pub(super) fn write(db: &Db<'_>, run: RunId, head: &PlanHead) -> Result<(), Fault> {
    runs::write_head(db, run, head)?;
    let partnership = runs::partnership(db, run)?;
    let (ready, waiting) = (ChangeState::Ready.code(), ChangeState::Waiting.code());
    let mut unfinished = db.conn.prepare_cached(
        "select id from run where partnership = ?1 and id < ?2 and superseded_by is null
         and exists (select 1 from change where run = run.id and state in (?3, ?4))",
    )?;
    let older = unfinished
        .query_map(params![partnership.0, run.0, ready, waiting], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    runs::supersede(db, &older, run)?;
    let mut drop_changes = db.conn.prepare_cached(
        "update change set state = ?3
         where run in (select id from run where partnership = ?1 and id < ?2) and state in (?4, ?5)",
    )?;
    drop_changes.execute(params![partnership.0, run.0, ChangeState::Dropped.code(), ready, waiting])?;
    // Failed changes too: the newer plan says anew what is wanted.
    let mut wipe = db.conn.prepare_cached(
        "update change set spool = null
         where run in (select id from run where partnership = ?1 and id < ?2) and spool is not null
         and not exists (select 1 from intent where change = change.id and ended is null)",
    )?;
    wipe.execute(params![partnership.0, run.0])?;
    Ok(())
}

/// Adds changes to a plan.
pub(super) fn add(db: &Db<'_>, run: RunId, changes: Vec<NewChange>) -> Result<Vec<ChangeId>, Fault> {
    runs::partnership(db, run)?;
    let mut statement = db.conn.prepare_cached(
        "insert into change (run, person, link, kind, state, school_key, school_label, fields, decided, spool)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut ids = Vec::with_capacity(changes.len());
    for change in changes {
        let spool = if change.spool.is_empty() {
            None
        } else {
            let row = place_row(run, change.person, change.kind);
            Some(db.secrets.sealer.seal(&place(&row.each_ref().map(Vec::as_slice)), &change.spool)?)
        };
        let id = statement.insert(params![
            run.0,
            change.person.0.as_slice(),
            change.link.map(|link| link.0),
            change.kind.code(),
            change.state.code(),
            change.school.0,
            change.school.1,
            change.fields.bits(),
            change.decided.0.as_slice(),
            spool
        ])?;
        ids.push(ChangeId(id));
    }
    Ok(ids)
}

/// Changes of a plan in a state, in order of their rows, after one of them.
pub(super) fn page(
    db: &Db<'_>,
    run: RunId,
    state: ChangeState,
    after: Option<ChangeId>,
    most: usize,
) -> Result<Vec<Change>, Fault> {
    let sql = format!(
        "select {COLUMNS} from change c where c.run = ?1 and c.state = ?2 and c.id > ?3 order by c.id limit ?4"
    );
    let mut statement = db.conn.prepare_cached(&sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let after = after.map_or(i64::MIN, |change| change.0);
    let mut rows = statement.query(params![run.0, state.code(), after, most])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(read(db, row, 0)?);
    }
    Ok(changes)
}

/// The changes that were planned for a person, newest first.
pub(super) fn of_person(
    db: &Db<'_>,
    partnership: PartnershipId,
    person: Digest,
    most: usize,
) -> Result<Vec<PastChange>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select c.run, c.kind, c.state from change c join run r on r.id = c.run
         where r.partnership = ?1 and c.person = ?2 order by c.id desc limit ?3",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![partnership.0, person.0.as_slice(), most])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(PastChange {
            run: RunId(row.get(0)?),
            kind: ChangeKind::from_code(row.get(1)?)?,
            state: ChangeState::from_code(row.get(2)?)?,
        });
    }
    Ok(changes)
}

/// A change from a row whose columns from `first` on are [`COLUMNS`].
pub(super) fn read(db: &Db<'_>, row: &Row<'_>, first: usize) -> Result<Change, Fault> {
    let run = RunId(row.get(first + 1)?);
    let person = digest(row, first + 2)?;
    let kind = ChangeKind::from_code(row.get(first + 3)?)?;
    let spool = match row.get::<_, Option<Vec<u8>>>(first + 9)? {
        None => Zeroizing::new(Vec::new()),
        Some(sealed) => {
            let names = place_row(run, person, kind);
            db.secrets.sealer.open(&place(&names.each_ref().map(Vec::as_slice)), &sealed)?
        }
    };
    Ok(Change {
        id: ChangeId(row.get(first)?),
        person,
        kind,
        state: ChangeState::from_code(row.get(first + 4)?)?,
        school: (row.get(first + 5)?, row.get(first + 6)?),
        fields: FieldSet::from_bits(row.get(first + 7)?),
        decided: digest(row, first + 8)?,
        spool,
    })
}

fn place_row(run: RunId, person: Digest, kind: ChangeKind) -> [Vec<u8>; 3] {
    [run.0.to_le_bytes().to_vec(), person.0.to_vec(), kind.code().to_le_bytes().to_vec()]
}

fn place<'a>(row: &'a [&'a [u8]; 3]) -> Place<'a> {
    Place { column: "change.spool", row }
}

/// How many changes of a plan there are, by school, kind and state.
pub(super) fn counts(db: &Db<'_>, run: RunId) -> Result<Vec<ChangeCount>, Fault> {
    let mut statement = db.conn.prepare_cached(
        "select school_key, school_label, kind, state, count(*) from change where run = ?1
         group by school_key, school_label, kind, state order by school_label, school_key, kind, state",
    )?;
    let mut rows = statement.query([run.0])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        counts.push(ChangeCount {
            school: (row.get(0)?, row.get(1)?),
            kind: ChangeKind::from_code(row.get(2)?)?,
            state: ChangeState::from_code(row.get(3)?)?,
            count: count(row.get(4)?)?,
        });
    }
    Ok(counts)
}

/// Puts changes of a plan from one state into another.
pub(super) fn shift(
    db: &Db<'_>,
    run: RunId,
    from: ChangeState,
    to: ChangeState,
    selection: &ChangeSelection,
) -> Result<u64, Fault> {
    let ids = match &selection.ids {
        None => None,
        Some(ids) => Some(runs::to_json(&ids.iter().map(|id| id.0).collect::<Vec<_>>())?),
    };
    let mut statement = db.conn.prepare_cached(
        "update change set state = ?3,
            spool = iif(?7 and not exists (select 1 from intent where change = change.id and ended is null), null, spool)
         where run = ?1 and state = ?2
         and (?4 is null or school_key = ?4 or school_label = ?4)
         and (?5 is null or kind = ?5)
         and (?6 is null or id in (select value from json_each(?6)))",
    )?;
    let moved = statement.execute(params![
        run.0,
        from.code(),
        to.code(),
        selection.school,
        selection.kind.map(Coded::code),
        ids,
        OVER.contains(&to)
    ])?;
    Ok(moved as u64)
}

/// Sets a change's state; whether there is such a change.
pub(super) fn set_state(db: &Db<'_>, change: ChangeId, state: ChangeState) -> Result<bool, Fault> {
    let mut statement = db.conn.prepare_cached("update change set state = ?2 where id = ?1")?;
    Ok(statement.execute([change.0, state.code()])? > 0)
}

/// Wipes a change's spool where nothing can need it any more.
pub(super) fn wipe_if_over(db: &Db<'_>, change: ChangeId) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "update change set spool = null
         where id = ?1 and spool is not null
         and (state in (?2, ?3, ?4) or exists (select 1 from run where id = change.run and superseded_by is not null))
         and not exists (select 1 from intent where change = change.id and ended is null)",
    )?;
    let [done, settled, dropped] =
        [ChangeState::Done, ChangeState::Settled, ChangeState::Dropped].map(Coded::code);
    statement.execute([change.0, done, settled, dropped])?;
    Ok(())
}
