//! What the SIS knows: organisations, users with their roles, demographics. Read from a package, changed by tests.

use jiff::Timestamp;

use crate::sis::package::{Package, Row};

/// The time of rows that say none: before any school year that a practice roster is of.
const LONG_AGO: &str = "2026-08-15T00:00:00Z";

/// All records.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Organisations.
    pub orgs: Vec<Org>,
    /// Users of every role.
    pub users: Vec<User>,
    /// Demographics, by their users' ids.
    pub births: Vec<Birth>,
}

/// An organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Org {
    /// `sourcedId`.
    pub id: String,
    /// Name.
    pub name: String,
    /// `school`, `district`, ..
    pub kind: String,
    /// The state's or district's code.
    pub identifier: String,
    /// The organisation it belongs to; empty: none.
    pub parent: String,
}

/// A part that a user plays in an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// `student`, `teacher`, ..
    pub role: String,
    /// The organisation's id.
    pub org: String,
    /// Whether it is the user's primary one there.
    pub primary: bool,
    /// First day; empty: none said.
    pub begin: String,
    /// The day after the last; empty: none said.
    pub end: String,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// `sourcedId`.
    pub id: String,
    /// Whether it is a tombstone.
    pub gone: bool,
    /// When it last changed.
    pub modified: Timestamp,
    /// Name to log in with.
    pub username: String,
    /// Kind and id.
    pub user_ids: Vec<(String, String)>,
    /// Given name.
    pub given: String,
    /// Family name.
    pub family: String,
    /// Middle name.
    pub middle: String,
    /// Preferred given, middle and family name.
    pub preferred: [String; 3],
    /// The number that people know.
    pub identifier: String,
    /// `userMasterIdentifier`.
    pub master: String,
    /// E-mail.
    pub email: String,
    /// Number for text messages.
    pub sms: String,
    /// Telephone.
    pub phone: String,
    /// Grades.
    pub grades: Vec<String>,
    /// Roles, at least one.
    pub roles: Vec<Role>,
    /// The organisation that is the user's own; empty: none said.
    pub primary_org: String,
    /// Extensions.
    pub metadata: Vec<(String, String)>,
}

/// Demographics of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Birth {
    /// `sourcedId`, which is the user's.
    pub id: String,
    /// Whether it is a tombstone.
    pub gone: bool,
    /// When it last changed.
    pub modified: Timestamp,
    /// `YYYY-MM-DD`.
    pub birth_date: String,
    /// `male`, `female`, ..
    pub sex: String,
}

impl User {
    /// Whether some role is this one.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r.role == role)
    }
}

impl Book {
    /// Reads a package of 1.1 or 1.2.
    #[must_use]
    pub fn of(package: &Package) -> Self {
        let orgs = package.rows("orgs").map(|row| Org {
            id: row.get("sourcedId").to_owned(),
            name: row.get("name").to_owned(),
            kind: row.get("type").to_owned(),
            identifier: row.get("identifier").to_owned(),
            parent: row.get("parentSourcedId").to_owned(),
        });
        let mut users: Vec<User> = package.rows("users").map(|row| user(&row)).collect();
        let places: std::collections::HashMap<String, usize> =
            users.iter().enumerate().map(|(at, user)| (user.id.clone(), at)).collect();
        for row in package.rows("roles") {
            if let Some(user) = places.get(row.get("userSourcedId")).and_then(|at| users.get_mut(*at)) {
                user.roles.push(Role {
                    role: row.get("role").to_owned(),
                    org: row.get("orgSourcedId").to_owned(),
                    primary: row.get("roleType") == "primary",
                    begin: row.get("beginDate").to_owned(),
                    end: row.get("endDate").to_owned(),
                });
            }
        }
        let births = package.rows("demographics").map(|row| Birth {
            id: row.get("sourcedId").to_owned(),
            gone: row.get("status") == "tobedeleted",
            modified: modified(&row),
            birth_date: row.get("birthDate").to_owned(),
            sex: row.get("sex").to_owned(),
        });
        Self { orgs: orgs.collect(), births: births.collect(), users }
    }

    /// A user by id.
    pub fn user(&mut self, id: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.id == id)
    }
}

fn user(row: &Row<'_>) -> User {
    let text = |column| row.get(column).to_owned();
    // Only in 1.1; in 1.2 the roles file has it.
    let role = text("role");
    let roles = match role.is_empty() {
        true => Vec::new(),
        false => row
            .list("orgSourcedIds")
            .into_iter()
            .enumerate()
            .map(|(at, org)| Role { role: role.clone(), org, primary: at == 0, ..Role::default() })
            .collect(),
    };
    User {
        id: text("sourcedId"),
        gone: row.get("status") == "tobedeleted",
        modified: modified(row),
        username: text("username"),
        user_ids: user_ids(row.get("userIds")),
        given: text("givenName"),
        family: text("familyName"),
        middle: text("middleName"),
        preferred: [text("preferredGivenName"), text("preferredMiddleName"), text("preferredFamilyName")],
        identifier: text("identifier"),
        master: text("userMasterIdentifier"),
        email: text("email"),
        sms: text("sms"),
        phone: text("phone"),
        grades: row.list("grades"),
        roles,
        primary_org: text("primaryOrgSourcedId"),
        metadata: row.metadata().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

fn modified(row: &Row<'_>) -> Timestamp {
    let said = row.get("dateLastModified").parse().ok();
    said.or_else(|| LONG_AGO.parse().ok()).unwrap_or_default()
}

/// `{type:id},{type:id}`.
fn user_ids(cell: &str) -> Vec<(String, String)> {
    cell.split(['{', '}'])
        .filter_map(|part| part.split_once(':'))
        .map(|(kind, id)| (kind.trim().to_owned(), id.trim().to_owned()))
        .collect()
}
