//! One row of `users.csv`, with what the other files say of it, as one person of the core.
//!
//! The partnership's allow-list is applied here, at the edge: a field that is not allowed is never copied.

use std::sync::Arc;

use rostercard_core::field::{Field, FieldRules};
use rostercard_core::finding::{Finding, Place, Row as SourceRow};
use rostercard_core::grade::Grade;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student::{Address, Consent, Damaged, GivenAddress, PreferredName, Student};
use rostercard_core::words::Role;
use rostercard_oneroster::{
    Code, Columns, DamagedRow, Extra, Layout, Row, Status, Users, boolean, date, user_ids,
};

use crate::born::{BirthDay, Born, birth_day};
use crate::index::{Index, Key};
use crate::roles::{Kind, Part};
use crate::schools::Schools;
use crate::settings::{ExtraColumns, StudentIdFrom};
use crate::tally::Tally;

const FILE: &str = Users::FILE;

/// What became of a row.
pub(crate) enum Mapped {
    /// Somebody who may get a card.
    Person(Box<Student>),
    /// Somebody about whom something is too wrong.
    Damaged(Box<Damaged>),
    /// Nobody who may get a card: a parent, or a row that says the person has left. It was counted.
    Left,
}

/// Which fields may be copied.
struct Allowed {
    surname: bool,
    given_name: bool,
    middle_name: bool,
    user_name: bool,
    email: bool,
    phone: bool,
    address: bool,
}

impl Allowed {
    fn by(rules: &FieldRules) -> Self {
        Self {
            surname: rules.allows(Field::Surname),
            given_name: rules.allows(Field::GivenName),
            middle_name: rules.allows(Field::MiddleName),
            user_name: rules.allows(Field::UserName),
            email: rules.allows(Field::Email),
            phone: rules.allows(Field::Phone),
            address: rules.allows(Field::Address),
        }
    }
}

/// The columns of an address, as far as the file has them.
#[derive(Default)]
struct AddressColumns {
    street: Option<Extra>,
    street2: Option<Extra>,
    city: Option<Extra>,
    state: Option<Extra>,
    zip: Option<Extra>,
    protected: Option<Extra>,
}

/// What a partnership says of its users, whatever they are read from.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// Which id is the student id.
    pub(crate) student_id: &'a StudentIdFrom,
    /// Where values lie that OneRoster has no place for.
    pub(crate) columns: &'a ExtraColumns,
    /// Whether teachers and other school staff are wanted.
    pub(crate) educators: bool,
}

/// What one reading of `users.csv` needs beside its rows.
pub(crate) struct Mapper<'a> {
    student_id: &'a StudentIdFrom,
    educators: bool,
    allowed: Allowed,
    address: AddressColumns,
    /// Where birth dates lie that no demographics have.
    birth_date: Option<Extra>,
    /// By `sourcedId`; `None` where birth dates may not be read.
    born: Option<Index<Born>>,
    /// By `sourcedId`; `None` where roles are in `users.csv` itself.
    parts: Option<Index<Part>>,
    /// How many rows of `roles.csv` belonged to a user.
    parts_used: usize,
    pub(crate) schools: Schools,
    pub(crate) tally: Tally,
    file: Arc<str>,
}

/// What a person is, and where: numbers of schools, the person's own first known.
#[derive(Default)]
struct Position {
    kind: Kind,
    /// Each once, in the file's order.
    schools: Vec<u32>,
    /// The one that `roleType` marks, if it marks exactly one.
    primary: Option<u32>,
}

/// What the roles of a row come to.
enum Standing {
    Is(Position),
    /// All parts have ended, or not begun.
    NotCurrent,
    /// `roles.csv` does not know the user.
    NoRole,
}

