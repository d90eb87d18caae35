//! `purge`: an agreement has ended, or the district asks for it. Everything of the partnership leaves the store, its log and
//! the copies beside it; the patrons are the library's, and stay. What was done is said in a certificate.
//!
//! Cut short anywhere, it is begun again with the same command, and ends with the same certificate.

use std::io::Write;
use std::path::{Path, PathBuf};

use rostercard_core::words::LinkState;
use rostercard_source_oneroster::Images;
use rostercard_store::keep::{AuditEntry, Purge, Removed};
use rostercard_store::rows::Partnership as Known;
use rostercard_store::{SqliteStore, Store};
use serde_json::json;

use crate::cli::{self, Global};
use crate::commands::backup::{daily, own_copies};
use crate::exit::Exit;
use crate::images;
use crate::machine::{self, Environment};
use crate::output::{Out, complain, counted};
use crate::setup::Setup;

/// Removes a partnership from the store.
pub(crate) async fn purge(
    global: &Global,
    setup: &Setup,
    environment: &Environment,
    args: &cli::Purge,
) -> Result<Exit, Exit> {
    let error = |error| setup.store_error(&error);
    let main = setup.main()?;
    let Some(reader) = setup.store_to_read()? else {
        complain(global.json, "there is no store, and so nothing to remove", "");
        return Err(Exit::Failed);
    };
    let done = match stored(setup, &*reader, &args.partnership).await? {
        Some(known) => {
            let rows = reader.purge_preview(known.id).await.map_err(error)?;
            let open = reader.open_intents(known.id).await.map_err(error)?.len() as u64;
            drop(reader);
            if open > 0 {
                return Err(error(rostercard_store::StoreError::Unsettled { writes: open }));
            }
            confirm(global, args, &known, &rows)?;
            let who = args.who.clone().unwrap_or_else(|| environment.login());
            let store = setup.store()?;
            store.purge(known.id, machine::now(), &who).await.map_err(error)?
        }
        // Cut short after the rows were removed: the rest is done again.
        None => {
            match reader.purges().await.map_err(error)?.into_iter().find(|purge| is(purge, setup, args)) {
                Some(purge) => purge,
                None => return Err(unknown(global, setup, &*reader, &args.partnership).await?),
            }
        }
    };
    let (path, key) = (setup.store_path()?, setup.store_key()?);
    SqliteStore::scrub(&path, &key).map_err(error)?;
    for copy in own_copies(&main.state.path) {
        if let Err(why) = std::fs::remove_file(&copy) {
            let hint = "it holds what was to be removed: delete it, and start this command again for the certificate";
            complain(global.json, &format!("{} could not be removed: {why}", copy.display()), hint);
            return Err(Exit::Failed);
        }
    }
    let roster = images::folder(&main.state.path, &done.permanent_id);
    if let Err(why) = Images::remove(&roster) {
        let hint = "it holds the roster that was to be removed: delete it, and start this command again for the certificate";
        complain(global.json, &format!("{} could not be removed: {why}", roster.display()), hint);
        return Err(Exit::Failed);
    }
    daily(setup)?;
    let log = match setup.store_to_read()? {
        Some(store) => store.audit(None, usize::MAX).await.map_err(error)?,
        None => Vec::new(),
    };
    let store_id = SqliteStore::id_of(&path, &key).map_err(error)?.unwrap_or_default();
    let text = certificate(&main.library_names(), &path, &store_id, &done, &log);
    let day = main.library.timezone.to_datetime(done.at).date();
    let to =
        args.out.clone().unwrap_or_else(|| main.state.path.join(format!("purged-{}-{day}.txt", done.name)));
    write(&to, &text).map_err(|why| {
        let hint = "everything is removed; name another file with --out for the certificate";
        complain(global.json, &format!("{}: {why}", to.display()), hint);
        Exit::Failed
    })?;
    let still_there = setup.loaded.partnerships.iter().any(|(name, _)| *name == args.partnership);
    if global.json {
        Out::stdout().json(&json!({
            "purged": done.name, "id": done.permanent_id, "removed": counts(&done.removed),
            "kept_in_ils": kept(&done), "certificate": to, "file_still_there": still_there,
        }));
        return Ok(Exit::Done);
    }
    let out = Out::stdout();
    let rows: u64 = done.removed.iter().map(|removed| removed.rows).sum();
    out.line(&format!("Partnership {} is removed: {}.", done.name, counted(rows, "row", "rows")));
    out.line(&format!("Its patrons stay in the ILS: {}.", in_ils(&done)));
    out.line(&format!("The certificate: {}", to.display()));
    if still_there {
        out.line(&format!(
            "partnerships/{}.toml is still there: delete it with the district's files. It cannot run any more, for its id is not used again.",
            args.partnership
        ));
    }
    Ok(Exit::Done)
}

