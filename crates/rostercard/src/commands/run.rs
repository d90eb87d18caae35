//! `plan` and `sync`: one run of one partnership, and how a run is told.

use std::sync::Arc;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use rostercard_config::Partnership;
use rostercard_core::plan::{Counts, RunState};
use rostercard_core::ports::{ConnectorError, Retry, RosterSource};
use rostercard_engine::{EngineError, RunReport, World};
use rostercard_store::{Store, StoreError};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::exit::Exit;
use crate::output::{Out, complain, counted};
use crate::setup::{Setup, until};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Writes nothing.
    Plan,
    /// Writes what need not wait; `now`, whatever the hours of the ILS.
    Sync {
        /// Whatever the hours of the ILS.
        now: bool,
    },
}

/// Runs a partnership.
pub(crate) async fn run(global: &Global, setup: &Setup, name: &str, what: What) -> Result<Exit, Exit> {
    let partnership = setup.partnership(name)?;
    let mut source = setup.source(partnership)?;
    if matches!(what, What::Sync { .. }) {
        crate::commands::backup::daily(setup)?;
    }
    let store = setup.store()?;
    let outcome = match what {
        What::Sync { now } => sync_from(setup, partnership, store, &mut *source, now).await?,
        What::Plan => {
            let (engine, world) = setup.engine(partnership, store)?;
            stoppable(&world, engine.plan(&mut *source)).await
        }
    };
    let handed_over = what == What::Plan || setup.hand_over().await;
    let exit = tell(global, outcome)?;
    Ok(if handed_over { exit } else { Exit::Failed })
}

/// One run of a partnership over a source; `now`, whatever the hours of its ILS.
pub(crate) async fn sync_from(
    setup: &Setup,
    partnership: &Partnership,
    store: Arc<dyn Store>,
    source: &mut dyn RosterSource,
    now: bool,
) -> Result<Result<RunReport, EngineError>, Exit> {
    let (engine, world) = setup.engine(partnership, store)?;
    let main = setup.main()?;
    let engine = engine.until(if now { None } else { until(partnership, main) });
    Ok(stoppable(&world, async {
        let report = engine.sync(source).await?;
        engine.release_settled(report, source).await
    })
    .await)
}

/// Ctrl-C and SIGTERM let writes under way finish; a second one ends the program, which is safe as well.
pub(crate) async fn stoppable<T>(world: &World, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    let mut asked = false;
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = signalled(), if !asked => {
                asked = true;
                world.ask_to_stop();
                world.progress.say("Stopping: writes under way are finished first; press Ctrl-C again to end at once.");
            }
        }
    }
}

async fn signalled() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => {
            if result.is_err() {
                std::future::pending::<()>().await;
            }
        }
        () = terminated => {}
    }
}

/// Tells what came of a run.
pub(crate) fn tell(global: &Global, outcome: Result<RunReport, EngineError>) -> Result<Exit, Exit> {
    match outcome {
        Ok(report) => {
            if global.json {
                Out::stdout().json(&as_json(&report));
            } else {
                Out::stdout().line(&in_words(&report));
            }
            Ok(exit_of(report.run.state))
        }
        Err(error) => {
            complain(global.json, &error.to_string(), &error.hint());
            Err(match &error {
                EngineError::Source(error) => source_exit(error),
                EngineError::Store(StoreError::Busy { .. })
                | EngineError::Paused { .. }
                | EngineError::Frozen { .. } => Exit::Later,
                EngineError::Selection(_) => Exit::Usage,
                EngineError::OtherIls { .. } => Exit::Configuration,
                _ => Exit::Failed,
            })
        }
    }
}

/// The exit code for a roster that could not be read: later it may come whole, but a broken package stays broken.
pub(crate) fn source_exit(error: &ConnectorError) -> Exit {
    match error.retry {
        Retry::Later => Exit::Later,
        Retry::NotThisRecord | Retry::NotThisTarget => Exit::Failed,
    }
}

