//! Reading files through, so that each student comes once.
//!
//! A file is read twice: first for the ids that are there more than once, which takes eight bytes a row, then for its people.
//! Of several files of additions, which are small, everybody is held in memory, and the later file counts.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use rostercard_core::field::FieldRules;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{Completeness, ConnectorError, Cursor, Fault, Record, Retry, RosterPage};
use rostercard_core::student::{Damaged, Student};
use rostercard_intake::{Table, TableError};
use tokio::sync::mpsc::Sender;

use crate::header::{Layout, layout};
use crate::map::{Mapped, Mapper};
use crate::settings::{Holds, Settings};

/// Records of one page.
const PAGE: usize = 1_000;
/// The most people in files of additions together.
const MOST_ADDITIONS: usize = 500_000;

/// What goes to the port.
pub(crate) type Sent = Result<RosterPage, ConnectorError>;

/// Files to be read.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// Oldest first.
    pub(crate) paths: Vec<PathBuf>,
    /// What they are to be let go of by.
    pub(crate) cursor: Option<Cursor>,
    /// Length and time of each when it was found.
    stamps: Vec<Stamp>,
}

/// What tells that a file was changed: its length and time, where it is there.
type Stamp = Option<(u64, std::time::SystemTime)>;

fn stamp(path: &Path) -> Stamp {
    let about = std::fs::metadata(path).ok()?;
    Some((about.len(), about.modified().ok()?))
}

impl Files {
    /// Files as they are now.
    pub(crate) fn new(paths: Vec<PathBuf>, cursor: Option<Cursor>) -> Self {
        let stamps = paths.iter().map(|path| stamp(path)).collect();
        Self { paths, cursor, stamps }
    }

    /// Half an old and half a new file is no roster.
    fn verify_unchanged(&self) -> Result<(), ConnectorError> {
        let changed = self.paths.iter().zip(&self.stamps).find(|(path, before)| stamp(path) != **before);
        match changed {
            None => Ok(()),
            Some((path, _)) => Err(ConnectorError::new(
                Fault::District,
                Retry::Later,
                format!("{} was changed while it was read", name_of(path)),
                "Nobody is withdrawn for it; the next run reads it whole. Files should come under another name and be renamed",
            )),
        }
    }
}

/// A table's error.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(crate) fn table_error(error: TableError) -> ConnectorError {
    let fault = match &error {
        TableError::Io { .. } | TableError::TooLong { .. } | TableError::Sheet { .. } => Fault::Operator,
        TableError::Empty { .. } | TableError::Workbook { .. } | TableError::Format { .. } => Fault::District,
    };
    let later = error.may_be_unfinished() || matches!(error, TableError::Io { .. });
    let retry = if later { Retry::Later } else { Retry::NotThisTarget };
    ConnectorError::new(fault, retry, error.to_string(), error.hint())
}

