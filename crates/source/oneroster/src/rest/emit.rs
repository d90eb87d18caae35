//! From staged users to the pages of the port, on a thread of its own: the way that CSV goes, with REST's names for
//! places.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rostercard_core::field::FieldRules;
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{ConnectorError, Record, RosterPage};
use rostercard_core::student::{Damaged, Student};
use rostercard_oneroster::rest::record::Flaw;
use rostercard_oneroster::{Columns as _, Users};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::spawn_blocking;

use super::cursor::Cursor;
use super::settings::RestSettings;
use super::source::{completeness, line, place};
use super::stage::{Stage, columns};
use crate::born::Born;
use crate::index::{Index, Key};
use crate::map::{Asked, Mapper};
use crate::read::{self, Sent};
use crate::tally::Tally;

/// Pages made ahead.
const AHEAD: usize = 3;

/// What is given out, with the cursor that it ends with where it is whole.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Everybody.
    Full { cursor: Cursor },
    /// Those who changed.
    Delta { cursor: Cursor },
}

/// Gives out what was staged.
pub(crate) fn start(
    settings: Arc<RestSettings>,
    rules: Arc<FieldRules>,
    stage: Stage,
    born: Option<Index<Born>>,
    kind: Kind,
) -> Receiver<Sent> {
    let (pages, receiver) = channel(AHEAD);
    // It ends by itself: at the roster's end, or soon after nobody receives any more.
    drop(spawn_blocking(move || {
        let last = match run(&settings, &rules, stage, born, kind, &pages) {
            Ok(Some(end)) => Ok(end),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        // Nobody listening is no error: there is nobody to tell.
        drop(pages.blocking_send(last));
    }));
    receiver
}

fn run(
    settings: &RestSettings,
    rules: &FieldRules,
    stage: Stage,
    born: Option<Index<Born>>,
    kind: Kind,
    pages: &Sender<Sent>,
) -> Result<Option<RosterPage>, ConnectorError> {
    let mut staged = stage.finish()?;
    let columns = columns(&settings.columns);
    let asked = Asked { student_id: &settings.student_id, columns: &columns, educators: settings.educators };
    let (flaws, gone, twice) = (
        std::mem::take(&mut staged.flaws),
        std::mem::take(&mut staged.gone),
        std::mem::take(&mut staged.twice),
    );
    let (parts, schools, tally) =
        (staged.parts.take(), std::mem::take(&mut staged.schools), std::mem::take(&mut staged.tally));
    let layout = staged.table().layout();
    let mut table = staged.rows();
    let mut there = HashSet::new();
    let is_delta = matches!(kind, Kind::Delta { .. });
    let mapper = Mapper::new(asked, rules, layout, born, parts, schools, tally);
    let mut several = 0;
    let file: Arc<str> = place(Place::file(Users::FILE)).file.unwrap_or_default().into();
    let send = |mut records: Vec<Record>| {
        for record in &mut records {
            rename(record, &file, &flaws);
            if let Record::Student(student) = &*record {
                several += u64::from(student.source_ids.len() > 1);
            }
            if let (true, Some(id)) = (is_delta, id_of(record)) {
                there.insert(id);
            }
        }
        pages.blocking_send(Ok(RosterPage::Records(records))).is_ok()
    };
    let Some((mapper, rows)) =
        read::people(&mut table, mapper, twice, asked, send, |rows| rows % 4096 == 0 && pages.is_closed())?
    else {
        return Ok(None);
    };
    match kind {
        Kind::Full { cursor } => {
            let mut mapper = mapper;
            if !gone.is_empty() {
                let message = "a user is marked tobedeleted, and was read as not there";
                gone.iter().for_each(|_| mapper.tally.count("user_tobedeleted", "users.csv", 0, message));
            }
            let end = read::end(mapper, rows);
            Ok(Some(finish(end, &Kind::Full { cursor: Cursor { several, ..cursor } })))
        }
        Kind::Delta { cursor } => {
            let tombstones: Vec<Record> = gone.into_iter().filter_map(|gone| gone.record(&there)).collect();
            for page in tombstones.chunks(2_000) {
                if pages.blocking_send(Ok(RosterPage::Records(page.to_vec()))).is_err() {
                    return Ok(None);
                }
            }
            // A person with several sourcedIds among the changes: from now on everything is read.
            let kind = Kind::Delta { cursor: Cursor { several, ..cursor } };
            Ok(Some(end_of_delta(mapper.tally, &kind)))
        }
    }
}

fn end_of_delta(tally: Tally, kind: &Kind) -> RosterPage {
    let whole = !tally.is_incomplete();
    let end = RosterPage::End {
        completeness: completeness(kind, whole),
        cursor: None,
        findings: tally.into_findings(),
    };
    finish(end, kind)
}

/// The end in this source's words. Only what came whole moves the mark.
fn finish(end: RosterPage, kind: &Kind) -> RosterPage {
    let RosterPage::End { completeness: was, findings, .. } = end else { return end };
    let whole = was != rostercard_core::ports::Completeness::Incomplete;
    let (Kind::Full { cursor } | Kind::Delta { cursor }) = kind;
    RosterPage::End {
        completeness: completeness(kind, whole),
        cursor: whole.then(|| cursor.write()),
        findings: findings.into_iter().map(finding).collect(),
    }
}

fn id_of(record: &Record) -> Option<Key> {
    match record {
        Record::Student(student) => Some(Key::of(student.student_id.reveal())),
        Record::Damaged(damaged) => damaged.student_id.as_ref().map(|id| Key::of(id.reveal())),
        Record::Gone { .. } => None,
    }
}

/// A record with this source's names for places.
fn rename(record: &mut Record, file: &Arc<str>, flaws: &HashMap<u64, Flaw>) {
    match record {
        Record::Student(student) => student_places(student, file),
        Record::Damaged(damaged) => {
            let Damaged { finding: held, .. } = &mut **damaged;
            let flaw =
                held.place.line.and_then(|line| flaws.get(&line)).filter(|_| held.code == "row_invalid_utf8");
            let renamed = match flaw {
                Some(flaw) => Finding::new(flaw.code(), held.place.clone(), flaw.sentence()),
                None => held.clone(),
            };
            *held = finding(renamed);
        }
        Record::Gone { .. } => {}
    }
}

/// `file` is this source's name for where students come from.
fn student_places(student: &mut Student, file: &Arc<str>) {
    if let Some(row) = &mut student.row {
        row.file = Arc::clone(file);
        row.line = line(row.line);
    }
    for held in &mut student.findings {
        *held = finding(held.clone());
    }
}

/// A finding in this source's words.
fn finding(finding: Finding) -> Finding {
    let message = match finding.message.contains(".csv") {
        true => finding
            .message
            .replace("users.csv", "users")
            .replace("roles.csv", "roles")
            .replace("demographics.csv", "demographics")
            .replace("orgs.csv", "orgs"),
        false => finding.message,
    };
    Finding::new(finding.code, place(finding.place), message)
}
