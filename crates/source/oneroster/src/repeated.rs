//! Rows that share a student id: one person in several schools, or different people under one number.
//!
//! Which ids are there more than once, and how often, is known before the rows are read. So only the rows of an id
//! that still waits for its last one are kept, and every id comes out exactly once.

use std::collections::HashMap;

use rostercard_core::finding::{Finding, Place};
use rostercard_core::ports::Record;
use rostercard_core::student::{Damaged, GivenAddress, Student};
use rostercard_core::words::Role;
use unicode_normalization::UnicodeNormalization;

use crate::index::{Index, Key};
use crate::map::{Mapped, several_schools};

/// More rows of one id than any person has: what a constant in the id's column looks like. The rest is only counted.
const MAX_ROWS: usize = 64;

/// The ids that are there more than once.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    often: Index<u32>,
    waiting: HashMap<Key, Group>,
}

#[derive(Debug)]
struct Group {
    /// Rows that are still to come.
    left: u32,
    people: Vec<Student>,
    damaged: Option<Box<Damaged>>,
    more: bool,
}

impl Repeated {
    pub(crate) fn new(often: Index<u32>) -> Self {
        Self { often, waiting: HashMap::new() }
    }

    /// Whether no id is there more than once.
    pub(crate) fn is_empty(&self) -> bool {
        self.often.len() == 0
    }

    /// How often an id is there, if more than once.
    pub(crate) fn often(&mut self, key: Key) -> Option<u32> {
        self.often.get(key).first().copied()
    }

    /// Takes one of the `often` rows of an id; the last of them brings the record of all.
    pub(crate) fn take(&mut self, key: Key, often: u32, mapped: Mapped) -> Option<Record> {
        let group = self.waiting.entry(key).or_insert_with(|| Group {
            left: often,
            people: Vec::new(),
            damaged: None,
            more: false,
        });
        group.left = group.left.saturating_sub(1);
        match mapped {
            Mapped::Person(person) if group.people.len() < MAX_ROWS => group.people.push(*person),
            Mapped::Person(_) => group.more = true,
            Mapped::Damaged(damaged) => group.damaged = Some(damaged),
            Mapped::Left => {}
        }
        if group.left > 0 {
            return None;
        }
        self.waiting.remove(&key).and_then(Group::record)
    }

    /// What is left when the file ended; nothing, unless the file changed between the passes.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Record> {
        std::mem::take(&mut self.waiting).into_values().filter_map(Group::record)
    }
}

impl Group {
    fn record(self) -> Option<Record> {
        if let Some(damaged) = self.damaged {
            return Some(Record::Damaged(damaged));
        }
        let mut people = self.people.into_iter();
        let mut first = people.next()?;
        let rest: Vec<Student> = people.collect();
        if self.more || !rest.iter().all(|other| same_person(&first, other)) {
            return Some(Record::Damaged(Box::new(different(&first, &rest))));
        }
        rest.into_iter().for_each(|other| merge(&mut first, other));
        Some(Record::Student(Box::new(first)))
    }
}

fn line(student: &Student) -> Option<u64> {
    student.row.as_ref().map(|row| row.line)
}

/// Different people under one number: nobody can tell whose it is.
fn different(first: &Student, rest: &[Student]) -> Damaged {
    let lines: Vec<String> = rest.iter().filter_map(line).take(5).map(|line| line.to_string()).collect();
    let more = if rest.len() > 5 { ", ..." } else { "" };
    let message = format!(
        "one student id for people with different names or birth dates (also at line {}{more}); the district should say whose it is",
        lines.join(", ")
    );
    let place = first.row.as_ref().map_or_else(Place::default, Place::from);
    Damaged {
        student_id: Some(first.student_id.clone()),
        school: None,
        finding: Finding::new("duplicate_student_id", place, message),
    }
}

/// Whether two rows of one student id are one person: the same names, and birth dates that do not contradict.
fn same_person(a: &Student, b: &Student) -> bool {
    let key = |student: &Student| {
        let plain = |text: &str| text.nfc().flat_map(char::to_lowercase).collect::<String>();
        (plain(student.given_name.reveal()), plain(student.family_name.reveal()))
    };
    let names = key(a);
    let born = match (a.birth_date, b.birth_date) {
        (Some(a), Some(b)) => Some(a == b),
        _ => None,
    };
    // Where names are not read, only a birth date or the source's own id can say it.
    let nameless = names.0.is_empty() && names.1.is_empty();
    names == key(b) && born.unwrap_or(!nameless || a.source_ids == b.source_ids)
}

/// Adds what another row says of the same person. What the first row says stays.
fn merge(first: &mut Student, other: Student) {
    let own = |student: &Student| student.school().map(|school| school.source_id.clone());
    let marked = |student: &Student| {
        let unsure = student.findings.iter().any(|finding| finding.code == "several_schools_none_primary");
        student.schools.len() > 1 && !unsure
    };
    let (first_marked, other_marked, other_own) = (marked(first), marked(&other), own(&other));
    for id in other.source_ids {
        if !first.source_ids.contains(&id) {
            first.source_ids.push(id);
        }
    }
    let before = first.schools.len();
    for school in other.schools {
        if !first.schools.contains(&school) {
            first.schools.push(school);
        }
    }
    if !first_marked && other_marked {
        first.primary_school =
            first.schools.iter().position(|school| Some(&school.source_id) == other_own.as_ref());
    } else if first.primary_school.is_none() && !first.schools.is_empty() {
        first.primary_school = Some(0);
    }
    let unsure = first.schools.len() > before && before > 0 && !first_marked && !other_marked;
    if unsure && !first.findings.iter().any(|finding| finding.code == "several_schools_none_primary") {
        let place = first.row.as_ref().map_or_else(Place::default, Place::from);
        first.findings.push(several_schools(place));
    }
    if other.role == Role::Student {
        first.role = Role::Student;
    }
    first.middle_name = first.middle_name.take().or(other.middle_name);
    first.preferred = first.preferred.take().or(other.preferred);
    first.birth_date = first.birth_date.or(other.birth_date);
    first.grade = first.grade.or(other.grade);
    first.user_name = first.user_name.take().or(other.user_name);
    first.email = first.email.take().or(other.email);
    first.phone = first.phone.take().or(other.phone);
    first.address = match (std::mem::take(&mut first.address), other.address) {
        // Protected anywhere is protected.
        (GivenAddress::Protected, _) | (_, GivenAddress::Protected) => GivenAddress::Protected,
        (GivenAddress::None, other) => other,
        (given @ GivenAddress::Given(_), _) => given,
    };
    first.findings.extend(other.findings);
}
