//! Records of the collections that are read, in all the forms that servers give them.
//!
//! A scalar may be a text, a number, a boolean or `null`; a list may be one value; a reference may be an object or the
//! id alone. Only what is named here is copied: passwords, credentials, agents, sex, race and ethnicity are skipped
//! over, and there is no field that could hold them.

use std::borrow::Cow;
use std::fmt;

use super::json::{BadText, Node, Wrong, members, read, skip, white};
use crate::scalars::Status;
use crate::user_ids::user_ids;

/// Why a record cannot be used, though its page can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// It is no JSON object.
    NotJson,
    /// Its bytes are no UTF-8.
    Utf8,
    /// A text has an escape that stands for no character.
    Escape,
}

impl Flaw {
    /// Its stable spelling.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotJson => "record_broken",
            Self::Utf8 => "record_invalid_utf8",
            Self::Escape => "record_invalid_text",
        }
    }

    /// What is wrong and what to do, as a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotJson => "a record of the page is no JSON object; the SIS's vendor should see to it",
            Self::Utf8 => {
                "a record is not UTF-8; the SIS should send UTF-8, or say in Content-Type what it sends"
            }
            Self::Escape => "a text of the record has an escape that stands for no character",
        }
    }
}

impl From<Wrong> for Flaw {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Grammar(_) => Self::NotJson,
            Wrong::Text(BadText::Utf8) => Self::Utf8,
            Wrong::Text(BadText::Escape) => Self::Escape,
        }
    }
}

/// What every record says of itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// `sourcedId`.
    pub source_id: String,
    /// `active`, `tobedeleted` or its like; empty where it is not said.
    pub status: String,
    /// `dateLastModified` as it was written.
    pub modified: String,
    /// What is wrong with the record, where something is: then its other fields may be missing.
    pub flaw: Option<Flaw>,
}

impl Head {
    /// Whether the record is a tombstone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        Status::parse(self.status.trim()) == Status::ToBeDeleted
    }
}

/// A part that a user plays in an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolePart {
    /// `student`, `teacher`, ..
    pub role: String,
    /// The organisation's `sourcedId`.
    pub org: String,
    /// Whether `roleType` is primary.
    pub primary: bool,
    /// `beginDate`, the first day.
    pub begin: String,
    /// `endDate`, the day after the last.
    pub end: String,
}

/// A user, as far as it may be wanted. What is empty was not there, was `null`, or was empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct User {
    /// What every record says.
    pub head: Head,
    /// `username`.
    pub username: String,
    /// `userIds`: kind and id.
    pub user_ids: Vec<(String, String)>,
    /// `givenName`.
    pub given_name: String,
    /// `familyName`.
    pub family_name: String,
    /// `middleName`.
    pub middle_name: String,
    /// `preferredFirstName`, or `preferredGivenName` as CSV calls it.
    pub preferred_given: String,
    /// `preferredMiddleName`.
    pub preferred_middle: String,
    /// `preferredLastName`, or `preferredFamilyName`.
    pub preferred_family: String,
    /// `identifier`.
    pub identifier: String,
    /// `userMasterIdentifier`.
    pub master_identifier: String,
    /// `email`.
    pub email: String,
    /// `sms`.
    pub sms: String,
    /// `phone`.
    pub phone: String,
    /// `grades`, or `grade` of 1.0.
    pub grades: Vec<String>,
    /// `role` of 1.1.
    pub role: String,
    /// `orgs` of 1.1: their `sourcedId`s.
    pub orgs: Vec<String>,
    /// `roles` of 1.2.
    pub roles: Vec<RolePart>,
    /// `primaryOrg` of 1.2.
    pub primary_org: String,
    /// Values of `metadata` that were asked for, by their path: `address.street`.
    pub metadata: Vec<(String, String)>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("flaw", &self.head.flaw).finish_non_exhaustive()
    }
}

