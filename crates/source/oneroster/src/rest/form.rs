//! One user as it came over REST, brought into the form of a row of `users.csv`, with allowed fields only.
//!
//! This is done beside the walk, while the next page is on its way, and knows nothing of other rows: what becomes of a
//! row is [`super::stage`]'s to say. A line break inside a value becomes a space, so that lines and rows count alike.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_core::field::{Field, FieldRules};
use rostercard_oneroster::rest::record::{Flaw, RolePart, User};
use rostercard_oneroster::{MAX_RECORD, Version, date, user_ids};

use super::laid;
use super::settings::RestSettings;
use super::walk::Item;
use crate::index::Key;
use crate::roles::{Kind, is_current};
use crate::schools::Schools;
use crate::settings::{ExtraColumns, StudentIdFrom};

/// The columns, in the order that [`Form::cells`] writes them.
pub(crate) const HEADER: [&str; 18] = [
    "sourcedId",
    "orgSourcedIds",
    "role",
    "username",
    "userIds",
    "givenName",
    "familyName",
    "middleName",
    "identifier",
    "email",
    "sms",
    "phone",
    "grades",
    "userMasterIdentifier",
    "preferredGivenName",
    "preferredMiddleName",
    "preferredFamilyName",
    "primaryOrgSourcedId",
];
/// The column that tells of a record which could not be read whole.
const FLAWED: usize = 5;

/// What the configuration, or usage, calls the values that OneRoster has no place for, as far as they may be read.
pub(crate) fn asked_for<'c>(columns: &'c ExtraColumns, rules: &FieldRules) -> Vec<&'c str> {
    let mut names: Vec<&str> = Vec::new();
    if rules.allows(Field::Address) {
        let address = [
            (&columns.street, "street"),
            (&columns.street2, "street2"),
            (&columns.city, "city"),
            (&columns.state, "state"),
            (&columns.zip, "zip"),
            (&columns.protected, "protected"),
        ];
        names.extend(address.iter().map(|(named, usual)| named.as_deref().unwrap_or(usual)));
    }
    names.extend(columns.birth_date.as_deref().filter(|_| rules.allows(Field::BirthDate)));
    names
}

/// The paths below `metadata` that are looked for, with the names that the configuration has for them.
pub(crate) fn wanted(columns: &ExtraColumns, rules: &FieldRules) -> Vec<String> {
    let path = |name: &str| {
        let plain = name.trim().trim_start_matches('/').to_lowercase().replace('/', ".");
        plain.strip_prefix("metadata.").map_or(plain.clone(), str::to_owned)
    };
    asked_for(columns, rules).into_iter().map(path).collect()
}

/// What decides how a user becomes a row.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    version: Version,
    student_id: StudentIdFrom,
    rules: FieldRules,
    pub(crate) wanted: Vec<String>,
    today: Date,
    /// Those that the server lists; others are known when their first student comes.
    schools: Arc<Schools>,
    /// What a user without any role is: in `/students` a student.
    role: &'static str,
}

/// A user, ready for the stage.
pub(crate) struct Formed {
    /// Of the `sourcedId`.
    pub(crate) key: Key,
    /// Of the student id.
    pub(crate) student: Key,
    pub(crate) modified: Option<Timestamp>,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) what: What,
}

/// What a user is.
pub(crate) enum What {
    /// Somebody who is there.
    Row {
        /// As [`laid`] has them; none where they are longer than any row may be.
        cells: Option<Box<[u8]>>,
        /// Of 1.2, where they are apart.
        parts: Vec<FormedPart>,
        /// Which of the wanted paths it has, from the lowest bit on.
        metadata: u32,
    },
    /// A tombstone.
    Gone(Gone),
}

/// A tombstone.
pub(crate) struct Gone {
    pub(crate) student_id: String,
    pub(crate) source_id: String,
}

/// A part that a user plays.
pub(crate) struct FormedPart {
    /// The organisation's number, or its id where it is not listed.
    pub(crate) org: Result<u32, Box<str>>,
    pub(crate) kind: Kind,
    pub(crate) primary: bool,
    pub(crate) current: bool,
}

impl Item for Formed {
    type By = Form;

    fn read(bytes: &[u8], form: &Form) -> (Self, Option<Key>) {
        let user = User::read(bytes, &form.wanted);
        let formed = form.of(&user);
        let key = (!user.head.source_id.trim().is_empty()).then_some(formed.key);
        (formed, key)
    }
}

