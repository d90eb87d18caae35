//! Records of the collections that are read, in all the forms that servers give them.
//!
//! A scalar may be a text, a number, a boolean or `null`; a list may be one value; a reference may be an object or the
//! id alone. Only what is named here is copied: passwords, credentials, agents, sex, race and ethnicity are skipped
//! over, and there is no field that could hold them.

use std::borrow::Cow;
use std::fmt;

use super::json::{BadText, Node, Wrong, members, read, skip, white};
use crate::scalars::{Status, list};
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
pub struct Head<'a> {
    /// `sourcedId`.
    pub source_id: Cow<'a, str>,
    /// `active`, `tobedeleted` or its like; empty where it is not said.
    pub status: Cow<'a, str>,
    /// `dateLastModified` as it was written.
    pub modified: Cow<'a, str>,
    /// What is wrong with the record, where something is: then its other fields may be missing.
    pub flaw: Option<Flaw>,
}

impl Head<'_> {
    /// Whether the record is a tombstone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        Status::parse(self.status.trim()) == Status::ToBeDeleted
    }
}

/// A part that a user plays in an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RolePart<'a> {
    /// `student`, `teacher`, ..
    pub role: Cow<'a, str>,
    /// The organisation's `sourcedId`.
    pub org: Cow<'a, str>,
    /// Whether `roleType` is primary.
    pub primary: bool,
    /// `beginDate`, the first day.
    pub begin: Cow<'a, str>,
    /// `endDate`, the day after the last.
    pub end: Cow<'a, str>,
}

/// A user, as far as it may be wanted, borrowed from its page where nothing had to be unescaped. What is empty was not
/// there, was `null`, or was empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct User<'a> {
    /// What every record says.
    pub head: Head<'a>,
    /// `username`.
    pub username: Cow<'a, str>,
    /// `userIds`: kind and id.
    pub user_ids: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// `givenName`.
    pub given_name: Cow<'a, str>,
    /// `familyName`.
    pub family_name: Cow<'a, str>,
    /// `middleName`.
    pub middle_name: Cow<'a, str>,
    /// `preferredFirstName`, or `preferredGivenName` as CSV calls it.
    pub preferred_given: Cow<'a, str>,
    /// `preferredMiddleName`.
    pub preferred_middle: Cow<'a, str>,
    /// `preferredLastName`, or `preferredFamilyName`.
    pub preferred_family: Cow<'a, str>,
    /// `identifier`.
    pub identifier: Cow<'a, str>,
    /// `userMasterIdentifier`.
    pub master_identifier: Cow<'a, str>,
    /// `email`.
    pub email: Cow<'a, str>,
    /// `sms`.
    pub sms: Cow<'a, str>,
    /// `phone`.
    pub phone: Cow<'a, str>,
    /// `grades`, or `grade` of 1.0.
    pub grades: Vec<Cow<'a, str>>,
    /// `role` of 1.1.
    pub role: Cow<'a, str>,
    /// `orgs` of 1.1: their `sourcedId`s.
    pub orgs: Vec<Cow<'a, str>>,
    /// `roles` of 1.2.
    pub roles: Vec<RolePart<'a>>,
    /// `primaryOrg` of 1.2.
    pub primary_org: Cow<'a, str>,
    /// Values of `metadata` that were asked for, by their path: `address.street`.
    pub metadata: Vec<(String, Cow<'a, str>)>,
}

impl fmt::Debug for User<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("flaw", &self.head.flaw).finish_non_exhaustive()
    }
}

/// An organisation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Org<'a> {
    /// What every record says.
    pub head: Head<'a>,
    /// `name`.
    pub name: Cow<'a, str>,
    /// `type`.
    pub kind: Cow<'a, str>,
    /// `identifier`.
    pub identifier: Cow<'a, str>,
}

impl fmt::Debug for Org<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Org").field("name", &self.name).field("flaw", &self.head.flaw).finish_non_exhaustive()
    }
}

/// Demographics, as far as they are ever read: the birth date.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Birth<'a> {
    /// What every record says; its `sourcedId` is the user's.
    pub head: Head<'a>,
    /// `birthDate`, as it was written.
    pub birth_date: Cow<'a, str>,
}

impl fmt::Debug for Birth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Birth").field("flaw", &self.head.flaw).finish_non_exhaustive()
    }
}

/// The members that any of these records has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    SourcedId,
    Status,
    Modified,
    Username,
    UserIds,
    GivenName,
    FamilyName,
    MiddleName,
    PreferredGiven,
    PreferredMiddle,
    PreferredFamily,
    Identifier,
    MasterIdentifier,
    Email,
    Sms,
    Phone,
    Grades,
    Role,
    Orgs,
    Roles,
    PrimaryOrg,
    Metadata,
    Name,
    Type,
    BirthDate,
}