impl<'a> Mapper<'a> {
    pub(crate) fn new(
        asked: Asked<'a>,
        rules: &FieldRules,
        layout: &Layout<Users>,
        born: Option<Index<Born>>,
        parts: Option<Index<Part>>,
        schools: Schools,
        mut tally: Tally,
    ) -> Self {
        let mut allowed = Allowed::by(rules);
        let mut address = AddressColumns::default();
        if allowed.address {
            let mut find = |configured: &Option<String>, usual: &str| {
                let found = layout.extra(configured.as_deref().unwrap_or(usual));
                if configured.is_some() && found.is_none() {
                    let message = "a column that the configuration names is not in the file; its values count as unknown";
                    tally.count("configured_column_missing", FILE, 1, message);
                }
                found
            };
            let columns = asked.columns;
            address = AddressColumns {
                street: find(&columns.street, "street"),
                street2: find(&columns.street2, "street2"),
                city: find(&columns.city, "city"),
                state: find(&columns.state, "state"),
                zip: find(&columns.zip, "zip"),
                protected: find(&columns.protected, "protected"),
            };
            if columns.protected.is_some() && address.protected.is_none() {
                // Without the mark, any address may be one that must not leave the district.
                let message = "the column that marks protected addresses is missing; no address was read";
                tally.count("protected_column_missing", FILE, 1, message);
                allowed.address = false;
            }
        }
        let birth_date = asked.columns.birth_date.as_deref().filter(|_| rules.allows(Field::BirthDate));
        Self {
            student_id: asked.student_id,
            educators: asked.educators,
            allowed,
            address,
            birth_date: birth_date.and_then(|name| layout.extra(name)),
            born,
            parts,
            parts_used: 0,
            schools,
            tally,
            file: Arc::from(FILE),
        }
    }

    /// A row whose cells are certain.
    pub(crate) fn row(&mut self, row: &Row<'_, Users>) -> Mapped {
        match row.status(Users::Status) {
            Status::Blank => {}
            Status::Active => self.note(Code::RowFieldForbiddenInBulk, row, Users::Status),
            Status::Unknown => self.note(Code::RowInvalidStatus, row, Users::Status),
            Status::ToBeDeleted => {
                let message = "a user is marked tobedeleted; the roster is read as if the row were not there";
                self.tally.count("user_tobedeleted", FILE, row.line(), message);
                return Mapped::Left;
            }
        }
        let source_id = row.get(Users::SourcedId);
        let student_id = student_id(self.student_id, row);
        if source_id.is_empty() {
            return self.damaged(
                row.line(),
                "missing_sourced_id",
                Users::SourcedId.name(),
                student_id,
                "the user has no sourcedId, so that roles and birth date cannot be found",
            );
        }
        let key = Key::of(source_id);
        let place = match self.standing(row, key) {
            Standing::Is(place) => place,
            Standing::NotCurrent => {
                let message =
                    "all roles of a user have ended or not begun; the user is not in the roster today";
                self.tally.count("roles_not_current", FILE, row.line(), message);
                return Mapped::Left;
            }
            Standing::NoRole if student_id.is_empty() => {
                let message = "a user has no role and no student id; the row was left out";
                self.tally.count("user_without_role_and_id", FILE, row.line(), message);
                return Mapped::Left;
            }
            Standing::NoRole => {
                return self.damaged(
                    row.line(),
                    "user_without_role",
                    "sourcedId",
                    student_id,
                    "roles.csv has no row for the user",
                );
            }
        };
        let Some(role) = place.kind.role() else {
            let (code, message) = match place.kind {
                Kind::Family => ("family_skipped", "parents, guardians and relatives get no card"),
                _ => ("role_unknown", "the role is none that Rostercard knows; the user was left out"),
            };
            self.tally.count(code, FILE, row.line(), message);
            return Mapped::Left;
        };
        if role == Role::Educator && !self.educators {
            self.tally.count(
                "educators_skipped",
                FILE,
                row.line(),
                "educators are not read by this partnership",
            );
            return Mapped::Left;
        }
        if student_id.is_empty() {
            return self.damaged(
                row.line(),
                "missing_student_id",
                self.id_column(),
                "",
                "the user has no student id",
            );
        }
        Mapped::Person(Box::new(self.person(row, key, role, &place, source_id, student_id)))
    }

    /// A row that cannot be used.
    pub(crate) fn damaged_row(&mut self, damaged: &DamagedRow<'_, Users>) -> Mapped {
        let id = damaged.cells.as_ref().map_or("", |row| student_id(self.student_id, row));
        self.damaged(damaged.line, damaged.code.code(), "", id, damaged.code.sentence())
    }