/// An organisation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Org {
    /// What every record says.
    pub head: Head,
    /// `name`.
    pub name: String,
    /// `type`.
    pub kind: String,
    /// `identifier`.
    pub identifier: String,
}

impl fmt::Debug for Org {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Org").field("name", &self.name).field("flaw", &self.head.flaw).finish_non_exhaustive()
    }
}

/// Demographics, as far as they are ever read: the birth date.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Birth {
    /// What every record says; its `sourcedId` is the user's.
    pub head: Head,
    /// `birthDate`, as it was written.
    pub birth_date: String,
}

impl fmt::Debug for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Birth").field("flaw", &self.head.flaw).finish_non_exhaustive()
    }
}

/// A name as names are compared: no case, and none of the marks that differ from server to server.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

fn text(node: &Node<'_>) -> String {
    node.text().into_owned()
}

/// The `sourcedId` of a reference, or the id alone where it is no object.
fn reference(node: &Node<'_>) -> String {
    match node {
        Node::Object(_) => node.get("sourcedId").map(text).unwrap_or_default(),
        other => text(other),
    }
}

/// Goes through a record's members. `each` gets every value whose name it knows, and says whether it does.
fn each(
    bytes: &[u8],
    head: &mut Head,
    is_known: impl Fn(&str) -> bool,
    mut each: impl FnMut(&str, Node<'_>),
) {
    let mut flaw = None;
    let ended = members(bytes, white(bytes, 0), |name, at| {
        let name =
            if matches!(name, Cow::Borrowed(_)) && is_known(&name) { name } else { Cow::Owned(plain(&name)) };
        let own =
            matches!(&*name, "sourcedid" | "sourcedId" | "status" | "dateLastModified" | "datelastmodified");
        if !own && !is_known(&name) {
            return Ok(skip(bytes, at)?.0);
        }
        let (node, end) = match read(bytes, at) {
            Ok(read) => read,
            Err(Wrong::Text(bad)) => {
                flaw = flaw.or(Some(Wrong::Text(bad).into()));
                return Ok(skip(bytes, at)?.0);
            }
            Err(wrong) => return Err(wrong),
        };
        match &*name {
            "sourcedid" | "sourcedId" => head.source_id = text(&node),
            "status" => head.status = text(&node),
            "dateLastModified" | "datelastmodified" => head.modified = text(&node),
            name => each(name, node),
        }
        Ok(end)
    });
    head.flaw = ended.err().map(Flaw::from).or(flaw);
}

/// The fields of a user, in lower case as [`plain`] has them.
const USER: &[&str] = &[
    "username",
    "userids",
    "givenname",
    "familyname",
    "middlename",
    "preferredfirstname",
    "preferredgivenname",
    "preferredmiddlename",
    "preferredlastname",
    "preferredfamilyname",
    "identifier",
    "usermasteridentifier",
    "email",
    "sms",
    "phone",
    "grades",
    "grade",
    "role",
    "orgs",
    "org",
    "roles",
    "primaryorg",
    "metadata",
];

impl User {
    /// Reads a user. `wanted` are paths below `metadata`, in lower case with dots between; what is not among them is
    /// not copied.
    #[must_use]
    pub fn read(bytes: &[u8], wanted: &[String]) -> Self {
        let mut user = Self::default();
        let mut head = Head::default();
        each(bytes, &mut head, |name| USER.contains(&name), |name, node| user.take(name, &node, wanted));
        user.head = head;
        user
    }

    fn take(&mut self, name: &str, node: &Node<'_>, wanted: &[String]) {
        let slot = match name {
            "username" => &mut self.username,
            "givenname" => &mut self.given_name,
            "familyname" => &mut self.family_name,
            "middlename" => &mut self.middle_name,
            "preferredfirstname" | "preferredgivenname" => &mut self.preferred_given,
            "preferredmiddlename" => &mut self.preferred_middle,
            "preferredlastname" | "preferredfamilyname" => &mut self.preferred_family,
            "identifier" => &mut self.identifier,
            "usermasteridentifier" => &mut self.master_identifier,
            "email" => &mut self.email,
            "sms" => &mut self.sms,
            "phone" => &mut self.phone,
            "role" => &mut self.role,
            _ => return self.take_list(name, node, wanted),
        };
        *slot = text(node);
    }

    fn take_list(&mut self, name: &str, node: &Node<'_>, wanted: &[String]) {
        match name {
            "grades" | "grade" => {
                let cells: Vec<String> = node.elements().iter().map(text).collect();
                // Some send the list as one text, as CSV has it.
                let all = cells.iter().flat_map(|cell| cell.split(',')).map(|g| g.trim().to_owned());
                self.grades = all.filter(|grade| !grade.is_empty()).collect();
            }
            "orgs" | "org" => {
                self.orgs = node.elements().iter().map(reference).filter(|id| !id.is_empty()).collect();
            }
            "primaryorg" => self.primary_org = reference(node),
            "userids" => self.user_ids = node.elements().iter().flat_map(ids).collect(),
            "roles" => self.roles = node.elements().iter().filter_map(part).collect(),
            "metadata" if !wanted.is_empty() => flatten(node, "", wanted, &mut self.metadata),
            _ => {}
        }
    }
}

fn ids(node: &Node<'_>) -> Vec<(String, String)> {
    match node {
        Node::Object(_) => {
            let member = |name| node.get(name).map(text).unwrap_or_default();
            vec![(member("type"), member("identifier"))]
        }
        other => user_ids(&other.text()).flatten().map(|id| (id.kind.to_owned(), id.id.to_owned())).collect(),
    }
}

fn part(node: &Node<'_>) -> Option<RolePart> {
    let member = |name| node.get(name).map(text).unwrap_or_default();
    let part = RolePart {
        role: member("role"),
        org: node.get("org").map(reference).unwrap_or_default(),
        primary: member("roleType").eq_ignore_ascii_case("primary"),
        begin: member("beginDate"),
        end: member("endDate"),
    };
    (!part.role.is_empty()).then_some(part)
}

/// Values below `metadata` by their paths.
fn flatten(node: &Node<'_>, path: &str, wanted: &[String], into: &mut Vec<(String, String)>) {
    if let Node::Object(members) = node {
        for (name, value) in members {
            let name = name.to_lowercase();
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            flatten(value, &path, wanted, into);
        }
    } else if wanted.iter().any(|wanted| wanted == path) {
        into.push((path.to_owned(), text(node)));
    }
}

impl Org {
    /// Reads an organisation.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut org = Self::default();
        let mut head = Head::default();
        let known = |name: &str| matches!(name, "name" | "type" | "identifier");
        each(bytes, &mut head, known, |name, node| {
            let slot = match name {
                "name" => &mut org.name,
                "type" => &mut org.kind,
                _ => &mut org.identifier,
            };
            *slot = text(&node);
        });
        org.head = head;
        org
    }
}

