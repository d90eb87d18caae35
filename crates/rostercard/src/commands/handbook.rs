//! `handbook`: one page of Markdown for whoever has this library's Rostercard next: who is told, what was agreed, how it stands, what was
//! decided, where secrets are and what ends. It reads the configuration and the store, never a roster, and has nothing about a student:
//! decisions about single people are counted, not listed, and a secret is named by where it is.

mod ends;
mod partnership;
mod references;
mod write;

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::{Timestamp, ToSpan as _};
use rostercard_config::{Main, Partnership};
use rostercard_daemon::health::{Standing, judge};
use rostercard_store::keep::AuditEntry;
use rostercard_store::{Store, StoreError};
use serde_json::json;

use crate::cli::Global;
use crate::cli::watch::Handbook as Args;
use crate::commands::contacts::broken;
use crate::commands::status::facts;
use crate::exit::Exit;
use crate::machine;
use crate::output::{Out, complain};
use crate::setup::Setup;
use crate::telling::Teller;

/// More decisions than a year has.
const MOST: usize = 100_000;

/// A partnership, as far as it can be told of.
struct One<'s> {
    name: &'s str,
    /// `None` where its file has mistakes.
    partnership: Option<&'s Partnership>,
    standing: Standing,
}

/// All that a handbook is made from.
struct Book<'s> {
    main: &'s Main,
    /// rostercard.toml.
    config: &'s Path,
    tellers: &'s [Teller],
    all: &'s [One<'s>],
    /// The last year's, oldest first.
    decisions: &'s [AuditEntry],
    /// What partnerships are called, by their permanent ids.
    names: &'s BTreeMap<String, String>,
    now: Timestamp,
}

impl Book<'_> {
    /// What a partnership is called; its permanent id, where nobody knows.
    fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        self.names.get(id).map_or(id, String::as_str)
    }
}

/// Writes the handbook.
pub(crate) async fn handbook(global: &Global, setup: &Setup, args: &Args) -> Result<Exit, Exit> {
    let main = setup.main()?;
    // Before the work, so that nobody waits for a refusal.
    if let Some(path) = args.out.as_ref().filter(|path| !args.force && path.symlink_metadata().is_ok()) {
        let message = format!("{} is there already", path.display());
        complain(global.json, &message, "name another file, or write over it with --force");
        return Err(Exit::Usage);
    }
    let now = machine::now();
    let store = setup.store_to_read()?;
    let error = |error| setup.store_error(&error);
    let mut all = Vec::new();
    for (name, partnership) in &setup.loaded.partnerships {
        let partnership = partnership.as_ref().ok();
        let standing = match partnership {
            None => broken(name),
            Some(one) => judge(facts(setup, store.as_deref(), one).await.map_err(error)?, now),
        };
        all.push(One { name, partnership, standing });
    }
    let (mut decisions, mut names) = (Vec::new(), BTreeMap::new());
    if let Some(store) = &store {
        let since = now.checked_sub((365 * 24).hours()).ok();
        decisions = store.audit(since, MOST).await.map_err(error)?;
        names = called(&**store).await.map_err(error)?;
    }
    names.extend(
        all.iter().filter_map(|one| Some((one.partnership?.id.as_str().to_owned(), one.name.to_owned()))),
    );
    let book = Book {
        main,
        config: &global.config,
        tellers: setup.tellers.all(),
        all: &all,
        decisions: &decisions,
        names: &names,
        now,
    };
    let text = write::text_of(&book);
    match &args.out {
        None if global.json => Out::stdout().json(&json!({ "handbook": text })),
        None => Out::stdout().line(text.trim_end()),
        Some(path) => {
            put(path, &text, args.force).map_err(|error| {
                let hint = "name a file in a folder that you may write to";
                complain(global.json, &format!("{}: {error}", path.display()), hint);
                Exit::Failed
            })?;
            if global.json {
                Out::stdout().json(&json!({ "file": path, "bytes": text.len() }));
            } else {
                Out::stdout().line(&format!("{}: written; only you may read it", path.display()));
            }
        }
    }
    Ok(Exit::Done)
}

/// What the store calls its partnerships, those too that were purged.
async fn called(store: &dyn Store) -> Result<BTreeMap<String, String>, StoreError> {
    let mut names = BTreeMap::new();
    for purge in store.purges().await? {
        names.insert(purge.permanent_id, format!("{} (purged)", purge.name));
    }
    for row in store.partnerships().await? {
        names.insert(row.permanent_id, row.name);
    }
    Ok(names)
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
