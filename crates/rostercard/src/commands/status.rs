//! `status`: how the partnerships stand.

use jiff::Timestamp;
use rostercard_config::Partnership;
use rostercard_core::plan::RunState;
use rostercard_store::Store;
use rostercard_store::rows::{Pause, Run};
use serde_json::json;

use crate::cli::Global;
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, counted};
use crate::setup::Setup;

/// How one partnership stands.
struct Standing {
    name: String,
    state: &'static str,
    why: String,
    last_success: Option<Timestamp>,
    roster_age_s: Option<i64>,
    schedule: Option<String>,
    cards: u64,
}

/// Shows how every partnership stands.
pub(crate) async fn status(global: &Global, setup: &Setup) -> Result<Exit, Exit> {
    setup.main()?;
    let store = setup.store_to_read()?;
    let mut standings = Vec::new();
    for (name, partnership) in &setup.loaded.partnerships {
        let mut standing = Standing {
            name: name.clone(),
            state: "never_ran",
            why: "no run yet: `rostercard plan` shows what the first would do".to_owned(),
            last_success: None,
            roster_age_s: None,
            schedule: None,
            cards: 0,
        };
        match partnership {
            Err(_) => {
                standing.state = "failing";
                standing.why = "its configuration has mistakes: see `rostercard check`".to_owned();
            }
            Ok(partnership) => {
                standing.schedule = partnership.schedule.as_ref().map(|s| s.value.clone());
                if let Some(store) = &store {
                    fill(setup, &**store, partnership.id.as_str(), &mut standing).await?;
                    paused(setup, &**store, partnership, &mut standing).await?;
                }
            }
        }
        standings.push(standing);
    }
    if global.json {
        let list: Vec<_> = standings
            .iter()
            .map(|s| {
                json!({
                    "name": s.name,
                    "state": s.state,
                    "last_success": s.last_success.map(|at| at.to_string()),
                    "roster_age_s": s.roster_age_s,
                    "schedule": s.schedule,
                    "next_run": null,
                    "cards": s.cards,
                    "why": s.why,
                })
            })
            .collect();
        Out::stdout().json(&json!({ "partnerships": list }));
    } else if standings.is_empty() {
        Out::stdout().line("There is no partnership yet: `rostercard init` writes a first.");
    } else {
        for s in &standings {
            let mut line =
                format!("{}: {} ({}), {}", s.name, s.state, s.why, counted(s.cards, "card", "cards"));
            if let Some(at) = s.last_success {
                line.push_str(&format!(", last success {at:.0}"));
            }
            Out::stdout().line(&line);
        }
    }
    Ok(if standings.iter().any(|s| s.state == "failing") { Exit::Failed } else { Exit::Done })
}

/// A pause says more than what was before it.
async fn paused(
    setup: &Setup,
    store: &dyn Store,
    partnership: &Partnership,
    standing: &mut Standing,
) -> Result<(), Exit> {
    let main = setup.main()?;
    let ils = main.ils(&partnership.ils).map_or("", |ils| ils.id.as_str());
    let now = machine::now();
    let pauses = store.pauses().await.map_err(|error| setup.store_error(&error))?;
    let holds =
        |pause: &&Pause| pause.is_on(now) && pause.asked.scope.holds_for(partnership.id.as_str(), ils);
    if let Some(pause) = pauses.iter().filter(holds).max_by_key(|pause| pause.end()) {
        let until = main.library.timezone.to_datetime(pause.end()).date();
        standing.state = "paused";
        standing.why = format!("until {until}, by {}: {}", pause.asked.who, pause.asked.reason);
    }
    Ok(())
}

async fn fill(
    setup: &Setup,
    store: &dyn Store,
    permanent_id: &str,
    standing: &mut Standing,
) -> Result<(), Exit> {
    let error = |error| setup.store_error(&error);
    let Some(known) =
        store.partnerships().await.map_err(error)?.into_iter().find(|p| p.permanent_id == permanent_id)
    else {
        return Ok(());
    };
    let counts = store.state_counts(known.id).await.map_err(error)?;
    standing.cards = counts.iter().filter(|c| c.state.is_live()).map(|c| c.count).sum();
    let runs = store.runs(Some(known.id), 100).await.map_err(error)?;
    let succeeded = |run: &&Run| matches!(run.state, RunState::Done | RunState::DoneWithRejects);
    standing.last_success = runs.iter().find(succeeded).and_then(|run| run.finished_at);
    standing.roster_age_s = known.as_of.map(|as_of| machine::now().duration_since(as_of).as_secs());
    let Some(last) = runs.iter().find(|run| run.kind != "plan").or(runs.first()) else { return Ok(()) };
    (standing.state, standing.why) = match last.state {
        RunState::Planned => {
            ("never_ran", format!("run {} is a plan: `rostercard approve {}`", last.id, last.id))
        }
        RunState::Waiting => (
            "waiting",
            format!(
                "{} of run {} for approval",
                counted(last.result.counts.waiting, "change waits", "changes wait"),
                last.id
            ),
        ),
        RunState::Done | RunState::DoneWithRejects => ("ok", format!("run {} is done", last.id)),
        RunState::Failed => {
            ("failing", format!("run {}: {}", last.id, last.result.error.as_deref().unwrap_or("it failed")))
        }
        RunState::Running => {
            ("ok", format!("run {} is under way, or was cut short; the next one goes on", last.id))
        }
    };
    Ok(())
}
