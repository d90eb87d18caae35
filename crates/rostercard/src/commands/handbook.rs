//! `handbook`: one page of Markdown for whoever has this library's Rostercard next: who is told, what was agreed, how it stands, what was
//! decided, where secrets are and what ends. It reads the configuration and the store, never a roster, and has nothing about a student:
//! decisions about single people are counted, not listed, and a secret is named by where it is.

mod ends;
mod partnership;
mod references;
mod write;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::ToSpan as _;
use rostercard_config::Partnership;
use rostercard_daemon::health::{Standing, judge};
use rostercard_store::keep::AuditEntry;
use serde_json::json;

use crate::cli::Global;
use crate::cli::watch::Handbook as Args;
use crate::commands::contacts::broken;
use crate::commands::status::facts;
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};
use crate::setup::Setup;

/// More decisions than a year has.
const MOST: usize = 100_000;

/// A partnership, as far as it can be told of.
struct One<'s> {
    name: &'s str,
    /// `None` where its file has mistakes.
    partnership: Option<&'s Partnership>,
    standing: Standing,
}

/// Writes the handbook.
pub(crate) async fn handbook(global: &Global, setup: &Setup, args: &Args) -> Result<Exit, Exit> {
    setup.main()?;
    // Before the work, so that nobody waits for a refusal.
    if let Some(path) = args.out.as_ref().filter(|path| !args.force && path.exists()) {
        let message = format!("{} is there already", path.display());
        complain(global.json, &message, "name another file, or write over it with --force");
        return Err(Exit::Usage);
    }
    let now = machine::now();
    let store = setup.store_to_read()?;
    let mut all = Vec::new();
    for (name, partnership) in &setup.loaded.partnerships {
        let partnership = partnership.as_ref().ok();
        let standing = match partnership {
            None => broken(name),
            Some(one) => {
                let facts = facts(setup, store.as_deref(), one).await;
                judge(facts.map_err(|error| setup.store_error(&error))?, now)
            }
        };
        all.push(One { name, partnership, standing });
    }
    let decisions: Vec<AuditEntry> = match &store {
        None => Vec::new(),
        Some(store) => {
            let since = now.checked_sub((365 * 24).hours()).ok();
            store.audit(since, MOST).await.map_err(|error| setup.store_error(&error))?
        }
    };
    let text = write::text_of(global, setup, &all, &decisions, now)?;
    match &args.out {
        None if global.json => Out::stdout().json(&json!({ "handbook": text })),
        None => Out::stdout().line(text.trim_end()),
        Some(path) => {
            put(path, &text, args.force).map_err(|error| {
                complain(
                    global.json,
                    &format!("{}: {error}", path.display()),
                    "name a file in a folder that you may write to",
                );
                Exit::Failed
            })?;
            if global.json {
                Out::stdout().json(&json!({ "handbook": path, "bytes": text.len() }));
            } else {
                Out::stdout().line(&format!("{}: written, for your eyes alone", path.display()));
            }
        }
    }
    Ok(Exit::Done)
}

/// Writes a file that its owner alone may read. One that is there stays whole until the new one is.
fn put(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let write = |path: &Path| {
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
    };
    if !force {
        return write(path);
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => write(part)?,
    }
    std::fs::rename(part, path)
}
