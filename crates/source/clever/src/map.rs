//! A user of Clever's as one person of the core, or what is wrong with it.
//!
//! The partnership's allow-list is applied here, at the edge: a field that is not allowed is never copied. The network and the
//! order of records are not known here.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;
use rostercard_core::field::{Field, FieldRules};
use rostercard_core::finding::{Finding, Place, Row};
use rostercard_core::grade::Grade;
use rostercard_core::privacy::{BirthDate, Personal};
use rostercard_core::student::{Address, Consent, Damaged, GivenAddress, PreferredName, School, Student};
use rostercard_core::words::{Code, Role};

use crate::born::{self, Born};
use crate::settings::{Settings, StudentIdFrom, Version};
use crate::shapes::{self, Lax, Name, Part, Text, User};
use crate::tally::Tally;

/// What became of a user.
#[derive(Debug)]
pub(crate) enum Mapped {
    /// Somebody who may get a card.
    Person(Box<Student>),
    /// Somebody about whom something is too wrong.
    Damaged(Box<Damaged>),
    /// Nobody who may get a card; it was counted.
    Left,
}

/// What Clever calls grades that the core spells otherwise.
const GRADES: [(&str, &str); 2] = [("InfantToddler", "IT"), ("PostGraduate", "PS")];

/// What one reading needs beside its users.
#[derive(Debug)]
pub(crate) struct Mapper {
    settings: Arc<Settings>,
    rules: Arc<FieldRules>,
    today: Date,
    schools: HashMap<String, Arc<School>>,
    file: Arc<str>,
    pub(crate) tally: Tally,
}

/// A user's part that may bring a card.
pub(crate) struct Standing<'u> {
    pub(crate) role: Role,
    pub(crate) part: &'u Part,
}

impl Mapper {
    pub(crate) fn new(settings: Arc<Settings>, rules: Arc<FieldRules>, today: Date) -> Self {
        Self {
            settings,
            rules,
            today,
            schools: HashMap::new(),
            file: Arc::from("users"),
            tally: Tally::default(),
        }
    }

    /// Says in which collection the rows are counted from here on.
    pub(crate) fn read_from(&mut self, collection: &str) {
        self.file = Arc::from(collection);
    }

    /// Learns a school; one without an id cannot be referred to.
    pub(crate) fn school(&mut self, school: &shapes::School) {
        let id = school.id.get();
        if id.is_empty() {
            let message = "a school has no id and was left out";
            self.tally.count("school_without_id", Place::file("schools"), message);
            return;
        }
        let code = [&school.sis_id, &school.school_number].into_iter().find(|code| !code.is_blank());
        let known = School {
            source_id: id.to_owned(),
            code: code.map(|code| code.get().to_owned()),
            name: school.name.get().to_owned(),
        };
        self.schools.insert(id.to_owned(), Arc::new(known));
    }

    /// How many schools are known.
    pub(crate) fn schools(&self) -> usize {
        self.schools.len()
    }

    /// A digest of the schools as rules can name them: id, code and name.
    pub(crate) fn schools_digest(&self) -> String {
        let mut all: Vec<&Arc<School>> = self.schools.values().collect();
        all.sort_by(|a, b| a.source_id.cmp(&b.source_id));
        let mut hasher = blake3::Hasher::new();
        for school in all {
            for text in [school.source_id.as_str(), school.code.as_deref().unwrap_or_default(), &school.name]
            {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        hasher.finalize().to_hex().chars().take(16).collect()
    }

    fn place(&self, row: u64, field: &str) -> Place {
        Place::line(&*self.file, row).at(field)
    }

    /// The part of a user that may bring a card; `None` where there is none, which is counted.
    pub(crate) fn standing<'u>(&mut self, user: &'u User, row: u64) -> Option<Standing<'u>> {
        let Some(roles) = &user.roles.0 else {
            self.tally.count(
                "user_without_role",
                self.place(row, "roles"),
                "a user has no role and was left out",
            );
            return None;
        };
        if let Some(part) = &roles.student.0 {
            return Some(Standing { role: Role::Student, part });
        }
        let Some(part) = roles.teacher.0.as_ref().or(roles.staff.0.as_ref()) else {
            let (code, message) = if roles.contact.0.is_some() {
                ("family_skipped", "parents, guardians and relatives get no card")
            } else {
                ("role_unknown", "the user is neither a student nor school staff and was left out")
            };
            self.tally.count(code, self.place(row, "roles"), message);
            return None;
        };
        if !self.settings.educators {
            let place = self.place(row, "roles");
            self.tally.count("educators_skipped", place, "educators are not read by this partnership");
            return None;
        }
        Some(Standing { role: Role::Educator, part })
    }

