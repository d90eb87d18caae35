//! `rejects`: what a district has to correct, as CSV, from its roster of now. Only what the district itself sent goes back to it: its own
//! id, the place, the field and the rule; no name, no date, and nothing about who has a card.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use jiff::civil::Date;
use rostercard_config::Partnership;
use rostercard_core::digest::{Digest, DigestKey};
use rostercard_core::finding::Place;
use rostercard_core::policy::{self, Decision, Today};
use rostercard_core::privacy::Personal;
use rostercard_core::reason::{Reason, Reject};
use rostercard_core::student::{Damaged, Student};
use rostercard_engine::person_key;
use serde_json::json;

use crate::cli::{Global, Rejects};
use crate::exit::Exit;
use crate::output::{Out, complain, counted};
use crate::roster::{self, Reader};
use crate::setup::Setup;

/// One line for the district.
struct Line {
    rejected: bool,
    place: Place,
    student_id: String,
    field: String,
    rule: String,
    message: String,
}

struct Gather<'a> {
    partnership: &'a Partnership,
    today: Date,
    lines: Vec<Line>,
    /// Numbers that are wanted, each with the first who wants it; `None` once that was said.
    numbers: HashMap<String, Option<(String, Place)>>,
}

impl Gather<'_> {
    /// Two students who would get the same number are both rejected, which no rule about one of them can find.
    fn number(&mut self, number: String, student_id: &str, place: &Place) {
        let collides = Reason::Reject(Reject::NumberCollides);
        let line = |(student_id, place): (String, Place)| Line {
            rejected: true,
            place,
            student_id,
            field: Reject::NumberCollides.field().to_owned(),
            rule: collides.code().to_owned(),
            message: collides.to_string(),
        };
        let here = (student_id.to_owned(), place.clone());
        match self.numbers.entry(number) {
            Entry::Vacant(free) => {
                free.insert(Some(here));
            }
            Entry::Occupied(mut taken) => {
                let first = taken.get_mut().take();
                self.lines.extend(first.map(line));
                self.lines.push(line(here));
            }
        }
    }
}

impl Reader for Gather<'_> {
    fn student(&mut self, student: Student) {
        let place = student.row.as_ref().map(Place::from).unwrap_or_default();
        let student_id = student.student_id.reveal().to_owned();
        for finding in &student.findings {
            let at = if finding.place == Place::default() { place.clone() } else { finding.place.clone() };
            self.lines.push(Line {
                rejected: false,
                field: at.column.clone().unwrap_or_default(),
                place: at,
                student_id: student_id.clone(),
                rule: finding.code.to_owned(),
                message: finding.message.clone(),
            });
        }
        let today = Today { date: self.today, held_expiry: None };
        let decision = policy::decide(student, &self.partnership.rules, today);
        if let Decision::Wanted(wanted) = &decision
            && let Some(number) = policy::given_number(wanted)
        {
            self.number(number.reveal().to_owned(), &student_id, &place);
        }
        if let Decision::No(reason @ Reason::Reject(_)) = decision {
            let field = match &reason {
                Reason::Reject(reject) => reject.field().to_owned(),
                _ => String::new(),
            };
            self.lines.push(Line {
                rejected: true,
                place,
                student_id,
                field,
                rule: reason.code().to_owned(),
                message: reason.to_string(),
            });
        }
    }

    fn damaged(&mut self, damaged: Damaged) {
        let place = damaged.finding.place;
        self.lines.push(Line {
            rejected: true,
            field: place.column.clone().unwrap_or_default(),
            place,
            student_id: damaged.student_id.map(|id| id.reveal().to_owned()).unwrap_or_default(),
            rule: damaged.finding.code.to_owned(),
            message: damaged.finding.message,
        });
    }
}

