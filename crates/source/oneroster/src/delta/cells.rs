//! The rows of an image: which columns it has of each file, and what of a package's row goes into them. What a partnership
//! may not read is left behind here.

use rostercard_core::field::Field;
use rostercard_oneroster::{Extra, Layout, Orgs, Roles, Row, Status, Users};

use super::keep::Allowed;
use crate::map::student_id;
use crate::rest::form;
use crate::settings::StudentIdFrom;

/// The columns that an image has of each file. The first is the id, the second the row's date; [`line`] and
/// [`super::image`] know the places of some of the others.
pub(crate) const USERS: &str = "sourcedId,dateLastModified,orgSourcedIds,role,username,userIds,givenName,familyName,\
    middleName,identifier,email,sms,phone,grades,userMasterIdentifier,preferredGivenName,preferredMiddleName,\
    preferredFamilyName,primaryOrgSourcedId";
pub(super) const ROLES: &str =
    "sourcedId,dateLastModified,userSourcedId,orgSourcedId,roleType,role,beginDate,endDate";
pub(super) const DEMOGRAPHICS: &str = "sourcedId,dateLastModified,birthDate";
pub(super) const ORGS: &str = "sourcedId,dateLastModified,name,type,identifier,status";
/// So many columns of users are the specification's.
const OWN: usize = 19;

/// The columns of the image that the specification does not have.
#[derive(Default)]
pub(super) struct Extras {
    /// Each with where the package has it.
    pub(super) columns: Vec<(String, Option<Extra>)>,
    /// Whether the package lacks the mark of protected addresses, so that none of its addresses may be taken.
    pub(super) unmarked: bool,
}

/// A row of `orgs.csv`.
pub(super) fn org(row: &Row<'_, Orgs>) -> Vec<String> {
    let status = if row.status(Orgs::Status) == Status::ToBeDeleted { "tobedeleted" } else { "" };
    ["", "", row.get(Orgs::Name), row.get(Orgs::Type), row.get(Orgs::Identifier), status]
        .map(str::to_owned)
        .into()
}

/// A row of `roles.csv`.
pub(super) fn role(row: &Row<'_, Roles>) -> Vec<String> {
    let columns = [
        Roles::UserSourcedId,
        Roles::OrgSourcedId,
        Roles::RoleType,
        Roles::Role,
        Roles::BeginDate,
        Roles::EndDate,
    ];
    let cells = columns.map(|column| row.get(column).to_owned());
    [String::new(), String::new()].into_iter().chain(cells).collect()
}

/// The name that a column outside the specification has in an image.
fn kept_name(asked: &str) -> String {
    let plain = asked.trim().to_lowercase();
    format!("metadata.{}", plain.strip_prefix("metadata.").unwrap_or(&plain))
}

/// The header of users, and where its columns outside the specification lie. Those of a delta are those of the image.
pub(super) fn extras(
    allowed: Allowed<'_>,
    before: Option<&str>,
    whole: bool,
    layout: Option<&Layout<Users>>,
) -> (String, Extras) {
    let asked = form::asked_for(&allowed.settings.columns, allowed.rules);
    let find = |asked: &str| layout.and_then(|layout| layout.extra(asked));
    let mut extras = Vec::new();
    match before.filter(|_| !whole) {
        Some(header) => {
            for name in header.split(',').skip(OWN) {
                let place = asked.iter().find(|asked| kept_name(asked) == name).and_then(|asked| find(asked));
                extras.push((name.to_owned(), place));
            }
        }
        None => {
            for (name, place) in asked.iter().map(|asked| (kept_name(asked), find(asked))) {
                let again = extras.iter().any(|(known, _)| *known == name);
                if place.is_some() && !again && !name.contains([',', '"']) {
                    extras.push((name, place));
                }
            }
        }
    }
    // Without the mark, any address of the package may be one that must not leave the district.
    let columns = &allowed.settings.columns;
    let mark = columns.protected.as_deref().filter(|_| allowed.rules.allows(Field::Address));
    let unmarked = layout.is_some() && mark.is_some_and(|mark| find(mark).is_none());
    let born = columns.birth_date.as_deref().map(kept_name);
    if unmarked {
        extras
            .iter_mut()
            .filter(|(name, _)| born.as_ref() != Some(name))
            .for_each(|(_, place)| *place = None);
    }
    let header = extras.iter().fold(USERS.to_owned(), |header, (name, _)| format!("{header},{name}"));
    (header, Extras { columns: extras, unmarked })
}

/// A row of `users.csv`.
pub(super) fn user(allowed: Allowed<'_>, extras: &Extras, row: &Row<'_, Users>) -> Vec<String> {
    let Allowed { settings, rules } = allowed;
    let from = &settings.student_id;
    let only = |wanted: bool, column: Users| if wanted { row.get(column).to_owned() } else { String::new() };
    let field = |field: Field, column: Users| only(rules.allows(field), column);
    let user_ids = match from {
        StudentIdFrom::UserIds(kind) => match student_id(from, row) {
            id if id.is_empty() || id.contains(['{', '}']) => String::new(),
            id => format!("{{{kind}:{id}}}"),
        },
        _ => String::new(),
    };
    let mut cells = vec![
        String::new(),
        String::new(),
        row.get(Users::OrgSourcedIds).to_owned(),
        row.get(Users::Role).to_owned(),
        only(rules.allows(Field::UserName) || *from == StudentIdFrom::Username, Users::Username),
        user_ids,
        field(Field::GivenName, Users::GivenName),
        field(Field::Surname, Users::FamilyName),
        field(Field::MiddleName, Users::MiddleName),
        only(*from == StudentIdFrom::Identifier, Users::Identifier),
        field(Field::Email, Users::Email),
        field(Field::Phone, Users::Sms),
        field(Field::Phone, Users::Phone),
        row.get(Users::Grades).to_owned(),
        only(*from == StudentIdFrom::UserMasterIdentifier, Users::UserMasterIdentifier),
        field(Field::GivenName, Users::PreferredGivenName),
        field(Field::MiddleName, Users::PreferredMiddleName),
        field(Field::Surname, Users::PreferredFamilyName),
        row.get(Users::PrimaryOrgSourcedId).to_owned(),
    ];
    cells.extend(extras.columns.iter().map(|(_, at)| at.map_or("", |at| row.extra(at)).to_owned()));
    cells
}