/// A partnership of the store by the name of its file, or by its id or the name it had when it last ran, where the file is
/// gone.
pub(crate) async fn stored(setup: &Setup, store: &dyn Store, name: &str) -> Result<Option<Known>, Exit> {
    let all = store.partnerships().await.map_err(|error| setup.store_error(&error))?;
    let id = configured(setup, name);
    Ok(all.into_iter().find(|known| match &id {
        Some(id) => known.permanent_id == *id,
        None => known.name == name || known.permanent_id == name,
    }))
}

/// The permanent id of a partnership's file.
fn configured(setup: &Setup, name: &str) -> Option<String> {
    let found = setup.loaded.partnerships.iter().find(|(other, _)| other == name)?;
    Some(found.1.as_ref().ok()?.id.as_str().to_owned())
}

/// Says that the store has no such partnership.
pub(crate) async fn unknown(
    global: &Global,
    setup: &Setup,
    store: &dyn Store,
    name: &str,
) -> Result<Exit, Exit> {
    let all = store.partnerships().await.map_err(|error| setup.store_error(&error))?;
    let names: Vec<&str> = all.iter().map(|known| known.name.as_str()).collect();
    let hint = if names.is_empty() { String::new() } else { format!("the store has: {}", names.join(", ")) };
    complain(global.json, &format!("the store has nothing of a partnership `{name}`"), &hint);
    Ok(Exit::Failed)
}

fn is(purge: &Purge, setup: &Setup, args: &cli::Purge) -> bool {
    match configured(setup, &args.partnership) {
        Some(id) => purge.permanent_id == id,
        None => purge.name == args.partnership || purge.permanent_id == args.partnership,
    }
}

/// Shows what would go, and asks for the partnership's name unless it was said already.
fn confirm(global: &Global, args: &cli::Purge, known: &Known, rows: &[Removed]) -> Result<(), Exit> {
    if args.yes {
        return Ok(());
    }
    let hint = "add --yes to remove it for good; it cannot be undone";
    if global.json {
        Out::stdout().json(&json!({
            "error": "nothing was removed", "hint": hint, "partnership": known.name, "would_remove": counts(rows),
        }));
        return Err(Exit::Usage);
    }
    let out = Out::stdout();
    out.line(&format!("This would remove of partnership {}, for good:", known.name));
    for removed in rows {
        out.line(&format!("{:>9}  {}", removed.rows, removed.what));
    }
    out.line("and every daily backup, every older store that a restore kept, and the roster kept for delta packages. Cards in the ILS stay; counts by year and the audit log stay.");
    out.line(&format!("Type the partnership's name, {}, to remove it:", known.name));
    if typed() == known.name {
        return Ok(());
    }
    complain(false, "nothing was removed", "type the name as it stands there, or add --yes");
    Err(Exit::Usage)
}

/// A line from whoever sits there; nothing where nobody does.
pub(crate) fn typed() -> String {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) => line.trim().to_owned(),
        Err(_) => String::new(),
    }
}

fn counts(rows: &[Removed]) -> serde_json::Map<String, serde_json::Value> {
    rows.iter().map(|removed| (removed.table.clone(), json!(removed.rows))).collect()
}

fn kept(purge: &Purge) -> serde_json::Map<String, serde_json::Value> {
    let patrons = purge.kept.iter().filter(|kept| kept.state.has_patron());
    patrons.map(|kept| (kept.state.word().to_owned(), json!(kept.count))).collect()
}

fn in_ils(purge: &Purge) -> String {
    let patrons: Vec<String> = purge
        .kept
        .iter()
        .filter(|kept| kept.state.has_patron())
        .map(|kept| format!("{} {}", kept.count, kept.state.word()))
        .collect();
    if patrons.is_empty() { "there is none".to_owned() } else { patrons.join(", ") }
}

/// What the state of a link says of the patron, for the certificate.
fn what_stays(state: LinkState) -> &'static str {
    match state {
        LinkState::Made => "cards that were made from the roster",
        LinkState::Linked => "patrons that were there and were linked",
        LinkState::Adopted => "cards of an earlier load that were taken over",
        LinkState::Lapsed => "cards that are not renewed any more",
        LinkState::Gone => "patrons that were no longer found in the ILS",
        _ => "students without a card",
    }
}

