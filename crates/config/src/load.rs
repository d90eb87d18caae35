//! The whole configuration: rostercard.toml and partnerships/ beside it, in one pass.
//! A mistake in one partnership's file stops that partnership alone.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::document::Document;
use crate::files::Files;
use crate::layers::layered;
use crate::main_file::{self, FIXED_KEYS, Main, MainRead};
use crate::names::Name;
use crate::partnership::{self, Partnership};
use crate::place::Place;
use crate::problem::{Code, Problem, Problems};
use crate::reader::TableReader;
use crate::shared;

/// The connectors that the program has, by the names of their tables.
#[derive(Clone, Copy, Debug)]
pub struct Connectors<'a> {
    /// Roster sources: `[source.X]`.
    pub sources: &'a [&'a str],
    /// Ways to reach an ILS: `[ils.NAME.X]`.
    pub ils: &'a [&'a str],
}

/// Something that cannot be used because of a mistake; [`Loaded::problems`] says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its configuration has mistakes: `rostercard check` names them and says what to do")]
pub struct Broken;

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// rostercard.toml. Without it nothing can run.
    pub main: Result<Main, Broken>,
    /// Every partnership by its name, in the order of the names. The `Ok` ones can be used even if others cannot.
    pub partnerships: Vec<(String, Result<Partnership, Broken>)>,
    /// All problems of all files. Connectors add theirs.
    pub problems: Problems,
}

impl Loaded {
    /// Stops a partnership, after its connector has found a mistake in its own table.
    pub fn break_partnership(&mut self, name: &str) {
        for (_, result) in self.partnerships.iter_mut().filter(|(other, _)| other == name) {
            *result = Err(Broken);
        }
    }
}

/// Reads rostercard.toml at `path` and `partnerships/*.toml` beside it. `environment` is the program's, whole or not:
/// only variables that begin with [`crate::PREFIX`] are looked at.
#[must_use]
pub fn load(
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
    connectors: Connectors<'_>,
) -> Loaded {
    load_into(Problems::new(), files, path, environment, connectors)
}

/// The same, telling problems that may be there already: [`Problems::recording`] among them.
#[must_use]
pub fn load_into(
    problems: Problems,
    files: &dyn Files,
    path: &Path,
    environment: &BTreeMap<String, String>,
    connectors: Connectors<'_>,
) -> Loaded {
    let base = path.parent().unwrap_or(Path::new(""));
    let main = read_main(files, path, base, environment, connectors, &problems);
    let partnerships = read_partnerships(files, &base.join("partnerships"), connectors, &main, &problems);
    Loaded { main: main.main.ok_or(Broken), partnerships, problems }
}

fn read_main(
    files: &dyn Files,
    path: &Path,
    base: &Path,
    environment: &BTreeMap<String, String>,
    connectors: Connectors<'_>,
    problems: &Problems,
) -> MainRead {
    let nothing = MainRead::default();
    let advice = "make one by `rostercard init`, or name another by --config FILE";
    let Some(bytes) = read_bytes(files, path, advice, problems) else {
        return nothing;
    };
    let mut document = Document::parse(&path.display().to_string(), bytes, problems);
    if let Some(root) = &document.root {
        document.root = Some(layered(root, &FIXED_KEYS, environment, problems));
    }
    let read = TableReader::top(&document, problems).map(|top| main_file::read(top, connectors, base));
    let mut read = read.unwrap_or(nothing);
    // A mistake in a variable is one in rostercard.toml, though its reading never saw it.
    if problems.has_errors() {
        read.main = None;
    }
    read
}

fn read_partnerships(
    files: &dyn Files,
    folder: &Path,
    connectors: Connectors<'_>,
    main: &MainRead,
    problems: &Problems,
) -> Vec<(String, Result<Partnership, Broken>)> {
    let at = |path: &Path| Place::Path(Arc::from(path.display().to_string().as_str()));
    let mut paths = match files.list(folder) {
        Ok(paths) => paths,
        Err(error) => {
            let problem = match error.kind() {
                ErrorKind::NotFound => Problem::warning(
                    Code::MissingKey,
                    at(folder),
                    "",
                    "there is no partnership yet, so nothing is done",
                    "add a file for each district's agreement: `rostercard init` writes the first",
                ),
                _ => Problem::error(
                    Code::Unreadable,
                    at(folder),
                    "",
                    "this folder cannot be read",
                    "let the user that Rostercard runs as read it",
                ),
            };
            problems.add(problem);
            return Vec::new();
        }
    };
    // An editor's leftovers (`x.toml~`, `.x.toml.swp`) are no partnerships.
    paths.retain(|path| {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        path.extension().is_some_and(|extension| extension == "toml") && !hidden
    });
    paths.sort();
    let mut partnerships: Vec<(String, Result<Partnership, Broken>)> = Vec::new();
    for path in paths {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(name) = Name::new(&stem) else {
            let mut problem = Problem::error(
                Code::BadName,
                at(&path),
                "",
                "this file's name is not the name of a partnership",
                "name it by lowercase letters, digits and hyphens alone, and then .toml",
            );
            if let Some(better) = Name::suggest(&stem) {
                problem.advice.insert(0, format!("for example {better}.toml"));
            }
            problems.add(problem);
            partnerships.push((stem, Err(Broken)));
            continue;
        };
        let mark = problems.mark();
        let read = read_bytes(files, &path, "let the user that Rostercard runs as read it", problems)
            .and_then(|bytes| {
                let document = Document::parse(&path.display().to_string(), bytes, problems);
                let top = TableReader::top(&document, problems)?;
                partnership::read(&name, top, connectors.sources, main)
            });
        if let Some(new) = &read {
            same_id(new, &partnerships, problems);
        }
        let read = read.filter(|_| !problems.failed_since(&mark)).ok_or(Broken);
        partnerships.push((stem, read));
    }
    shared::schools_once(&mut partnerships, problems);
    partnerships
}

fn same_id(new: &Partnership, others: &[(String, Result<Partnership, Broken>)], problems: &Problems) {
    let other = others.iter().filter_map(|(_, other)| other.as_ref().ok()).find(|other| other.id == new.id);
    if let Some(other) = other {
        problems.add(
            Problem::error(
                Code::Twice,
                new.place.clone(),
                "id",
                format!("partnership `{}` has the same id", other.name),
                "give each its own: the links in the store hang on it",
            )
            .and_at(other.place.clone(), "the other one"),
        );
    }
}

fn read_bytes(files: &dyn Files, path: &Path, advice: &str, problems: &Problems) -> Option<Vec<u8>> {
    match files.read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let why = match error.kind() {
                ErrorKind::NotFound => "there is no such file",
                ErrorKind::PermissionDenied => "this file may not be read",
                ErrorKind::FileTooLarge => "this file is larger than 4 MiB, and so is no configuration",
                ErrorKind::IsADirectory => "this is not a file",
                _ => "this file could not be read",
            };
            let place = Place::Path(Arc::from(path.display().to_string().as_str()));
            problems.add(Problem::error(Code::Unreadable, place, "", why, advice));
            None
        }
    }
}