impl Member {
    /// A member's name as the specification spells it, or as [`Member::find`] compares names.
    fn spelt(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"sourcedId" | b"sourcedid" => Self::SourcedId,
            b"status" => Self::Status,
            b"dateLastModified" | b"datelastmodified" => Self::Modified,
            b"username" => Self::Username,
            b"userIds" | b"userids" => Self::UserIds,
            b"givenName" | b"givenname" => Self::GivenName,
            b"familyName" | b"familyname" => Self::FamilyName,
            b"middleName" | b"middlename" => Self::MiddleName,
            b"preferredFirstName" | b"preferredfirstname" | b"preferredgivenname" => Self::PreferredGiven,
            b"preferredMiddleName" | b"preferredmiddlename" => Self::PreferredMiddle,
            b"preferredLastName" | b"preferredlastname" | b"preferredfamilyname" => Self::PreferredFamily,
            b"identifier" => Self::Identifier,
            b"userMasterIdentifier" | b"usermasteridentifier" => Self::MasterIdentifier,
            b"email" => Self::Email,
            b"sms" => Self::Sms,
            b"phone" => Self::Phone,
            b"grades" | b"grade" => Self::Grades,
            b"role" => Self::Role,
            b"orgs" | b"org" => Self::Orgs,
            b"roles" => Self::Roles,
            b"primaryOrg" | b"primaryorg" => Self::PrimaryOrg,
            b"metadata" => Self::Metadata,
            b"name" => Self::Name,
            b"type" => Self::Type,
            b"birthDate" | b"birthdate" => Self::BirthDate,
            _ => return None,
        })
    }

    /// The member of a name in any case, and with or without the marks that differ from server to server.
    fn find(name: &str) -> Option<Self> {
        /// No name that is known is longer.
        const LONGEST: usize = 20;
        if let found @ Some(_) = Self::spelt(name.as_bytes()) {
            return found;
        }
        let kept = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        let (mut plain, mut length) = ([0; LONGEST], 0);
        for c in kept.flat_map(char::to_lowercase) {
            // What is no ASCII in lower case is in none of the names.
            let byte = u8::try_from(c).ok().filter(u8::is_ascii)?;
            *plain.get_mut(length)? = byte;
            length += 1;
        }
        Self::spelt(plain.get(..length)?)
    }
}

