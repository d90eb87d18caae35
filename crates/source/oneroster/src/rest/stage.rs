//! Users as they came over REST, brought into the form that the CSV package has them in: one staging model, one way from
//! there to students, so that the same roster by either way gives the same people.
//!
//! Rows are held as the CSV they would be, with allowed fields only, about a hundred bytes a person, until the walk is
//! proven. Nothing of a walk that failed is ever given on. A line break inside a value becomes a space, so that lines and
//! rows count alike.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use rostercard_core::field::{Field, FieldRules};
use rostercard_core::ports::Record;
use rostercard_core::privacy::Personal;
use rostercard_oneroster::rest::record::{Flaw, RolePart, User};
use rostercard_oneroster::{Version, date};

use super::settings::RestSettings;
use crate::index::{Index, Key};
use crate::roles::{Kind, Part, is_current};
use crate::schools::Schools;
use crate::settings::{ExtraColumns, StudentIdFrom};
use crate::tally::Tally;

/// The columns, in the order that [`Stage::cells`] writes them.
const HEADER: &str = "sourcedId,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,\
                      sms,phone,grades,userMasterIdentifier,preferredGivenName,preferredMiddleName,\
                      preferredFamilyName,primaryOrgSourcedId";

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

/// The settings' columns by the names that [`Staged::csv`] has for them.
pub(crate) fn columns(columns: &ExtraColumns) -> ExtraColumns {
    let name = |named: &Option<String>| {
        named.as_ref().map(|name| {
            let plain = name.trim().trim_start_matches('/').to_lowercase().replace('/', ".");
            if plain.starts_with("metadata.") { plain } else { format!("metadata.{plain}") }
        })
    };
    ExtraColumns {
        street: name(&columns.street),
        street2: name(&columns.street2),
        city: name(&columns.city),
        state: name(&columns.state),
        zip: name(&columns.zip),
        birth_date: name(&columns.birth_date),
        protected: name(&columns.protected),
    }
}

struct Row {
    key: Key,
    start: usize,
    modified: Option<Timestamp>,
    /// Another row came in its stead.
    void: bool,
    flaw: Option<Flaw>,
}

/// A tombstone.
pub(crate) struct Gone {
    student_id: String,
    source_id: String,
}

/// Users on their way in.
pub(crate) struct Stage<'a> {
    settings: &'a RestSettings,
    rules: &'a FieldRules,
    wanted: &'a [String],
    today: Date,
    /// What a user without any role is: in `/students` a student.
    role: &'static str,
    pub(crate) schools: Schools,
    pub(crate) tally: Tally,
    cells: Vec<u8>,
    rows: Vec<Row>,
    parts: Vec<(Key, Part, usize)>,
    metadata_seen: Vec<bool>,
    pub(crate) gone: Vec<Gone>,
    /// Rows told by the walk under way: their places here, by their numbers.
    numbers: Vec<Option<usize>>,
    /// What was here before the walk under way.
    before: Mark,
    /// The oldest row.
    pub(crate) oldest: Option<Timestamp>,
    pub(crate) broken: u64,
}

#[derive(Default, Clone, Copy)]
struct Mark {
    cells: usize,
    rows: usize,
    parts: usize,
    gone: usize,
}

/// Users, ready for the way that CSV goes.
pub(crate) struct Staged {
    /// `users.csv`, as it would be.
    pub(crate) csv: Vec<u8>,
    /// Roles by user, where the version has them apart.
    pub(crate) parts: Option<Index<Part>>,
    pub(crate) schools: Schools,
    pub(crate) tally: Tally,
    pub(crate) gone: Vec<Gone>,
    /// What is wrong with a row, by its line.
    pub(crate) flaws: HashMap<u64, Flaw>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(
        settings: &'a RestSettings,
        rules: &'a FieldRules,
        wanted: &'a [String],
        today: Date,
        schools: Schools,
    ) -> Self {
        Self {
            settings,
            rules,
            wanted,
            today,
            role: "",
            schools,
            tally: Tally::default(),
            cells: Vec::new(),
            rows: Vec::new(),
            parts: Vec::new(),
            metadata_seen: vec![false; wanted.len()],
            gone: Vec::new(),
            numbers: Vec::new(),
            before: Mark::default(),
            oldest: None,
            broken: 0,
        }
    }