impl Form {
    pub(crate) fn new(settings: &RestSettings, rules: &FieldRules, today: Date, schools: &Schools) -> Self {
        Self {
            version: settings.version,
            student_id: settings.student_id.clone(),
            rules: rules.clone(),
            wanted: wanted(&settings.columns, rules),
            today,
            schools: Arc::new(schools.clone()),
            role: "",
        }
    }

    /// The same for a collection in which a user without any role is this.
    pub(crate) fn of_role(&self, role: &'static str) -> Self {
        Self { role, ..self.clone() }
    }

    /// A user's row, or tombstone.
    pub(crate) fn of(&self, user: &User<'_>) -> Formed {
        let modified = moment(&user.head.modified);
        let key = Key::of(user.head.source_id.trim());
        let flaw = user.head.flaw;
        if user.head.is_gone() {
            let student_id = self.student_id(user).to_owned();
            let student = Key::of(&student_id);
            let source_id = user.head.source_id.trim().to_owned();
            return Formed { key, student, modified, flaw, what: What::Gone(Gone { student_id, source_id }) };
        }
        let (role, orgs, parts) = match self.version {
            Version::V1_1 => {
                let (role, orgs) = self.role_of_1p1(user);
                (role, orgs, Vec::new())
            }
            Version::V1_2 => (Cow::Borrowed(""), Vec::new(), self.roles_of_1p2(user)),
        };
        let (cells, student, metadata) = self.cells(user, &role, &orgs);
        Formed { key, student, modified, flaw, what: What::Row { cells, parts, metadata } }
    }

    /// 1.1: one role, and the schools beside it. Where a server sends what 1.2 has, the roles that are played today.
    fn role_of_1p1<'u>(&self, user: &'u User<'_>) -> (Cow<'u, str>, Vec<&'u str>) {
        if !user.role.trim().is_empty() || user.roles.is_empty() {
            let role = if user.role.trim().is_empty() { self.role } else { user.role.trim() };
            return (Cow::Borrowed(role), user.orgs.iter().map(|org| &**org).collect());
        }
        let current = || user.roles.iter().filter(|part| self.is_current(part));
        let best = [Kind::Student, Kind::Educator, Kind::Family, Kind::Other];
        let kind = best.into_iter().find(|kind| current().any(|part| Kind::of(&part.role) == *kind));
        let mut of_kind = current().filter(|part| Some(Kind::of(&part.role)) == kind);
        let role = of_kind.clone().next().map_or("", |part| &part.role);
        (Cow::Borrowed(role), of_kind.by_ref().map(|part| &*part.org).collect())
    }

    /// 1.2: roles apart. Where a server sends what 1.1 has, a part in each of its schools.
    fn roles_of_1p2(&self, user: &User<'_>) -> Vec<FormedPart> {
        let org = |id: &str| self.schools.find(id).ok_or_else(|| id.into());
        if user.roles.is_empty() {
            let role = if user.role.trim().is_empty() { self.role } else { user.role.trim() };
            let kind = Kind::of(role);
            let part = |id: &str| FormedPart { org: org(id), kind, primary: false, current: true };
            let own = user.primary_org.trim();
            let orgs: Vec<&str> = match user.orgs.as_slice() {
                [] if !own.is_empty() => vec![own],
                orgs => orgs.iter().map(|org| org.trim()).collect(),
            };
            return orgs.into_iter().filter(|_| !role.is_empty()).map(part).collect();
        }
        let part = |part: &RolePart<'_>| FormedPart {
            org: org(part.org.trim()),
            kind: Kind::of(part.role.trim()),
            primary: part.primary,
            current: self.is_current(part),
        };
        user.roles.iter().map(part).collect()
    }

    fn is_current(&self, part: &RolePart<'_>) -> bool {
        is_current(date(&part.begin), date(&part.end), self.today)
    }

    fn student_id<'u>(&self, user: &'u User<'_>) -> &'u str {
        let id = match &self.student_id {
            StudentIdFrom::Identifier => &user.identifier,
            StudentIdFrom::SourcedId => &user.head.source_id,
            StudentIdFrom::Username => &user.username,
            StudentIdFrom::UserMasterIdentifier => &user.master_identifier,
            StudentIdFrom::UserIds(kind) => {
                let found = user.user_ids.iter().find(|(k, _)| k.trim().eq_ignore_ascii_case(kind));
                return found.map_or("", |(_, id)| id.trim());
            }
        };
        id.trim()
    }

    /// The cells, the student id as it is found in them again, and which of the wanted paths there are. What the rules do
    /// not allow stays behind.
    fn cells(&self, user: &User<'_>, role: &str, orgs: &[&str]) -> (Option<Box<[u8]>>, Key, u32) {
        let from = &self.student_id;
        let allow = |field: Field| self.rules.allows(field);
        let only = |wanted: bool, value| clean(if wanted { value } else { "" });
        let id = clean(self.student_id(user));
        let mut student = Key::of(&id);
        let user_ids = match from {
            // A brace would end it early; no id has one.
            StudentIdFrom::UserIds(kind) if !id.is_empty() && !id.contains(['{', '}']) => {
                let cell = clean(&format!("{{{kind}:{id}}}")).into_owned();
                let found = user_ids(&cell).flatten().find(|id| id.kind.eq_ignore_ascii_case(kind));
                student = Key::of(found.map_or("", |id| id.id));
                Cow::Owned(cell)
            }
            StudentIdFrom::UserIds(_) => {
                student = Key::of("");
                Cow::Borrowed("")
            }
            _ => Cow::Borrowed(""),
        };
        let (given, family, middle) =
            (allow(Field::GivenName), allow(Field::Surname), allow(Field::MiddleName));
        let cells: [Cow<'_, str>; HEADER.len()] = [
            clean(&user.head.source_id),
            list(orgs.iter().copied()),
            clean(role),
            only(allow(Field::UserName) || *from == StudentIdFrom::Username, &user.username),
            user_ids,
            only(given, &user.given_name),
            only(family, &user.family_name),
            only(middle, &user.middle_name),
            only(*from == StudentIdFrom::Identifier, &user.identifier),
            only(allow(Field::Email), &user.email),
            only(allow(Field::Phone), &user.sms),
            only(allow(Field::Phone), &user.phone),
            list(user.grades.iter().map(|grade| &**grade)),
            only(*from == StudentIdFrom::UserMasterIdentifier, &user.master_identifier),
            only(given, &user.preferred_given),
            only(middle, &user.preferred_middle),
            only(family, &user.preferred_family),
            clean(&user.primary_org),
        ];
        let mut metadata = 0;
        let extra = self.wanted.iter().enumerate().map(|(at, path)| {
            let value = user.metadata.iter().find(|(known, _)| known == path).map(|(_, value)| value);
            metadata |=
                u32::from(value.is_some()).checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
            clean(value.map_or("", |value| value))
        });
        let extra: Vec<Cow<'_, str>> = extra.collect();
        // What could not be read of a row is read as bytes that are no text, which makes it a damaged row with its ids.
        let broken = user.head.flaw.map(|_| FLAWED);
        let all = || cells.iter().chain(&extra).map(|cell| cell.as_bytes());
        if all().map(<[u8]>::len).sum::<usize>() >= MAX_RECORD {
            return (None, student, metadata);
        }
        (Some(laid::write(all(), broken)), student, metadata)
    }
}