/// The `sourcedId` of a reference, or the id alone where it is no object.
fn reference(node: Node<'_>) -> Cow<'_, str> {
    match node {
        Node::Object(_) => node.take("sourcedId").map(Node::into_text).unwrap_or_default(),
        other => other.into_text(),
    }
}

/// Goes through a record's members. `each` gets every value of a member that is `wanted`.
fn each<'a>(
    bytes: &'a [u8],
    head: &mut Head<'a>,
    wanted: impl Fn(Member) -> bool,
    mut each: impl FnMut(Member, Node<'a>),
) {
    let mut flaw = None;
    let ended = members(bytes, white(bytes, 0), |name, at| {
        let own = |member| matches!(member, Member::SourcedId | Member::Status | Member::Modified);
        let Some(member) = Member::find(&name).filter(|member| own(*member) || wanted(*member)) else {
            return Ok(skip(bytes, at)?.0);
        };
        let (node, end) = match read(bytes, at) {
            Ok(read) => read,
            Err(Wrong::Text(bad)) => {
                flaw = flaw.or(Some(Wrong::Text(bad).into()));
                return Ok(skip(bytes, at)?.0);
            }
            Err(wrong) => return Err(wrong),
        };
        match member {
            Member::SourcedId => head.source_id = node.into_text(),
            Member::Status => head.status = node.into_text(),
            Member::Modified => head.modified = node.into_text(),
            member => each(member, node),
        }
        Ok(end)
    });
    head.flaw = ended.err().map(Flaw::from).or(flaw);
}

impl<'a> User<'a> {
    /// Reads a user. `wanted` are paths below `metadata`, in lower case with dots between; what is not among them is
    /// not copied.
    #[must_use]
    pub fn read(bytes: &'a [u8], wanted: &[String]) -> Self {
        let mut user = Self::default();
        let mut head = Head::default();
        let of_users = |member| match member {
            Member::Name | Member::Type | Member::BirthDate => false,
            Member::Metadata => !wanted.is_empty(),
            _ => true,
        };
        each(bytes, &mut head, of_users, |member, node| user.take(member, node, wanted));
        user.head = head;
        user
    }

    fn take(&mut self, member: Member, node: Node<'a>, wanted: &[String]) {
        let slot = match member {
            Member::Username => &mut self.username,
            Member::GivenName => &mut self.given_name,
            Member::FamilyName => &mut self.family_name,
            Member::MiddleName => &mut self.middle_name,
            Member::PreferredGiven => &mut self.preferred_given,
            Member::PreferredMiddle => &mut self.preferred_middle,
            Member::PreferredFamily => &mut self.preferred_family,
            Member::Identifier => &mut self.identifier,
            Member::MasterIdentifier => &mut self.master_identifier,
            Member::Email => &mut self.email,
            Member::Sms => &mut self.sms,
            Member::Phone => &mut self.phone,
            Member::Role => &mut self.role,
            _ => return self.take_list(member, node, wanted),
        };
        *slot = node.into_text();
    }

    fn take_list(&mut self, member: Member, node: Node<'a>, wanted: &[String]) {
        match member {
            Member::Grades => {
                // Some send the list as one text, as CSV has it.
                self.grades = node.into_elements().map(Node::into_text).flat_map(split).collect();
            }
            Member::Orgs => {
                self.orgs = node.into_elements().map(reference).filter(|id| !id.is_empty()).collect();
            }
            Member::PrimaryOrg => self.primary_org = reference(node),
            Member::UserIds => {
                self.user_ids.clear();
                node.into_elements().for_each(|node| ids(node, &mut self.user_ids));
            }
            Member::Roles => self.roles = node.into_elements().filter_map(part).collect(),
            Member::Metadata => flatten(node, "", wanted, &mut self.metadata),
            _ => {}
        }
    }

    /// The same, on its own.
    #[must_use]
    pub fn into_owned(self) -> User<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        User {
            head: Head {
                source_id: own(self.head.source_id),
                status: own(self.head.status),
                modified: own(self.head.modified),
                flaw: self.head.flaw,
            },
            username: own(self.username),
            user_ids: self.user_ids.into_iter().map(|(kind, id)| (own(kind), own(id))).collect(),
            given_name: own(self.given_name),
            family_name: own(self.family_name),
            middle_name: own(self.middle_name),
            preferred_given: own(self.preferred_given),
            preferred_middle: own(self.preferred_middle),
            preferred_family: own(self.preferred_family),
            identifier: own(self.identifier),
            master_identifier: own(self.master_identifier),
            email: own(self.email),
            sms: own(self.sms),
            phone: own(self.phone),
            grades: self.grades.into_iter().map(own).collect(),
            role: own(self.role),
            orgs: self.orgs.into_iter().map(own).collect(),
            roles: self
                .roles
                .into_iter()
                .map(|part| RolePart {
                    role: own(part.role),
                    org: own(part.org),
                    primary: part.primary,
                    begin: own(part.begin),
                    end: own(part.end),
                })
                .collect(),
            primary_org: own(self.primary_org),
            metadata: self.metadata.into_iter().map(|(path, value)| (path, own(value))).collect(),
        }
    }
}

/// A text's parts between commas, without the spaces around them and without empty ones.
fn split(text: Cow<'_, str>) -> Vec<Cow<'_, str>> {
    match text {
        Cow::Borrowed(text) => list(text).map(Cow::Borrowed).collect(),
        Cow::Owned(text) => list(&text).map(|part| Cow::Owned(part.to_owned())).collect(),
    }
}

fn ids<'a>(node: Node<'a>, into: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>) {
    if let Node::Object(members) = node {
        let (mut kind, mut id) = (None, None);
        for (name, value) in members {
            // The first one of a name counts.
            let slot = match &*name {
                name if name.eq_ignore_ascii_case("type") => &mut kind,
                name if name.eq_ignore_ascii_case("identifier") => &mut id,
                _ => continue,
            };
            slot.get_or_insert_with(|| value.into_text());
        }
        into.push((kind.unwrap_or_default(), id.unwrap_or_default()));
        return;
    }
    let own = |text: &str| Cow::Owned(text.to_owned());
    into.extend(user_ids(&node.text()).flatten().map(|id| (own(id.kind), own(id.id))));
}

fn part(node: Node<'_>) -> Option<RolePart<'_>> {
    let Node::Object(members) = node else { return None };
    let (mut role, mut org, mut kind, mut begin, mut end) = (None, None, None, None, None);
    for (name, value) in members {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        // The first one of a name counts.
        let slot = match () {
            () if is("role") => &mut role,
            () if is("org") => {
                org.get_or_insert_with(|| reference(value));
                continue;
            }
            () if is("roleType") => &mut kind,
            () if is("beginDate") => &mut begin,
            () if is("endDate") => &mut end,
            () => continue,
        };
        slot.get_or_insert_with(|| value.into_text());
    }
    let role = role.filter(|role| !role.is_empty())?;
    Some(RolePart {
        role,
        org: org.unwrap_or_default(),
        primary: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("primary")),
        begin: begin.unwrap_or_default(),
        end: end.unwrap_or_default(),
    })
}

