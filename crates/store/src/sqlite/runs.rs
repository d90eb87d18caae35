//! Runs: when, how they stand, what they came to, what their plan rests on, and what people decided about it.

use jiff::Timestamp;
use rostercard_core::plan::{ChangeKind, RunState};
use rusqlite::{OptionalExtension, Row, params};

use super::codes::Coded;
use super::db::Db;
use super::fault::{Fault, damaged, not_found};
use super::values::{date, days, moment, nanoseconds, optional_digest, optional_moment};
use crate::rows::{
    ChangeId, ChangeSelection, NewRun, PartnershipId, PlanDecision, PlanHead, Run, RunId, RunResult,
};

const COLUMNS: &str = "id, partnership, kind, started_at, finished_at, state, result, superseded_by,
    plan_digest, plan_as_of, plan_rules, plan_endpoint, plan_day, plan_expires_at, plan_cursor";

/// Begins a run.
pub(super) fn begin(db: &Db<'_>, run: &NewRun) -> Result<RunId, Fault> {
    super::partnerships::ils(db, run.partnership)?;
    let mut statement = db.conn.prepare_cached(
        "insert into run (partnership, kind, started_at, state, result) values (?1, ?2, ?3, ?4, ?5)",
    )?;
    let id = statement.insert(params![
        run.partnership.0,
        run.kind,
        nanoseconds(run.started_at),
        RunState::Running.code(),
        to_json(&RunResult::default())?
    ])?;
    Ok(RunId(id))
}

/// Keeps a run's state and result.
pub(super) fn write(
    db: &Db<'_>,
    run: RunId,
    state: RunState,
    result: &str,
    finished_at: Option<Timestamp>,
) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "update run set state = ?2, result = ?3, finished_at = coalesce(?4, finished_at) where id = ?1",
    )?;
    let changed = statement.execute(params![run.0, state.code(), result, finished_at.map(nanoseconds)])?;
    found(changed, run)
}

/// Keeps what a run's plan rests on.
pub(super) fn write_head(db: &Db<'_>, run: RunId, head: &PlanHead) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached(
        "update run set plan_digest = ?2, plan_as_of = ?3, plan_rules = ?4, plan_endpoint = ?5, plan_day = ?6,
            plan_expires_at = ?7, plan_cursor = ?8
         where id = ?1",
    )?;
    let changed = statement.execute(params![
        run.0,
        head.digest,
        head.as_of.map(nanoseconds),
        head.rules.0.as_slice(),
        head.endpoint,
        days(head.day),
        nanoseconds(head.expires_at),
        head.cursor
    ])?;
    found(changed, run)
}

/// A run.
pub(super) fn one(db: &Db<'_>, run: RunId) -> Result<Run, Fault> {
    let sql = format!("select {COLUMNS} from run where id = ?1");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([run.0])?;
    match rows.next()? {
        Some(row) => read(row),
        None => Err(no_run(run)),
    }
}

/// The last runs, newest first.
pub(super) fn last(db: &Db<'_>, partnership: Option<PartnershipId>, most: usize) -> Result<Vec<Run>, Fault> {
    let sql =
        format!("select {COLUMNS} from run where ?1 is null or partnership = ?1 order by id desc limit ?2");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![partnership.map(|p| p.0), most])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(read(row)?);
    }
    Ok(runs)
}

fn read(row: &Row<'_>) -> Result<Run, Fault> {
    let half = || damaged("half of what a plan rests on");
    let plan = match row.get::<_, Option<String>>(8)? {
        None => None,
        Some(digest) => Some(PlanHead {
            digest,
            as_of: optional_moment(row, 9)?,
            rules: optional_digest(row, 10)?.ok_or_else(half)?,
            endpoint: row.get::<_, Option<String>>(11)?.ok_or_else(half)?,
            day: date(row.get::<_, Option<i64>>(12)?.ok_or_else(half)?)?,
            expires_at: moment(row.get::<_, Option<i64>>(13)?.ok_or_else(half)?)?,
            cursor: row.get(14)?,
        }),
    };
    let result: String = row.get(6)?;
    Ok(Run {
        id: RunId(row.get(0)?),
        partnership: PartnershipId(row.get(1)?),
        kind: row.get(2)?,
        started_at: moment(row.get(3)?)?,
        finished_at: optional_moment(row, 4)?,
        state: RunState::from_code(row.get(5)?)?,
        plan,
        result: serde_json::from_str(&result).map_err(|_| damaged("a run's result that is none"))?,
        superseded_by: row.get::<_, Option<i64>>(7)?.map(RunId),
    })
}