/// A value without the spaces around it, on one line.
fn clean(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    match value.contains(['\r', '\n']) {
        true => Cow::Owned(value.replace(['\r', '\n'], " ")),
        false => Cow::Borrowed(value),
    }
}

/// Values as a cell has them that is a list.
fn list<'v>(values: impl Iterator<Item = &'v str>) -> Cow<'v, str> {
    let mut values = values.map(str::trim).filter(|value| !value.contains(','));
    let Some(first) = values.next() else { return Cow::Borrowed("") };
    let mut all = clean(first);
    for value in values {
        let all = all.to_mut();
        all.push(',');
        all.push_str(&clean(value));
    }
    all
}

/// `dateLastModified` in the forms seen; without a zone it counts as UTC.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let civil = text.parse::<jiff::civil::DateTime>().or_else(|_| text.parse::<Date>().map(Date::into));
    jiff::tz::TimeZone::UTC.to_timestamp(civil.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b10_moments() {
        let noon: Timestamp = "2026-08-01T12:00:00Z".parse().unwrap();
        for text in [
            "2026-08-01T12:00:00.000Z",
            "2026-08-01T12:00:00",
            "2026-08-01T05:00:00-07:00",
            " 2026-08-01 12:00:00 ",
        ] {
            assert_eq!(moment(text), Some(noon), "{text}");
        }
        assert!(moment("2026-08-01").is_some());
        assert!(moment("").is_none() && moment("soon").is_none());
    }

    #[test]
    fn values_are_on_one_line() {
        assert_eq!(clean(" a\"b,\n c\r\n"), "a\"b,  c");
        assert_eq!(list([" a", "b,c", "", "d\ne "].into_iter()), "a,,d e");
        assert_eq!(list(std::iter::empty()), "");
    }
}