/// Values below `metadata` by their paths.
fn flatten<'a>(node: Node<'a>, path: &str, wanted: &[String], into: &mut Vec<(String, Cow<'a, str>)>) {
    if let Node::Object(members) = node {
        for (name, value) in members {
            let name = name.to_lowercase();
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            flatten(value, &path, wanted, into);
        }
    } else if wanted.iter().any(|wanted| wanted == path) {
        into.push((path.to_owned(), node.into_text()));
    }
}

impl<'a> Org<'a> {
    /// Reads an organisation.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut org = Self::default();
        let mut head = Head::default();
        let wanted = |member| matches!(member, Member::Name | Member::Type | Member::Identifier);
        each(bytes, &mut head, wanted, |member, node| {
            let slot = match member {
                Member::Name => &mut org.name,
                Member::Type => &mut org.kind,
                _ => &mut org.identifier,
            };
            *slot = node.into_text();
        });
        org.head = head;
        org
    }
}

impl<'a> Birth<'a> {
    /// Reads demographics.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut birth = Self::default();
        let mut head = Head::default();
        let wanted = |member| member == Member::BirthDate;
        each(bytes, &mut head, wanted, |_, node| birth.birth_date = node.into_text());
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

    fn user(json: &str) -> User<'_> {
        User::read(json.as_bytes(), &["address.street".to_owned(), "zip".to_owned()])
    }

    #[test]
    fn b1_b2_b6_b7_b8_forms_of_values() {
        let read = user(
            "{\"sourcedId\":994,\"status\":null,\"givenName\":\"Zoë\",\"email\":\"\",\"phone\":null,\"identifier\":4711,\
             \"grades\":\"09, 10\",\"orgs\":{\"href\":null,\"sourcedId\":12},\"userIds\":[{\"type\":\"state\",\"identifier\":9}],\
             \"enabledUser\":1,\"password\":\"x\",\"unknown\":{\"a\":[1]}}",
        );
        assert_eq!((&*read.head.source_id, &*read.identifier), ("994", "4711"));
        assert_eq!(read.grades, ["09", "10"]);
        assert_eq!(read.orgs, ["12"]);
        assert_eq!(read.user_ids, [("state".into(), "9".into())]);
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
            begin: "".into(),
            end: "2027-06-30".into(),
        };
        assert_eq!(read.roles, [part]);
        assert_eq!((&*read.head.source_id, &*read.primary_org), ("a", "e"));
        assert_eq!((&*read.preferred_given, &*read.preferred_family), ("Zo", "N"));
    }

    #[test]
    fn metadata_only_where_it_is_wanted() {
        let read = user(
            "{\"metadata\":{\"Address\":{\"Street\":\"1 Elm\",\"city\":\"x\"},\"zip\":95695,\"ssn\":\"y\"}}",
        );
        let wanted = [("address.street".to_owned(), "1 Elm".into()), ("zip".to_owned(), "95695".into())];
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
            assert_eq!((&*read.head.source_id, &*read.identifier), ("a", "7"));
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

    #[test]
    fn members_in_any_spelling() {
        for (name, member) in [
            ("givenName", Some(Member::GivenName)),
            ("GIVEN_NAME", Some(Member::GivenName)),
            ("user-master identifier", Some(Member::MasterIdentifier)),
            ("Preferred_Given_Name", Some(Member::PreferredGiven)),
            ("\u{212a}", None),
            ("given\u{e9}", None),
            ("usermasteridentifierx", None),
            ("password", None),
            ("", None),
        ] {
            assert_eq!(Member::find(name), member, "{name}");
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_first_counts_inside_and_the_last_outside() {
        let read = user(
            "{\"email\":\"a\",\"email\":\"b\",\"userIds\":[{\"type\":\"s\",\"type\":\"t\",\"identifier\":1}],\
             \"roles\":[{\"role\":\"student\",\"role\":\"teacher\",\"org\":\"e\",\"org\":\"f\"}]}",
        );
        assert_eq!((&*read.email, &*read.user_ids[0].0), ("b", "s"));
        assert_eq!((&*read.roles[0].role, &*read.roles[0].org), ("student", "e"));
        assert!(read.clone().into_owned() == read);
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