    /// Rows of `roles.csv` that no user claimed.
    pub(crate) fn unclaimed_roles(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.len().saturating_sub(self.parts_used))
    }

    fn note(&mut self, code: Code, row: &Row<'_, Users>, column: Users) {
        self.tally.count_code(code, FILE, row.line(), Some(column.name()));
    }

    fn id_column(&self) -> &'static str {
        match self.student_id {
            StudentIdFrom::Identifier => "identifier",
            StudentIdFrom::SourcedId => "sourcedId",
            StudentIdFrom::Username => "username",
            StudentIdFrom::UserMasterIdentifier => "userMasterIdentifier",
            StudentIdFrom::UserIds(_) => "userIds",
        }
    }

    /// A damaged record. One without an id could be anybody's, so that nobody may be missed after it.
    fn damaged(&mut self, line: u64, code: &'static str, column: &str, id: &str, message: &str) -> Mapped {
        let student_id = Personal::non_blank(id);
        if student_id.is_none() {
            self.tally.incomplete(code);
        }
        let place = Place::line(FILE, line);
        let place = if column.is_empty() { place } else { place.at(column) };
        Mapped::Damaged(Box::new(Damaged {
            student_id,
            school: None,
            finding: Finding::new(code, place, message),
        }))
    }

    fn standing(&mut self, row: &Row<'_, Users>, key: Key) -> Standing {
        let Some(parts) = &mut self.parts else {
            let mut place = Position { kind: Kind::of(row.get(Users::Role)), ..Position::default() };
            if place.kind.role().is_some() {
                for org in row.list(Users::OrgSourcedIds) {
                    add(&mut place.schools, self.schools.number(org));
                }
            }
            return Standing::Is(place);
        };
        let parts = parts.get(key);
        self.parts_used += parts.len();
        if parts.is_empty() {
            return Standing::NoRole;
        }
        let current = || parts.iter().filter(|part| part.current);
        // Who is a student anywhere is one; who teaches anywhere else is an educator.
        let kinds = [Kind::Student, Kind::Educator, Kind::Family, Kind::Other];
        let Some(kind) = kinds.into_iter().find(|kind| current().any(|part| part.kind == *kind)) else {
            return Standing::NotCurrent;
        };
        let mut place = Position { kind, ..Position::default() };
        let mut primaries = Vec::new();
        for part in current().filter(|part| part.kind == kind) {
            add(&mut place.schools, part.org);
            if part.primary && self.schools.school(part.org).is_some() {
                add(&mut primaries, part.org);
            }
        }
        if let [only] = primaries[..] {
            place.primary = Some(only);
        }
        Standing::Is(place)
    }

    fn person(
        &mut self,
        row: &Row<'_, Users>,
        key: Key,
        role: Role,
        place: &Position,
        source_id: &str,
        student_id: &str,
    ) -> Student {
        let mut findings = Vec::new();
        let here = |line, column: &str| Place::line(FILE, line).at(column);
        let (schools, numbers): (Vec<_>, Vec<_>) = place
            .schools
            .iter()
            .filter_map(|number| Some((self.schools.school(*number)?.clone(), *number)))
            .unzip();
        if role == Role::Student {
            numbers.iter().for_each(|number| self.schools.count(*number));
        }
        let own = row.get(Users::PrimaryOrgSourcedId);
        let by_user =
            (!own.is_empty()).then(|| schools.iter().position(|school| school.source_id == own)).flatten();
        let by_role = || numbers.iter().position(|number| place.primary == Some(*number));
        let primary_school = match (by_user.or_else(by_role), schools.len()) {
            (Some(at), _) => Some(at),
            (None, 0) => None,
            (None, 1) => Some(0),
            (None, _) => {
                findings.push(several_schools(here(row.line(), self.school_column())));
                Some(0)
            }
        };
        let birth_date = self.born.as_mut().and_then(|born| match birth_day(born, key) {
            BirthDay::None => None,
            BirthDay::Day(day) => Some(BirthDate::new(day)),
            BirthDay::Odd { code, message, line } => {
                let place = Place::line("demographics.csv", line).at("birthDate");
                findings.push(Finding::new(code, place, message));
                None
            }
        });
        let birth_date = birth_date.or_else(|| {
            let born = date(row.extra(self.birth_date?)).day()?;
            Some(BirthDate::new(born))
        });
        let text = |allowed: bool, column| allowed.then(|| Personal::non_blank(row.get(column))).flatten();
        let allowed = &self.allowed;
        let preferred = PreferredName {
            given: text(allowed.given_name, Users::PreferredGivenName),
            middle: text(allowed.middle_name, Users::PreferredMiddleName),
            family: text(allowed.surname, Users::PreferredFamilyName),
        };
        let named = preferred.given.is_some() || preferred.middle.is_some() || preferred.family.is_some();
        Student {
            student_id: Personal::new(student_id),
            source_ids: vec![Personal::new(source_id)],
            role,
            given_name: text(allowed.given_name, Users::GivenName).unwrap_or_default(),
            middle_name: text(allowed.middle_name, Users::MiddleName),
            family_name: text(allowed.surname, Users::FamilyName).unwrap_or_default(),
            preferred: named.then_some(preferred),
            birth_date,
            grade: grade(row, &mut self.tally),
            schools,
            primary_school,
            user_name: text(allowed.user_name, Users::Username),
            email: text(allowed.email, Users::Email),
            phone: text(allowed.phone, Users::Phone).or_else(|| text(allowed.phone, Users::Sms)),
            address: if allowed.address { self.address.read(row) } else { GivenAddress::None },
            findings,
            consent: Consent::NotSaid,
            row: Some(SourceRow { file: self.file.clone(), line: row.line() }),
        }
    }

    fn school_column(&self) -> &'static str {
        if self.parts.is_some() { "primaryOrgSourcedId" } else { "orgSourcedIds" }
    }
}

