//! The JSON of Clever's objects, as far as a roster needs it. Lenient: whatever a field holds, the record can be read, and what
//! is not what it should be counts as not there. One bad record never costs its page.
//!
//! What is not named here is dropped while parsing: race, gender, ethnicity, languages, lunch, disability and every other
//! status are never held in memory as values of their own. Nothing here knows students, rules or the network.

use serde::Deserialize;
use serde_json::value::RawValue;

pub use crate::lenient::{Lax, Text, Texts};

/// A person's name. Of preferred names the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Name {
    /// Given name.
    pub first: Text,
    /// Middle name.
    pub middle: Text,
    /// Family name.
    pub last: Text,
}

/// Where somebody lives. Coordinates are not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Location {
    /// House number and street.
    pub address: Text,
    /// City.
    pub city: Text,
    /// State.
    pub state: Text,
    /// ZIP code; often all there is.
    pub zip: Text,
}

/// How somebody logs in at school.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Credentials {
    /// The user name; passwords never come.
    pub district_username: Text,
}

/// What a user is there as a student, a teacher or other school staff: the three have most fields in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Part {
    /// The SIS's own id, unique within the district.
    pub sis_id: Text,
    /// The state's id.
    pub state_id: Text,
    /// The number that students know.
    pub student_number: Text,
    /// The number that teachers know.
    pub teacher_number: Text,
    /// School staff's id.
    pub staff_id: Text,
    /// The person's own school, as Clever's id.
    pub school: Text,
    /// All schools, as Clever's ids.
    pub schools: Texts,
    /// Grade.
    pub grade: Text,
    /// Birth date.
    pub dob: Text,
    /// Preferred name (3.1).
    pub preferred_name: Lax<Name>,
    /// Where the person lives.
    pub location: Lax<Location>,
    /// The user name at school.
    pub credentials: Lax<Credentials>,
    /// Name, in the flat objects of older event feeds.
    pub name: Lax<Name>,
}

/// The parts a user has. Contacts (families) and administrators are only told apart from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Roles {
    /// Somebody who is taught.
    pub student: Lax<Part>,
    /// Somebody who teaches.
    pub teacher: Lax<Part>,
    /// Other school staff.
    pub staff: Lax<Part>,
    /// A parent or guardian.
    pub contact: Lax<Nothing>,
    /// An administrator of the district's.
    pub district_admin: Lax<Nothing>,
}

/// An object of which nothing is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Nothing {}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    /// Clever's id.
    pub id: Text,
    /// Clever's id of the district.
    pub district: Text,
    /// E-mail address; Clever does not check that it is one.
    pub email: Text,
    /// Name.
    pub name: Lax<Name>,
    /// Parts.
    pub roles: Lax<Roles>,
}

/// A school.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct School {
    /// Clever's id.
    pub id: Text,
    /// The SIS's own id.
    pub sis_id: Text,
    /// The school's number.
    pub school_number: Text,
    /// The name.
    pub name: Text,
}

/// A district.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct District {
    /// Clever's id.
    pub id: Text,
    /// The name.
    pub name: Text,
    /// The SIS that Clever reads.
    pub sis_type: Text,
    /// `running`, `pending`, `error`, `paused`, `success` or nothing.
    pub state: Text,
    /// When Clever last read the SIS.
    pub last_sync: Text,
    /// When the pause began.
    pub pause_start: Text,
    /// When the pause is to end.
    pub pause_end: Text,
}

/// A link of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Link {
    /// `self`, `next` or `prev`.
    pub rel: Text,
    /// Path, or a whole address.
    pub uri: Text,
}

/// A list as it comes: its records still unread, so that each can be read or fail alone. Unread records could be printed, so
/// that nothing which holds one has a `Debug`.
#[derive(Deserialize)]
pub struct List<'a> {
    /// The records. An answer without them is no list, and never an empty roster.
    #[serde(borrow)]
    pub data: Vec<&'a RawValue>,
    /// Where it goes on.
    #[serde(default)]
    pub links: Option<Vec<Lax<Link>>>,
}

/// The answer to the question how many there are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Count {
    /// How many.
    pub count: Text,
}

impl List<'_> {
    /// The address of the next page, wherever it stands among the links.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        let mut links = self.links.iter().flatten().filter_map(|link| link.0.as_ref());
        links.find(|link| link.rel.get() == "next").map(|link| link.uri.get()).filter(|uri| !uri.is_empty())
    }
}