    /// A walk begins; what the walks before it brought stays. `role` is what a user without any role is.
    pub(crate) fn next_walk(&mut self, role: &'static str) {
        self.role = role;
        self.before = Mark {
            cells: self.cells.len(),
            rows: self.rows.len(),
            parts: self.parts.len(),
            gone: self.gone.len(),
        };
        self.numbers.clear();
    }

    /// The walk begins anew.
    pub(crate) fn again(&mut self) {
        self.cells.truncate(self.before.cells);
        self.rows.truncate(self.before.rows);
        self.parts.truncate(self.before.parts);
        self.gone.truncate(self.before.gone);
        self.numbers.clear();
        self.oldest = None;
        self.broken = 0;
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The `sourcedId`s so far.
    pub(crate) fn source_ids(&self) -> HashSet<Key> {
        self.rows.iter().filter(|row| !row.void).map(|row| row.key).collect()
    }

    /// The `sourcedId`s of rows that are not among `known`.
    pub(crate) fn ids_without(&self, known: &HashSet<Key>) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| !row.void && !known.contains(&row.key));
        rows.filter_map(|row| {
            let cells = self.cells.get(row.start..)?;
            let id = cells.split(|byte| *byte == b',').next()?;
            // One that had to be quoted follows no grammar of ids.
            std::str::from_utf8(id).ok().filter(|id| !id.is_empty() && !id.contains('"')).map(str::to_owned)
        })
        .collect()
    }

    /// Takes a user. `again` is the number of a row with the same `sourcedId` and other contents: the newer one counts,
    /// and where none is newer, both, which is then one question for the district.
    pub(crate) fn take(&mut self, user: &User, again: Option<u32>) {
        let modified = moment(&user.head.modified);
        if let Some(modified) = modified {
            self.oldest = Some(self.oldest.map_or(modified, |oldest| oldest.min(modified)));
        }
        let earlier = again.and_then(|number| self.numbers.get(number as usize).copied().flatten());
        if let Some(earlier) = earlier
            && let Some(row) = self.rows.get_mut(earlier)
        {
            match (row.modified, modified) {
                (Some(old), Some(new)) if new < old => {
                    self.numbers.push(None);
                    return;
                }
                (Some(old), Some(new)) if new > old => row.void = true,
                _ => {}
            }
        }
        if user.head.is_gone() {
            self.numbers.push(None);
            self.gone.push(Gone {
                student_id: self.student_id(user),
                source_id: user.head.source_id.trim().to_owned(),
            });
            return;
        }
        self.numbers.push(Some(self.rows.len()));
        let row = Row {
            key: Key::of(user.head.source_id.trim()),
            start: self.cells.len(),
            modified,
            void: false,
            flaw: user.head.flaw,
        };
        let (role, orgs) = match self.settings.version {
            Version::V1_1 => self.role_of_1p1(user),
            Version::V1_2 => {
                self.roles_of_1p2(user, row.key);
                (String::new(), Vec::new())
            }
        };
        self.cells(user, &role, &orgs);
        self.rows.push(row);
    }

    /// 1.1: one role, and the schools beside it. Where a server sends what 1.2 has, the roles that are played today.
    fn role_of_1p1(&self, user: &User) -> (String, Vec<String>) {
        if !user.role.trim().is_empty() || user.roles.is_empty() {
            let role = if user.role.trim().is_empty() { self.role } else { user.role.trim() };
            return (role.to_owned(), user.orgs.clone());
        }
        let current = || user.roles.iter().filter(|part| self.is_current(part));
        let best = [Kind::Student, Kind::Educator, Kind::Family, Kind::Other];
        let kind = best.into_iter().find(|kind| current().any(|part| Kind::of(&part.role) == *kind));
        let mut of_kind = current().filter(|part| Some(Kind::of(&part.role)) == kind);
        let role = of_kind.clone().next().map_or(String::new(), |part| part.role.clone());
        (role, of_kind.by_ref().map(|part| part.org.clone()).collect())
    }

    /// 1.2: roles apart. Where a server sends what 1.1 has, a part in each of its schools.
    fn roles_of_1p2(&mut self, user: &User, key: Key) {
        let at = self.rows.len();
        if user.roles.is_empty() {
            let role = if user.role.trim().is_empty() { self.role } else { user.role.trim() };
            let mut orgs = user.orgs.clone();
            if orgs.is_empty() && !user.primary_org.trim().is_empty() {
                orgs.push(user.primary_org.trim().to_owned());
            }
            for org in orgs.iter().filter(|_| !role.is_empty()) {
                let org = self.schools.number(org.trim());
                self.parts.push((key, Part { org, kind: Kind::of(role), primary: false, current: true }, at));
            }
            return;
        }
        for part in &user.roles {
            let part = Part {
                org: self.schools.number(part.org.trim()),
                kind: Kind::of(part.role.trim()),
                primary: part.primary,
                current: self.is_current(part),
            };
            self.parts.push((key, part, at));
        }
    }

    fn is_current(&self, part: &RolePart) -> bool {
        is_current(date(&part.begin), date(&part.end), self.today)
    }

    fn student_id(&self, user: &User) -> String {
        let id = match &self.settings.student_id {
            StudentIdFrom::Identifier => &user.identifier,
            StudentIdFrom::SourcedId => &user.head.source_id,
            StudentIdFrom::Username => &user.username,
            StudentIdFrom::UserMasterIdentifier => &user.master_identifier,
            StudentIdFrom::UserIds(kind) => {
                let found = user.user_ids.iter().find(|(k, _)| k.trim().eq_ignore_ascii_case(kind));
                return found.map_or(String::new(), |(_, id)| id.trim().to_owned());
            }
        };
        id.trim().to_owned()
    }

    /// Writes a row; what the rules do not allow stays behind.
    fn cells(&mut self, user: &User, role: &str, orgs: &[String]) {
        let id = &self.settings.student_id;
        let allow = |field: Field| self.rules.allows(field);
        let only = |wanted: bool, value: &'_ str| if wanted { value.to_owned() } else { String::new() };
        let user_ids = match id {
            StudentIdFrom::UserIds(kind) => {
                let id = self.student_id(user);
                // A brace would end it early; no id has one.
                if id.is_empty() || id.contains(['{', '}']) {
                    String::new()
                } else {
                    format!("{{{kind}:{id}}}")
                }
            }
            _ => String::new(),
        };
        let list = |values: &[String]| {
            values.iter().map(|v| v.trim()).filter(|v| !v.contains(',')).collect::<Vec<_>>().join(",")
        };
        let (given, family, middle) =
            (allow(Field::GivenName), allow(Field::Surname), allow(Field::MiddleName));
        let cells = [
            user.head.source_id.clone(),
            list(orgs),
            role.to_owned(),
            only(allow(Field::UserName) || *id == StudentIdFrom::Username, &user.username),
            user_ids,
            only(given, &user.given_name),
            only(family, &user.family_name),
            only(middle, &user.middle_name),
            only(*id == StudentIdFrom::Identifier, &user.identifier),
            only(allow(Field::Email), &user.email),
            only(allow(Field::Phone), &user.sms),
            only(allow(Field::Phone), &user.phone),
            list(&user.grades),
            only(*id == StudentIdFrom::UserMasterIdentifier, &user.master_identifier),
            only(given, &user.preferred_given),
            only(middle, &user.preferred_middle),
            only(family, &user.preferred_family),
            user.primary_org.clone(),
        ];
        for (at, cell) in cells.iter().enumerate() {
            // What could not be read of a row is read as bytes that are no text, which makes it a damaged row with its ids.
            let flawed = at == 5 && user.head.flaw.is_some();
            self.cell(at > 0, cell, flawed);
        }
        for (at, path) in self.wanted.iter().enumerate() {
            let value =
                user.metadata.iter().find(|(known, _)| known == path).map(|(_, value)| value.as_str());
            if let (Some(_), Some(seen)) = (value, self.metadata_seen.get_mut(at)) {
                *seen = true;
            }
            write(&mut self.cells, true, value.unwrap_or_default(), false);
        }
        self.cells.push(b'\n');
    }

    fn cell(&mut self, comma: bool, value: &str, flawed: bool) {
        write(&mut self.cells, comma, value, flawed);
    }

    /// Everything that came, ready to be read as CSV is.
    pub(crate) fn finish(mut self) -> Staged {
        let mut csv = Vec::with_capacity(self.cells.len() + HEADER.len() + 256);
        csv.extend_from_slice(HEADER.as_bytes());
        for (at, path) in self.wanted.iter().enumerate() {
            // A column that nobody has is not there: a mark of protected addresses that nobody has is missing.
            let seen = self.metadata_seen.get(at).copied().unwrap_or_default();
            write(
                &mut csv,
                true,
                &if seen { format!("metadata.{path}") } else { format!("metadata.-{at}-") },
                false,
            );
        }
        csv.push(b'\n');
        let mut flaws = HashMap::new();
        let mut line = 1;
        let ends = self.rows.iter().skip(1).map(|row| row.start).chain([self.cells.len()]);
        for (row, end) in self.rows.iter().zip(ends) {
            if row.void {
                continue;
            }
            line += 1;
            csv.extend_from_slice(self.cells.get(row.start..end).unwrap_or_default());
            if let Some(flaw) = row.flaw {
                flaws.insert(line, flaw);
            }
        }
        let parts = (self.settings.version == Version::V1_2).then(|| {
            self.parts.retain(|(_, _, row)| self.rows.get(*row).is_some_and(|row| !row.void));
            let (keys, parts) = self.parts.iter().map(|(key, part, _)| (*key, *part)).unzip();
            Index::new(keys, parts)
        });
        Staged { csv, parts, schools: self.schools, tally: self.tally, gone: self.gone, flaws }
    }
}

