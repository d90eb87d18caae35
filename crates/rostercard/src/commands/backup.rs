//! `backup` and `restore`, and the backup that every day's first sync makes by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rostercard_store::keep::AuditEntry;
use rostercard_store::{RestoreAsked, Restored, SqliteStore, StoreError};
use serde_json::json;

use crate::cli::{self, Global};
use crate::exit::Exit;
use crate::machine::{self, Environment};
use crate::output::{Out, complain, counted};
use crate::setup::{STORE_FILE, Setup};

/// The folder of the daily backups, beside the store.
const FOLDER: &str = "backups";
/// What their names begin with, and end with.
const NAME: (&str, &str) = ("rostercard-", ".db");

/// Copies the store.
pub(crate) fn backup(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Backup,
) -> Result<Exit, Exit> {
    let (path, key) = (setup.store_path()?, setup.store_key()?);
    let file = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let facts =
        SqliteStore::backup(&path, &key, &file, machine::now()).map_err(|error| setup.store_error(&error))?;
    setup.note(&AuditEntry {
        at: machine::now(),
        who: args.who.clone().unwrap_or_else(|| environment.login()),
        what: "backup".to_owned(),
        partnership: None,
        run: None,
        detail: format!("to {}", file.display()),
    })?;
    if global.json {
        Out::stdout().json(&json!({
            "backup": file, "cards": facts.cards, "partnerships": facts.partnerships, "key_id": facts.key_id,
            "store_id": facts.store_id, "bytes": facts.bytes,
        }));
        return Ok(Exit::Done);
    }
    Out::stdout().line(&format!(
        "{}: {} of {}, checked. It can be read with the key whose id is {} alone: keep that key, and not beside it.",
        file.display(),
        counted(facts.cards, "card", "cards"),
        counted(facts.partnerships, "partnership", "partnerships"),
        facts.key_id
    ));
    Ok(Exit::Done)
}

/// Puts a backup in the place of the store.
pub(crate) fn restore(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Restore,
) -> Result<Exit, Exit> {
    let (path, key) = (setup.store_path()?, setup.store_key()?);
    let asked = RestoreAsked {
        at: machine::now(),
        who: args.who.clone().unwrap_or_else(|| environment.login()),
        decisions: newest_decisions(&setup.main()?.state.path.join(FOLDER)).into_iter().collect(),
        anyway: args.anyway,
    };
    let restored = SqliteStore::restore(&args.file, &path, &key, Arc::new(machine::random), &asked);
    let restored = restored.map_err(|error| match &error {
        StoreError::Unsettled { writes } => {
            let hint = "run `rostercard sync` first: it looks them up. --anyway restores all the same, and a card that was just \
                        being made may then be unknown to the store";
            let are = counted(*writes, "write to the ILS has", "writes to the ILS have");
            complain(global.json, &format!("{are} no known end yet: the store is as it was"), hint);
            Exit::Failed
        }
        StoreError::NoDecisions { .. } => {
            let hint = format!("{}; --anyway restores without it", error.hint());
            complain(global.json, &error.to_string(), &hint);
            Exit::Failed
        }
        _ => setup.store_error(&error),
    })?;
    if global.json {
        Out::stdout().json(&json!({
            "restored": args.file, "cards": restored.cards, "partnerships": restored.partnerships,
            "backup_at": restored.backup_at.map(|at| at.to_string()), "kept": restored.kept,
            "dropped": restored.dropped, "purged_again": restored.purged_again,
            "forgotten_since": restored.forgotten_since, "unsettled": restored.unsettled,
            "old_was_read": restored.old_was_read, "decisions_taken": restored.decisions_taken,
            "decisions_known": restored.decisions_known,
        }));
    } else {
        in_words(&restored);
    }
    Ok(Exit::Done)
}