/// Lists what a district has to correct.
pub(crate) async fn rejects(global: &Global, setup: &Setup, args: &Rejects) -> Result<Exit, Exit> {
    let partnership = setup.partnership(&args.partnership)?;
    let mut source = setup.source_to_look_at(partnership)?;
    let mut gather = Gather {
        partnership,
        today: setup.today_of(partnership)?,
        lines: Vec::new(),
        numbers: HashMap::new(),
    };
    let (facts, _) = roster::read(&mut *source, &mut gather).await.map_err(|error| {
        complain(global.json, &error.message, &error.hint);
        crate::commands::run::source_exit(&error)
    })?;
    let mut lines = gather.lines;
    // The source's order is not the file's: rows of one id come together.
    lines.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    let rejected = lines.iter().filter(|line| line.rejected).count() as u64;
    if global.json {
        let list: Vec<_> = lines
            .iter()
            .map(|line| {
                json!({
                    "severity": severity(line), "file": line.place.file, "row": line.place.line,
                    "student_id": line.student_id, "field": line.field, "rule": line.rule, "message": line.message,
                })
            })
            .collect();
        let as_of = facts.as_of.map(|at| at.to_string());
        Out::stdout().json(&json!({ "partnership": args.partnership, "as_of": as_of, "rejects": list }));
        return Ok(if rejected > 0 { Exit::Rejects } else { Exit::Done });
    }
    let failed = |error: &dyn std::fmt::Display| {
        complain(
            global.json,
            &format!("the list could not be written: {error}"),
            "look at the folder and the disk",
        );
        Exit::Failed
    };
    let bytes = csv_of(&lines).map_err(|error| failed(&error))?;
    match &args.out {
        None => Out::stdout().line(String::from_utf8_lossy(&bytes).trim_end()),
        Some(path) => {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            file.and_then(|mut file| file.write_all(&bytes)).map_err(|error| failed(&error))?;
            Out::stdout().line(&format!(
                "{}, {} in all: {}",
                counted(rejected, "reject", "rejects"),
                counted(lines.len() as u64, "line", "lines"),
                path.display()
            ));
        }
    }
    Ok(if rejected > 0 { Exit::Rejects } else { Exit::Done })
}

/// A record that the district has to correct, as its own letter names it.
pub(crate) struct Correction {
    /// The district's own id.
    pub(crate) student_id: String,
    /// File and row.
    pub(crate) place: String,
    /// The field.
    pub(crate) field: String,
}

/// Every rejected record of a partnership's roster of now that has an id, by the person's key in the ledger. Empty where the roster
/// cannot be read any more: then nobody can say where in it a record stood.
pub(crate) async fn corrections(
    setup: &Setup,
    partnership: &Partnership,
    key: &DigestKey,
) -> Result<HashMap<Digest, Correction>, Exit> {
    let mut source = setup.source_to_look_at(partnership)?;
    let mut gather = Gather {
        partnership,
        today: setup.today_of(partnership)?,
        lines: Vec::new(),
        numbers: HashMap::new(),
    };
    if roster::read(&mut *source, &mut gather).await.is_err() {
        return Ok(HashMap::new());
    }
    let rejected = gather.lines.into_iter().filter(|line| line.rejected && !line.student_id.is_empty());
    Ok(rejected
        .map(|line| {
            let id = Personal::new(line.student_id.clone());
            let row = line.place.line.map(|row| format!(":{row}")).unwrap_or_default();
            let place = format!("{}{row}", line.place.file.as_deref().unwrap_or_default());
            let person = person_key(key, partnership.id.as_str(), &id);
            (person, Correction { student_id: line.student_id, place, field: line.field })
        })
        .collect())
}

fn severity(line: &Line) -> &'static str {
    if line.rejected { "rejected" } else { "noticed" }
}

fn csv_of(lines: &[Line]) -> Result<Vec<u8>, csv::Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["severity", "file", "row", "student_id", "field", "rule", "message"])?;
    for line in lines {
        let row = line.place.line.map(|row| row.to_string()).unwrap_or_default();
        let file = line.place.file.as_deref().unwrap_or_default();
        csv.write_record([
            severity(line),
            file,
            &row,
            &line.student_id,
            &line.field,
            &line.rule,
            &line.message,
        ])?;
    }
    csv.into_inner().map_err(|error| csv::Error::from(std::io::Error::other(error.to_string())))
}