impl Gone {
    /// The tombstone as a record, unless the person is still there under another id.
    pub(crate) fn record(self, there: &HashSet<Key>) -> Option<Record> {
        if !self.student_id.is_empty() && there.contains(&Key::of(&self.student_id)) {
            return None;
        }
        if self.student_id.is_empty() && self.source_id.is_empty() {
            return None;
        }
        let source_ids = Personal::non_blank(&self.source_id).into_iter().collect();
        Some(Record::Gone { student_id: Personal::non_blank(&self.student_id), source_ids })
    }
}

/// Adds a cell as CSV; line breaks become spaces.
pub(crate) fn write(cells: &mut Vec<u8>, comma: bool, value: &str, flawed: bool) {
    if comma {
        cells.push(b',');
    }
    let value = value.trim();
    let quoted = value.bytes().any(|byte| matches!(byte, b',' | b'"'));
    if quoted {
        cells.push(b'"');
    }
    for byte in value.bytes() {
        match byte {
            b'"' => cells.extend_from_slice(b"\"\""),
            b'\r' | b'\n' => cells.push(b' '),
            byte => cells.push(byte),
        }
    }
    if flawed {
        cells.push(0xff);
    }
    if quoted {
        cells.push(b'"');
    }
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
    fn cells_are_csv() {
        let mut cells = Vec::new();
        write(&mut cells, false, " a\"b,\n ", false);
        write(&mut cells, true, "plain", true);
        assert_eq!(cells, b"\"a\"\"b,\",plain\xff");
    }
}
