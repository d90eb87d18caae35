//! What the practice Clever knows: the district, its schools and users, as Clever's own JSON objects.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::DISTRICT;
use crate::sis::oneroster;
use crate::sis::package::Package;

/// The moment of records that say none.
const LONG_AGO: &str = "2026-08-15T08:00:00.000Z";

/// All records, by their ids: Clever lists them in that order.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// The district.
    pub district: Map<String, Value>,
    /// Schools.
    pub schools: BTreeMap<String, Value>,
    /// Users.
    pub users: BTreeMap<String, Value>,
}

/// An id such as Clever makes them, always the same for the same text.
#[must_use]
pub fn id(of: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut words = String::new();
    for turn in 0..2u8 {
        for byte in of.bytes().chain([turn]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        words.push_str(&format!("{hash:016x}"));
    }
    words.chars().take(24).collect()
}

impl Book {
    /// A running district with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        let district = json!({
            "id": DISTRICT,
            "name": "Larkfield Unified School District",
            "sis_type": "practice",
            "state": "running",
            "last_sync": "2026-11-24T06:00:00.000Z",
            "launch_date": "2026-08-01",
            "login_methods": ["clever-passwords"],
            "portal_url": "https://clever.com/in/practice",
            "district_contact": { "id": id("contact"), "name": {}, "email": "", "district": DISTRICT, "title": "" },
        });
        let Value::Object(district) = district else { return Self::default() };
        Self { district, ..Self::default() }
    }

    /// A district of the records in a package.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        let book = oneroster::Book::of(package);
        let mut clever = Self::empty();
        if let Some(district) = book.orgs.iter().find(|org| org.kind == "district") {
            clever.district.insert("name".to_owned(), json!(district.name));
        }
        for org in book.orgs.iter().filter(|org| org.kind == "school") {
            clever.add_school(&id(&org.id), &org.name, &org.identifier);
        }
        let births: BTreeMap<&str, &oneroster::Birth> =
            book.births.iter().map(|birth| (birth.id.as_str(), birth)).collect();
        for user in book.users.iter().filter(|user| !user.gone) {
            let value = match births.get(user.id.as_str()) {
                birth if user.is("student") => student(user, birth.copied()),
                _ if user.is("teacher") => teacher(user),
                _ => continue,
            };
            clever.users.insert(id(&user.id), value);
        }
        clever
    }

    /// A district of users as Clever's own documents show them: an answer's `data`, or a list of users. Schools that they name are
    /// made, each with its id as name and number.
    ///
    /// # Errors
    /// It is no JSON of that kind.
    pub fn of_users(text: &str) -> Result<Self, serde_json::Error> {
        let value: Value = serde_json::from_str(text)?;
        let list: Vec<Value> = serde_json::from_value(value.get("data").unwrap_or(&value).clone())?;
        let mut book = Self::empty();
        for entry in list {
            let mut user = entry.get("data").unwrap_or(&entry).clone();
            if let Some(user) = user.as_object_mut() {
                user.insert("district".to_owned(), json!(DISTRICT));
            }
            let schools: Vec<String> = user
                .pointer("/roles/student/schools")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|school| school.as_str().map(str::to_owned))
                .collect();
            for school in schools {
                if !book.schools.contains_key(&school) {
                    book.add_school(&school, &format!("School {school}"), &school);
                }
            }
            if let Some(id) = user.get("id").and_then(Value::as_str) {
                book.users.insert(id.to_owned(), user.clone());
            }
        }
        Ok(book)
    }

    /// Adds a school.
    pub fn add_school(&mut self, id: &str, name: &str, number: &str) {
        let school = json!({
            "id": id, "district": DISTRICT, "name": name, "sis_id": number, "school_number": number,
            "created": LONG_AGO, "last_modified": LONG_AGO,
        });
        self.schools.insert(id.to_owned(), school);
    }

    /// Adds a student with the least that Clever's students have.
    pub fn add_student(&mut self, id: &str, number: &str, name: (&str, &str), born: &str, school: &str) {
        let user = json!({
            "id": id, "district": DISTRICT, "email": "", "created": LONG_AGO, "last_modified": LONG_AGO,
            "name": { "first": name.0, "middle": "", "last": name.1 },
            "roles": { "student": {
                "sis_id": number, "student_number": number, "school": school, "schools": [school], "enrollments": [],
                "dob": born, "grade": "3", "legacy_id": id, "created": LONG_AGO, "last_modified": LONG_AGO,
            } },
        });
        self.users.insert(id.to_owned(), user);
    }

    /// Changes a user.
    pub fn user(&mut self, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some(user) = self.users.get_mut(id) {
            change(user);
        }
    }

    /// A field of a student's part.
    pub fn student(&mut self, id: &str, field: &str, value: Value) {
        self.user(id, |user| {
            if let Some(part) = user.pointer_mut("/roles/student").and_then(Value::as_object_mut) {
                part.insert(field.to_owned(), value);
            }
        });
    }

    /// The district no longer shares a field, by its pointer, such as `/roles/student/dob`.
    pub fn unshare(&mut self, pointer: &str) {
        let Some((parent, field)) = pointer.rsplit_once('/') else { return };
        for user in self.users.values_mut() {
            if let Some(object) = user.pointer_mut(parent).and_then(Value::as_object_mut) {
                object.remove(field);
            }
        }
    }

    /// What the district's state is.
    pub fn state(&mut self, state: &str) {
        self.district.insert("state".to_owned(), json!(state));
    }
}

