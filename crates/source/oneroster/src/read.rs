//! The reading itself, start to end, on a thread that may block: the joins, then `users.csv` twice.
//!
//! The first time only to learn which ids are there more than once, while another thread reads the joins. The second
//! time a page of records at a time, so that reading and deciding overlap and nothing grows with the roster but the
//! joins.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jiff::civil::Date;
use rostercard_core::field::{Field, FieldRules};
use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::{Completeness, ConnectorError, Record, RosterPage};
use rostercard_core::student::Damaged;
use rostercard_oneroster::{Code, Columns, Line, ReadError, Roles, Table, Users, Version};
use tokio::sync::mpsc::Sender;

use crate::index::{Index, Key};
use crate::map::{Asked, Mapped, Mapper, student_id};
use crate::open::{Opened, roles_apart};
use crate::repeated::Repeated;
use crate::schools::Schools;
use crate::settings::{Settings, StudentIdFrom};
use crate::tally::Tally;
use crate::{born, error, index, roles};

/// Records a page.
const PAGE: usize = 2_000;
/// How many rows are read before asking whether anybody still listens.
const ASK_EVERY: u64 = 4_096;

/// One page, or why there is none.
pub(crate) type Sent = Result<RosterPage, ConnectorError>;

/// Whether anybody still wants the pages.
pub(crate) struct Watch<'a> {
    pub(crate) pages: &'a Sender<Sent>,
    pub(crate) failed: &'a AtomicBool,
}

impl Watch<'_> {
    /// Whether to stop, asked once every few thousand rows.
    pub(crate) fn stop(&self, row: u64) -> bool {
        row.is_multiple_of(ASK_EVERY) && (self.pages.is_closed() || self.failed.load(Ordering::Relaxed))
    }
}

/// Reads the package and sends its pages, the end, or an error.
pub(crate) fn run(
    opened: &Opened,
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
    pages: &Sender<Sent>,
) {
    let last = match whole(opened, settings, rules, today, pages) {
        Ok(Some(end)) => Ok(end),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    // Nobody listening is no error: there is nobody to tell.
    drop(pages.blocking_send(last));
}

/// The whole way; `None` where nobody listens any more.
fn whole(
    opened: &Opened,
    settings: &Settings,
    rules: &FieldRules,
    today: Date,
    pages: &Sender<Sent>,
) -> Result<Option<RosterPage>, ConnectorError> {
    let failed = AtomicBool::new(false);
    let watch = Watch { pages, failed: &failed };
    let mut tally = Tally::default();
    let mut schools = Schools::read(opened, &mut tally)?;

    let (joins, twice) = thread::scope(|scope| {
        let first_pass = scope.spawn(|| {
            let twice = ids_twice(opened, settings, &watch);
            failed.fetch_or(twice.is_err(), Ordering::Relaxed);
            twice
        });
        let joins = joins(opened, rules, today, &mut schools, &watch, &mut tally);
        failed.fetch_or(joins.is_err(), Ordering::Relaxed);
        (joins, first_pass.join())
    });
    let twice = twice.map_err(|_| error::lost())??;
    let (born, parts) = joins?;
    if pages.is_closed() {
        return Ok(None);
    }
    opened.table::<Users, _>(|mut table, findings| {
        tally.add(Users::FILE, findings);
        let asked = asked(settings);
        let mapper = Mapper::new(asked, rules, table.layout(), born, parts, schools, tally);
        let send = |page| pages.blocking_send(Ok(RosterPage::Records(page))).is_ok();
        let Some((mapper, rows)) = people(&mut table, mapper, twice, asked, send, |rows| watch.stop(rows))?
        else {
            return Ok(None);
        };
        opened.verify_unchanged()?;
        Ok(Some(end(mapper, rows)))
    })
}

pub(crate) fn asked(settings: &Settings) -> Asked<'_> {
    Asked { student_id: &settings.student_id, columns: &settings.columns, educators: settings.educators }
}

/// Users, one line after the other, wherever they lie.
pub(crate) trait Rows {
    /// The next line; `None` at the end.
    fn next_line(&mut self) -> Result<Option<Line<'_, Users>>, ReadError>;
}

impl<R: Read> Rows for Table<Users, R> {
    fn next_line(&mut self) -> Result<Option<Line<'_, Users>>, ReadError> {
        Self::next_line(self)
    }
}

/// Goes through users a page at a time. `send` says whether anybody still wants them, `stop` whether to stop after so
/// many rows; `None` where it stopped.
pub(crate) fn people<'a>(
    table: &mut impl Rows,
    mapper: Mapper<'a>,
    twice: Twice,
    asked: Asked<'_>,
    mut send: impl FnMut(Vec<Record>) -> bool,
    stop: impl Fn(u64) -> bool,
) -> Result<Option<(Mapper<'a>, u64)>, ConnectorError> {
    let mut people =
        People { mapper, student_ids: Repeated::new(twice.student_ids), source_ids: twice.source_ids };
    let mut page = Vec::with_capacity(PAGE);
    let mut rows = 0_u64;
    while let Some(line) = table.next_line().map_err(error::read)? {
        rows += 1;
        page.extend(people.line(line, asked.student_id));
        if page.len() == PAGE && !send(std::mem::replace(&mut page, Vec::with_capacity(PAGE))) {
            return Ok(None);
        }
        if stop(rows) {
            return Ok(None);
        }
    }
    page.extend(people.student_ids.rest());
    if !page.is_empty() && !send(page) {
        return Ok(None);
    }
    Ok(Some((people.mapper, rows)))
}

