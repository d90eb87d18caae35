//! `runs` and `show`: what happened.

use std::collections::HashMap;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use rostercard_engine::RunReport;
use rostercard_store::rows::{PartnershipId, RunId};
use serde_json::json;

use crate::cli::{Global, Runs, Show};
use crate::commands::run::{as_json, in_words};
use crate::exit::Exit;
use crate::output::{Out, complain};
use crate::setup::Setup;

/// The last runs.
pub(crate) async fn runs(global: &Global, setup: &Setup, args: &Runs) -> Result<Exit, Exit> {
    let partnership = args.partnership.as_deref().map(|name| setup.partnership(name)).transpose()?;
    setup.main()?;
    let Some(store) = setup.store_to_read()? else { return Ok(nothing(global)) };
    let error = |error| setup.store_error(&error);
    let known = store.partnerships().await.map_err(error)?;
    let only = match partnership {
        None => None,
        Some(partnership) => match known.iter().find(|p| p.permanent_id == partnership.id.as_str()) {
            Some(found) => Some(found.id),
            None => return Ok(nothing(global)),
        },
    };
    let names: HashMap<PartnershipId, String> = known.into_iter().map(|p| (p.id, p.name)).collect();
    let runs = store.runs(only, args.most).await.map_err(error)?;
    let reports: Vec<RunReport> = runs
        .into_iter()
        .map(|run| RunReport { partnership: names.get(&run.partnership).cloned().unwrap_or_default(), run })
        .collect();
    if global.json {
        let list: Vec<_> = reports.iter().map(as_json).collect();
        Out::stdout().json(&json!({ "runs": list }));
        return Ok(Exit::Done);
    }
    if reports.is_empty() {
        return Ok(nothing(global));
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["run", "partnership", "what", "began", "state", "changes", "waiting", "rejects"]);
    for report in &reports {
        let counts = &report.run.result.counts;
        table.add_row([
            report.run.id.to_string(),
            report.partnership.clone(),
            report.run.kind.clone(),
            format!("{:.0}", report.run.started_at),
            match report.run.superseded_by {
                Some(newer) => format!("{}, superseded by {newer}", report.run.state),
                None => report.run.state.to_string(),
            },
            counts.changes().to_string(),
            counts.waiting.to_string(),
            counts.reject.to_string(),
        ]);
    }
    Out::stdout().line(&table.trim_fmt());
    Ok(Exit::Done)
}

fn nothing(global: &Global) -> Exit {
    if global.json {
        Out::stdout().json(&json!({ "runs": [] }));
    } else {
        Out::stdout().line("There was no run yet.");
    }
    Exit::Done
}

/// One run.
pub(crate) async fn show(global: &Global, setup: &Setup, args: &Show) -> Result<Exit, Exit> {
    setup.main()?;
    let Some(store) = setup.store_to_read()? else {
        complain(global.json, &format!("there is no run {}", args.run), "there was no run yet");
        return Err(Exit::Usage);
    };
    let run = store.run(RunId(args.run)).await.map_err(|error| setup.store_error(&error))?;
    let known = store.partnerships().await.map_err(|error| setup.store_error(&error))?;
    let partnership = known.into_iter().find(|p| p.id == run.partnership).map(|p| p.name).unwrap_or_default();
    let report = RunReport { partnership, run };
    if global.json {
        Out::stdout().json(&as_json(&report));
    } else {
        Out::stdout().line(&in_words(&report));
    }
    Ok(Exit::Done)
}