impl Birth {
    /// Reads demographics.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut birth = Self::default();
        let mut head = Head::default();
        let known = |name: &str| matches!(name, "birthDate" | "birthdate");
        each(bytes, &mut head, known, |_, node| birth.birth_date = text(&node));
        birth.head = head;
        birth
    }
}

/// The names of a record's members, for those who want to know what a server sends.
#[must_use]
pub fn names(bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let whole = members(bytes, white(bytes, 0), |name, at| {
        names.push(name.into_owned());
        Ok(skip(bytes, at)?.0)
    });
    // The names up to where a broken record breaks are as good.
    let (Ok(_) | Err(_)) = whole;
    names
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(json: &str) -> User {
        User::read(json.as_bytes(), &["address.street".to_owned(), "zip".to_owned()])
    }

    #[test]
    fn b1_b2_b6_b7_b8_forms_of_values() {
        let read = user(
            "{\"sourcedId\":994,\"status\":null,\"givenName\":\"Zoë\",\"email\":\"\",\"phone\":null,\"identifier\":4711,\
             \"grades\":\"09, 10\",\"orgs\":{\"href\":null,\"sourcedId\":12},\"userIds\":[{\"type\":\"state\",\"identifier\":9}],\
             \"enabledUser\":1,\"password\":\"x\",\"unknown\":{\"a\":[1]}}",
        );
        assert_eq!((read.head.source_id.as_str(), read.identifier.as_str()), ("994", "4711"));
        assert_eq!(read.grades, ["09", "10"]);
        assert_eq!(read.orgs, ["12"]);
        assert_eq!(read.user_ids, [("state".to_owned(), "9".to_owned())]);
        assert!(read.email.is_empty() && read.phone.is_empty() && read.head.flaw.is_none());
    }

    #[test]
    fn roles_and_names_of_1p2() {
        let read = user(
            "{\"SourcedId\":\"a\",\"preferredFirstName\":\"Zo\",\"preferred_last_name\":\"N\",\"primaryOrg\":{\"sourcedId\":\"e\"},\
             \"roles\":[{\"roleType\":\"primary\",\"role\":\"student\",\"org\":{\"sourcedId\":\"e\"},\"endDate\":\"2027-06-30\"},{}]}",
        );
        let part = RolePart {
            role: "student".into(),
            org: "e".into(),
            primary: true,
            begin: String::new(),
            end: "2027-06-30".into(),
        };
        assert_eq!(read.roles, [part]);
        assert_eq!((read.head.source_id.as_str(), read.primary_org.as_str()), ("a", "e"));
        assert_eq!((read.preferred_given.as_str(), read.preferred_family.as_str()), ("Zo", "N"));
    }

    #[test]
    fn metadata_only_where_it_is_wanted() {
        let read = user(
            "{\"metadata\":{\"Address\":{\"Street\":\"1 Elm\",\"city\":\"x\"},\"zip\":95695,\"ssn\":\"y\"}}",
        );
        let wanted =
            [("address.street".to_owned(), "1 Elm".to_owned()), ("zip".to_owned(), "95695".to_owned())];
        assert_eq!(read.metadata, wanted);
    }

    #[test]
    fn b9_a_flaw_leaves_the_id() {
        for (bytes, flaw) in [
            (b"{\"sourcedId\":\"a\",\"identifier\":\"7\",\"givenName\":\"Zo\xeb\"}".as_slice(), Flaw::Utf8),
            (b"{\"sourcedId\":\"a\",\"identifier\":\"7\",\"givenName\":\"\\ud800\"}", Flaw::Escape),
            (b"{\"sourcedId\":\"a\",\"identifier\":\"7\",\"givenName\":", Flaw::NotJson),
        ] {
            let read = User::read(bytes, &[]);
            assert_eq!(read.head.flaw, Some(flaw));
            assert_eq!((read.head.source_id.as_str(), read.identifier.as_str()), ("a", "7"));
        }
    }

    #[test]
    fn b15_passwords_have_no_place() {
        let read = user(
            "{\"sourcedId\":\"a\",\"password\":\"CANARY\",\"givenName\":\"SHOWN\",\
             \"userProfiles\":[{\"credentials\":[{\"password\":\"CANARY\"}]}],\"agents\":[{\"sourcedId\":\"CANARY\"}]}",
        );
        assert!(!format!("{read:?}").contains("SHOWN"));
        let Birth { birth_date, .. } = Birth::read(b"{\"birthDate\":\"2014-05-06\",\"asian\":\"true\"}");
        assert_eq!(birth_date, "2014-05-06");
        assert_eq!(names(b"{\"a\":1,\"password\":\"x\"}"), ["a", "password"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_have_a_flaw(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let read = User::read(&bytes, &[]);
            let object = bytes.contains(&b'{');
            prop_assert!(read.head.flaw.is_some() || object);
        }
    }
}