/// `2014-02-05` as `2/5/2014`.
fn american(date: &str) -> Value {
    let parts: Vec<u16> = date.split('-').filter_map(|part| part.parse().ok()).collect();
    match parts[..] {
        [year, month, day] => json!(format!("{month}/{day}/{year}")),
        _ => json!(""),
    }
}

fn grade(grades: &[String]) -> &str {
    match grades.first().map_or("", String::as_str) {
        "KG" => "Kindergarten",
        "TK" => "TransitionalKindergarten",
        "PK" => "PreKindergarten",
        number => number.trim_start_matches('0'),
    }
}

fn schools(user: &oneroster::User, role: &str) -> (Value, Vec<String>) {
    let roles = || user.roles.iter().filter(|r| r.role == role);
    let own = roles().find(|r| r.primary).or_else(|| roles().next()).map(|r| id(&r.org));
    let mut all: Vec<String> = roles().map(|r| id(&r.org)).collect();
    all.dedup();
    (json!(own.unwrap_or_default()), all)
}

fn common(user: &oneroster::User, roles: &Value) -> Value {
    json!({
        "id": id(&user.id), "district": DISTRICT, "email": user.email,
        "created": LONG_AGO, "last_modified": LONG_AGO,
        "name": { "first": user.given, "middle": user.middle, "last": user.family },
        "roles": roles,
    })
}

fn student(user: &oneroster::User, birth: Option<&oneroster::Birth>) -> Value {
    let (school, schools) = schools(user, "student");
    let extension = |name: &str| {
        let found = user.metadata.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let mut part = json!({
        "sis_id": user.identifier, "student_number": user.identifier, "state_id": "",
        "school": school, "schools": schools, "enrollments": [],
        "grade": grade(&user.grades), "dob": birth.map_or(json!(""), |birth| american(&birth.birth_date)),
        "gender": match birth.map(|birth| birth.sex.as_str()) { Some("male") => "M", Some("female") => "F", _ => "" },
        "race": "Unknown", "hispanic_ethnicity": "", "ell_status": "N", "frl_status": "Free", "iep_status": "Y",
        "home_language": "English", "section_504_status": "N", "gifted_status": "", "graduation_year": "",
        "credentials": { "district_username": user.username },
        "location": { "address": extension("street"), "city": extension("city"), "state": extension("state"),
                      "zip": extension("zip"), "lat": "", "lon": "" },
        "legacy_id": id(&user.id), "created": LONG_AGO, "last_modified": LONG_AGO, "ext": {},
    });
    let [first, middle, last] = &user.preferred;
    if let (Some(part), false) = (part.as_object_mut(), first.is_empty() && last.is_empty()) {
        part.insert("preferred_name".to_owned(), json!({ "first": first, "middle": middle, "last": last }));
    }
    common(user, &json!({ "student": part }))
}

fn teacher(user: &oneroster::User) -> Value {
    let (school, schools) = schools(user, "teacher");
    common(
        user,
        &json!({ "teacher": {
            "sis_id": user.identifier, "teacher_number": user.identifier, "state_id": "", "title": "Teacher",
            "school": school, "schools": schools, "credentials": { "district_username": user.username },
            "legacy_id": id(&user.id), "created": LONG_AGO, "last_modified": LONG_AGO,
        } }),
    )
}
