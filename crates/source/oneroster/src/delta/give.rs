//! From an image to the pages of the port: the way that a whole package goes, with those left out whom no package named,
//! and with tombstones for those who are not there any more.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jiff::civil::Date;
use rostercard_core::field::FieldRules;
use rostercard_core::ports::{Completeness, ConnectorError, Record, RosterPage};
use rostercard_core::privacy::Personal;
use rostercard_oneroster::{Columns, Users};
use tokio::sync::mpsc::Sender;

use super::line;
use super::packages::{Given, What};
use crate::error;
use crate::index::Key;
use crate::map::Mapper;
use crate::open::Opened;
use crate::read::{self, Sent, Watch};
use crate::schools::Schools;
use crate::settings::Settings;
use crate::tally::Tally;

/// Tombstones a page.
const PAGE: usize = 2_000;

/// Reads the image and sends its pages, the end, or an error.
pub(crate) fn run(given: Given, settings: &Settings, rules: &FieldRules, today: Date, pages: &Sender<Sent>) {
    let last = match whole(given, settings, rules, today, pages) {
        Ok(Some(end)) => Ok(end),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    // Nobody listening is no error: there is nobody to tell.
    drop(pages.blocking_send(last));
}

/// Whom the packages named.
struct Named {
    source_ids: HashSet<Key>,
    student_ids: HashSet<Key>,
    /// Lines of the image.
    lines: HashSet<u64>,
}

fn whole(
    given: Given,
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
    pages: &Sender<Sent>,
) -> Result<Option<RosterPage>, ConnectorError> {
    let cursor = given.cursor();
    let Given { image, changes, what, .. } = given;
    if what == What::Nothing {
        let completeness = Completeness::Delta;
        return Ok(Some(RosterPage::End { completeness, cursor: None, findings: Vec::new() }));
    }
    let named = named(&image, &changes.touched, &changes.before).map_err(error::image)?;
    let opened = Opened::image(image.clone());
    let failed = AtomicBool::new(false);
    let watch = Watch { pages, failed: &failed };
    let mut tally = Tally::default();
    changes.say(&mut tally);
    let mut schools = Schools::read(&opened, &mut tally)?;
    let (joins, twice) = thread::scope(|scope| {
        let first_pass = scope.spawn(|| read::ids_twice(&opened, settings, &watch));
        let joins = read::joins(&opened, rules, today, &mut schools, &watch, &mut tally);
        failed.fetch_or(joins.is_err(), Ordering::Relaxed);
        (joins, first_pass.join())
    });
    let twice = twice.map_err(|_| error::lost())??;
    let (born, parts) = joins?;
    let mut there = HashSet::new();
    let damaged: Vec<Record> =
        changes.records().into_iter().map(|damaged| Record::Damaged(Box::new(damaged))).collect();
    there.extend(damaged.iter().filter_map(id_of));
    let unreadable = there.clone();
    if !damaged.is_empty() && pages.blocking_send(Ok(RosterPage::Records(damaged))).is_err() {
        return Ok(None);
    }
    let read = opened.table::<Users, _>(|mut table, _| {
        let asked = read::asked(settings);
        let mapper = Mapper::new(asked, rules, table.layout(), born, parts, schools, tally);
        let send = |mut records: Vec<Record>| {
            // Of who has a row that cannot be read beside another one, neither is taken.
            records.retain(|record| id_of(record).is_none_or(|id| !unreadable.contains(&id)));
            if what == What::Named {
                records.retain(|record| named.has(record));
            }
            there.extend(records.iter().filter_map(id_of));
            records.iter_mut().for_each(rename);
            pages.blocking_send(Ok(RosterPage::Records(records))).is_ok()
        };
        let stop = |rows| watch.stop(rows);
        Ok(read::people(&mut table, mapper, twice, asked, send, stop)?
            .map(|(mapper, rows)| read::end(mapper, rows)))
    })?;
    let Some(RosterPage::End { completeness, findings, .. }) = read else { return Ok(None) };
    if what == What::Everybody {
        return Ok(Some(RosterPage::End { completeness, cursor: Some(cursor), findings }));
    }
    let mut gone = Vec::new();
    let mut left = |student_id: &str, source_id: &str| {
        if !student_id.is_empty() && there.insert(Key::of(student_id)) {
            gone.push((student_id.to_owned(), source_id.to_owned()));
        }
    };
    changes.before.iter().for_each(|(student_id, source_id)| left(student_id, source_id));
    image
        .lines(Users::FILE, |text| {
            let cells = line::split(text);
            let source_id = cells.first().map_or("", AsRef::as_ref);
            if what == What::All || named.source_ids.contains(&Key::of(source_id)) {
                left(line::student_id(&settings.student_id, &cells), source_id);
            }
            Ok(())
        })
        .map_err(error::image)?;
    for page in gone.chunks(PAGE) {
        let record = |(student_id, source_id): &(String, String)| Record::Gone {
            student_id: Some(Personal::new(student_id)),
            source_ids: vec![Personal::new(source_id)],
        };
        if pages.blocking_send(Ok(RosterPage::Records(page.iter().map(record).collect()))).is_err() {
            return Ok(None);
        }
    }
    // Doubts are about who is absent; of that a delta says nothing. Roles of users who were deleted stay, for they may return.
    let quiet = ["roster_incomplete", "role_of_unknown_user"];
    let findings = findings.into_iter().filter(|finding| !quiet.contains(&finding.code)).collect();
    Ok(Some(RosterPage::End { completeness: Completeness::Delta, cursor: Some(cursor), findings }))
}

fn named(
    image: &super::image::Image,
    touched: &[String],
    before: &[(String, String)],
) -> std::io::Result<Named> {
    let mut named = Named {
        source_ids: touched.iter().map(|id| Key::of(id)).collect(),
        student_ids: before.iter().map(|(student_id, _)| Key::of(student_id)).collect(),
        lines: HashSet::new(),
    };
    let mut at = 1;
    image.lines(Users::FILE, |text| {
        at += 1;
        let cells = line::split(text);
        let source_id = cells.first().map_or("", AsRef::as_ref);
        if named.source_ids.contains(&Key::of(source_id)) {
            named.lines.insert(at);
            let student_id = line::student_id(&image.head.student_id, &cells);
            if !student_id.is_empty() {
                named.student_ids.insert(Key::of(student_id));
            }
        }
        Ok(())
    })?;
    Ok(named)
}

impl Named {
    fn has(&self, record: &Record) -> bool {
        match record {
            Record::Student(student) => {
                self.student_ids.contains(&Key::of(student.student_id.reveal()))
                    || student.source_ids.iter().any(|id| self.source_ids.contains(&Key::of(id.reveal())))
            }
            Record::Damaged(damaged) => {
                id_of(record).is_some_and(|id| self.student_ids.contains(&id))
                    || damaged.finding.place.line.is_some_and(|line| self.lines.contains(&line))
            }
            Record::Gone { .. } => true,
        }
    }
}

fn id_of(record: &Record) -> Option<Key> {
    match record {
        Record::Student(student) => Some(Key::of(student.student_id.reveal())),
        Record::Damaged(damaged) => damaged.student_id.as_ref().map(|id| Key::of(id.reveal())),
        Record::Gone { .. } => None,
    }
}

/// Lines of an image are nobody's to look at: the file is said to be the kept one.
fn rename(record: &mut Record) {
    const KEPT: &str = "users.csv (as kept)";
    match record {
        Record::Student(student) => {
            if let Some(row) = &mut student.row {
                row.file = KEPT.into();
            }
            for finding in student.findings.iter_mut().filter(|finding| finding.place.file.is_some()) {
                finding.place.file = Some(KEPT.to_owned());
            }
        }
        Record::Damaged(damaged) => damaged.finding.place.file = Some(KEPT.to_owned()),
        Record::Gone { .. } => {}
    }
}
