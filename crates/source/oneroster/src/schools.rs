//! `orgs.csv`: the schools, shared by their students.

use std::collections::HashMap;
use std::sync::Arc;

use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::ConnectorError;
use rostercard_core::student::School;
use rostercard_oneroster::{Columns, Line, Orgs, Status};

use crate::error;
use crate::open::Opened;
use crate::tally::Tally;

/// Types of organisation that are no schools, though people may be counted to them. Everything else is one: there are
/// SISs that call all their schools departments.
const NO_SCHOOLS: &[&str] = &["district", "local", "state", "national"];

/// An organisation as a list has it.
pub(crate) struct Listed<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) code: &'a str,
    pub(crate) name: &'a str,
    /// Whether it is marked as deleted.
    pub(crate) gone: bool,
    pub(crate) line: u64,
}

/// The organisations of a package.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schools {
    list: Vec<Org>,
    by_id: HashMap<String, u32>,
}

#[derive(Debug, Clone)]
struct Org {
    school: Arc<School>,
    is_school: bool,
    /// Whether `orgs.csv` has it.
    listed: bool,
    students: u32,
}

impl Schools {
    /// The number of an organisation. One that `orgs.csv` does not have is a school known by its id alone, so that
    /// its students wait for a home branch instead of losing their school.
    pub(crate) fn number(&mut self, id: &str) -> u32 {
        if let Some(number) = self.by_id.get(id) {
            return *number;
        }
        let school = School { source_id: id.to_owned(), code: None, name: String::new() };
        self.add(school, true, false)
    }

    /// The number of an organisation that has one.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    fn add(&mut self, school: School, is_school: bool, listed: bool) -> u32 {
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.by_id.insert(school.source_id.clone(), number);
        self.list.push(Org { school: Arc::new(school), is_school, listed, students: 0 });
        number
    }

    /// The school of a number, if it is one.
    pub(crate) fn school(&self, number: u32) -> Option<&Arc<School>> {
        self.list.get(number as usize).filter(|org| org.is_school).map(|org| &org.school)
    }

    /// Counts a student.
    pub(crate) fn count(&mut self, number: u32) {
        if let Some(org) = self.list.get_mut(number as usize) {
            org.students = org.students.saturating_add(1);
        }
    }

    /// What is odd about the schools once every student was counted.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let names = |which: &dyn Fn(&Org) -> bool| {
            let all: Vec<String> = self
                .list
                .iter()
                .filter(|org| org.is_school && which(org))
                .map(|org| org.school.label())
                .collect();
            let shown = all.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("; ");
            (all.len(), if all.len() > 20 { format!("{shown}; ...") } else { shown })
        };
        let (count, empty) = names(&|org| org.listed && org.students == 0);
        if count > 0 {
            let message = format!("{count} schools have no student in this roster: {empty}");
            findings.push(Finding::new("school_without_students", Place::file(Orgs::FILE), message));
        }
        let (count, unlisted) = names(&|org| !org.listed);
        if count > 0 {
            let message = format!("{count} organisations are named by users and not listed: {unlisted}");
            findings.push(Finding::new("org_not_listed", Place::file(Orgs::FILE), message));
        }
        findings
    }

    /// Takes an organisation as its list has it.
    pub(crate) fn list(&mut self, org: &Listed<'_>, tally: &mut Tally) {
        if org.id.is_empty() {
            tally.count("org_without_id", Orgs::FILE, org.line, "an organisation has no sourcedId");
            return;
        }
        if self.by_id.contains_key(org.id) {
            let message = "an organisation is there twice; the first counts";
            tally.count("org_twice", Orgs::FILE, org.line, message);
            return;
        }
        if org.gone {
            let message = "an organisation is marked tobedeleted; people who name it still count to it";
            tally.count("org_tobedeleted", Orgs::FILE, org.line, message);
        }
        let is_school = !NO_SCHOOLS.iter().any(|none| none.eq_ignore_ascii_case(org.kind));
        let school = School {
            source_id: org.id.to_owned(),
            code: (!org.code.is_empty()).then(|| org.code.to_owned()),
            name: org.name.to_owned(),
        };
        self.add(school, is_school, true);
    }

    /// How many organisations are listed.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Reads `orgs.csv`. A row that cannot be used costs a school its name, and no student.
    pub(crate) fn read(opened: &Opened, tally: &mut Tally) -> Result<Self, ConnectorError> {
        let mut schools = Self::default();
        if !opened.has(Orgs::FILE) {
            let message = "there is no orgs.csv: schools are known by their ids alone";
            tally.count("orgs_absent", Orgs::FILE, 0, message);
            return Ok(schools);
        }
        opened.table::<Orgs, _>(|mut table, findings| {
            tally.add(Orgs::FILE, findings);
            let mut rows = 0_u64;
            while let Some(line) = table.next_line().map_err(error::read)? {
                rows += 1;
                let row = match line {
                    Line::Row(row) => row,
                    Line::Damaged(damaged) => {
                        tally.count_code(damaged.code, Orgs::FILE, damaged.line, None);
                        continue;
                    }
                };
                let listed = Listed {
                    id: row.get(Orgs::SourcedId),
                    kind: row.get(Orgs::Type),
                    code: row.get(Orgs::Identifier),
                    name: row.get(Orgs::Name),
                    gone: row.status(Orgs::Status) == Status::ToBeDeleted,
                    line: row.line(),
                };
                schools.list(&listed, tally);
            }
            if rows == 0 {
                tally.count_code(rostercard_oneroster::Code::TableMissingDataRows, Orgs::FILE, 1, None);
                tally.incomplete(rostercard_oneroster::Code::TableMissingDataRows.code());
            }
            Ok(schools)
        })
    }
}