/// The end of the stream, with what it was.
pub(crate) fn end(mut mapper: Mapper<'_>, rows: u64) -> RosterPage {
    if rows == 0 {
        mapper.tally.count_code(Code::TableMissingDataRows, Users::FILE, 1, None);
        mapper.tally.incomplete(Code::TableMissingDataRows.code());
    }
    let unclaimed = mapper.unclaimed_roles();
    let mut findings = mapper.schools.findings();
    if unclaimed > 0 {
        let message = format!("{unclaimed} rows of roles.csv are of users that users.csv does not have");
        findings.push(Finding::new("role_of_unknown_user", Place::file(Roles::FILE), message));
    }
    let completeness = match mapper.tally.is_incomplete() {
        true => Completeness::Incomplete,
        false => Completeness::Snapshot,
    };
    findings.extend(mapper.tally.into_findings());
    RosterPage::End { completeness, cursor: None, findings }
}

/// The files that are joined to the users.
pub(crate) type Joins = (Option<Index<born::Born>>, Option<Index<roles::Part>>);

pub(crate) fn joins(
    opened: &Opened,
    rules: &FieldRules,
    today: Date,
    schools: &mut Schools,
    watch: &Watch<'_>,
    tally: &mut Tally,
) -> Result<Joins, ConnectorError> {
    let parts = match roles_apart(opened) {
        true => Some(roles::read(opened, today, schools, watch, tally)?),
        false => None,
    };
    let born = match rules.allows(Field::BirthDate) {
        true => Some(born::read(opened, today, watch, tally)?),
        false => None,
    };
    Ok((born, parts))
}

/// Ids that are there more than once in `users.csv`.
#[derive(Default)]
pub(crate) struct Twice {
    pub(crate) student_ids: Index<u32>,
    pub(crate) source_ids: Index<u32>,
}

/// The first pass. It looks at ids alone, so that rows that are left out later count too; that costs nothing but a
/// look at a row more.
pub(crate) fn ids_twice(
    opened: &Opened,
    settings: &Settings,
    watch: &Watch<'_>,
) -> Result<Twice, ConnectorError> {
    opened.table::<Users, _>(|mut table, _| twice(&mut table, &settings.student_id, |rows| watch.stop(rows)))
}

/// The ids that are there more than once in a table.
pub(crate) fn twice(
    table: &mut impl Rows,
    from: &StudentIdFrom,
    stop: impl Fn(u64) -> bool,
) -> Result<Twice, ConnectorError> {
    let (mut student_ids, mut source_ids) = (Vec::new(), Vec::new());
    let mut rows = 0_u64;
    while let Some(line) = table.next_line().map_err(error::read)? {
        rows += 1;
        if stop(rows) {
            return Ok(Twice::default());
        }
        let row = match line {
            Line::Row(row) => row,
            Line::Damaged(damaged) => match damaged.cells {
                Some(row) => row,
                None => continue,
            },
        };
        for (id, keys) in
            [(student_id(from, &row), &mut student_ids), (row.get(Users::SourcedId), &mut source_ids)]
        {
            if !id.is_empty() {
                keys.push(Key::of(id));
            }
        }
    }
    Ok(Twice { student_ids: index::repeated(student_ids), source_ids: index::repeated(source_ids) })
}

/// The second pass: from lines to records.
struct People<'a> {
    mapper: Mapper<'a>,
    student_ids: Repeated,
    source_ids: Index<u32>,
}

impl People<'_> {
    fn line(&mut self, line: Line<'_, Users>, from: &StudentIdFrom) -> Option<Record> {
        let (mapped, row) = match line {
            Line::Row(row) => (self.mapper.row(&row), Some(row)),
            Line::Damaged(damaged) => (self.mapper.damaged_row(&damaged), damaged.cells),
        };
        if let Some(row) = row.filter(|_| !self.student_ids.is_empty() || self.source_ids.len() > 0) {
            let key = Key::of(student_id(from, &row));
            if let Some(often) = self.student_ids.often(key) {
                return self.student_ids.take(key, often, mapped);
            }
            // One sourcedId and two student ids: whose roles and birth date these are cannot be known.
            if !self.source_ids.get(Key::of(row.get(Users::SourcedId))).is_empty() {
                return record(shared_source_id(mapped));
            }
        }
        record(mapped)
    }
}

fn record(mapped: Mapped) -> Option<Record> {
    match mapped {
        Mapped::Person(student) => Some(Record::Student(student)),
        Mapped::Damaged(damaged) => Some(Record::Damaged(damaged)),
        Mapped::Left => None,
    }
}

fn shared_source_id(mapped: Mapped) -> Mapped {
    let Mapped::Person(student) = mapped else {
        return mapped;
    };
    let place = student.row.as_ref().map_or_else(Place::default, Place::from).at("sourcedId");
    let message = "another user has the same sourcedId, so that roles and birth date could be either's";
    let finding = Finding::new("duplicate_sourced_id", place, message);
    Mapped::Damaged(Box::new(Damaged { student_id: Some(student.student_id), school: None, finding }))
}

/// Whether a package can say what people are: 1.2 has it in `roles.csv`, and some exports still in `users.csv`.
pub(crate) fn check_roles(opened: &Opened) -> Result<Option<Finding>, ConnectorError> {
    if opened.manifest.version == Version::V1_1 || roles_apart(opened) {
        return Ok(None);
    }
    let has_roles = opened.table::<Users, _>(|table, _| {
        Ok(table.layout().has(Users::Role) && table.layout().has(Users::OrgSourcedIds))
    })?;
    if has_roles {
        let message =
            "the package says 1.2 and has no roles.csv; roles and schools are read from users.csv as in 1.1";
        return Ok(Some(Finding::new("roles_absent", Place::file(Roles::FILE), message)));
    }
    Err(error::declared(
        "roles.csv: not in the package, and without it nobody's role and school is known",
        "Ask the district to include roles in its export",
    ))
}