/// Whose a run is.
pub(super) fn partnership(db: &Db<'_>, run: RunId) -> Result<PartnershipId, Fault> {
    let mut statement = db.conn.prepare_cached("select partnership from run where id = ?1")?;
    let found = statement.query_row([run.0], |row| row.get(0)).optional()?;
    found.map(PartnershipId).ok_or_else(|| no_run(run))
}

/// Marks the runs whose plans a newer one takes the place of.
pub(super) fn supersede(db: &Db<'_>, older: &[i64], by: RunId) -> Result<(), Fault> {
    let mut statement = db.conn.prepare_cached("update run set superseded_by = ?2 where id = ?1")?;
    for run in older {
        statement.execute([*run, by.0])?;
    }
    Ok(())
}

/// Keeps a decision.
pub(super) fn write_decision(db: &Db<'_>, run: RunId, decision: &PlanDecision) -> Result<(), Fault> {
    let whose = partnership(db, run)?;
    let selection = Selection {
        school: decision.selection.school.clone(),
        kind: decision.selection.kind.map(|kind| kind.word().to_owned()),
        ids: decision.selection.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect()),
    };
    let mut statement = db
        .conn
        .prepare_cached("insert into decision (run, who, at, what, selection) values (?1, ?2, ?3, ?4, ?5)")?;
    statement.execute(params![
        run.0,
        decision.who,
        nanoseconds(decision.at),
        decision.what,
        to_json(&selection)?
    ])?;
    let detail =
        [selection.school.map(|s| format!("school {s}")), selection.kind.map(|k| format!("kind {k}"))];
    let detail: Vec<String> = detail.into_iter().flatten().collect();
    let by = (decision.at, decision.who.as_str());
    super::audit::about(db, whose, by, &decision.what, Some(run), detail.join(", "))
}

/// The decisions about a run's plan, oldest first.
pub(super) fn decisions(db: &Db<'_>, run: RunId) -> Result<Vec<PlanDecision>, Fault> {
    let mut statement =
        db.conn.prepare_cached("select who, at, what, selection from decision where run = ?1 order by id")?;
    let mut rows = statement.query([run.0])?;
    let mut decisions = Vec::new();
    while let Some(row) = rows.next()? {
        let wrong = || damaged("a decision's selection that is none");
        let selection: Selection = serde_json::from_str(&row.get::<_, String>(3)?).map_err(|_| wrong())?;
        let kind = selection.kind.map(|word| ChangeKind::from_word(&word).ok_or_else(wrong));
        decisions.push(PlanDecision {
            who: row.get(0)?,
            at: moment(row.get(1)?)?,
            what: row.get(2)?,
            selection: ChangeSelection {
                school: selection.school,
                kind: kind.transpose()?,
                ids: selection.ids.map(|ids| ids.into_iter().map(ChangeId).collect()),
            },
        });
    }
    Ok(decisions)
}

/// A selection, as it is kept with a decision.
#[derive(serde::Serialize, serde::Deserialize)]
struct Selection {
    school: Option<String>,
    kind: Option<String>,
    ids: Option<Vec<i64>>,
}

/// Counts and codes as JSON.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|_| damaged("a result that cannot be written out"))
}

fn found(changed: usize, run: RunId) -> Result<(), Fault> {
    if changed == 0 { Err(no_run(run)) } else { Ok(()) }
}

fn no_run(run: RunId) -> Fault {
    not_found(format!("run {run}"))
}