    /// The district's lasting number for somebody; empty where there is none.
    pub(crate) fn student_id<'u>(&self, standing: &Standing<'u>) -> &'u str {
        student_id(self.settings.student_id, standing.part, standing.role)
    }

    /// A user; `row` counts from 1 within the collection.
    pub(crate) fn user(&mut self, user: &User, row: u64) -> Mapped {
        let Some(standing) = self.standing(user, row) else { return Mapped::Left };
        if !user.district.is_blank() && user.district.get() != self.settings.district {
            let message = "a user belongs to another district than the configuration's and was left out";
            self.tally.count("other_district", self.place(row, "district"), message);
            return Mapped::Left;
        }
        let student_id = self.student_id(&standing);
        let field = match standing.role {
            Role::Student => format!("roles.student.{}", self.settings.student_id.field()),
            Role::Educator => "roles".to_owned(),
        };
        if student_id.is_empty() {
            let message = "the user has no student id in the field that `student_id` names; if nobody has, the district does not \
                           share it";
            return self.damaged(row, &standing, "missing_student_id", &field, message);
        }
        if user.id.is_blank() {
            return self.damaged(row, &standing, "missing_clever_id", "id", "the user has no id of Clever's");
        }
        let name = user.name.0.as_ref();
        let unnamed = |part: fn(&Name) -> &Text| name.is_none_or(|name| part(name).is_blank());
        let named = self.rules.allows(Field::Surname) || self.rules.allows(Field::GivenName);
        if named && unnamed(|name| &name.first) && unnamed(|name| &name.last) {
            let message = "the user has no name; if nobody has, the district does not share it";
            return self.damaged(row, &standing, "missing_name", "name", message);
        }
        Mapped::Person(Box::new(self.person(user, &standing, student_id, row)))
    }

    /// A record that cannot be used. Whose it is counts as seen, where that much can be read.
    pub(crate) fn damaged(
        &self,
        row: u64,
        standing: &Standing<'_>,
        code: &'static str,
        field: &str,
        message: &str,
    ) -> Mapped {
        let school = self.schools.get(standing.part.school.get());
        Mapped::Damaged(Box::new(Damaged {
            student_id: Personal::non_blank(self.student_id(standing)),
            school: school.map(|school| Code::new(school.key())),
            finding: Finding::new(code, self.place(row, field), message),
        }))
    }

    fn person(&mut self, user: &User, standing: &Standing<'_>, student_id: &str, row: u64) -> Student {
        let part = standing.part;
        let mut findings = Vec::new();
        let (schools, primary_school) = self.schools_of(part, row, &mut findings);
        let rules = Arc::clone(&self.rules);
        let text = |field: Field, text: &Text| {
            rules.allows(field).then(|| Personal::non_blank(text.get())).flatten()
        };
        let birth_date = if rules.allows(Field::BirthDate) {
            born::read(part.dob.get(), self.today)
        } else {
            Born::Unsaid
        };
        let birth_date = match birth_date {
            Born::Unsaid => None,
            Born::On(day) => Some(BirthDate::new(day)),
            Born::Odd(code, message) => {
                findings.push(Finding::new(code, self.place(row, "roles.student.dob"), message));
                None
            }
        };
        let grade = grade(part.grade.get());
        if grade.is_none() && !part.grade.is_blank() {
            let message = "the grade is none that Rostercard knows; it counts as unknown";
            findings.push(Finding::new("grade_unknown", self.place(row, "roles.student.grade"), message));
        }
        let email = text(Field::Email, &user.email);
        let email = email.filter(|email| {
            let fine = looks_like_an_address(email.reveal());
            if !fine {
                let message = "the e-mail address is none; it counts as unknown";
                findings.push(Finding::new("email_unclear", self.place(row, "email"), message));
            }
            fine
        });
        let names = |name: &Lax<Name>| {
            let none = Name::default();
            let name = name.0.as_ref().unwrap_or(&none);
            (
                text(Field::GivenName, &name.first),
                text(Field::MiddleName, &name.middle),
                text(Field::Surname, &name.last),
            )
        };
        let (given, middle, family) = names(&user.name);
        // 3.0 has no preferred names; what a server sends all the same is not of that version.
        let preferred = match self.settings.version {
            Version::V3_0 => (None, None, None),
            Version::V3_1 => names(&part.preferred_name),
        };
        let preferred = match preferred {
            (None, None, None) => None,
            (given, middle, family) => Some(PreferredName { given, middle, family }),
        };
        let user_name = part.credentials.0.as_ref().and_then(|c| text(Field::UserName, &c.district_username));
        Student {
            student_id: Personal::new(student_id),
            source_ids: vec![Personal::new(user.id.get())],
            role: standing.role,
            given_name: given.unwrap_or_default(),
            middle_name: middle,
            family_name: family.unwrap_or_default(),
            preferred,
            birth_date,
            grade,
            schools,
            primary_school,
            user_name,
            email,
            // Only families have telephones at Clever, and theirs are not the student's.
            phone: None,
            address: if rules.allows(Field::Address) { address(part) } else { GivenAddress::None },
            consent: Consent::NotSaid,
            findings,
            row: Some(Row { file: Arc::clone(&self.file), line: row }),
        }
    }

    /// Every school of a part, each once, and which is the person's own. A school that the list of schools does not have is kept
    /// by its id: it has no home, so that its students wait and nothing is guessed.
    fn schools_of(
        &mut self,
        part: &Part,
        row: u64,
        findings: &mut Vec<Finding>,
    ) -> (Vec<Arc<School>>, Option<usize>) {
        let own = part.school.get();
        let mut schools: Vec<Arc<School>> = Vec::new();
        for id in part.schools.0.iter().map(Text::get).chain([own]) {
            if id.is_empty() || schools.iter().any(|school| school.source_id == id) {
                continue;
            }
            let known = self.schools.get(id).map(Arc::clone);
            let school = known.unwrap_or_else(|| {
                let message = "a school is not in the list of schools: the district may not share it; its students wait for a home";
                self.tally.count("school_unknown", Place::line(&*self.file, row).at("roles.student.schools"), message);
                Arc::new(School { source_id: id.to_owned(), code: None, name: String::new() })
            });
            schools.push(school);
        }
        let primary = schools.iter().position(|school| school.source_id == own);
        if primary.is_none() && schools.len() > 1 {
            let message =
                "the person is in several schools and none is marked as the person's own; the first is taken";
            findings.push(Finding::new(
                "several_schools_none_primary",
                self.place(row, "roles.student.school"),
                message,
            ));
        }
        let primary = primary.or((!schools.is_empty()).then_some(0));
        (schools, primary)
    }
}