fn in_words(restored: &Restored) {
    let out = Out::stdout();
    let of = restored.backup_at.map(|at| format!(", as of {at:.0}")).unwrap_or_default();
    out.line(&format!(
        "Restored: {} of {}{of}.",
        counted(restored.cards, "card", "cards"),
        counted(restored.partnerships, "partnership", "partnerships")
    ));
    if let Some(kept) = &restored.kept {
        out.line(&format!("The store that was there is kept: {}", kept.display()));
        if !restored.old_was_read {
            out.line(
                "It could not be read, so numbers that it drew from a range since the backup are not known: look at [card] number \
                 before you approve.",
            );
        }
    }
    if restored.dropped > 0 {
        let changes = counted(restored.dropped, "change", "changes");
        out.line(&format!(
            "{changes} that waited when the backup was made will not be made; the next run plans anew."
        ));
    }
    if restored.decisions_taken > 0 {
        let taken = counted(restored.decisions_taken, "wish or answer", "wishes and answers");
        out.line(&format!("{taken} of the time since the backup came from the file of decisions, or from the store that was there."));
    }
    if !restored.decisions_known {
        out.line(
            "What families and staff have decided since is not known: note every no again (`rostercard optout`) before you approve anything.",
        );
    }
    for name in &restored.purged_again {
        out.line(&format!("Partnership {name} was purged since the backup, and is purged again."));
    }
    if restored.forgotten_since > 0 {
        let students = counted(restored.forgotten_since, "student was", "students were");
        out.line(&format!(
            "{students} forgotten since the backup, and may be in it: `rostercard audit` says when; forget them again."
        ));
    }
    out.line("The next run of each partnership waits, and says so: look at its plan against the ILS, then approve it.");
}

/// Makes the day's backup, where there is none yet, and lets go of those that are too many. Says nothing where a store is
/// not there yet, or none are wanted, or another run is making it.
pub(crate) fn daily(setup: &Setup) -> Result<(), Exit> {
    let main = setup.main()?;
    let keep = usize::from(main.state.backups);
    let (path, key, day) = (setup.store_path()?, setup.store_key()?, setup.today()?);
    if keep == 0 || !path.exists() {
        return Ok(());
    }
    let folder = main.state.path.join(FOLDER);
    let file = folder.join(format!("{}{day}{}", NAME.0, NAME.1));
    if file.exists() {
        return Ok(());
    }
    match SqliteStore::backup(&path, &key, &file, machine::now()) {
        Ok(facts) => {
            tracing::info!(file = %file.display(), cards = facts.cards, "Made the day's backup of the store.");
            let all = dailies(&folder);
            for old in all.iter().rev().skip(keep).flat_map(|old| [old.clone(), decisions_of(old)]) {
                if !old.exists() {
                    continue;
                }
                if let Err(error) = std::fs::remove_file(&old) {
                    tracing::warn!(file = %old.display(), %error, "An old backup could not be removed.");
                }
            }
        }
        // Another run is making it; or there is no store in the file yet; or a wrong key, which the run itself will say.
        Err(
            StoreError::Busy { .. }
            | StoreError::InTheWay { .. }
            | StoreError::NoStore { .. }
            | StoreError::WrongKey { .. },
        ) => {}
        Err(error) => {
            tracing::error!(file = %file.display(), %error, hint = error.hint(), "The day's backup could not be made.");
            Out::stderr().line(&format!("warning: the day's backup of the store could not be made: {error}"));
        }
    }
    Ok(())
}

/// The file of decisions beside a backup.
fn decisions_of(backup: &Path) -> PathBuf {
    let mut name = backup.as_os_str().to_owned();
    name.push(".decisions");
    PathBuf::from(name)
}

/// The newest file of decisions beside the daily backups: it may know of more than that of an older backup.
fn newest_decisions(folder: &Path) -> Option<PathBuf> {
    dailies(folder).iter().rev().map(|backup| decisions_of(backup)).find(|file| file.is_file())
}

/// The daily backups, oldest first.
fn dailies(folder: &Path) -> Vec<PathBuf> {
    let is_one = |name: &str| {
        name.strip_prefix(NAME.0)
            .and_then(|rest| rest.strip_suffix(NAME.1))
            .is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok())
    };
    let mut files = listed(folder, is_one);
    files.sort();
    files
}

/// Every copy of the store that Rostercard made by itself: daily backups, stores that were there before a restore, and what
/// somebody left who was killed.
pub(crate) fn own_copies(state: &Path) -> Vec<PathBuf> {
    let before = format!("{STORE_FILE}.before-restore-");
    let restoring = format!("{STORE_FILE}.restoring");
    let mut files = listed(&state.join(FOLDER), |name| name.starts_with(NAME.0));
    files.extend(listed(state, |name| name.starts_with(&before) || name.starts_with(&restoring)));
    files.sort();
    files
}

fn listed(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .collect()
}
