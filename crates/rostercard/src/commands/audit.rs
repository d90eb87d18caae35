//! `audit`: who approved, discarded, paused, resumed, revealed, handed out, restored, purged, forgot. Read only; nothing can
//! take an entry out again.

use jiff::civil::Date;
use rostercard_store::keep::AuditEntry;
use serde_json::{Value, json};

use crate::cli::{self, Global};
use crate::exit::Exit;
use crate::output::{Out, complain};
use crate::setup::Setup;

/// Prints the log, oldest first.
pub(crate) async fn audit(global: &Global, setup: &Setup, args: &cli::Audit) -> Result<Exit, Exit> {
    let main = setup.main()?;
    let usage = |what: &str| {
        complain(global.json, what, "write year, month and day: --since 2026-11-01");
        Exit::Usage
    };
    let since = match &args.since {
        None => None,
        Some(text) => {
            let day: Date = text.parse().map_err(|_| usage(&format!("`{text}` is no day")))?;
            let begins = main.library.timezone.to_timestamp(day.at(0, 0, 0, 0));
            Some(begins.map_err(|_| usage(&format!("{day} cannot be reckoned with")))?)
        }
    };
    let entries = match setup.store_to_read()? {
        None => Vec::new(),
        Some(store) => store.audit(since, args.most).await.map_err(|error| setup.store_error(&error))?,
    };
    let name_of = |id: &str| {
        let named = setup.loaded.partnerships.iter().filter_map(|(name, p)| Some((name, p.as_ref().ok()?)));
        named.into_iter().find(|(_, p)| p.id.as_str() == id).map_or(id.to_owned(), |(name, _)| name.clone())
    };
    if global.json {
        let entries: Vec<Value> = entries.iter().map(|entry| as_json(entry, name_of)).collect();
        Out::stdout().json(&json!({ "audit": entries }));
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        Out::stdout().line("Nothing is noted.");
    }
    for entry in &entries {
        let at = main.library.timezone.to_datetime(entry.at).strftime("%Y-%m-%d %H:%M:%S");
        let mut line = format!("{at}  {}  {}", entry.who, entry.what);
        if let Some(id) = &entry.partnership {
            line.push_str(&format!(" {}", name_of(id)));
        }
        if let Some(run) = entry.run {
            line.push_str(&format!(", run {run}"));
        }
        if !entry.detail.is_empty() {
            line.push_str(&format!(": {}", entry.detail));
        }
        Out::stdout().line(&line);
    }
    Ok(Exit::Done)
}

fn as_json(entry: &AuditEntry, name_of: impl Fn(&str) -> String) -> Value {
    json!({
        "at": entry.at.to_string(),
        "who": entry.who,
        "what": entry.what,
        "partnership": entry.partnership.as_deref().map(name_of),
        "run": entry.run.map(|run| run.0),
        "detail": entry.detail,
    })
}