/// The lasting number of a part.
fn student_id(from: StudentIdFrom, part: &Part, role: Role) -> &str {
    let order: [&Text; 2] = match (from, role) {
        (StudentIdFrom::SisId, Role::Student) => [&part.sis_id, &part.sis_id],
        (StudentIdFrom::StudentNumber, Role::Student) => [&part.student_number, &part.student_number],
        (StudentIdFrom::StateId, Role::Student) => [&part.state_id, &part.state_id],
        (StudentIdFrom::SisId, Role::Educator) => [&part.sis_id, &part.staff_id],
        (StudentIdFrom::StudentNumber, Role::Educator) => [&part.teacher_number, &part.staff_id],
        (StudentIdFrom::StateId, Role::Educator) => [&part.state_id, &part.staff_id],
    };
    order.into_iter().map(Text::get).find(|id| !id.is_empty()).unwrap_or_default()
}

fn grade(text: &str) -> Option<Grade> {
    let own = GRADES.iter().find(|(word, _)| *word == text);
    Grade::parse(own.map_or(text, |(_, spelling)| spelling))
}

/// Something before an `@`, and a dot somewhere after it: Clever passes on what the district typed.
fn looks_like_an_address(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else { return false };
    !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)
}

fn address(part: &Part) -> GivenAddress {
    let Some(location) = &part.location.0 else { return GivenAddress::None };
    if location.address.is_blank() && location.city.is_blank() && location.zip.is_blank() {
        return GivenAddress::None;
    }
    let text = |text: &Text| Personal::new(text.get());
    GivenAddress::Given(Address {
        street: text(&location.address),
        street2: None,
        city: text(&location.city),
        state: text(&location.state),
        zip: text(&location.zip),
    })
}