/// A file's name, for messages.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Opens a file and finds its columns.
pub(crate) fn open(path: &Path, settings: &Settings) -> Result<(Table, Layout), ConnectorError> {
    let table = Table::open(path, &settings.table).map_err(table_error)?;
    let layout = layout(&table.header, &name_of(path), settings)?;
    Ok((table, layout))
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Rows of one student id, which come out as one record.
#[derive(Default)]
struct Group {
    people: Vec<Student>,
    damaged: Option<Box<Damaged>>,
}

/// Reads everything, and sends it in pages. Nobody may be listening any more; then it ends.
pub(crate) fn run(files: &Files, settings: &Settings, rules: &FieldRules, today: Date, pages: &Sender<Sent>) {
    let result = match settings.holds {
        Holds::Snapshot => snapshot(files, settings, rules, today, pages),
        Holds::Additions => additions(files, settings, rules, today, pages),
    };
    let end = match result {
        Ok(Some(end)) => files.verify_unchanged().map(|()| end),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    drop(pages.blocking_send(end));
}

/// One file is everybody. `None` where nobody listens any more.
fn snapshot(
    files: &Files,
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
    pages: &Sender<Sent>,
) -> Result<Option<RosterPage>, ConnectorError> {
    let Some(path) = files.paths.last() else { return Ok(Some(nothing(files))) };
    let often = repeated(path, settings, rules, today)?;
    let (mut table, layout) = open(path, settings)?;
    let mut mapper = Mapper::new(settings, rules, layout, table.workbook, today, &name_of(path));
    let mut page = Vec::with_capacity(PAGE);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut people = 0_u64;
    while let Some(line) = table.next_line().map_err(table_error)? {
        let mapped = mapper.row(&line);
        people += u64::from(!matches!(mapped, Mapped::Left));
        let record = match mapped {
            Mapped::Left => None,
            Mapped::Person(student) if often.contains(&hash(student.student_id.reveal())) => {
                let group = groups.entry(student.student_id.reveal().to_owned()).or_default();
                group.people.push(*student);
                None
            }
            Mapped::Damaged(damaged) => {
                match damaged.student_id.as_ref().filter(|id| often.contains(&hash(id.reveal()))) {
                    Some(id) => {
                        groups.entry(id.reveal().to_owned()).or_default().damaged.get_or_insert(damaged);
                        None
                    }
                    None => Some(Record::Damaged(damaged)),
                }
            }
            Mapped::Person(student) => Some(Record::Student(student)),
        };
        page.extend(record);
        if page.len() >= PAGE
            && pages.blocking_send(Ok(RosterPage::Records(std::mem::take(&mut page)))).is_err()
        {
            return Ok(None);
        }
    }
    for (_, group) in groups {
        page.extend(one_of(group));
        if page.len() >= PAGE
            && pages.blocking_send(Ok(RosterPage::Records(std::mem::take(&mut page)))).is_err()
        {
            return Ok(None);
        }
    }
    if !page.is_empty() && pages.blocking_send(Ok(RosterPage::Records(page))).is_err() {
        return Ok(None);
    }
    let incomplete = mapper.somebody_unknown || people == 0;
    let mut findings = mapper.tally.into_findings();
    if incomplete {
        let why =
            if people == 0 { "it has a header and no row" } else { "a row could not be told whose it is" };
        let message =
            format!("the roster does not count as whole, so that nobody is withdrawn for it: {why}");
        findings.push(Finding::new("roster_incomplete", Place::file(name_of(path)), message));
    }
    let completeness = if incomplete { Completeness::Incomplete } else { Completeness::Snapshot };
    Ok(Some(RosterPage::End { completeness, cursor: files.cursor.clone(), findings }))
}

/// Several files of newcomers and changes: the later row counts.
fn additions(
    files: &Files,
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
    pages: &Sender<Sent>,
) -> Result<Option<RosterPage>, ConnectorError> {
    let mut all: HashMap<String, (usize, Group)> = HashMap::new();
    let mut nameless = Vec::new();
    let mut findings = Vec::new();
    for (number, path) in files.paths.iter().enumerate() {
        let (mut table, layout) = open(path, settings)?;
        let mut mapper = Mapper::new(settings, rules, layout, table.workbook, today, &name_of(path));
        while let Some(line) = table.next_line().map_err(table_error)? {
            let mapped = mapper.row(&line);
            let id = match &mapped {
                Mapped::Left => continue,
                Mapped::Person(student) => Some(student.student_id.reveal().to_owned()),
                Mapped::Damaged(damaged) => damaged.student_id.as_ref().map(|id| id.reveal().to_owned()),
            };
            let Some(id) = id else {
                if let Mapped::Damaged(damaged) = mapped {
                    nameless.push(Record::Damaged(damaged));
                }
                continue;
            };
            if all.len() >= MOST_ADDITIONS {
                return Err(ConnectorError::new(
                    Fault::District,
                    Retry::NotThisTarget,
                    format!("the files of additions hold more than {MOST_ADDITIONS} people"),
                    "is it everybody? then say holds = \"snapshot\"",
                ));
            }
            let (newest, group) = all.entry(id).or_default();
            if *newest != number {
                *group = Group::default();
                *newest = number;
            }
            match mapped {
                Mapped::Person(student) => group.people.push(*student),
                Mapped::Damaged(damaged) => {
                    group.damaged.get_or_insert(damaged);
                }
                Mapped::Left => {}
            }
        }
        findings.extend(mapper.tally.into_findings());
    }
    // In the order of the ids, so that the same files are the same plan.
    let mut ids: Vec<(String, Group)> = all.into_iter().map(|(id, (_, group))| (id, group)).collect();
    ids.sort_by(|a, b| a.0.cmp(&b.0));
    let mut records = ids.into_iter().filter_map(|(_, group)| one_of(group)).chain(nameless);
    loop {
        let page: Vec<Record> = records.by_ref().take(PAGE).collect();
        if page.is_empty() {
            break;
        }
        if pages.blocking_send(Ok(RosterPage::Records(page))).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(RosterPage::End { completeness: Completeness::Delta, cursor: files.cursor.clone(), findings }))
}

/// No file: what was taken last stands.
fn nothing(files: &Files) -> RosterPage {
    RosterPage::End { completeness: Completeness::Delta, cursor: files.cursor.clone(), findings: Vec::new() }
}

/// The hashes of ids that are there more than once.
fn repeated(
    path: &Path,
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
) -> Result<HashSet<u64>, ConnectorError> {
    let (mut table, layout) = open(path, settings)?;
    let mapper = Mapper::new(settings, rules, layout, table.workbook, today, "");
    let mut hashes = Vec::new();
    while let Some(line) = table.next_line().map_err(table_error)? {
        if let Some(id) = mapper.id_of(&line) {
            hashes.push(hash(&id));
        }
    }
    hashes.sort_unstable();
    Ok(hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect())
}

/// The rows of one student id as one record: one person, perhaps of several schools, or two people under one number.
fn one_of(group: Group) -> Option<Record> {
    let Group { people, damaged } = group;
    let mut people = people.into_iter();
    let Some(mut first) = people.next() else { return damaged.map(Record::Damaged) };
    if let Some(damaged) = damaged {
        return Some(Record::Damaged(damaged));
    }
    for other in people {
        if !same_person(&first, &other) {
            let line = |student: &Student| student.row.as_ref().map_or(0, |row| row.line);
            let message = format!(
                "one student id for people with different names or birth dates (also at line {}); the district should say whose it is",
                line(&other)
            );
            let place = first.row.as_ref().map_or_else(Place::default, Place::from);
            let finding = Finding::new("duplicate_student_id", place, message);
            let damaged = Damaged { student_id: Some(first.student_id), school: None, finding };
            return Some(Record::Damaged(Box::new(damaged)));
        }
        for school in other.schools {
            if !first.schools.contains(&school) {
                first.schools.push(school);
            }
        }
        for id in other.source_ids {
            if !first.source_ids.contains(&id) {
                first.source_ids.push(id);
            }
        }
        first.birth_date = first.birth_date.or(other.birth_date);
        first.grade = first.grade.or(other.grade);
    }
    if first.primary_school.is_none() && !first.schools.is_empty() {
        first.primary_school = Some(0);
    }
    if first.schools.len() > 1 {
        let place = first.row.as_ref().map_or_else(Place::default, Place::from);
        let message =
            "the person is in several schools and none is marked as the person's own; the first is taken";
        first.findings.push(Finding::new("several_schools_none_primary", place, message));
    }
    Some(Record::Student(Box::new(first)))
}

/// Whether two rows of one student id are one person: the same names, and birth dates that do not contradict.
fn same_person(a: &Student, b: &Student) -> bool {
    let names = |student: &Student| {
        (student.given_name.reveal().to_lowercase(), student.family_name.reveal().to_lowercase())
    };
    let born = match (a.birth_date, b.birth_date) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    names(a) == names(b) && born
}