/// The exit code for a run's state.
pub(crate) fn exit_of(state: RunState) -> Exit {
    match state {
        RunState::Planned | RunState::Done => Exit::Done,
        RunState::DoneWithRejects => Exit::Rejects,
        RunState::Waiting => Exit::Waiting,
        RunState::Unfinished => Exit::Later,
        RunState::Failed | RunState::Running => Exit::Failed,
    }
}

/// A run as `--json` prints it.
pub(crate) fn as_json(report: &RunReport) -> Value {
    let run = &report.run;
    let result = &run.result;
    let by_school: serde_json::Map<String, Value> =
        result.by_school.iter().map(|(school, counts)| (school.clone(), counts_json(counts))).collect();
    json!({
        "partnership": report.partnership,
        "run": run.id.0,
        "kind": run.kind,
        "digest": run.plan.as_ref().map(|plan| &plan.digest),
        "state": run.state.word(),
        "superseded_by": run.superseded_by.map(|newer| newer.0),
        "waiting_for": result.waiting_for,
        "warnings": result.warnings,
        "counts": counts_json(&result.counts),
        "writes": result.writes,
        "lookups": result.lookups,
        "by_school": by_school,
        "roster": { "students": result.roster, "absent": result.absent },
        "staff_won": result.staff_won,
        "failed": result.failed,
        "unsettled": result.unsettled,
        "findings": result.findings,
        "started_at": run.started_at.to_string(),
        "finished_at": run.finished_at.map(|at| at.to_string()),
        "error": result.error,
        "hint": result.hint,
    })
}

fn counts_json(counts: &Counts) -> Value {
    json!(counts)
}

