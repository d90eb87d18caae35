//! The port's side: which file is the roster, its facts, its pages, and putting it away.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_core::field::FieldRules;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{
    ConnectorError, Cursor, Fault, Retry, RosterFacts, RosterPage, RosterSource, SourceState,
};
use rostercard_intake::drop_folder::{self, AfterUse, Dropped, PutAway, Ready};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::spawn_blocking;

use crate::map::{Mapped, Mapper};
use crate::read::{self, Files, Sent};
use crate::settings::{Holds, Settings};

/// Pages read ahead.
const AHEAD: usize = 3;
/// What the names of files in a drop folder end with.
const ENDINGS: [&str; 4] = ["csv", "tsv", "txt", "xlsx"];
/// So many rows are looked at by `check`.
const LOOKED_AT: usize = 1_000;

/// A file that was read, as the cursor names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    name: String,
    blake3: String,
}

/// A district's own files as a roster source.
#[derive(Debug)]
pub struct CsvDrop {
    settings: Arc<Settings>,
    rules: Arc<FieldRules>,
    today: Date,
    now: Timestamp,
    /// Whether files that were used count too: for looking, never for a run.
    used_too: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Opened(Files),
    Reading(Receiver<Sent>),
    Ended,
}

/// What was found before reading.
struct Found {
    files: Files,
    as_of: Option<Timestamp>,
    findings: Vec<Finding>,
}

impl CsvDrop {
    /// A source over the file or folder that `settings` name. Fields that `rules` do not allow are never copied; `now` says
    /// which files have not changed for long enough, and `today` which birth dates are in the future.
    #[must_use]
    pub fn new(settings: Settings, rules: FieldRules, today: Date, now: Timestamp) -> Self {
        Self {
            settings: Arc::new(settings),
            rules: Arc::new(rules),
            today,
            now,
            used_too: false,
            state: State::New,
        }
    }

    /// The same, to be looked at and not to be acted upon: files of a drop folder that were used and lie in its archive are
    /// read too. Of snapshots the last one where no new one has come; of additions all of them. It has no cursor.
    #[must_use]
    pub fn with_used_files(mut self) -> Self {
        self.used_too = true;
        self
    }
}