/// Several schools, and nothing that says which is the person's own.
pub(crate) fn several_schools(place: Place) -> Finding {
    let message =
        "the person is in several schools and none is marked as the person's own; the first is taken";
    Finding::new("several_schools_none_primary", place, message)
}

/// The student id of a row; empty where there is none.
pub(crate) fn student_id<'r>(from: &StudentIdFrom, row: &Row<'r, Users>) -> &'r str {
    match from {
        StudentIdFrom::Identifier => row.get(Users::Identifier),
        StudentIdFrom::SourcedId => row.get(Users::SourcedId),
        StudentIdFrom::Username => row.get(Users::Username),
        StudentIdFrom::UserMasterIdentifier => row.get(Users::UserMasterIdentifier),
        StudentIdFrom::UserIds(kind) => user_ids(row.get(Users::UserIds))
            .flatten()
            .find(|id| id.kind.eq_ignore_ascii_case(kind))
            .map_or("", |id| id.id),
    }
}

/// The first grade that is known.
fn grade(row: &Row<'_, Users>, tally: &mut Tally) -> Option<Grade> {
    let cell = row.get(Users::Grades);
    if cell.is_empty() {
        return None;
    }
    let grade = row.list(Users::Grades).find_map(Grade::parse);
    if grade.is_none() {
        let message = "grades holds no grade that Rostercard knows; it counts as unknown";
        tally.count("grade_unknown", FILE, row.line(), message);
    }
    grade
}

impl AddressColumns {
    fn read(&self, row: &Row<'_, Users>) -> GivenAddress {
        let cell = |column: Option<Extra>| column.map_or("", |column| row.extra(column));
        let mark = cell(self.protected);
        // A mark that is not understood protects: the other mistake cannot be taken back.
        if !mark.is_empty() && boolean(mark) != Some(false) {
            return GivenAddress::Protected;
        }
        let (street, city, zip) = (cell(self.street), cell(self.city), cell(self.zip));
        if street.is_empty() && city.is_empty() && zip.is_empty() {
            return GivenAddress::None;
        }
        GivenAddress::Given(Address {
            street: Personal::new(street),
            street2: Personal::non_blank(cell(self.street2)),
            city: Personal::new(city),
            state: Personal::new(cell(self.state)),
            zip: Personal::new(zip),
        })
    }
}

fn add(numbers: &mut Vec<u32>, number: u32) {
    if !numbers.contains(&number) {
        numbers.push(number);
    }
}