/// A record in its envelope.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    /// The record.
    #[serde(borrow)]
    pub data: &'a RawValue,
}

/// An event.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Event<'a> {
    /// Clever's id of the event.
    pub id: Text,
    /// What happened to what: `users.updated`.
    #[serde(rename = "type")]
    pub kind: Text,
    /// What the object is now, or last was.
    pub data: Lax<EventData<'a>>,
    /// What it was before, beside `data` as the specification has it.
    #[serde(borrow)]
    pub previous_attributes: Option<&'a RawValue>,
}

/// The body of an event.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct EventData<'a> {
    /// The object.
    #[serde(borrow)]
    pub object: Option<&'a RawValue>,
    /// What it was before, within `data` as recorded feeds have it.
    #[serde(borrow)]
    pub previous_attributes: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// What the object was before, wherever that stands.
    #[must_use]
    pub fn before(&self) -> Option<&'a RawValue> {
        self.previous_attributes.or_else(|| self.data.0.as_ref().and_then(|data| data.previous_attributes))
    }
}

/// A token that Clever lists. Its `Debug` shows nothing of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Token {
    /// Whose data it opens.
    pub owner: Lax<Owner>,
    /// The token itself.
    pub access_token: Text,
    /// What it may read.
    pub scopes: Texts,
}

/// Whose data a token opens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// `district`, or another kind.
    #[serde(rename = "type")]
    pub kind: Text,
    /// Clever's id.
    pub id: Text,
}

/// Reads a list.
///
/// # Errors
/// It is no JSON object with a list of `data`: cut off, HTML, another answer altogether.
pub fn list(body: &[u8]) -> Result<List<'_>, serde_json::Error> {
    serde_json::from_slice(body)
}

/// Reads one record, in its envelope or (as tokens are) without.
#[must_use]
pub fn record<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    let inner = serde_json::from_str::<Envelope<'a>>(raw.get()).map_or(raw, |envelope| envelope.data);
    object(inner)
}

/// Reads an object.
#[must_use]
pub fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str::<Lax<T>>(raw.get()).ok()?.0
}

/// Reads the answer about one object.
#[must_use]
pub fn single<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    object(serde_json::from_slice::<Envelope<'a>>(body).ok()?.data)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_that_are_not_what_they_should_be_are_not_there() {
        let text = r#"{"data":[
            {"data":{"id":"u1","name":null,"roles":{"student":{"sis_id":4711,"dob":["x"],"schools":"s1","race":"secret"}}}},
            {"data":{"id":"u2","name":"Ann","roles":[1,2]}},
            {"data":17}, null, "x"
        ],"links":[null,{"rel":"prev","uri":"/p"},{"rel":"next","uri":"/n"},"x"],"paging":{"total":3}}"#;
        let list = list(text.as_bytes()).unwrap();
        assert_eq!(list.next(), Some("/n"));
        let users: Vec<Option<User>> = list.data.iter().map(|raw| record(raw)).collect();
        let first = users[0].clone().unwrap();
        let part = first.roles.0.unwrap().student.0.unwrap();
        assert_eq!((part.sis_id.get(), part.dob.get(), part.schools.0.len()), ("4711", "", 0));
        let second = users[1].clone().unwrap();
        assert!(second.name.0.is_none() && second.roles.0.is_none());
        assert!(users[2..].iter().all(Option::is_none));
        assert!(!format!("{:?}", users[0]).contains("4711"));
    }

    #[test]
    fn what_was_before_is_found_in_both_places() {
        for text in [
            r#"{"type":"users.updated","id":"e1","data":{"object":{"id":"u1"},"previous_attributes":{"email":"a"}}}"#,
            r#"{"type":"users.updated","id":"e1","data":{"object":{"id":"u1"}},"previous_attributes":{"email":"a"}}"#,
        ] {
            let event: Event<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(event.before().unwrap().get(), r#"{"email":"a"}"#, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _read = list(&bytes).map(|list| list.data.iter().filter_map(|raw| record::<User>(raw)).count());
            let _one = single::<District>(&bytes);
        }

        #[test]
        fn no_cut_is_too_early(at in 0usize..200) {
            let whole = br#"{"data":[{"data":{"id":"u1","name":{"first":"A"},"roles":{"student":{"sis_id":"1"}}}}],"links":[]}"#;
            let cut = &whole[..at.min(whole.len())];
            prop_assert_eq!(list(cut).is_ok(), at >= whole.len());
        }
    }
}