fn lost() -> ConnectorError {
    ConnectorError::new(
        Fault::Rostercard,
        Retry::Later,
        "the thread that reads the roster ended without a result",
        "Nothing is withdrawn for it; report it with the log of this run",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn disk(what: &str, error: std::io::Error) -> ConnectorError {
    ConnectorError::new(
        Fault::Operator,
        Retry::Later,
        format!("{what}: {error}"),
        "look at the path, its owner and its permissions",
    )
}

/// Adds what was used before, for looking.
fn add_used(settings: &Settings, found: &mut Found) -> Result<(), ConnectorError> {
    let Some(path) = settings.path.as_ref().filter(|path| path.is_dir()) else { return Ok(()) };
    let shown = path.display().to_string();
    let mut used = drop_folder::archived(path).map_err(|error| disk(&shown, error))?;
    let Some(newest) = used.last() else { return Ok(()) };
    let modified = std::fs::metadata(newest).and_then(|about| about.modified()).ok();
    if found.files.paths.is_empty() {
        found.as_of = modified.and_then(|time| Timestamp::try_from(time).ok());
        let message = "no new file has come: this is of the last one that was used";
        found.findings.retain(|finding| finding.code != "no_new_file");
        found.findings.push(Finding::new("file_used_before", Place::file(read::name_of(newest)), message));
        if settings.holds == Holds::Snapshot {
            used = used.split_off(used.len() - 1);
        }
    } else if settings.holds == Holds::Snapshot {
        used.clear();
    }
    used.append(&mut found.files.paths);
    found.files = Files::new(used, None);
    Ok(())
}

/// Which files are the roster now.
fn find(settings: &Settings, now: Timestamp) -> Result<Found, ConnectorError> {
    let Some(path) = &settings.path else {
        // As an empty drop folder: the last roster stands, and nothing is wrong.
        let message = "rosters of this partnership are given by `rostercard import`: the last one stands";
        let findings = vec![Finding::new("import_only", Place::default(), message)];
        return Ok(Found { files: Files::new(Vec::new(), None), as_of: None, findings });
    };
    let shown = path.display().to_string();
    let about = std::fs::metadata(path).map_err(|error| disk(&shown, error))?;
    let moment = |time: SystemTime| Timestamp::try_from(time).ok();
    if !about.is_dir() {
        let as_of = about.modified().ok().and_then(moment);
        let consumed = settings.after_use.is_some_and(|after| after != AfterUse::Keep);
        let cursor = if consumed {
            Some(cursor(path.parent().unwrap_or(path), &[read::name_of(path)])?)
        } else {
            None
        };
        return Ok(Found { files: Files::new(vec![path.clone()], cursor), as_of, findings: Vec::new() });
    }
    let since = Duration::try_from(now.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default();
    let listing = drop_folder::list(path, &ENDINGS, &settings.ready, SystemTime::UNIX_EPOCH + since)
        .map_err(|error| disk(&shown, error))?;
    let mut findings = Vec::new();
    for (name, why) in &listing.waiting {
        let message = format!("the file is not taken yet: {why}");
        findings.push(Finding::new("file_not_ready", Place::file(name), message));
    }
    for name in &listing.ignored {
        findings.push(Finding::new("file_ignored", Place::file(name), "links and folders are not looked at"));
    }
    let Some(newest) = listing.ready.last() else {
        findings.push(Finding::new(
            "no_new_file",
            Place::file(shown),
            "no new file has come: the last roster stands",
        ));
        return Ok(Found { files: Files::new(Vec::new(), None), as_of: None, findings });
    };
    if settings.holds == Holds::Snapshot && listing.ready.len() > 1 {
        let older = listing.ready.len() - 1;
        let message = format!(
            "this file is the newest and counts; {older} older {} put away with it",
            if older == 1 { "one is" } else { "ones are" }
        );
        findings.push(Finding::new("older_files", Place::file(&newest.name), message));
    }
    let as_of = moment(newest.modified);
    let names: Vec<String> = listing.ready.iter().map(|Dropped { name, .. }| name.clone()).collect();
    let keep = settings.after_use == Some(AfterUse::Keep);
    let cursor = if keep { None } else { Some(cursor(path, &names)?) };
    let paths: Vec<PathBuf> = names.iter().map(|name| path.join(name)).collect();
    Ok(Found { files: Files::new(paths, cursor), as_of, findings })
}

/// Names and contents of files, so that exactly those are put away.
fn cursor(folder: &std::path::Path, names: &[String]) -> Result<Cursor, ConnectorError> {
    let mut used = Vec::with_capacity(names.len());
    for name in names {
        let blake3 = drop_folder::fingerprint(&folder.join(name)).map_err(|error| disk(name, error))?;
        used.push(Used { name: name.clone(), blake3 });
    }
    serde_json::to_string(&used).map(Cursor).map_err(|_| lost())
}

/// Puts away what a cursor names.
fn put_away(settings: &Settings, cursor: &Cursor, now: Timestamp) -> Result<Vec<Finding>, ConnectorError> {
    let used: Vec<Used> = serde_json::from_str(&cursor.0).map_err(|_| {
        ConnectorError::new(
            Fault::Rostercard,
            Retry::NotThisRecord,
            "what is kept of the files that were read cannot be understood",
            "Move the files out of the drop folder by hand",
        )
    })?;
    // What a person named is never put away.
    let Some(path) = &settings.path else { return Ok(Vec::new()) };
    let is_folder = path.is_dir();
    let folder = if is_folder { path.as_path() } else { path.parent().unwrap_or(path) };
    let after = settings.after_use.unwrap_or(if is_folder { AfterUse::Archive } else { AfterUse::Keep });
    let marker = match &settings.ready {
        Ready::Marker(end) if is_folder => Some(end.as_str()),
        Ready::Marker(_) | Ready::After(_) => None,
    };
    let stamp = now.strftime("%Y-%m-%dT%H%M%SZ").to_string();
    let mut findings = Vec::new();
    for Used { name, blake3 } in &used {
        let done = drop_folder::put_away(folder, name, blake3, after, marker, &stamp)
            .map_err(|error| disk(name, error))?;
        let (code, message) = match done {
            PutAway::Archived(to) => ("file_archived", format!("the file was used and lies in {to}")),
            PutAway::Shredded => ("file_shredded", "the file was used, written over and deleted".to_owned()),
            PutAway::Changed => (
                "file_changed",
                "another file of this name lies there by now: it is the next roster".to_owned(),
            ),
            PutAway::Kept | PutAway::Missing => continue,
        };
        findings.push(Finding::new(code, Place::file(name), message));
    }
    Ok(findings)
}

/// Looks at the newest file without taking it.
fn look(
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
    found: Found,
) -> Result<Vec<Finding>, ConnectorError> {
    let mut findings = found.findings;
    let Some(path) = found.files.paths.last() else { return Ok(findings) };
    let (mut table, layout) = read::open(path, settings)?;
    let name = read::name_of(path);
    if let Some(detected) = table.detected.filter(|detected| detected.guessed) {
        let message =
            format!("the file is taken to be {}; say so: encoding = \"...\"", detected.encoding.name());
        findings.push(Finding::new("encoding_guessed", Place::file(&name), message));
    }
    let unused = layout.unused();
    if !unused.is_empty() {
        let message = format!("columns that are not used, and not read: {}", unused.join(", "));
        findings.push(Finding::new("columns_unused", Place::line(&name, table.header_line), message));
    }
    let mut mapper = Mapper::new(settings, rules, layout, table.workbook, today, &name);
    for _ in 0..LOOKED_AT {
        let Some(line) = table.next_line().map_err(read::table_error)? else { break };
        match mapper.row(&line) {
            Mapped::Damaged(damaged) => {
                let Finding { code, place, message } = damaged.finding;
                mapper.tally.count(code, place, &message);
            }
            Mapped::Person(student) => {
                for finding in student.findings {
                    mapper.tally.count(finding.code, finding.place, &finding.message);
                }
            }
            Mapped::Left => {}
        }
    }
    findings.extend(mapper.tally.into_findings());
    Ok(findings)
}

#[async_trait]
impl RosterSource for CsvDrop {
    async fn facts(&mut self) -> Result<RosterFacts, ConnectorError> {
        let (settings, now, used_too) = (Arc::clone(&self.settings), self.now, self.used_too);
        let work = move || {
            let mut found = find(&settings, now)?;
            if used_too {
                add_used(&settings, &mut found)?;
            }
            // What is wrong with the header is said before anything else is done.
            for path in &found.files.paths {
                let (table, _) = read::open(path, &settings)?;
                if let Some(detected) = table.detected.filter(|detected| detected.guessed) {
                    let message = format!("the file is taken to be {}", detected.encoding.name());
                    found.findings.push(Finding::new(
                        "encoding_guessed",
                        Place::file(read::name_of(path)),
                        message,
                    ));
                }
            }
            Ok(found)
        };
        let found: Found = spawn_blocking(work).await.map_err(|_| lost())??;
        let facts = RosterFacts {
            as_of: found.as_of,
            state: SourceState::Running,
            description: "a district's own file".to_owned(),
            endpoint: self.settings.endpoint(),
            findings: found.findings,
        };
        self.state = State::Opened(found.files);
        Ok(facts)
    }

    async fn next_page(&mut self) -> Result<RosterPage, ConnectorError> {
        if let State::Opened(files) = &self.state {
            let (pages, receiver) = channel(AHEAD);
            let (files, settings, rules, today) =
                (files.clone(), Arc::clone(&self.settings), Arc::clone(&self.rules), self.today);
            drop(spawn_blocking(move || read::run(&files, &settings, &rules, today, &pages)));
            self.state = State::Reading(receiver);
        }
        let State::Reading(receiver) = &mut self.state else {
            return Err(ConnectorError::new(
                Fault::Rostercard,
                Retry::Later,
                "the roster was asked for people before it was opened, or after its end",
                "Report it with the log of this run",
            ));
        };
        let sent = receiver.recv().await.unwrap_or_else(|| Err(lost()));
        if !matches!(sent, Ok(RosterPage::Records(_))) {
            self.state = State::Ended;
        }
        sent
    }

    async fn release(&mut self, cursor: &Cursor) -> Result<Vec<Finding>, ConnectorError> {
        let (settings, cursor, now) = (Arc::clone(&self.settings), cursor.clone(), self.now);
        spawn_blocking(move || put_away(&settings, &cursor, now)).await.map_err(|_| lost())?
    }

    async fn check(&mut self) -> Result<Vec<Finding>, ConnectorError> {
        let (settings, rules, today, now) =
            (Arc::clone(&self.settings), Arc::clone(&self.rules), self.today, self.now);
        let work = move || look(&settings, &rules, today, find(&settings, now)?);
        spawn_blocking(work).await.map_err(|_| lost())?
    }
}