/// The counts that are not nothing, in the order a person wants them: (count, what one is, what several are).
fn spoken(counts: &Counts, planned: bool) -> Vec<(u64, String)> {
    let would =
        |done: &str, planned_form: &str| if planned { planned_form.to_owned() } else { done.to_owned() };
    [
        (counts.create, would("new cards made", "new cards to make")),
        (counts.link, would("existing cards linked", "existing cards to link")),
        (counts.update, would("cards changed", "cards to change")),
        (counts.renew, would("cards renewed", "cards to renew")),
        (counts.restore, would("cards brought back", "cards to bring back")),
        (counts.lapse, would("cards no longer renewed", "cards not to renew any longer")),
        (counts.unchanged, "unchanged".to_owned()),
        (counts.not_eligible, "not in the programme".to_owned()),
        (counts.waiting, "waiting for approval".to_owned()),
        (counts.pending, "not done yet (see below)".to_owned()),
        (counts.review, "questions for a person".to_owned()),
        (counts.reject, "rejected: the district has to correct something".to_owned()),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .collect()
}

/// A run in words.
pub(crate) fn in_words(report: &RunReport) -> String {
    let run = &report.run;
    let result = &run.result;
    let planned = run.state == RunState::Planned;
    let mut text = format!("{}, run {}: {}\n", report.partnership, run.id, state_in_words(run.state));
    if let Some(newer) = run.superseded_by {
        text.push_str(&format!(
            "Run {newer} has taken its place: nothing of this one can be approved any more.\n"
        ));
    }
    text.push_str(&format!("{} in the roster", counted(result.roster, "person", "people")));
    if result.absent > 0 {
        text.push_str(&format!(
            "; {} with a card {} not in it, and kept for now",
            result.absent,
            if result.absent == 1 { "is" } else { "are" }
        ));
    }
    text.push('\n');
    for (count, what) in spoken(&result.counts, planned) {
        text.push_str(&format!("{count:>9}  {what}\n"));
    }
    if !planned {
        text.push_str(&format!(
            "The ILS was asked {} and written to {}.\n",
            counted(result.lookups, "time", "times"),
            counted(result.writes, "time", "times")
        ));
    }
    if result.by_school.len() > 1 {
        text.push_str("\nBy school:\n");
        text.push_str(&by_school(report));
        text.push('\n');
    }
    for (title, list) in
        [("\nThis waits for a person:\n", &result.waiting_for), ("\nTo be looked at:\n", &result.warnings)]
    {
        if !list.is_empty() {
            text.push_str(title);
        }
        for item in list {
            let school = item.school.as_ref().map(|s| format!(" at {s}")).unwrap_or_default();
            let kind = item.kind.as_ref().map(|k| format!(" ({k})")).unwrap_or_default();
            let limit = item.limit.map(|l| format!(", {l} go through unasked")).unwrap_or_default();
            text.push_str(&format!(
                "  {}{kind}{school}: {}{limit}\n    {}\n",
                item.guard, item.found, item.likely_cause
            ));
        }
    }
    if !result.findings.is_empty() {
        text.push_str("\nNoticed:\n");
        for (code, finding) in &result.findings {
            // A source that counts for itself says so in its message.
            let times = if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
            text.push_str(&format!("  {code}: {}{times}\n", finding.message));
            if !finding.places.is_empty() {
                let more = if (finding.places.len() as u64) < finding.count { ", ..." } else { "" };
                text.push_str(&format!("    at {}{more}\n", finding.places.join(", ")));
            }
        }
    }
    let open = run.superseded_by.is_none();
    if planned && open && result.counts.changes() > 0 {
        text.push_str(&format!(
            "\nNothing was written. `rostercard approve {}` makes these changes; --only-school NAME starts with one school.\n",
            run.id
        ));
    }
    let about_the_roster =
        result.waiting_for.iter().all(|what| rostercard_engine::is_about_the_roster(&what.guard));
    if run.state == RunState::Waiting && open && result.counts.waiting == 0 && about_the_roster {
        text.push_str(&format!(
            "\nNo change waits. `rostercard approve {}` says that this roster is the right one.\n",
            run.id
        ));
    } else if run.state == RunState::Waiting && open && result.counts.waiting == 0 {
        text.push_str(
            "\nNo change waits for approval, and nobody counts as missing. A whole, newer roster settles it; the limits are \
             [guards] in the partnership's file.\n",
        );
    } else if run.state == RunState::Waiting && open {
        text.push_str(&format!(
            "\n`rostercard approve {0}` lets it through, whole or with --only-school NAME; `rostercard discard {0}` drops it.\n",
            run.id
        ));
    }
    if let Some(error) = &result.error {
        text.push_str(&format!("\nerror: {error}\n"));
    }
    if let Some(hint) = &result.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text.truncate(text.trim_end().len());
    text
}

fn by_school(report: &RunReport) -> String {
    let rows = &report.run.result.by_school;
    type Column = (&'static str, fn(&Counts) -> u64);
    let columns: [Column; 12] = [
        ("create", |c| c.create),
        ("link", |c| c.link),
        ("update", |c| c.update),
        ("renew", |c| c.renew),
        ("restore", |c| c.restore),
        ("lapse", |c| c.lapse),
        ("unchanged", |c| c.unchanged),
        ("not eligible", |c| c.not_eligible),
        ("waiting", |c| c.waiting),
        ("pending", |c| c.pending),
        ("review", |c| c.review),
        ("reject", |c| c.reject),
    ];
    let used: Vec<&Column> = columns.iter().filter(|(_, of)| rows.values().any(|c| of(c) > 0)).collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut header = vec!["school".to_owned(), "students".to_owned()];
    header.extend(used.iter().map(|(name, _)| (*name).to_owned()));
    table.set_header(header);
    for (school, counts) in rows {
        let mut row = vec![school.clone(), counts.students.to_string()];
        row.extend(used.iter().map(|(_, of)| match of(counts) {
            0 => String::new(),
            count => count.to_string(),
        }));
        table.add_row(row);
    }
    table.trim_fmt()
}

/// A run's state in words.
pub(crate) fn state_in_words(state: RunState) -> &'static str {
    match state {
        RunState::Running => "under way, or cut short",
        RunState::Planned => "a plan; nothing was written",
        RunState::Waiting => "changes wait for approval",
        RunState::Done => "done",
        RunState::DoneWithRejects => "done; some records were rejected",
        RunState::Unfinished => "the hours of the ILS are over; the next run inside them goes on with it",
        RunState::Failed => "failed; what was done is done, and the next run goes on",
    }
}