/// The certificate. The same for the same purge, whenever it is written; the last line is the hash of all above it.
fn certificate(library: &str, path: &Path, store_id: &str, purge: &Purge, log: &[AuditEntry]) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    line("Certificate of removal");
    line("");
    line(&format!("Library:      {library}"));
    line(&format!("Partnership:  {} (permanent id {})", purge.name, purge.permanent_id));
    line(&format!("Removed:      {:.0} (UTC), by {}", purge.at, purge.who));
    line(&format!("From:         the state store {store_id} at {}", path.display()));
    line("");
    line("What was removed");
    for removed in &purge.removed {
        line(&format!("{:>9}  {} ({})", removed.rows, removed.what, removed.table));
    }
    line("");
    line(
        "The store's file was then written anew and its log emptied, so that no byte of this stays in them. Every daily",
    );
    line(
        "backup and every older store that a restore had kept beside the store was deleted, and so was the roster that was",
    );
    line("kept for delta packages, where there was one.");
    line("");
    line(&format!("What the library keeps in its ILS (id {})", purge.ils));
    for kept in purge.kept.iter().filter(|kept| kept.state.has_patron()) {
        line(&format!("{:>9}  {}: {}", kept.count, kept.state.word(), what_stays(kept.state)));
    }
    if !purge.kept.iter().any(|kept| kept.state.has_patron()) {
        line("        0  patrons");
    }
    line("Patrons are the library's. Nothing was deleted, ended or blocked there by this.");
    line("");
    line("What stays in the store");
    line("           counts by year, of cards made, changed and lapsed, of nobody in particular");
    line(
        "           the audit log: who approved, paused, revealed and removed, without a value about a student",
    );
    line("");
    line("What Rostercard does not remove, and the library has to look at");
    line(
        "           rosters in drop folders and their archive/; files that `pins export`, `rejects` and `report` wrote",
    );
    let copies: Vec<&AuditEntry> =
        log.iter().filter(|entry| entry.what == "backup" && entry.at <= purge.at).collect();
    if copies.is_empty() {
        line("           copies of the store that were made otherwise than with `rostercard backup`");
    } else {
        line("           copies of the store, as far as `rostercard backup` made them:");
        for copy in copies {
            line(&format!("           {:.0} by {}, {}", copy.at, copy.who, copy.detail));
        }
    }
    line("");
    let hash = blake3::hash(text.as_bytes()).to_hex();
    text.push_str(&format!("BLAKE3 of everything above this line: {hash}\n"));
    text
}

/// Writes a private file whole, or not at all; the same text again is no change.
fn write(to: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if to.exists() {
        if std::fs::read(to)? == text.as_bytes() {
            return Ok(());
        }
        return Err(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "is there already, with other words in it",
        ));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&part, to)
}

#[cfg(test)]
mod tests {
    use rostercard_store::rows::StateCount;

    use super::*;

    #[test]
    fn s20_a_certificate_says_what_went_and_what_stays_and_carries_its_hash() {
        let at: jiff::Timestamp = "2026-11-24T12:00:00.5Z".parse().unwrap();
        let entry = |what: &str, at: &str| AuditEntry {
            at: at.parse().unwrap(),
            who: "kim".into(),
            what: what.into(),
            partnership: None,
            run: None,
            detail: "to /srv/copy.db".into(),
        };
        let purge = Purge {
            permanent_id: "oak-1".into(),
            name: "oak".into(),
            ils: "main".into(),
            at,
            who: "pat".into(),
            removed: vec![Removed { table: "link".into(), what: "links".into(), rows: 12 }],
            kept: vec![
                StateCount { state: LinkState::Made, count: 9 },
                StateCount { state: LinkState::Rejected, count: 3 },
            ],
        };
        let log = [entry("backup", "2026-11-01T00:00:00Z"), entry("backup", "2026-12-01T00:00:00Z")];
        let text = certificate("Oak Library", Path::new("/state/db"), "ab12", &purge, &log);
        for part in [
            "Library:      Oak Library\n",
            "Partnership:  oak (permanent id oak-1)\n",
            "Removed:      2026-11-24T12:00:00Z (UTC), by pat\n",
            "the state store ab12 at /state/db\n",
            "       12  links (link)\n",
            "        9  made: cards that were made from the roster\n",
            "2026-11-01T00:00:00Z by kim, to /srv/copy.db\n",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("rejected") && !text.contains("2026-12-01"), "{text}");
        let (above, last) = text.trim_end().rsplit_once('\n').unwrap();
        let hash = blake3::hash(format!("{above}\n").as_bytes()).to_hex();
        assert_eq!(last, format!("BLAKE3 of everything above this line: {hash}"));
        assert_eq!(text, certificate("Oak Library", Path::new("/state/db"), "ab12", &purge, &log));
    }
}
