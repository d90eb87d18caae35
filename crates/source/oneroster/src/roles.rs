//! What people are in their schools: the role words, and `roles.csv` of 1.2.

use jiff::civil::Date;
use rostercard_core::ports::ConnectorError;
use rostercard_core::words::Role;
use rostercard_oneroster::{Code, Columns, DateCell, Line, Roles, Row, Status};

use crate::error;
use crate::index::{Index, Key};
use crate::open::Opened;
use crate::read::Watch;
use crate::schools::Schools;
use crate::tally::Tally;

/// What a role word means for a card.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A student.
    Student,
    /// A teacher or other school staff.
    Educator,
    /// A parent, guardian or other relative: no card, and not read.
    Family,
    /// A word that is not known, such as a district's own.
    #[default]
    Other,
}

/// The roles of both versions (1.1 section on users, 1.2 section on roles).
const WORDS: &[(&str, Kind)] = &[
    ("student", Kind::Student),
    ("teacher", Kind::Educator),
    ("administrator", Kind::Educator),
    ("aide", Kind::Educator),
    ("proctor", Kind::Educator),
    ("counselor", Kind::Educator),
    ("principal", Kind::Educator),
    ("districtAdministrator", Kind::Educator),
    ("siteAdministrator", Kind::Educator),
    ("systemAdministrator", Kind::Educator),
    ("guardian", Kind::Family),
    ("parent", Kind::Family),
    ("relative", Kind::Family),
];

impl Kind {
    pub(crate) fn of(word: &str) -> Self {
        let known = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        known.map_or(Self::Other, |(_, kind)| *kind)
    }

    /// The role of those who may get a card.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::Student => Some(Role::Student),
            Self::Educator => Some(Role::Educator),
            Self::Family | Self::Other => None,
        }
    }
}

/// One row of `roles.csv`: a part that somebody plays in an organisation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The organisation's number.
    pub(crate) org: u32,
    /// What as.
    pub(crate) kind: Kind,
    /// Whether `roleType` is primary. There may be one in every organisation.
    pub(crate) primary: bool,
    /// Whether it has begun and has not ended.
    pub(crate) current: bool,
}

/// Whether a part is played today. The first day counts, the last does not (1.2: endDate is exclusive). A date that
/// cannot be read ends nothing.
pub(crate) fn is_current(begin: DateCell, end: DateCell, today: Date) -> bool {
    begin.day().is_none_or(|begin| begin <= today) && end.day().is_none_or(|end| today < end)
}

fn current(row: &Row<'_, Roles>, today: Date, tally: &mut Tally) -> bool {
    let mut day = |column: Roles| {
        let cell = row.date(column);
        if cell == DateCell::Invalid {
            tally.count_code(Code::RowInvalidDate, Roles::FILE, row.line(), Some(column.name()));
        }
        cell
    };
    let (begin, end) = (day(Roles::BeginDate), day(Roles::EndDate));
    is_current(begin, end, today)
}

/// Reads the file.
pub(crate) fn read(
    opened: &Opened,
    today: Date,
    schools: &mut Schools,
    watch: &Watch<'_>,
    tally: &mut Tally,
) -> Result<Index<Part>, ConnectorError> {
    opened.table::<Roles, _>(|mut table, findings| {
        tally.add(Roles::FILE, findings);
        let (mut keys, mut parts) = (Vec::new(), Vec::new());
        let mut rows = 0_u64;
        while let Some(line) = table.next_line().map_err(error::read)? {
            rows += 1;
            if watch.stop(rows) {
                break;
            }
            let row = match line {
                Line::Row(row) => row,
                Line::Damaged(damaged) => {
                    tally.count_code(damaged.code, Roles::FILE, damaged.line, None);
                    // Whose role it was is not known: somebody may seem to have none, and to have left.
                    tally.incomplete(damaged.code.code());
                    continue;
                }
            };
            match row.status(Roles::Status) {
                Status::ToBeDeleted => continue,
                Status::Blank => {}
                Status::Active | Status::Unknown => {
                    tally.count_code(Code::RowFieldForbiddenInBulk, Roles::FILE, row.line(), Some("status"));
                }
            }
            let (user, org) = (row.get(Roles::UserSourcedId), row.get(Roles::OrgSourcedId));
            if user.is_empty() || org.is_empty() {
                let message = "a row of roles.csv names no user or no organisation; it was left out";
                tally.count("role_without_ids", Roles::FILE, row.line(), message);
                tally.incomplete("role_without_ids");
                continue;
            }
            let part = Part {
                org: schools.number(org),
                kind: Kind::of(row.get(Roles::Role)),
                primary: row.get(Roles::RoleType).eq_ignore_ascii_case("primary"),
                current: current(&row, today, tally),
            };
            keys.push(Key::of(user));
            parts.push(part);
        }
        if rows == 0 {
            tally.count_code(Code::TableMissingDataRows, Roles::FILE, 1, None);
            tally.incomplete(Code::TableMissingDataRows.code());
        }
        Ok(Index::new(keys, parts))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s16_role_words() {
        for (word, role) in [
            ("student", Some(Role::Student)),
            ("Student", Some(Role::Student)),
            ("teacher", Some(Role::Educator)),
            ("districtadministrator", Some(Role::Educator)),
            ("guardian", None),
            ("ext:nurse", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(word).role(), role, "{word}");
        }
    }
}
